#include "lua/sandbox.h"

#include <lualib.h>
#include <stdarg.h>

#include "base/allocation.h"
#include "base/assert.h"
#include "base/banned.h"
#include "base/random.h"
#include "base/text.h"
#include "hadron/ext/log.h"

#define CALLS_MAX 20000    // nested calls: Lua's own limit counts slots, and a million small frames need more memory than a state has
#define BYTES_PER_STEP 64  // copying that many bytes counts as one instruction
#define COLLECTED_PER_STEP 16 // bytes of the state, where a refused string makes Lua collect all of it; it asks twice
#define FROZEN "hadron.frozen"
static const char frozen_key = 0; // registry: metatable of a script -> its frozen copy

// ---- budget and memory

static void budget_hook(lua_State *L, lua_Debug *ar);

// The hook is put to every instruction: a script that catches the error meets it again at once.
static void budget_overrun(struct hd_lua_sandbox *s) {
  s->overrun = true;
  lua_sethook(s->L, budget_hook, LUA_MASKCOUNT, 1);
}

_Noreturn static void budget_raise(lua_State *L) {
  luaL_error(L, "the instruction budget is used up");
  __builtin_unreachable();
}

void hd_lua_overrun(lua_State *L) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  if (!s->overrun) budget_overrun(s);
  budget_raise(L);
}

void hd_lua_depth_check(lua_State *L) {
  lua_Debug deep;
  if (lua_getstack(L, CALLS_MAX, &deep)) luaL_error(L, "stack overflow: expected at most %d nested calls, found more; does a function call itself without end?", CALLS_MAX);
}

static void budget_hook(lua_State *L, lua_Debug *ar) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  if (!s->overrun) {
    // One instruction copies all extra arguments: f(1, ...) over and over would be quadratic.
    bool many = lua_getlocal(L, ar, -HD_LUA_VARARGS_MAX) != NULL;
    s->left -= HD_LUA_PERIOD;
    if (s->left > 0 && !many) {
      hd_lua_depth_check(L);
      return;
    }
    budget_overrun(s);
  }
  budget_raise(L);
}

void hd_lua_charge(lua_State *L, uint64_t steps) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  if (steps > INT64_MAX / 2) steps = INT64_MAX / 2;
  s->left -= (int64_t)steps;
  if (s->left <= 0) hd_lua_overrun(L);
}

// Copying is work that no instruction counts ("s..s" on long strings), so that bytes are charged here. An allocator cannot raise:
// it moves the hook to the next instruction. Shrinking must always succeed.
static void steps_take(struct hd_lua_sandbox *s, uint64_t steps) {
  if (s->depth == 0) return;
  s->left -= (int64_t)steps;
  if (s->left <= 0 && !s->overrun) budget_overrun(s);
}

static void *sandbox_allocate(void *user, void *block, size_t old_size, size_t size) {
  struct hd_lua_sandbox *s = user;
  size_t had = block ? old_size : 0;
  if (size == 0) {
    free(block);
    s->used -= had;
    return NULL;
  }
  if (size > had) {
    // Why the last allocation was refused: Lua raises LUA_ERRMEM right after it, or lives with it. A refusal makes Lua collect
    // everything and ask again: that work follows the size of the state, and is charged.
    s->too_long = s->used + (size - had) <= s->limits.memory_max && !block && old_size == LUA_TSTRING && size > s->limits.string_max + 64u;
    if (s->too_long) return steps_take(s, s->used / COLLECTED_PER_STEP), NULL;
    if (s->used + (size - had) > s->limits.memory_max) return NULL;
  }
  hd_allocation_note();
  void *grown = realloc(block, size);
  if (!grown) return size <= had ? block : NULL;
  s->used = s->used - had + size;
  if (s->used > s->peak) s->peak = s->used;
  if (size > BYTES_PER_STEP * 4) steps_take(s, size / BYTES_PER_STEP);
  return grown;
}

