// Promise: what the fault simulator has found in the gateway stays mended. Each test is the short form of a seed: a venue that says things late,
// twice or in another order, and an order that must not be lost, ended or doubted for ever because of it.
#include "support/gateway_rig.h"

static int32_t count_report(struct rig *rig, const struct hadron_client_order_id *id, uint8_t change, const char *execution, double quantity, double cumulative,
                            uint8_t flags) {
  struct hadron_venue_report r = rig_report(rig, id, change);
  memcpy(r.execution_id, execution, strlen(execution));
  r.quantity.e8 = rig_e8(quantity);
  r.price.nanos = rig_nanos(100);
  r.cumulative.e8 = rig_e8(cumulative);
  r.flags = flags;
  return hd_gateway_report(rig->g, &r, rig->now);
}

// The answer to a cancel was lost, the next one is refused as too late: the order is asked for until the venue says what became of it.
static void refused_cancel_is_doubted(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = rig_order(&rig, 10, 100, true);
  assert_int_equal(rig_cancel(&rig, &id), HADRON_OK);
  rig_say(&rig, &id, HADRON_CHANGE_CANCEL_REJECT);
  assert_state(&rig, &id, HADRON_STATE_ACCEPTED);
  rig_later(&rig, 10 * RIG_S);
  assert_int_equal(rig_command(&rig, 0)->command, RIG_QUERY);
  count_report(&rig, &id, HADRON_CHANGE_CANCELED, "", 0, 0, 1);
  assert_state(&rig, &id, HADRON_STATE_CANCELED);
  rig_close(&rig);
}

// A working order that answers is not asked again.
static void answered_doubt_ends(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = rig_order(&rig, 10, 100, true);
  rig_cancel(&rig, &id);
  rig_say(&rig, &id, HADRON_CHANGE_CANCEL_REJECT);
  rig_later(&rig, 10 * RIG_S);
  count_report(&rig, &id, HADRON_CHANGE_ACCEPT, "", 0, 0, 1);
  uint32_t sent = rig.sent_count;
  rig_later(&rig, 100 * RIG_S);
  assert_int_equal(rig.sent_count, sent);
  rig_close(&rig);
}

// REPLACED of an order that took another one's place comes once more while its own replace, or its cancel, is under way.
static void replaced_told_twice(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b, c;
  assert_int_equal(rig_replace(&rig, &a, 8, 101, &b), HADRON_OK);
  rig_say(&rig, &b, HADRON_CHANGE_REPLACED);
  assert_state(&rig, &b, HADRON_STATE_ACCEPTED);
  assert_int_equal(rig_replace(&rig, &b, 7, 102, &c), HADRON_OK);
  rig_say(&rig, &b, HADRON_CHANGE_REPLACED);
  assert_state(&rig, &b, HADRON_STATE_PENDING_REPLACE);
  assert_state(&rig, &c, HADRON_STATE_SUBMITTED);
  rig_say(&rig, &c, HADRON_CHANGE_REPLACE_REJECT);
  assert_state(&rig, &b, HADRON_STATE_ACCEPTED);
  rig_cancel(&rig, &b);
  rig_say(&rig, &b, HADRON_CHANGE_REPLACED);
  assert_state(&rig, &b, HADRON_STATE_PENDING_CANCEL);
  rig_close(&rig);
}

// A fill that is told again carries the count of its time; an execution was taken back since.
static void count_before_a_bust(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = rig_order(&rig, 8, 100, true);
  count_report(&rig, &id, HADRON_CHANGE_FILL, "1", 6, 6, 0);
  count_report(&rig, &id, HADRON_CHANGE_FILL, "2", 2, 8, 0);
  assert_state(&rig, &id, HADRON_STATE_FILLED);
  count_report(&rig, &id, HADRON_CHANGE_BUST, "1", 6, 2, 0);
  count_report(&rig, &id, HADRON_CHANGE_FILL, "2", 2, 8, 0);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 0);
  rig_close(&rig);
}

// The venue's last count of an order that was replaced is of fills that are the successor's by now.
static void count_of_a_replaced_order(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b;
  assert_int_equal(rig_replace(&rig, &a, 9, 101, &b), HADRON_OK);
  rig_say(&rig, &b, HADRON_CHANGE_REPLACED);
  count_report(&rig, &a, HADRON_CHANGE_CANCELED, "", 0, 4, 1); // four were filled, and their news were lost
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 1);
  count_report(&rig, &a, HADRON_CHANGE_FILL, "1", 4, 4, 1);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 0);
  assert_state(&rig, &b, HADRON_STATE_PARTIALLY_FILLED);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(refused_cancel_is_doubted), cmocka_unit_test(answered_doubt_ends), cmocka_unit_test(replaced_told_twice),
                                     cmocka_unit_test(count_before_a_bust), cmocka_unit_test(count_of_a_replaced_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
