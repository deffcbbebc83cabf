// What is due: answers that are overdue, orders that expire, stops that have triggered and could not be sent.
#include "base/banned.h"
#include "pipeline/gateway_internal.h"

void hd_order_expiry(const struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->state == HADRON_STATE_INITIALIZED);
  o->expire_at_ns = INT64_MAX;
  if (!g->options.expires && o->held == HD_HOLD_NONE) return;
  if (o->request.time_in_force == HADRON_TIF_GTD) o->expire_at_ns = o->request.expire_ns;
  if (o->request.time_in_force == HADRON_TIF_DAY && g->options.day_end_ns >= 0) {
    int64_t day = now_ns / HD_DAY_NS - (now_ns % HD_DAY_NS < 0);
    int64_t end = day * HD_DAY_NS + g->options.day_end_ns;
    o->expire_at_ns = end > now_ns ? end : end + HD_DAY_NS;
  }
}

static void change_if(struct hd_gateway *g, struct hd_order *o, enum hadron_order_change change, const char *text, int64_t now_ns) {
  if (hd_order_where(o, change) == HADRON_STATE_INVALID) return;
  struct hd_cause cause = hd_cause_text(text);
  hd_order_change(g, o, change, &cause, true, now_ns);
}

static void retry_at(struct hd_gateway *g, struct hd_order *o, int64_t at_ns) {
  o->ask_ns = at_ns;
  hd_table_due(g, o);
}

static void expire(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  o->expire_at_ns = INT64_MAX;
  hd_table_due(g, o);
  bool here = o->held == HD_HOLD_WAITING || o->held == HD_HOLD_TRIGGERED || o->state == HADRON_STATE_INITIALIZED;
  if (here) {
    change_if(g, o, HADRON_CHANGE_EXPIRE, "expired", now_ns);
    hd_order_after(g, o, now_ns);
    return;
  }
  o->expiring = 1;
  if (hd_order_cancel(g, o, now_ns) != HADRON_ERR_IO) return;
  o->expiring = 0; // not recorded, so not sent: again when the next question would be due
  o->expire_at_ns = hd_time_after(now_ns, g->options.query_every_ns);
  hd_table_due(g, o);
}

static void alarm_once(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  if (o->alarmed || o->doubt_ns == 0 || now_ns - o->doubt_ns < g->options.alert_after_ns) return;
  o->alarmed = 1;
  hd_gateway_alert(g, 3, HADRON_ERR_TIMEOUT, o->request.instrument, o->request.venue, "order %.24s: outcome still unknown after %lld s: ask the venue by hand",
                   o->request.client_order_id.hex, (long long)((now_ns - o->doubt_ns) / 1000000000));
}

// A stop that has triggered goes out; if the venue cannot take it now, again later: it is never given up.
static void send_triggered(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->held == HD_HOLD_TRIGGERED && o->state == HADRON_STATE_PENDING_SUBMIT);
  int64_t again = hd_time_after(now_ns, g->options.query_every_ns);
  bool ready = g->port.state(g->port.self, o->request.venue) == HADRON_VENUE_READY;
  if (!ready) {
    if (!o->alarmed)
      hd_gateway_alert(g, 3, HADRON_ERR_STATE, o->request.instrument, o->request.venue, "stop %.24s has triggered and the venue is not ready; it will be tried again",
                       o->request.client_order_id.hex);
    o->alarmed = 1;
    retry_at(g, o, again);
    return;
  }
  hd_table_hold(g, o, HD_HOLD_SENT);
  hd_order_submit(g, o, now_ns);
}

static void ask(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  if (o->waits) { // nobody has it yet
    retry_at(g, o, hd_time_after(now_ns, g->options.query_every_ns));
    return;
  }
  if (o->held == HD_HOLD_TRIGGERED) {
    send_triggered(g, o, now_ns);
    return;
  }
  if (o->state == HADRON_STATE_SUBMITTED || o->state == HADRON_STATE_PENDING_SUBMIT) {
    change_if(g, o, HADRON_CHANGE_LOSE, "no answer in time", now_ns);
    if (o->state != HADRON_STATE_UNKNOWN) return;
    hd_gateway_alert(g, 2, HADRON_ERR_TIMEOUT, o->request.instrument, o->request.venue, "order %.24s: no answer in time; outcome unknown", o->request.client_order_id.hex);
  }
  bool cancelling = o->state == HADRON_STATE_PENDING_CANCEL || (o->state == HADRON_STATE_UNKNOWN && o->cancel_wanted);
  if (cancelling) hd_order_cancel_again(g, o, now_ns); // a cancel may be lost: it is sent until there is an end
  if (o->list != HD_LIST_OPEN && o->list != HD_LIST_GAP) return;
  hd_order_query(g, o, now_ns);
  alarm_once(g, o, now_ns);
}

