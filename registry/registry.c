#include "registry/registry.h"

#include <errno.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "registry/registry_internal.h"
#include "registry/trial.h"

// ---- open and close

int32_t hd_registry_open(const struct hd_registry_options *o, struct hd_registry **out, struct hd_fault *fault) {
  struct hd_registry *r = calloc(1, sizeof *r);
  if (!r) return hd_fault_set(fault, HADRON_ERR_MEMORY, "registry: out of memory");
  r->policy = o->policy ? o->policy : HD_REGISTRY_WARN;
  int32_t code = hd_store_open(&r->store, o->store, fault);
  if (!code && o->keys && !hd_text_copy(r->keys, sizeof r->keys, o->keys)) code = hd_fault_set(fault, HADRON_ERR_ARGUMENT, "registry.keys: the path is too long");
  if (!code) code = hd_database_open(o->url, &r->database, fault);
  if (code) hd_registry_close(r);
  else *out = r;
  return code;
}

void hd_registry_close(struct hd_registry *r) {
  if (!r) return;
  hd_database_close(r->database);
  free(r);
}

struct hd_database *hd_registry_database(struct hd_registry *r) { return r->database; }
const struct hd_store *hd_registry_store(const struct hd_registry *r) { return &r->store; }
uint32_t hd_registry_policy(const struct hd_registry *r) { return r->policy; }

int32_t hd_registry_change(struct hd_registry *r, const char *topic, const char *name, const char *detail, const char *who, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_INTEGER(hd_clock_wall_ns()), HD_SQL_TEXT(topic), HD_SQL_TEXT(name), HD_SQL_TEXT(detail), HD_SQL_TEXT(who)};
  return hd_database_run(r->database, "INSERT INTO registry_changes (time_ns, topic, name, detail, who) VALUES ($1, $2, $3, $4, $5)", v, 5, fault);
}

int32_t hd_registry_end(struct hd_registry *r, int32_t code, struct hd_fault *fault) {
  if (!code) return hd_database_commit(r->database, fault);
  hd_database_rollback(r->database);
  return code;
}

int32_t hd_registry_keys(struct hd_registry *r, struct hd_keyring *out, struct hd_fault *fault) { return hd_keyring_read(r->keys, r->database, out, fault); }

// ---- versions

#define VERSION_COLUMNS                                                                                                                        \
  "SELECT v.name, v.version, v.digest, v.kind, v.language, v.abi_major, v.abi_minor, v.state, v.added_ns, v.changed_ns, v.added_by,"           \
  " v.changed_by, v.description, v.reason, a.size FROM registry_versions v JOIN registry_artifacts a ON a.digest = v.digest "

struct versions {
  struct hd_version *rows; // owned
  uint32_t count, room;
};

static void version_read(const struct hd_row *row, struct hd_version *v) {
  *v = (struct hd_version){.kind = (uint32_t)hd_row_integer(row, 3), .language = (uint32_t)hd_row_integer(row, 4), .abi_major = (uint16_t)hd_row_integer(row, 5),
                           .abi_minor = (uint16_t)hd_row_integer(row, 6), .state = (uint32_t)hd_row_integer(row, 7), .added_ns = hd_row_integer(row, 8),
                           .changed_ns = hd_row_integer(row, 9), .size = (uint64_t)hd_row_integer(row, 14)};
  hd_text_copy(v->name, sizeof v->name, hd_row_text(row, 0));
  hd_text_copy(v->version, sizeof v->version, hd_row_text(row, 1));
  hd_text_copy(v->digest_text, sizeof v->digest_text, hd_row_text(row, 2));
  hd_text_copy(v->added_by, sizeof v->added_by, hd_row_text(row, 10));
  hd_text_copy(v->changed_by, sizeof v->changed_by, hd_row_text(row, 11));
  hd_text_copy(v->description, sizeof v->description, hd_row_text(row, 12));
  hd_text_copy(v->reason, sizeof v->reason, hd_row_text(row, 13));
}

