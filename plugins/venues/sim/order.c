// The life of an order at the venue, the same in both forms: checks, arrival, stops, replace, cancel, expiry, fills and fees.
#include "sim.h"

#define DAY_NS (INT64_C(86400) * 1000000000)

struct sim_market *sim_market_of(struct sim *s, const struct hadron_order *order) {
  uint32_t market = order->instrument;
  if (s->exchange) {
    uint32_t low = 0, high = s->market_count;
    while (low < high) {
      uint32_t middle = (low + high) / 2;
      if (s->handles[middle].handle < order->listing) low = middle + 1;
      else high = middle;
    }
    if (low == s->market_count || s->handles[low].handle != order->listing) return NULL;
    return &s->markets[s->handles[low].market];
  }
  if (market == 0 || market >= s->market_count) return NULL;
  struct sim_market *m = &s->markets[market];
  if (!m->known) {
    struct hadron_instrument_definition d;
    memset(&d, 0, sizeof d);
    if (s->venue->definition(s->host->instance, market, &d) != HADRON_OK) return NULL;
    m->increment = sim_max(d.increment.nanos, 1), m->lot = sim_max(d.lot.e8, 1);
    m->multiplier = d.multiplier.e8 > 0 ? d.multiplier.e8 : HADRON_QUANTITY_SCALE;
    m->asset = d.asset;
    m->known = 1;
  }
  m->listing = order->listing;
  return m;
}

// --- fees

int64_t sim_fee(const struct sim *s, const struct sim_market *m, int64_t price, int64_t quantity, uint32_t liquidity,
                int32_t *error) {
  const hadron_int128 one = (hadron_int128)10000 * HADRON_PRICE_SCALE; // 1e-9 of a basis point
  struct hadron_money notional;
  struct hadron_price p = {price};
  struct hadron_quantity q = {quantity}, multiplier = {m->multiplier};
  *error = hadron_notional(p, q, multiplier, &notional);
  if (*error) return 0;
  int64_t bps = liquidity == HADRON_LIQUIDITY_MAKER ? s->params.maker_bps.nanos : s->params.taker_bps.nanos;
  bool contract = m->asset == 4 || m->asset == 5; // futures, event contracts
  int64_t each = contract ? s->params.fee_per_contract.micros : s->params.fee_per_share.micros, fee = 0;
  *error = hadron_narrow(hadron_divide_round((hadron_int128)notional.micros * bps, one) +
                             hadron_divide_round((hadron_int128)each * quantity, HADRON_QUANTITY_SCALE),
                         &fee);
  return fee;
}

// What an order owes in all: its minimum and maximum hold for what is charged, not for rebates.
static int64_t fee_due(const struct sim *s, int64_t raw) {
  int64_t least = s->params.fee_min.micros, most = s->params.fee_max.micros;
  if (raw > 0 && raw < least) raw = least;
  return most > 0 && raw > most ? most : raw;
}

// --- fills and ends

static void detach(struct sim *s, struct sim_order *o) {
  struct sim_market *m = &s->markets[o->market];
  if (o->state == SIM_STOPPED) {
    if (o->prev != SIM_NONE) s->orders[o->prev].next = o->next;
    else m->stops = o->next;
    if (o->next != SIM_NONE) s->orders[o->next].prev = o->prev;
    o->next = o->prev = SIM_NONE;
  } else {
    s->matcher->leave(s, m, o);
  }
}

static void close_order(struct sim *s, struct sim_order *o, uint32_t ending, uint32_t reason) {
  detach(s, o);
  sim_ledger_expire_never(s, o);
  s->markets[o->market].orders--;
  o->state = SIM_CLOSED, o->ending = (uint8_t)ending, o->reason = (uint8_t)reason;
  sim_ledger_retire(s, o);
}

void sim_order_end(struct sim *s, struct sim_order *o, uint32_t change, uint32_t reason) {
  close_order(s, o, change, reason);
  sim_report_order(s, o, change, reason, 0);
}

// How much a reduce-only order may still trade.
static int64_t reducible(const struct sim_market *m, uint32_t side) {
  return side == 0 ? sim_max(-m->position, 0) : sim_max(m->position, 0);
}

