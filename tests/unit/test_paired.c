// Promise: the paired statistics are what their definitions say (vectors of a slow reference in Python, tests/data/paired.txt), the same
// for the same seed, and they keep their word: in 1,000 seeded runs without a difference the sequential test, looked at after every
// period, errs no more often than it says (with a bound for chance that is itself passed once in 10,000 tests), for differences that are
// normal, correlated, heavy-tailed, skewed, of changing size, or mostly zero; and a difference that is there is found.
#include "support/test.h"

#include <math.h>

#include "base/paired.h"

#define RUNS 1000
#define ALPHA 0.05
#define PERIODS 500

// ---- against the reference -------------------------------------------------------------------------------------------------------

static void close_to(double found, double expected, const char *what, unsigned seed) {
  if (fabs(found - expected) <= 1e-7 * fmax(1e-6, fabs(expected))) return;
  fail_msg("case %u: %s: expected %.12g, found %.12g", seed, what, expected, found);
}

static double *read_series(FILE *f, size_t n) {
  double *d = calloc(n, sizeof *d);
  assert_non_null(d);
  for (size_t i = 0; i < n; i++) assert_int_equal(fscanf(f, "%lf", &d[i]), 1);
  return d;
}

static void check_bootstrap(FILE *f, const double *d, size_t n, unsigned seed, unsigned resamples) {
  double block, mean, error, low, high, p;
  assert_int_equal(fscanf(f, " bootstrap %lf %lf %lf %lf %lf %lf", &block, &mean, &error, &low, &high, &p), 6);
  const struct hd_paired_options options = {.alpha = ALPHA, .resamples = resamples, .seed = seed};
  struct hd_paired out, again;
  assert_true(hd_paired_bootstrap(d, n, &options, &out));
  close_to(out.block, block, "block", seed);
  close_to(out.mean, mean, "mean", seed);
  close_to(out.error, error, "error", seed);
  close_to(out.low, low, "low", seed);
  close_to(out.high, high, "high", seed);
  close_to(out.p, p, "p", seed);
  assert_true(hd_paired_bootstrap(d, n, &options, &again));
  assert_memory_equal(&out, &again, sizeof out);
}

static void check_sequential(FILE *f, const double *d, size_t n, unsigned seed) {
  double warm, block, blocks, better, worse, better_max, worse_max, better_at, worse_at;
  assert_int_equal(fscanf(f, " sequential %lf %lf %lf %lf %lf %lf %lf %lf %lf", &warm, &block, &blocks, &better, &worse, &better_max, &worse_max,
                          &better_at, &worse_at), 9);
  struct hd_sequential s;
  hd_paired_sequential(d, n, ALPHA, &s);
  close_to((double)s.warm, warm, "warm", seed);
  close_to(s.block, block, "block of the test", seed);
  close_to(s.blocks, blocks, "blocks", seed);
  close_to(s.better, better, "better", seed);
  close_to(s.worse, worse, "worse", seed);
  close_to(s.better_max, better_max, "better_max", seed);
  close_to(s.worse_max, worse_max, "worse_max", seed);
  close_to((double)s.better_at, better_at, "better_at", seed);
  close_to((double)s.worse_at, worse_at, "worse_at", seed);
}

static void reference(void **state) {
  (void)state;
  char path[512];
  snprintf(path, sizeof path, "%s/tests/data/paired.txt", getenv("HADRON_SOURCE_DIR"));
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  unsigned seed, n, resamples, cases = 0;
  while (fscanf(f, " case %u %u %u %*s", &seed, &n, &resamples) == 3) {
    double *d = read_series(f, n);
    check_bootstrap(f, d, n, seed, resamples);
    check_sequential(f, d, n, seed);
    free(d);
    cases++;
  }
  fclose(f);
  assert_int_equal(cases, 13);
}

// ---- what it does with little or odd data ----------------------------------------------------------------------------------------

static void too_little(void **state) {
  (void)state;
  double d[HD_PAIRED_MIN];
  struct hd_paired p;
  struct hd_sequential s;
  const struct hd_paired_options options = {.alpha = ALPHA, .resamples = 99, .seed = 1};
  for (size_t i = 0; i < HD_PAIRED_MIN; i++) d[i] = 1;
  assert_false(hd_paired_bootstrap(d, 0, &options, &p));
  assert_true(isnan(p.mean) && isnan(p.p));
  assert_false(hd_paired_bootstrap(d, HD_PAIRED_MIN - 1, &options, &p));
  assert_true(p.mean == 1 && isnan(p.p) && isnan(p.low));
  assert_true(hd_paired_bootstrap(d, HD_PAIRED_MIN, &options, &p)); // all the same: no error at all
  assert_true(p.mean == 1 && p.low == 1 && p.high == 1 && p.error == 0);
  hd_paired_sequential(d, 0, ALPHA, &s);
  assert_true(s.blocks == 0 && s.p_better == 1 && s.p_worse == 1);
  hd_paired_sequential(d, HD_PAIRED_MIN, ALPHA, &s); // used up for the scale
  assert_true(s.blocks == 0 && s.warm == HD_PAIRED_MIN);
  assert_int_equal(hd_paired_needed(&p, &s, ALPHA), 0);
}

