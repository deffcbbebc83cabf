// Hadron SDK: the wire. What travels between a host and those who are not in it: strategies in another process, on another machine, in
// another language, and whoever only looks. docs/wire.md tells the whole story; this header has the layouts.
//
// A packet (one NNG message) is one frame or several, one behind the other. A frame is this header, then `size` bytes of payload. The payload of
// DATA is an SBE message header, `count` root blocks of that one template, and (count 1) the variable part as sdk/schema/hadron.xml says.
// Everything is little-endian.
//
// Every stream is numbered: a DATA frame with `count` messages has the numbers [sequence, sequence + count). A reader that sees a higher number
// than the next one has found a gap; a lower one is a duplicate; another epoch is another life of the publisher: nothing of the old one counts.
#ifndef HADRON_WIRE_H
#define HADRON_WIRE_H

#include "hadron/message.h"

#define HADRON_WIRE_VERSION 1           // of the protocol; in HELLO
#define HADRON_PACKET_MAX (512 * 1024)  // bytes of a packet, header and all: what a client's NNG_OPT_RECVMAXSZ is made of
#define HADRON_REQUEST_MAX (128 * 1024) // bytes of a request: what the host's is made of
#define HADRON_WINDOW_MAX 4             // NEXT requests of a session that may wait for an answer at a time

// First bytes of every frame, for NNG's prefix subscription.
#define HADRON_TOPIC_SESSION "session" // requests and answers
#define HADRON_TOPIC_TICKS "ticks"     // feed: accepted ticks, stream = shard + 1
#define HADRON_TOPIC_EVENTS "events"   // feed: everything else that the journal tells, stream = 1

enum hadron_frame_kind {
  HADRON_FRAME_INVALID = 0,
  // Both ways.
  HADRON_FRAME_DATA = 1,      // messages
  HADRON_FRAME_HEARTBEAT = 2, // nothing new: `sequence` is the next number; payload int64 host time, ns
  HADRON_FRAME_PACKED = 3,    // DATA, packed (hadron/pack.h): of a host, in a session whose HELLO has "packed": true
  // Requests of a session; each has one answer packet.
  HADRON_FRAME_HELLO = 16,    // JSON; answer WELCOME or REFUSED
  HADRON_FRAME_NEXT = 17,     // `sequence`: everything before it has been received; answer DATA..., HEARTBEAT, LOST or REFUSED
  HADRON_FRAME_DECIDE = 18,   // decisions, numbered by the session from 1; answer ACK
  HADRON_FRAME_REPAIR = 19,   // payload struct hadron_repair; answer DATA..., TOO_OLD or BUSY
  HADRON_FRAME_SNAPSHOT = 20, // of a feed: payload struct hadron_repair with from = to = 0; answer DATA..., HEARTBEAT (what it stands for)
  HADRON_FRAME_ANSWER = 21,   // worker: payload struct hadron_answer and bytes; answer ACK
  HADRON_FRAME_ADMIN = 22,    // JSON, as on the control socket; answer ADMIN with JSON
  HADRON_FRAME_BYE = 23,      // answer ACK
  // Answers.
  HADRON_FRAME_WELCOME = 32,  // JSON
  HADRON_FRAME_REFUSED = 33,  // JSON: code, text
  HADRON_FRAME_ACK = 34,      // `sequence`: the last decision that was taken; payload `count` times struct hadron_refusal
  HADRON_FRAME_TOO_OLD = 35,  // `sequence`: the oldest number that is still there
  HADRON_FRAME_BUSY = 36,     // ask again later: payload int64 nanoseconds
};

struct hadron_frame {
  char topic[8];     // zero-padded
  uint32_t stream;   // feeds: HADRON_TOPIC_*; sessions: their number; 0: none yet
  uint16_t kind;     // enum hadron_frame_kind
  uint16_t count;    // messages in it
  uint64_t epoch;    // of the host, differs with every start; 0 in HELLO
  uint64_t sequence; // see kind
  uint32_t size;     // bytes of payload
  uint32_t crc;      // CRC-32C of this header with crc = 0 and of the payload
};
HADRON_SIZE(hadron_frame, 40);
HADRON_OFFSET(hadron_frame, epoch, 16);

// Where something of a feed is asked for again: [from, to).
struct hadron_repair {
  char topic[8];
  uint32_t stream;
  uint32_t pad;
  uint64_t epoch;
  uint64_t from, to;
};
HADRON_SIZE(hadron_repair, 40);

// A decision that was not taken.
struct hadron_refusal {
  uint64_t number; // the session's
  int32_t code;    // enum hadron_error: ARGUMENT, STATE (stale, silent, fenced), DENIED (not its arm), FULL
  uint32_t pad;
};
HADRON_SIZE(hadron_refusal, 16);

// How long callbacks took, as the payload of a NEXT: for whoever looks at the host. Rows, at most HADRON_MEASURED_MAX.
#define HADRON_MEASURED_MAX 32
struct hadron_measured {
  uint64_t ns;
  uint64_t count;  // so many of them
};
HADRON_SIZE(hadron_measured, 16);

// Head of a worker's answer to an ASK.
struct hadron_answer {
  uint64_t number; // of the ASK
  int32_t code;    // HADRON_OK or what failed; then the bytes are words
  uint32_t offset; // of these bytes in the whole
  uint32_t total;  // bytes of the whole
  uint32_t pad;
};
HADRON_SIZE(hadron_answer, 24);

#endif
