// Promise: the Lua strategies that come with Hadron do what they say. zero_cross in C and in Lua decide alike, bit for bit, over random
// walks; mean_revert enters beyond k sigma, leaves at the mean and by time; the template opens, decides and keeps its state.
#include "support/strategy_host.h"
#include "support/test.h"

static void open_plugin(struct strategy_host *h, const char *directory, const char *file, const char *const *params) {
  char path[1024];
  struct hd_fault fault = {0};
  snprintf(path, sizeof path, "%s/%s", getenv(directory), file);
  if (strategy_host_open(h, path, 1, params, &fault)) fail_msg("%s", fault.text);
}

static void test_zero_cross(void **state) {
  static const char *const sets[][7] = {{"length", "2", "band", "0", "long_only", "false", NULL}, {"length", "37", "band", "150", "long_only", "true", NULL},
                                        {"length", "50", "band", "200", "long_only", "false", NULL}};
  struct hd_random r = test_random();
  (void)state;
  for (int set = 0; set < 3; set++) {
    struct strategy_host c, lua;
    open_plugin(&c, "HADRON_PLUGIN_DIR", "zero_cross.so", sets[set]);
    open_plugin(&lua, "HADRON_PLUGIN_DIR", "zero_cross_lua.lua", sets[set]);
    int64_t price = INT64_C(100000000000);
    for (int i = 0; i < 20000; i++) {
      price += ((int64_t)hd_random_below(&r, 2001) - 1000) * 100000;
      if (price < 1000000) price = 1000000;
      assert_int_equal(strategy_host_trade(&c, 1, price, 100000000), strategy_host_trade(&lua, 1, price, 100000000));
      assert_int_equal(c.decision_count, lua.decision_count);
    }
    assert_true(c.decision_count > 20);
    assert_memory_equal(c.decisions, lua.decisions, c.decision_count * sizeof *c.decisions);
    strategy_host_close(&c);
    strategy_host_close(&lua);
  }
}

static void test_mean_revert(void **state) {
  static const char *const params[] = {"length", "10", "k", "2", "hold", "1s", "size", "3", NULL};
  struct strategy_host h;
  (void)state;
  open_plugin(&h, "HADRON_PLUGIN_DIR", "mean_revert.lua", params);
  for (int i = 0; i < 20; i++) assert_int_equal(strategy_host_trade(&h, 1, 100000000000 + (i % 2 ? 10000000 : -10000000), 1), 0);
  assert_int_equal(h.decision_count, 0);
  assert_int_equal(strategy_host_trade(&h, 1, 101000000000, 1), 0); // far above: short
  assert_int_equal(h.decision_count, 1);
  assert_int_equal(h.decisions[0].quantity.e8, -300000000);
  assert_int_equal(h.timer_count, 1);
  assert_int_equal(strategy_host_trade(&h, 1, 101000000000, 1), 0); // still above: held
  assert_int_equal(h.decision_count, 1);
  assert_int_equal(strategy_host_trade(&h, 1, 99900000000, 1), 0); // below the mean: out
  assert_int_equal(h.decision_count, 2);
  assert_int_equal(h.decisions[1].quantity.e8, 0);
  assert_int_equal(h.timer_count, 0);
  for (int i = 0; i < 20; i++) assert_int_equal(strategy_host_trade(&h, 1, 100000000000 + (i % 2 ? 10000000 : -10000000), 1), 0);
  uint32_t before = h.decision_count;
  assert_int_equal(strategy_host_trade(&h, 1, 99000000000, 1), 0); // far below: long
  assert_int_equal(h.decision_count, before + 1);
  assert_int_equal(h.decisions[before].quantity.e8, 300000000);
  assert_int_equal(strategy_host_advance(&h, h.now_ns + INT64_C(1000000000)), 1); // time is up: out
  assert_int_equal(h.decisions[before + 1].quantity.e8, 0);
  strategy_host_close(&h);
}

static void test_template(void **state) {
  static const char *const params[] = {"length", "3", NULL};
  struct strategy_host h;
  (void)state;
  open_plugin(&h, "HADRON_SOURCE_DIR", "sdk/template/strategy.lua", params);
  for (int i = 1; i <= 3; i++) assert_int_equal(strategy_host_trade(&h, 1, (int64_t)i * 1000000000, 1), 0);
  assert_int_equal(h.decision_count, 1);
  assert_int_equal(h.decisions[0].quantity.e8, 1000000000);
  assert_int_equal(strategy_host_trade(&h, 1, 1, 1), 0);
  assert_int_equal(h.decisions[1].quantity.e8, -1000000000);
  strategy_host_close(&h);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_zero_cross), cmocka_unit_test(test_mean_revert), cmocka_unit_test(test_template)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
