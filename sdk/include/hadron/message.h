// Hadron SDK: the messages. Each struct is the root block of one template in sdk/schema/hadron.xml (Simple Binary
// Encoding): same fields, same offsets; a test compares the two. Padding is named and always zero.
//
// Sources: "venue" is what the venue said, "host" is the host's clock or counter, "strategy" is what a plugin asked for,
// "computed" is derived from these. Times are nanoseconds since the Unix epoch, UTC; 0 means absent.
#ifndef HADRON_MESSAGE_H
#define HADRON_MESSAGE_H

#include "hadron/types.h"

// Template ids. A record's variable part follows its root block: groups first, then texts, as the schema says.
enum hadron_template {
  HADRON_MSG_INVALID = 0,
  HADRON_MSG_TICK = 1,
  HADRON_MSG_BAR = 2,
  HADRON_MSG_DECISION = 3,
  HADRON_MSG_OPPORTUNITY = 4,  // + group of hadron_contribution
  HADRON_MSG_INTENT = 5,
  HADRON_MSG_ORDER = 6,
  HADRON_MSG_ORDER_EVENT = 7,
  HADRON_MSG_EXECUTION = 8,
  HADRON_MSG_ALLOCATION = 9,
  HADRON_MSG_TICK_REJECT = 10,
  HADRON_MSG_INSTRUMENT = 11,
  HADRON_MSG_ARM = 12,
  HADRON_MSG_SESSION = 13,     // + text: the effective configuration
  HADRON_MSG_OPERATOR = 14,    // + text: the command
  HADRON_MSG_TIMER = 15,
  HADRON_MSG_VENUE_STATUS = 16, // + text: the venue's words
  HADRON_MSG_ALERT = 17,       // + text
  HADRON_MSG_ADJUSTMENT = 18,
  HADRON_MSG_EQUITY = 19,
  HADRON_MSG_VENUE_REPORT = 20,
  HADRON_MSG_SWAP = 21,
  HADRON_MSG_RECOVERED = 22,   // + text: the venues' names, by number from 1, separated by blanks
  HADRON_MSG_SHARE = 23,
  HADRON_MSG_DEPLOYMENT = 24,  // + text: the deployment as JSON
  HADRON_MSG_HEARD = 25,
  HADRON_MSG_MARK = 26,
  HADRON_MSG_POSITION = 27,
  HADRON_MSG_LOST = 28,
  HADRON_MSG_ASK = 29,         // + text: bytes of the argument
  HADRON_MSG_PLACED = 30,      // + text: words
  HADRON_MSG_COST = 32,
};

// SBE message header, 8 bytes, in front of every message in the journal and on the wire.
struct hadron_message_header {
  uint16_t block_length; // bytes of the root block
  uint16_t template_id;  // enum hadron_template
  uint16_t schema_id;    // HADRON_SCHEMA_ID
  uint16_t version;      // major * 256 + minor
};
HADRON_SIZE(hadron_message_header, 8);

// SBE group dimension, in front of a repeating group.
struct hadron_group_header {
  uint16_t block_length; // bytes of one entry
  uint16_t count;        // entries
};
HADRON_SIZE(hadron_group_header, 4);

struct hadron_trade {
  struct hadron_price price;       // > 0 (venue)
  struct hadron_quantity quantity; // > 0 (venue)
  uint64_t trade_id;               // the venue's, or a hash of it; 0 absent
  uint32_t conditions;             // venue's sale conditions, as the venue plugin documents them
  uint8_t aggressor;               // enum hadron_side of the taker; 0 unknown
  uint8_t pad[3];
};
struct hadron_quote {
  struct hadron_price bid, ask;                // 0: that side is empty (venue)
  struct hadron_quantity bid_size, ask_size;   // >= 0 (venue)
};
struct hadron_book_change {
  struct hadron_price price;
  struct hadron_quantity quantity; // SET: new total; ADD, MODIFY: the order's; CANCEL: what went away
  uint64_t order_id;               // 0 for a level
  uint8_t side;                    // enum hadron_side: BUY is the bid side
  uint8_t action;                  // enum hadron_book_action
  uint8_t pad[6];
};
struct hadron_market_status {
  uint64_t state;  // enum hadron_market_state
  uint64_t reason; // the venue's code
  int64_t pad[2];
};

