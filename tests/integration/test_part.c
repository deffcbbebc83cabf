// Promise: an allocator, a venue and a service are exchanged in the middle of a run. Another file of the same allocator changes no decision,
// order or execution (the digest is the same). A recorder that is exchanged again and again leaves every record in the database exactly once.
// A venue that is exchanged trades on, and the books add up. One that does not start leaves the old version in its place, trading.
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "lua/runtime.h"
#include "runtime/change.h"
#include "support/plugin.h"
#include "support/session_run.h"

#define EVERY 900

static const char config[] =
    "return { mode = \"backtest\", universe = { max = 16 }, risk = { order_quantity_max = \"1000000\", position_max = \"1000000\", order_rate_max = 4096 },\n"
    "  venues = { memory = { params = { count = 9000, instruments = 4 } }, sim = {} },\n"
    "  services = { recorder = { params = { url = \"sqlite:@DIR@/rows.sqlite\" } } },\n"
    "  strategies = { zero_cross = {} } }\n";

struct trial {
  struct session_run run;
  const char *name;        // of the part
  const struct hd_plugin *versions[2];
  uint32_t kind;
  uint64_t next, changes, held_back;
  int32_t expected;
};

static const struct hd_plugin *copy_of(struct trial *t, const char *plugin_name, int number) {
  char path[TEST_PATH_SIZE + 64], from[TEST_PATH_SIZE];
  const struct hd_plugin *plugin;
  struct hd_fault fault;
  snprintf(from, sizeof from, "%s/%s.so", getenv("HADRON_PLUGIN_DIR"), plugin_name);
  if (access(from, R_OK) != 0) snprintf(from, sizeof from, "%s/%s.so", getenv("HADRON_TEST_PLUGIN_DIR"), plugin_name);
  struct test_file bytes = test_read_file(from);
  bytes.bytes = realloc(bytes.bytes, bytes.size + 1);
  bytes.bytes[bytes.size] = (unsigned char)number;
  snprintf(path, sizeof path, "%s/part%d.so", t->run.dir, number);
  test_write_file(path, bytes.bytes, bytes.size + 1);
  free(bytes.bytes);
  if (hd_plugin_open(path, &hd_lua_language, &plugin, &fault)) fail_msg("%s", fault.text);
  return plugin;
}

static void on_progress(void *user, const struct hd_replay_progress *at) {
  static struct hd_deployment want;
  struct trial *t = user;
  struct hd_fault fault = {0};
  struct hd_changed changed;
  struct hd_change *c;
  if (at->ticks < t->next) return;
  const struct hd_plugin *plugin = t->versions[t->changes & 1];
  memset(&want, 0, sizeof want);
  snprintf(want.name, sizeof want.name, "%s", t->name);
  want.kind = t->kind;
  want.enabled = true;
  want.arm_count = 1;
  want.revision = (uint32_t)t->changes + 2;
  want.arms[0].role = HD_ROLE_LIVE;
  memcpy(want.arms[0].digest, plugin->digest, 32);
  int32_t code = hd_change_create(&t->run.session, &want, &plugin, &c, &fault);
  if (code) fail_msg("%s", fault.text);
  code = hd_change_stage(c, &fault);
  if (!code) code = hd_change_commit(c, &changed, &fault);
  // A simulated market with orders in it is not exchanged: they would be lost.
  if (t->kind == HADRON_KIND_VENUE && code == HADRON_ERR_STATE && strstr(fault.text, "open orders")) t->held_back++;
  else if (code != t->expected) fail_msg("change %d: expected %s, found %s: %s", (int)t->changes, hadron_error_text(t->expected), hadron_error_text(code), fault.text);
  hd_change_destroy(c);
  static struct hd_deployment runs;
  assert_int_equal(hd_session_deployment(&t->run.session, t->name, &runs), HADRON_OK);
  if (!code) assert_memory_equal(runs.arms[0].digest, plugin->digest, 32);
  else if (t->expected) assert_true(memcmp(runs.arms[0].digest, plugin->digest, 32) != 0);
  t->changes++;
  t->next += EVERY;
  t->run.session.runner.tick_limit = t->next;
}

