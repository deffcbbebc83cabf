// Checksums and hashes: CRC-32C (hardware where the processor has it, a table else, same result) and SHA-256 (the processor's SHA
// instructions where it has them, mbedTLS else, same result). Neither allocates. [any]
#ifndef HD_BASE_HASH_H
#define HD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

// CRC-32C (Castagnoli, RFC 3720) of `size` bytes; start with crc = 0, go on with the last result.
uint32_t hd_crc32c(uint32_t crc, const void *bytes, size_t size);

struct hd_sha256 {
  uint32_t state[8];
  uint64_t size;
  uint8_t block[64];
};
void hd_sha256_init(struct hd_sha256 *h);
void hd_sha256_update(struct hd_sha256 *h, const void *bytes, size_t size);
void hd_sha256_final(struct hd_sha256 *h, uint8_t digest[32]);
void hd_sha256(const void *bytes, size_t size, uint8_t digest[32]);

#endif
