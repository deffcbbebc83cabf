// Promise: decisions of two arms are matched by cause, instrument, slot and turn whatever the order in which they come, each kind of
// difference is told apart, the counts add up, memory stays bounded; the recommendation follows its rules in their order; guards say
// what is broken with both numbers, and what follows from it. A slow reference matches the same decisions by other means.
#include "support/test.h"

#include <math.h>

#include "pipeline/portfolio.h"
#include "runtime/compare.h"
#include "runtime/guard.h"

static struct hadron_decision decision(uint64_t cause, uint32_t instrument) {
  return (struct hadron_decision){.cause = cause, .instrument = instrument, .kind = HADRON_DECISION_SIDE, .side = HADRON_SIDE_BUY,
                                  .quantity = {INT64_C(100000000)}, .limit = {INT64_C(10000000000)}, .order_type = HADRON_ORDER_LIMIT,
                                  .time_in_force = HADRON_TIF_DAY, .confidence = 0.5};
}

static void add(struct hd_compare *c, uint32_t arm, struct hadron_decision d) { assert_int_equal(hd_compare_add(c, arm, &d), 0); }

// ---- kinds -----------------------------------------------------------------------------------------------------------------------

static void each_kind(void **state) {
  (void)state;
  struct hadron_decision a = decision(1, 1), b = a;
  b.id = 9, b.arm = 2, b.time_ns = 5, b.trace.bytes[0] = 1; // the host's fields say nothing about the strategy
  assert_int_equal(hd_compare_decisions(&a, &b), HD_COMPARE_SAME);
#define DIFFERS(kind, change) b = a, change, assert_int_equal(hd_compare_decisions(&a, &b), HD_COMPARE_##kind)
  DIFFERS(SIDE, b.side = HADRON_SIDE_SELL);
  DIFFERS(SIDE, b.kind = HADRON_DECISION_TARGET);
  DIFFERS(SIZE, b.quantity.e8++);
  DIFFERS(PRICE, b.limit.nanos++);
  DIFFERS(PRICE, b.stop.nanos++);
  DIFFERS(TERMS, b.time_in_force = HADRON_TIF_IOC);
  DIFFERS(TERMS, b.order_type = HADRON_ORDER_MARKET);
  DIFFERS(TERMS, b.flags = 1);
  DIFFERS(TERMS, b.expire_ns = 1);
  DIFFERS(TERMS, b.key = 1);
  DIFFERS(VIEW, b.confidence = 0.25);
  DIFFERS(VIEW, b.mean_return = 1e-300);
  DIFFERS(VIEW, b.uncertainty = 1);
  DIFFERS(VIEW, b.horizon_ns = 1);
  DIFFERS(VIEW, b.regime = 1);
  DIFFERS(SIDE, (b.side = HADRON_SIDE_SELL, b.quantity.e8 = 1, b.confidence = 0)); // the first of them
#undef DIFFERS
}

static void turns_and_slots(void **state) {
  (void)state;
  struct hd_compare c;
  assert_int_equal(hd_compare_init(&c, 8), 0);
  struct hadron_decision one = decision(5, 1), two = decision(5, 1), work = decision(5, 1), other = decision(5, 2);
  two.quantity.e8 *= 2;
  work.kind = HADRON_DECISION_WORK, work.slot = 3;
  add(&c, 1, work), add(&c, 0, one), add(&c, 0, two), add(&c, 1, one), add(&c, 0, work), add(&c, 1, other); // two has no counterpart
  hd_compare_flush(&c);
  assert_int_equal(c.kinds[HD_COMPARE_SAME], 2);
  assert_int_equal(c.kinds[HD_COMPARE_ONLY_A], 1);
  assert_int_equal(c.kinds[HD_COMPARE_ONLY_B], 1);
  assert_int_equal(c.kept, 2);
  assert_int_equal(c.differences[0].kind, HD_COMPARE_ONLY_A);
  assert_int_equal(c.differences[0].a.quantity.e8, two.quantity.e8);
  assert_int_equal(c.differences[1].b.instrument, 2);
  assert_float_equal(hd_compare_agreement(&c), 0.5, 1e-12);
  add(&c, 0, one); // the same cause in another session is another cause
  hd_compare_flush(&c);
  add(&c, 1, one);
  hd_compare_flush(&c);
  assert_int_equal(c.kinds[HD_COMPARE_SAME], 2);
  assert_int_equal(hd_compare_pairs(&c), 6);
  assert_int_equal(c.differences[3].session, 2);
  hd_compare_fini(&c);
}

static void nothing_decided(void **state) {
  (void)state;
  struct hd_compare c;
  assert_int_equal(hd_compare_init(&c, 0), 0);
  hd_compare_flush(&c);
  assert_float_equal(hd_compare_agreement(&c), 1, 0);
  assert_int_equal(hd_compare_differing(&c), 0);
  hd_compare_fini(&c);
}