// One normalised market event, one cache line.
struct hadron_tick {
  int64_t event_ns;    // when it happened (venue)
  int64_t recv_ns;     // when the host, or the recorder, had it (host)
  uint64_t sequence;   // from a venue: the venue's sequence per listing, 0 if none; after normalize: the host's, +1 per tick
  uint32_t instrument; // from a venue: the listing handle it resolved; after normalize: the canonical instrument
  uint16_t venue;      // venue number (host)
  uint8_t kind;        // enum hadron_tick_kind
  uint8_t flags;       // enum hadron_tick_flag bits
  union {
    struct hadron_trade trade;
    struct hadron_quote quote;
    struct hadron_book_change book;
    struct hadron_market_status status;
    int64_t raw[4];
  } value;
};
HADRON_SIZE(hadron_tick, 64);
HADRON_OFFSET(hadron_tick, instrument, 24);
HADRON_OFFSET(hadron_tick, value, 32);

struct hadron_bar {
  int64_t open_ns, close_ns; // [open_ns, close_ns) for time bars; first and last tick's event time else
  uint64_t sequence;         // of the last tick in it
  uint32_t instrument;
  uint16_t venue;            // of the last tick in it
  uint8_t kind;              // enum hadron_bar_kind
  uint8_t flags;             // 0
  struct hadron_price open, high, low, close; // of trades; of mid prices where the instrument only quotes
  struct hadron_quantity volume;
  struct hadron_price vwap;  // volume-weighted; the close where volume is 0
  int64_t interval;          // ns, ticks, or 1e-8 units, by kind
  uint32_t ticks;            // trades (or quotes) in it
  uint32_t pad;
};
HADRON_SIZE(hadron_bar, 96);

// What one strategy wants for one instrument. The strategy fills the fields marked so; the host stamps the rest.
struct hadron_decision {
  struct hadron_trace trace; // host
  uint64_t cause;            // sequence of the tick that caused it (host)
  uint64_t id;               // +1 per decision of the session (host)
  int64_t time_ns;           // host
  int64_t horizon_ns;        // strategy: how long the view holds; 0 unsaid
  double mean_return;        // strategy: expected return over the horizon, 0.001 = 10 basis points
  double uncertainty;        // strategy: standard deviation of that return, >= 0
  double confidence;         // strategy: [0, 1]
  struct hadron_price limit; // strategy: worst price; 0 for a market order
  struct hadron_price stop;  // strategy: trigger price of stop orders; 0 else
  struct hadron_quantity quantity; // strategy: SIDE, WORK: > 0 (WORK: 0 withdraws); TARGET: signed position; 0 in SIDE: the allocator sizes
  uint64_t key;              // strategy: tells apart intents that are meant to repeat; 0 else
  uint32_t instrument;       // strategy
  uint32_t arm;              // host
  uint8_t kind;              // strategy: enum hadron_decision_kind
  uint8_t side;              // strategy: enum hadron_side; for TARGET computed
  uint8_t order_type;        // strategy: enum hadron_order_type; 0: LIMIT if `limit` is set, else MARKET
  uint8_t time_in_force;     // strategy: enum hadron_time_in_force; 0: IOC for market, DAY for the others
  uint8_t flags;             // strategy: enum hadron_order_flag bits; the host adds SHADOW
  uint8_t regime;            // strategy: its own label of the market's regime; 0 unsaid
  uint16_t slot;             // strategy: WORK only, [1, 16]
  int64_t expire_ns;         // strategy: GTD only
};
HADRON_SIZE(hadron_decision, 128);
HADRON_OFFSET(hadron_decision, mean_return, 48);
HADRON_OFFSET(hadron_decision, instrument, 104);

// What one arm gave to an opportunity, and what came of it.
struct hadron_contribution {
  struct hadron_trace trace;         // the decision's
  uint64_t decision;                 // its id
  uint32_t arm;
  uint32_t flags;                    // 1: this arm's share was crossed inside the house; 2: it waits for orders in its way to end
  struct hadron_quantity wanted;     // signed, before the merge
  struct hadron_quantity given;      // signed, part of the intent
  struct hadron_quantity crossed;    // signed, filled against other arms of the house
  double weight;                     // the arm's weight in its deployment
};
HADRON_SIZE(hadron_contribution, 64);

