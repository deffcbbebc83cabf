// Promise: where orders of a round leave together, each is recorded before any leaves, they leave in the order in which they were recorded, once,
// and only after the flush; one that is taken back before never leaves, whoever takes it back: a cancel, the kill switch, its expiry, the cancel of
// what it was to replace; a flush that failed lets none go and leaves what worked as it was; a held stop, a second sending and a full table of
// waiting orders go the same way. How: the gateway with everything around it in the test's hands; commands know how many records were before them.
#include "support/gateway_rig.h"

static void open_holding(struct rig *rig) {
  rig_open(rig, NULL);
  assert_int_equal(hd_gateway_hold(rig->g), HADRON_OK);
}

static void send(struct rig *rig, int32_t flushed) {
  assert_true(hd_gateway_promised(rig->g));
  hd_gateway_send(rig->g, flushed, rig->now);
  assert_null(hd_gateway_held(rig->g));
}

static void test_together_and_in_order(void **state) {
  (void)state;
  struct rig rig;
  struct hadron_client_order_id ids[20];
  open_holding(&rig);
  assert_false(hd_gateway_promised(rig.g));
  for (int i = 0; i < 20; i++) {
    struct hadron_intent in = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1 + i, 100);
    assert_int_equal(rig_new(&rig, &in, &ids[i]), HADRON_OK);
    assert_state(&rig, &ids[i], HADRON_STATE_PENDING_SUBMIT);
  }
  assert_int_equal(rig.sent_count, 0);
  assert_memory_equal(&hd_gateway_held(rig.g)->request.client_order_id, &ids[0], sizeof ids[0]);
  uint64_t written = rig.writes;
  send(&rig, HADRON_OK);
  assert_int_equal(rig.sent_count, 20);
  for (uint32_t i = 0; i < 20; i++) {
    assert_memory_equal(&rig.sent[i].order.client_order_id, &ids[i], sizeof ids[i]);
    assert_true(rig.sent[i].writes >= written);
    assert_state(&rig, &ids[i], HADRON_STATE_SUBMITTED);
  }
  assert_false(hd_gateway_promised(rig.g));
  hd_gateway_send(rig.g, HADRON_OK, rig.now);
  assert_int_equal(rig.sent_count, 20);
  rig_close(&rig);
}

static void test_taken_back(void **state) {
  (void)state;
  struct rig rig;
  struct hadron_client_order_id one, two, three;
  open_holding(&rig);
  struct hadron_intent in = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1, 100);
  assert_int_equal(rig_new(&rig, &in, &one), HADRON_OK);
  in = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 2, 100);
  in.time_in_force = HADRON_TIF_GTD, in.expire_ns = rig.now + RIG_S;
  assert_int_equal(rig_new(&rig, &in, &two), HADRON_OK);
  in = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 3, 100);
  assert_int_equal(rig_new(&rig, &in, &three), HADRON_OK);
  assert_int_equal(rig_cancel(&rig, &one), HADRON_OK);
  assert_state(&rig, &one, HADRON_STATE_CANCELED);
  rig_later(&rig, 2 * RIG_S);
  hd_gateway_list_begin(rig.g, 1); // a venue's list cannot have what has not left: nobody asks for it
  hd_gateway_list_end(rig.g, 1, rig.now);
  rig_later(&rig, RIG_S);
  assert_int_equal(rig.sent_count, 0);
  send(&rig, HADRON_OK);
  bool expires = hd_order_final(rig_state(&rig, &two)); // if the host does the expiring
  assert_int_equal(rig.sent_count, expires ? 1 : 2);
  assert_state(&rig, &three, HADRON_STATE_SUBMITTED);
  in = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 4, 100);
  assert_int_equal(rig_new(&rig, &in, &one), HADRON_OK);
  uint32_t sent = rig.sent_count;
  hd_gateway_cancel_all(rig.g, 0, 0, rig.now); // the kill switch
  assert_state(&rig, &one, HADRON_STATE_CANCELED);
  for (uint32_t i = sent; i < rig.sent_count; i++) assert_int_equal(rig.sent[i].command, RIG_CANCEL);
  sent = rig.sent_count;
  send(&rig, HADRON_OK);
  assert_int_equal(rig.sent_count, sent);
  rig_close(&rig);
}

// A working order, and one that waits to take its place.
static struct hadron_client_order_id replacing(struct rig *rig, struct hadron_client_order_id *old) {
  struct hadron_client_order_id successor;
  *old = rig_order(rig, 5, 100, false);
  send(rig, HADRON_OK);
  assert_int_equal(rig_say(rig, old, HADRON_CHANGE_ACCEPT), HADRON_OK);
  assert_int_equal(rig_replace(rig, old, 7, 101, &successor), HADRON_OK);
  assert_state(rig, old, HADRON_STATE_PENDING_REPLACE);
  assert_state(rig, &successor, HADRON_STATE_PENDING_SUBMIT);
  return successor;
}

