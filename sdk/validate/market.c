#include "sdk/validate/market.h"

#include <math.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/hash.h"
#include "hadron/ext/features.h"
#include "hadron/ext/timer.h"

#define CENT (HADRON_PRICE_SCALE / 100)

static struct market *market_of(struct hadron_instance *instance) { return instance->owner; }

static const struct hd_probe_instrument made_up[MARKET_INSTRUMENTS] = {{1, 0, "ALPHA", {CENT}, {HADRON_QUANTITY_SCALE}},
                                                                       {2, 0, "BETA", {CENT}, {HADRON_QUANTITY_SCALE}},
                                                                       {3, 0, "GAMMA", {CENT}, {HADRON_QUANTITY_SCALE}}};

static int place_of(const struct market *m, uint32_t instrument) {
  uint32_t low = 0, high = m->count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (m->instruments[middle] == instrument) return (int)middle;
    if (m->instruments[middle] < instrument) low = middle + 1;
    else high = middle;
  }
  return -1;
}

// ---- what the strategy asks of the host

// The first rule of hadron_decision that it breaks, or NULL.
static const char *decision_wrong(const struct hadron_decision *d) {
  bool target = d->kind == HADRON_DECISION_TARGET, work = d->kind == HADRON_DECISION_WORK;
  if (d->kind == HADRON_DECISION_INVALID || d->kind > HADRON_DECISION_WORK) return "kind is not one of enum hadron_decision_kind";
  if (!target && d->side != HADRON_SIDE_BUY && d->side != HADRON_SIDE_SELL) return "side must be BUY or SELL";
  if (!target && d->quantity.e8 < 0) return "quantity must not be negative";
  if (work ? d->slot < 1 || d->slot > HD_SLOTS_MAX : d->slot != 0) return "slot must be 1 to 16 for WORK, 0 else";
  if (d->order_type > HADRON_ORDER_STOP_LIMIT) return "order_type is not one of enum hadron_order_type";
  if (d->time_in_force > HADRON_TIF_GTD) return "time_in_force is not one of enum hadron_time_in_force";
  if ((d->flags & ~(HADRON_ORDER_POST_ONLY | HADRON_ORDER_REDUCE_ONLY)) != 0) return "flags has unknown bits";
  if (d->limit.nanos < 0 || d->stop.nanos < 0) return "limit and stop must not be negative";
  if (!isfinite(d->mean_return)) return "mean_return must be finite";
  if (!isfinite(d->uncertainty) || d->uncertainty < 0) return "uncertainty must be finite and not negative";
  if (!(d->confidence >= 0 && d->confidence <= 1)) return "confidence must be within [0, 1]";
  return NULL;
}

static int32_t host_decide(struct hadron_instance *instance, const struct hadron_decision *d) {
  struct market *m = market_of(instance);
  const char *wrong = place_of(m, d->instrument) < 0 ? "instrument is not in the universe" : decision_wrong(d);
  if (wrong == NULL && m->pending_count == HD_TICK_DECISIONS_MAX) wrong = "more than 64 decisions for one tick";
  if (wrong != NULL) {
    if (m->refused++ == 0) snprintf(m->refusal, sizeof m->refusal, "%s (instrument %u, kind %u, side %u)", wrong, d->instrument, d->kind, d->side);
    return m->pending_count == HD_TICK_DECISIONS_MAX ? HADRON_ERR_FULL : HADRON_ERR_ARGUMENT;
  }
  m->pending[m->pending_count++] = *d;
  m->decisions++;
  m->digest = hd_crc32c(m->digest, d, sizeof *d);
  return HADRON_OK;
}

static const struct hadron_market *host_market(struct hadron_instance *instance, uint32_t instrument) {
  struct market *m = market_of(instance);
  int i = place_of(m, instrument);
  return i < 0 ? NULL : &m->views[i];
}

static const char *host_name(struct hadron_instance *instance, uint32_t instrument) {
  const struct market *m = market_of(instance);
  int i = place_of(m, instrument);
  return i < 0 ? NULL : m->definitions[i].name;
}

static int32_t host_bars(struct hadron_instance *instance, const struct hadron_bar_request *r) {
  struct market *m = market_of(instance);
  if (r->kind < HADRON_BAR_TIME || r->kind > HADRON_BAR_VOLUME || r->interval <= 0) return HADRON_ERR_ARGUMENT;
  if (m->bar_count == HD_BAR_KINDS_MAX) return HADRON_ERR_FULL;
  m->bars[m->bar_count++] = *r;
  // Twenty ticks to a bar, so that the script has bars of any length.
  if (r->kind == HADRON_BAR_TIME && r->interval / 20 > m->step_ns) m->step_ns = r->interval / 20;
  return HADRON_OK;
}

