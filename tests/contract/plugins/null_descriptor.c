// Breaks: its entry point returns its descriptor.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(note, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 1, 0, HADRON_KIND_STRATEGY, "null_descriptor", "1.0.0")
HADRON_EXPORT const void *null_descriptor_tables(int which);
const void *null_descriptor_tables(int which) { return which ? (const void *)&tiny_api : (const void *)tiny_capability(HADRON_CAP_STATE); }
HADRON_EXPORT const struct hadron_plugin *hadron_plugin_v1(void);
const struct hadron_plugin *hadron_plugin_v1(void) { return NULL; }