// The allocator's blended view of one instrument: the decision log. Followed by its contributions.
struct hadron_opportunity {
  struct hadron_trace trace;   // of the decision that closed the merge
  uint64_t cause;
  uint64_t id;                 // +1 per merge; above HADRON_SHADOW_ID: of a shadow arm
  int64_t time_ns;
  double mean_return, uncertainty, confidence; // computed: blended
  struct hadron_quantity net;  // signed: what goes to the market
  struct hadron_quantity crossed; // what the arms traded with each other, >= 0
  struct hadron_price reference;  // price at which they crossed: mid, else last
  uint32_t instrument;
  uint32_t decisions;          // how many went in
  uint32_t conflicts;          // of them, how many wanted the other side
  uint32_t intents;            // how many came out
};
HADRON_SIZE(hadron_opportunity, 104);

// A sized order request, before risk.
struct hadron_intent {
  struct hadron_trace trace;
  uint64_t cause;
  uint64_t id;          // +1 per intent
  uint64_t opportunity; // id
  uint64_t decision;    // id of the leading decision
  int64_t time_ns;
  int64_t expire_ns;
  struct hadron_price limit, stop;
  struct hadron_price reference;   // mid or last when it was made (computed)
  struct hadron_quantity quantity; // > 0
  uint64_t key;
  struct hadron_client_order_id order; // CANCEL and REPLACE: the order meant; NEW: zero
  uint32_t instrument;
  uint32_t arm;         // 0: several, see the opportunity
  uint16_t venue;
  uint8_t kind;         // enum hadron_intent_kind
  uint8_t side, order_type, time_in_force, flags;
  uint8_t slot;
};
HADRON_SIZE(hadron_intent, 144);
HADRON_OFFSET(hadron_intent, order, 104);

// An order as it goes to a venue.
struct hadron_order {
  struct hadron_trace trace;
  uint64_t cause;
  uint64_t intent;      // id
  int64_t time_ns;      // host: when it was made
  int64_t expire_ns;
  struct hadron_price limit, stop;
  struct hadron_quantity quantity; // > 0
  struct hadron_client_order_id client_order_id;
  struct hadron_client_order_id replaces; // REPLACE: the order that this one takes the place of; else zero
  char venue_order_id[HADRON_VENUE_ID_SIZE]; // of `replaces` or of the order to cancel, where known; NUL-padded
  uint32_t instrument;
  uint32_t listing;     // handle of (venue, symbol)
  uint32_t arm;
  uint16_t venue;
  uint8_t side, order_type, time_in_force, flags;
  uint8_t slot;
  uint8_t pad[5];
};
HADRON_SIZE(hadron_order, 184);

// What a venue says about an order, in the venue's terms. Filled by a venue plugin.
struct hadron_venue_report {
  int64_t venue_ns;     // when it happened (venue); 0 if it does not say
  struct hadron_client_order_id client_order_id; // zero if the order is not ours
  char venue_order_id[HADRON_VENUE_ID_SIZE];     // NUL-padded
  char execution_id[HADRON_VENUE_ID_SIZE];       // FILL, BUST: the venue's unique id
  struct hadron_price price;         // FILL: of this execution; REPLACED: the new limit; ACCEPT in a list: the limit; POSITION: average entry; 0 if not said
  struct hadron_quantity quantity;   // FILL: of this execution; REPLACED: the new total; ACCEPT in a list: the total, 0 if not said; POSITION: what is held, signed
  struct hadron_quantity cumulative; // filled so far, by the venue's count; -1 if it does not say
  struct hadron_money fee;           // FILL: > 0 is paid, < 0 is a rebate
  uint32_t listing;
  uint16_t venue;
  uint8_t change;       // enum hadron_order_change, ACCEPT..POSITION, or SEND_FAIL, LOSE
  uint8_t side;         // enum hadron_side; needed for orders that are not ours
  uint8_t liquidity;    // FILL: enum hadron_liquidity
  uint8_t flags;        // 1: an answer to query or reconcile, not news; 128: about a shadow arm's order (host)
  uint8_t pad[6];
  uint32_t reason;      // the venue's own code; 0 none
  uint32_t pad2;
  char text[64];        // the venue's words, NUL-padded
};
HADRON_SIZE(hadron_venue_report, 232);

