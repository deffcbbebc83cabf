#include "pipeline/fold.h"

#include "base/assert.h"
#include "base/banned.h"
#include "pipeline/desk.h"
#include "pipeline/fold_internal.h"

// ---- what a record is about ------------------------------------------------------------------------------------------------------

#define BLOCK(record, type) (record)->block_length < sizeof(struct type) ? NULL : (const struct type *)(record)->bytes

static struct hd_gateway *gateway_of(struct hd_fold *f, uint32_t flags) {
  return flags & HADRON_ORDER_SHADOW ? f->p->shadow.gateway : f->p->gateway;
}

static uint16_t venue_now(const struct hd_fold *f, uint16_t venue) { return venue < HD_VENUES_MAX + 2 ? f->venue_map[venue] : 0; }

static bool instrument_known(struct hd_fold *f, uint32_t instrument) {
  bool known = instrument >= 1 && instrument <= hd_instruments_count(&f->p->instruments);
  f->skipped += !known;
  return known;
}

static struct hd_engine *engine_of(const struct hd_fold *f, uint32_t instrument) { return f->p->engines[f->p->instruments.rows[instrument].shard]; }

// "kill: why" and "release: why"; what was set is the runtime's to know.
static bool text_of(const struct hadron_record *r, char *to, size_t size) {
  uint32_t length;
  if (r->size < r->block_length + sizeof length) return false;
  const char *tail = (const char *)r->bytes + r->block_length;
  memcpy(&length, tail, sizeof length);
  if (length > r->size - r->block_length - sizeof length || length >= size) return false;
  memcpy(to, tail + sizeof length, length);
  to[length] = 0;
  return true;
}

static void on_operator(struct hd_fold *f, const struct hadron_record *r) {
  char text[4096];
  if (!text_of(r, text, sizeof text)) return;
  if (strncmp(text, "kill:", 5) == 0) hd_risk_kill(&f->p->risk);
  else if (strncmp(text, "release:", 8) == 0) hd_risk_release(&f->p->risk);
}

// Names of the venues of the run that wrote it, by number.
static void venues_map(struct hd_fold *f, const struct hadron_record *r) {
  char text[4096], *at = text;
  if (!text_of(r, text, sizeof text)) return;
  memset(f->venue_map, 0, sizeof f->venue_map);
  uint32_t number = 1;
  for (char *name; (name = strsep(&at, " ")) && number <= HD_VENUES_MAX;) {
    if (!*name) continue;
    for (uint32_t i = 0; i < f->options.venue_count; i++)
      if (strcmp(f->options.venues[i], name) == 0) f->venue_map[number] = (uint16_t)(i + 1);
    number++;
  }
  f->venue_map[number] = f->options.shadow_venue;
}

// ---- engines ---------------------------------------------------------------------------------------------------------------------

static void on_tick(struct hd_fold *f, const struct hadron_tick *recorded) {
  struct hd_pipeline *p = f->p;
  struct hadron_tick tick = *recorded;
  if (!instrument_known(f, tick.instrument) || tick.kind < HADRON_TICK_TRADE || tick.kind > HADRON_TICK_STATUS) return;
  tick.venue = venue_now(f, tick.venue);
  f->ticks++;
  if (tick.sequence > p->normalize.sequence) p->normalize.sequence = tick.sequence;
  hd_engine_tick(engine_of(f, tick.instrument), &tick);
  if (tick.recv_ns >= p->next_mark_ns) hd_desk_mark_books(p, tick.recv_ns);
}

static void on_timer(struct hd_fold *f, const struct hadron_timer_fired *fired) {
  if (fired->instrument == 0) return; // the trading thread's own
  if (!instrument_known(f, fired->instrument)) return;
  uint32_t arm = fired->arm <= f->p->options.arm_max ? f->map[fired->arm] : 0;
  if (fired->arm != 0 && arm == 0) return; // somebody who is not there, or has begun anew
  if (!hd_engine_refire(engine_of(f, fired->instrument), fired, arm)) f->timers_lost++;
}

static void deliver(struct hd_fold *f, const struct hd_feedback *piece) {
  struct hd_engine *e = engine_of(f, piece->instrument);
  if (piece->arm == 0) return; // somebody who is not there
  switch (piece->kind) {
  case HADRON_MSG_ALLOCATION: hd_engine_allocation(e, &piece->of.allocation, &piece->view); break;
  case HADRON_MSG_ORDER_EVENT: hd_engine_order_event(e, piece->arm, &piece->of.order_event, &piece->view); break;
  default: hd_engine_view(e, piece->arm, piece->instrument, &piece->view); break;
  }
}