static int32_t version_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct versions *all = user;
  if (all->count == all->room) {
    uint32_t room = all->room ? all->room * 2 : 16;
    struct hd_version *grown = realloc(all->rows, room * sizeof *grown);
    if (!grown) return hd_fault_set(fault, HADRON_ERR_MEMORY, "versions: out of memory");
    all->rows = grown, all->room = room;
  }
  struct hd_version *v = &all->rows[all->count];
  version_read(row, v);
  // Names become paths and messages: a row that somebody wrote by hand must not lead elsewhere.
  if (!hd_hex_parse(v->digest, v->digest_text, 32) || !hd_name_valid(v->name) || !hd_version_valid(v->version))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "registry_versions: expected a name, a version and a SHA-256, found a row that has another; restore the database");
  all->count++;
  return HADRON_OK;
}

static int version_order(const void *x, const void *y) {
  const struct hd_version *a = x, *b = y;
  int d = strcmp(a->name, b->name);
  return d ? d : hd_version_compare(b->version, a->version);
}

static int32_t versions_read(struct hd_registry *r, const char *where, const struct hd_sql_value *values, uint32_t count, struct versions *out, struct hd_fault *fault) {
  char sql[640];
  *out = (struct versions){0};
  snprintf(sql, sizeof sql, VERSION_COLUMNS "%s ORDER BY v.name, v.version", where);
  int32_t code = hd_database_rows(r->database, sql, values, count, version_take, out, fault);
  if (!code && out->count > 1) qsort(out->rows, out->count, sizeof *out->rows, version_order);
  if (code) free(out->rows);
  return code;
}

// ---- signatures of a version

static int32_t signature_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct hd_signature one;
  (void)fault;
  if (!hd_text_copy(one.key_id, sizeof one.key_id, hd_row_text(row, 0)) || !hd_text_copy(one.text, sizeof one.text, hd_row_text(row, 1))) return HADRON_OK; // counts for nothing
  hd_signatures_add(user, &one, NULL);
  return HADRON_OK;
}

int32_t hd_registry_signatures(struct hd_registry *r, const struct hd_version *v, struct hd_signatures *out, struct hd_fault *fault) {
  const struct hd_sql_value values[] = {HD_SQL_TEXT(v->name), HD_SQL_TEXT(v->version)};
  struct hd_signatures found = {0};
  hd_version_claim(v, &found.claim);
  int32_t code = hd_database_rows(r->database, "SELECT key_id, signature FROM registry_signatures WHERE name = $1 AND version = $2 ORDER BY key_id", values, 2,
                                  signature_take, &found, fault);
  if (!code) *out = found;
  return code;
}

static int32_t trust_judge(struct hd_registry *r, const struct hd_keyring *ring, struct hd_version *v, struct hd_fault *fault) {
  struct hd_signatures s;
  const struct hd_key *key;
  int32_t code = hd_registry_signatures(r, v, &s, fault);
  if (code) return code;
  v->trust = hd_keyring_judge(ring, &s.claim, s.rows, s.count, &key);
  hd_text_copy(v->key, sizeof v->key, key ? key->name : "");
  return HADRON_OK;
}

static int32_t trust_judge_all(struct hd_registry *r, struct versions *all, struct hd_fault *fault) {
  struct hd_keyring ring;
  int32_t code = hd_registry_keys(r, &ring, fault);
  if (code) return code;
  for (uint32_t i = 0; i < all->count && !code; i++) code = trust_judge(r, &ring, &all->rows[i], fault);
  hd_keyring_fini(&ring);
  return code;
}

int32_t hd_registry_list(struct hd_registry *r, const char *name, hd_version_fn take, void *user, struct hd_fault *fault) {
  const struct hd_sql_value value = HD_SQL_TEXT(name);
  struct versions all;
  int32_t code = versions_read(r, name ? "WHERE v.name = $1" : "", &value, name ? 1 : 0, &all, fault);
  if (code) return code;
  code = trust_judge_all(r, &all, fault);
  for (uint32_t i = 0; i < all.count && !code; i++) code = take(user, &all.rows[i], fault);
  free(all.rows);
  return code;
}

