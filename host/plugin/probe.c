#include "plugin/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "plugin/child.h"
#include "plugin/probe_wire.h"

void hd_probe_program(const char *path) { hd_child_program(path); }

struct probe {
  const struct hd_probe_request *request;
  const char *name;       // the file's, for messages
  int64_t timeout_ns;
  int wire, report_fd, output, nothing; // descriptors; -1: not open
  struct hd_probe_report *report;
  pid_t pid;
};

static int32_t io_fault(const struct probe *p, const char *what, int error, struct hd_fault *fault) {
  return hd_fault_set(fault, error == ENOMEM ? HADRON_ERR_MEMORY : HADRON_ERR_IO, "probe of %s: %s: %s", p->name, what, strerror(error));
}

// ---- the request

static uint64_t place_part(uint64_t *end, uint64_t size) {
  uint64_t at = (*end + 63) / 64 * 64;
  *end = at + size;
  return at;
}

static int32_t check_request(const struct probe *p, struct hd_fault *fault) {
  const struct hd_probe_request *q = p->request;
  const struct {
    const char *what;
    uint64_t found, most;
  } rows[] = {{"parameters", q->param_count, HD_PARAMS_MAX}, {"instruments", q->instrument_count, HD_INSTRUMENTS_MAX},
              {"ticks", q->ticks ? q->tick_count : 0, HD_PROBE_TICKS_MAX}, {"bytes of state", q->state ? q->state_size : 0, HD_PROBE_STATE_MAX}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].found > rows[i].most)
      return hd_fault_set(fault, HADRON_ERR_RANGE, "probe of %s: expected at most %llu %s, found %llu", p->name, (unsigned long long)rows[i].most, rows[i].what, (unsigned long long)rows[i].found);
  for (uint32_t i = 0; i < q->instrument_count; i++)
    if (q->instruments[i].id <= (i > 0 ? q->instruments[i - 1].id : 0))
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "probe of %s: expected instruments in ascending order from 1 on, found %u in place %u", p->name, q->instruments[i].id, i);
  return HADRON_OK;
}

static struct hd_probe_wire lay_out(const struct probe *p) {
  const struct hd_probe_request *q = p->request;
  uint64_t end = sizeof(struct hd_probe_wire);
  struct hd_probe_wire w = {.magic = HD_PROBE_MAGIC,
                            .size = sizeof w,
                            .build = HD_VERSION,
                            .parent = getpid(),
                            .param_count = q->param_count,
                            .instrument_count = q->instrument_count,
                            .tick_count = q->ticks || q->tick_count ? q->tick_count : HD_PROBE_TICKS,
                            .given_ticks = q->ticks != NULL,
                            .state_size = q->state ? q->state_size : 0,
                            .seed = q->seed,
                            .errors_max = q->errors_max,
                            .memory_max = q->memory_max ? q->memory_max : HD_PROBE_MEMORY_MAX,
                            .timeout_ns = p->timeout_ns};
  memcpy(w.digest, q->digest, sizeof w.digest);
  hd_text_copy(w.path, sizeof w.path, q->path);
  w.params_at = place_part(&end, q->param_count * sizeof(struct hd_probe_param));
  w.instruments_at = place_part(&end, q->instrument_count * sizeof *q->instruments);
  w.ticks_at = place_part(&end, w.given_ticks ? q->tick_count * sizeof *q->ticks : 0);
  w.state_at = place_part(&end, w.state_size);
  w.total = end + 64; // a part of no bytes has a place too
  return w;
}

static int32_t write_params(const struct probe *p, struct hd_probe_param *rows, struct hd_fault *fault) {
  for (uint32_t i = 0; i < p->request->param_count; i++) {
    const struct hd_param_value *v = &p->request->params[i];
    if (!hd_text_copy(rows[i].name, sizeof rows[i].name, v->name) || !hd_text_copy(rows[i].text, sizeof rows[i].text, v->text))
      return hd_fault_set(fault, HADRON_ERR_RANGE, "probe of %s: parameter %.63s: expected a name of at most 63 and a text of at most %d bytes", p->name, v->name, HD_PROBE_PARAM_SIZE - 1);
    hd_text_copy(rows[i].place, sizeof rows[i].place, v->place ? v->place : "");
  }
  return HADRON_OK;
}

static void copy_part(unsigned char *base, uint64_t at, const void *from, size_t size) {
  if (size > 0) memcpy(base + at, from, size);
}

