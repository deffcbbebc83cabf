// Breaks: built for an ABI with another major.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(note, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 2, 0, HADRON_KIND_STRATEGY, "abi_major", "1.0.0")
RAW_ENTRY(HADRON_PLUGIN_MAGIC, sizeof(struct hadron_plugin), 2, 0, 0, HADRON_KIND_STRATEGY, "abi_major", "1.0.0", "", &tiny_api, tiny_capability)
