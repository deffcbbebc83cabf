// The effective configuration as text and back: what the first record of a session holds, so that a journal can be run again without
// the file that it came from. One `path = value` a line; a value that could not be read back as it stands is in quotes.
#include <stdarg.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "runtime/config_read.h"

#define VALUE_SIZE 4096

// ---- to text -----------------------------------------------------------------------------------------------------------------------

struct printer {
  const struct hd_config *config;
  char *to;
  size_t size, at;
};

__attribute__((format(printf, 2, 3))) static void print(struct printer *p, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(p->at < p->size ? p->to + p->at : NULL, p->at < p->size ? p->size - p->at : 0, format, arguments);
  va_end(arguments);
  if (n > 0) p->at += (size_t)n;
}

static bool is_plain(const char *text) {
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == '\\') return false;
  return *text != '"' && *text != ' ';
}

static void print_value(struct printer *p, const char *path, const char *text) {
  if (hd_config_is_secret(p->config, path)) text = "<secret>";
  if (is_plain(text)) {
    print(p, "%s = %s\n", path, text);
    return;
  }
  print(p, "%s = \"", path);
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\') print(p, "\\%c", *c);
    else if ((unsigned char)*c < 0x20) print(p, "\\x%02x", (unsigned char)*c);
    else print(p, "%c", *c);
  }
  print(p, "\"\n");
}

static void print_keys(struct printer *p, const struct hd_config_key *keys, uint32_t count, const char *section, const void *base) {
  for (uint32_t i = 0; i < count; i++) {
    char path[256], text[VALUE_SIZE];
    snprintf(path, sizeof path, "%s%s%s", section, *section ? "." : "", keys[i].path);
    hd_config_key_format(&keys[i], base, text, sizeof text);
    print_value(p, path, text);
  }
}

static void print_params(struct printer *p, const char *section, const struct hd_config_plugin *c) {
  for (uint32_t i = 0; i < c->param_count; i++) {
    char path[256];
    snprintf(path, sizeof path, "%s.params.%s", section, c->params[i].name);
    print_value(p, path, c->params[i].text);
  }
}

static void print_plugins(struct printer *p, const char *section, const struct hd_config_plugin *rows, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    char path[160];
    snprintf(path, sizeof path, "%s.%s", section, rows[i].name);
    print_keys(p, hd_config_plugin_keys, hd_config_plugin_key_count, path, &rows[i]);
    print_params(p, path, &rows[i]);
  }
}

// As they are written in a configuration: durations in milliseconds.
static void print_limits(struct printer *p, const char *section, const struct hd_limits *limits) {
  static const uint32_t types[] = {[HD_LIMIT_QUANTITY] = HD_KEY_QUANTITY, [HD_LIMIT_MONEY] = HD_KEY_MONEY, [HD_LIMIT_BPS] = HD_KEY_I64,
                                   [HD_LIMIT_COUNT] = HD_KEY_I64, [HD_LIMIT_DURATION_MS] = HD_KEY_I64};
  for (uint32_t i = 0; i < hd_limit_key_count; i++) {
    const struct hd_limit_key *limit = &hd_limit_keys[i];
    char path[256], text[64];
    int64_t value;
    memcpy(&value, (const char *)limits + limit->offset, sizeof value);
    if (value == 0) continue;
    if (limit->unit == HD_LIMIT_DURATION_MS) value /= 1000000;
    const struct hd_config_key key = {.path = limit->key, .type = types[limit->unit]};
    hd_config_key_format(&key, &value, text, sizeof text);
    snprintf(path, sizeof path, "%s.%s", section, limit->key);
    print_value(p, path, text);
  }
}

static void print_strategy(struct printer *p, const struct hd_config_strategy *s) {
  char path[160], one[200];
  snprintf(path, sizeof path, "strategies.%s", s->base.name);
  print_keys(p, hd_config_strategy_keys, hd_config_strategy_key_count, path, s);
  print_params(p, path, &s->base);
  for (uint32_t k = 0; k < s->universe_count; k++) {
    snprintf(one, sizeof one, "%s.universe[%u]", path, k + 1);
    print_value(p, one, s->universe[k]);
  }
  for (uint32_t k = 0; k < s->bar_count; k++) {
    snprintf(one, sizeof one, "%s.bars[%u]", path, k + 1);
    print_value(p, one, s->bars[k]);
  }
  snprintf(one, sizeof one, "%s.risk", path);
  print_limits(p, one, &s->risk);
}

