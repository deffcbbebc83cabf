// Promise: a backtest is a function of its inputs: the same digest again, with any number of shards, with and without a journal, paused
// and stepped or not; books add up, fills never exceed orders, shares are the executions; a strategy that fails is fenced and leaves the
// others' decisions as they were, byte for byte; C and Lua decide the same; errors name file, line, expected and found.
#include "support/session_run.h"

#include <stdlib.h>

#define STRATEGIES                                                                                                                   \
  "cross = { plugin = 'zero_cross', params = { length = 3, band = 0, size = 10 } },\n"                                               \
  "maker = { plugin = 'market_maker', universe = { 'MAA*' } },\n"                                                                     \
  "sma = { params = { fast = 3, slow = 9, size = 7 } },\n"                                                                           \
  "two = { plugin = 'pairs', universe = { 'MAAA', 'MAAC' }, params = { window = 5, sample = '10ms', entry = 0.5, leave = 0.1, size = 10 } },\n"
#define VENUES(count) "venues = { memory = { params = { count = " #count ", instruments = 6, quotes = true } }, sim = {} },\n"
#define HEAD "return { mode = 'backtest', universe = { max = 64 }, account = { cash = '10000000' }, report = { equity_every = '10s' },\n"

static const char usual[] = HEAD VENUES(60000) "strategies = { " STRATEGIES " } }\n";

static void same_digest_whatever_the_form(void **state) {
  (void)state;
  struct session_run first, other;
  session_run_backtest(&first, usual, NULL, false);
  assert_true(first.counts[HADRON_MSG_ORDER] > 1000 && first.counts[HADRON_MSG_EXECUTION] > 500);
  for (int arm = 1; arm <= 4; arm++) assert_true(first.decisions[arm] > 0);
  assert_true(first.executed == first.allocated || first.counts[HADRON_MSG_ALLOCATION] > first.counts[HADRON_MSG_EXECUTION]); // else they crossed
  static const char *const shards[] = {"engine.shards=1", "engine.shards=2", "engine.shards=4", "engine.shards=7"};
  for (int i = 0; i < 4; i++) {
    session_run_backtest(&other, usual, (const char *const[]){shards[i], NULL}, i % 2);
    assert_string_equal(other.digest, first.digest);
    assert_memory_equal(&other.equity, &first.equity, sizeof other.equity);
  }
  session_run_backtest(&other, usual, (const char *const[]){"seed=2", NULL}, false);
  assert_string_not_equal(other.digest, first.digest);
}

// Executions are shared out to the last unit where the house does not cross.
static void shares_are_executions(void **state) {
  (void)state;
  struct session_run run;
  session_run_backtest(&run, HEAD VENUES(20000) "strategies = { cross = { plugin = 'zero_cross', params = { length = 3, band = 0, size = 10 } } } }", NULL, false);
  assert_true(run.counts[HADRON_MSG_EXECUTION] > 100);
  assert_true(run.executed == run.allocated);
}

