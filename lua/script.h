// Inside of the Lua runtime: a script, a state that runs it, an instance. See runtime.h.
#ifndef HD_LUA_SCRIPT_H
#define HD_LUA_SCRIPT_H

#include "base/limits.h"
#include "hadron/ext/features.h"
#include "hadron/ext/log.h"
#include "lua/runtime.h"
#include "plugin/instance.h"
#include "plugin/params.h"

enum hd_lua_callback {
  HD_LUA_START, HD_LUA_PARAMS, HD_LUA_TICK, HD_LUA_TRADE, HD_LUA_QUOTE, HD_LUA_BOOK, HD_LUA_STATUS, HD_LUA_BAR, HD_LUA_EXECUTION,
  HD_LUA_ORDER, HD_LUA_TIMER, HD_LUA_SAVE, HD_LUA_LOAD, HD_LUA_CALLBACKS,
};

struct hd_lua_callback_row {
  const char *name;
  uint32_t trigger; // enum hadron_trigger bit; 0: none
};
extern const struct hd_lua_callback_row hd_lua_callbacks[HD_LUA_CALLBACKS];

#define HD_LUA_FIELDS_MAX 64 // of `state`

// One field of `state`: the bytes of a C struct without padding, so that a version in C takes the same state.
struct hd_lua_field {
  const char *name;
  uint32_t type; // enum hd_lua_field_type
  uint32_t size; // bytes
};
enum hd_lua_field_type { HD_LUA_FIELD_INT64, HD_LUA_FIELD_INT32, HD_LUA_FIELD_DOUBLE, HD_LUA_FIELD_BOOL };

// What was read from a script when it was opened.
struct hd_lua_script {
  const struct hd_plugin *plugin;
  struct hd_lua_limits limits;
  struct hadron_strategy_api api;
  struct hadron_params params;
  struct hadron_param rows[HD_PARAMS_MAX];
  struct hadron_state state;
  struct hd_lua_field fields[HD_LUA_FIELDS_MAX];
  uint32_t field_count; // 0: `save` and `load`, or no state
  struct hadron_timer_target timer;
  struct hadron_bar_request bars[HD_BAR_KINDS_MAX];
  uint32_t bar_count;
  uint32_t value_size; // bytes of an instance's parameters
  uint32_t present;    // bit per enum hd_lua_callback
  char **texts;        // owned
  size_t text_count;
};

enum hd_lua_view { HD_LUA_VIEW_MARKET, HD_LUA_VIEW_TICK, HD_LUA_VIEW_BAR, HD_LUA_VIEW_EXECUTION, HD_LUA_VIEW_ORDER, HD_LUA_VIEWS };

struct hd_lua_instance;

// What a view object shows: shown[number] of its group.
struct hd_lua_shown {
  struct hd_lua_group *group;
  uint32_t number;
};

struct hd_lua_group {
  struct hd_lua_sandbox box;
  const struct hd_lua_script *script;
  struct hd_lua_instance *current;     // whose callback is running; NULL: none
  const void *shown[HD_LUA_VIEWS];     // what the views show in this callback; NULL: nothing
  struct hd_lua_shown shows[HD_LUA_VIEWS];
  int chunk;                           // registry: the compiled text
  int views[HD_LUA_VIEWS];             // registry: the view objects
  int sides[3], states[5];             // registry: names of enum hadron_side, hadron_market_state
  uint32_t instance_count;
  uint32_t arm;
  const void *family;                  // instances of another one never share a state with these
  char owner[HD_INSTANCE_NAME_SIZE];
  struct hd_lua_group *next;
};

struct hd_lua_instance {
  struct hd_lua_group *group;
  const struct hd_lua_script *script;
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  const struct hadron_timer *timer;       // NULL: not offered
  const struct hadron_features *features; // NULL: not offered
  const struct hadron_log *log;
  const void *self_pointer;  // identity of the script's table
  int self_ref;              // registry
  int callbacks[HD_LUA_CALLBACKS]; // registry; LUA_NOREF
  uint8_t meters[HD_LUA_CALLBACKS]; // hd_lua_meter_of
  uint8_t takes[HD_LUA_CALLBACKS];  // arguments besides self that the function declares: Lua would drop the others
  int32_t fenced;            // code that all calls return; 0: none
  uint32_t instrument;       // the first
  uint32_t instrument_count;
  bool active;
  uint32_t *instruments;
  _Alignas(8) unsigned char values[]; // parameters, at the offsets of the script's rows
};

// script.c. Runs the text in a box of its own and reads what it declares.
int32_t hd_lua_script_open(struct hd_lua_script *script, struct hd_fault *fault);
void hd_lua_script_close(struct hd_lua_script *script);
// Checks that the value on top is a table made by hadron.strategy; raises else.
void hd_lua_script_check(lua_State *L);

// api.c. Adds `hadron` to the environment; raises when out of memory.
void hd_lua_api_add(lua_State *L);
void hd_lua_ta_push(lua_State *L); // lua/ta.c: hadron.ta, read-only
struct hd_lua_group *hd_lua_group_of(lua_State *L); // NULL while a script is being opened

// view.c. Raise when out of memory.
void hd_lua_views_add(struct hd_lua_group *group);
void hd_lua_market_push(lua_State *L, struct hd_lua_group *group, uint32_t instrument);

// pack.c. The value on top as bytes that every run makes alike, and back (pushes it). Raise on failure; pack returns the size.
size_t hd_lua_pack(lua_State *L, void *buffer, size_t capacity);
void hd_lua_unpack(lua_State *L, const void *buffer, size_t size);
// The declared fields of the table on top as their bytes, and back. Raise on failure; pack returns the size.
size_t hd_lua_fields_pack(lua_State *L, const struct hd_lua_script *script, void *buffer, size_t capacity);
void hd_lua_fields_unpack(lua_State *L, const struct hd_lua_script *script, const void *buffer, size_t size);

// instance.c
extern const struct hadron_strategy_api hd_lua_strategy_api; // all callbacks; a script's own has those that it asks for
extern const struct hadron_timer_target hd_lua_timer_target;
int32_t hd_lua_params_changed(void *self);
int32_t hd_lua_state_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size);
int32_t hd_lua_state_load(void *self, uint32_t schema, const void *buffer, uint32_t size);

#endif
