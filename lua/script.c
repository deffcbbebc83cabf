// Opening a script: its text is run once in a box that is thrown away, and what it declares becomes the tables of a plugin.
#include "lua/script.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "plugin/capability.h"

#define STATE_MAX_DEFAULT 65536
#define TEXT_SIZE_DEFAULT 256

const struct hd_lua_callback_row hd_lua_callbacks[HD_LUA_CALLBACKS] = {
    [HD_LUA_START] = {"on_start", 0},
    [HD_LUA_PARAMS] = {"on_params", 0},
    [HD_LUA_TICK] = {"on_tick", 0},
    [HD_LUA_TRADE] = {"on_trade", HADRON_ON_TRADE},
    [HD_LUA_QUOTE] = {"on_quote", HADRON_ON_QUOTE},
    [HD_LUA_BOOK] = {"on_book", HADRON_ON_BOOK},
    [HD_LUA_STATUS] = {"on_status", HADRON_ON_STATUS},
    [HD_LUA_BAR] = {"on_bar", HADRON_ON_BAR},
    [HD_LUA_EXECUTION] = {"on_execution", HADRON_ON_EXECUTION},
    [HD_LUA_ORDER] = {"on_order", HADRON_ON_ORDER},
    [HD_LUA_TIMER] = {"on_timer", 0},
    [HD_LUA_SAVE] = {"save", 0},
    [HD_LUA_LOAD] = {"load", 0},
};

static const char *const declared[] = {"params", "triggers", "scope", "bars", "schema", "schema_min", "state_max", "state"};

// ---- reading, in a protected call

static const char *text_keep(lua_State *L, struct hd_lua_script *s, const char *text) {
  char **grown = realloc(s->texts, (s->text_count + 1) * sizeof *grown), *copy = strdup(text);
  if (grown) s->texts = grown;
  if (!grown || !copy) {
    free(copy);
    hd_lua_raise(L, "out of memory");
  }
  return s->texts[s->text_count++] = copy;
}

static uint32_t choice(lua_State *L, int index, const char *what, const char *const *names, uint32_t count) {
  char list[200] = "";
  const char *found = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : luaL_typename(L, index);
  for (uint32_t i = 0; i < count; i++) {
    if (lua_type(L, index) == LUA_TSTRING && strcmp(found, names[i]) == 0) return i;
    size_t n = strlen(list);
    snprintf(list + n, sizeof list - n, "%s\"%s\"", n ? ", " : "", names[i]);
  }
  hd_lua_raise(L, "%s: expected one of %s; found \"%s\"", what, list, found);
}

// A bound or a default as it would be written in a config: 12.5 and "12.5" are the same.
static int64_t bound_read(lua_State *L, int index, uint32_t type, const char *name, const char *field) {
  int64_t value = 0;
  lua_pushvalue(L, index);
  const char *text = lua_tostring(L, -1);
  int32_t err = HADRON_ERR_PARSE;
  if (text && type == HADRON_PARAM_PRICE) err = hd_decimal_read(text, HADRON_PRICE_SCALE, &value);
  else if (text && type == HADRON_PARAM_QUANTITY) err = hd_decimal_read(text, HADRON_QUANTITY_SCALE, &value);
  else if (text && type == HADRON_PARAM_MONEY) err = hd_decimal_read(text, HADRON_MONEY_SCALE, &value);
  else if (text && type == HADRON_PARAM_DURATION) err = hd_duration_parse(text, &value);
  else if (text && type == HADRON_PARAM_INTEGER) err = hd_decimal_read(text, 1, &value);
  if (err) hd_lua_raise(L, "params.%s.%s: expected a %s as written in a config, found %s", name, field, hd_param_type_name(type), text ? text : luaL_typename(L, index));
  lua_pop(L, 1);
  return value;
}

