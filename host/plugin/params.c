#include "plugin/params.h"

#include <errno.h>
#include <locale.h>
#include <math.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "plugin/instance.h"
#include "plugin/loader.h"

// ---- types

// How a type is parsed, bounded and written. REAL and TEXT have functions of their own.
static int32_t parse_bool(const char *text, int64_t *out) {
  static const struct {
    const char *text;
    int64_t value;
  } words[] = {{"true", 1}, {"false", 0}, {"1", 1}, {"0", 0}, {"yes", 1}, {"no", 0}, {"on", 1}, {"off", 0}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i].text, text) == 0) return *out = words[i].value, HADRON_OK;
  return HADRON_ERR_PARSE;
}
static int32_t parse_integer(const char *text, int64_t *out) { return hd_decimal_read(text, 1, out); }
static int32_t parse_price(const char *text, int64_t *out) { return hd_decimal_read(text, HADRON_PRICE_SCALE, out); }
static int32_t parse_quantity(const char *text, int64_t *out) { return hd_decimal_read(text, HADRON_QUANTITY_SCALE, out); }
static int32_t parse_money(const char *text, int64_t *out) { return hd_decimal_read(text, HADRON_MONEY_SCALE, out); }

static size_t format_bool(char *to, size_t size, int64_t v) { return (size_t)snprintf(to, size, "%s", v ? "true" : "false"); }
static size_t format_integer(char *to, size_t size, int64_t v) { return hd_decimal_format(to, size, v, 1, 0); }
static size_t format_price(char *to, size_t size, int64_t v) { return hd_decimal_format(to, size, v, HADRON_PRICE_SCALE, 0); }
static size_t format_quantity(char *to, size_t size, int64_t v) { return hd_decimal_format(to, size, v, HADRON_QUANTITY_SCALE, 0); }
static size_t format_money(char *to, size_t size, int64_t v) { return hd_decimal_format(to, size, v, HADRON_MONEY_SCALE, 0); }