static void test_replace(void **state) {
  (void)state;
  struct rig rig;
  struct hadron_client_order_id old, new;
  open_holding(&rig);
  new = replacing(&rig, &old);
  send(&rig, HADRON_OK);
  assert_int_equal(rig_command(&rig, 0)->command, RIG_REPLACE);
  assert_int_equal(rig_say(&rig, &new, HADRON_CHANGE_REPLACED), HADRON_OK);
  assert_state(&rig, &new, HADRON_STATE_ACCEPTED);
  assert_state(&rig, &old, HADRON_STATE_CANCELED);
  for (int which = 0; which < 2; which++) { // whichever of the two is cancelled, the venue has the old one, and that goes
    new = replacing(&rig, &old);
    uint32_t sent = rig.sent_count;
    assert_int_equal(rig_cancel(&rig, which ? &new : &old), HADRON_OK);
    assert_state(&rig, &new, HADRON_STATE_CANCELED);
    assert_state(&rig, &old, HADRON_STATE_PENDING_CANCEL);
    assert_int_equal(rig.sent_count, sent + 1);
    assert_int_equal(rig_command(&rig, 0)->command, RIG_CANCEL);
    assert_memory_equal(&rig_command(&rig, 0)->order.client_order_id, &old, sizeof old);
    send(&rig, HADRON_OK);
    assert_int_equal(rig.sent_count, sent + 1);
    assert_int_equal(rig_say(&rig, &old, HADRON_CHANGE_CANCELED), HADRON_OK);
  }
  assert_int_equal(hd_gateway_count(rig.g)->open, 1);
  rig_close(&rig);
}

static void test_failed_flush(void **state) {
  (void)state;
  struct rig rig;
  struct hadron_client_order_id old, new, other;
  open_holding(&rig);
  new = replacing(&rig, &old);
  other = rig_order(&rig, 9, 100, false);
  uint32_t sent = rig.sent_count;
  send(&rig, HADRON_ERR_IO);
  assert_int_equal(rig.sent_count, sent);
  assert_state(&rig, &new, HADRON_STATE_REJECTED);
  assert_state(&rig, &other, HADRON_STATE_REJECTED);
  assert_state(&rig, &old, HADRON_STATE_ACCEPTED);
  const struct hadron_order_event *e = &rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event;
  assert_int_equal(e->change, HADRON_CHANGE_SEND_FAIL);
  assert_string_equal(e->text, hadron_error_name(HADRON_ERR_IO));
  rig_close(&rig);
}

static void test_stop_and_resend(void **state) {
  (void)state;
  struct rig rig;
  struct hadron_client_order_id stop;
  struct hd_gateway_options options = rig_options();
  options.resend = true;
  rig_open(&rig, &options);
  assert_int_equal(hd_gateway_hold(rig.g), HADRON_OK);
  rig.features = RIG_ALL_FEATURES & ~(uint32_t)HADRON_VENUE_STOPS;
  rig_mark(&rig, 1, 100);
  struct hadron_intent in = rig_intent(&rig, HADRON_SIDE_SELL, HADRON_ORDER_STOP, 3, 0);
  in.stop.nanos = rig_nanos(95);
  assert_int_equal(rig_new(&rig, &in, &stop), HADRON_OK);
  send(&rig, HADRON_OK); // it is on the disk, and the host holds it
  assert_int_equal(rig.sent_count, 0);
  rig_mark(&rig, 1, 94);
  hd_gateway_mark(rig.g, 1, rig.now);
  assert_int_equal(rig.sent_count, 0);
  assert_int_equal(rig_cancel(&rig, &stop), HADRON_OK); // triggered, and still here
  assert_state(&rig, &stop, HADRON_STATE_CANCELED);
  send(&rig, HADRON_OK);
  assert_int_equal(rig.sent_count, 0);
  in = rig_intent(&rig, HADRON_SIDE_SELL, HADRON_ORDER_STOP, 4, 0);
  in.stop.nanos = rig_nanos(95);
  assert_int_equal(rig_new(&rig, &in, &stop), HADRON_OK);
  hd_gateway_mark(rig.g, 1, rig.now);
  send(&rig, HADRON_OK);
  assert_int_equal(rig.sent_count, 1);
  assert_int_equal(rig_command(&rig, 0)->order.order_type, HADRON_ORDER_MARKET);
  rig_later(&rig, 3600 * RIG_S); // no answer: unknown, asked for, never heard of: once more, and that waits for a flush as well
  assert_state(&rig, &stop, HADRON_STATE_UNKNOWN);
  uint32_t sent = rig.sent_count;
  rig_say(&rig, &stop, HADRON_CHANGE_ABSENT);
  if (rig_state(&rig, &stop) == HADRON_STATE_PENDING_SUBMIT) { // young enough
    assert_int_equal(rig.sent_count, sent);
    send(&rig, HADRON_OK);
    assert_int_equal(rig_command(&rig, 0)->command, RIG_SUBMIT);
  }
  rig_close(&rig);
}

// What an answer inside of the submit sets off waits for the next flush.
static struct rig *reacting;
static void react(struct rig *rig, const struct hadron_order_event *event) {
  if (event->change != HADRON_CHANGE_SEND || rig->intents > 40) return;
  struct hadron_intent in = rig_intent(reacting, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1, 90);
  struct hadron_client_order_id id;
  assert_int_equal(rig_new(reacting, &in, &id), HADRON_OK);
}

static void test_what_sending_sets_off(void **state) {
  (void)state;
  struct rig rig;
  open_holding(&rig);
  reacting = &rig;
  rig.on_event = react;
  rig_order(&rig, 1, 100, false);
  for (uint32_t sent = 0; hd_gateway_promised(rig.g); sent++) {
    uint64_t written = rig.writes;
    assert_int_equal(rig.sent_count, sent);
    hd_gateway_send(rig.g, HADRON_OK, rig.now);
    assert_int_equal(rig.sent_count, sent + 1);
    assert_true(rig_command(&rig, 0)->writes == written);
  }
  assert_true(rig.sent_count > 30);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_together_and_in_order), cmocka_unit_test(test_taken_back), cmocka_unit_test(test_replace),
                                     cmocka_unit_test(test_failed_flush), cmocka_unit_test(test_stop_and_resend), cmocka_unit_test(test_what_sending_sets_off)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
