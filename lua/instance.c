// Instances of scripts, and the states that they share. Every callback of the engine ends in one protected call within a budget.
#include <pthread.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "lua/script.h"

// States that are open, by script, arm and metric_owner.
static struct {
  pthread_mutex_t mutex;
  struct hd_lua_group *first;
} groups = {.mutex = PTHREAD_MUTEX_INITIALIZER};

// ---- the world of a state: that of the instance whose callback is running

static int64_t world_now(void *user) {
  const struct hd_lua_group *g = user;
  return g->current ? g->current->host->now_ns(g->current->host->instance) : 0;
}

static uint64_t world_random(void *user) {
  const struct hd_lua_group *g = user;
  return g->current ? g->current->host->random(g->current->host->instance) : 0;
}

static void world_print(void *user, uint32_t level, const char *id, const char *text) {
  const struct hd_lua_group *g = user;
  if (g->current && g->current->log) g->current->log->write(g->current->host->instance, level, id, text);
}

// ---- groups

// Words that ticks bring are made once: a callback must not allocate outside of its protected call.
static void words_keep(lua_State *L, const char *const *words, int count, int *refs) {
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, words[i]);
    refs[i] = luaL_ref(L, LUA_REGISTRYINDEX);
  }
}

static int group_build(lua_State *L) {
  static const char *const sides[] = {"", "buy", "sell"}, *const states[] = {"", "open", "halted", "closed", "auction"};
  struct hd_lua_group *g = hd_lua_group_of(L);
  hd_lua_api_add(L);
  hd_lua_views_add(g);
  words_keep(L, sides, 3, g->sides);
  words_keep(L, states, 5, g->states);
  return 0;
}

static int chunk_keep(lua_State *L) {
  hd_lua_group_of(L)->chunk = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static int32_t group_open(struct hd_lua_group **out, const struct hd_lua_script *script, const struct hadron_instance *host, struct hd_fault *fault) {
  struct hd_lua_group *g = calloc(1, sizeof *g);
  if (!g) return HADRON_ERR_MEMORY;
  int32_t err = hd_lua_sandbox_open(&g->box, &script->limits, fault);
  if (err) {
    free(g);
    return err;
  }
  g->script = script;
  g->arm = host->arm;
  g->family = host->family;
  hd_text_copy(g->owner, sizeof g->owner, host->metric_owner);
  g->box.world = (struct hd_lua_world){g, world_now, world_random, world_print};
  lua_pushcfunction(g->box.L, group_build);
  err = hd_lua_sandbox_call(&g->box, 0, 0, script->limits.start_instructions_max);
  if (err) hd_fault_set(fault, err, "%s", g->box.error);
  else err = hd_lua_sandbox_load_metered(&g->box, script->plugin->path, script->plugin->source, script->plugin->source_size, fault);
  if (!err) {
    lua_pushcfunction(g->box.L, chunk_keep);
    lua_insert(g->box.L, -2);
    err = hd_lua_sandbox_call(&g->box, 1, 0, script->limits.start_instructions_max);
    if (err) hd_fault_set(fault, err, "%s", g->box.error);
  }
  if (err) {
    hd_lua_sandbox_close(&g->box);
    free(g);
    return err;
  }
  *out = g;
  return HADRON_OK;
}

static int32_t group_take(struct hd_lua_group **out, const struct hd_lua_script *script, const struct hadron_instance *host, struct hd_fault *fault) {
  pthread_mutex_lock(&groups.mutex);
  struct hd_lua_group *g = groups.first;
  while (g && (g->script != script || g->arm != host->arm || g->family != host->family || g->box.exhausted || strcmp(g->owner, host->metric_owner) != 0)) g = g->next;
  int32_t err = g ? HADRON_OK : group_open(&g, script, host, fault);
  if (!err) {
    if (g->instance_count++ == 0) {
      g->next = groups.first;
      groups.first = g;
    }
    *out = g;
  }
  pthread_mutex_unlock(&groups.mutex);
  return err;
}

static void group_release(struct hd_lua_group *g) {
  pthread_mutex_lock(&groups.mutex);
  if (--g->instance_count == 0) {
    struct hd_lua_group **at = &groups.first;
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    hd_lua_sandbox_close(&g->box);
    free(g);
  }
  pthread_mutex_unlock(&groups.mutex);
}

void hd_lua_usage(uint64_t *states, uint64_t *bytes) {
  *states = *bytes = 0;
  pthread_mutex_lock(&groups.mutex);
  for (const struct hd_lua_group *g = groups.first; g; g = g->next) {
    ++*states;
    *bytes += g->box.used;
  }
  pthread_mutex_unlock(&groups.mutex);
}

// ---- calls

// A script that used up its budget would do so again: its instance is fenced. Memory belongs to the state: all of its instances are.
static int32_t call_failed(struct hd_lua_instance *i, int32_t err) {
  if (err == HADRON_ERR_BUDGET || err == HADRON_ERR_MEMORY) i->fenced = err;
  if (i->log) i->log->write(i->host->instance, HADRON_LOG_ERROR, err == HADRON_ERR_BUDGET ? "SCRIPT_BUDGET" : err == HADRON_ERR_MEMORY ? "SCRIPT_MEMORY" : "SCRIPT_ERROR", i->group->box.error);
  return err;
}

// Pushes the callback and self.
static inline void call_begin(struct hd_lua_instance *i, enum hd_lua_callback callback) {
  lua_State *L = i->group->box.L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->callbacks[callback]);
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->self_ref);
  i->group->current = i;
}

