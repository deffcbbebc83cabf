// A doorbell: wakes one waiting thread. Ringing costs one atomic operation while nobody sleeps, and one system call only when somebody does; ringing twice is
// as good as once. Never a queue. Whoever waits looks for work after every return and waits again: a return may be for what it has found already.
// [any rings; one thread waits]
#ifndef HD_BASE_BELL_H
#define HD_BASE_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hd_bell {
  _Alignas(64) _Atomic uint32_t state; // 0 quiet, 1 rung, 2 somebody sleeps
  bool often;
};

// It will be rung far more often than waited for: ringing one that was rung costs a look, and a wait some microseconds. Before anybody knows it.
void hd_bell_often(struct hd_bell *bell);

void hd_bell_ring(struct hd_bell *bell);
// Returns at once if it was rung since the last look; else sleeps until it is, or for timeout_ns. All that was stored before a ring is seen afterwards.
void hd_bell_wait(struct hd_bell *bell, int64_t timeout_ns);

#endif
