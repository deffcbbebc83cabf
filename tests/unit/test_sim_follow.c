// Promise: the simulated venue fills orders against other venues' ticks by the rules of docs/sim.md: takers at the touch, resting
// orders when the market comes to them and the size ahead is gone; never against a tick that came before the order; each rule is
// one scenario in words.
#include "support/sim_host.h"
#include "support/test.h"

#define SAYS(h, words) assert_string_equal(sim_host_said(h), words)

static void takers_trade_at_the_touch(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 30");
  sim_host_submit(h, "A", "buy 10 market");
  SAYS(h, "A ACCEPT; A FILL 10 @ 100.02 taker");
  sim_host_submit(h, "B", "sell 10 limit 99.00");
  SAYS(h, "B ACCEPT; B FILL 10 @ 100.00 taker");
  sim_host_submit(h, "C", "buy 10 limit 100.01 ioc");
  SAYS(h, "C ACCEPT; C CANCELED (immediate-or-cancel: the rest is cancelled)");
  sim_host_submit(h, "D", "buy 10 limit 100.01 fok");
  SAYS(h, "D ACCEPT; D CANCELED (fill-or-kill: not all of it could be filled)");
  sim_host_quote(h, 2, "100.00 x 50 / -");
  sim_host_submit(h, "E", "buy 10 market");
  SAYS(h, "E REJECT (no price to trade at)");
  sim_host_close(h);
}

static void without_quotes_trades_are_the_market(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("");
  sim_host_submit(h, "A", "buy 10 market");
  SAYS(h, "A REJECT (no price to trade at)");
  sim_host_trade(h, 1, "100.00 x 5");
  sim_host_submit(h, "B", "buy 10 market");
  SAYS(h, "B ACCEPT; B FILL 10 @ 100.00 taker");
  sim_host_trade(h, 2, "101.50 x 7 bar");
  sim_host_submit(h, "C", "sell 10 market");
  SAYS(h, "C ACCEPT; C FILL 10 @ 101.50 taker");
  sim_host_close(h);
}

static void a_later_order_never_meets_an_earlier_tick(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("entry_latency=5ms response_latency=3ms");
  h->times = true;
  sim_host_quote(h, 10, "100.00 x 50 / 100.02 x 30");
  sim_host_submit(h, "A", "buy 10 market");
  sim_host_quote(h, 14, "100.10 x 50 / 100.12 x 30");
  sim_host_quote(h, 15, "100.20 x 50 / 100.22 x 30"); // arrives with the order: the order is first
  SAYS(h, "");
  sim_host_until(h, 30);
  SAYS(h, "18ms A ACCEPT; 18ms A FILL 10 @ 100.12 taker");
  sim_host_close(h);
}

static void resting_orders_wait_their_turn(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 30");
  sim_host_submit(h, "A", "buy 10 limit 100.00");
  SAYS(h, "A ACCEPT");
  sim_host_trade(h, 2, "100.00 x 40 sell");
  SAYS(h, ""); // ten are still ahead
  sim_host_trade(h, 3, "100.00 x 5 buy");
  SAYS(h, ""); // a buyer took: nobody came to us
  sim_host_trade(h, 4, "100.00 x 14 sell");
  SAYS(h, "A FILL 4 @ 100.00 maker");
  sim_host_trade(h, 5, "99.99 x 1 sell");
  SAYS(h, "A FILL 6 @ 100.00 maker"); // traded through: all of ours is gone
  sim_host_close(h);
}


static void size_ahead_shrinks_with_the_quote(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("queue=size");
  sim_host_quote(h, 1, "100.00 x 100 / 100.02 x 30");
  sim_host_submit(h, "A", "buy 10 limit 100.00"); // 100 ahead
  sim_host_quote(h, 2, "100.00 x 160 / 100.02 x 30"); // 60 came behind us
  sim_host_quote(h, 3, "100.00 x 80 / 100.02 x 30");  // 80 of 160 went, half of them ahead of us: 50 ahead
  SAYS(h, "A ACCEPT");
  sim_host_trade(h, 4, "100.00 x 50 sell");
  SAYS(h, "");
  sim_host_quote(h, 5, "100.00 x 30 / 100.02 x 30"); // that trade, seen in the quote: not a cancel
  sim_host_trade(h, 6, "100.00 x 3 sell");
  SAYS(h, "A FILL 3 @ 100.00 maker");
  sim_host_quote(h, 7, "100.00 x 500 / 100.02 x 30"); // others behind us change nothing
  sim_host_trade(h, 8, "100.00 x 3 sell");
  SAYS(h, "A FILL 3 @ 100.00 maker");
  sim_host_quote(h, 9, "99.99 x 40 / 100.00 x 3"); // a seller has come to our price
  SAYS(h, "A FILL 3 @ 100.00 maker");
  sim_host_quote(h, 10, "99.98 x 40 / 99.99 x 3");
  SAYS(h, "A FILL 1 @ 100.00 maker");
  sim_host_close(h);
}

