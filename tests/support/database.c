#include "support/database.h"

#include <libpq-fe.h>
#include <sqlite3.h>

#include "support/test.h"

void test_text_add(struct test_text *t, const char *format, ...) {
  for (;;) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->text ? t->text + t->size : NULL, t->room - t->size, format, args);
    va_end(args);
    assert_true(n >= 0);
    if (t->text && t->size + (size_t)n < t->room) {
      t->size += (size_t)n;
      return;
    }
    t->room = (t->room + (size_t)n + 1) * 2;
    t->text = realloc(t->text, t->room);
    assert_non_null(t->text);
    t->text[t->size] = 0;
  }
}

static char *sqlite_ask(const char *path, const char *sql) {
  sqlite3 *db = NULL;
  sqlite3_stmt *q = NULL;
  struct test_text t = {0};
  if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
    fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  int rc;
  test_text_add(&t, "%s", "");
  while ((rc = sqlite3_step(q)) == SQLITE_ROW)
    for (int i = 0, n = sqlite3_column_count(q); i < n; i++) {
      const unsigned char *value = sqlite3_column_text(q, i);
      test_text_add(&t, "%s%s", value ? (const char *)value : "", i + 1 < n ? "|" : "\n");
    }
  if (rc != SQLITE_DONE) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  sqlite3_finalize(q);
  sqlite3_close(db);
  return t.text;
}

static void notice_drop(void *self, const char *text) { (void)self, (void)text; }

static char *postgres_ask(const char *url, const char *sql) {
  PGconn *db = PQconnectdb(url);
  if (PQstatus(db) != CONNECTION_OK) fail_msg("%s", PQerrorMessage(db));
  PQsetNoticeProcessor(db, notice_drop, NULL);
  PGresult *r = PQexec(db, sql);
  ExecStatusType status = PQresultStatus(r);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail_msg("%s: %s", sql, PQerrorMessage(db));
  struct test_text t = {0};
  test_text_add(&t, "%s", "");
  for (int row = 0; row < PQntuples(r); row++)
    for (int i = 0, n = PQnfields(r); i < n; i++) test_text_add(&t, "%s%s", PQgetvalue(r, row, i), i + 1 < n ? "|" : "\n");
  PQclear(r);
  PQfinish(db);
  return t.text;
}

char *test_database_ask(const char *url, const char *sql) {
  return strncmp(url, "sqlite:", 7) == 0 ? sqlite_ask(url + 7, sql) : postgres_ask(url, sql);
}

long long test_database_number(const char *url, const char *sql) {
  char *text = test_database_ask(url, sql);
  long long value = strtoll(text, NULL, 10);
  free(text);
  return value;
}
