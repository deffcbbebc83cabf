// The numbered SQL files of registry/sql, compiled in. Ends with a row whose script is NULL.
#ifndef RECORDER_MIGRATION_H
#define RECORDER_MIGRATION_H

#include <stddef.h>
#include <stdint.h>

struct migration {
  int number; // below 64
  const char *name, *dialect; // "sqlite" or "postgresql"
  const char *sha256;         // of the file, hex
  const char *script;
};
extern const struct migration migrations[];

// Ours of this number; NULL: none.
const struct migration *migration_of(const char *dialect, int number);

// Says why a migration that the database has is refused: ours (NULL: we have none) and the database's. HADRON_ERR_CONFIG.
int32_t migration_refuse(const struct migration *ours, int number, const char *name, const char *sha256, char error[]);

#endif
