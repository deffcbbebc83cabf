// Promise: Databento files of all versions are read record by record: actions, sides and sizes of real files are counted as an
// independent decoder counts them; each kind of record becomes the right tick; damage is a fault or a bad record, never a crash.
#include "support/recording.h"
#include "support/test.h"
#include "support/venue_host.h"

static struct venue_host *run(const char *files) {
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", files);
  venue_host_set(h, "quotes", "recorded");
  if (venue_host_start(h)) fail_msg("%s", h->fault);
  venue_host_run(h);
  assert_int_equal(h->state, HADRON_VENUE_FINISHED);
  return h;
}

static void count_actions(const struct venue_host *h, uint64_t counts[6][3], uint64_t *traded) {
  memset(counts, 0, 6 * 3 * sizeof counts[0][0]);
  for (uint64_t i = 0; i < h->tick_count; i++) {
    const struct hadron_tick *t = &h->ticks[i];
    if (t->kind == HADRON_TICK_BOOK) counts[t->value.book.action][t->value.book.side]++;
    else {
      assert_int_equal(t->kind, HADRON_TICK_TRADE);
      assert_int_equal(t->value.trade.aggressor, HADRON_SIDE_BUY);
      *traded += (uint64_t)t->value.trade.quantity.e8 / 100000000;
      counts[0][0]++;
    }
  }
}

static void real_orders_are_counted(void **state) {
  (void)state;
  uint64_t counts[6][3], traded = 0;
  const char *path = shared_file("data/nautilus/databento/order_book_deltas_catalog/databento/"
                                 "orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst");
  struct venue_host *h = run(path);
  count_actions(h, counts, &traded);
  assert_int_equal(h->tick_count, 13791);
  assert_int_equal(counts[HADRON_BOOK_ADD][HADRON_SIDE_BUY], 8356);
  assert_int_equal(counts[HADRON_BOOK_ADD][HADRON_SIDE_SELL], 5322);
  assert_int_equal(counts[HADRON_BOOK_CANCEL][HADRON_SIDE_SELL], 59);
  assert_int_equal(counts[HADRON_BOOK_CANCEL][HADRON_SIDE_BUY], 21);
  assert_int_equal(counts[HADRON_BOOK_MODIFY][HADRON_SIDE_BUY], 21);
  assert_int_equal(counts[HADRON_BOOK_MODIFY][HADRON_SIDE_SELL], 6);
  assert_int_equal(counts[HADRON_BOOK_CLEAR][0], 1);
  assert_int_equal(counts[0][0], 5);
  assert_int_equal(traded, 6);
  assert_string_equal(h->listings[0].symbol, "ESM4");
  venue_host_close(h);
  h = run(shared_file("data/nautilus/databento/esh4-glbx-mdp3-20231224.mbo.dbn.zst"));
  count_actions(h, counts, &traded);
  assert_int_equal(counts[HADRON_BOOK_ADD][HADRON_SIDE_BUY], 5192);
  assert_int_equal(counts[HADRON_BOOK_ADD][HADRON_SIDE_SELL], 3533);
  assert_true(h->ticks[0].event_ns == INT64_C(1703422805243925307) && h->ticks[0].recv_ns == INT64_C(1703422805718200244));
  assert_int_equal(h->listings[0].asset, 4);

  assert_true(h->ticks[0].value.book.price.nanos > 0 && h->ticks[0].value.book.quantity.e8 == 2 * HADRON_QUANTITY_SCALE);
  assert_int_equal(h->ticks[0].flags & HADRON_TICK_SNAPSHOT, HADRON_TICK_SNAPSHOT);
  assert_int_equal(h->ticks[h->tick_count - 1].flags & HADRON_TICK_LAST, HADRON_TICK_LAST);
  venue_host_close(h);
}

// A file of our own: metadata with two symbols of one id on two days, then records.
struct bytes {
  uint8_t at[4096];
  size_t size;
};

