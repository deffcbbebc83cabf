#include "runtime/placed.h"

#include <sched.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "pipeline/trace.h"
#include "registry/registry.h"
#include "runtime/live.h"
#include "runtime/meeting.h"
#include "runtime/session_internal.h"
#include "runtime/standin.h"

#define CREATE_NS INT64_C(30000000000) // a worker's start, and what a plugin does in create
#define LOST_EVERY_NS INT64_C(1000000000)

// ---- placements -----------------------------------------------------------------------------------------------------------------------

// Who fills one in puts it here.
static const struct hd_placement_api *const placements[] = {
    [HD_PLACEMENT_THREAD] = &hd_placement_thread,
    [HD_PLACEMENT_PROCESS] = &hd_placement_process,
    [HD_PLACEMENT_REMOTE] = &hd_placement_remote,
};
#define PLACEMENTS (sizeof placements / sizeof *placements)

static const char *const names[] = {"", "inline", "thread", "process", "remote", "auto"};

const char *hd_placement_name(uint32_t placement) { return placement < sizeof names / sizeof *names ? names[placement] : ""; }

uint32_t hd_placement_parse(const char *name) {
  for (uint32_t i = 1; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], name) == 0) return i;
  return HD_PLACEMENT_NONE;
}

static bool is_signed(const struct hd_session *s, const struct hd_plugin *plugin) {
  struct hd_version *v = calloc(1, sizeof *v);
  struct hd_fault fault;
  bool yes = v && s->options.registry && hd_registry_find_digest(s->options.registry, plugin->digest, v, &fault) == HADRON_OK && v->trust == HD_TRUST_SIGNED;
  free(v);
  return yes;
}

uint32_t hd_placement_of(const struct hd_session *s, uint32_t wanted, const struct hd_plugin *plugin) {
  if (hd_plugin_external(plugin)) return HD_PLACEMENT_REMOTE; // there is nothing of it here
  if (s->options.recorded) return wanted ? wanted : HD_PLACEMENT_INLINE; // as it was
  if (s->options.is_virtual && s->config->placements != 2) return HD_PLACEMENT_INLINE;
  if (wanted == HD_PLACEMENT_NONE) return HD_PLACEMENT_INLINE;
  if (wanted != HD_PLACEMENT_AUTO) return wanted;
  bool apart = plugin->language == HD_LANGUAGE_NATIVE && !is_signed(s, plugin);
  return apart && placements[HD_PLACEMENT_PROCESS] ? HD_PLACEMENT_PROCESS : HD_PLACEMENT_THREAD;
}

// ---- the list of them: written by any thread, walked by [trade] and [io] ------------------------------------------------------------------

// Who walks says whom he has in his hand; who takes one out waits until nobody has.
static struct hd_placed *hold(_Atomic(struct hd_placed *) *slot, _Atomic(struct hd_placed *) *hand) {
  struct hd_placed *p = atomic_load(slot);
  for (; p; p = atomic_load(slot)) {
    atomic_store(hand, p);
    if (atomic_load(slot) == p) return p;
  }
  atomic_store(hand, NULL);
  return NULL;
}

static int32_t enlist(struct hd_placed *p, struct hd_fault *fault) {
  for (uint32_t i = 0; i < HD_PLACED_MAX; i++) {
    struct hd_placed *none = NULL;
    if (!atomic_compare_exchange_strong(&p->s->placed[i], &none, p)) continue;
    uint32_t count = atomic_load(&p->s->placed_count);
    while (count <= i && !atomic_compare_exchange_weak(&p->s->placed_count, &count, i + 1)) continue;
    return HADRON_OK;
  }
  return hd_fault_set(fault, HADRON_ERR_FULL, "%s: all %d places for strategies outside of their shards are taken; retire a version first", p->name, HD_PLACED_MAX);
}

static void delist(struct hd_placed *p) {
  for (uint32_t i = 0; i < HD_PLACED_MAX; i++) {
    struct hd_placed *it = p;
    atomic_compare_exchange_strong(&p->s->placed[i], &it, NULL);
  }
  while (atomic_load(&p->s->placed_in_trade) == p || atomic_load(&p->s->placed_in_io) == p) sched_yield();
}

