#include "runtime/runner.h"

#include "base/assert.h"
#include "base/calling.h"
#include "base/limits.h"

int32_t hd_runner_init(struct hd_runner *r, struct hd_pipeline *pipeline, struct hd_venue *venues, uint32_t venue_count) {
  *r = (struct hd_runner){.pipeline = pipeline, .venues = venues, .venue_count = venue_count, .tick_limit_ns = INT64_MAX,
                          .tick_limit = UINT64_MAX, .inline_ticks = true};
  for (uint32_t i = 0; i < venue_count; i++) {
    venues[i].runner = r;
    if (!hd_venue_is(&venues[i], HADRON_VENUE_RECORDED)) r->polled[r->polled_count++] = &venues[i];
    r->recorded += hd_venue_is(&venues[i], HADRON_VENUE_RECORDED);
  }
  r->io.set = r->io.bell = -1;
  int32_t code = hd_io_open(&r->io);
  return code ? code : hd_ring_init_lazy(&r->reports, sizeof(struct hadron_venue_report), HD_REPORT_RING);
}

static void follow_all(void *self, const struct hadron_tick *tick) {
  const struct hd_runner *r = self;
  for (uint32_t i = 0; i < r->follower_count; i++) r->followers[i]->api->on_tick(r->followers[i]->self, tick);
}

void hd_runner_follow(struct hd_runner *r, struct hd_venue *v) {
  HD_ASSERT(hd_venue_is(v, HADRON_VENUE_FOLLOWS) && r->follower_count < sizeof r->followers / sizeof *r->followers);
  r->followers[r->follower_count++] = v;
  hd_runner_refollow(r);
}

void hd_runner_refollow(struct hd_runner *r) {
  struct hd_venue *v = r->followers[0];
  if (r->follower_count) r->pipeline->follower = r->follower_count == 1 ? (struct hd_follower){v->self, v->api->on_tick} : (struct hd_follower){r, follow_all};
}

void hd_runner_shadow(struct hd_runner *r, uint32_t arm) {
  HD_ASSERT(arm > 0 && arm <= r->shadow_max && r->polled_count < sizeof r->polled / sizeof *r->polled);
  struct hd_venue *v = &r->shadows[arm];
  HD_ASSERT(v->shadow == arm && v->number == r->shadow_venue);
  r->polled[r->polled_count++] = v;
  hd_runner_follow(r, v);
  if (!atomic_load(&r->shadow_first)) atomic_store(&r->shadow_first, v);
}

void hd_runner_fini(struct hd_runner *r) {
  hd_io_close(&r->io);
  hd_ring_fini(&r->reports);
}

// ---- orders out, reports in ------------------------------------------------------------------------------------------------------

static struct hd_venue *venue_for(struct hd_runner *r, uint16_t number) {
  return number > 0 && number <= r->venue_count ? &r->venues[number - 1] : NULL;
}

// The one line between paper and money: a shadow's order goes to that shadow's market, any other order to none of them.
static struct hd_venue *venue_of_order(struct hd_runner *r, const struct hadron_order *order) {
  bool shadow = (order->flags & HADRON_ORDER_SHADOW) != 0;
  HD_ASSERT(shadow == (r->shadow_venue != 0 && order->venue == r->shadow_venue));
  if (!shadow) return venue_for(r, order->venue);
  return order->arm > 0 && order->arm <= r->shadow_max && r->shadows[order->arm].shadow ? &r->shadows[order->arm] : NULL;
}

static const struct hd_venue *venue_alike(struct hd_runner *r, uint16_t number) {
  const struct hd_venue *shadow = atomic_load_explicit(&r->shadow_first, memory_order_acquire);
  return shadow && shadow->number == number ? shadow : venue_for(r, number);
}

