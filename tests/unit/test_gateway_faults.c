// Promise: what F36 to F41 describe leaves no order lost, doubled or guessed: outcomes that were not told, fills before, after and
// beyond, executions taken back, reports for nobody, duplicates and disorder, lost cancels; and nothing leaves that was not recorded.
#include "support/gateway_rig.h"

static void no_answer_is_unknown_until_answered(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = rig_order(&rig, 10, 100, false);
  rig_later(&rig, 499 * RIG_MS);
  assert_state(&rig, &id, HADRON_STATE_SUBMITTED);
  int64_t next = rig_later(&rig, RIG_MS);
  assert_state(&rig, &id, HADRON_STATE_UNKNOWN);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 1);
  assert_int_equal(rig_command(&rig, 0)->command, RIG_QUERY);
  assert_int_equal(next, rig.now + RIG_S);
  for (int n = 0; n < 10; n++) rig_later(&rig, RIG_S);
  assert_int_equal(rig.sent_count, 1 + 11);
  assert_int_equal(rig.critical, 1); // a person is told once
  struct hadron_venue_report r = rig_report(&rig, &id, HADRON_CHANGE_ACCEPT);
  r.flags = 1;
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_ACCEPTED);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 0);
  assert_int_equal(hd_gateway_due(rig.g), INT64_MAX);
  rig_close(&rig);
}

static void absent_means_never_arrived(void **state) {
  (void)state;
  for (int resend = 0; resend < 2; resend++) {
    struct rig rig;
    struct hd_gateway_options options = rig_options();
    options.resend = resend;
    rig_open(&rig, &options);
    struct hadron_client_order_id id = rig_order(&rig, 10, 100, false);
    rig_later(&rig, 500 * RIG_MS);
    assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_ABSENT), HADRON_OK);
    if (resend) {
      assert_state(&rig, &id, HADRON_STATE_SUBMITTED);
      assert_int_equal(rig_command(&rig, 0)->command, RIG_SUBMIT);
      assert_memory_equal(&rig_command(&rig, 0)->order.client_order_id, &id, sizeof id);
      rig_later(&rig, 500 * RIG_MS);
      assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_ABSENT), HADRON_OK); // once only
    }
    assert_state(&rig, &id, HADRON_STATE_REJECTED);
    assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_ACCEPT), HADRON_OK); // it was late, not lost
    assert_state(&rig, &id, HADRON_STATE_UNKNOWN);
    rig_later(&rig, 0);
    assert_int_equal(rig_command(&rig, 0)->command, RIG_QUERY);
    assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_ABSENT), HADRON_ERR_DUPLICATE); // the venue has had it: no answer
    assert_state(&rig, &id, HADRON_STATE_UNKNOWN);
    assert_int_equal(rig_fill(&rig, &id, "1", 10, 100), HADRON_OK);
    assert_state(&rig, &id, HADRON_STATE_FILLED);
    assert_int_equal(hd_gateway_unknown(rig.g, 1), 0);
    rig_close(&rig);
  }
}

static void cut_connection(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b = rig_order(&rig, 10, 101, false);
  rig.port_error[RIG_SUBMIT] = HADRON_ERR_CLOSED;
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1, 9);
  struct hadron_client_order_id c;
  assert_int_equal(rig_new(&rig, &i, &c), HADRON_ERR_CLOSED); // surely nothing left
  assert_state(&rig, &c, HADRON_STATE_REJECTED);
  assert_int_equal(rig_say(&rig, &a, HADRON_CHANGE_LOSE), HADRON_OK);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_LOSE), HADRON_OK);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 2);
  assert_int_equal(rig_cancel(&rig, &a), HADRON_OK); // a cancel of one that is unknown is sent and stays wanted
  assert_state(&rig, &a, HADRON_STATE_UNKNOWN);
  assert_int_equal(rig_say(&rig, &a, HADRON_CHANGE_ACCEPT), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_PENDING_CANCEL);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_SEND_FAIL), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_REJECTED);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 0);
  rig_close(&rig);
}

