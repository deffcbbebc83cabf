// Promise: the books are right to the last micro. Every case here is worked out by hand; after each step the identity and the sum
// of the live books are checked.
#include "support/test.h"
#include "support/market.h"

#include "hadron/decimal.h"
#include "pipeline/portfolio.h"

struct desk {
  struct test_market market;
  struct hd_portfolio books;
};

static const uint32_t universe[] = {1, 2, 3};

// Arms 1 live and 2 canary share 1,000,000; arm 3 is a shadow with money of its own.
static int desk_open(void **state) {
  struct desk *d = calloc(1, sizeof *d);
  test_market_init(&d->market);
  assert_int_equal(hd_portfolio_init(&d->books, &d->market.instruments, &d->market.marks, 3, test_money(1e6)), 0);
  assert_int_equal(hd_portfolio_open(&d->books, 1, HD_ROLE_LIVE, test_money(6e5), universe, 3), 0);
  assert_int_equal(hd_portfolio_open(&d->books, 2, HD_ROLE_CANARY, test_money(4e5), universe, 2), 0);
  assert_int_equal(hd_portfolio_open(&d->books, 3, HD_ROLE_SHADOW, test_money(1e5), universe, 3), 0);
  *state = d;
  return 0;
}

static int desk_close(void **state) {
  struct desk *d = *state;
  hd_portfolio_fini(&d->books);
  hd_portfolio_fini(&d->books); // twice is harmless
  free(d);
  return 0;
}

static void sound(struct desk *d) {
  struct hd_fault fault = {0};
  if (hd_portfolio_check(&d->books, &fault)) fail_msg("%s", fault.text);
}

// Signed quantity in units at a price; the fee in currency.
static struct hadron_allocation trade(struct desk *d, uint32_t arm, uint32_t instrument, double quantity, double price, double fee) {
  struct hadron_allocation a = {.execution = 1, .price = test_price(price), .fee = test_money(fee), .instrument = instrument,
                                .arm = arm, .side = quantity > 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL,
                                .quantity = test_quantity(quantity < 0 ? -quantity : quantity)};
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
  sound(d);
  return a;
}

static const struct hd_position *at(struct desk *d, uint32_t arm, uint32_t instrument) {
  return hd_portfolio_position(&d->books, arm, instrument);
}

static void average_entry(void **state) {
  struct desk *d = *state;
  struct hadron_allocation a = trade(d, 1, 1, 100, 10, 0);
  assert_int_equal(a.id, 1);
  trade(d, 1, 1, 100, 12, 0);
  a = trade(d, 1, 1, -150, 13, 0); // average 11: 150 x 2
  assert_int_equal(a.id, 3);
  assert_int_equal(a.realized.micros, 300000000);
  assert_int_equal(a.position.e8, 5000000000);
  assert_int_equal(a.cost.micros, 550000000);
  assert_int_equal(d->books.books[1].cash.micros, INT64_C(600000000000) - 2200000000 + 1950000000);
  assert_int_equal(at(d, 1, 1)->bought_e8, 20000000000);
  assert_int_equal(at(d, 1, 1)->sold_e8, 15000000000);
  assert_int_equal(at(d, 1, 1)->trades, 0);
  trade(d, 1, 1, -50, 11, 0);
  assert_int_equal(at(d, 1, 1)->trades, 1);
  assert_int_equal(at(d, 1, 1)->cost.micros, 0);
  assert_int_equal(at(d, 1, 1)->realized.micros, 300000000);
  assert_int_equal(d->books.books[1].turnover.micros, INT64_C(1000000000) + 1200000000 + 1950000000 + 550000000);
}

