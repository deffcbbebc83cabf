// One merge runs in three steps, each of which only plans until the last: complete the decisions and set aside what must wait; let the
// allocator merge; then write the opportunity, which names what will come of it, and after it the crosses and the intents. An intent
// can come back as an order event before the merge is over (a venue that answers at once); such events only set `woken`.
#include "pipeline/coordinator.h"

#include "base/assert.h"
#include "base/calling.h"
#include "hadron/decimal.h"
#include "pipeline/image.h"

#define MAX HADRON_MERGE_DECISIONS_MAX
_Static_assert(offsetof(struct hd_coordinator, log.entries) - offsetof(struct hd_coordinator, log) >= sizeof(struct hadron_group_header),
               "group and entries");
_Static_assert(MAX <= 64, "the shares of a leg are a set in one word");

enum { CONTRIBUTION_CROSSED = 1, CONTRIBUTION_WAITS = 2 };

static int64_t clamp(hadron_int128 x) { return x > INT64_MAX ? INT64_MAX : x < -INT64_MAX ? -INT64_MAX : (int64_t)x; }

static const struct hd_arm *arm_of(const struct hd_coordinator *c, const struct hadron_decision *d) { return &c->arms[d->arm]; }

// Is the decision this desk's business?
static bool decision_here(const struct hd_coordinator *c, const struct hadron_decision *d) {
  return (arm_of(c, d)->role == HD_ROLE_SHADOW) == c->shadow;
}

static uint8_t mark(const struct hd_coordinator *c) { return c->shadow ? HADRON_ORDER_SHADOW : 0; }

// --- the waiting table ---

static bool waiting_same(const struct hadron_decision *a, const struct hadron_decision *b) {
  return a->arm == b->arm && a->instrument == b->instrument && a->kind == b->kind &&
         (a->kind != HADRON_DECISION_WORK || a->slot == b->slot);
}

static void waiting_remove(struct hd_coordinator *c, uint32_t at) {
  c->waiting_count--;
  memmove(&c->waiting[at], &c->waiting[at + 1], (c->waiting_count - at) * sizeof *c->waiting);
}

static void waiting_supersede(struct hd_coordinator *c, const struct hadron_decision *d) {
  for (uint32_t i = c->waiting_count; i-- > 0;)
    if (waiting_same(&c->waiting[i].decision, d)) waiting_remove(c, i);
}

static void waiting_add(struct hd_coordinator *c, const struct hadron_decision *d) {
  waiting_supersede(c, d);
  if (c->waiting_count == HD_WAITING_MAX) c->errors++;
  else c->waiting[c->waiting_count++] = (struct hd_waiting){.decision = *d};
}

static struct hd_waiting *waiting_find(struct hd_coordinator *c, uint64_t decision) {
  for (uint32_t i = 0; i < c->waiting_count; i++)
    if (c->waiting[i].decision.id == decision) return &c->waiting[i];
  return NULL;
}

// It has waited before.
static void waiting_again(struct hd_coordinator *c, uint64_t decision, uint32_t tries) {
  struct hd_waiting *w = waiting_find(c, decision);
  if (w) w->tries = tries + 1;
}

// --- what a decision asks for ---

static bool decision_valid(const struct hd_coordinator *c, const struct hadron_decision *d) {
  return d->arm >= 1 && d->arm <= c->arm_max && d->instrument >= 1 && d->instrument <= hd_instruments_count(c->instruments) &&
         d->kind >= HADRON_DECISION_SIDE && d->kind <= HADRON_DECISION_WORK;
}

static void decision_complete(const struct hd_coordinator *c, struct hadron_decision *d) {
  if (d->kind == HADRON_DECISION_SIDE && d->quantity.e8 == 0) d->quantity = arm_of(c, d)->size;
  if (d->order_type == 0) {
    if (d->stop.nanos) d->order_type = d->limit.nanos ? HADRON_ORDER_STOP_LIMIT : HADRON_ORDER_STOP;
    else d->order_type = d->limit.nanos ? HADRON_ORDER_LIMIT : HADRON_ORDER_MARKET;
  }
  if (d->time_in_force == 0) d->time_in_force = d->order_type == HADRON_ORDER_MARKET ? HADRON_TIF_IOC : HADRON_TIF_DAY;
}

static int64_t decision_side(const struct hadron_decision *d, int64_t quantity) {
  return d->side == HADRON_SIDE_BUY ? quantity : d->side == HADRON_SIDE_SELL ? -quantity : 0;
}

