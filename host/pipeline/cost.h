// What an order cost, stage by stage: cycle counters, stamped on its way, and the record that is made of them. Only on the wall clock, and
// written when an order is sent: a tick that sets none off pays for two readings of the counter.
//
// thread: each stamp by the thread that it is of; the record by [trade]
#ifndef HD_PIPELINE_COST_H
#define HD_PIPELINE_COST_H

#include "hadron/message.h"

// When the event in hand came to each stage, in cycles; 0: it did not, or nobody looked.
struct hd_stamps {
  uint64_t offered; // the tick
  uint64_t routed;  // in its lane
  uint64_t called;  // the shard begins
  uint64_t decided; // its decisions are made
  uint64_t taken;   // the trading side begins
  uint64_t merged;  // an intent
  uint64_t checked;
  uint64_t queued;  // recorded, and waits for the disk
};

uint64_t hd_cost_total(const struct hd_stamps *at, uint64_t done); // ns
// begun, done: around the venue's submit.
void hd_cost_fill(const struct hd_stamps *at, uint64_t begun, uint64_t done, const struct hadron_order *order, int64_t now_ns, struct hadron_cost *out);

#endif
