// Promise: `hadron validate` passes a plugin that keeps its promises, fails one that breaks a promise by the check that watches over
// it, and outlives every plugin: a crash or an endless loop is a line of the report, with the call in which it happened.
#include "support/test.h"

#include <jansson.h>
#include <unistd.h>

#include "sdk/validate/validate.h"
#include "support/plugin.h"

static struct hd_validation v;

static void run(const char *path, const struct hd_validate_options *options) {
  struct hd_fault fault = {0};
  if (hd_validate(path, options, &v, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  assert_int_equal(v.passed + v.failed + v.skipped, v.check_count);
}

static void show(void) { hd_validation_print(&v, stderr); }

static const struct hd_check *find(const char *name, uint32_t outcome) {
  for (uint32_t i = 0; i < v.check_count; i++)
    if (strcmp(v.checks[i].name, name) == 0 && v.checks[i].outcome == outcome) return &v.checks[i];
  return NULL;
}

static void expect(const char *plugin, const char *check, uint32_t outcome, const char *words) {
  const struct hd_check *c = find(check, outcome);
  if (c != NULL && strstr(c->words, words) != NULL) return;
  show();
  fail_msg("%s: expected check %s with outcome %u and the words \"%s\"", plugin, check, outcome, words);
}

static const struct hd_validate_options plain = {.seed = 42};

static void good_ones_pass(void **state) {
  (void)state;
  struct hd_param_value batch = {"batch", "5", NULL};
  const struct hd_validate_options with_batch = {.seed = 42, .params = &batch, .param_count = 1};
  static const char *const names[] = {"good_strategy", "good_allocator", "good_venue", "good_service"};
  for (int i = 0; i < 4; i++) {
    run(test_plugin_path(names[i]), i == 3 ? &with_batch : &plain);
    if (v.failed != 0 || v.passed < 5) show();
    assert_int_equal(v.failed, 0);
    assert_true(v.passed >= 5);
    assert_int_equal(v.kind, i == 0 ? HADRON_KIND_STRATEGY : i == 1 ? HADRON_KIND_ALLOCATOR : i == 2 ? HADRON_KIND_VENUE : HADRON_KIND_SERVICE);
    assert_string_equal(v.name, names[i]);
    assert_true(v.cost_count >= 1 && v.costs[0].calls > 0);
  }
  assert_non_null(find("step", HD_CHECK_PASS));
  run(test_plugin_path("good_follower"), &plain);
  if (v.failed != 0) show();
  assert_int_equal(v.failed, 0);
  expect("good_follower", "orders", HD_CHECK_PASS, "got 2 reports");
  run(test_plugin_path("good_strategy"), &plain);
  assert_true(v.decisions > 10);
  assert_int_equal(v.costs[0].allocations, 0);
  assert_int_equal(v.skipped, 0);
  for (const char *const *name = (const char *const[]){"manifest", "load", "required_alone", "determinism", "isolation", "state_identity", "state_const", "state_handover", "state_hostile",
                                                       "no_allocation", "host_clock", "host_random", "no_blocking", "survives", NULL};
       *name; name++)
    assert_non_null(find(*name, HD_CHECK_PASS));
}

static void broken_promises_are_found(void **state) {
  (void)state;
  static const struct {
    const char *name, *check, *words;
  } rows[] = {
      {"no_note", "manifest", "not a Hadron plugin"},
      {"abi_major", "manifest", "ABI major: expected 1, found 2"},
      {"missing_capability", "manifest", "hadron.telepathy/3"},
      {"bad_magic", "load", "magic: expected"},
      {"null_callbacks", "load", "on_bar: expected a function"},
      {"bad_params", "load", "parameter far"},
      {"unresolved_symbol", "load", "nobody_has_defined_this"},
      {"error_create", "required_alone", "licence file is missing"},
      {"null_self", "create_destroy", "expected an instance, found NULL"},
      {"error_tick", "callbacks", "on_tick returned -30"},
      {"alloc_tick", "no_allocation", "the first of free()"},
      {"clock_tick", "host_clock", "the first of time()"},
      {"random_tick", "host_random", "the first of rand()"},
      {"shared_state", "isolation", "keep no state outside of the instance"},
      {"wild_decide", "decisions", "instrument is not in the universe"},
      {"forgetful_state", "state_identity", "differ from offset 0 on"},
      {"forgetful_state", "state_handover", "the state must hold all that decisions depend on"},
      {"greedy_state", "state_save", "the plugin claims"},
      {"short_shares", "adds_up", "not the sum of its shares"},
      {"unresolved_ticks", "what_it_says", "tick of handle 8, which was never resolved"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    run(test_plugin_path(rows[i].name), &plain);
    expect(rows[i].name, rows[i].check, HD_CHECK_FAIL, rows[i].words);
  }
}

static void crashes_are_survived(void **state) {
  (void)state;
  static const struct {
    const char *name, *words;
  } rows[] = {{"crash_create", "crashed in create, call 1"}, {"crash_start", "crashed in start, call 1"},   {"crash_tick", "crashed in on_tick, call 1"},
              {"crash_destroy", "crashed in destroy, call 1"}, {"crash_save", "crashed in save, call 1"}, {"crash_load", "crashed in load state, call 1"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    run(test_plugin_path(rows[i].name), &plain);
    expect(rows[i].name, "survives", HD_CHECK_FAIL, rows[i].words);
  }
}

static void endless_loops_are_ended(void **state) {
  (void)state;
  const struct hd_validate_options impatient = {.seed = 42, .timeout_ns = 300000000};
  run(test_plugin_path("hang_tick"), &impatient);
  expect("hang_tick", "returns", HD_CHECK_FAIL, "on_tick, call 1, did not come back within 300 ms");
}

static void needs_of_the_user_are_skips(void **state) {
  (void)state;
  run(test_plugin_path("good_service"), &plain);
  expect("good_service", "start", HD_CHECK_SKIP, "--set NAME=VALUE");
  assert_int_equal(v.failed, 0);
  struct hd_param_value odd = {"bacth", "5", NULL};
  const struct hd_validate_options typo = {.seed = 42, .params = &odd, .param_count = 1};
  run(test_plugin_path("good_service"), &typo);
  assert_true(v.failed > 0 || find("params", HD_CHECK_SKIP) != NULL);
}

static void reports(void **state) {
  (void)state;
  struct hd_fault fault = {0};
  assert_int_equal(hd_validate("there/is/no/such.so", &plain, &v, &fault), HADRON_ERR_NOT_FOUND);
  assert_non_null(strstr(fault.text, "there/is/no/such.so"));
  assert_int_equal(hd_validate("/", &plain, &v, &fault), HADRON_ERR_IO);
  run(test_plugin_path("wild_decide"), &plain);
  char *text = hd_validation_json(&v), *printed = NULL;
  size_t size = 0;
  assert_non_null(text);
  json_t *root = json_loads(text, 0, NULL);
  assert_non_null(root);
  assert_int_equal(json_integer_value(json_object_get(root, "failed")), v.failed);
  assert_int_equal(json_array_size(json_object_get(root, "checks")), v.check_count);
  assert_false(json_is_true(json_object_get(root, "ok")));
  json_decref(root);
  free(text);
  FILE *memory = open_memstream(&printed, &size);
  assert_non_null(memory);
  hd_validation_print(&v, memory);
  fclose(memory);
  assert_non_null(strstr(printed, "strategy wild_decide 1.0.0"));
  assert_non_null(strstr(printed, "FAIL  decisions"));
  assert_non_null(strstr(printed, "on_tick"));
  free(printed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good_ones_pass),          cmocka_unit_test(broken_promises_are_found), cmocka_unit_test(crashes_are_survived),
      cmocka_unit_test(endless_loops_are_ended), cmocka_unit_test(needs_of_the_user_are_skips), cmocka_unit_test(reports),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
