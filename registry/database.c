#include "registry/database.h"

#include "base/assert.h"
#include "base/banned.h"
#include "registry/database_internal.h"

struct hd_database {
  const struct hd_database_api *api;
  void *link; // owned
};

static const struct {
  const char *prefix;
  const struct hd_database_api *api;
} kinds[] = {{"sqlite:", &hd_database_sqlite}, {"postgresql://", &hd_database_postgres}, {"postgres://", &hd_database_postgres}};

static int32_t migration_apply(struct hd_database *d, const struct hd_migration *m, struct hd_fault *fault) {
  char sha256[HD_DATABASE_TEXT];
  const struct hd_value number = {HD_VALUE_INTEGER, {.integer = m->number}};
  int32_t code = d->api->run(d->link, "SELECT sha256 FROM schema_migrations WHERE number = $1", &number, 1, sha256, fault);
  if (code) return code;
  if (*sha256 && strcmp(sha256, m->sha256) != 0)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "migration %03d_%s of the database has SHA-256 %.16s..., this program's has %.16s...; use the program "
                        "that made the database, or a new database", m->number, m->name, sha256, m->sha256);
  if (*sha256) return HADRON_OK;
  const struct hd_value row[] = {number, {HD_VALUE_TEXT, {.text = m->name}}, {HD_VALUE_TEXT, {.text = m->sha256}}};
  code = d->api->script(d->link, m->script, fault);
  return code ? code : d->api->run(d->link, "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)", row, 3, NULL, fault);
}

// All or nothing: the recorder does the same with the same files, so whoever comes first makes the tables.
static int32_t migrate(struct hd_database *d, struct hd_fault *fault) {
  int32_t code = d->api->script(d->link, d->api->begin_migration, fault);
  if (code) return code;
  code = d->api->script(d->link, "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL)", fault);
  for (const struct hd_migration *m = hd_migrations; m->script && !code; m++)
    if (strcmp(m->dialect, d->api->dialect) == 0) code = migration_apply(d, m, fault);
  if (code) d->api->script(d->link, "ROLLBACK", NULL);
  else code = d->api->script(d->link, "COMMIT", fault);
  return code;
}

int32_t hd_database_open(const char *url, struct hd_database **out, struct hd_fault *fault) {
  const struct hd_database_api *api = NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strncmp(url, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) api = kinds[i].api;
  if (!api) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "database \"%.20s...\": expected sqlite:PATH or postgresql://...", url);
  struct hd_database *d = calloc(1, sizeof *d);
  if (!d) return hd_fault_set(fault, HADRON_ERR_MEMORY, "database: out of memory");
  d->api = api;
  int32_t code = api->open(&d->link, url, fault);
  if (!code) code = migrate(d, fault);
  if (code) {
    hd_database_close(d);
    return code;
  }
  *out = d;
  return HADRON_OK;
}

void hd_database_close(struct hd_database *d) {
  if (!d) return;
  if (d->link) d->api->close(d->link);
  free(d);
}

int32_t hd_database_run(struct hd_database *d, const char *sql, const struct hd_value *values, uint32_t count, struct hd_fault *fault) {
  HD_ASSERT(count <= HD_DATABASE_VALUES_MAX);
  return d->api->run(d->link, sql, values, count, NULL, fault);
}
