// Promise: whatever happens to the recorder's database — stopped for ten minutes of flow, killed in a loop, frozen, slow, locked, full, a
// commit of which nobody knows the outcome, a role without rights, tables that somebody changed — nothing of the journal is lost and
// nothing is doubled, the recorder's memory stays bounded, what only a person can mend is said once and loudly, and it goes on by
// itself once that is mended. After each fault every row is compared with the journal itself, read by a cursor of the test's own.
// A private PostgreSQL cluster; the cut commits go through a TCP proxy. Waiting is the recorder's own time-outs, made short.
#include "support/test.h"

#include <libpq-fe.h>
#include <signal.h>
#include <stdatomic.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/database.h"
#include "support/directory.h"
#include "support/journal_rows.h"
#include "support/machine.h"
#include "support/postgres.h"
#include "support/proxy.h"
#include "support/service.h"

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define BACKENDS "FROM pg_stat_activity WHERE application_name = 'hadron recorder'"

static char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE], lite[TEST_PATH_SIZE], small[TEST_PATH_SIZE];
static struct test_postgres server;
static bool have_server;
static char why_not[256];
static const struct hd_journal_options segments = {.segment_bytes = 1 << 20};

// One recorder over one journal, and the clock of both.
struct scene {
  struct hd_random random;
  struct hd_journal *journal;
  struct test_service service;
  int64_t now_ns;
};
static struct scene scene;
static int64_t wait_ns; // the recorder's own time-outs: short where something hangs on purpose
static int64_t batch_ns; // the time that it takes itself for a batch; 0: as it comes

