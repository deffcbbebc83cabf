// The table is checked from top to bottom, and its order is part of the contract: the reason that a person reads is the first one.
// Every check gets the same facts, gathered once. A limit may be set for the account, for an arm and for an instrument; each of
// these is a view of the order, and a limited check walks the views.
#include "pipeline/risk.h"

#include "base/assert.h"
#include "hadron/decimal.h"

#define DAY_NS INT64_C(86400000000000)
#define SECOND_NS INT64_C(1000000000)
#define RATE_SIZE (HD_RISK_RATE_MAX * HD_SHARES_MAX) // a power of two
_Static_assert((RATE_SIZE & (RATE_SIZE - 1)) == 0, "the rate window is a ring");
_Static_assert(sizeof(struct hd_limits) % sizeof(int64_t) == 0, "every limit is one int64");

#define EVERYWHERE (HD_SCOPE_ACCOUNT | HD_SCOPE_STRATEGY | HD_SCOPE_INSTRUMENT)
#define BOOKS (HD_SCOPE_ACCOUNT | HD_SCOPE_STRATEGY)
#define FIELD(name) offsetof(struct hd_limits, name)

const struct hd_limit_key hd_limit_keys[] = {
    {"order_quantity_max", "largest quantity of one order", HD_LIMIT_QUANTITY, FIELD(order_quantity_max), EVERYWHERE, INT64_MAX},
    {"order_notional_max", "largest value of one order", HD_LIMIT_MONEY, FIELD(order_notional_max), EVERYWHERE, INT64_MAX},
    {"collar_bps", "farthest distance of a price from the reference", HD_LIMIT_BPS, FIELD(collar_bps), EVERYWHERE, 1000000},
    {"position_max", "largest position with its working orders", HD_LIMIT_QUANTITY, FIELD(position_max), EVERYWHERE, INT64_MAX},
    {"gross_max", "largest sum of all positions' values", HD_LIMIT_MONEY, FIELD(gross_max), BOOKS, INT64_MAX},
    {"net_max", "largest difference of long and short values", HD_LIMIT_MONEY, FIELD(net_max), BOOKS, INT64_MAX},
    {"order_rate_max", "orders in any one second", HD_LIMIT_COUNT, FIELD(order_rate_max), EVERYWHERE, HD_RISK_RATE_MAX},
    {"open_orders_max", "orders open at once", HD_LIMIT_COUNT, FIELD(open_orders_max), EVERYWHERE, HD_ORDERS_MAX},
    {"stale_ms", "oldest market that may be traded", HD_LIMIT_DURATION_MS, FIELD(stale_ns), EVERYWHERE, INT64_MAX},
    {"daily_loss_max", "loss since the UTC day began", HD_LIMIT_MONEY, FIELD(daily_loss_max), BOOKS, INT64_MAX},
    {"drawdown_max", "loss from the highest equity", HD_LIMIT_MONEY, FIELD(drawdown_max), BOOKS, INT64_MAX},
};
const uint32_t hd_limit_key_count = sizeof hd_limit_keys / sizeof *hd_limit_keys;
_Static_assert(sizeof hd_limit_keys / sizeof *hd_limit_keys == sizeof(struct hd_limits) / sizeof(int64_t), "a key per limit");

// The order as one scope sees it.
struct view {
  const struct hd_limits *limits;
  uint32_t arm;                 // 0: all
  uint32_t scope;
  int64_t quantity;             // its part of the order
  int64_t position;             // its position in the instrument
  int64_t added, working;       // what the order adds to what works on its side already; by view_work
  int64_t worth_now, worth_then; // of its position, before and after; by view_worth
  bool worked, valued;
};

struct facts {
  struct hd_risk *risk;
  const struct hd_risk_request *request;
  const struct hadron_intent *intent;
  const struct hd_instrument *instrument;
  struct hd_mark mark;
  int64_t sign;                 // 1 buys, -1 sells, 0 neither
  struct hadron_price reference, price; // price: what the order is valued at; 0: not known
  struct view views[2 + HD_SHARES_MAX]; // account, instrument, arms
  uint32_t view_count;
};

struct numbers {
  int64_t actual, bound;
};

static int64_t clamp(hadron_int128 x) { return x > INT64_MAX ? INT64_MAX : x < -INT64_MAX ? -INT64_MAX : (int64_t)x; }

static int64_t magnitude(int64_t x) { return x < 0 ? (x == INT64_MIN ? INT64_MAX : -x) : x; }

static bool failed(struct numbers *n, int64_t actual, int64_t bound) {
  *n = (struct numbers){actual, bound};
  return true;
}

// --- the facts ---

