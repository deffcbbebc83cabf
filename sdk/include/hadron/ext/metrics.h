// Capability "hadron.metrics/1", host side: named counters and gauges of a plugin.
#ifndef HADRON_EXT_METRICS_H
#define HADRON_EXT_METRICS_H

#include "hadron/plugin.h"

#define HADRON_CAP_METRICS "hadron.metrics/1"

enum hadron_metric_type {
  HADRON_METRIC_INVALID = 0,
  HADRON_METRIC_COUNTER = 1, // only grows
  HADRON_METRIC_GAUGE = 2,
};

// Static description of one metric. static.
struct hadron_metric {
  const char *name; // [a-z0-9_]{1,63}
  const char *help; // one line
  const char *unit; // "ticks", "ns", "bytes", ...
  uint32_t type;    // enum hadron_metric_type
  uint32_t pad;
};

struct hadron_metrics {
  uint32_t struct_size;
  uint32_t pad;

  // Announces a metric and gives its cell; the plugin writes the cell with plain relaxed stores, the host reads it. The same
  // name gives the same cell to all instances of the plugin on one shard. [control & created]
  // @own   metric  static
  // @own   cell    borrowed(until destroy)
  // @err   HADRON_ERR_FULL  more metrics than limits.h allows
  // @since 1.0
  int32_t (*open)(struct hadron_instance *instance, const struct hadron_metric *metric, int64_t **cell);
};

#endif
