// Promise: nobody keeps a descriptor of the host by saying nothing. A connection that has not become a peer's in time is ended, over TLS and without, over
// WebSocket and without, wherever it has stopped: before its first byte, in the middle of its first record, after the server's part of the handshake, after
// all of it, at a byte now and then; so is a peer that neither has a session nor asks for one. Of more than HD_LOBBY_MAX at once the oldest go at once. It is
// counted. Meanwhile a session that has nothing but heartbeats, a subscriber that never says anything, and a connection that is none of the
// listener's go on. How: the bus with real sockets and short times; peers by hand, and the client library.
#include "support/test.h"

#include <errno.h>
#include <mbedtls/ssl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "bus/feed.h"
#include "bus/hangup.h"
#include "bus/lobby.h"
#include "hadron/client.h"
#include "support/bus_rig.h"
#include "support/cert_party.h"
#include "support/tls_peer.h"

// NNG 1.5 loses what belongs to a connection that is broken in the middle of something: its own.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void); // or the sanitizer does not see it
const char *__lsan_default_suppressions(void) { return "leak:libnng.so\n"; }

#define SOON_NS INT64_C(500000000)
#define NEVER_NS INT64_C(3600000000000)

static struct test_party party;

struct rig {
  struct bus_rig bus;
  char url[96], certificate[TEST_PARTY_PATH], key[TEST_PARTY_PATH], ca[TEST_PARTY_PATH];
  char own_certificate[TEST_PARTY_PATH], own_key[TEST_PARTY_PATH];
  uint16_t port;
  bool tls;
};

static void open_rig(struct rig *g, const char *scheme, int64_t handshake_ns, int64_t quiet_ns) {
  *g = (struct rig){.port = test_port_free(), .tls = strcmp(scheme, "tls+tcp") == 0 || strcmp(scheme, "wss") == 0};
  snprintf(g->url, sizeof g->url, "%s://127.0.0.1:%u%s", scheme, g->port, scheme[0] == 'w' ? "/bus" : "");
  snprintf(g->certificate, sizeof g->certificate, "%s/ours/host.crt", party.dir);
  snprintf(g->key, sizeof g->key, "%s/ours/host.key", party.dir);
  snprintf(g->ca, sizeof g->ca, "%s/ours/ca.crt", party.dir);
  snprintf(g->own_certificate, sizeof g->own_certificate, "%s/ours/alpha.crt", party.dir);
  snprintf(g->own_key, sizeof g->own_key, "%s/ours/alpha.key", party.dir);
  struct hd_bus_listen listen = {.url = g->url, .rights = HD_BUS_TRADE};
  if (g->tls) listen.certificate = g->certificate, listen.key = g->key, listen.ca = g->ca;
  const struct hd_bus_options options = {.listeners = &listen, .listener_count = 1, .handshake_ns = handshake_ns, .quiet_ns = quiet_ns};
  bus_rig_open(&g->bus, &options, &(struct hd_bus_expected){.name = "alpha"});
}

// A peer that goes as far as this and no farther. On a busy machine it may be too slow for the short times here: then it comes again, as it would.
static struct test_peer *peer_until(const struct rig *g, int stop) {
  const struct test_peer_files files = {g->own_certificate, g->own_key, g->ca, "127.0.0.1", stop};
  for (int64_t start = hd_clock_monotonic_ns();;) {
    int error = 0;
    struct test_peer *p = test_peer_open(g->port, g->tls ? &files : NULL, &error);
    if (!error) return p;
    test_peer_close(p);
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("handshake: -0x%04x", (unsigned)-error);
  }
}

static struct hadron_client *join(const struct rig *g) {
  struct hadron_client *c;
  struct hadron_event e = {0};
  struct hadron_client_options o = {.struct_size = sizeof o, .url = g->url, .name = "alpha", .version = "1.0.0"};
  if (g->tls) o.ca = g->ca, o.certificate = g->own_certificate, o.key = g->own_key;
  assert_int_equal(hadron_client_open(&o, &c), HADRON_OK);
  for (int64_t start = hd_clock_monotonic_ns(); e.kind != HADRON_EVENT_JOINED; hadron_client_poll(c, 20, &e)) {
    if (e.kind == HADRON_EVENT_CLOSED) fail_msg("closed: %s", e.text);
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("the good one is not let in");
  }
  return c;
}

