#include "base/banned.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/limits.h"
#include "base/text.h"
#include "plugin/probe.h"
#include "runtime/change_internal.h"
#include "runtime/governor.h"
#include "runtime/placed.h"
#include "runtime/setting.h"

// ---- what runs -------------------------------------------------------------------------------------------------------------------------

static struct hd_session_arm *home_of(const struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < s->arm_count; i++)
    if (s->arms[i].home == s->arms[i].id && strcmp(s->arms[i].config->base.name, name) == 0) return &s->arms[i];
  return NULL;
}

static int32_t not_running(const char *name, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "deployment \"%s\": no strategy of this name is in the running configuration; `hadron status` lists those that are", name);
}

static void arm_of(const struct hd_session_arm *seat, struct hd_deployment_arm *out) {
  const struct hd_occupant *o = seat->occupant;
  hd_text_copy(out->version, sizeof out->version, o->plugin->manifest.version);
  memcpy(out->digest, o->plugin->digest, sizeof out->digest);
  out->role = seat->role;
  out->weight = seat->weight;
  out->param_count = o->param_count;
  memcpy(out->params, o->params, o->param_count * sizeof *o->params);
}

static int32_t part_deployment(const struct hd_session *s, const char *name, struct hd_deployment *out) {
  uint32_t kind;
  const struct hd_plugin *plugin = hd_part_plugin(s, name, &kind);
  if (!plugin) return HADRON_ERR_NOT_FOUND;
  memset(out, 0, sizeof *out);
  hd_text_copy(out->name, sizeof out->name, name);
  hd_text_copy(out->plugin, sizeof out->plugin, plugin->manifest.name);
  out->kind = kind;
  out->enabled = true;
  out->split = HD_SPLIT_CAPITAL;
  out->arm_count = 1;
  hd_text_copy(out->arms[0].version, sizeof out->arms[0].version, plugin->manifest.version);
  memcpy(out->arms[0].digest, plugin->digest, sizeof out->arms[0].digest);
  out->arms[0].role = HD_ROLE_LIVE;
  out->arms[0].weight = 1;
  return HADRON_OK;
}

int32_t hd_session_deployment(const struct hd_session *s, const char *name, struct hd_deployment *out) {
  const struct hd_session_arm *home = home_of(s, name);
  if (!home) return part_deployment(s, name, out);
  memset(out, 0, sizeof *out);
  hd_text_copy(out->name, sizeof out->name, name);
  out->kind = HADRON_KIND_STRATEGY;
  out->revision = home->revision;
  out->enabled = home->occupant != NULL;
  out->split = HD_SPLIT_CAPITAL;
  if (home->occupant) {
    hd_text_copy(out->plugin, sizeof out->plugin, home->occupant->plugin->manifest.name);
    arm_of(home, &out->arms[out->arm_count++]);
    out->budget = home->occupant->budget;
    uint32_t usual = hd_placement_of(s, home->config->placement, home->occupant->artifact);
    out->placement = home->occupant->placement == usual ? HD_PLACEMENT_NONE : home->occupant->placement;
  }
  for (uint32_t i = 0; i < s->arm_count && out->arm_count < HD_DEPLOYMENT_ARMS_MAX; i++)
    if (&s->arms[i] != home && s->arms[i].home == home->id && s->arms[i].occupant) arm_of(&s->arms[i], &out->arms[out->arm_count++]);
  return HADRON_OK;
}

// ---- create ----------------------------------------------------------------------------------------------------------------------------

static bool same_params(const struct hd_occupant *o, const struct hd_deployment_arm *want) {
  if (o->param_count != want->param_count) return false;
  for (uint32_t i = 0; i < o->param_count; i++)
    if (strcmp(o->params[i].name, want->params[i].name) != 0 || strcmp(o->params[i].text, want->params[i].text) != 0) return false;
  return true;
}

static bool same_version(const struct hd_occupant *o, const struct hd_deployment_arm *want, uint32_t placement) {
  return o && o->placement == placement && memcmp(o->plugin->digest, want->digest, sizeof want->digest) == 0 && same_params(o, want);
}

