// The exchange's order book: price levels in order, orders in each by time; ours among those of the flow. And the ticks it makes.
#include <stdlib.h>

#include "sim.h"

#define TICKS_MAX (UINT64_C(1) << 22)

static void *sized(uint64_t count, uint64_t size) { return calloc(count, size); }

// Ticks on their way out: what is under way in the longest feed latency, eight times over, for bursts.
static uint64_t ticks_wanted(const struct sim *s) {
  double seconds = (double)(s->params.feed_latency + s->params.feed_jitter) / 1e9;
  double wanted = 8192 + 8 * 3 * seconds * s->params.rate * (double)s->market_count;
  uint64_t n = 8192;
  while ((double)n < wanted && n < TICKS_MAX) n *= 2;
  return n;
}

int32_t sim_book_open(struct sim *s) {
  s->matcher = &sim_book_matcher;
  int32_t error = sim_flow_open(s);
  if (error) return error;
  uint64_t entries = (uint64_t)s->market_count * SIM_BACKGROUND_MAX + (uint64_t)s->params.orders_max, ticks = ticks_wanted(s);
  s->entries_max = (uint32_t)entries;
  s->entries = sized(entries, sizeof *s->entries);
  s->levels = sized(entries, sizeof *s->levels);
  s->background = sized((uint64_t)s->market_count * SIM_BACKGROUND_MAX, sizeof *s->background);
  s->ticks = sized(ticks, sizeof *s->ticks);
  if (!s->entries || !s->levels || !s->background || !s->ticks) return HADRON_ERR_MEMORY;
  s->tick_mask = ticks - 1;
  s->entry_free = s->level_free = SIM_NONE;
  for (uint32_t i = 0; i < s->market_count; i++) s->flows[i].background = s->background + (uint64_t)i * SIM_BACKGROUND_MAX;
  return HADRON_OK;
}

void sim_book_close(struct sim *s) {
  sim_flow_close(s);
  free(s->entries), free(s->levels), free(s->background), free(s->ticks);
  s->entries = NULL, s->levels = NULL, s->background = NULL, s->ticks = NULL;
}

// --- ticks

static struct hadron_tick *tick_push(struct sim *s, uint32_t market, uint32_t kind) {
  struct sim_flow *f = &s->flows[market];
  int64_t due = s->at_ns + sim_latency(&s->feed_random, s->params.feed_latency, s->params.feed_jitter);
  f->sequence++;
  if (s->tick_tail - s->tick_head > s->tick_mask) { // as a feed loses packets: the next one says so
    s->ticks_lost++;
    s->gap = true;
    return NULL;
  }
  struct hadron_tick *t = &s->ticks[s->tick_tail++ & s->tick_mask];
  memset(t, 0, sizeof *t);
  t->event_ns = s->at_ns;
  t->recv_ns = s->feed_last_ns = sim_max(due, s->feed_last_ns);
  t->sequence = f->sequence, t->instrument = f->handle, t->venue = s->venue_number, t->kind = (uint8_t)kind;
  t->flags = s->gap ? HADRON_TICK_GAP : 0;
  s->gap = false;
  s->next_ns = sim_min(s->next_ns, t->recv_ns);
  return t;
}

static void publish_trade(struct sim *s, uint32_t market, uint32_t side, int64_t price, int64_t quantity) {
  struct sim_market *m = &s->markets[market];
  m->last = price, m->last_size = quantity;
  s->flows[market].trade_id++;
  struct hadron_tick *t = tick_push(s, market, HADRON_TICK_TRADE);
  if (!t) return;
  t->value.trade.price.nanos = price, t->value.trade.quantity.e8 = quantity;
  t->value.trade.trade_id = s->flows[market].trade_id;
  t->value.trade.aggressor = side == 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL;
}

