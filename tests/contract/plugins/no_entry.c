// Breaks: exports its entry point.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(note, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 1, 0, HADRON_KIND_STRATEGY, "no_entry", "1.0.0")
HADRON_EXPORT const void *no_entry_tables(int which);
const void *no_entry_tables(int which) { return which ? (const void *)&tiny_api : (const void *)tiny_capability(HADRON_CAP_STATE); }
