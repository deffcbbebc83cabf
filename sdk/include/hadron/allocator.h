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

// What a weight makes of a quantity: the weight is read once as parts per million, the rest is integers, rounded toward zero to a
// whole number of lots. A weight that is no number or below 0 counts as 0, one above a million as a million; what does not fit is cut
// to the most lots that do. [any]
static inline int64_t hadron_weigh(int64_t quantity_e8, double weight, int64_t lot_e8) {
  int64_t ppm = weight > 0 ? (weight >= 1e6 ? INT64_C(1000000000000) : (int64_t)(weight * 1e6 + 0.5)) : 0;
  int64_t product, weighed;
  if (__builtin_mul_overflow(quantity_e8, ppm, &product)) { // a 128-bit division is a call: only for what does not fit
    hadron_int128 wide = (hadron_int128)quantity_e8 * ppm / 1000000;
    weighed = wide > INT64_MAX ? INT64_MAX : wide < -INT64_MAX ? -INT64_MAX : (int64_t)wide;
  } else {
    weighed = product / 1000000;
  }
  return lot_e8 > 0 ? weighed - weighed % lot_e8 : weighed;
}

// The price at which arms cross and what a mark is worth: mid if both sides are there, else last, else the side there is; 0: none,
// and then nothing may be crossed. [any]
static inline struct hadron_price hadron_market_reference(const struct hadron_market *m) {
  struct hadron_price mid = {m->bid.nanos + (m->ask.nanos - m->bid.nanos) / 2};
  if (m->bid.nanos > 0 && m->ask.nanos > 0) return mid;
  if (m->last.nanos > 0) return m->last;
  return m->bid.nanos > 0 ? m->bid : m->ask;
}

// An order to make, or (crossed = 1) one side of the house that meets the other at the reference price: the crossed legs that buy
// and those that sell have the same sum. Each share is on the side of its leg.
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