static void publish_level(struct sim *s, uint32_t market, uint32_t side, int64_t price, int64_t quantity) {
  if (!s->params.depth) return;
  struct hadron_tick *t = tick_push(s, market, HADRON_TICK_BOOK);
  if (!t) return;
  t->value.book.price.nanos = price, t->value.book.quantity.e8 = quantity;
  t->value.book.side = side == 0 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL;
  t->value.book.action = HADRON_BOOK_SET;
}

static struct hadron_quote top(const struct sim *s, uint32_t market) {
  struct hadron_quote q = {{0}, {0}, {0}, {0}};
  const struct sim_flow *f = &s->flows[market];
  if (f->best[0] != SIM_NONE) q.bid.nanos = s->levels[f->best[0]].price, q.bid_size.e8 = s->levels[f->best[0]].quantity;
  if (f->best[1] != SIM_NONE) q.ask.nanos = s->levels[f->best[1]].price, q.ask_size.e8 = s->levels[f->best[1]].quantity;
  return q;
}

void sim_event_begin(struct sim *s) { s->event_tick = s->tick_tail; }

void sim_event_end(struct sim *s, uint32_t market) {
  struct sim_flow *f = &s->flows[market];
  struct sim_market *m = &s->markets[market];
  if (m->stops != SIM_NONE) sim_trigger(s, m);
  m->quote = top(s, market);
  if (memcmp(&m->quote, &f->published, sizeof f->published) != 0) {
    f->published = m->quote;
    struct hadron_tick *t = m->quote.bid.nanos || m->quote.ask.nanos ? tick_push(s, market, HADRON_TICK_QUOTE) : NULL;
    if (t) t->value.quote = m->quote;
  }
  if (s->tick_tail > s->event_tick) s->ticks[(s->tick_tail - 1) & s->tick_mask].flags |= HADRON_TICK_LAST;
}

void sim_book_snapshot(struct sim *s, uint32_t market) {
  if (!s->params.depth) return;
  struct hadron_tick *t = tick_push(s, market, HADRON_TICK_BOOK);
  if (t) t->flags |= HADRON_TICK_SNAPSHOT, t->value.book.action = HADRON_BOOK_CLEAR;
  for (uint32_t side = 0; side < 2; side++) {
    for (uint32_t l = s->flows[market].best[side]; l != SIM_NONE; l = s->levels[l].next) {
      publish_level(s, market, side, s->levels[l].price, s->levels[l].quantity);
      s->ticks[(s->tick_tail - 1) & s->tick_mask].flags |= HADRON_TICK_SNAPSHOT;
    }
  }
}

void sim_ticks_emit(struct sim *s, int64_t until_ns) {
  uint64_t first = s->tick_head & s->tick_mask, count = 0, whole = s->tick_tail - s->tick_head;
  while (count < whole && first + count <= s->tick_mask && s->ticks[first + count].recv_ns <= until_ns) count++;
  uint32_t taken = s->venue->ticks(s->host->instance, &s->ticks[first], (uint32_t)count);
  s->tick_head += taken;
  s->pressed = taken < count; // the rest waits for the next poll
}

// --- levels and entries

static uint32_t take_level(struct sim *s) {
  uint32_t l = s->level_free;
  if (l == SIM_NONE) return s->level_count++; // one per entry at most: never more than there are
  s->level_free = s->levels[l].next;
  return l;
}

static uint32_t take_entry(struct sim *s) {
  uint32_t e = s->entry_free;
  if (e == SIM_NONE) return s->entry_count < s->entries_max ? s->entry_count++ : SIM_NONE;
  s->entry_free = s->entries[e].next;
  return e;
}

