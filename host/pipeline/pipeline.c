#include "pipeline/pipeline.h"

#include "base/assert.h"
#include "base/crash_point.h"
#include "pipeline/pipeline_internal.h"

const char *const hd_stage_names[HD_STAGE_COUNT] = {"normalize", "engine", "merge", "risk", "gateway", "tick_to_order"};

// ---- records and stages ----------------------------------------------------------------------------------------------------------

void hd_pipeline_alert(struct hd_pipeline *p, uint32_t severity, int32_t code, uint32_t arm, uint32_t instrument, uint16_t venue, const char *text) {
  struct hadron_alert a = {p->now_ns, code, arm, instrument, venue, (uint8_t)severity, 0};
  hd_pipeline_record_text(p, HADRON_MSG_ALERT, &a, sizeof a, text, p->now_ns);
  p->listener.alert(p->listener.self, severity, code, arm, instrument, venue, text);
}

__attribute__((noinline)) uint64_t hd_stage_note(struct hd_pipeline *p, enum hd_stage stage, uint64_t start) {
  uint64_t end = hd_cycles();
  hd_histogram_record(&p->latency[stage], (uint64_t)hd_cycles_to_ns(end - start));
  return end;
}

static uint64_t stage_begin(const struct hd_pipeline *p) { return p->started ? hd_cycles() : 0; }

// What the trading side does by itself, or for a venue: nothing came before.
static inline void stamp_trading(struct hd_pipeline *p) {
  if (__builtin_expect(p->costs != HD_COSTS_NONE, 0)) p->stamps = (struct hd_stamps){.taken = hd_cycles()};
}

// A shard's turn that no tick began.
static inline void stamp_called(struct hd_pipeline *p) {
  if (__builtin_expect(p->costs == HD_COSTS_ALL, 0)) p->stamps = (struct hd_stamps){.called = hd_cycles()};
}

static void stamp_decisions(struct hd_pipeline *p) {
  struct hd_stamps *s = &p->stamps;
  s->taken = hd_cycles();
  if (p->costs == HD_COSTS_ALL) s->decided = s->taken;
  s->merged = s->checked = s->queued = 0;
}

// A stop that triggers with a tick.
static void stamp_stop(struct hd_pipeline *p) {
  struct hd_stamps *s = &p->stamps;
  s->taken = hd_cycles();
  s->decided = s->merged = s->checked = s->queued = 0;
}

void hd_pipeline_cost(struct hd_pipeline *p) {
  p->costs = HD_COSTS_ALL;
  hd_gateway_measure(p->gateway, &p->stamps);
}

// ---- apart -----------------------------------------------------------------------------------------------------------------------

// What recovery has left in the one ring of one thread goes to the shards that it concerns, in its order.
static void feedback_deal(struct hd_pipeline *p) {
  struct hd_feedback *waiting;
  for (size_t left = hd_ring_size(&p->feedback[0]); left > 0 && (waiting = hd_ring_peek(&p->feedback[0])); left--) {
    struct hd_feedback f = *waiting;
    hd_ring_release(&p->feedback[0]);
    struct hd_ring *to = &p->feedback[p->instruments.rows[f.instrument].shard];
    struct hd_feedback *slot = hd_ring_reserve(to);
    HD_ASSERT(slot); // no ring gets more than the one held
    *slot = f;
    hd_ring_publish(to);
  }
}

int32_t hd_pipeline_apart(struct hd_pipeline *p) {
  HD_ASSERT(!p->board.cells);
  size_t size = ((size_t)p->marks.max + 1) * sizeof *p->board.cells;
  p->board.cells = aligned_alloc(64, size);
  if (!p->board.cells) return HADRON_ERR_MEMORY;
  p->board.max = p->marks.max;
  memset(p->board.cells, 0, size);
  for (uint32_t i = 1; i <= hd_instruments_count(&p->instruments); i++) {
    const struct hd_mark mark = hd_mark_read(&p->marks, i);
    if (mark.sequence) hd_mark_write(&p->board.cells[i], &mark);
  }
  for (uint32_t s = 0; s < p->options.shards; s++) {
    hd_engine_marks(p->engines[s], &p->board);
    hd_engine_refresh(p->engines[s]);
  }
  feedback_deal(p);
  if (p->costs) p->costs = HD_COSTS_TRADING;
  return HADRON_OK;
}

