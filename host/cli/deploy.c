// Commands that change what runs: enable, disable, reload, deploy, ab, promote, rollback, history. A host that runs is asked; where none
// does, the registry is changed and the next start goes by it.
#include <getopt.h>
#include <math.h>
#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/setup.h"
#include "cli/table.h"
#include "registry/deployment_request.h"
#include "registry/rollout.h"
#include "runtime/session_deploy.h"

#define WAIT_S 600 // a version is probed, made and, with a gate, replayed

#define COMMON_HELP                                                                          \
  "  --why TEXT       the reason, for the history\n"                                         \
  "  --data-dir DIR   the host's data directory; default: data\n"                            \
  "  --config FILE    its configuration, which says where registry and control socket are\n" \
  "  --control PATH   its control socket; default: DIR/hadron.sock\n"                        \
  "  --json           print the outcome as one JSON object\n"
#define GATE_HELP "  --accept-difference SHARE   let it through the gate if at most this share of its decisions differs: 0.01\n"
#define NEXT_START                                                                                                                  \
  "\nIf no host runs there, the registry is changed, and the next start goes by it. Other hosts of the registry that run it are\n" \
  "asked first: it takes effect on all of them, or, with the reason, on none.\n"

const char hd_enable_help[] = "  --placement P    where it runs from now on: inline, thread, process, remote, auto (docs/placements.md); it takes its state along\n" GATE_HELP COMMON_HELP "\nWith a VERSION that one becomes the live one, as by `hadron promote`. A registered strategy that neither the configuration nor a\n"
    "deployment has is opened, with all instruments and a share of the account's cash; `hadron deploy` can say more.\n" NEXT_START;
const char hd_disable_help[] = COMMON_HELP
    "\nA disabled deployment gets no ticks and decides nothing; its positions and orders stay as they are. With a VERSION that arm alone\n"
    "goes, canary or shadow; what it traded goes back to the live one.\n" NEXT_START;
const char hd_reload_help[] = GATE_HELP COMMON_HELP
    "\nRegisters the file that the configuration names, if it is new, and lets the newest version of the plugin take over: with the state\n"
    "of the old one, between two ticks.\n" NEXT_START;
const char hd_deploy_help[] = GATE_HELP COMMON_HELP
    "\nThe file is Lua:\n"
    "\t  return {\n"
    "\t    name = \"sma_fast\", plugin = \"sma\",            -- the strategy's section, and whose versions these are\n"
    "\t    arms = {\n"
    "\t      { version = \"1.0.0\", weight = 0.9 },         -- the live one comes first\n"
    "\t      { version = \"1.1.0\", role = \"canary\", weight = 0.1, params = { fast = 8 } },\n"
    "\t      { version = \"2.0.0\", role = \"shadow\" },\n"
    "\t    },\n"
    "\t    split = \"capital\",                           -- or instrument\n"
    "\t    arrival = \"nothing\", canary_weight = 0.1,     -- what new versions do: nothing, shadow, canary, live\n"
    "\t    warm = \"10m\", gate = 0,\n"
    "\t    placement = \"process\",                      -- where its versions run; default: as the section says\n"
    "\t    guard = { errors = 0, latency_p99 = \"0\", drawdown = \"0\" },\n"
    "\t    governor = { time = \"0\", allocations = 0, errors = 0, watchdog = \"0\", over = 0, action = \"warn\" },\n"
    "\t    -- only where the configuration has no section of this name; its seat is opened with them, also while the host runs:\n"
    "\t    universe = { \"BTC*\" }, cash = \"10000\", size = \"1\", venue = \"sim\", risk = { position_max = 10 },\n"
    "\t    hosts = { \"*\" },                             -- that run it; default: the one that is asked\n"
    "\t  }\n" NEXT_START;
const char hd_ab_help[] =
    "  --split HOW      capital: each trades every instrument with its weight (default); instrument: each its own instruments\n"
    "  --shadow VERSION decides beside them and trades nothing; may be given several times\n" GATE_HELP COMMON_HELP
    NEXT_START;