// The level at `price`, made where it belongs if it is not there.
static uint32_t level_at(struct sim *s, struct sim_flow *f, uint32_t side, int64_t price) {
  uint32_t better = SIM_NONE, worse = f->best[side];
  while (worse != SIM_NONE && sim_beyond(side, s->levels[worse].price, price)) better = worse, worse = s->levels[worse].next;
  if (worse != SIM_NONE && s->levels[worse].price == price) return worse;
  uint32_t l = take_level(s);
  s->levels[l] = (struct sim_level){.price = price, .head = SIM_NONE, .tail = SIM_NONE, .next = worse, .prev = better, .side = side};
  if (better == SIM_NONE) f->best[side] = l;
  else s->levels[better].next = l;
  if (worse != SIM_NONE) s->levels[worse].prev = l;
  return l;
}

static void drop_level(struct sim *s, struct sim_flow *f, uint32_t l) {
  struct sim_level *level = &s->levels[l];
  if (level->prev == SIM_NONE) f->best[level->side] = level->next;
  else s->levels[level->prev].next = level->next;
  if (level->next != SIM_NONE) s->levels[level->next].prev = level->prev;
  level->next = s->level_free;
  s->level_free = l;
}

static uint32_t insert(struct sim *s, uint32_t market, uint32_t side, int64_t price, int64_t quantity, uint32_t owner) {
  uint32_t e = take_entry(s);
  if (e == SIM_NONE) return e;
  uint32_t l = level_at(s, &s->flows[market], side, price);
  struct sim_level *level = &s->levels[l];
  if (quantity > INT64_MAX - level->quantity) { // then the level is not empty: only the entry goes back
    s->entries[e].next = s->entry_free;
    s->entry_free = e;
    return SIM_NONE;
  }
  s->entries[e] = (struct sim_entry){.quantity = quantity, .next = SIM_NONE, .prev = level->tail, .level = l, .owner = owner};
  if (level->tail == SIM_NONE) level->head = e;
  else s->entries[level->tail].next = e;
  level->tail = e;
  level->quantity += quantity;
  publish_level(s, market, side, price, level->quantity);
  return e;
}

static void forget_background(struct sim *s, struct sim_flow *f, const struct sim_entry *entry) {
  uint32_t last = f->background[--f->background_count];
  f->background[entry->place] = last;
  s->entries[last].place = entry->place;
}

// Takes `quantity` off an entry; the entry goes when nothing is left, and its level with the last one.
static void reduce(struct sim *s, uint32_t market, uint32_t e, int64_t quantity) {
  struct sim_flow *f = &s->flows[market];
  struct sim_entry *entry = &s->entries[e];
  struct sim_level *level = &s->levels[entry->level];
  entry->quantity -= quantity;
  level->quantity -= quantity;
  publish_level(s, market, level->side, level->price, level->quantity);
  if (entry->quantity > 0) return;
  if (entry->prev == SIM_NONE) level->head = entry->next;
  else s->entries[entry->prev].next = entry->next;
  if (entry->next == SIM_NONE) level->tail = entry->prev;
  else s->entries[entry->next].prev = entry->prev;
  if (level->head == SIM_NONE) drop_level(s, f, entry->level);
  if (entry->owner == SIM_NONE) forget_background(s, f, entry);
  entry->next = s->entry_free;
  s->entry_free = e;
}

void sim_book_remove(struct sim *s, uint32_t market, uint32_t entry) { reduce(s, market, entry, s->entries[entry].quantity); }

void sim_book_add(struct sim *s, uint32_t market, uint32_t side, int64_t price, int64_t quantity) {
  struct sim_flow *f = &s->flows[market];
  if (f->background_count == SIM_BACKGROUND_MAX) return;
  uint32_t e = insert(s, market, side, price, quantity, SIM_NONE);
  if (e == SIM_NONE) return;
  s->entries[e].place = f->background_count;
  f->background[f->background_count++] = e;
}

int64_t sim_book_best(const struct sim *s, uint32_t market, uint32_t side) {
  uint32_t l = s->flows[market].best[side];
  return l == SIM_NONE ? 0 : s->levels[l].price;
}

// --- trading