static struct hadron_price facts_touch(const struct hd_mark *mark, int64_t sign, struct hadron_price reference) {
  struct hadron_price touch = sign > 0 ? mark->ask : mark->bid;
  return touch.nanos > 0 ? touch : reference;
}

static void facts_view(struct facts *f, const struct hd_limits *limits, uint32_t scope, uint32_t arm, int64_t quantity) {
  f->views[f->view_count++] = (struct view){.limits = limits, .scope = scope, .arm = arm, .quantity = quantity,
      .position = hd_portfolio_position(f->risk->portfolio, arm, f->intent->instrument)->quantity.e8};
}

// For an instrument that is not known there is nothing to gather: the second row denies it.
static void facts_gather(struct facts *f, struct hd_risk *r, const struct hd_risk_request *q) {
  const struct hadron_intent *in = q->intent;
  const struct hd_risk *house = r->house;
  uint32_t whole = r->alone ? in->arm : 0; // whose book the account's limits are held against
  HD_ASSERT(!r->alone || (in->arm && q->share_count <= 1));
  f->risk = r, f->request = q, f->intent = in;
  f->view_count = 0;
  f->instrument = in->instrument && in->instrument <= hd_instruments_count(r->instruments) ? &r->instruments->rows[in->instrument] : NULL;
  if (!f->instrument) return;
  f->mark = hd_mark_read(r->marks, in->instrument);
  f->sign = in->side == HADRON_SIDE_BUY ? 1 : in->side == HADRON_SIDE_SELL ? -1 : 0;
  f->reference = hd_mark_reference(&f->mark);
  if (f->reference.nanos == 0) f->reference = in->reference;
  f->price = in->limit.nanos ? in->limit : in->stop.nanos ? in->stop : facts_touch(&f->mark, f->sign, f->reference);
  if (f->reference.nanos == 0) f->reference = f->price;
  facts_view(f, &house->account, HD_SCOPE_ACCOUNT, whole, in->quantity.e8);
  facts_view(f, &house->instrument[in->instrument], HD_SCOPE_INSTRUMENT, whole, in->quantity.e8);
  for (uint32_t i = 0; i < q->share_count; i++) {
    HD_ASSERT(q->shares[i].arm <= r->arm_max);
    facts_view(f, &house->strategy[q->shares[i].arm], HD_SCOPE_STRATEGY, q->shares[i].arm, q->shares[i].ordered.e8);
  }
  if (q->share_count == 0) facts_view(f, &house->strategy[in->arm], HD_SCOPE_STRATEGY, in->arm, in->quantity.e8);
}

// Which limits are set in any of the views: not 0. (A limit is never negative.)
#define LIMIT_WORDS (sizeof(struct hd_limits) / sizeof(int64_t))
static void facts_limits(const struct facts *f, uint64_t set[LIMIT_WORDS]) {
  memset(set, 0, LIMIT_WORDS * sizeof *set);
  for (uint32_t i = 0; i < f->view_count; i++) {
    uint64_t words[LIMIT_WORDS];
    memcpy(words, f->views[i].limits, sizeof words);
    for (uint32_t k = 0; k < LIMIT_WORDS; k++) set[k] |= words[k];
  }
}

// What of an order belongs to an arm (0: all of it): ordered and filled.
static void order_part(const struct hd_order *order, uint32_t arm, int64_t *ordered, int64_t *filled) {
  *ordered = arm ? 0 : order->request.quantity.e8;
  *filled = arm ? 0 : order->filled.e8;
  for (uint32_t i = 0; arm && i < order->share_count; i++)
    if (order->shares[i].arm == arm) {
      *ordered += order->shares[i].ordered.e8;
      *filled += order->shares[i].filled.e8;
    }
}

// Fills `added` and `working` on first use: most orders meet no limit that needs them. Of a replace the old order's rest goes away.
static void view_work(const struct facts *f, struct view *v) {
  if (v->worked) return;
  struct hadron_quantity buy = {0}, sell = {0};
  hd_gateway_working(f->risk->gateway, v->arm, f->intent->instrument, true, &buy, &sell);
  v->working = f->sign > 0 ? buy.e8 : sell.e8;
  v->added = v->quantity;
  v->worked = true;
  if (f->intent->kind != HADRON_INTENT_REPLACE) return;
  const struct hd_order *order = hd_gateway_order(f->risk->gateway, &f->intent->order);
  if (!order) return;
  int64_t ordered, filled;
  order_part(order, v->arm, &ordered, &filled);
  v->added = v->quantity > filled ? v->quantity - filled : 0;
  v->working -= ordered - filled < v->working ? ordered - filled : v->working;
}

// The position in the order's direction once everything on its side has filled: > 0 is a position on that side.
static int64_t view_projected(const struct facts *f, struct view *v) {
  view_work(f, v);
  return clamp((hadron_int128)f->sign * v->position + v->working + v->added);
}

