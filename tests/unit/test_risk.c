// Promise: every row of the risk table denies exactly what it says, with its reason and both numbers: at the bound an order passes,
// one above it fails (a loss is "reached" at its bound). The first row that fails is the reason. Limits hold for the account, for an
// arm's share and for an instrument, and change between two intents.
#include "support/test.h"
#include "support/market.h"
#include "support/gateway_fake.h"

#include "pipeline/risk.h"

#define NOW INT64_C(1700000000000000000)

struct desk {
  struct test_market market;
  struct hd_portfolio books;
  struct hd_gateway gateway;
  struct hd_risk risk;
  struct hadron_intent intent;    // a limit order that passes: arm 1 buys 10 of instrument 1 at 100
  struct hd_share shares[2];
  struct hd_risk_request request;
  struct hd_verdict verdict;
};

static int desk_open(void **state) {
  static const uint32_t universe[] = {1, 2};
  struct desk *d = calloc(1, sizeof *d);
  test_market_init(&d->market);
  assert_int_equal(hd_portfolio_init(&d->books, &d->market.instruments, &d->market.marks, 2, test_money(1e6)), 0);
  for (uint32_t arm = 1; arm <= 2; arm++)
    assert_int_equal(hd_portfolio_open(&d->books, arm, HD_ROLE_LIVE, test_money(5e5), universe, 2), 0);
  assert_int_equal(hd_risk_init(&d->risk, &d->market.instruments, &d->market.marks, &d->books, &d->gateway, 2, HADRON_MODE_PAPER), 0);
  test_market_mark(&d->market, 1, 100, 0.02, NOW);
  test_market_mark(&d->market, 2, 50, 0.02, NOW);
  d->intent = (struct hadron_intent){.kind = HADRON_INTENT_NEW, .side = HADRON_SIDE_BUY, .order_type = HADRON_ORDER_LIMIT,
                                     .time_in_force = HADRON_TIF_DAY, .limit = test_price(100), .quantity = test_quantity(10),
                                     .instrument = 1, .arm = 1, .venue = 1};
  d->request = (struct hd_risk_request){.intent = &d->intent, .shares = d->shares, .venue_state = HADRON_VENUE_READY, .now_ns = NOW};
  *state = d;
  return 0;
}

static int desk_close(void **state) {
  struct desk *d = *state;
  hd_risk_fini(&d->risk);
  hd_portfolio_fini(&d->books);
  free(d);
  return 0;
}

// One share of arm 1 over the whole quantity, unless the test has set the shares.
static void ask(struct desk *d) {
  struct hd_share one = {.arm = d->intent.arm, .ordered = d->intent.quantity};
  struct hd_risk_request request = d->request;
  if (request.share_count == 0) request.shares = &one, request.share_count = 1;
  hd_risk_check(&d->risk, &request, &d->verdict);
}

static void passes(struct desk *d) {
  ask(d);
  if (d->verdict.reason)
    fail_msg("denied: %s, actual %lld, bound %lld", hd_risk_reason_name(d->verdict.reason), (long long)d->verdict.actual, (long long)d->verdict.bound);
}

static void denies(struct desk *d, uint16_t reason, int64_t actual, int64_t bound) {
  uint64_t before = d->risk.denied[reason];
  ask(d);
  assert_string_equal(hd_risk_reason_name(d->verdict.reason), hd_risk_reason_name(reason));
  assert_int_equal(d->verdict.actual, actual);
  assert_int_equal(d->verdict.bound, bound);
  assert_int_equal(d->risk.denied[reason], before + 1);
}

static void set(struct desk *d, uint32_t scope, uint32_t id, struct hd_limits limits) {
  struct hd_fault fault = {0};
  if (hd_risk_limits_set(&d->risk, scope, id, &limits, &fault)) fail_msg("%s", fault.text);
}
#define ACCOUNT(...) set(d, HD_SCOPE_ACCOUNT, 0, (struct hd_limits){__VA_ARGS__})

