#include "pipeline/engine_internal.h"

#include <math.h>

#include "base/calling.h"
#include "base/clock.h"
#include "hadron/ext/features.h"
#include "pipeline/trace.h"

int32_t hd_engine_create(const struct hd_engine_options *options, const struct hd_instruments *instruments,
                         struct hd_marks *marks, const struct hd_engine_listener *listener, struct hd_engine **out) {
  HD_ASSERT(options->volatility_decay > 0 && options->volatility_decay < 1);
  struct hd_engine *e = calloc(1, sizeof *e);
  if (!e) return HADRON_ERR_MEMORY;
  e->options = *options;
  e->instruments = instruments;
  e->marks = marks;
  e->listener = *listener;
  e->rows = calloc((size_t)instruments->max + 1, sizeof *e->rows);
  e->due_room = HD_TIMERS_MAX;
  e->due = malloc(e->due_room * sizeof *e->due);
  if (!e->rows || !e->due) {
    hd_engine_destroy(e);
    return HADRON_ERR_MEMORY;
  }
  *out = e;
  return HADRON_OK;
}

void hd_engine_destroy(struct hd_engine *e) {
  if (!e) return;
  free(e->rows);
  free(e->subscriptions);
  free(e->builders);
  free(e->instances);
  free(e->due);
  free(e);
}

int32_t hd_engine_add(struct hd_engine *e, struct hd_engine_instance *instance) {
  HD_ASSERT(!e->sealed && instance->arm > 0);
  for (uint32_t i = 0; i < instance->instrument_count; i++)
    if (instance->instruments[i] == 0 || instance->instruments[i] > e->instruments->max) return HADRON_ERR_ARGUMENT;
  if (e->instance_count == e->instance_room) {
    uint32_t room = e->instance_room ? e->instance_room * 2 : 64;
    void *grown = realloc(e->instances, room * sizeof(struct hd_engine_instance *));
    if (!grown) return HADRON_ERR_MEMORY;
    e->instances = grown;
    e->instance_room = room;
  }
  e->instances[e->instance_count++] = instance;
  instance->engine = e;
  return HADRON_OK;
}

__attribute__((noinline)) static void row_seed(struct hd_engine *e, uint32_t instrument) {
  const struct hd_instrument *definition = &e->instruments->rows[instrument];
  struct hadron_market *market = &e->rows[instrument].market;
  market->instrument = instrument;
  market->increment = definition->increment;
  market->lot = definition->lot;
  if (market->state == HADRON_MARKET_INVALID) market->state = HADRON_MARKET_OPEN;
}

// The first layout is one like any other.
int32_t hd_engine_seal(struct hd_engine *e) {
  struct hd_engine_layout *layout;
  HD_ASSERT(!e->sealed);
  for (uint32_t id = 1; id <= hd_instruments_count(e->instruments); id++) row_seed(e, id);
  int32_t code = hd_engine_layout_create(e, NULL, 0, NULL, 0, &layout);
  if (code) return code;
  hd_engine_layout_install(layout);
  hd_engine_layout_destroy(layout);
  e->sealed = true;
  return HADRON_OK;
}

bool hd_engine_wants(const struct hd_engine *e, uint32_t instrument) { return e->rows[instrument].at.count > 0; }

struct hd_subscription *hd_engine_subscription(struct hd_engine *e, uint32_t arm, uint32_t instrument) {
  struct hd_engine_row *row = &e->rows[instrument];
  for (uint32_t i = 0; i < row->at.count; i++) {
    struct hd_subscription *s = &e->subscriptions[row->at.first + i];
    if (s->instance->arm == arm) return s;
  }
  return NULL;
}

void hd_engine_begin(struct hd_engine *e, uint64_t cause, int64_t now_ns) {
  e->cause = cause;
  e->now_ns = now_ns;
  e->decision_count = 0;
}