// The home seat first, so that what is live stays live where two arms are of one version.
static void find_occupants(struct hd_change *c) {
  const struct hd_session *s = c->s;
  bool taken[HD_ARMS_MAX] = {false};
  for (uint32_t i = 0; i < c->want.arm_count; i++) {
    if (i == 0 && same_version(c->home->occupant, &c->want.arms[0], c->placements[0])) {
      c->found[0] = c->home;
      taken[c->home - s->arms] = true;
    }
    for (uint32_t k = 0; k < s->arm_count && !c->found[i]; k++) {
      struct hd_session_arm *seat = &s->arms[k];
      if (seat->home != c->home->id || taken[k] || !same_version(seat->occupant, &c->want.arms[i], c->placements[i])) continue;
      c->found[i] = seat;
      taken[k] = true;
    }
  }
}

static int32_t check_wanted(const struct hd_change *c, struct hd_fault *fault) {
  const struct hd_deployment *w = &c->want;
  if (w->arm_count > HD_DEPLOYMENT_ARMS_MAX || (w->enabled && (w->arm_count == 0 || w->arms[0].role != HD_ROLE_LIVE)))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment \"%s\": expected 1 to %d arms with the live one first, found %u", w->name, HD_DEPLOYMENT_ARMS_MAX, w->arm_count);
  for (uint32_t i = 0; i < w->arm_count; i++) {
    int32_t code = hd_plugin_expect_kind(c->plugins[i], HADRON_KIND_STRATEGY, fault);
    if (code) return code;
    if (hd_plugin_external(c->plugins[i]) && w->placement && w->placement != HD_PLACEMENT_REMOTE && !c->s->options.recorded)
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment \"%s\": placement %s: version %s is external: expected remote, its program runs where somebody has started it; leave the placement out", w->name,
                          hd_placement_name(w->placement), w->arms[i].version);
    if (i > 0 && w->arms[i].role != HD_ROLE_CANARY && w->arms[i].role != HD_ROLE_SHADOW)
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment \"%s\": arm %u (%s): expected a canary or a shadow beside the live arm", w->name, i + 1, w->arms[i].version);
    bool universe = hd_plugin_scope(c->plugins[i]) == HADRON_SCOPE_UNIVERSE, seats = c->home->seat_count == 1 && c->home->instrument_count > 1;
    if (c->home->instrument_count > 1 && universe != seats)
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment \"%s\": version %s: expected scope %s as the running one, found %s; it needs a name of its own", w->name, w->arms[i].version,
                          seats ? "universe" : "instrument", universe ? "universe" : "instrument");
  }
  return HADRON_OK;
}

bool hd_change_hands_over(const struct hd_change *c, const struct hd_plugin *to) {
  const struct hd_occupant *live = c->home->occupant;
  return live && live->plugin->state && to->state;
}

static int32_t check_schemas(const struct hd_change *c, struct hd_fault *fault) {
  for (uint32_t i = 0; i < c->want.arm_count; i++) {
    const struct hd_plugin *to = c->plugins[i];
    if (c->found[i] || !hd_change_hands_over(c, to)) continue;
    const struct hd_plugin *from = c->home->occupant->plugin;
    uint32_t schema = from->state->schema;
    if (schema < to->state->schema_min || schema > to->state->schema)
      return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: state of %s %s has schema %u; %s %s takes %u to %u. Give it a step in between, or disable and enable it to start without a state",
                          c->want.name, from->manifest.name, from->manifest.version, schema, to->manifest.name, to->manifest.version, to->state->schema_min, to->state->schema);
    if (hd_state_size_max(from) > HD_HANDOVER_BYTES)
      return hd_fault_set(fault, HADRON_ERR_FULL, "%s: state of %s %s: expected at most %u bytes, found up to %u", c->want.name, from->manifest.name, from->manifest.version, HD_HANDOVER_BYTES, hd_state_size_max(from));
  }
  return HADRON_OK;
}