static int32_t host_timer_at(struct hadron_instance *instance, int64_t due_ns, uint64_t id) {
  struct market *m = market_of(instance);
  int place = -1;
  for (int i = 0; i < MARKET_TIMERS; i++)
    if (!m->timers[i].set ? place < 0 : m->timers[i].id == id) place = i;
  if (place < 0) return HADRON_ERR_FULL;
  m->timers[place].id = id, m->timers[place].due_ns = due_ns, m->timers[place].set = true;
  return HADRON_OK;
}

static void host_timer_cancel(struct hadron_instance *instance, uint64_t id) {
  struct market *m = market_of(instance);
  for (int i = 0; i < MARKET_TIMERS; i++)
    if (m->timers[i].id == id) m->timers[i].set = false;
}

static int32_t host_feature(struct hadron_instance *instance, uint32_t instrument, uint32_t feature, double *value) {
  struct market *m = market_of(instance);
  int i = place_of(m, instrument);
  if (i < 0 || feature < HADRON_FEATURE_VOLATILITY || feature > HADRON_FEATURE_MID) return HADRON_ERR_NOT_FOUND;
  double mid = (hadron_price_double(m->views[i].bid) + hadron_price_double(m->views[i].ask)) / 2;
  const double values[] = {0, m->views[i].volatility, mid > 0 ? 0.02 / mid : 0, 0.1, mid};
  *value = values[feature];
  return HADRON_OK;
}

static int64_t host_now(void *owner) { return ((struct market *)owner)->now_ns; }

static const struct hadron_strategy_host strategy_table = {sizeof strategy_table, 0, host_decide, host_market, host_name, host_bars};
static const struct hadron_timer timer_table = {sizeof timer_table, 0, host_timer_at, host_timer_cancel};
static const struct hadron_features features_table = {sizeof features_table, 0, host_feature};
static const struct hd_capability everything[] = {
    {"hadron.strategy/1", &strategy_table}, {HADRON_CAP_TIMER, &timer_table}, {HADRON_CAP_FEATURES, &features_table}, {NULL, NULL}};

// ---- opening

// Only what the manifest requires, in the order of `everything`.
static const struct hd_capability *required_alone(const struct hd_plugin *plugin) {
  static struct hd_capability rows[sizeof everything / sizeof *everything];
  size_t used = 0;
  memset(rows, 0, sizeof rows);
  for (const struct hd_capability *c = everything; c->name != NULL; c++) {
    const char *cursor = plugin->manifest.requires_;
    char name[HD_CAPABILITY_NAME_SIZE];
    while (hd_capability_next(&cursor, name))
      if (strcmp(name, c->name) == 0) rows[used++] = *c;
  }
  return rows;
}

static int32_t make_universe(struct market *m, const struct market_setup *setup) {
  const struct hadron_strategy_api *api = m->trial->plugin->api;
  m->definitions = setup->instrument_count > 0 ? setup->instruments : made_up;
  uint32_t count = setup->instrument_count > 0 ? setup->instrument_count : MARKET_INSTRUMENTS;
  if (api->scope != HADRON_SCOPE_UNIVERSE) count = 1;
  m->instruments = calloc(count, sizeof *m->instruments);
  m->views = calloc(count, sizeof *m->views);
  m->turns = calloc(count, sizeof *m->turns);
  if (m->instruments == NULL || m->views == NULL || m->turns == NULL) return HADRON_ERR_MEMORY;
  m->count = count;
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_probe_instrument *d = &m->definitions[i];
    m->instruments[i] = d->id;
    m->views[i] = (struct hadron_market){.instrument = d->id, .increment = d->increment, .lot = d->lot, .state = HADRON_MARKET_OPEN};
  }
  return HADRON_OK;
}

int32_t market_open(struct market *m, struct trial *t, const struct market_setup *setup, struct hd_fault *fault) {
  static struct hd_metrics *metrics; // one registry for the child; it dies with it
  if (metrics == NULL) metrics = hd_metrics_create(256);
  memset(m, 0, sizeof *m);
  m->trial = t;
  m->now_ns = MARKET_START_NS;
  m->step_ns = 250000000;
  hd_random_init(&m->random, setup->seed);
  if (make_universe(m, setup)) return hd_fault_set(fault, HADRON_ERR_MEMORY, "the scripted market: out of memory");
  struct hd_instance_options o = {.plugin = t->plugin,
                                  .capabilities = setup->optional ? everything : required_alone(t->plugin),
                                  .owner = m,
                                  .now = host_now,
                                  .metrics = metrics,
                                  .name = t->plugin->manifest.name,
                                  .seed = setup->seed,
                                  .arm = 1};
  int32_t err = hd_instance_init(&m->instance, &o, fault);
  if (err) return err;
  struct hadron_strategy_context context = {sizeof context, 1, m->instruments, m->count, 0};
  trial_step(t, "create");
  return hd_instance_create_strategy(&m->instance, &context, fault);
}

