// Whose signatures count. A key is trusted by a host when its public half lies in the host's directory of keys as NAME.pub: nothing that
// others can write to (the shared database, an archive) makes a key trusted. It is revoked when the registry's database says so, or a
// file KEYID.revoked of the directory: either is enough, for ever, whatever lies beside it. [one thread]
#ifndef HD_REGISTRY_KEYRING_H
#define HD_REGISTRY_KEYRING_H

#include <stdbool.h>

#include "registry/database.h"
#include "registry/signature.h"

#define HD_KEYS_MAX 256 // trusted or revoked; more: an error

enum hd_trust {
  HD_TRUST_UNSIGNED = 1,
  HD_TRUST_SIGNED = 2,  // by a trusted key
  HD_TRUST_UNKNOWN = 3, // by keys that are not trusted here
  HD_TRUST_REVOKED = 4, // by a key that is revoked
  HD_TRUST_BAD = 5,     // names a trusted key that did not make it: somebody changed something
};
const char *hd_trust_name(uint32_t trust); // "unsigned", "signed", "unknown key", "revoked key", "bad signature"

struct hd_key {
  struct hd_public_key key;    // text "": a revoked key that was never trusted here
  char name[HADRON_NAME_SIZE]; // of its file
  bool trusted, revoked;
  int64_t revoked_ns;          // 0: not known
  char reason[128];
};

struct hd_keyring {
  uint32_t count;
  struct hd_key *keys; // owned
};

// directory "": none is trusted. d NULL: only the directory. HADRON_ERR_PERMISSION: others may write to the directory.
int32_t hd_keyring_read(const char *directory, struct hd_database *d, struct hd_keyring *out, struct hd_fault *fault);
void hd_keyring_fini(struct hd_keyring *ring);
const struct hd_key *hd_keyring_find(const struct hd_keyring *ring, const char *name_or_id); // NULL: none

// The best of what the signatures say about the claim: one good signature is enough. key: whose it is; NULL: nobody's.
enum hd_trust hd_keyring_judge(const struct hd_keyring *ring, const struct hd_claim *claim, const struct hd_signature *signatures, uint32_t count, const struct hd_key **key);

#endif
