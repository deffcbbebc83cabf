// Promise: decisions become intents as the header says — SIDE, TARGET and WORK, crosses, waiting for a cancel — and every merge leaves an
// opportunity with its contributions, to the byte. The same decisions in any order of the array give the same bytes; nothing leaves
// that was not recorded; a wrong allocator is an error and no order.
#include "support/test.h"
#include "support/market.h"
#include "support/gateway_fake.h"

#include <dlfcn.h>

#include "pipeline/coordinator.h"

#define NOW INT64_C(1700000000000000000)
#define ARMS 20
#define LOG_MAX 65536
#define INTENTS_MAX 64

static const struct hadron_allocator_api *net;
static void *net_self;

struct desk {
  struct test_market market;
  struct hd_portfolio books;
  struct hd_gateway gateway;
  struct hd_record_sink sink;
  struct hd_arm arms[ARMS + 1];
  struct hd_coordinator c;
  unsigned char log[LOG_MAX];          // template, then the bytes, of everything written
  uint32_t log_size, written, fail_at; // fail_at: which write fails; 0 none
  struct hadron_intent intents[INTENTS_MAX];
  struct hd_share shares[INTENTS_MAX][HD_SHARES_MAX];
  uint32_t share_counts[INTENTS_MAX], intent_count;
  struct hadron_allocation crosses[INTENTS_MAX];
  uint32_t cross_count, refuse_cross;  // refuse_cross: which allocation the books refuse; 0 none
  bool answers;                        // the venue answers a cancel at once
};

static int32_t log_write(void *self, uint16_t template_id, const void *block, uint16_t block_size, const void *tail, uint32_t tail_size,
                         int64_t now_ns, uint32_t flags) {
  struct desk *d = self;
  (void)now_ns, (void)flags;
  if (++d->written == d->fail_at) return HADRON_ERR_IO;
  assert_true(d->log_size + 2 + block_size + tail_size <= LOG_MAX);
  memcpy(d->log + d->log_size, &template_id, 2);
  memcpy(d->log + d->log_size + 2, block, block_size);
  if (tail_size) memcpy(d->log + d->log_size + 2 + block_size, tail, tail_size);
  d->log_size += 2u + block_size + tail_size;
  return HADRON_OK;
}

static void said(void *self, const struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count) {
  struct desk *d = self;
  assert_true(d->intent_count < INTENTS_MAX);
  d->intents[d->intent_count] = *intent;
  memcpy(d->shares[d->intent_count], shares ? shares : d->shares[0], share_count * sizeof *shares);
  d->share_counts[d->intent_count++] = share_count;
  if (!d->answers || intent->kind != HADRON_INTENT_CANCEL) return;
  for (uint32_t i = 0; i < d->gateway.count; i++)
    if (memcmp(&d->gateway.orders[i].request.client_order_id, &intent->order, sizeof intent->order) == 0)
      d->gateway.orders[i].state = HADRON_STATE_CANCELED;
  struct hadron_order_event event = {.to = HADRON_STATE_CANCELED, .instrument = intent->instrument};
  hd_coordinator_order_event(&d->c, &event, NOW);
}

static int32_t booked(void *self, struct hadron_allocation *a) {
  struct desk *d = self;
  if (d->cross_count + 1 == d->refuse_cross) {
    d->refuse_cross = 0;
    return HADRON_ERR_OVERFLOW;
  }
  int32_t error = hd_portfolio_allocate(&d->books, a);
  if (!error) d->crosses[d->cross_count++] = *a;
  return error;
}

