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


// --- the book that the BOOK ticks build, and our orders in it

#define LEVELS 512

struct level {
  int64_t price, quantity;
};

struct ours {
  bool open, buy, resting;
  int64_t price, left, filled; // filled: while it rested
  int64_t shown;               // level when it came to rest, without it
  int64_t traded;              // at its price since, with its own fills
};

struct watch {
  struct level levels[2][LEVELS];
  uint32_t count[2];
  struct ours orders[4096];
  uint32_t orders_count;
  int64_t cash, position, fees, fills;
  uint64_t quotes_checked;
};

static int64_t level_of(const struct watch *w, uint32_t side, int64_t price) {
  for (uint32_t i = 0; i < w->count[side]; i++)
    if (w->levels[side][i].price == price) return w->levels[side][i].quantity;
  return 0;
}

static struct level best_of(const struct watch *w, uint32_t side) {
  struct level best = {0, 0};
  for (uint32_t i = 0; i < w->count[side]; i++) {
    const struct level *l = &w->levels[side][i];
    if (best.price == 0 || (side == 0 ? l->price > best.price : l->price < best.price)) best = *l;
  }
  return best;
}

static void set_level(struct watch *w, uint32_t side, int64_t price, int64_t quantity) {
  struct level *levels = w->levels[side];
  uint32_t i = 0;
  while (i < w->count[side] && levels[i].price != price) i++;
  if (quantity == 0) {
    assert_true(i < w->count[side]);
    levels[i] = levels[--w->count[side]];
    return;
  }
  assert_true(i < LEVELS);
  if (i == w->count[side]) w->count[side]++;
  levels[i] = (struct level){price, quantity};
}

static void on_book(void *user, const struct hadron_tick *t) {
  struct watch *w = user;
  if (t->kind == HADRON_TICK_BOOK && t->value.book.action == HADRON_BOOK_CLEAR) w->count[0] = w->count[1] = 0;
  else if (t->kind == HADRON_TICK_BOOK)
    set_level(w, t->value.book.side == HADRON_SIDE_BUY ? 0 : 1, t->value.book.price.nanos, t->value.book.quantity.e8);
  if (t->kind == HADRON_TICK_TRADE) { // no trade passes a better resting order by
    int64_t price = t->value.trade.price.nanos;
    bool bought = t->value.trade.aggressor == HADRON_SIDE_BUY;
    struct level best = best_of(w, bought ? 1 : 0);
    if (best.price) assert_true(bought ? best.price >= price : best.price <= price);
    for (uint32_t i = 0; i < w->orders_count; i++)
      if (w->orders[i].open && w->orders[i].resting && w->orders[i].buy != bought && w->orders[i].price == price)
        w->orders[i].traded += t->value.trade.quantity.e8;
  }
  if (t->kind != HADRON_TICK_QUOTE) return;
  struct level bid = best_of(w, 0), ask = best_of(w, 1);
  assert_int_equal(bid.price, t->value.quote.bid.nanos);
  assert_int_equal(ask.price, t->value.quote.ask.nanos);
  assert_int_equal(bid.quantity, t->value.quote.bid_size.e8);
  assert_int_equal(ask.quantity, t->value.quote.ask_size.e8);
  if (bid.price && ask.price) assert_true(bid.price < ask.price);
  assert_true(t->flags & HADRON_TICK_LAST);
  w->quotes_checked++;
}

static void on_answer(void *user, const struct hadron_venue_report *r) {
  struct watch *w = user;
  uint32_t i = (uint32_t)strtoul(r->client_order_id.hex + 1, NULL, 10);
  struct ours *o = &w->orders[i];
  if (r->change == HADRON_CHANGE_CANCELED || r->change == HADRON_CHANGE_REJECT || r->change == HADRON_CHANGE_EXPIRE) o->open = false;
  if (r->change != HADRON_CHANGE_FILL) return;
  struct hadron_money notional = {0};
  struct hadron_quantity one = {HADRON_QUANTITY_SCALE};
  assert_int_equal(hadron_notional(r->price, r->quantity, one, &notional), HADRON_OK);
  assert_true(o->open && r->quantity.e8 > 0 && r->quantity.e8 <= o->left);
  assert_true(o->buy ? r->price.nanos <= o->price : r->price.nanos >= o->price);
  if (r->liquidity == HADRON_LIQUIDITY_MAKER) {
    assert_int_equal(r->price.nanos, o->price);
    // Time priority: of those at our price, the older ones are done before us, our own among them.
    for (uint32_t k = 0; k < i; k++)
      if (w->orders[k].open && w->orders[k].resting && w->orders[k].buy == o->buy) assert_true(w->orders[k].price != o->price);
  }
  o->left -= r->quantity.e8;
  if (o->resting) o->filled += r->quantity.e8;
  if (o->left == 0) o->open = false;
  w->cash -= (o->buy ? 1 : -1) * notional.micros;
  w->position += (o->buy ? 1 : -1) * r->quantity.e8;
  w->fees += r->fee.micros;
  w->fills++;
}

