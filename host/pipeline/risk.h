// Risk: a table of small pure checks over every new intent and every replace. The first failure denies it, with a reason code and
// both numbers. Limits change while running: a new table is swapped in between two intents. Cancels are never denied.
//
// takes  an intent and what is known     gives  a verdict
// bound  none: fixed work per check, in the order of the table    thread [trade]
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

// Which limit belongs to which key of the config, its unit and its scopes: one row each (risk.c). `hd_limits` fields are found
// by offset, so the config reader, `status` and `set` need no code per limit.
enum hd_limit_unit { HD_LIMIT_QUANTITY = 1, HD_LIMIT_MONEY, HD_LIMIT_BPS, HD_LIMIT_COUNT, HD_LIMIT_DURATION_MS };
struct hd_limit_key {
  const char *key, *help;
  uint32_t unit;   // enum hd_limit_unit
  uint32_t offset; // in struct hd_limits
};
extern const struct hd_limit_key hd_limit_keys[];
extern const uint32_t hd_limit_key_count;

struct hd_risk {
  const struct hd_instruments *instruments; // borrowed
  const struct hd_marks *marks;
  const struct hd_portfolio *portfolio;
  const struct hd_gateway *gateway;
  struct hd_limits account;                 // over everything
  struct hd_limits *strategy;               // [arm]: checked as well; owned
  struct hd_limits *instrument;             // [instrument]: checked as well; owned
  uint32_t arm_max, instrument_max;
  uint32_t mode;                            // enum hadron_mode
  bool killed;                              // latched
  int64_t day_ns;                           // start of the UTC day that `day_equity` belongs to
  struct hadron_money day_equity, peak_equity; // of the portfolio
  struct hd_rate { int64_t *times; uint32_t at, size; } rate; // times of the last orders; owned
  uint64_t denied[HADRON_RISK_REASON_COUNT];
  uint64_t passed;
};

int32_t hd_risk_init(struct hd_risk *r, const struct hd_instruments *instruments, const struct hd_marks *marks,
                     const struct hd_portfolio *portfolio, const struct hd_gateway *gateway, uint32_t arm_max, uint32_t mode);
void hd_risk_fini(struct hd_risk *r);

// Checks a NEW or REPLACE. Pure but for the counters and the rate window. `duplicate` says that its client order id was used before;
// `venue_state` is the state of the venue that it would go to.
void hd_risk_check(struct hd_risk *r, const struct hadron_intent *intent, bool duplicate, uint32_t venue_state, int64_t now_ns,
                   struct hd_verdict *verdict);

// Equity has changed: keeps day and peak. Call after allocations and on a timer.
void hd_risk_equity(struct hd_risk *r, struct hadron_money equity, int64_t now_ns);

const char *hd_risk_reason_name(uint32_t reason); // "POSITION_MAX"; static
const char *hd_risk_reason_text(uint32_t reason);

#endif
