// Promise: statistics agree with independent ones: every case of the published and of the real-data vectors (1e-8), and values worked
// out by hand, which always run. What is not defined is NaN.
#include "support/test.h"

#include <jansson.h>
#include <math.h>

#include "base/statistics.h"

#define TOLERANCE 1e-8
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void near(double actual, double expected) {
  if (isnan(expected) ? isnan(actual) : isinf(expected) ? actual == expected : fabs(actual - expected) <= TOLERANCE * fmax(1, fabs(expected))) return;
  fail_msg("expected %.17g, found %.17g", expected, actual);
}

// ---- By hand ------------------------------------------------------------------------------------------------------------------

static void by_hand(void **state) {
  (void)state;
  const double r[] = {0.1, -0.1, 0.2, -0.05}; // 1.1, 0.99, 1.188, 1.1286; mean 0.0375
  near(hd_series_total(r, 4), 0.1286);
  near(hd_series_annual(r, 4, 4), 0.1286);
  near(hd_series_annual(r, 4, 2), sqrt(1.1286) - 1);
  double deviation = sqrt((0.0625 * 0.0625 + 0.1375 * 0.1375 + 0.1625 * 0.1625 + 0.0875 * 0.0875) / 3);
  near(hd_series_volatility(r, 4, 4), deviation * 2);
  near(hd_series_sharpe(r, 4, 0.01, 4), 0.0275 / deviation * 2);
  near(hd_series_downside(r, 4, 0, 4), sqrt((0.01 + 0.0025) / 4) * 2);
  near(hd_series_sortino(r, 4, 0, 4), 0.15 / (sqrt(0.0125 / 4) * 2));
  near(hd_series_drawdown(r, 4), -0.1);
  near(hd_series_calmar(r, 4, 4), 1.286);
  near(hd_series_omega(r, 4, 0), 0.3 / 0.15);
  near(hd_series_cagr(4, 2), 1);
  double sorted[4];
  assert_int_equal(hd_series_sort(r, 4, sorted), 4);
  near(hd_series_quantile(sorted, 4, 0.5), 0.025);
  near(hd_series_var(sorted, 4, 0.05), -0.1 + 0.05 * 0.15);
  near(hd_series_cvar(sorted, 4, 0.05), -0.1);
  near(hd_series_cvar(sorted, 4, 0.34), -0.075);
  near(hd_series_tail_ratio(sorted, 4), (0.1 + 0.1 * 0.85) / 0.0925);
  const double half[] = {0.05, -0.05, 0.1, -0.025};
  near(hd_series_beta(r, half, 4), 2);
  near(hd_series_alpha(r, half, 4, 0, 252), 0);
  near(hd_series_beta(half, r, 4), 0.5);
  near(hd_series_capture(r, r, 4, 252), 1);
  near(hd_series_capture_side(r, half, 4, 1, 2), (1.1 * 1.2 - 1) / (1.05 * 1.1 - 1));
  near(hd_series_capture_side(r, half, 4, -1, 2), (0.9 * 0.95 - 1) / (0.95 * 0.975 - 1));
  const double steady[] = {0.5, 0.5, 0.5};
  near(hd_series_stability(steady, 3), 1);
  near(hd_series_sharpe(steady, 3, 0, 252), INFINITY);
}

static void undefined(void **state) {
  (void)state;
  const double one[] = {0.01}, flat[] = {0, 0, 0}, up[] = {0.01, 0.02};
  double sorted[1];
  near(hd_series_total(one, 0), NAN);
  near(hd_series_annual(one, 0, 252), NAN);
  near(hd_series_volatility(one, 1, 252), NAN);
  near(hd_series_sharpe(one, 1, 0, 252), NAN);
  near(hd_series_sharpe(flat, 3, 0, 252), NAN);
  near(hd_series_sortino(flat, 3, 0, 252), NAN);
  near(hd_series_calmar(up, 2, 252), NAN);
  near(hd_series_omega(up, 2, 0), NAN);
  near(hd_series_stability(one, 1), NAN);
  near(hd_series_beta(up, flat, 2), NAN);
  near(hd_series_cagr(-1, 1), NAN);
  near(hd_series_cagr(2, 0), NAN);
  const double missing[] = {NAN, NAN};
  assert_int_equal(hd_series_sort(missing, 2, sorted), 0);
  near(hd_series_var(sorted, 0, 0.05), NAN);
  near(hd_series_cvar(sorted, 0, 0.05), NAN);
  near(hd_series_tail_ratio(sorted, 0), NAN);
  near(hd_series_sharpe(missing, 2, 0, 252), NAN);
  near(hd_series_total(missing, 2), 0);
}

