// The way of a file into the registry, in the order in which it must be gone: nothing of a later step is done to a file that failed an
// earlier one, and the first step that runs any of its code is the probe, in a child.
#include <jansson.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "plugin/capability.h"
#include "plugin/loader.h"
#include "registry/elf_check.h"
#include "registry/registry_internal.h"
#include "registry/script_check.h"
#include "registry/trial.h"

struct way {
  struct hd_registry *r;
  const struct hd_source *file;
  const struct hd_registry_add *options;
  const char *path;                 // for messages
  struct hd_signatures signatures;  // count 0: none
  struct hd_claim claim;            // of the file: digest and size from the start, the rest from the manifest
  char digest_text[65];
  struct hadron_manifest manifest;
  enum hd_language language;
  char *measured, *parameters;      // owned; JSON
  struct hd_registry_added added;
  struct hd_fault *fault;
};

// ---- signature

// A signature of other bytes says that somebody changed something: it is never passed over.
static int32_t signature_check(struct way *w) {
  struct hd_keyring ring;
  const struct hd_key *key;
  if (w->r->policy == HD_REGISTRY_OFF) {
    w->signatures.count = 0; // not looked at, so not kept as if they had been
    return HADRON_OK;
  }
  const struct hd_claim *s = &w->signatures.claim;
  if (w->signatures.count > 0 && (memcmp(s->digest, w->claim.digest, 32) != 0 || s->size != w->claim.size)) {
    struct hd_claim found = *s;
    memcpy(found.digest, w->claim.digest, 32);
    found.size = w->claim.size;
    return hd_claim_compare(w->path, s, &found, w->fault);
  }
  int32_t code = hd_registry_keys(w->r, &ring, w->fault);
  if (code) return code;
  enum hd_trust trust = hd_keyring_judge(&ring, s, w->signatures.rows, w->signatures.count, &key);
  code = hd_registry_judge(w->r, w->path, trust, key ? key->name : "", w->added.warning, w->fault);
  hd_keyring_fini(&ring);
  return code;
}

// ---- static checks and manifest

static int32_t static_check(struct way *w) {
  const struct hd_source *f = w->file;
  bool elf = f->size >= 4 && memcmp(f->bytes, "\177ELF", 4) == 0;
  if (elf) return hd_elf_check(w->path, f->bytes, f->size, w->fault);
  if (hd_source_suffix(w->path, ".lua")) return hd_script_check(w->path, f->bytes, f->size, w->fault);
  return HADRON_OK; // the manifest's reader has the words
}

static int32_t manifest_check(struct way *w) {
  struct hadron_manifest *m = &w->manifest;
  int32_t code = hd_manifest_read(w->path, w->file->bytes, w->file->size, m, &w->language, w->fault);
  if (!code) code = hd_manifest_check(w->path, m, w->fault);
  if (code) return code;
  const char *name = w->options->name, *version = w->options->version;
  if ((name && strcmp(name, m->name) != 0) || (version && strcmp(version, m->version) != 0))
    return hd_fault_set(w->fault, HADRON_ERR_CORRUPT, "%s: expected %s@%s, found %s@%s in its manifest; it was packed under another name", w->path, name ? name : m->name,
                        version ? version : m->version, m->name, m->version);
  hd_text_copy(w->claim.name, sizeof w->claim.name, m->name);
  hd_text_copy(w->claim.version, sizeof w->claim.version, m->version);
  w->claim.kind = m->kind;
  w->claim.abi_major = m->abi_major;
  w->claim.abi_minor = m->abi_minor;
  return w->signatures.count > 0 ? hd_claim_compare(w->path, &w->signatures.claim, &w->claim, w->fault) : HADRON_OK;
}

// ---- what is there already

struct bound {
  char digest[65], by[HD_REGISTRY_WHO_SIZE];
  uint32_t state;
  bool there;
};

static int32_t bound_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct bound *b = user;
  (void)fault;
  b->there = true;
  b->state = (uint32_t)hd_row_integer(row, 1);
  hd_text_copy(b->digest, sizeof b->digest, hd_row_text(row, 0));
  hd_text_copy(b->by, sizeof b->by, hd_row_text(row, 2));
  return HADRON_OK;
}

static int32_t bound_read(struct way *w, struct bound *b) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(w->claim.name), HD_SQL_TEXT(w->claim.version)};
  *b = (struct bound){0};
  int32_t code = hd_database_rows(w->r->database, "SELECT digest, state, added_by FROM registry_versions WHERE name = $1 AND version = $2", v, 2, bound_take, b, w->fault);
  if (!code && b->there && strcmp(b->digest, w->digest_text) != 0)
    return hd_fault_set(w->fault, HADRON_ERR_DUPLICATE, "%s: %s@%s is bound to SHA-256 %.16s... for ever (added by %s), this file has %.16s...; give it another version", w->path,
                        w->claim.name, w->claim.version, b->digest, b->by, w->digest_text);
  return code;
}

