// The pipeline: the stages in their order, and the only place that knows it.
//
//   offer      [io]     normalize -> follower (simulated fills) -> router -> lanes
//   step       [shard]  lanes -> record -> engine -> decisions
//   decisions  [trade]  record -> coordinator (allocator) -> risk -> gateway -> venue port
//   report     [trade]  venue -> gateway -> portfolio -> feedback
//   feedback   [shard]  allocations and order events -> engine -> decisions
//
// What follows the decisions is a desk, and there are two of the same make: one for the arms that trade, one for the shadows, whose orders go
// to a simulated venue of their own (one market per shadow arm). A shadow is handled one arm at a time, judged by its own book alone, and leaves
// nothing behind that an arm that trades could notice: ids, books, valuations, limits' counters and orders are apart.
//
// Plain functions over plain structs: the runtime decides which thread calls what, and what the clock says. With one thread,
// `hd_pipeline_settle` runs everything that a tick or a report set off to its end.
#ifndef HD_PIPELINE_PIPELINE_H
#define HD_PIPELINE_PIPELINE_H

#include "base/histogram.h"
#include "base/ring.h"
#include "pipeline/coordinator.h"
#include "pipeline/engine.h"
#include "pipeline/normalize.h"
#include "pipeline/reconcile.h"
#include "pipeline/risk.h"
#include "pipeline/router.h"

enum hd_stage {
  HD_STAGE_NORMALIZE = 0, // offer: normalize and route
  HD_STAGE_ENGINE,        // step: state, strategies
  HD_STAGE_MERGE,         // decisions: coordinator and allocator, without what follows
  HD_STAGE_RISK,
  HD_STAGE_GATEWAY,       // record and send
  HD_STAGE_TICK_TO_ORDER, // from the offer of a tick to the order's way into the venue
  HD_STAGE_COUNT
};
extern const char *const hd_stage_names[HD_STAGE_COUNT];

// What a shard hears of the trading side.
struct hd_feedback {
  uint32_t kind; // HADRON_MSG_ALLOCATION, HADRON_MSG_ORDER_EVENT, or 0: the view alone
  uint32_t arm, instrument;
  uint32_t pad;
  struct hd_arm_view view;
  union {
    struct hadron_allocation allocation;
    struct hadron_order_event order_event;
  } of;
};

struct hd_pipeline_listener {
  void *self;
  // Something that an operator should know. [any]
  void (*alert)(void *self, uint32_t severity, int32_t code, uint32_t arm, uint32_t instrument, uint16_t venue, const char *text);
  // An instance's callback failed. [shard]
  void (*fault)(void *self, struct hd_engine_instance *instance, int32_t code, bool fenced);
  // The first tick that an instance saw in a new seat. [shard]; may be NULL
  void (*first)(void *self, struct hd_engine_instance *instance, uint64_t sequence);
  // A sample of the portfolio was recorded. [trade]; may be NULL
  void (*equity)(void *self, const struct hadron_equity *equity);
  // An intent is about to be checked; for explanations. [trade]; may be NULL
  void (*risk)(void *self, struct hd_risk *risk, const struct hd_risk_request *request);
  // Takes decisions from [shard] to [trade]; NULL: they are handled at once, by the same thread.
  void (*decided)(void *self, uint32_t shard, const struct hadron_decision *decisions, uint32_t count);
  // A venue's list was read to its end: orders may go there. [trade]; may be NULL
  void (*reconciled)(void *self, uint16_t venue);
  // Feedback waits in the ring of a shard. NULL: `hd_pipeline_settle` takes it.
  void (*feedback)(void *self, uint32_t shard);
};

// A venue that fills orders against accepted ticks.
struct hd_follower {
  void *self;
  void (*on_tick)(void *self, const struct hadron_tick *tick);
};

// Are costs of orders written down (cost.h), and which stamps are the pipeline's own?
enum hd_costs {
  HD_COSTS_NONE = 0,
  HD_COSTS_ALL,     // one thread
  HD_COSTS_TRADING, // with threads: those of the trading side; who brings the decisions knows the others
};

struct hd_pipeline_options {
  uint32_t mode;             // enum hadron_mode
  uint32_t shards, lane_ticks, instruments_max, arm_max;
  uint64_t session;          // seed of trace ids
  bool open_universe;
  bool record_ticks, record_rejects;
  struct hadron_money cash;
  struct hd_normalize_options normalize;
  struct hd_limits limits;
  struct hd_gateway_options gateway;
  struct hd_engine_options engine;
  int64_t equity_every_ns;   // samples of the books; 0: only at the end
  uint32_t measure_every;    // ticks per measured one, a power of two; 0: none
  uint32_t on_difference;    // enum hd_difference
};