static int desk_open(void **state) {
  static const uint32_t universe[] = {1, 2, 3};
  struct desk *d = calloc(1, sizeof *d);
  test_market_init(&d->market);
  assert_int_equal(hd_portfolio_init(&d->books, &d->market.instruments, &d->market.marks, ARMS, test_money(1e6)), 0);
  for (uint32_t i = 1; i <= ARMS; i++) {
    d->arms[i] = (struct hd_arm){.id = i, .role = i == 3 ? HD_ROLE_SHADOW : HD_ROLE_LIVE, .weight = 1, .size = test_quantity(25)};
    assert_int_equal(hd_portfolio_open(&d->books, i, d->arms[i].role, test_money(1e4), universe, 3), 0);
  }
  for (uint32_t i = 1; i <= 3; i++) test_market_mark(&d->market, i, 100.0 * i, 0.02, NOW);
  d->sink = (struct hd_record_sink){.self = d, .write = log_write};
  d->c = (struct hd_coordinator){.instruments = &d->market.instruments, .marks = &d->market.marks, .portfolio = &d->books,
                                 .gateway = &d->gateway, .sink = &d->sink, .allocator = net, .allocator_self = net_self,
                                 .listener = {.self = d, .intent = said, .allocate = booked}, .arms = d->arms, .arm_max = ARMS};
  hd_coordinator_init(&d->c);
  *state = d;
  return 0;
}

static int desk_close(void **state) {
  struct desk *d = *state;
  assert_int_equal(hd_portfolio_check(&d->books, NULL), 0);
  hd_portfolio_fini(&d->books);
  free(d);
  return 0;
}

static struct hadron_decision decision(uint64_t id, uint32_t arm, uint32_t instrument, uint8_t kind, double quantity) {
  struct hadron_decision d = {.cause = 77, .id = id, .time_ns = NOW, .instrument = instrument, .arm = arm, .kind = kind, .confidence = 1,
                              .quantity = test_quantity(quantity)};
  memset(d.trace.bytes, (int)id, sizeof d.trace.bytes);
  if (kind != HADRON_DECISION_TARGET) {
    d.side = quantity < 0 ? HADRON_SIDE_SELL : HADRON_SIDE_BUY;
    if (quantity < 0) d.quantity.e8 = -d.quantity.e8;
  }
  return d;
}

static void merge(struct desk *d, struct hadron_decision one) { hd_coordinator_merge(&d->c, &one, 1, NOW); }

static struct hadron_decision work(uint64_t id, double quantity, double limit) {
  struct hadron_decision w = decision(id, 1, 1, HADRON_DECISION_WORK, quantity);
  w.slot = 2, w.limit = test_price(limit);
  return w;
}

static void event(struct desk *d, struct hd_order *o, uint8_t to) {
  o->state = to;
  struct hadron_order_event e = {.to = to, .instrument = o->request.instrument};
  hd_coordinator_order_event(&d->c, &e, NOW);
}

// The n-th message of a template in the log; NULL if there are fewer.
static const unsigned char *logged(const struct desk *d, uint16_t template_id, uint32_t n) {
  for (uint32_t at = 0; at < d->log_size;) {
    uint16_t id;
    memcpy(&id, d->log + at, 2);
    const unsigned char *body = d->log + at + 2;
    if (id == template_id && n-- == 0) return body;
    uint16_t entries = 0;
    if (id == HADRON_MSG_OPPORTUNITY) memcpy(&entries, body + 104 + 2, 2);
    at += 2 + (id == HADRON_MSG_OPPORTUNITY ? 108u + 64u * entries : id == HADRON_MSG_INTENT ? 144u : 96u);
  }
  return NULL;
}

static void put(unsigned char *to, const void *value, size_t size) { memcpy(to, value, size); }
#define PUT(offset, type, value) put(expected + (offset), &(type){value}, sizeof(type))

