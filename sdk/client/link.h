// The connection of one REQ socket to a host: dialled again and again, with TLS where the url asks for it, several requests at a time.
// NNG's threads end a call and ring; everything else is on the user's thread.
#ifndef HC_LINK_H
#define HC_LINK_H

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "hadron/client.h"

#define HC_CALLS (HADRON_WINDOW_MAX + 4) // NEXTs, and one each of HELLO, DECIDE, what a feed asks, and all others
#define HC_RESEND_MS 200

// Words of the last failure on this thread.
int32_t hc_fail(int32_t code, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *hc_words(void);

int64_t hc_now_ns(void); // monotonic

// An eventfd: rung from any thread, waited for by one. Ringing twice is as good as once.
struct hc_bell {
  int fd;
  _Atomic bool rung;
};
int32_t hc_bell_init(struct hc_bell *b);
void hc_bell_fini(struct hc_bell *b);
void hc_bell_ring(struct hc_bell *b); // [any]
void hc_bell_clear(struct hc_bell *b);
void hc_bell_wait(struct hc_bell *b, int64_t until_ns); // INT64_MAX: for ever

// Where, and with which certificates. Strings are owned.
struct hc_place {
  char *url, *server_name;
  char *ca, *certificate, *key; // texts of the files; PEM
};
int32_t hc_place_init(struct hc_place *p, const struct hadron_client_options *o, const char *url);
void hc_place_fini(struct hc_place *p);
// A dialer of the socket, with the reconnect times and the TLS of all; started without waiting.
int32_t hc_place_dial(const struct hc_place *p, nng_socket socket, nng_dialer *out);
void hc_socket_defaults(nng_socket socket);

// Which connection a socket has; NNG's threads tell. It lives as long as the socket, which may be longer than whoever opened it (hangup.c).
struct hc_presence {
  nng_socket socket;
  _Atomic uint32_t up;         // generation of the pipe that is there; 0: none
  _Atomic uint32_t generation; // +1 per pipe
  _Atomic uint32_t pipe;       // its id
  pthread_mutex_t lock;
  pthread_cond_t changed;      // up, closed
  struct hc_bell *bell;        // borrowed; NULL: nobody looks any more
  uint32_t broken;             // the connection that was ended for good
  bool closed, left;           // left: nobody waits for `closed`
};
// generation: of the last connection that was told apart before. NULL: no memory.
struct hc_presence *hc_presence_watch(nng_socket socket, struct hc_bell *bell, uint32_t generation);
// Ends the connection from below, so that NNG finds it broken and clears it away by itself. (hangup.c says why)
void hc_hang_up(const struct hc_presence *p, const struct hc_place *place);
// The same, and closes the socket; its contexts are closed and nothing of it is called any more. Waits so long for it, and leaves it to a thread then,
// which ends with the process at the latest: false. p is gone in any case.
#define HC_CLOSE_WAIT INT64_C(3000000000)
bool hc_socket_end(struct hc_presence *p, const struct hc_place *place, int64_t wait_ns);
// Sockets that were left and are not closed yet, of the whole process: some tens of kilobytes and a few descriptors each. With so many no other is opened.
#define HC_LEFT_MAX 64
uint32_t hc_sockets_left(void);

// NNG 1.5 gives up dialling without a word when a connection breaks in the wrong moment of its greeting (EPIPE becomes NNG_ECLOSED, which its dialer takes
// for its own end), and a TLS handshake that stands still is waited for, for ever. So a socket without a connection is given up after a while of its
// owner's own time (a machine that stood still does not count), and another one takes its place; longer each time, until there is one that is of use.
struct hc_patience {
  int64_t looked_ns, waited_ns, limit_ns;
};
#define HC_PATIENCE_MIN INT64_C(3000000000)
#define HC_PATIENCE_MAX INT64_C(24000000000)
void hc_patience_init(struct hc_patience *p);
bool hc_patience_over(struct hc_patience *p, bool fine, int64_t now); // fine: there is nothing to wait for
int64_t hc_patience_due(const struct hc_patience *p, int64_t now);    // when to look again, while it is not fine

enum hc_call_state { HC_IDLE = 0, HC_BUSY = 1, HC_DONE = 2 };

struct hc_call {
  struct hc_link *link;
  nng_ctx ctx;
  nng_aio *send, *recv;
  _Atomic uint32_t state;
  uint16_t kind;                 // enum hadron_frame_kind of the request
  uint64_t serial;               // +1 per request of the link
  uint32_t generation;           // of the connection that it was made for
};

struct hc_link {
  struct hc_place place;
  struct hc_bell *bell;          // borrowed
  nng_socket socket;
  nng_dialer dialer;
  bool open;
  struct hc_presence *presence;  // owned
  uint32_t generation;           // of the last connection of the socket before
  uint64_t serial;
  struct hc_call calls[HC_CALLS];
};

// place: moved on success.
int32_t hc_link_init(struct hc_link *l, struct hc_place *place, struct hc_bell *bell);
void hc_link_fini(struct hc_link *l);
// Another socket in place of this one, which is closed behind it; requests that were under way are given up, and all calls are idle.
int32_t hc_link_renew(struct hc_link *l);
uint32_t hc_link_up(const struct hc_link *l); // generation of the connection; 0: none
void hc_link_drop(struct hc_link *l);         // closes the pipe, where the other side is silent: it is dialled again

// Sends a request: a frame and `size` bytes of payload (two parts, the second may be empty). The call is idle before and busy afterwards.
int32_t hc_call_send(struct hc_call *call, struct hadron_frame *frame, const void *head, size_t head_size, const void *payload, size_t size);
uint32_t hc_call_state(const struct hc_call *call);
// The answer of a call that is done; idle afterwards. NULL: it failed or was given up. Owned by the caller.
nng_msg *hc_call_take(struct hc_call *call);
void hc_call_cancel(struct hc_call *call); // it will be done soon; just when it has left and waits for nothing yet, it may not: say it again

// Bytes of an answer on a boundary of eight, so that messages can be read where they lie.
uint8_t *hc_msg_bytes(nng_msg *msg, size_t *size);

#endif
