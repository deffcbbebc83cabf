#include "base/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/banned.h"

#define TAIL 0.05
#define VARIANCE_MIN 1e-30 // of a benchmark: below it there is nothing to relate to

// Mean of what is not missing; *count says how many that are.
//
// Deviations are summed from the first value: equal values then have exactly that mean, and a deviation of exactly 0.
static double series_mean(const double *r, size_t n, size_t *count) {
  double first = NAN, sum = 0;
  *count = 0;
  for (size_t i = 0; i < n; i++) {
    if (isnan(r[i])) continue;
    if (*count == 0) first = r[i];
    sum += r[i] - first;
    ++*count;
  }
  return *count ? first + sum / (double)*count : NAN;
}

static double series_deviation(const double *r, size_t n) {
  size_t count;
  double mean = series_mean(r, n, &count), sum = 0;
  if (count < 2) return NAN;
  for (size_t i = 0; i < n; i++)
    if (!isnan(r[i])) sum += (r[i] - mean) * (r[i] - mean);
  return sqrt(sum / (double)(count - 1));
}

static double growth(const double *r, size_t n) {
  double product = 1;
  for (size_t i = 0; i < n; i++)
    if (!isnan(r[i])) product *= 1 + r[i];
  return product;
}

void hd_series_returns(const double *values, size_t count, double *to) {
  for (size_t i = 0; i + 1 < count; i++) to[i] = values[i] > 0 && values[i + 1] > 0 ? values[i + 1] / values[i] - 1 : NAN;
}

double hd_series_total(const double *r, size_t n) { return n ? growth(r, n) - 1 : NAN; }

double hd_series_cagr(double factor, double years) {
  return factor >= 0 && years > 0 ? pow(factor, 1 / years) - 1 : NAN;
}

double hd_series_annual(const double *r, size_t n, double periods) {
  return n ? hd_series_cagr(growth(r, n), (double)n / periods) : NAN;
}

double hd_series_volatility(const double *r, size_t n, double periods) { return series_deviation(r, n) * sqrt(periods); }

double hd_series_sharpe(const double *r, size_t n, double risk_free, double periods) {
  size_t count;
  double mean = series_mean(r, n, &count), deviation = series_deviation(r, n);
  return count < 2 ? NAN : (mean - risk_free) / deviation * sqrt(periods);
}

double hd_series_downside(const double *r, size_t n, double required, double periods) {
  double sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (isnan(r[i])) continue;
    double below = fmin(r[i] - required, 0);
    sum += below * below;
    count++;
  }
  return count ? sqrt(sum / (double)count) * sqrt(periods) : NAN;
}

double hd_series_sortino(const double *r, size_t n, double required, double periods) {
  size_t count;
  double mean = series_mean(r, n, &count);
  return n < 2 || count < 1 ? NAN : (mean - required) * periods / hd_series_downside(r, n, required, periods);
}

double hd_series_drawdown(const double *r, size_t n) {
  double value = 1, peak = 1, deepest = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isnan(r[i])) value *= 1 + r[i];
    peak = fmax(peak, value);
    deepest = fmin(deepest, value / peak - 1);
  }
  return n ? deepest : NAN;
}

double hd_series_calmar(const double *r, size_t n, double periods) {
  double drawdown = hd_series_drawdown(r, n);
  return drawdown < 0 ? hd_series_annual(r, n, periods) / -drawdown : NAN;
}

double hd_series_omega(const double *r, size_t n, double threshold) {
  double above = 0, below = 0;
  for (size_t i = 0; i < n; i++) {
    above += fmax(r[i] - threshold, 0); // fmax of a NaN and 0 is 0: a missing return adds nothing
    below += fmax(threshold - r[i], 0);
  }
  return n >= 2 && below > 0 ? above / below : NAN;
}

double hd_series_stability(const double *r, size_t n) {
  size_t count = 0;
  double level = 0, mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < n; i++) { // running means and products: one pass, no difference of large sums
    if (isnan(r[i])) continue;
    level += log1p(r[i]);
    double x = (double)count++, dx = x - mean_x, dy = level - mean_y;
    mean_x += dx / (double)count;
    mean_y += dy / (double)count;
    xx += dx * (x - mean_x);
    yy += dy * (level - mean_y);
    xy += dx * (level - mean_y);
  }
  return count >= 2 ? xy * xy / (xx * yy) : NAN;
}

