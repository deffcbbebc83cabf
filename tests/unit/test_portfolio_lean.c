// Promise: the books agree with an independent engine. LEAN's BasicTemplateAlgorithm, as worked out in the shared vectors: buy SPY
// with the whole account at the first bar, hold to the end, factor-adjusted prices, 0.005 USD a share. The end equity is published.
#include "support/test.h"
#include "support/market.h"

#include <jansson.h>

#include "hadron/decimal.h"
#include "pipeline/portfolio.h"

static json_t *vectors;

static const json_t *algorithm(const char *name) {
  size_t i;
  json_t *row;
  json_array_foreach(vectors, i, row) if (strcmp(json_string_value(json_object_get(row, "algorithm")), name) == 0) return row;
  fail_msg("%s is not in the vectors", name);
  return NULL;
}

// 100 x price x 1e7 x factor is the adjusted price in nanos, exactly.
static struct hadron_price adjusted(double price, double factor) {
  return (struct hadron_price){(int64_t)(price * 100 + 0.5) * (int64_t)(factor * 1e7 + 0.5)};
}

static int64_t cents(int64_t micros) { return (micros + 5000) / 10000; }

static void basic_template(void **state) {
  (void)state;
  const json_t *row = algorithm("BasicTemplateAlgorithm"), *worked = json_object_get(row, "worked_check");
  const json_t *statistics = json_object_get(row, "statistics");
  double factor = json_number_value(json_object_get(worked, "price_factor"));
  struct hadron_price entry = adjusted(json_number_value(json_object_get(worked, "fill_raw")), factor);
  struct hadron_price last = adjusted(json_number_value(json_object_get(worked, "last_raw")), factor);
  int64_t cash = 0, end = 0;
  const char *start_text = json_string_value(json_object_get(statistics, "Start Equity"));
  const char *end_text = json_string_value(json_object_get(statistics, "End Equity"));
  assert_int_equal(hadron_decimal_parse(start_text, strlen(start_text), HADRON_MONEY_SCALE, &cash), 0);
  assert_int_equal(hadron_decimal_parse(end_text, strlen(end_text), HADRON_MONEY_SCALE, &end), 0);

  struct test_market market;
  struct hd_portfolio books;
  const uint32_t universe[] = {1};
  test_market_init(&market);
  assert_int_equal(hd_portfolio_init(&books, &market.instruments, &market.marks, 1, (struct hadron_money){cash}), 0);
  assert_int_equal(hd_portfolio_open(&books, 1, HD_ROLE_LIVE, (struct hadron_money){cash}, universe, 1), 0);
  struct hadron_allocation a = {.price = entry, .quantity = test_quantity((double)json_integer_value(json_object_get(worked, "quantity"))),
                                .fee = test_money(json_number_value(json_object_get(worked, "commission"))), .instrument = 1, .arm = 1,
                                .side = HADRON_SIDE_BUY};
  assert_int_equal(hd_portfolio_allocate(&books, &a), 0);
  struct hd_mark *m = hd_mark_begin(&market.cells[1]);
  m->last = last;
  hd_mark_end(&market.cells[1]);
  assert_int_equal(hd_portfolio_mark(&books, 1), 0);
  assert_int_equal(hd_portfolio_check(&books, NULL), 0);
  assert_int_equal(cents(hd_book_equity(&books.books[0]).micros), cents(end));
  assert_int_equal(hd_book_equity(&books.books[1]).micros, hd_book_equity(&books.books[0]).micros);
  hd_portfolio_fini(&books);
}

int main(void) {
  const char *shared = getenv("HADRON_SHARED_DIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/vectors/lean/regression.json", shared ? shared : "");
  json_error_t error;
  vectors = shared ? json_load_file(path, 0, &error) : NULL;
  if (!vectors) {
    printf("skipped: the shared vectors are not here (HADRON_SHARED_DIR=%s)\n", shared ? shared : "");
    return 77;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(basic_template)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  json_decref(vectors);
  return failed;
}
