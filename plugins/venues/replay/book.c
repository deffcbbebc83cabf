#include "book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDERS_MIN 64u // slots of a listing's first table
#define LEVELS_MIN 32u

struct order {
  uint64_t id;
  int64_t price, quantity;
  uint8_t side; // 0: the slot is free
};

struct level {
  int64_t price, quantity;
};

// Worst price first: most changes are near the best, where little has to move.
struct side {
  struct level *levels;
  uint32_t count, capacity;
};

struct book {
  struct side sides[2]; // bids, asks
  struct order *orders; // open addressing, at most half full
  uint32_t order_count, order_capacity;
  struct hadron_quote last;
  uint8_t flags;     // that the message carries so far
  bool by_order;     // its changes name orders
  bool recorded;     // the recording has quotes of its own
  bool whole;        // began with a snapshot or a clear
  bool snapshot;     // inside one
  bool changed;      // since the last look at the best
};

void books_init(struct books *b, enum quotes_mode mode, struct fault *fault) {
  memset(b, 0, sizeof *b);
  b->mode = mode;
  b->fault = fault;
}

static void book_clear(struct books *b, struct book *k) {
  b->orders -= k->order_count;
  b->levels -= k->sides[0].count + k->sides[1].count;
  k->order_count = k->sides[0].count = k->sides[1].count = 0;
  if (k->order_capacity) memset(k->orders, 0, k->order_capacity * sizeof *k->orders);
}

static void book_free(struct books *b, struct book *k) {
  book_clear(b, k);
  free(k->orders);
  free(k->sides[0].levels);
  free(k->sides[1].levels);
  k->orders = NULL;
  k->order_capacity = 0;
  k->sides[0] = k->sides[1] = (struct side){NULL, 0, 0};
}

void books_fini(struct books *b) {
  for (uint32_t i = 0; i < b->table_size; i++) {
    if (!b->table[i]) continue;
    book_free(b, b->table[i]);
    free(b->table[i]);
  }
  free(b->table);
  b->table = NULL;
  b->table_size = 0;
}

static int32_t books_fault(struct books *b, int32_t code, const char *expected, const char *found) {
  return fault_set(b->fault, code, "cannot derive quotes from the book", "parameter `quotes`", expected, found,
                   "set quotes = \"recorded\", or replay fewer listings at once");
}

static int32_t books_memory(struct books *b) { return books_fault(b, HADRON_ERR_MEMORY, "memory", "none"); }

static int32_t books_at(struct books *b, uint32_t handle, struct book **out) {
  if (handle >= HANDLES_MAX) return books_fault(b, HADRON_ERR_FULL, "handles of listings below 1,048,576", "a greater one");
  if (handle >= b->table_size) {
    uint32_t size = b->table_size ? b->table_size : 64;
    while (size <= handle) size *= 2;
    struct book **larger = realloc(b->table, size * sizeof *larger);
    if (!larger) return books_memory(b);
    memset(larger + b->table_size, 0, (size - b->table_size) * sizeof *larger);
    b->table = larger;
    b->table_size = size;
  }
  if (!b->table[handle]) b->table[handle] = calloc(1, sizeof **b->table);
  *out = b->table[handle];
  return *out ? HADRON_OK : books_memory(b);
}

static uint32_t order_slot(uint64_t id, uint32_t capacity) {
  id ^= id >> 31;
  id *= UINT64_C(0x9e3779b97f4a7c15);
  return (uint32_t)(id >> 32) & (capacity - 1);
}

// The order, or the free slot where it would be.
static struct order *order_find(const struct book *k, uint64_t id) {
  uint32_t at = order_slot(id, k->order_capacity);
  while (k->orders[at].side != 0 && k->orders[at].id != id) at = (at + 1) & (k->order_capacity - 1);
  return &k->orders[at];
}

static int32_t orders_grow(struct books *b, struct book *k) {
  if (b->orders == ORDERS_MAX) return books_fault(b, HADRON_ERR_FULL, "at most 4,194,304 orders in all books", "more");
  if (k->order_count < k->order_capacity / 2) return HADRON_OK;
  struct book larger = {.order_capacity = k->order_capacity ? 2 * k->order_capacity : ORDERS_MIN};
  larger.orders = calloc(larger.order_capacity, sizeof *larger.orders);
  if (!larger.orders) return books_memory(b);
  for (uint32_t i = 0; i < k->order_capacity; i++)
    if (k->orders[i].side != 0) *order_find(&larger, k->orders[i].id) = k->orders[i];
  free(k->orders);
  k->orders = larger.orders;
  k->order_capacity = larger.order_capacity;
  return HADRON_OK;
}

// Frees the slot and moves up what had to step over it, so that no search stops short.
static void order_remove(struct books *b, struct book *k, struct order *o) {
  uint32_t mask = k->order_capacity - 1, hole = (uint32_t)(o - k->orders);
  for (uint32_t at = (hole + 1) & mask; k->orders[at].side != 0; at = (at + 1) & mask) {
    uint32_t home = order_slot(k->orders[at].id, k->order_capacity);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    k->orders[hole] = k->orders[at];
    hole = at;
  }
  k->orders[hole].side = 0;
  k->order_count--;
  b->orders--;
}

