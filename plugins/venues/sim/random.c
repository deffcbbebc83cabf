#include "sim.h"

static uint64_t mix(uint64_t x) {
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

void sim_random_seed(struct sim_random *r, uint64_t seed) {
  for (uint64_t i = 0; i < 4; i++) r->state[i] = mix(seed + i * UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t sim_random_next(struct sim_random *r) {
  uint64_t *s = r->state, x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
  s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
  s[3] = (s[3] << 45) | (s[3] >> 19);
  return result;
}

uint64_t sim_random_below(struct sim_random *r, uint64_t n) {
  __extension__ typedef unsigned __int128 wide;
  return (uint64_t)(((wide)sim_random_next(r) * n) >> 64);
}

double sim_random_unit(struct sim_random *r) { return (double)((sim_random_next(r) >> 11) + 1) * 0x1.0p-53; }

// Sum of four uniform numbers of 16 bits, scaled to variance 1: near enough to a normal one, and never beyond 3.5. The far tails
// come from the regimes of the flow.
double sim_random_normal(struct sim_random *r) {
  uint64_t x = sim_random_next(r);
  double sum = (double)(x & 0xffff) + (double)((x >> 16) & 0xffff) + (double)((x >> 32) & 0xffff) + (double)(x >> 48);
  return (sum / 65535.0 - 2.0) * 1.7320508075688772;
}

// ln x = ln m + e ln 2 with m in [0.7, 1.4], ln m = 2 artanh((m - 1) / (m + 1)).
static double natural_log(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int exponent = (int)((bits >> 52) & 0x7ff) - 1023;
  bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) m /= 2, exponent++;
  double z = (m - 1) / (m + 1), z2 = z * z, sum = 0;
  for (int k = 15; k >= 1; k -= 2) sum = sum * z2 + 1.0 / k;
  return 2 * z * sum + exponent * 0.6931471805599453;
}

double sim_random_exponential(struct sim_random *r) { return -natural_log(sim_random_unit(r)); }

// (1 - x/1024)^1024: within 0.5 % wherever the result matters.
double sim_decay(double x) {
  if (x >= 20) return 0;
  double y = 1 - x / 1024;
  for (int i = 0; i < 10; i++) y *= y;
  return y;
}
