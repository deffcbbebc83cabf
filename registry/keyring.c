#include "registry/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "registry/source.h"

const char *hd_trust_name(uint32_t trust) {
  static const char *const names[] = {"-", "unsigned", "signed", "unknown key", "revoked key", "bad signature"};
  return names[trust < sizeof names / sizeof *names ? trust : 0];
}

const struct hd_key *hd_keyring_find(const struct hd_keyring *ring, const char *name_or_id) {
  for (uint32_t i = 0; i < ring->count; i++)
    if (strcmp(ring->keys[i].key.id, name_or_id) == 0 || (ring->keys[i].name[0] && strcmp(ring->keys[i].name, name_or_id) == 0)) return &ring->keys[i];
  return NULL;
}

// The place of an id, new or known; NULL: full.
static struct hd_key *key_place(struct hd_keyring *ring, const char *id) {
  for (uint32_t i = 0; i < ring->count; i++)
    if (strcmp(ring->keys[i].key.id, id) == 0) return &ring->keys[i];
  if (ring->count == HD_KEYS_MAX) return NULL;
  struct hd_key *k = &ring->keys[ring->count++];
  hd_text_copy(k->key.id, sizeof k->key.id, id);
  return k;
}

static int32_t full(struct hd_fault *fault) { return hd_fault_set(fault, HADRON_ERR_FULL, "expected at most %d keys, trusted or revoked, found more; remove old ones from the directory of keys", HD_KEYS_MAX); }

static int32_t file_read(struct hd_keyring *ring, const char *directory, const char *file, struct hd_fault *fault) {
  char path[1024], stem[256];
  struct hd_public_key key;
  bool trusted = hd_source_suffix(file, ".pub"), revoked = hd_source_suffix(file, ".revoked");
  if (!trusted && !revoked) return HADRON_OK;
  snprintf(stem, sizeof stem, "%.*s", (int)(strrchr(file, '.') - file), file);
  if (revoked) {
    if (strlen(stem) != 64 || strspn(stem, "0123456789abcdef") != 64) return HADRON_OK;
    struct hd_key *k = key_place(ring, stem);
    if (!k) return full(fault);
    k->revoked = true;
    return HADRON_OK;
  }
  if (!hd_name_valid(stem)) return hd_fault_set(fault, HADRON_ERR_CONFIG, "%.400s/%.200s: expected a key's file named [a-z0-9_-]{1,63}.pub; rename it", directory, file);
  snprintf(path, sizeof path, "%.700s/%.255s", directory, file);
  int32_t code = hd_key_read(path, &key, fault);
  if (code) return code;
  struct hd_key *k = key_place(ring, key.id);
  if (!k) return full(fault);
  k->key = key;
  k->trusted = true;
  hd_text_copy(k->name, sizeof k->name, stem);
  return HADRON_OK;
}

static int32_t directory_read(struct hd_keyring *ring, const char *directory, struct hd_fault *fault) {
  struct stat st;
  if (!*directory) return HADRON_OK;
  DIR *d = opendir(directory);
  if (!d && errno == ENOENT) return HADRON_OK; // nobody is trusted yet
  if (!d || fstat(dirfd(d), &st) != 0) {
    int error = errno;
    if (d) closedir(d);
    return hd_fault_set(fault, HADRON_ERR_IO, "%s: reading the directory of keys: %s", directory, strerror(error));
  }
  int32_t code = HADRON_OK;
  if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022))
    code = hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s: expected the directory of keys to be writable by its owner alone, and that to be user %u or root; found user %u, mode %04o; `chmod go-w` it",
                        directory, geteuid(), st.st_uid, st.st_mode & 07777u);
  for (struct dirent *e; !code && (e = readdir(d));) code = file_read(ring, directory, e->d_name, fault);
  closedir(d);
  return code;
}

static int32_t row_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct hd_keyring *ring = user;
  if (strlen(hd_row_text(row, 0)) != 64) return HADRON_OK;
  struct hd_key *k = key_place(ring, hd_row_text(row, 0));
  if (!k) return full(fault);
  k->revoked = true;
  k->revoked_ns = hd_row_integer(row, 2);
  if (!k->name[0]) hd_text_copy(k->name, sizeof k->name, hd_row_text(row, 1));
  hd_text_copy(k->reason, sizeof k->reason, hd_row_text(row, 3));
  return HADRON_OK;
}

int32_t hd_keyring_read(const char *directory, struct hd_database *d, struct hd_keyring *out, struct hd_fault *fault) {
  struct hd_keyring ring = {.keys = calloc(HD_KEYS_MAX, sizeof *ring.keys)};
  if (!ring.keys) return hd_fault_set(fault, HADRON_ERR_MEMORY, "keys: out of memory");
  int32_t code = directory_read(&ring, directory, fault);
  if (!code && d) code = hd_database_rows(d, "SELECT key_id, name, revoked_ns, reason FROM registry_keys WHERE revoked_ns IS NOT NULL", NULL, 0, row_take, &ring, fault);
  if (code) hd_keyring_fini(&ring);
  else *out = ring;
  return code;
}

void hd_keyring_fini(struct hd_keyring *ring) {
  free(ring->keys);
  *ring = (struct hd_keyring){0};
}

enum hd_trust hd_keyring_judge(const struct hd_keyring *ring, const struct hd_claim *claim, const struct hd_signature *signatures, uint32_t count, const struct hd_key **key) {
  // Of the worse ones the gravest is told.
  enum hd_trust found = HD_TRUST_UNSIGNED;
  *key = NULL;
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_key *k = hd_keyring_find(ring, signatures[i].key_id);
    enum hd_trust trust = HD_TRUST_UNKNOWN;
    if (k && k->revoked) trust = HD_TRUST_REVOKED;
    else if (k && k->trusted) trust = hd_claim_verify(claim, &k->key, &signatures[i], NULL) == HADRON_OK ? HD_TRUST_SIGNED : HD_TRUST_BAD;
    if (trust == HD_TRUST_SIGNED) {
      *key = k;
      return trust;
    }
    if (trust > found) found = trust, *key = k;
  }
  return found;
}