static bool level_worse(uint8_t side, int64_t price, int64_t than) { return side == HADRON_SIDE_BUY ? price < than : price > than; }

static int32_t side_insert(struct books *b, struct side *s, uint32_t at, struct level level) {
  if (s->count == LEVELS_MAX) return books_fault(b, HADRON_ERR_FULL, "at most 65,536 price levels a side", "more");
  if (b->levels == ORDERS_MAX) return books_fault(b, HADRON_ERR_FULL, "at most 4,194,304 price levels in all books", "more");
  if (s->count == s->capacity) {
    uint32_t capacity = s->capacity ? 2 * s->capacity : LEVELS_MIN;
    struct level *larger = realloc(s->levels, capacity * sizeof *larger);
    if (!larger) return books_memory(b);
    s->levels = larger;
    s->capacity = capacity;
  }
  memmove(s->levels + at + 1, s->levels + at, (s->count - at) * sizeof *s->levels);
  s->levels[at] = level;
  s->count++;
  b->levels++;
  return HADRON_OK;
}

// Gives a level `quantity` in all, or that much more or less; a level without any goes.
static int32_t level_change(struct books *b, struct book *k, uint8_t side, int64_t price, int64_t quantity, bool whole) {
  struct side *s = &k->sides[side - 1];
  uint32_t low = 0, high = s->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (level_worse(side, s->levels[middle].price, price)) low = middle + 1;
    else high = middle;
  }
  bool there = low < s->count && s->levels[low].price == price;
  int64_t now = there && !whole ? s->levels[low].quantity : 0;
  if (__builtin_add_overflow(now, quantity, &now)) return books_fault(b, HADRON_ERR_RANGE, "a level's quantity below 92 thousand million", "more");
  if (!there) return now > 0 ? side_insert(b, s, low, (struct level){price, now}) : HADRON_OK;
  s->levels[low].quantity = now;
  if (now > 0) return HADRON_OK;
  memmove(s->levels + low, s->levels + low + 1, (s->count - low - 1) * sizeof *s->levels);
  s->count--;
  b->levels--;
  return HADRON_OK;
}

// An order that is there already is replaced; one that was modified but never seen is new.
static int32_t order_set(struct books *b, struct book *k, const struct hadron_book_change *c) {
  int32_t result = orders_grow(b, k);
  if (result) return result;
  struct order *o = order_find(k, c->order_id);
  if (o->side != 0) {
    result = level_change(b, k, o->side, o->price, -o->quantity, false);
    if (result) return result;
    order_remove(b, k, o);
  } else if (c->action == HADRON_BOOK_MODIFY) {
    b->unknown++;
  }
  if (c->quantity.e8 <= 0) return HADRON_OK;
  *order_find(k, c->order_id) = (struct order){c->order_id, c->price.nanos, c->quantity.e8, c->side};
  k->order_count++;
  b->orders++;
  return level_change(b, k, c->side, c->price.nanos, c->quantity.e8, false);
}

static int32_t order_cancel(struct books *b, struct book *k, const struct hadron_book_change *c) {
  struct order *o = k->order_capacity ? order_find(k, c->order_id) : NULL;
  if (!o || o->side == 0) {
    b->unknown++;
    return HADRON_OK;
  }
  int64_t lost = c->quantity.e8 < 0 ? 0 : c->quantity.e8 < o->quantity ? c->quantity.e8 : o->quantity;
  int32_t result = level_change(b, k, o->side, o->price, -lost, false);
  o->quantity -= lost;
  if (o->quantity == 0) order_remove(b, k, o);
  return result;
}

static int32_t book_apply(struct books *b, struct book *k, const struct hadron_tick *t) {
  const struct hadron_book_change *c = &t->value.book;
  k->changed = true;
  k->snapshot = (t->flags & HADRON_TICK_SNAPSHOT) != 0;
  k->whole |= k->snapshot || c->action == HADRON_BOOK_CLEAR || k->by_order;
  if (c->action == HADRON_BOOK_CLEAR) {
    book_clear(b, k);
    return HADRON_OK;
  }
  if (c->side != HADRON_SIDE_BUY && c->side != HADRON_SIDE_SELL) return HADRON_OK;
  switch (c->action) {
  case HADRON_BOOK_SET: return level_change(b, k, c->side, c->price.nanos, c->quantity.e8, true);
  case HADRON_BOOK_ADD:
  case HADRON_BOOK_MODIFY: return order_set(b, k, c);
  case HADRON_BOOK_CANCEL: return order_cancel(b, k, c);
  default: return HADRON_OK;
  }
}

