// A database, as the recorder sees it. Every call returns 0 or HADRON_ERR_*, and leaves the reason in `error`; after a failure the
// only thing to do is close. What the code says about the way out (store_parks): [plugin]
//   DATABASE, TIMEOUT, STATE, MEMORY  away, slow, locked, or somebody else's turn: it may be better by itself
//   CONFIG      tables that are not ours, or no longer as we made them
//   PERMISSION  the role may not
//   NOT_FOUND   the file cannot be opened
//   IO          no room, or the disk fails
//   CORRUPT     the database says that it is damaged
#ifndef RECORDER_STORE_H
#define RECORDER_STORE_H

#include <stdbool.h>

#include "hadron/error.h"
#include "table.h"

#define STORE_ERROR_SIZE 480

struct store;

// How long the database may take. Whoever opens a store keeps this and may change `until_ns` between calls.
struct store_limits {
  int connect_ms;   // from the first packet to the first answer to a query
  int wait_ms;      // silence in the middle of a request
  int statement_ms; // one statement, on the server's side
  int countdown;    // store_countdown's
  int64_t until_ns; // by store_clock_ns: no call goes on for longer; 0: no such end
};

struct store_place {
  int32_t journal;   // number in hadron_journals
  uint64_t position; // where to go on; 0: from the oldest record
  uint64_t records;  // stored so far
};

struct store_api {
  // Connects, migrates.
  // @own limits, error  borrowed(until close)
  int32_t (*open)(struct store **store, const char *url, const struct store_limits *limits, char error[STORE_ERROR_SIZE]);
  // The place in this journal; a journal never seen is entered.
  int32_t (*place)(struct store *s, const uint8_t journal[16], struct store_place *place);
  // The latest snapshot of every instrument of the journal.
  int32_t (*snapshots)(struct store *s, int32_t journal, int32_t (*take)(void *self, const struct snapshot *snapshot), void *self);
  // A day that ticks are about to have, days since the epoch: its partition is there afterwards. Outside of a batch.
  int32_t (*day)(struct store *s, int64_t day);
  // Takes a row of the batch, which begins with the first one.
  // @err HADRON_ERR_FULL  the batch spans more days or bytes than one may: commit first
  int32_t (*row)(struct store *s, enum table_number table, const struct row *row);
  // Writes rows and new place together, or neither. HADRON_ERR_STATE: someone else has moved the place.
  int32_t (*commit)(struct store *s, const struct store_place *from, uint64_t position, uint64_t records);
  void (*close)(struct store *s);
};

extern const struct store_api sqlite_store, postgres_store;

// The store that a URL names, or NULL: sqlite:PATH, postgresql://..., postgres://...
const struct store_api *store_of(const char *url);

// Whether a failure needs a person: waiting alone will not mend it.
static inline bool store_parks(int32_t rc) {
  return rc == HADRON_ERR_CONFIG || rc == HADRON_ERR_PERMISSION || rc == HADRON_ERR_NOT_FOUND || rc == HADRON_ERR_IO || rc == HADRON_ERR_CORRUPT;
}

// Milliseconds of `ms` that are left before until_ns; at least 0.
int store_left_ms(const struct store_limits *limits, int ms);

// What the outside may take is measured by how much of a very long countdown is gone: the host's clock stands still in a replay and jumps in
// live. A descriptor, the caller's to close; -1: there is none.
int store_countdown(void);
int64_t store_clock_ns(const struct store_limits *limits); // since it was made

#define DAY_NS (INT64_C(86400) * 1000000000)
static inline int64_t day_of(int64_t ns) { return ns / DAY_NS - (ns % DAY_NS < 0); }

#endif