static void a_level_that_empties_puts_us_first(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("queue=conservative");
  sim_host_quote(h, 1, "100.00 x 100 / 100.02 x 30");
  sim_host_submit(h, "A", "sell 10 limit 100.02");
  sim_host_submit(h, "B", "sell 10 limit 100.03"); // deeper than the quote: what is ahead is not known
  sim_host_quote(h, 2, "100.00 x 100 / 100.02 x 20"); // conservative: a cancel, but no more than 20 can be ahead
  sim_host_trade(h, 3, "100.02 x 20 buy");
  SAYS(h, "A ACCEPT; B ACCEPT");
  sim_host_quote(h, 4, "100.00 x 100 / 100.03 x 70"); // 100.02 is ours alone now; at 100.03, 70 are ahead of B
  sim_host_trade(h, 5, "100.02 x 4 buy");
  SAYS(h, "A FILL 4 @ 100.02 maker");
  sim_host_trade(h, 6, "100.03 x 71 buy"); // 6 to A first, 65 to those ahead of B
  SAYS(h, "A FILL 6 @ 100.02 maker");
  sim_host_trade(h, 7, "100.03 x 6 buy");
  SAYS(h, "B FILL 1 @ 100.03 maker");
  sim_host_close(h);
}

static void the_three_queues(void **state) {
  (void)state;
  static const char *const settings[] = {"queue=front", "queue=size", "queue=conservative"};
  static const char *const touched[] = {"A ACCEPT; A FILL 7 @ 100.00 maker", "A ACCEPT", "A ACCEPT"};
  static const char *const bars[] = {"B ACCEPT; B FILL 10 @ 100.00 maker", "B ACCEPT; B FILL 10 @ 100.00 maker", "B ACCEPT"};
  for (int i = 0; i < 3; i++) {
    struct sim_host *h = sim_host_open(settings[i]);
    sim_host_quote(h, 1, "100.00 x 100 / 100.02 x 30");
    sim_host_submit(h, "A", "buy 10 limit 100.00");
    sim_host_trade(h, 2, "100.00 x 7 sell");
    SAYS(h, touched[i]);
    sim_host_close(h);
    h = sim_host_open(settings[i]);
    sim_host_trade(h, 1, "101.00 x 500 bar");
    sim_host_submit(h, "B", "buy 10 limit 100.00");
    sim_host_trade(h, 2, "100.00 x 500 bar"); // the bar's low touches our price
    SAYS(h, bars[i]);
    sim_host_trade(h, 3, "99.00 x 500 bar");
    SAYS(h, i == 2 ? "B FILL 10 @ 100.00 maker" : "");
    sim_host_close(h);
  }
}

static void time_and_price_priority_among_our_own(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("queue=front");
  sim_host_quote(h, 1, "99.98 x 100 / 100.02 x 30");
  sim_host_submit(h, "A", "buy 10 limit 99.99");
  sim_host_submit(h, "B", "buy 10 limit 100.00");
  sim_host_submit(h, "C", "buy 10 limit 100.00");
  SAYS(h, "A ACCEPT; B ACCEPT; C ACCEPT");
  sim_host_trade(h, 2, "100.00 x 15 sell");
  SAYS(h, "B FILL 10 @ 100.00 maker; C FILL 5 @ 100.00 maker");
  sim_host_trade(h, 3, "99.99 x 8 sell"); // 5 of it to C, the rest to A
  SAYS(h, "C FILL 5 @ 100.00 maker; A FILL 3 @ 99.99 maker");
  sim_host_close(h);
}

