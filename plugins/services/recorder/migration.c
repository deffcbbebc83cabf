#include "migration.h"

#include <stdio.h>
#include <string.h>

#include "store.h"

const struct migration *migration_of(const char *dialect, int number) {
  for (const struct migration *m = migrations; m->script; m++)
    if (m->number == number && strcmp(m->dialect, dialect) == 0) return m;
  return NULL;
}

int32_t migration_refuse(const struct migration *ours, int number, const char *name, const char *sha256, char error[]) {
  if (ours)
    snprintf(error, STORE_ERROR_SIZE, "migration %03d_%s of the database has SHA-256 %.16s..., this recorder's has %.16s...; "
             "use the recorder that made the database, or a new database", number, ours->name, sha256, ours->sha256);
  else
    snprintf(error, STORE_ERROR_SIZE, "the database has migration %03d_%.60s, which this recorder does not know: a newer one made it; "
             "use that recorder, or a new database", number, name);
  return HADRON_ERR_CONFIG;
}
