// Promise: quotes that the replay derives from book changes are the best bid and ask of the book. Over the Binance captures they equal
// the vectors' checkpoints; over Databento's orders they equal those of a plain list of orders, message by message, are never locked or
// crossed and the same in each run; orders at random give what the list gives. `auto` touches only listings whose changes name orders
// and that have no recorded quotes; snapshots are quoted when they are whole; a bound that is hit is a fault, told in words.
#include <jansson.h>

#include "hadron/decimal.h"
#include "support/recording.h"
#include "support/test.h"
#include "support/venue_host.h"

static struct venue_host *start(const char *files, const char *quotes, uint32_t take_max) {
  struct venue_host *h = venue_host_open("replay");
  h->take_max = take_max;
  venue_host_set(h, "files", files);
  if (quotes) venue_host_set(h, "quotes", quotes);
  if (venue_host_start(h)) fail_msg("%s", h->fault);
  venue_host_run(h);
  return h;
}

static struct venue_host *run(const char *files, const char *quotes) {
  struct venue_host *h = start(files, quotes, 0);
  assert_int_equal(h->state, HADRON_VENUE_FINISHED);
  return h;
}

static bool same_ticks(const struct venue_host *a, const struct venue_host *b) {
  return a->tick_count == b->tick_count && memcmp(a->ticks, b->ticks, a->tick_count * sizeof *a->ticks) == 0;
}

// Another way to the same: orders in one list, the best searched for at each message.
struct plain {
  struct { uint64_t id; int64_t price, quantity; uint8_t side; } orders[20000];
  uint32_t count;
};

static void plain_apply(struct plain *p, const struct hadron_book_change *c) {
  uint32_t i = 0;
  if (c->action == HADRON_BOOK_CLEAR) p->count = 0;
  if (c->action == HADRON_BOOK_CLEAR) return;
  while (i < p->count && p->orders[i].id != c->order_id) i++;
  if (c->action == HADRON_BOOK_CANCEL) {
    if (i == p->count) return;
    p->orders[i].quantity -= c->quantity.e8;
  } else {
    assert_true(i < 20000);
    if (i == p->count) p->count++;
    p->orders[i].id = c->order_id;
    p->orders[i].price = c->price.nanos;
    p->orders[i].quantity = c->quantity.e8;
    p->orders[i].side = c->side;
  }
  if (p->orders[i].quantity <= 0) p->orders[i] = p->orders[--p->count];
}

static struct hadron_quote plain_best(const struct plain *p) {
  struct hadron_quote q = {{0}, {0}, {0}, {0}};
  for (uint32_t i = 0; i < p->count; i++) {
    bool buy = p->orders[i].side == HADRON_SIDE_BUY;
    int64_t *price = buy ? &q.bid.nanos : &q.ask.nanos, *size = buy ? &q.bid_size.e8 : &q.ask_size.e8;
    if (*size == 0 || (buy ? p->orders[i].price > *price : p->orders[i].price < *price)) {
      *price = p->orders[i].price;
      *size = 0;
    }
    if (p->orders[i].price == *price) *size += p->orders[i].quantity;
  }
  return q;
}

// Each quote is where the list says so, and nowhere else. Returns how many there were.
static uint64_t plain_agrees(const struct venue_host *h) {
  struct plain *p = calloc(1, sizeof *p);
  struct hadron_quote last = {{0}, {0}, {0}, {0}};
  uint64_t quotes = 0, crossed = 0;
  bool dirty = false;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    const struct hadron_tick *t = &h->ticks[i];
    assert_int_not_equal(t->kind, HADRON_TICK_QUOTE); // those are consumed behind the tick that closes their message
    dirty |= t->kind == HADRON_TICK_BOOK;
    if (t->kind == HADRON_TICK_BOOK) plain_apply(p, &t->value.book);
    if (!(t->flags & HADRON_TICK_LAST) || !dirty) continue;
    dirty = false;
    struct hadron_quote best = plain_best(p);
    bool whole = !(best.bid_size.e8 && best.ask_size.e8 && best.bid.nanos >= best.ask.nanos);
    crossed += !whole;
    if (!whole || memcmp(&best, &last, sizeof best) == 0) continue;
    last = best;
    if (best.bid_size.e8 == 0 && best.ask_size.e8 == 0) continue;
    const struct hadron_tick *q = &h->ticks[++i];
    assert_true(i < h->tick_count && q->kind == HADRON_TICK_QUOTE);
    assert_memory_equal(&q->value.quote, &best, sizeof best);
    assert_true(q->recv_ns == t->recv_ns && q->event_ns == t->event_ns && q->sequence == t->sequence && q->venue == t->venue);
    assert_int_equal(q->flags & ~HADRON_TICK_GAP, t->flags & ~HADRON_TICK_GAP);
    quotes++;
  }
  assert_int_equal(venue_host_metric(h, "replay_crossed_books"), crossed);
  assert_int_equal(venue_host_metric(h, "replay_derived_quotes"), quotes);
  free(p);
  return quotes;
}