// Signed, by the arm alone: before weights.
static int64_t decision_wanted(const struct hadron_decision *d, const struct hadron_standing *s) {
  if (d->kind != HADRON_DECISION_TARGET) return decision_side(d, d->quantity.e8);
  return clamp((hadron_int128)d->quantity.e8 - s->position.e8 - s->working.e8);
}

static void standing_fill(const struct hd_coordinator *c, const struct hadron_decision *d, struct hadron_standing *s) {
  struct hadron_quantity buy = {0}, sell = {0};
  hd_gateway_working(c->gateway, d->arm, d->instrument, false, &buy, &sell);
  *s = (struct hadron_standing){.weight = arm_of(c, d)->weight, .role = arm_of(c, d)->role,
                                .position = hd_portfolio_position(c->portfolio, d->arm, d->instrument)->quantity,
                                .working = {buy.e8 - sell.e8}};
}

// --- step one: what must be cancelled or must wait first ---

static bool order_cancellable(const struct hd_order *o) {
  if (o->held == HD_HOLD_WAITING) return true; // a stop that the host holds: nothing waits for a venue
  return o->state == HADRON_STATE_SUBMITTED || o->state == HADRON_STATE_ACCEPTED || o->state == HADRON_STATE_PARTIALLY_FILLED;
}

static bool order_settled(const struct hd_order *o) {
  return o->state == HADRON_STATE_ACCEPTED || o->state == HADRON_STATE_PARTIALLY_FILLED;
}

static bool order_of_arm(const struct hd_order *o, uint32_t arm) {
  for (uint32_t i = 0; i < o->share_count; i++)
    if (o->shares[i].arm == arm) return true;
  return false;
}

static void plan_cancel(struct hd_coordinator *c, const struct hd_order *o, const struct hadron_decision *lead) {
  const struct hadron_client_order_id *id = &o->request.client_order_id;
  for (uint32_t i = 0; i < c->cancel_count; i++)
    if (memcmp(&c->cancels[i], id, sizeof *id) == 0) return;
  if (c->cancel_count == MAX || !order_cancellable(o)) return; // the rest once these have ended
  c->leads[c->cancel_count] = *lead;
  c->cancels[c->cancel_count++] = *id;
}

// Which side of the arm's working orders stands against its TARGET: 0 none.
static uint32_t target_wrong_side(const struct hd_coordinator *c, const struct hadron_decision *d) {
  struct hadron_quantity buy = {0}, sell = {0};
  int64_t lot = c->instruments->rows[d->instrument].lot.e8, target = hadron_weigh(d->quantity.e8, arm_of(c, d)->weight, lot);
  hd_gateway_working(c->gateway, d->arm, d->instrument, false, &buy, &sell);
  int64_t position = hd_portfolio_position(c->portfolio, d->arm, d->instrument)->quantity.e8;
  hadron_int128 want = (hadron_int128)target - position - buy.e8 + sell.e8;
  if (want >= lot && sell.e8 > 0) return HADRON_SIDE_SELL;
  return want <= -lot && buy.e8 > 0 ? HADRON_SIDE_BUY : 0;
}

static bool target_waits(struct hd_coordinator *c, const struct hadron_decision *d) {
  uint32_t wrong = target_wrong_side(c, d);
  if (!wrong) return false;
  for (const struct hd_order *o = hd_gateway_first(c->gateway); o; o = hd_gateway_next(c->gateway, o))
    if (o->request.instrument == d->instrument && o->request.slot == 0 && o->request.side == wrong && order_of_arm(o, d->arm))
      plan_cancel(c, o, d);
  waiting_add(c, d);
  return true;
}

// A WORK without quantity takes its order back; an order that the venue has not answered for is taken back when it has.
static bool work_withdraws(struct hd_coordinator *c, const struct hadron_decision *d) {
  if (hadron_weigh(d->quantity.e8, arm_of(c, d)->weight, c->instruments->rows[d->instrument].lot.e8) != 0) return false;
  const struct hd_order *o = hd_gateway_slot(c->gateway, d->arm, d->instrument, (uint8_t)d->slot);
  if (!o || o->state == HADRON_STATE_PENDING_CANCEL) return true;
  if (order_cancellable(o)) plan_cancel(c, o, d);
  else waiting_add(c, d);
  return true;
}

// Is a later decision of the group the same arm's newer word on the same thing?
static bool group_superseded(const struct hadron_decision *const *group, uint32_t count, uint32_t at) {
  for (uint32_t i = at + 1; group[at]->kind != HADRON_DECISION_SIDE && i < count; i++)
    if (waiting_same(group[at], group[i])) return true;
  return false;
}

