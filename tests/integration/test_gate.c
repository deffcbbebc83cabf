// Promise: the gate lets a version through that decides on recorded sessions as the live one does, refuses one that decides otherwise
// unless that much is accepted, and says how much and where; it replays the sessions that were asked for; a candidate that crashes or hangs
// is refused within the time, and the host that asks is untouched; nothing recorded is no pass.
#include "support/session_run.h"

#include <stdlib.h>

#include "runtime/gate.h"
#include "support/plugin.h"

// A market of its own, as a live host has it; the gate replays what of it is in the journal.
static const char config[] =
    "return { mode = 'paper', data_dir = '@DIR@/data', universe = { max = 16 }, account = { cash = '1000000' },\n"
    "  venues = { exchange = { plugin = 'memory', params = { count = 20000, instruments = 4, quotes = true } }, sim = {} },\n"
    "  gateway = { orders_to = 'sim' },\n"
    "  strategies = { bare = { plugin = 'zero_cross' }, cross = { plugin = 'zero_cross', params = { length = 5, band = 10, size = 10 } },\n"
    "                 other = { plugin = 'sma', params = { fast = 3, slow = 9, size = 7 } } } }";

static struct session_run run;
static char program[512], cross[512], lua[512], sma[512];

static void record(void) {
  struct hd_fault fault = {0};
  struct hd_replay replay;
  const struct hd_session_options options = {.journal = true, .digest = true, .is_virtual = true};
  if (session_run_open(&run, &options, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_replay_init(&replay, &run.session, &(struct hd_replay_options){0}), HADRON_OK);
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  hd_replay_fini(&replay);
  hd_session_close(&run.session);
}

static int begin(void **state) {
  (void)state;
  snprintf(program, sizeof program, "%s/hadron", getenv("HADRON_BUILD_DIR"));
  snprintf(cross, sizeof cross, "%s/zero_cross.so", getenv("HADRON_PLUGIN_DIR"));
  snprintf(lua, sizeof lua, "%s/zero_cross_lua.lua", getenv("HADRON_PLUGIN_DIR"));
  snprintf(sma, sizeof sma, "%s/sma.so", getenv("HADRON_PLUGIN_DIR"));
  session_run_load(&run, config, (const char *const[]){"journal.segment=1MiB", NULL});
  for (int i = 0; i < 3; i++) record();
  run.opened = false;
  return 0;
}
static int end(void **state) {
  (void)state;
  session_run_close(&run);
  return 0;
}

static struct hd_gate_request request(const char *candidate, uint32_t sessions, double accept) {
  return (struct hd_gate_request){.config = &run.config, .strategy = "cross", .sessions = sessions, .accept = accept, .live = {.plugin = cross},
                                  .candidate = {.plugin = candidate}, .program = program};
}

static int32_t check(const struct hd_gate_request *r, struct hd_gate_result *out, const char *words) {
  struct hd_fault fault = {0};
  *out = (struct hd_gate_result){0};
  int32_t code = hd_gate_check(r, out, &fault);
  if (words && !strstr(fault.text, words)) fail_msg("expected \"%s\" in \"%s\" (%d)", words, fault.text, code);
  if (!words && code) fail_msg("%s", fault.text);
  return code;
}

static void the_same_passes(void **state) {
  (void)state;
  struct hd_gate_result one, two;
  struct hd_gate_request r = request(cross, 1, 0);
  assert_int_equal(check(&r, &one, NULL), HADRON_OK);
  assert_true(one.decisions > 100 && one.differing == 0 && one.sessions == 1 && one.ticks > 10000);
  r = request(lua, 2, 0); // another language, the same rules, two sessions
  assert_int_equal(check(&r, &two, NULL), HADRON_OK);
  assert_true(two.sessions == 2 && two.differing == 0 && two.decisions > one.decisions && two.ticks > one.ticks);
  r.sessions = 99; // there are three
  assert_int_equal(check(&r, &two, NULL), HADRON_OK);
  assert_int_equal(two.sessions, 3);
}

static void another_is_refused_or_accepted(void **state) {
  (void)state;
  struct hd_gate_result out;
  struct hd_gate_request r = request(sma, 1, 0);
  const struct hd_deployment_param slower = {"length", "6"};
  r.candidate = (struct hd_compare_side){cross, &slower, 1};
  assert_int_equal(check(&r, &out, "decisions ("), HADRON_ERR_STATE);
  assert_true(out.differing > 0 && out.differing <= out.decisions);
  assert_true(out.share == 1 - (double)(out.decisions - out.differing) / (double)out.decisions);
  assert_non_null(strstr(out.words, "the first: MA"));
  r.accept = out.share / 2;
  assert_int_equal(check(&r, &out, "are accepted"), HADRON_ERR_STATE);
  r.accept = out.share; // just as much
  assert_int_equal(check(&r, &out, NULL), HADRON_OK);
  r.accept = 1;
  assert_int_equal(check(&r, &out, NULL), HADRON_OK);
}

static void a_bad_one_harms_itself_alone(void **state) {
  (void)state;
  struct hd_gate_result out;
  char crash[512], hang[512];
  snprintf(crash, sizeof crash, "%s", test_plugin_path("crash_tick"));
  snprintf(hang, sizeof hang, "%s", test_plugin_path("hang_tick"));
  struct hd_gate_request r = request(crash, 1, 1);
  r.strategy = "bare";
  const char *sanitized = getenv("HADRON_SANITIZE"); // a sanitizer names the store before the kernel does
  int32_t code = check(&r, &out, sanitized && *sanitized ? "null pointer" : "died of signal 11");
  assert_int_equal(code, HADRON_ERR_PLUGIN);
  r.candidate.plugin = hang;
  r.timeout_ns = INT64_C(1000000000);
  assert_int_equal(check(&r, &out, "did not end within"), HADRON_ERR_TIMEOUT);
}

static void nothing_recorded_is_no_pass(void **state) {
  (void)state;
  struct hd_gate_result out;
  struct hd_gate_request r = request(cross, 1, 1);
  char empty[TEST_PATH_SIZE];
  test_path(empty, run.dir, "nowhere");
  r.journal = empty;
  assert_int_equal(check(&r, &out, "let it run as a shadow"), HADRON_ERR_NOT_FOUND);
  r = request("/nowhere/none.so", 1, 1);
  assert_int_not_equal(check(&r, &out, "none.so"), HADRON_OK);
  r = request(cross, 1, 0);
  r.program = "/nowhere/hadron";
  assert_int_equal(check(&r, &out, "could not be started"), HADRON_ERR_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_passes), cmocka_unit_test(another_is_refused_or_accepted),
                                     cmocka_unit_test(a_bad_one_harms_itself_alone), cmocka_unit_test(nothing_recorded_is_no_pass)};
  return cmocka_run_group_tests(tests, begin, end);
}