// From decisions to orders and back. The arms that trade: the parts are the pipeline's own. Shadows: the parts are the desk's.
#define HD_LABEL_SIZE (HADRON_NAME_SIZE + 24)
struct hd_desk {
  struct hd_pipeline *pipeline;      // borrowed
  struct hd_coordinator *coordinator;
  struct hd_risk *risk;
  struct hd_gateway *gateway;        // NULL: not open
  enum hd_side side;
  uint64_t decisions;                // id of the last
};
struct hd_shadow_room;               // desk.c

struct hd_pipeline {
  struct hd_pipeline_options options;
  struct hd_instruments instruments;
  struct hd_marks marks;            // what the trading side knows
  struct hd_marks board;            // with threads: what the shards write; no cells: they write `marks`
  bool clocked;                     // the clock is not that of the events: what is done by it is written down
  bool holds;                       // orders wait for the flush of their round: hd_pipeline_flush, hd_pipeline_send
  bool looks;                       // the trading side looks at the board and writes down what it sees
  struct hd_normalize normalize;
  struct hd_router router;
  struct hd_engine **engines;       // [shard]; owned
  struct hd_ring *feedback;         // [shard]; owned
  struct hd_portfolio portfolio;
  struct hd_risk risk;
  struct hd_gateway *gateway;
  struct hd_coordinator coordinator;
  struct hd_reconcile reconcile;
  struct hd_desk desk, shadow;      // of the arms that trade: the four above; of the shadows
  struct hd_shadow_room *room;      // the shadow desk's parts; owned; NULL: not open
  struct hd_arm *arms;              // [arm]; owned
  _Atomic uint8_t *shadows;         // [arm]: 1: it is a shadow; the shards look at it; owned
  char (*labels)[HD_LABEL_SIZE];    // [arm]: what a shadow arm's order ids are made of; owned
  struct hadron_arm_definition *definitions; // [arm]: as last recorded; owned
  uint32_t *instrument_shares;      // [instrument]: hd_instrument_share + 1; 0: not worked out yet; owned
  uint32_t arm_count;
  struct hd_record_sink sink;
  struct hd_venue_port port;
  struct hd_pipeline_listener listener;
  struct hd_follower follower;
  int64_t next_equity_ns, next_mark_ns;
  int64_t now_ns;                   // [trade]: of the event being handled
  uint64_t tick_rejects, equity_samples;
  _Atomic uint64_t sink_errors;     // any thread writes records
  uint64_t sampled_allocations;     // id of the last allocation before the last sample
  uint64_t sampled;                 // ticks accepted up to the last sample
  uint64_t started;                 // cycles at the offer of the tick in progress; 0: not measured
  uint32_t costs;                   // enum hd_costs
  struct hd_stamps stamps;          // of the event in hand; with threads: [trade]
  uint64_t trading;                 // with threads: not 0: what the trading side is about to do is measured. [trade]
  uint32_t measure_at;
  struct hd_histogram latency[HD_STAGE_COUNT];
};

// On failure nothing needs to be undone but hd_pipeline_fini, which accepts a half-built one.
int32_t hd_pipeline_init(struct hd_pipeline *p, const struct hd_pipeline_options *options, const struct hd_record_sink *sink,
                         const struct hd_venue_port *port, const struct hd_pipeline_listener *listener, struct hd_fault *fault);
void hd_pipeline_fini(struct hd_pipeline *p);

// Setting up, in this order: instruments, arms, shards, instances, seal. [control]
// An arm may also be opened while it runs, and so may one that was closed, over another universe ([trade], at a quiet point).
int32_t hd_pipeline_arm(struct hd_pipeline *p, const struct hd_arm *arm, struct hadron_money cash, const uint32_t *instruments,
                        uint32_t count, uint8_t const digest[32], const char *version);
// Opens the desk of the shadows; before it is open their decisions are recorded and go no further. Their orders go to `venue`, which is
// nobody else's. After the allocator; while running at a quiet point. Once open, OK.
int32_t hd_pipeline_shadow(struct hd_pipeline *p, uint16_t venue);
// The same in two steps, because its tables are as large as those of what trades: made anywhere, opened at a quiet point.
struct hd_shadow_room *hd_shadow_room_make(struct hd_pipeline *p, uint16_t venue);     // NULL: no memory [any]
void hd_shadow_room_destroy(struct hd_shadow_room *room);                             // one that was not opened; NULL is fine [any]
void hd_pipeline_shadow_open(struct hd_pipeline *p, struct hd_shadow_room *room);     // moved; none is open yet [trade, at a quiet point]
// The part of 0..1000000 that an instrument lies at, by its canonical name: the first eight bytes of the name's SHA-256, as a little-endian
// number, modulo a million. It never changes, so what is split by it stays where it is.
uint32_t hd_instrument_share(const char *name);

