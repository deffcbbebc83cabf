#include <math.h>
#include <poll.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "registry/database_internal.h"
#include "registry/libpq.h"

#define WAIT_TEXT_SIZE 16
#define MIGRATION_LOCK "4842" // the recorder's: one program at a time makes the tables
#define WRITER_LOCK "4843"    // one writing transaction at a time, as SQLite has it

// Object ids of pg_type that never change (src/include/catalog/pg_type.dat).
enum { TYPE_BOOL = 16, TYPE_INT8 = 20, TYPE_INT2 = 21, TYPE_INT4 = 23, TYPE_FLOAT4 = 700, TYPE_FLOAT8 = 701, TYPE_UUID = 2950 };

static int32_t link_fail(PGconn *db, const char *what, struct hd_fault *fault) {
  const char *words = hd_libpq.PQerrorMessage(db);
  return hd_fault_set(fault, HADRON_ERR_DATABASE, "%.80s: %.*s", what, (int)strcspn(words, "\n"), words);
}

static int32_t result_end(PGconn *db, PGresult *r, const char *what, struct hd_fault *fault) {
  ExecStatusType status = hd_libpq.PQresultStatus(r);
  int32_t code = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? HADRON_OK : link_fail(db, what, fault);
  hd_libpq.PQclear(r);
  return code;
}

static int32_t link_script(void *link, const char *sql, struct hd_fault *fault) { return result_end(link, hd_libpq.PQexec(link, sql), sql, fault); }

// Without this libpq writes the server's notices to standard error, across the screen.
static void notice_drop(void *self, const char *text) { (void)self, (void)text; }

static int32_t link_settle(PGconn *db, struct hd_fault *fault) {
  char sql[128];
  snprintf(sql, sizeof sql, "SET client_min_messages = warning; SET client_encoding = 'UTF8'; SET statement_timeout = %d", HD_DATABASE_WAIT_MS);
  return link_script(db, sql, fault);
}

static int32_t link_open(void **link, const char *url, struct hd_fault *fault) {
  char wait[WAIT_TEXT_SIZE];
  int32_t code = hd_libpq_open(fault);
  if (code) return code;
  snprintf(wait, sizeof wait, "%d", HD_DATABASE_WAIT_MS / 1000);
  char silence[WAIT_TEXT_SIZE]; // a server that is cut off says nothing at all
  snprintf(silence, sizeof silence, "%d", HD_DATABASE_WAIT_MS);
  const char *keys[] = {"connect_timeout", "tcp_user_timeout", "dbname", "fallback_application_name", NULL}, *values[] = {wait, silence, url, "hadron", NULL};
  PGconn *db = hd_libpq.PQconnectdbParams(keys, values, 1);
  *link = db;
  if (!db) return hd_fault_set(fault, HADRON_ERR_MEMORY, "database: out of memory");
  if (hd_libpq.PQstatus(db) != CONNECTION_OK) return link_fail(db, "connecting", fault);
  hd_libpq.PQsetNoticeProcessor(db, notice_drop, NULL);
  return link_settle(db, fault);
}

static void link_close(void *link) {
  if (link) hd_libpq.PQfinish(link);
}

// The value as text; NULL: SQL's NULL. room: for numbers.
static const char *value_text(const struct hd_sql_value *v, char room[40]) {
  switch (v->kind) {
  case HD_SQL_KIND_INTEGER: snprintf(room, 40, "%lld", (long long)v->as.integer); return room;
  case HD_SQL_KIND_REAL: snprintf(room, 40, "%.17g", v->as.real); return isfinite(v->as.real) ? room : NULL;
  case HD_SQL_KIND_TEXT: return v->as.text;
  case HD_SQL_KIND_UUID: hd_hex_format(room, v->as.uuid, 16); return room;
  default: return NULL;
  }
}

// "3f2a0000-…": hex digits with dashes anywhere.
static bool uuid_parse(uint8_t to[16], const char *text) {
  char digits[33];
  size_t n = 0;
  for (; *text && n < 32; text++)
    if (*text != '-') digits[n++] = *text;
  digits[n] = 0;
  return n == 32 && hd_hex_parse(to, digits, 16);
}

// libpq gives text; the column's type says what it stands for.
static struct hd_sql_value value_read(PGresult *r, int row, int column, uint8_t room[16]) {
  struct hd_sql_value v = HD_SQL_NULL;
  if (hd_libpq.PQgetisnull(r, row, column)) return v;
  const char *text = hd_libpq.PQgetvalue(r, row, column);
  switch (hd_libpq.PQftype(r, column)) {
  case TYPE_BOOL: return (struct hd_sql_value)HD_SQL_INTEGER(*text == 't');
  case TYPE_INT2: case TYPE_INT4: case TYPE_INT8: return (struct hd_sql_value)HD_SQL_INTEGER(strtoll(text, NULL, 10));
  case TYPE_FLOAT4: case TYPE_FLOAT8: return (struct hd_sql_value)HD_SQL_REAL(strtod(text, NULL));
  case TYPE_UUID: return uuid_parse(room, text) ? (struct hd_sql_value){HD_SQL_KIND_UUID, {.uuid = room}} : v;
  default: return (struct hd_sql_value)HD_SQL_TEXT(text);
  }
}

