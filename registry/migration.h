// The numbered SQL files of registry/sql, compiled in, in order of their numbers; ends with a row whose script is NULL. And the
// statements beside them, by the names of their files.
#ifndef HD_REGISTRY_MIGRATION_H
#define HD_REGISTRY_MIGRATION_H

#include <stddef.h>

struct hd_migration {
  int number;
  const char *name, *dialect; // "sqlite" or "postgresql"
  const char *sha256;         // of the file, hex
  const char *script;
};
extern const struct hd_migration hd_migrations[];

extern const char hd_sql_backtest_results_insert[];

#endif
