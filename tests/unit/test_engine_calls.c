// Promise: an instance is called for the ticks of its triggers and its universe and no others, with its own arm's view; decisions are
// checked field by field and stamped; failing instances are fenced and the others go on; volatility is the stated average; timers fire
// in one order whatever the number of shards.
#include "support/engine_rig.h"

#include <math.h>

#include "hadron/ext/features.h"

#define UNIT INT64_C(1000000000)
#define SIZE INT64_C(100000000)
#define ALL_TICKS (HADRON_ON_TRADE | HADRON_ON_QUOTE | HADRON_ON_BOOK | HADRON_ON_STATUS)

static struct engine_rig rig;

static void triggers_and_universe_filter(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *one[4], *all = engine_rig_add(&rig, 5, ALL_TICKS, 2, 3);
  for (uint32_t k = 0; k < 4; k++) one[k] = engine_rig_add(&rig, k + 1, 1u << k, 1, 1);
  engine_rig_seal(&rig);
  assert_true(hd_engine_wants(rig.engines[0], 1) && hd_engine_wants(rig.engines[0], 4));
  assert_false(hd_engine_wants(rig.engines[0], 5));
  uint64_t expected[4] = {0};
  for (uint8_t kind = HADRON_TICK_TRADE; kind <= HADRON_TICK_STATUS; kind++)
    for (uint32_t id = 1; id <= 5; id++)
      for (uint8_t k = 0; k < kind; k++) {
        struct hadron_tick t = {.event_ns = RIG_NOW, .recv_ns = RIG_NOW, .instrument = id, .kind = kind};
        t.value.raw[0] = kind == HADRON_TICK_STATUS ? HADRON_MARKET_HALTED : UNIT;
        t.value.raw[1] = UNIT;
        engine_rig_tick(&rig, &t);
        expected[kind - 1] += id == 1;
      }
  for (uint32_t k = 0; k < 4; k++) assert_int_equal(one[k]->ticks, expected[k]);
  assert_int_equal(all->ticks, 3 * (1 + 2 + 3 + 4));
  assert_int_equal(one[3]->market.state, HADRON_MARKET_HALTED);
  assert_string_equal(hd_engine_name(&all->ei, 3), "TEST3");
  assert_null(hd_engine_name(&all->ei, 1));
  assert_null(hd_engine_market(&all->ei, 5));
  assert_int_equal(hd_engine_count(rig.engines[0])->ticks, 50);
  engine_rig_close(&rig);
}

static void each_arm_sees_its_own_book(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *a = engine_rig_add(&rig, 1, HADRON_ON_TRADE | HADRON_ON_EXECUTION, 1, 1);
  struct rig_instance *b = engine_rig_add(&rig, 2, HADRON_ON_TRADE | HADRON_ON_ORDER, 1, 1);
  struct rig_instance *pair = engine_rig_add(&rig, 3, HADRON_ON_TRADE, 1, 2);
  engine_rig_seal(&rig);
  const struct hd_arm_view va = {{5 * SIZE}, {SIZE}, {0}, {100 * UNIT}}, vb = {{-7 * SIZE}, {0}, {2 * SIZE}, {90 * UNIT}};
  const struct hadron_allocation allocation = {.arm = 1, .instrument = 1, .time_ns = RIG_NOW};
  const struct hadron_order_event event = {.arm = 2, .instrument = 1, .time_ns = RIG_NOW};
  hd_engine_allocation(rig.engines[0], &allocation, &va);
  hd_engine_order_event(rig.engines[0], 2, &event, &vb);
  hd_engine_order_event(rig.engines[0], 1, &event, &va); // not asked for
  assert_int_equal(a->executions, 1);
  assert_int_equal(a->orders, 0);
  assert_int_equal(b->orders, 1);
  engine_rig_trade(&rig, 1, RIG_NOW, 101 * UNIT, SIZE);
  assert_int_equal(a->market.position.e8, 5 * SIZE);
  assert_int_equal(a->market.working_buy.e8, SIZE);
  assert_int_equal(a->market.average_entry.nanos, 100 * UNIT);
  assert_int_equal(b->market.position.e8, -7 * SIZE);
  assert_int_equal(b->market.working_sell.e8, 2 * SIZE);
  assert_int_equal(pair->market.position.e8, 0);
  const struct hd_arm_view vp = {{SIZE}, {0}, {0}, {UNIT}};
  hd_engine_view(rig.engines[0], 3, 2, &vp);
  assert_int_equal(hd_engine_market(&pair->ei, 2)->position.e8, SIZE);
  assert_int_equal(hd_engine_market(&pair->ei, 1)->position.e8, 0);
  engine_rig_quote(&rig, 1, RIG_NOW, 99 * UNIT, 101 * UNIT);
  double value;
  assert_int_equal(hd_engine_feature(&a->ei, 1, HADRON_FEATURE_MID, &value), HADRON_OK);
  assert_true(fabs(value - 100) < 1e-9);
  assert_int_equal(hd_engine_feature(&a->ei, 1, HADRON_FEATURE_SPREAD, &value), HADRON_OK);
  assert_true(fabs(value - 0.02) < 1e-12);
  assert_int_equal(hd_engine_feature(&a->ei, 1, HADRON_FEATURE_IMBALANCE, &value), HADRON_OK);
  assert_true(fabs(value - 1.0 / 3) < 1e-12);
  assert_int_equal(hd_engine_feature(&a->ei, 2, HADRON_FEATURE_MID, &value), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_engine_feature(&a->ei, 1, 999, &value), HADRON_ERR_NOT_FOUND);
  engine_rig_close(&rig);
}

