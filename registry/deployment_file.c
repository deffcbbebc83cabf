// A file of `hadron deploy`: evaluated like a configuration, turned into JSON, read by the same table of fields; mistakes find their
// lines in the tree of values.
#include "base/banned.h"
#include "base/text.h"
#include "lua/config.h"
#include "registry/deployment.h"

#define DEPTH_MAX 8

struct file {
  const char *path;
  const struct hd_value *root;
  struct hd_deployment_error *errors;
  uint32_t count, max;
};

static void keep(struct file *f, int line, const char *text) {
  if (f->count < f->max) {
    f->errors[f->count].line = line;
    hd_text_copy(f->errors[f->count].text, sizeof f->errors->text, text);
    hd_text_printable(f->errors[f->count].text);
  }
  f->count++;
}

// NULL: a value that has no place in JSON, or tables too deep.
static json_t *to_json(const struct hd_value *v, int depth) {
  if (depth > DEPTH_MAX) return NULL;
  switch (v->kind) {
  case HD_VALUE_BOOL: return json_boolean(v->as.boolean);
  case HD_VALUE_INTEGER: return json_integer(v->as.integer);
  case HD_VALUE_NUMBER: return json_real(v->as.number); // NULL: it is not finite
  case HD_VALUE_STRING: return json_string(v->as.string.bytes);
  case HD_VALUE_LIST: {
    json_t *list = json_array();
    for (size_t i = 0; i < hd_value_count(v); i++) {
      json_t *item = to_json(hd_value_item(v, i), depth + 1);
      json_array_append_new(list, item ? item : json_null());
    }
    return list;
  }
  case HD_VALUE_MAP: {
    json_t *map = json_object();
    for (size_t i = 0; i < hd_value_count(v); i++) {
      json_t *item = to_json(hd_value_item(v, i), depth + 1);
      json_object_set_new(map, hd_value_key(v, i), item ? item : json_null());
    }
    return map;
  }
  default: return json_null();
  }
}

// The value at "arms[2].weight", or the nearest that is there: what is missing is told at its table.
static const struct hd_value *value_near(const struct hd_value *at, const char *path) {
  while (*path) {
    char key[128];
    size_t length = strcspn(path, ".[");
    snprintf(key, sizeof key, "%.*s", (int)length, path);
    const struct hd_value *next = at->kind == HD_VALUE_MAP ? hd_value_get(at, key) : NULL;
    path += length;
    if (next && *path == '[') {
      char *end;
      const struct hd_value *item = next->kind == HD_VALUE_LIST ? hd_value_item(next, strtoul(path + 1, &end, 10) - 1) : NULL;
      path += strcspn(path, "]");
      path += *path == ']';
      next = item ? item : next;
    }
    if (!next) return at;
    at = next;
    path += *path == '.';
  }
  return at;
}

static bool is_secret(const struct hd_value *v) {
  bool secret = v->secret;
  for (size_t i = 0; v->kind == HD_VALUE_LIST && !secret && i < hd_value_count(v); i++) secret = is_secret(hd_value_item(v, i));
  return secret;
}

static void on_wrong(void *user, const char *path, const char *text) {
  struct file *f = user;
  const struct hd_value *v = value_near(f->root, path);
  char words[512];
  if (is_secret(v)) text = "expected another value than the one from the environment, which is not shown";
  snprintf(words, sizeof words, "%s%s%s", path, *path ? ": " : "", text);
  keep(f, v->line, words);
}

uint32_t hd_deployment_load(const char *path, struct hd_deployment *out, struct hd_deployment_error *errors, uint32_t max) {
  struct file f = {path, NULL, errors, 0, max};
  struct hd_value *root = NULL;
  struct hd_fault fault = {0};
  int line = 0;
  if (hd_lua_config_read(path, &root, &line, &fault)) {
    keep(&f, line, fault.text);
    return f.count;
  }
  f.root = root;
  json_t *json = to_json(root, 0);
  if (json) hd_deployment_read(json, out, on_wrong, &f);
  else keep(&f, 0, "expected the file to return a table: return { name = \"...\", ... }");
  json_decref(json);
  hd_value_free(root);
  return f.count;
}
