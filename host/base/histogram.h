// Log-linear histogram of nanoseconds: 32 linear buckets per power of two (error below 3.2 %), values up to 2^42. Recording is
// a few instructions, allocates nothing, and is for one writing thread; readers on other threads see relaxed counts. [any]
#ifndef HD_BASE_HISTOGRAM_H
#define HD_BASE_HISTOGRAM_H

#include <stdint.h>

#define HD_HISTOGRAM_SUB 32
#define HD_HISTOGRAM_BUCKETS (38 * HD_HISTOGRAM_SUB)

struct hd_histogram {
  uint64_t count, sum, max;
  uint64_t buckets[HD_HISTOGRAM_BUCKETS];
};

static inline uint32_t hd_histogram_index(uint64_t v) {
  if (v < HD_HISTOGRAM_SUB) return (uint32_t)v;
  uint32_t msb = 63u - (uint32_t)__builtin_clzll(v);
  if (msb > 41) return HD_HISTOGRAM_BUCKETS - 1;
  return (msb - 4) * HD_HISTOGRAM_SUB + (uint32_t)((v >> (msb - 5)) & (HD_HISTOGRAM_SUB - 1));
}

// One writes: no instruction needs the bus for itself.
static inline void hd_histogram_more(uint64_t *cell, uint64_t by) { __atomic_store_n(cell, *cell + by, __ATOMIC_RELAXED); }

static inline void hd_histogram_record(struct hd_histogram *h, uint64_t v) {
  hd_histogram_more(&h->buckets[hd_histogram_index(v)], 1);
  hd_histogram_more(&h->count, 1);
  hd_histogram_more(&h->sum, v);
  if (v > h->max) __atomic_store_n(&h->max, v, __ATOMIC_RELAXED);
}

// Upper edge of the bucket that holds the q-quantile, q in [0, 1]; 0 if empty; never above max.
uint64_t hd_histogram_quantile(const struct hd_histogram *h, double q);
void hd_histogram_add(struct hd_histogram *h, uint64_t v, uint64_t count); // recorded so often
// What was recorded since `told` was as h is now: up to `max` rows of an upper edge and how often; told has it then. Returns how many rows.
struct hd_histogram_row { uint64_t ns, count; };
uint32_t hd_histogram_since(const struct hd_histogram *h, struct hd_histogram *told, struct hd_histogram_row *rows, uint32_t max);
void hd_histogram_merge(struct hd_histogram *into, const struct hd_histogram *from);
void hd_histogram_reset(struct hd_histogram *h);

#endif
