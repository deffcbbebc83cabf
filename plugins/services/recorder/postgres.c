// PostgreSQL: rows become binary COPY text in memory, one buffer per table and, for ticks, per day, which goes straight into that
// day's partition. A batch is one transaction: lock the cursor (against a second recorder, and against a forgotten twin of ours),
// COPY, follow-up statements, move the cursor, commit. The ticks of a batch's first day are sent while the rest is still being
// read, so that the server works meanwhile.
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "migration.h"

#define SQL_SIZE 8192
#define DAYS_MAX 32        // of ticks in one batch
#define KNOWN_DAYS 64      // partitions remembered as made; more are asked for again
#define SEND_CHUNK 65536
#define STREAM_BYTES 131072 // of ticks: from here on they are sent before the batch is full
#define BATCH_BYTES (UINT64_C(64) << 20) // of rows in memory
#define MIGRATION_LOCK "4842"

struct buffer {
  unsigned char *bytes; // owned
  size_t size, room;
  uint64_t rows;
  int64_t day; // ticks only
};

struct store {
  struct link link;
  struct buffer plain[TABLE_COUNT], ticks[DAYS_MAX];
  uint32_t days;
  int64_t known[KNOWN_DAYS];
  uint32_t known_count;
  struct store_place place; // as last read or committed
  bool begun;               // the batch's transaction is open
  bool streaming;           // ticks[0] is being sent
  uint64_t bytes;           // of the rows in memory
};

// ---- Migrations.

// The database's own list against ours: 1 << number for each that is applied. Another content, or one that we do not know, is refused.
static int32_t migrations_read(struct store *s, uint64_t *applied) {
  PGresult *r = NULL;
  int32_t rc = link_query(&s->link, "SELECT number, name, sha256 FROM schema_migrations ORDER BY number", &r, "reading schema_migrations");
  for (int i = 0; rc == HADRON_OK && i < PQntuples(r); i++) {
    const struct migration *m = migration_of("postgresql", atoi(PQgetvalue(r, i, 0)));
    if (m && strcmp(PQgetvalue(r, i, 2), m->sha256) == 0)
      *applied |= UINT64_C(1) << m->number;
    else
      rc = migration_refuse(m, atoi(PQgetvalue(r, i, 0)), PQgetvalue(r, i, 1), PQgetvalue(r, i, 2), s->link.error);
  }
  PQclear(r);
  return rc;
}

static int32_t migration_apply(struct store *s, const struct migration *m) {
  char number[16];
  snprintf(number, sizeof number, "%d", m->number);
  int32_t rc = link_query(&s->link, m->script, NULL, m->name);
  if (rc != HADRON_OK) return rc;
  return link_query_params(&s->link, "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)", 3,
                           (const char *[]){number, m->name, m->sha256}, NULL, "recording a migration");
}

static int32_t store_migrate(struct store *s) {
  uint64_t applied = 0;
  int32_t rc = link_query(&s->link, "BEGIN; SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ");"
                             " CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)",
                          NULL, "schema_migrations");
  if (rc == HADRON_OK) rc = migrations_read(s, &applied);
  for (const struct migration *m = migrations; m->script && rc == HADRON_OK; m++)
    if (strcmp(m->dialect, "postgresql") == 0 && !(applied >> m->number & 1)) rc = migration_apply(s, m);
  return rc == HADRON_OK ? link_query(&s->link, "COMMIT", NULL, "commit of the migrations") : rc;
}

// Tables whose rows replace older ones are copied into a temporary twin first.
static int32_t store_stages(struct store *s) {
  int32_t rc = HADRON_OK;
  for (uint32_t t = 0; t < TABLE_COUNT && rc == HADRON_OK; t++) {
    if (!tables[t].keys) continue;
    char sql[256];
    snprintf(sql, sizeof sql, "CREATE TEMP TABLE stage_%s (LIKE %s) ON COMMIT DELETE ROWS", tables[t].name, tables[t].name);
    rc = link_query(&s->link, sql, NULL, tables[t].name);
  }
  return rc;
}

static void postgres_close(struct store *s) {
  link_close(&s->link);
  for (uint32_t t = 0; t < TABLE_COUNT; t++) free(s->plain[t].bytes);
  for (uint32_t d = 0; d < DAYS_MAX; d++) free(s->ticks[d].bytes);
  free(s);
}

