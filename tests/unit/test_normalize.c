// Promise: every reason of the table is given for exactly the ticks that it names, both sides of each bound; each refusal is counted
// and leaves the output and the listing's memory untouched; gaps, repeats, snapshots, outliers and stale ticks are told apart; what
// one listing sends never changes what is said of another.
#include "support/test.h"

#include "pipeline/normalize.h"
#include "support/market.h"

#define NOW INT64_C(1704205800000000000)
#define SECOND INT64_C(1000000000)
#define UNIT INT64_C(1000000000)
#define SIZE INT64_C(100000000)

struct desk {
  struct test_market market;
  struct hd_normalize n;
};

static void desk_open(struct desk *d, const struct hd_normalize_options *options) {
  test_market_init(&d->market);
  d->market.rows[1].price_min.nanos = 10 * UNIT;
  d->market.rows[1].price_max.nanos = 200 * UNIT;
  d->market.rows[1].size_max.e8 = 1000 * SIZE;
  assert_int_equal(hd_normalize_init(&d->n, options, &d->market.instruments), HADRON_OK);
}

static struct hadron_tick trade(uint32_t handle, int64_t nanos) {
  struct hadron_tick t = {.event_ns = NOW, .recv_ns = NOW, .instrument = handle, .venue = 1, .kind = HADRON_TICK_TRADE};
  t.value.trade.price.nanos = nanos;
  t.value.trade.quantity.e8 = SIZE;
  return t;
}

static struct hadron_tick quote(uint32_t handle, int64_t bid, int64_t ask) {
  struct hadron_tick t = {.event_ns = NOW, .recv_ns = NOW, .instrument = handle, .venue = 1, .kind = HADRON_TICK_QUOTE};
  t.value.quote = (struct hadron_quote){{bid}, {ask}, {SIZE}, {SIZE}};
  return t;
}

static struct hadron_tick book(uint8_t action, uint8_t side, int64_t nanos, int64_t e8) {
  struct hadron_tick t = {.event_ns = NOW, .recv_ns = NOW, .instrument = 1, .venue = 1, .kind = HADRON_TICK_BOOK};
  t.value.book = (struct hadron_book_change){.price = {nanos}, .quantity = {e8}, .side = side, .action = action};
  return t;
}

static struct hadron_tick status(uint64_t state) {
  struct hadron_tick t = {.event_ns = NOW, .recv_ns = NOW, .instrument = 1, .venue = 1, .kind = HADRON_TICK_STATUS};
  t.value.status.state = state;
  return t;
}

// Refused or accepted as expected, with all that follows from either.
static struct hadron_tick expect_at(struct desk *d, struct hadron_tick t, int64_t now_ns, uint32_t reason) {
  struct hadron_tick out, before;
  memset(&out, 0xa5, sizeof out);
  before = out;
  uint64_t accepted = d->n.accepted, counted = d->n.refused[reason], sum = hd_normalize_refused(&d->n), sequence = d->n.sequence;
  uint32_t said = hd_normalize_tick(&d->n, &t, now_ns, &out);
  if (said != reason) fail_msg("expected %s, found %s", hd_tick_reason_name(reason), hd_tick_reason_name(said));
  if (reason) {
    assert_memory_equal(&out, &before, sizeof out);
    assert_int_equal(d->n.refused[reason], counted + 1);
    assert_int_equal(hd_normalize_refused(&d->n), sum + 1);
    assert_int_equal(d->n.accepted, accepted);
    assert_int_equal(d->n.sequence, sequence);
    return out;
  }
  assert_int_equal(d->n.accepted, accepted + 1);
  assert_int_equal(hd_normalize_refused(&d->n), sum);
  assert_int_equal(out.sequence, sequence + 1);
  assert_int_equal(out.instrument, d->market.listings[t.instrument].instrument);
  assert_memory_equal(&out.value, &t.value, sizeof out.value);
  return out;
}
static struct hadron_tick expect(struct desk *d, struct hadron_tick t, uint32_t reason) { return expect_at(d, t, NOW, reason); }

#define OPTIONS(...) &(struct hd_normalize_options){__VA_ARGS__}

