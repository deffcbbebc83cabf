// Router: gives each accepted tick a lane and the shard of its instrument. FAST drains before WARM before COLD. An instrument's
// ticks are never reordered: a new lane takes effect once the instrument's older ticks have left the old one. Under overload COLD
// quotes are conflated to the latest per instrument; what was conflated or dropped is counted.
//
// takes  accepted ticks; facts (open position, volatility, subscription); rules, which may change while running
// gives  ticks in the lanes of the shards
// bound  engine.lane_ticks per shard and lane     full   FAST, WARM, COLD trades: `hd_router_route` says FULL and the source waits
//        (recorded) or the tick is dropped and counted (live); COLD quotes: conflated
// thread [io] routes; facts may be set from [shard, trade]; a shard takes from its own lanes
#ifndef HD_PIPELINE_ROUTER_H
#define HD_PIPELINE_ROUTER_H

#include "base/ring.h"
#include "pipeline/instrument.h"

#define HD_LANE_RULES_MAX 32
#define HD_LANE_COUNT 3 // FAST, WARM, COLD have rings; DROP has none

// What a rule looks at. One bit each, so that an instrument's facts are one word.
enum hd_lane_fact {
  HD_FACT_ALWAYS = 0,
  HD_FACT_POSITION = 1,     // an arm holds it or has an open order
  HD_FACT_VOLATILE = 2,     // volatility above the rule set's threshold
  HD_FACT_PEER_FAST = 4,    // correlated with an instrument whose trades go FAST
  HD_FACT_UNSUBSCRIBED = 8, // no strategy wants it
};

struct hd_lane_rule {
  uint32_t kinds;      // bit (1 << enum hadron_tick_kind); 0: all
  uint32_t fact;       // enum hd_lane_fact
  uint32_t instrument; // 0: all
  uint32_t lane;       // enum hadron_lane
};

struct hd_lane_rules {
  struct hd_lane_rule rules[HD_LANE_RULES_MAX]; // the first that matches wins; none: COLD
  uint32_t count;
  double volatile_above; // per-second standard deviation; 0: never
};

enum hd_routed {
  HD_ROUTED = 0,
  HD_ROUTED_DROPPED,   // lane DROP
  HD_ROUTED_CONFLATED, // waits in the conflation table, or was overtaken there
  HD_ROUTED_FULL,      // not taken: give it again later, or count it as lost
};

struct hd_lanes {
  struct hd_ring rings[HD_LANE_COUNT]; // FAST, WARM, COLD
};

struct hd_route; // per-instrument routing state

struct hd_router {
  const struct hd_instruments *instruments; // borrowed
  uint32_t shard_count;
  struct hd_lanes *lanes;        // [shard]; owned
  struct hd_route *routes;       // [instrument]; owned
  struct hadron_tick *held;      // [instrument]: conflated quotes; owned
  uint32_t *held_list;           // instruments with a held quote; owned
  uint32_t held_count;
  uint64_t conflate_at;          // COLD depth from which quotes are conflated
  struct hd_lane_rules rules;
  uint32_t rules_version;
  uint32_t (*peers)[2];          // correlated pairs; owned
  uint32_t peer_count;
  uint64_t routed[HADRON_LANE_DROP + 1];
  uint64_t conflated, lost, lane_changes, lane_waits;
};

int32_t hd_router_init(struct hd_router *r, const struct hd_instruments *instruments, uint32_t shard_count, uint32_t lane_ticks);
void hd_router_fini(struct hd_router *r);

// Replaces the rules. HADRON_ERR_ARGUMENT: a lane or fact outside its table. [io]
int32_t hd_router_rules(struct hd_router *r, const struct hd_lane_rules *rules);
// Says that two instruments move together. [control, before ticks flow]
int32_t hd_router_correlate(struct hd_router *r, uint32_t a, uint32_t b);
// Sets or clears a fact of an instrument. [any]
void hd_router_fact(struct hd_router *r, uint32_t instrument, uint32_t fact, bool on);

// Routes one tick. [io]
enum hd_routed hd_router_route(struct hd_router *r, const struct hadron_tick *tick);
// One thread with empty lanes: the lane that the tick would take, counted as if it had; the caller handles it at once. [io] = [shard]
uint32_t hd_router_pass(struct hd_router *r, const struct hadron_tick *tick);
// Moves held quotes into their lanes as far as there is room; call when the source pauses. Returns how many still wait. [io]
uint32_t hd_router_flush(struct hd_router *r);
// Counts a tick that the caller gave up after FULL. [io]
static inline void hd_router_lost(struct hd_router *r) { r->lost++; }

// The next tick of a shard, in lane order; NULL if none; then let it go. [shard]
static inline struct hadron_tick *hd_lanes_peek(struct hd_lanes *lanes, struct hd_ring **from) {
  for (int i = 0; i < HD_LANE_COUNT; i++) {
    struct hadron_tick *tick = hd_ring_peek(&lanes->rings[i]);
    if (tick) {
      *from = &lanes->rings[i];
      return tick;
    }
  }
  return NULL;
}

const char *hd_lane_name(uint32_t lane); // "fast"; static
extern const struct hd_lane_rules hd_lane_rules_default;

#endif