// Long through zero to short and back: the closing part realises, the rest opens at the trade's price.
static void through_zero(void **state) {
  struct desk *d = *state;
  trade(d, 1, 1, 100, 10, 0);
  struct hadron_allocation a = trade(d, 1, 1, -150, 11, 0);
  assert_int_equal(a.realized.micros, 100000000);
  assert_int_equal(a.position.e8, -5000000000);
  assert_int_equal(a.cost.micros, -550000000);
  a = trade(d, 1, 1, 80, 10.5, 0);
  assert_int_equal(a.realized.micros, 25000000); // 50 x 0.50
  assert_int_equal(a.position.e8, 3000000000);
  assert_int_equal(a.cost.micros, 315000000);
  assert_int_equal(at(d, 1, 1)->trades, 2);
}

static void short_position(void **state) {
  struct desk *d = *state;
  trade(d, 2, 2, -10, 50, 0);
  trade(d, 2, 2, -30, 54, 0); // 40 sold for 2120
  assert_int_equal(at(d, 2, 2)->cost.micros, -2120000000);
  struct hadron_allocation a = trade(d, 2, 2, 20, 60, 0); // bought for 1200, sold for 1060
  assert_int_equal(a.realized.micros, -140000000);
  assert_int_equal(a.cost.micros, -1060000000);
  assert_int_equal(d->books.books[2].losses, 1);
  assert_int_equal(d->books.books[2].loss.micros, 140000000);
}

// What does not divide stays in the cost: 3 units cost 10.000001, one leaves at 3.333334, two remain at 6.666667.
static void rounding_once(void **state) {
  struct desk *d = *state;
  trade(d, 1, 1, 3, 3.333333667, 0);
  assert_int_equal(at(d, 1, 1)->cost.micros, 10000001);
  struct hadron_allocation a = trade(d, 1, 1, -1, 4, 0);
  assert_int_equal(a.realized.micros, 4000000 - 3333334);
  assert_int_equal(a.cost.micros, 6666667);
  a = trade(d, 1, 1, -1, 4, 0); // 6666667 / 2 = 3333333.5: away from zero
  assert_int_equal(a.realized.micros, 4000000 - 3333334);
  assert_int_equal(a.cost.micros, 3333333);
  trade(d, 1, 1, -1, 4, 0);
  assert_int_equal(at(d, 1, 1)->realized.micros, 12000000 - 10000001);
}

// Contract sizes: 50 a point (a future), 0.1, and one whose product has more digits than micros.
static void multipliers(void **state) {
  struct desk *d = *state;
  d->market.rows[1].multiplier = test_quantity(50);
  d->market.rows[2].multiplier = test_quantity(0.1);
  d->market.rows[3].multiplier = (struct hadron_quantity){33333333};
  trade(d, 1, 1, 2, 4000.25, 0);
  assert_int_equal(at(d, 1, 1)->cost.micros, INT64_C(400025000000));
  struct hadron_allocation a = trade(d, 1, 1, -2, 4001, 0);
  assert_int_equal(a.realized.micros, 75000000);
  trade(d, 1, 2, 7, 0.123456789, 0); // 0.0864197523
  assert_int_equal(at(d, 1, 2)->cost.micros, 86420);
  trade(d, 1, 3, 1, 1.5, 0); // 0.499999995
  assert_int_equal(at(d, 1, 3)->cost.micros, 500000);
}

// The product is rounded once: 0.4999999999 micros are none, though they are half a micro when rounded to nanos first.
static void notional_rounded_once(void **state) {
  (void)state;
  struct hadron_money value = {-1};
  assert_int_equal(hadron_notional((struct hadron_price){4999999999}, (struct hadron_quantity){10}, (struct hadron_quantity){100000001}, &value), 0);
  assert_int_equal(value.micros, 1); // 0.4999999999 x 1.00000001 micros
  assert_int_equal(hadron_notional((struct hadron_price){4999999999}, (struct hadron_quantity){10}, (struct hadron_quantity){100000000}, &value), 0);
  assert_int_equal(value.micros, 0);
  assert_int_equal(hadron_notional((struct hadron_price){4999999999}, (struct hadron_quantity){-5}, (struct hadron_quantity){200000000}, &value), 0);
  assert_int_equal(value.micros, 0);
  assert_int_equal(hadron_notional((struct hadron_price){INT64_MAX}, (struct hadron_quantity){INT64_MAX}, (struct hadron_quantity){INT64_MAX}, &value), HADRON_ERR_OVERFLOW);
  assert_int_equal(value.micros, 0);
}

