#include "runtime/live.h"

#include <sched.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/calling.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "runtime/snapshot.h"
#include "runtime/last_words.h"
#include "runtime/live_journal.h"
#include "runtime/placed.h"

#define OFFERED 4096       // ticks that are remembered, a power of two: as long as their orders may take
#define ADJUSTMENT_RING 64 // full: the io thread waits
#define IDLE_NS INT64_C(20000000) // how long a thread sleeps at most when nobody rings: its timers need no doorbell then

struct hd_live_decision {
  struct hadron_decision decision;
  uint32_t last;            // 1: the last of its cause
  uint32_t ticking;         // 1: a tick was its cause
  uint64_t called, decided; // cycles; 0: not measured
};

enum hd_command_verb { COMMAND_SUBMIT = 1, COMMAND_CANCEL, COMMAND_REPLACE, COMMAND_QUERY };

struct hd_command {
  struct hadron_order order;
  uint64_t verb; // enum hd_command_verb
};

struct hd_live_call {
  void (*function)(void *argument);
  void *argument;
  _Atomic bool done;
};

// ---- [trade] -> [io]: orders ---------------------------------------------------------------------------------------------------------

static int32_t command(struct hd_live *live, const struct hadron_order *order, enum hd_command_verb verb) {
  // Half of the ring is for orders that are real.
  bool crowded = (order->flags & HADRON_ORDER_SHADOW) && hd_ring_size(&live->commands) * 2 > hd_ring_capacity(&live->commands);
  struct hd_command *slot = crowded ? NULL : hd_ring_reserve(&live->commands);
  if (!slot) {
    live->command_full++;
    return HADRON_ERR_FULL; // nothing left: the gateway says so
  }
  slot->order = *order;
  slot->verb = verb;
  hd_ring_publish(&live->commands);
  uv_async_send(&live->wake);
  return HADRON_OK;
}

static int32_t port_submit(void *self, const struct hadron_order *order) { return command(self, order, COMMAND_SUBMIT); }
static int32_t port_cancel(void *self, const struct hadron_order *order) { return command(self, order, COMMAND_CANCEL); }
static int32_t port_replace(void *self, const struct hadron_order *order) { return command(self, order, COMMAND_REPLACE); }
static int32_t port_query(void *self, const struct hadron_order *order) { return command(self, order, COMMAND_QUERY); }
static uint32_t port_features(void *self, uint16_t venue) {
  return hd_runner_port.features(&((struct hd_live *)self)->session->runner, venue);
}
static uint32_t port_state(void *self, uint16_t venue) {
  struct hd_live *live = self;
  return venue < sizeof live->seen / sizeof *live->seen ? atomic_load_explicit(&live->seen[venue], memory_order_relaxed) : HADRON_VENUE_DOWN;
}

// [trade] A venue's state changes on [io]. From here on orders go by what it is now; written down, because it decides about them.
static void look_at_venues(struct hd_live *live, int64_t now_ns) {
  struct hd_session *s = live->session;
  uint32_t last = s->runner.shadow_venue ? s->runner.shadow_venue : s->venue_count;
  for (uint32_t number = 1; number <= last; number++) {
    uint32_t state = hd_runner_state(&s->runner, (uint16_t)number);
    if (state == atomic_load_explicit(&live->seen[number], memory_order_relaxed)) continue;
    if (hd_pipeline_venue_seen(&s->pipeline, (uint16_t)number, state, now_ns) == HADRON_OK) atomic_store_explicit(&live->seen[number], state, memory_order_relaxed);
  }
}

// A command that a venue refuses at the door never left: the gateway hears so by a report.
static void command_failed(struct hd_live *live, const struct hd_command *c, int32_t code) {
  struct hadron_venue_report report = {.client_order_id = c->order.client_order_id, .listing = c->order.listing, .venue = c->order.venue,
                                       .side = c->order.side, .flags = c->order.flags & HADRON_ORDER_SHADOW, .cumulative = {-1}, .reason = (uint32_t)-code};
  switch (c->verb) {
  case COMMAND_SUBMIT: report.change = HADRON_CHANGE_SEND_FAIL; break;
  case COMMAND_CANCEL: report.change = HADRON_CHANGE_CANCEL_REJECT; break;
  case COMMAND_REPLACE: report.change = HADRON_CHANGE_REPLACE_REJECT; break;
  default: return; // a query is asked again
  }
  snprintf(report.text, sizeof report.text, "%s", hadron_error_text(code));
  hd_live_report(live, &report);
}

