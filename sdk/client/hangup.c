// How a connection is ended. NNG 1.5 has a hole here: a pipe that is closed (nng_pipe_close, nng_dialer_close, nng_close) in the moment in which a message
// is half received leaves an operation that nobody ends, and the one thread that clears away the pipes of the whole process waits for it for ever: no
// connection is ever made again, and nng_close does not return. A reader of a busy stream meets it once in a few closes. When the connection breaks,
// the operation itself finds out, and all is well. So it is broken: the descriptor is found by its addresses, and shut down.
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "link.h"

#define FILES_MAX 65536
#define GONE_WAIT INT64_C(1000000000)

// [nng]
static void pipe_event(nng_pipe pipe, nng_pipe_ev event, void *self) {
  struct hc_presence *p = self;
  if (event == NNG_PIPE_EV_ADD_POST) {
    atomic_store(&p->pipe, (uint32_t)nng_pipe_id(pipe));
    atomic_store(&p->up, atomic_fetch_add(&p->generation, 1) + 1);
  } else if (atomic_load(&p->pipe) == (uint32_t)nng_pipe_id(pipe)) {
    atomic_store(&p->up, 0);
  }
  hc_bell_ring(p->bell);
}

void hc_presence_watch(struct hc_presence *p, nng_socket socket, struct hc_bell *bell) {
  p->bell = bell;
  nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, pipe_event, p);
  nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, pipe_event, p);
}

static bool is_tcp(int fd, const nng_sockaddr *local) {
  struct sockaddr_storage at;
  socklen_t size = sizeof at;
  if (getsockname(fd, (struct sockaddr *)&at, &size) != 0) return false;
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&at;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&at;
  if (at.ss_family == AF_INET && local->s_family == NNG_AF_INET) return v4->sin_port == local->s_in.sa_port && v4->sin_addr.s_addr == local->s_in.sa_addr;
  return at.ss_family == AF_INET6 && local->s_family == NNG_AF_INET6 && v6->sin6_port == local->s_in6.sa_port && memcmp(&v6->sin6_addr, local->s_in6.sa_addr, 16) == 0;
}

static bool is_ipc(int fd, const char *path) {
  struct sockaddr_un at = {0};
  socklen_t size = sizeof at;
  return getpeername(fd, (struct sockaddr *)&at, &size) == 0 && at.sun_family == AF_UNIX && strncmp(at.sun_path, path, sizeof at.sun_path) == 0;
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
    if (ipc ? is_ipc(fd, place->url + 6) : is_tcp(fd, &local)) shutdown(fd, SHUT_RDWR);
}

// The dialer begins again after RECONNMINT, so that there is nothing half received when the socket is closed right now.
void hc_socket_end(struct hc_presence *p, const struct hc_place *place, nng_socket socket) {
  int64_t until = hc_now_ns() + GONE_WAIT;
  if (place->url) hc_hang_up(p, place);
  while (atomic_load(&p->up) != 0 && hc_now_ns() < until) {
    hc_bell_wait(p->bell, until);
    hc_bell_clear(p->bell);
  }
  nng_close(socket);
}
