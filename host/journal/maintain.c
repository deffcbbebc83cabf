// What is due off the append path: successors, names, resident pages, the hash chain, durability, retention.
#include <inttypes.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "journal/writer.h"

#define WINDOW_AHEAD (UINT64_C(2) << 20)  // mapped ahead of the writers: a fault per page costs more than an append
#define WINDOW_BEHIND (UINT64_C(2) << 20) // left mapped behind them: the journal's share of resident memory stays small
#define HASH_STEP (UINT64_C(4) << 20)     // hashed per call, so that a call stays short
#define PAGE UINT64_C(4096)
#define FLUSH_SLOW_NS INT64_C(1000000000) // a flush that takes longer is told
#define DURABLE_STEP (UINT64_C(256) << 10) // between two marks of what is durable

static uint64_t segment_used(struct hd_segment *s) {
  uint64_t used = (atomic_load_explicit(&s->reserved, memory_order_relaxed) & 0xffffffffu) * 8;
  return used < s->capacity ? used : s->capacity;
}

// Mapping for writing makes a page dirty. With fsync the next flush would write it, empty as it is, and protect it again before a
// record gets there: twice the bytes in two places for every group. There the pages are mapped for reading alone.
static void segment_window(const struct hd_journal *j, struct hd_segment *s) {
  uint64_t used = segment_used(s), ahead = (used + WINDOW_AHEAD) & ~(PAGE - 1);
  if (ahead > s->capacity) ahead = s->capacity;
  if (ahead > s->populated) {
    hd_disk_advise(j->disk, s->base + s->populated, ahead - s->populated,
                   j->durability == HD_JOURNAL_FSYNC ? HD_DISK_AHEAD_READ : HD_DISK_AHEAD_WRITE);
    s->populated = ahead;
  }
  if (used < WINDOW_BEHIND) return;
  uint64_t behind = (used - WINDOW_BEHIND) & ~(PAGE - 1);
  if (behind > s->released + WINDOW_BEHIND) {
    hd_disk_advise(j->disk, s->base + s->released, behind - s->released, HD_DISK_DONE);
    s->released = behind;
  }
}

// Nobody knows what the disk has any more, and a second flush that goes well would not say it.
static void journal_fail(struct hd_journal *j, int error) {
  atomic_store_explicit(&j->failed, HADRON_ERR_IO, memory_order_relaxed);
  hd_log_error("JOURNAL_SYNC", "journal %s: fdatasync failed: %s; it is not tried again: stop, check the disk, recover", j->path, strerror(-error));
}

// A directory is like a file: after a flush that failed nobody knows which names are on the disk, and the next one that goes well does not say it
// either. A segment whose name is not there is lost with the power, and all that was flushed in it.
int32_t hd_journal_sync_names(struct hd_journal *j, struct hd_fault *fault) {
  int32_t rc = hd_segment_sync_names(j->disk, j->dir, fault);
  if (rc == HADRON_OK) return rc;
  atomic_store_explicit(&j->failed, HADRON_ERR_IO, memory_order_relaxed);
  hd_log_error("JOURNAL_SYNC", "%s; it is not tried again: stop, check the disk, recover", fault->text);
  return fault->code = HADRON_ERR_IO;
}

int32_t hd_journal_settle_name(struct hd_journal *j, struct hd_fault *fault) {
  struct hd_segment *s = atomic_exchange_explicit(&j->unnamed, NULL, memory_order_acq_rel);
  if (!s) return HADRON_OK;
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, s->first_sequence);
  int error = hd_disk_rename(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME, name);
  if (!error) return hd_journal_sync_names(j, fault);
  atomic_store_explicit(&j->unnamed, s, memory_order_release);
  return hd_fault_set(fault, HADRON_ERR_IO, "journal: renaming %s/%s to %s failed: %s; check the directory", j->path,
                      HD_JOURNAL_PREPARED_NAME, name, strerror(-error));
}

static int32_t journal_prepare_locked(struct hd_journal *j, struct hd_fault *fault) {
  if (atomic_load_explicit(&j->prepared, memory_order_acquire)) return HADRON_OK;
  int32_t rc = hd_journal_settle_name(j, fault);
  struct hd_segment *s = NULL;
  bool flushes = j->durability == HD_JOURNAL_FSYNC && !atomic_load_explicit(&j->failed, memory_order_relaxed);
  bool sick = false;
  if (rc == HADRON_OK) rc = hd_segment_create(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME, j->segment_bytes, flushes, &sick, &s, fault);
  if (sick) { // orders would be refused for want of a segment, and nobody would flush any more and find out
    atomic_store_explicit(&j->failed, HADRON_ERR_IO, memory_order_relaxed);
    hd_log_error("JOURNAL_SYNC", "%s; it is not tried again: stop, check the disk, recover", fault->text);
  }
  if (rc != HADRON_OK) return rc;
  rc = hd_journal_sync_names(j, fault);
  if (rc != HADRON_OK) {
    hd_segment_destroy(j->disk, s);
    return rc;
  }
  hd_segment_bounds(s, j->reserve_bytes);
  segment_window(j, s);
  s->all_next = j->all;
  j->all = s;
  atomic_store_explicit(&j->prepared, s, memory_order_release);
  return HADRON_OK;
}