static void order_now(struct sim_host *h, struct watch *w, struct hd_random *r) {
  struct level bid = best_of(w, 0), ask = best_of(w, 1);
  if (bid.price == 0 || ask.price == 0 || w->orders_count == 4096) return;
  uint32_t i = w->orders_count++;
  struct ours *o = &w->orders[i];
  o->buy = hd_random_below(r, 2);
  int64_t step = (int64_t)hd_random_below(r, 6) - 1; // -1 crosses, 0 joins
  o->price = o->buy ? bid.price - step * 10000000 : ask.price + step * 10000000;
  o->left = (1 + (int64_t)hd_random_below(r, 300)) * HADRON_QUANTITY_SCALE;
  o->open = true;
  char id[25], words[128];
  snprintf(id, sizeof id, "N%u", i);
  snprintf(words, sizeof words, "%s %lld limit %lld.%02lld gtc", o->buy ? "buy" : "sell", (long long)(o->left / HADRON_QUANTITY_SCALE),
           (long long)(o->price / 1000000000), (long long)(o->price / 10000000 % 100));
  int64_t before = level_of(w, o->buy ? 0 : 1, o->price);
  assert_int_equal(sim_host_submit(h, id, words), HADRON_OK);
  if (!o->open) return;
  o->resting = true;
  o->shown = level_of(w, o->buy ? 0 : 1, o->price) - o->left;
  if (step >= 0) assert_int_equal(o->shown, before); // it joined behind all that was there
}

// The level that our order is in holds at least it; and nothing that came after it has traded before it.
static void check_ours(const struct watch *w) {
  for (uint32_t i = 0; i < w->orders_count; i++) {
    const struct ours *o = &w->orders[i];
    if (!o->open || !o->resting) continue;
    assert_true(level_of(w, o->buy ? 0 : 1, o->price) >= o->left);
    assert_true(o->traded - o->filled <= o->shown);
  }
}

static void our_orders_stand_in_the_same_queue(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static struct watch w;
  for (int round = 0; round < 4; round++) {
    char settings[160], id[25];
    memset(&w, 0, sizeof w);
    snprintf(settings, sizeof settings, "flow=random instruments=1 depth=true rate=200 maker_bps=-0.1 taker_bps=1 seed=%llu",
             1 + (unsigned long long)hd_random_below(&r, 1000000));
    struct sim_host *h = sim_host_open(settings);
    h->on_tick = on_book, h->on_report = on_answer, h->user = &w;
    for (int ms = 0; ms < 120000; ms += 50) {
      sim_host_until(h, ms);
      check_ours(&w);
      if (hd_random_below(&r, 4) == 0) order_now(h, &w, &r);
      if (hd_random_below(&r, 6) == 0 && w.orders_count) {
        snprintf(id, sizeof id, "N%u", (uint32_t)hd_random_below(&r, w.orders_count));
        sim_host_cancel(h, id);
      }
      h->said_size = 0;
    }
    assert_true(w.fills > 100);
    assert_true(w.quotes_checked > 1000);
    // What the venue counts as our position is what its fills add up to.
    h->on_report = NULL;
    assert_int_equal(h->api->reconcile(h->self, INT64_MAX), HADRON_OK);
    sim_host_poll(h);
    if (w.position != 0) {
      assert_int_equal(h->last_report.change, HADRON_CHANGE_POSITION);
      assert_int_equal(h->last_report.quantity.e8, w.position);
      assert_int_equal(h->last_report.side, w.position > 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL);
    }
    sim_host_close(h);
  }
}

