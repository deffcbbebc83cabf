// The registry: which artifacts there are, under which names and versions, who signed them, and whether they may run. Files lie in the
// store (store.h), the rest in a database (database.h): SQLite beside them, or a PostgreSQL server that several hosts share.
//
// takes  files (hd_registry_add), names, digests
// gives  versions; files by digest, verified when they are asked for
// bound  one transaction writes at a time; 5 s for a lock  full  an error
// thread one at a time per registry; open another one for another thread
//
// name@version is bound to one digest for ever. Registering reads the file once, and goes: hash, signature, static checks, manifest,
// probe in a throw-away child, store. Not one instruction of a plugin runs before its signature is as the policy wants it.
#ifndef HD_REGISTRY_REGISTRY_H
#define HD_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin/manifest.h"
#include "registry/database.h"
#include "registry/keyring.h"
#include "registry/store.h"

#define HD_REGISTRY_WHO_SIZE 64
#define HD_REGISTRY_TEXT_SIZE 256

enum hd_registry_policy {
  HD_REGISTRY_OFF = 1,     // signatures are kept and not looked at
  HD_REGISTRY_WARN = 2,    // without a good one: taken, and said so; a bad one or a revoked key: refused
  HD_REGISTRY_REQUIRE = 3, // without a good one: refused
};
const char *hd_registry_policy_name(uint32_t policy);
uint32_t hd_registry_policy_parse(const char *name); // 0: none

enum hd_version_state {
  HD_VERSION_REGISTERED = 1, // may be deployed
  HD_VERSION_RETIRED = 2,    // no new deployment takes it; what runs it goes on
  HD_VERSION_COLLECTED = 3,  // and `gc` removed the file; the name stays bound
};
const char *hd_version_state_name(uint32_t state);

struct hd_registry; // registry.c

// All borrowed(call).
struct hd_registry_options {
  const char *url;   // sqlite:PATH, postgresql://...
  const char *store; // directory of artifacts
  const char *keys;  // directory of trusted public keys; NULL or "": none is trusted
  uint32_t policy;   // enum hd_registry_policy; 0: HD_REGISTRY_WARN
};

// HADRON_ERR_DATABASE, _CONFIG, _IO, _PERMISSION (directories that others may write to), _MEMORY, _ARGUMENT.
int32_t hd_registry_open(const struct hd_registry_options *options, struct hd_registry **out, struct hd_fault *fault);
void hd_registry_close(struct hd_registry *r); // NULL is fine
struct hd_database *hd_registry_database(struct hd_registry *r);
const struct hd_store *hd_registry_store(const struct hd_registry *r);
uint32_t hd_registry_policy(const struct hd_registry *r);

struct hd_version {
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE];
  uint8_t digest[32];
  char digest_text[65];
  uint64_t size;
  uint32_t kind;                 // enum hadron_plugin_kind
  uint32_t language;             // enum hd_language
  uint16_t abi_major, abi_minor;
  uint32_t state;                // enum hd_version_state
  uint32_t trust;                // enum hd_trust, judged now
  char key[HADRON_NAME_SIZE];    // whose signature decided; "": nobody's that is known by name
  int64_t added_ns, changed_ns;  // wall
  char added_by[HD_REGISTRY_WHO_SIZE], changed_by[HD_REGISTRY_WHO_SIZE];
  char description[128];
  char reason[HD_REGISTRY_TEXT_SIZE]; // of the last change of state
};

void hd_version_claim(const struct hd_version *v, struct hd_claim *claim); // what a signature of it must say

// version NULL: the newest by semantic version that is registered; a pre-release only if there is nothing else. HADRON_ERR_NOT_FOUND names
// what there is.
int32_t hd_registry_find(struct hd_registry *r, const char *name, const char *version, struct hd_version *out, struct hd_fault *fault);
// "name" or "name@version".
int32_t hd_registry_find_spec(struct hd_registry *r, const char *spec, struct hd_version *out, struct hd_fault *fault);
int32_t hd_registry_find_digest(struct hd_registry *r, const uint8_t digest[32], struct hd_version *out, struct hd_fault *fault);

// By name, newest version first. name NULL: all. take: another code than HADRON_OK ends it; it may use the registry.
typedef int32_t (*hd_version_fn)(void *user, const struct hd_version *version, struct hd_fault *fault);
int32_t hd_registry_list(struct hd_registry *r, const char *name, hd_version_fn take, void *user, struct hd_fault *fault);

// JSON of a version. MANIFEST: as written in it. PARAMETERS: the plugin's table. PROBE: what the probe measured. out: owned by the caller.
enum hd_version_document { HD_VERSION_MANIFEST, HD_VERSION_PARAMETERS, HD_VERSION_PROBE };
int32_t hd_registry_document(struct hd_registry *r, const char *name, const char *version, enum hd_version_document which, char **out, struct hd_fault *fault);

