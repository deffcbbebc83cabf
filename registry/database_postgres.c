#include <libpq-fe.h>
#include <math.h>

#include "base/banned.h"
#include "base/text.h"
#include "registry/database_internal.h"

#define WAIT_TEXT_SIZE 16
#define MIGRATION_LOCK "4842" // the recorder's: one program at a time makes the tables

static int32_t link_fail(PGconn *db, const char *what, struct hd_fault *fault) {
  const char *words = PQerrorMessage(db);
  return hd_fault_set(fault, HADRON_ERR_DATABASE, "%.80s: %.*s", what, (int)strcspn(words, "\n"), words);
}

static int32_t result_end(PGconn *db, PGresult *r, const char *what, struct hd_fault *fault) {
  ExecStatusType status = PQresultStatus(r);
  int32_t code = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? HADRON_OK : link_fail(db, what, fault);
  PQclear(r);
  return code;
}

static int32_t link_script(void *link, const char *sql, struct hd_fault *fault) { return result_end(link, PQexec(link, sql), sql, fault); }

// Without this libpq writes the server's notices to standard error, across the screen.
static void notice_drop(void *self, const char *text) { (void)self, (void)text; }

static int32_t link_open(void **link, const char *url, struct hd_fault *fault) {
  char wait[WAIT_TEXT_SIZE], sql[128];
  snprintf(wait, sizeof wait, "%d", HD_DATABASE_WAIT_MS / 1000);
  const char *keys[] = {"connect_timeout", "dbname", "fallback_application_name", NULL}, *values[] = {wait, url, "hadron", NULL};
  PGconn *db = PQconnectdbParams(keys, values, 1);
  *link = db;
  if (!db) return hd_fault_set(fault, HADRON_ERR_MEMORY, "database: out of memory");
  if (PQstatus(db) != CONNECTION_OK) return link_fail(db, "connecting", fault);
  PQsetNoticeProcessor(db, notice_drop, NULL);
  snprintf(sql, sizeof sql, "SET client_min_messages = warning; SET client_encoding = 'UTF8'; SET statement_timeout = %d", HD_DATABASE_WAIT_MS);
  return link_script(db, sql, fault);
}

static void link_close(void *link) { PQfinish(link); }

// The value as text; NULL: SQL's NULL. room: for numbers.
static const char *value_text(const struct hd_value *v, char room[40]) {
  switch (v->kind) {
  case HD_VALUE_INTEGER: snprintf(room, 40, "%lld", (long long)v->as.integer); return room;
  case HD_VALUE_REAL: snprintf(room, 40, "%.17g", v->as.real); return isfinite(v->as.real) ? room : NULL;
  case HD_VALUE_TEXT: return v->as.text;
  case HD_VALUE_UUID: hd_hex_format(room, v->as.uuid, 16); return room;
  default: return NULL;
  }
}

static int32_t link_run(void *link, const char *sql, const struct hd_value *values, uint32_t count, char first[HD_DATABASE_TEXT],
                        struct hd_fault *fault) {
  char rooms[HD_DATABASE_VALUES_MAX][40];
  const char *texts[HD_DATABASE_VALUES_MAX];
  for (uint32_t i = 0; i < count; i++) texts[i] = value_text(&values[i], rooms[i]);
  PGresult *r = PQexecParams(link, sql, (int)count, NULL, texts, NULL, NULL, 0);
  if (first) hd_text_copy(first, HD_DATABASE_TEXT, PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
  return result_end(link, r, sql, fault);
}

const struct hd_database_api hd_database_postgres = {.dialect = "postgresql", .begin_migration = "BEGIN; SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ")",
                                                     .open = link_open, .close = link_close, .script = link_script, .run = link_run};