static void names_listings_and_kinds(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, OPTIONS(.skew_ns = SECOND));
  expect(&d, trade(0, 100 * UNIT), HADRON_TICK_REASON_UNKNOWN_LISTING);
  expect(&d, trade(TEST_INSTRUMENTS, 100 * UNIT), 0);
  expect(&d, trade(TEST_INSTRUMENTS + 1, 100 * UNIT), HADRON_TICK_REASON_UNKNOWN_LISTING);
  expect(&d, trade(UINT32_MAX, 100 * UNIT), HADRON_TICK_REASON_UNKNOWN_LISTING);
  struct hadron_tick t = trade(1, 100 * UNIT);
  t.kind = HADRON_TICK_INVALID;
  expect(&d, t, HADRON_TICK_REASON_BAD_KIND);
  t.kind = HADRON_TICK_STATUS + 1;
  expect(&d, t, HADRON_TICK_REASON_BAD_KIND);
  t.kind = 255;
  expect(&d, t, HADRON_TICK_REASON_BAD_KIND);
  t = trade(1, 100 * UNIT);
  t.flags = HADRON_TICK_SUSPICIOUS;
  expect(&d, t, HADRON_TICK_REASON_SUSPICIOUS);
  for (uint64_t s = 0; s <= HADRON_MARKET_AUCTION + 1; s++)
    expect(&d, status(s), s >= HADRON_MARKET_OPEN && s <= HADRON_MARKET_AUCTION ? 0 : HADRON_TICK_REASON_BAD_STATE);
  assert_string_equal(hd_tick_reason_name(0), "ACCEPTED");
  assert_string_equal(hd_tick_reason_name(HADRON_TICK_REASON_CROSSED), "CROSSED");
  assert_string_equal(hd_tick_reason_name(HADRON_TICK_REASON_COUNT), "UNKNOWN");
  for (uint32_t i = 0; i < HADRON_TICK_REASON_COUNT; i++) assert_true(hd_tick_reason_text(i)[0] != 0);
  hd_normalize_fini(&d.n);
}

static void time_has_bounds(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, OPTIONS(.skew_ns = SECOND, .stale_ns = 10 * SECOND, .stale_flag_ns = 5 * SECOND));
  struct hadron_tick t = trade(1, 100 * UNIT);
  t.event_ns = 0;
  expect(&d, t, HADRON_TICK_REASON_TIME_ABSENT);
  t.event_ns = -1;
  expect(&d, t, HADRON_TICK_REASON_TIME_ABSENT);
  t.event_ns = NOW - 10 * SECOND - 1;
  expect(&d, t, HADRON_TICK_REASON_STALE);
  t.event_ns = NOW - 10 * SECOND;
  assert_int_equal(expect(&d, t, 0).flags, HADRON_TICK_STALE);
  t.event_ns = NOW - 5 * SECOND;
  assert_int_equal(expect(&d, t, 0).flags, 0);
  assert_int_equal(d.n.stale, 1);
  t.event_ns = NOW + SECOND;
  expect(&d, t, 0);
  t.event_ns = NOW + SECOND + 1;
  expect(&d, t, HADRON_TICK_REASON_TIME_IN_FUTURE);
  t.event_ns = NOW; // a second behind the last
  expect(&d, t, 0);
  t.event_ns = NOW - 1;
  expect(&d, t, HADRON_TICK_REASON_TIME_BACKWARD);
  hd_normalize_fini(&d.n);

  desk_open(&d, OPTIONS(.skew_ns = 0)); // nothing checked but presence
  t.event_ns = INT64_MAX;
  expect(&d, t, 0);
  t.event_ns = 1;
  expect(&d, t, 0);
  hd_normalize_fini(&d.n);
}

