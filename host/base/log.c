// Lines go into a bounded queue of fixed slots. Each slot carries a ticket: a producer claims a position with one
// compare-and-swap and publishes its slot alone, so a producer that is stopped half-way holds up the writer, never another
// producer. The writer polls: waking it would be a system call on the thread that logs.
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/text.h"

#define POLL_NS 20000000
#define ID_SIZE 48
#define TEXT_SIZE 480
#define LINE_SIZE 1024

struct line {
  _Atomic uint64_t ticket; // position + 1: filled; position + HD_LOG_LINES: free again for that position
  int64_t time_ns;
  uint32_t level;
  char id[ID_SIZE];
  char source[HADRON_NAME_SIZE];
  char text[TEXT_SIZE];
};

static struct {
  struct line *lines; // made by the first start, kept for ever: a late producer may hold a slot
  _Alignas(64) _Atomic uint64_t head;
  _Alignas(64) uint64_t tail; // writer's
  uint64_t dropped_told;      // writer's
  atomic_bool running;
  _Atomic uint32_t level;
  _Atomic uint64_t dropped;
  int fd;
  pthread_t thread;
  pthread_mutex_t mutex; // of `stopping` alone
  pthread_cond_t wake;
  bool stopping;
} queue = {.level = HADRON_LOG_INFO, .fd = STDERR_FILENO, .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void write_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return; // nowhere to complain
    bytes += n;
    size -= (size_t)n;
  }
}

static void write_line(int fd, const struct line *line) {
  static const char *const levels[] = {"-", "DEBUG", "INFO", "WARN", "ERROR"};
  char when[40], out[LINE_SIZE];
  hd_time_format(when, sizeof when, line->time_ns, 6);
  const char *level = line->level < sizeof levels / sizeof *levels ? levels[line->level] : levels[0];
  int size = snprintf(out, sizeof out, "%s %-5s %s %s%s%s\n", when, level, line->id, line->source, line->source[0] ? ": " : "", line->text);
  HD_ASSERT(size > 0 && size < (int)sizeof out);
  write_all(fd, out, (size_t)size);
}

static void fill_line(struct line *line, uint32_t level, const char *source, const char *id) {
  line->time_ns = hd_clock_wall_ns();
  line->level = level;
  hd_text_copy(line->id, sizeof line->id, id);
  hd_text_copy(line->source, sizeof line->source, source);
  hd_text_printable(line->id);
  hd_text_printable(line->source);
}

// A free slot and its position, or NULL when the queue is full.
static struct line *claim(uint64_t *position) {
  uint64_t head = atomic_load_explicit(&queue.head, memory_order_relaxed);
  for (;;) {
    struct line *line = &queue.lines[head % HD_LOG_LINES];
    uint64_t ticket = atomic_load_explicit(&line->ticket, memory_order_acquire);
    if (ticket == head) {
      if (!atomic_compare_exchange_weak_explicit(&queue.head, &head, head + 1, memory_order_relaxed, memory_order_relaxed)) continue;
      *position = head;
      return line;
    }
    if (ticket < head) return NULL;
    head = atomic_load_explicit(&queue.head, memory_order_relaxed);
  }
}

static void publish(struct line *line, uint64_t position) { atomic_store_explicit(&line->ticket, position + 1, memory_order_release); }

// ---- the writer

// Writes everything that has been published.
static void drain(void) {
  for (;;) {
    struct line *line = &queue.lines[queue.tail % HD_LOG_LINES];
    if (atomic_load_explicit(&line->ticket, memory_order_acquire) != queue.tail + 1) break;
    write_line(queue.fd, line);
    atomic_store_explicit(&line->ticket, queue.tail + HD_LOG_LINES, memory_order_release);
    queue.tail++;
  }
  uint64_t dropped = atomic_load_explicit(&queue.dropped, memory_order_relaxed);
  if (dropped == queue.dropped_told) return;
  struct line note = {.level = HADRON_LOG_WARN};
  fill_line(&note, HADRON_LOG_WARN, "", "LOG_DROPPED");
  snprintf(note.text, sizeof note.text, "%llu lines were dropped because the queue of %d lines was full",
           (unsigned long long)(dropped - queue.dropped_told), HD_LOG_LINES);
  queue.dropped_told = dropped;
  write_line(queue.fd, &note);
}

