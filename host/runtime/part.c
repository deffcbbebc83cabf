#include "runtime/part.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "plugin/probe.h"
#include "plugin/state.h"
#include "runtime/live.h"
#include "runtime/meeting.h"
#include "runtime/session_internal.h"

#define CLOSING_NS INT64_C(10000000000) // how long the orders of a simulated market may take to end before it is exchanged

struct hd_part {
  struct hd_session *s;
  const struct hd_plugin *plugin;
  uint32_t kind, index;             // of the venue or service
  const struct hd_config_plugin *config;
  struct hadron_instance **place;   // where the instance in use is kept
  struct hadron_instance *fresh;    // owned: the new one; after the commit the old one
  struct hadron_instance *spare;    // owned: the running version once more, to go back to; NULL: none is needed
  struct hadron_swap record;
  struct hd_fault *fault;           // of the commit in progress
  int32_t code;
  uint32_t orders;                  // open at the venue
  int64_t pause_ns;
};

// ---- what there is ---------------------------------------------------------------------------------------------------------------------

static struct hadron_instance **find(struct hd_session *s, const char *name, uint32_t *kind, uint32_t *index, const struct hd_config_plugin **config) {
  for (uint32_t i = 0; i < s->venue_count; i++)
    if (strcmp(s->venues[i].name, name) == 0) {
      *kind = HADRON_KIND_VENUE, *index = i, *config = s->venues[i].config;
      return &s->venues[i].instance;
    }
  for (uint32_t i = 0; i < s->service_count; i++)
    if (strcmp(s->services[i].config->name, name) == 0) {
      *kind = HADRON_KIND_SERVICE, *index = i, *config = s->services[i].config;
      return &s->services[i].instance;
    }
  if (s->allocator && strcmp(s->config->allocator.name, name) == 0) {
    *kind = HADRON_KIND_ALLOCATOR, *index = 0, *config = &s->config->allocator;
    return &s->allocator;
  }
  return NULL;
}

const struct hd_plugin *hd_part_plugin(const struct hd_session *s, const char *name, uint32_t *kind) {
  const struct hd_config_plugin *config;
  uint32_t index;
  struct hadron_instance **place = find((struct hd_session *)(uintptr_t)s, name, kind, &index, &config);
  return place && *place ? (*place)->plugin : NULL;
}

int32_t hd_part_create(struct hd_session *s, const char *name, const struct hd_plugin *plugin, struct hd_part **out, struct hd_fault *fault) {
  struct hd_part found = {.s = s, .plugin = plugin};
  found.place = find(s, name, &found.kind, &found.index, &found.config);
  if (!found.place) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "\"%s\": no venue, service or allocator of this name runs; `hadron status` lists what does", name);
  int32_t code = hd_plugin_expect_kind(plugin, found.kind, fault);
  if (code) return code;
  if (found.kind == HADRON_KIND_VENUE && hd_venue_is(&s->venues[found.index], HADRON_VENUE_RECORDED))
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "venue %s: a recorded source cannot be exchanged in its middle; start the run with the other one", name);
  struct hd_part *p = calloc(1, sizeof *p);
  if (!p) return hd_fault_set(fault, HADRON_ERR_MEMORY, "exchanging %s: out of memory", name);
  *p = found;
  *out = p;
  return HADRON_OK;
}

// ---- stage -----------------------------------------------------------------------------------------------------------------------------

static int32_t make(struct hd_part *p, const struct hd_plugin *plugin, struct hadron_instance **out, struct hd_fault *fault) {
  switch (p->kind) {
  case HADRON_KIND_VENUE: return hd_session_venue_instance(p->s, &p->s->venues[p->index], plugin, p->s->venues[p->index].number, out, fault);
  case HADRON_KIND_SERVICE: return hd_session_service_instance(p->s, &p->s->services[p->index], plugin, out, fault);
  default: return hd_session_allocator_instance(p->s, plugin, out, fault);
  }
}

// What has stopped is not started again: a venue or a service that has to come back does so as a new instance of its version.
int32_t hd_part_stage(struct hd_part *p, struct hd_fault *fault) {
  struct hd_probe_request request = {.fd = p->plugin->fd, .path = p->plugin->path, .params = p->config->params, .param_count = p->config->param_count,
                                     .seed = p->s->config->seed};
  struct hd_probe_result result;
  memcpy(request.digest, p->plugin->digest, sizeof request.digest);
  int32_t code = p->s->options.recorded ? HADRON_OK : hd_probe(&request, &result, fault);
  if (code) return code;
  if ((code = make(p, p->plugin, &p->fresh, fault)) || p->kind == HADRON_KIND_ALLOCATOR) return code;
  return make(p, (*p->place)->plugin, &p->spare, fault);
}

void hd_part_destroy(struct hd_part *p) {
  if (!p) return;
  hd_instance_destroy_owned(p->fresh);
  hd_instance_destroy_owned(p->spare);
  free(p);
}

