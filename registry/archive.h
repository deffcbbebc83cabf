// Versions carried from one registry to another: one tar file, compressed by zstd, with artifacts, signatures and what was written about them.
//
//   hadron-registry.json            what is inside: {"format": 1, "versions": [{"name", "version", "digest", "language", "added_ns", ...}]}
//   artifacts/DIGEST.so, .lua       the files
//   signatures/NAME@VERSION.sig     as `hadron registry sign` writes them
//
// Nothing of an archive is believed: each artifact goes through the same checks as a file that is added, the probe too, under the policy of
// the registry that takes it. Keys do not travel: an archive cannot make a key trusted. [one thread]
#ifndef HD_REGISTRY_ARCHIVE_H
#define HD_REGISTRY_ARCHIVE_H

#include "registry/registry.h"

#define HD_ARCHIVE_VERSIONS_MAX 10000
#define HD_ARCHIVE_INDEX_MAX (UINT64_C(16) << 20) // bytes of hadron-registry.json
#define HD_ARCHIVE_BYTES_MAX (UINT64_C(2) << 30)  // of all entries, unpacked: they are in memory at once

struct hd_archive_result {
  uint32_t versions, fresh, refused;
  uint64_t bytes;
};
// Hears of each version; code HADRON_OK or why it was not taken. borrowed(call)
typedef void (*hd_archive_fn)(void *user, const char *name, const char *version, bool fresh, int32_t code, const char *words);

// specs: NAME or NAME@VERSION; count 0: everything that has its file. The archive's file must not be there.
int32_t hd_registry_export(struct hd_registry *r, const char *path, const char *const *specs, uint32_t count, struct hd_archive_result *out, struct hd_fault *fault);
// Takes what it can; an artifact that is refused does not stop the rest. HADRON_OK also if some were: see `refused`. HADRON_ERR_CORRUPT: the
// archive itself is damaged, or has entries that it must not have.
int32_t hd_registry_import(struct hd_registry *r, const char *path, const char *who, hd_archive_fn tell, void *user, struct hd_archive_result *out, struct hd_fault *fault);

#endif
