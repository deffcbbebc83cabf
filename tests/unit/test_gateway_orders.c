// Promise: an intent becomes one order that is recorded before it is sent; each type goes out as what it is; cancels, replaces,
// expiries and stops end as docs/orders.md says; fills are shared out exactly.
#include "support/gateway_rig.h"

static void limit_order_lives_and_fills(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id id;
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 10, 100.5);
  i.flags = HADRON_ORDER_POST_ONLY | HADRON_ORDER_REDUCE_ONLY;
  assert_int_equal(rig_new(&rig, &i, &id), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_SUBMITTED);
  assert_int_equal(rig.record_count, 3);
  assert_int_equal(rig.records[0].template_id, HADRON_MSG_ORDER);
  assert_int_equal(rig.records[1].m.event.change, HADRON_CHANGE_QUEUE);
  assert_int_equal(rig.records[2].m.event.change, HADRON_CHANGE_SEND);
  assert_int_equal(rig_command(&rig, 0)->writes, 2); // between QUEUE and SEND
  assert_int_equal(rig_command(&rig, 0)->order.flags, i.flags);
  assert_memory_equal(&rig_command(&rig, 0)->order, &rig.records[0].m.order, sizeof(struct hadron_order));
  assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_ACCEPT), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_ACCEPTED);
  assert_int_equal(rig_fill(&rig, &id, "e1", 4, 100), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(rig_fill(&rig, &id, "e2", 6, 101), HADRON_OK);
  assert_state(&rig, &id, HADRON_STATE_FILLED);
  const struct hd_order *o = rig_find(&rig, &id);
  assert_int_equal(o->average.nanos, 100600000000);
  const struct hadron_execution *e = &rig_last(&rig, HADRON_MSG_EXECUTION)->m.execution;
  assert_int_equal(e->id, 2);
  assert_int_equal(e->filled.e8, rig_e8(10));
  assert_int_equal(e->arm, 1);
  const struct hadron_allocation *a = &rig_last(&rig, HADRON_MSG_ALLOCATION)->m.allocation;
  assert_int_equal(a->execution, 2);
  assert_int_equal(a->opportunity, 1001);
  assert_int_equal(a->position.e8, rig_e8(10));
  const struct hadron_order_event *event = &rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event;
  assert_int_equal(event->from, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(event->to, HADRON_STATE_FILLED);
  assert_int_equal(event->average.nanos, 100600000000);
  assert_int_equal(hd_gateway_count(rig.g)->open, 0);
  assert_int_equal(hd_gateway_due(rig.g), INT64_MAX);
  rig_close(&rig);
}

static void same_intent_never_twice(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_SELL, HADRON_ORDER_MARKET, 1, 0);
  struct hadron_client_order_id id;
  hd_gateway_order_id(rig.g, &i, "sma", rig.now, &id);
  assert_false(hd_gateway_seen(rig.g, &id));
  assert_int_equal(rig_new(&rig, &i, &id), HADRON_OK);
  assert_true(hd_gateway_seen(rig.g, &id));
  assert_int_equal(rig_new(&rig, &i, &id), HADRON_ERR_DUPLICATE);
  assert_int_equal(rig.sent_count, 1);
  const struct hadron_order_event *denied = &rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event;
  assert_int_equal(denied->change, HADRON_CHANGE_DENY);
  assert_int_equal(denied->reason, HADRON_RISK_DUPLICATE);
  assert_int_equal(denied->client_order_id.hex[0], 0); // or it would look like the first one's end
  assert_state(&rig, &id, HADRON_STATE_SUBMITTED);
  rig_fill(&rig, &id, "x", 1, 10);
  assert_int_equal(rig_new(&rig, &i, &id), HADRON_ERR_DUPLICATE);
  for (int n = 0; n < 200; n++) { // until it has long left the table
    struct hadron_client_order_id other = rig_order(&rig, 1, 10 + n, true);
    rig_say(&rig, &other, HADRON_CHANGE_CANCELED);
  }
  assert_null(hd_gateway_order(rig.g, &id));
  assert_true(hd_gateway_seen(rig.g, &id));
  assert_int_equal(rig_new(&rig, &i, &id), HADRON_ERR_DUPLICATE);
  rig.now += 86400 * RIG_S; // another day, another id
  assert_int_equal(rig_new(&rig, &i, &id), HADRON_OK);
  rig_close(&rig);
}

