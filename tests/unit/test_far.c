// Promise: a strategy decides the same, byte for byte, in an engine of its shard and in a far engine that is fed by a channel: with bars,
// timers, random numbers, views, fills and order events, over one instrument or many; also one that begins in the middle, with the state and
// the rows that it is given. What a far engine is asked in vain it answers with words, and it goes on.
#include "runtime/far.h"
#include "pipeline/image.h"
#include "plugin/state.h"
#include "support/inline_rig.h"

// Asks for everything that there is.
static const char *const everything = "-- hadron: strategy everything 1.0.0\n"
                                      "-- description: uses all that a script can ask for\n"
                                      "-- requires: hadron.strategy/1 hadron.timer/1 hadron.features/1\n"
                                      "return hadron.strategy {\n"
                                      "  triggers = { 'trade', 'quote' },\n"
                                      "  bars = { { kind = 'time', interval = '5s' }, { kind = 'tick', interval = 7 } },\n"
                                      "  on_start = function(self) self.n = 0 end,\n"
                                      "  on_tick = function(self, tick, market)\n"
                                      "    self.n = self.n + 1\n"
                                      "    if self.n % 11 == 0 then self:after(hadron.duration('3s'), self.n) end\n"
                                      "    if math.random() < 0.05 then\n"
                                      "      self:target(market.position + hadron.quantity('1'), { mean = market.volatility, uncertainty = self:feature('volatility') })\n"
                                      "    end\n"
                                      "  end,\n"
                                      "  on_bar = function(self, bar, market) if bar.close > bar.open then self:buy(hadron.quantity('2'), { mean = 0.1 }) end end,\n"
                                      "  on_timer = function(self, id, due, market) self:sell(hadron.quantity('1'), { confidence = 0.25 }) end,\n"
                                      "  on_execution = function(self, a, market) self:target(0) end,\n"
                                      "  on_order = function(self, e, market) if market.position > 0 then self:target(hadron.quantity('1')) end end,\n"
                                      "}\n";

static void decided(void *self, const struct hadron_decision *d, uint32_t count) { decision_list_add(self, d, count); }

static void ask(struct hd_far *far, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, void **answer, uint32_t *answer_size) {
  void *own;
  uint32_t own_size;
  int32_t code = hd_far_ask(far, verb, instance, bytes, size, 0, &own, &own_size);
  if (code) fail_msg("%s", (const char *)own);
  if (answer) *answer = own, *answer_size = own_size;
  else free(own);
}

static struct hd_far *open_far(const struct inline_rig *rig, struct decision_list *to) {
  const struct hd_far_listener listener = {.self = to, .decided = decided};
  struct hd_fault fault = {0};
  struct hd_far *far = NULL;
  char *text = inline_rig_describe(rig);
  if (hd_far_create(text, strlen(text), rig->plugin, &listener, &far, &fault)) fail_msg("%s", fault.text);
  free(text);
  return far;
}

// All that waits in the channel, in its order.
static void drain(struct hd_channel *c, struct hd_far *far) {
  const struct hadron_tick *ticks;
  const struct hd_channel_note *note;
  for (uint32_t n; (n = hd_channel_next(c, 64, &ticks, &note)) || note;) {
    if (n) {
      hd_far_ticks(far, ticks, n);
      hd_channel_release_ticks(c, n);
    } else {
      hd_far_note(far, note);
      hd_channel_release_note(c);
    }
  }
}

