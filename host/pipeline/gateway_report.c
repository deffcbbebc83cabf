// What venues say. Every report in every state has an outcome here: it changes the order, is known already, or is impossible; then
// it is counted and alerted and the order stays as it is.
#include "base/banned.h"
#include "base/text.h"
#include "pipeline/gateway_internal.h"

// ---- what the end of one order means for another

static void follow(struct hd_gateway *g, struct hd_order *o, enum hadron_order_change change, const char *text, int64_t now_ns) {
  if (hd_order_where(o, change) == HADRON_STATE_INVALID) return;
  struct hd_cause cause = hd_cause_text(text);
  hd_order_change(g, o, change, &cause, true, now_ns);
}

// An order that has waited for another one's cancel: what is left of the new total is sent.
static void send_waiting(struct hd_gateway *g, struct hd_order *o, const struct hd_order *old, int64_t now_ns) {
  HD_ASSERT(o->state == HADRON_STATE_INITIALIZED && o->successor == HD_SUCCESSOR_WAITS);
  o->successor = HD_SUCCESSOR_DONE;
  o->request.replaces = (struct hadron_client_order_id){{0}}; // for the venue it is a new order
  if (old->state != HADRON_STATE_CANCELED || old->filled.e8 >= o->request.quantity.e8) {
    char text[64];
    snprintf(text, sizeof text, "the order to replace is %s", hd_order_state_name(old->state));
    follow(g, o, HADRON_CHANGE_CANCELED, text, now_ns);
    return;
  }
  int64_t rest = o->request.quantity.e8 - old->filled.e8, weights[HD_SHARES_MAX], given[HD_SHARES_MAX];
  for (uint32_t i = 0; i < o->share_count; i++) {
    weights[i] = o->shares[i].ordered.e8;
    for (uint32_t k = 0; k < old->share_count; k++)
      if (old->shares[k].arm == o->shares[i].arm)
        weights[i] = weights[i] > old->shares[k].filled.e8 ? weights[i] - old->shares[k].filled.e8 : 0;
  }
  hd_share_lots(rest, weights, o->share_count, hd_order_lot(g, o), given); // exact where the arms are the same
  for (uint32_t i = 0; i < o->share_count; i++) o->shares[i].ordered.e8 = given[i];
  o->request.quantity.e8 = rest;
  if (hd_order_queue(g, o, now_ns)) {
    follow(g, o, HADRON_CHANGE_DENY, "not recorded, so not sent", now_ns);
    return;
  }
  g->counts.orders++;
  if (o->state == HADRON_STATE_PENDING_SUBMIT && o->held != HD_HOLD_WAITING) hd_order_submit(g, o, now_ns);
}

// "Too late" may be all that is left of an end whose news were lost: an order that still works here is asked for until the venue answers.
static void doubt_refusal(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  if (!hd_order_works(o)) return;
  int64_t ask_ns = hd_time_after(now_ns, g->options.query_every_ns);
  if (o->ask_ns > ask_ns) o->ask_ns = ask_ns;
  hd_table_due(g, o);
}

static void after_end(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(hd_order_final(o->state));
  struct hd_order *successor = hd_id_zero(&o->replaced_by) ? NULL : hd_table_find(g, &o->replaced_by);
  bool waits = successor != NULL && successor->successor == HD_SUCCESSOR_WAITS && successor->state == HADRON_STATE_INITIALIZED;
  if (waits && !o->gap) send_waiting(g, successor, o, now_ns);
  if (o->successor != HD_SUCCESSOR_IN_PLACE) return;
  struct hd_order *old = hd_table_find(g, &o->request.replaces); // the replace was refused: the old order goes on
  if (old == NULL || hd_order_final(old->state) || !hd_id_same(&old->replaced_by, &o->request.client_order_id)) return;
  old->replaced_by = (struct hadron_client_order_id){{0}};
  if (old->state == HADRON_STATE_PENDING_REPLACE || old->state == HADRON_STATE_PENDING_CANCEL) // unknown stays unknown
    follow(g, old, HADRON_CHANGE_REPLACE_REJECT, "", now_ns);
  doubt_refusal(g, old, now_ns);
  hd_order_after(g, old, now_ns);
}

