#include "runtime/worker_remote.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "lua/runtime.h"
#include "pipeline/instrument.h"
#include "runtime/far.h"
#include "runtime/last_words.h"
#include "runtime/session_internal.h"
#include "runtime/worker.h"
#include "runtime/worker_state.h"

#define UNIVERSE_SIZE 4096
#define IDLE_MS 1000
#define TELL_NS INT64_C(2000000000)    // nobody has answered for so long: it is said, then thirty times as seldom

struct guest {
  struct hd_guests *owner;
  const struct hd_config *config;
  const struct hd_config_strategy *section;
  const struct hd_plugin *plugin;
  char name[HADRON_NAME_SIZE], universe[UNIVERSE_SIZE];
  struct hadron_client *client;
  pthread_t thread;
  bool runs;
  // [far]
  struct hd_far *far;
  struct hd_instruments instruments;  // rows alone, as the host has told them
  uint32_t *ids;                      // ascending
  uint32_t id_count;
  struct hadron_position *views;
  uint64_t dropped;                   // decisions that the host could not be told
  const char **keys;                  // of the far engine's instances: their instruments' names; owned
  char state[1200];                   // where what it remembers is kept
  int64_t tell_ns;                    // monotonic; when to say that nobody answers; 0: somebody has
  struct hd_far_measure measure;      // of its callbacks
  bool made;                          // started: what it remembers is worth keeping
};

struct hd_guests {
  struct guest *rows; // owned
  uint32_t count;
  char url[256];      // of the host
  _Atomic uint32_t left;
  _Atomic bool ends;
};

// ---- [far] ---------------------------------------------------------------------------------------------------------------------------

static void on_decided(void *self, const struct hadron_decision *decisions, uint32_t count) {
  struct guest *g = self;
  struct hadron_decision some[HD_TICK_DECISIONS_MAX];
  memcpy(some, decisions, count * sizeof *some);
  for (uint32_t i = 0; i < count; i++) some[i].arm = 0; // the connection's
  if (hadron_client_decide(g->client, some, count, NULL) == HADRON_OK) return;
  if ((g->dropped & (g->dropped - 1)) == 0) hd_log_warn("WORKER_DROPPED", "%s: a decision could not be told to the host: %s; %llu before", g->name, hadron_client_words(), (unsigned long long)g->dropped);
  g->dropped += count; // what waits until the host is back is no decision on today's market
}

static int32_t start(struct guest *g, struct hd_fault *fault) {
  struct hd_far_figures figures;
  hd_far_read(g->far, &figures);
  for (uint32_t i = 0; i < figures.instances; i++) {
    void *words = NULL;
    uint32_t size = 0;
    int32_t code = hd_far_ask(g->far, HADRON_ASK_START, i, NULL, 0, hd_clock_wall_ns(), &words, &size);
    if (code) hd_fault_set(fault, code, "%.900s", words ? (const char *)words : hadron_error_text(code));
    free(words);
    if (code) return code;
  }
  return HADRON_OK;
}

// ---- what it remembers

static struct hd_worker_memory memory_of(struct guest *g) {
  static const char *const all[] = {""};
  bool one = hd_plugin_scope(g->plugin) == HADRON_SCOPE_UNIVERSE;
  for (uint32_t i = 0; i < g->id_count; i++) g->keys[i] = g->instruments.rows[g->ids[i]].name;
  return (struct hd_worker_memory){g->state, g->plugin, one ? all : g->keys, one ? 1 : g->id_count};
}

static int32_t remember(struct guest *g, struct hd_fault *fault) {
  const struct hd_worker_memory m = memory_of(g);
  int64_t time_ns = 0;
  uint32_t loaded = 0;
  char time[40];
  int32_t code = hd_worker_state_load(&m, g->far, &time_ns, &loaded, fault);
  if (code == HADRON_ERR_NOT_FOUND) return HADRON_OK;
  if (code) return code;
  hd_time_format(time, sizeof time, time_ns, 0);
  hd_log_info("WORKER_STATE", "%s: goes on with what it knew at %s: %u of %u instances (%s)", g->name, time, loaded, m.count, g->state);
  return HADRON_OK;
}