// The row is the table on top.
static void range_read(lua_State *L, struct hadron_param *row) {
  bool has_min = lua_getfield(L, -1, "min") != LUA_TNIL, has_max = lua_getfield(L, -2, "max") != LUA_TNIL;
  row->min = 1, row->max = 0; // no bound
  row->real_min = 1, row->real_max = 0;
  if (row->type == HADRON_PARAM_BOOL) row->min = 0, row->max = 1;
  if (has_min || has_max) {
    if (row->type == HADRON_PARAM_BOOL || row->type == HADRON_PARAM_TEXT) hd_lua_raise(L, "params.%s: min and max do not go with type \"%s\"", row->name, hd_param_type_name(row->type));
    if (row->type == HADRON_PARAM_REAL) {
      row->real_min = has_min ? luaL_checknumber(L, -2) : -1e308;
      row->real_max = has_max ? luaL_checknumber(L, -1) : 1e308;
    } else {
      row->min = has_min ? bound_read(L, lua_gettop(L) - 1, row->type, row->name, "min") : INT64_MIN;
      row->max = has_max ? bound_read(L, lua_gettop(L), row->type, row->name, "max") : INT64_MAX;
    }
  }
  lua_pop(L, 2);
}

static void row_text(lua_State *L, struct hd_lua_script *s, const char *field, const char **to) {
  int type = lua_getfield(L, -1, field);
  if (type == LUA_TBOOLEAN) *to = lua_toboolean(L, -1) ? "true" : "false";
  else if (type == LUA_TSTRING || type == LUA_TNUMBER) *to = text_keep(L, s, lua_tostring(L, -1));
  else if (type != LUA_TNIL) hd_lua_raise(L, "params: %s: expected a value, found a %s", field, lua_typename(L, type));
  lua_pop(L, 1);
}

// Key at -2, row at -1.
static void param_read(lua_State *L, struct hd_lua_script *s) {
  static const char *const types[] = {"bool", "integer", "real", "price", "quantity", "money", "duration", "text"};
  static const char *const fields[] = {"type", "default", "min", "max", "help", "unit", "live", "size"};
  char what[128];
  if (s->params.count == HD_PARAMS_MAX) hd_lua_raise(L, "params: expected at most %d, found more", HD_PARAMS_MAX);
  if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1)) hd_lua_raise(L, "params: expected name = { type = ..., default = ... }");
  struct hadron_param *row = &s->rows[s->params.count++];
  *row = (struct hadron_param){.name = text_keep(L, s, lua_tostring(L, -2)), .help = "", .unit = "", .size = 8};
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    snprintf(what, sizeof what, "params.%s", row->name);
    choice(L, lua_gettop(L), what, fields, 8);
  }
  lua_getfield(L, -1, "type");
  snprintf(what, sizeof what, "params.%s.type", row->name);
  row->type = choice(L, lua_gettop(L), what, types, 8) + 1;
  lua_pop(L, 1);
  row_text(L, s, "default", &row->initial);
  row->help = row->name;
  row_text(L, s, "help", &row->help);
  row_text(L, s, "unit", &row->unit);
  row->live = lua_getfield(L, -1, "live") != LUA_TNIL && lua_toboolean(L, -1);
  lua_pop(L, 1);
  range_read(L, row);
  if (row->type == HADRON_PARAM_TEXT) {
    lua_Integer size = lua_getfield(L, -1, "size") == LUA_TNIL ? TEXT_SIZE_DEFAULT : luaL_checkinteger(L, -1);
    if (size < 2 || size > 4096) hd_lua_raise(L, "params.%s.size: expected 2 to 4096 bytes, found %lld", row->name, (long long)size);
    row->size = (uint32_t)size;
    lua_pop(L, 1);
  }
  row->offset = (uint32_t)offsetof(struct hd_lua_instance, values) + s->value_size;
  s->value_size += (row->size + 7u) & ~7u;
}

