// Promise: a TLS listener of the bus lets in who has a good certificate of its role or above and nobody else: no certificate, signed by itself, by
// another authority, expired, not valid yet, revoked, of a lower role: the handshake ends and NNG sees no connection. A certificate that is revoked, or renewed,
// while it listens counts once the listener is opened anew. A listener whose own files are wrong does not start, and says why. All with real
// sockets; the peers are made by hand with mbedTLS.
#include "support/test.h"

#include <dirent.h>
#include <mbedtls/ssl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "bus/hangup.h"
#include "bus/tls.h"
#include "support/cert_party.h"
#include "support/machine.h"
#include "support/tls_peer.h"

static struct test_party party;

static const char *file(const char *name) { return test_party_file(&party, name); }

static struct hd_tls_files files_of(const char *name) { // static texts
  static char certificate[TEST_PARTY_PATH], key[TEST_PARTY_PATH], ca[TEST_PARTY_PATH], crl[TEST_PARTY_PATH];
  snprintf(certificate, sizeof certificate, "%s/ours/%s.crt", party.dir, name);
  snprintf(key, sizeof key, "%s/ours/%s.key", party.dir, name);
  snprintf(ca, sizeof ca, "%s/ours/ca.crt", party.dir);
  snprintf(crl, sizeof crl, "%s/ours/ca.crl", party.dir);
  return (struct hd_tls_files){certificate, key, ca, crl};
}

// ---- a listener that gives back what it is sent

struct echo {
  nng_socket socket;
  nng_listener listener;
  nng_aio *aio;
  uint16_t port;
  struct hd_tls *tls;
  _Atomic uint32_t connections;
};

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *self) {
  (void)pipe, (void)event;
  atomic_fetch_add(&((struct echo *)self)->connections, 1);
}

static void on_message(void *self) { // alternates between receiving and sending back
  struct echo *e = self;
  if (nng_aio_result(e->aio) == NNG_ECLOSED) return;
  nng_msg *message = nng_aio_result(e->aio) ? NULL : nng_aio_get_msg(e->aio);
  nng_aio_set_msg(e->aio, NULL);
  if (message) nng_sendmsg(e->socket, message, NNG_FLAG_NONBLOCK);
  nng_recv_aio(e->socket, e->aio);
}

static void echo_listen(struct echo *e) {
  char url[64];
  snprintf(url, sizeof url, "tls+tcp://127.0.0.1:%u", e->port);
  assert_int_equal(nng_listener_create(&e->listener, e->socket, url), 0);
  assert_int_equal(nng_listener_set_ptr(e->listener, NNG_OPT_TLS_CONFIG, hd_tls_config(e->tls)), 0);
  assert_int_equal(nng_listener_start(e->listener, 0), 0);
}

