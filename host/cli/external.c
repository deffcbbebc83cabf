#include "cli/external.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "runtime/placed.h"

extern char **environ;

bool hd_external_add(struct hd_external *e, const char *file) {
  if (e->count == HD_EXTERNAL_MAX) return false;
  e->rows[e->count++] = (struct hd_external_row){.file = file, .of = e};
  return true;
}

// ---- Python ----------------------------------------------------------------------------------------------------------------------------

// The package and the library that belong to this program: beside it in the build, or where it was installed. What the user has set goes first.
static void find(const char *variable, const char *const *places) {
  char program[1024], path[1200], whole[2400];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return;
  program[length] = 0;
  char *slash = strrchr(program, '/');
  if (slash) *slash = 0;
  for (; *places; places++) {
    snprintf(path, sizeof path, "%s/%s", program, *places);
    if (access(path, R_OK) != 0) continue;
    const char *before = getenv(variable);
    snprintf(whole, sizeof whole, before && *before ? "%s:%s" : "%s%s", before ? before : "", path);
    setenv(variable, whole, 1);
    return;
  }
}

static void prepare(void) {
  static const char *const packages[] = {"../../sdk/python", "../lib/hadron/python", NULL}, *const libraries[] = {"lib/libhadron.so", "../lib/libhadron.so", NULL};
  find("PYTHONPATH", packages);
  if (!getenv("HADRON_LIBRARY")) find("HADRON_LIBRARY", libraries);
}

// python3 -m hadron WORDS. out: its standard output; -1: ours. Returns an errno.
static int python(const char *const *words, int out, pid_t *pid) {
  const char *arguments[16] = {"python3", "-m", "hadron"};
  for (uint32_t i = 0; words[i] && i < 12; i++) arguments[3 + i] = words[i];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, 1);
  int failed = posix_spawnp(pid, "python3", &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return failed;
}

static int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

// ---- before the run -----------------------------------------------------------------------------------------------------------------------

// What python3 -m hadron WORD FILE prints.
static int32_t ask(const char *word, const char *file, char *text, size_t room, struct hd_fault *fault) {
  const char *const words[] = {word, file, NULL};
  int ends[2];
  size_t size = 0;
  pid_t pid;
  if (pipe(ends)) return hd_fault_set(fault, HADRON_ERR_IO, "%s: no pipe to python3", file);
  int failed = python(words, ends[1], &pid);
  close(ends[1]);
  for (ssize_t n; !failed && size < room - 1 && (n = read(ends[0], text + size, room - 1 - size)) > 0;) size += (size_t)n;
  close(ends[0]);
  text[size] = 0;
  int status = failed ? 0 : wait_for(pid);
  if (failed) return hd_fault_set(fault, HADRON_ERR_DEPENDENCY, "%s: python3: %s; install it (Debian: python3), or write the strategy in C or Lua", file, strerror(failed));
  if (status) return hd_fault_set(fault, HADRON_ERR_PLUGIN, "%s: Python has refused it; its words are above", file);
  return HADRON_OK;
}

int32_t hd_external_card(const char *file, char **out, struct hd_fault *fault) {
  const size_t room = 65536;
  char *text = malloc(room);
  if (!text) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", file);
  prepare();
  int32_t code = ask("card", file, text, room, fault);
  if (code) free(text);
  else *out = text;
  return code;
}

static int describe(struct hd_external_row *row, const char *command) {
  char text[1024];
  struct hd_fault fault;
  int32_t code = ask("describe", row->file, text, sizeof text, &fault);
  json_t *told = code ? NULL : json_loads(text, 0, NULL);
  const char *name = json_string_value(json_object_get(told, "name"));
  if (!code && (!name || !hd_text_copy(row->name, sizeof row->name, name)))
    code = hd_fault_set(&fault, HADRON_ERR_PLUGIN, "%s: expected JSON with a name of at most %zu letters, found \"%s\"", row->file, sizeof row->name - 1, text);
  json_decref(told);
  if (code) hd_fault_prefix(&fault, "--strategy ");
  return code ? hd_cli_fail(command, HD_EXIT_FAILED, &fault) : HD_EXIT_OK;
}