static bool settle(struct sim *s, struct sim_market *m, struct sim_order *o, int64_t price, int64_t quantity,
                   uint32_t liquidity, int64_t *fee) {
  int32_t error;
  int64_t raw = sim_fee(s, m, price, quantity, liquidity, &error), position, total;
  int64_t change = o->side == HADRON_SIDE_BUY ? quantity : -quantity;
  if (error || __builtin_add_overflow(m->position, change, &position)) return false;
  if (__builtin_add_overflow(o->fee_raw, raw, &total)) return false;
  m->position = position;
  o->fee_raw = total;
  *fee = fee_due(s, total) - o->fee_charged;
  o->fee_charged += *fee;
  o->filled += quantity;
  return true;
}

int64_t sim_fill(struct sim *s, struct sim_order *o, int64_t price, int64_t quantity, uint32_t liquidity) {
  struct sim_market *m = &s->markets[o->market];
  quantity = sim_min(quantity, sim_left(o));
  if (o->flags & HADRON_ORDER_REDUCE_ONLY) {
    int64_t most = reducible(m, sim_side(o));
    if (most == 0) {
      sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_REDUCE_ONLY);
      return 0;
    }
    quantity = sim_min(quantity, most);
  }
  int64_t fee;
  if (quantity <= 0) return 0;
  if (!settle(s, m, o, price, quantity, liquidity, &fee)) {
    sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_OVERFLOW);
    return 0;
  }
  struct sim_report r = {.id = o->id,
                         .order = o->number,
                         .execution = ++s->execution_last,
                         .venue_ns = s->at_ns,
                         .price = price,
                         .quantity = quantity,
                         .cumulative = o->filled,
                         .fee = fee,
                         .listing = o->listing,
                         .change = HADRON_CHANGE_FILL,
                         .side = o->side,
                         .liquidity = (uint8_t)liquidity};
  s->fills[s->fill_count++ & s->fill_mask] = r;
  sim_report_push(s, &r);
  if (sim_left(o) == 0) close_order(s, o, HADRON_CHANGE_FILL, 0);
  return quantity;
}

// --- arrival

// When the session in which `now` lies ends; SIM_FOREVER if sessions do not.
static int64_t session_end(const struct sim *s, int64_t now) {
  if (s->session_end_ns < 0) return SIM_FOREVER;
  int64_t end = now - now % DAY_NS + s->session_end_ns;
  return end > now ? end : end + DAY_NS;
}

static int64_t expiry(const struct sim *s, const struct hadron_order *order) {
  if (order->time_in_force == HADRON_TIF_GTD) return order->expire_ns;
  return order->time_in_force == HADRON_TIF_DAY ? session_end(s, s->at_ns) : SIM_FOREVER;
}

static uint32_t check_form(const struct sim_market *m, const struct hadron_order *order) {
  bool limited = order->order_type == HADRON_ORDER_LIMIT || order->order_type == HADRON_ORDER_STOP_LIMIT;
  bool stopped = order->order_type == HADRON_ORDER_STOP || order->order_type == HADRON_ORDER_STOP_LIMIT;
  if (order->side != HADRON_SIDE_BUY && order->side != HADRON_SIDE_SELL) return SIM_BAD_ORDER;
  if (order->order_type < HADRON_ORDER_MARKET || order->order_type > HADRON_ORDER_STOP_LIMIT) return SIM_BAD_ORDER;
  if (order->time_in_force < HADRON_TIF_DAY || order->time_in_force > HADRON_TIF_GTD) return SIM_BAD_ORDER;
  if ((order->flags & HADRON_ORDER_POST_ONLY) &&
      (!limited || order->time_in_force == HADRON_TIF_IOC || order->time_in_force == HADRON_TIF_FOK))
    return SIM_BAD_ORDER;
  if (order->quantity.e8 <= 0 || order->quantity.e8 % m->lot != 0) return SIM_BAD_QUANTITY;
  if (limited && (order->limit.nanos <= 0 || order->limit.nanos % m->increment != 0)) return SIM_BAD_PRICE;
  if (stopped && (order->stop.nanos <= 0 || order->stop.nanos % m->increment != 0)) return SIM_BAD_PRICE;
  return SIM_OK;
}