static void hold(struct desk *d, uint32_t arm, uint32_t instrument, double quantity, double price) {
  struct hadron_allocation a = {.price = test_price(price), .quantity = test_quantity(quantity < 0 ? -quantity : quantity), .arm = arm,
                                .instrument = instrument, .side = quantity < 0 ? HADRON_SIDE_SELL : HADRON_SIDE_BUY};
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
}

static void killed(void **state) {
  struct desk *d = *state;
  passes(d);
  hd_risk_kill(&d->risk);
  denies(d, HADRON_RISK_KILLED, 1, 0);
  denies(d, HADRON_RISK_KILLED, 1, 0); // latched
  hd_risk_release(&d->risk);
  passes(d);
}

static void instrument(void **state) {
  struct desk *d = *state;
  d->intent.instrument = TEST_INSTRUMENTS + 1;
  denies(d, HADRON_RISK_INSTRUMENT, TEST_INSTRUMENTS + 1, TEST_INSTRUMENTS);
  d->intent.instrument = 0;
  denies(d, HADRON_RISK_INSTRUMENT, 0, TEST_INSTRUMENTS);
  d->intent.instrument = 1, d->intent.venue = 2;
  denies(d, HADRON_RISK_INSTRUMENT, 1, 0);
}

static void halted(void **state) {
  struct desk *d = *state;
  d->market.cells[1].mark.state = HADRON_MARKET_AUCTION;
  passes(d);
  d->market.cells[1].mark.state = HADRON_MARKET_HALTED;
  denies(d, HADRON_RISK_HALTED, HADRON_MARKET_HALTED, HADRON_MARKET_OPEN);
  d->market.cells[1].mark.state = HADRON_MARKET_CLOSED;
  denies(d, HADRON_RISK_HALTED, HADRON_MARKET_CLOSED, HADRON_MARKET_OPEN);
}

static void grids(void **state) {
  struct desk *d = *state;
  d->intent.quantity.e8 += 1;
  denies(d, HADRON_RISK_QUANTITY_GRID, 1000000001, 100000000);
  d->intent.quantity.e8 = 0;
  denies(d, HADRON_RISK_QUANTITY_GRID, 0, 100000000);
  d->intent.quantity = test_quantity(10);
  d->intent.limit.nanos += 1;
  denies(d, HADRON_RISK_PRICE_GRID, INT64_C(100000000001), 10000000);
  d->intent.limit.nanos = -10000000;
  denies(d, HADRON_RISK_PRICE_GRID, -10000000, 10000000);
}

static void bounds(void **state) {
  struct desk *d = *state;
  const struct hadron_intent good = d->intent;
#define BROKEN(rule, ...)                                       \
  d->intent = good;                                             \
  __VA_ARGS__;                                                  \
  denies(d, HADRON_RISK_BOUNDS, rule, 0)
  BROKEN(1, d->intent.kind = HADRON_INTENT_CANCEL);
  BROKEN(2, d->intent.side = 3);
  BROKEN(3, d->intent.order_type = 5);
  BROKEN(4, d->intent.time_in_force = 6);
  BROKEN(5, d->intent.limit.nanos = 0);
  BROKEN(5, d->intent.order_type = HADRON_ORDER_MARKET);
  BROKEN(6, d->intent.stop = d->intent.limit);
  BROKEN(6, d->intent.order_type = HADRON_ORDER_STOP_LIMIT);
  BROKEN(7, d->intent.expire_ns = NOW + 1);
  BROKEN(7, d->intent.time_in_force = HADRON_TIF_GTD; d->intent.expire_ns = NOW);
  BROKEN(8, d->intent.flags = 4);
  BROKEN(9, d->intent.flags = HADRON_ORDER_POST_ONLY; d->intent.time_in_force = HADRON_TIF_IOC);
  d->intent = good;
  d->shares[0] = (struct hd_share){.arm = 1, .ordered = test_quantity(9)};
  d->request.share_count = 1;
  denies(d, HADRON_RISK_BOUNDS, 10, 0);
  d->request.share_count = 0;
  d->intent.time_in_force = HADRON_TIF_GTD, d->intent.expire_ns = NOW + 1;
  passes(d);
}