static void params_read(lua_State *L, struct hd_lua_script *s) {
  s->params = (struct hadron_params){sizeof s->params, 0, s->rows, hd_lua_params_changed};
  if (lua_getfield(L, 1, "params") != LUA_TNIL) {
    luaL_checktype(L, -1, LUA_TTABLE);
    int table = lua_gettop(L);
    hd_lua_keys(L, table);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
      lua_rawgeti(L, table + 1, i);
      lua_pushvalue(L, -1);
      lua_rawget(L, table);
      param_read(L, s);
      lua_pop(L, 2);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void bars_read(lua_State *L, struct hd_lua_script *s) {
  static const char *const kinds[] = {"time", "tick", "volume"};
  if (lua_getfield(L, 1, "bars") != LUA_TNIL) {
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    if (n < 1 || n > HD_BAR_KINDS_MAX) hd_lua_raise(L, "bars: expected a list of 1 to %d bars like { kind = \"time\", interval = \"1m\" }", HD_BAR_KINDS_MAX);
    for (lua_Integer i = 1; i <= n; i++) {
      struct hadron_bar_request *bar = &s->bars[s->bar_count++];
      if (lua_rawgeti(L, -1, i) != LUA_TTABLE) hd_lua_raise(L, "bars: expected tables like { kind = \"time\", interval = \"1m\" }");
      lua_getfield(L, -1, "kind");
      bar->kind = choice(L, lua_gettop(L), "bars: kind", kinds, 3) + 1;
      lua_getfield(L, -2, "interval");
      static const uint32_t as[] = {HADRON_PARAM_DURATION, HADRON_PARAM_INTEGER, HADRON_PARAM_QUANTITY};
      bar->interval = bound_read(L, lua_gettop(L), as[bar->kind - 1], "bars", "interval");
      if (bar->interval <= 0) hd_lua_raise(L, "bars: interval: expected more than 0, found %lld", (long long)bar->interval);
      lua_pop(L, 3);
    }
  }
  lua_pop(L, 1);
  bool wants = (s->present & (1u << HD_LUA_BAR)) != 0;
  if (!hd_plugin_external(s->plugin) && wants != (s->bar_count > 0)) hd_lua_raise(L, wants ? "on_bar: expected `bars` to say which bars, found none" : "bars: expected a function on_bar that takes them, found none");
}

// Callbacks there are; names that look like one, or like a declaration, but are none.
static void names_check(lua_State *L, struct hd_lua_script *s) {
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) hd_lua_raise(L, "hadron.strategy: expected names as keys, found a %s", luaL_typename(L, -2));
    const char *name = lua_tostring(L, -2);
    bool known = false;
    for (uint32_t i = 0; i < HD_LUA_CALLBACKS; i++)
      if (strcmp(name, hd_lua_callbacks[i].name) == 0) {
        if (!lua_isfunction(L, -1)) hd_lua_raise(L, "%s: expected a function, found a %s", name, luaL_typename(L, -1));
        s->present |= 1u << i;
        known = true;
      }
    for (size_t i = 0; i < sizeof declared / sizeof *declared; i++) known = known || strcmp(name, declared[i]) == 0;
    if (!known && !lua_isfunction(L, -1)) hd_lua_raise(L, "%s: there is no such declaration; keep state in `self`, set in on_start", name);
    if (!known && strncmp(name, "on_", 3) == 0) hd_lua_raise(L, "%s: there is no such callback; docs/lua.md lists them", name);
    lua_pop(L, 1);
  }
}

// The card of a strategy that runs elsewhere (docs/remote.md): what it may be told, and nothing that runs.
static void card_read(lua_State *L, struct hd_lua_script *s) {
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    const char *name = lua_tostring(L, -2);
    if (strcmp(name, "params") != 0 && strcmp(name, "bars") != 0) hd_lua_raise(L, "%s: expected `params` and `bars` alone in a script that requires " HD_CAP_EXTERNAL ": its program runs elsewhere", name);
    lua_pop(L, 1);
  }
  s->api.triggers = 0;
}

static void triggers_read(lua_State *L, struct hd_lua_script *s) {
  static const char *const names[] = {"trade", "quote", "book", "status", "bar", "execution", "order"};
  uint32_t asked = 0, bits = 0;
  if (lua_getfield(L, 1, "triggers") != LUA_TNIL) {
    luaL_checktype(L, -1, LUA_TTABLE);
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
      asked |= 1u << choice(L, lua_gettop(L), "triggers", names, 7);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  } else asked = HADRON_ON_TRADE | HADRON_ON_QUOTE | 0x80000000u;
  lua_pop(L, 1);
  for (uint32_t i = 0; i < HD_LUA_CALLBACKS; i++)
    if (s->present & (1u << i)) bits |= hd_lua_callbacks[i].trigger;
  if (s->present & (1u << HD_LUA_TICK)) bits |= asked & (HADRON_ON_TRADE | HADRON_ON_QUOTE | HADRON_ON_BOOK | HADRON_ON_STATUS);
  for (uint32_t i = 0; i < 7 && !(asked & 0x80000000u); i++)
    if ((asked & ~bits) & (1u << i)) hd_lua_raise(L, "triggers: \"%s\": expected a function on_%s that takes it, found none", names[i], names[i]);
  if (!bits && !(s->present & (1u << HD_LUA_TIMER))) hd_lua_raise(L, "hadron.strategy: expected a callback such as on_trade or on_bar, found none: it would never run");
  s->api.triggers = bits;
}

