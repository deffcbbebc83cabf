// What the journal's writing files share. Outside of host/journal use journal.h.
#ifndef HD_JOURNAL_WRITER_H
#define HD_JOURNAL_WRITER_H

#include <pthread.h>

#include "journal/journal.h"
#include "journal/segment.h"

// Locks, in the order they are taken: turn, work. `gate` stands alone.
struct hd_journal {
  _Alignas(64) _Atomic(struct hd_segment *) current;
  _Atomic int32_t failed;                 // a flush failed: for good
  _Atomic uint32_t starved;               // no room for a successor when last tried
  _Atomic(struct hd_segment *) prepared;  // the successor, made ahead
  _Atomic(struct hd_segment *) unnamed;   // became the newest and still has the prepared one's file name
  _Alignas(64) pthread_mutex_t turn;      // from one segment to the next
  pthread_mutex_t work;                   // making and naming files
  pthread_mutex_t gate;                   // group commit
  pthread_cond_t landed;
  bool syncing;                           // [gate]
  uint64_t durable;                       // [gate] everything before this position is durable
  _Atomic(struct hd_segment *) flushing;  // [the syncing thread]; past its end by [maintain] when nobody syncs
  _Atomic int64_t flush_since_ns;         // monotonic; 0: none is under way
  _Atomic int64_t flush_ns_max;
  _Atomic uint64_t flushes;
  struct hd_segment *unchained;           // [maintain] oldest whose successor lacks its hash
  struct hd_sha256 hash;                  // [maintain] of `unchained`
  struct hd_segment *all;                 // [work] every segment struct
  uint8_t id[16];
  uint8_t boot[16];                       // of this host's machine, hd_disk_boot
  uint64_t segment_bytes, reserve_bytes, cut;
  uint32_t durability;
  int64_t now_ns;                         // when it was opened
  const struct hd_disk *disk;             // borrowed(until close)
  int dir, lock;                          // its handles
  char path[HD_PATH_SIZE];
};

// Makes a successor if there is none. @err HADRON_ERR_FULL, HADRON_ERR_IO
int32_t hd_journal_prepare(struct hd_journal *j, struct hd_fault *fault);

// Flushes the directory. A failure is as final as that of any flush. @err HADRON_ERR_IO
int32_t hd_journal_sync_names(struct hd_journal *j, struct hd_fault *fault);

// Gives the newest segment its own name. @err HADRON_ERR_IO
int32_t hd_journal_settle_name(struct hd_journal *j, struct hd_fault *fault);

// Hashes all that can be hashed now. [maintain]
void hd_journal_chain_rest(struct hd_journal *j);

// Offset up to which a segment's records are committed, walking on from `from`.
uint64_t hd_segment_walk(const struct hd_segment *s, uint64_t from);

// Fills the journal from what is in the directory, or starts a new one; seed: of its identity, 0: by chance.
int32_t hd_journal_recover(struct hd_journal *j, uint64_t seed, struct hd_fault *fault);

#endif