static void take_commands(struct hd_live *live) {
  struct hd_runner *runner = &live->session->runner;
  const struct hd_command *c;
  while ((c = hd_ring_peek(&live->commands))) {
    int32_t code = HADRON_ERR_UNSUPPORTED;
    switch (c->verb) {
    case COMMAND_SUBMIT: code = hd_runner_port.submit(runner, &c->order); break;
    case COMMAND_CANCEL: code = hd_runner_port.cancel(runner, &c->order); break;
    case COMMAND_REPLACE: code = hd_runner_port.replace(runner, &c->order); break;
    case COMMAND_QUERY: code = hd_runner_port.query(runner, &c->order); break;
    }
    if (code) command_failed(live, c, code);
    hd_ring_release(&live->commands);
  }
}

// ---- [io] -> [trade]: reports --------------------------------------------------------------------------------------------------------

static bool trade_once(struct hd_live *live);

// [io] waits for the trading thread; once that has ended, this thread is it.
static void wait_for_trade(struct hd_live *live) {
  if (atomic_load(&live->trade_done)) {
    trade_once(live);
    return;
  }
  hd_bell_ring(&live->trade_bell);
  sched_yield();
}

void hd_live_report(struct hd_live *live, const struct hadron_venue_report *report) {
  struct hadron_venue_report *slot;
  while (!(slot = hd_ring_reserve(&live->reports))) wait_for_trade(live); // never dropped
  *slot = *report;
  hd_ring_publish(&live->reports);
  hd_bell_ring(&live->trade_bell);
}

// What the runner's venues reported while they were called.
static void pass_reports(struct hd_live *live) {
  const struct hadron_venue_report *report;
  while ((report = hd_ring_peek(&live->session->runner.reports))) {
    hd_live_report(live, report);
    hd_ring_release(&live->session->runner.reports);
  }
}

static void on_reports_full(void *self) { pass_reports(self); }

// A corporate action waits for its turn between two events of the trading thread.
static void on_adjust(void *self, const struct hadron_adjustment *adjustment) {
  struct hd_live *live = self;
  struct hadron_adjustment *slot;
  while (!(slot = hd_ring_reserve(&live->adjustments))) wait_for_trade(live);
  *slot = *adjustment;
  hd_ring_publish(&live->adjustments);
  hd_bell_ring(&live->trade_bell);
}

// ---- [shard] -----------------------------------------------------------------------------------------------------------------------

// Takes feedback out of the ring without handling it: the engine is in the middle of a call.
static void stash_feedback(struct hd_live_shard *s) {
  struct hd_ring *ring = &s->live->session->pipeline.feedback[s->index];
  const struct hd_feedback *f;
  while ((f = hd_ring_peek(ring))) {
    if (s->stash_count == s->stash_room) {
      uint32_t room = s->stash_room ? s->stash_room * 2 : 256;
      void *grown = realloc(s->stash, room * sizeof *s->stash);
      if (!grown) return;
      s->stash = grown;
      s->stash_room = room;
    }
    s->stash[s->stash_count++] = *f;
    hd_ring_release(ring);
  }
}

// What it does now begins now.
static void shard_begins(struct hd_live_shard *s, bool ticking) {
  s->ticking = ticking;
  s->called = s->live->offered ? hd_cycles() : 0;
}

static void feedback_one(struct hd_live_shard *s) {
  struct hd_pipeline *p = &s->live->session->pipeline;
  shard_begins(s, false);
  if (s->stash_at == s->stash_count) {
    s->stash_at = s->stash_count = 0;
    hd_pipeline_feedback(p, s->index);
    return;
  }
  struct hd_feedback f = s->stash[s->stash_at++]; // a copy: handling it may stash more
  hd_pipeline_heard(p, &f);
}

// All that waits now. How much that is goes into the journal first: it is the shard's own order of ticks and feedback that made its decisions.
static bool shard_feedback(struct hd_live_shard *s) {
  struct hd_pipeline *p = &s->live->session->pipeline;
  uint32_t count = s->stash_count - s->stash_at + (uint32_t)hd_ring_size(&p->feedback[s->index]);
  if (count == 0) return false;
  const struct hadron_heard heard = {hd_clock_wall_ns(), s->index, count};
  if (hd_record(&p->sink, HADRON_MSG_HEARD, &heard, sizeof heard, heard.time_ns, HD_RECORD_RESERVED)) atomic_fetch_add(&p->sink_errors, 1);
  for (uint32_t i = 0; i < count; i++) feedback_one(s);
  return true;
}