static int32_t postgres_open(struct store **store, const char *url, const struct store_limits *limits, char error[STORE_ERROR_SIZE]) {
  struct store *s = calloc(1, sizeof *s);
  if (!s) return HADRON_ERR_MEMORY;
  s->link = (struct link){.limits = limits, .error = error};
  int32_t rc = link_open(&s->link, url);
  if (rc == HADRON_OK) rc = store_migrate(s);
  if (rc == HADRON_OK) rc = store_stages(s);
  if (rc != HADRON_OK) {
    postgres_close(s);
    return rc;
  }
  *store = s;
  return HADRON_OK;
}

// ---- Place and snapshots.

static void uuid_text(const uint8_t id[16], char text[33]) {
  for (int i = 0; i < 16; i++) snprintf(text + 2 * i, 3, "%02x", id[i]);
}

static int32_t postgres_place(struct store *s, const uint8_t journal[16], struct store_place *place) {
  char id[33];
  uuid_text(journal, id);
  const char *values[] = {id};
  int32_t rc = link_query_params(&s->link, "INSERT INTO hadron_journals (journal) SELECT $1::uuid WHERE NOT EXISTS"
                                    " (SELECT 1 FROM hadron_journals WHERE journal = $1::uuid) ON CONFLICT (journal) DO NOTHING",
                                 1, values, NULL, "entering the journal");
  if (rc == HADRON_OK)
    rc = link_query_params(&s->link, "INSERT INTO recorder_cursor (journal, position, records) SELECT id, 0, 0 FROM hadron_journals"
                              " WHERE journal = $1::uuid ON CONFLICT (journal) DO NOTHING", 1, values, NULL, "entering the cursor");
  PGresult *r = NULL;
  if (rc == HADRON_OK)
    rc = link_query_params(&s->link, "SELECT j.id, c.position, c.records FROM hadron_journals j JOIN recorder_cursor c ON c.journal = j.id"
                              " WHERE j.journal = $1::uuid", 1, values, &r, "reading the cursor");
  if (rc != HADRON_OK) return rc;
  if (PQntuples(r) == 1)
    *place = (struct store_place){(int32_t)strtol(PQgetvalue(r, 0, 0), NULL, 10), (uint64_t)strtoll(PQgetvalue(r, 0, 1), NULL, 10),
                                  (uint64_t)strtoll(PQgetvalue(r, 0, 2), NULL, 10)};
  else
    rc = HADRON_ERR_DATABASE, snprintf(s->link.error, STORE_ERROR_SIZE, "recorder_cursor has no row for journal %s", id);
  PQclear(r);
  if (rc == HADRON_OK) s->place = *place;
  return rc;
}

static int32_t postgres_snapshots(struct store *s, int32_t journal, int32_t (*take)(void *self, const struct snapshot *snapshot),
                                  void *self) {
  char number[16];
  snprintf(number, sizeof number, "%d", journal);
  PGresult *r = NULL;
  int32_t rc = link_query_params(&s->link, "SELECT DISTINCT ON (instrument) instrument, time_ns, last_price, last_size, bid, ask, bid_size, ask_size"
                                    " FROM market_snapshots WHERE journal = $1 ORDER BY instrument, time_ns DESC",
                                 1, (const char *[]){number}, &r, "reading market_snapshots");
  for (int i = 0; rc == HADRON_OK && i < PQntuples(r); i++) {
    int64_t v[8];
    for (int k = 0; k < 8; k++) v[k] = strtoll(PQgetvalue(r, i, k), NULL, 10);
    rc = take(self, &(struct snapshot){(uint32_t)v[0], 0, v[1], v[2], v[3], v[4], v[5], v[6], v[7]});
  }
  PQclear(r);
  return rc;
}

// ---- Partitions.

// Proleptic Gregorian date of a day since the epoch, as YYYYMMDD (algorithm: days to civil, H. Hinnant).
static int day_number(int64_t day) {
  int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  int64_t mp = (5 * doy + 2) / 153, d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;
  return (int)((yoe + era * 400 + (m <= 2)) * 10000 + m * 100 + d);
}

