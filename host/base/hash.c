#include "base/hash.h"

#include <mbedtls/sha256.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/hash_paths.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// ---- which path

typedef uint32_t (*crc_path)(uint32_t crc, const void *bytes, size_t size);
typedef void (*sha_path)(uint32_t state[8], const uint8_t *blocks, size_t count);

static uint32_t crc_choose(uint32_t crc, const void *bytes, size_t size);
static void sha_choose(uint32_t state[8], const uint8_t *blocks, size_t count);
// The first call asks the processor and puts its answer here; threads that race write the same answer.
static _Atomic(crc_path) crc_chosen = crc_choose;
static _Atomic(sha_path) sha_chosen = sha_choose;

#if defined(__x86_64__)
#include <cpuid.h>

bool hd_hash_hardware(enum hd_hash_feature feature) {
  unsigned a, b, c, d;
  if (feature == HD_HASH_CRC32C)
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) != 0 && (c & bit_PCLMUL) != 0;
  // The SHA path shuffles with SSSE3 and blends with SSE 4.1.
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_SSSE3) == 0 || (c & bit_SSE4_1) == 0) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29)) != 0;
}
#else
bool hd_hash_hardware(enum hd_hash_feature feature) {
  (void)feature;
  return false;
}
#endif

static uint32_t crc_choose(uint32_t crc, const void *bytes, size_t size) {
  crc_path path = hd_hash_hardware(HD_HASH_CRC32C) ? hd_crc32c_hardware : hd_crc32c_table;
  atomic_store_explicit(&crc_chosen, path, memory_order_relaxed);
  return path(crc, bytes, size);
}

static void sha_choose(uint32_t state[8], const uint8_t *blocks, size_t count) {
  sha_path path = hd_hash_hardware(HD_HASH_SHA256) ? hd_sha256_blocks_hardware : hd_sha256_blocks_library;
  atomic_store_explicit(&sha_chosen, path, memory_order_relaxed);
  path(state, blocks, count);
}

// ---- CRC-32C

#define CRC_POLYNOMIAL UINT32_C(0x82f63b78) // Castagnoli, bits reflected

// tables[n][b]: the checksum of byte b followed by n zero bytes. Filled once by the first caller that needs it; the atomic flag
// publishes it, and two that fill it at the same time write the same numbers.
static _Atomic uint32_t crc_tables[8][256];
static atomic_bool crc_tables_ready;

static uint32_t crc_cell(unsigned n, uint32_t byte) { return atomic_load_explicit(&crc_tables[n][byte], memory_order_relaxed); }

static void crc_fill_tables(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
    atomic_store_explicit(&crc_tables[0][i], crc, memory_order_relaxed);
  }
  for (unsigned n = 1; n < 8; n++)
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t before = crc_cell(n - 1, i);
      atomic_store_explicit(&crc_tables[n][i], (before >> 8) ^ crc_cell(0, before & 0xff), memory_order_relaxed);
    }
  atomic_store_explicit(&crc_tables_ready, true, memory_order_release);
}

uint32_t hd_crc32c_table(uint32_t crc, const void *bytes, size_t size) {
  if (!atomic_load_explicit(&crc_tables_ready, memory_order_acquire)) crc_fill_tables();
  const uint8_t *p = bytes;
  crc = ~crc;
  for (; size >= 8; p += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    word ^= crc;
    crc = 0;
    for (unsigned n = 0; n < 8; n++) crc ^= crc_cell(7 - n, (uint32_t)(word >> (8 * n)) & 0xff);
  }
  for (; size > 0; p++, size--) crc = (crc >> 8) ^ crc_cell(0, (crc ^ *p) & 0xff);
  return ~crc;
}

#if defined(__x86_64__)
#define CRC_TARGET __attribute__((target("sse4.2,pclmul")))

static inline uint64_t load64(const uint8_t *p) {
  uint64_t word;
  memcpy(&word, p, 8);
  return word;
}

// The crc32 instruction takes three cycles and a new one can start in each: three neighbouring streams run together and are
// joined by moving the first two forward over the bytes behind them. Moving by N bytes multiplies by x^(8N-33) modulo the
// polynomial; the carry-less product is 33 powers short, and the crc32 instruction that reduces it makes them up.
CRC_TARGET static inline uint32_t crc_move(uint32_t crc, uint32_t power) {
  __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)power), 0);
  return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

CRC_TARGET static inline uint32_t crc_three(uint32_t crc, const uint8_t *p, size_t stream, uint32_t once, uint32_t twice) {
  uint64_t a = crc, b = 0, c = 0;
  for (size_t i = 0; i < stream; i += 8) {
    a = _mm_crc32_u64(a, load64(p + i));
    b = _mm_crc32_u64(b, load64(p + stream + i));
    c = _mm_crc32_u64(c, load64(p + 2 * stream + i));
  }
  return crc_move((uint32_t)a, twice) ^ crc_move((uint32_t)b, once) ^ (uint32_t)c;
}

