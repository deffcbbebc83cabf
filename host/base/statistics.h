// Statistics of a series of period returns (0.01 = one per cent) and of a series of equity values. Pure functions; what is not defined
// for a series (too short, no loss, no variance) is NaN, and a positive mean without any variance is infinite. A NaN among the returns
// is a missing one: left out of means, counted as 0 where returns are compounded. `periods`: how many of them make a year. [any]
#ifndef HD_BASE_STATISTICS_H
#define HD_BASE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

// Returns between the values: to[i] = values[i + 1] / values[i] - 1; NaN where a value is not positive. to: count - 1.
void hd_series_returns(const double *values, size_t count, double *to);

double hd_series_total(const double *r, size_t n);                  // compounded
double hd_series_annual(const double *r, size_t n, double periods); // compounded, per year
double hd_series_volatility(const double *r, size_t n, double periods); // sample deviation, per year
// risk_free, required: per period.
double hd_series_sharpe(const double *r, size_t n, double risk_free, double periods);
double hd_series_sortino(const double *r, size_t n, double required, double periods);
double hd_series_downside(const double *r, size_t n, double required, double periods); // root of the mean square of shortfalls, over all
double hd_series_drawdown(const double *r, size_t n);               // deepest fall below the highest value so far: <= 0; the start counts
double hd_series_calmar(const double *r, size_t n, double periods); // annual return / |drawdown|
double hd_series_omega(const double *r, size_t n, double threshold); // gains over losses, from the threshold per period
double hd_series_stability(const double *r, size_t n);              // R^2 of the cumulated log returns over time

// From a growth factor (end / start) over so many years.
double hd_series_cagr(double growth, double years);

// Against a benchmark of the same periods.
double hd_series_excess_sharpe(const double *r, const double *benchmark, size_t n); // per period
double hd_series_beta(const double *r, const double *benchmark, size_t n);
double hd_series_alpha(const double *r, const double *benchmark, size_t n, double risk_free, double periods);
double hd_series_capture(const double *r, const double *benchmark, size_t n, double periods);
// Only the periods in which the benchmark rose (sign > 0) or fell (sign < 0).
double hd_series_capture_side(const double *r, const double *benchmark, size_t n, int sign, double periods);

// Copies what is not missing, ascending; returns how many. The functions below take that.
size_t hd_series_sort(const double *r, size_t n, double *sorted);
double hd_series_quantile(const double *sorted, size_t n, double q); // linear between neighbours
double hd_series_tail_ratio(const double *sorted, size_t n);         // |95 %| / |5 %|
double hd_series_var(const double *sorted, size_t n, double cutoff); // cutoff: 0.05
double hd_series_cvar(const double *sorted, size_t n, double cutoff); // mean of the lowest floor((n - 1) cutoff) + 1

// The deepest fall of a series of values (equity), with its places.
struct hd_drawdown {
  double depth;    // <= 0: trough / peak - 1
  size_t peak, trough;
  size_t recovery; // first value at or above the peak again; count: not yet
};
// False: no value, or no fall at all; depth is 0 then, and the places are those of the first value.
bool hd_drawdown_find(const double *values, size_t count, struct hd_drawdown *out);

#endif
