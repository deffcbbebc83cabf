#include "registry/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "registry/database.h"
#include "registry/file.h"

#define CHANNEL "hadron_registry" // of the trigger in 002_registry.postgresql.sql
#define LOOK_S 5                  // a look without a bell
#define PATH_SIZE 1024

struct hd_registry_watch {
  struct hd_database *database; // owned
  int fd;                       // epoll of the three below
  int timer, files;             // files: inotify; -1: none
  int bell;                     // the connection's socket; borrowed(until the connection is made again); -1: none
  char file[PATH_SIZE];         // name of the database's file within its directory
  int64_t last;
};

static int32_t system_fault(struct hd_fault *fault, const char *what) { return hd_fault_set(fault, HADRON_ERR_IO, "watching the registry: %s: %s", what, strerror(errno)); }

static int32_t poll_add(struct hd_registry_watch *w, int fd, struct hd_fault *fault) {
  struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
  return epoll_ctl(w->fd, EPOLL_CTL_ADD, fd, &e) == 0 || errno == EEXIST ? HADRON_OK : system_fault(fault, "epoll_ctl");
}

static int32_t timer_open(struct hd_registry_watch *w, struct hd_fault *fault) {
  const struct itimerspec every = {{LOOK_S, 0}, {LOOK_S, 0}};
  w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (w->timer < 0 || timerfd_settime(w->timer, 0, &every, NULL) != 0) return system_fault(fault, "timerfd");
  return poll_add(w, w->timer, fault);
}

// A commit writes FILE-wal, a checkpoint FILE; both lie in the same directory.
static int32_t files_open(struct hd_registry_watch *w, const char *path, struct hd_fault *fault) {
  char directory[PATH_SIZE];
  const char *slash = strrchr(path, '/');
  hd_directory_of(path, directory, sizeof directory);
  hd_text_copy(w->file, sizeof w->file, slash ? slash + 1 : path);
  w->files = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (w->files < 0) return HADRON_OK; // the timer is left
  inotify_add_watch(w->files, directory, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  return poll_add(w, w->files, fault);
}

// A new connection has a new socket; the old one left the epoll when it was closed.
static int32_t bell_open(struct hd_registry_watch *w, struct hd_fault *fault) {
  int fd = -1;
  int32_t code = hd_database_listen(w->database, CHANNEL, &fd, fault);
  if (code || fd < 0) return code;
  if (w->bell >= 0 && w->bell != fd) epoll_ctl(w->fd, EPOLL_CTL_DEL, w->bell, NULL);
  w->bell = fd;
  return poll_add(w, fd, fault);
}

static int32_t last_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  (void)fault;
  *(int64_t *)user = hd_row_integer(row, 0);
  return HADRON_OK;
}

int32_t hd_registry_watch_open(const char *url, int64_t after, struct hd_registry_watch **out, struct hd_fault *fault) {
  struct hd_registry_watch *w = malloc(sizeof *w);
  if (!w) return hd_fault_set(fault, HADRON_ERR_MEMORY, "watching the registry: out of memory");
  *w = (struct hd_registry_watch){.fd = epoll_create1(EPOLL_CLOEXEC), .timer = -1, .files = -1, .bell = -1, .last = after};
  int32_t code = w->fd < 0 ? system_fault(fault, "epoll") : timer_open(w, fault);
  if (!code) code = hd_database_open(url, &w->database, fault);
  if (!code) code = hd_database_shared(w->database) ? bell_open(w, fault) : files_open(w, url + strlen("sqlite:"), fault); // before the look: what comes between rings
  if (!code && after < 0) code = hd_database_rows(w->database, "SELECT coalesce(max(id), 0) FROM registry_changes", NULL, 0, last_take, &w->last, fault);
  if (code) hd_registry_watch_close(w);
  else *out = w;
  return code;
}

void hd_registry_watch_close(struct hd_registry_watch *w) {
  if (!w) return;
  hd_database_close(w->database);
  const int fds[] = {w->files, w->timer, w->fd};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  free(w);
}

int hd_registry_watch_fd(const struct hd_registry_watch *w) { return w->fd; }

// Empties the notices. Was the database's file among them? Its -shm is written by readers too.
static bool files_heard(struct hd_registry_watch *w) {
  char room[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  bool heard = false;
  ssize_t n;
  size_t length = strlen(w->file);
  while (w->files >= 0 && (n = read(w->files, room, sizeof room)) > 0)
    for (char *p = room; p < room + n;) {
      const struct inotify_event *e = (const struct inotify_event *)(void *)p;
      if (e->mask & IN_Q_OVERFLOW) heard = true;
      if (e->len && strncmp(e->name, w->file, length) == 0 && strcmp(e->name + length, "-shm") != 0) heard = true;
      p += sizeof *e + e->len;
    }
  return heard;
}

static bool timer_heard(struct hd_registry_watch *w) {
  uint64_t times;
  return read(w->timer, &times, sizeof times) == (ssize_t)sizeof times;
}

struct telling {
  struct hd_registry_watch *w;
  hd_registry_change_fn take;
  void *user;
  bool some;
};

static int32_t change_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct telling *t = user;
  struct hd_registry_change c = {.id = hd_row_integer(row, 0), .time_ns = hd_row_integer(row, 1)};
  (void)fault;
  hd_text_copy(c.topic, sizeof c.topic, hd_row_text(row, 2));
  hd_text_copy(c.name, sizeof c.name, hd_row_text(row, 3));
  hd_text_copy(c.detail, sizeof c.detail, hd_row_text(row, 4));
  hd_text_copy(c.who, sizeof c.who, hd_row_text(row, 5));
  t->w->last = c.id;
  t->some = true;
  t->take(t->user, &c);
  return HADRON_OK;
}

int32_t hd_registry_watch_read(struct hd_registry_watch *w, hd_registry_change_fn take, void *user, struct hd_fault *fault) {
  struct telling t = {w, take, user, false};
  bool files = files_heard(w), timer = timer_heard(w), bell = hd_database_heard(w->database);
  if (!files && !timer && !bell) return HADRON_ERR_AGAIN;
  const struct hd_sql_value last = HD_SQL_INTEGER(w->last);
  int32_t code = w->bell >= 0 || hd_database_shared(w->database) ? bell_open(w, fault) : HADRON_OK; // again after a lost connection
  if (!code) code = hd_database_rows(w->database, "SELECT id, time_ns, topic, name, detail, who FROM registry_changes WHERE id > $1 ORDER BY id", &last, 1, change_take, &t, fault);
  return code ? code : t.some ? HADRON_OK : HADRON_ERR_AGAIN;
}
