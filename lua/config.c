#include "lua/config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "lua/sandbox.h"
#include "lua/shape.h"

#define DEPTH_MAX 32
#define VALUES_MAX 100000
#define FILES_MAX 64
#define FILE_SIZE_MAX ((size_t)4 << 20)
#define SECRETS_MAX 256
#define SECRET_SIZE_MIN 4 // bytes: a shorter text is secret only where it is the whole value

// The root carries what its tree points to.
struct tree {
  struct hd_value root; // first: a tree is freed by its root
  char *files[FILES_MAX];
  size_t file_count;
};

struct reader {
  struct hd_lua_sandbox box;
  struct tree *tree;
  struct hd_shapes *shapes[FILES_MAX];
  size_t shapes_count;
  char directory[PATH_MAX]; // of the configuration, resolved
  int include_depth;
  char *secrets[SECRETS_MAX];
  size_t secret_count, value_count;
  int line; // of the error; 0: not known
};

static const char shapes_key = 0; // registry: table of an included file -> its shapes

// ---- files

static int32_t file_read(const char *path, char **text, size_t *size, struct hd_fault *fault) {
  FILE *file = fopen(path, "rbe");
  if (!file) return hd_fault_set(fault, HADRON_ERR_IO, "%s: cannot be opened: %s; check the path and the permissions", path, strerror(errno));
  char *bytes = malloc(FILE_SIZE_MAX + 1);
  size_t n = bytes ? fread(bytes, 1, FILE_SIZE_MAX + 1, file) : 0;
  int32_t err = HADRON_OK;
  if (!bytes) err = hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
  else if (ferror(file)) err = hd_fault_set(fault, HADRON_ERR_IO, "%s: cannot be read: %s; is it a file?", path, strerror(errno));
  else if (n > FILE_SIZE_MAX) err = hd_fault_set(fault, HADRON_ERR_RANGE, "%s: expected at most %zu bytes, found more", path, FILE_SIZE_MAX);
  fclose(file);
  if (err) {
    free(bytes);
    return err;
  }
  *text = bytes;
  *size = n;
  return HADRON_OK;
}

// The name as it is shown; kept for life with the tree.
static const char *file_keep(struct reader *r, const char *name) {
  if (r->tree->file_count == FILES_MAX) return NULL;
  char *copy = strdup(name);
  if (copy) r->tree->files[r->tree->file_count++] = copy;
  return copy;
}

static struct hd_shapes *shapes_read(struct reader *r, const char *name, const char *text, size_t size) {
  const char *kept = file_keep(r, name);
  struct hd_shapes *shapes = kept && r->shapes_count < FILES_MAX ? hd_shapes_create(kept, text, size) : NULL;
  if (shapes) r->shapes[r->shapes_count++] = shapes;
  return shapes;
}

// ---- env and include

static struct reader *reader_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

static int config_env(lua_State *L) {
  struct reader *r = reader_of(L);
  const char *name = luaL_checkstring(L, 1), *value = getenv(name);
  lua_settop(L, 2);
  if (!value) {
    if (lua_isnil(L, 2)) hd_lua_raise(L, "env: the environment has no variable %s; set it, or give a default: env(\"%s\", \"...\")", name, name);
    return 1;
  }
  lua_pushstring(L, value);
  for (size_t i = 0; i < r->secret_count; i++)
    if (strcmp(r->secrets[i], value) == 0) return 1;
  if (r->secret_count == SECRETS_MAX) hd_lua_raise(L, "env: expected at most %d values from the environment, found more", SECRETS_MAX);
  if (!(r->secrets[r->secret_count] = strdup(value))) hd_lua_raise(L, "env: out of memory");
  r->secret_count++;
  return 1;
}

// here("data/x.csv"): a path beside the configuration, wherever the program was started.
static int config_here(lua_State *L) {
  const struct reader *r = reader_of(L);
  lua_pushfstring(L, "%s/%s", r->directory, luaL_checkstring(L, 1));
  return 1;
}