static void exchange_rules(void **state) {
  (void)state;
  static struct watch w;
  memset(&w, 0, sizeof w);
  struct sim_host *h = sim_host_open("flow=random instruments=1 depth=true rate=0.001 vary=false volatility=0 noise=0 seed=3");
  h->on_tick = on_book, h->user = &w;
  sim_host_until(h, 0);
  struct level bid = best_of(&w, 0), ask = best_of(&w, 1);
  char words[128];
  int64_t cents = ask.price / 10000000;
  snprintf(words, sizeof words, "buy 1 limit %lld.%02lld post", (long long)(cents / 100), (long long)(cents % 100));
  sim_host_submit(h, "A", words);
  assert_string_equal(sim_host_said(h), "A REJECT (post-only order would take)");
  snprintf(words, sizeof words, "buy 100000000 limit %lld.%02lld fok", (long long)(cents / 100), (long long)(cents % 100));
  sim_host_submit(h, "B", words);
  assert_string_equal(sim_host_said(h), "B ACCEPT; B CANCELED (fill-or-kill: not all of it could be filled)");
  assert_int_equal(best_of(&w, 1).quantity, ask.quantity);
  snprintf(words, sizeof words, "sell 5 limit %lld.%02lld", (long long)(cents / 100), (long long)(cents % 100));
  sim_host_submit(h, "O", words); // what is our own is not there for us to take
  snprintf(words, sizeof words, "buy %lld limit %lld.%02lld fok", (long long)(ask.quantity / HADRON_QUANTITY_SCALE + 5),
           (long long)(cents / 100), (long long)(cents % 100));
  sim_host_submit(h, "P", words);
  sim_host_cancel(h, "O");
  assert_string_equal(sim_host_said(h), "O ACCEPT; P ACCEPT; P CANCELED (fill-or-kill: not all of it could be filled); "
                                        "O CANCELED (cancelled as asked)");
  snprintf(words, sizeof words, "sell 5 limit %lld.%02lld", (long long)((cents + 500) / 100), (long long)((cents + 500) % 100));
  sim_host_submit(h, "C", words);
  sim_host_said(h);
  sim_host_submit(h, "D", "buy 100000000 market"); // the whole book; our own order is taken out of the way
  assert_int_equal(w.count[1], 0);
  assert_int_equal(h->last_report.reason, 13); // the rest of an immediate order
  assert_non_null(strstr(sim_host_said(h), "C CANCELED (would trade with an order of the same account)"));
  assert_int_equal(best_of(&w, 0).price, bid.price);
  sim_host_submit(h, "E", "buy 1 market");
  assert_string_equal(sim_host_said(h), "E REJECT (no price to trade at)");
  sim_host_submit(h, "F", "buy 1 limit 100.00 x2");
  assert_string_equal(sim_host_said(h), "F REJECT (unknown listing)");
  sim_host_close(h);
}

static uint64_t digest_of(const char *settings, int64_t step_ms, uint32_t take_max) {
  struct sim_host *h = sim_host_open(settings);
  h->take_max = take_max;
  sim_host_poll(h); // the exchange opens at the first poll
  for (int64_t ms = step_ms; ms <= 30000; ms += step_ms) {
    h->now_ns = SIM_HOST_EPOCH + ms * SIM_HOST_MS;
    sim_host_poll(h);
  }
  uint64_t digest = h->digest;
  assert_true(h->tick_count > 1000);
  sim_host_close(h);
  return digest;
}

static void reproducible_however_it_is_polled(void **state) {
  (void)state;
  static const char *const settings[] = {
      "flow=random instruments=5 rate=100 seed=11",
      "flow=random symbols=AAA,BBB,CCC depth=true rate=100 seed=12 feed_latency=3ms feed_jitter=40ms",
  };
  for (int i = 0; i < 2; i++) {
    uint64_t whole = digest_of(settings[i], 30000, 0);
    assert_int_equal(whole, digest_of(settings[i], 30000, 0));
    assert_int_equal(whole, digest_of(settings[i], 1, 0));
    assert_int_equal(whole, digest_of(settings[i], 750, 1)); // a host that takes one at a time
  }
  assert_int_not_equal(digest_of(settings[0], 1000, 0), digest_of("flow=random instruments=5 rate=100 seed=13", 1000, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(looks_like_a_market),
      cmocka_unit_test(our_orders_stand_in_the_same_queue),
      cmocka_unit_test(exchange_rules),
      cmocka_unit_test(reproducible_however_it_is_polled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
