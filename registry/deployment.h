// A deployment: what should run for a strategy name. Plain data: a revision in the registry, a line of a history, what a file of
// `hadron deploy` says, and what a running host is asked to become are all this struct. [any]
#ifndef HD_REGISTRY_DEPLOYMENT_H
#define HD_REGISTRY_DEPLOYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "hadron/plugin.h"
#include "hadron/types.h"

#define HD_DEPLOYMENT_ARMS_MAX 8   // versions side by side; more: the deployment is refused
#define HD_DEPLOYMENT_PARAMS_MAX 16 // parameters that differ from the configuration's, per arm
#define HD_DEPLOYMENT_TEXT 256

enum hd_split {
  HD_SPLIT_CAPITAL = 1,    // every trading arm trades all instruments with its weight
  HD_SPLIT_INSTRUMENT = 2, // every instrument is traded by one arm: a sticky hash of its name, in proportion to the weights
};

// What a new version does when it arrives (drop folder, `hadron registry add` on a registry that a host watches).
enum hd_arrival {
  HD_ARRIVAL_NOTHING = 1,
  HD_ARRIVAL_SHADOW = 2,
  HD_ARRIVAL_CANARY = 3,
  HD_ARRIVAL_LIVE = 4,
};

struct hd_deployment_param {
  char name[64];
  char text[HD_DEPLOYMENT_TEXT]; // as in a configuration
};

struct hd_deployment_arm {
  char version[HADRON_VERSION_SIZE]; // of the artifact
  uint8_t digest[32];                // of the artifact: what counts
  uint32_t role;                     // enum hd_role: live, canary, shadow
  uint32_t param_count;
  double weight;                     // of the trading arms; they need not add up to 1
  struct hd_deployment_param params[HD_DEPLOYMENT_PARAMS_MAX]; // on top of the configuration's
};

// Limits that demote an arm by themselves: a canary or a newly promoted live version falls back. 0: no such guard.
struct hd_guard {
  uint64_t errors_max;               // failed callbacks since the arm took its role
  int64_t latency_p99_max_ns;        // per callback
  struct hadron_money drawdown_max;  // from the arm's own peak
};

// Per instance; 0: not watched.
struct hd_budget {
  int64_t time_max_ns;               // per callback
  uint64_t allocations_max;          // per callback
  uint64_t errors_max;               // callbacks that failed in a row
  int64_t watchdog_ns;               // a callback that has not come back by then: the host is stopped, the plugin named
  uint32_t over_max;                 // callbacks over budget before the action is taken; 0: the first
  uint32_t action;                   // enum hd_budget_action
};
enum hd_budget_action { HD_BUDGET_WARN = 1, HD_BUDGET_FENCE = 2, HD_BUDGET_DISABLE = 3 };

struct hd_deployment {
  char name[HADRON_NAME_SIZE];       // of the deployment: the strategy's section of the configuration
  char plugin[HADRON_NAME_SIZE];     // of the artifact: its manifest's name
  uint32_t revision;                 // from 1; 0: not stored yet
  uint32_t kind;                     // enum hadron_plugin_kind
  bool enabled;                      // false: no arm gets ticks; positions and orders are left as `disable` was asked to
  uint32_t split;                    // enum hd_split
  uint32_t arrival;                  // enum hd_arrival
  double canary_weight;              // of a version that arrives as a canary
  int64_t warm_ns;                   // how long a replaced version stays on as a warm shadow; 0: not at all
  uint32_t gate_sessions;            // recorded sessions that a version replays before it may trade; 0: no gate
  uint32_t arm_count;
  struct hd_guard guard;
  struct hd_budget budget;
  struct hd_deployment_arm arms[HD_DEPLOYMENT_ARMS_MAX]; // exactly one LIVE, first
};

#endif
