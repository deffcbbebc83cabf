// Promise: peers that vanish at any step of their greeting, in any way that TCP or a unix socket knows, keep nobody else out for long: over ipc, tcp, tls+tcp
// and ws whoever comes after them is let in, and a session that is there goes on. And the other way round: a client that met a host which vanished in the
// middle of its greeting comes back once there is a host again. How: the bus with real sockets, dozens of peers made by hand from a seed, and the
// client library; patience is generous, and no time is measured.
#include "support/test.h"

#include <arpa/inet.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/bus.h"
#include "hadron/client.h"
#include "support/cert_party.h"
#include "support/tls_peer.h"

// NNG 1.5 loses what belongs to a connection that is broken in the middle of something: its own.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void); // or the sanitizer does not see it
const char *__lsan_default_suppressions(void) { return "leak:libnng.so\n"; }

#define PATIENCE_NS INT64_C(100000000000)
#define VANISH 60 // peers of each transport; HADRON_TEST_ROUNDS=10 makes as many times more

static struct test_party party;

// ---- what a peer says before it vanishes

struct words {
  uint8_t bytes[1024];
  size_t size;
};

static int keep(void *self, const unsigned char *bytes, size_t size) {
  struct words *w = self;
  if (w->size + size > sizeof w->bytes) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  memcpy(w->bytes + w->size, bytes, size);
  w->size += size;
  return (int)size;
}

static int nothing_yet(void *self, unsigned char *to, size_t size) {
  (void)self, (void)to, (void)size;
  return MBEDTLS_ERR_SSL_WANT_READ;
}

static void client_hello(struct words *w) {
  mbedtls_ssl_context ssl;
  mbedtls_ssl_config config;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&random);
  mbedtls_ssl_init(&ssl);
  mbedtls_ssl_config_init(&config);
  assert_int_equal(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0), 0);
  assert_int_equal(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), 0);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
  mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
  assert_int_equal(mbedtls_ssl_setup(&ssl, &config), 0);
  mbedtls_ssl_set_bio(&ssl, w, keep, nothing_yet, NULL);
  assert_int_equal(mbedtls_ssl_handshake(&ssl), MBEDTLS_ERR_SSL_WANT_READ);
  mbedtls_ssl_free(&ssl);
  mbedtls_ssl_config_free(&config);
  mbedtls_ctr_drbg_free(&random);
  mbedtls_entropy_free(&entropy);
}

static void greeting_of(const char *url, struct words *w) {
  static const char upgrade[] = "GET /bus HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: rep.sp.nanomsg.org\r\n\r\n";
  w->size = 0;
  if (strncmp(url, "tls", 3) == 0) client_hello(w);
  else if (strncmp(url, "ws", 2) == 0) keep(w, (const unsigned char *)upgrade, sizeof upgrade - 1);
  else keep(w, (const unsigned char[8]){0, 'S', 'P', 0, 0, TEST_SP_REQ, 0, 0}, 8);
}

// ---- how it goes

static int reach(const char *url) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bool ipc = strncmp(url, "ipc://", 6) == 0;
  int fd = socket(ipc ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_true(!ipc || strlen(url + 6) < sizeof un.sun_path);
  if (ipc) memcpy(un.sun_path, url + 6, strlen(url + 6));
  else v4.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
  if (connect(fd, ipc ? (struct sockaddr *)&un : (struct sockaddr *)&v4, ipc ? sizeof un : sizeof v4) == 0) return fd;
  close(fd); // it is being opened anew
  return -1;
}

enum way { CLOSES, RESETS, ENDS_AND_RESETS, UNREAD, WAYS };