void market_follow(struct market *m, const struct market *from) {
  struct market own = *m;
  HD_ASSERT(m->count == from->count);
  *m = *from;
  m->instance = own.instance;
  m->instance.random = from->instance.random; // the host's, too: the stream goes on
  m->instruments = own.instruments, m->views = own.views, m->turns = own.turns;
  memcpy(m->views, from->views, m->count * sizeof *m->views);
  memcpy(m->turns, from->turns, m->count * sizeof *m->turns);
  m->measured = false;
}

void market_close(struct market *m) {
  trial_step(m->trial, "destroy");
  hd_instance_fini(&m->instance);
  free(m->instruments);
  free(m->views);
  free(m->turns);
  m->instruments = NULL, m->views = NULL, m->turns = NULL;
}

// ---- playing

static const struct hadron_strategy_api *api_of(const struct market *m) { return m->trial->plugin->api; }

// A callback, measured if this is the market whose callbacks count.
#define CALL(m, which, call)                                                      \
  do {                                                                            \
    uint64_t begun = (m)->measured ? trial_begin((m)->trial, which) : 0;          \
    int32_t code = (call);                                                        \
    if ((m)->measured) trial_end((m)->trial, which, begun, code);                 \
  } while (0)

static void fill(struct market *m, const struct hadron_decision *d) {
  struct hadron_market *v = &m->views[place_of(m, d->instrument)];
  int64_t change = d->kind == HADRON_DECISION_TARGET ? d->quantity.e8 - v->position.e8 : d->side == HADRON_SIDE_BUY ? d->quantity.e8 : -d->quantity.e8;
  int64_t position;
  if (change == 0 || v->last.nanos == 0 || __builtin_add_overflow(v->position.e8, change, &position)) return;
  v->position.e8 = position;
  v->average_entry = position ? v->last : (struct hadron_price){0};
  uint8_t side = change > 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL;
  struct hadron_allocation a = {.id = m->decisions, .execution = m->decisions, .time_ns = m->now_ns, .price = v->last, .quantity = {change > 0 ? change : -change},
                                .position = v->position, .instrument = d->instrument, .arm = 1, .side = side};
  struct hadron_order_event e = {.id = m->decisions, .time_ns = m->now_ns, .average = v->last, .quantity = a.quantity, .filled = a.quantity, .instrument = d->instrument, .arm = 1,
                                 .from = HADRON_STATE_ACCEPTED, .to = HADRON_STATE_FILLED, .change = HADRON_CHANGE_FILL, .side = side, .order_type = HADRON_ORDER_MARKET};
  if ((api_of(m)->triggers & HADRON_ON_ORDER) != 0) CALL(m, CALLBACK_ORDER, api_of(m)->on_order(m->instance.self, &e, v));
  if ((api_of(m)->triggers & HADRON_ON_EXECUTION) != 0) CALL(m, CALLBACK_EXECUTION, api_of(m)->on_execution(m->instance.self, &a, v));
}

// Fills what was decided; what a fill callback decides is filled with the next tick.
static void fill_pending(struct market *m) {
  struct hadron_decision taken[HD_TICK_DECISIONS_MAX];
  uint32_t count = m->pending_count;
  memcpy(taken, m->pending, count * sizeof *taken);
  m->pending_count = 0;
  for (uint32_t i = 0; i < count; i++)
    if (taken[i].kind != HADRON_DECISION_WORK) fill(m, &taken[i]);
}

static void fire_timers(struct market *m) {
  const struct hadron_timer_target *target = m->trial->plugin->timer;
  for (int round = 0; target != NULL && round < MARKET_TIMERS; round++) {
    int first = -1;
    for (int i = 0; i < MARKET_TIMERS; i++)
      if (m->timers[i].set && m->timers[i].due_ns <= m->now_ns && (first < 0 || m->timers[i].due_ns < m->timers[first].due_ns)) first = i;
    if (first < 0) return;
    m->timers[first].set = false;
    CALL(m, CALLBACK_TIMER, target->on_timer(m->instance.self, m->timers[first].id, m->timers[first].due_ns, &m->views[0]));
  }
}

