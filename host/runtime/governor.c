#include "runtime/governor.h"

#include "base/allocation.h"
#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/watchdog.h"

const char *const hd_budget_kind_names[HD_BUDGET_KINDS] = {"time", "allocations", "errors"};

// What one shard's thread writes.
struct lane {
  struct hd_watched watched;
  _Atomic uint64_t over[HD_BUDGET_KINDS];
  _Atomic uint64_t slowest_cycles, most_allocations;
  _Atomic uint32_t fenced;
  int64_t *cells[HD_BUDGET_KINDS + 1]; // metrics; NULL: none
};

struct governed {
  struct hd_governor *g;
  struct lane *lane;
  const struct hadron_strategy_api *api; // the plugin's
  void *self;
  int32_t (*on_timer)(void *self, uint64_t id, int64_t due_ns, const struct hadron_market *market);
  struct hadron_instance *instance;
  uint64_t times;                        // over budget
  uint64_t errors_in_row;
};

struct hd_governor {
  struct hd_governor_options options;
  struct hadron_strategy_api api; // what the engine sees
  uint64_t cycles_max;            // 0: time is not limited here
  bool watched;                   // by the watchdog
  _Atomic bool disabled;
  struct lane *lanes;             // [shards]; owned
  struct governed *instances;     // owned
};

// ---- judging

static const struct hadron_metric metric_rows[HD_BUDGET_KINDS + 1] = {
    {.name = "governor_over_time", .help = "callbacks that took longer than their budget", .unit = "callbacks", .type = HADRON_METRIC_COUNTER},
    {.name = "governor_over_allocations", .help = "callbacks that allocated more often than their budget", .unit = "callbacks", .type = HADRON_METRIC_COUNTER},
    {.name = "governor_over_errors", .help = "callbacks that failed when their row of errors was already full", .unit = "callbacks", .type = HADRON_METRIC_COUNTER},
    {.name = "governor_fenced", .help = "instances that the governor has taken out", .unit = "instances", .type = HADRON_METRIC_COUNTER},
};

static void raise_to(_Atomic uint64_t *most, uint64_t value) { // one writer
  if (value > atomic_load_explicit(most, memory_order_relaxed)) atomic_store_explicit(most, value, memory_order_relaxed);
}

static void count_one(struct lane *l, uint32_t row) {
  if (l->cells[row] != NULL) hd_metric_add(l->cells[row], 1);
}

static void tell(struct governed *i, const char *callback, uint32_t kind, uint32_t action, uint64_t found, uint64_t allowed) {
  const struct hd_governor_options *o = &i->g->options;
  const struct hd_governor_event event = {.instance = i->instance, .callback = callback, .kind = kind, .action = action, .found = found, .allowed = allowed,
                                          .times = i->times, .arm = o->arm};
  if (o->over != NULL) o->over(o->self, &event);
}

// One budget was passed. Returns the code that the engine is to see.
static int32_t judge(struct governed *i, const char *callback, uint32_t kind, uint64_t found, uint64_t allowed, int32_t code) {
  struct hd_governor *g = i->g;
  const struct hd_budget *b = &g->options.budget;
  i->times++;
  atomic_fetch_add_explicit(&i->lane->over[kind], 1, memory_order_relaxed);
  count_one(i->lane, kind);
  bool act = i->times > b->over_max;
  bool aloud = (i->times & (i->times - 1)) == 0; // the first, then powers of two
  if (!act || b->action == HD_BUDGET_WARN || b->action == 0) {
    if (aloud || i->times == (uint64_t)b->over_max + 1) tell(i, callback, kind, act ? HD_BUDGET_WARN : 0, found, allowed);
    return code;
  }
  if (b->action == HD_BUDGET_DISABLE) atomic_store(&g->disabled, true);
  atomic_fetch_add_explicit(&i->lane->fenced, 1, memory_order_relaxed);
  count_one(i->lane, HD_BUDGET_KINDS);
  tell(i, callback, kind, b->action, found, allowed);
  return HADRON_ERR_BUDGET;
}

// ---- around a callback

struct span {
  uint64_t cycles, allocations;
};

static int32_t refused(struct governed *i) {
  hd_instance_fail(i->instance, "another instance went over its budget, and the whole version was switched off");
  atomic_fetch_add_explicit(&i->lane->fenced, 1, memory_order_relaxed);
  count_one(i->lane, HD_BUDGET_KINDS);
  return HADRON_ERR_BUDGET;
}

