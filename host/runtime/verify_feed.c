// What goes in, in the order in which it was handled. With one thread that is the order of the journal, and what an event set off is
// settled before the next one, as the runner does it; what the runner does by the clock alone (time-outs, samples of the books) comes when the
// clock says so. With threads each record is one thread's event: a shard's TICK, TIMER or HEARD, the trading thread's DECISION,
// VENUE_REPORT, MARK, TIMER; decisions and feedback wait in queues until it is their turn.
#include "base/clock.h"
#include "base/text.h"
#include "runtime/placed.h"
#include "runtime/recover.h"
#include "runtime/session_deploy.h"
#include "runtime/verify_internal.h"

// ---- the pipeline's ways out ---------------------------------------------------------------------------------------------------------

static struct hd_verify *of(void *session) { return ((struct hd_session *)session)->options.recorded->self; }

static void on_decided(void *self, uint32_t shard, const struct hadron_decision *decisions, uint32_t count) {
  struct hd_verify *v = of(self);
  v->end.shard_made[shard] += count;
  for (uint32_t i = 0; i < count; i++) {
    struct hd_verify_batch *slot = hd_verify_push(v, &v->decided[shard]);
    if (!slot) return;
    slot->decision = decisions[i];
    slot->last = i + 1 == count;
  }
}

static void stash(struct hd_verify *v, uint32_t shard) {
  struct hd_ring *ring = &v->session->pipeline.feedback[shard];
  const struct hd_feedback *f;
  while ((f = hd_ring_peek(ring))) {
    struct hd_feedback *slot = hd_verify_push(v, &v->heard[shard]);
    if (slot) *slot = *f;
    hd_ring_release(ring);
  }
}

// Told after each piece, and when the ring is full.
static void on_feedback(void *self, uint32_t shard) {
  struct hd_verify *v = of(self);
  struct hd_ring *ring = &v->session->pipeline.feedback[shard];
  if (hd_ring_size(ring) == hd_ring_capacity(ring)) stash(v, shard);
}

static void on_risk(void *self, struct hd_risk *risk, const struct hd_risk_request *request) {
  const struct hd_verify *v = of(self);
  v->options->risk(v->options->user, v->session, risk, request);
}

void hd_verify_listen(struct hd_verify *v) {
  struct hd_pipeline *p = &v->session->pipeline;
  if (v->options->risk) p->listener.risk = on_risk;
  p->port = hd_verify_port;
  p->port.self = v;
  hd_gateway_port(p->gateway, &p->port); // it has its own copy
  if (!v->recorded.recovers) hd_verify_listen_threads(v);
}

void hd_verify_listen_threads(struct hd_verify *v) {
  struct hd_pipeline *p = &v->session->pipeline;
  if (!v->threads || p->board.cells) return;
  if (hd_pipeline_apart(p)) v->code = hd_fault_set(v->fault, HADRON_ERR_MEMORY, "marks of the shards: out of memory");
  p->listener.decided = on_decided;
  p->listener.feedback = on_feedback;
}

// ---- one thread: what is done before and after ----------------------------------------------------------------------------------------

static void settle(struct hd_verify *v) {
  struct hd_pipeline *p = &v->session->pipeline;
  while (!hd_verify_over(v) && hd_pipeline_feedback(p, 0)) continue;
}

static const struct hadron_equity *expected_sample(struct hd_verify *v) {
  const struct hd_verify_record *e = hd_verify_expected(v);
  const struct hadron_equity *equity = e && e->r.template_id == HADRON_MSG_EQUITY ? HD_VERIFY_BLOCK(e, struct hadron_equity) : NULL;
  return equity && equity->arm == 0 ? equity : NULL;
}

// A period without ticks has no sample, and ticks that nobody wanted are in no journal: it says whether there was one.
static void sample_is_due(struct hd_verify *v) {
  struct hd_pipeline *p = &v->session->pipeline;
  const struct hadron_equity *equity = expected_sample(v);
  if (equity && equity->time_ns == p->next_equity_ns && p->sampled == p->normalize.accepted) p->normalize.accepted++;
}