static inline void view_push(struct hd_lua_instance *i, enum hd_lua_view view) {
  lua_rawgeti(i->group->box.L, LUA_REGISTRYINDEX, i->group->views[view]);
}

static inline int32_t call_end(struct hd_lua_instance *i, enum hd_lua_callback callback, int arguments, enum hd_lua_view view, uint64_t budget) {
  struct hd_lua_group *g = i->group;
  int32_t err = hd_lua_sandbox_call_metered(&g->box, i->meters[callback], arguments + 1, 0, budget);
  g->shown[view] = g->shown[HD_LUA_VIEW_MARKET] = NULL;
  if (__builtin_expect(err, 0)) err = call_failed(i, err);
  g->current = NULL;
  return err;
}

static inline bool has(const struct hd_lua_instance *i, enum hd_lua_callback callback) { return i->callbacks[callback] != LUA_NOREF; }

static inline int32_t fenced(const struct hd_lua_instance *i) {
  return __builtin_expect(i->group->box.exhausted, 0) ? HADRON_ERR_MEMORY : i->fenced;
}

// A C function with two pointers, outside of the engine's callbacks: making, parameters, state.
static int32_t protected_call(struct hd_lua_instance *i, lua_CFunction function, void *argument) {
  struct hd_lua_group *g = i->group;
  if (fenced(i)) return fenced(i);
  g->current = i;
  lua_pushcfunction(g->box.L, function);
  lua_pushlightuserdata(g->box.L, i);
  lua_pushlightuserdata(g->box.L, argument);
  int32_t err = hd_lua_sandbox_call(&g->box, 2, 0, g->script->limits.start_instructions_max);
  if (err) err = call_failed(i, err);
  g->current = NULL;
  return err;
}

// ---- making

static void callback_keep(lua_State *L, struct hd_lua_instance *i, uint32_t k) {
  lua_Debug function;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">u", &function);
  i->takes[k] = function.isvararg ? UINT8_MAX : function.nparams ? (uint8_t)(function.nparams - 1) : 0;
  i->meters[k] = (uint8_t)hd_lua_meter_of(L, -1);
  i->callbacks[k] = luaL_ref(L, LUA_REGISTRYINDEX);
}

