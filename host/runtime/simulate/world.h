// A world: everything that a simulated host meets and cannot change. Its venue with the truth about every order, its disk, its
// clock, its share of bad luck. All of it lies in one piece of shared memory: the lives of the host come and go as child processes
// (life.h), the world stays, and the auditor looks at it from outside.
//
// One seed makes one world. Each seed draws which faults there are in it and how often they strike (swarm testing): a world with
// few kinds of faults reaches states that one with all of them never does.
//
// time   world time, ns since the epoch; the host's clock is that plus `clock_offset_ns`
// bound  the tables below; a world that is full sends its host's orders back unsent
#ifndef HD_RUNTIME_SIMULATE_WORLD_H
#define HD_RUNTIME_SIMULATE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "hadron/venue.h"
#include "plugin/loader.h"

#define HD_WORLD_ORDERS 1024
#define HD_WORLD_EXECUTIONS 1024
#define HD_WORLD_WIRE 2048       // messages under way, each direction
#define HD_WORLD_VENUES 2
#define HD_WORLD_INSTRUMENTS 8   // of all venues
#define HD_WORLD_RECORDS 32768   // of the journal, whose hashes are remembered
#define HD_WORLD_TRACE_LINES 96
#define HD_WORLD_TRACE_SIZE 168
#define HD_WORLD_FINDINGS 8
#define HD_WORLD_FINDING_SIZE 400
#define HD_WORLD_EPOCH INT64_C(1750000000000000000) // 2025-06-15T15:06:40Z
#define HD_MS INT64_C(1000000)
#define HD_SECOND INT64_C(1000000000)

