// The simulated venue: what its files share. sim.c is the plugin and its loop over time; params.c the parameters; order.c the
// life of an order from request to report; ledger.c ids, fills and reports kept; follow.c matching against ticks of other
// venues (FOLLOWS); book.c a real order book and flow.c the background flow in it (EXCHANGE); random.c numbers.
//
// Contract with the host, over what hadron/venue.h says:
// - Time is what `poll(now)` and `on_tick` (recv_ns) bring; a request is made at the host's now_ns, virtual in replay, or at the
//   latest of the others if that is later. An order submitted at t reaches the matching at t + entry latency. It meets ticks with recv_ns >= that and none
//   earlier; on arrival it meets the market as it stands then.
// - What comes of it is told at + response latency, by `report`, inside a `poll`. Requests do not overtake each other, nor do
//   reports: each way is one ordered stream.
// - The host polls after every submit, cancel, replace and query, after on_tick while it has orders here, and at the time that
//   poll returned. A poll with nothing due is one comparison. With all latencies zero, poll(now) right after submit matches the
//   order against the market after the tick that is being handled, and reports it.
// - Everything happens in order of time, however often poll is called: one poll to the end gives what many small ones give. At
//   one instant: expiries, then requests, then flow or the tick, and reports after what caused them.
// - After start nothing here allocates. All tables are sized by `orders_max`, `instruments_max` and `instruments`.
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <string.h>

#include "hadron/ext/log.h"
#include "hadron/ext/params.h"
#include "hadron/venue.h"

#define SIM_NONE UINT32_MAX
#define SIM_AHEAD_UNKNOWN INT64_MAX
#define SIM_FOREVER INT64_MAX
#define SIM_BACKGROUND_MAX 1024 // orders of the flow per instrument; more are not placed

// Why an order was refused or ended: the report's `reason` and `text`. X(NAME, number, text)
#define SIM_REASON_MAP(X)                                              \
  X(UNKNOWN_LISTING, 1, "unknown listing")                             \
  X(BAD_PRICE, 2, "price is not on the grid")                          \
  X(BAD_QUANTITY, 3, "quantity is not on the grid")                    \
  X(BAD_ORDER, 4, "fields of the order do not fit each other")         \
  X(POST_ONLY, 5, "post-only order would take")                        \
  X(REDUCE_ONLY, 6, "reduce-only order has nothing to reduce")         \
  X(RANDOM, 7, "refused at random, as reject_rate asks")               \
  X(DUPLICATE, 8, "client order id was seen before")                   \
  X(NO_MARKET, 9, "no price to trade at")                              \
  X(HALTED, 10, "market is halted or closed")                          \
  X(UNKNOWN_ORDER, 11, "unknown order")                                \
  X(CLOSED_ORDER, 12, "order is no longer working")                    \
  X(IMMEDIATE, 13, "immediate-or-cancel: the rest is cancelled")       \
  X(FILL_OR_KILL, 14, "fill-or-kill: not all of it could be filled")   \
  X(SESSION_END, 15, "session has ended")                              \
  X(EXPIRED, 16, "good-till date has passed")                          \
  X(SELF_TRADE, 17, "would trade with an order of the same account")   \
  X(FULL, 18, "too many open orders: raise orders_max")                \
  X(BELOW_FILLED, 19, "new quantity is not above what is filled")      \
  X(REQUESTED, 20, "cancelled as asked")                               \
  X(REPLACED, 21, "replaced by another order")                         \
  X(OVERFLOW, 22, "notional is too large")                             \
  X(OTHER_ORDER, 23, "instrument, side or type differs from the order to be replaced")

enum sim_reason {
  SIM_OK = 0,
#define SIM_REASON_ENUM(name, number, text) SIM_##name = (number),
  SIM_REASON_MAP(SIM_REASON_ENUM)
#undef SIM_REASON_ENUM
};

enum sim_queue { SIM_QUEUE_FRONT, SIM_QUEUE_SIZE, SIM_QUEUE_CONSERVATIVE };

enum sim_state {
  SIM_FREE = 0,
  SIM_STOPPED = 1, // a stop that has not triggered
  SIM_WORKING = 2, // in the book, or taking from it
  SIM_CLOSED = 3,
};

struct sim_random {
  uint64_t state[4];
};