const char hd_promote_help[] = GATE_HELP COMMON_HELP
    "\nThe version trades alone from then on. It takes the state of the one before it, which stays warm for a while: `hadron rollback` is\n"
    "then a matter of microseconds. Shadows of other versions stay.\n" NEXT_START;
const char hd_rollback_help[] =
    "  --to REVISION    go back to this one; else to what ran before\n" COMMON_HELP
    "\nMakes a new revision that is equal to the old one: nothing is overwritten. Several rollbacks go further and further back.\n" NEXT_START;
const char hd_history_help[] =
    "  --data-dir DIR   the host's data directory; default: data\n"
    "  --config FILE    its configuration, which says where registry and control socket are\n"
    "  --control PATH   its control socket; default: DIR/hadron.sock\n"
    "  --json           print one JSON object\n"
    "\nWithout NAME: the revisions of all deployments.\n";

struct order {
  const char *command;
  struct hd_setup setup;       // of --config, or the defaults
  const char *config, *why, *split, *placement;
  struct hd_client_target target;
  bool json;
  double accept;               // share that the gate lets through; 0: none
  long to;
  json_t *shadows;             // owned
  char **words;
  int word_count;
};

// ---- the command line -------------------------------------------------------------------------------------------------------------------------

enum { OPT_CONTROL = 256, OPT_DATA_DIR, OPT_CONFIG, OPT_WHY, OPT_JSON, OPT_SPLIT, OPT_SHADOW, OPT_TO, OPT_ACCEPT, OPT_PLACEMENT };

static int take_to(struct order *o, const char *text) {
  char *end;
  o->to = strtol(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end && o->to >= 1 && o->to <= INT32_MAX) return HD_EXIT_OK;
  return hd_cli_usage(o->command, "--to: expected the number of a revision, found \"%s\"", text);
}

static int take_accept(struct order *o, const char *text) {
  int64_t e9;
  if (hd_decimal_read(text, 1000000000, &e9) || e9 < 0 || e9 > 1000000000) return hd_cli_usage(o->command, "--accept-difference: expected a share from 0 to 1, found \"%s\"", text);
  o->accept = (double)e9 / 1e9;
  return HD_EXIT_OK;
}

static int take_shadow(struct order *o, const char *text) {
  if (!hd_version_valid(text)) return hd_cli_usage(o->command, "--shadow: expected a version like 1.2.0, found \"%s\"", text);
  json_array_append_new(o->shadows, json_string(text));
  return HD_EXIT_OK;
}

static int take(struct order *o, int c, char **argv) {
  bool ab = strcmp(o->command, "ab") == 0, rollback = strcmp(o->command, "rollback") == 0, history = strcmp(o->command, "history") == 0;
  switch (c) {
  case OPT_CONTROL: o->target.control = optarg; return HD_EXIT_OK;
  case OPT_DATA_DIR: o->target.data_dir = optarg; return HD_EXIT_OK;
  case OPT_CONFIG: o->config = optarg; return HD_EXIT_OK;
  case OPT_JSON: o->json = true; return HD_EXIT_OK;
  case OPT_WHY:
    if (history) break;
    o->why = optarg;
    return strlen(optarg) < HD_DEPLOYMENT_TEXT ? HD_EXIT_OK : hd_cli_usage(o->command, "--why: expected at most %d bytes", HD_DEPLOYMENT_TEXT - 1);
  case OPT_SPLIT:
    if (!ab) break;
    o->split = optarg;
    return HD_EXIT_OK;
  case OPT_SHADOW: if (ab) return take_shadow(o, optarg); break;
  case OPT_ACCEPT: if (!history && !rollback) return take_accept(o, optarg); break;
  case OPT_PLACEMENT:
    if (strcmp(o->command, "enable") != 0) break;
    o->placement = optarg;
    return hd_choice_parse(HD_DEPLOYMENT_PLACEMENTS, optarg) ? HD_EXIT_OK : hd_cli_usage(o->command, "--placement: expected one of: " HD_DEPLOYMENT_PLACEMENTS "; found \"%s\"", optarg);
  case OPT_TO: if (rollback) return take_to(o, optarg); break;
  default: break;
  }
  return hd_cli_usage(o->command, "unknown or incomplete option \"%s\"", argv[optind - 1]);
}

