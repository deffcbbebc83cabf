// Is one series of paired differences (one per period, in their order) more than chance? Two answers, each a pure function: the same
// differences and the same seed give the same numbers on every machine. docs/ab.md says what they mean and what they assume. [any]
//
//   hd_paired_bootstrap    how large is the mean difference, for a sample of a size that was fixed beforehand: interval and p-value by a
//                          circular block bootstrap of the studentised mean
//   hd_paired_sequential   may one stop now? A test that may be looked at after every period and still errs no more often than alpha
//
// Block length: Politis and White, "Automatic Block-Length Selection for the Dependent Bootstrap", Econometric Reviews 23 (2004), as
//   corrected by Patton, Politis and White, Econometric Reviews 28 (2009).
// Bootstrap: Politis and Romano, "A circular block-resampling procedure for stationary data" (1992); studentised by the resample's
//   own blocks: Goetze and Kuensch, "Second-order correctness of the blockwise bootstrap for stationary observations", Annals of
//   Statistics 24 (1996).
// Sequential test: the self-normalised supermartingale of de la Pena, "A General Class of Exponential Inequalities for Martingales and
//   Ratios", Annals of Probability 27 (1999); mixed over its free parameter as Robbins, "Statistical Methods Related to the Law of the
//   Iterated Logarithm", Annals of Mathematical Statistics 41 (1970); stopping at 1/alpha by Ville's inequality, as in Johari, Koomen,
//   Pekelis and Walsh, "Always Valid Inference" (2022) and Ramdas, Gruenwald, Vovk and Shafer, "Game-Theoretic Statistics and Safe
//   Anytime-Valid Inference", Statistical Science 38 (2023).
#ifndef HD_BASE_PAIRED_H
#define HD_BASE_PAIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HD_PAIRED_MIN 20 // differences, and differences that are not zero, below which nothing is said

struct hd_paired_options {
  double alpha;        // of the interval: 0.05 gives one of 95 %
  uint32_t resamples;  // 9,999
  uint32_t block;      // 0: by the rule
  uint64_t seed;
};

struct hd_paired {
  size_t count;        // differences
  uint32_t block;      // length used
  uint32_t resamples;
  double mean, error;  // of the differences; standard error of the mean by their blocks
  double low, high;    // interval of the mean
  double p;            // two-sided, of "the mean is zero"
};

// The rule's length of a block, in [1, min(3 sqrt(n), n / 3)], rounded up; 1 for less than HD_PAIRED_MIN differences.
uint32_t hd_paired_block(const double *d, size_t n);

// False: fewer than HD_PAIRED_MIN differences, or no memory; *out holds count and mean then, and NaN for the rest.
bool hd_paired_bootstrap(const double *d, size_t n, const struct hd_paired_options *options, struct hd_paired *out);

// How the test stands after the last difference, and the most that it has ever shown: that counts, for one could have stopped there.
struct hd_sequential {
  size_t count;            // differences
  size_t warm;             // of them, the first ones: they set scale and block and prove nothing
  uint32_t block, blocks;  // present length; blocks that were counted
  double better, worse;    // e-values now, of "the mean is above" and "below zero"
  double better_max, worse_max; // their highest so far: 1 / alpha is proof at level alpha
  double p_better, p_worse; // always-valid p-values: 1 / highest, at most 1
  size_t better_at, worse_at;   // differences seen when 1 / alpha was reached; 0: not yet
};
void hd_paired_sequential(const double *d, size_t n, double alpha, struct hd_sequential *out);

// How many more differences like these (same mean, same error) the sequential test would need, about; 0: not to be told.
uint64_t hd_paired_needed(const struct hd_paired *p, const struct hd_sequential *s, double alpha);

#endif
