#include "base/bell.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { QUIET = 0, RUNG = 1, ASLEEP = 2 };

// Whoever rings has stored something before, and whoever clears the bell looks for it afterwards: one of them has to see what the other did. A barrier at every
// ring costs a shard more than the tick itself. Where it is rung often the rare side pays: membarrier(2) lets every thread of the process pass a barrier. It
// takes some microseconds, so that other bells are better off without. Where the kernel has none, every ring is one. Set before main, constant then.
static bool rare_side_can_pay;

__attribute__((constructor)) static void register_barrier(void) {
  rare_side_can_pay = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void hd_bell_often(struct hd_bell *bell) { bell->often = rare_side_can_pay; }

void hd_bell_ring(struct hd_bell *bell) {
  if (bell->often && atomic_load_explicit(&bell->state, memory_order_relaxed) == RUNG) return;
  if (atomic_exchange_explicit(&bell->state, RUNG, memory_order_acq_rel) == ASLEEP)
    syscall(SYS_futex, &bell->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void clear(struct hd_bell *bell) {
  atomic_exchange_explicit(&bell->state, QUIET, memory_order_acq_rel); // not a store: what was rung before it must be seen after it
  if (bell->often) syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

void hd_bell_wait(struct hd_bell *bell, int64_t timeout_ns) {
  uint32_t expected = QUIET;
  if (timeout_ns <= 0 && atomic_load_explicit(&bell->state, memory_order_relaxed) == QUIET) return;
  if (timeout_ns <= 0 || !atomic_compare_exchange_strong_explicit(&bell->state, &expected, ASLEEP, memory_order_acq_rel, memory_order_acquire)) {
    clear(bell);
    return;
  }
  struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
  syscall(SYS_futex, &bell->state, FUTEX_WAIT_PRIVATE, ASLEEP, &timeout, NULL, 0);
  expected = ASLEEP;
  if (!bell->often) clear(bell);
  else atomic_compare_exchange_strong_explicit(&bell->state, &expected, QUIET, memory_order_acq_rel, memory_order_acquire); // rung: cleared when there is nothing to do
}
