// `hadron explain`: the chain from a market message to the fills of one order. explain.c finds it in the journal, explain_chain.c what it took the
// place of and what took its place, explain_print.c and explain_json.c tell it.
#ifndef HD_CLI_EXPLAIN_H
#define HD_CLI_EXPLAIN_H

#include <stdio.h>

#include "base/fault.h"
#include "journal/fields.h"
#include "pipeline/risk.h"

#define HD_EXPLAIN_RECORDS_MAX 4096 // of one chain; more: the rest is left out, and said so
#define HD_EXPLAIN_POSITIONS_MAX 8
#define HD_EXPLAIN_ORDERS_MAX 64   // that took one another's place
#define HD_EXPLAIN_INTENTS_MAX 64

struct hd_explain_record {
  struct hadron_record r;  // bytes: owned
  uint64_t sequence;
};

struct hd_explain_position {
  uint32_t arm;
  struct hadron_quantity held, working_buy, working_sell;
};

// An intent of the chain, and what the run again has shown when it was checked. A cancel is not checked.
struct hd_explain_intent {
  uint64_t id, next;                     // the place behind its record
  uint8_t kind;                          // enum hadron_intent_kind
  bool ran;
  uint32_t row_count;
  struct hd_risk_row rows[HD_RISK_ROWS_MAX];
  struct hd_mark mark;
  uint32_t venue_state;
  struct hd_explain_position positions[HD_EXPLAIN_POSITIONS_MAX];
  uint32_t position_count;
};

struct hd_journal_cursor;

struct hd_explain {
  const char *journal, *wanted;
  // What was found first.
  uint32_t session;                      // number in the journal, from 1
  struct hadron_trace trace;
  struct hadron_client_order_id order;   // zero: none
  uint64_t cause;
  uint32_t instrument;
  bool shadow;
  // What goes with it.
  struct hadron_client_order_id orders[HD_EXPLAIN_ORDERS_MAX]; // `order`, those before it and those after it
  struct hadron_trace traces[HD_EXPLAIN_INTENTS_MAX];          // `trace`, and those of the other intents
  struct hd_explain_intent intents[HD_EXPLAIN_INTENTS_MAX];    // ascending by id
  uint32_t order_count, trace_count, intent_count;
  uint64_t missed[HD_EXPLAIN_ORDERS_MAX]; // intents that were known too late (explain_chain.c)
  uint32_t missed_count;
  // The chain, in the order of the journal.
  struct hd_explain_record *records;     // owned
  uint32_t count;
  bool cut;                              // there was more
  struct hadron_tick tick, quote, trade; // that it began with; the last ones before it; sequence 0: none
  // Names of the session.
  char (*instruments)[HADRON_SYMBOL_SIZE];
  struct hadron_arm_definition *arms;    // [number]; owned
  uint32_t instrument_count, arm_count;
  bool threads, is_virtual;
  uint64_t scanned;
  double scan_s;
  // The run again.
  char why[512];                         // it has not come to all of them: why
  double run_s;
  uint64_t run_ticks;
};

// The first intent that was checked; NULL: none was, or the run again has not come to it.
const struct hd_explain_intent *hd_explain_first(const struct hd_explain *e);
struct hd_explain_intent *hd_explain_intent(struct hd_explain *e, uint64_t id); // NULL: not of the chain

// Finds the orders, intents and traces that belong to `order` and `trace`, from `begin` of its session on. HADRON_ERR_MEMORY, HADRON_ERR_CORRUPT.
int32_t hd_explain_follow(struct hd_explain *e, struct hd_journal_cursor *c, uint64_t begin, struct hd_fault *fault);
bool hd_explain_has_order(const struct hd_explain *e, const struct hadron_client_order_id *id);
bool hd_explain_has_intent(const struct hd_explain *e, uint64_t intent);
bool hd_explain_has_trace(const struct hd_explain *e, const struct hadron_trace *trace);

// From the tick on, in order; what is 0 was not measured.
struct hd_explain_stage {
  const char *name, *words;
  int64_t ns;
};
#define HD_EXPLAIN_STAGES 9
void hd_explain_stages(const struct hadron_cost *cost, struct hd_explain_stage stages[HD_EXPLAIN_STAGES]);
struct hd_explain_span {
  const char *name, *words;
  int64_t ns;
  bool known;
};
#define HD_EXPLAIN_SPANS 5
void hd_explain_spans(const struct hd_explain *e, struct hd_explain_span spans[HD_EXPLAIN_SPANS]);
const struct hadron_cost *hd_explain_cost(const struct hd_explain_record *r); // NULL: another record
const char *hd_explain_instrument(const struct hd_explain *e, uint32_t id);

void hd_explain_print(const struct hd_explain *e, FILE *to, bool colours);
void hd_explain_print_json(const struct hd_explain *e, FILE *to);

#endif
