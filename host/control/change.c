// `set`: limits, parameters, rules and configuration keys while the host runs. Every assignment is read and checked before the first is
// carried out; what can still refuse then (a plugin's own check of its parameters) comes first.
//
//   risk.position_max=100                     the account's limits
//   strategies.NAME.risk.order_rate_max=5     one strategy's
//   instruments.SYMBOL.risk.position_max=10   one instrument's
//   strategies.NAME.params.X=...              parameters that their plugin lets change, of all versions that run; NAME@VERSION: of that one;
//                                             also venues.NAME.params, allocator.params
//   services.NAME.params.X=...                in a request of its own: its thread takes them between two steps (service.c)
//   router.rules=[{"when":"position","lane":"fast"}]
//   normalize.outlier_bps=500 ...             configuration keys that may change
#include "base/banned.h"
#include "base/text.h"
#include "control/control_internal.h"
#include "runtime/config_read.h"

#define CHANGES_MAX 64

enum change_kind { CHANGE_LIMIT = 1, CHANGE_PARAM, CHANGE_KEY, CHANGE_RULES };
enum param_owner { OWNER_STRATEGY = 1, OWNER_VENUE, OWNER_ALLOCATOR, OWNER_SERVICE };

struct change {
  enum change_kind kind;
  char key[256], value[2048];
  // LIMIT
  uint32_t scope, id;
  const struct hd_limit_key *limit;
  int64_t number;
  // PARAM
  enum param_owner owner;
  char name[HADRON_NAME_SIZE + HADRON_VERSION_SIZE];
  const char *param; // in `key`
  // KEY
  const struct hd_config_key *config_key;
  struct hd_lane_rules rules;
};

struct plan {
  struct hd_control *c;
  uint32_t uid, count, done;
  bool recorded;         // it is in the journal already
  int32_t code;
  struct hd_fault *fault;
  struct hd_config keys; // the configuration as it will be: only the fields of live keys count
  struct change changes[CHANGES_MAX];
};

// ---- reading ---------------------------------------------------------------------------------------------------------------------------

static int32_t read_limit(struct change *ch, const char *name, struct hd_fault *fault) {
  static const uint32_t types[] = {[HD_LIMIT_QUANTITY] = HD_KEY_QUANTITY, [HD_LIMIT_MONEY] = HD_KEY_MONEY, [HD_LIMIT_BPS] = HD_KEY_I64,
                                   [HD_LIMIT_COUNT] = HD_KEY_I64, [HD_LIMIT_DURATION_MS] = HD_KEY_I64};
  const char *best = "";
  size_t distance = 6;
  for (uint32_t i = 0; i < hd_limit_key_count; i++) {
    const struct hd_limit_key *k = &hd_limit_keys[i];
    size_t edits = hd_text_distance(k->key, name);
    if (edits < distance) distance = edits, best = k->key;
    if (strcmp(k->key, name) != 0) continue;
    int64_t factor = k->unit == HD_LIMIT_DURATION_MS ? 1000000 : 1;
    const struct hd_config_key as_key = {.path = name, .type = types[k->unit], .min = 0, .max = k->max / factor};
    if (!(k->scopes & ch->scope))
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: this limit is for %s alone", ch->key, k->scopes & HD_SCOPE_STRATEGY ? "the account and strategies" : "the account");
    int32_t code = hd_config_key_parse(&as_key, ch->value, &ch->number, fault);
    if (code) return hd_fault_prefix(fault, "%s: ", ch->key);
    ch->number *= factor;
    ch->limit = k;
    ch->kind = CHANGE_LIMIT;
    return HADRON_OK;
  }
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: there is no limit \"%s\"%s%s%s", ch->key, name, *best ? "; did you mean \"" : "", best, *best ? "\"?" : "");
}

static int32_t read_rule(const json_t *row, struct hd_lane_rule *out, size_t index, struct hd_fault *fault) {
  static const char *const kinds[] = {"any", "trade", "quote", "book", "status"}, *const lanes[] = {"fast", "warm", "cold", "drop"},
                           *const whens[] = {"always", "position", "volatile", "peer_fast", "unsubscribed"};
  static const uint32_t facts[] = {HD_FACT_ALWAYS, HD_FACT_POSITION, HD_FACT_VOLATILE, HD_FACT_PEER_FAST, HD_FACT_UNSUBSCRIBED};
  const char *kind = hd_request_text(row, "kind", "any"), *when = hd_request_text(row, "when", "always"), *lane = hd_request_text(row, "lane", "");
  uint32_t k = 0, w = 0, l = 0;
  while (k < 5 && strcmp(kinds[k], kind) != 0) k++;
  while (w < 5 && strcmp(whens[w], when) != 0) w++;
  while (l < 4 && strcmp(lanes[l], lane) != 0) l++;
  if (k == 5 || w == 5 || l == 4)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "router.rules[%zu]: expected kind any|trade|quote|book|status, when always|position|volatile|peer_fast|unsubscribed, lane fast|warm|cold|drop; "
                        "found \"%.20s\", \"%.20s\", \"%.20s\"", index + 1, kind, when, lane);
  *out = (struct hd_lane_rule){k > 0 ? 1u << k : 0, facts[w], 0, l + 1};
  return HADRON_OK;
}

