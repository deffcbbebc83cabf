#include <math.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/diff.h"
#include "hadron/ext/state.h"
#include "hadron/strategy.h"
#include "plugin/manifest.h"

#define TEXT 288 // the longest fact: what a plugin requires

// ---- facts -------------------------------------------------------------------------------------------------------------------------

static void name_of(const struct hd_plugin *p, char *to) { hd_text_copy(to, TEXT, p->manifest.name); }
static void version_of(const struct hd_plugin *p, char *to) { hd_text_copy(to, TEXT, p->manifest.version); }
static void kind_of(const struct hd_plugin *p, char *to) { hd_text_copy(to, TEXT, hd_kind_name(p->manifest.kind)); }
static void language_of(const struct hd_plugin *p, char *to) { hd_text_copy(to, TEXT, p->source ? "lua" : "native"); }
static void digest_of(const struct hd_plugin *p, char *to) { hd_text_copy(to, TEXT, p->digest_text); }
static void description_of(const struct hd_plugin *p, char *to) { hd_text_copy(to, TEXT, p->manifest.description); }
static void requires_of(const struct hd_plugin *p, char *to) { hd_text_copy(to, TEXT, p->manifest.requires_); }
static void abi_of(const struct hd_plugin *p, char *to) {
  snprintf(to, TEXT, "%u.%u, needs %u.%u", p->manifest.abi_major, p->manifest.abi_minor, p->manifest.abi_major, p->manifest.minor_required);
}
static const struct hadron_strategy_api *strategy_of(const struct hd_plugin *p) { return p->manifest.kind == HADRON_KIND_STRATEGY ? p->api : NULL; }
static void scope_of(const struct hd_plugin *p, char *to) {
  const struct hadron_strategy_api *api = strategy_of(p);
  hd_text_copy(to, TEXT, !api ? "" : api->scope == HADRON_SCOPE_UNIVERSE ? "universe" : "instrument");
}
static void triggers_of(const struct hd_plugin *p, char *to) {
  static const struct { uint32_t bit; const char *name; } names[] = {
      {HADRON_ON_TRADE, "trade"}, {HADRON_ON_QUOTE, "quote"}, {HADRON_ON_BOOK, "book"}, {HADRON_ON_STATUS, "status"}, {HADRON_ON_BAR, "bar"},
      {HADRON_ON_EXECUTION, "execution"}, {HADRON_ON_ORDER, "order"}};
  const struct hadron_strategy_api *api = strategy_of(p);
  to[0] = 0;
  for (size_t i = 0; api && i < sizeof names / sizeof *names; i++)
    if (api->triggers & names[i].bit) snprintf(to + strlen(to), TEXT - strlen(to), "%s%s", *to ? " " : "", names[i].name);
}
static void state_of(const struct hd_plugin *p, char *to) {
  if (p->state) snprintf(to, TEXT, "schema %u, takes %u and later", p->state->schema, p->state->schema_min);
  else hd_text_copy(to, TEXT, "none");
}

static const struct fact {
  const char *name;
  void (*of)(const struct hd_plugin *p, char *to);
} facts[] = {{"name", name_of}, {"version", version_of}, {"kind", kind_of}, {"language", language_of}, {"digest", digest_of}, {"abi", abi_of},
             {"requires", requires_of}, {"scope", scope_of}, {"triggers", triggers_of}, {"state", state_of}, {"description", description_of}};

uint32_t hd_diff_print_manifests(const struct hd_plugin *a, const struct hd_plugin *b, FILE *to) {
  uint32_t lines = 0;
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
    char x[TEXT], y[TEXT];
    facts[i].of(a, x);
    facts[i].of(b, y);
    if (strcmp(x, y) == 0) continue;
    bool digest = facts[i].of == digest_of; // the first digits tell them apart
    fprintf(to, "  %-12s %.*s -> %.*s\n", facts[i].name, digest ? 12 : TEXT, *x ? x : "-", digest ? 12 : TEXT, *y ? y : "-");
    lines++;
  }
  return lines;
}

// ---- parameters --------------------------------------------------------------------------------------------------------------------

static const char *const types[] = {"", "bool", "integer", "real", "price", "quantity", "money", "duration", "text"};

static const struct hadron_param *param_named(const struct hd_plugin *p, const char *name) {
  for (uint32_t i = 0; p->params && i < p->params->count; i++)
    if (strcmp(p->params->params[i].name, name) == 0) return &p->params->params[i];
  return NULL;
}

