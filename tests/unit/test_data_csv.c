// Promise: any CSV becomes ticks: real FXCM, TrueFX, Tardis, Binance and bar files as they are, others through a column map, by name
// or by number, with any separator, zone, unit and scale; rows that cannot be read cost themselves, with their line numbers.
#include "support/recording.h"
#include "support/test.h"
#include "support/venue_host.h"

#define S INT64_C(1000000000)

static struct venue_host *run_with(const char *files, const char *columns, const char *zone) {
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", files);
  venue_host_set(h, "columns", columns);
  venue_host_set(h, "timezone", zone);
  if (venue_host_start(h)) fail_msg("%s", h->fault);
  venue_host_run(h);
  assert_int_equal(h->state, HADRON_VENUE_FINISHED);
  return h;
}

static struct venue_host *run(const char *files) { return run_with(files, "", ""); }

static void real_files_are_read_whole(void **state) {
  (void)state;
  static const struct {
    const char *path, *symbol;
    uint64_t rows, ticks, trades, quotes, books;
  } files[] = {{"nautilus/btc-perp-20211231-20220201_1m.csv", "BTC", 45031, 180124, 180124, 0, 0},
               {"nautilus/tardis/bitmex_trades_XBTUSD.csv", "XBTUSD", 10, 10, 10, 0, 0},
               {"nautilus/tardis/deribit_incremental_book_L2_BTC-PERPETUAL.csv", "BTC-PERPETUAL", 15, 16, 0, 0, 16},
               {"nautilus/tardis/binance-futures_book_snapshot_5_BTCUSDT.csv", "BTCUSDT", 10, 110, 0, 0, 110},
               {"nautilus/fxcm/usdjpy-m1-ask-2013.csv", "USDJPY", 28761, 115044, 0, 115044, 0},
               {"nautilus/truefx/usdjpy-ticks.csv", "USDJPY", 1000, 1000, 0, 1000, 0},
               {"nautilus/binance/btcusdt-depth-update.csv", "BTCUSDT", 100, 100, 0, 0, 100},
               {"nautilus/binance/btcusdt-depth-snap.csv", "BTCUSDT", 100, 101, 0, 0, 101},
               {"vega/stocks.csv", "5 symbols", 560, 560, 560, 0, 0}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[300], fault[1200];
    struct hadron_inspect_report r;
    snprintf(path, sizeof path, "data/%s", files[i].path);
    if (recording_inspect(shared_file(path), NULL, &r, NULL, fault)) fail_msg("%s", fault);
    assert_string_equal(r.symbol, files[i].symbol);
    assert_int_equal(r.rows, files[i].rows);
    assert_int_equal(r.bad_rows, 0);
    assert_int_equal(r.ticks, files[i].ticks);
    assert_int_equal(r.trades, files[i].trades);
    assert_int_equal(r.quotes, files[i].quotes);
    assert_int_equal(r.books, files[i].books);
  }
}

static void bid_and_ask_files_pair(void **state) {
  (void)state;
  char files[1024];
  shared_file("data/nautilus/fxcm/usdjpy-m1-bid-2013.csv");
  snprintf(files, sizeof files, "%s/data/nautilus/fxcm/*.csv", getenv("HADRON_SHARED_DIR"));
  struct venue_host *h = run(files);
  assert_int_equal(h->tick_count, 28761 * 4);
  assert_int_equal(h->listing_count, 1);
  assert_string_equal(h->listings[0].currency, "JPY");
  // 2013-02-01 00:00: bid 91.715 91.715 91.653 91.653, ask 91.717 91.717 91.655 91.655: falling, so the high comes first.
  const int64_t bids[] = {91715, 91715, 91653, 91653}, asks[] = {91717, 91717, 91655, 91655};
  for (int i = 0; i < 4; i++) {
    assert_true(h->ticks[i].value.quote.bid.nanos == bids[i] * 1000000 && h->ticks[i].value.quote.ask.nanos == asks[i] * 1000000);
    assert_true(h->ticks[i].event_ns == INT64_C(1359676800) * S + (i == 3 ? 60 * S - 1 : i * 20 * S));
  }
  for (uint64_t i = 0; i < h->tick_count; i++) assert_true(h->ticks[i].value.quote.bid.nanos > 0 && h->ticks[i].value.quote.ask.nanos > 0);
  venue_host_close(h);
}