double hd_series_excess_sharpe(const double *r, const double *benchmark, size_t n) {
  double mean = 0, first = NAN, squares = 0;
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    double d = r[i] - benchmark[i];
    if (isnan(d)) continue;
    if (count++ == 0) first = d;
    double from_mean = d - first - mean;
    mean += from_mean / (double)count;
    squares += from_mean * (d - first - mean);
  }
  return count >= 2 ? (first + mean) / sqrt(squares / (double)(count - 1)) : NAN;
}

double hd_series_beta(const double *r, const double *benchmark, size_t n) {
  double mean_r = 0, mean_b = 0, variance = 0, covariance = 0;
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (isnan(r[i]) || isnan(benchmark[i])) continue;
    count++;
    double dr = r[i] - mean_r, db = benchmark[i] - mean_b;
    mean_r += dr / (double)count;
    mean_b += db / (double)count;
    variance += db * (benchmark[i] - mean_b);
    covariance += dr * (benchmark[i] - mean_b);
  }
  return count >= 2 && variance / (double)count >= VARIANCE_MIN ? covariance / variance : NAN;
}

double hd_series_alpha(const double *r, const double *benchmark, size_t n, double risk_free, double periods) {
  double beta = hd_series_beta(r, benchmark, n), sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    double own = r[i] - risk_free - beta * (benchmark[i] - risk_free);
    if (isnan(own)) continue;
    sum += own;
    count++;
  }
  return count >= 2 ? pow(1 + sum / (double)count, periods) - 1 : NAN;
}

double hd_series_capture(const double *r, const double *benchmark, size_t n, double periods) {
  return hd_series_annual(r, n, periods) / hd_series_annual(benchmark, n, periods);
}

double hd_series_capture_side(const double *r, const double *benchmark, size_t n, int sign, double periods) {
  HD_ASSERT(sign == 1 || sign == -1);
  double own = 1, other = 1;
  size_t count = 0;
  for (size_t i = 0; i < n; i++) {
    if (!(benchmark[i] * sign > 0)) continue;
    if (!isnan(r[i])) own *= 1 + r[i];
    other *= 1 + benchmark[i];
    count++;
  }
  double years = (double)count / periods;
  return hd_series_cagr(own, years) / hd_series_cagr(other, years);
}

static int double_order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

size_t hd_series_sort(const double *r, size_t n, double *sorted) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    if (!isnan(r[i])) sorted[count++] = r[i];
  if (count) qsort(sorted, count, sizeof *sorted, double_order);
  return count;
}

double hd_series_quantile(const double *sorted, size_t n, double q) {
  HD_ASSERT(q >= 0 && q <= 1);
  if (n == 0) return NAN;
  double at = q * (double)(n - 1), below = floor(at);
  size_t i = (size_t)below;
  return i + 1 < n ? sorted[i] + (sorted[i + 1] - sorted[i]) * (at - below) : sorted[i];
}

double hd_series_tail_ratio(const double *sorted, size_t n) {
  return fabs(hd_series_quantile(sorted, n, 1 - TAIL)) / fabs(hd_series_quantile(sorted, n, TAIL));
}

double hd_series_var(const double *sorted, size_t n, double cutoff) { return hd_series_quantile(sorted, n, cutoff); }

double hd_series_cvar(const double *sorted, size_t n, double cutoff) {
  HD_ASSERT(cutoff > 0 && cutoff <= 1);
  if (n == 0) return NAN;
  size_t lowest = (size_t)((double)(n - 1) * cutoff) + 1;
  double sum = 0;
  for (size_t i = 0; i < lowest; i++) sum += sorted[i];
  return sum / (double)lowest;
}

bool hd_drawdown_find(const double *values, size_t count, struct hd_drawdown *out) {
  struct hd_drawdown deepest = {.recovery = count};
  size_t peak = 0;
  for (size_t i = 1; i < count; i++) {
    if (values[i] >= values[peak]) { // the latest of equal peaks: from there it fell
      if (deepest.depth < 0 && deepest.peak == peak && deepest.recovery == count) deepest.recovery = i;
      peak = i;
      continue;
    }
    double depth = values[peak] > 0 ? values[i] / values[peak] - 1 : 0;
    if (depth < deepest.depth) deepest = (struct hd_drawdown){depth, peak, i, count};
  }
  *out = deepest;
  return deepest.depth < 0;
}
