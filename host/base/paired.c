#include "base/paired.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/random.h"

// ---- block length ----------------------------------------------------------------------------------------------------------------

// From the first value on: equal values have exactly that mean, and no deviation from it.
static double mean_of(const double *d, size_t n) {
  double sum = 0;
  for (size_t i = 1; i < n; i++) sum += d[i] - d[0];
  return d[0] + sum / (double)n;
}

static double autocovariance(const double *d, size_t n, double mean, size_t lag) {
  double sum = 0;
  for (size_t i = lag; i < n; i++) sum += (d[i] - mean) * (d[i - lag] - mean);
  return sum / (double)n;
}

// The first lag behind which `quiet` correlations in a row are too small to be told from none; where there is no such place, the last
// lag whose correlation stands out.
static size_t last_correlated(const double *d, size_t n, double mean, size_t most, size_t quiet) {
  double variance = autocovariance(d, n, mean, 0), bound = 2 * sqrt(log10((double)n) / (double)n);
  size_t run = 0, last = 0;
  for (size_t lag = 1; lag <= most; lag++) {
    if (fabs(autocovariance(d, n, mean, lag)) < bound * variance) {
      if (++run == quiet) return lag - quiet;
      continue;
    }
    run = 0;
    last = lag;
  }
  return last;
}

// A window that is flat around zero (Politis and Romano 1995).
static double flat_top(double x) { return x <= 0.5 ? 1 : x <= 1 ? 2 * (1 - x) : 0; }

uint32_t hd_paired_block(const double *d, size_t n) {
  if (n < HD_PAIRED_MIN) return 1;
  double mean = mean_of(d, n), variance = autocovariance(d, n, mean, 0);
  if (!(variance > 0)) return 1;
  double root = sqrt((double)n);
  size_t quiet = (size_t)fmax(5, ceil(sqrt(log10((double)n)))), most = (size_t)ceil(root) + quiet;
  size_t width = 2 * last_correlated(d, n, mean, most < n - 1 ? most : n - 1, quiet);
  if (width == 0) return 1; // no correlation to keep
  if (width > most) width = most;
  double spectrum = variance, slope = 0; // at frequency zero
  for (size_t lag = 1; lag <= width && lag < n; lag++) {
    double term = 2 * flat_top((double)lag / (double)width) * autocovariance(d, n, mean, lag);
    spectrum += term;
    slope += (double)lag * term;
  }
  double longest = ceil(fmin(3 * root, (double)n / 3));
  if (!(spectrum > 0)) return (uint32_t)longest;
  double length = cbrt(2 * slope * slope / (4.0 / 3 * spectrum * spectrum)) * cbrt((double)n);
  return (uint32_t)fmax(1, fmin(ceil(length), longest));
}

// ---- bootstrap -------------------------------------------------------------------------------------------------------------------

