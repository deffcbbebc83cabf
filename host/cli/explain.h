// `hadron explain`: the chain from a market message to the fills of one order. explain.c finds it in the journal, explain_print.c tells it.
#ifndef HD_CLI_EXPLAIN_H
#define HD_CLI_EXPLAIN_H

#include <stdio.h>

#include "journal/fields.h"
#include "pipeline/risk.h"

#define HD_EXPLAIN_RECORDS_MAX 4096 // of one chain; more: the rest is left out, and said so
#define HD_EXPLAIN_POSITIONS_MAX 8

struct hd_explain_record {
  struct hadron_record r;  // bytes: owned
  uint64_t sequence;
};

struct hd_explain_position {
  uint32_t arm;
  struct hadron_quantity held, working_buy, working_sell;
};

struct hd_explain {
  const char *journal, *wanted;
  // What was found first.
  uint32_t session;                      // number in the journal, from 1
  struct hadron_trace trace;
  struct hadron_client_order_id order;   // zero: none
  uint64_t cause;
  uint32_t instrument;
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
  // What the run again has shown.
  bool ran;
  char why[512];                         // it has not: why
  double run_s;
  uint64_t run_ticks;
  struct hd_risk_row rows[HD_RISK_ROWS_MAX];
  uint32_t row_count;
  bool has_mark;
  struct hd_mark mark;                   // when it was checked
  uint32_t venue_state;
  struct hd_explain_position positions[HD_EXPLAIN_POSITIONS_MAX];
  uint32_t position_count;
};

void hd_explain_print(const struct hd_explain *e, FILE *to, bool colours);
void hd_explain_print_json(const struct hd_explain *e, FILE *to);

#endif
