// hadron ab report: what the versions of a deployment did, and what to do about it, from the journal of a host that runs or has run.
#include <getopt.h>
#include <math.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/compare_print.h"
#include "cli/progress.h"
#include "journal/journal.h"
#include "pipeline/portfolio.h"

#define NAMES_MAX 8
#define ALPHA 0.05
#define RESAMPLES 9999
#define SHOWN 10
#define TELL_EVERY 65536 // records between two looks at the progress

const char hd_ab_report_help[] =
    "NAME is the deployment: the strategy's section in the configuration. Several names are compared as if they were versions of one.\n"
    "docs/ab.md explains the numbers.\n\n"
    "  --data-dir DIR     the host's data directory; default: data\n"
    "  --journal DIR      its journal; default: DIR/journal\n"
    "  --control PATH     its control socket, for latency and errors while it runs; default: DIR/hadron.sock\n"
    "  --from TIME        from this time on\n"
    "  --to TIME          up to this time\n"
    "  --baseline VERSION compare with this one; default: the live version\n"
    "  --alpha A          error rate of the recommendation, for all versions together; default: 0.05\n"
    "  --seed N           of the bootstrap; default: 1\n"
    "  --resamples N      of the bootstrap; default: 9999\n"
    "  --differences N    show so many differing decisions, at most 1024; default: 10\n"
    "  --json             print one JSON object\n";

struct ab {
  const char *names[NAMES_MAX];
  uint32_t name_count;
  const char *baseline;
  char journal[1024];
  struct hd_client_target target;
  int64_t from_ns, to_ns;
  double alpha;
  uint64_t seed;
  uint32_t resamples, differences;
  bool json;
};

static bool take_count(const char *text, uint64_t max, uint64_t *out) {
  char *end;
  unsigned long long n = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || n > max) return false;
  *out = n;
  return true;
}

static bool take_alpha(const char *text, double *out) {
  int64_t e9;
  if (hd_decimal_read(text, 1000000000, &e9) || e9 <= 0 || e9 > 500000000) return false;
  *out = (double)e9 / 1e9;
  return true;
}

