// Seats and who sits there: a version with its instances, made for a seat or beside it.
#include <jansson.h>

#include "base/banned.h"
#include "base/text.h"
#include "lua/runtime.h"
#include "runtime/card.h"
#include "runtime/governor.h"
#include "runtime/placed.h"
#include "runtime/session_internal.h"
#include "runtime/standin.h"

int32_t hd_seats_make(struct hd_session *s, struct hd_session_arm *arm, const struct hd_plugin *plugin, struct hd_fault *fault) {
  bool universe = hd_plugin_scope(plugin) == HADRON_SCOPE_UNIVERSE;
  arm->seat_count = universe ? 1 : arm->instrument_count;
  arm->seats = calloc(arm->seat_count, sizeof *arm->seats);
  if (!arm->seats) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u seats of %s: out of memory", arm->seat_count, arm->config->base.name);
  for (uint32_t i = 0; i < arm->seat_count; i++) {
    struct hd_engine_instance *seat = &arm->seats[i];
    seat->instruments = universe ? arm->instruments : &arm->instruments[i];
    seat->instrument_count = universe ? arm->instrument_count : 1;
    seat->arm = arm->id;
    seat->engine = s->pipeline.engines[s->pipeline.instruments.rows[seat->instruments[0]].shard];
  }
  return HADRON_OK;
}

struct hd_occupant *hd_occupant_create(const struct hd_plugin *plugin, const struct hd_deployment_arm *as, uint32_t shards) {
  struct hd_occupant *o = calloc(1, sizeof *o);
  if (!o) return NULL;
  o->plugin = o->artifact = plugin;
  o->placement = HD_PLACEMENT_INLINE;
  o->param_count = as ? as->param_count : 0;
  o->latency = calloc(shards, sizeof *o->latency);
  o->params = calloc(o->param_count + 1, sizeof *o->params);
  if (!o->latency || !o->params) {
    hd_occupant_destroy(o);
    return NULL;
  }
  if (as) memcpy(o->params, as->params, o->param_count * sizeof *o->params);
  return o;
}

void hd_occupant_destroy(struct hd_occupant *o) {
  if (!o) return;
  for (uint32_t i = 0; i < o->instance_count; i++) hd_instance_fini(&o->instances[i]);
  if (hd_placed_destroy(o->placed)) free(o->latency);
  hd_governor_destroy(o->governor);
  free(o->instances);
  free(o->params);
  free(o->set);
  free(o);
}

static uint32_t put_on_top(struct hd_param_value *out, uint32_t count, const struct hd_deployment_param *on_top, uint32_t on_top_count, const char *place) {
  for (uint32_t i = 0; i < on_top_count; i++) {
    uint32_t at = 0;
    while (at < count && strcmp(out[at].name, on_top[i].name) != 0) at++;
    out[at] = (struct hd_param_value){on_top[i].name, on_top[i].text, place};
    count += at == count;
  }
  return count;
}

uint32_t hd_occupant_params(const struct hd_config_plugin *base, const struct hd_deployment_param *on_top, uint32_t on_top_count,
                            struct hd_param_value *out) {
  if (base->param_count) memcpy(out, base->params, base->param_count * sizeof *out); // a strategy without a section has none
  return put_on_top(out, base->param_count, on_top, on_top_count, "deployment");
}

static int32_t fill_one(struct hd_session *s, const struct hd_session_arm *arm, struct hd_engine_instance *place, struct hd_occupant *o,
                        struct hadron_instance *instance, const struct hd_param_value *params, uint32_t param_count, struct hd_fault *fault) {
  const struct hd_plugin *plugin = o->plugin;
  uint32_t first = place->instruments[0], shard = s->pipeline.instruments.rows[first].shard;
  char name[HD_INSTANCE_NAME_SIZE], owner[HD_INSTANCE_NAME_SIZE];
  snprintf(name, sizeof name, hd_plugin_scope(plugin) == HADRON_SCOPE_UNIVERSE ? "%s" : "%s/%s", arm->config->base.name,
           s->pipeline.instruments.rows[first].name);
  snprintf(owner, sizeof owner, "%s.shard%u", arm->config->base.name, shard);
  place->api = plugin->api;
  place->on_timer = plugin->timer ? plugin->timer->on_timer : NULL;
  place->latency = o->placed ? NULL : &o->latency[shard]; // its callbacks are measured where they are called
  const struct hd_instance_options options = {.plugin = plugin, .capabilities = hd_strategy_capabilities, .owner = place, .family = o,
                                              .now = hd_strategy_now, .metrics = s->metrics, .name = name, .metric_owner = owner,
                                              .seed = hd_random_mix(s->config->seed) ^ ((uint64_t)arm->id << 32 | first), .arm = arm->id};
  const struct hadron_strategy_context context = {sizeof context, arm->id, place->instruments, place->instrument_count, 0};
  int32_t code = hd_instance_init(instance, &options, fault);
  if (!code) code = hd_instance_create_strategy(instance, &context, fault);
  if (!code) code = hd_params_apply(instance, params, param_count, fault);
  place->self = instance->self;
  if (!code && o->governor) hd_governor_seat(o->governor, (uint32_t)(instance - o->instances), shard, place, instance);
  return code;
}

