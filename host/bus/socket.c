#include "bus/socket.h"

#include <arpa/inet.h>
#include <string.h>

#include <nng/protocol/reqrep0/rep.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/log.h"
#include "bus/hangup.h"

#define SEND_MS 5000

// ---- inbox -------------------------------------------------------------------------------------------------------------------------------

int32_t hd_inbox_init(struct hd_inbox *inbox, struct hd_bell *bell) {
  memset(inbox, 0, sizeof *inbox);
  inbox->bell = bell;
  return pthread_mutex_init(&inbox->lock, NULL) ? HADRON_ERR_MEMORY : HADRON_OK;
}

void hd_inbox_fini(struct hd_inbox *inbox) { pthread_mutex_destroy(&inbox->lock); }

static void inbox_put(struct hd_inbox *inbox, struct hd_request *r) {
  pthread_mutex_lock(&inbox->lock);
  r->next = NULL;
  if (inbox->last) inbox->last->next = r;
  else inbox->first = r;
  inbox->last = r;
  pthread_mutex_unlock(&inbox->lock);
  hd_bell_ring(inbox->bell);
}

struct hd_request *hd_inbox_take(struct hd_inbox *inbox, uint32_t gone[HD_SOCKET_GONE_MAX], uint32_t *gone_count) {
  pthread_mutex_lock(&inbox->lock);
  struct hd_request *first = inbox->first;
  inbox->first = inbox->last = NULL;
  *gone_count = inbox->gone_count;
  memcpy(gone, inbox->gone, inbox->gone_count * sizeof *gone);
  inbox->gone_count = 0;
  pthread_mutex_unlock(&inbox->lock);
  return first;
}

// ---- connections -----------------------------------------------------------------------------------------------------------------------------

// [NNG's] Before a connection counts, and after it has gone. Nothing of the socket may be called from here.
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *argument) {
  struct hd_socket *s = argument;
  if (event == NNG_PIPE_EV_ADD_PRE) {
    atomic_fetch_add(&s->accepted, 1);
    bool room = atomic_fetch_add(&s->pipes, 1) < s->pipes_max;
    if (room && hd_lobby_in(s->lobby, pipe, true)) return;
    if (!room) atomic_fetch_add(&s->turned_away, 1);
    nng_pipe_close(pipe);
    return;
  }
  atomic_fetch_sub(&s->pipes, 1);
  hd_lobby_out(s->lobby, pipe);
  struct hd_inbox *inbox = s->inbox;
  pthread_mutex_lock(&inbox->lock);
  if (inbox->gone_count < HD_SOCKET_GONE_MAX) inbox->gone[inbox->gone_count++] = (uint32_t)nng_pipe_id(pipe);
  pthread_mutex_unlock(&inbox->lock);
  hd_bell_ring(inbox->bell);
}

// ---- requests ------------------------------------------------------------------------------------------------------------------------------

static void receive(struct hd_request *r) {
  if (atomic_load(&r->socket->closing)) return;
  atomic_store(&r->sending, false);
  nng_aio_set_timeout(r->aio, NNG_DURATION_INFINITE);
  nng_ctx_recv(r->context, r->aio);
}

// [NNG's]
static void on_aio(void *argument) {
  struct hd_request *r = argument;
  int error = nng_aio_result(r->aio);
  if (r->sending) {
    if (error) nng_msg_free(nng_aio_get_msg(r->aio)); // the connection is gone: it comes back, and asks again
    nng_aio_set_msg(r->aio, NULL);
    atomic_fetch_sub(&r->socket->under_way, 1);
    receive(r);
    return;
  }
  if (error == NNG_ECLOSED || error == NNG_ECANCELED) return;
  if (error) {
    receive(r);
    return;
  }
  r->message = nng_aio_get_msg(r->aio);
  nng_aio_set_msg(r->aio, NULL);
  r->pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(r->message));
  inbox_put(r->socket->inbox, r);
}

void hd_request_drop(struct hd_request *r) {
  nng_msg_free(r->message);
  r->message = NULL;
  receive(r);
}

void hd_request_hang_up(struct hd_request *r) {
  hd_pipe_hang_up(nng_msg_get_pipe(r->message));
  hd_request_drop(r);
}

void hd_request_answer(struct hd_request *r, const void *packet, size_t size) {
  nng_msg *answer;
  HD_ASSERT(r->message);
  if (nng_msg_alloc(&answer, size)) {
    hd_request_drop(r);
    return;
  }
  memcpy(nng_msg_body(answer), packet, size);
  nng_msg_free(r->message);
  r->message = NULL;
  atomic_store(&r->sending, true);
  atomic_fetch_add(&r->socket->under_way, 1);
  nng_aio_set_timeout(r->aio, SEND_MS); // a peer that takes nothing must not keep a context for ever
  nng_aio_set_msg(r->aio, answer);
  nng_ctx_send(r->context, r->aio);
}

