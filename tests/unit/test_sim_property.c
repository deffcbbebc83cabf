// Promise: under random ticks and orders the venue agrees, fill for fill, with a plain matcher that goes through all orders on
// every tick; fills never exceed orders; quantity, cash and fees add up; nothing depends on how often it is polled; the same seed
// gives the same bytes. Seeds are printed.
#include "support/sim_host.h"
#include "support/test.h"

#define UNIT HADRON_QUANTITY_SCALE
#define CENT INT64_C(10000000)
#define ORDERS 4000

// --- the plain matcher: prices in cents, quantities in units, one instrument

enum { FRONT, SIZE, CONSERVATIVE };

struct plain_order {
  bool buy, market, open, crossing;
  int64_t limit, left, ahead; // ahead: 1e-8 of a unit, for a share of a queue need not be whole; -1: unknown
  uint32_t priority;
};

struct plain_fill {
  uint32_t order;
  int64_t price, quantity;
  bool maker;
};

struct plain {
  struct plain_order orders[ORDERS];
  uint32_t count, priority;
  int64_t bid, ask, bid_size, ask_size, last, last_size;
  bool bar, watching; // trades at a price count only while orders are here, or some of the tick was taken
  int64_t taken[2], traded[2];
  int queue;
  int64_t tenths; // participation; 0: none
  struct plain_fill fills[ORDERS * 40];
  uint32_t fill_count;
};

static bool has_quote(const struct plain *p) { return !p->bar && (p->bid || p->ask); }
static int64_t touch_of(const struct plain *p, bool buy) { return !has_quote(p) ? p->last : buy ? p->ask : p->bid; }
static int64_t size_of(const struct plain *p, bool buy) { return !has_quote(p) ? p->last_size : buy ? p->ask_size : p->bid_size; }
static bool meets(bool buy, int64_t limit, int64_t price) { return price != 0 && (buy ? price <= limit : price >= limit); }
static bool passes(bool buy, int64_t limit, int64_t price) { return price != 0 && (buy ? price < limit : price > limit); }

static int64_t give(const struct plain *p, bool buy) {
  if (p->tenths == 0) return INT64_MAX;
  int64_t rest = size_of(p, buy) * p->tenths / 10 - p->taken[buy]; // sizes are multiples of ten: whole units
  return rest > 0 ? rest : 0;
}

static int64_t fill(struct plain *p, uint32_t i, int64_t price, int64_t quantity, bool maker) {
  struct plain_order *o = &p->orders[i];
  if (quantity > o->left) quantity = o->left;
  if (quantity <= 0) return 0;
  o->left -= quantity;
  if (o->left == 0) o->open = false;
  assert_true(p->fill_count < ORDERS * 40);
  p->fills[p->fill_count++] = (struct plain_fill){i, price, quantity, maker};
  return quantity;
}

static void cross(struct plain *p, uint32_t i) {
  struct plain_order *o = &p->orders[i];
  int64_t price = touch_of(p, o->buy);
  if (price == 0 || (!o->market && !meets(o->buy, o->limit, price))) return;
  int64_t done = fill(p, i, price, give(p, o->buy), false);
  p->taken[o->buy] += done;
  if (done > 0) p->watching = true;
}

static int64_t in_front(const struct plain *p, const struct plain_order *o) {
  if (p->queue == FRONT) return 0;
  if (!has_quote(p)) return p->queue == CONSERVATIVE ? -1 : 0;
  int64_t best = o->buy ? p->bid : p->ask;
  if (best == o->limit) return (o->buy ? p->bid_size : p->ask_size) * UNIT;
  return best == 0 || passes(o->buy, o->limit, best) ? 0 : -1;
}

static void settle_in(struct plain *p, struct plain_order *o) {
  p->watching = true;
  o->crossing = o->market || meets(o->buy, o->limit, touch_of(p, o->buy));
  o->ahead = o->crossing ? 0 : in_front(p, o);
}

// Best of the open ones that were not yet looked at: market orders, then price, then time.
static int next_of(const struct plain *p, bool buy, const bool *seen) {
  int best = -1;
  for (uint32_t i = 0; i < p->count; i++) {
    const struct plain_order *o = &p->orders[i], *b = best < 0 ? NULL : &p->orders[best];
    if (!o->open || o->buy != buy || seen[i]) continue;
    bool better = !b || (o->market != b->market ? o->market
                         : !o->market && o->limit != b->limit ? (buy ? o->limit > b->limit : o->limit < b->limit)
                                                              : o->priority < b->priority);
    if (better) best = (int)i;
  }
  return best;
}