// One transition of one order.
struct hadron_order_event {
  struct hadron_trace trace;
  uint64_t cause;
  uint64_t id;             // +1 per order event
  uint64_t intent;
  int64_t time_ns;         // host
  int64_t venue_ns;        // venue; 0 for the host's own changes
  struct hadron_client_order_id client_order_id;
  char venue_order_id[HADRON_VENUE_ID_SIZE];
  struct hadron_price limit, stop;
  struct hadron_price average;      // of the fills so far (computed)
  struct hadron_quantity quantity;  // ordered
  struct hadron_quantity filled;    // so far
  int64_t actual, bound;            // DENY: both numbers of the failed check, in the check's unit
  uint32_t instrument;
  uint32_t arm;
  uint16_t venue;
  uint16_t reason;         // DENY: enum hadron_risk_reason; REJECT: low 16 bits of the venue's code
  uint8_t from, to;        // enum hadron_order_state
  uint8_t change;          // enum hadron_order_change
  uint8_t side, order_type, time_in_force, flags, slot;
  uint32_t pad;
  char text[64];           // the venue's words or the check's name, NUL-padded
};
HADRON_SIZE(hadron_order_event, 264);

// What the venue says was traded. Each is followed by the allocations that share it out.
struct hadron_execution {
  struct hadron_trace trace;
  uint64_t cause;
  uint64_t id;             // +1 per execution
  uint64_t intent;
  int64_t time_ns, venue_ns;
  struct hadron_client_order_id client_order_id;
  char execution_id[HADRON_VENUE_ID_SIZE];
  struct hadron_price price;
  struct hadron_quantity quantity; // > 0
  struct hadron_quantity filled;   // of the order, with this one
  struct hadron_money fee;
  uint32_t instrument;
  uint32_t arm;            // 0: several
  uint16_t venue;
  uint8_t side, liquidity;
  uint8_t flags;           // 1: taken back (bust); 2: order was not ours; 128: of a shadow arm
  uint8_t pad[3];
};
HADRON_SIZE(hadron_execution, 168);

// One arm's share of an execution, or of a cross inside the house. The books are the sum of these and nothing else.
struct hadron_allocation {
  uint64_t id;             // +1 per allocation
  uint64_t execution;      // id; 0: crossed inside the house
  uint64_t opportunity;    // id; 0 if not known
  int64_t time_ns;
  struct hadron_price price;
  struct hadron_quantity quantity; // > 0
  struct hadron_money fee;
  struct hadron_money realized;    // P&L that this share closed, before fees (computed)
  struct hadron_quantity position; // of the arm in the instrument, afterwards, signed (computed)
  struct hadron_money cost;        // of that position, signed (computed)
  uint32_t instrument;
  uint32_t arm;
  uint8_t side;
  uint8_t flags;           // 1: taken back; 2: transferred from one arm to another; 128: of a shadow arm
  uint8_t pad[6];
};
HADRON_SIZE(hadron_allocation, 96);

// A tick that normalize refused, as it came.
struct hadron_tick_reject {
  struct hadron_tick tick;
  uint32_t reason;         // enum hadron_tick_reason
  uint32_t pad;
};
HADRON_SIZE(hadron_tick_reject, 72);

// Definition of an instrument, and of one of its listings.
struct hadron_instrument_definition {
  uint32_t instrument;
  uint32_t listing;
  uint16_t venue;
  uint8_t asset;           // 1 equity, 2 forex, 3 crypto, 4 future, 5 event contract
  uint8_t flags;           // 0
  uint32_t pad;
  struct hadron_price increment;      // price grid, > 0
  struct hadron_quantity lot;         // size grid, > 0
  struct hadron_quantity multiplier;  // contract size, 1e-8 units, > 0
  char name[HADRON_SYMBOL_SIZE];      // canonical
  char symbol[HADRON_SYMBOL_SIZE];    // the venue's
  char currency[8];
};
HADRON_SIZE(hadron_instrument_definition, 112);

struct hadron_arm_definition {
  uint32_t arm;
  uint32_t revision;       // of the deployment
  uint8_t role;            // 1 live, 2 canary, 3 shadow; 0: it has left
  uint8_t placement;       // 1 inline, 2 thread, 3 process, 4 remote
  uint8_t waits;           // role 0: 1: its book stays open for the live version that comes next; 0: it is closed
  uint8_t pad[5];
  double weight;
  uint8_t digest[32];      // SHA-256 of the artifact
  char name[HADRON_NAME_SIZE];
  char version[HADRON_VERSION_SIZE];
  uint32_t split_low, split_high; // trades the instruments whose share of 0..1000000 lies in [low, high); 0, 0: all
};
HADRON_SIZE(hadron_arm_definition, 160);

enum hadron_swap_stage {
  HADRON_SWAP_INVALID = 0,
  HADRON_SWAP_COMMIT = 1,  // the change has taken effect: who recovers goes by this record alone
  HADRON_SWAP_FIRST = 2,   // told afterwards: the first tick that the new one saw, and the pause
};