static void stale_market(void **state) {
  struct desk *d = *state;
  ACCOUNT(.stale_ns = 5000000);
  d->request.now_ns = NOW + 5000000;
  passes(d);
  d->request.now_ns = NOW + 5000001;
  denies(d, HADRON_RISK_STALE_MARKET, 6, 5);
  ACCOUNT(0);
  passes(d);
  d->market.cells[1].mark = (struct hd_mark){0}; // no price at all: a market order cannot be measured
  d->intent.order_type = HADRON_ORDER_MARKET, d->intent.limit.nanos = 0;
  ask(d);
  assert_int_equal(d->verdict.reason, HADRON_RISK_STALE_MARKET);
}

static void quantity_and_notional(void **state) {
  struct desk *d = *state;
  ACCOUNT(.order_quantity_max = test_quantity(10));
  passes(d);
  ACCOUNT(.order_quantity_max = {999999999});
  denies(d, HADRON_RISK_QUANTITY_MAX, 1000000000, 999999999);
  ACCOUNT(.order_notional_max = test_money(1000));
  passes(d);
  ACCOUNT(.order_notional_max = {999999999});
  denies(d, HADRON_RISK_NOTIONAL_MAX, 1000000000, 999999999);
  d->intent.order_type = HADRON_ORDER_MARKET, d->intent.limit.nanos = 0; // at the touch: 100.01
  denies(d, HADRON_RISK_NOTIONAL_MAX, 1000100000, 999999999);
  d->intent.side = HADRON_SIDE_SELL;
  ACCOUNT(.order_notional_max = {999900000});
  passes(d);
  d->market.rows[1].multiplier.e8 = INT64_MAX; // an overflow is beyond any bound
  ACCOUNT(.order_notional_max = {INT64_MAX - 1});
  denies(d, HADRON_RISK_NOTIONAL_MAX, INT64_MAX, INT64_MAX - 1);
}

static void collar(void **state) {
  struct desk *d = *state;
  ACCOUNT(.collar_bps = 100);
  d->intent.limit = test_price(101);
  passes(d);
  d->intent.limit = test_price(101.01);
  denies(d, HADRON_RISK_COLLAR, 101, 100);
  d->intent.limit = test_price(98.99);
  denies(d, HADRON_RISK_COLLAR, 101, 100);
  d->intent.order_type = HADRON_ORDER_MARKET, d->intent.limit.nanos = 0;
  test_market_mark(&d->market, 1, 100, 2, NOW); // the touch is 101
  passes(d);
  test_market_mark(&d->market, 1, 100, 2.02, NOW);
  denies(d, HADRON_RISK_COLLAR, 101, 100);
  d->intent.order_type = HADRON_ORDER_STOP_LIMIT, d->intent.stop = test_price(120), d->intent.limit = test_price(121.2);
  passes(d);
  d->intent.limit = test_price(121.21);
  denies(d, HADRON_RISK_COLLAR, 101, 100);
}

static void position(void **state) {
  struct desk *d = *state;
  hold(d, 1, 1, 20, 100);
  fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, test_quantity(5).e8, 1, 0);
  fake_order(&d->gateway, 1, 1, HADRON_SIDE_SELL, test_quantity(7).e8, 1, 0);
  ACCOUNT(.position_max = test_quantity(35)); // 20 + 5 working + 10
  passes(d);
  ACCOUNT(.position_max = test_quantity(34));
  denies(d, HADRON_RISK_POSITION_MAX, 3500000000, 3400000000);
  d->intent.side = HADRON_SIDE_SELL; // 20 - 7 - 10: still long, whatever the limit
  ACCOUNT(.position_max = test_quantity(1));
  passes(d);
  d->intent.quantity = test_quantity(15); // 20 - 7 - 15 = -2
  denies(d, HADRON_RISK_POSITION_MAX, 200000000, 100000000);
}