static void groups_stay_on_one_shard(void **state) {
  (void)state;
  struct session_run run;
  struct hd_fault fault;
  session_run_load(&run, HEAD VENUES(100) "strategies = { a = { plugin = 'pairs', universe = { 'MAAA', 'MAAC' } }, b = { plugin = 'pairs', universe = { 'MAAC', 'MAAF' } } } }",
                   (const char *const[]){"engine.shards=7", NULL});
  if (session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  const struct hd_instruments *t = &run.session.pipeline.instruments;
  uint32_t shard = t->rows[hd_instruments_find(t, "MAAA")].shard;
  assert_int_equal(t->rows[hd_instruments_find(t, "MAAC")].shard, shard); // through the one that both want
  assert_int_equal(t->rows[hd_instruments_find(t, "MAAF")].shard, shard);
  session_run_close(&run);
}

static void lua_and_c_decide_the_same(void **state) {
  (void)state;
  struct session_run run;
  session_run_backtest(&run, HEAD VENUES(30000) "strategies = { a = { plugin = 'zero_cross', params = { length = 5, band = 10, size = 10 } },\n"
                             " b = { plugin = 'zero_cross_lua', params = { length = 5, band = 10, size = 10 } } } }", NULL, false);
  assert_true(run.decisions[1] > 1000);
  assert_int_equal(run.decisions[1], run.decisions[2]);
  assert_int_equal(run.decided[1], run.decided[2]);
}

static const char bad_script[] = "-- hadron: strategy bad 1.0.0\n-- requires: hadron.strategy/1\n"
                                 "local n, hoard = 0, {}\n"
                                 "return hadron.strategy { params = { how = { type = 'text', default = 'error' } },\n"
                                 "  on_trade = function(self, price) n = n + 1\n"
                                 "    if n < 100 then return end\n"
                                 "    if self.params.how == 'error' then error('on purpose') end\n"
                                 "    if self.params.how == 'loop' then while true do end end\n"
                                 "    while true do hoard[#hoard + 1] = string.rep('x', 65536) .. #hoard end\n"
                                 "  end }\n";

static void bad_scripts_are_fenced_alone(void **state) {
  (void)state;
  static const char *const ways[] = {"strategies.z.params.how=error", "strategies.z.params.how=loop", "strategies.z.params.how=memory"};
  static const char with[] = HEAD VENUES(20000) "strategies = { cross = { plugin = 'zero_cross', cash = '1000000', params = { length = 3, band = 0, size = 10 } },\n"
                                                " z = { plugin = '@DIR@/bad.lua', universe = { 'MAAA' } } } }";
  struct session_run alone;
  session_run_backtest(&alone, HEAD VENUES(20000) "strategies = { cross = { plugin = 'zero_cross', cash = '1000000', params = { length = 3, band = 0, size = 10 } } } }", NULL, false);
  for (int i = 0; i < 3; i++) {
    struct session_run run;
    struct hd_fault fault = {0};
    struct hd_replay replay;
    char path[TEST_PATH_SIZE];
    session_run_load(&run, with, (const char *const[]){ways[i], NULL});
    test_path(path, run.dir, "bad.lua");
    test_file_write(path, bad_script, sizeof bad_script - 1);
    if (session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
    hd_replay_init(&replay, &run.session, &(struct hd_replay_options){0});
    if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
    hd_replay_fini(&replay);
    assert_int_equal(atomic_load(&run.session.arms[1].occupant->fenced), 1);
    assert_int_equal(atomic_load(&run.session.arms[0].occupant->fenced), 0);
    session_run_identity(&run);
    session_run_close(&run);
    assert_int_equal(run.decisions[1], alone.decisions[1]);
    assert_int_equal(run.decided[1], alone.decided[1]);
  }
}

// ---- control -----------------------------------------------------------------------------------------------------------------------

struct driver {
  struct hd_replay replay;
  uv_timer_t timer;
  uint32_t step;
  int64_t start_ns;
};

static void on_drive(uv_timer_t *timer) {
  struct driver *d = timer->data;
  struct hd_replay_progress where;
  hd_replay_where(&d->replay, &where);
  switch (d->step++) {
  case 0:
    assert_true(where.paused);
    assert_int_equal(where.ticks, 0);
    hd_replay_step(&d->replay, 1);
    break;
  case 1: // a busy machine may ring before the replay had its turn
    if (where.ticks < 1) {
      d->step = 1;
      break;
    }
    assert_int_equal(where.ticks, 1);
    assert_true(where.paused);
    d->start_ns = where.now_ns;
    hd_replay_step(&d->replay, 999);
    break;
  case 2:
    if (where.ticks < 1000) {
      d->step = 2;
      break;
    }
    assert_int_equal(where.ticks, 1000);
    assert_int_equal(hd_replay_seek(&d->replay, d->start_ns), HADRON_ERR_RANGE);
    hd_replay_speed(&d->replay, 1e-6);
    assert_int_equal(hd_replay_seek(&d->replay, d->start_ns + INT64_C(5000000000)), HADRON_OK);
    break;
  case 3: // there, and then nearly standing still
    if (where.now_ns < d->start_ns + INT64_C(4900000000)) {
      d->step = 3; // not there yet
      break;
    }
    assert_true(where.now_ns >= d->start_ns + INT64_C(4900000000) && where.now_ns < d->start_ns + INT64_C(5100000000));
    hd_replay_pause(&d->replay);
    break;
  case 4:
    assert_true(where.paused);
    hd_replay_speed(&d->replay, 0);
    hd_replay_resume(&d->replay);
    uv_timer_stop(timer);
    break;
  }
}

static void pause_step_seek_and_speed_change_nothing(void **state) {
  (void)state;
  struct session_run plain, run;
  struct hd_fault fault = {0};
  uv_loop_t loop;
  struct driver d = {.step = 0};
  session_run_backtest(&plain, usual, NULL, false);
  session_run_load(&run, usual, NULL);
  if (session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  uv_loop_init(&loop);
  assert_int_equal(hd_replay_init(&d.replay, &run.session, &(struct hd_replay_options){.paused = true, .loop = &loop}), HADRON_OK);
  uv_timer_init(&loop, &d.timer);
  d.timer.data = &d;
  uv_timer_start(&d.timer, on_drive, 1, 20);
  if (hd_replay_run(&d.replay, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(d.step, 5);
  hd_replay_fini(&d.replay);
  uv_close((uv_handle_t *)&d.timer, NULL);
  while (uv_run(&loop, UV_RUN_NOWAIT)) continue;
  assert_int_equal(uv_loop_close(&loop), 0);
  session_run_close(&run);
  assert_string_equal(run.digest, plain.digest);
  assert_int_equal(run.counts[HADRON_MSG_DECISION], plain.counts[HADRON_MSG_DECISION]);
}

static void a_duration_ends_the_run(void **state) {
  (void)state;
  struct session_run run;
  struct hd_fault fault = {0};
  struct hd_replay replay;
  session_run_load(&run, usual, NULL);
  if (session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  hd_replay_init(&replay, &run.session, &(struct hd_replay_options){.duration_ns = INT64_C(10000000000)});
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  assert_true(run.session.runner.ticks >= 9999 && run.session.runner.ticks <= 10001); // a tick a millisecond
  hd_replay_fini(&replay);
  session_run_close(&run);
  // A market that makes itself has no other end.
  session_run_load(&run, "return { mode = 'backtest', venues = { sim = { params = { flow = 'random', instruments = 2 } } } }", NULL);
  if (session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  hd_replay_init(&replay, &run.session, &(struct hd_replay_options){0});
  assert_int_equal(hd_replay_run(&replay, &fault), HADRON_ERR_CONFIG);
  replay.options.duration_ns = INT64_C(2000000000);
  assert_int_equal(hd_replay_run(&replay, &fault), HADRON_OK);
  assert_true(run.session.runner.ticks > 10);
  hd_replay_fini(&replay);
  session_run_close(&run);
}

// ---- files -------------------------------------------------------------------------------------------------------------------------

static void write_csv(const char *dir, const char *name, int64_t first_ns, int64_t step_ns, int count) {
  static char text[1 << 20];
  char path[TEST_PATH_SIZE];
  int at = snprintf(text, sizeof text, "time,price,size\n");
  for (int i = 0; i < count; i++)
    at += snprintf(text + at, sizeof text - (size_t)at, "%lld,%d.%02d,100\n", (long long)(first_ns + i * step_ns), 100 + i * 7919 % 5, i * 31 % 100);
  test_path(path, dir, name);
  test_file_write(path, text, (size_t)at);
}

static const char two_files[] =
    HEAD "venues = { a = { plugin = 'replay', params = { files = { '@DIR@/a.csv' }, symbol = 'AAA' } },\n"
         " b = { plugin = 'replay', params = { files = { '@DIR@/b.csv' }, symbol = 'BBB' } }, sim = {} },\n"
         "strategies = { cross = { plugin = 'zero_cross', params = { length = 3, band = 0, size = 10 } } } }";

static void recorded_venues_are_merged_by_time(void **state) {
  (void)state;
  struct session_run run;
  char first[HD_DIGEST_TEXT] = "";
  for (int i = 0; i < 2; i++) {
    struct hd_fault fault = {0};
    struct hd_replay replay;
    session_run_load(&run, two_files, (const char *const[]){i ? "engine.shards=4" : "engine.shards=1", NULL});
    write_csv(run.dir, "a.csv", INT64_C(1704205800000000000), 3000000, 3000);
    write_csv(run.dir, "b.csv", INT64_C(1704205801000000000), 7000000, 1000);
    if (session_run_open(&run, &(struct hd_session_options){.journal = true, .digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
    hd_replay_init(&replay, &run.session, &(struct hd_replay_options){0});
    if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
    hd_replay_fini(&replay);
    assert_int_equal(run.session.runner.ticks, 4000);
    assert_int_equal(run.counts[HADRON_MSG_TICK], 4000);
    assert_int_equal(run.off_time, 0);
    session_run_identity(&run);
    session_run_close(&run);
    if (i) assert_string_equal(run.digest, first);
    strcpy(first, run.digest);
  }
}

static void a_source_that_breaks_is_reported(void **state) {
  (void)state;
  struct session_run run;
  struct hd_fault fault = {0};
  struct hd_replay replay;
  session_run_load(&run, HEAD "venues = { a = { plugin = 'replay', params = { files = { '@DIR@/a.csv', '@DIR@/b.csv.gz' }, symbol = 'AAA' } }, sim = {} } }", NULL);
  write_csv(run.dir, "a.csv", INT64_C(1704205800000000000), 3000000, 3000);
  char path[TEST_PATH_SIZE];
  test_path(path, run.dir, "b.csv.gz");
  test_file_write(path, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03 this is not what it says it is", 40);
  int32_t code = session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault);
  if (!code) {
    hd_replay_init(&replay, &run.session, &(struct hd_replay_options){0});
    code = hd_replay_run(&replay, &fault);
    hd_replay_fini(&replay);
  }
  assert_int_not_equal(code, HADRON_OK);
  assert_non_null(strstr(fault.text, "b.csv.gz"));
  session_run_close(&run);
}

// ---- errors ------------------------------------------------------------------------------------------------------------------------

static void errors_name_their_place(void **state) {
  (void)state;
  static const struct { const char *text; const char *words[4]; } rows[] = {
      {"return { mode = 'backtest', venues = { sim = {} },\n strategies = {\n  a = { plugin = 'nothing_of_that_name' } } }", {"config.lua:3", "a: ", "nothing_of_that_name", ".so or .lua in"}},
      {"return { mode = 'backtest', venues = { sim = {} },\n strategies = {\n  a = { plugin = 'sim' } } }", {"config.lua:3", "strategy", "venue", ""}},
      {"return { mode = 'backtest', venues = { sim = {}, memory = {} },\n strategies = {\n  sma = { params = { fast = 'many' } } } }", {"config.lua:3", "fast", "many", "integer"}},
      {"return { mode = 'backtest', venues = { sim = {}, memory = {} },\n strategies = {\n  sma = { params = { fastt = 3 } } } }", {"config.lua:3", "fastt", "fast", ""}},
      {"return { mode = 'backtest', venues = { sim = {}, memory = {} },\n strategies = {\n  sma = { universe = { 'ZZZ*' } } } }", {"config.lua:3", "sma", "matches none", "universe"}},
      {"return { mode = 'backtest', venues = { memory = {} } }", {"config.lua", "expected one that takes orders", "sim", ""}},
      {"return { mode = 'backtest', venues = { sim = {} }, gateway = { orders_to = 'simm' } }", {"config.lua", "orders_to", "simm", ""}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct session_run run;
    struct hd_fault fault = {0};
    session_run_load(&run, rows[i].text, NULL);
    assert_int_not_equal(session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault), HADRON_OK);
    for (int k = 0; k < 4; k++)
      if (!strstr(fault.text, rows[i].words[k])) fail_msg("row %zu: \"%s\" is not in: %s", i, rows[i].words[k], fault.text);
    session_run_close(&run);
  }
}

// ---- real data ---------------------------------------------------------------------------------------------------------------------

static void real_recordings_run_to_the_end(void **state) {
  (void)state;
  static const char *const files[] = {"data/lean/equity/usa/tick/ibm/20131007_trade.zip", "data/lean/forex/fxcm/tick/eurusd/20140502_quote.zip"};
  static const char text[] = HEAD "venues = { tape = { plugin = 'replay' }, sim = {} },\n"
                                  "strategies = { cross = { plugin = 'zero_cross', params = { length = 5, band = 0, size = 10 } }, maker = { plugin = 'market_maker' } } }";
  const char *shared = getenv("HADRON_SHARED_DIR");
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[700], set[800];
    snprintf(path, sizeof path, "%s/%s", shared ? shared : "", files[i]);
    FILE *f = shared && *shared ? fopen(path, "rb") : NULL;
    if (!f) {
      print_message("skipped: %s is not here (HADRON_SHARED_DIR=%s)\n", files[i], shared ? shared : "");
      skip();
    }
    fclose(f);
    snprintf(set, sizeof set, "venues.tape.params.files=%s", path);
    struct session_run one, again, four;
    session_run_backtest(&one, text, (const char *const[]){set, NULL}, false);
    session_run_backtest(&again, text, (const char *const[]){set, NULL}, true);
    session_run_backtest(&four, text, (const char *const[]){set, "engine.shards=4", NULL}, false);
    assert_true(again.counts[HADRON_MSG_TICK] > 100);
    assert_true(one.counts[HADRON_MSG_DECISION] > 0);
    assert_string_equal(one.digest, again.digest);
    assert_string_equal(one.digest, four.digest);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(same_digest_whatever_the_form),            cmocka_unit_test(shares_are_executions),   cmocka_unit_test(groups_stay_on_one_shard),
      cmocka_unit_test(lua_and_c_decide_the_same),                cmocka_unit_test(bad_scripts_are_fenced_alone),
      cmocka_unit_test(pause_step_seek_and_speed_change_nothing), cmocka_unit_test(a_duration_ends_the_run), cmocka_unit_test(recorded_venues_are_merged_by_time),
      cmocka_unit_test(a_source_that_breaks_is_reported),         cmocka_unit_test(errors_name_their_place), cmocka_unit_test(real_recordings_run_to_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
