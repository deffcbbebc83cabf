// Placement `process`: a worker (worker.h) that the supervisor looks after (supervise.h), joined to the channels by the bus. What it breaks is its own: it
// is started again, with the last state that was saved, and the host trades on; what it had not yet been told, and what it knew since that state, it
// has lost. One that does not stay up is fenced.
#include <pthread.h>
#include <stdlib.h>

#include "base/banned.h"
#include "base/text.h"
#include "runtime/placed.h"
#include "runtime/session_bus.h"
#include "runtime/supervise.h"

struct placed_process {
  struct hd_placed *p;
  struct hd_bus *bus;
  struct hd_worker *worker;
  struct hd_bus_seat *seat;             // [supervisor]; of the worker that runs; NULL: none
  struct hadron_instrument_definition *universe; // [p->universe_count]; owned
  uint32_t arm;                         // for which it was made
  _Atomic bool joined;                  // one was there before: this one knows nothing
  _Atomic bool sits;                    // the version is in use: what ends is started again
  _Atomic bool is_silent, is_back, is_given_up; // to be carried out by [io]
};

static int32_t workers_of(struct hd_session *s, struct hd_workers **out, struct hd_fault *fault) {
  static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&making);
  int32_t code = s->workers ? HADRON_OK : hd_workers_create(&s->workers, fault);
  *out = s->workers;
  pthread_mutex_unlock(&making);
  return code;
}

// ---- [bus] ---------------------------------------------------------------------------------------------------------------------------

static void on_changed(void *self, uint32_t change, const char *words) {
  struct placed_process *t = self;
  if (change == HADRON_PLACED_LEFT) return; // the supervisor says how
  if (change == HADRON_PLACED_JOINED && atomic_exchange(&t->joined, true)) {
    atomic_store(&t->is_back, true);
    return;
  }
  if (change == HADRON_PLACED_SILENT) atomic_store(&t->is_silent, true);
  hd_placed_tell(t->p, change, 0, words);
}

// ---- [supervisor] --------------------------------------------------------------------------------------------------------------------

static void on_farewell(void *self) {
  struct placed_process *t = self;
  hd_bus_detach(t->bus, t->seat); // who is there is told to go; what was asked of it is answered
  t->seat = NULL;
}

static int32_t on_admit(void *self, const uint8_t token[HD_WORKER_TOKEN_SIZE], const char **url, struct hd_fault *fault) {
  struct placed_process *t = self;
  struct hd_placed *p = t->p;
  struct hd_channel *channels[HD_SHARDS_MAX];
  uint32_t arm = atomic_load(&p->arm);
  for (uint32_t i = 0; i < p->channel_count; i++) channels[i] = &p->channels[i];
  const struct hd_bus_expected who = {.name = p->name, .token = token, .channels = channels, .channel_count = p->channel_count, .arm = arm ? arm : t->arm, .universe = t->universe,
                                      .universe_count = p->universe_count, .lock_step = p->lock_step, .shares = p->memory.base != NULL, .again = atomic_load(&t->joined), .changed = on_changed, .self = t, .latency = p->latency};
  int32_t code = hd_bus_attach(t->bus, &who, &t->seat, fault);
  if (!code) *url = hd_bus_seat_url(t->seat);
  return code;
}

static int64_t on_heard(void *self) {
  struct placed_process *t = self;
  struct hd_bus_figures figures = {0};
  if (t->seat) hd_bus_figures(t->bus, t->seat, &figures);
  return figures.heard_ns;
}

static void on_ended(void *self, uint32_t state, uint64_t restarts, const char *words) {
  struct placed_process *t = self;
  on_farewell(t);
  atomic_store(&t->is_back, false);
  hd_placed_tell(t->p, HADRON_PLACED_LEFT, 0, words);
  atomic_store(&t->is_silent, true);
  if (state == HD_WORKER_GIVEN_UP) atomic_store(&t->is_given_up, true);
  else if (atomic_load(&t->sits)) hd_placed_tell(t->p, HADRON_PLACED_RESTART, restarts, words); // one line for both: why it left must not get lost
}

