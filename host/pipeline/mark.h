// Marks: the last known prices of every instrument, for those who are not the instrument's shard: risk, coordinator, portfolio,
// status. One cache line each. The owning shard writes, anybody reads a consistent copy (sequence lock).
#ifndef HD_PIPELINE_MARK_H
#define HD_PIPELINE_MARK_H

#include <stdatomic.h>
#include <stdint.h>

#include "hadron/message.h"

struct hd_mark {
  struct hadron_price last, bid, ask; // 0: not known
  int64_t event_ns, recv_ns;          // of the last tick; 0: none yet
  uint64_t sequence;                  // of the last tick
  uint32_t state;                     // enum hadron_market_state
  float volatility;                   // EWMA, per-second log return
};

struct hd_mark_cell {
  _Alignas(64) _Atomic uint64_t version; // odd while being written
  struct hd_mark mark;
};
_Static_assert(sizeof(struct hd_mark_cell) == 64, "a mark is one cache line");

struct hd_marks {
  struct hd_mark_cell *cells; // [instrument]; owned by the pipeline
  uint32_t max;
};

// The owning shard alone.
static inline struct hd_mark *hd_mark_begin(struct hd_mark_cell *cell) {
  uint64_t v = atomic_load_explicit(&cell->version, memory_order_relaxed);
  atomic_store_explicit(&cell->version, v + 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
  return &cell->mark;
}
static inline void hd_mark_end(struct hd_mark_cell *cell) {
  uint64_t v = atomic_load_explicit(&cell->version, memory_order_relaxed);
  atomic_store_explicit(&cell->version, v + 1, memory_order_release);
}

// Anybody. A bounded wait: the writer is a few stores long.
static inline struct hd_mark hd_mark_read(const struct hd_marks *marks, uint32_t instrument) {
  const struct hd_mark_cell *cell = &marks->cells[instrument];
  struct hd_mark copy;
  uint64_t before, after;
  do {
    before = atomic_load_explicit(&cell->version, memory_order_acquire);
    copy = cell->mark;
    atomic_thread_fence(memory_order_acquire);
    after = atomic_load_explicit(&cell->version, memory_order_relaxed);
  } while (before != after || (before & 1));
  return copy;
}

// What a position is worth, and what an order is measured against: mid if both sides are there, else last, else the side there is.
static inline struct hadron_price hd_mark_reference(const struct hd_mark *m) {
  if (m->bid.nanos > 0 && m->ask.nanos > 0) return (struct hadron_price){m->bid.nanos + (m->ask.nanos - m->bid.nanos) / 2};
  if (m->last.nanos > 0) return m->last;
  return m->bid.nanos > 0 ? m->bid : m->ask;
}

#endif
