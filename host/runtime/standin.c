#include "runtime/standin.h"

#include <jansson.h>
#include <pthread.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/image.h"
#include "plugin/state.h"

#define ASK_NS INT64_C(1000000000)       // an answer that is not there by then does not come
#define FEED_NS INT64_C(10000000000)     // for a place in the channel, while a recovery feeds it
#define START_NS INT64_C(10000000000)    // a start may open and reckon

struct hd_standin {
  struct hd_placed *placed;
  struct hadron_instance *instance;
  struct hd_channel *channel;
  uint32_t index;                        // of the occupant's instances
  uint32_t arm;                          // that the far side knows
  bool started;
  uint32_t count;
  uint32_t *instruments;                 // ascending; owned
  struct hadron_position *views;         // [instrument]: as they were last told; owned
  void *saved;                           // the state that was last seen, with its timers: for a far side that has to begin again; owned
  uint32_t saved_size;
  bool fresh;                            // it was saved when it was asked for last
  _Alignas(16) unsigned char params[];   // where the host writes parameters
};

struct standin_plugin {
  struct hd_plugin plugin;
  struct hadron_strategy_api api;
  struct hadron_state state;
  struct hadron_params params;
  struct hadron_param *rows;
  uint32_t params_size;
  const struct hd_plugin *real;
  struct standin_plugin *next;
};

static struct hd_engine_instance *place_of(const struct hd_standin *s) { return s->instance->owner; }
static bool nobody(const struct hd_standin *s) { return !s->placed->api; }

// ---- asks -----------------------------------------------------------------------------------------------------------------------------

// The answer's bytes are the caller's, to be let go with the ask. NULL: *code says why, and so do the instance's words.
static struct hd_channel_ask *ask(struct hd_standin *s, uint32_t verb, const void *bytes, uint32_t size, int64_t timeout_ns, int32_t *code) {
  struct hd_channel_ask *a = hd_channel_ask(s->channel, verb, s->index, bytes, size, hd_engine_now(place_of(s)), timeout_ns);
  if (!a) {
    *code = atomic_load(&s->channel->broken) ? HADRON_ERR_CLOSED : HADRON_ERR_TIMEOUT;
    hd_instance_fail(s->instance, *code == HADRON_ERR_CLOSED ? "the other side of its placement has been given up" : "the other side of its placement did not answer in time: it is behind, or hangs");
    return NULL;
  }
  *code = a->code;
  if (!a->code) return a;
  if (a->answer_size) hd_instance_fail(s->instance, a->answer);
  hd_channel_let_go(a);
  return NULL;
}

static int32_t plain_ask(struct hd_standin *s, uint32_t verb, const void *bytes, uint32_t size, int64_t timeout_ns) {
  int32_t code = HADRON_OK;
  if (!nobody(s)) hd_channel_let_go(ask(s, verb, bytes, size, timeout_ns, &code));
  return code;
}

// ---- what the arm holds ---------------------------------------------------------------------------------------------------------------

static uint32_t slot_of(const struct hd_standin *s, uint32_t instrument) {
  uint32_t low = 0, high = s->count;
  while (high - low > 1) {
    uint32_t middle = (low + high) / 2;
    if (s->instruments[middle] <= instrument) low = middle;
    else high = middle;
  }
  return low;
}

static struct hadron_position view_of(const struct hd_standin *s, const struct hadron_market *m) {
  return (struct hadron_position){.position = m->position, .working_buy = m->working_buy, .working_sell = m->working_sell, .average_entry = m->average_entry, .arm = s->instance->arm,
                                  .instrument = m->instrument};
}

static bool same_view(const struct hadron_position *v, const struct hadron_market *m) {
  return v->position.e8 == m->position.e8 && v->working_buy.e8 == m->working_buy.e8 && v->working_sell.e8 == m->working_sell.e8 && v->average_entry.nanos == m->average_entry.nanos;
}

static void send_view(struct hd_standin *s, uint32_t slot, const struct hadron_market *m) {
  const struct hd_channel_note note = {.kind = HADRON_MSG_POSITION, .view = view_of(s, m)};
  if (hd_channel_note(s->channel, &note)) s->views[slot] = note.view;
}

// The seat is another one now: its views are others, of every instrument.
__attribute__((noinline)) static void sits_elsewhere(struct hd_standin *s) {
  s->arm = s->instance->arm;
  for (uint32_t i = 0; i < s->count; i++) {
    const struct hadron_market *m = hd_engine_market(place_of(s), s->instruments[i]);
    if (m) send_view(s, i, m);
  }
}

