// One table of fields: it reads a deployment from JSON, checks it, writes it and compares two of them. Every value becomes text first, so
// that a number, a text and a default are parsed by the same row, and what is exact stays exact.
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "plugin/manifest.h"
#include "registry/deployment.h"

#define WARM_MAX_NS (INT64_C(7) * 24 * 3600 * 1000000000)
#define VALUE_SIZE 512

enum type { TYPE_TEXT = 1, TYPE_BOOL, TYPE_REAL, TYPE_COUNT32, TYPE_COUNT64, TYPE_MONEY, TYPE_DURATION, TYPE_CHOICE, TYPE_DIGEST, TYPE_OPTION, TYPE_LIST, TYPE_QUANTITY, TYPE_CHOICE_OPTION };

struct field {
  const char *path;
  uint32_t type;
  size_t offset, size;
  int64_t max;         // 0: what the type holds
  const char *initial; // NULL: required
  const char *choices; // names of 1, 2, ... separated by blanks
};

#define AT(f) offsetof(struct hd_deployment, f)
static const struct field fields[] = {
    {"name", TYPE_TEXT, AT(name), HADRON_NAME_SIZE, 0, NULL, NULL},
    {"plugin", TYPE_TEXT, AT(plugin), HADRON_NAME_SIZE, 0, NULL, NULL},
    {"kind", TYPE_CHOICE, AT(kind), 0, 0, "strategy", "strategy venue allocator service"},
    {"enabled", TYPE_BOOL, AT(enabled), 0, 0, "true", NULL},
    {"split", TYPE_CHOICE, AT(split), 0, 0, "capital", "capital instrument"},
    {"arrival", TYPE_CHOICE, AT(arrival), 0, 0, "nothing", "nothing shadow canary live"},
    {"canary_weight", TYPE_REAL, AT(canary_weight), 0, 0, "0.1", NULL},
    {"warm", TYPE_DURATION, AT(warm_ns), 0, WARM_MAX_NS, "10m", NULL},
    {"gate", TYPE_COUNT32, AT(gate_sessions), 0, 1000, "0", NULL},
    {"gate_accept", TYPE_REAL, AT(gate_accept), 0, 0, "0", NULL},
    {"guard.errors", TYPE_COUNT64, AT(guard.errors_max), 0, 0, "0", NULL},
    {"guard.latency_p99", TYPE_DURATION, AT(guard.latency_p99_max_ns), 0, 0, "0", NULL},
    {"guard.drawdown", TYPE_MONEY, AT(guard.drawdown_max), 0, 0, "0", NULL},
    {"governor.time", TYPE_DURATION, AT(budget.time_max_ns), 0, 0, "0", NULL},
    {"governor.allocations", TYPE_COUNT64, AT(budget.allocations_max), 0, 0, "0", NULL},
    {"governor.errors", TYPE_COUNT64, AT(budget.errors_max), 0, 0, "0", NULL},
    {"governor.watchdog", TYPE_DURATION, AT(budget.watchdog_ns), 0, 0, "0", NULL},
    {"governor.over", TYPE_COUNT32, AT(budget.over_max), 0, 0, "0", NULL},
    {"governor.action", TYPE_CHOICE, AT(budget.action), 0, 0, "warn", "warn fence disable"},
    // From here on: written only where they say something, so that deployments of sections are what they were.
    {"placement", TYPE_CHOICE_OPTION, AT(placement), 0, 0, "", HD_DEPLOYMENT_PLACEMENTS},
    {"hosts", TYPE_LIST, AT(hosts), HD_DEPLOYMENT_LIST, 0, "", NULL},
    {"universe", TYPE_LIST, AT(universe), HD_DEPLOYMENT_LIST, 0, "", NULL},
    {"venue", TYPE_OPTION, AT(venue), HADRON_NAME_SIZE, 0, "", NULL},
    {"cash", TYPE_MONEY, AT(cash), 0, 0, "0", NULL},
    {"size", TYPE_QUANTITY, AT(size), 0, 0, "0", NULL},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)
#define SEAT_FIELDS 6 // the last ones

#define ARM_AT(f) offsetof(struct hd_deployment_arm, f)
static const struct field arm_fields[] = {
    {"version", TYPE_TEXT, ARM_AT(version), HADRON_VERSION_SIZE, 0, NULL, NULL},
    {"digest", TYPE_DIGEST, ARM_AT(digest), 0, 0, "", NULL},
    {"role", TYPE_CHOICE, ARM_AT(role), 0, 0, "live", "live canary shadow"},
    {"weight", TYPE_REAL, ARM_AT(weight), 0, 0, "1", NULL},
};
#define ARM_FIELD_COUNT (sizeof arm_fields / sizeof *arm_fields)

