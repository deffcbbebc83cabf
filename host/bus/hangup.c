#include "bus/hangup.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <nng/transport/ipc/ipc.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"

#define FILES_MAX 65536

bool hd_fd_shut(int fd, bool (*is)(int fd, const void *meant), const void *meant) {
  struct stat what;
  if (!is(fd, meant)) return false;
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return shutdown(fd, SHUT_RDWR) == 0; // no more descriptors: at the worst a connection that was made this moment comes back
  bool shut = is(own, meant) && shutdown(own, SHUT_RDWR) == 0;
  // Closing another descriptor of a file would drop the locks that this process has on it (fcntl(2)): one that slipped in between is left open.
  if (fstat(own, &what) == 0 && S_ISSOCK(what.st_mode)) close(own);
  return shut;
}

// ---- a connection ----------------------------------------------------------------------------------------------------------------------------

struct end {
  nng_sockaddr local, remote;
  uint64_t pid; // ipc
};

static bool is_tcp(int fd, const void *meant) {
  const nng_sockaddr *remote = &((const struct end *)meant)->remote;
  struct sockaddr_storage at;
  socklen_t size = sizeof at;
  if (getpeername(fd, (struct sockaddr *)&at, &size) != 0) return false;
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&at;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&at;
  if (at.ss_family == AF_INET && remote->s_family == NNG_AF_INET) return v4->sin_port == remote->s_in.sa_port && v4->sin_addr.s_addr == remote->s_in.sa_addr;
  return at.ss_family == AF_INET6 && remote->s_family == NNG_AF_INET6 && v6->sin6_port == remote->s_in6.sa_port && memcmp(&v6->sin6_addr, remote->s_in6.sa_addr, 16) == 0;
}

// A unix socket's far end has no address: the process behind it is known. All that this process has at this address is broken; not the listener
// itself, behind which the kernel sees its own process.
static bool is_ipc(int fd, const void *meant) {
  const struct end *e = meant;
  struct sockaddr_un at = {0}, far;
  struct ucred peer;
  socklen_t size = sizeof at, far_size = sizeof far, peer_size = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&far, &far_size) == 0 && getsockname(fd, (struct sockaddr *)&at, &size) == 0 && at.sun_family == AF_UNIX && strncmp(at.sun_path, e->local.s_ipc.sa_path, sizeof at.sun_path) == 0 &&
         getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0 && (uint64_t)peer.pid == e->pid;
}

void hd_pipe_hang_up(nng_pipe pipe) {
  struct end e = {0};
  struct rlimit files = {.rlim_cur = FILES_MAX};
  bool found = false, ipc = nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &e.pid) == 0;
  bool known = ipc ? nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &e.local) == 0 && e.local.s_family == NNG_AF_IPC : nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &e.remote) == 0;
  getrlimit(RLIMIT_NOFILE, &files);
  int end = files.rlim_cur < FILES_MAX ? (int)files.rlim_cur : FILES_MAX;
  for (int fd = 0; known && fd < end; fd++)
    found |= hd_fd_shut(fd, ipc ? is_ipc : is_tcp, &e);
  if (!found) nng_pipe_close(pipe); // inproc, or it has gone
}

// ---- a listener ------------------------------------------------------------------------------------------------------------------------------

static bool is_at(int fd, const nng_sockaddr *at) {
  struct sockaddr_storage own = {0};
  socklen_t size = sizeof own;
  if (getsockname(fd, (struct sockaddr *)&own, &size) != 0) return false;
  const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&own;
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&own;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&own;
  switch (at->s_family) {
  case NNG_AF_IPC: return own.ss_family == AF_UNIX && un->sun_path[0] && strncmp(un->sun_path, at->s_ipc.sa_path, sizeof un->sun_path) == 0;
  case NNG_AF_INET: return own.ss_family == AF_INET && v4->sin_port == at->s_in.sa_port;
  case NNG_AF_INET6: return own.ss_family == AF_INET6 && v6->sin6_port == at->s_in6.sa_port;
  default: return false;
  }
}

static bool listens(int fd, const void *at) {
  int accepts = 0;
  socklen_t size = sizeof accepts;
  return is_at(fd, at) && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts;
}

static bool came_by(int fd, const void *at) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer;
  return is_at(fd, at) && getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

void hd_listener_hang_up(nng_listener listener) {
  nng_sockaddr at = {0};
  struct rlimit files = {.rlim_cur = FILES_MAX};
  if (nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &at) != 0) return; // inproc
  getrlimit(RLIMIT_NOFILE, &files);
  int end = files.rlim_cur < FILES_MAX ? (int)files.rlim_cur : FILES_MAX;
  // Nobody comes meanwhile: who is cut in the middle of his greeting may have a dialer of NNG that dials no more.
  for (int fd = 0; fd < end; fd++)
    hd_fd_shut(fd, listens, &at);
  for (int64_t until = hd_clock_monotonic_ns() + HD_HANG_UP_NS; hd_clock_monotonic_ns() < until;) {
    uint32_t found = 0;
    for (int fd = 0; fd < end; fd++)
      if (came_by(fd, &at)) found++, hd_fd_shut(fd, came_by, &at);
    if (found == 0) return;
    const struct timespec moment = {.tv_nsec = 2000000};
    nanosleep(&moment, NULL);
  }
}

// ---- closing ---------------------------------------------------------------------------------------------------------------------------------

struct closing {
  nng_socket socket;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done, left; // left: nobody waits any more, and the thread frees it
};

static void closing_free(struct closing *c) {
  pthread_cond_destroy(&c->changed);
  pthread_mutex_destroy(&c->lock);
  free(c);
}

static void *close_now(void *argument) {
  struct closing *c = argument;
  nng_close(c->socket);
  pthread_mutex_lock(&c->lock);
  c->done = true;
  bool left = c->left;
  pthread_cond_signal(&c->changed);
  pthread_mutex_unlock(&c->lock);
  if (left) closing_free(c);
  return NULL;
}

static bool wait_done(struct closing *c) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += HD_CLOSE_NS / 1000000000;
  pthread_mutex_lock(&c->lock);
  while (!c->done && pthread_cond_clockwait(&c->changed, &c->lock, CLOCK_MONOTONIC, &until) == 0) continue;
  bool done = c->done;
  c->left = !done;
  pthread_mutex_unlock(&c->lock);
  return done;
}

void hd_nng_close(nng_socket socket) {
  struct closing *c = calloc(1, sizeof *c);
  pthread_t thread;
  if (c) {
    c->socket = socket;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
  }
  if (!c || pthread_create(&thread, NULL, close_now, c)) {
    if (c) closing_free(c);
    nng_close(socket);
    return;
  }
  if (wait_done(c)) {
    pthread_join(thread, NULL);
    closing_free(c);
    return;
  }
  pthread_detach(thread);
  hd_log_warn("BUS_CLOSE", "a socket of NNG is not closed within %d s: it waits for a connection that is gone; it is left, and ends with this process", (int)(HD_CLOSE_NS / 1000000000));
}