// Venues, services and the allocator have one arm, and it runs.
static int32_t create_part(struct hd_session *s, const struct hd_deployment *want, const struct hd_plugin *const *plugins, struct hd_change **out,
                           struct hd_fault *fault) {
  if (!want->enabled || want->arm_count != 1)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "deployment \"%s\": expected one version of a %s, found %u%s; it can be exchanged, and left out of the configuration of the next start", want->name,
                        hd_kind_name(want->kind), want->arm_count, want->enabled ? "" : ", disabled");
  struct hd_change *c = calloc(1, sizeof *c);
  if (!c) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a change of \"%s\": out of memory", want->name);
  c->s = s;
  c->want = *want;
  int32_t code = hd_part_create(s, want->name, plugins[0], &c->part, fault);
  if (code) free(c);
  else *out = c;
  return code;
}

int32_t hd_change_create(struct hd_session *s, const struct hd_deployment *want, const struct hd_plugin *const *plugins,
                         struct hd_change **out, struct hd_fault *fault) {
  if (want->kind != HADRON_KIND_STRATEGY) return create_part(s, want, plugins, out, fault);
  struct hd_session_arm *home = home_of(s, want->name);
  if (!home) return not_running(want->name, fault);
  if (home->changing)
    return hd_fault_set(fault, HADRON_ERR_STATE, "deployment \"%s\": another change of it is under way; try again when it has ended", want->name);
  uint32_t shards = s->pipeline.options.shards;
  struct hd_change *c = calloc(1, sizeof *c);
  if (!c) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a change of \"%s\": out of memory", want->name);
  c->s = s;
  c->home = home;
  c->want = *want;
  c->said_count = want->arm_count;
  if (!want->enabled) c->want.arm_count = 0;
  c->layouts = calloc(shards, sizeof(struct hd_engine_layout *));
  c->buffers = calloc(shards, sizeof(unsigned char *));
  c->faults = calloc(shards, sizeof *c->faults);
  c->codes = calloc(shards, sizeof *c->codes);
  c->handed = calloc(shards, sizeof *c->handed);
  c->last = calloc(shards, sizeof *c->last);
  c->from = calloc(shards, sizeof *c->from);
  home->changing = true;
  for (uint32_t i = 0; i < c->want.arm_count; i++) {
    c->plugins[i] = plugins[i];
    c->placements[i] = hd_placement_of(s, s->options.recorded || want->placement ? want->placement : home->config->placement, plugins[i]);
  }
  int32_t code = HADRON_OK;
  if (!c->layouts || !c->buffers || !c->faults || !c->codes || !c->handed || !c->last || !c->from)
    code = hd_fault_set(fault, HADRON_ERR_MEMORY, "a change of \"%s\": out of memory", want->name);
  if (!code) code = check_wanted(c, fault);
  if (!code) {
    find_occupants(c);
    code = check_schemas(c, fault);
  }
  if (!code && !s->options.recorded) code = hd_change_sample(c, fault);
  if (code) hd_change_destroy(c);
  else *out = c;
  return code;
}

// ---- stage -----------------------------------------------------------------------------------------------------------------------------

static void staged_fini(struct hd_staged *g) {
  hd_occupant_destroy(g->occupant);
  free(g->places);
  free(g->wishes);
  free(g->bars);
  free(g->bar_counts);
  *g = (struct hd_staged){0};
}

static void places_reset(const struct hd_change *c, struct hd_staged *g) {
  for (uint32_t i = 0; i < c->home->seat_count; i++) {
    const struct hd_engine_instance *seat = &c->home->seats[i];
    g->wishes[i] = (struct hd_engine_wishes){.now_ns = c->now_ns};
    g->places[i] = (struct hd_engine_instance){.instruments = seat->instruments, .instrument_count = seat->instrument_count, .arm = seat->arm,
                                               .engine = seat->engine, .wishes = &g->wishes[i]};
  }
}

static int32_t places_make(const struct hd_change *c, struct hd_staged *g, struct hd_fault *fault) {
  uint32_t count = c->home->seat_count;
  g->places = calloc(count, sizeof *g->places);
  g->wishes = calloc(count, sizeof *g->wishes);
  g->bars = calloc((size_t)count * HD_BAR_KINDS_MAX, sizeof *g->bars);
  g->bar_counts = calloc(count, sizeof *g->bar_counts);
  if (g->places && g->wishes && g->bars && g->bar_counts) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u places for a version of \"%s\": out of memory", count, c->want.name);
}