static int parse(struct ab *a, int argc, char **argv) {
  enum { DATA_DIR = 256, JOURNAL, CONTROL, FROM, TO, BASELINE, ALPHA_OPTION, SEED, RESAMPLES_OPTION, DIFFERENCES, JSON };
  static const struct option options[] = {{"data-dir", required_argument, NULL, DATA_DIR}, {"journal", required_argument, NULL, JOURNAL},
                                          {"control", required_argument, NULL, CONTROL}, {"from", required_argument, NULL, FROM},
                                          {"to", required_argument, NULL, TO}, {"baseline", required_argument, NULL, BASELINE},
                                          {"alpha", required_argument, NULL, ALPHA_OPTION}, {"seed", required_argument, NULL, SEED},
                                          {"resamples", required_argument, NULL, RESAMPLES_OPTION},
                                          {"differences", required_argument, NULL, DIFFERENCES}, {"json", no_argument, NULL, JSON}, {0}};
  const char *journal = NULL;
  uint64_t n;
  optind = 0;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    bool good = true;
    switch (c) {
    case DATA_DIR: a->target.data_dir = optarg; break;
    case JOURNAL: journal = optarg; break;
    case CONTROL: a->target.control = optarg; break;
    case FROM: good = hd_time_parse(optarg, &a->from_ns) == HADRON_OK; break;
    case TO: good = hd_time_parse(optarg, &a->to_ns) == HADRON_OK; break;
    case BASELINE: a->baseline = optarg; break;
    case ALPHA_OPTION: good = take_alpha(optarg, &a->alpha); break;
    case SEED: good = take_count(optarg, UINT64_MAX - 1, &a->seed); break;
    case RESAMPLES_OPTION:
      if ((good = take_count(optarg, 1000000, &n) && n >= 19)) a->resamples = (uint32_t)n;
      break;
    case DIFFERENCES:
      if ((good = take_count(optarg, HD_COMPARE_KEEP_MAX, &n))) a->differences = (uint32_t)n;
      break;
    case JSON: a->json = true; break;
    default: return hd_cli_usage("ab report", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
    if (!good) return hd_cli_usage("ab report", "%s: \"%s\" is not what it takes", argv[optind - 2][0] == '-' ? argv[optind - 2] : argv[optind - 1], optarg);
  }
  for (; optind < argc && a->name_count < NAMES_MAX; optind++) a->names[a->name_count++] = argv[optind];
  if (a->name_count == 0) return hd_cli_usage("ab report", "expected the name of a deployment");
  if (journal) hd_text_copy(a->journal, sizeof a->journal, journal);
  else snprintf(a->journal, sizeof a->journal, "%s/journal", a->target.data_dir ? a->target.data_dir : "data");
  return HD_EXIT_OK;
}

// ---- reading -----------------------------------------------------------------------------------------------------------------------

// Reads up to a position; 0: to the end, which goes to *end.
static int32_t read_journal(const struct ab *a, struct hd_compare_arms *c, uint64_t until, uint64_t *end, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  struct hd_progress bar;
  uint64_t records = 0;
  int32_t code = hd_journal_cursor_open(a->journal, &cursor, fault);
  if (code) return code;
  const int64_t start_ns = hd_clock_monotonic_ns();
  const uint64_t first = hd_journal_cursor_position(cursor);
  hd_progress_init(&bar, until ? "comparing" : "reading", !a->json);
  bar.noun = "records";
  while ((until == 0 || hd_journal_cursor_position(cursor) < until) && !(code = hd_journal_cursor_next(cursor, &record, fault))) {
    code = hd_compare_arms_add(c, record.template_id, record.bytes, record.block_length);
    if (++records % TELL_EVERY == 0) hd_progress_show(&bar, record.position - first, until ? until - first : 0, records, record.time_ns, hd_clock_monotonic_ns() - start_ns);
    if (code) {
      hd_fault_set(fault, code, "%s: more than %d versions in the journal; narrow it by --from and --to, or give fewer names", a->journal, HD_COMPARE_VERSIONS_MAX);
      break;
    }
  }
  hd_progress_end(&bar);
  if (end) *end = hd_journal_cursor_position(cursor);
  hd_journal_cursor_close(cursor);
  return code == HADRON_ERR_AGAIN ? HADRON_OK : code;
}

static int32_t unknown_name(const struct ab *a, struct hd_fault *fault) {
  char names[256] = "";
  for (uint32_t i = 0; i < a->name_count; i++) snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", a->names[i]);
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: no arm of %s is in it; `hadron status` lists the strategies of a running host", a->journal, names);
}

// Once to see who is there, once more to compare them with one of them.
static int32_t collect(const struct ab *a, struct hd_compare_arms *c, struct hd_fault *fault) {
  struct hd_compare_arms survey;
  uint64_t end = 0;
  hd_compare_arms_init(&survey, a->names, a->name_count, 0);
  int32_t code = read_journal(a, &survey, 0, &end, fault);
  uint32_t baseline = code ? HD_COMPARE_NONE : a->baseline ? hd_compare_arms_find(&survey, a->baseline) : hd_compare_arms_live(&survey);
  if (!code && survey.version_count == 0) code = unknown_name(a, fault);
  else if (!code && a->baseline && baseline == HD_COMPARE_NONE)
    code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "--baseline %s: no such version has run; the report without it lists those that have", a->baseline);
  if (!code && baseline == HD_COMPARE_NONE) baseline = 0; // nobody is live any more: the first one
  hd_compare_arms_init(c, a->names, a->name_count, a->differences);
  c->from_ns = a->from_ns;
  c->to_ns = a->to_ns;
  if (!code) hd_compare_arms_baseline(c, survey.versions[baseline].label);
  if (!code) code = read_journal(a, c, end, NULL, fault);
  hd_compare_arms_fini(&survey);
  const struct hd_compare_arms_options options = {.alpha = a->alpha, .resamples = a->resamples, .seed = a->seed};
  if (!code && (code = hd_compare_arms_finish(c, &options))) hd_fault_set(fault, code, "the report: out of memory");
  return code;
}

