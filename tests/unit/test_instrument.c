// Promise: ids and handles are dense, start at 1 and never move; names and symbols lead to one row each; a venue's knowledge
// replaces defaults and never what the universe said; nothing is half made when a bound is reached or an argument is wrong.
#include "pipeline/instrument.h"

#include "support/test.h"

static struct hd_instrument named(const char *name) {
  struct hd_instrument d = {0};
  snprintf(d.name, sizeof d.name, "%s", name);
  return d;
}

static struct hadron_listing listed(const char *symbol) {
  struct hadron_listing l = {0};
  snprintf(l.symbol, sizeof l.symbol, "%s", symbol);
  return l;
}

static void adds_and_finds(void **state) {
  (void)state;
  struct hd_instruments t;
  assert_int_equal(hd_instruments_init(&t, 3, false), HADRON_OK);
  struct hd_instrument d = named("AAPL");
  uint32_t id = 0;
  assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_OK);
  assert_int_equal(id, 1);
  assert_int_equal(t.rows[1].increment.nanos, 10000000);
  assert_int_equal(t.rows[1].lot.e8, 100000000);
  assert_int_equal(t.rows[1].multiplier.e8, 100000000);
  assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_ERR_EXISTS);
  d = named("BTC-USD");
  d.increment.nanos = 500000000, d.lot.e8 = 1000, d.multiplier.e8 = 5, d.asset = 3;
  assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_OK);
  assert_int_equal(id, 2);
  assert_int_equal(t.rows[2].lot.e8, 1000);
  assert_int_equal(hd_instruments_find(&t, "AAPL"), 1);
  assert_int_equal(hd_instruments_find(&t, "BTC-USD"), 2);
  assert_int_equal(hd_instruments_find(&t, "aapl"), 0);
  assert_int_equal(hd_instruments_find(&t, "a name that is far too long to be an instrument's"), 0);
  hd_instruments_fini(&t);
  hd_instruments_fini(&t);
}

static void refuses_bad_definitions(void **state) {
  (void)state;
  struct hd_instruments t;
  assert_int_equal(hd_instruments_init(&t, 0, true), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_instruments_init(&t, 4, true), HADRON_OK);
  uint32_t id = 77;
  static const char *const bad[] = {"", "A|B", "A\nB", "A\x1b[0m", "\xff"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hd_instrument d = named(bad[i]);
    assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_ERR_ARGUMENT);
  }
  struct hd_instrument d;
  memset(&d, 'x', sizeof d); // a name without an end
  assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_ERR_ARGUMENT);
  d = named("A"), d.lot.e8 = -1;
  assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_ERR_ARGUMENT);
  d = named("A"), d.price_min.nanos = 2, d.price_max.nanos = 1;
  assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_ERR_ARGUMENT);
  assert_int_equal(id, 77);
  assert_int_equal(t.count, 0);
  hd_instruments_fini(&t);
}

static void lists_and_chains(void **state) {
  (void)state;
  struct hd_instruments t;
  assert_int_equal(hd_instruments_init(&t, 2, false), HADRON_OK);
  uint32_t a, b, h = 77;
  struct hd_instrument d = named("A");
  assert_int_equal(hd_instruments_add(&t, &d, &a), HADRON_OK);
  d = named("B");
  assert_int_equal(hd_instruments_add(&t, &d, &b), HADRON_OK);
  assert_int_equal(hd_instruments_list(&t, a, 1, "a-one", &h), HADRON_OK);
  assert_int_equal(h, 1);
  assert_int_equal(hd_instruments_list(&t, b, 1, "b-one", &h), HADRON_OK);
  assert_int_equal(hd_instruments_list(&t, a, 2, "a-two", &h), HADRON_OK);
  assert_int_equal(h, 3);
  assert_int_equal(hd_instruments_list(&t, a, 1, "a-one", &h), HADRON_OK); // said twice
  assert_int_equal(h, 1);
  h = 77;
  assert_int_equal(hd_instruments_list(&t, b, 1, "a-one", &h), HADRON_ERR_EXISTS);
  assert_int_equal(hd_instruments_list(&t, 3, 1, "c", &h), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_instruments_list(&t, 0, 1, "c", &h), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_instruments_list(&t, a, 0, "c", &h), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_instruments_list(&t, a, 1, "", &h), HADRON_ERR_ARGUMENT);
  assert_int_equal(h, 77);
  assert_int_equal(t.rows[a].listing, 1);
  assert_int_equal(hd_instruments_at(&t, a, 1), 1);
  assert_int_equal(hd_instruments_at(&t, a, 2), 3);
  assert_int_equal(hd_instruments_at(&t, b, 2), 0);
  assert_int_equal(hd_instruments_at(&t, 9, 1), 0);
  assert_int_equal(hd_instruments_find_symbol(&t, 2, "a-two"), 3);
  assert_int_equal(hd_instruments_find_symbol(&t, 3, "a-two"), 0);
  struct hadron_instrument_definition out;
  hd_instruments_definition(&t, a, 3, &out);
  assert_int_equal(out.venue, 2);
  assert_int_equal(out.instrument, a);
  assert_string_equal(out.symbol, "a-two");
  assert_string_equal(out.name, "A");
  hd_instruments_fini(&t);
}

