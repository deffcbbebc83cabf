// Stand-in: the plugin that sits in the seat of a strategy that runs elsewhere. Made for the real plugin: the same name, version, scope, parameters
// and state, so that swaps, A/B, warm rollback, snapshots and `set` are what they are for any other. It hears every tick of its universe, the
// arm's allocations and order events, and puts them into the occupant's channel; save, load, start and parameters are asks, bounded in time.
//
//   asynchronous  it sends and returns; decisions come back to [trade] (placed.h)
//   lock-step     it sends, asks STEP and waits: decisions come back inside the callback, and the host's clock fires the far side's timers, so
//                 that journal and digest are those of an inline run
//
// thread [shard], as any strategy
#ifndef HD_RUNTIME_STANDIN_H
#define HD_RUNTIME_STANDIN_H

#include "plugin/loader.h"
#include "runtime/placed.h"

// Made once for each plugin and each card, and kept. static; NULL: no memory. [any]
const struct hd_plugin *hd_standin_plugin(const struct hd_plugin *real);
bool hd_standin_is(const struct hd_plugin *plugin);

// It sits down where `before` sat, or somebody inline (NULL): the far side is told what the market is, with the bars that run, and what the seat holds.
// [shard, at a quiet point]
struct hd_standin;
void hd_standin_joins(struct hd_standin *s, struct hd_standin *before);
// What the far side of a strategy must know of the market, as the host's engine has it now: of all its instances. [shard, or while it rests]
void hd_standin_rows(struct hd_placed *p);
// The far side is a new one and CREATE is on its way: state, rows, start, positions, and nobody waits for the answers. [shard]
void hd_standin_again(struct hd_standin *s);
// Snapshots: the timers of the far side, as they were saved with its state, stand among the engine's while it is saved; and those that a snapshot has of it
// go over to the far side. [everything at rest]
void hd_standin_timers_show(struct hd_placed *p);
void hd_standin_timers_hide(struct hd_placed *p);
void hd_standin_timers_give(struct hd_placed *p);
uint32_t hd_standin_shard(const struct hd_standin *s);

#endif