static int parse(struct order *o, const char *command, int argc, char **argv) {
  static const struct option options[] = {{"control", required_argument, NULL, OPT_CONTROL}, {"data-dir", required_argument, NULL, OPT_DATA_DIR},
                                          {"config", required_argument, NULL, OPT_CONFIG}, {"why", required_argument, NULL, OPT_WHY},
                                          {"json", no_argument, NULL, OPT_JSON}, {"split", required_argument, NULL, OPT_SPLIT},
                                          {"shadow", required_argument, NULL, OPT_SHADOW}, {"to", required_argument, NULL, OPT_TO}, {"accept-difference", required_argument, NULL, OPT_ACCEPT},
                                          {"placement", required_argument, NULL, OPT_PLACEMENT}, {0}};
  memset(o, 0, sizeof *o);
  o->command = command;
  o->shadows = json_array();
  optind = 0;
  opterr = 0;
  int code = HD_EXIT_OK;
  for (int c; !code && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) code = take(o, c, argv);
  o->words = argv + optind;
  o->word_count = argc - optind;
  return code;
}

// Where registry and socket are: the configuration says it, or they are in the data directory.
static int find(struct order *o) {
  struct hd_config *c = &o->setup.config;
  if (o->config) {
    o->setup.path = o->config;
    if (o->target.data_dir && !hd_setup_setf(&o->setup, "data_dir=%s", o->target.data_dir)) return HD_EXIT_FAILED;
    int code = hd_setup_load(&o->setup, o->command);
    if (!code && !o->target.control) o->target.control = c->control;
    return code;
  }
  c->registry = true;
  c->registry_policy = HD_REGISTRY_WARN;
  if (!hd_text_copy(c->data_dir, sizeof c->data_dir, o->target.data_dir ? o->target.data_dir : "data")) return hd_cli_usage(o->command, "--data-dir: the path is too long");
  return HD_EXIT_OK;
}

static void finish(struct order *o) {
  json_decref(o->shadows);
  hd_setup_fini(&o->setup);
}

// NAME or NAME@VERSION into a request.
static int take_name(const struct order *o, json_t *request, bool version) {
  const char *word = o->words[0], *at = strchr(word, '@');
  char name[HADRON_NAME_SIZE];
  size_t length = at ? (size_t)(at - word) : strlen(word);
  if (length >= sizeof name) return hd_cli_usage(o->command, "expected the name of a deployment, found \"%s\"", word);
  memcpy(name, word, length);
  name[length] = 0;
  if (!hd_name_valid(name)) return hd_cli_usage(o->command, "expected the name of a deployment, a-z, 0-9, _ and -; found \"%s\"", name);
  if (at && (!version || !hd_version_valid(at + 1))) return hd_cli_usage(o->command, version ? "expected a version like 1.2.0, found \"%s\"" : "expected a name without a version, found \"@%s\"", at + 1);
  json_object_set_new(request, "name", json_string(name));
  if (at) json_object_set_new(request, "version", json_string(at + 1));
  return HD_EXIT_OK;
}

static int take_arms(const struct order *o, json_t *request) {
  json_t *arms = json_array();
  json_object_set_new(request, "arms", arms);
  for (int i = 1; i < o->word_count; i++) {
    char *end, version[HADRON_VERSION_SIZE];
    const char *equal = strchr(o->words[i], '=');
    double weight = equal ? strtod(equal + 1, &end) : 0;
    if (!equal || (size_t)(equal - o->words[i]) >= sizeof version || !equal[1] || *end || !isfinite(weight) || !(weight > 0))
      return hd_cli_usage(o->command, "expected VERSION=WEIGHT like 1.1.0=0.1, found \"%s\"", o->words[i]);
    snprintf(version, sizeof version, "%.*s", (int)(equal - o->words[i]), o->words[i]);
    if (!hd_version_valid(version)) return hd_cli_usage(o->command, "expected a version like 1.2.0, found \"%s\"", version);
    json_array_append_new(arms, json_pack("{s:s, s:f}", "version", version, "weight", weight));
  }
  if (json_array_size(arms) + json_array_size(o->shadows) < 2) return hd_cli_usage(o->command, "expected at least two versions to compare");
  json_object_set(request, "shadows", o->shadows);
  if (!o->split) return HD_EXIT_OK;
  if (strcmp(o->split, "capital") != 0 && strcmp(o->split, "instrument") != 0) return hd_cli_usage(o->command, "--split: expected capital or instrument, found \"%s\"", o->split);
  json_object_set_new(request, "split", json_string(o->split));
  return HD_EXIT_OK;
}