// Byte for byte, by the offsets of the wire format: one arm buys 10 at the market.
static void golden_opportunity(void **state) {
  struct desk *d = *state;
  struct hadron_decision side = decision(5, 1, 1, HADRON_DECISION_SIDE, 10);
  side.mean_return = 0.25, side.uncertainty = 0.5;
  merge(d, side);
  unsigned char expected[2 + 104 + 4 + 64] = {HADRON_MSG_OPPORTUNITY, 0};
  memset(expected + 2, 5, 16);                          // trace
  PUT(2 + 16, uint64_t, 77);                            // cause
  PUT(2 + 24, uint64_t, 1);                             // id
  PUT(2 + 32, int64_t, NOW);
  PUT(2 + 40, double, 0.25);
  PUT(2 + 48, double, 0.5);
  PUT(2 + 56, double, 1);
  PUT(2 + 64, int64_t, 1000000000);                     // net
  PUT(2 + 80, int64_t, INT64_C(100000000000));          // reference
  PUT(2 + 88, uint32_t, 1);                             // instrument
  PUT(2 + 92, uint32_t, 1);                             // decisions
  PUT(2 + 100, uint32_t, 1);                            // intents
  PUT(106, uint16_t, 64);                               // group: bytes of an entry, entries
  PUT(108, uint16_t, 1);
  memset(expected + 110, 5, 16);                        // contribution: trace
  PUT(110 + 16, uint64_t, 5);                           // decision
  PUT(110 + 24, uint32_t, 1);                           // arm
  PUT(110 + 32, int64_t, 1000000000);                   // wanted
  PUT(110 + 40, int64_t, 1000000000);                   // given
  PUT(110 + 56, double, 1);                             // weight
  assert_true(d->log_size > sizeof expected);
  assert_memory_equal(d->log, expected, sizeof expected);
}

static void side_intent(void **state) {
  struct desk *d = *state;
  merge(d, decision(5, 1, 2, HADRON_DECISION_SIDE, -10.5));
  assert_int_equal(d->intent_count, 1);
  const struct hadron_intent *in = &d->intents[0];
  assert_int_equal(in->kind, HADRON_INTENT_NEW);
  assert_int_equal(in->side, HADRON_SIDE_SELL);
  assert_int_equal(in->quantity.e8, 1000000000); // to the lot, toward zero
  assert_int_equal(in->order_type, HADRON_ORDER_MARKET);
  assert_int_equal(in->time_in_force, HADRON_TIF_IOC);
  assert_int_equal(in->reference.nanos, INT64_C(200000000000));
  assert_int_equal(in->venue, 1);
  assert_int_equal(in->arm, 1);
  assert_int_equal(in->decision, 5);
  assert_int_equal(in->opportunity, 1);
  assert_int_equal(in->cause, 77);
  assert_int_equal(in->key, 0); // the same SIDE twice is the same order
  assert_int_equal(d->share_counts[0], 1);
  assert_int_equal(d->shares[0][0].ordered.e8, 1000000000);
  assert_memory_equal(logged(d, HADRON_MSG_INTENT, 0), in, sizeof *in);
  struct hadron_decision open = decision(6, 1, 2, HADRON_DECISION_SIDE, 0);
  open.limit = test_price(199), open.key = 9; // the arm's size; a limit makes it a DAY limit order
  d->arms[1].venue = 4;
  merge(d, open);
  in = &d->intents[1];
  assert_int_equal(in->quantity.e8, 2500000000);
  assert_int_equal(in->order_type, HADRON_ORDER_LIMIT);
  assert_int_equal(in->time_in_force, HADRON_TIF_DAY);
  assert_int_equal(in->key, 9);
  assert_int_equal(in->venue, 4);
}

static void shadows_and_nonsense(void **state) {
  struct desk *d = *state;
  merge(d, decision(1, 3, 1, HADRON_DECISION_SIDE, 10));
  assert_int_equal(d->log_size, 0);
  merge(d, decision(2, ARMS + 1, 1, HADRON_DECISION_SIDE, 10));
  merge(d, decision(3, 1, TEST_INSTRUMENTS + 1, HADRON_DECISION_SIDE, 10));
  merge(d, decision(4, 1, 1, 9, 10));
  assert_int_equal(d->log_size, 0);
  assert_int_equal(d->intent_count, 0);
  assert_int_equal(d->c.errors, 3);
}

