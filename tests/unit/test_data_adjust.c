// Promise: corporate actions of factor files reach the host before the first tick of their day, on the right day, with exact
// splits and dividends in cents: the events and adjusted closes of the vectors come out again. Map files lead a ticker of a day to
// one listing. Days follow New York's clock through every change of its rules.
#include <jansson.h>
#include <math.h>

#include "support/recording.h"
#include "support/test.h"
#include "support/venue_host.h"

#define S INT64_C(1000000000)
#define DAY (86400 * S)

static struct venue_host *run(const char *files, const char *adjust, const char *factors, const char *maps) {
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", files);
  venue_host_set(h, "adjust", adjust);
  venue_host_set(h, "factor_files", factors);
  venue_host_set(h, "map_files", maps);
  if (venue_host_start(h)) fail_msg("%s", h->fault);
  venue_host_run(h);
  assert_int_equal(h->state, HADRON_VENUE_FINISHED);
  return h;
}

// "YYYYMMDD" to days since 1970, by counting.
static int64_t days_of(const char *text) {
  static const int months[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int date = atoi(text), year = date / 10000, month = date / 100 % 100;
  int64_t days = 0;
  for (int y = 1970; y < year; y++) days += 365 + (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
  for (int m = 1; m < month; m++) days += months[m - 1] + (m == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
  return days + date % 100 - 1;
}

static void check_event(const struct hadron_adjustment *a, const json_t *event) {
  bool split = strcmp(json_string_value(json_object_get(event, "type")), "split") == 0;
  const char *day = json_string_value(json_object_get(event, split ? "effective_day" : "ex_day"));
  int64_t hours = a->time_ns - days_of(day) * DAY;
  assert_true(hours == 4 * 3600 * S || hours == 5 * 3600 * S); // midnight in New York
  if (split) {
    double ratio = json_real_value(json_object_get(event, "split_factor"));
    assert_int_equal(a->dividend.micros, 0);
    assert_true(a->numerator > 0 && a->denominator > 0);
    assert_true(fabs((double)a->denominator / (double)a->numerator / ratio - 1) < 1e-5);
  } else {
    double dividend = json_number_value(json_object_get(event, "distribution"));
    assert_true(a->numerator == 1 && a->denominator == 1);
    assert_int_equal(a->dividend.micros, llround(dividend * 1e6));
  }
}

// Raw closes of the ticks, by day; every fourth tick is a close.
static double adjusted_close(const struct venue_host *h, const char *day, bool dividends, double *raw) {
  uint64_t at = UINT64_MAX;
  for (uint64_t i = 3; i < h->tick_count; i += 4)
    if (h->ticks[i].event_ns / DAY == days_of(day)) at = i;
  assert_true(at != UINT64_MAX);
  *raw = (double)h->ticks[at].value.trade.price.nanos / 1e9;
  double value = *raw;
  for (uint32_t n = 0; n < h->adjustment_count; n++) {
    const struct hadron_adjustment *a = &h->adjustments[n];
    if (h->adjusted_at[n] <= at) continue; // before that day's close
    value = value * (double)a->denominator / (double)a->numerator;
    double reference = (double)h->ticks[h->adjusted_at[n] - 1].value.trade.price.nanos / 1e9; // the close before
    if (dividends) value *= 1 - (double)a->dividend.micros / 1e6 / reference;
  }
  return value;
}

static void vectors_come_out(void **state) {
  (void)state;
  json_error_t error;
  json_t *vectors = json_load_file(shared_file("vectors/corporate_actions/adjusted_closes.json"), 0, &error), *vector;
  assert_non_null(vectors);
  size_t index, n;
  json_array_foreach(vectors, index, vector) {
    char files[600], factors[600];
    const char *symbol = json_string_value(json_object_get(vector, "symbol"));
    snprintf(files, sizeof files, "%s/data/lean/equity/usa/daily/%s.zip", getenv("HADRON_SHARED_DIR"), symbol);
    snprintf(factors, sizeof factors, "%s/data/lean/equity/usa/factor_files", getenv("HADRON_SHARED_DIR"));
    struct venue_host *full = run(files, "full", factors, ""), *split = run(files, "split", factors, ""), *none = run(files, "none", factors, "");
    const json_t *events = json_object_get(vector, "events"), *event;
    uint32_t splits = 0;
    assert_int_equal(full->adjustment_count, json_array_size(events));
    json_array_foreach(events, n, event) {
      check_event(&full->adjustments[n], event);
      splits += strcmp(json_string_value(json_object_get(event, "type")), "split") == 0;
      // It stands between the ticks of two days.
      uint64_t at = full->adjusted_at[n];
      assert_true(at % 4 == 0 && full->ticks[at - 1].event_ns < full->adjustments[n].time_ns && full->ticks[at].event_ns > full->adjustments[n].time_ns);
    }
    assert_int_equal(split->adjustment_count, splits);
    assert_int_equal(none->adjustment_count, 0);
    const json_t *rows = json_object_get(vector, "adjusted"), *row;
    json_array_foreach(rows, n, row) {
      const char *day = json_string_value(json_object_get(row, "day"));
      double raw, want_raw = json_number_value(json_object_get(row, "raw_close"));
      double want_split = json_number_value(json_object_get(row, "split_only_close")), want_full = json_number_value(json_object_get(row, "adjusted_close"));
      double by_split = adjusted_close(split, day, false, &raw);
      assert_true(fabs(raw - want_raw) < 1e-9);
      assert_true(fabs(by_split - want_split) < 2e-6 + want_split * 1e-5);
      assert_true(fabs(adjusted_close(full, day, true, &raw) / want_full - 1) < 0.005); // cents are rounded, a hundred times
    }
    venue_host_close(full);
    venue_host_close(split);
    venue_host_close(none);
  }
  json_decref(vectors);
}

static void apple_is_exact(void **state) {
  (void)state;
  char files[600], factors[600];
  shared_file("data/lean/equity/usa/daily/aapl.zip");
  snprintf(files, sizeof files, "%s/data/lean/equity/usa/daily/aapl.zip", getenv("HADRON_SHARED_DIR"));
  snprintf(factors, sizeof factors, "%s/data/lean/equity/usa/factor_files", getenv("HADRON_SHARED_DIR"));
  struct venue_host *h = run(files, "split", factors, "");
  const int64_t splits[][2] = {{2, 1}, {2, 1}, {7, 1}, {4, 1}};
  assert_int_equal(h->adjustment_count, 4);
  for (int i = 0; i < 4; i++) assert_true(h->adjustments[i].numerator == splits[i][0] && h->adjustments[i].denominator == splits[i][1]);
  assert_true(h->adjustments[2].time_ns == days_of("20140609") * DAY + 4 * 3600 * S);
  venue_host_close(h);
}

static void tickers_lead_to_listings(void **state) {
  (void)state;
  json_error_t error;
  char maps[600];
  json_t *vectors = json_load_file(shared_file("vectors/corporate_actions/map_files.json"), 0, &error), *vector;
  assert_non_null(vectors);
  snprintf(maps, sizeof maps, "%s/data/lean/equity/usa/map_files", getenv("HADRON_SHARED_DIR"));
  size_t index, n;
  int seen = 0;
  json_array_foreach(vectors, index, vector) {
    const json_t *cases = json_object_get(vector, "resolve"), *one;
    json_array_foreach(cases, n, one) {
      const char *day = json_string_value(json_object_get(one, "day")), *ticker = json_string_value(json_object_get(one, "ticker"));
      const char *name = json_string_value(json_object_get(vector, "map_file"));
      char path[200], entry[200];
      if (!ticker) ticker = name; // not listed then: whoever had the ticker, it was another
      snprintf(path, sizeof path, "equity/usa/tick/%s/%s_trade.zip", ticker, day);
      snprintf(entry, sizeof entry, "%s_%s_Trade_Tick.csv", day, ticker);
      struct venue_host *h = run(recording_zip(path, entry, "34200000,100000,100,P,0,0\n"), "none", "", maps);
      bool same = strcasecmp(h->listings[0].symbol, name) == 0;
      bool listed = json_string_value(json_object_get(one, "ticker")) != NULL;
      if (listed && !same) fail_msg("%s on %s led to %s, not to %s", ticker, day, h->listings[0].symbol, name);
      seen++;
      venue_host_close(h);
    }
  }
  assert_int_equal(seen, 25);
  // The one whose ticker another has now: GOOG of 2014-03-01 is what is GOOGL today.
  struct venue_host *h = run(recording_zip("equity/usa/tick/goog/20140301_trade.zip", "20140301_goog_Trade_Tick.csv", "34200000,100000,100,P,0,0\n"), "none", "", maps);
  assert_string_equal(h->listings[0].symbol, "GOOGL");
  venue_host_close(h);
  json_decref(vectors);
}

// Fixtures of our own.

static void own_factor_file(void **state) {
  (void)state;
  recording_text("factors/one.csv", "20200101,0.95,0.6666667,1\n20200102,0.95,0.6666667,30\n20200106,0.95,1,20\n20201231,1,1,0\n");
  const char *factors = recording_path("factors");
  const char *path = recording_zip("equity/usa/daily/one.zip", "one.csv",
                                   "20200102 00:00,300000,300000,300000,300000,4\n20200103 00:00,200000,200000,200000,200000,4\n"
                                   "20200106 00:00,200000,200000,200000,200000,4\n20200108 00:00,190000,190000,190000,190000,4\n");
  struct venue_host *h = run(path, "full", factors, "");
  assert_int_equal(h->adjustment_count, 2);
  // 2-for-3 printed with seven digits is 3 new for 2 old; the row of the 2nd takes effect on the 3rd.
  assert_true(h->adjustments[0].numerator == 3 && h->adjustments[0].denominator == 2 && h->adjusted_at[0] == 4);
  assert_true(h->adjustments[1].dividend.micros == 1000000 && h->adjusted_at[1] == 12); // on the next day that traded
  venue_host_close(h);
  recording_text("factors/one.csv", "20200101,0.95,half,1\n");
  struct venue_host *bad = venue_host_open("replay");
  venue_host_set(bad, "files", path);
  venue_host_set(bad, "adjust", "full");
  venue_host_set(bad, "factor_files", factors);
  assert_int_equal(venue_host_start(bad), HADRON_ERR_CORRUPT);
  assert_non_null(strstr(bad->fault, "one.csv line 1"));
  venue_host_set(bad, "adjust", "maybe");
  assert_int_equal(venue_host_start(bad), HADRON_ERR_CONFIG);
  venue_host_close(bad);
}

static void new_york_keeps_its_clock(void **state) {
  (void)state;
  static const struct {
    const char *day;
    bool daylight;
  } days[] = {{"00000000", false}, {"19670428", false}, {"19670501", true}, {"19671027", true}, {"19671030", false}, {"19740104", false},
              {"19740107", true},  {"19741025", true},  {"19741028", false}, {"19750221", false}, {"19750224", true}, {"19860425", false},
              {"19860428", true},  {"19870403", false}, {"19870406", true},  {"20060331", false}, {"20060403", true}, {"20061027", true},
              {"20061030", false}, {"20070309", false}, {"20070312", true},  {"20071102", true},  {"20071105", false}, {"20240308", false},
              {"20240311", true},  {"20241101", true},  {"20241104", false}};
  size_t count = sizeof days / sizeof *days, at = 0;
  char text[4096];
  for (size_t i = 1; i < count; i++) at += (size_t)snprintf(text + at, sizeof text - at, "%s 00:00,10000,10000,10000,10000,4\n", days[i].day);
  struct venue_host *h = run(recording_zip("equity/usa/daily/clock.zip", "clock.csv", text), "none", "", "");
  assert_int_equal(h->tick_count, 4 * (count - 1));
  for (size_t i = 1; i < count; i++) {
    int64_t opened = days_of(days[i].day);
    if (atoi(days[i].day) < 19700101) opened = h->ticks[4 * (i - 1)].event_ns / DAY - 1; // days_of counts from 1970
    int64_t clock = h->ticks[4 * (i - 1)].event_ns - opened * DAY;
    if (atoi(days[i].day) < 19700101) clock = (clock % DAY + DAY) % DAY;
    if (clock != (days[i].daylight ? 13 : 14) * 3600 * S + 1800 * S) fail_msg("%s opened at %lld s UTC", days[i].day, (long long)(clock / S));
  }
  venue_host_close(h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vectors_come_out), cmocka_unit_test(apple_is_exact),           cmocka_unit_test(tickers_lead_to_listings),
      cmocka_unit_test(own_factor_file),  cmocka_unit_test(new_york_keeps_its_clock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
