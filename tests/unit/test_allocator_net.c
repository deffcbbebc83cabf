// Promise: `net` is exact and pure. For any wants the shares add up to their legs, the crossed sides are equal, nobody gets more than
// it wants or the other side, what is netted plus what goes out is what was wanted, and the same input gives the same bytes. The
// plugin is the built one, loaded as the host loads it.
#include "support/test.h"

#include <dlfcn.h>

#include "hadron/allocator.h"

#define LOT INT64_C(100000000)
#define MAX HADRON_MERGE_DECISIONS_MAX

static const struct hadron_allocator_api *net;
static void *self;

static struct hadron_decision decisions[MAX];
static struct hadron_standing standings[MAX];
static struct hadron_market market;
static struct hadron_merge_output output;
static uint32_t count;

static void begin(void) {
  memset(decisions, 0, sizeof decisions);
  memset(standings, 0, sizeof standings);
  market = (struct hadron_market){.bid = {INT64_C(99990000000)}, .ask = {INT64_C(100010000000)}, .increment = {10000000}, .lot = {LOT}, .instrument = 1};
  count = 0;
}

static int32_t merge(void) {
  struct hadron_merge_input input = {.struct_size = sizeof input, .count = count, .decisions = decisions, .standings = standings, .market = &market};
  memset(&output, 0, sizeof output);
  output.struct_size = sizeof output;
  return net->merge(self, &input, &output);
}

static struct hadron_decision *side(int64_t lots) {
  struct hadron_decision *d = &decisions[count];
  *d = (struct hadron_decision){.id = count + 1, .instrument = 1, .arm = count + 1, .kind = HADRON_DECISION_SIDE, .quantity = {(lots < 0 ? -lots : lots) * LOT},
                                .side = lots < 0 ? HADRON_SIDE_SELL : HADRON_SIDE_BUY, .order_type = HADRON_ORDER_MARKET, .time_in_force = HADRON_TIF_IOC};
  standings[count] = (struct hadron_standing){.weight = 1, .role = 1};
  count++;
  return d;
}

static const struct hadron_leg *leg(uint32_t i) {
  assert_true(i < output.leg_count);
  return &output.legs[i];
}
static int64_t share(const struct hadron_leg *l, uint32_t i) {
  assert_true(i < l->share_count);
  return output.shares[l->share_first + i].quantity.e8 / LOT;
}

static void one(void **state) {
  (void)state;
  begin();
  side(7);
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 1);
  assert_int_equal(leg(0)->quantity.e8, 7 * LOT);
  assert_int_equal(leg(0)->side, HADRON_SIDE_BUY);
  assert_int_equal(leg(0)->crossed, 0);
  assert_int_equal(output.conflicts, 0);
}

// 10 and 5 buy, 6 sell: 4 and 2 cross, 6 and 3 go out as one order.
static void nets_pro_rata(void **state) {
  (void)state;
  begin();
  side(10), side(5), side(-6);
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 3);
  assert_int_equal(leg(0)->crossed, 1);
  assert_int_equal(leg(0)->side, HADRON_SIDE_BUY);
  assert_int_equal(share(leg(0), 0), 4);
  assert_int_equal(share(leg(0), 1), 2);
  assert_int_equal(leg(1)->crossed, 1);
  assert_int_equal(leg(1)->quantity.e8, 6 * LOT);
  assert_int_equal(leg(2)->quantity.e8, 9 * LOT);
  assert_int_equal(share(leg(2), 0), 6);
  assert_int_equal(share(leg(2), 1), 3);
  assert_int_equal(output.conflicts, 1);
}

// 1, 1, 1 buy against 2: remainders are equal, the lower indexes get them. 5 and 4 against 4: 2.2 and 1.7: the 0.7 wins.
static void remainders(void **state) {
  (void)state;
  begin();
  side(1), side(1), side(1), side(-2);
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->share_count, 2);
  assert_int_equal(output.shares[leg(0)->share_first].decision, 0);
  assert_int_equal(output.shares[leg(0)->share_first + 1].decision, 1);
  assert_int_equal(output.shares[leg(2)->share_first].decision, 2);
  begin();
  side(5), side(4), side(-4);
  assert_int_equal(merge(), 0);
  assert_int_equal(share(leg(0), 0), 2);
  assert_int_equal(share(leg(0), 1), 2);
}

// Weights scale what is wanted, to the lot toward zero; a TARGET by its weight less what is held and works.
static void weights_and_targets(void **state) {
  (void)state;
  begin();
  side(10);
  standings[0].weight = 0.37;
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->quantity.e8, 3 * LOT);
  standings[0].weight = 0.3; // 0.3 is no binary fraction: as parts per million it is exact
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->quantity.e8, 3 * LOT);
  standings[0].weight = 0;
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 0);
  standings[0] = (struct hadron_standing){.weight = 0.5, .position = {12 * LOT}, .working = {-2 * LOT}};
  decisions[0].kind = HADRON_DECISION_TARGET, decisions[0].quantity.e8 = -10 * LOT; // -5 - 12 + 2
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->side, HADRON_SIDE_SELL);
  assert_int_equal(leg(0)->quantity.e8, 15 * LOT);
  standings[0].position.e8 = -3 * LOT + 1; // a fraction below the lot stays
  standings[0].working.e8 = 0;
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->quantity.e8, 2 * LOT);
}

