// Seeded pseudo-random numbers (xoshiro256**, seeded by splitmix64; Blackman and Vigna, https://prng.di.unimi.it). The same seed
// gives the same stream on every machine. Not for keys. [any]
#ifndef HD_BASE_RANDOM_H
#define HD_BASE_RANDOM_H

#include <stdint.h>

struct hd_random {
  uint64_t state[4];
};

static inline uint64_t hd_random_mix(uint64_t x) {
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static inline void hd_random_init(struct hd_random *r, uint64_t seed) {
  for (int i = 0; i < 4; i++) r->state[i] = hd_random_mix(seed + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t hd_random_next(struct hd_random *r) {
  uint64_t *s = r->state, x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
  s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
  s[3] = (s[3] << 45) | (s[3] >> 19);
  return result;
}

// Uniform in [0, n), n > 0.
static inline uint64_t hd_random_below(struct hd_random *r, uint64_t n) {
  return (uint64_t)(((unsigned __int128)hd_random_next(r) * n) >> 64);
}

// Uniform in [0, 1).
static inline double hd_random_unit(struct hd_random *r) { return (double)(hd_random_next(r) >> 11) * 0x1.0p-53; }

#endif
