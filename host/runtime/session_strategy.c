// Allocator, arms, shards and instances of a session.
#include <fnmatch.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/card.h"
#include "runtime/placed.h"
#include "runtime/session_deploy.h"
#include "runtime/session_internal.h"

// The allocator lives on [trade]: its time is that of the event being handled there.
static int64_t session_now(void *owner) {
  const struct hd_session *s = owner;
  return s->pipeline.now_ns;
}

int32_t hd_session_allocator_instance(struct hd_session *s, const struct hd_plugin *plugin, struct hadron_instance **out, struct hd_fault *fault) {
  const struct hd_config_plugin *c = &s->config->allocator;
  const struct hd_instance_options options = {.plugin = plugin, .owner = s, .now = session_now, .metrics = s->metrics, .name = c->name,
                                              .seed = s->config->seed};
  if (!(*out = calloc(1, sizeof **out))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "allocator %s: out of memory", c->name);
  int32_t code = hd_instance_init(*out, &options, fault);
  if (!code) code = hd_instance_create_allocator(*out, fault);
  return code ? code : hd_params_apply(*out, c->params, c->param_count, fault);
}

static int32_t make_allocator(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_config_plugin *c = &s->config->allocator;
  const struct hd_plugin *plugin;
  int32_t code = hd_session_load(s, c, HADRON_KIND_ALLOCATOR, &plugin, fault);
  if (code) return code;
  if ((code = hd_session_allocator_instance(s, plugin, &s->allocator, fault))) return hd_fault_prefix(fault, "%s:%d: ", s->config->path, c->line);
  hd_pipeline_allocator(&s->pipeline, plugin->api, s->allocator->self);
  return HADRON_OK;
}

// ---- universes -------------------------------------------------------------------------------------------------------------------

static bool wanted(const struct hd_config_strategy *c, const char *name) {
  if (c->universe_count == 0) return true;
  for (uint32_t i = 0; i < c->universe_count; i++)
    if (fnmatch(c->universe[i], name, 0) == 0) return true;
  return false;
}

int32_t hd_session_universe(struct hd_session *s, struct hd_session_arm *arm, struct hd_fault *fault) {
  const struct hd_instruments *t = &s->pipeline.instruments;
  arm->instruments = calloc(t->count + 1, sizeof *arm->instruments);
  if (!arm->instruments) return hd_fault_set(fault, HADRON_ERR_MEMORY, "universe of %s: out of memory", arm->config->base.name);
  for (uint32_t id = 1; id <= t->count; id++)
    if (!t->rows[id].retired && wanted(arm->config, t->rows[id].name)) arm->instruments[arm->instrument_count++] = id;
  if (arm->instrument_count > 0) return HADRON_OK;
  if (arm->config->base.line == 0)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment %s: its universe matches none of the %u instruments; name them, or leave `universe` out for all", arm->config->base.name, t->count);
  return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s:%d: strategy %s: its universe matches none of the %u instruments; name them, or leave `universe` out for all",
                      s->config->path, arm->config->base.line, arm->config->base.name, t->count);
}

static bool is_universe(const struct hd_session_arm *arm) { return hd_plugin_scope(arm->occupant->plugin) == HADRON_SCOPE_UNIVERSE; }

// Instruments that share a strategy of universe scope share a shard, and so do theirs: union-find, smallest id as the root.
static uint32_t group_root(uint32_t *groups, uint32_t id) {
  while (groups[id] != id) id = groups[id] = groups[groups[id]];
  return id;
}

static int32_t assign_shards(struct hd_session *s) {
  uint32_t count = s->pipeline.instruments.count, *groups = calloc(count + 1, sizeof *groups);
  if (!groups) return HADRON_ERR_MEMORY;
  for (uint32_t id = 1; id <= count; id++) groups[id] = id;
  for (uint32_t a = 0; a < s->arm_count; a++)
    for (uint32_t i = 1; is_universe(&s->arms[a]) && i < s->arms[a].instrument_count; i++) {
      uint32_t x = group_root(groups, s->arms[a].instruments[0]), y = group_root(groups, s->arms[a].instruments[i]);
      if (x < y) groups[y] = x;
      else groups[x] = y;
    }
  for (uint32_t id = 1; id <= count; id++) groups[id] = group_root(groups, id);
  hd_pipeline_shard(&s->pipeline, groups);
  free(groups);
  return HADRON_OK;
}