static void look(struct hd_pipeline *p, uint32_t instrument, int64_t now_ns) {
  if (!p->looks || instrument == 0 || instrument > hd_instruments_count(&p->instruments)) return;
  const struct hd_mark m = hd_mark_read(&p->board, instrument);
  if (m.sequence == p->marks.cells[instrument].mark.sequence) return;
  const struct hadron_mark block = {.last = m.last, .bid = m.bid, .ask = m.ask, .event_ns = m.event_ns, .recv_ns = m.recv_ns, .sequence = m.sequence,
                                    .state = m.state, .volatility = m.volatility, .instrument = instrument};
  if (hd_pipeline_record(p, HADRON_MSG_MARK, &block, sizeof block, now_ns, HD_RECORD_RESERVED) == HADRON_OK) hd_mark_write(&p->marks.cells[instrument], &m);
}

void hd_pipeline_look(struct hd_pipeline *p, int64_t now_ns) {
  for (uint32_t i = 1; p->looks && i <= hd_instruments_count(&p->instruments); i++) {
    bool held = hd_portfolio_holds_side(&p->portfolio, HD_SIDE_TRADING, i) || hd_gateway_worked(p->gateway, i);
    if (!held && p->shadow.gateway) held = hd_portfolio_holds_side(&p->portfolio, HD_SIDE_SHADOW, i) || hd_gateway_worked(p->shadow.gateway, i);
    if (held) look(p, i, now_ns);
  }
}

// What the trading thread does by its clock is not of anybody's tick: with threads it is written down.
static void by_clock(struct hd_pipeline *p, uint64_t id, int64_t due_ns, int64_t now_ns) {
  const struct hadron_timer_fired timer = {.due_ns = due_ns, .time_ns = now_ns, .id = id};
  hd_pipeline_record(p, HADRON_MSG_TIMER, &timer, sizeof timer, now_ns, HD_RECORD_RESERVED);
}

static int64_t align_up(int64_t ns, int64_t step) { return ns - ns % step + step; }

// ---- ticks ---------------------------------------------------------------------------------------------------------------------

__attribute__((noinline)) static void reject(struct hd_pipeline *p, const struct hadron_tick *raw, uint32_t reason, int64_t now_ns) {
  p->tick_rejects++;
  if (!p->options.record_rejects) return;
  struct hadron_tick_reject r = {*raw, reason, 0};
  hd_pipeline_record(p, HADRON_MSG_TICK_REJECT, &r, sizeof r, now_ns, 0);
}

// Checked, stamped, and seen by the simulated venue; what both ways into the engine share.
static inline __attribute__((always_inline)) uint32_t accept(struct hd_pipeline *p, const struct hadron_tick *raw, int64_t now_ns, struct hadron_tick *tick) {
  if (p->options.measure_every) {
    p->started = (p->measure_at++ & (p->options.measure_every - 1)) == 0 ? hd_cycles() : 0;
    if (__builtin_expect(p->costs == HD_COSTS_ALL, 0)) p->stamps.offered = p->started ? p->started : hd_cycles();
  }
  uint32_t reason = hd_normalize_tick(&p->normalize, raw, now_ns, tick);
  if (__builtin_expect(reason != HADRON_TICK_ACCEPTED, 0)) reject(p, raw, reason, now_ns);
  else if (p->follower.on_tick) p->follower.on_tick(p->follower.self, tick);
  return reason;
}

int32_t hd_pipeline_offer(struct hd_pipeline *p, const struct hadron_tick *raw, int64_t now_ns) {
  struct hadron_tick tick;
  if (accept(p, raw, now_ns, &tick)) return HADRON_ERR_RANGE;
  enum hd_routed routed = hd_router_route(&p->router, &tick);
  hd_stage_end(p, HD_STAGE_NORMALIZE, p->started);
  return routed == HD_ROUTED_FULL ? HADRON_ERR_FULL : HADRON_OK;
}