static int32_t read_rules(struct plan *plan, struct change *ch) {
  json_t *rows = json_loads(ch->value, JSON_REJECT_DUPLICATES, NULL);
  int32_t code = HADRON_OK;
  if (!json_is_array(rows) || json_array_size(rows) > HD_LANE_RULES_MAX)
    code = hd_fault_set(plan->fault, HADRON_ERR_ARGUMENT, "router.rules: expected a JSON list of at most %d rules like [{\"when\":\"position\",\"lane\":\"fast\"}]", HD_LANE_RULES_MAX);
  for (size_t i = 0; !code && i < json_array_size(rows); i++) code = read_rule(json_array_get(rows, i), &ch->rules.rules[i], i, plan->fault);
  ch->rules.count = (uint32_t)json_array_size(rows);
  ch->kind = CHANGE_RULES;
  json_decref(rows);
  return code;
}

static int32_t read_key(struct plan *plan, struct change *ch) {
  const char *best = "";
  size_t distance = 6;
  for (uint32_t i = 0; i < hd_config_key_count; i++) {
    const struct hd_config_key *k = &hd_config_keys[i];
    size_t edits = hd_text_distance(k->path, ch->key);
    if (edits < distance) distance = edits, best = k->path;
    if (strcmp(k->path, ch->key) != 0) continue;
    if (!k->live) return hd_fault_set(plan->fault, HADRON_ERR_STATE, "%s: cannot change while the host runs; set it in the configuration and start again", ch->key);
    if (hd_config_key_parse(k, ch->value, &plan->keys, plan->fault)) return hd_fault_prefix(plan->fault, "%s: ", ch->key);
    ch->config_key = k;
    ch->kind = CHANGE_KEY;
    return HADRON_OK;
  }
  return hd_fault_set(plan->fault, HADRON_ERR_NOT_FOUND, "%s: there is no such key%s%s%s", ch->key, *best ? "; did you mean \"" : "", best, *best ? "\"?" : "");
}

static const struct hd_session_arm *arm_named(const struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < s->arm_count; i++)
    if (strcmp(s->arms[i].config->base.name, name) == 0) return &s->arms[i];
  return NULL;
}

// "trend", or a version of it that runs: "trend@1.1.0".
static bool strategy_there(const struct hd_session *s, const char *name) {
  const char *at = strchr(name, '@');
  size_t length = at ? (size_t)(at - name) : strlen(name);
  for (uint32_t i = 0; i < s->arm_count; i++) {
    const struct hd_session_arm *arm = &s->arms[i];
    if (strncmp(arm->config->base.name, name, length) != 0 || arm->config->base.name[length] != 0) continue;
    if (!at || (arm->occupant && strcmp(arm->occupant->plugin->manifest.version, at + 1) == 0)) return true;
  }
  return false;
}

static bool service_named(const struct hd_session *s, const char *name, uint32_t *index) {
  for (*index = 0; *index < s->service_count; ++*index)
    if (strcmp(s->services[*index].config->name, name) == 0) return true;
  return false;
}

static struct hd_venue *venue_named(const struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < s->venue_count; i++)
    if (strcmp(s->venues[i].name, name) == 0) return &s->venues[i];
  return NULL;
}

// Does `key` begin with `prefix`, and go on with NAME and `middle`? Then `name` is filled and what follows is returned. The last
// `middle` counts: symbols may have dots.
static const char *below(const char *key, const char *prefix, const char *middle, char *name, size_t size) {
  size_t length = strlen(prefix);
  if (strncmp(key, prefix, length) != 0) return NULL;
  const char *found = NULL;
  for (const char *at = strstr(key + length, middle); at; at = strstr(at + 1, middle)) found = at;
  if (!found || found == key + length || (size_t)(found - key) - length >= size) return NULL;
  memcpy(name, key + length, (size_t)(found - key) - length);
  name[(size_t)(found - key) - length] = 0;
  return found + strlen(middle);
}

