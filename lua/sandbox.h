// The box that every Lua text of the host runs in: scripts of strategies and configuration files alike. An environment built from an
// empty table by an allow-list, text only, a cap on memory, a budget of instructions and steps that no pcall can outlive, and
// nothing whose result depends on an address, on the clock or on the order of a hash table.
//
// takes  a text; limits; a source of time, randomness and lines to print
// bound  limits  full  the call ends with HADRON_ERR_BUDGET or HADRON_ERR_MEMORY; after either, the box takes no more calls of that caller
// thread one at a time, any
#ifndef HD_LUA_SANDBOX_H
#define HD_LUA_SANDBOX_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

// 0 in a field: the default.
struct hd_lua_limits {
  uint64_t memory_max;             // bytes of one Lua state
  uint64_t instructions_max;       // per callback: steps, about one per instruction; C functions charge for their steps, allocations for their bytes
  uint64_t start_instructions_max; // running a text from the top, and on_start, save and load
  uint32_t string_max;             // bytes of one string
};

#define HD_LUA_MEMORY_MAX (UINT64_C(64) << 20)
#define HD_LUA_INSTRUCTIONS_MAX UINT64_C(200000)
#define HD_LUA_START_INSTRUCTIONS_MAX UINT64_C(5000000)
#define HD_LUA_STRING_MAX (64u << 10)
#define HD_LUA_ERROR_SIZE 480

struct hd_lua_limits hd_lua_limits_filled(const struct hd_lua_limits *limits); // NULL: all defaults

// Where time, randomness and printed lines come from. All may be NULL: time 0, a fixed random stream, lines dropped.
struct hd_lua_world {
  void *user;
  int64_t (*now)(void *user);
  uint64_t (*random)(void *user);
  void (*print)(void *user, uint32_t level, const char *id, const char *text);
};

struct hd_lua_sandbox {
  lua_State *L; // NULL: not open
  struct hd_lua_limits limits;
  struct hd_lua_world world;
  uint64_t used, peak;  // bytes
  int64_t left;         // of the budget of the call in progress
  uint32_t depth;       // of nested protected calls
  bool overrun;         // the budget is used up: raised again at every instruction until the call has ended
  bool too_long;        // the last allocation that was refused was of a string past string_max
  bool exhausted;       // memory ran out: the state must be closed
  bool metered;         // the call in progress is watched by its text's meter, not by the hook
  int meter;            // registry: the function whose first upvalue is the meter's counter; 0: none yet
  int64_t slice;        // steps that the counter was last given
  uint64_t stream;      // of random numbers when the world has none
  char error[HD_LUA_ERROR_SIZE]; // of the last call: "file:line: words"
};

// Opens a state with the allowed names. HADRON_ERR_MEMORY.
int32_t hd_lua_sandbox_open(struct hd_lua_sandbox *s, const struct hd_lua_limits *limits, struct hd_fault *fault);
void hd_lua_sandbox_close(struct hd_lua_sandbox *s); // may be called twice

static inline struct hd_lua_sandbox *hd_lua_sandbox_of(lua_State *L) { return *(struct hd_lua_sandbox **)lua_getextraspace(L); }

// Adds a read-only name to the environment: the value on top of the stack, which is popped. A table is locked by hd_lua_lock first.
void hd_lua_sandbox_set(struct hd_lua_sandbox *s, const char *name);
// Replaces the table on top by a read-only view of it; `name` is for the message of a write.
void hd_lua_lock(lua_State *L, const char *name);

// Compiles a text and pushes its function. Precompiled code, NUL bytes and `<close>` are refused. HADRON_ERR_SCRIPT, _MEMORY.
int32_t hd_lua_sandbox_load(struct hd_lua_sandbox *s, const char *name, const char *text, size_t size, struct hd_fault *fault);

// Calls what lies on the stack, as lua_pcall does, within `instructions`. On failure nothing is pushed and `error` has the words.
// HADRON_ERR_SCRIPT, HADRON_ERR_BUDGET, HADRON_ERR_MEMORY.
int32_t hd_lua_sandbox_call(struct hd_lua_sandbox *s, int arguments, int results, uint64_t instructions);

// metered.c. As hd_lua_sandbox_load, for a text whose functions are called often: it is given a meter (lua/meter.h), where it can be.
int32_t hd_lua_sandbox_load_metered(struct hd_lua_sandbox *s, const char *name, const char *text, size_t size, struct hd_fault *fault);
// The same inside of a protected call: pushes the function or raises.
struct hd_lua_text {
  const char *name, *text, *woven; // woven: by hd_meter_weave; NULL: it cannot be
  size_t size, woven_size;
};
void hd_lua_metered_push(lua_State *L, const struct hd_lua_text *text);
// What hd_lua_sandbox_call_metered must know of the function at `index`; 0: it has no meter.
int hd_lua_meter_of(lua_State *L, int index);
// As hd_lua_sandbox_call, for a function that keeps count itself; with meter 0 under the hook.
int32_t hd_lua_sandbox_call_metered(struct hd_lua_sandbox *s, int meter, int arguments, int results, uint64_t instructions);

// Inside of the box: the budget is used up; nested calls are too many; how a protected call ended.
_Noreturn void hd_lua_overrun(lua_State *L);
void hd_lua_depth_check(lua_State *L);
int32_t hd_lua_sandbox_ended(struct hd_lua_sandbox *s, int status, int results);
int32_t hd_lua_text_check(const char *name, const char *text, size_t size, struct hd_fault *fault);
#define HD_LUA_PERIOD 1000       // instructions or steps between two looks at the budget
#define HD_LUA_VARARGS_MAX 1000  // extra arguments of a function

// For C functions that scripts call: takes `steps` from the budget; does not return if there are not that many.
void hd_lua_charge(lua_State *L, uint64_t steps);
// As tostring(), without addresses: pushes and returns a string.
const char *hd_lua_tostring(lua_State *L, int index, size_t *size);
// After a lua_pcall inside of a call: tells a lack of memory, which ends the state, from a string past its limit, which does not.
void hd_lua_memory_failed(lua_State *L, int status);
// Pushes a list {k1, k2, ...} of the keys of the table at `index`: numbers ascending, strings by bytes, then booleans. Raises for others.
void hd_lua_keys(lua_State *L, int index);
// The next file name and line of the running Lua function, as luaL_where.
_Noreturn void hd_lua_raise(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

// lua/text.c, lua/tables.c: push their library tables.
void hd_lua_text_push(lua_State *L);
void hd_lua_tables_push(lua_State *L);
// lua/pattern.c
int hd_lua_find(lua_State *L);
int hd_lua_match(lua_State *L);
int hd_lua_gmatch(lua_State *L);
int hd_lua_gsub(lua_State *L);

#endif
