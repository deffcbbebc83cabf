// Books: positions, cash and P&L of every arm; the portfolio is the sum of the live ones. Fed by allocations and adjustments alone.
// Weighted-average entry. Exact: initial cash + realized + dividends - fees = cash + positions at cost, to the last micro.
//
// takes  allocations, adjustments, marks      gives  positions, equity, the computed fields of an allocation
// bound  arms x their universes, sized when an arm is added; an unknown (arm, instrument) is HADRON_ERR_NOT_FOUND
// thread [trade]
#ifndef HD_PIPELINE_PORTFOLIO_H
#define HD_PIPELINE_PORTFOLIO_H

#include "pipeline/instrument.h"
#include "pipeline/mark.h"

struct hd_position {
  uint32_t instrument;
  uint32_t trades;                  // round trips closed
  struct hadron_quantity quantity;  // signed
  struct hadron_money cost;         // signed: what the open quantity was bought (sold) for
  struct hadron_money realized;     // before fees
  struct hadron_money fees;
  struct hadron_money dividends;
  struct hadron_money unrealized;   // at the last mark
  uint64_t bought_e8, sold_e8;      // turnover in units
};

struct hd_book {
  uint32_t arm;
  uint32_t role;                    // 1 live, 2 canary, 3 shadow
  struct hadron_money initial, cash, cost, realized, fees, dividends, unrealized;
  struct hadron_money turnover;     // sum of |notional|
  uint64_t wins, losses;            // closing allocations with a gain, with a loss (after their own fee)
  struct hadron_money gain, loss;   // sums of those; loss >= 0
  uint32_t position_count;
  uint32_t *index;                  // [instrument] -> position + 1; owned
  struct hd_position *positions;    // owned
};

struct hd_portfolio {
  const struct hd_instruments *instruments; // borrowed
  const struct hd_marks *marks;             // borrowed
  uint32_t arm_max;
  struct hd_book *books;            // [arm]; [0] is the sum of the live books, kept in step
  uint64_t allocations;             // id of the last
};

int32_t hd_portfolio_init(struct hd_portfolio *p, const struct hd_instruments *instruments, const struct hd_marks *marks,
                          uint32_t arm_max, struct hadron_money cash);
void hd_portfolio_fini(struct hd_portfolio *p);

// Opens the book of an arm over its universe. cash: its share, already part of the portfolio's (shadow: its own). [control]
int32_t hd_portfolio_open(struct hd_portfolio *p, uint32_t arm, uint32_t role, struct hadron_money cash,
                          const uint32_t *instruments, uint32_t count);

// Books one share; fills id, realized, position and cost. Nothing changes on failure. HADRON_ERR_OVERFLOW, HADRON_ERR_NOT_FOUND.
int32_t hd_portfolio_allocate(struct hd_portfolio *p, struct hadron_allocation *allocation);

// Split: quantities scale exactly or the fraction is paid out in cash at the reference price; dividend: cash by position.
int32_t hd_portfolio_adjust(struct hd_portfolio *p, const struct hadron_adjustment *adjustment);

// Position of an arm (0: the portfolio) in an instrument; never NULL: a flat one if there is none.
const struct hd_position *hd_portfolio_position(const struct hd_portfolio *p, uint32_t arm, uint32_t instrument);

// Re-values one instrument in all books at its mark; or all instruments. An overflow keeps the old value and is reported.
int32_t hd_portfolio_mark(struct hd_portfolio *p, uint32_t instrument);
int32_t hd_portfolio_mark_all(struct hd_portfolio *p);

// Gross and net exposure of the portfolio at the marks.
int32_t hd_portfolio_exposure(const struct hd_portfolio *p, struct hadron_money *gross, struct hadron_money *net);

// A sample of a book (arm 0: portfolio) at the last marks.
void hd_portfolio_equity(const struct hd_portfolio *p, uint32_t arm, int64_t now_ns, struct hadron_equity *out);

// Checks the identity of every book and that the sum is the sum. HADRON_ERR_INTERNAL names the book and both numbers.
int32_t hd_portfolio_check(const struct hd_portfolio *p, struct hd_fault *fault);

#endif