int hd_external_describe(struct hd_external *e, const char *command) {
  int code = HD_EXIT_OK;
  if (e->count) prepare();
  for (uint32_t i = 0; i < e->count && !code; i++) code = describe(&e->rows[i], command);
  return code;
}

// ---- the run ------------------------------------------------------------------------------------------------------------------------------

// Nobody is behind its stand-ins any more: who waits for an answer there goes on.
static void give_up(struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < atomic_load(&s->placed_count); i++) {
    struct hd_placed *p = atomic_load(&s->placed[i]);
    if (!p || strcmp(p->name, name) != 0) continue;
    for (uint32_t c = 0; c < p->channel_count; c++) atomic_store(&p->channels[c].broken, true);
  }
}

static void *watch(void *argument) {
  struct hd_external_row *row = argument;
  row->status = wait_for(row->pid);
  if (!atomic_load(&row->of->ending)) {
    row->gone = true;
    fprintf(stderr, "hadron backtest: %s has ended before the run did\n", row->file);
    give_up(row->of->session, row->name);
  }
  return NULL;
}

int32_t hd_external_start(struct hd_external *e, const struct hd_config *config, struct hd_session *session, struct hd_fault *fault) {
  char url[1100];
  char *directory = e->count ? realpath(config->data_dir, NULL) : NULL;
  if (e->count && !directory) return hd_fault_set(fault, HADRON_ERR_IO, "data_dir %s: %s", config->data_dir, strerror(errno));
  snprintf(url, sizeof url, "ipc://%s/bus/strategies.ipc", directory ? directory : "");
  free(directory);
  e->session = session;
  for (uint32_t i = 0; i < e->count; i++) {
    struct hd_external_row *row = &e->rows[i];
    const char *const words[] = {"run", row->file, "--connect", url, "--connect-timeout", "20", "--quiet", NULL}; // without the run it ends
    int failed = python(words, 2, &row->pid); // what it prints is not the report
    if (!failed) failed = pthread_create(&row->watcher, NULL, watch, row);
    if (!failed) continue;
    if (row->pid) kill(row->pid, SIGKILL);
    row->pid = 0;
    return hd_fault_set(fault, HADRON_ERR_DEPENDENCY, "--strategy %s: python3: %s", row->file, strerror(failed));
  }
  return HADRON_OK;
}

static bool is_given(const struct hd_external *e, const char *name) {
  for (uint32_t i = 0; e && i < e->count; i++)
    if (strcmp(e->rows[i].name, name) == 0) return true;
  return false;
}

void hd_external_leave_out(const struct hd_external *e, struct hd_config *config) {
  for (uint32_t i = 0; i < config->strategy_count; i++) {
    struct hd_config_strategy *c = &config->strategies[i];
    if (!c->external || !c->base.enabled || is_given(e, c->base.name)) continue;
    c->base.enabled = false;
    fprintf(stderr, "Strategy %s is left out: its program runs elsewhere; `hadron backtest --strategy FILE.py` runs one in Python\n", c->base.name);
  }
}

int32_t hd_external_alone(const struct hd_external *e, const struct hd_session *s, struct hd_fault *fault) {
  for (uint32_t i = 0; i < atomic_load(&s->placed_count); i++) {
    const struct hd_placed *p = atomic_load(&s->placed[i]);
    if (p && p->external && !is_given(e, p->name))
      return hd_fault_set(fault, HADRON_ERR_CONFIG, "strategies.%s: %s %s is a card of a program that runs elsewhere, and nobody would decide for it here: expected its program by `hadron backtest --strategy FILE.py`, found none; "
                          "leave it out with --set strategies.%s.enabled=false", p->name, p->plugin->manifest.name, p->plugin->manifest.version, p->name);
  }
  return HADRON_OK;
}

int32_t hd_external_end(struct hd_external *e, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  bool was = atomic_exchange(&e->ending, true);
  for (uint32_t i = 0; i < e->count && !was; i++) {
    struct hd_external_row *row = &e->rows[i];
    if (!row->pid) continue;
    kill(row->pid, SIGINT);
    pthread_join(row->watcher, NULL);
    if ((row->status == 0 && !row->gone) || code) continue;
    code = HADRON_ERR_PLUGIN;
    if (fault) hd_fault_set(fault, code, "--strategy %s: it has failed; its words are above. What the run says without it is not what was asked", row->file);
  }
  return code;
}
