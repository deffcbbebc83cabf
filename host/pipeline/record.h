// Where the pipeline writes what happened: journal, digest, or both; the runtime decides. One message per call, complete, in the
// order of the events. The sink copies what it keeps.
#ifndef HD_PIPELINE_RECORD_H
#define HD_PIPELINE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hadron/message.h"

enum hd_record_flag {
  HD_RECORD_RESERVED = 1, // cancels, fills, kills: may use the space that is kept back when the disk is full
};

struct hd_record_sink {
  void *self;
  // @err HADRON_ERR_IO, HADRON_ERR_FULL: not written; the caller must not let the effect leave the host. [any one thread at a time]
  int32_t (*write)(void *self, uint16_t template_id, const void *block, uint16_t block_size, const void *tail,
                   uint32_t tail_size, int64_t now_ns, uint32_t flags);
  // Waits until the orders that were written are on the disk; NULL: there is nothing to wait for. Only where the gateway holds orders
  // (hd_gateway_hold); elsewhere `write` waits. [trade]
  // @err HADRON_ERR_IO: nobody knows whether they are; they must not leave the host
  int32_t (*sync)(void *self);
};

// Was it written by the desk of the shadows? A byte of the message has a bit that says so: SHADOW is the same bit in all flags, and ids of
// opportunities are above HADRON_SHADOW_ID.
static inline bool hd_record_shadow(uint16_t template_id, const void *block) {
#define HD_FLAGS(type) {offsetof(struct hadron_##type, flags), HADRON_ORDER_SHADOW}
  static const struct {
    uint16_t at;
    uint8_t bit;
  } marks[] = {
      [HADRON_MSG_DECISION] = HD_FLAGS(decision),
      [HADRON_MSG_OPPORTUNITY] = {offsetof(struct hadron_opportunity, id) + 7, HADRON_SHADOW_ID >> 56},
      [HADRON_MSG_INTENT] = HD_FLAGS(intent),
      [HADRON_MSG_ORDER] = HD_FLAGS(order),
      [HADRON_MSG_ORDER_EVENT] = HD_FLAGS(order_event),
      [HADRON_MSG_EXECUTION] = HD_FLAGS(execution),
      [HADRON_MSG_ALLOCATION] = HD_FLAGS(allocation),
      [HADRON_MSG_VENUE_REPORT] = HD_FLAGS(venue_report),
      [HADRON_MSG_SHARE] = HD_FLAGS(order_share),
  };
#undef HD_FLAGS
  if (template_id >= sizeof marks / sizeof *marks) return false;
  return ((const uint8_t *)block)[marks[template_id].at] & marks[template_id].bit;
}

static inline int32_t hd_record(const struct hd_record_sink *sink, uint16_t template_id, const void *block,
                                uint16_t block_size, int64_t now_ns, uint32_t flags) {
  return sink->write(sink->self, template_id, block, block_size, NULL, 0, now_ns, flags);
}

// A block and a text behind it; reserved. A text of HD_RECORD_TEXT_MAX bytes or more is cut.
#define HD_RECORD_TEXT_MAX 4092
int32_t hd_record_text(const struct hd_record_sink *sink, uint16_t template_id, const void *block, uint16_t block_size, const char *text, int64_t now_ns);

#endif
