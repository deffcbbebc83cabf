// The shadows' desk, inside the pipeline: pipeline.c has what both desks do, desk.c what only this one needs. Nobody else includes it.
#ifndef HD_PIPELINE_DESK_H
#define HD_PIPELINE_DESK_H

#include "pipeline/pipeline.h"

// pipeline.c: the same callbacks for both.
struct hd_gateway_listener hd_desk_gateway_listener(struct hd_desk *desk);
struct hd_intent_listener hd_desk_intent_listener(struct hd_desk *desk);

// Keeps a shadow's decision, the one with this number of its batch; then merges the batch, one arm after the other.
void hd_desk_keep(struct hd_pipeline *p, const struct hadron_decision *decision, uint32_t at);
void hd_desk_merge(struct hd_pipeline *p, uint32_t count, int64_t now_ns);
void hd_desk_close(struct hd_pipeline *p);

#endif
