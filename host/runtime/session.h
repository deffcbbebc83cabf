// A session: everything that one run needs, built from a configuration in one place: journal, pipeline, venues, arms with their
// instances, services. Replay, backtest and live drive the same session; they differ in the clock and in who calls what.
//
// thread [control]; the parts belong to the threads that their headers name once ticks flow
#ifndef HD_RUNTIME_SESSION_H
#define HD_RUNTIME_SESSION_H

#include "journal/capability.h"
#include "journal/digest.h"
#include "journal/journal.h"
#include "registry/deployment.h"
#include "runtime/config.h"
#include "runtime/runner.h"

#define HD_TEMPLATE_COUNT 48 // templates counted by the sink; more than enum hadron_template has

struct hd_live;
struct hd_recover;          // recover.h
struct hd_snapshots;        // snapshot.h
struct hd_settings;         // setting.h
struct hd_registry;         // registry/registry.h
struct hd_session_deployed; // session_deploy.h
struct hd_governor;
struct hd_watchdog;
struct hd_bus;              // bus/bus.h
struct hd_placed;           // placed.h
struct hd_workers;          // supervise.h
struct hd_session_guards;   // session_guard.c
struct hd_host;             // registry/rollout.h

// A loaded version with its instances, one per instrument of a seat or one for its whole universe. It moves from seat to seat.
struct hd_occupant {
  const struct hd_plugin *plugin;              // static; of one that runs elsewhere: the stand-in for it
  const struct hd_plugin *artifact;            // the real one; static
  uint32_t placement;                          // enum hd_placement; set before its instances are made
  struct hd_placed *placed;                    // where it runs; NULL: inline; owned
  struct hadron_instance *instances;           // owned
  uint32_t instance_count;
  uint32_t param_count;                        // what a deployment has put on top of the configuration's
  struct hd_deployment_param *params;          // owned
  uint32_t set_count;                          // what operators had set for this version when it was made: on top of both
  struct hd_deployment_param *set;             // owned; NULL: nothing
  struct hd_budget budget;                     // of its instances; set before they are made
  struct hd_governor *governor;                // owned; NULL: no budget
  struct hd_histogram *latency;                // [shard]: ns per callback of its instances; one writing thread each; owned
  _Atomic uint64_t faults;
  _Atomic uint32_t fenced;                     // instances that get no more ticks
};

// A seat: one arm of a deployment, with its book, its universe and its role, and the version that occupies it.
struct hd_session_arm {
  const struct hd_config_strategy *config;     // borrowed; the same for all seats of a deployment
  uint32_t id;
  uint32_t home;                               // id of the deployment's live seat
  uint32_t role;                               // enum hd_role; 0: nobody sits here
  uint32_t revision;                           // of the deployment that it is part of; of a warm seat: that put its occupant here
  double weight;
  int64_t warm_until_ns;                       // a replaced version stays on until then; 0: it is no such one
  uint32_t *instruments;                       // its universe, ascending; owned
  uint32_t instrument_count;
  uint32_t seat_count;
  struct hd_engine_instance *seats;            // owned; in the order of the occupant's instances
  struct hd_occupant *occupant;                // owned; NULL: nobody
  bool changing;                               // a change of the deployment is under way; of the home seat
  struct hadron_swap swap;                     // the last change of occupant
  _Atomic bool swap_told;                      // its first tick is in the journal
  _Atomic int64_t swap_pause_ns;
};

struct hd_session_service {
  const struct hd_config_plugin *config; // borrowed
  struct hadron_instance *instance;      // owned
  const struct hadron_service_api *api;
  struct hd_journal_reader reader;
  int64_t next_ns;
  bool started;
  // What a person must hear of: the service's thread fills it while `alerting` is 0, the control thread takes it while it is 1.
  _Atomic uint32_t alerting;
  char alert[HD_INSTANCE_FAIL_SIZE + HADRON_NAME_SIZE];
};