// Fills the allocator's input and the contributions. Arms of the other desk leave no trace here.
static void group_plan(struct hd_coordinator *c, const struct hadron_decision *const *group, uint32_t count) {
  c->input.count = c->log.header.count = 0;
  c->cancel_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!decision_here(c, group[i])) continue;
    struct hadron_decision *d = &c->decisions_buffer[c->input.count];
    struct hadron_standing *s = &c->standings[c->input.count];
    *d = *group[i];
    d->flags &= (uint8_t)~HADRON_ORDER_SHADOW; // allocators need not know of it
    decision_complete(c, d);
    standing_fill(c, d, s);
    uint32_t at = c->log.header.count++;
    c->log.entries[at] = (struct hadron_contribution){.trace = d->trace, .decision = d->id, .arm = d->arm, .weight = s->weight,
                                                      .wanted = {decision_wanted(d, s)}};
    c->decisions++;
    if (group_superseded(group, count, i)) continue;
    if (d->kind != HADRON_DECISION_SIDE) waiting_supersede(c, d);
    uint32_t waiting = c->waiting_count;
    bool later = (d->kind == HADRON_DECISION_TARGET && target_waits(c, d)) || (d->kind == HADRON_DECISION_WORK && work_withdraws(c, d));
    if (c->waiting_count > waiting) c->log.entries[at].flags |= CONTRIBUTION_WAITS;
    if (later) continue;
    c->contribution_of[c->input.count++] = at;
  }
}

// --- step two: the allocator ---

static void market_fill(struct hd_coordinator *c, uint32_t instrument, const struct hd_mark *mark) {
  const struct hd_instrument *row = &c->instruments->rows[instrument];
  uint32_t whole = c->shadow ? c->decisions_buffer[0].arm : 0; // a shadow is alone with the market
  const struct hd_position *position = hd_portfolio_position(c->portfolio, whole, instrument);
  c->market = (struct hadron_market){.sequence = mark->sequence, .event_ns = mark->event_ns, .last = mark->last, .bid = mark->bid,
      .ask = mark->ask, .position = position->quantity, .average_entry = position->average_entry, .increment = row->increment, .lot = row->lot,
      .volatility = (double)mark->volatility, .instrument = instrument,
      .state = (uint8_t)(mark->state ? mark->state : HADRON_MARKET_OPEN)};
  hd_gateway_working(c->gateway, whole, instrument, true, &c->market.working_buy, &c->market.working_sell);
}

static bool leg_valid(const struct hd_coordinator *c, const struct hadron_leg *leg) {
  const struct hadron_merge_output *out = &c->output;
  hadron_int128 sum = 0;
  uint64_t seen = 0;
  if (leg->lead >= c->input.count || (leg->side != HADRON_SIDE_BUY && leg->side != HADRON_SIDE_SELL) || leg->crossed > 1) return false;
  if (leg->share_count == 0 || leg->share_first > out->share_count || leg->share_count > out->share_count - leg->share_first)
    return false;
  for (uint32_t i = 0; i < leg->share_count; i++) {
    const struct hadron_share *share = &out->shares[leg->share_first + i];
    if (share->decision >= c->input.count || share->quantity.e8 <= 0 || seen >> share->decision & 1) return false;
    seen |= UINT64_C(1) << share->decision;
    sum += share->quantity.e8;
  }
  if (leg->slot == 0) return sum == leg->quantity.e8;
  const struct hadron_decision *lead = &c->decisions_buffer[leg->lead];
  return sum == leg->quantity.e8 && !leg->crossed && leg->share_count == 1 && lead->kind == HADRON_DECISION_WORK &&
         lead->slot == leg->slot && out->shares[leg->share_first].decision == leg->lead;
}

// A plugin's word is not taken for it: a leg that does not add up, or crosses without a price, makes the whole merge an error.
static bool output_valid(const struct hd_coordinator *c, struct hadron_price reference) {
  const struct hadron_merge_output *out = &c->output;
  hadron_int128 crossed = 0;
  if (out->leg_count > HADRON_MERGE_LEGS_MAX || out->share_count > 2 * MAX) return false;
  for (uint32_t i = 0; i < out->leg_count; i++) {
    const struct hadron_leg *leg = &out->legs[i];
    if (!leg_valid(c, leg) || (leg->crossed && reference.nanos <= 0)) return false;
    if (leg->crossed) crossed += leg->side == HADRON_SIDE_BUY ? leg->quantity.e8 : -leg->quantity.e8;
  }
  return crossed == 0;
}