static void target_difference(void **state) {
  struct desk *d = *state;
  struct hadron_allocation a = {.price = test_price(100), .quantity = test_quantity(4), .instrument = 1, .arm = 1, .side = HADRON_SIDE_BUY};
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
  fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, test_quantity(3).e8, 1, 0);
  fake_order(&d->gateway, 1, 1, HADRON_SIDE_SELL, test_quantity(9).e8, 1, 5); // a slot's order does not count
  merge(d, decision(8, 1, 1, HADRON_DECISION_TARGET, 10));
  assert_int_equal(d->intent_count, 1);
  assert_int_equal(d->intents[0].side, HADRON_SIDE_BUY);
  assert_int_equal(d->intents[0].quantity.e8, 300000000);
  assert_int_equal(d->intents[0].key, 8); // a TARGET may mean the same order twice in a day
  merge(d, decision(9, 1, 1, HADRON_DECISION_TARGET, 7));
  assert_int_equal(d->intent_count, 1);
}

// Long 4 with 6 to buy; the target is -2: the buy goes first, then 6 are sold; a newer target takes the older one's place.
static void target_waits_for_cancel(void **state) {
  struct desk *d = *state;
  struct hadron_allocation a = {.price = test_price(100), .quantity = test_quantity(4), .instrument = 1, .arm = 1, .side = HADRON_SIDE_BUY};
  assert_int_equal(hd_portfolio_allocate(&d->books, &a), 0);
  struct hd_order *o = fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, test_quantity(6).e8, 1, 0);
  merge(d, decision(1, 1, 1, HADRON_DECISION_TARGET, -1));
  assert_int_equal(d->intent_count, 1);
  assert_int_equal(d->intents[0].kind, HADRON_INTENT_CANCEL);
  assert_memory_equal(&d->intents[0].order, &o->request.client_order_id, sizeof d->intents[0].order);
  event(d, o, HADRON_STATE_PENDING_CANCEL);
  assert_int_equal(d->intent_count, 1);
  merge(d, decision(2, 1, 1, HADRON_DECISION_TARGET, -2));
  assert_int_equal(d->intent_count, 1); // the cancel is on its way
  assert_int_equal(d->c.waiting_count, 1);
  event(d, o, HADRON_STATE_CANCELED);
  assert_int_equal(d->intent_count, 2);
  assert_int_equal(d->intents[1].side, HADRON_SIDE_SELL);
  assert_int_equal(d->intents[1].quantity.e8, 600000000);
  assert_int_equal(d->intents[1].decision, 2);
  assert_int_equal(d->c.waiting_count, 0);
}

// The venue answers inside the call: the target goes on when the merge is over, not in the middle of it.
static void target_answered_at_once(void **state) {
  struct desk *d = *state;
  d->answers = true;
  fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, test_quantity(6).e8, 1, 0);
  merge(d, decision(1, 1, 1, HADRON_DECISION_TARGET, -2));
  assert_int_equal(d->intent_count, 2);
  assert_int_equal(d->intents[1].kind, HADRON_INTENT_NEW);
  assert_int_equal(d->intents[1].quantity.e8, 200000000);
  assert_int_equal(d->c.opportunities, 2);
}

