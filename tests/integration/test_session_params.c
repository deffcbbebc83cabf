// Promise: parameters of a running strategy change in all its instances or in none. How: a session of four instruments is replayed a
// little, its parameters are changed twice (so that a mix-up of old and new values would show), then to values that the plugin
// refuses in the last instance only.
#include "base/banned.h"
#include "hadron/ext/params.h"
#include "support/bench.h"
#include "support/test.h"

static const char text[] = "mode = 'backtest', journal = { enabled = false }, universe = { max = 8 },\n"
                           "venues = { memory = { plugin = 'memory', params = { count = 2000, instruments = 4 } }, sim = {} },\n"
                           "strategies = { market_maker = { params = { size = '10', position_max = '100' } } }\n";

static void expect_all(struct hd_session_arm *arm, const char *name, const char *expected) {
  const struct hadron_params *params = arm->occupant->plugin->params;
  for (uint32_t k = 0; k < params->count; k++) {
    if (strcmp(params->params[k].name, name) != 0) continue;
    for (uint32_t i = 0; i < arm->occupant->instance_count; i++) {
      char found[64];
      hd_param_format(arm->occupant->plugin, &arm->occupant->instances[i], k, found, sizeof found);
      assert_string_equal(found, expected);
    }
    return;
  }
  fail_msg("no parameter %s", name);
}

static int32_t change(struct bench_session *b, const char *name, const char *value, struct hd_fault *fault) {
  const struct hd_param_value values[] = {{name, value, NULL}};
  return hd_session_params(&b->session, "market_maker", values, 1, true, fault);
}

static void all_or_none(void **state) {
  (void)state;
  static struct bench_session b;
  struct hd_fault fault;
  const struct hd_session_options options = {.is_virtual = true};
  bench_session_open(&b, text, &options);
  struct hd_session_arm *arm = &b.session.arms[0];
  assert_int_equal(arm->occupant->instance_count, 4);
  expect_all(arm, "size", "10");
  assert_int_equal(change(&b, "size", "20", &fault), HADRON_OK);
  expect_all(arm, "size", "20");
  assert_int_equal(change(&b, "size", "30", &fault), HADRON_OK);
  expect_all(arm, "size", "30");
  // Larger than position_max: refused by the plugin.
  assert_int_equal(change(&b, "size", "1000", &fault), HADRON_ERR_ARGUMENT);
  expect_all(arm, "size", "30");
  // Refused by the last instance alone, whose size is another one: those before it get their values back.
  const struct hd_param_value ten[] = {{"size", "10", NULL}};
  struct hd_params_change *first_three;
  for (uint32_t i = 0; i < 3; i++) {
    assert_int_equal(hd_params_prepare_live(arm->occupant->plugin, ten, 1, &first_three, &fault), HADRON_OK);
    assert_int_equal(hd_params_commit(first_three, &arm->occupant->instances[i], &fault), HADRON_OK);
    hd_params_free(first_three);
  }
  const struct hd_param_value narrow[] = {{"position_max", "25", NULL}};
  assert_int_equal(hd_session_params(&b.session, "market_maker", narrow, 1, true, &fault), HADRON_ERR_ARGUMENT);
  expect_all(arm, "position_max", "100");
  assert_int_equal(change(&b, "size", "20", &fault), HADRON_OK);
  assert_int_equal(hd_session_params(&b.session, "market_maker", narrow, 1, true, &fault), HADRON_OK);
  expect_all(arm, "position_max", "25");
  assert_true(change(&b, "sise", "20", &fault) < 0);
  assert_non_null(strstr(fault.text, "size"));
  bench_session_run(&b);
  bench_session_close(&b);
}

static void unknown_strategy(void **state) {
  (void)state;
  static struct bench_session b;
  struct hd_fault fault;
  const struct hd_session_options options = {.is_virtual = true};
  const struct hd_param_value values[] = {{"size", "20", NULL}};
  bench_session_open(&b, text, &options);
  assert_int_equal(hd_session_params(&b.session, "marketmaker", values, 1, true, &fault), HADRON_ERR_NOT_FOUND);
  bench_session_close(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_or_none), cmocka_unit_test(unknown_strategy)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
