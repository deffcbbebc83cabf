// Building a pipeline, and what the gateway, the coordinator and the engines that it is built of tell it.
#include "base/assert.h"
#include "base/random.h"
#include "pipeline/pipeline_internal.h"

// ---- what they tell -----------------------------------------------------------------------

// The desk that an arm's orders are at.
static const struct hd_desk *desk_of(const struct hd_pipeline *p, uint32_t arm) {
  return hd_role_side(p->arms[arm].role) == HD_SIDE_SHADOW ? &p->shadow : &p->desk;
}

struct hd_arm_view hd_desk_view_of(const struct hd_pipeline *p, uint32_t arm, uint32_t instrument) {
  const struct hd_position *position = hd_portfolio_position(&p->portfolio, arm, instrument);
  const struct hd_desk *desk = desk_of(p, arm);
  struct hd_arm_view view = {.position = position->quantity, .average_entry = position->average_entry};
  if (desk->gateway) hd_gateway_working(desk->gateway, arm, instrument, true, &view.working_buy, &view.working_sell);
  return view;
}

static struct hd_feedback *feedback_reserve(struct hd_pipeline *p, uint32_t shard) {
  struct hd_feedback *slot;
  if (!p->listener.feedback) hd_ring_rewind(&p->feedback[shard]);
  // Never dropped. One thread: settle empties the ring after every event, so that only what goes through all orders at once (a kill, a
  // recovery) can fill it, and then the first are heard at once. Else the shard will make room.
  while (!(slot = hd_ring_reserve(&p->feedback[shard]))) {
    if (p->listener.feedback) {
      p->listener.feedback(p->listener.self, shard);
      continue;
    }
    HD_ASSERT(!p->coordinator.busy);
    hd_pipeline_feedback(p, shard);
  }
  return slot;
}

void hd_feedback_send(struct hd_pipeline *p, uint32_t kind, uint32_t arm, uint32_t instrument, const void *of, size_t size) {
  uint32_t shard = p->instruments.rows[instrument].shard;
  // One thread: an arm that has asked for neither orders nor executions needs its view and nothing else, and that when it is called. What
  // waits in the ring calls no instance of that arm, and its next tick comes after all of it.
  if (!p->listener.feedback && hd_engine_lapse(p->engines[shard], arm, instrument)) return;
  if (!p->listener.feedback) shard = 0; // one thread takes all from one ring: its order must not depend on how many shards there are
  struct hd_feedback *f = feedback_reserve(p, shard);
  f->kind = kind;
  f->arm = arm;
  f->instrument = instrument;
  f->view = hd_desk_view_of(p, arm, instrument);
  if (size) memcpy(&f->of, of, size);
  hd_ring_publish(&p->feedback[shard]);
  if (p->listener.feedback) p->listener.feedback(p->listener.self, shard);
}

// What shadows hold speeds nothing up.
static void fact_position(const struct hd_desk *desk, uint32_t instrument) {
  struct hd_pipeline *p = desk->pipeline;
  if (desk->side == HD_SIDE_SHADOW) return;
  bool held = hd_portfolio_holds_side(&p->portfolio, HD_SIDE_TRADING, instrument);
  if (!held) {
    struct hadron_quantity buy, sell;
    hd_gateway_working(p->gateway, 0, instrument, true, &buy, &sell);
    held = buy.e8 != 0 || sell.e8 != 0;
  }
  hd_router_fact(&p->router, instrument, HD_FACT_POSITION, held);
}

static void on_order_event(void *self, const struct hadron_order_event *event) {
  struct hd_desk *desk = self;
  struct hd_pipeline *p = desk->pipeline;
  hd_coordinator_order_event(desk->coordinator, event, p->now_ns);
  if (event->instrument == 0) return;
  fact_position(desk, event->instrument);
  if (event->arm != 0) {
    hd_feedback_send(p, HADRON_MSG_ORDER_EVENT, event->arm, event->instrument, event, sizeof *event);
    return;
  }
  const struct hd_order *order = hd_gateway_order(desk->gateway, &event->client_order_id);
  for (uint32_t i = 0; order && i < order->share_count; i++)
    if (order->shares[i].arm) hd_feedback_send(p, HADRON_MSG_ORDER_EVENT, order->shares[i].arm, event->instrument, event, sizeof *event);
}