static void keep(struct guest *g) {
  const struct hd_worker_memory m = memory_of(g);
  struct hd_fault fault = {0};
  if (!g->plugin->state) return;
  if (hd_worker_state_save(&m, g->far, hd_clock_wall_ns(), &fault)) hd_log_error("WORKER_STATE", "%s: what it remembers is not kept: %s", g->name, fault.text);
  else hd_log_info("WORKER_STATE", "%s: what it remembers is in %s", g->name, g->state);
}

static int by_id(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

// All instruments are known.
static int32_t make(struct guest *g, uint32_t arm, uint64_t session, struct hd_fault *fault) {
  const struct hd_config *c = g->config;
  qsort(g->ids, g->id_count, sizeof *g->ids, by_id);
  const struct hd_far_description d = {.name = g->name, .plugin = g->plugin, .arm = arm, .seed = c->seed, .session = session, .volatility_decay = c->volatility_decay, .errors_max = c->errors_max,
                                       .lua_memory_max = c->lua_memory_max, .lua_instructions_max = c->lua_instructions_max, .budget = &g->section->budget, .instruments = &g->instruments,
                                       .universe = g->ids, .universe_count = g->id_count, .params = g->section->base.params, .param_count = g->section->base.param_count};
  const struct hd_far_listener listener = {.self = g, .decided = on_decided, .latency = &g->measure.now};
  char *text = hd_far_describe(&d);
  if (!text) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", g->name);
  int32_t code = hd_far_create(text, strlen(text), g->plugin, &listener, &g->far, fault);
  free(text);
  if (!code) code = remember(g, fault);
  if (!code) code = start(g, fault);
  g->made = !code;
  return code;
}

static void take_instrument(struct guest *g, const struct hadron_instrument_definition *d) {
  if (d->instrument == 0 || d->instrument > HD_INSTRUMENTS_MAX || g->instruments.rows[d->instrument].id) return;
  struct hd_instrument *row = &g->instruments.rows[d->instrument];
  *row = (struct hd_instrument){.id = d->instrument, .asset = d->asset, .increment = d->increment, .lot = d->lot, .multiplier = d->multiplier};
  hd_text_copy(row->name, sizeof row->name, d->name);
  hd_text_copy(row->currency, sizeof row->currency, d->currency);
  g->ids[g->id_count++] = d->instrument;
}

// The stream begins with all of them.
static void on_instruments(struct guest *g, const struct hadron_event *e) {
  for (uint32_t i = 0; i < e->count; i++) {
    struct hadron_instrument_definition d;
    memcpy(&d, (const char *)e->data + (size_t)i * e->stride, sizeof d);
    take_instrument(g, &d);
  }
}

static int32_t begin(struct guest *g, struct hd_fault *fault) {
  struct hadron_client_info info;
  hadron_client_info(g->client, &info);
  int32_t code = make(g, info.arm, info.session, fault);
  if (!code) hd_log_info("WORKER_TRADES", "%s %s: %u instruments, as %s at %s", g->name, g->plugin->manifest.version, g->id_count, info.role[0] ? info.role : "it was expected", info.host);
  return code;
}

static int32_t on_message(struct guest *g, const struct hadron_event *e, struct hd_fault *fault) {
  if (e->kind > HADRON_EVENT_MESSAGE || !e->data) return HADRON_OK;
  if (!g->far && e->kind == HADRON_EVENT_INSTRUMENTS) return on_instruments(g, e), HADRON_OK;
  int32_t code = g->far || g->id_count == 0 ? HADRON_OK : begin(g, fault);
  if (code || !g->far) return code;
  struct hadron_measured rows[HADRON_MEASURED_MAX];
  hadron_client_measured(g->client, rows, hd_far_measured(&g->measure, hd_clock_monotonic_ns(), rows, HADRON_MEASURED_MAX));
  if (e->kind != HADRON_EVENT_TICKS) hd_worker_messages(g->far, g->views, e);
  else if (e->stride == sizeof(struct hadron_tick)) hd_far_ticks(g->far, e->data, e->count);
  else // of a newer host
    for (uint32_t i = 0; i < e->count; i++) hd_far_ticks(g->far, (const void *)((const char *)e->data + (size_t)i * e->stride), 1);
  return HADRON_OK;
}

// HADRON_OK: go on.
static int32_t on_event(struct guest *g, const struct hadron_event *e, struct hd_fault *fault) {
  struct hadron_client_info info;
  switch (e->kind) {
  case HADRON_EVENT_JOINED:
    g->tell_ns = 0;
    hadron_client_info(g->client, &info);
    hd_log_info("WORKER_JOINED", "%s %s: at %s (%s, %s)%s", g->name, g->plugin->manifest.version, info.host, info.mode, info.rights, e->flags & HADRON_EVENT_RESUMED ? ", where it broke" : "");
    return HADRON_OK;
  case HADRON_EVENT_AWAY: hd_log_warn("WORKER_AWAY", "%s: the host is away: %s; it is tried again", g->name, e->text ? e->text : "no reason given"); return HADRON_OK;
  case HADRON_EVENT_STALE: hd_log_warn("WORKER_STALE", "%s: nothing is heard of the host", g->name); return HADRON_OK;
  case HADRON_EVENT_LIVE: hd_log_info("WORKER_LIVE", "%s: the host is heard again", g->name); return HADRON_OK;
  case HADRON_EVENT_REFUSED: hd_log_warn("WORKER_REFUSED", "%s: decision %llu was not taken: %s", g->name, (unsigned long long)e->sequence, hadron_error_text(e->code)); return HADRON_OK;
  case HADRON_EVENT_CLOSED: return hd_fault_set(fault, e->code, "%s: the host has sent it away: %s", g->name, e->text ? e->text : hadron_error_text(e->code));
  default: return on_message(g, e, fault);
  }
}

static int32_t wait_ms(const struct guest *g) {
  int64_t due = g->far ? hd_far_due(g->far) : INT64_MAX, left = due == INT64_MAX ? INT64_MAX : due - hd_clock_wall_ns();
  return left <= 0 ? 0 : left < IDLE_MS * INT64_C(1000000) ? (int32_t)((left + 999999) / 1000000) : IDLE_MS;
}

// A handshake that fails is not told by NNG: whoever looks at this program should know where to look.
static void tell_waiting(struct guest *g) {
  int64_t now_ns = hd_clock_monotonic_ns();
  if (!g->tell_ns || now_ns < g->tell_ns) return;
  g->tell_ns = now_ns + 30 * TELL_NS;
  hd_log_warn("WORKER_WAITS", "%s: nobody has answered at %s so far: is the host there, is the address its bus.sessions', and are both certificates of one authority, valid and not revoked? it is tried again",
              g->name, g->owner->url);
}

static void *guest_main(void *argument) {
  struct guest *g = argument;
  struct hd_fault fault = {0};
  int32_t code = HADRON_OK;
  hd_last_words_stack();
  g->tell_ns = hd_clock_monotonic_ns() + TELL_NS;
  while (!code && !atomic_load(&g->owner->ends)) {
    struct hadron_event event;
    int32_t got = hadron_client_poll(g->client, 0, &event);
    if (got == HADRON_ERR_AGAIN) {
      if (g->far) hd_far_time(g->far, hd_clock_wall_ns());
      got = hadron_client_poll(g->client, wait_ms(g), &event);
    }
    if (got != HADRON_ERR_AGAIN) code = on_event(g, &event, &fault);
    else tell_waiting(g);
  }
  if (code) hd_log_error("WORKER_ENDED", "%s: %s", g->name, fault.text);
  if (g->made) keep(g);
  hd_far_destroy(g->far);
  atomic_fetch_sub(&g->owner->left, 1);
  hd_last_words_unstack();
  return NULL;
}

// ---- [control] -----------------------------------------------------------------------------------------------------------------------

static int32_t open_guest(struct guest *g, const struct hadron_client_options *place, struct hd_fault *fault) {
  char path[1024];
  const struct hd_config_strategy *s = g->section;
  hd_text_copy(g->name, sizeof g->name, s->base.name);
  for (uint32_t i = 0, used = 0; i < s->universe_count && used < sizeof g->universe; i++) used += (uint32_t)snprintf(g->universe + used, sizeof g->universe - used, "%s%s", i ? " " : "", s->universe[i]);
  int32_t code = hd_session_plugin_path(g->config, s->base.plugin, path, sizeof path, fault);
  if (!code) code = hd_plugin_open(path, &hd_lua_language, &g->plugin, fault);
  if (!code) code = hd_plugin_expect_kind(g->plugin, HADRON_KIND_STRATEGY, fault);
  if (code) return hd_fault_prefix(fault, "strategies.%s: ", s->base.name);
  g->ids = calloc(HD_INSTRUMENTS_MAX + 1, sizeof *g->ids);
  g->views = calloc(HD_INSTRUMENTS_MAX + 1, sizeof *g->views);
  g->instruments.rows = calloc(HD_INSTRUMENTS_MAX + 1, sizeof *g->instruments.rows);
  g->instruments.max = g->instruments.count = HD_INSTRUMENTS_MAX;
  g->keys = calloc(HD_INSTRUMENTS_MAX + 1, sizeof *g->keys);
  if (!g->ids || !g->views || !g->keys || !g->instruments.rows) return hd_fault_set(fault, HADRON_ERR_MEMORY, "strategies.%s: out of memory", s->base.name);
  code = hd_worker_state_path(g->config->data_dir, s->base.name, g->state, sizeof g->state, fault);
  if (code) return hd_fault_prefix(fault, "strategies.%s: ", s->base.name);
  struct hadron_client_options o = *place;
  o.name = g->name;
  o.version = g->plugin->manifest.version;
  o.rights = "trade";
  o.universe = g->universe[0] ? g->universe : NULL;
  o.hello = "{\"cause\":\"exact\"}"; // as it would decide inline
  code = hadron_client_open(&o, &g->client);
  if (code) return hd_fault_set(fault, code, "strategies.%s: %s", s->base.name, hadron_client_words());
  if (pthread_create(&g->thread, NULL, guest_main, g)) return hd_fault_set(fault, HADRON_ERR_MEMORY, "strategies.%s: no thread for it", s->base.name);
  g->runs = true;
  return HADRON_OK;
}

int32_t hd_guests_create(const struct hd_config *config, const struct hadron_client_options *place, const char *only, struct hd_guests **out, struct hd_fault *fault) {
  struct hd_guests *all = calloc(1, sizeof *all);
  if (all) all->rows = calloc(config->strategy_count + 1, sizeof *all->rows);
  if (!all || !all->rows) {
    free(all);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "strategies: out of memory");
  }
  hd_text_copy(all->url, sizeof all->url, place->url);
  const struct hd_lua_limits limits = {.memory_max = config->lua_memory_max, .instructions_max = config->lua_instructions_max};
  hd_lua_limits_set(&limits);
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && i < config->strategy_count; i++) {
    const struct hd_config_strategy *s = &config->strategies[i];
    if (!s->base.enabled || s->external || (only && strcmp(only, s->base.name) != 0)) continue;
    struct guest *g = &all->rows[all->count++];
    g->owner = all;
    g->config = config;
    g->section = s;
    atomic_fetch_add(&all->left, 1);
    code = open_guest(g, place, fault);
  }
  if (!code && all->count == 0) code = hd_fault_set(fault, HADRON_ERR_CONFIG, "strategies: expected one with a plugin%s%s, found none", only ? " named " : "", only ? only : "");
  if (code) hd_guests_destroy(all);
  else *out = all;
  return code;
}

uint32_t hd_guests_left(struct hd_guests *all) { return atomic_load(&all->left); }

void hd_guests_destroy(struct hd_guests *all) {
  if (!all) return;
  atomic_store(&all->ends, true);
  for (uint32_t i = 0; i < all->count; i++) {
    struct guest *g = &all->rows[i];
    if (g->runs) hadron_client_wake(g->client), pthread_join(g->thread, NULL);
    hadron_client_close(g->client);
    free(g->ids);
    free(g->views);
    free(g->keys);
    free(g->instruments.rows);
  }
  free(all->rows);
  free(all);
}
