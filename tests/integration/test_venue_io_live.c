// Promise: a venue that never asks for time is polled when its descriptor is readable, when there is room to write into another one, and when a
// thread of its own rings, in a live session on one thread and with threads; no ring is lost. A session on a recorded clock refuses to
// watch, with the venue's words; a ring is heard there too, before the next tick, once.
#include "support/session_run.h"

#include <pthread.h>

#include "runtime/live.h"

static const char config_text[] =
    "return { mode = 'paper', universe = { max = 8 },\n"
    "  venues = { outside = { plugin = '@PLUGIN@' }, sim = { params = { flow = 'random', instruments = 1, rate = 1 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross' } } }\n";

static void load(struct session_run *run, const char *threads) {
  char text[4096], set[64];
  const char *at = strstr(config_text, "@PLUGIN@");
  snprintf(text, sizeof text, "%.*s%s/io_venue.so%s", (int)(at - config_text), config_text, getenv("HADRON_TEST_PLUGIN_DIR"), at + strlen("@PLUGIN@"));
  snprintf(set, sizeof set, "engine.threads=%s", threads);
  session_run_load(run, text, (const char *const[]){set, NULL});
}

static const struct hd_venue *outside_of(const struct hd_session *s) {
  for (uint32_t i = 0; i < s->venue_count; i++)
    if (strcmp(s->venues[i].name, "outside") == 0) return &s->venues[i];
  fail_msg("no venue \"outside\"");
  return NULL;
}

static void on_check(uv_check_t *check) {
  struct hd_live *live = check->data;
  if (strcmp(outside_of(live->session)->words, "read 3, rung 3, written 3") == 0) hd_live_stop(live);
}

static void run_live(const char *threads) {
  struct session_run run;
  struct hd_fault fault = {0};
  struct hd_live live;
  uv_loop_t loop;
  uv_check_t check;
  load(&run, threads);
  if (session_run_open(&run, &(struct hd_session_options){0}, &fault)) fail_msg("%s", fault.text);
  uv_loop_init(&loop);
  if (hd_live_open(&live, &run.session, &loop, INT64_C(60000000000), &fault)) fail_msg("%s", fault.text);
  uv_check_init(&loop, &check);
  check.data = &live;
  uv_check_start(&check, on_check);
  hd_live_run(&live);
  assert_string_equal(outside_of(&run.session)->words, "read 3, rung 3, written 3");
  assert_true(outside_of(&run.session)->next_ns == INT64_MAX);
  uv_close((uv_handle_t *)&check, NULL);
  hd_live_close(&live);
  while (uv_run(&loop, UV_RUN_NOWAIT)) continue;
  assert_int_equal(uv_loop_close(&loop), 0);
  session_run_close(&run);
}

static void one_thread(void **state) {
  (void)state;
  run_live("false");
}
static void threads(void **state) {
  (void)state;
  run_live("true");
}
static void a_recorded_clock_watches_nothing(void **state) {
  struct session_run run;
  struct hd_fault fault = {0};
  (void)state;
  load(&run, "false");
  assert_int_equal(session_run_open(&run, &(struct hd_session_options){.is_virtual = true}, &fault), HADRON_ERR_UNSUPPORTED);
  assert_non_null(strstr(fault.text, "the pipe is not watched"));
  session_run_close(&run);
}

static const char replay_text[] =
    "return { mode = 'backtest', universe = { max = 8 }, journal = { enabled = false },\n"
    "  venues = { memory = { params = { count = 4000, instruments = 2 } }, outside = { plugin = '@PLUGIN@' }, sim = {} },\n"
    "  strategies = { cross = { plugin = 'zero_cross' } } }\n";

static void *ring(void *instance) {
  hd_venue_io.wake(instance);
  hd_venue_io.wake(instance); // twice before it is heard is once
  return NULL;
}

static int polls_of(const struct hd_session *s) {
  int polls = 0;
  return sscanf(outside_of(s)->words, "polled %d", &polls) == 1 ? polls : 0;
}

// Held every thousand ticks: what was rung for since was polled once; then another thread rings, and the replay goes on.
static void on_held(void *user, const struct hd_replay_progress *at) {
  struct session_run *run = user;
  struct hd_runner *r = &run->session.runner;
  pthread_t thread;
  if (at->ticks < r->tick_limit) return;
  assert_int_equal(polls_of(&run->session), (int)(at->ticks / 1000)); // the first one comes by itself, with the start
  assert_int_equal(pthread_create(&thread, NULL, ring, outside_of(&run->session)->instance), 0);
  pthread_join(thread, NULL);
  assert_true(atomic_load(&r->io.woken));
  r->tick_limit = at->ticks + 1000;
}

static void a_ring_is_heard_in_a_replay(void **state) {
  static struct session_run run;
  struct hd_fault fault = {0};
  struct hd_replay replay;
  char text[4096];
  (void)state;
  const char *at = strstr(replay_text, "@PLUGIN@");
  snprintf(text, sizeof text, "%.*s%s/bell_venue.so%s", (int)(at - replay_text), replay_text, getenv("HADRON_TEST_PLUGIN_DIR"), at + strlen("@PLUGIN@"));
  session_run_load(&run, text, NULL);
  if (session_run_open(&run, &(struct hd_session_options){.is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_replay_init(&replay, &run.session, &(struct hd_replay_options){.progress = on_held, .user = &run}), HADRON_OK);
  run.session.runner.tick_limit = 1000;
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  hd_replay_fini(&replay);
  assert_int_equal(run.session.runner.ticks, 4000);
  assert_true(polls_of(&run.session) >= 4);
  session_run_close(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_thread), cmocka_unit_test(threads), cmocka_unit_test(a_recorded_clock_watches_nothing),
                                     cmocka_unit_test(a_ring_is_heard_in_a_replay)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
