// Saved state of a script: a Lua value as bytes. Tables are written with their keys in order, so that the same state gives the same
// bytes in every run; what is read may be hostile, so that every size is checked against what is left.
#include "base/banned.h"
#include "lua/script.h"

#define DEPTH_MAX 32

struct writer {
  unsigned char *to;
  size_t used, capacity;
};

static void put(lua_State *L, struct writer *w, const void *bytes, size_t size) {
  hd_lua_charge(L, 2 + size / 16);
  if (w->capacity - w->used < size) hd_lua_raise(L, "save: expected at most %zu bytes, found more; raise state_max in the script", w->capacity);
  memcpy(w->to + w->used, bytes, size);
  w->used += size;
}

static void put_value(lua_State *L, struct writer *w, int index, int depth);

static void put_table(lua_State *L, struct writer *w, int index, int depth) {
  if (depth == DEPTH_MAX) hd_lua_raise(L, "save: expected at most %d levels of tables, found more; does a table contain itself?", DEPTH_MAX);
  luaL_checkstack(L, 8, "save");
  hd_lua_keys(L, index);
  int keys = lua_gettop(L);
  uint32_t count = (uint32_t)lua_rawlen(L, keys);
  put(L, w, "{", 1);
  put(L, w, &count, sizeof count);
  for (uint32_t i = 1; i <= count; i++) {
    lua_rawgeti(L, keys, i);
    put_value(L, w, keys + 1, depth + 1);
    lua_rawget(L, index);
    put_value(L, w, keys + 1, depth + 1);
    lua_settop(L, keys);
  }
  lua_settop(L, keys - 1);
}

static void put_value(lua_State *L, struct writer *w, int index, int depth) {
  size_t size;
  switch (lua_type(L, index)) {
  case LUA_TNIL: put(L, w, "n", 1); return;
  case LUA_TBOOLEAN: put(L, w, lua_toboolean(L, index) ? "t" : "f", 1); return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) {
      lua_Integer i = lua_tointeger(L, index);
      put(L, w, "i", 1);
      put(L, w, &i, sizeof i);
    } else {
      lua_Number d = lua_tonumber(L, index);
      put(L, w, "d", 1);
      put(L, w, &d, sizeof d);
    }
    return;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, index, &size);
    uint32_t length = (uint32_t)size;
    put(L, w, "s", 1);
    put(L, w, &length, sizeof length);
    put(L, w, text, size);
    return;
  }
  case LUA_TTABLE: put_table(L, w, index, depth); return;
  default: hd_lua_raise(L, "save: expected plain data, found a %s", luaL_typename(L, index));
  }
}

size_t hd_lua_pack(lua_State *L, void *buffer, size_t capacity) {
  struct writer w = {buffer, 0, capacity};
  put_value(L, &w, lua_gettop(L), 0);
  return w.used;
}

struct source {
  const unsigned char *at;
  size_t left;
};

static void take(lua_State *L, struct source *s, void *to, size_t size) {
  hd_lua_charge(L, 2);
  if (s->left < size) hd_lua_raise(L, "load: the saved state is cut short");
  memcpy(to, s->at, size);
  s->at += size;
  s->left -= size;
}

static void take_value(lua_State *L, struct source *s, int depth);

static void take_table(lua_State *L, struct source *s, int depth) {
  uint32_t count;
  take(L, s, &count, sizeof count);
  if (depth == DEPTH_MAX || count > s->left / 2) hd_lua_raise(L, "load: the saved state is damaged");
  luaL_checkstack(L, 8, "load");
  lua_newtable(L);
  for (uint32_t i = 0; i < count; i++) {
    take_value(L, s, depth + 1);
    if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1))) hd_lua_raise(L, "load: the saved state is damaged");
    take_value(L, s, depth + 1);
    lua_rawset(L, -3);
  }
}

