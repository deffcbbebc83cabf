// Promise: what was stored before a ring is seen by whoever looks after the wait, and no ring is lost: neither while it falls asleep nor while it clears the
// bell, whether the kernel has membarrier(2) or not. Rounds of random length; the seed is printed.
#include "support/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bell.h"
#include "base/clock.h"

#define ROUNDS 150000
#define PATIENCE INT64_C(20000000000)

struct pair {
  struct hd_bell bell;
  _Alignas(64) _Atomic uint64_t stored;
  _Alignas(64) _Atomic uint64_t seen;
  struct hd_random random;
};

// The next round begins when the last one was seen: one ring that is lost, and nobody goes on.
static void *ringer(void *self) {
  struct pair *p = self;
  for (uint64_t n = 0, round = 0; round < ROUNDS; round++) {
    for (uint64_t last = n + 1 + hd_random_below(&p->random, 4); n < last;) {
      atomic_store_explicit(&p->stored, ++n, memory_order_release);
      hd_bell_ring(&p->bell);
    }
    for (uint64_t look = 1; atomic_load_explicit(&p->seen, memory_order_acquire) < n; look++)
      if (look % 1000 == 0) sched_yield(); // one core
    uint64_t moment = hd_random_below(&p->random, 2 + (UINT64_C(1) << round % 8)); // the other side is anywhere between looking and sleeping
    for (_Atomic uint64_t i = 0; i < moment;) i++;
  }
  atomic_store(&p->stored, UINT64_MAX);
  hd_bell_ring(&p->bell);
  return NULL;
}

static bool all_rings_are_heard(uint64_t seed, bool often) {
  static struct pair p;
  pthread_t thread;
  bool heard = true;
  memset(&p, 0, sizeof p);
  if (often) hd_bell_often(&p.bell);
  hd_random_init(&p.random, seed);
  if (pthread_create(&thread, NULL, ringer, &p)) return false;
  for (uint64_t stored = 0; stored != UINT64_MAX;) {
    int64_t before = hd_clock_monotonic_ns();
    hd_bell_wait(&p.bell, PATIENCE);
    heard &= hd_clock_monotonic_ns() - before < PATIENCE; // it slept through
    stored = atomic_load_explicit(&p.stored, memory_order_relaxed);
    atomic_store_explicit(&p.seen, stored, memory_order_release);
  }
  pthread_join(thread, NULL);
  return heard;
}

static void no_ring_is_lost(void **state) {
  (void)state;
  struct hd_random random = test_random();
  assert_true(all_rings_are_heard(hd_random_next(&random), true));
  assert_true(all_rings_are_heard(hd_random_next(&random), false));
}

// This program once more, where the system call fails as on a kernel that does not know it.
static void nor_without_membarrier(void **state) {
  (void)state;
  pid_t child = fork();
  if (child == 0) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(membarrier), 0) || seccomp_load(filter)) _exit(3);
    execl("/proc/self/exe", "test_base_bell", "once", (char *)NULL);
    _exit(4);
  }
  int status = -1;
  assert_true(child > 0 && waitpid(child, &status, 0) == child);
  assert_int_equal(status, 0);
}

static void a_wait_of_no_time_clears(void **state) {
  (void)state;
  struct hd_bell bell = {0};
  int64_t before = hd_clock_monotonic_ns();
  hd_bell_ring(&bell);
  hd_bell_ring(&bell); // as good as once
  hd_bell_wait(&bell, 0);
  assert_int_equal(atomic_load(&bell.state), 0);
  hd_bell_wait(&bell, -1);
  hd_bell_wait(&bell, 2000000);
  assert_true(hd_clock_monotonic_ns() - before >= 2000000); // nobody rang: it slept for all of it
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "once") == 0) return all_rings_are_heard(1, true) ? 0 : 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(no_ring_is_lost), cmocka_unit_test(nor_without_membarrier), cmocka_unit_test(a_wait_of_no_time_clears)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