static void group_allocate(struct hd_coordinator *c, const struct hd_mark *mark, uint32_t instrument, int64_t now_ns) {
  c->output.struct_size = sizeof c->output;
  c->output.leg_count = c->output.share_count = c->output.conflicts = 0;
  c->output.mean_return = c->output.uncertainty = c->output.confidence = 0;
  if (c->input.count == 0) return;
  market_fill(c, instrument, mark);
  c->input.struct_size = sizeof c->input;
  c->input.decisions = c->decisions_buffer;
  c->input.standings = c->standings;
  c->input.market = &c->market;
  c->input.now_ns = now_ns;
  hd_calling_begin(c, HD_CALLING_ALLOCATOR);
  int32_t code = c->allocator->merge(c->allocator_self, &c->input, &c->output);
  hd_calling_end();
  if (code == HADRON_OK && output_valid(c, hd_mark_reference(mark))) {
    c->conflicts += c->output.conflicts;
    return;
  }
  c->errors++;
  c->output = (struct hadron_merge_output){.struct_size = sizeof c->output};
}

// --- step three: what goes out ---

// One order of a leg: the shares that go to one venue, one per arm, ascending by arm.
struct part {
  uint64_t left;                  // shares of the leg that no part has taken yet
  uint32_t lead;                  // index of the leading decision
  uint32_t number;                // 0, 1, ... of the leg
  uint16_t venue;
  uint32_t share_count;
  int64_t quantity;
  struct hd_share shares[HD_SHARES_MAX];
};

static uint16_t decision_venue(const struct hd_coordinator *c, const struct hadron_decision *d) {
  if (c->shadow) return c->venue;
  if (arm_of(c, d)->venue) return arm_of(c, d)->venue;
  uint32_t listing = c->instruments->rows[d->instrument].listing;
  return listing ? c->instruments->listings[listing].venue : 0;
}

static bool part_add(struct part *part, uint32_t arm, struct hadron_quantity quantity) {
  uint32_t at = 0;
  while (at < part->share_count && part->shares[at].arm < arm) at++;
  if (at < part->share_count && part->shares[at].arm == arm) {
    part->shares[at].ordered.e8 += quantity.e8; // within the leg's quantity
    return true;
  }
  if (part->share_count == HD_SHARES_MAX) return false;
  memmove(&part->shares[at + 1], &part->shares[at], (part->share_count - at) * sizeof *part->shares);
  part->shares[at] = (struct hd_share){.arm = arm, .ordered = quantity};
  part->share_count++;
  return true;
}

// The largest share that is left and goes to the part's venue; ties to the first. -1: none.
static int part_largest(const struct hd_coordinator *c, const struct hadron_leg *leg, const struct part *part, uint64_t tried) {
  int best = -1;
  for (uint64_t left = part->left & ~tried; left; left &= left - 1) {
    int i = __builtin_ctzll(left);
    const struct hadron_share *shares = &c->output.shares[leg->share_first];
    if (decision_venue(c, &c->decisions_buffer[shares[i].decision]) != part->venue) continue;
    if (best < 0 || shares[i].quantity.e8 > shares[best].quantity.e8) best = i;
  }
  return best;
}

static void part_begin(const struct hadron_leg *leg, struct part *part) {
  // Not the shares: part_next counts them anew, and they are most of a part.
  part->left = leg->share_count == 64 ? UINT64_MAX : (UINT64_C(1) << leg->share_count) - 1;
  part->number = UINT32_MAX;
}

// Takes the next order out of a leg: the largest shares first, as many arms as an order holds. False: the leg is done.
static bool part_next(const struct hd_coordinator *c, const struct hadron_leg *leg, struct part *part) {
  const struct hadron_share *shares = &c->output.shares[leg->share_first];
  uint64_t taken = 0, tried = 0;
  if (!part->left) return false;
  part->lead = shares[__builtin_ctzll(part->left)].decision;
  part->venue = decision_venue(c, &c->decisions_buffer[part->lead]);
  part->share_count = 0;
  part->quantity = 0;
  part->number++;
  if (leg->share_count == 1) { // of most legs
    (void)part_add(part, c->decisions_buffer[part->lead].arm, shares->quantity);
    part->quantity = shares->quantity.e8;
    part->left = 0;
    return true;
  }
  for (int i; (i = part_largest(c, leg, part, tried)) >= 0;) {
    tried |= UINT64_C(1) << i;
    if (!part_add(part, c->decisions_buffer[shares[i].decision].arm, shares[i].quantity)) continue;
    taken |= UINT64_C(1) << i;
    part->quantity += shares[i].quantity.e8;
  }
  HD_ASSERT(taken);
  part->lead = shares[__builtin_ctzll(taken)].decision;
  for (uint64_t t = taken; t; t &= t - 1)
    if (shares[__builtin_ctzll(t)].decision == leg->lead) part->lead = leg->lead;
  part->left &= ~taken;
  return true;
}

