// Promise: guards speak in a backtest and a replay too, at the same place whatever the speed: a run in one go and one that is paused again
// and again have one digest and one alert. A canary that loses more than its guard allows, or fails more often, goes on as a shadow; a
// version that was promoted goes back to the warm one; a live one with nothing to go back to is told of once and trades on. The latency
// guard is not held to there. The books add up.
//
// How: strategies in Lua that pay fees for nothing, over a market in memory; the session's roles, records and alerts are looked at.
#include "lua/runtime.h"
#include "runtime/change.h"
#include "support/session_run.h"

#define TICKS 6000

static const char script[] =
    "-- hadron: strategy %s %s\n-- description: a test's\n-- requires: hadron.strategy/1\n"
    "return hadron.strategy { on_start = function(self) self.seen = 0 end,\n"
    "  on_trade = function(self) self.seen = self.seen + 1\n    %s\n  end }\n";
static const char churns[] = "if self.seen % 3 == 0 then self:target(self.seen % 2 == 0 and hadron.quantity('5') or hadron.quantity('-5')) end";
static const char idles[] = "if self.seen == 10 then self:target(hadron.quantity('1')) end";
static const char fails[] = "if self.seen % 5 == 0 then error('nobody thought of that') elseif self.seen % 3 == 0 then self:target(hadron.quantity('2')) end";

static const char config[] =
    "return { mode = \"backtest\", universe = { max = 8 }, journal = { enabled = false }, engine = { errors_max = 0 }, report = { equity_every = \"100ms\" },\n"
    "  venues = { memory = { params = { count = 6000, instruments = 2 } }, sim = { params = { taker_bps = 50 } } },\n"
    "  strategies = { xsteady = { plugin = \"@DIR@/steady.lua\" }, risky = { plugin = \"@DIR@/risky.lua\", role = \"%s\", deployment = { warm = \"1d\", guard = { %s } } } } }\n";

struct trial {
  struct session_run run;
  uint64_t pause_every;     // 0: in one go
  uint64_t change_at;       // tick at which `next` takes over; 0: never
  const struct hd_plugin *next;
  bool changed;
  char alert[256];
  uint64_t alerts, shadow_orders, swaps;
  uint32_t role;            // of risky at the end
  char version[32];
  int64_t held;             // by risky's book, 1e-8 units
};

static void write_script(const char *dir, const char *file, const char *name, const char *version, const char *what) {
  char path[TEST_PATH_SIZE], text[2048];
  snprintf(text, sizeof text, script, name, version, what);
  test_path(path, dir, file);
  test_file_write(path, text, strlen(text));
}

static void take_over(struct trial *t) {
  static struct hd_deployment want;
  struct hd_changed changed;
  struct hd_change *c = NULL;
  struct hd_fault fault = {0};
  int32_t code = hd_session_deployment(&t->run.session, "risky", &want);
  want.warm_ns = INT64_C(86400000000000);
  want.arms[0] = (struct hd_deployment_arm){.role = HD_ROLE_LIVE, .weight = 1};
  memcpy(want.arms[0].digest, t->next->digest, 32);
  snprintf(want.arms[0].version, sizeof want.arms[0].version, "%s", t->next->manifest.version);
  if (!code) code = hd_change_create(&t->run.session, &want, &t->next, &c, &fault);
  if (!code) code = hd_change_stage(c, &fault);
  if (!code) code = hd_change_commit(c, &changed, &fault);
  if (code) fail_msg("%s", fault.text);
  hd_change_destroy(c);
  t->changed = true;
}

static void on_progress(void *user, const struct hd_replay_progress *at) {
  struct trial *t = user;
  struct hd_runner *runner = &t->run.session.runner;
  if (at->ticks < runner->tick_limit) return;
  if (t->change_at && !t->changed && at->ticks >= t->change_at) take_over(t);
  uint64_t next = t->pause_every ? at->ticks + t->pause_every : UINT64_MAX;
  if (t->change_at && !t->changed && next > t->change_at) next = t->change_at;
  runner->tick_limit = next;
}

