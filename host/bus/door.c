#include "bus/door.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/banned.h"

#define EVERY_NS INT64_C(1000000000)
#define STUCK_NS INT64_C(3000000000) // of its owner's own time: a machine that stood still does not count
#define STEP_NS INT64_C(200000000)
#define KNOCKS 3 // with garbage, in this time: one may fall into the 100 ms for which NNG rests after a failure

enum how { NEVER, GREETING, GARBAGE };

static enum how how_of(const char *url) {
  static const struct { const char *scheme; enum how how; } rows[] = {{"ipc://", GREETING}, {"tcp://", GREETING}, {"tls+tcp://", GARBAGE}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strncmp(url, rows[i].scheme, strlen(rows[i].scheme)) == 0) return rows[i].how;
  return NEVER;
}

void hd_door_close(struct hd_door *d) {
  if (d->fd > 0) close(d->fd);
  d->fd = 0;
  d->sent = d->greeted = false;
  d->waited_ns = 0;
}

// ---- what NNG counts

static uint64_t stat_of(nng_stat *of, const char *name) {
  for (nng_stat *row = nng_stat_child(of); row; row = nng_stat_next(row))
    if (strcmp(nng_stat_name(row), name) == 0) return nng_stat_value(row);
  return 0;
}

void hd_door_failures(nng_listener listener, struct hd_door_failures *out) {
  nng_stat *all;
  *out = (struct hd_door_failures){0};
  if (nng_stats_get(&all)) return;
  // Looked for by hand: nng_stat_find_listener gives the wrong one in 1.5.2.
  for (nng_stat *row = nng_stat_child(all); row; row = nng_stat_next(row)) {
    if (strcmp(nng_stat_name(row), "listener") != 0 || (int)stat_of(row, "id") != nng_listener_id(listener)) continue;
    out->certificate = stat_of(row, "auth");
    out->other = stat_of(row, "other") + stat_of(row, "canceled") + stat_of(row, "timeout") + stat_of(row, "proto") + stat_of(row, "disconnect") + stat_of(row, "oom");
  }
  nng_stats_free(all);
}

// ---- a knock

// Where it listens, as whoever is on this machine reaches it.
static socklen_t address_of(nng_listener listener, struct sockaddr_storage *out) {
  nng_sockaddr at;
  struct sockaddr_un *un = (struct sockaddr_un *)(void *)out;
  struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
  if (nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &at) != 0) return 0;
  memset(out, 0, sizeof *out);
  switch (at.s_family) {
  case NNG_AF_IPC:
    if (strlen(at.s_ipc.sa_path) >= sizeof un->sun_path) return 0;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, at.s_ipc.sa_path, strlen(at.s_ipc.sa_path));
    return sizeof *un;
  case NNG_AF_INET:
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = at.s_in.sa_port, .sin_addr.s_addr = at.s_in.sa_addr ? at.s_in.sa_addr : htonl(INADDR_LOOPBACK)};
    return sizeof *v4;
  case NNG_AF_INET6:
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = at.s_in6.sa_port, .sin6_scope_id = at.s_in6.sa_scope};
    memcpy(&v6->sin6_addr, at.s_in6.sa_addr, sizeof v6->sin6_addr);
    if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) v6->sin6_addr = in6addr_loopback;
    return sizeof *v6;
  default: return 0;
  }
}

static void knock(struct hd_door *d, nng_listener listener, uint64_t seen, int64_t now_ns) {
  struct sockaddr_storage at;
  socklen_t size = address_of(listener, &at);
  if (size == 0) return;
  int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  if (connect(fd, (const struct sockaddr *)&at, size) != 0 && errno != EINPROGRESS) {
    close(fd); // it is shut, or full
    return;
  }
  d->fd = fd;
  d->seen = seen;
  d->looked_ns = now_ns;
}

// All of it at once: nobody may go in the middle of a greeting, we least of all. False: it cannot be said there.
static bool say(struct hd_door *d, enum how how, uint16_t protocol) {
  const uint8_t greeting[8] = {0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0}, garbage[8] = "knocking";
  if (d->sent) return true;
  d->sent = send(d->fd, how == GREETING ? greeting : garbage, sizeof greeting, MSG_NOSIGNAL) == sizeof greeting;
  return d->sent || errno == EAGAIN || errno == ENOTCONN;
}

// ---- looking

static bool greeted(struct hd_door *d, uint64_t accepted) {
  uint8_t theirs[8];
  if (!d->greeted) d->greeted = recv(d->fd, theirs, sizeof theirs, MSG_DONTWAIT) == sizeof theirs;
  return d->greeted && accepted != d->seen;
}

static bool counted(struct hd_door *d, nng_listener listener, uint64_t accepted) {
  struct hd_door_failures now;
  hd_door_failures(listener, &now);
  if (accepted + now.certificate + now.other == d->seen) return false;
  d->own += now.certificate > 0;
  d->other = now.other;
  d->suspect = false;
  return true;
}

// With TLS: something broke off, and nothing has been counted since.
static bool suspect(struct hd_door *d, nng_listener listener, uint64_t accepted, uint64_t *seen) {
  struct hd_door_failures now;
  hd_door_failures(listener, &now);
  *seen = accepted + now.certificate + now.other;
  if (now.other < d->other) d->other = 0; // another listener
  if (now.other == d->other) return d->suspect && *seen == d->seen ? true : (d->suspect = false);
  d->other = now.other;
  d->suspect = true;
  d->seen = *seen;
  return false; // a second later: it rests
}

bool hd_door_stuck(struct hd_door *d, const char *url, nng_listener listener, uint16_t protocol, uint64_t accepted, int64_t now_ns) {
  enum how how = how_of(url);
  uint64_t seen = accepted;
  if (how == NEVER || nng_listener_id(listener) <= 0) return false;
  if (d->fd <= 0) {
    if (now_ns < d->next_ns) return false;
    d->next_ns = now_ns + EVERY_NS;
    if (how == GREETING || suspect(d, listener, accepted, &seen)) knock(d, listener, seen, now_ns);
    if (d->fd > 0 && !say(d, how, protocol)) hd_door_close(d);
    return false;
  }
  int64_t passed = now_ns - d->looked_ns;
  if (how == GARBAGE && passed < STEP_NS) return false; // NNG's figures cost something
  d->looked_ns = now_ns;
  d->waited_ns += passed < STEP_NS ? passed : STEP_NS;
  bool said = say(d, how, protocol), open = said && d->sent && (how == GREETING ? greeted(d, accepted) : counted(d, listener, accepted));
  bool late = d->waited_ns > (how == GREETING ? STUCK_NS : STUCK_NS / KNOCKS), missed = late && said && d->sent && !open;
  if (open || late || !said) hd_door_close(d);
  d->missed = missed ? d->missed + 1 : open ? 0 : d->missed;
  if (missed) d->next_ns = now_ns;
  if (d->missed < (how == GARBAGE ? KNOCKS : 1)) return false;
  *d = (struct hd_door){.next_ns = now_ns + EVERY_NS};
  return true;
}