// What the arm has, put into the market that its instance is shown.
__attribute__((noinline)) static void show(struct hd_engine *e, struct hd_engine_row *row, struct hd_subscription *s) {
  struct hadron_market *m = &row->market;
  if (s->lapsed) s->view = e->listener.view(e->listener.self, s->instance->arm, m->instrument);
  s->lapsed = false;
  m->position = s->view.position;
  m->working_buy = s->view.working_buy;
  m->working_sell = s->view.working_sell;
  m->average_entry = s->view.average_entry;
  row->shown = s;
}

const struct hadron_market *hd_engine_patch(struct hd_engine *e, struct hd_engine_row *row, struct hd_subscription *s) {
  if (__builtin_expect(row->shown != s, 0)) show(e, row, s);
  return &row->market;
}

static void view_set(struct hd_engine_row *row, struct hd_subscription *s, const struct hd_arm_view *view) {
  s->view = *view;
  s->lapsed = false;
  row->shown = NULL;
}

__attribute__((noinline)) static void result_bad(struct hd_engine *e, struct hd_engine_instance *instance, int32_t code) {
  instance->errors++;
  e->counts.faults++;
  bool fence = code == HADRON_ERR_BUDGET || code == HADRON_ERR_MEMORY ||
               (e->options.errors_max > 0 && ++instance->errors_in_row >= e->options.errors_max);
  if (fence) instance->fenced = 1;
  e->listener.fault(e->listener.self, instance, code, fence);
}

// A callback's result: errors are counted; too many in a row, or one that broke its budget, fence the instance.
void hd_engine_result(struct hd_engine *e, struct hd_engine_instance *instance, int32_t code) {
  hd_calling_end();
  instance->calls++;
  e->counts.calls++;
  if (__builtin_expect(code == HADRON_OK, 1)) instance->errors_in_row = 0;
  else result_bad(e, instance, code);
}

// At most one sample a second: a logarithm per tick, and even the division for its price, would cost more than the rest.
static bool sample_due(const struct hd_engine_row *row, const struct hadron_tick *tick) {
  return tick->event_ns - row->sample_ns >= 1000000000;
}

static void sample_volatility(struct hd_engine *e, struct hd_engine_row *row, const struct hadron_tick *tick, double price) {
  int64_t elapsed = tick->event_ns - row->sample_ns;
  if (row->sample_price > 0) {
    double r = log(price / row->sample_price), seconds = (double)elapsed * 1e-9;
    double decay = e->options.volatility_decay, sample = r * r / seconds;
    row->variance = row->variance > 0 ? decay * row->variance + (1 - decay) * sample : sample;
    row->market.volatility = sqrt(row->variance);
    bool turbulent = e->options.volatile_above > 0 && row->market.volatility > e->options.volatile_above;
    if (turbulent != row->turbulent) {
      row->turbulent = turbulent;
      e->listener.turbulent(e->listener.self, tick->instrument, turbulent);
    }
  }
  row->sample_ns = tick->event_ns;
  row->sample_price = price;
}

static void publish_mark(struct hd_engine *e, const struct hd_engine_row *row, const struct hadron_tick *tick) {
  const struct hadron_market *m = &row->market;
  const struct hd_mark mark = {m->last, m->bid, m->ask, tick->event_ns, tick->recv_ns, tick->sequence, m->state, (float)m->volatility};
  hd_mark_write(&e->marks->cells[tick->instrument], &mark);
}

// The first trade, and one that is a sample of volatility.
__attribute__((noinline)) static void update_sampled(struct hd_engine *e, struct hd_engine_row *row, const struct hadron_tick *tick) {
  row->traded = true;
  if (sample_due(row, tick)) sample_volatility(e, row, tick, hadron_price_double(row->market.last));
  publish_mark(e, row, tick);
}