static void recross(struct plain *p, uint32_t i) {
  struct plain_order *o = &p->orders[i];
  cross(p, i);
  if (o->open && !o->market && !meets(o->buy, o->limit, touch_of(p, o->buy))) {
    o->crossing = false;
    o->ahead = in_front(p, o);
  }
}

static void watch_on(struct plain *p) {
  p->watching = p->taken[0] > 0 || p->taken[1] > 0;
  for (uint32_t i = 0; i < p->count; i++) p->watching |= p->orders[i].open;
  if (!p->watching) p->traded[0] = p->traded[1] = 0;
}

static void plain_quote(struct plain *p, int64_t bid, int64_t bid_size, int64_t ask, int64_t ask_size) {
  int64_t old[2] = {p->ask, p->bid}, old_size[2] = {p->ask_size, p->bid_size};
  p->bid = bid, p->bid_size = bid_size, p->ask = ask, p->ask_size = ask_size, p->bar = false;
  p->taken[0] = p->taken[1] = 0;
  for (int side = 0; side < 2; side++) {
    bool buy = side == 0, seen[ORDERS] = {false};
    for (int i; (i = next_of(p, buy, seen)) >= 0;) {
      struct plain_order *o = &p->orders[i];
      int64_t best = buy ? bid : ask, size = buy ? bid_size : ask_size, other = touch_of(p, buy);
      seen[i] = true;
      if (o->crossing) {
        recross(p, (uint32_t)i);
      } else if (meets(buy, o->limit, other)) {
        int64_t most = give(p, buy), shown = size_of(p, buy) - p->taken[buy];
        if (other == o->limit && shown < most) most = shown;
        p->taken[buy] += fill(p, (uint32_t)i, o->limit, most, true);
      } else if (best == 0 || passes(buy, o->limit, best)) {
        o->ahead = 0;
      } else if (best == o->limit) {
        int64_t base = old[buy] == best ? old_size[buy] - p->traded[buy] : size, gone = base - size;
        if (o->ahead < 0) o->ahead = size * UNIT;
        else if (p->queue == SIZE && gone > 0 && o->ahead <= base * UNIT)
          o->ahead -= (int64_t)((__int128)gone * o->ahead / base);
        if (o->ahead > size * UNIT) o->ahead = size * UNIT;
      }
    }
  }
  p->traded[0] = p->traded[1] = 0;
  watch_on(p);
}

static void plain_trade(struct plain *p, int64_t price, int64_t quantity, int aggressor, bool bar) {
  p->last = price, p->last_size = quantity, p->bar = bar;
  if (!has_quote(p)) p->taken[0] = p->taken[1] = 0;
  if (price == p->bid && p->watching) p->traded[1] += quantity;
  if (price == p->ask && p->watching) p->traded[0] += quantity;
  for (int side = 0; side < 2; side++) {
    bool buy = side == 0, seen[ORDERS] = {false};
    int64_t left = quantity, most = p->tenths ? quantity * p->tenths / 10 : INT64_MAX;
    for (int i; (i = next_of(p, buy, seen)) >= 0;) {
      struct plain_order *o = &p->orders[i];
      seen[i] = true;
      if (o->crossing) {
        if (!has_quote(p)) recross(p, (uint32_t)i);
        continue;
      }
      bool through = passes(buy, o->limit, price);
      int64_t want = most;
      if (!through && (o->limit != price || aggressor == (buy ? 1 : 2))) continue;
      if (!through && bar && o->ahead != 0) continue;
      if (!through && !bar) {
        if (o->ahead < 0) continue;
        int64_t ahead = o->ahead < left * UNIT ? o->ahead : left * UNIT;
        o->ahead -= ahead;
        if (left - ahead / UNIT - (ahead % UNIT != 0) < want) want = left - ahead / UNIT - (ahead % UNIT != 0);
      }
      int64_t done = fill(p, (uint32_t)i, o->limit, want, true);
      left = left > done ? left - done : 0;
      if (most != INT64_MAX) most -= done;
    }
  }
  watch_on(p);
}

static void plain_submit(struct plain *p, bool buy, int64_t limit, int64_t quantity, bool immediate) {
  uint32_t i = p->count++;
  struct plain_order *o = &p->orders[i];
  *o = (struct plain_order){.buy = buy, .market = limit == 0, .open = true, .limit = limit, .left = quantity};
  o->priority = p->priority++;
  cross(p, i);
  if (immediate) o->open = false;
  else if (o->open) settle_in(p, o);
}