#define HD_HEIR_SPLIT UINT32_MAX // of each instrument the arm of the same name whose split has it; there is none: nobody

// What an arm is to become.
struct hd_arm_change {
  uint32_t role;                    // enum hd_role
  uint32_t heir;                    // arm that takes over what this one may no longer trade; 0: nobody; HD_HEIR_SPLIT
  double weight;
  uint32_t split_low, split_high;   // as in struct hd_arm
  uint32_t revision;                // of the deployment
};

// Changes an arm's role, weight and split while it runs, and writes its ARM record. What it may no longer trade goes: an arm that becomes a
// shadow, or whose split leaves an instrument out, has its open orders there cancelled, what is still filled of them is the heir's, and its
// positions are transferred to the heir at the reference price, as a cross inside the house (allocations with flag 2). Without an heir they
// stay with the house, arm 0, and an alert says so. From shadow to trading the arm begins flat; its shadow orders end. The book of an arm that
// begins or ends to trade begins anew. All or nothing up to the transfers; a transfer that fails is taken back and named in the fault.
// A shadow needs its market first (hd_pipeline_shadow). [trade, at a quiet point]
// HADRON_ERR_NOT_FOUND, HADRON_ERR_ARGUMENT, HADRON_ERR_STATE, HADRON_ERR_OVERFLOW, HADRON_ERR_IO.
int32_t hd_pipeline_role(struct hd_pipeline *p, uint32_t arm, const struct hd_arm_change *change, int64_t now_ns, struct hd_fault *fault);
// The arm leaves: as if it became a shadow, and then its book is closed. Its number may be opened again.
int32_t hd_pipeline_close(struct hd_pipeline *p, uint32_t arm, uint32_t heir, int64_t now_ns, struct hd_fault *fault);
// A shadow takes over the positions of another arm, with their cost: its open orders end, and an allocation with flag 2 per instrument says
// what it holds then. Its equity does not change. Instruments that are not in its universe are left out.
int32_t hd_pipeline_mirror(struct hd_pipeline *p, uint32_t from, uint32_t to, int64_t now_ns, struct hd_fault *fault);

// From here on what an order has cost is written down when it is sent. While nothing runs.
void hd_pipeline_cost(struct hd_pipeline *p);
void hd_pipeline_allocator(struct hd_pipeline *p, const struct hadron_allocator_api *api, void *self);
// Another allocator takes over between two merges; what waits for an order to end goes on waiting. [trade]
void hd_pipeline_reallocate(struct hd_pipeline *p, const struct hadron_allocator_api *api, void *self);
// Gives every instrument its shard: a hash of its id, but all of a group (universe-scope strategies) on one. groups[instrument]:
// smallest instrument of its group, or itself.
void hd_pipeline_shard(struct hd_pipeline *p, const uint32_t *groups);
// The same for one that is listed while ticks flow, before its first tick: on a shard of its own hash, and nobody has asked for it yet. [io]
void hd_pipeline_joins(struct hd_pipeline *p, uint32_t id);
int32_t hd_pipeline_seal(struct hd_pipeline *p, int64_t now_ns);

// [io] Offers a venue's tick. HADRON_OK: routed, conflated or dropped by rule; HADRON_ERR_RANGE: refused (counted, recorded);
// HADRON_ERR_FULL: no room, it is lost: call hd_router_lost (given again, it would be a duplicate).
int32_t hd_pipeline_offer(struct hd_pipeline *p, const struct hadron_tick *raw, int64_t now_ns);

// One thread: offers a tick and handles it at once, past the lanes, which must be empty. What it sets off (feedback, reports) is left to
// hd_pipeline_settle. HADRON_OK, or HADRON_ERR_RANGE.
int32_t hd_pipeline_handle(struct hd_pipeline *p, const struct hadron_tick *raw, int64_t now_ns);
// Are orders open at any desk? Then a tick can fill them. [trade]
static inline bool hd_pipeline_working(const struct hd_pipeline *p) {
  return hd_gateway_count(p->gateway)->open > 0 || (p->shadow.gateway && hd_gateway_count(p->shadow.gateway)->open > 0);
}
// Is there feedback to settle? One thread.
static inline bool hd_pipeline_unsettled(const struct hd_pipeline *p) { return hd_ring_size(&p->feedback[0]) > 0; }

