#include "runtime/io.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/banned.h"
#include "runtime/runner.h"

#define BELL 0 // in the set's data; venues are numbered from 1
#define LOOK_MAX 64

int32_t hd_io_open(struct hd_io *io) {
  io->set = epoll_create1(EPOLL_CLOEXEC);
  io->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = BELL};
  if (io->set >= 0 && io->bell >= 0 && epoll_ctl(io->set, EPOLL_CTL_ADD, io->bell, &event) == 0) return HADRON_OK;
  int error = errno;
  hd_io_close(io);
  errno = error;
  return HADRON_ERR_IO;
}

void hd_io_close(struct hd_io *io) {
  if (io->set >= 0) close(io->set);
  if (io->bell >= 0) close(io->bell);
  io->set = io->bell = -1;
}

static void mark(struct hd_venue *v) {
  // The venue's mark before the common one: whoever sees the common one finds it.
  atomic_store(&v->woken, true);
  atomic_store(&v->runner->io.woken, true);
}

void hd_io_look(struct hd_runner *r) {
  struct epoll_event events[LOOK_MAX];
  int count = epoll_wait(r->io.set, events, LOOK_MAX, 0); // what finds no room is still ready the next time
  for (int i = 0; i < count; i++) {
    uint32_t number = events[i].data.u32;
    uint64_t rings;
    if (number == BELL) {
      ssize_t got = read(r->io.bell, &rings, sizeof rings); // before the marks are taken: a later ring is heard again
      (void)got;
    } else if (number <= r->venue_count) {
      mark(&r->venues[number - 1]);
    }
  }
}

void hd_io_take(struct hd_runner *r) {
  if (!atomic_exchange(&r->io.woken, false)) return;
  for (uint32_t i = 0; i < r->venue_count; i++) {
    struct hd_venue *v = &r->venues[i];
    if (atomic_exchange(&v->woken, false) && v->next_ns > r->now_ns) v->next_ns = r->now_ns;
  }
}

static int32_t io_watch(struct hadron_instance *instance, int32_t fd, uint32_t events) {
  struct hd_venue *v = instance->owner;
  struct epoll_event event = {.data.u32 = v->number};
  if (fd < 0 || events == 0 || (events & ~(uint32_t)(HADRON_IO_READ | HADRON_IO_WRITE))) return HADRON_ERR_ARGUMENT;
  if (v->runner->is_virtual) return HADRON_ERR_UNSUPPORTED;
  if (events & HADRON_IO_READ) event.events |= EPOLLIN | EPOLLRDHUP;
  if (events & HADRON_IO_WRITE) event.events |= EPOLLOUT;
  if (epoll_ctl(v->runner->io.set, EPOLL_CTL_ADD, fd, &event) == 0) return HADRON_OK;
  if (errno == EEXIST && epoll_ctl(v->runner->io.set, EPOLL_CTL_MOD, fd, &event) == 0) return HADRON_OK;
  if (errno == EBADF) return HADRON_ERR_ARGUMENT;
  return errno == EPERM ? HADRON_ERR_UNSUPPORTED : HADRON_ERR_MEMORY;
}

static void io_unwatch(struct hadron_instance *instance, int32_t fd) {
  const struct hd_venue *v = instance->owner;
  if (fd >= 0 && !v->runner->is_virtual && fd != v->runner->io.bell) epoll_ctl(v->runner->io.set, EPOLL_CTL_DEL, fd, NULL);
}

static void io_wake(struct hadron_instance *instance) {
  struct hd_venue *v = instance->owner;
  const uint64_t one = 1;
  mark(v);
  ssize_t put = write(v->runner->io.bell, &one, sizeof one); // full: it is ringing already
  (void)put;
}

const struct hadron_io hd_venue_io = {.struct_size = sizeof hd_venue_io, .watch = io_watch, .unwatch = io_unwatch, .wake = io_wake};
