// Books: positions, cash and P&L of every arm; the portfolio is the sum of the live ones. Fed by allocations and adjustments alone.
// Weighted-average entry. Exact: initial cash + realized + dividends - fees = cash + positions at cost, to the last micro.
//
// takes  allocations, adjustments, marks      gives  positions, equity, the computed fields of an allocation
// bound  arms x their universes, sized when an arm is added; an unknown (arm, instrument) is HADRON_ERR_NOT_FOUND
// thread [trade]: nothing is allocated after the books are open
#ifndef HD_PIPELINE_PORTFOLIO_H
#define HD_PIPELINE_PORTFOLIO_H

#include "pipeline/instrument.h"
#include "pipeline/mark.h"

enum hd_role {
  HD_ROLE_LIVE = 1,
  HD_ROLE_CANARY = 2,
  HD_ROLE_SHADOW = 3, // trades in a simulated market of its own; no part of the sum
};

struct hd_position {
  uint32_t instrument;
  uint32_t trades;                  // round trips closed
  struct hadron_quantity quantity;  // signed
  struct hadron_money cost;         // signed: what the open quantity was bought (sold) for
  struct hadron_money realized;     // before fees
  struct hadron_money fees;
  struct hadron_money dividends;
  struct hadron_money unrealized;   // at the last mark; cost + unrealized is what the position is worth, signed
  struct hadron_price average_entry; // cost per unit, of a unit of the price; 0: flat
  uint64_t bought_e8, sold_e8;      // turnover in units
};

struct hd_book {
  uint32_t arm;
  uint32_t role;                    // enum hd_role; 0: the book is not open
  struct hadron_money initial, cash, cost, realized, fees, dividends, unrealized;
  struct hadron_money gross;        // sum over the positions of |worth| at the last marks
  struct hadron_money turnover;     // sum of |notional|
  uint64_t wins, losses;            // closing allocations with a gain, with a loss (after their own fee)
  struct hadron_money gain, loss;   // sums of those; loss >= 0
  uint32_t position_count;
  uint32_t *index;                  // [instrument] -> position + 1; owned
  struct hd_position *positions;    // owned; rows never move
};

// Who holds an instrument, and at which price the books hold it.
struct hd_holding {
  uint32_t books;                   // how many arms' books hold it now
  uint32_t pad;
  struct hadron_price valued;       // the price at which all of them are valued; 0: none yet
  struct hadron_price split_stale;  // the mark's reference that a split has made stale; 0: none
};

struct hd_portfolio_stage;          // portfolio.c

// Books that trade and books of shadows are valued apart: what a shadow does must not move the moment at which a live book is valued.
enum hd_side { HD_SIDE_TRADING = 0, HD_SIDE_SHADOW = 1, HD_SIDE_COUNT };

struct hd_portfolio_side {
  struct hd_holding *holdings;      // [instrument]; owned
  uint64_t *holders;                // [instrument][words]: the arms that hold it; owned
  uint64_t allocations;             // id of the last
};

struct hd_portfolio {
  const struct hd_instruments *instruments; // borrowed
  const struct hd_marks *marks;             // borrowed
  uint32_t arm_max;
  uint32_t words;                   // 64-bit words of a set of arms
  struct hd_book *books;            // [arm]; [0] is the sum of the live books, kept in step; [arm_max + 1] is the house's own
  struct hd_portfolio_side sides[HD_SIDE_COUNT];
  struct hd_portfolio_stage *stages; // [arm]; owned: scratch of an adjustment, which changes all books or none
};

static inline enum hd_side hd_role_side(uint32_t role) { return role == HD_ROLE_SHADOW ? HD_SIDE_SHADOW : HD_SIDE_TRADING; }

int32_t hd_portfolio_init(struct hd_portfolio *p, const struct hd_instruments *instruments, const struct hd_marks *marks,
                          uint32_t arm_max, struct hadron_money cash);
void hd_portfolio_fini(struct hd_portfolio *p);

// Opens the book of an arm over its universe. cash: its share, already part of the portfolio's (shadow: its own). [control]
// HADRON_ERR_ARGUMENT (arm, role or an instrument out of range, or named twice), HADRON_ERR_EXISTS, HADRON_ERR_MEMORY.
int32_t hd_portfolio_open(struct hd_portfolio *p, uint32_t arm, uint32_t role, struct hadron_money cash,
                          const uint32_t *instruments, uint32_t count);

// The role of an open arm has changed. From one that trades to shadow or back the book begins anew, flat, with the cash that it was worth. What
// it did as an arm that trades stays in the sum: the house's own book takes it. What it did as a shadow is forgotten, positions too.
// HADRON_ERR_STATE: an arm that trades still holds something (transfer it first), HADRON_ERR_NOT_FOUND, HADRON_ERR_ARGUMENT.
int32_t hd_portfolio_role(struct hd_portfolio *p, uint32_t arm, uint32_t role);