// ---- making ---------------------------------------------------------------------------------------------------------------------------

// Decisions wait. The loop may be about to end: who ends it waits for who is in here.
static void wake(void *self) {
  struct hd_session *s = ((struct hd_placed *)self)->s;
  atomic_fetch_add(&s->placed_waking, 1);
  struct hd_live *live = atomic_load(&s->placed_wakes);
  if (live && live->threads) hd_bell_ring(&live->trade_bell);
  else if (live) uv_async_send(&live->wake);
  atomic_fetch_sub(&s->placed_waking, 1);
}

static void release(struct hd_placed *p) {
  pthread_mutex_destroy(&p->words_lock);
  for (uint32_t i = 0; p->channels && i < p->channel_count; i++) hd_channel_fini(&p->channels[i]);
  free(p->channels);
  hd_channel_memory_close(&p->memory);
  free(p->universe);
  free(p->standins);
  free(p->json);
  free(p->params);
  free(p);
}

static int32_t make_channels(struct hd_placed *p, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  p->channel_count = p->s->pipeline.options.shards;
  p->channels = aligned_alloc(64, (p->channel_count * sizeof *p->channels + 63) & ~(size_t)63);
  if (p->channels) memset(p->channels, 0, p->channel_count * sizeof *p->channels);
  if (p->placement == HD_PLACEMENT_PROCESS && !p->s->options.recorded) code = hd_channel_memory_open(&p->memory, p->channel_count);
  for (uint32_t i = 0; p->channels && !code && i < p->channel_count; i++) {
    code = hd_channel_init_in(&p->channels[i], atomic_load(&p->arm), i, &p->memory);
    p->channels[i].wake = wake;
    p->channels[i].wake_self = p;
  }
  return !p->channels || code ? hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: %u channels: out of memory", p->name, p->channel_count) : HADRON_OK;
}

// The far side makes its instances: whatever it says against that is why this placement cannot be.
static int32_t ask_create(struct hd_placed *p, struct hd_fault *fault) {
  if (!p->json) return HADRON_OK;
  struct hd_channel_ask *a = hd_channel_ask(&p->channels[0], HADRON_ASK_CREATE, 0, p->json, (uint32_t)strlen(p->json), 0, CREATE_NS);
  if (!a)
    return hd_fault_set(fault, HADRON_ERR_TIMEOUT, "%s: placement %s: expected its instances to be made within %d s, found no answer", p->name, hd_placement_name(p->placement), (int)(CREATE_NS / 1000000000));
  int32_t code = a->code;
  if (code) hd_fault_set(fault, code, "placement %s: %.*s", hd_placement_name(p->placement), (int)a->answer_size, a->answer_size ? (const char *)a->answer : "");
  hd_channel_let_go(a);
  return code;
}

static const struct hadron_metric metric_rows[] = {
    {.name = "placed_ticks_lost", .help = "ticks that a strategy outside of its shard did not get", .unit = "ticks", .type = HADRON_METRIC_COUNTER},
    {.name = "placed_ticks_waiting", .help = "ticks that wait for it", .unit = "ticks", .type = HADRON_METRIC_GAUGE},
    {.name = "placed_restarts", .help = "times that its other side was started again", .unit = "restarts", .type = HADRON_METRIC_COUNTER},
};

// Those of a strategy are one set: its versions follow each other.
static int32_t open_metrics(struct hd_placed *p, struct hd_fault *fault) {
  char owner[HD_METRIC_OWNER_SIZE];
  snprintf(owner, sizeof owner, "%s.placed", p->name);
  return hd_metrics_open(p->s->metrics, owner, metric_rows, 3, p->cells, fault);
}