// Runs the text for this instance and keeps its callbacks. What is only declared is dropped, to save its memory.
static int instance_build(lua_State *L) {
  struct hd_lua_instance *i = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->group->chunk);
  lua_call(L, 0, 1);
  hd_lua_script_check(L);
  i->self_pointer = lua_topointer(L, -1);
  for (uint32_t k = 0; k < HD_LUA_CALLBACKS; k++) {
    lua_pushstring(L, hd_lua_callbacks[k].name);
    if (lua_rawget(L, -2) == LUA_TFUNCTION) callback_keep(L, i, k);
    else lua_pop(L, 1);
    if ((i->callbacks[k] != LUA_NOREF) != ((i->script->present >> k) & 1)) hd_lua_raise(L, "%s: a script must declare the same callbacks every time it is run", hd_lua_callbacks[k].name);
  }
  static const char *const declared[] = {"triggers", "scope", "bars", "schema", "schema_min", "state_max", "state"};
  for (size_t k = 0; k < sizeof declared / sizeof *declared; k++) {
    lua_pushnil(L);
    lua_setfield(L, -2, declared[k]);
  }
  lua_newtable(L);
  lua_setfield(L, -2, "params");
  lua_pushinteger(L, i->instrument);
  lua_setfield(L, -2, "instrument");
  lua_createtable(L, (int)i->instrument_count, 0);
  for (uint32_t k = 0; k < i->instrument_count; k++) {
    lua_pushinteger(L, i->instruments[k]);
    lua_rawseti(L, -2, (lua_Integer)k + 1);
  }
  lua_setfield(L, -2, "instruments");
  i->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static int instance_unref(lua_State *L) {
  struct hd_lua_instance *i = lua_touserdata(L, 1);
  for (uint32_t k = 0; k < HD_LUA_CALLBACKS; k++) luaL_unref(L, LUA_REGISTRYINDEX, i->callbacks[k]);
  luaL_unref(L, LUA_REGISTRYINDEX, i->self_ref);
  return 0;
}

static void instance_destroy(void *self) {
  struct hd_lua_instance *i = self;
  struct hd_lua_group *g = i->group;
  if (!g->box.exhausted) {
    lua_pushcfunction(g->box.L, instance_unref);
    lua_pushlightuserdata(g->box.L, i);
    hd_lua_sandbox_call(&g->box, 1, 0, 100000);
  }
  group_release(g);
  free(i->instruments);
  free(i);
}

static int32_t instance_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct hadron_instance *instance = host->instance;
  const struct hd_lua_script *script = instance->plugin->language_data;
  struct hd_fault fault = {0};
  HD_ASSERT(script != NULL && context->instrument_count > 0);
  struct hd_lua_instance *i = calloc(1, sizeof *i + script->value_size);
  if (!i) return HADRON_ERR_MEMORY;
  i->script = script;
  i->host = host;
  i->engine = host->capability(instance, "hadron.strategy/1");
  i->timer = host->capability(instance, HADRON_CAP_TIMER);
  i->features = host->capability(instance, HADRON_CAP_FEATURES);
  i->log = host->capability(instance, HADRON_CAP_LOG);
  i->self_ref = LUA_NOREF;
  for (uint32_t k = 0; k < HD_LUA_CALLBACKS; k++) i->callbacks[k] = LUA_NOREF;
  i->instrument = context->instruments[0];
  i->instrument_count = context->instrument_count;
  i->instruments = calloc(context->instrument_count, sizeof *i->instruments);
  int32_t err = i->engine ? i->instruments ? HADRON_OK : HADRON_ERR_MEMORY : HADRON_ERR_CAPABILITY;
  if (!err) err = group_take(&i->group, script, instance, &fault);
  if (err) {
    if (fault.text[0]) hd_instance_fail(instance, fault.text);
    free(i->instruments);
    free(i);
    return err;
  }
  memcpy(i->instruments, context->instruments, context->instrument_count * sizeof *i->instruments);
  err = protected_call(i, instance_build, NULL);
  if (err) instance_destroy(i);
  else *self = i;
  return err;
}

static int32_t instance_start(void *self) {
  struct hd_lua_instance *i = self;
  if (fenced(i)) return fenced(i);
  for (uint32_t k = 0; k < i->script->bar_count; k++) {
    int32_t err = i->engine->bars(i->host->instance, &i->script->bars[k]);
    if (err) return err;
  }
  if (has(i, HD_LUA_START)) {
    call_begin(i, HD_LUA_START);
    int32_t err = call_end(i, HD_LUA_START, 0, HD_LUA_VIEW_MARKET, i->script->limits.start_instructions_max);
    if (err) return err;
  }
  i->active = true;
  return HADRON_OK;
}

// ---- the engine's callbacks