static int32_t write_request(struct probe *p, struct hd_fault *fault) {
  const struct hd_probe_request *q = p->request;
  struct hd_probe_wire w = lay_out(p);
  p->wire = memfd_create("hadron-probe-request", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (p->wire < 0 || ftruncate(p->wire, (off_t)w.total) != 0) return io_fault(p, "memory for the request", errno, fault);
  unsigned char *base = mmap(NULL, w.total, PROT_READ | PROT_WRITE, MAP_SHARED, p->wire, 0);
  if (base == MAP_FAILED) return io_fault(p, "memory for the request", errno, fault);
  memcpy(base, &w, sizeof w);
  copy_part(base, w.instruments_at, q->instruments, q->instrument_count * sizeof *q->instruments);
  copy_part(base, w.ticks_at, q->ticks, w.given_ticks ? q->tick_count * sizeof *q->ticks : 0);
  copy_part(base, w.state_at, q->state, w.state_size);
  int32_t err = write_params(p, (struct hd_probe_param *)(base + w.params_at), fault);
  munmap(base, w.total);
  if (!err && fcntl(p->wire, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) return io_fault(p, "sealing the request", errno, fault);
  return err;
}

static int32_t make_report(struct probe *p, struct hd_fault *fault) {
  p->report_fd = memfd_create("hadron-probe-report", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  // Neither side may cut it: a mapped page that is gone is a SIGBUS.
  if (p->report_fd < 0 || ftruncate(p->report_fd, (off_t)sizeof *p->report) != 0 || fcntl(p->report_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return io_fault(p, "memory for the report", errno, fault);
  void *at = mmap(NULL, sizeof *p->report, PROT_READ | PROT_WRITE, MAP_SHARED, p->report_fd, 0);
  if (at == MAP_FAILED) return io_fault(p, "memory for the report", errno, fault);
  p->report = at;
  p->output = memfd_create("hadron-probe-output", MFD_CLOEXEC);
  p->nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  return p->output < 0 || p->nothing < 0 ? io_fault(p, "the child's output", errno, fault) : HADRON_OK;
}

// ---- the child

static int32_t start_child(struct probe *p, struct hd_fault *fault) {
  static const char *const words[] = {HD_PROBE_WORD, NULL};
  char name[300];
  snprintf(name, sizeof name, "probe of %.255s", p->name);
  const struct hd_child child = {.name = name, .words = words, .fds = {p->nothing, p->output, p->output, p->request->fd, p->wire, p->report_fd}, .fd_count = HD_PROBE_FD_END};
  return hd_child_start(&child, &p->pid, fault);
}

// Waits for the child and ends what is left of its group. late: its time was up.
static int wait_for(const struct probe *p, bool *late) {
  int64_t end = hd_clock_monotonic_ns() + p->timeout_ns;
  int fd = pidfd_open(p->pid, 0), status = 0;
  *late = fd < 0; // no way to wait for a time: better none than for ever
  while (fd >= 0) {
    int64_t left_ms = (end - hd_clock_monotonic_ns() + 999999) / 1000000;
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int n = left_ms > 0 ? poll(&one, 1, left_ms > 1000000 ? 1000000 : (int)left_ms) : 0;
    if (n < 0 && errno == EINTR) continue;
    *late = n == 0 && left_ms <= 0;
    if (n != 0 || *late) break;
  }
  if (fd >= 0) close(fd);
  // The child is not reaped yet: its group's number is nobody else's.
  kill(-p->pid, SIGKILL);
  kill(p->pid, SIGKILL); // also if it left its group
  while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

// ---- the answer

// The last line that the child printed: what an assert, a sanitizer or the C library said before the end.
static void last_words(const struct probe *p, char *to, size_t size) {
  char tail[512];
  off_t end = lseek(p->output, 0, SEEK_END), from = end > (off_t)sizeof tail - 1 ? end - ((off_t)sizeof tail - 1) : 0;
  ssize_t n = end > 0 ? pread(p->output, tail, (size_t)(end - from), from) : 0;
  to[0] = 0;
  if (n <= 0) return;
  tail[n] = 0;
  for (size_t i = 0; i < (size_t)n; i++)
    if (tail[i] == 0) tail[i] = '?';
  while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' ')) tail[--n] = 0;
  char *line = strrchr(tail, '\n');
  hd_text_printable(line ? line + 1 : tail);
  if (n > 0) snprintf(to, size, "; its last words: %s", line ? line + 1 : tail);
}

// "on_tick 17", "create".
static void format_step(const struct hd_probe_place *place, char *to, size_t size) {
  char step[sizeof place->step];
  memcpy(step, place->step, sizeof step);
  step[sizeof step - 1] = 0;
  hd_text_printable(step);
  if (step[0] == 0) snprintf(to, size, "beginning");
  else if (strncmp(step, "on_", 3) == 0) snprintf(to, size, "%s %llu", step, (unsigned long long)place->call);
  else snprintf(to, size, "%s", step);
}

// The child may have written anything anywhere.
static void make_printable_lines(char *text, size_t size) {
  text[size - 1] = 0;
  for (char *line = text; line != NULL;) {
    char *end = strchr(line, '\n');
    if (end != NULL) *end = 0;
    hd_text_printable(line);
    if (end != NULL) *end++ = '\n';
    line = end;
  }
}

static int32_t take_fault(const struct probe *p, const char *step, struct hd_fault *fault) {
  struct hd_fault said;
  memcpy(&said, &p->report->fault, sizeof said);
  make_printable_lines(said.text, sizeof said.text);
  if (said.code >= 0 || strcmp(hadron_error_name(said.code), "UNKNOWN") == 0) said.code = HADRON_ERR_PLUGIN;
  return hd_fault_set(fault, said.code, "probe of %s: %s: %.900s", p->name, step, said.text);
}

static int32_t judge(const struct probe *p, int status, bool late, struct hd_fault *fault) {
  char step[96], words[600], length[32];
  format_step(&p->report->place, step, sizeof step);
  last_words(p, words, sizeof words);
  if (late) {
    hd_duration_format(length, sizeof length, p->timeout_ns);
    return hd_fault_set(fault, HADRON_ERR_TIMEOUT, "probe of %s: %s did not come back: the child was killed after %s%s", p->name, step, length, words);
  }
  if (WIFSIGNALED(status))
    return hd_fault_set(fault, HADRON_ERR_PLUGIN, "probe of %s: %s: killed by signal %d (%s)%s", p->name, step, WTERMSIG(status), strsignal(WTERMSIG(status)), words);
  if (!p->report->finished || WEXITSTATUS(status) != 0)
    return hd_fault_set(fault, HADRON_ERR_PLUGIN, "probe of %s: %s: it ended the process with exit code %d%s", p->name, step, WEXITSTATUS(status), words);
  return p->report->fault.code != HADRON_OK ? take_fault(p, step, fault) : HADRON_OK;
}

static void take_rows(const struct probe *p, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct hd_probe_row *to = &p->request->rows[i];
    unsigned char flags[2];
    memcpy(to, &p->report->rows[i], sizeof *to);
    memcpy(flags, (unsigned char *)to + offsetof(struct hd_probe_row, required), 2); // a bool that is neither 0 nor 1 must not be read as one
    to->required = flags[0] != 0;
    to->live = flags[1] != 0;
    char *const texts[] = {to->name, to->initial, to->unit, to->range, to->help};
    const size_t sizes[] = {sizeof to->name, sizeof to->initial, sizeof to->unit, sizeof to->range, sizeof to->help};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
      texts[k][sizes[k] - 1] = 0;
      hd_text_printable(texts[k]);
    }
  }
}

static void take_result(const struct probe *p, int64_t wall_ns, struct hd_probe_result *out) {
  struct hd_probe_result r;
  struct hadron_manifest *m = &r.manifest;
  memcpy(&r, &p->report->result, sizeof r);
  char *const texts[] = {m->name, m->version, m->description, m->requires_};
  const size_t sizes[] = {sizeof m->name, sizeof m->version, sizeof m->description, sizeof m->requires_};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    texts[i][sizes[i] - 1] = 0;
    hd_text_printable(texts[i]);
  }
  if (r.bar_count > HD_BAR_KINDS_MAX) r.bar_count = HD_BAR_KINDS_MAX;
  if (r.row_count > HD_PARAMS_MAX) r.row_count = HD_PARAMS_MAX;
  if (p->request->rows != NULL) take_rows(p, r.row_count);
  unsigned char flag;
  memcpy(&flag, &p->report->result.complete, 1); // a bool that is neither 0 nor 1 must not be read as one
  flag = flag != 0;
  memcpy(&r.complete, &flag, 1);
  char step[96];
  format_step(&p->report->place, step, sizeof step);
  hd_text_copy(r.step, sizeof r.step, step);
  r.wall_ns = wall_ns;
  *out = r;
}

static void close_all(struct probe *p) {
  const int fds[] = {p->wire, p->report_fd, p->output, p->nothing};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  if (p->report != NULL) munmap(p->report, sizeof *p->report);
}

int32_t hd_probe(const struct hd_probe_request *request, struct hd_probe_result *out, struct hd_fault *fault) {
  HD_ASSERT(request->path != NULL && (request->param_count == 0 || request->params != NULL));
  struct probe p = {.request = request, .wire = -1, .report_fd = -1, .output = -1, .nothing = -1};
  const char *slash = strrchr(request->path, '/');
  p.name = slash ? slash + 1 : request->path;
  p.timeout_ns = request->timeout_ns > 0 ? request->timeout_ns : HD_PROBE_TIMEOUT_NS;
  int64_t begun = hd_clock_monotonic_ns();
  bool late = false;
  int32_t err = check_request(&p, fault);
  if (!err) err = write_request(&p, fault);
  if (!err) err = make_report(&p, fault);
  if (!err) err = start_child(&p, fault);
  if (!err) {
    int status = wait_for(&p, &late);
    err = judge(&p, status, late, fault);
  }
  if (!err) take_result(&p, hd_clock_monotonic_ns() - begun, out);
  close_all(&p);
  return err;
}
