#include "runtime/far.h"

#include <jansson.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/calling.h"
#include "base/log.h"
#include "base/text.h"
#include "hadron/wire.h"
#include "pipeline/engine.h"
#include "pipeline/image.h"
#include "plugin/state.h"
#include "runtime/crash.h"
#include "runtime/governor.h"
#include "runtime/last_words.h"
#include "runtime/strategy.h"

struct hd_far {
  struct hd_far_listener listener;
  const struct hd_plugin *plugin;
  struct hd_instruments instruments; // rows alone
  struct hd_marks marks;
  struct hd_engine *engine;
  uint32_t *universe;
  uint32_t universe_count;
  struct hd_engine_instance *seats;  // [0 .. count)
  struct hadron_instance *instances;
  uint32_t count, made, started;
  uint32_t arm;
  struct hd_governor *governor;      // NULL: no budget
  struct hd_metrics *metrics;        // of its own; NULL: the listener's
  struct hd_image *rows;             // [0 .. count): that came before the seal
  struct hd_image *timers;           // [0 .. count): that came before the start
  bool sealed, stopped;
  uint64_t ticks, lost;
};

// ---- describing -----------------------------------------------------------------------------------------------------------------------

static json_t *decimal(int64_t value) { return json_sprintf("%lld", (long long)value); } // 64 bits do not fit into a JSON number
static json_t *number(uint64_t value) { return json_sprintf("%llu", (unsigned long long)value); }

static json_t *describe_instrument(const struct hd_instrument *row) {
  return json_pack("{s:I,s:s,s:I,s:o,s:o,s:o,s:s}", "id", (json_int_t)row->id, "name", row->name, "asset", (json_int_t)row->asset, "increment", decimal(row->increment.nanos), "lot",
                   decimal(row->lot.e8), "multiplier", decimal(row->multiplier.e8), "currency", row->currency);
}

static json_t *describe_budget(const struct hd_budget *b) {
  return json_pack("{s:o,s:o,s:o,s:I,s:I}", "time", decimal(b->time_max_ns), "allocations", number(b->allocations_max), "errors", number(b->errors_max), "over", (json_int_t)b->over_max,
                   "action", (json_int_t)b->action);
}

char *hd_far_describe(const struct hd_far_description *d) {
  const struct hadron_manifest *m = &d->plugin->manifest;
  json_t *instruments = json_array(), *params = json_array();
  for (uint32_t i = 0; i < d->universe_count; i++) json_array_append_new(instruments, describe_instrument(&d->instruments->rows[d->universe[i]]));
  for (uint32_t i = 0; i < d->param_count; i++) json_array_append_new(params, json_pack("{s:s,s:s,s:s*}", "name", d->params[i].name, "text", d->params[i].text, "place", d->params[i].place));
  json_t *all = json_pack("{s:s,s:I,s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:f,s:I,s:b,s:o,s:o,s:o,s:o}", "name", d->name, "arm", (json_int_t)d->arm, "plugin", m->name, "version", m->version, "digest",
                          d->plugin->digest_text, "kind", d->plugin->language == HD_LANGUAGE_LUA ? "lua" : "so", "scope",
                          (json_int_t)((const struct hadron_strategy_api *)d->plugin->api)->scope, "seed", number(d->seed), "session", number(d->session), "volatility_decay",
                          d->volatility_decay, "errors_max", (json_int_t)d->errors_max, "virtual", d->is_virtual, "lua_memory_max", number(d->lua_memory_max), "lua_instructions_max",
                          number(d->lua_instructions_max), "instruments", instruments, "params", params);
  if (all && d->budget && hd_budget_any(d->budget)) json_object_set_new(all, "budget", describe_budget(d->budget));
  char *text = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(all);
  return text;
}

// ---- reading it back ------------------------------------------------------------------------------------------------------------------

static const char *text_of(const json_t *o, const char *key) {
  const char *text = json_string_value(json_object_get(o, key));
  return text ? text : "";
}
static int64_t decimal_of(const json_t *o, const char *key) { return strtoll(text_of(o, key), NULL, 10); }
static uint64_t number_of(const json_t *o, const char *key) { return strtoull(text_of(o, key), NULL, 10); }
static int64_t integer_of(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }

