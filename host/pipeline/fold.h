// Fold: the trading side made anew from the records that earlier runs wrote, and the engines fed again with what they were fed then.
//
//   begin    sets aside what the session has built (books, arms): the fold has the numbers of the journal
//   record   one record, in the order of the journal. Orders, executions, books, arms, ids and the kill switch are taken as recorded; ticks,
//            timers, allocations and order events go to the instances, whose decisions go nowhere
//   adopt    the arms of the session take over what the arms of the journal had; nothing has been recorded or sent so far
//   resume   what was under way: records are written and orders asked for from here on
//
// An arm of the journal is the session's arm of the same name, the same version rather than another one. Between two runs in one journal the
// arms change their numbers at the record RECOVERED, by the same rule. What an arm that trades leaves without a successor is the house's.
//
// takes  records                            gives  the pipeline's state
// bound  the pipeline's own                 full   HADRON_ERR_FULL: the journal does not fit this configuration
// thread [control], before ticks flow
#ifndef HD_PIPELINE_FOLD_H
#define HD_PIPELINE_FOLD_H

#include "hadron/ext/journal.h"
#include "pipeline/image.h"
#include "pipeline/pipeline.h"

struct hd_fold_options {
  // Of this run: the names of its venues, by number from 1.
  const char *const *venues;
  uint32_t venue_count;
  uint16_t shadow_venue;                    // 0: none
  bool (*gone)(void *user, uint16_t venue); // did what rested at the venue end with the host?
  void *user;
};

#define HD_FOLD_INTENTS 64 // an order follows its intent closely
#define HD_FOLD_DECISIONS 256 // an opportunity its decisions

// What a shard's strategies were told and had not heard yet.
struct hd_fold_shard {
  struct hd_feedback *pieces;               // [0 .. count); owned
  uint32_t first, count, room;
  uint32_t owed;                            // heard before their records were written: an allocation is told, then recorded
};

struct hd_fold {
  struct hd_pipeline *p;                    // borrowed
  struct hd_fold_options options;
  // What the session has built, in its numbers.
  struct hd_portfolio fresh;
  struct hd_arm *arms;
  struct hadron_arm_definition *definitions;
  uint32_t arm_count;
  // The arms of the run whose records are being read, until its RECOVERED says that they hold.
  struct hadron_arm_definition *pending;
  uint32_t pending_count;                   // highest number
  bool begun;                               // a SESSION without its RECOVERED yet
  uint32_t *map;                            // [arm of the journal] -> of this session; 0: none
  bool *stateless;                          // [arm of this session]: a state was handed to it that cannot be had
  uint16_t venue_map[HD_VENUES_MAX + 2];    // number in the journal -> of this run
  // Of the order that comes next, and of the execution that came last.
  struct hadron_client_order_id part_id;
  struct hd_share parts[HD_SHARES_MAX];
  uint32_t part_count;
  struct { uint64_t intent, opportunity; } intents[HD_FOLD_INTENTS];
  uint32_t intent_at;
  struct hadron_decision *decisions;        // the last ones; [HD_FOLD_DECISIONS]
  uint32_t decision_at;
  struct hadron_venue_report report;        // the last one, if nothing of the trading side came behind it
  bool report_open;
  struct hadron_execution execution;   // the last one
  struct hadron_client_order_id executed;   // the last execution's order, until its order event came
  bool executed_open, executed_bust, executed_shadow;
  uint32_t told;                            // allocations of it
  // Runs with threads: ticks and feedback are in each shard's own order (HEARD).
  struct hd_fold_shard *shards;             // [shard]; owned
  bool threads;                             // of the run that is being read, on as many shards as this one
  uint64_t nothing;                         // an execution whose allocations are not booked: it takes back what is in no record; 0: none
  // Of an image: reads what the strategies knew, once it is known whose is what; NULL: nothing of that kind is at its beginning.
  int32_t (*states)(void *user, struct hd_image *m);
  void *states_user;
  // Counts.
  uint64_t records, ticks, timers_lost, skipped, differences;
  uint32_t ended;                           // decisions that waited for an order, of arms that are gone
  uint64_t last_sequence;
  int64_t last_ns;                          // when the last record was appended
};

struct hd_folded {
  struct hd_gateway_recovered orders;
  uint32_t arms_lost;                       // arms that trade, without a successor
};

int32_t hd_fold_begin(struct hd_fold *f, struct hd_pipeline *p, const struct hd_fold_options *options, struct hd_fault *fault);
int32_t hd_fold_record(struct hd_fold *f, const struct hadron_record *record, struct hd_fault *fault);
// The same state as an image, taken of a pipeline at a quiet point, and put into a fold that has begun, instead of the records up to there.
// venues: names by number from 1. HADRON_ERR_CORRUPT: the image makes no sense, and the fold has to begin again.
void hd_fold_save(const struct hd_pipeline *p, const char *const *venues, uint32_t venue_count, struct hd_image *m);
int32_t hd_fold_load(struct hd_fold *f, struct hd_image *m, struct hd_fault *fault);
int32_t hd_fold_adopt(struct hd_fold *f, int64_t now_ns, struct hd_folded *out, struct hd_fault *fault);
int32_t hd_fold_resume(struct hd_fold *f, int64_t now_ns, struct hd_fault *fault);
void hd_fold_fini(struct hd_fold *f); // accepts a half-built one; before adopt the pipeline is not usable any more

#endif