// A replace counts in the place of the order that it replaces, and only what is not filled yet is still to come.
static void position_replace(void **state) {
  struct desk *d = *state;
  hold(d, 1, 1, 4, 100);
  struct hd_order *o = fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, test_quantity(10).e8, 1, 1);
  o->filled = o->shares[0].filled = test_quantity(4);
  d->intent.kind = HADRON_INTENT_REPLACE, d->intent.order = o->request.client_order_id;
  d->intent.quantity = test_quantity(20); // 4 held + 16 to come
  ACCOUNT(.position_max = test_quantity(20));
  passes(d);
  set(d, HD_SCOPE_STRATEGY, 1, (struct hd_limits){.position_max = test_quantity(20)});
  passes(d);
  set(d, HD_SCOPE_STRATEGY, 1, (struct hd_limits){.position_max = test_quantity(19)});
  denies(d, HADRON_RISK_POSITION_MAX, 2000000000, 1900000000);
}

static void exposure(void **state) {
  struct desk *d = *state;
  hold(d, 1, 1, 10, 100);
  hold(d, 2, 2, -10, 50); // gross 1500, net 500
  ACCOUNT(.gross_max = test_money(2500));
  passes(d);
  ACCOUNT(.gross_max = {2499999999});
  denies(d, HADRON_RISK_GROSS_MAX, 2500000000, 2499999999);
  ACCOUNT(.net_max = test_money(1500));
  passes(d);
  ACCOUNT(.net_max = {1499999999});
  denies(d, HADRON_RISK_NET_MAX, 1500000000, 1499999999);
  d->intent.side = HADRON_SIDE_SELL; // makes both smaller: passes though they are exceeded
  ACCOUNT(.gross_max = test_money(1), .net_max = test_money(1));
  passes(d);
}

static void order_rate(void **state) {
  struct desk *d = *state;
  ACCOUNT(.order_rate_max = 3);
  for (int i = 0; i < 3; i++) {
    d->request.now_ns = NOW + i * 100000000;
    passes(d);
  }
  d->request.now_ns = NOW + 999999999;
  denies(d, HADRON_RISK_ORDER_RATE, 4, 3);
  d->request.now_ns = NOW + 1000000000; // the first has left the window; the denied one was never in it
  passes(d);
  denies(d, HADRON_RISK_ORDER_RATE, 4, 3);
  d->request.now_ns = NOW + INT64_C(5000000000);
  ACCOUNT(0);
  set(d, HD_SCOPE_STRATEGY, 1, (struct hd_limits){.order_rate_max = 1});
  passes(d);
  denies(d, HADRON_RISK_ORDER_RATE, 2, 1);
  d->intent.arm = 2;
  passes(d);
  set(d, HD_SCOPE_INSTRUMENT, 1, (struct hd_limits){.order_rate_max = 2});
  denies(d, HADRON_RISK_ORDER_RATE, 3, 2);
}

// More orders in a second than the window holds: nothing breaks, and limits that can be set stay exact.
static void order_rate_flood(void **state) {
  struct desk *d = *state;
  for (int i = 0; i < HD_RISK_RATE_MAX * HD_SHARES_MAX + 10; i++) passes(d);
  ACCOUNT(.order_rate_max = HD_RISK_RATE_MAX);
  ask(d);
  assert_int_equal(d->verdict.reason, HADRON_RISK_ORDER_RATE);
  d->request.now_ns = NOW + 1000000000;
  for (int i = 0; i < HD_RISK_RATE_MAX; i++) passes(d);
  denies(d, HADRON_RISK_ORDER_RATE, HD_RISK_RATE_MAX + 1, HD_RISK_RATE_MAX);
}

static const struct hadron_client_order_id used = {"000000000000000000000000"};

static void duplicate(void **state) {
  struct desk *d = *state;
  d->request.id = &used;
  passes(d);
  d->gateway.seen = true;
  denies(d, HADRON_RISK_DUPLICATE, 1, 0);
}

