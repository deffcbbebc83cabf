// hadron run: a configuration on the wall clock, until its duration is over or somebody stops it.
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/screen.h"
#include "cli/setup.h"
#include "control/control.h"
#include "runtime/session_deploy.h"

const char hd_run_help[] =
    "  --duration D       stop after this long (30s, 5m, 8h)\n"
    "  --dry-run          decide and log, send nothing\n"
    "  --paper            orders go to the simulated venue\n"
    "  --live             orders go to the market; the configuration must say mode = \"live\" as well\n"
    "  --check            load everything, print every problem with its line, start nothing\n"
    "  --set key=value    override a key of the configuration; may be given several times\n"
    "  --no-registry      plugins are files and no more: no versions, no deployments\n"
    "  --quiet            no table and no lines while it runs\n"
    "  --json             print the summary as one JSON object\n"
    "\nCtrl-C stops cleanly; a second one at once. `hadron status`, `kill`, `set` and others talk to the running host.\n";

struct run {
  struct hd_setup setup;
  const char *mode; // of the command line; NULL: the configuration's
  bool check, quiet, no_registry;
  int64_t duration_ns;
  struct hd_session session;
  struct hd_live live;
  struct hd_control *control;
  uv_loop_t loop;
  uv_signal_t signals[2];
  uv_timer_t timer;
  bool loop_open, terminal;
  bool interrupted;
  const char *ended_by;
};

// ---- the command line ------------------------------------------------------------------------------------------------------------------

static int choose_mode(struct run *r, const char *mode) {
  if (r->mode && strcmp(r->mode, mode) != 0) return hd_cli_usage("run", "expected one of --dry-run, --paper and --live");
  r->mode = mode;
  return HD_EXIT_OK;
}