static void fees_and_rebates(void **state) {
  struct desk *d = *state;
  trade(d, 1, 1, 10, 10, 0.5);
  struct hadron_allocation a = trade(d, 1, 1, -10, 10.06, -0.2); // gains 0.60, with the rebate 0.80
  assert_int_equal(a.realized.micros, 600000);
  assert_int_equal(d->books.books[1].fees.micros, 300000);
  assert_int_equal(d->books.books[1].gain.micros, 800000);
  assert_int_equal(d->books.books[1].wins, 1);
  trade(d, 1, 1, 10, 10, 0);
  trade(d, 1, 1, -10, 10.01, 0.25); // 0.10 before its fee, a loss after it
  assert_int_equal(d->books.books[1].losses, 1);
  assert_int_equal(d->books.books[1].loss.micros, 150000);
}

static void split_forward(void **state) {
  struct desk *d = *state;
  test_market_mark(&d->market, 1, 645.57, 0.02, 1);
  trade(d, 1, 1, 10, 600, 0);
  trade(d, 2, 1, -4, 600, 0);
  trade(d, 3, 1, 1, 600, 0);
  struct hadron_adjustment split = {.numerator = 7, .denominator = 1, .instrument = 1};
  int64_t before = hd_book_equity(&d->books.books[0]).micros;
  assert_int_equal(hd_portfolio_adjust(&d->books, &split), 0);
  sound(d);
  assert_int_equal(at(d, 1, 1)->quantity.e8, 7000000000);
  assert_int_equal(at(d, 1, 1)->cost.micros, 6000000000);
  assert_int_equal(at(d, 2, 1)->quantity.e8, -2800000000);
  assert_int_equal(at(d, 3, 1)->quantity.e8, 700000000);
  assert_int_equal(at(d, 0, 1)->quantity.e8, 4200000000);
  // The old price is read in the new units until a new one comes: no jump of the equity.
  assert_int_equal(hd_portfolio_mark_all(&d->books), 0);
  int64_t after = hd_book_equity(&d->books.books[0]).micros;
  assert_true(after - before <= 1 && before - after <= 1);
  assert_int_equal(hd_portfolio_reference(&d->books, 1).nanos, INT64_C(92224285714));
  test_market_mark(&d->market, 1, 92.5, 0.02, 2);
  assert_int_equal(hd_portfolio_mark(&d->books, 1), 0);
  sound(d);
  assert_int_equal(at(d, 1, 1)->unrealized.micros, 6475000000 - 6000000000);
  test_market_mark(&d->market, 1, 645.57, 0.02, 3); // later it may well come back to the price of then
  assert_int_equal(hd_portfolio_mark(&d->books, 1), 0);
  assert_int_equal(at(d, 1, 1)->unrealized.micros, INT64_C(45189900000) - 6000000000);
}

// 1 for 3 of 100.00000001 units: 33.33333333 remain, 2/3 of 1e-8 is paid out. A large contract makes it visible.
static void split_cash_in_lieu(void **state) {
  struct desk *d = *state;
  d->market.rows[1].multiplier = test_quantity(100000);
  struct hadron_allocation a = {.price = test_price(30), .quantity = {10000000001}, .instrument = 1, .arm = 1, .side = HADRON_SIDE_BUY};
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
  assert_int_equal(a.cost.micros, INT64_C(300000000030000)); // 100.00000001 x 30 x 100,000
  test_market_mark(&d->market, 1, 33, 0, 1);
  struct hadron_adjustment split = {.numerator = 1, .denominator = 3, .instrument = 1};
  int64_t cash = d->books.books[1].cash.micros;
  assert_int_equal(hd_portfolio_adjust(&d->books, &split), 0);
  sound(d);
  assert_int_equal(at(d, 1, 1)->quantity.e8, 3333333333);
  // 2/3e-8 of a new unit at 99 x 100,000 = 0.066 in cash; its cost 2/3e-8 x 90 x 100,000 = 0.06
  assert_int_equal(d->books.books[1].cash.micros - cash, 66000);
  assert_int_equal(at(d, 1, 1)->cost.micros, INT64_C(300000000030000) - 60000);
  assert_int_equal(at(d, 1, 1)->realized.micros, 6000);
}