// Below the configuration's directory, whatever links may say.
static bool path_inside(const struct reader *r, const char *path, char resolved[PATH_MAX]) {
  char joined[PATH_MAX];
  if (path[0] == '/' || snprintf(joined, sizeof joined, "%s/%s", r->directory, path) >= (int)sizeof joined) return false;
  if (!realpath(joined, resolved)) return hd_text_copy(resolved, PATH_MAX, joined);
  size_t n = strlen(r->directory);
  return strncmp(resolved, r->directory, n) == 0 && (n == 1 || resolved[n] == '/');
}

struct include {
  char *text;
  size_t size;
};

static int include_run(lua_State *L) { // include, name
  struct include *file = lua_touserdata(L, 1);
  const char *name = lua_tostring(L, 2);
  if (memchr(file->text, 0x1b, file->size) || memchr(file->text, 0, file->size)) hd_lua_raise(L, "%s: expected Lua text, found bytes that are none", name);
  lua_pushfstring(L, "=%s", name);
  if (luaL_loadbufferx(L, file->text, file->size, lua_tostring(L, -1), "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

static int config_include(lua_State *L) {
  struct reader *r = reader_of(L);
  const char *name = luaL_checkstring(L, 1);
  char resolved[PATH_MAX];
  struct hd_fault fault = {0};
  struct include file;
  if (r->include_depth >= 8 || r->shapes_count >= FILES_MAX) hd_lua_raise(L, "include: expected at most 8 files within each other and %d in all, found more", FILES_MAX);
  if (strstr(name, "..") || !path_inside(r, name, resolved)) hd_lua_raise(L, "include: expected a file below the directory of the configuration, found \"%s\"", name);
  if (file_read(resolved, &file.text, &file.size, &fault)) hd_lua_raise(L, "include: %s", fault.text);
  struct hd_shapes *shapes = shapes_read(r, name, file.text, file.size);
  lua_pushcfunction(L, include_run);
  lua_pushlightuserdata(L, &file);
  lua_pushvalue(L, 1);
  r->include_depth++;
  int status = lua_pcall(L, 2, 1, 0);
  r->include_depth--;
  free(file.text);
  hd_lua_memory_failed(L, status);
  if (status != LUA_OK) return lua_error(L);
  if (!shapes) hd_lua_raise(L, "include: no memory for \"%s\"", name);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &shapes_key);
  lua_pushvalue(L, -2);
  lua_pushlightuserdata(L, shapes);
  if (lua_istable(L, -2)) lua_rawset(L, -3);
  else lua_pop(L, 2);
  lua_pop(L, 1);
  return 1;
}

// ---- values

struct place {
  const struct hd_shape *shape; // of the value, NULL: no constructor
  const char *file;
  int line;
  int depth;
  const struct place *parent;
  const char *key;
};

static void place_path(const struct place *p, char *to, size_t size) {
  char parent[256] = "";
  if (p->parent && p->parent->parent) place_path(p->parent, parent, sizeof parent);
  snprintf(to, size, "%s%s%s", parent, *parent ? "." : "", p->key ? p->key : "the value returned");
}

__attribute__((format(printf, 4, 5))) _Noreturn static void refuse(lua_State *L, struct reader *r, const struct place *p, const char *format, ...) {
  char path[256], words[256];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  place_path(p, path, sizeof path);
  r->line = p->line;
  if (p->line) lua_pushfstring(L, "%s:%d: %s: %s", p->file, p->line, path, words);
  else lua_pushfstring(L, "%s: %s: %s", p->file, path, words);
  lua_error(L);
  __builtin_unreachable();
}

static bool is_secret(const struct reader *r, const char *text) {
  for (size_t i = 0; i < r->secret_count; i++) {
    const char *secret = r->secrets[i];
    if (strcmp(secret, text) == 0 || (strlen(secret) >= SECRET_SIZE_MIN && strstr(text, secret))) return true;
  }
  return false;
}

static void convert(lua_State *L, struct reader *r, int index, const struct place *p, struct hd_value *out);

static void convert_string(lua_State *L, struct reader *r, int index, const struct place *p, struct hd_value *out) {
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (strlen(text) != size) refuse(L, r, p, "expected text, found a string with a NUL byte");
  out->as.string.bytes = strdup(text);
  if (!out->as.string.bytes) refuse(L, r, p, "out of memory");
  out->as.string.size = size;
  out->kind = HD_VALUE_STRING;
  out->secret = is_secret(r, text);
}

// Is it {1, 2, ... n}? An empty table is a map.
static bool is_list(lua_State *L, int index, lua_Integer *count) {
  lua_Integer n = 0, most = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (!lua_isinteger(L, -1)) {
      lua_pop(L, 1);
      return false;
    }
    lua_Integer key = lua_tointeger(L, -1);
    if (key < 1) {
      lua_pop(L, 1);
      return false;
    }
    n++;
    if (key > most) most = key;
  }
  *count = n;
  return n > 0 && n == most;
}

static void convert_field(lua_State *L, struct reader *r, const struct place *parent, const char *key, struct hd_value *out) {
  size_t at = 0;
  struct place field = {.file = parent->file, .depth = parent->depth + 1, .parent = parent, .key = key};
  int line = hd_shape_find(parent->shape, key, &at, &field.shape);
  field.line = line ? line : parent->line;
  convert(L, r, lua_gettop(L), &field, out);
}

static void items_make(lua_State *L, struct reader *r, const struct place *p, struct hd_value *out, uint32_t kind, size_t count) {
  out->kind = kind;
  out->as.items.count = 0;
  out->as.items.values = calloc(count + 1, sizeof *out->as.items.values);
  out->as.items.keys = kind == HD_VALUE_MAP ? calloc(count + 1, sizeof *out->as.items.keys) : NULL;
  if (!out->as.items.values || (kind == HD_VALUE_MAP && !out->as.items.keys)) refuse(L, r, p, "out of memory");
}

static void convert_list(lua_State *L, struct reader *r, int index, const struct place *p, struct hd_value *out, lua_Integer n) {
  char key[32];
  items_make(L, r, p, out, HD_VALUE_LIST, (size_t)n);
  for (lua_Integer i = 1; i <= n; i++) {
    snprintf(key, sizeof key, "%lld", (long long)i);
    lua_rawgeti(L, index, i);
    out->as.items.count = (size_t)i;
    convert_field(L, r, p, key, &out->as.items.values[i - 1]);
    lua_pop(L, 1);
  }
}

// Fields that the text spells out come in its order, before those that were made.
static void order_map(const struct place *p, struct hd_value *map) {
  for (size_t i = 1; p->shape && i < map->as.items.count; i++) {
    for (size_t j = i; j > 0; j--) {
      size_t a = SIZE_MAX, b = SIZE_MAX;
      const struct hd_shape *child;
      hd_shape_find(p->shape, map->as.items.keys[j - 1], &a, &child);
      hd_shape_find(p->shape, map->as.items.keys[j], &b, &child);
      if (a <= b) break;
      struct hd_value value = map->as.items.values[j];
      char *key = map->as.items.keys[j];
      map->as.items.values[j] = map->as.items.values[j - 1], map->as.items.keys[j] = map->as.items.keys[j - 1];
      map->as.items.values[j - 1] = value, map->as.items.keys[j - 1] = key;
    }
  }
}

static void convert_map(lua_State *L, struct reader *r, int index, const struct place *p, struct hd_value *out) {
  hd_lua_keys(L, index);
  int keys = lua_gettop(L);
  size_t n = (size_t)lua_rawlen(L, keys);
  items_make(L, r, p, out, HD_VALUE_MAP, n);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, keys, (lua_Integer)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1)) refuse(L, r, p, "expected names or integers as keys, found a %s", luaL_typename(L, -1));
    lua_pushvalue(L, -1);
    const char *key = lua_tostring(L, -1);
    if (strlen(key) != lua_rawlen(L, -1)) refuse(L, r, p, "expected a key that is text, found one with a NUL byte");
    if (!(out->as.items.keys[i] = strdup(key))) refuse(L, r, p, "out of memory");
    out->as.items.count = i + 1;
    lua_insert(L, -2);
    lua_rawget(L, index); // key text, value
    convert_field(L, r, p, out->as.items.keys[i], &out->as.items.values[i]);
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
  order_map(p, out);
}