static void equity_all(struct hd_pipeline *p, int64_t now_ns) {
  hd_risk_equity(&p->risk, now_ns);
  if (p->shadow.gateway) hd_risk_equity(p->shadow.risk, now_ns);
}

static void stops(const struct hd_desk *desk, uint32_t instrument, int64_t now_ns) {
  // A stop whose cancel could not be recorded when trading was killed is still held: it does not trigger.
  if (!hd_gateway_holds(desk->gateway, instrument) || desk->pipeline->risk.killed) return;
  if (desk->pipeline->costs) stamp_stop(desk->pipeline);
  hd_gateway_mark(desk->gateway, instrument, now_ns);
}

void hd_pipeline_stop(struct hd_pipeline *p, uint32_t instrument, int64_t now_ns) {
  p->now_ns = now_ns;
  stops(&p->desk, instrument, now_ns);
  if (p->shadow.gateway) stops(&p->shadow, instrument, now_ns);
}

static bool triggers(const struct hd_desk *desk, uint32_t instrument, const struct hd_mark *mark) {
  return desk->gateway && hd_gateway_holds(desk->gateway, instrument) && hd_gateway_triggers(desk->gateway, instrument, mark);
}

void hd_pipeline_stops(struct hd_pipeline *p, int64_t now_ns) {
  HD_ASSERT(p->looks);
  stamp_trading(p);
  for (uint32_t i = 1; i <= hd_instruments_count(&p->instruments); i++) {
    if (!hd_gateway_holds(p->gateway, i) && !(p->shadow.gateway && hd_gateway_holds(p->shadow.gateway, i))) continue;
    const struct hd_mark mark = hd_mark_read(&p->board, i);
    if (!triggers(&p->desk, i, &mark) && !triggers(&p->shadow, i, &mark)) continue;
    look(p, i, now_ns);
    by_clock(p, i, now_ns, now_ns);
    hd_pipeline_stop(p, i, now_ns);
  }
}

// The books follow the market once a second of it, and before every order: a valuation per tick would cost more than the tick.
__attribute__((noinline)) void hd_desk_mark_books(struct hd_pipeline *p, int64_t now_ns) {
  hd_portfolio_mark_all(&p->portfolio);
  equity_all(p, now_ns);
  p->next_mark_ns = align_up(now_ns, 1000000000);
}

// One thread: what the trading side makes of a tick. Without an order there is no stop. orders: false: surely none is open.
static inline void trade_tick(struct hd_pipeline *p, const struct hadron_tick *tick, bool orders) {
  if (orders && hd_pipeline_working(p)) {
    stops(&p->desk, tick->instrument, tick->recv_ns);
    if (p->shadow.gateway) stops(&p->shadow, tick->instrument, tick->recv_ns);
  }
  if (__builtin_expect(tick->recv_ns >= p->next_mark_ns, 0)) hd_desk_mark_books(p, tick->recv_ns);
  if (p->options.equity_every_ns > 0 && tick->recv_ns >= p->next_equity_ns)
    p->next_equity_ns = align_up(tick->recv_ns, p->options.equity_every_ns);
}

// What an engine call left behind goes to the trading side. False: nothing.
static inline bool decided(struct hd_pipeline *p, uint32_t shard, int64_t now_ns) {
  uint32_t count;
  const struct hadron_decision *decisions = hd_engine_decisions(p->engines[shard], &count);
  if (__builtin_expect(count == 0, 1)) return false;
  if (p->listener.decided) p->listener.decided(p->listener.self, shard, decisions, count);
  else hd_pipeline_decisions(p, decisions, count, now_ns);
  return true;
}

static inline bool engine_tick(struct hd_pipeline *p, uint32_t shard, const struct hadron_tick *tick) {
  if (__builtin_expect(p->costs == HD_COSTS_ALL, 0)) p->stamps.routed = p->stamps.called = hd_cycles();
  if (p->options.record_ticks) hd_pipeline_record(p, HADRON_MSG_TICK, tick, sizeof *tick, tick->recv_ns, 0);
  uint64_t start = stage_begin(p);
  hd_engine_tick(p->engines[shard], tick);
  hd_stage_end(p, HD_STAGE_ENGINE, start);
  return decided(p, shard, tick->recv_ns);
}

