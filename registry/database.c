#include "registry/database.h"

#include <math.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "registry/database_internal.h"

struct hd_database {
  const struct hd_database_api *api;
  void *link;       // owned
  char *url;        // owned
  uint64_t changed; // by the last statement
  bool writing;     // within a transaction
};

static const struct {
  const char *prefix;
  const struct hd_database_api *api;
} kinds[] = {{"sqlite:", &hd_database_sqlite}, {"postgresql://", &hd_database_postgres}, {"postgres://", &hd_database_postgres}};

struct first {
  char text[HD_DATABASE_TEXT];
};

static int32_t first_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  (void)fault;
  struct first *first = user;
  if (!*first->text) hd_text_copy(first->text, sizeof first->text, hd_row_text(row, 0));
  return HADRON_OK;
}

static int32_t migration_apply(struct hd_database *d, const struct hd_migration *m, struct hd_fault *fault) {
  struct first first = {0};
  const char *sha256 = first.text;
  const struct hd_sql_value number = {HD_SQL_KIND_INTEGER, {.integer = m->number}};
  int32_t code = d->api->run(d->link, "SELECT sha256 FROM schema_migrations WHERE number = $1", &number, 1, first_take, &first, &d->changed,
                            fault);
  if (code) return code;
  if (*sha256 && strcmp(sha256, m->sha256) != 0)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "migration %03d_%s of the database has SHA-256 %.16s..., this program's has %.16s...; use the program "
                        "that made the database, or a new database", m->number, m->name, sha256, m->sha256);
  if (*sha256) return HADRON_OK;
  const struct hd_sql_value row[] = {number, {HD_SQL_KIND_TEXT, {.text = m->name}}, {HD_SQL_KIND_TEXT, {.text = m->sha256}}};
  code = d->api->script(d->link, m->script, fault);
  return code ? code : d->api->run(d->link, "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)", row, 3, NULL, NULL,
                                   &d->changed, fault);
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
  d->url = strdup(url);
  int32_t code = d->url ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "database: out of memory");
  if (!code) code = api->open(&d->link, url, fault);
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
  free(d->url);
  free(d);
}

bool hd_database_shared(const struct hd_database *d) { return d->api->shared; }
const char *hd_database_url(const struct hd_database *d) { return d->url; }
uint64_t hd_database_changed(const struct hd_database *d) { return d->changed; }

int32_t hd_database_run(struct hd_database *d, const char *sql, const struct hd_sql_value *values, uint32_t count, struct hd_fault *fault) {
  return hd_database_rows(d, sql, values, count, NULL, NULL, fault);
}

// Within a transaction a lost connection is an error: what was written before is lost with it.
static int32_t renew(struct hd_database *d, struct hd_fault *fault) {
  return d->writing || !d->api->renew ? HADRON_OK : d->api->renew(d->link, fault);
}

int32_t hd_database_rows(struct hd_database *d, const char *sql, const struct hd_sql_value *values, uint32_t count, hd_row_fn take, void *user,
                         struct hd_fault *fault) {
  HD_ASSERT(count <= HD_DATABASE_VALUES_MAX);
  int32_t code = renew(d, fault);
  d->changed = 0;
  return code ? code : d->api->run(d->link, sql, values, count, take, user, &d->changed, fault);
}

int32_t hd_database_begin(struct hd_database *d, struct hd_fault *fault) {
  HD_ASSERT(!d->writing);
  int32_t code = renew(d, fault);
  if (!code) code = d->api->script(d->link, d->api->begin, fault);
  if (code) d->api->script(d->link, "ROLLBACK", NULL); // PostgreSQL has begun before it waits for its turn
  d->writing = !code;
  return code;
}

int32_t hd_database_commit(struct hd_database *d, struct hd_fault *fault) {
  HD_ASSERT(d->writing);
  int32_t code = d->api->commit(d->link, fault);
  if (code) d->api->script(d->link, "ROLLBACK", NULL);
  d->writing = false;
  return code;
}

void hd_database_rollback(struct hd_database *d) {
  if (d->writing) d->api->script(d->link, "ROLLBACK", NULL);
  d->writing = false;
}

int32_t hd_database_listen(struct hd_database *d, const char *channel, int *fd, struct hd_fault *fault) {
  *fd = -1;
  int32_t code = renew(d, fault);
  return code || !d->api->listen ? code : d->api->listen(d->link, channel, fd, fault);
}

bool hd_database_heard(struct hd_database *d) { return d->api->heard && d->api->heard(d->link); }

static const struct hd_sql_value *row_value(const struct hd_row *row, uint32_t column) {
  HD_ASSERT(column < row->count);
  return &row->values[column];
}

int64_t hd_row_integer(const struct hd_row *row, uint32_t column) {
  const struct hd_sql_value *v = row_value(row, column);
  return v->kind == HD_SQL_KIND_INTEGER ? v->as.integer : 0;
}

double hd_row_real(const struct hd_row *row, uint32_t column) {
  const struct hd_sql_value *v = row_value(row, column);
  return v->kind == HD_SQL_KIND_REAL ? v->as.real : v->kind == HD_SQL_KIND_INTEGER ? (double)v->as.integer : (double)NAN;
}

const char *hd_row_text(const struct hd_row *row, uint32_t column) {
  const struct hd_sql_value *v = row_value(row, column);
  return v->kind == HD_SQL_KIND_TEXT ? v->as.text : "";
}