static void prices_and_sizes_have_bounds(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, OPTIONS(.grid = true));
  expect(&d, trade(1, 0), HADRON_TICK_REASON_PRICE_NOT_POSITIVE);
  expect(&d, trade(1, -UNIT), HADRON_TICK_REASON_PRICE_NOT_POSITIVE);
  expect(&d, trade(1, 10 * UNIT - 10000000), HADRON_TICK_REASON_PRICE_OUT_OF_BOUNDS);
  expect(&d, trade(1, 10 * UNIT), 0);
  expect(&d, trade(1, 200 * UNIT), 0);
  expect(&d, trade(1, 200 * UNIT + 10000000), HADRON_TICK_REASON_PRICE_OUT_OF_BOUNDS);
  expect(&d, trade(1, 100 * UNIT + 1), HADRON_TICK_REASON_OFF_GRID);
  d.market.rows[2].price_min.nanos = 10 * UNIT; // a lower bound alone holds too
  expect(&d, trade(2, 9 * UNIT), HADRON_TICK_REASON_PRICE_OUT_OF_BOUNDS);
  expect(&d, trade(2, 9000 * UNIT), 0);
  struct hadron_tick t = trade(1, 100 * UNIT);
  t.value.trade.quantity.e8 = 0;
  expect(&d, t, HADRON_TICK_REASON_SIZE_NOT_POSITIVE);
  t.flags = HADRON_TICK_SYNTHETIC; // of a bar without volume
  expect(&d, t, 0);
  t.value.trade.quantity.e8 = -1;
  expect(&d, t, HADRON_TICK_REASON_SIZE_NOT_POSITIVE);
  t = trade(1, 100 * UNIT);
  t.value.trade.quantity.e8 = 1000 * SIZE;
  expect(&d, t, 0);
  t.value.trade.quantity.e8++;
  expect(&d, t, HADRON_TICK_REASON_SIZE_OUT_OF_BOUNDS);
  t = trade(1, 100 * UNIT);
  for (uint32_t side = 0; side < 256; side++) {
    t.value.trade.aggressor = (uint8_t)side;
    expect(&d, t, side <= HADRON_SIDE_SELL ? 0 : HADRON_TICK_REASON_BAD_SIDE);
  }
  expect(&d, quote(1, 0, 0), HADRON_TICK_REASON_EMPTY_QUOTE);
  expect(&d, quote(1, 100 * UNIT, 0), 0);
  expect(&d, quote(1, 0, 100 * UNIT), 0);
  expect(&d, quote(1, 100 * UNIT, 100 * UNIT), 0); // locked is not crossed
  expect(&d, quote(1, 100 * UNIT + 10000000, 100 * UNIT), HADRON_TICK_REASON_CROSSED);
  expect(&d, quote(1, -UNIT, 100 * UNIT), HADRON_TICK_REASON_PRICE_NOT_POSITIVE);
  expect(&d, quote(1, 100 * UNIT, 300 * UNIT), HADRON_TICK_REASON_PRICE_OUT_OF_BOUNDS);
  t = quote(1, 100 * UNIT, 101 * UNIT);
  t.value.quote.bid_size.e8 = t.value.quote.ask_size.e8 = 0;
  expect(&d, t, 0);
  t.value.quote.ask_size.e8 = -1;
  expect(&d, t, HADRON_TICK_REASON_SIZE_NOT_POSITIVE);
  hd_normalize_fini(&d.n);
  desk_open(&d, OPTIONS(.crossed = true));
  expect(&d, quote(1, 101 * UNIT, 100 * UNIT), 0);
  expect(&d, trade(1, 100 * UNIT + 1), 0);
  hd_normalize_fini(&d.n);
}

