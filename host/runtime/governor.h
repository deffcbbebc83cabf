// The governor: holds the instances of one strategy version to a budget of time, allocations and errors per callback. It sits between
// engine and plugin: a place whose deployment has a budget gets a table of callbacks of the governor's own, which measure and pass on.
// Where there is no budget the engine calls the plugin itself: the governor costs nothing there.
//
// Over budget, more often than `over_max`: WARN tells; FENCE ends the calls to that instance, DISABLE to all instances of the version,
// both by the code HADRON_ERR_BUDGET, which the engine understands. A callback that never comes back is the watchdog's (watchdog.h).
//
// Time is measured on the wall clock, so it is held to on the wall clock alone: a replay must not depend on how fast the machine is.
// Allocations and errors count everywhere. Allocations are those of the calling thread, in programs that count them (base/allocation.h);
// a script's are its sandbox's.
//
// thread making and seating [any, one at a time]; callbacks [shard], one thread per shard; figures [any]
#ifndef HD_RUNTIME_GOVERNOR_H
#define HD_RUNTIME_GOVERNOR_H

#include "base/metrics.h"
#include "pipeline/engine.h"
#include "plugin/instance.h"
#include "registry/deployment.h"

struct hd_governor;
struct hd_watchdog;

enum hd_budget_kind { HD_BUDGET_TIME = 0, HD_BUDGET_ALLOCATIONS = 1, HD_BUDGET_ERRORS = 2, HD_BUDGET_KINDS = 3 };
extern const char *const hd_budget_kind_names[HD_BUDGET_KINDS]; // "time", "allocations", "errors"

// A callback was over budget. All borrowed(call).
struct hd_governor_event {
  struct hadron_instance *instance;
  const char *callback;      // "on_tick"
  uint32_t kind;             // enum hd_budget_kind
  uint32_t action;           // enum hd_budget_action: what is done now; 0: only counted so far
  uint64_t found, allowed;   // ns, calls, or callbacks
  uint64_t times;            // that this instance has been over budget
  uint32_t arm;              // of the seat that the version was made for
  uint32_t pad;
};

struct hd_governor_options {
  const struct hd_plugin *plugin;
  const char *strategy;      // borrowed(until destroy)
  struct hd_budget budget;
  uint32_t arm, shards, instances;
  bool is_virtual;           // the clock moves with the ticks
  struct hd_metrics *metrics; // may be NULL
  struct hd_watchdog *watchdog; // NULL: no watching
  void *self;
  void (*over)(void *self, const struct hd_governor_event *event); // [shard]; the first time, then at powers of two, and for every action
};

bool hd_budget_any(const struct hd_budget *budget); // is anything limited?
int32_t hd_governor_create(const struct hd_governor_options *options, struct hd_governor **out, struct hd_fault *fault);
// The instance's callbacks from now on go through the governor. place->api, ->self and ->on_timer are the plugin's before, its own after.
void hd_governor_seat(struct hd_governor *g, uint32_t index, uint32_t shard, struct hd_engine_instance *place, struct hadron_instance *instance);
// Nobody calls any more. NULL is fine.
void hd_governor_destroy(struct hd_governor *g);

struct hd_governor_figures {
  struct hd_budget budget;
  uint64_t over[HD_BUDGET_KINDS];
  uint64_t slowest_ns, most_allocations; // of a callback; 0 if that is not limited
  uint32_t fenced;                       // instances, by the governor
  bool disabled;
  bool blind;                            // allocations are limited, but this program does not count them
};
void hd_governor_read(const struct hd_governor *g, struct hd_governor_figures *out);

#endif