static void denied_by_verdict(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1, 10);
  struct hd_share share = {.arm = 1, .ordered = i.quantity};
  struct hd_verdict no = {.reason = HADRON_RISK_POSITION_MAX, .actual = 5, .bound = 4};
  assert_int_equal(hd_gateway_intent(rig.g, &i, &share, 1, &no, "sma", rig.now), HADRON_ERR_RISK);
  const struct hadron_order_event *e = &rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event;
  assert_int_equal(e->to, HADRON_STATE_DENIED);
  assert_int_equal(e->reason, HADRON_RISK_POSITION_MAX);
  assert_int_equal(e->actual, 5);
  assert_int_equal(e->bound, 4);
  assert_int_equal(e->intent, i.id);
  assert_int_equal(rig.sent_count, 0);
  assert_null(rig_last(&rig, HADRON_MSG_ORDER));
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_OK); // a denied intent has used nothing up
  assert_int_equal(hd_gateway_count(rig.g)->denied, 1);
  rig_close(&rig);
}

static void refuses_what_cannot_be(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1, 10);
  i.venue = 9;
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_RISK);
  assert_int_equal(rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event.reason, HADRON_RISK_INSTRUMENT);
  i.venue = 1, i.instrument = 4;
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_RISK);
  i.instrument = 1, i.flags = HADRON_ORDER_POST_ONLY, rig.features &= ~(uint32_t)HADRON_VENUE_POST_ONLY;
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_RISK);
  assert_int_equal(rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event.reason, HADRON_RISK_BOUNDS);
  i.flags = 0, rig.features &= ~(uint32_t)HADRON_VENUE_ORDERS;
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_RISK);
  assert_int_equal(rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event.reason, HADRON_RISK_VENUE_DOWN);
  rig.features = RIG_ALL_FEATURES;
  struct hd_verdict yes = {0};
  struct hd_share wrong[2] = {{.arm = 1, .ordered = i.quantity}, {.arm = 1, .ordered = {1}}};
  assert_int_equal(hd_gateway_intent(rig.g, &i, wrong, 2, &yes, "sma", rig.now), HADRON_ERR_ARGUMENT); // an arm twice
  wrong[1].arm = 2;
  assert_int_equal(hd_gateway_intent(rig.g, &i, wrong, 2, &yes, "sma", rig.now), HADRON_ERR_ARGUMENT); // the sum is not the quantity
  assert_int_equal(hd_gateway_intent(rig.g, &i, wrong, 0, &yes, "sma", rig.now), HADRON_ERR_ARGUMENT);
  static const uint8_t types[] = {HADRON_ORDER_MARKET, HADRON_ORDER_STOP, HADRON_ORDER_STOP_LIMIT, 0, 9};
  for (size_t t = 0; t < sizeof types; t++) { // a limit price without its type, a stop without its price
    i.order_type = types[t];
    assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_RISK);
  }
  struct hadron_client_order_id none = {"000000000000000000000000"};
  assert_int_equal(rig_cancel(&rig, &none), HADRON_ERR_NOT_FOUND);
  i.kind = 9;
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_ARGUMENT);
  assert_int_equal(rig.sent_count, 0);
  assert_int_equal(hd_gateway_count(rig.g)->open, 0);
  rig_close(&rig);
}