// After a command the venue may have something due: it is polled again once the command is done.
static int32_t port_send(void *self, const struct hadron_order *order, int32_t (*const *call)(void *, const struct hadron_order *),
                         struct hd_venue *v) {
  struct hd_runner *r = self;
  if (!v || !*call || !v->started) return HADRON_ERR_UNSUPPORTED;
  hd_calling_begin(v->instance, HD_CALLING_PART);
  struct hadron_order plain;
  if (__builtin_expect(v->blind && (order->flags & HADRON_ORDER_REDUCE_ONLY), 0)) { // it does not know what there is to reduce; risk has checked it
    plain = *order;
    plain.flags &= (uint8_t)~HADRON_ORDER_REDUCE_ONLY;
    order = &plain;
  }
  int32_t code = (*call)(v->self, order);
  hd_calling_end();
  if (v->next_ns > r->now_ns) v->next_ns = r->now_ns;
  r->touched = true;
  return code;
}

#define PORT(verb)                                                                \
  static int32_t port_##verb(void *self, const struct hadron_order *order) {      \
    struct hd_venue *v = venue_of_order(self, order);                             \
    return v ? port_send(self, order, &v->api->verb, v) : HADRON_ERR_NOT_FOUND;   \
  }
PORT(submit)
PORT(cancel)
PORT(replace)
PORT(query)
#undef PORT

static uint32_t port_features(void *self, uint16_t number) {
  const struct hd_venue *v = venue_alike(self, number);
  return v ? v->api->features : 0;
}

uint32_t hd_runner_state(struct hd_runner *r, uint16_t number) {
  const struct hd_venue *v = venue_alike(r, number);
  if (!v) return HADRON_VENUE_DOWN;
  if (atomic_load_explicit(&v->listing, memory_order_relaxed) && v->state == HADRON_VENUE_READY) return HADRON_VENUE_RECONCILING;
  return atomic_load_explicit(&v->closing, memory_order_relaxed) ? HADRON_VENUE_DEGRADED : v->state;
}

// One thread: orders go by what it is now. Another state than the one before is written down, because it decides about them.
static uint32_t port_state(void *self, uint16_t number) {
  struct hd_runner *r = self;
  uint32_t state = hd_runner_state(r, number);
  if (__builtin_expect(number < sizeof r->seen / sizeof *r->seen && r->seen[number] != state, 0)) {
    r->seen[number] = state;
    hd_pipeline_venue_seen(r->pipeline, number, state, r->now_ns);
  }
  return state;
}

const struct hd_venue_port hd_runner_port = {.submit = port_submit, .cancel = port_cancel, .replace = port_replace, .query = port_query,
                                             .features = port_features, .state = port_state};

// Every shadow market counts its executions from 1, and to the gateway they are one venue: "7.E42".
static void report_shadow(const struct hd_venue *v, struct hadron_venue_report *report) {
  char id[HADRON_VENUE_ID_SIZE] = {0}, digits[10];
  uint32_t at = 0, n = 0;
  report->flags |= HADRON_ORDER_SHADOW;
  if (!report->execution_id[0]) return;
  for (uint32_t arm = v->shadow; arm > 0; arm /= 10) digits[n++] = (char)('0' + arm % 10);
  while (n > 0) id[at++] = digits[--n];
  id[at++] = '.';
  memcpy(id + at, report->execution_id, strnlen(report->execution_id, sizeof id - 1 - at));
  memcpy(report->execution_id, id, sizeof id);
}

void hd_runner_reported(struct hd_runner *r, struct hd_venue *v, const struct hadron_venue_report *report) {
  struct hadron_venue_report *slot;
  hd_ring_rewind(&r->reports); // both sides are this thread
  // A venue that says more than the ring holds in one call is heard in between; nothing is dropped. Only the gateway is entered here,
  // and it queues what it has to say to strategies.
  while (!(slot = hd_ring_reserve(&r->reports))) {
    if (r->reports_full) {
      r->reports_full(r->other);
      continue;
    }
    const struct hadron_venue_report *first = hd_ring_peek(&r->reports);
    hd_pipeline_report(r->pipeline, first, r->now_ns);
    hd_ring_release(&r->reports);
  }
  *slot = *report;
  slot->venue = v->number;
  slot->flags &= (uint8_t)~HADRON_ORDER_SHADOW;
  if (v->shadow) report_shadow(v, slot);
  hd_ring_publish(&r->reports);
  r->touched = true;
}