int32_t hd_occupant_governor(struct hd_session *s, const struct hd_session_arm *arm, const struct hd_occupant *o, const struct hd_budget *budget, struct hd_governor **out,
                             struct hd_fault *fault) {
  const struct hd_governor_options options = {.plugin = o->plugin, .strategy = arm->config->base.name, .budget = *budget, .arm = arm->id,
                                              .shards = s->config->shards, .instances = arm->seat_count, .is_virtual = s->options.is_virtual,
                                              .metrics = s->metrics, .watchdog = s->watchdog, .self = s, .over = hd_session_over_budget};
  return hd_budget_any(budget) && o->placement == HD_PLACEMENT_INLINE ? hd_governor_create(&options, out, fault) : HADRON_OK;
}

void hd_occupant_regovern(struct hd_occupant *o, struct hd_governor *governor, uint32_t index, uint32_t shard, struct hd_engine_instance *place) {
  const struct hd_plugin *plugin = o->plugin;
  place->api = plugin->api;
  place->self = o->instances[index].self;
  place->on_timer = plugin->timer ? plugin->timer->on_timer : NULL;
  if (governor) hd_governor_seat(governor, index, shard, place, &o->instances[index]);
}

// What an external one is told of its parameters: those of its card as they hold here; without a card, those that were written. A JSON object of texts.
static char *external_params(const struct hd_plugin *card, const struct hd_param_value *params, uint32_t count) {
  json_t *o = json_object();
  for (uint32_t i = 0; card->params && i < card->params->count; i++)
    if (card->params->params[i].initial) json_object_set_new(o, card->params->params[i].name, json_string(card->params->params[i].initial));
  for (uint32_t i = 0; i < count; i++) json_object_set_new(o, params[i].name, json_string(params[i].text));
  char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
  json_decref(o);
  return text;
}

static void describe_external(const struct hd_session_arm *arm, const struct hd_occupant *o, const struct hd_param_value *params, uint32_t count, struct hd_placed_options *to) {
  to->params = external_params(o->artifact, params, count);
  to->bar_count = hd_lua_bars(o->artifact, &to->bars);
  if (!hd_card_is_any(o->artifact)) return;
  to->bars = arm->config->bar_requests;
  to->bar_count = arm->config->bar_count;
}

// A version that runs elsewhere: its other side is made, or makes itself, and in the seat sit stand-ins.
static int32_t place_elsewhere(struct hd_session *s, const struct hd_session_arm *arm, struct hd_occupant *o, const struct hd_param_value *params, uint32_t count, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  const struct hd_far_description d = {.name = arm->config->base.name, .plugin = o->artifact, .arm = arm->id, .seed = c->seed, .session = s->trace_seed, .volatility_decay = c->volatility_decay,
                                       .errors_max = c->errors_max, .is_virtual = s->options.is_virtual, .lua_memory_max = c->lua_memory_max,
                                       .lua_instructions_max = c->lua_instructions_max, .budget = &o->budget, .instruments = &s->pipeline.instruments, .universe = arm->instruments,
                                       .universe_count = arm->instrument_count, .params = params, .param_count = count};
  struct hd_placed_options options = {.plugin = o->artifact, .name = arm->config->base.name, .placement = o->placement, .on_silent = arm->config->on_silent, .arm = arm->id,
                                      .universe = arm->instruments, .universe_count = arm->instrument_count, .latency = &o->latency[0], .occupant = o};
  if (hd_plugin_external(o->artifact)) describe_external(arm, o, params, count, &options);
  else options.json = hd_far_describe(&d);
  int32_t code = hd_placed_make(s, &options, &o->placed, fault);
  const struct hd_plugin *standin = code ? NULL : hd_standin_plugin(o->artifact);
  if (code) return code;
  if (!standin) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a stand-in for %s: out of memory", arm->config->base.name);
  o->plugin = standin;
  return HADRON_OK;
}

int32_t hd_occupant_fill(struct hd_session *s, const struct hd_session_arm *arm, struct hd_engine_instance *places, struct hd_occupant *o,
                         struct hd_fault *fault) {
  const struct hd_config_plugin *base = &arm->config->base;
  struct hd_param_value *params = calloc(base->param_count + o->param_count + o->set_count + 1, sizeof *params);
  o->instances = calloc(arm->seat_count, sizeof *o->instances);
  int32_t code = HADRON_OK;
  if (!params || !o->instances)
    code = hd_fault_set(fault, HADRON_ERR_MEMORY, "%u instances of %s: out of memory", arm->seat_count, base->name);
  if (!code) code = hd_occupant_governor(s, arm, o, &o->budget, &o->governor, fault);
  uint32_t count = code ? 0 : put_on_top(params, hd_occupant_params(base, o->params, o->param_count, params), o->set, o->set_count, "set");
  if (!code && o->placement != HD_PLACEMENT_INLINE) code = place_elsewhere(s, arm, o, params, count, fault);
  if (hd_card_is_any(o->artifact)) count = 0; // it declares none: its program is told what is written
  for (; !code && o->instance_count < arm->seat_count; o->instance_count++) // a half-built one is destroyed with the others
    code = fill_one(s, arm, &places[o->instance_count], o, &o->instances[o->instance_count], params, count, fault);
  free(params);
  return code;
}

int32_t hd_occupant_start(struct hd_occupant *o, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && i < o->instance_count; i++) code = hd_instance_start(&o->instances[i], fault);
  return code;
}

uint32_t hd_occupant_recorded_placement(const struct hd_occupant *o) { return o->placed && o->placed->lock_step ? HD_PLACEMENT_INLINE : o->placement; }

void hd_occupant_sits(struct hd_occupant *o, uint32_t arm) {
  if (o->placed) hd_placed_sits(o->placed, arm);
}
