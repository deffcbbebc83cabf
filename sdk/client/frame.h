// Frames as bytes: made, checked, walked through. The layouts are hadron/wire.h's. [any]
#ifndef HC_FRAME_H
#define HC_FRAME_H

#include <stdbool.h>

#include "hadron/wire.h"

// CRC-32C (Castagnoli); start with 0, go on with the last result.
uint32_t hc_crc32c(uint32_t crc, const void *bytes, size_t size);

// Sets size and checksum of a frame whose payload of `size` bytes stands right behind it.
void hc_frame_seal(struct hadron_frame *f, uint32_t size);

// The frame at `at`; false: it does not fit, or its checksum says that it is damaged. Bytes are borrowed; `at` on a boundary of 4.
bool hc_frame_read(const uint8_t *at, size_t size, struct hadron_frame *out);

struct hc_messages { // of a DATA or PACKED frame
  struct hadron_message_header header;
  const uint8_t *first;
  uint32_t count;
  uint32_t packed;     // bytes at `first`, where they are packed; else 0
  const uint8_t *text; // the variable part, where the one message has such; else NULL
  uint32_t text_size;
};
// Payload of a DATA or PACKED frame. False: it is none that this version reads, or it says more than it has; packed ones are looked at by the next.
bool hc_messages_read(const struct hadron_frame *f, const uint8_t *payload, struct hc_messages *out);
bool hc_messages_valid(const struct hc_messages *m); // packed: can they be made out?
// Packed messages as they were: count * header.block_length bytes, at most HADRON_PACKET_MAX. False: they are not valid.
bool hc_messages_unpack(const struct hc_messages *m, void *to);

#endif