static int32_t read_param(struct plan *plan, struct change *ch, enum param_owner owner, const char *param) {
  const struct hd_session *s = plan->c->options.session;
  ch->kind = CHANGE_PARAM;
  ch->owner = owner;
  ch->param = param;
  uint32_t index;
  static const char *const kinds[] = {"", "strategy", "venue", "allocator", "service"};
  bool known = owner == OWNER_ALLOCATOR || (owner == OWNER_SERVICE && plan->recorded) || (owner == OWNER_STRATEGY && strategy_there(s, ch->name)) || (owner == OWNER_VENUE && venue_named(s, ch->name)) ||
               (owner == OWNER_SERVICE && service_named(s, ch->name, &index));
  return known ? HADRON_OK : hd_fault_set(plan->fault, HADRON_ERR_NOT_FOUND, "%s: there is no %s \"%s\"; `hadron status` lists them", ch->key, kinds[owner], ch->name);
}

static int32_t read_change(struct plan *plan, struct change *ch) {
  const struct hd_session *s = plan->c->options.session;
  char name[HADRON_SYMBOL_SIZE];
  const char *rest;
  if (strncmp(ch->key, "risk.", 5) == 0) {
    ch->scope = HD_SCOPE_ACCOUNT;
    return read_limit(ch, ch->key + 5, plan->fault);
  }
  if ((rest = below(ch->key, "strategies.", ".risk.", name, sizeof name))) {
    const struct hd_session_arm *arm = arm_named(s, name);
    if (!arm) return hd_fault_set(plan->fault, HADRON_ERR_NOT_FOUND, "%s: there is no strategy \"%s\"; `hadron status` lists them", ch->key, name);
    ch->scope = HD_SCOPE_STRATEGY, ch->id = arm->id;
    return read_limit(ch, rest, plan->fault);
  }
  if ((rest = below(ch->key, "instruments.", ".risk.", name, sizeof name))) {
    ch->scope = HD_SCOPE_INSTRUMENT, ch->id = hd_instruments_find(&s->pipeline.instruments, name);
    if (!ch->id) return hd_fault_set(plan->fault, HADRON_ERR_NOT_FOUND, "%s: there is no instrument \"%s\"", ch->key, name);
    return read_limit(ch, rest, plan->fault);
  }
  if ((rest = below(ch->key, "strategies.", ".params.", ch->name, sizeof ch->name))) return read_param(plan, ch, OWNER_STRATEGY, rest);
  if ((rest = below(ch->key, "venues.", ".params.", ch->name, sizeof ch->name))) return read_param(plan, ch, OWNER_VENUE, rest);
  if ((rest = below(ch->key, "services.", ".params.", ch->name, sizeof ch->name))) return read_param(plan, ch, OWNER_SERVICE, rest);
  if (strncmp(ch->key, "allocator.params.", 17) == 0) return read_param(plan, ch, OWNER_ALLOCATOR, ch->key + 17);
  if (strcmp(ch->key, "router.rules") == 0) return read_rules(plan, ch);
  return read_key(plan, ch);
}

static int32_t read_assignment(struct plan *plan, const json_t *row) {
  const char *text = json_string_value(row), *equal = text ? strchr(text, '=') : NULL;
  if (!equal || equal == text) return hd_fault_set(plan->fault, HADRON_ERR_ARGUMENT, "set: expected key=value, found \"%.64s\"", text ? text : "something else");
  struct change *ch = &plan->changes[plan->count];
  if ((size_t)(equal - text) >= sizeof ch->key || !hd_text_copy(ch->value, sizeof ch->value, equal + 1))
    return hd_fault_set(plan->fault, HADRON_ERR_ARGUMENT, "set: expected a key of at most %zu and a value of at most %zu bytes", sizeof ch->key - 1, sizeof ch->value - 1);
  memcpy(ch->key, text, (size_t)(equal - text));
  plan->count++;
  return read_change(plan, ch);
}

// ---- carrying out ----------------------------------------------------------------------------------------------------------------------

// What a strategy refuses by its table of parameters is said before anything is written down.
static int32_t check_param(struct plan *plan, const struct change *ch) {
  const struct hd_param_value value = {ch->param, ch->value, "set"};
  return ch->kind == CHANGE_PARAM && ch->owner == OWNER_STRATEGY ? hd_session_params(plan->c->options.session, ch->name, &value, 1, false, plan->fault) : HADRON_OK;
}

