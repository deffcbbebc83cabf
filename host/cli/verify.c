// hadron replay JOURNAL --verify, --with NAME@VERSION.
#include "cli/verify.h"

#include <getopt.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/calling.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "control/control.h"
#include "lua/runtime.h"
#include "runtime/crash.h"
#include "runtime/last_words.h"
#include "runtime/session_deploy.h"

#define FILES_MAX 64
#define WORDS_MAX 64

struct call {
  struct hd_setup setup;              // of the journal's own configuration
  const char *journal, *with, *strategy;
  const char *files[FILES_MAX];
  uint32_t file_count, session;
  const char *passed[WORDS_MAX];      // on to `hadron diff`
  int passed_count;
  bool verify, quiet;
  char data_dir[600];
  struct hd_progress progress;
};

bool hd_verify_is_asked(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--verify") == 0 || strncmp(argv[i], "--with", 6) == 0) return true;
  return false;
}

// ---- the command line ----------------------------------------------------------------------------------------------------------------

enum { VERIFY = 256, WITH, STRATEGY, SESSION, PLUGIN, DATA_DIR, QUIET, JSON, DURATION, FROM, TO, DIFFERENCES };

static bool pass(struct call *c, const char *option, const char *text) {
  if (c->passed_count + 2 > WORDS_MAX) return false;
  c->passed[c->passed_count++] = option;
  c->passed[c->passed_count++] = text;
  return true;
}

static bool take(struct call *c, int option, char *text) {
  char *end;
  switch (option) {
  case VERIFY: return c->verify = true;
  case WITH: c->with = text; return true;
  case STRATEGY: c->strategy = text; return true;
  case SESSION:
    c->session = (uint32_t)strtoul(text, &end, 10);
    return *text >= '1' && *text <= '9' && !*end;
  case PLUGIN: return c->file_count < FILES_MAX && (c->files[c->file_count++] = text);
  case DATA_DIR: return hd_text_copy(c->data_dir, sizeof c->data_dir, text);
  case QUIET: return c->quiet = true;
  case JSON: return c->setup.json = true;
  case DURATION: return pass(c, "--duration", text);
  case FROM: return pass(c, "--from", text);
  case TO: return pass(c, "--to", text);
  case DIFFERENCES: return pass(c, "--differences", text);
  default: return false;
  }
}

static int parse(struct call *c, int argc, char **argv) {
  static const struct option options[] = {
      {"verify", no_argument, NULL, VERIFY}, {"with", required_argument, NULL, WITH}, {"strategy", required_argument, NULL, STRATEGY},
      {"session", required_argument, NULL, SESSION}, {"plugin", required_argument, NULL, PLUGIN}, {"data-dir", required_argument, NULL, DATA_DIR},
      {"no-progress", no_argument, NULL, QUIET}, {"json", no_argument, NULL, JSON}, {"duration", required_argument, NULL, DURATION},
      {"from", required_argument, NULL, FROM}, {"to", required_argument, NULL, TO}, {"differences", required_argument, NULL, DIFFERENCES}, {0}};
  optind = 0;
  opterr = 0;
  for (int o, at = 0; (o = getopt_long(argc, argv, "", options, &at)) != -1;) {
    if (o == '?') return hd_cli_usage("replay", "unknown or incomplete option \"%s\" with --verify or --with", argv[optind - 1]);
    if (!take(c, o, optarg)) return hd_cli_usage("replay", "--%s: \"%s\" is not what it takes, or one too many", options[at].name, optarg ? optarg : "");
  }
  if (argc - optind != 1) return hd_cli_usage("replay", "expected the directory of a journal");
  c->journal = argv[optind];
  return HD_EXIT_OK;
}

// ---- versions ------------------------------------------------------------------------------------------------------------------------

// A data directory that was moved is where its journal is, whatever the configuration said then.
static void find_data_dir(struct call *c) {
  const char *slash;
  char path[1200];
  if (c->data_dir[0]) hd_text_copy(c->setup.config.data_dir, sizeof c->setup.config.data_dir, c->data_dir);
  else {
    snprintf(path, sizeof path, "%s/journal", c->journal);
    bool outer = access(path, F_OK) == 0;
    snprintf(path, sizeof path, "%.1000s%s", c->journal, outer ? "" : "/..");
    slash = path;
    if (strlen(slash) < sizeof c->setup.config.data_dir) hd_text_copy(c->setup.config.data_dir, sizeof c->setup.config.data_dir, slash);
  }
}

static int32_t open_registry(struct call *c, struct hd_fault *fault) {
  if (!hd_session_registry_there(&c->setup.config)) return HADRON_OK;
  return hd_session_registry_open(&c->setup.config, &c->setup.registry, fault);
}

static int32_t open_files(const struct call *c, struct hd_fault *fault) {
  const struct hd_plugin *plugin;
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; !code && i < c->file_count; i++) code = hd_plugin_open(c->files[i], &hd_lua_language, &plugin, fault);
  return code;
}