static void real_orders(void **state) {
  (void)state;
  const char *const files[] = {"data/nautilus/databento/esh4-glbx-mdp3-20231224.mbo.dbn.zst",
                               "data/nautilus/databento/order_book_deltas_catalog/databento/"
                               "orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst"};
  for (int i = 0; i < 2; i++) {
    struct venue_host *h = run(shared_file(files[i]), NULL), *again = start(shared_file(files[i]), "book", 7);
    uint64_t quotes = plain_agrees(h);
    print_message("%s: %llu quotes, %lld unknown\n", files[i], (unsigned long long)quotes, (long long)venue_host_metric(h, "replay_unknown_orders"));
    assert_true(quotes > 0);
    assert_true(same_ticks(h, again)); // taken piece by piece too
    for (uint64_t n = 0; n < h->tick_count; n++) {
      const struct hadron_quote *q = &h->ticks[n].value.quote;
      if (h->ticks[n].kind != HADRON_TICK_QUOTE || !q->bid_size.e8 || !q->ask_size.e8) continue;
      assert_true(q->bid.nanos < q->ask.nanos);
      assert_true(q->bid.nanos > 4000 * HADRON_PRICE_SCALE && q->ask.nanos < 6000 * HADRON_PRICE_SCALE); // the S&P 500 of those days
      assert_true(q->bid_size.e8 % HADRON_QUANTITY_SCALE == 0 && q->ask_size.e8 % HADRON_QUANTITY_SCALE == 0);
    }
    venue_host_close(h);
    venue_host_close(again);
  }
}

static int64_t decimal(const json_t *object, const char *key, int64_t scale) {
  const char *text = json_string_value(json_object_get(object, key));
  int64_t value = 0;
  assert_non_null(text);
  size_t size = strlen(text);
  while (size > 0 && strchr(text, '.') && text[size - 1] == '0') size--;
  assert_int_equal(hadron_decimal_parse(text, size, scale, &value), HADRON_OK);
  return value;
}

// The quote that holds at each checkpoint, and no recorded one among them.
static void vector_is_met(const char *name, const char *capture) {
  char path[512];
  json_error_t error;
  snprintf(path, sizeof path, "vectors/book/%s", name);
  json_t *vector = json_load_file(shared_file(path), 0, &error);
  assert_non_null(vector);
  struct venue_host *h = run(shared_file(capture), "book");
  const json_t *points = json_object_get(vector, "checkpoints");
  const struct hadron_quote *q = NULL;
  uint64_t quotes = 0;
  size_t next = 0;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    const struct hadron_tick *t = &h->ticks[i];
    if (t->kind == HADRON_TICK_QUOTE) {
      assert_true(t->value.quote.bid.nanos < t->value.quote.ask.nanos && i > 0 && h->ticks[i - 1].kind == HADRON_TICK_BOOK);
      continue;
    }
    const json_t *point = json_array_get(points, next);
    bool closes = t->kind == HADRON_TICK_BOOK && (t->flags & HADRON_TICK_LAST);
    if (closes && i + 1 < h->tick_count && h->ticks[i + 1].kind == HADRON_TICK_QUOTE) {
      q = &h->ticks[i + 1].value.quote;
      quotes++;
    }
    if (!closes || !point || t->sequence != (uint64_t)json_integer_value(json_object_get(point, "u"))) continue;
    assert_non_null(q);
    assert_true(q->bid.nanos == decimal(point, "best_bid", HADRON_PRICE_SCALE) && q->bid_size.e8 == decimal(point, "bid_qty", HADRON_QUANTITY_SCALE));
    assert_true(q->ask.nanos == decimal(point, "best_ask", HADRON_PRICE_SCALE) && q->ask_size.e8 == decimal(point, "ask_qty", HADRON_QUANTITY_SCALE));
    next++;
  }
  assert_int_equal(next, json_array_size(points));
  assert_int_equal(venue_host_metric(h, "replay_derived_quotes"), quotes);
  assert_int_equal(venue_host_metric(h, "replay_crossed_books"), json_integer_value(json_object_get(vector, "crossed_books_seen")));
  venue_host_close(h);
  struct venue_host *as_is = run(shared_file(capture), NULL), *recorded = run(shared_file(capture), "recorded");
  assert_true(same_ticks(as_is, recorded)); // its book names no orders: auto leaves it alone
  assert_int_equal(venue_host_metric(as_is, "replay_derived_quotes"), 0);
  venue_host_close(as_is);
  venue_host_close(recorded);
  json_decref(vector);
}