static void each_type_and_time_in_force(void **state) {
  (void)state;
  for (uint8_t type = HADRON_ORDER_MARKET; type <= HADRON_ORDER_STOP_LIMIT; type++)
    for (uint8_t tif = HADRON_TIF_DAY; tif <= HADRON_TIF_GTD; tif++) {
      struct rig rig;
      rig_open(&rig, NULL);
      bool limited = type == HADRON_ORDER_LIMIT || type == HADRON_ORDER_STOP_LIMIT, stop = type >= HADRON_ORDER_STOP;
      struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_SELL, type, 2, limited ? 99 : 0);
      i.time_in_force = tif;
      i.stop.nanos = stop ? rig_nanos(100) : 0;
      i.expire_ns = tif == HADRON_TIF_GTD ? rig.now + 60 * RIG_S : 0;
      struct hadron_client_order_id id;
      assert_int_equal(rig_new(&rig, &i, &id), HADRON_OK);
      const struct hadron_order *out = &rig_command(&rig, 0)->order;
      assert_int_equal(out->order_type, type); // the venue holds stops
      assert_int_equal(out->time_in_force, tif);
      assert_int_equal(out->stop.nanos, i.stop.nanos);
      assert_int_equal(out->expire_ns, i.expire_ns);
      assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_ACCEPT), HADRON_OK);
      if (stop) assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_TRIGGER), HADRON_OK);
      bool expires = tif == HADRON_TIF_GTD || tif == HADRON_TIF_DAY;
      assert_int_equal(hd_gateway_due(rig.g), tif == HADRON_TIF_GTD ? i.expire_ns : expires ? RIG_T0 + 72000 * RIG_S : INT64_MAX);
      if (expires) {
        rig.now = hd_gateway_due(rig.g) - 1;
        rig_later(&rig, 0);
        assert_int_equal(rig_command(&rig, 0)->command, RIG_SUBMIT); // not a moment early
        rig_later(&rig, 1);
        assert_int_equal(rig_command(&rig, 0)->command, RIG_CANCEL);
        assert_state(&rig, &id, HADRON_STATE_PENDING_CANCEL);
        assert_int_equal(rig_say(&rig, &id, HADRON_CHANGE_CANCELED), HADRON_OK);
        assert_state(&rig, &id, HADRON_STATE_EXPIRED);
      } else {
        assert_int_equal(rig_fill(&rig, &id, "1", 2, 99.5), HADRON_OK);
        assert_state(&rig, &id, HADRON_STATE_FILLED);
      }
      rig_close(&rig);
    }
}

static void cancel_and_refusal(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b = rig_order(&rig, 10, 101, true);
  assert_int_equal(rig_cancel(&rig, &a), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_PENDING_CANCEL);
  assert_int_equal(rig_last(&rig, HADRON_MSG_ORDER_EVENT)->flags, HD_RECORD_RESERVED);
  assert_int_equal(rig_cancel(&rig, &a), HADRON_OK); // is under way
  assert_int_equal(hd_gateway_count(rig.g)->cancels, 1);
  assert_int_equal(rig_fill(&rig, &a, "1", 3, 100), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_PENDING_CANCEL);
  assert_int_equal(rig_say(&rig, &a, HADRON_CHANGE_CANCELED), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_CANCELED);
  assert_int_equal(rig_cancel(&rig, &a), HADRON_ERR_STATE);
  assert_int_equal(rig_fill(&rig, &b, "2", 1, 101), HADRON_OK);
  assert_int_equal(rig_cancel(&rig, &b), HADRON_OK);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_CANCEL_REJECT), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(hd_gateway_count(rig.g)->cancels, 2);
  rig_close(&rig);
}