// What the far side does not know about it from a fill or an order event that follows.
static inline void look(struct hd_standin *s, const struct hadron_market *m) {
  uint32_t slot = s->count == 1 ? 0 : slot_of(s, m->instrument);
  if (__builtin_expect(s->arm != s->instance->arm, 0)) sits_elsewhere(s);
  else if (__builtin_expect(!same_view(&s->views[slot], m), 0)) send_view(s, slot, m);
}

// ---- lock-step ------------------------------------------------------------------------------------------------------------------------

static struct hd_standin *whose(const struct hd_placed *p, uint32_t instrument) {
  if (p->instance_count == 1) return p->standins[0];
  for (uint32_t i = 0; i < p->instance_count; i++)
    if (p->universe[i] == instrument) return p->standins[i];
  return NULL;
}

static void take_back(struct hd_standin *s) {
  struct hd_placed *p = s->placed;
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  uint64_t number;
  for (uint32_t n; (n = hd_channel_take(&p->channels[0], batch, &number)) > 0;) {
    for (uint32_t i = 0; i < n; i++) {
      struct hd_standin *of = whose(p, batch[i].instrument);
      if (of && batch[i].time_ns == 0) batch[i].time_ns = hd_engine_now(place_of(of)); // an external one has no clock of its own
      bool taken = of && hd_engine_decided(place_of(of), &batch[i]) == HADRON_OK;
      atomic_fetch_add_explicit(taken ? &p->counts.decisions : &p->counts.refused, 1, memory_order_relaxed);
    }
    hd_channel_took(&p->channels[0], number);
  }
}

static void mirror_timer(struct hd_placed *p, const struct hd_far_step *next) {
  if (memcmp(&p->timer, next, sizeof p->timer) == 0) return;
  if (p->timer.due_ns != INT64_MAX) hd_engine_timer_cancel(place_of(p->standins[p->timer.instance]), p->timer.id);
  p->timer = (struct hd_far_step){.due_ns = INT64_MAX};
  if (next->due_ns == INT64_MAX || next->instance >= p->instance_count) return;
  if (hd_engine_timer_at(place_of(p->standins[next->instance]), next->due_ns, next->id) == HADRON_OK) p->timer = *next;
}

// fires: 1: the first thing that is due on the far side.
static int32_t step(struct hd_standin *s, uint32_t fires, int64_t now_ns) {
  struct hd_placed *p = s->placed;
  struct hd_channel_ask *a = hd_channel_ask(s->channel, HADRON_ASK_STEP, fires, NULL, 0, now_ns, 0);
  if (!a) return HADRON_ERR_CLOSED;
  int32_t code = a->code;
  struct hd_far_step next = {.due_ns = INT64_MAX};
  if (!code && a->answer_size >= sizeof next.due_ns) memcpy(&next, a->answer, a->answer_size < sizeof next ? a->answer_size : sizeof next);
  if (code && a->answer_size) hd_instance_fail(s->instance, a->answer);
  hd_channel_let_go(a);
  take_back(s);
  if (!code) mirror_timer(p, &next);
  return code;
}

// ---- callbacks ------------------------------------------------------------------------------------------------------------------------

// A recovery feeds faster than anybody handles, and nothing may be missing. What was decided was decided before.
__attribute__((noinline)) static void make_room(struct hd_standin *s, const struct hd_ring *ring) {
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  uint64_t number;
  int64_t until = hd_ring_size(ring) + 64 > hd_ring_capacity(ring) ? hd_clock_monotonic_ns() + FEED_NS : 0;
  while (hd_ring_size(ring) + 64 > hd_ring_capacity(ring) && !atomic_load(&s->channel->broken)) {
    if (hd_clock_monotonic_ns() > until) (void)hd_placed_give_up(s->placed); // it hangs
    while (hd_channel_take(&s->placed->channels[0], batch, &number)) hd_channel_took(&s->placed->channels[0], number);
    hd_channel_ring(s->channel);
    sched_yield();
  }
}

static int32_t on_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct hd_standin *s = self;
  struct hd_placed *p = s->placed;
  if (__builtin_expect(nobody(s), 0)) return HADRON_OK;
  look(s, market);
  if (__builtin_expect(p->s->recovering | p->runs_again, 0)) make_room(s, &s->channel->ticks);
  (void)hd_channel_tick(s->channel, tick); // what is lost is counted
  if (__builtin_expect(p->lock_step, 0)) return step(s, 0, tick->recv_ns);
  hd_channel_ring(s->channel);
  return HADRON_OK;
}

