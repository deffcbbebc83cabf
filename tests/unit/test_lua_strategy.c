// Promise: a script is a strategy like any other. Its callbacks are called through the vtable with the right numbers, what it decides
// reaches the engine field by field, instances see nothing of each other, parameters and state go in and out, and what it does wrong
// comes back as the right code with file and line, leaving the rest usable.
#include "lua/runtime.h"
#include "support/strategy_host.h"
#include "support/test.h"

#define HEAD "-- hadron: strategy probe 1.0.0\n-- description: a probe\n-- requires: hadron.strategy/1\n"

static void open_script(struct strategy_host *h, const char *text, const char *const *params) {
  struct hd_fault fault = {0};
  int32_t err = strategy_host_script(h, text, params, &fault);
  if (err) fail_msg("%s", fault.text);
}

static void test_decisions(void **state) {
  struct strategy_host h;
  (void)state;
  open_script(&h, HEAD "return hadron.strategy { on_trade = function(self, price, size, market)\n"
                       "  assert(market.last == price and market.last_size == size and market.instrument == 1)\n"
                       "  self:buy(size, { limit = price - market.increment, mean = 0.25, uncertainty = 0.5, confidence = 1, horizon = hadron.duration('5s'),\n"
                       "                   tif = 'gtc', post_only = true, key = 7, regime = 3 })\n"
                       "  self:sell(1)\n  self:target(-5)\n  self:work(2, 'sell', 3, price)\n  self:withdraw(2, 'sell')\n"
                       "end }", NULL);
  assert_int_equal(strategy_host_trade(&h, 1, 100000000000, 250000000), 0);
  assert_int_equal(h.decision_count, 5);
  const struct hadron_decision *d = h.decisions;
  assert_int_equal(d[0].kind, HADRON_DECISION_SIDE);
  assert_int_equal(d[0].side, HADRON_SIDE_BUY);
  assert_int_equal(d[0].quantity.e8, 250000000);
  assert_int_equal(d[0].limit.nanos, 99990000000);
  assert_true(d[0].mean_return == 0.25 && d[0].uncertainty == 0.5 && d[0].confidence == 1);
  assert_int_equal(d[0].horizon_ns, 5000000000);
  assert_int_equal(d[0].time_in_force, HADRON_TIF_GTC);
  assert_int_equal(d[0].flags, HADRON_ORDER_POST_ONLY);
  assert_int_equal(d[0].key, 7);
  assert_int_equal(d[0].regime, 3);
  assert_int_equal(d[0].instrument, 1);
  assert_int_equal(d[1].side, HADRON_SIDE_SELL);
  assert_int_equal(d[2].kind, HADRON_DECISION_TARGET);
  assert_int_equal(d[2].quantity.e8, -5);
  assert_int_equal(d[3].kind, HADRON_DECISION_WORK);
  assert_int_equal(d[3].slot, 2);
  assert_int_equal(d[3].limit.nanos, 100000000000);
  assert_int_equal(d[4].quantity.e8, 0);
  strategy_host_close(&h);
}

static void test_callbacks(void **state) {
  struct strategy_host h;
  (void)state;
  open_script(&h, HEAD "return hadron.strategy { bars = { { kind = 'time', interval = '1m' } },\n"
                       " on_start = function(self) self.n = 0; self:after(hadron.duration('10ms'), 9) end,\n"
                       " on_quote = function(self, bid, ask, bs, as, market) self.n = self.n + 1; self:target(bid + ask + bs + as) end,\n"
                       " on_bar = function(self, bar, market) self:target(bar.close + bar.volume) end,\n"
                       " on_timer = function(self, id, due, market) assert(due == hadron.now()); self:target(id) end }", NULL);
  assert_int_equal(h.api->triggers, HADRON_ON_QUOTE | HADRON_ON_BAR);
  assert_int_equal(h.bar_count, 1);
  assert_int_equal(h.bars[0].interval, INT64_C(60000000000));
  assert_int_equal(strategy_host_quote(&h, 1, 10, 20, 3, 4), 0);
  assert_int_equal(h.decisions[0].quantity.e8, 37);
  struct hadron_bar bar = {.instrument = 1, .close = {500}, .volume = {11}};
  assert_int_equal(strategy_host_bar(&h, &bar), 0);
  assert_int_equal(h.decisions[1].quantity.e8, 511);
  assert_int_equal(strategy_host_advance(&h, h.now_ns + 20000000), 1);
  assert_int_equal(h.decisions[2].quantity.e8, 9);
  strategy_host_close(&h);
}