static void participation_bounds_what_a_tick_gives(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("participation=0.1 queue=front");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 25 market day"); // goes on with later ticks
  SAYS(h, "A ACCEPT; A FILL 10 @ 100.02 taker");
  sim_host_submit(h, "B", "buy 5 market");      // nothing is left of this tick
  SAYS(h, "B ACCEPT; B CANCELED (immediate-or-cancel: the rest is cancelled)");
  sim_host_submit(h, "C", "buy 5 limit 100.02 fok");
  SAYS(h, "C ACCEPT; C CANCELED (fill-or-kill: not all of it could be filled)");
  sim_host_quote(h, 2, "100.00 x 50 / 100.03 x 100");
  SAYS(h, "A FILL 10 @ 100.03 taker");
  sim_host_trade(h, 3, "100.03 x 1000 buy"); // not a new offer
  SAYS(h, "");
  sim_host_quote(h, 4, "100.00 x 50 / 100.04 x 90");
  SAYS(h, "A FILL 5 @ 100.04 taker");
  sim_host_submit(h, "D", "buy 9 limit 100.05"); // 9 is the share, 5 are gone: 4, then it crosses on
  SAYS(h, "D ACCEPT; D FILL 4 @ 100.04 taker");
  sim_host_quote(h, 5, "100.00 x 50 / 100.05 x 20");
  SAYS(h, "D FILL 2 @ 100.05 taker");
  sim_host_quote(h, 6, "100.00 x 50 / 100.06 x 20"); // it rests now
  sim_host_trade(h, 7, "100.05 x 10 sell");
  SAYS(h, "D FILL 1 @ 100.05 maker");
  sim_host_trade(h, 8, "100.00 x 10 sell");
  SAYS(h, "D FILL 1 @ 100.05 maker");
  sim_host_close(h);
}

static void a_crossing_order_that_is_left_behind_rests(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("participation=0.1 queue=front");
  sim_host_quote(h, 1, "99.97 x 50 / 99.99 x 10");
  sim_host_submit(h, "A", "buy 10 limit 99.99");
  SAYS(h, "A ACCEPT; A FILL 1 @ 99.99 taker");
  sim_host_quote(h, 2, "100.00 x 50 / 100.02 x 10"); // the bid has passed it too
  sim_host_trade(h, 3, "99.98 x 50 sell");
  SAYS(h, "A FILL 5 @ 99.99 maker");
  sim_host_close(h);
}

static void slippage_is_against_us_and_on_the_grid(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("slippage_bps=1");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 1 market"); // 0.010002, so two ticks
  sim_host_submit(h, "B", "sell 1 market");
  sim_host_submit(h, "C", "buy 1 limit 100.02 ioc");
  SAYS(h, "A ACCEPT; A FILL 1 @ 100.04 taker; B ACCEPT; B FILL 1 @ 99.99 taker; C ACCEPT; C FILL 1 @ 100.02 taker");
  sim_host_close(h);
  h = sim_host_open("slippage_ticks=3 impact_bps=10");
  sim_host_quote(h, 1, "100.00 x 100 / 100.02 x 100");
  sim_host_submit(h, "A", "sell 100 market"); // ten basis points and three ticks
  sim_host_submit(h, "B", "sell 25 market");  // half of that
  SAYS(h, "A ACCEPT; A FILL 100 @ 99.87 taker; B ACCEPT; B FILL 25 @ 99.92 taker");
  sim_host_close(h);
}

static void stops(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("");
  sim_host_trade(h, 1, "100.00 x 5");
  sim_host_submit(h, "A", "sell 10 stop 99.00");
  sim_host_submit(h, "B", "buy 10 stop 101.00 limit 101.50");
  sim_host_submit(h, "C", "buy 10 stop 99.50 ioc"); // is past already
  SAYS(h, "A ACCEPT; B ACCEPT; C ACCEPT; C TRIGGER; C FILL 10 @ 100.00 taker");
  sim_host_trade(h, 2, "99.01 x 5");
  SAYS(h, "");
  sim_host_trade(h, 3, "98.50 x 5 bar"); // a gap: no better than what is there
  SAYS(h, "A TRIGGER; A FILL 10 @ 98.50 taker");
  sim_host_trade(h, 4, "102.00 x 5");
  SAYS(h, "B TRIGGER");
  sim_host_trade(h, 5, "101.49 x 20 sell");
  SAYS(h, "B FILL 10 @ 101.50 maker");
  sim_host_close(h);
  h = sim_host_open("");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100"); // nothing trades: the quote triggers
  sim_host_submit(h, "A", "buy 10 stop 100.05");
  sim_host_quote(h, 2, "100.02 x 50 / 100.04 x 100");
  SAYS(h, "A ACCEPT");
  sim_host_quote(h, 3, "100.05 x 50 / 100.06 x 100");
  SAYS(h, "A TRIGGER; A FILL 10 @ 100.06 taker");
  sim_host_submit(h, "B", "buy 10 stop 100.00 limit 100.10 post");
  SAYS(h, "B ACCEPT; B TRIGGER; B CANCELED (post-only order would take)");
  sim_host_close(h);
}

