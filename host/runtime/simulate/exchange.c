// The venue's own side: orders, executions, the market. What stands here is the truth, whoever hears of it and whenever.
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/banned.h"
#include "hadron/decimal.h"
#include "pipeline/gateway.h"
#include "runtime/simulate/world.h"

enum { REASON_REJECT = 901, REASON_TABLE = 902, REASON_POST_ONLY = 903, REASON_STOP = 904, REASON_UNKNOWN = 905, REASON_LATE = 906, REASON_WHIM = 907 };

static bool buys(const struct hd_truth_order *o) { return o->request.side == HADRON_SIDE_BUY; }
static bool is_open(const struct hd_truth_order *o) { return o->state == HD_TRUTH_OPEN || o->state == HD_TRUTH_STOP; }
static int64_t left(const struct hd_truth_order *o) { return o->request.quantity.e8 - o->filled_e8; }
static int64_t ask_of(const struct hd_world_instrument *i) { return (i->mid + i->half) * i->increment; }
static int64_t bid_of(const struct hd_world_instrument *i) { return (i->mid - i->half) * i->increment; }

// ---- words about an order -----------------------------------------------------------------------------------------------------------

static void text_id(char *to, char kind, uint64_t number) {
  memset(to, 0, HADRON_VENUE_ID_SIZE);
  snprintf(to, HADRON_VENUE_ID_SIZE, "%c%llu", kind, (unsigned long long)number);
}

static struct hd_world_venue *venue_of(struct hd_world *w, const struct hd_truth_order *o) { return hd_world_venue_of(w, o->instrument); }

static struct hadron_venue_report word(struct hd_world *w, const struct hd_truth_order *o, uint8_t change) {
  struct hadron_venue_report r = {.venue_ns = w->now_ns, .client_order_id = o->request.client_order_id, .change = change, .side = o->request.side,
                                  .cumulative = {venue_of(w, o)->counts ? o->filled_e8 : -1}, .listing = o->instrument};
  text_id(r.venue_order_id, 'V', o->number);
  return r;
}

static void say(struct hd_world *w, const struct hd_truth_order *o, uint8_t change, enum hd_tell how, uint32_t reason, const char *text) {
  struct hadron_venue_report r = word(w, o, change);
  r.reason = reason;
  r.flags = how == HD_TELL_LISTED;
  snprintf(r.text, sizeof r.text, "%s", text);
  hd_venue_tell(w, venue_of(w, o), &r, how);
}

static void say_execution(struct hd_world *w, uint32_t number, uint8_t change, enum hd_tell how, int64_t cumulative) {
  const struct hd_truth_execution *e = &w->executions[number];
  struct hadron_venue_report r = word(w, &w->orders[e->order], change);
  text_id(r.execution_id, 'X', e->number);
  r.venue_ns = e->time_ns;
  r.price = e->price;
  r.quantity = e->quantity;
  r.fee = e->fee;
  r.liquidity = (uint8_t)(1 + number % 2);
  r.cumulative.e8 = hd_world_venue_of(w, e->instrument)->counts ? cumulative : -1;
  r.flags = how != HD_TELL_NEWS;
  hd_venue_tell(w, hd_world_venue_of(w, e->instrument), &r, how);
}

static void end(const struct hd_world *w, struct hd_truth_order *o, uint8_t state) {
  o->state = state;
  o->ended_ns = w->now_ns;
}

// ---- executions ---------------------------------------------------------------------------------------------------------------------

static struct hadron_money fee_of(int64_t price, int64_t quantity, uint32_t number) {
  int64_t notional = (int64_t)((hadron_int128)price * quantity / INT64_C(100000000000));
  return (struct hadron_money){number % 3 == 0 ? -notional / 20000 : notional / 3001 + 7};
}