static void daily_loss(void **state) {
  struct desk *d = *state;
  hold(d, 1, 1, 10, 100);
  hd_risk_equity(&d->risk, NOW);
  ACCOUNT(.daily_loss_max = test_money(50));
  test_market_mark(&d->market, 1, 95.01, 0.02, NOW);
  hd_portfolio_mark(&d->books, 1);
  passes(d); // a loss of 49.90
  test_market_mark(&d->market, 1, 95, 0.02, NOW);
  hd_portfolio_mark(&d->books, 1);
  denies(d, HADRON_RISK_DAILY_LOSS, 50000000, 50000000);
  d->intent.side = HADRON_SIDE_SELL; // closes: passes
  passes(d);
  d->intent.quantity = test_quantity(11); // turns: does not
  denies(d, HADRON_RISK_DAILY_LOSS, 50000000, 50000000);
  d->intent.quantity = test_quantity(10);
  fake_order(&d->gateway, 1, 1, HADRON_SIDE_SELL, test_quantity(1).e8, 1, 0); // works already
  denies(d, HADRON_RISK_DAILY_LOSS, 50000000, 50000000);
  d->request.now_ns = NOW + INT64_C(86400000000000); // tomorrow
  passes(d);
}

static void drawdown(void **state) {
  struct desk *d = *state;
  hold(d, 1, 1, 10, 100);
  hd_risk_equity(&d->risk, NOW);
  test_market_mark(&d->market, 1, 103, 0.02, NOW);
  hd_portfolio_mark(&d->books, 1);
  hd_risk_equity(&d->risk, NOW);
  set(d, HD_SCOPE_STRATEGY, 1, (struct hd_limits){.drawdown_max = test_money(40)});
  test_market_mark(&d->market, 1, 99.01, 0.02, NOW);
  hd_portfolio_mark(&d->books, 1);
  passes(d);
  test_market_mark(&d->market, 1, 99, 0.02, NOW);
  hd_portfolio_mark(&d->books, 1);
  denies(d, HADRON_RISK_DRAWDOWN, 40000000, 40000000);
  d->intent.arm = 2; // the other arm has lost nothing
  passes(d);
  d->intent.arm = 1;
  d->request.now_ns = NOW + INT64_C(86400000000000); // a peak knows no day
  denies(d, HADRON_RISK_DRAWDOWN, 40000000, 40000000);
}

static void reduce_only(void **state) {
  struct desk *d = *state;
  d->intent.flags = HADRON_ORDER_REDUCE_ONLY;
  denies(d, HADRON_RISK_REDUCE_ONLY, 1000000000, 0);
  hold(d, 1, 1, -10, 100);
  passes(d);
  d->intent.quantity = test_quantity(11);
  denies(d, HADRON_RISK_REDUCE_ONLY, 1100000000, 1000000000);
  d->intent.side = HADRON_SIDE_SELL, d->intent.quantity = test_quantity(1);
  denies(d, HADRON_RISK_REDUCE_ONLY, 100000000, 0);
}

static void open_orders(void **state) {
  struct desk *d = *state;
  fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, 1, 1, 0);
  fake_order(&d->gateway, 2, 2, HADRON_SIDE_BUY, 1, 1, 0);
  ACCOUNT(.open_orders_max = 3);
  passes(d);
  ACCOUNT(.open_orders_max = 2);
  denies(d, HADRON_RISK_OPEN_ORDERS, 3, 2);
  d->intent.kind = HADRON_INTENT_REPLACE; // adds none
  passes(d);
  d->intent.kind = HADRON_INTENT_NEW;
  ACCOUNT(0);
  set(d, HD_SCOPE_STRATEGY, 1, (struct hd_limits){.open_orders_max = 1});
  denies(d, HADRON_RISK_OPEN_ORDERS, 2, 1);
  set(d, HD_SCOPE_STRATEGY, 1, (struct hd_limits){.open_orders_max = 2});
  passes(d);
  set(d, HD_SCOPE_INSTRUMENT, 1, (struct hd_limits){.open_orders_max = 1});
  denies(d, HADRON_RISK_OPEN_ORDERS, 2, 1);
}