// How much the view can close on the other side; and does the order do nothing else?
static int64_t view_closable(const struct facts *f, const struct view *v) {
  int64_t against = f->sign * v->position;
  return against < 0 ? magnitude(against) : 0;
}

static bool view_reduces(const struct facts *f, struct view *v) {
  view_work(f, v);
  return (hadron_int128)v->working + v->added <= view_closable(f, v);
}

static bool facts_reduce(struct facts *f) {
  for (uint32_t i = 2; i < f->view_count; i++)
    if (!view_reduces(f, &f->views[i])) return false;
  return true;
}

static const struct hd_book *view_book(const struct facts *f, const struct view *v) { return &f->risk->portfolio->books[v->arm]; }

// --- the checks: true if the order fails, with both numbers ---

static bool check_killed(struct facts *f, struct numbers *n) { return f->risk->house->killed && failed(n, 1, 0); }

static bool check_instrument(struct facts *f, struct numbers *n) {
  if (!f->instrument) return failed(n, f->intent->instrument, hd_instruments_count(f->risk->instruments));
  return hd_instruments_at(f->risk->instruments, f->intent->instrument, f->intent->venue) == 0 &&
         failed(n, f->intent->instrument, 0);
}

static bool check_halted(struct facts *f, struct numbers *n) {
  uint32_t state = f->mark.state;
  return (state == HADRON_MARKET_HALTED || state == HADRON_MARKET_CLOSED) && failed(n, state, HADRON_MARKET_OPEN);
}

static bool check_quantity_grid(struct facts *f, struct numbers *n) {
  int64_t quantity = f->intent->quantity.e8, lot = f->instrument->lot.e8;
  return (quantity <= 0 || quantity % lot != 0) && failed(n, quantity, lot);
}

static bool check_price_grid(struct facts *f, struct numbers *n) {
  const int64_t prices[] = {f->intent->limit.nanos, f->intent->stop.nanos}, increment = f->instrument->increment.nanos;
  for (uint32_t i = 0; i < 2; i++)
    if (prices[i] != 0 && (prices[i] < 0 || prices[i] % increment != 0)) return failed(n, prices[i], increment);
  return false;
}

// The number of the rule that is broken is the actual one: 1 kind, 2 side, 3 type, 4 time in force, 5 limit, 6 stop, 7 expiry,
// 8 flags, 9 post-only with an order that cannot rest, 10 shares that are not the quantity.
static bool check_bounds(struct facts *f, struct numbers *n) {
  const struct hadron_intent *in = f->intent;
  uint32_t type = in->order_type, tif = in->time_in_force;
  bool limit = type == HADRON_ORDER_LIMIT || type == HADRON_ORDER_STOP_LIMIT;
  bool stop = type == HADRON_ORDER_STOP || type == HADRON_ORDER_STOP_LIMIT;
  hadron_int128 sum = 0;
  bool arms = true;
  for (uint32_t i = 2; i < f->view_count; i++) {
    sum += f->views[i].quantity;
    arms &= f->views[i].quantity > 0;
  }
  const bool broken[] = {in->kind != HADRON_INTENT_NEW && in->kind != HADRON_INTENT_REPLACE,
                         f->sign == 0,
                         type < HADRON_ORDER_MARKET || type > HADRON_ORDER_STOP_LIMIT,
                         tif < HADRON_TIF_DAY || tif > HADRON_TIF_GTD,
                         limit != (in->limit.nanos != 0),
                         stop != (in->stop.nanos != 0),
                         tif == HADRON_TIF_GTD ? in->expire_ns <= f->request->now_ns : in->expire_ns != 0,
                         (in->flags & ~(HADRON_ORDER_POST_ONLY | HADRON_ORDER_REDUCE_ONLY | (f->risk->alone ? HADRON_ORDER_SHADOW : 0))) != 0,
                         (in->flags & HADRON_ORDER_POST_ONLY) && (!limit || tif == HADRON_TIF_IOC || tif == HADRON_TIF_FOK),
                         !arms || sum != in->quantity.e8};
  for (uint32_t i = 0; i < sizeof broken / sizeof *broken; i++)
    if (broken[i]) return failed(n, i + 1, 0);
  return false;
}

static bool check_stale_market(struct facts *f, struct numbers *n) {
  int64_t seen = f->mark.recv_ns ? f->mark.recv_ns : f->mark.event_ns;
  int64_t age = f->request->now_ns - seen, rest = age % 1000000 != 0;
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->stale_ns;
    if (bound && age > bound) return failed(n, age / 1000000 + rest, bound / 1000000);
  }
  // Without any price nothing below can be measured.
  return f->price.nanos == 0 && failed(n, age / 1000000 + rest, 0);
}

