// hadron simulate: many seeds, each a world of its own (world.h), in which the host lives, dies and recovers (life.h) and is held
// against the truth (rest.h, audit.c).
//
// thread [control]; seeds are spread over processes
#ifndef HD_RUNTIME_SIMULATE_SIMULATE_H
#define HD_RUNTIME_SIMULATE_SIMULATE_H

#include "runtime/simulate/life.h"

#define HD_SIMULATE_FAILED_MAX 64

struct hd_simulate_options {
  uint64_t first_seed, seeds;
  uint32_t jobs;            // processes; 0: as many as there are processors
  uint64_t faults;          // bits of enum hd_world_fault that may strike; 0: all
  uint64_t often;           // bits of those that are in every world, and often
  uint32_t failures_max;    // stop after so many failed seeds; 0: go on
  bool verbose;             // every event goes to standard error as it happens
  const char *plugin_path;
  const struct hd_life_hooks *hooks;
  void (*progress)(void *user, uint64_t done, uint64_t failed); // [this process], now and then; NULL: none
  void *user;
};

struct hd_simulate_failure {
  uint64_t seed;
  char text[HD_WORLD_FINDING_SIZE]; // the first finding
};

struct hd_simulate_result {
  uint64_t seeds, failed, lost, duplicates;
  uint64_t lives, events, ticks, orders, executions, requests, reports, rows;
  uint64_t faults[HD_FAULT_COUNT];
  uint64_t digest;          // of all seeds, whatever process ran them
  int64_t elapsed_ns;
  uint32_t failure_count;
  struct hd_simulate_failure failures[HD_SIMULATE_FAILED_MAX];
};

// HADRON_OK: the seeds were run, whatever came of them.
int32_t hd_simulate(const struct hd_simulate_options *options, struct hd_simulate_result *out, struct hd_fault *fault);

// One seed in `w`; its trace and findings stay there. False: it has failed.
bool hd_simulate_seed(struct hd_life_setup *setup, struct hd_world *w, const struct hd_simulate_options *options, uint64_t seed);
// Shared memory for a world. NULL: none. Never given back before the process ends.
struct hd_world *hd_world_create(void);

#endif