static void replace_in_place(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b, c;
  assert_int_equal(rig_fill(&rig, &a, "1", 3, 100), HADRON_OK);
  assert_int_equal(rig_replace(&rig, &a, 8, 101, &b), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_PENDING_REPLACE);
  assert_int_equal(rig_command(&rig, 0)->command, RIG_REPLACE);
  assert_memory_equal(&rig_command(&rig, 0)->order.replaces, &a, sizeof a);
  struct hadron_quantity buy, sell;
  hd_gateway_working(rig.g, 0, 1, true, &buy, &sell);
  assert_int_equal(buy.e8, rig_e8(7)); // the larger rest of the two
  assert_int_equal(rig_fill(&rig, &a, "2", 1, 100), HADRON_OK); // before the replace took hold
  assert_state(&rig, &a, HADRON_STATE_PENDING_REPLACE);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_REPLACED), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_CANCELED);
  assert_state(&rig, &b, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(rig_find(&rig, &b)->filled.e8, rig_e8(4));
  hd_gateway_working(rig.g, 1, 1, true, &buy, &sell);
  assert_int_equal(buy.e8, rig_e8(4));
  assert_int_equal(rig_fill(&rig, &a, "3", 1, 101), HADRON_OK); // told under the old id: it is one order to the venue
  assert_int_equal(rig_find(&rig, &b)->filled.e8, rig_e8(5));
  assert_int_equal(rig_find(&rig, &a)->filled.e8, rig_e8(4));
  assert_int_equal(rig_replace(&rig, &b, 9, 102, &c), HADRON_OK);
  assert_int_equal(rig_say(&rig, &c, HADRON_CHANGE_REPLACE_REJECT), HADRON_OK);
  assert_state(&rig, &c, HADRON_STATE_REJECTED);
  assert_state(&rig, &b, HADRON_STATE_PARTIALLY_FILLED);
  assert_int_equal(rig_fill(&rig, &b, "4", 3, 101), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_FILLED);
  assert_int_equal(rig.position[1][1], rig_e8(8));
  assert_int_equal(hd_gateway_count(rig.g)->open, 0);
  rig_close(&rig);
}

static void replace_refused_by_port_or_state(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, false), b;
  assert_int_equal(rig_replace(&rig, &a, 8, 101, &b), HADRON_ERR_STATE); // not acknowledged yet
  rig_say(&rig, &a, HADRON_CHANGE_ACCEPT);
  rig.port_error[RIG_REPLACE] = HADRON_ERR_CLOSED;
  assert_int_equal(rig_replace(&rig, &a, 8, 101, &b), HADRON_ERR_CLOSED);
  assert_state(&rig, &a, HADRON_STATE_ACCEPTED);
  assert_state(&rig, &b, HADRON_STATE_REJECTED);
  rig_close(&rig);
}

static void replace_by_cancel(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  rig.features &= ~(uint32_t)HADRON_VENUE_REPLACES;
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b, c, d;
  assert_int_equal(rig_replace(&rig, &a, 8, 101, &b), HADRON_OK);
  assert_int_equal(rig_command(&rig, 0)->command, RIG_CANCEL);
  assert_state(&rig, &b, HADRON_STATE_INITIALIZED);
  assert_int_equal(rig_fill(&rig, &a, "1", 3, 100), HADRON_OK);
  assert_int_equal(rig_say(&rig, &a, HADRON_CHANGE_CANCELED), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_SUBMITTED);
  assert_int_equal(rig_command(&rig, 0)->command, RIG_SUBMIT);
  assert_int_equal(rig_command(&rig, 0)->order.quantity.e8, rig_e8(5)); // what is left of the new total
  assert_memory_equal(&rig_command(&rig, 0)->order.client_order_id, &b, sizeof b);
  rig_say(&rig, &b, HADRON_CHANGE_ACCEPT);
  assert_int_equal(rig_replace(&rig, &b, 4, 102, &c), HADRON_OK);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_CANCEL_REJECT), HADRON_OK); // too late
  assert_state(&rig, &c, HADRON_STATE_REJECTED);
  assert_state(&rig, &b, HADRON_STATE_ACCEPTED);
  assert_int_equal(rig_replace(&rig, &b, 4, 103, &d), HADRON_OK);
  assert_int_equal(rig_fill(&rig, &b, "2", 5, 101), HADRON_OK); // filled before the cancel came
  assert_state(&rig, &d, HADRON_STATE_CANCELED);
  assert_int_equal(hd_gateway_count(rig.g)->open, 0);
  struct hadron_client_order_id e = rig_order(&rig, 2, 50, true), f;
  assert_int_equal(rig_replace(&rig, &e, 3, 51, &f), HADRON_OK);
  assert_int_equal(rig_cancel(&rig, &e), HADRON_OK); // withdrawn: the waiting one as well
  assert_state(&rig, &f, HADRON_STATE_CANCELED);
  rig_say(&rig, &e, HADRON_CHANGE_CANCELED);
  assert_int_equal(hd_gateway_count(rig.g)->open, 0);
  rig_close(&rig);
}

