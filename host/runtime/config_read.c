// Reads a configuration: the Lua room evaluates the file into a tree of values that know their lines; the tables say what may be in it.
// Every value is turned into text first, so that a file, `--set` and a default are parsed by the same function.
#include "runtime/config_read.h"

#include <errno.h>
#include <stdarg.h>
#include <strings.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/bar.h"
#include "base/text.h"
#include "lua/config.h"

#define VALUE_SIZE 4096

struct hd_config_set {
  char path[256];
  const char *value; // owned by the config
  bool used;
};

struct hd_config_source {
  struct hd_value *root;       // owned
  void **blocks;               // owned: every string and list that the config points to
  uint32_t block_count, block_room;
  struct hd_config_set *sets;  // owned
  uint32_t set_count;
};

struct hd_config_reader {
  struct hd_config *config;
  struct hd_config_source *source;
  struct hd_config_error *errors;
  uint32_t error_count;
};

// ---- errors ------------------------------------------------------------------------------------------------------------------------

__attribute__((format(printf, 3, 0))) static void add_error(struct hd_config_reader *r, int line, const char *format, va_list arguments) {
  if (r->error_count >= HD_CONFIG_ERRORS_MAX) return;
  struct hd_config_error *e = &r->errors[r->error_count++];
  e->line = line;
  vsnprintf(e->text, sizeof e->text, format, arguments);
  hd_text_printable(e->text);
}

__attribute__((format(printf, 3, 4))) static void wrong_at(struct hd_config_reader *r, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add_error(r, line, format, arguments);
  va_end(arguments);
}

static const struct hd_value *value_at(const struct hd_value *root, const char *path) {
  while (root && *path) {
    char key[128];
    size_t length = strcspn(path, ".[");
    if (length >= sizeof key) return NULL;
    memcpy(key, path, length);
    key[length] = 0;
    root = root->kind == HD_VALUE_MAP ? hd_value_get(root, key) : NULL;
    path += length;
    if (*path == '[') { // of a list, from 1
      char *end;
      root = root && root->kind == HD_VALUE_LIST ? hd_value_item(root, strtoul(path + 1, &end, 10) - 1) : NULL;
      path += strcspn(path, "]");
      path += *path == ']';
    }
    path += *path == '.';
  }
  return root;
}

// A list is secret if one of its values is.
static bool value_is_secret(const struct hd_value *v) {
  bool secret = v && v->secret;
  for (size_t i = 0; v && !secret && v->kind == HD_VALUE_LIST && i < hd_value_count(v); i++) secret = value_is_secret(hd_value_item(v, i));
  return secret;
}