static void decisions_are_checked_and_stamped(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *i = engine_rig_add(&rig, 9, HADRON_ON_TRADE, 1, 1);
  engine_rig_seal(&rig);
  engine_rig_trade(&rig, 1, RIG_NOW, UNIT, SIZE);
#define SIDE_OF(...) {.instrument = 1, .kind = HADRON_DECISION_SIDE, .side = HADRON_SIDE_BUY, .quantity = {SIZE}, __VA_ARGS__}
  static const struct { struct hadron_decision d; bool good; } rows[] = {
      {SIDE_OF(.confidence = 0), true}, {SIDE_OF(.confidence = 1), true}, {SIDE_OF(.confidence = 1.0000001), false}, {SIDE_OF(.confidence = -1e-9), false},
      {SIDE_OF(.confidence = NAN), false}, {SIDE_OF(.mean_return = INFINITY), false}, {SIDE_OF(.mean_return = NAN), false},
      {SIDE_OF(.uncertainty = -1e-9), false}, {SIDE_OF(.uncertainty = NAN), false}, {SIDE_OF(.uncertainty = INFINITY), false},
      {{.instrument = 1, .kind = HADRON_DECISION_INVALID, .side = 1}, false}, {{.instrument = 1, .kind = HADRON_DECISION_WORK + 1, .side = 1}, false},
      {{.instrument = 2, .kind = HADRON_DECISION_SIDE, .side = 1}, false}, {{.instrument = 0, .kind = HADRON_DECISION_SIDE, .side = 1}, false},
      {{.instrument = 1, .kind = HADRON_DECISION_SIDE, .side = 0}, false}, {{.instrument = 1, .kind = HADRON_DECISION_SIDE, .side = 3}, false},
      {{.instrument = 1, .kind = HADRON_DECISION_SIDE, .side = 2, .quantity = {-1}}, false}, {{.instrument = 1, .kind = HADRON_DECISION_SIDE, .side = 2}, true},
      {{.instrument = 1, .kind = HADRON_DECISION_TARGET, .quantity = {-SIZE}}, true}, {{.instrument = 1, .kind = HADRON_DECISION_TARGET, .slot = 1}, false},
      {{.instrument = 1, .kind = HADRON_DECISION_WORK, .side = 1, .slot = 0}, false}, {{.instrument = 1, .kind = HADRON_DECISION_WORK, .side = 1, .slot = 1}, true},
      {{.instrument = 1, .kind = HADRON_DECISION_WORK, .side = 1, .slot = HD_SLOTS_MAX}, true},
      {{.instrument = 1, .kind = HADRON_DECISION_WORK, .side = 1, .slot = HD_SLOTS_MAX + 1}, false},
      {SIDE_OF(.order_type = HADRON_ORDER_STOP_LIMIT), true}, {SIDE_OF(.order_type = HADRON_ORDER_STOP_LIMIT + 1), false},
      {SIDE_OF(.time_in_force = HADRON_TIF_GTD), true}, {SIDE_OF(.time_in_force = HADRON_TIF_GTD + 1), false},
      {SIDE_OF(.flags = HADRON_ORDER_POST_ONLY | HADRON_ORDER_REDUCE_ONLY), true}, {SIDE_OF(.flags = 0x80), false},
      {SIDE_OF(.limit = {-1}), false}, {SIDE_OF(.stop = {-1}), false},
  };
  uint64_t refused = 0;
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
    int32_t code = hd_engine_decide(&i->ei, &rows[k].d);
    if (code != (rows[k].good ? HADRON_OK : HADRON_ERR_ARGUMENT)) fail_msg("row %zu: code %d", k, code);
    refused += !rows[k].good;
    assert_int_equal(i->ei.refused, refused);
  }
  i->decide = (struct hadron_decision)SIDE_OF(.limit = {UNIT}, .id = 77, .arm = 3, .cause = 1);
  i->decide_count = HD_TICK_DECISIONS_MAX + 1;
  engine_rig_trade(&rig, 1, RIG_NOW + 5, UNIT, SIZE);
  assert_int_equal(i->decided, HADRON_ERR_FULL);
  uint32_t count;
  const struct hadron_decision *d = hd_engine_decisions(rig.engines[0], &count);
  assert_int_equal(count, HD_TICK_DECISIONS_MAX);
  assert_int_equal(d->arm, 9); // the host's word, not the strategy's
  assert_int_equal(d->id, 0);
  assert_int_equal(d->cause, rig.sequence);
  assert_int_equal(d->time_ns, RIG_NOW + 5);
  assert_int_equal(d->order_type, HADRON_ORDER_LIMIT);
  assert_int_equal(d->time_in_force, HADRON_TIF_DAY);
  i->decide = (struct hadron_decision)SIDE_OF(.stop = {UNIT});
  i->decide_count = 1;
  engine_rig_trade(&rig, 1, RIG_NOW + 6, UNIT, SIZE);
  d = hd_engine_decisions(rig.engines[0], &count);
  assert_int_equal(count, 1); // the last call's are gone
  assert_int_equal(d->order_type, HADRON_ORDER_STOP);
  i->decide = (struct hadron_decision)SIDE_OF(.confidence = 0);
  engine_rig_trade(&rig, 1, RIG_NOW + 7, UNIT, SIZE);
  d = hd_engine_decisions(rig.engines[0], &count);
  assert_int_equal(d->order_type, HADRON_ORDER_MARKET);
  assert_int_equal(d->time_in_force, HADRON_TIF_IOC);
  engine_rig_close(&rig);
}