// A session that is built again from the records of an earlier one, to be fed by hand (verify.h): venues have a number and features and
// are never called, plugins are those of the records, and what the session writes goes to whoever holds it against the journal.
struct hd_session_recorded {
  void *self;
  struct hadron_session session;                // its first record
  const struct hadron_instrument_definition *definitions; // by listing; borrowed
  uint32_t definition_count;
  bool recovers;                                // it begins with a recovery: from the journal, up to a position
  const char *journal;                          // its directory; borrowed
  uint64_t recover_to;
  uint64_t snapshot;                            // position of the one that it began with; 0: none
  // Of the START record of a section, with its text ("": none); NULL: there was none. A shadow's market: HD_SHADOW_MARKET.
  const struct hadron_deployment *(*part)(void *self, uint32_t kind, const char *name, const char **text);
  const struct hadron_deployment *(*at)(void *self, uint32_t index, const char **text); // one after the other; NULL: no more
  int32_t (*plugin)(void *self, const struct hadron_deployment *part, const struct hd_plugin **out, struct hd_fault *fault);
  int32_t (*write)(void *self, uint16_t template_id, const void *block, uint16_t block_size, const void *tail, uint32_t tail_size, int64_t now_ns, uint32_t flags);
  bool (*runs_again)(void *self, const char *name, const uint8_t digest[32]); // a version that ran elsewhere: else nobody is there; NULL: all do
};
#define HD_SHADOW_MARKET "shadow market"

struct hd_session;
struct hd_session_options {
  bool journal;        // open the journal (live; backtest with --journal)
  bool services;       // start services
  bool digest;         // keep the digest: one thread only
  bool is_virtual;     // the clock moves with the ticks
  int64_t now_ns;      // what a virtual clock says while it opens; 0: it begins with the first event
  bool recover;        // on a virtual clock too: the journal's earlier runs are gone on with; on the wall clock always
  bool group;          // on a virtual clock too: orders of one round share a flush (journal.fsync); on the wall clock always
  bool versions;       // seats may be opened while it runs: room is kept for them
  struct hd_registry *registry; // what versions there are; borrowed; NULL: plugins are files and no more
  const struct hd_session_recorded *recorded; // NULL: a session of its own; borrowed
  const char *orders_to; // overrides config->orders_to; NULL: as configured
  const struct hd_disk *disk; // where the journal is; borrowed; NULL: the system's
  const struct hd_plugin *(*builtin)(const char *name); // plugins that are in the program, asked before any file; NULL: there are none
  // Where there is no registry: what runs of a strategy, and the plugin of each arm. NULL: what the configuration says.
  int32_t (*deployment)(void *of, const char *name, struct hd_deployment *out, const struct hd_plugin **plugins);
  void *deployments;
  // Carries an operator's "key=value" out again, as it was when it was set; NULL: what was set does not last over starts.
  int32_t (*set)(struct hd_session *s, const char *assignment, struct hd_fault *fault);
  // What the reports are made of: called with every record after it was written, from the first one on; NULL: nobody.
  void *observer;
  void (*observe)(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size);
};

struct hd_session {
  struct hd_config *config;             // borrowed
  struct hd_session_options options;
  struct hd_pipeline pipeline;
  struct hd_runner runner;
  struct hd_venue *venues;              // owned
  uint32_t venue_count;
  struct hd_venue *shadows;             // [arm]: each shadow arm's own market; owned; NULL: no shadow yet
  _Atomic bool shadows_open;
  _Atomic(struct hd_shadow_room *) shadow_room; // made by a worker for the first shadow, not opened yet; owned
  bool defined;                         // the definitions of instruments are written
  uint32_t instruments_joined;          // highest one that the pipeline knows the shard of
  struct hd_venue *orders_to;           // takes all orders (paper, backtest); NULL: the venue of the strategy, or of the instrument
  struct hadron_instance *allocator;    // owned
  struct hd_session_arm *arms;          // [0 .. arm_count): ids 1 ..; rows never move
  uint32_t arm_count, arm_max;
  struct hd_session_deployed **deployed; // of the strategies, with a registry; rows never move; owned
  uint32_t deployed_count;
  struct hd_host *host;                 // this one among those of the registry; NULL: none; owned
  struct hd_session_service *services;
  uint32_t service_count;
  struct hd_journal *journal;           // NULL: none
  uint64_t promised;                    // position of the last order that waits for a flush; 0: none [trade]
  struct hd_metrics *metrics;
  struct hd_digest digest;              // of the arms that trade
  struct hd_digest shadow_digest;       // of the shadows
  _Atomic uint64_t records[HD_TEMPLATE_COUNT]; // written, by template; those of shadows apart
  _Atomic uint64_t shadow_records[HD_TEMPLATE_COUNT];
  uint64_t trace_seed;
  struct hd_recover *recover;           // what earlier runs left in the journal; owned; NULL: none was looked for
  struct hd_snapshots *snapshots;       // that are taken while it runs; owned; NULL: none
  struct hd_settings *settings;         // what operators have set and holds; owned; NULL: it does not recover
  bool open;                            // hd_session_open has ended well
  bool recovering;                      // what is told now was written before
  struct hd_live *live;                 // while it runs live; borrowed
  struct hd_session_guards *guards;     // where the clock moves with the ticks; NULL: none; owned
  uint64_t bus_from;                    // position in the journal at which this start began
  struct hd_bus *bus;                   // session_bus.h; owned; NULL: nobody is elsewhere
  struct hd_watchdog *watchdog;         // NULL: the clock moves with the ticks
  struct hd_workers *workers;           // placed_process.c; owned; NULL: none yet
  _Atomic(struct hd_placed *) placed[HD_PLACED_MAX]; // versions that run elsewhere
  _Atomic(struct hd_placed *) placed_in_trade, placed_in_io; // in whose hand one of them is
  _Atomic uint32_t placed_count;        // places of the list that were ever taken
  _Atomic uint32_t placed_waking;       // who is about to ring for one of them
  _Atomic(struct hd_live *) placed_wakes; // whom they ring; NULL: nobody
  int64_t placed_look_ns;               // [io]: monotonic, when they are looked after next
  char alert[256];                      // the last one; by hd_session_alarm and hd_session_alarm_text alone
  pthread_mutex_t alert_lock;
  _Atomic uint64_t alerts;
};

