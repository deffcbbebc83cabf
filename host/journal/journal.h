// The journal: the host's append-only log. Takes messages from any thread, in page mode for less than two copies of them; gives
// them back, in one order, to any number of cursors in this process and in others.
//
// Bound: segments of options.segment_bytes, one prepared ahead. When the disk gives no room for the next one, appends return
// HADRON_ERR_FULL while options.reserve_bytes stay for those with HD_JOURNAL_RESERVED (cancels, fills, the kill switch).
// A failed fsync is never tried again: appends return HADRON_ERR_IO from then on, reserved ones go on.
//
// Someone calls hd_journal_maintain() every few milliseconds: it prepares the next segment, maps pages ahead of the writers,
// hashes sealed segments. Without it everything still works; append then does the preparing itself.
#ifndef HD_JOURNAL_JOURNAL_H
#define HD_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/fault.h"
#include "hadron/ext/journal.h"
#include "hadron/message.h"

// Beside the segments: runtime/snapshot.h.
#define HD_JOURNAL_SNAPSHOT_PREFIX "snapshot-" // and 16 hex digits: the position that it stands for
#define HD_JOURNAL_SNAPSHOT_SUFFIX ".hds"

struct hd_journal;
struct hd_journal_cursor;

enum hd_journal_durability {
  HD_JOURNAL_PAGE = 0,  // survives the process
  HD_JOURNAL_FSYNC = 1, // survives a power cut, for what hd_journal_sync() has waited for
};

struct hd_journal_options {
  uint64_t segment_bytes; // of a segment file, a multiple of 4096; 0: 64 MiB
  uint64_t reserve_bytes; // at a segment's end, for reserved appends once there is no successor; 0: 1/64 of the segment
  uint32_t durability;    // enum hd_journal_durability
  uint32_t pad;
  const struct hd_disk *disk; // where the files are; borrowed(until close); NULL: the system's
  uint64_t seed;          // what a new journal's identity is made of; 0: the system's random numbers
  int64_t now_ns;         // the host's time at opening; 0: the system's
};

// Opens the directory, or creates it; goes on after the last committed record. A torn tail is cut and logged. options NULL: the
// defaults. [control]
// @err HADRON_ERR_EXISTS   another host has it open
// @err HADRON_ERR_CORRUPT  damage that is neither a torn tail nor what a power cut leaves; the fault names file and offset
// @err HADRON_ERR_UNSUPPORTED  written by a newer format
// @err HADRON_ERR_FULL, HADRON_ERR_IO
int32_t hd_journal_open(const char *dir, const struct hd_journal_options *options, struct hd_journal **journal,
                        struct hd_fault *fault);

// Finishes the hash chain and frees. No append may be under way. NULL is allowed. [control]
void hd_journal_close(struct hd_journal *j);

#define HD_JOURNAL_RESERVED 0x10000u

// Appends one message: its root block and what follows it. `kind`: the template id, plus HD_JOURNAL_RESERVED for what must be
// written even when the disk is full. position: where it is (may be NULL); untouched on failure. [any] [nonblocking, but for
// making a segment when none was prepared]
// @err HADRON_ERR_FULL   no room on the disk; hd_journal_maintain() notices when there is again
// @err HADRON_ERR_IO     an fsync has failed, or a segment could not be made
// @err HADRON_ERR_RANGE  larger than a record may be
int32_t hd_journal_append(struct hd_journal *j, uint32_t kind, const void *block, uint16_t block_length, const void *tail,
                          uint32_t tail_size, int64_t time_ns, uint64_t *position);

// Waits until the record at `position`, and all before it, are durable; one fdatasync for all who wait. In page mode returns at
// once. [any]
// @err HADRON_ERR_IO  the flush failed: stop, exit, recover
int32_t hd_journal_sync(struct hd_journal *j, uint64_t position);
// The same in page mode too: for what lies beside the journal and speaks of its records, and must not outlive them. [any]
int32_t hd_journal_flush(struct hd_journal *j, uint64_t position);

// What stands before this position survives a power cut. In page mode nothing is promised, and nothing is held back: UINT64_MAX. [any]
uint64_t hd_journal_durable(struct hd_journal *j);

// Has a flush failed? Then nobody knows what is durable: the host has to stop and recover. [any] [nonblocking]
bool hd_journal_broken(const struct hd_journal *j);

// Does what is due off the append path. HADRON_ERR_FULL, HADRON_ERR_IO: no successor could be prepared; call again later.
// [one thread at a time: journal or control]
int32_t hd_journal_maintain(struct hd_journal *j, struct hd_fault *fault);

// Deletes segments, oldest first, that end at or before `keep_from` and that no registered cursor (hd_journal_keep) still needs;
// never one whose successor lacks its hash. deleted: how many (may be NULL). [the thread that maintains]
int32_t hd_journal_retain(struct hd_journal *j, uint64_t keep_from, uint32_t *deleted, struct hd_fault *fault);

