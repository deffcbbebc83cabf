// Promise: an open order that a venue lists under an id like ours and that nobody here knows is left alone and alerted, or becomes the house's,
// as the gateway was told: then it has an ORDER and its events, its fills are arm 0's, it can be cancelled, and told twice it is taken once. A
// fill of such an order is booked to the house once, also where the order is found only later: that counts it then, and nothing is booked again. An order
// that is news, or another's, is taken by nobody.
#include "support/gateway_rig.h"

static const struct hadron_client_order_id lost = {"0123456789abcdef01234567"}, foreign = {"MANUAL-ORDER-1"};

static struct hadron_venue_report listed(uint8_t change, const struct hadron_client_order_id *id) {
  struct hadron_venue_report r = {.venue_ns = RIG_T0, .client_order_id = *id, .change = change, .side = HADRON_SIDE_SELL, .cumulative = {-1}, .listing = 1, .flags = 1};
  r.venue = 1;
  memcpy(r.venue_order_id, "V77", 3);
  if (change == HADRON_CHANGE_ACCEPT) r.quantity.e8 = 5 * HADRON_QUANTITY_SCALE, r.price.nanos = 100 * HADRON_PRICE_SCALE;
  return r;
}

static struct hadron_venue_report fill(const struct hadron_client_order_id *id, const char *execution, int64_t quantity) {
  struct hadron_venue_report r = listed(HADRON_CHANGE_FILL, id);
  snprintf(r.execution_id, sizeof r.execution_id, "%s", execution);
  r.price.nanos = 100 * HADRON_PRICE_SCALE, r.quantity.e8 = quantity * HADRON_QUANTITY_SCALE;
  return r;
}

static void say(struct rig *rig, struct hadron_venue_report r) { (void)hd_gateway_report(rig->g, &r, rig->now); }

static void open_rig(struct rig *rig, bool takes_over) {
  struct hd_gateway_options o = rig_options();
  o.takes_over = takes_over;
  rig_open(rig, &o);
}

static void left_alone(void **state) {
  struct rig rig;
  (void)state;
  open_rig(&rig, false);
  uint64_t writes = rig.writes;
  say(&rig, listed(HADRON_CHANGE_ACCEPT, &lost));
  assert_null(hd_gateway_order(rig.g, &lost));
  assert_int_equal(rig.writes, writes);
  assert_int_equal(rig.critical, 1);
  assert_non_null(strstr(rig.alert, "does not know it"));
  say(&rig, fill(&lost, "X1", 2));
  assert_int_equal(rig.allocation_ids, 0); // alerted and written down, nobody's
  assert_int_equal(rig.executions, 1);
  rig_close(&rig);
}

static void taken_over(void **state) {
  struct rig rig;
  (void)state;
  open_rig(&rig, true);
  say(&rig, listed(HADRON_CHANGE_ACCEPT, &lost));
  const struct hd_order *o = hd_gateway_order(rig.g, &lost);
  assert_non_null(o);
  assert_int_equal(o->state, HADRON_STATE_ACCEPTED);
  assert_int_equal(o->request.quantity.e8, 5 * HADRON_QUANTITY_SCALE);
  assert_int_equal(rig.sent_count, 0);
  assert_true(hd_gateway_seen(rig.g, &lost));
  say(&rig, listed(HADRON_CHANGE_ACCEPT, &lost));
  assert_int_equal(hd_gateway_count(rig.g)->taken_over, 1);
  assert_int_equal(hd_gateway_count(rig.g)->open, 1);
  say(&rig, fill(&lost, "X1", 2));
  say(&rig, fill(&lost, "X1", 2));
  assert_int_equal(rig.position[0][o->request.instrument], -2 * HADRON_QUANTITY_SCALE);
  assert_int_equal(rig_cancel(&rig, &lost), HADRON_OK);
  assert_int_equal(rig.sent[0].command, RIG_CANCEL);
  struct hadron_venue_report gone = listed(HADRON_CHANGE_CANCELED, &lost);
  gone.flags = 0;
  say(&rig, gone);
  assert_int_equal(hd_gateway_order(rig.g, &lost)->state, HADRON_STATE_CANCELED);
  rig_close(&rig);
}

