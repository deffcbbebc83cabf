// Frames: what every packet on the wire is made of (hadron/wire.h). Writing puts one frame behind the other into memory of the caller; reading
// believes nothing: every field is held against its domain, every length against what is there, every byte against the CRC.
//
// bound  HADRON_PACKET_MAX bytes a packet: what does not fit is said, and the packet stays as it was
// thread [any]; nothing is allocated
#ifndef HD_BUS_FRAME_H
#define HD_BUS_FRAME_H

#include <stdbool.h>

#include "base/fault.h"
#include "hadron/wire.h"

#define HD_FRAME_NONE UINT32_MAX

struct hd_packet {
  uint8_t *bytes; // borrowed
  uint32_t size, room;
  uint32_t open;  // where the frame starts that is being written; HD_FRAME_NONE: none is
};

struct hd_frame {
  struct hadron_frame head;
  const uint8_t *payload; // [0 .. head.size); borrowed(until the packet goes); no particular alignment
};

// What a DATA or DECIDE frame carries.
struct hd_frame_messages {
  uint16_t template_id, block_length;
  uint32_t count;
  const uint8_t *blocks; // count times block_length
  const uint8_t *tail;   // the variable part; with count 1 only
  uint32_t tail_size;
};

static inline void hd_packet_init(struct hd_packet *p, void *bytes, uint32_t room) { *p = (struct hd_packet){bytes, 0, room, HD_FRAME_NONE}; }

// head: topic, stream, kind, count, epoch and sequence count; size and crc are made. False: no room for it.
bool hd_frame_begin(struct hd_packet *p, const struct hadron_frame *head);
// Room for `size` more bytes of payload; NULL: there is none. borrowed(until the next call).
void *hd_frame_more(struct hd_packet *p, uint32_t size);
uint32_t hd_frame_left(const struct hd_packet *p); // bytes that more payload may have
// count: of messages, as it came to be.
void hd_frame_end(struct hd_packet *p, uint16_t count);
void hd_frame_drop(struct hd_packet *p); // as if it had not been begun
// A whole frame. False: no room; nothing was written.
bool hd_frame_put(struct hd_packet *p, const struct hadron_frame *head, const void *payload, uint32_t size);

// Topic, stream and epoch; kind, count and sequence.
struct hadron_frame hd_frame_head(const char *topic, uint32_t stream, uint64_t epoch, enum hadron_frame_kind kind, uint16_t count, uint64_t sequence);
// In front of the blocks of a DATA frame.
struct hadron_message_header hd_frame_header(uint16_t template_id, uint16_t block_length);

// The next frame of a packet; *at: where, 0 for the first one.
// @err HADRON_ERR_END      there are no more
// @err HADRON_ERR_CORRUPT  cut, or its CRC is another
// @err HADRON_ERR_ARGUMENT a field out of its domain
// @err HADRON_ERR_UNSUPPORTED  a kind of frame that this version does not know
int32_t hd_frame_next(const void *packet, size_t size, size_t *at, struct hd_frame *out, struct hd_fault *fault);
// The messages in it. HADRON_ERR_ARGUMENT: it has none, or its lengths do not fit each other; HADRON_ERR_UNSUPPORTED: another schema.
int32_t hd_frame_messages(const struct hd_frame *f, struct hd_frame_messages *out, struct hd_fault *fault);

bool hd_frame_topic_is(const char topic[8], const char *name);

#endif