// Its cancel was refused: an order that waits for it will never be sent.
static void after_refusal(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  struct hd_order *successor = hd_id_zero(&o->replaced_by) ? NULL : hd_table_find(g, &o->replaced_by);
  if (successor == NULL || successor->successor != HD_SUCCESSOR_WAITS || successor->state != HADRON_STATE_INITIALIZED) return;
  o->replaced_by = (struct hadron_client_order_id){{0}};
  successor->successor = HD_SUCCESSOR_DONE;
  follow(g, successor, HADRON_CHANGE_REPLACE_REJECT, "the order to replace could not be cancelled", now_ns);
}

void hd_order_after(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->list != HD_LIST_FREE);
  hd_order_pin(o);
  bool working = o->state == HADRON_STATE_ACCEPTED || o->state == HADRON_STATE_PARTIALLY_FILLED;
  if (hd_order_final(o->state)) after_end(g, o, now_ns);
  else if (working && o->cancel_wanted) hd_order_cancel(g, o, now_ns);
  hd_order_unpin(o);
}

// ---- replaced in place

// What the old order has of fills counts for the new one: the venue sees one order that goes on.
static void inherit(struct hd_order *o, const struct hd_order *old) {
  o->filled.e8 += old->filled.e8;
  o->filled_value += old->filled_value;
  if (o->filled.e8 > 0) o->average.nanos = (int64_t)hadron_divide_round(o->filled_value, o->filled.e8);
  if (old->told_e8 > o->told_e8) o->told_e8 = old->told_e8;
  for (uint32_t i = 0; i < old->share_count; i++) {
    uint32_t to = 0;
    for (uint32_t k = 0; k < o->share_count; k++)
      if (o->shares[k].arm == old->shares[i].arm) to = k;
    o->shares[to].filled.e8 += old->shares[i].filled.e8;
  }
}

// What changes hands; the order whose place was taken, or NULL.
static struct hd_order *place_taken(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->successor == HD_SUCCESSOR_IN_PLACE);
  o->successor = HD_SUCCESSOR_DONE;
  g->counts.replaces++;
  struct hd_order *old = hd_table_find(g, &o->request.replaces);
  if (old == NULL) return NULL;
  inherit(o, old);
  old->replaced_by = o->request.client_order_id;
  old->told_e8 = old->filled.e8; // what is missing is missing from the new one now
  if (old->cancel_wanted && old->state == HADRON_STATE_PENDING_CANCEL) o->cancel_wanted = 1;
  hd_table_gap(g, old, now_ns);
  return old;
}

void hd_order_take_place(struct hd_gateway *g, struct hd_order *o, const struct hd_cause *cause, int64_t now_ns) {
  struct hd_order *old = place_taken(g, o, now_ns);
  if (old == NULL) return;
  hd_order_pin(old);
  if (!hd_order_final(old->state) && old->state == HADRON_STATE_UNKNOWN) // the place is taken, so it is known to be gone
    hd_order_change(g, old, HADRON_CHANGE_CANCELED, cause, true, now_ns);
  else if (!hd_order_final(old->state))
    follow(g, old, old->state == HADRON_STATE_PENDING_REPLACE || old->state == HADRON_STATE_PENDING_CANCEL ? HADRON_CHANGE_REPLACED : HADRON_CHANGE_CANCELED,
           "replaced", now_ns);
  hd_order_unpin(old);
}

// The venue's terms hold, whatever was asked for.
static void adopt_terms(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r) {
  if (r->price.nanos > 0 && r->price.nanos != o->request.limit.nanos && o->request.limit.nanos != 0) {
    hd_gateway_alert(g, 2, HADRON_ERR_RANGE, o->request.instrument, r->venue, "order %.24s: replaced at %lld e-9, asked for %lld e-9",
                     o->request.client_order_id.hex, (long long)r->price.nanos, (long long)o->request.limit.nanos);
    o->request.limit = r->price;
  }
  if (r->quantity.e8 <= 0 || r->quantity.e8 == o->request.quantity.e8) return;
  hd_gateway_alert(g, 2, HADRON_ERR_RANGE, o->request.instrument, r->venue, "order %.24s: replaced with %lld e-8, asked for %lld e-8",
                   o->request.client_order_id.hex, (long long)r->quantity.e8, (long long)o->request.quantity.e8);
  hd_order_terms(g, o, o->request.limit, r->quantity);
}