// Makes an execution; false: the tables are full, and nothing trades any more.
static bool trade(struct hd_world *w, struct hd_truth_order *o, int64_t price, int64_t quantity) {
  if (w->execution_count == HD_WORLD_EXECUTIONS || quantity <= 0) return false;
  uint32_t number = w->execution_count++;
  w->executions[number] = (struct hd_truth_execution){.price = {price}, .quantity = {quantity}, .fee = fee_of(price, quantity, number), .time_ns = w->now_ns,
                                                      .order = (uint32_t)(o - w->orders), .instrument = o->instrument,
                                                      .number = ++venue_of(w, o)->execution_count, .side = o->request.side};
  o->filled_e8 += quantity;
  if (o->filled_e8 > o->request.quantity.e8) o->overfilled = 1;
  if (left(o) <= 0) end(w, o, HD_TRUTH_FILLED);
  w->instruments[o->instrument].last = price / w->instruments[o->instrument].increment;
  hd_world_trace(w, "venue: X%u fills %lld of %.24s at %lld", w->executions[number].number, (long long)quantity, o->request.client_order_id.hex, (long long)price);
  say_execution(w, number, HADRON_CHANGE_FILL, HD_TELL_NEWS, o->filled_e8);
  return true;
}

static int64_t part_of(struct hd_world *w, const struct hd_truth_order *o) {
  int64_t lot = w->instruments[o->instrument].lot, lots = left(o) / lot;
  if (lots <= 1 || hd_random_below(&w->market, 2) == 0) return left(o);
  return hd_world_between(&w->market, 1, lots) * lot;
}

static void overfill(struct hd_world *w, struct hd_truth_order *o, int64_t price) {
  if (o->state != HD_TRUTH_FILLED || !hd_venue_strikes(w, venue_of(w, o), HD_FAULT_OVERFILL)) return;
  trade(w, o, price, hd_world_between(&w->luck, 1, 3) * w->instruments[o->instrument].lot);
}

// Takes liquidity at once, in up to three parts; what an IOC, FOK or market order leaves is cancelled.
static void take(struct hd_world *w, struct hd_truth_order *o) {
  const struct hd_world_instrument *i = &w->instruments[o->instrument];
  int64_t touch = buys(o) ? ask_of(i) : bid_of(i);
  bool market = o->request.order_type == HADRON_ORDER_MARKET || o->request.order_type == HADRON_ORDER_STOP;
  bool meets = market || (buys(o) ? o->request.limit.nanos >= touch : o->request.limit.nanos <= touch);
  bool passing = o->request.time_in_force == HADRON_TIF_IOC || o->request.time_in_force == HADRON_TIF_FOK;
  if (passing && !market && hd_random_below(&w->market, 3) == 0) meets = false; // somebody else was quicker
  for (int parts = 0; meets && o->state == HD_TRUTH_OPEN && parts < 3; parts++)
    if (!trade(w, o, touch, parts == 2 || o->request.time_in_force == HADRON_TIF_FOK ? left(o) : part_of(w, o))) break;
  overfill(w, o, touch);
  if (o->state != HD_TRUTH_OPEN || !(passing || market)) return;
  end(w, o, HD_TRUTH_CANCELED);
  say(w, o, HADRON_CHANGE_CANCELED, HD_TELL_NEWS, 0, "nothing left to take");
}

// ---- requests -----------------------------------------------------------------------------------------------------------------------

static void reject(struct hd_world *w, struct hd_truth_order *o, uint32_t reason, const char *text) {
  end(w, o, HD_TRUTH_REJECTED);
  say(w, o, HADRON_CHANGE_REJECT, HD_TELL_ANSWER, reason, text);
}

static void say_state(struct hd_world *w, const struct hd_truth_order *o, enum hd_tell how) {
  static const uint8_t changes[] = {HADRON_CHANGE_ABSENT,   HADRON_CHANGE_ACCEPT, HADRON_CHANGE_ACCEPT,  HADRON_CHANGE_FILL,
                                    HADRON_CHANGE_CANCELED, HADRON_CHANGE_REJECT, HADRON_CHANGE_EXPIRE, HADRON_CHANGE_CANCELED};
  static const char *const texts[] = {"never heard of it", "", "", "", "", "", "", "replaced"};
  if (o->state == HD_TRUTH_FILLED) return; // its fills say it
  struct hadron_venue_report r = word(w, o, changes[o->state]);
  r.flags = 1;
  snprintf(r.text, sizeof r.text, "%s", texts[o->state]);
  hd_venue_tell(w, venue_of(w, o), &r, how);
}