static void failing_instances_are_fenced(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *bad = engine_rig_add(&rig, 1, HADRON_ON_TRADE, 1, 1), *good = engine_rig_add(&rig, 2, HADRON_ON_TRADE, 1, 1);
  struct rig_instance *slow = engine_rig_add(&rig, 3, HADRON_ON_TRADE, 1, 1);
  engine_rig_seal(&rig);
  bad->answer = HADRON_ERR_ARGUMENT;
  for (int k = 0; k < 2; k++) engine_rig_trade(&rig, 1, RIG_NOW, UNIT, SIZE);
  bad->answer = HADRON_OK; // one that works in between begins the count anew
  engine_rig_trade(&rig, 1, RIG_NOW, UNIT, SIZE);
  bad->answer = HADRON_ERR_ARGUMENT;
  slow->answer = HADRON_ERR_BUDGET; // once is enough
  for (int k = 0; k < 10; k++) engine_rig_trade(&rig, 1, RIG_NOW, UNIT, SIZE);
  assert_int_equal(bad->ticks, 6);
  assert_int_equal(bad->ei.fenced, 1);
  assert_int_equal(bad->ei.errors, 5);
  assert_int_equal(slow->ticks, 4);
  assert_int_equal(slow->ei.fenced, 1);
  assert_int_equal(good->ticks, 13);
  assert_int_equal(rig.faults, 6);
  assert_int_equal(rig.fences, 2);
  assert_int_equal(hd_engine_timer_at(&bad->ei, RIG_NOW + 1, 1), HADRON_OK);
  engine_rig_advance(&rig, RIG_NOW + 1);
  assert_int_equal(bad->timers, 0);
  engine_rig_close(&rig);
}

