// Promise: a live session against an exchange that makes its own market keeps its books, writes down exactly what it counts, hears calls
// from its loop, and stops clean from another thread with nothing left in its rings; on one thread and with a thread per shard and one
// for trading. It ends after a number of ticks, not after a time. Run under the address and the thread sanitizer too.
#include "support/session_run.h"

#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/sanitized.h"
#include "runtime/live.h"

static const char config_text[] =
    "return { mode = 'paper', universe = { max = 64 }, account = { cash = '10000000' },\n"
    "  gateway = { ids_max = 16384 },\n" // strategies that trade at every tick come to an end
    "  venues = { sim = { params = { flow = 'random', instruments = 12, rate = 2000, size = 100, entry_latency = '0ms' } } },\n"
    "  strategies = {\n"
    "    cross = { plugin = 'zero_cross', params = { length = 2, band = 0, size = 5 } },\n"
    "    maker = { plugin = 'market_maker', universe = { 'SIM0*' } },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 } },\n"
    "    two = { plugin = 'pairs', universe = { 'SIM00', 'SIM01' } } } }\n";

struct stopper {
  struct hd_live *live;
  uint64_t ticks;       // stop once so many were recorded
  _Atomic bool reached; // for the thread that stops
  uint64_t calls, killed;
  bool kill;
  uint32_t changes;     // of roles, while it runs, still to be made
  struct hd_random random;
};

static uint64_t ticks_of(const struct stopper *s) { return hd_session_count(s->live->session, HADRON_MSG_TICK); }

static void count_call(void *argument) { ((struct stopper *)argument)->calls++; }

static void kill_now(void *argument) {
  struct stopper *s = argument;
  hd_pipeline_kill(&s->live->session->pipeline, "test", 0, s->live->session->pipeline.now_ns);
  s->killed = hd_session_count(s->live->session, HADRON_MSG_ORDER);
}
static void release_now(void *argument) {
  struct stopper *s = argument;
  // Nothing was sent while it was killed.
  assert_int_equal(hd_session_count(s->live->session, HADRON_MSG_ORDER), s->killed);
  hd_pipeline_release(&s->live->session->pipeline, "test", 0, s->live->session->pipeline.now_ns);
}

// Everything rests: an arm gets another role, and the books must hold at once.
static void change_now(void *argument) {
  struct stopper *s = argument;
  struct hd_pipeline *p = &s->live->session->pipeline;
  struct hd_fault fault = {0};
  uint32_t arm = 1 + (uint32_t)hd_random_below(&s->random, p->arm_count);
  struct hd_arm_change change = {.role = 1 + (uint32_t)hd_random_below(&s->random, 3), .weight = 1};
  for (uint32_t heir = 1; heir <= 3; heir += 2) // of the first three arms two trade everything
    if (arm == 2 && heir != arm && p->arms[heir].role != HD_ROLE_SHADOW) change.heir = heir;
  if (hd_pipeline_role(p, arm, &change, hd_clock_wall_ns(), &fault)) fail_msg("%s", fault.text);
  hd_portfolio_mark_all(&p->portfolio);
  if (hd_portfolio_check(&p->portfolio, &fault)) fail_msg("%s", fault.text);
}

static void on_check(uv_check_t *check) {
  struct stopper *s = check->data;
  uint64_t ticks = ticks_of(s);
  if (s->changes && ticks > s->ticks / 4 && s->changes--) hd_live_quiet(s->live, change_now, s);
  if (s->calls < 20) hd_live_call(s->live, count_call, s);
  if (s->kill && s->killed == 0 && ticks > s->ticks / 3) hd_live_call(s->live, kill_now, s);
  else if (s->kill && s->killed && ticks > s->ticks / 2) {
    hd_live_call(s->live, release_now, s);
    s->kill = false;
  }
  if (ticks >= s->ticks && !s->changes) atomic_store(&s->reached, true);
}

static void *stop_main(void *argument) {
  struct stopper *s = argument;
  while (!atomic_load(&s->reached)) sched_yield();
  hd_live_stop(s->live);
  return NULL;
}

// Every record that the sink counted is in the journal, and no other.
static void journal_holds(const char *dir, const uint64_t expected[HD_TEMPLATE_COUNT]) {
  struct hd_journal_cursor *cursor;
  struct hd_fault fault;
  struct hadron_record record;
  char path[TEST_PATH_SIZE];
  uint64_t found[HD_TEMPLATE_COUNT] = {0}, last_decision = 0, last_shadow = HADRON_SHADOW_ID;
  int32_t code;
  test_path(path, dir, "data/journal");
  assert_int_equal(hd_journal_cursor_open(path, &cursor, &fault), HADRON_OK);
  while ((code = hd_journal_cursor_next(cursor, &record, &fault)) == HADRON_OK) {
    assert_true(record.template_id < HD_TEMPLATE_COUNT);
    found[record.template_id]++;
    if (record.template_id != HADRON_MSG_DECISION) continue;
    struct hadron_decision d;
    memcpy(&d, record.bytes, sizeof d);
    assert_int_equal(d.id, d.flags & HADRON_ORDER_SHADOW ? ++last_shadow : ++last_decision); // row for row
  }
  assert_int_equal(code, HADRON_ERR_AGAIN);
  for (int i = 0; i < HD_TEMPLATE_COUNT; i++)
    if (found[i] != expected[i]) fail_msg("template %d: expected %llu records, found %llu", i, (unsigned long long)expected[i], (unsigned long long)found[i]);
  hd_journal_cursor_close(cursor);
}

#define SHADOWS "strategies.cross.role=shadow", "strategies.maker.role=shadow"

