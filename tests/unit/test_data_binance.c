// Promise: from a Binance capture the book can be built exactly: at every checkpoint of the vectors best bid and ask, their sizes and
// the number of levels agree, and so do totals, VWAP and minute bars of the trades. Sequence breaks are found; what is older than a
// snapshot is dropped and what is newer comes behind it.
#include <jansson.h>
#include <math.h>

#include "hadron/decimal.h"
#include "support/recording.h"
#include "support/test.h"
#include "support/venue_host.h"

#define LEVELS 20000

// One side of a book: prices rising.
struct side {
  int64_t price[LEVELS], quantity[LEVELS];
  int count;
};

struct book {
  struct side sides[2]; // bids, asks
  uint64_t clears, sets;
};

static void side_set(struct side *s, int64_t price, int64_t quantity) {
  int low = 0, high = s->count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (s->price[middle] < price) low = middle + 1;
    else high = middle;
  }
  bool there = low < s->count && s->price[low] == price;
  size_t rest = (size_t)(s->count - low);
  if (there && quantity == 0) {
    memmove(s->price + low, s->price + low + 1, (rest - 1) * 8);
    memmove(s->quantity + low, s->quantity + low + 1, (rest - 1) * 8);
    s->count--;
  } else if (there) {
    s->quantity[low] = quantity;
  } else if (quantity != 0) {
    assert_true(s->count < LEVELS);
    memmove(s->price + low + 1, s->price + low, rest * 8);
    memmove(s->quantity + low + 1, s->quantity + low, rest * 8);
    s->price[low] = price;
    s->quantity[low] = quantity;
    s->count++;
  }
}

