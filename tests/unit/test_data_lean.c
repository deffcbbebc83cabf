// Promise: LEAN zips are read whole and exactly: every row of every real file counts (against the manifest), sums of prices, sizes
// and conditions agree with values computed apart, times follow New York's clock, bars become four ticks in a possible order, one
// broken row costs one row and a broken file says where it broke.
#include "support/recording.h"
#include "support/test.h"
#include "support/venue_host.h"

#define S INT64_C(1000000000)

static struct venue_host *run(const char *path) {
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", path);
  int32_t result = venue_host_start(h);
  if (result) fail_msg("%s", h->fault);
  assert_int_equal(h->state, HADRON_VENUE_READY);
  venue_host_run(h);
  assert_int_equal(h->state, HADRON_VENUE_FINISHED);
  return h;
}

static void manifest_rows_are_all_read(void **state) {
  (void)state;
  char line[1024], path[600], fault[1200];
  FILE *file = fopen(shared_file("data/MANIFEST.tsv"), "re");
  assert_non_null(file);
  int seen = 0;
  while (fgets(line, sizeof line, file)) {
    char *save, *name = strtok_r(line, "\t", &save), *bytes = strtok_r(NULL, "\t", &save), *rows = strtok_r(NULL, "\t", &save);
    if (strncmp(name, "lean/", 5) != 0 || !strstr(name, ".zip")) continue;
    struct hadron_inspect_report r;
    struct bad_rows bad;
    snprintf(path, sizeof path, "data/%s", name);
    if (recording_inspect(shared_file(path), NULL, &r, &bad, fault)) fail_msg("%s", fault);
    if (bad.count) fail_msg("%s line %llu: %s", name, (unsigned long long)bad.row[0], bad.text[0]);
    assert_int_equal(r.rows, strtoull(rows, NULL, 10));
    assert_int_equal(r.bytes, strtoull(bytes, NULL, 10));
    assert_int_equal(r.ticks, r.rows * (strstr(name, "/tick/") ? 1 : 4));
    assert_int_equal(r.trades + r.quotes, r.ticks);
    assert_int_equal(r.backward, 0);
    seen++;
  }
  fclose(file);
  assert_int_equal(seen, 81);
}

static void equity_trades_are_exact(void **state) {
  (void)state;
  struct venue_host *h = run(shared_file("data/lean/equity/usa/tick/spy/20131007_trade.zip"));
  assert_int_equal(h->tick_count, 250601);
  int64_t price = 0, quantity = 0, conditions = 0;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    price += h->ticks[i].value.trade.price.nanos / 100000;
    quantity += h->ticks[i].value.trade.quantity.e8 / 100000000;
    conditions += h->ticks[i].value.trade.conditions;
    assert_int_equal(h->ticks[i].kind, HADRON_TICK_TRADE);
    assert_int_equal(h->ticks[i].instrument, 1);
    assert_int_equal(h->ticks[i].venue, 1);
  }
  assert_true(price == INT64_C(420822986800));
  assert_int_equal(quantity, 97062721);
  assert_true(conditions == INT64_C(59574966948255));
  // 04:00:00.464 of 2013-10-07 in New York is 08:00:00.464 UTC.
  assert_true(h->ticks[0].event_ns == INT64_C(1381132800464) * 1000000);
  assert_true(h->ticks[250600].event_ns == INT64_C(1381118400000) * 1000000 + INT64_C(71999536) * 1000000);
  assert_string_equal(h->listings[0].symbol, "SPY");
  assert_string_equal(h->listings[0].currency, "USD");
  assert_int_equal(h->listings[0].asset, 1);
  assert_int_equal(venue_host_metric(h, "replay_ticks"), 250601);
  assert_int_equal(h->progress_done, h->progress_total);
  venue_host_close(h);
}

static void equity_quotes_keep_the_other_side(void **state) {
  (void)state;
  struct venue_host *h = run(shared_file("data/lean/equity/usa/tick/ibm/20131009_quote.zip"));
  assert_int_equal(h->tick_count, 135492);
  int64_t bid = 0, ask = 0, size = 0;
  for (uint64_t i = 0; i < h->tick_count; i++) {
    const struct hadron_quote *q = &h->ticks[i].value.quote;
    bid += q->bid.nanos / 100000;
    ask += q->ask.nanos / 100000;
    size += (q->bid_size.e8 + q->ask_size.e8) / 100000000;
    assert_true(q->bid.nanos <= q->ask.nanos || q->ask.nanos == 0);
  }
  assert_true(bid == INT64_C(244407553000));
  assert_true(ask == INT64_C(244526112900));
  assert_int_equal(size, 67740900);
  venue_host_close(h);
}

