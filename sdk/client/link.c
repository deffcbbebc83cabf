#include "link.h"

#include <assert.h>
#include <errno.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

#define RECONNECT_MIN_MS 20
#define RECONNECT_MAX_MS 1000
#define FILE_MAX 65536 // of a certificate or key

static _Thread_local char words[512];

int32_t hc_fail(int32_t code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  return code;
}

const char *hc_words(void) { return words; }

int64_t hc_now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

// ---- the bell

int32_t hc_bell_init(struct hc_bell *b) {
  b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  atomic_store(&b->rung, false);
  return b->fd < 0 ? hc_fail(HADRON_ERR_IO, "eventfd: %s", strerror(errno)) : HADRON_OK;
}

void hc_bell_fini(struct hc_bell *b) {
  if (b->fd >= 0) close(b->fd);
  b->fd = -1;
}

void hc_bell_ring(struct hc_bell *b) {
  if (atomic_exchange(&b->rung, true)) return;
  uint64_t one = 1;
  while (write(b->fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

// Read first, then quiet: a ring between the two is heard by whoever looks for work after this call. Read always: a ringer may have said so
// and not have written yet.
void hc_bell_clear(struct hc_bell *b) {
  uint64_t count;
  while (read(b->fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
  atomic_store(&b->rung, false);
}

void hc_bell_wait(struct hc_bell *b, int64_t until_ns) {
  struct pollfd p = {.fd = b->fd, .events = POLLIN};
  struct timespec wait, *limit = NULL;
  if (until_ns != INT64_MAX) {
    int64_t left = until_ns - hc_now_ns();
    if (left < 0) left = 0;
    wait = (struct timespec){left / 1000000000, left % 1000000000};
    limit = &wait;
  }
  ppoll(&p, 1, limit, NULL); // a signal ends it early, which its callers expect
}

// ---- places

// A key that others may read is no secret.
static int32_t secret_check(const char *path, FILE *f) {
  struct stat is = {0};
  if (fstat(fileno(f), &is) == 0 && S_ISREG(is.st_mode) && !(is.st_mode & 077) && (is.st_uid == geteuid() || is.st_uid == 0)) return HADRON_OK;
  return hc_fail(HADRON_ERR_PERMISSION, "%s: found a key that others may read, or that is another user's (mode %04o); expected mode 0600: chmod 600 it, or issue another one", path, is.st_mode & 07777u);
}

static int32_t file_read(const char *path, bool secret, char **out) {
  if (!path) return HADRON_OK;
  FILE *f = fopen(path, "re");
  if (!f) return hc_fail(HADRON_ERR_IO, "%s: cannot be opened: %s; expected a PEM file that this user can read", path, strerror(errno));
  int32_t code = secret ? secret_check(path, f) : HADRON_OK;
  if (code) {
    fclose(f);
    return code;
  }
  char *text = calloc(1, FILE_MAX + 1);
  size_t size = text ? fread(text, 1, FILE_MAX, f) : 0;
  bool whole = feof(f) && !ferror(f) && size > 0;
  fclose(f);
  if (!whole) {
    free(text);
    return hc_fail(HADRON_ERR_IO, "%s: cannot be read; expected a PEM file of 1 to %d bytes", path, FILE_MAX);
  }
  *out = text;
  return HADRON_OK;
}

int32_t hc_place_init(struct hc_place *p, const struct hadron_client_options *o, const char *url) {
  *p = (struct hc_place){0};
  static const char *const schemes[] = {"ipc://", "tcp://", "tls+tcp://", "ws://", "wss://", "inproc://"};
  bool known = false;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) known |= url && strncmp(url, schemes[i], strlen(schemes[i])) == 0;
  if (!known) return hc_fail(HADRON_ERR_ARGUMENT, "url: found \"%s\", expected ipc://, tcp://, tls+tcp://, ws:// or wss://", url ? url : "");
  bool tls = strncmp(url, "tls", 3) == 0 || strncmp(url, "wss", 3) == 0;
  if (tls && !o->ca)
    return hc_fail(HADRON_ERR_ARGUMENT, "%s: no file of trusted authorities; expected the option `ca` (hadron cert ca makes one)", url);
  if (!o->certificate != !o->key)
    return hc_fail(HADRON_ERR_ARGUMENT, "%s: a certificate and its key come together; found one of them", url);
  int32_t code = file_read(o->ca, false, &p->ca);
  if (code == HADRON_OK) code = file_read(o->certificate, false, &p->certificate);
  if (code == HADRON_OK) code = file_read(o->key, true, &p->key);
  p->url = strdup(url);
  p->server_name = o->server_name ? strdup(o->server_name) : NULL;
  if (code == HADRON_OK && (!p->url || (o->server_name && !p->server_name))) code = hc_fail(HADRON_ERR_MEMORY, "out of memory");
  if (code != HADRON_OK) hc_place_fini(p);
  return code;
}

void hc_place_fini(struct hc_place *p) {
  if (p->key) explicit_bzero(p->key, strlen(p->key));
  free(p->url), free(p->server_name), free(p->ca), free(p->certificate), free(p->key);
  *p = (struct hc_place){0};
}

// A configuration of one's own has no name to hold the certificate to unless it is told: without one any host of the authority would do.
static int tls_name(const struct hc_place *p, nng_tls_config *tls) {
  if (p->server_name) return nng_tls_config_server_name(tls, p->server_name);
  nng_url *url;
  int error = nng_url_parse(&url, p->url);
  if (error) return error;
  error = nng_tls_config_server_name(tls, url->u_hostname);
  nng_url_free(url);
  return error;
}

static int tls_apply(const struct hc_place *p, nng_dialer dialer) {
  if (strncmp(p->url, "tls", 3) != 0 && strncmp(p->url, "wss", 3) != 0) return 0;
  nng_tls_config *tls;
  int error = nng_tls_config_alloc(&tls, NNG_TLS_MODE_CLIENT);
  if (error) return error;
  error = nng_tls_config_auth_mode(tls, NNG_TLS_AUTH_MODE_REQUIRED);
  if (!error) error = nng_tls_config_ca_chain(tls, p->ca, NULL);
  if (!error && p->certificate) error = nng_tls_config_own_cert(tls, p->certificate, p->key, NULL);
  if (!error) error = tls_name(p, tls);
  if (!error) error = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls);
  nng_tls_config_free(tls); // the dialer holds it
  return error;
}

int32_t hc_place_dial(const struct hc_place *p, nng_socket socket, nng_dialer *out) {
  nng_dialer dialer;
  int error = nng_dialer_create(&dialer, socket, p->url);
  if (error) return hc_fail(HADRON_ERR_ARGUMENT, "%s: %s", p->url, nng_strerror(error));
  error = tls_apply(p, dialer);
  if (!error) error = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
  if (error) return hc_fail(HADRON_ERR_IO, "%s: cannot be dialled: %s", p->url, nng_strerror(error));
  *out = dialer;
  return HADRON_OK;
}

void hc_socket_defaults(nng_socket socket) {
  nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, HADRON_PACKET_MAX + 64 * 1024);
  nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
  nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
}

// ---- patience

#define PATIENCE_STEP INT64_C(500000000)

void hc_patience_init(struct hc_patience *p) { *p = (struct hc_patience){.looked_ns = hc_now_ns(), .limit_ns = HC_PATIENCE_MIN}; }

bool hc_patience_over(struct hc_patience *p, bool fine, int64_t now) {
  int64_t passed = now - p->looked_ns;
  p->looked_ns = now;
  p->waited_ns = fine ? 0 : p->waited_ns + (passed < PATIENCE_STEP ? passed : PATIENCE_STEP);
  if (p->waited_ns < p->limit_ns) return false;
  p->waited_ns = 0;
  p->limit_ns = p->limit_ns < HC_PATIENCE_MAX ? 2 * p->limit_ns : HC_PATIENCE_MAX;
  return true;
}

int64_t hc_patience_due(const struct hc_patience *p, int64_t now) {
  int64_t left = p->limit_ns - p->waited_ns;
  return now + (left < PATIENCE_STEP ? left : PATIENCE_STEP);
}

// ---- the link

// [nng]
static void call_done(void *self) {
  struct hc_call *call = self;
  atomic_store_explicit(&call->state, HC_DONE, memory_order_release);
  hc_bell_ring(call->link->bell);
}

// [nng] NNG 1.5 loses track of a request whose answer is asked for before it has left, when both are given up: one after the other, then.
static void call_sent(void *self) {
  struct hc_call *call = self;
  if (nng_aio_result(call->send) == 0) nng_ctx_recv(call->ctx, call->recv);
  else call_done(call);
}

static int calls_open(struct hc_link *l) {
  for (size_t i = 0; i < HC_CALLS; i++) {
    struct hc_call *call = &l->calls[i];
    *call = (struct hc_call){.link = l};
    int error = nng_ctx_open(&call->ctx, l->socket);
    if (!error) error = nng_aio_alloc(&call->send, call_sent, call);
    if (!error) error = nng_aio_alloc(&call->recv, call_done, call);
    if (error) return error;
    nng_ctx_set_ms(call->ctx, NNG_OPT_REQ_RESENDTIME, HC_RESEND_MS);
    nng_aio_set_timeout(call->send, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(call->recv, NNG_DURATION_INFINITE);
  }
  return 0;
}

// None of it waits for a connection: contexts belong to the socket, not to a pipe.
static void calls_close(struct hc_link *l) {
  for (size_t i = 0; i < HC_CALLS; i++) {
    struct hc_call *call = &l->calls[i];
    if (call->send) nng_aio_stop(call->send); // its callback has run, and has begun to receive, or never will
    if (call->recv) nng_aio_stop(call->recv);
    if (hc_call_state(call) != HC_IDLE) nng_msg_free(hc_call_take(call));
    if (call->recv) nng_aio_free(call->recv);
    if (call->send) nng_aio_free(call->send);
    if (nng_ctx_id(call->ctx) > 0) nng_ctx_close(call->ctx);
    *call = (struct hc_call){.link = l};
  }
}

static int32_t socket_open(struct hc_link *l, const struct hc_place *place, uint32_t generation) {
  int error = nng_req0_open(&l->socket);
  if (error) return hc_fail(HADRON_ERR_MEMORY, "%s: no socket: %s", place->url, nng_strerror(error));
  if (!(l->presence = hc_presence_watch(l->socket, l->bell, generation))) {
    nng_close(l->socket); // nothing has been dialled
    return hc_fail(HADRON_ERR_MEMORY, "out of memory");
  }
  l->open = true;
  hc_socket_defaults(l->socket);
  error = calls_open(l);
  return error ? hc_fail(HADRON_ERR_MEMORY, "%s: no contexts: %s", place->url, nng_strerror(error)) : hc_place_dial(place, l->socket, &l->dialer);
}

static bool socket_close(struct hc_link *l, int64_t wait_ns) {
  if (!l->open) return true;
  l->open = false;
  calls_close(l);
  bool closed = hc_socket_end(l->presence, &l->place, wait_ns);
  l->presence = NULL;
  return closed;
}

int32_t hc_link_init(struct hc_link *l, struct hc_place *place, struct hc_bell *bell) {
  *l = (struct hc_link){.bell = bell};
  int32_t code = socket_open(l, place, 0);
  if (code != HADRON_OK) {
    hc_link_fini(l);
    return code;
  }
  l->place = *place;
  *place = (struct hc_place){0};
  return HADRON_OK;
}

int32_t hc_link_renew(struct hc_link *l) {
  if (l->open) l->generation = atomic_load(&l->presence->generation) + 1; // one that comes to the old socket now is not told apart from it
  socket_close(l, 0);
  return socket_open(l, &l->place, l->generation);
}

void hc_link_fini(struct hc_link *l) {
  if (!socket_close(l, HC_CLOSE_WAIT))
    hc_fail(HADRON_ERR_INTERNAL, "%s: NNG does not let go of a connection that is gone: its socket is left, and ends with this process", l->place.url ? l->place.url : "a socket");
  hc_place_fini(&l->place);
}

uint32_t hc_link_up(const struct hc_link *l) { return l->open ? atomic_load(&l->presence->up) : 0; }

void hc_link_drop(struct hc_link *l) {
  if (l->open) hc_hang_up(l->presence, &l->place);
}

// ---- calls

uint32_t hc_call_state(const struct hc_call *call) { return atomic_load_explicit(&call->state, memory_order_acquire); }

int32_t hc_call_send(struct hc_call *call, struct hadron_frame *frame, const void *head, size_t head_size, const void *payload, size_t size) {
  assert(hc_call_state(call) == HC_IDLE && head_size + size <= HADRON_REQUEST_MAX);
  nng_msg *msg;
  size_t all = head_size + size;
  if (nng_msg_alloc(&msg, sizeof *frame + all) != 0) return hc_fail(HADRON_ERR_MEMORY, "out of memory for a request of %zu bytes", all);
  uint8_t *body = nng_msg_body(msg);
  if (head_size) memcpy(body + sizeof *frame, head, head_size);
  if (size) memcpy(body + sizeof *frame + head_size, payload, size);
  memcpy(body, frame, sizeof *frame);
  hc_frame_seal((struct hadron_frame *)(void *)body, (uint32_t)all);
  call->kind = frame->kind;
  call->serial = ++call->link->serial;
  call->generation = hc_link_up(call->link);
  atomic_store_explicit(&call->state, HC_BUSY, memory_order_relaxed);
  nng_aio_set_msg(call->send, msg);
  nng_ctx_send(call->ctx, call->send);
  return HADRON_OK;
}

nng_msg *hc_call_take(struct hc_call *call) {
  nng_msg *answer = NULL;
  if (nng_aio_result(call->send) != 0) { // what did not leave came back
    if (nng_aio_get_msg(call->send)) nng_msg_free(nng_aio_get_msg(call->send));
    nng_aio_set_msg(call->send, NULL);
  } else {
    answer = nng_aio_result(call->recv) == 0 ? nng_aio_get_msg(call->recv) : NULL;
    nng_aio_set_msg(call->recv, NULL);
  }
  atomic_store_explicit(&call->state, HC_IDLE, memory_order_relaxed);
  return answer;
}

void hc_call_cancel(struct hc_call *call) {
  if (hc_call_state(call) != HC_BUSY) return;
  nng_aio_cancel(call->send);
  nng_aio_cancel(call->recv);
}

// NNG takes the four bytes of the request's number off the front of an answer, which leaves the rest on an odd boundary of four. Moved down
// by those four bytes it lies right; what moves was just checked, so it is in the cache. malloc's boundary is 16: the bytes in front are ours.
uint8_t *hc_msg_bytes(nng_msg *msg, size_t *size) {
  uint8_t *body = nng_msg_body(msg);
  size_t off = (uintptr_t)body & 7;
  *size = nng_msg_len(msg);
  if (off != 0) memmove(body - off, body, *size);
  return body - off;
}
