// Is the host at rest, and is what it believes true?
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "hadron/decimal.h"
#include "runtime/simulate/life.h"

static bool settled(const struct hd_order *o) {
  if (o->gap) return false;
  if (o->held == HD_HOLD_WAITING) return o->state == HADRON_STATE_PENDING_SUBMIT;
  return o->state == HADRON_STATE_ACCEPTED || o->state == HADRON_STATE_PARTIALLY_FILLED;
}

bool hd_life_rests(struct hd_world *w, const struct hd_session *s, const char **why) {
  const struct hd_gateway *g = s->pipeline.gateway;
  for (uint32_t i = 0; i < w->setting.venues; i++) {
    *why = "the venue is not ready";
    if (w->venues[i].state != HADRON_VENUE_READY) return false;
    *why = "messages are under way";
    if (w->venues[i].up.count || w->venues[i].down.count) return false;
  }
  static char order[160];
  *why = order;
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o)) {
    if (settled(o)) continue;
    snprintf(order, sizeof order, "order %.24s is %s%s%s", o->request.client_order_id.hex, hd_order_state_name(o->state), o->gap ? ", with fills missing" : "",
             o->held ? ", held by the host" : "");
    return false;
  }
  const struct hd_coordinator *c = &s->pipeline.coordinator;
  if (c->waiting_count && c->waiting[0].tries < HD_WAITING_TRIES) {
    const struct hadron_decision *d = &c->waiting[0].decision;
    snprintf(order, sizeof order, "decision %llu (arm %u, instrument %u, kind %u, slot %u) waits for an order to end", (unsigned long long)d->id, d->arm, d->instrument, d->kind, d->slot);
    return false;
  }
  *why = "an instrument has orders with an unknown outcome";
  for (uint32_t i = 1; i <= s->pipeline.instruments.count; i++)
    if (hd_gateway_unknown(g, i)) return false;
  return true;
}

// ---- orders ------------------------------------------------------------------------------------------------------------------------

static const char *const truth_names[] = {"unseen", "open", "a waiting stop", "filled", "canceled", "rejected", "expired", "replaced"};

static bool truth_open(const struct hd_truth_order *t) { return t->state == HD_TRUTH_OPEN || t->state == HD_TRUTH_STOP; }

static void judge_order(struct hd_world *w, const struct hd_gateway *g, const struct hd_truth_order *t) {
  const struct hd_order *o = hd_gateway_order(g, &t->request.client_order_id);
  const char *id = t->request.client_order_id.hex;
  if (!o) { // the audit of the journal has the rest of them
    if (!truth_open(t)) return;
    w->lost++;
    hd_world_finding(w, "lost: order %.24s is %s at the venue, and the host does not know it", id, truth_names[t->state]);
    return;
  }
  bool open = !hd_order_final(o->state);
  // The host of an earlier memory has sent a stop that it held, the power took the record of that, and it never arrived: it is held again.
  if (o->held == HD_HOLD_WAITING && t->state == HD_TRUTH_UNSEEN && t->memory != w->memory) return;
  if (open != truth_open(t))
    hd_world_finding(w, "order %.24s is %s at the venue, and %s in the host", id, truth_names[t->state], hd_order_state_name(o->state));
  if (o->held == HD_HOLD_WAITING && truth_open(t)) hd_world_finding(w, "order %.24s is %s at the venue, and the host holds it as never sent", id, truth_names[t->state]);
  // One of an earlier memory that took another's place counts the other's fills at the venue, and the venue need not say whose place it was.
  bool heir = t->memory != w->memory && t->request.replaces.hex[0];
  if (!heir && t->state != HD_TRUTH_UNSEEN && t->state != HD_TRUTH_REPLACED && o->filled.e8 != t->filled_e8)
    hd_world_finding(w, "order %.24s: the venue has filled %lld e-8, the host counts %lld e-8", id, (long long)t->filled_e8, (long long)o->filled.e8);
  if (open && t->request.quantity.e8 != o->request.quantity.e8)
    hd_world_finding(w, "order %.24s: the venue holds %lld e-8, the host %lld e-8", id, (long long)t->request.quantity.e8, (long long)o->request.quantity.e8);
}

static void judge_open(struct hd_world *w, const struct hd_gateway *g) {
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o)) {
    const struct hd_truth_order *t = hd_world_order(w, &o->request.client_order_id);
    if (o->held != HD_HOLD_WAITING && (!t || t->sent == 0))
      hd_world_finding(w, "order %.24s is %s in the host, and was never sent", o->request.client_order_id.hex, hd_order_state_name(o->state));
  }
}

// ---- books -------------------------------------------------------------------------------------------------------------------------

static void judge_books(struct hd_world *w, struct hd_session *s) {
  struct hd_pipeline *p = &s->pipeline;
  struct hd_fault fault;
  hadron_int128 cash = s->config->cash.micros, fees = 0;
  for (uint32_t i = 0; i < w->execution_count; i++) {
    const struct hd_truth_execution *e = &w->executions[i];
    struct hadron_money notional;
    if (e->busted || hadron_notional(e->price, e->quantity, (struct hadron_quantity){HADRON_QUANTITY_SCALE}, &notional)) continue;
    cash += (e->side == HADRON_SIDE_BUY ? -notional.micros : notional.micros) - e->fee.micros;
    fees += e->fee.micros;
  }
  for (uint32_t i = 0; i < w->setting.instruments; i++) {
    uint32_t id = hd_instruments_find(&p->instruments, w->instruments[i].name);
    int64_t truth = 0, held = id ? hd_portfolio_position(&p->portfolio, 0, id)->quantity.e8 : 0;
    struct hadron_quantity buy = {0}, sell = {0};
    for (uint32_t k = 0; k < w->setting.instruments; k++)
      if (strcmp(w->instruments[k].name, w->instruments[i].name) == 0) truth += hd_exchange_position(w, k); // of all venues
    if (id && w->memory > 0) hd_gateway_working(p->gateway, 0, id, true, &buy, &sell); // after a loss such a position is compared once nothing works
    if (truth != held && buy.e8 == 0 && sell.e8 == 0) hd_world_finding(w, "books: %s: the venue holds %lld e-8, the host %lld e-8", w->instruments[i].name, (long long)truth, (long long)held);
  }
  const struct hd_book *book = &p->portfolio.books[0];
  if (hd_portfolio_check(&p->portfolio, &fault)) hd_world_finding(w, "books: %.300s", fault.text);
  for (uint32_t id = 1; id <= HD_WORLD_INSTRUMENTS; id++) w->realized[id] = hd_portfolio_position(&p->portfolio, 0, id)->realized.micros;
  w->realized_sum = book->realized.micros;
  w->judged = true;
  if (w->memory > 0) return; // what was found by a position alone cost what the venue says, and no fee
  if (book->cash.micros != (int64_t)cash) hd_world_finding(w, "books: cash is %lld micros by the venue's fills, %lld in the host", (long long)cash, (long long)book->cash.micros);
  if (book->fees.micros != (int64_t)fees) hd_world_finding(w, "books: fees are %lld micros by the venue's fills, %lld in the host", (long long)fees, (long long)book->fees.micros);
}

void hd_life_judge(struct hd_world *w, struct hd_session *s) {
  for (uint32_t i = 0; i < w->order_count; i++) judge_order(w, s->pipeline.gateway, &w->orders[i]);
  judge_open(w, s->pipeline.gateway);
  judge_books(w, s);
}
