// Promise: a session that was recorded comes out of its journal again, byte for byte: a backtest, live on one thread, live with a thread per
// shard and one for trading; with limits that deny, a market that rejects, kills and releases, shadows. Nothing is compared in vain: every
// decision, opportunity, intent, order, event, execution and allocation of the journal was made again. One bit that is another in one of these
// records, with its checksum mended, is found and named; so is a strategy with one other rule, at its first other decision; and a version that is
// not to be had is asked for by its digest.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/verify.h"
#include "runtime/live.h"
#include "runtime/verify.h"
#include "support/session_run.h"

// ---- sessions that are recorded ------------------------------------------------------------------------------------------------------

static const char backtest_text[] =
    "return { mode = 'backtest', universe = { max = 16 }, risk = { position_max = '20', order_rate_max = 50 }, journal = { segment = '1MiB' },\n"
    "  venues = { memory = { params = { count = 20000, instruments = 6 } }, sim = { params = { entry_latency = '1ms', response_latency = '2ms', reject_rate = 0.05 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 2, band = 0, size = 5 } }, maker = { plugin = 'market_maker' },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 }, risk = { position_max = '6' } }, twin = { plugin = 'sma', role = 'shadow', params = { fast = 2, slow = 5 } } } }\n";

static const char live_text[] =
    "return { mode = 'paper', universe = { max = 64 }, account = { cash = '10000000' }, risk = { position_max = '40' }, gateway = { unknown_after = '2ms', query_every = '1ms' },\n"
    "  report = { equity_every = '50ms' },\n"
    "  venues = { sim = { params = { flow = 'random', instruments = 12, rate = 2000, size = 100, entry_latency = '1ms', reject_rate = 0.02 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 2, band = 0, size = 5 } }, maker = { plugin = 'market_maker', universe = { 'SIM0*' } },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 } }, two = { plugin = 'pairs', universe = { 'SIM00', 'SIM01' } },\n"
    "    twin = { plugin = 'sma', role = 'shadow', params = { fast = 2, slow = 5 } } } }\n";

static void record_backtest(struct session_run *run, const char *const *sets) {
  struct hd_fault fault = {0};
  struct hd_replay replay;
  session_run_load(run, backtest_text, sets);
  const struct hd_session_options options = {.journal = true, .digest = true, .is_virtual = true};
  if (session_run_open(run, &options, &fault)) fail_msg("%s", fault.text);
  hd_replay_init(&replay, &run->session, &(struct hd_replay_options){0});
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  hd_replay_fini(&replay);
  hd_session_close(&run->session);
  run->opened = false;
}

struct stopper {
  struct hd_live *live;
  uint64_t ticks;
  _Atomic bool reached;
  uint32_t kills;
  bool killed;
};

static void kill_now(void *argument) {
  const struct stopper *s = argument;
  struct hd_pipeline *p = &s->live->session->pipeline;
  int64_t now_ns = s->live->threads ? hd_clock_wall_ns() : s->live->session->runner.now_ns;
  if (s->killed) hd_pipeline_release(p, "test", 1, now_ns);
  else hd_pipeline_kill(p, "test", 1, now_ns);
}

static void on_check(uv_check_t *check) {
  struct stopper *s = check->data;
  uint64_t ticks = hd_session_count(s->live->session, HADRON_MSG_TICK);
  if (s->kills && ticks > s->ticks / 8 * (9 - s->kills)) {
    hd_live_call(s->live, kill_now, s);
    s->killed = !s->killed;
    s->kills--;
  }
  if (ticks >= s->ticks) atomic_store(&s->reached, true);
}

static void *stop_main(void *argument) {
  struct stopper *s = argument;
  while (!atomic_load(&s->reached)) sched_yield();
  hd_live_stop(s->live);
  return NULL;
}

