// Guards: limits that demote an arm by themselves. The decision alone, over plain numbers; who reads the clock, writes the revision and
// changes the seat calls this. [any]
#ifndef HD_RUNTIME_GUARD_H
#define HD_RUNTIME_GUARD_H

#include "registry/deployment.h"

enum hd_guard_kind {
  HD_GUARD_NONE = 0,
  HD_GUARD_ERRORS = 1,
  HD_GUARD_LATENCY = 2,
  HD_GUARD_DRAWDOWN = 3,
};

#define HD_GUARD_CALLBACKS_MIN 1000 // below so many a p99 is the word of ten callbacks or fewer: the latency guard waits

// What an arm has shown since it took its role.
struct hd_guard_seen {
  uint64_t errors;             // failed callbacks
  uint64_t callbacks;          // that were measured
  int64_t latency_p99_ns;      // per callback
  struct hadron_money equity;  // of its book
  struct hadron_money peak;    // highest equity since it took its role; see hd_guard_peak
};

enum hd_guard_action {
  HD_GUARD_STAY = 0,
  HD_GUARD_DEMOTE = 1,    // a canary: to shadow
  HD_GUARD_ROLLBACK = 2,  // a live version that was promoted and whose predecessor is still warm: back to that
  HD_GUARD_ALERT = 3,     // a live version with nothing to go back to: tell, and let it trade
};

struct hd_guard_verdict {
  uint32_t kind;    // enum hd_guard_kind: the first guard that is broken
  uint32_t action;  // enum hd_guard_action
  int64_t actual, bound; // errors; ns; micros
  char why[160];    // "guard drawdown: 1,250.00 below the peak, limit 1,000.00": for the revision, the alert and the log
};

// role: of the arm (enum hd_role). warm: the arm's deployment has a seat to go back to. A shadow has no guard to break. False: nothing is
// broken; *out is HD_GUARD_NONE and HD_GUARD_STAY then.
bool hd_guard_check(const struct hd_guard *guard, const struct hd_guard_seen *seen, uint32_t role, bool warm, struct hd_guard_verdict *out);

// Keeps the peak: call with every new equity. The first one begins it.
void hd_guard_peak(struct hd_guard_seen *seen, struct hadron_money equity, bool first);

#endif
