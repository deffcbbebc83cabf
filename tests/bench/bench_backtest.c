// backtest: the strategy sma.so (fast 10, slow 50) through the whole pipeline (checks, lanes, engine, merge, risk, gateway, simulated
// venue that fills against the same ticks, books), against a bare loop that calls the same sma.so for the same 64-byte ticks with a
// host that takes its decisions and does nothing with them. The two take turns; the ratio is of thread CPU time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/params.h"
#include "support/bench.h"

#define TICKS 2000000u
#define INSTRUMENTS 4u
#define ROUNDS 7

static const char config[] = "mode = \"backtest\", engine = { measure_every = 0 }, report = { equity_every = \"1d\" },\n"
                             "universe = { max = 16 },\n"
                             "venues = { memory = { params = { count = 2000000, instruments = 4 } }, sim = {} },\n"
                             "strategies = { sma = { params = { fast = 10, slow = 50, size = \"100\" } } },\n";

// ---- the bare loop: one instance per instrument, as in the session; the market that they are shown is empty, because none looks at it --

struct bare {
  struct hadron_instance instances[INSTRUMENTS];
  uint64_t decisions;
};

static int32_t bare_decide(struct hadron_instance *instance, const struct hadron_decision *decision) {
  (void)decision;
  ((struct bare *)instance->owner)->decisions++;
  return HADRON_OK;
}
static int64_t bare_now(void *owner) { return owner ? 0 : 1; }

static void bare_open(struct bare *b) {
  static const struct hadron_strategy_host table = {.struct_size = sizeof table, .decide = bare_decide};
  static const struct hd_capability capabilities[] = {{"hadron.strategy/1", &table}, {NULL, NULL}};
  static const struct hd_param_value values[] = {{"fast", "10", NULL}, {"slow", "50", NULL}, {"size", "100", NULL}};
  struct hd_fault fault;
  const struct hd_instance_options options = {.plugin = bench_plugin("sma.so"), .capabilities = capabilities, .owner = b, .now = bare_now,
                                              .name = "bare", .arm = 1};
  b->decisions = 0;
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    const uint32_t id = i + 1;
    const struct hadron_strategy_context context = {sizeof context, 1, &id, 1, 0};
    struct hadron_instance *instance = &b->instances[i];
    if (hd_instance_init(instance, &options, &fault) || hd_instance_create_strategy(instance, &context, &fault) ||
        hd_params_apply(instance, values, 3, &fault) || hd_instance_start(instance, &fault))
      bench_die("%s", fault.text);
  }
}

static void bare_run(struct bare *b, const struct hadron_tick *ticks) {
  static const struct hadron_market market;
  const struct hadron_strategy_api *api = b->instances[0].plugin->api;
  void *selves[INSTRUMENTS];
  for (uint32_t i = 0; i < INSTRUMENTS; i++) selves[i] = b->instances[i].self;
  for (uint64_t i = 0; i < TICKS; i++)
    if (api->on_tick(selves[ticks[i].instrument - 1], &ticks[i], &market)) bench_die("the strategy failed");
}

static struct bench_time round_bare(const struct hadron_tick *ticks, uint64_t *decisions) {
  static struct bare b;
  bare_open(&b);
  struct bench_time start = bench_now();
  bare_run(&b, ticks);
  struct bench_time took = bench_since(start);
  *decisions = b.decisions;
  for (uint32_t i = 0; i < INSTRUMENTS; i++) hd_instance_fini(&b.instances[i]);
  return took;
}

// ---- the session -------------------------------------------------------------------------------------------------------------------

struct counts {
  uint64_t decisions, orders, fills, records;
};

static struct bench_time round_whole(struct counts *c) {
  static struct bench_session b;
  const struct hd_session_options options = {.is_virtual = true};
  bench_session_open(&b, config, &options);
  struct bench_time start = bench_now();
  bench_session_run(&b);
  struct bench_time took = bench_since(start);
  if (b.session.runner.ticks != TICKS || b.session.pipeline.sink_errors) bench_die("not every tick was handled and recorded");
  *c = (struct counts){hd_session_count(&b.session, HADRON_MSG_DECISION), hd_session_count(&b.session, HADRON_MSG_ORDER),
                       hd_session_count(&b.session, HADRON_MSG_EXECUTION), 0};
  for (uint16_t i = 0; i < HD_TEMPLATE_COUNT; i++) c->records += hd_session_count(&b.session, i);
  bench_session_close(&b);
  return took;
}

// So that a change of speed can be seen to be nothing else.
static void print_digest(void) {
  static struct bench_session b;
  char text[HD_DIGEST_TEXT];
  const struct hd_session_options options = {.is_virtual = true, .digest = true};
  bench_session_open(&b, config, &options);
  bench_session_run(&b);
  hd_digest_text(&b.session.digest, text);
  printf("%s over %llu records\n", text, (unsigned long long)b.session.digest.records);
  bench_session_close(&b);
}

int main(int argc, char **argv) {
  struct bench_rounds whole = {.count = 0}, bare = {.count = 0};
  struct counts counts = {0};
  uint64_t bare_decisions = 0;
  hd_log_level(HADRON_LOG_ERROR);
  hd_cycles_calibrate();
  if (argc > 1 && strcmp(argv[1], "--digest") == 0) return print_digest(), 0;
  struct hadron_tick *ticks = bench_ticks(TICKS, INSTRUMENTS);
  for (int i = -1; i < ROUNDS; i++) { // the first warms up
    struct bench_time w = round_whole(&counts), b = round_bare(ticks, &bare_decisions);
    if (i < 0) continue;
    bench_round(&whole, w);
    bench_round(&bare, b);
  }
  free(ticks);
  if (counts.decisions != bare_decisions) bench_die("%llu decisions, but %llu in the bare loop", (unsigned long long)counts.decisions, (unsigned long long)bare_decisions);
  struct bench_time w = bench_median(&whole), b = bench_median(&bare);
  double ratio = b.cpu_ns / w.cpu_ns;
  const struct bench_result result = {.name = "backtest", .unit = "ticks/s", .value = TICKS * 1e9 / w.cpu_ns, .baseline = TICKS * 1e9 / b.cpu_ns,
                                      .ratio = ratio, .goal = 0.2, .ok = ratio >= 0.2, .json = bench_wants_json(argc, argv)};
  bench_print(&result,
              "\"wall_value\": %.6g, \"wall_baseline\": %.6g, \"wall_ratio\": %.4g, \"ns_per_tick\": %.1f, \"ticks\": %u, \"instruments\": %u, "
              "\"rounds\": %d, \"decisions\": %llu, \"orders\": %llu, \"executions\": %llu, \"records\": %llu, \"clock\": \"thread CPU time, medians\", "
              "\"on\": \"checks, lanes, one shard, net allocator, risk, hashed order ids, sim venue following the ticks, books\", "
              "\"off\": \"journal, digest of the records, stage latencies\"",
              TICKS * 1e9 / w.wall_ns, TICKS * 1e9 / b.wall_ns, b.wall_ns / w.wall_ns, w.cpu_ns / TICKS, TICKS, INSTRUMENTS, ROUNDS,
              (unsigned long long)counts.decisions, (unsigned long long)counts.orders, (unsigned long long)counts.fills,
              (unsigned long long)counts.records);
  return 0;
}
