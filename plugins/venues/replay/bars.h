// Bars enter as four synthetic ticks, in an order that a market could have taken: open, low, high, close where the bar rose, else
// open, high, low, close; at the start, at one and two thirds, and one nanosecond before the end of the period. The volume is
// split in four, the remainder on the close. The ticks carry HADRON_TICK_SYNTHETIC. [any]
#ifndef REPLAY_BARS_H
#define REPLAY_BARS_H

#include "reader.h"

struct bar {
  int64_t open, high, low, close; // 1e-9
};

struct bar_time {
  int64_t start_ns, end_ns; // [start, end)
};

// A trade bar of `volume` (1e-8); an index or forex bar without volume gives ticks without size, which the host takes from synthetic
// ticks alone. A bar that contradicts itself is a bad row.
int32_t bar_trades(struct reader *r, uint32_t handle, const struct bar_time *time, const struct bar *bar, int64_t volume);

// A quote bar; a side that is all zero was empty. The order follows the mid price.
int32_t bar_quotes(struct reader *r, uint32_t handle, const struct bar_time *time, const struct bar *bid, int64_t bid_size,
                   const struct bar *ask, int64_t ask_size);

#endif