static inline struct span enter(struct governed *i, const char *callback, uint64_t sequence) {
  if (i->g->watched) hd_watched_begin(&i->lane->watched, i->instance->name, callback, sequence);
  return (struct span){i->g->cycles_max ? hd_cycles() : 0, hd_allocations};
}

static inline int32_t leave(struct governed *i, const char *callback, struct span s, int32_t code) {
  struct hd_governor *g = i->g;
  const struct hd_budget *b = &g->options.budget;
  uint64_t allocations = hd_allocations - s.allocations, cycles = g->cycles_max ? hd_cycles() - s.cycles : 0;
  if (g->watched) hd_watched_end(&i->lane->watched);
  i->errors_in_row = code == HADRON_OK ? 0 : i->errors_in_row + 1;
  if (g->cycles_max) raise_to(&i->lane->slowest_cycles, cycles);
  if (b->allocations_max) raise_to(&i->lane->most_allocations, allocations);
  if (__builtin_expect(g->cycles_max && cycles > g->cycles_max, 0))
    return judge(i, callback, HD_BUDGET_TIME, (uint64_t)hd_cycles_to_ns(cycles), (uint64_t)b->time_max_ns, code);
  if (__builtin_expect(b->allocations_max && allocations > b->allocations_max, 0))
    return judge(i, callback, HD_BUDGET_ALLOCATIONS, allocations, b->allocations_max, code);
  if (__builtin_expect(b->errors_max && i->errors_in_row > b->errors_max, 0))
    return judge(i, callback, HD_BUDGET_ERRORS, i->errors_in_row, b->errors_max, code);
  return code;
}

// GOVERNED(sequence, call): the body of each callback; `i` is the governed instance.
#define GOVERNED(callback, sequence, call)                                                        \
  do {                                                                                            \
    if (__builtin_expect(atomic_load_explicit(&i->g->disabled, memory_order_relaxed), 0)) return refused(i); \
    struct span s = enter(i, callback, sequence);                                                 \
    int32_t code = (call);                                                                        \
    return leave(i, callback, s, code);                                                           \
  } while (0)

static int32_t governed_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct governed *i = self;
  GOVERNED("on_tick", tick->sequence, i->api->on_tick(i->self, tick, market));
}
static int32_t governed_bar(void *self, const struct hadron_bar *bar, const struct hadron_market *market) {
  struct governed *i = self;
  GOVERNED("on_bar", bar->sequence, i->api->on_bar(i->self, bar, market));
}
static int32_t governed_execution(void *self, const struct hadron_allocation *allocation, const struct hadron_market *market) {
  struct governed *i = self;
  GOVERNED("on_execution", market->sequence, i->api->on_execution(i->self, allocation, market));
}
static int32_t governed_order(void *self, const struct hadron_order_event *event, const struct hadron_market *market) {
  struct governed *i = self;
  GOVERNED("on_order", market->sequence, i->api->on_order(i->self, event, market));
}
static int32_t governed_timer(void *self, uint64_t id, int64_t due_ns, const struct hadron_market *market) {
  struct governed *i = self;
  GOVERNED("on_timer", market ? market->sequence : 0, i->on_timer(i->self, id, due_ns, market));
}

// ---- making

bool hd_budget_any(const struct hd_budget *b) { return b->time_max_ns > 0 || b->allocations_max > 0 || b->errors_max > 0 || b->watchdog_ns > 0; }

static uint64_t cycles_of(int64_t ns) {
  const uint64_t unit = UINT64_C(1) << 24;
  unsigned __int128 cycles = (unsigned __int128)(uint64_t)ns * unit / (uint64_t)hd_cycles_to_ns(unit);
  return cycles > UINT64_MAX ? UINT64_MAX : cycles > 0 ? (uint64_t)cycles : 1;
}

static struct hadron_strategy_api table_of(const struct hadron_strategy_api *api) {
  return (struct hadron_strategy_api){.struct_size = sizeof(struct hadron_strategy_api), .triggers = api->triggers, .scope = api->scope,
                                      .on_tick = api->on_tick ? governed_tick : NULL, .on_bar = api->on_bar ? governed_bar : NULL,
                                      .on_execution = api->on_execution ? governed_execution : NULL, .on_order = api->on_order ? governed_order : NULL};
}