static void cancel_while_replacing(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_client_order_id a = rig_order(&rig, 10, 100, true), b;
  assert_int_equal(rig_replace(&rig, &a, 8, 101, &b), HADRON_OK);
  assert_int_equal(rig_cancel(&rig, &b), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_PENDING_CANCEL);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_REPLACED), HADRON_OK); // the replace was first: the cancel follows it
  assert_state(&rig, &a, HADRON_STATE_CANCELED);
  assert_state(&rig, &b, HADRON_STATE_PENDING_CANCEL);
  assert_memory_equal(&rig_command(&rig, 0)->order.client_order_id, &b, sizeof b);
  assert_int_equal(rig_say(&rig, &b, HADRON_CHANGE_CANCELED), HADRON_OK);
  assert_int_equal(hd_gateway_count(rig.g)->open, 0);
  rig_close(&rig);
}

static void host_held_stops(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  rig.features &= ~(uint32_t)HADRON_VENUE_STOPS;
  struct hadron_client_order_id sell, buy;
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_SELL, HADRON_ORDER_STOP, 2, 0);
  i.stop.nanos = rig_nanos(95);
  assert_int_equal(rig_new(&rig, &i, &sell), HADRON_OK);
  i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_STOP_LIMIT, 2, 106);
  i.stop.nanos = rig_nanos(105);
  assert_int_equal(rig_new(&rig, &i, &buy), HADRON_OK);
  assert_int_equal(rig.sent_count, 0);
  assert_true(hd_gateway_holds(rig.g, 1));
  assert_false(hd_gateway_holds(rig.g, 2));
  rig_mark(&rig, 1, 100);
  assert_int_equal(rig.sent_count, 0);
  rig_mark(&rig, 1, 95);
  assert_int_equal(rig.sent_count, 1);
  assert_int_equal(rig_command(&rig, 0)->order.order_type, HADRON_ORDER_MARKET);
  assert_int_equal(rig_command(&rig, 0)->order.stop.nanos, 0);
  assert_state(&rig, &sell, HADRON_STATE_SUBMITTED);
  rig.venue_state = HADRON_VENUE_DOWN;
  rig_mark(&rig, 1, 105.5); // triggers, and cannot be sent
  assert_int_equal(rig.sent_count, 1);
  assert_true(hd_gateway_holds(rig.g, 1));
  rig.venue_state = HADRON_VENUE_READY;
  rig_mark(&rig, 1, 100); // has triggered, whatever comes then
  rig_later(&rig, 2 * RIG_S);
  assert_true(rig.sent_count >= 2);
  assert_state(&rig, &buy, HADRON_STATE_SUBMITTED);
  const struct hadron_order *out = NULL;
  for (uint32_t n = 0; n < rig.sent_count; n++)
    if (rig.sent[n].command == RIG_SUBMIT && memcmp(&rig.sent[n].order.client_order_id, &buy, sizeof buy) == 0) out = &rig.sent[n].order;
  assert_non_null(out);
  assert_int_equal(out->order_type, HADRON_ORDER_LIMIT);
  assert_int_equal(out->limit.nanos, rig_nanos(106));
  assert_false(hd_gateway_holds(rig.g, 1));
  rig_close(&rig);
}