static bool terms_same(const struct hadron_order *o, const struct hadron_leg *leg) {
  return o->side == leg->side && o->order_type == leg->order_type && o->limit.nanos == leg->limit.nanos &&
         o->stop.nanos == leg->stop.nanos && o->quantity.e8 == leg->quantity.e8 && o->time_in_force == leg->time_in_force &&
         o->expire_ns == leg->expire_ns && (o->flags & ~HADRON_ORDER_SHADOW) == leg->flags;
}

// Said in the opportunity, so that who recovers knows it.
static void leg_waits(struct hd_coordinator *c, const struct hadron_leg *leg) {
  uint32_t waiting = c->waiting_count;
  waiting_add(c, &c->decisions_buffer[leg->lead]);
  if (c->waiting_count > waiting) c->log.entries[c->contribution_of[leg->lead]].flags |= CONTRIBUTION_WAITS;
}

// What becomes of a leg: 0 nothing, else enum hadron_intent_kind. A WORK leg looks at the order in its slot.
static uint32_t leg_kind(struct hd_coordinator *c, const struct hadron_leg *leg) {
  if (leg->crossed) return 0;
  if (leg->slot == 0) return HADRON_INTENT_NEW;
  const struct hadron_decision *d = &c->decisions_buffer[leg->lead];
  const struct hd_order *o = hd_gateway_slot(c->gateway, d->arm, d->instrument, leg->slot);
  if (!o) return HADRON_INTENT_NEW;
  bool going = o->state == HADRON_STATE_PENDING_CANCEL || o->state == HADRON_STATE_PENDING_REPLACE;
  if (!going && terms_same(&o->request, leg)) return 0;
  if (!order_settled(o)) {
    leg_waits(c, leg);
    return 0;
  }
  if (o->request.side == leg->side) return HADRON_INTENT_REPLACE;
  // No venue turns an order round: it goes, and the new one follows when it has gone.
  plan_cancel(c, o, d);
  leg_waits(c, leg);
  return 0;
}

static void contribution_give(struct hd_coordinator *c, const struct hadron_leg *leg, bool crossed) {
  for (uint32_t i = 0; i < leg->share_count; i++) {
    const struct hadron_share *share = &c->output.shares[leg->share_first + i];
    struct hadron_contribution *to = &c->log.entries[c->contribution_of[share->decision]];
    int64_t quantity = leg->side == HADRON_SIDE_BUY ? share->quantity.e8 : -share->quantity.e8;
    if (crossed) to->flags |= CONTRIBUTION_CROSSED, to->crossed.e8 = clamp((hadron_int128)to->crossed.e8 + quantity);
    else to->given.e8 = clamp((hadron_int128)to->given.e8 + quantity);
  }
}

// Adds up what will go out, before anything does. kinds: what becomes of each leg.
static void opportunity_fill(struct hd_coordinator *c, struct hadron_opportunity *o, uint8_t *kinds) {
  hadron_int128 net = 0, crossed = 0;
  for (uint32_t i = 0; i < c->output.leg_count; i++) {
    const struct hadron_leg *leg = &c->output.legs[i];
    struct part part;
    kinds[i] = (uint8_t)leg_kind(c, leg);
    if (leg->crossed && leg->side == HADRON_SIDE_BUY) crossed += leg->quantity.e8;
    if (!kinds[i] && !leg->crossed) continue;
    contribution_give(c, leg, leg->crossed);
    if (leg->crossed) continue;
    net += leg->side == HADRON_SIDE_BUY ? leg->quantity.e8 : -(hadron_int128)leg->quantity.e8;
    for (part_begin(leg, &part); part_next(c, leg, &part);) o->intents++;
  }
  o->intents += c->cancel_count;
  o->net.e8 = clamp(net);
  o->crossed.e8 = clamp(crossed);
  o->mean_return = c->output.mean_return;
  o->uncertainty = c->output.uncertainty;
  o->confidence = c->output.confidence;
  o->conflicts = c->output.conflicts;
  o->decisions = c->log.header.count;
}

// Books one side of a cross and records it.
static int32_t cross_book(struct hd_coordinator *c, struct hadron_allocation *a, uint32_t *booked, int64_t now_ns) {
  int32_t error = c->listener.allocate(c->listener.self, a);
  if (error) return error;
  ++*booked;
  error = hd_record(c->sink, HADRON_MSG_ALLOCATION, a, sizeof *a, now_ns, HD_RECORD_RESERVED);
  if (c->listener.allocated) c->listener.allocated(c->listener.self, a);
  return error;
}

