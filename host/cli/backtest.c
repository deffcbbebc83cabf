// hadron backtest: a configuration over recorded data, as fast as it goes, and the report. hadron replay: the same at a chosen speed.
#include <getopt.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/external.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/results.h"
#include "cli/sample.h"
#include "cli/setup.h"
#include "runtime/replay.h"

#define DATA_MAX 1024

const char hd_backtest_help[] =
    "  --data FILE        recorded data for the `replay` venue; may be given several times, and may be a glob;\n"
    "                     without it and without files in the configuration a seeded sample is generated\n"
    "  --from TIME        take ticks from this time on (2013-10-07, 2013-10-07T14:30, ...)\n"
    "  --to TIME          take ticks before this time\n"
    "  --duration D       stop after this much virtual time (30s, 1h, 5d)\n"
    "  --set key=value    override a key of the configuration; may be given several times\n"
    "  --results URL      database for the run's row in backtest_results (sqlite:FILE, postgresql://...); default: SQLite in data_dir\n"
    "  --strategy FILE    a strategy in Python, in step with the run; its section of the configuration is made if it is not there;\n"
    "                     may be given several times (docs/python.md)\n"
    "  --journal          write the journal and start the services, as live does\n"
    "  --no-progress      no progress bar\n"
    "  --json             print the report as one JSON object\n";

struct backtest {
  struct hd_setup setup;
  const char *data[DATA_MAX];
  uint32_t data_count;
  const char *from, *to;
  int64_t duration_ns;
  const char *results; // url of the database for backtest_results; NULL: data_dir/hadron.sqlite
  bool journal, quiet;
  struct hd_external external;
};