static int32_t make(struct hd_placed *p, const struct hd_placed_options *o, struct hd_fault *fault) {
  bool universe = hd_plugin_scope(o->plugin) == HADRON_SCOPE_UNIVERSE;
  p->instance_count = universe ? 1 : o->universe_count;
  p->universe_count = o->universe_count;
  p->universe = malloc((o->universe_count + 1) * sizeof *p->universe);
  p->standins = calloc(p->instance_count + 1, sizeof(struct hd_standin *));
  if (!p->universe || !p->standins || (p->external ? !p->params : !p->json)) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", p->name);
  memcpy(p->universe, o->universe, o->universe_count * sizeof *p->universe);
  int32_t code = make_channels(p, fault);
  if (code) return code;
  if (p->s->options.recorded) { // its decisions come from the journal; what it knew is handed over where its version or its place changed
    const struct hd_session_recorded *r = p->s->options.recorded;
    bool runs = !p->external && (!r->runs_again || r->runs_again(r->self, p->name, p->plugin->digest));
    p->api = runs ? &hd_placement_thread : NULL;
    p->runs_again = true;
    code = p->api ? p->api->open(p, fault) : HADRON_OK;
    return code || !p->api ? code : ask_create(p, fault);
  }
  p->api = o->placement < PLACEMENTS ? placements[o->placement] : NULL;
  if (!p->api)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: placement \"%s\": expected one that this host has, found none; take inline or thread", p->name, hd_placement_name(o->placement));
  if (!(code = open_metrics(p, fault)) && !(code = p->api->open(p, fault))) code = ask_create(p, fault);
  return code ? code : enlist(p, fault);
}

int32_t hd_placed_make(struct hd_session *s, const struct hd_placed_options *o, struct hd_placed **out, struct hd_fault *fault) {
  HD_ASSERT(o->placement > HD_PLACEMENT_INLINE && o->placement < HD_PLACEMENT_AUTO && o->universe_count > 0);
  struct hd_placed *p = aligned_alloc(64, (sizeof *p + 63) & ~(size_t)63);
  if (!p) {
    free(o->json);
    free(o->params);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", o->name);
  }
  memset(p, 0, sizeof *p);
  pthread_mutex_init(&p->words_lock, NULL);
  p->s = s;
  p->plugin = o->plugin;
  p->placement = o->placement;
  p->on_silent = o->on_silent ? o->on_silent : HD_SILENT_HOLD;
  p->lock_step = s->options.is_virtual && !s->options.recorded;
  p->external = hd_plugin_external(o->plugin);
  p->json = o->json;
  p->params = o->params;
  p->bars = o->bars;
  p->bar_count = o->bar_count;
  p->latency = o->latency;
  p->occupant = o->occupant;
  p->timer.due_ns = INT64_MAX;
  atomic_store(&p->arm, o->arm); // for its channels
  hd_text_copy(p->name, sizeof p->name, o->name);
  int32_t code = make(p, o, fault);
  atomic_store(&p->arm, 0);
  if (code) (void)hd_placed_destroy(p);
  else *out = p;
  return code;
}

bool hd_placed_destroy(struct hd_placed *p) {
  if (!p) return true;
  bool gone = true;
  for (uint32_t i = 0; p->channels && i < p->channel_count; i++) {
    atomic_store(&p->channels[i].closed, true);
    atomic_store(&p->channels[i].broken, true); // who asks waits for nobody
    hd_channel_ring(&p->channels[i]);
  }
  if (p->api) gone = p->api->close(p);
  if (p->api) delist(p);
  if (gone) release(p);
  else hd_log_error("PLACED", "%s: placement %s: what hangs there cannot be ended and is left behind; only a process can be killed", p->name, hd_placement_name(p->placement));
  return gone;
}

void hd_placed_sits(struct hd_placed *p, uint32_t arm) {
  if (arm != atomic_load(&p->arm)) atomic_store(&p->role, 0);
  atomic_store(&p->arm, arm);
  if (p->api && p->api->sits) p->api->sits(p);
}

void hd_placed_role(struct hd_placed *p, uint32_t role) {
  atomic_store(&p->role, role);
  if (p->api && p->api->sits) p->api->sits(p);
}

void hd_placed_params(struct hd_placed *p, const char *params) {
  char *copy = strdup(params);
  if (!copy) return; // the next that comes is told what held before
  free(p->params);
  p->params = copy;
  if (p->api && p->api->told) p->api->told(p);
}