static void whole_run(struct trial *t, const char *name, uint32_t kind, const char *plugin) {
  struct hd_fault fault = {0};
  struct hd_replay replay;
  t->name = name;
  t->kind = kind;
  session_run_load(&t->run, config, NULL);
  if (plugin) t->versions[0] = copy_of(t, plugin, 1), t->versions[1] = copy_of(t, plugin, 2);
  const struct hd_session_options options = {.digest = true, .is_virtual = true, .versions = true, .journal = true, .services = true};
  if (session_run_open(&t->run, &options, &fault)) fail_msg("%s", fault.text);
  const struct hd_replay_options o = {.progress = plugin ? on_progress : NULL, .user = t};
  assert_int_equal(hd_replay_init(&replay, &t->run.session, &o), HADRON_OK);
  if (plugin) t->run.session.runner.tick_limit = t->next = EVERY;
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  session_run_identity(&t->run);
  hd_session_services(&t->run.session, t->run.session.runner.now_ns, true);
  hd_replay_fini(&replay);
}

static uint64_t rows(const struct trial *t, const char *table) {
  char path[TEST_PATH_SIZE], sql[128];
  sqlite3 *db;
  sqlite3_stmt *statement;
  test_path(path, t->run.dir, "rows.sqlite");
  assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
  uint64_t found = (uint64_t)sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return found;
}

static struct trial plain, changing;

static void reference(void) {
  if (plain.run.digest[0]) return;
  whole_run(&plain, NULL, 0, NULL);
  session_run_close(&plain.run);
}

static void an_allocator_changes_nothing(void **state) {
  (void)state;
  reference();
  memset(&changing, 0, sizeof changing);
  whole_run(&changing, "allocator", HADRON_KIND_ALLOCATOR, "net");
  session_run_close(&changing.run);
  assert_true(changing.changes >= 9);
  assert_string_equal(changing.run.digest, plain.run.digest);
  assert_int_equal(changing.run.counts[HADRON_MSG_SWAP], changing.changes);
}

static void a_recorder_loses_and_doubles_nothing(void **state) {
  (void)state;
  static const struct { const char *table; uint16_t template_id; } tables[] = {
      {"hadron_ticks", HADRON_MSG_TICK}, {"hadron_strategy_decisions", HADRON_MSG_DECISION}, {"hadron_order_intents", HADRON_MSG_INTENT}, {"hadron_order_executions", HADRON_MSG_EXECUTION}};
  reference();
  memset(&changing, 0, sizeof changing);
  whole_run(&changing, "recorder", HADRON_KIND_SERVICE, "recorder");
  assert_true(changing.changes >= 9);
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    assert_int_equal(rows(&changing, tables[i].table), hd_session_count(&changing.run.session, tables[i].template_id));
  session_run_close(&changing.run);
  assert_string_equal(changing.run.digest, plain.run.digest);
}

static void a_venue_trades_on(void **state) {
  (void)state;
  memset(&changing, 0, sizeof changing);
  whole_run(&changing, "sim", HADRON_KIND_VENUE, "sim");
  assert_true(changing.changes >= 9);
  assert_true(changing.held_back < changing.changes);
  assert_int_equal(changing.run.overfilled, 0);
  session_run_close(&changing.run);
  reference(); // the new instance draws other latencies; it fills about as much
  assert_true(changing.run.counts[HADRON_MSG_EXECUTION] * 2 > plain.run.counts[HADRON_MSG_EXECUTION] && plain.run.counts[HADRON_MSG_EXECUTION] > 10);
}

// A recorder that cannot open its database: the one before goes on, and no record is missing.
static void what_does_not_start_changes_nothing(void **state) {
  (void)state;
  reference();
  memset(&changing, 0, sizeof changing);
  changing.expected = HADRON_ERR_ARGUMENT;
  whole_run(&changing, "sim", HADRON_KIND_VENUE, "good_follower");
  assert_true(changing.changes >= 9);
  session_run_close(&changing.run);
  assert_string_equal(changing.run.digest, plain.run.digest);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_allocator_changes_nothing),
      cmocka_unit_test(a_recorder_loses_and_doubles_nothing),
      cmocka_unit_test(a_venue_trades_on),
      cmocka_unit_test(what_does_not_start_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