// The largest unit that divides it: what hd_duration_parse reads back exactly.
static size_t format_duration(char *to, size_t size, int64_t v) {
  static const struct {
    const char *name;
    int64_t ns;
  } units[] = {{"d", 86400000000000}, {"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
  size_t i = 0;
  while (v % units[i].ns != 0) i++;
  return (size_t)snprintf(to, size, "%lld%s", (long long)(v / units[i].ns), v ? units[i].name : "s");
}

static const struct type {
  const char *name, *example;
  int32_t (*parse)(const char *text, int64_t *out);
  size_t (*format)(char *to, size_t size, int64_t value);
} types[] = {
    [HADRON_PARAM_BOOL] = {"true or false", "true", parse_bool, format_bool},
    [HADRON_PARAM_INTEGER] = {"an integer", "10", parse_integer, format_integer},
    [HADRON_PARAM_REAL] = {"a number", "0.5", NULL, NULL},
    [HADRON_PARAM_PRICE] = {"a price", "12.34", parse_price, format_price},
    [HADRON_PARAM_QUANTITY] = {"a quantity", "100", parse_quantity, format_quantity},
    [HADRON_PARAM_MONEY] = {"an amount of money", "1000.00", parse_money, format_money},
    [HADRON_PARAM_DURATION] = {"a duration", "250ms", hd_duration_parse, format_duration},
    [HADRON_PARAM_TEXT] = {"a text", "", NULL, NULL},
};
#define TYPE_COUNT (sizeof types / sizeof *types)

static bool type_known(uint32_t type) { return type != HADRON_PARAM_INVALID && type < TYPE_COUNT; }
const char *hd_param_type_name(uint32_t type) { return type_known(type) ? types[type].name : "an unknown type"; }

static bool bounded(const struct hadron_param *p) {
  if (p->type == HADRON_PARAM_REAL) return p->real_min <= p->real_max;
  return p->type != HADRON_PARAM_BOOL && p->type != HADRON_PARAM_TEXT && p->min <= p->max;
}

size_t hd_param_range_format(const struct hadron_param *p, char *to, size_t size) {
  char low[48], high[48];
  int n;
  if (p->type == HADRON_PARAM_TEXT) n = snprintf(to, size, "a text of at most %u bytes", p->size - 1);
  else if (!bounded(p)) n = snprintf(to, size, "%s", hd_param_type_name(p->type));
  else {
    if (p->type == HADRON_PARAM_REAL) {
      snprintf(low, sizeof low, "%.12g", p->real_min);
      snprintf(high, sizeof high, "%.12g", p->real_max);
    } else {
      types[p->type].format(low, sizeof low, p->min);
      types[p->type].format(high, sizeof high, p->max);
    }
    bool open_below = p->type != HADRON_PARAM_REAL && p->min == INT64_MIN, open_above = p->type != HADRON_PARAM_REAL && p->max == INT64_MAX;
    if (open_above) n = snprintf(to, size, "%s, at least %s", hd_param_type_name(p->type), low);
    else if (open_below) n = snprintf(to, size, "%s, at most %s", hd_param_type_name(p->type), high);
    else n = snprintf(to, size, "%s, %s to %s", hd_param_type_name(p->type), low, high);
  }
  return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

// ---- one value

union cell {
  int64_t integer;
  double real;
};
HADRON_STATIC_ASSERT(sizeof(union cell) == 8, "a cell is what every type but TEXT occupies");

// strtod follows the process's locale, and a decimal comma would cut "0.5" to 0. The C locale is asked for by name.
static bool parse_real(const char *text, double *out) {
  static const char allowed[] = "0123456789+-.eE";
  if (text[0] == 0 || strspn(text, allowed) != strlen(text)) return false;
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (c == (locale_t)0) return false;
  char *end;
  double value = strtod_l(text, &end, c);
  freelocale(c);
  if (end == text || *end != 0 || !isfinite(value)) return false;
  *out = value;
  return true;
}

struct place {
  const struct hd_plugin *plugin; // NULL: a default, while the table is being checked
  const char *place;
};

static bool is_hidden(const char *place) {
  size_t length = place ? strlen(place) : 0, tail = strlen(HD_PARAM_HIDDEN);
  return length >= tail && strcmp(place + length - tail, HD_PARAM_HIDDEN) == 0;
}

static int32_t value_fault(const struct place *at, const struct hadron_param *p, int32_t code, const char *found, struct hd_fault *fault) {
  char range[160], shown[96];
  hd_param_range_format(p, range, sizeof range);
  bool whole = hd_text_copy(shown, sizeof shown, found);
  hd_text_printable(shown);
  if (is_hidden(at->place)) {
    hd_text_copy(shown, sizeof shown, "<secret>");
    whole = true;
  }
  return hd_fault_set(fault, code, "%s%splugin %s, parameter %s: expected %s%s%s, found \"%s%s\"", at->place ? at->place : "", at->place ? ": " : "",
                      at->plugin ? at->plugin->manifest.name : "?", p->name, range, p->unit && p->unit[0] ? " " : "", p->unit ? p->unit : "", shown, whole ? "" : "...");
}

// Parses a text by its row. TEXT: only its length is checked; the bytes are the text itself.
static int32_t parse_value(const struct place *at, const struct hadron_param *p, const char *text, union cell *out, struct hd_fault *fault) {
  union cell value = {0};
  if (p->type == HADRON_PARAM_TEXT) return strlen(text) < p->size ? HADRON_OK : value_fault(at, p, HADRON_ERR_RANGE, text, fault);
  if (p->type == HADRON_PARAM_REAL) {
    if (!parse_real(text, &value.real)) return value_fault(at, p, HADRON_ERR_PARSE, text, fault);
    if (bounded(p) && (value.real < p->real_min || value.real > p->real_max)) return value_fault(at, p, HADRON_ERR_RANGE, text, fault);
  } else {
    int32_t err = types[p->type].parse(text, &value.integer);
    if (err) return value_fault(at, p, err, text, fault);
    if (bounded(p) && (value.integer < p->min || value.integer > p->max)) return value_fault(at, p, HADRON_ERR_RANGE, text, fault);
  }
  *out = value;
  return HADRON_OK;
}

// ---- the table

static void check_row(const struct hadron_params *table, uint32_t i, struct hd_mismatch *d) {
  const struct hadron_param *p = &table->params[i];
  char field[96];
  snprintf(field, sizeof field, "parameter %u", i);
  if (p->name == NULL || !hd_name_valid(p->name) || strchr(p->name, '-') != NULL) {
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "expected a name of [a-z0-9_]{1,63}, found \"%.64s\"", p->name ? p->name : "");
    return;
  }
  snprintf(field, sizeof field, "parameter %s", p->name);
  if (!type_known(p->type)) {
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "type: expected 1 to %zu, found %u", TYPE_COUNT - 1, p->type);
    return;
  }
  if (p->help == NULL || p->help[0] == 0) hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "expected one line of help, found none");
  bool text = p->type == HADRON_PARAM_TEXT;
  if (text ? p->size < 2 || p->size > HD_PARAM_TEXT_MAX : p->size != 8)
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "size: expected %s, found %u", text ? "2 to 65536" : "8", p->size);
  else if (p->offset > HD_PARAM_OFFSET_MAX || (!text && p->offset % 8 != 0))
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "offset: expected a field inside the instance%s, found %u", text ? "" : ", aligned to 8", p->offset);
  if (p->type == HADRON_PARAM_REAL && (isnan(p->real_min) || isnan(p->real_max))) hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "range: found a bound that is not a number");
  for (uint32_t j = 0; j < i; j++) {
    const struct hadron_param *q = &table->params[j];
    if (q->name == NULL) continue;
    if (strcmp(p->name, q->name) == 0) hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "expected the name once, found it in rows %u and %u", j, i);
    if ((uint64_t)p->offset < (uint64_t)q->offset + q->size && (uint64_t)q->offset < (uint64_t)p->offset + p->size)
      hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "expected a field of its own, found one that overlaps %s (offsets %u and %u)", q->name, p->offset, q->offset);
  }
  struct hd_fault fault;
  union cell ignored;
  struct place none = {0};
  if (p->initial != NULL && parse_value(&none, p, p->initial, &ignored, &fault) != HADRON_OK) {
    char range[160];
    hd_param_range_format(p, range, sizeof range);
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, field, "default: expected %s, found \"%.64s\"", range, p->initial);
  }
}