static void returns(void **state) {
  (void)state;
  const double values[] = {100, 110, 99, 0, 50};
  double r[4];
  hd_series_returns(values, 5, r);
  near(r[0], 0.1);
  near(r[1], -0.1);
  near(r[2], NAN);
  near(r[3], NAN);
}

static void drawdowns(void **state) {
  (void)state;
  struct hd_drawdown d;
  const double recovered[] = {100, 120, 90, 100, 120, 130, 125};
  assert_true(hd_drawdown_find(recovered, COUNT(recovered), &d));
  near(d.depth, -0.25);
  assert_int_equal(d.peak, 1);
  assert_int_equal(d.trough, 2);
  assert_int_equal(d.recovery, 4);
  const double two[] = {100, 90, 100, 100, 80, 85, 79, 99}; // the second is deeper, from the latest of equal peaks, and stays
  assert_true(hd_drawdown_find(two, COUNT(two), &d));
  near(d.depth, -0.21);
  assert_int_equal(d.peak, 3);
  assert_int_equal(d.trough, 6);
  assert_int_equal(d.recovery, COUNT(two));
  const double up[] = {1, 2, 2, 3};
  assert_false(hd_drawdown_find(up, COUNT(up), &d));
  near(d.depth, 0);
  assert_false(hd_drawdown_find(up, 0, &d));
}

// ---- The vectors ----------------------------------------------------------------------------------------------------------------

struct series {
  double values[4096];
  size_t count;
};

static const char *shared(void) {
  const char *directory = getenv("HADRON_SHARED_DIR");
  char path[512];
  snprintf(path, sizeof path, "%s/vectors/metrics/empyrical_published.json", directory ? directory : "");
  FILE *f = directory ? fopen(path, "rb") : NULL;
  if (f) return fclose(f), directory;
  print_message("skipped: HADRON_SHARED_DIR names no directory with vectors/metrics\n");
  return NULL;
}

static json_t *load(const char *name) {
  char path[512];
  json_error_t error;
  snprintf(path, sizeof path, "%s/vectors/metrics/%s", shared(), name);
  json_t *root = json_load_file(path, 0, &error);
  if (!root) fail_msg("%s:%d: %s", path, error.line, error.text);
  return root;
}

static double number(const json_t *v) {
  if (json_is_string(v)) return strcmp(json_string_value(v), "inf") == 0 ? INFINITY : NAN;
  return json_is_number(v) ? json_number_value(v) : NAN;
}

static void series_read(const json_t *all, const json_t *name, struct series *to) {
  const json_t *list = json_object_get(all, json_string_value(name));
  assert_true(json_is_array(list) && json_array_size(list) <= COUNT(to->values));
  to->count = json_array_size(list);
  for (size_t i = 0; i < to->count; i++) to->values[i] = number(json_array_get(list, i));
}

static double periods_of(const json_t *arguments) {
  static const struct { const char *name; double periods; } rows[] = {{"daily", 252}, {"weekly", 52}, {"monthly", 12}, {"yearly", 1}};
  const char *name = json_string_value(json_object_get(arguments, "period"));
  for (size_t i = 0; i < COUNT(rows); i++)
    if (name && strcmp(name, rows[i].name) == 0) return rows[i].periods;
  return 252;
}