// ---- one value by its row ---------------------------------------------------------------------------------------------------------------

static void number_text(char *to, size_t size, double number) { snprintf(to, size, "%.15g", number); }

// "10m", "1h", "1500ms": exact, in the largest unit that divides it.
static void duration_text(char *to, size_t size, int64_t ns) {
  static const struct { const char *name; int64_t ns; } units[] = {{"d", INT64_C(86400000000000)}, {"h", INT64_C(3600000000000)}, {"m", INT64_C(60000000000)},
                                                                  {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
  size_t i = 0;
  while (ns % units[i].ns) i++;
  if (ns == 0) hd_text_copy(to, size, "0");
  else snprintf(to, size, "%lld%s", (long long)(ns / units[i].ns), units[i].name);
}

static bool count_parse(const char *text, int64_t *out) {
  char *end;
  errno = 0;
  *out = strtoll(text, &end, 10);
  return *text >= '0' && *text <= '9' && !*end && !errno;
}

// 15 digits are kept: so many come back the same from any text that they are written to.
static bool real_parse(const char *text, double *out) {
  char *end, kept[32];
  double value = strtod(text, &end);
  snprintf(kept, sizeof kept, "%.15g", value);
  *out = strtod(kept, NULL);
  return *text && !*end && isfinite(value);
}

static bool digest_parse(const char *text, uint8_t digest[32]) {
  if (!*text) return memset(digest, 0, 32), true;
  return hd_hex_parse(digest, text, 32);
}

static const char *type_words(const struct field *f) {
  static const char *const words[] = {[TYPE_TEXT] = "a text", [TYPE_BOOL] = "true or false", [TYPE_REAL] = "a number", [TYPE_COUNT32] = "a whole number from 0 on",
                                      [TYPE_COUNT64] = "a whole number from 0 on", [TYPE_MONEY] = "an amount like \"5000\", not negative",
                                      [TYPE_DURATION] = "a duration like \"10m\" or \"250us\"", [TYPE_CHOICE] = "one of", [TYPE_DIGEST] = "a SHA-256 of 64 hex digits",
                                      [TYPE_OPTION] = "a text", [TYPE_LIST] = "a list of texts", [TYPE_CHOICE_OPTION] = "one of", [TYPE_QUANTITY] = "a quantity like \"5\", not negative"};
  return words[f->type];
}

// Whole numbers of every kind: into `out`; false: no such number.
static bool whole_parse(const struct field *f, const char *text, int64_t *out) {
  if (f->type == TYPE_DURATION && hd_duration_parse(text, out)) return false;
  if (f->type == TYPE_MONEY && (hd_decimal_read(text, HADRON_MONEY_SCALE, out) || *out < 0)) return false;
  if (f->type == TYPE_QUANTITY && (hd_decimal_read(text, HADRON_QUANTITY_SCALE, out) || *out < 0)) return false;
  if ((f->type == TYPE_COUNT32 || f->type == TYPE_COUNT64) && !count_parse(text, out)) return false;
  return f->type != TYPE_COUNT32 || *out <= UINT32_MAX;
}

static bool value_parse(const struct field *f, const char *text, void *base) {
  void *at = (char *)base + f->offset;
  int64_t whole = 0;
  switch (f->type) {
  case TYPE_TEXT: return strlen(text) < f->size && *text && hd_text_copy(at, f->size, text);
  case TYPE_OPTION: case TYPE_LIST: return hd_text_copy(at, f->size, text);
  case TYPE_BOOL: *(bool *)at = strcmp(text, "true") == 0; return *(bool *)at || strcmp(text, "false") == 0;
  case TYPE_REAL: return real_parse(text, at);
  case TYPE_CHOICE: *(uint32_t *)at = hd_choice_parse(f->choices, text); return *(uint32_t *)at != 0;
  case TYPE_CHOICE_OPTION: *(uint32_t *)at = hd_choice_parse(f->choices, text); return *(uint32_t *)at != 0 || !*text;
  case TYPE_DIGEST: return digest_parse(text, at);
  default:
    if (!whole_parse(f, text, &whole) || (f->max && whole > f->max)) return false;
    if (f->type == TYPE_COUNT32) *(uint32_t *)at = (uint32_t)whole;
    else memcpy(at, &whole, sizeof whole);
    return true;
  }
}

static void value_text(const struct field *f, const void *base, char *to, size_t size) {
  const void *at = (const char *)base + f->offset;
  int64_t whole = 0;
  if (f->type == TYPE_COUNT32) whole = *(const uint32_t *)at;
  else if (f->type == TYPE_COUNT64 || f->type == TYPE_MONEY || f->type == TYPE_DURATION || f->type == TYPE_QUANTITY) memcpy(&whole, at, sizeof whole);
  switch (f->type) {
  case TYPE_TEXT: case TYPE_OPTION: hd_text_copy(to, size, at); return;
  case TYPE_LIST:
    hd_text_copy(to, size, at);
    for (char *end = to; (end = strchr(end, '\n')) != NULL;) *end = ' ';
    return;
  case TYPE_QUANTITY: hd_decimal_format(to, size, whole, HADRON_QUANTITY_SCALE, 0); return;
  case TYPE_BOOL: hd_text_copy(to, size, *(const bool *)at ? "true" : "false"); return;
  case TYPE_REAL: number_text(to, size, *(const double *)at); return;
  case TYPE_CHOICE_OPTION: *to = 0; if (*(const uint32_t *)at) hd_choice_format(to, size, f->choices, *(const uint32_t *)at); return;
  case TYPE_CHOICE: hd_choice_format(to, size, f->choices, *(const uint32_t *)at); return;
  case TYPE_DIGEST: hd_hex_format(to, at, 32); return;
  case TYPE_MONEY: hd_decimal_format(to, size, whole, HADRON_MONEY_SCALE, 0); return;
  case TYPE_DURATION: duration_text(to, size, whole); return;
  default: snprintf(to, size, "%lld", (long long)whole); return;
  }
}

// ---- reading ------------------------------------------------------------------------------------------------------------------------------

struct reader {
  hd_deployment_wrong *wrong;
  void *user;
  uint32_t count;
};

__attribute__((format(printf, 3, 4))) static void wrong_at(struct reader *r, const char *path, const char *format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  hd_text_printable(text);
  r->count++;
  if (r->wrong) r->wrong(r->user, path, text);
}

// One value as text; false: it is a table or a list.
static bool json_text(const json_t *v, char *to, size_t size) {
  switch (json_typeof(v)) {
  case JSON_STRING: return hd_text_copy(to, size, json_string_value(v));
  case JSON_INTEGER: snprintf(to, size, "%lld", (long long)json_integer_value(v)); return true;
  case JSON_REAL: number_text(to, size, json_real_value(v)); return true;
  case JSON_TRUE: return hd_text_copy(to, size, "true");
  case JSON_FALSE: return hd_text_copy(to, size, "false");
  default: return false;
  }
}

// A list of values becomes lines of text, as in a configuration.
static bool param_text(const json_t *v, char *to, size_t size) {
  size_t at = 0;
  to[0] = 0;
  if (json_is_object(v) && json_object_size(v) == 0) return true; // Lua's empty list
  if (!json_is_array(v)) return json_text(v, to, size);
  for (size_t i = 0; i < json_array_size(v); i++) {
    char one[HD_DEPLOYMENT_TEXT];
    if (!json_text(json_array_get(v, i), one, sizeof one)) return false;
    int n = snprintf(to + at, size - at, "%s%s", i ? "\n" : "", one);
    if (n < 0 || (size_t)n >= size - at) return false;
    at += (size_t)n;
  }
  return true;
}

// "guard.errors" below `table`.
static const json_t *json_at(const json_t *table, const char *path) {
  const char *dot = strchr(path, '.');
  char group[64];
  if (!dot) return json_object_get(table, path);
  snprintf(group, sizeof group, "%.*s", (int)(dot - path), path);
  return json_object_get(json_object_get(table, group), dot + 1);
}

static void read_field(struct reader *r, const struct field *f, const json_t *table, const char *prefix, void *base) {
  char path[128], text[VALUE_SIZE] = "";
  const json_t *v = json_at(table, f->path);
  snprintf(path, sizeof path, "%s%s", prefix, f->path);
  if (f->initial) HD_ASSERT(value_parse(f, f->initial, base)); // a wrong value is one mistake: later checks see the default
  if (!v || json_is_null(v)) {
    if (!f->initial) wrong_at(r, path, "expected %s, found nothing", type_words(f));
    return;
  }
  if (!(f->type == TYPE_LIST ? param_text(v, text, sizeof text) : json_text(v, text, sizeof text))) wrong_at(r, path, "expected %s, found %s", type_words(f), json_is_string(v) ? "a longer text" : json_is_array(v) ? "a longer list, or something else in it" : "a table");
  else if (!value_parse(f, text, base)) {
    const char *choices = f->choices ? f->choices : "";
    if (f->initial) HD_ASSERT(value_parse(f, f->initial, base));
    if (f->max) {
      char most[64], least[8] = "0";
      if (f->type == TYPE_DURATION) duration_text(most, sizeof most, f->max);
      else snprintf(most, sizeof most, "%lld", (long long)f->max);
      wrong_at(r, path, "expected %s, from %s to %s; found \"%.60s\"", type_words(f), least, most, text);
    } else if (f->type == TYPE_TEXT) wrong_at(r, path, "expected a text of 1 to %zu bytes, found %zu", f->size - 1, strlen(text));
    else wrong_at(r, path, "expected %s%s%s, found \"%.60s\"", type_words(f), *choices ? ": " : "", choices, text);
  }
}

struct nearest {
  const char *wanted;
  char name[64];
  size_t distance;
  bool known;
};

static void nearest_try(struct nearest *n, const char *name, size_t length) {
  char one[64];
  snprintf(one, sizeof one, "%.*s", (int)length, name);
  size_t distance = hd_text_distance(n->wanted, one);
  n->known |= strcmp(n->wanted, one) == 0;
  if (distance >= n->distance) return;
  n->distance = distance;
  hd_text_copy(n->name, sizeof n->name, one);
}

// Every key of `table` must be in the table of fields, below `group` ("": at the top), or be `more`.
static void check_keys(struct reader *r, const json_t *table, const char *prefix, const struct field *rows, size_t count, const char *group, const char *more, const char *yet_more) {
  const char *key;
  json_t *value;
  size_t skip = *group ? strlen(group) + 1 : 0;
  json_object_foreach((json_t *)(uintptr_t)table, key, value) {
    struct nearest n = {.wanted = key, .distance = 4};
    char path[200];
    for (size_t i = 0; i < count; i++)
      if (!skip || (strncmp(rows[i].path, group, skip - 1) == 0 && rows[i].path[skip - 1] == '.')) nearest_try(&n, rows[i].path + skip, strcspn(rows[i].path + skip, "."));
    if (more) nearest_try(&n, more, strlen(more));
    if (yet_more) nearest_try(&n, yet_more, strlen(yet_more));
    if (n.known) continue;
    snprintf(path, sizeof path, "%s%.64s", prefix, key);
    wrong_at(r, path, "there is no such key%s%s%s", *n.name ? "; did you mean \"" : "", n.name, *n.name ? "\"?" : "");
  }
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct hd_deployment_param *)a)->name, ((const struct hd_deployment_param *)b)->name);
}

