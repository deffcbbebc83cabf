#include "runtime/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"

#define ARGUMENTS_MAX 512
#define ANSWER_MAX (8u << 20)
#define WORDS_MAX 4096
#define REFUSED 6 // exit code of `hadron diff` when more differs than is accepted

extern char **environ;

struct answer {
  char *text; // owned; NUL-terminated
  size_t size, room, most;
};

struct child {
  char *arguments[ARGUMENTS_MAX + 1]; // owned
  uint32_t count;
  bool full;
  pid_t pid;
  int out, err; // -1: closed
  struct answer answer, words;
};

// ---- the command line ------------------------------------------------------------------------------------------------------------------

__attribute__((format(printf, 2, 3))) static void add(struct child *c, const char *format, ...) {
  va_list arguments;
  char *text = NULL;
  va_start(arguments, format);
  int n = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (n < 0 || c->count == ARGUMENTS_MAX) {
    c->full = true;
    if (n >= 0) free(text);
    return;
  }
  c->arguments[c->count++] = text;
}

static void add_pair(struct child *c, const char *option, const char *value) {
  add(c, "%s", option);
  add(c, "%s", value);
}

static void add_params(struct child *c, const char *option, const struct hd_compare_side *side) {
  for (uint32_t i = 0; i < side->param_count; i++) {
    add(c, "%s", option);
    add(c, "%s=%s", side->params[i].name, side->params[i].text);
  }
}

static void command_line(struct child *c, const struct hd_gate_request *r, int64_t timeout_ns) {
  char journal[sizeof r->config->data_dir + 16];
  snprintf(journal, sizeof journal, "%s/journal", r->config->data_dir);
  add(c, "hadron");
  add(c, "diff");
  add(c, "%s", r->live.plugin);
  add(c, "%s", r->candidate.plugin);
  for (uint32_t i = 0; i < hd_config_set_count(r->config); i++) {
    char set[1400];
    hd_config_set_text(r->config, i, set, sizeof set);
    add_pair(c, "--set", set);
  }
  add_pair(c, "--config", r->config->path);
  add_pair(c, "--strategy", r->strategy);
  add_pair(c, "--journal", r->journal ? r->journal : journal);
  add(c, "--sessions");
  add(c, "%u", r->sessions);
  add(c, "--accept");
  add(c, "%.9f", r->accept);
  add(c, "--timeout");
  add(c, "%lldms", (long long)(timeout_ns / 1000000));
  add_params(c, "--param-a", &r->live);
  add_params(c, "--param-b", &r->candidate);
  add_pair(c, "--differences", "1");
  add(c, "--nice");
  add(c, "--json");
}

// ---- the child -------------------------------------------------------------------------------------------------------------------------

static int32_t child_start(struct child *c, const char *program, struct hd_fault *fault) {
  int out[2] = {-1, -1}, err[2] = {-1, -1};
  posix_spawn_file_actions_t actions;
  int error = pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC) ? errno : 0;
  if (!error) error = posix_spawn_file_actions_init(&actions);
  if (!error) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    error = posix_spawn(&c->pid, program ? program : "/proc/self/exe", &actions, NULL, c->arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  if (out[1] >= 0) close(out[1]);
  if (err[1] >= 0) close(err[1]);
  c->out = out[0];
  c->err = err[0];
  if (!error) return HADRON_OK;
  c->pid = 0;
  return hd_fault_set(fault, HADRON_ERR_IO, "gate: %s could not be started: %s", program ? program : "a child of this program", strerror(error));
}

// Keeps what fits; the rest is read and forgotten.
static bool answer_read(struct answer *a, int *fd) {
  char chunk[16384];
  ssize_t n = read(*fd, chunk, sizeof chunk);
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) {
    close(*fd);
    *fd = -1;
    return true;
  }
  size_t keep = a->size + (size_t)n <= a->most ? (size_t)n : a->most - a->size;
  if (a->size + keep + 1 > a->room) {
    size_t room = (a->size + keep + 1) * 2;
    char *grown = realloc(a->text, room);
    if (!grown) return false;
    a->text = grown;
    a->room = room;
  }
  memcpy(a->text + a->size, chunk, keep);
  a->size += keep;
  a->text[a->size] = 0;
  return true;
}

// Until the child has closed both. False: the time is over, or there is no memory.
static bool child_read(struct child *c, int64_t deadline_ns) {
  while (c->out >= 0 || c->err >= 0) {
    int64_t left = (deadline_ns - hd_clock_monotonic_ns()) / 1000000;
    if (left <= 0) return false;
    struct pollfd ready[2] = {{c->out, POLLIN, 0}, {c->err, POLLIN, 0}}; // poll passes over -1
    if (poll(ready, 2, left > 60000 ? 60000 : (int)left + 1) < 0 && errno != EINTR) return false;
    if (c->out >= 0 && ready[0].revents && !answer_read(&c->answer, &c->out)) return false;
    if (c->err >= 0 && ready[1].revents && !answer_read(&c->words, &c->err)) return false;
  }
  return true;
}

static int child_wait(struct child *c, bool kill_it) {
  int status = 0;
  if (c->pid <= 0) return 0;
  if (kill_it) kill(c->pid, SIGKILL);
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) continue;
  c->pid = 0;
  return status;
}