static void lost_cancel_is_sent_again(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = rig_order(&rig, 10, 100, true);
  rig.port_error[RIG_CANCEL] = HADRON_ERR_CLOSED;
  assert_int_equal(rig_cancel(&rig, &id), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_PENDING_CANCEL);
  rig.port_error[RIG_CANCEL] = 0;
  uint32_t cancels = 0;
  for (int n = 0; n < 5; n++) rig_later(&rig, RIG_S);
  for (uint32_t n = 0; n < rig.sent_count; n++) cancels += rig.sent[n].command == RIG_CANCEL;
  assert_true(cancels >= 4);
  assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_CANCELED), HADRON_OK);
  assert_int_equal(rig_later(&rig, RIG_S), INT64_MAX);
  rig_close(&rig);
}

static void fills_in_any_place(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, false), b = rig_order(&rig, 10, 100, true);
  assert_int_equal(rig_fill(&rig, &a, "1", 4, 100), HADRON_OK); // before the acknowledgement
  assert_state(&rig, &a, HADRON_STATE_PARTIALLY_FILLED);
  rig_say(&rig, &a, HADRON_CHANGE_ACCEPT);
  assert_state(&rig, &a, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(rig_fill(&rig, &a, "1", 4, 100), HADRON_ERR_DUPLICATE);
  assert_int_equal(hd_gateway_count(rig.g)->duplicates, 1);
  assert_int_equal(rig_find(&rig, &a)->filled.e8, rig_e8(4));
  assert_int_equal(rig_fill(&rig, &a, "2", 9, 100), HADRON_OK); // three too many
  assert_state(&rig, &a, HADRON_STATE_FILLED);
  assert_int_equal(rig_find(&rig, &a)->filled.e8, rig_e8(13));
  assert_int_equal(rig.critical, 1);
  rig_say(&rig, &b, HADRON_CHANGE_CANCELED);
  assert_int_equal(rig_fill(&rig, &b, "3", 2, 100), HADRON_OK); // after the cancel's acknowledgement
  assert_state(&rig, &b, HADRON_STATE_CANCELED);
  assert_int_equal(rig_fill(&rig, &b, "4", 8, 100), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_FILLED);
  assert_int_equal(rig.position[1][1], rig_e8(23));
  assert_int_equal(rig_fill(&rig, &b, "5", 0, 100), HADRON_ERR_ARGUMENT);
  struct hadron_venue_report r = rig_report(&rig, &b, HADRON_CHANGE_FILL);
  r.execution_id[0] = '6', r.quantity.e8 = INT64_MAX, r.price.nanos = 1;
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_ERR_OVERFLOW);
  rig_close(&rig);
}

static void executions_taken_back(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = rig_order(&rig, 10, 100, true);
  rig_fill(&rig, &id, "1", 4, 100);
  rig_fill(&rig, &id, "2", 6, 110);
  struct hadron_venue_report r = rig_report(&rig, &id, HADRON_CHANGE_BUST);
  r.execution_id[0] = '2';
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_FILLED); // a bust revives nothing
  assert_int_equal(rig_find(&rig, &id)->filled.e8, rig_e8(4));
  assert_int_equal(rig_find(&rig, &id)->average.nanos, rig_nanos(100));
  assert_int_equal(rig.position[1][1], rig_e8(4));
  const struct hadron_execution *e = &rig_last(&rig, HADRON_MSG_EXECUTION)->m.execution;
  assert_int_equal(e->flags, 1);
  assert_int_equal(e->quantity.e8, rig_e8(6));
  assert_int_equal(e->fee.micros, 1000);
  assert_int_equal(rig_last(&rig, HADRON_MSG_ALLOCATION)->m.allocation.flags, 1);
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_ERR_DUPLICATE);
  struct hadron_client_order_id b = rig_order(&rig, 10, 101, true); // a bust that overtakes its fill
  r = rig_report(&rig, &b, HADRON_CHANGE_BUST);
  r.execution_id[0] = '7';
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_ERR_NOT_FOUND);
  assert_int_equal(rig_fill(&rig, &b, "7", 3, 100), HADRON_ERR_DUPLICATE);
  assert_int_equal(rig.position[1][1], rig_e8(4));
  r.execution_id[0] = 0;
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_ERR_ARGUMENT);
  rig_close(&rig);
}

