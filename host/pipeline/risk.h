// Risk: a table of small pure checks over every new intent and every replace. The first failure denies it, with a reason code and
// both numbers. Limits change while running, between two intents. Cancels are never denied. A new check is one row and one function.
//
// takes  an intent and what is known     gives  a verdict
// bound  fixed work per check, in the order of the table; open_orders_max of an arm or instrument walks the open orders
// thread [trade]
#ifndef HD_PIPELINE_RISK_H
#define HD_PIPELINE_RISK_H

#include "pipeline/gateway.h"
#include "pipeline/portfolio.h"

// 0 means "no limit" in every field but `collar_bps`, where it also means none.
struct hd_limits {
  struct hadron_quantity order_quantity_max;
  struct hadron_money order_notional_max;
  int64_t collar_bps;                     // distance of a limit (or of the touch, for a market order) from the reference
  struct hadron_quantity position_max;    // |position + working|
  struct hadron_money gross_max, net_max; // of the portfolio
  int64_t order_rate_max;                 // orders in any one second
  int64_t open_orders_max;
  int64_t stale_ns;                       // age of the last tick
  struct hadron_money daily_loss_max;     // since the UTC day began, >= 0
  struct hadron_money drawdown_max;       // from the highest equity, >= 0
};

// Where a limit can be set.
enum hd_limit_scope {
  HD_SCOPE_ACCOUNT = 1,    // over everything
  HD_SCOPE_STRATEGY = 2,   // one arm: its share of the order, its own book
  HD_SCOPE_INSTRUMENT = 4, // one instrument, all arms
};

// Which limit belongs to which key of the config, its unit and its scopes: one row each (risk.c). `hd_limits` fields are found
// by offset, so the config reader, `status` and `set` need no code per limit. Every field of hd_limits is one int64.
enum hd_limit_unit { HD_LIMIT_QUANTITY = 1, HD_LIMIT_MONEY, HD_LIMIT_BPS, HD_LIMIT_COUNT, HD_LIMIT_DURATION_MS };
struct hd_limit_key {
  const char *key, *help;
  uint32_t unit;   // enum hd_limit_unit; DURATION_MS: the field holds nanoseconds
  uint32_t offset; // in struct hd_limits
  uint32_t scopes; // enum hd_limit_scope bits
  int64_t max;     // highest value of the field
};
extern const struct hd_limit_key hd_limit_keys[];
extern const uint32_t hd_limit_key_count;

#define HD_RISK_RATE_MAX 4096 // highest order_rate_max: the window of one second holds as many orders with all their shares

// Equity at the start of the day and at its highest, of one book.
struct hd_risk_watch {
  struct hadron_money day, peak;
  bool known;
};

// One order in the window of the last second, once per share.
struct hd_rate_entry {
  int64_t time_ns;
  uint32_t arm;
  uint32_t instrument; // 0: a further share of the entry before
};

struct hd_risk {
  const struct hd_instruments *instruments; // borrowed
  const struct hd_marks *marks;
  const struct hd_portfolio *portfolio;
  const struct hd_gateway *gateway;
  const struct hd_risk *house;              // whose limits and kill switch hold: itself; of shadows: the one of the arms that trade
  bool alone;                               // shadows: every arm is judged as if the account were its own
  struct hd_limits account;                 // over everything
  struct hd_limits *strategy;               // [arm]: checked as well; owned
  struct hd_limits *instrument;             // [instrument]: checked as well; owned
  uint32_t arm_max, instrument_max;
  uint32_t orders_max;                      // the gateway's; 0: not checked here
  uint32_t mode;                            // enum hadron_mode
  bool killed;                              // latched
  int64_t day_ns;                           // start of the UTC day that the watches belong to
  struct hd_risk_watch *watches;            // [arm], 0 the portfolio; owned
  struct hd_rate_entry *rate;               // ring of the last second; owned
  uint32_t rate_first, rate_count;
  uint32_t *rate_arm, *rate_instrument;     // orders in the window, by arm (0: all) and by instrument; owned
  uint64_t denied[HADRON_RISK_REASON_COUNT];
  uint64_t passed;
};

