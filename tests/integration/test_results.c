// Promise: a finished run is one row of backtest_results, figure for figure, in SQLite and in PostgreSQL; an undefined figure is NULL; the
// tables are made once, and are the recorder's; a database that cannot be used is an error with its reason.
#include "support/test.h"

#include <jansson.h>
#include <math.h>

#include "cli/results.h"
#include "support/database.h"
#include "support/directory.h"
#include "support/postgres.h"

static char root[TEST_PATH_SIZE];
static struct hd_config config;
static struct hd_report *report;
static struct test_postgres server;
static bool have_server;
static char why_not[256];

static int make(void **state) {
  (void)state;
  char path[TEST_PATH_SIZE], set[TEST_PATH_SIZE + 16];
  struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
  static const char text[] = "return { mode = \"backtest\", seed = 77, venues = { sim = { plugin = \"sim\" } } }\n";
  const char *sets[] = {set};
  test_directory_make(root);
  test_path(path, root, "quiet.lua");
  test_file_write(path, text, sizeof text - 1);
  snprintf(set, sizeof set, "data_dir=%s/data", root);
  if (hd_config_load(&config, path, sets, 1, errors)) fail_msg("line %d: %s", errors[0].line, errors[0].text);
  assert_int_equal(hd_report_create(&config, &report), 0);
  const struct hadron_equity sample = {.time_ns = 1000, .cash = {5}};
  hd_report_observe(report, HADRON_MSG_EQUITY, &sample, NULL, 0);
  struct hd_report_book *b = &report->books[0];
  report->from_ns = 111, report->to_ns = 222, report->elapsed_ns = INT64_C(2500000000);
  snprintf(report->digest, sizeof report->digest, "%064d", 7);
  report->counts = (struct hd_report_counts){.ticks = 10, .rejected_ticks = 2, .decisions = 3, .intents = 4, .orders = 5, .executions = 6};
  b->trades = 7;
  b->money.pnl = -8000001, b->money.fees = 9, b->money.drawdown = 123456789012345;
  b->figures = (struct hd_report_figures){.total_return = 0.1, .sharpe = NAN, .sortino = 1.0 / 3, .calmar = INFINITY, .cvar = -0.25, .volatility = 0.5,
                                          .turnover = 12.5, .win_rate = 0.75, .profit_factor = NAN, .exposure = 1.25};
  report->has_journal = true;
  for (uint8_t i = 0; i < 16; i++) report->journal[i] = (uint8_t)(i * 16 + 1);
  if (have_server) free(test_database_ask(server.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
  return 0;
}

static int drop(void **state) {
  (void)state;
  hd_report_destroy(report);
  hd_config_fini(&config);
  test_directory_remove(root);
  return 0;
}

static void expect(const char *url, const char *sql, const char *answer) {
  char *found = test_database_ask(url, sql);
  size_t n = strlen(found);
  if (n && found[n - 1] == '\n') found[n - 1] = 0;
  if (strcmp(found, answer) != 0) fail_msg("%s: expected %s, found %s", sql, answer, found);
  free(found);
}

static void write_twice(const char *url, const char *seen_by_tests, const char *journal_sql) {
  struct hd_fault fault = {0};
  for (int i = 0; i < 2; i++)
    if (hd_results_write(report, &config, url, &fault)) fail_msg("%s", fault.text);
  expect(seen_by_tests, "SELECT count(*) FROM backtest_results", "2");
  expect(seen_by_tests, "SELECT name, from_ns, to_ns, ticks, rejected_ticks, decisions, intents, orders, executions, trades, pnl, fees, max_drawdown"
                        " FROM backtest_results WHERE id = 1", "quiet|111|222|10|2|3|4|5|6|7|-8000001|9|123456789012345");
  expect(seen_by_tests, "SELECT count(*) FROM backtest_results WHERE sharpe IS NULL AND calmar IS NULL AND profit_factor IS NULL AND total_return = 0.1"
                        " AND abs(sortino - 1.0 / 3) < 1e-15 AND cvar = -0.25 AND volatility = 0.5 AND turnover = 12.5 AND win_rate = 0.75"
                        " AND exposure = 1.25 AND elapsed_s = 2.5 AND ticks_per_s = 4", "2");
  expect(seen_by_tests, journal_sql, "0111213141516171 8191a1b1c1d1e1f1");
  expect(seen_by_tests, "SELECT count(*) FROM backtest_results WHERE config LIKE '%seed%77%' AND created_ns > 1700000000000000000", "2");
  expect(seen_by_tests, "SELECT count(*) FROM schema_migrations WHERE number = 1", "1");
  char *text = test_database_ask(seen_by_tests, "SELECT report FROM backtest_results WHERE id = 2");
  json_t *o = json_loads(text, 0, NULL);
  assert_non_null(o);
  assert_int_equal(json_integer_value(json_object_get(o, "pnl_micros")), -8000001);
  assert_true(json_is_null(json_object_get(o, "sharpe")));
  json_decref(o);
  free(text);
}

static void sqlite_by_default(void **state) {
  (void)state;
  char url[TEST_PATH_SIZE + 32];
  snprintf(url, sizeof url, "sqlite:%.480s/data/hadron.sqlite", root);
  write_twice(NULL, url, "SELECT lower(substr(hex(journal), 1, 16) || ' ' || substr(hex(journal), 17)) FROM backtest_results WHERE id = 1");
}

static void postgres(void **state) {
  (void)state;
  if (!have_server) {
    print_message("skipped: %s\n", why_not);
    skip();
  }
  write_twice(server.url, server.url, "SELECT substr(replace(journal::text, '-', ''), 1, 16) || ' ' || substr(replace(journal::text, '-', ''), 17)"
                                      " FROM backtest_results WHERE id = 1");
}

static void unusable(void **state) {
  (void)state;
  struct hd_fault fault = {0};
  char url[TEST_PATH_SIZE + 32];
  assert_int_equal(hd_results_write(report, &config, "mysql://x", &fault), HADRON_ERR_ARGUMENT);
  assert_non_null(strstr(fault.text, "expected sqlite:PATH or postgresql://"));
  snprintf(url, sizeof url, "sqlite:%.480s/no/such/place.db", root);
  assert_int_equal(hd_results_write(report, &config, url, &fault), HADRON_ERR_DATABASE);
  assert_non_null(strstr(fault.text, "unable to open"));
  assert_int_equal(hd_results_write(report, &config, "postgresql://nobody@127.0.0.1:1/none", &fault), HADRON_ERR_DATABASE);
  assert_non_null(strstr(fault.text, "connecting"));
}

// Tables that another program's migrations made are left alone.
static void foreign_tables(void **state) {
  (void)state;
  struct hd_fault fault = {0};
  char url[TEST_PATH_SIZE + 32];
  snprintf(url, sizeof url, "sqlite:%.480s/data/hadron.sqlite", root);
  assert_int_equal(hd_results_write(report, &config, NULL, &fault), 0);
  free(test_database_ask(url, "UPDATE schema_migrations SET sha256 = 'another'"));
  assert_int_equal(hd_results_write(report, &config, NULL, &fault), HADRON_ERR_CONFIG);
  assert_non_null(strstr(fault.text, "another"));
  expect(url, "SELECT count(*) FROM backtest_results", "1");
}

int main(void) {
  have_server = test_postgres_make(&server, NULL, why_not, sizeof why_not);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(sqlite_by_default, make, drop), cmocka_unit_test_setup_teardown(postgres, make, drop),
      cmocka_unit_test_setup_teardown(unusable, make, drop), cmocka_unit_test_setup_teardown(foreign_tables, make, drop)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (have_server) test_postgres_remove(&server);
  return failed;
}