// ---- against a slow reference ----------------------------------------------------------------------------------------------------

#define CAUSES 300000u
#define DISORDER 2000u // how far a decision may come after others with higher causes: shards run apart

static uint64_t expected[HD_COMPARE_KINDS];

// By a known rule of the cause alone, so that what is expected needs no matching.
static uint32_t kind_of(uint64_t cause) {
  uint64_t h = hd_random_mix(cause) % 100;
  return h < 80 ? HD_COMPARE_SAME : h < 84 ? HD_COMPARE_SIDE : h < 88 ? HD_COMPARE_SIZE : h < 92 ? HD_COMPARE_PRICE : h < 96 ? HD_COMPARE_ONLY_A : HD_COMPARE_ONLY_B;
}

static void feed(struct hd_compare *c, uint32_t arm, uint64_t cause) {
  uint32_t kind = kind_of(cause);
  struct hadron_decision d = decision(cause, 1 + (uint32_t)(cause % 7));
  if ((kind == HD_COMPARE_ONLY_A && arm == 1) || (kind == HD_COMPARE_ONLY_B && arm == 0)) return;
  if (arm == 1) {
    if (kind == HD_COMPARE_SIDE) d.side = HADRON_SIDE_SELL;
    if (kind == HD_COMPARE_SIZE) d.quantity.e8 += 1;
    if (kind == HD_COMPARE_PRICE) d.limit.nanos -= 1;
  }
  add(c, arm, d);
}

static void large_and_disordered(void **state) {
  (void)state;
  struct hd_compare c;
  assert_int_equal(hd_compare_init(&c, HD_COMPARE_KEEP_MAX), 0);
  memset(expected, 0, sizeof expected);
  // Arm 1 lags behind by a varying number of causes, forwards and backwards in turn.
  uint64_t next[2] = {1, 1};
  struct hd_random r = test_random();
  while (next[0] <= CAUSES || next[1] <= CAUSES) {
    uint32_t arm = next[1] > CAUSES || (next[0] <= CAUSES && (next[0] < next[1] || (next[0] - next[1] < DISORDER && hd_random_below(&r, 2)))) ? 0 : 1;
    if (arm == 0) expected[kind_of(next[0])]++;
    feed(&c, arm, next[arm]++);
    assert_true(c.count <= HD_COMPARE_WINDOW);
  }
  hd_compare_flush(&c);
  for (int k = 0; k < HD_COMPARE_KINDS; k++) assert_int_equal(c.kinds[k], expected[k]);
  assert_int_equal(c.late, 0);
  assert_int_equal(c.kept, HD_COMPARE_KEEP_MAX);
  for (uint32_t i = 0, at = 1; i < c.kept; i++, at++) { // the first ones, in their order
    while (kind_of(at) == HD_COMPARE_SAME) at++;
    const struct hd_compare_difference *d = &c.differences[i];
    assert_int_equal(d->kind, kind_of(at));
    assert_int_equal(d->kind == HD_COMPARE_ONLY_B ? d->b.cause : d->a.cause, at);
  }
  hd_compare_fini(&c);
}

static void late_ones_are_counted(void **state) {
  (void)state;
  struct hd_compare c;
  assert_int_equal(hd_compare_init(&c, 0), 0);
  for (uint64_t cause = 2; cause < 2 * HD_COMPARE_WINDOW; cause++) add(&c, 0, decision(cause, 1));
  add(&c, 1, decision(1, 1));
  assert_int_equal(c.late, 1);
  hd_compare_fini(&c);
}

// ---- advice ----------------------------------------------------------------------------------------------------------------------

static struct hd_compare_facts facts(uint32_t role) {
  struct hd_compare_facts f = {.live = "1.0.0", .challenger = "1.1.0", .role = role, .alpha = 0.05, .decisions = 1000, .differing = 10};
  f.paired = (struct hd_paired){.count = 200, .block = 1, .resamples = 99, .mean = 0.0001, .error = 0.0001, .low = -0.0001, .high = 0.0003, .p = 0.3};
  f.sequential = (struct hd_sequential){.count = 200, .warm = 20, .block = 4, .blocks = 45, .p_better = 0.4, .p_worse = 1};
  return f;
}

static uint32_t advise(const struct hd_compare_facts *f, const char *words) {
  struct hd_compare_advice advice;
  hd_compare_advise(f, &advice);
  if (!strstr(advice.why, words)) fail_msg("expected \"%s\" in \"%s\"", words, advice.why);
  assert_true(advice.why[strlen(advice.why) - 1] == '.'); // a whole sentence
  return advice.what;
}

