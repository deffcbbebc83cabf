// From the host to the venue. Everything is recorded before its effect leaves: the order and QUEUE before a submit, CANCEL before a
// cancel, REPLACE before a replace. A record that fails means that nothing was sent.
#include "base/banned.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/text.h"
#include "pipeline/gateway_internal.h"

struct hd_cause hd_cause_text(const char *text) {
  struct hd_cause cause = {0};
  hd_text_copy(cause.text, sizeof cause.text, text);
  return cause;
}

void hd_gateway_alert(struct hd_gateway *g, uint32_t severity, int32_t code, uint32_t instrument, uint16_t venue, const char *format, ...) {
  if (g->listener.alert == NULL) return;
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  hd_text_printable(text); // ids and words come from venues
  g->listener.alert(g->listener.self, severity, code, instrument, venue, text);
}

// A stop that the host has held goes out as what it became.
static bool stop_became(const struct hd_order *o) { return o->held == HD_HOLD_TRIGGERED || o->held == HD_HOLD_SENT; }

static uint8_t sent_type(const struct hd_order *o) {
  if (!stop_became(o)) return o->request.order_type;
  HD_ASSERT(o->request.order_type == HADRON_ORDER_STOP || o->request.order_type == HADRON_ORDER_STOP_LIMIT);
  return o->request.order_type == HADRON_ORDER_STOP ? HADRON_ORDER_MARKET : HADRON_ORDER_LIMIT;
}

static struct hadron_price sent_stop(const struct hd_order *o) { return stop_became(o) ? (struct hadron_price){0} : o->request.stop; }

// The order as it goes out.
void hd_order_sent_as(const struct hd_order *o, struct hadron_order *out) {
  *out = o->request;
  memcpy(out->venue_order_id, o->venue_order_id, sizeof out->venue_order_id);
  out->order_type = sent_type(o);
  out->stop = sent_stop(o);
}

enum hadron_order_state hd_order_where(const struct hd_order *o, enum hadron_order_change change) {
  enum hadron_order_state to = hd_order_next((enum hadron_order_state)o->state, change);
  if (to == HADRON_STATE_INVALID) return to;
  bool refused = (o->state == HADRON_STATE_PENDING_CANCEL && change == HADRON_CHANGE_CANCEL_REJECT) ||
                 (o->state == HADRON_STATE_PENDING_REPLACE && change == HADRON_CHANGE_REPLACE_REJECT);
  if (refused) to = o->acked && o->resume == HADRON_STATE_SUBMITTED ? HADRON_STATE_ACCEPTED : (enum hadron_order_state)o->resume;
  bool whole = o->filled.e8 >= o->request.quantity.e8;
  bool working = to == HADRON_STATE_ACCEPTED || to == HADRON_STATE_PARTIALLY_FILLED;
  if (whole && (working || change == HADRON_CHANGE_FILL)) return HADRON_STATE_FILLED;
  if (working) return o->filled.e8 > 0 ? HADRON_STATE_PARTIALLY_FILLED : HADRON_STATE_ACCEPTED;
  return to;
}

// What speaks of things to come may be refused when space is short; what has happened, and cancels, may use the reserve.
static uint32_t record_flags(enum hadron_order_change change) {
  bool to_come = change == HADRON_CHANGE_DENY || change == HADRON_CHANGE_QUEUE || change == HADRON_CHANGE_REPLACE || change == HADRON_CHANGE_TRIGGER;
  return to_come ? 0 : HD_RECORD_RESERVED;
}

// Sets every field: clearing the event first would cost as much as filling it.
static void event_fill(struct hd_gateway *g, const struct hd_order *o, enum hadron_order_change change, uint8_t to, const struct hd_cause *cause,
                       int64_t now_ns, struct hadron_order_event *e) {
  const struct hadron_order *request = &o->request;
  e->trace = request->trace;
  e->cause = request->cause;
  e->id = g->event_id + 1;
  e->intent = request->intent;
  e->time_ns = now_ns;
  e->venue_ns = cause->venue_ns;
  e->client_order_id = request->client_order_id;
  e->limit = request->limit;
  e->stop = sent_stop(o);
  e->average = o->average;
  e->quantity = request->quantity;
  e->filled = o->filled;
  e->actual = cause->actual;
  e->bound = cause->bound;
  e->instrument = request->instrument;
  e->arm = request->arm;
  e->venue = request->venue;
  e->reason = cause->reason;
  e->from = o->state;
  e->to = to;
  e->change = (uint8_t)change;
  e->side = request->side;
  e->order_type = sent_type(o);
  e->time_in_force = request->time_in_force;
  e->flags = request->flags;
  e->slot = request->slot;
  e->pad = 0;
  memcpy(e->venue_order_id, o->venue_order_id, sizeof e->venue_order_id);
  if (cause->text[0]) memcpy(e->text, cause->text, sizeof e->text);
  else memset(e->text, 0, sizeof e->text); // most say nothing; reading what was cleared just now would wait for it
}

