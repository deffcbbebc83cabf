// Bars. Time bars are aligned to the Unix epoch and closed by the clock, before the next tick is handled: an order that a strategy
// makes on a close meets the market after it. Tick and volume bars are closed by the tick that completes them.
#include "base/calling.h"
#include "pipeline/engine_internal.h"

#define VALUE_MAX ((__int128)1 << 126) // of a bar's sum; rounding adds to it

int32_t hd_engine_bars(struct hd_engine_instance *instance, const struct hadron_bar_request *request) {
  if (request->kind == HADRON_BAR_INVALID || request->kind > HADRON_BAR_VOLUME || request->interval <= 0)
    return HADRON_ERR_ARGUMENT;
  for (uint32_t i = 0; i < instance->bar_count; i++)
    if (instance->bars[i].kind == request->kind && instance->bars[i].interval == request->interval) return HADRON_OK; // who is started again after a recovery asks again
  if (instance->engine->sealed && !instance->wishes) return HADRON_ERR_STATE;
  if (instance->bar_count == HD_BAR_KINDS_MAX) return HADRON_ERR_FULL;
  instance->bars[instance->bar_count++] = *request;
  return HADRON_OK;
}

static void bar_open(struct hd_engine *e, struct hd_bar_builder *b, uint32_t index, const struct hadron_tick *tick, int64_t nanos) {
  struct hadron_bar *bar = &b->bar;
  bar->open = bar->high = bar->low = (struct hadron_price){nanos};
  bar->volume.e8 = 0;
  b->value = 0;
  b->progress = 0;
  bar->open_ns = tick->event_ns;
  if (bar->kind != HADRON_BAR_TIME) return;
  int64_t at = tick->event_ns > bar->close_ns ? tick->event_ns : bar->close_ns; // a late tick counts in the bar that is open now
  bar->open_ns = at - at % bar->interval;
  bar->close_ns = bar->open_ns + bar->interval;
  struct hd_due_item item = {.due = {bar->close_ns, bar->instrument}, .class = HD_DUE_BAR, .instrument = bar->instrument, .builder = index};
  int32_t code = hd_engine_due_push(e, &item);
  HD_ASSERT(code == HADRON_OK); // the layout made the room
}

static void bar_add(struct hd_bar_builder *b, const struct hadron_tick *tick, int64_t nanos, int64_t e8) {
  struct hadron_bar *bar = &b->bar;
  if (nanos > bar->high.nanos) bar->high.nanos = nanos;
  if (nanos < bar->low.nanos) bar->low.nanos = nanos;
  bar->close.nanos = nanos;
  bar->ticks++;
  bar->sequence = tick->sequence;
  bar->venue = tick->venue;
  if (__builtin_add_overflow(bar->volume.e8, e8, &bar->volume.e8)) bar->volume.e8 = INT64_MAX;
  if (__builtin_add_overflow(b->value, (__int128)nanos * e8, &b->value) || b->value > VALUE_MAX) b->value = VALUE_MAX;
  if (bar->kind != HADRON_BAR_TIME) bar->close_ns = tick->event_ns;
  int64_t step = bar->kind == HADRON_BAR_TICK ? 1 : bar->kind == HADRON_BAR_VOLUME ? e8 : 0;
  if (__builtin_add_overflow(b->progress, step, &b->progress)) b->progress = INT64_MAX;
}

// Within the bar's range whatever the sums were: beyond their width they stay at the largest number.
static struct hadron_price bar_vwap(const struct hd_bar_builder *b) {
  if (b->bar.volume.e8 <= 0) return b->bar.close;
  __int128 nanos = hadron_divide_round(b->value, b->bar.volume.e8);
  if (nanos < b->bar.low.nanos) return b->bar.low;
  return nanos > b->bar.high.nanos ? b->bar.high : (struct hadron_price){(int64_t)nanos};
}

void hd_engine_bar_close(struct hd_engine *e, struct hd_engine_row *row, uint32_t builder) {
  struct hd_bar_builder *b = &e->builders[builder];
  struct hadron_bar bar = b->bar;
  HD_ASSERT(bar.ticks > 0 && bar.low.nanos <= bar.high.nanos);
  bar.vwap = bar_vwap(b);
  b->bar.ticks = 0;
  e->counts.bars++;
  uint32_t bit = 1u << (builder - row->at.bar_first);
  for (uint32_t i = 0; i < row->at.count; i++) {
    struct hd_subscription *s = &e->subscriptions[row->at.first + i];
    if (!(s->bars & bit) || s->instance->fenced) continue;
    hd_calling_begin(s->instance, HD_CALLING_BAR);
    hd_engine_result(e, s->instance, s->instance->api->on_bar(s->instance->self, &bar, hd_engine_patch(e, row, s)));
  }
}

__attribute__((noinline)) void hd_engine_bars_tick(struct hd_engine *e, struct hd_engine_row *row, const struct hadron_tick *tick) {
  int64_t nanos = 0, e8 = 0;
  if (tick->kind == HADRON_TICK_TRADE) {
    nanos = tick->value.trade.price.nanos;
    e8 = tick->value.trade.quantity.e8;
  } else if (tick->kind == HADRON_TICK_QUOTE && !row->traded && tick->value.quote.bid.nanos > 0 && tick->value.quote.ask.nanos > 0) {
    nanos = tick->value.quote.bid.nanos + (tick->value.quote.ask.nanos - tick->value.quote.bid.nanos) / 2;
  }
  if (nanos == 0) return;
  for (uint32_t i = 0; i < row->at.bar_count; i++) {
    uint32_t index = row->at.bar_first + i;
    struct hd_bar_builder *b = &e->builders[index];
    // A venue whose clock runs ahead of ours ends the bar by its tick, before our clock does.
    if (b->bar.kind == HADRON_BAR_TIME && b->bar.ticks > 0 && tick->event_ns >= b->bar.close_ns) {
      hd_engine_due_forget(e, index);
      hd_engine_bar_close(e, row, index);
    }
    if (b->bar.ticks == 0) bar_open(e, b, index, tick, nanos);
    bar_add(b, tick, nanos, e8);
    if (b->bar.kind != HADRON_BAR_TIME && b->progress >= b->bar.interval) hd_engine_bar_close(e, row, index);
  }
}
