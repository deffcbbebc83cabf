#include "bus/hangup.h"

#include <netinet/in.h>
#include <nng/transport/ipc/ipc.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/banned.h"

#define FILES_MAX 65536

struct end {
  nng_sockaddr local, remote;
  uint64_t pid; // ipc
};

static bool is_tcp(int fd, const nng_sockaddr *remote) {
  struct sockaddr_storage at;
  socklen_t size = sizeof at;
  if (getpeername(fd, (struct sockaddr *)&at, &size) != 0) return false;
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&at;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&at;
  if (at.ss_family == AF_INET && remote->s_family == NNG_AF_INET) return v4->sin_port == remote->s_in.sa_port && v4->sin_addr.s_addr == remote->s_in.sa_addr;
  return at.ss_family == AF_INET6 && remote->s_family == NNG_AF_INET6 && v6->sin6_port == remote->s_in6.sa_port && memcmp(&v6->sin6_addr, remote->s_in6.sa_addr, 16) == 0;
}

// A unix socket's far end has no address: the process behind it is known. All that this process has at this address is broken.
static bool is_ipc(int fd, const struct end *e) {
  struct sockaddr_un at = {0};
  struct ucred peer;
  socklen_t size = sizeof at, peer_size = sizeof peer;
  return getsockname(fd, (struct sockaddr *)&at, &size) == 0 && at.sun_family == AF_UNIX && strncmp(at.sun_path, e->local.s_ipc.sa_path, sizeof at.sun_path) == 0 &&
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
    if (ipc ? is_ipc(fd, &e) : is_tcp(fd, &e.remote)) found |= shutdown(fd, SHUT_RDWR) == 0;
  if (!found) nng_pipe_close(pipe); // inproc, or it has gone
}