int32_t hd_journal_prepare(struct hd_journal *j, struct hd_fault *fault) {
  pthread_mutex_lock(&j->work);
  int32_t rc = journal_prepare_locked(j, fault);
  uint32_t starved = rc != HADRON_OK;
  if (atomic_exchange_explicit(&j->starved, starved, memory_order_relaxed) != starved) {
    if (starved)
      hd_log_error("JOURNAL_FULL", "%s; new orders are refused, cancels and fills have %" PRIu64 " bytes", fault->text,
                   j->reserve_bytes);
    else
      hd_log_info("JOURNAL_ROOM", "journal %s: there is room again", j->path);
  }
  pthread_mutex_unlock(&j->work);
  return rc;
}

uint64_t hd_segment_walk(const struct hd_segment *s, uint64_t from) {
  while (from + 8 <= s->capacity) {
    uint64_t commit = hd_commit_load(s->base + from);
    if (!commit) return from;
    from += hd_record_stride(hd_commit_size(commit));
    if (hd_commit_mark(commit) == HD_MARK_SEAL) return from;
  }
  return from;
}

// A segment's hash stands in its successor only once the segment is on the disk, with fsync or without, and so all before it: whatever the power
// takes, a start finds what is older than the newest hash whole. The records may have been flushed before the segment's own hash of the one before
// it was there: so it is flushed once more.
static bool chain_flush(struct hd_journal *j, const struct hd_segment *s, uint64_t sealed) {
  if (hd_journal_flush(j, s->position + sealed - 1) != HADRON_OK) return false;
  int error = hd_disk_sync(j->disk, s->file);
  if (error) journal_fail(j, error);
  return !error;
}

// A flush that ended behind the seal before there was a successor has not gone on to it: the next one would begin in a mapping that is gone.
static void flush_leave(struct hd_journal *j, struct hd_segment *s, struct hd_segment *next) {
  pthread_mutex_lock(&j->gate);
  while (atomic_load_explicit(&j->flushing, memory_order_relaxed) == s && j->syncing) pthread_cond_wait(&j->landed, &j->gate);
  if (atomic_load_explicit(&j->flushing, memory_order_relaxed) == s) atomic_store_explicit(&j->flushing, next, memory_order_relaxed);
  pthread_mutex_unlock(&j->gate);
}

// Hashes a part of the oldest segment that is sealed and complete; at its end it is flushed, its hash goes into the successor's header and the
// mapping is given back. Returns false when there is nothing to hash, or not yet, or never because a flush has failed.
static bool journal_chain(struct hd_journal *j) {
  struct hd_segment *s = j->unchained, *next = atomic_load_explicit(&s->successor, memory_order_acquire);
  if (!next || hd_journal_broken(j)) return false;
  uint64_t sealed = atomic_load_explicit(&s->sealed, memory_order_acquire);
  if (s->settled < sealed) s->settled = hd_segment_walk(s, s->settled);
  if (s->settled < sealed) return false; // a writer is still copying
  if (!s->hashed) {
    s->hashed = ((const struct hd_segment_header *)s->base)->header_bytes;
    hd_segment_hash_begin(&j->hash, s->base, (uint32_t)s->hashed);
  }
  uint64_t step = sealed - s->hashed < HASH_STEP ? sealed - s->hashed : HASH_STEP;
  hd_sha256_update(&j->hash, s->base + s->hashed, step);
  s->hashed += step;
  if (s->hashed < sealed) return true;
  if (!chain_flush(j, s, sealed)) return false;
  flush_leave(j, s, next);
  uint8_t digest[32];
  hd_sha256_final(&j->hash, digest);
  hd_segment_chain(next, digest);
  hd_segment_unmap(j->disk, s);
  j->unchained = next;
  return true;
}

void hd_journal_chain_rest(struct hd_journal *j) {
  while (journal_chain(j))
    ;
}

int32_t hd_journal_maintain(struct hd_journal *j, struct hd_fault *fault) {
  struct hd_fault own;
  if (!fault) fault = &own;
  int32_t rc = hd_journal_prepare(j, fault);
  struct hd_segment *s = atomic_load_explicit(&j->current, memory_order_acquire);
  segment_window(j, s);
  pthread_mutex_lock(&j->work);
  int32_t named = hd_journal_settle_name(j, fault);
  pthread_mutex_unlock(&j->work);
  journal_chain(j);
  if (atomic_load_explicit(&j->failed, memory_order_relaxed))
    return hd_fault_set(fault, HADRON_ERR_IO, "journal %s: a flush to disk has failed; stop the host, check the disk, recover",
                        j->path);
  return rc != HADRON_OK ? rc : named;
}