struct hd_lua_limits hd_lua_limits_filled(const struct hd_lua_limits *limits) {
  struct hd_lua_limits l = limits ? *limits : (struct hd_lua_limits){0};
  if (l.memory_max == 0) l.memory_max = HD_LUA_MEMORY_MAX;
  if (l.instructions_max == 0) l.instructions_max = HD_LUA_INSTRUCTIONS_MAX;
  if (l.start_instructions_max == 0) l.start_instructions_max = HD_LUA_START_INSTRUCTIONS_MAX;
  if (l.string_max == 0) l.string_max = HD_LUA_STRING_MAX;
  return l;
}

// ---- words

void hd_lua_raise(lua_State *L, const char *format, ...) {
  char text[HD_LUA_ERROR_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  luaL_error(L, "%s", text);
  __builtin_unreachable();
}

// "table: 0x55..." differs from run to run, and would carry an address into a decision.
const char *hd_lua_tostring(lua_State *L, int index, size_t *size) {
  int type = lua_type(L, index);
  if (type == LUA_TTABLE && luaL_callmeta(L, index, "__tostring")) {
    if (!lua_isstring(L, -1)) hd_lua_raise(L, "'__tostring' must return a string");
    return lua_tolstring(L, -1, size);
  }
  if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING) return luaL_tolstring(L, index, size);
  lua_pushstring(L, lua_typename(L, type));
  return lua_tolstring(L, -1, size);
}

static int base_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  hd_lua_tostring(L, 1, NULL);
  return 1;
}

static int base_print(lua_State *L) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  int n = lua_gettop(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 1; i <= n; i++) {
    hd_lua_tostring(L, i, NULL);
    if (i > 1) luaL_addchar(&b, ' ');
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  hd_lua_charge(L, 100);
  if (s->world.print) s->world.print(s->world.user, HADRON_LOG_INFO, "SCRIPT_PRINT", lua_tostring(L, -1));
  return 0;
}

// ---- protected calls: an overrun and a lack of memory go through them

// A string past its limit is an error as any other: the state has not run out of anything. The message on top is replaced.
void hd_lua_memory_failed(lua_State *L, int status) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  if (status != LUA_ERRMEM) return;
  if (!s->too_long) {
    s->exhausted = true;
    return;
  }
  if (s->overrun) return;
  lua_pushfstring(L, "expected strings of at most %d bytes, found a longer one; build it in pieces", (int)s->limits.string_max);
  lua_replace(L, -2);
}

static int protected_result(lua_State *L, int status) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  hd_lua_memory_failed(L, status);
  if (status != LUA_OK && (s->overrun || s->exhausted)) return lua_error(L);
  lua_pushboolean(L, status == LUA_OK);
  lua_insert(L, 1);
  return lua_gettop(L);
}

static int base_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  return protected_result(L, lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0));
}

// The script's handler (upvalue) is passed over once the budget is used up: an overrun is raised from within the hook, where Lua runs
// no hooks, so that a loop in the handler would never end.
static int handler_run(lua_State *L) {
  if (hd_lua_sandbox_of(L)->overrun) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int base_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handler_run, 1);
  lua_replace(L, 2);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_replace(L, 1); // handler, handler, args..., function
  lua_replace(L, 2); // handler, function, args...
  int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 1);
  lua_remove(L, 1);
  return protected_result(L, status);
}

// ---- metatables: a script's metatable is copied once, with the fields on this list; what it does to its own later has no effect

static const char *const metafields[] = {"__index", "__newindex", "__call", "__tostring", "__len", "__eq", "__lt", "__le", "__concat", "__unm", "__add",
                                         "__sub", "__mul", "__div", "__mod", "__pow", "__idiv", "__band", "__bor", "__bxor", "__bnot", "__shl", "__shr"};

static void metatable_check(lua_State *L, int index) {
  static const char *const refused[] = {"__gc", "__close", "__mode", "__metatable", "__pairs", "__name"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    lua_pushstring(L, refused[i]);
    if (lua_rawget(L, index) != LUA_TNIL) hd_lua_raise(L, "setmetatable: %s is not allowed here", refused[i]);
    lua_pop(L, 1);
  }
}

