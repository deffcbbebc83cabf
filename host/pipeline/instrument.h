// Instruments and their listings: who is who. Canonical ids and listing handles are dense and start at 1, so that the tick path
// indexes arrays. Filled at start and, where the universe is open, when a venue resolves a new symbol. Rows never move and are
// never removed.
//
// takes  definitions from the universe file and from venues     gives  rows by id, by name, by (venue, symbol)
// bound  universe.max instruments, four times as many listings     full   HADRON_ERR_FULL
// thread [control, io]: writers one at a time; readers of rows that they know of need no lock. find and find_symbol walk the maps
//        and belong to the writers' side; `at` and the rows themselves are for everybody
#ifndef HD_PIPELINE_INSTRUMENT_H
#define HD_PIPELINE_INSTRUMENT_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/map.h"
#include "hadron/message.h"
#include "hadron/venue.h"

enum hd_instrument_field {
  HD_INSTRUMENT_INCREMENT = 1,
  HD_INSTRUMENT_LOT = 2,
  HD_INSTRUMENT_MULTIPLIER = 4,
  HD_INSTRUMENT_ASSET = 8,
  HD_INSTRUMENT_CURRENCY = 16,
};

struct hd_instrument {
  uint32_t id;
  uint32_t asset;                   // 1 equity, 2 forex, 3 crypto, 4 future, 5 event contract
  struct hadron_price increment;    // > 0
  struct hadron_quantity lot;       // > 0
  struct hadron_quantity multiplier; // > 0, 1e-8 units
  struct hadron_price price_min, price_max; // sane bounds of a tick's price; max 0: none
  struct hadron_quantity size_max;  // sane bound of a tick's size; 0: none
  uint32_t listing;                 // the first one: where orders go unless the config says otherwise
  uint32_t shard;                   // which engine owns it; set before ticks flow
  uint32_t assumed;                 // enum hd_instrument_field bits that are defaults; the first venue that knows better sets them
  bool retired;                     // known from an earlier run alone: nobody trades it, but it keeps its id
  char name[HADRON_SYMBOL_SIZE];
  char currency[8];
};

struct hd_listing {
  uint32_t handle;
  uint32_t instrument;
  uint32_t next;                    // handle of the instrument's next listing; 0: the last
  uint16_t venue;
  char symbol[HADRON_SYMBOL_SIZE];
};

struct hd_instruments {
  struct hd_instrument *rows;   // [1 .. count]; owned
  struct hd_listing *listings;  // [1 .. listing_count]; owned
  uint32_t count, max;          // count: hd_instruments_count, wherever it is not the writers' side
  uint32_t listing_count, listing_max;
  bool open;                    // may venues add instruments?
  struct hadron_price default_increment;
  struct hadron_quantity default_lot;
  struct hd_map by_name;        // canonical name -> id
  struct hd_map by_symbol;      // venue number (2 bytes) + symbol -> handle
};

// @err   HADRON_ERR_ARGUMENT (max 0 or above 2^24), HADRON_ERR_MEMORY; fini accepts what is left of a failed init.
int32_t hd_instruments_init(struct hd_instruments *t, uint32_t max, bool open);
void hd_instruments_fini(struct hd_instruments *t);

// Adds an instrument by its definition (id, listing and shard are set by the table). Zero increment, lot and multiplier mean the
// defaults: 0.01, 1 and 1. HADRON_ERR_EXISTS, HADRON_ERR_FULL, HADRON_ERR_ARGUMENT: a name that is empty, too long, not printable
// or has a '|' (which separates the parts of an order id's text); a negative number; bounds the wrong way round.
int32_t hd_instruments_add(struct hd_instruments *t, const struct hd_instrument *definition, uint32_t *id);

// The universe says anew what an instrument is that is there already: `definition` by its name. HADRON_ERR_NOT_FOUND, HADRON_ERR_ARGUMENT.
int32_t hd_instruments_restate(struct hd_instruments *t, const struct hd_instrument *definition, uint32_t *id);

// Says that `venue` (> 0) calls an instrument `symbol`. Saying it twice gives the same handle. HADRON_ERR_EXISTS: the symbol is
// another instrument's; HADRON_ERR_NOT_FOUND: no such instrument; HADRON_ERR_FULL; HADRON_ERR_ARGUMENT.
int32_t hd_instruments_list(struct hd_instruments *t, uint32_t id, uint16_t venue, const char *symbol, uint32_t *handle);

// What a venue's `resolve` does: finds the listing, or makes it (and the instrument, if the universe is open). What the venue knows
// of the instrument replaces defaults, never what the universe file said. HADRON_ERR_NOT_FOUND: the universe is closed.
int32_t hd_instruments_resolve(struct hd_instruments *t, uint16_t venue, const struct hadron_listing *listing, uint32_t *handle);

// How many there are: all of their rows may be read. [any]
static inline uint32_t hd_instruments_count(const struct hd_instruments *t) { return __atomic_load_n(&t->count, __ATOMIC_ACQUIRE); }

uint32_t hd_instruments_find(const struct hd_instruments *t, const char *name); // 0: none
uint32_t hd_instruments_find_symbol(const struct hd_instruments *t, uint16_t venue, const char *symbol); // handle; 0: none

// The handle under which `venue` lists the instrument (the first, if there are several); 0: it does not. [any]
uint32_t hd_instruments_at(const struct hd_instruments *t, uint32_t id, uint16_t venue);

void hd_instruments_definition(const struct hd_instruments *t, uint32_t id, uint32_t handle,
                               struct hadron_instrument_definition *out);

#endif