// The file of an artifact, read and hashed now. path: in the store. HADRON_ERR_NOT_FOUND, _CORRUPT.
int32_t hd_registry_artifact(struct hd_registry *r, const uint8_t digest[32], char *path, size_t size, struct hd_fault *fault);
// The same as a sealed private copy for hd_plugin_open_digest and the probe: *fd is the caller's, to be closed.
int32_t hd_registry_artifact_fd(struct hd_registry *r, const uint8_t digest[32], int *fd, struct hd_fault *fault);
// May this version be deployed now: registered, the signature as the policy wants it today, the file whole? HADRON_ERR_STATE, _PERMISSION,
// _CORRUPT, _NOT_FOUND. Ask before every staging: a key may have been revoked since.
int32_t hd_registry_admit(struct hd_registry *r, const struct hd_version *version, struct hd_fault *fault);

// ---- changing. who: "alice", "drop folder"; borrowed(call).

struct hd_registry_add {
  const char *signature;  // a signature file; NULL: PATH.sig, if there is one
  const char *who;
  const char *source;     // the path for messages and the manifest's language; NULL: path
  const char *name, *version; // what the manifest must say; NULL: whatever it says
  bool unprobed;          // leave the probe out: for who has just done it, and for archives of versions that were probed
  bool keep_rejection;    // write a refusal into registry_rejections
  int64_t probe_timeout_ns; // 0: the probe's own
};
struct hd_registry_added {
  bool fresh;             // false: the same name, version and digest was there before
  char warning[HD_REGISTRY_TEXT_SIZE]; // of the policy `warn`; "": none
};

// The whole way. out, added: may be NULL; untouched on failure. HADRON_ERR_DUPLICATE: name@version is bound to another digest.
// HADRON_ERR_PERMISSION: signature, or what no plugin may do. Else the code of the check that refused, with its words.
int32_t hd_registry_add(struct hd_registry *r, const char *path, const struct hd_registry_add *options, struct hd_version *out, struct hd_registry_added *added, struct hd_fault *fault);
// The same for bytes in memory: archives. signatures NULL: none.
int32_t hd_registry_add_bytes(struct hd_registry *r, const struct hd_source *file, const struct hd_signatures *signatures, const struct hd_registry_add *options,
                              struct hd_version *out, struct hd_registry_added *added, struct hd_fault *fault);

// state: REGISTERED takes a retired version back. HADRON_ERR_STATE: it is collected: add the file again.
int32_t hd_registry_state_set(struct hd_registry *r, const char *name, const char *version, uint32_t state, const char *who, const char *reason, struct hd_fault *fault);
// Adds signatures to a version; each must be good by a key that is trusted here, or unknown. HADRON_ERR_PERMISSION.
int32_t hd_registry_sign(struct hd_registry *r, const struct hd_signatures *signatures, const char *who, struct hd_fault *fault);
int32_t hd_registry_signatures(struct hd_registry *r, const struct hd_version *version, struct hd_signatures *out, struct hd_fault *fault); // count 0: none

// A figure that a version reached; the last one of a source and metric counts.
int32_t hd_registry_metric_set(struct hd_registry *r, const char *name, const char *version, const char *source, const char *metric, double value, struct hd_fault *fault);

// Trusts a public key under a name, on this host. HADRON_ERR_EXISTS: the name is taken; HADRON_ERR_STATE: it was revoked.
int32_t hd_registry_trust(struct hd_registry *r, const char *name, const char *public_path, const char *who, struct hd_fault *fault);
// For ever, on every host of the registry. name_or_id: of a key that is known, or any id. HADRON_ERR_NOT_FOUND.
int32_t hd_registry_revoke(struct hd_registry *r, const char *name_or_id, const char *who, const char *reason, struct hd_fault *fault);
int32_t hd_registry_keys(struct hd_registry *r, struct hd_keyring *out, struct hd_fault *fault); // the caller's: hd_keyring_fini

// ---- the whole

struct hd_registry_check {
  uint64_t artifacts, bytes, damaged, missing, signed_well, signed_badly, unsigned_count, strays;
};
// Hashes every file and judges every signature; `take` hears of each version, code HADRON_OK or what is wrong with it, and of files that
// are no artifact (version NULL).
typedef void (*hd_check_fn)(void *user, const struct hd_version *version, int32_t code, const char *words);
int32_t hd_registry_verify(struct hd_registry *r, const char *name, hd_check_fn take, void *user, struct hd_registry_check *out, struct hd_fault *fault);

struct hd_registry_gc {
  bool dry_run;
  int64_t retired_for_ns; // a version retired less long ago keeps its file
  uint32_t revisions;     // of each deployment that keep what they name, newest first; 0: all
};
struct hd_registry_gc_result {
  uint64_t artifacts, bytes; // removed, or that would be
  uint64_t strays;           // files that belong to nothing
  uint64_t kept_young, kept_deployed;
};
typedef void (*hd_gc_fn)(void *user, const char *path, const struct hd_version *version, uint64_t size); // version NULL: a stray
int32_t hd_registry_gc(struct hd_registry *r, const struct hd_registry_gc *options, const char *who, hd_gc_fn take, void *user, struct hd_registry_gc_result *out, struct hd_fault *fault);

#endif
