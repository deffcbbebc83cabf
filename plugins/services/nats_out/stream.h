// A JetStream stream, as its only writer sees it. Each message says which sequence the stream must have come to before it
// (Nats-Expected-Last-Sequence) and by which message (Nats-Expected-Last-Msg-Id): one that is refused, or lost, is never overtaken by a
// later one, and what a dead connection still brings is refused where it would be a double. So exactly-once and the order hold however old
// a message is; the stream's window for duplicates (Nats-Msg-Id) is the second lock, not the first. The id alone would not do: a server
// that was started anew knows it only for the window, so the first message of a connection goes by the sequence alone, after its stream's
// last message was looked at. The sequence alone would not do: behind a stranger's message the next but one would fit. Several messages
// are under way at once. [plugin]
#ifndef NATS_OUT_STREAM_H
#define NATS_OUT_STREAM_H

#include "link.h"
#include "subject.h"

#define STREAM_NAME_SIZE 64

struct stream_options { // parameters
  char name[STREAM_NAME_SIZE], prefix[PREFIX_SIZE];
  int64_t create, replicas, max_bytes, max_age_ns, window_ns;
};

// The newest message of the stream.
struct stream_last {
  uint64_t sequence;    // 0: the stream has never had one
  int64_t created_ns;   // of the stream: another one of the same name has another
  bool present;         // false: it has been deleted, or has expired; the rest is not known
  bool ours;            // it carries the id of a record
  uint8_t journal[16];
  uint64_t position, next, record_sequence;
  int64_t time_ns;
  char session[33];
};

struct stream_message {
  const char *subject;
  const uint8_t *journal; // 16 bytes
  const void *bytes;
  uint32_t size;
  uint64_t position, next, sequence;
  int64_t time_ns;
  const char *session;
  bool tick;
};

struct stream {
  struct link *link;                     // borrowed
  const struct stream_options *options;  // borrowed
  natsSubscription *acks;
  natsInbox *inbox;
  uint64_t sent, done; // messages of this connection: handed over; stored, all before it too
  uint64_t base;       // the stream's sequence before the first of them
  char before[MESSAGE_ID_SIZE]; // id of the last message of this connection; empty: none yet
  uint64_t tick;       // its sequence of the last tick, these among them; 0: not known
};

// The connected link's stream: made, if the options say so, and looked at.
// @err HADRON_ERR_NOT_FOUND  there is none
// @err HADRON_ERR_CONFIG     it does not take the prefix's subjects, or gives no acknowledgements
int32_t stream_open(struct stream *s, struct link *link, const struct stream_options *options, struct stream_last *last);
void stream_close(struct stream *s); // accepts one that is not open

// Hands a message over; the library may keep it for a moment.
int32_t stream_send(struct stream *s, const struct stream_message *m);

// Waits for acknowledgements, at most `wait_ms` for the first, and takes all that are there. `done` moves.
// @err HADRON_ERR_TIMEOUT  none came
// @err HADRON_ERR_STALE    the stream's end is not where it was: somebody else writes, or what was lost has come after all
// @err HADRON_ERR_FULL     its limits, or the server's disk, let nothing in
int32_t stream_acks(struct stream *s, int64_t wait_ms);

#endif
