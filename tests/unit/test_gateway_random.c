// Promise: whatever the order of events, allocations sum to executions to the last unit, fills never pass what was ordered unless the
// venue overfills, counts agree with states, the same events give the same records byte for byte, and nothing is allocated after
// create. Any report, however senseless, is survived.
#include <malloc.h>

#include "support/gateway_rig.h"

#define KNOWN 48

struct world {
  struct rig rig;
  struct hd_random random;
  struct hadron_client_order_id ids[KNOWN];
  uint32_t count;
  uint64_t execution;
};

static uint64_t any(struct world *w, uint64_t n) { return hd_random_below(&w->random, n); }

static void make(struct world *w) {
  struct rig *rig = &w->rig;
  struct hadron_intent i = rig_intent(rig, (uint8_t)(1 + any(w, 2)), (uint8_t)(1 + any(w, 4)), 0, 0);
  i.instrument = (uint32_t)(1 + any(w, 2)), i.arm = 0;
  i.time_in_force = (uint8_t)(1 + any(w, 5));
  i.expire_ns = i.time_in_force == HADRON_TIF_GTD ? rig->now + (int64_t)any(w, 5000) * RIG_MS + 1 : 0;
  if (i.order_type == HADRON_ORDER_LIMIT || i.order_type == HADRON_ORDER_STOP_LIMIT) i.limit.nanos = rig_nanos(100);
  if (i.order_type >= HADRON_ORDER_STOP) i.stop.nanos = rig_nanos((double)(95 + any(w, 10)));
  struct hd_share shares[HD_SHARES_MAX];
  uint32_t n = (uint32_t)(1 + any(w, HD_SHARES_MAX)), arm = 0;
  for (uint32_t k = 0; k < n; k++) {
    arm += (uint32_t)(1 + any(w, 3));
    shares[k] = (struct hd_share){.arm = arm, .ordered = {(int64_t)(1 + any(w, 1000))}};
    i.quantity.e8 += shares[k].ordered.e8;
  }
  bool replace = w->count > 0 && any(w, 4) == 0;
  if (replace) {
    i.kind = HADRON_INTENT_REPLACE, i.order = w->ids[any(w, w->count)];
    const struct hd_order *o = hd_gateway_order(rig->g, &i.order);
    if (o) i.instrument = o->request.instrument, i.side = o->request.side;
  }
  struct hd_verdict verdict = {.reason = any(w, 20) == 0 ? HADRON_RISK_COLLAR : 0};
  struct hadron_client_order_id id;
  hd_gateway_order_id(rig->g, &i, "any", rig->now, &id);
  hd_gateway_intent(rig->g, &i, shares, n, &verdict, "any", rig->now);
  if (hd_gateway_order(rig->g, &id)) w->ids[w->count < KNOWN ? w->count++ : any(w, KNOWN)] = id;
}

static void report(struct world *w) {
  struct rig *rig = &w->rig;
  struct hadron_client_order_id id = {"ffffffffffffffffffffffff"};
  if (w->count > 0 && any(w, 50) != 0) id = w->ids[any(w, w->count)];
  struct hadron_venue_report r = rig_report(rig, &id, (uint8_t)any(w, 20));
  const struct hd_order *o = hd_gateway_order(rig->g, &id);
  if (any(w, 3) == 0) r.change = HADRON_CHANGE_FILL;
  if (any(w, 4) == 0) r.change = HADRON_CHANGE_ACCEPT;
  if (r.change == HADRON_CHANGE_FILL || r.change == HADRON_CHANGE_BUST) {
    bool old = any(w, 5) == 0 || r.change == HADRON_CHANGE_BUST;
    snprintf(r.execution_id, sizeof r.execution_id, "%llu", (unsigned long long)(old ? any(w, w->execution + 2) : ++w->execution));
    int64_t left = o ? o->request.quantity.e8 - o->filled.e8 : 10;
    r.quantity.e8 = any(w, 10) == 0 ? (int64_t)any(w, 3000) : left > 0 ? (int64_t)(1 + any(w, (uint64_t)left)) : (int64_t)any(w, 2);
    r.price.nanos = rig_nanos((double)(90 + any(w, 20)));
    r.fee.micros = (int64_t)any(w, 2001) - 1000;
  }
  if (any(w, 6) == 0) r.cumulative.e8 = o ? o->filled.e8 + (int64_t)any(w, 3) * (any(w, 4) == 0) : (int64_t)any(w, 10);
  r.flags = any(w, 5) == 0;
  hd_gateway_report(rig->g, &r, rig->now);
}

static void step(struct world *w) {
  struct rig *rig = &w->rig;
  rig->now += (int64_t)any(w, 200) * RIG_MS;
  uint64_t what = any(w, 20);
  if (what < 5) make(w);
  else if (what < 15) report(w);
  else if (what == 15 && w->count > 0) rig_cancel(rig, &w->ids[any(w, w->count)]);
  else if (what == 16) rig_mark(rig, (uint32_t)(1 + any(w, 2)), (double)(90 + any(w, 20)));
  else if (what == 17 && any(w, 20) == 0) hd_gateway_cancel_all(rig->g, (uint32_t)any(w, 3), (uint32_t)any(w, 3), rig->now);
  else if (what == 18 && any(w, 4) == 0) {
    rig->features ^= any(w, 2) ? HADRON_VENUE_REPLACES : HADRON_VENUE_STOPS;
    rig->port_error[1 + any(w, 4)] = any(w, 2) ? HADRON_ERR_CLOSED : 0;
  } else assert_true(hd_gateway_timer(rig->g, rig->now) > rig->now);
}