// What operators had set for this version and it took then, it has again. What it refused was written down all the same.
static void keep_set(const struct hd_change *c, struct hd_occupant *o) {
  uint32_t count = hd_settings_version(c->s->settings, c->want.name, o->artifact->digest, c->want.revision, o->params, o->param_count, &o->set);
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_param_value value = {o->set[i].name, o->set[i].text, "set"};
    struct hd_params_change *change = NULL;
    struct hd_fault refused;
    if (hd_params_prepare_live(o->artifact, &value, 1, &change, &refused) == HADRON_OK) o->set[o->set_count++] = o->set[i];
    if (change) hd_params_free(change);
  }
}

static int32_t make_occupant(const struct hd_change *c, struct hd_staged *g, uint32_t arm, struct hd_fault *fault) {
  places_reset(c, g);
  g->occupant = hd_occupant_create(c->plugins[arm], &c->want.arms[arm], c->s->pipeline.options.shards);
  if (!g->occupant) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a version of \"%s\": out of memory", c->want.name);
  g->occupant->budget = c->want.budget;
  g->occupant->placement = c->placements[arm];
  keep_set(c, g->occupant);
  return hd_occupant_fill(c->s, c->home, g->places, g->occupant, fault);
}

// A version that takes a state over is started at the meeting, after the state is in. Which bars it will ask for must be known before:
// another one is made, started and thrown away.
static int32_t trial_start(const struct hd_change *c, struct hd_staged *g, uint32_t arm, struct hd_fault *fault) {
  int32_t code = make_occupant(c, g, arm, fault);
  if (!code) code = hd_occupant_start(g->occupant, fault);
  for (uint32_t i = 0; !code && i < c->home->seat_count; i++) {
    g->bar_counts[i] = g->places[i].bar_count;
    memcpy(&g->bars[(size_t)i * HD_BAR_KINDS_MAX], g->places[i].bars, sizeof g->places[i].bars);
  }
  hd_occupant_destroy(g->occupant);
  g->occupant = NULL;
  return code;
}

// What is risky is done in a child first: a version that crashes there, or does not come back, is not made here.
static int32_t probe(const struct hd_change *c, const struct hd_staged *g, uint32_t arm, struct hd_fault *fault) {
  const struct hd_engine_instance *seat = &c->home->seats[0];
  const struct hd_plugin *plugin = c->plugins[arm];
  const struct hd_deployment_arm *want = &c->want.arms[arm];
  const struct hd_config_plugin *base = &c->home->config->base;
  struct hd_probe_instrument *instruments = calloc(seat->instrument_count, sizeof *instruments);
  struct hd_param_value *params = calloc(base->param_count + want->param_count + 1, sizeof *params);
  struct hd_probe_result result;
  int32_t code = instruments && params ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "a probe of \"%s\": out of memory", c->want.name);
  for (uint32_t i = 0; !code && i < seat->instrument_count; i++) {
    const struct hd_instrument *row = &c->s->pipeline.instruments.rows[seat->instruments[i]];
    instruments[i] = (struct hd_probe_instrument){.id = seat->instruments[i], .increment = row->increment, .lot = row->lot};
    hd_text_copy(instruments[i].name, sizeof instruments[i].name, row->name);
  }
  if (!code) {
    const struct hd_probe_request request = {.fd = plugin->fd, .path = plugin->path, .params = params, .state = g->loads ? c->sample : NULL,
                                             .param_count = hd_occupant_params(base, want->params, want->param_count, params),
                                             .state_size = g->loads ? c->sample_size : 0, .instruments = instruments,
                                             .instrument_count = seat->instrument_count, .seed = c->s->config->seed};
    struct hd_probe_request filled = request;
    memcpy(filled.digest, plugin->digest, sizeof filled.digest);
    code = hd_probe(&filled, &result, fault);
  }
  free(instruments);
  free(params);
  return code;
}