// An order that the venue knows. Open ones hold their slot; closed ones leave, oldest first, when slots run out.
struct sim_order {
  struct hadron_client_order_id id;
  uint64_t number;     // the venue's order id
  uint64_t priority;   // time priority: grows with each arrival at a price
  int64_t limit, stop; // 0: none
  int64_t quantity, filled;
  int64_t ahead;       // FOLLOWS: size that trades before it at its price; never grows once known
  int64_t expire_ns;   // SIM_FOREVER: never
  int64_t fee_raw, fee_charged;
  uint64_t first_fill; // number of its first remembered fill
  uint32_t market, listing;
  uint32_t next, prev; // in its market's list, or among the closed or free ones
  uint32_t entry;      // EXCHANGE: its place in the book
  uint32_t heap;       // place among the expiries
  uint8_t side, type, time_in_force, flags;
  uint8_t state;       // enum sim_state
  uint8_t ending;      // CLOSED: enum hadron_order_change
  uint8_t reason;      // CLOSED: enum sim_reason
  bool listed;         // FOLLOWS: in its market's list of working orders
  bool taking;         // FOLLOWS: goes on taking with the next tick
};

// One instrument. The first cache line is all that a tick of an instrument without orders touches.
struct sim_market {
  _Alignas(64) struct hadron_quote quote;
  int64_t last, last_size;
  uint8_t busy;        // orders are here, or some of the tick's size was taken: the long way
  uint8_t synthetic;   // the last trade was made from a bar: it is the market
  uint8_t closed;      // halted or closed: nothing trades
  uint8_t known;       // grid and multiplier were read
  uint8_t asset;
  uint8_t pad[3];
  uint32_t working[2]; // heads, best first: bids, asks (FOLLOWS)
  // cold
  int64_t taken[2];    // of the tick's size: by buyers, by sellers
  int64_t traded[2];   // at the bid, at the ask, since the last quote
  int64_t increment, lot, multiplier;
  int64_t position;    // by this venue's fills, signed
  uint32_t stops;      // head, oldest first
  uint32_t orders;     // open ones
  uint32_t listing;    // of the latest order; of its own in the exchange form
};
_Static_assert(offsetof(struct sim_market, taken) == 64, "a tick without orders touches one cache line");

enum sim_request_kind { SIM_SUBMIT, SIM_CANCEL, SIM_REPLACE, SIM_QUERY, SIM_RECONCILE };

struct sim_request {
  int64_t due_ns;
  int64_t since_ns; // RECONCILE
  uint32_t kind;    // enum sim_request_kind
  struct hadron_order order;
};

// A report on its way to the host; also what is remembered of a fill.
struct sim_report {
  int64_t due_ns, venue_ns;
  struct hadron_client_order_id id;
  uint64_t order, execution; // numbers; 0 none
  int64_t price, quantity, cumulative, fee;
  int64_t since_ns;          // `reconcile`
  uint32_t listing;
  uint8_t change, side, liquidity, flags;
  uint8_t reason;
  bool reconcile;            // stands for the whole answer to a reconcile
};

// Exchange form: an order in the book, and a price level.
struct sim_entry {
  int64_t quantity;
  uint32_t next, prev; // in its level, oldest first
  uint32_t level;
  uint32_t owner;      // our order; SIM_NONE: background
  uint32_t place;      // in the flow's list
};
struct sim_level {
  int64_t price, quantity;
  uint32_t head, tail;
  uint32_t next, prev; // worse, better
  uint32_t side;       // 0 bids, 1 asks
};

// Exchange form: one instrument's book and the flow in it. Its market has the same index.
struct sim_flow {
  struct sim_random random;
  int64_t next_ns, last_ns, regime_ns;
  double fair, noise;       // in ticks: random walk; mean-reverting part
  double excitation;        // of market orders, 0 at rest
  double limit_rate, market_rate, cancel_rate, rate_bound; // per second; cancel_rate per order
  double sigma;             // ticks per square root of a second
  uint32_t best[2];         // levels
  struct hadron_quote published;
  uint32_t *background;     // entries
  uint32_t background_count;
  uint32_t handle;
  uint64_t sequence, trade_id;
  uint32_t heap;
  bool hectic;              // regime
  bool sign;                // side of the last market order: 1 sell
  char symbol[HADRON_SYMBOL_SIZE];
};

struct sim_handle {
  uint32_t handle, market;
};

struct sim_id { // the hash beside the slot, so that a probe that misses looks at no order
  uint32_t hash, slot; // slot SIM_NONE: empty
};

struct sim;

