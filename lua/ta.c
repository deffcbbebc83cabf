// hadron.ta: the text of lua/lib/ta.lua, and what it needs of the host.
#include <pthread.h>

#include "base/banned.h"
#include "lua/meter.h"
#include "lua/script.h"

#define BPS 10000

extern const char hd_lua_ta_text[]; // made from lua/lib/ta.lua

static int64_t whole(lua_State *L, int index, const char *what, int64_t min, int64_t max) {
  if (!lua_isinteger(L, index)) hd_lua_raise(L, "hadron.ta.size_by_risk: %s: expected an integer in the host's units, found a %s", what, lua_type(L, index) == LUA_TNUMBER ? "float" : luaL_typename(L, index));
  int64_t value = lua_tointeger(L, index);
  if (value < min || value > max) hd_lua_raise(L, "hadron.ta.size_by_risk: %s: expected %lld to %lld, found %lld", what, (long long)min, (long long)max, (long long)value);
  return value;
}

// money (1e-6) of risk over price (1e-9) per unit, in 1e-8 units, rounded down to whole lots: the loss at the stop is never above it.
static int ta_size_by_risk(lua_State *L) {
  int64_t cash = whole(L, 1, "cash", 0, INT64_MAX), bps = whole(L, 2, "risk_bps", 1, BPS), lot = whole(L, 5, "lot", 1, INT64_MAX);
  int64_t entry = whole(L, 3, "entry", INT64_MIN, INT64_MAX), stop = whole(L, 4, "stop", INT64_MIN, INT64_MAX);
  if (entry == stop) hd_lua_raise(L, "hadron.ta.size_by_risk: expected a stop away from the entry, found both at %lld", (long long)entry);
  __int128 distance = entry > stop ? (__int128)entry - stop : (__int128)stop - entry;
  // cash * bps / 10000 micros, * 1000 nanos per micro, * 1e8: at most 1e30 of 1.7e38
  __int128 size = (__int128)cash * bps * (HADRON_QUANTITY_SCALE / BPS) * (HADRON_PRICE_SCALE / HADRON_MONEY_SCALE) / distance;
  size -= size % lot;
  if (size > INT64_MAX) hd_lua_raise(L, "hadron.ta.size_by_risk: the size does not fit 64 bits: is the stop too near to the entry?");
  lua_pushinteger(L, (int64_t)size);
  return 1;
}

// methods -> a metatable that getmetatable does not give and setmetatable does not replace
static int ta_seal(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  return 1;
}

static int ta_bless(lua_State *L) {
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static struct hd_lua_text ta_text = {.name = "hadron.ta"};
static pthread_once_t ta_once = PTHREAD_ONCE_INIT;

static void ta_weave(void) {
  ta_text.text = hd_lua_ta_text;
  ta_text.size = strlen(hd_lua_ta_text);
  ta_text.woven = hd_meter_weave(ta_text.text, ta_text.size, &ta_text.woven_size);
}

void hd_lua_ta_push(lua_State *L) {
  pthread_once(&ta_once, ta_weave);
  hd_lua_metered_push(L, &ta_text);
  lua_pushcfunction(L, ta_seal);
  lua_pushcfunction(L, ta_bless);
  lua_pushcfunction(L, ta_size_by_risk);
  lua_call(L, 3, 1);
  hd_lua_lock(L, "hadron.ta");
}