static void run_live(const char *threads, const char *shards, const char *lanes, uint64_t ticks, bool kill, bool shadows, uint32_t changes) {
  struct session_run run;
  struct hd_fault fault = {0};
  struct hd_live live;
  uv_loop_t loop;
  uv_check_t check;
  pthread_t thread;
  char a[64], b[64], c[64], keep[TEST_PATH_SIZE];
  snprintf(a, sizeof a, "engine.threads=%s", threads);
  snprintf(b, sizeof b, "engine.shards=%s", shards);
  snprintf(c, sizeof c, "engine.lane_ticks=%s", lanes);
  session_run_load(&run, config_text, shadows ? (const char *const[]){a, b, c, SHADOWS, NULL} : (const char *const[]){a, b, c, NULL});
  if (session_run_open(&run, &(struct hd_session_options){.journal = true}, &fault)) fail_msg("%s", fault.text);
  for (uint32_t arm = 1; changes && arm <= run.session.arm_count; arm++)
    if (hd_session_shadow(&run.session, arm, &fault)) fail_msg("%s", fault.text);
  uv_loop_init(&loop);
  if (hd_live_open(&live, &run.session, &loop, 0, &fault)) fail_msg("%s", fault.text);
  struct stopper stopper = {.live = &live, .ticks = ticks, .kill = kill, .changes = changes};
  hd_random_init(&stopper.random, 20261121);
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
  assert_true(stopper.calls > 0);

  struct hd_pipeline *p = &run.session.pipeline;
  session_run_identity(&run);
  assert_true(hd_session_count(&run.session, HADRON_MSG_DECISION) > 100);
  assert_true(hd_session_count(&run.session, HADRON_MSG_EXECUTION) > 10);
  assert_int_equal(atomic_load(&p->sink_errors), 0);
  assert_int_equal(p->desk.decisions, hd_session_count(&run.session, HADRON_MSG_DECISION));
  // Of the accepted ticks each was handled, and so recorded, or counted as something else.
  assert_int_equal(hd_session_count(&run.session, HADRON_MSG_TICK) + p->router.routed[HADRON_LANE_DROP] + p->router.conflated + p->router.lost + p->router.held_count,
                   p->normalize.accepted);
  assert_int_equal(run.session.runner.ticks, p->normalize.accepted + hd_normalize_refused(&p->normalize));
  uint64_t engine_ticks = 0;
  for (uint32_t s = 0; s < p->options.shards; s++) engine_ticks += hd_engine_count(p->engines[s])->ticks;
  assert_int_equal(engine_ticks, hd_session_count(&run.session, HADRON_MSG_TICK));
  assert_int_equal(stopper.changes, 0);
  if (shadows && !changes) {
    assert_true(atomic_load(&run.session.shadow_records[HADRON_MSG_EXECUTION]) > 10);
    assert_true(p->portfolio.books[1].turnover.micros + p->portfolio.books[2].turnover.micros > 0);
    assert_true(p->portfolio.books[1].role == HD_ROLE_SHADOW && p->portfolio.books[2].role == HD_ROLE_SHADOW);
    const struct hd_gateway_counts *counts = hd_gateway_count(p->shadow.gateway);
    assert_int_equal(counts->impossible + counts->external + counts->duplicates, 0);
    assert_int_equal(counts->orders, atomic_load(&run.session.shadow_records[HADRON_MSG_ORDER]));
  }
  uint64_t expected[HD_TEMPLATE_COUNT];
  for (uint16_t i = 0; i < HD_TEMPLATE_COUNT; i++) expected[i] = hd_session_count(&run.session, i) + atomic_load(&run.session.shadow_records[i]);
  expected[HADRON_MSG_SESSION]++; // its end, written while it closes
  snprintf(keep, sizeof keep, "%s", run.dir);
  run.loaded = false; // the directory is still looked into
  session_run_close(&run);
  hd_config_fini(&run.config);
  journal_holds(keep, expected);
  test_directory_remove(keep);
}

#define TICKS (HD_SANITIZED ? 4000 : 40000)

static void one_thread(void **state) {
  (void)state;
  run_live("false", "1", "4096", TICKS, false, false, 0);
}
static void one_thread_with_shards_and_kill(void **state) {
  (void)state;
  run_live("false", "3", "4096", TICKS, true, false, 0);
}
static void two_shard_threads(void **state) {
  (void)state;
  run_live("true", "2", "4096", TICKS, true, false, 0);
}
static void four_shard_threads_with_short_lanes(void **state) {
  (void)state;
  run_live("true", "4", "64", TICKS, false, false, 0);
}
static void one_thread_with_shadows(void **state) {
  (void)state;
  run_live("false", "2", "4096", TICKS, false, true, 0);
}
static void two_shard_threads_with_shadows(void **state) {
  (void)state;
  run_live("true", "2", "4096", TICKS, true, true, 0);
}
static void roles_change_while_it_runs(void **state) {
  (void)state;
  // A change rests every thread; under the thread sanitizer, on two cores, that takes seconds.
  const char *sanitized = getenv("HADRON_SANITIZE");
  uint32_t changes = sanitized && strstr(sanitized, "thread") ? 4 : 60;
  run_live("false", "2", "4096", TICKS, false, true, changes);
  run_live("true", "3", "4096", TICKS, false, true, changes);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_thread), cmocka_unit_test(one_thread_with_shards_and_kill), cmocka_unit_test(two_shard_threads),
                                     cmocka_unit_test(four_shard_threads_with_short_lanes), cmocka_unit_test(one_thread_with_shadows),
                                     cmocka_unit_test(two_shard_threads_with_shadows), cmocka_unit_test(roles_change_while_it_runs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