// ---- arms ------------------------------------------------------------------------------------------------------------------------

uint16_t hd_session_order_venue(const struct hd_session *s, const char *name) {
  if (s->orders_to) return s->orders_to->number;
  for (uint32_t i = 0; *name && i < s->venue_count; i++)
    if (strcmp(s->venues[i].name, name) == 0) return s->venues[i].number;
  return 0;
}

static int32_t open_arm(struct hd_session *s, struct hd_session_arm *arm, struct hadron_money share, struct hd_fault *fault) {
  const struct hd_config_strategy *c = arm->config;
  struct hd_arm row = {.id = arm->id, .role = c->role, .weight = arm->weight, .venue = hd_session_order_venue(s, c->venue), .size = c->size};
  hd_text_copy(row.name, sizeof row.name, c->base.name);
  row.placement = s->options.is_virtual && !s->options.recorded ? HD_PLACEMENT_INLINE : arm->occupant->placement; // in lock-step it is as if
  if (*c->venue && !row.venue)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s:%d: strategy %s: venue: there is no venue \"%s\" in `venues`", s->config->path, c->base.line, row.name, c->venue);
  const struct hd_plugin *plugin = arm->occupant->plugin;
  int32_t code = hd_pipeline_arm(&s->pipeline, &row, c->cash.micros ? c->cash : share, arm->instruments, arm->instrument_count,
                                 plugin->digest, plugin->manifest.version);
  if (code) return hd_fault_set(fault, code, "%s:%d: strategy %s: %s", s->config->path, c->base.line, row.name, hadron_error_text(code));
  if (c->role == HD_ROLE_SHADOW && (code = hd_session_shadow(s, arm->id, fault))) return code;
  s->pipeline.risk.strategy[arm->id] = c->risk;
  if ((code = hd_seats_make(s, arm, plugin, fault))) return code;
  for (uint32_t i = 0; !code && i < arm->seat_count; i++) code = hd_engine_add(arm->seats[i].engine, &arm->seats[i]);
  if (code) return hd_fault_set(fault, code, "%s: %s", row.name, hadron_error_text(code));
  code = hd_occupant_fill(s, arm, arm->seats, arm->occupant, fault);
  if (!code) code = hd_occupant_start(arm->occupant, fault);
  if (!code) hd_occupant_sits(arm->occupant, arm->id);
  if (!code && arm->occupant->placed) hd_placed_role(arm->occupant->placed, c->role);
  if (!code) hd_session_fence_crashed(s, arm);
  return code ? hd_fault_prefix(fault, "%s:%d: ", s->config->path, c->base.line) : HADRON_OK;
}

// A deployment that says nothing goes by its section; a session from records by them.
static uint32_t placement_at_start(const struct hd_session *s, const struct hd_session_arm *arm, const struct hd_deployment *as, const struct hd_plugin *plugin) {
  const struct hd_session_recorded *r = s->options.recorded;
  const char *text;
  if (hd_plugin_external(plugin)) return HD_PLACEMENT_REMOTE;
  const struct hadron_deployment *part = r ? r->part(r->self, HADRON_KIND_STRATEGY, arm->config->base.name, &text) : NULL;
  return hd_placement_of(s, r ? (part ? part->placement : 0u) : as && as->placement ? as->placement : arm->config->placement, plugin);
}