struct with {
  char section[HADRON_NAME_SIZE], before[600], after[600];
};

// "NAME@VERSION" or "NAME=FILE": NAME is a section, or the plugin of the only one that uses it.
static int32_t find_after(const struct call *c, struct with *w, struct hd_fault *fault) {
  const struct hd_config *config = &c->setup.config;
  size_t length = strcspn(c->with, "@=");
  const char *rest = c->with + length;
  const char *found = NULL;
  for (uint32_t i = 0; i < config->strategy_count && !c->strategy; i++) {
    const struct hd_config_plugin *base = &config->strategies[i].base;
    const char *file = strrchr(base->plugin, '/') ? strrchr(base->plugin, '/') + 1 : base->plugin;
    bool named = strlen(base->name) == length && memcmp(base->name, c->with, length) == 0, uses = strcspn(file, "@.") == length && memcmp(file, c->with, length) == 0;
    if (named) found = base->name;
    else if (uses && found) return hd_fault_set(fault, HADRON_ERR_CONFIG, "--with %s: sections %s and %s both use this plugin; choose by --strategy", c->with, found, base->name);
    else if (uses) found = base->name;
    if (named) break;
  }
  if (c->strategy) found = c->strategy;
  if (!*rest || !rest[1]) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "--with %s: expected NAME@VERSION or NAME=FILE", c->with);
  if (!found) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "--with %s: no strategy of the recorded configuration has this name or uses this plugin", c->with);
  hd_text_copy(w->section, sizeof w->section, found);
  if (*rest == '=') snprintf(w->after, sizeof w->after, "%s%.590s", strchr(rest + 1, '/') ? "" : "./", rest + 1);
  else hd_text_copy(w->after, sizeof w->after, c->with);
  return HADRON_OK;
}

// ---- --verify ------------------------------------------------------------------------------------------------------------------------

static void on_progress(void *user, const struct hd_verify_progress *p) {
  struct call *c = user;
  hd_progress_show(&c->progress, p->done < p->total ? p->done : p->total, p->total, p->ticks, p->now_ns, p->elapsed_ns);
}

static int exit_of(int32_t code) {
  return code == HADRON_ERR_CORRUPT || code == HADRON_ERR_NOT_FOUND || code == HADRON_ERR_UNSUPPORTED ? HD_EXIT_DATA : hd_cli_exit(code);
}

// --verify --with: the version that stands in for the one that ran.
static int32_t open_instead(struct call *c, struct with *w, const struct hd_plugin **out, struct hd_fault *fault) {
  struct hd_version version;
  int32_t code = find_after(c, w, fault);
  if (code || strchr(w->after, '/')) return code ? code : hd_plugin_open(w->after, &hd_lua_language, out, fault);
  if (!c->setup.registry) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "--with %s: there is no registry in %s; give NAME=FILE", c->with, c->setup.config.data_dir);
  code = hd_registry_find_spec(c->setup.registry, w->after, &version, fault);
  return code ? code : hd_session_open_digest(c->setup.registry, version.digest, out, fault);
}

// What crashes when it is made or taken down does so here too: no record tells what it would have left. [in a signal]
static const char *name_made(struct hd_crash *crash) {
  const struct hadron_instance *instance = hd_making.instance;
  const char *const parts[] = {"hadron replay: ", instance ? instance->name : "the program itself", ": plugin ", instance ? instance->plugin->manifest.name : "", " ",
                               instance ? instance->plugin->manifest.version : ""};
  size_t used = 0;
  for (size_t i = 0; i < (instance ? sizeof parts / sizeof *parts : 2); i++) {
    hd_text_copy(crash->instance + used, sizeof crash->instance - used, parts[i]);
    used += strlen(crash->instance + used);
  }
  if (!instance) return NULL;
  hd_text_copy(crash->callback, sizeof crash->callback, hd_making.callback);
  return "what it would have left is in no record, so it ends here. Mend that function (`hadron validate FILE` calls it in a process of its own), or verify another session: --session N";
}

static int run_verify(struct call *c) {
  static struct hd_verify_result result;
  struct hd_fault fault = {0};
  struct with w = {.section = ""};
  const struct hd_plugin *instead = NULL;
  int32_t code = c->with ? open_instead(c, &w, &instead, &fault) : HADRON_OK;
  if (code) return hd_cli_fail("replay", exit_of(code), &fault);
  char plugins[sizeof c->setup.config.plugin_path];
  hd_text_copy(plugins, sizeof plugins, c->setup.config.plugin_path);
  const struct hd_verify_options options = {.journal = c->journal, .registry = c->setup.registry, .plugin_path = plugins, .session = c->session, .instead_of = w.section, .instead = instead,
                                            .set = hd_control_set_again, .progress = on_progress, .user = c};
  hd_last_words_worker(name_made);
  hd_progress_init(&c->progress, "verify", !c->quiet && !c->setup.json);
  code = hd_verify_run(&options, &result, &fault);
  hd_progress_end(&c->progress);
  if (code) return hd_cli_fail("replay", exit_of(code), &fault);
  if (c->setup.json) {
    json_t *json = hd_verify_json(&result, c->journal);
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
  } else hd_verify_print(&result, c->journal, stdout);
  return result.first.kind ? HD_EXIT_DIFFERS : HD_EXIT_OK;
}

