// Lua's patterns with a bound: each step of the matcher is charged to the budget, so that ("a?"):rep(28) against 28 letters ends as
// any other loop does. Lua's own matcher runs inside one instruction and no hook ever sees it.
#include <ctype.h>

#include "base/banned.h"
#include "lua/sandbox.h"

#define CAPTURES_MAX 32
#define DEPTH_MAX 160
#define OPEN (-1)
#define POSITION (-2)

typedef const unsigned char *bytes;

struct matcher {
  lua_State *L;
  bytes subject, end, pattern_end;
  int depth, captures;
  struct {
    bytes from;
    ptrdiff_t size; // or OPEN, POSITION
  } capture[CAPTURES_MAX];
};

static bytes match_here(struct matcher *m, bytes s, bytes p);

// ---- one character

static bytes item_end(struct matcher *m, bytes p) {
  unsigned char c = *p++;
  if (c == '%') {
    if (p == m->pattern_end) hd_lua_raise(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (c != '[') return p;
  if (p < m->pattern_end && *p == '^') p++;
  do { // a ']' in the first place stands for itself
    if (p == m->pattern_end) hd_lua_raise(m->L, "malformed pattern (missing ']')");
    c = *p++;
    if (c == '%') {
      if (p == m->pattern_end) hd_lua_raise(m->L, "malformed pattern (missing ']')");
      p++;
    }
  } while (p == m->pattern_end || *p != ']');
  return p + 1;
}

static bool class_has(int c, int class) {
  static const struct {
    char letter;
    int (*is)(int);
  } classes[] = {{'a', isalpha}, {'c', iscntrl}, {'d', isdigit}, {'g', isgraph}, {'l', islower}, {'p', ispunct},
                 {'s', isspace}, {'u', isupper}, {'w', isalnum}, {'x', isxdigit}};
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (classes[i].letter == tolower(class)) return (classes[i].is(c) != 0) == (islower(class) != 0);
  return c == class;
}

// `p` at the '[', `last` at its ']'.
static bool set_has(int c, bytes p, bytes last) {
  bool found = true;
  p++;
  if (*p == '^') found = false, p++;
  for (; p < last; p++) {
    if (*p == '%') {
      if (class_has(c, *++p)) return found;
    } else if (p + 2 < last && p[1] == '-') {
      if (p[0] <= c && c <= p[2]) return found;
      p += 2;
    } else if (*p == c) return found;
  }
  return !found;
}

static bool item_has(const struct matcher *m, bytes s, bytes p, bytes next) {
  if (s >= m->end) return false;
  if (*p == '.') return true;
  if (*p == '%') return class_has(*s, p[1]);
  if (*p == '[') return set_has(*s, p, next - 1);
  return *p == *s;
}

// ---- captures

static bytes capture_open(struct matcher *m, bytes s, bytes p, ptrdiff_t size) {
  if (m->captures == CAPTURES_MAX) hd_lua_raise(m->L, "too many captures");
  m->capture[m->captures].from = s;
  m->capture[m->captures].size = size;
  m->captures++;
  bytes end = match_here(m, s, p);
  if (!end) m->captures--;
  return end;
}

static bytes capture_close(struct matcher *m, bytes s, bytes p) {
  int i = m->captures - 1;
  while (i >= 0 && m->capture[i].size != OPEN) i--;
  if (i < 0) hd_lua_raise(m->L, "invalid pattern capture");
  m->capture[i].size = s - m->capture[i].from;
  bytes end = match_here(m, s, p);
  if (!end) m->capture[i].size = OPEN;
  return end;
}

static bytes capture_again(const struct matcher *m, bytes s, int digit) {
  int i = digit - '1';
  if (i < 0 || i >= m->captures || m->capture[i].size == OPEN) hd_lua_raise(m->L, "invalid capture index %%%d", i + 1);
  size_t size = m->capture[i].size < 0 ? 0 : (size_t)m->capture[i].size;
  hd_lua_charge(m->L, size / 16 + 1);
  if ((size_t)(m->end - s) < size || memcmp(m->capture[i].from, s, size) != 0) return NULL;
  return s + size;
}

// ---- items of more than one character

static bytes balance(struct matcher *m, bytes s, bytes p) {
  if (p + 1 >= m->pattern_end) hd_lua_raise(m->L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->end || *s != p[0]) return NULL;
  int depth = 1;
  for (bytes at = s + 1; at < m->end; at++) {
    hd_lua_charge(m->L, 1);
    if (*at == p[1]) {
      if (--depth == 0) return at + 1;
    } else if (*at == p[0]) depth++;
  }
  return NULL;
}

// %f[set]: between a character outside of the set and one inside. Returns where the pattern goes on, NULL for no match.
static bytes frontier(struct matcher *m, bytes s, bytes p) {
  if (p >= m->pattern_end || *p != '[') hd_lua_raise(m->L, "missing '[' after '%%f' in pattern");
  bytes next = item_end(m, p);
  int before = s == m->subject ? 0 : s[-1], here = s < m->end ? *s : 0;
  return !set_has(before, p, next - 1) && set_has(here, p, next - 1) ? next : NULL;
}

static bytes repeat_most(struct matcher *m, bytes s, bytes p, bytes next) {
  ptrdiff_t n = 0;
  while (item_has(m, s + n, p, next)) {
    n++;
    hd_lua_charge(m->L, 1);
  }
  for (; n >= 0; n--) {
    bytes end = match_here(m, s + n, next + 1);
    if (end) return end;
  }
  return NULL;
}

static bytes repeat_least(struct matcher *m, bytes s, bytes p, bytes next) {
  for (;; s++) {
    bytes end = match_here(m, s, next + 1);
    if (end) return end;
    if (!item_has(m, s, p, next)) return NULL;
  }
}

// ---- the matcher

// A single item with what follows it. Returns true if the matcher goes on at (*s, *p); else *end is the result.
static bool match_item(struct matcher *m, bytes *s, bytes *p, bytes *end) {
  bytes next = item_end(m, *p);
  unsigned char suffix = next < m->pattern_end ? *next : 0;
  bool has = item_has(m, *s, *p, next);
  switch (suffix) {
  case '?': {
    bytes with = has ? match_here(m, *s + 1, next + 1) : NULL;
    if (with) return *end = with, false;
    *p = next + 1;
    return true;
  }
  case '+': *end = has ? repeat_most(m, *s + 1, *p, next) : NULL; return false;
  case '*': *end = repeat_most(m, *s, *p, next); return false;
  case '-': *end = repeat_least(m, *s, *p, next); return false;
  default:
    if (!has) return *end = NULL, false;
    ++*s;
    *p = next;
    return true;
  }
}

// %b, %f and %1..%9. Returns 1 to go on, 0 for no match, -1 if it is none of them.
static int match_special(struct matcher *m, bytes *s, bytes *p) {
  if ((*p)[0] != '%' || *p + 1 >= m->pattern_end) return -1;
  unsigned char c = (*p)[1];
  bytes to;
  if (c == 'b') {
    if (!(to = balance(m, *s, *p + 2))) return 0;
    *s = to, *p += 4;
  } else if (c == 'f') {
    if (!(to = frontier(m, *s, *p + 2))) return 0;
    *p = to;
  } else if (isdigit(c)) {
    if (!(to = capture_again(m, *s, c))) return 0;
    *s = to, *p += 2;
  } else return -1;
  return 1;
}

static bytes match_here(struct matcher *m, bytes s, bytes p) {
  bytes end = NULL;
  if (m->depth++ == DEPTH_MAX) hd_lua_raise(m->L, "pattern too complex");
  for (;;) {
    hd_lua_charge(m->L, 1);
    if (p == m->pattern_end) {
      end = s;
      break;
    }
    if (*p == '(') {
      bool position = p + 1 < m->pattern_end && p[1] == ')';
      end = capture_open(m, s, p + (position ? 2 : 1), position ? POSITION : OPEN);
      break;
    }
    if (*p == ')') {
      end = capture_close(m, s, p + 1);
      break;
    }
    if (*p == '$' && p + 1 == m->pattern_end) {
      end = s == m->end ? s : NULL;
      break;
    }
    int special = match_special(m, &s, &p);
    if (special == 0) break;
    if (special < 0 && !match_item(m, &s, &p, &end)) break;
  }
  m->depth--;
  return end;
}

static void matcher_init(struct matcher *m, lua_State *L, const char *s, size_t size, const char *p, size_t pattern_size) {
  *m = (struct matcher){.L = L, .subject = (bytes)s, .end = (bytes)s + size, .pattern_end = (bytes)p + pattern_size};
}

static bytes match_at(struct matcher *m, bytes s, bytes p) {
  m->depth = m->captures = 0;
  return match_here(m, s, p);
}

// ---- results

static void push_capture(struct matcher *m, int i, bytes s, bytes e) {
  if (i >= m->captures) {
    if (i != 0) hd_lua_raise(m->L, "invalid capture index %%%d", i + 1);
    lua_pushlstring(m->L, (const char *)s, (size_t)(e - s));
  } else if (m->capture[i].size == POSITION) lua_pushinteger(m->L, m->capture[i].from - m->subject + 1);
  else if (m->capture[i].size == OPEN) hd_lua_raise(m->L, "unfinished capture");
  else lua_pushlstring(m->L, (const char *)m->capture[i].from, (size_t)m->capture[i].size);
}

// `s` NULL: no whole match where there are no captures.
static int push_captures(struct matcher *m, bytes s, bytes e) {
  int n = m->captures == 0 && s ? 1 : m->captures;
  luaL_checkstack(m->L, n, "too many captures");
  for (int i = 0; i < n; i++) push_capture(m, i, s, e);
  return n;
}

static size_t start_of(lua_State *L, int index, size_t size) {
  lua_Integer at = luaL_optinteger(L, index, 1);
  if (at > 0) return (size_t)at - 1;
  if (at == 0 || at < -(lua_Integer)size) return 0;
  return size - (size_t)-at;
}

static int find_plain(lua_State *L, const char *s, size_t size, const char *p, size_t pattern_size, size_t at) {
  hd_lua_charge(L, (size - at) / 4 + pattern_size + 1);
  const char *found = pattern_size == 0 ? s + at : memmem(s + at, size - at, p, pattern_size);
  if (!found) return lua_pushnil(L), 1;
  lua_pushinteger(L, found - s + 1);
  lua_pushinteger(L, found - s + (ptrdiff_t)pattern_size);
  return 2;
}

static int search(lua_State *L, bool find) {
  size_t size, pattern_size;
  const char *s = luaL_checklstring(L, 1, &size), *p = luaL_checklstring(L, 2, &pattern_size);
  size_t at = start_of(L, 3, size);
  if (at > size) return lua_pushnil(L), 1;
  if (find && (lua_toboolean(L, 4) || strcspn(p, "^$*+?.([%-") == pattern_size)) return find_plain(L, s, size, p, pattern_size, at);
  bool anchor = pattern_size > 0 && *p == '^';
  struct matcher m;
  matcher_init(&m, L, s, size, p, pattern_size);
  bytes from = m.subject + at, pattern = (bytes)p + (anchor ? 1 : 0);
  do {
    bytes end = match_at(&m, from, pattern);
    if (!end) continue;
    if (!find) return push_captures(&m, from, end);
    lua_pushinteger(L, from - m.subject + 1);
    lua_pushinteger(L, end - m.subject);
    return push_captures(&m, NULL, NULL) + 2;
  } while (from++ < m.end && !anchor);
  lua_pushnil(L);
  return 1;
}

int hd_lua_find(lua_State *L) { return search(L, true); }
int hd_lua_match(lua_State *L) { return search(L, false); }

// Upvalues: subject, pattern, where to go on, where the last match ended (-1: none).
static int gmatch_step(lua_State *L) {
  size_t size, pattern_size;
  const char *s = lua_tolstring(L, lua_upvalueindex(1), &size), *p = lua_tolstring(L, lua_upvalueindex(2), &pattern_size);
  struct matcher m;
  matcher_init(&m, L, s, size, p, pattern_size);
  lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
  for (bytes from = m.subject + lua_tointeger(L, lua_upvalueindex(3)); from <= m.end; from++) {
    bytes end = match_at(&m, from, (bytes)p);
    if (!end || end - m.subject == last) continue;
    lua_pushinteger(L, end - m.subject);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_copy(L, -1, lua_upvalueindex(4));
    return push_captures(&m, from, end);
  }
  return 0;
}

int hd_lua_gmatch(lua_State *L) {
  size_t size;
  luaL_checklstring(L, 1, &size);
  luaL_checkstring(L, 2);
  size_t at = start_of(L, 3, size);
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)(at > size ? size + 1 : at));
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, gmatch_step, 4);
  return 1;
}