// What a journal may lose of its oldest records, and what it may not.
struct hd_journal_policy {
  uint64_t bytes;       // segments that lie more than so many bytes behind the end may go; 0: no such bound
  int64_t age_ns;       // segments whose newest record is older than this may go; 0: no such bound
  int64_t now_ns;       // the host's time, for age_ns
  bool for_recovery;    // only what lies before the older of the two newest snapshots: a start must find its way without the rest
};
// Deletes what both the policy and the readers (hd_journal_keep) can do without. Bounds of size and age each suffice. [the thread that maintains]
int32_t hd_journal_trim(struct hd_journal *j, const struct hd_journal_policy *policy, uint32_t *deleted, struct hd_fault *fault);

// How it is. [any] [nonblocking]
struct hd_journal_health {
  bool failed;          // a flush failed: only reserved records are taken, for good
  bool starved;         // no room for a successor: ordinary records are refused at the newest segment's end
  uint64_t flushes;
  int64_t flush_ns_max; // the longest
  int64_t flushing_ns;  // for how long one has been under way; 0: none is
};
void hd_journal_health(const struct hd_journal *j, struct hd_journal_health *out);

// Where the next record will be written. [any] [nonblocking]
uint64_t hd_journal_end(const struct hd_journal *j);
const uint8_t *hd_journal_id(const struct hd_journal *j); // 16 bytes
const char *hd_journal_dir(const struct hd_journal *j);
const struct hd_disk *hd_journal_disk(const struct hd_journal *j);
// Bytes cut from the tail when it was opened.
uint64_t hd_journal_cut(const struct hd_journal *j);

// Registers, or moves, the named reader's durable place: the segments from `position` on are kept, across restarts too. Writes the
// file cursor-NAME. name: [a-z0-9_-]{1,63}. disk NULL: the system's. [any]
int32_t hd_journal_keep(const struct hd_disk *disk, const char *dir, const char *name, uint64_t position, struct hd_fault *fault);
// HADRON_ERR_NOT_FOUND if that reader is not registered.
int32_t hd_journal_kept(const struct hd_disk *disk, const char *dir, const char *name, uint64_t *position, struct hd_fault *fault);
// The same with a line of the reader's own beside the place, of less than HADRON_JOURNAL_NOTE_SIZE bytes; "": none. note NULL: not wanted.
int32_t hd_journal_keep_note(const struct hd_disk *disk, const char *dir, const char *name, uint64_t position, const char *note, struct hd_fault *fault);
int32_t hd_journal_kept_note(const struct hd_disk *disk, const char *dir, const char *name, uint64_t *position, char *note, struct hd_fault *fault);

// ---- Cursors: reading, in any process, while the writer goes on. One cursor belongs to one thread at a time. ----

// Opens at the oldest record. HADRON_ERR_NOT_FOUND: no journal there.
int32_t hd_journal_cursor_open(const char *dir, struct hd_journal_cursor **cursor, struct hd_fault *fault);
// The same on another disk (NULL: the system's); borrowed(until close).
int32_t hd_journal_cursor_open_on(const struct hd_disk *disk, const char *dir, struct hd_journal_cursor **cursor, struct hd_fault *fault);
void hd_journal_cursor_close(struct hd_journal_cursor *c); // NULL is allowed

// 0: the oldest record that is kept. Else a position that a record had, or its `next`. On failure the cursor stays where it was.
// @err HADRON_ERR_NOT_FOUND  no record starts there, or it is no longer kept
int32_t hd_journal_cursor_seek(struct hd_journal_cursor *c, uint64_t position, struct hd_fault *fault);

// Goes to the first record whose sequence is at least `sequence`; behind the last one, if there is none. 0: the oldest.
int32_t hd_journal_cursor_seek_sequence(struct hd_journal_cursor *c, uint64_t sequence, struct hd_fault *fault);
// Goes to the start of a segment, so that no record that was appended at `time_ns` or later lies before it. Writers have clocks of their own:
// records are in the order of their sequences, and of their times only nearly.
int32_t hd_journal_cursor_seek_time(struct hd_journal_cursor *c, int64_t time_ns, struct hd_fault *fault);

// The next committed record. record->bytes: borrowed(until the next call with this cursor).
// @err HADRON_ERR_AGAIN    nothing more has been committed
// @err HADRON_ERR_CORRUPT  the fault names file, offset, expected and found; the cursor stays there
int32_t hd_journal_cursor_next(struct hd_journal_cursor *c, struct hadron_record *record, struct hd_fault *fault);

// Position of what next() reads next; sequence it must have.
uint64_t hd_journal_cursor_position(const struct hd_journal_cursor *c);
uint64_t hd_journal_cursor_sequence(const struct hd_journal_cursor *c);
const uint8_t *hd_journal_cursor_id(const struct hd_journal_cursor *c);

#endif
