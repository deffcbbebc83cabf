#include "crc.h"

#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u // 0x1edc6f41 with its bits reversed

static uint32_t crc_bytes(uint32_t crc, const uint8_t *at, size_t size) {
  for (; size; size--, at++) {
    crc ^= *at;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (POLYNOMIAL & (0u - (crc & 1)));
  }
  return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

static bool crc_hardware(void) { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2"))) static uint32_t crc_words(uint32_t crc, const uint8_t *at, size_t size) {
  uint64_t wide = crc, word;
  for (; size >= 8; size -= 8, at += 8) {
    memcpy(&word, at, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = (uint32_t)wide;
  for (; size; size--) crc = _mm_crc32_u8(crc, *at++);
  return crc;
}

__attribute__((target("sse4.2"))) static void crc_chains(const uint8_t *at, size_t size, uint32_t crc[4]) {
  uint64_t a = ~0u, b = ~0u, c = ~0u, d = ~0u, word;
  for (size_t i = 0; i < size; i += 8) {
    memcpy(&word, at + i, 8);
    a = _mm_crc32_u64(a, word);
    memcpy(&word, at + size + i, 8);
    b = _mm_crc32_u64(b, word);
    memcpy(&word, at + 2 * size + i, 8);
    c = _mm_crc32_u64(c, word);
    memcpy(&word, at + 3 * size + i, 8);
    d = _mm_crc32_u64(d, word);
  }
  crc[0] = ~(uint32_t)a;
  crc[1] = ~(uint32_t)b;
  crc[2] = ~(uint32_t)c;
  crc[3] = ~(uint32_t)d;
}
#else
static bool crc_hardware(void) { return false; }
static uint32_t crc_words(uint32_t crc, const uint8_t *at, size_t size) { return crc_bytes(crc, at, size); }
static void crc_chains(const uint8_t *at, size_t size, uint32_t crc[4]) {
  for (int i = 0; i < 4; i++) crc[i] = ~crc_bytes(~0u, at + (size_t)i * size, size);
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size) {
  return ~(crc_hardware() ? crc_words(~crc, bytes, size) : crc_bytes(~crc, bytes, size));
}

void crc32c_four(const void *bytes, size_t size, uint32_t crc[4]) {
  if (crc_hardware()) {
    crc_chains(bytes, size, crc);
    return;
  }
  for (int i = 0; i < 4; i++) crc[i] = ~crc_bytes(~0u, (const uint8_t *)bytes + (size_t)i * size, size);
}
