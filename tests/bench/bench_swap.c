// swap: the pause of a hot swap under load, 2,000 swaps between two versions in each of four ways: without state and with a state of 1 MB,
// run to completion on one thread and with threads. A counting strategy writes down every sequence it saw: each tick that was handled must
// have been seen by exactly one of the two versions. Staging runs on a thread of its own beside the load, as in a running host. Against one
// tick's own processing time in the same run.
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/swap_load.h"

#define SWAPS 2000u
#define GOAL_US 100.0
#define GOAL_STATE_US 1000.0

static double us(const struct hd_histogram *h, double q) { return (double)hd_histogram_quantile(h, q) / 1000; }

int main(int argc, char **argv) {
  static struct swap_load loads[4] = {
      {.plugins = {"counter_a", "counter_b"}, .changes = SWAPS},
      {.plugins = {"counter_a", "counter_b"}, .changes = SWAPS, .threads = true},
      {.plugins = {"counter_state_a", "counter_state_b"}, .changes = SWAPS},
      {.plugins = {"counter_state_a", "counter_state_b"}, .changes = SWAPS, .threads = true},
  };
  static const char *const names[] = {"plain", "plain_threads", "state_1mb", "state_1mb_threads"};
  char conditions[2048];
  int at = 0;
  uint64_t lost = 0, doubled = 0;
  bool in_time = true;
  hd_log_level(HADRON_LOG_ERROR);
  hd_cycles_calibrate();
  at += snprintf(conditions, sizeof conditions, "\"swaps\": %u, \"on\": \"live, journal with ticks in page mode, inline .so, 1 shard\"", SWAPS);
  for (int i = 0; i < 4; i++) {
    swap_load_run(&loads[i]);
    lost += loads[i].lost;
    doubled += loads[i].doubled;
    if (!loads[i].threads) in_time &= us(&loads[i].pause, 0.99) < (i < 2 ? GOAL_US : GOAL_STATE_US);
    at += snprintf(conditions + at, sizeof conditions - (size_t)at, ", \"%s\": {\"pause_p50_us\": %.2f, \"pause_p99_us\": %.2f, \"pause_max_us\": %.2f, \"stage_p50_us\": %.1f, \"ticks\": %llu, \"tick_ns\": %.1f, \"lost\": %llu, \"doubled\": %llu}",
                   names[i], us(&loads[i].pause, 0.5), us(&loads[i].pause, 0.99), (double)loads[i].pause.max / 1000, us(&loads[i].stage, 0.5), (unsigned long long)loads[i].ticks, loads[i].tick_ns,
                   (unsigned long long)loads[i].lost, (unsigned long long)loads[i].doubled);
  }
  const struct bench_result r = {.name = "swap", .unit = "us", .value = us(&loads[0].pause, 0.99), .baseline = loads[0].tick_ns / 1000, .ratio = us(&loads[0].pause, 0.99) * 1000 / loads[0].tick_ns,
                                 .goal = GOAL_US, .ok = lost == 0 && doubled == 0 && in_time, .json = bench_wants_json(argc, argv)};
  bench_print(&r, "%s, \"lost\": %llu, \"doubled\": %llu", conditions, (unsigned long long)lost, (unsigned long long)doubled);
  return 0;
}