static void replace_text(struct matcher *m, luaL_Buffer *b, bytes s, bytes e) {
  size_t size;
  const char *text = lua_tolstring(m->L, 3, &size);
  for (size_t i = 0; i < size; i++) {
    if (text[i] != '%') {
      luaL_addchar(b, text[i]);
      continue;
    }
    i++;
    if (text[i] == '%') luaL_addchar(b, '%');
    else if (text[i] == '0') luaL_addlstring(b, (const char *)s, (size_t)(e - s));
    else if (isdigit((unsigned char)text[i])) {
      push_capture(m, text[i] - '1', s, e);
      luaL_tolstring(m->L, -1, NULL);
      lua_remove(m->L, -2);
      luaL_addvalue(b);
    } else hd_lua_raise(m->L, "invalid use of '%%' in replacement string");
  }
}

static bool replace(struct matcher *m, luaL_Buffer *b, bytes s, bytes e, int type) {
  lua_State *L = m->L;
  hd_lua_charge(L, 5 + (uint64_t)(e - s) / 16);
  if (type == LUA_TSTRING || type == LUA_TNUMBER) return replace_text(m, b, s, e), true;
  if (type == LUA_TFUNCTION) {
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(m, s, e), 1);
  } else {
    push_capture(m, 0, s, e);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(b, (const char *)s, (size_t)(e - s));
    return false;
  }
  if (!lua_isstring(L, -1)) hd_lua_raise(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(b);
  return true;
}

int hd_lua_gsub(lua_State *L) {
  size_t size, pattern_size;
  const char *s = luaL_checklstring(L, 1, &size), *p = luaL_checklstring(L, 2, &pattern_size);
  int type = lua_type(L, 3);
  luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3, "string/function/table");
  lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)size + 1), n = 0;
  bool anchor = pattern_size > 0 && *p == '^';
  if (type == LUA_TNUMBER) lua_tostring(L, 3);
  struct matcher m;
  matcher_init(&m, L, s, size, p, pattern_size);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  bytes from = m.subject, last = NULL;
  while (n < most) {
    bytes end = match_at(&m, from, (bytes)p + (anchor ? 1 : 0));
    if (end && end != last) {
      n++;
      replace(&m, &b, from, end, type);
      from = last = end;
    } else if (from < m.end) luaL_addchar(&b, (char)*from++);
    else break;
    if (anchor) break;
  }
  luaL_addlstring(&b, (const char *)from, (size_t)(m.end - from));
  luaL_pushresult(&b);
  lua_pushinteger(L, n);
  return 2;
}