// ---- where no host runs -------------------------------------------------------------------------------------------------------------------------

static int32_t registry_open(const struct order *o, struct hd_registry **out, struct hd_fault *fault) {
  struct hd_registry_paths paths;
  hd_registry_paths(&o->setup.config, &paths);
  const char *file = strncmp(paths.url, "sqlite:", 7) == 0 ? paths.url + 7 : NULL;
  if (file && access(file, F_OK) != 0)
    return hd_fault_set(fault, HADRON_ERR_CLOSED, "no host is running, and there is no registry at %s; say where they are with --data-dir DIR or --config FILE, or begin with `hadron registry add`", file);
  return hd_session_registry_open(&o->setup.config, out, fault);
}

static void who_am_i(char *to, size_t size) {
  const struct passwd *row = getpwuid(geteuid());
  if (row) snprintf(to, size, "%.40s (uid %u)", row->pw_name, (unsigned)geteuid());
  else snprintf(to, size, "uid %u", (unsigned)geteuid());
}

struct room {
  struct hd_deployment base, want;
};

// Hosts elsewhere run it: it takes effect when all of them have staged it. Whoever looks, decides; so does this command.
static int32_t await(struct hd_database *d, struct hd_revision *revision, json_t **hosts, struct hd_fault *fault) {
  struct hd_rollout out = {.state = HD_REVISION_PENDING};
  int32_t code = HADRON_OK;
  for (int i = 0; i < WAIT_S * 10 && !code && out.state == HD_REVISION_PENDING; i++) {
    if (i) poll(NULL, 0, 100);
    code = hd_host_sweep(d, NULL, NULL, fault);
    if (!code) code = hd_rollout_decide(d, revision->name, revision->revision, revision->host, &out, fault);
  }
  if (code) return code;
  if (out.state == HD_REVISION_PENDING)
    return hd_fault_set(fault, HADRON_ERR_TIMEOUT, "%s: revision %u: %u of %u hosts have not answered yet; `hadron history %s` tells what comes of it", revision->name, revision->revision,
                        out.waiting, out.asked, revision->name);
  if (out.state == HD_REVISION_FAILED)
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s: revision %u failed, everything runs as before: %s", revision->name, revision->revision, out.error);
  *hosts = hd_rollout_parties(d, revision->name, revision->revision, fault);
  return *hosts ? HADRON_OK : fault->code;
}

static int32_t store(const struct order *o, struct hd_registry *r, const struct hd_deployment_request *q, struct room *room, struct hd_revision *revision, json_t **hosts,
                     struct hd_fault *fault) {
  struct hd_database *d = hd_registry_database(r);
  who_am_i(revision->who, sizeof revision->who);
  hd_session_host(&o->setup.config, revision->host, sizeof revision->host);
  hd_text_copy(revision->command, sizeof revision->command, o->command);
  hd_text_copy(revision->why, sizeof revision->why, q->why);
  revision->time_ns = hd_clock_wall_ns();
  revision->base = room->base.revision;
  revision->planned = true;
  int32_t code = hd_revision_add(d, &room->want, revision, fault);
  if (code) return code;
  room->want.revision = revision->revision;
  return revision->asked ? await(d, revision, hosts, fault) : HADRON_OK;
}

