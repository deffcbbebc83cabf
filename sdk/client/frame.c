#include "frame.h"

#include <string.h>

#include "hadron/pack.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define CRC_POLYNOMIAL UINT32_C(0x82f63b78) // Castagnoli, bits reflected

static uint32_t crc_bits(uint32_t crc, const uint8_t *p, size_t size) {
  crc = ~crc;
  for (; size > 0; p++, size--) {
    crc ^= *p;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
  }
  return ~crc;
}

#if defined(__x86_64__)
#define TARGET __attribute__((target("sse4.2,pclmul")))
#define STREAM 512                          // bytes of one of three neighbouring streams
#define POWER_ONE UINT32_C(0xdd7e3b0c)      // x^(8 * 512 - 33) modulo the polynomial, reflected
#define POWER_TWO UINT32_C(0x170076fa)      // x^(8 * 1024 - 33)

TARGET static uint64_t word_at(const uint8_t *p) {
  uint64_t word;
  memcpy(&word, p, 8);
  return word;
}

// Moves a sum forward over the bytes behind it: multiplied by x^(8N - 33); the crc32 that reduces the product makes up the 33.
TARGET static uint32_t crc_move(uint64_t sum, uint32_t power) {
  __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)sum), _mm_cvtsi32_si128((int)power), 0);
  return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

// The instruction takes three cycles, and one can start in each of them: three streams at a time.
TARGET static uint32_t crc_hardware(uint32_t crc, const uint8_t *p, size_t size) {
  uint64_t sum = ~crc;
  for (; size >= 3 * STREAM; p += 3 * STREAM, size -= 3 * STREAM) {
    uint64_t second = 0, third = 0;
    for (size_t i = 0; i < STREAM; i += 8) {
      sum = _mm_crc32_u64(sum, word_at(p + i));
      second = _mm_crc32_u64(second, word_at(p + STREAM + i));
      third = _mm_crc32_u64(third, word_at(p + 2 * STREAM + i));
    }
    sum = crc_move(sum, POWER_TWO) ^ crc_move(second, POWER_ONE) ^ (uint32_t)third;
  }
  for (; size >= 8; p += 8, size -= 8) sum = _mm_crc32_u64(sum, word_at(p));
  uint32_t low = (uint32_t)sum;
  for (; size > 0; p++, size--) low = _mm_crc32_u8(low, *p);
  return ~low;
}

uint32_t hc_crc32c(uint32_t crc, const void *bytes, size_t size) {
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") ? crc_hardware(crc, bytes, size) : crc_bits(crc, bytes, size);
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

uint32_t hc_crc32c(uint32_t crc, const void *bytes, size_t size) {
  const uint8_t *p = bytes;
  for (crc = ~crc; size >= 8; p += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    crc = __crc32cd(crc, word);
  }
  for (; size > 0; p++, size--) crc = __crc32cb(crc, *p);
  return ~crc;
}
#else
uint32_t hc_crc32c(uint32_t crc, const void *bytes, size_t size) { return crc_bits(crc, bytes, size); }
#endif

static uint32_t frame_crc(const struct hadron_frame *f, const void *payload) {
  struct hadron_frame bare = *f;
  bare.crc = 0;
  return hc_crc32c(hc_crc32c(0, &bare, sizeof bare), payload, f->size);
}

void hc_frame_seal(struct hadron_frame *f, uint32_t size) {
  f->size = size;
  f->crc = frame_crc(f, f + 1);
}

bool hc_frame_read(const uint8_t *at, size_t size, struct hadron_frame *out) {
  struct hadron_frame f;
  if (size < sizeof f) return false;
  memcpy(&f, at, sizeof f);
  if (f.size > size - sizeof f || frame_crc(&f, at + sizeof f) != f.crc) return false;
  *out = f;
  return true;
}

static size_t words_of(const struct hc_messages *m) { return m->header.block_length / HADRON_PACK_WORD; }

bool hc_messages_valid(const struct hc_messages *m) { return !m->packed || hadron_packed_valid(m->first, m->packed, m->count, words_of(m)); }

bool hc_messages_unpack(const struct hc_messages *m, void *to) {
  const size_t ticks = sizeof(struct hadron_tick) / HADRON_PACK_WORD; // a loop whose end the compiler knows is twice as fast
  return words_of(m) == ticks ? hadron_unpack(m->first, m->packed, m->count, ticks, to) : hadron_unpack(m->first, m->packed, m->count, words_of(m), to);
}

bool hc_messages_read(const struct hadron_frame *f, const uint8_t *payload, struct hc_messages *out) {
  struct hc_messages m = {.count = f->count};
  if (f->size < sizeof m.header || f->count == 0) return false;
  memcpy(&m.header, payload, sizeof m.header);
  if (m.header.schema_id != HADRON_SCHEMA_ID || m.header.version >> 8 != HADRON_SCHEMA_MAJOR || m.header.block_length == 0) return false;
  uint64_t blocks = (uint64_t)m.header.block_length * f->count;
  uint32_t rest = f->size - (uint32_t)sizeof m.header;
  m.first = payload + sizeof m.header;
  if (f->kind == HADRON_FRAME_PACKED) {
    if (m.header.block_length % HADRON_PACK_WORD || blocks > HADRON_PACKET_MAX || rest == 0) return false;
    m.packed = rest;
    *out = m;
    return true;
  }
  if (blocks > rest) return false;
  rest -= (uint32_t)blocks;
  if (rest >= 4 && f->count == 1) {
    uint32_t size;
    memcpy(&size, m.first + blocks, 4);
    if (size > rest - 4) return false;
    m.text = m.first + blocks + 4;
    m.text_size = size;
  }
  *out = m;
  return true;
}
