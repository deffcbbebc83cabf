#include "runtime/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/crash.h"
#include "runtime/last_words.h"

#define LOOKS 4                      // in an allowed time
#define PERIOD_MIN_NS INT64_C(5000000)
#define PERIOD_MAX_NS INT64_C(500000000)

// One lane, as it was at the last look.
struct look {
  const struct hd_watched *lane;
  uint64_t progress;
  int64_t stuck_ns; // how long it has not moved inside of a callback
  uint32_t watch;   // whose
};

struct hd_watchdog {
  char data_dir[512];
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  bool running, ending;
  struct hd_watch *watches; // owned
  struct look *looks;       // owned
  uint32_t watch_count, look_count;
  int64_t period_ns;
};

// ---- the end

static _Noreturn void stop_host(const struct hd_watchdog *w, const struct hd_watch *watch, const struct hd_watched *lane) {
  struct hd_crash c = {.time_ns = hd_clock_wall_ns(), .process = getpid(), .sequence = atomic_load_explicit(&lane->sequence, memory_order_relaxed)};
  struct hd_fault fault = {0};
  const char *callback = atomic_load_explicit(&lane->callback, memory_order_relaxed);
  char allowed[32], path[HD_CRASH_PATH] = "";
  hd_duration_format(allowed, sizeof allowed, watch->allowed_ns);
  snprintf(c.reason, sizeof c.reason, "%s did not come back within %s", callback, allowed);
  hd_text_copy(c.strategy, sizeof c.strategy, watch->strategy);
  hd_text_copy(c.instance, sizeof c.instance, atomic_load_explicit(&lane->instance, memory_order_relaxed));
  hd_text_copy(c.plugin, sizeof c.plugin, watch->plugin->manifest.name);
  hd_text_copy(c.version, sizeof c.version, watch->plugin->manifest.version);
  hd_text_copy(c.digest, sizeof c.digest, watch->plugin->digest_text);
  hd_text_copy(c.callback, sizeof c.callback, callback);
  if (hd_crash_write(w->data_dir, &c, path, &fault)) hd_text_copy(path, sizeof path, fault.text);
  // Straight out: the log's own thread may not get to it any more.
  dprintf(STDERR_FILENO, "hadron: strategy %s: plugin %s %s: %s (sequence %llu); the host stops, its journal is whole. %s\n", c.instance, c.plugin, c.version, c.reason,
          (unsigned long long)c.sequence, path);
  hd_last_words_said(); // by this record
  abort();
}

// ---- looking

// elapsed_ns: since the last look, but no more than a look that came in time would have seen.
static void look_at(struct hd_watchdog *w, struct look *l, int64_t elapsed_ns) {
  uint64_t progress = atomic_load_explicit(&l->lane->progress, memory_order_acquire);
  if (progress != l->progress || progress % 2 == 0) {
    l->progress = progress;
    l->stuck_ns = 0;
    return;
  }
  l->stuck_ns += elapsed_ns;
  if (l->stuck_ns >= w->watches[l->watch].allowed_ns) stop_host(w, &w->watches[l->watch], l->lane);
}

static struct timespec after(int64_t ns) {
  int64_t at = hd_clock_monotonic_ns() + ns;
  return (struct timespec){at / 1000000000, at % 1000000000};
}

static void *watchdog_main(void *argument) {
  struct hd_watchdog *w = argument;
  int64_t last = hd_clock_monotonic_ns();
  pthread_mutex_lock(&w->mutex);
  while (!w->ending) {
    struct timespec until = after(w->period_ns);
    int64_t period_ns = w->period_ns;
    pthread_cond_timedwait(&w->changed, &w->mutex, &until);
    int64_t now = hd_clock_monotonic_ns(), elapsed = now - last < 2 * period_ns ? now - last : 2 * period_ns;
    last = now;
    for (uint32_t i = 0; i < w->look_count; i++) look_at(w, &w->looks[i], elapsed);
  }
  pthread_mutex_unlock(&w->mutex);
  return NULL;
}

// ---- making