// ---- news -----------------------------------------------------------------------------------------------------------------------------

void hd_placed_tell(struct hd_placed *p, uint32_t change, uint64_t count, const char *words) {
  HD_ASSERT(change > HADRON_PLACED_INVALID && change <= HADRON_PLACED_LOST);
  pthread_mutex_lock(&p->words_lock);
  p->words[change].count = count;
  hd_text_copy(p->words[change].text, sizeof p->words[change].text, words ? words : "");
  pthread_mutex_unlock(&p->words_lock);
  if (change == HADRON_PLACED_JOINED || change == HADRON_PLACED_BACK) atomic_store(&p->state, HADRON_PLACED_JOINED);
  else if (change == HADRON_PLACED_SILENT || change == HADRON_PLACED_LEFT) atomic_store(&p->state, change);
  if (change == HADRON_PLACED_RESTART) atomic_fetch_add(&p->counts.restarts, 1);
  atomic_fetch_or(&p->news, 1u << change);
}

struct hd_placed_words hd_placed_words(struct hd_placed *p, uint32_t change) {
  HD_ASSERT(change > HADRON_PLACED_INVALID && change <= HADRON_PLACED_LOST);
  pthread_mutex_lock(&p->words_lock);
  const struct hd_placed_words words = p->words[change];
  pthread_mutex_unlock(&p->words_lock);
  return words;
}

void hd_placed_fault(struct hd_placed *p, bool fenced) {
  if (!p->occupant) return;
  atomic_fetch_add_explicit(&p->occupant->faults, 1, memory_order_relaxed);
  if (fenced) atomic_fetch_add_explicit(&p->occupant->fenced, 1, memory_order_relaxed);
}

uint64_t hd_placed_lost(const struct hd_placed *p) {
  uint64_t lost = 0;
  for (uint32_t i = 0; i < p->channel_count; i++) lost += atomic_load_explicit(&p->channels[i].lost, memory_order_relaxed);
  return lost;
}

uint64_t hd_placed_backlog(const struct hd_placed *p) {
  uint64_t backlog = 0;
  for (uint32_t i = 0; i < p->channel_count; i++) backlog += hd_channel_waiting(&p->channels[i]);
  return backlog;
}

void hd_placed_renew(struct hd_placed *p) { atomic_store(&p->renew, true); }

static uint32_t shown_arm(const struct hd_placed *p) { return atomic_load(&p->arm); }

static int32_t write_placed(struct hd_placed *p, uint32_t arm, uint32_t change, uint64_t count, uint32_t action, const char *words, int64_t now_ns) {
  uint64_t sequence = 0;
  for (uint32_t i = 0; i < p->channel_count; i++) {
    uint64_t sent = atomic_load_explicit(&p->channels[i].sent, memory_order_relaxed);
    if (sent > sequence) sequence = sent;
  }
  const struct hadron_placed r = {.time_ns = now_ns, .sequence = sequence, .count = count, .arm = arm, .change = (uint8_t)change, .placement = (uint8_t)p->placement, .action = (uint8_t)action};
  return hd_record_text(&p->s->pipeline.sink, HADRON_MSG_PLACED, &r, sizeof r, words, now_ns);
}

static const struct {
  const char *text;
  uint32_t alert; // severity; 0: a line in the log
} news_rows[] = {[HADRON_PLACED_JOINED] = {"is there", 0},        [HADRON_PLACED_SILENT] = {"is silent", 2}, [HADRON_PLACED_BACK] = {"is back", 0}, [HADRON_PLACED_LEFT] = {"has left", 2},
                 [HADRON_PLACED_RESTART] = {"is started again", 2}, [HADRON_PLACED_FENCED] = {"is fenced", 3}, [HADRON_PLACED_LOST] = {"has lost ticks", 2}};

