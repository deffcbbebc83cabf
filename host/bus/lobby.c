#include "bus/lobby.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "bus/hangup.h"
#include "hadron/error.h"

#define LOOK_NS INT64_C(1000000000)
#define HURRY_NS INT64_C(100000000)
#define TOLD_NS INT64_C(60000000000)
#define DOORS_MAX (2 * HD_BUS_LISTENERS_MAX)

struct address { // of a TCP peer; without holes, to be compared as bytes
  uint8_t ip[16];
  uint16_t family, port; // as the kernel has them; family 0: none
};

struct guest {
  uint32_t pipe;
  bool speaks, seated;
  struct address at;
  int64_t quiet_ns;
};

struct stranger {
  uint64_t cookie;
  int fd;
  int64_t waited_ns;
  uint64_t round; // when it was seen last
};

struct hd_lobby {
  int64_t handshake_ns, quiet_ns;
  pthread_t thread;
  bool running;
  pthread_mutex_t lock; // of what is NNG's and the owners'
  pthread_cond_t changed; // doors, stop
  bool stop;
  struct { const void *owner; uint16_t port; } doors[DOORS_MAX]; // owner NULL: free
  uint32_t door_count;
  struct guest *guests; // [0 .. guest_count); owned
  uint32_t guest_count, guest_room;
  _Atomic uint64_t cut_strangers, cut_guests;
  // [lobby]
  DIR *files; // kept open: when there are no more descriptors it is needed most
  struct stranger strangers[HD_LOBBY_MAX];
  uint32_t stranger_count;
  uint64_t round, told;
  int64_t told_ns;
};

// ---- addresses -------------------------------------------------------------------------------------------------------------------------------

static struct address address_of(const struct sockaddr_storage *from) {
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
  struct address a = {.family = from->ss_family};
  if (a.family == AF_INET) memcpy(a.ip, &v4->sin_addr, sizeof v4->sin_addr), a.port = v4->sin_port;
  else if (a.family == AF_INET6) memcpy(a.ip, &v6->sin6_addr, sizeof v6->sin6_addr), a.port = v6->sin6_port;
  else a.family = 0;
  return a;
}

static struct address address_said(const nng_sockaddr *from) {
  struct address a = {0};
  if (from->s_family == NNG_AF_INET) a.family = AF_INET, memcpy(a.ip, &from->s_in.sa_addr, 4), a.port = from->s_in.sa_port;
  else if (from->s_family == NNG_AF_INET6) a.family = AF_INET6, memcpy(a.ip, from->s_in6.sa_addr, 16), a.port = from->s_in6.sa_port;
  return a;
}

static bool same(const struct address *a, const struct address *b) { return memcmp(a, b, sizeof *a) == 0; }

// ---- who comes and goes ----------------------------------------------------------------------------------------------------------------------

void hd_lobby_watch(struct hd_lobby *l, const void *owner, nng_listener listener) {
  nng_sockaddr at = {0};
  struct address own = {0};
  if (nng_listener_id(listener) > 0 && nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &at) == 0) own = address_said(&at);
  pthread_mutex_lock(&l->lock);
  uint32_t place = DOORS_MAX;
  for (uint32_t i = 0; i < DOORS_MAX; i++) {
    if (l->doors[i].owner == owner) place = i;
    else if (!l->doors[i].owner && place == DOORS_MAX) place = i;
  }
  HD_ASSERT(place < DOORS_MAX);
  l->door_count = l->door_count - (l->doors[place].owner != NULL) + (own.port != 0);
  l->doors[place].owner = own.port ? owner : NULL;
  l->doors[place].port = own.port;
  pthread_cond_signal(&l->changed);
  pthread_mutex_unlock(&l->lock);
}

static struct guest *guest_of(struct hd_lobby *l, uint32_t pipe) {
  for (uint32_t i = 0; i < l->guest_count; i++)
    if (l->guests[i].pipe == pipe) return &l->guests[i];
  return NULL;
}

bool hd_lobby_in(struct hd_lobby *l, nng_pipe pipe, bool speaks) {
  nng_sockaddr at = {0};
  struct guest g = {.pipe = (uint32_t)nng_pipe_id(pipe), .speaks = speaks};
  // Without an address it has gone already, and could not be told from a stranger.
  if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &at) != 0) return nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &at) == 0 && at.s_family == NNG_AF_INPROC;
  g.at = address_said(&at);
  if (!g.at.family) return true; // of this machine
  pthread_mutex_lock(&l->lock);
  bool room = l->guest_count < l->guest_room;
  if (!room) {
    uint32_t more = l->guest_room ? 2 * l->guest_room : 64;
    struct guest *grown = realloc(l->guests, more * sizeof *grown);
    if (grown) l->guests = grown, l->guest_room = more, room = true;
  }
  if (room) l->guests[l->guest_count++] = g;
  pthread_mutex_unlock(&l->lock);
  return room;
}

