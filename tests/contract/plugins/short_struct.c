// Breaks: the descriptor is as long as the host knows it at least.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(note, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 1, 0, HADRON_KIND_STRATEGY, "short_struct", "1.0.0")
RAW_ENTRY(HADRON_PLUGIN_MAGIC, 24, 1, 0, 0, HADRON_KIND_STRATEGY, "short_struct", "1.0.0", "", &tiny_api, tiny_capability)
