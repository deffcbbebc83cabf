// Promise: the starters of sdk/template are complete plugins: the host's loader takes them, the venue repeats itself to the byte, loses
// nothing when the host takes less than it has, and tells the whole life of an order.
#include "support/test.h"

#include "plugin/loader.h"
#include "support/venue_host.h"

#define SECOND_NS INT64_C(1000000000)

static const char *template_path(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s.so", getenv("HADRON_TEMPLATE_DIR"), name);
  return path;
}

static void loads(void **state) {
  (void)state;
  static const struct { const char *file, *name; uint32_t kind; } rows[] = {
      {"strategy", "trend", HADRON_KIND_STRATEGY}, {"venue", "walk", HADRON_KIND_VENUE}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct hd_plugin *plugin = NULL;
    struct hd_fault fault = {0};
    if (hd_plugin_open(template_path(rows[i].file), NULL, &plugin, &fault) != HADRON_OK) fail_msg("%s", fault.text);
    assert_int_equal(hd_plugin_expect_kind(plugin, rows[i].kind, &fault), HADRON_OK);
  }
}

static struct venue_host *walk(uint32_t take_max) {
  setenv("HADRON_PLUGIN_DIR", getenv("HADRON_TEMPLATE_DIR"), 1);
  struct venue_host *h = venue_host_open("venue");
  h->seed = 7;
  h->now_ns = h->next_ns = 1000 * SECOND_NS;
  h->take_max = take_max;
  venue_host_set(h, "symbols", "AAA\nBBB");
  assert_int_equal(venue_host_start(h), HADRON_OK);
  assert_int_equal(h->state, HADRON_VENUE_READY);
  return h;
}

static void repeats(void **state) {
  (void)state;
  struct venue_host *a = walk(0), *b = walk(1); // b takes one tick a call
  while (a->tick_count < 400) assert_true(venue_host_poll(a));
  for (int polls = 0; b->tick_count < a->tick_count; polls++) {
    assert_true(polls < 4000);
    assert_true(venue_host_poll(b));
  }
  assert_int_equal(a->listing_count, 2);
  for (uint64_t i = 0; i < a->tick_count; i++) {
    assert_memory_equal(&a->ticks[i], &b->ticks[i], sizeof a->ticks[i]);
    const struct hadron_tick *t = &a->ticks[i];
    assert_int_equal(t->sequence, i / 4 * 2 + 1 + i % 2); // two listings, two ticks each step: none lost, none twice
    if (t->kind == HADRON_TICK_QUOTE) assert_true(t->value.quote.bid.nanos > 0 && t->value.quote.bid.nanos < t->value.quote.ask.nanos);
  }
  venue_host_close(a);
  venue_host_close(b);
}

static struct hadron_order order_of(char id, uint8_t side, uint8_t type, uint8_t time_in_force, int64_t limit_nanos) {
  struct hadron_order o = {.listing = 1, .side = side, .order_type = type, .time_in_force = time_in_force,
                           .limit = {limit_nanos}, .quantity = {10 * HADRON_QUANTITY_SCALE}};
  memset(o.client_order_id.hex, id, sizeof o.client_order_id.hex);
  return o;
}

// Submits, lets one step pass, and compares what was said with the changes expected, 0 ends.
static void expect(struct venue_host *h, const struct hadron_order *order, const uint8_t *changes) {
  uint64_t from = h->report_count;
  if (order) assert_int_equal(h->api->submit(h->self, order), HADRON_OK);
  assert_true(venue_host_poll(h));
  assert_true(venue_host_poll(h));
  size_t i = 0;
  for (; changes[i] != HADRON_CHANGE_INVALID; i++) {
    assert_true(from + i < h->report_count);
    assert_int_equal(h->reports[from + i].change, changes[i]);
  }
  assert_int_equal(h->report_count, from + i);
}

static void lives_of_orders(void **state) {
  (void)state;
  struct venue_host *h = walk(0);
  static const uint8_t filled[] = {HADRON_CHANGE_ACCEPT, HADRON_CHANGE_FILL, 0}, given_back[] = {HADRON_CHANGE_ACCEPT, HADRON_CHANGE_CANCELED, 0},
                       rests[] = {HADRON_CHANGE_ACCEPT, 0}, canceled[] = {HADRON_CHANGE_CANCELED, 0}, refused[] = {HADRON_CHANGE_REJECT, 0};
  struct hadron_order market = order_of('a', HADRON_SIDE_BUY, HADRON_ORDER_MARKET, HADRON_TIF_IOC, 0);
  expect(h, &market, filled);
  const struct hadron_venue_report *fill = &h->reports[h->report_count - 1];
  assert_int_equal(fill->quantity.e8, market.quantity.e8);
  assert_int_equal(fill->cumulative.e8, market.quantity.e8);
  assert_int_equal(fill->liquidity, HADRON_LIQUIDITY_TAKER);
  assert_int_equal(fill->fee.micros, hadron_divide_round((hadron_int128)fill->price.nanos / 1000 * 10, 10000)); // 1 bp of 10 x price
  struct hadron_order far_ioc = order_of('b', HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, HADRON_TIF_IOC, SECOND_NS);
  expect(h, &far_ioc, given_back);
  struct hadron_order far_day = order_of('c', HADRON_SIDE_SELL, HADRON_ORDER_LIMIT, HADRON_TIF_DAY, 900 * SECOND_NS);
  expect(h, &far_day, rests);
  assert_int_equal(h->api->cancel(h->self, &far_day), HADRON_OK);
  expect(h, NULL, canceled);
  uint64_t before = h->report_count;
  assert_int_equal(h->api->cancel(h->self, &far_day), HADRON_OK); // it is gone
  assert_int_equal(h->report_count, before + 1);
  assert_int_equal(h->reports[before].change, HADRON_CHANGE_CANCEL_REJECT);
  struct hadron_order elsewhere = order_of('d', HADRON_SIDE_BUY, HADRON_ORDER_MARKET, HADRON_TIF_IOC, 0);
  elsewhere.listing = 99;
  expect(h, &elsewhere, refused);
  venue_host_close(h);
}

static void full_table_is_refused(void **state) {
  (void)state;
  struct venue_host *h = walk(0);
  struct hadron_order o = order_of('e', HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, HADRON_TIF_GTC, SECOND_NS);
  for (int i = 0; i < 256; i++) assert_int_equal(h->api->submit(h->self, &o), HADRON_OK);
  assert_int_equal(h->api->submit(h->self, &o), HADRON_ERR_FULL);
  venue_host_close(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(loads), cmocka_unit_test(repeats), cmocka_unit_test(lives_of_orders),
                                     cmocka_unit_test(full_table_is_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