static void last_rows(void **state) {
  struct desk *d = *state;
  d->gateway.unknown = 2;
  denies(d, HADRON_RISK_UNKNOWN_OUTCOME, 2, 0);
  d->gateway.unknown = 0;
  d->risk.mode = HADRON_MODE_DRY_RUN;
  denies(d, HADRON_RISK_DRY_RUN, 1, 0);
  d->risk.mode = HADRON_MODE_LIVE;
  d->request.venue_state = HADRON_VENUE_RECONCILING;
  denies(d, HADRON_RISK_VENUE_DOWN, HADRON_VENUE_RECONCILING, HADRON_VENUE_READY);
  d->request.venue_state = HADRON_VENUE_READY;
  d->risk.orders_max = 10, d->gateway.counts.open = 9;
  passes(d);
  d->gateway.counts.open = 10;
  denies(d, HADRON_RISK_ORDER_TABLE, 11, 10);
}

// Shares: the arm's limit meets the arm's part, not the order.
static void shares(void **state) {
  struct desk *d = *state;
  d->intent.arm = 0;
  d->shares[0] = (struct hd_share){.arm = 1, .ordered = test_quantity(4)};
  d->shares[1] = (struct hd_share){.arm = 2, .ordered = test_quantity(6)};
  d->request.share_count = 2;
  set(d, HD_SCOPE_STRATEGY, 1, (struct hd_limits){.order_quantity_max = test_quantity(5)});
  passes(d);
  set(d, HD_SCOPE_STRATEGY, 2, (struct hd_limits){.order_quantity_max = test_quantity(5)});
  denies(d, HADRON_RISK_QUANTITY_MAX, 600000000, 500000000);
  set(d, HD_SCOPE_STRATEGY, 2, (struct hd_limits){.position_max = test_quantity(5)});
  denies(d, HADRON_RISK_POSITION_MAX, 600000000, 500000000);
}

// Everything is wrong at once; each cause taken away shows the next row, in the order of the reasons' numbers.
static void order_of_rows(void **state) {
  struct desk *d = *state;
  hold(d, 1, 1, 10, 100);
  hd_risk_equity(&d->risk, NOW);
  passes(d); // one order in the window
  test_market_mark(&d->market, 1, 90, 0.02, NOW);
  hd_portfolio_mark(&d->books, 1);
  struct hd_limits limits = {.order_quantity_max = {1}, .order_notional_max = {1}, .collar_bps = 1, .position_max = {1}, .gross_max = {1},
                             .net_max = {1}, .order_rate_max = 1, .open_orders_max = 1, .stale_ns = 1, .daily_loss_max = {1}, .drawdown_max = {1}};
  hd_risk_kill(&d->risk);
  d->intent.instrument = 99, d->intent.flags = HADRON_ORDER_REDUCE_ONLY | 128, d->intent.quantity.e8 += 1, d->intent.limit.nanos += 1;
  d->market.cells[1].mark.state = HADRON_MARKET_CLOSED;
  d->risk.mode = HADRON_MODE_DRY_RUN, d->gateway.unknown = 1, d->gateway.counts.open = 5, d->risk.orders_max = 1;
  d->request.venue_state = HADRON_VENUE_DOWN, d->request.id = &used, d->gateway.seen = true, d->request.now_ns = NOW + 2;
  for (uint16_t reason = 1; reason < HADRON_RISK_REASON_COUNT; reason++) {
    ACCOUNT(.stale_ns = 0);
    d->risk.account = limits;
    ask(d);
    assert_string_equal(hd_risk_reason_name(d->verdict.reason), hd_risk_reason_name(reason));
    switch (reason) {
    case HADRON_RISK_KILLED: hd_risk_release(&d->risk); break;
    case HADRON_RISK_INSTRUMENT: d->intent.instrument = 1; break;
    case HADRON_RISK_HALTED: d->market.cells[1].mark.state = HADRON_MARKET_OPEN; break;
    case HADRON_RISK_QUANTITY_GRID: d->intent.quantity.e8 -= 1; break;
    case HADRON_RISK_PRICE_GRID: d->intent.limit.nanos -= 1; break;
    case HADRON_RISK_BOUNDS: d->intent.flags = HADRON_ORDER_REDUCE_ONLY; break;
    case HADRON_RISK_STALE_MARKET: limits.stale_ns = 0; break;
    case HADRON_RISK_QUANTITY_MAX: limits.order_quantity_max.e8 = 0; break;
    case HADRON_RISK_NOTIONAL_MAX: limits.order_notional_max.micros = 0; break;
    case HADRON_RISK_COLLAR: limits.collar_bps = 0; break;
    case HADRON_RISK_POSITION_MAX: limits.position_max.e8 = 0; break;
    case HADRON_RISK_GROSS_MAX: limits.gross_max.micros = 0; break;
    case HADRON_RISK_NET_MAX: limits.net_max.micros = 0; break;
    case HADRON_RISK_ORDER_RATE: limits.order_rate_max = 0; break;
    case HADRON_RISK_DUPLICATE: d->gateway.seen = false; break;
    case HADRON_RISK_DAILY_LOSS: limits.daily_loss_max.micros = 0; break;
    case HADRON_RISK_DRAWDOWN: limits.drawdown_max.micros = 0; break;
    case HADRON_RISK_REDUCE_ONLY: d->intent.flags = 0; break;
    case HADRON_RISK_OPEN_ORDERS: limits.open_orders_max = 0; break;
    case HADRON_RISK_UNKNOWN_OUTCOME: d->gateway.unknown = 0; break;
    case HADRON_RISK_DRY_RUN: d->risk.mode = HADRON_MODE_LIVE; break;
    case HADRON_RISK_VENUE_DOWN: d->request.venue_state = HADRON_VENUE_READY; break;
    default: d->risk.orders_max = 0; break;
    }
  }
  d->risk.account = limits;
  passes(d);
}