// X(NAME, "name", lowest and highest chance per opportunity in parts per million, what it is)
#define HD_WORLD_FAULTS(X)                                                                                                        \
  X(REQUEST_LOST, "request_lost", 2000, 150000, "an order, cancel, replace or question never reaches the venue")                  \
  X(REQUEST_DELAYED, "request_delayed", 2000, 150000, "it arrives seconds later, after others that were sent behind it")          \
  X(REQUEST_REFUSED, "request_refused", 1000, 50000, "it does not leave: the call returns an error")                              \
  X(OUTCOME_LOST, "outcome_lost", 1000, 80000, "the connection says that the outcome is lost; half of them have arrived")         \
  X(ANSWER_LOST, "answer_lost", 2000, 150000, "the venue's answer to a request is lost")                                          \
  X(REPORT_DELAYED, "report_delayed", 2000, 100000, "a report arrives seconds late, and all behind it wait")                      \
  X(REPORT_REORDERED, "report_reordered", 5000, 300000, "a report overtakes or is overtaken: fills before acknowledgements")      \
  X(REPORT_DUPLICATED, "report_duplicated", 5000, 300000, "a report arrives twice")                                               \
  X(STREAM_LOST, "stream_lost", 1000, 60000, "news are lost: a gap in the session's sequence, and a reconnect")                   \
  X(LATE_FILL, "late_fill", 5000, 300000, "an order is filled before its cancel and told after it")                               \
  X(OVERFILL, "overfill", 2000, 100000, "more is filled than was ordered")                                                        \
  X(BUST, "bust", 500, 20000, "an execution is taken back")                                                                       \
  X(REJECT, "reject", 2000, 200000, "an order is rejected")                                                                       \
  X(CANCEL_REJECT, "cancel_reject", 2000, 200000, "a cancel or replace is rejected")                                              \
  X(VENUE_CANCEL, "venue_cancel", 500, 10000, "the venue cancels an order by itself")                                             \
  X(VENUE_EXPIRE, "venue_expire", 500, 10000, "an order expires at the venue")                                                    \
  X(RATE_LIMIT, "rate_limit", 2000, 100000, "the venue takes no more requests for a while")                                       \
  X(DISCONNECT, "disconnect", 200, 5000, "the session breaks; what was under way is lost")                                        \
  X(QUERY_ABSENT, "query_absent", 20000, 400000, "a question about a new order is answered with: not known")                      \
  X(QUERY_LATE, "query_late", 10000, 300000, "an answer to a question comes seconds late, out of its order")                      \
  X(FOREIGN_REPORT, "foreign_report", 200, 5000, "a report about an order that is not ours")                                      \
  X(FEED_GAP, "feed_gap", 500, 30000, "ticks are lost: a jump in the sequence")                                                   \
  X(FEED_DUPLICATE, "feed_duplicate", 500, 30000, "a tick comes twice")                                                           \
  X(FEED_REORDER, "feed_reorder", 500, 30000, "a tick comes after a later one")                                                   \
  X(FEED_SYMBOL, "feed_symbol", 500, 20000, "a tick of a symbol that was never resolved")                                         \
  X(FEED_PRICE, "feed_price", 500, 20000, "a price that is zero, negative, absurd or off the grid")                               \
  X(FEED_FORM, "feed_form", 500, 20000, "a tick that makes no sense: kind, side, time, size")                                     \
  X(FEED_CROSSED, "feed_crossed", 500, 20000, "a quote with the bid above the ask")                                               \
  X(CLOCK_FORWARD, "clock_forward", 100, 1500, "the clock steps an hour forward while the host runs")                               \
  X(CLOCK_STEP, "clock_step", 100000, 500000, "the clock is an hour off, either way, after a restart")                            \
  X(KILL_SWITCH, "kill_switch", 300, 8000, "an operator stops all trading, and allows it again later")                              \
  X(CRASH, "crash", 100000, 900000, "the host dies between two events, or in a call of the venue or the disk")                    \
  X(CRASH_POINT, "crash_point", 100000, 500000, "the host dies at one of its named crash points")                                 \
  X(POWER_CUT, "power_cut", 100000, 700000, "a crash takes what was not synced: torn, reordered, or luckily kept")                \
  X(DISK_READ, "disk_read", 100, 1000, "a read fails with EIO")                                                                   \
  X(DISK_WRITE, "disk_write", 1000, 50000, "a write, create or rename fails with EIO")                                            \
  X(DISK_FULL, "disk_full", 1000, 50000, "there is no space; it comes back later")                                                \
  X(DISK_SLOW, "disk_slow", 1000, 30000, "a sync takes seconds")                                                                  \
  X(SYNC_FAILED, "sync_failed", 500, 10000, "a sync fails; what it should have kept is lost with the power")                          \
  X(POWER_CUT_LOOSE, "power_cut_loose", 100000, 700000, "the same with journal.fsync off: records that orders have left by are lost too")  \
  X(CLOCK_SET, "clock_set", 100, 2000, "the machine's clock is set, either way, while the host runs: it counts on by itself until it starts again") \
  X(CLOCK_VENUE, "clock_venue", 100, 2000, "the venue's clock is up to an hour off for some seconds, either way")                   \
  X(DATABASE_AWAY, "database_away", 1000, 50000, "the recorder's database answers nothing for up to fifteen seconds")                \
  X(DATABASE_SLOW, "database_slow", 1000, 50000, "it takes up to twenty seconds; the recorder waits, trading does not")              \
  X(DATABASE_FULL, "database_full", 1000, 50000, "a write of it finds no room")                                                     \
  X(COMMIT_LOST, "commit_lost", 10000, 300000, "it has carried out a COMMIT, and the answer is an error")                            \
  X(VENUE_AWAY, "venue_away", 1000, 20000, "one of two venues is away for up to twenty seconds; the other one trades")              \
  X(SWAP, "swap", 500, 15000, "another version takes a strategy's live seat, with its state")                                    \
  X(AB, "ab", 500, 15000, "another version trades beside the live one, with a part of its capital or of its instruments")        \
  X(ROLLBACK, "rollback", 500, 15000, "what ran before a change runs again")                                                     \
  X(DISABLE, "disable", 300, 8000, "a strategy is switched off; its book waits")                                                 \
  X(ENABLE, "enable", 3000, 60000, "it is switched on again")                                                                    \
  X(CHANGE_CRASH, "change_crash", 100000, 700000, "the host dies at a crash point of a change of version")
// Each class of worlds draws from a stream of its own, so that a seed that was kept stays the world that it was.
#define HD_FAULT_WIDE HD_FAULT_POWER_CUT_LOOSE // from here on faults of wide worlds
#define HD_FAULT_MANIFOLD HD_FAULT_VENUE_AWAY  // and of those with two venues
#define HD_FAULT_CHANGING HD_FAULT_SWAP        // and of those in which versions change