static void read_params(struct reader *r, const json_t *table, const char *prefix, const char *name, struct hd_deployment_param *params, uint32_t *count) {
  char path[200];
  const char *key;
  json_t *value;
  snprintf(path, sizeof path, "%s%s", prefix, name);
  bool empty = !table || json_is_null(table) || (json_is_array(table) && json_array_size(table) == 0); // Lua's {} may be either
  if (!empty && !json_is_object(table)) {
    wrong_at(r, path, "expected a table of names and values");
    return;
  }
  json_object_foreach((json_t *)(uintptr_t)table, key, value) {
    snprintf(path, sizeof path, "%s%s.%.63s", prefix, name, key);
    if (*count == HD_DEPLOYMENT_PARAMS_MAX) {
      wrong_at(r, path, "expected at most %d of them, found more", HD_DEPLOYMENT_PARAMS_MAX);
      return;
    }
    struct hd_deployment_param *p = &params[*count];
    if (!*key || !hd_text_copy(p->name, sizeof p->name, key)) wrong_at(r, path, "expected a name of 1 to %zu bytes", sizeof p->name - 1);
    else if (!param_text(value, p->text, sizeof p->text)) wrong_at(r, path, "expected a value or a list of values, %zu bytes at most", sizeof p->text - 1);
    else ++*count;
  }
  qsort(params, *count, sizeof *params, by_name); // the same however it was written
}

