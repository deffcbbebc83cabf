// Breaks: what it says when it runs is what its manifest says.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(note, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 1, 0, HADRON_KIND_STRATEGY, "name_mismatch", "1.0.0")
RAW_ENTRY(HADRON_PLUGIN_MAGIC, sizeof(struct hadron_plugin), 1, 0, 0, HADRON_KIND_VENUE, "somebody_else", "2.0.0", "", NULL, NULL)
