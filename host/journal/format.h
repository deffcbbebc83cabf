// The journal's bytes, as docs/journal.md tells them. A directory of segments; a segment is a header page and records, one after
// the other, each on an 8-byte border. Little-endian. A record is there once its commit word is not zero; that word is stored
// last and at once, so a reader never sees half a record, only none.
//
// Positions: one number space over all segments. A segment that starts at position P and was sealed at offset E is followed by
// one that starts at P + E; the record at offset O has position P + O.
#ifndef HD_JOURNAL_FORMAT_H
#define HD_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "hadron/message.h"

#define HD_JOURNAL_MAGIC "HADRONJ1"
#define HD_JOURNAL_MAJOR 1
#define HD_JOURNAL_MINOR 1 // 1: the state behind the header
#define HD_JOURNAL_HEADER_BYTES 4096 // offset of the first record
#define HD_JOURNAL_RECORD_MAX 0xfffff8u
#define HD_JOURNAL_PREPARED_NAME "prepared.hdj"
#define HD_JOURNAL_LOCK_NAME "lock"
#define HD_JOURNAL_CURSOR_PREFIX "cursor-"

// Start of a segment. The first part is written once, when the segment becomes the newest; the second once its predecessor is
// sealed, complete and hashed. Only segments behind which no chained one stands may lack the second part.
struct hd_segment_header {
  char magic[8];           // HD_JOURNAL_MAGIC, written last
  uint16_t major, minor;   // of this format
  uint32_t header_bytes;   // offset of the first record
  uint8_t journal[16];     // identity of the journal: random, the same in all segments
  uint64_t first_sequence; // of the first record; also the file's name
  uint64_t position;       // of the segment's first byte
  uint64_t capacity;       // bytes of the file
  int64_t created_ns;      // when it became the newest (host)
  uint16_t schema_id, schema_version; // of the messages; major * 256 + minor
  uint32_t crc;            // CRC-32C of the bytes before it
  uint8_t previous[32];    // SHA-256 of the predecessor, bytes [0, sealed end); zero in the first segment
  uint32_t chained;        // 1: `previous` holds
  uint32_t chain_crc;      // CRC-32C of `previous`
};
#define HD_CHAIN_TORN 2u // `chained` as read, where the second part is damaged
HADRON_SIZE(hd_segment_header, 112);
HADRON_OFFSET(hd_segment_header, crc, 68);
HADRON_OFFSET(hd_segment_header, previous, 72);

// Behind the header's two parts: what the hosts that wrote the segment know of it. It changes while the segment is the newest, and counts as
// zero in its hash. Format 1.0 has only zeros there, and no host writes them into its segments.
struct hd_segment_state {
  uint64_t durable; // mark: all before this offset had been flushed when it was stored; it lags behind
  uint64_t clean;   // mark: a host ended in peace and its records end here
  uint8_t boot[16]; // hd_disk_boot of the host that wrote last: another one now means that what was not flushed may be gone
  uint32_t flags;   // HD_SEGMENT_FSYNC
  uint32_t crc;     // CRC-32C of boot and flags
};
HADRON_SIZE(hd_segment_state, 40);
#define HD_SEGMENT_STATE_OFFSET sizeof(struct hd_segment_header)
#define HD_SEGMENT_FSYNC 1u // that host flushed what it was asked to

static inline uint32_t hd_segment_state_crc(const struct hd_segment_state *s) {
  return hd_crc32c(hd_crc32c(0, s->boot, sizeof s->boot), &s->flags, sizeof s->flags);
}

// An offset that checks itself, CRC-32C in the high half: a mixture of two marks, as a cut may leave it, is none.
static inline uint64_t hd_offset_mark_make(uint64_t offset) {
  uint32_t low = (uint32_t)offset;
  return (uint64_t)hd_crc32c(0, &low, sizeof low) << 32 | low;
}
static inline bool hd_offset_mark_read(uint64_t mark, uint64_t *offset) {
  if (!mark || mark != hd_offset_mark_make(mark & 0xffffffffu)) return false;
  *offset = mark & 0xffffffffu;
  return true;
}

enum hd_record_mark {
  HD_MARK_RECORD = 0x52, // 'R'
  HD_MARK_SEAL = 0x53,   // 'S': the segment ends here; `sequence` is the successor's first
  HD_MARK_VOID = 0x56,   // 'V': space that was claimed and never committed; one u64 follows: how many sequences it swallowed
};

// Start of a record. commit: bits 0-23 the size of head and message, 24-31 the mark, 32-63 CRC-32C over bytes [8, stride)
// begun with the low half of the word, so that the word is covered as well.
struct hd_record_head {
  uint64_t commit;
  uint64_t sequence; // +1 per record
  int64_t time_ns;   // when it was appended (host)
  struct hadron_message_header message;
};
HADRON_SIZE(hd_record_head, 32);

#define HD_SEAL_BYTES 32u
#define HD_VOID_BYTES 40u

static inline uint32_t hd_commit_size(uint64_t commit) { return (uint32_t)commit & 0xffffffu; }
static inline uint32_t hd_commit_mark(uint64_t commit) { return (uint32_t)(commit >> 24) & 0xffu; }

// Bytes that a record takes in the segment.
static inline uint32_t hd_record_stride(uint32_t size) { return (size + 7u) & ~7u; }

// The commit word of a record whose other bytes are in place, padding included.
static inline uint64_t hd_record_commit(const void *record, uint32_t size, enum hd_record_mark mark) {
  uint32_t low = size | (uint32_t)mark << 24;
  uint32_t crc = hd_crc32c(low, (const unsigned char *)record + 8, hd_record_stride(size) - 8);
  return (uint64_t)crc << 32 | low;
}

// Can a record with this commit word stand where `room` bytes are left?
static inline bool hd_commit_plausible(uint64_t commit, uint64_t room) {
  uint32_t mark = hd_commit_mark(commit), size = hd_commit_size(commit);
  if (mark != HD_MARK_RECORD && mark != HD_MARK_SEAL && mark != HD_MARK_VOID) return false;
  return size >= (mark == HD_MARK_VOID ? HD_VOID_BYTES : sizeof(struct hd_record_head)) && hd_record_stride(size) <= room; // a void says how much it swallowed
}

// Is the record at `record`, whose commit word was read as `commit`, whole? Its root block lies within it: who reads it may rely on that.
static inline bool hd_record_valid(const void *record, uint64_t commit, uint64_t room) {
  const struct hd_record_head *head = (const struct hd_record_head *)record;
  return hd_commit_plausible(commit, room) && head->message.block_length <= hd_commit_size(commit) - sizeof *head &&
         hd_record_commit(record, hd_commit_size(commit), (enum hd_record_mark)hd_commit_mark(commit)) == commit;
}

static inline uint64_t hd_commit_load(const void *record) { return __atomic_load_n((const uint64_t *)record, __ATOMIC_ACQUIRE); }
static inline void hd_commit_store(void *record, uint64_t commit) {
  __atomic_store_n((uint64_t *)record, commit, __ATOMIC_RELEASE);
}

static inline uint32_t hd_segment_header_crc(const struct hd_segment_header *h) {
  return hd_crc32c(0, h, offsetof(struct hd_segment_header, crc));
}

#endif