static json_t *parse(const char *json, size_t size, struct hd_fault *fault) {
  json_error_t error;
  json_t *all = json_loadb(json, size, 0, &error);
  if (!json_is_object(all)) {
    json_decref(all);
    all = NULL;
    hd_fault_set(fault, HADRON_ERR_PARSE, "a far engine: expected a JSON object that says what it is made of, found \"%.40s\": %s", json, error.text);
  }
  return all;
}

int32_t hd_far_lua(const char *json, size_t size, uint64_t *memory_max, uint64_t *instructions_max, struct hd_fault *fault) {
  json_t *all = parse(json, size, fault);
  if (!all) return fault->code;
  *memory_max = number_of(all, "lua_memory_max");
  *instructions_max = number_of(all, "lua_instructions_max");
  json_decref(all);
  return HADRON_OK;
}

static int32_t bad(struct hd_fault *fault, const char *what) {
  return hd_fault_set(fault, HADRON_ERR_PARSE, "a far engine: what it is made of: expected %s; host and worker are one program: is this one older?", what);
}

static int32_t read_instruments(struct hd_far *f, const json_t *all, struct hd_fault *fault) {
  const json_t *list = json_object_get(all, "instruments");
  uint32_t max = 0;
  f->universe_count = (uint32_t)json_array_size(list);
  f->universe = calloc(f->universe_count + 1, sizeof *f->universe);
  if (!f->universe) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u instruments of a far engine: out of memory", f->universe_count);
  for (uint32_t i = 0; i < f->universe_count; i++) {
    int64_t id = integer_of(json_array_get(list, i), "id");
    if (id <= (int64_t)max || id > 1 << 24) return bad(fault, "instruments by ascending ids from 1");
    f->universe[i] = max = (uint32_t)id;
  }
  if (max == 0) return bad(fault, "one instrument or more");
  f->instruments.max = f->instruments.count = f->marks.max = max; // an id is the place in the table, as in the host
  f->instruments.rows = calloc((size_t)max + 1, sizeof *f->instruments.rows);
  f->marks.cells = aligned_alloc(_Alignof(struct hd_mark_cell), ((size_t)max + 1) * sizeof *f->marks.cells);
  if (!f->instruments.rows || !f->marks.cells) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u instruments of a far engine: out of memory", max);
  memset(f->marks.cells, 0, ((size_t)max + 1) * sizeof *f->marks.cells);
  for (uint32_t i = 0; i < f->universe_count; i++) {
    const json_t *one = json_array_get(list, i);
    struct hd_instrument *row = &f->instruments.rows[f->universe[i]];
    *row = (struct hd_instrument){.id = f->universe[i], .asset = (uint32_t)integer_of(one, "asset"), .increment = {decimal_of(one, "increment")}, .lot = {decimal_of(one, "lot")},
                                  .multiplier = {decimal_of(one, "multiplier")}};
    hd_text_copy(row->name, sizeof row->name, text_of(one, "name"));
    hd_text_copy(row->currency, sizeof row->currency, text_of(one, "currency"));
  }
  return HADRON_OK;
}

// ---- the engine's listener ------------------------------------------------------------------------------------------------------------

static void on_fault(void *self, struct hd_engine_instance *place, int32_t code, bool fenced) {
  struct hd_far *f = self;
  struct hadron_instance *instance = &f->instances[place - f->seats];
  const char *words = hd_instance_words(instance);
  instance->errors++;
  if (fenced || (instance->errors & (instance->errors - 1)) == 0)
    hd_log_error("STRATEGY", "%s: %s%s%s%s", instance->name, hadron_error_text(code), *words ? ": " : "", words, fenced ? "; it gets no more ticks" : "");
  if (f->listener.fault) f->listener.fault(f->listener.self, instance->name, code, fenced, words);
}
static void on_turbulent(void *self, uint32_t instrument, bool on) { (void)self, (void)instrument, (void)on; } // the host's engine knows
static void on_fired(void *self, const struct hadron_timer_fired *timer) { (void)self, (void)timer; }
static struct hd_arm_view on_view(void *self, uint32_t arm, uint32_t instrument) {
  (void)self, (void)arm, (void)instrument;
  return (struct hd_arm_view){0}; // views come by notes; nothing lapses here
}