static bool check_quantity_max(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->order_quantity_max.e8;
    if (bound && f->views[i].quantity > bound) return failed(n, f->views[i].quantity, bound);
  }
  return false;
}

// Value at a price; an overflow is beyond any bound.
static int64_t facts_value(const struct facts *f, struct hadron_price price, int64_t quantity) {
  struct hadron_money value;
  int32_t error = hadron_notional(price, (struct hadron_quantity){quantity}, f->instrument->multiplier, &value);
  if (error) return quantity < 0 ? -INT64_MAX : INT64_MAX;
  return clamp(value.micros);
}

static bool check_notional_max(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->order_notional_max.micros, value;
    if (bound && (value = facts_value(f, f->price, f->views[i].quantity)) > bound) return failed(n, value, bound);
  }
  return false;
}

// Both ways: a price too far on the passive side is as much a slip of the hand. A plain stop waits away from the market by design.
static bool check_collar(struct facts *f, struct numbers *n) {
  uint32_t type = f->intent->order_type;
  struct hadron_price from = type == HADRON_ORDER_STOP_LIMIT ? f->intent->stop : f->reference;
  if (type == HADRON_ORDER_STOP || from.nanos <= 0) return false;
  hadron_int128 distance = (hadron_int128)f->price.nanos - from.nanos;
  distance = (distance < 0 ? -distance : distance) * 10000;
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->collar_bps;
    if (bound && distance > (hadron_int128)bound * from.nanos)
      return failed(n, clamp((distance + from.nanos - 1) / from.nanos), bound);
  }
  return false;
}

static bool check_position_max(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->position_max.e8, projected;
    if (bound && (projected = view_projected(f, &f->views[i])) > bound) return failed(n, projected, bound);
  }
  return false;
}

// What the position is worth now, and what it would be worth.
static void view_worth(const struct facts *f, struct view *v, int64_t *now, int64_t *then) {
  if (!v->valued) {
    const struct hd_position *position = hd_portfolio_position(f->risk->portfolio, v->arm, f->intent->instrument);
    v->worth_now = position->cost.micros + position->unrealized.micros;
    v->worth_then = facts_value(f, f->reference, clamp((hadron_int128)f->sign * view_projected(f, v)));
    v->valued = true;
  }
  *now = v->worth_now;
  *then = v->worth_then;
}

static bool check_gross_max(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->gross_max.micros, now, then;
    if (!bound) continue;
    view_worth(f, &f->views[i], &now, &then);
    int64_t gross = view_book(f, &f->views[i])->gross.micros;
    int64_t projected = clamp((hadron_int128)gross - magnitude(now) + magnitude(then));
    if (projected > bound && projected > gross) return failed(n, projected, bound);
  }
  return false;
}

static bool check_net_max(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->net_max.micros, now, then;
    if (!bound) continue;
    view_worth(f, &f->views[i], &now, &then);
    const struct hd_book *book = view_book(f, &f->views[i]);
    int64_t net = book->cost.micros + book->unrealized.micros;
    int64_t projected = magnitude(clamp((hadron_int128)net - now + then));
    if (projected > bound && projected > magnitude(net)) return failed(n, projected, bound);
  }
  return false;
}

// Orders of a view in the window. An order of a shadow has one share, so one entry says both arm and instrument.
static int64_t view_rate(const struct facts *f, const struct view *v) {
  const struct hd_risk *r = f->risk;
  uint32_t instrument = f->intent->instrument;
  if (v->scope != HD_SCOPE_INSTRUMENT) return r->rate_arm[v->arm];
  if (!r->alone) return r->rate_instrument[instrument];
  int64_t sent = 0;
  for (uint32_t i = 0; i < r->rate_count; i++) {
    const struct hd_rate_entry *e = &r->rate[(r->rate_first + i) & (RATE_SIZE - 1)];
    sent += e->arm == v->arm && e->instrument == instrument;
  }
  return sent;
}

static bool check_order_rate(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    const struct view *v = &f->views[i];
    int64_t bound = v->limits->order_rate_max, sent = bound ? view_rate(f, v) : 0;
    if (bound && sent + 1 > bound) return failed(n, sent + 1, bound);
  }
  return false;
}

static bool check_duplicate(struct facts *f, struct numbers *n) {
  return f->request->id && hd_gateway_seen(f->risk->gateway, f->request->id) && failed(n, 1, 0);
}

// Loss of a book against an earlier equity has reached `bound`, and the order does more than reduce.
static bool loss_reached(struct facts *f, const struct view *v, struct hadron_money from, int64_t bound, struct numbers *n) {
  if (!bound || !f->risk->watches[v->arm].known) return false;
  int64_t loss = clamp((hadron_int128)from.micros - hd_book_equity(view_book(f, v)).micros);
  return loss >= bound && !facts_reduce(f) && failed(n, loss, bound);
}

