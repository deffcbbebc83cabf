// Promise: one set of statements serves SQLite and PostgreSQL. Rows come back as they went in, with their types; a transaction is whole or
// nothing and one writes at a time; a version's binding to its digest cannot be changed or deleted; a lost connection is made again.
#include "support/test.h"

#include <math.h>

#include "registry/database.h"
#include "support/database.h"
#include "support/room.h"

static char sqlite_url[TEST_PATH_SIZE + 16];

static struct hd_database *open_database(const char *url) {
  struct hd_fault fault = {0};
  struct hd_database *d = NULL;
  if (hd_database_open(url, &d, &fault)) fail_msg("%s", fault.text);
  return d;
}

static void must(int32_t code, const struct hd_fault *fault) {
  if (code) fail_msg("%s", fault->text);
}

struct seen {
  uint32_t rows, stop_after;
  int64_t sum;
};

static int32_t look(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct seen *seen = user;
  static const uint8_t id[16] = {0xa1, 0xb2, 0xc3, 0xd4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff};
  assert_int_equal(row->count, 6);
  assert_true(hd_row_integer(row, 0) == INT64_MIN && row->values[0].kind == HD_SQL_KIND_INTEGER);
  assert_true(hd_row_real(row, 1) == 0.1 && row->values[1].kind == HD_SQL_KIND_REAL);
  assert_string_equal(hd_row_text(row, 2), "it's \xc3\xa9 \\ \"");
  assert_true(row->values[3].kind == HD_SQL_KIND_NULL && hd_row_integer(row, 3) == 0 && isnan(hd_row_real(row, 3)) && !*hd_row_text(row, 3));
  assert_true(row->values[4].kind == HD_SQL_KIND_UUID && memcmp(row->values[4].as.uuid, id, 16) == 0);
  seen->sum += hd_row_integer(row, 5);
  return ++seen->rows == seen->stop_after ? hd_fault_set(fault, HADRON_ERR_END, "enough") : HADRON_OK;
}

static void rows(struct hd_database *d, const char *uuid_type) {
  static const uint8_t id[16] = {0xa1, 0xb2, 0xc3, 0xd4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff};
  struct hd_fault fault = {0};
  char sql[256];
  snprintf(sql, sizeof sql, "CREATE TABLE t (a BIGINT, b DOUBLE PRECISION, c TEXT, d INTEGER, e %s, f INTEGER PRIMARY KEY)", uuid_type);
  must(hd_database_run(d, sql, NULL, 0, &fault), &fault);
  for (int i = 0; i < 5; i++) {
    const struct hd_sql_value v[] = {HD_SQL_INTEGER(INT64_MIN), HD_SQL_REAL(0.1), HD_SQL_TEXT("it's \xc3\xa9 \\ \""), HD_SQL_NULL,
                                 {HD_SQL_KIND_UUID, {.uuid = id}}, HD_SQL_INTEGER(i)};
    must(hd_database_run(d, "INSERT INTO t (a, b, c, d, e, f) VALUES ($1, $2, $3, $4, $5, $6)", v, 6, &fault), &fault);
    assert_int_equal(hd_database_changed(d), 1);
  }
  const char *query = "SELECT a, b, c, d, e, f FROM t WHERE f >= $1 ORDER BY f";
  const struct hd_sql_value from = HD_SQL_INTEGER(1);
  struct seen seen = {0};
  must(hd_database_rows(d, query, &from, 1, look, &seen, &fault), &fault);
  assert_true(seen.rows == 4 && seen.sum == 10 && hd_database_changed(d) == 0);
  seen = (struct seen){.stop_after = 2};
  assert_int_equal(hd_database_rows(d, query, &from, 1, look, &seen, &fault), HADRON_ERR_END);
  assert_true(seen.rows == 2 && strcmp(fault.text, "enough") == 0);
  seen = (struct seen){0};
  assert_int_equal(hd_database_rows(d, "SELECT nothing FROM nowhere", NULL, 0, look, &seen, &fault), HADRON_ERR_DATABASE);
  assert_int_equal(seen.rows, 0);
  must(hd_database_run(d, "UPDATE t SET d = 1 WHERE f < 3", NULL, 0, &fault), &fault);
  assert_int_equal(hd_database_changed(d), 3);
  // Parameters by their numbers, in any order, more than once.
  const struct hd_sql_value v[] = {HD_SQL_INTEGER(4), HD_SQL_TEXT("four"), HD_SQL_INTEGER(40)};
  must(hd_database_run(d, "UPDATE t SET d = $3, c = $2 WHERE f = $1 AND $1 = 4", v, 3, &fault), &fault);
  assert_int_equal(hd_database_changed(d), 1);
  must(hd_database_run(d, "UPDATE t SET c = 'it''s \xc3\xa9 \\ \"' WHERE c = 'four' AND d = 40", NULL, 0, &fault), &fault);
  assert_int_equal(hd_database_changed(d), 1);
}