static void convert_table(lua_State *L, struct reader *r, int index, const struct place *p, struct hd_value *out) {
  struct place here = *p;
  lua_Integer n;
  if (p->depth > DEPTH_MAX) refuse(L, r, p, "expected at most %d levels of tables, found more; does a table contain itself?", DEPTH_MAX);
  if (lua_getmetatable(L, index)) refuse(L, r, p, "expected plain data, found a table with a metatable");
  luaL_checkstack(L, 20, "configuration");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &shapes_key);
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  const struct hd_shapes *shapes = lua_touserdata(L, -1);
  lua_pop(L, 2);
  if (shapes) {
    here.file = hd_shapes_file(shapes);
    here.shape = hd_shapes_root(shapes);
    here.line = hd_shapes_return_line(shapes);
  }
  out->file = here.file;
  out->line = here.line;
  if (is_list(L, index, &n)) convert_list(L, r, index, &here, out, n);
  else convert_map(L, r, index, &here, out);
}

static void convert(lua_State *L, struct reader *r, int index, const struct place *p, struct hd_value *out) {
  hd_lua_charge(L, 10);
  if (++r->value_count > VALUES_MAX) refuse(L, r, p, "expected at most %d values in all, found more", VALUES_MAX);
  out->line = p->line;
  out->file = p->file;
  switch (lua_type(L, index)) {
  case LUA_TNIL: return;
  case LUA_TBOOLEAN:
    out->kind = HD_VALUE_BOOL;
    out->as.boolean = lua_toboolean(L, index);
    return;
  case LUA_TNUMBER:
    out->kind = lua_isinteger(L, index) ? HD_VALUE_INTEGER : HD_VALUE_NUMBER;
    if (lua_isinteger(L, index)) out->as.integer = lua_tointeger(L, index);
    else out->as.number = lua_tonumber(L, index);
    return;
  case LUA_TSTRING: convert_string(L, r, index, p, out); return;
  case LUA_TTABLE: convert_table(L, r, index, p, out); return;
  default: refuse(L, r, p, "expected data, found a %s", luaL_typename(L, index));
  }
}

