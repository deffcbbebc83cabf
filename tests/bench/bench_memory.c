// memory: a session with 1,000 instruments and 10 strategies (7 sma.so, 3 sma.lua; an instance of each per instrument) over four
// million ticks that the source makes as they are taken. Resident memory of the whole process after the start, half-way and at the end; the
// goal is the end below 50 MB and no growth in the second half, the journal's pages left out: of those as many count as its newest segment has.
// There is no baseline: the ratio is of the goal.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/bench.h"
#include "support/machine.h"

#define TICKS 4000000u // long enough for every table of a day to have been full
#define MB 1e6
#define GOAL_MB 50.0
#define GROWTH_MB 1.0 // what counts as flat: pages of tables that are touched for the first time late

struct halfway {
  struct bench_session *b;
  uint64_t resident, anonymous;
};

static void observe(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct halfway *h = observer;
  (void)template_id, (void)block, (void)tail, (void)tail_size;
  if (h->resident == 0 && h->b->session.runner.ticks >= TICKS / 2) h->resident = test_resident_bytes(), h->anonymous = test_anonymous_bytes();
}

static void config_write(char *to, size_t size) {
  int at = snprintf(to, size,
                    "mode = \"paper\", report = { equity_every = \"1d\" }, universe = { max = 1024 }, journal = { segment = \"4MiB\" },\n"
                    "venues = { memory = { params = { count = %u, instruments = 1000, ahead = false, step = \"1s\" } }, sim = { params = { instruments_max = 1024 } } },\n"
                    "strategies = {\n",
                    TICKS);
  for (int i = 0; i < 10; i++)
    at += snprintf(to + at, size - (size_t)at, "  s%d = { plugin = \"%s\", params = { fast = %d, slow = %d, size = \"100\" } },\n", i,
                   i < 7 ? "sma.so" : "sma.lua", 5 + i, 40 + i);
  snprintf(to + at, size - (size_t)at, "},\n");
}

int main(int argc, char **argv) {
  static struct bench_session b;
  char config[4096];
  struct halfway halfway = {.b = &b};
  hd_log_level(HADRON_LOG_ERROR);
  hd_cycles_calibrate();
  config_write(config, sizeof config);
  uint64_t before = test_resident_bytes();
  const struct hd_session_options options = {.is_virtual = true, .journal = true, .observer = &halfway, .observe = observe};
  bench_session_open(&b, config, &options);
  uint64_t start = test_resident_bytes();
  bench_session_run(&b);
  uint64_t end = test_resident_bytes(), anonymous = test_anonymous_bytes(), orders = hd_session_count(&b.session, HADRON_MSG_ORDER);
  if (b.session.runner.ticks != TICKS || b.session.pipeline.instruments.count != 1000 || b.session.arm_count != 10) bench_die("not what was to be measured");
  if (halfway.resident == 0) bench_die("nothing was recorded in the second half");
  bench_session_close(&b);
  double growth = ((double)anonymous - (double)halfway.anonymous) / MB, peak = (double)(end > start ? end : start) / MB;
  const struct bench_result result = {.name = "memory", .unit = "MB", .value = peak, .baseline = GOAL_MB, .ratio = peak / GOAL_MB, .goal = GOAL_MB,
                                      .ok = peak < GOAL_MB && growth <= GROWTH_MB, .json = bench_wants_json(argc, argv)};
  bench_print(&result,
              "\"empty_mb\": %.1f, \"start_mb\": %.1f, \"half_mb\": %.1f, \"end_mb\": %.1f, \"growth_second_half_mb\": %.2f, \"ticks\": %u, "
              "\"instruments\": 1000, \"strategies\": 10, \"instances\": 10000, \"lua_strategies\": 3, \"orders\": %llu, "
              "\"on\": \"paper, one thread, virtual clock, journal in page mode with ticks (its mapped pages count)\"",
              (double)before / MB, (double)start / MB, (double)halfway.resident / MB, (double)end / MB, growth, TICKS, (unsigned long long)orders);
  return 0;
}