static void deliver_first(struct hd_fold *f, struct hd_fold_shard *s) {
  const struct hd_feedback piece = s->pieces[s->first++];
  if (s->first == s->count) s->first = s->count = 0;
  deliver(f, &piece);
}

// One thread hears at once; a shard when it says so.
static void hear(struct hd_fold *f, const struct hd_feedback *piece) {
  struct hd_fold_shard *s = &f->shards[f->p->instruments.rows[piece->instrument].shard];
  if (f->threads && s->count == s->room) {
    uint32_t room = s->room ? 2 * s->room : 64;
    struct hd_feedback *grown = realloc(s->pieces, room * sizeof *grown);
    if (grown) s->pieces = grown, s->room = room;
  }
  if (!f->threads || s->count == s->room) {
    deliver(f, piece);
    return;
  }
  s->pieces[s->count++] = *piece;
  if (s->owed == 0) return;
  s->owed--;
  deliver_first(f, s);
}

static void on_heard(struct hd_fold *f, const struct hadron_heard *h) {
  if (!f->threads || h->shard >= f->p->options.shards) return;
  struct hd_fold_shard *s = &f->shards[h->shard];
  uint32_t left = h->count;
  for (; left > 0 && s->first < s->count; left--) deliver_first(f, s);
  s->owed = left;
}

void hd_fold_heard(struct hd_fold *f) {
  for (uint32_t i = 0; i < f->p->options.shards; i++) {
    while (f->shards[i].first < f->shards[i].count) deliver_first(f, &f->shards[i]);
    f->shards[i].owed = 0;
  }
}

// What the arm's strategies heard of it, with what it held and worked right then.
static void tell_event(struct hd_fold *f, uint32_t arm, const struct hadron_order_event *event) {
  if (arm == 0 || arm > f->p->options.arm_max || (f->map[arm] == 0 && !f->threads)) return;
  struct hd_feedback piece = {.kind = HADRON_MSG_ORDER_EVENT, .arm = f->map[arm], .instrument = event->instrument, .view = hd_desk_view_of(f->p, arm, event->instrument)};
  piece.of.order_event = *event;
  if (event->arm) piece.of.order_event.arm = f->map[arm];
  hear(f, &piece);
}

static void tell_allocation(struct hd_fold *f, const struct hadron_allocation *a) {
  if (a->arm == 0 || (f->map[a->arm] == 0 && !f->threads)) return;
  struct hd_feedback piece = {.kind = a->flags & 2 ? 0 : HADRON_MSG_ALLOCATION, .arm = f->map[a->arm], .instrument = a->instrument, .view = hd_desk_view_of(f->p, a->arm, a->instrument)};
  piece.of.allocation = *a;
  piece.of.allocation.arm = f->map[a->arm];
  hear(f, &piece);
}

// ---- the trading side ------------------------------------------------------------------------------------------------------------

static void on_intent(struct hd_fold *f, const struct hadron_intent *intent) {
  struct hd_coordinator *c = intent->flags & HADRON_ORDER_SHADOW ? f->p->shadow.coordinator : f->p->desk.coordinator;
  if (c && intent->id > c->intents) c->intents = intent->id;
  f->intents[f->intent_at].intent = intent->id;
  f->intents[f->intent_at].opportunity = intent->opportunity;
  f->intent_at = (f->intent_at + 1) % HD_FOLD_INTENTS;
  enum hd_side side = intent->flags & HADRON_ORDER_SHADOW ? HD_SIDE_SHADOW : HD_SIDE_TRADING;
  if (intent->kind == HADRON_INTENT_CANCEL || !instrument_known(f, intent->instrument) || !hd_portfolio_holds_side(&f->p->portfolio, side, intent->instrument)) return;
  hd_portfolio_mark_side(&f->p->portfolio, side, intent->instrument); // as before every check of risk
  if (side == HD_SIDE_TRADING) hd_risk_equity(&f->p->risk, intent->time_ns);
  else if (f->p->shadow.gateway) hd_risk_equity(f->p->shadow.risk, intent->time_ns);
}

