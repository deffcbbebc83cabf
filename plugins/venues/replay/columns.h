// Which column of a CSV file means what: from the names in its header, or from the user's map, lines of "role=column" where the
// column is a header's name or a number from 0. [control]
//
//   roles    time date clock recv symbol price size side id bid ask bid_size ask_size open high low close volume
//            is_snapshot action first_id last_id previous_id
//   and      unit=s|ms|us|ns      of times that are numbers (else by magnitude)
//            scale=10000          prices are in units of 1/scale, a power of ten
//            separator=;          or tab, pipe, comma (else found in the first line)
//            asset=equity|forex|crypto|future
//            stamp=end            a bar's time is its end
//
// Columns asks[0].price, asks[0].amount, bids[0].price, ... are levels of whole books, as Tardis names them.
#ifndef REPLAY_COLUMNS_H
#define REPLAY_COLUMNS_H

#include "fault.h"
#include "scan.h"

#define COLUMNS_MAX 256
#define LEVELS_MAX 64

enum role {
  ROLE_TIME, ROLE_DATE, ROLE_CLOCK, ROLE_RECV, ROLE_SYMBOL, ROLE_PRICE, ROLE_SIZE, ROLE_SIDE, ROLE_ID, ROLE_BID, ROLE_ASK,
  ROLE_BID_SIZE, ROLE_ASK_SIZE, ROLE_OPEN, ROLE_HIGH, ROLE_LOW, ROLE_CLOSE, ROLE_VOLUME, ROLE_IS_SNAPSHOT, ROLE_ACTION,
  ROLE_FIRST_ID, ROLE_LAST_ID, ROLE_PREVIOUS_ID, ROLES
};

enum shape { SHAPE_NONE, SHAPE_TRADE, SHAPE_QUOTE, SHAPE_BAR, SHAPE_BOOK, SHAPE_LEVELS };

struct columns {
  int16_t of[ROLES];                // -1: not there
  int16_t level[LEVELS_MAX][2][2];  // [n][0 bid, 1 ask][0 price, 1 size]
  int levels;
  int last;                         // the highest column in use
  char separator;
  int price_places;
  int64_t unit_ns;                  // 0: by magnitude
  uint32_t asset;
  bool stamp_end;
  bool header;                      // the first line is one
  enum shape shape;
  char missing[64];                 // SHAPE_NONE: what was not found
};

// Splits a line; returns the number of fields, COLUMNS_MAX + 1 if there are more.
int columns_split(const struct columns *c, struct scan line, struct scan fields[COLUMNS_MAX]);

// From the user's map and the first line. HADRON_OK with SHAPE_NONE: nothing that a tick could be made of.
// @err HADRON_ERR_PARSE  a line of the map is wrong
int32_t columns_find(struct columns *c, const char *map, struct scan first, const char *path, struct fault *fault);

#endif