static void read_arms(struct reader *r, const json_t *list, struct hd_deployment *d) {
  if (!json_is_array(list)) {
    wrong_at(r, "arms", "expected a list of tables like { version = \"1.0.0\" }, found %s", list ? "something else" : "nothing");
    return;
  }
  for (size_t i = 0; i < json_array_size(list); i++) {
    char prefix[32];
    const json_t *row = json_array_get(list, i);
    snprintf(prefix, sizeof prefix, "arms[%zu].", i + 1);
    if (i == HD_DEPLOYMENT_ARMS_MAX) {
      wrong_at(r, "arms", "expected at most %d arms, found %zu", HD_DEPLOYMENT_ARMS_MAX, json_array_size(list));
      return;
    }
    struct hd_deployment_arm *arm = &d->arms[d->arm_count++];
    if (!json_is_object(row)) {
      prefix[strlen(prefix) - 1] = 0;
      wrong_at(r, prefix, "expected a table like { version = \"1.0.0\", role = \"live\" }");
      continue;
    }
    for (size_t k = 0; k < ARM_FIELD_COUNT; k++) read_field(r, &arm_fields[k], row, prefix, arm);
    if (arm->role == HD_DEPLOYMENT_SHADOW && !json_object_get(row, "weight")) arm->weight = 0;
    check_keys(r, row, prefix, arm_fields, ARM_FIELD_COUNT, "", "params", NULL);
    read_params(r, json_object_get(row, "params"), prefix, "params", arm->params, &arm->param_count);
  }
}

