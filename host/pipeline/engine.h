// Engine: one shard. Keeps the state of its instruments (last trade, quote, volatility, the arms' positions), builds bars, keeps
// timers, and calls each strategy instance whose triggers and universe match. Run to completion, nothing shared but the marks.
//
// takes  ticks of its instruments in order; feedback (allocations, order events); time
// gives  decisions, in the order in which they were made
// bound  HD_TICK_DECISIONS_MAX per call   full   decide() says FULL, counted; a shadow's last one goes if an arm that trades needs the room
// thread [shard]; setting up is [control] before ticks flow
#ifndef HD_PIPELINE_ENGINE_H
#define HD_PIPELINE_ENGINE_H

#include "base/histogram.h"
#include "base/limits.h"
#include "hadron/strategy.h"
#include "pipeline/instrument.h"
#include "pipeline/mark.h"

struct hd_engine;

// What an instance asked for while it had no seat yet (a new version is made beside the running one). [control]
struct hd_engine_wishes {
  int64_t now_ns;                        // its time until it sits
  uint32_t timer_count;
  uint32_t pad;
  struct {
    int64_t due_ns;
    uint64_t id;
  } timers[HD_START_TIMERS_MAX];
};

// A seat: an arm's place in the engine, with the strategy instance that sits there. The owner (runtime) keeps the struct until the
// engine ends or the seat is taken out. What comes before `instruments` is the occupant's and moves with it from seat to seat.
struct hd_engine_instance {
  const struct hadron_strategy_api *api; // static; the owner fills these three
  void *self;
  int32_t (*on_timer)(void *self, uint64_t id, int64_t due_ns, const struct hadron_market *market); // NULL: no timers
  struct hd_histogram *latency;          // ns per callback; NULL: not measured; borrowed
  uint64_t calls, errors;                // callbacks; those that failed
  uint32_t fenced;                       // 1: no more calls; 2: none for now (muted)
  uint32_t fresh;                        // 1: has just sat down: its first tick is told to the listener
  uint32_t errors_in_row;
  uint32_t pad;
  uint64_t refused;                      // decisions that were out of range or too many
  struct hd_engine_wishes *wishes;       // not NULL: it has no seat yet; borrowed
  uint32_t timers;                       // of it that run
  uint32_t bar_count;
  struct hadron_bar_request bars[HD_BAR_KINDS_MAX];
  // The seat's; the owner fills the first three.
  const uint32_t *instruments;           // its universe, ascending; borrowed(until the engine ends)
  uint32_t instrument_count;
  uint32_t arm;
  struct hd_engine *engine;
  const struct hd_engine_instance *next; // for a layout: whose occupant will sit here; NULL: it stays. Cleared by install
};

// What an arm holds and works in an instrument: the arm's fields of hadron_market.
struct hd_arm_view {
  struct hadron_quantity position, working_buy, working_sell;
  struct hadron_price average_entry;
};

struct hd_engine_listener {
  void *self;
  // A callback failed. fenced: the instance gets no more ticks. [shard]
  void (*fault)(void *self, struct hd_engine_instance *instance, int32_t code, bool fenced);
  // The first tick after an instance has sat down as `fresh`. May be NULL. [shard]
  void (*first)(void *self, struct hd_engine_instance *instance, uint64_t sequence);
  // Volatility went above or fell below the threshold of the router's rules. [shard]
  void (*turbulent)(void *self, uint32_t instrument, bool on);
  // A timer or a time bar is about to fire. [shard]
  void (*fired)(void *self, const struct hadron_timer_fired *timer);
  // What an arm has in an instrument now; asked after hd_engine_lapse. [shard]
  struct hd_arm_view (*view)(void *self, uint32_t arm, uint32_t instrument);
};

struct hd_engine_options {
  uint64_t session;        // seeds trace ids
  uint32_t errors_max;     // failing callbacks in a row after which an instance is fenced; 0: never
  double volatile_above;   // per-second standard deviation; 0: never
  double volatility_decay; // EWMA weight of the old variance, (0, 1)
  uint32_t measure_every;  // callbacks per measured one, a power of two; 0: none
  // [arm]: is it a shadow? Where a call's room for decisions is used up, a shadow's make room for those of an arm that trades. NULL: none is.
  const _Atomic uint8_t *shadows; // borrowed
};