// ---- storing

static char *manifest_json(const struct hadron_manifest *m, enum hd_language language) {
  json_t *needs = json_array();
  const char *cursor = m->requires_;
  char name[HD_CAPABILITY_NAME_SIZE], abi[16];
  while (hd_capability_next(&cursor, name)) json_array_append_new(needs, json_string(name));
  snprintf(abi, sizeof abi, "%u.%u", m->abi_major, m->abi_minor);
  json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:o}", "name", m->name, "version", m->version, "kind", hd_kind_name(m->kind), "language",
                        language == HD_LANGUAGE_LUA ? "lua" : "native", "abi", abi, "minor_required", (int)m->minor_required, "description", m->description, "requires", needs);
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  json_decref(o);
  return text;
}

static int32_t version_insert(struct way *w, int64_t now, const char *manifest) {
  const struct hd_claim *c = &w->claim;
  const struct hd_sql_value artifact[] = {HD_SQL_TEXT(w->digest_text), HD_SQL_INTEGER((int64_t)c->size), HD_SQL_INTEGER(w->language), HD_SQL_INTEGER(now)};
  const struct hd_sql_value version[] = {HD_SQL_TEXT(c->name), HD_SQL_TEXT(c->version), HD_SQL_TEXT(w->digest_text), HD_SQL_INTEGER(c->kind), HD_SQL_INTEGER(w->language),
                                         HD_SQL_INTEGER(c->abi_major), HD_SQL_INTEGER(c->abi_minor), HD_SQL_INTEGER(HD_VERSION_REGISTERED), HD_SQL_TEXT(w->manifest.description),
                                         HD_SQL_TEXT(manifest), HD_SQL_TEXT(w->parameters), HD_SQL_TEXT(w->measured), HD_SQL_INTEGER(now), HD_SQL_TEXT(w->options->who)};
  struct hd_database *d = w->r->database;
  int32_t code = hd_database_run(d, "INSERT INTO registry_artifacts (digest, size, language, added_ns) VALUES ($1, $2, $3, $4)"
                                    " ON CONFLICT (digest) DO UPDATE SET removed_ns = NULL", artifact, 4, w->fault);
  if (!code) // a collected version comes back as it was registered
    code = hd_database_run(d, "INSERT INTO registry_versions (name, version, digest, kind, language, abi_major, abi_minor, state, description, manifest, parameters, probe,"
                              " added_ns, added_by, changed_ns, changed_by, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $13, $14, '')"
                              " ON CONFLICT (name, version) DO UPDATE SET state = $8, changed_ns = $13, changed_by = $14, reason = ''", version, 14, w->fault);
  return code ? code : hd_registry_change(w->r, "version", c->name, c->version, w->options->who, w->fault);
}

static int32_t signatures_insert(struct way *w, int64_t now) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < w->signatures.count && !code; i++) {
    const struct hd_sql_value v[] = {HD_SQL_TEXT(w->claim.name), HD_SQL_TEXT(w->claim.version), HD_SQL_TEXT(w->signatures.rows[i].key_id), HD_SQL_TEXT(w->signatures.rows[i].text),
                                     HD_SQL_INTEGER(now)};
    code = hd_database_run(w->r->database, "INSERT INTO registry_signatures (name, version, key_id, signature, added_ns) VALUES ($1, $2, $3, $4, $5)"
                                           " ON CONFLICT (name, version, key_id) DO UPDATE SET signature = $4", v, 5, w->fault);
  }
  return code;
}

// File and rows in one transaction: `gc` waits for its end, so that it never takes a file whose row is about to come.
static int32_t keep(struct way *w) {
  struct bound b;
  int64_t now = hd_clock_wall_ns();
  char *manifest = manifest_json(&w->manifest, w->language);
  if (!manifest) return hd_fault_set(w->fault, HADRON_ERR_MEMORY, "%s: out of memory", w->path);
  int32_t code = hd_database_begin(w->r->database, w->fault);
  if (!code) {
    code = bound_read(w, &b); // somebody may have come first
    if (!code) code = hd_store_put(&w->r->store, w->claim.digest, w->language, w->file->bytes, w->file->size, w->fault);
    w->added.fresh = !code && (!b.there || b.state == HD_VERSION_COLLECTED);
    if (!code && w->added.fresh) code = version_insert(w, now, manifest);
    if (!code) code = signatures_insert(w, now);
    code = hd_registry_end(w->r, code, w->fault);
  }
  free(manifest);
  return code;
}