// Until all of these have ended, the good one being served meanwhile. drip: what the first of them says now and then; NULL: nothing.
static void until_cut(struct test_peer **peers, uint32_t count, struct hadron_client *c, const char *drip, const char *where) {
  struct hadron_event e;
  uint32_t there = count;
  for (int64_t start = hd_clock_monotonic_ns(); there; hadron_client_poll(c, 20, &e)) {
    there = 0;
    for (uint32_t i = 0; i < count; i++) there |= (uint32_t)!test_peer_cut(peers[i]) << i;
    if (drip && (there & 1)) test_peer_write(peers[0], drip, 1);
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("%s: these are never ended: %x", where, there);
  }
}

static void until_counted(struct rig *g, uint64_t count) { // a moment after it is done
  for (int64_t start = hd_clock_monotonic_ns(); bus_rig_refusals(&g->bus).silent < count; sched_yield())
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("%llu were counted, expected %llu", (unsigned long long)bus_rig_refusals(&g->bus).silent, (unsigned long long)count);
}

// ---- strangers

static void strangers(void **state) {
  static const char hello_head[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", request_head[] = "GET /bus HTTP/1.1\r\nHost: x\r\nUpgr";
  struct rig g;
  open_rig(&g, *state, SOON_NS, NEVER_NS);
  const bool web = g.url[0] == 'w';
  struct hadron_client *good = join(&g);
  struct hadron_client_figures before, after;
  hadron_client_figures(good, &before);
  struct test_peer *peers[5];
  uint32_t count = 0;
  peers[count++] = test_peer_open(g.port, NULL, NULL); // a byte now and then; plain tcp reads no more than a greeting, which is answered
  if (g.tls || web) test_peer_write(peers[0], g.tls ? "\x16\x03\x01\x3f\xff" : "GET /", 5);
  peers[count++] = test_peer_open(g.port, NULL, NULL); // not a word
  peers[count++] = test_peer_open(g.port, NULL, NULL); // half a word
  if (g.tls) test_peer_write(peers[2], hello_head, sizeof hello_head - 1);
  else if (web) test_peer_write(peers[2], request_head, sizeof request_head - 1);
  else test_peer_write(peers[2], "\0SP", 3);
  if (g.tls) peers[count++] = peer_until(&g, MBEDTLS_SSL_CLIENT_CERTIFICATE); // it has heard the server
  if (g.tls) peers[count++] = peer_until(&g, 0);                              // and all of it, but no greeting
  until_cut(peers, count, good, g.tls ? "\x01" : web ? "a" : NULL, g.url);
  until_counted(&g, count);
  // Who has a session has noticed nothing, and the next one is let in.
  hadron_client_figures(good, &after);
  assert_int_equal(after.joined, before.joined);
  hadron_client_close(good);
  hadron_client_close(join(&g));
  for (uint32_t i = 0; i < count; i++) test_peer_close(peers[i]);
  bus_rig_close(&g.bus);
}

static void too_many(void **state) {
  enum { MORE = 20 };
  static struct test_peer *peers[HD_LOBBY_MAX + MORE];
  struct rig g;
  struct hadron_event e;
  (void)state;
  open_rig(&g, "tls+tcp", 4 * HD_LOBBY_HANDSHAKE_NS, NEVER_NS); // a look a second, and none of them is late within this test
  struct hadron_client *good = join(&g);
  for (uint32_t i = 0; i < HD_LOBBY_MAX + MORE; i++) peers[i] = test_peer_open(g.port, NULL, NULL);
  uint64_t cut = 0;
  for (int64_t start = hd_clock_monotonic_ns(); cut < MORE; hadron_client_poll(good, 20, &e)) {
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("%llu of %d were ended", (unsigned long long)cut, MORE);
    cut = 0;
    for (uint32_t i = 0; i < HD_LOBBY_MAX + MORE; i++) cut += test_peer_cut(peers[i]);
  }
  hadron_client_close(good);
  hadron_client_close(join(&g)); // and another one is let in
  for (uint32_t i = 0; i < HD_LOBBY_MAX + MORE; i++) test_peer_close(peers[i]);
  bus_rig_close(&g.bus);
}

// ---- guests

static int32_t j_open(void *self, void **cursor) {
  *cursor = self;
  return HADRON_OK;
}
static void j_close(void *self, void *cursor) { (void)self, (void)cursor; }
static int32_t j_seek(void *self, void *cursor, uint64_t position) {
  (void)self, (void)cursor, (void)position;
  return HADRON_OK;
}
static int32_t j_next(void *self, void *cursor, struct hadron_record *r) {
  (void)self, (void)cursor, (void)r;
  return HADRON_ERR_AGAIN;
}
static uint32_t j_shard(void *self, uint32_t instrument) {
  (void)self;
  return instrument & 0;
}

static void guests(void **state) {
  struct rig g;
  struct hd_fault fault = {0};
  char url[64];
  uint16_t port = test_port_free();
  open_rig(&g, *state, NEVER_NS, SOON_NS);
  snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
  const struct hd_bus_listen listen = {.url = url, .rights = HD_BUS_READ};
  const struct hd_feed_options options = {.journal = {&port, j_open, j_close, j_seek, j_next, j_shard}, .listeners = &listen, .listener_count = 1, .shards = 1};
  if (hd_bus_publish(g.bus.bus, &options, &fault)) fail_msg("%s", fault.text);
  struct test_peer *subscriber = test_peer_open(port, NULL, NULL);
  assert_true(test_peer_greet(subscriber, TEST_SP_SUB)); // and that is all that it ever says
  struct hadron_client *good = join(&g);
  struct hadron_client_figures before, after;
  hadron_client_figures(good, &before);
  struct test_peer *quiet = peer_until(&g, 0);
  test_peer_greet(quiet, TEST_SP_REQ);
  for (int64_t start = hd_clock_monotonic_ns(); !test_peer_cut(quiet);) {
    struct hadron_event e;
    hadron_client_poll(good, 20, &e);
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("a peer that never says HELLO is kept");
  }
  until_counted(&g, 1);
  assert_false(test_peer_cut(subscriber));
  hadron_client_figures(good, &after);
  assert_int_equal(after.joined, before.joined);
  test_peer_close(quiet);
  test_peer_close(subscriber);
  hadron_client_close(good);
  bus_rig_close(&g.bus);
}

// ---- a descriptor

static bool is_never(int fd, const void *meant) {
  (void)fd, (void)meant;
  return false;
}

// It is meant at the first look, and another one at the second: as if it had changed hands.
static bool is_once(int fd, const void *meant) {
  int *looks = *(int *const *)meant;
  (void)fd;
  return ++*looks == 1;
}

static bool is_always(int fd, const void *meant) {
  (void)fd, (void)meant;
  return true;
}

static void changed_hands(void **state) {
  int pair[2], looks = 0, *at = &looks;
  char byte;
  (void)state;
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  assert_false(hd_fd_shut(pair[0], is_never, NULL));
  assert_false(hd_fd_shut(pair[0], is_once, &at));
  assert_int_equal(looks, 2);
  assert_int_equal(recv(pair[1], &byte, 1, 0), -1);
  assert_int_equal(errno, EAGAIN); // it goes on
  assert_true(hd_fd_shut(pair[0], is_always, NULL));
  assert_int_equal(recv(pair[1], &byte, 1, 0), 0);
  close(pair[0]);
  close(pair[1]);
}

static int setup(void **state) {
  (void)state;
  test_party_make(&party);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  test_party_remove(&party);
  return 0;
}

int main(void) {
  static char tls[] = "tls+tcp", wss[] = "wss", ws[] = "ws", tcp[] = "tcp";
  const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(strangers, tls), cmocka_unit_test_prestate(strangers, wss), cmocka_unit_test_prestate(strangers, ws),
                                     cmocka_unit_test_prestate(strangers, tcp), cmocka_unit_test(too_many), cmocka_unit_test_prestate(guests, tls), cmocka_unit_test_prestate(guests, tcp),
                                     cmocka_unit_test(changed_hands)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