// Two instances of one arm share a Lua state; neither sees what the other keeps, in self or in locals of the file.
static void test_isolation(void **state) {
  static const char text[] = HEAD "local count = 0\nreturn hadron.strategy { on_trade = function(self, price, size, market)\n"
                                  " count = count + 1; self.sum = (self.sum or 0) + price; self:target(count * 1000 + self.sum) end }";
  const struct hd_plugin *plugin;
  struct hd_fault fault = {0};
  struct strategy_host a, b;
  uint64_t states, bytes;
  (void)state;
  assert_int_equal(strategy_host_load(text, &plugin, &fault), 0);
  assert_int_equal(strategy_host_create(&a, plugin, "a", 1, NULL, &fault), 0);
  assert_int_equal(strategy_host_create(&b, plugin, "b", 1, NULL, &fault), 0);
  assert_int_equal(hd_instance_start(&a.instance, &fault), 0);
  assert_int_equal(hd_instance_start(&b.instance, &fault), 0);
  hd_lua_usage(&states, &bytes);
  assert_int_equal(states, 1);
  for (int i = 0; i < 3; i++) assert_int_equal(strategy_host_trade(&a, 1, 1, 1), 0);
  assert_int_equal(strategy_host_trade(&b, 1, 5, 1), 0);
  assert_int_equal(a.decisions[2].quantity.e8, 3003);
  assert_int_equal(b.decisions[0].quantity.e8, 1005);
  strategy_host_close(&a);
  strategy_host_close(&b);
  hd_lua_usage(&states, &bytes);
  assert_int_equal(states, 0);
}

static void test_params(void **state) {
  static const char *const params[] = {"n", "7", "limit", "12.5", "on", "true", "note", "hello", "wait", "2s", NULL};
  struct strategy_host h;
  struct hd_fault fault = {0};
  (void)state;
  open_script(&h, HEAD "return hadron.strategy { params = { n = { type='integer', default=10, min=2, max=500, live=true, help='length', unit='ticks' },\n"
                       " limit = { type='price', default='1.00' }, on = { type='bool', default=false }, note = { type='text', default='' },\n"
                       " wait = { type='duration', default='1s' }, k = { type='real', default=1.5, min=0, max=9 } },\n"
                       " on_params = function(self) if self.params.n == 13 then error('thirteen') end self.ready = true end,\n"
                       " on_trade = function(self, price, size, market) local p = self.params\n"
                       "  assert(self.ready and p.on == true and p.note == 'hello' and p.k == 1.5 and p.wait == 2000000000)\n"
                       "  self:target(p.n + p.limit) end }", params);
  assert_int_equal(strategy_host_trade(&h, 1, 1, 1), 0);
  assert_int_equal(h.decisions[0].quantity.e8, 12500000007);
  struct hd_param_value bad = {"n", "501", NULL};
  assert_int_not_equal(hd_params_apply(&h.instance, &bad, 1, &fault), 0);
  assert_non_null(strstr(fault.text, "501"));
  struct hd_param_value refused = {"n", "13", NULL};
  struct hd_params_change *change;
  assert_int_equal(hd_params_prepare_live(h.plugin, &refused, 1, &change, &fault), 0);
  assert_int_equal(hd_params_commit(change, &h.instance, &fault), HADRON_ERR_SCRIPT);
  hd_params_free(change);
  assert_int_equal(strategy_host_trade(&h, 1, 1, 1), 0);
  assert_int_equal(h.decisions[1].quantity.e8, 12500000007); // the old value is back
  strategy_host_close(&h);
}

