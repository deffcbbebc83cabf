// hadron validate FILE: what a plugin author runs before anybody else runs the plugin.
#include <getopt.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "lua/runtime.h"
#include "sdk/validate/validate.h"

#define SETS_MAX 128

const char hd_validate_help[] =
    "  --set NAME=VALUE   a parameter of the plugin; may be given several times\n"
    "  --seed N           of the scripted market; 1 by default\n"
    "  --timeout D        how long the plugin may run in all; 20s by default\n"
    "  --json             print one JSON object\n"
    "\nReads the manifest without running the plugin, then runs it in a child process against a scripted market: loading, parameters,\n"
    "determinism, state, allocations, threads, teardown. A crash or an endless loop is a line of the report. Exits with 1 if a check\n"
    "fails.\n";

struct validation {
  struct hd_validate_options options;
  struct hd_param_value sets[SETS_MAX];
  bool json;
};

static int take_set(struct validation *v, char *text) {
  char *equal = strchr(text, '=');
  if (!equal || equal == text) return hd_cli_usage("validate", "--set %s: expected name=value", text);
  if (v->options.param_count == SETS_MAX) return hd_cli_usage("validate", "more than %d --set", SETS_MAX);
  *equal = 0;
  v->sets[v->options.param_count++] = (struct hd_param_value){text, equal + 1, "--set"};
  return HD_EXIT_OK;
}

static int take_seed(struct validation *v, const char *text) {
  char *end;
  v->options.seed = strtoull(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end) return HD_EXIT_OK;
  return hd_cli_usage("validate", "--seed: expected a number, found \"%s\"", text);
}

static int parse(struct validation *v, int argc, char **argv) {
  static const struct option options[] = {{"set", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'n'},
                                          {"timeout", required_argument, NULL, 't'}, {"json", no_argument, NULL, 'j'}, {0}};
  optind = 0;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    int code = HD_EXIT_OK;
    if (c == 's') code = take_set(v, optarg);
    else if (c == 'n') code = take_seed(v, optarg);
    else if (c == 'j') v->json = true;
    else if (c != 't') code = hd_cli_usage("validate", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    else if (hd_duration_parse(optarg, &v->options.timeout_ns)) code = hd_cli_usage("validate", "--timeout: expected something like 20s, found \"%s\"", optarg);
    if (code) return code;
  }
  return argc - optind == 1 ? HD_EXIT_OK : hd_cli_usage("validate", "expected one plugin file");
}

int hd_validate_command(int argc, char **argv) {
  static struct hd_validation report;
  struct validation v = {.options = {.lua = &hd_lua_language, .seed = 1}};
  struct hd_fault fault = {0};
  int code = parse(&v, argc, argv);
  if (code) return code;
  v.options.params = v.sets;
  if (hd_validate(argv[optind], &v.options, &report, &fault)) return hd_cli_fail("validate", HD_EXIT_FAILED, &fault);
  if (v.json) {
    char *text = hd_validation_json(&report);
    if (!text) return hd_cli_fail("validate", HD_EXIT_FAILED, &(struct hd_fault){HADRON_ERR_MEMORY, "the report: out of memory"});
    printf("%s\n", text);
    free(text);
  } else {
    hd_validation_print(&report, stdout);
  }
  return report.failed ? HD_EXIT_FAILED : HD_EXIT_OK;
}
