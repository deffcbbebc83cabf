// hadron diff: two versions of a strategy, what they say of themselves and what they decide on the same ticks.
#include <getopt.h>
#include <math.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/compare_print.h"
#include "cli/diff.h"
#include "cli/progress.h"
#include "cli/sample.h"
#include "cli/setup.h"
#include "cli/table.h"
#include "lua/runtime.h"
#include "runtime/compare_replay.h"
#include "runtime/session_deploy.h"

#define DATA_MAX 1024
#define PARAMS_MAX 64
#define SESSIONS_MAX 256
#define ALPHA 0.05
#define SHOWN 10

const char hd_diff_help[] =
    "A and B are NAME@VERSION of the registry, or files (.so, .lua). Without --config only manifests and parameters are compared. With it\n"
    "both versions are replayed over the same ticks, each alone in the strategy's live seat; docs/ab.md explains the numbers.\n\n"
    "  --config CONFIG    replay with this configuration\n"
    "  --strategy NAME    its section; default: the one that uses this plugin\n"
    "  --data FILE        recorded ticks; may be given several times, and may be a glob; default: those of the configuration\n"
    "  --journal DIR      the ticks that a host has recorded\n"
    "  --sessions K       of the journal the last K sessions, one after the other; default: all as one\n"
    "  --from TIME        take ticks from this time on\n"
    "  --to TIME          take ticks before this time\n"
    "  --duration D       stop each replay after this much virtual time\n"
    "  --set key=value    override a key of the configuration; may be given several times\n"
    "  --param-a k=v      a parameter of A, on top of the section's; may be given several times\n"
    "  --param-b k=v      the same of B\n"
    "  --accept SHARE     refuse (exit 6) if a larger share of the decisions differs: 0 for none, 0.01 for one in a hundred\n"
    "  --timeout D        give up after this much time\n"
    "  --differences N    show so many differing decisions, at most 1024; default: 10\n"
    "  --data-dir DIR     of the registry, without --config; default: data\n"
    "  --nice             let other programs go first\n"
    "  --no-progress      no progress bar\n"
    "  --json             print one JSON object\n";

struct side {
  const char *spec;                          // as given
  char path[HD_STORE_PATH_SIZE];
  const struct hd_plugin *plugin;
  struct hd_deployment_param params[PARAMS_MAX];
  uint32_t param_count;
};

struct diff {
  struct hd_setup setup;
  struct side sides[2];
  const char *data[DATA_MAX];
  uint32_t data_count;
  const char *strategy, *journal, *from, *to, *data_dir;
  int64_t duration_ns, timeout_ns;
  double accept;                             // NaN: anything
  uint32_t sessions, differences;
  int64_t numbers[SESSIONS_MAX];             // of the journal's sessions, oldest first
  uint32_t number_count;
  bool quiet;
  struct hd_progress progress;
  struct hd_compare_replay result;
  bool replayed;
};

// ---- the command line --------------------------------------------------------------------------------------------------------------

static bool take_param(struct side *s, const char *text) {
  const char *equal = strchr(text, '=');
  if (!equal || equal == text || s->param_count == PARAMS_MAX) return false;
  struct hd_deployment_param *p = &s->params[s->param_count];
  if ((size_t)(equal - text) >= sizeof p->name || !hd_text_copy(p->text, sizeof p->text, equal + 1)) return false;
  memcpy(p->name, text, (size_t)(equal - text));
  p->name[equal - text] = 0;
  s->param_count++;
  return true;
}

static bool take_share(const char *text, double *out) {
  int64_t e9;
  if (hd_decimal_read(text, 1000000000, &e9) || e9 < 0 || e9 > 1000000000) return false;
  *out = (double)e9 / 1e9;
  return true;
}

static bool take_count(const char *text, uint32_t max, uint32_t *out) {
  char *end;
  unsigned long n = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || n > max) return false;
  *out = (uint32_t)n;
  return true;
}

enum { CONFIG = 256, STRATEGY, DATA, JOURNAL, SESSIONS, FROM, TO, DURATION, SET, PARAM_A, PARAM_B, ACCEPT, TIMEOUT, DIFFERENCES, DATA_DIR, NICE, QUIET, JSON };

