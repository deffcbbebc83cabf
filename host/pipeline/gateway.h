// Gateway: owns every order from intent to its final state. Deterministic client order ids (the same intent never becomes two
// orders), one table for all (state, change) pairs, cancels and replaces, host-held stops where the venue has none, expiry of GTD
// and DAY where the venue does not do it, Unknown where an outcome was not told.
//
// takes  intents with their verdict, venue reports, time     gives  venue commands, order events, executions, allocations
// bound  gateway.orders_max orders (closed ones leave, oldest first); full: the intent is denied with ORDER_TABLE
// thread [trade]: no allocation, no system call after init
#ifndef HD_PIPELINE_GATEWAY_H
#define HD_PIPELINE_GATEWAY_H

#include "base/limits.h"
#include "pipeline/cost.h"
#include "pipeline/instrument.h"
#include "pipeline/mark.h"
#include "pipeline/record.h"

// Which (state, change) leads where: docs/orders.md. INVALID: not possible from here, counted and alerted, state kept. The gateway
// refines three cells: a fill that completes the order leads to Filled; a working order is Accepted without fills and
// PartiallyFilled with them; a refused cancel or replace leads back to where the order was.
enum hadron_order_state hd_order_next(enum hadron_order_state state, enum hadron_order_change change);
const char *hd_order_state_name(uint32_t state);   // "Initialized", ...; static
const char *hd_order_change_name(uint32_t change);
static inline bool hd_order_final(uint32_t s) {
  return s == HADRON_STATE_DENIED || s == HADRON_STATE_FILLED || s == HADRON_STATE_CANCELED || s == HADRON_STATE_REJECTED ||
         s == HADRON_STATE_EXPIRED;
}

// One arm's part in an order.
struct hd_share {
  uint32_t arm;
  uint32_t pad;
  struct hadron_quantity ordered;   // > 0
  struct hadron_quantity filled;
};

struct hd_order {
  struct hadron_order request;      // as sent
  struct hadron_price average;      // of its fills
  struct hadron_quantity filled;
  __int128 filled_value;            // sum of price x quantity
  char venue_order_id[HADRON_VENUE_ID_SIZE];
  struct hadron_client_order_id replaced_by; // the pending or accepted successor; zero if none
  uint64_t opportunity;
  int64_t sent_ns;                  // when the last command left
  int64_t ask_ns;                   // when an answer is overdue and the venue is asked (again); INT64_MAX: nothing is outstanding
  int64_t expire_at_ns;             // when the host expires it; INT64_MAX: it does not
  int64_t doubt_ns;                 // since when its outcome is unknown; 0: it is known
  int64_t told_e8;                  // filled by the venue's count; more than `filled`: executions are missing (see `gap`)
  uint8_t state;                    // enum hadron_order_state
  uint8_t resume;                   // state to return to when a pending cancel or replace is refused
  uint8_t held;                     // enum hd_hold
  uint8_t share_count;
  uint8_t list;                     // which list it is in (gateway_table.c)
  uint8_t acked;                    // 1: the venue has spoken of it
  uint8_t gap;                      // 1: the venue counts more fills than it has reported
  uint8_t cancel_wanted;            // 1: to be cancelled as soon as it can be
  uint8_t expiring;                 // 1: the cancel that is under way is the host's expiry
  uint8_t successor;                // enum hd_successor: how this order came out of `request.replaces`
  uint8_t resent;                   // 1: was sent a second time
  uint8_t alarmed;                  // 1: a person was told that it stays unknown
  uint8_t swept;                    // 1: cancel_all has it on its way
  uint8_t listed;                   // 1: the venue's list that is being read has it
  uint8_t asks;                     // how often it was asked for in vain
  uint8_t waits;                    // 1: recorded, and waits for the others of its round (hd_gateway_hold)
  uint32_t pins;                    // calls under way that look at it: its slot is not given away
  uint32_t heap_at;                 // place in the heap of due times; 0: none
  uint32_t next, previous;          // list of open orders, or of closed ones, by index
  uint32_t next_of_instrument, previous_of_instrument; // open orders of the same instrument
  struct hd_share shares[HD_SHARES_MAX]; // [0 .. share_count), ascending by arm; what is behind them is old
};

