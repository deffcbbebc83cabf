// The market of each shadow arm: an instance of the simulated venue of its own, so that two shadows never compete for the size that is
// shown, for a place in a queue or for a draw of the latency's random stream. To the gateway they are one venue, with one number and one
// listing per instrument.
#include "base/assert.h"
#include "base/text.h"
#include "runtime/meeting.h"
#include "runtime/session_internal.h"

// Where paper orders go is the market that a shadow should be compared in. An exchange with flow of its own is no market to follow.
static void market_like(const struct hd_session *s, struct hd_config_plugin *out) {
  *out = s->config->shadow;
  if (out->plugin[0]) return;
  hd_text_copy(out->plugin, sizeof out->plugin, "sim");
  for (uint32_t i = 0; s->orders_to && i < s->config->venue_count; i++) {
    const struct hd_config_plugin *c = &s->config->venues[i];
    if (strcmp(c->name, s->orders_to->name) != 0 || !hd_venue_is(s->orders_to, HADRON_VENUE_FOLLOWS)) continue;
    hd_text_copy(out->plugin, sizeof out->plugin, c->plugin);
    out->line = c->line;
    if (out->param_count == 0) out->params = c->params, out->param_count = c->param_count;
  }
}

// Parameters of its own, without `flow`; the caller frees them. False: no memory.
static bool market_follows(struct hd_config_plugin *market) {
  struct hd_param_value *params = calloc(market->param_count + 1, sizeof *params);
  uint32_t count = 0;
  for (uint32_t i = 0; params && i < market->param_count; i++)
    if (strcmp(market->params[i].name, "flow") != 0) params[count++] = market->params[i];
  market->params = params;
  market->param_count = count;
  return params != NULL;
}

static int32_t list_all(struct hd_session *s, struct hd_fault *fault) {
  struct hd_instruments *t = &s->pipeline.instruments;
  uint32_t first = t->listing_count + 1, handle;
  for (uint32_t id = 1; id <= t->count; id++) {
    if (t->rows[id].listing == 0) continue; // nobody trades it: the shadow's listing must not become its first
    int32_t code = hd_instruments_list(t, id, s->runner.shadow_venue, t->rows[id].name, &handle);
    if (code) return hd_fault_set(fault, code, "listing %s for shadow arms: %s", t->rows[id].name, hadron_error_text(code));
  }
  int32_t code = s->defined ? hd_session_define(s, first) : HADRON_OK;
  return code ? hd_fault_set(fault, code, "the listings of the shadow arms' market were not written: %s", hadron_error_text(code)) : HADRON_OK;
}

struct desk_opening {
  struct hd_pipeline *pipeline;
  struct hd_shadow_room *room;
};

// [trade]
static void desk_open(void *argument) {
  const struct desk_opening *o = argument;
  hd_pipeline_shadow_open(o->pipeline, o->room);
}

static uint16_t shadow_venue(const struct hd_session *s) { return (uint16_t)(s->venue_count + 1); }

void hd_session_shadow_prepare(struct hd_session *s) {
  struct hd_shadow_room *none = NULL;
  if (atomic_load(&s->shadows_open) || atomic_load(&s->shadow_room)) return;
  struct hd_shadow_room *room = hd_shadow_room_make(&s->pipeline, shadow_venue(s));
  if (room && !atomic_compare_exchange_strong(&s->shadow_room, &none, room)) hd_shadow_room_destroy(room); // another worker was faster
}

static int32_t open_room(struct hd_session *s, struct hd_fault *fault) {
  uint32_t arms = s->pipeline.options.arm_max;
  if (s->shadows_open) return HADRON_OK;
  if (!s->shadows) s->shadows = calloc(arms + 1, sizeof *s->shadows);
  if (!s->shadows) return hd_fault_set(fault, HADRON_ERR_MEMORY, "markets of %u shadow arms: out of memory", arms);
  s->runner.shadows = s->shadows;
  s->runner.shadow_max = arms;
  s->runner.shadow_venue = shadow_venue(s);
  int32_t code = list_all(s, fault);
  if (code) return code;
  hd_session_shadow_prepare(s); // if no worker has
  struct desk_opening opening = {&s->pipeline, atomic_exchange(&s->shadow_room, NULL)};
  if (!opening.room) return hd_fault_set(fault, HADRON_ERR_MEMORY, "the desk of the shadow arms: out of memory");
  if (s->live) hd_session_trade(s, desk_open, &opening);
  else desk_open(&opening); // and nothing is set off: ticks may not flow yet
  s->shadows_open = true;
  return HADRON_OK;
}

int32_t hd_session_shadow(struct hd_session *s, uint32_t arm, struct hd_fault *fault) {
  HD_ASSERT(arm > 0 && arm <= s->pipeline.options.arm_max);
  int32_t code = open_room(s, fault);
  if (code) return code;
  struct hd_venue *v = &s->shadows[arm];
  if (v->started || (s->options.recorded && v->shadow)) return HADRON_OK;
  struct hd_config_plugin market;
  market_like(s, &market);
  if (!market_follows(&market)) return hd_fault_set(fault, HADRON_ERR_MEMORY, "the market of shadow arm %u: out of memory", arm);
  *v = (struct hd_venue){.number = s->runner.shadow_venue, .shadow = arm};
  code = hd_session_make_venue(s, v, &market, s->orders_to ? s->orders_to->number : v->number, fault);
  free(market.params);
  v->config = NULL;
  if (code) return code;
  if (s->options.recorded) {
    hd_runner_shadow(&s->runner, arm);
    return HADRON_OK;
  }
  if (!hd_venue_is(v, HADRON_VENUE_FOLLOWS) || !hd_venue_is(v, HADRON_VENUE_ORDERS))
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "%s:%d: shadow: plugin \"%s\" cannot be the market of shadow arms: expected one that takes orders and fills them against other venues' ticks, like sim",
                        s->config->path, market.line, market.plugin);
  if ((code = hd_venue_start(v, fault))) return code;
  if (!atomic_load(&s->runner.shadow_first) && (code = hd_session_write_market(s, v, v->instance->plugin)))
    return hd_fault_set(fault, code, "the market of the shadow arms was not written to the journal: %s", hadron_error_text(code));
  hd_runner_shadow(&s->runner, arm);
  return HADRON_OK;
}

void hd_session_free_shadows(struct hd_session *s) {
  hd_shadow_room_destroy(atomic_exchange(&s->shadow_room, NULL));
  for (uint32_t arm = 1; s->shadows && arm <= s->pipeline.options.arm_max; arm++) {
    if (!s->shadows[arm].shadow) continue;
    hd_instance_destroy_owned(s->shadows[arm].instance);
    hd_venue_fini(&s->shadows[arm]);
  }
  free(s->shadows);
  s->shadows = NULL;
}