// Deployments that the configuration has no section for. One that is disabled has a seat too: its book goes on.
static int32_t own_arms(struct hd_session *s, struct hd_fault *fault) {
  int32_t code = hd_session_own_rows(s, fault);
  for (uint32_t i = 0; i < s->deployed_count && !code; i++) {
    struct hd_session_deployed *row = s->deployed[i];
    const struct hd_plugin *plugin;
    if (!row->own) continue;
    if (s->arm_count == s->arm_max)
      return hd_fault_set(fault, HADRON_ERR_FULL, "deployment %s: all %u seats of the session are taken; `hadron disable %s` before the start", row->now.name, s->arm_max, row->now.name);
    code = s->options.recorded ? hd_session_recorded_plugin(s, HADRON_KIND_STRATEGY, row->now.name, &plugin, fault) : hd_session_open_artifact(s->options.registry, &row->now, 0, &plugin, fault);
    if (code)
      return hd_fault_prefix(fault, "the configuration has no section for it, and the registry says that it runs here (`hadron disable %s` if it shall not): ", row->now.name);
    struct hd_session_arm *arm = &s->arms[s->arm_count++];
    arm->config = row->own;
    arm->id = arm->home = s->arm_count;
    arm->role = HD_ROLE_LIVE;
    arm->weight = row->now.arms[0].weight;
    arm->revision = row->now.revision;
    if (!(arm->occupant = hd_occupant_create(plugin, row->now.arms, s->config->shards))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "strategy %s: out of memory", row->now.name);
    arm->occupant->budget = row->now.budget;
    arm->occupant->placement = placement_at_start(s, arm, &row->now, plugin);
    code = hd_session_universe(s, arm, fault);
  }
  return code;
}

int32_t hd_session_strategies(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  int32_t code = make_allocator(s, fault);
  if (code) return code;
  s->arms = calloc(s->arm_max + 1, sizeof *s->arms);
  if (!s->arms) return hd_fault_set(fault, HADRON_ERR_MEMORY, "arms: out of memory");
  for (uint32_t i = 0; i < c->strategy_count; i++) {
    if (!c->strategies[i].base.enabled) continue;
    struct hd_session_arm *arm = &s->arms[s->arm_count++];
    const struct hd_plugin *plugin;
    const struct hd_deployment *as;
    arm->config = &c->strategies[i];
    arm->id = arm->home = s->arm_count;
    arm->role = arm->config->role;
    arm->weight = arm->config->weight;
    if ((code = hd_session_strategy(s, arm->config, &plugin, &as, fault))) return code;
    if (as) {
      arm->revision = as->revision;
      arm->weight = as->arms[0].weight;
    }
    if (!(arm->occupant = hd_occupant_create(plugin, as ? as->arms : NULL, s->config->shards)))
      return hd_fault_set(fault, HADRON_ERR_MEMORY, "strategy %s: out of memory", arm->config->base.name);
    arm->occupant->budget = as ? as->budget : arm->config->budget;
    arm->occupant->placement = placement_at_start(s, arm, as, plugin);
    if ((code = hd_session_universe(s, arm, fault))) return code;
  }
  uint32_t sections = s->arm_count;
  if ((code = own_arms(s, fault))) return code;
  if ((code = assign_shards(s))) return hd_fault_set(fault, code, "shards: out of memory");
  uint32_t trading = 0; // a shadow has as much as they have, and it is not theirs
  for (uint32_t i = 0; i < sections; i++) trading += s->arms[i].config->role != HD_ROLE_SHADOW;
  struct hadron_money share = {c->cash.micros / (trading ? trading : 1)};
  for (uint32_t i = 0; i < s->arm_count; i++)
    if ((code = open_arm(s, &s->arms[i], share, fault))) return code;
  code = hd_pipeline_seal(&s->pipeline, s->runner.now_ns);
  return code ? hd_fault_set(fault, code, "subscriptions: %s", hadron_error_text(code)) : HADRON_OK;
}

void hd_session_free_strategies(struct hd_session *s) {
  for (uint32_t a = 0; a < s->arm_count; a++) {
    struct hd_session_arm *arm = &s->arms[a];
    hd_occupant_destroy(arm->occupant);
    free(arm->seats);
    free(arm->instruments);
  }
  free(s->arms);
  s->arms = NULL;
  s->arm_count = 0;
  for (uint32_t i = 0; i < s->deployed_count; i++) {
    free(s->deployed[i]->own);
    free(s->deployed[i]);
  }
  free(s->deployed);
  s->deployed = NULL;
  s->deployed_count = 0;
}