static void on_share(struct hd_fold *f, const struct hadron_order_share *s) {
  struct hd_gateway *g = gateway_of(f, s->flags);
  if (s->kind == HADRON_SHARE_MOVED && g && s->from != s->arm && s->from <= f->p->options.arm_max && s->arm <= f->p->options.arm_max)
    hd_gateway_reassign(g, s->from, s->arm, s->instrument);
  if (s->kind != HADRON_SHARE_PART) return;
  if (memcmp(&s->client_order_id, &f->part_id, sizeof f->part_id) != 0) f->part_count = 0;
  f->part_id = s->client_order_id;
  if (f->part_count < HD_SHARES_MAX) f->parts[f->part_count++] = (struct hd_share){.arm = s->arm, .ordered = s->quantity};
}

static int32_t on_order(struct hd_fold *f, const struct hadron_order *recorded, int64_t now_ns, struct hd_fault *fault) {
  struct hd_gateway *g = gateway_of(f, recorded->flags);
  struct hadron_order order = *recorded;
  uint64_t opportunity = 0;
  uint32_t parts = memcmp(&f->part_id, &order.client_order_id, sizeof f->part_id) == 0 ? f->part_count : 0;
  f->part_count = 0;
  if (!g || !instrument_known(f, order.instrument)) return HADRON_OK;
  order.venue = venue_now(f, order.venue);
  order.listing = hd_instruments_at(&f->p->instruments, order.instrument, order.venue);
  for (int i = 0; i < HD_FOLD_INTENTS; i++)
    if (f->intents[i].intent == order.intent) opportunity = f->intents[i].opportunity;
  uint32_t arms[HD_SHARES_MAX] = {order.arm};
  for (uint32_t i = 0; i < parts && i < HD_SHARES_MAX; i++) arms[i] = f->parts[i].arm;
  bool found = order.intent == 0; // at a venue: risk never saw it
  if (!(order.flags & HADRON_ORDER_SHADOW) && !found) hd_risk_fold_order(&f->p->risk, arms, parts ? parts : 1, order.instrument, now_ns);
  int32_t code = hd_gateway_fold_order(g, &order, opportunity, f->parts, parts, now_ns);
  if (code == HADRON_ERR_FULL)
    return hd_fault_set(fault, code, "recovery: order %.24s: expected room for it, found gateway.orders_max = %u open orders, or gateway.ids_max ids of a day; raise what is too low",
                        order.client_order_id.hex, f->p->options.gateway.orders_max);
  f->differences += code != HADRON_OK;
  return HADRON_OK;
}

// The disk was full when the shares of the last execution were to be written: they were booked all the same.
static void share_out(struct hd_fold *f, int64_t now_ns) {
  struct hd_gateway *g = gateway_of(f, f->executed_shadow ? HADRON_ORDER_SHADOW : 0);
  struct hadron_allocation rest[HD_SHARES_MAX];
  uint32_t count = f->executed_open && g ? hd_gateway_fold_unshared(g, &f->execution, f->told, rest) : 0;
  for (uint32_t i = 0; i < count; i++) {
    rest[i].time_ns = now_ns;
    if (hd_portfolio_allocate(&f->p->portfolio, &rest[i])) f->differences++;
    else tell_allocation(f, &rest[i]);
  }
  f->told += count;
}

static void on_event(struct hd_fold *f, const struct hadron_order_event *recorded) {
  struct hd_gateway *g = gateway_of(f, recorded->flags);
  struct hadron_order_event e = *recorded;
  if (!g || e.instrument > hd_instruments_count(&f->p->instruments)) return;
  e.venue = venue_now(f, e.venue);
  hd_gateway_fold_event(g, &e);
  if (memcmp(&e.client_order_id, &f->executed, sizeof f->executed) == 0) {
    share_out(f, e.time_ns);
    f->executed_open = false;
  }
  if (e.instrument == 0) return;
  if (e.arm != 0) {
    tell_event(f, e.arm, &e);
    return;
  }
  const struct hd_order *order = hd_gateway_order(g, &e.client_order_id);
  struct hd_share shares[HD_SHARES_MAX];
  uint32_t count = order ? order->share_count : 0;
  if (order) memcpy(shares, order->shares, count * sizeof *shares);
  for (uint32_t i = 0; i < count; i++) tell_event(f, shares[i].arm, &e);
}

