// One session of the bus, without sockets and clocks: what is answered to which request. The server tells it what came and when; it asks the server,
// through its port, for messages, and gives it answers.
//
//   stream     numbered from 1. What was given out is kept until a NEXT acknowledges it, so that it can be given again: after a lost answer
//              (the peer says REWIND) and after a reconnect. `acked <= sent <= made`
//   NEXT       waits until there is something, or for a heartbeat. Its `sequence` acknowledges everything before it
//   DECIDE     exactly once by its numbers: what was handled before is acknowledged again, with the same refusals; a gap is told by the
//              number in the ACK. The ACK waits until what was taken is in the journal
//
//   packets    as much as has gathered, up to packet_max: it doubles while full packets are acknowledged within 30 ms, and is halved where one takes
//              150 ms, so that on a slow link a request is answered before its peer asks again
//
// bound  2 * window packets kept; HADRON_WINDOW_MAX waiting NEXT and HD_SESSION_DECIDES waiting DECIDE: one more, and the oldest is answered
//        at once (HEARTBEAT, BUSY). The last HD_SESSION_REFUSALS refusals are remembered
// thread [bus]; packets that are kept are on the heap. Large ones use the same memory again and again, until nothing comes for a heartbeat
#ifndef HD_BUS_SESSION_H
#define HD_BUS_SESSION_H

#include "base/limits.h"
#include "bus/frame.h"

#define HD_SESSION_KEPT (2 * HADRON_WINDOW_MAX)
#define HD_NEXT_REWIND 1 // NEXT's count: begin again at `sequence`

struct hd_session_port {
  void *self;
  // Fills a packet with what comes next in the stream, as DATA frames from `number` on. Returns how many messages; 0: nothing is there.
  uint32_t (*fill)(void *self, struct hd_packet *packet, uint64_t number);
  // Decisions of one cause, numbered from `number` on; fills codes (HADRON_OK: taken). HADRON_ERR_AGAIN: no room now, nothing was taken.
  int32_t (*decide)(void *self, const struct hadron_decision *decisions, uint32_t count, uint64_t number, int32_t *codes);
  // Number up to which everything that was taken is in the journal, of `handled` ones.
  uint64_t (*settled)(void *self, uint64_t handled);
  // The one answer of a request. packet: borrowed(call)
  void (*answer)(void *self, uint64_t ticket, const void *packet, uint32_t size);
  // The peer is through with everything before this number: a NEXT says it, but not a REWIND, which asks for what has not come. NULL: nobody wants to know.
  void (*handled)(void *self, uint64_t before);
};

struct hd_session_kept {
  uint64_t first, next; // messages [first, next)
  uint8_t *bytes;       // owned
  uint32_t size;
  bool whole;           // bytes has room for HADRON_PACKET_MAX
  int64_t given_ns;     // when it was given out last
};

struct hd_session_wait {
  uint64_t ticket;
  int64_t since_ns;
};

struct hd_session_decide {
  uint64_t ticket, first;
  uint32_t count;
  const uint8_t *blocks; // borrowed(until the ticket is answered)
};

struct hd_session_counts {
  uint64_t sent, acknowledged, repeated; // messages
  uint64_t packets, heartbeats, rewinds;
  uint64_t decisions, refused, duplicates;
};

struct hd_bus_session {
  struct hd_session_port port;
  uint32_t number;              // of the session: `stream` of its frames
  uint32_t window;
  uint64_t epoch;
  int64_t heartbeat_ns;
  uint64_t acked, sent, made;   // numbers: the next one to be acknowledged, given out, made
  struct hd_session_kept kept[HD_SESSION_KEPT]; // [0 .. kept_count), in order
  uint32_t kept_count;
  uint8_t *spare[HD_SESSION_KEPT]; // [0 .. spare_count), of HADRON_PACKET_MAX bytes, while the stream flows; owned
  uint32_t spare_count;
  uint32_t packet_max;          // bytes: what its peer takes quickly
  struct hd_session_wait waiting[HADRON_WINDOW_MAX];
  uint32_t waiting_count;
  struct hd_session_decide decides[HD_SESSION_DECIDES];
  uint32_t decide_count;
  uint64_t handled;             // number of the last decision that was taken or refused
  struct hadron_refusal refusals[HD_SESSION_REFUSALS]; // a ring
  uint64_t refusal_count;
  struct hd_session_counts counts;
};

void hd_bus_session_init(struct hd_bus_session *s, const struct hd_session_port *port, uint32_t number, uint64_t epoch, uint32_t window, int64_t heartbeat_ns);
// Waiting requests must have been dropped.
void hd_bus_session_fini(struct hd_bus_session *s);

// A NEXT or DECIDE that came; every other kind is the server's. The ticket is answered by port.answer, in here or later.
void hd_bus_session_request(struct hd_bus_session *s, uint64_t ticket, const struct hd_frame *frame, int64_t now_ns, int64_t wall_ns);
// Answers what can be answered by now.
void hd_bus_session_work(struct hd_bus_session *s, int64_t now_ns, int64_t wall_ns);
int64_t hd_bus_session_due(const struct hd_bus_session *s); // when a heartbeat is due; INT64_MAX: nobody waits
// The peer is back on another connection and has everything before `next`. HADRON_ERR_NOT_FOUND: that is no longer kept, or was never sent.
int32_t hd_bus_session_resume(struct hd_bus_session *s, uint64_t next);
// The tickets that wait are told and forgotten.
void hd_bus_session_drop(struct hd_bus_session *s, void (*drop)(void *self, uint64_t ticket));
// Does a request wait for messages or for the journal?
static inline bool hd_bus_session_waits(const struct hd_bus_session *s) { return s->waiting_count > 0 || s->decide_count > 0; }

#endif
