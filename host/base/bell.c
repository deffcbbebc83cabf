#include "base/bell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { QUIET = 0, RUNG = 1, ASLEEP = 2 };

void hd_bell_ring(struct hd_bell *bell) {
  if (atomic_exchange_explicit(&bell->state, RUNG, memory_order_acq_rel) == ASLEEP)
    syscall(SYS_futex, &bell->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void hd_bell_wait(struct hd_bell *bell, int64_t timeout_ns) {
  uint32_t expected = QUIET;
  if (timeout_ns > 0 && atomic_compare_exchange_strong_explicit(&bell->state, &expected, ASLEEP, memory_order_acq_rel, memory_order_acquire)) {
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    syscall(SYS_futex, &bell->state, FUTEX_WAIT_PRIVATE, ASLEEP, &timeout, NULL, 0);
  }
  atomic_exchange_explicit(&bell->state, QUIET, memory_order_acq_rel); // not a store: what was rung before it must be seen after it
}