static void on_execution(struct hd_fold *f, const struct hadron_execution *recorded, int64_t now_ns) {
  struct hd_gateway *g = gateway_of(f, recorded->flags);
  struct hadron_execution e = *recorded;
  if (!g || e.quantity.e8 <= 0) return;
  share_out(f, now_ns);
  e.venue = venue_now(f, e.venue);
  f->nothing = hd_gateway_fold_execution(g, &e, now_ns) ? 0 : e.id;
  f->execution = e;
  f->executed = e.client_order_id;
  f->executed_open = !(e.flags & 2);
  f->executed_bust = e.flags & 1;
  f->executed_shadow = e.flags & HADRON_ORDER_SHADOW;
  f->told = 0;
}

static bool allocation_booked(const struct hadron_allocation *a, uint32_t arm_max) {
  bool shadow = a->flags & HADRON_ORDER_SHADOW;
  return a->id != 0 && a->arm <= arm_max && !(shadow && a->arm == 0); // refused then, or nobody's
}

static void on_allocation(struct hd_fold *f, const struct hadron_allocation *recorded) {
  struct hd_pipeline *p = f->p;
  struct hadron_allocation a = *recorded;
  bool shadow = a.flags & HADRON_ORDER_SHADOW;
  const struct hd_gateway *g = gateway_of(f, a.flags);
  if (a.execution && a.execution == f->nothing) return; // what it takes back was never booked here
  if (g && !hd_gateway_fold_knows(g, a.execution)) return; // the disk had no room for the execution: the venue's list has it
  f->told += a.execution != 0;
  if (!instrument_known(f, a.instrument) || !allocation_booked(&a, p->options.arm_max)) return;
  const struct hd_position like = {.quantity = a.position, .cost = a.cost};
  enum hd_side side = shadow ? HD_SIDE_SHADOW : HD_SIDE_TRADING;
  p->portfolio.sides[side].allocations = a.id - 1;
  int32_t code = shadow && (a.flags & 2) ? hd_portfolio_mirror(&p->portfolio, &like, &a) : hd_portfolio_allocate(&p->portfolio, &a);
  if (code || a.position.e8 != recorded->position.e8 || a.cost.micros != recorded->cost.micros) f->differences++;
  if (p->portfolio.sides[side].allocations < recorded->id) p->portfolio.sides[side].allocations = recorded->id;
  if (!(a.flags & 2)) {
    hd_portfolio_mark_side(&p->portfolio, side, a.instrument);
    if (!shadow) hd_risk_equity(&p->risk, a.time_ns);
    else if (p->shadow.gateway) hd_risk_equity(p->shadow.risk, a.time_ns);
  }
  tell_allocation(f, &a);
}

static void on_adjustment(struct hd_fold *f, const struct hadron_adjustment *a) {
  struct hd_pipeline *p = f->p;
  if (!instrument_known(f, a->instrument)) return;
  if (hd_portfolio_adjust(&p->portfolio, a)) f->differences++;
  for (uint32_t arm = 1; arm <= p->arm_count; arm++) {
    const struct hd_feedback piece = {.arm = f->map[arm], .instrument = a->instrument, .view = hd_desk_view_of(p, arm, a->instrument)};
    if (piece.arm || f->threads) hear(f, &piece);
  }
}

static void on_report(struct hd_fold *f, const struct hadron_venue_report *recorded, int64_t now_ns) {
  struct hd_gateway *g = gateway_of(f, recorded->flags);
  struct hadron_venue_report r = *recorded;
  f->report_open = false;
  if (recorded->change >= HADRON_CHANGE_POSITION) return; // of no order: the next list says it anew
  r.venue = venue_now(f, r.venue);
  r.listing = 0; // of that run; nothing here asks for it
  if (g) hd_gateway_fold_report(g, &r, now_ns);
  f->report = r;
  f->report_open = g != NULL;
}

static void on_decision(struct hd_fold *f, const struct hadron_decision *d) {
  struct hd_desk *desk = d->flags & HADRON_ORDER_SHADOW ? &f->p->shadow : &f->p->desk;
  if (d->id > desk->decisions) desk->decisions = d->id;
  f->decisions[f->decision_at] = *d;
  f->decision_at = (f->decision_at + 1) % HD_FOLD_DECISIONS;
}

static const struct hadron_decision *decision_of(const struct hd_fold *f, struct hd_coordinator *c, uint64_t id) {
  for (uint32_t i = 1; i <= HD_FOLD_DECISIONS; i++) {
    const struct hadron_decision *d = &f->decisions[(f->decision_at - i) % HD_FOLD_DECISIONS];
    if (d->id == id) return d;
  }
  return hd_coordinator_waits(c, id);
}

