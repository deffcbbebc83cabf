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
};

// Was it written by the desk of the shadows? SHADOW is the same bit in all flags.
static inline bool hd_record_shadow(uint16_t template_id, const void *block) {
  switch (template_id) {
  case HADRON_MSG_DECISION: return ((const struct hadron_decision *)block)->flags & HADRON_ORDER_SHADOW;
  case HADRON_MSG_OPPORTUNITY: return ((const struct hadron_opportunity *)block)->id > HADRON_SHADOW_ID;
  case HADRON_MSG_INTENT: return ((const struct hadron_intent *)block)->flags & HADRON_ORDER_SHADOW;
  case HADRON_MSG_ORDER: return ((const struct hadron_order *)block)->flags & HADRON_ORDER_SHADOW;
  case HADRON_MSG_ORDER_EVENT: return ((const struct hadron_order_event *)block)->flags & HADRON_ORDER_SHADOW;
  case HADRON_MSG_EXECUTION: return ((const struct hadron_execution *)block)->flags & HADRON_ORDER_SHADOW;
  case HADRON_MSG_ALLOCATION: return ((const struct hadron_allocation *)block)->flags & HADRON_ORDER_SHADOW;
  case HADRON_MSG_VENUE_REPORT: return ((const struct hadron_venue_report *)block)->flags & HADRON_ORDER_SHADOW;
  case HADRON_MSG_SHARE: return ((const struct hadron_order_share *)block)->flags & HADRON_ORDER_SHADOW;
  default: return false;
  }
}

static inline int32_t hd_record(const struct hd_record_sink *sink, uint16_t template_id, const void *block,
                                uint16_t block_size, int64_t now_ns, uint32_t flags) {
  return sink->write(sink->self, template_id, block, block_size, NULL, 0, now_ns, flags);
}

// A block and a text behind it; reserved. A text of HD_RECORD_TEXT_MAX bytes or more is cut.
#define HD_RECORD_TEXT_MAX 4092
int32_t hd_record_text(const struct hd_record_sink *sink, uint16_t template_id, const void *block, uint16_t block_size, const char *text, int64_t now_ns);

#endif
