// A venue plugin's instance as the runtime holds it: its host functions (hadron.venue/1), what it said and has not been handled yet,
// and when it wants to be polled. Ticks and reports are queued here while the plugin is being called and handled after it has
// returned: a strategy's order never enters a venue that is in the middle of a call.
//
// bound  reports: HD_REPORT_RING; ticks of a venue that is not RECORDED: grows to what one poll emits, then stays
// thread [io]
#ifndef HD_RUNTIME_VENUE_H
#define HD_RUNTIME_VENUE_H

#include "hadron/venue.h"
#include "pipeline/pipeline.h"
#include "plugin/instance.h"

struct hd_runner;

struct hd_venue {
  const struct hadron_venue_api *api; // static
  void *self;
  struct hadron_instance *instance;   // owned by the session
  const struct hd_config_plugin *config; // its section; borrowed; NULL: a shadow's market
  struct hd_runner *runner;           // borrowed
  uint16_t number;                    // from 1
  uint32_t shadow;                    // the arm whose market it is; 0: a venue of everybody's
  _Atomic uint32_t state;             // enum hadron_venue_state; [trade] reads it
  _Atomic bool listing;               // its list of orders and positions has not been read to the end: no new ones
  bool lists;                         // it is telling it
  bool wants_list;                    // it has to be asked, at its next poll
  bool blind;                         // it was made anew and knows nothing of what is held there
  int64_t ready_ns;                   // when it was last ready; 0: not in this run
  int64_t since_ns;                   // fills from here on may be missing
  _Atomic bool closing; // its orders are being taken out: no new ones
  bool started;
  _Atomic bool woken;                 // rung for, or a descriptor is ready; any thread sets it
  int64_t next_ns;                    // wants to be polled; INT64_MAX: not by time
  uint64_t done, total;               // progress of a recorded source
  uint64_t ticks;                     // handed over
  struct hadron_tick *queue;          // ticks not handled yet; owned
  uint32_t queue_at, queue_count, queue_room;
  char name[HADRON_NAME_SIZE];
  char words[128];                    // with its last status
  struct hadron_venue_api recorded;   // of a session that is built from records: features and nothing else
};

extern const struct hadron_venue_host hd_venue_host; // the capability table "hadron.venue/1"

static inline bool hd_venue_is(const struct hd_venue *v, uint32_t feature) { return (v->api->features & feature) != 0; }

const char *hd_venue_state_name(uint32_t state); // "ready"; static
int32_t hd_venue_start(struct hd_venue *v, struct hd_fault *fault);
void hd_venue_stop(struct hd_venue *v);
// Calls poll and keeps what it returned. [io]
void hd_venue_poll(struct hd_venue *v, int64_t now_ns);
// Asks for its orders, fills and positions; until its list is read to the end no orders go there. Does nothing where it has none. [io]
int32_t hd_venue_reconcile(struct hd_venue *v, struct hd_fault *fault);
void hd_venue_blind(struct hd_venue *v); // it was made anew: what is held there is news to it. [io]
void hd_venue_fini(struct hd_venue *v); // frees the queue; the instance is the session's

#endif