static void same(const char *plugin, uint32_t instruments, const char *const *params) {
  static struct inline_rig rig;
  static struct hd_channel channel;
  struct decision_list far_decisions = {0};
  struct walk walk;
  struct hadron_tick tick;
  struct hd_channel_note note;
  struct hd_random random = test_random();
  inline_rig_open(&rig, plugin, instruments, params);
  inline_rig_start(&rig);
  struct hd_far *far = open_far(&rig, &far_decisions);
  for (uint32_t i = 0; i < rig.count; i++) ask(far, HADRON_ASK_START, i, NULL, 0, NULL, NULL);
  assert_int_equal(hd_channel_init(&channel, INLINE_ARM, 0), HADRON_OK);
  walk_init(&walk, hd_random_next(&random), instruments);
  for (int i = 0; i < 20000; i++) {
    bool is_tick = walk_next(&walk, &tick, &note);
    if (is_tick) inline_rig_tick(&rig, &tick);
    else inline_rig_note(&rig, &note);
    assert_true(is_tick ? hd_channel_tick(&channel, &tick) : hd_channel_note(&channel, &note));
    if (hd_random_next(&random) % 300 == 0) drain(&channel, far);
  }
  drain(&channel, far);
  inline_rig_time(&rig, walk.now_ns + INT64_C(60000000000));
  assert_true(rig.count == 1 || hd_far_due(far) >= 0);
  hd_far_time(far, walk.now_ns + INT64_C(60000000000));
  assert_true(rig.decisions.count > 20);
  decision_list_same(&rig.decisions, &far_decisions);
  struct hd_far_figures figures;
  hd_far_read(far, &figures);
  assert_int_equal(figures.ticks, walk.sequence);
  assert_int_equal(figures.faults, 0);
  hd_far_destroy(far);
  hd_channel_fini(&channel);
  decision_list_fini(&far_decisions);
  inline_rig_close(&rig);
}

static void a_shared_object(void **state) {
  (void)state;
  same("sma.so", 5, (const char *const[]){"fast", "5", "slow", "20", NULL});
}
static void a_shared_object_on_bars(void **state) {
  (void)state;
  same("sma.so", 3, (const char *const[]){"fast", "2", "slow", "5", "on_bars", "true", "bar", "10s", NULL});
}
static void a_universe(void **state) {
  (void)state;
  same("pairs.so", 2, (const char *const[]){"window", "20", "sample", "1s", "entry", "1.0", "leave", "0.2", NULL});
}
static void a_script(void **state) {
  (void)state;
  same(everything, 4, NULL);
}

// The second half in a far engine that is made in the middle.
static void in_the_middle(void **state) {
  (void)state;
  static struct inline_rig rig;
  struct decision_list far_decisions = {0};
  struct walk walk;
  struct hadron_tick tick;
  struct hd_channel_note note;
  struct hd_image rows = {0};
  struct hd_random random = test_random();
  inline_rig_open(&rig, "sma.so", 3, (const char *const[]){"fast", "2", "slow", "5", "on_bars", "true", "bar", "10s", NULL});
  inline_rig_start(&rig);
  walk_init(&walk, hd_random_next(&random), 3);
  for (int i = 0; i < 10000; i++)
    if (walk_next(&walk, &tick, &note)) inline_rig_tick(&rig, &tick);
  struct hd_far *far = open_far(&rig, &far_decisions);
  _Alignas(64) unsigned char saved[65536];
  for (uint32_t i = 0; i < rig.count; i++) {
    struct hd_fault fault = {0};
    uint32_t size;
    if (hd_state_save(&rig.instances[i], saved, sizeof saved, &size, &fault)) fail_msg("%s", fault.text);
    ask(far, HADRON_ASK_LOAD, i, saved, size, NULL, NULL);
    hd_engine_rows_save(rig.engine, rig.seats[i].instruments, rig.seats[i].instrument_count, &rows);
    ask(far, HADRON_ASK_ROWS, i, rows.bytes, (uint32_t)rows.size, NULL, NULL);
    hd_image_fini(&rows);
    void *answer;
    uint32_t size_bars;
    ask(far, HADRON_ASK_START, i, NULL, 0, &answer, &size_bars);
    assert_int_equal(size_bars, sizeof(struct hadron_bar_request));
    assert_int_equal(((struct hadron_bar_request *)answer)->interval, INT64_C(10000000000));
    free(answer);
    ask(far, HADRON_ASK_SAVE, i, NULL, 0, &answer, &size_bars); // and it comes back as it went in
    assert_int_equal(size_bars, size + sizeof(struct hd_far_timers)); // without a timer
    assert_memory_equal(answer, saved, size);
    free(answer);
  }
  rig.decisions.count = 0;
  for (int i = 0; i < 10000; i++)
    if (walk_next(&walk, &tick, &note)) {
      inline_rig_tick(&rig, &tick);
      hd_far_ticks(far, &tick, 1);
    }
  assert_true(rig.decisions.count > 20);
  decision_list_same(&rig.decisions, &far_decisions);
  hd_far_destroy(far);
  decision_list_fini(&far_decisions);
  inline_rig_close(&rig);
}