static void count_end(struct hd_gateway *g, uint8_t from, uint8_t to) {
  if (from == to) return;
  switch (to) {
  case HADRON_STATE_FILLED: g->counts.filled++; break;
  case HADRON_STATE_CANCELED: g->counts.canceled++; break;
  case HADRON_STATE_REJECTED: g->counts.rejected++; break;
  case HADRON_STATE_EXPIRED: g->counts.expired++; break;
  case HADRON_STATE_UNKNOWN: g->counts.unknown++; break;
  default: break;
  }
}

// Which answer is outstanding in the new state, and since when.
static void outstanding(struct hd_gateway *g, struct hd_order *o, uint8_t from, int64_t now_ns) {
  bool settled = o->state == HADRON_STATE_ACCEPTED || o->state == HADRON_STATE_PARTIALLY_FILLED;
  if (settled && !o->gap) o->ask_ns = INT64_MAX;
  if (o->state == HADRON_STATE_UNKNOWN && from != HADRON_STATE_UNKNOWN) o->ask_ns = now_ns;
  hd_table_due(g, o);
}

void hd_order_moved(struct hd_gateway *g, struct hd_order *o, uint8_t to, int64_t now_ns) {
  uint8_t from = o->state;
  if (from != to) o->asks = 0;
  hd_table_state(g, o, to, now_ns);
  outstanding(g, o, from, now_ns);
  count_end(g, from, to);
}

int32_t hd_order_change(struct hd_gateway *g, struct hd_order *o, enum hadron_order_change change, const struct hd_cause *cause, bool must,
                        int64_t now_ns) {
  uint8_t to = (uint8_t)hd_order_where(o, change);
  HD_ASSERT(to != HADRON_STATE_INVALID); // callers ask first
  struct hadron_order_event event;
  event_fill(g, o, change, to, cause, now_ns, &event);
  int32_t err = hd_record(&g->sink, HADRON_MSG_ORDER_EVENT, &event, sizeof event, now_ns, record_flags(change));
  if (err)
    hd_gateway_alert(g, 3, HADRON_ERR_IO, event.instrument, event.venue, "order %.24s: %s was not recorded (%s); %s", event.client_order_id.hex,
                     hd_order_change_name(change), hadron_error_name(err), must ? "it has happened all the same" : "so it was not done");
  if (err && !must) return HADRON_ERR_IO;
  hd_crash_here(HD_CRASH_EVENT_RECORDED);
  g->event_id++;
  hd_order_moved(g, o, to, now_ns);
  HD_ASSERT(o->state == to);
  if (g->listener.order_event) g->listener.order_event(g->listener.self, &event);
  return err ? HADRON_ERR_IO : HADRON_OK;
}

// ---- new orders

// An order of several arms: who has which part of it, one record each, before the order itself.
static int32_t shares_record(struct hd_gateway *g, const struct hd_order *o, int64_t now_ns) {
  int32_t err = HADRON_OK;
  for (uint32_t i = 0; i < o->share_count && !err; i++) {
    const struct hadron_order_share share = {.client_order_id = o->request.client_order_id, .time_ns = now_ns, .quantity = o->shares[i].ordered,
                                             .instrument = o->request.instrument, .arm = o->shares[i].arm, .kind = HADRON_SHARE_PART, .flags = g->mark};
    err = hd_record(&g->sink, HADRON_MSG_SHARE, &share, sizeof share, now_ns, 0);
  }
  return err;
}

int32_t hd_order_queue(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->state == HADRON_STATE_INITIALIZED || o->state == HADRON_STATE_UNKNOWN);
  struct hadron_order sent;
  hd_order_sent_as(o, &sent);
  if (g->id_count >= g->options.ids_max) return HADRON_ERR_FULL; // an order that waited while others used the day's ids up
  int32_t err = o->share_count > 1 ? shares_record(g, o, now_ns) : HADRON_OK;
  if (!err) err = hd_record(&g->sink, HADRON_MSG_ORDER, &sent, sizeof sent, now_ns, 0);
  if (err) {
    hd_gateway_alert(g, 3, HADRON_ERR_IO, sent.instrument, sent.venue, "order %.24s was not recorded (%s), so it was not sent", sent.client_order_id.hex,
                     hadron_error_name(err));
    return HADRON_ERR_IO;
  }
  hd_crash_here(HD_CRASH_ORDER_RECORDED);
  struct hd_cause cause = hd_cause_text("");
  hd_ids_add(g, &o->request.client_order_id); // from here on the journal has it
  g->promised = g->held != NULL;
  return hd_order_change(g, o, HADRON_CHANGE_QUEUE, &cause, false, now_ns);
}

