#include "runtime/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "plugin/child.h"

#define LOOK_NS INT64_C(100000000)
#define GRACE_NS INT64_C(500000000) // for an end of its own
#define LINE_SIZE 1024
#define READS_MAX 16                // of an output at a time: the others have a turn

struct hd_worker {
  struct hd_workers *owner;
  struct hd_worker *next;
  struct hd_worker_options options; // strings are the ones below
  char name[HADRON_NAME_SIZE];
  const char *url;                  // [supervisor] of the bus
  // Under the lock.
  struct hd_worker_figures figures;
  bool begun;                       // the first start was tried
  int32_t code;                     // what came of it
  struct hd_fault fault;
  bool stops;
  char kill_why[128];               // "": nobody has asked
  // [supervisor]
  pid_t pid;                        // 0: none
  int pidfd, output;
  int64_t due_ns;                   // WAITS
  int64_t stop_ns;                  // since when it is to end; 0: it is not
  int64_t quiet_ns, heard_ns, looked_ns; // how long nothing was heard, as of which sign of life, at the last look
  int64_t ends[HD_WORKER_RESTARTS_MAX]; // the last restarts, a ring
  uint64_t restarts;
  char why[160];                    // it was killed for
  char line[LINE_SIZE], last[256];  // what it is printing; its last line that was no log's
  size_t line_size;
};

struct hd_workers {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t thread;
  int wake, nothing;                // eventfd; /dev/null
  bool running, ending;
  struct hd_worker *first;
};

// ---- starting ------------------------------------------------------------------------------------------------------------------------