static void tardis_rows_are_exact(void **state) {
  (void)state;
  struct venue_host *h = run(shared_file("data/nautilus/tardis/bitmex_trades_XBTUSD.csv"));
  assert_true(h->ticks[0].event_ns == INT64_C(1583020803145000000) && h->ticks[0].recv_ns == INT64_C(1583020803307160000));
  assert_true(h->ticks[0].value.trade.price.nanos == INT64_C(8531500000000) && h->ticks[0].value.trade.quantity.e8 == INT64_C(215200000000));
  assert_int_equal(h->ticks[0].value.trade.aggressor, HADRON_SIDE_SELL);
  assert_true(h->ticks[0].value.trade.trade_id != h->ticks[1].value.trade.trade_id);
  venue_host_close(h);
  h = run(shared_file("data/nautilus/tardis/binance-futures_book_snapshot_5_BTCUSDT.csv"));
  assert_int_equal(h->ticks[0].value.book.action, HADRON_BOOK_CLEAR);
  assert_int_equal(h->ticks[1].value.book.side, HADRON_SIDE_BUY);
  assert_true(h->ticks[1].value.book.price.nanos == INT64_C(11657070000000) && h->ticks[2].value.book.price.nanos == INT64_C(11657080000000));
  assert_int_equal(h->ticks[10].flags, HADRON_TICK_SNAPSHOT | HADRON_TICK_LAST);
  venue_host_close(h);
  h = run(shared_file("data/nautilus/binance/btcusdt-depth-update.csv"));
  uint64_t ends = 0;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    bool last = i + 1 == h->tick_count || h->ticks[i + 1].sequence != h->ticks[i].sequence;
    assert_int_equal((h->ticks[i].flags & HADRON_TICK_LAST) != 0, last);
    ends += last;
  }
  assert_true(ends >= 1);
  venue_host_close(h);
}

// Fixtures of our own.

static void maps_by_name_and_number(void **state) {
  (void)state;
  const char *path = recording_text("odd.csv", "Wann;Was;Preis;Stück\n02.01;ABC;12345;7\n2020-01-02 10:00:00.5;ABC;12345;7\n");
  struct venue_host *h = run_with(path, "time=Wann\nsymbol=Was\nprice=Preis\nsize=3\nscale=100\nasset=equity", "America/New_York");
  assert_int_equal(h->tick_count, 1); // 02.01 is no time
  assert_true(h->ticks[0].event_ns == INT64_C(1577977200) * S + S / 2);
  assert_true(h->ticks[0].value.trade.price.nanos == INT64_C(123450000000) && h->ticks[0].value.trade.quantity.e8 == 7 * HADRON_QUANTITY_SCALE);
  assert_string_equal(h->listings[0].symbol, "ABC");
  assert_int_equal(venue_host_metric(h, "replay_bad_rows"), 1);
  venue_host_close(h);
  path = recording_text("abc_plain.csv", "20200102,093000.x\n20200102,09:30,1.5,2\n20200102,09:31:30,1.6,3\n");
  h = run_with(path, "date=0\nclock=1\nprice=2\nsize=3", "+01:00");
  assert_int_equal(h->tick_count, 2); // the first line has no time: a header, as far as a map by numbers can tell
  assert_true(h->ticks[1].event_ns == INT64_C(1577953890) * S);
  assert_string_equal(h->listings[0].symbol, "ABC");
  venue_host_close(h);
  path = recording_text("abc_ms.csv", "t|b|B|a|A\n1577977200123|1.1|5|1.2|6e-05\n");
  h = run_with(path, "time=t\nunit=ms\nbid=b\nbid_size=2\nask=a\nask_size=4", "");
  assert_int_equal(h->ticks[0].kind, HADRON_TICK_QUOTE);
  assert_true(h->ticks[0].event_ns == INT64_C(1577977200123000000) && h->ticks[0].value.quote.ask_size.e8 == 6000);
  venue_host_close(h);
}

static void daily_bars_of_stocks(void **state) {
  (void)state;
  const char *path = recording_text("idx.csv", "date,open,high,low,close,volume\nJan 3 2000,10,12,9,11,400\nJan 4 2000,11,12,9,10,400\n");
  struct venue_host *h = run(path);
  assert_int_equal(h->tick_count, 8);
  assert_true(h->ticks[0].event_ns == INT64_C(946857600) * S && h->ticks[3].event_ns == INT64_C(946944000) * S - 1);
  venue_host_close(h);
  h = venue_host_open("replay");
  venue_host_set(h, "files", path);
  venue_host_set(h, "columns", "time=date\nopen=open\nhigh=high\nlow=low\nclose=close\nvolume=volume\nasset=equity");
  venue_host_set(h, "symbol", "spx");
  assert_int_equal(venue_host_start(h), HADRON_OK);
  venue_host_run(h);
  assert_true(h->ticks[0].event_ns == INT64_C(946909800) * S && h->ticks[3].event_ns == INT64_C(946933200) * S - 1);
  assert_string_equal(h->listings[0].symbol, "SPX");
  venue_host_close(h);
}

