// A database, as the recorder sees it. Every call returns 0 or HADRON_ERR_*, and leaves the reason in `error`; after a failure the
// only thing to do is close. [plugin]
#ifndef RECORDER_STORE_H
#define RECORDER_STORE_H

#include "table.h"

#define STORE_ERROR_SIZE 480

struct store;

struct store_place {
  int32_t journal;   // number in hadron_journals
  uint64_t position; // where to go on; 0: from the oldest record
  uint64_t records;  // stored so far
};

struct store_api {
  // Connects, migrates. `wait_ms`: how long one request may stay without an answer.
  int32_t (*open)(struct store **store, const char *url, int wait_ms, char error[STORE_ERROR_SIZE]);
  // The place in this journal; a journal never seen is entered.
  int32_t (*place)(struct store *s, const uint8_t journal[16], struct store_place *place);
  // The latest snapshot of every instrument of the journal.
  int32_t (*snapshots)(struct store *s, int32_t journal, int32_t (*take)(void *self, const struct snapshot *snapshot), void *self);
  // A day that ticks are about to have, days since the epoch: its partition is there afterwards. Outside of a batch.
  int32_t (*day)(struct store *s, int64_t day);
  // Takes a row of the batch, which begins with the first one.
  // @err HADRON_ERR_FULL  the batch spans more days than one may: commit first
  int32_t (*row)(struct store *s, enum table_number table, const struct row *row);
  // Writes rows and new place together, or neither. HADRON_ERR_STATE: someone else has moved the place.
  int32_t (*commit)(struct store *s, const struct store_place *from, uint64_t position, uint64_t records);
  void (*close)(struct store *s);
};

extern const struct store_api sqlite_store, postgres_store;

// The store that a URL names, or NULL: sqlite:PATH, postgresql://..., postgres://...
const struct store_api *store_of(const char *url);

#define DAY_NS (INT64_C(86400) * 1000000000)
static inline int64_t day_of(int64_t ns) { return ns / DAY_NS - (ns % DAY_NS < 0); }

#endif