static void over_budget(void *self, const struct hd_governor_event *event) {
  (void)self;
  hd_log_warn("OVER_BUDGET", "%s: %s: %s: expected at most %llu, found %llu, %llu times%s", event->instance->name, event->callback, hd_budget_kind_names[event->kind],
              (unsigned long long)event->allowed, (unsigned long long)event->found, (unsigned long long)event->times, event->action > HD_BUDGET_WARN ? "; it gets no more ticks" : "");
}

// ---- making ---------------------------------------------------------------------------------------------------------------------------

static int32_t make_engine(struct hd_far *f, const json_t *all, struct hd_fault *fault) {
  const struct hd_engine_options options = {.session = number_of(all, "session"), .errors_max = (uint32_t)integer_of(all, "errors_max"),
                                            .volatility_decay = json_number_value(json_object_get(all, "volatility_decay")), .measure_every = f->listener.latency ? 64 : 0};
  const struct hd_engine_listener listener = {.self = f, .fault = on_fault, .turbulent = on_turbulent, .fired = on_fired, .view = on_view};
  if (!(options.volatility_decay > 0 && options.volatility_decay < 1)) return bad(fault, "volatility_decay between 0 and 1");
  int32_t code = hd_engine_create(&options, &f->instruments, &f->marks, &listener, &f->engine);
  return code ? hd_fault_set(fault, code, "a far engine: %s", hadron_error_text(code)) : HADRON_OK;
}

static int32_t make_governor(struct hd_far *f, const json_t *all, const char *name, struct hd_fault *fault) {
  const json_t *o = json_object_get(all, "budget");
  const struct hd_governor_options options = {
      .plugin = f->plugin, .strategy = name, .arm = f->arm, .shards = 1, .instances = f->count, .is_virtual = json_is_true(json_object_get(all, "virtual")), .self = f, .over = over_budget,
      .budget = {.time_max_ns = decimal_of(o, "time"), .allocations_max = number_of(o, "allocations"), .errors_max = number_of(o, "errors"), .over_max = (uint32_t)integer_of(o, "over"),
                 .action = (uint32_t)integer_of(o, "action")}};
  return o && hd_budget_any(&options.budget) ? hd_governor_create(&options, &f->governor, fault) : HADRON_OK;
}

// As the host makes one that runs inline (occupant.c): the same names, the same streams of random numbers.
static int32_t make_one(struct hd_far *f, const char *strategy, uint64_t seed, const struct hd_param_value *params, uint32_t param_count, struct hd_fault *fault) {
  struct hd_engine_instance *place = &f->seats[f->made];
  struct hadron_instance *instance = &f->instances[f->made];
  const struct hadron_strategy_api *api = f->plugin->api;
  char name[HD_INSTANCE_NAME_SIZE], owner[HD_INSTANCE_NAME_SIZE];
  uint32_t first = place->instruments[0];
  snprintf(name, sizeof name, api->scope == HADRON_SCOPE_UNIVERSE ? "%s" : "%s/%s", strategy, f->instruments.rows[first].name);
  snprintf(owner, sizeof owner, "%s.far", strategy);
  int32_t code = hd_engine_add(f->engine, place);
  if (code) return hd_fault_set(fault, code, "%s: %s", name, hadron_error_text(code));
  place->api = api;
  place->on_timer = f->plugin->timer ? f->plugin->timer->on_timer : NULL;
  place->latency = f->listener.latency;
  const struct hd_instance_options options = {.plugin = f->plugin, .capabilities = hd_strategy_capabilities, .owner = place, .family = f, .now = hd_strategy_now,
                                              .metrics = f->listener.metrics ? f->listener.metrics : f->metrics, .name = name, .metric_owner = owner,
                                              .seed = hd_random_mix(seed) ^ ((uint64_t)f->arm << 32 | first), .arm = f->arm};
  const struct hadron_strategy_context context = {sizeof context, f->arm, place->instruments, place->instrument_count, 0};
  code = hd_instance_init(instance, &options, fault);
  f->made++; // a half-built one is destroyed with the others
  if (!code) code = hd_instance_create_strategy(instance, &context, fault);
  if (!code) code = hd_params_apply(instance, params, param_count, fault);
  place->self = instance->self;
  if (!code && f->governor) hd_governor_seat(f->governor, (uint32_t)(instance - f->instances), 0, place, instance);
  return code;
}