static int parse(struct backtest *b, int argc, char **argv) {
  enum { DATA = 256, FROM, TO, DURATION, SET, RESULTS, STRATEGY, JOURNAL, QUIET, JSON };
  static const struct option options[] = {{"data", required_argument, NULL, DATA}, {"from", required_argument, NULL, FROM},
                                          {"to", required_argument, NULL, TO}, {"duration", required_argument, NULL, DURATION},
                                          {"set", required_argument, NULL, SET}, {"results", required_argument, NULL, RESULTS}, {"strategy", required_argument, NULL, STRATEGY}, {"journal", no_argument, NULL, JOURNAL},
                                          {"no-progress", no_argument, NULL, QUIET}, {"json", no_argument, NULL, JSON}, {0}};
  optind = 0;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
    switch (c) {
    case DATA:
      if (b->data_count == DATA_MAX) return hd_cli_usage("backtest", "more than %d --data", DATA_MAX);
      b->data[b->data_count++] = optarg;
      break;
    case FROM: b->from = optarg; break;
    case TO: b->to = optarg; break;
    case DURATION:
      if (hd_duration_parse(optarg, &b->duration_ns)) return hd_cli_usage("backtest", "--duration: expected something like 30s or 5d, found \"%s\"", optarg);
      break;
    case SET:
      if (!hd_setup_set(&b->setup, optarg)) return hd_cli_usage("backtest", "more than %d --set", HD_SETS_MAX);
      break;
    case RESULTS: b->results = optarg; break;
    case STRATEGY:
      if (!hd_external_add(&b->external, optarg)) return hd_cli_usage("backtest", "more than %d --strategy", HD_EXTERNAL_MAX);
      break;
    case JOURNAL: b->journal = true; break;
    case QUIET: b->quiet = true; break;
    case JSON: b->setup.json = true; break;
    default: return hd_cli_usage("backtest", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
  // "--data a b c": what follows the configuration are files as well
  if (optind >= argc) return hd_cli_usage("backtest", "expected a configuration");
  b->setup.path = argv[optind++];
  for (; optind < argc && b->data_count < DATA_MAX; optind++) b->data[b->data_count++] = argv[optind];
  return HD_EXIT_OK;
}

static bool config_sets(struct backtest *b) {
  struct hd_setup *s = &b->setup;
  bool good = hd_setup_setf(s, "mode=backtest");
  if (b->data_count) good &= hd_setup_data(s, b->data, b->data_count);
  if (b->from) good &= hd_setup_setf(s, "venues.replay.params.from=%s", b->from);
  if (b->to) good &= hd_setup_setf(s, "venues.replay.params.to=%s", b->to);
  if (!b->journal) good &= hd_setup_setf(s, "journal.enabled=false");
  for (uint32_t i = 0; i < b->external.count; i++) good &= hd_setup_setf(s, "strategies.%s.external=true", b->external.rows[i].name);
  return good;
}

static void on_progress(void *user, const struct hd_replay_progress *where) {
  hd_progress_show(user, where->done, where->total, where->ticks, where->now_ns, where->elapsed_ns);
}

// Runs the session to its end and prints what came of it.
static int run(struct backtest *b) {
  static struct hd_session session;
  struct hd_fault fault = {0};
  struct hd_report *report = NULL;
  int32_t code = hd_report_create(&b->setup.config, &report);
  if (code) return hd_cli_fail("backtest", HD_EXIT_FAILED, &(struct hd_fault){code, "the report: out of memory"});
  const struct hd_session_options options = {.journal = b->journal, .services = b->journal, .digest = true, .is_virtual = true, .registry = b->setup.registry,
                                             .observer = report, .observe = hd_report_observe};
  code = b->journal || b->external.count ? hd_setup_directory(&b->setup.config, &fault) : HADRON_OK;
  if (!code) code = hd_external_start(&b->external, &b->setup.config, &session, &fault);
  if (!code) code = hd_session_open(&session, &b->setup.config, &options, &fault);
  if (!code) code = hd_external_alone(&b->external, &session, &fault);
  int64_t start_ns = hd_clock_monotonic_ns();
  struct hd_progress progress;
  hd_progress_init(&progress, "backtest", !b->quiet && !b->setup.json);
  if (!code) {
    struct hd_replay replay;
    const struct hd_replay_options how = {.duration_ns = b->duration_ns, .progress = on_progress, .user = &progress};
    hd_replay_init(&replay, &session, &how);
    code = hd_replay_run(&replay, &fault);
    hd_replay_fini(&replay);
  }
  hd_progress_end(&progress);
  int32_t ended = hd_external_end(&b->external, code ? NULL : &fault);
  if (!code) code = ended;
  int64_t elapsed_ns = hd_clock_monotonic_ns() - start_ns;
  if (!code) {
    hd_session_services(&session, hd_clock_wall_ns(), true);
    hd_report_finish(report, &session, elapsed_ns);
    code = hd_report_check(report, &fault);
    if (b->setup.json) hd_report_print_json(report, stdout);
    else hd_report_print(report, stdout);
  }
  hd_session_close(&session); // before the row is written: until then the recorder may hold the same database
  struct hd_fault lost = {0};
  if (!code && hd_results_write(report, &b->setup.config, b->results, &lost))
    fprintf(stderr, "hadron backtest: the run was not added to backtest_results: %s\n", lost.text);
  hd_report_destroy(report);
  return code ? hd_cli_fail("backtest", hd_cli_exit(code), &fault) : HD_EXIT_OK;
}

int hd_backtest_command(int argc, char **argv) {
  static struct backtest b;
  int code = parse(&b, argc, argv);
  if (code) return code;
  if ((code = hd_external_describe(&b.external, "backtest"))) return code;
  if (!config_sets(&b)) return hd_cli_usage("backtest", "more than %d settings", HD_SETS_MAX);
  hd_log_level(HADRON_LOG_WARN);
  code = hd_setup_load(&b.setup, "backtest");
  if (!code) code = hd_sample_if_needed(&b.setup, "backtest");
  hd_setup_alone(&b.setup); // behind what loads it
  if (!code) hd_external_leave_out(&b.external, &b.setup.config);
  if (!code) code = hd_setup_registry(&b.setup, "backtest");
  if (!code) code = run(&b);
  hd_setup_fini(&b.setup);
  return code;
}