// Pushes the first `count` values of a tick for the callback.
static inline void tick_push(struct hd_lua_instance *i, enum hd_lua_callback callback, const struct hadron_tick *tick, int count) {
  lua_State *L = i->group->box.L;
  switch (callback) {
  case HD_LUA_TRADE:
    if (count > 0) lua_pushinteger(L, tick->value.trade.price.nanos);
    if (count > 1) lua_pushinteger(L, tick->value.trade.quantity.e8);
    break;
  case HD_LUA_QUOTE:
    for (int k = 0; k < count && k < 4; k++) lua_pushinteger(L, tick->value.raw[k]);
    break;
  case HD_LUA_BOOK:
    if (count > 0) lua_rawgeti(L, LUA_REGISTRYINDEX, i->group->sides[tick->value.book.side <= HADRON_SIDE_SELL ? tick->value.book.side : 0]);
    if (count > 1) lua_pushinteger(L, tick->value.book.price.nanos);
    if (count > 2) lua_pushinteger(L, tick->value.book.quantity.e8);
    if (count > 3) view_push(i, HD_LUA_VIEW_TICK);
    break;
  case HD_LUA_STATUS:
    if (count > 0) lua_rawgeti(L, LUA_REGISTRYINDEX, i->group->states[tick->value.status.state <= HADRON_MARKET_AUCTION ? tick->value.status.state : 0]);
    break;
  default:
    if (count > 0) view_push(i, HD_LUA_VIEW_TICK);
    break;
  }
}

static int32_t instance_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  static const enum hd_lua_callback by_kind[] = {HD_LUA_TICK, HD_LUA_TRADE, HD_LUA_QUOTE, HD_LUA_BOOK, HD_LUA_STATUS};
  static const uint8_t values[HD_LUA_CALLBACKS] = {[HD_LUA_TICK] = 1, [HD_LUA_TRADE] = 2, [HD_LUA_QUOTE] = 4, [HD_LUA_BOOK] = 4, [HD_LUA_STATUS] = 1};
  struct hd_lua_instance *i = self;
  enum hd_lua_callback callback = by_kind[tick->kind <= HADRON_TICK_STATUS ? tick->kind : 0];
  if (fenced(i)) return fenced(i);
  if (!has(i, callback)) callback = HD_LUA_TICK;
  if (!has(i, callback)) return HADRON_OK;
  int arguments = i->takes[callback], most = values[callback];
  call_begin(i, callback);
  i->group->shown[HD_LUA_VIEW_TICK] = tick;
  i->group->shown[HD_LUA_VIEW_MARKET] = market;
  tick_push(i, callback, tick, arguments);
  if (arguments > most) {
    view_push(i, HD_LUA_VIEW_MARKET);
    arguments = most + 1;
  }
  return call_end(i, callback, arguments, HD_LUA_VIEW_TICK, i->script->limits.instructions_max);
}

static int32_t view_call(struct hd_lua_instance *i, enum hd_lua_callback callback, enum hd_lua_view view, const void *shown, const struct hadron_market *market) {
  if (fenced(i)) return fenced(i);
  if (!has(i, callback)) return HADRON_OK;
  call_begin(i, callback);
  i->group->shown[view] = shown;
  i->group->shown[HD_LUA_VIEW_MARKET] = market;
  view_push(i, view);
  view_push(i, HD_LUA_VIEW_MARKET);
  return call_end(i, callback, 2, view, i->script->limits.instructions_max);
}

static int32_t instance_bar(void *self, const struct hadron_bar *bar, const struct hadron_market *market) {
  return view_call(self, HD_LUA_BAR, HD_LUA_VIEW_BAR, bar, market);
}

static int32_t instance_execution(void *self, const struct hadron_allocation *allocation, const struct hadron_market *market) {
  return view_call(self, HD_LUA_EXECUTION, HD_LUA_VIEW_EXECUTION, allocation, market);
}

static int32_t instance_order(void *self, const struct hadron_order_event *event, const struct hadron_market *market) {
  return view_call(self, HD_LUA_ORDER, HD_LUA_VIEW_ORDER, event, market);
}

