// Promise: histogram quantiles stay within a bucket of the sorted truth; a ring passes every element once and in order between
// two threads, and says when it is full; a map agrees with a plain array under random operations and does not allocate once
// reserved.
#include "support/test.h"

#include <pthread.h>
#include <sched.h>

#include "base/histogram.h"
#include "base/map.h"
#include "base/ring.h"
#include "hadron/error.h"

// ---- histogram

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void quantiles_against_sorted(void **state) {
  (void)state;
  enum { COUNT = 20000 };
  struct hd_random r = test_random();
  static uint64_t values[COUNT];
  static struct hd_histogram h, half[2];
  for (int round = 0; round < 20; round++) {
    hd_histogram_reset(&h), hd_histogram_reset(&half[0]), hd_histogram_reset(&half[1]);
    uint32_t bits = 1 + (uint32_t)hd_random_below(&r, 42);
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
      values[i] = hd_random_next(&r) >> (64 - 1 - hd_random_below(&r, bits));
      sum += values[i];
      hd_histogram_record(&h, values[i]);
      hd_histogram_record(&half[i % 2], values[i]);
    }
    qsort(values, COUNT, sizeof *values, ascending);
    hd_histogram_merge(&half[0], &half[1]);
    assert_memory_equal(&half[0], &h, sizeof h);
    assert_int_equal(h.count, COUNT);
    assert_int_equal(h.sum, sum);
    assert_int_equal(h.max, values[COUNT - 1]);
    static const double qs[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
      size_t rank = (size_t)(qs[i] * COUNT + 0.999999);
      uint64_t truth = values[rank ? rank - 1 : 0], got = hd_histogram_quantile(&h, qs[i]);
      if (got < truth || (double)got > (double)truth * 1.032 + 0.5)
        fail_msg("q %g: sorted %llu, histogram %llu", qs[i], (unsigned long long)truth, (unsigned long long)got);
    }
  }
}

static void histogram_edges(void **state) {
  (void)state;
  static struct hd_histogram h;
  assert_int_equal(hd_histogram_quantile(&h, 0.5), 0);
  hd_histogram_record(&h, 0);
  assert_int_equal(hd_histogram_quantile(&h, 1), 0);
  hd_histogram_record(&h, UINT64_C(1) << 62); // above the range: the last bucket, and max is still exact
  assert_int_equal(hd_histogram_quantile(&h, 1), UINT64_C(1) << 62);
  assert_int_equal(hd_histogram_quantile(&h, 0.5), 0);
  uint32_t last = 0;
  for (uint64_t v = 0; v < 1 << 20; v++) { // indices never jump or fall
    uint32_t index = hd_histogram_index(v);
    assert_true(index == last || index == last + 1);
    last = index;
  }
  assert_int_equal(hd_histogram_index((UINT64_C(1) << 42) - 1), HD_HISTOGRAM_BUCKETS - 1);
  assert_int_equal(hd_histogram_index(UINT64_MAX), HD_HISTOGRAM_BUCKETS - 1);
}

// ---- ring

struct element {
  uint64_t number, check;
};
#define ELEMENTS UINT64_C(1000000)

static void *produce(void *user) {
  struct hd_ring *ring = user;
  for (uint64_t i = 0; i < ELEMENTS; i++) {
    struct element *e;
    while ((e = hd_ring_reserve(ring)) == NULL) sched_yield();
    *e = (struct element){i, hd_random_mix(i)};
    hd_ring_publish(ring);
  }
  return NULL;
}

static void ring_between_threads(void **state) {
  (void)state;
  struct hd_ring ring;
  assert_int_equal(hd_ring_init(&ring, sizeof(struct element), 64), HADRON_OK);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, produce, &ring), 0);
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < ELEMENTS; i++) {
    struct element *e;
    while ((e = hd_ring_peek(&ring)) == NULL) sched_yield();
    if (e->number != i || e->check != hd_random_mix(i)) wrong++;
    hd_ring_release(&ring);
  }
  pthread_join(thread, NULL);
  assert_int_equal(wrong, 0);
  assert_null(hd_ring_peek(&ring));
  assert_int_equal(hd_ring_head(&ring), ELEMENTS);
  assert_int_equal(hd_ring_tail(&ring), ELEMENTS);
  hd_ring_fini(&ring);
  hd_ring_fini(&ring); // twice is no harm
}