static lua_Integer integer_read(lua_State *L, const char *name, lua_Integer initial, lua_Integer max) {
  lua_Integer value = initial;
  if (lua_getfield(L, 1, name) != LUA_TNIL) {
    if (!lua_isinteger(L, -1)) hd_lua_raise(L, "%s: expected an integer, found a %s", name, luaL_typename(L, -1));
    value = lua_tointeger(L, -1);
  }
  if (value < 1 || value > max) hd_lua_raise(L, "%s: expected 1 to %lld, found %lld", name, (long long)max, (long long)value);
  lua_pop(L, 1);
  return value;
}

// state = { "trend:int64", "side:int32" }: fields of self, saved and loaded by the host as their bytes in this order.
static uint32_t fields_read(lua_State *L, struct hd_lua_script *s) {
  static const char *const types[] = {"int64", "int32", "double", "bool"};
  static const uint32_t sizes[] = {8, 4, 8, 1};
  uint32_t size = 0;
  if (lua_getfield(L, 1, "state") == LUA_TNIL) return 0;
  if (lua_type(L, -1) != LUA_TTABLE) hd_lua_raise(L, "state: expected a list of fields like \"trend:int64\", found a %s", luaL_typename(L, -1));
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (count < 1 || count > HD_LUA_FIELDS_MAX) hd_lua_raise(L, "state: expected 1 to %d fields, found %d", HD_LUA_FIELDS_MAX, (int)count);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "", *colon = strchr(text, ':');
    if (!colon || colon == text) hd_lua_raise(L, "state: field %d: expected \"name:type\", found \"%s\"", (int)i, text);
    lua_pushlstring(L, text, (size_t)(colon - text));
    lua_pushstring(L, colon + 1);
    struct hd_lua_field *f = &s->fields[s->field_count];
    f->type = choice(L, lua_gettop(L), "state: type of a field", types, 4);
    f->size = sizes[f->type];
    f->name = text_keep(L, s, lua_tostring(L, -2));
    s->field_count++;
    size += f->size;
    lua_pop(L, 3);
  }
  return size;
}

static void api_fill(struct hd_lua_script *s, uint32_t scope) {
  uint32_t triggers = s->api.triggers;
  s->api = hd_lua_strategy_api;
  s->api.triggers = triggers;
  s->api.scope = scope;
  if (!(triggers & (HADRON_ON_TRADE | HADRON_ON_QUOTE | HADRON_ON_BOOK | HADRON_ON_STATUS))) s->api.on_tick = NULL;
  if (!(triggers & HADRON_ON_BAR)) s->api.on_bar = NULL;
  if (!(triggers & HADRON_ON_EXECUTION)) s->api.on_execution = NULL;
  if (!(triggers & HADRON_ON_ORDER)) s->api.on_order = NULL;
  s->timer = hd_lua_timer_target;
}

