// A file that somebody wants registered, read once: what was read is what is hashed, checked, tried and stored, whatever happens to the
// file meanwhile. Only a regular file that is not a link, has a size within its bound, is not mostly holes, and did not change while
// it was read. [any]
#ifndef HD_REGISTRY_SOURCE_H
#define HD_REGISTRY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define HD_SOURCE_HOLES_MAX (UINT64_C(1) << 20) // bytes of a file that were never written: linkers leave some between segments

struct hd_source {
  unsigned char *bytes; // owned; a NUL follows the last one
  size_t size;
};

// max: bytes; a script has its own, smaller bound. HADRON_ERR_NOT_FOUND, _IO, _ARGUMENT (link, FIFO, device, directory), _RANGE (empty, too
// long, sparse), _AGAIN (it changed while it was read), _MEMORY.
int32_t hd_source_read(const char *path, uint64_t max, struct hd_source *out, struct hd_fault *fault);
void hd_source_free(struct hd_source *s);

// The bound of a file by its name: scripts and shared objects.
uint64_t hd_source_max(const char *path);
bool hd_source_suffix(const char *path, const char *suffix); // and something in front of it

#endif
