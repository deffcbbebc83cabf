// What a session writes of its parts, and how they come back from that: which artifacts sit where, with which parameters on top of the
// configuration's, and what venues can do. A session that is built from records has the same seats and books as the one that wrote them.
#include "base/banned.h"
#include "base/text.h"
#include "runtime/session_deploy.h"
#include "runtime/session_internal.h"

// ---- writing -----------------------------------------------------------------------------------------------------------------------

int32_t hd_session_write_part(struct hd_session *s, const struct hadron_deployment *part, const char *text) {
  uint32_t size = text ? (uint32_t)strlen(text) : 0;
  uint32_t *tail = calloc(1, sizeof *tail + size);
  if (!tail) return HADRON_ERR_MEMORY;
  *tail = size;
  if (size) memcpy(tail + 1, text, size);
  const struct hd_record_sink *sink = &s->pipeline.sink;
  int32_t code = sink->write(sink->self, HADRON_MSG_DEPLOYMENT, part, sizeof *part, tail, (uint32_t)sizeof *tail + size, part->time_ns, HD_RECORD_RESERVED);
  free(tail);
  return code;
}

static struct hadron_deployment part_of(const struct hd_session *s, uint32_t kind, const char *name, const struct hd_plugin *plugin) {
  struct hadron_deployment part = {.time_ns = s->runner.now_ns, .kind = (uint8_t)kind, .stage = HADRON_DEPLOYMENT_START};
  memcpy(part.digest, plugin->digest, sizeof part.digest);
  hd_text_copy(part.name, sizeof part.name, name);
  hd_text_copy(part.version, sizeof part.version, plugin->manifest.version);
  return part;
}

int32_t hd_session_write_market(struct hd_session *s, const struct hd_venue *v, const struct hd_plugin *plugin) {
  struct hadron_deployment part = part_of(s, HADRON_KIND_VENUE, v->shadow ? HD_SHADOW_MARKET : v->name, plugin);
  part.number = v->number;
  part.features = v->api->features;
  return hd_session_write_part(s, &part, NULL);
}

int32_t hd_session_write_venues(struct hd_session *s) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && !s->options.recorded && i < s->venue_count; i++) code = hd_session_write_market(s, &s->venues[i], s->venues[i].instance->plugin);
  return code;
}

static int32_t write_arm(struct hd_session *s, const struct hd_session_arm *arm) {
  const struct hd_session_deployed *row = hd_session_deployed(s, arm->config->base.name);
  struct hadron_deployment part = part_of(s, HADRON_KIND_STRATEGY, arm->config->base.name, arm->occupant->artifact);
  part.number = arm->id;
  part.revision = arm->revision;
  part.placement = (uint8_t)hd_occupant_recorded_placement(arm->occupant);
  char *text = row && row->now.revision ? hd_deployment_text(&row->now) : NULL;
  int32_t code = hd_session_write_part(s, &part, text);
  free(text);
  return code;
}

int32_t hd_session_write_strategies(struct hd_session *s) {
  if (s->options.recorded) return HADRON_OK;
  const struct hadron_deployment allocator = part_of(s, HADRON_KIND_ALLOCATOR, s->config->allocator.name, s->allocator->plugin);
  int32_t code = hd_session_write_part(s, &allocator, NULL);
  for (uint32_t i = 0; !code && i < s->arm_count; i++) code = write_arm(s, &s->arms[i]);
  return code;
}

// ---- reading -----------------------------------------------------------------------------------------------------------------------

static int32_t part_find(struct hd_session *s, uint32_t kind, const char *name, const struct hadron_deployment **part, const char **text, struct hd_fault *fault) {
  const struct hd_session_recorded *r = s->options.recorded;
  *part = r->part(r->self, kind, name, text);
  return *part ? HADRON_OK
               : hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s %s: the journal does not say which version ran; the host was killed before it had started, or is an older one, or its beginning is no longer kept",
                              hd_kind_name(kind), name);
}

int32_t hd_session_recorded_plugin(struct hd_session *s, uint32_t kind, const char *name, const struct hd_plugin **out, struct hd_fault *fault) {
  const struct hd_session_recorded *r = s->options.recorded;
  const struct hadron_deployment *part;
  const char *text;
  int32_t code = part_find(s, kind, name, &part, &text, fault);
  if (!code) code = r->plugin(r->self, part, out, fault);
  return code ? code : hd_plugin_expect_kind(*out, kind, fault);
}

int32_t hd_session_recorded_strategy(struct hd_session *s, const char *name, const struct hd_plugin **out, struct hd_session_deployed *row, bool *deployed, struct hd_fault *fault) {
  const struct hadron_deployment *part;
  const char *text;
  int32_t code = part_find(s, HADRON_KIND_STRATEGY, name, &part, &text, fault);
  if (!code) code = hd_session_recorded_plugin(s, HADRON_KIND_STRATEGY, name, out, fault);
  *deployed = !code && *text;
  if (*deployed) code = hd_deployment_parse(text, &row->now, fault);
  hd_text_copy(row->now.name, sizeof row->now.name, name);
  row->now.revision = part ? part->revision : 0;
  return code;
}

