#include <math.h>
#include <sqlite3.h>

#include "base/assert.h"
#include "base/banned.h"
#include "registry/database_internal.h"

static int32_t link_fail(sqlite3 *db, const char *what, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_DATABASE, "%.80s: %.400s", what, sqlite3_errmsg(db));
}

static int32_t link_script(void *link, const char *sql, struct hd_fault *fault) {
  return sqlite3_exec(link, sql, NULL, NULL, NULL) == SQLITE_OK ? HADRON_OK : link_fail(link, sql, fault);
}

static int32_t link_open(void **link, const char *url, struct hd_fault *fault) {
  const char *path = url + strlen("sqlite:");
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
  *link = db; // to be closed even if it could not be opened
  if (rc != SQLITE_OK) return link_fail(db, path, fault);
  sqlite3_busy_timeout(db, HD_DATABASE_WAIT_MS);
  return link_script(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", fault);
}

static void link_close(void *link) { sqlite3_close(link); }

static void value_bind(sqlite3_stmt *q, int i, const struct hd_sql_value *v) {
  switch (v->kind) {
  case HD_SQL_KIND_INTEGER: sqlite3_bind_int64(q, i, v->as.integer); break;
  case HD_SQL_KIND_REAL: isfinite(v->as.real) ? sqlite3_bind_double(q, i, v->as.real) : sqlite3_bind_null(q, i); break;
  case HD_SQL_KIND_TEXT: sqlite3_bind_text(q, i, v->as.text, -1, SQLITE_STATIC); break;
  case HD_SQL_KIND_UUID: sqlite3_bind_blob(q, i, v->as.uuid, 16, SQLITE_STATIC); break;
  default: sqlite3_bind_null(q, i); break;
  }
}

// $2 is a name to SQLite, and names get their places as they appear: the digits say which value is meant.
static void values_bind(sqlite3_stmt *q, const struct hd_sql_value *values, uint32_t count) {
  for (int i = 1, n = sqlite3_bind_parameter_count(q); i <= n; i++) {
    const char *name = sqlite3_bind_parameter_name(q, i);
    unsigned long number = name && *name == '$' ? strtoul(name + 1, NULL, 10) : 0;
    HD_ASSERT(number >= 1 && number <= count);
    value_bind(q, i, &values[number - 1]);
  }
}

static void value_read(sqlite3_stmt *q, int i, struct hd_sql_value *v) {
  *v = (struct hd_sql_value)HD_SQL_NULL;
  switch (sqlite3_column_type(q, i)) {
  case SQLITE_INTEGER: *v = (struct hd_sql_value)HD_SQL_INTEGER(sqlite3_column_int64(q, i)); break;
  case SQLITE_FLOAT: *v = (struct hd_sql_value)HD_SQL_REAL(sqlite3_column_double(q, i)); break;
  case SQLITE_TEXT: *v = (struct hd_sql_value)HD_SQL_TEXT((const char *)sqlite3_column_text(q, i)); break;
  case SQLITE_BLOB:
    if (sqlite3_column_bytes(q, i) == 16) *v = (struct hd_sql_value){HD_SQL_KIND_UUID, {.uuid = sqlite3_column_blob(q, i)}};
    break;
  default: break;
  }
}

static int32_t row_give(sqlite3_stmt *q, hd_row_fn take, void *user, struct hd_fault *fault) {
  struct hd_sql_value values[HD_DATABASE_COLUMNS_MAX];
  int count = sqlite3_column_count(q);
  HD_ASSERT(count <= HD_DATABASE_COLUMNS_MAX);
  for (int i = 0; i < count; i++) value_read(q, i, &values[i]);
  return take(user, &(struct hd_row){values, (uint32_t)count}, fault);
}

static int32_t link_run(void *link, const char *sql, const struct hd_sql_value *values, uint32_t count, hd_row_fn take, void *user,
                        uint64_t *changed, struct hd_fault *fault) {
  sqlite3_stmt *q = NULL;
  int before = sqlite3_total_changes(link);
  if (sqlite3_prepare_v2(link, sql, -1, &q, NULL) != SQLITE_OK) return link_fail(link, sql, fault);
  values_bind(q, values, count);
  int step;
  int32_t code = HADRON_OK;
  while ((step = sqlite3_step(q)) == SQLITE_ROW && !code)
    if (take) code = row_give(q, take, user, fault);
  if (!code && step != SQLITE_DONE) code = link_fail(link, sql, fault);
  sqlite3_finalize(q);
  *changed = (uint64_t)(sqlite3_total_changes(link) - before);
  return code;
}

static int32_t link_commit(void *link, struct hd_fault *fault) { return link_script(link, "COMMIT", fault); }

const struct hd_database_api hd_database_sqlite = {.dialect = "sqlite", .begin_migration = "BEGIN IMMEDIATE", .begin = "BEGIN IMMEDIATE",
                                                   .open = link_open, .close = link_close, .script = link_script, .run = link_run,
                                                   .commit = link_commit};