static void tell_news(struct hd_placed *p, int64_t now_ns) {
  uint32_t news = atomic_exchange(&p->news, 0), arm = shown_arm(p);
  if (!news) return;
  for (uint32_t change = 1; change < sizeof news_rows / sizeof *news_rows; change++) {
    if (!(news & 1u << change)) continue;
    char text[400];
    const struct hd_placed_words said = hd_placed_words(p, change);
    snprintf(text, sizeof text, "strategy %s (%s): %s%s%s", p->name, hd_placement_name(p->placement), news_rows[change].text, *said.text ? ": " : "", said.text);
    if (change != HADRON_PLACED_FENCED && change != HADRON_PLACED_SILENT) (void)write_placed(p, arm, change, said.count, 0, said.text, now_ns); // those two are [trade]'s
    if (news_rows[change].alert) hd_session_alert(p->s, news_rows[change].alert, 0, arm, now_ns, text);
    else hd_log_info("PLACED", "%s", text);
  }
}

// ---- silence --------------------------------------------------------------------------------------------------------------------------

struct silencing {
  struct hd_placed *p;
  uint32_t change;
  const char *why;
  int64_t now_ns;
};

static void take(struct hd_placed *p, struct hadron_decision *batch, uint32_t count, int64_t now_ns);

static void flatten(struct hd_placed *p, uint32_t arm, int64_t now_ns) {
  const struct hd_book *book = &p->s->pipeline.portfolio.books[arm];
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  uint32_t count = 0;
  for (uint32_t i = 0; i < book->position_count; i++) {
    if (book->positions[i].quantity.e8 == 0) continue;
    batch[count] = (struct hadron_decision){.time_ns = now_ns, .arm = arm, .instrument = book->positions[i].instrument, .kind = HADRON_DECISION_TARGET};
    (void)hd_decision_complete(&batch[count]);
    if (++count < HD_TICK_DECISIONS_MAX) continue;
    take(p, batch, count, now_ns);
    count = 0;
  }
  if (count) take(p, batch, count, now_ns);
}

// [trade] The record first: who runs this again does the same at this place.
static void silence(void *argument) {
  const struct silencing *x = argument;
  struct hd_placed *p = x->p;
  struct hd_pipeline *pipeline = &p->s->pipeline;
  uint32_t arm = shown_arm(p);
  if (write_placed(p, arm, x->change, 0, p->on_silent, x->why, x->now_ns)) hd_log_error("PLACED", "%s: the journal did not take that it is silent", p->name);
  if (arm == 0 || p->on_silent == HD_SILENT_HOLD) return;
  struct hd_gateway *gateway = pipeline->arms[arm].role == HD_ROLE_SHADOW ? pipeline->shadow.gateway : pipeline->gateway;
  if (gateway) hd_gateway_cancel_all(gateway, arm, 0, x->now_ns);
  if (p->on_silent == HD_SILENT_FLATTEN) flatten(p, arm, x->now_ns);
}

static int64_t wall_of(const struct hd_session *s) { return s->options.is_virtual ? s->runner.now_ns : hd_clock_wall_ns(); }

void hd_placed_silent(struct hd_placed *p) {
  struct silencing x = {p, HADRON_PLACED_SILENT, "", wall_of(p->s)};
  hd_session_trade(p->s, silence, &x);
}

bool hd_placed_give_up(struct hd_placed *p) {
  if (atomic_exchange(&p->state, HADRON_PLACED_FENCED) == HADRON_PLACED_FENCED) return false;
  for (uint32_t i = 0; i < p->channel_count; i++) atomic_store(&p->channels[i].broken, true);
  return true;
}

void hd_placed_fence(struct hd_placed *p, const char *why) {
  if (!hd_placed_give_up(p)) return;
  struct silencing x = {p, HADRON_PLACED_FENCED, why, wall_of(p->s)};
  hd_session_trade(p->s, silence, &x);
  hd_placed_tell(p, HADRON_PLACED_FENCED, 0, why);
}

// ---- [trade]: what was decided --------------------------------------------------------------------------------------------------------

static bool in_universe(const struct hd_placed *p, uint32_t instrument) {
  uint32_t low = 0, high = p->universe_count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (p->universe[middle] == instrument) return true;
    if (p->universe[middle] < instrument) low = middle + 1;
    else high = middle;
  }
  return false;
}

