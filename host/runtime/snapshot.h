// Snapshots: the state of a session beside its journal, so that a start need not read everything from the beginning, and old segments may go.
// A file snapshot-POSITION.hds in the journal's directory stands for all records before that position. The two newest are kept; one that is
// damaged, of another journal or of another build is passed over; one that stands for more than the journal has is removed.
//
//   take    at a quiet point: a copy in memory. This is the pause, and it is measured
//   write   the journal is flushed up to it; the copy goes to a file under another name, is synced, renamed, and the directory synced; on a thread
//           of its own while the host is live
//   find    at the start: the newest good one
//
// What a strategy knows is in it where the plugin can save. One that cannot is fed again from the journal's beginning, for as long as that is there:
// then the snapshot is left alone.
//
// thread take: [control, everything at rest]; write: [any]; find, load: [control]
#ifndef HD_RUNTIME_SNAPSHOT_H
#define HD_RUNTIME_SNAPSHOT_H

#include <pthread.h>

#include "pipeline/fold.h"
#include "runtime/session.h"

struct hd_snapshot {
  uint64_t position;      // of the journal: the first record that is not in it
  int64_t time_ns;
  bool whole;             // every strategy's state is in it
  uint32_t instrument_count, arm_count;
  struct hadron_instrument_definition *instruments; // [0 .. instrument_count): ids from 1; owned
  struct hd_image image;  // what follows them; owned
};
void hd_snapshot_fini(struct hd_snapshot *snapshot);

int32_t hd_snapshot_take(struct hd_session *s, struct hd_snapshot *out, struct hd_fault *fault);
// Flushes the journal before it, in page mode too, and writes it.
int32_t hd_snapshot_put(struct hd_journal *j, const struct hd_snapshot *snapshot, struct hd_fault *fault);
int32_t hd_snapshot_write(const struct hd_disk *disk, const char *dir, const uint8_t journal[16], const struct hd_snapshot *snapshot, struct hd_fault *fault);
// The one that a session begins with stays under another name, for who runs that session again: begin-POSITION.hds, as long as the journal has what is
// before it. first: position of the first record that is kept.
int32_t hd_snapshot_keep(struct hd_journal *j, uint64_t first, const struct hd_snapshot *snapshot, struct hd_fault *fault);
// That one. HADRON_ERR_NOT_FOUND: it is not to be had, and why.
int32_t hd_snapshot_at(const struct hd_disk *disk, const char *dir, uint64_t position, struct hd_snapshot *out, struct hd_fault *fault);
// HADRON_ERR_NOT_FOUND: there is no good one. told: one line for each that was passed over.
int32_t hd_snapshot_find(const struct hd_disk *disk, const char *dir, const uint8_t journal[16], uint64_t end, struct hd_snapshot *out,
                         void (*told)(void *user, const char *text), void *user, struct hd_fault *fault);
// Into a fold that has begun: books, orders, engines, and the strategies' instances made anew with their states.
int32_t hd_snapshot_load(struct hd_session *s, struct hd_fold *f, struct hd_snapshot *snapshot, struct hd_fault *fault);

// While a session runs.
struct hd_snapshots {
  pthread_t thread;
  bool running;
  _Atomic bool done;
  struct hd_snapshot taken;
  uint64_t records;       // written when the last one was taken
  _Atomic bool wanted;    // a version has changed: its state is in no record
  _Atomic uint64_t count, failed;
  _Atomic uint64_t position;
  _Atomic int64_t pause_ns, pause_ns_max; // of taking
  char error[256];
};
// Takes one if it is due (journal.snapshot_every records, or wanted) and the last one is written. [io]
void hd_session_snapshot_due(struct hd_session *s);
// The last one of a run that ends in peace, written before this returns. [control, everything stopped]
void hd_session_snapshot_end(struct hd_session *s);

#endif