// How the order stands, its executions first.
static void answer(struct hd_world *w, const struct hd_truth_order *o, enum hd_tell how) {
  uint32_t at = (uint32_t)(o - w->orders);
  for (uint32_t i = 0; i < w->execution_count; i++) {
    if (w->executions[i].order != at) continue;
    say_execution(w, i, HADRON_CHANGE_FILL, how, -1);
    if (w->executions[i].busted) say_execution(w, i, HADRON_CHANGE_BUST, how, -1);
  }
  say_state(w, o, how);
}

static void enter(struct hd_world *w, struct hd_truth_order *o) {
  const struct hd_world_instrument *i = &w->instruments[o->instrument];
  bool stop = o->request.order_type == HADRON_ORDER_STOP || o->request.order_type == HADRON_ORDER_STOP_LIMIT;
  bool takes = o->request.order_type == HADRON_ORDER_LIMIT && (buys(o) ? o->request.limit.nanos >= ask_of(i) : o->request.limit.nanos <= bid_of(i));
  if (stop && !(venue_of(w, o)->features & HADRON_VENUE_STOPS)) {
    reject(w, o, REASON_STOP, "no stop orders here");
    return;
  }
  if ((o->request.flags & HADRON_ORDER_POST_ONLY) && takes) {
    reject(w, o, REASON_POST_ONLY, "it would take");
    return;
  }
  o->state = stop ? HD_TRUTH_STOP : HD_TRUTH_OPEN;
  say(w, o, HADRON_CHANGE_ACCEPT, HD_TELL_ANSWER, 0, "");
  if (!stop) take(w, o);
}

static void submitted(struct hd_world *w, struct hd_truth_order *o, const struct hadron_order *order) {
  o->arrived++;
  if (o->arrived > 1) { // the same id once more
    bool forgotten = o->memory != w->memory; // who sends it has lost the first one: the venue has it, and says so
    bool same = o->request.quantity.e8 == order->quantity.e8 && o->request.limit.nanos == order->limit.nanos && o->request.side == order->side;
    bool lawful = forgotten || (w->setting.resend && same);
    if (!lawful) {
      w->duplicates++;
      hd_world_finding(w, "duplicate: client order id %.24s arrived %u times%s", o->request.client_order_id.hex, o->arrived, w->setting.resend ? ", as another order" : "");
    }
    if (o->made) {
      answer(w, o, HD_TELL_ANSWER);
      return;
    }
  }
  o->made++;
  o->arrived_ns = w->now_ns;
  if (hd_venue_strikes(w, venue_of(w, o), HD_FAULT_REJECT)) reject(w, o, REASON_REJECT, "not today");
  else enter(w, o);
}

// A report has a listing, whatever it is about.
static uint32_t first_of(const struct hd_world *w, const struct hd_world_venue *v) {
  uint32_t i = 0;
  while (i + 1 < w->setting.instruments && w->instruments[i].venue != (uint32_t)(v - w->venues)) i++;
  return i;
}

static void cancelled(struct hd_world *w, struct hd_world_venue *v, struct hd_truth_order *o, const struct hadron_order *order) {
  if (!o || o->state == HD_TRUTH_UNSEEN) {
    struct hadron_venue_report r = {.venue_ns = w->now_ns, .client_order_id = order->client_order_id, .change = HADRON_CHANGE_CANCEL_REJECT,
                                    .cumulative = {-1}, .reason = REASON_UNKNOWN, .listing = o ? o->instrument : first_of(w, v), .text = "no such order"};
    hd_venue_tell(w, v, &r, HD_TELL_ANSWER);
    return;
  }
  if (is_open(o) && hd_venue_strikes(w, v, HD_FAULT_CANCEL_REJECT)) {
    say(w, o, HADRON_CHANGE_CANCEL_REJECT, HD_TELL_ANSWER, REASON_WHIM, "not now");
    return;
  }
  if (o->state == HD_TRUTH_OPEN && hd_venue_strikes(w, v, HD_FAULT_LATE_FILL)) {
    const struct hd_world_instrument *i = &w->instruments[o->instrument];
    trade(w, o, o->request.limit.nanos > 0 ? o->request.limit.nanos : ask_of(i), part_of(w, o));
  }
  if (!is_open(o)) {
    say(w, o, HADRON_CHANGE_CANCEL_REJECT, HD_TELL_ANSWER, REASON_LATE, "too late");
    return;
  }
  end(w, o, HD_TRUTH_CANCELED);
  hd_world_trace(w, "venue: cancels %.24s", o->request.client_order_id.hex);
  say(w, o, HADRON_CHANGE_CANCELED, HD_TELL_ANSWER, 0, "");
}