static void vectors(void **state) {
  (void)state;
  vector_is_met("binance_spot_btcusdt_20240808.json", "data/hftbacktest/spot/btcusdt_20240808.gz");
  vector_is_met("binance_usdm_btcusdt_20240808.json", "data/hftbacktest/usdm/btcusdt_20240808.gz");
}

// Files of our own: metadata without symbols, then records of instrument 77 (its listing is named by the number).
struct bytes {
  uint8_t *at;
  size_t size, capacity;
};

static void number(struct bytes *b, uint64_t value, int size) {
  if (b->size + 8 > b->capacity) {
    b->capacity = b->capacity ? 2 * b->capacity : 4096;
    b->at = realloc(b->at, b->capacity);
    assert_non_null(b->at);
  }
  for (int i = 0; i < size; i++) b->at[b->size++] = (uint8_t)(value >> (8 * i));
}

static void metadata(struct bytes *b) {
  static const uint8_t start[] = {'D', 'B', 'N', 1, 120, 0, 0, 0, 'G', 'L', 'B', 'X'};
  memset(b, 0, sizeof *b);
  for (size_t i = 0; i < sizeof start; i++) number(b, start[i], 1);
  while (b->size < 128) number(b, 0, 1);
}

#define DAY INT64_C(1577923200000000000)
enum { LAST = 0x80, SNAPSHOT = 0x20, BROKEN = 0x04 };

static void order(struct bytes *b, char action, uint64_t id, char side, int64_t price, uint32_t size, uint8_t flags) {
  number(b, 56 / 4, 1);
  number(b, 0xa0, 1);
  number(b, 2, 2);
  number(b, 77, 4);
  number(b, (uint64_t)DAY + b->size, 8);
  number(b, id, 8);
  number(b, (uint64_t)(price * HADRON_PRICE_SCALE), 8);
  number(b, size, 4);
  number(b, flags, 1);
  number(b, 0, 1);
  number(b, (uint8_t)action, 1);
  number(b, (uint8_t)side, 1);
  number(b, (uint64_t)DAY + b->size, 8);
  number(b, 0, 8);
}

static void level(struct bytes *b, int64_t bid, int64_t ask) {
  number(b, 80 / 4, 1);
  number(b, 0x01, 1);
  number(b, 2, 2);
  number(b, 77, 4);
  number(b, (uint64_t)DAY + b->size, 8);
  number(b, 0, 8);
  number(b, 0, 4);
  number(b, 'A' | 'N' << 8 | LAST << 16, 4);
  number(b, (uint64_t)DAY + b->size, 8);
  number(b, 0, 8);
  number(b, (uint64_t)(bid * HADRON_PRICE_SCALE), 8);
  number(b, (uint64_t)(ask * HADRON_PRICE_SCALE), 8);
  number(b, 1, 4);
  number(b, 1, 4);
  number(b, 0, 8);
}