void hd_params_table_check(const struct hadron_params *table, struct hd_mismatch *d) {
  if (table->count > HD_PARAMS_MAX) {
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, HADRON_CAP_PARAMS, "expected at most %d parameters, found %u", HD_PARAMS_MAX, table->count);
    return;
  }
  if (table->count > 0 && table->params == NULL) {
    hd_mismatch_add(d, HADRON_ERR_PLUGIN, HADRON_CAP_PARAMS, "expected a table of %u rows, found NULL", table->count);
    return;
  }
  for (uint32_t i = 0; i < table->count; i++) check_row(table, i, d);
}

// ---- preparing

struct hd_params_change {
  const struct hd_plugin *plugin;
  uint32_t count, room;
  unsigned char *store; // behind the writes, in the same block: all bytes
  size_t used;
  struct write {
    const struct hadron_param *param;
    unsigned char *bytes; // what the field will hold; after a commit, what it held before. param->size of them
  } writes[];           // [0 .. count); no more than needed: thousands of instances are made one after another
};

static uint32_t param_count(const struct hd_plugin *plugin) { return plugin->params ? plugin->params->count : 0; }

static const struct hadron_param *find_param(const struct hd_plugin *plugin, const char *name) {
  for (uint32_t i = 0; i < param_count(plugin); i++)
    if (strcmp(plugin->params->params[i].name, name) == 0) return &plugin->params->params[i];
  return NULL;
}

static int32_t unknown_fault(const struct place *at, const char *name, struct hd_fault *fault) {
  const char *nearest = NULL;
  size_t best = strlen(name) / 2 + 2;
  for (uint32_t i = 0; i < param_count(at->plugin); i++) {
    size_t distance = hd_text_distance(name, at->plugin->params->params[i].name);
    if (distance < best) best = distance, nearest = at->plugin->params->params[i].name;
  }
  char shown[80];
  hd_text_copy(shown, sizeof shown, name);
  hd_text_printable(shown);
  if (nearest != NULL)
    return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s%splugin %s has no parameter \"%s\"; did you mean \"%s\"?", at->place ? at->place : "", at->place ? ": " : "",
                        at->plugin->manifest.name, shown, nearest);
  char list[480] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < param_count(at->plugin); i++) {
    const char *known = at->plugin->params->params[i].name;
    bool fits = used + strlen(known) + 8 < sizeof list; // room for the comma, and for "..." behind the last that fits
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", fits ? known : "...");
    if (!fits) break;
  }
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s%splugin %s has no parameter \"%s\"; it has %s", at->place ? at->place : "", at->place ? ": " : "",
                      at->plugin->manifest.name, shown, used ? list : "none");
}