static inline void update_trade(struct hd_engine *e, struct hd_engine_row *row, const struct hadron_tick *tick) {
  struct hadron_market *m = &row->market;
  m->last = tick->value.trade.price;
  m->last_size = tick->value.trade.quantity;
  if (__builtin_expect(!row->traded || sample_due(row, tick), 0)) update_sampled(e, row, tick);
  else hd_mark_write_trade(&e->marks->cells[tick->instrument], m->last, tick->event_ns, tick->recv_ns, tick->sequence);
}

__attribute__((noinline)) static void update_other(struct hd_engine *e, struct hd_engine_row *row, const struct hadron_tick *tick) {
  struct hadron_market *m = &row->market;
  if (tick->kind == HADRON_TICK_QUOTE) {
    m->bid = tick->value.quote.bid;
    m->ask = tick->value.quote.ask;
    m->bid_size = tick->value.quote.bid_size;
    m->ask_size = tick->value.quote.ask_size;
    if (!row->traded && m->bid.nanos > 0 && m->ask.nanos > 0 && sample_due(row, tick))
      sample_volatility(e, row, tick, (hadron_price_double(m->bid) + hadron_price_double(m->ask)) / 2);
  } else if (tick->kind == HADRON_TICK_STATUS) {
    m->state = (uint8_t)tick->value.status.state;
  } // a book change: strategies that ask for them keep their own book
  publish_mark(e, row, tick);
}

__attribute__((noinline)) static int32_t call_measured(struct hd_engine_instance *instance, const struct hadron_tick *tick,
                                                       const struct hadron_market *market) {
  uint64_t start = hd_cycles();
  int32_t code = instance->api->on_tick(instance->self, tick, market);
  hd_histogram_record(instance->latency, (uint64_t)hd_cycles_to_ns(hd_cycles() - start));
  return code;
}

static inline void call_tick(struct hd_engine *e, struct hd_engine_row *row, struct hd_subscription *s, const struct hadron_tick *tick) {
  struct hd_engine_instance *instance = s->instance;
  if (__builtin_expect(instance->fenced | instance->fresh, 0)) {
    if (instance->fenced) return;
    instance->fresh = 0;
    if (e->listener.first) e->listener.first(e->listener.self, instance, tick->sequence);
  }
  const struct hadron_market *market = hd_engine_patch(e, row, s);
  hd_calling_begin(instance, HD_CALLING_TICK);
  bool measured = e->options.measure_every && instance->latency && (e->measure_at++ & (e->options.measure_every - 1)) == 0;
  hd_engine_result(e, instance, measured ? call_measured(instance, tick, market) : instance->api->on_tick(instance->self, tick, market));
}

// All but the first, which needs no loop.
__attribute__((noinline)) static void call_others(struct hd_engine *e, struct hd_engine_row *row, const struct hadron_tick *tick, uint32_t trigger) {
  struct hd_subscription *first = &e->subscriptions[row->at.first];
  for (uint32_t i = 1; i < row->at.count; i++)
    if (first[i].triggers & trigger) call_tick(e, row, &first[i], tick);
}

void hd_engine_tick(struct hd_engine *e, const struct hadron_tick *tick) {
  // Kinds of ticks and the triggers for them are the same bits in the same order.
  _Static_assert(HADRON_ON_TRADE == 1 << (HADRON_TICK_TRADE - 1) && HADRON_ON_STATUS == 1 << (HADRON_TICK_STATUS - 1), "bits");
  HD_DASSERT(tick->instrument > 0 && tick->instrument <= hd_instruments_count(e->instruments) && e->sealed);
  struct hd_engine_row *row = &e->rows[tick->instrument];
  if (__builtin_expect(row->market.instrument == 0, 0)) row_seed(e, tick->instrument); // joined after the seal
  if (__builtin_expect(e->unclocked, 0)) hd_engine_due_clock(e, tick->recv_ns);
  hd_engine_begin(e, tick->sequence, tick->recv_ns);
  e->counts.ticks++;
  e->last = tick->sequence;
  row->market.sequence = tick->sequence;
  row->market.event_ns = tick->event_ns;
  if (__builtin_expect(tick->kind == HADRON_TICK_TRADE, 1)) update_trade(e, row, tick);
  else update_other(e, row, tick);
  uint32_t trigger = 1u << (tick->kind - 1);
  if (row->at.triggers & trigger) {
    struct hd_subscription *first = &e->subscriptions[row->at.first];
    if (first->triggers & trigger) call_tick(e, row, first, tick);
    if (row->at.count > 1) call_others(e, row, tick, trigger);
  }
  if (row->at.bar_count) hd_engine_bars_tick(e, row, tick);
}

