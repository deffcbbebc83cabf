#include "sdk/validate/validate.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "sdk/validate/trial.h"

#define TIMEOUT_NS INT64_C(20000000000)

// ---- the child

static void run_trial(struct trial *t, const char *path) {
  struct hd_fault fault = {0};
  trial_step(t, "load");
  int32_t err = hd_plugin_open(path, t->options->lua, &t->plugin, &fault);
  if (err) {
    trial_fail(t, "load", "%s", fault.text);
    return;
  }
  trial_pass(t, "load", "SHA-256 %s; descriptor, tables and %u parameters are sound", t->plugin->digest_text, t->plugin->params ? t->plugin->params->count : 0);
  trial_step(t, "watch");
  if (t->plugin->language == HD_LANGUAGE_NATIVE && !watch_install(t->plugin->handle)) trial_skip(t, "watch", "its calls of the C library cannot be counted");
  static void (*const kinds[])(struct trial *) = {NULL, validate_strategy, validate_venue, validate_allocator, validate_service};
  kinds[t->plugin->manifest.kind](t);
}

_Noreturn static void child(struct trial *t, const char *path, const struct hd_validate_options *options) {
  struct rlimit none = {0, 0};
  // A handler of the parent's would take a crash for its own.
  for (int s = 1; s < NSIG; s++)
    if (s != SIGKILL && s != SIGSTOP) signal(s, SIG_DFL);
  setrlimit(RLIMIT_CORE, &none);
  hd_log_level(HADRON_LOG_ERROR + 1); // the report is what counts
  hd_cycles_calibrate();
  t->options = options;
  t->at = &t->place;
  run_trial(t, path);
  t->finished = true;
  _exit(0); // no destructors: the plugin's may crash too, and have said nothing yet
}

// ---- the parent