enum hd_hold {
  HD_HOLD_NONE = 0,
  HD_HOLD_WAITING = 1,   // a stop that the host holds
  HD_HOLD_TRIGGERED = 2, // has triggered but could not be sent yet: tried again
  HD_HOLD_SENT = 3,      // was sent as a market or limit order
};
enum hd_successor {
  HD_SUCCESSOR_NONE = 0,
  HD_SUCCESSOR_IN_PLACE = 1, // the venue was asked to put it in the other's place
  HD_SUCCESSOR_WAITS = 2,    // the venue cannot: it is sent once the other is cancelled
  HD_SUCCESSOR_DONE = 3,     // it has taken the place
};

// How the gateway speaks to venues. All are [trade] [nonblocking]; an error means that surely nothing left.
struct hd_venue_port {
  void *self;
  int32_t (*submit)(void *self, const struct hadron_order *order);
  int32_t (*cancel)(void *self, const struct hadron_order *order);
  int32_t (*replace)(void *self, const struct hadron_order *order);
  int32_t (*query)(void *self, const struct hadron_order *order);
  uint32_t (*features)(void *self, uint16_t venue); // enum hadron_venue_feature bits
  uint32_t (*state)(void *self, uint16_t venue);    // enum hadron_venue_state
};

// Who hears of what the gateway did, after it was recorded. `order_event` may call hd_gateway_intent; the others must not call
// back. [trade]
struct hd_gateway_listener {
  void *self;
  void (*order_event)(void *self, const struct hadron_order_event *event);
  void (*execution)(void *self, const struct hadron_execution *execution);
  // Books one share: the listener fills the computed fields (portfolio) and the gateway then records it.
  int32_t (*allocate)(void *self, struct hadron_allocation *allocation);
  void (*alert)(void *self, uint32_t severity, int32_t code, uint32_t instrument, uint16_t venue, const char *text);
  // An order went to its venue between these two readings of the cycle counter; only after hd_gateway_measure. May be NULL.
  void (*sent)(void *self, const struct hadron_order *order, const struct hd_stamps *at, uint64_t begun, uint64_t done, int64_t now_ns);
  void (*allocated)(void *self, const struct hadron_allocation *allocation); // it was booked, and recorded if that could be; may be NULL
};

struct hd_gateway_options {
  uint32_t orders_max;
  int64_t unknown_after_ns;   // no answer to a submit within this: the outcome is unknown and the venue is asked
  int64_t query_every_ns;     // and asked again after this, then after twice as long, and so on
  int64_t query_max_ns;       // but after this at the latest; 0: always after query_every_ns
  int64_t resend_within_ns;   // an order older than this is not sent again; 0: whatever its age
  int64_t day_end_ns;         // DAY orders expire at this time of the UTC day; -1: never by the host
  bool expires;               // the host expires GTD and DAY orders (paper and backtest venues may do it themselves); stops that
                              // the host holds it always expires
  bool resend;                // an order that never arrived (Absent) is sent once more with the same id; else it is Rejected
  int64_t alert_after_ns;     // an outcome unknown for this long: critical alert; 0: ten times unknown_after_ns
  uint32_t ids_max;           // ids remembered per UTC day; full: new orders are denied with ORDER_TABLE, and an alert says so; 0: 4 x orders_max
  uint32_t executions_max;    // executions remembered, oldest forgotten first; 0: orders_max
  bool takes_over;            // orders of ours that a venue lists and nobody here knows become the house's; else they are alerted
  bool shadow;                // of the shadows: ids from HADRON_SHADOW_ID on, and the records say so
};

struct hd_verdict {
  uint16_t reason;            // enum hadron_risk_reason; 0: passed
  uint16_t pad[3];
  int64_t actual, bound;      // both numbers of the failed check, in the unit of HADRON_RISK_REASON_MAP
};

struct hd_gateway;            // pipeline/gateway.c

struct hd_gateway_counts {
  uint64_t orders, denied, rejected, filled, canceled, expired, executions, cancels, replaces, unknown, impossible, duplicates,
      external, taken_over;
  uint64_t denied_by[HADRON_RISK_REASON_COUNT]; // sums up to `denied`; 0: not recorded, so not sent
  uint32_t open;
};

int32_t hd_gateway_create(const struct hd_gateway_options *options, const struct hd_instruments *instruments,
                          const struct hd_marks *marks, const struct hd_record_sink *sink, const struct hd_venue_port *port,
                          const struct hd_gateway_listener *listener, struct hd_gateway **out);
void hd_gateway_destroy(struct hd_gateway *g);