// As hd_engine_decide checks and stamps it; cause and time are those of the far side's call.
static bool check(struct hd_placed *p, uint32_t arm, struct hadron_decision *d, int64_t now_ns) {
  if (!in_universe(p, d->instrument) || !hd_decision_complete(d)) return false;
  bool was_sent = false; // by whichever shard: one strategy answers with one instrument to a tick of another
  for (uint32_t i = 0; i < p->channel_count && !was_sent; i++) was_sent = d->cause <= atomic_load_explicit(&p->channels[i].sent, memory_order_acquire);
  if (!was_sent) return false; // of the future
  d->trace = hd_trace_of(p->s->pipeline.options.session, d->cause);
  d->arm = arm;
  d->id = 0;
  if (d->time_ns > now_ns || d->time_ns == 0) d->time_ns = now_ns;
  return true;
}

static void take(struct hd_placed *p, struct hadron_decision *batch, uint32_t count, int64_t now_ns) {
  if (write_placed(p, batch[0].arm, HADRON_PLACED_TAKEN, count, 0, "", now_ns)) return; // what is not written down has not been made
  hd_pipeline_decisions(&p->s->pipeline, batch, count, now_ns);
}

static bool take_one(struct hd_placed *p, int64_t now_ns, bool discard) {
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  uint64_t number;
  uint32_t n = hd_channel_take(&p->channels[0], batch, &number), kept = 0, arm = shown_arm(p), state = atomic_load(&p->state);
  if (n == 0) return false;
  bool counts = arm != 0 && state != HADRON_PLACED_SILENT && state != HADRON_PLACED_FENCED && !discard;
  for (uint32_t i = 0; i < n && counts; i++)
    if (check(p, arm, &batch[i], now_ns)) batch[kept++] = batch[i];
  if (!discard) {
    atomic_fetch_add_explicit(&p->counts.decisions, kept, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->counts.refused, n - kept, memory_order_relaxed);
  }
  if (kept) take(p, batch, kept, now_ns);
  hd_channel_took(&p->channels[0], number);
  return true;
}

bool hd_session_take_placed(struct hd_session *s, int64_t now_ns) {
  bool any = false;
  for (uint32_t k = 0, n = atomic_load_explicit(&s->placed_count, memory_order_acquire); k < n; k++) {
    if (!atomic_load_explicit(&s->placed[k], memory_order_relaxed)) continue;
    struct hd_placed *p = hold(&s->placed[k], &s->placed_in_trade);
    for (int i = 0; p && !p->lock_step && i < 16 && take_one(p, now_ns, false); i++) any = true;
    atomic_store(&s->placed_in_trade, NULL);
  }
  return any;
}

// ---- [io]: looking after them -----------------------------------------------------------------------------------------------------------

// The new far side begins with CREATE; only then may the other channels say something: the meeting has two halves.
static void again_prepare(void *self, uint32_t shard) {
  struct hd_placed *p = self;
  if (shard != 0) return;
  for (uint32_t i = 0; i < p->channel_count; i++) atomic_store(&p->channels[i].broken, false);
  (void)hd_channel_post(&p->channels[0], HADRON_ASK_CREATE, 0, p->json, (uint32_t)strlen(p->json), 0);
}
static bool again_decide(void *self) {
  (void)self;
  return true;
}
static void again_finish(void *self, uint32_t shard, bool agreed) {
  struct hd_placed *p = self;
  (void)agreed;
  for (uint32_t i = 0; i < p->instance_count; i++)
    if (p->standins[i] && hd_standin_shard(p->standins[i]) == shard) hd_standin_again(p->standins[i]);
}

static void begin_again(struct hd_placed *p) {
  if (!p->json || atomic_load(&p->arm) == 0 || atomic_load(&p->state) == HADRON_PLACED_FENCED) return;
  struct hd_meeting m = {.self = p, .prepare = again_prepare, .decide = again_decide, .finish = again_finish};
  if (hd_session_meet(p->s, &m)) return;
  hd_log_info("PLACED", "%s (%s): begins again", p->name, hd_placement_name(p->placement));
}