// x^(8N-33) modulo the polynomial, reflected, for N = 64, 128, 512, 1024.
#define CRC_POWER_64 UINT32_C(0x9e4addf8)
#define CRC_POWER_128 UINT32_C(0x0d3b6092)
#define CRC_POWER_512 UINT32_C(0xdd7e3b0c)
#define CRC_POWER_1024 UINT32_C(0x170076fa)

CRC_TARGET uint32_t hd_crc32c_hardware(uint32_t crc, const void *bytes, size_t size) {
  const uint8_t *p = bytes;
  crc = ~crc;
  for (; size >= 3 * 512; p += 3 * 512, size -= 3 * 512) crc = crc_three(crc, p, 512, CRC_POWER_512, CRC_POWER_1024);
  for (; size >= 3 * 64; p += 3 * 64, size -= 3 * 64) crc = crc_three(crc, p, 64, CRC_POWER_64, CRC_POWER_128);
  uint64_t wide = crc;
  for (; size >= 8; p += 8, size -= 8) wide = _mm_crc32_u64(wide, load64(p));
  crc = (uint32_t)wide;
  for (; size > 0; p++, size--) crc = _mm_crc32_u8(crc, *p);
  return ~crc;
}
#else
uint32_t hd_crc32c_hardware(uint32_t crc, const void *bytes, size_t size) { return hd_crc32c_table(crc, bytes, size); }
#endif

uint32_t hd_crc32c(uint32_t crc, const void *bytes, size_t size) {
  return atomic_load_explicit(&crc_chosen, memory_order_relaxed)(crc, bytes, size);
}

// ---- SHA-256

void hd_sha256_blocks_library(uint32_t state[8], const uint8_t *blocks, size_t count) {
  mbedtls_sha256_context context;
  mbedtls_sha256_init(&context);
  memcpy(context.state, state, sizeof context.state);
  for (size_t i = 0; i < count; i++) {
    int failed = mbedtls_internal_sha256_process(&context, blocks + 64 * i);
    HD_ASSERT(!failed); // only hardware accelerators behind mbedTLS can fail
  }
  memcpy(state, context.state, sizeof context.state);
  mbedtls_sha256_free(&context);
}

#if defined(__x86_64__)
// FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static const uint32_t sha_constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The instructions keep the eight words as (A,B,E,F) and (C,D,G,H); sixteen times four rounds, the message schedule of the next
// ones made from the last four vectors.
__attribute__((target("sha,ssse3,sse4.1"))) void hd_sha256_blocks_hardware(uint32_t state[8], const uint8_t *blocks, size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);
  __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; count > 0; count--, blocks += 64) {
    __m128i abef_before = abef, cdgh_before = cdgh, w[4];
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) {
      if (r < 4) {
        w[r] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(blocks + 16 * r)), big_endian);
      } else {
        __m128i last = w[(r - 1) & 3], skew = _mm_alignr_epi8(last, w[(r - 2) & 3], 4);
        w[r & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w[r & 3], w[(r - 3) & 3]), skew), last);
      }
      __m128i message = _mm_add_epi32(w[r & 3], _mm_load_si128((const __m128i *)(const void *)(sha_constants + 4 * r)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, message);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(message, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#else
void hd_sha256_blocks_hardware(uint32_t state[8], const uint8_t *blocks, size_t count) {
  hd_sha256_blocks_library(state, blocks, count);
}
#endif

static void sha_blocks(uint32_t state[8], const uint8_t *blocks, size_t count) {
  atomic_load_explicit(&sha_chosen, memory_order_relaxed)(state, blocks, count);
}

void hd_sha256_init(struct hd_sha256 *h) {
  // FIPS 180-4, 5.3.3.
  static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(h->state, first, sizeof first);
  h->size = 0;
}

void hd_sha256_update(struct hd_sha256 *h, const void *bytes, size_t size) {
  if (size == 0) return;
  const uint8_t *p = bytes;
  size_t held = h->size % 64;
  h->size += size;
  if (held > 0) {
    size_t part = size < 64 - held ? size : 64 - held;
    memcpy(h->block + held, p, part);
    p += part;
    size -= part;
    if (held + part < 64) return;
    sha_blocks(h->state, h->block, 1);
  }
  if (size >= 64) sha_blocks(h->state, p, size / 64);
  memcpy(h->block, p + size / 64 * 64, size % 64);
}

void hd_sha256_final(struct hd_sha256 *h, uint8_t digest[32]) {
  uint64_t bits = h->size * 8;
  size_t held = h->size % 64;
  h->block[held++] = 0x80;
  if (held > 56) {
    memset(h->block + held, 0, 64 - held);
    sha_blocks(h->state, h->block, 1);
    held = 0;
  }
  memset(h->block + held, 0, 56 - held);
  for (int i = 0; i < 8; i++) h->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
  sha_blocks(h->state, h->block, 1);
  for (int i = 0; i < 8; i++) {
    uint32_t word = __builtin_bswap32(h->state[i]); // the hosts that this runs on are little-endian
    memcpy(digest + 4 * i, &word, sizeof word);
  }
}

void hd_sha256(const void *bytes, size_t size, uint8_t digest[32]) {
  struct hd_sha256 h;
  hd_sha256_init(&h);
  hd_sha256_update(&h, bytes, size);
  hd_sha256_final(&h, digest);
}
