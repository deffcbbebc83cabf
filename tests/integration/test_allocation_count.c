// Promise: once warm, a tick costs no memory: from the venue's poll through strategies, allocator, risk, gateway, the simulated fills and
// the journal, nobody calls malloc, realloc or free. How: this program's malloc family counts while a venue is polled; what comes between
// two polls (the journal's maintenance) is not of the tick path. The sanitizers bring a malloc of their own: skipped there.
#include "support/session_run.h"

#include <execinfo.h>

#include "support/failing_alloc.h"

#define WARM 50000
#define TICKS 250000

static const char text[] = "return { mode = 'backtest', universe = { max = 64 }, account = { cash = '100000000' }, report = { equity_every = '10s' },\n"
                           "venues = { memory = { params = { count = 250000, instruments = 6, quotes = true } }, sim = {} },\n"
                           "strategies = {\n"
                           "  maker = { plugin = 'market_maker', universe = { 'MAA*' } },\n"
                           "  sma = { params = { fast = 3, slow = 9, size = 7 } },\n"
                           "  two = { plugin = 'pairs', universe = { 'MAAA', 'MAAC' }, params = { window = 5, sample = '10ms', entry = 0.5, leave = 0.1, size = 10 } } } }\n";

static void counting_counts(void) {
  test_alloc_begin(0, 0);
  test_alloc_armed = true;
  void *volatile block = malloc(10);
  free(block);
  test_alloc_armed = false;
  assert_int_equal(test_alloc.asked, 1);
  assert_int_equal(test_alloc.freed, 1);
  test_alloc_begin(0, 0);
}

static void a_tick_costs_no_memory(void **state) {
  (void)state;
  static struct session_run run;
  struct hd_fault fault = {0};
  void *frames[4];
  backtrace(frames, 4); // the first one loads a library
  test_alloc.by_thread = test_alloc.traces = true;
  counting_counts();
  session_run_load(&run, text, NULL);
  if (session_run_open(&run, &(struct hd_session_options){.journal = true, .digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  struct hd_runner *runner = &run.session.runner;
  struct hd_venue *source = NULL;
  for (uint32_t i = 0; i < run.session.venue_count; i++)
    if (hd_venue_is(&run.session.venues[i], HADRON_VENUE_RECORDED)) source = &run.session.venues[i];
  assert_non_null(source);
  uint64_t orders = 0, executions = 0, decided[4] = {0};
  while (runner->ticks < TICKS) {
    if (orders == 0 && runner->ticks >= WARM) {
      orders = run.counts[HADRON_MSG_ORDER];
      executions = run.counts[HADRON_MSG_EXECUTION];
      memcpy(decided, run.decisions, sizeof decided);
    }
    uint64_t before = runner->ticks;
    test_alloc_armed = runner->ticks >= WARM;
    hd_venue_poll(source, runner->now_ns);
    test_alloc_armed = false;
    if (runner->ticks == before) break;
    if (hd_journal_maintain(run.session.journal, &fault)) fail_msg("%s", fault.text);
  }
  test_alloc_end();
  uint64_t calls = test_alloc.asked + test_alloc.freed;
  if (calls) backtrace_symbols_fd(test_alloc.frames, test_alloc.depth, 2);
  assert_int_equal(runner->ticks, TICKS);
  print_message("%llu orders, %llu executions, %llu allocations\n", (unsigned long long)(run.counts[HADRON_MSG_ORDER] - orders),
                (unsigned long long)(run.counts[HADRON_MSG_EXECUTION] - executions), (unsigned long long)calls);
  assert_int_equal(calls, 0);
  assert_true(run.counts[HADRON_MSG_ORDER] - orders > 1000 && run.counts[HADRON_MSG_EXECUTION] - executions > 500);
  for (int arm = 1; arm <= 3; arm++) assert_true(run.decisions[arm] > decided[arm]);
  assert_true(hd_journal_end(run.session.journal) > 0);
  session_run_identity(&run);
  session_run_close(&run);
}

int main(void) {
  (void)a_tick_costs_no_memory;
#if TEST_ALLOC_SEES_ALL
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_tick_costs_no_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
#else
  fprintf(stderr, "skipped: the sanitizer has a malloc of its own, which cannot be counted\n");
  return 77;
#endif
}