// An argument may be a number or a series: a series is taken off here, and 0 is left.
static double per_period(const json_t *all, const json_t *arguments, const char *key, struct series *r) {
  const json_t *v = json_object_get(arguments, key);
  if (!json_is_string(v)) return v ? number(v) : 0;
  static struct series other;
  series_read(all, v, &other);
  assert_int_equal(other.count, r->count);
  for (size_t i = 0; i < r->count; i++) r->values[i] -= other.values[i];
  return 0;
}

static double one_figure(const char *fn, const struct series *r, const struct series *b, double rate, double required, double periods) {
  const double *v = r->values;
  size_t n = r->count;
  static double sorted[4096];
#define CASE(name, value) if (strcmp(fn, name) == 0) return value
  CASE("cum_returns_final", hd_series_total(v, n));
  CASE("max_drawdown", hd_series_drawdown(v, n));
  CASE("annual_return", hd_series_annual(v, n, periods));
  CASE("cagr", hd_series_cagr(1 + hd_series_total(v, n), (double)n / periods));
  CASE("annual_volatility", hd_series_volatility(v, n, periods));
  CASE("calmar_ratio", hd_series_calmar(v, n, periods));
  CASE("omega_ratio", hd_series_omega(v, n, rate + pow(1 + required, 1 / periods) - 1)); // the case names it per year
  CASE("sharpe_ratio", hd_series_sharpe(v, n, rate, periods));
  CASE("sortino_ratio", hd_series_sortino(v, n, required, periods));
  CASE("downside_risk", hd_series_downside(v, n, required, periods));
  CASE("stability_of_timeseries", hd_series_stability(v, n));
  CASE("tail_ratio", hd_series_tail_ratio(sorted, hd_series_sort(v, n, sorted)));
  CASE("value_at_risk", hd_series_var(sorted, hd_series_sort(v, n, sorted), 0.05));
  CASE("conditional_value_at_risk", hd_series_cvar(sorted, hd_series_sort(v, n, sorted), 0.05));
  CASE("value_at_risk cutoff=0.01", hd_series_var(sorted, hd_series_sort(v, n, sorted), 0.01));
  CASE("conditional_value_at_risk cutoff=0.01", hd_series_cvar(sorted, hd_series_sort(v, n, sorted), 0.01));
  CASE("sharpe_ratio rf=0.0001", hd_series_sharpe(v, n, 0.0001, periods));
  CASE("excess_sharpe", hd_series_excess_sharpe(v, b->values, n));
  CASE("alpha", hd_series_alpha(v, b->values, n, rate, periods));
  CASE("beta", hd_series_beta(v, b->values, n));
  CASE("capture", hd_series_capture(v, b->values, n, periods));
  CASE("up_capture", hd_series_capture_side(v, b->values, n, 1, periods));
  CASE("down_capture", hd_series_capture_side(v, b->values, n, -1, periods));
#undef CASE
  fail_msg("the vectors have a figure \"%s\" that is not tested", fn);
  return NAN;
}

// The benchmark: a series, of which the last periods are the same as ours, or a number that stands for all of them.
static void benchmark_read(const json_t *all, const json_t *arguments, struct series *r, struct series *b) {
  const json_t *v = json_object_get(arguments, "factor_returns");
  b->count = r->count;
  for (size_t i = 0; i < b->count; i++) b->values[i] = number(v);
  if (!json_is_string(v)) return;
  series_read(all, v, b);
  size_t common = r->count < b->count ? r->count : b->count;
  memmove(r->values, r->values + (r->count - common), common * sizeof(double));
  memmove(b->values, b->values + (b->count - common), common * sizeof(double));
  r->count = b->count = common;
}