// All sides of the crosses, or none: what was booked before a failure is taken back.
static int32_t cross_all(struct hd_coordinator *c, const struct hadron_opportunity *o, int64_t now_ns) {
  uint32_t booked = 0, undone = 0;
  int32_t error = HADRON_OK;
  for (int pass = 0; pass < 2; pass++) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->output.leg_count; i++) {
      const struct hadron_leg *leg = &c->output.legs[i];
      for (uint32_t j = 0; leg->crossed && j < leg->share_count && !(pass == 0 && error) && !(pass == 1 && at >= booked); j++, at++) {
        const struct hadron_share *share = &c->output.shares[leg->share_first + j];
        struct hadron_allocation a = {.opportunity = o->id, .time_ns = now_ns, .price = o->reference, .quantity = share->quantity,
                                      .instrument = o->instrument, .arm = c->decisions_buffer[share->decision].arm, .side = leg->side,
                                      .flags = (uint8_t)pass | mark(c)};
        int32_t result = cross_book(c, &a, pass ? &undone : &booked, now_ns);
        if (pass == 0) error = result;
      }
    }
    if (!error) break;
  }
  return error;
}

// Records an intent, then says it. An error: not recorded, so not said.
static int32_t intent_say(struct hd_coordinator *c, struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count,
                          int64_t now_ns) {
  intent->id = ++c->intents;
  intent->flags |= mark(c);
  uint32_t flags = intent->kind == HADRON_INTENT_CANCEL ? HD_RECORD_RESERVED : 0;
  int32_t error = hd_record(c->sink, HADRON_MSG_INTENT, intent, sizeof *intent, now_ns, flags);
  if (!error) c->listener.intent(c->listener.self, intent, shares, share_count);
  return error;
}

static struct hadron_intent intent_begin(const struct hadron_opportunity *o, const struct hadron_decision *lead, uint8_t kind) {
  return (struct hadron_intent){.trace = lead->trace, .cause = lead->cause, .opportunity = o->id, .decision = lead->id,
                                .time_ns = o->time_ns, .reference = o->reference, .instrument = o->instrument, .kind = kind};
}

static int32_t cancels_say(struct hd_coordinator *c, const struct hadron_opportunity *o, int64_t now_ns) {
  int32_t error = HADRON_OK;
  for (uint32_t i = 0; i < c->cancel_count && !error; i++) {
    const struct hd_order *order = hd_gateway_order(c->gateway, &c->cancels[i]);
    struct hadron_intent in = intent_begin(o, &c->leads[i], HADRON_INTENT_CANCEL);
    in.order = c->cancels[i];
    if (order) {
      in.quantity = order->request.quantity, in.limit = order->request.limit, in.stop = order->request.stop;
      in.expire_ns = order->request.expire_ns, in.arm = order->request.arm, in.venue = order->request.venue;
      in.side = order->request.side, in.order_type = order->request.order_type, in.flags = order->request.flags;
      in.time_in_force = order->request.time_in_force, in.slot = order->request.slot;
    }
    error = intent_say(c, &in, NULL, 0, now_ns);
  }
  return error;
}

static int32_t leg_say(struct hd_coordinator *c, const struct hadron_opportunity *o, const struct hadron_leg *leg, uint8_t kind,
                       int64_t now_ns) {
  struct part part;
  int32_t error = HADRON_OK;
  for (part_begin(leg, &part); !error && part_next(c, leg, &part);) {
    const struct hadron_decision *lead = &c->decisions_buffer[part.lead];
    struct hadron_intent in = intent_begin(o, lead, kind);
    in.expire_ns = leg->expire_ns, in.limit = leg->limit, in.stop = leg->stop, in.quantity.e8 = part.quantity;
    in.key = part.number == 0 ? leg->key : lead->key;
    if (in.key == 0 && (lead->kind != HADRON_DECISION_SIDE || part.number)) in.key = lead->id;
    in.arm = part.share_count == 1 ? part.shares[0].arm : 0;
    in.venue = part.venue, in.side = leg->side, in.order_type = leg->order_type, in.time_in_force = leg->time_in_force;
    in.flags = leg->flags, in.slot = leg->slot;
    if (kind == HADRON_INTENT_REPLACE) {
      const struct hd_order *order = hd_gateway_slot(c->gateway, lead->arm, lead->instrument, leg->slot);
      if (!order) in.kind = HADRON_INTENT_NEW; // it has ended since the plan was made
      else in.order = order->request.client_order_id, in.venue = order->request.venue;
    }
    error = intent_say(c, &in, part.shares, part.share_count, now_ns);
  }
  return error;
}

