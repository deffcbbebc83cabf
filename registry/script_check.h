// What a Lua plugin's file must be, found without running any of it: text, never compiled Lua; UTF-8 without NUL; at most 4 MiB; and a
// chunk that compiles. [any]
#ifndef HD_REGISTRY_SCRIPT_CHECK_H
#define HD_REGISTRY_SCRIPT_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

// HADRON_ERR_UNSUPPORTED (compiled Lua), HADRON_ERR_CORRUPT (NUL, no UTF-8), HADRON_ERR_RANGE, HADRON_ERR_SCRIPT (syntax), HADRON_ERR_MEMORY.
int32_t hd_script_check(const char *path, const void *bytes, size_t size, struct hd_fault *fault);

#endif
