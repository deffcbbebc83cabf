// Breaks: the manifest begins with the magic.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(note, 0x12345678, sizeof(struct hadron_manifest), 1, 0, HADRON_KIND_STRATEGY, "bad_note_magic", "1.0.0")
RAW_ENTRY(HADRON_PLUGIN_MAGIC, sizeof(struct hadron_plugin), 1, 0, 0, HADRON_KIND_STRATEGY, "bad_note_magic", "1.0.0", "", &tiny_api, tiny_capability)