// What was seen up to a period does not change with what comes later: else it would not be the same test that one may stop.
static void no_hindsight(void **state) {
  (void)state;
  struct hd_random r = test_random();
  double d[PERIODS];
  struct hd_sequential s, before = {.better_max = 1, .worse_max = 1};
  for (size_t i = 0; i < PERIODS; i++) d[i] = hd_random_unit(&r) - 0.45;
  for (size_t n = 0; n <= PERIODS; n++) {
    hd_paired_sequential(d, n, ALPHA, &s);
    assert_true(s.better_max >= before.better_max && s.worse_max >= before.worse_max);
    if (before.better_at) assert_int_equal(s.better_at, before.better_at);
    if (s.better_at && !before.better_at) assert_true(s.better_at <= n);
    before = s;
  }
}

// ---- error rates -----------------------------------------------------------------------------------------------------------------

static double normal(struct hd_random *r) {
  double u = 1 - hd_random_unit(r), v = hd_random_unit(r);
  return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}
static double heavy(struct hd_random *r) { // Student's t with three degrees: variance, but no third moment
  double x = normal(r), squares = 0;
  for (int i = 0; i < 3; i++) {
    double y = normal(r);
    squares += y * y;
  }
  return x / sqrt(squares / 3);
}
static double lottery(struct hd_random *r) { return hd_random_unit(r) < 0.1 ? 9 : -1; }
static double sparse(struct hd_random *r) { return hd_random_unit(r) < 0.8 ? 0 : normal(r); }

static const struct kind {
  const char *name;
  double (*draw)(struct hd_random *);
  double memory;   // of the one before
  double clusters; // how much of its variance comes from the last one's size
} kinds[] = {{"normal", normal, 0, 0},     {"correlated 0.5", normal, 0.5, 0}, {"correlated 0.8", normal, 0.8, 0}, {"alternating", normal, -0.4, 0},
             {"heavy-tailed", heavy, 0, 0}, {"heavy-tailed, correlated", heavy, 0.5, 0}, {"skewed", lottery, 0, 0},
             {"clustered", normal, 0, 0.15},     {"mostly zero", sparse, 0, 0}};

static void fill(const struct kind *k, struct hd_random *r, double shift, double *d, size_t n) {
  double x = 0, variance = 1;
  for (size_t i = 0; i < n + 100; i++) { // the first hundred are forgotten
    double e = k->draw(r) * sqrt(variance);
    if (k->clusters > 0) variance = 0.05 + 0.8 * variance + k->clusters * e * e;
    x = k->memory * x + e;
    if (i >= 100) d[i - 100] = x + shift;
  }
}

// So many errors in RUNS runs of probability `rate` are passed with a probability of less than 1 in 10,000.
static unsigned bound(double rate) { return (unsigned)ceil(RUNS * rate + 3.72 * sqrt(RUNS * rate * (1 - rate))); }

static void null_runs(void **state) {
  (void)state;
  static double d[PERIODS];
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    unsigned better = 0, worse = 0, promoted = 0, outside = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
      struct hd_random r;
      hd_random_init(&r, run * 1000 + k + 1);
      fill(&kinds[k], &r, 0, d, PERIODS);
      const struct hd_paired_options options = {.alpha = ALPHA, .resamples = 199, .seed = run};
      struct hd_paired p;
      struct hd_sequential s;
      assert_true(hd_paired_bootstrap(d, PERIODS, &options, &p));
      hd_paired_sequential(d, PERIODS, ALPHA, &s);
      better += s.better_at > 0;
      worse += s.worse_at > 0;
      promoted += s.better_at > 0 && p.low > 0;
      outside += p.low > 0 || p.high < 0;
    }
    printf("%-26s %4d runs: %3u called better, %3u worse, %3u promoted; the interval misses %3u times\n", kinds[k].name, RUNS, better, worse, promoted,
           outside);
    assert_true(better <= bound(ALPHA) && worse <= bound(ALPHA) && promoted <= bound(ALPHA));
    assert_true(outside <= bound(0.10)); // an interval for large samples: docs/ab.md says by how much it can be too narrow
  }
}

static void power(void **state) {
  (void)state;
  static double d[PERIODS];
  unsigned found = 0, wrong = 0;
  for (uint64_t run = 0; run < 200; run++) {
    struct hd_random r;
    hd_random_init(&r, run + 77);
    fill(&kinds[0], &r, 0.3, d, PERIODS); // a yearly Sharpe ratio of the difference of 4.8 in daily samples
    struct hd_sequential s;
    hd_paired_sequential(d, PERIODS, ALPHA, &s);
    found += s.better_at > 0;
    wrong += s.worse_at > 0;
  }
  printf("a mean of 0.3 deviations, %d periods: found in %u of 200 runs\n", PERIODS, found);
  assert_true(found >= 195 && wrong == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(reference), cmocka_unit_test(too_little), cmocka_unit_test(no_hindsight),
                                     cmocka_unit_test(null_runs), cmocka_unit_test(power)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