void hd_gateway_list_begin(struct hd_gateway *g, uint16_t venue) {
  for (uint32_t at = g->head[HD_LIST_OPEN]; at; at = g->orders[at].next)
    if (g->orders[at].request.venue == venue) g->orders[at].listed = 0;
}

// Time runs on at the next timer: the questions leave one after the other, as always.
void hd_gateway_list_end(struct hd_gateway *g, uint16_t venue, int64_t now_ns) {
  for (uint32_t at = g->head[HD_LIST_OPEN]; at; at = g->orders[at].next) {
    struct hd_order *o = &g->orders[at];
    if (o->request.venue != venue || o->listed || hd_order_unsent(o) || o->state == HADRON_STATE_INITIALIZED || o->waits) continue;
    o->asks = 0;
    o->ask_ns = now_ns;
    hd_table_due(g, o);
  }
}

int64_t hd_gateway_due(const struct hd_gateway *g) { return g->heap_count == 0 ? INT64_MAX : g->heap[1].due_ns; }

int64_t hd_gateway_timer(struct hd_gateway *g, int64_t now_ns) {
  HD_ASSERT(g->options.query_every_ns > 0 && g->heap_count <= g->options.orders_max);
  // Whatever is done moves the order's time past now; the bound holds even if a listener keeps making orders that are due at once.
  for (uint64_t budget = 2 * (uint64_t)g->heap_count; budget > 0 && hd_gateway_due(g) <= now_ns; budget--) {
    struct hd_order *o = &g->orders[g->heap[1].slot];
    hd_order_pin(o);
    if (o->expire_at_ns <= now_ns) expire(g, o, now_ns);
    else ask(g, o, now_ns);
    hd_order_unpin(o);
  }
  return hd_gateway_due(g);
}

// ---- stops that the host holds

bool hd_gateway_holds(const struct hd_gateway *g, uint32_t instrument) {
  return instrument <= g->instrument_max && g->instrument_held[instrument] > 0;
}

// A stop triggers on the last trade; where nothing trades (quotes only), on the side that it would hit. Not while the market is
// halted or closed.
static bool triggers(const struct hd_order *o, const struct hd_mark *m) {
  if (m->state == HADRON_MARKET_HALTED || m->state == HADRON_MARKET_CLOSED) return false;
  bool buy = o->request.side == HADRON_SIDE_BUY;
  int64_t price = m->last.nanos > 0 ? m->last.nanos : buy ? m->ask.nanos : m->bid.nanos;
  if (price <= 0) return false;
  return buy ? price >= o->request.stop.nanos : price <= o->request.stop.nanos;
}

static struct hd_order *next_triggered(const struct hd_gateway *g, uint32_t instrument, const struct hd_mark *m) {
  for (uint32_t at = g->instrument_head[instrument]; at; at = g->orders[at].next_of_instrument) {
    struct hd_order *o = &g->orders[at];
    if (o->held == HD_HOLD_WAITING && o->state == HADRON_STATE_PENDING_SUBMIT && triggers(o, m)) return o;
  }
  return NULL;
}

bool hd_gateway_triggers(const struct hd_gateway *g, uint32_t instrument, const struct hd_mark *mark) { return next_triggered(g, instrument, mark) != NULL; }

bool hd_gateway_worked(const struct hd_gateway *g, uint32_t instrument) { return instrument <= g->instrument_max && g->instrument_head[instrument] != 0; }

__attribute__((noinline)) void hd_gateway_mark(struct hd_gateway *g, uint32_t instrument, int64_t now_ns) {
  HD_ASSERT(instrument <= g->instrument_max && instrument < g->marks->max + 1);
  struct hd_mark mark = hd_mark_read(g->marks, instrument);
  struct hd_order *o;
  for (uint32_t budget = g->instrument_held[instrument]; budget > 0 && (o = next_triggered(g, instrument, &mark)) != NULL; budget--) {
    struct hd_cause cause = hd_cause_text("");
    hd_order_pin(o);
    hd_table_hold(g, o, HD_HOLD_TRIGGERED); // the event shows what it becomes
    if (hd_order_change(g, o, HADRON_CHANGE_TRIGGER, &cause, false, now_ns)) {
      hd_table_hold(g, o, HD_HOLD_WAITING); // not recorded, so not sent: the next mark tries again
      hd_order_unpin(o);
      return;
    }
    g->promised = g->held != NULL;
    if (o->held == HD_HOLD_TRIGGERED && o->state == HADRON_STATE_PENDING_SUBMIT) send_triggered(g, o, now_ns);
    hd_order_after(g, o, now_ns);
    hd_order_unpin(o);
  }
}