static int32_t group_say(struct hd_coordinator *c, const struct hadron_decision *last, const struct hd_mark *mark, int64_t now_ns) {
  uint8_t kinds[HADRON_MERGE_LEGS_MAX] = {0};
  struct hadron_opportunity o = {.trace = last->trace, .cause = last->cause, .id = ++c->opportunities, .time_ns = now_ns,
                                 .reference = hd_mark_reference(mark), .instrument = last->instrument};
  opportunity_fill(c, &o, kinds);
  c->log.header.block_length = sizeof *c->log.entries;
  // Header and entries are one piece for the reader, though the compiler sets the entries on their own alignment.
  char *tail = (char *)c->log.entries - sizeof c->log.header;
  memcpy(tail, &c->log.header, sizeof c->log.header);
  int32_t error = c->sink->write(c->sink->self, HADRON_MSG_OPPORTUNITY, &o, sizeof o, tail,
                                 (uint32_t)(sizeof c->log.header + c->log.header.count * sizeof *c->log.entries), now_ns, 0);
  if (!error) error = cross_all(c, &o, now_ns);
  if (!error) error = cancels_say(c, &o, now_ns);
  for (uint32_t i = 0; i < c->output.leg_count && !error; i++)
    if (kinds[i]) error = leg_say(c, &o, &c->output.legs[i], kinds[i], now_ns);
  if (error) c->errors++;
  return error;
}

// --- groups ---

// Merges up to MAX decisions of one instrument, ascending by id.
static void group_merge(struct hd_coordinator *c, const struct hadron_decision *const *group, uint32_t count, int64_t now_ns) {
  uint32_t instrument = group[0]->instrument;
  struct hd_mark mark = hd_mark_read(c->marks, instrument);
  group_plan(c, group, count);
  if (c->log.header.count == 0) return;
  group_allocate(c, &mark, instrument, now_ns);
  const struct hadron_decision *last = NULL;
  for (uint32_t i = 0; i < count; i++)
    if (decision_here(c, group[i])) last = group[i];
  (void)group_say(c, last, &mark, now_ns);
}

// Does `d` come after `last` in the order of instrument, then id?
static bool after(const struct hadron_decision *d, const struct hadron_decision *last) {
  if (!last) return true;
  return d->instrument != last->instrument ? d->instrument > last->instrument : d->id > last->id;
}

static const struct hadron_decision *next_after(const struct hd_coordinator *c, const struct hadron_decision *decisions, uint32_t count,
                                                const struct hadron_decision *last) {
  const struct hadron_decision *best = NULL;
  for (uint32_t i = 0; i < count; i++)
    if (decision_valid(c, &decisions[i]) && after(&decisions[i], last) && (!best || after(best, &decisions[i]))) best = &decisions[i];
  return best;
}

// Does an order in its way work that nobody cancels? Its outcome was not known when the others were cancelled, or the venue has refused.
static bool target_blocked(const struct hd_coordinator *c, const struct hadron_decision *d, uint32_t wrong) {
  for (const struct hd_order *o = hd_gateway_first(c->gateway); o; o = hd_gateway_next(c->gateway, o))
    if (o->request.instrument == d->instrument && o->request.slot == 0 && o->request.side == wrong && order_of_arm(o, d->arm) &&
        (order_settled(o) || o->held == HD_HOLD_WAITING))
      return true;
  return false;
}

// Nothing is in its way any more, or something that can be cancelled now.
static bool waiting_free(const struct hd_coordinator *c, const struct hd_waiting *w) {
  const struct hadron_decision *d = &w->decision;
  if (d->kind != HADRON_DECISION_WORK) {
    uint32_t wrong = target_wrong_side(c, d);
    return !wrong || (w->tries < HD_WAITING_TRIES && target_blocked(c, d, wrong));
  }
  const struct hd_order *o = hd_gateway_slot(c->gateway, d->arm, d->instrument, (uint8_t)d->slot);
  return !o || order_settled(o);
}

// What waits and can go on now. A merge may free more: as many rounds as the table is long are enough.
static void waiting_wake(struct hd_coordinator *c, int64_t now_ns) {
  c->busy = true;
  for (uint32_t round = 0; round <= HD_WAITING_MAX; round++) {
    uint32_t i = 0;
    c->woken = false;
    for (; i < c->waiting_count; i++) {
      const struct hadron_decision *d = &c->waiting[i].decision;
      if (waiting_free(c, &c->waiting[i]) && !(c->reading && c->reading[decision_venue(c, d)])) break; // while it is read an order would be denied, and nobody would ask again
    }
    if (i == c->waiting_count) break;
    const struct hd_waiting row = c->waiting[i];
    const struct hadron_decision *group = &row.decision;
    waiting_remove(c, i);
    group_merge(c, &group, 1, now_ns);
    waiting_again(c, row.decision.id, row.tries);
  }
  c->busy = false;
}

