// Counters and gauges. A room describes its metrics in a static table (name, help, unit, type) and opens the table once for each
// owner ("shard0", "venue.alpaca", a plugin's instance); it gets one cell per row. A cell has one writing thread, which uses plain
// relaxed stores; anybody may read. Opening and walking lock and are for the control path; nothing is ever taken away before fini.
// Bound: HD_METRICS_MAX cells; full: HADRON_ERR_FULL with a fault that says so.
#ifndef HD_BASE_METRICS_H
#define HD_BASE_METRICS_H

#include <stdint.h>

#include "base/fault.h"
#include "hadron/ext/metrics.h"

#define HD_METRIC_OWNER_SIZE 128

struct hd_metrics;

// capacity: cells, at most HD_METRICS_MAX. NULL when there is no memory. [control]
struct hd_metrics *hd_metrics_create(uint32_t capacity);
void hd_metrics_destroy(struct hd_metrics *metrics);

// Opens all rows of a table for one owner; cells[i] belongs to rows[i] and lives until destroy. Either all or none. A row that the
// owner already has gives the same cell. Names and texts are copied. [control]
// HADRON_ERR_ARGUMENT: a name, type or owner out of its grammar; HADRON_ERR_EXISTS: same name, other type or unit; HADRON_ERR_FULL.
int32_t hd_metrics_open(struct hd_metrics *metrics, const char *owner, const struct hadron_metric *rows, uint32_t count, int64_t **cells,
                        struct hd_fault *fault);

// Calls `visit` for every cell in the order of opening; owner and metric are static until destroy. [control]
void hd_metrics_walk(struct hd_metrics *metrics, void (*visit)(void *user, const char *owner, const struct hadron_metric *metric, int64_t value),
                     void *user);

// The writing thread's side. [one writer]
static inline void hd_metric_add(int64_t *cell, int64_t n) {
  __atomic_store_n(cell, __atomic_load_n(cell, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
static inline void hd_metric_set(int64_t *cell, int64_t value) { __atomic_store_n(cell, value, __ATOMIC_RELAXED); }
static inline int64_t hd_metric_read(const int64_t *cell) { return __atomic_load_n(cell, __ATOMIC_RELAXED); }

#endif