static bool check_daily_loss(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    const struct view *v = &f->views[i];
    if (loss_reached(f, v, f->risk->watches[v->arm].day, v->limits->daily_loss_max.micros, n)) return true;
  }
  return false;
}

static bool check_drawdown(struct facts *f, struct numbers *n) {
  for (uint32_t i = 0; i < f->view_count; i++) {
    const struct view *v = &f->views[i];
    if (loss_reached(f, v, f->risk->watches[v->arm].peak, v->limits->drawdown_max.micros, n)) return true;
  }
  return false;
}

static bool check_reduce_only(struct facts *f, struct numbers *n) {
  if (!(f->intent->flags & HADRON_ORDER_REDUCE_ONLY)) return false;
  for (uint32_t i = 2; i < f->view_count; i++) {
    struct view *v = &f->views[i];
    if (!view_reduces(f, v)) return failed(n, clamp((hadron_int128)v->working + v->added), view_closable(f, v));
  }
  return false;
}

// Open orders that a view sees. The account's number is at hand; the others are counted, and only where somebody set the limit.
static int64_t view_open(const struct facts *f, const struct view *v) {
  const struct hd_gateway *g = f->risk->gateway;
  if (v->scope == HD_SCOPE_ACCOUNT && v->arm == 0) return hd_gateway_count(g)->open;
  int64_t open = 0;
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o)) {
    int64_t ordered, filled;
    order_part(o, v->arm, &ordered, &filled);
    open += ordered > 0 && (v->scope != HD_SCOPE_INSTRUMENT || o->request.instrument == f->intent->instrument);
  }
  return open;
}

static bool check_open_orders(struct facts *f, struct numbers *n) {
  if (f->intent->kind == HADRON_INTENT_REPLACE) return false;
  for (uint32_t i = 0; i < f->view_count; i++) {
    int64_t bound = f->views[i].limits->open_orders_max, open;
    if (bound && (open = view_open(f, &f->views[i]) + 1) > bound) return failed(n, open, bound);
  }
  return false;
}

// Another shadow's doubt is not this one's.
static uint32_t facts_unknown(const struct facts *f) {
  const struct hd_gateway *g = f->risk->gateway;
  uint32_t unknown = hd_gateway_unknown(g, f->intent->instrument), own = 0;
  if (unknown == 0 || !f->risk->alone) return unknown;
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o))
    own += o->state == HADRON_STATE_UNKNOWN && o->request.instrument == f->intent->instrument && o->request.arm == f->intent->arm;
  return own;
}

static bool check_unknown_outcome(struct facts *f, struct numbers *n) {
  uint32_t unknown = facts_unknown(f);
  return unknown && failed(n, unknown, 0);
}

static bool check_dry_run(struct facts *f, struct numbers *n) { return f->risk->mode == HADRON_MODE_DRY_RUN && failed(n, 1, 0); }

static bool check_venue_down(struct facts *f, struct numbers *n) {
  uint32_t state = f->request->venue_state;
  return state != HADRON_VENUE_READY && failed(n, state, HADRON_VENUE_READY);
}

static bool check_order_table(struct facts *f, struct numbers *n) {
  int64_t bound = f->risk->orders_max, open = (int64_t)hd_gateway_count(f->risk->gateway)->open + 1;
  return bound && open > bound && failed(n, open, bound);
}

