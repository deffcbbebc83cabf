// Promise: in every simulated world the host comes to rest with the venue's truth in its books, no acknowledged order lost, none made twice;
// and the same seed is the same world, to the byte, whatever process runs it.
#include "runtime/simulate/simulate.h"
#include "support/test.h"

// HADRON_SIMULATE_SEEDS: another number. The release program runs them in about a minute on two cores; a sanitizer takes twenty times as long.
#if defined(HD_RELEASE)
#define SEEDS 10000
#else
#define SEEDS 300
#endif

// Each has found something once: refused cancels, replaces told twice, counts before a bust, shares in parts of a lot, a kill that a power cut took,
// a sync that failed, a stop that was never said to be held, a clock set forward, an execution taken back and not finished, shares that found no room on the disk, an order that
// goes a second time and waits for the flush of its round, its cancel meanwhile, the taking back of an execution that found no room on the disk.
// Narrow worlds: they are older than the faults from HD_FAULT_WIDE on.
static const uint64_t found_once[] = {14, 30, 84, 87, 109, 119, 252, 415, 506, 643, 663, 961, 1014, 1801, 2372, 4099, 5381, 6071, 2833, 3, 8870, 3410};

// And these in wide ones: an id that was listed and then used again, an execution of a lost order that was taken back.
static const uint64_t found_wide[] = {60, 413, 457, 857, 1139, 7365, 8581};

// With two venues: a position that one venue had stated before the last fills was held against the books when the other's list had ended; a
// stop of the host's own had triggered when the host went down, twice.
static const uint64_t found_manifold[] = {413, 803, 1172, 1404, 9515};

// With changes of version: a list of one venue had ended while the other's was being read.
static const uint64_t found_changing[] = {23, 202576, 202688, 901672};

static void run(struct hd_simulate_options o, struct hd_simulate_result *out) {
  struct hd_fault fault = {0};
  o.plugin_path = getenv("HADRON_PLUGIN_DIR");
  if (hd_simulate(&o, out, &fault)) fail_msg("%s", fault.text);
  for (uint32_t i = 0; i < out->failure_count; i++)
    print_message("seed %llu: %s\n", (unsigned long long)out->failures[i].seed, out->failures[i].text);
}

static void seeds_are_clean(void **state) {
  static struct hd_simulate_result r;
  const char *wanted = getenv("HADRON_SIMULATE_SEEDS");
  uint64_t seeds = wanted ? strtoull(wanted, NULL, 10) : SEEDS;
  (void)state;
  run((struct hd_simulate_options){.first_seed = 1, .seeds = seeds}, &r);
  assert_int_equal(r.seeds, seeds);
  assert_int_equal(r.failed, 0);
  assert_int_equal(r.lost + r.duplicates, 0);
  assert_true(r.orders > SEEDS && r.executions > SEEDS);
}

static void each_is_clean(const uint64_t *seeds, size_t count, uint32_t faults) {
  static struct hd_simulate_result r;
  for (size_t i = 0; i < count; i++) {
    run((struct hd_simulate_options){.first_seed = seeds[i], .seeds = 1, .faults = (UINT64_C(1) << faults) - 1}, &r);
    assert_int_equal(r.failed, 0);
  }
}

static void what_was_found_once(void **state) {
  (void)state;
  each_is_clean(found_once, sizeof found_once / sizeof *found_once, HD_FAULT_WIDE);
  each_is_clean(found_wide, sizeof found_wide / sizeof *found_wide, HD_FAULT_MANIFOLD);
  each_is_clean(found_manifold, sizeof found_manifold / sizeof *found_manifold, HD_FAULT_CHANGING);
  each_is_clean(found_changing, sizeof found_changing / sizeof *found_changing, HD_FAULT_COUNT);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(seeds_are_clean), cmocka_unit_test(what_was_found_once), cmocka_unit_test(same_seed_same_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