static void book_apply(struct book *b, const struct hadron_tick *t) {
  if (t->value.book.action == HADRON_BOOK_CLEAR) {
    b->sides[0].count = b->sides[1].count = 0;
    b->clears++;
    return;
  }
  assert_int_equal(t->value.book.action, HADRON_BOOK_SET);
  assert_in_range(t->value.book.side, HADRON_SIDE_BUY, HADRON_SIDE_SELL);
  side_set(&b->sides[t->value.book.side - 1], t->value.book.price.nanos, t->value.book.quantity.e8);
  b->sets++;
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

static struct venue_host *run(const char *files) {
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", files);
  if (venue_host_start(h)) fail_msg("%s", h->fault);
  venue_host_run(h);
  assert_int_equal(h->state, HADRON_VENUE_FINISHED);
  return h;
}

static void check_point(const json_t *point, const struct book *b) {
  const struct side *bids = &b->sides[0], *asks = &b->sides[1];
  assert_int_equal(bids->count, json_integer_value(json_object_get(point, "bid_levels")));
  assert_int_equal(asks->count, json_integer_value(json_object_get(point, "ask_levels")));
  assert_true(bids->price[bids->count - 1] == decimal(point, "best_bid", HADRON_PRICE_SCALE));
  assert_true(bids->quantity[bids->count - 1] == decimal(point, "bid_qty", HADRON_QUANTITY_SCALE));
  assert_true(asks->price[0] == decimal(point, "best_ask", HADRON_PRICE_SCALE));
  assert_true(asks->quantity[0] == decimal(point, "ask_qty", HADRON_QUANTITY_SCALE));
}

struct trades {
  int64_t count, quantity, maker_quantity, first, last;
  hadron_int128 notional; // 1e-17
};

struct minute {
  int64_t start_ns, open, high, low, close, volume, count;
};

static void trade_add(struct trades *s, struct minute *m, int *minutes, const struct hadron_tick *t) {
  int64_t price = t->value.trade.price.nanos, quantity = t->value.trade.quantity.e8;
  if (s->count++ == 0) s->first = price;
  s->last = price;
  s->quantity += quantity;
  s->notional += (hadron_int128)price * quantity;
  if (t->value.trade.aggressor == HADRON_SIDE_SELL) s->maker_quantity += quantity; // the buyer was the maker
  int64_t start = t->event_ns / 60000000000 * 60000000000;
  if (*minutes == 0 || m[*minutes - 1].start_ns != start) {
    assert_true(*minutes < 64);
    m[(*minutes)++] = (struct minute){start, price, price, price, price, 0, 0};
  }
  struct minute *now = &m[*minutes - 1];
  if (price > now->high) now->high = price;
  if (price < now->low) now->low = price;
  now->close = price;
  now->volume += quantity;
  now->count++;
}

static void check_trades(const json_t *vector, const struct trades *s, const struct minute *m, int minutes) {
  const json_t *want = json_object_get(vector, "trades"), *bars = json_object_get(vector, "bars_1m_by_trade_time");
  assert_int_equal(s->count, json_integer_value(json_object_get(want, "count")));
  assert_true(s->quantity == decimal(want, "qty", HADRON_QUANTITY_SCALE));
  assert_true(s->maker_quantity == decimal(want, "buyer_maker_qty", HADRON_QUANTITY_SCALE));
  assert_true(s->first == decimal(want, "first_price", HADRON_PRICE_SCALE));
  assert_true(s->last == decimal(want, "last_price", HADRON_PRICE_SCALE));
  // The notional is exact: its 17 decimals, of which the vector prints all that are not zero.
  assert_true((int64_t)(s->notional / 10000000) == decimal(want, "notional", INT64_C(10000000000)) && s->notional % 10000000 == 0);
  double vwap = (double)s->notional / (double)s->quantity / 1e9;
  assert_true(fabs(vwap - json_real_value(json_object_get(want, "vwap"))) < 1e-7);
  assert_int_equal(minutes, json_array_size(bars));
  for (int i = 0; i < minutes; i++) {
    const json_t *bar = json_array_get(bars, (size_t)i);
    assert_true(m[i].start_ns == json_integer_value(json_object_get(bar, "start_ms")) * 1000000);
    assert_true(m[i].open == decimal(bar, "o", HADRON_PRICE_SCALE) && m[i].high == decimal(bar, "h", HADRON_PRICE_SCALE));
    assert_true(m[i].low == decimal(bar, "l", HADRON_PRICE_SCALE) && m[i].close == decimal(bar, "c", HADRON_PRICE_SCALE));
    assert_true(m[i].volume == decimal(bar, "v", HADRON_QUANTITY_SCALE));
    assert_int_equal(m[i].count, json_integer_value(json_object_get(bar, "n")));
  }
}

static void vector_is_met(const char *name, const char *capture, uint64_t frames) {
  char path[512], fault[1200];
  json_error_t error;
  snprintf(path, sizeof path, "vectors/book/%s", name);
  json_t *vector = json_load_file(shared_file(path), 0, &error);
  assert_non_null(vector);
  const char *file = shared_file(capture);
  struct hadron_inspect_report report;
  if (recording_inspect(file, NULL, &report, NULL, fault)) fail_msg("%s", fault);
  assert_int_equal(report.rows, frames);
  assert_int_equal(report.bad_rows, 0);
  assert_int_equal(report.gaps, 0);
  struct venue_host *h = run(file);
  struct book *b = calloc(1, sizeof *b);
  struct trades trades = {0};
  struct minute minutes[64];
  int minute_count = 0;
  const json_t *points = json_object_get(vector, "checkpoints");
  size_t next = 0;
  uint64_t last_id = 0;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    const struct hadron_tick *t = &h->ticks[i];
    if (t->kind == HADRON_TICK_TRADE) trade_add(&trades, minutes, &minute_count, t);
    if (t->kind != HADRON_TICK_BOOK) continue;
    book_apply(b, t);
    last_id = t->sequence;
    const json_t *point = json_array_get(points, next);
    if (!(t->flags & HADRON_TICK_LAST) || !point) continue;
    if (t->sequence != (uint64_t)json_integer_value(json_object_get(point, "u"))) continue;
    assert_true(t->recv_ns == json_integer_value(json_object_get(point, "recv_ns")));
    check_point(point, b);
    next++;
  }
  assert_int_equal(next, json_array_size(points));
  assert_int_equal(b->clears, 1);
  assert_int_equal(last_id, json_integer_value(json_object_get(vector, "final_update_id")));
  check_trades(vector, &trades, minutes, minute_count);
  free(b);
  json_decref(vector);
  venue_host_close(h);
}

