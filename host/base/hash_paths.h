// The two implementations behind each function of hash.h, for the test that compares them and the benchmark that times them.
// Call the hardware ones only where hd_hash_hardware() says that the processor has them. [any]
#ifndef HD_BASE_HASH_PATHS_H
#define HD_BASE_HASH_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hd_hash_feature {
  HD_HASH_CRC32C = 1, // SSE 4.2 and carry-less multiplication
  HD_HASH_SHA256 = 2, // SHA extensions
};
bool hd_hash_hardware(enum hd_hash_feature feature);

uint32_t hd_crc32c_table(uint32_t crc, const void *bytes, size_t size);
uint32_t hd_crc32c_hardware(uint32_t crc, const void *bytes, size_t size);

// Feeds `count` blocks of 64 bytes into the state.
void hd_sha256_blocks_library(uint32_t state[8], const uint8_t *blocks, size_t count);
void hd_sha256_blocks_hardware(uint32_t state[8], const uint8_t *blocks, size_t count);

#endif
