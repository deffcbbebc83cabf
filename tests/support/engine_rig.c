#include "support/engine_rig.h"

static void word(struct engine_rig *rig, const char *what, uint32_t arm, uint64_t number) {
  int n = snprintf(rig->words + rig->words_size, sizeof rig->words - rig->words_size, "%s%u:%llu ", what, arm, (unsigned long long)number);
  if (n > 0 && rig->words_size + (size_t)n < sizeof rig->words) rig->words_size += (size_t)n;
}

static int32_t called(struct rig_instance *i, const struct hadron_market *market) {
  i->market = *market;
  for (uint32_t k = 0; i->decide.kind && k < i->decide_count; k++) i->decided = hd_engine_decide(&i->ei, &i->decide);
  return i->answer;
}

static int32_t on_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct rig_instance *i = self;
  i->ticks++;
  word(i->rig, "tick", i->ei.arm, tick->sequence);
  return called(i, market);
}
static int32_t on_bar(void *self, const struct hadron_bar *bar, const struct hadron_market *market) {
  struct rig_instance *i = self;
  i->bars++;
  i->bar = *bar;
  word(i->rig, "bar", i->ei.arm, bar->ticks);
  if (i->on_bar) i->on_bar(i, bar);
  return called(i, market);
}
static int32_t on_execution(void *self, const struct hadron_allocation *allocation, const struct hadron_market *market) {
  struct rig_instance *i = self;
  (void)allocation;
  i->executions++;
  return called(i, market);
}
static int32_t on_order(void *self, const struct hadron_order_event *event, const struct hadron_market *market) {
  struct rig_instance *i = self;
  (void)event;
  i->orders++;
  return called(i, market);
}
static int32_t on_timer(void *self, uint64_t id, int64_t due_ns, const struct hadron_market *market) {
  struct rig_instance *i = self;
  i->timers++;
  i->timer_id = id;
  word(i->rig, "timer", i->ei.arm, id);
  if (i->on_timer) i->on_timer(i, id, due_ns);
  return called(i, market);
}

static void fault(void *self, struct hd_engine_instance *instance, int32_t code, bool fenced) {
  struct engine_rig *rig = self;
  assert_int_not_equal(code, HADRON_OK);
  assert_int_equal(instance->fenced, fenced);
  rig->faults++;
  rig->fences += fenced;
}
static void turbulent(void *self, uint32_t instrument, bool on) {
  struct engine_rig *rig = self;
  (void)instrument;
  rig->turned++;
  rig->turbulent = on;
}
static void fired(void *self, const struct hadron_timer_fired *timer) {
  (void)self;
  assert_true(timer->due_ns > 0 && timer->instrument > 0);
}

void engine_rig_open(struct engine_rig *rig, uint32_t shards, const struct hd_engine_options *options) {
  const struct hd_engine_options usual = {.session = 1, .errors_max = 3, .volatility_decay = 0.9};
  const struct hd_engine_listener listener = {rig, fault, NULL, turbulent, fired, NULL};
  memset(rig, 0, sizeof *rig);
  test_market_init(&rig->market);
  rig->shards = shards;
  for (uint32_t i = 1; i <= TEST_INSTRUMENTS; i++) rig->market.rows[i].shard = i % shards;
  for (uint32_t s = 0; s < shards; s++)
    assert_int_equal(hd_engine_create(options ? options : &usual, &rig->market.instruments, &rig->market.marks, &listener, &rig->engines[s]), HADRON_OK);
}

void engine_rig_close(struct engine_rig *rig) {
  for (uint32_t s = 0; s < rig->shards; s++) hd_engine_destroy(rig->engines[s]);
}

struct rig_instance *engine_rig_add(struct engine_rig *rig, uint32_t arm, uint32_t triggers, uint32_t first, uint32_t count) {
  assert_true(rig->count < RIG_INSTANCES);
  struct rig_instance *i = &rig->instances[rig->count++];
  i->rig = rig;
  i->api = (struct hadron_strategy_api){.struct_size = sizeof i->api, .triggers = triggers, .scope = count > 1 ? HADRON_SCOPE_UNIVERSE : HADRON_SCOPE_INSTRUMENT,
                                        .on_tick = on_tick, .on_bar = on_bar, .on_execution = on_execution, .on_order = on_order};
  for (uint32_t k = 0; k < count; k++) i->universe[k] = first + k;
  i->ei = (struct hd_engine_instance){.api = &i->api, .self = i, .on_timer = on_timer, .instruments = i->universe, .instrument_count = count, .arm = arm};
  assert_int_equal(hd_engine_add(rig->engines[rig->market.rows[first].shard], &i->ei), HADRON_OK);
  return i;
}

void engine_rig_seal(struct engine_rig *rig) {
  for (uint32_t s = 0; s < rig->shards; s++) assert_int_equal(hd_engine_seal(rig->engines[s]), HADRON_OK);
}

void engine_rig_tick(struct engine_rig *rig, const struct hadron_tick *tick) {
  struct hadron_tick t = *tick;
  t.sequence = ++rig->sequence;
  hd_engine_tick(rig->engines[rig->market.rows[t.instrument].shard], &t);
}

void engine_rig_trade(struct engine_rig *rig, uint32_t instrument, int64_t event_ns, int64_t nanos, int64_t e8) {
  struct hadron_tick t = {.event_ns = event_ns, .recv_ns = event_ns, .instrument = instrument, .venue = 1, .kind = HADRON_TICK_TRADE};
  t.value.trade.price.nanos = nanos;
  t.value.trade.quantity.e8 = e8;
  engine_rig_tick(rig, &t);
}

void engine_rig_quote(struct engine_rig *rig, uint32_t instrument, int64_t event_ns, int64_t bid, int64_t ask) {
  struct hadron_tick t = {.event_ns = event_ns, .recv_ns = event_ns, .instrument = instrument, .venue = 1, .kind = HADRON_TICK_QUOTE};
  t.value.quote = (struct hadron_quote){{bid}, {ask}, {200000000}, {100000000}};
  engine_rig_tick(rig, &t);
}

void engine_rig_advance(struct engine_rig *rig, int64_t now_ns) {
  for (;;) {
    struct hd_due due, best = {0, 0};
    int first = -1;
    for (uint32_t s = 0; s < rig->shards; s++)
      if (hd_engine_due(rig->engines[s], &due) && due.due_ns <= now_ns && (first < 0 || hd_due_before(due, best))) {
        first = (int)s;
        best = due;
      }
    if (first < 0) return;
    assert_true(hd_engine_fire(rig->engines[first], now_ns));
  }
}