static int script_read(lua_State *L) { // chunk, script
  static const char *const scopes[] = {"instrument", "universe"};
  struct hd_lua_script *s = lua_touserdata(L, 2);
  lua_settop(L, 1);
  lua_call(L, 0, 1);
  hd_lua_script_check(L);
  names_check(L, s);
  params_read(L, s);
  if (hd_plugin_external(s->plugin)) card_read(L, s);
  else triggers_read(L, s);
  bars_read(L, s);
  uint32_t scope = lua_getfield(L, 1, "scope") == LUA_TNIL ? HADRON_SCOPE_INSTRUMENT : choice(L, lua_gettop(L), "scope", scopes, 2) + 1;
  api_fill(s, scope);
  bool save = s->present & (1u << HD_LUA_SAVE), load = s->present & (1u << HD_LUA_LOAD);
  if (save != load) hd_lua_raise(L, "save and load: expected both or none, found only %s", save ? "save" : "load");
  uint32_t fields = fields_read(L, s);
  if (fields && save) hd_lua_raise(L, "state: expected either a list of fields or save and load, found both");
  lua_Integer schema = integer_read(L, "schema", 1, UINT32_MAX), state_max = integer_read(L, "state_max", STATE_MAX_DEFAULT, 64 << 20);
  lua_Integer schema_min = integer_read(L, "schema_min", schema, schema);
  s->state = (struct hadron_state){sizeof s->state, (uint32_t)schema, (uint32_t)schema_min, fields ? fields : (uint32_t)state_max, hd_lua_state_save, hd_lua_state_load};
  return 0;
}

static int add_api(lua_State *L) {
  hd_lua_api_add(L);
  return 0;
}

int32_t hd_lua_script_open(struct hd_lua_script *s, struct hd_fault *fault) {
  struct hd_lua_sandbox box;
  int32_t err = hd_lua_sandbox_open(&box, &s->limits, fault);
  if (err) return err;
  lua_pushcfunction(box.L, add_api);
  err = hd_lua_sandbox_call(&box, 0, 0, s->limits.start_instructions_max);
  if (err) hd_fault_set(fault, err, "%s: %s", s->plugin->path, box.error);
  if (!err) err = hd_lua_sandbox_load(&box, s->plugin->path, s->plugin->source, s->plugin->source_size, fault);
  if (!err) {
    lua_pushcfunction(box.L, script_read);
    lua_insert(box.L, -2);
    lua_pushlightuserdata(box.L, s);
    err = hd_lua_sandbox_call(&box, 2, 0, s->limits.start_instructions_max);
    if (err) hd_fault_set(fault, err, "%s%s%s", strstr(box.error, s->plugin->path) ? "" : s->plugin->path, strstr(box.error, s->plugin->path) ? "" : ": ", box.error);
  }
  hd_lua_sandbox_close(&box);
  return err;
}

void hd_lua_script_close(struct hd_lua_script *s) {
  for (size_t i = 0; i < s->text_count; i++) free(s->texts[i]);
  free(s->texts);
  free(s);
}

// ---- the loader's table

static struct hd_lua_limits limits_now; // [control]

uint32_t hd_lua_bars(const struct hd_plugin *card, const struct hadron_bar_request **out) {
  const struct hd_lua_script *s = card->language == HD_LANGUAGE_LUA ? card->language_data : NULL;
  *out = s ? s->bars : NULL;
  return s ? s->bar_count : 0;
}

void hd_lua_limits_set(const struct hd_lua_limits *limits) { limits_now = limits ? *limits : (struct hd_lua_limits){0}; }

static int32_t language_open(struct hd_plugin *plugin, struct hd_fault *fault) {
  if (plugin->manifest.kind != HADRON_KIND_STRATEGY)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: expected a strategy: Lua runs strategies only; found a %s; write it as a shared object", plugin->path,
                        hd_kind_name(plugin->manifest.kind));
  struct hd_lua_script *s = calloc(1, sizeof *s);
  if (!s) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", plugin->path);
  s->plugin = plugin;
  s->limits = hd_lua_limits_filled(&limits_now);
  int32_t err = hd_lua_script_open(s, fault);
  if (err) {
    hd_lua_script_close(s);
    return err;
  }
  plugin->language_data = s;
  plugin->api = &s->api;
  plugin->params = s->params.count ? &s->params : NULL;
  plugin->state = s->field_count || s->present & (1u << HD_LUA_SAVE) ? &s->state : NULL;
  plugin->timer = s->present & (1u << HD_LUA_TIMER) ? &s->timer : NULL;
  return HADRON_OK;
}

static void language_close(struct hd_plugin *plugin) {
  hd_lua_script_close(plugin->language_data);
  plugin->language_data = NULL;
}

const struct hd_plugin_language hd_lua_language = {language_open, language_close};