// risky: what it does; second: what its version 1.1.0 does, which takes over at tick 2000; NULL: none.
static void whole_run(struct trial *t, const char *risky, const char *second, const char *role, const char *guard, uint64_t pause_every) {
  char text[2048], path[TEST_PATH_SIZE];
  struct hd_fault fault = {0};
  struct hd_replay replay;
  memset(t, 0, sizeof *t);
  snprintf(text, sizeof text, config, role, guard);
  session_run_load(&t->run, text, NULL);
  write_script(t->run.dir, "steady.lua", "steady", "1.0.0", churns);
  write_script(t->run.dir, "risky.lua", "risky", "1.0.0", risky);
  if (second) {
    write_script(t->run.dir, "next.lua", "risky", "1.1.0", second);
    test_path(path, t->run.dir, "next.lua");
    if (hd_plugin_open(path, &hd_lua_language, &t->next, &fault)) fail_msg("%s", fault.text);
    t->change_at = 2000;
  }
  t->pause_every = pause_every;
  const struct hd_session_options options = {.digest = true, .is_virtual = true, .versions = true};
  if (session_run_open(&t->run, &options, &fault)) fail_msg("%s", fault.text);
  struct hd_session *s = &t->run.session;
  assert_int_equal(hd_replay_init(&replay, s, &(struct hd_replay_options){.progress = on_progress, .user = t}), HADRON_OK);
  s->runner.tick_limit = pause_every ? pause_every : t->change_at ? t->change_at : UINT64_MAX;
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  hd_replay_fini(&replay);
  session_run_identity(&t->run);
  assert_int_equal(s->runner.ticks, TICKS);
  snprintf(t->alert, sizeof t->alert, "%s", s->alert);
  t->alerts = atomic_load(&s->alerts);
  t->shadow_orders = atomic_load(&s->shadow_records[HADRON_MSG_ORDER]);
  t->swaps = t->run.counts[HADRON_MSG_SWAP];
  t->role = s->arms[0].role;
  assert_int_equal(s->pipeline.arms[1].role, t->role);
  snprintf(t->version, sizeof t->version, "%s", s->arms[0].occupant->plugin->manifest.version);
  for (uint32_t id = 1; id <= s->pipeline.instruments.count; id++) t->held += hd_portfolio_position(&s->pipeline.portfolio, 1, id)->quantity.e8;
  session_run_close(&t->run);
}

// The same in one go and with pauses of which none falls where the guard speaks.
static void both_ways(struct trial *t, const char *risky, const char *second, const char *role, const char *guard) {
  static struct trial paused;
  whole_run(t, risky, second, role, guard, 0);
  whole_run(&paused, risky, second, role, guard, 37);
  assert_string_equal(paused.run.digest, t->run.digest);
  assert_string_equal(paused.alert, t->alert);
  assert_int_equal(paused.role, t->role);
  assert_int_equal(paused.alerts, t->alerts);
}

static struct trial trial, without;

static void a_canary_that_loses_becomes_a_shadow(void **state) {
  (void)state;
  whole_run(&without, churns, NULL, "canary", "", 0);
  assert_int_equal(without.role, HD_ROLE_CANARY);
  both_ways(&trial, churns, NULL, "canary", "drawdown = \"100\"");
  assert_int_equal(trial.role, HD_ROLE_SHADOW);
  assert_true(trial.shadow_orders > 0);
  assert_string_not_equal(trial.run.digest, without.run.digest);
  assert_true(trial.run.counts[HADRON_MSG_ARM] > without.run.counts[HADRON_MSG_ARM]);
  assert_true(trial.alerts > 0);
}

static void a_canary_that_fails_becomes_a_shadow(void **state) {
  (void)state;
  both_ways(&trial, fails, NULL, "canary", "errors = 20");
  assert_int_equal(trial.role, HD_ROLE_SHADOW);
}

static void a_version_goes_back_to_the_warm_one(void **state) {
  (void)state;
  both_ways(&trial, idles, churns, "live", "drawdown = \"100\"");
  assert_int_equal(trial.role, HD_ROLE_LIVE);
  assert_string_equal(trial.version, "1.0.0");
  assert_non_null(strstr(trial.alert, "risky@1.1.0: guard drawdown: "));
  assert_non_null(strstr(trial.alert, "the version before it trades again"));
  assert_int_equal(trial.alerts, 1);
  whole_run(&trial, idles, idles, "live", "drawdown = \"100\"", 0);
  assert_string_equal(trial.version, "1.1.0"); // nothing to say against it
  assert_int_equal(trial.alerts, 0);
}

static void with_nothing_to_go_back_to_it_trades_on(void **state) {
  (void)state;
  whole_run(&without, churns, NULL, "live", "", 0);
  both_ways(&trial, churns, NULL, "live", "drawdown = \"100\"");
  assert_int_equal(trial.role, HD_ROLE_LIVE);
  assert_int_equal(trial.alerts, 1);
  assert_non_null(strstr(trial.alert, "there is no version to go back to: it trades on"));
  assert_string_equal(trial.run.digest, without.run.digest); // an alert changes nothing
}

static void latency_is_of_a_machine(void **state) {
  (void)state;
  whole_run(&trial, churns, NULL, "canary", "latency_p99 = \"1ns\"", 0);
  assert_int_equal(trial.role, HD_ROLE_CANARY);
  assert_int_equal(trial.alerts, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_canary_that_loses_becomes_a_shadow), cmocka_unit_test(a_canary_that_fails_becomes_a_shadow), cmocka_unit_test(a_version_goes_back_to_the_warm_one),
      cmocka_unit_test(with_nothing_to_go_back_to_it_trades_on), cmocka_unit_test(latency_is_of_a_machine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