static void now(struct hd_verify *v, int64_t t_ns) {
  if (t_ns > v->now_ns) v->now_ns = t_ns;
  v->session->runner.now_ns = v->now_ns;
}

// The trading side's timers up to a time, each at its own.
static void timers(struct hd_verify *v, int64_t t_ns, bool with) {
  struct hd_pipeline *p = &v->session->pipeline;
  for (int64_t due; !hd_verify_over(v) && ((due = hd_pipeline_next(p)) < t_ns || (with && due == t_ns));) {
    if (due == INT64_MAX) return;
    now(v, due);
    sample_is_due(v);
    hd_pipeline_timer(p, v->now_ns);
    settle(v);
  }
}

static void before(struct hd_verify *v, int64_t t_ns, bool with) {
  if (!v->threads) settle(v);
  if (v->is_virtual) timers(v, t_ns, with); // else their records say when
  now(v, t_ns);
}

// ---- shards --------------------------------------------------------------------------------------------------------------------------

static uint32_t shard_of(const struct hd_verify *v, uint32_t instrument) {
  const struct hd_pipeline *p = &v->session->pipeline;
  return instrument > 0 && instrument <= p->instruments.count ? p->instruments.rows[instrument].shard : 0;
}

static void feed_tick(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_tick *t = HD_VERIFY_BLOCK(r, struct hadron_tick);
  struct hd_pipeline *p = &v->session->pipeline;
  if (!t) return;
  if (t->instrument == 0 || t->instrument > p->instruments.count) {
    v->result->unknown++;
    return;
  }
  // A recorded source's tick comes after what is due by then, a venue's that was polled before it.
  before(v, t->recv_ns, v->recorded_source);
  if (hd_verify_over(v)) return;
  v->ticks[t->sequence & (HD_VERIFY_TICKS - 1)] = *t;
  v->result->ticks++;
  if (v->options->observe) v->options->observe(v->options->user, v->session, HADRON_MSG_TICK, t, sizeof *t, NULL, 0, r->r.time_ns);
  p->normalize.accepted++;
  hd_pipeline_accepted(p, t);
}

static bool timer_same(const struct hadron_timer_fired *a, const struct hadron_timer_fired *b) { return memcmp(a, b, sizeof *a) == 0; }

// The shard whose timer is first, whatever the number of shards.
static bool first_due(const struct hd_pipeline *p, int64_t t_ns, uint32_t *shard) {
  struct hd_due best = {0, 0}, due;
  bool found = false;
  for (uint32_t s = 0; s < p->options.shards; s++)
    if (hd_engine_due(p->engines[s], &due) && due.due_ns <= t_ns && (!found || hd_due_before(due, best))) {
      *shard = s;
      best = due;
      found = true;
    }
  return found;
}

// Timers of instances that are fenced go without a record.
static void feed_timer(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_timer_fired *t = HD_VERIFY_BLOCK(r, struct hadron_timer_fired);
  struct hd_pipeline *p = &v->session->pipeline;
  uint32_t shard = t ? shard_of(v, t->instrument) : 0;
  if (!t) return;
  before(v, t->time_ns, false);
  if (t->instrument == 0) { // the trading thread's own
    if (!v->threads) sample_is_due(v);
    if (t->id == 0) hd_pipeline_timer(p, t->time_ns);
    else if (t->id <= p->instruments.count) hd_pipeline_stop(p, (uint32_t)t->id, t->time_ns);
    return;
  }
  v->timer_fired = false;
  while (!hd_verify_over(v) && !v->timer_fired) {
    if (!v->threads && !first_due(p, t->time_ns, &shard)) break;
    if (!hd_pipeline_fire(p, shard, t->time_ns)) break;
  }
  if (!v->timer_fired) hd_verify_missing(v, r);
  else if (!timer_same(&v->timer, t)) hd_verify_differs(v, r, HADRON_MSG_TIMER, &v->timer, sizeof v->timer);
}

