#include "bars.h"


// NULL, or what is wrong with the bar.
static const char *bar_fault(const struct bar *b) {
  if (b->open <= 0 || b->high <= 0 || b->low <= 0 || b->close <= 0) return "a price of the bar is not positive";
  if (b->high < b->low) return "the bar's high is below its low";
  if (b->open > b->high || b->close > b->high) return "the bar's open or close is above its high";
  if (b->open < b->low || b->close < b->low) return "the bar's open or close is below its low";
  return NULL;
}

static void bar_path(const struct bar *b, bool rising, int64_t path[4]) {
  path[0] = b->open;
  path[1] = rising ? b->low : b->high;
  path[2] = rising ? b->high : b->low;
  path[3] = b->close;
}

static int64_t bar_moment(const struct bar_time *t, int step) {
  int64_t span = t->end_ns - t->start_ns;
  return step == 3 ? t->end_ns - 1 : t->start_ns + step * (span / 3);
}

int32_t bar_trades(struct reader *r, uint32_t handle, const struct bar_time *time, const struct bar *bar, int64_t volume) {
  const char *fault = volume < 0 ? "the bar's volume is negative" : bar_fault(bar);
  if (fault) return reader_bad(r, fault);
  int64_t path[4];
  bar_path(bar, bar->close >= bar->open, path);
  for (int i = 0; i < 4; i++) {
    struct hadron_tick tick = {.event_ns = bar_moment(time, i), .instrument = handle, .kind = HADRON_TICK_TRADE};
    tick.recv_ns = tick.event_ns;
    tick.flags = HADRON_TICK_SYNTHETIC;
    tick.value.trade.price.nanos = path[i];
    tick.value.trade.quantity.e8 = i < 3 ? volume / 4 : volume - 3 * (volume / 4);
    if (!reader_push(r, &tick)) return reader_bad(r, "no memory for its ticks");
  }
  return HADRON_OK;
}

static bool bar_empty(const struct bar *b) { return b->open == 0 && b->high == 0 && b->low == 0 && b->close == 0; }

int32_t bar_quotes(struct reader *r, uint32_t handle, const struct bar_time *time, const struct bar *bid, int64_t bid_size,
                   const struct bar *ask, int64_t ask_size) {
  bool bid_empty = bar_empty(bid), ask_empty = bar_empty(ask);
  const char *fault = NULL;
  if (bid_size < 0 || ask_size < 0) fault = "a size of the bar is negative";
  if (!fault && bid_empty && ask_empty) fault = "both sides of the quote bar are empty";
  if (!fault && !bid_empty) fault = bar_fault(bid);
  if (!fault && !ask_empty) fault = bar_fault(ask);
  if (fault) return reader_bad(r, fault);
  int64_t bids[4], asks[4];
  bool rising = (hadron_int128)bid->close + ask->close >= (hadron_int128)bid->open + ask->open;
  bar_path(bid, rising, bids);
  bar_path(ask, rising, asks);
  for (int i = 0; i < 4; i++) {
    struct hadron_tick tick = {.event_ns = bar_moment(time, i), .instrument = handle, .kind = HADRON_TICK_QUOTE};
    tick.recv_ns = tick.event_ns;
    tick.flags = HADRON_TICK_SYNTHETIC;
    tick.value.quote = (struct hadron_quote){{bids[i]}, {asks[i]}, {bid_empty ? 0 : bid_size}, {ask_empty ? 0 : ask_size}};
    if (!reader_push(r, &tick)) return reader_bad(r, "no memory for its ticks");
  }
  return HADRON_OK;
}