// ---- --with --------------------------------------------------------------------------------------------------------------------------

// What ran: the plugin of the section, by the journal's own record of it.
static int32_t find_before(struct call *c, struct with *w, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  struct hadron_record r;
  char inside[1200];
  struct hadron_deployment found = {.kind = 0};
  snprintf(inside, sizeof inside, "%s/journal", c->journal);
  int32_t code = hd_journal_cursor_open(access(inside, F_OK) == 0 ? inside : c->journal, &cursor, fault);
  while (!code && !(code = hd_journal_cursor_next(cursor, &r, fault))) {
    const struct hadron_deployment *d = r.bytes;
    if (r.template_id == HADRON_MSG_DEPLOYMENT && r.block_length >= sizeof *d && d->stage == HADRON_DEPLOYMENT_START && d->kind == HADRON_KIND_STRATEGY &&
        strncmp(d->name, w->section, sizeof d->name) == 0)
      found = *d;
  }
  hd_journal_cursor_close(cursor);
  if (code != HADRON_ERR_AGAIN) return code;
  if (!found.kind) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: no session in it ran a strategy \"%s\"", c->journal, w->section);
  char digest[65];
  hd_hex_format(digest, found.digest, sizeof found.digest);
  if (c->setup.registry && hd_registry_artifact(c->setup.registry, found.digest, w->before, sizeof w->before, fault) == HADRON_OK) return HADRON_OK;
  for (uint32_t i = 0; i < c->setup.config.strategy_count; i++) {
    const struct hd_plugin *plugin;
    if (strcmp(c->setup.config.strategies[i].base.name, w->section) != 0) continue;
    code = hd_session_plugin_path(&c->setup.config, c->setup.config.strategies[i].base.plugin, w->before, sizeof w->before, fault);
    if (!code) code = hd_plugin_open(w->before, &hd_lua_language, &plugin, fault);
    if (!code && memcmp(plugin->digest, found.digest, 32) == 0) return HADRON_OK;
  }
  for (uint32_t i = 0; i < c->file_count; i++) {
    const struct hd_plugin *plugin;
    if (hd_plugin_open(c->files[i], &hd_lua_language, &plugin, fault) == HADRON_OK && memcmp(plugin->digest, found.digest, 32) == 0) {
      hd_text_copy(w->before, sizeof w->before, c->files[i]);
      return HADRON_OK;
    }
  }
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "strategy %s: the journal was made with version %s, digest %s, which is not to be had; register that file, or give it by --plugin", w->section,
                      found.version, digest);
}

// Both versions are replayed over the recorded ticks: what `hadron diff` does, with the journal as configuration and as market.
static int run_with(struct call *c) {
  struct with w = {.section = ""};
  struct hd_fault fault = {0};
  char config_dir[700];
  int32_t code = find_after(c, &w, &fault);
  if (!code) code = find_before(c, &w, &fault);
  if (code) return hd_cli_fail("replay", exit_of(code), &fault);
  snprintf(config_dir, sizeof config_dir, "data_dir=%s", c->setup.config.data_dir);
  char *words[WORDS_MAX + 20];
  const char *first[] = {"diff", w.before, w.after, "--config", c->journal, "--journal", c->journal, "--strategy", w.section, "--set", config_dir};
  int count = 0;
  for (size_t i = 0; i < sizeof first / sizeof *first; i++) words[count++] = (char *)(uintptr_t)first[i];
  for (int i = 0; i < c->passed_count; i++) words[count++] = (char *)(uintptr_t)c->passed[i];
  static char quiet[] = "--no-progress", json[] = "--json";
  if (c->quiet) words[count++] = quiet;
  if (c->setup.json) words[count++] = json;
  words[count] = NULL;
  return hd_diff_command(count, words);
}

int hd_verify_command(int argc, char **argv) {
  static struct call c;
  struct hd_fault fault = {0};
  int code = parse(&c, argc, argv);
  if (code) return code;
  hd_log_level(HADRON_LOG_ERROR);
  c.setup.path = c.journal;
  c.setup.session = c.session;
  if (!hd_setup_is_journal(c.journal)) {
    hd_fault_set(&fault, HADRON_ERR_NOT_FOUND, "%s: expected the directory of a journal, or a data directory with one", c.journal);
    return hd_cli_fail("replay", HD_EXIT_DATA, &fault);
  }
  code = hd_setup_load(&c.setup, "replay");
  if (!code) {
    find_data_dir(&c);
    int32_t err = open_registry(&c, &fault);
    if (!err) err = open_files(&c, &fault);
    code = err ? hd_cli_fail("replay", exit_of(err), &fault) : c.verify ? run_verify(&c) : run_with(&c);
  }
  hd_setup_fini(&c.setup);
  return code;
}