static void work_slot(void **state) {
  struct desk *d = *state;
  merge(d, work(1, 10, 99));
  assert_int_equal(d->intents[0].kind, HADRON_INTENT_NEW);
  assert_int_equal(d->intents[0].slot, 2);
  struct hd_order *o = fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, test_quantity(10).e8, test_price(99).nanos, 2);
  merge(d, work(2, 10, 99)); // unchanged
  assert_int_equal(d->intent_count, 1);
  merge(d, work(3, 10, 99.5));
  assert_int_equal(d->intents[1].kind, HADRON_INTENT_REPLACE);
  assert_int_equal(d->intents[1].limit.nanos, test_price(99.5).nanos);
  assert_memory_equal(&d->intents[1].order, &o->request.client_order_id, sizeof d->intents[1].order);
  o->state = HADRON_STATE_PENDING_REPLACE;
  merge(d, work(4, 10, 98)); // the venue has not answered: the newest waits
  merge(d, work(5, 12, 97));
  assert_int_equal(d->intent_count, 2);
  event(d, o, HADRON_STATE_ACCEPTED);
  assert_int_equal(d->intent_count, 3);
  assert_int_equal(d->intents[2].quantity.e8, 1200000000);
  assert_int_equal(d->intents[2].decision, 5);
  merge(d, work(6, 0, 97)); // withdrawn
  assert_int_equal(d->intents[3].kind, HADRON_INTENT_CANCEL);
  event(d, o, HADRON_STATE_CANCELED);
  merge(d, work(7, 0, 97)); // nothing there
  assert_int_equal(d->intent_count, 4);
}

// The other side in the same slot: the old order goes, then the new one comes.
static void work_turns(void **state) {
  struct desk *d = *state;
  struct hd_order *o = fake_order(&d->gateway, 1, 1, HADRON_SIDE_BUY, test_quantity(10).e8, test_price(99).nanos, 2);
  merge(d, work(1, -10, 101));
  assert_int_equal(d->intent_count, 1);
  assert_int_equal(d->intents[0].kind, HADRON_INTENT_CANCEL);
  event(d, o, HADRON_STATE_CANCELED);
  assert_int_equal(d->intent_count, 2);
  assert_int_equal(d->intents[1].kind, HADRON_INTENT_NEW);
  assert_int_equal(d->intents[1].side, HADRON_SIDE_SELL);
}

// 10 and 5 buy, 6 sell: 6 change hands inside the house at the mid, 9 go out with two shares.
static void crosses(void **state) {
  struct desk *d = *state;
  const struct hadron_decision three[] = {decision(1, 1, 1, HADRON_DECISION_SIDE, 10), decision(2, 2, 1, HADRON_DECISION_SIDE, 5),
                                          decision(3, 4, 1, HADRON_DECISION_SIDE, -6)};
  hd_coordinator_merge(&d->c, three, 3, NOW);
  assert_int_equal(d->cross_count, 3);
  assert_int_equal(d->crosses[0].execution, 0);
  assert_int_equal(d->crosses[0].opportunity, 1);
  assert_int_equal(d->crosses[0].price.nanos, INT64_C(100000000000));
  assert_int_equal(d->crosses[0].fee.micros, 0);
  assert_int_equal(hd_portfolio_position(&d->books, 1, 1)->quantity.e8, 400000000);
  assert_int_equal(hd_portfolio_position(&d->books, 2, 1)->quantity.e8, 200000000);
  assert_int_equal(hd_portfolio_position(&d->books, 4, 1)->quantity.e8, -600000000);
  assert_int_equal(hd_portfolio_position(&d->books, 0, 1)->quantity.e8, 0);
  assert_memory_equal(logged(d, HADRON_MSG_ALLOCATION, 2), &d->crosses[2], sizeof d->crosses[2]);
  assert_int_equal(d->intent_count, 1);
  assert_int_equal(d->intents[0].arm, 0);
  assert_int_equal(d->intents[0].quantity.e8, 900000000);
  assert_int_equal(d->share_counts[0], 2);
  assert_int_equal(d->shares[0][0].ordered.e8, 600000000);
  assert_int_equal(d->shares[0][1].ordered.e8, 300000000);
  const unsigned char *o = logged(d, HADRON_MSG_OPPORTUNITY, 0);
  struct hadron_contribution third;
  memcpy(&third, o + 108 + 2 * 64, sizeof third);
  assert_int_equal(third.flags, 1);
  assert_int_equal(third.wanted.e8, -600000000);
  assert_int_equal(third.crossed.e8, -600000000);
  assert_int_equal(third.given.e8, 0);
  assert_int_equal(d->c.conflicts, 1);
}

