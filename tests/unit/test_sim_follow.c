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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takers_trade_at_the_touch),
      cmocka_unit_test(without_quotes_trades_are_the_market),
      cmocka_unit_test(a_later_order_never_meets_an_earlier_tick),
      cmocka_unit_test(resting_orders_wait_their_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
