#include "support/tls_peer.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "support/test.h"

#define PATIENCE_NS INT64_C(10000000000) // a listener that is opened anew is away for a moment

struct test_peer {
  int fd;
  bool tls;
  mbedtls_ssl_context ssl;
  mbedtls_ssl_config config;
  mbedtls_x509_crt own, ca;
  mbedtls_pk_context key;
};

static int send_bytes(void *context, const unsigned char *bytes, size_t size) {
  ssize_t n = send(((struct test_peer *)context)->fd, bytes, size, MSG_NOSIGNAL);
  return n < 0 ? MBEDTLS_ERR_NET_SEND_FAILED : (int)n;
}

static int receive_bytes(void *context, unsigned char *bytes, size_t size, uint32_t timeout_ms) {
  struct test_peer *p = context;
  struct pollfd wait = {.fd = p->fd, .events = POLLIN};
  if (poll(&wait, 1, timeout_ms ? (int)timeout_ms : -1) == 0) return MBEDTLS_ERR_SSL_TIMEOUT;
  ssize_t n = recv(p->fd, bytes, size, 0);
  return n < 0 ? MBEDTLS_ERR_NET_RECV_FAILED : (int)n;
}

static int start_tls(struct test_peer *p, const struct test_peer_files *f) {
  mbedtls_ssl_config_defaults(&p->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  mbedtls_ssl_conf_rng(&p->config, hd_secret_chance, NULL);
  mbedtls_ssl_conf_authmode(&p->config, f->ca ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_NONE);
  mbedtls_ssl_conf_read_timeout(&p->config, 20000);
  if (f->ca && mbedtls_x509_crt_parse_file(&p->ca, f->ca)) fail_msg("cannot read %s", f->ca);
  mbedtls_ssl_conf_ca_chain(&p->config, &p->ca, NULL);
  if (f->certificate) {
    if (mbedtls_x509_crt_parse_file(&p->own, f->certificate)) fail_msg("cannot read %s", f->certificate);
    if (mbedtls_pk_parse_keyfile(&p->key, f->key, NULL)) fail_msg("cannot read %s", f->key);
    mbedtls_ssl_conf_own_cert(&p->config, &p->own, &p->key);
  }
  if (mbedtls_ssl_setup(&p->ssl, &p->config)) fail_msg("no memory for TLS");
  if (f->server) mbedtls_ssl_set_hostname(&p->ssl, f->server);
  mbedtls_ssl_set_bio(&p->ssl, p, send_bytes, NULL, receive_bytes);
  int error = 0;
  while (p->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER && (!f->stop || p->ssl.state < f->stop) && !error) {
    error = mbedtls_ssl_handshake_step(&p->ssl);
    if (error == MBEDTLS_ERR_SSL_WANT_READ || error == MBEDTLS_ERR_SSL_WANT_WRITE) error = 0;
  }
  return error;
}

struct test_peer *test_peer_open(uint16_t port, const struct test_peer_files *files, int *handshake) {
  struct test_peer *p = calloc(1, sizeof *p);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_non_null(p);
  mbedtls_ssl_init(&p->ssl);
  mbedtls_ssl_config_init(&p->config);
  mbedtls_x509_crt_init(&p->own);
  mbedtls_x509_crt_init(&p->ca);
  mbedtls_pk_init(&p->key);
  for (int64_t start = hd_clock_monotonic_ns();;) {
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd >= 0 && connect(p->fd, (struct sockaddr *)&to, sizeof to) == 0) break;
    if (p->fd < 0 || hd_clock_monotonic_ns() - start > PATIENCE_NS) fail_msg("connecting to port %u: %s", port, strerror(errno));
    close(p->fd);
    sched_yield();
  }
  setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  p->tls = files != NULL;
  int error = files ? start_tls(p, files) : 0;
  if (handshake) *handshake = error;
  return p;
}

void test_peer_close(struct test_peer *p) {
  if (!p) return;
  close(p->fd);
  mbedtls_ssl_free(&p->ssl);
  mbedtls_ssl_config_free(&p->config);
  mbedtls_x509_crt_free(&p->own);
  mbedtls_x509_crt_free(&p->ca);
  mbedtls_pk_free(&p->key);
  free(p);
}

bool test_peer_write(struct test_peer *p, const void *bytes, size_t size) {
  for (const unsigned char *at = bytes; size > 0;) {
    int n = p->tls ? mbedtls_ssl_write(&p->ssl, at, size) : send_bytes(p, at, size);
    if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE) continue;
    if (n <= 0) return false;
    at += n, size -= (size_t)n;
  }
  return true;
}

// Bytes that came; 0: the other side closed; MBEDTLS_ERR_SSL_TIMEOUT: nothing came.
static int read_some(struct test_peer *p, void *to, size_t size, int timeout_ms) {
  if (!p->tls) return receive_bytes(p, to, size, (uint32_t)timeout_ms);
  mbedtls_ssl_conf_read_timeout(&p->config, (uint32_t)timeout_ms);
  int n;
  do n = mbedtls_ssl_read(&p->ssl, to, size);
  while (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE);
  return n;
}

bool test_peer_read(struct test_peer *p, void *to, size_t size, int timeout_ms) {
  for (unsigned char *at = to; size > 0;) {
    int n = read_some(p, at, size, timeout_ms);
    if (n <= 0) return false;
    at += n, size -= (size_t)n;
  }
  return true;
}

bool test_peer_gone(struct test_peer *p, int timeout_ms) {
  unsigned char bytes[4096];
  int n;
  do n = read_some(p, bytes, sizeof bytes, timeout_ms);
  while (n > 0);
  return n != MBEDTLS_ERR_SSL_TIMEOUT;
}

bool test_peer_cut(struct test_peer *p) {
  unsigned char bytes[4096];
  ssize_t n;
  do n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  while (n > 0);
  return n == 0 || (errno != EAGAIN && errno != EINTR);
}

bool test_peer_greet(struct test_peer *p, uint16_t protocol) {
  unsigned char mine[8] = {0, 'S', 'P', 0, (unsigned char)(protocol >> 8), (unsigned char)protocol, 0, 0}, theirs[8];
  return test_peer_write(p, mine, sizeof mine) && test_peer_read(p, theirs, sizeof theirs, 10000) && memcmp(theirs, mine, 4) == 0;
}

bool test_peer_request(struct test_peer *p, uint32_t id, const void *body, size_t size) {
  unsigned char head[12];
  uint64_t length = htobe64(size + 4);
  uint32_t number = htobe32(id | UINT32_C(0x80000000));
  memcpy(head, &length, 8);
  memcpy(head + 8, &number, 4);
  return test_peer_write(p, head, sizeof head) && test_peer_write(p, body, size);
}

int64_t test_peer_answer(struct test_peer *p, uint32_t *id, void *to, size_t room, int timeout_ms) {
  unsigned char head[12];
  uint64_t length;
  uint32_t number;
  if (!test_peer_read(p, head, sizeof head, timeout_ms)) return -1;
  memcpy(&length, head, 8);
  memcpy(&number, head + 8, 4);
  length = be64toh(length);
  if (length < 4 || length - 4 > room || !test_peer_read(p, to, (size_t)length - 4, timeout_ms)) return -1;
  if (id) *id = be32toh(number) & UINT32_C(0x7fffffff);
  return (int64_t)length - 4;
}

bool test_port_listens(uint16_t port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool listens = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
  close(fd);
  return listens;
}

uint16_t test_port_free(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || getsockname(fd, (struct sockaddr *)&at, &size) != 0) fail_msg("no free port: %s", strerror(errno));
  close(fd);
  return ntohs(at.sin_port);
}