static int32_t rows_give(PGresult *r, hd_row_fn take, void *user, struct hd_fault *fault) {
  struct hd_sql_value values[HD_DATABASE_COLUMNS_MAX];
  uint8_t rooms[HD_DATABASE_COLUMNS_MAX][16];
  int rows = hd_libpq.PQntuples(r), columns = hd_libpq.PQnfields(r);
  HD_ASSERT(columns <= HD_DATABASE_COLUMNS_MAX);
  int32_t code = HADRON_OK;
  for (int row = 0; row < rows && !code; row++) {
    for (int i = 0; i < columns; i++) values[i] = value_read(r, row, i, rooms[i]);
    code = take(user, &(struct hd_row){values, (uint32_t)columns}, fault);
  }
  return code;
}

static int32_t link_run(void *link, const char *sql, const struct hd_sql_value *values, uint32_t count, hd_row_fn take, void *user,
                        uint64_t *changed, struct hd_fault *fault) {
  char rooms[HD_DATABASE_VALUES_MAX][40];
  const char *texts[HD_DATABASE_VALUES_MAX];
  for (uint32_t i = 0; i < count; i++) texts[i] = value_text(&values[i], rooms[i]);
  PGresult *r = hd_libpq.PQexecParams(link, sql, (int)count, NULL, texts, NULL, NULL, 0);
  ExecStatusType status = hd_libpq.PQresultStatus(r);
  *changed = strncmp(hd_libpq.PQcmdStatus(r), "SELECT", 6) != 0 ? strtoull(hd_libpq.PQcmdTuples(r), NULL, 10) : 0;
  int32_t code = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? HADRON_OK : link_fail(link, sql, fault);
  if (!code && take) code = rows_give(r, take, user, fault);
  hd_libpq.PQclear(r);
  return code;
}

// COMMIT of a transaction that failed before answers "ROLLBACK" and calls it a success.
static int32_t link_commit(void *link, struct hd_fault *fault) {
  PGresult *r = hd_libpq.PQexec(link, "COMMIT");
  bool done = hd_libpq.PQresultStatus(r) == PGRES_COMMAND_OK && strcmp(hd_libpq.PQcmdStatus(r), "COMMIT") == 0;
  int32_t code = done ? HADRON_OK : hd_libpq.PQresultStatus(r) == PGRES_COMMAND_OK
    ? hd_fault_set(fault, HADRON_ERR_DATABASE, "COMMIT: a statement of the transaction had failed, so the server rolled it back") : link_fail(link, "COMMIT", fault);
  hd_libpq.PQclear(r);
  return code;
}

// A connection that the server ended while nobody looked is found by reading: its last words first, then its end.
static bool link_alive(PGconn *db) {
  struct pollfd p = {.fd = hd_libpq.PQsocket(db), .events = POLLIN};
  for (int i = 0; i < 8 && hd_libpq.PQstatus(db) == CONNECTION_OK && poll(&p, 1, 0) > 0; i++)
    if (hd_libpq.PQconsumeInput(db) != 1) return false;
  return hd_libpq.PQstatus(db) == CONNECTION_OK;
}

static int32_t link_renew(void *link, struct hd_fault *fault) {
  if (link_alive(link)) return HADRON_OK;
  hd_libpq.PQreset(link);
  return hd_libpq.PQstatus(link) == CONNECTION_OK ? link_settle(link, fault) : link_fail(link, "connecting again", fault);
}

static int32_t link_listen(void *link, const char *channel, int *fd, struct hd_fault *fault) {
  char sql[128];
  snprintf(sql, sizeof sql, "LISTEN %.63s", channel); // a name of this program, not of a user
  int32_t code = link_script(link, sql, fault);
  *fd = hd_libpq.PQsocket(link);
  return code;
}

static bool link_heard(void *link) {
  bool heard = hd_libpq.PQconsumeInput(link) != 1 || hd_libpq.PQstatus(link) != CONNECTION_OK;
  for (PGnotify *n; (n = hd_libpq.PQnotifies(link)) != NULL; hd_libpq.PQfreemem(n)) heard = true;
  return heard;
}

const struct hd_database_api hd_database_postgres = {
  .dialect = "postgresql", .shared = true, .begin_migration = "BEGIN; SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ")",
  .begin = "BEGIN; SELECT pg_advisory_xact_lock(" WRITER_LOCK ")", .open = link_open, .close = link_close, .script = link_script,
  .run = link_run, .commit = link_commit, .renew = link_renew, .listen = link_listen, .heard = link_heard};
