// The child's side of a validation: what it reports lies in memory that it shares with its parent, so that nothing is lost when it
// crashes. `step` says what was being done at that moment. [the child]
#ifndef HD_SDK_VALIDATE_TRIAL_H
#define HD_SDK_VALIDATE_TRIAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/histogram.h"
#include "plugin/instance.h"
#include "plugin/probe_wire.h"
#include "sdk/validate/validate.h"

// What the plugin itself calls from the C library while a callback runs.
struct watch_counts {
  uint64_t allocations, clocks, randoms, blocks;
  const char *first[4]; // name of the first function of each class; NULL: none
};

enum callback {
  CALLBACK_TICK,
  CALLBACK_BAR,
  CALLBACK_TIMER,
  CALLBACK_EXECUTION,
  CALLBACK_ORDER,
  CALLBACK_MERGE,
  CALLBACK_POLL,
  CALLBACK_STEP,
  CALLBACK_COUNT,
};

struct trial {
  struct hd_validation report;
  struct hd_probe_place place; // where it stands
  atomic_bool finished; // the child has come to its end
  // The child's own.
  struct hd_probe_place *at; // `place`, or where else the parent looks
  const char *prefix;        // "second ": in front of a step's name; NULL: nothing
  const struct hd_validate_options *options;
  const struct hd_plugin *plugin;
  struct hd_histogram cost[CALLBACK_COUNT];
  uint64_t errors[CALLBACK_COUNT];
  int32_t last_error[CALLBACK_COUNT];
  struct hd_probe_place failed;              // the last callback that failed
  int32_t failed_code;
  uint64_t allocations[CALLBACK_COUNT];
  struct watch_counts watched;
};

__attribute__((format(printf, 3, 4))) void trial_pass(struct trial *t, const char *name, const char *format, ...);
__attribute__((format(printf, 3, 4))) void trial_fail(struct trial *t, const char *name, const char *format, ...);
__attribute__((format(printf, 3, 4))) void trial_skip(struct trial *t, const char *name, const char *format, ...);
void trial_step(struct trial *t, const char *step); // begins something that may crash

// Around each callback: counts, times and watches it.
uint64_t trial_begin(struct trial *t, enum callback which);
void trial_end(struct trial *t, enum callback which, uint64_t begun, int32_t code);

// Its callbacks that failed so far.
uint64_t trial_errors(const struct trial *t);

// Parameters onto a created instance. False: the report has the reason and there is no going on.
bool trial_params(struct trial *t, struct hadron_instance *instance);
// Checks of the callbacks' conduct: errors, and, where they must not block, what they called.
void trial_conduct(struct trial *t, bool nonblocking);

// Counting the calls of a shared object's own code: its slots for the C library's functions are pointed at counting ones. For a
// throw-away process. False if nothing could be watched.
bool watch_install(void *handle);
void watch_start(struct watch_counts *counts); // counts calls until watch_stop
void watch_stop(void);

// One instance of a plugin that is no strategy, created and nothing more; to be dropped also if it failed (NULL: no memory).
struct hadron_instance *validate_venue_open(struct trial *t, int32_t *err, struct hd_fault *fault);
struct hadron_instance *validate_allocator_open(struct trial *t, int32_t *err, struct hd_fault *fault);
struct hadron_instance *validate_service_open(struct trial *t, int32_t *err, struct hd_fault *fault);

// The checks of each kind; the plugin is loaded.
void validate_strategy(struct trial *t);
void validate_venue(struct trial *t);
void validate_allocator(struct trial *t);
void validate_service(struct trial *t);

#endif