static int32_t open_metrics(struct hd_governor *g, struct hd_fault *fault) {
  const struct hd_governor_options *o = &g->options;
  char owner[HD_METRIC_OWNER_SIZE];
  int32_t code = HADRON_OK;
  for (uint32_t shard = 0; !code && o->metrics != NULL && shard < o->shards; shard++) {
    snprintf(owner, sizeof owner, "%s.shard%u", o->strategy, shard);
    code = hd_metrics_open(o->metrics, owner, metric_rows, HD_BUDGET_KINDS + 1, g->lanes[shard].cells, fault);
  }
  return code;
}

int32_t hd_governor_create(const struct hd_governor_options *options, struct hd_governor **out, struct hd_fault *fault) {
  struct hd_governor *g = calloc(1, sizeof *g);
  if (g == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "governor of %s: out of memory", options->strategy);
  const struct hd_budget *b = &options->budget;
  g->options = *options;
  g->api = table_of(options->plugin->api);
  g->cycles_max = b->time_max_ns > 0 && !options->is_virtual ? cycles_of(b->time_max_ns) : 0;
  size_t size = options->shards * sizeof *g->lanes;
  g->lanes = aligned_alloc(_Alignof(struct lane), size);
  g->instances = calloc(options->instances, sizeof *g->instances);
  int32_t code = g->lanes == NULL || g->instances == NULL ? hd_fault_set(fault, HADRON_ERR_MEMORY, "governor of %s: out of memory", options->strategy) : HADRON_OK;
  if (!code) memset(g->lanes, 0, size);
  if (!code) code = open_metrics(g, fault);
  if (!code && b->watchdog_ns > 0 && options->watchdog != NULL) {
    const struct hd_watch watch = {options->plugin, options->strategy, &g->lanes[0].watched, options->shards, sizeof *g->lanes, b->watchdog_ns};
    code = hd_watchdog_add(options->watchdog, &watch, fault);
    g->watched = code == HADRON_OK;
  }
  if (code) {
    hd_governor_destroy(g);
    return code;
  }
  if (b->allocations_max > 0 && !hd_allocations_counted && options->plugin->language == HD_LANGUAGE_NATIVE)
    hd_log_warn("GOVERNOR_BLIND", "%s: its budget of allocations is not watched: this build does not count them", options->strategy);
  *out = g;
  return HADRON_OK;
}

void hd_governor_seat(struct hd_governor *g, uint32_t index, uint32_t shard, struct hd_engine_instance *place, struct hadron_instance *instance) {
  HD_ASSERT(index < g->options.instances && shard < g->options.shards && place->api == g->options.plugin->api);
  struct governed *i = &g->instances[index];
  *i = (struct governed){.g = g, .lane = &g->lanes[shard], .api = place->api, .self = place->self, .on_timer = place->on_timer, .instance = instance};
  place->api = &g->api;
  place->self = i;
  if (place->on_timer != NULL) place->on_timer = governed_timer;
}

void hd_governor_destroy(struct hd_governor *g) {
  if (g == NULL) return;
  if (g->watched) hd_watchdog_remove(g->options.watchdog, &g->lanes[0].watched);
  free(g->lanes);
  free(g->instances);
  free(g);
}

void hd_governor_read(const struct hd_governor *g, struct hd_governor_figures *out) {
  uint64_t slowest = 0;
  *out = (struct hd_governor_figures){.budget = g->options.budget, .disabled = atomic_load(&g->disabled)};
  out->blind = g->options.budget.allocations_max > 0 && !hd_allocations_counted && g->options.plugin->language == HD_LANGUAGE_NATIVE;
  for (uint32_t s = 0; s < g->options.shards; s++) {
    const struct lane *l = &g->lanes[s];
    for (int k = 0; k < HD_BUDGET_KINDS; k++) out->over[k] += atomic_load_explicit(&l->over[k], memory_order_relaxed);
    uint64_t cycles = atomic_load_explicit(&l->slowest_cycles, memory_order_relaxed), most = atomic_load_explicit(&l->most_allocations, memory_order_relaxed);
    if (cycles > slowest) slowest = cycles;
    if (most > out->most_allocations) out->most_allocations = most;
    out->fenced += atomic_load_explicit(&l->fenced, memory_order_relaxed);
  }
  out->slowest_ns = slowest ? (uint64_t)hd_cycles_to_ns(slowest) : 0;
}