struct hd_engine_counts {
  uint64_t ticks, calls, bars, timers, decisions, refused, faults;
};

// Where the next timer or bar close stands; smaller fires first, across shards too.
struct hd_due {
  int64_t due_ns;
  uint64_t order;
};

int32_t hd_engine_create(const struct hd_engine_options *options, const struct hd_instruments *instruments,
                         struct hd_marks *marks, const struct hd_engine_listener *listener, struct hd_engine **out);
void hd_engine_destroy(struct hd_engine *e);

// Adds an instance; before its `start`. HADRON_ERR_MEMORY, HADRON_ERR_ARGUMENT (an instrument that is not in the table). [control]
int32_t hd_engine_add(struct hd_engine *e, struct hd_engine_instance *instance);
// All instances are added and started: builds the subscription table. [control]
int32_t hd_engine_seal(struct hd_engine *e);

// Another layout of seats while the engine runs: built beside it, put in its place between two ticks.
//
//   create   [control]  the seats that are there, without `drop`, with `add`; each with the triggers and bars of who will sit there
//   install  [shard]    copies views, running bars and timers over; allocates nothing
//   destroy  [control]  the layout that was not installed, or what was in its place
struct hd_engine_layout;
int32_t hd_engine_layout_create(struct hd_engine *e, struct hd_engine_instance *const *add, uint32_t add_count,
                                struct hd_engine_instance *const *drop, uint32_t drop_count, struct hd_engine_layout **out);
void hd_engine_layout_install(struct hd_engine_layout *layout);
void hd_engine_layout_destroy(struct hd_engine_layout *layout); // NULL is fine

// Exchanges the occupants of two seats, timers included; either may be a place beside the engine. Who had wishes and sits now gets
// its timers: HADRON_ERR_FULL if there is no room for them, and nothing has changed. [shard, between two ticks]
int32_t hd_engine_exchange(struct hd_engine_instance *a, struct hd_engine_instance *b);
// Sequence of the last tick that the engine handled; and for how many more timers there is room. [shard]
uint64_t hd_engine_last(const struct hd_engine *e);
uint32_t hd_engine_timer_room(const struct hd_engine *e);
// Takes the timers of an occupant that has lost its seat out of the engine; what it asks for from now on (while it is destroyed) ends
// in `wishes`. [shard, between two ticks]
void hd_engine_leave(struct hd_engine_instance *instance, struct hd_engine_wishes *wishes);
// Nobody is there any more. [control]
void hd_engine_vacate(struct hd_engine_instance *instance);

// Do any instances want ticks of the instrument? [control, after seal]
bool hd_engine_wants(const struct hd_engine *e, uint32_t instrument);

// The calls of a tick. Decisions that come of it are in hd_engine_decisions until the next call. [shard]
void hd_engine_tick(struct hd_engine *e, const struct hadron_tick *tick);
// Fires the first timer or bar close that is due at now_ns; false if there is none. [shard]
bool hd_engine_fire(struct hd_engine *e, int64_t now_ns);
// When the next one is due; false if there is none. [shard]
bool hd_engine_due(const struct hd_engine *e, struct hd_due *due);
int64_t hd_engine_due_ns(const struct hd_engine *e); // its time alone; INT64_MAX: none
static inline bool hd_due_before(struct hd_due a, struct hd_due b) {
  return a.due_ns != b.due_ns ? a.due_ns < b.due_ns : a.order < b.order;
}

// What happened to an arm in an instrument; sets its view, then calls the instance if it asked for that. [shard]
void hd_engine_allocation(struct hd_engine *e, const struct hadron_allocation *allocation, const struct hd_arm_view *view);
void hd_engine_order_event(struct hd_engine *e, uint32_t arm, const struct hadron_order_event *event,
                           const struct hd_arm_view *view);
// What an arm has in an instrument has changed, and its subscription asks for neither order events nor executions: its view is fetched when
// it is called next. False: it asks for them, and nothing is done. [shard]
bool hd_engine_lapse(struct hd_engine *e, uint32_t arm, uint32_t instrument);
// Fetches every view that was given up so: from now on the trading side is another thread.
void hd_engine_refresh(struct hd_engine *e);
// A view has changed without either: a split, a recovery. [shard]
void hd_engine_view(struct hd_engine *e, uint32_t arm, uint32_t instrument, const struct hd_arm_view *view);