// ---- reports

static bool speaks_of_life(uint32_t change) {
  return change == HADRON_CHANGE_ACCEPT || change == HADRON_CHANGE_FILL || change == HADRON_CHANGE_CANCELED || change == HADRON_CHANGE_EXPIRE ||
         change == HADRON_CHANGE_REPLACED || change == HADRON_CHANGE_TRIGGER;
}

// Changes that say something even if the state stays.
static bool tells(uint32_t change) { return change == HADRON_CHANGE_TRIGGER || change == HADRON_CHANGE_CANCEL_REJECT; }

static int32_t impossible(struct hd_gateway *g, const struct hd_order *o, const struct hadron_venue_report *r) {
  g->counts.impossible++;
  hd_gateway_alert(g, 2, HADRON_ERR_STATE, o->request.instrument, r->venue, "order %.24s: %s cannot be in state %s; the state is kept",
                   o->request.client_order_id.hex, hd_order_change_name(r->change), hd_order_state_name(o->state));
  return HADRON_ERR_STATE;
}

// What the report means here: a cancel that was an expiry; an order forgotten by a venue that has had it.
static enum hadron_order_change meant(const struct hd_order *o, const struct hadron_venue_report *r) {
  if (r->change == HADRON_CHANGE_CANCELED && o->expiring) return HADRON_CHANGE_EXPIRE;
  // It took another's place and is told so again, while something else is under way: it works.
  bool again = o->successor == HD_SUCCESSOR_DONE && !hd_id_zero(&o->request.replaces) &&
               (o->state == HADRON_STATE_PENDING_CANCEL || o->state == HADRON_STATE_PENDING_REPLACE);
  if (r->change == HADRON_CHANGE_REPLACED && again) return HADRON_CHANGE_ACCEPT;
  if (r->change == HADRON_CHANGE_ABSENT && o->acked && !hd_order_final(o->state)) return HADRON_CHANGE_LOSE;
  // Of an order that has taken another one's place it says that it is there, also when it is told late or twice: nothing has taken its own.
  bool took = o->successor == HD_SUCCESSOR_DONE && !hd_id_zero(&o->request.replaces);
  bool leaving = o->state == HADRON_STATE_PENDING_CANCEL || o->state == HADRON_STATE_PENDING_REPLACE;
  if (r->change == HADRON_CHANGE_REPLACED && took && leaving) return HADRON_CHANGE_ACCEPT;
  return (enum hadron_order_change)r->change;
}

// Late news of an order that is too old to be wanted any more: it has ended, and nobody sends it again.
static bool fresh(const struct hd_gateway *g, const struct hd_order *o, int64_t now_ns) {
  return g->options.resend_within_ns == 0 || now_ns - o->request.time_ns <= g->options.resend_within_ns;
}

static bool resendable(const struct hd_gateway *g, const struct hd_order *o, enum hadron_order_change change) {
  bool waiting = o->state == HADRON_STATE_SUBMITTED || o->state == HADRON_STATE_UNKNOWN;
  return g->options.resend && change == HADRON_CHANGE_ABSENT && waiting && !o->acked && !o->resent && !o->cancel_wanted &&
         o->successor != HD_SUCCESSOR_IN_PLACE;
}

