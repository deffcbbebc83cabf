// Promise: every callback of a script is shown what the host has, field by field; a script of scope universe sees the markets of its
// instruments and of no others; a state that runs out of memory stops its own instances and nobody else's; plain data of every kind
// goes through save and load unchanged; the same seed gives the same random decisions; an instance is small.
#include <stdlib.h>

#include "lua/runtime.h"
#include "support/strategy_host.h"
#include "support/test.h"

#define HEAD "-- hadron: strategy probe 1.0.0\n-- description: a probe\n-- requires: hadron.strategy/1 hadron.features/1\n"

static void open_script(struct strategy_host *h, const char *text) {
  struct hd_fault fault = {0};
  if (strategy_host_script(h, text, NULL, &fault)) fail_msg("%s", fault.text);
}

static int64_t said(const struct strategy_host *h, uint32_t i) {
  assert_true(i < h->decision_count);
  return h->decisions[i].quantity.e8;
}

static void test_book_and_status(void **state) {
  struct strategy_host h;
  (void)state;
  open_script(&h, HEAD "return hadron.strategy {\n"
                       " on_book = function(self, side, price, size, tick, market)\n"
                       "  assert(side == 'sell' and tick.side == 'sell' and tick.kind == 'book' and tick.price == price and tick.size == size)\n"
                       "  assert(tick.order_id == 77 and tick.bid == nil and market.instrument == 1)\n  self:target(price + size) end,\n"
                       " on_status = function(self, state, market) self:target(state == 'halted' and 5 or state == 'auction' and 6 or 0) end }");
  assert_int_equal(h.api->triggers, HADRON_ON_BOOK | HADRON_ON_STATUS);
  struct hadron_tick t = {.instrument = 1, .kind = HADRON_TICK_BOOK};
  t.value.book.price.nanos = 100;
  t.value.book.quantity.e8 = 20;
  t.value.book.order_id = 77;
  t.value.book.side = HADRON_SIDE_SELL;
  assert_int_equal(strategy_host_tick(&h, &t), 0);
  struct hadron_tick s = {.instrument = 1, .kind = HADRON_TICK_STATUS};
  s.value.status.state = HADRON_MARKET_HALTED;
  assert_int_equal(strategy_host_tick(&h, &s), 0);
  s.value.status.state = HADRON_MARKET_AUCTION;
  assert_int_equal(strategy_host_tick(&h, &s), 0);
  assert_int_equal(h.decision_count, 3);
  assert_int_equal(said(&h, 0), 120);
  assert_int_equal(said(&h, 1), 5);
  assert_int_equal(said(&h, 2), 6);
  strategy_host_close(&h);
}

static void test_order_and_execution(void **state) {
  struct strategy_host h;
  (void)state;
  open_script(&h, HEAD "return hadron.strategy {\n"
                       " on_order = function(self, o, market)\n"
                       "  assert(o.id == 3 and o.time_ns == 4 and o.venue_ns == 5 and o.side == 'buy' and o.size == 600 and o.filled == 200 and o.limit == 9)\n"
                       "  assert(o.stop == 8 and o.average == 7 and o.slot == 2 and o.text == 'words' and o.client_order_id == '0123456789abcdef01234567')\n"
                       "  assert(not pcall(function() o.size = 1 end) and not pcall(function() return o.nothing end))\n"
                       "  self.kept = o; self:target(o.size - o.filled) end,\n"
                       " on_execution = function(self, e, market)\n"
                       "  assert(e.side == 'sell' and e.price == 11 and e.size == 12 and e.fee == 13 and e.realized == -14 and e.position == 15)\n"
                       "  assert(not self.kept or not pcall(function() return self.kept.size end))\n"
                       "  self:target(e.size + e.fee) end }");
  struct hadron_order_event o = {.id = 3, .time_ns = 4, .venue_ns = 5, .instrument = 1, .limit = {9}, .stop = {8}, .average = {7},
                                 .quantity = {600}, .filled = {200}, .side = HADRON_SIDE_BUY, .slot = 2, .text = "words"};
  memcpy(&o.client_order_id, "0123456789abcdef01234567", 24);
  struct hadron_allocation e = {.instrument = 1, .side = HADRON_SIDE_SELL, .price = {11}, .quantity = {12}, .fee = {13}, .realized = {-14}, .position = {15}};
  assert_int_equal(h.api->triggers, HADRON_ON_ORDER | HADRON_ON_EXECUTION);
  assert_int_equal(h.api->on_order(h.instance.self, &o, &h.markets[1]), 0);
  assert_int_equal(h.api->on_execution(h.instance.self, &e, &h.markets[1]), 0); // what was shown before is shown no more
  assert_int_equal(said(&h, 0), 400);
  assert_int_equal(said(&h, 1), 25);
  strategy_host_close(&h);
}