static json_t *carry_out(const struct order *o, struct hd_registry *r, const struct hd_deployment_request *q, struct room *room, struct hd_fault *fault) {
  struct hd_revision revision = {.state = HD_REVISION_ACTIVE};
  struct hd_database *d = hd_registry_database(r);
  json_t *hosts = NULL;
  if (hd_host_sweep(d, NULL, NULL, fault) || hd_rollout_clear(d, q->name, "command line", fault)) return NULL;
  struct hd_deployment_request here = *q;
  if (!hd_session_is_section(&o->setup.config, q->name)) hd_session_host(&o->setup.config, here.host, sizeof here.host);
  if (hd_deployment_plan(r, &here, NULL, &room->base, &room->want, &revision.equals, fault)) return NULL;
  json_t *lines = hd_deployment_changes(&room->base, &room->want);
  bool unchanged = *room->base.name && json_array_size(lines) == 0;
  if (!unchanged && store(o, r, q, room, &revision, &hosts, fault)) {
    json_decref(lines);
    return NULL;
  }
  const struct hd_deployment *now = unchanged ? &room->base : &room->want;
  json_t *arms = json_array();
  for (uint32_t i = 0; i < now->arm_count; i++)
    json_array_append_new(arms, json_pack("{s:s, s:s, s:f}", "version", now->arms[i].version, "role", hd_role_name(now->arms[i].role), "weight", now->arms[i].weight));
  return json_pack("{s:s, s:s, s:s, s:I, s:b, s:b, s:o, s:o, s:b, s:o*}", "deployment", now->name, "plugin", now->plugin, "command", o->command, "revision", (json_int_t)now->revision,
                   "changed", !unchanged, "enabled", now->enabled, "changes", lines, "arms", arms, "running", 0, "hosts", hosts);
}

static json_t *without_host(const struct order *o, const json_t *request, struct hd_fault *fault) {
  struct hd_registry *r = NULL;
  struct hd_deployment_request q = {0};
  json_t *answer = NULL;
  if (registry_open(o, &r, fault)) return NULL;
  if (strcmp(o->command, "history") == 0) {
    json_t *rows = hd_deployment_history(hd_registry_database(r), json_string_value(json_object_get(request, "name")), fault);
    answer = rows ? json_pack("{s:o}", "revisions", rows) : NULL;
  } else if (hd_deployment_request_init(&q, request, fault) == HADRON_OK) {
    struct room *room = malloc(sizeof *room);
    if (room) answer = carry_out(o, r, &q, room, fault);
    else hd_fault_set(fault, HADRON_ERR_MEMORY, "out of memory");
    free(room);
    hd_deployment_request_fini(&q);
  }
  hd_registry_close(r);
  return answer;
}

// ---- asking -----------------------------------------------------------------------------------------------------------------------------------------

static int exit_of(int32_t code) {
  switch (code) {
  case HADRON_ERR_CLOSED: return HD_EXIT_NOT_RUNNING;
  case HADRON_ERR_CONFIG: return HD_EXIT_CONFIG;
  case HADRON_ERR_TIMEOUT: case HADRON_ERR_IO: case HADRON_ERR_MEMORY: case HADRON_ERR_DATABASE: return HD_EXIT_FAILED;
  default: return HD_EXIT_REFUSED;
  }
}

static json_t *ask(const struct order *o, json_t *request, int *code) {
  char path[512];
  struct hd_fault fault = {0};
  if (o->why) json_object_set_new(request, "why", json_string(o->why));
  if (o->accept > 0) json_object_set_new(request, "accept_difference", json_real(o->accept));
  json_t *answer = NULL;
  if (!hd_client_path(&o->target, path, sizeof path)) hd_fault_set(&fault, HADRON_ERR_ARGUMENT, "the path of the control socket is too long");
  else if (hd_client_there(path)) answer = hd_client_ask_for(path, json_incref(request), WAIT_S, &fault);
  else answer = without_host(o, request, &fault);
  json_decref(request);
  *code = answer ? HD_EXIT_OK : exit_of(fault.code);
  size_t said = strlen(o->command); // the host names the command too
  bool twice = strncmp(fault.text, o->command, said) == 0 && strncmp(fault.text + said, ": ", 2) == 0;
  if (!answer) fprintf(stderr, "hadron %s: %s\n", o->command, fault.text + (twice ? said + 2 : 0));
  if (answer && o->json) {
    json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
    putchar('\n');
    fflush(stdout);
  }
  return answer;
}

