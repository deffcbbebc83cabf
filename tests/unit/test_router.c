// Promise: lanes follow the rules, also while they change; whatever ticks, rules, facts and shards do, an instrument's ticks leave in
// the order in which they came, nothing is lost without being counted, and a conflated quote is the latest of its instrument.
#include "support/test.h"

#include "pipeline/router.h"
#include "support/market.h"

#define SHARDS_MAX 4

struct desk {
  struct test_market market;
  struct hd_router r;
};

static void desk_open(struct desk *d, uint32_t shards, uint32_t lane_ticks) {
  test_market_init(&d->market);
  for (uint32_t i = 1; i <= TEST_INSTRUMENTS; i++) d->market.rows[i].shard = i % shards;
  assert_int_equal(hd_router_init(&d->r, &d->market.instruments, shards, lane_ticks), HADRON_OK);
}

static struct hadron_tick tick(uint32_t instrument, uint8_t kind, uint64_t sequence) {
  return (struct hadron_tick){.instrument = instrument, .kind = kind, .sequence = sequence, .event_ns = 1};
}

static enum hd_routed route(struct desk *d, uint32_t instrument, uint8_t kind, uint64_t sequence) {
  struct hadron_tick t = tick(instrument, kind, sequence);
  return hd_router_route(&d->r, &t);
}

// The next tick of a shard and its lane; 0: none.
static uint32_t take(struct desk *d, uint32_t shard, struct hadron_tick *out) {
  struct hd_ring *from;
  struct hadron_tick *t = hd_lanes_peek(&d->r.lanes[shard], &from);
  if (!t) return 0;
  *out = *t;
  uint32_t lane = HADRON_LANE_FAST + (uint32_t)(from - d->r.lanes[shard].rings);
  hd_ring_release(from);
  return lane;
}

static void expect(struct desk *d, uint32_t lane, uint64_t sequence) {
  struct hadron_tick t = {0};
  uint32_t from = take(d, 0, &t);
  if (from != lane || (lane && t.sequence != sequence))
    fail_msg("expected tick %llu in lane %s, found %llu in %s", (unsigned long long)sequence, hd_lane_name(lane), (unsigned long long)t.sequence, hd_lane_name(from));
}

static void default_rules_give_lanes(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, 1, 64);
  assert_int_equal(route(&d, 1, HADRON_TICK_QUOTE, 1), HD_ROUTED);
  assert_int_equal(route(&d, 1, HADRON_TICK_BOOK, 2), HD_ROUTED);
  assert_int_equal(route(&d, 2, HADRON_TICK_TRADE, 3), HD_ROUTED);
  assert_int_equal(route(&d, 3, HADRON_TICK_STATUS, 4), HD_ROUTED);
  hd_router_fact(&d.r, 4, HD_FACT_POSITION, true);
  assert_int_equal(route(&d, 4, HADRON_TICK_QUOTE, 5), HD_ROUTED);
  hd_router_fact(&d.r, 5, HD_FACT_VOLATILE, true);
  assert_int_equal(route(&d, 5, HADRON_TICK_QUOTE, 6), HD_ROUTED);
  hd_router_fact(&d.r, 6, HD_FACT_UNSUBSCRIBED, true);
  assert_int_equal(route(&d, 6, HADRON_TICK_TRADE, 7), HD_ROUTED_DROPPED);
  hd_router_fact(&d.r, 6, HD_FACT_POSITION, true); // what is held is watched, whoever wants it
  assert_int_equal(route(&d, 6, HADRON_TICK_TRADE, 8), HD_ROUTED);
  expect(&d, HADRON_LANE_FAST, 5); // FAST, then WARM, then COLD
  expect(&d, HADRON_LANE_FAST, 6);
  expect(&d, HADRON_LANE_FAST, 8);
  expect(&d, HADRON_LANE_WARM, 3);
  expect(&d, HADRON_LANE_WARM, 4);
  expect(&d, HADRON_LANE_COLD, 1);
  expect(&d, HADRON_LANE_COLD, 2);
  expect(&d, 0, 0);
  assert_int_equal(d.r.routed[HADRON_LANE_DROP], 1);
  hd_router_fini(&d.r);
}

