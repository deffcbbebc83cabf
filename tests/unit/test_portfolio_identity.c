// Promise: whatever comes — fills long and short, fees and rebates, crosses, marks, splits, dividends — initial cash + realized +
// dividends - fees = cash + positions at cost in every book, to the last micro, and the portfolio is the sum of its live books.
// Random sequences, checked after every step, beside cash and quantities that are kept by other means.
#include "support/test.h"
#include "support/market.h"

#include "hadron/decimal.h"
#include "pipeline/portfolio.h"

#define ARMS 5
#define STEPS 20000
#define LARGE INT64_C(10000000000000) // e-8

struct desk {
  struct test_market market;
  struct hd_portfolio books;
  struct hd_random random;
  __int128 cash[ARMS + 1];                         // by adding up what every trade, fee and dividend was worth
  int64_t quantity[ARMS + 1][TEST_INSTRUMENTS + 1];
};

static int64_t between(struct desk *d, int64_t low, int64_t high) {
  return low + (int64_t)hd_random_below(&d->random, (uint64_t)(high - low + 1));
}

static void desk_init(struct desk *d) {
  static const int64_t multipliers[] = {100000000, 5000000000, 10000000, 33333333, 100000000, 1, 12345678901, 100000000};
  uint32_t universe[TEST_INSTRUMENTS];
  test_market_init(&d->market);
  for (uint32_t i = 1; i <= TEST_INSTRUMENTS; i++) {
    universe[i - 1] = i;
    d->market.rows[i].multiplier.e8 = multipliers[i - 1];
  }
  assert_int_equal(hd_portfolio_init(&d->books, &d->market.instruments, &d->market.marks, ARMS, test_money(1e6)), 0);
  for (uint32_t arm = 1; arm <= ARMS; arm++) {
    uint32_t role = arm == ARMS ? HD_ROLE_SHADOW : arm == 2 ? HD_ROLE_CANARY : HD_ROLE_LIVE;
    assert_int_equal(hd_portfolio_open(&d->books, arm, role, test_money(1e5), universe, TEST_INSTRUMENTS), 0);
    d->cash[arm] = test_money(1e5).micros;
  }
}

static void step_trade(struct desk *d) {
  uint32_t arm = (uint32_t)between(d, 1, ARMS), instrument = (uint32_t)between(d, 1, TEST_INSTRUMENTS);
  int64_t held = d->quantity[arm][instrument];
  struct hadron_allocation a = {.price = {between(d, 1, INT64_C(200000000000))}, .quantity = {between(d, 1, INT64_C(1000000000))},
                                .fee = {between(d, -5000, 20000)}, .instrument = instrument, .arm = arm,
                                .side = (uint8_t)between(d, 1, 2)};
  if (held && between(d, 0, 3) == 0) { // close exactly, now and then
    a.quantity.e8 = held < 0 ? -held : held;
    a.side = held < 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL;
  }
  int64_t signed_quantity = a.side == HADRON_SIDE_BUY ? a.quantity.e8 : -a.quantity.e8;
  struct hadron_money value = {0};
  assert_int_equal(hadron_notional(a.price, (struct hadron_quantity){signed_quantity}, d->market.rows[instrument].multiplier, &value), 0);
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
  d->cash[arm] -= (__int128)value.micros + a.fee.micros;
  d->quantity[arm][instrument] += signed_quantity;
  assert_int_equal(a.position.e8, d->quantity[arm][instrument]);
}

// Two arms meet: the house's cash does not move.
static void step_cross(struct desk *d) {
  uint32_t instrument = (uint32_t)between(d, 1, TEST_INSTRUMENTS);
  struct hadron_allocation buy = {.price = {between(d, 1, INT64_C(200000000000))}, .quantity = {between(d, 1, INT64_C(1000000000))},
                                  .instrument = instrument, .arm = 1, .side = HADRON_SIDE_BUY}, sell = buy;
  sell.arm = 2;
  sell.side = HADRON_SIDE_SELL;
  int64_t before = d->books.books[0].cash.micros;
  struct hadron_money value = {0};
  assert_int_equal(hadron_notional(buy.price, buy.quantity, d->market.rows[instrument].multiplier, &value), 0);
  assert_int_equal(hd_portfolio_allocate(&d->books, &buy), 0);
  assert_int_equal(hd_portfolio_allocate(&d->books, &sell), 0);
  assert_int_equal(d->books.books[0].cash.micros, before);
  d->cash[1] -= value.micros;
  d->cash[2] += value.micros;
  d->quantity[1][instrument] += buy.quantity.e8;
  d->quantity[2][instrument] -= buy.quantity.e8;
}