// ---- commit ----------------------------------------------------------------------------------------------------------------------------

static int64_t part_now(const struct hd_part *p) { return p->s->options.is_virtual ? p->s->runner.now_ns : hd_clock_wall_ns(); }

static int32_t hand_over(struct hd_part *p) {
  struct hadron_instance *old = *p->place;
  uint32_t size = hd_state_size_max(old->plugin);
  if (!old->plugin->state || !p->plugin->state) return HADRON_OK;
  if (size > HD_HANDOVER_BYTES)
    return hd_fault_set(p->fault, HADRON_ERR_FULL, "%s: a state of at most %u bytes is handed over; found up to %u", old->name, HD_HANDOVER_BYTES, size);
  void *buffer = aligned_alloc(64, ((size_t)size + 63) & ~(size_t)63);
  if (!buffer) return hd_fault_set(p->fault, HADRON_ERR_MEMORY, "%s: %u bytes for its state: out of memory", old->name, size);
  int32_t code = hd_state_save(old, buffer, size, &size, p->fault);
  if (!code) code = hd_state_load(p->fresh, buffer, size, p->fault);
  if (!code && p->spare) code = hd_state_load(p->spare, buffer, size, p->fault);
  if (!code) p->record.state_size = size;
  free(buffer);
  return code;
}

static int32_t write_commit(struct hd_part *p, const struct hd_plugin *old) {
  struct hadron_swap *r = &p->record;
  r->time_ns = part_now(p);
  r->stage = HADRON_SWAP_COMMIT;
  r->kind = (uint8_t)p->kind;
  r->arm = p->kind == HADRON_KIND_VENUE ? p->s->venues[p->index].number : 0;
  hd_text_copy(r->name, sizeof r->name, p->config->name);
  memcpy(r->from_digest, old->digest, sizeof r->from_digest);
  memcpy(r->digest, p->plugin->digest, sizeof r->digest);
  hd_text_copy(r->from_version, sizeof r->from_version, old->manifest.version);
  hd_text_copy(r->version, sizeof r->version, p->plugin->manifest.version);
  int32_t code = hd_record(&p->s->pipeline.sink, HADRON_MSG_SWAP, r, sizeof *r, r->time_ns, HD_RECORD_RESERVED);
  return code ? hd_fault_set(p->fault, code, "%s: the journal did not take the record of the change: %s", p->config->name, hadron_error_text(code)) : HADRON_OK;
}

// [trade]
static void commit_allocator(void *argument) {
  struct hd_part *p = argument;
  uint64_t from = hd_cycles();
  p->code = hand_over(p);
  if (!p->code) p->code = write_commit(p, (*p->place)->plugin);
  if (p->code) return;
  struct hadron_instance *old = *p->place;
  *p->place = p->fresh;
  p->fresh = old;
  hd_pipeline_reallocate(&p->s->pipeline, p->plugin->api, (*p->place)->self);
  p->pause_ns = hd_cycles_to_ns(hd_cycles() - from);
}

static int32_t venue_up(struct hd_part *p, struct hd_fault *fault) {
  struct hd_venue *v = &p->s->venues[p->index];
  v->api = v->instance->plugin->api;
  v->self = v->instance->self;
  hd_runner_refollow(&p->s->runner);
  int32_t code = hd_venue_start(v, fault);
  if (!code) code = hd_session_subscribe_venue(p->s, v, fault);
  if (hd_venue_is(v, HADRON_VENUE_FOLLOWS)) hd_venue_blind(v); // a market that was made anew
  if (!code) code = hd_venue_reconcile(v, fault);
  v->next_ns = p->s->runner.now_ns;
  return code;
}

static void venue_down(struct hd_part *p) { hd_venue_stop(&p->s->venues[p->index]); }

static int32_t service_up(struct hd_part *p, struct hd_fault *fault) {
  struct hd_session_service *service = &p->s->services[p->index];
  service->api = service->instance->plugin->api;
  service->next_ns = 0;
  int32_t code = hd_instance_start(service->instance, fault);
  service->started = code == HADRON_OK;
  return code;
}

static void service_down(struct hd_part *p) { hd_instance_stop(*p->place); }

// The old one stops, the new one starts in its place; if it does not, or the journal does not take the record, the old version comes back.
static void replace(struct hd_part *p, void (*down)(struct hd_part *), int32_t (*up)(struct hd_part *, struct hd_fault *)) {
  struct hadron_instance *old = *p->place, *fresh = p->fresh;
  struct hd_fault again;
  if ((p->code = hand_over(p))) return;
  down(p);
  *p->place = fresh;
  p->fresh = old; // one of the two is in place, the other one is the part's
  p->code = up(p, p->fault);
  if (!p->code) p->code = write_commit(p, old->plugin);
  if (!p->code) return;
  down(p);
  *p->place = p->spare;
  p->spare = fresh;
  if (up(p, &again)) hd_log_error("PART_LOST", "%s %s: the new version failed and the old one did not start again: %s; start the host again", hd_kind_name(p->kind), p->config->name, again.text);
}

