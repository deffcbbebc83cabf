// The string library: Lua's own where a call is short, bounded versions where it is not.
#include <lualib.h>

#include "base/banned.h"
#include "lua/sandbox.h"

#define BYTES_MAX 256 // values that string.byte gives at once

static int text_rep(lua_State *L) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  size_t size, gap = 0;
  const char *text = luaL_checklstring(L, 1, &size), *between = luaL_optlstring(L, 3, "", &gap);
  lua_Integer n = luaL_checkinteger(L, 2);
  if (n <= 0) return lua_pushliteral(L, ""), 1;
  uint64_t each = (uint64_t)size + gap;
  if (each > 0 && (uint64_t)n > s->limits.string_max / each + 1)
    hd_lua_raise(L, "string.rep: expected a result of at most %u bytes, found %lld times %llu", s->limits.string_max, (long long)n, (unsigned long long)each);
  if (each == 0) return lua_pushliteral(L, ""), 1;
  hd_lua_charge(L, (uint64_t)n);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (lua_Integer i = 0; i < n; i++) {
    luaL_addlstring(&b, text, size);
    if (i + 1 < n) luaL_addlstring(&b, between, gap);
  }
  luaL_pushresult(&b);
  return 1;
}

// The specifications of a format are read here: %p would show an address, and what %s shows must not.
static int text_format(lua_State *L) {
  size_t size, length;
  const char *format = luaL_checklstring(L, 1, &size);
  int argument = 1, top = lua_gettop(L);
  for (size_t i = 0; i < size; i++) {
    if (format[i] != '%') continue;
    i++;
    if (i < size && format[i] == '%') continue;
    i += strspn(format + i, "-+ #0123456789.");
    if (i >= size || ++argument > top) break; // Lua's own words for these
    if (format[i] == 'p') hd_lua_raise(L, "string.format: %%p is not allowed: addresses differ from run to run");
    if (format[i] == 'q' || format[i] == 's') {
      hd_lua_tostring(L, argument, &length);
      hd_lua_charge(L, length / 16);
      if (format[i] == 's') lua_replace(L, argument);
      else lua_pop(L, 1);
    }
    hd_lua_charge(L, 4);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int text_byte(lua_State *L) {
  size_t size;
  luaL_checklstring(L, 1, &size);
  lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, from);
  if (from < 0) from = (lua_Integer)size + from + 1;
  if (to < 0) to = (lua_Integer)size + to + 1;
  if (from < 1) from = 1;
  if (to > (lua_Integer)size) to = (lua_Integer)size;
  if (from > to) return 0;
  if (to - from >= BYTES_MAX) hd_lua_raise(L, "string.byte: expected at most %d bytes at once, found %lld", BYTES_MAX, (long long)(to - from + 1));
  const char *text = lua_tostring(L, 1);
  luaL_checkstack(L, (int)(to - from + 1), "string.byte");
  for (lua_Integer i = from; i <= to; i++) lua_pushinteger(L, (unsigned char)text[i - 1]);
  return (int)(to - from + 1);
}

void hd_lua_text_push(lua_State *L) {
  static const luaL_Reg own[] = {{"rep", text_rep}, {"byte", text_byte}, {"find", hd_lua_find}, {"match", hd_lua_match},
                                 {"gmatch", hd_lua_gmatch}, {"gsub", hd_lua_gsub}, {NULL, NULL}};
  static const char *const allowed[] = {"len", "sub", "upper", "lower", "reverse", "char"};
  luaL_newlib(L, own);
  lua_pushcfunction(L, luaopen_string);
  lua_call(L, 0, 1);
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
    lua_getfield(L, -1, allowed[i]);
    lua_setfield(L, -3, allowed[i]);
  }
  lua_getfield(L, -1, "format");
  lua_pushcclosure(L, text_format, 1);
  lua_setfield(L, -3, "format");
  lua_pop(L, 1);
}