// The books and the strategies hear of the allocations that follow.
static void on_execution(void *self, const struct hadron_execution *execution) {
  const struct hd_desk *desk = self;
  if (desk->side != HD_SIDE_SHADOW) hd_reconcile_executed(desk->pipeline, execution);
}

static int32_t on_allocate(void *self, struct hadron_allocation *allocation) {
  const struct hd_desk *desk = self;
  struct hd_pipeline *p = desk->pipeline;
  HD_ASSERT(desk_of(p, allocation->arm) == desk || allocation->arm == 0);
  if (allocation->arm == 0 && desk->side == HD_SIDE_SHADOW) return HADRON_OK; // its arm sits somewhere else by now: nobody's
  int32_t code = hd_portfolio_allocate(&p->portfolio, allocation);
  if (code) {
    hd_pipeline_alert(p, 3, code, allocation->arm, allocation->instrument, 0, "a fill could not be booked; the books no longer match the venue");
    return code;
  }
  if (desk->side != HD_SIDE_SHADOW) hd_reconcile_booked(p, allocation);
  hd_risk_equity(desk->risk, p->now_ns); // it was booked at the newest mark
  fact_position(desk, allocation->instrument);
  return HADRON_OK;
}

// Once it is recorded, so that a shard's HEARD comes behind what it has heard.
static void on_allocated(void *self, const struct hadron_allocation *allocation) {
  const struct hd_desk *desk = self;
  if (allocation->arm == 0) return;
  hd_feedback_send(desk->pipeline, HADRON_MSG_ALLOCATION, allocation->arm, allocation->instrument, allocation, sizeof *allocation);
}

static void on_gateway_alert(void *self, uint32_t severity, int32_t code, uint32_t instrument, uint16_t venue, const char *text) {
  hd_pipeline_alert(((struct hd_desk *)self)->pipeline, severity, code, 0, instrument, venue, text);
}

static void on_sent(void *self, const struct hadron_order *order, const struct hd_stamps *at, uint64_t begun, uint64_t done, int64_t now_ns) {
  struct hd_pipeline *p = ((struct hd_desk *)self)->pipeline;
  struct hadron_cost cost;
  if (p->holds) hd_histogram_record(&p->latency[HD_STAGE_TICK_TO_ORDER], hd_cost_total(at, done)); // who decides does not wait for it
  hd_cost_fill(at, begun, done, order, now_ns, &cost);
  (void)hd_record(&p->sink, HADRON_MSG_COST, &cost, sizeof cost, now_ns, 0); // no room: the order is what counts
}

// Part of an order's id: two shadows of one strategy, or a shadow and what it shadows, may want the same order.
static const char *strategy_name(const struct hd_desk *desk, uint32_t arm) {
  const struct hd_pipeline *p = desk->pipeline;
  if (desk->side == HD_SIDE_SHADOW) return p->labels[arm];
  return arm > 0 && arm <= p->arm_count ? p->arms[arm].name : "net";
}

