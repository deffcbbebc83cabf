// The native tick file, .hdt: ticks as they lie in memory, to be mapped and handed over without copying. Little-endian.
//
//   0    struct hdt_header, 128 bytes
//   128  struct hadron_listing [listings]; tick.instrument is the listing's index + 1
//        zero bytes up to `ticks_offset`, a multiple of 4,096
//        struct hadron_tick [ticks]
//        struct hdt_block [(ticks + HDT_BLOCK - 1) / HDT_BLOCK], at `blocks_offset`
//
// Checksums are CRC-32C: of the header (with header_crc zero) and the listings in the header; of each quarter of each block of
// ticks in the block table (a last, short block: of its bytes in crc[0] alone), checked when the reader comes to the block; and
// of the block table in the header. A file whose writer did not finish has no magic.
#ifndef REPLAY_HDT_H
#define REPLAY_HDT_H

#include <stdio.h>

#include "fault.h"
#include "hadron/venue.h"

#define HDT_MAGIC "HDRNTICK"
#define HDT_VERSION 1u
#define HDT_BLOCK 16384u // ticks: 1 MiB
#define HDT_SORTED 1u    // flags: receive times never run backward

struct hdt_header {
  char magic[8];
  uint32_t version;
  uint32_t header_size;   // 128
  uint32_t tick_size;     // 64
  uint32_t listing_size;  // sizeof(struct hadron_listing)
  uint32_t listings;
  uint32_t flags;
  uint64_t ticks;
  int64_t first_ns, last_ns; // receive times of the first and the last tick
  uint64_t ticks_offset, blocks_offset;
  uint32_t listings_crc, blocks_crc, header_crc;
  uint16_t venue;         // in every tick
  uint8_t pad[42];
};
HADRON_SIZE(hdt_header, 128);

struct hdt_block {
  uint32_t crc[4];
};

// Writes a file: ticks first, listings known at the end. The listings' place is kept free: at most `listings_max` of them.
struct hdt_writer {
  FILE *file;
  char path[1024];
  struct hdt_header header;
  struct hadron_tick *block;   // the one being filled
  uint32_t filled;
  struct hdt_block *blocks;
  uint64_t block_capacity;
  struct hadron_listing *listings;
  uint32_t listings_max;
  struct fault *fault;
};

int32_t hdt_writer_open(struct hdt_writer *w, const char *path, uint32_t listings_max, uint16_t venue, struct fault *fault);
// Index + 1 of a listing, for tick.instrument.
int32_t hdt_writer_listing(struct hdt_writer *w, const struct hadron_listing *listing, uint32_t *handle);
int32_t hdt_writer_tick(struct hdt_writer *w, const struct hadron_tick *tick);
// Writes what is left and, last, the header; a file without it is not a recording.
int32_t hdt_writer_finish(struct hdt_writer *w);
// Closes; removes the file unless it was finished. May be called twice.
void hdt_writer_close(struct hdt_writer *w);

#endif