static bool take_option(struct diff *d, int option, char *text) {
  switch (option) {
  case CONFIG: d->setup.path = text; return true;
  case STRATEGY: d->strategy = text; return true;
  case DATA: return d->data_count < DATA_MAX && (d->data[d->data_count++] = text);
  case JOURNAL: d->journal = text; return true;
  case SESSIONS: return take_count(text, SESSIONS_MAX, &d->sessions) && d->sessions > 0;
  case FROM: d->from = text; return true;
  case TO: d->to = text; return true;
  case DURATION: return hd_duration_parse(text, &d->duration_ns) == HADRON_OK;
  case SET: return hd_setup_set(&d->setup, text);
  case PARAM_A: return take_param(&d->sides[0], text);
  case PARAM_B: return take_param(&d->sides[1], text);
  case ACCEPT: return take_share(text, &d->accept);
  case TIMEOUT: return hd_duration_parse(text, &d->timeout_ns) == HADRON_OK;
  case DIFFERENCES: return take_count(text, HD_COMPARE_KEEP_MAX, &d->differences);
  case DATA_DIR: d->data_dir = text; return true;
  case NICE: return nice(10) != -1;
  case QUIET: return d->quiet = true;
  default: return d->setup.json = true;
  }
}

static int parse(struct diff *d, int argc, char **argv) {
  static const struct option options[] = {
      {"config", required_argument, NULL, CONFIG}, {"strategy", required_argument, NULL, STRATEGY}, {"data", required_argument, NULL, DATA},
      {"journal", required_argument, NULL, JOURNAL}, {"sessions", required_argument, NULL, SESSIONS}, {"from", required_argument, NULL, FROM},
      {"to", required_argument, NULL, TO}, {"duration", required_argument, NULL, DURATION}, {"set", required_argument, NULL, SET},
      {"param-a", required_argument, NULL, PARAM_A}, {"param-b", required_argument, NULL, PARAM_B}, {"accept", required_argument, NULL, ACCEPT},
      {"timeout", required_argument, NULL, TIMEOUT}, {"differences", required_argument, NULL, DIFFERENCES},
      {"data-dir", required_argument, NULL, DATA_DIR}, {"nice", no_argument, NULL, NICE}, {"no-progress", no_argument, NULL, QUIET}, {"json", no_argument, NULL, JSON}, {0}};
  optind = 0;
  opterr = 0;
  for (int c, at; (c = getopt_long(argc, argv, "", options, &at)) != -1;) {
    if (c == '?') return hd_cli_usage("diff", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    if (!take_option(d, c, optarg)) return hd_cli_usage("diff", "--%s: \"%s\" is not what it takes, or one too many", options[at].name, optarg);
  }
  if (argc - optind != 2) return hd_cli_usage("diff", "expected two versions: NAME@VERSION or files");
  d->sides[0].spec = argv[optind];
  d->sides[1].spec = argv[optind + 1];
  if (d->journal && d->data_count) return hd_cli_usage("diff", "--journal and --data: one of them is the market");
  if (d->sessions && !d->journal) return hd_cli_usage("diff", "--sessions are those of a --journal");
  bool replays = d->journal || d->data_count || d->strategy || !isnan(d->accept);
  return replays && !d->setup.path ? hd_cli_usage("diff", "a replay needs --config CONFIG") : HD_EXIT_OK;
}

// ---- the two versions ----------------------------------------------------------------------------------------------------------------

static bool is_file(const char *spec) {
  size_t n = strlen(spec);
  return strchr(spec, '/') || (n > 3 && strcmp(spec + n - 3, ".so") == 0) || (n > 4 && strcmp(spec + n - 4, ".lua") == 0);
}

static int32_t registry_open(const struct diff *d, struct hd_registry **out, struct hd_fault *fault) {
  struct hd_registry_paths paths;
  struct hd_config usual = {.registry = true};
  if (d->setup.path) return hd_session_registry_open(&d->setup.config, out, fault);
  hd_text_copy(usual.data_dir, sizeof usual.data_dir, d->data_dir ? d->data_dir : "data");
  hd_registry_paths(&usual, &paths);
  const struct hd_registry_options options = {.url = paths.url, .store = paths.store, .keys = paths.keys};
  return hd_registry_open(&options, out, fault);
}

// A file stays one; a version becomes the file in the store, if it may run.
static int32_t find_side(struct side *s, struct hd_registry *registry, struct hd_fault *fault) {
  if (is_file(s->spec)) {
    snprintf(s->path, sizeof s->path, "%s%.1000s", strchr(s->spec, '/') ? "" : "./", s->spec);
    return HADRON_OK;
  }
  struct hd_version version;
  if (!registry) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: the configuration keeps no registry (registry.enabled); give a file", s->spec);
  int32_t code = hd_registry_find_spec(registry, s->spec, &version, fault);
  if (!code) code = hd_registry_admit(registry, &version, fault);
  return code ? code : hd_registry_artifact(registry, version.digest, s->path, sizeof s->path, fault);
}

static int32_t open_sides(struct diff *d, struct hd_fault *fault) {
  struct hd_registry *registry = NULL;
  int32_t code = is_file(d->sides[0].spec) && is_file(d->sides[1].spec) ? HADRON_OK : registry_open(d, &registry, fault);
  for (int i = 0; !code && i < 2; i++) {
    code = find_side(&d->sides[i], registry, fault);
    if (!code) code = hd_plugin_open(d->sides[i].path, &hd_lua_language, &d->sides[i].plugin, fault);
  }
  hd_registry_close(registry);
  return code;
}

// ---- replays -------------------------------------------------------------------------------------------------------------------------

// The strategy section: that was named, or the only one that fits the plugin.
static const char *section_of(const struct diff *d, struct hd_fault *fault) {
  const struct hd_config *c = &d->setup.config;
  const char *name = d->sides[0].plugin->manifest.name, *found = NULL;
  if (d->strategy) return d->strategy;
  for (uint32_t i = 0; i < c->strategy_count; i++) {
    const char *plugin = c->strategies[i].base.plugin;
    size_t length = strcspn(plugin, "@"); // "sma@1.2.0"
    bool uses = strlen(name) == length && strncmp(plugin, name, length) == 0;
    if (!uses && strcmp(c->strategies[i].base.name, name) != 0) continue;
    if (found) {
      hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: sections %s and %s both use plugin %s; choose by --strategy", c->path, found, c->strategies[i].base.name, name);
      return NULL;
    }
    found = c->strategies[i].base.name;
  }
  if (!found) hd_fault_set(fault, HADRON_ERR_CONFIG, "%s: no section of `strategies` uses plugin %s; name one by --strategy", c->path, name);
  return found;
}

static void on_progress(void *user, uint32_t side, uint64_t done, uint64_t total) {
  struct diff *d = user;
  uint64_t whole = total ? total : 1;
  hd_progress_show(&d->progress, side * whole + done, 2 * whole, 0, 0, 0);
}

static void set_session(struct hd_config *c, const char *number) {
  for (uint32_t i = 0; i < c->venue_count; i++)
    for (uint32_t k = 0; k < c->venues[i].param_count; k++)
      if (strcmp(c->venues[i].plugin, "replay") == 0 && strcmp(c->venues[i].params[k].name, "session") == 0) c->venues[i].params[k].text = number;
}

static int32_t run_sessions(struct diff *d, const char *section, struct hd_registry *registry, struct hd_fault *fault) {
  const struct hd_compare_side sides[2] = {{d->sides[0].path, d->sides[0].params, d->sides[0].param_count},
                                           {d->sides[1].path, d->sides[1].params, d->sides[1].param_count}};
  const struct hd_compare_replay_options options = {.keep = d->differences, .duration_ns = d->duration_ns, .progress = on_progress, .user = d, .registry = registry,
                                                    .deadline_ns = d->timeout_ns ? hd_clock_monotonic_ns() + d->timeout_ns : 0};
  static const int64_t whole[] = {0};
  const int64_t *numbers = d->sessions ? d->numbers : whole;
  uint32_t count = d->sessions ? d->number_count : 1;
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && i < count; i++) {
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)numbers[i]);
    set_session(&d->setup.config, number);
    code = hd_compare_replay_run(&d->result, &d->setup.config, section, sides, &options, fault);
    set_session(&d->setup.config, "0");
  }
  return code;
}