static void time_in_force(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("session_end=22:15"); // the epoch is 22:13:20
  h->times = true;
  sim_host_quote(h, 0, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 10 limit 99.00 gtd 5000");
  sim_host_submit(h, "B", "buy 10 limit 99.00 day");
  sim_host_submit(h, "C", "buy 10 stop 105.00 day");
  sim_host_submit(h, "D", "buy 10 limit 99.00 gtd 0");
  SAYS(h, "0ms A ACCEPT; 0ms B ACCEPT; 0ms C ACCEPT; 0ms D REJECT (good-till date has passed)");
  sim_host_until(h, 4999);
  SAYS(h, "");
  sim_host_trade(h, 5000, "98.00 x 10 sell"); // at the very instant: the order is gone first
  SAYS(h, "5000ms A EXPIRE (good-till date has passed); 5000ms B FILL 10 @ 99.00 maker");
  sim_host_until(h, 100000);
  SAYS(h, "100000ms C EXPIRE (session has ended)");
  sim_host_submit(h, "E", "buy 10 limit 99.00 day");
  sim_host_until(h, 100000 + 86400000 - 1);
  SAYS(h, "100000ms E ACCEPT");
  sim_host_until(h, 100000 + 86400000);
  SAYS(h, "86500000ms E EXPIRE (session has ended)");
  sim_host_close(h);
}

static void refusals(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  static const char *const words[][2] = {
      {"buy 10 limit 100.005", "price is not on the grid"},
      {"buy 10 stop 100.005", "price is not on the grid"},
      {"buy 10.5 limit 100.00", "quantity is not on the grid"},
      {"buy 10 limit 100.00 x65", "unknown listing"},
      {"buy 10 limit 100.00 x5000", "unknown listing"},
      {"buy 10 limit 100.02 post", "post-only order would take"},
      {"buy 10 limit 100.00 post ioc", "fields of the order do not fit each other"},
      {"buy 10 market post day", "fields of the order do not fit each other"},
      {"sell 10 limit 100.02 reduce", "reduce-only order has nothing to reduce"},
      {"10 limit 100.02", "fields of the order do not fit each other"},
      {"buy 10 market x2", "no price to trade at"},
      {"buy 90000000000 limit 100000000.00", "notional is too large"},
  };
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    char id[8], expected[160];
    snprintf(id, sizeof id, "N%zu", i);
    snprintf(expected, sizeof expected, "%s REJECT (%s)", id, words[i][1]);
    sim_host_submit(h, id, words[i][0]);
    SAYS(h, expected);
  }
  struct hadron_order o = sim_host_order(h, "F", "buy 10 limit 100.00");
  o.order_type = 9;
  h->api->submit(h->self, &o);
  sim_host_poll(h);
  SAYS(h, "F REJECT (fields of the order do not fit each other)");
  o = sim_host_order(h, "G", "buy 10 limit 100.00");
  o.quantity.e8 = -o.quantity.e8;
  h->api->submit(h->self, &o);
  sim_host_poll(h);
  SAYS(h, "G REJECT (quantity is not on the grid)");
  sim_host_close(h);
  h = sim_host_open("reject_rate=1");
  sim_host_submit(h, "A", "buy 10 limit 100.00");
  SAYS(h, "A REJECT (refused at random, as reject_rate asks)");
  sim_host_close(h);
}

static void an_id_is_seen_once(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 10 limit 99.00");
  sim_host_submit(h, "A", "buy 10 limit 99.00");
  SAYS(h, "A ACCEPT; A REJECT (client order id was seen before)");
  sim_host_cancel(h, "A");
  sim_host_submit(h, "A", "buy 10 market"); // also when it is closed
  SAYS(h, "A CANCELED (cancelled as asked); A REJECT (client order id was seen before)");
  sim_host_submit(h, "B", "buy 10.5 market"); // also when it was refused
  sim_host_submit(h, "B", "buy 10 market");
  SAYS(h, "B REJECT (quantity is not on the grid); B REJECT (client order id was seen before)");
  sim_host_close(h);
}