static bool would_take(const struct sim *s, const struct sim_market *m, uint32_t side, int64_t limit) {
  int64_t touch = s->matcher->touch(s, m, side);
  return touch != 0 && sim_reaches(side, limit, touch);
}

// A stop is reached when its price has traded, or, where nothing trades, when the side it would take from is there.
static bool stop_reached(const struct sim *s, const struct sim_market *m, uint32_t side, int64_t stop) {
  int64_t price = m->last != 0 ? m->last : s->matcher->touch(s, m, side);
  return price != 0 && (side == 0 ? price >= stop : price <= stop);
}

static uint32_t check_market(struct sim *s, const struct sim_market *m, const struct hadron_order *order) {
  uint32_t side = order->side == HADRON_SIDE_BUY ? 0 : 1;
  struct hadron_money notional;
  int64_t price = order->limit.nanos ? order->limit.nanos : s->matcher->touch(s, m, side);
  struct hadron_price p = {price};
  struct hadron_quantity multiplier = {m->multiplier};
  if (hadron_notional(p, order->quantity, multiplier, &notional) != HADRON_OK) return SIM_OVERFLOW;
  if (order->time_in_force == HADRON_TIF_GTD && order->expire_ns <= s->at_ns) return SIM_EXPIRED;
  if ((order->flags & HADRON_ORDER_REDUCE_ONLY) && reducible(m, side) == 0) return SIM_REDUCE_ONLY;
  if (order->order_type == HADRON_ORDER_MARKET) {
    bool waits = !s->exchange && order->time_in_force != HADRON_TIF_IOC && order->time_in_force != HADRON_TIF_FOK;
    if (m->closed && !waits) return SIM_HALTED;
    if (price == 0 && !waits) return SIM_NO_MARKET;
  }
  if (order->order_type == HADRON_ORDER_LIMIT && (order->flags & HADRON_ORDER_POST_ONLY) &&
      would_take(s, m, side, order->limit.nanos))
    return SIM_POST_ONLY;
  return SIM_OK;
}

// The order may trade now: it takes what it can, and the rest waits or ends as its time in force says.
static void work(struct sim *s, struct sim_market *m, struct sim_order *o) {
  o->state = SIM_WORKING;
  o->priority = ++s->priority_last;
  bool immediate = o->time_in_force == HADRON_TIF_IOC || o->time_in_force == HADRON_TIF_FOK;
  if (o->time_in_force == HADRON_TIF_FOK && s->matcher->available(s, m, o) < sim_left(o)) {
    sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_FILL_OR_KILL);
    return;
  }
  s->matcher->take(s, m, o);
  if (o->state == SIM_CLOSED) return;
  if (immediate) sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_IMMEDIATE);
  else if (!sim_limited(o) && s->exchange) sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_NO_MARKET);
  else s->matcher->rest(s, m, o);
}

static void wait_for_stop(struct sim *s, struct sim_market *m, struct sim_order *o) {
  uint32_t slot = (uint32_t)(o - s->orders), last = m->stops;
  o->state = SIM_STOPPED;
  m->busy = 1;
  while (last != SIM_NONE && s->orders[last].next != SIM_NONE) last = s->orders[last].next;
  o->prev = last;
  if (last == SIM_NONE) m->stops = slot;
  else s->orders[last].next = slot;
}

static void trigger(struct sim *s, struct sim_market *m, struct sim_order *o) {
  sim_report_order(s, o, HADRON_CHANGE_TRIGGER, 0, 0);
  if ((o->flags & HADRON_ORDER_POST_ONLY) && would_take(s, m, sim_side(o), o->limit)) {
    o->state = SIM_WORKING;
    sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_POST_ONLY);
    return;
  }
  work(s, m, o);
}