// Calls the text's function and converts what it returns: both within one budget. Arguments: function, reader.
static int evaluate(lua_State *L) {
  struct reader *r = lua_touserdata(L, 2);
  const struct hd_shapes *shapes = r->shapes[0];
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  struct place root = {.shape = hd_shapes_root(shapes), .file = r->tree->files[0], .line = hd_shapes_return_line(shapes)};
  convert(L, r, lua_gettop(L), &root, &r->tree->root);
  return 0;
}

// ---- reading

static int names_add(lua_State *L) { // reader
  static const luaL_Reg names[] = {{"env", config_env}, {"include", config_include}, {"here", config_here}, {NULL, NULL}};
  struct reader *r = lua_touserdata(L, 1);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &shapes_key);
  for (const luaL_Reg *name = names; name->name; name++) {
    lua_pushlightuserdata(L, r);
    lua_pushcclosure(L, name->func, 1);
    hd_lua_sandbox_set(&r->box, name->name);
  }
  return 0;
}

static int32_t reader_open(struct reader *r, const char *path, struct hd_fault *fault) {
  char copy[PATH_MAX];
  const struct hd_lua_limits limits = {.start_instructions_max = 20000000};
  hd_text_copy(copy, sizeof copy, path);
  char *slash = strrchr(copy, '/');
  if (slash) slash[slash == copy ? 1 : 0] = 0;
  if (!realpath(slash ? copy : ".", r->directory)) hd_text_copy(r->directory, sizeof r->directory, slash ? copy : ".");
  r->tree = calloc(1, sizeof *r->tree);
  if (!r->tree) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
  int32_t err = hd_lua_sandbox_open(&r->box, &limits, fault);
  if (err) return err;
  lua_pushcfunction(r->box.L, names_add); // protected: it may run out of memory
  lua_pushlightuserdata(r->box.L, r);
  err = hd_lua_sandbox_call(&r->box, 1, 0, limits.start_instructions_max);
  return err ? hd_fault_set(fault, err, "%s: the configuration's own names could not be made: %s", path, r->box.error) : HADRON_OK;
}