enum hd_world_fault {
#define HD_WORLD_FAULT_ENUM(name, text, low, high, what) HD_FAULT_##name,
  HD_WORLD_FAULTS(HD_WORLD_FAULT_ENUM)
#undef HD_WORLD_FAULT_ENUM
  HD_FAULT_COUNT
};
extern const char *const hd_world_fault_names[HD_FAULT_COUNT];
extern const char *const hd_world_fault_words[HD_FAULT_COUNT];

// An order as the venue has it. The row is made when the host first sends it.
enum hd_truth_state {
  HD_TRUTH_UNSEEN = 0, // never arrived
  HD_TRUTH_OPEN,
  HD_TRUTH_STOP,       // a stop that waits
  HD_TRUTH_FILLED,
  HD_TRUTH_CANCELED,
  HD_TRUTH_REJECTED,
  HD_TRUTH_EXPIRED,
  HD_TRUTH_REPLACED,   // another one has its place
};
struct hd_truth_order {
  struct hadron_order request;  // as the venue holds it
  int64_t filled_e8;            // less what was taken back; of a replacing order with what its predecessors had
  int64_t sent_ns, arrived_ns, ended_ns;
  uint32_t instrument;          // index
  uint32_t number;              // of the orders of its venue: both venues count from 1
  uint16_t sent, arrived, made; // how often; made: how many orders the venue has made of it
  uint8_t state;                // enum hd_truth_state
  uint8_t acknowledged;         // 1: the host has heard an ACCEPT, FILL, REPLACED... of it
  uint8_t denied;               // 1: the host has heard a word that ends it: REJECT, CANCELED, ABSENT, ...
  uint8_t memory;               // which of the host's memories sent it (hd_world.memory)
  uint8_t overfilled, reported_lost;
};

struct hd_truth_execution {
  struct hadron_price price;
  struct hadron_quantity quantity;
  struct hadron_money fee;
  int64_t time_ns;
  uint32_t order, instrument; // indexes
  uint32_t number;            // of the executions of its venue
  uint8_t side, busted;
};

enum hd_wire_kind { HD_WIRE_SUBMIT = 1, HD_WIRE_CANCEL, HD_WIRE_REPLACE, HD_WIRE_QUERY, HD_WIRE_RECONCILE, HD_WIRE_REPORT, HD_WIRE_READY };
struct hd_wire_message {
  int64_t due_ns;
  uint64_t number;  // of equal times the lower one first
  uint8_t kind;     // enum hd_wire_kind
  uint8_t session;  // of the connection it belongs to: it is lost with it
  union {
    struct hadron_order order;
    struct hadron_venue_report report;
    int64_t since_ns;
  } of;
};
struct hd_wire {
  struct hd_wire_message messages[HD_WORLD_WIRE];
  uint32_t count;
  int64_t last_ns; // nothing that keeps its place arrives before this
};

// Two venues may list one name: the host holds one position, and each venue knows its part of it.
struct hd_world_instrument {
  char name[16];
  uint32_t venue;               // index
  int64_t increment, lot;       // 1e-9, 1e-8
  int64_t mid, half;            // of the market, in increments
  int64_t last;
  int64_t next_ns;              // of its next event
  uint64_t sequence;
  uint32_t handle;              // in the host's present life; 0: none
};

// What the host is, in this world.
struct hd_world_setting {
  uint32_t venues, instruments, strategies;
  bool apart;                   // of two venues: the second strategy's orders all go to the second
  int64_t horizon_ns;           // how long faults go on
  int64_t unknown_after_ns, query_every_ns;
  int64_t order_rate_max;
  int64_t quantity_max_e8, position_max_e8;
  uint32_t lives_max;
  uint64_t segment_bytes, disk_bytes;
  bool resend, fsync;
  bool naive;                   // the venue does not look for client order ids that it has had
  bool database;                // a recorder writes into one
  bool changes;                 // versions change while it runs
  bool ends_killed;             // at the end everything is cancelled; else orders are left open
};