static void metatable_freeze(lua_State *L, int index) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &frozen_key);
  lua_pushvalue(L, index);
  if (lua_rawget(L, -2) == LUA_TTABLE) {
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  metatable_check(L, index);
  lua_pushliteral(L, "__call"); // a table here would be called in its turn: Lua follows such a chain without end, and without a hook
  int call = lua_rawget(L, index);
  if (call != LUA_TNIL && call != LUA_TFUNCTION) hd_lua_raise(L, "setmetatable: __call: expected a function, found a %s", luaL_typename(L, -1));
  lua_pop(L, 1);
  lua_createtable(L, 0, 4);
  for (size_t i = 0; i < sizeof metafields / sizeof *metafields; i++) {
    lua_pushstring(L, metafields[i]);
    if (lua_rawget(L, index) == LUA_TNIL) lua_pop(L, 1);
    else lua_setfield(L, -2, metafields[i]);
  }
  lua_pushvalue(L, index); // getmetatable gives back what the script had set
  lua_setfield(L, -2, FROZEN);
  lua_pushvalue(L, index);
  lua_pushvalue(L, -2);
  lua_rawset(L, -4);
  lua_remove(L, -2);
}

static int base_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, lua_istable(L, 2) || lua_isnil(L, 2), 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) hd_lua_raise(L, "cannot change a protected metatable");
  if (lua_isnil(L, 2)) lua_pushnil(L);
  else metatable_freeze(L, 2);
  lua_setmetatable(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int base_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (lua_type(L, 1) != LUA_TTABLE || !lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) lua_pushnil(L);
  else lua_getfield(L, -1, FROZEN);
  return 1;
}

static int base_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) hd_lua_raise(L, "rawset: this table is read-only");
  lua_rawset(L, 1);
  return 1;
}

// ---- pairs and next: the order of a hash table depends on a seed that differs from run to run; this order does not

static int key_rank(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TNUMBER: return 1;
  case LUA_TSTRING: return 2;
  case LUA_TBOOLEAN: return 3;
  default: hd_lua_raise(L, "a key that is a %s has no order that every run repeats; use numbers, strings or booleans as keys", luaL_typename(L, index));
  }
}

// -1, 0, 1, as memcmp.
static int key_compare(lua_State *L, int a, int b) {
  int rank_a = key_rank(L, a), rank_b = key_rank(L, b);
  if (rank_a != rank_b) return rank_a < rank_b ? -1 : 1;
  if (rank_a == 1) return lua_rawequal(L, a, b) ? 0 : lua_compare(L, a, b, LUA_OPLT) ? -1 : 1;
  if (rank_a == 3) return lua_toboolean(L, a) - lua_toboolean(L, b);
  size_t size_a, size_b;
  const char *text_a = lua_tolstring(L, a, &size_a), *text_b = lua_tolstring(L, b, &size_b);
  int order = memcmp(text_a, text_b, size_a < size_b ? size_a : size_b);
  return order ? order : size_a < size_b ? -1 : size_a > size_b;
}

// One step of a merge sort: two sorted runs of `from` become one of `to`.
static void keys_merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer middle, lua_Integer high) {
  lua_Integer a = low, b = middle;
  for (lua_Integer i = low; i < high; i++) {
    bool left = a < middle;
    if (left && b < high) {
      lua_rawgeti(L, from, a + 1);
      lua_rawgeti(L, from, b + 1);
      left = key_compare(L, lua_gettop(L) - 1, lua_gettop(L)) <= 0;
      lua_pop(L, 2);
    }
    lua_rawgeti(L, from, left ? ++a : ++b);
    lua_rawseti(L, to, i + 1);
  }
}

void hd_lua_keys(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 12, "keys");
  lua_newtable(L);
  int from = lua_gettop(L);
  lua_Integer n = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    key_rank(L, lua_gettop(L));
    lua_pushvalue(L, -1);
    lua_rawseti(L, from, ++n);
    if (n % 256 == 0) hd_lua_charge(L, 256);
  }
  lua_createtable(L, n < 64 ? (int)n : 64, 0);
  int to = lua_gettop(L);
  for (lua_Integer width = 1; width < n; width *= 2) {
    hd_lua_charge(L, (uint64_t)n * 3);
    for (lua_Integer low = 0; low < n; low += 2 * width) {
      lua_Integer middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
      keys_merge(L, from, to, low, middle, high);
    }
    int other = from;
    from = to, to = other;
  }
  lua_pushvalue(L, from);
  lua_replace(L, from < to ? from : to);
  lua_settop(L, from < to ? from : to);
}

