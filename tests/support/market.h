// Instruments and marks made by hand, for tests of one room of the pipeline. No room is needed to make them.
#ifndef HD_TESTS_SUPPORT_MARKET_H
#define HD_TESTS_SUPPORT_MARKET_H

#include <stdio.h>

#include "pipeline/instrument.h"
#include "pipeline/mark.h"

#define TEST_INSTRUMENTS 8

struct test_market {
  struct hd_instrument rows[TEST_INSTRUMENTS + 1];
  struct hd_listing listings[TEST_INSTRUMENTS + 1];
  struct hd_mark_cell cells[TEST_INSTRUMENTS + 1];
  struct hd_instruments instruments;
  struct hd_marks marks;
};

static inline struct hadron_price test_price(double units) { return (struct hadron_price){(int64_t)(units * 1e9 + (units < 0 ? -0.5 : 0.5))}; }
static inline struct hadron_quantity test_quantity(double units) { return (struct hadron_quantity){(int64_t)(units * 1e8 + (units < 0 ? -0.5 : 0.5))}; }
static inline struct hadron_money test_money(double units) { return (struct hadron_money){(int64_t)(units * 1e6 + (units < 0 ? -0.5 : 0.5))}; }

// Eight instruments: increment 0.01, lot 1, multiplier 1, listed at venue 1 under the handle of their own number.
static inline void test_market_init(struct test_market *m) {
  *m = (struct test_market){0};
  for (uint32_t i = 1; i <= TEST_INSTRUMENTS; i++) {
    m->rows[i] = (struct hd_instrument){.id = i, .asset = 1, .increment = {10000000}, .lot = {100000000},
                                        .multiplier = {100000000}, .listing = i, .currency = "USD"};
    m->listings[i] = (struct hd_listing){.handle = i, .instrument = i, .venue = 1};
    snprintf(m->rows[i].name, sizeof m->rows[i].name, "TEST%u", i);
    snprintf(m->listings[i].symbol, sizeof m->listings[i].symbol, "TEST%u", i);
  }
  m->instruments = (struct hd_instruments){.rows = m->rows, .listings = m->listings, .count = TEST_INSTRUMENTS, .max = TEST_INSTRUMENTS,
                                           .listing_count = TEST_INSTRUMENTS, .listing_max = TEST_INSTRUMENTS};
  m->marks = (struct hd_marks){.cells = m->cells, .max = TEST_INSTRUMENTS};
}

// A quote around `price`: bid and ask half a spread away; also the last trade.
static inline void test_market_mark(struct test_market *m, uint32_t instrument, double price, double spread, int64_t time_ns) {
  struct hd_mark *mark = hd_mark_begin(&m->cells[instrument]);
  mark->last = test_price(price);
  mark->bid = test_price(price - spread / 2);
  mark->ask = test_price(price + spread / 2);
  mark->event_ns = mark->recv_ns = time_ns;
  mark->sequence++;
  mark->state = HADRON_MARKET_OPEN;
  hd_mark_end(&m->cells[instrument]);
}

#endif