void hd_order_was_sent(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  o->sent_ns = now_ns;
  o->ask_ns = g->options.unknown_after_ns > 0 ? hd_time_after(now_ns, g->options.unknown_after_ns) : INT64_MAX;
  hd_table_due(g, o);
}

int32_t hd_order_submit(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  static const struct hd_stamps none;
  HD_ASSERT(o->state == HADRON_STATE_PENDING_SUBMIT && o->held != HD_HOLD_WAITING);
  if (!g->held) return hd_order_depart(g, o, g->stamps ? g->stamps : &none, HADRON_OK, now_ns);
  hd_order_hold(g, o);
  return HADRON_OK;
}

int32_t hd_order_depart(struct hd_gateway *g, struct hd_order *o, const struct hd_stamps *stamps, int32_t flushed, int64_t now_ns) {
  struct hadron_order out;
  hd_order_sent_as(o, &out);
  hd_order_was_sent(g, o, now_ns); // before the call: the answer may come inside it
  bool in_place = o->successor == HD_SUCCESSOR_IN_PLACE;
  const struct hd_stamps at = *stamps; // the venue may answer inside the call
  uint64_t begun = g->stamps ? hd_cycles() : 0;
  int32_t err = flushed ? flushed : in_place ? g->port.replace(g->port.self, &out) : g->port.submit(g->port.self, &out);
  uint64_t done = begun ? hd_cycles() : 0;
  hd_crash_here(HD_CRASH_ORDER_SUBMITTED);
  struct hd_cause cause = hd_cause_text(err ? hadron_error_name(err) : "");
  enum hadron_order_change change = err ? HADRON_CHANGE_SEND_FAIL : HADRON_CHANGE_SEND;
  if (hd_order_where(o, change) == HADRON_STATE_INVALID) {
    g->counts.impossible++;
    hd_gateway_alert(g, 3, HADRON_ERR_STATE, out.instrument, out.venue, "order %.24s: %s in state %s", out.client_order_id.hex,
                     hd_order_change_name(change), hd_order_state_name(o->state));
    return HADRON_ERR_STATE;
  }
  hd_order_change(g, o, change, &cause, true, now_ns);
  if (begun && !err && g->listener.sent) g->listener.sent(g->listener.self, &out, &at, begun, done, now_ns);
  return err;
}

void hd_order_deny(struct hd_gateway *g, const struct hadron_intent *intent, const struct hadron_client_order_id *id,
                   const struct hd_verdict *verdict, const char *text, int64_t now_ns) {
  HD_ASSERT(verdict->reason != 0);
  struct hadron_order_event e = {
      .trace = intent->trace,
      .cause = intent->cause,
      .id = ++g->event_id,
      .intent = intent->id,
      .time_ns = now_ns,
      .limit = intent->limit,
      .stop = intent->stop,
      .quantity = intent->quantity,
      .actual = verdict->actual,
      .bound = verdict->bound,
      .instrument = intent->instrument,
      .arm = intent->arm,
      .venue = intent->venue,
      .reason = verdict->reason,
      .from = HADRON_STATE_INITIALIZED,
      .to = HADRON_STATE_DENIED,
      .change = HADRON_CHANGE_DENY,
      .side = intent->side,
      .order_type = intent->order_type,
      .time_in_force = intent->time_in_force,
      .flags = intent->flags,
      .slot = intent->slot,
  };
  // An id that is another order's stays out, or who reads by id would take that order for denied.
  if (!hd_gateway_seen(g, id)) e.client_order_id = *id;
  hd_text_copy(e.text, sizeof e.text, text);
  hd_order_denied(g, verdict->reason);
  int32_t err = hd_record(&g->sink, HADRON_MSG_ORDER_EVENT, &e, sizeof e, now_ns, 0);
  if (err) hd_gateway_alert(g, 3, HADRON_ERR_IO, intent->instrument, intent->venue, "a denial was not recorded (%s)", hadron_error_name(err));
  if (g->listener.order_event) g->listener.order_event(g->listener.self, &e);
}

// ---- cancels and questions

static int32_t cancel_here(struct hd_gateway *g, struct hd_order *o, const char *why, int64_t now_ns) {
  HD_ASSERT(hd_order_where(o, HADRON_CHANGE_CANCELED) == HADRON_STATE_CANCELED);
  struct hd_cause cause = hd_cause_text(why);
  hd_order_pin(o);
  int32_t err = hd_order_change(g, o, HADRON_CHANGE_CANCELED, &cause, false, now_ns);
  if (!err) hd_order_after(g, o, now_ns);
  hd_order_unpin(o);
  return err;
}

