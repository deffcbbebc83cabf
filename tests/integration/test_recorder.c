// Promise: what the journal holds is in the database, each record exactly once and unit for unit, in SQLite and in PostgreSQL;
// also when the recorder is killed at any moment, when the server goes away in the middle, when a lock or a second recorder is
// in the way. The rows are compared with the journal itself, read by a cursor of the test's own.
#include "support/test.h"

#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/database.h"
#include "support/directory.h"
#include "support/postgres.h"
#include "support/journal_rows.h"
#include "support/service.h"

#define DAY INT64_C(86400000000000)
#define MINUTE INT64_C(60000000000)

static char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE], lite[TEST_PATH_SIZE];
static struct test_postgres server;
static bool have_server;
static char why_not[256];
static const struct hd_journal_options small = {.segment_bytes = 1 << 20};

static int make_root(void **state) {
  (void)state;
  test_directory_make(root);
  test_path(dir, root, "journal");
  snprintf(lite, sizeof lite, "sqlite:%.490s/h.db", root);
  if (have_server) free(test_database_ask(server.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
  return 0;
}
static int drop_root(void **state) {
  (void)state;
  test_directory_remove(root);
  return 0;
}

static struct hd_journal *journal_open(void) {
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  if (hd_journal_open(dir, &small, &j, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  return j;
}

static void recorder_open(struct test_service *s, struct hd_journal *j, const char *url, int64_t batch_rows) {
  test_service_open(s, "recorder", j);
  test_service_text(s, "url", url);
  test_service_number(s, "batch_rows", batch_rows);
  if (s->api->start(s->self) != HADRON_OK) fail_msg("%s", s->said);
}

static void need_server(void) {
  if (have_server) return;
  print_message("skipped: %s\n", why_not);
  skip();
}

static void rows_equal_the_journal(const char *url) {
  struct hd_random r = test_random();
  struct hd_journal *j = journal_open();
  struct test_service s;
  int64_t now = JOURNAL_ROWS_START;
  journal_rows_append(j, &r, 3000, &now);
  recorder_open(&s, j, url, 700);
  test_service_run(&s, 1000);
  journal_rows_equal(dir, url);
  journal_rows_append(j, &r, 2000, &now);
  s.api->stop(s.self); // drains
  journal_rows_equal(dir, url);
  assert_int_equal(test_service_metric(&s, "recorder_lag_bytes"), 0);
  assert_true(test_service_metric(&s, "recorder_rows_total") >= 5000);
  s.api->stop(s.self); // twice is allowed
  test_service_close(&s);
  recorder_open(&s, j, url, 700); // again: the migrations are there, nothing is to do
  test_service_run(&s, 1000);
  journal_rows_equal(dir, url);
  assert_int_equal(test_service_metric(&s, "recorder_rows_total"), 0);
  test_service_close(&s);
  uint64_t kept = 0;
  assert_int_equal(hd_journal_kept(NULL, dir, "recorder", &kept, NULL), HADRON_OK);
  assert_true(kept > 0 && kept <= hd_journal_end(j));
  hd_journal_close(j);
}

static void sqlite_rows_equal_the_journal(void **state) { (void)state, rows_equal_the_journal(lite); }
static void postgres_rows_equal_the_journal(void **state) {
  (void)state;
  need_server();
  rows_equal_the_journal(server.url);
  char *units = test_database_ask(server.url, "SELECT price, quantity, fee FROM v_executions LIMIT 1");
  assert_string_equal(units, "0.123456789|9.87654321|-0.000001\n");
  free(units);
}

static void two_journals_share_a_database(void **state) {
  (void)state;
  struct hd_random r = test_random();
  for (int i = 0; i < 2; i++) {
    snprintf(dir, sizeof dir, "%.490s/j%d", root, i);
    struct hd_journal *j = journal_open();
    struct test_service s;
    int64_t now = JOURNAL_ROWS_START;
    journal_rows_append(j, &r, 300, &now);
    recorder_open(&s, j, lite, 100);
    test_service_run(&s, 100);
    test_service_close(&s);
    hd_journal_close(j);
  }
  assert_int_equal(test_database_number(lite, "SELECT count(*) FROM hadron_journals"), 2);
  assert_int_equal(test_database_number(lite, "SELECT count(DISTINCT journal) FROM hadron_ticks"), 2);
}

// Ticks of one day, close together: large batches, which PostgreSQL gets while they are being read.
static void burst_append(struct hd_journal *j, uint64_t count, int64_t *now) {
  for (uint64_t n = 0; n < count; n++) {
    struct hadron_tick t = {.event_ns = *now += 1000, .sequence = n, .instrument = (uint32_t)(n % 3), .kind = HADRON_TICK_TRADE};
    t.value.raw[0] = (int64_t)n + 1, t.value.raw[1] = 5;
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TICK, &t, sizeof t, NULL, 0, t.event_ns, NULL), HADRON_OK);
  }
}

// A child records and tells after each step; it is killed after a random number of steps, wherever it then is.
static void killed_anywhere(const char *url, int rounds, uint64_t burst, uint64_t batch_max) {
  struct hd_random r = test_random();
  struct hd_journal *j = journal_open();
  int64_t now = JOURNAL_ROWS_START;
  burst_append(j, burst, &now);
  journal_rows_append(j, &r, 4000, &now);
  burst_append(j, burst, &now);
  for (int round = 0; round < rounds; round++) {
    int pipes[2];
    int64_t batch = 1 + (int64_t)hd_random_below(&r, batch_max);
    uint64_t kill_after = hd_random_below(&r, 12);
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
      struct test_service s;
      test_service_open(&s, "recorder", j);
      test_service_text(&s, "url", url);
      test_service_number(&s, "batch_rows", batch);
      if (s.api->start(s.self) != HADRON_OK) _exit(1);
      for (;;)
        if (s.api->step(s.self, s.now_ns += MINUTE) == INT64_MAX || write(pipes[1], "s", 1) != 1) _exit(0);
    }
    close(pipes[1]);
    char byte;
    for (uint64_t n = 0; n < kill_after && read(pipes[0], &byte, 1) == 1; n++) continue;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(pipes[0]);
  }
  struct test_service s;
  recorder_open(&s, j, url, 150);
  test_service_run(&s, 1000);
  journal_rows_equal(dir, url);
  test_service_close(&s);
  hd_journal_close(j);
}
static void sqlite_killed_anywhere(void **state) { (void)state, killed_anywhere(lite, 25, 0, 200); }
static void postgres_killed_anywhere(void **state) {
  (void)state;
  need_server();
  killed_anywhere(server.url, 15, 0, 200);
}
static void postgres_killed_in_large_batches(void **state) {
  (void)state;
  need_server();
  killed_anywhere(server.url, 10, 20000, 9000);
}

static void postgres_cut_while_streaming(void **state) {
  (void)state;
  need_server();
  struct hd_random r = test_random();
  struct hd_journal *j = journal_open();
  struct test_service s;
  int64_t now = JOURNAL_ROWS_START;
  recorder_open(&s, j, server.url, 100000);
  test_service_run(&s, 2);
  for (int i = 0; i < 6; i++) {
    burst_append(j, 1500 + hd_random_below(&r, 1500), &now); // enough to be under way, not enough to be a batch
    s.api->step(s.self, s.now_ns);
    free(test_database_ask(server.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hadron recorder'"));
    journal_rows_append(j, &r, 100, &now);
    test_service_run(&s, i % 2 ? 1 : 6);
  }
  test_service_run(&s, 1000);
  journal_rows_equal(dir, server.url);
  test_service_close(&s);
  hd_journal_close(j);
}

static void postgres_goes_and_comes(void **state) {
  (void)state;
  need_server();
  struct hd_random r = test_random();
  struct hd_journal *j = journal_open();
  struct test_service s;
  int64_t now = JOURNAL_ROWS_START;
  journal_rows_append(j, &r, 2000, &now);
  test_postgres_stop(&server, "immediate");
  recorder_open(&s, j, server.url, 100); // away at the start: that is no reason not to run
  test_service_run(&s, 3);
  assert_int_equal(test_service_metric(&s, "recorder_connected"), 0);
  test_postgres_start(&server);
  test_service_run(&s, 8);
  for (int i = 0; i < 3; i++) { // and in the middle
    test_postgres_stop(&server, "immediate");
    test_service_run(&s, 3);
    journal_rows_append(j, &r, 500, &now);
    test_postgres_start(&server);
    test_service_run(&s, 4);
    free(test_database_ask(server.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hadron recorder'"));
  }
  test_service_run(&s, 1000);
  journal_rows_equal(dir, server.url);
  assert_true(test_service_metric(&s, "recorder_reconnects_total") >= 4);
  test_service_close(&s);
  hd_journal_close(j);
}

static void postgres_locked_does_not_hold_the_step(void **state) {
  (void)state;
  need_server();
  struct hd_random r = test_random();
  struct hd_journal *j = journal_open();
  struct test_service s;
  int64_t now = JOURNAL_ROWS_START;
  journal_rows_append(j, &r, 500, &now);
  test_service_open(&s, "recorder", j);
  test_service_text(&s, "url", server.url);
  test_service_number(&s, "request_timeout", 300000000);
  assert_int_equal(s.api->start(s.self), HADRON_OK);
  PGconn *other = PQconnectdb(server.url);
  PQclear(PQexec(other, "BEGIN; LOCK TABLE hadron_order_intents"));
  test_service_run(&s, 6); // comes back, although the lock is still held by this very thread
  assert_true(test_service_metric(&s, "recorder_lag_bytes") > 0);
  PQclear(PQexec(other, "COMMIT"));
  PQfinish(other);
  test_service_run(&s, 1000);
  journal_rows_equal(dir, server.url);
  test_service_close(&s);
  hd_journal_close(j);
}

static void postgres_two_recorders_write_once(void **state) {
  (void)state;
  need_server();
  struct hd_random r = test_random();
  struct hd_journal *j = journal_open();
  static struct test_service a, b;
  int64_t now = JOURNAL_ROWS_START;
  journal_rows_append(j, &r, 2000, &now);
  recorder_open(&a, j, server.url, 97);
  test_service_run(&a, 2);
  recorder_open(&b, j, server.url, 61);
  for (int i = 0; i < 400; i++) {
    struct test_service *s = hd_random_below(&r, 2) ? &a : &b;
    s->now_ns += MINUTE;
    s->api->step(s->self, s->now_ns);
  }
  test_service_run(&a, 1000), test_service_run(&b, 1000);
  journal_rows_equal(dir, server.url);
  test_service_close(&a), test_service_close(&b);
  hd_journal_close(j);
}

static void what_cannot_be_right_is_refused(void **state) {
  (void)state;
  struct hd_journal *j = journal_open();
  struct test_service s;
  recorder_open(&s, j, lite, 10);
  test_service_close(&s);
  free(test_database_ask(lite, "UPDATE schema_migrations SET sha256 = 'other' WHERE number = 1"));
  test_service_open(&s, "recorder", j);
  test_service_text(&s, "url", lite);
  assert_int_equal(s.api->start(s.self), HADRON_OK); // trading goes on
  if (!strstr(s.said, "RECORDER_PARKED migration 001_core")) fail_msg("%s", s.said);
  assert_int_equal(test_service_metric(&s, "recorder_parked"), 1);
  test_service_close(&s);
  test_service_open(&s, "recorder", j);
  test_service_text(&s, "url", "mysql://nowhere");
  assert_int_equal(s.api->start(s.self), HADRON_ERR_CONFIG);
  test_service_close(&s);
  test_service_open(&s, "recorder", j);
  test_service_text(&s, "url", "sqlite:/no/such/place/h.db");
  assert_int_equal(s.api->start(s.self), HADRON_ERR_NOT_FOUND);
  test_service_close(&s);
  hd_journal_close(j);
}

static void ticks_of_many_days(void **state) {
  (void)state;
  need_server();
  struct hd_journal *j = journal_open();
  struct test_service s;
  for (int i = 0; i < 100; i++) {
    struct hadron_tick t = {.event_ns = JOURNAL_ROWS_START + i * DAY, .sequence = (uint64_t)i, .kind = HADRON_TICK_TRADE};
    t.value.raw[0] = t.value.raw[1] = 1 + i;
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TICK, &t, sizeof t, NULL, 0, t.event_ns, NULL), HADRON_OK);
  }
  recorder_open(&s, j, server.url, 1000);
  test_service_run(&s, 100);
  journal_rows_equal(dir, server.url);
  assert_int_equal(test_database_number(server.url, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'hadron_ticks'::regclass"),
                   102); // with the host's today and tomorrow
  assert_int_equal(test_database_number(server.url, "SELECT count(*) FROM hadron_ticks_20240301"), 1);
  test_service_close(&s);
  hd_journal_close(j);
}

static int server_make(void **state) {
  (void)state;
  have_server = test_postgres_make(&server, "-c fsync=off", why_not, sizeof why_not);
  return 0;
}
static int server_remove(void **state) {
  (void)state;
  if (have_server) test_postgres_remove(&server);
  return 0;
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)
int main(void) {
  const struct CMUnitTest tests[] = {
      EACH(sqlite_rows_equal_the_journal),
      EACH(two_journals_share_a_database),
      EACH(sqlite_killed_anywhere),
      EACH(what_cannot_be_right_is_refused),
      EACH(postgres_rows_equal_the_journal),
      EACH(postgres_killed_anywhere),
      EACH(postgres_killed_in_large_batches),
      EACH(postgres_cut_while_streaming),
      EACH(postgres_goes_and_comes),
      EACH(postgres_locked_does_not_hold_the_step),
      EACH(postgres_two_recorders_write_once),
      EACH(ticks_of_many_days),
  };
  return cmocka_run_group_tests(tests, server_make, server_remove);
}