// A tick that was accepted before, as its record has it: handled without normalize and router. One thread: also what the trading side makes
// of it. What it sets off is left to the caller.
void hd_pipeline_accepted(struct hd_pipeline *p, const struct hadron_tick *tick);
// Shards and trading side go apart: the shards write a board of their own, and the trading side looks at it at the beginning of an event. So
// what it knows changes by its own records alone (MARK). While nothing runs. HADRON_ERR_MEMORY.
int32_t hd_pipeline_apart(struct hd_pipeline *p);
// The newest marks, for who shows them.
static inline const struct hd_marks *hd_pipeline_board(const struct hd_pipeline *p) { return p->board.cells ? &p->board : &p->marks; }
// [trade] Looks at all that is held or worked. Nothing with one thread.
void hd_pipeline_look(struct hd_pipeline *p, int64_t now_ns);

// [shard] Handles one tick of the shard's lanes; false if they are empty.
bool hd_pipeline_step(struct hd_pipeline *p, uint32_t shard);
// [shard] Handles one timer or bar close due at now_ns; false if there is none.
bool hd_pipeline_fire(struct hd_pipeline *p, uint32_t shard, int64_t now_ns);
// [shard] Handles one piece of feedback; false if there is none.
bool hd_pipeline_feedback(struct hd_pipeline *p, uint32_t shard);
// [shard] The same for one that was taken from the ring already.
void hd_pipeline_heard(struct hd_pipeline *p, const struct hd_feedback *feedback);

// [trade] Decisions of one cause.
void hd_pipeline_decisions(struct hd_pipeline *p, const struct hadron_decision *decisions, uint32_t count, int64_t now_ns);
// Orders of the arms that trade leave together from here on. While nothing runs. HADRON_ERR_MEMORY.
int32_t hd_pipeline_hold(struct hd_pipeline *p);
// [trade] Is there something to flush?
static inline bool hd_pipeline_holding(const struct hd_pipeline *p) { return p->holds && hd_gateway_promised(p->gateway); }
// [trade] Waits for the disk once for all of them; then they go, with what the flush said. At the end of a round, between two events.
int32_t hd_pipeline_flush(struct hd_pipeline *p);
void hd_pipeline_send(struct hd_pipeline *p, int32_t flushed, int64_t now_ns);
// [trade] What a venue says. Flag SHADOW: about an order of a shadow arm.
void hd_pipeline_report(struct hd_pipeline *p, const struct hadron_venue_report *report, int64_t now_ns);
// [trade] Time-outs, expiry, samples; and when it wants to be called (0: at once; INT64_MAX: not by time).
void hd_pipeline_timer(struct hd_pipeline *p, int64_t now_ns);
int64_t hd_pipeline_next(const struct hd_pipeline *p);
// [trade] With threads: looks at the stops that the host holds; one thread does so with every tick.
void hd_pipeline_stops(struct hd_pipeline *p, int64_t now_ns);
void hd_pipeline_stop(struct hd_pipeline *p, uint32_t instrument, int64_t now_ns); // at those of one instrument
// [trade] A corporate action, before the next tick of the instrument. Open orders of the instrument are cancelled.
void hd_pipeline_adjust(struct hd_pipeline *p, const struct hadron_adjustment *adjustment, int64_t now_ns);
// [trade] Kill: denies every new order and cancels the open ones; latched until released. Returns the cancels sent.
uint32_t hd_pipeline_kill(struct hd_pipeline *p, const char *why, uint32_t uid, int64_t now_ns);
void hd_pipeline_release(struct hd_pipeline *p, const char *why, uint32_t uid, int64_t now_ns);
// [trade] Cancels every open order at one venue. name: what the journal calls it.
void hd_pipeline_clear(struct hd_pipeline *p, uint16_t venue, const char *name, int64_t now_ns);
// [trade] Something that an operator should know, from outside of the stages: recorded and told.
void hd_pipeline_alert(struct hd_pipeline *p, uint32_t severity, int32_t code, uint32_t arm, uint32_t instrument, uint16_t venue, const char *text);
// [io] A venue's state has changed: recorded, with its words.
void hd_pipeline_venue_status(struct hd_pipeline *p, uint16_t venue, uint32_t state, const char *words, int64_t now_ns);
// [trade] From here on orders go by this state; HADRON_OK: it is written down.
int32_t hd_pipeline_venue_seen(struct hd_pipeline *p, uint16_t venue, uint32_t state, int64_t now_ns);
// [trade] Records a sample of the portfolio and of each arm's book.
void hd_pipeline_sample(struct hd_pipeline *p, int64_t now_ns);
// The one at the end of a run; none if nothing has happened since the one before: it would count as a period without profit.
void hd_pipeline_sample_last(struct hd_pipeline *p, int64_t now_ns);

// One thread: handles timers of all shards due before now_ns in their order across shards, then ticks and feedback to the end.
void hd_pipeline_settle(struct hd_pipeline *p, int64_t now_ns);
// One thread: when the first timer of any shard is due; INT64_MAX if there is none.
int64_t hd_pipeline_due(const struct hd_pipeline *p);

#endif
