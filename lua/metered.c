// Texts with a meter (lua/meter.h) in their box. The counter is one upvalue that all functions of a state share; who calls a function
// from outside gives it the first steps, and the text asks for the rest here.
#include <stdlib.h>

#include "base/assert.h"
#include "base/banned.h"
#include "lua/meter.h"
#include "lua/sandbox.h"

#define UNWATCHED (INT64_MAX / 2) // steps where the hook counts

static int64_t slice_of(int64_t left) { return left < HD_LUA_PERIOD ? left : HD_LUA_PERIOD; }

// The counter, below 0 but for functions with extra arguments; these arguments. Gives what the counter becomes.
static int meter_more(lua_State *L) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  int extra = lua_gettop(L) - 1;
  lua_Integer rest = lua_tointeger(L, 1) - extra;
  if (!s->metered && rest < 0) rest = UNWATCHED;
  if (s->metered && extra >= HD_LUA_VARARGS_MAX) hd_lua_overrun(L); // f(1, ...) over and over would be quadratic
  if (rest < 0) {
    s->left -= s->slice - rest;
    if (s->left <= 0) hd_lua_overrun(L);
    hd_lua_depth_check(L);
    rest = s->slice = slice_of(s->left);
  }
  lua_pushinteger(L, rest);
  return 1;
}

static int upvalue_find(lua_State *L, int function, const char *name) {
  const char *found;
  for (int i = 1; (found = lua_getupvalue(L, function, i)) != NULL; i++) {
    lua_pop(L, 1);
    if (strcmp(found, name) == 0) return i;
  }
  return 0;
}

// Pushes the function that holds the counter.
static void counter_push(lua_State *L, struct hd_lua_sandbox *s) {
  if (!s->meter) {
    if (luaL_loadstring(L, "local left = 0 return function() return left end") != LUA_OK) lua_error(L);
    lua_call(L, 0, 1);
    s->meter = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->meter);
}

// The woven text's function, with the state's counter; nothing is pushed if Lua does not take the text: the woven code needs a
// register and two upvalues, of which a very large function may have none left.
static bool woven_push(lua_State *L, const char *name, const char *text, size_t size) {
  int status = luaL_loadbufferx(L, text, size, name, "t");
  if (status == LUA_ERRSYNTAX) return lua_pop(L, 1), false;
  if (status != LUA_OK) lua_error(L);
  lua_call(L, 0, 1);
  int function = lua_gettop(L), left = upvalue_find(L, function, HD_METER_LEFT), more = upvalue_find(L, function, HD_METER_MORE);
  if (left) {
    counter_push(L, hd_lua_sandbox_of(L));
    lua_upvaluejoin(L, function, left, function + 1, 1);
    lua_pop(L, 1);
  }
  if (more) {
    lua_pushcfunction(L, meter_more);
    lua_setupvalue(L, function, more);
  }
  return true;
}

void hd_lua_metered_push(lua_State *L, const struct hd_lua_text *w) {
  lua_pushfstring(L, "=%s", w->name);
  if (luaL_loadbufferx(L, w->text, w->size, lua_tostring(L, -1), "t") != LUA_OK) lua_error(L); // Lua's words are about the author's text
  if (w->woven && woven_push(L, lua_tostring(L, -2), w->woven, w->woven_size)) lua_remove(L, -2);
  lua_remove(L, -2);
}

static int metered_protected(lua_State *L) {
  hd_lua_metered_push(L, lua_touserdata(L, 1));
  return 1;
}

int32_t hd_lua_sandbox_load_metered(struct hd_lua_sandbox *s, const char *name, const char *text, size_t size, struct hd_fault *fault) {
  int32_t err = hd_lua_text_check(name, text, size, fault);
  if (err) return err;
  struct hd_lua_text w = {.name = name, .text = text, .size = size};
  char *woven = hd_meter_weave(text, size, &w.woven_size);
  w.woven = woven;
  lua_pushcfunction(s->L, metered_protected);
  lua_pushlightuserdata(s->L, &w);
  err = hd_lua_sandbox_call(s, 1, 1, s->limits.start_instructions_max);
  free(woven);
  return err ? hd_fault_set(fault, err, "%s", s->error) : HADRON_OK;
}

int hd_lua_meter_of(lua_State *L, int index) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  index = lua_absindex(L, index);
  int meter = s->meter && lua_isfunction(L, index) && !lua_iscfunction(L, index) ? upvalue_find(L, index, HD_METER_LEFT) : 0;
  if (!meter) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->meter);
  bool same = lua_upvalueid(L, index, meter) == lua_upvalueid(L, -1, 1);
  lua_pop(L, 1);
  return same ? meter : 0;
}

int32_t hd_lua_sandbox_call_metered(struct hd_lua_sandbox *s, int meter, int arguments, int results, uint64_t instructions) {
  if (!meter) return hd_lua_sandbox_call(s, arguments, results, instructions);
  HD_ASSERT(s->L != NULL && s->depth == 0);
  s->left = instructions < INT64_MAX ? (int64_t)instructions : INT64_MAX;
  s->overrun = false;
  s->metered = true;
  s->depth = 1;
  lua_pushinteger(s->L, s->slice = slice_of(s->left));
  lua_setupvalue(s->L, -arguments - 2, meter);
  int status = lua_pcall(s->L, arguments, results, 0);
  s->depth = 0;
  return __builtin_expect(status == LUA_OK && !s->overrun, 1) ? HADRON_OK : hd_lua_sandbox_ended(s, status, results);
}