static void on_intent(void *self, const struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count) {
  const struct hd_desk *desk = self;
  struct hd_pipeline *p = desk->pipeline;
  struct hd_verdict verdict = {0};
  const char *strategy = strategy_name(desk, intent->arm);
  HD_ASSERT(((intent->flags & HADRON_ORDER_SHADOW) != 0) == (desk->side == HD_SIDE_SHADOW));
  bool stamped = p->costs && desk->side == HD_SIDE_TRADING;
  uint64_t start = hd_stage_trading(p);
  if (stamped) p->stamps.merged = hd_cycles();
  if (intent->kind != HADRON_INTENT_CANCEL) {
    struct hadron_client_order_id id;
    hd_gateway_order_id(desk->gateway, intent, strategy, p->now_ns, &id);
    if (hd_portfolio_holds_side(&p->portfolio, desk->side, intent->instrument)) {
      hd_portfolio_mark_side(&p->portfolio, desk->side, intent->instrument);
      hd_risk_equity(desk->risk, p->now_ns);
    }
    const struct hd_risk_request request = {intent, shares, share_count, p->port.state(p->port.self, intent->venue),
                                            &id, p->now_ns};
    if (__builtin_expect(p->listener.risk != NULL, 0)) p->listener.risk(p->listener.self, desk->risk, &request);
    hd_risk_check(desk->risk, &request, &verdict);
  }
  if (stamped) p->stamps.checked = hd_cycles();
  start = hd_stage_end(p, HD_STAGE_RISK, start);
  int32_t code = hd_gateway_intent(desk->gateway, intent, shares, share_count, &verdict, strategy, p->now_ns);
  hd_stage_end(p, HD_STAGE_GATEWAY, start);
  if (intent->kind == HADRON_INTENT_NEW && !verdict.reason && !code && !p->listener.decided && !p->holds) hd_stage_end(p, HD_STAGE_TICK_TO_ORDER, p->started);
}

static void on_fault(void *self, struct hd_engine_instance *instance, int32_t code, bool fenced) {
  struct hd_pipeline *p = self;
  p->listener.fault(p->listener.self, instance, code, fenced);
}

static void on_first(void *self, struct hd_engine_instance *instance, uint64_t sequence) {
  struct hd_pipeline *p = self;
  if (p->listener.first) p->listener.first(p->listener.self, instance, sequence);
}

static void on_turbulent(void *self, uint32_t instrument, bool on) {
  hd_router_fact(&((struct hd_pipeline *)self)->router, instrument, HD_FACT_VOLATILE, on);
}

static struct hd_arm_view on_view(void *self, uint32_t arm, uint32_t instrument) { return hd_desk_view_of(self, arm, instrument); }

static void on_fired(void *self, const struct hadron_timer_fired *timer) {
  struct hd_pipeline *p = self;
  hd_pipeline_record(p, HADRON_MSG_TIMER, timer, sizeof *timer, timer->time_ns, 0);
}

// ---- building ------------------------------------------------------------------------------------------------------------------

static int32_t init_shards(struct hd_pipeline *p) {
  const struct hd_engine_listener listener = {p, on_fault, on_first, on_turbulent, on_fired, on_view};
  p->shadows = calloc((size_t)p->options.arm_max + 1, sizeof *p->shadows);
  p->options.engine.shadows = p->shadows;
  p->engines = calloc(p->options.shards, sizeof(struct hd_engine *));
  p->feedback = aligned_alloc(64, p->options.shards * sizeof *p->feedback);
  if (p->feedback) memset(p->feedback, 0, p->options.shards * sizeof *p->feedback); // before anything else can fail: fini looks at them
  if (!p->engines || !p->feedback || !p->shadows) return HADRON_ERR_MEMORY;
  for (uint32_t s = 0; s < p->options.shards; s++) {
    int32_t code = hd_engine_create(&p->options.engine, &p->instruments, &p->marks, &listener, &p->engines[s]);
    int32_t (*init)(struct hd_ring *, uint32_t, uint64_t) = p->listener.feedback ? hd_ring_init : hd_ring_init_lazy;
    if (!code) code = init(&p->feedback[s], sizeof(struct hd_feedback), HD_FEEDBACK_RING);
    if (code) return code;
  }
  return HADRON_OK;
}

struct hd_gateway_listener hd_desk_gateway_listener(struct hd_desk *desk) {
  return (struct hd_gateway_listener){desk, on_order_event, on_execution, on_allocate, on_gateway_alert, on_sent, on_allocated};
}

