// What a run came to: collected from the session's records while it runs, worked out at its end, printed for people (80 columns) or as
// one JSON object. The equity series begins with the account's cash; samples follow in the order of their time.
//
//   create -> session->observe = hd_report_observe -> run -> finish -> check -> print
//
// bound: one entry per sample and arm, one per open order     thread: that of the records; the rest [control]
#ifndef HD_CLI_REPORT_H
#define HD_CLI_REPORT_H

#include <stdio.h>

#include "base/map.h"
#include "base/statistics.h"
#include "runtime/session.h"

struct hd_report_sample {
  int64_t time_ns;
  int64_t equity, gross; // micros
};

// NaN: not defined for this run.
struct hd_report_figures {
  double total_return, annual_return, cagr, volatility, downside_risk, sharpe, sortino, calmar, omega, stability, tail_ratio;
  double max_drawdown;   // <= 0, of the peak
  double value_at_risk, cvar; // at 5 %, per sample
  double turnover;       // notional traded / mean equity
  double win_rate;       // of the closing trades that won or lost
  double profit_factor;  // gains / losses of closing trades
  double in_market;      // share of samples with a position
  double exposure;       // mean of gross / equity
  double best, worst;    // return of one sample
};

// Micros of the account's currency.
struct hd_report_money {
  int64_t cash, equity, pnl, realized, unrealized, dividends, fees, traded, gain, loss, win_average, loss_average, drawdown, equity_low,
      equity_high;
};

// One book: arm 0 is the portfolio.
struct hd_report_book {
  char name[HADRON_NAME_SIZE];
  uint32_t role;                    // enum hd_role; 0: the session has no such arm
  struct hd_report_sample *samples; // owned
  size_t count, room;
  uint64_t allocations, trades, wins, losses; // trades: allocations that close, wholly or in part
  int64_t fees_seen;                // micros: what the allocations add up to
  uint64_t errors, fenced;
  struct hd_report_money money;
  struct hd_report_figures figures;
  bool fell;                        // there was a drawdown
  int64_t peak_ns, trough_ns, recovery_ns; // of the deepest one; recovery 0: not yet
};

struct hd_report_latency {
  const char *stage; // static
  uint64_t count, p50_ns, p99_ns, p999_ns, max_ns;
};

struct hd_report_counts {
  uint64_t ticks;    // offered by the venues: accepted and rejected
  uint64_t rejected_ticks, conflated_ticks, dropped_ticks, bars, decisions, opportunities, intents, orders, executions, allocations, filled, canceled,
      expired, rejected_orders, denied_orders, open_orders, cancels, replaces, alerts, samples, instruments, shards;
};

struct hd_report {
  char path[1024], currency[8];
  int64_t equity_every_ns;
  double periods, risk_free;        // per year; periods NaN: not known
  int32_t code;                     // first trouble while observing: out of memory
  struct hd_report_book *books;     // [arm]; owned
  uint32_t book_count, book_room;
  uint64_t rejected[HADRON_TICK_REASON_COUNT], denied[HADRON_RISK_REASON_COUNT];
  struct hd_map open_orders;        // client order id -> what is left of it, e8
  uint64_t overfilled;              // fills beyond their order
  char overfilled_id[25];
  uint64_t executions_seen;
  int64_t first_ns;                 // of the first record that has a time
  int64_t from_ns, to_ns;           // that the samples span; 0: none
  int64_t elapsed_ns;
  struct hd_report_counts counts;
  struct hd_report_latency latency[HD_STAGE_COUNT];
  char digest[HD_DIGEST_TEXT];      // "": none was kept
  bool has_journal;
  uint8_t journal[16];              // id of the journal that holds the records
  char why[128];                    // why the ratios are missing; "": they are there
  struct hd_fault fault;            // what the checks at the end found
};

int32_t hd_report_create(const struct hd_config *config, struct hd_report **out);
void hd_report_destroy(struct hd_report *r);

// The session's hook; `report` is a struct hd_report. [trade]
void hd_report_observe(void *report, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size);

// After the run, before the session closes: takes counts, books, names and digest; works everything out.
void hd_report_finish(struct hd_report *r, struct hd_session *session, int64_t elapsed_ns);

// Does it all add up? The identity of the books, fills within their orders, executions as the gateway counts them, fees as the
// allocations say, the last sample as the books say. HADRON_ERR_INTERNAL says what does not; HADRON_ERR_MEMORY: samples are missing.
int32_t hd_report_check(struct hd_report *r, struct hd_fault *fault);

void hd_report_print(const struct hd_report *r, FILE *to);
void hd_report_print_json(const struct hd_report *r, FILE *to);
// The same object as text without line breaks; owned by the caller (free). NULL: out of memory.
char *hd_report_json(const struct hd_report *r);

// What both forms show of a book, one row each (report.c).
enum hd_report_unit { HD_REPORT_RATIO = 1, HD_REPORT_PERCENT, HD_REPORT_MONEY };
struct hd_report_row {
  const char *key, *label; // label NULL: JSON alone
  uint32_t unit;           // enum hd_report_unit
  size_t offset;           // in struct hd_report_book: of a double, or of an int64 of micros
};
extern const struct hd_report_row hd_report_rows[];
extern const uint32_t hd_report_row_count;
struct hd_report_count_row {
  const char *key;
  size_t offset; // in struct hd_report_counts
};
extern const struct hd_report_count_row hd_report_count_rows[];
extern const uint32_t hd_report_count_row_count;

static inline double hd_report_ticks_per_second(const struct hd_report *r) {
  return r->elapsed_ns > 0 ? (double)r->counts.ticks * 1e9 / (double)r->elapsed_ns : 0;
}

#endif