static int32_t make_instances(struct hd_far *f, const json_t *all, struct hd_fault *fault) {
  const json_t *list = json_object_get(all, "params");
  uint32_t param_count = (uint32_t)json_array_size(list);
  bool universe = ((const struct hadron_strategy_api *)f->plugin->api)->scope == HADRON_SCOPE_UNIVERSE;
  f->count = universe ? 1 : f->universe_count;
  f->seats = calloc(f->count, sizeof *f->seats);
  f->instances = calloc(f->count, sizeof *f->instances);
  f->rows = calloc(f->count, sizeof *f->rows);
  f->timers = calloc(f->count, sizeof *f->timers);
  struct hd_param_value *params = calloc(param_count + 1, sizeof *params);
  int32_t code = f->seats && f->instances && f->rows && f->timers && params ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "%u instances of a far engine: out of memory", f->count);
  for (uint32_t i = 0; !code && i < param_count; i++) {
    const json_t *one = json_array_get(list, i);
    params[i] = (struct hd_param_value){text_of(one, "name"), text_of(one, "text"), json_string_value(json_object_get(one, "place"))};
  }
  if (!code) code = make_governor(f, all, text_of(all, "name"), fault);
  for (uint32_t i = 0; !code && i < f->count; i++) {
    f->seats[i].instruments = universe ? f->universe : &f->universe[i];
    f->seats[i].instrument_count = universe ? f->universe_count : 1;
    f->seats[i].arm = f->arm;
    code = make_one(f, text_of(all, "name"), number_of(all, "seed"), params, param_count, fault);
  }
  free(params);
  return code;
}

int32_t hd_far_create(const char *json, size_t size, const struct hd_plugin *plugin, const struct hd_far_listener *listener, struct hd_far **out, struct hd_fault *fault) {
  json_t *all = parse(json, size, fault);
  if (!all) return fault->code;
  struct hd_far *f = calloc(1, sizeof *f);
  int32_t code = f ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "a far engine: out of memory");
  if (!code && strcmp(plugin->digest_text, text_of(all, "digest")) != 0)
    code = hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: expected the file with SHA-256 %s, found %s", plugin->path, text_of(all, "digest"), plugin->digest_text);
  if (!code) {
    f->listener = *listener;
    f->plugin = plugin;
    f->arm = (uint32_t)integer_of(all, "arm");
    if (f->arm == 0) code = bad(fault, "an arm from 1");
  }
  if (!code && !listener->metrics && !(f->metrics = hd_metrics_create(256))) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "metrics of a far engine: out of memory");
  if (!code) code = read_instruments(f, all, fault);
  if (!code) code = make_engine(f, all, fault);
  if (!code) code = make_instances(f, all, fault);
  json_decref(all);
  if (code) hd_far_destroy(f);
  else *out = f;
  return code;
}

void hd_far_destroy(struct hd_far *f) {
  if (!f) return;
  struct hd_engine_wishes nobody = {0};
  for (uint32_t i = 0; i < f->made; i++) {
    f->seats[i].wishes = &nobody; // what it asks for while it ends leads nowhere
    hd_instance_fini(&f->instances[i]);
  }
  for (uint32_t i = 0; f->rows && i < f->count; i++) hd_image_fini(&f->rows[i]);
  for (uint32_t i = 0; f->timers && i < f->count; i++) hd_image_fini(&f->timers[i]);
  hd_governor_destroy(f->governor);
  hd_engine_destroy(f->engine);
  hd_metrics_destroy(f->metrics);
  free(f->rows);
  free(f->timers);
  free(f->instances);
  free(f->seats);
  free(f->marks.cells);
  free(f->instruments.rows);
  free(f->universe);
  free(f);
}

// ---- what comes -----------------------------------------------------------------------------------------------------------------------