static void vanish(int fd, enum way way, int wait_ms) {
  const struct linger at_once = {1, 0};
  struct pollfd p = {.fd = fd, .events = POLLIN};
  if (way == UNREAD) poll(&p, 1, wait_ms); // what came is not read: TCP resets
  if (way == ENDS_AND_RESETS) shutdown(fd, SHUT_WR);
  if (way == RESETS || way == ENDS_AND_RESETS) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

static void come_and_go(const char *url, struct hd_random *random) {
  struct words w;
  greeting_of(url, &w);
  int fd = reach(url);
  if (fd < 0) return;
  bool worst = hd_random_below(random, 2); // what NNG takes for its own end, where it is still about to answer
  size_t said = worst ? w.size : hd_random_below(random, w.size + 1);
  if (said > 0) (void)!send(fd, w.bytes, said, MSG_NOSIGNAL);
  vanish(fd, worst ? ENDS_AND_RESETS : (enum way)hd_random_below(random, WAYS), 20);
}

// ---- a host, and who comes afterwards

#define DOORS 4

struct rig {
  char dir[TEST_PATH_SIZE], urls[DOORS][TEST_PATH_SIZE + 32];
  char ca[TEST_PARTY_PATH], certificate[TEST_PARTY_PATH], key[TEST_PARTY_PATH], host_certificate[TEST_PARTY_PATH], host_key[TEST_PARTY_PATH];
  struct hd_bus *bus;
};

static void choose_places(struct rig *g) {
  *g = (struct rig){0};
  test_directory_make(g->dir);
  snprintf(g->ca, sizeof g->ca, "%s/ours/ca.crt", party.dir);
  snprintf(g->certificate, sizeof g->certificate, "%s/ours/alpha.crt", party.dir);
  snprintf(g->key, sizeof g->key, "%s/ours/alpha.key", party.dir);
  snprintf(g->host_certificate, sizeof g->host_certificate, "%s/ours/host.crt", party.dir);
  snprintf(g->host_key, sizeof g->host_key, "%s/ours/host.key", party.dir);
  snprintf(g->urls[0], sizeof g->urls[0], "ipc://%s/door", g->dir);
  snprintf(g->urls[1], sizeof g->urls[1], "tcp://127.0.0.1:%u", test_port_free());
  snprintf(g->urls[2], sizeof g->urls[2], "tls+tcp://127.0.0.1:%u", test_port_free());
  snprintf(g->urls[3], sizeof g->urls[3], "ws://127.0.0.1:%u", test_port_free());
}

static void open_rig(struct rig *g) {
  struct hd_fault fault = {0};
  struct hd_bus_listen listen[DOORS];
  for (size_t i = 0; i < DOORS; i++) listen[i] = (struct hd_bus_listen){.url = g->urls[i], .rights = HD_BUS_TRADE};
  listen[2].certificate = g->host_certificate, listen[2].key = g->host_key, listen[2].ca = g->ca;
  const struct hd_bus_options o = {.host = "test", .listeners = listen, .listener_count = DOORS, .sessions_max = 64, .stale_after_ns = PATIENCE_NS};
  if (hd_bus_create(&o, &g->bus, &fault)) fail_msg("%s", fault.text);
}

static void close_rig(struct rig *g) {
  hd_bus_destroy(g->bus);
  test_directory_remove(g->dir);
}

static struct hadron_client *comes(const struct rig *g, size_t door, const char *name) {
  struct hadron_client *c;
  struct hadron_client_options o = {.struct_size = sizeof o, .url = g->urls[door], .name = name, .version = "1.0.0", .rights = "read"};
  if (door == 2) o.ca = g->ca, o.certificate = g->certificate, o.key = g->key, o.name = "alpha";
  if (hadron_client_open(&o, &c) != HADRON_OK) fail_msg("%s", hadron_client_words());
  return c;
}

// ---- a host that vanishes

static int wait_there(const char *url) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bool ipc = strncmp(url, "ipc://", 6) == 0;
  int fd = socket(ipc ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
  if (ipc) memcpy(un.sun_path, url + 6, strlen(url + 6));
  else v4.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  assert_int_equal(bind(fd, ipc ? (struct sockaddr *)&un : (struct sockaddr *)&v4, ipc ? sizeof un : sizeof v4), 0);
  assert_int_equal(listen(fd, 64), 0);
  return fd;
}

static void turn_away(int fds[DOORS], uint32_t seen[DOORS]) {
  for (size_t i = 0; i < DOORS; i++) {
    int fd = accept4(fds[i], NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) vanish(fd, ENDS_AND_RESETS, 0), seen[i]++;
  }
}

// ---- both

#define EACH 4 // clients of each door

struct comer {
  struct hadron_client *client;
  const char *url;
  bool joined;
};

static void look(struct comer *c, int32_t timeout_ms) {
  struct hadron_event e;
  int32_t code = hadron_client_poll(c->client, timeout_ms, &e);
  if (code == HADRON_ERR_CLOSED) fail_msg("%s: %s", c->url, e.text ? e.text : "closed");
  c->joined |= code == HADRON_OK && e.kind == HADRON_EVENT_JOINED;
}

static void until_joined(struct comer *all, size_t count) {
  int64_t start = hd_clock_monotonic_ns();
  for (size_t left = count; left > 0;) {
    left = 0;
    for (size_t i = 0; i < count; i++) {
      if (!all[i].joined) look(&all[i], 1), left++;
      if (!all[i].joined && hd_clock_monotonic_ns() - start > PATIENCE_NS) fail_msg("%s: client %zu is not let in any more", all[i].url, i);
    }
  }
}

static bool all_seen(const uint32_t seen[DOORS]) {
  for (size_t i = 0; i < DOORS; i++)
    if (seen[i] < EACH) return false;
  return true;
}

static void both_ways(void **state) {
  (void)state;
  struct rig host, later; // later: a doorman first, who turns everybody away in the middle of the greeting
  struct hd_random random = test_random();
  struct comer all[DOORS * (EACH + 1)];
  const char *rounds = getenv("HADRON_TEST_ROUNDS");
  uint64_t vanish_max = VANISH * (rounds ? strtoull(rounds, NULL, 10) : 1);
  uint32_t seen[DOORS] = {0};
  size_t count = 0;
  int fds[DOORS];
  choose_places(&host);
  choose_places(&later);
  open_rig(&host);
  for (size_t i = 0; i < DOORS; i++) fds[i] = wait_there(later.urls[i]);
  for (; count < DOORS * EACH; count++) all[count] = (struct comer){comes(&later, count % DOORS, "after"), later.urls[count % DOORS], false};
  int64_t start = hd_clock_monotonic_ns();
  for (uint64_t round = 0; round < vanish_max || !all_seen(seen); round++) {
    for (size_t i = 0; i < DOORS && round < vanish_max; i++) come_and_go(host.urls[i], &random);
    turn_away(fds, seen);
    for (size_t i = 0; i < count; i++) look(&all[i], 0);
    if (round > vanish_max && hd_clock_monotonic_ns() - start > PATIENCE_NS) fail_msg("clients that were turned away do not come again");
  }
  for (size_t i = 0; i < DOORS; i++) close(fds[i]);
  unlink(later.urls[0] + 6);
  open_rig(&later);
  for (size_t i = 0; i < DOORS; i++) all[count++] = (struct comer){comes(&host, i, "after"), host.urls[i], false};
  until_joined(all, count);
  for (size_t i = 0; i < count; i++) hadron_client_close(all[i].client);
  close_rig(&host);
  close_rig(&later);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(both_ways)};
  test_party_make(&party);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_party_remove(&party);
  return failed;
}