// ---- words for people ---------------------------------------------------------------------------------------------------------------------------------

static const char *text_of(const json_t *o, const char *key) {
  const char *text = json_string_value(json_object_get(o, key));
  return text ? text : "";
}
static long long whole_of(const json_t *o, const char *key) { return (long long)json_integer_value(json_object_get(o, key)); }

static void print_change(const json_t *a) {
  const json_t *row;
  size_t i;
  const char *name = text_of(a, "deployment");
  if (!json_is_true(json_object_get(a, "changed"))) {
    printf("%s: nothing to change: revision %lld says so already.\n", name, whole_of(a, "revision"));
    return;
  }
  const json_t *hosts = json_object_get(a, "hosts"), *host;
  bool running = json_is_true(json_object_get(a, "running"));
  printf("%s: revision %lld is active%s.\n", name, whole_of(a, "revision"), running || json_array_size(hosts) ? "" : "; no host is running, the next start goes by it");
  json_array_foreach(hosts, i, host) printf("%s%s%s", i ? ", " : "  agreed: ", text_of(host, "host"), strcmp(text_of(host, "state"), "staged") == 0 ? "" : " (away: takes it when it is back)");
  if (json_array_size(hosts)) putchar('\n');
  json_array_foreach(json_object_get(a, "changes"), i, row) printf("  %s\n", json_string_value(row));
  if (!running) return;
  char pause[32];
  hd_duration_format(pause, sizeof pause, whole_of(a, "pause_ns"));
  if (whole_of(a, "swapped")) printf("  taken over after tick %lld, pause %s, %lld bytes of state\n", whole_of(a, "last_sequence"), pause, whole_of(a, "state_bytes"));
  if (*text_of(a, "registry")) printf("  the registry could not be told: %s; the next start tells it\n", text_of(a, "registry"));
}

static void print_history(const json_t *answer) {
  static const struct hd_table_column columns[] = {{"deployment", false}, {"revision", true}, {"state", false}, {"what", false}, {"time", false},
                                                   {"command", false}, {"who", false}, {"why", false}}; // a narrow terminal has the first ones
  const json_t *row, *line;
  size_t i, k;
  struct hd_table t;
  hd_table_init(&t, columns, 8);
  json_array_foreach(json_object_get(answer, "revisions"), i, row) {
    char what[256] = "";
    size_t at = 0;
    const json_t *arm, *changes = json_object_get(row, "changes");
    if (json_array_size(changes)) json_array_foreach(changes, k, line) at += (size_t)snprintf(what + at, at < sizeof what ? sizeof what - at : 0, "%s%s", k ? "; " : "", json_string_value(line));
    else json_array_foreach(json_object_get(json_object_get(row, "what"), "arms"), k, arm)
      at += (size_t)snprintf(what + at, at < sizeof what ? sizeof what - at : 0, "%s%s %s", k ? ", " : "", text_of(arm, "role"), text_of(arm, "version"));
    hd_table_row(&t);
    hd_table_cell(&t, "%s", text_of(row, "name"));
    hd_table_cell(&t, "%lld", whole_of(row, "revision"));
    hd_table_cell(&t, "%s", text_of(row, "state"));
    hd_table_cell(&t, "%s", what);
    hd_table_cell(&t, "%.19s", text_of(row, "time"));
    if (whole_of(row, "equals")) hd_table_cell(&t, "%s to %lld", text_of(row, "command"), whole_of(row, "equals"));
    else hd_table_cell(&t, "%s", text_of(row, "command"));
    hd_table_cell(&t, "%s", text_of(row, "who"));
    hd_table_cell(&t, "%s", *text_of(row, "error") ? text_of(row, "error") : text_of(row, "why"));
  }
  if (t.row_count == 0) printf("No deployments yet.\n");
  hd_table_print(&t, stdout, isatty(STDOUT_FILENO) ? hd_cli_columns(STDOUT_FILENO) : 240, UINT32_MAX, hd_cli_colours(STDOUT_FILENO), "\n");
  hd_table_fini(&t);
}