static void tell(struct hd_far *f) {
  uint32_t count;
  const struct hadron_decision *decisions = hd_engine_decisions(f->engine, &count);
  if (count) f->listener.decided(f->listener.self, decisions, count);
}

static bool fire(struct hd_far *f, int64_t now_ns) {
  if (hd_engine_due_ns(f->engine) > now_ns || !hd_engine_fire(f->engine, now_ns)) return false;
  tell(f);
  return true;
}

void hd_far_time(struct hd_far *f, int64_t now_ns) {
  while (f->sealed && !f->stopped && fire(f, now_ns)) continue;
}

int64_t hd_far_due(const struct hd_far *f) { return f->sealed && !f->stopped ? hd_engine_due_ns(f->engine) : INT64_MAX; }

void hd_far_ticks(struct hd_far *f, const struct hadron_tick *ticks, uint32_t count) {
  if (!f->sealed || f->stopped) return;
  f->ticks += count;
  for (uint32_t i = 0; i < count; i++) {
    if (__builtin_expect(ticks[i].instrument == 0 || ticks[i].instrument > f->instruments.count, 0)) continue; // not of its universe
    while (__builtin_expect(hd_engine_due_ns(f->engine) <= ticks[i].recv_ns, 0) && fire(f, ticks[i].recv_ns)) continue;
    hd_engine_tick(f->engine, &ticks[i]);
    tell(f);
  }
}

// The seat has another number now: a version that was live is kept warm as a shadow.
static void sits_as(struct hd_far *f, uint32_t arm) {
  if (arm == 0 || arm == f->arm) return;
  f->arm = arm;
  for (uint32_t i = 0; i < f->count; i++) f->seats[i].arm = f->instances[i].arm = arm;
}

void hd_far_note(struct hd_far *f, const struct hd_channel_note *note) {
  const struct hadron_position *p = &note->view;
  const struct hd_arm_view view = {p->position, p->working_buy, p->working_sell, p->average_entry};
  if (note->kind == HADRON_MSG_LOST) {
    f->lost += note->of.lost.count;
    return;
  }
  if (note->kind == HADRON_MSG_INSTRUMENT) {
    uint32_t id = note->of.instrument.instrument;
    if (id == 0 || id > f->instruments.count) return;
    f->instruments.rows[id].increment = note->of.instrument.increment;
    f->instruments.rows[id].lot = note->of.instrument.lot;
    return;
  }
  if (!f->sealed || f->stopped || p->instrument == 0 || p->instrument > f->instruments.count) return;
  sits_as(f, p->arm);
  switch (note->kind) {
  case HADRON_MSG_POSITION: hd_engine_view(f->engine, f->arm, p->instrument, &view); return;
  case HADRON_MSG_ALLOCATION: hd_engine_allocation(f->engine, &note->of.allocation, &view); break;
  case HADRON_MSG_ORDER_EVENT: hd_engine_order_event(f->engine, f->arm, &note->of.order_event, &view); break;
  default: return;
  }
  tell(f);
}

// ---- asks -----------------------------------------------------------------------------------------------------------------------------

static int32_t give(const void *bytes, size_t size, void **answer, uint32_t *answer_size, struct hd_fault *fault) {
  void *copy = malloc(size ? size : 1);
  if (!copy) return hd_fault_set(fault, HADRON_ERR_MEMORY, "an answer of %zu bytes: out of memory", size);
  if (size) memcpy(copy, bytes, size);
  *answer = copy;
  *answer_size = (uint32_t)size;
  return HADRON_OK;
}

