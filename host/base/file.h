// Small files written whole, and secrets: signatures, keys, certificates, archives. [any]
#ifndef HD_BASE_FILE_H
#define HD_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

// A file that must not be there yet. HADRON_ERR_EXISTS, HADRON_ERR_IO.
int32_t hd_file_create(const char *path, const void *bytes, size_t size, mode_t mode, struct hd_fault *fault);
// Written beside it under another name, synced, renamed over it.
int32_t hd_file_replace(const char *path, const void *bytes, size_t size, mode_t mode, struct hd_fault *fault);
// 0, or an errno.
int hd_directory_make(const char *path, mode_t mode); // with those above it
int hd_directory_sync(const char *path);
// The directory that a file is in; "." if its path names none.
void hd_directory_of(const char *path, char *to, size_t size);

// A text that nobody but its owner may read, with a NUL at its end. text is wiped if it fails. HADRON_ERR_PERMISSION: others may read the file;
// HADRON_ERR_NOT_FOUND, _ARGUMENT (no regular file), _RANGE (longer than size - 1), _IO.
int32_t hd_secret_read(const char *path, char *text, size_t size, struct hd_fault *fault);
// Random bytes for keys, serials and nonces, from the kernel; what mbedTLS calls an f_rng. 0, or -1.
int hd_secret_chance(void *context, unsigned char *to, size_t size);

#endif
