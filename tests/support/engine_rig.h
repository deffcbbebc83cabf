// Engines over a small market with strategies made of one function: what they are called with is kept as words, and they can decide,
// fail, or keep timers by plan.
#ifndef TEST_SUPPORT_ENGINE_RIG_H
#define TEST_SUPPORT_ENGINE_RIG_H

#include "pipeline/engine.h"
#include "support/market.h"
#include "support/test.h"

#define RIG_SHARDS 4
#define RIG_INSTANCES 32
#define RIG_NOW INT64_C(1704205800000000000) // 2024-01-02T14:30:00Z
#define RIG_S INT64_C(1000000000)

struct engine_rig;

struct rig_instance {
  struct engine_rig *rig;
  struct hadron_strategy_api api;
  struct hd_engine_instance ei;
  uint32_t universe[TEST_INSTRUMENTS];
  uint64_t ticks, bars, executions, orders, timers;
  struct hadron_bar bar;            // the last one
  struct hadron_market market;      // of the last call
  uint64_t timer_id;                // of the last one
  int32_t answer;                   // of every callback
  struct hadron_decision decide;    // made in every callback, if its kind is set
  uint32_t decide_count;            // so often
  int32_t decided;                  // what the last decide said
  void (*on_bar)(struct rig_instance *self, const struct hadron_bar *bar);
  void (*on_timer)(struct rig_instance *self, uint64_t id, int64_t due_ns);
  void *user;
};

struct engine_rig {
  struct test_market market;
  struct hd_engine *engines[RIG_SHARDS];
  uint32_t shards;
  struct rig_instance instances[RIG_INSTANCES];
  uint32_t count;
  uint64_t sequence, faults, fences, turned;
  bool turbulent;
  char words[1 << 16];              // "tick 3; bar 1; ..." in the order of the calls
  size_t words_size;
};

void engine_rig_open(struct engine_rig *rig, uint32_t shards, const struct hd_engine_options *options); // NULL: the usual ones
void engine_rig_close(struct engine_rig *rig);
// One instance over `count` instruments from `first` on, in the engine of the first one's shard.
struct rig_instance *engine_rig_add(struct engine_rig *rig, uint32_t arm, uint32_t triggers, uint32_t first, uint32_t count);
void engine_rig_seal(struct engine_rig *rig);
void engine_rig_trade(struct engine_rig *rig, uint32_t instrument, int64_t event_ns, int64_t nanos, int64_t e8);
void engine_rig_quote(struct engine_rig *rig, uint32_t instrument, int64_t event_ns, int64_t bid, int64_t ask);
void engine_rig_tick(struct engine_rig *rig, const struct hadron_tick *tick); // gives it a sequence
// Fires everything due, of all shards in their common order.
void engine_rig_advance(struct engine_rig *rig, int64_t now_ns);

#endif