// A check of a limit is not made where nobody has set that limit.
#define ALWAYS UINT16_MAX
#define LIMIT(name) (FIELD(name) / sizeof(int64_t))
static const struct {
  uint16_t reason;
  bool (*fails)(struct facts *f, struct numbers *n);
  uint16_t limit; // which word of struct hd_limits; or ALWAYS
} checks[] = {
    {HADRON_RISK_KILLED, check_killed, ALWAYS},
    {HADRON_RISK_INSTRUMENT, check_instrument, ALWAYS},
    {HADRON_RISK_HALTED, check_halted, ALWAYS},
    {HADRON_RISK_QUANTITY_GRID, check_quantity_grid, ALWAYS},
    {HADRON_RISK_PRICE_GRID, check_price_grid, ALWAYS},
    {HADRON_RISK_BOUNDS, check_bounds, ALWAYS},
    {HADRON_RISK_STALE_MARKET, check_stale_market, ALWAYS},
    {HADRON_RISK_QUANTITY_MAX, check_quantity_max, LIMIT(order_quantity_max)},
    {HADRON_RISK_NOTIONAL_MAX, check_notional_max, LIMIT(order_notional_max)},
    {HADRON_RISK_COLLAR, check_collar, LIMIT(collar_bps)},
    {HADRON_RISK_POSITION_MAX, check_position_max, LIMIT(position_max)},
    {HADRON_RISK_GROSS_MAX, check_gross_max, LIMIT(gross_max)},
    {HADRON_RISK_NET_MAX, check_net_max, LIMIT(net_max)},
    {HADRON_RISK_ORDER_RATE, check_order_rate, LIMIT(order_rate_max)},
    {HADRON_RISK_DUPLICATE, check_duplicate, ALWAYS},
    {HADRON_RISK_DAILY_LOSS, check_daily_loss, LIMIT(daily_loss_max)},
    {HADRON_RISK_DRAWDOWN, check_drawdown, LIMIT(drawdown_max)},
    {HADRON_RISK_REDUCE_ONLY, check_reduce_only, ALWAYS},
    {HADRON_RISK_OPEN_ORDERS, check_open_orders, LIMIT(open_orders_max)},
    {HADRON_RISK_UNKNOWN_OUTCOME, check_unknown_outcome, ALWAYS},
    {HADRON_RISK_DRY_RUN, check_dry_run, ALWAYS},
    {HADRON_RISK_VENUE_DOWN, check_venue_down, ALWAYS},
    {HADRON_RISK_ORDER_TABLE, check_order_table, ALWAYS},
};
_Static_assert(sizeof checks / sizeof *checks == HADRON_RISK_REASON_COUNT - 1, "a check per reason");

// --- the window of one second ---

static void rate_forget(struct hd_risk *r) {
  const struct hd_rate_entry *e = &r->rate[r->rate_first];
  if (e->arm) r->rate_arm[e->arm]--;
  if (e->instrument) r->rate_arm[0]--, r->rate_instrument[e->instrument]--;
  r->rate_first = (r->rate_first + 1) & (RATE_SIZE - 1);
  r->rate_count--;
}

static void rate_expire(struct hd_risk *r, int64_t now_ns) {
  while (r->rate_count && now_ns - r->rate[r->rate_first].time_ns >= SECOND_NS) rate_forget(r);
  // A clock that was set back over a restart: nobody knows when these were, and an hour's wait is not what the limit means.
  while (r->rate_count && r->rate[r->rate_first].time_ns > now_ns) rate_forget(r);
}

static void rate_put(struct hd_risk *r, int64_t time_ns, uint32_t arm, uint32_t instrument) {
  if (r->rate_count == RATE_SIZE) rate_forget(r);
  r->rate[(r->rate_first + r->rate_count++) & (RATE_SIZE - 1)] = (struct hd_rate_entry){time_ns, arm, instrument};
  if (arm) r->rate_arm[arm]++;
  if (instrument) r->rate_arm[0]++, r->rate_instrument[instrument]++;
}

// Full can only be where no limit is set (or is far below): the oldest goes.
static void rate_add(struct hd_risk *r, const struct facts *f) {
  uint32_t instrument = f->intent->instrument;
  for (uint32_t i = 2; i < f->view_count; i++, instrument = 0) rate_put(r, f->request->now_ns, f->views[i].arm, instrument);
}

void hd_risk_fold_order(struct hd_risk *r, const uint32_t *arms, uint32_t arm_count, uint32_t instrument, int64_t time_ns) {
  rate_expire(r, time_ns);
  if (instrument == 0 || instrument > r->instrument_max) return;
  for (uint32_t i = 0; i < arm_count; i++) rate_put(r, time_ns, arms[i] <= r->arm_max ? arms[i] : 0, i ? 0 : instrument);
}

// --- the room ---

int32_t hd_risk_init(struct hd_risk *r, const struct hd_instruments *instruments, const struct hd_marks *marks,
                     const struct hd_portfolio *portfolio, const struct hd_gateway *gateway, uint32_t arm_max, uint32_t mode) {
  HD_ASSERT(instruments && marks && portfolio && arm_max <= portfolio->arm_max);
  *r = (struct hd_risk){.instruments = instruments, .marks = marks, .portfolio = portfolio, .gateway = gateway,
                        .arm_max = arm_max, .instrument_max = instruments->max, .mode = mode, .day_ns = INT64_MIN, .house = r};
  r->strategy = calloc(arm_max + 1, sizeof *r->strategy);
  r->instrument = calloc(instruments->max + 1, sizeof *r->instrument);
  r->watches = calloc(arm_max + 1, sizeof *r->watches);
  r->rate = calloc(RATE_SIZE, sizeof *r->rate);
  r->rate_arm = calloc(arm_max + 1, sizeof *r->rate_arm);
  r->rate_instrument = calloc(instruments->max + 1, sizeof *r->rate_instrument);
  if (r->strategy && r->instrument && r->watches && r->rate && r->rate_arm && r->rate_instrument) return HADRON_OK;
  hd_risk_fini(r);
  return HADRON_ERR_MEMORY;
}