static int32_t resend(struct hd_gateway *g, struct hd_order *o, const struct hd_cause *cause, int64_t now_ns) {
  o->resent = 1;
  if (o->state != HADRON_STATE_UNKNOWN) hd_order_change(g, o, HADRON_CHANGE_LOSE, cause, true, now_ns);
  if (o->state != HADRON_STATE_UNKNOWN) return HADRON_OK; // the listener has led elsewhere
  struct hd_cause again = hd_cause_text("never arrived; sent again with the same id");
  int32_t err = hd_order_change(g, o, HADRON_CHANGE_QUEUE, &again, false, now_ns);
  if (err) return err; // not recorded, so not sent: unknown, and asked again
  return o->state == HADRON_STATE_PENDING_SUBMIT ? hd_order_submit(g, o, now_ns) : HADRON_OK;
}

static bool is_end(const struct hadron_venue_report *r) { return r->change == HADRON_CHANGE_CANCELED || r->change == HADRON_CHANGE_EXPIRE; }

// Who has the fills of an order now: itself, or the last one that took its place.
static struct hd_order *taker(struct hd_gateway *g, struct hd_order *o) {
  for (int hops = 0; hops < 64 && !hd_id_zero(&o->replaced_by); hops++) {
    struct hd_order *successor = hd_table_find(g, &o->replaced_by);
    if (successor == NULL || successor->successor != HD_SUCCESSOR_DONE || hd_id_zero(&successor->request.replaces)) break;
    o = successor;
  }
  return o;
}

static void told(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns) {
  struct hd_order *to = taker(g, o);
  if (r->cumulative.e8 > to->told_e8) to->told_e8 = r->cumulative.e8;
  // An answer that counts as we do settles it: what counted more was said before an execution was taken back. Of an order that has ended
  // only its end is such an answer; that it works is older news.
  else if (to == o && (r->flags & 1) && r->cumulative.e8 == o->filled.e8 && (is_end(r) || !hd_order_final(o->state))) o->told_e8 = o->filled.e8;
  if (to != o) hd_table_gap(g, to, now_ns);
}

static void count_told(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, int64_t now_ns) {
  told(g, o, r, now_ns);
  if (is_end(r) && r->cumulative.e8 >= 0 && r->cumulative.e8 < o->filled.e8)
    hd_gateway_alert(g, 3, HADRON_ERR_CORRUPT, o->request.instrument, r->venue, "order %.24s: the venue counts %lld e-8 filled, its executions sum to %lld e-8",
                     o->request.client_order_id.hex, (long long)r->cumulative.e8, (long long)o->filled.e8);
}

// Also for a working order whose first acknowledgement comes while a cancel or replace is under way.
static void learn(struct hd_order *o, const struct hadron_venue_report *r, bool *news) {
  bool life = speaks_of_life(r->change);
  if (life && !o->acked) o->acked = 1, *news = true;
  if (r->venue_order_id[0] && strncmp(o->venue_order_id, r->venue_order_id, HADRON_VENUE_ID_SIZE) != 0) {
    memset(o->venue_order_id, 0, sizeof o->venue_order_id);
    memcpy(o->venue_order_id, r->venue_order_id, strnlen(r->venue_order_id, HADRON_VENUE_ID_SIZE));
    *news = true;
  }
}