// ---- finding

static int32_t name_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  char *list = user;
  size_t used = strlen(list);
  (void)fault;
  if (used < 200) snprintf(list + used, 256 - used, "%s%.40s", used ? ", " : "", hd_row_text(row, 0));
  return HADRON_OK;
}

static int32_t not_found(struct hd_registry *r, const char *name, const char *version, const struct versions *all, struct hd_fault *fault) {
  char list[256] = "", shown[HADRON_NAME_SIZE];
  hd_text_copy(shown, sizeof shown, name);
  hd_text_printable(shown);
  if (all->count == 0) {
    hd_database_rows(r->database, "SELECT DISTINCT name FROM registry_versions ORDER BY name", NULL, 0, name_take, list, NULL);
    return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: no such plugin in the registry; found %s; add its file with `hadron registry add`", shown, *list ? list : "none at all");
  }
  for (uint32_t i = 0; i < all->count && strlen(list) < 180; i++)
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s%s%s", i ? ", " : "", all->rows[i].version, all->rows[i].state == HD_VERSION_REGISTERED ? "" : " ",
             all->rows[i].state == HD_VERSION_REGISTERED ? "" : hd_version_state_name(all->rows[i].state));
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: expected version %.31s in the registry, found %s; add its file with `hadron registry add`", shown,
                      version ? version : "any that is registered", list);
}

// The newest release, else the newest pre-release; rows are newest first.
static const struct hd_version *newest(const struct versions *all) {
  const struct hd_version *best = NULL;
  for (uint32_t i = 0; i < all->count; i++) {
    const struct hd_version *v = &all->rows[i];
    if (v->state != HD_VERSION_REGISTERED) continue;
    if (!strchr(v->version, '-') || strchr(v->version, '-') > v->version + strcspn(v->version, "+")) return v;
    if (!best) best = v;
  }
  return best;
}

int32_t hd_registry_find(struct hd_registry *r, const char *name, const char *version, struct hd_version *out, struct hd_fault *fault) {
  const struct hd_sql_value value = HD_SQL_TEXT(name);
  struct versions all;
  int32_t code = versions_read(r, "WHERE v.name = $1", &value, 1, &all, fault);
  if (code) return code;
  const struct hd_version *found = version ? NULL : newest(&all);
  for (uint32_t i = 0; version && i < all.count; i++)
    if (strcmp(all.rows[i].version, version) == 0) found = &all.rows[i];
  if (found) {
    struct hd_version judged = *found;
    struct versions one = {&judged, 1, 1};
    code = trust_judge_all(r, &one, fault);
    if (!code) *out = judged;
  } else {
    code = not_found(r, name, version, &all, fault);
  }
  free(all.rows);
  return code;
}

int32_t hd_registry_find_spec(struct hd_registry *r, const char *spec, struct hd_version *out, struct hd_fault *fault) {
  char name[HADRON_NAME_SIZE], shown[128];
  size_t n = strcspn(spec, "@");
  snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : 0), spec);
  if (!hd_name_valid(name) || (spec[n] && !hd_version_valid(spec + n + 1))) {
    hd_text_copy(shown, sizeof shown, spec);
    hd_text_printable(shown);
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "\"%s\": expected NAME or NAME@VERSION, a name of [a-z0-9_-]{1,63} and a version such as 1.2.3", shown);
  }
  return hd_registry_find(r, name, spec[n] ? spec + n + 1 : NULL, out, fault);
}

// The first name that has it: one file has one manifest, so there is one.
int32_t hd_registry_find_digest(struct hd_registry *r, const uint8_t digest[32], struct hd_version *out, struct hd_fault *fault) {
  char hex[65];
  struct versions all;
  hd_hex_format(hex, digest, 32);
  const struct hd_sql_value value = HD_SQL_TEXT(hex);
  int32_t code = versions_read(r, "WHERE v.digest = $1", &value, 1, &all, fault);
  if (code) return code;
  if (all.count == 0) code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "artifact %s: not in the registry; add its file with `hadron registry add`", hex);
  else code = trust_judge_all(r, &all, fault);
  if (!code) *out = all.rows[0];
  free(all.rows);
  return code;
}

