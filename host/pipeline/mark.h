// Marks: the last known prices of every instrument, for those who are not the instrument's shard: risk, coordinator, portfolio,
// status. One cache line each. The owning shard writes, anybody reads a consistent copy (sequence lock).
#ifndef HD_PIPELINE_MARK_H
#define HD_PIPELINE_MARK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hadron/message.h"

struct hd_mark {
  struct hadron_price last, bid, ask; // 0: not known
  int64_t event_ns, recv_ns;          // of the last tick; 0: none yet
  uint64_t sequence;                  // of the last tick
  uint32_t state;                     // enum hadron_market_state
  float volatility;                   // EWMA, per-second log return
};

#define HD_MARK_WORDS 7
_Static_assert(sizeof(struct hd_mark) == HD_MARK_WORDS * sizeof(uint64_t), "a mark is copied in words");
_Static_assert(offsetof(struct hd_mark, state) == 48 && offsetof(struct hd_mark, volatility) == 52 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the last word is the state and above it the volatility");

struct hd_mark_cell {
  _Alignas(64) _Atomic uint64_t version; // odd while being written
  union {
    struct hd_mark mark;                 // for who knows that nobody writes
    _Atomic uint64_t words[HD_MARK_WORDS];
  };
};
_Static_assert(sizeof(struct hd_mark_cell) == 64, "a mark is one cache line");

struct hd_marks {
  struct hd_mark_cell *cells; // [instrument]; owned by the pipeline
  uint32_t max;
};

// Every word carries the order itself instead of a fence: who reads a new word also sees the odd version that was written before it.
// That costs nothing on x86, and the thread sanitizer can follow it.

// The owning shard alone.
static inline void hd_mark_write(struct hd_mark_cell *cell, const struct hd_mark *mark) {
  uint64_t version = atomic_load_explicit(&cell->version, memory_order_relaxed);
  atomic_store_explicit(&cell->version, version + 1, memory_order_relaxed);
  // Word by word from a mark that was just put together: copying it in wider pieces would wait for the stores of its fields. So would
  // reading the last word, which is two fields, as one.
#pragma GCC unroll 8
  for (int i = 0; i < HD_MARK_WORDS - 1; i++) {
    uint64_t word;
    memcpy(&word, (const char *)mark + (size_t)i * sizeof word, sizeof word);
    atomic_store_explicit(&cell->words[i], word, memory_order_release);
  }
  uint32_t volatility;
  memcpy(&volatility, &mark->volatility, sizeof volatility);
  atomic_store_explicit(&cell->words[HD_MARK_WORDS - 1], (uint64_t)volatility << 32 | mark->state, memory_order_release);
  atomic_store_explicit(&cell->version, version + 2, memory_order_release);
}

// After a trade, which leaves the quote, the state and the volatility as they were.
static inline void hd_mark_write_trade(struct hd_mark_cell *cell, struct hadron_price last, int64_t event_ns, int64_t recv_ns, uint64_t sequence) {
  uint64_t version = atomic_load_explicit(&cell->version, memory_order_relaxed);
  atomic_store_explicit(&cell->version, version + 1, memory_order_relaxed);
  atomic_store_explicit(&cell->words[offsetof(struct hd_mark, last) / 8], (uint64_t)last.nanos, memory_order_release);
  atomic_store_explicit(&cell->words[offsetof(struct hd_mark, event_ns) / 8], (uint64_t)event_ns, memory_order_release);
  atomic_store_explicit(&cell->words[offsetof(struct hd_mark, recv_ns) / 8], (uint64_t)recv_ns, memory_order_release);
  atomic_store_explicit(&cell->words[offsetof(struct hd_mark, sequence) / 8], sequence, memory_order_release);
  atomic_store_explicit(&cell->version, version + 2, memory_order_release);
}

// For who fills marks by hand while nobody reads: setting up, tests.
static inline struct hd_mark *hd_mark_begin(struct hd_mark_cell *cell) { return &cell->mark; }
static inline void hd_mark_end(struct hd_mark_cell *cell) { atomic_fetch_add_explicit(&cell->version, 2, memory_order_release); }

// Anybody. A bounded wait: the writer is a few stores long.
static inline struct hd_mark hd_mark_read(const struct hd_marks *marks, uint32_t instrument) {
  const struct hd_mark_cell *cell = &marks->cells[instrument];
  uint64_t words[HD_MARK_WORDS], before, after;
  struct hd_mark copy;
  do {
    before = atomic_load_explicit(&cell->version, memory_order_acquire);
    for (int i = 0; i < HD_MARK_WORDS; i++) words[i] = atomic_load_explicit(&cell->words[i], memory_order_acquire);
    after = atomic_load_explicit(&cell->version, memory_order_relaxed);
  } while (before != after || (before & 1));
  memcpy(&copy, words, sizeof copy);
  return copy;
}

// What a position is worth, and what an order is measured against: mid if both sides are there, else last, else the side there is.
static inline struct hadron_price hd_mark_reference(const struct hd_mark *m) {
  if (m->bid.nanos > 0 && m->ask.nanos > 0) return (struct hadron_price){m->bid.nanos + (m->ask.nanos - m->bid.nanos) / 2};
  if (m->last.nanos > 0) return m->last;
  return m->bid.nanos > 0 ? m->bid : m->ask;
}

#endif