static int32_t cancel_send(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  if (hd_order_where(o, HADRON_CHANGE_CANCEL) == HADRON_STATE_INVALID) return HADRON_ERR_STATE;
  uint8_t before = o->state;
  struct hd_cause cause = hd_cause_text(o->expiring ? "expired" : "");
  if (before != HADRON_STATE_PENDING_CANCEL && before != HADRON_STATE_PENDING_REPLACE && before != HADRON_STATE_UNKNOWN) o->resume = before;
  int32_t err = hd_order_change(g, o, HADRON_CHANGE_CANCEL, &cause, false, now_ns);
  if (err) return err;
  o->cancel_wanted = 1;
  if (hd_order_final(o->state)) return HADRON_OK; // the listener has led to its end
  struct hadron_order out;
  hd_order_sent_as(o, &out);
  hd_order_was_sent(g, o, now_ns);
  g->counts.cancels++;
  err = g->port.cancel(g->port.self, &out);
  if (err) { // it stays wanted and the timer tries again
    hd_gateway_alert(g, 2, err, out.instrument, out.venue, "order %.24s: the cancel could not be sent (%s); it will be tried again",
                     out.client_order_id.hex, hadron_error_name(err));
    if (!hd_order_final(o->state)) o->ask_ns = hd_time_after(now_ns, g->options.query_every_ns);
    hd_table_due(g, o);
  }
  return HADRON_OK;
}

// It has not left, so it is taken back; what it was to replace goes as well.
static int32_t cancel_waiting(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  struct hd_order *old = o->successor == HD_SUCCESSOR_IN_PLACE ? hd_table_find(g, &o->request.replaces) : NULL;
  int32_t err = cancel_here(g, o, "withdrawn before it was sent", now_ns);
  return err || old == NULL || hd_order_final(old->state) ? err : hd_order_cancel(g, old, now_ns);
}

int32_t hd_order_cancel(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  if (hd_order_final(o->state)) return HADRON_ERR_STATE;
  bool taken_back = o->waits && o->sent_ns == 0; // not one that is to go a second time: the venue may have it
  if (taken_back) return cancel_waiting(g, o, now_ns);
  bool unsent = o->state == HADRON_STATE_INITIALIZED || (o->state == HADRON_STATE_PENDING_SUBMIT && o->sent_ns == 0 && !o->held);
  if (unsent) return cancel_here(g, o, "withdrawn before it was sent", now_ns);
  if (o->held == HD_HOLD_WAITING || o->held == HD_HOLD_TRIGGERED) return cancel_here(g, o, "withdrawn; the host held it", now_ns);
  if (o->successor == HD_SUCCESSOR_IN_PLACE) {
    struct hd_order *old = hd_table_find(g, &o->request.replaces);
    o->cancel_wanted = 1; // whichever of the two the venue has then
    if (old != NULL && !hd_order_final(old->state)) return hd_order_cancel(g, old, now_ns);
  }
  struct hd_order *successor = hd_id_zero(&o->replaced_by) ? NULL : hd_table_find(g, &o->replaced_by);
  if (successor != NULL && successor->successor == HD_SUCCESSOR_IN_PLACE) successor->cancel_wanted = 1;
  if (successor != NULL && (successor->state == HADRON_STATE_INITIALIZED || (successor->waits && successor->sent_ns == 0))) {
    int32_t err = cancel_here(g, successor, "withdrawn before it was sent", now_ns);
    if (err) return err;
  }
  return o->state == HADRON_STATE_PENDING_CANCEL ? HADRON_OK : cancel_send(g, o, now_ns);
}

int32_t hd_order_cancel_for(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(!hd_id_zero(&o->replaced_by) && !hd_order_final(o->state));
  return cancel_send(g, o, now_ns);
}

int32_t hd_order_cancel_again(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->state == HADRON_STATE_PENDING_CANCEL || o->state == HADRON_STATE_UNKNOWN);
  return cancel_send(g, o, now_ns);
}

// Twice as long each time.
static int64_t patience(const struct hd_gateway *g, const struct hd_order *o) {
  int64_t every = g->options.query_every_ns, most = g->options.query_max_ns;
  return most <= every ? every : o->asks < 40 && every <= most >> o->asks ? every << o->asks : most;
}

void hd_order_query(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->list == HD_LIST_OPEN || o->list == HD_LIST_GAP);
  struct hadron_order out;
  hd_order_sent_as(o, &out);
  o->ask_ns = hd_time_after(now_ns, patience(g, o));
  if (o->asks < 62) o->asks++;
  hd_table_due(g, o);
  uint32_t features = g->port.features(g->port.self, out.venue);
  if ((features & HADRON_VENUE_QUERIES) && g->port.query) g->port.query(g->port.self, &out); // what fails is asked again
}
