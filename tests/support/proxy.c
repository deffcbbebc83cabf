#include "support/proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

#define PAIRS_MAX 64
#define SLOW_BYTES 4096
#define SLOW_MS 5
#define COMMIT "UPDATE recorder_cursor SET position"

struct pair {
  int client, server; // -1: none
  uint32_t mode;      // taken when the commit passed
};

static void pair_close(struct pair *p) {
  close(p->client);
  close(p->server);
  p->client = p->server = -1;
}

static bool all_written(int fd, const char *bytes, ssize_t size) {
  while (size > 0) {
    ssize_t n = send(fd, bytes, (size_t)size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n, size -= n;
  }
  return true;
}

static void from_client(struct pair *p, struct test_proxy_state *state) {
  static char bytes[262144];
  bool slow = atomic_load(&state->mode) == PROXY_SLOW;
  if (slow) poll(NULL, 0, SLOW_MS); // the link's own time
  ssize_t n = recv(p->client, bytes, slow ? SLOW_BYTES : sizeof bytes, 0);
  if (n <= 0) {
    pair_close(p);
    return;
  }
  uint32_t mode = !slow && memmem(bytes, (size_t)n, COMMIT, strlen(COMMIT)) ? atomic_load(&state->mode) : PROXY_PASS;
  if (mode != PROXY_PASS) atomic_fetch_add(&state->cuts, 1);
  if (mode == PROXY_CUT_BEFORE || !all_written(p->server, bytes, n) || mode == PROXY_CUT_BLIND)
    pair_close(p);
  else if (mode != PROXY_PASS)
    p->mode = mode;
}

static void from_server(struct pair *p) {
  static char bytes[262144];
  ssize_t n = recv(p->server, bytes, sizeof bytes, 0);
  if (n <= 0 || p->mode == PROXY_CUT_AFTER)
    pair_close(p);
  else if (p->mode == PROXY_PASS && !all_written(p->client, bytes, n))
    pair_close(p);
}

static void pair_open(struct pair *pairs, int listener, const char *unix_socket, const struct test_proxy_state *state) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  snprintf(to.sun_path, sizeof to.sun_path, "%s", unix_socket);
  int i = 0, client = accept(listener, NULL, NULL), server = socket(AF_UNIX, SOCK_STREAM, 0);
  while (i < PAIRS_MAX && pairs[i].client >= 0) i++;
  if (i < PAIRS_MAX && atomic_load(&state->mode) != PROXY_REFUSE && connect(server, (struct sockaddr *)&to, sizeof to) == 0) {
    pairs[i] = (struct pair){client, server, PROXY_PASS};
    return;
  }
  close(client);
  close(server);
}

static _Noreturn void proxy_run(int listener, const char *unix_socket, struct test_proxy_state *state) {
  static struct pair pairs[PAIRS_MAX];
  for (int i = 0; i < PAIRS_MAX; i++) pairs[i].client = pairs[i].server = -1;
  for (;;) {
    struct pollfd fds[2 * PAIRS_MAX + 1] = {{listener, POLLIN, 0}};
    for (int i = 0; i < PAIRS_MAX; i++) {
      fds[1 + 2 * i] = (struct pollfd){pairs[i].client, POLLIN, 0};
      fds[2 + 2 * i] = (struct pollfd){pairs[i].server, POLLIN, 0};
    }
    if (poll(fds, 2 * PAIRS_MAX + 1, -1) < 0) _exit(1);
    for (int i = 0; i < PAIRS_MAX; i++) {
      if (pairs[i].client >= 0 && fds[1 + 2 * i].revents) from_client(&pairs[i], state);
      if (pairs[i].client >= 0 && fds[2 + 2 * i].revents) from_server(&pairs[i]);
    }
    if (fds[0].revents) pair_open(pairs, listener, unix_socket, state);
  }
}

void test_proxy_start(struct test_proxy *p, const char *unix_socket) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 16) || getsockname(listener, (struct sockaddr *)&at, &size)) fail_msg("no port for the proxy");
  p->port = ntohs(at.sin_port);
  p->state = mmap(NULL, sizeof *p->state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(p->state != MAP_FAILED);
  fflush(NULL);
  p->child = fork();
  assert_true(p->child >= 0);
  if (p->child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    proxy_run(listener, unix_socket, p->state);
  }
  close(listener);
}

void test_proxy_stop(struct test_proxy *p) {
  kill(p->child, SIGKILL);
  waitpid(p->child, NULL, 0);
  munmap(p->state, sizeof *p->state);
}