void hd_lobby_out(struct hd_lobby *l, nng_pipe pipe) {
  pthread_mutex_lock(&l->lock);
  struct guest *g = guest_of(l, (uint32_t)nng_pipe_id(pipe));
  if (g) *g = l->guests[--l->guest_count];
  pthread_mutex_unlock(&l->lock);
}

void hd_lobby_seat(struct hd_lobby *l, uint32_t pipe, bool seated) {
  pthread_mutex_lock(&l->lock);
  struct guest *g = guest_of(l, pipe);
  if (g) g->seated = seated, g->quiet_ns = 0;
  pthread_mutex_unlock(&l->lock);
}

void hd_lobby_heard(struct hd_lobby *l, uint32_t pipe) {
  pthread_mutex_lock(&l->lock);
  struct guest *g = guest_of(l, pipe);
  if (g) g->quiet_ns = 0;
  pthread_mutex_unlock(&l->lock);
}

void hd_lobby_figures(const struct hd_lobby *l, struct hd_lobby_figures *out) { *out = (struct hd_lobby_figures){atomic_load(&l->cut_strangers), atomic_load(&l->cut_guests)}; }

// ---- looking -----------------------------------------------------------------------------------------------------------------------------------

static uint64_t cookie_of(int fd) { // 0: it is no socket
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

static bool has_cookie(int fd, const void *cookie) { return cookie_of(fd) == *(const uint64_t *)cookie; }

// A connection by one of our doors: whose.
static bool came_by_us(struct hd_lobby *l, int fd, struct address *peer) {
  struct sockaddr_storage at = {0};
  socklen_t size = sizeof at;
  bool ours = false;
  if (getsockname(fd, (struct sockaddr *)&at, &size) != 0) return false;
  const struct address own = address_of(&at);
  if (!own.family) return false;
  pthread_mutex_lock(&l->lock);
  for (uint32_t i = 0; i < DOORS_MAX && !ours; i++) ours = l->doors[i].owner && l->doors[i].port == own.port;
  pthread_mutex_unlock(&l->lock);
  memset(&at, 0, sizeof at);
  size = sizeof at;
  if (!ours || getpeername(fd, (struct sockaddr *)&at, &size) != 0) return false; // it listens, or has gone
  *peer = address_of(&at);
  return true;
}

enum who { STRANGER, GUEST, TOO_QUIET };

static enum who who_is(struct hd_lobby *l, const struct address *peer, int64_t passed_ns) {
  enum who who = STRANGER;
  pthread_mutex_lock(&l->lock);
  for (uint32_t i = 0; i < l->guest_count && who == STRANGER; i++) {
    struct guest *g = &l->guests[i];
    if (!same(&g->at, peer)) continue;
    g->quiet_ns += passed_ns;
    who = g->speaks && !g->seated && g->quiet_ns >= l->quiet_ns ? TOO_QUIET : GUEST;
    if (who == TOO_QUIET) g->quiet_ns = 0; // once
  }
  pthread_mutex_unlock(&l->lock);
  return who;
}

static void tell(struct hd_lobby *l, const char *why, const struct address *peer, int64_t now_ns) {
  char text[INET6_ADDRSTRLEN] = "?";
  uint64_t all = atomic_load(&l->cut_strangers) + atomic_load(&l->cut_guests);
  if (l->told && now_ns - l->told_ns < TOLD_NS) return;
  if (peer->family) inet_ntop(peer->family, peer->ip, text, sizeof text);
  hd_log_warn("BUS_SILENT", "a connection from %s was ended: %s; %" PRIu64 " since this was said last, and more within a minute are only counted", text, why, all - l->told);
  l->told = all;
  l->told_ns = now_ns;
}

static void cut(struct hd_lobby *l, int fd, uint64_t cookie, _Atomic uint64_t *count, const char *why, int64_t now_ns) {
  struct sockaddr_storage at = {0};
  socklen_t size = sizeof at;
  const struct address peer = getpeername(fd, (struct sockaddr *)&at, &size) == 0 ? address_of(&at) : (struct address){0}; // for the log alone
  if (!hd_fd_shut(fd, has_cookie, &cookie)) return;
  atomic_fetch_add(count, 1);
  tell(l, why, &peer, now_ns);
}

// A stranger: an old one, or a new one in the place of the one that has been there longest.
static void meet(struct hd_lobby *l, int fd, uint64_t cookie, int64_t passed_ns, int64_t now_ns) {
  uint32_t at = 0, longest = 0;
  while (at < l->stranger_count && l->strangers[at].cookie != cookie) {
    if (l->strangers[at].waited_ns > l->strangers[longest].waited_ns) longest = at;
    at++;
  }
  if (at == HD_LOBBY_MAX) {
    at = longest;
    cut(l, l->strangers[at].fd, l->strangers[at].cookie, &l->cut_strangers, "too many are there that say nothing of use", now_ns);
    l->strangers[at] = (struct stranger){.cookie = cookie, .waited_ns = -passed_ns}; // its time begins now
  } else if (at == l->stranger_count) {
    l->strangers[l->stranger_count++] = (struct stranger){.cookie = cookie, .waited_ns = -passed_ns};
  }
  l->strangers[at].fd = fd;
  l->strangers[at].round = l->round;
}

static void look(struct hd_lobby *l, int64_t passed_ns, int64_t now_ns) {
  l->round++;
  rewinddir(l->files);
  for (const struct dirent *e; (e = readdir(l->files));) {
    struct address peer;
    if (e->d_name[0] == '.') continue;
    int fd = (int)strtol(e->d_name, NULL, 10);
    if (!came_by_us(l, fd, &peer)) continue;
    enum who who = who_is(l, &peer, passed_ns);
    uint64_t cookie = who == GUEST ? 0 : cookie_of(fd);
    if (!cookie) continue;
    if (who == STRANGER) meet(l, fd, cookie, passed_ns, now_ns);
    else cut(l, fd, cookie, &l->cut_guests, "it has no session, and asks for none", now_ns);
  }
  for (uint32_t i = 0; i < l->stranger_count;) {
    struct stranger *s = &l->strangers[i];
    bool gone = s->round != l->round, late = !gone && (s->waited_ns += passed_ns) >= l->handshake_ns;
    if (late) cut(l, s->fd, s->cookie, &l->cut_strangers, "it did not become one of a peer's in time", now_ns);
    if (gone || late) *s = l->strangers[--l->stranger_count];
    else i++;
  }
}

static void *lobby_main(void *argument) {
  struct hd_lobby *l = argument;
  int64_t often_ns = (l->handshake_ns < l->quiet_ns ? l->handshake_ns : l->quiet_ns) / 4, looked_ns = hd_clock_monotonic_ns();
  if (often_ns > LOOK_NS) often_ns = LOOK_NS;
  pthread_mutex_lock(&l->lock);
  while (!l->stop) {
    int64_t wait_ns = l->stranger_count > HD_LOBBY_MAX / 2 && often_ns > HURRY_NS ? HURRY_NS : often_ns;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(wait_ns % 1000000000);
    until.tv_sec += (time_t)(wait_ns / 1000000000) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (l->door_count) pthread_cond_clockwait(&l->changed, &l->lock, CLOCK_MONOTONIC, &until);
    else pthread_cond_wait(&l->changed, &l->lock);
    if (l->stop) break;
    pthread_mutex_unlock(&l->lock);
    int64_t now_ns = hd_clock_monotonic_ns(), passed_ns = now_ns - looked_ns;
    looked_ns = now_ns;
    look(l, passed_ns < 2 * wait_ns ? passed_ns : 2 * wait_ns, now_ns);
    pthread_mutex_lock(&l->lock);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

// ---- life ------------------------------------------------------------------------------------------------------------------------------------------

int32_t hd_lobby_create(int64_t handshake_ns, int64_t quiet_ns, struct hd_lobby **out) {
  struct hd_lobby *l = calloc(1, sizeof *l);
  if (!l) return HADRON_ERR_MEMORY;
  l->handshake_ns = handshake_ns ? handshake_ns : HD_LOBBY_HANDSHAKE_NS;
  l->quiet_ns = quiet_ns ? quiet_ns : HD_LOBBY_QUIET_NS;
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->changed, NULL);
  l->files = opendir("/proc/self/fd");
  int32_t code = l->files ? HADRON_OK : HADRON_ERR_IO;
  if (!code && pthread_create(&l->thread, NULL, lobby_main, l)) code = HADRON_ERR_MEMORY;
  l->running = code == HADRON_OK;
  if (code) {
    hd_lobby_destroy(l);
    return code;
  }
  pthread_setname_np(l->thread, "hd-lobby");
  *out = l;
  return HADRON_OK;
}

void hd_lobby_destroy(struct hd_lobby *l) {
  if (!l) return;
  pthread_mutex_lock(&l->lock);
  l->stop = true;
  pthread_cond_signal(&l->changed);
  pthread_mutex_unlock(&l->lock);
  if (l->running) pthread_join(l->thread, NULL);
  if (l->files) closedir(l->files);
  pthread_cond_destroy(&l->changed);
  pthread_mutex_destroy(&l->lock);
  free(l->guests);
  free(l);
}