struct text {
  char *text; // owned
};

static int32_t text_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct text *t = user;
  free(t->text);
  t->text = strdup(hd_row_text(row, 0));
  return t->text ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "registry: out of memory");
}

int32_t hd_registry_document(struct hd_registry *r, const char *name, const char *version, enum hd_version_document which, char **out, struct hd_fault *fault) {
  static const char *const sql[] = {"SELECT manifest FROM registry_versions WHERE name = $1 AND version = $2", "SELECT parameters FROM registry_versions WHERE name = $1 AND version = $2",
                                    "SELECT probe FROM registry_versions WHERE name = $1 AND version = $2"};
  const struct hd_sql_value values[] = {HD_SQL_TEXT(name), HD_SQL_TEXT(version)};
  struct text t = {0};
  int32_t code = hd_database_rows(r->database, sql[which], values, 2, text_take, &t, fault);
  if (!code && !t.text) code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%.63s@%.31s: not in the registry", name, version);
  if (code) free(t.text);
  else *out = t.text;
  return code;
}

// ---- files

static int32_t artifact_language(struct hd_registry *r, const uint8_t digest[32], enum hd_language *language, struct hd_fault *fault) {
  struct hd_version v;
  int32_t code = hd_registry_find_digest(r, digest, &v, fault);
  if (!code) *language = (enum hd_language)v.language;
  return code;
}

int32_t hd_registry_artifact(struct hd_registry *r, const uint8_t digest[32], char *path, size_t size, struct hd_fault *fault) {
  char found[HD_STORE_PATH_SIZE];
  enum hd_language language;
  int32_t code = artifact_language(r, digest, &language, fault);
  if (!code) code = hd_store_read(&r->store, digest, language, NULL, fault);
  if (code) return code;
  hd_store_path(&r->store, digest, language, found);
  return hd_text_copy(path, size, found) ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_RANGE, "%s: the path does not fit into %zu bytes", found, size);
}

int32_t hd_registry_artifact_fd(struct hd_registry *r, const uint8_t digest[32], int *fd, struct hd_fault *fault) {
  struct hd_source file;
  enum hd_language language;
  int32_t code = artifact_language(r, digest, &language, fault);
  if (!code) code = hd_store_read(&r->store, digest, language, &file, fault);
  if (code) return code;
  int copy = hd_trial_copy(&file);
  int error = errno;
  hd_source_free(&file);
  if (copy < 0) return hd_fault_set(fault, HADRON_ERR_IO, "making a private copy of an artifact (memfd_create): %s", strerror(error));
  *fd = copy;
  return HADRON_OK;
}

int32_t hd_registry_admit(struct hd_registry *r, const struct hd_version *version, struct hd_fault *fault) {
  struct hd_version now;
  char what[HADRON_NAME_SIZE + HADRON_VERSION_SIZE + 2], path[HD_STORE_PATH_SIZE];
  snprintf(what, sizeof what, "%s@%s", version->name, version->version);
  int32_t code = hd_registry_find(r, version->name, version->version, &now, fault);
  if (code) return code;
  if (memcmp(now.digest, version->digest, 32) != 0) // a binding never changes: this is another registry's version
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s: expected SHA-256 %.16s..., the registry has %.16s...; is it the same registry?", what, version->digest_text, now.digest_text);
  if (now.state != HD_VERSION_REGISTERED)
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s: expected a registered version, found a %s one (by %s%s%s); deploy another, or `hadron registry retire --undo %s`", what,
                        hd_version_state_name(now.state), now.changed_by, *now.reason ? ": " : "", now.reason, what);
  code = hd_registry_judge(r, what, now.trust, now.key, NULL, fault);
  return code ? code : hd_registry_artifact(r, now.digest, path, sizeof path, fault);
}