// Only like terms share an order; only who takes the reference price crosses.
static void terms(void **state) {
  (void)state;
  begin();
  struct hadron_decision *d = side(5);
  d->order_type = HADRON_ORDER_LIMIT, d->limit.nanos = INT64_C(99000000000); // would not pay 100
  side(-3);
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 2);
  assert_int_equal(leg(0)->crossed + leg(1)->crossed, 0);
  d->limit.nanos = INT64_C(100000000000); // pays 100
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 3);
  assert_int_equal(leg(2)->quantity.e8, 2 * LOT);
  d->flags = HADRON_ORDER_POST_ONLY;
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->crossed + leg(1)->crossed, 0);
  d->flags = 0, d->time_in_force = HADRON_TIF_FOK;
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->crossed + leg(1)->crossed, 0);
  d->time_in_force = HADRON_TIF_IOC;
  market.bid.nanos = market.ask.nanos = 0; // no price: nothing crosses
  assert_int_equal(merge(), 0);
  assert_int_equal(leg(0)->crossed + leg(1)->crossed, 0);
  begin();
  side(1), side(2)->order_type = HADRON_ORDER_STOP, side(4), side(8)->expire_ns = 5;
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 3);
  assert_int_equal(leg(0)->quantity.e8, 5 * LOT);
  assert_int_equal(leg(0)->share_count, 2);
  assert_int_equal(leg(1)->order_type, HADRON_ORDER_STOP);
  assert_int_equal(leg(2)->expire_ns, 5);
}

static void works(void **state) {
  (void)state;
  begin();
  for (uint16_t i = 0; i < 2; i++) {
    struct hadron_decision *d = side(i ? -5 : 5);
    d->kind = HADRON_DECISION_WORK, d->slot = (uint16_t)(i + 1), d->order_type = HADRON_ORDER_LIMIT, d->limit.nanos = INT64_C(100000000000);
  }
  side(5), side(-5);
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 4); // two sides of the cross, two that work
  for (uint32_t i = 2; i < 4; i++) {
    assert_int_equal(leg(i)->crossed, 0);
    assert_int_equal(leg(i)->slot, i - 1);
    assert_int_equal(leg(i)->quantity.e8, 5 * LOT);
    assert_int_equal(leg(i)->lead, i - 2);
  }
}

// Two views of 1 % and 3 % with deviations 1 % and 2 %: precision 4 to 1, mean 1.4 %, deviation 1/sqrt(1/1 + 1/4) = 0.894427 %.
static void blend(void **state) {
  (void)state;
  begin();
  struct hadron_decision *a = side(1), *b = side(1);
  a->mean_return = 0.01, a->uncertainty = 0.01, a->confidence = 1;
  b->mean_return = 0.03, b->uncertainty = 0.02, b->confidence = 1;
  assert_int_equal(merge(), 0);
  assert_float_equal(output.mean_return, 0.014, 1e-15);
  assert_float_equal(output.uncertainty, 0.00894427190999916, 1e-15);
  assert_float_equal(output.confidence, 1, 0);
  b->confidence = 0; // counts nothing in the mean
  assert_int_equal(merge(), 0);
  assert_float_equal(output.mean_return, 0.01, 1e-15);
  assert_float_equal(output.uncertainty, 0.01, 1e-15);
  assert_float_equal(output.confidence, 0.5, 0);
  a->confidence = 0;
  assert_int_equal(merge(), 0);
  assert_true(output.mean_return == 0 && output.uncertainty == 0);
  a->confidence = b->confidence = 1, a->uncertainty = b->uncertainty = 0; // nobody says: plain weights
  standings[1].weight = 3;
  assert_int_equal(merge(), 0);
  assert_float_equal(output.mean_return, 0.025, 1e-15);
  assert_true(output.uncertainty == 0);
}

static void random_input(struct hd_random *r) {
  begin();
  uint32_t n = 1 + (uint32_t)hd_random_below(r, hd_random_below(r, 4) ? 6 : MAX - 2);
  for (uint32_t i = 0; i < n; i++) {
    struct hadron_decision *d = side((int64_t)hd_random_below(r, 2001) - 1000);
    d->quantity.e8 += (int64_t)hd_random_below(r, 3) * 12345;
    d->order_type = (uint8_t)(1 + hd_random_below(r, 3));
    d->limit.nanos = d->order_type == HADRON_ORDER_LIMIT ? INT64_C(99000000000) + (int64_t)hd_random_below(r, 3) * 1000000000 : 0;
    d->time_in_force = (uint8_t)(1 + hd_random_below(r, 4));
    d->flags = (uint8_t)(hd_random_below(r, 8) == 0);
    d->kind = (uint8_t)(hd_random_below(r, 3) ? HADRON_DECISION_SIDE : 1 + hd_random_below(r, 3));
    if (d->kind == HADRON_DECISION_TARGET && d->side == HADRON_SIDE_SELL) d->quantity.e8 = -d->quantity.e8;
    d->slot = d->kind == HADRON_DECISION_WORK ? (uint16_t)(1 + hd_random_below(r, 16)) : 0;
    d->confidence = hd_random_unit(r), d->uncertainty = hd_random_unit(r), d->mean_return = hd_random_unit(r) - 0.5;
    standings[i].weight = (double)hd_random_below(r, 5) / 3;
    standings[i].position.e8 = ((int64_t)hd_random_below(r, 2001) - 1000) * LOT + (int64_t)hd_random_below(r, 3);
    standings[i].working.e8 = ((int64_t)hd_random_below(r, 201) - 100) * LOT;
  }
}