void hd_risk_shadow(struct hd_risk *r, const struct hd_risk *house) {
  HD_ASSERT(house != r && house->house == house && house->arm_max == r->arm_max && house->instrument_max == r->instrument_max);
  r->house = house;
  r->alone = true;
}

void hd_risk_fini(struct hd_risk *r) {
  free(r->strategy);
  free(r->instrument);
  free(r->watches);
  free(r->rate);
  free(r->rate_arm);
  free(r->rate_instrument);
  *r = (struct hd_risk){0};
}

static struct hd_limits *limits_of(struct hd_risk *r, uint32_t scope, uint32_t id) {
  if (scope == HD_SCOPE_ACCOUNT) return id == 0 ? &r->account : NULL;
  if (scope == HD_SCOPE_STRATEGY) return id && id <= r->arm_max ? &r->strategy[id] : NULL;
  if (scope == HD_SCOPE_INSTRUMENT) return id && id <= r->instrument_max ? &r->instrument[id] : NULL;
  return NULL;
}

const struct hd_limits *hd_risk_limits(struct hd_risk *r, uint32_t scope, uint32_t id) { return limits_of(r, scope, id); }

int32_t hd_risk_limits_set(struct hd_risk *r, uint32_t scope, uint32_t id, const struct hd_limits *limits, struct hd_fault *fault) {
  struct hd_limits *target = limits_of(r, scope, id);
  if (!target)
    return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "risk limits: scope %u has no id %u: name an arm up to %u or an instrument up to %u",
                        scope, id, r->arm_max, r->instrument_max);
  for (uint32_t i = 0; i < hd_limit_key_count; i++) {
    const struct hd_limit_key *key = &hd_limit_keys[i];
    int64_t value, max = key->scopes & scope ? key->max : 0;
    memcpy(&value, (const char *)limits + key->offset, sizeof value);
    if (value < 0 || value > max)
      return hd_fault_set(fault, HADRON_ERR_RANGE, "risk limit %s: expected 0 (no limit) to %lld%s, found %lld: the old limits stay", key->key,
                          (long long)max, key->scopes & scope ? "" : " as it cannot be set here", (long long)value);
  }
  *target = *limits;
  return HADRON_OK;
}

void hd_risk_kill(struct hd_risk *r) { r->killed = true; }
void hd_risk_release(struct hd_risk *r) { r->killed = false; }

void hd_risk_equity(struct hd_risk *r, int64_t now_ns) {
  int64_t into = now_ns % DAY_NS, day_ns = now_ns - (into < 0 ? into + DAY_NS : into);
  bool new_day = day_ns > r->day_ns; // a clock that steps back does not begin a day anew
  if (new_day) r->day_ns = day_ns;
  for (uint32_t arm = 0; arm <= r->arm_max; arm++) {
    const struct hd_book *book = &r->portfolio->books[arm];
    struct hd_risk_watch *watch = &r->watches[arm];
    if (!book->role || (book->role == HD_ROLE_SHADOW) != r->alone) continue;
    struct hadron_money equity = hd_book_equity(book);
    if (new_day || !watch->known) watch->day = equity;
    if (!watch->known || equity.micros > watch->peak.micros) watch->peak = equity;
    watch->known = true;
  }
}

void hd_risk_restart(struct hd_risk *r, uint32_t arm) {
  HD_ASSERT(arm > 0 && arm <= r->arm_max);
  r->watches[arm] = (struct hd_risk_watch){0};
}

void hd_risk_check(struct hd_risk *r, const struct hd_risk_request *request, struct hd_verdict *verdict) {
  HD_ASSERT(request->share_count <= HD_SHARES_MAX && request->intent->arm <= r->arm_max);
  struct facts f;
  struct numbers n = {0};
  *verdict = (struct hd_verdict){0};
  if (r->day_ns == INT64_MIN || request->now_ns >= r->day_ns + DAY_NS) hd_risk_equity(r, request->now_ns);
  rate_expire(r, request->now_ns);
  facts_gather(&f, r, request);
  uint64_t limits[LIMIT_WORDS];
  facts_limits(&f, limits);
  for (uint32_t i = 0; i < sizeof checks / sizeof *checks; i++)
    if ((checks[i].limit == ALWAYS || limits[checks[i].limit]) && checks[i].fails(&f, &n)) {
      *verdict = (struct hd_verdict){.reason = checks[i].reason, .actual = n.actual, .bound = n.bound};
      r->denied[checks[i].reason]++;
      return;
    }
  rate_add(r, &f);
  r->passed++;
}

// ---- for explanations

