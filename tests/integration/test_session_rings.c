// Promise: in the threaded form a ring that is full loses nothing. Decisions: the shard waits, and every decision that an engine took is in the
// journal, numbered without a hole. Reports: the loop waits, and every one that a venue said is in the journal. Commands: nobody waits; an
// order that finds no room has not left, the gateway says so, and the books and counts add up.
//
// How: each ring is made full for certain, by whoever empties it: the trading thread stands still in the record of a decision or of a
// report until the ring is full, the loop in its own turn until the ring of commands is.
#include "support/session_run.h"

#include <sched.h>

#include "base/limits.h"
#include "runtime/live.h"

#define ARMS 10

static const char script[] =
    "-- hadron: strategy many 1.0.0\n-- description: an order on another slot with every trade\n-- requires: hadron.strategy/1\n"
    "return hadron.strategy { on_start = function(self) self.at = 0 end,\n"
    "  on_trade = function(self) self.at = self.at % 16 + 1; self:work(self.at, 'buy', hadron.quantity('1'), hadron.price('50')) end }\n";

enum ring { DECISIONS = 1, REPORTS, COMMANDS };

static struct trial {
  struct session_run run;
  struct hd_live live;
  enum ring ring;
  _Atomic bool filled, sent;
  uint64_t reports, held; // that the test said; ticks that waited in the lanes
} t;

static bool is_full(const struct hd_ring *ring) { return hd_ring_size(ring) == hd_ring_capacity(ring); }

// [the thread that writes the record]
static void observe(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  (void)observer, (void)block, (void)tail, (void)tail_size;
  if (atomic_load(&t.filled)) return;
  if (t.ring == DECISIONS && template_id == HADRON_MSG_DECISION) {
    while (!is_full(&t.live.shards[0].decisions)) sched_yield();
    atomic_store(&t.filled, true);
  }
  if (t.ring == REPORTS && template_id == HADRON_MSG_VENUE_REPORT && atomic_load(&t.sent)) {
    while (!is_full(&t.live.reports)) sched_yield();
    atomic_store(&t.filled, true);
  }
}

// Three times as many as there is room for, about an order that nobody knows.
static void say_reports(void) {
  struct hadron_venue_report report = {.venue = 2, .change = HADRON_CHANGE_CANCELED, .cumulative = {-1}};
  memcpy(report.client_order_id.hex, "ffffffffffffffffffffffff", sizeof report.client_order_id.hex);
  atomic_store(&t.sent, true);
  for (int i = 0; i < 3 * HD_REPORT_RING; i++, t.reports++) hd_live_report(&t.live, &report);
}

static uint64_t in_the_lanes(void) {
  uint64_t count = 0;
  for (int lane = 0; lane < 3; lane++) count += hd_ring_size(&t.run.session.pipeline.router.lanes[0].rings[lane]);
  return count;
}

static bool may_order(void) {
  for (uint32_t i = 0; i < t.run.session.venue_count; i++) {
    const struct hd_venue *v = &t.run.session.venues[i];
    if (atomic_load(&v->state) != HADRON_VENUE_READY || atomic_load(&v->listing)) return false;
  }
  return true;
}

// The shards have taken no tick until orders may be sent and enough of them wait; then they do, and this thread, which empties the ring of
// commands, stands still: so many slots have no order yet that the ring cannot hold them.
static void fill_commands(void) {
  if ((t.held = in_the_lanes()) < 3000 || !may_order()) return;
  atomic_store(&t.live.hold, 0);
  hd_bell_ring(&t.live.shards[0].bell);
  while (!is_full(&t.live.commands)) sched_yield();
  // One more has found no room before this thread goes on.
  while (hd_ring_size(&t.live.shards[0].decisions) > 0) sched_yield();
  atomic_store(&t.filled, true);
}

static void on_check(uv_check_t *check) {
  (void)check;
  if (t.ring == COMMANDS && !atomic_load(&t.filled)) fill_commands();
  if (hd_session_count(&t.run.session, HADRON_MSG_TICK) < 100) return;
  if (t.ring == REPORTS && !t.reports) say_reports();
  if (atomic_load(&t.filled) && hd_session_count(&t.run.session, HADRON_MSG_TICK) > 2000) hd_live_stop(&t.live);
}

