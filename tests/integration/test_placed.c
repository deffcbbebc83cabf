// Promise: where a strategy runs makes no difference to what it decides. In lock-step a backtest with every strategy in a thread of its own has
// the digest of the inline run, record for record: with bars, timers, fills, universes, shadows, over one shard or several; and its journal comes
// out again. Live, asynchronous, the books hold, everything that was decided is in the journal, and it comes out again too. What came back from elsewhere is
// checked once more where it is taken: its cause and its time are not of the future. Run under the
// address and the thread sanitizer: placements call pthread_create() (placed_thread.c).
#include "base/clock.h"
#include "runtime/live.h"
#include "runtime/placed.h"
#include "runtime/verify.h"
#include "support/recorded_run.h"

#define PLACED(p) "strategies.cross.placement=" p, "strategies.maker.placement=" p, "strategies.sma.placement=" p, "strategies.two.placement=" p, "strategies.bars.placement=" p, "strategies.twin.placement=" p

static const char backtest_text[] =
    "return { mode = 'backtest', universe = { max = 16 }, risk = { position_max = '20', order_rate_max = 50 }, journal = { segment = '1MiB' },\n"
    "  venues = { memory = { params = { count = 20000, instruments = 6, quotes = true } }, sim = { params = { entry_latency = '1ms', response_latency = '2ms', reject_rate = 0.05 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 2, band = 0, size = 5 } }, maker = { plugin = 'market_maker' },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 }, risk = { position_max = '6' } }, two = { plugin = 'pairs', params = { window = 10, sample = '1ms', entry = 0.5, leave = 0.1 } },\n"
    "    bars = { plugin = 'sma', params = { fast = 2, slow = 3, on_bars = true, bar = '50ms', size = 1 } },\n"
    "    twin = { plugin = 'sma', role = 'shadow', params = { fast = 2, slow = 5 } } } }\n";

static const char live_text[] =
    "return { mode = 'paper', universe = { max = 64 }, account = { cash = '10000000' }, risk = { position_max = '40' }, gateway = { ids_max = 16384, unknown_after = '2ms', query_every = '1ms' },\n"
    "  report = { equity_every = '50ms' },\n"
    "  venues = { sim = { params = { flow = 'random', instruments = 12, rate = 2000, size = 100, entry_latency = '1ms', reject_rate = 0.02 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 2, band = 0, size = 5 } }, maker = { plugin = 'market_maker', universe = { 'SIM0*' } },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 } }, two = { plugin = 'pairs', universe = { 'SIM00', 'SIM01' } },\n"
    "    bars = { plugin = 'sma', params = { fast = 2, slow = 3, on_bars = true, bar = '20ms', size = 1 } },\n"
    "    twin = { plugin = 'sma', role = 'shadow', params = { fast = 2, slow = 5 } } } }\n";

static void lock_step_is_inline(void **state) {
  static struct session_run inline_run, placed_run;
  static const char *const shards[] = {"engine.shards=1", "engine.shards=4"};
  (void)state;
  for (int i = 0; i < 2; i++) {
    session_run_backtest(&inline_run, backtest_text, (const char *const[]){shards[i], NULL}, false);
    session_run_backtest(&placed_run, backtest_text, (const char *const[]){shards[i], "engine.placements=as-configured", PLACED("thread"), NULL}, false);
    for (int arm = 1; arm <= 6; arm++) {
      if (inline_run.decisions[arm] < 10) fail_msg("arm %d decided %llu times: that shows nothing", arm, (unsigned long long)inline_run.decisions[arm]);
      assert_int_equal(inline_run.decisions[arm], placed_run.decisions[arm]);
      assert_int_equal(inline_run.decided[arm], placed_run.decided[arm]);
    }
    for (int t = 0; t < HD_TEMPLATE_COUNT; t++)
      if (inline_run.counts[t] != placed_run.counts[t])
        fail_msg("template %d: expected %llu records, found %llu", t, (unsigned long long)inline_run.counts[t], (unsigned long long)placed_run.counts[t]);
    assert_string_equal(inline_run.digest, placed_run.digest);
  }
}