static int32_t replay(struct diff *d, struct hd_fault *fault) {
  const char *section = section_of(d, fault);
  if (!section) return HADRON_ERR_CONFIG;
  int32_t code = hd_compare_replay_init(&d->result, d->differences);
  if (code) return hd_fault_set(fault, code, "comparing decisions: out of memory");
  struct hd_registry *registry = NULL; // its other plugins may be versions too: a venue, the allocator
  if (hd_session_names_versions(&d->setup.config) && (code = hd_session_registry_open(&d->setup.config, &registry, fault))) return code;
  hd_progress_init(&d->progress, "diff", !d->quiet && !d->setup.json);
  code = run_sessions(d, section, registry, fault);
  hd_progress_end(&d->progress);
  hd_registry_close(registry);
  if (!code && (code = hd_compare_replay_finish(&d->result, ALPHA, 9999, 1))) hd_fault_set(fault, code, "the comparison: out of memory");
  d->replayed = !code;
  return code;
}

// Which sessions, and where the journal ends now: both sides see the same of it.
static int look_at_journal(struct diff *d, uint64_t *end) {
  struct hd_fault fault = {0};
  if (!d->journal) return HD_EXIT_OK;
  int32_t code = hd_compare_sessions(d->journal, d->sessions, d->numbers, &d->number_count, end, &fault);
  if (!code && d->sessions && d->number_count == 0)
    code = hd_fault_set(&fault, HADRON_ERR_NOT_FOUND, "%s: no session with ticks is in it; is journal.ticks on?", d->journal);
  return code ? hd_cli_fail("diff", HD_EXIT_DATA, &fault) : HD_EXIT_OK;
}

