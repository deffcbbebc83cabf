// Loading: a file is read once, hashed, its manifest checked, and what was hashed is what runs: a shared object is loaded from a
// sealed private copy in memory, so that a later change of the file cannot reach the host. The same content gives the same object.
// Nothing is ever unloaded: code may be on a stack, tables are static.
//
// Loading runs the plugin's constructors and its entry point. [control]
#ifndef HD_PLUGIN_LOADER_H
#define HD_PLUGIN_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "hadron/ext/inspect.h"
#include "hadron/ext/params.h"
#include "hadron/ext/state.h"
#include "hadron/ext/timer.h"
#include "hadron/plugin.h"
#include "plugin/manifest.h"

#define HD_PLUGIN_PATH_SIZE 1024
#define HD_PLUGIN_FILE_MAX (UINT64_C(256) << 20) // bytes of a plugin file; more is refused
#define HD_PLUGIN_SCRIPT_MAX (UINT64_C(4) << 20) // bytes of a script

// A loaded plugin. static once it is open.
struct hd_plugin {
  struct hadron_manifest manifest;
  enum hd_language language;
  const void *api; // the kind's table: struct hadron_strategy_api, ...
  // What it offers; NULL if it does not.
  const struct hadron_params *params;
  const struct hadron_state *state;
  const struct hadron_timer_target *timer;
  const struct hadron_inspect *inspect;
  const void *(*capability)(const char *name); // as in struct hadron_plugin; may be NULL
  uint8_t digest[32];                          // SHA-256 of the file
  char digest_text[65];
  char path[HD_PLUGIN_PATH_SIZE]; // where it was first read
  // Scripts: the text, as hashed, with a NUL behind it; and what the language's runtime keeps for it.
  const char *source;
  size_t source_size;
  void *language_data;
  // Loader's own.
  void *handle;
  int fd; // of the sealed copy; open for life: the name under which it was loaded must not be given to another file
  struct hd_plugin *next;
};

// What runs plugins that are not shared objects. The Lua room has one.
struct hd_plugin_language {
  // Fills api, params, state, timer, capability and language_data from manifest and source. On failure it leaves nothing behind
  // and says why in `fault`.
  int32_t (*open)(struct hd_plugin *plugin, struct hd_fault *fault);
  // Takes back what open made: the plugin is refused after all. Never called on a plugin that was handed out.
  void (*close)(struct hd_plugin *plugin);
};

// lua: NULL where scripts are not run: they are refused. out: untouched on failure.
// Errors, each with words: those of the manifest; HADRON_ERR_IO, HADRON_ERR_ABI, HADRON_ERR_CAPABILITY, HADRON_ERR_PLUGIN.
int32_t hd_plugin_open(const char *path, const struct hd_plugin_language *lua, const struct hd_plugin **out, struct hd_fault *fault);

// The same for bytes that were chosen by their digest: `fd` is read from its beginning, wherever it stands, and stays the caller's; `path`
// is for messages, and its suffix tells a script. A memory file with all seals is loaded as it is, anything else is copied first.
// HADRON_ERR_CORRUPT, before any of it is run, if the bytes have another digest.
int32_t hd_plugin_open_digest(int fd, const char *path, const uint8_t digest[32], const struct hd_plugin_language *lua,
                              const struct hd_plugin **out, struct hd_fault *fault);

// The same for bytes in memory; borrowed(call).
int32_t hd_plugin_open_bytes(const char *path, const void *bytes, size_t size, const struct hd_plugin_language *lua, const struct hd_plugin **out,
                             struct hd_fault *fault);

// Is it a card (capability.h): name, version, parameters and bars of a strategy whose program runs elsewhere?
bool hd_plugin_external(const struct hd_plugin *plugin);

// What is loaded already, by digest; NULL: nothing.
const struct hd_plugin *hd_plugin_loaded(const uint8_t digest[32]);

// Refuses a plugin of another kind with words: `found` is what was opened, `expected` an enum hadron_plugin_kind.
int32_t hd_plugin_expect_kind(const struct hd_plugin *plugin, uint32_t expected, struct hd_fault *fault);

// The checks of a descriptor and of the tables behind it, for the loader and the validator. Each names all differences at once.
int32_t hd_descriptor_check(const char *path, const struct hadron_manifest *manifest, const struct hadron_plugin *descriptor, struct hd_fault *fault);
int32_t hd_api_check(const char *path, uint32_t kind, const void *api, struct hd_fault *fault);
int32_t hd_offers_check(const char *path, const struct hd_plugin *plugin, struct hd_fault *fault);

#endif