// Upvalues: keys, position. A key that went away meanwhile is passed over.
static int pairs_step(lua_State *L) {
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(2));
  for (;;) {
    hd_lua_charge(L, 1);
    if (lua_rawgeti(L, lua_upvalueindex(1), ++at) == LUA_TNIL) return 1;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) != LUA_TNIL) break;
    lua_pop(L, 2);
  }
  lua_pushinteger(L, at);
  lua_replace(L, lua_upvalueindex(2));
  return 2;
}

static int base_pairs(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  hd_lua_keys(L, 1);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, pairs_step, 2);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

// The smallest key above the given one, by a walk over all of them.
static int base_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  lua_pushnil(L); // 3: the best so far
  lua_pushnil(L);
  uint64_t n = 0;
  while (lua_next(L, 1)) {
    lua_pop(L, 1);
    if (++n % 64 == 0) hd_lua_charge(L, 64);
    key_rank(L, 4);
    if ((lua_isnil(L, 2) || key_compare(L, 4, 2) > 0) && (lua_isnil(L, 3) || key_compare(L, 4, 3) < 0)) {
      lua_pushvalue(L, 4);
      lua_replace(L, 3);
    }
  }
  lua_settop(L, 3);
  if (lua_isnil(L, 3)) return 1;
  lua_pushvalue(L, 3);
  lua_rawget(L, 1);
  return 2;
}

// ---- math.random

static uint64_t random_next(struct hd_lua_sandbox *s) {
  if (s->world.random) return s->world.random(s->world.user);
  return hd_random_mix(s->stream += UINT64_C(0x9e3779b97f4a7c15));
}

static int math_random(lua_State *L) {
  uint64_t number = random_next(hd_lua_sandbox_of(L));
  if (lua_gettop(L) == 0) {
    lua_pushnumber(L, (double)(number >> 11) * 0x1.0p-53);
    return 1;
  }
  lua_Integer low = lua_gettop(L) == 1 ? 1 : luaL_checkinteger(L, 1);
  lua_Integer high = luaL_checkinteger(L, lua_gettop(L) == 1 ? 1 : 2);
  luaL_argcheck(L, low <= high, 1, "interval is empty");
  uint64_t span = (uint64_t)high - (uint64_t)low + 1; // 0: all 2^64
  uint64_t drawn = span == 0 ? number : (uint64_t)(((unsigned __int128)number * span) >> 64);
  lua_pushinteger(L, (lua_Integer)((uint64_t)low + drawn));
  return 1;
}

// ---- the environment

static int lock_write(lua_State *L) {
  const char *name = lua_tostring(L, lua_upvalueindex(1));
  hd_lua_tostring(L, 2, NULL);
  const char *key = lua_tostring(L, -1);
  if (strcmp(name, "_ENV") == 0)
    hd_lua_raise(L, "global '%s' may not be written: declare it local, or keep it in self", key);
  hd_lua_raise(L, "%s.%s may not be written: %s is read-only", name, key, name);
}

void hd_lua_lock(lua_State *L, const char *name) {
  int table = lua_gettop(L);
  lua_newtable(L); // the view: always empty, so that every write meets __newindex
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, table);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_pushcclosure(L, lock_write, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_replace(L, table);
}

static const luaL_Reg base_own[] = {{"tostring", base_tostring}, {"print", base_print}, {"pcall", base_pcall}, {"xpcall", base_xpcall},
                                    {"setmetatable", base_setmetatable}, {"getmetatable", base_getmetatable}, {"rawset", base_rawset},
                                    {"pairs", base_pairs}, {"next", base_next}, {NULL, NULL}};

// Lua's own functions that are safe as they are.
static const char *const base_allowed[] = {"assert", "error", "ipairs", "rawequal", "rawget", "rawlen", "select", "tonumber", "type", NULL};
static const char *const math_allowed[] = {"abs", "ceil", "floor", "max", "min", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "exp", "log", "fmod",
                                           "modf", "tointeger", "type", "ult", "huge", "pi", "maxinteger", "mininteger", NULL};