uint32_t hd_deployment_read(const json_t *json, struct hd_deployment *out, hd_deployment_wrong *wrong, void *user) {
  static const char *const groups[] = {"guard", "governor"};
  struct reader r = {wrong, user, 0};
  memset(out, 0, sizeof *out);
  if (!json_is_object(json)) {
    wrong_at(&r, "", "expected a table like { name = \"sma_fast\", plugin = \"sma\", arms = { { version = \"1.0.0\" } } }");
    return r.count;
  }
  for (size_t i = 0; i < FIELD_COUNT; i++) read_field(&r, &fields[i], json, "", out);
  check_keys(&r, json, "", fields, FIELD_COUNT, "", "arms", "risk");
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    char prefix[16];
    const json_t *group = json_object_get(json, groups[i]);
    snprintf(prefix, sizeof prefix, "%s.", groups[i]);
    if (group && !json_is_object(group) && !(json_is_array(group) && json_array_size(group) == 0)) wrong_at(&r, groups[i], "expected a table");
    else check_keys(&r, group, prefix, fields, FIELD_COUNT, groups[i], NULL, NULL);
  }
  read_arms(&r, json_object_get(json, "arms"), out);
  read_params(&r, json_object_get(json, "risk"), "", "risk", out->risk, &out->risk_count);
  if (r.count == 0) r.count = hd_deployment_check(out, wrong, user);
  return r.count;
}

// ---- what holds between fields --------------------------------------------------------------------------------------------------------------

static bool same_params(const struct hd_deployment_arm *a, const struct hd_deployment_arm *b) {
  if (a->param_count != b->param_count) return false;
  for (uint32_t i = 0; i < a->param_count; i++)
    if (strcmp(a->params[i].name, b->params[i].name) != 0 || strcmp(a->params[i].text, b->params[i].text) != 0) return false;
  return true;
}

static void check_arm(struct reader *r, const struct hd_deployment *d, uint32_t i) {
  const struct hd_deployment_arm *arm = &d->arms[i];
  char path[48];
  snprintf(path, sizeof path, "arms[%u].version", i + 1);
  if (!hd_version_valid(arm->version)) wrong_at(r, path, "expected a semantic version like 1.2.3, found \"%s\"", arm->version);
  for (uint32_t k = 0; k < i; k++)
    if (strcmp(d->arms[k].version, arm->version) == 0 && same_params(&d->arms[k], arm))
      wrong_at(r, path, "expected another version or other parameters than those of arms[%u], found %s twice", k + 1, arm->version);
  snprintf(path, sizeof path, "arms[%u].role", i + 1);
  if (i == 0 && arm->role != HD_DEPLOYMENT_LIVE) wrong_at(r, path, "expected the live arm first, found %s", hd_role_name(arm->role));
  if (i > 0 && arm->role == HD_DEPLOYMENT_LIVE) wrong_at(r, path, "expected one live arm, found more; a second one that trades is a canary");
  snprintf(path, sizeof path, "arms[%u].weight", i + 1);
  bool shadow = arm->role == HD_DEPLOYMENT_SHADOW;
  if (shadow && !(arm->weight >= 0)) wrong_at(r, path, "expected 0, a shadow does not trade; found %g", arm->weight);
  bool enough = i == 0 ? arm->weight >= 0 : arm->weight > 0; // a configuration may say 0
  if (!shadow && !(enough && arm->weight <= 1e6)) wrong_at(r, path, "expected a weight above 0, found %g; an arm that must not trade is a shadow", arm->weight);
}