bool hd_pipeline_step(struct hd_pipeline *p, uint32_t shard) {
  struct hd_ring *ring;
  struct hadron_tick *tick = hd_lanes_peek(&p->router.lanes[shard], &ring);
  if (!tick) return false;
  engine_tick(p, shard, tick);
  if (!p->listener.decided) trade_tick(p, tick, true);
  hd_ring_release(ring); // last: the lane is left only when the tick is done with
  return true;
}

int32_t hd_pipeline_handle(struct hd_pipeline *p, const struct hadron_tick *raw, int64_t now_ns) {
  HD_DASSERT(!p->listener.decided && !hd_pipeline_working(p));
  struct hadron_tick tick;
  if (accept(p, raw, now_ns, &tick)) return HADRON_ERR_RANGE;
  uint32_t lane = hd_router_pass(&p->router, &tick);
  hd_stage_end(p, HD_STAGE_NORMALIZE, p->started);
  if (lane == HADRON_LANE_DROP) return HADRON_OK;
  uint32_t shard = p->options.shards == 1 ? 0 : p->instruments.rows[tick.instrument].shard;
  HD_DASSERT(hd_ring_size(&p->router.lanes[shard].rings[lane - HADRON_LANE_FAST]) == 0);
  trade_tick(p, &tick, engine_tick(p, shard, &tick));
  return HADRON_OK;
}

void hd_pipeline_accepted(struct hd_pipeline *p, const struct hadron_tick *tick) {
  engine_tick(p, p->options.shards == 1 ? 0 : p->instruments.rows[tick->instrument].shard, tick);
  if (!p->listener.decided) trade_tick(p, tick, true);
}

bool hd_pipeline_fire(struct hd_pipeline *p, uint32_t shard, int64_t now_ns) {
  struct hd_due due;
  if (!hd_engine_due(p->engines[shard], &due) || due.due_ns > now_ns) return false;
  stamp_called(p);
  if (!hd_engine_fire(p->engines[shard], now_ns)) return false;
  decided(p, shard, due.due_ns);
  return true;
}

void hd_pipeline_heard(struct hd_pipeline *p, const struct hd_feedback *f) {
  uint32_t shard = p->instruments.rows[f->instrument].shard;
  struct hd_engine *e = p->engines[shard];
  stamp_called(p);
  switch (f->kind) {
  case HADRON_MSG_ALLOCATION:
    hd_engine_allocation(e, &f->of.allocation, &f->view);
    decided(p, shard, f->of.allocation.time_ns);
    break;
  case HADRON_MSG_ORDER_EVENT:
    hd_engine_order_event(e, f->arm, &f->of.order_event, &f->view);
    decided(p, shard, f->of.order_event.time_ns);
    break;
  default: hd_engine_view(e, f->arm, f->instrument, &f->view); // calls nobody
  }
}

bool hd_pipeline_feedback(struct hd_pipeline *p, uint32_t shard) {
  struct hd_feedback *waiting = hd_ring_peek(&p->feedback[shard]);
  if (!waiting) return false;
  struct hd_feedback f = *waiting; // what it sets off may need the room
  hd_ring_release(&p->feedback[shard]);
  HD_DASSERT(p->instruments.rows[f.instrument].shard == shard || !p->listener.feedback);
  hd_pipeline_heard(p, &f);
  return true;
}

// ---- trading -------------------------------------------------------------------------------------------------------------------