static void on_decided(void *self, uint32_t shard, const struct hadron_decision *decisions, uint32_t count) {
  struct hd_live *live = ((struct hd_session *)self)->live;
  struct hd_live_shard *s = &live->shards[shard];
  // A session that has ended decides nothing more: what finds no room then was never made.
  if (atomic_load_explicit(&live->trade_done, memory_order_acquire) && hd_ring_capacity(&s->decisions) - hd_ring_size(&s->decisions) < count) return;
  for (uint32_t i = 0; i < count; i++) {
    struct hd_live_decision *slot;
    while (!(slot = hd_ring_reserve(&s->decisions))) { // a decision is never dropped: the shard waits, its lanes fill, COLD conflates
      if (atomic_load_explicit(&live->trade_done, memory_order_acquire)) return;
      s->waits++;
      stash_feedback(s); // the trading thread may be waiting for room in there
      hd_bell_ring(&live->trade_bell);
      sched_yield();
    }
    slot->decision = decisions[i];
    slot->last = i + 1 == count;
    slot->ticking = s->ticking;
    slot->called = s->called;
    slot->decided = s->called ? hd_cycles() : 0;
    hd_ring_publish(&s->decisions);
  }
  hd_bell_ring(&live->trade_bell);
}

static void on_feedback(void *self, uint32_t shard) { hd_bell_ring(&((struct hd_session *)self)->live->shards[shard].bell); }

// 1: no more ticks and timers; feedback goes on, because the trading thread may be waiting for room in its ring. 2: nothing at all.
enum hd_live_hold { HOLD_NONE = 0, HOLD_TICKS = 1, HOLD_ALL = 2 };

static void shard_rest(struct hd_live *live) {
  atomic_fetch_add(&live->resting, 1);
  while (atomic_load(&live->hold) == HOLD_ALL) sched_yield();
  atomic_fetch_sub(&live->resting, 1);
}

// The trading thread may be waiting for room in this shard's ring: what is in there waits elsewhere.
static void wait_in_meeting(void *user) {
  stash_feedback(user);
  sched_yield();
}

static void shard_meet(struct hd_live_shard *s) {
  uint64_t number = atomic_load_explicit(&s->live->meetings, memory_order_acquire);
  if (number == s->met) return;
  s->met = number;
  hd_meeting_attend(s->live->meeting, s->index, wait_in_meeting, s);
}

// Which of them are measured: none, or one in so many. every: a power of two.
static bool measured(uint32_t *at, uint32_t every) { return every && ((*at)++ & (every - 1)) == 0; }

static bool shard_step(struct hd_live_shard *s) {
  shard_begins(s, true);
  if (!measured(&s->engine_at, s->live->measure_every)) return hd_pipeline_step(&s->live->session->pipeline, s->index);
  uint64_t from = s->called ? s->called : hd_cycles();
  bool any = hd_pipeline_step(&s->live->session->pipeline, s->index);
  if (any) hd_histogram_record(&s->engine, (uint64_t)hd_cycles_to_ns(hd_cycles() - from));
  else s->engine_at--; // the next one that is there
  return any;
}

static void *shard_main(void *argument) {
  struct hd_live_shard *s = argument;
  struct hd_pipeline *p = &s->live->session->pipeline;
  hd_last_words_stack();
  while (!atomic_load_explicit(&s->live->stop, memory_order_acquire)) {
    bool any = false;
    // Feedback first: a strategy should know its fills before it sees the next tick.
    while (shard_feedback(s)) any = true;
    uint32_t hold = atomic_load_explicit(&s->live->hold, memory_order_acquire);
    if (hold == HOLD_ALL) shard_rest(s->live);
    if (hold != HOLD_NONE) continue;
    shard_meet(s);
    int64_t now_ns = hd_clock_wall_ns();
    for (shard_begins(s, false); hd_pipeline_fire(p, s->index, now_ns); shard_begins(s, false)) any = true;
    for (int i = 0; i < 64 && shard_step(s); i++) any = true;
    if (any) continue;
    struct hd_due due;
    int64_t wait = hd_engine_due(p->engines[s->index], &due) && due.due_ns - now_ns < IDLE_NS ? due.due_ns - now_ns : IDLE_NS;
    hd_bell_wait(&s->bell, wait);
  }
  atomic_store(&s->quiet, true);
  while (!atomic_load_explicit(&s->live->trade_done, memory_order_acquire)) { // the trading thread may be waiting for room
    while (shard_feedback(s)) continue;
    hd_bell_wait(&s->bell, 1000000);
  }
  hd_last_words_unstack();
  return NULL;
}

// ---- [trade] -----------------------------------------------------------------------------------------------------------------------

// A tick's place may have been given to another one, then nobody knows.
static void look_up_offered(struct hd_live *live, uint64_t sequence, struct hd_stamps *at) {
  struct hd_live_offered *o = &live->offered[sequence & (OFFERED - 1)];
  if (atomic_load_explicit(&o->sequence, memory_order_acquire) != sequence) return;
  uint64_t offered = atomic_load_explicit(&o->offered, memory_order_relaxed), routed = atomic_load_explicit(&o->routed, memory_order_relaxed);
  atomic_thread_fence(memory_order_acquire);
  if (atomic_load_explicit(&o->sequence, memory_order_relaxed) == sequence) at->offered = offered, at->routed = routed;
}

