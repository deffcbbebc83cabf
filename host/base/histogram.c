#include "base/histogram.h"

#include "base/assert.h"
#include "base/banned.h"

static uint64_t upper_edge(uint32_t index) {
  if (index < HD_HISTOGRAM_SUB) return index;
  uint32_t shift = index / HD_HISTOGRAM_SUB - 1;
  uint64_t lower = (uint64_t)(HD_HISTOGRAM_SUB + index % HD_HISTOGRAM_SUB) << shift;
  return lower + (UINT64_C(1) << shift) - 1;
}

// Rank of the quantile, counted from 1: the smallest value with at least q of all values at or below it.
static uint64_t rank_of(double q, uint64_t count) {
  if (!(q > 0)) return 1;
  if (q >= 1) return count;
  double exact = q * (double)count;
  uint64_t rank = (uint64_t)exact;
  if ((double)rank < exact) rank++;
  if (rank == 0) rank = 1;
  return rank > count ? count : rank;
}

uint64_t hd_histogram_quantile(const struct hd_histogram *h, double q) {
  if (h->count == 0) return 0;
  uint64_t rank = rank_of(q, h->count), seen = 0;
  for (uint32_t i = 0; i < HD_HISTOGRAM_BUCKETS - 1; i++) {
    seen += h->buckets[i];
    if (seen >= rank) return upper_edge(i) < h->max ? upper_edge(i) : h->max;
  }
  return h->max; // the last bucket has no upper edge
}

void hd_histogram_merge(struct hd_histogram *into, const struct hd_histogram *from) {
  HD_ASSERT(into != from);
  for (uint32_t i = 0; i < HD_HISTOGRAM_BUCKETS; i++) into->buckets[i] += __atomic_load_n(&from->buckets[i], __ATOMIC_RELAXED);
  into->count += __atomic_load_n(&from->count, __ATOMIC_RELAXED);
  into->sum += __atomic_load_n(&from->sum, __ATOMIC_RELAXED);
  uint64_t max = __atomic_load_n(&from->max, __ATOMIC_RELAXED);
  if (max > into->max) into->max = max;
}

void hd_histogram_add(struct hd_histogram *h, uint64_t v, uint64_t count) {
  hd_histogram_more(&h->buckets[hd_histogram_index(v)], count);
  hd_histogram_more(&h->count, count);
  hd_histogram_more(&h->sum, v * count);
  if (count && v > h->max) __atomic_store_n(&h->max, v, __ATOMIC_RELAXED);
}

uint32_t hd_histogram_since(const struct hd_histogram *h, struct hd_histogram *told, struct hd_histogram_row *rows, uint32_t max) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < HD_HISTOGRAM_BUCKETS && n < max && told->count < h->count; i++) {
    uint64_t more = h->buckets[i] - told->buckets[i];
    if (!more) continue;
    uint64_t edge = i + 1 < HD_HISTOGRAM_BUCKETS ? upper_edge(i) : h->max;
    rows[n++] = (struct hd_histogram_row){edge < h->max ? edge : h->max, more};
    told->buckets[i] += more;
    told->count += more;
  }
  return n;
}

void hd_histogram_reset(struct hd_histogram *h) { memset(h, 0, sizeof *h); }