void hd_runner_adjust(struct hd_runner *r, struct hd_venue *v, const struct hadron_adjustment *adjustment) {
  (void)v;
  if (r->adjust) {
    r->adjust(r->other, adjustment);
    return;
  }
  hd_runner_advance(r, adjustment->time_ns > r->now_ns ? adjustment->time_ns : r->now_ns);
  hd_pipeline_adjust(r->pipeline, adjustment, r->now_ns);
  hd_runner_settle(r);
}

// ---- time ----------------------------------------------------------------------------------------------------------------------

static struct hd_venue *venue_due(struct hd_runner *r, int64_t t_ns) {
  struct hd_venue *first = NULL;
  for (uint32_t i = 0; i < r->polled_count; i++) {
    struct hd_venue *v = r->polled[i];
    if (v->started && v->next_ns <= t_ns && (!first || v->next_ns < first->next_ns)) first = v;
  }
  return first;
}

int64_t hd_runner_due(const struct hd_runner *r) {
  if (__builtin_expect(atomic_load_explicit(&r->io.woken, memory_order_relaxed) | hd_pipeline_holding(r->pipeline), 0)) return r->now_ns;
  int64_t first = hd_pipeline_due(r->pipeline);
  int64_t trade = hd_pipeline_next(r->pipeline);
  if (trade < first) first = trade;
  for (uint32_t i = 0; i < r->polled_count; i++) {
    const struct hd_venue *v = r->polled[i];
    if (v->started && v->next_ns < first) first = v->next_ns;
  }
  return first;
}

static bool settle_reports(struct hd_runner *r) {
  const struct hadron_venue_report *report;
  bool any = false;
  while ((report = hd_ring_peek(&r->reports))) {
    hd_pipeline_report(r->pipeline, report, r->now_ns);
    hd_ring_release(&r->reports);
    any = true;
  }
  return any;
}

// One flush for all orders of the round: of what the venue that was polled last has said.
static void settle_held(struct hd_runner *r) {
  while (hd_pipeline_holding(r->pipeline)) {
    int32_t flushed = hd_pipeline_flush(r->pipeline);
    hd_pipeline_send(r->pipeline, flushed, r->now_ns);
    hd_pipeline_settle(r->pipeline, r->now_ns);
  }
}

// Ticks that a venue queued while it was polled.
static void settle_queue(struct hd_runner *r, struct hd_venue *v) {
  while (v->queue_at < v->queue_count) {
    struct hadron_tick tick = v->queue[v->queue_at++]; // a copy: handling it may poll the venue and move the queue
    if (!r->is_virtual || tick.recv_ns > r->now_ns) tick.recv_ns = r->now_ns;
    r->ticks++;
    hd_pipeline_offer(r->pipeline, &tick, r->now_ns);
    for (uint32_t i = 0; i < r->follower_count; i++)
      if (v != r->followers[i]) r->followers[i]->next_ns = r->now_ns;
    hd_pipeline_settle(r->pipeline, r->now_ns);
  }
  v->queue_at = v->queue_count = 0;
}

__attribute__((noinline)) void hd_runner_settle(struct hd_runner *r) {
  for (;;) {
    bool reports = settle_reports(r);
    hd_pipeline_settle(r->pipeline, r->now_ns);
    if (__builtin_expect(r->pipeline->holds, 0)) settle_held(r);
    if (__builtin_expect(atomic_load_explicit(&r->io.woken, memory_order_relaxed), 0)) hd_io_take(r);
    struct hd_venue *v = venue_due(r, r->now_ns);
    if (v) {
      hd_venue_poll(v, r->now_ns);
      settle_reports(r);
      settle_queue(r, v);
    } else if (!reports) {
      r->touched = false;
      return;
    }
  }
}

