// The gate: before a version may trade it replays the last recorded sessions against the version that is live now. No difference in what
// they decide, or no more than is accepted: it passes. Else it is refused, with the comparison's words.
//
// The replays run in a child process (`hadron diff`, nice 10): what the candidate does there, it does not do to the host.
//
// thread [any] but the loop's: it waits for the child, at most timeout_ns
#ifndef HD_RUNTIME_GATE_H
#define HD_RUNTIME_GATE_H

#include "base/fault.h"
#include "runtime/compare_replay.h"

#define HD_GATE_TIMEOUT_NS INT64_C(300000000000) // five minutes: who asks for a change waits for it

struct hd_gate_request {
  const struct hd_config *config;   // the running host's: its file and its --set are read again by the child; only read
  const char *strategy;             // section
  const char *journal;              // directory; NULL: data_dir/journal
  uint32_t sessions;                // the last so many that hold ticks, the running one included; fewer if there are no more
  double accept;                    // largest share of decisions that may differ: 0 none, 1 all
  struct hd_compare_side live, candidate;
  int64_t timeout_ns;               // 0: HD_GATE_TIMEOUT_NS
  const char *program;              // NULL: this one
};

struct hd_gate_result {
  uint64_t ticks, decisions, differing; // decisions: pairs and single ones
  double share;                     // differing / decisions
  uint32_t sessions;
  char words[512];                  // "12 of 3,450 decisions (0.35 %) differ over the last 3 sessions, ...": for the revision's reason
};

// HADRON_OK: it passes. HADRON_ERR_STATE: it does not, the fault has the words; *out is filled in both cases. Else it could not be found out:
// HADRON_ERR_NOT_FOUND (nothing recorded), _TIMEOUT, _IO, or what the replay failed with (a crash of the candidate: _PLUGIN).
int32_t hd_gate_check(const struct hd_gate_request *request, struct hd_gate_result *out, struct hd_fault *fault);
// A version that runs elsewhere cannot be replayed: what it decided as a shadow or a canary is held against what the live one decided on the same
// ticks, as the journal has both. live, version: of the deployment's. As above; HADRON_ERR_NOT_FOUND: it has not run beside it.
#define HD_GATE_SESSIONS_MAX 1000
int32_t hd_gate_beside(const struct hd_gate_request *request, const char *live, const char *version, struct hd_gate_result *out, struct hd_fault *fault);

#endif
