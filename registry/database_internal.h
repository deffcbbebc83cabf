// What a kind of database gives to database.c.
#ifndef HD_REGISTRY_DATABASE_INTERNAL_H
#define HD_REGISTRY_DATABASE_INTERNAL_H

#include "registry/database.h"
#include "registry/migration.h"

#define HD_DATABASE_WAIT_MS 5000 // for a connection, a lock or an answer
#define HD_DATABASE_VALUES_MAX 64
#define HD_DATABASE_TEXT 80      // of a first column asked for

struct hd_database_api {
  const char *dialect;         // of the migrations
  const char *begin_migration; // one program at a time
  int32_t (*open)(void **link, const char *url, struct hd_fault *fault);
  void (*close)(void *link);
  int32_t (*script)(void *link, const char *sql, struct hd_fault *fault); // several statements
  // One statement; `first`, if not NULL: the first column of its first row as text, "" if there is no row.
  int32_t (*run)(void *link, const char *sql, const struct hd_value *values, uint32_t count, char first[HD_DATABASE_TEXT],
                 struct hd_fault *fault);
};

extern const struct hd_database_api hd_database_sqlite, hd_database_postgres;

#endif
