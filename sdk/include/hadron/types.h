// Hadron SDK: scalar types, handles and enumerations.
//
// Everything here is little-endian, fixed width and free of pointers: the same bytes live in memory, in the journal and
// on the wire. Enumeration value 0 is INVALID everywhere. Prices, quantities and money are integers in their own struct
// types, so that swapping two does not compile; `hadron/decimal.h` has the arithmetic.
#ifndef HADRON_TYPES_H
#define HADRON_TYPES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define HADRON_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define HADRON_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

// Asserts the size of a message; and the offset of one of its fields.
#define HADRON_SIZE(type, size) HADRON_STATIC_ASSERT(sizeof(struct type) == (size), #type " has changed its size")
#define HADRON_OFFSET(type, field, offset) \
  HADRON_STATIC_ASSERT(offsetof(struct type, field) == (offset), #type "." #field " has moved")

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Hadron's layouts are little-endian; a big-endian machine cannot share them"
#endif

// The ABI and the schema a plugin was built with. A major change breaks; a minor one only adds.
#define HADRON_ABI_MAJOR 1
#define HADRON_ABI_MINOR 0
#define HADRON_SCHEMA_ID 4842 // "HR"; the SBE schema in sdk/schema/hadron.xml
#define HADRON_SCHEMA_MAJOR 1
#define HADRON_SCHEMA_MINOR 0

// Units per one of the currency, of the asset, of money.
#define HADRON_PRICE_SCALE INT64_C(1000000000)
#define HADRON_QUANTITY_SCALE INT64_C(100000000)
#define HADRON_MONEY_SCALE INT64_C(1000000)

// Sizes of names, with the terminating NUL. Grammar of plugin names: [a-z0-9_-]{1,63}.
#define HADRON_NAME_SIZE 64
#define HADRON_VERSION_SIZE 32
#define HADRON_SYMBOL_SIZE 32
#define HADRON_VENUE_ID_SIZE 40 // a venue's order or execution id; a UUID fits

struct hadron_price {
  int64_t nanos; // 1e-9 of the quote currency
};
struct hadron_quantity {
  int64_t e8; // 1e-8 of the asset; signed where the field says so
};
struct hadron_money {
  int64_t micros; // 1e-6 of the account currency
};

// W3C trace-context trace id, 16 bytes, never all zero once stamped.
struct hadron_trace {
  uint8_t bytes[16];
};

// The first 24 hex digits of a SHA-256; not NUL-terminated.
struct hadron_client_order_id {
  char hex[24];
};

enum hadron_plugin_kind {
  HADRON_KIND_INVALID = 0,
  HADRON_KIND_STRATEGY = 1,
  HADRON_KIND_VENUE = 2,
  HADRON_KIND_ALLOCATOR = 3,
  HADRON_KIND_SERVICE = 4,
};

enum hadron_side {
  HADRON_SIDE_INVALID = 0,
  HADRON_SIDE_BUY = 1,
  HADRON_SIDE_SELL = 2,
};

enum hadron_tick_kind {
  HADRON_TICK_INVALID = 0,
  HADRON_TICK_TRADE = 1,  // value.trade
  HADRON_TICK_QUOTE = 2,  // value.quote: best bid and ask after the event
  HADRON_TICK_BOOK = 3,   // value.book: one level or one order has changed
  HADRON_TICK_STATUS = 4, // value.status: trading state of the instrument
};

// Bits of hadron_tick.flags.
enum hadron_tick_flag {
  HADRON_TICK_SNAPSHOT = 1,   // part of a snapshot, not a change
  HADRON_TICK_SYNTHETIC = 2,  // made from a bar (open, high, low or close), not seen on the tape
  HADRON_TICK_GAP = 4,        // the venue's sequence jumped just before this tick
  HADRON_TICK_STALE = 8,      // older than the instrument's stale limit when it came
  HADRON_TICK_SUSPICIOUS = 16, // the source itself marks it as doubtful; normalize refuses it
  HADRON_TICK_LAST = 32,      // the last tick of one venue message: the book is whole again
  HADRON_TICK_CONFLATED = 64, // stands for several quotes that were overtaken in an overload
};

enum hadron_book_action {
  HADRON_BOOK_INVALID = 0,
  HADRON_BOOK_SET = 1,    // level now has `quantity` in all; 0 removes it
  HADRON_BOOK_ADD = 2,    // order `order_id` was added with `quantity`
  HADRON_BOOK_MODIFY = 3, // order `order_id` now has `price` and `quantity`
  HADRON_BOOK_CANCEL = 4, // order `order_id` lost `quantity`
  HADRON_BOOK_CLEAR = 5,  // the whole book of the instrument is empty
};

enum hadron_market_state {
  HADRON_MARKET_INVALID = 0,
  HADRON_MARKET_OPEN = 1,
  HADRON_MARKET_HALTED = 2,
  HADRON_MARKET_CLOSED = 3,
  HADRON_MARKET_AUCTION = 4,
};

enum hadron_lane {
  HADRON_LANE_INVALID = 0,
  HADRON_LANE_FAST = 1,
  HADRON_LANE_WARM = 2,
  HADRON_LANE_COLD = 3,
  HADRON_LANE_DROP = 4,
};

enum hadron_bar_kind {
  HADRON_BAR_INVALID = 0,
  HADRON_BAR_TIME = 1,   // every `interval` nanoseconds, aligned to the Unix epoch
  HADRON_BAR_TICK = 2,   // every `interval` trades
  HADRON_BAR_VOLUME = 3, // every `interval` units of 1e-8
};

enum hadron_decision_kind {
  HADRON_DECISION_INVALID = 0,
  HADRON_DECISION_SIDE = 1,   // buy or sell `quantity` now
  HADRON_DECISION_TARGET = 2, // hold `quantity` (signed): trade the difference
  HADRON_DECISION_WORK = 3,   // keep one order like this working in `slot`; quantity 0 withdraws it
};

enum hadron_order_type {
  HADRON_ORDER_INVALID = 0,
  HADRON_ORDER_MARKET = 1,
  HADRON_ORDER_LIMIT = 2,
  HADRON_ORDER_STOP = 3,       // market once `stop` has traded
  HADRON_ORDER_STOP_LIMIT = 4, // limit once `stop` has traded
};

enum hadron_time_in_force {
  HADRON_TIF_INVALID = 0,
  HADRON_TIF_DAY = 1,
  HADRON_TIF_GTC = 2,
  HADRON_TIF_IOC = 3,
  HADRON_TIF_FOK = 4,
  HADRON_TIF_GTD = 5, // until `expire_ns`
};

// Bits of the `flags` of decisions, intents and orders.
enum hadron_order_flag {
  HADRON_ORDER_POST_ONLY = 1,
  HADRON_ORDER_REDUCE_ONLY = 2,
  HADRON_ORDER_SHADOW = 128, // host: a shadow arm's; it goes to the simulated venue and nowhere else
};

// Ids of decisions, opportunities, intents, order events, executions and allocations of shadow arms begin after this one, so that
// they never meet those of arms that trade.
#define HADRON_SHADOW_ID (UINT64_C(1) << 62)

enum hadron_intent_kind {
  HADRON_INTENT_INVALID = 0,
  HADRON_INTENT_NEW = 1,
  HADRON_INTENT_CANCEL = 2,
  HADRON_INTENT_REPLACE = 3,
};

enum hadron_order_state {
  HADRON_STATE_INVALID = 0,
  HADRON_STATE_INITIALIZED = 1,
  HADRON_STATE_DENIED = 2,
  HADRON_STATE_PENDING_SUBMIT = 3,
  HADRON_STATE_SUBMITTED = 4,
  HADRON_STATE_ACCEPTED = 5,
  HADRON_STATE_PARTIALLY_FILLED = 6,
  HADRON_STATE_PENDING_CANCEL = 7,
  HADRON_STATE_PENDING_REPLACE = 8,
  HADRON_STATE_FILLED = 9,
  HADRON_STATE_CANCELED = 10,
  HADRON_STATE_REJECTED = 11,
  HADRON_STATE_EXPIRED = 12,
  HADRON_STATE_UNKNOWN = 13,
};

// What can happen to an order. The first group comes from the host, the second from the venue.
enum hadron_order_change {
  HADRON_CHANGE_INVALID = 0,
  HADRON_CHANGE_DENY = 1,      // risk said no
  HADRON_CHANGE_QUEUE = 2,     // passed risk; journaled; waits to be sent
  HADRON_CHANGE_SEND = 3,      // the first byte left
  HADRON_CHANGE_SEND_FAIL = 4, // certain that nothing left
  HADRON_CHANGE_LOSE = 5,      // outcome unknown: time-out, cut connection, 5xx
  HADRON_CHANGE_CANCEL = 6,    // cancel was sent
  HADRON_CHANGE_REPLACE = 7,   // replace was sent
  HADRON_CHANGE_ACCEPT = 8,    // venue: order is working
  HADRON_CHANGE_REJECT = 9,    // venue: order refused
  HADRON_CHANGE_FILL = 10,     // venue: some of it, or the rest, was executed
  HADRON_CHANGE_CANCELED = 11, // venue: no longer working
  HADRON_CHANGE_CANCEL_REJECT = 12,
  HADRON_CHANGE_REPLACED = 13, // venue: the new price and quantity hold
  HADRON_CHANGE_REPLACE_REJECT = 14,
  HADRON_CHANGE_EXPIRE = 15,
  HADRON_CHANGE_ABSENT = 16,  // venue, asked by client order id: never heard of it
  HADRON_CHANGE_TRIGGER = 17, // a stop has triggered; the order now works
  HADRON_CHANGE_BUST = 18,    // venue: an execution was taken back
  HADRON_CHANGE_POSITION = 19, // venue, answering reconcile: what it holds in an instrument; of no order
  HADRON_CHANGE_LIST_BEGIN = 20, // host: what the venue says from here on is the list of all that it has; of no order
  HADRON_CHANGE_LIST_END = 21,   // host: and here it ends
};

enum hadron_liquidity {
  HADRON_LIQUIDITY_INVALID = 0,
  HADRON_LIQUIDITY_MAKER = 1,
  HADRON_LIQUIDITY_TAKER = 2,
};

enum hadron_mode {
  HADRON_MODE_INVALID = 0,
  HADRON_MODE_DRY_RUN = 1,
  HADRON_MODE_PAPER = 2,
  HADRON_MODE_LIVE = 3,
  HADRON_MODE_BACKTEST = 4,
};

#endif