static void host_held_stops_end(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  rig.features &= ~(uint32_t)HADRON_VENUE_STOPS;
  struct hadron_client_order_id a, b, c;
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_SELL, HADRON_ORDER_STOP, 2, 0);
  i.stop.nanos = rig_nanos(95);
  assert_int_equal(rig_new(&rig, &i, &a), HADRON_OK);
  assert_int_equal(rig_replace(&rig, &a, 3, 0, &b), HADRON_OK);
  assert_state(&rig, &a, HADRON_STATE_CANCELED);
  assert_state(&rig, &b, HADRON_STATE_PENDING_SUBMIT);
  assert_int_equal(rig_cancel(&rig, &b), HADRON_OK);
  assert_state(&rig, &b, HADRON_STATE_CANCELED);
  assert_false(hd_gateway_holds(rig.g, 1));
  i = rig_intent(&rig, HADRON_SIDE_SELL, HADRON_ORDER_STOP, 2, 0);
  i.stop.nanos = rig_nanos(95), i.time_in_force = HADRON_TIF_GTD, i.expire_ns = rig.now + RIG_S;
  assert_int_equal(rig_new(&rig, &i, &c), HADRON_OK);
  assert_int_equal(rig_later(&rig, RIG_S), INT64_MAX);
  assert_state(&rig, &c, HADRON_STATE_EXPIRED);
  assert_int_equal(rig.sent_count, 0);
  rig_mark(&rig, 1, 90);
  assert_int_equal(rig.sent_count, 0);
  rig_close(&rig);
}

static void shares_exactly(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 0, 10);
  i.arm = 0, i.quantity.e8 = 10;
  struct hd_share shares[3] = {{.arm = 5, .ordered = {3}}, {.arm = 2, .ordered = {3}}, {.arm = 9, .ordered = {4}}};
  struct hd_verdict yes = {0};
  struct hadron_client_order_id id;
  hd_gateway_order_id(rig.g, &i, "sma", rig.now, &id);
  assert_int_equal(hd_gateway_intent(rig.g, &i, shares, 3, &yes, "sma", rig.now), HADRON_OK);
  struct hadron_venue_report r = rig_report(&rig, &id, HADRON_CHANGE_FILL);
  snprintf(r.execution_id, sizeof r.execution_id, "1");
  r.quantity.e8 = 5, r.price.nanos = 10, r.fee.micros = -7; // exact parts 1.5, 1.5, 2; of the rebate 2.8 (2 units), 1.4, 2.8
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  const struct hd_order *o = rig_find(&rig, &id);
  assert_int_equal(o->shares[0].arm, 2);
  assert_int_equal(o->shares[0].filled.e8, 2); // the tie goes to the lower arm
  assert_int_equal(o->shares[1].filled.e8, 1);
  assert_int_equal(o->shares[2].filled.e8, 2);
  int64_t fees[3] = {0};
  for (uint32_t n = 0; n < rig.record_count; n++)
    if (rig.records[n].template_id == HADRON_MSG_ALLOCATION) {
      const struct hadron_allocation *a = &rig.records[n].m.allocation;
      fees[a->arm == 2 ? 0 : a->arm == 5 ? 1 : 2] = a->fee.micros;
    }
  assert_int_equal(fees[0], -3);
  assert_int_equal(fees[1], -1);
  assert_int_equal(fees[2], -3);
  snprintf(r.execution_id, sizeof r.execution_id, "2");
  r.quantity.e8 = 8; // five are left: the rest goes to the largest share
  assert_int_equal(hd_gateway_report(rig.g, &r, rig.now), HADRON_OK);
  assert_int_equal(o->shares[0].filled.e8, 3);
  assert_int_equal(o->shares[1].filled.e8, 3);
  assert_int_equal(o->shares[2].filled.e8, 7);
  assert_state(&rig, &id, HADRON_STATE_FILLED);
  assert_int_equal(rig.critical, 1); // the overfill
  rig_close(&rig);
}