static int32_t postgres_day(struct store *s, int64_t day) {
  for (uint32_t i = 0; i < s->known_count && i < KNOWN_DAYS; i++)
    if (s->known[i] == day) return HADRON_OK;
  char sql[512];
  // int64 ends within the last day of 2262 and the first of 1677: their outer bounds stay inside it.
  int64_t from = 0, to = INT64_MAX;
  if (__builtin_mul_overflow(day, DAY_NS, &from)) from = INT64_MIN;
  if (__builtin_mul_overflow(day + 1, DAY_NS, &to)) to = INT64_MAX;
  snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS hadron_ticks_%08d PARTITION OF hadron_ticks FOR VALUES FROM ('%lld') TO ('%lld')",
           day_number(day), (long long)from, (long long)to);
  int32_t rc = link_query(&s->link, sql, NULL, "making a partition");
  if (rc == HADRON_OK) s->known[s->known_count++ % KNOWN_DAYS] = day;
  return rc;
}

// ---- Rows.

static int32_t buffer_reserve(struct buffer *b, size_t more) {
  if (b->size + more <= b->room) return HADRON_OK;
  size_t room = b->room ? b->room * 2 : 65536;
  while (room < b->size + more) room *= 2;
  unsigned char *bytes = realloc(b->bytes, room);
  if (!bytes) return HADRON_ERR_MEMORY;
  b->bytes = bytes;
  b->room = room;
  return HADRON_OK;
}

static inline unsigned char *put16(unsigned char *p, uint16_t v) { return v = htobe16(v), memcpy(p, &v, 2), p + 2; }
static inline unsigned char *put32(unsigned char *p, uint32_t v) { return v = htobe32(v), memcpy(p, &v, 4), p + 4; }
static inline unsigned char *put64(unsigned char *p, uint64_t v) { return v = htobe64(v), memcpy(p, &v, 8), p + 8; }

static unsigned char *column_put(unsigned char *p, const struct column *c, const struct row *row) {
  const unsigned char *at = row->block + c->offset;
  uint64_t wide = 0;
  uint32_t word;
  uint16_t half;
  switch (c->type) {
  case COLUMN_JOURNAL: return put32(put32(p, 4), (uint32_t)row->journal);
  case COLUMN_POSITION: return put64(put32(p, 8), row->position);
  case COLUMN_TIME: return put64(put32(p, 8), (uint64_t)row->time_ns);
  case COLUMN_F64: // the bits of a double travel as they are; NaN is a value to PostgreSQL
  case COLUMN_I64: return memcpy(&wide, at, 8), put64(put32(p, 8), wide);
  case COLUMN_U32: return memcpy(&word, at, 4), put32(put32(p, 4), word);
  case COLUMN_U16: return memcpy(&half, at, 2), put32(put32(p, 4), half);
  case COLUMN_U8: return put16(put32(p, 2), *at);
  case COLUMN_UUID: return memcpy(put32(p, 16), at, 16), p + 20;
  default: {
    size_t n = column_text(c, row, (char *)p + 4);
    return put32(p, (uint32_t)n) + n;
  }
  }
}

// Most that a row of this table can take.
static size_t row_size_max(const struct table *t) { return 2 + (size_t)t->count * 12 + 2 * (size_t)t->block_size + 16; }

static struct buffer *buffer_of(struct store *s, enum table_number table, const struct row *row) {
  if (table != TABLE_TICKS) return &s->plain[table];
  int64_t event_ns;
  memcpy(&event_ns, row->block + offsetof(struct hadron_tick, event_ns), sizeof event_ns);
  int64_t day = day_of(event_ns);
  for (uint32_t d = s->days; d-- > 0;)
    if (s->ticks[d].day == day) return &s->ticks[d];
  if (s->days == DAYS_MAX) return NULL;
  s->ticks[s->days].day = day;
  return &s->ticks[s->days++];
}

// Opens the batch's transaction and makes sure that the place is where we believe it is, and stays there.
static int32_t batch_begin(struct store *s) {
  if (s->begun) return HADRON_OK;
  char sql[128];
  snprintf(sql, sizeof sql, "BEGIN; SELECT position FROM recorder_cursor WHERE journal = %d FOR UPDATE", s->place.journal);
  PGresult *r = NULL;
  int32_t rc = link_query(&s->link, sql, &r, "locking the cursor");
  if (rc != HADRON_OK) return rc;
  bool ours = PQntuples(r) == 1 && (uint64_t)strtoll(PQgetvalue(r, 0, 0), NULL, 10) == s->place.position;
  PQclear(r);
  s->begun = ours;
  if (ours) return HADRON_OK;
  snprintf(s->link.error, STORE_ERROR_SIZE, "another recorder has moved the cursor of this journal");
  return HADRON_ERR_STATE;
}