static void transactions(struct hd_database *d, const char *url) {
  struct hd_fault fault = {0};
  must(hd_database_begin(d, &fault), &fault);
  must(hd_database_run(d, "DELETE FROM t WHERE f = 4", NULL, 0, &fault), &fault);
  hd_database_rollback(d);
  hd_database_rollback(d); // nothing to do
  assert_int_equal(test_database_number(url, "SELECT count(*) FROM t"), 5);
  must(hd_database_begin(d, &fault), &fault);
  must(hd_database_run(d, "DELETE FROM t WHERE f = 4", NULL, 0, &fault), &fault);
  must(hd_database_commit(d, &fault), &fault);
  assert_int_equal(test_database_number(url, "SELECT count(*) FROM t"), 4);
}

// A second writer waits, and after its time gives up with words; the first one is not disturbed.
static void one_writer(struct hd_database *d, const char *url) {
  struct hd_fault fault = {0};
  struct hd_database *other = open_database(url);
  must(hd_database_begin(d, &fault), &fault);
  assert_int_equal(hd_database_begin(other, &fault), HADRON_ERR_DATABASE);
  must(hd_database_run(d, "DELETE FROM t WHERE f = 3", NULL, 0, &fault), &fault);
  must(hd_database_commit(d, &fault), &fault);
  must(hd_database_begin(other, &fault), &fault);
  hd_database_rollback(other);
  hd_database_close(other);
}

static void bound_for_ever(struct hd_database *d) {
  struct hd_fault fault = {0};
  must(hd_database_run(d, "INSERT INTO registry_artifacts (digest, size, language, added_ns) VALUES ('aa', 1, 1, 1), ('bb', 1, 1, 1)", NULL, 0, &fault), &fault);
  must(hd_database_run(d, "INSERT INTO registry_versions (name, version, digest, kind, language, abi_major, abi_minor, state, description, manifest,"
                          " parameters, probe, added_ns, added_by, changed_ns, changed_by, reason)"
                          " VALUES ('x', '1.0.0', 'aa', 1, 1, 1, 0, 1, '', '', '', '', 1, 'me', 1, 'me', '')", NULL, 0, &fault), &fault);
  static const char *refused[] = {
    "UPDATE registry_versions SET digest = 'bb' WHERE name = 'x'", "UPDATE registry_versions SET name = 'y' WHERE name = 'x'",
    "DELETE FROM registry_versions", "DELETE FROM registry_artifacts WHERE digest = 'aa'",
    "INSERT INTO registry_signatures (name, version, key_id, signature, added_ns) VALUES ('x', '2.0.0', 'k', 's', 1)",
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    if (hd_database_run(d, refused[i], NULL, 0, &fault) != HADRON_ERR_DATABASE) fail_msg("done: %s", refused[i]);
  must(hd_database_run(d, "UPDATE registry_versions SET state = 2 WHERE name = 'x'", NULL, 0, &fault), &fault);
}

static void sqlite(void **state) {
  (void)state;
  snprintf(sqlite_url, sizeof sqlite_url, "sqlite:%.480s/registry.db", test_room.root);
  struct hd_database *d = open_database(sqlite_url);
  assert_false(hd_database_shared(d));
  assert_string_equal(hd_database_url(d), sqlite_url);
  rows(d, "BLOB");
  transactions(d, sqlite_url);
  one_writer(d, sqlite_url);
  bound_for_ever(d);
  hd_database_close(d);
  hd_database_close(open_database(sqlite_url)); // nothing left to migrate
}

static void postgres(void **state) {
  (void)state;
  test_room_server();
  struct hd_fault fault = {0};
  struct hd_database *d = open_database(test_room.server.url);
  assert_true(hd_database_shared(d));
  rows(d, "UUID");
  transactions(d, test_room.server.url);
  one_writer(d, test_room.server.url);
  bound_for_ever(d);
  // A statement that failed spoils its transaction: the commit says so.
  must(hd_database_begin(d, &fault), &fault);
  assert_int_equal(hd_database_run(d, "SELECT 1 / 0", NULL, 0, &fault), HADRON_ERR_DATABASE);
  assert_int_equal(hd_database_commit(d, &fault), HADRON_ERR_DATABASE);
  // The server is started anew in the middle of a transaction: that one fails, the next statement finds the new server.
  must(hd_database_begin(d, &fault), &fault);
  must(hd_database_run(d, "DELETE FROM t", NULL, 0, &fault), &fault);
  test_postgres_stop(&test_room.server, "immediate");
  test_postgres_start(&test_room.server);
  assert_int_equal(hd_database_commit(d, &fault), HADRON_ERR_DATABASE);
  must(hd_database_run(d, "UPDATE t SET d = 9", NULL, 0, &fault), &fault);
  assert_int_equal(hd_database_changed(d), 3);
  hd_database_close(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sqlite), cmocka_unit_test(postgres)};
  return cmocka_run_group_tests(tests, test_room_make, test_room_drop);
}
