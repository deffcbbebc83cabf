// The gateway's tables from the journal. What a record says is taken as it stands: this is what happened. What no record says (which answer is
// outstanding, what a refused cancel leads back to) follows from the same rules by which it came about.
#include "base/banned.h"
#include "pipeline/gateway_internal.h"

#define STATES_END (HADRON_STATE_UNKNOWN + 1)

static bool is_stop(uint32_t type) { return type == HADRON_ORDER_STOP || type == HADRON_ORDER_STOP_LIMIT; }

static bool fits(const struct hd_gateway *g, const struct hadron_order *order) {
  return order->instrument >= 1 && order->instrument <= hd_instruments_count(g->instruments) && order->quantity.e8 > 0 && !hd_id_zero(&order->client_order_id);
}

int32_t hd_gateway_fold_order(struct hd_gateway *g, const struct hadron_order *order, uint64_t opportunity, const struct hd_share *shares, uint32_t share_count,
                              int64_t now_ns) {
  hd_ids_day(g, now_ns);
  if (!fits(g, order)) return HADRON_ERR_CORRUPT;
  if (hd_table_find(g, &order->client_order_id)) return HADRON_OK; // told twice
  if (!hd_table_room(g)) return HADRON_ERR_FULL;
  struct hd_order *o = hd_table_take(g, order);
  if (o == NULL) return HADRON_ERR_FULL;
  o->opportunity = opportunity;
  o->share_count = (uint8_t)(share_count > 0 ? share_count : 1);
  if (share_count > 0) memcpy(o->shares, shares, share_count * sizeof *shares);
  else o->shares[0] = (struct hd_share){.arm = order->arm, .ordered = order->quantity};
  if (!hd_id_zero(&order->replaces)) o->successor = HD_SUCCESSOR_IN_PLACE;
  bool held = is_stop(order->order_type) && !(g->port.features(g->port.self, order->venue) & HADRON_VENUE_STOPS);
  if (held) hd_table_hold(g, o, HD_HOLD_WAITING);
  hd_order_expiry(g, o, order->time_ns);
  hd_table_due(g, o);
  hd_ids_add(g, &order->client_order_id);
  return HADRON_OK;
}

// The order that asks for this one's place.
static struct hd_order *suitor(const struct hd_gateway *g, const struct hd_order *old) {
  for (uint32_t at = g->instrument_tail[old->request.instrument]; at; at = g->orders[at].previous_of_instrument)
    if (g->orders[at].successor == HD_SUCCESSOR_IN_PLACE && hd_id_same(&g->orders[at].request.replaces, &old->request.client_order_id)) return &g->orders[at];
  return NULL;
}

static void command_resumes(struct hd_order *o) {
  bool under_way = o->state == HADRON_STATE_PENDING_CANCEL || o->state == HADRON_STATE_PENDING_REPLACE || o->state == HADRON_STATE_UNKNOWN;
  if (!under_way) o->resume = o->state;
}

// What a change does to the order besides its state.
static void change_before(struct hd_gateway *g, struct hd_order *o, const struct hadron_order_event *e) {
  switch (e->change) {
  case HADRON_CHANGE_QUEUE:
    if (o->state == HADRON_STATE_UNKNOWN) o->resent = 1;
    else g->counts.orders++;
    break;
  case HADRON_CHANGE_TRIGGER:
    if (o->held == HD_HOLD_WAITING) hd_table_hold(g, o, HD_HOLD_TRIGGERED);
    break;
  case HADRON_CHANGE_SEND:
    if (o->held == HD_HOLD_TRIGGERED) hd_table_hold(g, o, HD_HOLD_SENT);
    hd_order_was_sent(g, o, e->time_ns);
    break;
  case HADRON_CHANGE_LOSE: // a start was in doubt whether it had left; so is the one after it
    if (o->held == HD_HOLD_TRIGGERED) hd_table_hold(g, o, HD_HOLD_SENT);
    break;
  case HADRON_CHANGE_CANCEL:
    command_resumes(o);
    o->expiring = strncmp(e->text, "expired", sizeof e->text) == 0;
    break;
  case HADRON_CHANGE_REPLACE: command_resumes(o); break;
  default: break;
  }
}

