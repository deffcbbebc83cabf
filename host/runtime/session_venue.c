// Instruments and venues of a session.
#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/session_internal.h"

static struct hd_venue *venue_named(struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < s->venue_count; i++)
    if (strcmp(s->venues[i].name, name) == 0) return &s->venues[i];
  return NULL;
}

static int32_t list_instrument(struct hd_session *s, const struct hd_config_instrument *c, uint32_t id, struct hd_fault *fault) {
  struct hd_instruments *t = &s->pipeline.instruments;
  uint32_t handle;
  int32_t code = HADRON_OK;
  // Without symbols it has its own name at every venue.
  for (uint32_t i = 0; !code && c->symbol_count == 0 && i < s->venue_count; i++)
    code = hd_instruments_list(t, id, s->venues[i].number, c->definition.name, &handle);
  for (uint32_t i = 0; !code && i < c->symbol_count; i++) {
    struct hd_venue *v = venue_named(s, c->symbols[i].venue);
    if (!v) return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s:%d: instrument %s: symbols names venue \"%s\", which is not in `venues`",
                                s->config->path, c->line, c->definition.name, c->symbols[i].venue);
    code = hd_instruments_list(t, id, v->number, c->symbols[i].symbol, &handle);
  }
  return code ? hd_fault_set(fault, code, "%s:%d: instrument %s: %s", s->config->path, c->line, c->definition.name, hadron_error_text(code))
              : HADRON_OK;
}

static int32_t add_instruments(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  for (uint32_t i = 0; i < c->instrument_count; i++) {
    uint32_t id;
    int32_t code = hd_instruments_restate(&s->pipeline.instruments, &c->instruments[i].definition, &id); // an earlier run's
    if (code == HADRON_ERR_NOT_FOUND) code = hd_instruments_add(&s->pipeline.instruments, &c->instruments[i].definition, &id);
    else if (!code && s->pipeline.instruments.rows[id].listing) code = HADRON_ERR_EXISTS; // named twice
    if (code) return hd_fault_set(fault, code, "%s:%d: instrument %s: %s", c->path, c->instruments[i].line, c->instruments[i].definition.name, hadron_error_text(code));
    s->pipeline.risk.instrument[id] = c->instruments[i].risk;
    if ((code = list_instrument(s, &c->instruments[i], id, fault))) return code;
  }
  for (uint32_t i = 0; i < c->correlated_count; i++) {
    uint32_t a = hd_instruments_find(&s->pipeline.instruments, c->correlated[i][0]);
    uint32_t b = hd_instruments_find(&s->pipeline.instruments, c->correlated[i][1]);
    if (hd_router_correlate(&s->pipeline.router, a, b))
      return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: router.correlated: \"%s\" and \"%s\" must be two instruments of `universe.instruments`",
                          c->path, c->correlated[i][0], c->correlated[i][1]);
  }
  return HADRON_OK;
}

static const struct hd_capability venue_capabilities[] = {{"hadron.venue/1", &hd_venue_host}, {HADRON_CAP_IO, &hd_venue_io}, {NULL, NULL}};

static const struct hd_capability shadow_capabilities[] = {{"hadron.venue/1", &hd_venue_host}, {NULL, NULL}};

static int64_t venue_now(void *owner) {
  const struct hd_venue *v = owner;
  return v->runner->now_ns;
}

int32_t hd_session_make_venue(struct hd_session *s, struct hd_venue *v, const struct hd_config_plugin *c, uint16_t seed, struct hd_fault *fault) {
  const struct hd_plugin *plugin;
  if (s->options.recorded) return hd_session_recorded_venue(s, v, c, fault);
  int32_t code = hd_session_load(s, c, HADRON_KIND_VENUE, &plugin, fault);
  if (code) return code;
  v->api = plugin->api;
  v->config = c;
  v->runner = &s->runner;
  v->state = HADRON_VENUE_DOWN;
  v->next_ns = INT64_MAX;
  hd_text_copy(v->name, sizeof v->name, c->name);
  if ((code = hd_session_venue_instance(s, v, plugin, seed, &v->instance, fault))) return hd_fault_prefix(fault, "%s:%d: ", s->config->path, c->line);
  v->self = v->instance->self;
  return HADRON_OK;
}