// A side that the books refuse takes the whole cross back.
static void cross_refused(void **state) {
  struct desk *d = *state;
  const struct hadron_decision two[] = {decision(1, 1, 1, HADRON_DECISION_SIDE, 10), decision(2, 2, 1, HADRON_DECISION_SIDE, -10)};
  d->refuse_cross = 2;
  hd_coordinator_merge(&d->c, two, 2, NOW);
  for (uint32_t arm = 0; arm <= 2; arm++) assert_int_equal(hd_portfolio_position(&d->books, arm, 1)->quantity.e8, 0);
  assert_int_equal(d->cross_count, 2);
  assert_int_equal(d->crosses[1].flags, 1);
  assert_int_equal(d->c.errors, 1);
  assert_int_equal(d->intent_count, 0);
}

// Any order of the array gives the same bytes: instruments ascending, decisions by id.
static void permutations(void **state) {
  struct desk *d = *state;
  struct hadron_decision all[6];
  for (uint32_t i = 0; i < 6; i++) all[i] = decision(i + 1, 1 + (i % 2), 3 - i % 3, HADRON_DECISION_SIDE, i % 4 == 3 ? -3 : 5);
  hd_coordinator_merge(&d->c, all, 6, NOW);
  assert_int_equal(d->c.opportunities, 3);
  struct hadron_intent first = d->intents[0];
  assert_int_equal(first.instrument, 1);
  unsigned char *log = malloc(LOG_MAX);
  uint32_t size = d->log_size;
  memcpy(log, d->log, size);
  struct hd_random r = test_random();
  for (int round = 0; round < 50; round++) {
    void *again;
    desk_open(&again);
    struct desk *e = again;
    for (uint32_t i = 5; i > 0; i--) {
      uint32_t j = (uint32_t)hd_random_below(&r, i + 1);
      struct hadron_decision swap = all[i];
      all[i] = all[j], all[j] = swap;
    }
    hd_coordinator_merge(&e->c, all, 6, NOW);
    assert_int_equal(e->log_size, size);
    assert_memory_equal(e->log, log, size);
    desk_close(&again);
  }
  free(log);
}

// Of two TARGETs of one arm the last counts; both are in the log.
static void last_target_counts(void **state) {
  struct desk *d = *state;
  const struct hadron_decision two[] = {decision(1, 1, 1, HADRON_DECISION_TARGET, 10), decision(2, 1, 1, HADRON_DECISION_TARGET, 4)};
  hd_coordinator_merge(&d->c, two, 2, NOW);
  assert_int_equal(d->intent_count, 1);
  assert_int_equal(d->intents[0].quantity.e8, 400000000);
  uint16_t entries;
  memcpy(&entries, logged(d, HADRON_MSG_OPPORTUNITY, 0) + 106, 2);
  assert_int_equal(entries, 2);
}

// 19 arms in one leg: the 16 largest share an order, the rest another; two venues are two orders.
static void many_shares(void **state) {
  struct desk *d = *state;
  struct hadron_decision all[ARMS];
  uint32_t n = 0;
  for (uint32_t arm = 1; arm <= ARMS; arm++)
    if (arm != 3) all[n++] = decision(arm, arm, 1, HADRON_DECISION_SIDE, arm);
  hd_coordinator_merge(&d->c, all, n, NOW);
  assert_int_equal(d->intent_count, 2);
  assert_int_equal(d->share_counts[0], 16);
  assert_int_equal(d->share_counts[1], 3);
  assert_int_equal(d->intents[0].quantity.e8 + d->intents[1].quantity.e8, (int64_t)(ARMS * (ARMS + 1) / 2 - 3) * 100000000);
  assert_int_equal(d->intents[1].quantity.e8, 700000000); // 1 + 2 + 4
  assert_int_not_equal(d->intents[1].key, 0);             // never the same id as its sibling
  d->arms[2].venue = 9;
  hd_coordinator_merge(&d->c, all, 2, NOW);
  assert_int_equal(d->intent_count, 4);
  assert_int_equal(d->intents[2].venue, 1);
  assert_int_equal(d->intents[3].venue, 9);
}

