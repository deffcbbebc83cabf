// Small files of the registry, written whole: signatures, keys, archives. [any]
#ifndef HD_REGISTRY_FILE_H
#define HD_REGISTRY_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"
#include "registry/source.h"

// A file that must not be there yet. HADRON_ERR_EXISTS, HADRON_ERR_IO.
int32_t hd_file_create(const char *path, const void *bytes, size_t size, mode_t mode, struct hd_fault *fault);
// Written beside it under another name, synced, renamed over it.
int32_t hd_file_replace(const char *path, const void *bytes, size_t size, mode_t mode, struct hd_fault *fault);
// 0, or an errno.
int hd_directory_make(const char *path, mode_t mode); // with those above it
int hd_directory_sync(const char *path);
// The directory that a file is in; "." if its path names none.
void hd_directory_of(const char *path, char *to, size_t size);

#endif