// Copies the allowed names from the table on top of the stack into the one below, and pops it.
static void take_allowed(lua_State *L, const char *const *names) {
  for (; *names; names++) {
    lua_getfield(L, -1, *names);
    lua_setfield(L, -3, *names);
  }
  lua_pop(L, 1);
}

static int environment_build(lua_State *L) {
  lua_newtable(L); // the real environment
  lua_pushcfunction(L, luaopen_base);
  lua_call(L, 0, 1);
  take_allowed(L, base_allowed);
  luaL_setfuncs(L, base_own, 0);

  lua_newtable(L);
  lua_pushcfunction(L, luaopen_math);
  lua_call(L, 0, 1);
  take_allowed(L, math_allowed);
  lua_pushcfunction(L, math_random);
  lua_setfield(L, -2, "random");
  hd_lua_lock(L, "math");
  lua_setfield(L, -2, "math");

  hd_lua_text_push(L);
  lua_pushliteral(L, ""); // methods of strings: ("x"):rep(3)
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  hd_lua_lock(L, "string");
  lua_setfield(L, -2, "string");

  hd_lua_tables_push(L);
  hd_lua_lock(L, "table");
  lua_setfield(L, -2, "table");

  lua_newtable(L); // frozen metatables live as long as the script's own
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &frozen_key);

  hd_lua_lock(L, "_ENV");
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  return 0;
}

static int sandbox_panic(lua_State *L) {
  hd_assert_fail(lua_tostring(L, -1) ? lua_tostring(L, -1) : "an error outside of a protected call", __FILE__, __LINE__);
}

int32_t hd_lua_sandbox_open(struct hd_lua_sandbox *s, const struct hd_lua_limits *limits, struct hd_fault *fault) {
  *s = (struct hd_lua_sandbox){.limits = hd_lua_limits_filled(limits)};
  s->L = lua_newstate(sandbox_allocate, s);
  if (!s->L) return hd_fault_set(fault, HADRON_ERR_MEMORY, "lua: no memory for a new state within %llu bytes; raise lua.memory_max", (unsigned long long)s->limits.memory_max);
  *(struct hd_lua_sandbox **)lua_getextraspace(s->L) = s;
  lua_atpanic(s->L, sandbox_panic);
  lua_pushcfunction(s->L, environment_build);
  if (lua_pcall(s->L, 0, 0, 0) == LUA_OK) return HADRON_OK;
  hd_fault_set(fault, HADRON_ERR_MEMORY, "lua: the environment could not be built within %llu bytes: %s; raise lua.memory_max",
               (unsigned long long)s->limits.memory_max, lua_tostring(s->L, -1));
  hd_lua_sandbox_close(s);
  return HADRON_ERR_MEMORY;
}

void hd_lua_sandbox_close(struct hd_lua_sandbox *s) {
  if (!s->L) return;
  lua_sethook(s->L, NULL, 0, 0);
  s->depth = 0;
  lua_close(s->L);
  s->L = NULL;
  HD_ASSERT(s->used == 0);
}

static int set_raw(lua_State *L) { // name, value
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_getmetatable(L, -1);
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_rawset(L, -3);
  return 0;
}

void hd_lua_sandbox_set(struct hd_lua_sandbox *s, const char *name) {
  lua_pushcfunction(s->L, set_raw);
  lua_pushstring(s->L, name);
  lua_pushvalue(s->L, -3);
  lua_call(s->L, 2, 0);
  lua_pop(s->L, 1);
}

// ---- loading and calling

// The line of an attribute <close>, which would run code while an error unwinds; 0 if there is none. Strings and comments are not
// told apart: a false alarm costs its author one word.
static int close_line(const char *text, size_t size) {
  int line = 1;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\n') line++;
    if (text[i] != '<') continue;
    size_t j = i + 1;
    while (j < size && (text[j] == ' ' || text[j] == '\t' || text[j] == '\n' || text[j] == '\r')) j++;
    if (j + 5 > size || memcmp(text + j, "close", 5) != 0) continue;
    for (j += 5; j < size && (text[j] == ' ' || text[j] == '\t' || text[j] == '\n' || text[j] == '\r'); j++) {}
    if (j < size && text[j] == '>') return line;
  }
  return 0;
}

