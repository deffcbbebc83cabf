// Promise: in every simulated world the host comes to rest with the venue's truth in its books, no acknowledged order lost, none made twice;
// and the same seed is the same world, to the byte, whatever process runs it.
#include "runtime/simulate/simulate.h"
#include "support/test.h"

#define SEEDS 300

static void run(struct hd_simulate_options o, struct hd_simulate_result *out) {
  struct hd_fault fault = {0};
  o.plugin_path = getenv("HADRON_PLUGIN_DIR");
  if (hd_simulate(&o, out, &fault)) fail_msg("%s", fault.text);
  for (uint32_t i = 0; i < out->failure_count; i++)
    print_message("seed %llu: %s\n", (unsigned long long)out->failures[i].seed, out->failures[i].text);
}

static void seeds_are_clean(void **state) {
  static struct hd_simulate_result r;
  (void)state;
  run((struct hd_simulate_options){.first_seed = 1, .seeds = SEEDS}, &r);
  assert_int_equal(r.seeds, SEEDS);
  assert_int_equal(r.failed, 0);
  assert_int_equal(r.lost + r.duplicates, 0);
  assert_true(r.orders > SEEDS && r.executions > SEEDS);
}

static void same_seed_same_bytes(void **state) {
  static struct hd_simulate_result a, b;
  (void)state;
  run((struct hd_simulate_options){.first_seed = 1000, .seeds = 20, .jobs = 1}, &a);
  run((struct hd_simulate_options){.first_seed = 1000, .seeds = 20, .jobs = 3}, &b);
  assert_int_equal(a.digest, b.digest);
  assert_int_equal(a.events, b.events);
  assert_true(a.digest != 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(seeds_are_clean), cmocka_unit_test(same_seed_same_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