// The far side makes its own; here it is where the clock of a lock-step comes from, and that the host's engine has the running ones.
static int32_t on_bar(void *self, const struct hadron_bar *bar, const struct hadron_market *market) {
  struct hd_standin *s = self;
  (void)market;
  if (!s->placed->external) return s->placed->lock_step && bar->kind == HADRON_BAR_TIME ? step(s, 1, bar->close_ns) : HADRON_OK;
  if (nobody(s)) return HADRON_OK;
  const struct hd_channel_note note = {.kind = HADRON_MSG_BAR, .of.bar = *bar}; // an external one has no engine
  if (s->placed->s->recovering) make_room(s, &s->channel->notes);
  (void)hd_channel_note(s->channel, &note);
  if (s->placed->lock_step) return step(s, 0, bar->close_ns);
  hd_channel_ring(s->channel);
  return HADRON_OK;
}

static int32_t tell(struct hd_standin *s, struct hd_channel_note *note, const struct hadron_market *market, int64_t now_ns) {
  if (nobody(s)) return HADRON_OK;
  if (__builtin_expect(s->arm != s->instance->arm, 0)) sits_elsewhere(s);
  note->view = view_of(s, market);
  if (s->placed->s->recovering || s->placed->runs_again) make_room(s, &s->channel->notes);
  if (hd_channel_note(s->channel, note)) s->views[s->count == 1 ? 0 : slot_of(s, market->instrument)] = note->view;
  if (s->placed->lock_step) return step(s, 0, now_ns);
  hd_channel_ring(s->channel);
  return HADRON_OK;
}

static int32_t on_execution(void *self, const struct hadron_allocation *allocation, const struct hadron_market *market) {
  struct hd_channel_note note = {.kind = HADRON_MSG_ALLOCATION, .of.allocation = *allocation};
  return tell(self, &note, market, allocation->time_ns);
}

static int32_t on_order(void *self, const struct hadron_order_event *event, const struct hadron_market *market) {
  struct hd_channel_note note = {.kind = HADRON_MSG_ORDER_EVENT, .of.order_event = *event};
  return tell(self, &note, market, event->time_ns);
}

static int32_t on_timer(void *self, uint64_t id, int64_t due_ns, const struct hadron_market *market) {
  struct hd_standin *s = self;
  (void)id, (void)market;
  s->placed->timer = (struct hd_far_step){.due_ns = INT64_MAX};
  return step(s, 1, due_ns);
}

// ---- life -----------------------------------------------------------------------------------------------------------------------------

static void destroy(void *self) {
  struct hd_standin *s = self;
  s->placed->standins[s->index] = NULL;
  free(s->instruments);
  free(s->views);
  free(s->saved);
  free(s);
}

// The occupant's placed is there before its instances are made.
static int32_t create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct hadron_instance *instance = host->instance;
  const struct hd_occupant *o = instance->family;
  const struct standin_plugin *plugin = (const struct standin_plugin *)instance->plugin;
  struct hd_standin *s = calloc(1, sizeof *s + plugin->params_size);
  if (!s) return HADRON_ERR_MEMORY;
  s->placed = o->placed;
  s->instance = instance;
  s->index = (uint32_t)(instance - o->instances);
  s->count = context->instrument_count;
  s->instruments = malloc(s->count * sizeof *s->instruments);
  s->views = calloc(s->count, sizeof *s->views);
  if (!s->instruments || !s->views) {
    free(s->instruments);
    free(s->views);
    free(s);
    return HADRON_ERR_MEMORY;
  }
  memcpy(s->instruments, context->instruments, s->count * sizeof *s->instruments);
  HD_ASSERT(s->index < s->placed->instance_count);
  s->channel = &s->placed->channels[s->placed->s->pipeline.instruments.rows[s->instruments[0]].shard];
  s->arm = instance->arm;
  s->placed->standins[s->index] = s;
  *self = s;
  return HADRON_OK;
}

static bool save_rows(const struct hd_standin *s, struct hd_image *m) {
  const struct hd_engine_instance *place = place_of(s);
  hd_engine_rows_save(place->engine, place->instruments, place->instrument_count, m);
  if (!m->bad) return true;
  hd_image_fini(m);
  return false;
}