// Takes an intent whose verdict is known. NEW: makes the order (Denied if the verdict says so), records it, sends it. CANCEL and
// REPLACE: act on `intent->order`. Before a NEW is checked by risk, hd_gateway_seen tells whether its id was used.
// @own   all borrowed(call); shares: at least one for NEW, their sum is the quantity
//              (REPLACE: the new total with what has been filled)
// @err   HADRON_ERR_NOT_FOUND, HADRON_ERR_STATE (cancel or replace of an order that cannot be now), HADRON_ERR_IO (not recorded, so
//        not sent), HADRON_ERR_RISK (Denied, by the verdict or by the gateway: no listing, no feature, table full),
//        HADRON_ERR_ARGUMENT (shares or fields that do not fit each other), HADRON_ERR_DUPLICATE (the id was used)
int32_t hd_gateway_intent(struct hd_gateway *g, const struct hadron_intent *intent, const struct hd_share *shares,
                          uint32_t share_count, const struct hd_verdict *verdict, const char *strategy, int64_t now_ns);

// The id that the intent's order would have: the first 24 hex digits of SHA-256 over
// "symbol|side|qty|limit_price|strategy_id|date" and, if the intent has a key, "|key". symbol: the canonical name; side: BUY or
// SELL; numbers: decimal without trailing zeros, "0" for no limit; date: UTC day of now_ns, YYYY-MM-DD; key: decimal.
void hd_gateway_order_id(const struct hd_gateway *g, const struct hadron_intent *intent, const char *strategy, int64_t now_ns,
                         struct hadron_client_order_id *out);
bool hd_gateway_seen(const struct hd_gateway *g, const struct hadron_client_order_id *id);

// Speaks to the venues through another port from now on: the runtime puts rings between threads. [control, before ticks flow]
void hd_gateway_port(struct hd_gateway *g, const struct hd_venue_port *port);

// Orders that are recorded do not leave by themselves from here on: hd_gateway_send lets all go that wait, in their order, when they are on the
// disk together. Cancels do not wait; one that meets an order that has not left takes it back. [control, before ticks flow]
// @err HADRON_ERR_MEMORY
int32_t hd_gateway_hold(struct hd_gateway *g);
bool hd_gateway_promised(const struct hd_gateway *g);               // was an order, or the trigger of a stop, recorded since the last time?
const struct hd_order *hd_gateway_held(const struct hd_gateway *g); // the first that waits and was not taken back; NULL: none
// flushed: what the flush said; an error: nothing leaves, their submits have failed by it. What they set off may wait again.
void hd_gateway_send(struct hd_gateway *g, int32_t flushed, int64_t now_ns);

// Tells the listener of every order that is sent, with the stamps of what set it off. borrowed(until destroy). [control, before ticks flow]
void hd_gateway_measure(struct hd_gateway *g, const struct hd_stamps *stamps);

// Changes the times of `options` that may change while running: unknown_after_ns, query_every_ns, day_end_ns, expires. Orders that are
// open keep the times they were given.
void hd_gateway_times(struct hd_gateway *g, const struct hd_gateway_options *options);

// What a venue said. Total: any report in any state is defined; duplicates by execution id are dropped and counted. What cannot be
// recorded is applied all the same, because it has happened; the error is returned and alerted.
// @err   HADRON_ERR_IO, HADRON_ERR_NOT_FOUND (not an order of ours), HADRON_ERR_STATE (impossible), HADRON_ERR_DUPLICATE,
//        HADRON_ERR_ARGUMENT (a fill without quantity, a change that venues do not report)
int32_t hd_gateway_report(struct hd_gateway *g, const struct hadron_venue_report *report, int64_t now_ns);

// A venue is about to list what it has; it has done so: open orders there that were not on the list are asked for at once.
void hd_gateway_list_begin(struct hd_gateway *g, uint16_t venue);
void hd_gateway_list_end(struct hd_gateway *g, uint16_t venue, int64_t now_ns);
// Writes an execution that has no order: a position that was found at the venue. Returns its id; 0: not written.
uint64_t hd_gateway_adopt(struct hd_gateway *g, const struct hadron_venue_report *fill, int64_t now_ns);

// A mark has moved: host-held stops. Only for instruments of which hd_gateway_holds() is true.
bool hd_gateway_holds(const struct hd_gateway *g, uint32_t instrument);
void hd_gateway_mark(struct hd_gateway *g, uint32_t instrument, int64_t now_ns);
bool hd_gateway_triggers(const struct hd_gateway *g, uint32_t instrument, const struct hd_mark *mark); // would it, if that were the mark?
bool hd_gateway_worked(const struct hd_gateway *g, uint32_t instrument); // is anything open there?

