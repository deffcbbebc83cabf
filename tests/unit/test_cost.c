// Promise: what an order cost is told stage by stage, and the stages add up to the total, whichever of them there were: with threads and on one,
// for a stop or a report that no tick set off, with and without a wait for the disk; counters that run backward between cores make no stage
// shorter than nothing. How: stamps by hand; the rate of the counter is the machine's, so sums are compared, not lengths.
#include "base/clock.h"
#include "pipeline/cost.h"
#include "support/test.h"

static struct hadron_cost fill(const struct hd_stamps *at, uint64_t begun, uint64_t done) {
  const struct hadron_order order = {.intent = 7, .instrument = 3, .arm = 2, .venue = 1, .client_order_id = {"0123456789abcdef01234567"}};
  struct hadron_cost c;
  hd_cost_fill(at, begun, done, &order, 99, &c);
  assert_int_equal(c.intent, 7);
  assert_int_equal(c.time_ns, 99);
  assert_memory_equal(&c.client_order_id, &order.client_order_id, sizeof c.client_order_id);
  return c;
}

static int64_t sum(const struct hadron_cost *c) {
  return c->normalize_ns + c->lane_ns + c->engine_ns + c->ring_ns + c->merge_ns + c->risk_ns + c->gateway_ns + c->flush_ns + c->send_ns;
}

#define M UINT64_C(1000000)

static void test_stages_add_up(void **state) {
  (void)state;
  const struct hd_stamps threads = {M, 2 * M, 4 * M, 7 * M, 11 * M, 16 * M, 22 * M, 29 * M};
  struct hadron_cost c = fill(&threads, 37 * M, 46 * M);
  assert_in_range(c.total_ns - sum(&c) + 9, 0, 18);
  assert_int_equal(c.total_ns, hd_cycles_to_ns(45 * M));
  const int64_t stages[] = {c.normalize_ns, c.lane_ns, c.engine_ns, c.ring_ns, c.merge_ns, c.risk_ns, c.gateway_ns, c.flush_ns, c.send_ns};
  for (uint64_t i = 0; i < 9; i++) assert_int_equal(stages[i], hd_cycles_to_ns((i + 1) * M));
  const struct hd_stamps one = {M, 2 * M, 2 * M, 7 * M, 7 * M, 16 * M, 22 * M, 0};
  c = fill(&one, 37 * M, 46 * M);
  assert_int_equal(c.lane_ns + c.ring_ns + c.flush_ns, 0);
  assert_int_equal(c.gateway_ns, hd_cycles_to_ns(15 * M));
  assert_in_range(c.total_ns - sum(&c) + 9, 0, 18);
}

static void test_no_tick(void **state) {
  (void)state;
  struct hadron_cost c = fill(&(struct hd_stamps){.taken = 5 * M}, 9 * M, 10 * M); // an order that a report let go
  assert_int_equal(c.normalize_ns + c.engine_ns + c.merge_ns + c.risk_ns, 0);
  assert_int_equal(c.gateway_ns, hd_cycles_to_ns(4 * M));
  assert_int_equal(c.total_ns, hd_cycles_to_ns(5 * M));
  c = fill(&(struct hd_stamps){.called = 2 * M, .decided = 4 * M, .taken = 4 * M, .merged = 5 * M, .checked = 6 * M}, 9 * M, 10 * M); // a timer of a strategy
  assert_int_equal(c.normalize_ns, 0);
  assert_int_equal(c.total_ns, hd_cycles_to_ns(8 * M));
  assert_in_range(c.total_ns - sum(&c) + 9, 0, 18);
  c = fill(&(struct hd_stamps){0}, 9 * M, 10 * M);
  assert_int_equal(c.total_ns, c.send_ns);
}

static void test_backward(void **state) {
  (void)state;
  struct hadron_cost c = fill(&(struct hd_stamps){5 * M, 6 * M, 4 * M, 9 * M, 8 * M, 12 * M, 13 * M, 0}, 20 * M, 21 * M);
  assert_int_equal(c.lane_ns, 0);
  assert_int_equal(c.ring_ns, 0);
  assert_true(c.engine_ns > 0 && c.merge_ns > 0 && c.total_ns == hd_cycles_to_ns(16 * M));
}

int main(void) {
  hd_cycles_calibrate();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_stages_add_up), cmocka_unit_test(test_no_tick), cmocka_unit_test(test_backward)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