static struct hadron_tick next_tick(struct market *m, uint32_t i) {
  const struct hadron_market *v = &m->views[i];
  uint64_t turn = m->turns[i], noise = hd_random_next(&m->random);
  int64_t grid = v->increment.nanos, lot = v->lot.e8;
  // A slow triangle with noise on it: strategies of any taste find a crossing.
  int64_t phase = (int64_t)(turn % 240), wave = phase < 120 ? phase : 240 - phase;
  int64_t price = (10000 + 500 * (int64_t)i + 4 * wave + (int64_t)(noise % 31) - 15) * grid;
  struct hadron_tick tick = {.event_ns = m->now_ns, .recv_ns = m->now_ns, .sequence = m->sequence, .instrument = v->instrument, .venue = 1};
  if (turn % 997 == 500 || turn % 997 == 510) {
    tick.kind = HADRON_TICK_STATUS;
    tick.value.status.state = turn % 997 == 500 ? HADRON_MARKET_HALTED : HADRON_MARKET_OPEN;
  } else if (turn % 3 == 1) {
    struct hadron_quantity size = {(int64_t)(1 + noise % 9) * lot};
    tick.kind = HADRON_TICK_QUOTE;
    tick.value.quote = (struct hadron_quote){{price - grid}, {price + grid}, size, size};
  } else if (turn % 3 == 2) {
    tick.kind = HADRON_TICK_BOOK;
    tick.value.book = (struct hadron_book_change){.price = {price - grid}, .quantity = {lot}, .side = HADRON_SIDE_BUY, .action = HADRON_BOOK_SET};
  } else {
    tick.kind = HADRON_TICK_TRADE;
    tick.value.trade = (struct hadron_trade){.price = {price}, .quantity = {(int64_t)(1 + noise % 5) * lot}, .trade_id = m->sequence, .aggressor = noise & 64 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL};
  }
  return tick;
}

static void update_view(struct market *m, uint32_t i, const struct hadron_tick *tick) {
  struct hadron_market *v = &m->views[i];
  if (tick->kind == HADRON_TICK_STATUS) {
    v->state = (uint8_t)tick->value.status.state;
  } else if (tick->kind == HADRON_TICK_QUOTE) {
    const struct hadron_quote *q = &tick->value.quote;
    v->bid = q->bid, v->ask = q->ask, v->bid_size = q->bid_size, v->ask_size = q->ask_size;
  } else if (tick->kind == HADRON_TICK_TRADE) {
    v->last = tick->value.trade.price, v->last_size = tick->value.trade.quantity;
  }
  v->sequence = tick->sequence, v->event_ns = tick->event_ns;
  v->volatility = m->turns[i] > 20 ? 0.0005 : 0;
}

static void play_bars(struct market *m, uint32_t i) {
  struct hadron_market *v = &m->views[i];
  if (m->turns[i] % 20 != 19 || v->last.nanos == 0 || (api_of(m)->triggers & HADRON_ON_BAR) == 0) return;
  for (uint32_t b = 0; b < m->bar_count; b++) {
    int64_t interval = m->bars[b].interval, length = m->bars[b].kind == HADRON_BAR_TIME ? interval : 20 * m->step_ns;
    int64_t close_ns = m->now_ns - (m->bars[b].kind == HADRON_BAR_TIME ? m->now_ns % interval : 0);
    struct hadron_bar bar = {.open_ns = close_ns - length, .close_ns = close_ns, .sequence = m->sequence, .instrument = v->instrument, .venue = 1, .kind = (uint8_t)m->bars[b].kind,
                             .open = v->last, .high = {v->last.nanos + 3 * v->increment.nanos}, .low = {v->last.nanos - 3 * v->increment.nanos}, .close = v->last, .volume = {20 * v->lot.e8},
                             .vwap = v->last, .interval = interval, .ticks = 20};
    CALL(m, CALLBACK_BAR, api_of(m)->on_bar(m->instance.self, &bar, v));
  }
}

static uint32_t trigger_of(uint8_t kind) {
  static const uint32_t triggers[] = {0, HADRON_ON_TRADE, HADRON_ON_QUOTE, HADRON_ON_BOOK, HADRON_ON_STATUS};
  return kind < sizeof triggers / sizeof *triggers ? triggers[kind] : 0;
}

// One tick with all that comes with it; the timers that were due before it have fired.
static void play(struct market *m, uint32_t i, const struct hadron_tick *tick) {
  update_view(m, i, tick);
  fill_pending(m);
  if ((api_of(m)->triggers & trigger_of(tick->kind)) != 0) CALL(m, CALLBACK_TICK, api_of(m)->on_tick(m->instance.self, tick, &m->views[i]));
  play_bars(m, i);
  m->turns[i]++;
  m->sequence++;
}

void market_play(struct market *m, uint32_t ticks) {
  for (uint32_t n = 0; n < ticks; n++) {
    uint32_t i = (uint32_t)(m->sequence % m->count);
    m->now_ns += m->step_ns / m->count;
    fire_timers(m);
    struct hadron_tick tick = next_tick(m, i);
    play(m, i, &tick);
  }
}

void market_take(struct market *m, const struct hadron_tick *tick) {
  int i = place_of(m, tick->instrument);
  if (i < 0) return;
  if (m->sequence == 0 || tick->recv_ns > m->now_ns) m->now_ns = tick->recv_ns;
  fire_timers(m);
  play(m, (uint32_t)i, tick);
}