static void cancel_replace_and_query(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("queue=front");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 10 limit 99.99");
  sim_host_submit(h, "B", "buy 10 limit 99.99");
  sim_host_trade(h, 2, "99.99 x 4 sell");
  SAYS(h, "A ACCEPT; B ACCEPT; A FILL 4 @ 99.99 maker");
  sim_host_replace(h, "A", "A2", "buy 7 limit 99.99"); // smaller: keeps its place, and its fills count
  sim_host_trade(h, 3, "99.99 x 1 sell");
  SAYS(h, "A2 REPLACED 7 @ 99.99; A2 FILL 1 @ 99.99 maker");
  sim_host_replace(h, "A2", "A3", "buy 8 limit 99.99"); // larger: goes behind B
  sim_host_trade(h, 4, "99.99 x 11 sell");
  SAYS(h, "A3 REPLACED 8 @ 99.99; B FILL 10 @ 99.99 maker; A3 FILL 1 @ 99.99 maker");
  sim_host_query(h, "A3");
  SAYS(h, "A3 FILL again 1 @ 99.99 maker; A3 ACCEPT again");
  sim_host_replace(h, "A3", "A4", "buy 6 limit 99.98"); // six are filled
  sim_host_replace(h, "A3", "A4", "sell 9 limit 99.98");
  sim_host_replace(h, "A3", "B", "buy 9 limit 99.98");
  sim_host_replace(h, "A", "A4", "buy 9 limit 99.98");
  sim_host_replace(h, "Z", "A4", "buy 9 limit 99.98");
  sim_host_replace(h, "A3", "A4", "buy 9 limit 100.03 post");
  SAYS(h, "A4 REPLACE_REJECT (new quantity is not above what is filled); "
          "A4 REPLACE_REJECT (instrument, side or type differs from the order to be replaced); "
          "B REPLACE_REJECT (client order id was seen before); A4 REPLACE_REJECT (order is no longer working); "
          "A4 REPLACE_REJECT (unknown order); A4 REPLACE_REJECT (post-only order would take)");
  sim_host_replace(h, "A3", "A4", "buy 9 limit 100.02"); // crosses: takes
  SAYS(h, "A4 REPLACED 9 @ 100.02; A4 FILL 3 @ 100.02 taker");
  sim_host_cancel(h, "A4");
  sim_host_cancel(h, "Q");
  SAYS(h, "A4 CANCEL_REJECT (order is no longer working); Q CANCEL_REJECT (unknown order)");
  sim_host_query(h, "A");
  sim_host_query(h, "A4");
  sim_host_query(h, "Q");
  SAYS(h, "A FILL again 4 @ 99.99 maker; A CANCELED again (replaced by another order); A4 FILL again 3 @ 100.02 taker; "
          "Q ABSENT again (unknown order)");
  sim_host_submit(h, "S", "sell 5 stop 99.00");
  sim_host_replace(h, "S", "S2", "sell 5 stop 99.50");
  sim_host_trade(h, 6, "99.40 x 1");
  SAYS(h, "S ACCEPT; S2 REPLACED 5; S2 TRIGGER; S2 FILL 5 @ 100.00 taker");
  sim_host_close(h);
}

static void reduce_only_never_turns_a_position(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("queue=front");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 10 market");
  sim_host_submit(h, "B", "sell 8 limit 100.03 reduce");
  sim_host_submit(h, "C", "sell 8 limit 100.04 reduce");
  SAYS(h, "A ACCEPT; A FILL 10 @ 100.02 taker; B ACCEPT; C ACCEPT");
  sim_host_trade(h, 2, "100.10 x 100 buy");
  SAYS(h, "B FILL 8 @ 100.03 maker; C FILL 2 @ 100.04 maker");
  sim_host_trade(h, 3, "100.10 x 100 buy");
  SAYS(h, "C CANCELED (reduce-only order has nothing to reduce)");
  sim_host_close(h);
}

