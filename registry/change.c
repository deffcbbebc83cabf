// What is changed in the registry besides adding: states, signatures, figures, keys.
#include <errno.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "registry/file.h"
#include "registry/registry_internal.h"

int32_t hd_registry_state_set(struct hd_registry *r, const char *name, const char *version, uint32_t state, const char *who, const char *reason, struct hd_fault *fault) {
  struct hd_version now;
  int32_t code = hd_database_begin(r->database, fault);
  if (code) return code;
  code = hd_registry_find(r, name, version, &now, fault);
  if (!code && now.state == HD_VERSION_COLLECTED)
    code = hd_fault_set(fault, HADRON_ERR_STATE, "%s@%s: its file was removed by `gc`; add the file again", now.name, now.version);
  if (!code && now.state != state) {
    const struct hd_sql_value v[] = {HD_SQL_INTEGER(state), HD_SQL_INTEGER(hd_clock_wall_ns()), HD_SQL_TEXT(who), HD_SQL_TEXT(reason), HD_SQL_TEXT(now.name), HD_SQL_TEXT(now.version)};
    code = hd_database_run(r->database, "UPDATE registry_versions SET state = $1, changed_ns = $2, changed_by = $3, reason = $4 WHERE name = $5 AND version = $6", v, 6, fault);
    if (!code) code = hd_registry_change(r, hd_version_state_name(state), now.name, now.version, who, fault);
  }
  return hd_registry_end(r, code, fault);
}

static int32_t signature_insert(struct hd_registry *r, const struct hd_version *v, const struct hd_signature *s, struct hd_fault *fault) {
  const struct hd_sql_value values[] = {HD_SQL_TEXT(v->name), HD_SQL_TEXT(v->version), HD_SQL_TEXT(s->key_id), HD_SQL_TEXT(s->text), HD_SQL_INTEGER(hd_clock_wall_ns())};
  return hd_database_run(r->database, "INSERT INTO registry_signatures (name, version, key_id, signature, added_ns) VALUES ($1, $2, $3, $4, $5)"
                                      " ON CONFLICT (name, version, key_id) DO UPDATE SET signature = $4", values, 5, fault);
}

int32_t hd_registry_sign(struct hd_registry *r, const struct hd_signatures *s, const char *who, struct hd_fault *fault) {
  struct hd_version v;
  struct hd_claim found;
  struct hd_keyring ring;
  const struct hd_key *key;
  int32_t code = hd_registry_find(r, s->claim.name, s->claim.version, &v, fault);
  if (code) return code;
  hd_version_claim(&v, &found);
  code = hd_claim_compare(v.name, &s->claim, &found, fault);
  if (!code) code = hd_registry_keys(r, &ring, fault);
  if (code) return code;
  for (uint32_t i = 0; i < s->count && !code; i++) {
    enum hd_trust trust = hd_keyring_judge(&ring, &s->claim, &s->rows[i], 1, &key);
    if (trust == HD_TRUST_BAD || trust == HD_TRUST_REVOKED)
      code = hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s@%s: expected a good signature, found: %s (key %.16s...); sign it with another key", v.name, v.version, hd_trust_name(trust), s->rows[i].key_id);
  }
  hd_keyring_fini(&ring);
  if (!code) code = hd_database_begin(r->database, fault);
  if (code) return code;
  for (uint32_t i = 0; i < s->count && !code; i++) code = signature_insert(r, &v, &s->rows[i], fault);
  if (!code) code = hd_registry_change(r, "signature", v.name, v.version, who, fault);
  return hd_registry_end(r, code, fault);
}

int32_t hd_registry_metric_set(struct hd_registry *r, const char *name, const char *version, const char *source, const char *metric, double value, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(name), HD_SQL_TEXT(version), HD_SQL_TEXT(source), HD_SQL_TEXT(metric), HD_SQL_REAL(value), HD_SQL_INTEGER(hd_clock_wall_ns())};
  return hd_database_run(r->database, "INSERT INTO registry_metrics (name, version, source, metric, value, time_ns) VALUES ($1, $2, $3, $4, $5, $6)"
                                      " ON CONFLICT (name, version, source, metric) DO UPDATE SET value = $5, time_ns = $6", v, 6, fault);
}

// ---- keys

static int32_t key_upsert(struct hd_registry *r, const struct hd_key *k, const char *who, const char *reason, bool revoke, struct hd_fault *fault) {
  int64_t now = hd_clock_wall_ns();
  const struct hd_sql_value v[] = {HD_SQL_TEXT(k->key.id), HD_SQL_TEXT(k->name), HD_SQL_TEXT(k->key.text), HD_SQL_INTEGER(now), HD_SQL_TEXT(who), HD_SQL_TEXT(reason)};
  int32_t code = hd_database_begin(r->database, fault);
  if (code) return code;
  code = hd_database_run(r->database, "INSERT INTO registry_keys (key_id, name, public_key, added_ns, added_by) VALUES ($1, $2, $3, $4, $5)"
                                      " ON CONFLICT (key_id) DO NOTHING", v, 5, fault);
  const struct hd_sql_value w[] = {v[0], HD_SQL_INTEGER(now), HD_SQL_TEXT(who), v[5]};
  if (!code && revoke) // the first revocation stays the one that counts
    code = hd_database_run(r->database, "UPDATE registry_keys SET revoked_ns = $2, revoked_by = $3, reason = $4 WHERE key_id = $1 AND revoked_ns IS NULL", w, 4, fault);
  if (!code) code = hd_registry_change(r, revoke ? "key revoked" : "key trusted", k->name, k->key.id, who, fault);
  return hd_registry_end(r, code, fault);
}