static void ring_full_and_empty(void **state) {
  (void)state;
  struct hd_ring ring;
  assert_int_equal(hd_ring_init(&ring, 4, 3), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_ring_init(&ring, 4, 0), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_ring_init(&ring, 0, 4), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_ring_init(&ring, 1u << 31, UINT64_C(1) << 62), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_ring_init(&ring, 4, 4), HADRON_OK);
  assert_int_equal((uintptr_t)ring.slots % 64, 0);
  assert_null(hd_ring_peek(&ring));
  for (uint32_t i = 0; i < 4; i++) {
    memcpy(hd_ring_reserve(&ring), &i, 4);
    hd_ring_publish(&ring);
  }
  assert_null(hd_ring_reserve(&ring));
  assert_int_equal(hd_ring_size(&ring), hd_ring_capacity(&ring));
  uint32_t first;
  memcpy(&first, hd_ring_peek(&ring), 4);
  assert_int_equal(first, 0);
  hd_ring_release(&ring);
  assert_non_null(hd_ring_reserve(&ring));
  hd_ring_fini(&ring);
}

// ---- map

#define KEYS 600

static void map_against_array(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static bool there[KEYS];
  static uint64_t values[KEYS];
  struct hd_map map;
  assert_int_equal(hd_map_init(&map, 12, 0), HADRON_OK);
  uint64_t count = 0;
  for (int i = 0; i < 300000; i++) {
    uint32_t k = (uint32_t)hd_random_below(&r, KEYS);
    // Long spells of growing and of shrinking, so that runs form and dissolve.
    uint64_t action = hd_random_below(&r, 10), grow = (i / 3000) % 2 ? 6 : 2;
    unsigned char key[12] = {0};
    memcpy(key + 3, &k, 4);
    if (action < grow) {
      uint64_t value = hd_random_next(&r);
      assert_int_equal(hd_map_put(&map, key, value), there[k] ? HADRON_ERR_EXISTS : HADRON_OK);
      if (!there[k]) there[k] = true, values[k] = value, count++;
    } else if (action < 8) {
      assert_int_equal(hd_map_remove(&map, key), there[k]);
      if (there[k]) there[k] = false, count--;
    } else {
      uint64_t value = 4711;
      assert_int_equal(hd_map_get(&map, key, &value), there[k]);
      assert_int_equal(value, there[k] ? values[k] : 4711);
    }
    assert_int_equal(map.count, count);
  }
  for (uint32_t k = 0; k < KEYS; k++) {
    unsigned char key[12] = {0};
    memcpy(key + 3, &k, 4);
    assert_int_equal(hd_map_get(&map, key, NULL), there[k]);
  }
  hd_map_fini(&map);
}

static void map_reserved_stays_where_it_is(void **state) {
  (void)state;
  struct hd_map map;
  assert_int_equal(hd_map_init(&map, 8, 0), HADRON_OK);
  assert_int_equal(hd_map_reserve(&map, 1000), HADRON_OK);
  const void *slots = map.slots, *keys = map.keys;
  for (uint64_t round = 0; round < 50; round++) {
    for (uint64_t i = 0; i < 1000; i++) {
      uint64_t key = round * 1000 + i;
      assert_int_equal(hd_map_put(&map, &key, i), HADRON_OK);
    }
    for (uint64_t i = 0; i < 1000; i++) {
      uint64_t key = round * 1000 + i;
      assert_true(hd_map_remove(&map, &key));
    }
  }
  assert_ptr_equal(map.slots, slots);
  assert_ptr_equal(map.keys, keys);
  hd_map_fini(&map);
}

static void map_of_text(void **state) {
  (void)state;
  struct hd_map map;
  assert_int_equal(hd_map_init(&map, 0, 0), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_map_init(&map, 8, 4), HADRON_OK);
  uint64_t value = 0;
  assert_int_equal(hd_map_put_text(&map, "AAPL", 1), HADRON_OK);
  assert_int_equal(hd_map_put_text(&map, "AAPLxxx", 2), HADRON_OK);
  assert_int_equal(hd_map_put_text(&map, "AAPLxxxx", 3), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_map_put_text(&map, "AAPL", 4), HADRON_ERR_EXISTS);
  assert_true(hd_map_get_text(&map, "AAPL", &value));
  assert_int_equal(value, 1);
  assert_false(hd_map_get_text(&map, "AAPLxxxx", &value));
  assert_false(hd_map_get_text(&map, "", &value));
  assert_int_equal(value, 1);
  hd_map_fini(&map);
  hd_map_fini(&map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantiles_against_sorted), cmocka_unit_test(histogram_edges),  cmocka_unit_test(ring_between_threads),
      cmocka_unit_test(ring_full_and_empty),      cmocka_unit_test(map_against_array), cmocka_unit_test(map_reserved_stays_where_it_is),
      cmocka_unit_test(map_of_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