static void rules_are_checked_and_change(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, 1, 64);
  struct hd_lane_rules rules = {.rules = {{0, HD_FACT_ALWAYS, 0, HADRON_LANE_INVALID}}, .count = 1};
  assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_ERR_ARGUMENT);
  rules.rules[0].lane = HADRON_LANE_DROP + 1;
  assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_ERR_ARGUMENT);
  rules.rules[0] = (struct hd_lane_rule){0, HD_FACT_POSITION | HD_FACT_VOLATILE, 0, HADRON_LANE_FAST}; // one fact each
  assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_ERR_ARGUMENT);
  rules.rules[0].fact = 16;
  assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_ERR_ARGUMENT);
  rules.count = HD_LANE_RULES_MAX + 1;
  assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_ERR_ARGUMENT);
  route(&d, 1, HADRON_TICK_TRADE, 1); // the old rules hold
  rules = (struct hd_lane_rules){.rules = {{1u << HADRON_TICK_TRADE, HD_FACT_ALWAYS, 1, HADRON_LANE_FAST}, {0, HD_FACT_ALWAYS, 3, HADRON_LANE_DROP}}, .count = 2};
  assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_OK);
  route(&d, 1, HADRON_TICK_TRADE, 2); // waits behind the first in WARM
  route(&d, 2, HADRON_TICK_TRADE, 3); // no rule: COLD
  assert_int_equal(route(&d, 3, HADRON_TICK_TRADE, 4), HD_ROUTED_DROPPED);
  assert_int_equal(d.r.lane_waits, 1);
  expect(&d, HADRON_LANE_WARM, 1);
  route(&d, 1, HADRON_TICK_TRADE, 5); // 2 is still there
  expect(&d, HADRON_LANE_WARM, 2);
  expect(&d, HADRON_LANE_WARM, 5);
  route(&d, 1, HADRON_TICK_TRADE, 6);
  expect(&d, HADRON_LANE_FAST, 6);
  expect(&d, HADRON_LANE_COLD, 3);
  assert_int_equal(d.r.lane_changes, 1);
  rules.count = 0;
  assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_OK);
  route(&d, 1, HADRON_TICK_TRADE, 7);
  expect(&d, HADRON_LANE_COLD, 7);
  hd_router_fini(&d.r);
}

// Instrument 1 moves with 2 and 3. It is WARM as long as either of them is FAST.
static void peers_of_fast_ones_are_warm(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, 1, 64);
  assert_int_equal(hd_router_correlate(&d.r, 0, 1), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_router_correlate(&d.r, 1, 1), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_router_correlate(&d.r, 1, TEST_INSTRUMENTS + 1), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_router_correlate(&d.r, 1, 2), HADRON_OK);
  assert_int_equal(hd_router_correlate(&d.r, 3, 1), HADRON_OK);
  uint64_t sequence = 0;
  struct hadron_tick t;
#define QUOTE_LANE(expected)                       \
  do {                                             \
    while (take(&d, 0, &t)) continue;              \
    route(&d, 1, HADRON_TICK_QUOTE, ++sequence);   \
    assert_int_equal(take(&d, 0, &t), expected);   \
  } while (0)
  QUOTE_LANE(HADRON_LANE_COLD);
  hd_router_fact(&d.r, 2, HD_FACT_POSITION, true);
  route(&d, 2, HADRON_TICK_QUOTE, ++sequence);
  QUOTE_LANE(HADRON_LANE_WARM);
  route(&d, 3, HADRON_TICK_QUOTE, ++sequence); // not fast itself: says nothing against 2
  QUOTE_LANE(HADRON_LANE_WARM);
  hd_router_fact(&d.r, 3, HD_FACT_VOLATILE, true);
  route(&d, 3, HADRON_TICK_QUOTE, ++sequence);
  hd_router_fact(&d.r, 2, HD_FACT_POSITION, false);
  route(&d, 2, HADRON_TICK_QUOTE, ++sequence);
  QUOTE_LANE(HADRON_LANE_WARM);
  hd_router_fact(&d.r, 3, HD_FACT_VOLATILE, false);
  route(&d, 3, HADRON_TICK_QUOTE, ++sequence);
  QUOTE_LANE(HADRON_LANE_COLD);
  hd_router_fini(&d.r);
}