static void limits_validated(void **state) {
  struct desk *d = *state;
  struct hd_fault fault = {0};
  struct hd_limits limits = {.order_quantity_max = {-1}};
  assert_int_equal(hd_risk_limits_set(&d->risk, HD_SCOPE_ACCOUNT, 0, &limits, &fault), HADRON_ERR_RANGE);
  assert_non_null(strstr(fault.text, "order_quantity_max"));
  assert_non_null(strstr(fault.text, "found -1"));
  limits = (struct hd_limits){.order_rate_max = HD_RISK_RATE_MAX + 1};
  assert_int_equal(hd_risk_limits_set(&d->risk, HD_SCOPE_ACCOUNT, 0, &limits, &fault), HADRON_ERR_RANGE);
  limits = (struct hd_limits){.drawdown_max = {1}}; // an instrument has no equity
  assert_int_equal(hd_risk_limits_set(&d->risk, HD_SCOPE_INSTRUMENT, 1, &limits, &fault), HADRON_ERR_RANGE);
  assert_int_equal(hd_risk_limits_set(&d->risk, HD_SCOPE_STRATEGY, 3, &limits, &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_risk_limits_set(&d->risk, HD_SCOPE_INSTRUMENT, 0, &limits, &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_risk_limits(&d->risk, HD_SCOPE_ACCOUNT, 0)->order_rate_max, 0);
  for (uint32_t i = 0; i < hd_limit_key_count; i++) assert_int_equal(hd_limit_keys[i].offset % sizeof(int64_t), 0);
}

#define DESK(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      DESK(killed), DESK(instrument), DESK(halted), DESK(grids), DESK(bounds), DESK(stale_market), DESK(quantity_and_notional),
      DESK(collar), DESK(position), DESK(position_replace), DESK(exposure), DESK(order_rate), DESK(order_rate_flood), DESK(duplicate),
      DESK(daily_loss), DESK(drawdown), DESK(reduce_only), DESK(open_orders), DESK(last_rows), DESK(shares), DESK(order_of_rows),
      DESK(limits_validated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
