// A deployment: what should run for a strategy name. Plain data: a revision in the registry, a line of a history, what a file of
// `hadron deploy` says, and what a running host is asked to become are all this struct. [any]
#ifndef HD_REGISTRY_DEPLOYMENT_H
#define HD_REGISTRY_DEPLOYMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "hadron/plugin.h"
#include "hadron/types.h"

#define HD_DEPLOYMENT_ARMS_MAX 8   // versions side by side; more: the deployment is refused
#define HD_DEPLOYMENT_PARAMS_MAX 16 // parameters that differ from the configuration's, per arm
#define HD_DEPLOYMENT_TEXT 256
#define HD_DEPLOYMENT_LIST 512
#define HD_DEPLOYMENT_PLACEMENTS "inline thread process remote auto" // enum hd_placement, from 1

// The numbers of enum hd_role, which rooms above the pipeline use.
enum hd_deployment_role { HD_DEPLOYMENT_LIVE = 1, HD_DEPLOYMENT_CANARY = 2, HD_DEPLOYMENT_SHADOW = 3 };

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
  double gate_accept;                // largest part of the decisions that may differ there, 0 to 1
  uint32_t gate_sessions;            // recorded sessions that a version replays before it may trade; 0: no gate
  uint32_t arm_count;
  uint32_t placement;                // enum hd_placement (runtime/placed.h); 0: as the section says
  // What a section of the configuration says, for hosts that have none of its name; a section goes before these.
  char hosts[HD_DEPLOYMENT_LIST];    // that run it without a section: their ids, or globs of them; '\n' between; "": none
  char universe[HD_DEPLOYMENT_LIST]; // names or globs of instruments, '\n' between; "": all
  char venue[HADRON_NAME_SIZE];      // where its orders go; "": the instrument's own
  struct hadron_money cash;          // of its book; 0: an equal share of account.cash, found when it is asked for
  struct hadron_quantity size;       // of decisions that leave the size to the allocator
  uint32_t risk_count;
  struct hd_deployment_param risk[HD_DEPLOYMENT_PARAMS_MAX]; // limits of its own
  struct hd_guard guard;
  struct hd_budget budget;
  struct hd_deployment_arm arms[HD_DEPLOYMENT_ARMS_MAX]; // exactly one LIVE, first
};

// ---- its form (deployment_form.c): one table of fields reads it, writes it and shows what differs --------------------------------------

// All defaults: a strategy, enabled, split by capital, nothing on arrival, ten minutes warm, no gate, no guard, no budget, no arms.
void hd_deployment_init(struct hd_deployment *d, const char *name, const char *plugin);

// Tells every mistake with the path of its field: "arms[2].weight". [any]
typedef void hd_deployment_wrong(void *user, const char *path, const char *text);
// Reads what deployment_json wrote, or what a file said; an arm without a digest has zeros there. Returns how many mistakes there were;
// out is complete only if there were none. revision is not read.
uint32_t hd_deployment_read(const json_t *json, struct hd_deployment *out, hd_deployment_wrong *wrong, void *user);
// What reading checks between fields: arms, roles, weights. Returns how many mistakes there were.
uint32_t hd_deployment_check(const struct hd_deployment *d, hd_deployment_wrong *wrong, void *user);
// The same with the first mistake as the fault: HADRON_ERR_ARGUMENT.
int32_t hd_deployment_parse(const char *text, struct hd_deployment *out, struct hd_fault *fault);
int32_t hd_deployment_good(const struct hd_deployment *d, struct hd_fault *fault);
json_t *hd_deployment_json(const struct hd_deployment *d); // a new reference; NULL: out of memory
char *hd_deployment_text(const struct hd_deployment *d);   // the same as compact text, to be freed; NULL: out of memory

// What makes `to` of `from`, a line for each difference: "live 1.0.0 -> 1.1.0", "+ shadow 1.2.0", "warm: 10m -> 5m". Returns how many.
typedef void hd_deployment_line(void *user, const char *text);
uint32_t hd_deployment_diff(const struct hd_deployment *from, const struct hd_deployment *to, hd_deployment_line *line, void *user);

// Does this host run it without a section?
bool hd_deployment_here(const struct hd_deployment *d, const char *host);
// Hosts apart, the same keys of a section?
bool hd_deployment_same_seat(const struct hd_deployment *a, const struct hd_deployment *b);

const char *hd_role_name(uint32_t role);
// Its place among the arms; HD_DEPLOYMENT_ARMS_MAX: there is no such version.
uint32_t hd_deployment_find(const struct hd_deployment *d, const char *version);

// ---- a file of `hadron deploy` (deployment_file.c) ----------------------------------------------------------------------------------------

struct hd_deployment_error {
  int line; // 0: not known
  char text[512];
};
// A Lua file that returns the table. All mistakes at once; returns how many (at most `max` are kept). [control]
uint32_t hd_deployment_load(const char *path, struct hd_deployment *out, struct hd_deployment_error *errors, uint32_t max);

// ---- what commands make of it (deployment_plan.c) -----------------------------------------------------------------------------------------
// Each takes a deployment that is good and leaves one that is good, or is not touched. New arms have no digest yet. HADRON_ERR_STATE: words
// say why this cannot be; HADRON_ERR_NOT_FOUND: no such arm.

struct hd_deployment_share {
  char version[HADRON_VERSION_SIZE];
  double weight; // of a shadow: 0
};

// `version` alone trades from now on, with all of the capital; shadows of other versions stay. Enables.
int32_t hd_deployment_promote(struct hd_deployment *d, const char *version, struct hd_fault *fault);
// version NULL: the deployment as it is; else as promote.
int32_t hd_deployment_enable(struct hd_deployment *d, const char *version, struct hd_fault *fault);
// version NULL: the whole deployment; else that arm, which must not be the live one.
int32_t hd_deployment_disable(struct hd_deployment *d, const char *version, struct hd_fault *fault);
// Side by side: the version that is live stays so if it is among them, else the first is.
int32_t hd_deployment_ab(struct hd_deployment *d, const struct hd_deployment_share *shares, uint32_t count, uint32_t split,
                         const struct hd_deployment_share *shadows, uint32_t shadow_count, struct hd_fault *fault);
// What d->arrival says about a version that is new. false: nothing to do.
bool hd_deployment_arrive(struct hd_deployment *d, const char *version);
// The arm whose guard spoke: a canary becomes a shadow; a live one is replaced by `heir`, the version before it.
int32_t hd_deployment_demote(struct hd_deployment *d, const char *version, const char *heir, struct hd_fault *fault);

#endif