struct hd_intent_listener hd_desk_intent_listener(struct hd_desk *desk) {
  return (struct hd_intent_listener){desk, on_intent, on_allocate, on_allocated};
}

static int32_t init_trading(struct hd_pipeline *p) {
  const struct hd_pipeline_options *o = &p->options;
  const struct hd_gateway_listener gateway = hd_desk_gateway_listener(&p->desk);
  int32_t code = hd_portfolio_init(&p->portfolio, &p->instruments, &p->marks, o->arm_max, o->cash);
  p->options.gateway.takes_over = o->on_difference == HD_DIFFERENCE_ADOPT || o->on_difference == HD_DIFFERENCE_STOP;
  if (!code) code = hd_gateway_create(&o->gateway, &p->instruments, &p->marks, &p->sink, &p->port, &gateway, &p->gateway);
  if (!code) code = hd_risk_init(&p->risk, &p->instruments, &p->marks, &p->portfolio, p->gateway, o->arm_max, o->mode);
  if (code) return code;
  p->risk.account = o->limits;
  p->risk.orders_max = o->gateway.orders_max;
  p->coordinator = (struct hd_coordinator){.instruments = &p->instruments, .marks = &p->marks, .portfolio = &p->portfolio,
                                           .gateway = p->gateway, .sink = &p->sink, .arms = p->arms, .arm_max = o->arm_max,
                                           .listener = hd_desk_intent_listener(&p->desk)};
  p->desk = (struct hd_desk){p, &p->coordinator, &p->risk, p->gateway, HD_SIDE_TRADING, 0};
  p->shadow = (struct hd_desk){.pipeline = p, .side = HD_SIDE_SHADOW, .decisions = HADRON_SHADOW_ID};
  return HADRON_OK;
}

int32_t hd_pipeline_init(struct hd_pipeline *p, const struct hd_pipeline_options *options, const struct hd_record_sink *sink,
                         const struct hd_venue_port *port, const struct hd_pipeline_listener *listener, struct hd_fault *fault) {
  HD_ASSERT(options->shards > 0 && options->arm_max > 0 && options->instruments_max > 0);
  memset(p, 0, sizeof *p);
  p->options = *options;
  p->options.engine.session = options->session;
  p->sink = *sink;
  p->port = *port;
  p->listener = *listener;
  p->next_equity_ns = p->next_mark_ns = 0;
  int32_t code = hd_instruments_init(&p->instruments, options->instruments_max, options->open_universe);
  p->marks.max = options->instruments_max;
  p->marks.cells = aligned_alloc(64, ((size_t)options->instruments_max + 1) * sizeof *p->marks.cells);
  p->arms = calloc((size_t)options->arm_max + 1, sizeof *p->arms);
  p->labels = calloc((size_t)options->arm_max + 1, sizeof *p->labels);
  p->definitions = calloc((size_t)options->arm_max + 1, sizeof *p->definitions);
  p->instrument_shares = calloc((size_t)options->instruments_max + 1, sizeof *p->instrument_shares);
  if (!code && (!p->marks.cells || !p->arms || !p->labels || !p->definitions || !p->instrument_shares)) code = HADRON_ERR_MEMORY;
  if (!code) memset(p->marks.cells, 0, ((size_t)options->instruments_max + 1) * sizeof *p->marks.cells);
  if (!code) code = hd_normalize_init(&p->normalize, &options->normalize, &p->instruments);
  if (!code) code = hd_reconcile_init(&p->reconcile, p->instruments.listing_max, options->on_difference);
  if (!code) code = hd_router_init(&p->router, &p->instruments, options->shards, options->lane_ticks);
  if (!code) code = init_shards(p);
  if (!code) code = init_trading(p);
  return code ? hd_fault_set(fault, code, "building the pipeline for %u instruments, %u shards, %u arms: %s", options->instruments_max,
                             options->shards, options->arm_max, hadron_error_text(code))
              : HADRON_OK;
}