// Time-outs, expiry, queries. Returns when it wants to be called again; INT64_MAX if nothing is pending.
int64_t hd_gateway_timer(struct hd_gateway *g, int64_t now_ns);
int64_t hd_gateway_due(const struct hd_gateway *g); // when it wants to be called now, after what has happened since; O(1)

// Cancels every open order (arm 0: all arms; instrument 0: all instruments). Returns how many cancels were sent.
uint32_t hd_gateway_cancel_all(struct hd_gateway *g, uint32_t arm, uint32_t instrument, int64_t now_ns);
// The same of all that lie at a venue.
uint32_t hd_gateway_cancel_venue(struct hd_gateway *g, uint16_t venue, int64_t now_ns);

// From now on whatever is filled of the shares of an arm in an instrument (0: all), open or late, and whatever of it is taken back, is
// another's (0: nobody's; the listener is given the allocation with arm 0). The orders stay as they are.
// Returns how many orders and executions that concerned.
uint32_t hd_gateway_reassign(struct hd_gateway *g, uint32_t from, uint32_t to, uint32_t instrument);

// Open orders. The pointers are borrowed(until the next call that changes the gateway).
const struct hd_order *hd_gateway_order(const struct hd_gateway *g, const struct hadron_client_order_id *id); // NULL: not known
const struct hd_order *hd_gateway_slot(const struct hd_gateway *g, uint32_t arm, uint32_t instrument, uint8_t slot); // open one
const struct hd_order *hd_gateway_first(const struct hd_gateway *g);  // open orders in the order in which they were made
const struct hd_order *hd_gateway_next(const struct hd_gateway *g, const struct hd_order *order);

// What is left of the open orders of an arm (0: all) in an instrument; WORK slots are left out if `slots` is false.
void hd_gateway_working(const struct hd_gateway *g, uint32_t arm, uint32_t instrument, bool slots, struct hadron_quantity *buy,
                        struct hadron_quantity *sell);
// How many orders of the instrument have an unknown outcome.
uint32_t hd_gateway_unknown(const struct hd_gateway *g, uint32_t instrument);

const struct hd_gateway_counts *hd_gateway_count(const struct hd_gateway *g);

// ---- Recovery: the same orders, executions and used ids, made from the records that this gateway (of an earlier run) wrote, in their order.
// Nothing is recorded, nothing is sent, no listener hears of it. now_ns: when the record was appended. [control, before ticks flow]

// An order of one arm has no shares beside it: all of it is the order's arm's. HADRON_ERR_FULL: more orders than the table holds.
int32_t hd_gateway_fold_order(struct hd_gateway *g, const struct hadron_order *order, uint64_t opportunity, const struct hd_share *shares, uint32_t share_count,
                              int64_t now_ns);
void hd_gateway_fold_event(struct hd_gateway *g, const struct hadron_order_event *event);
void hd_gateway_fold_report(struct hd_gateway *g, const struct hadron_venue_report *report, int64_t now_ns);
// False: it takes back what is in no record; its allocations are not booked either.
bool hd_gateway_fold_execution(struct hd_gateway *g, const struct hadron_execution *execution, int64_t now_ns);
// Was there an execution of that number, or a later one?
bool hd_gateway_fold_knows(const struct hd_gateway *g, uint64_t execution);
// The allocations of the last execution that were not recorded, when `told` of them were. Returns how many.
uint32_t hd_gateway_fold_unshared(const struct hd_gateway *g, const struct hadron_execution *last, uint32_t told, struct hadron_allocation out[HD_SHARES_MAX]);
// The last execution was recorded and the order event that follows from it was not: it is made up for. Records.
void hd_gateway_fold_finish(struct hd_gateway *g, const struct hadron_client_order_id *id, bool bust, int64_t now_ns);
// Arms and listings have other numbers now: arms[old], arm_max + 1 of them; 0: nobody's.
void hd_gateway_renumber(struct hd_gateway *g, const uint32_t *arms, uint32_t arm_max);

struct hd_gateway_recovered {
  uint32_t open, unknown, ended;
};
// All records are folded: what was under way when the host went down is Unknown from now on and asked for, what works is asked for too, and the
// orders of a venue that is gone with the host end as Expired. Records and tells like any other change. look: counts, and changes nothing.
void hd_gateway_resume_look(const struct hd_gateway *g, bool (*gone)(void *user, uint16_t venue), void *user, struct hd_gateway_recovered *out);
void hd_gateway_resume(struct hd_gateway *g, bool (*gone)(void *user, uint16_t venue), void *user, int64_t now_ns, struct hd_gateway_recovered *out);

#endif