// A short position pays the fraction; a position smaller than one new unit ends in cash.
static void split_short_and_vanishing(void **state) {
  struct desk *d = *state;
  d->market.rows[1].multiplier = test_quantity(100000);
  struct hadron_allocation a = {.price = test_price(30), .quantity = {2}, .instrument = 1, .arm = 1, .side = HADRON_SIDE_SELL};
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
  assert_int_equal(a.cost.micros, -60000);
  test_market_mark(&d->market, 1, 33, 0, 1);
  struct hadron_adjustment split = {.numerator = 1, .denominator = 3, .instrument = 1};
  assert_int_equal(hd_portfolio_adjust(&d->books, &split), 0);
  sound(d);
  assert_int_equal(at(d, 1, 1)->quantity.e8, 0);
  assert_int_equal(at(d, 1, 1)->cost.micros, 0);
  assert_int_equal(at(d, 1, 1)->realized.micros, -6000);
  assert_false(hd_portfolio_holds(&d->books, 1));
}

static void dividends(void **state) {
  struct desk *d = *state;
  trade(d, 1, 1, 100, 10, 0);
  trade(d, 2, 1, -30, 10, 0);
  trade(d, 3, 1, 1, 10, 0);
  struct hadron_adjustment dividend = {.dividend = test_money(0.73), .numerator = 1, .denominator = 1, .instrument = 1};
  assert_int_equal(hd_portfolio_adjust(&d->books, &dividend), 0);
  sound(d);
  assert_int_equal(d->books.books[1].dividends.micros, 73000000);
  assert_int_equal(d->books.books[2].dividends.micros, -21900000);
  assert_int_equal(d->books.books[3].dividends.micros, 730000);
  assert_int_equal(d->books.books[0].dividends.micros, 51100000);
  assert_int_equal(d->books.books[0].cash.micros, INT64_C(1000000000000) - 700000000 + 51100000);
}

// A shadow's trades move its own book and nothing else.
static void shadow_apart(void **state) {
  struct desk *d = *state;
  trade(d, 3, 3, 500, 20, 1);
  assert_int_equal(at(d, 0, 3)->quantity.e8, 0);
  assert_int_equal(d->books.books[0].cash.micros, INT64_C(1000000000000));
  assert_int_equal(d->books.books[3].cash.micros, INT64_C(100000000000) - 10000000000 - 1000000);
  assert_true(hd_portfolio_holds(&d->books, 3));
}

// Two arms meet inside the house: the house has traded nothing, each arm has its side.
static void crossed_inside(void **state) {
  struct desk *d = *state;
  trade(d, 1, 1, 40, 25, 0);
  trade(d, 2, 1, -40, 25, 0);
  assert_int_equal(at(d, 0, 1)->quantity.e8, 0);
  assert_int_equal(at(d, 0, 1)->cost.micros, 0);
  assert_int_equal(d->books.books[0].cash.micros, INT64_C(1000000000000));
  assert_int_equal(d->books.books[0].gross.micros, 0);
  assert_int_equal(d->books.books[1].gross.micros, 1000000000);
}