// Apart, as all that a tick seldom does: a tick is one piece of code (hd_runner_ticks).
__attribute__((noinline)) void hd_pipeline_decisions(struct hd_pipeline *p, const struct hadron_decision *decisions, uint32_t count, int64_t now_ns) {
  HD_ASSERT(count > 0 && count <= HD_TICK_DECISIONS_MAX);
  struct hadron_decision stamped[HD_TICK_DECISIONS_MAX];
  uint32_t live = 0, shadows = 0;
  p->now_ns = now_ns;
  for (uint32_t i = 0; p->looks && i < count; i++) look(p, decisions[i].instrument, now_ns);
  if (p->costs) stamp_decisions(p);
  uint64_t start = hd_stage_trading(p);
  for (uint32_t i = 0; i < count; i++) {
    struct hadron_decision *d = &stamped[live];
    *d = decisions[i];
    HD_ASSERT(d->arm <= p->options.arm_max);
    bool shadow = p->arms[d->arm].role == HD_ROLE_SHADOW;
    const struct hd_arm *arm = &p->arms[d->arm];
    d->id = shadow ? ++p->shadow.decisions : ++p->desk.decisions;
    if (shadow) d->flags |= HADRON_ORDER_SHADOW;
    // A decision that is not written down has not been made.
    if (hd_pipeline_record(p, HADRON_MSG_DECISION, d, sizeof *d, now_ns, 0)) continue;
    // Not its instrument, or it has left: what it wanted is written down and goes no further.
    if (__builtin_expect(arm->split_high != 0 || arm->role == 0, 0) && (arm->role == 0 || !hd_desk_trades(p, arm, d->instrument))) continue;
    if (!shadow) live++;
    else if (p->room) hd_desk_keep(p, d, shadows++);
  }
  hd_stage_end(p, HD_STAGE_MERGE, start);
  if (live) hd_coordinator_merge(&p->coordinator, stamped, live, now_ns);
  if (!shadows) return;
  if (!p->listener.decided) p->started = 0; // the stages' times are those of trading
  hd_desk_merge(p, shadows, now_ns);
}

void hd_pipeline_report(struct hd_pipeline *p, const struct hadron_venue_report *report, int64_t now_ns) {
  p->now_ns = now_ns;
  stamp_trading(p);
  if (p->looks && report->listing > 0 && report->listing <= p->instruments.listing_count) look(p, p->instruments.listings[report->listing].instrument, now_ns);
  hd_pipeline_record(p, HADRON_MSG_VENUE_REPORT, report, sizeof *report, now_ns, HD_RECORD_RESERVED);
  hd_crash_here(HD_CRASH_REPORT_RECORDED);
  if (__builtin_expect(report->change >= HADRON_CHANGE_LIST_BEGIN, 0)) {
    hd_reconcile_mark(p, report->venue, report->change == HADRON_CHANGE_LIST_END, now_ns);
    return;
  }
  if (report->change == HADRON_CHANGE_POSITION && !(report->flags & HADRON_ORDER_SHADOW)) hd_reconcile_position(p, report, now_ns);
  else if (!(report->flags & HADRON_ORDER_SHADOW)) hd_gateway_report(p->gateway, report, now_ns);
  else if (p->shadow.gateway) hd_gateway_report(p->shadow.gateway, report, now_ns);
}

void hd_pipeline_venue_status(struct hd_pipeline *p, uint16_t venue, uint32_t state, const char *words, int64_t now_ns) {
  struct hadron_venue_status status = {.time_ns = now_ns, .venue = venue, .state = (uint8_t)state};
  hd_pipeline_record_text(p, HADRON_MSG_VENUE_STATUS, &status, sizeof status, words, now_ns);
}

int32_t hd_pipeline_venue_seen(struct hd_pipeline *p, uint16_t venue, uint32_t state, int64_t now_ns) {
  const struct hadron_venue_status status = {.time_ns = now_ns, .venue = venue, .state = (uint8_t)state, .seen = 1};
  return hd_record_text(&p->sink, HADRON_MSG_VENUE_STATUS, &status, sizeof status, "", now_ns);
}

void hd_pipeline_sample(struct hd_pipeline *p, int64_t now_ns) {
  p->now_ns = now_ns;
  hd_portfolio_mark_all(&p->portfolio);
  equity_all(p, now_ns);
  for (uint32_t arm = 0; arm <= p->arm_count; arm++) {
    struct hadron_equity equity;
    hd_portfolio_equity(&p->portfolio, arm, now_ns, &equity);
    hd_pipeline_record(p, HADRON_MSG_EQUITY, &equity, sizeof equity, now_ns, 0);
    if (p->listener.equity) p->listener.equity(p->listener.self, &equity);
  }
  p->equity_samples++;
  if (!p->listener.decided) p->sampled = p->normalize.accepted;
  p->sampled_allocations = p->portfolio.sides[HD_SIDE_TRADING].allocations;
}