// What the two forms do differently. `side` is 0 for buy, 1 for sell.
struct sim_matcher {
  int64_t (*touch)(const struct sim *s, const struct sim_market *m, uint32_t side); // price that a taker gets; 0 none
  int64_t (*available)(const struct sim *s, const struct sim_market *m, const struct sim_order *o); // within its limit
  void (*take)(struct sim *s, struct sim_market *m, struct sim_order *o);   // trades what it can now
  void (*rest)(struct sim *s, struct sim_market *m, struct sim_order *o);   // lets the remainder wait
  void (*leave)(struct sim *s, struct sim_market *m, struct sim_order *o);  // takes it out; it was resting
  void (*shrink)(struct sim *s, struct sim_market *m, struct sim_order *o, int64_t by);
};

struct sim_params {
  char flow[16], queue[16], session_end[16], symbols[4096], currency[8];
  int64_t instruments, instruments_max, orders_max, seed, asset;
  struct hadron_price price, tick_size;
  struct hadron_quantity lot, size;
  double volatility, rate, spread, noise, reject_rate;
  int64_t noise_time;
  int64_t depth, vary;
  int64_t feed_latency, feed_jitter, entry_latency, entry_jitter, response_latency, response_jitter;
  struct hadron_price maker_bps, taker_bps; // 1e-9 of a basis point
  struct hadron_money fee_per_share, fee_per_contract, fee_min, fee_max;
  struct hadron_price slippage_bps, impact_bps;
  int64_t slippage_ticks;
  struct hadron_price participation; // 1e-9
};

struct sim {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  const struct hadron_log *log;
  struct sim_params params;
  const struct sim_matcher *matcher;
  bool exchange, active, polling, pressed, opened;
  uint16_t venue_number;
  uint32_t queue;          // enum sim_queue
  int64_t session_end_ns;  // since midnight UTC; -1 never
  int64_t clock_ns;        // latest time heard of
  int64_t at_ns;           // time of the event in progress
  int64_t next_ns;         // earliest due time of anything
  int64_t work_ns;         // earliest due time of what changes the market: requests, expiries
  int64_t entry_last_ns, report_last_ns, feed_last_ns;
  // One stream each, so that it does not matter which of them is asked first.
  struct sim_random entry_random, response_random, feed_random, refusal_random, flow_random;

  struct sim_market *markets;
  uint32_t market_count;
  uint32_t follow_count;   // market_count in the form that follows ticks, else 0

  struct sim_order *orders;
  uint32_t order_count;                          // slots
  uint32_t order_free, closed_first, closed_last; // lists
  struct sim_id *ids;                            // client order ids: hash table of slots
  uint32_t id_mask;
  uint32_t *expiries, expiry_count;              // heap of slots
  uint64_t number_last, priority_last, execution_last;

  struct sim_request *requests;
  uint64_t request_head, request_tail, request_mask;
  struct sim_report *reports;
  uint64_t report_head, report_tail, report_mask;
  struct sim_report *fills;                      // the latest ones, by number
  uint64_t fill_count, fill_mask;

  // exchange form
  struct sim_flow *flows;
  uint32_t *flow_heap;
  struct sim_handle *handles;                    // sorted
  struct sim_entry *entries;
  struct sim_level *levels;
  uint32_t entry_free, level_free, entry_count, level_count; // free lists; how many were ever used
  uint32_t entries_max;
  uint32_t *background;                          // of all flows
  uint64_t ticks_lost;
  struct hadron_tick *ticks;
  uint64_t tick_head, tick_tail, tick_mask;
  uint64_t event_tick;                           // first tick of the event in progress
  bool gap;                                      // ticks were lost just before
};

static inline int64_t sim_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t sim_max(int64_t a, int64_t b) { return a > b ? a : b; }
// Of sizes that are not negative: stays at the largest there is.
static inline int64_t sim_add(int64_t a, int64_t b) { return a > INT64_MAX - b ? INT64_MAX : a + b; }
static inline uint32_t sim_side(const struct sim_order *o) { return o->side == HADRON_SIDE_BUY ? 0 : 1; }
static inline int64_t sim_left(const struct sim_order *o) { return o->quantity - o->filled; }
static inline bool sim_limited(const struct sim_order *o) {
  return o->type == HADRON_ORDER_LIMIT || o->type == HADRON_ORDER_STOP_LIMIT;
}
// Would an order of `side` with this limit trade at `price`?
static inline bool sim_reaches(uint32_t side, int64_t limit, int64_t price) {
  return side == 0 ? price <= limit : price >= limit;
}
static inline bool sim_beyond(uint32_t side, int64_t limit, int64_t price) {
  return side == 0 ? price < limit : price > limit;
}

// params.c
extern const struct hadron_params sim_params_table;
int32_t sim_fail(struct sim *s, int32_t code, const char *format, ...) __attribute__((format(printf, 3, 4)));

