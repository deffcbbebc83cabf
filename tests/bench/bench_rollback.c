// rollback: the pause of a warm rollback under load: the previous version has kept eating ticks in a shadow seat, and the two change places,
// 2,000 times, on one thread and with threads. Each tick that was handled must have been seen once by each of the two. Against one tick's own
// processing time in the same run.
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/swap_load.h"

#define ROLLBACKS 2000u
#define GOAL_US 10.0

static double us(const struct hd_histogram *h, double q) { return (double)hd_histogram_quantile(h, q) / 1000; }

int main(int argc, char **argv) {
  static struct swap_load loads[2] = {
      {.plugins = {"counter_state_a", "counter_state_b"}, .changes = ROLLBACKS + 1, .warm = true},
      {.plugins = {"counter_state_a", "counter_state_b"}, .changes = ROLLBACKS + 1, .warm = true, .threads = true},
  };
  hd_log_level(HADRON_LOG_ERROR);
  hd_cycles_calibrate();
  for (int i = 0; i < 2; i++) swap_load_run(&loads[i]);
  uint64_t lost = loads[0].lost + loads[1].lost, doubled = loads[0].doubled + loads[1].doubled;
  const struct hd_histogram *h = &loads[0].pause;
  const struct bench_result r = {.name = "rollback", .unit = "us", .value = us(h, 0.99), .baseline = loads[0].tick_ns / 1000, .ratio = us(h, 0.99) * 1000 / loads[0].tick_ns, .goal = GOAL_US,
                                 .ok = lost == 0 && doubled == 0 && us(h, 0.99) < GOAL_US, .json = bench_wants_json(argc, argv)};
  bench_print(&r, "\"rollbacks\": %u, \"on\": \"live, journal with ticks in page mode, inline .so, 1 shard, 1 MB of state that stays where it is\", \"pause_p50_us\": %.2f, \"pause_p99_us\": %.2f, \"pause_max_us\": %.2f, "
                  "\"threads_p50_us\": %.2f, \"threads_p99_us\": %.2f, \"threads_max_us\": %.2f, \"ticks\": %llu, \"lost\": %llu, \"doubled\": %llu",
              ROLLBACKS, us(h, 0.5), us(h, 0.99), (double)h->max / 1000, us(&loads[1].pause, 0.5), us(&loads[1].pause, 0.99), (double)loads[1].pause.max / 1000,
              (unsigned long long)(loads[0].ticks + loads[1].ticks), (unsigned long long)lost, (unsigned long long)doubled);
  return 0;
}