static int32_t ask_params(struct hd_far *f, uint32_t only, const void *bytes, uint32_t size, struct hd_fault *fault) {
  json_t *o = parse(bytes, size, fault);
  if (!o) return fault->code;
  uint32_t count = 0, first = only == UINT32_MAX ? 0 : only, end = only == UINT32_MAX ? f->count : only + 1;
  struct hd_param_value *values = calloc(json_object_size(o) + 1, sizeof *values);
  struct hd_params_change **changes = calloc(f->count, sizeof *changes);
  int32_t code = values && changes ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "parameters of a far engine: out of memory");
  const char *key;
  json_t *value;
  if (!code) json_object_foreach(o, key, value) values[count++] = (struct hd_param_value){.name = key, .text = json_string_value(value) ? json_string_value(value) : ""};
  for (uint32_t i = first; !code && i < end; i++) code = hd_params_prepare_live(f->plugin, values, count, &changes[i], fault);
  for (uint32_t i = first; !code && i < end; i++) {
    code = hd_params_commit(changes[i], &f->instances[i], fault);
    struct hd_fault back;
    for (uint32_t k = i; code && k-- > first;) hd_params_commit(changes[k], &f->instances[k], &back); // the values that were good before are good again
  }
  for (uint32_t i = 0; changes && i < f->count; i++)
    if (changes[i]) hd_params_free(changes[i]);
  free(changes);
  free(values);
  json_decref(o);
  return code;
}

// ---- state, and the timers that go with it ---------------------------------------------------------------------------------------------

uint32_t hd_far_saved_timers(const void *bytes, uint32_t size, uint32_t *rows) {
  struct hadron_state_header header;
  struct hd_far_timers timers;
  *rows = 0;
  if (size < sizeof header) return size;
  memcpy(&header, bytes, sizeof header);
  if (header.size > size - sizeof header) return size;
  uint32_t at = (uint32_t)sizeof header + header.size, room = size - at;
  if (room < sizeof timers) return size;
  memcpy(&timers, (const char *)bytes + at, sizeof timers);
  uint32_t most = (room - (uint32_t)sizeof timers) / (uint32_t)sizeof(struct hd_engine_timer_row);
  if (timers.magic != HD_FAR_TIMERS || timers.count > most) return size;
  *rows = timers.count;
  return at;
}

static int32_t ask_save(struct hd_far *f, uint32_t i, void **answer, uint32_t *answer_size, struct hd_fault *fault) {
  const struct hd_far_timers timers = {HD_FAR_TIMERS, f->seats[i].timers};
  uint32_t room = hd_state_size_max(f->plugin), size = 0;
  size_t behind = sizeof timers + timers.count * sizeof(struct hd_engine_timer_row);
  struct hd_engine_timer_row *rows = calloc(timers.count + 1, sizeof *rows);
  unsigned char *buffer = room ? aligned_alloc(64, (room + behind + 63) & ~(size_t)63) : NULL;
  int32_t code = rows && (buffer || !room) ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "%u bytes of state: out of memory", room);
  if (!code) code = hd_state_save(&f->instances[i], buffer, room, &size, fault);
  if (!code) {
    (void)hd_engine_timers(&f->seats[i], rows, timers.count);
    memcpy(buffer + size, &timers, sizeof timers);
    memcpy(buffer + size + sizeof timers, rows, timers.count * sizeof *rows);
    code = give(buffer, size + behind, answer, answer_size, fault);
  }
  free(buffer);
  free(rows);
  return code;
}

// Rows may lie anywhere in a message.
static int32_t put_timers(struct hd_far *f, uint32_t i, const unsigned char *bytes, uint32_t size, struct hd_fault *fault) {
  struct hd_far_timers timers = {.magic = 0};
  if (size >= sizeof timers) memcpy(&timers, bytes, sizeof timers);
  if (timers.magic != HD_FAR_TIMERS || size != sizeof timers + timers.count * sizeof(struct hd_engine_timer_row))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: timers: expected those of this program, found something else", f->instances[i].name);
  if (f->instances[i].state == HD_INSTANCE_CREATED) { // its start asks for some: these hold
    hd_image_fini(&f->timers[i]);
    hd_image_put(&f->timers[i], bytes, size);
    return f->timers[i].bad ? hd_fault_set(fault, HADRON_ERR_MEMORY, "%u timers: out of memory", timers.count) : HADRON_OK;
  }
  struct hd_engine_timer_row *rows = calloc(timers.count + 1, sizeof *rows);
  if (!rows) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u timers: out of memory", timers.count);
  memcpy(rows, bytes + sizeof timers, timers.count * sizeof *rows);
  int32_t code = f->seats[i].on_timer ? hd_engine_timers_set(&f->seats[i], rows, timers.count) : HADRON_OK;
  free(rows);
  return code ? hd_fault_set(fault, code, "%s: %u timers: %s", f->instances[i].name, timers.count, hadron_error_text(code)) : HADRON_OK;
}