static void several_files_merge_by_time(void **state) {
  (void)state;
  char files[2048]; // shared_file skips the test where the folder is absent
  shared_file("data/lean/equity/usa/tick/ibm/20131007_trade.zip");
  struct venue_host *h = venue_host_open("replay");
  snprintf(files, sizeof files, "%s/data/lean/equity/usa/tick/ibm/20131007_*.zip\n%s/data/lean/equity/usa/tick/bac/20131007_trade.zip",
           getenv("HADRON_SHARED_DIR"), getenv("HADRON_SHARED_DIR"));
  venue_host_set(h, "files", files);
  assert_int_equal(venue_host_start(h), HADRON_OK);
  venue_host_run(h);
  assert_int_equal(h->tick_count, 109067 + 24293 + 88172);
  for (uint64_t i = 1; i < h->tick_count; i++) assert_true(h->ticks[i].recv_ns >= h->ticks[i - 1].recv_ns);
  uint64_t whole = h->tick_count;
  struct hadron_tick *ticks = h->ticks;
  h->ticks = NULL;
  h->tick_capacity = 0;
  venue_host_close(h);
  // A host that takes seven at a time gets the same ticks.
  h = venue_host_open("replay");
  h->take_max = 7;
  venue_host_set(h, "files", files);
  assert_int_equal(venue_host_start(h), HADRON_OK);
  venue_host_run(h);
  assert_int_equal(h->tick_count, whole);
  assert_memory_equal(h->ticks, ticks, whole * sizeof *ticks);
  free(ticks);
  venue_host_close(h);
}

static void time_range_cuts(void **state) {
  (void)state;
  const char *path = shared_file("data/lean/equity/usa/tick/spy/20131007_trade.zip");
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", path);
  venue_host_set(h, "from", "2013-10-07T13:30:00Z");
  venue_host_set(h, "to", "2013-10-07T20:00:00Z");
  assert_int_equal(venue_host_start(h), HADRON_OK);
  venue_host_run(h);
  assert_true(h->tick_count > 200000 && h->tick_count < 250601);
  assert_true(h->ticks[0].recv_ns >= INT64_C(1381152600) * S);
  assert_true(h->ticks[h->tick_count - 1].recv_ns < INT64_C(1381176000) * S);
  venue_host_close(h);
}

// Fixtures of our own.

static void bars_take_a_possible_path(void **state) {
  (void)state;
  const char *path = recording_zip("equity/usa/daily/abc.zip", "abc.csv",
                                   "20070309 00:00,100000,120000,90000,110000,1003\n"   // rising; winter time
                                   "20070312 00:00,110000,120000,90000,100000,1000\n"); // falling; summer time, since 2007-03-11
  struct venue_host *h = run(path);
  assert_int_equal(h->tick_count, 8);
  const int64_t prices[] = {10, 9, 12, 11, 11, 12, 9, 10};
  for (int i = 0; i < 8; i++) {
    assert_true(h->ticks[i].value.trade.price.nanos == prices[i] * S);
    assert_int_equal(h->ticks[i].flags, HADRON_TICK_SYNTHETIC);
  }
  int64_t quarter = INT64_C(25075000000);
  assert_true(h->ticks[0].value.trade.quantity.e8 == quarter && h->ticks[3].value.trade.quantity.e8 == quarter);
  int64_t open = INT64_C(1173450600) * S; // 2007-03-09 14:30 UTC
  int64_t session = INT64_C(23400) * S;
  assert_true(h->ticks[0].event_ns == open);
  assert_true(h->ticks[1].event_ns == open + session / 3);
  assert_true(h->ticks[2].event_ns == open + 2 * (session / 3));
  assert_true(h->ticks[3].event_ns == open + session - 1);
  assert_true(h->ticks[4].event_ns == open + 3 * 86400 * S - 3600 * S); // an hour earlier by UTC
  venue_host_close(h);
}

static void bad_rows_cost_themselves(void **state) {
  (void)state;
  const char *path = recording_zip("equity/usa/tick/abc/20200102_trade.zip", "20200102_abc_Trade_Tick.csv",
                                   "34200000,100000,100,P,0,0\n"
                                   "34200001,1x0000,100,P,0,0\n"
                                   "99999999999,100000,100,P,0,0\n"
                                   "34200002,100000,100,P,0,7\n"
                                   "\n"
                                   "34200003,100100,100,P,20,1\n");
  struct hadron_inspect_report r;
  struct bad_rows bad;
  char fault[1200];
  assert_int_equal(recording_inspect(path, NULL, &r, &bad, fault), HADRON_OK);
  assert_int_equal(r.rows, 6);
  assert_int_equal(r.ticks, 2);
  assert_int_equal(r.bad_rows, 4);
  assert_int_equal(bad.row[0], 2);
  assert_int_equal(bad.row[3], 5);
  assert_string_equal(r.format, "LEAN equity tick trade");
  struct venue_host *h = run(path);
  assert_int_equal(h->tick_count, 2);
  assert_int_equal(h->ticks[1].flags, HADRON_TICK_SUSPICIOUS);
  assert_int_equal(h->ticks[1].value.trade.conditions, 0x20);
  assert_int_equal(venue_host_metric(h, "replay_bad_rows"), 4);
  assert_int_equal(h->log_count, 4);
  assert_non_null(strstr(h->log[0], "line 2"));
  venue_host_close(h);
}

