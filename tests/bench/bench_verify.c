// verify: sessions of at least ten million ticks each, with changes of version, canaries, shadows, kills and a market that refuses and goes
// away, recorded and run again: on a virtual clock on one thread, then live with a thread per shard and one for trading. Baseline: recording the
// first one, so the ratio says how much longer or shorter the proof takes than the run. Not the same: not ok, whatever the figures.
#include <libgen.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/verify.h"
#include "support/bench.h"
#include "support/recorded_run.h"

#define TICKS UINT64_C(10000000)
#define GOAL 0.5

static const char backtest_text[] =
    "return { mode = 'backtest', universe = { max = 64 }, account = { cash = '10000000' }, risk = { position_max = '200', order_rate_max = 500 },\n"
    "  venues = { memory = { params = { count = @TICKS@, instruments = 16 } }, sim = { params = { reject_rate = 0.02, entry_latency = '1ms', response_latency = '1ms' } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 1000, band = 300, size = 5 } }, sma = { params = { fast = 150, slow = 400, size = 3 } },\n"
    "    twin = { plugin = 'sma', role = 'shadow', params = { fast = 200, slow = 500 } } } }\n";

static const char live_text[] =
    "return { mode = 'paper', universe = { max = 64 }, account = { cash = '10000000' }, risk = { position_max = '200', order_rate_max = 2000 },\n"
    "  engine = { lane_ticks = 65536 }, gateway = { unknown_after = '20ms', query_every = '10ms' }, report = { equity_every = '1s' },\n"
    "  venues = { sim = { params = { flow = 'random', instruments = 16, rate = 100000, size = 100, reject_rate = 0.01, entry_latency = '1ms' } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 1000, band = 300, size = 5 } }, sma = { params = { fast = 150, slow = 400, size = 3 } },\n"
    "    twin = { plugin = 'sma', role = 'shadow', params = { fast = 200, slow = 500 } } } }\n";

static struct hd_verify_result results[2];

static uint64_t ticks_wanted(int argc, char **argv) {
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], "--ticks") == 0) return strtoull(argv[i + 1], NULL, 10);
  return TICKS;
}

static void environment(const char *program) {
  char path[TEST_PATH_SIZE], plugins[TEST_PATH_SIZE + 16];
  snprintf(path, sizeof path, "%s", program);
  const char *build = dirname(path);
  snprintf(plugins, sizeof plugins, "%s/plugins", build);
  setenv("HADRON_BUILD_DIR", build, 0);
  setenv("HADRON_PLUGIN_DIR", plugins, 0);
}

// Records, runs again, and keeps what came of it; ns of both.
static void round_of(struct session_run *run, const struct recorded_run *how, struct hd_verify_result *result, double took_ns[2]) {
  struct hd_fault fault = {0};
  char journal[TEST_PATH_SIZE];
  struct bench_time start = bench_now();
  recorded_run(run, how);
  took_ns[0] = bench_since(start).wall_ns;
  test_path(journal, run->dir, "data/journal");
  const struct hd_verify_options options = {.journal = journal};
  start = bench_now();
  if (hd_verify_run(&options, result, &fault)) bench_die("%s", fault.text);
  took_ns[1] = bench_since(start).wall_ns;
  if (result->first.kind) hd_verify_print(result, journal, stderr);
  session_run_close(run);
}

int main(int argc, char **argv) {
  static struct session_run run;
  static char text[4096];
  char number[32];
  double alone[2], threads[2];
  uint64_t ticks = ticks_wanted(argc, argv);
  environment(argv[0]);
  hd_log_level(HADRON_LOG_ERROR + 1);
  snprintf(number, sizeof number, "%llu", (unsigned long long)ticks);
  const char *at = strstr(backtest_text, "@TICKS@");
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - backtest_text), backtest_text, number, at + 7);
  round_of(&run, &(struct recorded_run){.text = text, .ticks = ticks, .every = ticks / 40, .slow = "600", .kills = 10, .cuts = 10}, &results[0], alone);
  round_of(&run, &(struct recorded_run){.text = live_text, .sets = (const char *const[]){"engine.threads=true", "engine.shards=4", NULL}, .live = true, .ticks = ticks, .every = ticks / 20, .slow = "600", .kills = 10, .cuts = 10},
           &results[1], threads);
  bool same = !results[0].first.kind && !results[1].first.kind && results[0].ticks >= ticks * 9 / 10 && results[1].ticks >= ticks;
  double speed = (double)results[0].ticks / alone[1] * 1e3, recording = (double)results[0].ticks / alone[0] * 1e3;
  const struct bench_result r = {.name = "verify", .unit = "M ticks/s", .value = speed, .baseline = recording, .ratio = speed / recording, .goal = GOAL, .ok = same && speed / recording >= GOAL,
                                 .json = bench_wants_json(argc, argv)};
  bench_print(&r, "\"same\": %s, \"ticks\": %llu, \"records\": %llu, \"decisions\": %llu, \"orders\": %llu, \"executions\": %llu, \"swaps\": %llu, \"threads_ticks\": %llu, \"threads_records\": %llu, "
                  "\"threads_decisions\": %llu, \"threads_orders\": %llu, \"threads_executions\": %llu, \"threads_swaps\": %llu, \"threads_verify_s\": %.2f, \"verify_s\": %.2f, \"record_s\": %.2f",
              same ? "true" : "false", (unsigned long long)results[0].ticks, (unsigned long long)results[0].records, (unsigned long long)results[0].compared[HADRON_MSG_DECISION],
              (unsigned long long)results[0].compared[HADRON_MSG_ORDER], (unsigned long long)results[0].compared[HADRON_MSG_EXECUTION], (unsigned long long)results[0].compared[HADRON_MSG_SWAP],
              (unsigned long long)results[1].ticks, (unsigned long long)results[1].records, (unsigned long long)results[1].compared[HADRON_MSG_DECISION],
              (unsigned long long)results[1].compared[HADRON_MSG_ORDER], (unsigned long long)results[1].compared[HADRON_MSG_EXECUTION], (unsigned long long)results[1].compared[HADRON_MSG_SWAP],
              threads[1] / 1e9, alone[1] / 1e9, alone[0] / 1e9);
  return r.ok ? 0 : 1;
}