static int32_t ask_load(struct hd_far *f, uint32_t i, const void *bytes, uint32_t size, struct hd_fault *fault) {
  uint32_t rows, state = hd_far_saved_timers(bytes, size, &rows);
  void *aligned = aligned_alloc(64, ((size_t)state + 64) & ~(size_t)63);
  if (!aligned) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u bytes of state: out of memory", state);
  if (state) memcpy(aligned, bytes, state);
  int32_t code = hd_state_load(&f->instances[i], aligned, state, fault);
  free(aligned);
  if (!code && state < size) code = put_timers(f, i, (const unsigned char *)bytes + state, size - state, fault);
  return code;
}

static int32_t load_rows(struct hd_far *f, struct hd_image *m, struct hd_fault *fault) {
  int32_t code = hd_engine_rows_load(f->engine, m);
  return code ? hd_fault_set(fault, code, "rows of instruments: expected an image of this program, found something else") : HADRON_OK;
}

// All of them are started: the table of subscriptions is made, and what the host knew of the market goes in.
static int32_t seal(struct hd_far *f, struct hd_fault *fault) {
  int32_t code = hd_engine_seal(f->engine);
  if (code) return hd_fault_set(fault, code, "subscriptions of a far engine: %s", hadron_error_text(code));
  f->sealed = true;
  for (uint32_t i = 0; !code && i < f->count; i++) {
    if (f->rows[i].bytes) code = load_rows(f, &f->rows[i], fault);
    hd_image_fini(&f->rows[i]);
  }
  return code;
}

static int32_t ask_start(struct hd_far *f, uint32_t i, int64_t now_ns, void **answer, uint32_t *answer_size, struct hd_fault *fault) {
  if (f->instances[i].state != HD_INSTANCE_CREATED) return hd_fault_set(fault, HADRON_ERR_STATE, "%s: expected one that is not started yet", f->instances[i].name);
  hd_engine_time(f->engine, now_ns);
  int32_t code = hd_instance_start(&f->instances[i], fault);
  if (!code && f->timers[i].bytes) code = put_timers(f, i, f->timers[i].bytes, (uint32_t)f->timers[i].size, fault);
  hd_image_fini(&f->timers[i]);
  if (!code && ++f->started == f->count) code = seal(f, fault);
  return code ? code : give(f->seats[i].bars, f->seats[i].bar_count * sizeof *f->seats[i].bars, answer, answer_size, fault);
}

static int32_t give_rows(struct hd_far *f, uint32_t i, void **answer, uint32_t *answer_size, struct hd_fault *fault) {
  struct hd_image m = {0};
  hd_engine_rows_save(f->engine, f->seats[i].instruments, f->seats[i].instrument_count, &m);
  int32_t code = m.bad ? hd_fault_set(fault, HADRON_ERR_MEMORY, "rows of instruments: out of memory") : give(m.bytes, m.size, answer, answer_size, fault);
  hd_image_fini(&m);
  return code;
}

static int32_t ask_rows(struct hd_far *f, uint32_t i, const void *bytes, uint32_t size, int64_t now_ns, struct hd_fault *fault) {
  struct hd_image *m = &f->rows[i];
  hd_image_fini(m);
  hd_image_put(m, bytes, size);
  if (m->bad) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u bytes of rows: out of memory", size);
  if (!f->sealed) return HADRON_OK; // when it is
  hd_far_time(f, now_ns); // a bar that the host has closed by its clock is closed here too, not taken away
  int32_t code = load_rows(f, m, fault);
  hd_image_fini(m);
  return code;
}

static int32_t ask_step(struct hd_far *f, uint32_t fires, int64_t now_ns, void **answer, uint32_t *answer_size, struct hd_fault *fault) {
  if (fires && f->sealed && !f->stopped) fire(f, now_ns);
  struct hd_far_step next = {.due_ns = INT64_MAX};
  if (f->sealed && !f->stopped) {
    const struct hd_engine_timer timer = hd_engine_timer_due(f->engine);
    next.due_ns = timer.due_ns;
    next.id = timer.id;
    if (timer.instance) next.instance = (uint32_t)(timer.instance - f->seats);
  }
  return give(&next, sizeof next, answer, answer_size, fault);
}