static void overload_conflates_quotes_and_refuses_trades(void **state) {
  (void)state;
  struct desk d;
  desk_open(&d, 1, 64);
  const struct hd_lane_rules cold = {.count = 0};
  assert_int_equal(hd_router_rules(&d.r, &cold), HADRON_OK);
  uint64_t n = 0;
  for (int i = 0; i < 48; i++) assert_int_equal(route(&d, 2, HADRON_TICK_QUOTE, ++n), HD_ROUTED);
  struct hadron_tick gap = tick(1, HADRON_TICK_QUOTE, ++n);
  gap.flags = HADRON_TICK_GAP;
  assert_int_equal(hd_router_route(&d.r, &gap), HD_ROUTED_CONFLATED);
  assert_int_equal(d.r.conflated, 0); // nothing was overtaken yet
  assert_int_equal(route(&d, 1, HADRON_TICK_QUOTE, ++n), HD_ROUTED_CONFLATED);
  assert_int_equal(route(&d, 1, HADRON_TICK_QUOTE, ++n), HD_ROUTED_CONFLATED);
  assert_int_equal(d.r.conflated, 2);
  assert_int_equal(d.r.held_count, 1);
  assert_int_equal(hd_router_flush(&d.r), 1); // no room yet
  assert_int_equal(route(&d, 1, HADRON_TICK_TRADE, ++n), HD_ROUTED); // takes the held quote along
  assert_int_equal(d.r.held_count, 0);
  for (int i = 0; i < 14; i++) assert_int_equal(route(&d, 3, HADRON_TICK_TRADE, ++n), HD_ROUTED);
  assert_int_equal(route(&d, 3, HADRON_TICK_TRADE, ++n), HD_ROUTED_FULL);
  assert_int_equal(route(&d, 4, HADRON_TICK_QUOTE, ++n), HD_ROUTED_CONFLATED);
  assert_int_equal(route(&d, 4, HADRON_TICK_TRADE, ++n), HD_ROUTED_FULL);
  for (uint64_t i = 1; i <= 48; i++) expect(&d, HADRON_LANE_COLD, i);
  struct hadron_tick t;
  assert_int_equal(take(&d, 0, &t), HADRON_LANE_COLD);
  assert_int_equal(t.sequence, 51);
  assert_int_equal(t.flags, HADRON_TICK_CONFLATED | HADRON_TICK_GAP); // it stands for the others and for what was lost before them
  expect(&d, HADRON_LANE_COLD, 52);
  assert_int_equal(hd_router_flush(&d.r), 0);
  while (take(&d, 0, &t)) continue;
  assert_int_equal(t.instrument, 4);
  hd_router_fini(&d.r);
}

// ---- property --------------------------------------------------------------------------------------------------------------------

static struct hd_lane_rules random_rules(struct hd_random *random) {
  struct hd_lane_rules rules = {.count = (uint32_t)hd_random_below(random, 6)};
  for (uint32_t i = 0; i < rules.count; i++) {
    static const uint32_t facts[] = {0, HD_FACT_POSITION, HD_FACT_VOLATILE, HD_FACT_PEER_FAST, HD_FACT_UNSUBSCRIBED};
    rules.rules[i] = (struct hd_lane_rule){.kinds = (uint32_t)hd_random_below(random, 32) & ~1u, .fact = facts[hd_random_below(random, 5)],
                                           .instrument = (uint32_t)hd_random_below(random, TEST_INSTRUMENTS + 1),
                                           .lane = HADRON_LANE_FAST + (uint32_t)hd_random_below(random, 4)};
  }
  return rules;
}

struct seen {
  uint64_t last[TEST_INSTRUMENTS + 1]; // sequence that left last
  uint64_t left;
};

