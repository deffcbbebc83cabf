// What the files of a change share. change.c: what has to happen, staging. change_commit.c: the meeting, and what the trading side does.
#ifndef HD_RUNTIME_CHANGE_INTERNAL_H
#define HD_RUNTIME_CHANGE_INTERNAL_H

#include "plugin/state.h"
#include "runtime/change.h"
#include "runtime/meeting.h"
#include "runtime/part.h"
#include "runtime/session_internal.h"

#define HD_CHANGE_SEATS (HD_DEPLOYMENT_ARMS_MAX * 2 + 2) // of a deployment: its arms, and those that leave

// A version on its way in: made beside the engine.
struct hd_staged {
  struct hd_occupant *occupant;         // owned until it sits
  struct hd_engine_instance *places;    // [seat_count]; owned
  struct hd_engine_wishes *wishes;      // [seat_count]; owned
  struct hadron_bar_request *bars;      // [seat_count][HD_BAR_KINDS_MAX]: what a trial start asked for; owned
  uint32_t *bar_counts;                 // [seat_count]; owned
  bool loads;                           // takes the live one's state over; it is started at the meeting
};

// One seat of the deployment, as it is and as it shall be.
struct hd_placing {
  struct hd_session_arm *seat;
  struct hd_occupant *occupant;         // that shall sit there; NULL: nobody
  struct hd_occupant *before;
  uint32_t role;                        // 0: the seat is given up
  uint32_t role_before;
  double weight;
  int64_t warm_until_ns;
  bool opened;                          // by this change
};

// Two rows of places whose occupants change places.
struct hd_move {
  struct hd_engine_instance *a, *b;
};

struct hd_change {
  struct hd_session *s;
  struct hd_part *part;                 // a venue, service or allocator: it has the rest; owned; NULL: a strategy
  struct hd_session_arm *home;          // the live seat
  struct hd_deployment want;            // nobody is wanted of one that is disabled
  uint32_t said_count;                  // its arms as they were said
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX];
  uint32_t placements[HD_DEPLOYMENT_ARMS_MAX];          // where each shall run
  struct hd_session_arm *found[HD_DEPLOYMENT_ARMS_MAX]; // where a wanted occupant sits now; NULL: it is staged
  struct hd_staged staged[HD_DEPLOYMENT_ARMS_MAX];
  struct hd_occupant *regoverned[HD_DEPLOYMENT_ARMS_MAX]; // found, under another budget than before; NULL: as it was
  struct hd_governor *governors[HD_DEPLOYMENT_ARMS_MAX];  // theirs; after the commit the old ones; owned
  struct hd_placing placings[HD_CHANGE_SEATS];
  uint32_t placing_count;
  struct hd_move moves[HD_CHANGE_SEATS];
  uint32_t move_count;
  struct hd_engine_layout **layouts;    // [shard]; NULL: seats stay as they are; owned
  unsigned char **buffers;              // [shard]: a state on its way; owned
  uint32_t buffer_size;
  unsigned char *sample;                // the state of the first instance as it was when the change began, for the probe; owned
  uint32_t sample_size;
  struct hd_occupant *leaving[HD_CHANGE_SEATS]; // owned: destroyed with the change
  struct hd_engine_instance *left[HD_CHANGE_SEATS]; // where they lie now
  uint32_t leaving_count;
  struct hd_engine_wishes last_wishes;  // of those who leave
  struct hd_meeting meeting;
  struct hadron_swap record;
  struct hd_fault *faults;              // [shard]; owned
  int32_t *codes;                       // [shard]; owned
  uint32_t *handed;                     // [shard]: bytes; owned
  uint64_t *last;                       // [shard]: sequence of its last tick; owned
  uint64_t *from;                       // [shard]: cycles when it stopped; owned
  uint32_t said_handed;                 // a session from records: what the record says
  int64_t now_ns;
  bool committed;
};

// The state of the first live instance, saved between two ticks on its own thread. [io]
int32_t hd_change_sample(struct hd_change *c, struct hd_fault *fault);
// The live occupant has a state and the new version takes it.
bool hd_change_hands_over(const struct hd_change *c, const struct hd_plugin *to);

#endif