static void reports_for_nobody(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = {"0123456789abcdef01234567"}, none = {{0}};
  assert_int_equal(rig_fill(&rig, &id, "1", 5, 100), HADRON_ERR_NOT_FOUND);
  const struct hadron_execution *e = &rig_last(&rig, HADRON_MSG_EXECUTION)->m.execution;
  assert_int_equal(e->flags, 2);
  assert_int_equal(e->instrument, 1);
  assert_int_equal(e->side, HADRON_SIDE_BUY);
  assert_int_equal(rig.critical, 1);
  assert_null(rig_last(&rig, HADRON_MSG_ALLOCATION)); // it is nobody's
  assert_int_equal(rig_fill(&rig, &none, "2", 5, 100), HADRON_ERR_NOT_FOUND);
  assert_int_equal(rig_fill(&rig, &id, "1", 5, 100), HADRON_ERR_DUPLICATE);
  assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_ACCEPT), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_gateway_count(rig.g)->external, 3);
  struct hadron_client_order_id ours = rig_order(&rig, 1, 10, true); // another venue speaks of our order
  struct hadron_venue_report r = rig_report(&rig, &ours, HADRON_CHANGE_CANCELED);
  r.venue = 2;
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_ERR_NOT_FOUND);
  assert_state(&rig, &ours, HADRON_STATE_ACCEPTED);
  r = rig_report(&rig, &ours, HADRON_CHANGE_QUEUE);
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_ERR_ARGUMENT);
  r.change = 200;
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_ERR_ARGUMENT);
  rig_close(&rig);
}

static void counts_must_add_up(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id = rig_order(&rig, 10, 100, true);
  struct hadron_venue_report r = rig_report(&rig, &id, HADRON_CHANGE_CANCELED);
  r.cumulative.e8 = rig_e8(5); // five were filled, and nothing of it was told
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_CANCELED);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 1);
  rig_later(&rig, 500 * RIG_MS);
  assert_int_equal(rig_command(&rig, 0)->command, RIG_QUERY);
  assert_int_equal(rig_fill(&rig, &id, "b", 3, 100), HADRON_OK);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 1);
  assert_int_equal(rig_fill(&rig, &id, "a", 2, 100), HADRON_OK);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 0);
  assert_int_equal(rig_later(&rig, RIG_S), INT64_MAX);
  struct hadron_client_order_id b = rig_order(&rig, 10, 101, true); // out of order: the second before the first
  r = rig_report(&rig, &b, HADRON_CHANGE_FILL);
  r.quantity.e8 = rig_e8(6), r.cumulative.e8 = rig_e8(10), r.price.nanos = 1, memcpy(r.execution_id, "d2", 2);
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 1);
  r.quantity.e8 = rig_e8(4), r.cumulative.e8 = rig_e8(4), memcpy(r.execution_id, "d1", 2);
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_FILLED);
  assert_int_equal(hd_gateway_unknown(rig.g, 1), 0);
  struct hadron_client_order_id c = rig_order(&rig, 10, 102, true);
  rig_fill(&rig, &c, "e", 4, 100);
  uint32_t critical = rig.critical;
  r = rig_report(&rig, &c, HADRON_CHANGE_CANCELED);
  r.cumulative.e8 = rig_e8(3); // fewer than it has told
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  assert_int_equal(rig.critical, critical + 1);
  rig_close(&rig);
}

static void lost_replace(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b, c;
  assert_int_equal(rig_replace(&rig, &a, 8, 101, &b), HADRON_OK);
  rig_later(&rig, 500 * RIG_MS);
  assert_state(&rig, &b, HADRON_STATE_UNKNOWN);
  assert_memory_equal(&rig_command(&rig, 0)->order.client_order_id, &b, sizeof b);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_ABSENT), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_REJECTED);
  assert_state(&rig, &a, HADRON_STATE_ACCEPTED);
  assert_int_equal(rig_replace(&rig, &a, 7, 102, &c), HADRON_OK);
  assert_int_equal(rig_fill(&rig, &c, "1", 2, 102), HADRON_OK); // the fill tells that the replace took hold
  assert_state(&rig, &a, HADRON_STATE_CANCELED);
  assert_state(&rig, &c, HADRON_STATE_PARTIALLY_FILLED);
  rig_close(&rig);
}