int32_t hd_session_venue_instance(struct hd_session *s, struct hd_venue *v, const struct hd_plugin *plugin, uint16_t seed, struct hadron_instance **out,
                                  struct hd_fault *fault) {
  const struct hd_config_plugin *c = v->config;
  if (!(*out = calloc(1, sizeof **out))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "venue %s: out of memory", v->name);
  // A shadow's market has no descriptors: it is made to follow, not to fetch.
  const struct hd_instance_options options = {.plugin = plugin, .capabilities = v->shadow ? shadow_capabilities : venue_capabilities,
                                              .owner = v, .now = venue_now, .metrics = s->metrics, .name = c->name, .venue = v->number,
                                              .seed = s->config->seed * 1000003 + seed};
  const struct hadron_venue_context context = {sizeof context, v->number, 0, v->name};
  int32_t code = hd_instance_init(*out, &options, fault);
  if (!code) code = hd_instance_create_venue(*out, &context, fault);
  return code ? code : hd_params_apply(*out, c->params, c->param_count, fault);
}

// Where orders go: to the venue that the config names; in paper and backtest else to the one that follows the market.
static int32_t choose_order_venue(struct hd_session *s, struct hd_fault *fault) {
  const char *name = s->options.orders_to ? s->options.orders_to : s->config->orders_to;
  bool simulated = s->config->mode == HADRON_MODE_PAPER || s->config->mode == HADRON_MODE_BACKTEST;
  for (uint32_t i = 0; i < s->venue_count; i++) {
    struct hd_venue *v = &s->venues[i];
    if (*name ? strcmp(v->name, name) == 0 : simulated && hd_venue_is(v, HADRON_VENUE_ORDERS)) {
      if (!hd_venue_is(v, HADRON_VENUE_ORDERS))
        return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: orders_to: venue \"%s\" takes no orders", s->config->path, name);
      s->orders_to = v;
      if (hd_venue_is(v, HADRON_VENUE_FOLLOWS)) hd_runner_follow(&s->runner, v);
      return HADRON_OK;
    }
  }
  if (*name) return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: orders_to: there is no venue \"%s\" in `venues`", s->config->path, name);
  if (simulated)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: venues: expected one that takes orders, for fills in %s; add `sim = { plugin = \"sim\" }`",
                        s->config->path, s->config->mode == HADRON_MODE_PAPER ? "paper mode" : "a backtest");
  return HADRON_OK;
}

int32_t hd_session_venues(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  s->venues = calloc(c->venue_count + 1, sizeof *s->venues);
  if (!s->venues) return hd_fault_set(fault, HADRON_ERR_MEMORY, "venues: out of memory");
  for (uint32_t i = 0; i < c->venue_count; i++) {
    if (!c->venues[i].enabled) continue;
    struct hd_venue *v = &s->venues[s->venue_count];
    v->number = (uint16_t)++s->venue_count;
    int32_t code = hd_session_make_venue(s, v, &c->venues[i], v->number, fault);
    if (code) return code;
  }
  int32_t code = hd_runner_init(&s->runner, &s->pipeline, s->venues, s->venue_count);
  if (code) return hd_fault_set(fault, code, "the runner's rings: %s", hadron_error_text(code));
  s->runner.is_virtual = s->options.is_virtual;
  s->runner.now_ns = s->options.is_virtual ? s->options.now_ns : hd_clock_wall_ns();
  if ((code = choose_order_venue(s, fault))) return code;
  return s->options.recorded ? hd_session_recorded_instruments(s, fault) : add_instruments(s, fault);
}

// A simulated venue trades whatever the others quote: it lists every instrument under its canonical name.
static int32_t list_at_order_venue(struct hd_session *s, struct hd_fault *fault) {
  struct hd_instruments *t = &s->pipeline.instruments;
  for (uint32_t id = 1; id <= t->count; id++) {
    uint32_t handle;
    if (hd_instruments_at(t, id, s->orders_to->number)) continue;
    int32_t code = hd_instruments_list(t, id, s->orders_to->number, t->rows[id].name, &handle);
    if (code) return hd_fault_set(fault, code, "listing %s at venue %s: %s", t->rows[id].name, s->orders_to->name, hadron_error_text(code));
  }
  return HADRON_OK;
}