uint32_t hd_request_pid(const struct hd_request *r) {
  uint64_t pid = 0;
  if (nng_pipe_get_uint64(nng_msg_get_pipe(r->message), NNG_OPT_IPC_PEER_PID, &pid)) return 0;
  return (uint32_t)pid;
}

void hd_request_peer(const struct hd_request *r, char *to, size_t size) {
  nng_sockaddr address;
  char text[INET6_ADDRSTRLEN] = "?";
  uint32_t pid = hd_request_pid(r);
  if (pid) {
    snprintf(to, size, "pid %u", pid);
    return;
  }
  if (nng_pipe_get_addr(nng_msg_get_pipe(r->message), NNG_OPT_REMADDR, &address)) {
    snprintf(to, size, "connection %u", r->pipe);
    return;
  }
  uint16_t port = 0;
  if (address.s_family == NNG_AF_INET) {
    inet_ntop(AF_INET, &address.s_in.sa_addr, text, sizeof text);
    port = ntohs(address.s_in.sa_port);
  } else if (address.s_family == NNG_AF_INET6) {
    inet_ntop(AF_INET6, &address.s_in6.sa_addr, text, sizeof text);
    port = ntohs(address.s_in6.sa_port);
  }
  snprintf(to, size, "%s:%u", text, port);
}

// ---- life --------------------------------------------------------------------------------------------------------------------------------------

static int32_t open_requests(struct hd_socket *s, uint32_t requests, struct hd_fault *fault) {
  if (!(s->requests = calloc(requests, sizeof *s->requests))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: %s: no memory for %u requests", s->listen.url, requests);
  for (uint32_t i = 0; i < requests; i++) {
    struct hd_request *r = &s->requests[i];
    r->socket = s;
    int error = nng_aio_alloc(&r->aio, on_aio, r);
    if (!error && (error = nng_ctx_open(&r->context, s->socket))) nng_aio_free(r->aio);
    if (error) return hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: %s: request %u: %s", s->listen.url, i, nng_strerror(error));
    s->request_count = i + 1;
  }
  return HADRON_OK;
}

static bool is_tls(const char *url) { return strncmp(url, "tls", 3) == 0 || strncmp(url, "wss", 3) == 0; }

static int32_t listen_now(struct hd_socket *s, struct hd_fault *fault) {
  const char *url = s->listen.url;
  int error = nng_listener_create(&s->listener, s->socket, url);
  if (error)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "bus: %s: expected an address like ipc:///path, tcp://127.0.0.1:7007 or ws://127.0.0.1:7008/bus, found one that NNG refuses: %s", url, nng_strerror(error));
  nng_listener_set_size(s->listener, NNG_OPT_RECVMAXSZ, HD_SOCKET_MESSAGE_MAX);
  if (strncmp(url, "ipc:", 4) == 0) nng_listener_set_int(s->listener, NNG_OPT_IPC_PERMISSIONS, 0600);
  if (strncmp(url, "tcp:", 4) == 0 || strncmp(url, "tls+tcp:", 8) == 0) nng_listener_set_bool(s->listener, NNG_OPT_TCP_NODELAY, true);
  if (s->proof && (error = nng_listener_set_ptr(s->listener, NNG_OPT_TLS_CONFIG, hd_proof_config(s->proof))))
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "bus: %s: NNG takes no TLS here: %s", url, nng_strerror(error));
  if ((error = nng_listener_start(s->listener, 0))) return hd_fault_set(fault, HADRON_ERR_IO, "bus: %s: cannot listen: %s; is another host there?", url, nng_strerror(error));
  return HADRON_OK;
}

// One that does not listen has no address, and NNG's ws listener cannot be asked for it: it ends here.
static int32_t start(struct hd_socket *s, struct hd_fault *fault) {
  int32_t code = listen_now(s, fault);
  if (code && nng_listener_id(s->listener) > 0) nng_listener_close(s->listener);
  if (code) s->listener = (nng_listener)NNG_LISTENER_INITIALIZER;
  hd_lobby_watch(s->lobby, s, s->listener);
  return code;
}

static void close_rights(struct hd_socket *s) {
  hd_rights_close(s->tokens);
  hd_proof_close(s->proof);
  s->tokens = NULL;
  s->proof = NULL;
}

