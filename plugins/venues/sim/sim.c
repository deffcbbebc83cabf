// The plugin: its tables for the host, and the loop that does everything in order of time. sim.h has the contract.
#include <stdlib.h>

#include "hadron/ext/state.h"
#include "sim.h"

#define STEPS_MAX 4096 // events per poll of the exchange form, so that a poll stays short

static int32_t sim_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct sim *s = calloc(1, sizeof *s);
  if (!s) return HADRON_ERR_MEMORY;
  s->host = host;
  s->venue = host->capability(host->instance, "hadron.venue/1");
  s->log = host->capability(host->instance, HADRON_CAP_LOG);
  s->venue_number = context->venue;
  s->next_ns = s->work_ns = SIM_FOREVER;
  s->session_end_ns = -1;
  *self = s;
  return HADRON_OK;
}

static void release(struct sim *s) {
  if (s->exchange) sim_book_close(s);
  sim_ledger_close(s);
  free(s->markets);
  s->markets = NULL;
}

static void sim_destroy(void *self) {
  release(self);
  free(self);
}

static int32_t sim_start(void *self) {
  struct sim *s = self;
  if (s->active || s->orders) return sim_fail(s, HADRON_ERR_STATE, "sim: was started before; make a new instance");
  int32_t error = sim_params_table.changed(s); // hosts call it too; a check costs nothing
  if (error) return error;
  uint64_t seed = (uint64_t)s->params.seed;
  if (seed == 0) seed = s->host->random(s->host->instance);
  struct sim_random *streams[] = {&s->entry_random, &s->response_random, &s->feed_random, &s->refusal_random, &s->flow_random};
  for (uint64_t i = 0; i < sizeof streams / sizeof streams[0]; i++) sim_random_seed(streams[i], seed + (i << 56));
  // On the wall clock another life of this market may have been before it, and its ids must not come again. A virtual clock has not begun yet.
  if (s->number_last == 0 && s->execution_last == 0) s->number_last = s->execution_last = (uint64_t)s->host->now_ns(s->host->instance) / 1000;
  error = sim_ledger_open(s);
  if (!error) error = s->exchange ? sim_book_open(s) : sim_follow_open(s);
  if (error == HADRON_ERR_MEMORY) {
    sim_fail(s, error, "sim: no memory for %lld orders; lower orders_max or instruments_max", (long long)s->params.orders_max);
  }
  if (error) return error;
  s->active = true;
  s->venue->status(s->host->instance, HADRON_VENUE_READY, s->exchange ? "exchange is open" : "follows other venues' ticks");
  return HADRON_OK;
}

static void sim_stop(void *self) {
  struct sim *s = self;
  s->active = false;
}

// --- time

enum source { EXPIRY, REQUEST, FLOW, REPORT, TICK, NOTHING };

struct due {
  int64_t at;
  enum source source;
};

static void earlier(struct due *due, int64_t at, enum source source) {
  if (at < due->at) *due = (struct due){at, source};
}

// What changes the market. At one instant: expiries, requests, flow.
static struct due work_due(const struct sim *s) {
  struct due due = {SIM_FOREVER, NOTHING};
  if (s->expiry_count > 0) earlier(&due, s->orders[s->expiries[0]].expire_ns, EXPIRY);
  if (s->request_head != s->request_tail) earlier(&due, s->requests[s->request_head & s->request_mask].due_ns, REQUEST);
  return due;
}

static struct due any_due(const struct sim *s) {
  struct due due = work_due(s);
  if (s->exchange) earlier(&due, sim_flow_due(s), FLOW);
  if (s->report_head != s->report_tail) earlier(&due, s->reports[s->report_head & s->report_mask].due_ns, REPORT);
  if (s->tick_head != s->tick_tail) earlier(&due, s->ticks[s->tick_head & s->tick_mask].recv_ns, TICK);
  return due;
}

static void run_expiry(struct sim *s) {
  struct sim_order *o = &s->orders[s->expiries[0]];
  uint32_t market = o->market;
  if (s->exchange) sim_event_begin(s);
  sim_expire(s, o);
  if (s->exchange) sim_event_end(s, market);
}

static void run_request(struct sim *s) {
  const struct sim_request *r = &s->requests[s->request_head & s->request_mask];
  struct sim_market *m = s->exchange ? sim_market_of(s, &r->order) : NULL;
  if (m) sim_event_begin(s);
  sim_request_run(s, r);
  if (m) sim_event_end(s, (uint32_t)(m - s->markets));
  s->request_head++;
}

static void step(struct sim *s, struct due due) {
  if (due.at > s->at_ns) s->at_ns = due.at;
  switch (due.source) {
  case EXPIRY: run_expiry(s); break;
  case REQUEST: run_request(s); break;
  case FLOW: sim_flow_run(s); break;
  case REPORT: sim_report_emit(s); break;
  case TICK: sim_ticks_emit(s, due.at); break;
  default: break;
  }
}

static int64_t sim_poll(void *self, int64_t now_ns) {
  struct sim *s = self;
  if (now_ns > s->clock_ns) s->clock_ns = now_ns;
  if (s->exchange && !s->opened && s->active) sim_flow_begin(s, now_ns), s->next_ns = now_ns;
  if (now_ns < s->next_ns || s->polling || !s->active) return s->active ? s->next_ns : SIM_FOREVER;
  s->polling = true; // a host that handles ticks and reports at once may call back
  struct due due = any_due(s);
  s->pressed = false;
  for (uint32_t n = 0; due.at <= now_ns && n < STEPS_MAX && !s->pressed; n++) {
    step(s, due);
    due = any_due(s);
  }
  s->polling = false;
  s->next_ns = due.at;
  s->work_ns = work_due(s).at;
  return due.at <= now_ns ? now_ns : due.at;
}