// --- the two side by side

struct run {
  struct plain_fill fills[ORDERS * 40];
  uint32_t fill_count;
  int64_t ordered[ORDERS], filled[ORDERS], cash, position, fees;
};

static uint32_t number_of(const struct hadron_venue_report *r) { return (uint32_t)strtoul(r->client_order_id.hex + 1, NULL, 10); }

static void collect(void *user, const struct hadron_venue_report *r) {
  struct run *run = user;
  if (r->change != HADRON_CHANGE_FILL) return;
  uint32_t i = number_of(r);
  assert_true(r->quantity.e8 > 0);
  run->filled[i] += r->quantity.e8 / UNIT;
  assert_true(run->filled[i] <= run->ordered[i]);
  assert_int_equal(r->cumulative.e8, run->filled[i] * UNIT);
  struct hadron_money notional = {0};
  struct hadron_quantity one = {UNIT};
  assert_int_equal(hadron_notional(r->price, r->quantity, one, &notional), HADRON_OK);
  int64_t sign = r->side == HADRON_SIDE_BUY ? 1 : -1;
  run->cash -= sign * notional.micros, run->position += sign * r->quantity.e8 / UNIT;
  run->fees += r->fee.micros;
  int64_t bps10 = r->liquidity == HADRON_LIQUIDITY_MAKER ? -2 : 15; // tenths of a basis point
  assert_int_equal(r->fee.micros, (int64_t)hadron_divide_round((hadron_int128)notional.micros * bps10, 100000));
  run->fills[run->fill_count++] =
      (struct plain_fill){i, r->price.nanos / CENT, r->quantity.e8 / UNIT, r->liquidity == HADRON_LIQUIDITY_MAKER};
}

static void compare(const struct plain *p, const struct run *run, int tick) {
  for (uint32_t i = 0; i < p->fill_count || i < run->fill_count; i++) {
    const struct plain_fill *a = &p->fills[i], *b = &run->fills[i];
    if (i < p->fill_count && i < run->fill_count && a->order == b->order && a->price == b->price && a->quantity == b->quantity &&
        a->maker == b->maker)
      continue;
    fail_msg("tick %d, fill %u of %u and %u: expected %u %lld @ %lld %s, the venue says %u %lld @ %lld %s", tick, i, p->fill_count,
             run->fill_count, a->order, (long long)a->quantity, (long long)a->price, a->maker ? "maker" : "taker", b->order,
             (long long)b->quantity, (long long)b->price, b->maker ? "maker" : "taker");
  }
}

static void tick_both(struct sim_host *h, struct plain *p, struct hd_random *r, int64_t middle, int64_t ms) {
  char words[96];
  uint64_t kind = hd_random_below(r, 10);
  if (kind < 6) {
    int64_t bid = middle - 1 - (int64_t)hd_random_below(r, 3), ask = middle + 1 + (int64_t)hd_random_below(r, 3);
    int64_t bid_size = 10 * (1 + (int64_t)hd_random_below(r, 8)), ask_size = 10 * (1 + (int64_t)hd_random_below(r, 8));
    snprintf(words, sizeof words, "%lld.%02lld x %lld / %lld.%02lld x %lld", (long long)bid / 100, (long long)bid % 100,
             (long long)bid_size, (long long)ask / 100, (long long)ask % 100, (long long)ask_size);
    plain_quote(p, bid, bid_size, ask, ask_size);
    sim_host_quote(h, ms, words);
    return;
  }
  int64_t price = middle - 3 + (int64_t)hd_random_below(r, 7), quantity = 10 * (1 + (int64_t)hd_random_below(r, 6));
  int aggressor = (int)hd_random_below(r, 3);
  bool bar = kind == 9;
  static const char *const names[] = {"", "buy", "sell"};
  snprintf(words, sizeof words, "%lld.%02lld x %lld %s %s", (long long)price / 100, (long long)price % 100, (long long)quantity,
           names[aggressor], bar ? "bar" : "");
  plain_trade(p, price, quantity, aggressor, bar);
  sim_host_trade(h, ms, words);
}

