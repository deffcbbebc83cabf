// SQLite: rows go straight into the open transaction, by one prepared statement per table. WAL, so that readers are never in the
// way; synchronous=FULL, so that what the journal may forget is really stored.
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migration.h"
#include "store.h"

#define SQL_SIZE 4096

struct store {
  sqlite3 *db;
  sqlite3_stmt *inserts[TABLE_COUNT], *follows[TABLE_COUNT], *move;
  bool open_batch, touched[TABLE_COUNT];
  const struct store_limits *limits; // borrowed
  char *error; // the caller's
};

// What a failure means. BUSY and LOCKED pass by themselves, as what is not named here may.
static int32_t code_meaning(int code) {
  switch (code & 0xff) {
  case SQLITE_ERROR: // a table or a column is not what the statement wants
  case SQLITE_SCHEMA:
  case SQLITE_CONSTRAINT:
  case SQLITE_MISMATCH: return HADRON_ERR_CONFIG;
  case SQLITE_CANTOPEN: return HADRON_ERR_NOT_FOUND;
  case SQLITE_PERM:
  case SQLITE_AUTH:
  case SQLITE_READONLY: return HADRON_ERR_PERMISSION;
  case SQLITE_FULL:
  case SQLITE_IOERR: return HADRON_ERR_IO;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB: return HADRON_ERR_CORRUPT;
  default: return HADRON_ERR_DATABASE;
  }
}

static int32_t store_fail(struct store *s, const char *what) {
  snprintf(s->error, STORE_ERROR_SIZE, "%.100s: %.370s", what, sqlite3_errmsg(s->db));
  return code_meaning(sqlite3_extended_errcode(s->db));
}

// How long a lock is waited for depends on when this is.
static void store_patience(struct store *s) { sqlite3_busy_timeout(s->db, store_left_ms(s->limits, s->limits->wait_ms)); }

static int32_t store_exec(struct store *s, const char *sql, const char *what) {
  return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? HADRON_OK : store_fail(s, what);
}

static int32_t store_prepare(struct store *s, const char *sql, sqlite3_stmt **statement) {
  if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK) return HADRON_OK;
  return store_fail(s, sql);
}

// ---- Migrations.