void hd_standin_rows(struct hd_placed *p) {
  struct hd_image m = {0};
  for (uint32_t i = 0; i < p->instance_count; i++) {
    struct hd_standin *s = p->standins[i];
    if (!s || hd_engine_last(place_of(s)->engine) == 0 || !save_rows(s, &m)) continue;
    (void)plain_ask(s, HADRON_ASK_ROWS, m.bytes, (uint32_t)m.size, ASK_NS);
    hd_image_fini(&m);
  }
}

// Its far side knows bars that run and that the host's engine has not.
static bool rows_of(struct hd_standin *before, struct hd_image *m) {
  int32_t code = HADRON_OK;
  if (!before || nobody(before) || before->placed->external || before->placed->lock_step || atomic_load(&before->channel->broken)) return false;
  struct hd_channel_ask *a = ask(before, HADRON_ASK_ROWS, NULL, 0, ASK_NS, &code);
  if (a) hd_image_put(m, a->answer, a->answer_size);
  hd_channel_let_go(a);
  return a && !m->bad;
}

void hd_standin_joins(struct hd_standin *s, struct hd_standin *before) {
  struct hd_image m = {0};
  if (nobody(s)) return;
  if (hd_engine_last(place_of(s)->engine) != 0 && (rows_of(before, &m) || save_rows(s, &m)))
    (void)hd_channel_post(s->channel, HADRON_ASK_ROWS, s->index, m.bytes, (uint32_t)m.size, hd_engine_now(place_of(s)));
  hd_image_fini(&m);
  sits_elsewhere(s);
}

// The host's engine keeps the same bars running for a worker: whoever is started in the place of one that ended goes on with them. In lock-step their
// closes are its events. Those of an external one are made here, and again in a
// replay, where nobody is behind it: their closes are in the journal.
static int32_t start(void *self) {
  struct hd_standin *s = self;
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && i < s->placed->bar_count; i++) code = hd_engine_bars(place_of(s), &s->placed->bars[i]);
  if (code || nobody(s)) return code;
  struct hd_channel_ask *a = ask(s, HADRON_ASK_START, NULL, 0, START_NS, &code);
  if (!a) return code;
  const struct hadron_bar_request *bars = a->answer;
  bool here = s->placed->lock_step || s->placed->placement == HD_PLACEMENT_PROCESS;
  for (uint32_t i = 0; !code && here && i < a->answer_size / sizeof *bars; i++) code = hd_engine_bars(place_of(s), &bars[i]);
  hd_channel_let_go(a);
  s->started = !code;
  return code;
}

// All of them, live or not, as they hold now.
static json_t *values_of(const struct hd_standin *s, bool all) {
  const struct hadron_params *t = s->instance->plugin->params;
  json_t *o = json_object();
  char *value = malloc(HD_PARAM_TEXT_MAX);
  for (uint32_t i = 0; o && value && i < t->count; i++) {
    if (!t->params[i].live && !all) continue;
    hd_param_format(s->instance->plugin, s->instance, i, value, HD_PARAM_TEXT_MAX);
    json_object_set_new(o, t->params[i].name, json_string(value));
  }
  bool good = value != NULL;
  if (!good) json_decref(o);
  free(value);
  return good ? o : NULL;
}

// An external one is one program for all its instruments: told once, by the first, and if nobody is there now, by the next WELCOME.
static int32_t told(struct hd_standin *s) {
  if (s->index > 0) return HADRON_OK;
  json_t *all = values_of(s, true), *live = values_of(s, false);
  char *whole = all ? json_dumps(all, JSON_COMPACT) : NULL, *text = live ? json_dumps(live, JSON_COMPACT) : NULL;
  int32_t code = whole && text ? HADRON_OK : HADRON_ERR_MEMORY;
  if (!code && atomic_load(&s->placed->state) == HADRON_PLACED_JOINED) code = plain_ask(s, HADRON_ASK_PARAMS, text, (uint32_t)strlen(text), ASK_NS);
  if (code == HADRON_ERR_CLOSED) code = HADRON_OK; // it has left in this moment
  if (!code) hd_placed_params(s->placed, whole);
  free(whole);
  free(text);
  json_decref(all);
  json_decref(live);
  return code;
}

static int32_t changed(void *self) {
  struct hd_standin *s = self;
  if (!s->started || nobody(s)) return HADRON_OK; // CREATE had them
  if (s->placed->external) return told(s);
  json_t *o = values_of(s, false);
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  int32_t code = text ? plain_ask(s, HADRON_ASK_PARAMS, text, (uint32_t)strlen(text), ASK_NS) : HADRON_ERR_MEMORY;
  free(text);
  json_decref(o);
  return code;
}