void sim_trigger(struct sim *s, struct sim_market *m) {
  // From the oldest again after each: one that trades may move the price, or end others.
  for (uint32_t i = m->stops; i != SIM_NONE && !m->closed;) {
    struct sim_order *o = &s->orders[i];
    i = o->next;
    if (!stop_reached(s, m, sim_side(o), o->stop)) continue;
    detach(s, o);
    trigger(s, m, o);
    i = m->stops;
  }
}

static void fill_in(struct sim *s, struct sim_order *o, const struct hadron_order *order, struct sim_market *m) {
  o->market = (uint32_t)(m - s->markets), o->listing = order->listing;
  o->limit = order->limit.nanos, o->stop = order->stop.nanos, o->quantity = order->quantity.e8;
  o->side = order->side, o->type = order->order_type;
  o->time_in_force = order->time_in_force, o->flags = order->flags;
}

static void submit(struct sim *s, const struct hadron_order *order) {
  if (sim_ledger_find(s, &order->client_order_id)) {
    sim_report_refuse(s, order, HADRON_CHANGE_REJECT, SIM_DUPLICATE, 0);
    return;
  }
  struct sim_order *o = sim_ledger_add(s, &order->client_order_id);
  if (!o) {
    sim_report_refuse(s, order, HADRON_CHANGE_REJECT, SIM_FULL, 0);
    return;
  }
  struct sim_market *m = sim_market_of(s, order);
  uint32_t reason = m ? check_form(m, order) : SIM_UNKNOWN_LISTING;
  if (!reason) reason = check_market(s, m, order);
  if (!reason && s->params.reject_rate > 0 && sim_random_unit(&s->refusal_random) <= s->params.reject_rate) reason = SIM_RANDOM;
  if (reason) { // its id was seen all the same
    o->listing = order->listing, o->side = order->side;
    o->state = SIM_CLOSED, o->ending = HADRON_CHANGE_REJECT, o->reason = (uint8_t)reason;
    sim_ledger_retire(s, o);
    sim_report_order(s, o, HADRON_CHANGE_REJECT, reason, 0);
    return;
  }
  fill_in(s, o, order, m);
  m->orders++;
  sim_ledger_expire_at(s, o, expiry(s, order));
  sim_report_order(s, o, HADRON_CHANGE_ACCEPT, 0, 0);
  bool stopped = o->type == HADRON_ORDER_STOP || o->type == HADRON_ORDER_STOP_LIMIT;
  if (!stopped) work(s, m, o);
  else if (!m->closed && stop_reached(s, m, sim_side(o), o->stop)) trigger(s, m, o);
  else wait_for_stop(s, m, o);
}

// --- requests about an order

static void cancel(struct sim *s, const struct hadron_order *order) {
  struct sim_order *o = sim_ledger_find(s, &order->client_order_id);
  if (!o) sim_report_refuse(s, order, HADRON_CHANGE_CANCEL_REJECT, SIM_UNKNOWN_ORDER, 0);
  else if (o->state == SIM_CLOSED) sim_report_order(s, o, HADRON_CHANGE_CANCEL_REJECT, SIM_CLOSED_ORDER, 0);
  else sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_REQUESTED);
}

static uint32_t check_replace(struct sim *s, const struct sim_order *old, const struct hadron_order *order) {
  if (sim_ledger_find(s, &order->client_order_id)) return SIM_DUPLICATE;
  if (!old) return SIM_UNKNOWN_ORDER;
  if (old->state == SIM_CLOSED) return SIM_CLOSED_ORDER;
  struct sim_market *m = sim_market_of(s, order);
  if (!m || m != &s->markets[old->market] || order->side != old->side) return SIM_OTHER_ORDER;
  if (order->order_type != old->type) return SIM_OTHER_ORDER;
  uint32_t reason = check_form(m, order);
  if (reason) return reason;
  if (order->quantity.e8 <= old->filled) return SIM_BELOW_FILLED;
  if (old->state == SIM_STOPPED) return SIM_OK;
  bool moved = order->limit.nanos != old->limit;
  if ((order->flags & HADRON_ORDER_POST_ONLY) && moved && would_take(s, m, sim_side(old), order->limit.nanos))
    return SIM_POST_ONLY;
  return SIM_OK;
}