// Apart, so that a tick that finds nothing to do saves no registers for it.
__attribute__((noinline)) static void work_until(struct sim *s, int64_t recv_ns) {
  for (struct due due = work_due(s); due.at <= recv_ns; due = work_due(s)) step(s, due);
  s->work_ns = work_due(s).at;
}

static void sim_on_tick(void *self, const struct hadron_tick *tick) {
  struct sim *s = self;
  if (__builtin_expect(tick->recv_ns >= s->work_ns, 0)) {
    if (s->exchange) return; // it has its own time
    work_until(s, tick->recv_ns);
  }
  if (tick->recv_ns > s->clock_ns) s->clock_ns = tick->recv_ns;
  if (tick->instrument >= s->follow_count) return;
  struct sim_market *m = &s->markets[tick->instrument];
  if (__builtin_expect(m->busy, 0) || tick->kind == HADRON_TICK_STATUS) {
    if (tick->recv_ns > s->at_ns) s->at_ns = tick->recv_ns;
    sim_follow_tick(s, m, tick);
  } else if (tick->kind == HADRON_TICK_TRADE) {
    m->last = tick->value.trade.price.nanos, m->last_size = tick->value.trade.quantity.e8;
    m->synthetic = (tick->flags & HADRON_TICK_SYNTHETIC) != 0;
  } else if (tick->kind == HADRON_TICK_QUOTE) {
    m->quote = tick->value.quote;
    m->synthetic = 0;
  }
}

// --- requests

static int32_t request(struct sim *s, uint32_t kind, const struct hadron_order *order, int64_t since_ns) {
  if (!s->active) return HADRON_ERR_STATE;
  // The host's clock may be ahead of the last poll (a timer made the order), or behind the last tick: never back.
  s->clock_ns = sim_max(s->clock_ns, s->host->now_ns(s->host->instance));
  struct sim_request *r = sim_request_push(s, s->clock_ns);
  if (!r) return HADRON_ERR_FULL;
  r->kind = kind, r->since_ns = since_ns;
  if (order) r->order = *order;
  else memset(&r->order, 0, sizeof r->order);
  return HADRON_OK;
}

static int32_t sim_submit(void *self, const struct hadron_order *order) {
  struct sim *s = self;
  if (s->active) sim_ledger_expect(s, &order->client_order_id);
  return request(s, SIM_SUBMIT, order, 0);
}
static int32_t sim_cancel(void *self, const struct hadron_order *order) { return request(self, SIM_CANCEL, order, 0); }
static int32_t sim_replace(void *self, const struct hadron_order *order) { return request(self, SIM_REPLACE, order, 0); }
static int32_t sim_query(void *self, const struct hadron_order *order) { return request(self, SIM_QUERY, order, 0); }
static int32_t sim_ask_all(void *self, int64_t since_ns) { return request(self, SIM_RECONCILE, NULL, since_ns); }

// TICKS is what the exchange form brings; FOLLOWS is what the other form needs. Both forms do the rest.
static const struct hadron_venue_api api = {
    .struct_size = sizeof(struct hadron_venue_api),
    .features = HADRON_VENUE_TICKS | HADRON_VENUE_ORDERS | HADRON_VENUE_REPLACES | HADRON_VENUE_STOPS |
                HADRON_VENUE_POST_ONLY | HADRON_VENUE_REDUCE_ONLY | HADRON_VENUE_QUERIES | HADRON_VENUE_RECONCILES |
                HADRON_VENUE_FOLLOWS,
    .create = sim_create,
    .destroy = sim_destroy,
    .start = sim_start,
    .stop = sim_stop,
    .poll = sim_poll,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .replace = sim_replace,
    .query = sim_query,
    .reconcile = sim_ask_all,
    .on_tick = sim_on_tick,
};

// What the next instance must not repeat: the numbers that order and execution ids are made of. What rests in the market is not handed over.
static int32_t sim_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct sim *s = self;
  const uint64_t numbers[2] = {s->number_last, s->execution_last};
  if (capacity < sizeof numbers) return HADRON_ERR_FULL;
  memcpy(buffer, numbers, sizeof numbers);
  *size = sizeof numbers;
  return HADRON_OK;
}

static int32_t sim_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct sim *s = self;
  uint64_t numbers[2];
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size != sizeof numbers) return HADRON_ERR_CORRUPT;
  memcpy(numbers, buffer, sizeof numbers);
  s->number_last = numbers[0], s->execution_last = numbers[1];
  return HADRON_OK;
}

static const struct hadron_state state = {sizeof state, 1, 1, 2 * sizeof(uint64_t), sim_save, sim_load};

static const void *capability(const char *name) {
  if (strcmp(name, HADRON_CAP_PARAMS) == 0) return &sim_params_table;
  return strcmp(name, HADRON_CAP_STATE) == 0 ? &state : NULL;
}

HADRON_PLUGIN(VENUE, "sim", "1.0.0", "Simulated venue: fills against recorded ticks, or a seeded exchange with its own flow",
              "hadron.venue/1", &api, capability);
