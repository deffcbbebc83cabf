// Promise: the exchange's background flow looks like a market, for any seed: the book is never crossed nor locked, depth and
// spread stay as they are, returns have little memory, market orders come in clusters, sizes have a tail, rates and prices differ
// by instrument. And it is reproducible: the same seed gives the same bytes, one poll to the end what many small ones give, and
// BOOK ticks build the same book that QUOTE ticks show.
#include <math.h>

#include "support/sim_host.h"
#include "support/test.h"

#define SECONDS_MAX 4000

struct tape {
  int64_t bid, ask;
  uint64_t quotes, trades, one_sided, last_sequence;
  double spread_sum, depth_sum[2], mids[SECONDS_MAX];
  uint64_t depth_count[2], large, buys;
  double size_sum, size_max;
  uint32_t seconds;
  int64_t last_trade_ns;
  uint64_t repeats;
  uint8_t last_side;
  uint64_t burst[SECONDS_MAX * 10];
};

static struct tape tapes[SIM_HOST_INSTRUMENTS + 1];

static void on_quote(struct tape *p, const struct hadron_tick *t, uint32_t half) {
  const struct hadron_quote *q = &t->value.quote;
  p->quotes++;
  p->bid = q->bid.nanos, p->ask = q->ask.nanos;
  if (p->bid == 0 || p->ask == 0) {
    p->one_sided++;
    return;
  }
  if (p->bid >= p->ask) fail_msg("crossed: bid %lld, ask %lld", (long long)p->bid, (long long)p->ask);
  assert_true(q->bid_size.e8 > 0 && q->ask_size.e8 > 0);
  assert_int_equal(p->bid % 10000000, 0);
  assert_int_equal(p->ask % 10000000, 0);
  p->spread_sum += (double)(p->ask - p->bid) / 1e7;
  p->depth_sum[half] += (double)(q->bid_size.e8 + q->ask_size.e8) / 1e8;
  p->depth_count[half]++;
}

static void on_trade(struct tape *p, const struct hadron_tick *t, uint32_t slot) {
  double size = (double)t->value.trade.quantity.e8 / 1e8;
  assert_true(t->value.trade.quantity.e8 > 0);
  assert_int_equal(t->value.trade.quantity.e8 % HADRON_QUANTITY_SCALE, 0);
  p->trades++;
  p->size_sum += size;
  if (size > p->size_max) p->size_max = size;
  p->buys += t->value.trade.aggressor == HADRON_SIDE_BUY;
  if (t->event_ns != p->last_trade_ns) { // one market order may make several trades
    p->repeats += t->value.trade.aggressor == p->last_side;
    p->burst[slot]++;
  }
  p->last_side = t->value.trade.aggressor;
  p->last_trade_ns = t->event_ns;
}

static void watch(void *user, const struct hadron_tick *t) {
  int64_t since = t->event_ns - SIM_HOST_EPOCH;
  uint32_t second = (uint32_t)(since / 1000000000), total = *(const uint32_t *)user;
  struct tape *p = &tapes[t->instrument];
  assert_int_equal(t->sequence, p->last_sequence + 1);
  p->last_sequence = t->sequence;
  for (; p->seconds < second && p->bid && p->ask; p->seconds++) p->mids[p->seconds] = (double)(p->bid + p->ask) / 2e9;
  if (t->kind == HADRON_TICK_QUOTE) on_quote(p, t, second * 2 >= total);
  if (t->kind == HADRON_TICK_TRADE) on_trade(p, t, (uint32_t)(since / 100000000));
}

static double autocorrelation(const double *x, uint32_t n) {
  double mean = 0, var = 0, cov = 0;
  for (uint32_t i = 0; i < n; i++) mean += x[i] / n;
  for (uint32_t i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean);
  for (uint32_t i = 1; i < n; i++) cov += (x[i] - mean) * (x[i - 1] - mean);
  return var > 0 ? cov / var : 0;
}

static void judge(const struct tape *p, uint32_t seconds) {
  static double returns[SECONDS_MAX];
  uint32_t n = 0;
  for (uint32_t i = 1; i < p->seconds; i++) returns[n++] = log(p->mids[i] / p->mids[i - 1]);
  double rho = autocorrelation(returns, n), spread = p->spread_sum / (double)(p->quotes - p->one_sided);
  double depth[2] = {p->depth_sum[0] / (double)p->depth_count[0], p->depth_sum[1] / (double)p->depth_count[1]};
  double trades = 0, squares = 0, slots = seconds * 10;
  for (uint32_t i = 0; i < seconds * 10; i++) trades += (double)p->burst[i];
  for (uint32_t i = 0; i < seconds * 10; i++) squares += pow((double)p->burst[i] - trades / slots, 2);
  double fano = squares / trades;
  double repeats = (double)p->repeats / trades, buys = (double)p->buys / (double)p->trades, size = p->size_sum / (double)p->trades;
  print_message("quotes %llu trades %llu spread %.2f depth %.0f %.0f rho %.3f fano %.2f repeats %.2f buys %.2f size %.0f max %.0f\n",
                (unsigned long long)p->quotes, (unsigned long long)p->trades, spread, depth[0], depth[1], rho, fano, repeats, buys,
                size, p->size_max);
  assert_true(p->one_sided * 1000 < p->quotes);
  assert_true(spread >= 1 && spread < 5);                        // ticks
  assert_true(depth[1] < 1.7 * depth[0] && depth[0] < 1.7 * depth[1]); // first half, second half
  assert_true(fabs(rho) < 0.35);                                 // of one-second returns
  assert_true(fano > 1.1);                                       // Poisson: 1
  assert_true(repeats > 0.55 && repeats < 0.95);
  assert_true(buys > 0.4 && buys < 0.6);
  assert_true(p->size_max > 6 * size);
}

static void looks_like_a_market(void **state) {
  (void)state;
  struct hd_random r = test_random();
  uint32_t seconds = 3600;
  char settings[256];
  snprintf(settings, sizeof settings, "flow=random instruments=3 rate=40 seed=%llu", 1 + (unsigned long long)hd_random_below(&r, 1000000));
  print_message("%s\n", settings);
  struct sim_host *h = sim_host_open(settings);
  h->on_tick = watch, h->user = &seconds;
  memset(tapes, 0, sizeof tapes);
  sim_host_until(h, (int64_t)seconds * 1000 - 1);
  for (uint32_t i = 1; i <= 3; i++) judge(&tapes[i], seconds);
  sim_host_close(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(looks_like_a_market),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