static void order_both(struct sim_host *h, struct plain *p, struct run *run, struct hd_random *r, int64_t middle) {
  char id[16], words[96];
  bool buy = hd_random_below(r, 2), market = hd_random_below(r, 8) == 0, immediate = hd_random_below(r, 6) == 0;
  int64_t limit = market ? 0 : middle - 4 + (int64_t)hd_random_below(r, 9), quantity = 1 + (int64_t)hd_random_below(r, 40);
  if (market && touch_of(p, buy) == 0) return;
  snprintf(id, sizeof id, "N%u", p->count);
  if (market)
    snprintf(words, sizeof words, "%s %lld market %s", buy ? "buy" : "sell", (long long)quantity, immediate ? "ioc" : "gtc");
  else
    snprintf(words, sizeof words, "%s %lld limit %lld.%02lld %s", buy ? "buy" : "sell", (long long)quantity, (long long)limit / 100,
             (long long)limit % 100, immediate ? "ioc" : "gtc");
  run->ordered[p->count] = quantity;
  plain_submit(p, buy, limit, quantity, immediate);
  assert_int_equal(sim_host_submit(h, id, words), HADRON_OK);
}

static void agrees_with_a_plain_matcher(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static struct plain plain;
  static struct run run;
  static const char *const queues[] = {"front", "size", "conservative"};
  for (int round = 0; round < 60; round++) {
    char settings[128];
    memset(&plain, 0, sizeof plain), memset(&run, 0, sizeof run);
    plain.queue = round % 3;
    plain.tenths = round % 2 ? 1 + (int64_t)hd_random_below(&r, 10) : 0;
    snprintf(settings, sizeof settings, "queue=%s participation=%s%lld maker_bps=-0.2 taker_bps=1.5", queues[plain.queue],
             plain.tenths == 10 ? "" : "0.", (long long)(plain.tenths == 10 ? 1 : plain.tenths));
    struct sim_host *h = sim_host_open(settings);
    h->on_report = collect, h->user = &run;
    int64_t middle = 10000;
    for (int tick = 1; tick <= 300; tick++) {
      middle += (int64_t)hd_random_below(&r, 3) - 1;
      tick_both(h, &plain, &r, middle, tick);
      compare(&plain, &run, tick);
      while (hd_random_below(&r, 3) == 0) {
        order_both(h, &plain, &run, &r, middle);
        compare(&plain, &run, tick);
      }
      h->said_size = 0;
    }
    assert_true(run.fill_count > 20);
    sim_host_close(h);
  }
}

// --- ways of polling

struct script {
  const char *settings;
  bool lazy, bytes; // bytes: nothing that tells how things stand when it leaves
  int64_t cash, position, fees;
};

static void tally(void *user, const struct hadron_venue_report *r) {
  struct script *s = user;
  if (r->change != HADRON_CHANGE_FILL || (r->flags & 1)) return;
  struct hadron_money notional = {0};
  struct hadron_quantity one = {UNIT};
  assert_int_equal(hadron_notional(r->price, r->quantity, one, &notional), HADRON_OK);
  int64_t sign = r->side == HADRON_SIDE_BUY ? 1 : -1;
  s->cash -= sign * notional.micros, s->position += sign * r->quantity.e8, s->fees += r->fee.micros;
}

// The same ticks and requests of every kind; polled at every due time, or only now and then.
static uint64_t play(struct script *script, uint64_t seed) {
  struct hd_random r;
  hd_random_init(&r, seed);
  struct sim_host *h = sim_host_open(script->settings);
  h->on_report = tally, h->user = script;
  static struct plain ignored; // draws the same ticks
  memset(&ignored, 0, sizeof ignored);
  h->lazy = script->lazy;
  int64_t middle = 10000;
  uint32_t orders = 0;
  char id[16], other[16], words[96];
  for (int tick = 1; tick <= 2000; tick++) {
    middle += (int64_t)hd_random_below(&r, 3) - 1;
    ignored.count = 0, ignored.fill_count = 0;
    tick_both(h, &ignored, &r, middle, tick);
    uint64_t what = hd_random_below(&r, 12);
    int64_t price = middle - 3 + (int64_t)hd_random_below(&r, 7);
    const char *side = hd_random_below(&r, 2) ? "buy" : "sell";
    static const char *const ends[] = {"gtc", "ioc", "fok", "gtc post", "gtd", "gtc reduce"};
    const char *end = ends[hd_random_below(&r, 6)];
    snprintf(words, sizeof words, "%s %u %s %lld.%02lld %s", side, 1 + (uint32_t)hd_random_below(&r, 50), what == 4 ? "stop" : "limit",
             (long long)price / 100, (long long)price % 100, what == 4 ? "gtc" : end);
    if (strstr(words, "gtd")) snprintf(words + strlen(words), 16, " %d", tick + (int)hd_random_below(&r, 40));
    snprintf(other, sizeof other, "O%u", orders ? (uint32_t)hd_random_below(&r, orders) : 0);
    snprintf(id, sizeof id, "O%u", orders);
    if (what < 5) sim_host_submit(h, id, words), orders++;
    if (what == 5) sim_host_cancel(h, other);
    if (what == 6) sim_host_replace(h, other, id, words), orders++;
    if (what == 7) sim_host_query(h, other);
    if (what == 8 && !script->bytes) h->api->reconcile(h->self, 0);
    if (script->lazy && tick % 97 == 0) sim_host_poll(h);
    h->said_size = 0;
  }
  h->lazy = false;
  sim_host_until(h, 100000);
  uint64_t digest = h->digest;
  sim_host_close(h);
  return digest;
}