int32_t hd_session_recorded_venue(struct hd_session *s, struct hd_venue *v, const struct hd_config_plugin *c, struct hd_fault *fault) {
  const struct hadron_deployment *part;
  const char *text;
  int32_t code = part_find(s, HADRON_KIND_VENUE, v->shadow ? HD_SHADOW_MARKET : c->name, &part, &text, fault);
  if (code) return code;
  v->recorded = (struct hadron_venue_api){.struct_size = sizeof v->recorded, .features = part->features};
  v->api = &v->recorded;
  v->config = c;
  v->runner = &s->runner;
  v->state = HADRON_VENUE_CONNECTING;
  v->next_ns = INT64_MAX;
  hd_text_copy(v->name, sizeof v->name, c->name);
  return HADRON_OK;
}

static const struct hadron_instrument_definition *definition_of(const struct hd_session_recorded *r, uint32_t id) {
  for (uint32_t i = 0; i < r->definition_count; i++)
    if (r->definitions[i].instrument == id) return &r->definitions[i];
  return NULL;
}

static int32_t add_one(struct hd_session *s, uint32_t id, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  const struct hadron_instrument_definition *d = definition_of(s->options.recorded, id);
  const struct hd_config_instrument *listed = NULL;
  for (uint32_t i = 0; i < c->instrument_count && !listed; i++)
    if (d ? strcmp(c->instruments[i].definition.name, d->name) == 0 : !s->recover && i + 1 == id) listed = &c->instruments[i];
  struct hd_instrument row = listed ? listed->definition : (struct hd_instrument){.asset = 0};
  uint32_t made = 0;
  if (d) {
    memcpy(row.name, d->name, sizeof row.name);
    memcpy(row.currency, d->currency, sizeof row.currency);
    row.asset = d->asset;
    row.increment = d->increment;
    row.lot = d->lot;
    row.multiplier = d->multiplier;
  }
  struct hd_instruments *t = &s->pipeline.instruments;
  bool known = id <= t->count; // from a run before this one
  int32_t code = known ? HADRON_OK : d || listed ? hd_instruments_add(t, &row, &made) : HADRON_ERR_CORRUPT;
  if (known && d) {
    struct hd_instrument *is = &t->rows[id];
    is->asset = row.asset, is->increment = row.increment, is->lot = row.lot, is->multiplier = row.multiplier;
    is->retired = false;
  }
  if (!code && listed) s->pipeline.risk.instrument[id] = listed->risk;
  return code ? hd_fault_set(fault, code, "instrument %u of the journal (%s): %s", id, d ? d->name : "no record of it", hadron_error_text(code)) : HADRON_OK;
}

int32_t hd_session_recorded_instruments(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_session_recorded *r = s->options.recorded;
  struct hd_instruments *t = &s->pipeline.instruments;
  uint32_t last = s->recover ? t->count : s->config->instrument_count, handle;
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < r->definition_count; i++)
    if (r->definitions[i].instrument > last) last = r->definitions[i].instrument;
  for (uint32_t id = 1; !code && id <= last; id++) code = add_one(s, id, fault);
  for (uint32_t i = 0; !code && i < r->definition_count; i++) {
    const struct hadron_instrument_definition *d = &r->definitions[i];
    code = hd_instruments_list(t, d->instrument, d->venue, d->symbol, &handle);
    if (!code && handle != d->listing) code = HADRON_ERR_CORRUPT;
    if (code) hd_fault_set(fault, code, "listing %u of the journal (%s at venue %u): %s", d->listing, d->symbol, d->venue, hadron_error_text(code));
  }
  return code;
}

int32_t hd_session_recorded_instrument(struct hd_session *s, const struct hadron_instrument_definition *d, struct hd_fault *fault) {
  struct hd_instruments *t = &s->pipeline.instruments;
  uint32_t id = d->instrument, handle = 0;
  int32_t code = HADRON_OK;
  if (d->listing <= t->listing_count) return HADRON_OK; // of the shadows' market, which is made here too
  struct hd_instrument row = {.asset = d->asset, .increment = d->increment, .lot = d->lot, .multiplier = d->multiplier};
  memcpy(row.name, d->name, sizeof row.name);
  memcpy(row.currency, d->currency, sizeof row.currency);
  if (id == t->count + 1 && !(code = hd_instruments_add(t, &row, &id))) hd_pipeline_joins(&s->pipeline, s->instruments_joined = id);
  else if (!code && id >= 1 && id <= t->count) t->rows[id].retired = false;
  if (!code) code = hd_instruments_list(t, id, d->venue, d->symbol, &handle);
  if (!code && handle != d->listing) code = HADRON_ERR_CORRUPT;
  return code ? hd_fault_set(fault, code, "listing %u of the journal (%s at venue %u), defined while ticks flowed: %s", d->listing, d->symbol, d->venue, hadron_error_text(code)) : HADRON_OK;
}