static void check_quotes(const struct venue_host *h, const int64_t (*want)[4], uint64_t count) {
  uint64_t n = 0;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    const struct hadron_quote *q = &h->ticks[i].value.quote;
    if (h->ticks[i].kind != HADRON_TICK_QUOTE) continue;
    assert_true(n < count);
    assert_int_equal(q->bid.nanos / HADRON_PRICE_SCALE, want[n][0]);
    assert_int_equal(q->bid_size.e8 / HADRON_QUANTITY_SCALE, want[n][1]);
    assert_int_equal(q->ask.nanos / HADRON_PRICE_SCALE, want[n][2]);
    assert_int_equal(q->ask_size.e8 / HADRON_QUANTITY_SCALE, want[n][3]);
    n++;
  }
  assert_int_equal(n, count);
}

static void each_action_moves_the_best(void **state) {
  (void)state;
  struct bytes b;
  metadata(&b);
  order(&b, 'R', 0, 'N', 0, 0, SNAPSHOT);
  order(&b, 'A', 1, 'B', 99, 5, SNAPSHOT);
  order(&b, 'A', 2, 'A', 101, 7, SNAPSHOT | LAST); // 99x5 101x7: the snapshot is whole
  order(&b, 'A', 3, 'B', 98, 4, LAST);             // behind the best: none
  order(&b, 'A', 4, 'B', 99, 1, 0);
  order(&b, 'M', 2, 'A', 102, 8, BROKEN | LAST);   // one quote of both: 99x6 102x8
  order(&b, 'C', 1, 'B', 99, 2, LAST);             // 99x4
  order(&b, 'C', 1, 'B', 99, 9, LAST);             // more than it had: 99x1
  order(&b, 'C', 1, 'B', 99, 1, LAST);             // not there: none
  order(&b, 'A', 5, 'B', 102, 1, LAST);            // locked: none
  order(&b, 'C', 5, 'B', 102, 1, LAST);            // as before: none
  order(&b, 'M', 6, 'A', 101, 3, LAST);            // never seen, so new: 99x1 101x3
  order(&b, 'R', 0, 'N', 0, 0, LAST);              // empty: none
  order(&b, 'A', 7, 'A', 101, 3, LAST);            // one side
  const int64_t want[][4] = {{99, 5, 101, 7}, {99, 6, 102, 8}, {99, 4, 102, 8}, {99, 1, 102, 8}, {99, 1, 101, 3}, {0, 0, 101, 3}};
  const char *path = recording_plain("own.dbn", b.at, b.size);
  struct venue_host *h = run(path, NULL);
  check_quotes(h, want, 6);
  assert_int_equal(plain_agrees(h), 6);
  assert_int_equal(h->ticks[3].flags, HADRON_TICK_SNAPSHOT | HADRON_TICK_LAST);
  assert_int_equal(h->ticks[7].flags, HADRON_TICK_GAP | HADRON_TICK_LAST);
  assert_int_equal(venue_host_metric(h, "replay_crossed_books"), 1);
  assert_int_equal(venue_host_metric(h, "replay_unknown_orders"), 2);
  venue_host_close(h);
  char fault[1200];
  struct hadron_inspect_report r;
  assert_int_equal(recording_inspect(path, NULL, &r, NULL, fault), HADRON_OK);
  assert_true(r.quotes == 0 && r.books == 14); // inspect tells of the recording
  free(b.at);
}

static void recorded_quotes_take_over(void **state) {
  (void)state;
  struct bytes b;
  metadata(&b);
  order(&b, 'A', 1, 'B', 10, 5, LAST);
  level(&b, 20, 21);
  order(&b, 'A', 2, 'B', 11, 5, LAST);
  const char *path = recording_plain("both.dbn", b.at, b.size);
  const int64_t by_auto[][4] = {{10, 5, 0, 0}, {20, 1, 21, 1}}, by_book[][4] = {{10, 5, 0, 0}, {11, 5, 0, 0}};
  struct venue_host *h = run(path, "auto");
  check_quotes(h, by_auto, 2);
  venue_host_close(h);
  h = run(path, "book");
  check_quotes(h, by_book, 2);
  venue_host_close(h);
  h = run(path, "recorded");
  check_quotes(h, by_auto + 1, 1);
  venue_host_close(h);
  h = venue_host_open("replay");
  venue_host_set(h, "files", path);
  venue_host_set(h, "quotes", "books");
  assert_int_not_equal(venue_host_start(h), HADRON_OK);
  assert_non_null(strstr(h->fault, "auto, recorded or book"));
  venue_host_close(h);
  free(b.at);
}