static int32_t stage_one(struct hd_change *c, uint32_t arm, struct hd_fault *fault) {
  struct hd_staged *g = &c->staged[arm];
  g->loads = hd_change_hands_over(c, c->plugins[arm]);
  // What ran once needs none, what is in the program has no file, and nothing of a card runs.
  bool rehearse = !c->s->options.recorded && !hd_plugin_external(c->plugins[arm]) && c->plugins[arm]->fd >= 0;
  int32_t code = rehearse ? probe(c, g, arm, fault) : HADRON_OK;
  if (!code) code = places_make(c, g, fault);
  if (!code && g->loads) code = trial_start(c, g, arm, fault);
  if (!code) code = make_occupant(c, g, arm, fault);
  if (!code && !g->loads) code = hd_occupant_start(g->occupant, fault);
  for (uint32_t i = 0; !code && g->loads && i < c->home->seat_count; i++) {
    g->places[i].bar_count = g->bar_counts[i]; // a layout goes by these; the start at the meeting asks anew
    memcpy(g->places[i].bars, &g->bars[(size_t)i * HD_BAR_KINDS_MAX], sizeof g->places[i].bars);
  }
  return code ? hd_fault_prefix(fault, "%s %s: ", c->plugins[arm]->manifest.name, c->plugins[arm]->manifest.version) : HADRON_OK;
}

static int32_t make_buffers(struct hd_change *c, struct hd_fault *fault) {
  bool loads = false;
  for (uint32_t i = 0; i < c->want.arm_count; i++) loads |= c->staged[i].loads;
  if (!loads) return HADRON_OK;
  c->buffer_size = hd_state_size_max(c->home->occupant->plugin);
  for (uint32_t i = 0; i < c->s->pipeline.options.shards; i++) {
    c->buffers[i] = aligned_alloc(64, ((size_t)c->buffer_size + 63) & ~(size_t)63);
    if (!c->buffers[i]) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%u bytes for a state of \"%s\": out of memory", c->buffer_size, c->want.name);
    memset(c->buffers[i], 0, c->buffer_size); // its pages are there before a shard writes to them
  }
  return HADRON_OK;
}

// Who stays and is to be held to another budget: its instances and their states stay too, the governor is another.
static int32_t regovern(struct hd_change *c, uint32_t arm, struct hd_fault *fault) {
  struct hd_occupant *o = c->found[arm]->occupant;
  if (memcmp(&o->budget, &c->want.budget, sizeof o->budget) == 0) return HADRON_OK;
  c->regoverned[arm] = o;
  return hd_occupant_governor(c->s, c->home, o, &c->want.budget, &c->governors[arm], fault);
}

int32_t hd_change_stage(struct hd_change *c, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  if (c->part) return hd_part_stage(c->part, fault);
  bool shadows = c->want.warm_ns > 0; // who is replaced stays on as one
  for (uint32_t i = 0; i < c->want.arm_count; i++) shadows |= c->want.arms[i].role == HD_ROLE_SHADOW;
  if (shadows) hd_session_shadow_prepare(c->s);
  c->now_ns = c->s->options.is_virtual ? c->s->runner.now_ns : hd_clock_wall_ns();
  for (uint32_t i = 0; !code && i < c->want.arm_count; i++)
    code = c->found[i] ? regovern(c, i, fault) : stage_one(c, i, fault);
  if (!code) code = make_buffers(c, fault);
  if (!code) hd_crash_point(HD_CRASH_CHANGE_STAGED);
  return code;
}

const char *hd_change_name(const struct hd_change *c) { return c->want.name; }

void hd_change_destroy(struct hd_change *c) {
  if (!c) return;
  if (c->part) {
    hd_part_destroy(c->part);
    free(c);
    return;
  }
  uint32_t shards = c->s->pipeline.options.shards;
  for (uint32_t i = 0; i < c->leaving_count; i++) {
    hd_occupant_destroy(c->leaving[i]);
    for (uint32_t k = 0; k < c->home->seat_count; k++) hd_engine_vacate(&c->left[i][k]);
  }
  for (uint32_t i = 0; i < HD_DEPLOYMENT_ARMS_MAX; i++) {
    staged_fini(&c->staged[i]);
    hd_governor_destroy(c->governors[i]);
  }
  for (uint32_t i = 0; i < shards; i++) {
    if (c->layouts) hd_engine_layout_destroy(c->layouts[i]);
    if (c->buffers) free(c->buffers[i]);
  }
  free(c->sample);
  free(c->layouts);
  free(c->buffers);
  free(c->faults);
  free(c->codes);
  free(c->handed);
  free(c->last);
  free(c->from);
  c->home->changing = false;
  free(c);
}