// on_tick takes what has no callback of its own.
static void test_tick(void **state) {
  struct strategy_host h;
  (void)state;
  open_script(&h, HEAD "return hadron.strategy { on_trade = function(self, price) self:target(-price) end,\n"
                       " on_tick = function(self, tick, market) assert(tick.kind == 'quote' and tick.price == nil)\n"
                       "  self:target(tick.bid + tick.ask + tick.bid_size + tick.ask_size + market.mid) end }");
  assert_int_equal(h.api->triggers, HADRON_ON_TRADE | HADRON_ON_QUOTE);
  assert_int_equal(strategy_host_trade(&h, 1, 5, 1), 0);
  assert_int_equal(strategy_host_quote(&h, 1, 10, 20, 3, 4), 0);
  assert_int_equal(said(&h, 0), -5);
  assert_int_equal(said(&h, 1), 52);
  strategy_host_close(&h);
}

static void test_universe(void **state) {
  const struct hd_plugin *plugin;
  struct hd_fault fault = {0};
  struct strategy_host h;
  (void)state;
  assert_int_equal(strategy_host_load(HEAD "return hadron.strategy { scope = 'universe', on_trade = function(self, price, size, market)\n"
                                           " assert(#self.instruments == 3 and not pcall(self.market, self, 4) and not pcall(self.feature, self, 'volatility', 4))\n"
                                           " assert(self:name(2) == 'TEST2' and self:name(4) == nil)\n"
                                           " local sum = 0 for _, id in ipairs(self.instruments) do sum = sum + self:market(id).last end\n"
                                           " self:target(sum, { instrument = 3 })\n"
                                           " self:target(hadron.round(self:feature('volatility', 2) * 1000), { instrument = 2 }) end }", &plugin, &fault), 0);
  assert_int_equal(strategy_host_create(&h, plugin, "u", 3, NULL, &fault), 0);
  assert_int_equal(hd_instance_start(&h.instance, &fault), 0);
  h.markets[2].volatility = 0.25;
  for (uint32_t i = 1; i <= 3; i++) assert_int_equal(strategy_host_trade(&h, i, 10 * i, 1), 0);
  assert_int_equal(said(&h, 0), 10);
  assert_int_equal(said(&h, 2), 30);
  assert_int_equal(said(&h, 4), 60);
  assert_int_equal(said(&h, 5), 250);
  assert_int_equal(h.decisions[4].instrument, 3);
  assert_int_equal(h.decisions[5].instrument, 2);
  strategy_host_close(&h);
}

// Two instances in one state, a third in another: the hungry one takes its neighbour along, and not the third.
static void test_memory(void **state) {
  static const char text[] = HEAD "return hadron.strategy { on_trade = function(self, price) self:target(price)\n"
                                  " if price == 666 then local t, s = {}, ('x'):rep(60000) for i = 1, 1e9 do t[i] = s .. i end end end }";
  static const char apart[] = HEAD "return hadron.strategy { on_trade = function(self, price) self:target(price) end }";
  const struct hd_lua_limits limits = {.memory_max = 4u << 20, .instructions_max = UINT64_C(1) << 40};
  const struct hd_plugin *shared, *other;
  struct hd_fault fault = {0};
  struct strategy_host a, b, c;
  (void)state;
  hd_lua_limits_set(&limits);
  assert_int_equal(strategy_host_load(text, &shared, &fault), 0);
  assert_int_equal(strategy_host_load(apart, &other, &fault), 0); // the same bytes would be the same plugin
  assert_int_equal(strategy_host_create(&a, shared, "a", 1, NULL, &fault), 0);
  assert_int_equal(strategy_host_create(&b, shared, "b", 1, NULL, &fault), 0);
  assert_int_equal(strategy_host_create(&c, other, "c", 1, NULL, &fault), 0);
  assert_int_equal(hd_instance_start(&a.instance, &fault) | hd_instance_start(&b.instance, &fault) | hd_instance_start(&c.instance, &fault), 0);
  assert_int_equal(strategy_host_trade(&b, 1, 1, 1), 0);
  assert_int_equal(strategy_host_trade(&a, 1, 666, 1), HADRON_ERR_MEMORY);
  assert_int_equal(strategy_host_trade(&a, 1, 1, 1), HADRON_ERR_MEMORY);
  assert_int_equal(strategy_host_trade(&b, 1, 2, 1), HADRON_ERR_MEMORY);
  assert_int_equal(strategy_host_trade(&c, 1, 3, 1), 0);
  assert_int_equal(b.decision_count, 1);
  assert_int_equal(c.decision_count, 1);
  strategy_host_close(&a);
  strategy_host_close(&b);
  strategy_host_close(&c);
  hd_lua_limits_set(NULL);
}