static void replaced(struct hd_world *w, struct hd_world_venue *v, struct hd_truth_order *o, const struct hadron_order *order) {
  struct hd_truth_order *old = hd_world_order(w, &order->replaces);
  o->arrived++;
  if (o->made) { // the same id once more
    answer(w, o, HD_TELL_ANSWER);
    return;
  }
  o->made++;
  o->arrived_ns = w->now_ns;
  bool possible = old && old->instrument == o->instrument && is_open(old) && old->filled_e8 < order->quantity.e8;
  if (!possible || hd_venue_strikes(w, v, HD_FAULT_CANCEL_REJECT)) {
    end(w, o, HD_TRUTH_REJECTED);
    say(w, o, HADRON_CHANGE_REPLACE_REJECT, HD_TELL_ANSWER, REASON_LATE, possible ? "not now" : "too late");
    return;
  }
  o->state = old->state;
  o->filled_e8 = old->filled_e8;
  end(w, old, HD_TRUTH_REPLACED);
  hd_world_trace(w, "venue: %.24s takes the place of %.24s", order->client_order_id.hex, order->replaces.hex);
  struct hadron_venue_report r = word(w, o, HADRON_CHANGE_REPLACED);
  r.price = order->limit;
  r.quantity = order->quantity;
  hd_venue_tell(w, v, &r, HD_TELL_ANSWER);
  if (o->state == HD_TRUTH_OPEN) take(w, o);
}

static void queried(struct hd_world *w, struct hd_world_venue *v, const struct hd_truth_order *o, const struct hadron_order *order) {
  bool fresh = o && w->now_ns - o->arrived_ns < 2 * HD_SECOND;
  bool known = o && o->made && !(fresh && hd_venue_strikes(w, v, HD_FAULT_QUERY_ABSENT));
  if (known) {
    answer(w, o, HD_TELL_ANSWER);
    return;
  }
  struct hadron_venue_report r = {.venue_ns = w->now_ns, .client_order_id = order->client_order_id, .change = HADRON_CHANGE_ABSENT, .cumulative = {-1},
                                  .flags = 1, .listing = o ? o->instrument : first_of(w, v), .text = "never heard of it"};
  hd_venue_tell(w, v, &r, HD_TELL_ANSWER);
}

int64_t hd_exchange_position(const struct hd_world *w, uint32_t instrument) {
  int64_t position = 0;
  for (uint32_t i = 0; i < w->execution_count; i++) {
    const struct hd_truth_execution *e = &w->executions[i];
    if (e->instrument == instrument && !e->busted) position += e->side == HADRON_SIDE_BUY ? e->quantity.e8 : -e->quantity.e8;
  }
  return position;
}

// In a list, with its terms: whoever hears of it may have lost them.
static void say_open(struct hd_world *w, const struct hd_truth_order *o) {
  struct hadron_venue_report r = word(w, o, HADRON_CHANGE_ACCEPT);
  r.flags = 1;
  if (w->memory > 0) r.price = o->request.limit, r.quantity = o->request.quantity;
  hd_venue_tell(w, venue_of(w, o), &r, HD_TELL_LISTED);
}