static void bad_rows_have_line_numbers(void **state) {
  (void)state;
  char fault[1200];
  struct hadron_inspect_report r;
  struct bad_rows bad;
  char *lines = malloc(3 << 20);
  int n = snprintf(lines, 1000, "time,price,size\r\n2020-01-02,1,1\r\n2020-13-02,1,1\r\n2020-01-02,one,1\r\n2020-01-02\r\n2020-01-02,");
  memset(lines + n, '9', 2 << 20); // a line longer than any row may be
  snprintf(lines + n + (2 << 20), 1000, ",1\r\n2020-01-03,\"2\",1\r\n2020-01-03,99999999999999999999,1\r\n2020-01-04,3,1");
  assert_int_equal(recording_inspect(recording_text("bad.csv", lines), NULL, &r, &bad, fault), HADRON_OK);
  free(lines);
  assert_int_equal(r.ticks, 3);
  assert_int_equal(r.bad_rows, 5);
  const uint64_t rows[] = {3, 4, 5, 6, 8};
  for (int i = 0; i < 5; i++) assert_int_equal(bad.row[i], rows[i]);
  assert_true(r.pauses == 2 && r.pause_ns_max == 86400 * S);
}

static void unknown_files_say_what_to_do(void **state) {
  (void)state;
  char fault[1200];
  struct hadron_inspect_report r;
  assert_int_equal(recording_inspect(recording_text("what.csv", "a,b,c\n1,2,3\n"), NULL, &r, NULL, fault), HADRON_ERR_UNSUPPORTED);
  assert_non_null(strstr(fault, "columns"));
  assert_int_equal(recording_inspect(recording_text("what.bin", "\001\002\003"), NULL, &r, NULL, fault), HADRON_ERR_UNSUPPORTED);
  assert_int_equal(recording_inspect(recording_text("what.csv", "a,b,c\n1,2,3\n"), "columns=time=a;price=z", &r, NULL, fault), HADRON_ERR_PARSE);
  assert_non_null(strstr(fault, "price=z"));
  assert_int_equal(recording_inspect(recording_text("what.csv", "a,b,c\n1,2,3\n"), "columns=time=0;price=1;unit=s", &r, NULL, fault), HADRON_OK);
  assert_int_equal(r.ticks, 1);
  assert_int_equal(recording_inspect(recording_text("what.csv", "a,b,c\n1,2,3\n"), "speed=9", &r, NULL, fault), HADRON_ERR_PARSE);
}

static void symbols_that_no_host_takes_are_bad_rows(void **state) {
  (void)state;
  struct venue_host *h = run(recording_text("sym.csv", "time,symbol,price\n2020-01-02,A|B,1\n2020-01-02,,1\n2020-01-02,A B,1\n2020-01-02,AB,1\n"));
  assert_int_equal(h->tick_count, 1);
  assert_int_equal(venue_host_metric(h, "replay_bad_rows"), 3);
  venue_host_close(h);
  char fault[1200];
  struct hadron_inspect_report r;
  const char *empty = recording_zip("none.zip", "none.csv", ""); // what fuzzing found: an entry without a byte
  assert_int_equal(recording_inspect(empty, "format=csv\ncolumns=time=0;price=1", &r, NULL, fault), HADRON_OK);
  assert_int_equal(r.ticks, 0);
}

static void unpaired_rows_are_bad(void **state) {
  (void)state;
  char files[600];
  recording_text("eurusd-bid.csv", "timestamp,open,high,low,close\n2020-01-02 00:00,1,1,1,1\n2020-01-02 00:01,1,1,1,1\n2020-01-02 00:03,1,1,1,1\n");
  recording_text("eurusd-ask.csv", "timestamp,open,high,low,close\n2020-01-02 00:00,2,2,2,2\n2020-01-02 00:02,2,2,2,2\n2020-01-02 00:03,2,2,2,2\n");
  snprintf(files, sizeof files, "%s/eurusd-*.csv", recording_folder());
  struct venue_host *h = run(files);
  assert_int_equal(h->tick_count, 8);
  assert_int_equal(venue_host_metric(h, "replay_bad_rows"), 2);
  assert_true(h->ticks[4].value.quote.bid.nanos == S && h->ticks[4].value.quote.ask.nanos == 2 * S);
  venue_host_close(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(real_files_are_read_whole), cmocka_unit_test(bid_and_ask_files_pair),  cmocka_unit_test(tardis_rows_are_exact),
      cmocka_unit_test(maps_by_name_and_number),   cmocka_unit_test(daily_bars_of_stocks),    cmocka_unit_test(bad_rows_have_line_numbers),
      cmocka_unit_test(unknown_files_say_what_to_do), cmocka_unit_test(unpaired_rows_are_bad),
      cmocka_unit_test(symbols_that_no_host_takes_are_bad_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
