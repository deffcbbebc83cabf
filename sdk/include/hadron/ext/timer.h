// Capability "hadron.timer/1": timers on the host's clock. Due times are virtual in replay, and each firing is journaled.
#ifndef HADRON_EXT_TIMER_H
#define HADRON_EXT_TIMER_H

#include "hadron/strategy.h"

#define HADRON_CAP_TIMER "hadron.timer/1"

// Host side.
struct hadron_timer {
  uint32_t struct_size;
  uint32_t pad;

  // Fires once at due_ns, or at once if that has passed; a timer with the same id is moved. In a `start` that has no clock yet (it is 0) due_ns counts
  // from the first tick. [control & created; shard & active] [nonblocking]
  // @param due_ns  ns since the Unix epoch, on the host's clock (source: the strategy)
  // @param id      the plugin's own
  // @err   HADRON_ERR_FULL  more timers than limits.h allows
  // @since 1.0
  int32_t (*at)(struct hadron_instance *instance, int64_t due_ns, uint64_t id);

  // Forgets a timer; one that is not set is no error. [control & created; shard & active] [nonblocking]
  // @since 1.0
  void (*cancel)(struct hadron_instance *instance, uint64_t id);
};

// Plugin side: returned by the plugin's `capability`.
struct hadron_timer_target {
  uint32_t struct_size;
  uint32_t pad;

  // A timer has come due; never before due_ns, and before any tick with a later time. [shard & active] [nonblocking]
  // @own   market  borrowed(call): of the instance's first instrument
  // @since 1.0
  int32_t (*on_timer)(void *self, uint64_t id, int64_t due_ns, const struct hadron_market *market);
};

#endif
