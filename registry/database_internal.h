// What a kind of database gives to database.c.
#ifndef HD_REGISTRY_DATABASE_INTERNAL_H
#define HD_REGISTRY_DATABASE_INTERNAL_H

#include "registry/database.h"
#include "registry/migration.h"

#define HD_DATABASE_WAIT_MS 5000 // for a connection, a lock or an answer
#define HD_DATABASE_VALUES_MAX 64
#define HD_DATABASE_COLUMNS_MAX 64
#define HD_DATABASE_TEXT 80      // of a first column asked for

struct hd_database_api {
  const char *dialect;         // of the migrations
  bool shared;                 // between hosts
  const char *begin_migration; // one program at a time
  const char *begin;           // one writing transaction at a time
  int32_t (*open)(void **link, const char *url, struct hd_fault *fault);
  void (*close)(void *link);
  int32_t (*script)(void *link, const char *sql, struct hd_fault *fault); // several statements
  // One statement; its rows to `take`, unless it is NULL; *changed: rows that it changed.
  int32_t (*run)(void *link, const char *sql, const struct hd_sql_value *values, uint32_t count, hd_row_fn take, void *user, uint64_t *changed,
                 struct hd_fault *fault);
  int32_t (*commit)(void *link, struct hd_fault *fault);
  int32_t (*renew)(void *link, struct hd_fault *fault); // a lost connection; NULL: there is none to lose
  int32_t (*listen)(void *link, const char *channel, int *fd, struct hd_fault *fault); // NULL, with the next: no bell
  bool (*heard)(void *link);
};

extern const struct hd_database_api hd_database_sqlite, hd_database_postgres;

#endif