static void trade_batch(struct hd_live *live, const struct hadron_decision *batch, uint32_t count, const struct hd_stamps *at) {
  live->session->pipeline.stamps = *at;
  const struct hd_gateway_counts *counts = hd_gateway_count(live->session->pipeline.gateway);
  uint64_t orders = counts->orders;
  live->session->pipeline.trading = measured(&live->trade_at, live->measure_every);
  hd_pipeline_decisions(&live->session->pipeline, batch, count, hd_clock_wall_ns());
  if (counts->orders == orders || live->session->pipeline.holds) return;
  int64_t took = hd_clock_wall_ns() - batch[0].time_ns;
  hd_histogram_record(&live->tick_to_order, took > 0 ? (uint64_t)took : 0);
}

// Handles the decisions of one cause; false if no cause is complete yet.
static bool trade_decisions(struct hd_live *live, struct hd_live_shard *s) {
  const struct hd_live_decision *d;
  while ((d = hd_ring_peek(&s->decisions))) {
    bool last = d->last;
    HD_ASSERT(s->batch_count < HD_TICK_DECISIONS_MAX);
    s->batch[s->batch_count++] = d->decision;
    s->batch_at = (struct hd_stamps){.called = d->called, .decided = d->decided};
    if (d->called && d->ticking) look_up_offered(live, d->decision.cause, &s->batch_at);
    hd_ring_release(&s->decisions);
    if (!last) continue;
    trade_batch(live, s->batch, s->batch_count, &s->batch_at);
    s->batch_count = 0;
    return true;
  }
  return false;
}

static void take_call(struct hd_live *live) {
  struct hd_live_call *call = atomic_exchange(&live->call, NULL);
  if (!call) return;
  call->function(call->argument);
  atomic_store(&call->done, true);
}

// All orders of this round: one flush, then they go.
static void send_held(struct hd_pipeline *p) {
  while (hd_pipeline_holding(p)) {
    int32_t flushed = hd_pipeline_flush(p);
    hd_pipeline_send(p, flushed, hd_clock_wall_ns());
  }
}

static bool trade_once(struct hd_live *live) {
  struct hd_pipeline *p = &live->session->pipeline;
  const struct hadron_venue_report *report;
  bool any = false;
  look_at_venues(live, hd_clock_wall_ns());
  take_call(live);
  for (int i = 0; i < 64 && (report = hd_ring_peek(&live->reports)); i++) {
    hd_pipeline_report(p, report, hd_clock_wall_ns());
    hd_ring_release(&live->reports);
    any = true;
  }
  const struct hadron_adjustment *adjustment;
  while ((adjustment = hd_ring_peek(&live->adjustments))) {
    hd_pipeline_adjust(p, adjustment, hd_clock_wall_ns());
    hd_ring_release(&live->adjustments);
    any = true;
  }
  for (uint32_t s = 0; s < live->session->config->shards; s++)
    for (int i = 0; i < 16 && trade_decisions(live, &live->shards[s]); i++) any = true;
  any |= hd_session_take_placed(live->session, hd_clock_wall_ns());
  hd_pipeline_timer(p, hd_clock_wall_ns());
  send_held(p);
  return any;
}

static void *trade_main(void *argument) {
  struct hd_live *live = argument;
  struct hd_pipeline *p = &live->session->pipeline;
  hd_last_words_stack();
  while (!atomic_load_explicit(&live->trade_stop, memory_order_acquire)) {
    if (trade_once(live)) continue;
    hd_pipeline_stops(p, hd_clock_wall_ns()); // shards do not touch the gateway
    send_held(p);
    int64_t wait = hd_pipeline_next(p) - hd_clock_wall_ns();
    hd_bell_wait(&live->trade_bell, wait < IDLE_NS ? wait : IDLE_NS);
  }
  while (trade_once(live)) continue;
  hd_last_words_unstack();
  atomic_store_explicit(&live->trade_done, true, memory_order_release);
  return NULL;
}

// What this thread empties while it waits for others.
static void serve(struct hd_live *live) {
  take_commands(live); // who is waited for may be waiting for room in the ring that this thread empties
  pass_reports(live);
  sched_yield();
}

void hd_live_call(struct hd_live *live, void (*function)(void *argument), void *argument) {
  if (!live->threads) {
    function(argument);
    hd_runner_settle(&live->session->runner);
    return;
  }
  struct hd_live_call call = {function, argument, false};
  atomic_store(&live->call, &call);
  while (!atomic_load(&call.done)) {
    hd_bell_ring(&live->trade_bell);
    serve(live);
  }
}