// Builds and starts; on failure the session is half-built and hd_session_close still has to be called. One error, with its place.
int32_t hd_session_open(struct hd_session *s, struct hd_config *config, const struct hd_session_options *options,
                        struct hd_fault *fault);
// Stops venues and services, writes the end of the session, frees everything. Accepts a half-built one.
void hd_session_close(struct hd_session *s);

// Gives an arm its simulated market and opens the desk of the shadows; an arm that has one keeps it. Before the arm's first order as a
// shadow: while the session is built, or at a quiet point. [io]
int32_t hd_session_shadow(struct hd_session *s, uint32_t arm, struct hd_fault *fault);
// Makes the tables that the first shadow will need, so that nobody waits for them then. No memory: hd_session_shadow says so. [any]
void hd_session_shadow_prepare(struct hd_session *s);

// Runs the services until they have nothing left to do (replay: at the end of a step). [plugin]
void hd_session_services(struct hd_session *s, int64_t now_ns, bool drain);
// Counts an alert and keeps its words for who asks what the last one was. [any]
void hd_session_alarm(struct hd_session *s, const char *text);
// The last one's; "": there was none. [any]
void hd_session_alarm_text(struct hd_session *s, char *to, size_t size);
// After a call of a service: an error line that it logged becomes an alert, which the control thread journals. [plugin]
void hd_session_service_heard(struct hd_session_service *service);

// Finds a plugin by name in the plugin path, or by file. out: NUL-terminated path. HADRON_ERR_NOT_FOUND names where it was looked for.
int32_t hd_session_plugin_path(const struct hd_config *config, const char *plugin, char *out, size_t size, struct hd_fault *fault);
// Loads every plugin and checks its parameters and what sections say of each other, without making or starting anything. Tells every
// problem with its place ("demo.lua:12"); returns how many there were. registry: NULL for none; looks: what is new is not registered. [control]
typedef void hd_session_wrong(void *user, const char *place, const char *text);
uint32_t hd_session_check(const struct hd_config *config, struct hd_registry *registry, bool looks, hd_session_wrong *wrong, void *user);
// Changes parameters of a running strategy, of all its versions ("trend") or of one ("trend@1.1.0"): all their instances or none. Versions that
// have no such parameter are passed over, if one has it. carry_out false: says only what would be refused by its table. [the owning thread is stopped or
// is this one]
int32_t hd_session_params(struct hd_session *s, const char *strategy, const struct hd_param_value *values, uint32_t count, bool carry_out,
                          struct hd_fault *fault);

static inline uint64_t hd_session_count(const struct hd_session *s, uint16_t template_id) {
  return atomic_load_explicit(&s->records[template_id], memory_order_relaxed);
}

#endif