static void number(struct bytes *b, uint64_t value, int size) {
  for (int i = 0; i < size; i++) b->at[b->size++] = (uint8_t)(value >> (8 * i));
}

static void text(struct bytes *b, const char *s, size_t size) {
  size_t length = strlen(s);
  memcpy(b->at + b->size, s, length);
  memset(b->at + b->size + length, 0, size - length);
  b->size += size;
}

static void metadata(struct bytes *b, int version) {
  size_t size = version == 1 ? 22 : 71;
  b->size = 0;
  text(b, "DBN", 3);
  number(b, (uint64_t)version, 1);
  number(b, 0, 4);
  text(b, "XNAS.ITCH", 16);
  b->size = 8 + 16 + 2 + 24;
  memset(b->at + 24, 0, 26);
  if (version == 1) number(b, 0, 8);
  number(b, 0, 3);
  if (version > 1) number(b, size, 2);
  memset(b->at + b->size, 0, 108 - b->size);
  b->size = 108;
  number(b, 0, 4); // schema definition
  number(b, 0, 4); // symbols
  number(b, 0, 4); // partial
  number(b, 0, 4); // not found
  number(b, 2, 4); // mappings
  for (int i = 0; i < 2; i++) {
    text(b, i ? "NEW" : "OLD", size);
    number(b, 1, 4);
    number(b, i ? 20200103 : 20200102, 4);
    number(b, i ? 20200104 : 20200103, 4);
    text(b, "77", size);
  }
  uint64_t length = b->size - 8;
  for (int i = 0; i < 4; i++) b->at[4 + i] = (uint8_t)(length >> (8 * i));
}

#define DAY1 INT64_C(1577923200000000000) // 2020-01-02
#define DAY2 (DAY1 + INT64_C(86400000000000))

static void header(struct bytes *b, size_t size, uint8_t type, uint32_t id, int64_t ns) {
  number(b, size / 4, 1);
  number(b, type, 1);
  number(b, 2, 2);
  number(b, id, 4);
  number(b, (uint64_t)ns, 8);
}

static void order(struct bytes *b, int64_t ns, char action, char side, int64_t price, uint32_t size) {
  header(b, 56, 0xa0, 77, ns);
  number(b, 4711, 8);
  number(b, (uint64_t)price, 8);
  number(b, size, 4);
  number(b, 0x80, 1);
  number(b, 0, 1);
  number(b, (uint8_t)action, 1);
  number(b, (uint8_t)side, 1);
  number(b, (uint64_t)ns + 5, 8);
  number(b, 0, 8);
}

static void level(struct bytes *b, int64_t ns, char action, bool quote) {
  header(b, quote ? 80 : 48, quote ? 0x01 : 0x00, 77, ns);
  number(b, 1500000000, 8);
  number(b, 3, 4);
  number(b, (uint8_t)action, 1);
  number(b, 'A', 1);
  number(b, 0, 2);
  number(b, (uint64_t)ns, 8);
  number(b, 0, 8);
  if (!quote) return;
  number(b, 1400000000, 8);
  number(b, INT64_MAX, 8); // no ask
  number(b, 7, 4);
  number(b, 9, 4);
  number(b, 0, 8);
}