void hd_pipeline_fini(struct hd_pipeline *p) {
  hd_desk_close(p);
  hd_risk_fini(&p->risk);
  if (p->gateway) hd_gateway_destroy(p->gateway);
  hd_portfolio_fini(&p->portfolio);
  for (uint32_t s = 0; s < p->options.shards; s++) {
    if (p->engines) hd_engine_destroy(p->engines[s]);
    if (p->feedback) hd_ring_fini(&p->feedback[s]);
  }
  free(p->engines);
  free(p->feedback);
  if (p->router.instruments) hd_router_fini(&p->router);
  hd_normalize_fini(&p->normalize);
  hd_reconcile_fini(&p->reconcile);
  free(p->marks.cells);
  free(p->board.cells);
  free(p->arms);
  free(p->shadows);
  free(p->labels);
  free(p->definitions);
  free(p->instrument_shares);
  hd_instruments_fini(&p->instruments);
  memset(p, 0, sizeof *p);
}

int32_t hd_desk_record(struct hd_pipeline *p, uint16_t template_id, const void *block, size_t size, int64_t now_ns) {
  return hd_pipeline_record(p, template_id, block, size, now_ns, HD_RECORD_RESERVED);
}

void hd_desk_alert(struct hd_pipeline *p, uint32_t severity, int32_t code, uint32_t arm, uint32_t instrument, const char *text) {
  hd_pipeline_alert(p, severity, code, arm, instrument, 0, text);
}

void hd_desk_fact(struct hd_pipeline *p, uint32_t instrument) { fact_position(&p->desk, instrument); }

void hd_desk_view(struct hd_pipeline *p, uint32_t arm, uint32_t instrument) {
  const struct hd_desk *desk = desk_of(p, arm);
  fact_position(desk, instrument);
  hd_feedback_send(p, 0, arm, instrument, NULL, 0);
}

void hd_pipeline_allocator(struct hd_pipeline *p, const struct hadron_allocator_api *api, void *self) {
  p->coordinator.allocator = api;
  p->coordinator.allocator_self = self;
  p->coordinator.reading = p->reconcile.hold;
  hd_coordinator_init(&p->coordinator);
}

void hd_pipeline_reallocate(struct hd_pipeline *p, const struct hadron_allocator_api *api, void *self) {
  struct hd_coordinator *all[] = {p->desk.coordinator, p->shadow.coordinator};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!all[i]) continue;
    HD_ASSERT(!all[i]->busy);
    all[i]->allocator = api;
    all[i]->allocator_self = self;
  }
}

void hd_pipeline_shard(struct hd_pipeline *p, const uint32_t *groups) {
  for (uint32_t id = 1; id <= hd_instruments_count(&p->instruments); id++) {
    HD_ASSERT(groups[id] > 0 && groups[id] <= id);
    p->instruments.rows[id].shard = (uint32_t)(hd_random_mix(groups[id]) % p->options.shards);
  }
}

void hd_pipeline_joins(struct hd_pipeline *p, uint32_t id) {
  HD_ASSERT(id > 0 && id <= hd_instruments_count(&p->instruments));
  p->instruments.rows[id].shard = (uint32_t)(hd_random_mix(id) % p->options.shards);
  hd_router_fact(&p->router, id, HD_FACT_UNSUBSCRIBED, true);
}

int32_t hd_pipeline_seal(struct hd_pipeline *p, int64_t now_ns) {
  p->now_ns = now_ns;
  for (uint32_t s = 0; s < p->options.shards; s++) {
    int32_t code = hd_engine_seal(p->engines[s]);
    if (code) return code;
  }
  for (uint32_t id = 1; id <= hd_instruments_count(&p->instruments); id++)
    hd_router_fact(&p->router, id, HD_FACT_UNSUBSCRIBED, !hd_engine_wants(p->engines[p->instruments.rows[id].shard], id));
  return HADRON_OK;
}
