// A packet that was received: checked as a whole, then given out run by run, where it lies. [one thread]
#ifndef HC_PACKET_H
#define HC_PACKET_H

#include <nng/nng.h>
#include <stdbool.h>

#include "hadron/client.h"

struct hc_packet {
  nng_msg *msg;          // owned
  uint8_t *bytes;        // of it, on a boundary of eight
  size_t size, at;
  uint16_t kind;         // of the first frame
  struct hadron_frame head; // the first frame
  uint64_t from, to;     // messages, of all DATA frames; from = to: none
  uint32_t rows;         // messages in it
  bool packed;           // messages of it may be
  bool heartbeat;        // there is one, saying `next` and the host's time
  bool more;             // snapshots: there are more rows than had room
  uint64_t next;
  int64_t host_ns;
  uint32_t flags;        // enum hadron_event_flag for its events
  void *scratch;         // a frame that does not lie right, copied; owned
};

// msg: moved, in any case. packed: messages of it may be. NULL: it is damaged, or out of memory.
struct hc_packet *hc_packet_open(nng_msg *msg, bool packed);
void hc_packet_free(void *packet);
const void *hc_packet_payload(const struct hc_packet *p); // of the first frame; head.size bytes
// The next run of messages from number `from` on. room: HADRON_PACKET_MAX bytes on a boundary of eight, where packed ones are made out: the event's are there until the
// next call; NULL: it was opened as one that has none. False: there is none left.
bool hc_packet_event(struct hc_packet *p, uint64_t from, void *room, struct hadron_event *out);

#endif