static void cancel_under_way(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  struct hd_order *successor = hd_id_zero(&o->replaced_by) ? NULL : hd_table_find(g, &o->replaced_by);
  if (successor != NULL && successor->successor == HD_SUCCESSOR_IN_PLACE) successor->cancel_wanted = 1;
  o->cancel_wanted = 1;
  g->counts.cancels++;
  hd_order_was_sent(g, o, now_ns);
}

static void change_after(struct hd_gateway *g, struct hd_order *o, const struct hadron_order_event *e) {
  if (e->change == HADRON_CHANGE_CANCEL && !hd_order_final(o->state)) cancel_under_way(g, o, e->time_ns);
  if (e->change == HADRON_CHANGE_REPLACE) {
    const struct hd_order *successor = suitor(g, o);
    if (successor != NULL) o->replaced_by = successor->request.client_order_id;
    o->ask_ns = INT64_MAX;
    hd_table_due(g, o);
  }
  if (!hd_order_final(o->state) || o->successor != HD_SUCCESSOR_IN_PLACE) return;
  struct hd_order *old = hd_table_find(g, &o->request.replaces); // the replace was refused: the old order goes on
  if (old != NULL && !hd_order_final(old->state) && hd_id_same(&old->replaced_by, &o->request.client_order_id))
    old->replaced_by = (struct hadron_client_order_id){{0}};
}

void hd_gateway_fold_event(struct hd_gateway *g, const struct hadron_order_event *e) {
  if (e->id > g->event_id) g->event_id = e->id;
  struct hd_order *o = hd_id_zero(&e->client_order_id) ? NULL : hd_table_find(g, &e->client_order_id);
  if (e->change == HADRON_CHANGE_DENY) hd_order_denied(g, e->reason);
  if (o == NULL || e->to == HADRON_STATE_INVALID || e->to >= STATES_END) return;
  if (e->venue_order_id[0]) memcpy(o->venue_order_id, e->venue_order_id, sizeof o->venue_order_id);
  change_before(g, o, e);
  hd_order_terms(g, o, e->limit, e->quantity);
  hd_order_moved(g, o, e->to, e->time_ns);
  change_after(g, o, e);
}

// ---- other numbers

static void shares_renumber(struct hd_order *o, const uint32_t *arms, uint32_t arm_max) {
  struct hd_share before[HD_SHARES_MAX];
  uint32_t count = o->share_count;
  memcpy(before, o->shares, count * sizeof *before);
  o->share_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t arm = before[i].arm <= arm_max ? arms[before[i].arm] : 0, at = 0;
    while (at < o->share_count && o->shares[at].arm < arm) at++;
    if (at < o->share_count && o->shares[at].arm == arm) {
      o->shares[at].ordered.e8 += before[i].ordered.e8; // within the order's quantity
      o->shares[at].filled.e8 += before[i].filled.e8;
      continue;
    }
    memmove(&o->shares[at + 1], &o->shares[at], (o->share_count - at) * sizeof *o->shares);
    o->shares[at] = before[i];
    o->shares[at].arm = arm;
    o->share_count++;
  }
}

void hd_gateway_renumber(struct hd_gateway *g, const uint32_t *arms, uint32_t arm_max) {
  HD_ASSERT(arms[0] == 0);
  for (uint32_t i = 1; i <= g->options.orders_max; i++) {
    struct hd_order *o = &g->orders[i];
    if (o->list == HD_LIST_FREE) continue;
    shares_renumber(o, arms, arm_max);
    o->request.arm = o->request.arm <= arm_max ? arms[o->request.arm] : 0;
    o->request.listing = hd_instruments_at(g->instruments, o->request.instrument, o->request.venue);
  }
  for (uint64_t n = g->part_next > g->part_size ? g->part_next - g->part_size : 0; n < g->part_next; n++) {
    struct hd_part *part = &g->parts[n % g->part_size];
    part->arm = part->arm <= arm_max ? arms[part->arm] : 0;
  }
}