// Recovery. An arm that is not meant by what is fed now gets no calls (muted), as if it were fenced; a timer or bar that has fired before fires
// again, alone and whatever else is due: false if none is there. order: whose timer it is, in this engine's numbers.
void hd_engine_mute(struct hd_engine *e, uint32_t arm, bool muted);
bool hd_engine_sits(struct hd_engine *e, uint32_t arm, uint32_t instrument); // does an instance of the arm have the instrument in its universe?
void hd_engine_fence(struct hd_engine *e, uint32_t arm, uint32_t instrument); // as it was before: the seat whose universe begins with the instrument
bool hd_engine_refire(struct hd_engine *e, const struct hadron_timer_fired *fired, uint32_t arm);

// The decisions of the last call, ids not yet set. borrowed(until the next call). [shard]
const struct hadron_decision *hd_engine_decisions(const struct hd_engine *e, uint32_t *count);

// Where it publishes its marks from now on; borrowed(until the engine ends). [control, while it rests]
void hd_engine_marks(struct hd_engine *e, struct hd_marks *marks);
// Changes the threshold of `turbulent`; 0: never. [shard, or while it rests]
void hd_engine_volatile_above(struct hd_engine *e, double volatile_above);

// An engine whose seats are another one's somewhere else (runtime/far.h). What its clock says before its first call; the time of its first
// timer, bars apart; and the rows of some instruments with their running bars, as bytes for an engine of the same program: bars go on where
// somebody asks for them. HADRON_ERR_CORRUPT: the bytes make no sense, and some rows may have been read. [its thread]
struct hd_image;
void hd_engine_time(struct hd_engine *e, int64_t now_ns);
struct hd_engine_timer {
  int64_t due_ns;                        // INT64_MAX: none
  uint64_t id;
  struct hd_engine_instance *instance;
};
struct hd_engine_timer hd_engine_timer_due(const struct hd_engine *e);
// The timers of an instance: how many run, at most `max` of them in no order; and others in their place. HADRON_ERR_FULL: there was no room for all.
struct hd_engine_timer_row {
  int64_t due_ns;
  uint64_t id;
};
uint32_t hd_engine_timers(const struct hd_engine_instance *instance, struct hd_engine_timer_row *out, uint32_t max);
int32_t hd_engine_timers_set(struct hd_engine_instance *instance, const struct hd_engine_timer_row *rows, uint32_t count);
void hd_engine_rows_save(const struct hd_engine *e, const uint32_t *instruments, uint32_t count, struct hd_image *m);
int32_t hd_engine_rows_load(struct hd_engine *e, struct hd_image *m);
// Are the fields that a strategy sets in their ranges? Fills in what follows from others (order type, time in force).
bool hd_decision_complete(struct hadron_decision *d);
// A decision that was made elsewhere by the strategy that sits here, in a callback of its stand-in: as hd_engine_decide, but trace, cause and
// time are its own. HADRON_ERR_STATE: it has no seat, or its cause has not been handled here. [shard]
int32_t hd_engine_decided(struct hd_engine_instance *instance, const struct hadron_decision *decision);

// Host side of the strategy capabilities; `instance` is the one in a callback (or in start, for bars and timers).
int32_t hd_engine_decide(struct hd_engine_instance *instance, const struct hadron_decision *decision);
const struct hadron_market *hd_engine_market(struct hd_engine_instance *instance, uint32_t instrument);
int32_t hd_engine_bars(struct hd_engine_instance *instance, const struct hadron_bar_request *request);
int32_t hd_engine_timer_at(struct hd_engine_instance *instance, int64_t due_ns, uint64_t id);
void hd_engine_timer_cancel(struct hd_engine_instance *instance, uint64_t id);
int32_t hd_engine_feature(struct hd_engine_instance *instance, uint32_t instrument, uint32_t feature, double *value);
bool hd_engine_owns(const struct hd_engine_instance *instance, uint32_t instrument);
const char *hd_engine_name(const struct hd_engine_instance *instance, uint32_t instrument); // NULL: not in its universe
int64_t hd_engine_now(const struct hd_engine_instance *instance); // of the call in progress
uint64_t hd_engine_cause(const struct hd_engine *e); // sequence of what the call in progress, or the last one, is about

const struct hd_engine_counts *hd_engine_count(const struct hd_engine *e);

#endif
