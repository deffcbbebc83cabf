// Proof of a journal's bytes, and what is to be had of a damaged one. Both only read it, and may run while a host writes. [any]
#ifndef HD_JOURNAL_VERIFY_H
#define HD_JOURNAL_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/fault.h"

// Told now and then how far it is, in bytes of the segments' files.
struct hd_journal_watch {
  void (*progress)(void *self, uint64_t done, uint64_t total, uint64_t records);
  void *self;
};

struct hd_journal_verdict {
  uint64_t segments, records, voids; // voids: places that a void record fills
  uint64_t missing;                  // sequences that voids stand for: begun or damaged, never to be had
  uint64_t bytes;                    // records, seals and headers
  uint64_t first_sequence;           // of the oldest record that is kept
  uint64_t next_sequence;            // of the record after the last
  uint64_t position;                 // where that one will be
  uint64_t chained;                  // segments whose hash of the one before was compared
  uint64_t begun_bytes;              // behind the last record, of records that were never committed: a writer at work, or one that died
  uint64_t begun_offset;             // in `file`
  char file[40];                     // the newest segment
  uint8_t id[16];
  // The chain's head: SHA-256 of the segment that holds the last record, from its first byte to behind that record. Kept elsewhere it
  // later shows whether the journal's end was taken away. All zero while that segment lacks its predecessor's hash.
  uint8_t head[32];
};

// Walks all records and the hash chain. disk NULL: the system's; watch NULL: nobody is told.
// @err HADRON_ERR_CORRUPT  the fault names the first record or segment that is changed or missing: file, offset, expected and found
// @err HADRON_ERR_NOT_FOUND, HADRON_ERR_UNSUPPORTED, HADRON_ERR_IO
int32_t hd_journal_verify(const struct hd_disk *disk, const char *dir, const struct hd_journal_watch *watch, struct hd_journal_verdict *out,
                          struct hd_fault *fault);

// Was the journal's end once `head` at `next_sequence`? HADRON_ERR_CORRUPT: no; it was cut, or changed.
int32_t hd_journal_verify_head(const struct hd_disk *disk, const char *dir, uint64_t next_sequence, const uint8_t head[32], struct hd_fault *fault);

// One damaged place.
struct hd_journal_loss {
  char file[40];
  uint64_t offset, bytes;
  uint64_t first_sequence, records; // lost; records 0: only the end was cut
  int64_t after_ns, before_ns;      // between the times of these two good records; 0: none
  char what[160];
};

struct hd_journal_salvage {
  uint64_t segments, records, lost, places; // lost: records
  uint64_t cut_bytes;                       // of the torn tail
};

// Copies a journal to a new directory: same identity, same sequences, same positions. What is damaged becomes void records, so that cursors
// hold and a reader goes on behind it; the chain is hashed anew. `told` is called for every place that was lost.
// @err HADRON_ERR_EXISTS  `to` holds a journal already
// @err HADRON_ERR_CORRUPT  no segment has a header that can be read
int32_t hd_journal_salvage(const struct hd_disk *disk, const char *from, const char *to, const struct hd_journal_watch *watch,
                           void (*told)(void *self, const struct hd_journal_loss *loss), void *self, struct hd_journal_salvage *out,
                           struct hd_fault *fault);

#endif