// ---- state: the far side's, with its own header inside of the answer -------------------------------------------------------------------

static bool keep(struct hd_standin *s, const void *bytes, uint32_t size) {
  void *copy = malloc(size ? size : 1);
  if (!copy) return false;
  if (size) memcpy(copy, bytes, size);
  free(s->saved);
  s->saved = copy;
  s->saved_size = size;
  return true;
}

static int32_t save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  struct hd_standin *s = (struct hd_standin *)(uintptr_t)self; // what it keeps is no state of the strategy
  struct hadron_state_header header;
  int32_t code;
  *size = 0;
  s->fresh = false;
  if (nobody(s)) return HADRON_OK;
  struct hd_channel_ask *a = ask(s, HADRON_ASK_SAVE, NULL, 0, ASK_NS, &code);
  if (!a) return code;
  const uint32_t head = sizeof header;
  if (a->answer_size >= head) memcpy(&header, a->answer, head);
  if (a->answer_size < head || header.size > a->answer_size - head) code = HADRON_ERR_CORRUPT;
  else if (header.size > capacity) code = HADRON_ERR_FULL;
  if (!code) {
    *size = header.size;
    memcpy(buffer, (const char *)a->answer + head, header.size);
    s->fresh = keep(s, a->answer, a->answer_size);
  }
  hd_channel_let_go(a);
  return code;
}

static int32_t load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct hd_standin *s = self;
  if (nobody(s)) return HADRON_OK;
  struct hadron_state_header header = {.magic = HD_STATE_MAGIC, .schema = schema, .size = size, .crc32c = hd_crc32c(0, buffer, size)};
  unsigned char *bytes = malloc(sizeof header + size);
  if (!bytes) return HADRON_ERR_MEMORY;
  memcpy(bytes, &header, sizeof header);
  memcpy(bytes + sizeof header, buffer, size);
  int32_t code = plain_ask(s, HADRON_ASK_LOAD, bytes, (uint32_t)sizeof header + size, ASK_NS);
  if (!code) (void)keep(s, bytes, (uint32_t)sizeof header + size);
  free(bytes);
  return code;
}

void hd_standin_again(struct hd_standin *s) {
  struct hd_image m = {0};
  const int64_t now_ns = hd_engine_now(place_of(s));
  if (s->saved_size) (void)hd_channel_post(s->channel, HADRON_ASK_LOAD, s->index, s->saved, s->saved_size, now_ns);
  if (save_rows(s, &m)) (void)hd_channel_post(s->channel, HADRON_ASK_ROWS, s->index, m.bytes, (uint32_t)m.size, now_ns);
  hd_image_fini(&m);
  (void)hd_channel_post(s->channel, HADRON_ASK_START, s->index, NULL, 0, now_ns);
  sits_elsewhere(s);
}

// ---- timers in a snapshot -----------------------------------------------------------------------------------------------------------------

static void show_timers(struct hd_standin *s) {
  uint32_t count, at = hd_far_saved_timers(s->saved, s->saved_size, &count);
  struct hd_engine_timer_row *rows = calloc(count + 1, sizeof *rows);
  if (rows && at < s->saved_size) memcpy(rows, (const char *)s->saved + at + sizeof(struct hd_far_timers), count * sizeof *rows);
  int32_t code = rows ? hd_engine_timers_set(place_of(s), rows, count) : HADRON_ERR_MEMORY;
  if (code) hd_log_warn("SNAPSHOT", "%s: some of its %u timers are not in the snapshot: %s", s->instance->name, count, hadron_error_text(code));
  free(rows);
}

void hd_standin_timers_show(struct hd_placed *p) {
  for (uint32_t i = 0; !p->lock_step && !p->external && i < p->instance_count; i++)
    if (p->standins[i] && p->standins[i]->fresh) show_timers(p->standins[i]);
}

void hd_standin_timers_hide(struct hd_placed *p) {
  for (uint32_t i = 0; !p->lock_step && !p->external && i < p->instance_count; i++)
    if (p->standins[i] && p->standins[i]->fresh) (void)hd_engine_timers_set(place_of(p->standins[i]), NULL, 0);
}