// Its contributions say which decisions wait for an order to end.
static void on_opportunity(struct hd_fold *f, const struct hadron_record *r, const struct hadron_opportunity *o) {
  struct hd_coordinator *c = o->id > HADRON_SHADOW_ID ? f->p->shadow.coordinator : f->p->desk.coordinator;
  struct hadron_group_header header;
  const char *at = (const char *)r->bytes + r->block_length, *end = (const char *)r->bytes + r->size;
  if (!c) return;
  if (o->id > c->opportunities) c->opportunities = o->id;
  if (at + sizeof header > end) return;
  memcpy(&header, at, sizeof header);
  at += sizeof header;
  for (uint32_t i = 0; i < header.count && header.block_length >= sizeof(struct hadron_contribution) && at + header.block_length <= end; i++, at += header.block_length) {
    struct hadron_contribution part;
    memcpy(&part, at, sizeof part);
    const struct hadron_decision *d = decision_of(f, c, part.decision);
    if (d == NULL) continue;
    const struct hadron_decision copy = *d; // it may be one of those that wait
    hd_coordinator_fold(c, &copy, part.flags & 2);
  }
}

// A strategy got another version, with a state that is in no record.
static void on_swap(struct hd_fold *f, const struct hadron_swap *s) {
  if (s->stage != HADRON_SWAP_COMMIT || s->kind != HADRON_KIND_STRATEGY || s->state_size == 0) return;
  for (uint32_t arm = 1; arm <= f->arm_count; arm++) {
    const struct hadron_arm_definition *d = &f->definitions[arm];
    if (strncmp(d->name, s->name, sizeof d->name) == 0 && memcmp(d->digest, s->digest, sizeof d->digest) == 0) f->stateless[arm] = true;
  }
}

static void on_alert(struct hd_fold *f, const struct hadron_record *r, const struct hadron_alert *a) {
  char text[600];
  if (a->arm == 0 || a->arm > f->p->options.arm_max || f->map[a->arm] == 0 || !instrument_known(f, a->instrument)) return;
  if (text_of(r, text, sizeof text) && strncmp(text, "fenced: ", 8) == 0) hd_engine_fence(engine_of(f, a->instrument), f->map[a->arm], a->instrument);
}

// ---- one record ------------------------------------------------------------------------------------------------------------------

// Is it of what the trading thread does? Then the report before it has been heard.
static bool is_of_trading(uint16_t template_id) {
  switch (template_id) {
  case HADRON_MSG_DECISION:
  case HADRON_MSG_OPPORTUNITY:
  case HADRON_MSG_INTENT:
  case HADRON_MSG_ORDER:
  case HADRON_MSG_SHARE:
  case HADRON_MSG_ORDER_EVENT:
  case HADRON_MSG_EXECUTION:
  case HADRON_MSG_ALLOCATION:
  case HADRON_MSG_ADJUSTMENT: return true;
  default: return false;
  }
}

#define WITH(type, call)                      \
  do {                                        \
    const struct type *m = BLOCK(r, type);    \
    if (m) call;                              \
    else f->skipped++;                        \
    return HADRON_OK;                         \
  } while (0)

