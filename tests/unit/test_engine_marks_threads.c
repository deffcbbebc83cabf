// Promise: who reads a mark while its shard writes it gets one that was written, whole, and never an older one than before. Run under
// the thread sanitizer too.
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "support/market.h"

#define WRITES 300000

static struct test_market market;
static _Atomic bool done;

static void *reader_main(void *argument) {
  uint64_t *torn = argument, last = 0, reads = 0;
  while (!atomic_load_explicit(&done, memory_order_acquire) || reads == 0) {
    struct hd_mark m = hd_mark_read(&market.marks, 1);
    int64_t n = (int64_t)m.sequence;
    if (m.sequence < last || m.last.nanos != n || m.bid.nanos != 2 * n || m.ask.nanos != 3 * n || m.event_ns != 4 * n || m.recv_ns != 5 * n) ++*torn;
    last = m.sequence;
    reads++;
  }
  return NULL;
}

static void readers_see_whole_marks(void **state) {
  (void)state;
  uint64_t torn[2] = {0};
  pthread_t threads[2];
  test_market_init(&market);
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &torn[i]), 0);
  for (int64_t n = 1; n <= WRITES; n++) {
    const struct hd_mark m = {{n}, {2 * n}, {3 * n}, 4 * n, 5 * n, (uint64_t)n, (uint32_t)n, (float)n};
    hd_mark_write(&market.cells[1], &m);
  }
  atomic_store_explicit(&done, true, memory_order_release);
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(torn[i], 0);
  }
  assert_int_equal(hd_mark_read(&market.marks, 1).sequence, WRITES);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(readers_see_whole_marks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
