// Promise: `hadron doctor` says what stands in the way of the recorder's PostgreSQL: nothing (with tables and before there are any), a server
// that is down, a wrong password, a user who may neither make tables nor write those that are there. What fails has its advice, and the
// exit status is 1; nothing is changed in the database.
#include <jansson.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/database.h"
#include "support/directory.h"
#include "support/postgres.h"
#include "support/test.h"

static struct test_postgres server;
static char root[TEST_PATH_SIZE], why_not[256];
static bool have_server;

// Its finding about the database; owned by the caller. status: of the program.
static json_t *examine(const char *user_and_password, const char *more, int *status) {
  char path[TEST_PATH_SIZE], text[2048], command[2048];
  json_t *found = NULL, *row;
  size_t i;
  test_path(path, root, "doctor.lua");
  snprintf(text, sizeof text,
           "return { mode = \"paper\", data_dir = \"%s/data\", venues = { sim = { params = { flow = \"random\", instruments = 2 } } },\n"
           "  services = { recorder = { params = { url = \"postgresql://%s@/postgres?host=%s%s\" } } }, strategies = { zero_cross = {} } }\n",
           root, user_and_password, server.root, more);
  test_file_write(path, text, strlen(text));
  snprintf(command, sizeof command, "%s/hadron doctor %s --json", getenv("HADRON_BUILD_DIR"), path);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  json_t *said = json_loadf(pipe, 0, NULL);
  *status = WEXITSTATUS(pclose(pipe));
  assert_non_null(said);
  json_array_foreach(json_object_get(said, "checks"), i, row)
    if (strcmp(json_string_value(json_object_get(row, "check")), "database") == 0) found = json_incref(row);
  json_decref(said);
  assert_non_null(found);
  return found;
}

static void expect(const char *user_and_password, const char *more, const char *verdict, const char *words, const char *advice) {
  int status;
  json_t *f = examine(user_and_password, more, &status);
  const char *said = json_string_value(json_object_get(f, "found")), *then = json_string_value(json_object_get(f, "advice"));
  const char *is = json_string_value(json_object_get(f, "status"));
  if (!is || strcmp(is, verdict) != 0 || !strstr(said, words) || (advice && (!then || !strstr(then, advice)))) fail_msg("expected %s: \"%s\" (%s), found %s: \"%s\" (%s)", verdict, words, advice ? advice : "", is, said, then);
  if (strcmp(verdict, "fail") == 0) assert_int_equal(status, 1);
  json_decref(f);
}

static void need_server(void) {
  if (have_server) return;
  print_message("skipped: %s\n", why_not);
  skip();
}

static void before_and_after_the_tables(void **state) {
  (void)state;
  need_server();
  expect("hadron", "", "ok", "no migrations yet; the recorder makes its tables", NULL);
  assert_int_equal(test_database_number(server.url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
  free(test_database_ask(server.url, "CREATE TABLE schema_migrations (number INTEGER); INSERT INTO schema_migrations VALUES (1), (4);"
                                     " CREATE TABLE hadron_strategy_decisions (id INTEGER); CREATE TABLE recorder_cursor (id INTEGER)"));
  expect("hadron", "", "ok", "user hadron: 2 migrations, the last is 4", NULL);
}

static void a_user_without_rights(void **state) {
  (void)state;
  need_server();
  free(test_database_ask(server.url, "CREATE ROLE guest LOGIN"));
  expect("guest", "", "fail", "its tables are there, but this user may not write them", "GRANT SELECT, INSERT");
  free(test_database_ask(server.url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest"));
  expect("guest", "", "ok", "user guest: 2 migrations", NULL);
  free(test_database_ask(server.url, "DROP TABLE schema_migrations, hadron_strategy_decisions, recorder_cursor; REVOKE CREATE ON SCHEMA public FROM PUBLIC"));
  expect("guest", "", "fail", "no tables yet, and this user may not make them", "GRANT USAGE, CREATE ON SCHEMA");
}

static void a_wrong_password(void **state) {
  (void)state;
  need_server();
  char path[TEST_PATH_SIZE];
  static const char rules[] = "local all keen scram-sha-256\nlocal all all trust\n";
  test_path(path, server.root, "data/pg_hba.conf");
  test_file_write(path, rules, sizeof rules - 1);
  free(test_database_ask(server.url, "CREATE ROLE keen LOGIN PASSWORD 'right'; SELECT pg_reload_conf()"));
  test_postgres_stop(&server, "fast");
  test_postgres_start(&server);
  expect("keen:wrong", "", "fail", "password authentication failed for user \"keen\"", "mend the recorder's url");
  expect("keen:right", "", "fail", "may not make them", NULL);
}

static void a_server_that_is_down(void **state) {
  (void)state;
  need_server();
  test_postgres_stop(&server, "fast");
  expect("hadron", "", "fail", "No such file or directory", "start the server");
  expect("hadron", "&port=70000", "fail", "invalid port number", "mend the recorder's url");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(before_and_after_the_tables), cmocka_unit_test(a_user_without_rights), cmocka_unit_test(a_wrong_password),
                                     cmocka_unit_test(a_server_that_is_down)};
  test_directory_make(root);
  have_server = test_postgres_make(&server, NULL, why_not, sizeof why_not);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (have_server) test_postgres_remove(&server);
  test_directory_remove(root);
  return failed;
}