int64_t sim_book_sweep(struct sim *s, uint32_t market, uint32_t side, int64_t limit, int64_t quantity) {
  struct sim_flow *f = &s->flows[market];
  while (quantity > 0 && f->best[!side] != SIM_NONE) {
    int64_t price = s->levels[f->best[!side]].price;
    if (limit != 0 && !sim_reaches(side, limit, price)) break;
    uint32_t e = s->levels[f->best[!side]].head, owner = s->entries[e].owner;
    int64_t traded = sim_min(quantity, s->entries[e].quantity);
    if (owner != SIM_NONE) { // ours: it may end by this, and leaves the book then
      traded = sim_fill(s, &s->orders[owner], price, traded, HADRON_LIQUIDITY_MAKER);
      if (s->orders[owner].state == SIM_WORKING) reduce(s, market, e, traded);
      if (traded == 0) continue;
    } else {
      reduce(s, market, e, traded);
    }
    publish_trade(s, market, side, price, traded);
    quantity -= traded;
  }
  return quantity;
}

static int64_t book_touch(const struct sim *s, const struct sim_market *m, uint32_t side) {
  return sim_book_best(s, (uint32_t)(m - s->markets), !side);
}

// Our own orders do not count: they would be cancelled, not traded with.
static int64_t book_available(const struct sim *s, const struct sim_market *m, const struct sim_order *o) {
  uint32_t side = sim_side(o);
  int64_t sum = 0;
  for (uint32_t l = s->flows[m - s->markets].best[!side]; l != SIM_NONE && sum < sim_left(o); l = s->levels[l].next) {
    if (sim_limited(o) && !sim_reaches(side, o->limit, s->levels[l].price)) break;
    for (uint32_t e = s->levels[l].head; e != SIM_NONE; e = s->entries[e].next)
      if (s->entries[e].owner == SIM_NONE) sum = sim_add(sum, s->entries[e].quantity);
  }
  return sum;
}

static void book_take(struct sim *s, struct sim_market *m, struct sim_order *o) {
  uint32_t market = (uint32_t)(m - s->markets), side = sim_side(o);
  struct sim_flow *f = &s->flows[market];
  while (o->state == SIM_WORKING && f->best[!side] != SIM_NONE) {
    int64_t price = s->levels[f->best[!side]].price;
    if (sim_limited(o) && !sim_reaches(side, o->limit, price)) break;
    uint32_t e = s->levels[f->best[!side]].head, owner = s->entries[e].owner;
    if (owner != SIM_NONE) { // the older one goes, as exchanges' self-trade prevention does
      sim_order_end(s, &s->orders[owner], HADRON_CHANGE_CANCELED, SIM_SELF_TRADE);
      continue;
    }
    int64_t traded = sim_fill(s, o, price, s->entries[e].quantity, HADRON_LIQUIDITY_TAKER);
    if (traded == 0) break;
    reduce(s, market, e, traded);
    publish_trade(s, market, side, price, traded);
  }
}

static void book_rest(struct sim *s, struct sim_market *m, struct sim_order *o) {
  uint32_t market = (uint32_t)(m - s->markets);
  o->entry = insert(s, market, sim_side(o), o->limit, sim_left(o), (uint32_t)(o - s->orders));
  if (o->entry == SIM_NONE) sim_order_end(s, o, HADRON_CHANGE_CANCELED, SIM_OVERFLOW); // there is an entry for each order
}

static void book_leave(struct sim *s, struct sim_market *m, struct sim_order *o) {
  if (o->entry == SIM_NONE) return;
  sim_book_remove(s, (uint32_t)(m - s->markets), o->entry);
  o->entry = SIM_NONE;
}

static void book_shrink(struct sim *s, struct sim_market *m, struct sim_order *o, int64_t by) {
  if (by > 0 && o->entry != SIM_NONE) reduce(s, (uint32_t)(m - s->markets), o->entry, by);
}

const struct sim_matcher sim_book_matcher = {book_touch, book_available, book_take, book_rest, book_leave, book_shrink};