// Splits do not touch the value: what leaves as a fraction is less than 1e-8 of a unit of each position.
static void step_split(struct desk *d) {
  struct hadron_adjustment a = {.instrument = (uint32_t)between(d, 1, TEST_INSTRUMENTS), .numerator = between(d, 1, 7), .denominator = between(d, 1, 7)};
  int64_t before[ARMS + 1], largest = 0;
  for (uint32_t arm = 1; arm <= ARMS; arm++) {
    before[arm] = d->books.books[arm].cash.micros;
    int64_t held = d->quantity[arm][a.instrument];
    if ((held < 0 ? -held : held) > largest) largest = held < 0 ? -held : held;
  }
  if (largest > LARGE && a.numerator > a.denominator) { // many in a row would come to what no book can count, and is refused
    int64_t numerator = a.numerator;
    a.numerator = a.denominator;
    a.denominator = numerator;
  }
  assert_int_equal(hd_portfolio_adjust(&d->books, &a), 0);
  for (uint32_t arm = 1; arm <= ARMS; arm++) {
    int64_t old = d->quantity[arm][a.instrument], now = hd_portfolio_position(&d->books, arm, a.instrument)->quantity.e8;
    __int128 scaled = (__int128)old * a.numerator, rest = scaled - (__int128)now * a.denominator;
    assert_true(rest < a.denominator && -rest < a.denominator && (rest == 0 || (rest > 0) == (old > 0)));
    int64_t paid = d->books.books[arm].cash.micros - before[arm];
    if (rest == 0) assert_int_equal(paid, 0);
    else assert_true(paid == 0 || (paid > 0) == (old > 0));
    d->cash[arm] += paid;
    d->quantity[arm][a.instrument] = now;
  }
}

static void step_dividend(struct desk *d) {
  struct hadron_adjustment a = {.instrument = (uint32_t)between(d, 1, TEST_INSTRUMENTS), .numerator = 1, .denominator = 1,
                                .dividend = {between(d, 1, 3000000)}};
  assert_int_equal(hd_portfolio_adjust(&d->books, &a), 0);
  for (uint32_t arm = 1; arm <= ARMS; arm++) {
    struct hadron_money value = {0};
    assert_int_equal(hadron_notional((struct hadron_price){a.dividend.micros * 1000}, (struct hadron_quantity){d->quantity[arm][a.instrument]},
                                     d->market.rows[a.instrument].multiplier, &value), 0);
    d->cash[arm] += value.micros;
  }
}

static void step_mark(struct desk *d) {
  uint32_t instrument = (uint32_t)between(d, 1, TEST_INSTRUMENTS);
  test_market_mark(&d->market, instrument, (double)between(d, 2, 20000) / 100, 0.02, 1);
  bool held = false;
  for (uint32_t arm = 1; arm <= ARMS; arm++) held |= d->quantity[arm][instrument] != 0;
  assert_int_equal(hd_portfolio_holds(&d->books, instrument), held);
  assert_int_equal(hd_portfolio_mark(&d->books, instrument), 0);
  // A price that a split has made stale is none until another one comes; whether it has come is each side's own, which may hold nothing at the split.
  const struct hd_holding *trading = &d->books.sides[HD_SIDE_TRADING].holdings[instrument], *shadow = &d->books.sides[HD_SIDE_SHADOW].holdings[instrument];
  struct hadron_price reference = hd_portfolio_reference(&d->books, instrument);
  if (!trading->split_stale.nanos && !shadow->split_stale.nanos) assert_int_equal(shadow->valued.nanos, reference.nanos);
  for (uint32_t arm = 1; arm <= ARMS; arm++) {
    struct hadron_money value = {0};
    const struct hd_position *p = hd_portfolio_position(&d->books, arm, instrument);
    assert_int_equal(hadron_notional(arm == ARMS ? shadow->valued : reference, p->quantity, d->market.rows[instrument].multiplier, &value), 0);
    assert_int_equal(p->cost.micros + p->unrealized.micros, value.micros);
  }
}

static void agree(struct desk *d, int step) {
  struct hd_fault fault = {0};
  if (hd_portfolio_check(&d->books, &fault)) fail_msg("step %d: %s", step, fault.text);
  for (uint32_t arm = 1; arm <= ARMS; arm++)
    if (d->books.books[arm].cash.micros != d->cash[arm])
      fail_msg("step %d, arm %u: cash expected %lld, found %lld", step, arm, (long long)d->cash[arm], (long long)d->books.books[arm].cash.micros);
}

static void identity_holds(void **state) {
  (void)state;
  static void (*const steps[])(struct desk *) = {step_trade, step_trade, step_trade, step_trade, step_trade, step_mark,
                                                 step_mark,  step_cross, step_split, step_dividend};
  struct desk *d = calloc(1, sizeof *d);
  d->random = test_random();
  desk_init(d);
  for (int i = 0; i < STEPS; i++) {
    steps[hd_random_below(&d->random, sizeof steps / sizeof *steps)](d);
    agree(d, i);
  }
  // Everything closed: what the books hold is cash, and the cash is what was made.
  for (uint32_t arm = 1; arm <= ARMS; arm++)
    for (uint32_t i = 1; i <= TEST_INSTRUMENTS; i++) {
      int64_t held = hd_portfolio_position(&d->books, arm, i)->quantity.e8;
      struct hadron_allocation a = {.price = test_price(10), .quantity = {held < 0 ? -held : held}, .instrument = i, .arm = arm,
                                    .side = held < 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL};
      if (held) assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
    }
  for (uint32_t arm = 0; arm <= ARMS; arm++) {
    const struct hd_book *b = &d->books.books[arm];
    assert_int_equal(b->cost.micros, 0);
    assert_int_equal(b->unrealized.micros, 0);
    assert_int_equal(b->gross.micros, 0);
    assert_int_equal(b->cash.micros, b->initial.micros + b->realized.micros + b->dividends.micros - b->fees.micros);
  }
  hd_portfolio_fini(&d->books);
  free(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(identity_holds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
