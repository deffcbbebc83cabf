// Inside of the engine: shared by engine.c (ticks and calls), engine_layout.c (who sits where), engine_bar.c
// (bars) and engine_due.c (timers).
#ifndef HD_PIPELINE_ENGINE_INTERNAL_H
#define HD_PIPELINE_ENGINE_INTERNAL_H

#include "base/assert.h"
#include "pipeline/engine.h"

struct hd_subscription {
  struct hd_engine_instance *instance;
  uint32_t triggers;
  uint32_t bars;            // bit per bar builder of the row
  struct hd_arm_view view;
  bool lapsed;              // the view is fetched before it is shown
};

// One running bar. Sums are 128 bits wide: a day of volume times price passes 64.
struct hd_bar_builder {
  struct hadron_bar bar;    // ticks == 0: empty
  __int128 value;           // sum of price x quantity
  int64_t progress;         // ticks, or 1e-8 units, so far
};

// Where a row's subscriptions and bars lie; a layout changes these.
struct hd_engine_span {
  uint32_t first, count;       // subscriptions
  uint32_t triggers;           // union of theirs
  uint32_t bar_first, bar_count;
};

struct hd_engine_row {
  struct hadron_market market; // the arm's fields are those of `shown`
  const struct hd_subscription *shown; // whose view, as it is now; NULL: of the last call, or nobody's
  struct hd_engine_span at;
  bool traded;                 // a trade was seen: bars are of trades, not of mids
  bool turbulent;
  int64_t sample_ns;           // when the last volatility sample was taken
  double sample_price, variance;
};

enum hd_due_class { HD_DUE_BAR = 0, HD_DUE_TIMER = 1 };

struct hd_due_item {
  struct hd_due due;
  uint32_t class;              // enum hd_due_class
  uint32_t instrument;
  uint32_t builder;            // BAR
  struct hd_engine_instance *instance; // TIMER
  uint64_t id;                 // TIMER
};

struct hd_engine {
  struct hd_engine_options options;
  const struct hd_instruments *instruments;
  struct hd_marks *marks;
  struct hd_engine_listener listener;
  struct hd_engine_row *rows;  // [instrument]
  struct hd_subscription *subscriptions;
  uint32_t subscription_count;
  struct hd_bar_builder *builders;
  uint32_t builder_count;
  struct hd_engine_instance **instances;
  uint32_t instance_count, instance_room;
  struct hd_due_item *due;     // binary heap, smallest first
  uint32_t due_count, due_room;
  bool sealed;
  bool unclocked;              // some of them were asked for when there was no clock yet
  uint64_t last;               // sequence of the last tick
  // Of the call in progress.
  uint64_t cause;
  int64_t now_ns;
  struct hadron_decision decisions[HD_TICK_DECISIONS_MAX];
  uint32_t decision_count;
  uint32_t measure_at;
  struct hd_engine_counts counts;
};

// engine.c
struct hd_subscription *hd_engine_subscription(struct hd_engine *e, uint32_t arm, uint32_t instrument);
void hd_engine_begin(struct hd_engine *e, uint64_t cause, int64_t now_ns);
const struct hadron_market *hd_engine_patch(struct hd_engine *e, struct hd_engine_row *row, struct hd_subscription *s);
void hd_engine_result(struct hd_engine *e, struct hd_engine_instance *instance, int32_t code);

// engine_bar.c
void hd_engine_bars_tick(struct hd_engine *e, struct hd_engine_row *row, const struct hadron_tick *tick);
void hd_engine_bar_close(struct hd_engine *e, struct hd_engine_row *row, uint32_t builder);

// engine_due.c
int32_t hd_engine_due_push(struct hd_engine *e, const struct hd_due_item *item);
void hd_engine_due_forget(struct hd_engine *e, uint32_t builder);
void hd_engine_due_restore(struct hd_engine *e);
void hd_engine_due_clock(struct hd_engine *e, int64_t now_ns); // the first tick: timers that were asked for before count from it
void hd_engine_due_leave(struct hd_engine_instance *instance); // all its timers

#endif