static void bounds_text(const struct hadron_param *p, char *to, size_t size) {
  if (p->type == HADRON_PARAM_REAL) {
    if (p->real_min > p->real_max) hd_text_copy(to, size, "any");
    else snprintf(to, size, "%g to %g", p->real_min, p->real_max);
  } else if (p->min > p->max) {
    hd_text_copy(to, size, "any");
  } else {
    snprintf(to, size, "%lld to %lld", (long long)p->min, (long long)p->max);
  }
}

static void type_text(const struct hadron_param *p, char *to, size_t size) { hd_text_copy(to, size, p->type < sizeof types / sizeof *types ? types[p->type] : "?"); }
static void initial_text(const struct hadron_param *p, char *to, size_t size) { hd_text_copy(to, size, p->initial ? p->initial : "required"); }
static void unit_text(const struct hadron_param *p, char *to, size_t size) { hd_text_copy(to, size, p->unit ? p->unit : ""); }
static void live_text(const struct hadron_param *p, char *to, size_t size) { hd_text_copy(to, size, p->live ? "yes" : "no"); }

static const struct aspect {
  const char *name;
  void (*of)(const struct hadron_param *p, char *to, size_t size);
} aspects[] = {{"initial", initial_text}, {"type", type_text}, {"bounds", bounds_text}, {"unit", unit_text}, {"live", live_text}};
#define ASPECTS (uint32_t)(sizeof aspects / sizeof *aspects)

static uint32_t print_parameter(const char *name, const struct hadron_param *a, const struct hadron_param *b, FILE *to) {
  char x[TEXT], y[TEXT];
  uint32_t lines = 0;
  if (!a || !b) {
    initial_text(a ? a : b, x, sizeof x);
    fprintf(to, "  %s %s (%s)\n", a ? "-" : "+", name, x);
    return 1;
  }
  for (uint32_t i = 0; i < ASPECTS; i++) {
    aspects[i].of(a, x, sizeof x);
    aspects[i].of(b, y, sizeof y);
    if (strcmp(x, y) == 0) continue;
    fprintf(to, "  %-12s %s: %s -> %s\n", lines ? "" : name, aspects[i].name, x, y);
    lines++;
  }
  return lines;
}

uint32_t hd_diff_print_parameters(const struct hd_plugin *a, const struct hd_plugin *b, FILE *to) {
  uint32_t lines = 0;
  for (uint32_t i = 0; a->params && i < a->params->count; i++) {
    const char *name = a->params->params[i].name;
    lines += print_parameter(name, &a->params->params[i], param_named(b, name), to);
  }
  for (uint32_t i = 0; b->params && i < b->params->count; i++)
    if (!param_named(a, b->params->params[i].name)) lines += print_parameter(b->params->params[i].name, NULL, &b->params->params[i], to);
  return lines;
}

// ---- JSON --------------------------------------------------------------------------------------------------------------------------

static json_t *param_json(const struct hadron_param *p) {
  if (!p) return json_null();
  json_t *o = json_object();
  for (uint32_t i = 0; i < ASPECTS; i++) {
    char text[TEXT];
    aspects[i].of(p, text, sizeof text);
    json_object_set_new(o, aspects[i].name, json_string(text));
  }
  return o;
}

static json_t *pair_json(const char *name, const struct hadron_param *a, const struct hadron_param *b) {
  json_t *x = param_json(a), *y = param_json(b), *differs = json_array(), *value;
  const char *key;
  json_object_foreach(x, key, value)
    if (b && !json_equal(value, json_object_get(y, key))) json_array_append_new(differs, json_string(key));
  return json_pack("{s:s,s:o,s:o,s:o}", "name", name, "a", x, "b", y, "differs", differs);
}

json_t *hd_diff_json(const struct hd_plugin *a, const struct hd_plugin *b) {
  json_t *rows = json_array(), *parameters = json_array();
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
    char x[TEXT], y[TEXT];
    facts[i].of(a, x);
    facts[i].of(b, y);
    json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:b}", "name", facts[i].name, "a", x, "b", y, "same", strcmp(x, y) == 0));
  }
  for (uint32_t i = 0; a->params && i < a->params->count; i++) {
    const char *name = a->params->params[i].name;
    json_array_append_new(parameters, pair_json(name, &a->params->params[i], param_named(b, name)));
  }
  for (uint32_t i = 0; b->params && i < b->params->count; i++)
    if (!param_named(a, b->params->params[i].name)) json_array_append_new(parameters, pair_json(b->params->params[i].name, NULL, &b->params->params[i]));
  return json_pack("{s:o,s:o}", "facts", rows, "parameters", parameters);
}