static void book_changes_are_checked(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, OPTIONS(.grid = true));
  for (uint8_t action = 0; action <= HADRON_BOOK_CLEAR + 1; action++)
    expect(&d, book(action, HADRON_SIDE_BUY, 100 * UNIT, SIZE), action >= HADRON_BOOK_SET && action <= HADRON_BOOK_CLEAR ? 0 : HADRON_TICK_REASON_BAD_SIDE);
  for (uint8_t side = 0; side <= HADRON_SIDE_SELL + 1; side++)
    expect(&d, book(HADRON_BOOK_SET, side, 100 * UNIT, SIZE), side == HADRON_SIDE_BUY || side == HADRON_SIDE_SELL ? 0 : HADRON_TICK_REASON_BAD_SIDE);
  expect(&d, book(HADRON_BOOK_CLEAR, 0, 0, 0), 0);
  expect(&d, book(HADRON_BOOK_SET, HADRON_SIDE_SELL, 100 * UNIT, 0), 0);
  expect(&d, book(HADRON_BOOK_SET, HADRON_SIDE_SELL, 0, 0), HADRON_TICK_REASON_PRICE_NOT_POSITIVE);
  expect(&d, book(HADRON_BOOK_SET, HADRON_SIDE_SELL, 100 * UNIT + 1, 0), HADRON_TICK_REASON_OFF_GRID);
  expect(&d, book(HADRON_BOOK_ADD, HADRON_SIDE_SELL, 100 * UNIT, -1), HADRON_TICK_REASON_SIZE_NOT_POSITIVE);
  expect(&d, book(HADRON_BOOK_ADD, HADRON_SIDE_SELL, 100 * UNIT, 1000 * SIZE + 1), HADRON_TICK_REASON_SIZE_OUT_OF_BOUNDS);
  hd_normalize_fini(&d.n);
}

static void sequences_tell_order_repeats_and_gaps(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, OPTIONS(.contiguous = true));
  struct hadron_tick t = book(HADRON_BOOK_SET, HADRON_SIDE_BUY, 100 * UNIT, SIZE);
  t.sequence = 10;
  assert_int_equal(expect(&d, t, 0).flags, 0); // the first one is no gap
  expect(&d, t, 0);                            // the message goes on
  t.flags = HADRON_TICK_LAST;
  expect(&d, t, 0);
  expect(&d, t, HADRON_TICK_REASON_DUPLICATE);
  t.flags = 0;
  expect(&d, t, HADRON_TICK_REASON_DUPLICATE);
  t.sequence = 9;
  expect(&d, t, HADRON_TICK_REASON_OUT_OF_ORDER);
  t.sequence = 11;
  assert_int_equal(expect(&d, t, 0).flags, 0);
  t.sequence = 13;
  assert_int_equal(expect(&d, t, 0).flags, HADRON_TICK_GAP);
  assert_int_equal(d.n.gaps, 1);
  t.sequence = 0; // a tick without one says nothing of order, and does not make the listing forget
  expect(&d, t, 0);
  t.sequence = 12;
  expect(&d, t, HADRON_TICK_REASON_OUT_OF_ORDER);
  t.sequence = 5; // a snapshot begins anew
  t.flags = HADRON_TICK_SNAPSHOT;
  assert_int_equal(expect(&d, t, 0).flags, HADRON_TICK_SNAPSHOT);
  t.flags = 0;
  t.sequence = 6;
  assert_int_equal(expect(&d, t, 0).flags, 0);
  t.sequence = 7;
  t.flags = HADRON_TICK_GAP; // the venue knows of one itself
  expect(&d, t, 0);
  assert_int_equal(d.n.gaps, 2);
  struct hadron_tick other = quote(1, 100 * UNIT, 101 * UNIT); // each kind has its own
  other.sequence = 1;
  expect(&d, other, 0);
  hd_normalize_fini(&d.n);
  desk_open(&d, OPTIONS(.contiguous = false));
  t.flags = 0;
  t.sequence = 1;
  expect(&d, t, 0);
  t.sequence = 100;
  assert_int_equal(expect(&d, t, 0).flags, 0);
  hd_normalize_fini(&d.n);
}

static void trade_ids_repeat_once(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, OPTIONS(.skew_ns = 0));
  struct hadron_tick t = trade(1, 100 * UNIT);
  expect(&d, t, 0);
  expect(&d, t, 0); // without ids every trade is its own
  t.value.trade.trade_id = 7;
  expect(&d, t, 0);
  expect(&d, t, HADRON_TICK_REASON_DUPLICATE);
  t.value.trade.trade_id = 8;
  expect(&d, t, 0);
  t.instrument = 2;
  expect(&d, t, 0);
  hd_normalize_fini(&d.n);
}