int32_t hd_far_ask(struct hd_far *f, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, int64_t now_ns, void **answer, uint32_t *answer_size) {
  struct hd_fault fault = {0};
  int32_t code;
  *answer = NULL;
  *answer_size = 0;
  bool one = verb == HADRON_ASK_LOAD || verb == HADRON_ASK_SAVE || verb == HADRON_ASK_START || verb == HADRON_ASK_ROWS || verb == HADRON_ASK_TIMERS || (verb == HADRON_ASK_PARAMS && instance != UINT32_MAX);
  if (one && instance >= f->count) code = hd_fault_set(&fault, HADRON_ERR_ARGUMENT, "an ask for instance %u of %u", instance, f->count);
  else switch (verb) {
    case HADRON_ASK_PARAMS: code = ask_params(f, instance, bytes, size, &fault); break;
    case HADRON_ASK_LOAD: code = ask_load(f, instance, bytes, size, &fault); break;
    case HADRON_ASK_SAVE: code = ask_save(f, instance, answer, answer_size, &fault); break;
    case HADRON_ASK_START: code = ask_start(f, instance, now_ns, answer, answer_size, &fault); break;
    case HADRON_ASK_ROWS: code = size ? ask_rows(f, instance, bytes, size, now_ns, &fault) : give_rows(f, instance, answer, answer_size, &fault); break;
    case HADRON_ASK_TIMERS: code = put_timers(f, instance, bytes, size, &fault); break;
    case HADRON_ASK_STEP: code = ask_step(f, instance, now_ns, answer, answer_size, &fault); break;
    case HADRON_ASK_STOP: f->stopped = true, code = HADRON_OK; break;
    default: code = hd_fault_set(&fault, HADRON_ERR_UNSUPPORTED, "an ask of kind %u is not known here", verb);
    }
  if (!code) return HADRON_OK;
  struct hd_fault none;
  free(*answer);
  *answer = NULL;
  if (give(fault.text, strlen(fault.text) + 1, answer, answer_size, &none)) *answer_size = 0;
  return code;
}

#define MEASURED_NS INT64_C(100000000)

uint32_t hd_far_measured(struct hd_far_measure *m, int64_t mono_ns, struct hadron_measured *rows, uint32_t max) {
  struct hd_histogram_row some[HADRON_MEASURED_MAX];
  if (mono_ns - m->at_ns < MEASURED_NS || m->now.count == m->told.count) return 0;
  m->at_ns = mono_ns;
  uint32_t count = hd_histogram_since(&m->now, &m->told, some, max < HADRON_MEASURED_MAX ? max : HADRON_MEASURED_MAX);
  for (uint32_t i = 0; i < count; i++) rows[i] = (struct hadron_measured){some[i].ns, some[i].count};
  return count;
}

void hd_far_read(const struct hd_far *f, struct hd_far_figures *out) {
  const struct hd_engine_counts *c = hd_engine_count(f->engine);
  *out = (struct hd_far_figures){.ticks = f->ticks, .calls = c->calls, .decisions = c->decisions, .refused = c->refused, .faults = c->faults, .lost = f->lost, .instances = f->count};
  for (uint32_t i = 0; i < f->count; i++) out->fenced += f->seats[i].fenced == 1;
}

void hd_far_crash(const struct hd_far *f, struct hd_crash *crash) {
  const struct hd_engine_instance *seat = (const void *)(hd_calling & ~(uintptr_t)HD_CALLING_MASK);
  const char *callback = hd_last_words_callback((unsigned)(hd_calling & HD_CALLING_MASK));
  if (!hd_calling || !callback || seat < f->seats || seat >= f->seats + f->count) return;
  hd_text_copy(crash->callback, sizeof crash->callback, callback);
  hd_text_copy(crash->instance, sizeof crash->instance, f->instances[seat - f->seats].name);
  crash->sequence = hd_engine_cause(f->engine);
}