bool hd_engine_lapse(struct hd_engine *e, uint32_t arm, uint32_t instrument) {
  struct hd_engine_row *row = &e->rows[instrument];
  struct hd_subscription *s = hd_engine_subscription(e, arm, instrument);
  if (!s) return true;
  if (s->triggers & (HADRON_ON_ORDER | HADRON_ON_EXECUTION)) return false;
  s->lapsed = true;
  row->shown = NULL;
  return true;
}

void hd_engine_refresh(struct hd_engine *e) {
  for (uint32_t id = 1; id <= hd_instruments_count(e->instruments); id++)
    for (uint32_t i = 0; i < e->rows[id].at.count; i++) {
      struct hd_subscription *s = &e->subscriptions[e->rows[id].at.first + i];
      if (s->lapsed) s->view = e->listener.view(e->listener.self, s->instance->arm, id);
      s->lapsed = false;
    }
}

void hd_engine_view(struct hd_engine *e, uint32_t arm, uint32_t instrument, const struct hd_arm_view *view) {
  struct hd_subscription *s = hd_engine_subscription(e, arm, instrument);
  if (s) view_set(&e->rows[instrument], s, view);
}

void hd_engine_allocation(struct hd_engine *e, const struct hadron_allocation *allocation, const struct hd_arm_view *view) {
  struct hd_subscription *s = hd_engine_subscription(e, allocation->arm, allocation->instrument);
  struct hd_engine_row *row = &e->rows[allocation->instrument];
  hd_engine_begin(e, row->market.sequence, allocation->time_ns); // also if nobody hears it: the last call's decisions are not this one's
  if (!s) return;
  view_set(row, s, view);
  if (!(s->triggers & HADRON_ON_EXECUTION) || s->instance->fenced) return;
  hd_calling_begin(s->instance, HD_CALLING_EXECUTION);
  hd_engine_result(e, s->instance, s->instance->api->on_execution(s->instance->self, allocation, hd_engine_patch(e, row, s)));
}

void hd_engine_order_event(struct hd_engine *e, uint32_t arm, const struct hadron_order_event *event,
                           const struct hd_arm_view *view) {
  struct hd_subscription *s = hd_engine_subscription(e, arm, event->instrument);
  struct hd_engine_row *row = &e->rows[event->instrument];
  hd_engine_begin(e, event->cause, event->time_ns);
  if (!s) return;
  view_set(row, s, view);
  if (!(s->triggers & HADRON_ON_ORDER) || s->instance->fenced) return;
  hd_calling_begin(s->instance, HD_CALLING_ORDER);
  hd_engine_result(e, s->instance, s->instance->api->on_order(s->instance->self, event, hd_engine_patch(e, row, s)));
}

const struct hadron_decision *hd_engine_decisions(const struct hd_engine *e, uint32_t *count) {
  *count = e->decision_count;
  return e->decisions;
}

bool hd_engine_sits(struct hd_engine *e, uint32_t arm, uint32_t instrument) { return hd_engine_subscription(e, arm, instrument) != NULL; }

void hd_engine_mute(struct hd_engine *e, uint32_t arm, bool muted) {
  for (uint32_t i = 0; i < e->instance_count; i++) {
    struct hd_engine_instance *instance = e->instances[i];
    if (instance->arm == arm && instance->fenced != 1) instance->fenced = muted ? 2 : 0;
  }
}