static void volatility_is_the_stated_average(void **state) {
  (void)state;
  struct hd_random random = test_random();
  engine_rig_open(&rig, 1, &(struct hd_engine_options){.volatility_decay = 0.94, .volatile_above = 0.004});
  struct rig_instance *i = engine_rig_add(&rig, 1, HADRON_ON_TRADE, 1, 1);
  engine_rig_seal(&rig);
  int64_t now = RIG_NOW, at = 0, nanos = 100 * UNIT;
  double last = 0, variance = 0;
  uint64_t turned = 0;
  bool above = false;
  for (int k = 0; k < 5000; k++) {
    now += (int64_t)hd_random_below(&random, 2 * RIG_S);
    nanos += (int64_t)hd_random_below(&random, 2000001) * (k / 500 % 2 ? 1000 : 10) - (k / 500 % 2 ? 1000000000 : 10000000);
    if (nanos < 50 * UNIT) nanos = 50 * UNIT;
    engine_rig_trade(&rig, 1, now, nanos, SIZE);
    if (now - at >= RIG_S) { // per second and not for every tick
      if (last > 0) {
        double r = log((double)nanos / 1e9) - log(last), sample = r * r / ((double)(now - at) / 1e9);
        variance = variance > 0 ? 0.94 * variance + 0.06 * sample : sample;
      }
      at = now;
      last = (double)nanos / 1e9;
    }
    assert_true(fabs(i->market.volatility - sqrt(variance)) <= 1e-9 + 1e-6 * sqrt(variance));
    if ((sqrt(variance) > 0.004) != above) {
      above = !above;
      turned++;
    }
  }
  assert_int_equal(rig.turned, turned);
  assert_true(turned >= 4);
  engine_rig_close(&rig);
}

// ---- timers --------------------------------------------------------------------------------------------------------------------

static void timers_move_cancel_and_fill(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *i = engine_rig_add(&rig, 1, 0, 1, 1), *mute = engine_rig_add(&rig, 2, 0, 1, 1);
  engine_rig_seal(&rig);
  mute->ei.on_timer = NULL;
  assert_int_equal(hd_engine_timer_at(&mute->ei, RIG_NOW, 1), HADRON_ERR_STATE);
  assert_int_equal(hd_engine_timer_at(&i->ei, RIG_NOW + 10, 1), HADRON_OK);
  assert_int_equal(hd_engine_timer_at(&i->ei, RIG_NOW + 30, 2), HADRON_OK);
  assert_int_equal(hd_engine_timer_at(&i->ei, RIG_NOW + 20, 1), HADRON_OK); // moved, not added
  hd_engine_timer_cancel(&i->ei, 2);
  hd_engine_timer_cancel(&i->ei, 3); // is not there
  engine_rig_advance(&rig, RIG_NOW + 19);
  assert_int_equal(i->timers, 0);
  engine_rig_advance(&rig, RIG_NOW + 100);
  assert_int_equal(i->timers, 1);
  assert_int_equal(i->timer_id, 1);
  for (uint64_t k = 0; k < HD_TIMERS_MAX; k++) assert_int_equal(hd_engine_timer_at(&i->ei, RIG_NOW + 1000, k), HADRON_OK);
  assert_int_equal(hd_engine_timer_at(&i->ei, RIG_NOW + 1000, HD_TIMERS_MAX), HADRON_ERR_FULL);
  assert_int_equal(hd_engine_timer_at(&i->ei, RIG_NOW + 2000, 5), HADRON_OK);
  engine_rig_advance(&rig, RIG_NOW + 1000);
  assert_int_equal(i->timers, HD_TIMERS_MAX);
  struct hd_due due;
  assert_true(hd_engine_due(rig.engines[0], &due));
  assert_int_equal(due.due_ns, RIG_NOW + 2000);
  engine_rig_close(&rig);
}

static void again(struct rig_instance *self, uint64_t id, int64_t due_ns) {
  if (due_ns < RIG_NOW + 50) hd_engine_timer_at(&self->ei, due_ns + 1 + (int64_t)(id % 3), id);
}

