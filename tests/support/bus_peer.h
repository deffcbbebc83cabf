// The smallest peer of the bus: asks one thing after the other over an NNG REQ socket and hands back the frames of the answer. No logic of its own:
// tests say every number themselves.
#ifndef TEST_SUPPORT_BUS_PEER_H
#define TEST_SUPPORT_BUS_PEER_H

#include <stdatomic.h>

#include <nng/nng.h>

#include "bus/frame.h"

#define BUS_PEER_ASKS 4 // that may be under way

struct bus_peer {
  nng_socket socket;
  nng_ctx contexts[BUS_PEER_ASKS];
  nng_aio *waits[BUS_PEER_ASKS];
  _Atomic bool came[BUS_PEER_ASKS]; // the answer is there
  nng_msg *answer;      // the last one; frames point into it
  size_t at;
  uint32_t session;
  uint64_t epoch, next;
};

void bus_peer_open(struct bus_peer *p, const char *url);
void bus_peer_close(struct bus_peer *p);

// Asks and waits for the answer; its first frame. Fails the test after ten seconds.
struct hd_frame bus_peer_ask(struct bus_peer *p, enum hadron_frame_kind kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size);
// The next frame of the same answer; false: there is none.
bool bus_peer_more(struct bus_peer *p, struct hd_frame *frame);
// The same in two steps, for several at a time. which: 0 .. BUS_PEER_ASKS - 1.
void bus_peer_send(struct bus_peer *p, uint32_t which, enum hadron_frame_kind kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size);
struct hd_frame bus_peer_take(struct bus_peer *p, uint32_t which);

// HELLO; takes over session, epoch and next from WELCOME. Returns the frame (WELCOME or REFUSED).
struct hd_frame bus_peer_hello(struct bus_peer *p, const char *json);
// Asks for what is next until a message of this template comes (HADRON_MSG_INVALID: any); earlier ones are acknowledged. Its block, at most `size` bytes.
struct hd_frame bus_peer_until(struct bus_peer *p, uint16_t template_id, void *block, uint32_t size);
void bus_peer_send_decisions(struct bus_peer *p, uint32_t which, uint64_t number, const struct hadron_decision *d, uint32_t count);
struct hd_frame bus_peer_decide(struct bus_peer *p, uint64_t number, const struct hadron_decision *d, uint32_t count);

// Peers at an ipc address that go in the middle of their greeting, after each number of its bytes. protocol: SP's own number.
void bus_peer_break_off(const char *url, uint8_t protocol);

#endif
