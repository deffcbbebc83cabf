// Matching against ticks of other venues (FOLLOWS). The recorded market does not know of our orders, so what they would have met
// is estimated, by the rules of docs/sim.md: takers trade at the touch; a resting order trades when the market trades through its
// price, or at its price once the size ahead of it is gone. The size ahead is known from the quote, and only ever shrinks.
#include <stdlib.h>

#include "sim.h"

int32_t sim_follow_open(struct sim *s) {
  s->market_count = s->follow_count = (uint32_t)s->params.instruments_max + 1;
  // One market per cache-line pair, aligned, so that a tick without orders costs one line.
  if (posix_memalign((void **)&s->markets, 64, s->market_count * sizeof *s->markets) != 0) return HADRON_ERR_MEMORY;
  memset(s->markets, 0, s->market_count * sizeof *s->markets);
  for (uint32_t i = 0; i < s->market_count; i++) {
    s->markets[i].working[0] = s->markets[i].working[1] = s->markets[i].stops = SIM_NONE;
  }
  s->matcher = &sim_follow_matcher;
  return HADRON_OK;
}

// --- the market as the ticks show it

static bool quoted(const struct sim_market *m) {
  return !m->synthetic && (m->quote.bid.nanos != 0 || m->quote.ask.nanos != 0);
}

static int64_t touch(const struct sim *s, const struct sim_market *m, uint32_t side) {
  (void)s;
  if (!quoted(m)) return m->last;
  return side == 0 ? m->quote.ask.nanos : m->quote.bid.nanos;
}

static int64_t touch_size(const struct sim_market *m, uint32_t side) {
  if (!quoted(m)) return m->last_size;
  return side == 0 ? m->quote.ask_size.e8 : m->quote.bid_size.e8;
}

static int64_t on_lot(const struct sim_market *m, int64_t quantity) { return quantity - quantity % m->lot; }

// `participation` of a tick's size.
static int64_t share(const struct sim *s, int64_t size) {
  return (int64_t)((hadron_int128)size * s->params.participation.nanos / HADRON_PRICE_SCALE);
}

// How much takers of `side` may still have of this tick.
static int64_t budget(const struct sim *s, const struct sim_market *m, uint32_t side) {
  if (s->params.participation.nanos == 0) return INT64_MAX;
  return sim_max(on_lot(m, share(s, touch_size(m, side)) - m->taken[side]), 0);
}

static int64_t available(const struct sim *s, const struct sim_market *m, const struct sim_order *o) {
  uint32_t side = sim_side(o);
  int64_t price = touch(s, m, side);
  if (price == 0 || m->closed || (sim_limited(o) && !sim_reaches(side, o->limit, price))) return 0;
  return budget(s, m, side);
}

// --- taking

static int64_t root(hadron_int128 n) { // floor; n < 2^80
  int64_t r = 0;
  for (int64_t bit = INT64_C(1) << 40; bit > 0; bit /= 2)
    if ((hadron_int128)(r + bit) * (r + bit) <= n) r += bit;
  return r;
}

// Away from the touch, up to the next point of the grid: basis points, ticks, and impact_bps x sqrt(quantity / size).
static int64_t slipped(const struct sim *s, const struct sim_market *m, uint32_t side, int64_t price, int64_t quantity) {
  const hadron_int128 one = (hadron_int128)10000 * HADRON_PRICE_SCALE, million = 1000000;
  if (s->params.slippage_bps.nanos == 0 && s->params.impact_bps.nanos <= 0 && s->params.slippage_ticks == 0) return sim_max(price, m->increment);
  hadron_int128 bps = s->params.slippage_bps.nanos, size = touch_size(m, side);
  if (s->params.impact_bps.nanos > 0 && size > 0) {
    hadron_int128 ratio = quantity * million * million / size; // at most 1e24 for a hundredfold size
    if (ratio > million * million * 10000) ratio = million * million * 10000;
    bps += s->params.impact_bps.nanos * (hadron_int128)root(ratio) / million;
  }
  hadron_int128 slip = (price * bps + one - 1) / one + (hadron_int128)s->params.slippage_ticks * m->increment;
  slip = (slip + m->increment - 1) / m->increment * m->increment;
  hadron_int128 result = side == 0 ? price + slip : price - slip;
  if (result < m->increment) result = m->increment;
  return result > INT64_MAX ? price : (int64_t)result;
}

static void take(struct sim *s, struct sim_market *m, struct sim_order *o) {
  uint32_t side = sim_side(o);
  int64_t price = touch(s, m, side), quantity = sim_min(available(s, m, o), sim_left(o));
  if (quantity <= 0) return;
  if (!sim_limited(o)) price = slipped(s, m, side, price, quantity);
  quantity = sim_fill(s, o, price, quantity, HADRON_LIQUIDITY_TAKER);
  m->taken[side] = sim_add(m->taken[side], quantity);
  m->busy = 1;
}

