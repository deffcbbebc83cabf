#include "base/clock.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/banned.h"

#define CALIBRATION_NS INT64_C(5000000)

// ns = cycles * rate / 2^32. 0: not measured yet.
static _Atomic uint64_t rate;

static int64_t read_clock(clockid_t id) {
  struct timespec t;
  int failed = clock_gettime(id, &t);
  HD_ASSERT(!failed);
  return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

// Wall time less time since boot; 0: not read yet.
static _Atomic int64_t epoch;

int64_t hd_clock_wall_ns(void) {
  int64_t since = read_clock(CLOCK_BOOTTIME), at = atomic_load_explicit(&epoch, memory_order_relaxed);
  if (at == 0) {
    int64_t measured = read_clock(CLOCK_REALTIME) - since;
    at = atomic_compare_exchange_strong(&epoch, &at, measured) ? measured : at; // threads agree
  }
  return at + since;
}

int64_t hd_clock_monotonic_ns(void) { return read_clock(CLOCK_MONOTONIC); }

void hd_cycles_calibrate(void) {
  int64_t start = hd_clock_monotonic_ns(), now;
  uint64_t first = hd_cycles(), last;
  // Busy, not asleep: a sleep may stop the counter on a virtual machine that migrates.
  do {
    now = hd_clock_monotonic_ns();
    last = hd_cycles();
  } while (now - start < CALIBRATION_NS);
  uint64_t cycles = last > first ? last - first : 1;
  uint64_t measured = (uint64_t)(((unsigned __int128)(uint64_t)(now - start) << 32) / cycles);
  atomic_store_explicit(&rate, measured ? measured : 1, memory_order_relaxed);
}

int64_t hd_cycles_to_ns(uint64_t cycles) {
  uint64_t r = atomic_load_explicit(&rate, memory_order_relaxed);
  if (r == 0) {
    hd_cycles_calibrate();
    r = atomic_load_explicit(&rate, memory_order_relaxed);
  }
  unsigned __int128 ns = ((unsigned __int128)cycles * r) >> 32;
  return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}