static void print_instrument(struct printer *p, const struct hd_config_instrument *c, uint32_t number) {
  char path[64], one[200];
  snprintf(path, sizeof path, "universe.instruments[%u]", number);
  print_keys(p, hd_config_instrument_keys, hd_config_instrument_key_count, path, c);
  for (uint32_t i = 0; i < c->symbol_count; i++) {
    snprintf(one, sizeof one, "%s.symbols.%s", path, c->symbols[i].venue);
    print_value(p, one, c->symbols[i].symbol);
  }
  snprintf(one, sizeof one, "%s.risk", path);
  print_limits(p, one, &c->risk);
}

static const char *word_of(uint32_t number, const uint32_t *numbers, const char *const *words, uint32_t count) {
  uint32_t i = 0;
  while (i + 1 < count && numbers[i] != number) i++;
  return words[i];
}

static void print_router(struct printer *p, const struct hd_config *c) {
  static const char *const kinds[] = {"any", "trade", "quote", "book", "status"}, *const whens[] = {"always", "position", "volatile", "peer_fast", "unsubscribed"},
                           *const lanes[] = {"fast", "warm", "cold", "drop"};
  static const uint32_t kind_bits[] = {0, 1u << 1, 1u << 2, 1u << 3, 1u << 4}, lane_numbers[] = {1, 2, 3, 4},
                        facts[] = {HD_FACT_ALWAYS, HD_FACT_POSITION, HD_FACT_VOLATILE, HD_FACT_PEER_FAST, HD_FACT_UNSUBSCRIBED};
  const struct hd_lane_rules *usual = &hd_lane_rules_default; // some of those stand for several of what a file can say
  bool own = c->lanes.count != usual->count || memcmp(c->lanes.rules, usual->rules, usual->count * sizeof *usual->rules) != 0;
  for (uint32_t i = 0; own && i < c->lanes.count; i++) {
    const struct hd_lane_rule *rule = &c->lanes.rules[i];
    print(p, "router.rules[%u].kind = %s\n", i + 1, word_of(rule->kinds, kind_bits, kinds, 5));
    print(p, "router.rules[%u].when = %s\n", i + 1, word_of(rule->fact, facts, whens, 5));
    print(p, "router.rules[%u].lane = %s\n", i + 1, word_of(rule->lane, lane_numbers, lanes, 4));
  }
  for (uint32_t i = 0; i < c->correlated_count; i++)
    for (uint32_t k = 0; k < 2; k++) {
      char path[64];
      snprintf(path, sizeof path, "router.correlated[%u][%u]", i + 1, k + 1);
      print_value(p, path, c->correlated[i][k]);
    }
}

static void print_listeners(struct printer *p, const char *name, const struct hd_config_key *keys, uint32_t key_count, const struct hd_config_listen *rows, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    char path[64];
    snprintf(path, sizeof path, "bus.%s[%u]", name, i + 1);
    print_keys(p, keys, key_count, path, &rows[i]);
  }
}

size_t hd_config_print(const struct hd_config *config, char *to, size_t size) {
  struct printer p = {config, to, size, 0};
  if (size) to[0] = 0;
  print_keys(&p, hd_config_keys, hd_config_key_count, "", config);
  print_router(&p, config);
  print_listeners(&p, "sessions", hd_config_session_keys, hd_config_session_key_count, config->bus.sessions, config->bus.session_count);
  print_listeners(&p, "feeds", hd_config_feed_keys, hd_config_feed_key_count, config->bus.feeds, config->bus.feed_count);
  print_limits(&p, "risk", &config->limits);
  print_plugins(&p, "venues", config->venues, config->venue_count);
  print_keys(&p, hd_config_plugin_keys, hd_config_plugin_key_count, "allocator", &config->allocator);
  print_params(&p, "allocator", &config->allocator);
  if (config->shadow.plugin[0]) {
    print_keys(&p, hd_config_plugin_keys, hd_config_plugin_key_count, "shadow", &config->shadow);
    print_params(&p, "shadow", &config->shadow);
  }
  for (uint32_t i = 0; i < config->strategy_count; i++) print_strategy(&p, &config->strategies[i]);
  print_plugins(&p, "services", config->services, config->service_count);
  for (uint32_t i = 0; i < config->instrument_count; i++) print_instrument(&p, &config->instruments[i], i + 1);
  return p.at;
}

// ---- from text ---------------------------------------------------------------------------------------------------------------------