bool hd_journal_broken(const struct hd_journal *j) { return atomic_load_explicit(&j->failed, memory_order_relaxed) != 0; }

// ---- Group commit. One of those who wait flushes for all; who comes meanwhile waits for the next round. ----

// The mark goes to disk with a later flush. It is stored seldom: each time costs that flush one page more.
static void durable_mark(struct hd_segment *s, uint64_t to, bool complete) {
  struct hd_segment_state *state = hd_segment_state(s);
  if (!state || (to < s->marked + DURABLE_STEP && !complete && s->marked)) return;
  __atomic_store_n(&state->durable, hd_offset_mark_make(to), __ATOMIC_RELEASE);
  s->marked = to;
}

static int flush_timed(struct hd_journal *j, struct hd_segment *s) {
  int64_t start = hd_clock_monotonic_ns();
  atomic_store_explicit(&j->flush_since_ns, start, memory_order_relaxed);
  int error = hd_disk_sync(j->disk, s->file);
  int64_t took = hd_clock_monotonic_ns() - start;
  atomic_store_explicit(&j->flush_since_ns, 0, memory_order_relaxed);
  atomic_fetch_add_explicit(&j->flushes, 1, memory_order_relaxed);
  if (took > atomic_load_explicit(&j->flush_ns_max, memory_order_relaxed)) atomic_store_explicit(&j->flush_ns_max, took, memory_order_relaxed);
  if (took > FLUSH_SLOW_NS)
    hd_log_warn("JOURNAL_SLOW", "journal %s: a flush took %" PRId64 " ms; %s", j->path, took / 1000000,
                j->durability == HD_JOURNAL_FSYNC ? "orders waited for it. Look at the disk, or set journal.fsync = false" : "no order waited for it. Look at the disk");
  return error;
}

void hd_journal_health(const struct hd_journal *j, struct hd_journal_health *out) {
  int64_t since = atomic_load_explicit(&j->flush_since_ns, memory_order_relaxed);
  *out = (struct hd_journal_health){.failed = atomic_load_explicit(&j->failed, memory_order_relaxed) != 0,
                                    .starved = atomic_load_explicit(&j->starved, memory_order_relaxed) != 0,
                                    .flushes = atomic_load_explicit(&j->flushes, memory_order_relaxed),
                                    .flush_ns_max = atomic_load_explicit(&j->flush_ns_max, memory_order_relaxed),
                                    .flushing_ns = since ? hd_clock_monotonic_ns() - since : 0};
}

// Flushes what is committed, and at least the record at `position`; durable: the position before which all is. Returns 0 or a
// negative errno.
static int flush_to(struct hd_journal *j, uint64_t position, uint64_t *durable) {
  for (;;) {
    struct hd_segment *s = atomic_load_explicit(&j->flushing, memory_order_relaxed);
    struct hd_segment *next = atomic_load_explicit(&s->successor, memory_order_acquire);
    uint64_t sealed = atomic_load_explicit(&s->sealed, memory_order_acquire), to = hd_segment_walk(s, s->flushed);
    bool complete = sealed && to == sealed;
    uint64_t end = s->position + to + (complete ? HD_JOURNAL_HEADER_BYTES : 0); // no record lies in a header
    if (end <= position && !complete) continue; // a writer in front of it is still copying
    int error = to > s->flushed ? flush_timed(j, s) : 0;
    if (error) return error;
    durable_mark(s, to, complete);
    s->flushed = to;
    *durable = end;
    if (complete && next) atomic_store_explicit(&j->flushing, next, memory_order_relaxed);
    if (end > position) return 0;
  }
}

int32_t hd_journal_flush(struct hd_journal *j, uint64_t position) {
  HD_ASSERT(position < hd_journal_end(j));
  pthread_mutex_lock(&j->gate);
  while (j->durable <= position && !atomic_load_explicit(&j->failed, memory_order_relaxed)) {
    if (j->syncing) {
      pthread_cond_wait(&j->landed, &j->gate);
      continue;
    }
    j->syncing = true;
    pthread_mutex_unlock(&j->gate);
    uint64_t durable = 0;
    int error = flush_to(j, position, &durable);
    pthread_mutex_lock(&j->gate);
    j->syncing = false;
    if (!error) j->durable = durable;
    if (error) journal_fail(j, error);
    pthread_cond_broadcast(&j->landed);
  }
  int32_t rc = j->durable > position ? HADRON_OK : HADRON_ERR_IO;
  pthread_mutex_unlock(&j->gate);
  return rc;
}

int32_t hd_journal_sync(struct hd_journal *j, uint64_t position) {
  return j->durability == HD_JOURNAL_FSYNC ? hd_journal_flush(j, position) : HADRON_OK;
}

uint64_t hd_journal_durable(struct hd_journal *j) {
  if (j->durability != HD_JOURNAL_FSYNC) return UINT64_MAX;
  pthread_mutex_lock(&j->gate);
  uint64_t durable = j->durable;
  pthread_mutex_unlock(&j->gate);
  return durable;
}