static int32_t report_change(struct hd_gateway *g, struct hd_order *o, const struct hadron_venue_report *r, bool news, int64_t now_ns) {
  enum hadron_order_change change = meant(o, r);
  struct hd_cause cause = {.venue_ns = r->venue_ns, .reason = (uint16_t)r->reason};
  hd_text_field(cause.text, r->text, sizeof cause.text - 1);
  if (hd_order_where(o, change) == HADRON_STATE_INVALID || hd_order_unsent(o)) return impossible(g, o, r);
  if (resendable(g, o, change) && fresh(g, o, now_ns)) return resend(g, o, &cause, now_ns);
  if (change == HADRON_CHANGE_ABSENT && cause.text[0] == 0) hd_text_copy(cause.text, sizeof cause.text, "never arrived at the venue");
  uint8_t before = o->state;
  if (r->change == HADRON_CHANGE_REPLACED && o->successor != HD_SUCCESSOR_NONE && !hd_order_final(before)) adopt_terms(g, o, r);
  count_told(g, o, r, now_ns);
  if (change == HADRON_CHANGE_CANCEL_REJECT && before == HADRON_STATE_PENDING_CANCEL && o->resume != HADRON_STATE_SUBMITTED) o->cancel_wanted = 0, o->expiring = 0;
  enum hadron_order_state to = hd_order_where(o, change); // with the terms as they are now
  if (to == before && !tells(change) && !news) {
    if ((r->flags & 1) && change == HADRON_CHANGE_ACCEPT && hd_order_works(o) && !o->gap) o->ask_ns = INT64_MAX; // what was asked is answered
    hd_table_gap(g, o, now_ns);
    hd_table_due(g, o);
    hd_order_after(g, o, now_ns);
    return r->flags & 1 ? HADRON_OK : HADRON_ERR_DUPLICATE;
  }
  if (before == HADRON_STATE_REJECTED && to == HADRON_STATE_UNKNOWN)
    hd_gateway_alert(g, 3, HADRON_ERR_STATE, o->request.instrument, r->venue, "order %.24s was taken for rejected and the venue speaks of it as alive: unknown",
                     o->request.client_order_id.hex);
  hd_table_gap(g, o, now_ns);
  int32_t err = hd_order_change(g, o, change, &cause, true, now_ns);
  if (change == HADRON_CHANGE_LOSE && o->state == HADRON_STATE_UNKNOWN && before != HADRON_STATE_UNKNOWN)
    hd_gateway_alert(g, 2, HADRON_ERR_TIMEOUT, o->request.instrument, r->venue, "order %.24s: outcome unknown: %s", o->request.client_order_id.hex, cause.text);
  if (change == HADRON_CHANGE_CANCEL_REJECT && !hd_order_final(o->state)) after_refusal(g, o, now_ns);
  if (change == HADRON_CHANGE_CANCEL_REJECT) doubt_refusal(g, o, now_ns);
  hd_order_after(g, o, now_ns);
  return err;
}

// Fills and busts of a replaced order belong to the one in its place; answers to a replace, to the one that asked for it.
static struct hd_order *addressee(struct hd_gateway *g, const struct hadron_venue_report *r) {
  struct hd_order *o = hd_id_zero(&r->client_order_id) ? NULL : hd_table_find(g, &r->client_order_id);
  bool execution = r->change == HADRON_CHANGE_FILL || r->change == HADRON_CHANGE_BUST;
  bool answer = r->change == HADRON_CHANGE_REPLACED || r->change == HADRON_CHANGE_REPLACE_REJECT;
  if (r->change == HADRON_CHANGE_BUST) hd_gateway_executed(g, r, &o); // whatever order the report names
  for (int hops = 0; o != NULL && hops < 64 && !hd_id_zero(&o->replaced_by); hops++) {
    struct hd_order *successor = hd_table_find(g, &o->replaced_by);
    if (successor == NULL) break;
    bool taken = successor->successor == HD_SUCCESSOR_DONE && !hd_id_zero(&successor->request.replaces);
    // A venue may answer a replace under the id of the order that was there. One that has itself replaced another is not spoken of so: it would
    // be its own answer, told twice, that is taken for its successor's.
    bool first = hd_id_zero(&o->request.replaces);
    if (!(execution && taken) && !(answer && first && successor->successor == HD_SUCCESSOR_IN_PLACE)) break;
    o = successor;
  }
  return o;
}

