// Clocks. The pipeline never asks the system for the time: the runtime hands it `now_ns`. [any]
#ifndef HD_BASE_CLOCK_H
#define HD_BASE_CLOCK_H

#include <stdint.h>

// Wall time, ns since the Unix epoch, UTC; monotonic time for durations and time-outs. Both are system calls at worst.
// The wall clock is read once: from then on the process counts by itself, suspended hours included. An hour that somebody sets the machine's
// clock forward or back must neither let every time-out expire nor hold them all for an hour. A new start takes the new time.
int64_t hd_clock_wall_ns(void);
int64_t hd_clock_monotonic_ns(void);

// Cycle counter and its rate, for measuring stages on the tick path without a system call. hd_cycles_calibrate() once at start.
static inline uint64_t hd_cycles(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return (uint64_t)hd_clock_monotonic_ns();
#endif
}
void hd_cycles_calibrate(void);
int64_t hd_cycles_to_ns(uint64_t cycles);

#endif