// None: those that its start has asked for hold.
static void give_timers(struct hd_standin *s) {
  struct hd_engine_instance *place = place_of(s);
  const uint32_t count = place->timers;
  if (!count) return;
  size_t size = sizeof(struct hd_far_timers) + count * sizeof(struct hd_engine_timer_row);
  struct hd_engine_timer_row *rows = calloc(count, sizeof *rows);
  char *bytes = malloc(size);
  if (rows && bytes) {
    memcpy(bytes, &(struct hd_far_timers){HD_FAR_TIMERS, count}, sizeof(struct hd_far_timers));
    (void)hd_engine_timers(place, rows, count);
    memcpy(bytes + sizeof(struct hd_far_timers), rows, count * sizeof *rows);
    (void)plain_ask(s, HADRON_ASK_TIMERS, bytes, (uint32_t)size, ASK_NS);
  }
  (void)hd_engine_timers_set(place, NULL, 0);
  free(bytes);
  free(rows);
}

void hd_standin_timers_give(struct hd_placed *p) {
  for (uint32_t i = 0; !p->lock_step && !p->external && i < p->instance_count; i++)
    if (p->standins[i]) give_timers(p->standins[i]);
}

uint32_t hd_standin_shard(const struct hd_standin *s) { return s->channel->shard; }

// ---- the plugin -----------------------------------------------------------------------------------------------------------------------

static const struct hadron_timer_target timer_table = {.struct_size = sizeof timer_table, .on_timer = on_timer};

static struct standin_plugin *kept; // those that were made
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

// Rows of its own: the fields lie behind the stand-in.
static bool copy_params(struct standin_plugin *p, const struct hadron_params *real) {
  uint32_t at = 0;
  p->rows = calloc(real->count + 1, sizeof *p->rows);
  for (uint32_t i = 0; p->rows && i < real->count; i++) {
    p->rows[i] = real->params[i];
    p->rows[i].offset = (uint32_t)offsetof(struct hd_standin, params) + at;
    at += ((p->rows[i].type == HADRON_PARAM_TEXT ? real->params[i].size : 8) + 7u) & ~7u;
  }
  p->params_size = at;
  p->params = (struct hadron_params){.struct_size = sizeof p->params, .count = real->count, .params = p->rows, .changed = changed};
  p->plugin.params = &p->params;
  return p->rows != NULL;
}

static const void *no_capability(const char *name) {
  (void)name;
  return NULL;
}

static struct standin_plugin *make(const struct hd_plugin *real) {
  struct standin_plugin *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->plugin = *real;
  p->real = real;
  p->api = (struct hadron_strategy_api){.struct_size = sizeof p->api, .scope = ((const struct hadron_strategy_api *)real->api)->scope, .create = create, .destroy = destroy, .start = start, .on_tick = on_tick, .on_bar = on_bar,
                                        .on_execution = on_execution, .on_order = on_order,
                                        .triggers = HADRON_ON_TRADE | HADRON_ON_QUOTE | HADRON_ON_BOOK | HADRON_ON_STATUS | HADRON_ON_BAR | HADRON_ON_EXECUTION | HADRON_ON_ORDER};
  p->plugin.api = &p->api;
  p->plugin.timer = &timer_table;
  p->plugin.inspect = NULL;
  p->plugin.capability = no_capability;
  memset(p->plugin.manifest.requires_, 0, sizeof p->plugin.manifest.requires_); // the far side has what it needs
  if (real->state) {
    p->state = (struct hadron_state){.struct_size = sizeof p->state, .schema = real->state->schema, .schema_min = real->state->schema_min, .size_max = real->state->size_max, .save = save, .load = load};
    p->plugin.state = &p->state;
  }
  if (real->params && !copy_params(p, real->params)) {
    free(p);
    return NULL;
  }
  return p;
}

static const struct hd_plugin *keep_plugin(struct standin_plugin *p) {
  if (!p) return NULL;
  p->next = kept;
  kept = p;
  return &p->plugin;
}

const struct hd_plugin *hd_standin_plugin(const struct hd_plugin *real) {
  HD_ASSERT(real->manifest.kind == HADRON_KIND_STRATEGY);
  pthread_mutex_lock(&kept_lock);
  const struct standin_plugin *p = kept;
  while (p && p->real != real) p = p->next;
  const struct hd_plugin *plugin = p ? &p->plugin : keep_plugin(make(real));
  pthread_mutex_unlock(&kept_lock);
  return plugin;
}

bool hd_standin_is(const struct hd_plugin *plugin) { return plugin->api && ((const struct hadron_strategy_api *)plugin->api)->on_tick == on_tick; }