void hd_pipeline_sample_last(struct hd_pipeline *p, int64_t now_ns) {
  if (p->sampled != p->normalize.accepted || p->sampled_allocations != p->portfolio.sides[HD_SIDE_TRADING].allocations || p->equity_samples == 0)
    hd_pipeline_sample(p, now_ns);
}

// With threads it is called all the time, and mostly for nothing.
static bool apart_due(const struct hd_pipeline *p, int64_t now_ns) {
  int64_t due = hd_gateway_due(p->gateway), shadow = p->shadow.gateway ? hd_gateway_due(p->shadow.gateway) : INT64_MAX;
  return due <= now_ns || shadow <= now_ns || p->next_mark_ns <= now_ns || (p->options.equity_every_ns > 0 && p->next_equity_ns <= now_ns);
}

void hd_pipeline_timer(struct hd_pipeline *p, int64_t now_ns) {
  if (p->looks) {
    if (!apart_due(p, now_ns)) return;
    hd_pipeline_look(p, now_ns);
    by_clock(p, 0, now_ns, now_ns);
  } else if (p->clocked) by_clock(p, 0, now_ns, now_ns);
  p->now_ns = now_ns;
  stamp_trading(p);
  if (now_ns >= hd_gateway_due(p->gateway)) hd_gateway_timer(p->gateway, now_ns);
  if (p->shadow.gateway && now_ns >= hd_gateway_due(p->shadow.gateway)) hd_gateway_timer(p->shadow.gateway, now_ns);
  if (now_ns >= p->next_mark_ns) hd_desk_mark_books(p, now_ns);
  if (p->options.equity_every_ns > 0 && p->next_equity_ns == 0) p->next_equity_ns = align_up(now_ns, p->options.equity_every_ns);
  if (p->options.equity_every_ns == 0 || now_ns < p->next_equity_ns) return;
  // The sample belongs to the end of its period: prices are those before the tick that let the clock pass it. A period without
  // ticks has no sample: a weekend is not two days without profit.
  if (p->listener.decided || p->sampled != p->normalize.accepted) hd_pipeline_sample(p, p->next_equity_ns);
  p->next_equity_ns = align_up(now_ns, p->options.equity_every_ns);
}

int64_t hd_pipeline_next(const struct hd_pipeline *p) {
  // With threads the count of ticks is another thread's: then every period has its sample.
  bool equity = p->options.equity_every_ns > 0 && (p->listener.decided || p->sampled != p->normalize.accepted);
  int64_t gateway = hd_gateway_due(p->gateway), shadow = p->shadow.gateway ? hd_gateway_due(p->shadow.gateway) : INT64_MAX;
  if (shadow < gateway) gateway = shadow;
  return equity && p->next_equity_ns < gateway ? p->next_equity_ns : gateway;
}

void hd_pipeline_adjust(struct hd_pipeline *p, const struct hadron_adjustment *adjustment, int64_t now_ns) {
  p->now_ns = now_ns;
  stamp_trading(p);
  look(p, adjustment->instrument, now_ns);
  hd_pipeline_record(p, HADRON_MSG_ADJUSTMENT, adjustment, sizeof *adjustment, now_ns, HD_RECORD_RESERVED);
  bool split = adjustment->numerator != adjustment->denominator;
  if (split) hd_gateway_cancel_all(p->gateway, 0, adjustment->instrument, now_ns);
  if (split && p->shadow.gateway) hd_gateway_cancel_all(p->shadow.gateway, 0, adjustment->instrument, now_ns);
  int32_t code = hd_portfolio_adjust(&p->portfolio, adjustment);
  if (code) hd_pipeline_alert(p, 3, code, 0, adjustment->instrument, 0, "a corporate action could not be booked");
  for (uint32_t arm = 1; arm <= p->arm_count; arm++) hd_feedback_send(p, 0, arm, adjustment->instrument, NULL, 0);
}