static void echo_open(struct echo *e, enum hd_cert_role least) {
  struct hd_fault fault = {0};
  struct hd_tls_files files = files_of("host");
  *e = (struct echo){.port = test_port_free()};
  if (hd_tls_open(&files, least, &e->tls, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(nng_rep0_open(&e->socket), 0);
  assert_int_equal(nng_socket_set_size(e->socket, NNG_OPT_RECVMAXSZ, 65536), 0);
  assert_int_equal(nng_pipe_notify(e->socket, NNG_PIPE_EV_ADD_POST, on_pipe, e), 0);
  assert_int_equal(nng_aio_alloc(&e->aio, on_message, e), 0);
  echo_listen(e);
  nng_recv_aio(e->socket, e->aio);
}

static void echo_close(struct echo *e) {
  nng_pipe_notify(e->socket, NNG_PIPE_EV_ADD_POST, NULL, NULL);
  hd_nng_close(e->socket);
  nng_aio_stop(e->aio);
  nng_aio_free(e->aio);
  hd_tls_close(e->tls);
}

// Does a peer with this certificate get an answer? "": none.
static bool answered(const struct echo *e, const char *certificate) {
  char crt[TEST_PARTY_PATH], key[TEST_PARTY_PATH], back[8];
  int handshake;
  snprintf(crt, sizeof crt, "%s/%s.crt", party.dir, certificate);
  snprintf(key, sizeof key, "%s/%s.key", party.dir, certificate);
  struct test_peer_files files = {.certificate = *certificate ? crt : NULL, .key = *certificate ? key : NULL, .ca = file("ours/ca.crt"), .server = "127.0.0.1"};
  struct test_peer *p = test_peer_open(e->port, &files, &handshake);
  bool good = handshake == 0 && test_peer_greet(p, TEST_SP_REQ) && test_peer_request(p, 7, "hello", 5) && test_peer_answer(p, NULL, back, sizeof back, 10000) == 5;
  if (good) assert_memory_equal(back, "hello", 5);
  test_peer_close(p);
  return good;
}

// ---- the tests

static void who_is_let_in(void **state) {
  (void)state;
  static const struct { const char *certificate; enum hd_cert_role role; } peers[] = {
      {"ours/reader", HD_CERT_READ}, {"ours/alpha", HD_CERT_TRADE}, {"ours/boss", HD_CERT_ADMIN}, {"", 0}, {"self", 0}, {"theirs/alpha", 0}, {"expired", 0}, {"early", 0}, {"ours/gone", 0}};
  for (enum hd_cert_role least = HD_CERT_READ; least <= HD_CERT_ADMIN; least++) {
    struct echo e;
    uint32_t good = 0;
    echo_open(&e, least);
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
      bool expected = peers[i].role >= least, found = answered(&e, peers[i].certificate);
      if (found != expected) fail_msg("listener of role %d: \"%s\": expected %s", (int)least, peers[i].certificate, expected ? "an answer" : "none");
      good += found;
    }
    assert_int_equal(e.connections, good);
    echo_close(&e);
  }
}

static void changes(void **state) {
  struct echo e;
  struct hd_fault fault = {0};
  enum hd_tls_change changed;
  (void)state;
  echo_open(&e, HD_CERT_READ);
  assert_true(answered(&e, "ours/eve"));
  assert_int_equal(hd_tls_refresh(e.tls, &changed, &fault), HADRON_OK);
  assert_int_equal(changed, HD_TLS_SAME);
  assert_int_equal(hd_cert_revoke(file("ours"), "eve", NULL, &fault), HADRON_OK);
  assert_true(answered(&e, "ours/eve")); // it listens with what it was given
  assert_int_equal(hd_tls_refresh(e.tls, &changed, &fault), HADRON_OK);
  assert_int_equal(changed, HD_TLS_REVOKED);
  assert_int_equal(nng_listener_close(e.listener), 0);
  echo_listen(&e);
  assert_false(answered(&e, "ours/eve"));
  assert_true(answered(&e, "ours/alpha"));
  // Damaged: the old one stays, and the error is told once.
  char *list = test_party_text(&party, "ours/ca.crl");
  assert_int_equal(hd_file_replace(file("ours/ca.crl"), "damaged", 7, 0644, NULL), HADRON_OK);
  assert_int_equal(hd_tls_refresh(e.tls, &changed, &fault), HADRON_ERR_PARSE);
  assert_non_null(strstr(fault.text, "ca.crl"));
  assert_int_equal(hd_tls_refresh(e.tls, &changed, &fault), HADRON_OK);
  assert_int_equal(changed, HD_TLS_SAME);
  assert_int_equal(hd_cert_check(hd_tls_trust(e.tls), "x", HD_CERT_READ, NULL, NULL, NULL), HADRON_ERR_PERMISSION);
  assert_int_equal(hd_file_replace(file("ours/ca.crl"), list, strlen(list), 0644, NULL), HADRON_OK);
  assert_int_equal(hd_tls_refresh(e.tls, &changed, &fault), HADRON_OK);
  assert_int_equal(changed, HD_TLS_REVOKED);
  free(list);
  // Its own certificate, renewed.
  struct hd_cert_wish again = {.name = "host", .role = HD_CERT_READ, .days = 30, .hosts = {"127.0.0.1"}, .host_count = 1, .renew = true};
  assert_int_equal(hd_cert_issue(file("ours"), &again, NULL, &fault), HADRON_OK);
  assert_int_equal(hd_tls_refresh(e.tls, &changed, &fault), HADRON_OK);
  assert_int_equal(changed, HD_TLS_RENEWED);
  echo_close(&e);
}

static void own_files(void **state) {
  struct hd_tls *tls;
  struct hd_fault fault = {0};
  struct hd_tls_files good = files_of("host"), bad = good;
  (void)state;
  char alpha_certificate[TEST_PARTY_PATH], alpha_key[TEST_PARTY_PATH], expired[TEST_PARTY_PATH], expired_key[TEST_PARTY_PATH];
  snprintf(alpha_certificate, sizeof alpha_certificate, "%s/ours/alpha.crt", party.dir);
  snprintf(alpha_key, sizeof alpha_key, "%s/ours/alpha.key", party.dir);
  snprintf(expired, sizeof expired, "%s/expired.crt", party.dir);
  snprintf(expired_key, sizeof expired_key, "%s/expired.key", party.dir);
  const struct { struct hd_tls_files files; int32_t code; const char *words; } rows[] = {
      {{alpha_certificate, alpha_key, good.ca, good.crl}, HADRON_ERR_STATE, "a server's certificate"},
      {{expired, expired_key, good.ca, good.crl}, HADRON_ERR_STATE, "a server's certificate"},
      {{good.certificate, alpha_key, good.ca, good.crl}, HADRON_ERR_PARSE, "does not belong"},
      {{good.ca, good.key, good.ca, good.crl}, HADRON_ERR_PARSE, "does not belong"},
      {{good.certificate, good.key, alpha_key, good.crl}, HADRON_ERR_PARSE, "expected certificates as PEM"},
      {{good.certificate, good.key, good.ca, alpha_key}, HADRON_ERR_PARSE, "revocation lists"},
      {{good.certificate, good.key, NULL, good.crl}, HADRON_ERR_ARGUMENT, "found no ca"},
      {{good.certificate, "/nowhere.key", good.ca, good.crl}, HADRON_ERR_NOT_FOUND, "/nowhere.key"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(hd_tls_open(&rows[i].files, HD_CERT_READ, &tls, &fault), rows[i].code);
    if (!strstr(fault.text, rows[i].words)) fail_msg("row %zu: expected \"%s\", found \"%s\"", i, rows[i].words, fault.text);
  }
  assert_int_equal(chmod(good.key, 0644), 0);
  assert_int_equal(hd_tls_open(&bad, HD_CERT_READ, &tls, &fault), HADRON_ERR_PERMISSION);
  assert_non_null(strstr(fault.text, "mode 0644"));
  assert_int_equal(chmod(good.key, 0600), 0);
  good.crl = NULL;
  if (hd_tls_open(&good, HD_CERT_ADMIN, &tls, &fault)) fail_msg("%s", fault.text);
  assert_string_equal(hd_tls_own(tls)->name, "host");
  hd_tls_close(tls);
}

enum { HALF_OPEN = 1000 };

// A thousand connections that never become one: half of them say garbage, which ends them at once, the others nothing, until they are closed.
static void half_open(const struct echo *e, struct hd_random *r) {
  static struct test_peer *peers[HALF_OPEN];
  for (int i = 0; i < HALF_OPEN; i++) peers[i] = test_peer_open(e->port, NULL, NULL);
  for (int i = 0; i < HALF_OPEN / 2; i++) {
    unsigned char bytes[64];
    for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (unsigned char)hd_random_next(r);
    test_peer_write(peers[i], bytes, sizeof bytes);
  }
  assert_true(answered(e, "ours/alpha"));
  for (int i = 0; i < HALF_OPEN; i++) test_peer_close(peers[i]);
  assert_true(answered(e, "ours/alpha"));
}

// Half-open, garbage, and a length that nobody has: nothing of it stays.
static uint32_t descriptors(void) {
  uint32_t count = 0;
  DIR *d = opendir("/proc/self/fd");
  assert_non_null(d);
  while (readdir(d)) count++;
  closedir(d);
  return count;
}

// NNG lets go of a connection some time after it has gone: what comes before that is memory besides, and no growth.
static void until_let_go(uint32_t before) {
  for (int64_t start = hd_clock_monotonic_ns(); descriptors() > before;)
    if (hd_clock_monotonic_ns() - start > INT64_C(60000000000)) fail_msg("%u descriptors, %u before: connections that have gone are kept", descriptors(), before);
}

static void hostile(void **state) {
  struct hd_random r = test_random();
  const char *sanitizer = getenv("HADRON_SANITIZE");
  bool counts = !sanitizer || !*sanitizer; // a sanitizer keeps what is freed
  struct echo e;
  (void)state;
  echo_open(&e, HD_CERT_READ);
  assert_true(answered(&e, "ours/alpha"));
  uint64_t before = test_resident_bytes();
  uint32_t files_before = descriptors();
  half_open(&e, &r);
  until_let_go(files_before);
  uint64_t after = test_resident_bytes();
  half_open(&e, &r);
  until_let_go(files_before);
  uint64_t end = test_resident_bytes();
  print_message("1,000 connections that never became one: %+.1f MB resident; 1,000 more: %+.1f MB\n", ((double)after - (double)before) / 1e6, ((double)end - (double)after) / 1e6);
  assert_true(!counts || (after < before + (UINT64_C(128) << 20) && end < after + (UINT64_C(64) << 20))); // one that is kept has more than 64 KB
  // Inside TLS, with a good certificate: 16 GB are claimed.
  struct test_peer_files files = {.certificate = file("ours/alpha.crt"), .key = file("ours/alpha.key"), .ca = file("ours/ca.crt"), .server = "127.0.0.1"};
  int handshake;
  struct test_peer *p = test_peer_open(e.port, &files, &handshake);
  static const unsigned char claim[12] = {0, 0, 0, 4, 0, 0, 0, 0, 0x80, 0, 0, 1};
  assert_true(handshake == 0 && test_peer_greet(p, TEST_SP_REQ) && test_peer_write(p, claim, sizeof claim));
  assert_true(test_peer_gone(p, 10000));
  test_peer_close(p);
  assert_true(!counts || test_resident_bytes() < end + (UINT64_C(16) << 20));
  assert_true(answered(&e, "ours/alpha"));
  echo_close(&e);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(who_is_let_in), cmocka_unit_test(own_files), cmocka_unit_test(changes), cmocka_unit_test(hostile)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