// request: the reference is taken.
static int tell(struct order *o, json_t *request, int code) {
  json_t *answer = NULL;
  if (!code) code = find(o);
  if (!code) answer = ask(o, json_incref(request), &code);
  json_decref(request);
  if (answer && !o->json) strcmp(o->command, "history") == 0 ? print_history(answer) : print_change(answer);
  json_decref(answer);
  finish(o);
  return code;
}

// ---- the commands --------------------------------------------------------------------------------------------------------------------------------------

// NAME, with or without a version.
static int named(const char *command, int argc, char **argv, bool version, bool needed) {
  struct order o;
  int code = parse(&o, command, argc, argv);
  json_t *request = json_pack("{s:s}", "command", command);
  if (!code && o.word_count != 1) code = hd_cli_usage(command, needed ? "expected one NAME@VERSION" : "expected one name");
  if (!code) code = take_name(&o, request, version);
  if (!code && needed && !json_object_get(request, "version")) code = hd_cli_usage(command, "expected NAME@VERSION, found no version in \"%s\"", o.words[0]);
  if (!code && o.placement) json_object_set_new(request, "placement", json_string(o.placement));
  if (!code && o.to) json_object_set_new(request, "to", json_integer(o.to));
  return tell(&o, request, code);
}

int hd_enable_command(int argc, char **argv) { return named("enable", argc, argv, true, false); }
int hd_disable_command(int argc, char **argv) { return named("disable", argc, argv, true, false); }
int hd_reload_command(int argc, char **argv) { return named("reload", argc, argv, false, false); }
int hd_promote_command(int argc, char **argv) { return named("promote", argc, argv, true, true); }
int hd_rollback_command(int argc, char **argv) { return named("rollback", argc, argv, false, false); }

int hd_ab_command(int argc, char **argv) {
  struct order o;
  int code = parse(&o, "ab", argc, argv);
  json_t *request = json_pack("{s:s}", "command", "ab");
  if (!code && o.word_count == 0) code = hd_cli_usage("ab", "expected NAME VERSION=WEIGHT...");
  if (!code) code = take_name(&o, request, false);
  if (!code) code = take_arms(&o, request);
  return tell(&o, request, code);
}

int hd_deploy_command(int argc, char **argv) {
  static struct hd_deployment_error errors[32];
  struct order o;
  int code = parse(&o, "deploy", argc, argv);
  json_t *request = json_pack("{s:s}", "command", "deploy");
  struct hd_deployment *d = calloc(1, sizeof *d);
  if (!code && o.word_count != 1) code = hd_cli_usage("deploy", "expected one file");
  uint32_t count = !code && d ? hd_deployment_load(o.words[0], d, errors, 32) : 0;
  for (uint32_t i = 0; i < count && i < 32; i++) {
    bool placed = strncmp(errors[i].text, o.words[0], strlen(o.words[0])) == 0; // of the Lua text itself
    if (errors[i].line && !placed) fprintf(stderr, "%s:%d: %s\n", o.words[0], errors[i].line, errors[i].text);
    else fprintf(stderr, "%s%s%s\n", placed ? "" : o.words[0], placed ? "" : ": ", errors[i].text);
  }
  if (count) fprintf(stderr, "hadron deploy: %u error%s in the deployment\n", count, count == 1 ? "" : "s");
  if (count) code = HD_EXIT_CONFIG;
  if (!code && d) json_object_set_new(request, "deployment", hd_deployment_json(d));
  free(d);
  return tell(&o, request, code);
}

int hd_history_command(int argc, char **argv) {
  struct order o;
  int code = parse(&o, "history", argc, argv);
  json_t *request = json_pack("{s:s}", "command", "history");
  if (!code && o.word_count > 1) code = hd_cli_usage("history", "expected one name at most");
  if (!code && o.word_count == 1) code = take_name(&o, request, false);
  return tell(&o, request, code);
}
