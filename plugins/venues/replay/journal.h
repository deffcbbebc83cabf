// A host's journal as the replay reads it: docs/journal.md is the format, tests/unit/test_data_journal.c holds the two against each
// other. Only what a reader of ticks needs.
//
// A walk goes over the records of a directory in their order, one segment mapped at a time, while the writer may go on.
#ifndef REPLAY_JOURNAL_H
#define REPLAY_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "hadron/message.h"
#include "source.h"

#define JOURNAL_MAGIC "HADRONJ1"
#define JOURNAL_MAJOR 1

struct journal_header {
  char magic[8];
  uint16_t major, minor;
  uint32_t header_bytes;
  uint8_t journal[16];
  uint64_t first_sequence, position, capacity;
  int64_t created_ns;
  uint16_t schema_id, schema_version;
  uint32_t crc; // CRC-32C of the bytes before it
};
HADRON_SIZE(journal_header, 72);

struct journal_record {
  uint64_t commit, sequence;
  int64_t time_ns;
  struct hadron_message_header message;
};
HADRON_SIZE(journal_record, 32);

struct journal_walk {
  int dir;                     // -1: none
  char path[SOURCE_PATH_MAX];  // of the directory
  char name[32];               // of the segment's file
  const uint8_t *base;         // mapped; NULL: none
  uint64_t size, offset, released;
  uint64_t position;           // of the segment's first byte
  uint64_t sequence;           // that the next record must have
  bool verify;                 // each record's checksum
  struct fault *fault;         // borrowed(until close)
};

// Is this a directory with segments, or one with such a directory "journal" in it? to: the one with the segments.
bool journal_found(const char *path, char to[SOURCE_PATH_MAX]);

// Opens at the oldest segment that is kept, or at the one with this first sequence (0: the oldest).
int32_t journal_open(struct journal_walk *w, const char *path, uint64_t first_sequence, bool verify, struct fault *fault);
void journal_close(struct journal_walk *w);

// The next record; its message lies behind it. HADRON_ERR_END behind the last committed one; a fault where it is damaged.
// record: borrowed(until the next call)
int32_t journal_next(struct journal_walk *w, const struct journal_record **record, uint32_t *size);

// First sequences of the segments, ascending; the caller frees the list. bytes: of all files together.
int32_t journal_segments(const char *path, uint64_t **list, uint32_t *count, uint64_t *bytes, struct fault *fault);

#endif