static void *writer_run(void *unused) {
  (void)unused;
  bool stopping = false;
  while (!stopping) {
    drain();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_NS;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    pthread_mutex_lock(&queue.mutex);
    if (!queue.stopping) pthread_cond_timedwait(&queue.wake, &queue.mutex, &until);
    stopping = queue.stopping;
    pthread_mutex_unlock(&queue.mutex);
  }
  drain();
  return NULL;
}

int32_t hd_log_start(const char *path, uint32_t level, struct hd_fault *fault) {
  HD_ASSERT(!atomic_load(&queue.running));
  if (queue.lines == NULL) {
    queue.lines = calloc(HD_LOG_LINES, sizeof *queue.lines);
    if (queue.lines == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "starting the log: no memory for %d lines", HD_LOG_LINES);
    for (uint64_t i = 0; i < HD_LOG_LINES; i++) atomic_store_explicit(&queue.lines[i].ticket, i, memory_order_relaxed);
  }
  int fd = STDERR_FILENO;
  if (path != NULL) {
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) return hd_fault_set(fault, HADRON_ERR_IO, "opening log file %s: %s", path, strerror(errno));
  }
  queue.fd = fd;
  queue.stopping = false;
  atomic_store(&queue.level, level);
  int failed = pthread_create(&queue.thread, NULL, writer_run, NULL);
  if (failed) {
    if (fd != STDERR_FILENO) close(fd);
    queue.fd = STDERR_FILENO;
    return hd_fault_set(fault, HADRON_ERR_IO, "starting the log's thread: %s", strerror(failed));
  }
  atomic_store(&queue.running, true);
  return HADRON_OK;
}

void hd_log_stop(void) {
  if (!atomic_exchange(&queue.running, false)) return;
  pthread_mutex_lock(&queue.mutex);
  queue.stopping = true;
  pthread_cond_signal(&queue.wake);
  pthread_mutex_unlock(&queue.mutex);
  pthread_join(queue.thread, NULL);
  // A line that was claimed and not yet published stays queued, and is written after the next start.
  if (queue.fd != STDERR_FILENO) close(queue.fd);
  queue.fd = STDERR_FILENO;
}

void hd_log_level(uint32_t level) { atomic_store_explicit(&queue.level, level, memory_order_relaxed); }

uint64_t hd_log_dropped(void) { return atomic_load_explicit(&queue.dropped, memory_order_relaxed); }

// ---- the producers

static bool wanted(uint32_t level) { return level >= atomic_load_explicit(&queue.level, memory_order_relaxed); }

__attribute__((format(printf, 4, 0))) static void log_line(uint32_t level, const char *source, const char *id, const char *format,
                                                           va_list args) {
  struct line direct, *line = &direct;
  uint64_t position = 0;
  bool queued = atomic_load_explicit(&queue.running, memory_order_acquire);
  if (queued) line = claim(&position);
  if (line == NULL) {
    atomic_fetch_add_explicit(&queue.dropped, 1, memory_order_relaxed);
    return;
  }
  fill_line(line, level, source, id);
  vsnprintf(line->text, sizeof line->text, format, args);
  hd_text_printable(line->text);
  if (queued) publish(line, position);
  else write_line(STDERR_FILENO, line);
}

void hd_log(uint32_t level, const char *id, const char *format, ...) {
  if (!wanted(level)) return;
  va_list args;
  va_start(args, format);
  log_line(level, "", id, format, args);
  va_end(args);
}

__attribute__((format(printf, 4, 5))) static void log_format(uint32_t level, const char *source, const char *id, const char *format, ...) {
  va_list args;
  va_start(args, format);
  log_line(level, source, id, format, args);
  va_end(args);
}

void hd_log_text(uint32_t level, const char *source, const char *id, const char *text) {
  if (!wanted(level)) return;
  log_format(level, source ? source : "", id, "%s", text);
}
