// Promise: bars hold exactly the trades between their ends — time bars aligned and closed by the clock before the next tick, or by a
// venue's clock that runs ahead; tick and volume bars by the trade that completes them — with open, high, low, close, volume and VWAP as
// a plain computation over the same trades gives them; who asks for the same bars shares them.
#include "support/engine_rig.h"

#define UNIT INT64_C(1000000000)
#define SIZE INT64_C(100000000)

static struct engine_rig rig;

static struct rig_instance *add(uint32_t arm, uint32_t kind, int64_t interval) {
  struct rig_instance *i = engine_rig_add(&rig, arm, HADRON_ON_BAR, 1, 1);
  assert_int_equal(hd_engine_bars(&i->ei, &(struct hadron_bar_request){.kind = kind, .interval = interval}), HADRON_OK);
  return i;
}

static void requests_are_checked_and_shared(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *i = engine_rig_add(&rig, 1, HADRON_ON_BAR, 1, 1);
  struct hadron_bar_request request = {.kind = HADRON_BAR_INVALID, .interval = 1};
  assert_int_equal(hd_engine_bars(&i->ei, &request), HADRON_ERR_ARGUMENT);
  request.kind = HADRON_BAR_VOLUME + 1;
  assert_int_equal(hd_engine_bars(&i->ei, &request), HADRON_ERR_ARGUMENT);
  request = (struct hadron_bar_request){.kind = HADRON_BAR_TIME, .interval = 0};
  assert_int_equal(hd_engine_bars(&i->ei, &request), HADRON_ERR_ARGUMENT);
  for (int64_t k = 1; k <= HD_BAR_KINDS_MAX; k++) {
    request.interval = k * RIG_S;
    assert_int_equal(hd_engine_bars(&i->ei, &request), HADRON_OK);
    assert_int_equal(hd_engine_bars(&i->ei, &request), HADRON_OK); // again is the same
  }
  request.interval = 100 * RIG_S;
  assert_int_equal(hd_engine_bars(&i->ei, &request), HADRON_ERR_FULL);
  struct rig_instance *other = add(2, HADRON_BAR_TIME, RIG_S);
  engine_rig_seal(&rig);
  assert_int_equal(hd_engine_bars(&i->ei, &request), HADRON_ERR_STATE);
  engine_rig_trade(&rig, 1, RIG_NOW, UNIT, SIZE);
  engine_rig_advance(&rig, RIG_NOW + RIG_S);
  assert_int_equal(other->bars, 1);
  assert_true(i->bars >= 1);
  assert_int_equal(hd_engine_count(rig.engines[0])->bars, i->bars); // one builder for both
  engine_rig_close(&rig);
}

static void time_bars_close_by_the_clock(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *i = add(1, HADRON_BAR_TIME, 60 * RIG_S);
  engine_rig_seal(&rig);
  int64_t minute = RIG_NOW; // is one
  assert_int_equal(minute % (60 * RIG_S), 0);
  engine_rig_trade(&rig, 1, minute + 7 * RIG_S, 100 * UNIT, SIZE);
  engine_rig_trade(&rig, 1, minute + 60 * RIG_S - 1, 102 * UNIT, 3 * SIZE);
  engine_rig_advance(&rig, minute + 60 * RIG_S - 1);
  assert_int_equal(i->bars, 0);
  engine_rig_advance(&rig, minute + 60 * RIG_S);
  assert_int_equal(i->bars, 1);
  assert_int_equal(i->bar.open_ns, minute);
  assert_int_equal(i->bar.close_ns, minute + 60 * RIG_S);
  assert_int_equal(i->bar.ticks, 2);
  assert_int_equal(i->bar.vwap.nanos, 101 * UNIT + UNIT / 2);
  assert_int_equal(hd_engine_now(&i->ei), minute + 60 * RIG_S);
  engine_rig_trade(&rig, 1, minute + 59 * RIG_S, 90 * UNIT, SIZE); // late: the bar is out, it counts in the one that is open now
  engine_rig_trade(&rig, 1, minute + 61 * RIG_S, 103 * UNIT, SIZE);
  engine_rig_advance(&rig, minute + 200 * RIG_S);
  assert_int_equal(i->bars, 2);
  assert_int_equal(i->bar.open_ns, minute + 60 * RIG_S);
  assert_int_equal(i->bar.open.nanos, 90 * UNIT);
  assert_int_equal(i->bar.ticks, 2);
  engine_rig_advance(&rig, minute + 1000 * RIG_S); // no trades, no bars
  assert_int_equal(i->bars, 2);
  engine_rig_trade(&rig, 1, minute + 1000 * RIG_S, 100 * UNIT, SIZE);
  engine_rig_trade(&rig, 1, minute + 1021 * RIG_S, 101 * UNIT, SIZE); // the venue's clock is ahead: its trade ends the bar
  assert_int_equal(i->bars, 3);
  assert_int_equal(i->bar.close.nanos, 100 * UNIT);
  engine_rig_advance(&rig, minute + 1020 * RIG_S); // and not once more
  assert_int_equal(i->bars, 3);
  engine_rig_advance(&rig, minute + 1080 * RIG_S);
  assert_int_equal(i->bars, 4);
  engine_rig_close(&rig);
}