static bool on_wanted(void *self) { return atomic_load(&((struct placed_process *)self)->sits); }

// ---- [any] ---------------------------------------------------------------------------------------------------------------------------

static bool describe_universe(struct placed_process *t) {
  const struct hd_placed *p = t->p;
  t->universe = calloc(p->universe_count + 1, sizeof *t->universe);
  for (uint32_t i = 0; t->universe && i < p->universe_count; i++) {
    const struct hd_instrument *row = &p->s->pipeline.instruments.rows[p->universe[i]];
    struct hadron_instrument_definition *d = &t->universe[i];
    *d = (struct hadron_instrument_definition){.instrument = row->id, .asset = (uint8_t)row->asset, .increment = row->increment, .lot = row->lot, .multiplier = row->multiplier};
    hd_text_copy(d->name, sizeof d->name, row->name);
    hd_text_copy(d->currency, sizeof d->currency, row->currency);
  }
  return t->universe != NULL;
}

static bool process_close(struct hd_placed *p) {
  struct placed_process *t = p->self;
  if (!t) return true;
  hd_worker_stop(t->worker);
  if (t->seat) on_farewell(t);
  free(t->universe);
  free(t);
  p->self = NULL;
  return true;
}

static int32_t process_open(struct hd_placed *p, struct hd_fault *fault) {
  struct placed_process *t = calloc(1, sizeof *t);
  struct hd_workers *workers = NULL;
  if (!t) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a worker for %s: out of memory", p->name);
  t->p = p;
  t->arm = atomic_load(&p->arm);
  p->self = t; // what is there of it is taken back by close
  if (!describe_universe(t)) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a worker for %s: out of memory", p->name);
  int32_t code = hd_session_bus(p->s, &t->bus, fault);
  if (!code) code = workers_of(p->s, &workers, fault);
  if (code) return code;
  const struct hd_worker_options options = {.name = p->name, .plugin = p->plugin, .memory_max = p->s->config->worker_memory_max, .hang_ns = p->s->config->hang_after_ns, .restarts_max = p->s->config->worker_restarts, .rings = p->memory.fd,
                                            .care = {.self = t, .admit = on_admit, .heard = on_heard, .ended = on_ended, .wanted = on_wanted, .farewell = on_farewell}};
  return hd_worker_start(workers, &options, &t->worker, fault);
}

// ---- [io] ----------------------------------------------------------------------------------------------------------------------------

static void process_look(struct hd_placed *p, int64_t now_ns) {
  struct placed_process *t = p->self;
  struct hd_worker_figures figures;
  char why[400];
  (void)now_ns;
  atomic_store(&t->sits, true);
  if (atomic_exchange(&t->is_silent, false)) hd_placed_silent(p);
  if (atomic_load(&p->news) == 0 && atomic_exchange(&t->is_back, false)) { // not before it was told how the one before it ended
    hd_placed_tell(p, HADRON_PLACED_JOINED, 0, "in the place of the one that has ended");
    hd_placed_renew(p);
  }
  if (!atomic_exchange(&t->is_given_up, false)) return;
  hd_worker_read(t->worker, &figures);
  snprintf(why, sizeof why, "it has ended %u times within 30 s and is not started again, the last time: %s; put another version in its place, or enable it again", p->s->config->worker_restarts + 1, figures.words);
  hd_placed_fence(p, why);
}

static void process_words(struct hd_placed *p, char *to, size_t size) {
  const struct placed_process *t = p->self;
  struct hd_worker_figures figures;
  hd_worker_read(t->worker, &figures);
  if (figures.pid) snprintf(to, size, "pid %d", figures.pid);
  else hd_text_copy(to, size, figures.state == HD_WORKER_WAITS ? "is started again" : "given up");
}

const struct hd_placement_api hd_placement_process = {.placement = HD_PLACEMENT_PROCESS, .open = process_open, .close = process_close, .look = process_look, .words = process_words};