static void records_become_ticks(void **state) {
  (void)state;
  for (int version = 1; version <= 3; version++) {
    struct bytes b;
    metadata(&b, version);
    order(&b, DAY1, 'A', 'B', 1000000000, 10);
    order(&b, DAY1, 'T', 'A', 1000000000, 4);
    order(&b, DAY1, 'F', 'B', 1000000000, 4);
    order(&b, DAY1, 'C', 'B', 1000000000, 4);
    order(&b, DAY1, 'M', 'B', 900000000, 6);
    order(&b, DAY2, 'R', 'N', INT64_MAX, 0);
    order(&b, DAY2, '?', 'B', 1, 1);          // bad
    order(&b, DAY2, 'A', 'N', 1, 1);          // bad
    order(&b, DAY2, 'A', 'B', INT64_MAX, 1);  // bad
    level(&b, DAY2, 'T', false);
    level(&b, DAY2, 'T', true);
    level(&b, DAY2, 'A', true);
    header(&b, 56, 0x21, 77, DAY2); // a minute bar
    for (int i = 0; i < 4; i++) number(&b, 2000000000, 8);
    number(&b, 8, 8);
    header(&b, 16, 0x17, 0, DAY2); // a system message
    struct venue_host *h = run(recording_plain("own.dbn", b.at, b.size));
    const uint8_t kinds[] = {3, 1, 3, 3, 3, 1, 1, 2, 2, 1, 1, 1, 1};
    assert_int_equal(h->tick_count, 13);
    for (int i = 0; i < 13; i++) {
      assert_int_equal(h->ticks[i].kind, kinds[i]);
      assert_int_equal(h->ticks[i].instrument, i < 4 ? 1 : 2);
    }
    assert_string_equal(h->listings[0].symbol, "OLD");
    assert_string_equal(h->listings[1].symbol, "NEW");
    assert_int_equal(h->ticks[0].value.book.order_id, 4711);
    assert_true(h->ticks[0].recv_ns == DAY1 + 5);
    assert_int_equal(h->ticks[1].value.trade.aggressor, HADRON_SIDE_SELL);
    assert_int_equal(h->ticks[3].value.book.action, HADRON_BOOK_MODIFY);
    assert_int_equal(h->ticks[4].value.book.action, HADRON_BOOK_CLEAR);
    assert_true(h->ticks[8].value.quote.ask.nanos == 0 && h->ticks[8].value.quote.ask_size.e8 == 0);
    assert_true(h->ticks[8].value.quote.bid_size.e8 == 7 * HADRON_QUANTITY_SCALE);
    assert_int_equal(venue_host_metric(h, "replay_bad_rows"), 3);
    assert_non_null(strstr(h->log[0], "line 7"));
    venue_host_close(h);
  }
}

static void damage_is_told(void **state) {
  (void)state;
  struct bytes b;
  char fault[1200];
  struct hadron_inspect_report r;
  metadata(&b, 2);
  size_t start = b.size;
  order(&b, DAY1, 'A', 'B', 1000000000, 10);
  for (size_t cut = 4; cut < b.size; cut++) {
    int32_t result = recording_inspect(recording_plain("cut.dbn", b.at, cut), NULL, &r, NULL, fault);
    if (cut == start) assert_int_equal(result, HADRON_OK);
    else if (result == HADRON_OK) fail_msg("a cut at byte %zu passed", cut);
    else if (cut >= 16) assert_non_null(strstr(fault, "expected"));
  }
  struct hd_random random = test_random();
  for (int i = 0; i < 4000; i++) { // any byte may be anything: no crash, no endless loop
    struct bytes broken = b;
    for (uint64_t n = hd_random_below(&random, 4) + 1; n > 0; n--) broken.at[8 + hd_random_below(&random, b.size - 8)] = (uint8_t)hd_random_next(&random);
    recording_inspect(recording_plain("noise.dbn", broken.at, broken.size), NULL, &r, NULL, fault);
  }
  struct bytes none = b; // what fuzzing found: a length of nothing
  memset(none.at + 4, 0, 4);
  assert_int_equal(recording_inspect(recording_plain("none.dbn", none.at, none.size), NULL, &r, NULL, fault), HADRON_ERR_CORRUPT);
  b.at[3] = 9;
  assert_int_equal(recording_inspect(recording_plain("new.dbn", b.at, b.size), NULL, &r, NULL, fault), HADRON_ERR_UNSUPPORTED);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(real_orders_are_counted), cmocka_unit_test(records_become_ticks), cmocka_unit_test(damage_is_told)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