// Closes an arm's book in the same way; it may be opened again, over another universe. [trade, at a quiet point: memory is freed]
int32_t hd_portfolio_close(struct hd_portfolio *p, uint32_t arm);

// Makes a shadow's position what `like` is, quantity and cost, without a trade: the book's equity does not change, its initial cash does.
// a->arm, a->instrument: whose; fills what hd_portfolio_allocate fills, and price, quantity and side of the difference (quantity 0 where
// only the cost differs).
int32_t hd_portfolio_mirror(struct hd_portfolio *p, const struct hd_position *like, struct hadron_allocation *a);

// Books one share; fills id, realized, position and cost. Nothing changes on failure. HADRON_ERR_OVERFLOW, HADRON_ERR_NOT_FOUND,
// HADRON_ERR_ARGUMENT (side, quantity). A share that is taken back (flags 1) carries side, price, quantity and fee of the original; it
// is booked as the opposite trade, its fee is given back, and it counts neither as win nor round trip. One that is transferred between
// arms (flags 2) is no win, no round trip and no turnover. Arm 0: the house's own book, for what no arm owns any more.
int32_t hd_portfolio_allocate(struct hd_portfolio *p, struct hadron_allocation *allocation);

// Split: quantities scale exactly or the fraction below 1e-8 of a unit is paid out in cash at the reference price (at cost where
// there is none); until the first tick after it the old mark is read in the new units. Dividend: cash by position, before the split;
// a short position pays. Nothing changes on failure. HADRON_ERR_OVERFLOW, HADRON_ERR_ARGUMENT, HADRON_ERR_NOT_FOUND (no such instrument).
int32_t hd_portfolio_adjust(struct hd_portfolio *p, const struct hadron_adjustment *adjustment);

// Position of an arm (0: the portfolio) in an instrument; never NULL: a flat one if there is none.
const struct hd_position *hd_portfolio_position(const struct hd_portfolio *p, uint32_t arm, uint32_t instrument);

// The house's own: what no arm owns any more, and what arms that left have earned. It is part of the sum.
static inline const struct hd_book *hd_portfolio_house(const struct hd_portfolio *p) { return &p->books[p->arm_max + 1]; }
const struct hd_position *hd_portfolio_house_position(const struct hd_portfolio *p, uint32_t instrument);

// Does any book of a side hold the instrument? Ask before hd_portfolio_mark_side on the tick path.
static inline bool hd_portfolio_holds_side(const struct hd_portfolio *p, enum hd_side side, uint32_t instrument) {
  return p->sides[side].holdings[instrument].books != 0;
}
static inline bool hd_portfolio_holds(const struct hd_portfolio *p, uint32_t instrument) {
  return hd_portfolio_holds_side(p, HD_SIDE_TRADING, instrument) || hd_portfolio_holds_side(p, HD_SIDE_SHADOW, instrument);
}

// What the books that trade value an instrument at: the mark's reference; between a split and the next tick, and while there is no mark, the
// price they were last valued at; 0: not known.
struct hadron_price hd_portfolio_reference(const struct hd_portfolio *p, uint32_t instrument);

// Re-values one instrument in the books (of a side) that hold it at its mark; or all instruments. No mark yet: the old value stays. An
// overflow keeps the old value and is reported.
int32_t hd_portfolio_mark_side(struct hd_portfolio *p, enum hd_side side, uint32_t instrument);
int32_t hd_portfolio_mark(struct hd_portfolio *p, uint32_t instrument);
int32_t hd_portfolio_mark_all(struct hd_portfolio *p);

// Gross and net exposure of the portfolio at the last marks; kept in step, so this costs two loads.
int32_t hd_portfolio_exposure(const struct hd_portfolio *p, struct hadron_money *gross, struct hadron_money *net);

// cash + worth of the positions, of a book (arm 0: portfolio) at the last marks.
static inline struct hadron_money hd_book_equity(const struct hd_book *book) {
  return (struct hadron_money){book->cash.micros + book->cost.micros + book->unrealized.micros};
}

// A sample of a book (arm 0: portfolio) at the last marks.
void hd_portfolio_equity(const struct hd_portfolio *p, uint32_t arm, int64_t now_ns, struct hadron_equity *out);

// Recovery: takes over what the books of `from` (over the same instruments) say; arms[old]: whose the book of an arm is here, open already and on the
// same side; 0: what it says is forgotten (a shadow's) or given away before. An arm may end with rows that are not in its universe. [control]
void hd_portfolio_holders(struct hd_portfolio *p, uint32_t arm); // what the arm's rows hold is counted among the holders
int32_t hd_portfolio_adopt(struct hd_portfolio *p, const struct hd_portfolio *from, const uint32_t *arms);

// Checks the identity of every book and that the sum is the sum. HADRON_ERR_INTERNAL names the book and both numbers.
int32_t hd_portfolio_check(const struct hd_portfolio *p, struct hd_fault *fault);

#endif