// Without the switch a backtest runs them inline, whatever their sections say.
static void a_backtest_is_inline(void **state) {
  static struct session_run a, b;
  (void)state;
  session_run_backtest(&a, backtest_text, NULL, false);
  session_run_backtest(&b, backtest_text, (const char *const[]){PLACED("thread"), NULL}, false);
  assert_string_equal(a.digest, b.digest);
}

static struct hd_verify_result result;

static void same(const struct session_run *run) {
  struct hd_fault fault = {0};
  char journal[TEST_PATH_SIZE];
  test_path(journal, run->dir, "data/journal");
  const struct hd_verify_options options = {.journal = journal};
  if (hd_verify_run(&options, &result, &fault)) fail_msg("%s", fault.text);
  if (result.first.kind)
    fail_msg("kind %u at record %llu, template %u; found template %u", result.first.kind, (unsigned long long)result.first.sequence, result.first.expected.template_id, result.first.found.template_id);
  assert_int_equal(result.behind, 0);
}

static void lock_step_comes_out_again(void **state) {
  static struct session_run run;
  (void)state;
  recorded_run(&run, &(struct recorded_run){.text = backtest_text, .sets = (const char *const[]){"engine.placements=as-configured", PLACED("thread"), NULL}, .kills = 4, .cuts = 4});
  same(&run);
  assert_true(result.compared[HADRON_MSG_DECISION] > 100);
  session_run_close(&run);
}

static void live(const char *threads, const char *shards) {
  static struct session_run run;
  recorded_run(&run, &(struct recorded_run){.text = live_text, .sets = (const char *const[]){threads, shards, PLACED("thread"), NULL}, .live = true, .ticks = 20000, .every = 0, .kills = 8, .cuts = 4});
  same(&run);
  assert_true(result.compared[HADRON_MSG_DECISION] > 100);
  assert_true(result.compared[HADRON_MSG_ORDER] > 10);
  session_run_close(&run);
}

static bool next_decision(struct hd_journal_cursor *c, struct hadron_record *r) {
  struct hd_fault fault;
  while (hd_journal_cursor_next(c, r, &fault) == HADRON_OK)
    if (r->template_id == HADRON_MSG_DECISION || r->template_id == HADRON_MSG_EXECUTION || r->template_id == HADRON_MSG_SWAP) return true;
  return false;
}

// Decisions and executions byte for byte; exchanges at the same ticks, with as much state.
static void same_decisions(const struct session_run *a, const struct session_run *b) {
  struct hd_journal_cursor *x, *y;
  struct hd_fault fault;
  struct hadron_record r, s;
  char path[TEST_PATH_SIZE];
  uint64_t n = 0;
  test_path(path, a->dir, "data/journal");
  assert_int_equal(hd_journal_cursor_open(path, &x, &fault), HADRON_OK);
  test_path(path, b->dir, "data/journal");
  assert_int_equal(hd_journal_cursor_open(path, &y, &fault), HADRON_OK);
  for (; next_decision(x, &r); n++) {
    assert_true(next_decision(y, &s));
    assert_int_equal(r.template_id, s.template_id);
    const struct hadron_swap *v = r.bytes, *w = s.bytes;
    bool alike = r.template_id == HADRON_MSG_SWAP ? v->last_sequence == w->last_sequence && v->first_sequence == w->first_sequence && v->state_size == w->state_size
                                                  : memcmp(r.bytes, s.bytes, r.block_length) == 0;
    if (!alike) fail_msg("record %llu of these kinds, template %u, is another one", (unsigned long long)n, r.template_id);
  }
  assert_false(next_decision(y, &s));
  assert_true(n > 1000);
  hd_journal_cursor_close(x);
  hd_journal_cursor_close(y);
}

// Swaps with state, versions kept warm, canaries, shadows, nobody: in lock-step record for record what an inline run writes.
static void versions_change_in_lock_step(void **state) {
  static struct session_run inline_run, placed_run;
  const struct recorded_run plain = {.text = backtest_text, .every = 900};
  (void)state;
  struct recorded_run a = plain, b = plain;
  b.sets = (const char *const[]){"engine.placements=as-configured", PLACED("thread"), NULL};
  recorded_run(&inline_run, &a);
  recorded_run(&placed_run, &b);
  same_decisions(&inline_run, &placed_run);
  same(&placed_run);
  assert_true(result.compared[HADRON_MSG_SWAP] > 14);
  session_run_close(&inline_run);
  session_run_close(&placed_run);
}