static void spot_vector(void **state) {
  (void)state;
  vector_is_met("binance_spot_btcusdt_20240808.json", "data/hftbacktest/spot/btcusdt_20240808.gz", 41249);
}

static void usdm_vector(void **state) {
  (void)state;
  vector_is_met("binance_usdm_btcusdt_20240808.json", "data/hftbacktest/usdm/btcusdt_20240808.gz", 93954);
}

static void coinm_and_a_capture_without_snapshot(void **state) {
  (void)state;
  char fault[1200];
  struct hadron_inspect_report r;
  assert_int_equal(recording_inspect(shared_file("data/hftbacktest/cm/ethusd_perp_20240808.gz"), NULL, &r, NULL, fault), HADRON_OK);
  assert_true(r.rows == 40454 && r.bad_rows == 0 && r.gaps == 0 && r.trades == 1732 && r.quotes == 15812);
  assert_int_equal(recording_inspect(shared_file("data/hftbacktest/spot/btcusdt_20240809.gz"), NULL, &r, NULL, fault), HADRON_OK);
  assert_true(r.rows == 58325 && r.bad_rows == 0 && r.gaps == 0 && r.trades == 10147 && r.quotes == 45134);
}

// Two days of the same capture: the book goes on from the first to the second.
static void two_files_make_one_book(void **state) {
  (void)state;
  char files[1024];
  shared_file("data/hftbacktest/spot/btcusdt_20240809.gz");
  snprintf(files, sizeof files, "%s/data/hftbacktest/spot/btcusdt_*.gz", getenv("HADRON_SHARED_DIR"));
  struct venue_host *h = run(files);
  struct book *b = calloc(1, sizeof *b);
  uint64_t compared = 0;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    const struct hadron_tick *t = &h->ticks[i];
    if (t->kind == HADRON_TICK_BOOK) book_apply(b, t);
    if (t->kind != HADRON_TICK_BOOK || !(t->flags & HADRON_TICK_LAST) || b->clears == 0) continue;
    const struct side *bids = &b->sides[0], *asks = &b->sides[1];
    assert_true(bids->price[bids->count - 1] < asks->price[0]); // a whole book is never crossed
    compared++;
  }
  assert_true(compared > 6000);
  assert_int_equal(h->listing_count, 1);
  free(b);
  venue_host_close(h);
}

// Fixtures of our own: a depth line, with ids.
#define DEPTH(ns, first, last, price) \
  #ns " {\"stream\":\"x@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":1700000000000,\"s\":\"XUSDT\",\"U\":" #first ",\"u\":" #last \
      ",\"b\":[[\"" #price "\",\"1.5\"]],\"a\":[]}}\n"
#define SNAPSHOT(ns, id) #ns " {\"lastUpdateId\":" #id ",\"bids\":[[\"9\",\"1\"],[\"8\",\"2\"]],\"asks\":[[\"11\",\"3\"]]}\n"

static void snapshot_orders_the_changes(void **state) {
  (void)state;
  const char *path = recording_gzip("xusdt.gz", DEPTH(1700000000000000001, 1, 4, 1) DEPTH(1700000000000000002, 5, 9, 2)
                                                    DEPTH(1700000000000000003, 10, 12, 3) SNAPSHOT(1700000000000000004, 7)
                                                        DEPTH(1700000000000000005, 13, 13, 4) DEPTH(1700000000000000006, 15, 16, 5));
  struct venue_host *h = run(path);
  // three changes as they came; clear and three levels; the two that the snapshot does not hold; one more; one behind a gap
  const int64_t prices[] = {1, 2, 3, 0, 9, 8, 11, 2, 3, 4, 5};
  const uint64_t ids[] = {4, 9, 12, 7, 7, 7, 7, 9, 12, 13, 16};
  const int last[] = {1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1};
  assert_int_equal(h->tick_count, 11);
  for (int i = 0; i < 11; i++) {
    assert_true(h->ticks[i].value.book.price.nanos == prices[i] * HADRON_PRICE_SCALE);
    assert_int_equal(h->ticks[i].sequence, ids[i]);
    assert_int_equal((h->ticks[i].flags & HADRON_TICK_LAST) != 0, last[i]);
    assert_int_equal((h->ticks[i].flags & HADRON_TICK_SNAPSHOT) != 0, i >= 3 && i <= 6);
    assert_int_equal((h->ticks[i].flags & HADRON_TICK_GAP) != 0, i == 10);
    if (i > 0) assert_true(h->ticks[i].recv_ns >= h->ticks[i - 1].recv_ns);
  }
  assert_int_equal(venue_host_metric(h, "replay_gaps"), 1);
  assert_string_equal(h->listings[0].currency, "USDT");
  venue_host_close(h);
}