static void feed_heard(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_heard *h = HD_VERIFY_BLOCK(r, struct hadron_heard);
  if (!h || h->shard >= v->config.shards) return;
  stash(v, h->shard);
  for (uint32_t i = 0; i < h->count && !hd_verify_over(v); i++) {
    const struct hd_feedback *f = hd_verify_front(&v->heard[h->shard]);
    if (!f) { // the journal's shard heard more than there was to hear
      hd_verify_missing(v, r);
      return;
    }
    if (hd_verify_was_last(v, r, h->shard)) return;
    struct hd_feedback one = *f;
    hd_verify_pop(&v->heard[h->shard]);
    hd_pipeline_heard(&v->session->pipeline, &one);
  }
}

// ---- trading -------------------------------------------------------------------------------------------------------------------------

// Threads: whose decisions the trading thread took, and when.
static void feed_batch(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_decision *d = HD_VERIFY_BLOCK(r, struct hadron_decision);
  struct hd_verify_queue *q = d ? &v->decided[shard_of(v, d->instrument)] : NULL;
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  const struct hd_verify_batch *next;
  uint32_t count = 0;
  for (bool last = false; q && !last && count < HD_TICK_DECISIONS_MAX && (next = hd_verify_front(q));) {
    batch[count++] = next->decision;
    last = next->last;
    hd_verify_pop(q);
  }
  now(v, r->r.time_ns);
  if (count) hd_pipeline_decisions(&v->session->pipeline, batch, count, r->r.time_ns);
}

static void feed_report(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_venue_report *report = HD_VERIFY_BLOCK(r, struct hadron_venue_report);
  if (!report) return;
  // Reports of one time are handled one after the other before anything that they set off.
  if (!v->threads && r->r.time_ns > v->now_ns) before(v, r->r.time_ns, false);
  now(v, r->r.time_ns);
  if (v->options->observe) v->options->observe(v->options->user, v->session, HADRON_MSG_VENUE_REPORT, report, sizeof *report, NULL, 0, r->r.time_ns);
  hd_pipeline_report(&v->session->pipeline, report, r->r.time_ns);
}

static void feed_mark(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_mark *m = HD_VERIFY_BLOCK(r, struct hadron_mark);
  struct hd_pipeline *p = &v->session->pipeline;
  if (!m || m->instrument == 0 || m->instrument > p->instruments.count) return;
  const struct hd_mark mark = {m->last, m->bid, m->ask, m->event_ns, m->recv_ns, m->sequence, m->state, m->volatility};
  hd_mark_write(&p->marks.cells[m->instrument], &mark);
}

static void feed_adjustment(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_adjustment *a = HD_VERIFY_BLOCK(r, struct hadron_adjustment);
  if (!a) return;
  before(v, r->r.time_ns, true);
  hd_pipeline_adjust(&v->session->pipeline, a, r->r.time_ns);
}

// ---- people --------------------------------------------------------------------------------------------------------------------------

static void set(struct hd_verify *v, const char *assignment) {
  struct hd_fault fault;
  if (!v->options->set) {
    v->code = hd_fault_set(v->fault, HADRON_ERR_UNSUPPORTED, "an operator's `set %s` cannot be carried out here", assignment);
    return;
  }
  (void)v->options->set(v->session, assignment, &fault); // what was refused then is refused now
}

static void clear(struct hd_verify *v, const char *name, int64_t t_ns) {
  for (uint32_t i = 0; i < v->session->venue_count; i++)
    if (strcmp(v->session->venues[i].name, name) == 0) hd_pipeline_clear(&v->session->pipeline, v->session->venues[i].number, name, t_ns);
}

static void feed_operator(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_operator *o = HD_VERIFY_BLOCK(r, struct hadron_operator);
  struct hd_pipeline *p = &v->session->pipeline;
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  char words[4096];
  if (!o) return;
  snprintf(words, sizeof words, "%.*s", (int)size, text);
  before(v, o->time_ns, true);
  if (strncmp(words, "kill: ", 6) == 0) hd_pipeline_kill(p, words + 6, o->uid, o->time_ns);
  else if (strncmp(words, "release: ", 9) == 0) hd_pipeline_release(p, words + 9, o->uid, o->time_ns);
  else if (strncmp(words, "clear: ", 7) == 0) clear(v, words + 7, o->time_ns);
  else if (strncmp(words, "set ", 4) == 0) set(v, words + 4);
}