static void whole_run(enum ring ring) {
  static char text[8192], path[TEST_PATH_SIZE];
  struct hd_fault fault = {0};
  uv_loop_t loop;
  uv_check_t check;
  memset(&t, 0, sizeof t);
  t.ring = ring;
  int n = snprintf(text, sizeof text,
                   "return { mode = 'paper', universe = { max = 128 }, engine = { threads = true, shards = 1, lane_ticks = 8192 }, journal = { segment = '64MiB' },\n"
                   "  account = { cash = '100000000' }, gateway = { orders_max = 20000, unknown_after = '10m' }, venues = { flood = { params = { instruments = 64, period = '2ms' } }, sim = { params = { orders_max = 20000, entry_latency = '0ms' } } },\n"
                   "  strategies = {\n");
  for (int i = 0; i < ARMS; i++) n += snprintf(text + n, sizeof text - (size_t)n, "    many%d = { plugin = '@DIR@/many.lua' },\n", i);
  snprintf(text + n, sizeof text - (size_t)n, "  } }\n");
  session_run_load(&t.run, text, NULL);
  test_path(path, t.run.dir, "many.lua");
  test_file_write(path, script, sizeof script - 1);
  const struct hd_session_options options = {.journal = true, .observer = &t, .observe = observe};
  if (session_run_open(&t.run, &options, &fault)) fail_msg("%s", fault.text);
  uv_loop_init(&loop);
  if (hd_live_open(&t.live, &t.run.session, &loop, 0, &fault)) fail_msg("%s", fault.text);
  atomic_store(&t.live.hold, ring == COMMANDS);
  uv_check_init(&loop, &check);
  uv_check_start(&check, on_check);
  hd_live_run(&t.live);
  uv_close((uv_handle_t *)&check, NULL);
  hd_live_close(&t.live);
  while (uv_run(&loop, UV_RUN_NOWAIT)) continue;
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void add_up(void) {
  const struct hd_pipeline *p = &t.run.session.pipeline;
  const struct hd_gateway_counts *g = hd_gateway_count(p->gateway);
  uint64_t decided = 0;
  assert_true(atomic_load(&t.filled));
  session_run_identity(&t.run);
  for (uint32_t s = 0; s < p->options.shards; s++) decided += hd_engine_count(p->engines[s])->decisions;
  // What an engine took has its record: none is lost between the threads.
  assert_int_equal(decided, hd_session_count(&t.run.session, HADRON_MSG_DECISION));
  assert_int_equal(p->desk.decisions, decided);
  assert_int_equal(atomic_load(&p->sink_errors), 0);
  assert_int_equal(g->impossible + g->duplicates, 0);
  assert_int_equal(g->orders, hd_session_count(&t.run.session, HADRON_MSG_ORDER) );
  assert_int_equal(g->external, t.reports);
}

static void decisions(void **state) {
  (void)state;
  whole_run(DECISIONS);
  add_up();
  session_run_close(&t.run);
}

static void reports(void **state) {
  (void)state;
  whole_run(REPORTS);
  add_up();
  assert_int_equal(t.reports, 3 * HD_REPORT_RING);
  assert_true(hd_session_count(&t.run.session, HADRON_MSG_VENUE_REPORT) >= t.reports);
  session_run_close(&t.run);
}

static void commands(void **state) {
  (void)state;
  whole_run(COMMANDS);
  add_up();
  const struct hd_gateway_counts *g = hd_gateway_count(t.run.session.pipeline.gateway);
  print_message("%llu commands found no room; orders %llu, denied %llu, rejected %llu, open %u, unknown %llu\n", (unsigned long long)t.live.command_full, (unsigned long long)g->orders,
                (unsigned long long)g->denied, (unsigned long long)g->rejected, g->open, (unsigned long long)g->unknown);
  assert_true(t.live.command_full > 0);
  assert_true(g->rejected + g->denied >= t.live.command_full);
  session_run_close(&t.run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(decisions), cmocka_unit_test(reports), cmocka_unit_test(commands)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