static void outliers_need_patience(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, OPTIONS(.outlier_bps = 1000, .outlier_patience = 3));
  expect(&d, trade(2, 100 * UNIT), 0);
  expect(&d, trade(2, 110 * UNIT), 0); // exactly the limit
  expect(&d, trade(2, 121 * UNIT + 1), HADRON_TICK_REASON_OUTLIER);
  expect(&d, trade(2, 99 * UNIT - 1), HADRON_TICK_REASON_OUTLIER);
  expect(&d, trade(2, 110 * UNIT), 0); // a good one begins the count anew
  for (int i = 0; i < 3; i++) {
    expect(&d, trade(2, 150 * UNIT), HADRON_TICK_REASON_OUTLIER);
    expect(&d, quote(2, 109 * UNIT, 111 * UNIT), 0); // sane quotes do not make far trades sane, nor keep them out for ever
  }
  expect(&d, trade(2, 150 * UNIT), 0); // the market has moved
  expect(&d, trade(2, 150 * UNIT), 0);
  for (int i = 0; i < 3; i++) expect(&d, quote(2, 150 * UNIT, 151 * UNIT), HADRON_TICK_REASON_OUTLIER);
  expect(&d, quote(2, 150 * UNIT, 151 * UNIT), 0);
  expect(&d, quote(2, 150 * UNIT, 300 * UNIT), HADRON_TICK_REASON_OUTLIER);
  expect(&d, trade(3, 50), 0); // prices of a few grid steps have a limit too
  expect(&d, trade(3, 55), 0);
  expect(&d, trade(3, 61), HADRON_TICK_REASON_OUTLIER);
  expect(&d, trade(4, INT64_MAX), 0);
  expect(&d, trade(4, 1), HADRON_TICK_REASON_OUTLIER);
  hd_normalize_fini(&d.n);
}

// The same random ticks of a listing get the same answers whether or not others are mixed in; counts add up.
static void listings_are_independent(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct desk alone, mixed;
  const struct hd_normalize_options *options = OPTIONS(.skew_ns = SECOND, .outlier_bps = 500, .outlier_patience = 2, .contiguous = true);
  desk_open(&alone, options);
  desk_open(&mixed, options);
  for (uint64_t i = 1; i <= 20000; i++) {
    struct hadron_tick t = hd_random_below(&random, 2) ? trade(1, (int64_t)(95 + hd_random_below(&random, 10)) * UNIT)
                                                        : quote(1, (int64_t)(95 + hd_random_below(&random, 5)) * UNIT, (int64_t)(98 + hd_random_below(&random, 5)) * UNIT);
    t.sequence = i - hd_random_below(&random, 3);
    t.flags = hd_random_below(&random, 2) ? HADRON_TICK_LAST : 0;
    struct hadron_tick noise = t, a = {0}, b = {0}, c;
    noise.instrument = 2 + (uint32_t)hd_random_below(&random, 3);
    noise.event_ns += (int64_t)hd_random_below(&random, 4) * SECOND / 2;
    hd_normalize_tick(&mixed.n, &noise, NOW, &c);
    uint32_t one = hd_normalize_tick(&alone.n, &t, NOW, &a), two = hd_normalize_tick(&mixed.n, &t, NOW, &b);
    assert_int_equal(one, two);
    assert_int_equal(a.flags, b.flags);
  }
  assert_true(alone.n.accepted > 1000 && hd_normalize_refused(&alone.n) > 1000);
  assert_int_equal(alone.n.accepted + hd_normalize_refused(&alone.n), 20000);
  assert_int_equal(mixed.n.accepted + hd_normalize_refused(&mixed.n), 40000);
  hd_normalize_fini(&alone.n);
  hd_normalize_fini(&mixed.n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_listings_and_kinds), cmocka_unit_test(time_has_bounds),           cmocka_unit_test(prices_and_sizes_have_bounds),
      cmocka_unit_test(book_changes_are_checked), cmocka_unit_test(sequences_tell_order_repeats_and_gaps), cmocka_unit_test(trade_ids_repeat_once),
      cmocka_unit_test(outliers_need_patience),   cmocka_unit_test(listings_are_independent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