void hd_config_wrong(struct hd_config_reader *r, const char *path, const char *format, ...) {
  const struct hd_value *value = r->source->root ? value_at(r->source->root, path) : NULL;
  char prefixed[512];
  if (value && value->secret) {
    wrong_at(r, value->line, "%s: expected another value than the one from the environment, which is not shown", path);
    return;
  }
  snprintf(prefixed, sizeof prefixed, "%s: %s", path, format);
  va_list arguments;
  va_start(arguments, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  add_error(r, value ? value->line : 0, prefixed, arguments);
#pragma GCC diagnostic pop
  va_end(arguments);
}

// ---- memory: everything that the config points to lives as long as it does -----------------------------------------------------------

static void *keep(struct hd_config_reader *r, size_t size) {
  struct hd_config_source *s = r->source;
  if (s->block_count == s->block_room) {
    uint32_t room = s->block_room ? s->block_room * 2 : 64;
    void *grown = realloc(s->blocks, room * sizeof *s->blocks);
    HD_ASSERT(grown); // start-up: without memory for a configuration there is nothing to go on with
    s->blocks = grown;
    s->block_room = room;
  }
  void *block = calloc(1, size ? size : 1);
  HD_ASSERT(block);
  return s->blocks[s->block_count++] = block;
}

static const char *keep_text(struct hd_config_reader *r, const char *text) {
  size_t size = strlen(text) + 1;
  return memcpy(keep(r, size), text, size);
}

// ---- values as text ------------------------------------------------------------------------------------------------------------------

static bool is_scalar(const struct hd_value *v) { return v->kind != HD_VALUE_MAP && v->kind != HD_VALUE_LIST && v->kind != HD_VALUE_NIL; }

static bool value_text(const struct hd_value *v, char *to, size_t size) {
  switch (v->kind) {
  case HD_VALUE_BOOL: snprintf(to, size, "%s", v->as.boolean ? "true" : "false"); return true;
  case HD_VALUE_INTEGER: snprintf(to, size, "%lld", (long long)v->as.integer); return true;
  case HD_VALUE_NUMBER: hd_config_number(to, size, v->as.number); return true;
  case HD_VALUE_STRING: return hd_text_copy(to, size, v->as.string.bytes);
  default: return false;
  }
}

static const char *kind_name(uint32_t kind) {
  return kind == HD_VALUE_MAP ? "a table" : kind == HD_VALUE_LIST ? "a list" : "nothing";
}

// ---- --set -----------------------------------------------------------------------------------------------------------------------------

static struct hd_config_set *set_for(struct hd_config_reader *r, const char *path) {
  struct hd_config_set *found = NULL;
  for (uint32_t i = 0; i < r->source->set_count; i++)
    if (strcmp(r->source->sets[i].path, path) == 0) {
      r->source->sets[i].used = true;
      found = &r->source->sets[i]; // the last one wins
    }
  return found;
}

static void read_sets(struct hd_config_reader *r, const char *const *sets, uint32_t count) {
  r->source->sets = calloc(count + 1, sizeof *r->source->sets);
  HD_ASSERT(r->source->sets);
  for (uint32_t i = 0; i < count; i++) {
    const char *equal = strchr(sets[i], '=');
    struct hd_config_set *set = &r->source->sets[r->source->set_count];
    size_t length = equal ? (size_t)(equal - sets[i]) : 0;
    if (length == 0 || length >= sizeof set->path) {
      if (length) wrong_at(r, 0, "--set %.64s...: expected a key of at most %zu bytes, found %zu", sets[i], sizeof set->path - 1, length);
      else wrong_at(r, 0, "--set %.400s: expected key=value", sets[i]);
      continue;
    }
    if (strlen(equal + 1) >= HD_PARAM_TEXT_MAX) { // of a parameter; keys take less, and say so themselves
      wrong_at(r, 0, "--set %.*s: expected a value of at most %d bytes, found %zu", (int)length, sets[i], HD_PARAM_TEXT_MAX - 1, strlen(equal + 1));
      continue;
    }
    snprintf(set->path, sizeof set->path, "%.*s", (int)length, sets[i]);
    set->value = keep_text(r, equal + 1);
    r->source->set_count++;
  }
}

// ---- tables of keys ------------------------------------------------------------------------------------------------------------------

struct place {
  const char *path; // of the section, "" at the top
  int line;
};

static void full_path(char *to, size_t size, const char *section, const char *key) {
  snprintf(to, size, "%s%s%s", section, *section ? "." : "", key);
}

static void read_key(struct hd_config_reader *r, const struct hd_config_key *key, const struct hd_value *section, struct place place, void *base) {
  char path[256], text[VALUE_SIZE];
  struct hd_fault fault;
  full_path(path, sizeof path, place.path, key->path);
  if (key->initial) hd_config_key_parse(key, key->initial, base, &fault); // a wrong value is one error: later checks see the default
  const struct hd_config_set *set = set_for(r, path);
  const struct hd_value *value = section ? value_at(section, key->path) : NULL;
  int line = value ? value->line : place.line;
  if (set) {
    line = 0;
    if (!hd_text_copy(text, sizeof text, set->value)) {
      wrong_at(r, line, "--set %s: expected at most %d bytes, found %zu", path, VALUE_SIZE - 1, strlen(set->value));
      return;
    }
  } else if (value && value->kind != HD_VALUE_NIL) {
    if (!is_scalar(value)) {
      wrong_at(r, line, "%s: expected %s, found %s", path, hd_config_type_words(key->type), kind_name(value->kind));
      return;
    }
    if (!value_text(value, text, sizeof text)) {
      wrong_at(r, line, "%s: expected at most %d bytes", path, VALUE_SIZE - 1);
      return;
    }
  } else if (key->initial) {
    hd_text_copy(text, sizeof text, key->initial);
  } else {
    wrong_at(r, line, "%s: expected %s, found nothing", path, hd_config_type_words(key->type));
    return;
  }
  if (hd_config_key_parse(key, text, base, &fault) == HADRON_OK) return;
  if (!set && value && value->secret) wrong_at(r, line, "%s: expected %s, found what is not one in the environment, which is not shown", path, hd_config_type_words(key->type));
  else wrong_at(r, line, "%s%s: %s", set ? "--set " : "", path, fault.text);
}

static void read_keys(struct hd_config_reader *r, const struct hd_config_key *keys, uint32_t count, const struct hd_value *section,
                      struct place place, void *base) {
  for (uint32_t i = 0; i < count; i++) read_key(r, &keys[i], section, place, base);
}

// The nearest of the allowed names, for a person who mistyped one.
struct nearest {
  const char *wanted;
  char name[64];
  size_t distance;
};
static void nearest_try(struct nearest *n, const char *name, size_t length) {
  char one[64];
  snprintf(one, sizeof one, "%.*s", (int)length, name);
  size_t distance = hd_text_distance(n->wanted, one);
  if (distance < n->distance) {
    n->distance = distance;
    hd_text_copy(n->name, sizeof n->name, one);
  }
}

static bool known_key(const struct hd_config_key *keys, uint32_t count, const char *const *more, const char *prefix, const char *name, struct nearest *n) {
  size_t skip = *prefix ? strlen(prefix) + 1 : 0;
  bool known = false;
  for (uint32_t i = 0; i < count; i++) {
    if (skip && (strncmp(keys[i].path, prefix, skip - 1) != 0 || keys[i].path[skip - 1] != '.')) continue;
    const char *below = keys[i].path + skip;
    size_t length = strcspn(below, ".");
    known |= strlen(name) == length && memcmp(below, name, length) == 0;
    nearest_try(n, below, length);
  }
  for (uint32_t i = 0; more && more[i]; i++) {
    known |= strcmp(more[i], name) == 0;
    nearest_try(n, more[i], strlen(more[i]));
  }
  return known;
}

static void check_unknown(struct hd_config_reader *r, const struct hd_config_key *keys, uint32_t count, const char *const *more,
                          const char *prefix, const struct hd_value *section, const char *shown) {
  for (size_t i = 0; section && section->kind == HD_VALUE_MAP && i < hd_value_count(section); i++) {
    const char *name = hd_value_key(section, i);
    struct nearest n = {name, "", 4};
    if (known_key(keys, count, more, prefix, name, &n)) continue;
    wrong_at(r, hd_value_item(section, i)->line, "%s%s%s: there is no such key%s%s%s", shown, *shown ? "." : "", name,
             n.name[0] ? "; did you mean \"" : "", n.name, n.name[0] ? "\"?" : "");
  }
}

// ---- sections --------------------------------------------------------------------------------------------------------------------------

// A section that must be a table; NULL if it is not there.
static const struct hd_value *table_of(struct hd_config_reader *r, const struct hd_value *parent, const char *key, const char *shown, uint32_t kind) {
  const struct hd_value *v = parent && parent->kind == HD_VALUE_MAP ? hd_value_get(parent, key) : NULL;
  if (!v || v->kind == HD_VALUE_NIL) return NULL;
  bool empty = (v->kind == HD_VALUE_MAP || v->kind == HD_VALUE_LIST) && hd_value_count(v) == 0;
  if (v->kind == kind || empty) return v;
  wrong_at(r, v->line, "%s: expected %s, found %s", shown, kind_name(kind), is_scalar(v) ? "one value" : kind_name(v->kind));
  return NULL;
}

static void params_push(struct hd_config_reader *r, struct hd_config_plugin *c, const char *name, const char *text, int line, bool secret) {
  char where[1100];
  if (line) snprintf(where, sizeof where, "%s:%d%s", r->config->path, line, secret ? HD_PARAM_HIDDEN : "");
  else snprintf(where, sizeof where, "--set");
  for (uint32_t i = 0; i < c->param_count; i++)
    if (strcmp(c->params[i].name, name) == 0) { // --set over the file
      c->params[i].text = keep_text(r, text);
      c->params[i].place = keep_text(r, where);
      return;
    }
  c->params[c->param_count++] = (struct hd_param_value){keep_text(r, name), keep_text(r, text), keep_text(r, where)};
}

// A list of values becomes lines of text: that is how plugins take lists.
static bool list_text(const struct hd_value *list, char *to, size_t size) {
  size_t at = 0;
  to[0] = 0;
  for (size_t i = 0; i < hd_value_count(list); i++) {
    char one[VALUE_SIZE];
    if (!is_scalar(hd_value_item(list, i)) || !value_text(hd_value_item(list, i), one, sizeof one)) return false;
    int n = snprintf(to + at, size - at, "%s%s", i ? "\n" : "", one);
    if (n < 0 || (size_t)n >= size - at) return false;
    at += (size_t)n;
  }
  return true;
}

static void read_params(struct hd_config_reader *r, struct hd_config_plugin *c, const struct hd_value *section, const char *shown) {
  char path[256], text[HD_PARAM_TEXT_MAX > 65536 ? 65536 : HD_PARAM_TEXT_MAX];
  snprintf(path, sizeof path, "%s.params", shown);
  const struct hd_value *params = table_of(r, section, "params", path, HD_VALUE_MAP);
  size_t count = params ? hd_value_count(params) : 0;
  c->params = keep(r, (count + r->source->set_count + 1) * sizeof *c->params);
  for (size_t i = 0; i < count; i++) {
    const struct hd_value *v = hd_value_item(params, i);
    bool good = v->kind == HD_VALUE_LIST || (v->kind == HD_VALUE_MAP && hd_value_count(v) == 0) ? list_text(v, text, sizeof text) : is_scalar(v) && value_text(v, text, sizeof text);
    if (good) params_push(r, c, hd_value_key(params, i), text, v->line, value_is_secret(v));
    else wrong_at(r, v->line, "%s.%s: expected a value or a list of values of at most %zu bytes", path, hd_value_key(params, i), sizeof text - 1);
  }
  size_t length = strlen(path);
  for (uint32_t i = 0; i < r->source->set_count; i++) {
    struct hd_config_set *set = &r->source->sets[i];
    if (strncmp(set->path, path, length) != 0 || set->path[length] != '.') continue;
    set->used = true;
    params_push(r, c, set->path + length + 1, set->value, 0, false);
  }
}

// Limits are rows of the risk room's table. Durations are written in milliseconds and kept in nanoseconds.
static void read_limits(struct hd_config_reader *r, const struct hd_value *section, const char *shown, int line, uint32_t scope, struct hd_limits *out) {
  static const uint32_t types[] = {[HD_LIMIT_QUANTITY] = HD_KEY_QUANTITY, [HD_LIMIT_MONEY] = HD_KEY_MONEY, [HD_LIMIT_BPS] = HD_KEY_I64,
                                   [HD_LIMIT_COUNT] = HD_KEY_I64, [HD_LIMIT_DURATION_MS] = HD_KEY_I64};
  struct hd_config_key keys[32] = {0};
  uint32_t count = 0;
  HD_ASSERT(hd_limit_key_count <= 32);
  for (uint32_t i = 0; i < hd_limit_key_count; i++) {
    const struct hd_limit_key *limit = &hd_limit_keys[i];
    if (!(limit->scopes & scope)) continue;
    int64_t max = limit->unit == HD_LIMIT_DURATION_MS ? limit->max / 1000000 : limit->max;
    keys[count] = (struct hd_config_key){.path = limit->key, .type = types[limit->unit], .offset = limit->offset, .max = max, .initial = "0",
                                         .live = true, .help = limit->help};
    read_key(r, &keys[count++], section, (struct place){shown, line}, out);
    int64_t *field = (int64_t *)(void *)((char *)out + limit->offset);
    if (limit->unit == HD_LIMIT_DURATION_MS) *field *= 1000000;
  }
  check_unknown(r, keys, count, NULL, "", section, shown);
}

static void read_plugin(struct hd_config_reader *r, struct hd_config_plugin *c, const struct hd_value *section, const char *parent,
                        const char *name, const struct hd_config_key *keys, uint32_t key_count, void *base, const char *const *more) {
  char shown[200];
  snprintf(shown, sizeof shown, "%s.%s", parent, name);
  bool empty = section->kind == HD_VALUE_LIST && hd_value_count(section) == 0;
  if (section->kind != HD_VALUE_MAP && !empty) {
    wrong_at(r, section->line, "%s: expected a table, found %s", shown, is_scalar(section) ? "one value" : kind_name(section->kind));
    return;
  }
  hd_text_copy(c->name, sizeof c->name, name);
  c->line = section->line;
  if (!hd_name_valid(name)) wrong_at(r, section->line, "%s: expected a name of a-z, 0-9, _ and - of at most 63 bytes", shown);
  read_keys(r, keys, key_count, section, (struct place){shown, section->line}, base);
  check_unknown(r, keys, key_count, more, "", section, shown);
  if (!c->plugin[0]) hd_text_copy(c->plugin, sizeof c->plugin, name);
  read_params(r, c, section, shown);
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

// The names of a section in ascending order: a configuration means the same however its tables are written.
static const char **sorted_names(struct hd_config_reader *r, const struct hd_value *section, uint32_t *count) {
  *count = section ? (uint32_t)hd_value_count(section) : 0;
  const char **names = keep(r, (*count + 1) * sizeof *names);
  for (uint32_t i = 0; i < *count; i++) names[i] = hd_value_key(section, i);
  qsort(names, *count, sizeof *names, by_name);
  return names;
}

static const char *const plugin_more[] = {"params", NULL};
static const char *const strategy_more[] = {"params", "universe", "bars", "risk", NULL};
static const char *const instrument_more[] = {"symbols", "risk", NULL};

// "--set SECTION.NAME.plugin=..." (strategies: also ".external=...") makes a section that the file does not have: `--data` brings its own venue that
// way, `--strategy` a strategy. NULL: it does not.
static const char *section_made(struct hd_config_reader *r, const struct hd_config_set *set, const char *section, const struct hd_value *table) {
  size_t length = strlen(section);
  if (strncmp(set->path, section, length) != 0 || set->path[length] != '.') return NULL;
  const char *name = set->path + length + 1, *dot = strchr(name, '.');
  if (!dot || (strcmp(dot, ".plugin") != 0 && strcmp(dot, ".external") != 0)) return NULL;
  char *made = keep(r, (size_t)(dot - name) + 1);
  memcpy(made, name, (size_t)(dot - name));
  return table && hd_value_get(table, made) ? NULL : made;
}

// The names of the file and those that are made, ascending.
static const char **plugin_names(struct hd_config_reader *r, const struct hd_value *table, const char *section, uint32_t *count) {
  uint32_t written;
  const char **from = sorted_names(r, table, &written), **names = keep(r, (written + r->source->set_count + 1) * sizeof *names);
  memcpy(names, from, written * sizeof *names);
  *count = written;
  for (uint32_t i = 0; i < r->source->set_count; i++) {
    const char *made = section_made(r, &r->source->sets[i], section, table);
    for (uint32_t k = written; made && k < *count; k++)
      if (strcmp(names[k], made) == 0) made = NULL; // set twice
    if (made) names[(*count)++] = made;
  }
  qsort(names, *count, sizeof *names, by_name);
  return names;
}

static struct hd_config_plugin *read_plugins(struct hd_config_reader *r, const struct hd_value *root, const char *section, uint32_t *count) {
  static const struct hd_value nothing = {.kind = HD_VALUE_MAP};
  const struct hd_value *table = table_of(r, root, section, section, HD_VALUE_MAP);
  const char **names = plugin_names(r, table, section, count);
  struct hd_config_plugin *rows = keep(r, (*count + 1) * sizeof *rows);
  for (uint32_t i = 0; i < *count; i++) {
    const struct hd_value *written = table ? hd_value_get(table, names[i]) : NULL;
    read_plugin(r, &rows[i], written ? written : &nothing, section, names[i], hd_config_plugin_keys, hd_config_plugin_key_count, &rows[i], plugin_more);
  }
  return rows;
}

static const char **read_names(struct hd_config_reader *r, const struct hd_value *list, const char *shown, uint32_t *count) {
  *count = list ? (uint32_t)hd_value_count(list) : 0;
  const char **names = keep(r, (*count + 1) * sizeof *names);
  for (uint32_t i = 0; i < *count; i++) {
    const struct hd_value *v = hd_value_item(list, i);
    if (v->kind != HD_VALUE_STRING) wrong_at(r, v->line, "%s: expected names, found another value at place %u", shown, i + 1);
    names[i] = v->kind == HD_VALUE_STRING ? v->as.string.bytes : "";
  }
  return names;
}

// The keys below `deployment` were read with the others; here what is none of them is told.
static void read_policy(struct hd_config_reader *r, const struct hd_value *section, const char *name) {
  static const char *const groups[] = {"deployment", "deployment.guard", "deployment.governor"};
  const struct hd_value *deployment = NULL;
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    char shown[256];
    snprintf(shown, sizeof shown, "strategies.%s.%s", name, groups[i]);
    const char *dot = strchr(groups[i], '.');
    const struct hd_value *table = table_of(r, dot ? deployment : section, dot ? dot + 1 : groups[i], shown, HD_VALUE_MAP);
    check_unknown(r, hd_config_strategy_keys, hd_config_strategy_key_count, NULL, groups[i], table, shown);
    if (!dot) deployment = table;
  }
}

static void read_bars(struct hd_config_reader *r, struct hd_config_strategy *s, const struct hd_value *section, const char *name) {
  char shown[256];
  snprintf(shown, sizeof shown, "strategies.%s.bars", name);
  const struct hd_value *list = table_of(r, section, "bars", shown, HD_VALUE_LIST);
  s->bars = read_names(r, list, shown, &s->bar_count);
  if (s->bar_count && !s->external) wrong_at(r, list->line, "%s: a plugin, or the card of an external strategy, asks for its bars by itself; `bars` is for `external = true`", shown);
  if (s->bar_count > HD_BAR_KINDS_MAX) {
    wrong_at(r, list->line, "%s: expected at most %d kinds, found %u", shown, HD_BAR_KINDS_MAX, s->bar_count);
    s->bar_count = HD_BAR_KINDS_MAX;
  }
  for (uint32_t i = 0; i < s->bar_count; i++)
    if (!hd_bar_parse(s->bars[i], &s->bar_requests[i]))
      wrong_at(r, list->line, "%s: expected something like \"1m\", \"tick:100\" or \"volume:10\", found \"%s\"", shown, s->bars[i]);
}

static void read_strategies(struct hd_config_reader *r, const struct hd_value *root) {
  struct hd_config *c = r->config;
  const struct hd_value *table = table_of(r, root, "strategies", "strategies", HD_VALUE_MAP);
  static const struct hd_value nothing = {.kind = HD_VALUE_MAP};
  const char **names = plugin_names(r, table, "strategies", &c->strategy_count);
  c->strategies = keep(r, (c->strategy_count + 1) * sizeof *c->strategies);
  for (uint32_t i = 0; i < c->strategy_count; i++) {
    struct hd_config_strategy *s = &c->strategies[i];
    const struct hd_value *written = table ? hd_value_get(table, names[i]) : NULL, *section = written ? written : &nothing;
    char shown[256];
    read_plugin(r, &s->base, section, "strategies", names[i], hd_config_strategy_keys, hd_config_strategy_key_count, s, strategy_more);
    snprintf(shown, sizeof shown, "strategies.%s.universe", names[i]);
    s->universe = read_names(r, table_of(r, section, "universe", shown, HD_VALUE_LIST), shown, &s->universe_count);
    read_bars(r, s, section, names[i]);
    read_policy(r, section, names[i]);
    snprintf(shown, sizeof shown, "strategies.%s.risk", names[i]);
    read_limits(r, table_of(r, section, "risk", shown, HD_VALUE_MAP), shown, section->line, HD_SCOPE_STRATEGY, &s->risk);
  }
}

static void read_instrument(struct hd_config_reader *r, struct hd_config_instrument *c, const struct hd_value *section, uint32_t index) {
  char shown[256];
  snprintf(shown, sizeof shown, "universe.instruments[%u]", index + 1);
  c->line = section->line;
  if (section->kind != HD_VALUE_MAP) {
    wrong_at(r, section->line, "%s: expected a table like { name = \"AAPL\" }", shown);
    return;
  }
  read_keys(r, hd_config_instrument_keys, hd_config_instrument_key_count, section, (struct place){shown, section->line}, c);
  check_unknown(r, hd_config_instrument_keys, hd_config_instrument_key_count, instrument_more, "", section, shown);
  if (!c->definition.currency[0]) hd_text_copy(c->definition.currency, sizeof c->definition.currency, r->config->currency);
  const struct hd_value *symbols = table_of(r, section, "symbols", shown, HD_VALUE_MAP);
  c->symbol_count = symbols ? (uint32_t)hd_value_count(symbols) : 0;
  c->symbols = keep(r, (c->symbol_count + 1) * sizeof *c->symbols);
  for (uint32_t i = 0; i < c->symbol_count; i++) {
    const struct hd_value *v = hd_value_item(symbols, i);
    if (v->kind != HD_VALUE_STRING) wrong_at(r, v->line, "%s.symbols.%s: expected the venue's symbol", shown, hd_value_key(symbols, i));
    c->symbols[i] = (struct hd_config_symbol){hd_value_key(symbols, i), v->kind == HD_VALUE_STRING ? v->as.string.bytes : ""};
  }
  snprintf(shown, sizeof shown, "universe.instruments[%u].risk", index + 1);
  read_limits(r, table_of(r, section, "risk", shown, HD_VALUE_MAP), shown, section->line, HD_SCOPE_INSTRUMENT, &c->risk);
}

static void read_universe(struct hd_config_reader *r, const struct hd_value *root) {
  const struct hd_value *universe = hd_value_get(root, "universe"); // read_all has told if it is no table
  const struct hd_value *list = table_of(r, universe, "instruments", "universe.instruments", HD_VALUE_LIST);
  struct hd_config *c = r->config;
  c->instrument_count = list ? (uint32_t)hd_value_count(list) : 0;
  c->instruments = keep(r, (c->instrument_count + 1) * sizeof *c->instruments);
  for (uint32_t i = 0; i < c->instrument_count; i++) read_instrument(r, &c->instruments[i], hd_value_item(list, i), i);
  if (c->instrument_count > c->universe_max)
    hd_config_wrong(r, "universe.instruments", "expected at most universe.max = %u, found %u", c->universe_max, c->instrument_count);
}

// ---- the bus -----------------------------------------------------------------------------------------------------------------------

static struct hd_config_listen *read_listeners(struct hd_config_reader *r, const struct hd_value *bus, const char *key, const struct hd_config_key *keys, uint32_t key_count,
                                               uint32_t *count) {
  char shown[64];
  snprintf(shown, sizeof shown, "bus.%s", key);
  const struct hd_value *list = table_of(r, bus, key, shown, HD_VALUE_LIST);
  *count = list ? (uint32_t)hd_value_count(list) : 0;
  struct hd_config_listen *rows = keep(r, (*count + 1) * sizeof *rows);
  for (uint32_t i = 0; i < *count; i++) {
    const struct hd_value *section = hd_value_item(list, i);
    snprintf(shown, sizeof shown, "bus.%s[%u]", key, i + 1);
    rows[i].line = section->line;
    if (section->kind != HD_VALUE_MAP) {
      wrong_at(r, section->line, "%s: expected a table like { url = \"tcp://127.0.0.1:7007\" }", shown);
      continue;
    }
    read_keys(r, keys, key_count, section, (struct place){shown, section->line}, &rows[i]);
    check_unknown(r, keys, key_count, NULL, "", section, shown);
  }
  return rows;
}

static void read_bus(struct hd_config_reader *r, const struct hd_value *root) {
  const struct hd_value *bus = hd_value_get(root, "bus"); // read_all has told if it is no table
  struct hd_config *c = r->config;
  c->bus.sessions = read_listeners(r, bus, "sessions", hd_config_session_keys, hd_config_session_key_count, &c->bus.session_count);
  c->bus.feeds = read_listeners(r, bus, "feeds", hd_config_feed_keys, hd_config_feed_key_count, &c->bus.feed_count);
}

// ---- the router's rules ------------------------------------------------------------------------------------------------------------

static uint32_t rule_word(struct hd_config_reader *r, const struct hd_value *rule, const char *key, const char *choices, const char *initial, uint32_t index) {
  const struct hd_value *v = hd_value_get(rule, key);
  const char *text = v && v->kind == HD_VALUE_STRING ? v->as.string.bytes : v && v->kind != HD_VALUE_NIL ? "?" : initial;
  uint32_t number = hd_choice_parse(choices, text);
  if (!number) wrong_at(r, v ? v->line : rule->line, "router.rules[%u].%s: expected one of: %s; found \"%s\"", index + 1, key, choices, value_is_secret(v) ? "<secret>" : text);
  return number;
}

static void read_rules(struct hd_config_reader *r, const struct hd_value *root) {
  static const char *const keys[] = {"kind", "when", "lane", NULL};
  static const uint32_t facts[] = {0, HD_FACT_ALWAYS, HD_FACT_POSITION, HD_FACT_VOLATILE, HD_FACT_PEER_FAST, HD_FACT_UNSUBSCRIBED};
  struct hd_config *c = r->config;
  const struct hd_value *router = hd_value_get(root, "router");
  const struct hd_value *rules = table_of(r, router, "rules", "router.rules", HD_VALUE_LIST);
  double above = c->lanes.volatile_above;
  c->lanes = hd_lane_rules_default;
  c->lanes.volatile_above = above;
  if (rules) c->lanes.count = 0;
  for (uint32_t i = 0; rules && i < hd_value_count(rules); i++) {
    const struct hd_value *rule = hd_value_item(rules, i);
    if (rule->kind != HD_VALUE_MAP || i >= HD_LANE_RULES_MAX) {
      wrong_at(r, rule->line, "router.rules[%u]: expected at most %d tables like { when = \"position\", lane = \"fast\" }", i + 1, HD_LANE_RULES_MAX);
      return;
    }
    check_unknown(r, NULL, 0, keys, "", rule, "router.rules");
    uint32_t kind = rule_word(r, rule, "kind", "any trade quote book status", "any", i);
    uint32_t fact = rule_word(r, rule, "when", "always position volatile peer_fast unsubscribed", "always", i);
    uint32_t lane = rule_word(r, rule, "lane", "fast warm cold drop", "", i);
    if (!kind || !fact || !lane) continue;
    c->lanes.rules[c->lanes.count++] = (struct hd_lane_rule){kind > 1 ? 1u << (kind - 1) : 0, facts[fact], 0, lane};
  }
  const struct hd_value *pairs = table_of(r, router, "correlated", "router.correlated", HD_VALUE_LIST);
  c->correlated = keep(r, ((pairs ? hd_value_count(pairs) : 0) + 1) * sizeof *c->correlated);
  for (uint32_t i = 0; pairs && i < hd_value_count(pairs); i++) {
    uint32_t count = 0;
    const struct hd_value *pair = hd_value_item(pairs, i);
    const char **names = pair->kind == HD_VALUE_LIST ? read_names(r, pair, "router.correlated", &count) : NULL;
    if (count != 2) {
      wrong_at(r, pair->line, "router.correlated: expected pairs of names like { \"SPY\", \"QQQ\" }");
      continue;
    }
    c->correlated[c->correlated_count][0] = names[0];
    c->correlated[c->correlated_count++][1] = names[1];
  }
}

// ---- the whole -----------------------------------------------------------------------------------------------------------------------

static const char *const top_more[] = {"venues", "strategies", "services", "allocator", "shadow", "risk", NULL};
static const struct { const char *name; const char *more[3]; } groups[] = {
    {"engine", {NULL}}, {"account", {NULL}}, {"universe", {"instruments", NULL}}, {"normalize", {NULL}}, {"router", {"rules", "correlated", NULL}},
    {"gateway", {NULL}}, {"lua", {NULL}}, {"journal", {NULL}}, {"recovery", {NULL}}, {"sample", {NULL}}, {"registry", {NULL}}, {"report", {NULL}},
    {"bus", {"sessions", "feeds", NULL}}};

// A plugin of which there is one.
static void read_single(struct hd_config_reader *r, const struct hd_value *root, const char *name, struct hd_config_plugin *plugin) {
  const struct hd_value *table = table_of(r, root, name, name, HD_VALUE_MAP);
  hd_text_copy(plugin->name, sizeof plugin->name, name);
  if (table) {
    plugin->line = table->line;
    read_keys(r, hd_config_plugin_keys, hd_config_plugin_key_count, table, (struct place){name, table->line}, plugin);
    check_unknown(r, hd_config_plugin_keys, hd_config_plugin_key_count, plugin_more, "", table, name);
  }
  read_params(r, plugin, table, name);
}

static void read_all(struct hd_config_reader *r) {
  struct hd_config *c = r->config;
  const struct hd_value *root = r->source->root;
  read_keys(r, hd_config_keys, hd_config_key_count, root, (struct place){"", 0}, c);
  check_unknown(r, hd_config_keys, hd_config_key_count, top_more, "", root, "");
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    check_unknown(r, hd_config_keys, hd_config_key_count, groups[i].more, groups[i].name,
                  table_of(r, root, groups[i].name, groups[i].name, HD_VALUE_MAP), groups[i].name);
  read_universe(r, root);
  read_rules(r, root);
  read_bus(r, root);
  read_limits(r, table_of(r, root, "risk", "risk", HD_VALUE_MAP), "risk", 0, HD_SCOPE_ACCOUNT, &c->limits);
  c->venues = read_plugins(r, root, "venues", &c->venue_count);
  c->services = read_plugins(r, root, "services", &c->service_count);
  read_strategies(r, root);
  read_single(r, root, "allocator", &c->allocator);
  read_single(r, root, "shadow", &c->shadow);
  if (!c->allocator.plugin[0]) hd_text_copy(c->allocator.plugin, sizeof c->allocator.plugin, "net");
  hd_config_check(c, r);
  for (uint32_t i = 0; i < r->source->set_count; i++)
    if (!r->source->sets[i].used) wrong_at(r, 0, "--set %s: there is no such key", r->source->sets[i].path);
}

bool hd_config_is_secret(const struct hd_config *config, const char *path) {
  return config->source->root && value_is_secret(value_at(config->source->root, path));
}

// ---- the whole ---------------------------------------------------------------------------------------------------------------------

static struct hd_config_reader reader_begin(struct hd_config *config, const char *path, struct hd_config_error *errors) {
  memset(config, 0, sizeof *config);
  hd_text_copy(config->path, sizeof config->path, path);
  config->source = calloc(1, sizeof *config->source);
  HD_ASSERT(config->source);
  return (struct hd_config_reader){.config = config, .errors = errors, .source = config->source};
}

uint32_t hd_config_load(struct hd_config *config, const char *path, const char *const *sets, uint32_t set_count,
                        struct hd_config_error *errors) {
  struct hd_config_reader r = reader_begin(config, path, errors);
  struct hd_fault fault;
  int line = 0;
  if (hd_lua_config_read(path, &r.source->root, &line, &fault)) {
    wrong_at(&r, line, "%s", fault.text);
    return r.error_count;
  }
  if (r.source->root->kind != HD_VALUE_MAP) {
    wrong_at(&r, 1, "expected the file to return a table: `return { ... }`");
    return r.error_count;
  }
  read_sets(&r, sets, set_count);
  read_all(&r);
  return r.error_count;
}

uint32_t hd_config_load_text(struct hd_config *config, const char *name, const char *text, size_t size, const char *const *sets,
                             uint32_t set_count, struct hd_config_error *errors) {
  struct hd_config_reader r = reader_begin(config, name, errors);
  struct hd_fault fault;
  int line = 0;
  if (hd_config_tree(name, text, size, &r.source->root, &line, &fault)) {
    wrong_at(&r, line, "%s", fault.text);
    return r.error_count;
  }
  read_sets(&r, sets, set_count);
  read_all(&r);
  return r.error_count;
}

uint32_t hd_config_set_count(const struct hd_config *config) { return config->source ? config->source->set_count : 0; }

void hd_config_set_text(const struct hd_config *config, uint32_t index, char *to, size_t size) {
  HD_ASSERT(index < hd_config_set_count(config));
  const struct hd_config_set *set = &config->source->sets[index];
  snprintf(to, size, "%s=%s", set->path, set->value);
}

void hd_config_fini(struct hd_config *config) {
  struct hd_config_source *s = config->source;
  if (!s) return;
  for (uint32_t i = 0; i < s->block_count; i++) free(s->blocks[i]);
  free(s->blocks);
  free(s->sets);
  if (s->root) hd_value_free(s->root);
  free(s);
  config->source = NULL;
}