static int32_t copy_begin(struct store *s, const char *target, const struct table *t) {
  char sql[SQL_SIZE];
  int n = snprintf(sql, sizeof sql, "COPY %s (", target);
  for (uint16_t i = 0; i < t->count; i++) n += snprintf(sql + n, sizeof sql - (size_t)n, i ? ", %s" : "%s", t->columns[i].name);
  snprintf(sql + n, sizeof sql - (size_t)n, ") FROM STDIN (FORMAT binary)");
  return link_copy_begin(&s->link, sql, target);
}

static int32_t copy_end(struct store *s, struct buffer *b, const char *target) {
  int32_t rc = HADRON_OK;
  put16(b->bytes + b->size, 0xffff); // room was kept
  b->size += 2;
  for (size_t at = 0; at < b->size && rc == HADRON_OK; at += SEND_CHUNK) {
    rc = link_copy_put(&s->link, b->bytes + at, b->size - at < SEND_CHUNK ? b->size - at : SEND_CHUNK, target);
    if (rc == HADRON_OK) rc = link_flush(&s->link, target);
  }
  return rc == HADRON_OK ? link_copy_end(&s->link, target) : rc;
}

static void day_target(char target[96], int64_t day) { snprintf(target, 96, "hadron_ticks_%08d", day_number(day)); }

// Hands what the first day's buffer holds to libpq, which sends as much as the socket takes and keeps the rest. What it still keeps of
// the last time goes first: while it is sent the server has enough to do, and libpq moves all that it keeps after every partial send.
static int32_t stream_push(struct store *s) {
  struct buffer *b = &s->ticks[0];
  char target[96];
  int32_t rc = HADRON_OK;
  day_target(target, b->day);
  if (!s->streaming) {
    rc = postgres_day(s, b->day);
    if (rc == HADRON_OK) rc = batch_begin(s);
    if (rc == HADRON_OK) rc = copy_begin(s, target, &tables[TABLE_TICKS]);
    if (rc != HADRON_OK) return rc;
    s->streaming = true;
  }
  rc = link_flush(&s->link, target);
  if (rc != HADRON_OK) return rc;
  rc = link_copy_put(&s->link, b->bytes, b->size, target);
  if (rc != HADRON_OK) return rc;
  s->bytes -= b->size;
  b->size = 0;
  return HADRON_OK;
}

static int32_t postgres_row(struct store *s, enum table_number table, const struct row *row) {
  static const unsigned char header[19] = "PGCOPY\n\377\r\n";
  const struct table *t = &tables[table];
  struct buffer *b = buffer_of(s, table, row);
  if (!b || s->bytes >= BATCH_BYTES) return HADRON_ERR_FULL;
  if (buffer_reserve(b, row_size_max(t) + sizeof header + 2) != HADRON_OK) {
    snprintf(s->link.error, STORE_ERROR_SIZE, "no memory for a batch of %zu bytes", b->size);
    return HADRON_ERR_MEMORY;
  }
  size_t before = b->size;
  if (b->rows == 0) memcpy(b->bytes, header, sizeof header), b->size = sizeof header;
  unsigned char *p = put16(b->bytes + b->size, t->count);
  for (uint16_t i = 0; i < t->count; i++) p = column_put(p, &t->columns[i], row);
  b->size = (size_t)(p - b->bytes);
  b->rows++;
  s->bytes += b->size - before;
  return b == &s->ticks[0] && b->size >= STREAM_BYTES ? stream_push(s) : HADRON_OK;
}

static int32_t buffer_copy(struct store *s, struct buffer *b, const char *target, const struct table *t) {
  int32_t rc = b->rows ? copy_begin(s, target, t) : HADRON_OK;
  return rc == HADRON_OK && b->rows ? copy_end(s, b, target) : rc;
}

// The twin's rows into the table: of each key the last one.
static int32_t stage_merge(struct store *s, const struct table *t) {
  char sql[SQL_SIZE], columns[1024], keys[256], sets[2048];
  size_t c = 0, k = 0, u = 0;
  for (uint16_t i = 0; i < t->count; i++) {
    const char *name = t->columns[i].name;
    c += (size_t)snprintf(columns + c, sizeof columns - c, i ? ", %s" : "%s", name);
    if (i < t->keys) k += (size_t)snprintf(keys + k, sizeof keys - k, i ? ", %s" : "%s", name);
    if (i >= t->keys) u += (size_t)snprintf(sets + u, sizeof sets - u, i > t->keys ? ", %s = excluded.%s" : "%s = excluded.%s", name, name);
  }
  snprintf(sql, sizeof sql, "INSERT INTO %s (%s) SELECT DISTINCT ON (%s) %s FROM stage_%s ORDER BY %s, position DESC"
           " ON CONFLICT (%s) DO UPDATE SET %s", t->name, columns, keys, columns, t->name, keys, keys, sets);
  return link_query(&s->link, sql, NULL, t->name);
}