void hd_coordinator_init(struct hd_coordinator *c) {
  HD_ASSERT(c->instruments && c->marks && c->portfolio && c->sink && c->allocator && c->listener.intent && c->listener.allocate);
  c->opportunities = c->intents = c->shadow ? HADRON_SHADOW_ID : 0;
  c->decisions = c->conflicts = c->errors = 0;
  c->waiting_count = c->cancel_count = 0;
  c->busy = c->woken = false;
}

void hd_coordinator_merge(struct hd_coordinator *c, const struct hadron_decision *decisions, uint32_t count, int64_t now_ns) {
  HD_ASSERT(!c->busy);
  const struct hadron_decision *group[MAX], *next = next_after(c, decisions, count, NULL);
  for (uint32_t i = 0; i < count; i++) c->errors += !decision_valid(c, &decisions[i]);
  c->busy = true;
  while (next) {
    uint32_t size = 0;
    uint32_t instrument = next->instrument;
    for (; next && next->instrument == instrument && size < MAX; next = next_after(c, decisions, count, next)) group[size++] = next;
    group_merge(c, group, size, now_ns);
  }
  c->busy = false;
  if (c->woken) waiting_wake(c, now_ns);
}

void hd_coordinator_forget(struct hd_coordinator *c, uint32_t arm, uint32_t instrument) {
  for (uint32_t i = c->waiting_count; i-- > 0;) {
    const struct hadron_decision *d = &c->waiting[i].decision;
    if (d->arm == arm && (instrument == 0 || d->instrument == instrument)) waiting_remove(c, i);
  }
}

void hd_coordinator_order_event(struct hd_coordinator *c, const struct hadron_order_event *event, int64_t now_ns) {
  (void)event; // whatever changed may be what somebody waits for
  if (c->waiting_count == 0) return;
  if (c->busy) c->woken = true;
  else waiting_wake(c, now_ns);
}

void hd_coordinator_wake(struct hd_coordinator *c, int64_t now_ns) {
  HD_ASSERT(!c->busy);
  if (c->waiting_count) waiting_wake(c, now_ns);
}

// --- recovery ---

void hd_coordinator_fold(struct hd_coordinator *c, const struct hadron_decision *decision, bool waits) {
  struct hadron_decision d = *decision;
  if (!decision_valid(c, &d) || d.kind == HADRON_DECISION_SIDE) return;
  d.flags &= (uint8_t)~HADRON_ORDER_SHADOW;
  decision_complete(c, &d);
  const struct hd_waiting *before = waiting_find(c, d.id);
  uint32_t tries = before ? before->tries : 0;
  bool again = before != NULL;
  waiting_supersede(c, &d);
  if (waits) waiting_add(c, &d);
  if (waits && again) waiting_again(c, d.id, tries);
}

const struct hadron_decision *hd_coordinator_waits(struct hd_coordinator *c, uint64_t decision) {
  const struct hd_waiting *w = waiting_find(c, decision);
  return w ? &w->decision : NULL;
}

uint32_t hd_coordinator_renumber(struct hd_coordinator *c, const uint32_t *arms, uint32_t arm_max, bool (*keep)(void *user, const struct hadron_decision *decision), void *user) {
  uint32_t before = c->waiting_count;
  for (uint32_t i = c->waiting_count; i-- > 0;) {
    struct hadron_decision *d = &c->waiting[i].decision;
    d->arm = d->arm <= arm_max ? arms[d->arm] : 0;
    if (d->arm == 0 || (keep && !keep(user, d))) waiting_remove(c, i);
  }
  return before - c->waiting_count;
}

void hd_coordinator_save(const struct hd_coordinator *c, struct hd_image *m) {
  HD_IMAGE_PUT(m, c->waiting_count);
  hd_image_put(m, c->waiting, c->waiting_count * sizeof *c->waiting);
}

void hd_coordinator_load(struct hd_coordinator *c, struct hd_image *m) {
  uint32_t count;
  HD_IMAGE_GET(m, count);
  m->bad |= count > HD_WAITING_MAX;
  if (m->bad) return;
  c->waiting_count = count;
  hd_image_get(m, c->waiting, count * sizeof *c->waiting);
}