static void take_value(lua_State *L, struct source *s, int depth) {
  char tag;
  lua_Integer i;
  lua_Number d;
  uint32_t size;
  take(L, s, &tag, 1);
  switch (tag) {
  case 'n': lua_pushnil(L); return;
  case 't': lua_pushboolean(L, 1); return;
  case 'f': lua_pushboolean(L, 0); return;
  case 'i': take(L, s, &i, sizeof i), lua_pushinteger(L, i); return;
  case 'd': take(L, s, &d, sizeof d), lua_pushnumber(L, d); return;
  case 's':
    take(L, s, &size, sizeof size);
    if (size > s->left) hd_lua_raise(L, "load: the saved state is cut short");
    lua_pushlstring(L, (const char *)s->at, size);
    s->at += size;
    s->left -= size;
    return;
  case '{': take_table(L, s, depth); return;
  default: hd_lua_raise(L, "load: the saved state is damaged");
  }
}

void hd_lua_unpack(lua_State *L, const void *buffer, size_t size) {
  struct source s = {buffer, size};
  take_value(L, &s, 0);
  if (s.left) hd_lua_raise(L, "load: the saved state has %zu bytes too many", s.left);
}

// ---- declared fields

// The value of the field on top of the stack, as its type says; whole numbers must be whole.
static void field_put(lua_State *L, const struct hd_lua_field *f, unsigned char *to) {
  int whole = 0;
  lua_Integer i = lua_tointegerx(L, -1, &whole);
  lua_Number d = lua_tonumber(L, -1);
  int32_t narrow = (int32_t)i;
  bool fits = f->type == HD_LUA_FIELD_BOOL ? lua_isboolean(L, -1) : lua_type(L, -1) == LUA_TNUMBER && (f->type == HD_LUA_FIELD_DOUBLE || whole);
  if (!fits || (f->type == HD_LUA_FIELD_INT32 && narrow != i)) hd_lua_raise(L, "state: field \"%s\": its value does not fit the declared type; found a %s", f->name, luaL_typename(L, -1));
  switch (f->type) {
  case HD_LUA_FIELD_INT64: memcpy(to, &i, 8); return;
  case HD_LUA_FIELD_INT32: memcpy(to, &narrow, 4); return;
  case HD_LUA_FIELD_DOUBLE: memcpy(to, &d, 8); return;
  default: *to = (unsigned char)lua_toboolean(L, -1); return;
  }
}

size_t hd_lua_fields_pack(lua_State *L, const struct hd_lua_script *script, void *buffer, size_t capacity) {
  size_t used = 0;
  for (uint32_t k = 0; k < script->field_count; k++) {
    const struct hd_lua_field *f = &script->fields[k];
    if (capacity - used < f->size) hd_lua_raise(L, "state: expected room for all fields, found %zu bytes", capacity);
    lua_getfield(L, -1, f->name);
    field_put(L, f, (unsigned char *)buffer + used);
    lua_pop(L, 1);
    used += f->size;
  }
  return used;
}

static void field_push(lua_State *L, const struct hd_lua_field *f, const unsigned char *from) {
  int64_t i;
  int32_t narrow;
  double d;
  switch (f->type) {
  case HD_LUA_FIELD_INT64: memcpy(&i, from, 8), lua_pushinteger(L, i); return;
  case HD_LUA_FIELD_INT32: memcpy(&narrow, from, 4), lua_pushinteger(L, narrow); return;
  case HD_LUA_FIELD_DOUBLE: memcpy(&d, from, 8), lua_pushnumber(L, d); return;
  default:
    if (*from > 1) hd_lua_raise(L, "load: field \"%s\": expected true or false, found byte %d", f->name, *from);
    lua_pushboolean(L, *from);
    return;
  }
}

void hd_lua_fields_unpack(lua_State *L, const struct hd_lua_script *script, const void *buffer, size_t size) {
  size_t used = 0, all = 0;
  for (uint32_t k = 0; k < script->field_count; k++) all += script->fields[k].size;
  if (size != all) hd_lua_raise(L, "load: expected a state of %d bytes, found %d", (int)all, (int)size);
  for (uint32_t k = 0; k < script->field_count; k++) {
    field_push(L, &script->fields[k], (const unsigned char *)buffer + used);
    lua_setfield(L, -2, script->fields[k].name);
    used += script->fields[k].size;
  }
}
