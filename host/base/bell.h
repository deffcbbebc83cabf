// A doorbell: wakes one waiting thread. Ringing costs one atomic operation while nobody sleeps, and one system call only when somebody
// does; ringing twice is as good as once. Never a queue. [any rings; one thread waits]
#ifndef HD_BASE_BELL_H
#define HD_BASE_BELL_H

#include <stdatomic.h>
#include <stdint.h>

struct hd_bell {
  _Alignas(64) _Atomic uint32_t state; // 0 quiet, 1 rung, 2 somebody sleeps
};

void hd_bell_ring(struct hd_bell *bell);
// Returns at once if it was rung since the last wait; else sleeps until it is, or for timeout_ns.
void hd_bell_wait(struct hd_bell *bell, int64_t timeout_ns);

#endif