static void child_fini(struct child *c) {
  child_wait(c, true);
  if (c->out >= 0) close(c->out);
  if (c->err >= 0) close(c->err);
  for (uint32_t i = 0; i < c->count; i++) free(c->arguments[i]);
  free(c->answer.text);
  free(c->words.text);
}

// ---- what it said ------------------------------------------------------------------------------------------------------------------------

// The child's last line, without its own name in front.
static const char *last_words(struct child *c) {
  if (!c->words.text) return "it said nothing";
  for (size_t n = c->words.size; n > 0 && c->words.text[n - 1] == '\n'; n--) c->words.text[n - 1] = 0;
  char *hint = strrchr(c->words.text, '\n'); // the hint stands behind the error
  if (hint && strncmp(hint, "\n  (", 4) == 0) *hint = 0;
  char *line = strrchr(c->words.text, '\n');
  line = line ? line + 1 : c->words.text;
  static const char own[] = "hadron diff: ";
  if (strncmp(line, own, sizeof own - 1) == 0) line += sizeof own - 1;
  hd_text_printable(line);
  return line;
}

static int32_t take_answer(const struct child *c, const struct hd_gate_request *r, struct hd_gate_result *out, struct hd_fault *fault) {
  json_t *root = c->answer.text ? json_loads(c->answer.text, 0, NULL) : NULL;
  const json_t *replay = json_object_get(root, "replay"), *decisions = json_object_get(replay, "decisions");
  char pairs[40], differing[40];
  if (!decisions) {
    json_decref(root);
    return hd_fault_set(fault, HADRON_ERR_INTERNAL, "gate: the child's answer cannot be read");
  }
  *out = (struct hd_gate_result){.ticks = (uint64_t)json_integer_value(json_object_get(replay, "ticks")),
                                 .decisions = (uint64_t)json_integer_value(json_object_get(decisions, "pairs")),
                                 .differing = (uint64_t)json_integer_value(json_object_get(decisions, "differing")),
                                 .sessions = (uint32_t)json_integer_value(json_object_get(replay, "sessions")),
                                 .share = json_real_value(json_object_get(replay, "differing_share"))};
  hd_count_format(pairs, sizeof pairs, out->decisions);
  hd_count_format(differing, sizeof differing, out->differing);
  const json_t *first = json_array_get(json_object_get(decisions, "differences"), 0);
  const char *what = json_string_value(json_object_get(first, "kind")), *where = json_string_value(json_object_get(first, "instrument"));
  int n = snprintf(out->words, sizeof out->words, "%s of %s decisions (%.4g %%) differ from the live version's over the last %u recorded session%s, at most %.4g %% are accepted",
                   differing, pairs, 100 * out->share, out->sessions, out->sessions == 1 ? "" : "s", 100 * r->accept);
  if (what && where && n > 0 && (size_t)n < sizeof out->words)
    snprintf(out->words + n, sizeof out->words - (size_t)n, "; the first: %s, tick %lld (%s)", where, (long long)json_integer_value(json_object_get(first, "cause")), what);
  json_decref(root);
  return HADRON_OK;
}

static int32_t verdict(struct child *c, int status, const struct hd_gate_request *r, struct hd_gate_result *out, struct hd_fault *fault) {
  if (WIFSIGNALED(status))
    return hd_fault_set(fault, HADRON_ERR_PLUGIN, "gate: the replay of %s died of signal %d (%s); its last words: %s", r->candidate.plugin, WTERMSIG(status),
                        strsignal(WTERMSIG(status)), last_words(c));
  int code = WEXITSTATUS(status);
  if (code == 4) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "gate: %s; let it run as a shadow until a session is recorded, or set gate = 0", last_words(c));
  if (code != 0 && code != REFUSED) return hd_fault_set(fault, HADRON_ERR_PLUGIN, "gate: %s", last_words(c));
  int32_t err = take_answer(c, r, out, fault);
  if (err || code == 0) return err;
  return hd_fault_set(fault, HADRON_ERR_STATE, "gate: %s; look at `hadron diff`, and accept the difference if it is meant", out->words);
}

int32_t hd_gate_check(const struct hd_gate_request *request, struct hd_gate_result *out, struct hd_fault *fault) {
  struct child c = {.out = -1, .err = -1, .answer = {.most = ANSWER_MAX}, .words = {.most = WORDS_MAX}};
  int64_t timeout_ns = request->timeout_ns > 0 ? request->timeout_ns : HD_GATE_TIMEOUT_NS;
  command_line(&c, request, timeout_ns);
  int32_t code = c.full ? hd_fault_set(fault, HADRON_ERR_MEMORY, "gate: more than %d arguments, or no memory", ARGUMENTS_MAX) : HADRON_OK;
  if (!code) code = child_start(&c, request->program, fault);
  if (!code) {
    // The child gives up by itself; this is for one that hangs.
    bool read = child_read(&c, hd_clock_monotonic_ns() + timeout_ns + INT64_C(2000000000));
    int status = child_wait(&c, !read);
    char spent[40];
    hd_duration_format(spent, sizeof spent, timeout_ns);
    if (!read) code = hd_fault_set(fault, HADRON_ERR_TIMEOUT, "gate: the replay of %s did not end within %s; take fewer sessions", request->candidate.plugin, spent);
    else code = verdict(&c, status, request, out, fault);
  }
  child_fini(&c);
  return code;
}