static int32_t ticks_write(struct store *s) {
  int32_t rc = HADRON_OK;
  char target[96];
  for (uint32_t d = 0; d < s->days && rc == HADRON_OK; d++) {
    struct buffer *b = &s->ticks[d];
    day_target(target, b->day);
    rc = buffer_copy(s, b, target, &tables[TABLE_TICKS]);
  }
  return rc;
}

static int32_t tables_write(struct store *s, const char *const range[3]) {
  int32_t rc = HADRON_OK;
  char target[96];
  for (uint32_t i = 0; i < TABLE_COUNT && rc == HADRON_OK; i++) {
    const struct table *t = &tables[i];
    if (!s->plain[i].rows) continue;
    snprintf(target, sizeof target, t->keys ? "stage_%s" : "%s", t->name);
    rc = buffer_copy(s, &s->plain[i], target, t);
    if (rc == HADRON_OK && t->keys) rc = stage_merge(s, t);
    if (rc == HADRON_OK && t->follow) rc = link_query_params(&s->link, t->follow, 3, range, NULL, t->name);
  }
  return rc;
}

static void buffers_empty(struct store *s) {
  for (uint32_t t = 0; t < TABLE_COUNT; t++) s->plain[t].size = 0, s->plain[t].rows = 0;
  for (uint32_t d = 0; d < s->days; d++) s->ticks[d].size = 0, s->ticks[d].rows = 0;
  s->days = 0;
  s->bytes = 0;
}

// Ends the running COPY, then makes the partitions that the batch's other days still lack, inside the transaction.
static int32_t stream_days(struct store *s) {
  char target[96];
  day_target(target, s->ticks[0].day);
  int32_t rc = HADRON_OK;
  if (s->streaming) {
    rc = buffer_reserve(&s->ticks[0], 2) == HADRON_OK ? copy_end(s, &s->ticks[0], target) : HADRON_ERR_MEMORY;
    s->streaming = false;
    s->ticks[0].rows = 0; // done
  }
  for (uint32_t d = 1; d < s->days && rc == HADRON_OK; d++) rc = postgres_day(s, s->ticks[d].day);
  return rc;
}

static int32_t postgres_commit(struct store *s, const struct store_place *from, uint64_t position, uint64_t records) {
  char journal[16], first[24], behind[24], sql[256];
  snprintf(journal, sizeof journal, "%d", from->journal);
  snprintf(first, sizeof first, "%llu", (unsigned long long)from->position);
  snprintf(behind, sizeof behind, "%llu", (unsigned long long)position);
  snprintf(sql, sizeof sql, "UPDATE recorder_cursor SET position = %llu, records = %llu WHERE journal = %d; COMMIT", (unsigned long long)position,
           (unsigned long long)records, from->journal);
  int32_t rc = HADRON_OK;
  // Before the transaction, where it has not begun; a running COPY must end before anything else can be asked.
  for (uint32_t d = 0; d < s->days && rc == HADRON_OK && !s->begun; d++) rc = postgres_day(s, s->ticks[d].day);
  if (rc == HADRON_OK) rc = s->begun ? stream_days(s) : batch_begin(s);
  if (rc == HADRON_OK) rc = ticks_write(s);
  if (rc == HADRON_OK) rc = tables_write(s, (const char *const[]){journal, first, behind});
  if (rc == HADRON_OK) rc = link_query(&s->link, sql, NULL, "moving the cursor and commit"); // the first that fails ends both
  if (rc != HADRON_OK) return rc;
  s->begun = false;
  s->place = (struct store_place){from->journal, position, records};
  buffers_empty(s);
  return HADRON_OK;
}

const struct store_api postgres_store = {.open = postgres_open,
                                         .place = postgres_place,
                                         .snapshots = postgres_snapshots,
                                         .day = postgres_day,
                                         .row = postgres_row,
                                         .commit = postgres_commit,
                                         .close = postgres_close};