static int parse(struct run *r, int argc, char **argv) {
  enum { DURATION = 256, DRY_RUN, PAPER, LIVE, CHECK, SET, QUIET, JSON, NO_REGISTRY };
  static const struct option options[] = {{"duration", required_argument, NULL, DURATION}, {"dry-run", no_argument, NULL, DRY_RUN},
                                          {"paper", no_argument, NULL, PAPER}, {"live", no_argument, NULL, LIVE}, {"check", no_argument, NULL, CHECK},
                                          {"set", required_argument, NULL, SET}, {"quiet", no_argument, NULL, QUIET}, {"json", no_argument, NULL, JSON},
                                          {"no-registry", no_argument, NULL, NO_REGISTRY}, {0}};
  int code = HD_EXIT_OK;
  optind = 0;
  opterr = 0;
  for (int c; !code && (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
    switch (c) {
    case DURATION:
      if (hd_duration_parse(optarg, &r->duration_ns) || r->duration_ns <= 0)
        code = hd_cli_usage("run", "--duration: expected something like 30s or 5m, found \"%s\"", optarg);
      break;
    case DRY_RUN: code = choose_mode(r, "dry_run"); break;
    case PAPER: code = choose_mode(r, "paper"); break;
    case LIVE: code = choose_mode(r, "live"); break;
    case CHECK: r->check = true; break;
    case SET:
      if (!hd_setup_set(&r->setup, optarg)) code = hd_cli_usage("run", "more than %d --set", HD_SETS_MAX);
      break;
    case QUIET: r->quiet = true; break;
    case NO_REGISTRY: r->no_registry = true; break;
    case JSON: r->setup.json = true; break;
    default: code = hd_cli_usage("run", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
  if (code) return code;
  if (optind + 1 != argc) return hd_cli_usage("run", optind == argc ? "expected a configuration" : "expected one configuration");
  r->setup.path = argv[optind];
  if (r->no_registry && !hd_setup_set(&r->setup, "registry.enabled=false")) return hd_cli_usage("run", "more than %d --set", HD_SETS_MAX);
  // --live alone changes nothing: the configuration has to ask for it too.
  if (r->mode && strcmp(r->mode, "live") != 0 && !hd_setup_setf(&r->setup, "mode=%s", r->mode)) return hd_cli_usage("run", "more than %d --set", HD_SETS_MAX);
  return HD_EXIT_OK;
}

// Live must be asked for twice.
static int check_mode(const struct run *r) {
  bool asked = r->mode && strcmp(r->mode, "live") == 0, wanted = r->setup.config.mode == HADRON_MODE_LIVE;
  if (wanted && !asked) {
    fprintf(stderr, "hadron run: %s says mode = \"live\": orders would go to the market. Live has to be asked for twice: add --live, or --paper to try it without risk\n", r->setup.path);
    return HD_EXIT_USAGE;
  }
  if (asked && !wanted) {
    fprintf(stderr, "hadron run: --live was given, but %s does not say mode = \"live\". Live has to be asked for twice: in the configuration and on the command line\n", r->setup.path);
    return HD_EXIT_USAGE;
  }
  if (r->setup.config.mode != HADRON_MODE_BACKTEST) return HD_EXIT_OK;
  fprintf(stderr, "hadron run: %s says mode = \"backtest\": use `hadron backtest %s`, or --paper or --dry-run to run it on the wall clock\n", r->setup.path, r->setup.path);
  return HD_EXIT_USAGE;
}

// ---- --check -------------------------------------------------------------------------------------------------------------------------

static void print_wrong(void *user, const char *place, const char *text) {
  (void)user;
  fprintf(stderr, "%s: %s\n", place, text);
}

// A check looks and leaves nothing behind; a run registers what is new.
static int open_registry(struct run *r) {
  struct hd_fault fault = {0};
  const struct hd_config *c = &r->setup.config;
  int32_t code = r->check ? HADRON_OK : hd_setup_directory(c, &fault);
  if (!code && (!r->check || hd_session_registry_there(c))) code = hd_session_registry_open(c, &r->setup.registry, &fault);
  return code ? hd_cli_fail("run", hd_cli_exit(code), &fault) : HD_EXIT_OK;
}

static int check_plugins(const struct run *r) {
  const struct hd_config *c = &r->setup.config;
  uint32_t count = hd_session_check(c, r->setup.registry, r->check, print_wrong, NULL);
  if (count) {
    fprintf(stderr, "hadron run: %u error%s in the configuration\n", count, count == 1 ? "" : "s");
    return HD_EXIT_CONFIG;
  }
  if (r->check && r->setup.json)
    printf("{\"ok\":true,\"venues\":%u,\"strategies\":%u,\"services\":%u,\"instruments\":%u}\n", c->venue_count, c->strategy_count, c->service_count, c->instrument_count);
  else if (r->check) printf("%s: good: %u venues, %u strategies, %u services\n", c->path, c->venue_count, c->strategy_count, c->service_count);
  return HD_EXIT_OK;
}

// ---- while it runs ---------------------------------------------------------------------------------------------------------------------

static bool at_terminal;

// [in a signal] The host is stopping already, and somebody does not want to wait for that.
static void on_second_signal(int number) {
  static const char words[] = "\nhadron run: a second signal: ended at once. The journal has what was decided; the next start recovers it.\n";
  if (at_terminal && write(STDOUT_FILENO, "\033[?25h", 6) < 0) _exit(128 + number);
  if (write(STDERR_FILENO, words, sizeof words - 1) < 0) _exit(128 + number);
  _exit(128 + number);
}

// From here on the loop may not turn any more: whoever waits for a database does so on this thread.
static void on_signal(uv_signal_t *handle, int number) {
  struct run *r = handle->data;
  struct sigaction second = {.sa_handler = on_second_signal};
  if (r->interrupted) on_second_signal(number);
  r->interrupted = true;
  at_terminal = r->terminal;
  for (int i = 0; i < 2; i++) uv_signal_stop(&r->signals[i]);
  sigaction(SIGINT, &second, NULL);
  sigaction(SIGTERM, &second, NULL);
  r->ended_by = number == SIGINT ? "SIGINT" : "SIGTERM";
  hd_live_stop(&r->live);
}

static void on_timer(uv_timer_t *timer) {
  struct run *r = timer->data;
  json_t *status = hd_control_tell(r->control, "status");
  if (!status) return; // it is stopping
  if (r->terminal) {
    const struct hd_screen screen = {hd_cli_columns(STDOUT_FILENO), hd_screen_rows(STDOUT_FILENO), hd_cli_colours(STDOUT_FILENO), true};
    hd_screen_draw(&screen, status, stdout);
  } else {
    hd_screen_line(status, r->setup.json ? stderr : stdout);
  }
  json_decref(status);
}

// The first signal handle makes the loop's pipe: what the system may refuse is asked for here, and not where nobody can say so.
static int32_t loop_open(struct run *r, struct hd_fault *fault) {
  int error = uv_loop_init(&r->loop);
  for (int i = 0; i < 2 && !error; i++) error = uv_signal_init(&r->loop, &r->signals[i]);
  return error ? hd_fault_set(fault, HADRON_ERR_IO, "the host's event loop was not made: expected an epoll, an event and a pipe from the system, found %s; raise the limit of open files (ulimit -n)",
                              uv_strerror(error))
               : HADRON_OK;
}

static void loop_close(struct run *r) {
  for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&r->signals[i], NULL);
  uv_run(&r->loop, UV_RUN_NOWAIT);
  uv_loop_close(&r->loop);
}

static void watch(struct run *r) {
  static const int numbers[2] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; i++) {
    r->signals[i].data = r;
    uv_signal_start(&r->signals[i], on_signal, numbers[i]);
  }
  uv_timer_init(&r->loop, &r->timer);
  r->timer.data = r;
  if (r->quiet) return;
  if (r->terminal) hd_screen_begin(stdout);
  uint64_t every_ms = r->terminal ? 1000 : 5000;
  uv_timer_start(&r->timer, on_timer, r->terminal ? 200 : every_ms, every_ms);
}

static void unwatch(struct run *r) {
  for (int i = 0; i < 2; i++) uv_signal_stop(&r->signals[i]);
  uv_close((uv_handle_t *)&r->timer, NULL);
  uv_run(&r->loop, UV_RUN_NOWAIT);
  if (r->terminal) hd_screen_end(stdout);
}

// ---- the end ---------------------------------------------------------------------------------------------------------------------------

// Where the rows of the services went, without what may be a password.
static json_t *databases(const struct hd_config *c) {
  json_t *rows = json_array();
  for (uint32_t i = 0; i < c->service_count; i++)
    for (uint32_t k = 0; c->services[i].enabled && k < c->services[i].param_count; k++) {
      const struct hd_param_value *p = &c->services[i].params[k];
      if (strcmp(p->name, "url") != 0) continue;
      const char *at = strrchr(p->text, '@'), *scheme = strstr(p->text, "://");
      if (strstr(p->text, "password")) json_array_append_new(rows, json_string("(not shown: it has a password)"));
      else if (at && scheme && at > scheme) json_array_append_new(rows, json_sprintf("%.*s%s", (int)(scheme + 3 - p->text), p->text, at + 1));
      else json_array_append_new(rows, json_string(p->text));
    }
  return rows;
}

static int summarize(struct run *r, json_t *summary, int64_t took_ns) {
  struct hd_fault fault;
  int32_t code = hd_portfolio_check(&r->session.pipeline.portfolio, &fault);
  double seconds = (double)took_ns / 1e9;
  json_object_set_new(summary, "elapsed_s", json_real(seconds));
  json_object_set_new(summary, "ticks_per_s", json_real(seconds > 0 ? (double)json_integer_value(json_object_get(summary, "ticks")) / seconds : 0));
  json_object_set_new(summary, "ended_by", json_string(r->ended_by));
  json_object_set_new(summary, "identity", json_boolean(!code));
  if (code) json_object_set_new(summary, "identity_error", json_string(fault.text));
  json_object_set_new(summary, "journal", r->session.journal ? json_string(hd_journal_dir(r->session.journal)) : json_string(""));
  json_object_set_new(summary, "databases", databases(&r->setup.config));
  if (r->setup.json) {
    json_dumpf(summary, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
    putchar('\n');
  } else {
    hd_screen_summary(summary, hd_cli_colours(STDOUT_FILENO), stdout);
  }
  fflush(stdout);
  return code ? hd_cli_fail("run", HD_EXIT_FAILED, &fault) : HD_EXIT_OK;
}

static int run_loop(struct run *r) {
  struct hd_fault fault = {0};
  int64_t start_ns = hd_clock_monotonic_ns();
  int32_t code = hd_live_open(&r->live, &r->session, &r->loop, r->duration_ns, &fault);
  const struct hd_control_options options = {.path = r->setup.config.control, .loop = &r->loop, .session = &r->session, .live = &r->live};
  if (!code) code = hd_control_open(&options, &r->control, &fault);
  if (code) {
    hd_live_close(&r->live);
    return hd_cli_fail("run", hd_cli_exit(code), &fault);
  }
  watch(r);
  r->ended_by = r->duration_ns ? "its duration" : "a stop command";
  hd_live_run(&r->live);
  int64_t took_ns = hd_clock_monotonic_ns() - start_ns;
  if (atomic_load(&r->live.failed)) r->ended_by = "a failed flush of the journal";
  hd_live_close(&r->live);
  json_t *summary = hd_control_final(r->control);
  hd_control_close(r->control);
  unwatch(r);
  int exit_code = summary ? summarize(r, summary, took_ns) : HD_EXIT_FAILED;
  if (atomic_load(&r->live.failed)) exit_code = hd_cli_fail("run", HD_EXIT_FAILED, &r->live.failure);
  json_decref(summary);
  return exit_code;
}

static int run_session(struct run *r) {
  const struct hd_config *c = &r->setup.config;
  struct hd_fault fault = {0};
  char log[600];
  snprintf(log, sizeof log, "%s/hadron.log", c->data_dir);
  int32_t code = hd_setup_directory(c, &fault);
  if (!code) code = hd_log_start(r->terminal ? log : NULL, HADRON_LOG_INFO, &fault);
  if (code) return hd_cli_fail("run", HD_EXIT_FAILED, &fault);
  hd_cycles_calibrate();
  const struct hd_session_options options = {.journal = c->journal, .services = true, .versions = r->setup.registry != NULL, .registry = r->setup.registry,
                                             .set = hd_control_set_again};
  code = hd_session_open(&r->session, &r->setup.config, &options, &fault);
  int exit_code;
  if (code) exit_code = hd_cli_fail("run", hd_cli_exit(code), &fault);
  else if (r->session.runner.recorded) {
    fprintf(stderr, "hadron run: %s has a venue that plays recordings, which have no place on the wall clock; use `hadron backtest` or `hadron replay`\n", c->path);
    exit_code = HD_EXIT_CONFIG;
  } else exit_code = run_loop(r);
  hd_session_close(&r->session);
  hd_log_stop();
  return exit_code;
}

int hd_run_command(int argc, char **argv) {
  static struct run r;
  int code = parse(&r, argc, argv);
  if (!code) code = hd_setup_load(&r.setup, "run");
  if (!code && !r.check) code = check_mode(&r);
  if (!code) code = open_registry(&r);
  if (!code) code = check_plugins(&r);
  if (!code && !r.check) {
    r.terminal = isatty(STDOUT_FILENO) && !r.setup.json && !r.quiet;
    r.ended_by = "";
    struct hd_fault fault = {0};
    if (loop_open(&r, &fault)) code = hd_cli_fail("run", HD_EXIT_FAILED, &fault);
    else {
      code = run_session(&r);
      loop_close(&r);
    }
  }
  hd_setup_fini(&r.setup);
  return code;
}
