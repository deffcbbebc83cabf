// A database with Hadron's tables, SQLite or PostgreSQL: opened by URL, brought up to the newest migration, then asked one statement at
// a time. The same tables and statements for both; parameters are $1, $2, ... in their order. [control]
#ifndef HD_REGISTRY_DATABASE_H
#define HD_REGISTRY_DATABASE_H

#include <stdint.h>

#include "base/fault.h"

enum hd_value_kind { HD_VALUE_NULL = 0, HD_VALUE_INTEGER, HD_VALUE_REAL, HD_VALUE_TEXT, HD_VALUE_UUID };
struct hd_value {
  uint32_t kind;         // enum hd_value_kind; a REAL that is not finite is stored as NULL
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

// Runs one statement; its rows, if any, are not wanted.
int32_t hd_database_run(struct hd_database *d, const char *sql, const struct hd_value *values, uint32_t count, struct hd_fault *fault);

#endif