// The new order takes over what the old one has: fills, fees, and its place if only its size goes down.
static void replace(struct sim *s, const struct hadron_order *order) {
  struct sim_order *old = sim_ledger_find(s, &order->replaces);
  uint32_t reason = check_replace(s, old, order);
  struct sim_order *o = reason ? NULL : sim_ledger_add(s, &order->client_order_id);
  if (!o) {
    sim_report_refuse(s, order, HADRON_CHANGE_REPLACE_REJECT, reason ? reason : SIM_FULL, 0);
    return;
  }
  struct sim_market *m = &s->markets[old->market];
  bool stopped = old->state == SIM_STOPPED;
  bool keeps = !stopped && order->limit.nanos == old->limit && order->quantity.e8 <= old->quantity;
  uint64_t number = o->number;
  if (keeps) s->matcher->shrink(s, m, old, old->quantity - order->quantity.e8);
  else detach(s, old);
  sim_ledger_expire_never(s, old);
  // The old slot goes on as the order, so that lists and book need not know; the new slot remembers the old id.
  sim_ledger_swap(s, o, old);
  struct hadron_client_order_id id = o->id;
  *o = *old;
  o->id = id;
  old->number = number;
  fill_in(s, old, order, m);
  o->heap = o->entry = o->next = o->prev = SIM_NONE;
  o->state = SIM_CLOSED, o->ending = HADRON_CHANGE_REPLACED, o->reason = SIM_REPLACED;
  sim_ledger_retire(s, o);
  sim_ledger_expire_at(s, old, expiry(s, order));
  sim_report_order(s, old, HADRON_CHANGE_REPLACED, 0, 0);
  if (keeps) return;
  if (!stopped) work(s, m, old);
  else if (!m->closed && stop_reached(s, m, sim_side(old), old->stop)) trigger(s, m, old);
  else wait_for_stop(s, m, old);
}

// Each fill that is still remembered, then how the order stands.
static void query(struct sim *s, const struct hadron_order *order) {
  struct sim_order *o = sim_ledger_find(s, &order->client_order_id);
  if (!o) {
    sim_report_refuse(s, order, HADRON_CHANGE_ABSENT, SIM_UNKNOWN_ORDER, 1);
    return;
  }
  uint64_t kept = s->fill_mask + 1, first = s->fill_count > kept ? s->fill_count - kept : 0;
  if (o->first_fill > first) first = o->first_fill;
  for (uint64_t n = first; o->filled > 0 && n < s->fill_count; n++) {
    struct sim_report r = s->fills[n & s->fill_mask];
    if (memcmp(&r.id, &o->id, sizeof r.id) != 0) continue;
    r.flags = 1;
    sim_report_push(s, &r);
  }
  bool open = o->state != SIM_CLOSED;
  if (open) sim_report_order(s, o, HADRON_CHANGE_ACCEPT, 0, 1);
  else if (o->ending == HADRON_CHANGE_REPLACED) sim_report_order(s, o, HADRON_CHANGE_CANCELED, SIM_REPLACED, 1);
  else if (o->ending != HADRON_CHANGE_FILL) sim_report_order(s, o, o->ending, o->reason, 1);
}

void sim_expire(struct sim *s, struct sim_order *o) {
  sim_order_end(s, o, HADRON_CHANGE_EXPIRE, o->time_in_force == HADRON_TIF_DAY ? SIM_SESSION_END : SIM_EXPIRED);
}

static void reconcile(struct sim *s, int64_t since_ns) {
  sim_report_push(s, &(struct sim_report){.reconcile = true, .since_ns = since_ns});
}

void sim_request_run(struct sim *s, const struct sim_request *request) {
  switch (request->kind) {
  case SIM_SUBMIT: submit(s, &request->order); break;
  case SIM_CANCEL: cancel(s, &request->order); break;
  case SIM_REPLACE: replace(s, &request->order); break;
  case SIM_QUERY: query(s, &request->order); break;
  default: reconcile(s, request->since_ns); break;
  }
}