static void look_one(struct hd_placed *p, int64_t mono_ns, int64_t now_ns) {
  bool gone = false;
  uint64_t lost = hd_placed_lost(p);
  atomic_store(&p->clocked, true);
  for (uint32_t i = 0; i < p->channel_count; i++) gone |= atomic_load(&p->channels[i].broken);
  if (p->cells[0]) {
    hd_metric_set(p->cells[0], (int64_t)lost);
    hd_metric_set(p->cells[1], (int64_t)hd_placed_backlog(p));
    hd_metric_set(p->cells[2], (int64_t)atomic_load(&p->counts.restarts));
  }
  if (lost != p->told_lost && mono_ns >= p->lost_ns && atomic_load(&p->state) != HADRON_PLACED_FENCED) {
    char words[100];
    snprintf(words, sizeof words, "%llu ticks more, %llu in all: it is slower than the market", (unsigned long long)(lost - p->told_lost), (unsigned long long)lost);
    hd_placed_tell(p, HADRON_PLACED_LOST, lost - p->told_lost, words);
    p->told_lost = lost;
    p->lost_ns = mono_ns + LOST_EVERY_NS;
  }
  if (gone && !atomic_load(&p->renew)) hd_placed_fence(p, "what it should hear about its orders found no room: it has not listened for too long");
  if (p->api->look) p->api->look(p, mono_ns);
  if (atomic_exchange(&p->renew, false)) begin_again(p);
  tell_news(p, now_ns);
}

void hd_session_look_placed(struct hd_session *s) {
  int64_t mono_ns = hd_clock_monotonic_ns();
  if (mono_ns < s->placed_look_ns) return;
  s->placed_look_ns = mono_ns + 100000000;
  for (uint32_t k = 0, n = atomic_load_explicit(&s->placed_count, memory_order_acquire); k < n; k++) {
    if (!atomic_load_explicit(&s->placed[k], memory_order_relaxed)) continue;
    struct hd_placed *p = hold(&s->placed[k], &s->placed_in_io);
    if (p && atomic_load(&p->arm)) look_one(p, mono_ns, wall_of(s));
    atomic_store(&s->placed_in_io, NULL);
  }
}

// ---- beginning and end ----------------------------------------------------------------------------------------------------------------

static bool waits(const struct hd_placed *p) {
  for (uint32_t i = 0; i < p->channel_count; i++)
    if (hd_channel_waiting(&p->channels[i]) || hd_ring_size(&p->channels[i].notes)) return true;
  return false;
}

// The last batch is out of the ring before it is handled: an answer says that it was.
static void barrier(struct hd_placed *p) {
  for (uint32_t i = 0; i < p->channel_count; i++)
    hd_channel_let_go(hd_channel_ask(&p->channels[i], HADRON_ASK_STEP, 0, NULL, 0, 0, 200000000));
}

void hd_session_drain_placed(struct hd_session *s, bool discard) {
  for (uint32_t k = 0, n = atomic_load_explicit(&s->placed_count, memory_order_acquire); k < n; k++) {
    struct hd_placed *p = atomic_load(&s->placed[k]);
    if (!p || !p->json || !p->api || atomic_load(&p->state) == HADRON_PLACED_FENCED) continue;
    int64_t until = hd_clock_monotonic_ns() + 1000000000;
    for (;;) {
      while (take_one(p, wall_of(s), discard)) continue;
      if (!waits(p) || hd_clock_monotonic_ns() > until) break;
      sched_yield();
    }
    barrier(p);
    while (take_one(p, wall_of(s), discard)) continue;
  }
}

void hd_session_renew_placed(struct hd_session *s) {
  for (uint32_t k = 0, n = atomic_load_explicit(&s->placed_count, memory_order_acquire); k < n; k++) {
    struct hd_placed *p = atomic_load(&s->placed[k]);
    if (p && p->json && p->api) hd_standin_rows(p);
  }
}