static void polling_changes_nothing(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static const char *const settings[] = {
      "seed=5",
      "seed=5 entry_latency=3ms entry_jitter=5ms response_latency=2ms response_jitter=7ms reject_rate=0.1",
      "seed=6 queue=conservative participation=0.3 entry_latency=1ms response_jitter=1ms maker_bps=-0.2 taker_bps=1.5",
      "seed=7 queue=front slippage_bps=1 fee_per_share=0.003 fee_min=0.5 fee_max=3 response_latency=400us entry_jitter=9ms",
  };
  for (int round = 0; round < 16; round++) {
    uint64_t seed = hd_random_next(&r);
    struct script eager = {.settings = settings[round / 2 % 4], .bytes = round % 2}, again = eager, lazy = eager;
    lazy.lazy = true;
    uint64_t one = play(&eager, seed), two = play(&again, seed), three = play(&lazy, seed);
    assert_int_equal(one, two);
    // Reconciliation tells how things stand when the answer leaves: with it bytes may differ, sums must not.
    if (eager.bytes) assert_int_equal(one, three);
    assert_int_equal(eager.cash, lazy.cash);
    assert_int_equal(eager.position, lazy.position);
    assert_int_equal(eager.fees, lazy.fees);
  }
}

struct stream {
  int64_t submitted[500], venue_last, now_last;
  uint32_t next;
  const struct sim_host *host;
};

static void in_order(void *user, const struct hadron_venue_report *r) {
  struct stream *s = user;
  uint32_t i = number_of(r);
  assert_int_equal(r->change, HADRON_CHANGE_ACCEPT);
  assert_int_equal(i, s->next++); // requests do not overtake each other on the way in, nor reports on the way out
  assert_true(r->venue_ns >= s->venue_last && s->host->now_ns >= s->now_last);
  int64_t in = r->venue_ns - s->submitted[i], out = s->host->now_ns - r->venue_ns;
  assert_true(in >= 2 * SIM_HOST_MS && in <= 52 * SIM_HOST_MS);
  assert_true(out >= 3 * SIM_HOST_MS && out <= 43 * SIM_HOST_MS);
  s->venue_last = r->venue_ns, s->now_last = s->host->now_ns;
}

static void messages_do_not_overtake(void **state) {
  (void)state;
  struct hd_random r = test_random();
  char settings[160], id[16];
  static struct stream s;
  memset(&s, 0, sizeof s);
  snprintf(settings, sizeof settings, "entry_latency=2ms entry_jitter=50ms response_latency=3ms response_jitter=40ms seed=%llu",
           1 + (unsigned long long)hd_random_below(&r, 1000000));
  struct sim_host *h = sim_host_open(settings);
  s.host = h;
  h->on_report = in_order, h->user = &s;
  for (int i = 0; i < 500; i++) {
    sim_host_until(h, i);
    snprintf(id, sizeof id, "N%d", i);
    s.submitted[i] = h->now_ns;
    sim_host_submit(h, id, "buy 1 limit 10.00 gtc");
  }
  sim_host_until(h, 1000);
  assert_int_equal(s.next, 500);
  sim_host_close(h);
}

// Edges of every field, and noise.
static int64_t hostile(struct hd_random *r) {
  static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, UNIT, CENT, 10000 * CENT, 10001 * CENT, 9999 * CENT};
  uint64_t pick = hd_random_below(r, 16);
  return pick < sizeof edges / sizeof edges[0] ? edges[pick] : (int64_t)(hd_random_next(r) >> hd_random_below(r, 64));
}