// What a strategy elsewhere decided is in the journal alone: it goes in where the trading side took it, so many of its decisions at once.
static void feed_placed_decision(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_decision *d = HD_VERIFY_BLOCK(r, struct hadron_decision);
  struct hadron_decision *at = &v->taken[v->taken_count++];
  *at = *d;
  at->id = 0;
  at->flags &= (uint8_t)~HADRON_ORDER_SHADOW;
  if (v->taken_count < v->taken_wanted) return;
  uint32_t count = v->taken_count;
  v->taken_wanted = v->taken_count = 0;
  now(v, v->taken_ns);
  hd_pipeline_decisions(&v->session->pipeline, v->taken, count, v->taken_ns);
}

static bool is_taken(const struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_decision *d = r->r.template_id == HADRON_MSG_DECISION ? HD_VERIFY_BLOCK(r, struct hadron_decision) : NULL;
  return v->taken_wanted > 0 && d && d->arm == v->taken_arm;
}

// The arm's orders were cancelled because it was silent or is fenced; what closes its position is taken from it.
static void feed_placed(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_placed *p = HD_VERIFY_BLOCK(r, struct hadron_placed);
  struct hd_pipeline *pipeline = &v->session->pipeline;
  if (!p || p->arm == 0 || p->arm > pipeline->arm_count) return;
  bool silent = p->change == HADRON_PLACED_SILENT || p->change == HADRON_PLACED_FENCED;
  const struct hd_occupant *o = p->arm <= v->session->arm_count ? v->session->arms[p->arm - 1].occupant : NULL;
  if (p->change == HADRON_PLACED_FENCED && o && o->placed) hd_placed_give_up(o->placed);
  if (p->change == HADRON_PLACED_TAKEN && p->count > 0 && p->count <= HD_TICK_DECISIONS_MAX) {
    before(v, p->time_ns, false);
    v->taken_wanted = (uint32_t)p->count;
    v->taken_count = 0;
    v->taken_arm = p->arm;
    v->taken_ns = p->time_ns;
  } else if (silent && p->action > 1) {
    before(v, p->time_ns, false);
    struct hd_gateway *gateway = pipeline->arms[p->arm].role == HD_ROLE_SHADOW ? pipeline->shadow.gateway : pipeline->gateway;
    if (gateway) hd_gateway_cancel_all(gateway, p->arm, 0, p->time_ns);
  }
}

// A budget of time is measured: who was fenced for it is in the journal alone.
static void feed_alert(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_alert *a = HD_VERIFY_BLOCK(r, struct hadron_alert);
  struct hd_session *s = v->session;
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  if (!a || a->arm == 0 || a->arm > s->arm_count || size < 8 || memcmp(text, "fenced: ", 8) != 0) return;
  struct hd_session_arm *arm = &s->arms[a->arm - 1];
  for (uint32_t i = 0; arm->occupant && i < arm->seat_count; i++) {
    size_t length = strlen(arm->occupant->instances[i].name);
    if (length == size - 8 && memcmp(arm->occupant->instances[i].name, text + 8, length) == 0) arm->seats[i].fenced = 1;
  }
}

// ---- recovery ------------------------------------------------------------------------------------------------------------------------

// The session had made its state from the journal up to here; so does this one. What was under way then goes on as it did.
static void feed_instrument(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_instrument_definition *d = HD_VERIFY_BLOCK(r, struct hadron_instrument_definition);
  if (d) v->code = hd_session_recorded_instrument(v->session, d, v->fault);
}

static void feed_recovered(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_recovered *block = HD_VERIFY_BLOCK(r, struct hadron_recovered);
  if (!block || !v->recorded.recovers) return;
  v->session->runner.now_ns = block->time_ns;
  v->recovered = true;
  v->adopts_to = r->sequence;
  if (hd_session_recover(v->session, NULL, v->fault)) v->code = v->fault->code;
  now(v, block->time_ns);
  hd_verify_listen_threads(v);
}

