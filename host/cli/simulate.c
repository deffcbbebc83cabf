// hadron simulate: the fault simulator. Prints what was run, each fault's count, and for every seed that failed what was found and the
// command that runs it again.
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "runtime/simulate/simulate.h"

const char hd_simulate_help[] =
    "  --seeds N        how many worlds (default 100)\n"
    "  --seed S         the first seed (default 1); alone it is the only one\n"
    "  --jobs J         processes (default: one per processor)\n"
    "  --only A,B       these faults alone\n"
    "  --without A,B    all faults but these\n"
    "  --stop N         stop after N failed seeds (default 10; 0: never)\n"
    "  --verbose        print every event as it happens; one process\n"
    "  --faults         list the faults and what they are\n"
    "  --json           print the result as one JSON object\n"
    "\nEach seed is a world: the host with its pipeline, gateway and journal on a virtual clock, a hostile venue that keeps the truth, a hostile\n"
    "disk. The seed draws which faults there are and how often they strike. The same seed is the same world, to the byte.\n";

struct simulate {
  struct hd_simulate_options options;
  bool json, list;
  struct hd_progress bar;
  char title[48];
  int64_t start_ns;
};

static bool add_fault(uint64_t *bits, const char *name, size_t length) {
  for (uint32_t f = 0; f < HD_FAULT_COUNT; f++)
    if (strlen(hd_world_fault_names[f]) == length && memcmp(hd_world_fault_names[f], name, length) == 0) {
      *bits |= UINT64_C(1) << f;
      return true;
    }
  return false;
}

static int parse_faults(const char *text, uint64_t *bits) {
  _Static_assert(HD_FAULT_COUNT <= 64, "one bit each");
  while (*text) {
    size_t length = strcspn(text, ",");
    if (!add_fault(bits, text, length)) return hd_cli_usage("simulate", "there is no fault \"%.*s\"; --faults lists them", (int)length, text);
    text += length + (text[length] == ',');
  }
  return HD_EXIT_OK;
}

static int parse_number(const char *option, const char *text, uint64_t *out) {
  char *end;
  errno = 0;
  *out = strtoull(text, &end, 10);
  if (errno || *end || end == text || *text == '-') return hd_cli_usage("simulate", "%s: expected a number, found \"%s\"", option, text);
  return HD_EXIT_OK;
}