static const char *how_it_ended(int status, char *to, size_t size) {
  if (WIFSIGNALED(status)) snprintf(to, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  else snprintf(to, size, "ended with exit code %d", WEXITSTATUS(status));
  return to;
}

// Waits for the child; kills it when its time is up. True: it was killed.
static bool wait_for(pid_t pid, int64_t timeout_ns, int *status) {
  bool late = false;
  int fd = pidfd_open(pid, 0);
  if (fd >= 0) {
    int64_t end = hd_clock_monotonic_ns() + timeout_ns;
    for (;;) {
      int64_t left_ms = (end - hd_clock_monotonic_ns()) / 1000000;
      struct pollfd p = {.fd = fd, .events = POLLIN};
      int n = left_ms > 0 ? poll(&p, 1, left_ms > 1000000 ? 1000000 : (int)left_ms) : 0;
      if (n < 0 && errno == EINTR) continue;
      late = n == 0 && left_ms <= 0;
      if (n > 0 || n < 0 || late) break;
    }
    close(fd);
  }
  if (late) kill(pid, SIGKILL);
  while (waitpid(pid, status, 0) < 0 && errno == EINTR) {}
  return late;
}

// The child may have written anything anywhere: what it left is made safe before it is read.
static void take_report(struct trial *t, struct hd_validation *out) {
  struct hd_validation *r = &t->report;
  if (r->check_count > HD_CHECKS_MAX) r->check_count = HD_CHECKS_MAX;
  if (r->cost_count > HD_CALLBACKS_MAX) r->cost_count = HD_CALLBACKS_MAX;
  for (uint32_t i = 0; i < r->check_count; i++) {
    struct hd_check *c = &r->checks[i];
    if (c->outcome < HD_CHECK_PASS || c->outcome > HD_CHECK_SKIP) c->outcome = HD_CHECK_FAIL;
    c->name[sizeof c->name - 1] = 0;
    c->words[sizeof c->words - 1] = 0;
    hd_text_printable(c->name);
    for (char *line = c->words; line != NULL;) { // a fault may have lines
      char *end = strchr(line, '\n');
      if (end != NULL) *end = 0;
      hd_text_printable(line);
      if (end != NULL) *end++ = '\n';
      line = end;
    }
  }
  for (uint32_t i = 0; i < r->cost_count; i++) r->costs[i].name[sizeof r->costs[i].name - 1] = 0;
  out->check_count = r->check_count;
  memcpy(out->checks, r->checks, sizeof out->checks);
  out->cost_count = r->cost_count;
  memcpy(out->costs, r->costs, sizeof out->costs);
  out->decisions = r->decisions;
}

static void note_end(struct trial *t, int status, bool late, int64_t timeout_ns) {
  char how[96], length[32];
  t->place.step[sizeof t->place.step - 1] = 0;
  hd_text_printable(t->place.step);
  if (late) {
    hd_duration_format(length, sizeof length, timeout_ns);
    trial_fail(t, "returns", "%s, call %llu, did not come back within %s: callbacks must return", t->place.step, (unsigned long long)t->place.call, length);
  } else if (t->finished && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    trial_pass(t, "survives", "the plugin came to its end without a crash");
  } else {
    trial_fail(t, "survives", "the plugin crashed in %s, call %llu: %s", t->place.step, (unsigned long long)t->place.call, how_it_ended(status, how, sizeof how));
  }
}

static int32_t run_child(const char *path, const struct hd_validate_options *options, struct hd_validation *out, struct hd_fault *fault) {
  int64_t timeout_ns = options->timeout_ns > 0 ? options->timeout_ns : TIMEOUT_NS;
  struct trial *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (t == MAP_FAILED) return hd_fault_set(fault, HADRON_ERR_MEMORY, "validating %s: no shared memory: %s", path, strerror(errno));
  fflush(NULL); // or the child's copy of the buffers would be written twice
  pid_t pid = fork();
  if (pid == 0) child(t, path, options);
  if (pid < 0) {
    int error = errno;
    munmap(t, sizeof *t);
    return hd_fault_set(fault, HADRON_ERR_IO, "validating %s: no child process: %s", path, strerror(error));
  }
  int status = 0;
  bool late = wait_for(pid, timeout_ns, &status);
  if (t->report.check_count >= HD_CHECKS_MAX) t->report.check_count = HD_CHECKS_MAX - 1;
  note_end(t, status, late, timeout_ns);
  take_report(t, out);
  munmap(t, sizeof *t);
  return HADRON_OK;
}

static void count_outcomes(struct hd_validation *v) {
  uint32_t counts[4] = {0};
  for (uint32_t i = 0; i < v->check_count; i++) counts[v->checks[i].outcome]++;
  v->passed = counts[HD_CHECK_PASS], v->failed = counts[HD_CHECK_FAIL], v->skipped = counts[HD_CHECK_SKIP];
}

static int32_t read_bytes(const char *path, unsigned char **bytes, size_t *size, struct hd_fault *fault) {
  FILE *file = fopen(path, "rbe");
  if (file == NULL)
    return hd_fault_set(fault, errno == ENOENT ? HADRON_ERR_NOT_FOUND : HADRON_ERR_IO, "validating %s: opening it: %s", path, strerror(errno));
  size_t capacity = 1 << 16, used = 0;
  unsigned char *held = malloc(capacity);
  while (held != NULL) {
    used += fread(held + used, 1, capacity - used, file);
    if (used < capacity || capacity >= HD_PLUGIN_FILE_MAX) break;
    unsigned char *more = realloc(held, capacity * 2);
    if (more == NULL) free(held);
    held = more;
    capacity *= 2;
  }
  bool failed = ferror(file) != 0;
  fclose(file);
  if (held == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "validating %s: no memory for its bytes", path);
  if (failed) {
    free(held);
    return hd_fault_set(fault, HADRON_ERR_IO, "validating %s: it cannot be read; expected a regular file", path);
  }
  *bytes = held;
  *size = used;
  return HADRON_OK;
}

static void take_manifest(struct hd_validation *v, const struct hadron_manifest *m, enum hd_language language) {
  hd_text_copy(v->name, sizeof v->name, m->name);
  hd_text_copy(v->version, sizeof v->version, m->version);
  hd_text_copy(v->description, sizeof v->description, m->description);
  hd_text_printable(v->name);
  hd_text_printable(v->version);
  v->kind = m->kind;
  v->language = language;
}

__attribute__((format(printf, 4, 5))) static void add(struct hd_validation *v, uint32_t outcome, const char *name, const char *format, ...) {
  struct hd_check *c = &v->checks[v->check_count++];
  va_list args;
  va_start(args, format);
  c->outcome = outcome;
  hd_text_copy(c->name, sizeof c->name, name);
  vsnprintf(c->words, sizeof c->words, format, args);
  va_end(args);
}

int32_t hd_validate(const char *path, const struct hd_validate_options *options, struct hd_validation *out, struct hd_fault *fault) {
  unsigned char *bytes = NULL;
  size_t size = 0;
  int32_t err = read_bytes(path, &bytes, &size, fault);
  if (err) return err;
  memset(out, 0, sizeof *out);
  struct hadron_manifest manifest;
  enum hd_language language;
  struct hd_fault refused = {0};
  // Read without running the file; a plugin that is refused here never gets to run.
  err = hd_manifest_read(path, bytes, size, &manifest, &language, &refused);
  if (!err) take_manifest(out, &manifest, language), err = hd_manifest_check(path, &manifest, &refused);
  free(bytes);
  if (err) {
    add(out, HD_CHECK_FAIL, "manifest", "%s", refused.text);
    count_outcomes(out);
    return HADRON_OK;
  }
  struct hd_validation *child_report = calloc(1, sizeof *child_report);
  if (child_report == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "validating %s: no memory for the report", path);
  err = run_child(path, options, child_report, fault);
  if (!err) {
    add(out, HD_CHECK_PASS, "manifest", "%s %s %s, ABI %u.%u, requires %s", hd_kind_name(manifest.kind), manifest.name, manifest.version, manifest.abi_major, manifest.abi_minor,
        manifest.requires_[0] ? manifest.requires_ : "nothing");
    for (uint32_t i = 0; i < child_report->check_count && out->check_count < HD_CHECKS_MAX; i++) out->checks[out->check_count++] = child_report->checks[i];
    out->cost_count = child_report->cost_count;
    memcpy(out->costs, child_report->costs, sizeof out->costs);
    out->decisions = child_report->decisions;
    count_outcomes(out);
  }
  free(child_report);
  return err;
}

// ---- the report

static const char *outcome_name(uint32_t outcome) {
  static const char *const names[] = {"?", "pass", "FAIL", "skip"};
  return outcome < sizeof names / sizeof *names ? names[outcome] : names[0];
}

static void print_indented(const char *words, FILE *to) {
  for (const char *c = words; *c; c++) {
    fputc(*c, to);
    if (*c == '\n') fputs("                             ", to);
  }
  fputc('\n', to);
}

void hd_validation_print(const struct hd_validation *v, FILE *to) {
  if (v->name[0]) fprintf(to, "%s %s %s%s%s\n\n", hd_kind_name(v->kind), v->name, v->version, v->description[0] ? ": " : "", v->description);
  for (uint32_t i = 0; i < v->check_count; i++) {
    fprintf(to, "  %s  %-20s ", outcome_name(v->checks[i].outcome), v->checks[i].name);
    print_indented(v->checks[i].words, to);
  }
  if (v->cost_count > 0) fprintf(to, "\n  %-14s %10s %8s %12s %10s %10s %10s\n", "callback", "calls", "errors", "allocations", "p50", "p99", "max");
  for (uint32_t i = 0; i < v->cost_count; i++) {
    const struct hd_callback_cost *c = &v->costs[i];
    char p50[32], p99[32], max[32], calls[32];
    hd_count_format(calls, sizeof calls, c->calls);
    hd_duration_format(p50, sizeof p50, (int64_t)c->p50_ns);
    hd_duration_format(p99, sizeof p99, (int64_t)c->p99_ns);
    hd_duration_format(max, sizeof max, (int64_t)c->max_ns);
    fprintf(to, "  %-14s %10s %8llu %12llu %10s %10s %10s\n", c->name, calls, (unsigned long long)c->errors, (unsigned long long)c->allocations, p50, p99, max);
  }
  fprintf(to, "\n%u passed, %u failed, %u skipped\n", v->passed, v->failed, v->skipped);
}

// Words may be cut in the middle of a UTF-8 sequence; JSON refuses that.
static json_t *json_words(const char *words) {
  char clean[sizeof((struct hd_check *)0)->words];
  hd_text_copy(clean, sizeof clean, words);
  json_t *value = json_string(clean);
  if (value != NULL) return value;
  hd_text_printable(clean);
  return json_string(clean);
}

char *hd_validation_json(const struct hd_validation *v) {
  json_t *checks = json_array(), *costs = json_array();
  for (uint32_t i = 0; i < v->check_count; i++)
    json_array_append_new(checks, json_pack("{s:s, s:s, s:o}", "name", v->checks[i].name, "outcome", v->checks[i].outcome == HD_CHECK_FAIL ? "fail" : outcome_name(v->checks[i].outcome),
                                            "words", json_words(v->checks[i].words)));
  for (uint32_t i = 0; i < v->cost_count; i++) {
    const struct hd_callback_cost *c = &v->costs[i];
    json_array_append_new(costs, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name", c->name, "calls", (json_int_t)c->calls, "errors", (json_int_t)c->errors, "allocations",
                                           (json_int_t)c->allocations, "p50_ns", (json_int_t)c->p50_ns, "p99_ns", (json_int_t)c->p99_ns, "max_ns", (json_int_t)c->max_ns));
  }
  json_t *root = json_pack("{s:o, s:o, s:o, s:s, s:i, s:i, s:i, s:b, s:I, s:o, s:o}", "name", json_words(v->name), "version", json_words(v->version), "description",
                           json_words(v->description), "kind", hd_kind_name(v->kind), "passed", (int)v->passed, "failed", (int)v->failed, "skipped", (int)v->skipped, "ok",
                           v->failed == 0, "decisions", (json_int_t)v->decisions, "checks", checks, "callbacks", costs);
  char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
  json_decref(root);
  return text;
}