// What an arm wants, worked out here by long division of decimals instead of the plugin's way.
static int64_t wanted(uint32_t i) {
  __int128 ppm = (__int128)(standings[i].weight * 1e6 + 0.5), weighed = decisions[i].quantity.e8 * ppm / 1000000 / LOT * LOT;
  if (decisions[i].kind != HADRON_DECISION_TARGET) return (int64_t)(decisions[i].side == HADRON_SIDE_BUY ? weighed : -weighed);
  return (int64_t)((weighed - standings[i].position.e8 - standings[i].working.e8) / LOT * LOT);
}

static void properties(void **state) {
  (void)state;
  struct hd_random r = test_random();
  for (int round = 0; round < 20000; round++) {
    random_input(&r);
    assert_int_equal(merge(), 0);
    int64_t crossed[MAX] = {0}, given[MAX] = {0}, balance = 0;
    uint32_t used = 0;
    for (uint32_t i = 0; i < output.leg_count; i++) {
      const struct hadron_leg *l = leg(i);
      int64_t sum = 0, sign = l->side == HADRON_SIDE_BUY ? 1 : -1;
      assert_int_equal(l->share_first, used);
      used += l->share_count;
      for (uint32_t j = 0; j < l->share_count; j++) {
        const struct hadron_share *s = &output.shares[l->share_first + j];
        assert_true(s->quantity.e8 > 0 && s->quantity.e8 % LOT == 0);
        sum += s->quantity.e8;
        (l->crossed ? crossed : given)[s->decision] += sign * s->quantity.e8;
        if (l->crossed) assert_int_not_equal(decisions[s->decision].kind, HADRON_DECISION_WORK);
      }
      assert_int_equal(sum, l->quantity.e8);
      if (l->crossed) balance += sign * sum;
    }
    assert_int_equal(balance, 0);
    assert_int_equal(used, output.share_count);
    for (uint32_t i = 0; i < count; i++) {
      int64_t want = wanted(i);
      assert_int_equal(crossed[i] + given[i], want);
      assert_true(want >= 0 ? crossed[i] >= 0 && given[i] >= 0 : crossed[i] <= 0 && given[i] <= 0);
    }
    struct hadron_merge_output before = output;
    assert_int_equal(merge(), 0);
    assert_memory_equal(&before, &output, sizeof output);
  }
}

// The edges of the integers: refused or bounded, never wrapped.
static void extremes(void **state) {
  (void)state;
  begin();
  for (int i = 0; i < 3; i++) side(1)->quantity.e8 = INT64_MAX - INT64_MAX % LOT;
  side(1)->side = HADRON_SIDE_SELL;
  assert_int_equal(merge(), HADRON_ERR_OVERFLOW); // one order of three times the most there is
  begin();
  side(1)->quantity.e8 = INT64_MAX;
  side(1)->quantity.e8 = INT64_MAX;
  decisions[1].side = HADRON_SIDE_SELL;
  standings[0].weight = 1e300, standings[1].weight = 1e300;
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 2);
  assert_int_equal(leg(0)->quantity.e8, leg(1)->quantity.e8);
  standings[0].weight = -1, standings[1].weight = strtod("nan", NULL);
  assert_int_equal(merge(), 0);
  assert_int_equal(output.leg_count, 0);
  count = 0;
  assert_int_equal(merge(), HADRON_ERR_ARGUMENT);
}

int main(void) {
  const char *dir = getenv("HADRON_PLUGIN_DIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/net.so", dir ? dir : "plugins");
  void *file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!file) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  hadron_plugin_entry entry;
  void *symbol = dlsym(file, "hadron_plugin_v1");
  memcpy(&entry, &symbol, sizeof entry);
  const struct hadron_plugin *plugin = entry();
  net = plugin->api;
  if (plugin->kind != HADRON_KIND_ALLOCATOR || strcmp(plugin->name, "net") != 0 || net->create(NULL, &self) != 0) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(one),     cmocka_unit_test(nets_pro_rata), cmocka_unit_test(remainders),
                                     cmocka_unit_test(weights_and_targets), cmocka_unit_test(terms), cmocka_unit_test(works),
                                     cmocka_unit_test(blend),   cmocka_unit_test(properties),    cmocka_unit_test(extremes)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  net->destroy(self);
  return failed;
}