int32_t hd_fold_record(struct hd_fold *f, const struct hadron_record *r, struct hd_fault *fault) {
  f->records++;
  if (r->time_ns > f->last_ns) f->last_ns = r->time_ns;
  if (is_of_trading(r->template_id)) {
    f->report_open = false;
    // A run without the record: written before there was one. Its arms hold from its first deed on.
    int32_t code = f->begun ? hd_fold_settle(f, fault) : HADRON_OK;
    if (code) return code;
  }
  switch (r->template_id) {
  case HADRON_MSG_TICK: WITH(hadron_tick, on_tick(f, m));
  case HADRON_MSG_HEARD: WITH(hadron_heard, on_heard(f, m));
  case HADRON_MSG_TIMER: WITH(hadron_timer_fired, on_timer(f, m));
  case HADRON_MSG_DECISION: WITH(hadron_decision, on_decision(f, m));
  case HADRON_MSG_OPPORTUNITY: WITH(hadron_opportunity, on_opportunity(f, r, m));
  case HADRON_MSG_INTENT: WITH(hadron_intent, on_intent(f, m));
  case HADRON_MSG_SHARE: WITH(hadron_order_share, on_share(f, m));
  case HADRON_MSG_ORDER_EVENT: WITH(hadron_order_event, on_event(f, m));
  case HADRON_MSG_EXECUTION: WITH(hadron_execution, on_execution(f, m, r->time_ns));
  case HADRON_MSG_ALLOCATION: WITH(hadron_allocation, on_allocation(f, m));
  case HADRON_MSG_ADJUSTMENT: WITH(hadron_adjustment, on_adjustment(f, m));
  case HADRON_MSG_VENUE_REPORT: WITH(hadron_venue_report, on_report(f, m, r->time_ns));
  case HADRON_MSG_SWAP: WITH(hadron_swap, on_swap(f, m));
  case HADRON_MSG_ALERT: WITH(hadron_alert, on_alert(f, r, m));
  case HADRON_MSG_OPERATOR: on_operator(f, r); return HADRON_OK;
  case HADRON_MSG_ORDER:
    if (r->block_length >= sizeof(struct hadron_order)) return on_order(f, r->bytes, r->time_ns, fault);
    break;
  case HADRON_MSG_ARM:
    if (r->block_length >= sizeof(struct hadron_arm_definition)) return hd_fold_arm(f, r->bytes, fault);
    break;
  case HADRON_MSG_SESSION:
    if (r->block_length >= sizeof(struct hadron_session) && !(((const struct hadron_session *)r->bytes)->flags & 1)) {
      const struct hadron_session *session = r->bytes;
      hd_fold_heard(f); // nobody was left to hear it
      f->threads = (session->flags & 2) && session->shards == f->p->options.shards;
      hd_fold_session(f);
    }
    return HADRON_OK;
  case HADRON_MSG_RECOVERED:
    venues_map(f, r);
    return f->begun ? hd_fold_settle(f, fault) : HADRON_OK;
  default: return HADRON_OK; // nothing of it is kept
  }
  f->skipped++;
  return HADRON_OK;
}

// ---- beginning -------------------------------------------------------------------------------------------------------------------

int32_t hd_fold_begin(struct hd_fold *f, struct hd_pipeline *p, const struct hd_fold_options *options, struct hd_fault *fault) {
  uint32_t rows = p->options.arm_max + 1;
  *f = (struct hd_fold){.p = p, .options = *options, .arm_count = p->arm_count};
  HD_ASSERT(p->options.arm_max <= HD_ARMS_MAX);
  f->arms = calloc(rows, sizeof *f->arms);
  f->definitions = calloc(rows, sizeof *f->definitions);
  f->pending = calloc(rows, sizeof *f->pending);
  f->map = calloc(rows, sizeof *f->map);
  f->stateless = calloc(rows, sizeof *f->stateless);
  f->decisions = calloc(HD_FOLD_DECISIONS, sizeof *f->decisions);
  f->shards = calloc(p->options.shards, sizeof *f->shards);
  if (!f->shards || !f->decisions || !f->arms || !f->definitions || !f->pending || !f->map || !f->stateless) return hd_fault_set(fault, HADRON_ERR_MEMORY, "recovery: tables of %u arms: out of memory", rows);
  struct hd_portfolio empty;
  int32_t code = hd_portfolio_init(&empty, &p->instruments, &p->marks, p->options.arm_max, p->options.cash);
  if (code) return hd_fault_set(fault, code, "recovery: books of %u arms: out of memory", rows);
  f->fresh = p->portfolio;
  p->portfolio = empty;
  memcpy(f->arms, p->arms, rows * sizeof *f->arms);
  memcpy(f->definitions, p->definitions, rows * sizeof *f->definitions);
  memset(p->arms, 0, rows * sizeof *p->arms);
  memset(p->definitions, 0, rows * sizeof *p->definitions);
  p->arm_count = 0;
  for (uint32_t i = 1; i <= options->venue_count; i++) f->venue_map[i] = (uint16_t)i; // of a journal that does not name them
  if (options->venue_count + 1 < HD_VENUES_MAX + 2) f->venue_map[options->venue_count + 1] = options->shadow_venue;
  hd_fold_feed(f);
  return HADRON_OK;
}

void hd_fold_fini(struct hd_fold *f) {
  if (f->fresh.books) hd_portfolio_fini(&f->fresh);
  free(f->arms);
  free(f->definitions);
  free(f->pending);
  free(f->map);
  free(f->stateless);
  free(f->decisions);
  for (uint32_t i = 0; f->shards && i < f->p->options.shards; i++) free(f->shards[i].pieces);
  free(f->shards);
  *f = (struct hd_fold){0};
}