void hd_live_meet(struct hd_live *live, struct hd_meeting *m) {
  live->meeting = m;
  atomic_fetch_add_explicit(&live->meetings, 1, memory_order_release);
  while (atomic_load(&m->left) < m->shards) {
    for (uint32_t i = 0; i < m->shards; i++) hd_bell_ring(&live->shards[i].bell);
    serve(live);
  }
}

struct quiet {
  struct hd_live *live;
  void (*function)(void *argument);
  void *argument;
  bool done;
};

// [trade] A shard may be waiting for room in a ring that this thread empties: then it is let go on, and asked again.
static void quiet_now(void *argument) {
  struct quiet *q = argument;
  struct hd_live *live = q->live;
  uint32_t shards = live->session->config->shards;
  atomic_store(&live->hold, HOLD_ALL);
  for (int i = 0; i < 10000 && atomic_load(&live->resting) < shards; i++) {
    for (uint32_t s = 0; s < shards; s++) hd_bell_ring(&live->shards[s].bell);
    sched_yield();
  }
  q->done = atomic_load(&live->resting) == shards;
  if (q->done) q->function(q->argument);
  atomic_store(&live->hold, HOLD_TICKS);
  while (atomic_load(&live->resting) > 0) sched_yield();
}

void hd_live_quiet(struct hd_live *live, void (*function)(void *argument), void *argument) {
  if (!live->threads) {
    hd_live_call(live, function, argument);
    return;
  }
  struct quiet q = {live, function, argument, false};
  atomic_store(&live->hold, HOLD_TICKS);
  while (!q.done) hd_live_call(live, quiet_now, &q);
  atomic_store(&live->hold, HOLD_NONE);
}

// ---- [io] ------------------------------------------------------------------------------------------------------------------------

