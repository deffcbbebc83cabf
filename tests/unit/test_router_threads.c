// Promise: with a thread that routes, one per shard that takes, and facts set from both, each instrument's ticks leave in order and
// every tick is routed, conflated, dropped or lost, and counted as such. Run under the thread sanitizer too.
#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "pipeline/router.h"
#include "support/market.h"

#define SHARDS 2
#define TICKS 200000

static struct test_market market;
static struct hd_router router;
static _Atomic bool done;

struct shard {
  uint32_t index;
  uint64_t left, disorder, seed;
};

static void *shard_main(void *argument) {
  struct shard *s = argument;
  struct hd_random random;
  uint64_t last[TEST_INSTRUMENTS + 1] = {0};
  hd_random_init(&random, s->seed);
  for (;;) {
    bool over = atomic_load_explicit(&done, memory_order_acquire); // before looking: what was routed before it is seen now
    struct hd_ring *from;
    struct hadron_tick *t = hd_lanes_peek(&router.lanes[s->index], &from);
    if (!t) {
      if (over) return NULL;
      sched_yield();
      continue;
    }
    s->disorder += t->sequence <= last[t->instrument];
    last[t->instrument] = t->sequence;
    s->left++;
    if (hd_random_below(&random, 64) == 0) hd_router_fact(&router, t->instrument, 1u << hd_random_below(&random, 2), hd_random_below(&random, 2));
    hd_ring_release(from);
  }
}

static void threads_keep_order(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct shard shards[SHARDS];
  pthread_t threads[SHARDS];
  test_market_init(&market);
  for (uint32_t i = 1; i <= TEST_INSTRUMENTS; i++) market.rows[i].shard = i % SHARDS;
  assert_int_equal(hd_router_init(&router, &market.instruments, SHARDS, 256), HADRON_OK);
  hd_router_correlate(&router, 1, 2);
  for (uint32_t s = 0; s < SHARDS; s++) {
    shards[s] = (struct shard){.index = s, .seed = hd_random_next(&random)};
    assert_int_equal(pthread_create(&threads[s], NULL, shard_main, &shards[s]), 0);
  }
  for (uint64_t n = 1; n <= TICKS; n++) {
    struct hadron_tick t = {.instrument = 1 + (uint32_t)hd_random_below(&random, TEST_INSTRUMENTS), .sequence = n, .event_ns = 1,
                            .kind = hd_random_below(&random, 4) ? HADRON_TICK_QUOTE : HADRON_TICK_TRADE};
    if (hd_router_route(&router, &t) == HD_ROUTED_FULL) hd_router_lost(&router);
    if (hd_random_below(&random, 32) == 0) hd_router_flush(&router);
  }
  while (hd_router_flush(&router)) sched_yield();
  atomic_store_explicit(&done, true, memory_order_release);
  uint64_t left = 0;
  for (uint32_t s = 0; s < SHARDS; s++) {
    pthread_join(threads[s], NULL);
    assert_int_equal(shards[s].disorder, 0);
    left += shards[s].left;
  }
  uint64_t routed = router.routed[HADRON_LANE_FAST] + router.routed[HADRON_LANE_WARM] + router.routed[HADRON_LANE_COLD];
  assert_int_equal(left, routed);
  assert_int_equal(routed + router.routed[HADRON_LANE_DROP] + router.conflated + router.lost, TICKS);
  hd_router_fini(&router);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(threads_keep_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