// --- waiting

// A market order that still waits for liquidity goes before all limits.
static bool before(const struct sim_order *a, const struct sim_order *b) {
  if (sim_limited(a) != sim_limited(b)) return !sim_limited(a);
  if (sim_limited(a) && a->limit != b->limit) return sim_beyond(sim_side(a), a->limit, b->limit);
  return a->priority < b->priority;
}

static int64_t size_ahead(const struct sim *s, const struct sim_market *m, const struct sim_order *o) {
  if (s->queue == SIM_QUEUE_FRONT) return 0;
  if (!quoted(m)) return s->queue == SIM_QUEUE_CONSERVATIVE ? SIM_AHEAD_UNKNOWN : 0;
  bool buys = sim_side(o) == 0;
  int64_t best = buys ? m->quote.bid.nanos : m->quote.ask.nanos;
  if (best == o->limit) return buys ? m->quote.bid_size.e8 : m->quote.ask_size.e8;
  if (best == 0 || sim_beyond(sim_side(o), o->limit, best)) return 0; // it is the new best
  return SIM_AHEAD_UNKNOWN; // deeper than what the quote shows
}

static void rest(struct sim *s, struct sim_market *m, struct sim_order *o) {
  uint32_t slot = (uint32_t)(o - s->orders), side = sim_side(o), *head = &m->working[side], last = SIM_NONE;
  int64_t price = touch(s, m, side);
  o->taking = !sim_limited(o) || (price != 0 && sim_reaches(side, o->limit, price));
  o->ahead = o->taking ? 0 : size_ahead(s, m, o);
  o->listed = true;
  m->busy = 1;
  uint32_t next = *head;
  while (next != SIM_NONE && !before(o, &s->orders[next])) last = next, next = s->orders[next].next;
  o->prev = last, o->next = next;
  if (last == SIM_NONE) *head = slot;
  else s->orders[last].next = slot;
  if (next != SIM_NONE) s->orders[next].prev = slot;
}

static void leave(struct sim *s, struct sim_market *m, struct sim_order *o) {
  if (!o->listed) return;
  if (o->prev == SIM_NONE) m->working[sim_side(o)] = o->next;
  else s->orders[o->prev].next = o->next;
  if (o->next != SIM_NONE) s->orders[o->next].prev = o->prev;
  o->next = o->prev = SIM_NONE;
  o->listed = o->taking = false;
}

static void shrink(struct sim *s, struct sim_market *m, struct sim_order *o, int64_t by) { (void)s, (void)m, (void)o, (void)by; }

const struct sim_matcher sim_follow_matcher = {touch, available, take, rest, leave, shrink};

// --- ticks

// One that was crossing takes again; when the market has moved off it, it rests.
static void take_again(struct sim *s, struct sim_market *m, struct sim_order *o) {
  take(s, m, o);
  if (o->state == SIM_CLOSED || !sim_limited(o)) return;
  int64_t price = touch(s, m, sim_side(o));
  if (price != 0 && sim_reaches(sim_side(o), o->limit, price)) return;
  o->taking = false;
  o->ahead = size_ahead(s, m, o);
}

// The size at our price went from `before` to `now`. What did not trade was cancelled, ahead of us and behind us alike.
static void move_queue(const struct sim *s, struct sim_order *o, int64_t size_before, int64_t traded, int64_t now) {
  if (o->ahead == SIM_AHEAD_UNKNOWN) {
    o->ahead = now;
    return;
  }
  int64_t base = size_before - traded, cancelled = base > now ? base - now : 0;
  if (s->queue == SIM_QUEUE_SIZE && cancelled > 0 && o->ahead <= base)
    o->ahead -= (int64_t)((hadron_int128)cancelled * o->ahead / base);
  o->ahead = sim_min(o->ahead, now);
}

static void quote_order(struct sim *s, struct sim_market *m, struct sim_order *o, int64_t best_before, int64_t size_before) {
  uint32_t side = sim_side(o);
  int64_t best = side == 0 ? m->quote.bid.nanos : m->quote.ask.nanos;
  int64_t size = side == 0 ? m->quote.bid_size.e8 : m->quote.ask_size.e8;
  int64_t other = touch(s, m, side);
  if (o->taking) {
    take_again(s, m, o);
  } else if (other != 0 && sim_reaches(side, o->limit, other)) {
    // The other side has come to our price: it met us first.
    int64_t most = budget(s, m, side);
    if (other == o->limit) most = sim_min(most, on_lot(m, sim_max(touch_size(m, side) - m->taken[side], 0)));
    m->taken[side] = sim_add(m->taken[side], sim_fill(s, o, o->limit, most, HADRON_LIQUIDITY_MAKER));
  } else if (best == 0 || sim_beyond(side, o->limit, best)) {
    o->ahead = 0; // the level we queued at is gone: we are the best
  } else if (best == o->limit) {
    // A level that comes back to our price first lets in what it shows, unless we knew better.
    bool same = best_before == best;
    move_queue(s, o, same ? size_before : size, same ? m->traded[side] : 0, size);
  }
}