static int load(struct diff *d) {
  struct hd_setup *s = &d->setup;
  uint64_t end = 0;
  int looked = look_at_journal(d, &end);
  if (looked) return looked;
  bool good = hd_setup_setf(s, "mode=backtest") && hd_setup_setf(s, "journal.enabled=false");
  if (d->journal) good &= hd_setup_data(s, &d->journal, 1) && hd_setup_setf(s, "venues.replay.params.session=0") && hd_setup_setf(s, "venues.replay.params.until=%llu", (unsigned long long)end);
  else if (d->data_count) good &= hd_setup_data(s, d->data, d->data_count);
  if (d->from) good &= hd_setup_setf(s, "venues.replay.params.from=%s", d->from);
  if (d->to) good &= hd_setup_setf(s, "venues.replay.params.to=%s", d->to);
  if (!good) return hd_cli_usage("diff", "more than %d settings", HD_SETS_MAX);
  int code = hd_setup_load(s, "diff");
  return code ? code : hd_sample_if_needed(s, "diff");
}

// ---- what came of it -------------------------------------------------------------------------------------------------------------------

static double differing_share(const struct diff *d) { return 1 - hd_compare_agreement(&d->result.decisions); }

static void print_replay(const struct diff *d) {
  const struct hd_compare_replay *r = &d->result;
  char ticks[40];
  hd_count_format(ticks, sizeof ticks, r->ticks);
  printf("\nReplay of %s ticks, %u session%s\n", ticks, r->sessions, r->sessions == 1 ? "" : "s");
  hd_compare_print_agreement(&r->decisions, stdout);
  for (int i = 0; i < 2; i++) {
    const struct hd_compare_version *v = &r->arms[i].versions[0];
    char pnl[48], fees[48];
    if (!r->arms[i].version_count) continue;
    hd_number_format(pnl, sizeof pnl, (double)v->pnl / (double)HADRON_MONEY_SCALE, 2, 2);
    hd_number_format(fees, sizeof fees, (double)v->fees / (double)HADRON_MONEY_SCALE, 2, 2);
    printf("  %-12s%llu decisions, P&L %s, fees %s, %llu won, %llu lost, %llu errors\n", i ? "Second" : "First", (unsigned long long)v->decisions, pnl, fees,
           (unsigned long long)v->wins, (unsigned long long)v->losses, (unsigned long long)r->errors[i]);
  }
  if (isnan(r->paired.p)) printf("  %-12s%zu periods are too few for a test\n", "P&L", r->count);
  else printf("  %-12s%+.5f %% of the capital per period (95 %% interval %+.5f %% to %+.5f %%, p %.3g)\n", "P&L", 100 * r->paired.mean, 100 * r->paired.low,
              100 * r->paired.high, r->paired.p);
  if (d->differences && r->decisions.kept) putchar('\n');
  hd_compare_print_differences(&r->decisions, hd_compare_arms_name, &r->arms[0], d->differences, stdout);
}