// ---- versions --------------------------------------------------------------------------------------------------------------------------

static struct hd_verify_change *change_of(struct hd_verify *v, const char *name) {
  struct hd_verify_change *c = v->changes;
  while (c && strncmp(hd_change_name(c->change), name, HADRON_NAME_SIZE) != 0) c = c->next;
  return c;
}

static void change_drop(struct hd_verify *v, struct hd_verify_change *c) {
  struct hd_verify_change **at = &v->changes;
  while (*at != c) at = &(*at)->next;
  *at = c->next;
  if (c->met) hd_change_taken(c->change);
  hd_change_destroy(c->change);
  free(c);
}

static void change_open(struct hd_verify *v, const struct hd_verify_record *r, const struct hadron_deployment *d) {
  struct hd_deployment *want = calloc(1, sizeof *want);
  struct hd_verify_change *c = calloc(1, sizeof *c), *before_it = change_of(v, d->name);
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX] = {NULL};
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  char *copy = strndup(text, size);
  if (before_it) change_drop(v, before_it); // it came to nothing
  int32_t code = want && c && copy ? HADRON_OK : hd_fault_set(v->fault, HADRON_ERR_MEMORY, "a change of %s: out of memory", d->name);
  if (!code) code = hd_deployment_parse(copy, want, v->fault);
  if (!code) {
    hd_text_copy(want->name, sizeof want->name, d->name);
    want->revision = d->revision;
    want->placement = d->placement;
  }
  for (uint32_t i = 0; !code && i < want->arm_count; i++)
    code = hd_verify_plugin(v, HADRON_KIND_STRATEGY, d->name, want->arms[i].version, want->arms[i].digest, &plugins[i]);
  v->session->runner.now_ns = d->time_ns;
  if (!code) code = hd_change_create(v->session, want, plugins, &c->change, v->fault);
  if (!code) code = hd_change_stage(c->change, v->fault);
  if (!code) code = hd_change_open(c->change, v->fault);
  v->session->runner.now_ns = v->now_ns;
  if (!code) {
    c->next = v->changes;
    v->changes = c;
    c = NULL;
  }
  if (c) hd_change_destroy(c->change);
  free(c);
  free(copy);
  free(want);
  if (code && !v->code) v->code = hd_fault_prefix(v->fault, "the change of %s in record %llu: ", d->name, (unsigned long long)r->sequence);
}

// A strategy that has no section gets its seat and its book, or gives them up.
static void seat_found(struct hd_verify *v, const struct hd_verify_record *r, const struct hadron_deployment *d) {
  struct hd_deployment *want = calloc(1, sizeof *want);
  struct hd_session_deployed *row = hd_session_deployed(v->session, d->name);
  const struct hd_plugin *plugin;
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  char *copy = strndup(text, size);
  int32_t code = want && copy ? hd_deployment_parse(copy, want, v->fault) : hd_fault_set(v->fault, HADRON_ERR_MEMORY, "the seat of %s: out of memory", d->name);
  if (!code) {
    hd_text_copy(want->name, sizeof want->name, d->name);
    want->revision = d->revision;
    code = row ? hd_session_own_again(row, want, v->session, v->fault) : hd_session_own_row(v->session, want, &row, v->fault);
  }
  if (!code) code = hd_verify_plugin(v, HADRON_KIND_STRATEGY, d->name, d->version, d->digest, &plugin);
  if (!code) code = hd_session_found(v->session, row, want, plugin, v->fault);
  if (code && !v->code) v->code = hd_fault_prefix(v->fault, "the seat of %s in record %llu: ", d->name, (unsigned long long)r->sequence);
  free(copy);
  free(want);
}

static void seat_close(struct hd_verify *v, const struct hadron_deployment *d) {
  struct hd_session_deployed *row = hd_session_deployed(v->session, d->name);
  if (row) hd_session_unfound(v->session, row);
}