static void advice(void **state) {
  (void)state;
  struct hd_compare_facts f = facts(HD_ROLE_CANARY);
  assert_int_equal(advise(&f, "more periods will tell"), HD_RECOMMEND_CONTINUE);
  f.sequential.p_better = 0.01;
  assert_int_equal(advise(&f, "its lead now is not"), HD_RECOMMEND_CONTINUE); // the interval still holds zero
  f.paired.low = 0.00001;
  assert_int_equal(advise(&f, "1.1.0 is better than 1.0.0"), HD_RECOMMEND_PROMOTE);
  f.sequential.p_worse = 0.04; // both at once: caution first
  assert_int_equal(advise(&f, "is worse"), HD_RECOMMEND_DEMOTE);
  f.role = HD_ROLE_SHADOW;
  assert_int_equal(advise(&f, "is worse"), HD_RECOMMEND_KEEP);
  f.guard = "guard errors: 3 failed callbacks, at most 1 allowed";
  assert_int_equal(advise(&f, "guard errors"), HD_RECOMMEND_KEEP);
  f.role = HD_ROLE_CANARY;
  assert_int_equal(advise(&f, "guard errors"), HD_RECOMMEND_DEMOTE);
  f = facts(HD_ROLE_SHADOW);
  f.differing = 0;
  assert_int_equal(advise(&f, "have decided the same 1000 times"), HD_RECOMMEND_KEEP);
  f.decisions = 3; // three are no evidence
  assert_int_equal(advise(&f, "Nothing is proved"), HD_RECOMMEND_CONTINUE);
  f = facts(HD_ROLE_SHADOW);
  f.sequential.blocks = 0;
  f.paired.count = 12, f.sequential.warm = 12;
  assert_int_equal(advise(&f, "12 periods are too few"), HD_RECOMMEND_CONTINUE);
  f = facts(HD_ROLE_SHADOW);
  f.paired.mean = 0;
  assert_int_equal(advise(&f, "too small to say"), HD_RECOMMEND_CONTINUE);
}

// ---- guards ----------------------------------------------------------------------------------------------------------------------

static void guards(void **state) {
  (void)state;
  const struct hd_guard guard = {.errors_max = 5, .latency_p99_max_ns = 1000000, .drawdown_max = {INT64_C(1000000000)}};
  struct hd_guard_seen seen = {.errors = 5, .callbacks = 5000, .latency_p99_ns = 1000000, .equity = {INT64_C(99000000000)}, .peak = {INT64_C(100000000000)}};
  struct hd_guard_verdict v;
  assert_false(hd_guard_check(&guard, &seen, HD_ROLE_CANARY, true, &v)); // at each bound, not beyond it
  assert_true(v.kind == HD_GUARD_NONE && v.action == HD_GUARD_STAY);
  seen.equity.micros--;
  assert_true(hd_guard_check(&guard, &seen, HD_ROLE_CANARY, true, &v));
  assert_int_equal(v.kind, HD_GUARD_DRAWDOWN);
  assert_int_equal(v.action, HD_GUARD_DEMOTE);
  assert_int_equal(v.actual, 1000000001);
  assert_int_equal(v.bound, 1000000000);
  assert_string_equal(v.why, "guard drawdown: 1000.000001 below its own peak, at most 1000.00 allowed");
  seen.latency_p99_ns++;
  assert_true(hd_guard_check(&guard, &seen, HD_ROLE_LIVE, true, &v));
  assert_true(v.kind == HD_GUARD_LATENCY && v.action == HD_GUARD_ROLLBACK);
  seen.errors = 6;
  assert_true(hd_guard_check(&guard, &seen, HD_ROLE_LIVE, false, &v));
  assert_true(v.kind == HD_GUARD_ERRORS && v.action == HD_GUARD_ALERT);
  assert_string_equal(v.why, "guard errors: 6 failed callbacks, at most 5 allowed");
  assert_false(hd_guard_check(&guard, &seen, HD_ROLE_SHADOW, true, &v)); // nothing to fall back from
  const struct hd_guard none = {0};
  assert_false(hd_guard_check(&none, &seen, HD_ROLE_LIVE, true, &v));
  seen = (struct hd_guard_seen){.callbacks = HD_GUARD_CALLBACKS_MIN - 1, .latency_p99_ns = INT64_MAX};
  assert_false(hd_guard_check(&guard, &seen, HD_ROLE_LIVE, true, &v)); // too few callbacks for a p99
  hd_guard_peak(&seen, (struct hadron_money){-7}, true);
  assert_int_equal(seen.peak.micros, -7);
  hd_guard_peak(&seen, (struct hadron_money){-9}, false);
  assert_int_equal(seen.peak.micros, -7);
  seen.peak.micros = INT64_MAX, seen.equity.micros = INT64_MIN; // no wrap
  assert_true(hd_guard_check(&guard, &seen, HD_ROLE_CANARY, true, &v) && v.actual == INT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_kind),    cmocka_unit_test(turns_and_slots),       cmocka_unit_test(nothing_decided),
                                     cmocka_unit_test(large_and_disordered), cmocka_unit_test(late_ones_are_counted), cmocka_unit_test(advice),
                                     cmocka_unit_test(guards)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
