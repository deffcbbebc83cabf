// Coordinator: collects the decisions of one instrument and cause, lets the allocator merge them, and turns the result into
// intents. Writes the decision log: one opportunity with its contributions per merge. Arms that want opposite things cross inside the
// house at the reference price. There is one for the arms that trade and one for the shadows; each leaves the other's arms alone, and
// that of the shadows is given the decisions of one arm at a time.
//
// takes  decisions           gives  intents with their shares, crosses as allocations
// bound  HADRON_MERGE_DECISIONS_MAX per merge; more: merged in groups, in the order of their ids. HD_WAITING_MAX decisions wait for
//        an order to end; more: dropped, counted as errors
// thread [trade]
#ifndef HD_PIPELINE_COORDINATOR_H
#define HD_PIPELINE_COORDINATOR_H

#include "hadron/allocator.h"
#include "pipeline/gateway.h"
#include "pipeline/portfolio.h"
#include "pipeline/record.h"

struct hd_arm {
  uint32_t id;
  uint32_t role;            // 1 live, 2 canary, 3 shadow
  double weight;
  uint16_t venue;           // where its orders go; 0: the instrument's first listing
  struct hadron_quantity size; // of a SIDE decision that leaves the size to the allocator
  char name[HADRON_NAME_SIZE]; // the strategy's, as in the deployment
  uint32_t split_low, split_high; // trades the instruments whose share (hd_instrument_share) lies in [low, high); 0, 0: all
  uint32_t revision;        // of the deployment; 0: the first
  uint32_t placement;       // of its occupant, for its record: 1 inline, 2 thread, 3 process, 4 remote; 0: inline
};

#define HD_WAITING_MAX 256
#define HD_WAITING_TRIES 8 // a TARGET asks so often for orders in its way to be cancelled that are still there; then it waits for them to end

// A TARGET or WORK that goes on when orders in its way have ended; the newest per (arm, instrument, slot).
struct hd_waiting {
  struct hadron_decision decision;
  uint32_t tries;           // how often it was taken up and had to wait again
  uint32_t pad;
};

struct hd_intent_listener {
  void *self;
  // One intent, recorded already; shares as for hd_gateway_intent. [trade]
  void (*intent)(void *self, const struct hadron_intent *intent, const struct hd_share *shares, uint32_t share_count);
  // One arm's side of a cross inside the house: the listener books it (portfolio fills the computed fields); recorded after.
  int32_t (*allocate)(void *self, struct hadron_allocation *allocation);
  void (*allocated)(void *self, const struct hadron_allocation *allocation); // it was booked, and recorded if that could be; may be NULL
};

struct hd_coordinator {
  const struct hd_instruments *instruments; // borrowed
  const struct hd_marks *marks;
  const struct hd_portfolio *portfolio;
  const struct hd_gateway *gateway;
  const struct hd_record_sink *sink;
  const struct hadron_allocator_api *allocator;
  void *allocator_self;
  struct hd_intent_listener listener;
  const struct hd_arm *arms;                // [arm]; borrowed
  uint32_t arm_max;
  bool shadow;                              // of the shadows: orders go to `venue`, what is written says so
  uint16_t venue;                           // shadow: where all orders go
  uint64_t opportunities, intents, decisions, conflicts, errors; // ids of the last; counts
  struct hadron_merge_input input;          // scratch, so that a merge needs no stack of this size
  struct hadron_merge_output output;
  struct hadron_market market;
  struct hadron_decision decisions_buffer[HADRON_MERGE_DECISIONS_MAX]; // what the allocator sees
  struct hadron_standing standings[HADRON_MERGE_DECISIONS_MAX];
  uint32_t contribution_of[HADRON_MERGE_DECISIONS_MAX];                // index in the allocator's input -> contribution
  struct { struct hadron_group_header header; struct hadron_contribution entries[HADRON_MERGE_DECISIONS_MAX]; } log;
  struct hadron_client_order_id cancels[HADRON_MERGE_DECISIONS_MAX];   // planned, before the merge
  struct hadron_decision leads[HADRON_MERGE_DECISIONS_MAX];            // of the planned cancels
  uint32_t cancel_count;
  struct hd_waiting waiting[HD_WAITING_MAX];                           // ascending by age
  uint32_t waiting_count;
  bool busy, woken;                         // a merge is under way; an order has ended meanwhile
  const bool *reading;                      // [venue]: it is being reconciled: nobody goes on with it yet; NULL: none ever is
};

// Sets the borrowed fields and an empty table; the caller fills the struct's pointers first and calls this once.
void hd_coordinator_init(struct hd_coordinator *c);

// Merges decisions that share one cause (shadows: and one arm), recorded already; groups them by instrument, ascending, and in it by id. Of several TARGETs
// (or WORKs of a slot) of one arm the last counts. A decision's terms are completed first: type and time in force as hadron_decision
// says, quantity of a SIDE that leaves it open as the arm's size.
//
// TARGET trades the difference to (position + working); working orders of the arm on the wrong side are cancelled first and the
// TARGET waits until they have ended (an order shared with other arms goes as a whole); one whose cancel was refused is asked for again. WORK keeps one order per (arm, instrument,
// slot): unchanged terms do nothing, changed ones replace, quantity 0 cancels; the quantity is the order's total with its fills. While
// the venue has not answered for the slot's order, the newest WORK waits. An intent of a TARGET or WORK without a key of its own has the
// decision's id as key: it may ask for the same order twice in a day and mean it.
//
// Written per merge: opportunity with contributions, then the crosses' allocations, then each intent before its listener hears of it.
// A record that cannot be written stops the merge: nothing that was not recorded leaves here.
void hd_coordinator_merge(struct hd_coordinator *c, const struct hadron_decision *decisions, uint32_t count, int64_t now_ns);

// Whatever the arm still waited to do in an instrument (0: all) it does not do any more.
void hd_coordinator_forget(struct hd_coordinator *c, uint32_t arm, uint32_t instrument);

// An order has ended or filled: a TARGET that waited for a cancel goes on, unless its venue is being reconciled. Call with every order event.
void hd_coordinator_order_event(struct hd_coordinator *c, const struct hadron_order_event *event, int64_t now_ns);
// A venue has been reconciled.
void hd_coordinator_wake(struct hd_coordinator *c, int64_t now_ns);

// ---- Recovery. What waits is in the contributions of the opportunities (flag 2), in their order. [control, before ticks flow]

void hd_coordinator_fold(struct hd_coordinator *c, const struct hadron_decision *decision, bool waits);
// The decision with this id, if it waits; NULL.
const struct hadron_decision *hd_coordinator_waits(struct hd_coordinator *c, uint64_t decision);
// Other numbers: arms[old] is the new one, 0: nobody. keep: may the arm go on with it? Returns how many do not wait any more.
uint32_t hd_coordinator_renumber(struct hd_coordinator *c, const uint32_t *arms, uint32_t arm_max, bool (*keep)(void *user, const struct hadron_decision *decision), void *user);
struct hd_image;
void hd_coordinator_save(const struct hd_coordinator *c, struct hd_image *m);
void hd_coordinator_load(struct hd_coordinator *c, struct hd_image *m);

#endif
