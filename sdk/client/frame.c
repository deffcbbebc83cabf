#include "frame.h"

#include <string.h>

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
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, const uint8_t *p, size_t size) {
  uint64_t sum = ~crc;
  for (; size >= 8; p += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    sum = __builtin_ia32_crc32di(sum, word);
  }
  uint32_t low = (uint32_t)sum;
  for (; size > 0; p++, size--) low = __builtin_ia32_crc32qi(low, *p);
  return ~low;
}

uint32_t hc_crc32c(uint32_t crc, const void *bytes, size_t size) {
  return __builtin_cpu_supports("sse4.2") ? crc_hardware(crc, bytes, size) : crc_bits(crc, bytes, size);
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

bool hc_messages_read(const struct hadron_frame *f, const uint8_t *payload, struct hc_messages *out) {
  struct hc_messages m = {.count = f->count};
  if (f->size < sizeof m.header || f->count == 0) return false;
  memcpy(&m.header, payload, sizeof m.header);
  if (m.header.schema_id != HADRON_SCHEMA_ID || m.header.version >> 8 != HADRON_SCHEMA_MAJOR || m.header.block_length == 0) return false;
  uint64_t blocks = (uint64_t)m.header.block_length * f->count;
  uint32_t rest = f->size - (uint32_t)sizeof m.header;
  if (blocks > rest) return false;
  m.first = payload + sizeof m.header;
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