void hd_runner_advance(struct hd_runner *r, int64_t t_ns) {
  HD_ASSERT(t_ns >= r->now_ns);
  if (r->now_ns == 0) r->now_ns = t_ns; // a virtual clock begins with the first event, not in 1970
  // Time that has passed is past: what should have been done again and again in an hour that was slept through is done once.
  if (!r->is_virtual) r->now_ns = t_ns;
  for (;;) {
    int64_t due = hd_runner_due(r);
    if (due > t_ns) break;
    if (due > r->now_ns) r->now_ns = due;
    hd_runner_settle(r); // venues and strategies' timers due now
    if (hd_pipeline_next(r->pipeline) <= r->now_ns) {
      hd_pipeline_timer(r->pipeline, r->now_ns);
      hd_runner_settle(r);
      if (r->judge) r->judge(r->judge_of);
    }
  }
  r->now_ns = t_ns;
}

// Whatever may stand in the way of a tick is looked at: the limits of a replay, and what is due before it. False: it is not taken.
__attribute__((noinline)) static bool tick_prepare(struct hd_runner *r, int64_t t_ns) {
  if (r->first_ns == 0) {
    r->first_ns = t_ns;
    if (r->duration_ns > 0 && t_ns + r->duration_ns < r->tick_limit_ns) r->tick_limit_ns = t_ns + r->duration_ns;
  }
  if (t_ns >= r->tick_limit_ns || r->ticks >= r->tick_limit || r->stop) {
    r->held = true;
    return false;
  }
  if (hd_runner_due(r) <= t_ns) hd_runner_advance(r, t_ns);
  return true;
}

// Orders are open: fills that this tick makes are known before strategies see it, they are the older news.
__attribute__((noinline)) static void tick_working(struct hd_runner *r, const struct hadron_tick *tick, int64_t t_ns) {
  hd_pipeline_offer(r->pipeline, tick, t_ns);
  for (uint32_t i = 0; i < r->follower_count; i++) hd_venue_poll(r->followers[i], t_ns);
  settle_reports(r);
  hd_pipeline_settle(r->pipeline, t_ns);
}

// What the runner knows from one tick of a batch to the next: before this time nothing is due and no limit is reached, unless a strategy
// asks for a timer, which the engines are asked. 0: not known.
static inline bool runner_tick(struct hd_runner *r, const struct hadron_tick *tick, int64_t *quiet_ns) {
  struct hd_pipeline *p = r->pipeline;
  int64_t t_ns = tick->recv_ns > r->now_ns ? tick->recv_ns : r->now_ns;
  bool known = t_ns < *quiet_ns && t_ns < hd_pipeline_due(p) && r->ticks < r->tick_limit &&
               !(atomic_load_explicit(&r->io.woken, memory_order_relaxed) | r->stop);
  if (__builtin_expect(!known, 0) && !tick_prepare(r, t_ns)) return false;
  r->now_ns = t_ns;
  r->ticks++;
  int32_t code = HADRON_ERR_AGAIN;
  if (__builtin_expect(hd_pipeline_working(p), 0)) tick_working(r, tick, t_ns);
  else code = hd_pipeline_handle(p, tick, t_ns);
  if (__builtin_expect(hd_pipeline_unsettled(p) || r->touched, 0)) {
    hd_runner_settle(r);
    code = HADRON_ERR_AGAIN;
  }
  p->started = 0;
  if (__builtin_expect(code == HADRON_OK && known, 1)) return true;
  // A tick that was refused does not count for the next sample of the books, which may come to be due by the one after it.
  *quiet_ns = code == HADRON_OK ? hd_runner_due(r) : 0;
  if (r->tick_limit_ns < *quiet_ns) *quiet_ns = r->tick_limit_ns;
  return true;
}

bool hd_runner_tick(struct hd_runner *r, const struct hadron_tick *tick) { return hd_runner_ticks(r, tick, 1) == 1; }

// All that every tick goes through becomes one function here: what calls cost between the rooms is a third of what the rooms cost.
__attribute__((flatten)) uint32_t hd_runner_ticks(struct hd_runner *r, const struct hadron_tick *ticks, uint32_t count) {
  uint32_t taken = 0;
  for (int64_t quiet_ns = 0; taken < count && runner_tick(r, &ticks[taken], &quiet_ns); taken++)
    __builtin_prefetch(&ticks[taken + 9]); // may lie beyond the end: a hint, not a read
  return taken;
}