static void print_text(const struct diff *d) {
  const struct hd_plugin *a = d->sides[0].plugin, *b = d->sides[1].plugin;
  printf("%s -> %s\n", d->sides[0].spec, d->sides[1].spec);
  if (hd_diff_print_manifests(a, b, stdout) == 0) printf("  the same artifact\n");
  printf("Parameters\n");
  if (hd_diff_print_parameters(a, b, stdout) == 0) printf("  the same\n");
  if (d->replayed) print_replay(d);
}

static void print_json(const struct diff *d) {
  json_t *root = hd_diff_json(d->sides[0].plugin, d->sides[1].plugin);
  json_object_set_new(root, "a", json_string(d->sides[0].spec));
  json_object_set_new(root, "b", json_string(d->sides[1].spec));
  if (d->replayed) {
    const struct hd_compare_replay *r = &d->result;
    json_t *replay = json_pack("{s:I,s:I,s:I,s:I,s:o,s:f}", "ticks", (json_int_t)r->ticks, "sessions", (json_int_t)r->sessions, "errors_a",
                               (json_int_t)r->errors[0], "errors_b", (json_int_t)r->errors[1], "decisions",
                               hd_compare_json(&r->decisions, hd_compare_arms_name, &r->arms[0]), "differing_share", differing_share(d));
    json_object_update_new(replay, hd_compare_paired_json(&r->paired, &r->sequential));
    for (int i = 0; i < 2; i++) {
      json_t *arms = hd_compare_arms_json(&r->arms[i], NULL);
      json_t *version = json_array_get(json_object_get(arms, "versions"), 0);
      json_object_set(replay, i ? "book_b" : "book_a", version ? version : json_null());
      json_decref(arms);
    }
    json_object_set_new(root, "replay", replay);
  }
  json_dumpf(root, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(root);
}

static int verdict(const struct diff *d) {
  if (isnan(d->accept) || differing_share(d) <= d->accept) return HD_EXIT_OK;
  fflush(stdout);
  fprintf(stderr, "hadron diff: %.4g %% of the decisions differ, at most %.4g %% are accepted\n", 100 * differing_share(d), 100 * d->accept);
  return HD_EXIT_REFUSED;
}

static int exit_of(int32_t code) {
  return code == HADRON_ERR_CORRUPT || code == HADRON_ERR_NOT_FOUND ? HD_EXIT_DATA : hd_cli_exit(code);
}

int hd_diff_command(int argc, char **argv) {
  static struct diff d = {.accept = NAN, .differences = SHOWN};
  struct hd_fault fault = {0};
  int code = parse(&d, argc, argv);
  if (code) return code;
  hd_log_level(HADRON_LOG_WARN);
  if (d.setup.path) code = load(&d);
  int32_t err = code ? HADRON_OK : open_sides(&d, &fault);
  if (!code && !err && d.setup.path) err = replay(&d, &fault);
  if (err) code = hd_cli_fail("diff", exit_of(err), &fault);
  if (!code) {
    if (d.setup.json) print_json(&d);
    else print_text(&d);
    code = d.replayed ? verdict(&d) : HD_EXIT_OK;
  }
  if (d.result.decisions.entries) hd_compare_replay_fini(&d.result);
  hd_setup_fini(&d.setup);
  return code;
}