// Nothing leaves that was not recorded.
static void unrecorded_stays(void **state) {
  struct desk *d = *state;
  d->fail_at = 1;
  merge(d, decision(1, 1, 1, HADRON_DECISION_SIDE, 10));
  assert_int_equal(d->intent_count, 0);
  d->fail_at = d->written + 2; // the intent
  merge(d, decision(2, 1, 1, HADRON_DECISION_SIDE, 10));
  assert_int_equal(d->intent_count, 0);
  assert_int_equal(d->c.errors, 2);
  merge(d, decision(3, 1, 1, HADRON_DECISION_SIDE, 10));
  assert_int_equal(d->intent_count, 1);
}

static uint32_t wrong; // which way the allocator is wrong

static int32_t merge_wrong(void *self, const struct hadron_merge_input *in, struct hadron_merge_output *out) {
  (void)self;
  struct hadron_leg leg = {.quantity = in->decisions[0].quantity, .side = HADRON_SIDE_BUY, .order_type = HADRON_ORDER_MARKET,
                           .time_in_force = HADRON_TIF_IOC, .share_count = 1};
  out->shares[0] = (struct hadron_share){.quantity = in->decisions[0].quantity};
  out->leg_count = out->share_count = 1;
  switch (wrong) {
  case 0: break; // right, to show that the others are not refused for another reason
  case 1: return HADRON_ERR_PLUGIN;
  case 2: out->leg_count = HADRON_MERGE_LEGS_MAX + 1; break;
  case 3: out->share_count = 2 * HADRON_MERGE_DECISIONS_MAX + 1; break;
  case 4: leg.share_first = UINT32_MAX; break;
  case 5: leg.share_count = UINT32_MAX; break;
  case 6: out->shares[0].decision = in->count; break;
  case 7: out->shares[0].quantity.e8 = -1; break;
  case 8: leg.quantity.e8 += 1; break;
  case 9: leg.side = 0; break;
  case 10: leg.crossed = 1; break; // nobody on the other side
  case 11: leg.slot = 3; break;    // no WORK
  default: leg.lead = 64; break;
  }
  out->legs[0] = leg;
  return HADRON_OK;
}

static void wrong_allocator(void **state) {
  struct desk *d = *state;
  static const struct hadron_allocator_api api = {.struct_size = sizeof api, .merge = merge_wrong};
  d->c.allocator = &api;
  for (wrong = 0; wrong <= 12; wrong++) {
    merge(d, decision(wrong + 1, 1, 1, HADRON_DECISION_SIDE, 10));
    assert_int_equal(d->intent_count, 1);
    assert_int_equal(d->c.errors, wrong);
    assert_non_null(logged(d, HADRON_MSG_OPPORTUNITY, wrong)); // the decision is in the log all the same
  }
}

static int load_net(void) {
  const char *dir = getenv("HADRON_PLUGIN_DIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/net.so", dir ? dir : "plugins");
  void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  hadron_plugin_entry entry;
  if (!file) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  void *symbol = dlsym(file, "hadron_plugin_v1");
  memcpy(&entry, &symbol, sizeof entry);
  net = entry()->api;
  return net->create(NULL, &net_self);
}

#define DESK(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)

int main(void) {
  if (load_net()) return 1;
  const struct CMUnitTest tests[] = {
      DESK(golden_opportunity), DESK(side_intent), DESK(shadows_and_nonsense), DESK(target_difference), DESK(target_waits_for_cancel),
      DESK(target_answered_at_once), DESK(work_slot), DESK(work_turns), DESK(crosses), DESK(cross_refused), DESK(permutations),
      DESK(last_target_counts), DESK(many_shares), DESK(unrecorded_stays), DESK(wrong_allocator),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  net->destroy(net_self);
  return failed;
}