static int32_t apply_param(struct plan *plan, const struct change *ch) {
  struct hd_session *s = plan->c->options.session;
  const struct hd_param_value value = {ch->param, ch->value, "set"};
  if (ch->owner == OWNER_STRATEGY) return hd_session_params(s, ch->name, &value, 1, true, plan->fault);
  // Set again: a service has taken its own when it was made, and a venue of records has nobody behind it.
  if (plan->recorded && (ch->owner == OWNER_SERVICE || (ch->owner == OWNER_VENUE && !venue_named(s, ch->name)->instance))) return HADRON_OK;
  struct hadron_instance *instance = ch->owner == OWNER_VENUE ? venue_named(s, ch->name)->instance : s->allocator;
  struct hd_params_change *prepared = NULL;
  int32_t code = hd_params_prepare_live(instance->plugin, &value, 1, &prepared, plan->fault);
  if (!code) code = hd_params_commit(prepared, instance, plan->fault);
  if (prepared) hd_params_free(prepared);
  return code;
}

static int32_t apply_limit(struct plan *plan, const struct change *ch) {
  struct hd_risk *risk = &plan->c->options.session->pipeline.risk;
  struct hd_limits limits = *hd_risk_limits(risk, ch->scope, ch->id);
  memcpy((char *)&limits + ch->limit->offset, &ch->number, sizeof ch->number);
  int32_t code = hd_risk_limits_set(risk, ch->scope, ch->id, &limits, plan->fault);
  // The versions beside the live one have the strategy's limits too; an arm that is opened later takes them over from that.
  const struct hd_session *s = plan->c->options.session;
  for (uint32_t i = 0; !code && ch->scope == HD_SCOPE_STRATEGY && i < s->arm_count; i++)
    if (s->arms[i].home == ch->id && s->arms[i].id != ch->id && s->arms[i].occupant) code = hd_risk_limits_set(risk, ch->scope, s->arms[i].id, &limits, plan->fault);
  return code;
}

static int32_t apply_key(struct plan *plan, const struct change *ch) {
  struct hd_session *s = plan->c->options.session;
  struct hd_pipeline *p = &s->pipeline;
  const struct hd_config_key *k = ch->config_key;
  // The key's field alone goes into the configuration; then its group's owner takes the group.
  struct hd_config *config = s->config;
  if (hd_config_key_parse(k, ch->value, config, plan->fault)) return plan->fault->code;
  if (strncmp(k->path, "normalize.", 10) == 0) hd_normalize_set(&p->normalize, &config->normalize);
  else if (strncmp(k->path, "gateway.", 8) == 0) hd_gateway_times(p->gateway, &config->gateway);
  else if (strcmp(k->path, "router.volatile_above") == 0) {
    for (uint32_t i = 0; i < p->options.shards; i++) hd_engine_volatile_above(p->engines[i], config->lanes.volatile_above);
    return hd_router_rules(&p->router, &config->lanes);
  } else return hd_fault_set(plan->fault, HADRON_ERR_UNSUPPORTED, "%s: nothing in the host takes it while running", ch->key);
  return HADRON_OK;
}

static int32_t apply_rules(struct plan *plan, const struct change *ch) {
  struct hd_session *s = plan->c->options.session;
  struct hd_lane_rules rules = ch->rules;
  rules.volatile_above = s->config->lanes.volatile_above;
  if (hd_router_rules(&s->pipeline.router, &rules)) return hd_fault_set(plan->fault, HADRON_ERR_ARGUMENT, "router.rules: refused by the router");
  s->config->lanes = rules;
  return HADRON_OK;
}

static int32_t apply_one(struct plan *plan, const struct change *ch) {
  char text[sizeof ch->key + sizeof ch->value + 8];
  snprintf(text, sizeof text, "set %s=%s", ch->key, ch->value);
  int32_t code = plan->recorded ? HADRON_OK : check_param(plan, ch);
  if (!code && !plan->recorded) code = hd_control_journal(plan->c, plan->uid, text, plan->fault);
  if (code) return code;
  switch (ch->kind) {
  case CHANGE_PARAM: return apply_param(plan, ch);
  case CHANGE_LIMIT: return apply_limit(plan, ch);
  case CHANGE_KEY: return apply_key(plan, ch);
  case CHANGE_RULES: return apply_rules(plan, ch);
  }
  return HADRON_ERR_INTERNAL;
}