// Latency and errors are the running host's to tell. A host that does not run tells nothing.
static void ask_host(const struct ab *a, const struct hd_compare_arms *c, struct hd_compare_live *live) {
  char path[512];
  struct hd_fault fault;
  size_t i;
  json_t *row, *status = NULL;
  if (hd_client_path(&a->target, path, sizeof path)) status = hd_client_ask(path, json_pack("{s:s,s:i}", "command", "status", "instruments", 0), &fault);
  json_array_foreach(json_object_get(status, "strategies"), i, row) {
    const char *name = json_string_value(json_object_get(row, "name")), *version = json_string_value(json_object_get(row, "version"));
    const char *role = json_string_value(json_object_get(row, "role"));
    const json_t *latency = json_object_get(row, "latency");
    for (uint32_t k = 0; k < c->version_count && name && version && role; k++) {
      static const char *const roles[] = {"", "live", "canary", "shadow"};
      const struct hd_compare_version *v = &c->versions[k];
      if (strcmp(v->name, name) != 0 || strcmp(v->version, version) != 0 || strcmp(roles[v->role & 3], role) != 0) continue;
      live[k] = (struct hd_compare_live){true, (uint64_t)json_integer_value(json_object_get(row, "errors")), json_integer_value(json_object_get(latency, "p50_ns")),
                                         json_integer_value(json_object_get(latency, "p99_ns"))};
    }
  }
  json_decref(status);
}

// ---- printing ----------------------------------------------------------------------------------------------------------------------

static void print_head(const struct ab *a, const struct hd_compare_arms *c) {
  char from[40], to[40], span[40];
  fputs("A/B of", stdout);
  for (uint32_t i = 0; i < a->name_count; i++) printf("%s %s", i ? "," : "", a->names[i]);
  printf("\n  %s, %u session%s, %u swap%s\n", a->journal, c->sessions, c->sessions == 1 ? "" : "s", c->swaps, c->swaps == 1 ? "" : "s");
  if (c->last_ns > 0) {
    hd_time_format(from, sizeof from, c->first_ns, 0);
    hd_time_format(to, sizeof to, c->last_ns, 0);
    hd_duration_format(span, sizeof span, c->last_ns - c->first_ns);
    printf("  %s to %s (%s), %zu periods\n", from, to, span, c->period_count);
    if (c->period_count == 0) printf("  No period has ended: one ends at each sample of the books (report.equity_every, a day if it is not set).\n");
  }
  putchar('\n');
}

static int report(const struct ab *a) {
  static struct hd_compare_arms c;
  struct hd_compare_live live[HD_COMPARE_VERSIONS_MAX] = {{0}};
  struct hd_fault fault = {0};
  int32_t code = collect(a, &c, &fault);
  if (code) {
    hd_compare_arms_fini(&c);
    bool data = code == HADRON_ERR_NOT_FOUND || code == HADRON_ERR_CORRUPT || code == HADRON_ERR_IO;
    return hd_cli_fail("ab report", data ? HD_EXIT_DATA : HD_EXIT_FAILED, &fault);
  }
  ask_host(a, &c, live);
  if (a->json) {
    json_t *root = hd_compare_arms_json(&c, live);
    json_object_set_new(root, "journal", json_string(a->journal));
    json_object_set_new(root, "alpha", json_real(a->alpha));
    json_object_set_new(root, "seed", json_integer((json_int_t)a->seed));
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
  } else {
    print_head(a, &c);
    hd_compare_print_arms(&c, "", live, a->alpha, a->differences, stdout);
  }
  hd_compare_arms_fini(&c);
  return HD_EXIT_OK;
}

int hd_ab_report_command(int argc, char **argv) {
  static struct ab a = {.alpha = ALPHA, .resamples = RESAMPLES, .seed = 1, .differences = SHOWN};
  int code = parse(&a, argc, argv);
  return code ? code : report(&a);
}
