// Two versions of a strategy on identical ticks: each in a replay of its own, one after the other, alone in the live seat of its
// section, with the same seed, the same books, the same simulated venue. So what differs in their decisions comes from the versions
// and from nothing else: two copies of one version never differ (docs/decisions/007-compare-by-two-replays.md).
//
// bound  the first one's decisions wait on disk (an unnamed temporary file), the rest is hd_compare and hd_compare_arms
// thread [control]; one at a time in a process
#ifndef HD_RUNTIME_COMPARE_REPLAY_H
#define HD_RUNTIME_COMPARE_REPLAY_H

#include "runtime/compare_arms.h"
#include "runtime/session.h"

struct hd_compare_side {
  const char *plugin;                       // a file
  const struct hd_deployment_param *params; // on top of the section's
  uint32_t param_count;
};

struct hd_registry;

struct hd_compare_replay_options {
  uint32_t keep;           // differences
  int64_t duration_ns;     // of virtual time; 0: to the end of the data
  struct hd_registry *registry; // for plugins that the configuration names by version; NULL: it names none; borrowed
  int64_t deadline_ns;     // on the monotonic clock: then it is given up; 0: none
  void (*progress)(void *user, uint32_t side, uint64_t done, uint64_t total); // NULL: none
  void *user;
};

struct hd_compare_replay {
  struct hd_compare decisions;      // all sessions
  struct hd_compare_arms arms[2];   // one version each
  uint64_t ticks, errors[2];        // ticks: of one side
  uint32_t sessions;
  // finish:
  double *differences;              // second - first, per period; owned
  size_t count;
  int64_t pnl;                      // micros
  struct hd_paired paired;
  struct hd_sequential sequential;
};

int32_t hd_compare_replay_init(struct hd_compare_replay *c, uint32_t keep);
void hd_compare_replay_fini(struct hd_compare_replay *c);

// Replays what the configuration's recorded venues bring with the one side and then with the other; may be called again for further
// sessions. config: strategies other than `strategy` are left out; it is as before when this returns.
// HADRON_ERR_NOT_FOUND (no such section), _TIMEOUT (the deadline), what opening and replaying a session can fail with.
int32_t hd_compare_replay_run(struct hd_compare_replay *c, struct hd_config *config, const char *strategy, const struct hd_compare_side sides[2],
                              const struct hd_compare_replay_options *options, struct hd_fault *fault);
// The P&L difference with its tests. HADRON_ERR_MEMORY.
int32_t hd_compare_replay_finish(struct hd_compare_replay *c, double alpha, uint32_t resamples, uint64_t seed);

// The sessions of a journal that hold ticks: the last `most` of them, oldest first, as numbers for the parameter `session` of the replay
// venue. numbers: room for `most`. end: the parameter `until`, without which the second side would see what a running host has written
// meanwhile. journal: its directory, or the data directory.
int32_t hd_compare_sessions(const char *journal, uint32_t most, int64_t *numbers, uint32_t *count, uint64_t *end, struct hd_fault *fault);

#endif