static void ended_meanwhile(void **state) {
  struct rig rig;
  (void)state;
  open_rig(&rig, true);
  say(&rig, fill(&lost, "X1", 3));
  say(&rig, fill(&lost, "X1", 3));
  assert_int_equal(rig.allocation_ids, 1);
  assert_int_equal(rig.position[0][rig.instruments.listings[1].instrument], -3 * HADRON_QUANTITY_SCALE);
  rig_close(&rig);
}

static void found_after_its_fill(void **state) {
  struct rig rig;
  (void)state;
  open_rig(&rig, true);
  struct hadron_venue_report news = fill(&lost, "X1", 2), open = listed(HADRON_CHANGE_ACCEPT, &lost), bust = fill(&lost, "X1", 2);
  uint32_t instrument = rig.instruments.listings[1].instrument;
  news.flags = 0, news.cumulative.e8 = open.cumulative.e8 = 2 * HADRON_QUANTITY_SCALE;
  say(&rig, news);
  assert_int_equal(rig.position[0][instrument], -2 * HADRON_QUANTITY_SCALE);
  say(&rig, open);
  const struct hd_order *o = hd_gateway_order(rig.g, &lost);
  assert_int_equal(o->filled.e8, 0); // it says that there are fills, not which
  for (int i = 0; i < 2; i++) say(&rig, fill(&lost, "X1", 2));
  assert_int_equal(o->filled.e8, 2 * HADRON_QUANTITY_SCALE);
  assert_int_equal(o->average.nanos, 100 * HADRON_PRICE_SCALE);
  assert_int_equal(o->state, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(rig.allocation_ids, 1);
  assert_int_equal(rig.executions, 1);
  say(&rig, fill(&lost, "X2", 3));
  assert_int_equal(o->state, HADRON_STATE_FILLED);
  assert_int_equal(rig.position[0][instrument], -5 * HADRON_QUANTITY_SCALE);
  bust.change = HADRON_CHANGE_BUST, bust.flags = 0;
  say(&rig, bust); // it is the order's: taken back from whom it was given to
  assert_int_equal(o->filled.e8, 3 * HADRON_QUANTITY_SCALE);
  assert_int_equal(rig.position[0][instrument], -3 * HADRON_QUANTITY_SCALE);
  rig_close(&rig);
}

static void not_ours(void **state) {
  struct rig rig;
  (void)state;
  open_rig(&rig, true);
  say(&rig, listed(HADRON_CHANGE_ACCEPT, &foreign));
  say(&rig, fill(&foreign, "F1", 1));
  struct hadron_venue_report news = listed(HADRON_CHANGE_ACCEPT, &lost), silent = listed(HADRON_CHANGE_ACCEPT, &lost);
  news.flags = 0;
  say(&rig, news);
  silent.quantity.e8 = 0; // how much of what?
  say(&rig, silent);
  assert_null(hd_gateway_order(rig.g, &lost));
  assert_int_equal(hd_gateway_count(rig.g)->taken_over, 0);
  assert_int_equal(rig.allocation_ids, 0);
  rig_close(&rig);
}

// Nothing is there that is not in the journal.
static void not_recorded(void **state) {
  struct rig rig;
  (void)state;
  open_rig(&rig, true);
  rig.fail_at = rig.writes + 1;
  say(&rig, listed(HADRON_CHANGE_ACCEPT, &lost));
  assert_null(hd_gateway_order(rig.g, &lost));
  say(&rig, listed(HADRON_CHANGE_ACCEPT, &lost)); // the next list
  assert_non_null(hd_gateway_order(rig.g, &lost));
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(left_alone), cmocka_unit_test(taken_over), cmocka_unit_test(ended_meanwhile), cmocka_unit_test(found_after_its_fill), cmocka_unit_test(not_ours),
                                     cmocka_unit_test(not_recorded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