void hd_engine_fence(struct hd_engine *e, uint32_t arm, uint32_t instrument) {
  for (uint32_t i = 0; i < e->instance_count; i++)
    if (e->instances[i]->arm == arm && e->instances[i]->instruments[0] == instrument) e->instances[i]->fenced = 1;
}

bool hd_engine_owns(const struct hd_engine_instance *instance, uint32_t instrument) {
  if (instance->instrument_count == 1) return instance->instruments[0] == instrument;
  uint32_t low = 0, high = instance->instrument_count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (instance->instruments[middle] == instrument) return true;
    if (instance->instruments[middle] < instrument) low = middle + 1;
    else high = middle;
  }
  return false;
}

const char *hd_engine_name(const struct hd_engine_instance *instance, uint32_t instrument) {
  return hd_engine_owns(instance, instrument) ? instance->engine->instruments->rows[instrument].name : NULL;
}

int64_t hd_engine_now(const struct hd_engine_instance *instance) {
  return instance->wishes ? instance->wishes->now_ns : instance->engine->now_ns;
}

static bool decision_valid(const struct hadron_decision *d) {
  if (d->kind == HADRON_DECISION_INVALID || d->kind > HADRON_DECISION_WORK) return false;
  if (d->kind != HADRON_DECISION_TARGET && d->side != HADRON_SIDE_BUY && d->side != HADRON_SIDE_SELL) return false;
  if (d->kind != HADRON_DECISION_TARGET && d->quantity.e8 < 0) return false;
  if (d->kind == HADRON_DECISION_WORK ? d->slot < 1 || d->slot > HD_SLOTS_MAX : d->slot != 0) return false;
  if (d->order_type > HADRON_ORDER_STOP_LIMIT || d->time_in_force > HADRON_TIF_GTD) return false;
  if (d->flags & ~(HADRON_ORDER_POST_ONLY | HADRON_ORDER_REDUCE_ONLY)) return false;
  if (d->limit.nanos < 0 || d->stop.nanos < 0) return false;
  return isfinite(d->mean_return) && d->uncertainty >= 0 && isfinite(d->uncertainty) && d->confidence >= 0 && d->confidence <= 1;
}

static bool is_shadow(const struct hd_engine *e, uint32_t arm) {
  return e->options.shadows && atomic_load_explicit(&e->options.shadows[arm], memory_order_relaxed);
}

// What trades must not notice that shadows are there: the last decision of one of them goes. It was taken and is lost, which is counted.
__attribute__((noinline)) static bool make_room(struct hd_engine *e, uint32_t arm) {
  if (is_shadow(e, arm)) return false;
  for (uint32_t i = e->decision_count; i-- > 0;) {
    if (!is_shadow(e, e->decisions[i].arm)) continue;
    memmove(&e->decisions[i], &e->decisions[i + 1], (e->decision_count - i - 1) * sizeof *e->decisions);
    e->decision_count--;
    e->counts.decisions--;
    e->counts.refused++;
    return true;
  }
  return false;
}

bool hd_decision_complete(struct hadron_decision *d) {
  if (!decision_valid(d)) return false;
  if (d->order_type == HADRON_ORDER_INVALID)
    d->order_type = d->stop.nanos ? (d->limit.nanos ? HADRON_ORDER_STOP_LIMIT : HADRON_ORDER_STOP)
                                  : (d->limit.nanos ? HADRON_ORDER_LIMIT : HADRON_ORDER_MARKET);
  if (d->time_in_force == HADRON_TIF_INVALID)
    d->time_in_force = d->order_type == HADRON_ORDER_MARKET ? HADRON_TIF_IOC : HADRON_TIF_DAY;
  return true;
}

static int32_t refuse(struct hd_engine_instance *instance, int32_t code) {
  instance->refused++;
  instance->engine->counts.refused++;
  return code;
}

