// The table library, bounded. Its functions take plain tables: a metamethod could make one of them endless, or change the table under
// it. The sort is stable and the same in every run; Lua's own draws its pivots from the clock.
#include "base/banned.h"
#include "lua/sandbox.h"

#define UNPACK_MAX 250 // values

static lua_Integer plain_table(lua_State *L, int index, const char *function) {
  luaL_checktype(L, index, LUA_TTABLE);
  if (lua_getmetatable(L, index)) hd_lua_raise(L, "table.%s: expected a plain table, found one with a metatable", function);
  hd_lua_charge(L, 2);
  return (lua_Integer)lua_rawlen(L, index);
}

static int tables_insert(lua_State *L) {
  lua_Integer n = plain_table(L, 1, "insert");
  if (lua_gettop(L) == 2) {
    lua_rawseti(L, 1, n + 1);
    return 0;
  }
  if (lua_gettop(L) != 3) hd_lua_raise(L, "wrong number of arguments to 'insert'");
  lua_Integer at = luaL_checkinteger(L, 2);
  luaL_argcheck(L, at >= 1 && at <= n + 1, 2, "position out of bounds");
  hd_lua_charge(L, (uint64_t)(n + 1 - at));
  for (lua_Integer i = n + 1; i > at; i--) {
    lua_rawgeti(L, 1, i - 1);
    lua_rawseti(L, 1, i);
  }
  lua_rawseti(L, 1, at);
  return 0;
}

static int tables_remove(lua_State *L) {
  lua_Integer n = plain_table(L, 1, "remove");
  lua_Integer at = luaL_optinteger(L, 2, n);
  if (lua_gettop(L) > 1) luaL_argcheck(L, (n == 0 && (at == 0 || at == n)) || (at >= 1 && at <= n + 1), 2, "position out of bounds");
  hd_lua_charge(L, at < n ? (uint64_t)(n - at) : 0);
  lua_rawgeti(L, 1, at);
  for (; at < n; at++) {
    lua_rawgeti(L, 1, at + 1);
    lua_rawseti(L, 1, at);
  }
  lua_pushnil(L);
  lua_rawseti(L, 1, at);
  return 1;
}

static int tables_concat(lua_State *L) {
  lua_Integer n = plain_table(L, 1, "concat");
  size_t gap;
  const char *between = luaL_optlstring(L, 2, "", &gap);
  lua_Integer from = luaL_optinteger(L, 3, 1), to = luaL_optinteger(L, 4, n);
  const uint32_t most = hd_lua_sandbox_of(L)->limits.string_max;
  size_t size, total = 0;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (lua_Integer i = from; i <= to; i++) {
    hd_lua_charge(L, 2 + gap / 64);
    lua_rawgeti(L, 1, i);
    if (!lua_isstring(L, -1)) hd_lua_raise(L, "table.concat: expected strings and numbers, found a %s at index %lld", luaL_typename(L, -1), (long long)i);
    lua_tolstring(L, -1, &size);
    if ((total += size + gap) > (size_t)most + gap) hd_lua_raise(L, "table.concat: expected a result of at most %u bytes, found more", most);
    luaL_addvalue(&b);
    if (i == to) break;
    luaL_addlstring(&b, between, gap);
  }
  luaL_pushresult(&b);
  return 1;
}

static int tables_unpack(lua_State *L) {
  lua_Integer n = plain_table(L, 1, "unpack");
  lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, n);
  if (from > to) return 0;
  uint64_t count = (uint64_t)to - (uint64_t)from;
  if (count >= UNPACK_MAX) hd_lua_raise(L, "table.unpack: expected at most %d values, found more", UNPACK_MAX);
  hd_lua_charge(L, count);
  luaL_checkstack(L, UNPACK_MAX, "table.unpack");
  for (uint64_t i = 0; i <= count; i++) lua_rawgeti(L, 1, from + (lua_Integer)i);
  return (int)count + 1;
}

static int tables_pack(lua_State *L) {
  int n = lua_gettop(L);
  hd_lua_charge(L, (uint64_t)n);
  lua_createtable(L, n, 1);
  lua_insert(L, 1);
  for (int i = n; i >= 1; i--) lua_rawseti(L, 1, i);
  lua_pushinteger(L, n);
  lua_setfield(L, 1, "n");
  return 1;
}

static int tables_move(lua_State *L) {
  plain_table(L, 1, "move");
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3), at = luaL_checkinteger(L, 4);
  int target = lua_isnoneornil(L, 5) ? 1 : 5;
  plain_table(L, target, "move");
  if (from <= to) {
    luaL_argcheck(L, from > 0 || to < LUA_MAXINTEGER + from, 3, "too many elements to move");
    luaL_argcheck(L, at <= LUA_MAXINTEGER - (to - from), 4, "destination wrap around");
    bool down = at > to || at <= from || target != 1; // else the ranges overlap and the last goes first
    lua_Integer count = to - from + 1;
    for (lua_Integer i = 0; i < count; i++) {
      lua_Integer k = down ? i : count - 1 - i;
      hd_lua_charge(L, 1);
      lua_rawgeti(L, 1, from + k);
      lua_rawseti(L, target, at + k);
    }
  }
  lua_pushvalue(L, target);
  return 1;
}

static bool sort_less(lua_State *L, int a, int b, bool function) {
  if (!function) return lua_compare(L, a, b, LUA_OPLT);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, a);
  lua_pushvalue(L, b);
  lua_call(L, 2, 1);
  bool less = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return less;
}

static void sort_merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer middle, lua_Integer high, bool function) {
  lua_Integer a = low, b = middle;
  for (lua_Integer i = low; i < high; i++) {
    bool left = a < middle;
    if (left && b < high) {
      lua_rawgeti(L, from, a + 1);
      lua_rawgeti(L, from, b + 1);
      left = !sort_less(L, lua_gettop(L), lua_gettop(L) - 1, function); // equal ones keep their order
      lua_pop(L, 2);
    }
    lua_rawgeti(L, from, left ? ++a : ++b);
    lua_rawseti(L, to, i + 1);
  }
}

static void copy(lua_State *L, int from, int to, lua_Integer n) {
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, from, i);
    lua_rawseti(L, to, i);
  }
}

// Works on two copies, so that a comparison that raises, or touches the table, leaves it as it was.
static int tables_sort(lua_State *L) {
  lua_Integer n = plain_table(L, 1, "sort");
  bool function = !lua_isnoneornil(L, 2);
  if (function) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  luaL_checkstack(L, 16, "table.sort");
  hd_lua_charge(L, 2 * (uint64_t)n);
  lua_newtable(L);
  lua_newtable(L);
  int from = 3, to = 4;
  copy(L, 1, from, n);
  for (lua_Integer width = 1; width < n; width *= 2) {
    hd_lua_charge(L, 3 * (uint64_t)n);
    for (lua_Integer low = 0; low < n; low += 2 * width) {
      lua_Integer middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
      sort_merge(L, from, to, low, middle, high, function);
    }
    int other = from;
    from = to, to = other;
  }
  copy(L, from, 1, n);
  return 0;
}

void hd_lua_tables_push(lua_State *L) {
  static const luaL_Reg own[] = {{"insert", tables_insert}, {"remove", tables_remove}, {"concat", tables_concat}, {"unpack", tables_unpack},
                                 {"pack", tables_pack}, {"move", tables_move}, {"sort", tables_sort}, {NULL, NULL}};
  luaL_newlib(L, own);
}
