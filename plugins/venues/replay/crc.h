// CRC-32C (Castagnoli, RFC 3720), by the processor where it can, by a table else; the same result. [any]
#ifndef REPLAY_CRC_H
#define REPLAY_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);

// The CRCs of four parts of `size` bytes each (a multiple of 8) that lie one after the other: one pass, four chains, for the
// instruction has three cycles of latency and one of throughput.
void crc32c_four(const void *bytes, size_t size, uint32_t crc[4]);

#endif