// The same live: what the journal says of it comes out again. Slower than the other runs: a state is handed over once the other side is through with
// what waits for it, and one that is a second behind, under a sanitizer on a busy machine, is refused.
static void versions_change_live(void **state) {
  static struct session_run run;
  static const char *const threads[] = {"engine.threads=false", "engine.threads=true"};
  (void)state;
  for (int i = 0; i < 2; i++) {
    recorded_run(&run, &(struct recorded_run){.text = live_text, .sets = (const char *const[]){threads[i], "engine.shards=2", PLACED("thread"), "venues.sim.params.rate=300", NULL}, .live = true, .ticks = 8000, .every = 1500});
    same(&run);
    assert_true(result.compared[HADRON_MSG_SWAP] > 2);
    session_run_close(&run);
  }
}

static void live_on_one_thread(void **state) {
  (void)state;
  live("engine.threads=false", "engine.shards=2");
}
static void live_with_threads(void **state) {
  (void)state;
  live("engine.threads=true", "engine.shards=1");
  live("engine.threads=true", "engine.shards=3");
}

// Whoever is at the other end, and whatever has let it through: a cause that no shard has sent, an instrument of others, a time that is to come.
static struct hadron_decision taken[8];
static uint32_t taken_count;

static void observe_taken(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  (void)observer, (void)tail, (void)tail_size;
  if (template_id == HADRON_MSG_DECISION && taken_count < 8) taken[taken_count++] = *(const struct hadron_decision *)block;
}

static void nothing_of_the_future(void **state) {
  static const char text[] = "return { mode = 'paper', bus = { sessions = { { url = 'ipc://@DIR@/s', class = 'trade' } } }, strategies = { far = { external = true } },\n"
                             "  venues = { sim = { params = { flow = 'random', instruments = 2 } } } }\n";
  static struct session_run run;
  struct hd_fault fault = {0};
  (void)state;
  session_run_load(&run, text, NULL);
  if (session_run_open(&run, &(struct hd_session_options){.journal = true, .observe = observe_taken}, &fault)) fail_msg("%s", fault.text);
  struct hd_placed *p = atomic_load(&run.session.placed[0]);
  const int64_t now_ns = hd_clock_wall_ns(), hour_ns = INT64_C(3600000000000);
  const struct hadron_tick tick = {.sequence = 5, .instrument = p->universe[0], .kind = HADRON_TICK_TRADE, .recv_ns = now_ns, .value.trade.price = {1000000000}};
  assert_true(hd_channel_tick(&p->channels[0], &tick));
  const struct hadron_decision good = {.kind = HADRON_DECISION_TARGET, .instrument = p->universe[0], .confidence = 1, .cause = 5, .time_ns = now_ns - 1};
  struct hadron_decision rows[] = {good, good, good, good, good};
  rows[0].cause = 6, rows[1].instrument = 999, rows[2].time_ns = now_ns + hour_ns, rows[3].time_ns = 0;
  for (uint64_t i = 0; i < sizeof rows / sizeof *rows; i++) assert_true(hd_channel_decide(&p->channels[0], &rows[i], i + 1, true));
  while (hd_session_take_placed(&run.session, now_ns)) continue;
  assert_int_equal(atomic_load(&p->counts.refused), 2);
  assert_int_equal(atomic_load(&p->counts.decisions), 3);
  assert_int_equal(taken_count, 3);
  assert_int_equal(taken[0].time_ns, now_ns);
  assert_int_equal(taken[1].time_ns, now_ns);
  assert_int_equal(taken[2].time_ns, now_ns - 1);
  for (uint32_t i = 0; i < taken_count; i++) assert_int_equal(taken[i].cause, 5);
  session_run_close(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(lock_step_is_inline), cmocka_unit_test(a_backtest_is_inline), cmocka_unit_test(lock_step_comes_out_again), cmocka_unit_test(versions_change_in_lock_step), cmocka_unit_test(versions_change_live), cmocka_unit_test(live_on_one_thread),
                                     cmocka_unit_test(live_with_threads), cmocka_unit_test(nothing_of_the_future)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