static void leave(struct desk *d, struct seen *seen, uint32_t shard) {
  struct hadron_tick t;
  uint64_t sizes[HD_LANE_COUNT];
  for (int lane = 0; lane < HD_LANE_COUNT; lane++) sizes[lane] = hd_ring_size(&d->r.lanes[shard].rings[lane]);
  uint32_t lane = take(d, shard, &t);
  if (!lane) {
    assert_int_equal(sizes[0] + sizes[1] + sizes[2], 0);
    return;
  }
  for (uint32_t above = HADRON_LANE_FAST; above < lane; above++) assert_int_equal(sizes[above - HADRON_LANE_FAST], 0);
  assert_int_equal(d->market.rows[t.instrument].shard, shard);
  assert_true(t.sequence > seen->last[t.instrument]);
  seen->last[t.instrument] = t.sequence;
  seen->left++;
}

static void random_flow_keeps_order_and_counts(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (int round = 0; round < 40; round++) {
    uint32_t shards = 1 + (uint32_t)hd_random_below(&random, SHARDS_MAX);
    struct desk d;
    struct seen seen = {0};
    desk_open(&d, shards, 64);
    for (int i = 0; i < 4; i++) hd_router_correlate(&d.r, 1 + (uint32_t)hd_random_below(&random, 4), 5 + (uint32_t)hd_random_below(&random, 4));
    uint64_t offered = 0, full = 0, drain = 1 + hd_random_below(&random, 4);
    uint64_t quoted[TEST_INSTRUMENTS + 1] = {0};
    for (uint64_t n = 1; n <= 20000; n++) {
      uint32_t id = 1 + (uint32_t)hd_random_below(&random, TEST_INSTRUMENTS);
      uint8_t kind = hd_random_below(&random, 3) ? HADRON_TICK_QUOTE : (uint8_t)(1 + hd_random_below(&random, 4));
      enum hd_routed routed = route(&d, id, kind, n);
      offered++;
      if (routed == HD_ROUTED_FULL) {
        hd_router_lost(&d.r);
        full++;
      }
      if (routed == HD_ROUTED_CONFLATED) {
        quoted[id] = n;
        assert_int_equal(d.r.held[id].sequence, n); // the latest, and it waits
      }
      if (hd_random_below(&random, 50) == 0) hd_router_fact(&d.r, id, 1u << hd_random_below(&random, 4), hd_random_below(&random, 2));
      if (hd_random_below(&random, 500) == 0) {
        struct hd_lane_rules rules = random_rules(&random);
        assert_int_equal(hd_router_rules(&d.r, &rules), HADRON_OK);
      }
      if (hd_random_below(&random, 1000) == 0) drain = hd_random_below(&random, 4);
      for (uint64_t i = 0; i < drain; i++) leave(&d, &seen, (uint32_t)hd_random_below(&random, shards));
      if (hd_random_below(&random, 20) == 0) hd_router_flush(&d.r);
      uint64_t waiting = d.r.held_count;
      assert_int_equal(d.r.routed[HADRON_LANE_FAST] + d.r.routed[HADRON_LANE_WARM] + d.r.routed[HADRON_LANE_COLD] + d.r.routed[HADRON_LANE_DROP] +
                           d.r.conflated + d.r.lost + waiting, offered);
    }
    for (int i = 0; i < 1000; i++) {
      hd_router_flush(&d.r);
      for (uint32_t s = 0; s < shards; s++)
        for (int k = 0; k < 64; k++) leave(&d, &seen, s);
    }
    assert_int_equal(d.r.held_count, 0);
    assert_int_equal(seen.left, d.r.routed[HADRON_LANE_FAST] + d.r.routed[HADRON_LANE_WARM] + d.r.routed[HADRON_LANE_COLD]);
    assert_int_equal(d.r.lost, full);
    for (uint32_t id = 1; id <= TEST_INSTRUMENTS; id++) assert_true(seen.last[id] >= quoted[id]); // the last held quote did leave
    hd_router_fini(&d.r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(default_rules_give_lanes),    cmocka_unit_test(rules_are_checked_and_change),
      cmocka_unit_test(peers_of_fast_ones_are_warm), cmocka_unit_test(overload_conflates_quotes_and_refuses_trades),
      cmocka_unit_test(random_flow_keeps_order_and_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