// The last execution was recorded and what it made of the order was not.
void hd_gateway_fold_finish(struct hd_gateway *g, const struct hadron_client_order_id *id, bool bust, int64_t now_ns) {
  struct hd_order *o = hd_table_find(g, id);
  enum hadron_order_change change = bust ? HADRON_CHANGE_BUST : HADRON_CHANGE_FILL;
  struct hd_cause cause = hd_cause_text("");
  if (o == NULL || hd_order_where(o, change) == HADRON_STATE_INVALID) return;
  hd_order_pin(o);
  hd_order_change(g, o, change, &cause, true, now_ns);
  hd_order_after(g, o, now_ns);
  hd_order_unpin(o);
}

// ---- what was under way

static void change_to(struct hd_gateway *g, struct hd_order *o, enum hadron_order_change change, const char *text, int64_t now_ns) {
  if (hd_order_where(o, change) == HADRON_STATE_INVALID) return;
  struct hd_cause cause = hd_cause_text(text);
  hd_order_change(g, o, change, &cause, true, now_ns);
}

// Its record was written before the first byte could leave, so it may have left.
static void order_doubt(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  if (o->held == HD_HOLD_TRIGGERED) hd_table_hold(g, o, HD_HOLD_SENT);
  if (o->state == HADRON_STATE_INITIALIZED) change_to(g, o, HADRON_CHANGE_QUEUE, "the host went down before it was said", now_ns);
  change_to(g, o, HADRON_CHANGE_LOSE, "the host went down before the outcome was told", now_ns);
}

static void order_resume(struct hd_gateway *g, struct hd_order *o, bool gone, int64_t now_ns) {
  bool never = o->state == HADRON_STATE_INITIALIZED || o->state == HADRON_STATE_PENDING_SUBMIT || o->state == HADRON_STATE_SUBMITTED;
  if (!hd_order_final(o->state) && o->filled.e8 >= o->request.quantity.e8) { // its last fill was recorded; what it made of the order found no room
    change_to(g, o, HADRON_CHANGE_FILL, "", now_ns);
    if (hd_order_final(o->state)) return;
  }
  if (o->held == HD_HOLD_WAITING) { // the host holds it still: nothing leaves before it triggers
    if (o->state == HADRON_STATE_INITIALIZED) change_to(g, o, HADRON_CHANGE_QUEUE, "the host went down before it was said", now_ns);
    return;
  }
  if (gone && !hd_order_final(o->state)) {
    o->gap = 0;
    o->told_e8 = o->filled.e8;
    change_to(g, o, HADRON_CHANGE_EXPIRE, "its market was in the host and ended with it", now_ns);
    return;
  }
  if (never) order_doubt(g, o, now_ns);
  if (o->list != HD_LIST_OPEN && o->list != HD_LIST_GAP) return;
  o->ask_ns = now_ns;
  hd_table_due(g, o);
}

void hd_gateway_resume_look(const struct hd_gateway *g, bool (*gone)(void *user, uint16_t venue), void *user, struct hd_gateway_recovered *out) {
  *out = (struct hd_gateway_recovered){0};
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o)) {
    bool held = o->held == HD_HOLD_WAITING, ends = !held && gone(user, o->request.venue);
    bool never = o->state == HADRON_STATE_INITIALIZED || o->state == HADRON_STATE_PENDING_SUBMIT || o->state == HADRON_STATE_SUBMITTED;
    out->open += !ends;
    out->ended += ends;
    out->unknown += !ends && !held && (never || o->state == HADRON_STATE_UNKNOWN);
  }
}

void hd_gateway_resume(struct hd_gateway *g, bool (*gone)(void *user, uint16_t venue), void *user, int64_t now_ns, struct hd_gateway_recovered *out) {
  *out = (struct hd_gateway_recovered){0};
  // What strategies make of it meanwhile is new and not meant.
  for (uint32_t i = 1; i <= g->options.orders_max; i++) g->orders[i].swept = g->orders[i].list == HD_LIST_OPEN || g->orders[i].list == HD_LIST_GAP;
  for (uint32_t i = 1; i <= g->options.orders_max; i++) {
    struct hd_order *o = &g->orders[i];
    if (!o->swept) continue;
    o->swept = 0;
    hd_order_pin(o);
    order_resume(g, o, gone(user, o->request.venue), now_ns);
    hd_order_unpin(o);
    out->ended += hd_order_final(o->state) && o->list == HD_LIST_CLOSED;
    out->open += o->list == HD_LIST_OPEN;
    out->unknown += o->state == HADRON_STATE_UNKNOWN;
  }
}