static void reader_close(struct reader *r) {
  hd_lua_sandbox_close(&r->box);
  for (size_t i = 0; i < r->shapes_count; i++) hd_shapes_destroy(r->shapes[i]);
  for (size_t i = 0; i < r->secret_count; i++) {
    explicit_bzero(r->secrets[i], strlen(r->secrets[i]));
    free(r->secrets[i]);
  }
  if (r->tree) hd_value_free(&r->tree->root);
}

// "demo.lua:14: ..." says the line; a path may hold colons of its own.
static int error_line(const char *path, const char *text) {
  size_t n = strlen(path);
  if (strncmp(text, path, n) != 0 || text[n] != ':') return 0;
  return (int)strtol(text + n + 1, NULL, 10);
}

static int32_t reader_run(struct reader *r, const char *path, const char *text, size_t size, int *line, struct hd_fault *fault) {
  struct hd_fault own = {0};
  if (!shapes_read(r, path, text, size)) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", path);
  int32_t err = hd_lua_sandbox_load(&r->box, path, text, size, &own);
  if (!err) {
    lua_pushcfunction(r->box.L, evaluate);
    lua_insert(r->box.L, -2);
    lua_pushlightuserdata(r->box.L, r);
    err = hd_lua_sandbox_call(&r->box, 2, 0, r->box.limits.start_instructions_max);
    if (err) hd_fault_set(&own, err, "%s", r->box.error);
  }
  if (!err) return HADRON_OK;
  if (r->line == 0) r->line = error_line(path, own.text);
  if (r->line && line) *line = r->line;
  return hd_fault_set(fault, err, "%s", own.text);
}

int32_t hd_lua_config_evaluate(const char *path, const char *text, size_t size, struct hd_value **root, int *line, struct hd_fault *fault) {
  struct reader r = {0};
  int32_t err = reader_open(&r, path, fault);
  if (!err) err = reader_run(&r, path, text, size, line, fault);
  if (!err) {
    *root = &r.tree->root;
    r.tree = NULL;
  }
  reader_close(&r);
  return err;
}

int32_t hd_lua_config_read(const char *path, struct hd_value **root, int *line, struct hd_fault *fault) {
  char *text;
  size_t size;
  int32_t err = file_read(path, &text, &size, fault);
  if (err) return err;
  err = hd_lua_config_evaluate(path, text, size, root, line, fault);
  explicit_bzero(text, size);
  free(text);
  return err;
}

// ---- trees

static void value_fini(struct hd_value *v) {
  if (v->kind == HD_VALUE_STRING) free(v->as.string.bytes);
  if (v->kind != HD_VALUE_LIST && v->kind != HD_VALUE_MAP) return;
  for (size_t i = 0; i < v->as.items.count; i++) {
    if (v->as.items.keys) free(v->as.items.keys[i]);
    value_fini(&v->as.items.values[i]);
  }
  free(v->as.items.values);
  free(v->as.items.keys);
}

void hd_value_free(struct hd_value *root) {
  if (!root) return;
  struct tree *tree = (struct tree *)root;
  value_fini(root);
  for (size_t i = 0; i < tree->file_count; i++) free(tree->files[i]);
  free(tree);
}

size_t hd_value_count(const struct hd_value *v) { return v && (v->kind == HD_VALUE_LIST || v->kind == HD_VALUE_MAP) ? v->as.items.count : 0; }
const struct hd_value *hd_value_item(const struct hd_value *v, size_t i) { return i < hd_value_count(v) ? &v->as.items.values[i] : NULL; }
const char *hd_value_key(const struct hd_value *v, size_t i) { return v && v->kind == HD_VALUE_MAP && i < v->as.items.count ? v->as.items.keys[i] : NULL; }

const struct hd_value *hd_value_get(const struct hd_value *v, const char *key) {
  for (size_t i = 0; v && v->kind == HD_VALUE_MAP && i < v->as.items.count; i++)
    if (strcmp(v->as.items.keys[i], key) == 0) return &v->as.items.values[i];
  return NULL;
}
