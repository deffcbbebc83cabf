// Placement `thread`: a thread of the host runs the far engine straight from the channels. Its own stack, its own core if there is one; a callback that
// takes long delays nobody else. What it breaks is broken all the same: it is in the host's memory, and a thread that hangs cannot be ended.
#include <pthread.h>
#include <sched.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/pause.h"
#include "runtime/last_words.h"
#include "runtime/placed.h"

#define BATCH 256                       // ticks between two looks at the other channels
#define RUN_SHORT 32                    // ticks: it has caught up with the shard
#define LOOKS 16                        // that find nothing, before it sleeps
#define PAUSES 16                       // between two looks. A ring that is looked at after every tick has its line fetched back by the shard for each
#define IDLE_NS INT64_C(20000000)       // how long it sleeps at most: its timers need no doorbell then
#define CLOSE_NS INT64_C(2000000000)    // what a callback may still take at the end

struct placed_thread {
  struct hd_placed *p;
  struct hd_bell bell;
  pthread_t thread;
  _Atomic bool ended;
  struct hd_far *far;                   // [far]
  uint64_t decided;                     // [far]: number of the last decision
};

static bool closed(const struct placed_thread *t) { return atomic_load_explicit(&t->p->channels[0].closed, memory_order_acquire); }

static void on_decided(void *self, const struct hadron_decision *decisions, uint32_t count) {
  struct placed_thread *t = self;
  for (uint32_t i = 0; i < count && !t->p->runs_again; i++) {
    t->decided++;
    while (!hd_channel_decide(&t->p->channels[0], &decisions[i], t->decided, i + 1 == count)) { // never dropped: it waits, and falls behind
      if (closed(t)) return;
      hd_bell_wait(&t->bell, 1000000);
    }
  }
}

static void on_fault(void *self, const char *instance, int32_t code, bool fenced, const char *words) {
  struct placed_thread *t = self;
  (void)instance, (void)code, (void)words;
  hd_placed_fault(t->p, fenced);
}

static int32_t make(struct placed_thread *t, const struct hd_channel_ask *ask, struct hd_fault *fault) {
  const struct hd_far_listener listener = {.self = t, .decided = on_decided, .fault = on_fault, .latency = t->p->latency};
  hd_far_destroy(t->far);
  t->far = NULL;
  return hd_far_create(ask->bytes, ask->size, t->p->plugin, &listener, &t->far, fault);
}

static void answer(struct placed_thread *t, struct hd_channel *c, struct hd_channel_ask *ask) {
  struct hd_fault fault = {0};
  void *bytes = NULL;
  uint32_t size = 0;
  int32_t code = ask->verb == HADRON_ASK_CREATE ? make(t, ask, &fault) : t->far ? hd_far_ask(t->far, ask->verb, ask->instance, ask->bytes, ask->size, ask->now_ns, &bytes, &size) : HADRON_ERR_STATE;
  if (fault.code && (bytes = strdup(fault.text))) size = (uint32_t)strlen(fault.text) + 1;
  hd_channel_answer(c, ask, code, bytes, size);
}

// A run of ticks, or one note: returns how many ticks, for a note as if they were many.
static uint32_t turn(struct placed_thread *t, struct hd_channel *c) {
  const struct hadron_tick *ticks;
  const struct hd_channel_note *note;
  uint32_t n = hd_channel_next(c, BATCH, &ticks, &note);
  if (n) {
    if (t->far) hd_far_ticks(t->far, ticks, n);
    hd_channel_release_ticks(c, n);
  } else if (note) {
    struct hd_channel_ask *ask = note->kind == HADRON_MSG_ASK ? note->of.ask : NULL;
    if (!ask && t->far) hd_far_note(t->far, note);
    hd_channel_release_note(c);
    if (ask) answer(t, c, ask);
  }
  return note ? BATCH : n;
}