static void marks_and_exposure(void **state) {
  struct desk *d = *state;
  struct hadron_money gross, net;
  trade(d, 1, 1, 10, 100, 0);
  trade(d, 2, 2, -10, 50, 0);
  test_market_mark(&d->market, 1, 110, 0.02, 1);
  test_market_mark(&d->market, 2, 45, 0.02, 1);
  assert_int_equal(hd_portfolio_mark(&d->books, 1), 0);
  assert_int_equal(hd_portfolio_mark(&d->books, 2), 0);
  sound(d);
  assert_int_equal(hd_portfolio_exposure(&d->books, &gross, &net), 0);
  assert_int_equal(gross.micros, 1100000000 + 450000000);
  assert_int_equal(net.micros, 1100000000 - 450000000);
  assert_int_equal(at(d, 1, 1)->unrealized.micros, 100000000);
  assert_int_equal(at(d, 2, 2)->unrealized.micros, 50000000);
  struct hadron_equity sample;
  hd_portfolio_equity(&d->books, 0, 7, &sample);
  assert_int_equal(sample.time_ns, 7);
  assert_int_equal(sample.cash.micros + sample.cost.micros + sample.unrealized.micros, INT64_C(1000150000000));
  assert_int_equal(sample.gross.micros, gross.micros);
  assert_true(hd_portfolio_holds(&d->books, 1));
  trade(d, 1, 1, -10, 110, 0);
  assert_false(hd_portfolio_holds(&d->books, 1));
  assert_true(hd_portfolio_holds(&d->books, 2));
}

// An execution taken back: position and cash as if it had not been, neither win nor round trip.
static void taken_back(void **state) {
  struct desk *d = *state;
  trade(d, 1, 1, 10, 100, 1);
  struct hadron_allocation back = {.price = test_price(100), .fee = test_money(1), .quantity = test_quantity(10), .instrument = 1,
                                   .arm = 1, .side = HADRON_SIDE_BUY, .flags = 1};
  assert_int_equal(hd_portfolio_allocate(&d->books, &back), 0);
  sound(d);
  assert_int_equal(back.position.e8, 0);
  assert_int_equal(d->books.books[1].cash.micros, INT64_C(600000000000));
  assert_int_equal(d->books.books[1].fees.micros, 0);
  assert_int_equal(d->books.books[1].wins + d->books.books[1].losses, 0);
  assert_int_equal(at(d, 1, 1)->trades, 0);
}

// What cannot be booked changes nothing at all.
static void failures_change_nothing(void **state) {
  struct desk *d = *state;
  trade(d, 1, 1, 100, 10, 0);
  struct hd_book book = d->books.books[1], sum = d->books.books[0];
  struct hd_position position = *at(d, 1, 1);
  struct hadron_allocation a = {.price = {INT64_MAX}, .quantity = {INT64_MAX}, .instrument = 1, .arm = 1, .side = HADRON_SIDE_BUY};
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_OVERFLOW);
  a.price.nanos = 1, a.quantity.e8 = INT64_MAX; // the position itself
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_OVERFLOW);
  a.fee.micros = INT64_MIN, a.quantity.e8 = 1;
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_OVERFLOW);
  a.fee.micros = 0, a.quantity.e8 = 0;
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_ARGUMENT);
  a.quantity.e8 = 1, a.side = 3;
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_ARGUMENT);
  a.side = 1, a.arm = 2, a.instrument = 3; // not in its universe
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_NOT_FOUND);
  a.arm = 4;
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_NOT_FOUND);
  a.arm = 0, a.instrument = TEST_INSTRUMENTS + 1; // the house takes whatever there is
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), HADRON_ERR_NOT_FOUND);
  struct hadron_adjustment split = {.numerator = INT64_MAX, .denominator = 1, .instrument = 1};
  assert_int_equal(hd_portfolio_adjust(&d->books, &split), HADRON_ERR_OVERFLOW);
  split.numerator = 0;
  assert_int_equal(hd_portfolio_adjust(&d->books, &split), HADRON_ERR_ARGUMENT);
  split.instrument = 99;
  assert_int_equal(hd_portfolio_adjust(&d->books, &split), HADRON_ERR_NOT_FOUND);
  assert_memory_equal(&book, &d->books.books[1], sizeof book);
  assert_memory_equal(&sum, &d->books.books[0], sizeof sum);
  assert_memory_equal(&position, at(d, 1, 1), sizeof position);
  assert_int_equal(a.id, 0);
}