// A change of the version in a seat, or of a venue, allocator or service. Arm definitions of every seat that it changed follow the COMMIT.
struct hadron_swap {
  int64_t time_ns;
  int64_t pause_ns;        // FIRST: how long the owning thread handled nothing; 0 on a virtual clock
  uint64_t last_sequence;  // of the last tick that the old one saw; 0: none
  uint64_t first_sequence; // FIRST: of the first that the new one saw
  uint32_t revision;       // of the deployment
  uint32_t arm;            // the seat; venues: the venue's number
  uint32_t other;          // the seat that the old one went to; 0: it has left
  uint32_t state_size;     // bytes handed over; 0: none
  uint8_t stage;           // enum hadron_swap_stage
  uint8_t kind;            // enum hadron_plugin_kind
  uint8_t pad[6];
  uint8_t from_digest[32]; // SHA-256 of the artifacts; from: zero where there was none
  uint8_t digest[32];
  char name[HADRON_NAME_SIZE]; // of the deployment
  char from_version[HADRON_VERSION_SIZE];
  char version[HADRON_VERSION_SIZE];
};
HADRON_SIZE(hadron_swap, 248);

enum hadron_share_kind {
  HADRON_SHARE_INVALID = 0,
  HADRON_SHARE_PART = 1,   // one arm's part of an order of several arms; before its ORDER
  HADRON_SHARE_MOVED = 2,  // what `from` had of orders in an instrument (0: all) is `arm`'s from now on
};

// Whose an order's fills are, where the order itself does not say it.
struct hadron_order_share {
  struct hadron_client_order_id client_order_id; // PART; MOVED: zero
  int64_t time_ns;
  struct hadron_quantity quantity; // PART: ordered, > 0
  uint32_t instrument;
  uint32_t arm;            // 0: nobody's
  uint32_t from;           // MOVED
  uint8_t kind;            // enum hadron_share_kind
  uint8_t flags;           // 128: of a shadow arm
  uint8_t pad[2];
};
HADRON_SIZE(hadron_order_share, 56);

// The host has made its state anew from the journal of earlier runs; what follows is this run's.
struct hadron_recovered {
  int64_t time_ns;
  int64_t took_ns;         // 0 on a virtual clock
  uint64_t position;       // of the journal, up to which it was read
  uint64_t snapshot;       // position of the snapshot that it began with; 0: none
  uint64_t records, ticks; // read behind the snapshot
  uint32_t orders_open;    // afterwards; unknown ones among them
  uint32_t orders_unknown;
  uint32_t orders_ended;   // that could not outlive the host
  uint32_t alerts;         // what a person should look at
};
HADRON_SIZE(hadron_recovered, 64);
enum hadron_deployment_stage {
  HADRON_DEPLOYMENT_INVALID = 0,
  HADRON_DEPLOYMENT_START = 1,  // what a session, or a venue in its course, begins with
  HADRON_DEPLOYMENT_OPEN = 2,   // a change begins: seats are opened. Its SWAP record says whether and when it took effect
  HADRON_DEPLOYMENT_SETTLE = 3, // what the trading side makes of it: roles, weights, splits
  HADRON_DEPLOYMENT_FOUND = 4,  // a seat and a book are made for a name that the configuration has no section for
  HADRON_DEPLOYMENT_UNFOUND = 5, // its change failed: the book is closed
};

// What is wanted of a name: how a run is built again from its records.
struct hadron_deployment {
  int64_t time_ns;         // OPEN: when the new versions were made
  uint32_t revision;       // 0: none
  uint32_t number;         // the live seat, the venue's number; 0 else
  uint32_t features;       // venues: enum hadron_venue_feature bits; 0 else
  uint8_t kind;            // enum hadron_plugin_kind
  uint8_t stage;           // enum hadron_deployment_stage
  uint8_t placement;       // START, OPEN: of a strategy: 1 inline, 2 thread, 3 process, 4 remote; 0: inline
  uint8_t pad;
  uint8_t digest[32];      // SHA-256 of the artifact; several: of the live one
  char name[HADRON_NAME_SIZE]; // of the section
  char version[HADRON_VERSION_SIZE];
};
HADRON_SIZE(hadron_deployment, 152);

