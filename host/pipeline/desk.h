// The shadows' desk, inside the pipeline: pipeline.c and pipeline_open.c have what both desks do, desk.c what only this one needs. Nobody else includes it.
#ifndef HD_PIPELINE_DESK_H
#define HD_PIPELINE_DESK_H

#include "pipeline/pipeline.h"

// pipeline_open.c: the same callbacks for both.
struct hd_gateway_listener hd_desk_gateway_listener(struct hd_desk *desk);
struct hd_intent_listener hd_desk_intent_listener(struct hd_desk *desk);

// Keeps a shadow's decision, the one with this number of its batch; then merges the batch, one arm after the other.
void hd_desk_keep(struct hd_pipeline *p, const struct hadron_decision *decision, uint32_t at);
void hd_desk_merge(struct hd_pipeline *p, uint32_t count, int64_t now_ns);
void hd_desk_close(struct hd_pipeline *p);
uint16_t hd_desk_shadow_venue(const struct hd_pipeline *p); // once the room is open
// The shadow's market cannot know what it was given: reduce-only is left to the check of risk from now on.
void hd_desk_mirrored(struct hd_pipeline *p, uint32_t arm);

// pipeline_open.c, for seat.c: records, alerts, what the arm's strategies are told of an instrument.
int32_t hd_desk_record(struct hd_pipeline *p, uint16_t template_id, const void *block, size_t size, int64_t now_ns);
void hd_desk_alert(struct hd_pipeline *p, uint32_t severity, int32_t code, uint32_t arm, uint32_t instrument, const char *text);
void hd_desk_view(struct hd_pipeline *p, uint32_t arm, uint32_t instrument);
struct hd_arm_view hd_desk_view_of(const struct hd_pipeline *p, uint32_t arm, uint32_t instrument);
void hd_desk_fact(struct hd_pipeline *p, uint32_t instrument);           // the router hears whether it is held
void hd_desk_mark_books(struct hd_pipeline *p, int64_t now_ns);
// seat.c: an arm has no more to do with an instrument: its orders end, what it holds is the heir's (0: the house's).
int32_t hd_desk_give_up(struct hd_pipeline *p, uint32_t arm, uint32_t heir, uint32_t instrument, int64_t now_ns, struct hd_fault *fault);
bool hd_desk_trades(struct hd_pipeline *p, const struct hd_arm *arm, uint32_t instrument); // is it in the arm's split?

#endif