static void mids_make_bars_where_nothing_trades(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *i = add(1, HADRON_BAR_TICK, 2);
  engine_rig_seal(&rig);
  engine_rig_quote(&rig, 1, RIG_NOW, 99 * UNIT, 101 * UNIT);
  engine_rig_quote(&rig, 1, RIG_NOW, 99 * UNIT, 0); // one side has no mid
  engine_rig_quote(&rig, 1, RIG_NOW, 101 * UNIT, 103 * UNIT);
  assert_int_equal(i->bars, 1);
  assert_int_equal(i->bar.open.nanos, 100 * UNIT);
  assert_int_equal(i->bar.close.nanos, 102 * UNIT);
  assert_int_equal(i->bar.vwap.nanos, 102 * UNIT); // without volume: the close
  engine_rig_trade(&rig, 1, RIG_NOW, 50 * UNIT, SIZE);
  engine_rig_quote(&rig, 1, RIG_NOW, 99 * UNIT, 101 * UNIT); // from the first trade on, trades alone
  engine_rig_trade(&rig, 1, RIG_NOW, 51 * UNIT, SIZE);
  assert_int_equal(i->bars, 2);
  assert_int_equal(i->bar.high.nanos, 51 * UNIT);
  engine_rig_close(&rig);
}

static void sums_beyond_their_width_stay_in_range(void **state) {
  (void)state;
  engine_rig_open(&rig, 1, NULL);
  struct rig_instance *i = add(1, HADRON_BAR_TICK, 4), *v = add(2, HADRON_BAR_VOLUME, INT64_MAX);
  engine_rig_seal(&rig);
  for (int k = 0; k < 4; k++) engine_rig_trade(&rig, 1, RIG_NOW, INT64_MAX - k, INT64_MAX - 1);
  assert_int_equal(i->bars, 1);
  assert_int_equal(i->bar.volume.e8, INT64_MAX);
  assert_true(i->bar.vwap.nanos >= i->bar.low.nanos && i->bar.vwap.nanos <= i->bar.high.nanos);
  assert_int_equal(v->bars, 2);
  engine_rig_close(&rig);
}

// ---- against a plain computation ---------------------------------------------------------------------------------------------------

struct plain { // one bar at a time
  uint32_t kind;
  int64_t interval, end_ns;
  int64_t open, high, low, close, count;
  __int128 volume, value;
  uint64_t bars;
  const struct rig_instance *against;
};

static void plain_close(struct plain *p) {
  const struct hadron_bar *b = &p->against->bar;
  p->bars++;
  assert_int_equal(p->against->bars, p->bars);
  assert_int_equal(b->open.nanos, p->open);
  assert_int_equal(b->high.nanos, p->high);
  assert_int_equal(b->low.nanos, p->low);
  assert_int_equal(b->close.nanos, p->close);
  assert_int_equal(b->ticks, p->count);
  assert_int_equal(b->volume.e8, (int64_t)p->volume);
  assert_int_equal(b->vwap.nanos, (int64_t)((2 * p->value + p->volume) / (2 * p->volume))); // half up
  if (p->kind == HADRON_BAR_TIME) assert_int_equal(b->close_ns, p->end_ns);
  p->count = 0;
}

static void plain_clock(struct plain *p, int64_t now_ns) {
  if (p->kind == HADRON_BAR_TIME && p->count > 0 && now_ns >= p->end_ns) plain_close(p);
}

static void plain_trade(struct plain *p, int64_t now_ns, int64_t nanos, int64_t e8) {
  if (p->count == 0) {
    p->open = p->high = p->low = nanos;
    p->volume = p->value = 0;
    p->end_ns = now_ns / p->interval * p->interval + p->interval;
  }
  p->high = nanos > p->high ? nanos : p->high;
  p->low = nanos < p->low ? nanos : p->low;
  p->close = nanos;
  p->count++;
  p->volume += e8;
  p->value += (__int128)nanos * e8;
  if (p->kind == HADRON_BAR_TICK ? p->count >= p->interval : p->kind == HADRON_BAR_VOLUME && p->volume >= p->interval) plain_close(p);
}

static void random_trades_make_the_same_bars(void **state) {
  (void)state;
  struct hd_random random = test_random();
  static const struct hadron_bar_request requests[] = {{HADRON_BAR_TIME, 0, 60 * RIG_S}, {HADRON_BAR_TIME, 0, 7 * RIG_S}, {HADRON_BAR_TICK, 0, 13},
                                                       {HADRON_BAR_VOLUME, 0, 1000 * SIZE}, {HADRON_BAR_TICK, 0, 1}};
  struct plain plain[5];
  engine_rig_open(&rig, 1, NULL);
  for (uint32_t k = 0; k < 5; k++) plain[k] = (struct plain){.kind = requests[k].kind, .interval = requests[k].interval, .against = add(k + 1, requests[k].kind, requests[k].interval)};
  engine_rig_seal(&rig);
  int64_t now = RIG_NOW + 12345;
  for (int n = 0; n < 20000; n++) {
    now += (int64_t)hd_random_below(&random, 3 * RIG_S);
    engine_rig_advance(&rig, now);
    for (int k = 0; k < 5; k++) plain_clock(&plain[k], now);
    int64_t nanos = 1 + (int64_t)hd_random_below(&random, 200 * UNIT), e8 = 1 + (int64_t)hd_random_below(&random, 300 * SIZE);
    engine_rig_trade(&rig, 1, now, nanos, e8);
    for (int k = 0; k < 5; k++) plain_trade(&plain[k], now, nanos, e8);
  }
  for (int k = 0; k < 5; k++) assert_true(plain[k].bars > 100 && plain[k].against->bars == plain[k].bars);
  engine_rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_checked_and_shared),       cmocka_unit_test(time_bars_close_by_the_clock), cmocka_unit_test(mids_make_bars_where_nothing_trades),
      cmocka_unit_test(sums_beyond_their_width_stay_in_range), cmocka_unit_test(random_trades_make_the_same_bars),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
