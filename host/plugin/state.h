// Saving and loading an instance's state through the plugin's hadron.state/1, behind a header of 16 bytes: magic, schema, size,
// CRC-32C. The header is checked before the plugin sees a byte. Nothing here allocates. [as ext/state.h says for save and load]
#ifndef HD_PLUGIN_STATE_H
#define HD_PLUGIN_STATE_H

#include <stdint.h>

#include "base/fault.h"
#include "plugin/instance.h"

#define HD_STATE_MAGIC UINT32_C(0x54534448) // "HDST"

// Bytes that a saved state of this plugin may need, with the header; 0: it keeps none.
uint32_t hd_state_size_max(const struct hd_plugin *plugin);

// HADRON_ERR_UNSUPPORTED: the plugin keeps no state; HADRON_ERR_FULL: capacity is too small; HADRON_ERR_PLUGIN: it claims more
// bytes than it was given. size: untouched on failure.
int32_t hd_state_save(struct hadron_instance *instance, void *buffer, uint32_t capacity, uint32_t *size, struct hd_fault *fault);

// HADRON_ERR_CORRUPT: not a saved state, cut, or damaged; HADRON_ERR_UNSUPPORTED: a schema that the plugin does not take. On any
// failure the instance must be destroyed.
int32_t hd_state_load(struct hadron_instance *instance, const void *buffer, uint32_t size, struct hd_fault *fault);

#endif