// means[i]: of the block that starts at i; behind the last difference comes the first.
static void block_means(const double *d, size_t n, uint32_t block, double *means) {
  for (size_t i = 0; i < n; i++) {
    double sum = 0;
    for (uint32_t k = 1; k < block; k++) sum += d[(i + k) % n] - d[i];
    means[i] = d[i] + sum / block;
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// |t| of one resample of `blocks` blocks.
static double resample_t(const double *means, size_t n, size_t blocks, double mean, struct hd_random *random) {
  double sum = 0, squares = 0;
  for (size_t k = 0; k < blocks; k++) {
    double deviation = means[hd_random_below(random, n)] - mean;
    sum += deviation;
    squares += deviation * deviation;
  }
  double shift = sum / (double)blocks, variance = (squares / (double)blocks - shift * shift) / (double)(blocks - 1);
  if (variance > 0) return fabs(shift) / sqrt(variance);
  return shift == 0 ? 0 : INFINITY; // the same block over and over: it says nothing against the difference
}

bool hd_paired_bootstrap(const double *d, size_t n, const struct hd_paired_options *options, struct hd_paired *out) {
  HD_ASSERT(options->alpha > 0 && options->alpha < 1 && options->resamples > 0);
  *out = (struct hd_paired){.count = n, .mean = n ? mean_of(d, n) : NAN, .error = NAN, .low = NAN, .high = NAN, .p = NAN};
  if (n < HD_PAIRED_MIN) return false;
  uint32_t block = options->block ? options->block : hd_paired_block(d, n);
  if (block > n / 2) block = (uint32_t)(n / 2);
  size_t blocks = (n + block - 1) / block;
  double *means = calloc(n, sizeof *means), *t = calloc(options->resamples, sizeof *t), squares = 0;
  if (!means || !t) {
    free(means);
    free(t);
    return false;
  }
  block_means(d, n, block, means);
  for (size_t i = 0; i < n; i++) squares += (means[i] - out->mean) * (means[i] - out->mean);
  out->block = block;
  out->resamples = options->resamples;
  out->error = sqrt(squares / (double)n / (double)(blocks - 1));
  struct hd_random random;
  hd_random_init(&random, options->seed);
  double found = out->error > 0 ? fabs(out->mean) / out->error : out->mean == 0 ? 0 : INFINITY;
  uint32_t beyond = 0;
  for (uint32_t i = 0; i < options->resamples; i++) {
    t[i] = resample_t(means, n, blocks, out->mean, &random);
    beyond += t[i] >= found;
  }
  qsort(t, options->resamples, sizeof *t, ascending);
  double rank = ceil((1 - options->alpha) * (options->resamples + 1.0));
  double width = out->error > 0 ? t[(uint32_t)fmin(rank, options->resamples) - 1] * out->error : 0;
  out->low = out->mean - width;
  out->high = out->mean + width;
  out->p = (1.0 + beyond) / (1.0 + options->resamples);
  free(means);
  free(t);
  return true;
}

// ---- sequential test -------------------------------------------------------------------------------------------------------------
//
// x_1, x_2, ...: sums of blocks of differences, each divided by a scale that the blocks before it set, so that it is known before x_i
// is. If x_i given the past is as likely to be x as -x, then for every k
//     exp(k S - k^2 Q / 2),  S = sum x_i,  Q = sum x_i^2
// is a supermartingale that begins at 1 (de la Pena 1999): no moment of x_i need exist, and no variance is estimated. The mean of it over
// k, half-normal with precision RHO, is one as well, and by Ville's inequality reaches 1 / alpha with a probability of at most alpha,
// whenever one looks. Without that symmetry it holds in the limit, as the central limit theorem does.
//
// Blocks carry most of what neighbours share. What is left between one block and the next is put into Q, never taken out of it: the
// expression only gets smaller by that, and what was a bound stays one.

#define RHO 8.0           // precision of k: the test is sharpest around 8 * 8 blocks
#define BLOCK_MIN 4       // differences
#define EXPONENT_MAX 700  // beyond it a double ends; it is proof many times over

struct sequence {
  double sum, squares, cross, last; // of the scaled blocks
  double raw;                       // squares of the blocks, unscaled
  size_t raw_count;
};

// Mean over k > 0 of exp(k S - k^2 V / 2).
static double mixture(double sum, double spread) {
  double z = sum / sqrt(spread + RHO), exponent = fmin(z * z / 2, EXPONENT_MAX);
  // exp(z^2/2) * Phi(z): for z far below zero the product is kept from being 0 * infinity.
  double tail = z > -30 ? exp(exponent) * erfc(-z * M_SQRT1_2) / 2 : 0.3989422804014327 / -z;
  return 2 * sqrt(RHO / (spread + RHO)) * tail;
}

static void sequence_add(struct sequence *q, double block_sum) {
  double scale = sqrt(q->raw / (double)q->raw_count), x = block_sum / scale;
  q->sum += x;
  q->squares += x * x;
  q->cross += x * q->last;
  q->last = x;
  q->raw += block_sum * block_sum;
  q->raw_count++;
}

// How many of the first differences set scale and block: until HD_PAIRED_MIN of them are not zero. n: they never do.
static size_t warm_up(const double *d, size_t n) {
  size_t different = 0;
  for (size_t i = 0; i < n; i++) {
    different += d[i] != 0;
    if (different == HD_PAIRED_MIN) return i + 1;
  }
  return n;
}

static uint32_t sequence_block(const double *d, size_t n) {
  uint32_t block = hd_paired_block(d, n);
  return block < BLOCK_MIN ? BLOCK_MIN : block;
}

static void sequence_look(const struct sequence *q, size_t seen, double alpha, struct hd_sequential *out) {
  double spread = q->squares + 2 * fmax(0, q->cross);
  out->better = mixture(q->sum, spread);
  out->worse = mixture(-q->sum, spread);
  out->better_max = fmax(out->better_max, out->better);
  out->worse_max = fmax(out->worse_max, out->worse);
  if (out->better_at == 0 && out->better >= 1 / alpha) out->better_at = seen;
  if (out->worse_at == 0 && out->worse >= 1 / alpha) out->worse_at = seen;
}

void hd_paired_sequential(const double *d, size_t n, double alpha, struct hd_sequential *out) {
  HD_ASSERT(alpha > 0 && alpha < 1);
  *out = (struct hd_sequential){.count = n, .better = 1, .worse = 1, .better_max = 1, .worse_max = 1, .p_better = 1, .p_worse = 1};
  struct sequence q = {.raw = 0};
  size_t at = out->warm = warm_up(d, n), next = 2 * at;
  if (at == n) return;
  uint32_t block = out->block = sequence_block(d, at);
  for (size_t i = 0; i < at; i++) q.raw += d[i] * d[i];
  q.raw = q.raw / (double)at * block; // what a block of as many independent ones has
  q.raw_count = 1;
  for (; at + block <= n; at += block) {
    if (at >= next) { // from here on by what has been seen up to here
      uint32_t longer = sequence_block(d, at);
      q.raw *= (double)longer / block;
      block = out->block = longer;
      next = 2 * at;
      if (at + block > n) break;
    }
    double sum = 0;
    for (uint32_t k = 0; k < block; k++) sum += d[at + k];
    sequence_add(&q, sum);
    out->blocks++;
    sequence_look(&q, at + block, alpha, out);
  }
  out->p_better = fmin(1, 1 / out->better_max);
  out->p_worse = fmin(1, 1 / out->worse_max);
}

uint64_t hd_paired_needed(const struct hd_paired *p, const struct hd_sequential *s, double alpha) {
  if (!(p->error > 0) || p->mean == 0 || s->block == 0) return 0;
  // Blocks until exp(z^2 / 2) * sqrt(RHO / (V + RHO)) reaches 1 / alpha, where z^2 grows by a fixed amount per block.
  double per_block = p->mean * p->mean / (p->error * p->error) * s->block / (double)p->count;
  for (double blocks = 1; blocks < 1e9; blocks *= 1.05) {
    double spread = blocks * (1 + per_block), exponent = blocks * blocks * per_block / (2 * (spread + RHO));
    if (log(2) + exponent + log(RHO / (spread + RHO)) / 2 < log(1 / alpha)) continue;
    double all = (double)s->warm + blocks * s->block;
    return all > (double)p->count ? (uint64_t)(all - (double)p->count) : 1;
  }
  return 0;
}