static void feed_deployment(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_deployment *d = HD_VERIFY_BLOCK(r, struct hadron_deployment);
  struct hd_fault fault;
  if (!d) return;
  if (!v->threads) settle(v);
  if (d->stage == HADRON_DEPLOYMENT_START) hd_verify_part_add(v, r);
  if (d->stage == HADRON_DEPLOYMENT_OPEN) change_open(v, r, d);
  v->session->runner.now_ns = d->time_ns;
  if (d->stage == HADRON_DEPLOYMENT_FOUND) seat_found(v, r, d);
  if (d->stage == HADRON_DEPLOYMENT_UNFOUND) seat_close(v, d);
  v->session->runner.now_ns = v->now_ns;
  struct hd_verify_change *c = d->stage == HADRON_DEPLOYMENT_SETTLE ? change_of(v, d->name) : NULL;
  if (!c || !c->met) return;
  v->session->runner.now_ns = d->time_ns;
  hd_pipeline_look(&v->session->pipeline, d->time_ns);
  hd_change_settle(c->change, &fault);
  v->session->runner.now_ns = v->now_ns;
  change_drop(v, c);
}

static void swap_allocator(struct hd_verify *v, const struct hadron_swap *s) {
  const struct hd_plugin *plugin;
  struct hd_part *part = NULL;
  int64_t pause_ns;
  int32_t code = hd_verify_plugin(v, HADRON_KIND_ALLOCATOR, s->name, s->version, s->digest, &plugin);
  if (!code) code = hd_part_create(v->session, s->name, plugin, &part, v->fault);
  if (!code) code = hd_part_stage(part, v->fault);
  if (!code) code = hd_part_commit(part, s->revision, &pause_ns, v->fault);
  hd_part_destroy(part);
  if (code && !v->code) v->code = code;
}

static void feed_swap(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_swap *s = HD_VERIFY_BLOCK(r, struct hadron_swap);
  if (!s || s->stage != HADRON_SWAP_COMMIT) return;
  if (!v->threads) settle(v);
  v->session->runner.now_ns = s->time_ns;
  if (s->kind == HADRON_KIND_ALLOCATOR) swap_allocator(v, s);
  struct hd_venue *venue = s->kind == HADRON_KIND_VENUE && s->arm > 0 && s->arm <= v->session->venue_count ? &v->session->venues[s->arm - 1] : NULL;
  if (venue && hd_venue_is(venue, HADRON_VENUE_FOLLOWS)) hd_venue_blind(venue);
  struct hd_verify_change *c = s->kind == HADRON_KIND_STRATEGY ? change_of(v, s->name) : NULL;
  if (c && !c->met) {
    hd_change_handed(c->change, s->state_size);
    if (hd_change_meet(c->change, v->fault)) v->code = hd_fault_prefix(v->fault, "the change of %s in record %llu: ", s->name, (unsigned long long)r->sequence);
    else c->met = true;
  }
  v->session->runner.now_ns = v->now_ns;
}

// With threads: a shard's own record, at its own place.
static void make_apart(struct hd_verify *v, const struct hd_verify_record *r) {
  v->apart = r;
  feed_swap(v, r);
  if (v->apart) hd_verify_missing(v, r);
  v->apart = NULL;
}

// ---- what should have come out by now --------------------------------------------------------------------------------------------------

static bool is_made(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hd_verify_record *e = hd_verify_expected(v);
  return hd_verify_over(v) || !e || e->sequence > r->sequence;
}

// The round has ended: what waited for its flush went out.
static void feed_sent(struct hd_verify *v, const struct hd_verify_record *r) {
  struct hd_pipeline *p = &v->session->pipeline;
  const struct hadron_order_event *e = p->holds && r->r.template_id == HADRON_MSG_ORDER_EVENT ? HD_VERIFY_BLOCK(r, struct hadron_order_event) : NULL;
  const struct hd_order *first = e && (e->change == HADRON_CHANGE_SEND || e->change == HADRON_CHANGE_SEND_FAIL) ? hd_gateway_held(p->gateway) : NULL;
  if (first && memcmp(&first->request.client_order_id, &e->client_order_id, sizeof e->client_order_id) == 0) hd_pipeline_send(p, HADRON_OK, e->time_ns);
}