static void stage(struct hd_params_change *c, const struct hadron_param *p, const char *text, union cell value) {
  HD_ASSERT(c->count < c->room);
  struct write *w = &c->writes[c->count++];
  w->param = p;
  w->bytes = c->store + c->used;
  if (p->type == HADRON_PARAM_TEXT) hd_text_copy((char *)w->bytes, p->size, text);
  else memcpy(w->bytes, &value, sizeof value);
  c->used += p->size;
}

static int32_t check_value(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t i, bool live, union cell *cell, struct hd_fault *fault) {
  struct place at = {plugin, values[i].place};
  const struct hadron_param *p = find_param(plugin, values[i].name);
  if (p == NULL) return unknown_fault(&at, values[i].name, fault);
  for (uint32_t j = 0; j < i; j++)
    if (strcmp(values[j].name, values[i].name) == 0)
      return hd_fault_set(fault, HADRON_ERR_DUPLICATE, "%s%splugin %s, parameter %s: expected one value, found two", at.place ? at.place : "", at.place ? ": " : "",
                          plugin->manifest.name, p->name);
  if (live && !p->live)
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s%splugin %s, parameter %s: expected one that may change while it runs, found one that is read at start; restart the strategy to change it",
                        at.place ? at.place : "", at.place ? ": " : "", plugin->manifest.name, p->name);
  return parse_value(&at, p, values[i].text, cell, fault);
}

static const struct hd_param_value *find_value(const struct hd_param_value *values, uint32_t count, const char *name) {
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(values[i].name, name) == 0) return &values[i];
  return NULL;
}

static int32_t missing_fault(const struct hd_plugin *plugin, const struct hadron_param *p, struct hd_fault *fault) {
  char range[160];
  hd_param_range_format(p, range, sizeof range);
  return hd_fault_set(fault, HADRON_ERR_CONFIG, "plugin %s, parameter %s: expected %s, found nothing; it has no default (%s)", plugin->manifest.name, p->name, range, p->help);
}

static int32_t stage_defaults(struct hd_params_change *c, const struct hd_param_value *values, uint32_t count, struct hd_fault *fault) {
  struct place at = {c->plugin, NULL};
  for (uint32_t i = 0; i < param_count(c->plugin); i++) {
    const struct hadron_param *p = &c->plugin->params->params[i];
    union cell cell = {0};
    if (find_value(values, count, p->name) != NULL) continue;
    if (p->initial == NULL) return missing_fault(c->plugin, p, fault);
    int32_t err = parse_value(&at, p, p->initial, &cell, fault);
    if (err) return err;
    stage(c, p, p->initial, cell);
  }
  return HADRON_OK;
}

static int32_t stage_values(struct hd_params_change *c, const struct hd_param_value *values, uint32_t count, bool live, struct hd_fault *fault) {
  for (uint32_t i = 0; i < count; i++) {
    union cell cell = {0};
    int32_t err = check_value(c->plugin, values, i, live, &cell, fault);
    if (err) return err;
    stage(c, find_param(c->plugin, values[i].name), values[i].text, cell);
  }
  return HADRON_OK;
}

static int32_t prepare(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count, bool live, struct hd_params_change **out,
                       struct hd_fault *fault) {
  uint32_t room = param_count(plugin); // each once: what is given twice is refused
  size_t size = sizeof(struct hd_params_change) + room * sizeof(struct write);
  for (uint32_t i = 0; i < param_count(plugin); i++) size += plugin->params->params[i].size;
  struct hd_params_change *c = calloc(1, size);
  if (c == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "plugin %s: no memory for %zu bytes of parameters", plugin->manifest.name, size);
  c->room = room;
  c->store = (unsigned char *)&c->writes[room];
  c->plugin = plugin;
  int32_t err = live ? HADRON_OK : stage_defaults(c, values, count, fault);
  if (!err) err = stage_values(c, values, count, live, fault);
  if (err) hd_params_free(c);
  else *out = c;
  return err;
}