static void hostile_order(struct sim_host *h, struct hd_random *r) {
  char id[16], words[64];
  snprintf(id, sizeof id, "N%u", (uint32_t)hd_random_below(r, 400));
  snprintf(words, sizeof words, "%s %u limit 100.0%u gtc", hd_random_below(r, 2) ? "buy" : "sell", 1 + (uint32_t)hd_random_below(r, 90),
           (uint32_t)hd_random_below(r, 5));
  struct hadron_order o = sim_host_order(h, id, words);
  uint64_t what = hd_random_below(r, 14);
  if (what == 0) o.limit.nanos = hostile(r);
  if (what == 1) o.stop.nanos = hostile(r), o.order_type = HADRON_ORDER_STOP;
  if (what == 2) o.quantity.e8 = hostile(r);
  if (what == 3) o.expire_ns = hostile(r), o.time_in_force = HADRON_TIF_GTD;
  if (what == 4) o.side = (uint8_t)hostile(r), o.order_type = (uint8_t)hd_random_below(r, 6);
  if (what == 5) o.time_in_force = (uint8_t)hd_random_below(r, 7), o.flags = (uint8_t)hostile(r);
  if (what == 6) o.instrument = o.listing = (uint32_t)hostile(r);
  snprintf(id, sizeof id, "N%u", (uint32_t)hd_random_below(r, 400));
  o.replaces = sim_host_order(h, id, "buy 1").client_order_id;
  int32_t (*const calls[])(void *, const struct hadron_order *) = {h->api->submit, h->api->submit, h->api->submit,
                                                                  h->api->cancel, h->api->replace, h->api->query};
  int32_t result = calls[hd_random_below(r, 6)](h->self, &o);
  assert_true(result == HADRON_OK || result == HADRON_ERR_FULL);
  if (hd_random_below(r, 50) == 0) h->api->reconcile(h->self, hostile(r));
}

static void hostile_tick(struct sim_host *h, struct hd_random *r) {
  struct hadron_tick t = {.recv_ns = h->now_ns, .event_ns = h->now_ns, .instrument = 1};
  t.kind = (uint8_t)(1 + hd_random_below(r, 5)), t.flags = (uint8_t)hd_random_next(r);
  // Accepted ticks have sane prices and sizes, of any magnitude.
  for (int i = 0; i < 4; i++) t.value.raw[i] = hostile(r) & INT64_MAX;
  if (t.kind == HADRON_TICK_QUOTE && t.value.quote.ask.nanos < t.value.quote.bid.nanos) t.value.quote.ask = t.value.quote.bid;
  if (hd_random_below(r, 10) == 0) t.instrument = (uint32_t)hostile(r);
  h->api->on_tick(h->self, &t);
}

static void no_more_than_ordered(void *user, const struct hadron_venue_report *r) {
  (void)user;
  if (r->change == HADRON_CHANGE_FILL) assert_true(r->quantity.e8 > 0 && r->cumulative.e8 >= r->quantity.e8 && r->price.nanos > 0);
}

static void hostile_input_breaks_nothing(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static const char *const settings[] = {
      "orders_max=64 seed=1 response_latency=1ms participation=0.3 slippage_bps=3 impact_bps=7 taker_bps=10000 fee_per_share=0.1",
      "orders_max=64 seed=1 queue=conservative entry_jitter=2ms session_end=22:14",
      "flow=random instruments=2 orders_max=64 seed=1 rate=500 depth=true entry_latency=1ms feed_jitter=3ms",
  };
  for (int round = 0; round < 6; round++) {
    struct sim_host *h = sim_host_open(settings[round % 3]);
    h->on_report = no_more_than_ordered;
    sim_host_quote(h, 0, "100.00 x 50 / 100.02 x 50");
    for (int i = 0; i < 8000; i++) {
      if (hd_random_below(&r, 3)) hostile_order(h, &r);
      if (hd_random_below(&r, 3) == 0) hostile_tick(h, &r);
      if (hd_random_below(&r, 20) == 0) sim_host_quote(h, i / 20, "100.00 x 50 / 100.02 x 50");
      if (hd_random_below(&r, 4) == 0) sim_host_until(h, i / 20);
      h->said_size = 0;
    }
    assert_true(h->report_count > 1000);
    sim_host_close(h);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(agrees_with_a_plain_matcher),
      cmocka_unit_test(polling_changes_nothing),
      cmocka_unit_test(messages_do_not_overtake),
      cmocka_unit_test(hostile_input_breaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
