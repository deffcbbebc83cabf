// The watchdog: a thread that sees by counters of progress, never by a timer in the watched thread, that a callback has not come back.
// Code that hangs inside the host cannot be ended alone: the watchdog writes a crash record that names the plugin (crash.h) and aborts
// the program, so that whoever supervises it starts it again, and the next start says why. A machine that stands still does not count:
// only looks that came in time do.
//
// thread adding and removing [any]; it runs on its own
#ifndef HD_RUNTIME_WATCHDOG_H
#define HD_RUNTIME_WATCHDOG_H

#include <stdatomic.h>

#include "base/fault.h"
#include "plugin/loader.h"

struct hd_watchdog;

// What one thread is doing with the instances of one version: written by that thread, looked at by the watchdog.
struct hd_watched {
  _Alignas(64) _Atomic uint64_t progress; // odd: inside of a callback
  _Atomic(const char *) instance;         // static while it is watched
  _Atomic(const char *) callback;         // static
  _Atomic uint64_t sequence;              // of what it was called with
};

struct hd_watch {
  const struct hd_plugin *plugin;
  const char *strategy;   // borrowed(until removed)
  const struct hd_watched *lanes; // the first; borrowed(until removed)
  uint32_t lane_count;
  uint32_t lane_stride;   // bytes from one to the next
  int64_t allowed_ns;     // > 0
};

// data_dir: where crash records go; copied. It starts its thread with the first watch.
int32_t hd_watchdog_create(const char *data_dir, struct hd_watchdog **out, struct hd_fault *fault);
void hd_watchdog_destroy(struct hd_watchdog *w); // NULL is fine
int32_t hd_watchdog_add(struct hd_watchdog *w, const struct hd_watch *watch, struct hd_fault *fault);
void hd_watchdog_remove(struct hd_watchdog *w, const struct hd_watched *lanes); // nothing of it is touched after this

static inline void hd_watched_begin(struct hd_watched *l, const char *instance, const char *callback, uint64_t sequence) {
  atomic_store_explicit(&l->instance, instance, memory_order_relaxed);
  atomic_store_explicit(&l->callback, callback, memory_order_relaxed);
  atomic_store_explicit(&l->sequence, sequence, memory_order_relaxed);
  atomic_store_explicit(&l->progress, atomic_load_explicit(&l->progress, memory_order_relaxed) + 1, memory_order_release);
}
static inline void hd_watched_end(struct hd_watched *l) {
  atomic_store_explicit(&l->progress, atomic_load_explicit(&l->progress, memory_order_relaxed) + 1, memory_order_release);
}

#endif