uint32_t hd_deployment_check(const struct hd_deployment *d, hd_deployment_wrong *wrong, void *user) {
  struct reader r = {wrong, user, 0};
  if (!hd_name_valid(d->name)) wrong_at(&r, "name", "expected a name of a-z, 0-9, _ and - of at most %d bytes, found \"%s\"", HADRON_NAME_SIZE - 1, d->name);
  if (!hd_name_valid(d->plugin)) wrong_at(&r, "plugin", "expected a name of a-z, 0-9, _ and - of at most %d bytes, found \"%s\"", HADRON_NAME_SIZE - 1, d->plugin);
  if (!(d->canary_weight > 0 && d->canary_weight < 1)) wrong_at(&r, "canary_weight", "expected a part of the capital between 0 and 1, found %g", d->canary_weight);
  if (!(d->gate_accept >= 0 && d->gate_accept <= 1)) wrong_at(&r, "gate_accept", "expected a part of the decisions from 0 to 1, found %g", d->gate_accept);
  if (d->kind != HADRON_KIND_STRATEGY && !d->enabled)
    wrong_at(&r, "enabled", "expected true: a %s is exchanged or left out of the configuration, only strategies are disabled", hd_kind_name(d->kind));
  if (d->arm_count == 0) wrong_at(&r, "arms", "expected at least one arm like { version = \"1.0.0\" }, found none");
  if (d->kind != HADRON_KIND_STRATEGY && d->arm_count > 1) wrong_at(&r, "arms", "expected one arm, found %u; only strategies run side by side", d->arm_count);
  for (uint32_t i = 0; i < d->arm_count; i++) check_arm(&r, d, i);
  return r.count;
}

static void keep_first(void *user, const char *path, const char *text) {
  struct hd_fault *fault = user;
  if (!fault->code) hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s%s%s", path, *path ? ": " : "", text);
}

int32_t hd_deployment_good(const struct hd_deployment *d, struct hd_fault *fault) {
  struct hd_fault first = {0};
  if (hd_deployment_check(d, keep_first, &first) == 0) return HADRON_OK;
  return hd_fault_set(fault, first.code, "deployment %s: %s", d->name, first.text);
}

int32_t hd_deployment_parse(const char *text, struct hd_deployment *out, struct hd_fault *fault) {
  struct hd_fault first = {0};
  json_error_t where;
  json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
  if (!json) return hd_fault_set(fault, HADRON_ERR_PARSE, "deployment: expected JSON: column %d: %s", where.column, where.text);
  struct hd_deployment *read = malloc(sizeof *read);
  uint32_t count = read ? hd_deployment_read(json, read, keep_first, &first) : 0;
  json_decref(json);
  if (read && count == 0) *out = *read;
  free(read);
  if (!read) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment: out of memory");
  return count ? hd_fault_set(fault, first.code, "deployment: %s", first.text) : HADRON_OK;
}

// ---- writing ----------------------------------------------------------------------------------------------------------------------------------

static json_t *value_json(const struct field *f, const void *base) {
  char text[VALUE_SIZE];
  const void *at = (const char *)base + f->offset;
  if (f->type == TYPE_BOOL) return json_boolean(*(const bool *)at);
  if (f->type == TYPE_REAL) return json_real(*(const double *)at);
  value_text(f, base, text, sizeof text);
  if (f->type == TYPE_LIST) {
    json_t *list = json_array();
    for (const char *one = at; *one; one += strcspn(one, "\n"), one += *one == '\n') json_array_append_new(list, json_stringn(one, strcspn(one, "\n")));
    return list;
  }
  if (f->type == TYPE_COUNT32 || f->type == TYPE_COUNT64) return json_integer(strtoll(text, NULL, 10));
  return json_string(text);
}

static void put_field(json_t *table, const struct field *f, const void *base) {
  const char *dot = strchr(f->path, '.');
  char group[64];
  if (!dot) {
    json_object_set_new(table, f->path, value_json(f, base));
    return;
  }
  snprintf(group, sizeof group, "%.*s", (int)(dot - f->path), f->path);
  if (!json_object_get(table, group)) json_object_set_new(table, group, json_object());
  json_object_set_new(json_object_get(table, group), dot + 1, value_json(f, base));
}