// A venue and the connection to it.
struct hd_world_venue {
  uint32_t chance[HD_FAULT_COUNT];        // parts per million, of what strikes it and the way to it
  uint32_t features;
  bool counts;                            // its reports carry cumulative quantities
  bool lists_ends;                        // a session that is opened is told of orders that have ended as well, not of open ones alone
  uint32_t order_count, execution_count;
  struct hd_wire up, down;                // to the venue, to the host
  uint32_t state;                         // enum hadron_venue_state
  int64_t state_ns;                       // when it goes on to the next; INT64_MAX: not by itself
  uint8_t session;
  bool clogged;                           // more is under way than a session holds
  int64_t limited_until_ns;
  int64_t heard_ns;                       // until then the session was whole
  int64_t clock_offset_ns, clock_offset_until_ns; // of its clock
};

// What runs of a strategy, as its operator's book has it. Versions count from 1.
struct hd_world_arms {
  uint32_t revision;            // 0: as configured
  uint8_t live, canary;         // canary 0: none
  uint8_t percent;              // of the canary
  bool enabled, by_instrument;
};
struct hd_world_deployment {
  struct hd_world_arms active, before, pending;
  uint32_t revision;            // the last one that was thought of
  bool under_way;               // pending: nobody knows what has become of it
};
#define HD_WORLD_STRATEGIES 2
#define HD_WORLD_VERSIONS 3

struct hd_world {
  uint64_t seed;
  struct hd_world_setting setting;
  uint32_t chance[HD_FAULT_COUNT];        // parts per million
  uint64_t struck[HD_FAULT_COUNT];
  struct hd_random market, luck, life;    // streams
  int64_t now_ns, clock_offset_ns, ends_ns; // clock_offset_ns: of the host's clock, in its present life
  int64_t machine_offset_ns;              // of the machine's, which the next life believes
  bool calm;                              // faults have stopped
  bool still;                             // the market has stopped
  bool verbose;
  uint64_t digest, events, ticks, calls, requests, reports;
  uint32_t lives;

  struct hd_world_instrument instruments[HD_WORLD_INSTRUMENTS];
  struct hd_truth_order orders[HD_WORLD_ORDERS];
  struct hd_truth_execution executions[HD_WORLD_EXECUTIONS];
  uint32_t order_count, execution_count;
  uint64_t wire_number;
  struct hd_world_venue venues[HD_WORLD_VENUES];
  bool killed;                            // the operator has
  int64_t release_ns;
  uint64_t foreign;

  struct hd_world_deployment deployments[HD_WORLD_STRATEGIES];
  uint64_t changes, changes_refused;

  // Of the present life.
  uint64_t crash_event, crash_call;       // it dies at this event, at this call; 0: it does not
  uint64_t life_events, life_calls;
  uint32_t crash_point, crash_time;       // or at this named one, the nth time; 0: at none
  uint32_t disk_faults;

  // Of the journal, as it was after the last life.
  uint64_t records[HD_WORLD_RECORDS], record_count;
  int64_t database_away_ns, database_ns;  // until when; when the recorder does its next step
  uint64_t rows;                          // of the database, that were held against the journal
  bool power_was_cut;                     // since then
  uint8_t memory;                         // +1 when the host has lost what it had promised: before and after are two hosts of one account
  int64_t lost_ns;                        // when that was last
  bool judged;                            // the host was at rest in the end, and this is what its books said it had earned
  int64_t realized[HD_WORLD_INSTRUMENTS + 1], realized_sum; // micros, before fees; by the host's instrument
  bool outside;                           // the auditor is at work: nothing strikes it

  uint32_t lost, duplicates;
  uint32_t finding_count;
  char findings[HD_WORLD_FINDINGS][HD_WORLD_FINDING_SIZE];
  char trace[HD_WORLD_TRACE_LINES][HD_WORLD_TRACE_SIZE];
  uint64_t trace_count;
};

// Makes the world of a seed in `w`, which is shared memory, with these faults (bits; 0: all) and no others, and with these for certain.
void hd_world_make(struct hd_world *w, uint64_t seed, uint64_t faults, uint64_t often);