// What is asked. REPLACE: quantity and shares are the new totals, the filled part included. No shares: all of it is the intent's arm's.
struct hd_risk_request {
  const struct hadron_intent *intent;       // borrowed(call)
  const struct hd_share *shares;            // borrowed(call)
  uint32_t share_count;                     // <= HD_SHARES_MAX
  uint32_t venue_state;                     // enum hadron_venue_state of the venue that it would go to
  const struct hadron_client_order_id *id;  // what its client order id would be: the gateway is asked whether it was used; NULL: it was not
  int64_t now_ns;
};

int32_t hd_risk_init(struct hd_risk *r, const struct hd_instruments *instruments, const struct hd_marks *marks,
                     const struct hd_portfolio *portfolio, const struct hd_gateway *gateway, uint32_t arm_max, uint32_t mode);
void hd_risk_fini(struct hd_risk *r);

// Changes the limits of a scope (id: 0 for the account, the arm, the instrument) between two intents. All or nothing.
// HADRON_ERR_NOT_FOUND (no such arm or instrument), HADRON_ERR_RANGE (the fault names key, value and range). [trade]
int32_t hd_risk_limits_set(struct hd_risk *r, uint32_t scope, uint32_t id, const struct hd_limits *limits, struct hd_fault *fault);
// The limits in force; NULL if there is no such scope or id. borrowed(until fini)
const struct hd_limits *hd_risk_limits(struct hd_risk *r, uint32_t scope, uint32_t id);

// Checks a NEW or REPLACE. Pure but for the counters and the rate window.
//
// The order's effect on a position counts what already works on its side. Gross and net count the working orders of the order's own
// instrument. An order that makes an exceeded position or exposure smaller passes. Where a loss has reached its limit, orders
// pass that reduce the position of every arm in them. A market order is measured at the touch, a stop-limit's collar at its stop.
void hd_risk_check(struct hd_risk *r, const struct hd_risk_request *request, struct hd_verdict *verdict);

// The checks of hd_risk_check one by one, for an explanation: what each held against which limit. Changes nothing that hd_risk_check would
// not; before it. Returns how many rows there are; a limit that is set in several places has one for each.
enum hd_risk_outcome { HD_RISK_ROW_NO_LIMIT = 0, HD_RISK_ROW_PASSED = 1, HD_RISK_ROW_FAILED = 2, HD_RISK_ROW_NOT_REACHED = 3 };
struct hd_risk_row {
  uint16_t reason;       // enum hadron_risk_reason
  uint8_t outcome;       // enum hd_risk_outcome
  bool measured;         // `actual` holds; a limit that an order cannot break by making things smaller has no number
  uint32_t scope, arm;   // enum hd_limit_scope of the limit, 0: not one of a limit; the arm, 0: all
  int64_t actual, bound; // in the reason's unit
};
#define HD_RISK_ROWS_MAX 128
uint32_t hd_risk_explain(struct hd_risk *r, const struct hd_risk_request *request, struct hd_risk_row *rows, uint32_t max);
const char *hd_risk_reason_unit(uint32_t reason); // "micros"; static
const char *hd_risk_reason_key(uint32_t reason);  // "position_max"; static

// Judges the arms of `house` (shadows) by its limits, each of them alone: where a limit is the account's or the instrument's, only the arm's
// own book, orders and rate count. After hd_risk_init, before the first check; house stays where it is.
void hd_risk_shadow(struct hd_risk *r, const struct hd_risk *house);

// Equity has changed: keeps day and peak of all books (of the arms that trade; of the shadows). Call after allocations, after marking and on a timer.
void hd_risk_equity(struct hd_risk *r, int64_t now_ns);

// An arm's book begins anew: so do its day and its peak.
void hd_risk_restart(struct hd_risk *r, uint32_t arm);

// From the journal: an order that was sent counts in the second after it, whoever sent it. arms: at least one; 0 is nobody's.
void hd_risk_fold_order(struct hd_risk *r, const uint32_t *arms, uint32_t arm_count, uint32_t instrument, int64_t time_ns);

// The kill switch: latched until released.
void hd_risk_kill(struct hd_risk *r);
void hd_risk_release(struct hd_risk *r);

const char *hd_risk_reason_name(uint32_t reason); // "POSITION_MAX"; static
const char *hd_risk_reason_text(uint32_t reason);

#endif