static void contradicting_bars_are_bad(void **state) {
  (void)state;
  const char *path = recording_zip("crypto/x/hour/btcusd_trade.zip", "btcusd.csv",
                                   "20200102 00:00,10,9,11,10,1\n" // high below low
                                   "20200102 01:00,10,11,9,12,1\n" // close above high
                                   "20200102 02:00,8,11,9,10,1\n"  // open below low
                                   "20200102 03:00,10,11,9,10,-1\n"
                                   "20200102 04:00,10,11,9,10.5,0\n"); // no volume: prices without size
  struct hadron_inspect_report r;
  char fault[1200];
  assert_int_equal(recording_inspect(path, NULL, &r, NULL, fault), HADRON_OK);
  assert_int_equal(r.bad_rows, 4);
  assert_int_equal(r.ticks, 4);
  assert_true(r.first_ns == INT64_C(1577937600) * S);
}

static void broken_files_say_so(void **state) {
  (void)state;
  char fault[1200];
  struct hadron_inspect_report r;
  const char *whole = recording_zip("equity/usa/tick/abc/20200103_trade.zip", "20200103_abc_Trade_Tick.csv", "34200000,100000,100,P,0,0\n");
  size_t size;
  uint8_t *bytes = recording_read(whole, &size);
  for (size_t cut = 0; cut < size; cut++) { // every cut: an error or the whole row, never a crash
    const char *path = recording_plain("equity/usa/tick/abc/20200104_trade.zip", bytes, cut);
    int32_t result = recording_inspect(path, NULL, &r, NULL, fault);
    if (result) assert_true(strlen(fault) > 40 && strstr(fault, "expected") && strstr(fault, "found"));
    else assert_int_equal(r.ticks, 1);
  }
  free(bytes);
  assert_int_equal(recording_inspect("/nowhere/at/all.zip", NULL, &r, NULL, fault), HADRON_ERR_IO);
  assert_int_equal(recording_inspect(recording_text("empty", ""), NULL, &r, NULL, fault), HADRON_ERR_CORRUPT);
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", "/nowhere/*.zip");
  assert_int_equal(venue_host_start(h), HADRON_ERR_NOT_FOUND);
  assert_non_null(strstr(h->fault, "/nowhere/*.zip"));
  venue_host_close(h);
}

// More files than are kept open: each is looked at, closed, and opened again when its time comes.
static void many_files_are_parked(void **state) {
  (void)state;
  char name[100], entry[100], text[400], files[200];
  for (int k = 0; k < 40; k++) {
    size_t at = 0;
    for (int i = 0; i < 5; i++) at += (size_t)snprintf(text + at, sizeof text - at, "%d,%d,1,P,0,0\n", 34200000 + 1000 * i + 37 * ((k * 7) % 40), 10000 + k);
    snprintf(text + at, sizeof text - at, "broken\n");
    snprintf(name, sizeof name, "many/equity/usa/tick/m%02d/20200102_trade.zip", k);
    snprintf(entry, sizeof entry, "20200102_m%02d_Trade_Tick.csv", k);
    recording_zip(name, entry, text);
  }
  snprintf(files, sizeof files, "%s/many/equity/usa/tick/*/*.zip", recording_folder());
  struct venue_host *h = run(files);
  assert_int_equal(h->tick_count, 200);
  assert_int_equal(h->listing_count, 40);
  assert_int_equal(venue_host_metric(h, "replay_bad_rows"), 40); // told once, not at the look as well
  for (uint64_t i = 1; i < 200; i++) {
    assert_true(h->ticks[i].recv_ns >= h->ticks[i - 1].recv_ns);
    if (h->ticks[i].recv_ns == h->ticks[i - 1].recv_ns) assert_true(h->ticks[i].instrument > h->ticks[i - 1].instrument);
  }
  assert_int_equal(h->progress_done, h->progress_total);
  venue_host_close(h);
}

static void universe_may_refuse(void **state) {
  (void)state;
  recording_zip("equity/usa/daily/one.zip", "one.csv", "20200102 00:00,100000,120000,90000,110000,1000\n");
  recording_zip("equity/usa/daily/two.zip", "two.csv", "20200102 00:00,100000,120000,90000,110000,1000\n");
  struct venue_host *h = venue_host_open("replay");
  h->closed = true;
  h->universe = "TWO";
  char files[600];
  snprintf(files, sizeof files, "%s/equity/usa/daily/one.zip\n%s/equity/usa/daily/two.zip", recording_folder(), recording_folder());
  venue_host_set(h, "files", files);
  assert_int_equal(venue_host_start(h), HADRON_OK);
  venue_host_run(h);
  assert_int_equal(h->tick_count, 4);
  assert_int_equal(h->listing_count, 1);
  venue_host_close(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(manifest_rows_are_all_read), cmocka_unit_test(equity_trades_are_exact),
      cmocka_unit_test(equity_quotes_keep_the_other_side), cmocka_unit_test(several_files_merge_by_time),
      cmocka_unit_test(time_range_cuts),            cmocka_unit_test(bars_take_a_possible_path),
      cmocka_unit_test(bad_rows_cost_themselves),   cmocka_unit_test(contradicting_bars_are_bad),
      cmocka_unit_test(broken_files_say_so),        cmocka_unit_test(universe_may_refuse),
      cmocka_unit_test(many_files_are_parked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