// Threads: venues are polled here, ticks go to the lanes, and reports to the trading thread.
static void note_offered(struct hd_live *live, uint64_t sequence, uint64_t from, uint64_t to) {
  struct hd_live_offered *o = &live->offered[sequence & (OFFERED - 1)];
  atomic_store_explicit(&o->sequence, 0, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
  atomic_store_explicit(&o->offered, from, memory_order_relaxed);
  atomic_store_explicit(&o->routed, to, memory_order_relaxed);
  atomic_store_explicit(&o->sequence, sequence, memory_order_release);
}

static void io_offer(struct hd_live *live, struct hd_venue *v) {
  struct hd_pipeline *p = &live->session->pipeline;
  while (v->queue_at < v->queue_count) {
    struct hadron_tick tick = v->queue[v->queue_at++];
    tick.recv_ns = hd_clock_wall_ns();
    live->session->runner.ticks++;
    bool measure = measured(&live->normalize_at, live->measure_every);
    uint64_t from = measure || live->offered ? hd_cycles() : 0;
    int32_t code = hd_pipeline_offer(p, &tick, tick.recv_ns);
    uint64_t to = from ? hd_cycles() : 0;
    if (code == HADRON_ERR_FULL) hd_router_lost(&p->router);
    if (measure) hd_histogram_record(&live->normalize, (uint64_t)hd_cycles_to_ns(to - from));
    if (live->offered && code == HADRON_OK) note_offered(live, p->normalize.sequence, from, to);
    if (tick.instrument <= p->instruments.listing_count && tick.instrument > 0)
      hd_bell_ring(&live->shards[p->instruments.rows[p->instruments.listings[tick.instrument].instrument].shard].bell);
  }
  v->queue_at = v->queue_count = 0;
}

static void io_poll(struct hd_live *live, struct hd_venue *v, int64_t now_ns) {
  if (!v->started || (v->next_ns > now_ns && !hd_venue_is(v, HADRON_VENUE_FOLLOWS))) return;
  hd_venue_poll(v, now_ns);
  io_offer(live, v);
}

static void io_threads(struct hd_live *live, int64_t now_ns) {
  struct hd_session *s = live->session;
  struct hd_runner *r = &s->runner;
  r->now_ns = now_ns;
  take_commands(live);
  hd_io_take(r);
  for (uint32_t i = 0; i < s->venue_count; i++) io_poll(live, &s->venues[i], now_ns);
  for (uint32_t arm = 1; r->shadow_venue && arm <= r->shadow_max; arm++) io_poll(live, &r->shadows[arm], now_ns);
  pass_reports(live);
  hd_router_flush(&s->pipeline.router);
}

// One thread: everything due, each at its own time.
static void io_alone(struct hd_live *live, int64_t now_ns) {
  struct hd_runner *r = &live->session->runner;
  if (now_ns > r->now_ns) hd_runner_advance(r, now_ns);
  hd_runner_settle(r);
  while (hd_session_take_placed(live->session, r->now_ns)) hd_runner_settle(r);
}

void hd_live_turn(struct hd_live *live) {
  if (live->threads) io_threads(live, hd_clock_wall_ns());
  else io_alone(live, hd_clock_wall_ns());
  sched_yield();
}

static int64_t io_due(const struct hd_live *live) {
  if (!live->threads) return hd_runner_due(&live->session->runner);
  int64_t first = INT64_MAX;
  const struct hd_runner *r = &live->session->runner;
  for (uint32_t i = 0; i < live->session->venue_count; i++)
    if (live->session->venues[i].started && live->session->venues[i].next_ns < first) first = live->session->venues[i].next_ns;
  for (uint32_t arm = 1; r->shadow_venue && arm <= r->shadow_max; arm++)
    if (r->shadows[arm].started && r->shadows[arm].next_ns < first) first = r->shadows[arm].next_ns;
  return first;
}

static void on_timer(uv_timer_t *timer) { (void)timer; } // on_prepare does the work

static void on_wake(uv_async_t *wake) { (void)wake; }

static void on_outside(uv_poll_t *outside, int status, int events) {
  (void)status;
  (void)events;
  hd_io_look(&((struct hd_live *)outside->data)->session->runner); // on_prepare polls the venues
}

static void on_prepare(uv_prepare_t *prepare) {
  struct hd_live *live = prepare->data;
  int64_t now_ns = hd_clock_wall_ns();
  if (now_ns >= live->end_ns) atomic_store(&live->stop, true);
  if (atomic_load(&live->stop)) {
    uv_stop(live->loop);
    return;
  }
  if (live->threads) io_threads(live, now_ns);
  else io_alone(live, now_ns);
  hd_session_snapshot_due(live->session);
  hd_session_look_placed(live->session);
  int64_t due = io_due(live), wait = due - hd_clock_wall_ns();
  if (due == INT64_MAX || wait > 100000000) wait = 100000000;
  uv_update_time(live->loop);
  uv_timer_start(&live->timer, on_timer, wait <= 0 ? 0 : (uint64_t)(wait + 999999) / 1000000, 0);
}

// ---- services and journal ----------------------------------------------------------------------------------------------------------

static void service_errand(struct hd_live_service *s) {
  struct hd_live_errand *e = atomic_exchange(&s->errand, NULL);
  if (!e) return;
  e->function(e->argument);
  atomic_store(&e->done, true);
}

bool hd_live_service_ask(struct hd_live *live, uint32_t index, struct hd_live_errand *errand) {
  struct hd_live_errand *none = NULL;
  bool taken = atomic_compare_exchange_strong(&live->services[index].errand, &none, errand);
  if (taken) hd_bell_ring(&live->services[index].bell);
  return taken;
}

bool hd_live_service_withdraw(struct hd_live *live, uint32_t index, struct hd_live_errand *errand) {
  return atomic_compare_exchange_strong(&live->services[index].errand, &errand, NULL);
}

static void *service_main(void *argument) {
  struct hd_live_service *s = argument;
  struct hd_session_service *service = s->service;
  hd_last_words_stack();
  while (!atomic_load_explicit(&s->live->stop, memory_order_acquire) && !atomic_load_explicit(&s->hold, memory_order_acquire)) {
    service_errand(s);
    int64_t now_ns = hd_clock_wall_ns();
    hd_calling_begin(service->instance, HD_CALLING_PART);
    service->next_ns = service->api->step(service->instance->self, now_ns);
    hd_calling_end();
    hd_session_service_heard(service);
    int64_t wait = service->next_ns - hd_clock_wall_ns();
    if (wait > 0) hd_bell_wait(&s->bell, wait < 50000000 ? wait : 50000000);
  }
  hd_last_words_unstack();
  return NULL;
}

// ---- life ------------------------------------------------------------------------------------------------------------------------

static int32_t start_thread(pthread_t *thread, bool *running, void *(*entry)(void *), void *argument, const char *name, struct hd_fault *fault) {
  int err = pthread_create(thread, NULL, entry, argument);
  if (err) return hd_fault_set(fault, HADRON_ERR_MEMORY, "thread %s: %s", name, strerror(err));
  pthread_setname_np(*thread, name);
  *running = true;
  return HADRON_OK;
}

static int32_t open_threads(struct hd_live *live, struct hd_fault *fault) {
  struct hd_pipeline *p = &live->session->pipeline;
  uint32_t shards = live->session->config->shards;
  int32_t code = hd_ring_init(&live->commands, sizeof(struct hd_command), HD_COMMAND_RING);
  if (!code) code = hd_ring_init(&live->reports, sizeof(struct hadron_venue_report), HD_REPORT_RING);
  if (!code) code = hd_ring_init(&live->adjustments, sizeof(struct hadron_adjustment), ADJUSTMENT_RING);
  live->shards = aligned_alloc(64, shards * sizeof *live->shards);
  if (code || !live->shards) return hd_fault_set(fault, HADRON_ERR_MEMORY, "rings of %u shards: out of memory", shards);
  memset(live->shards, 0, shards * sizeof *live->shards);
  for (uint32_t i = 0; i < shards; i++) {
    live->shards[i].live = live;
    live->shards[i].index = i;
    if ((code = hd_ring_init(&live->shards[i].decisions, sizeof(struct hd_live_decision), HD_DECISION_RING)))
      return hd_fault_set(fault, code, "decision ring of shard %u", i);
  }
  p->port = (struct hd_venue_port){live, port_submit, port_cancel, port_replace, port_query, port_features, port_state};
  hd_gateway_port(p->gateway, &p->port); // it has its own copy; the shadows' asks for this one
  if ((code = hd_pipeline_apart(p))) return hd_fault_set(fault, code, "the shards' board of %u marks: out of memory", p->marks.max);
  p->looks = true;
  p->listener.decided = on_decided;
  p->listener.feedback = on_feedback;
  live->session->runner.other = live;
  live->session->runner.reports_full = on_reports_full;
  live->session->runner.adjust = on_adjust;
  if (p->costs && !(live->offered = calloc(OFFERED, sizeof *live->offered))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "times of the last ticks: out of memory");
  live->measure_every = p->options.measure_every;
  p->options.measure_every = 0; // that clock belongs to one thread; here each stage is measured on its own, and the whole way apart
  for (uint32_t i = 0; !code && i < shards; i++)
    code = start_thread(&live->shards[i].thread, &live->shards[i].running, shard_main, &live->shards[i], "hd-shard", fault);
  return code ? code : start_thread(&live->trade_thread, &live->trade_running, trade_main, live, "hd-trade", fault);
}

// Before the first order: what does each venue think of our orders, fills and positions? It is not READY until it has said so, and risk
// denies orders to a venue that is not.
static int32_t reconcile_venues(struct hd_session *session, struct hd_fault *fault) {
  for (uint32_t i = 0; i < session->venue_count; i++) {
    struct hd_venue *v = &session->venues[i];
    int32_t code = hd_venue_reconcile(v, fault);
    if (code) return code;
  }
  return HADRON_OK;
}

int32_t hd_live_open(struct hd_live *live, struct hd_session *session, uv_loop_t *loop, int64_t duration_ns, struct hd_fault *fault) {
  memset(live, 0, sizeof *live);
  live->session = session;
  live->loop = loop;
  live->threads = session->config->threads;
  live->end_ns = duration_ns > 0 ? hd_clock_wall_ns() + duration_ns : INT64_MAX;
  session->live = live;
  uv_timer_init(loop, &live->timer);
  uv_async_init(loop, &live->wake, on_wake);
  uv_prepare_init(loop, &live->prepare);
  live->prepare.data = live;
  live->outside.data = live;
  int error = uv_poll_init(loop, &live->outside, session->runner.io.set);
  if (error) return hd_fault_set(fault, HADRON_ERR_IO, "the venues' descriptors: the event loop did not take them: %s; raise fs.epoll.max_user_watches or free memory", uv_strerror(error));
  uv_poll_start(&live->outside, UV_READABLE, on_outside);
  uv_prepare_start(&live->prepare, on_prepare);
  int32_t code = reconcile_venues(session, fault);
  if (!code && live->threads) code = open_threads(live, fault);
  if (!code && session->journal) code = start_thread(&live->journal_thread, &live->journal_running, hd_live_journal, live, "hd-journal", fault);
  live->services = calloc(session->service_count + 1, sizeof *live->services);
  if (!live->services) return hd_fault_set(fault, HADRON_ERR_MEMORY, "services: out of memory");
  for (uint32_t i = 0; !code && i < session->service_count; i++) {
    live->services[i].live = live;
    live->services[i].service = &session->services[i];
    code = start_thread(&live->services[i].thread, &live->services[i].running, service_main, &live->services[i], "hd-service", fault);
  }
  atomic_store(&session->placed_wakes, live);
  return code;
}

void hd_live_run(struct hd_live *live) {
  while (!atomic_load(&live->stop)) uv_run(live->loop, UV_RUN_DEFAULT);
}

void hd_live_stop(struct hd_live *live) {
  atomic_store(&live->stop, true);
  uv_async_send(&live->wake);
}

static void join(pthread_t thread, bool *running, struct hd_bell *bell) {
  if (!*running) return;
  hd_bell_ring(bell);
  pthread_join(thread, NULL);
  *running = false;
}

// No thread is left to make room: this one does.
static void on_feedback_alone(void *self, uint32_t shard) {
  struct hd_session *s = self;
  struct hd_ring *ring = &s->pipeline.feedback[shard];
  if (hd_ring_size(ring) == hd_ring_capacity(ring)) shard_feedback(&s->live->shards[shard]);
}

void hd_live_service_hold(struct hd_live *live, uint32_t index) {
  struct hd_live_service *s = &live->services[index];
  atomic_store(&s->hold, true);
  join(s->thread, &s->running, &s->bell);
}

int32_t hd_live_service_go(struct hd_live *live, uint32_t index, struct hd_fault *fault) {
  struct hd_live_service *s = &live->services[index];
  atomic_store(&s->hold, false);
  return start_thread(&s->thread, &s->running, service_main, s, "hd-service", fault);
}

// The rings are emptied by this thread alone: what was received and decided before the stop still gets its record.
static void drain(struct hd_live *live) {
  struct hd_pipeline *p = &live->session->pipeline;
  p->listener.feedback = on_feedback_alone;
  for (bool more = true, drained = false; more;) {
    while ((more = trade_once(live))) continue;
    take_commands(live);
    pass_reports(live);
    more = hd_ring_size(&live->reports) > 0;
    hd_router_flush(&p->router);
    for (uint32_t i = 0; i < live->session->config->shards; i++)
      while (shard_feedback(&live->shards[i]) || shard_step(&live->shards[i])) {
        more = true;
        while (trade_once(live)) continue;
      }
    if (!more && !drained) {
      hd_session_drain_placed(live->session, false);
      more = drained = true;
    }
  }
}

// Shards first, as long as the trading thread makes room for them; then that one; then what both have left.
static void stop_threads(struct hd_live *live) {
  uint32_t shards = live->session->config->shards;
  for (uint32_t i = 0; i < shards; i++)
    while (live->shards[i].running && !atomic_load(&live->shards[i].quiet)) {
      hd_bell_ring(&live->shards[i].bell);
      sched_yield();
    }
  atomic_store(&live->trade_stop, true);
  join(live->trade_thread, &live->trade_running, &live->trade_bell);
  atomic_store(&live->trade_done, true);
  for (uint32_t i = 0; i < shards; i++) join(live->shards[i].thread, &live->shards[i].running, &live->shards[i].bell);
  drain(live);
}

void hd_live_close(struct hd_live *live) {
  if (!live->session) return;
  atomic_store(&live->stop, true);
  uint32_t shards = live->shards ? live->session->config->shards : 0;
  if (shards) stop_threads(live);
  if (!live->threads) {
    hd_session_drain_placed(live->session, false);
    hd_runner_settle(&live->session->runner);
  }
  atomic_store(&live->session->placed_wakes, NULL);
  while (atomic_load(&live->session->placed_waking) > 0) sched_yield(); // somebody is about to ring this loop
  int64_t end_ns = hd_clock_wall_ns();
  hd_pipeline_look(&live->session->pipeline, end_ns);
  hd_pipeline_sample(&live->session->pipeline, end_ns);
  for (uint32_t i = 0; live->services && i < live->session->service_count; i++)
    join(live->services[i].thread, &live->services[i].running, &live->services[i].bell);
  join(live->journal_thread, &live->journal_running, &live->journal_bell); // one thread at a time maintains the journal
  hd_session_services(live->session, hd_clock_wall_ns(), true);            // the last records reach the services
  uv_prepare_stop(&live->prepare);
  uv_close((uv_handle_t *)&live->prepare, NULL);
  uv_close((uv_handle_t *)&live->timer, NULL);
  if (live->outside.type == UV_POLL) uv_close((uv_handle_t *)&live->outside, NULL); // else it was never made
  uv_close((uv_handle_t *)&live->wake, NULL);
  uv_run(live->loop, UV_RUN_NOWAIT);
  for (uint32_t i = 0; i < shards; i++) {
    hd_histogram_merge(&live->engine, &live->shards[i].engine);
    hd_ring_fini(&live->shards[i].decisions);
    free(live->shards[i].stash);
  }
  if (shards) {
    hd_ring_fini(&live->adjustments);
    hd_ring_fini(&live->commands);
    hd_ring_fini(&live->reports);
  }
  free(live->shards);
  free(live->offered);
  live->shards = NULL;
  live->offered = NULL;
  free(live->services);
  live->session->live = NULL;
  live->session->runner.reports_full = NULL;
  live->session->runner.adjust = NULL;
  live->session = NULL;
}