// Threads: a shard takes so many pieces of feedback (allocations, order events, views) between two of its other records.
struct hadron_heard {
  int64_t time_ns;
  uint32_t shard;
  uint32_t count;
};
HADRON_SIZE(hadron_heard, 16);

// Threads: what the trading thread knows of an instrument's market from here on.
struct hadron_mark {
  struct hadron_price last, bid, ask; // 0: not known
  int64_t event_ns, recv_ns;          // of the tick that made it
  uint64_t sequence;                  // of that tick
  uint32_t state;                     // enum hadron_market_state
  float volatility;                   // per-second log return
  uint32_t instrument;
  uint32_t pad;
};
HADRON_SIZE(hadron_mark, 64);

// To a strategy elsewhere: what its arm has in an instrument, before the allocation or order event that made it so, or by itself.
struct hadron_position {
  uint64_t after;                    // ticks of the stream that the shard had handled before
  struct hadron_quantity position, working_buy, working_sell;
  struct hadron_price average_entry; // 0 when flat
  uint32_t arm, instrument;
};
HADRON_SIZE(hadron_position, 48);

// To a strategy elsewhere: ticks that it will not get, because it was too slow.
struct hadron_lost {
  uint64_t first, last;    // sequences of the first and the last one
  uint64_t count;          // of its universe
  uint32_t arm;
  uint32_t pad;
};
HADRON_SIZE(hadron_lost, 32);

enum hadron_ask_verb {
  HADRON_ASK_INVALID = 0,
  HADRON_ASK_CREATE = 1, // make the instances: argument JSON
  HADRON_ASK_PARAMS = 2, // JSON object: name = text
  HADRON_ASK_LOAD = 3,   // state as a `save` gave it, of one instance
  HADRON_ASK_SAVE = 4,   // answer: state
  HADRON_ASK_START = 5,
  HADRON_ASK_STEP = 6,   // lock-step: everything before it is to be handled; its decisions come before the answer: when its next timer is due
  HADRON_ASK_STOP = 7,
  HADRON_ASK_ROWS = 8,   // what the host's engine knows of its instruments, running bars too; for workers, which are the same program
  HADRON_ASK_TIMERS = 9, // timers of one instance, in the place of its own; the same
};

// To a worker: something to be done after all that came before it in the stream.
struct hadron_ask {
  uint64_t number;         // +1 per ASK of the stream
  int64_t now_ns;          // the host's clock
  uint32_t verb;           // enum hadron_ask_verb
  uint32_t instance;       // LOAD, SAVE: which of the arm's; 0 else
  uint32_t offset, total;  // of the argument: a long one comes in pieces
};
HADRON_SIZE(hadron_ask, 32);

enum hadron_placed_change {
  HADRON_PLACED_INVALID = 0,
  HADRON_PLACED_JOINED = 1,   // the other side is there: a worker, a session
  HADRON_PLACED_SILENT = 2,   // nothing was heard of it for too long: its decisions are refused until it is back
  HADRON_PLACED_BACK = 3,
  HADRON_PLACED_LEFT = 4,     // it has ended or gone
  HADRON_PLACED_RESTART = 5,  // a worker is started again
  HADRON_PLACED_FENCED = 6,   // it hangs, or has failed too often: nothing more is expected of it
  HADRON_PLACED_LOST = 7,     // ticks that it did not get; `count`
  HADRON_PLACED_TAKEN = 8,    // the trading side takes `count` of its decisions: the next ones of this arm
};

// What became of the other side of a strategy that does not run on its shard. In the journal.
struct hadron_placed {
  int64_t time_ns;
  uint64_t sequence;       // of the last tick that the host had accepted
  uint64_t count;          // restarts, or ticks lost
  uint32_t arm;
  uint8_t change;          // enum hadron_placed_change
  uint8_t placement;       // 2 thread, 3 process, 4 remote
  uint8_t action;          // SILENT, FENCED: what becomes of its orders: 1 they stay, 2 cancelled, 3 its position is closed too; 0 else
  uint8_t pad;
};
HADRON_SIZE(hadron_placed, 32);