static void halts(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("queue=front");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 10 limit 100.01");
  sim_host_status(h, 2, HADRON_MARKET_HALTED);
  sim_host_trade(h, 3, "99.00 x 10 sell");
  sim_host_submit(h, "B", "buy 10 market");
  sim_host_submit(h, "C", "buy 10 limit 100.05");
  SAYS(h, "A ACCEPT; B REJECT (market is halted or closed); C ACCEPT");
  sim_host_quote(h, 4, "100.02 x 50 / 100.04 x 100");
  sim_host_status(h, 5, HADRON_MARKET_OPEN);
  SAYS(h, "");
  sim_host_quote(h, 6, "100.02 x 50 / 100.04 x 100");
  SAYS(h, "C FILL 10 @ 100.04 taker");
  sim_host_close(h);
}

static void fees(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("maker_bps=-0.5 taker_bps=2.5 queue=front");
  h->numbers = true;
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 3 market"); // 300.06 x 0.00025 = 0.075015
  sim_host_submit(h, "B", "buy 3 limit 100.01");
  sim_host_trade(h, 2, "100.01 x 3 sell"); // 300.03 x -0.00005 = -0.0150015, away from zero
  SAYS(h, "A ACCEPT; A FILL 3 @ 100.02 taker fee 75015 of 3; B ACCEPT; B FILL 3 @ 100.01 maker fee -15002 of 3");
  sim_host_close(h);
  h = sim_host_open("fee_per_share=0.005 fee_min=1 fee_max=2 queue=front");
  h->numbers = true;
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 900 limit 100.01");
  SAYS(h, "A ACCEPT");
  sim_host_trade(h, 2, "100.01 x 100 sell"); // 0.50 is below the least: 1.00
  sim_host_trade(h, 3, "100.01 x 100 sell"); // 1.00 in all: nothing more
  sim_host_trade(h, 4, "100.01 x 100 sell"); // 1.50
  sim_host_trade(h, 5, "100.01 x 600 sell"); // 4.50: the most is 2.00
  SAYS(h, "A FILL 100 @ 100.01 maker fee 1000000 of 100; A FILL 100 @ 100.01 maker fee 0 of 200; "
          "A FILL 100 @ 100.01 maker fee 500000 of 300; A FILL 600 @ 100.01 maker fee 500000 of 900");
  sim_host_close(h);
  h = sim_host_open("fee_per_share=0.005 fee_per_contract=0.07");
  h->numbers = true;
  h->asset = 5;
  sim_host_quote(h, 1, "0.40 x 50 / 0.45 x 100");
  sim_host_submit(h, "A", "buy 10 market");
  SAYS(h, "A ACCEPT; A FILL 10 @ 0.45 taker fee 700000 of 10");
  sim_host_close(h);
}

static void reconcile_tells_all(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("response_latency=5ms");
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  sim_host_submit(h, "A", "buy 10 market");
  sim_host_until(h, 10);
  sim_host_submit(h, "B", "buy 10 limit 99.00");
  sim_host_submit(h, "C", "sell 4 market");
  sim_host_until(h, 20);
  sim_host_said(h);
  h->state = 0;
  assert_int_equal(h->api->reconcile(h->self, SIM_HOST_EPOCH + 5 * SIM_HOST_MS), HADRON_OK);
  sim_host_poll(h);
  SAYS(h, "");
  assert_int_equal(h->state, 0);
  sim_host_until(h, 25);
  SAYS(h, "B ACCEPT again 10 @ 99.00; C FILL again 4 @ 100.00 taker; - POSITION again 6");
  assert_int_equal(h->state, HADRON_VENUE_READY);
  sim_host_close(h);
}

