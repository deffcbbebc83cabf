// What the benches of swaps share: a live session under load with a counting strategy, and changes of its version one after the other,
// staged on a thread of their own and committed by the loop, as a running host does it.
#ifndef TEST_SWAP_LOAD_H
#define TEST_SWAP_LOAD_H

#include "base/histogram.h"
#include "support/bench.h"

struct swap_load {
  const char *plugins[2];  // files of the two versions
  uint32_t changes;        // how many
  bool threads;            // the threaded form; else run to completion
  bool warm;               // the replaced version stays: every change but the first is an exchange
  // Results.
  struct hd_histogram pause, stage; // ns
  uint64_t ticks, lost, doubled;    // handled by the engines; of them seen by no live version, by both or twice
  double tick_ns;                   // one tick's own processing time, median of callbacks and what is around them
  uint32_t done;
};

void swap_load_run(struct swap_load *load);

#endif