static void resolves(void **state) {
  (void)state;
  struct hd_instruments t;
  assert_int_equal(hd_instruments_init(&t, 4, false), HADRON_OK);
  struct hd_instrument d = named("BTCUSDT");
  d.lot.e8 = 1000;
  uint32_t id, h = 77;
  assert_int_equal(hd_instruments_add(&t, &d, &id), HADRON_OK);
  struct hadron_listing l = listed("ethusdt");
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &h), HADRON_ERR_NOT_FOUND);
  assert_int_equal(h, 77);
  l = listed("btcusdt"), l.increment.nanos = 100000000, l.lot.e8 = 7, l.asset = 3;
  memcpy(l.currency, "USDT", 4);
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &h), HADRON_OK);
  assert_int_equal(h, 1);
  assert_int_equal(t.rows[id].increment.nanos, 100000000); // was only assumed
  assert_int_equal(t.rows[id].lot.e8, 1000);               // the universe said so
  assert_string_equal(t.rows[id].currency, "USDT");
  l.increment.nanos = 1;
  assert_int_equal(hd_instruments_resolve(&t, 2, &l, &h), HADRON_OK);
  assert_int_equal(t.rows[id].increment.nanos, 100000000); // the first venue that knew
  t.open = true;
  l = listed("eth"), memcpy(l.name, "ETH-USD", 7), l.lot.e8 = 5;
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &h), HADRON_OK);
  assert_int_equal(hd_instruments_find(&t, "ETH-USD"), 2);
  assert_int_equal(t.rows[2].lot.e8, 5);
  uint32_t again;
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &again), HADRON_OK);
  assert_int_equal(again, h);
  assert_int_equal(t.count, 2);
  memset(l.symbol, 'x', sizeof l.symbol); // no end
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &h), HADRON_ERR_ARGUMENT);
  hd_instruments_fini(&t);
}

static void fills_up(void **state) {
  (void)state;
  struct hd_instruments t;
  assert_int_equal(hd_instruments_init(&t, 64, true), HADRON_OK);
  const struct hd_instrument *rows = t.rows;
  uint32_t h;
  for (uint32_t i = 1; i <= 64; i++) {
    char symbol[16];
    snprintf(symbol, sizeof symbol, "s%u", i);
    struct hadron_listing l = listed(symbol);
    for (uint16_t venue = 1; venue <= 4; venue++) {
      assert_int_equal(hd_instruments_resolve(&t, venue, &l, &h), HADRON_OK);
      assert_int_equal(h, (i - 1) * 4 + venue);
      assert_int_equal(hd_instruments_at(&t, i, venue), h);
    }
  }
  struct hadron_listing l = listed("one-more");
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &h), HADRON_ERR_FULL);
  assert_int_equal(t.count, 64);
  assert_int_equal(t.listing_count, 256);
  assert_ptr_equal(t.rows, rows);
  hd_instruments_fini(&t);
  assert_int_equal(hd_instruments_init(&t, 1, true), HADRON_OK);
  l = listed("a");
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &h), HADRON_OK);
  l = listed("b");
  assert_int_equal(hd_instruments_resolve(&t, 1, &l, &h), HADRON_ERR_FULL);
  assert_int_equal(t.listing_count, 1);
  hd_instruments_fini(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(adds_and_finds), cmocka_unit_test(refuses_bad_definitions), cmocka_unit_test(lists_and_chains),
                                     cmocka_unit_test(resolves), cmocka_unit_test(fills_up)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