static void questions(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_SELL, HADRON_ORDER_LIMIT, 3, 10);
  i.slot = 2;
  struct hadron_client_order_id work, plain = rig_order(&rig, 5, 9, true);
  assert_int_equal(rig_new(&rig, &i, &work), HADRON_OK);
  struct hadron_quantity buy, sell;
  hd_gateway_working(rig.g, 1, 1, false, &buy, &sell);
  assert_int_equal(buy.e8, rig_e8(5));
  assert_int_equal(sell.e8, 0);
  hd_gateway_working(rig.g, 0, 1, true, &buy, &sell);
  assert_int_equal(sell.e8, rig_e8(3));
  hd_gateway_working(rig.g, 2, 1, true, &buy, &sell);
  assert_int_equal(buy.e8 + sell.e8, 0);
  assert_ptr_equal(hd_gateway_slot(rig.g, 1, 1, 2), rig_find(&rig, &work));
  assert_null(hd_gateway_slot(rig.g, 1, 1, 3));
  assert_null(hd_gateway_slot(rig.g, 2, 1, 2));
  assert_ptr_equal(hd_gateway_first(rig.g), rig_find(&rig, &plain));
  assert_ptr_equal(hd_gateway_next(rig.g, hd_gateway_first(rig.g)), rig_find(&rig, &work));
  assert_int_equal(hd_gateway_cancel_all(rig.g, 2, 0, rig.now), 0);
  assert_int_equal(hd_gateway_cancel_all(rig.g, 1, 2, rig.now), 0);
  assert_int_equal(hd_gateway_cancel_all(rig.g, 0, 0, rig.now), 2);
  assert_state(&rig, &plain, HADRON_STATE_PENDING_CANCEL);
  assert_state(&rig, &work, HADRON_STATE_PENDING_CANCEL);
  rig_close(&rig);
}

static void table_full(void **state) {
  (void)state;
  struct rig rig;
  struct hd_gateway_options options = rig_options();
  options.orders_max = 3, options.ids_max = 5;
  rig_open(&rig, &options);
  struct hadron_client_order_id a = rig_order(&rig, 1, 1, true), b = rig_order(&rig, 1, 2, true);
  rig_order(&rig, 1, 3, true);
  struct hadron_intent i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1, 4);
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_RISK);
  assert_int_equal(rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event.reason, HADRON_RISK_ORDER_TABLE);
  rig_say(&rig, &b, HADRON_CHANGE_CANCELED);
  rig_say(&rig, &a, HADRON_CHANGE_CANCELED);
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_OK);
  assert_null(hd_gateway_order(rig.g, &b)); // the first to close has left
  assert_non_null(hd_gateway_order(rig.g, &a));
  rig_order(&rig, 1, 5, true);
  assert_int_equal(hd_gateway_cancel_all(rig.g, 0, 0, rig.now), 3);
  while (hd_gateway_first(rig.g)) {
    struct hadron_client_order_id id = hd_gateway_first(rig.g)->request.client_order_id;
    rig_say(&rig, &id, HADRON_CHANGE_CANCELED);
  }
  assert_int_equal(rig.critical, 0);
  for (int again = 0; again < 3; again++) { // the day's five ids are used: a person hears of it, once
    i = rig_intent(&rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 1, 6);
    assert_int_equal(rig_new(&rig, &i, NULL), HADRON_ERR_RISK);
    const struct hadron_order_event *e = &rig_last(&rig, HADRON_MSG_ORDER_EVENT)->m.event;
    assert_int_equal(e->reason, HADRON_RISK_ORDER_TABLE);
    assert_int_equal(e->actual, 5);
    assert_int_equal(e->bound, 5);
    assert_int_equal(rig.critical, 1);
    assert_non_null(strstr(rig.alert, "gateway.ids_max"));
  }
  assert_int_equal(hd_gateway_count(rig.g)->denied, 4);
  assert_int_equal(hd_gateway_count(rig.g)->denied_by[HADRON_RISK_ORDER_TABLE], 4);
  rig.now += 86400 * RIG_S;
  assert_int_equal(rig_new(&rig, &i, NULL), HADRON_OK);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(limit_order_lives_and_fills), cmocka_unit_test(same_intent_never_twice), cmocka_unit_test(denied_by_verdict),
      cmocka_unit_test(refuses_what_cannot_be), cmocka_unit_test(each_type_and_time_in_force), cmocka_unit_test(cancel_and_refusal),
      cmocka_unit_test(replace_in_place), cmocka_unit_test(replace_refused_by_port_or_state), cmocka_unit_test(replace_by_cancel),
      cmocka_unit_test(cancel_while_replacing), cmocka_unit_test(host_held_stops), cmocka_unit_test(host_held_stops_end),
      cmocka_unit_test(shares_exactly), cmocka_unit_test(questions), cmocka_unit_test(table_full),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