int32_t hd_gateway_report(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns) {
  HD_ASSERT(g != NULL && r != NULL);
  bool host = r->change == HADRON_CHANGE_SEND_FAIL || r->change == HADRON_CHANGE_LOSE;
  if (!host && (r->change < HADRON_CHANGE_ACCEPT || r->change > HADRON_CHANGE_BUST)) {
    g->counts.impossible++;
    hd_gateway_alert(g, 3, HADRON_ERR_ARGUMENT, 0, r->venue, "a venue reported change %u; it must be one of Accept to Bust, SendFail or Lose", r->change);
    return HADRON_ERR_ARGUMENT;
  }
  struct hd_order *o = addressee(g, r);
  if (o == NULL && hd_gateway_stray(g, r)) {
    o = hd_gateway_take_over(g, r, now_ns);
    if (o == NULL) {
      hd_gateway_note_stray(g, r, now_ns);
      return HADRON_ERR_NOT_FOUND;
    }
  }
  if (o == NULL) hd_gateway_note_stray(g, r, now_ns);
  if (o == NULL || r->venue != o->request.venue) return hd_gateway_external(g, r, now_ns);
  hd_order_pin(o);
  if ((r->flags & 1) && r->change == HADRON_CHANGE_ACCEPT) o->listed = 1; // its fills alone do not say that it is open
  bool news = false;
  int32_t err;
  if (o->successor == HD_SUCCESSOR_IN_PLACE && speaks_of_life(r->change)) {
    struct hd_cause cause = {.venue_ns = r->venue_ns};
    hd_order_take_place(g, o, &cause, now_ns);
  }
  learn(o, r, &news);
  if (r->change == HADRON_CHANGE_FILL || r->change == HADRON_CHANGE_BUST) {
    uint8_t before = o->state;
    err = r->change == HADRON_CHANGE_FILL ? hd_gateway_fill(g, o, r, now_ns) : hd_gateway_bust(g, o, r, now_ns);
    // An answer that only says how much was filled says as well that the order is there.
    bool summary = r->change == HADRON_CHANGE_FILL && (r->flags & 1) && err == HADRON_ERR_DUPLICATE && before == HADRON_STATE_UNKNOWN && !o->gap;
    if (summary) {
      struct hadron_venue_report accept = *r;
      accept.change = HADRON_CHANGE_ACCEPT;
      err = report_change(g, o, &accept, true, now_ns);
    } else hd_order_after(g, o, now_ns);
  } else err = report_change(g, o, r, news, now_ns);
  hd_order_unpin(o);
  return err;
}

// ---- from the journal

// Of a report that was recorded: what it left behind that no other record tells. Its order events and executions are folded by their own.
void hd_gateway_fold_report(struct hd_gateway *g, const struct hadron_venue_report *r, int64_t now_ns) {
  bool host = r->change == HADRON_CHANGE_SEND_FAIL || r->change == HADRON_CHANGE_LOSE, news = false;
  if (!host && (r->change < HADRON_CHANGE_ACCEPT || r->change > HADRON_CHANGE_BUST)) return;
  struct hd_order *o = addressee(g, r);
  if (o == NULL) hd_gateway_note_stray(g, r, now_ns);
  if (o == NULL || r->venue != o->request.venue) return;
  if (o->successor == HD_SUCCESSOR_IN_PLACE && speaks_of_life(r->change)) place_taken(g, o, now_ns);
  learn(o, r, &news);
  if (r->change == HADRON_CHANGE_FILL || r->change == HADRON_CHANGE_BUST) {
    hd_gateway_fold_told(g, o, r, now_ns);
    return;
  }
  enum hadron_order_change change = meant(o, r);
  if (hd_order_where(o, change) == HADRON_STATE_INVALID || hd_order_unsent(o) || (resendable(g, o, change) && fresh(g, o, now_ns))) return;
  told(g, o, r, now_ns);
  if (change == HADRON_CHANGE_CANCEL_REJECT && o->state == HADRON_STATE_PENDING_CANCEL && o->resume != HADRON_STATE_SUBMITTED)
    o->cancel_wanted = 0, o->expiring = 0;
  hd_table_gap(g, o, now_ns);
}

void hd_order_terms(const struct hd_gateway *g, struct hd_order *o, struct hadron_price limit, struct hadron_quantity quantity) {
  o->request.limit = limit;
  if (quantity.e8 <= 0 || quantity.e8 == o->request.quantity.e8) return;
  int64_t weights[HD_SHARES_MAX], ordered[HD_SHARES_MAX];
  for (uint32_t i = 0; i < o->share_count; i++) weights[i] = o->shares[i].ordered.e8;
  hd_share_lots(quantity.e8, weights, o->share_count, hd_order_lot(g, o), ordered);
  for (uint32_t i = 0; i < o->share_count; i++) o->shares[i].ordered.e8 = ordered[i];
  o->request.quantity = quantity;
}
