// Hadron SDK: allocators. An allocator merges what the strategies want for one instrument into one view of it and into legs,
// which become intents. It is a pure function of its input: same input, same output, on every machine.
#ifndef HADRON_ALLOCATOR_H
#define HADRON_ALLOCATOR_H

#include "hadron/strategy.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HADRON_MERGE_DECISIONS_MAX 64
#define HADRON_MERGE_LEGS_MAX 64

// What the host knows about the arm of a decision.
struct hadron_standing {
  double weight;                   // of the arm in its deployment, >= 0
  struct hadron_quantity position; // its own book, signed
  struct hadron_quantity working;  // its open orders, signed, WORK slots left out
  uint32_t role;                   // 1 live, 2 canary, 3 shadow (shadow decisions never come here)
  uint32_t pad;
};

struct hadron_merge_input {
  uint32_t struct_size;
  uint32_t count;                          // [1, HADRON_MERGE_DECISIONS_MAX]
  const struct hadron_decision *decisions; // of one instrument and one cause, ascending by id
  const struct hadron_standing *standings; // one per decision
  const struct hadron_market *market;      // position and working fields are the portfolio's
  int64_t now_ns;
};

// One arm's part in a leg.
struct hadron_share {
  uint32_t decision;               // index into the input
  uint32_t pad;
  struct hadron_quantity quantity; // > 0
};

// An order to make, or (crossed = 1) two sides of the house that meet at the reference price.
struct hadron_leg {
  struct hadron_quantity quantity; // > 0: sum of the shares
  struct hadron_price limit, stop;
  int64_t expire_ns;
  uint64_t key;
  uint32_t lead;        // index of the decision whose terms these are
  uint32_t share_first, share_count; // in hadron_merge_output.shares
  uint8_t side, order_type, time_in_force, flags;
  uint8_t slot;         // WORK: the slot; else 0
  uint8_t crossed;      // 1: no order; booked between the arms
  uint8_t pad[2];
};

struct hadron_merge_output {
  uint32_t struct_size;
  uint32_t leg_count, share_count, conflicts;
  double mean_return, uncertainty, confidence; // blended
  struct hadron_leg legs[HADRON_MERGE_LEGS_MAX];
  struct hadron_share shares[2 * HADRON_MERGE_DECISIONS_MAX];
};

struct hadron_allocator_api {
  uint32_t struct_size;
  uint32_t pad;

  // Makes an instance. Parameters are set after this. [control & loaded]
  // @param host  static until destroy
  // @own   self  owned by the plugin; untouched on failure
  // @since 1.0
  int32_t (*create)(const struct hadron_host *host, void **self);

  // Frees an instance. [control & created, stopped]
  // @since 1.0
  void (*destroy)(void *self);

  // Merges the decisions of one instrument. [trade & active] [nonblocking]
  // @own   input   borrowed(call)
  // @own   output  borrowed(call): counts are zero on entry
  // @err   HADRON_ERR_*  no intents come of these decisions; counted and logged
  // @since 1.0
  int32_t (*merge)(void *self, const struct hadron_merge_input *input, struct hadron_merge_output *output);
};

#ifdef __cplusplus
}
#endif

#endif