struct load_call {
  const char *name, *text;
  size_t size;
};

static int load_protected(lua_State *L) {
  const struct load_call *call = lua_touserdata(L, 1);
  lua_pushfstring(L, "=%s", call->name);
  if (luaL_loadbufferx(L, call->text, call->size, lua_tostring(L, -1), "t") != LUA_OK) return lua_error(L);
  return 1;
}

int32_t hd_lua_text_check(const char *name, const char *text, size_t size, struct hd_fault *fault) {
  const char *bad = memchr(text, 0x1b, size);
  if (bad) return hd_fault_set(fault, HADRON_ERR_SCRIPT, "%s: expected Lua text, found byte 0x1b at offset %zu, which begins precompiled code; use the source", name, (size_t)(bad - text));
  bad = memchr(text, 0, size);
  if (bad) return hd_fault_set(fault, HADRON_ERR_SCRIPT, "%s: expected Lua text, found a NUL byte at offset %zu; save it as plain text", name, (size_t)(bad - text));
  int line = close_line(text, size);
  if (line) return hd_fault_set(fault, HADRON_ERR_SCRIPT, "%s:%d: expected no attribute <close>, found one; finish what is open at the end of the block instead", name, line);
  return HADRON_OK;
}

int32_t hd_lua_sandbox_load(struct hd_lua_sandbox *s, const char *name, const char *text, size_t size, struct hd_fault *fault) {
  int32_t err = hd_lua_text_check(name, text, size, fault);
  if (err) return err;
  struct load_call call = {name, text, size};
  lua_pushcfunction(s->L, load_protected);
  lua_pushlightuserdata(s->L, &call);
  err = hd_lua_sandbox_call(s, 1, 1, s->limits.start_instructions_max);
  return err ? hd_fault_set(fault, err, "%s", s->error) : HADRON_OK;
}

// Takes the error value off the stack. An error that is a table has no words of its own.
static int32_t call_failed(struct hd_lua_sandbox *s, int status) {
  size_t size = 0;
  const char *text = lua_type(s->L, -1) == LUA_TSTRING ? lua_tolstring(s->L, -1, &size) : NULL;
  bool too_long = status == LUA_ERRMEM && s->too_long; // no new string here: this call is not protected
  if (status == LUA_ERRMEM && !too_long) s->exhausted = true;
  if (s->overrun) hd_text_copy(s->error, sizeof s->error, text && !too_long ? text : "the instruction budget is used up");
  else if (too_long) snprintf(s->error, sizeof s->error, "expected strings of at most %u bytes, found a longer one; build it in pieces", s->limits.string_max);
  else if (text) hd_text_copy(s->error, sizeof s->error, text);
  else snprintf(s->error, sizeof s->error, "the script raised an error that is a %s, not a text", luaL_typename(s->L, -1));
  hd_text_printable(s->error);
  lua_pop(s->L, 1);
  return s->exhausted ? HADRON_ERR_MEMORY : s->overrun ? HADRON_ERR_BUDGET : HADRON_ERR_SCRIPT;
}

int32_t hd_lua_sandbox_ended(struct hd_lua_sandbox *s, int status, int results) {
  s->depth = 0;
  lua_sethook(s->L, NULL, 0, 0);
  if (status == LUA_OK && !s->overrun) return HADRON_OK;
  if (status == LUA_OK) { // it ended between two instructions after an allocation had used up the budget
    lua_settop(s->L, lua_gettop(s->L) - results);
    lua_pushnil(s->L);
  }
  return call_failed(s, status);
}

int32_t hd_lua_sandbox_call(struct hd_lua_sandbox *s, int arguments, int results, uint64_t instructions) {
  HD_ASSERT(s->L != NULL && s->depth == 0);
  s->left = instructions < INT64_MAX ? (int64_t)instructions : INT64_MAX;
  s->overrun = s->metered = false;
  s->depth = 1;
  lua_sethook(s->L, budget_hook, LUA_MASKCOUNT, HD_LUA_PERIOD);
  return hd_lua_sandbox_ended(s, lua_pcall(s->L, arguments, results, 0), results);
}