// The database's own list against ours: 1 << number for each that is applied. Another content, or one that we do not know, is refused.
static int32_t migrations_read(struct store *s, uint64_t *applied) {
  sqlite3_stmt *q = NULL;
  int32_t rc = store_prepare(s, "SELECT number, name, sha256 FROM schema_migrations ORDER BY number", &q);
  int step = SQLITE_DONE;
  while (rc == HADRON_OK && (step = sqlite3_step(q)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(q, 1), *sha256 = (const char *)sqlite3_column_text(q, 2);
    const struct migration *m = migration_of("sqlite", sqlite3_column_int(q, 0));
    if (m && sha256 && strcmp(sha256, m->sha256) == 0)
      *applied |= UINT64_C(1) << m->number;
    else
      rc = migration_refuse(m, sqlite3_column_int(q, 0), name ? name : "", sha256 ? sha256 : "", s->error);
  }
  if (rc == HADRON_OK && step != SQLITE_DONE) rc = store_fail(s, "reading schema_migrations");
  sqlite3_finalize(q);
  return rc;
}

static int32_t migration_apply(struct store *s, const struct migration *m) {
  int32_t rc = store_exec(s, m->script, m->name);
  sqlite3_stmt *q = NULL;
  if (rc == HADRON_OK) rc = store_prepare(s, "INSERT INTO schema_migrations (number, name, sha256) VALUES (?1, ?2, ?3)", &q);
  if (rc != HADRON_OK) return rc;
  sqlite3_bind_int(q, 1, m->number);
  sqlite3_bind_text(q, 2, m->name, -1, SQLITE_STATIC);
  sqlite3_bind_text(q, 3, m->sha256, -1, SQLITE_STATIC);
  rc = sqlite3_step(q) == SQLITE_DONE ? HADRON_OK : store_fail(s, "recording a migration");
  sqlite3_finalize(q);
  return rc;
}

static int32_t store_migrate(struct store *s) {
  int32_t rc = store_exec(s, "BEGIN IMMEDIATE", "begin");
  if (rc != HADRON_OK) return rc;
  rc = store_exec(s, "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)",
                  "schema_migrations");
  uint64_t applied = 0;
  if (rc == HADRON_OK) rc = migrations_read(s, &applied);
  for (const struct migration *m = migrations; m->script && rc == HADRON_OK; m++)
    if (strcmp(m->dialect, "sqlite") == 0 && !(applied >> m->number & 1)) rc = migration_apply(s, m);
  if (rc == HADRON_OK) return store_exec(s, "COMMIT", "commit of the migrations");
  sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
  return rc;
}

// ---- Statements.

static int32_t insert_prepare(struct store *s, const struct table *t, sqlite3_stmt **statement) {
  char sql[SQL_SIZE];
  int n = snprintf(sql, sizeof sql, "INSERT INTO %s (", t->name);
  for (uint16_t i = 0; i < t->count; i++) n += snprintf(sql + n, sizeof sql - (size_t)n, i ? ", %s" : "%s", t->columns[i].name);
  n += snprintf(sql + n, sizeof sql - (size_t)n, ") VALUES (");
  for (uint16_t i = 0; i < t->count; i++) n += snprintf(sql + n, sizeof sql - (size_t)n, i ? ", ?" : "?");
  n += snprintf(sql + n, sizeof sql - (size_t)n, ")");
  for (uint16_t i = 0; i < t->keys; i++)
    n += snprintf(sql + n, sizeof sql - (size_t)n, i ? ", %s" : " ON CONFLICT (%s", t->columns[i].name);
  for (uint16_t i = t->keys; t->keys && i < t->count; i++)
    n += snprintf(sql + n, sizeof sql - (size_t)n, "%s%s = excluded.%s", i == t->keys ? ") DO UPDATE SET " : ", ", t->columns[i].name,
                  t->columns[i].name);
  return store_prepare(s, sql, statement);
}

static int32_t store_statements(struct store *s) {
  int32_t rc = store_prepare(s, "UPDATE recorder_cursor SET position = ?1, records = ?2 WHERE journal = ?3 AND position = ?4", &s->move);
  for (uint32_t t = 0; t < TABLE_COUNT && rc == HADRON_OK; t++) {
    rc = insert_prepare(s, &tables[t], &s->inserts[t]);
    if (rc == HADRON_OK && tables[t].follow) rc = store_prepare(s, tables[t].follow, &s->follows[t]);
  }
  return rc;
}

static void sqlite_close(struct store *s) {
  for (uint32_t t = 0; t < TABLE_COUNT; t++) sqlite3_finalize(s->inserts[t]), sqlite3_finalize(s->follows[t]);
  sqlite3_finalize(s->move);
  sqlite3_close(s->db); // an open transaction rolls back
  free(s);
}

static int32_t sqlite_open(struct store **store, const char *url, const struct store_limits *limits, char error[STORE_ERROR_SIZE]) {
  struct store *s = calloc(1, sizeof *s);
  if (!s) return HADRON_ERR_MEMORY;
  s->error = error;
  s->limits = limits;
  const char *path = url + strlen("sqlite:");
  int32_t rc = HADRON_OK;
  if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
    rc = store_fail(s, path);
  if (rc == HADRON_OK) {
    store_patience(s);
    rc = store_exec(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8192", path);
  }
  if (rc == HADRON_OK) rc = store_migrate(s);
  if (rc == HADRON_OK) rc = store_statements(s);
  if (rc == HADRON_ERR_NOT_FOUND && access(path, F_OK) == 0) rc = HADRON_ERR_PERMISSION; // it is there, and once it was good
  if (rc != HADRON_OK) {
    sqlite_close(s);
    return rc;
  }
  *store = s;
  return HADRON_OK;
}

static int32_t place_read(struct store *s, const uint8_t journal[16], struct store_place *place) {
  sqlite3_stmt *q = NULL;
  int32_t rc = store_prepare(s, "SELECT j.id, c.position, c.records FROM hadron_journals j JOIN recorder_cursor c ON c.journal = j.id"
                                " WHERE j.journal = ?1", &q);
  if (rc != HADRON_OK) return rc;
  sqlite3_bind_blob(q, 1, journal, 16, SQLITE_STATIC);
  int step = sqlite3_step(q);
  if (step == SQLITE_ROW)
    *place = (struct store_place){sqlite3_column_int(q, 0), (uint64_t)sqlite3_column_int64(q, 1), (uint64_t)sqlite3_column_int64(q, 2)};
  rc = step == SQLITE_ROW ? HADRON_OK : step == SQLITE_DONE ? HADRON_ERR_NOT_FOUND : store_fail(s, "reading the cursor");
  sqlite3_finalize(q);
  return rc;
}

static int32_t place_enter(struct store *s, const uint8_t journal[16]) {
  sqlite3_stmt *q = NULL;
  int32_t rc = store_exec(s, "BEGIN IMMEDIATE", "begin");
  if (rc == HADRON_OK) rc = store_prepare(s, "INSERT INTO hadron_journals (journal) VALUES (?1) ON CONFLICT (journal) DO NOTHING", &q);
  if (rc == HADRON_OK) {
    sqlite3_bind_blob(q, 1, journal, 16, SQLITE_STATIC);
    rc = sqlite3_step(q) == SQLITE_DONE ? HADRON_OK : store_fail(s, "entering the journal");
  }
  sqlite3_finalize(q);
  if (rc == HADRON_OK)
    rc = store_exec(s, "INSERT INTO recorder_cursor (journal, position, records) SELECT id, 0, 0 FROM hadron_journals WHERE true"
                       " ON CONFLICT (journal) DO NOTHING; COMMIT", "entering the journal");
  return rc;
}

static int32_t sqlite_place(struct store *s, const uint8_t journal[16], struct store_place *place) {
  int32_t rc = place_read(s, journal, place);
  if (rc != HADRON_ERR_NOT_FOUND) return rc;
  rc = place_enter(s, journal);
  return rc == HADRON_OK ? place_read(s, journal, place) : rc;
}

static int32_t sqlite_snapshots(struct store *s, int32_t journal, int32_t (*take)(void *self, const struct snapshot *snapshot),
                                void *self) {
  sqlite3_stmt *q = NULL;
  int32_t rc = store_prepare(s, "SELECT instrument, max(time_ns), last_price, last_size, bid, ask, bid_size, ask_size"
                                " FROM market_snapshots WHERE journal = ?1 GROUP BY instrument", &q);
  if (rc != HADRON_OK) return rc;
  sqlite3_bind_int(q, 1, journal);
  int step;
  while (rc == HADRON_OK && (step = sqlite3_step(q)) != SQLITE_DONE) {
    if (step != SQLITE_ROW) {
      rc = store_fail(s, "reading market_snapshots");
      break;
    }
    int64_t v[8];
    for (int i = 0; i < 8; i++) v[i] = sqlite3_column_int64(q, i);
    rc = take(self, &(struct snapshot){(uint32_t)v[0], 0, v[1], v[2], v[3], v[4], v[5], v[6], v[7]});
  }
  sqlite3_finalize(q);
  return rc;
}

static int32_t sqlite_day(struct store *s, int64_t day) {
  (void)s, (void)day; // one table holds all days
  return HADRON_OK;
}

static void column_bind(sqlite3_stmt *q, int i, const struct column *c, const struct row *row) {
  const unsigned char *at = row->block + c->offset;
  int64_t wide = 0;
  double real;
  char text[COLUMN_TEXT_SIZE];
  switch (c->type) {
  case COLUMN_JOURNAL: sqlite3_bind_int(q, i, row->journal); return;
  case COLUMN_POSITION: sqlite3_bind_int64(q, i, (int64_t)row->position); return;
  case COLUMN_TIME: sqlite3_bind_int64(q, i, row->time_ns); return;
  case COLUMN_I64: memcpy(&wide, at, 8); sqlite3_bind_int64(q, i, wide); return;
  case COLUMN_U32: memcpy(&wide, at, 4); sqlite3_bind_int(q, i, (int32_t)wide); return;
  case COLUMN_U16: memcpy(&wide, at, 2); sqlite3_bind_int64(q, i, wide); return;
  case COLUMN_U8: sqlite3_bind_int(q, i, *at); return;
  case COLUMN_F64: // NaN would become NULL, which the column refuses: a strategy's slip must not stop the recorder
    memcpy(&real, at, 8);
    sqlite3_bind_double(q, i, real == real ? real : 0.0);
    return;
  case COLUMN_UUID: sqlite3_bind_blob(q, i, at, 16, SQLITE_STATIC); return;
  default: sqlite3_bind_text(q, i, text, (int)column_text(c, row, text), SQLITE_TRANSIENT); return;
  }
}

static int32_t sqlite_row(struct store *s, enum table_number table, const struct row *row) {
  if (!s->open_batch) {
    store_patience(s);
    int32_t rc = store_exec(s, "BEGIN IMMEDIATE", "begin");
    if (rc != HADRON_OK) return rc;
    s->open_batch = true;
  }
  sqlite3_stmt *q = s->inserts[table];
  for (int i = 0; i < tables[table].count; i++) column_bind(q, i + 1, &tables[table].columns[i], row);
  int step = sqlite3_step(q);
  int32_t rc = step == SQLITE_DONE ? HADRON_OK : store_fail(s, tables[table].name);
  sqlite3_reset(q);
  s->touched[table] = true;
  return rc;
}

static int32_t follow_run(struct store *s, enum table_number t, const struct store_place *from, uint64_t position) {
  sqlite3_stmt *q = s->follows[t];
  sqlite3_bind_int(q, 1, from->journal);
  sqlite3_bind_int64(q, 2, (int64_t)from->position);
  sqlite3_bind_int64(q, 3, (int64_t)position);
  int32_t rc = sqlite3_step(q) == SQLITE_DONE ? HADRON_OK : store_fail(s, tables[t].name);
  sqlite3_reset(q);
  return rc;
}

static int32_t sqlite_commit(struct store *s, const struct store_place *from, uint64_t position, uint64_t records) {
  store_patience(s);
  int32_t rc = s->open_batch ? HADRON_OK : store_exec(s, "BEGIN IMMEDIATE", "begin");
  s->open_batch = true;
  for (uint32_t t = 0; t < TABLE_COUNT && rc == HADRON_OK; t++)
    if (s->touched[t] && s->follows[t]) rc = follow_run(s, (enum table_number)t, from, position);
  if (rc != HADRON_OK) return rc;
  sqlite3_bind_int64(s->move, 1, (int64_t)position);
  sqlite3_bind_int64(s->move, 2, (int64_t)records);
  sqlite3_bind_int(s->move, 3, from->journal);
  sqlite3_bind_int64(s->move, 4, (int64_t)from->position);
  rc = sqlite3_step(s->move) == SQLITE_DONE ? HADRON_OK : store_fail(s, "moving the cursor");
  sqlite3_reset(s->move);
  if (rc == HADRON_OK && sqlite3_changes(s->db) != 1) {
    snprintf(s->error, STORE_ERROR_SIZE, "another recorder has moved the cursor of this journal");
    return HADRON_ERR_STATE;
  }
  if (rc == HADRON_OK) rc = store_exec(s, "COMMIT", "commit");
  if (rc == HADRON_OK) s->open_batch = false, memset(s->touched, 0, sizeof s->touched);
  return rc;
}

const struct store_api sqlite_store = {.open = sqlite_open,
                                       .place = sqlite_place,
                                       .snapshots = sqlite_snapshots,
                                       .day = sqlite_day,
                                       .row = sqlite_row,
                                       .commit = sqlite_commit,
                                       .close = sqlite_close};
