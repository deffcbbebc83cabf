// The connection of one REQ socket to a host: dialled again and again, with TLS where the url asks for it, several requests at a time.
// NNG's threads end a call and ring; everything else is on the user's thread.
#ifndef HC_LINK_H
#define HC_LINK_H

#include <nng/nng.h>
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

// Which connection a socket has; NNG's threads tell.
struct hc_presence {
  struct hc_bell *bell;        // borrowed
  _Atomic uint32_t up;         // generation of the pipe that is there; 0: none
  _Atomic uint32_t generation; // +1 per pipe
  _Atomic uint32_t pipe;       // its id
};
void hc_presence_watch(struct hc_presence *p, nng_socket socket, struct hc_bell *bell);
// Ends the connection from below, so that NNG finds it broken and clears it away by itself. (hangup.c says why)
void hc_hang_up(const struct hc_presence *p, const struct hc_place *place);
// The same, waits until it is gone, and closes the socket.
void hc_socket_end(struct hc_presence *p, const struct hc_place *place, nng_socket socket);

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
  struct hc_presence presence;
  uint64_t serial;
  struct hc_call calls[HC_CALLS];
};

// place: moved on success.
int32_t hc_link_init(struct hc_link *l, struct hc_place *place, struct hc_bell *bell);
void hc_link_fini(struct hc_link *l);
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
