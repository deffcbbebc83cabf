// Last trade and quote per instrument, cut into intervals: what becomes market_snapshots. A row holds what was known at the end
// of its interval, whatever batches the ticks came in. [plugin]
#ifndef RECORDER_MARKET_H
#define RECORDER_MARKET_H

#include "table.h"

struct market_entry {
  struct snapshot now;
  uint64_t position; // of the last tick in it
  bool dirty;        // changed since it was last written
};

struct market {
  int64_t interval_ns;
  struct market_entry *entries; // owned
  uint32_t count, room;
  uint32_t *slots; // owned; entry + 1, open addressing
  uint32_t mask;
};

typedef int32_t (*market_emit)(void *self, const struct market_entry *entry);

void market_clear(struct market *m);
void market_fini(struct market *m);

// Takes over what the database knows. HADRON_ERR_MEMORY.
int32_t market_seed(struct market *m, const struct snapshot *s);

// A tick; emits the instrument's row if the tick begins a new interval.
int32_t market_tick(struct market *m, const struct hadron_tick *tick, uint64_t position, market_emit emit, void *self);

// Emits what changed since it was last written: the end of a batch.
int32_t market_flush(struct market *m, market_emit emit, void *self);

#endif