static int boot_file(const struct hd_worker *w, const uint8_t token[HD_WORKER_TOKEN_SIZE]) {
  const struct hd_plugin *p = w->options.plugin;
  struct hd_worker_boot b = {.magic = HD_WORKER_MAGIC, .size = sizeof b, .build = HD_VERSION, .parent = getpid(), .log_level = w->options.log_level, .memory_max = w->options.memory_max};
  const char *slash = strrchr(p->path, '/');
  memcpy(b.token, token, sizeof b.token);
  memcpy(b.digest, p->digest, sizeof b.digest);
  hd_text_copy(b.url, sizeof b.url, w->url);
  hd_text_copy(b.name, sizeof b.name, w->name);
  hd_text_copy(b.version, sizeof b.version, p->manifest.version);
  hd_text_copy(b.path, sizeof b.path, slash ? slash + 1 : p->path);
  int fd = memfd_create("hadron-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  bool written = fd >= 0 && write(fd, &b, sizeof b) == (ssize_t)sizeof b && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
  explicit_bzero(&b, sizeof b);
  if (written) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static int32_t run(struct hd_worker *w, const uint8_t token[HD_WORKER_TOKEN_SIZE], struct hd_fault *fault) {
  static const char *const words[] = {"worker", "--child", NULL};
  int boot = boot_file(w, token), output[2] = {-1, -1};
  int32_t code = HADRON_OK;
  if (boot < 0 || pipe2(output, O_CLOEXEC) != 0) code = hd_fault_set(fault, HADRON_ERR_IO, "worker of %s: memory or descriptors for it: %s", w->name, strerror(errno));
  if (!code) {
    const struct hd_child child = {.name = w->name, .words = words, .fds = {w->owner->nothing, output[1], output[1], boot, w->options.plugin->fd, w->options.rings ? w->options.rings : w->owner->nothing}, .fd_count = HD_WORKER_FD_END};
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    code = hd_child_start(&child, &w->pid, fault);
  }
  if (!code) {
    w->pidfd = pidfd_open(w->pid, 0);
    HD_ASSERT(w->pidfd >= 0); // it is our child, and nobody else waits for it
    w->output = output[0];
    output[0] = -1;
  }
  const int fds[] = {boot, output[0], output[1]};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  return code;
}

static void set_state(struct hd_worker *w, uint32_t state) {
  pthread_mutex_lock(&w->owner->lock);
  w->figures.state = state;
  w->figures.pid = w->pid;
  w->figures.restarts = w->restarts;
  pthread_mutex_unlock(&w->owner->lock);
}

static int32_t start(struct hd_worker *w, struct hd_fault *fault) {
  uint8_t token[HD_WORKER_TOKEN_SIZE];
  if (getrandom(token, sizeof token, 0) != sizeof token) return hd_fault_set(fault, HADRON_ERR_IO, "worker of %s: no random bytes for its token: %s", w->name, strerror(errno));
  w->line_size = 0;
  w->last[0] = w->why[0] = 0;
  w->quiet_ns = w->heard_ns = 0;
  w->looked_ns = hd_clock_monotonic_ns();
  int32_t code = w->options.care.admit(w->options.care.self, token, &w->url, fault);
  if (!code) code = run(w, token, fault);
  explicit_bzero(token, sizeof token);
  if (!code) set_state(w, HD_WORKER_RUNS);
  return code;
}

// ---- what it prints ------------------------------------------------------------------------------------------------------------------

// "2026-11-21T19:12:57.505962Z ERROR SCRIPT sma: words"
static bool relay(const struct hd_worker *w, char *line) {
  static const struct {
    const char *name;
    uint32_t level;
  } levels[] = {{"DEBUG ", HADRON_LOG_DEBUG}, {"INFO  ", HADRON_LOG_INFO}, {"WARN  ", HADRON_LOG_WARN}, {"ERROR ", HADRON_LOG_ERROR}};
  char *level = strchr(line, ' ');
  if (level == NULL || level - line < 20 || line[10] != 'T' || level[-1] != 'Z') return false;
  level++;
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    if (strncmp(level, levels[i].name, 6) != 0) continue;
    char *id = level + 6, *text = strchr(id, ' ');
    if (text == NULL) return false;
    *text++ = 0;
    hd_log_text(levels[i].level, w->name, id, text);
    return true;
  }
  return false;
}

static void take_line(struct hd_worker *w) {
  w->line[w->line_size] = 0;
  w->line_size = 0;
  hd_text_printable(w->line);
  if (w->line[0] == 0 || relay(w, w->line)) return;
  // The line before it as well: what an assertion says comes before what the signal says.
  char before[sizeof w->last];
  const char *tail = strrchr(w->last, '|');
  hd_text_copy(before, sizeof before, tail ? tail + 2 : w->last);
  if (before[0]) snprintf(w->last, sizeof w->last, "%.120s | %.130s", before, w->line);
  else hd_text_copy(w->last, sizeof w->last, w->line);
  hd_log_text(HADRON_LOG_WARN, w->name, "WORKER_SAID", w->line);
}

static void read_output(struct hd_worker *w) {
  char bytes[4096];
  for (int i = 0; i < READS_MAX; i++) {
    ssize_t n = read(w->output, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    for (ssize_t k = 0; k < n; k++) {
      if (bytes[k] == '\n' || w->line_size + 1 == sizeof w->line) take_line(w);
      if (bytes[k] != '\n') w->line[w->line_size++] = bytes[k] ? bytes[k] : '?';
    }
  }
}

// ---- how it ends ---------------------------------------------------------------------------------------------------------------------

static void format_end(const struct hd_worker *w, int status, char *to, size_t size) {
  char how[192];
  if (w->why[0]) hd_text_copy(how, sizeof how, w->why);
  else if (WIFSIGNALED(status)) snprintf(how, sizeof how, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  else if (WEXITSTATUS(status) == HD_WORKER_EXIT_AWAY) snprintf(how, sizeof how, "its connection was gone");
  else snprintf(how, sizeof how, "it ended with exit code %d", WEXITSTATUS(status));
  snprintf(to, size, "%s%s%s", how, w->last[0] ? ": " : "", w->last);
}

// When it may be started again; 0: never.
static int64_t next_start(struct hd_worker *w, int64_t now_ns) {
  uint32_t lately = 0;
  while (lately < w->restarts && lately < HD_WORKER_RESTARTS_MAX && now_ns - w->ends[(w->restarts - 1 - lately) % HD_WORKER_RESTARTS_MAX] < HD_WORKER_WINDOW_NS) lately++;
  int64_t delay_ns = HD_WORKER_DELAY_NS << (lately < 16 ? lately : 16), most_ns = w->options.delay_max_ns ? w->options.delay_max_ns : HD_WORKER_DELAY_MAX_NS;
  return lately < w->options.restarts_max ? now_ns + (delay_ns < most_ns ? delay_ns : most_ns) : 0;
}

static void fail(struct hd_worker *w, const char *words) {
  int64_t now_ns = hd_clock_monotonic_ns();
  uint32_t state = HD_WORKER_STOPPED;
  if (w->stop_ns == 0) {
    w->due_ns = next_start(w, now_ns);
    state = w->due_ns ? HD_WORKER_WAITS : HD_WORKER_GIVEN_UP;
    if (w->due_ns) w->ends[w->restarts++ % HD_WORKER_RESTARTS_MAX] = now_ns;
  }
  pthread_mutex_lock(&w->owner->lock);
  hd_text_copy(w->figures.words, sizeof w->figures.words, words);
  pthread_mutex_unlock(&w->owner->lock);
  set_state(w, state);
  if (state != HD_WORKER_STOPPED) w->options.care.ended(w->options.care.self, state, w->restarts, words);
}

static void kill_group(const struct hd_worker *w) {
  // Not reaped yet: its number, and its group's, are nobody else's.
  kill(-w->pid, SIGKILL);
  kill(w->pid, SIGKILL);
}

static void reap(struct hd_worker *w) {
  char words[512];
  int status = 0;
  kill_group(w);
  while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR) continue;
  read_output(w);
  if (w->line_size > 0) take_line(w);
  format_end(w, status, words, sizeof words);
  close(w->pidfd);
  close(w->output);
  w->pid = 0;
  fail(w, words);
}

// ---- looking after it ----------------------------------------------------------------------------------------------------------------

static void look(struct hd_worker *w, int64_t now_ns) {
  int64_t elapsed = now_ns - w->looked_ns, heard = w->options.care.heard(w->options.care.self);
  if (elapsed < LOOK_NS / 2) return;
  w->looked_ns = now_ns;
  w->quiet_ns = heard == w->heard_ns ? w->quiet_ns + (elapsed < 2 * LOOK_NS ? elapsed : 2 * LOOK_NS) : 0;
  w->heard_ns = heard;
  int64_t allowed = heard ? w->options.hang_ns : HD_WORKER_START_NS;
  if (w->quiet_ns < allowed || w->why[0]) return;
  char length[32];
  hd_duration_format(length, sizeof length, allowed);
  snprintf(w->why, sizeof w->why, heard ? "it hangs: no sign of life for %s; killed" : "it did not begin within %s; killed", length);
  kill_group(w);
}

static void begin(struct hd_worker *w) {
  struct hd_fault fault = {0};
  int32_t code = start(w, &fault);
  pthread_mutex_lock(&w->owner->lock);
  w->begun = true;
  w->code = code;
  w->fault = fault;
  pthread_cond_broadcast(&w->owner->changed);
  pthread_mutex_unlock(&w->owner->lock);
  if (code) set_state(w, HD_WORKER_STOPPED);
}

static void take_wishes(struct hd_worker *w, int64_t now_ns) {
  pthread_mutex_lock(&w->owner->lock);
  bool stops = w->stops;
  if (w->kill_why[0] && w->pid && !w->why[0]) {
    snprintf(w->why, sizeof w->why, "%s; killed", w->kill_why);
    kill_group(w);
  }
  w->kill_why[0] = 0;
  pthread_mutex_unlock(&w->owner->lock);
  if (stops && !w->stop_ns) {
    w->stop_ns = now_ns;
    if (w->options.care.farewell) w->options.care.farewell(w->options.care.self);
  }
  if (w->stop_ns && w->pid && now_ns - w->stop_ns > GRACE_NS) kill_group(w);
  if (w->stop_ns && !w->pid && w->figures.state != HD_WORKER_STOPPED) set_state(w, HD_WORKER_STOPPED);
}

static void attend(struct hd_worker *w, int64_t now_ns) {
  bool begun = w->begun; // written here alone
  if (!begun) begin(w);
  take_wishes(w, now_ns);
  if (w->pid) look(w, now_ns);
  if (w->figures.state != HD_WORKER_WAITS || now_ns < w->due_ns) return;
  struct hd_fault fault = {0};
  if (w->options.care.wanted && !w->options.care.wanted(w->options.care.self)) w->due_ns = now_ns + LOOK_NS;
  else if (start(w, &fault)) fail(w, fault.text);
}

// ---- the thread ----------------------------------------------------------------------------------------------------------------------

static int wait_ms(const struct hd_worker *first, int64_t now_ns) {
  int64_t until = INT64_MAX;
  for (const struct hd_worker *w = first; w; w = w->next) {
    int64_t due = w->pid ? now_ns + LOOK_NS : w->figures.state == HD_WORKER_WAITS ? w->due_ns : INT64_MAX;
    if (due < until) until = due;
  }
  return until == INT64_MAX ? -1 : until <= now_ns ? 0 : (int)((until - now_ns + 999999) / 1000000);
}

static uint32_t gather(const struct hd_worker *first, struct pollfd **fds, uint32_t *room, int wake) {
  uint32_t count = 1;
  for (const struct hd_worker *w = first; w; w = w->next) count += 2;
  if (count > *room) {
    void *more = realloc(*fds, 2 * count * sizeof **fds);
    HD_ASSERT(more != NULL);
    *fds = more;
    *room = 2 * count;
  }
  (*fds)[0] = (struct pollfd){.fd = wake, .events = POLLIN};
  count = 1;
  for (const struct hd_worker *w = first; w; w = w->next) {
    (*fds)[count++] = (struct pollfd){.fd = w->pid ? w->output : -1, .events = POLLIN};
    (*fds)[count++] = (struct pollfd){.fd = w->pid ? w->pidfd : -1, .events = POLLIN};
  }
  return count;
}

// Workers that are stopped leave the list; whoever stopped them frees them.
static struct hd_worker *sweep(struct hd_workers *all, bool *ends) {
  pthread_mutex_lock(&all->lock);
  for (struct hd_worker **at = &all->first; *at;) {
    struct hd_worker *w = *at;
    if (w->stops && !w->pid && w->figures.state == HD_WORKER_STOPPED) {
      *at = w->next;
      w->owner = NULL;
      pthread_cond_broadcast(&all->changed);
    } else at = &w->next;
  }
  struct hd_worker *first = all->first;
  *ends = all->ending && !first;
  pthread_mutex_unlock(&all->lock);
  return first;
}

static void *supervise(void *argument) {
  struct hd_workers *all = argument;
  struct pollfd *fds = NULL;
  uint32_t room = 0;
  uint64_t rung;
  bool ends;
  struct hd_worker *first = sweep(all, &ends); // others are put in front of it meanwhile
  while (!ends) {
    uint32_t count = gather(first, &fds, &room, all->wake), at = 1;
    if (poll(fds, count, wait_ms(first, hd_clock_monotonic_ns())) < 0) HD_ASSERT(errno == EINTR);
    if (read(all->wake, &rung, sizeof rung) < 0) HD_ASSERT(errno == EAGAIN || errno == EINTR);
    for (struct hd_worker *w = first; w; w = w->next, at += 2) {
      if (w->pid && fds[at].revents) read_output(w);
      if (w->pid && fds[at + 1].revents) reap(w);
    }
    first = sweep(all, &ends);
    for (struct hd_worker *w = first; w; w = w->next) attend(w, hd_clock_monotonic_ns());
    first = sweep(all, &ends);
  }
  free(fds);
  return NULL;
}

static void ring(const struct hd_workers *all) {
  uint64_t one = 1;
  while (write(all->wake, &one, sizeof one) < 0 && errno == EINTR) continue;
}

// ---- life ----------------------------------------------------------------------------------------------------------------------------

int32_t hd_workers_create(struct hd_workers **out, struct hd_fault *fault) {
  struct hd_workers *all = calloc(1, sizeof *all);
  if (!all) return hd_fault_set(fault, HADRON_ERR_MEMORY, "supervisor of workers: out of memory");
  pthread_mutex_init(&all->lock, NULL);
  pthread_cond_init(&all->changed, NULL);
  all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  all->nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  int error = all->wake < 0 || all->nothing < 0 ? errno : pthread_create(&all->thread, NULL, supervise, all);
  all->running = error == 0;
  if (error) {
    hd_workers_destroy(all);
    return hd_fault_set(fault, HADRON_ERR_IO, "supervisor of workers: its thread or descriptors: %s", strerror(error));
  }
  pthread_setname_np(all->thread, "hd-workers");
  *out = all;
  return HADRON_OK;
}

void hd_workers_destroy(struct hd_workers *all) {
  if (!all) return;
  pthread_mutex_lock(&all->lock);
  HD_ASSERT(!all->first); // who started one has stopped it
  all->ending = true;
  pthread_mutex_unlock(&all->lock);
  if (all->running) ring(all), pthread_join(all->thread, NULL);
  if (all->wake >= 0) close(all->wake);
  if (all->nothing >= 0) close(all->nothing);
  pthread_cond_destroy(&all->changed);
  pthread_mutex_destroy(&all->lock);
  free(all);
}

int32_t hd_worker_start(struct hd_workers *all, const struct hd_worker_options *options, struct hd_worker **out, struct hd_fault *fault) {
  HD_ASSERT(options->plugin->fd >= 0 && options->restarts_max <= HD_WORKER_RESTARTS_MAX && options->care.admit && options->care.heard && options->care.ended);
  struct hd_worker *w = calloc(1, sizeof *w);
  if (!w) return hd_fault_set(fault, HADRON_ERR_MEMORY, "worker of %s: out of memory", options->name);
  w->owner = all;
  w->options = *options;
  hd_text_copy(w->name, sizeof w->name, options->name);
  w->options.name = w->name;
  if (!w->options.memory_max) w->options.memory_max = HD_WORKER_MEMORY_MAX;
  if (!w->options.hang_ns) w->options.hang_ns = HD_WORKER_HANG_NS;
  if (!w->options.log_level) w->options.log_level = HADRON_LOG_INFO;
  pthread_mutex_lock(&all->lock);
  w->next = all->first;
  all->first = w;
  ring(all);
  while (!w->begun) pthread_cond_wait(&all->changed, &all->lock);
  int32_t code = w->code;
  if (code && fault) *fault = w->fault;
  pthread_mutex_unlock(&all->lock);
  if (code) hd_worker_stop(w);
  else *out = w;
  return code;
}

void hd_worker_stop(struct hd_worker *w) {
  if (!w) return;
  struct hd_workers *all = w->owner;
  HD_ASSERT(!pthread_equal(pthread_self(), all->thread));
  pthread_mutex_lock(&all->lock);
  w->stops = true;
  ring(all);
  while (w->owner) pthread_cond_wait(&all->changed, &all->lock);
  pthread_mutex_unlock(&all->lock);
  free(w);
}

void hd_worker_kill(struct hd_worker *w, const char *why) {
  pthread_mutex_lock(&w->owner->lock);
  hd_text_copy(w->kill_why, sizeof w->kill_why, why);
  ring(w->owner);
  pthread_mutex_unlock(&w->owner->lock);
}

void hd_worker_read(struct hd_worker *w, struct hd_worker_figures *out) {
  pthread_mutex_lock(&w->owner->lock);
  *out = w->figures;
  pthread_mutex_unlock(&w->owner->lock);
}