static int32_t trust_check(const struct hd_keyring *ring, const char *name, const struct hd_public_key *key, struct hd_fault *fault) {
  const struct hd_key *same = hd_keyring_find(ring, key->id), *named = hd_keyring_find(ring, name);
  if (same && same->revoked) return hd_fault_set(fault, HADRON_ERR_STATE, "key %.16s... (%s) was revoked, and that is for ever; make another with `hadron registry keygen`", key->id, same->name);
  if (same && same->trusted && strcmp(same->name, name) != 0) return hd_fault_set(fault, HADRON_ERR_EXISTS, "key %.16s... is trusted already, as %s", key->id, same->name);
  if (named && named->trusted && strcmp(named->key.id, key->id) != 0)
    return hd_fault_set(fault, HADRON_ERR_EXISTS, "%s: another key (%.16s...) is trusted by that name; choose another name, or revoke that key", name, named->key.id);
  return HADRON_OK;
}

int32_t hd_registry_trust(struct hd_registry *r, const char *name, const char *public_path, const char *who, struct hd_fault *fault) {
  struct hd_keyring ring;
  struct hd_key k = {.trusted = true};
  char path[HD_STORE_PATH_SIZE];
  if (!hd_name_valid(name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "key name: expected [a-z0-9_-]{1,63}");
  if (!r->keys[0]) return hd_fault_set(fault, HADRON_ERR_CONFIG, "registry.keys: expected a directory of keys, found none configured");
  int32_t code = hd_key_read(public_path, &k.key, fault);
  if (!code) code = hd_registry_keys(r, &ring, fault);
  if (code) return code;
  hd_text_copy(k.name, sizeof k.name, name);
  code = trust_check(&ring, name, &k.key, fault);
  hd_keyring_fini(&ring);
  if (code) return code;
  int error = hd_directory_make(r->keys, 0755);
  if (error) return hd_fault_set(fault, HADRON_ERR_IO, "%s: making the directory of keys: %s", r->keys, strerror(error));
  snprintf(path, sizeof path, "%s/%s.pub", r->keys, name);
  code = hd_file_replace(path, k.key.text, strlen(k.key.text), 0644, fault);
  return code ? code : key_upsert(r, &k, who, "", false, fault);
}

static int32_t known_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct hd_key *k = user;
  (void)fault;
  hd_text_copy(k->key.id, sizeof k->key.id, hd_row_text(row, 0));
  hd_text_copy(k->name, sizeof k->name, hd_row_text(row, 1));
  hd_text_copy(k->key.text, sizeof k->key.text, hd_row_text(row, 2));
  return HADRON_OK;
}

// A key that this host trusts, or that another host of the registry has named, or a bare id.
static int32_t revoked_find(struct hd_registry *r, const char *name_or_id, struct hd_key *out, struct hd_fault *fault) {
  struct hd_keyring ring;
  int32_t code = hd_registry_keys(r, &ring, fault);
  if (code) return code;
  const struct hd_key *here = hd_keyring_find(&ring, name_or_id);
  *out = here ? *here : (struct hd_key){0};
  hd_keyring_fini(&ring);
  const struct hd_sql_value v = HD_SQL_TEXT(name_or_id);
  if (!here) code = hd_database_rows(r->database, "SELECT key_id, name, public_key FROM registry_keys WHERE key_id = $1 OR name = $1", &v, 1, known_take, out, fault);
  if (code || out->key.id[0]) return code;
  if (strlen(name_or_id) != 64 || strspn(name_or_id, "0123456789abcdef") != 64)
    return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "expected the name of a key or its id of 64 hex digits, found \"%.64s\"; `hadron registry keys` lists them", name_or_id);
  hd_text_copy(out->key.id, sizeof out->key.id, name_or_id);
  return HADRON_OK;
}

int32_t hd_registry_revoke(struct hd_registry *r, const char *name_or_id, const char *who, const char *reason, struct hd_fault *fault) {
  struct hd_key k;
  char path[HD_STORE_PATH_SIZE], text[HD_REGISTRY_TEXT_SIZE + 2];
  int32_t code = revoked_find(r, name_or_id, &k, fault);
  if (code) return code;
  // On this host also without the database: somebody who restores an old one does not bring the key back.
  if (r->keys[0]) {
    int error = hd_directory_make(r->keys, 0755);
    if (error) return hd_fault_set(fault, HADRON_ERR_IO, "%s: making the directory of keys: %s", r->keys, strerror(error));
    snprintf(path, sizeof path, "%s/%s.revoked", r->keys, k.key.id);
    snprintf(text, sizeof text, "%.255s\n", reason);
    code = hd_file_replace(path, text, strlen(text), 0644, fault);
  }
  return code ? code : key_upsert(r, &k, who, reason, true, fault);
}
