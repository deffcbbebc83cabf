// Segment files: making, mapping, naming, listing, all through a disk. [as the caller]
#ifndef HD_JOURNAL_SEGMENT_H
#define HD_JOURNAL_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/fault.h"
#include "journal/format.h"

#define HD_SEGMENT_NAME_SIZE 40
#define HD_PATH_SIZE 4096
#define HD_SEGMENT_BYTES_MAX (UINT64_C(1) << 30) // offsets / 8 and the claims of all writers fit half a word

// One segment as a writer knows it. The struct outlives its mapping: a writer that comes late may still look at `reserved`.
struct hd_segment {
  _Alignas(64) _Atomic uint64_t reserved; // claims: high half records, low half offset / 8. One word, so order and sequence agree
  _Alignas(64) unsigned char *base;       // the mapping, capacity bytes; NULL once retired
  uint64_t limit;                         // records end at or before this offset; the seal fits behind it
  uint64_t soft;                          // records that end behind this offset want a successor to be there
  uint64_t first_sequence, position, capacity;
  int file;                               // the disk's handle
  _Atomic uint64_t sealed;                // offset behind the seal; 0: open
  _Atomic(struct hd_segment *) successor;
  uint64_t settled;                       // [maintain] everything before this offset is committed
  uint64_t hashed;                        // [maintain] bytes in the running hash
  uint64_t populated, released;           // [maintain] window of the mapping that is resident
  uint64_t flushed;                       // [the syncing thread] everything before this offset is committed and durable
  uint64_t marked;                        // [the syncing thread] of the durable mark
  struct hd_segment *all_next;            // list for close
};

void hd_segment_name(char name[HD_SEGMENT_NAME_SIZE], uint64_t first_sequence);

// First sequences of the segments in the directory, ascending; owned by the caller, by free(). None: *count = 0 and *list = NULL.
int32_t hd_segment_list(const struct hd_disk *disk, int dir, uint64_t **list, uint64_t *count, struct hd_fault *fault);

// Makes `name` with `capacity` bytes of real disk space; zeroed, and written once and flushed if `prewrite`. An older file goes.
// sick: set if that failed, and not for want of space; may be NULL without `prewrite`.
// @err HADRON_ERR_FULL, HADRON_ERR_IO
int32_t hd_segment_create(const struct hd_disk *disk, int dir, const char *name, uint64_t capacity, bool prewrite, bool *sick,
                          struct hd_segment **segment, struct hd_fault *fault);

// Maps an existing file for writing, restoring its capacity if it was cut. @err HADRON_ERR_IO
int32_t hd_segment_map(const struct hd_disk *disk, int dir, const char *name, uint64_t capacity, struct hd_segment **segment,
                       struct hd_fault *fault);

void hd_segment_unmap(const struct hd_disk *disk, struct hd_segment *s); // mapping and file; the struct stays
void hd_segment_destroy(const struct hd_disk *disk, struct hd_segment *s);

// Writes the header's first part; the magic last.
void hd_segment_activate(struct hd_segment *s, const uint8_t journal[16], uint64_t first_sequence, uint64_t position,
                         int64_t created_ns);
// Says who writes: the boot of the machine, and whether what was to be flushed is.
void hd_segment_state_fill(struct hd_segment_state *state, const uint8_t boot[16], bool fsync);
// Writes the second part. previous NULL: the first segment.
void hd_segment_chain(struct hd_segment *s, const uint8_t previous[32]);

// Begins the hash of a segment: its header, the state as zeros. It goes on at header_bytes.
void hd_segment_hash_begin(struct hd_sha256 *hash, const unsigned char *base, uint32_t header_bytes);

// The state of a segment that is written; NULL: of format 1.0, which has none.
struct hd_segment_state *hd_segment_state(const struct hd_segment *s);

// Wipes a second part that a cut left torn.
void hd_segment_unchain(struct hd_segment *s);

// Bounds that follow from capacity and reserve.
void hd_segment_bounds(struct hd_segment *s, uint64_t reserve);

// Reads and checks a header; h->chained is 0, 1, or HD_CHAIN_TORN where the second part does not fit its CRC. @err NOT_FOUND (no file), CORRUPT, UNSUPPORTED, IO
int32_t hd_segment_read_header(const struct hd_disk *disk, int dir, const char *name, struct hd_segment_header *h,
                               struct hd_fault *fault);

// The names in the directory are durable. @err HADRON_ERR_IO
int32_t hd_segment_sync_names(const struct hd_disk *disk, int dir, struct hd_fault *fault);

#endif
