#include "support/chaos.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/random.h"

#define MS INT64_C(1000000)
#define LINKS 32
#define GREETING 8              // SP's own header, once each way
#define MESSAGE_MAX (1 << 20)
#define QUEUE_BYTES (8u << 20)  // more is not read: as a full socket buffer

struct piece {
  struct piece *next;
  int64_t due;
  size_t size, sent;
  uint8_t bytes[];
};

struct way { // one direction
  int from, to;
  bool greeted;
  uint8_t *in;
  size_t in_size;
  struct piece *queue; // by `due`; a piece that is half out stays first
  size_t queued;
};

struct link {
  bool used;
  struct way ways[2];
};

struct proxy {
  struct chaos_state *state;
  struct hd_random random;
  int listener;
  uint16_t to;
  struct link links[LINKS];
};

static bool happens(struct proxy *p, uint32_t per_million) { return per_million > 0 && hd_random_below(&p->random, 1000000) < per_million; }

static void link_close(struct link *l) {
  const struct linger reset = {1, 0};
  setsockopt(l->ways[0].from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(l->ways[0].from);
  close(l->ways[0].to);
  for (int i = 0; i < 2; i++) {
    free(l->ways[i].in);
    for (struct piece *q = l->ways[i].queue, *next; q; q = next) next = q->next, free(q);
  }
  memset(l, 0, sizeof *l);
}

static void enqueue(struct way *w, const uint8_t *bytes, size_t size, int64_t due) {
  struct piece *piece = malloc(sizeof *piece + size), **at = &w->queue;
  HD_ASSERT(piece);
  *piece = (struct piece){.due = due, .size = size};
  memcpy(piece->bytes, bytes, size);
  while (*at && ((*at)->due <= due || (*at)->sent > 0)) at = &(*at)->next;
  piece->next = *at;
  *at = piece;
  w->queued += size;
}

// One whole message. False: the connection is to be cut.
static bool message(struct proxy *p, struct way *w, const uint8_t *bytes, size_t size, int64_t now) {
  struct chaos_state *s = p->state;
  atomic_fetch_add(&s->messages, 1);
  if (happens(p, atomic_load(&s->cut))) {
    atomic_fetch_add(&s->cuts, 1);
    return false;
  }
  if (happens(p, atomic_load(&s->drop))) {
    atomic_fetch_add(&s->dropped, 1);
    return true;
  }
  int copies = happens(p, atomic_load(&s->twice)) ? 2 : 1;
  atomic_fetch_add(&s->repeated, (uint64_t)copies - 1);
  for (; copies > 0; copies--) {
    bool late = happens(p, atomic_load(&s->late));
    atomic_fetch_add(&s->delayed, late);
    enqueue(w, bytes, size, late ? now + (int64_t)hd_random_below(&p->random, atomic_load(&s->delay_ms) + 1) * MS : now);
  }
  return true;
}

static bool cut_up(struct proxy *p, struct way *w, int64_t now) {
  size_t at = 0;
  for (;;) {
    size_t left = w->in_size - at, size = GREETING;
    if (left < GREETING) break;
    if (w->greeted) {
      uint64_t length = 0;
      for (int i = 0; i < 8; i++) length = length << 8 | w->in[at + (size_t)i];
      if (length > MESSAGE_MAX - 8) return false;
      size = 8 + (size_t)length;
      if (left < size) break;
      if (!message(p, w, w->in + at, size, now)) return false;
    } else {
      enqueue(w, w->in, GREETING, now);
      w->greeted = true;
    }
    at += size;
  }
  memmove(w->in, w->in + at, w->in_size - at);
  w->in_size -= at;
  return true;
}

static bool take_in(struct proxy *p, struct way *w, int64_t now) {
  if (w->queued > QUEUE_BYTES) return true;
  ssize_t n = recv(w->from, w->in + w->in_size, MESSAGE_MAX - w->in_size, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  w->in_size += (size_t)n;
  return n > 0 && cut_up(p, w, now);
}

static bool give_out(struct way *w, int64_t now) {
  while (w->queue && (w->queue->due <= now || w->queue->sent > 0)) {
    struct piece *q = w->queue;
    ssize_t n = send(w->to, q->bytes + q->sent, q->size - q->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    q->sent += (size_t)n;
    if (q->sent < q->size) return true;
    w->queue = q->next;
    w->queued -= q->size;
    free(q);
  }
  return true;
}

static void take_link(struct proxy *p) {
  struct link *l = p->links;
  int one = 1, client = accept(p->listener, NULL, NULL), host;
  if (client < 0) return;
  while (l < p->links + LINKS && l->used) l++;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->to), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  host = socket(AF_INET, SOCK_STREAM, 0);
  if (l == p->links + LINKS || atomic_load(&p->state->down) || connect(host, (struct sockaddr *)&to, sizeof to) != 0) {
    close(client), close(host);
    return;
  }
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(host, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  *l = (struct link){.used = true, .ways = {{.from = client, .to = host, .in = malloc(MESSAGE_MAX)}, {.from = host, .to = client, .in = malloc(MESSAGE_MAX)}}};
  HD_ASSERT(l->ways[0].in && l->ways[1].in);
  atomic_fetch_add(&p->state->connections, 1);
}

static void serve(struct proxy *p) {
  struct pollfd fds[1 + 2 * LINKS] = {{.fd = p->listener, .events = POLLIN}};
  bool waits = false;
  for (size_t i = 0; i < LINKS; i++)
    for (size_t k = 0; k < 2; k++) {
      const struct link *l = &p->links[i];
      bool hears = l->used && !atomic_load(&p->state->frozen[k]) && l->ways[k].queued <= QUEUE_BYTES;
      fds[1 + 2 * i + k] = (struct pollfd){.fd = hears ? l->ways[k].from : -1, .events = POLLIN};
      waits |= l->used && l->ways[k].queue;
    }
  poll(fds, 1 + 2 * LINKS, waits ? 1 : 20);
  if (fds[0].revents) take_link(p);
  int64_t now = hd_clock_monotonic_ns();
  for (size_t i = 0; i < LINKS; i++) {
    struct link *l = &p->links[i];
    bool good = !atomic_load(&p->state->down);
    for (size_t k = 0; k < 2 && l->used && good; k++)
      if (!atomic_load(&p->state->frozen[k])) good = (!fds[1 + 2 * i + k].revents || take_in(p, &l->ways[k], now)) && give_out(&l->ways[k], now);
    if (l->used && !good) link_close(l);
  }
}

static int listen_on(uint16_t *port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HD_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0 && getsockname(fd, (struct sockaddr *)&at, &size) == 0);
  *port = ntohs(at.sin_port);
  return fd;
}

uint16_t chaos_free_port(void) {
  uint16_t port;
  close(listen_on(&port));
  return port;
}

void chaos_start(struct chaos *c, uint16_t to, uint64_t seed) {
  int listener = listen_on(&c->port);
  c->state = mmap(NULL, sizeof *c->state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  HD_ASSERT(c->state != MAP_FAILED);
  c->child = fork();
  HD_ASSERT(c->child >= 0);
  if (c->child > 0) {
    close(listener);
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct proxy *p = calloc(1, sizeof *p);
  HD_ASSERT(p);
  p->state = c->state;
  p->listener = listener;
  p->to = to;
  hd_random_init(&p->random, seed);
  for (;;) serve(p);
}

void chaos_stop(struct chaos *c) {
  kill(c->child, SIGKILL);
  waitpid(c->child, NULL, 0);
  munmap(c->state, sizeof *c->state);
}