// ---- what must hold

static void orders_agree(struct world *w) {
  struct hd_gateway *g = w->rig.g;
  uint32_t open = 0, unknown[3] = {0};
  for (const struct hd_order *o = hd_gateway_first(g); o; o = hd_gateway_next(g, o)) {
    open++;
    assert_false(hd_order_final(o->state));
    assert_int_equal(o->pins, 0);
    unknown[o->request.instrument] += o->state == HADRON_STATE_UNKNOWN || o->gap;
    assert_ptr_equal(hd_gateway_order(g, &o->request.client_order_id), o);
  }
  assert_int_equal(open, hd_gateway_count(g)->open);
  for (uint32_t i = 1; i <= 2; i++) assert_true(hd_gateway_unknown(g, i) >= unknown[i]); // closed ones with a gap come on top
}

struct totals {
  int64_t quantity, fee;
  uint64_t execution;
};

// Reads the records that came since `from`: each execution is followed by its allocations, which make it up.
static void records_agree(const struct rig *rig, uint32_t from) {
  struct totals t = {0};
  for (uint32_t n = from; n < rig->record_count; n++) {
    const struct rig_record *r = &rig->records[n % RIG_KEPT];
    if (r->template_id == HADRON_MSG_ALLOCATION) {
      assert_int_equal(r->m.allocation.execution, t.execution);
      assert_true(r->m.allocation.quantity.e8 > 0);
      t.quantity -= r->m.allocation.quantity.e8, t.fee -= r->m.allocation.fee.micros;
    } else {
      assert_int_equal(t.quantity, 0);
      assert_int_equal(t.fee, 0);
    }
    if (r->template_id == HADRON_MSG_EXECUTION && !(r->m.execution.flags & 2))
      t = (struct totals){r->m.execution.quantity.e8, r->m.execution.fee.micros, r->m.execution.id};
  }
  assert_int_equal(t.quantity, 0);
}

static void run(struct world *w, uint64_t seed, int steps) {
  struct hd_gateway_options options = rig_options();
  options.orders_max = 32, options.executions_max = 64, options.ids_max = 4096, options.resend = seed & 1;
  memset(w, 0, sizeof *w);
  hd_random_init(&w->random, seed);
  rig_open(&w->rig, &options);
  struct mallinfo2 before = mallinfo2();
  for (int n = 0; n < steps; n++) {
    uint32_t from = w->rig.record_count;
    step(w);
    records_agree(&w->rig, from);
    if (n % 8 == 0) orders_agree(w);
  }
  struct mallinfo2 after = mallinfo2();
  assert_int_equal(after.uordblks, before.uordblks);
  assert_int_equal(after.hblks, before.hblks);
}

static void any_order_of_events(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static struct world a, b;
  for (int n = 0; n < 60; n++) {
    uint64_t seed = hd_random_next(&r);
    run(&a, seed, 3000);
    run(&b, seed, 3000);
    assert_int_equal(a.rig.writes, b.rig.writes);
    assert_true(a.rig.digest == b.rig.digest);
    assert_true(hd_gateway_count(a.rig.g)->executions > 100);
    rig_close(&a.rig);
    rig_close(&b.rig);
  }
}

// A venue that behaves: whatever the sizes, fills end at what was ordered and every share gets what it ordered.
static void honest_venue(void **state) {
  (void)state;
  static struct world w;
  w.random = test_random();
  rig_open(&w.rig, NULL);
  for (int n = 0; n < 2000; n++) {
    struct hadron_intent i = rig_intent(&w.rig, HADRON_SIDE_BUY, HADRON_ORDER_LIMIT, 0, 100);
    i.arm = 0;
    struct hd_share shares[HD_SHARES_MAX];
    uint32_t count = (uint32_t)(1 + any(&w, HD_SHARES_MAX));
    for (uint32_t k = 0; k < count; k++) {
      shares[k] = (struct hd_share){.arm = k + 1, .ordered = {(int64_t)(1 + any(&w, any(&w, 2) ? 5 : 1000000))}};
      i.quantity.e8 += shares[k].ordered.e8;
    }
    struct hd_verdict yes = {0};
    struct hadron_client_order_id id;
    hd_gateway_order_id(w.rig.g, &i, "any", w.rig.now, &id);
    w.rig.now += 86400 * RIG_S / 100; // so that the day's ids never run out
    hd_gateway_order_id(w.rig.g, &i, "any", w.rig.now, &id);
    assert_int_equal(hd_gateway_intent(w.rig.g, &i, shares, count, &yes, "any", w.rig.now), HADRON_OK);
    const struct hd_order *o = rig_find(&w.rig, &id);
    while (o->state != HADRON_STATE_FILLED) {
      struct hadron_venue_report r = rig_report(&w.rig, &id, HADRON_CHANGE_FILL);
      snprintf(r.execution_id, sizeof r.execution_id, "h%llu", (unsigned long long)++w.execution);
      r.price.nanos = 1, r.quantity.e8 = (int64_t)(1 + any(&w, (uint64_t)(o->request.quantity.e8 - o->filled.e8)));
      assert_int_equal(hd_gateway_report(w.rig.g, &r, w.rig.now), HADRON_OK);
      for (uint32_t k = 0; k < o->share_count; k++) assert_true(o->shares[k].filled.e8 <= o->shares[k].ordered.e8);
    }
    for (uint32_t k = 0; k < o->share_count; k++) assert_int_equal(o->shares[k].filled.e8, o->shares[k].ordered.e8);
  }
  rig_close(&w.rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(any_order_of_events), cmocka_unit_test(honest_venue)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