// What an order cost the host, stage by stage, in ns of the cycle counter; written when it was sent, on the wall clock. 0: there was no such
// stage. No two runs agree about it: a run again neither makes nor compares it.
struct hadron_cost {
  struct hadron_trace trace; // the order's, and the next two as well
  uint64_t cause;
  uint64_t intent;
  int64_t time_ns;           // of the event that sent it (host)
  struct hadron_client_order_id client_order_id;
  int64_t normalize_ns;      // the tick: checked, stamped, routed
  int64_t lane_ns;           // threads: until its shard took it
  int64_t engine_ns;         // written down, the instrument's state, strategies
  int64_t ring_ns;           // threads: until the trading thread took the decisions
  int64_t merge_ns;          // decisions written down, allocator, intents of the same merge that came before
  int64_t risk_ns;
  int64_t gateway_ns;        // made and recorded
  int64_t flush_ns;          // until it was on the disk (journal.fsync)
  int64_t send_ns;           // the venue's submit; threads: into the ring that leads there
  int64_t total_ns;          // from the beginning of the first of these to the end of the last
  uint32_t instrument;
  uint32_t arm;              // 0: several
  uint16_t venue;
  uint8_t pad[6];
};
HADRON_SIZE(hadron_cost, 160);
HADRON_OFFSET(hadron_cost, normalize_ns, 64);

struct hadron_session {
  struct hadron_trace session; // seed of all trace ids
  int64_t time_ns;
  uint64_t seed;
  uint32_t shards;
  uint8_t mode;            // enum hadron_mode
  uint8_t flags;           // 1: end of the session; 2: with threads; 4: on a virtual clock; 8: orders of a round left together
  uint8_t pad[2];
};
HADRON_SIZE(hadron_session, 40);

struct hadron_operator {
  int64_t time_ns;
  uint32_t uid;            // of the peer
  uint32_t pad;
};
HADRON_SIZE(hadron_operator, 16);

// A strategy's timer, or the close of a time bar (arm 0; id: which of the instrument's). Arm and instrument 0: what the trading side of a
// live host did by its clock: id 0 its timers, any other the stops that it holds for that instrument.
struct hadron_timer_fired {
  int64_t due_ns, time_ns;
  uint64_t id;
  uint32_t arm, instrument;
};
HADRON_SIZE(hadron_timer_fired, 32);

struct hadron_venue_status {
  int64_t time_ns;
  uint16_t venue;
  uint8_t state;           // enum hadron_venue_state
  uint8_t seen;            // 1: from here on orders go by it
  uint8_t pad[4];
};
HADRON_SIZE(hadron_venue_status, 16);

struct hadron_alert {
  int64_t time_ns;
  int32_t code;            // enum hadron_error, or 0
  uint32_t arm;
  uint32_t instrument;
  uint16_t venue;
  uint8_t severity;        // 1 info, 2 warning, 3 critical
  uint8_t pad;
};
HADRON_SIZE(hadron_alert, 24);

// A corporate action applied to the books.
struct hadron_adjustment {
  int64_t time_ns;
  struct hadron_money dividend; // cash per share; 0 for a split
  int64_t numerator, denominator; // new shares per old; 1/1 for a dividend
  uint32_t instrument;
  uint32_t pad;
};
HADRON_SIZE(hadron_adjustment, 40);

// A sample of the portfolio (arm 0) or of one arm's book.
struct hadron_equity {
  int64_t time_ns;
  struct hadron_money cash, cost, realized, unrealized, fees, gross;
  uint32_t arm;
  uint32_t pad;
};
HADRON_SIZE(hadron_equity, 64);

// Why normalize refused a tick. X(NAME, number, text)
#define HADRON_TICK_REASON_MAP(X)                                                    \
  X(UNKNOWN_LISTING, 1, "listing was never resolved")                                \
  X(BAD_KIND, 2, "kind is not one of the table")                                     \
  X(PRICE_NOT_POSITIVE, 3, "price is zero or negative")                              \
  X(PRICE_OUT_OF_BOUNDS, 4, "price is outside the instrument's bounds")              \
  X(SIZE_NOT_POSITIVE, 5, "size is zero or negative")                                \
  X(SIZE_OUT_OF_BOUNDS, 6, "size is above the instrument's bound")                   \
  X(TIME_ABSENT, 7, "event time is absent")                                          \
  X(TIME_IN_FUTURE, 8, "event time is ahead of the clock by more than the skew")     \
  X(TIME_BACKWARD, 9, "event time runs backward by more than the skew")              \
  X(STALE, 10, "tick is older than the stale limit")                                 \
  X(DUPLICATE, 11, "sequence or trade id was seen before")                           \
  X(OUT_OF_ORDER, 12, "sequence is lower than the last one")                         \
  X(CROSSED, 13, "bid is above ask")                                                 \
  X(OUTLIER, 14, "price is too far from the last one")                               \
  X(OFF_GRID, 15, "price is not on the instrument's grid")                           \
  X(SUSPICIOUS, 16, "the source marks it as doubtful")                               \
  X(EMPTY_QUOTE, 17, "quote has neither bid nor ask")                                \
  X(BAD_SIDE, 18, "side or action of a book change is not one of the table")         \
  X(BAD_STATE, 19, "trading state is not one of the table")