static int parse(struct simulate *s, int argc, char **argv) {
  enum { SEEDS = 256, SEED, JOBS, ONLY, WITHOUT, STOP, VERBOSE, FAULTS, JSON };
  static const struct option options[] = {{"seeds", required_argument, NULL, SEEDS}, {"seed", required_argument, NULL, SEED}, {"jobs", required_argument, NULL, JOBS},
                                          {"only", required_argument, NULL, ONLY}, {"without", required_argument, NULL, WITHOUT}, {"stop", required_argument, NULL, STOP},
                                          {"verbose", no_argument, NULL, VERBOSE}, {"faults", no_argument, NULL, FAULTS}, {"json", no_argument, NULL, JSON}, {0}};
  uint64_t number, without = 0, seeds = 0;
  bool one = false;
  int code = HD_EXIT_OK;
  s->options = (struct hd_simulate_options){.first_seed = 1, .failures_max = 10};
  optind = 0;
  opterr = 0;
  for (int c; !code && (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
    switch (c) {
    case SEEDS: code = parse_number("--seeds", optarg, &seeds); break;
    case SEED: code = parse_number("--seed", optarg, &s->options.first_seed), one = true; break;
    case JOBS: code = parse_number("--jobs", optarg, &number), s->options.jobs = (uint32_t)number; break;
    case STOP: code = parse_number("--stop", optarg, &number), s->options.failures_max = (uint32_t)number; break;
    case ONLY: code = parse_faults(optarg, &s->options.faults); break;
    case WITHOUT: code = parse_faults(optarg, &without); break;
    case VERBOSE: s->options.verbose = true; break;
    case FAULTS: s->list = true; break;
    case JSON: s->json = true; break;
    default: return hd_cli_usage("simulate", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
  if (code) return code;
  if (optind < argc) return hd_cli_usage("simulate", "expected nothing behind the options, found \"%s\"", argv[optind]);
  s->options.seeds = seeds ? seeds : one ? 1 : 100;
  if (without) s->options.faults = (s->options.faults ? s->options.faults : ~UINT64_C(0) >> (64 - HD_FAULT_COUNT)) & ~without;
  if (s->options.verbose) s->options.jobs = 1;
  return HD_EXIT_OK;
}

// With the shorter of the two lists.
static void print_command(const struct simulate *s, uint64_t seed, char *to, size_t size) {
  uint64_t all = ~UINT64_C(0) >> (64 - HD_FAULT_COUNT), on = s->options.faults ? s->options.faults : all;
  bool without = __builtin_popcountll(on) > HD_FAULT_COUNT / 2;
  uint64_t listed = without ? all & ~on : on;
  int n = snprintf(to, size, "hadron simulate --seed %llu --verbose", (unsigned long long)seed);
  for (uint32_t f = 0, first = 1; f < HD_FAULT_COUNT; f++) {
    if (!(listed >> f & 1)) continue;
    n += snprintf(to + n, size - (size_t)n, "%s%s", !first ? "," : without ? " --without " : " --only ", hd_world_fault_names[f]);
    first = 0;
  }
}

static void print_json(const struct simulate *s, const struct hd_simulate_result *r) {
  const struct {
    const char *name;
    uint64_t value;
  } counts[] = {{"seeds", r->seeds}, {"failed", r->failed}, {"lost", r->lost}, {"duplicates", r->duplicates}, {"lives", r->lives}, {"events", r->events},
                {"ticks", r->ticks}, {"orders", r->orders}, {"executions", r->executions}, {"requests", r->requests}, {"reports", r->reports}, {"rows", r->rows}};
  json_t *o = json_object(), *faults = json_object(), *failures = json_array();
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) json_object_set_new(o, counts[i].name, json_integer((json_int_t)counts[i].value));
  for (uint32_t f = 0; f < HD_FAULT_COUNT; f++) json_object_set_new(faults, hd_world_fault_names[f], json_integer((json_int_t)r->faults[f]));
  for (uint32_t i = 0; i < r->failure_count; i++) {
    char command[2048];
    print_command(s, r->failures[i].seed, command, sizeof command);
    json_array_append_new(failures, json_pack("{s:I, s:s, s:s}", "seed", (json_int_t)r->failures[i].seed, "found", r->failures[i].text, "command", command));
  }
  double seconds = (double)r->elapsed_ns / 1e9;
  char digest[24];
  snprintf(digest, sizeof digest, "%016llx", (unsigned long long)r->digest);
  json_object_set_new(o, "faults", faults);
  json_object_set_new(o, "failures", failures);
  json_object_set_new(o, "digest", json_string(digest));
  json_object_set_new(o, "elapsed_s", json_real(seconds));
  json_object_set_new(o, "seeds_per_s", json_real(seconds > 0 ? (double)r->seeds / seconds : 0));
  json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
  printf("\n");
  json_decref(o);
}

static void print(const struct simulate *s, const struct hd_simulate_result *r) {
  double seconds = (double)r->elapsed_ns / 1e9;
  printf("%llu seeds, %llu lives, %llu events, %llu ticks, %llu orders, %llu executions in %.1f s (%.1f seeds/s)\n", (unsigned long long)r->seeds,
         (unsigned long long)r->lives, (unsigned long long)r->events, (unsigned long long)r->ticks, (unsigned long long)r->orders, (unsigned long long)r->executions,
         seconds, seconds > 0 ? (double)r->seeds / seconds : 0);
  for (uint32_t f = 0; f < HD_FAULT_COUNT; f++)
    if (r->faults[f]) printf("  %-18s %llu\n", hd_world_fault_names[f], (unsigned long long)r->faults[f]);
  printf("lost %llu, duplicates %llu, failed seeds %llu, digest %016llx\n", (unsigned long long)r->lost, (unsigned long long)r->duplicates, (unsigned long long)r->failed,
         (unsigned long long)r->digest);
  for (uint32_t i = 0; i < r->failure_count; i++) {
    char command[2048];
    print_command(s, r->failures[i].seed, command, sizeof command);
    printf("\nseed %llu: %s\n  %s\n", (unsigned long long)r->failures[i].seed, r->failures[i].text, command);
  }
}

static void on_progress(void *user, uint64_t done, uint64_t failed) {
  struct simulate *s = user;
  if (failed) snprintf(s->title, sizeof s->title, "simulate, %llu failed", (unsigned long long)failed);
  hd_progress_show(&s->bar, done, s->options.seeds, done, 0, hd_clock_monotonic_ns() - s->start_ns);
}

int hd_simulate_command(int argc, char **argv) {
  static struct simulate s;
  static struct hd_simulate_result result;
  static struct hd_config places;
  struct hd_fault fault = {0};
  int code = parse(&s, argc, argv);
  if (code) return code;
  for (uint32_t f = 0; s.list && f < HD_FAULT_COUNT; f++) printf("%-18s %s\n", hd_world_fault_names[f], hd_world_fault_words[f]);
  if (s.list) return HD_EXIT_OK;
  hd_setup_plugins(&places);
  s.options.plugin_path = places.plugin_path;
  hd_text_copy(s.title, sizeof s.title, "simulate");
  hd_progress_init(&s.bar, s.title, !s.options.verbose && !s.json);
  s.bar.noun = "seeds";
  s.start_ns = hd_clock_monotonic_ns();
  if (s.bar.on) s.options.progress = on_progress, s.options.user = &s;
  int32_t failed = hd_simulate(&s.options, &result, &fault);
  hd_progress_end(&s.bar);
  if (failed) return hd_cli_fail("simulate", hd_cli_exit(failed), &fault);
  if (s.json) print_json(&s, &result);
  else print(&s, &result);
  return result.failed ? HD_EXIT_FAILED : HD_EXIT_OK;
}