static void published_case(const json_t *all, const json_t *c) {
  static struct series r, b;
  const char *fn = json_string_value(json_object_get(c, "fn"));
  const json_t *arguments = json_object_get(c, "args"), *expected = json_object_get(c, "recomputed");
  if (!expected) expected = json_object_get(c, "expected");
  series_read(all, json_object_get(c, "returns"), &r);
  if (strcmp(fn, "cum_returns") == 0) { // growth so far, one per period
    double start = json_number_value(json_object_get(arguments, "starting_value"));
    // A first value that is missing is the day of the start: the published series begins with it.
    for (size_t i = 0; i < json_array_size(expected); i++)
      near((1 + hd_series_total(r.values, i + 1)) * start, number(json_array_get(expected, i)));
    assert_int_equal(json_array_size(expected), r.count);
    return;
  }
  benchmark_read(all, arguments, &r, &b);
  double rate = per_period(all, arguments, "risk_free", &r), required = per_period(all, arguments, "required_return", &r);
  double periods = periods_of(arguments);
  if (strcmp(fn, "alpha_beta") == 0) {
    near(one_figure("alpha", &r, &b, rate, required, periods), number(json_array_get(expected, 0)));
    near(one_figure("beta", &r, &b, rate, required, periods), number(json_array_get(expected, 1)));
    return;
  }
  near(one_figure(fn, &r, &b, rate, required, periods), number(expected));
}

static void published(void **state) {
  (void)state;
  if (!shared()) skip();
  json_t *root = load("empyrical_published.json"), *c;
  const json_t *all = json_object_get(root, "series");
  size_t i;
  json_array_foreach(json_object_get(root, "cases"), i, c) {
    char *text = json_dumps(c, JSON_COMPACT);
    print_message("%s\n", text);
    free(text);
    published_case(all, c);
  }
  assert_true(i > 0);
  json_decref(root);
}

// Daily closes of two LEAN files on the days that both have, as `close,close` lines.
static size_t closes_read(const char *symbol, const char *benchmark, const char *first, const char *last, double *a, double *b) {
  static const char program[] =
      "import sys, zipfile\n"
      "def closes(symbol):\n"
      "  z = zipfile.ZipFile(sys.argv[1] + '/data/lean/equity/usa/daily/' + symbol + '.zip')\n"
      "  text = z.read(z.namelist()[0]).decode().splitlines()\n"
      "  return {l[:8]: int(l.split(',')[4]) for l in text if l}\n"
      "a, b = closes(sys.argv[2]), closes(sys.argv[3])\n"
      "for day in sorted(set(a) & set(b)):\n"
      "  if sys.argv[4] <= day <= sys.argv[5]: print(a[day], b[day])\n";
  char command[2048];
  snprintf(command, sizeof command, "python3 -c \"%s\" '%s' %s %s %s %s", program, shared(), symbol, benchmark, first, last);
  FILE *f = popen(command, "r");
  assert_non_null(f);
  size_t n = 0;
  while (n < 4096 && fscanf(f, "%lf %lf", &a[n], &b[n]) == 2) n++;
  assert_int_equal(pclose(f), 0);
  return n;
}

static void real_days(void **state) {
  (void)state;
  if (!shared()) skip();
  static double a[4096], b[4096];
  static struct series r, other;
  json_t *root = load("empyrical_on_real_daily.json"), *c, *expected;
  size_t i;
  json_array_foreach(root, i, c) {
#define TEXT(key) json_string_value(json_object_get(c, key))
    size_t n = closes_read(TEXT("symbol"), TEXT("benchmark"), TEXT("first_day"), TEXT("last_day"), a, b);
    assert_int_equal(n, json_integer_value(json_object_get(c, "n_returns")) + 1);
    hd_series_returns(a, n, r.values);
    hd_series_returns(b, n, other.values);
    r.count = other.count = n - 1;
    const char *fn;
    json_object_foreach(json_object_get(c, "expected"), fn, expected) {
      print_message("%s %s\n", TEXT("symbol"), fn);
      near(one_figure(fn, &r, &other, 0, 0, 252), number(expected));
    }
#undef TEXT
  }
  assert_true(i > 0);
  json_decref(root);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_hand), cmocka_unit_test(undefined), cmocka_unit_test(returns), cmocka_unit_test(drawdowns),
      cmocka_unit_test(published), cmocka_unit_test(real_days),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