static bool quote_same(const struct hadron_quote *a, const struct hadron_quote *b) {
  return a->bid.nanos == b->bid.nanos && a->ask.nanos == b->ask.nanos && a->bid_size.e8 == b->bid_size.e8 && a->ask_size.e8 == b->ask_size.e8;
}

// The message is over: a quote, if the best is another than the last that was told.
static void book_close(struct books *b, struct book *k, const struct hadron_tick *t) {
  const struct side *bids = &k->sides[0], *asks = &k->sides[1];
  struct hadron_quote quote = {{0}, {0}, {0}, {0}};
  uint8_t flags = k->flags | t->flags;
  k->flags = 0;
  if (!k->changed || !k->whole) return;
  k->changed = false;
  if (bids->count) quote.bid.nanos = bids->levels[bids->count - 1].price;
  if (bids->count) quote.bid_size.e8 = bids->levels[bids->count - 1].quantity;
  if (asks->count) quote.ask.nanos = asks->levels[asks->count - 1].price;
  if (asks->count) quote.ask_size.e8 = asks->levels[asks->count - 1].quantity;
  if (bids->count && asks->count && quote.bid.nanos >= quote.ask.nanos) {
    b->crossed++;
    return;
  }
  if (quote_same(&quote, &k->last)) return;
  k->last = quote;
  if (!bids->count && !asks->count) return; // an empty quote is none; the next one is told even if it is as before
  struct hadron_tick *made = &b->out[b->out_tail++];
  *made = *t;
  made->kind = HADRON_TICK_QUOTE;
  made->flags = flags;
  memset(&made->value, 0, sizeof made->value);
  made->value.quote = quote;
  b->made++;
}

static bool names_order(const struct hadron_tick *t) {
  return t->kind == HADRON_TICK_BOOK && t->value.book.action >= HADRON_BOOK_ADD && t->value.book.action <= HADRON_BOOK_CANCEL;
}

// From now on this listing's quotes are those of the recording.
static void book_recorded(struct books *b, struct book *k) {
  if (k->by_order && !k->recorded) b->deriving--;
  k->recorded = true;
  book_free(b, k);
}

static int32_t books_tick(struct books *b, const struct hadron_tick *t) {
  struct book *k;
  if (t->kind == HADRON_TICK_QUOTE && b->mode == QUOTES_BOOK) {
    b->dropped++;
    return HADRON_OK;
  }
  int32_t result = books_at(b, t->instrument, &k);
  if (result) return result;
  if (t->kind == HADRON_TICK_QUOTE) book_recorded(b, k);
  if (names_order(t) && !k->by_order) {
    k->by_order = true;
    if (!k->recorded) b->deriving++;
  }
  bool derive = b->mode == QUOTES_BOOK || (k->by_order && !k->recorded);
  if (derive && t->kind == HADRON_TICK_BOOK) {
    k->flags |= t->flags & HADRON_TICK_GAP;
    result = book_apply(b, k, t);
    if (result) return result;
  }
  b->out[b->out_tail++] = *t;
  if (!derive || !(t->flags & HADRON_TICK_LAST)) return HADRON_OK;
  if (t->kind == HADRON_TICK_BOOK) k->snapshot = false;
  if (!k->snapshot) book_close(b, k, t);
  return HADRON_OK;
}

// Nothing in this run makes or drops a quote: only which listings have their own is kept in mind.
static int32_t books_pass(struct books *b, const struct hadron_tick *ticks, uint32_t count, bool *pass) {
  *pass = b->mode == QUOTES_RECORDED;
  if (b->mode != QUOTES_AUTO || b->deriving) return HADRON_OK;
  for (uint32_t i = 0; i < count; i++)
    if (names_order(&ticks[i])) return HADRON_OK;
  for (uint32_t i = 0; i < count; i++) {
    struct book *k;
    if (ticks[i].kind != HADRON_TICK_QUOTE) continue;
    int32_t result = books_at(b, ticks[i].instrument, &k);
    if (result) return result;
    k->recorded = true;
  }
  *pass = true;
  return HADRON_OK;
}

int32_t books_next(struct books *b, struct merge *m, const struct hadron_tick **ticks, uint32_t *count) {
  bool pass = false;
  while (b->out_head == b->out_tail) {
    b->out_head = b->out_tail = 0;
    if (b->broken) return b->broken;
    int32_t result = merge_next(m, MERGE_BATCH, ticks, count);
    if (!result) result = books_pass(b, *ticks, *count, &pass);
    if (result || pass) return result;
    for (uint32_t i = 0; i < *count && !b->broken; i++) b->broken = books_tick(b, &(*ticks)[i]);
    merge_take(m, *count);
  }
  *ticks = b->out + b->out_head;
  *count = b->out_tail - b->out_head;
  if (*count > MERGE_BATCH) *count = MERGE_BATCH;
  return HADRON_OK;
}

void books_take(struct books *b, struct merge *m, uint32_t count) {
  if (b->out_head == b->out_tail) merge_take(m, count);
  else b->out_head += count;
}
