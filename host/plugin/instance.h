// One running plugin, as the host knows it: the opaque struct hadron_instance of the SDK. A room that runs plugins makes one, hands
// it the capabilities that it owns (engine, venues, timers, journal), and gets a struct hadron_host to give to `create`. Log and
// metrics are added here.
//
//   hd_instance_init      the host's side; required capabilities must be there
//   hd_instance_create_*  the plugin's side is made
//   hd_params_apply       its parameters
//   hd_state_load         if it takes over from another
//   hd_instance_start     start
//   ... callbacks ...     by the room, through the kind's table and `self`
//   hd_instance_stop      venues and services
//   hd_instance_destroy, hd_instance_fini   accept a half-built one
//
// Thread: [control] for all of these but start and stop, which belong to the thread that the kind's header names.
#ifndef HD_PLUGIN_INSTANCE_H
#define HD_PLUGIN_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "base/random.h"
#include "hadron/allocator.h"
#include "hadron/service.h"
#include "hadron/strategy.h"
#include "hadron/venue.h"
#include "plugin/capability.h"
#include "plugin/loader.h"

#define HD_INSTANCE_NAME_SIZE 80 // there are thousands of instances: what each of them carries is counted; a longer name is cut
#define HD_INSTANCE_OWNER_SIZE 80 // a name of a section and ".shard63"
#define HD_INSTANCE_FAIL_SIZE 512

enum hd_instance_state {
  HD_INSTANCE_INVALID = 0,
  HD_INSTANCE_LOADED = 1,  // init done, no self yet
  HD_INSTANCE_CREATED = 2,
  HD_INSTANCE_ACTIVE = 3,
  HD_INSTANCE_STOPPED = 4,
};

struct hadron_instance {
  struct hadron_host host;                 // what `create` gets
  const struct hd_plugin *plugin;          // static
  const struct hd_capability *capabilities; // the room's, ended by a NULL name; borrowed(until fini)
  void *owner;                             // the room's own: it finds its way back from a capability call
  const void *family;                      // instances of another one share nothing with this, whatever language they are in
  int64_t (*now)(void *owner);
  struct hd_metrics *metrics;              // NULL: hadron.metrics/1 is not offered
  void *self;                              // the plugin's; NULL until created
  enum hd_instance_state state;
  uint32_t arm;                            // strategies; 0 else
  uint16_t venue;                          // venues; 0 else
  struct hd_random random;
  uint64_t errors;                         // callbacks that failed; the room counts
  uint64_t lines;                          // log lines written
  char name[HD_INSTANCE_NAME_SIZE];        // in logs and errors: "sma/AAPL"
  char metric_owner[HD_INSTANCE_OWNER_SIZE]; // who the cells belong to: all instances of a plugin on one shard
};

struct hd_instance_options {
  const struct hd_plugin *plugin;
  const struct hd_capability *capabilities; // may be NULL
  void *owner;
  int64_t (*now)(void *owner);
  struct hd_metrics *metrics;  // may be NULL
  const char *name;            // borrowed(call)
  const char *metric_owner;    // borrowed(call); NULL: name
  const void *family;          // of instances made together; NULL: none
  uint64_t seed;               // of its random stream: from the session's seed, arm and instrument, never from the clock
  uint32_t arm;
  uint16_t venue;
};

// HADRON_ERR_CAPABILITY, by name, if the plugin requires what the room does not bring.
int32_t hd_instance_init(struct hadron_instance *instance, const struct hd_instance_options *options, struct hd_fault *fault);
void hd_instance_fini(struct hadron_instance *instance);
void hd_instance_destroy_owned(struct hadron_instance *instance); // the same for one on the heap; NULL is fine

// Calls `create`; on failure the fault carries the plugin's words and the instance stays LOADED.
int32_t hd_instance_create_strategy(struct hadron_instance *instance, const struct hadron_strategy_context *context, struct hd_fault *fault);
int32_t hd_instance_create_venue(struct hadron_instance *instance, const struct hadron_venue_context *context, struct hd_fault *fault);
int32_t hd_instance_create_allocator(struct hadron_instance *instance, struct hd_fault *fault);
int32_t hd_instance_create_service(struct hadron_instance *instance, struct hd_fault *fault);
// Calls `start` where the kind has one.
int32_t hd_instance_start(struct hadron_instance *instance, struct hd_fault *fault);
// Calls `stop` of a venue or service that is active; any other only changes its state. May be called twice.
void hd_instance_stop(struct hadron_instance *instance);
// Stops if it must, calls `destroy` if there is something to destroy. May be called twice.
void hd_instance_destroy(struct hadron_instance *instance);

// The plugin's own words for the call in progress, at most HD_INSTANCE_FAIL_SIZE - 1 bytes; kept per thread, because a call and the
// words about it are on one. A room points its table's `fail` here; the call that reports takes them.
void hd_instance_fail(struct hadron_instance *instance, const char *text);
const char *hd_instance_words(const struct hadron_instance *instance); // "": none; borrowed(until the next call on this thread)
void hd_instance_hush(struct hadron_instance *instance); // forgets them: before a call
// "strategy sma/AAPL: WHAT: TEXT OF CODE: the plugin's words". Returns code, or HADRON_ERR_PLUGIN if that is no error code.
int32_t hd_instance_fault(struct hadron_instance *instance, int32_t code, const char *what, struct hd_fault *fault);

// The table of a capability for this instance; NULL if it is not offered.
const void *hd_instance_capability(const struct hadron_instance *instance, const char *name);

#endif