static void refuse(struct hd_far *far, uint32_t verb, uint32_t instance, const char *bytes, int32_t expected) {
  void *answer;
  uint32_t size;
  assert_int_equal(hd_far_ask(far, verb, instance, bytes, (uint32_t)strlen(bytes), 0, &answer, &size), expected);
  assert_non_null(answer);
  assert_true(strlen(answer) > 10);
  free(answer);
}

static void asks_are_answered(void **state) {
  (void)state;
  static struct inline_rig rig;
  struct decision_list far_decisions = {0};
  struct hd_far *far, *none = NULL;
  const struct hd_far_listener listener = {.self = &far_decisions, .decided = decided};
  struct hd_fault fault = {0};
  void *answer;
  uint32_t size;
  inline_rig_open(&rig, "trend.so", 2, NULL);
  far = open_far(&rig, &far_decisions);
  struct hadron_tick tick = {.instrument = 1, .sequence = 1, .kind = HADRON_TICK_TRADE};
  hd_far_ticks(far, &tick, 1); // nobody has started: nobody is called
  refuse(far, HADRON_ASK_SAVE, 7, "", HADRON_ERR_ARGUMENT);
  refuse(far, HADRON_ASK_LOAD, 0, "nonsense", HADRON_ERR_CORRUPT);
  refuse(far, 99, 0, "", HADRON_ERR_UNSUPPORTED);
  refuse(far, HADRON_ASK_PARAMS, UINT32_MAX, "{\"nonsense\":\"1\"}", HADRON_ERR_NOT_FOUND);
  refuse(far, HADRON_ASK_PARAMS, 0, "[]", HADRON_ERR_PARSE);
  for (uint32_t i = 0; i < 2; i++) ask(far, HADRON_ASK_START, i, NULL, 0, NULL, NULL);
  refuse(far, HADRON_ASK_START, 0, "", HADRON_ERR_STATE);
  refuse(far, HADRON_ASK_ROWS, 0, "nonsense", HADRON_ERR_CORRUPT);
  ask(far, HADRON_ASK_STEP, 0, NULL, 0, &answer, &size);
  assert_int_equal(size, sizeof(struct hd_far_step));
  assert_int_equal(((const struct hd_far_step *)answer)->due_ns, INT64_MAX);
  free(answer);
  hd_far_ticks(far, &tick, 1);
  ask(far, HADRON_ASK_STOP, 0, NULL, 0, NULL, NULL);
  hd_far_ticks(far, &tick, 1);
  struct hd_far_figures figures;
  hd_far_read(far, &figures);
  assert_int_equal(figures.ticks, 1);
  hd_far_destroy(far);
  assert_int_equal(hd_far_create("{", 1, rig.plugin, &listener, &none, &fault), HADRON_ERR_PARSE);
  assert_int_equal(hd_far_create("{}", 2, rig.plugin, &listener, &none, &fault), HADRON_ERR_CORRUPT);
  assert_null(none);
  inline_rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_shared_object), cmocka_unit_test(a_shared_object_on_bars), cmocka_unit_test(a_universe), cmocka_unit_test(a_script),
                                     cmocka_unit_test(in_the_middle), cmocka_unit_test(asks_are_answered)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