int32_t hd_pipeline_hold(struct hd_pipeline *p) {
  int32_t code = hd_gateway_hold(p->gateway);
  p->holds = code == HADRON_OK;
  return code;
}

int32_t hd_pipeline_flush(struct hd_pipeline *p) { return p->sink.sync ? p->sink.sync(p->sink.self) : HADRON_OK; }

void hd_pipeline_send(struct hd_pipeline *p, int32_t flushed, int64_t now_ns) {
  p->now_ns = now_ns;
  hd_gateway_send(p->gateway, flushed, now_ns);
}

static void operator_record(struct hd_pipeline *p, const char *text, uint32_t uid, int64_t now_ns) {
  struct hadron_operator command = {now_ns, uid, 0};
  p->now_ns = now_ns;
  hd_pipeline_record_text(p, HADRON_MSG_OPERATOR, &command, sizeof command, text, now_ns);
}

uint32_t hd_pipeline_kill(struct hd_pipeline *p, const char *why, uint32_t uid, int64_t now_ns) {
  char text[256];
  snprintf(text, sizeof text, "kill: %s", why);
  hd_risk_kill(&p->risk); // before anything that could fail
  operator_record(p, text, uid, now_ns);
  hd_pipeline_alert(p, 3, HADRON_ERR_KILLED, 0, 0, 0, text);
  uint32_t cancels = hd_gateway_cancel_all(p->gateway, 0, 0, now_ns);
  if (p->shadow.gateway) hd_gateway_cancel_all(p->shadow.gateway, 0, 0, now_ns);
  return cancels;
}

void hd_pipeline_release(struct hd_pipeline *p, const char *why, uint32_t uid, int64_t now_ns) {
  char text[256];
  snprintf(text, sizeof text, "release: %s", why);
  operator_record(p, text, uid, now_ns);           // before what it leads to, or a replay would not know why
  hd_gateway_cancel_all(p->gateway, 0, 0, now_ns); // what could not be cancelled when trading was killed
  hd_risk_release(&p->risk);
}

void hd_pipeline_clear(struct hd_pipeline *p, uint16_t venue, const char *name, int64_t now_ns) {
  char text[HADRON_NAME_SIZE + 16];
  snprintf(text, sizeof text, "clear: %s", name);
  operator_record(p, text, 0, now_ns);
  hd_gateway_cancel_venue(p->gateway, venue, now_ns);
}

// ---- one thread ----------------------------------------------------------------------------------------------------------------

// The shard whose timer is first, in an order that does not depend on how many shards there are.
static int first_due(const struct hd_pipeline *p, int64_t now_ns) {
  int first = -1;
  struct hd_due best = {0, 0}, due;
  for (uint32_t s = 0; s < p->options.shards; s++)
    if (hd_engine_due(p->engines[s], &due) && due.due_ns <= now_ns && (first < 0 || hd_due_before(due, best))) {
      first = (int)s;
      best = due;
    }
  return first;
}

// Until there is none: an order event may lead to a decision, that to an order, that to feedback.
static void settle_feedback(struct hd_pipeline *p) {
  while (hd_pipeline_feedback(p, 0)) continue;
}

void hd_pipeline_settle(struct hd_pipeline *p, int64_t now_ns) {
  settle_feedback(p);
  for (int shard; (shard = first_due(p, now_ns)) >= 0;) {
    hd_pipeline_fire(p, (uint32_t)shard, now_ns);
    settle_feedback(p);
  }
  for (uint32_t s = 0; s < p->options.shards; s++)
    while (hd_pipeline_step(p, s)) settle_feedback(p);
  p->started = 0; // what comes later was not set off by this tick
}

int64_t hd_pipeline_due(const struct hd_pipeline *p) {
  int64_t first = hd_engine_due_ns(p->engines[0]);
  for (uint32_t s = 1; s < p->options.shards; s++) {
    int64_t due_ns = hd_engine_due_ns(p->engines[s]);
    if (due_ns < first) first = due_ns;
  }
  return first;
}
