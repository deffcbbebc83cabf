// Hadron SDK: what every plugin is made of: one exported function, one descriptor, one manifest.
//
//   #include <hadron/strategy.h>
//   static const struct hadron_strategy_api api = { ... };
//   HADRON_PLUGIN(STRATEGY, "my_strategy", "1.0.0", "What it does in one line", "hadron.strategy/1", &api, my_capability)
//
// The manifest is an ELF note: the host reads it from the file and knows kind, name, version and requirements before one
// instruction of the plugin has run. Load rule: same ABI major, and minor_required <= the host's minor.
//
// Threads are named: [control] [io] [shard] [trade] [plugin] [any]; states: loaded, created, active, stopped.
// Ownership words: borrowed(call), borrowed(until X), owned, moved on success, static.
#ifndef HADRON_PLUGIN_H
#define HADRON_PLUGIN_H

#include "hadron/decimal.h"
#include "hadron/error.h"
#include "hadron/message.h"
#include "hadron/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HADRON_PLUGIN_MAGIC UINT32_C(0x4e524448) // "HDRN"
#define HADRON_EXPORT __attribute__((visibility("default")))

// The host's side of one plugin instance. Opaque to the plugin; the first argument of every host function.
struct hadron_instance;

// What the host gives to `create`. static for the life of the instance.
struct hadron_host {
  uint32_t struct_size; // bytes of this struct as the host knows it
  uint16_t abi_major, abi_minor;
  struct hadron_instance *instance; // pass it back in every call

  // Returns the table of a capability ("hadron.log/1"), or NULL if this host does not offer it to this instance.
  // What the manifest requires is never NULL. [any & created, active]
  // @param name  NUL-terminated, "<word>.<word>/<major>" (source: the capability's header)
  // @own   name  borrowed(call); result static
  // @since 1.0
  const void *(*capability)(struct hadron_instance *instance, const char *name);

  // The host's clock, ns since the Unix epoch: virtual in replay, wall time in live. [any & created, active]
  // @since 1.0
  int64_t (*now_ns)(struct hadron_instance *instance);

  // A pseudo-random 64-bit number from the instance's own seeded stream; the same in every replay. [any & created, active]
  // @since 1.0
  uint64_t (*random)(struct hadron_instance *instance);
};

// Static description of a plugin, returned by hadron_plugin_v1(). static.
struct hadron_plugin {
  uint32_t magic;       // HADRON_PLUGIN_MAGIC
  uint32_t struct_size; // sizeof(struct hadron_plugin) as the plugin knows it
  uint16_t abi_major, abi_minor, minor_required;
  uint16_t kind;        // enum hadron_plugin_kind
  const char *name;        // [a-z0-9_-]{1,63}
  const char *version;     // semantic version
  const char *description; // one line
  const void *api;         // the kind's table

  // Returns the plugin's table of a capability it offers ("hadron.state/1"), or NULL. [any & loaded]
  // @own   name  borrowed(call); result static
  // @since 1.0
  const void *(*capability)(const char *name);
};

typedef const struct hadron_plugin *(*hadron_plugin_entry)(void);

// The manifest as data: descriptor of the ELF note, owner "Hadron", type 1, section .note.hadron.
struct hadron_manifest {
  uint32_t magic;
  uint32_t struct_size;
  uint16_t abi_major, abi_minor, minor_required;
  uint16_t kind;
  char name[HADRON_NAME_SIZE];
  char version[HADRON_VERSION_SIZE];
  char description[128];
  char requires_[256]; // capabilities of the host that must be there, separated by blanks
};
HADRON_SIZE(hadron_manifest, 496);

struct hadron_manifest_note {
  uint32_t owner_size, size, type;
  char owner[8];
  struct hadron_manifest manifest;
};

#define HADRON_NOTE_OWNER "Hadron"
#define HADRON_NOTE_TYPE 1

// Writes the manifest note and the entry point. One per shared object.
// @param KIND   STRATEGY, VENUE, ALLOCATOR or SERVICE
// @param NEEDS  capabilities the host must offer, separated by blanks
// @param API    address of the kind's table
// @param CAPABILITY  function as in struct hadron_plugin, or NULL
#define HADRON_PLUGIN(KIND, NAME, VERSION, DESCRIPTION, NEEDS, API, CAPABILITY)                                       \
  __attribute__((used, section(".note.hadron"), aligned(4))) static const struct hadron_manifest_note                 \
      hadron_manifest_note = {sizeof HADRON_NOTE_OWNER,                                                               \
                              sizeof(struct hadron_manifest),                                                         \
                              HADRON_NOTE_TYPE,                                                                       \
                              HADRON_NOTE_OWNER,                                                                      \
                              {HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), HADRON_ABI_MAJOR,                 \
                               HADRON_ABI_MINOR, 0, HADRON_KIND_##KIND, NAME, VERSION, DESCRIPTION, NEEDS}};          \
  static const struct hadron_plugin hadron_plugin_descriptor = {HADRON_PLUGIN_MAGIC,                                  \
                                                                sizeof(struct hadron_plugin),                         \
                                                                HADRON_ABI_MAJOR,                                     \
                                                                HADRON_ABI_MINOR,                                     \
                                                                0,                                                    \
                                                                HADRON_KIND_##KIND,                                   \
                                                                NAME,                                                 \
                                                                VERSION,                                              \
                                                                DESCRIPTION,                                          \
                                                                API,                                                  \
                                                                CAPABILITY};                                          \
  HADRON_EXPORT const struct hadron_plugin *hadron_plugin_v1(void);                                                   \
  const struct hadron_plugin *hadron_plugin_v1(void) { return &hadron_plugin_descriptor; }                            \
  HADRON_STATIC_ASSERT(sizeof(struct hadron_manifest_note) == 20 + sizeof(struct hadron_manifest), "note is packed")

#ifdef __cplusplus
}
#endif

#endif