enum hadron_tick_reason {
  HADRON_TICK_ACCEPTED = 0,
#define HADRON_TICK_REASON_ENUM(name, number, text) HADRON_TICK_REASON_##name = (number),
  HADRON_TICK_REASON_MAP(HADRON_TICK_REASON_ENUM)
#undef HADRON_TICK_REASON_ENUM
  HADRON_TICK_REASON_COUNT
};

// Which risk check said no. X(NAME, number, key in the config's `risk`, unit of both numbers, text)
#define HADRON_RISK_REASON_MAP(X)                                                                                     \
  X(KILLED, 1, "kill", "flag", "the kill switch is on")                                                               \
  X(INSTRUMENT, 2, "instrument", "id", "the instrument is not known or has no listing at the venue")                  \
  X(HALTED, 3, "halted", "state", "the market is halted or closed")                                                   \
  X(QUANTITY_GRID, 4, "quantity_grid", "e8", "quantity is not a positive multiple of the lot")                        \
  X(PRICE_GRID, 5, "price_grid", "nanos", "price is not a positive multiple of the increment")                        \
  X(BOUNDS, 6, "bounds", "code", "side, type, time in force or price fields do not fit each other")                   \
  X(STALE_MARKET, 7, "stale_ms", "ms", "the last tick of the instrument is too old")                                  \
  X(QUANTITY_MAX, 8, "order_quantity_max", "e8", "order quantity is above its limit")                                 \
  X(NOTIONAL_MAX, 9, "order_notional_max", "micros", "order notional is above its limit")                             \
  X(COLLAR, 10, "collar_bps", "bps", "price is too far from the reference")                                           \
  X(POSITION_MAX, 11, "position_max", "e8", "position would pass its limit")                                          \
  X(GROSS_MAX, 12, "gross_max", "micros", "gross exposure would pass its limit")                                      \
  X(NET_MAX, 13, "net_max", "micros", "net exposure would pass its limit")                                            \
  X(ORDER_RATE, 14, "order_rate_max", "orders/s", "too many orders in the last second")                               \
  X(DUPLICATE, 15, "duplicate", "flag", "the same order was sent already")                                            \
  X(DAILY_LOSS, 16, "daily_loss_max", "micros", "loss of the day has reached its limit")                              \
  X(DRAWDOWN, 17, "drawdown_max", "micros", "drawdown has reached its limit")                                         \
  X(REDUCE_ONLY, 18, "reduce_only", "e8", "a reduce-only order would open or turn the position")                      \
  X(OPEN_ORDERS, 19, "open_orders_max", "orders", "too many open orders")                                             \
  X(UNKNOWN_OUTCOME, 20, "unknown_outcome", "orders", "an order of the instrument has an unknown outcome")            \
  X(DRY_RUN, 21, "mode", "flag", "dry run: decided and logged, not sent")                                             \
  X(VENUE_DOWN, 22, "venue", "state", "the venue is not connected")                                                   \
  X(ORDER_TABLE, 23, "orders_max", "orders", "the order table is full")

enum hadron_risk_reason {
  HADRON_RISK_PASSED = 0,
#define HADRON_RISK_REASON_ENUM(name, number, key, unit, text) HADRON_RISK_##name = (number),
  HADRON_RISK_REASON_MAP(HADRON_RISK_REASON_ENUM)
#undef HADRON_RISK_REASON_ENUM
  HADRON_RISK_REASON_COUNT
};

enum hadron_venue_state {
  HADRON_VENUE_INVALID = 0,
  HADRON_VENUE_CONNECTING = 1,
  HADRON_VENUE_AUTHENTICATING = 2,
  HADRON_VENUE_RECONCILING = 3, // connected; open orders, fills and positions are being read
  HADRON_VENUE_READY = 4,       // orders may be sent
  HADRON_VENUE_DEGRADED = 5,    // market data only, or a sequence gap is being repaired
  HADRON_VENUE_DOWN = 6,
  HADRON_VENUE_FINISHED = 7,    // a recorded source has no more ticks
};

#endif