static void answers_inside_submit(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  static const int32_t answers[] = {HADRON_CHANGE_ACCEPT, HADRON_CHANGE_REJECT, HADRON_CHANGE_FILL, HADRON_CHANGE_EXPIRE, HADRON_CHANGE_LOSE};
  static const uint32_t ends[] = {HADRON_STATE_ACCEPTED, HADRON_STATE_REJECTED, HADRON_STATE_FILLED, HADRON_STATE_EXPIRED, HADRON_STATE_UNKNOWN};
  for (size_t n = 0; n < sizeof answers / sizeof *answers; n++) {
    rig.answer = answers[n];
    struct hadron_client_order_id id = rig_order(&rig, 1, 10, false);
    assert_state(&rig, &id, ends[n]);
  }
  assert_int_equal(hd_gateway_count(rig.g)->impossible, 0);
  rig_close(&rig);
}

// ---- nothing leaves that was not recorded

static void story(struct rig *rig) {
  struct hadron_client_order_id a, b, s;
  struct hadron_intent i = rig_intent(rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 10, 100);
  rig_new(rig, &i, &a);
  if (hd_gateway_order(rig->g, &a)) {
    rig_say(rig, &a, HADRON_CHANGE_ACCEPT);
    rig_fill(rig, &a, "1", 3, 100);
    rig_replace(rig, &a, 8, 101, &b);
    if (hd_gateway_order(rig->g, &b)) rig_say(rig, &b, HADRON_CHANGE_REPLACED);
    rig_cancel(rig, hd_gateway_order(rig->g, &b) && rig_state(rig, &b) == HADRON_STATE_PARTIALLY_FILLED ? &b : &a);
  }
  i = rig_intent(rig, HADRON_SIDE_SELL, HADRON_ORDER_STOP, 2, 0);
  i.stop.nanos = rig_nanos(95);
  rig->features &= ~(uint32_t)HADRON_VENUE_STOPS;
  rig_new(rig, &i, &s);
  rig_mark(rig, 1, 90);
  rig_later(rig, RIG_S);
}

// Which records must be there before a command: its order's, with the change that announces it.
static void assert_announced(const struct rig *rig, const struct rig_sent *s) {
  bool order = false, queued = false, announced = false;
  for (uint32_t n = 0; n < rig->record_count; n++) {
    const struct rig_record *r = &rig->records[n];
    const struct hadron_order_event *e = &r->m.event;
    if (r->template_id == HADRON_MSG_ORDER && memcmp(&r->m.order.client_order_id, &s->order.client_order_id, 24) == 0) order = true;
    if (r->template_id != HADRON_MSG_ORDER_EVENT) continue;
    bool own = memcmp(&e->client_order_id, &s->order.client_order_id, 24) == 0;
    if (own && e->change == HADRON_CHANGE_QUEUE) queued = true;
    if (s->command == RIG_SUBMIT && own && e->change == HADRON_CHANGE_QUEUE) announced = true;
    if (s->command == RIG_CANCEL && own && e->change == HADRON_CHANGE_CANCEL) announced = true;
    if (s->command == RIG_REPLACE && memcmp(&e->client_order_id, &s->order.replaces, 24) == 0 && e->change == HADRON_CHANGE_REPLACE) announced = true;
    if (s->order.order_type == HADRON_ORDER_MARKET && s->order.side == HADRON_SIDE_SELL && own && e->change == HADRON_CHANGE_TRIGGER) announced = true;
  }
  if (s->command == RIG_QUERY) return;
  assert_true(order);
  assert_true(queued);
  assert_true(announced);
}

static void sink_fails_at_every_write(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  story(&rig);
  uint64_t all = rig.writes;
  assert_true(all > 15);
  rig_close(&rig);
  for (uint64_t n = 1; n <= all; n++)
    for (int on = 0; on < 2; on++) {
      rig_open(&rig, NULL);
      rig.fail_at = n, rig.fail_on = on;
      story(&rig);
      for (uint32_t k = 0; k < rig.sent_count; k++) assert_announced(&rig, &rig.sent[k]);
      assert_true(rig.critical > 0 || n > all); // it is never silent
      rig_close(&rig);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_answer_is_unknown_until_answered), cmocka_unit_test(absent_means_never_arrived), cmocka_unit_test(cut_connection),
      cmocka_unit_test(lost_cancel_is_sent_again), cmocka_unit_test(fills_in_any_place), cmocka_unit_test(executions_taken_back),
      cmocka_unit_test(reports_for_nobody), cmocka_unit_test(counts_must_add_up), cmocka_unit_test(lost_replace),
      cmocka_unit_test(answers_inside_submit), cmocka_unit_test(sink_fails_at_every_write),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