static int32_t instance_timer(void *self, uint64_t id, int64_t due_ns, const struct hadron_market *market) {
  struct hd_lua_instance *i = self;
  lua_State *L = i->group->box.L;
  if (fenced(i)) return fenced(i);
  if (!has(i, HD_LUA_TIMER)) return HADRON_OK;
  call_begin(i, HD_LUA_TIMER);
  lua_pushinteger(L, (lua_Integer)id);
  lua_pushinteger(L, due_ns);
  i->group->shown[HD_LUA_VIEW_MARKET] = market;
  view_push(i, HD_LUA_VIEW_MARKET);
  return call_end(i, HD_LUA_TIMER, 3, HD_LUA_VIEW_TICK, i->script->limits.instructions_max);
}

const struct hadron_strategy_api hd_lua_strategy_api = {.struct_size = sizeof hd_lua_strategy_api, .create = instance_create, .destroy = instance_destroy,
                                                        .start = instance_start, .on_tick = instance_tick, .on_bar = instance_bar,
                                                        .on_execution = instance_execution, .on_order = instance_order};
const struct hadron_timer_target hd_lua_timer_target = {.struct_size = sizeof hd_lua_timer_target, .on_timer = instance_timer};

// ---- parameters

// The values, where the host has written them, into self.params.
static int params_copy(lua_State *L) {
  const struct hd_lua_instance *i = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->self_ref);
  lua_createtable(L, 0, (int)i->script->params.count);
  for (uint32_t k = 0; k < i->script->params.count; k++) {
    const struct hadron_param *row = &i->script->rows[k];
    const unsigned char *at = (const unsigned char *)i + row->offset;
    int64_t integer;
    double number;
    memcpy(&integer, at, sizeof integer);
    memcpy(&number, at, sizeof number);
    if (row->type == HADRON_PARAM_TEXT) lua_pushlstring(L, (const char *)at, strnlen((const char *)at, row->size));
    else if (row->type == HADRON_PARAM_REAL) lua_pushnumber(L, number);
    else if (row->type == HADRON_PARAM_BOOL) lua_pushboolean(L, integer != 0);
    else lua_pushinteger(L, integer);
    lua_setfield(L, -2, row->name);
  }
  lua_setfield(L, -2, "params");
  if (i->callbacks[HD_LUA_PARAMS] == LUA_NOREF) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->callbacks[HD_LUA_PARAMS]);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
  return 0;
}

int32_t hd_lua_params_changed(void *self) { return protected_call(self, params_copy, NULL); }

// ---- state

struct state_call {
  void *to;
  const void *from;
  size_t size;
  uint32_t schema;
};

static int state_save(lua_State *L) {
  const struct hd_lua_instance *i = lua_touserdata(L, 1);
  struct state_call *call = lua_touserdata(L, 2);
  if (i->script->field_count) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, i->self_ref);
    call->size = hd_lua_fields_pack(L, i->script, call->to, call->size);
    return 0;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->callbacks[HD_LUA_SAVE]);
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->self_ref);
  lua_call(L, 1, 1);
  call->size = hd_lua_pack(L, call->to, call->size);
  return 0;
}

static int state_load(lua_State *L) {
  const struct hd_lua_instance *i = lua_touserdata(L, 1);
  const struct state_call *call = lua_touserdata(L, 2);
  if (i->script->field_count) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, i->self_ref);
    hd_lua_fields_unpack(L, i->script, call->from, call->size);
    return 0;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->callbacks[HD_LUA_LOAD]);
  lua_rawgeti(L, LUA_REGISTRYINDEX, i->self_ref);
  hd_lua_unpack(L, call->from, call->size);
  lua_pushinteger(L, call->schema);
  lua_call(L, 3, 0);
  return 0;
}

// The table says const: the script promises not to change itself; the Lua state behind it is not part of the instance.
int32_t hd_lua_state_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  struct hd_lua_instance *i = (void *)(uintptr_t)self;
  struct state_call call = {.to = buffer, .size = capacity};
  int32_t err = protected_call(i, state_save, &call);
  if (!err) *size = (uint32_t)call.size;
  return err;
}

int32_t hd_lua_state_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  const struct hd_lua_instance *i = self;
  struct state_call call = {.from = buffer, .size = size, .schema = schema};
  if (schema < i->script->state.schema_min || schema > i->script->state.schema) return HADRON_ERR_UNSUPPORTED;
  int32_t err = protected_call(self, state_load, &call);
  return err == HADRON_ERR_SCRIPT ? HADRON_ERR_CORRUPT : err;
}