static void tables_are_bounded(void **state) {
  (void)state;
  struct sim_host *h = sim_host_open("orders_max=16 queue=front");
  char id[25];
  sim_host_quote(h, 1, "100.00 x 50 / 100.02 x 100");
  for (int i = 0; i < 17; i++) {
    snprintf(id, sizeof id, "A%d", i);
    sim_host_submit(h, id, "buy 10 limit 99.00");
  }
  assert_memory_equal(h->last_report.client_order_id.hex, "A16.", 4);
  assert_int_equal(h->last_report.change, HADRON_CHANGE_REJECT);
  assert_string_equal(h->last_report.text, "too many open orders: raise orders_max");
  for (int i = 0; i < 16; i++) {
    snprintf(id, sizeof id, "A%d", i);
    sim_host_cancel(h, id);
  }
  for (int i = 0; i < 1000; i++) { // closed ones make room, oldest first
    snprintf(id, sizeof id, "B%d", i);
    sim_host_submit(h, id, "buy 10 market");
    assert_int_equal(h->last_report.change, HADRON_CHANGE_FILL);
  }
  sim_host_said(h);
  sim_host_query(h, "B999");
  sim_host_query(h, "B984");
  sim_host_query(h, "B983");
  SAYS(h, "B999 FILL again 10 @ 100.02 taker; B984 FILL again 10 @ 100.02 taker; B983 ABSENT again (unknown order)");
  h->lazy = true;
  int32_t result = 0;
  for (int i = 0; i < 17; i++) {
    snprintf(id, sizeof id, "C%d", i);
    result = sim_host_submit(h, id, "buy 10 market");
    assert_int_equal(result, i < 16 ? HADRON_OK : HADRON_ERR_FULL);
  }
  // Reports wait for a poll; when there is no more room the oldest is handed over early, and none is lost.
  uint64_t before = h->report_count;
  for (int i = 0; i < 100; i++) {
    struct hadron_tick t = {.recv_ns = h->now_ns + i, .event_ns = h->now_ns, .instrument = 2, .kind = HADRON_TICK_QUOTE};
    h->api->on_tick(h->self, &t);
    for (int k = 0; k < 4; k++) {
      snprintf(id, sizeof id, "D%d-%d", i, k);
      assert_int_equal(sim_host_submit(h, id, "buy 10 market"), HADRON_OK);
    }
  }
  sim_host_until_ns(h, h->now_ns + 100);
  assert_int_equal(h->report_count - before, (16 + 400) * 2);
  sim_host_close(h);
}

static void bad_parameters_are_refused_with_words(void **state) {
  (void)state;
  static const char *const settings[][2] = {
      {"flow=wild", "sim: flow is \"wild\"; expected \"none\" or \"random\""},
      {"queue=best", "sim: queue is \"best\"; expected \"front\", \"size\" or \"conservative\""},
      {"session_end=25:00", "sim: session_end is \"25:00\"; expected \"HH:MM\", UTC, or \"\" for no end"},
      {"fee_min=2 fee_max=1", "sim: fee_min is above fee_max (2000000 and 1000000 micros); lower the one or raise the other"},
      {"flow=random price=0.5", "sim: price is 500000000 and tick_size 10000000 (1e-9); a price needs at least 100 ticks"},
      {"flow=random symbols=A,,B", "sim: symbol 2 of `symbols` is empty or longer than 31 letters"},
      {"flow=random instruments=65",
       "sim: instrument SIM64 (65 of 65) could not be listed: a bounded queue or table is full; docs/limits.md names each "
       "bound and its config key"},
  };
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    struct sim_host *h = sim_host_create(settings[i][0]);
    assert_int_not_equal(sim_host_start(h), HADRON_OK);
    assert_string_equal(h->fault, settings[i][1]);
    sim_host_close(h);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takers_trade_at_the_touch),
      cmocka_unit_test(without_quotes_trades_are_the_market),
      cmocka_unit_test(a_later_order_never_meets_an_earlier_tick),
      cmocka_unit_test(resting_orders_wait_their_turn),
      cmocka_unit_test(size_ahead_shrinks_with_the_quote),
      cmocka_unit_test(a_level_that_empties_puts_us_first),
      cmocka_unit_test(the_three_queues),
      cmocka_unit_test(time_and_price_priority_among_our_own),
      cmocka_unit_test(participation_bounds_what_a_tick_gives),
      cmocka_unit_test(a_crossing_order_that_is_left_behind_rests),
      cmocka_unit_test(slippage_is_against_us_and_on_the_grid),
      cmocka_unit_test(stops),
      cmocka_unit_test(time_in_force),
      cmocka_unit_test(refusals),
      cmocka_unit_test(an_id_is_seen_once),
      cmocka_unit_test(cancel_replace_and_query),
      cmocka_unit_test(reduce_only_never_turns_a_position),
      cmocka_unit_test(halts),
      cmocka_unit_test(fees),
      cmocka_unit_test(reconcile_tells_all),
      cmocka_unit_test(tables_are_bounded),
      cmocka_unit_test(bad_parameters_are_refused_with_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