// random.c: xoshiro256** (Blackman and Vigna), and the few functions of doubles that the flow needs, made of additions,
// multiplications, divisions and square roots alone, so that every machine computes the same.
void sim_random_seed(struct sim_random *r, uint64_t seed);
uint64_t sim_random_next(struct sim_random *r);
uint64_t sim_random_below(struct sim_random *r, uint64_t n); // [0, n)
double sim_random_unit(struct sim_random *r);                // (0, 1]
double sim_random_normal(struct sim_random *r);
double sim_random_exponential(struct sim_random *r);
double sim_decay(double x); // e^-x, x >= 0

// ledger.c
int32_t sim_ledger_open(struct sim *s);
void sim_ledger_close(struct sim *s);
struct sim_order *sim_ledger_find(const struct sim *s, const struct hadron_client_order_id *id);
void sim_ledger_expect(const struct sim *s, const struct hadron_client_order_id *id); // it will be asked for soon
// A slot for a new id; NULL if all slots are open orders.
struct sim_order *sim_ledger_add(struct sim *s, const struct hadron_client_order_id *id);
void sim_ledger_swap(struct sim *s, struct sim_order *a, struct sim_order *b); // exchanges their ids
void sim_ledger_retire(struct sim *s, struct sim_order *o); // closed: it may leave
void sim_ledger_expire_at(struct sim *s, struct sim_order *o, int64_t expire_ns);
void sim_ledger_expire_never(struct sim *s, struct sim_order *o);
struct sim_request *sim_request_push(struct sim *s, int64_t now_ns); // NULL: full
void sim_report_order(struct sim *s, const struct sim_order *o, uint32_t change, uint32_t reason, uint32_t flags);
void sim_report_refuse(struct sim *s, const struct hadron_order *order, uint32_t change, uint32_t reason, uint32_t flags);
int64_t sim_latency(struct sim_random *random, int64_t base, int64_t jitter);
void sim_report_push(struct sim *s, const struct sim_report *report); // sets due_ns, venue_ns
void sim_report_emit(struct sim *s);                           // hands over the oldest
void sim_reconcile(struct sim *s, int64_t since_ns);

// order.c
void sim_request_run(struct sim *s, const struct sim_request *request);
void sim_expire(struct sim *s, struct sim_order *o);
void sim_order_end(struct sim *s, struct sim_order *o, uint32_t change, uint32_t reason);
// Executes up to `quantity` at `price` and tells it; returns how much. The order may be closed afterwards.
int64_t sim_fill(struct sim *s, struct sim_order *o, int64_t price, int64_t quantity, uint32_t liquidity);
void sim_trigger(struct sim *s, struct sim_market *m); // stops whose price has been reached begin to work
struct sim_market *sim_market_of(struct sim *s, const struct hadron_order *order);
int64_t sim_fee(const struct sim *s, const struct sim_market *m, int64_t price, int64_t quantity, uint32_t liquidity, int32_t *error);

// follow.c
extern const struct sim_matcher sim_follow_matcher;
int32_t sim_follow_open(struct sim *s);
void sim_follow_tick(struct sim *s, struct sim_market *m, const struct hadron_tick *tick);

// book.c
extern const struct sim_matcher sim_book_matcher;
int32_t sim_book_open(struct sim *s);
void sim_book_close(struct sim *s);
// The background trades `quantity` against the other side within `limit` (0: none); returns what is left.
int64_t sim_book_sweep(struct sim *s, uint32_t market, uint32_t side, int64_t limit, int64_t quantity);
void sim_book_add(struct sim *s, uint32_t market, uint32_t side, int64_t price, int64_t quantity);
void sim_book_remove(struct sim *s, uint32_t market, uint32_t entry);
int64_t sim_book_best(const struct sim *s, uint32_t market, uint32_t side); // price; 0 empty
void sim_book_snapshot(struct sim *s, uint32_t market);
// An event of one instrument: what happens between is one message of the venue.
void sim_event_begin(struct sim *s);
void sim_event_end(struct sim *s, uint32_t market);
void sim_ticks_emit(struct sim *s, int64_t until_ns);

// flow.c
int32_t sim_flow_open(struct sim *s);
void sim_flow_close(struct sim *s);
void sim_flow_begin(struct sim *s, int64_t now_ns);
void sim_flow_run(struct sim *s); // the next event of the instrument that is due first
static inline int64_t sim_flow_due(const struct sim *s) {
  return s->exchange && s->opened ? s->flows[s->flow_heap[0]].next_ns : SIM_FOREVER;
}

#endif