static void run_timers(struct hd_random random, uint32_t shards, char **words) {
  engine_rig_open(&rig, shards, NULL);
  for (uint32_t arm = 1; arm <= 3; arm++)
    for (uint32_t id = 1; id <= TEST_INSTRUMENTS; id++) {
      struct rig_instance *i = engine_rig_add(&rig, arm, HADRON_ON_BAR, id, 1);
      i->on_timer = again;
      assert_int_equal(hd_engine_bars(&i->ei, &(struct hadron_bar_request){.kind = HADRON_BAR_TIME, .interval = 20 * arm}), HADRON_OK);
    }
  engine_rig_seal(&rig);
  for (uint32_t id = 1; id <= TEST_INSTRUMENTS; id++) engine_rig_trade(&rig, id, RIG_NOW, UNIT, SIZE);
  static const uint64_t ids[] = {0, 1, 65536, 65537, 131072, UINT64_MAX}; // equal in their low bits
  for (int k = 0; k < 400; k++) {
    struct rig_instance *i = &rig.instances[hd_random_below(&random, rig.count)];
    uint64_t id = ids[hd_random_below(&random, 6)];
    if (hd_random_below(&random, 8) == 0) hd_engine_timer_cancel(&i->ei, id);
    else assert_int_equal(hd_engine_timer_at(&i->ei, RIG_NOW + (int64_t)hd_random_below(&random, 40), id), HADRON_OK);
  }
  engine_rig_advance(&rig, RIG_NOW + 30);
  engine_rig_advance(&rig, RIG_NOW + 200);
  *words = strdup(rig.words);
  engine_rig_close(&rig);
}

static void order_does_not_depend_on_shards(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (int round = 0; round < 10; round++) {
    char *one, *other;
    hd_random_next(&random);
    run_timers(random, 1, &one);
    assert_true(strlen(one) > 2000);
    for (uint32_t shards = 2; shards <= RIG_SHARDS; shards++) {
      run_timers(random, shards, &other);
      assert_string_equal(one, other);
      free(other);
    }
    free(one);
  }
}

// A shadow that decides before the arms that trade, and as often as it may: what they decide is there all the same, in their order.
static void a_shadow_makes_room(void **state) {
  (void)state;
  static _Atomic uint8_t shadows[RIG_INSTANCES] = {[2] = 1, [5] = 1};
  const struct hd_engine_options options = {.errors_max = 10, .volatility_decay = 0.94, .shadows = shadows};
  engine_rig_open(&rig, 1, &options);
  struct rig_instance *first = engine_rig_add(&rig, 2, HADRON_ON_TRADE, 1, 1), *live = engine_rig_add(&rig, 3, HADRON_ON_TRADE, 1, 1), *canary = engine_rig_add(&rig, 4, HADRON_ON_TRADE, 1, 1),
                      *last = engine_rig_add(&rig, 5, HADRON_ON_TRADE, 1, 1);
  struct rig_instance *const all[] = {first, live, canary, last};
  static const uint32_t counts[] = {HD_TICK_DECISIONS_MAX, 3, 4, 2};
  engine_rig_seal(&rig);
  for (int i = 0; i < 4; i++) {
    all[i]->decide = (struct hadron_decision)SIDE_OF(.limit = {UNIT});
    all[i]->decide_count = counts[i];
  }
  engine_rig_trade(&rig, 1, RIG_NOW + 5, UNIT, SIZE);
  uint32_t count, of[8] = {0}, before = 0;
  const struct hadron_decision *d = hd_engine_decisions(rig.engines[0], &count);
  assert_int_equal(count, HD_TICK_DECISIONS_MAX);
  for (uint32_t i = 0; i < count; i++) {
    of[d[i].arm]++;
    assert_true(d[i].arm >= before);
    before = d[i].arm;
  }
  assert_int_equal(of[3], 3);
  assert_int_equal(of[4], 4);
  assert_int_equal(of[2], HD_TICK_DECISIONS_MAX - 7);
  assert_int_equal(of[5], 0); // a shadow takes nobody's room
  assert_int_equal(last->decided, HADRON_ERR_FULL);
  assert_int_equal(hd_engine_count(rig.engines[0])->decisions, HD_TICK_DECISIONS_MAX);
  assert_int_equal(hd_engine_count(rig.engines[0])->refused, 7 + 2);
  engine_rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_shadow_makes_room), cmocka_unit_test(triggers_and_universe_filter),  cmocka_unit_test(each_arm_sees_its_own_book),      cmocka_unit_test(decisions_are_checked_and_stamped),
      cmocka_unit_test(failing_instances_are_fenced),  cmocka_unit_test(volatility_is_the_stated_average), cmocka_unit_test(timers_move_cancel_and_fill),
      cmocka_unit_test(order_does_not_depend_on_shards),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