// Room for one more of a list or map; NULL: no memory. key NULL: a list.
static struct hd_value *grow(struct hd_value *v, const char *key, size_t length) {
  size_t count = v->as.items.count;
  if ((count & (count + 1)) == 0) { // 0, 1, 3, 7: room for twice as many
    struct hd_value *values = realloc(v->as.items.values, (2 * count + 2) * sizeof *values);
    if (values) v->as.items.values = values;
    char **keys = key ? realloc(v->as.items.keys, (2 * count + 2) * sizeof *keys) : NULL;
    if (keys) v->as.items.keys = keys;
    if (!values || (key && !keys)) return NULL;
  }
  if (key && !(v->as.items.keys[count] = strndup(key, length))) return NULL;
  v->as.items.values[count] = (struct hd_value){.kind = HD_VALUE_NIL};
  v->as.items.count++;
  return &v->as.items.values[count];
}

// The child of a name, or of a number from 1; made if it is new, and only at the end of a list. NULL: it cannot be.
static struct hd_value *child(struct hd_value *v, const char *key, size_t length, unsigned long number) {
  uint32_t kind = number ? HD_VALUE_LIST : HD_VALUE_MAP;
  if (v->kind == HD_VALUE_NIL) *v = (struct hd_value){.kind = kind, .line = v->line};
  if (v->kind != kind) return NULL;
  if (number) return number <= v->as.items.count ? &v->as.items.values[number - 1] : number == v->as.items.count + 1 ? grow(v, NULL, 0) : NULL;
  for (size_t i = 0; i < v->as.items.count; i++)
    if (strlen(v->as.items.keys[i]) == length && memcmp(v->as.items.keys[i], key, length) == 0) return &v->as.items.values[i];
  return grow(v, key, length);
}

// Walks "strategies.sma.universe[2]". Below `params` and `symbols` the rest is one name.
static struct hd_value *walk(struct hd_value *root, const char *path, int line) {
  struct hd_value *at = root;
  for (bool whole = false; at && *path;) {
    size_t length = whole ? strlen(path) : strcspn(path, ".[");
    whole = (length == 6 && memcmp(path, "params", 6) == 0) || (length == 7 && memcmp(path, "symbols", 7) == 0);
    if (!(at = child(at, path, length, 0))) return NULL;
    if (at->line == 0) at->line = line;
    path += length;
    while (at && *path == '[') {
      char *end;
      unsigned long number = strtoul(path + 1, &end, 10);
      if (*end != ']' || number == 0 || !(at = child(at, NULL, 0, number))) return NULL;
      if (at->line == 0) at->line = line;
      path = end + 1;
    }
    if (*path && *path++ != '.') return NULL;
  }
  return at;
}

// In place; the text becomes shorter. False: it ends in its middle.
static bool unquote(char *text) {
  size_t to = 0, at = 1;
  for (; text[at] && text[at] != '"'; at++) {
    if (text[at] != '\\') {
      text[to++] = text[at];
      continue;
    }
    at++;
    if (text[at] == 'x') {
      char hex[3] = {text[at + 1], text[at + 1] ? text[at + 2] : 0, 0};
      if (!hex[0] || !hex[1]) return false;
      text[to++] = (char)strtoul(hex, NULL, 16);
      at += 2;
    } else if (text[at]) text[to++] = text[at];
    else return false;
  }
  bool ended = text[at] == '"';
  text[to] = 0;
  return ended;
}

static bool read_line(struct hd_value *root, char *line, int number) {
  char *equal = strstr(line, " = ");
  if (!equal) return *line == 0 || *line == '#';
  *equal = 0;
  char *value = equal + 3;
  if (*value == '"' && !unquote(value)) return false;
  struct hd_value *at = walk(root, line, number);
  if (!at || at->kind != HD_VALUE_NIL || !(at->as.string.bytes = strdup(value))) return false;
  at->kind = HD_VALUE_STRING;
  at->line = number;
  at->as.string.size = strlen(value);
  return true;
}

int32_t hd_config_tree(const char *name, const char *text, size_t size, struct hd_value **root, int *line, struct hd_fault *fault) {
  static const char empty[] = "return {}";
  struct hd_value *tree = NULL;
  char *copy = strndup(text, size);
  int32_t code = copy ? hd_lua_config_evaluate(name, empty, sizeof empty - 1, &tree, line, fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", name);
  int number = 0;
  HD_ASSERT(code || tree->kind == HD_VALUE_MAP);
  for (char *at = copy, *next; !code && at && *at; at = next) {
    next = at + strcspn(at, "\n");
    if (*next) *next++ = 0;
    number++;
    if (read_line(tree, at, number)) continue;
    *line = number;
    code = hd_fault_set(fault, HADRON_ERR_PARSE, "expected a line like `engine.shards = 4` for a key that is not there yet, found \"%.80s\"", at);
  }
  free(copy);
  if (code && tree) hd_value_free(tree);
  else if (!code) *root = tree;
  return code;
}
