// Breaks: one manifest per shared object.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(first, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 1, 0, HADRON_KIND_STRATEGY, "two_notes", "1.0.0")
RAW_NOTE(second, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 1, 0, HADRON_KIND_STRATEGY, "two_notes_more", "1.0.0")
RAW_ENTRY(HADRON_PLUGIN_MAGIC, sizeof(struct hadron_plugin), 1, 0, 0, HADRON_KIND_STRATEGY, "two_notes", "1.0.0", "", &tiny_api, tiny_capability)
