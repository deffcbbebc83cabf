// What pipeline.c and pipeline_open.c share: records that are counted when nobody takes them, and how long stages take. Nobody else includes it.
#ifndef HD_PIPELINE_INTERNAL_H
#define HD_PIPELINE_INTERNAL_H

#include "base/clock.h"
#include "pipeline/desk.h"

static inline int32_t hd_pipeline_record(struct hd_pipeline *p, uint16_t template_id, const void *block, size_t size, int64_t now_ns, uint32_t flags) {
  int32_t code = hd_record(&p->sink, template_id, block, (uint16_t)size, now_ns, flags);
  if (code) atomic_fetch_add_explicit(&p->sink_errors, 1, memory_order_relaxed);
  return code;
}
static inline void hd_pipeline_record_text(struct hd_pipeline *p, uint16_t template_id, const void *block, size_t size, const char *text, int64_t now_ns) {
  int32_t code = hd_record_text(&p->sink, template_id, block, (uint16_t)size, text, now_ns);
  if (code) atomic_fetch_add_explicit(&p->sink_errors, 1, memory_order_relaxed);
}

uint64_t hd_stage_note(struct hd_pipeline *p, enum hd_stage stage, uint64_t start);
// Returns when that was: where the next stage follows at once, it began then. start: cycles; 0: it is not measured.
static inline uint64_t hd_stage_end(struct hd_pipeline *p, enum hd_stage stage, uint64_t start) {
  return __builtin_expect(start != 0, 0) ? hd_stage_note(p, stage, start) : 0;
}
// Of the trading side: with threads it has a clock of its own, and the tick's way is measured by who knows both ends.
static inline uint64_t hd_stage_trading(const struct hd_pipeline *p) { return (p->listener.decided ? p->trading : p->started) ? hd_cycles() : 0; }

// What has happened to an arm's instrument goes to its shard; kind 0: its view alone.
void hd_feedback_send(struct hd_pipeline *p, uint32_t kind, uint32_t arm, uint32_t instrument, const void *of, size_t size);

#endif
