// The child's side of a validation: what it reports lies in memory that it shares with its parent, so that nothing is lost when it
// crashes. `step` says what was being done at that moment. [the child]
#ifndef HD_SDK_VALIDATE_TRIAL_H
#define HD_SDK_VALIDATE_TRIAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/histogram.h"
#include "plugin/instance.h"
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
  char step[64];        // "on_tick", "destroy", ...: what is being called
  uint64_t call;        // which call of it, from 1
  atomic_bool finished; // the child has come to its end
  // The child's own.
  const struct hd_validate_options *options;
  const struct hd_plugin *plugin;
  struct hd_histogram cost[CALLBACK_COUNT];
  uint64_t errors[CALLBACK_COUNT];
  int32_t last_error[CALLBACK_COUNT];
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

// Parameters onto a created instance. False: the report has the reason and there is no going on.
bool trial_params(struct trial *t, struct hadron_instance *instance);
// Checks of the callbacks' conduct: errors, and, where they must not block, what they called.
void trial_conduct(struct trial *t, bool nonblocking);

// Counting the calls of a shared object's own code: its slots for the C library's functions are pointed at counting ones. For a
// throw-away process. False if nothing could be watched.
bool watch_install(void *handle);
void watch_start(struct watch_counts *counts); // counts calls until watch_stop
void watch_stop(void);

// The checks of each kind; the plugin is loaded.
void validate_strategy(struct trial *t);
void validate_venue(struct trial *t);
void validate_allocator(struct trial *t);
void validate_service(struct trial *t);

#endif