static void reconciled(struct hd_world *w, struct hd_world_venue *v, int64_t since_ns) {
  for (uint32_t i = 0; i < w->order_count; i++)
    if (is_open(&w->orders[i]) && venue_of(w, &w->orders[i]) == v) say_open(w, &w->orders[i]);
  for (uint32_t i = 0; i < w->execution_count; i++) {
    if (w->executions[i].time_ns < since_ns || hd_world_venue_of(w, w->executions[i].instrument) != v) continue;
    say_execution(w, i, HADRON_CHANGE_FILL, HD_TELL_LISTED, -1);
    if (w->executions[i].busted) say_execution(w, i, HADRON_CHANGE_BUST, HD_TELL_LISTED, -1);
  }
  for (uint32_t i = 0; i < w->order_count && v->lists_ends; i++) {
    const struct hd_truth_order *o = &w->orders[i];
    if (o->ended_ns >= since_ns && o->ended_ns > 0 && venue_of(w, o) == v) say_state(w, o, HD_TELL_LISTED);
  }
  for (uint32_t i = 0; i < w->setting.instruments; i++) {
    if (hd_world_venue_of(w, i) != v) continue;
    struct hadron_venue_report r = {.venue_ns = w->now_ns, .change = HADRON_CHANGE_POSITION, .quantity = {hd_exchange_position(w, i)}, .cumulative = {-1},
                                    .flags = 1, .listing = i};
    if (r.quantity.e8 != 0) hd_venue_tell(w, v, &r, HD_TELL_LISTED);
  }
}

void hd_exchange_request(struct hd_world *w, struct hd_world_venue *v, const struct hd_wire_message *m) {
  struct hd_truth_order *o = m->kind == HD_WIRE_RECONCILE ? NULL : hd_world_order(w, &m->of.order.client_order_id);
  bool makes = m->kind == HD_WIRE_SUBMIT || m->kind == HD_WIRE_REPLACE;
  if (o && venue_of(w, o) != v) o = NULL; // another venue's: never heard of it
  if (makes && !o) return;                // not listed here; whoever has sent it has been found already
  switch (m->kind) {
  case HD_WIRE_SUBMIT: submitted(w, o, &m->of.order); break;
  case HD_WIRE_CANCEL: cancelled(w, v, o, &m->of.order); break;
  case HD_WIRE_REPLACE: replaced(w, v, o, &m->of.order); break;
  case HD_WIRE_QUERY: queried(w, v, o, &m->of.order); break;
  default: reconciled(w, v, m->of.since_ns); break;
  }
}

// ---- the market ---------------------------------------------------------------------------------------------------------------------

static void trigger(struct hd_world *w, struct hd_truth_order *o) {
  const struct hd_world_instrument *i = &w->instruments[o->instrument];
  int64_t last = i->last * i->increment;
  if (buys(o) ? last < o->request.stop.nanos : last > o->request.stop.nanos) return;
  o->state = HD_TRUTH_OPEN;
  say(w, o, HADRON_CHANGE_TRIGGER, HD_TELL_NEWS, 0, "");
  take(w, o);
}

static void match(struct hd_world *w, struct hd_world_instrument *i) {
  uint32_t index = (uint32_t)(i - w->instruments);
  for (uint32_t k = 0; k < w->order_count; k++) {
    struct hd_truth_order *o = &w->orders[k];
    if (o->instrument != index) continue;
    if (o->state == HD_TRUTH_STOP) trigger(w, o);
    if (o->state != HD_TRUTH_OPEN || o->request.limit.nanos == 0) continue;
    bool crossed = buys(o) ? o->request.limit.nanos >= ask_of(i) : o->request.limit.nanos <= bid_of(i);
    if (!crossed && hd_random_below(&w->market, 60) != 0) continue;
    trade(w, o, o->request.limit.nanos, part_of(w, o));
    overfill(w, o, o->request.limit.nanos);
  }
}