static void record_live(struct session_run *run, const char *const *sets, uint64_t ticks) {
  struct hd_fault fault = {0};
  struct hd_live live;
  uv_loop_t loop;
  uv_check_t check;
  pthread_t thread;
  session_run_load(run, live_text, sets);
  if (session_run_open(run, &(struct hd_session_options){.journal = true}, &fault)) fail_msg("%s", fault.text);
  uv_loop_init(&loop);
  if (hd_live_open(&live, &run->session, &loop, 0, &fault)) fail_msg("%s", fault.text);
  struct stopper stopper = {.live = &live, .ticks = ticks, .kills = 8};
  uv_check_init(&loop, &check);
  check.data = &stopper;
  uv_check_start(&check, on_check);
  assert_int_equal(pthread_create(&thread, NULL, stop_main, &stopper), 0);
  hd_live_run(&live);
  pthread_join(thread, NULL);
  uv_close((uv_handle_t *)&check, NULL);
  hd_live_close(&live);
  while (uv_run(&loop, UV_RUN_NOWAIT)) continue;
  assert_int_equal(uv_loop_close(&loop), 0);
  hd_session_close(&run->session);
  run->opened = false;
}

// ---- running them again --------------------------------------------------------------------------------------------------------------

static struct hd_verify_result result;

static int32_t verify(const struct session_run *run, struct hd_fault *fault) {
  char journal[TEST_PATH_SIZE];
  test_path(journal, run->dir, "data/journal");
  const struct hd_verify_options options = {.journal = journal};
  return hd_verify_run(&options, &result, fault);
}

static const char *const names[HD_TEMPLATE_COUNT] = {[HADRON_MSG_DECISION] = "decision", [HADRON_MSG_OPPORTUNITY] = "opportunity", [HADRON_MSG_INTENT] = "intent",
                                                     [HADRON_MSG_ORDER] = "order", [HADRON_MSG_ORDER_EVENT] = "order_event", [HADRON_MSG_EXECUTION] = "execution",
                                                     [HADRON_MSG_ALLOCATION] = "allocation"};

static void same(const struct session_run *run) {
  struct hd_fault fault = {0};
  if (verify(run, &fault)) fail_msg("%s", fault.text);
  if (result.first.kind) {
    hd_verify_print(&result, run->dir, stderr);
    fail_msg("it came out another way");
  }
  assert_int_equal(result.skipped, 0);
  assert_int_equal(result.behind, 0);
}

// All that the journal has of these kinds was compared.
static void all_compared(const struct session_run *run) {
  struct hd_journal_cursor *cursor;
  struct hd_fault fault;
  struct hadron_record r;
  char journal[TEST_PATH_SIZE];
  uint64_t counts[HD_TEMPLATE_COUNT] = {0};
  test_path(journal, run->dir, "data/journal");
  assert_int_equal(hd_journal_cursor_open(journal, &cursor, &fault), HADRON_OK);
  while (hd_journal_cursor_next(cursor, &r, &fault) == HADRON_OK) counts[r.template_id]++;
  hd_journal_cursor_close(cursor);
  for (int i = 0; i < HD_TEMPLATE_COUNT; i++) {
    if (!names[i]) continue;
    if (counts[i] == 0) fail_msg("there was no %s: the run shows nothing", names[i]);
    if (counts[i] != result.compared[i]) fail_msg("%s: %llu in the journal, %llu compared", names[i], (unsigned long long)counts[i], (unsigned long long)result.compared[i]);
  }
  assert_int_equal(counts[HADRON_MSG_TICK], result.ticks);
}

static void test_backtest(void **state) {
  static struct session_run run;
  static const char *const shards[] = {"engine.shards=1", "engine.shards=4"};
  (void)state;
  for (int i = 0; i < 2; i++) {
    record_backtest(&run, (const char *const[]){shards[i], NULL});
    same(&run);
    all_compared(&run);
    session_run_close(&run);
  }
}

static void test_live(void **state) {
  static struct session_run run;
  (void)state;
  record_live(&run, (const char *const[]){"engine.threads=false", "engine.shards=2", NULL}, 20000);
  same(&run);
  all_compared(&run);
  session_run_close(&run);
}

static void test_threads(void **state) {
  static struct session_run run;
  static const char *const shards[] = {"engine.shards=1", "engine.shards=4"};
  (void)state;
  for (int i = 0; i < 2; i++) {
    record_live(&run, (const char *const[]){"engine.threads=true", shards[i], NULL}, 20000);
    same(&run);
    all_compared(&run);
    session_run_close(&run);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_backtest), cmocka_unit_test(test_live), cmocka_unit_test(test_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