// A venue lists something while ticks flow: it has a shard, can be traded where orders go, and its definition is written down before its first tick.
// Who sits already has its universe; who is seated from now on may have it.
static int32_t listed_late(void *self, uint32_t first) {
  struct hd_session *s = self;
  struct hd_instruments *t = &s->pipeline.instruments;
  int32_t code = HADRON_OK;
  uint32_t handle, last = t->listing_count;
  for (uint32_t i = first; i <= last && !code; i++) {
    uint32_t id = t->listings[i].instrument;
    if (id > s->instruments_joined) hd_pipeline_joins(&s->pipeline, s->instruments_joined = id);
    if (s->orders_to && !hd_instruments_at(t, id, s->orders_to->number)) code = hd_instruments_list(t, id, s->orders_to->number, t->rows[id].name, &handle);
    if (!code && atomic_load(&s->shadows_open)) code = hd_instruments_list(t, id, s->runner.shadow_venue, t->rows[id].name, &handle);
    if (!code) hd_log_info("INSTRUMENT", "%s: listed while ticks flow, as %s at %s; strategies that are seated from now on may have it", t->rows[id].name, t->listings[i].symbol,
                           t->listings[i].venue <= s->venue_count ? s->venues[t->listings[i].venue - 1].name : "?");
  }
  if (!code) code = hd_session_define(s, first);
  if (code) hd_log_error("INSTRUMENT", "%s: it was not taken in: %s", t->rows[t->listings[first].instrument].name, hadron_error_text(code));
  return code;
}

void hd_session_hear_listings(struct hd_session *s) {
  s->instruments_joined = s->pipeline.instruments.count;
  if (s->options.is_virtual || s->options.recorded) return; // a source of records knows all of its instruments
  s->runner.listed_of = s;
  s->runner.listed = listed_late;
}

int32_t hd_session_start_venues(struct hd_session *s, struct hd_fault *fault) {
  if (s->options.recorded) return HADRON_OK;
  for (uint32_t i = 0; i < s->venue_count; i++) {
    int32_t code = hd_venue_start(&s->venues[i], fault);
    if (code) return code;
  }
  if (s->orders_to) {
    int32_t code = list_at_order_venue(s, fault);
    if (code) return code;
  }
  return HADRON_OK;
}

static int32_t subscribe_venue(struct hd_session *s, struct hd_venue *v, uint32_t *handles, struct hd_fault *fault) {
  const struct hd_instruments *t = &s->pipeline.instruments;
  uint32_t count = 0;
  for (uint32_t handle = 1; handle <= t->listing_count; handle++) {
    uint32_t instrument = t->listings[handle].instrument;
    if (t->listings[handle].venue != v->number || !hd_engine_wants(s->pipeline.engines[t->rows[instrument].shard], instrument)) continue;
    handles[count++] = handle;
  }
  int32_t code = v->api->subscribe(v->self, handles, count);
  return code ? hd_instance_fault(v->instance, code, "subscribe failed", fault) : HADRON_OK;
}

int32_t hd_session_subscribe_venue(struct hd_session *s, struct hd_venue *v, struct hd_fault *fault) {
  if (!v->api->subscribe) return HADRON_OK;
  uint32_t *handles = calloc(s->pipeline.instruments.listing_count + 1, sizeof *handles);
  if (!handles) return hd_fault_set(fault, HADRON_ERR_MEMORY, "subscriptions: out of memory");
  int32_t code = subscribe_venue(s, v, handles, fault);
  free(handles);
  return code;
}

int32_t hd_session_subscribe(struct hd_session *s, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  if (s->options.recorded) return HADRON_OK;
  for (uint32_t i = 0; !code && i < s->venue_count; i++) code = hd_session_subscribe_venue(s, &s->venues[i], fault);
  return code;
}
