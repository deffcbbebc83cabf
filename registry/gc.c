// The registry as a whole: is everything as it should be, and what is nobody's any more.
#include <errno.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "registry/migration.h"
#include "registry/registry_internal.h"

// ---- verify

struct verify {
  struct hd_registry *r;
  hd_check_fn take;
  void *user;
  struct hd_registry_check *out;
};

static int32_t version_verify(void *user, const struct hd_version *v, struct hd_fault *fault) {
  struct verify *c = user;
  struct hd_fault own = {0};
  char what[HADRON_NAME_SIZE + HADRON_VERSION_SIZE + 2];
  (void)fault;
  snprintf(what, sizeof what, "%s@%s", v->name, v->version);
  int32_t code = v->state == HD_VERSION_COLLECTED ? HADRON_OK : hd_store_read(&c->r->store, v->digest, (enum hd_language)v->language, NULL, &own);
  c->out->artifacts += v->state != HD_VERSION_COLLECTED;
  c->out->bytes += v->state != HD_VERSION_COLLECTED ? v->size : 0;
  c->out->missing += code == HADRON_ERR_NOT_FOUND;
  c->out->damaged += code && code != HADRON_ERR_NOT_FOUND;
  c->out->signed_well += v->trust == HD_TRUST_SIGNED;
  c->out->unsigned_count += v->trust == HD_TRUST_UNSIGNED;
  c->out->signed_badly += v->trust == HD_TRUST_BAD || v->trust == HD_TRUST_REVOKED;
  if (!code && v->state == HD_VERSION_REGISTERED) code = hd_registry_judge(c->r, what, (enum hd_trust)v->trust, v->key, NULL, &own);
  c->take(c->user, v, code, code ? own.text : "");
  return HADRON_OK;
}

// Is a file of the store named by no version that has one?
static int32_t stray_find(struct hd_registry *r, const uint8_t *digest, bool *stray, struct hd_fault *fault) {
  struct hd_version v;
  *stray = true;
  if (!digest) return HADRON_OK;
  int32_t code = hd_registry_find_digest(r, digest, &v, fault);
  if (!code) *stray = v.state == HD_VERSION_COLLECTED;
  return code == HADRON_ERR_NOT_FOUND ? HADRON_OK : code;
}

static int32_t file_verify(void *user, const char *path, const uint8_t *digest, enum hd_language language, uint64_t size, struct hd_fault *fault) {
  struct verify *c = user;
  bool stray;
  (void)language, (void)size;
  int32_t code = stray_find(c->r, digest, &stray, fault);
  if (code || !stray) return code;
  c->out->strays++;
  c->take(c->user, NULL, HADRON_OK, path);
  return HADRON_OK;
}

int32_t hd_registry_verify(struct hd_registry *r, const char *name, hd_check_fn take, void *user, struct hd_registry_check *out, struct hd_fault *fault) {
  struct hd_registry_check found = {0};
  struct verify c = {r, take, user, &found};
  int32_t code = hd_registry_list(r, name, version_verify, &c, fault);
  if (!code && !name) code = hd_store_walk(&r->store, file_verify, &c, fault);
  if (!code) *out = found;
  return code;
}

// ---- gc

struct collect {
  struct hd_registry *r;
  const struct hd_registry_gc *options;
  const char *who;
  hd_gc_fn take;
  void *user;
  int64_t now;
  struct hd_registry_gc_result out;
};

static int32_t number_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  (void)fault;
  *(int64_t *)user = hd_row_integer(row, 0);
  return HADRON_OK;
}

static bool have_deployments(void) {
  for (const struct hd_migration *m = hd_migrations; m->script; m++)
    if (strcmp(m->name, "deployments") == 0) return true;
  return false;
}

// How many revisions of deployments name the digest; 0 or more, or an error. A revision is JSON that has the digest's hex digits.
static int32_t deployed_count(struct collect *c, const char *digest, int64_t *count, struct hd_fault *fault) {
  char pattern[72];
  *count = 0;
  if (!have_deployments()) return HADRON_OK;
  snprintf(pattern, sizeof pattern, "%%%s%%", digest);
  const struct hd_sql_value v[] = {HD_SQL_TEXT(pattern), HD_SQL_INTEGER(c->options->revisions ? (int64_t)c->options->revisions : INT64_C(1) << 40)};
  // What is active or pending counts however old it is.
  return hd_database_rows(c->r->database, "SELECT count(*) FROM v_deployments d WHERE d.what LIKE $1 AND (d.state IN (1, 2) OR (SELECT count(*) FROM deployment_revisions n"
                                          " WHERE n.name = d.name AND n.revision > d.revision) < $2)", v, 2, number_take, count, fault);
}