static json_t *params_json(const struct hd_deployment_param *params, uint32_t count) {
  json_t *table = json_object();
  for (uint32_t i = 0; i < count; i++) json_object_set_new(table, params[i].name, json_string(params[i].text));
  return table;
}

static json_t *arm_json(const struct hd_deployment_arm *arm) {
  static const uint8_t none[32];
  json_t *row = json_object();
  for (size_t i = 0; i < ARM_FIELD_COUNT; i++)
    if (arm_fields[i].type != TYPE_DIGEST || memcmp(arm->digest, none, 32) != 0) put_field(row, &arm_fields[i], arm);
  json_object_set_new(row, "params", params_json(arm->params, arm->param_count));
  return row;
}

static bool says_something(const struct field *f, const void *base) {
  char text[VALUE_SIZE];
  value_text(f, base, text, sizeof text);
  return strcmp(text, f->initial) != 0;
}

json_t *hd_deployment_json(const struct hd_deployment *d) {
  json_t *table = json_object(), *arms = json_array();
  if (!table || !arms) {
    json_decref(table);
    json_decref(arms);
    return NULL;
  }
  for (size_t i = 0; i < FIELD_COUNT; i++)
    if (i < FIELD_COUNT - SEAT_FIELDS || says_something(&fields[i], d)) put_field(table, &fields[i], d);
  if (d->risk_count) json_object_set_new(table, "risk", params_json(d->risk, d->risk_count));
  for (uint32_t i = 0; i < d->arm_count; i++) json_array_append_new(arms, arm_json(&d->arms[i]));
  json_object_set_new(table, "arms", arms);
  return table;
}

char *hd_deployment_text(const struct hd_deployment *d) {
  json_t *json = hd_deployment_json(d);
  char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
  json_decref(json);
  return text;
}

// ---- what differs -------------------------------------------------------------------------------------------------------------------------------

struct differ {
  hd_deployment_line *line;
  void *user;
  uint32_t count;
};

__attribute__((format(printf, 2, 3))) static void differs(struct differ *k, const char *format, ...) {
  char text[VALUE_SIZE * 2];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  hd_text_printable(text);
  k->count++;
  if (k->line) k->line(k->user, text);
}

// The arm of the same version, and of the same parameters if there are several.
static const struct hd_deployment_arm *arm_like(const struct hd_deployment *d, const struct hd_deployment_arm *like) {
  const struct hd_deployment_arm *found = NULL;
  for (uint32_t i = 0; i < d->arm_count; i++) {
    const struct hd_deployment_arm *arm = &d->arms[i];
    if (strcmp(arm->version, like->version) == 0 && (!found || same_params(arm, like))) found = arm;
  }
  return found;
}

static void differ_risk(struct differ *k, const struct hd_deployment *from, const struct hd_deployment *to) {
  for (uint32_t i = 0, j = 0; i < from->risk_count || j < to->risk_count;) {
    const struct hd_deployment_param *a = i < from->risk_count ? &from->risk[i] : NULL, *b = j < to->risk_count ? &to->risk[j] : NULL;
    int order = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);
    if (order < 0) differs(k, "risk.%s: %s -> none", a->name, a->text), i++;
    else if (order > 0) differs(k, "risk.%s: none -> %s", b->name, b->text), j++;
    else {
      if (strcmp(a->text, b->text) != 0) differs(k, "risk.%s: %s -> %s", a->name, a->text, b->text);
      i++, j++;
    }
  }
}

static void differ_params(struct differ *k, const struct hd_deployment_arm *from, const struct hd_deployment_arm *to) {
  for (uint32_t i = 0, j = 0; i < from->param_count || j < to->param_count;) {
    const struct hd_deployment_param *a = i < from->param_count ? &from->params[i] : NULL, *b = j < to->param_count ? &to->params[j] : NULL;
    int order = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);
    if (order < 0) differs(k, "%s: %s = %s -> the configuration's", to->version, a->name, a->text), i++;
    else if (order > 0) differs(k, "%s: %s = the configuration's -> %s", to->version, b->name, b->text), j++;
    else {
      if (strcmp(a->text, b->text) != 0) differs(k, "%s: %s = %s -> %s", to->version, a->name, a->text, b->text);
      i++, j++;
    }
  }
}

static void differ_arm(struct differ *k, const struct hd_deployment_arm *from, const struct hd_deployment_arm *to) {
  if (from->role != to->role) differs(k, "%s: %s -> %s", to->version, hd_role_name(from->role), hd_role_name(to->role));
  if (from->weight != to->weight) differs(k, "%s: weight %g -> %g", to->version, from->weight, to->weight);
  if (memcmp(from->digest, to->digest, 32) != 0) {
    char a[65], b[65];
    hd_hex_format(a, from->digest, 32);
    hd_hex_format(b, to->digest, 32);
    differs(k, "%s: artifact %.12s -> %.12s", to->version, a, b);
  }
  differ_params(k, from, to);
}

