// The manifest of a plugin file, read without running any of it: from the ELF note of a shared object (owner "Hadron", type 1), or
// from the comment lines at the head of a Lua script:
//
//   -- hadron: strategy my_strategy 1.0.0
//   -- description: what it does in one line
//   -- requires: hadron.strategy/1 hadron.timer/1
//
// The bytes may be hostile: every offset is checked against the size of the file. [any]
#ifndef HD_PLUGIN_MANIFEST_H
#define HD_PLUGIN_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "hadron/plugin.h"

enum hd_language {
  HD_LANGUAGE_INVALID = 0,
  HD_LANGUAGE_NATIVE = 1, // a shared object
  HD_LANGUAGE_LUA = 2,
};

// Tells the language by the first bytes, or by the suffix .lua, and reads the manifest. `path` is for messages and the suffix
// alone. out, language: untouched on failure. Errors: HADRON_ERR_UNSUPPORTED (not a plugin file, wrong machine),
// HADRON_ERR_CORRUPT (truncated, damaged), HADRON_ERR_NOT_FOUND (no manifest), HADRON_ERR_DUPLICATE (several), HADRON_ERR_PARSE.
int32_t hd_manifest_read(const char *path, const void *bytes, size_t size, struct hadron_manifest *out, enum hd_language *language,
                         struct hd_fault *fault);

// The load rule: same ABI major, minor_required at most the host's, a kind, name and version in their grammar, every required
// capability offered to the kind. Names all differences at once.
int32_t hd_manifest_check(const char *path, const struct hadron_manifest *manifest, struct hd_fault *fault);

// "strategy", "venue", "allocator", "service"; "invalid" for any other number. And back: HADRON_KIND_INVALID if it is none.
const char *hd_kind_name(uint32_t kind);
uint32_t hd_kind_parse(const char *name);
// Semantic version 2.0.0: major.minor.patch[-prerelease][+build].
bool hd_version_valid(const char *version);

#endif
