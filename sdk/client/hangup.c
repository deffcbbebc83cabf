// How a connection is ended. NNG 1.5 has a hole here: a pipe that is closed (nng_pipe_close, nng_dialer_close, nng_close) in the moment in which a message
// is half received leaves an operation that nobody ends, and the one thread that clears away the pipes of the whole process waits for it for ever: no
// connection is ever made again, and nng_close does not return. A reader of a busy stream meets it once in a few closes. When the connection breaks,
// the operation itself finds out, and all is well. So it is broken: the descriptor is found by its addresses, and shut down.
//
// That makes it rare and no more: NNG closes a pipe by itself when a send fails, and what came before may be half received then, on this side or on
// another socket of the process. So nng_close has a thread, which is not waited for longer than it is worth.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define FILES_MAX 65536
#define GONE_WAIT INT64_C(1000000000)

static _Atomic uint32_t sockets_left;

uint32_t hc_sockets_left(void) { return atomic_load(&sockets_left); }

// [nng]
static void pipe_event(nng_pipe pipe, nng_pipe_ev event, void *self) {
  struct hc_presence *p = self;
  if (event == NNG_PIPE_EV_ADD_POST) {
    atomic_store(&p->pipe, (uint32_t)nng_pipe_id(pipe));
    atomic_store(&p->up, atomic_fetch_add(&p->generation, 1) + 1);
  } else if (atomic_load(&p->pipe) == (uint32_t)nng_pipe_id(pipe)) {
    atomic_store(&p->up, 0);
  }
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->changed);
  if (p->bell) hc_bell_ring(p->bell);
  pthread_mutex_unlock(&p->lock);
}

struct hc_presence *hc_presence_watch(nng_socket socket, struct hc_bell *bell, uint32_t generation) {
  struct hc_presence *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->socket = socket;
  p->bell = bell;
  atomic_store(&p->generation, generation);
  pthread_mutex_init(&p->lock, NULL);
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&p->changed, &clock);
  pthread_condattr_destroy(&clock);
  nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, pipe_event, p);
  nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, pipe_event, p);
  return p;
}

static void presence_free(struct hc_presence *p) {
  pthread_cond_destroy(&p->changed);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

static bool is_tcp(int fd, const void *meant) {
  const nng_sockaddr *local = meant;
  struct sockaddr_storage at;
  socklen_t size = sizeof at;
  if (getsockname(fd, (struct sockaddr *)&at, &size) != 0) return false;
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&at;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&at;
  if (at.ss_family == AF_INET && local->s_family == NNG_AF_INET) return v4->sin_port == local->s_in.sa_port && v4->sin_addr.s_addr == local->s_in.sa_addr;
  return at.ss_family == AF_INET6 && local->s_family == NNG_AF_INET6 && v6->sin6_port == local->s_in6.sa_port && memcmp(&v6->sin6_addr, local->s_in6.sa_addr, 16) == 0;
}

static bool is_ipc(int fd, const void *path) {
  struct sockaddr_un at = {0};
  socklen_t size = sizeof at;
  return getpeername(fd, (struct sockaddr *)&at, &size) == 0 && at.sun_family == AF_UNIX && strncmp(at.sun_path, path, sizeof at.sun_path) == 0;
}

// A descriptor is another thread's, who may close it between the look and the blow, and its number may be another file's then: so it is duplicated, and the
// duplicate, which nobody else closes, is looked at again.
static void shut(int fd, bool (*is)(int fd, const void *meant), const void *meant) {
  struct stat what;
  if (!is(fd, meant)) return;
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0) {
    shutdown(fd, SHUT_RDWR); // no more descriptors: at the worst a connection that was made this moment comes back
    return;
  }
  if (is(own, meant)) shutdown(own, SHUT_RDWR);
  // Closing another descriptor of a file would drop the locks that this process has on it (fcntl(2)): one that slipped in between is left open.
  if (fstat(own, &what) == 0 && S_ISSOCK(what.st_mode)) close(own);
}

// A unix socket has no address of its own: another connection of this process to the same host may be hit as well. It goes on where it was.
void hc_hang_up(const struct hc_presence *p, const struct hc_place *place) {
  nng_sockaddr local = {0};
  struct rlimit files = {.rlim_cur = FILES_MAX};
  const nng_pipe pipe = {.id = atomic_load(&p->pipe)};
  bool ipc = strncmp(place->url, "ipc://", 6) == 0;
  if (atomic_load(&p->up) == 0) return;
  if (!ipc && nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &local) != 0) return;
  getrlimit(RLIMIT_NOFILE, &files);
  int end = files.rlim_cur < FILES_MAX ? (int)files.rlim_cur : FILES_MAX;
  for (int fd = 0; fd < end; fd++)
    shut(fd, ipc ? is_ipc : is_tcp, ipc ? (const void *)(place->url + 6) : &local);
}

// ---- closing

static struct timespec moment(int64_t from_now_ns) {
  int64_t at = hc_now_ns() + from_now_ns;
  return (struct timespec){at / 1000000000, at % 1000000000};
}

// The dialer may have made another connection meanwhile. Nothing was asked on that one, so nothing is half received.
static void *close_now(void *self) {
  struct hc_presence *p = self;
  const struct timespec until = moment(GONE_WAIT);
  pthread_mutex_lock(&p->lock);
  while (p->broken != 0 && atomic_load(&p->up) == p->broken && pthread_cond_timedwait(&p->changed, &p->lock, &until) == 0) continue;
  pthread_mutex_unlock(&p->lock);
  nng_close(p->socket); // nothing calls pipe_event any more
  pthread_mutex_lock(&p->lock);
  p->closed = true;
  bool left = p->left;
  pthread_cond_broadcast(&p->changed);
  pthread_mutex_unlock(&p->lock);
  if (left) {
    presence_free(p);
    atomic_fetch_sub(&sockets_left, 1);
  }
  return NULL;
}

bool hc_socket_end(struct hc_presence *p, const struct hc_place *place, int64_t wait_ns) {
  const struct timespec until = moment(wait_ns);
  pthread_t thread;
  uint32_t broken = atomic_load(&p->up);
  if (place->url) hc_hang_up(p, place);
  pthread_mutex_lock(&p->lock);
  p->broken = broken;
  p->bell = NULL;
  bool alone = pthread_create(&thread, NULL, close_now, p) != 0; // then it stays as it is
  while (!alone && !p->closed && pthread_cond_timedwait(&p->changed, &p->lock, &until) == 0) continue;
  bool closed = p->closed;
  p->left = !closed;
  if (!closed) atomic_fetch_add(&sockets_left, 1);
  pthread_mutex_unlock(&p->lock);
  if (closed) {
    pthread_join(thread, NULL);
    presence_free(p);
  } else if (!alone) {
    pthread_detach(thread);
  }
  return closed;
}
