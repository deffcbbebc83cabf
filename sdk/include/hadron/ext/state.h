// Capability "hadron.state/1", plugin side: versioned save and load of an instance's state, for hand-over and restart. Orders
// and positions are the host's and never part of it.
#ifndef HADRON_EXT_STATE_H
#define HADRON_EXT_STATE_H

#include "hadron/plugin.h"

#define HADRON_CAP_STATE "hadron.state/1"

// In front of every saved state. The host writes and checks it; the plugin sees only the bytes behind it.
struct hadron_state_header {
  uint32_t magic;  // 0x54534448, "HDST"
  uint32_t schema; // the plugin's own version of its layout, from 1
  uint32_t size;   // bytes that follow
  uint32_t crc32c; // of them
};
HADRON_SIZE(hadron_state_header, 16);

struct hadron_state {
  uint32_t struct_size;
  uint32_t schema;     // what `save` writes
  uint32_t schema_min; // the oldest that `load` takes; a good plugin takes N and N-1
  uint32_t size_max;   // bytes that `save` may need

  // Writes the state; must not change the instance. [shard & active; control & stopped] [nonblocking]
  // @own   buffer  borrowed(call), `capacity` bytes
  // @param size    bytes written; untouched on failure
  // @err   HADRON_ERR_FULL  capacity is too small
  // @since 1.0
  int32_t (*save)(const void *self, void *buffer, uint32_t capacity, uint32_t *size);

  // Takes a state over; on failure the instance is discarded. The bytes may be hostile. [control & created; shard & created]
  // @own   buffer  borrowed(call)
  // @err   HADRON_ERR_CORRUPT      does not make sense
  // @err   HADRON_ERR_UNSUPPORTED  schema outside [schema_min, schema]
  // @since 1.0
  int32_t (*load)(void *self, uint32_t schema, const void *buffer, uint32_t size);
};

#endif