static int make_root(void **state) {
  (void)state;
  test_directory_make(root);
  test_path(dir, root, "journal");
  scene.now_ns = JOURNAL_ROWS_START;
  wait_ns = 5 * SECOND;
  batch_ns = 0;
  snprintf(lite, sizeof lite, "sqlite:%.490s/h.db", root);
  if (have_server && !server.running) test_postgres_start(&server); // a test that failed may have left it down
  if (have_server) free(test_database_ask(server.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
  return 0;
}
static int drop_root(void **state) {
  (void)state;
  test_directory_remove(root);
  return 0;
}

static void need_server(void) {
  if (have_server) return;
  print_message("skipped: %s\n", why_not);
  skip();
}

static void records(struct scene *s, uint64_t count) { journal_rows_append(s->journal, &s->random, count, &s->now_ns); }

static void scene_begin(struct scene *s, const char *url, int64_t batch_rows) {
  struct hd_fault fault = {0};
  int64_t now_ns = s->now_ns; // of a journal that goes on
  *s = (struct scene){.random = test_random(), .now_ns = now_ns};
  if (hd_journal_open(dir, &segments, &s->journal, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  records(s, 500);
  test_service_open(&s->service, "recorder", s->journal);
  s->service.now_ns = s->now_ns;
  test_service_text(&s->service, "url", url);
  test_service_number(&s->service, "batch_rows", batch_rows);
  test_service_number(&s->service, "request_timeout", wait_ns);
  test_service_number(&s->service, "connect_timeout", wait_ns);
  test_service_number(&s->service, "patience", wait_ns);
  if (batch_ns) test_service_number(&s->service, "batch_timeout", batch_ns);
  if (s->service.api->start(s->service.self) != HADRON_OK) fail_msg("%s", s->service.said);
}

static int64_t metric(struct scene *s, const char *name) { return test_service_metric(&s->service, name); }
static void run(struct scene *s, uint64_t steps) { test_service_run(&s->service, steps); }

static void scene_end(struct scene *s, const char *url) {
  run(s, 3000);
  assert_int_equal(metric(s, "recorder_lag_bytes"), 0);
  assert_int_equal(metric(s, "recorder_lag_ms"), 0);
  assert_int_equal(metric(s, "recorder_parked"), 0);
  assert_int_equal(metric(s, "recorder_connected"), 1);
  journal_rows_equal(dir, url);
  test_service_close(&s->service);
  hd_journal_close(s->journal);
}

// Steps until something is parked; the words said then begin with `words`.
static void parks(struct scene *s, const char *words) {
  for (int i = 0; i < 200 && !metric(s, "recorder_parked"); i++) run(s, 1);
  assert_int_equal(metric(s, "recorder_parked"), 1);
  assert_int_equal(s->service.said_level, 4); // an error: the host makes an alert of it
  if (!strstr(s->service.said, "RECORDER_PARKED") || !strstr(s->service.said, words)) fail_msg("expected words with \"%s\", found: %s", words, s->service.said);
  uint64_t errors = s->service.errors;
  run(s, 30); // it tries again and again, stores what it can, and says nothing more
  assert_int_equal(metric(s, "recorder_parked"), 1);
  assert_true(metric(s, "recorder_lag_bytes") > 0);
  assert_int_equal(s->service.errors, errors);
}

// ---- Away.

// The server is down while the market goes on for ten minutes; all kinds of records, and small segments, of which none may go.
static void ten_minutes_without_a_server(void **state) {
  (void)state;
  need_server();
  scene_begin(&scene, server.url, 131072);
  run(&scene, 100);
  test_postgres_stop(&server, "immediate");
  int64_t begin = scene.now_ns;
  uint64_t made = 0, before = 0;
  uint32_t deleted = 0;
  for (int second = 0; second < 600; second++) {
    journal_rows_flow(scene.journal, &scene.random, 200, 2 * SECOND / 200, &scene.now_ns);
    made += 200;
    scene.service.now_ns = scene.now_ns;
    int64_t again_ns = scene.service.api->step(scene.service.self, scene.service.now_ns);
    assert_true(again_ns <= scene.service.now_ns + 10 * SECOND); // however long it has been away, it is looked for every ten seconds
    if (second == 60) before = test_anonymous_bytes();
    hd_journal_maintain(scene.journal, NULL);
    hd_journal_retain(scene.journal, UINT64_MAX, &deleted, NULL); // the host would let everything go
  }
  assert_in_range(scene.now_ns - begin, 590 * SECOND, 610 * SECOND);
  const char *sanitizer = getenv("HADRON_SANITIZE"); // keeps what is freed
  if (!sanitizer || !sanitizer[0]) assert_true(test_anonymous_bytes() < before + (8u << 20));
  assert_true(metric(&scene, "recorder_lag_ms") >= 590000);
  assert_true(metric(&scene, "recorder_lag_bytes") > (int64_t)made * 64);
  assert_true(scene.service.errors >= 1); // a person has been told, long since
  test_postgres_start(&server);
  scene.service.now_ns += 20 * SECOND;
  scene_end(&scene, server.url);
  assert_true(metric(&scene, "recorder_catch_up_rows_per_second") > 0);
  print_message("%llu records of ten minutes caught up with %lld rows/s\n", (unsigned long long)made,
                (long long)metric(&scene, "recorder_catch_up_rows_per_second"));
}

// Down at the very first start: the journal keeps what no database has ever seen.
static void never_there_before(void **state) {
  (void)state;
  need_server();
  test_postgres_stop(&server, "immediate");
  scene_begin(&scene, server.url, 1000);
  for (int i = 0; i < 20; i++) {
    uint32_t deleted = 0;
    records(&scene, 2000);
    run(&scene, 1);
    hd_journal_maintain(scene.journal, NULL);
    assert_int_equal(hd_journal_retain(scene.journal, UINT64_MAX, &deleted, NULL), HADRON_OK);
    assert_int_equal(deleted, 0); // rows that are gone from both would not be missed below
  }
  assert_true(hd_journal_end(scene.journal) > 3 << 20); // there was something to delete
  test_postgres_start(&server);
  scene_end(&scene, server.url);
}

static void killed_in_a_loop(void **state) {
  (void)state;
  need_server();
  scene_begin(&scene, server.url, 40);
  for (int i = 0; i < 8; i++) {
    run(&scene, hd_random_below(&scene.random, 12));
    test_postgres_stop(&server, "immediate");
    run(&scene, hd_random_below(&scene.random, 3));
    records(&scene, 200);
    test_postgres_start(&server);
  }
  scene_end(&scene, server.url);
}

// SIGSTOP: the backend that holds the cursor, then the whole server. Steps come back, a stop of the host too, and nothing piles up.
static void frozen(void **state) {
  (void)state;
  need_server();
  wait_ns = SECOND * 3 / 10;
  scene_begin(&scene, server.url, 50);
  for (int i = 0; i < 4; i++) {
    run(&scene, 3 + hd_random_below(&scene.random, 4));
    pid_t backend = (pid_t)test_database_number(server.url, "SELECT pid " BACKENDS " LIMIT 1");
    pid_t postmaster = test_postgres_pid(&server);
    assert_true(backend > 0);
    kill(backend, SIGSTOP);
    if (i % 2) kill(postmaster, SIGSTOP);
    records(&scene, 300);
    run(&scene, 4);
    assert_true(metric(&scene, "recorder_lag_bytes") > 0);
    if (i == 3) {
      scene.service.api->stop(scene.service.self); // while nothing answers
      test_service_close(&scene.service);
    }
    kill(postmaster, SIGCONT);
    kill(backend, SIGCONT);
  }
  hd_journal_close(scene.journal);
  scene_begin(&scene, server.url, 50); // and at the next start it goes on
  scene_end(&scene, server.url);
}

static void locked_for_long(void **state) {
  (void)state;
  need_server();
  wait_ns = SECOND * 3 / 10;
  static const char *const locks[] = {"LOCK TABLE hadron_order_intents", "LOCK TABLE recorder_cursor", "SELECT 1 FROM recorder_cursor FOR UPDATE",
                                      "LOCK TABLE schema_migrations, hadron_ticks"};
  scene_begin(&scene, server.url, 100);
  run(&scene, 3000);
  for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
    char sql[128];
    PGconn *other = PQconnectdb(server.url);
    snprintf(sql, sizeof sql, "BEGIN; %s", locks[i]);
    PQclear(PQexec(other, sql));
    records(&scene, 300);
    uint64_t errors = scene.service.errors;
    for (int n = 0; n < 60 && scene.service.errors == errors; n++) {
      run(&scene, 1);
      scene.service.now_ns += 20 * SECOND; // more than a minute of the host's clock
    }
    assert_true(metric(&scene, "recorder_lag_bytes") > 0);
    assert_true(scene.service.errors > errors); // away for longer than alert_after
    assert_int_equal(metric(&scene, "recorder_parked"), 0);
    PQclear(PQexec(other, "COMMIT"));
    PQfinish(other);
    run(&scene, 3000);
    journal_rows_equal(dir, server.url);
    // What the recorder gave up did not stay behind with its locks.
    assert_true(test_database_number(server.url, "SELECT count(*) " BACKENDS) <= 3);
  }
  scene_end(&scene, server.url);
}

// ---- The commit whose outcome is not known.

static void commit_cut(void **state) {
  (void)state;
  need_server();
  wait_ns = SECOND * 3 / 10;
  struct test_proxy proxy;
  char socket_path[TEST_PATH_SIZE], url[128];
  snprintf(socket_path, sizeof socket_path, "%s/.s.PGSQL.5432", server.root);
  test_proxy_start(&proxy, socket_path);
  snprintf(url, sizeof url, "postgresql://hadron@127.0.0.1:%d/postgres?sslmode=disable", proxy.port);
  scene_begin(&scene, url, 30);
  uint32_t seen[PROXY_REFUSE + 1] = {0};
  for (int i = 0; i < 60; i++) {
    uint32_t mode = PROXY_CUT_BEFORE + (uint32_t)hd_random_below(&scene.random, i % 5 ? 3 : 5);
    atomic_store(&proxy.state->mode, mode);
    seen[mode]++;
    records(&scene, 20);
    run(&scene, 3);
    atomic_store(&proxy.state->mode, PROXY_PASS);
    run(&scene, 1 + hd_random_below(&scene.random, 3));
  }
  assert_true(atomic_load(&proxy.state->cuts) >= 30);
  print_message("%u commits cut: before %u, after %u, blind %u, silent %u rounds; %u refused\n", atomic_load(&proxy.state->cuts), seen[PROXY_CUT_BEFORE],
                seen[PROXY_CUT_AFTER], seen[PROXY_CUT_BLIND], seen[PROXY_SILENT], seen[PROXY_REFUSE]);
  scene_end(&scene, server.url);
  test_proxy_stop(&proxy);
}

// Each answer comes in time, and all together they take too long: it does with smaller batches, however long that goes on, and no step takes longer
// than a batch may. Then the link is what it was.
static void slow_for_long(void **state) {
  (void)state;
  need_server();
  batch_ns = SECOND * 4 / 10;
  struct test_proxy proxy;
  char socket_path[TEST_PATH_SIZE], url[128];
  snprintf(socket_path, sizeof socket_path, "%s/.s.PGSQL.5432", server.root);
  test_proxy_start(&proxy, socket_path);
  snprintf(url, sizeof url, "postgresql://hadron@127.0.0.1:%d/postgres?sslmode=disable", proxy.port);
  scene_begin(&scene, url, 16384);
  run(&scene, 3000);
  assert_int_equal(metric(&scene, "recorder_lag_bytes"), 0);
  int64_t lost = metric(&scene, "recorder_reconnects_total");
  for (uint64_t n = 1; n <= 3500; n++) { // more than the link carries in the time of a batch, and nothing that ends one
    scene.now_ns += 1000000;
    const struct hadron_tick t = {.event_ns = scene.now_ns, .recv_ns = scene.now_ns, .sequence = n, .instrument = 1, .venue = 1, .kind = HADRON_TICK_TRADE, .value.trade = {.price = {(int64_t)n}}};
    assert_int_equal(hd_journal_append(scene.journal, HADRON_MSG_TICK, &t, sizeof t, NULL, 0, scene.now_ns, NULL), HADRON_OK);
  }
  atomic_store(&proxy.state->mode, PROXY_SLOW);
  int64_t rows = metric(&scene, "recorder_rows_total"), until_ns = hd_clock_monotonic_ns() + 120 * SECOND;
  uint64_t tries = 0;
  while (metric(&scene, "recorder_rows_total") < rows + 1000 && hd_clock_monotonic_ns() < until_ns) {
    tries += test_service_run(&scene.service, 1);
    scene.service.now_ns += SECOND;
  }
  if (metric(&scene, "recorder_rows_total") < rows + 1000) fail_msg("%llu tries, and next to nothing is stored", (unsigned long long)tries);
  assert_true(metric(&scene, "recorder_reconnects_total") > lost);
  assert_int_equal(metric(&scene, "recorder_parked"), 0);
  atomic_store(&proxy.state->mode, PROXY_PASS);
  records(&scene, 300);
  scene_end(&scene, server.url);
  test_proxy_stop(&proxy);
}

// ---- What a person must mend.

// Breaks what is asked, sees the recorder park, mends it, and sees it go on by itself.
static void broken_and_mended(const char *breaks, const char *words, const char *mends) {
  records(&scene, 400);
  free(test_database_ask(server.url, breaks));
  parks(&scene, words);
  free(test_database_ask(server.url, mends));
  scene.service.now_ns += 20 * SECOND;
  run(&scene, 3000);
  assert_int_equal(metric(&scene, "recorder_parked"), 0);
  assert_int_equal(metric(&scene, "recorder_lag_bytes"), 0);
  journal_rows_equal(dir, server.url);
}

static void drift(void **state) {
  (void)state;
  need_server();
  static const char *const cases[][3] = {
      {"ALTER TABLE hadron_order_executions RENAME COLUMN fee TO fees", "column \"fee\"", "ALTER TABLE hadron_order_executions RENAME COLUMN fees TO fee"},
      {"ALTER TABLE hadron_equity RENAME TO equity", "hadron_equity", "ALTER TABLE equity RENAME TO hadron_equity"},
      {"ALTER TABLE hadron_strategy_decisions ADD CONSTRAINT small CHECK (kind < 1) NOT VALID", "\"small\"", "ALTER TABLE hadron_strategy_decisions DROP CONSTRAINT small"},
      {"ALTER TABLE orders RENAME COLUMN filled TO done", "filled", "ALTER TABLE orders RENAME COLUMN done TO filled"},
      {"INSERT INTO schema_migrations VALUES (41, 'later', 'x'); SELECT pg_terminate_backend(pid) " BACKENDS, "migration 041_later", "DELETE FROM schema_migrations WHERE number = 41"},
      {"UPDATE schema_migrations SET name = sha256, sha256 = 'x' WHERE number = 1; SELECT pg_terminate_backend(pid) " BACKENDS, "migration 001_core",
       "UPDATE schema_migrations SET sha256 = name, name = 'core' WHERE number = 1"},
  };
  scene_begin(&scene, server.url, 131072);
  run(&scene, 3000);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) broken_and_mended(cases[i][0], cases[i][1], cases[i][2]);
  scene_end(&scene, server.url);
}

static void role_revoked(void **state) {
  (void)state;
  need_server();
  char url[600];
  snprintf(url, sizeof url, "postgresql://writer@/postgres?host=%s", server.root);
  free(test_database_ask(server.url, "DO $$ BEGIN CREATE ROLE writer LOGIN; EXCEPTION WHEN duplicate_object THEN END $$; GRANT ALL ON SCHEMA public TO writer"));
  scene_begin(&scene, url, 131072);
  run(&scene, 3000);
  broken_and_mended("REVOKE INSERT ON hadron_order_executions FROM writer", "permission denied", "GRANT INSERT ON hadron_order_executions TO writer");
  broken_and_mended("REVOKE UPDATE ON recorder_cursor FROM writer", "permission denied", "GRANT UPDATE ON recorder_cursor TO writer");
  broken_and_mended("ALTER ROLE writer NOLOGIN; SELECT pg_terminate_backend(pid) " BACKENDS, "not permitted to log in", "ALTER ROLE writer LOGIN");
  scene_end(&scene, server.url);
}

// A small file system of memory at `small`; false: this may not be done here.
static bool small_mount(const char *options) {
  test_path(small, root, "small");
  if (mkdir(small, 0777) == 0 && chmod(small, 0777) == 0 && chmod(root, 0755) == 0 && mount("tmpfs", small, "tmpfs", 0, options) == 0) return true;
  print_message("skipped: no file system can be mounted here (needs root)\n");
  return false;
}

static void disk_full_postgres(void **state) {
  (void)state;
  need_server();
  char sql[TEST_PATH_SIZE + 128];
  if (!small_mount("size=9m,mode=0777")) skip();
  snprintf(sql, sizeof sql, "%s/space", small);
  assert_int_equal(mkdir(sql, 0700), 0);
  struct stat data;
  char path[TEST_PATH_SIZE];
  test_path(path, server.root, "data");
  assert_int_equal(stat(path, &data), 0);
  assert_int_equal(chown(sql, data.st_uid, data.st_gid), 0);
  snprintf(sql, sizeof sql, "CREATE TABLESPACE small LOCATION '%s/space'", small);
  free(test_database_ask(server.url, sql));
  free(test_database_ask(server.url, "ALTER DATABASE postgres SET default_tablespace = small"));
  scene_begin(&scene, server.url, 131072);
  for (int i = 0; i < 60 && !metric(&scene, "recorder_parked"); i++) {
    journal_rows_flow(scene.journal, &scene.random, 2000, SECOND, &scene.now_ns);
    run(&scene, 1000);
  }
  parks(&scene, "make room where the database lies");
  assert_int_equal(mount("tmpfs", small, "tmpfs", MS_REMOUNT, "size=512m,mode=0777"), 0);
  scene.service.now_ns += 20 * SECOND;
  scene_end(&scene, server.url);
  free(test_database_ask(server.url, "ALTER DATABASE postgres RESET default_tablespace"));
  free(test_database_ask(server.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
  free(test_database_ask(server.url, "DROP TABLESPACE small"));
  umount2(small, MNT_DETACH);
}

// ---- SQLite.

static void sqlite_ask_other(sqlite3 *db, const char *sql) {
  char *error = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) fail_msg("%s: %s", sql, error);
}

static void sqlite_locked_and_changed(void **state) {
  (void)state;
  wait_ns = SECOND * 3 / 10;
  sqlite3 *other = NULL;
  scene_begin(&scene, lite, 131072);
  run(&scene, 100);
  assert_int_equal(sqlite3_open(lite + 7, &other), SQLITE_OK);
  for (int i = 0; i < 2; i++) {
    sqlite_ask_other(other, "BEGIN IMMEDIATE");
    records(&scene, 200);
    run(&scene, 4);
    assert_true(metric(&scene, "recorder_lag_bytes") > 0);
    assert_int_equal(metric(&scene, "recorder_parked"), 0);
    if (i == 1) scene.service.api->stop(scene.service.self); // bounded by patience
    sqlite_ask_other(other, "COMMIT");
  }
  test_service_close(&scene.service);
  hd_journal_close(scene.journal);
  scene_begin(&scene, lite, 131072);
  run(&scene, 100);
  sqlite_ask_other(other, "ALTER TABLE hadron_order_executions RENAME COLUMN fee TO fees");
  records(&scene, 200);
  parks(&scene, "fee");
  sqlite_ask_other(other, "ALTER TABLE hadron_order_executions RENAME COLUMN fees TO fee");
  sqlite3_close(other);
  scene.service.now_ns += 20 * SECOND;
  scene_end(&scene, lite);
}

static void sqlite_full_and_read_only(void **state) {
  (void)state;
  char url[TEST_PATH_SIZE + 16];
  if (!small_mount("size=4m,mode=0777")) skip();
  snprintf(url, sizeof url, "sqlite:%s/h.db", small);
  scene_begin(&scene, url, 131072);
  for (int i = 0; i < 40 && !metric(&scene, "recorder_parked"); i++) {
    journal_rows_flow(scene.journal, &scene.random, 1000, SECOND, &scene.now_ns);
    run(&scene, 1000);
  }
  parks(&scene, "make room where the database lies");
  assert_int_equal(mount("tmpfs", small, "tmpfs", MS_REMOUNT, "size=512m,mode=0777"), 0);
  scene.service.now_ns += 20 * SECOND;
  scene_end(&scene, url);
  assert_int_equal(mount("tmpfs", small, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=512m,mode=0777"), 0);
  scene_begin(&scene, url, 131072); // with records of its own; a start all the same
  assert_int_equal(metric(&scene, "recorder_parked"), 1);
  assert_int_equal(mount("tmpfs", small, "tmpfs", MS_REMOUNT, "size=512m,mode=0777"), 0);
  scene.service.now_ns += 20 * SECOND;
  scene_end(&scene, url);
  umount2(small, MNT_DETACH);
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
int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const struct CMUnitTest tests[] = {
      EACH(ten_minutes_without_a_server),
      EACH(never_there_before),
      EACH(killed_in_a_loop),
      EACH(frozen),
      EACH(locked_for_long),
      EACH(commit_cut),
      EACH(slow_for_long),
      EACH(drift),
      EACH(role_revoked),
      EACH(disk_full_postgres),
      EACH(sqlite_locked_and_changed),
      EACH(sqlite_full_and_read_only),
  };
  return cmocka_run_group_tests(tests, server_make, server_remove);
}