static void test_state(void **state) {
  static const char text[] = HEAD "return hadron.strategy { schema = 2, schema_min = 1, on_start = function(self) self.list = self.list or {} end,\n"
                                  " on_trade = function(self, price) table.insert(self.list, price / 2); self:target(#self.list) end,\n"
                                  " save = function(self) return { list = self.list, text = 'a\\0b', deep = { [5] = true, x = -1 } } end,\n"
                                  " load = function(self, saved, schema) assert(saved.text == 'a\\0b' and saved.deep[5] and saved.deep.x == -1 and schema == 2)\n"
                                  "  self.list = saved.list end }";
  const struct hd_plugin *plugin;
  struct hd_fault fault = {0};
  struct strategy_host a, b;
  unsigned char first[4096], second[4096];
  uint32_t size = 0, again = 0;
  (void)state;
  assert_int_equal(strategy_host_load(text, &plugin, &fault), 0);
  assert_int_equal(strategy_host_create(&a, plugin, "a", 1, NULL, &fault), 0);
  assert_int_equal(hd_instance_start(&a.instance, &fault), 0);
  for (int i = 1; i <= 5; i++) assert_int_equal(strategy_host_trade(&a, 1, i, 1), 0);
  assert_int_equal(hd_state_save(&a.instance, first, sizeof first, &size, &fault), 0);
  assert_int_equal(strategy_host_create(&b, plugin, "b", 1, NULL, &fault), 0);
  assert_int_equal(hd_state_load(&b.instance, first, size, &fault), 0);
  assert_int_equal(hd_instance_start(&b.instance, &fault), 0);
  assert_int_equal(hd_state_save(&b.instance, second, sizeof second, &again, &fault), 0);
  assert_int_equal(again, size);
  assert_memory_equal(first, second, size);
  assert_int_equal(strategy_host_trade(&b, 1, 9, 1), 0);
  assert_int_equal(b.decisions[0].quantity.e8, 6);
  strategy_host_close(&b);
  // Every cut of the bytes behind the header, and every changed one, is an error or a value; never a crash.
  for (uint32_t cut = 0; cut < size - 16; cut++) {
    assert_int_equal(strategy_host_create(&b, plugin, "c", 1, NULL, &fault), 0);
    assert_int_not_equal(plugin->state->load(b.instance.self, 2, first + 16, cut), 0);
    memcpy(second, first, size);
    second[16 + cut] = (unsigned char)(second[16 + cut] ^ 0x55);
    plugin->state->load(b.instance.self, 2, second + 16, size - 16);
    strategy_host_close(&b);
  }
  strategy_host_close(&a);
}

static void test_errors(void **state) {
  struct strategy_host h;
  (void)state;
  open_script(&h, HEAD "return hadron.strategy { on_trade = function(self, price, size, market)\n"
                       " if price == 1 then error('boom') end\n if price == 2 then while true do end end\n self:target(price) end }", NULL);
  assert_int_equal(strategy_host_trade(&h, 1, 5, 1), 0);
  assert_int_equal(strategy_host_trade(&h, 1, 1, 1), HADRON_ERR_SCRIPT);
  assert_non_null(strstr(hd_instance_words(&h.instance), ".lua:5: boom"));
  assert_int_equal(strategy_host_trade(&h, 1, 6, 1), 0); // usable after an error of its own
  assert_int_equal(strategy_host_trade(&h, 1, 2, 1), HADRON_ERR_BUDGET);
  assert_int_equal(strategy_host_trade(&h, 1, 7, 1), HADRON_ERR_BUDGET); // fenced
  assert_int_equal(h.decision_count, 2);
  strategy_host_close(&h);
}

// What a script declares wrongly is refused when it is opened, by name.
static void test_refused(void **state) {
  static const struct {
    const char *text, *words;
  } rows[] = {
      {HEAD "return { on_trade = print }", "hadron.strategy"},
      {HEAD "return hadron.strategy { on_trad = print }", "on_trad"},
      {HEAD "return hadron.strategy { trigers = {}, on_trade = print }", "trigers"},
      {HEAD "return hadron.strategy { }", "never run"},
      {HEAD "return hadron.strategy { on_bar = print }", "bars"},
      {HEAD "return hadron.strategy { on_trade = print, save = print }", "only save"},
      {HEAD "return hadron.strategy { on_trade = print, params = { a = { type = 'float' } } }", "params.a.type"},
      {HEAD "return hadron.strategy { on_trade = print, params = { a = { type = 'integer', default = 5, maxx = 3 } } }", "maxx"},
      {HEAD "x = 1\nreturn hadron.strategy { on_trade = print }", "'x'"},
      {HEAD "return hadron.strategy { on_trade = print", "'}' expected"},
      {HEAD "local x <close> = nil\nreturn hadron.strategy { on_trade = print }", "<close>"},
      {HEAD "while true do end", "budget"},
      {HEAD "local t, s = {}, ('x'):rep(60000) while true do t[#t + 1] = s .. #t end", "memory"},
      {"-- hadron: venue probe 1.0.0\nreturn 1", "strategies only"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct hd_plugin *plugin;
    struct hd_fault fault = {0};
    assert_int_not_equal(strategy_host_load(rows[i].text, &plugin, &fault), 0);
    if (!strstr(fault.text, rows[i].words)) fail_msg("row %zu: expected \"%s\" in: %s", i, rows[i].words, fault.text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_decisions), cmocka_unit_test(test_callbacks), cmocka_unit_test(test_isolation),
                                     cmocka_unit_test(test_params),    cmocka_unit_test(test_state),     cmocka_unit_test(test_errors),
                                     cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