// One live version that is new for one that goes: one line for the two.
static bool takes_over(const struct hd_deployment *from, const struct hd_deployment *to) {
  return from->arm_count && to->arm_count && !arm_like(to, &from->arms[0]) && !arm_like(from, &to->arms[0]);
}

static void differ_gone(struct differ *k, const struct hd_deployment *from, const struct hd_deployment *to, char sign) {
  for (uint32_t i = takes_over(from, to); i < from->arm_count; i++) {
    const struct hd_deployment_arm *arm = &from->arms[i];
    if (arm_like(to, arm)) continue;
    if (arm->role == HD_DEPLOYMENT_SHADOW) differs(k, "%c %s %s", sign, hd_role_name(arm->role), arm->version);
    else differs(k, "%c %s %s, weight %g", sign, hd_role_name(arm->role), arm->version, arm->weight);
  }
}

uint32_t hd_deployment_diff(const struct hd_deployment *from, const struct hd_deployment *to, hd_deployment_line *line, void *user) {
  struct differ k = {line, user, 0};
  char a[VALUE_SIZE], b[VALUE_SIZE];
  for (size_t i = 0; i < FIELD_COUNT; i++) {
    value_text(&fields[i], from, a, sizeof a);
    value_text(&fields[i], to, b, sizeof b);
    if (strcmp(a, b) != 0) differs(&k, "%s: %s -> %s", fields[i].path, a, b);
  }
  differ_risk(&k, from, to);
  if (takes_over(from, to)) {
    differs(&k, "live: %s -> %s", from->arms[0].version, to->arms[0].version);
    if (from->arms[0].weight != to->arms[0].weight) differs(&k, "%s: weight %g -> %g", to->arms[0].version, from->arms[0].weight, to->arms[0].weight);
    differ_params(&k, &from->arms[0], &to->arms[0]);
  }
  differ_gone(&k, from, to, '-');
  differ_gone(&k, to, from, '+');
  for (uint32_t i = 0; i < to->arm_count; i++) {
    const struct hd_deployment_arm *before = arm_like(from, &to->arms[i]);
    if (before) differ_arm(&k, before, &to->arms[i]);
  }
  return k.count;
}

// ---- small questions ------------------------------------------------------------------------------------------------------------------------------

void hd_deployment_init(struct hd_deployment *d, const char *name, const char *plugin) {
  memset(d, 0, sizeof *d);
  for (size_t i = 0; i < FIELD_COUNT; i++)
    if (fields[i].initial) HD_ASSERT(value_parse(&fields[i], fields[i].initial, d));
  hd_text_copy(d->name, sizeof d->name, name);
  hd_text_copy(d->plugin, sizeof d->plugin, plugin);
}

bool hd_deployment_here(const struct hd_deployment *d, const char *host) {
  for (const char *one = d->hosts; *one; one += strcspn(one, "\n"), one += *one == '\n') {
    char glob[HD_DEPLOYMENT_LIST];
    snprintf(glob, sizeof glob, "%.*s", (int)strcspn(one, "\n"), one);
    if (fnmatch(glob, host, 0) == 0) return true;
  }
  return false;
}

bool hd_deployment_same_seat(const struct hd_deployment *a, const struct hd_deployment *b) {
  char x[VALUE_SIZE], y[VALUE_SIZE];
  struct differ k = {NULL, NULL, 0};
  for (size_t i = FIELD_COUNT - SEAT_FIELDS + 2; i < FIELD_COUNT; i++) { // but for placement and hosts
    value_text(&fields[i], a, x, sizeof x);
    value_text(&fields[i], b, y, sizeof y);
    if (strcmp(x, y) != 0) return false;
  }
  differ_risk(&k, a, b);
  return k.count == 0;
}

const char *hd_role_name(uint32_t role) {
  static const char *const names[] = {"?", "live", "canary", "shadow"};
  return names[role < 4 ? role : 0];
}

uint32_t hd_deployment_find(const struct hd_deployment *d, const char *version) {
  for (uint32_t i = 0; i < d->arm_count; i++)
    if (strcmp(d->arms[i].version, version) == 0) return i;
  return HD_DEPLOYMENT_ARMS_MAX;
}
