// A database with Hadron's tables, SQLite or PostgreSQL: opened by URL, brought up to the newest migration, then asked one statement at
// a time. The same tables and statements for both; parameters are $1, $2, ... in their order. One thread at a time. [control]
#ifndef HD_REGISTRY_DATABASE_H
#define HD_REGISTRY_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

enum hd_sql_kind { HD_SQL_KIND_NULL = 0, HD_SQL_KIND_INTEGER, HD_SQL_KIND_REAL, HD_SQL_KIND_TEXT, HD_SQL_KIND_UUID };
struct hd_sql_value {
  uint32_t kind;         // enum hd_sql_kind; a REAL that is not finite is stored as NULL
  union {
    int64_t integer;
    double real;
    const char *text;    // borrowed(call)
    const uint8_t *uuid; // 16 bytes, borrowed(call)
  } as;
};

struct hd_database; // database.c

// url: sqlite:PATH, postgresql://... or postgres://...; passwords as libpq takes them. Connects, migrates. HADRON_ERR_ARGUMENT (no such
// kind of URL), HADRON_ERR_DATABASE, HADRON_ERR_CONFIG (another program's migrations), HADRON_ERR_MEMORY.
int32_t hd_database_open(const char *url, struct hd_database **out, struct hd_fault *fault);
void hd_database_close(struct hd_database *d); // NULL is fine

bool hd_database_shared(const struct hd_database *d); // a server that several hosts may use: PostgreSQL
const char *hd_database_url(const struct hd_database *d); // as it was opened

// Runs one statement; its rows, if any, are not wanted. A connection that was lost is made again first, outside of a transaction.
int32_t hd_database_run(struct hd_database *d, const char *sql, const struct hd_sql_value *values, uint32_t count, struct hd_fault *fault);
// How many rows the last statement inserted, updated or deleted.
uint64_t hd_database_changed(const struct hd_database *d);

// One row of an answer: INTEGER (booleans too), REAL, TEXT, UUID (PostgreSQL's type, a 16-byte blob of SQLite) or NULL. A sum of
// integers is of a type of its own on PostgreSQL: write CAST(sum(x) AS BIGINT). borrowed(call), text and bytes too.
struct hd_row {
  const struct hd_sql_value *values;
  uint32_t count;
};
// Not HADRON_OK: no more rows, and the statement fails with that code and fault. It may ask the database, but change nothing.
typedef int32_t (*hd_row_fn)(void *user, const struct hd_row *row, struct hd_fault *fault);
int32_t hd_database_rows(struct hd_database *d, const char *sql, const struct hd_sql_value *values, uint32_t count, hd_row_fn take, void *user,
                         struct hd_fault *fault);

int64_t hd_row_integer(const struct hd_row *row, uint32_t column);   // 0: NULL or no number
double hd_row_real(const struct hd_row *row, uint32_t column);       // NaN: NULL or no number
const char *hd_row_text(const struct hd_row *row, uint32_t column);  // "": NULL or no text; borrowed(call)

// A transaction that writes: one at a time per database, whoever asks, so that what it reads stays true until it ends. Not nested.
// HADRON_ERR_DATABASE also if another one did not end within 5 s. A commit that fails has rolled back (or, with the connection gone,
// nobody knows: ask).
int32_t hd_database_begin(struct hd_database *d, struct hd_fault *fault);
int32_t hd_database_commit(struct hd_database *d, struct hd_fault *fault);
void hd_database_rollback(struct hd_database *d); // nothing if there is none

// Asks the server to ring when somebody notifies `channel`; may be asked again, and must be after a connection was made again. fd: the
// connection's socket, readable when it may have rung; -1: this kind of database has no bell. The socket is the database's.
int32_t hd_database_listen(struct hd_database *d, const char *channel, int *fd, struct hd_fault *fault);
// Has it rung since the last time, or was the connection lost?
bool hd_database_heard(struct hd_database *d);

#define HD_SQL_TEXT(s) {HD_SQL_KIND_TEXT, {.text = (s)}}
#define HD_SQL_INTEGER(i) {HD_SQL_KIND_INTEGER, {.integer = (i)}}
#define HD_SQL_REAL(r) {HD_SQL_KIND_REAL, {.real = (r)}}
#define HD_SQL_NULL {HD_SQL_KIND_NULL, {.integer = 0}}

#endif
