// Promises of the venue interface that need a whole session: a venue is told which of its listings strategies want, in order and no others;
// and what a venue holds for us is held against the books, a difference being an alert with both numbers.
#include "base/banned.h"
#include "support/bench.h"
#include "support/test.h"

static struct bench_session b;

static void open_session(void) {
  char text[1024];
  snprintf(text, sizeof text,
           "mode = 'backtest', journal = { enabled = false },\n"
           "venues = { wary = { plugin = '%s/wary_venue.so' }, sim = {} },\n"
           "strategies = { sma = { universe = { 'A', 'C' } } }\n",
           getenv("HADRON_TEST_PLUGIN_DIR"));
  const struct hd_session_options options = {.is_virtual = true};
  bench_session_open(&b, text, &options);
}

static void wanted_listings(void **state) {
  (void)state;
  open_session();
  const struct hd_venue *wary = strcmp(b.session.venues[0].name, "wary") == 0 ? &b.session.venues[0] : &b.session.venues[1];
  assert_string_equal(wary->words, "wants A C");
  bench_session_close(&b);
}

static void positions_are_compared(void **state) {
  (void)state;
  open_session();
  struct hd_pipeline *p = &b.session.pipeline;
  struct hadron_venue_report report = {.change = HADRON_CHANGE_POSITION, .flags = 1, .listing = 1, .venue = p->instruments.listings[1].venue,
                                       .cumulative = {-1}};
  hd_pipeline_report(p, &report, 1000);
  assert_int_equal(b.session.alerts, 0); // flat here and there
  report.quantity.e8 = -5 * HADRON_QUANTITY_SCALE;
  hd_pipeline_report(p, &report, 2000);
  assert_int_equal(b.session.alerts, 1);
  assert_non_null(strstr(b.session.alert, "the venue holds -5, the books say 0"));
  report.listing = 1000; // not ours to compare
  hd_pipeline_report(p, &report, 3000);
  assert_int_equal(b.session.alerts, 1);
  assert_int_equal(hd_gateway_count(p->gateway)->external, 0);
  bench_session_close(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(wanted_listings), cmocka_unit_test(positions_are_compared)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
