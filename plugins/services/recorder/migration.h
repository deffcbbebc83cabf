// The numbered SQL files of registry/sql, compiled in. Ends with a row whose script is NULL.
#ifndef RECORDER_MIGRATION_H
#define RECORDER_MIGRATION_H

#include <stddef.h>

struct migration {
  int number;
  const char *name, *dialect; // "sqlite" or "postgresql"
  const char *sha256;         // of the file, hex
  const char *script;
};
extern const struct migration migrations[];

#endif