static void test_state_kinds(void **state) {
  static const char text[] = HEAD
      "local all = { yes = true, no = false, least = math.mininteger, most = math.maxinteger, tiny = 0x1p-1074, third = 1 / 3, huge = math.huge,\n"
      " minus = -0.0, empty = '', nul = 'a\\0b', high = '\\xff', list = { 1, { 2, { 3 } } }, nothing = {}, [2.5] = 'float', [-1] = 'key', [true] = 1 }\n"
      "local function same(a, b) if type(a) ~= type(b) or math.type(a) ~= math.type(b) then return false end\n"
      " if type(a) ~= 'table' then return a == b end\n"
      " for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
      " for k in pairs(b) do if a[k] == nil then return false end end return true end\n"
      "return hadron.strategy { on_trade = function(self) self:target(self.good and 1 or 2) end, save = function(self) return all end,\n"
      " load = function(self, saved) self.good = same(all, saved) and 1 / saved.minus == -math.huge end }";
  const struct hd_plugin *plugin;
  struct hd_fault fault = {0};
  struct strategy_host a, b;
  unsigned char bytes[4096];
  uint32_t size = 0;
  (void)state;
  if (strategy_host_load(text, &plugin, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(strategy_host_create(&a, plugin, "a", 1, NULL, &fault), 0);
  assert_int_equal(hd_instance_start(&a.instance, &fault), 0);
  if (hd_state_save(&a.instance, bytes, sizeof bytes, &size, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(strategy_host_create(&b, plugin, "b", 1, NULL, &fault), 0);
  if (hd_state_load(&b.instance, bytes, size, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_instance_start(&b.instance, &fault), 0);
  assert_int_equal(strategy_host_trade(&b, 1, 1, 1), 0);
  assert_int_equal(said(&b, 0), 1);
  strategy_host_close(&a);
  strategy_host_close(&b);
}

static void test_random_repeats(void **state) {
  static const char text[] = HEAD "return hadron.strategy { on_trade = function(self, price) self:target(math.random(1, 1000000)) end }";
  struct strategy_host a, b;
  uint32_t distinct = 0;
  (void)state;
  open_script(&a, text);
  open_script(&b, text);
  for (int i = 0; i < 500; i++) {
    assert_int_equal(strategy_host_trade(&a, 1, i + 1, 1), 0);
    assert_int_equal(strategy_host_trade(&b, 1, i + 1, 1), 0);
    distinct += i > 0 && said(&a, (uint32_t)i) != said(&a, 0);
  }
  assert_int_equal(a.decision_count, 500);
  for (uint32_t i = 0; i < 500; i++) assert_int_equal(said(&a, i), said(&b, i));
  assert_true(distinct > 400);
  strategy_host_close(&a);
  strategy_host_close(&b);
}

// 1,000 instruments with 5 strategies in Lua have 25 MB: 5,000 bytes for an instance, its part of the state included.
static void test_instance_bytes(void **state) {
  enum { COUNT = 100 };
  static const char *const files[] = {"plugins/strategies/zero_cross_lua.lua", "plugins/strategies/mean_revert.lua", "sdk/template/strategy.lua"};
  struct strategy_host *h = calloc(COUNT, sizeof *h);
  const char *root = getenv("HADRON_SOURCE_DIR");
  (void)state;
  assert_non_null(h);
  if (!root) root = "../..";
  for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
    char path[1024];
    const struct hd_plugin *plugin;
    struct hd_fault fault = {0};
    uint64_t states, bytes;
    snprintf(path, sizeof path, "%s/%s", root, files[f]);
    if (hd_plugin_open(path, &hd_lua_language, &plugin, &fault)) fail_msg("%s", fault.text);
    for (int i = 0; i < COUNT; i++) {
      if (strategy_host_create(&h[i], plugin, "test", 1, NULL, &fault)) fail_msg("%s", fault.text);
      if (hd_instance_start(&h[i].instance, &fault)) fail_msg("%s", fault.text);
    }
    hd_lua_usage(&states, &bytes);
    print_message("%s: %llu bytes an instance\n", files[f], (unsigned long long)(bytes / COUNT));
    assert_int_equal(states, 1);
    assert_true(bytes / COUNT < 5000);
    for (int i = 0; i < COUNT; i++) strategy_host_close(&h[i]);
  }
  free(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_book_and_status), cmocka_unit_test(test_order_and_execution), cmocka_unit_test(test_tick),
                                     cmocka_unit_test(test_universe),        cmocka_unit_test(test_memory),              cmocka_unit_test(test_state_kinds),
                                     cmocka_unit_test(test_random_repeats),  cmocka_unit_test(test_instance_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