static void broken_frames_are_bad_rows(void **state) {
  (void)state;
  const char *path = recording_gzip("xusdt.gz", DEPTH(1700000000000000001, 1, 4, 1) "17000000 {}\n"
                                                "1700000000000000002 {\"e\":\"trade\",\"s\":\"XUSDT\",\"p\":\"1x\",\"q\":\"1\"}\n"
                                                "1700000000000000003 {\"e\":\"trade\",\"s\":\"XUSDT\",\"p\":\"1\",\"q\":\"1\"\n"
                                                "1700000000000000004 {\"result\":null,\"id\":1}\n"
                                                "1700000000000000005 {\"e\":\"trade\",\"p\":\"1\",\"q\":\"1\"}\n"
                                                "1700000000000000006 {\"e\":\"depthUpdate\",\"s\":\"XUSDT\",\"U\":5,\"u\":6,\"b\":[[\"1\"]],\"a\":[]}\n"
                                                DEPTH(1700000000000000007, 5, 9, 2));
  char fault[1200];
  struct hadron_inspect_report r;
  struct bad_rows bad;
  assert_int_equal(recording_inspect(path, NULL, &r, &bad, fault), HADRON_OK);
  assert_int_equal(r.rows, 8);
  assert_int_equal(r.bad_rows, 5);
  assert_int_equal(bad.row[0], 2);
  assert_int_equal(bad.row[1], 3);
  assert_int_equal(bad.row[2], 4);
  assert_int_equal(bad.row[3], 6);
  assert_int_equal(bad.row[4], 7);
  assert_int_equal(r.books, 2);
  assert_int_equal(r.gaps, 0); // a change that could not be read leaves the sequence where it was
  size_t size;
  uint8_t *bytes = recording_read(path, &size);
  for (size_t cut = 1; cut < size; cut += 7) { // a gzip file that was cut is damage, whatever was read before
    const char *damaged = recording_plain("cut.gz", bytes, cut);
    assert_true(recording_inspect(damaged, NULL, &r, NULL, fault) != HADRON_OK);
    assert_non_null(strstr(fault, "expected"));
  }
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", recording_plain("cut.gz", bytes, size - 6));
  free(bytes);
  if (venue_host_start(h) == HADRON_OK) {
    venue_host_run(h);
    assert_int_equal(h->state, HADRON_VENUE_DOWN);
  }
  assert_non_null(strstr(h->fault, "cut.gz"));
  venue_host_close(h);
}

// What fuzzing found: a change without levels carries the sequence on, and a time that does not fit is not believed.
static void odd_frames_are_survived(void **state) {
  (void)state;
  struct venue_host *h = run(recording_gzip("odd.gz", "1700000000000000001 {\"e\":\"depthUpdate\",\"E\":21700000000000,\"s\":\"XUSDT\",\"U\":1,\"u\":2,\"b\":[],\"a\":[]}\n"
                                                      "1700000000000000002 {\"e\":\"trade\",\"E\":21700000000000,\"s\":\"XUSDT\",\"p\":\"1\",\"q\":\"1\"}\n"
                                                      DEPTH(1700000000000000003, 3, 3, 1)));
  assert_int_equal(h->tick_count, 2);
  assert_true(h->ticks[0].event_ns == INT64_C(1700000000000000002));
  assert_int_equal(venue_host_metric(h, "replay_gaps"), 0);
  venue_host_close(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(spot_vector),
      cmocka_unit_test(usdm_vector),
      cmocka_unit_test(coinm_and_a_capture_without_snapshot),
      cmocka_unit_test(two_files_make_one_book),
      cmocka_unit_test(snapshot_orders_the_changes),
      cmocka_unit_test(broken_frames_are_bad_rows),
      cmocka_unit_test(odd_frames_are_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