// A mark that overflows keeps the old value and is reported.
static void mark_overflow(void **state) {
  struct desk *d = *state;
  d->market.rows[1].multiplier = test_quantity(1e9);
  trade(d, 1, 1, 1000, 1, 0);
  struct hd_mark *m = hd_mark_begin(&d->market.cells[1]);
  m->last.nanos = INT64_MAX;
  hd_mark_end(&d->market.cells[1]);
  assert_int_equal(hd_portfolio_mark(&d->books, 1), HADRON_ERR_OVERFLOW);
  assert_int_equal(at(d, 1, 1)->unrealized.micros, 0);
  sound(d);
}

// The check itself finds a micro that is missing, and names the book and both numbers.
static void check_finds(void **state) {
  struct desk *d = *state;
  struct hd_fault fault = {0};
  trade(d, 1, 1, 100, 10, 0);
  d->books.books[1].cash.micros -= 1;
  assert_int_equal(hd_portfolio_check(&d->books, &fault), HADRON_ERR_INTERNAL);
  d->books.books[1].cash.micros += 1;
  d->books.books[0].positions[0].quantity.e8 += 1;
  assert_int_equal(hd_portfolio_check(&d->books, &fault), HADRON_ERR_INTERNAL);
  assert_non_null(strstr(fault.text, "position of arm 0"));
  assert_non_null(strstr(fault.text, "expected 10000000000, found 10000000001"));
}

static void opening(void **state) {
  struct desk *d = *state;
  const uint32_t twice[] = {1, 1}, beyond[] = {TEST_INSTRUMENTS + 1};
  struct hd_portfolio p;
  assert_int_equal(hd_portfolio_init(&p, &d->market.instruments, &d->market.marks, 2, test_money(1)), 0);
  assert_int_equal(hd_portfolio_open(&p, 0, HD_ROLE_LIVE, test_money(0), universe, 1), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_portfolio_open(&p, 3, HD_ROLE_LIVE, test_money(0), universe, 1), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_portfolio_open(&p, 1, 4, test_money(0), universe, 1), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_portfolio_open(&p, 1, HD_ROLE_LIVE, test_money(0), twice, 2), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_portfolio_open(&p, 1, HD_ROLE_LIVE, test_money(0), beyond, 1), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_portfolio_open(&p, 1, HD_ROLE_LIVE, test_money(0), universe, 1), 0);
  assert_int_equal(hd_portfolio_open(&p, 1, HD_ROLE_LIVE, test_money(0), universe, 1), HADRON_ERR_EXISTS);
  assert_int_equal(hd_portfolio_position(&p, 1, 99)->quantity.e8, 0);
  assert_int_equal(hd_portfolio_position(&p, 2, 1)->quantity.e8, 0);
  assert_int_equal(hd_portfolio_position(&p, 9, 1)->quantity.e8, 0);
  hd_portfolio_fini(&p);
}

#define DESK(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)

int main(void) {
  const struct CMUnitTest tests[] = {
      DESK(average_entry), DESK(through_zero), DESK(short_position), DESK(rounding_once), DESK(multipliers),
      cmocka_unit_test(notional_rounded_once), DESK(fees_and_rebates), DESK(split_forward), DESK(split_cash_in_lieu),
      DESK(split_short_and_vanishing), DESK(dividends), DESK(shadow_apart), DESK(crossed_inside), DESK(marks_and_exposure),
      DESK(taken_back), DESK(failures_change_nothing), DESK(mark_overflow), DESK(check_finds), DESK(opening),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
