#include <math.h>
#include <sqlite3.h>

#include "base/banned.h"
#include "base/text.h"
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
  return link_script(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", fault);
}

static void link_close(void *link) { sqlite3_close(link); }

static void value_bind(sqlite3_stmt *q, int i, const struct hd_value *v) {
  switch (v->kind) {
  case HD_VALUE_INTEGER: sqlite3_bind_int64(q, i, v->as.integer); break;
  case HD_VALUE_REAL: isfinite(v->as.real) ? sqlite3_bind_double(q, i, v->as.real) : sqlite3_bind_null(q, i); break;
  case HD_VALUE_TEXT: sqlite3_bind_text(q, i, v->as.text, -1, SQLITE_STATIC); break;
  case HD_VALUE_UUID: sqlite3_bind_blob(q, i, v->as.uuid, 16, SQLITE_STATIC); break;
  default: sqlite3_bind_null(q, i); break;
  }
}

static int32_t link_run(void *link, const char *sql, const struct hd_value *values, uint32_t count, char first[HD_DATABASE_TEXT],
                        struct hd_fault *fault) {
  sqlite3_stmt *q = NULL;
  if (first) *first = 0;
  if (sqlite3_prepare_v2(link, sql, -1, &q, NULL) != SQLITE_OK) return link_fail(link, sql, fault);
  for (uint32_t i = 0; i < count; i++) value_bind(q, (int)i + 1, &values[i]);
  int step = sqlite3_step(q);
  if (step == SQLITE_ROW && first) hd_text_copy(first, HD_DATABASE_TEXT, (const char *)sqlite3_column_text(q, 0));
  while (step == SQLITE_ROW) step = sqlite3_step(q);
  int32_t code = step == SQLITE_DONE ? HADRON_OK : link_fail(link, sql, fault);
  sqlite3_finalize(q);
  return code;
}

const struct hd_database_api hd_database_sqlite = {.dialect = "sqlite", .begin_migration = "BEGIN IMMEDIATE", .open = link_open,
                                                   .close = link_close, .script = link_script, .run = link_run};
