// Breaks: an ordinary shared object without a manifest.
#define TINY_RAW
#include "tiny.h"
RAW_ENTRY(HADRON_PLUGIN_MAGIC, sizeof(struct hadron_plugin), 1, 0, 0, HADRON_KIND_STRATEGY, "no_note", "1.0.0", "", &tiny_api, tiny_capability)