static uint32_t limit_of(uint32_t check) {
  return checks[check].reason == HADRON_RISK_STALE_MARKET ? LIMIT(stale_ns) : checks[check].limit == ALWAYS ? LIMIT_WORDS : checks[check].limit;
}

// The number that a check would hold against the limit of one view: against a limit that nothing keeps, alone.
static bool measure(struct facts *f, uint32_t check, uint32_t view, struct numbers *n) {
  const struct hd_limits *own[sizeof f->views / sizeof *f->views];
  static const struct hd_limits none;
  int64_t words[LIMIT_WORDS] = {0};
  struct hd_limits least;
  words[limit_of(check)] = -INT64_MAX;
  memcpy(&least, words, sizeof least);
  for (uint32_t i = 0; i < f->view_count; i++) {
    own[i] = f->views[i].limits;
    f->views[i].limits = i == view ? &least : &none;
  }
  bool measured = checks[check].fails(f, n);
  for (uint32_t i = 0; i < f->view_count; i++) f->views[i].limits = own[i];
  return measured;
}

static uint32_t explain_limit(struct facts *f, uint32_t check, struct hd_risk_row *rows, uint32_t max) {
  uint32_t count = 0;
  for (uint32_t v = 0; v < f->view_count && count < max; v++) {
    int64_t words[LIMIT_WORDS];
    struct numbers n = {0};
    memcpy(words, f->views[v].limits, sizeof words);
    int64_t bound = words[limit_of(check)];
    if (!bound) continue;
    struct hd_risk_row *row = &rows[count++];
    *row = (struct hd_risk_row){.reason = checks[check].reason, .outcome = HD_RISK_ROW_PASSED, .scope = f->views[v].scope, .arm = f->views[v].arm, .bound = bound};
    if (checks[check].reason == HADRON_RISK_STALE_MARKET) row->bound /= 1000000;
    row->measured = measure(f, check, v, &n);
    row->actual = n.actual;
  }
  return count;
}

uint32_t hd_risk_explain(struct hd_risk *r, const struct hd_risk_request *request, struct hd_risk_row *rows, uint32_t max) {
  struct facts f;
  uint32_t count = 0;
  bool failed_before = false;
  if (r->day_ns == INT64_MIN || request->now_ns >= r->day_ns + DAY_NS) hd_risk_equity(r, request->now_ns);
  rate_expire(r, request->now_ns);
  facts_gather(&f, r, request);
  for (uint32_t i = 0; i < sizeof checks / sizeof *checks && count < max; i++) {
    struct numbers n = {0};
    struct hd_risk_row row = {.reason = checks[i].reason, .outcome = failed_before ? HD_RISK_ROW_NOT_REACHED : HD_RISK_ROW_PASSED};
    uint32_t limited = !failed_before && f.instrument && limit_of(i) < LIMIT_WORDS ? explain_limit(&f, i, rows + count, max - count) : 0;
    if (!failed_before && (f.instrument || i < 2) && checks[i].fails(&f, &n)) {
      row = (struct hd_risk_row){.reason = checks[i].reason, .outcome = HD_RISK_ROW_FAILED, .measured = true, .actual = n.actual, .bound = n.bound};
      failed_before = true;
      limited = 0; // the one that failed says it
    } else if (!failed_before && checks[i].limit != ALWAYS && limited == 0) row.outcome = HD_RISK_ROW_NO_LIMIT;
    if (limited == 0) rows[count++] = row;
    else count += limited;
  }
  return count;
}

const char *hd_risk_reason_name(uint32_t reason) {
  switch (reason) {
  case HADRON_RISK_PASSED: return "PASSED";
#define REASON_NAME(name, number, key, unit, text) \
  case number: return #name;
    HADRON_RISK_REASON_MAP(REASON_NAME)
#undef REASON_NAME
  default: return "UNKNOWN";
  }
}

const char *hd_risk_reason_text(uint32_t reason) {
  switch (reason) {
  case HADRON_RISK_PASSED: return "passed";
#define REASON_TEXT(name, number, key, unit, text) \
  case number: return text;
    HADRON_RISK_REASON_MAP(REASON_TEXT)
#undef REASON_TEXT
  default: return "unknown reason";
  }
}

const char *hd_risk_reason_key(uint32_t reason) {
  switch (reason) {
#define REASON_KEY(name, number, key, unit, text) \
  case number: return key;
    HADRON_RISK_REASON_MAP(REASON_KEY)
#undef REASON_KEY
  default: return "";
  }
}

const char *hd_risk_reason_unit(uint32_t reason) {
  switch (reason) {
#define REASON_UNIT(name, number, key, unit, text) \
  case number: return unit;
    HADRON_RISK_REASON_MAP(REASON_UNIT)
#undef REASON_UNIT
  default: return "";
  }
}