// The journal has it and the run does not yet: what waits is tried, in the order in which a runner would come to it.
static void make(struct hd_verify *v, const struct hd_verify_record *r) {
  struct hd_pipeline *p = &v->session->pipeline;
  bool adopted_later = r->r.template_id == HADRON_MSG_ARM && v->recorded.recovers && !v->recovered; // by the recovery, which says so behind them
  if (adopted_later || is_made(v, r)) return;
  if (v->threads && r->r.template_id == HADRON_MSG_DECISION) feed_batch(v, r);
  if (!is_made(v, r) && r->r.template_id == HADRON_MSG_SWAP) feed_swap(v, r);
  if (!v->threads)
    while (!is_made(v, r) && hd_pipeline_feedback(p, 0)) continue;
  if (!is_made(v, r)) feed_sent(v, r);
  // The sample at the end of a run is of no period: the clock stood still before it.
  const struct hadron_equity *sample = is_made(v, r) ? NULL : expected_sample(v);
  bool last = sample && sample->time_ns != p->next_equity_ns;
  if (v->is_virtual && !is_made(v, r) && !last) {
    sample_is_due(v);
    if (hd_pipeline_next(p) <= r->r.time_ns) timers(v, r->r.time_ns, true);
  }
  if (last || (sample && !is_made(v, r))) hd_pipeline_sample(p, sample->time_ns);
  if (!is_made(v, r)) hd_verify_missing(v, r);
}

// What a thread was called with when the host went down.
static bool not_again(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_tick *tick = r->r.template_id == HADRON_MSG_TICK ? HD_VERIFY_BLOCK(r, struct hadron_tick) : NULL;
  const struct hadron_timer_fired *timer = r->r.template_id == HADRON_MSG_TIMER ? HD_VERIFY_BLOCK(r, struct hadron_timer_fired) : NULL;
  uint32_t instrument = tick ? tick->instrument : timer ? timer->instrument : 0;
  if (v->threads && !instrument) return false; // HEARD: piece by piece; the trading thread calls nobody
  return hd_verify_was_last(v, r, v->threads ? shard_of(v, instrument) : 0);
}

void hd_verify_feed(struct hd_verify *v, const struct hd_verify_record *r) {
  if (hd_verify_is_apart(v, r)) {
    make_apart(v, r);
    return;
  }
  if (is_taken(v, r)) {
    feed_placed_decision(v, r);
    return;
  }
  if (hd_verify_is_output(v, r)) {
    make(v, r);
    return;
  }
  if (v->end.dead && not_again(v, r)) return;
  switch (r->r.template_id) {
  case HADRON_MSG_TICK: feed_tick(v, r); break;
  case HADRON_MSG_TIMER: feed_timer(v, r); break;
  case HADRON_MSG_HEARD: feed_heard(v, r); break;
  case HADRON_MSG_VENUE_REPORT: feed_report(v, r); break;
  case HADRON_MSG_MARK: feed_mark(v, r); break;
  case HADRON_MSG_VENUE_STATUS:
    if (v->threads) hd_verify_state(v, r); // one thread: on the way to what must come out next
    break;
  case HADRON_MSG_ADJUSTMENT: feed_adjustment(v, r); break;
  case HADRON_MSG_OPERATOR: feed_operator(v, r); break;
  case HADRON_MSG_DEPLOYMENT: feed_deployment(v, r); break;
  case HADRON_MSG_ALERT: feed_alert(v, r); break;
  case HADRON_MSG_PLACED: feed_placed(v, r); break;
  case HADRON_MSG_INSTRUMENT: feed_instrument(v, r); break;
  case HADRON_MSG_RECOVERED: feed_recovered(v, r); break;
  default: break;
  }
}

void hd_verify_finish(struct hd_verify *v) {
  if (!v->threads && !hd_verify_is_still(v)) settle(v);
  const struct hd_verify_record *left = hd_verify_over(v) ? NULL : hd_verify_expected(v);
  if (left) hd_verify_missing(v, left);
}