// Every open order at the venue is asked for: what the old one knew, the new one has to find out. [trade]
static void ask_for_orders(void *argument) {
  struct hd_part *p = argument;
  struct hd_gateway *g = p->s->pipeline.gateway;
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o))
    if (o->request.venue == p->s->venues[p->index].number && o->held != HD_HOLD_WAITING) p->s->pipeline.port.query(p->s->pipeline.port.self, &o->request);
}

// [trade]
static void count_orders(void *argument) {
  struct hd_part *p = argument;
  struct hd_gateway *g = p->s->pipeline.gateway;
  p->orders = 0;
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o))
    p->orders += o->request.venue == p->s->venues[p->index].number && o->held != HD_HOLD_WAITING;
}

// [trade]
static void cancel_orders(void *argument) {
  struct hd_part *p = argument;
  const struct hd_venue *v = &p->s->venues[p->index];
  hd_pipeline_clear(&p->s->pipeline, v->number, v->name, part_now(p));
  count_orders(p);
}

// A simulated venue is the market: what rests there would be gone with it. It takes no new orders while those that it has are cancelled; what
// is still filled meanwhile is filled.
static int32_t close_market(struct hd_part *p) {
  struct hd_venue *v = &p->s->venues[p->index];
  hd_session_trade(p->s, count_orders, p);
  if (p->orders == 0) return HADRON_OK;
  if (!p->s->live) // time stands still here: nothing would end
    return hd_fault_set(p->fault, HADRON_ERR_STATE, "venue %s: expected no open orders in a simulated market that is exchanged, found %u; they would be lost with it: cancel them, or try again", v->name, p->orders);
  int64_t until_ns = hd_clock_monotonic_ns() + CLOSING_NS;
  uint32_t had = p->orders;
  hd_session_trade(p->s, cancel_orders, p);
  while (p->orders > 0 && hd_clock_monotonic_ns() < until_ns) {
    hd_live_turn(p->s->live);
    hd_session_trade(p->s, count_orders, p);
  }
  if (p->orders > 0)
    return hd_fault_set(p->fault, HADRON_ERR_TIMEOUT, "venue %s: expected its %u open orders to end within %d s of their cancel, found %u that have not; ask again, or `hadron kill` first", v->name, had,
                        (int)(CLOSING_NS / 1000000000), p->orders);
  hd_log_warn("CHANGE", "venue %s: %u open orders were cancelled: they would have been lost with the simulated market", v->name, had);
  return HADRON_OK;
}

static void commit_venue(struct hd_part *p) {
  struct hd_venue *v = &p->s->venues[p->index];
  const struct hadron_venue_api *old = v->api, *new = p->plugin->api;
  if (old->features != new->features) {
    p->code = hd_fault_set(p->fault, HADRON_ERR_ARGUMENT, "venue %s: expected a version with the features of the running one (0x%x), found 0x%x; start the host with it", v->name, old->features, new->features);
    return;
  }
  atomic_store(&v->closing, hd_venue_is(v, HADRON_VENUE_FOLLOWS));
  if (atomic_load(&v->closing)) p->code = close_market(p);
  uint64_t from = hd_cycles();
  if (!p->code) {
    replace(p, venue_down, venue_up);
    if (hd_venue_is(v, HADRON_VENUE_ORDERS)) hd_session_trade(p->s, ask_for_orders, p);
  }
  atomic_store(&v->closing, false);
  p->pause_ns = hd_cycles_to_ns(hd_cycles() - from);
}

static void commit_service(struct hd_part *p) {
  struct hd_fault fault;
  uint64_t from = hd_cycles();
  if (p->s->live) hd_live_service_hold(p->s->live, p->index);
  replace(p, service_down, service_up);
  if (p->s->live && hd_live_service_go(p->s->live, p->index, &fault)) hd_log_error("PART_LOST", "service %s: %s", p->config->name, fault.text);
  p->pause_ns = hd_cycles_to_ns(hd_cycles() - from);
}

int32_t hd_part_commit(struct hd_part *p, uint32_t revision, int64_t *pause_ns, struct hd_fault *fault) {
  p->fault = fault;
  p->record = (struct hadron_swap){.revision = revision};
  switch (p->kind) {
  case HADRON_KIND_VENUE: commit_venue(p); break;
  case HADRON_KIND_SERVICE: commit_service(p); break;
  default: hd_session_trade(p->s, commit_allocator, p); break;
  }
  if (p->code) return p->code;
  *pause_ns = p->s->options.is_virtual ? 0 : p->pause_ns;
  hd_log_info("CHANGE", "%s %s: revision %u: %s to %s, pause %lld ns", hd_kind_name(p->kind), p->config->name, revision, p->record.from_version, p->record.version, (long long)*pause_ns);
  return HADRON_OK;
}
