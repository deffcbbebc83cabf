// Promise: the first shadow's desk is made beside the running market and only opened in it: what was prepared is what is opened, once, also
// when two workers prepare at the same time or nobody has; a session that ends before it is opened leaves nothing behind. How long the
// loop is held up with 4,000 instruments is printed, prepared and not.
#include <pthread.h>

#include "base/clock.h"
#include "runtime/session_internal.h"
#include "support/session_run.h"

static const char config[] =
    "return { mode = \"paper\", universe = { max = 4096 }, journal = { segment = \"64MiB\" },\n"
    "  venues = { sim = { params = { flow = \"random\", instruments = 4000, rate = 1 } } },\n"
    "  strategies = { zero_cross = {} } }\n";

static struct session_run run;

static void open_run(void) {
  struct hd_fault fault = {0};
  session_run_load(&run, config, NULL);
  const struct hd_session_options options = {.is_virtual = true, .versions = true, .journal = true};
  if (session_run_open(&run, &options, &fault)) fail_msg("%s", fault.text);
}

static void open_shadow(uint32_t arm, const char *how) {
  struct hd_fault fault = {0};
  int64_t from = hd_clock_monotonic_ns();
  if (hd_session_shadow(&run.session, arm, &fault)) fail_msg("%s", fault.text);
  print_message("%-36s %lld us\n", how, (long long)(hd_clock_monotonic_ns() - from) / 1000);
}

static void *prepare(void *session) {
  hd_session_shadow_prepare(session);
  return NULL;
}

static void prepared(void **state) {
  (void)state;
  pthread_t workers[2];
  open_run();
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&workers[i], NULL, prepare, &run.session), 0);
  for (int i = 0; i < 2; i++) pthread_join(workers[i], NULL);
  struct hd_shadow_room *room = atomic_load(&run.session.shadow_room);
  assert_non_null(room);
  assert_null(run.session.pipeline.room);
  open_shadow(2, "the first shadow, prepared");
  assert_ptr_equal(run.session.pipeline.room, room);
  assert_null(atomic_load(&run.session.shadow_room));
  hd_session_shadow_prepare(&run.session); // it is open: nothing to do
  assert_null(atomic_load(&run.session.shadow_room));
  open_shadow(3, "another one");
  assert_ptr_equal(run.session.pipeline.room, room);
  session_run_close(&run);
}

static void not_prepared(void **state) {
  (void)state;
  open_run();
  open_shadow(2, "the first shadow, not prepared");
  assert_non_null(run.session.pipeline.room);
  session_run_close(&run);
}

static void never_opened(void **state) {
  (void)state;
  open_run();
  hd_session_shadow_prepare(&run.session);
  assert_non_null(atomic_load(&run.session.shadow_room));
  session_run_close(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(prepared), cmocka_unit_test(not_prepared), cmocka_unit_test(never_opened)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
