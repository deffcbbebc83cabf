// The listeners of the bus: NNG REP sockets with one context per request that may be under way. A request comes into an inbox and waits there for
// [bus]; it has one answer, now or later, and its context takes the next one then.
//
// Contexts, not raw sockets: an answer goes to the peer's pipe without a queue between, which drops nothing and saves three hand-overs from thread
// to thread for every answer (NNG 1.5.2, xrep.c against rep.c). What REQ sends again after 200 ms comes as a new request: sessions are made for that.
//
// bound  HADRON_REQUEST_MAX + 64 KiB a message (NNG believes the length that a peer claims, so nothing larger may be claimed); `requests` contexts a
//        listener: more wait in the peers' own pipes; `pipes` connections: more are closed at the door
// thread NNG's own take what comes; open, close, take, answer [bus], or before it runs and after it has ended
#ifndef HD_BUS_SOCKET_H
#define HD_BUS_SOCKET_H

#include <pthread.h>

#include <nng/nng.h>

#include "base/bell.h"
#include "base/fault.h"
#include "bus/door.h"
#include "bus/bus.h"
#include "bus/lobby.h"
#include "bus/proof.h"
#include "bus/rights.h"
#include "hadron/wire.h"

#define HD_SOCKET_MESSAGE_MAX (HADRON_REQUEST_MAX + 65536)
#define HD_SOCKET_GONE_MAX 256 // connections that were lost between two rounds: of more nothing is told, they fall silent

struct hd_socket;

// What came and waits for its answer.
struct hd_request {
  struct hd_socket *socket;
  nng_ctx context;
  nng_aio *aio;
  nng_msg *message;        // what came; until it is answered
  uint32_t pipe;           // NNG's number of the connection; numbers come again late
  _Atomic bool sending;
  struct hd_request *next; // in the inbox
};

// Where NNG's threads leave what came. One for all listeners.
struct hd_inbox {
  pthread_mutex_t lock;
  struct hd_bell *bell;    // of who takes it; borrowed
  struct hd_request *first, *last;
  uint32_t gone[HD_SOCKET_GONE_MAX];
  uint32_t gone_count;
};

struct hd_socket {
  struct hd_inbox *inbox;  // borrowed
  struct hd_lobby *lobby;  // borrowed
  struct hd_bus_listen listen; // its texts are borrowed
  nng_socket socket;
  nng_listener listener;
  struct hd_request *requests; // owned
  uint32_t request_count, pipes_max;
  struct hd_rights *tokens; // NULL: none are needed
  struct hd_proof *proof;  // TLS: whom it lets in, and who they are; NULL: plain text
  bool shut;               // it should listen and could not
  uint64_t failed_certificate, failed_other; // connections that never became one and were told of
  bool open;
  _Atomic bool closing;
  _Atomic uint32_t pipes, turned_away;
  _Atomic uint64_t accepted; // connections so far
  struct hd_door door;
  _Atomic uint32_t under_way; // answers that NNG has
};

int32_t hd_inbox_init(struct hd_inbox *inbox, struct hd_bell *bell);
void hd_inbox_fini(struct hd_inbox *inbox);
// All that came, oldest first, as a list; gone: connections that were lost, at most HD_SOCKET_GONE_MAX.
struct hd_request *hd_inbox_take(struct hd_inbox *inbox, uint32_t gone[HD_SOCKET_GONE_MAX], uint32_t *gone_count);

// @err HADRON_ERR_ARGUMENT  no such transport, or one that would be open to everybody
// @err HADRON_ERR_IO        it cannot listen there
int32_t hd_socket_open(struct hd_socket *s, struct hd_inbox *inbox, struct hd_lobby *lobby, const struct hd_bus_listen *listen, uint32_t requests, uint32_t pipes, struct hd_fault *fault);
// No more connections and requests; waits for answers that are being sent. What waits for an answer gets none.
void hd_socket_close(struct hd_socket *s);

// One more address of the same socket, on this machine: NNG 1.5.2 lets a listener die with a peer that goes in the middle of its greeting, and
// whoever shares it could come no more. owned by the caller: hd_socket_shut_one, which ends its connections.
int32_t hd_socket_also(struct hd_socket *s, const char *url, nng_listener *out, struct hd_fault *fault);
void hd_socket_shut_one(nng_listener listener);

// Listens anew, with the TLS of today: every connection ends, and comes back by itself. HADRON_ERR_IO: it does not listen; to be tried again.
int32_t hd_socket_reopen(struct hd_socket *s, struct hd_fault *fault);
// The one answer. No memory: none is sent, and the peer asks again.
void hd_request_answer(struct hd_request *r, const void *packet, size_t size);
void hd_request_drop(struct hd_request *r); // without an answer: its connection is gone
void hd_request_hang_up(struct hd_request *r); // without an answer, and its connection is closed
// "tcp 127.0.0.1:4711", "ipc pid 4711": whose request it is.
void hd_request_peer(const struct hd_request *r, char *to, size_t size);
uint32_t hd_request_pid(const struct hd_request *r); // of a peer on this machine; 0: not known

#endif