// [every engine at rest: nothing in the pipeline moves]
static void apply(void *argument) {
  struct plan *plan = argument;
  for (int params = 1; params >= 0; params--)
    for (uint32_t i = 0; i < plan->count; i++) {
      if ((plan->changes[i].kind == CHANGE_PARAM) != params) continue;
      plan->code = apply_one(plan, &plan->changes[i]);
      if (plan->code) return;
      plan->done++;
    }
}

static json_t *answer_of(const struct plan *plan) {
  json_t *rows = json_array();
  for (uint32_t i = 0; i < plan->count; i++) json_array_append_new(rows, json_pack("{s:s, s:s}", "key", plan->changes[i].key, "value", plan->changes[i].value));
  return json_pack("{s:o}", "set", rows);
}

// ---- services ----------------------------------------------------------------------------------------------------------------------------

static bool of_service(const struct change *ch) { return ch->kind == CHANGE_PARAM && ch->owner == OWNER_SERVICE; }

// [trade]
static void note(void *argument) {
  struct plan *plan = argument;
  for (uint32_t i = 0; i < plan->count && !plan->code; i++) {
    char text[sizeof plan->changes[i].key + sizeof plan->changes[i].value + 8];
    snprintf(text, sizeof text, "set %s=%s", plan->changes[i].key, plan->changes[i].value);
    plan->code = hd_control_journal(plan->c, plan->uid, text, plan->fault);
  }
}

static json_t *set_service(struct plan *plan) {
  const struct hd_session *s = plan->c->options.session;
  struct hd_param_value values[CHANGES_MAX];
  struct hd_params_change *prepared = NULL;
  uint32_t index = 0;
  for (uint32_t i = 0; i < plan->count; i++) {
    const struct change *ch = &plan->changes[i];
    if (!of_service(ch) || strcmp(ch->name, plan->changes[0].name) != 0) {
      hd_fault_set(plan->fault, HADRON_ERR_ARGUMENT, "set: expected the parameters of one service alone, found %s beside %s; a service takes its own in its own time: ask for them apart", ch->key, plan->changes[0].key);
      return NULL;
    }
    values[i] = (struct hd_param_value){ch->param, ch->value, "set"};
  }
  service_named(s, plan->changes[0].name, &index);
  // What cannot be is said before anything is written down.
  if (hd_params_prepare_live(s->services[index].instance->plugin, values, plan->count, &prepared, plan->fault)) return NULL;
  hd_params_free(prepared);
  if (hd_control_trade(plan->c, note, plan, plan->fault) || plan->code) return NULL;
  return hd_service_set(plan->c, index, values, plan->count, answer_of(plan), plan->fault);
}

static json_t *carry_out(struct plan *plan, const json_t *values) {
  size_t n = json_array_size(values);
  if (!json_is_array(values) || n == 0 || n > CHANGES_MAX) {
    hd_fault_set(plan->fault, HADRON_ERR_ARGUMENT, "set: values: expected a list of 1 to %d assignments like \"risk.position_max=100\"", CHANGES_MAX);
    return NULL;
  }
  for (size_t i = 0; i < n; i++)
    if (read_assignment(plan, json_array_get(values, i))) return NULL;
  for (uint32_t i = 0; i < plan->count; i++)
    if (of_service(&plan->changes[i])) return set_service(plan);
  if (hd_control_quiet(plan->c, apply, plan, plan->fault)) return NULL;
  if (plan->code) {
    if (plan->done) hd_fault_prefix(plan->fault, "%u of %u changes were made, then: ", plan->done, plan->count);
    return NULL;
  }
  return answer_of(plan);
}

json_t *hd_change_set(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  struct plan *plan = calloc(1, sizeof *plan);
  if (!plan) {
    hd_fault_set(fault, HADRON_ERR_MEMORY, "set: out of memory");
    return NULL;
  }
  plan->c = c, plan->uid = uid, plan->fault = fault, plan->keys = *c->options.session->config;
  json_t *result = carry_out(plan, json_object_get(request, "values"));
  free(plan);
  return result;
}

int32_t hd_control_set_again(struct hd_session *s, const char *assignment, struct hd_fault *fault) {
  struct plan *plan = calloc(1, sizeof *plan);
  struct hd_control *c = calloc(1, sizeof *c);
  json_t *row = json_string(assignment);
  int32_t code = plan && c && row ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "set %s: out of memory", assignment);
  if (!code) {
    c->options.session = s;
    plan->c = c, plan->fault = fault, plan->keys = *s->config, plan->recorded = true;
    code = read_assignment(plan, row);
    if (!code) apply(plan);
    if (!code) code = plan->code;
  }
  json_decref(row);
  free(c);
  free(plan);
  return code;
}