int32_t hd_socket_open(struct hd_socket *s, struct hd_inbox *inbox, struct hd_lobby *lobby, const struct hd_bus_listen *listen, uint32_t requests, uint32_t pipes, struct hd_fault *fault) {
  memset(s, 0, sizeof *s);
  s->inbox = inbox;
  s->lobby = lobby;
  s->listen = *listen;
  s->pipes_max = pipes + 1; // one is the host's own knock
  int32_t code = hd_listen_check(listen, fault);
  if (code) return code;
  if (listen->tokens && (code = hd_rights_open(listen->tokens, &s->tokens, fault))) return hd_fault_prefix(fault, "bus: %s: ", listen->url);
  if (listen->certificate && is_tls(listen->url)) {
    const struct hd_tls_files files = {listen->certificate, listen->key, listen->ca, listen->crl};
    if ((code = hd_proof_open(&files, HD_CERT_READ, pipes, &s->proof, fault))) {
      close_rights(s);
      return hd_fault_prefix(fault, "bus: %s: ", listen->url);
    }
  }
  int error = nng_rep0_open(&s->socket);
  if (error) {
    close_rights(s);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "bus: %s: %s", listen->url, nng_strerror(error));
  }
  s->open = true;
  nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, HD_SOCKET_MESSAGE_MAX);
  nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_PRE, on_pipe, s);
  nng_pipe_notify(s->socket, NNG_PIPE_EV_REM_POST, on_pipe, s);
  if ((code = open_requests(s, requests, fault))) return code;
  for (uint32_t i = 0; i < s->request_count; i++) receive(&s->requests[i]);
  return start(s, fault);
}

int32_t hd_socket_also(struct hd_socket *s, const char *url, nng_listener *out, struct hd_fault *fault) {
  nng_listener l;
  int error = nng_listener_create(&l, s->socket, url);
  if (!error) error = nng_listener_set_size(l, NNG_OPT_RECVMAXSZ, HD_SOCKET_MESSAGE_MAX);
  if (!error) error = nng_listener_set_int(l, NNG_OPT_IPC_PERMISSIONS, 0600);
  if (!error) error = nng_listener_start(l, 0);
  if (error) return hd_fault_set(fault, HADRON_ERR_IO, "bus: %s: cannot listen: %s", url, nng_strerror(error));
  *out = l;
  return HADRON_OK;
}

void hd_socket_shut_one(nng_listener listener) {
  hd_listener_hang_up(listener);
  nng_listener_close(listener);
}

int32_t hd_socket_reopen(struct hd_socket *s, struct hd_fault *fault) {
  if (nng_listener_id(s->listener) > 0) hd_socket_shut_one(s->listener);
  s->listener = (nng_listener)NNG_LISTENER_INITIALIZER;
  hd_door_close(&s->door);
  return start(s, fault);
}

void hd_socket_close(struct hd_socket *s) {
  if (!s->open) return;
  atomic_store(&s->closing, true);
  hd_door_close(&s->door);
  if (nng_listener_id(s->listener) > 0) hd_socket_shut_one(s->listener);
  for (uint32_t i = 0; i < s->request_count; i++) {
    struct hd_request *r = &s->requests[i];
    if (r->sending) nng_aio_wait(r->aio); // it has SEND_MS to leave
    nng_aio_stop(r->aio);
    nng_ctx_close(r->context);
    nng_msg_free(r->message);
    nng_aio_free(r->aio);
  }
  free(s->requests);
  nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_PRE, NULL, NULL);
  nng_pipe_notify(s->socket, NNG_PIPE_EV_REM_POST, NULL, NULL);
  hd_nng_close(s->socket);
  close_rights(s);
  s->open = false;
}

// ---- what may be listened on -------------------------------------------------------------------------------------------------------------------

// 127.0.0.0/8 by its digits: a name that begins alike may be anywhere.
static bool is_loopback(const char *host, size_t size) {
  char text[64];
  struct in_addr address;
  if (size >= sizeof text) return false;
  memcpy(text, host, size);
  text[size] = 0;
  if (strcmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0) return true;
  return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

int32_t hd_listen_check(const struct hd_bus_listen *listen, struct hd_fault *fault) {
  static const struct { const char *scheme; bool network, tls; } transports[] = {
      {"ipc://", false, false}, {"inproc://", false, false}, {"tcp://", true, false}, {"ws://", true, false}, {"tls+tcp://", true, true}, {"wss://", true, true}};
  for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
    size_t length = strlen(transports[i].scheme);
    if (strncmp(listen->url, transports[i].scheme, length)) continue;
    const char *host = listen->url + length;
    size_t size = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    if (transports[i].network && !transports[i].tls && !is_loopback(host, size) && !listen->insecure)
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "bus: %s: everybody who reaches that address would be heard, and could listen; use tls+tcp:// or wss:// with certificate and ca, "
                          "or say insecure = true", listen->url);
    if (transports[i].tls && (!listen->certificate || !listen->key || !listen->ca))
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "bus: %s: expected certificate, key and ca, found %s; `hadron cert` makes them", listen->url,
                          !listen->certificate ? "no certificate" : !listen->key ? "no key" : "no ca");
    return HADRON_OK;
  }
  return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "bus: expected an address with ipc://, tcp://, tls+tcp://, ws:// or wss://, found \"%s\"", listen->url);
}
