// Breaks: needs a newer minor than the host has, and says several other wrong things: all of them must be told.
#define TINY_RAW
#include "tiny.h"
RAW_NOTE(note, HADRON_PLUGIN_MAGIC, sizeof(struct hadron_manifest), 1, 9, 7, "ABI Minor", "one")
RAW_ENTRY(HADRON_PLUGIN_MAGIC, sizeof(struct hadron_plugin), 1, 0, 9, 7, "ABI Minor", "one", "", &tiny_api, tiny_capability)