static void *thread_main(void *argument) {
  struct placed_thread *t = argument;
  struct hd_placed *p = t->p;
  hd_last_words_stack();
  for (uint32_t looks = 0; !closed(t);) {
    uint32_t run = 0;
    for (uint32_t i = 0; i < p->channel_count; i++) run += turn(t, &p->channels[i]);
    looks = run ? 0 : looks + 1;
    if (looks < LOOKS) {
      for (int i = 0; run < RUN_SHORT && i < PAUSES; i++) hd_pause();
      continue;
    }
    int64_t wait_ns = IDLE_NS;
    if (t->far && atomic_load_explicit(&p->clocked, memory_order_relaxed)) { // else the ticks are the clock
      int64_t now_ns = hd_clock_wall_ns(), due_ns;
      hd_far_time(t->far, now_ns);
      due_ns = hd_far_due(t->far);
      if (due_ns - now_ns < wait_ns) wait_ns = due_ns - now_ns;
    }
    hd_bell_wait(&t->bell, wait_ns);
  }
  hd_far_destroy(t->far);
  hd_last_words_unstack();
  atomic_store(&t->ended, true);
  return NULL;
}

static int32_t thread_open(struct hd_placed *p, struct hd_fault *fault) {
  struct placed_thread *t = aligned_alloc(64, (sizeof *t + 63) & ~(size_t)63);
  if (!t) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a thread for %s: out of memory", p->name);
  memset(t, 0, sizeof *t);
  t->p = p;
  hd_bell_often(&t->bell);
  for (uint32_t i = 0; i < p->channel_count; i++) p->channels[i].far_bell = &t->bell;
  int err = pthread_create(&t->thread, NULL, thread_main, t);
  if (err) {
    for (uint32_t i = 0; i < p->channel_count; i++) p->channels[i].far_bell = NULL;
    free(t);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "a thread for %s: %s", p->name, strerror(err));
  }
  pthread_setname_np(t->thread, "hd-placed");
  p->self = t;
  atomic_store(&p->state, HADRON_PLACED_JOINED);
  return HADRON_OK;
}

static bool thread_close(struct hd_placed *p) {
  struct placed_thread *t = p->self;
  if (!t) return true;
  for (int64_t until = hd_clock_monotonic_ns() + CLOSE_NS; !atomic_load(&t->ended) && hd_clock_monotonic_ns() < until;) {
    hd_bell_ring(&t->bell);
    struct timespec little = {0, 200000};
    nanosleep(&little, NULL);
  }
  if (!atomic_load(&t->ended)) {
    pthread_detach(t->thread);
    return false;
  }
  pthread_join(t->thread, NULL);
  free(t);
  p->self = NULL;
  return true;
}

static uint64_t through_with(const struct hd_placed *p, bool *waits) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < p->channel_count; i++) {
    sum += hd_ring_tail(&p->channels[i].ticks) + hd_ring_tail(&p->channels[i].notes);
    *waits |= hd_ring_size(&p->channels[i].ticks) || hd_ring_size(&p->channels[i].notes);
  }
  return sum;
}

// It hangs when something waits and nothing has been got through with for hang_after.
static void thread_look(struct hd_placed *p, int64_t now_ns) {
  bool waits = false;
  uint64_t at = through_with(p, &waits);
  if (!waits || at != p->moved_at || p->moved_ns == 0) {
    p->moved_at = at;
    p->moved_ns = now_ns;
    return;
  }
  int64_t limit_ns = p->s->config->hang_after_ns;
  if (limit_ns == 0 || now_ns - p->moved_ns < limit_ns || atomic_load(&p->state) == HADRON_PLACED_FENCED) return;
  char why[200];
  snprintf(why, sizeof why, "a callback has not come back for %lld ms: it gets no more ticks; a thread cannot be ended: put another version in its place, and restart the host when you can",
           (long long)((now_ns - p->moved_ns) / 1000000));
  hd_placed_fence(p, why);
}

const struct hd_placement_api hd_placement_thread = {.placement = HD_PLACEMENT_THREAD, .open = thread_open, .close = thread_close, .look = thread_look};
