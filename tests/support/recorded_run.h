// Sessions that are recorded to be run again: with changes of version (swaps, versions kept warm, canaries, shadows, nobody), kills and
// releases, and a market that goes away and comes back, on a virtual clock or live, on one thread or with threads.
#ifndef TEST_SUPPORT_RECORDED_RUN_H
#define TEST_SUPPORT_RECORDED_RUN_H

#include "support/session_run.h"

struct recorded_run {
  const char *text;              // its configuration; strategy `sma` is the one that changes, venue `sim` the one that goes away
  const char *const *sets;       // may be NULL
  bool live;                     // else to the end of its sources
  uint64_t ticks;                // live: how many; else for when kills come, 0: 20,000
  uint64_t every;                // ticks between two changes of version; 0: none
  const char *slow;              // parameter `slow` of the third version; NULL: "5"
  uint32_t kills, cuts;          // kills and releases; times that the market goes or comes
  // Results.
  uint32_t changes;
};

// Runs it; the session is closed then, its journal lies in run->dir/data/journal until session_run_close. Fails the test on any error.
void recorded_run(struct session_run *run, const struct recorded_run *how);
// The file of a plugin of the build.
const char *recorded_run_plugin(char path[TEST_PATH_SIZE], const char *name);

#endif