static int32_t version_collect(struct collect *c, const struct hd_version *v, const char *path, uint64_t size, struct hd_fault *fault) {
  struct hd_database *d = c->r->database;
  if (c->take) c->take(c->user, path, v, size);
  c->out.artifacts++;
  c->out.bytes += size;
  if (c->options->dry_run) return HADRON_OK;
  const struct hd_sql_value state[] = {HD_SQL_INTEGER(HD_VERSION_COLLECTED), HD_SQL_INTEGER(c->now), HD_SQL_TEXT(c->who), HD_SQL_TEXT(v->digest_text)};
  const struct hd_sql_value gone[] = {HD_SQL_INTEGER(c->now), HD_SQL_TEXT(v->digest_text)};
  int32_t code = hd_database_run(d, "UPDATE registry_versions SET state = $1, changed_ns = $2, changed_by = $3 WHERE digest = $4", state, 4, fault);
  if (!code) code = hd_database_run(d, "UPDATE registry_artifacts SET removed_ns = $1 WHERE digest = $2", gone, 2, fault);
  return code ? code : hd_registry_change(c->r, "collected", v->name, v->version, c->who, fault);
}

struct doomed {
  char (*paths)[HD_STORE_PATH_SIZE];
  uint32_t count, room;
};

static int32_t doom(struct doomed *list, const char *path, struct hd_fault *fault) {
  if (list->count == list->room) {
    uint32_t room = list->room ? list->room * 2 : 16;
    void *grown = realloc(list->paths, (size_t)room * sizeof *list->paths);
    if (!grown) return hd_fault_set(fault, HADRON_ERR_MEMORY, "gc: out of memory");
    list->paths = grown, list->room = room;
  }
  hd_text_copy(list->paths[list->count++], HD_STORE_PATH_SIZE, path);
  return HADRON_OK;
}

static int32_t file_collect(void *user, const char *path, const uint8_t *digest, enum hd_language language, uint64_t size, struct hd_fault *fault) {
  struct collect *c = user;
  struct hd_version v;
  int64_t deployed;
  bool stray;
  (void)language;
  int32_t code = stray_find(c->r, digest, &stray, fault);
  if (code) return code;
  if (stray) {
    if (c->take) c->take(c->user, path, NULL, size);
    c->out.strays++;
    c->out.bytes += size;
    return HADRON_OK;
  }
  code = hd_registry_find_digest(c->r, digest, &v, fault);
  if (code || v.state == HD_VERSION_REGISTERED) return code;
  code = deployed_count(c, v.digest_text, &deployed, fault);
  if (code) return code;
  if (deployed > 0) {
    c->out.kept_deployed++;
    return HADRON_OK;
  }
  if (c->now - v.changed_ns < c->options->retired_for_ns) {
    c->out.kept_young++;
    return HADRON_OK;
  }
  return version_collect(c, &v, path, size, fault);
}

struct sweep {
  struct hd_registry *r;
  struct doomed list;
};

static int32_t file_sweep(void *user, const char *path, const uint8_t *digest, enum hd_language language, uint64_t size, struct hd_fault *fault) {
  struct sweep *s = user;
  bool stray;
  (void)language, (void)size;
  int32_t code = stray_find(s->r, digest, &stray, fault);
  return code || !stray ? code : doom(&s->list, path, fault);
}

// Within a transaction nobody adds: a file that has no row now is not about to get one.
static int32_t sweep(struct hd_registry *r, struct hd_fault *fault) {
  struct sweep s = {.r = r};
  int32_t code = hd_database_begin(r->database, fault);
  if (code) return code;
  code = hd_store_walk(&r->store, file_sweep, &s, fault);
  for (uint32_t i = 0; i < s.list.count && !code; i++)
    if (unlink(s.list.paths[i]) != 0 && errno != ENOENT) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: removing the file: %s", s.list.paths[i], strerror(errno));
  free(s.list.paths);
  return hd_registry_end(r, code, fault);
}

// Rows first, files second: a crash between leaves files that belong to nothing, which the next run takes.
int32_t hd_registry_gc(struct hd_registry *r, const struct hd_registry_gc *options, const char *who, hd_gc_fn take, void *user, struct hd_registry_gc_result *out, struct hd_fault *fault) {
  struct collect c = {.r = r, .options = options, .who = who, .take = take, .user = user, .now = hd_clock_wall_ns()};
  int32_t code = hd_database_begin(r->database, fault);
  if (code) return code;
  code = hd_registry_end(r, hd_store_walk(&r->store, file_collect, &c, fault), fault);
  if (!code && !options->dry_run) code = sweep(r, fault);
  if (!code) *out = c.out;
  return code;
}