// Does this fault strike now? Counts it.
bool hd_world_strikes(struct hd_world *w, enum hd_world_fault fault);
bool hd_venue_strikes(struct hd_world *w, const struct hd_world_venue *v, enum hd_world_fault fault); // at this venue
static inline int64_t hd_world_between(struct hd_random *r, int64_t low, int64_t high) {
  return low + (int64_t)hd_random_below(r, (uint64_t)(high - low + 1));
}

// One line of what happens, kept for a reader and part of the digest.
__attribute__((format(printf, 2, 3))) void hd_world_trace(struct hd_world *w, const char *format, ...);
// Something that must not be: the seed has failed.
__attribute__((format(printf, 2, 3))) void hd_world_finding(struct hd_world *w, const char *format, ...);
void hd_world_digest(struct hd_world *w, const void *bytes, size_t size);

// Counts a call of the host into the world and ends the process if this is where it dies. [child]
void hd_world_call(struct hd_world *w);
void hd_world_event(struct hd_world *w); // the same between two events
_Noreturn void hd_world_die(struct hd_world *w, const char *where);
#define HD_LIFE_CRASHED 77 // exit status of a life that ended as the world had planned

struct hd_truth_order *hd_world_order(struct hd_world *w, const struct hadron_client_order_id *id); // NULL: never sent

// wire.c
void hd_wire_put(struct hd_world *w, struct hd_world_venue *v, struct hd_wire *wire, int64_t due_ns, bool in_place, const struct hd_wire_message *message);
int64_t hd_wire_due(const struct hd_wire *wire);
bool hd_wire_take(struct hd_wire *wire, int64_t now_ns, struct hd_wire_message *out); // the earliest that is due

struct hd_world_venue *hd_world_venue_of(struct hd_world *w, uint32_t instrument); // index

// exchange.c: the venue itself. It speaks through hd_venue_tell.
void hd_exchange_request(struct hd_world *w, struct hd_world_venue *v, const struct hd_wire_message *message);
void hd_exchange_market(struct hd_world *w, struct hd_world_instrument *i);
void hd_exchange_whim(struct hd_world *w, struct hd_world_venue *v); // what it does by itself, once per market event
int64_t hd_exchange_position(const struct hd_world *w, uint32_t instrument);

// venue.c: the connection to it.
enum hd_tell { HD_TELL_ANSWER, HD_TELL_NEWS, HD_TELL_LISTED }; // LISTED: part of a reconciliation, in its order
void hd_venue_tell(struct hd_world *w, struct hd_world_venue *v, struct hadron_venue_report *report, enum hd_tell how);
void hd_venue_tick(struct hd_world *w, struct hd_world_instrument *i, struct hadron_tick *tick);
int64_t hd_venue_run(struct hd_world *w, struct hd_world_venue *v, int64_t now_ns); // up to now; returns when something is due next
void hd_venue_run_all(struct hd_world *w, int64_t now_ns);                          // in the order of time
void hd_venue_cut(struct hd_world *w, struct hd_world_venue *v, const char *why);   // the connection is gone

// The venue plugins of the world that this process lives in. [child]
extern struct hd_plugin hd_venue_plugins[HD_WORLD_VENUES]; // their tables' features are set by hd_venue_live
// hear: takes what the venue says instead of the host, and passes it on; NULL: nobody is in between.
typedef void hd_venue_hear(void *user, const struct hadron_venue_report *report, void (*pass)(const struct hadron_venue_report *report));
void hd_venue_live(struct hd_world *w, hd_venue_hear *hear, void *user);
// strategy.c
extern struct hd_plugin hd_restless_plugins[HD_WORLD_VERSIONS];

// deploy.c: changes of version.
struct hd_session;
struct hd_deployment;
extern const char *const hd_world_strategy_names[HD_WORLD_STRATEGIES];
int32_t hd_world_deployment(void *w, const char *name, struct hd_deployment *out, const struct hd_plugin **plugins); // as hd_session_options wants it
void hd_world_changes(struct hd_world *w, struct hd_session *s);                          // now and then one begins [child]
void hd_world_check_deployments(struct hd_world *w, const struct hd_session *s, const char *when); // what sits there is what is active [child]
// A change that was under way when the host died has happened if the journal has its record. [parent]
void hd_world_resolve(struct hd_world *w, uint32_t strategy, bool recorded);

#endif
