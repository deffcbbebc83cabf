// Configuration files: a Lua text is evaluated in the sandbox and what it returns is given back as a tree of values that know the
// file and line they were written on, so that whoever checks them can say "demo.lua:14: engine.shards: expected ...".
//
//   return { engine = { shards = 4 }, recorder = { url = env("DATABASE_URL") }, venues = include("venues.lua") }
//
// takes  a file; env("NAME" [, default]) reads the environment, include("FILE") another file below the config's directory,
//        here("FILE") makes a path beside the config of a relative one
// gives  a tree of plain data; values with text from the environment are marked secret
// bound  the sandbox's limits; 32 levels, 100,000 values  full  an error with file and line
// thread [control]
#ifndef HD_LUA_CONFIG_H
#define HD_LUA_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

enum hd_value_kind {
  HD_VALUE_NIL = 0,
  HD_VALUE_BOOL = 1,
  HD_VALUE_INTEGER = 2,
  HD_VALUE_NUMBER = 3,
  HD_VALUE_STRING = 4,
  HD_VALUE_LIST = 5, // keys 1..n
  HD_VALUE_MAP = 6,  // any other keys, in the order in which they were written; {} is an empty map
};

struct hd_value {
  uint32_t kind;
  int line;         // of the field, or of the table's place; 0: not known (made by a loop or a function)
  const char *file; // that the line belongs to; borrowed(until the root is freed)
  bool secret;      // has text from the environment: never print it
  union {
    bool boolean;
    int64_t integer;
    double number;
    struct {
      char *bytes; // NUL-terminated, without NULs inside
      size_t size;
    } string;
    struct {
      struct hd_value *values;
      char **keys; // maps; lists: NULL
      size_t count;
    } items;
  } as;
};

// Evaluates a file. root: owned by the caller, to be freed; untouched on failure. line: of the error where it is known, else
// untouched; it may be in an included file, which the words then name.
// HADRON_ERR_IO, _SCRIPT, _BUDGET, _MEMORY, _CONFIG.
int32_t hd_lua_config_read(const char *path, struct hd_value **root, int *line, struct hd_fault *fault);
// The same for a text; `path` names it and its directory.
int32_t hd_lua_config_evaluate(const char *path, const char *text, size_t size, struct hd_value **root, int *line, struct hd_fault *fault);
void hd_value_free(struct hd_value *root);

// Lists and maps; 0 and NULL for anything else.
size_t hd_value_count(const struct hd_value *v);
const struct hd_value *hd_value_item(const struct hd_value *v, size_t i);
const char *hd_value_key(const struct hd_value *v, size_t i);
const struct hd_value *hd_value_get(const struct hd_value *v, const char *key); // NULL: not there

#endif
