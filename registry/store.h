// The store: files by the SHA-256 of their content, DIR/ab/ab12….so and .lua, mode 0444. A file appears whole or not at all (written under
// another name, synced, renamed, the directory synced), is never written again, and is hashed again whenever it is asked for. Opening
// a device or a link by a digest is not possible: names are made here, of hex digits. [any]
#ifndef HD_REGISTRY_STORE_H
#define HD_REGISTRY_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "plugin/manifest.h"
#include "registry/source.h"

#define HD_STORE_DIRECTORY_SIZE 768
#define HD_STORE_PATH_SIZE 1024

struct hd_store {
  char directory[HD_STORE_DIRECTORY_SIZE];
};

// Makes the directory if it is not there. HADRON_ERR_PERMISSION: it belongs to somebody else, or others may write there.
int32_t hd_store_open(struct hd_store *s, const char *directory, struct hd_fault *fault);
// The file of a digest, there or not.
void hd_store_path(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, char path[HD_STORE_PATH_SIZE]);
// Writes the bytes, whose SHA-256 is `digest`. A file that is there and whole is left as it is; a damaged one is put aside (NAME.damaged).
int32_t hd_store_put(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, const void *bytes, size_t size, struct hd_fault *fault);
// Reads and hashes the file. HADRON_ERR_NOT_FOUND, HADRON_ERR_CORRUPT. out: NULL, or the bytes.
int32_t hd_store_read(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, struct hd_source *out, struct hd_fault *fault);
int32_t hd_store_remove(const struct hd_store *s, const uint8_t digest[32], enum hd_language language, struct hd_fault *fault);

// Every file below the directory. digest: NULL for what is no artifact (left over by a crash, put aside as damaged). A directory's file
// that `take` removes is no trouble.
typedef int32_t (*hd_store_take)(void *user, const char *path, const uint8_t *digest, enum hd_language language, uint64_t size, struct hd_fault *fault);
int32_t hd_store_walk(const struct hd_store *s, hd_store_take take, void *user, struct hd_fault *fault);

#endif