// ---- the way

static int32_t walk(struct way *w) {
  struct bound b = {0};
  int32_t code = signature_check(w);
  if (!code) code = static_check(w);
  if (!code) code = manifest_check(w);
  if (!code) code = bound_read(w, &b);
  if (code) return code;
  bool known = b.there && b.state != HD_VERSION_COLLECTED; // it has passed once: the same bytes are the same plugin
  if (known || w->options->unprobed) {
    w->measured = strdup("{}");
    w->parameters = strdup("[]");
    if (!w->measured || !w->parameters) return hd_fault_set(w->fault, HADRON_ERR_MEMORY, "%s: out of memory", w->path);
  } else {
    code = hd_trial_run(w->path, w->file, w->claim.digest, w->options->probe_timeout_ns, &w->measured, &w->parameters, w->fault);
  }
  return code ? code : keep(w);
}

static void rejection_keep(const struct way *w, int32_t code) {
  struct hd_fault own = {0};
  char reason[HD_FAULT_SIZE];
  hd_text_copy(reason, sizeof reason, w->fault ? w->fault->text : hadron_error_text(code));
  const struct hd_sql_value v[] = {HD_SQL_INTEGER(hd_clock_wall_ns()), HD_SQL_TEXT(w->options->who), HD_SQL_TEXT(w->path), HD_SQL_TEXT(w->digest_text), HD_SQL_INTEGER(code),
                                   HD_SQL_TEXT(reason)};
  // The refusal is what counts; that it could not be written down does not change it.
  hd_database_run(w->r->database, "INSERT INTO registry_rejections (time_ns, who, source, digest, code, reason) VALUES ($1, $2, $3, $4, $5, $6)", v, 6, &own);
}

int32_t hd_registry_add_bytes(struct hd_registry *r, const struct hd_source *file, const struct hd_signatures *signatures, const struct hd_registry_add *options,
                              struct hd_version *out, struct hd_registry_added *added, struct hd_fault *fault) {
  HD_ASSERT(options->who && options->source);
  struct hd_fault own = {0};
  struct way w = {.r = r, .file = file, .options = options, .path = options->source, .fault = fault ? fault : &own};
  if (signatures) w.signatures = *signatures;
  hd_sha256(file->bytes, file->size, w.claim.digest);
  hd_hex_format(w.digest_text, w.claim.digest, 32);
  w.claim.size = file->size;
  int32_t code = walk(&w);
  free(w.measured);
  free(w.parameters);
  if (code && options->keep_rejection) rejection_keep(&w, code);
  if (code) return code;
  if (added) *added = w.added;
  return out ? hd_registry_find(r, w.claim.name, w.claim.version, out, fault) : HADRON_OK;
}

// The signature file that goes with a path, if there is one.
static int32_t signatures_of(const char *path, const struct hd_registry_add *options, uint32_t policy, struct hd_signatures *out, struct hd_fault *fault) {
  char beside[HD_STORE_PATH_SIZE];
  *out = (struct hd_signatures){0};
  if (policy == HD_REGISTRY_OFF) return HADRON_OK;
  if (options->signature) return hd_signatures_read(options->signature, out, fault);
  if (snprintf(beside, sizeof beside, "%s.sig", path) >= (int)sizeof beside) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%.200s...: the path is too long", path);
  int32_t code = hd_signatures_read(beside, out, fault);
  return code == HADRON_ERR_NOT_FOUND ? HADRON_OK : code;
}

int32_t hd_registry_add(struct hd_registry *r, const char *path, const struct hd_registry_add *options, struct hd_version *out, struct hd_registry_added *added, struct hd_fault *fault) {
  struct hd_registry_add named = *options;
  struct hd_source file;
  struct hd_signatures signatures;
  struct hd_fault own = {0};
  if (!fault) fault = &own;
  if (!named.source) named.source = path;
  int32_t code = hd_source_read(path, hd_source_max(named.source), &file, fault);
  bool read = !code;
  if (!code) code = signatures_of(path, options, r->policy, &signatures, fault);
  if (!code) {
    code = hd_registry_add_bytes(r, &file, &signatures, &named, out, added, fault);
  } else if (options->keep_rejection) {
    const struct way w = {.r = r, .options = &named, .path = named.source, .fault = fault};
    rejection_keep(&w, code);
  }
  if (read) hd_source_free(&file);
  return code;
}