// A place for a decision that is as it should be.
static int32_t decision_slot(struct hd_engine_instance *instance, const struct hadron_decision *decision, struct hadron_decision **slot) {
  struct hd_engine *e = instance->engine;
  if (instance->wishes) return HADRON_ERR_STATE; // who has no seat decides nothing
  if (!hd_engine_owns(instance, decision->instrument)) return refuse(instance, HADRON_ERR_ARGUMENT);
  if (!decision_valid(decision)) return refuse(instance, HADRON_ERR_ARGUMENT);
  if (__builtin_expect(e->decision_count == HD_TICK_DECISIONS_MAX, 0) && !make_room(e, instance->arm)) return refuse(instance, HADRON_ERR_FULL);
  *slot = &e->decisions[e->decision_count++];
  **slot = *decision;
  (void)hd_decision_complete(*slot);
  (*slot)->id = 0;
  (*slot)->arm = instance->arm;
  e->counts.decisions++;
  return HADRON_OK;
}

int32_t hd_engine_decide(struct hd_engine_instance *instance, const struct hadron_decision *decision) {
  struct hd_engine *e = instance->engine;
  struct hadron_decision *d;
  int32_t code = decision_slot(instance, decision, &d);
  if (code) return code;
  d->trace = hd_trace_of(e->options.session, e->cause);
  d->cause = e->cause;
  d->time_ns = e->now_ns;
  return HADRON_OK;
}

int32_t hd_engine_decided(struct hd_engine_instance *instance, const struct hadron_decision *decision) {
  struct hd_engine *e = instance->engine;
  struct hadron_decision *d;
  if (decision->cause > e->last) return refuse(instance, HADRON_ERR_STATE);
  int32_t code = decision_slot(instance, decision, &d);
  if (!code) d->trace = hd_trace_of(e->options.session, d->cause);
  return code;
}

const struct hadron_market *hd_engine_market(struct hd_engine_instance *instance, uint32_t instrument) {
  if (instance->wishes || !hd_engine_owns(instance, instrument)) return NULL; // the market is the shard's
  struct hd_subscription *s = hd_engine_subscription(instance->engine, instance->arm, instrument);
  return s ? hd_engine_patch(instance->engine, &instance->engine->rows[instrument], s) : NULL;
}

int32_t hd_engine_feature(struct hd_engine_instance *instance, uint32_t instrument, uint32_t feature, double *value) {
  const struct hadron_market *m = hd_engine_market(instance, instrument);
  if (!m) return HADRON_ERR_NOT_FOUND;
  double bid = hadron_price_double(m->bid), ask = hadron_price_double(m->ask), mid = (bid + ask) / 2;
  double bid_size = hadron_quantity_double(m->bid_size), ask_size = hadron_quantity_double(m->ask_size);
  bool both = m->bid.nanos > 0 && m->ask.nanos > 0;
  switch (feature) {
  case HADRON_FEATURE_VOLATILITY: *value = m->volatility; return HADRON_OK;
  case HADRON_FEATURE_SPREAD: *value = both ? (ask - bid) / mid : 0; return HADRON_OK;
  case HADRON_FEATURE_IMBALANCE:
    *value = bid_size + ask_size > 0 ? (bid_size - ask_size) / (bid_size + ask_size) : 0;
    return HADRON_OK;
  case HADRON_FEATURE_MID: *value = both ? mid : hadron_price_double(m->last); return HADRON_OK;
  default: return HADRON_ERR_NOT_FOUND;
  }
}

uint64_t hd_engine_cause(const struct hd_engine *e) { return e->cause; }

const struct hd_engine_counts *hd_engine_count(const struct hd_engine *e) { return &e->counts; }

void hd_engine_marks(struct hd_engine *e, struct hd_marks *marks) { e->marks = marks; }

void hd_engine_time(struct hd_engine *e, int64_t now_ns) { e->now_ns = now_ns; }

void hd_engine_volatile_above(struct hd_engine *e, double volatile_above) { e->options.volatile_above = volatile_above; }