int32_t hd_params_prepare(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count, struct hd_params_change **out,
                          struct hd_fault *fault) {
  return prepare(plugin, values, count, false, out, fault);
}

int32_t hd_params_prepare_live(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count, struct hd_params_change **out,
                               struct hd_fault *fault) {
  return prepare(plugin, values, count, true, out, fault);
}

void hd_params_free(struct hd_params_change *c) {
  free(c);
}

uint32_t hd_params_check(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count,
                         void (*wrong)(void *user, const struct hd_param_value *value, const struct hd_fault *fault), void *user) {
  uint32_t errors = 0;
  struct hd_fault fault;
  union cell ignored;
  for (uint32_t i = 0; i < count; i++)
    if (check_value(plugin, values, i, false, &ignored, &fault) != HADRON_OK) errors++, wrong(user, &values[i], &fault);
  for (uint32_t i = 0; i < param_count(plugin); i++) {
    const struct hadron_param *p = &plugin->params->params[i];
    if (p->initial != NULL || find_value(values, count, p->name) != NULL) continue;
    missing_fault(plugin, p, &fault);
    errors++, wrong(user, NULL, &fault);
  }
  return errors;
}

// ---- writing

// Exchanges the prepared bytes with the fields': doing it twice is doing nothing.
static void swap_values(struct hd_params_change *c, unsigned char *self) {
  for (uint32_t i = 0; i < c->count; i++) {
    unsigned char *field = self + c->writes[i].param->offset, *bytes = c->writes[i].bytes;
    for (uint32_t b = 0; b < c->writes[i].param->size; b++) {
      unsigned char held = field[b];
      field[b] = bytes[b];
      bytes[b] = held;
    }
  }
}

int32_t hd_params_commit(struct hd_params_change *c, struct hadron_instance *instance, struct hd_fault *fault) {
  HD_ASSERT(instance->plugin == c->plugin && instance->self != NULL);
  const struct hadron_params *table = c->plugin->params;
  swap_values(c, instance->self);
  if (table == NULL || table->changed == NULL) return HADRON_OK;
  hd_instance_hush(instance);
  int32_t err = table->changed(instance->self);
  if (err == HADRON_OK) return HADRON_OK;
  hd_instance_fault(instance, err, "the new parameters do not go together", fault);
  swap_values(c, instance->self);
  // What `changed` derived from the refused values must go too. A new instance's old values are the zeros of create, which need
  // not make sense, and it will be destroyed.
  if (instance->state == HD_INSTANCE_ACTIVE) (void)table->changed(instance->self);
  return err < 0 ? err : HADRON_ERR_PLUGIN;
}

int32_t hd_params_apply(struct hadron_instance *instance, const struct hd_param_value *values, uint32_t count, struct hd_fault *fault) {
  struct hd_params_change *change = NULL;
  int32_t err = hd_params_prepare(instance->plugin, values, count, &change, fault);
  if (err) return err;
  err = hd_params_commit(change, instance, fault);
  hd_params_free(change);
  return err;
}

size_t hd_param_format(const struct hd_plugin *plugin, const struct hadron_instance *instance, uint32_t index, char *to, size_t size) {
  HD_ASSERT(index < param_count(plugin) && instance->self != NULL && size > 0);
  const struct hadron_param *p = &plugin->params->params[index];
  const char *field = (const char *)instance->self + p->offset;
  if (p->type == HADRON_PARAM_TEXT) {
    hd_text_copy(to, size, field);
    return strlen(to);
  }
  union cell value;
  memcpy(&value, field, sizeof value);
  if (p->type != HADRON_PARAM_REAL) return types[p->type].format(to, size, value.integer);
  int n = snprintf(to, size, "%.17g", value.real);
  return (size_t)n < size ? (size_t)n : size - 1;
}