static void on_quote(struct sim *s, struct sim_market *m, const struct hadron_quote *quote) {
  struct hadron_quote old = m->quote;
  m->quote = *quote;
  m->synthetic = 0;
  m->taken[0] = m->taken[1] = 0;
  for (uint32_t side = 0; side < 2; side++) {
    int64_t best = side == 0 ? quote->bid.nanos : quote->ask.nanos;
    for (uint32_t i = m->working[side], next; i != SIM_NONE; i = next) {
      struct sim_order *o = &s->orders[i];
      next = o->next;
      // Deeper than the quote shows: nothing to learn, unless it was crossing and the market has left it behind.
      if (!o->taking && best != 0 && sim_beyond(side, best, o->limit)) continue;
      quote_order(s, m, o, side == 0 ? old.bid.nanos : old.ask.nanos, side == 0 ? old.bid_size.e8 : old.ask_size.e8);
    }
  }
  m->traded[0] = m->traded[1] = 0;
}

// What of a trade at `price` is left for the next order, ours having had `filled` of it so far.
struct print {
  int64_t price, left, most;
  uint8_t aggressor;
  bool bar;
};

static void print_order(struct sim *s, const struct sim_market *m, struct sim_order *o, struct print *p) {
  uint32_t side = sim_side(o);
  int64_t quantity = p->most;
  if (!sim_beyond(side, o->limit, p->price) && !p->bar) {
    if (o->ahead == SIM_AHEAD_UNKNOWN) return;
    int64_t ahead = sim_min(o->ahead, p->left);
    o->ahead -= ahead;
    quantity = sim_min(quantity, on_lot(m, p->left - ahead));
  } else if (!sim_beyond(side, o->limit, p->price) && o->ahead != 0) {
    return; // a bar only touched our price, and others were there
  }
  int64_t filled = sim_fill(s, o, o->limit, quantity, HADRON_LIQUIDITY_MAKER);
  p->left = sim_max(p->left - filled, 0);
  if (p->most != INT64_MAX) p->most -= filled;
}

static void on_trade(struct sim *s, struct sim_market *m, const struct hadron_trade *trade, bool synthetic) {
  m->last = trade->price.nanos, m->last_size = trade->quantity.e8;
  m->synthetic = synthetic;
  if (!quoted(m)) m->taken[0] = m->taken[1] = 0;
  if (m->last == m->quote.bid.nanos) m->traded[0] = sim_add(m->traded[0], m->last_size);
  if (m->last == m->quote.ask.nanos) m->traded[1] = sim_add(m->traded[1], m->last_size);
  int64_t most = s->params.participation.nanos ? on_lot(m, share(s, m->last_size)) : INT64_MAX;
  for (uint32_t side = 0; side < 2; side++) {
    struct print p = {m->last, m->last_size, most, trade->aggressor, synthetic};
    uint8_t own = side == 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL;
    for (uint32_t i = m->working[side], next; i != SIM_NONE; i = next) {
      struct sim_order *o = &s->orders[i];
      next = o->next;
      if (o->taking) {
        if (!quoted(m)) take_again(s, m, o);
        continue;
      }
      if (!sim_reaches(side, o->limit, p.price)) continue;
      if (o->limit == p.price && p.aggressor == own) continue; // somebody of our side took; nobody came to us
      print_order(s, m, o, &p);
    }
  }
}

void sim_follow_tick(struct sim *s, struct sim_market *m, const struct hadron_tick *tick) {
  uint64_t state = tick->value.status.state;
  if (tick->kind == HADRON_TICK_STATUS) m->closed = state == HADRON_MARKET_HALTED || state == HADRON_MARKET_CLOSED;
  if (m->closed) { // the picture is kept, nothing trades
    m->busy = 1; // the short way does not ask
    if (tick->kind == HADRON_TICK_QUOTE) m->quote = tick->value.quote, m->synthetic = 0;
    return;
  }
  if (tick->kind == HADRON_TICK_QUOTE) on_quote(s, m, &tick->value.quote);
  else if (tick->kind == HADRON_TICK_TRADE) on_trade(s, m, &tick->value.trade, (tick->flags & HADRON_TICK_SYNTHETIC) != 0);
  sim_trigger(s, m);
  m->busy = m->orders > 0 || m->taken[0] > 0 || m->taken[1] > 0;
  if (!m->busy) m->traded[0] = m->traded[1] = 0; // nobody will hear of the next trades
}