// One prepared change per instance: a commit leaves the old values in its change, so that committing it once more brings them back.
struct params_change {
  struct hadron_instance **instances; // of all occupants that are meant; owned
  struct hd_params_change **changes;  // owned
  uint32_t count;
};

static int32_t change_all(const struct params_change *p, struct hd_fault *fault) {
  for (uint32_t i = 0; i < p->count; i++) {
    int32_t code = hd_params_commit(p->changes[i], p->instances[i], fault);
    if (!code) continue;
    struct hd_fault back;
    while (i-- > 0) hd_params_commit(p->changes[i], p->instances[i], &back); // the values that were good before are good again
    return code;
  }
  return HADRON_OK;
}

static int32_t prepare_all(struct params_change *p, const struct hd_occupant *o, const struct hd_param_value *values, uint32_t count, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && i < o->instance_count; i++, p->count++) {
    p->instances[p->count] = &o->instances[i];
    code = hd_params_prepare_live(o->plugin, values, count, &p->changes[p->count], fault);
  }
  return code;
}

static bool has_params(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count) {
  uint32_t found = 0;
  for (uint32_t v = 0; v < count; v++)
    for (uint32_t i = 0; plugin->params && i < plugin->params->count; i++) found += strcmp(plugin->params->params[i].name, values[v].name) == 0;
  return found == count;
}

static bool is_meant(const struct hd_session_arm *arm, const char *name, size_t length, const char *version) {
  if (!arm->occupant || strncmp(arm->config->base.name, name, length) != 0 || arm->config->base.name[length] != 0) return false;
  return !version || strcmp(arm->occupant->plugin->manifest.version, version) == 0;
}

static int32_t no_params(const struct hd_session_arm *arm, const char *param, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "strategy \"%s\": parameter \"%s\": expected a version that says which it has, found one that takes whoever registers; `hadron registry add FILE.py` "
                      "registers its version and `hadron promote %s@VERSION` puts it in place (docs/remote.md, Versions)", arm->config->base.name, param, arm->config->base.name);
}

int32_t hd_session_params(struct hd_session *s, const char *strategy, const struct hd_param_value *values, uint32_t count, bool carry_out,
                          struct hd_fault *fault) {
  const char *at = strchr(strategy, '@'), *version = at ? at + 1 : NULL;
  size_t length = at ? (size_t)(at - strategy) : strlen(strategy);
  struct params_change p = {0};
  const struct hd_session_arm *first = NULL;
  uint32_t room = 0, able = 0;
  for (uint32_t a = 0; a < s->arm_count; a++) {
    const struct hd_session_arm *arm = &s->arms[a];
    if (!is_meant(arm, strategy, length, version)) continue;
    if (!first) first = arm;
    room += arm->occupant->instance_count;
    able += has_params(arm->occupant->plugin, values, count);
  }
  if (!first) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "strategy \"%s\" is not running; `hadron status` lists those that are", strategy);
  if (count && !able && hd_card_is_any(first->occupant->artifact)) return no_params(first, values[0].name, fault);
  p.instances = calloc(room + 1, sizeof(struct hadron_instance *));
  p.changes = calloc(room + 1, sizeof(struct hd_params_change *));
  int32_t code = p.instances && p.changes ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "parameters of %u instances: out of memory", room);
  // A version beside the others that has no such parameter is passed over; if none has it, the first one says what it knows.
  for (uint32_t a = 0; !code && a < s->arm_count; a++) {
    const struct hd_session_arm *arm = &s->arms[a];
    if (is_meant(arm, strategy, length, version) && (able ? has_params(arm->occupant->plugin, values, count) : arm == first))
      code = prepare_all(&p, arm->occupant, values, count, fault);
  }
  if (!code && carry_out) code = change_all(&p, fault);
  for (uint32_t i = 0; p.changes && i < room; i++)
    if (p.changes[i]) hd_params_free(p.changes[i]);
  free(p.instances);
  free(p.changes);
  return code;
}