void hd_exchange_market(struct hd_world *w, struct hd_world_instrument *i) {
  i->mid += hd_world_between(&w->market, -2, 2);
  if (i->mid < 100) i->mid = 100;
  struct hadron_tick t = {.event_ns = w->now_ns, .sequence = ++i->sequence};
  if (hd_random_below(&w->market, 3) == 0) {
    i->last = i->mid + hd_world_between(&w->market, -i->half, i->half);
    t.kind = HADRON_TICK_TRADE;
    t.value.trade = (struct hadron_trade){.price = {i->last * i->increment}, .quantity = {hd_world_between(&w->market, 1, 50) * i->lot}, .trade_id = i->sequence,
                                          .aggressor = (uint8_t)(1 + i->sequence % 2)};
  } else {
    t.kind = HADRON_TICK_QUOTE;
    t.value.quote = (struct hadron_quote){{bid_of(i)}, {ask_of(i)}, {hd_world_between(&w->market, 1, 90) * i->lot}, {hd_world_between(&w->market, 1, 90) * i->lot}};
  }
  match(w, i);
  hd_venue_tick(w, i, &t);
  i->next_ns = w->now_ns + hd_world_between(&w->market, 20, 220) * HD_MS;
}

// ---- what it does by itself -----------------------------------------------------------------------------------------------------------

static void bust(struct hd_world *w, const struct hd_world_venue *v) {
  if (w->execution_count == 0) return;
  uint32_t number = (uint32_t)hd_random_below(&w->luck, w->execution_count);
  struct hd_truth_execution *e = &w->executions[number];
  struct hd_truth_order *o = &w->orders[e->order];
  if (e->busted || o->state == HD_TRUTH_REPLACED || venue_of(w, o) != v) return;
  if (!hd_venue_strikes(w, v, HD_FAULT_BUST)) return;
  e->busted = 1;
  o->filled_e8 -= e->quantity.e8;
  hd_world_trace(w, "venue: takes X%u back", e->number);
  say_execution(w, number, HADRON_CHANGE_BUST, HD_TELL_NEWS, o->filled_e8);
  if (o->state != HD_TRUTH_FILLED) return;
  end(w, o, HD_TRUTH_CANCELED); // it was done, and is not brought back
  say(w, o, HADRON_CHANGE_CANCELED, HD_TELL_NEWS, REASON_WHIM, "closed");
}

static void end_one(struct hd_world *w, const struct hd_world_venue *v, enum hd_world_fault fault, uint8_t state, uint8_t change) {
  if (w->order_count == 0) return;
  struct hd_truth_order *o = &w->orders[hd_random_below(&w->luck, w->order_count)];
  if (!is_open(o) || venue_of(w, o) != v || !hd_venue_strikes(w, v, fault)) return;
  end(w, o, state);
  hd_world_trace(w, "venue: %s %.24s", hd_world_fault_names[fault], o->request.client_order_id.hex);
  say(w, o, change, HD_TELL_NEWS, REASON_WHIM, "by the venue");
}

static void foreign(struct hd_world *w, struct hd_world_venue *v) {
  if (!hd_venue_strikes(w, v, HD_FAULT_FOREIGN_REPORT)) return;
  struct hadron_venue_report r = {.venue_ns = w->now_ns, .change = HADRON_CHANGE_FILL, .side = HADRON_SIDE_BUY, .price = {HADRON_PRICE_SCALE},
                                  .quantity = {HADRON_QUANTITY_SCALE}, .cumulative = {-1}, .listing = first_of(w, v), .text = "somebody else's"};
  snprintf(r.client_order_id.hex, sizeof r.client_order_id.hex, "%023llx", (unsigned long long)++w->foreign);
  text_id(r.execution_id, 'F', w->foreign);
  if (hd_random_below(&w->luck, 2) == 0) r.change = HADRON_CHANGE_CANCELED;
  hd_venue_tell(w, v, &r, HD_TELL_NEWS);
}

void hd_exchange_whim(struct hd_world *w, struct hd_world_venue *v) {
  bust(w, v);
  end_one(w, v, HD_FAULT_VENUE_CANCEL, HD_TRUTH_CANCELED, HADRON_CHANGE_CANCELED);
  end_one(w, v, HD_FAULT_VENUE_EXPIRE, HD_TRUTH_EXPIRED, HADRON_CHANGE_EXPIRE);
  foreign(w, v);
}