int32_t hd_watchdog_create(const char *data_dir, struct hd_watchdog **out, struct hd_fault *fault) {
  struct hd_watchdog *w = calloc(1, sizeof *w);
  pthread_condattr_t monotonic;
  if (w == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "watchdog: out of memory");
  hd_text_copy(w->data_dir, sizeof w->data_dir, data_dir);
  w->period_ns = PERIOD_MAX_NS;
  pthread_mutex_init(&w->mutex, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&w->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  *out = w;
  return HADRON_OK;
}

void hd_watchdog_destroy(struct hd_watchdog *w) {
  if (w == NULL) return;
  pthread_mutex_lock(&w->mutex);
  w->ending = true;
  pthread_cond_signal(&w->changed);
  pthread_mutex_unlock(&w->mutex);
  if (w->running) pthread_join(w->thread, NULL);
  pthread_cond_destroy(&w->changed);
  pthread_mutex_destroy(&w->mutex);
  free(w->watches);
  free(w->looks);
  free(w);
}

static void set_period(struct hd_watchdog *w) {
  w->period_ns = PERIOD_MAX_NS;
  for (uint32_t i = 0; i < w->watch_count; i++)
    if (w->watches[i].allowed_ns / LOOKS < w->period_ns) w->period_ns = w->watches[i].allowed_ns / LOOKS;
  if (w->period_ns < PERIOD_MIN_NS) w->period_ns = PERIOD_MIN_NS;
}

static bool grow(struct hd_watchdog *w, uint32_t lanes) {
  void *watches = realloc(w->watches, (w->watch_count + 1) * sizeof *w->watches);
  if (watches != NULL) w->watches = watches;
  void *looks = realloc(w->looks, (w->look_count + lanes) * sizeof *w->looks);
  if (looks != NULL) w->looks = looks;
  return watches != NULL && looks != NULL;
}

static int32_t add(struct hd_watchdog *w, const struct hd_watch *watch) {
  if (!grow(w, watch->lane_count)) return HADRON_ERR_MEMORY;
  if (!w->running) {
    if (pthread_create(&w->thread, NULL, watchdog_main, w) != 0) return HADRON_ERR_MEMORY;
    pthread_setname_np(w->thread, "hd-watchdog");
    w->running = true;
  }
  for (uint32_t i = 0; i < watch->lane_count; i++) {
    const void *lane = (const char *)watch->lanes + (size_t)i * watch->lane_stride;
    w->looks[w->look_count++] = (struct look){.lane = lane, .watch = w->watch_count};
  }
  w->watches[w->watch_count++] = *watch;
  set_period(w);
  pthread_cond_signal(&w->changed);
  return HADRON_OK;
}

int32_t hd_watchdog_add(struct hd_watchdog *w, const struct hd_watch *watch, struct hd_fault *fault) {
  HD_ASSERT(watch->allowed_ns > 0 && watch->lane_count > 0 && watch->lane_stride >= sizeof(struct hd_watched));
  pthread_mutex_lock(&w->mutex);
  int32_t code = add(w, watch);
  pthread_mutex_unlock(&w->mutex);
  return code ? hd_fault_set(fault, code, "watchdog over %s: no memory or no thread for it", watch->strategy) : HADRON_OK;
}

void hd_watchdog_remove(struct hd_watchdog *w, const struct hd_watched *lanes) {
  pthread_mutex_lock(&w->mutex);
  uint32_t at = 0, kept = 0;
  while (at < w->watch_count && w->watches[at].lanes != lanes) at++;
  HD_ASSERT(at < w->watch_count);
  for (uint32_t i = 0; i < w->look_count; i++) {
    if (w->looks[i].watch == at) continue;
    w->looks[kept] = w->looks[i];
    if (w->looks[kept].watch > at) w->looks[kept].watch--;
    kept++;
  }
  w->look_count = kept;
  w->watch_count--;
  memmove(&w->watches[at], &w->watches[at + 1], (w->watch_count - at) * sizeof *w->watches);
  set_period(w);
  pthread_mutex_unlock(&w->mutex);
}