static void random_orders(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (int round = 0; round < 20; round++) {
    struct bytes b;
    metadata(&b);
    uint64_t ids = 1 + hd_random_below(&random, 400);
    for (int i = 0; i < 3000; i++) {
      char action = "AAAAMMCCC"[hd_random_below(&random, 9)];
      bool buy = hd_random_below(&random, 2) == 0;
      int64_t price = buy ? 100 - (int64_t)hd_random_below(&random, 60) : 99 + (int64_t)hd_random_below(&random, 60);
      if (hd_random_below(&random, 700) == 0) action = 'R';
      order(&b, action, 1 + hd_random_below(&random, ids) * 0x100000001u, buy ? 'B' : 'A', price, 1 + (uint32_t)hd_random_below(&random, 9),
            hd_random_below(&random, 3) ? LAST : 0);
    }
    struct venue_host *h = start(recording_plain("random.dbn", b.at, b.size), "auto", 1 + (uint32_t)hd_random_below(&random, 256));
    assert_true(plain_agrees(h) > 0);
    venue_host_close(h);
    free(b.at);
  }
}

static void a_full_book_is_told(void **state) {
  (void)state;
  struct bytes b;
  metadata(&b);
  for (uint64_t i = 0; i < 65537; i++) order(&b, 'A', i, 'B', 1 + (int64_t)i, 1, LAST);
  const char *path = recording_plain("full.dbn", b.at, b.size);
  struct venue_host *h = start(path, NULL, 0);
  assert_int_equal(h->state, HADRON_VENUE_DOWN);
  assert_non_null(strstr(h->fault, "at most 65,536 price levels a side"));
  assert_non_null(strstr(h->fault, "quotes = \"recorded\""));
  assert_int_equal(h->tick_count, 2 * 65536); // what came before is given
  venue_host_close(h);
  h = run(path, "recorded");
  assert_int_equal(h->tick_count, 65537);
  venue_host_close(h);
  free(b.at);
  metadata(&b);
  for (uint64_t i = 0; i < 30; i++) order(&b, 'A', i, 'B', 1, UINT32_MAX, LAST);
  h = start(recording_plain("large.dbn", b.at, b.size), NULL, 0);
  assert_int_equal(h->state, HADRON_VENUE_DOWN);
  assert_non_null(strstr(h->fault, "a level's quantity"));
  venue_host_close(h);
  free(b.at);
}

// A depth feed: what comes before the snapshot is no book.
static void levels_wait_for_their_snapshot(void **state) {
  (void)state;
#define DEPTH(ns, id, price) \
  #ns " {\"e\":\"depthUpdate\",\"E\":1700000000000,\"s\":\"XUSDT\",\"U\":" #id ",\"u\":" #id ",\"b\":[[\"" #price "\",\"1\"]],\"a\":[]}\n"
  const char *path = recording_gzip("xusdt.gz", DEPTH(1700000000000000001, 1, 50) DEPTH(1700000000000000002, 2, 10)
                                    "1700000000000000003 {\"lastUpdateId\":1,\"bids\":[[\"9\",\"1\"],[\"8\",\"2\"]],\"asks\":[[\"11\",\"3\"]]}\n"
                                    DEPTH(1700000000000000004, 3, 7) DEPTH(1700000000000000005, 4, 12));
  struct venue_host *h = run(path, "book");
  const int64_t want[][4] = {{9, 1, 11, 3}, {10, 1, 11, 3}};
  check_quotes(h, want, 2);
  assert_int_equal(venue_host_metric(h, "replay_crossed_books"), 1); // 12 bid, 11 asked
  venue_host_close(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_action_moves_the_best), cmocka_unit_test(recorded_quotes_take_over), cmocka_unit_test(random_orders),
      cmocka_unit_test(a_full_book_is_told),        cmocka_unit_test(levels_wait_for_their_snapshot),
      cmocka_unit_test(real_orders),                cmocka_unit_test(vectors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
