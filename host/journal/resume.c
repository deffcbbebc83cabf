// Going on where the last host ended: segments behind which no hashed one stands are walked, the tail is cut. Three things can follow the last
// good record: nothing; a torn tail (cut); a hole (a writer died between its claim and its commit while others went on: the hole becomes a
// VOID record, so that what they wrote stays). All else is damage.
//
// After the machine went down (a power cut; the newest segment's state names another boot) what had not been flushed may be there in parts, in
// any order, over the newest segments. What stands before a durable mark was flushed: damage there is damage. Behind it the journal ends at the
// first bad place, and all that follows is cut, good or not: later records without the earlier ones would be a lie. Two things are such marks:
// an offset in a segment's state, and a segment's hash of the one before it, which is written once that one is on the disk, with fsync or without.
#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/log.h"
#include "base/random.h"
#include "journal/writer.h"

// ---- Walking what is there. ----

struct walk {
  struct hd_journal *j;
  struct hd_segment *segment;
  const char *name;
  uint64_t offset, sequence, records;
  uint64_t data_end; // behind it the file has only zeros
  uint64_t durable;  // what stands before it was flushed
  uint64_t clean;    // a host ended here in peace; 0: none did, or it may be lost
  bool lossy;        // the machine went down since: behind `durable` anything may be missing
  bool last;         // no later segment is known to have been flushed
  bool cut;          // the journal ends here, whatever segments follow
};

// Where the file's data ends: what was allocated and never written need not be read.
static uint64_t segment_data_end(const struct hd_journal *j, const struct hd_segment *s) {
  uint64_t end = 0;
  return hd_disk_data_end(j->disk, s->file, &end) || end > s->capacity ? s->capacity : end;
}

// The next good record behind `from` that can belong to this segment; 0: none.
static uint64_t walk_find(const struct walk *w, uint64_t from) {
  const struct hd_segment *s = w->segment;
  for (uint64_t at = from; at + sizeof(struct hd_record_head) <= w->data_end; at += 8) {
    const struct hd_record_head *r = (const void *)(s->base + at);
    if (!r->commit || !hd_commit_plausible(r->commit, s->capacity - at)) continue;
    bool later = r->sequence > w->sequence && r->sequence - w->sequence <= (at - w->offset) / sizeof *r;
    if (later && hd_record_valid(r, r->commit, s->capacity - at)) return at;
  }
  return 0;
}

static int32_t walk_hole(struct walk *w, uint64_t to) {
  unsigned char *at = w->segment->base + w->offset;
  const struct hd_record_head *next = (const void *)(w->segment->base + to);
  uint32_t size = (uint32_t)(to - w->offset);
  HD_ASSERT(size >= HD_VOID_BYTES && size <= HD_JOURNAL_RECORD_MAX);
  uint64_t swallowed = next->sequence - w->sequence;
  struct hd_record_head head = {0, w->sequence, 0, {8, 0, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR}};
  memset(at, 0, size);
  memcpy(at, &head, sizeof head);
  memcpy(at + sizeof head, &swallowed, sizeof swallowed);
  hd_commit_store(at, hd_record_commit(at, size, HD_MARK_VOID));
  hd_log_warn("JOURNAL_HOLE", "journal %s/%s at offset %" PRIu64 ": %" PRIu64 " records were begun and never committed", w->j->path,
              w->name, w->offset, swallowed);
  return HADRON_OK;
}

static void walk_cut(struct walk *w, uint64_t torn) {
  struct hd_segment *s = w->segment;
  memset(s->base + w->offset, 0, torn);
  w->j->cut += torn;
  hd_log_warn("JOURNAL_TAIL", "journal %s/%s: cut a torn tail of %" PRIu64 " bytes at offset %" PRIu64 ", after record %" PRIu64 "%s", w->j->path,
              w->name, torn, w->offset, w->sequence - 1, w->lossy ? "; the machine went down since" : "");
}

// A writer that died leaves one record without a commit word; so many can there be at once.
#define HOLE_RECORDS 256

static bool walk_is_hole(const struct walk *w, uint64_t commit, uint64_t later) {
  if (commit || !later || later - w->offset < HD_VOID_BYTES || later - w->offset > HD_JOURNAL_RECORD_MAX) return false;
  const struct hd_record_head *next = (const void *)(w->segment->base + later);
  return w->offset >= w->durable && !w->clean && next->sequence - w->sequence <= HOLE_RECORDS;
}

// What stands at w->offset is no record. newest: no segment follows.
static int32_t walk_broken(struct walk *w, bool newest, bool *end, struct hd_fault *fault) {
  struct hd_segment *s = w->segment;
  uint64_t commit = hd_commit_load(s->base + w->offset), later = walk_find(w, w->offset + 8);
  bool lost = w->lossy && w->last && w->offset >= w->durable;
  if (!lost && walk_is_hole(w, commit, later)) return walk_hole(w, later);
  if (!lost && (later || !newest || w->offset < w->clean || w->offset < w->durable))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s is damaged at offset %" PRIu64 ": expected record %" PRIu64
                        ", found commit word %016" PRIx64 "%s; restore the file, or see what is left: `hadron journal salvage %s TO`", w->j->path,
                        w->name, w->offset, w->sequence, commit, later ? ", and good records behind it" : "", w->j->path);
  uint64_t torn = w->data_end > w->offset ? w->data_end - w->offset : 0;
  while (torn && !s->base[w->offset + torn - 1]) torn--;
  if (torn) walk_cut(w, torn);
  w->cut = lost;
  *end = true;
  return HADRON_OK;
}

static int32_t walk_segment(struct walk *w, bool newest, struct hd_fault *fault) {
  struct hd_segment *s = w->segment;
  bool end = false;
  w->data_end = segment_data_end(w->j, s);
  if (w->data_end < w->offset) w->data_end = w->offset;
  while (!end && !s->sealed) {
    uint64_t room = s->capacity - w->offset;
    if (room < sizeof(struct hd_record_head)) break;
    const struct hd_record_head *r = (const void *)(s->base + w->offset);
    bool valid = r->commit && hd_record_valid(r, r->commit, room) && r->sequence == w->sequence;
    if (!valid) {
      int32_t rc = walk_broken(w, newest, &end, fault);
      if (rc != HADRON_OK) return rc;
      continue; // a hole has become a record
    }
    uint64_t swallowed = 1, mark = hd_commit_mark(r->commit);
    if (mark == HD_MARK_VOID) memcpy(&swallowed, r + 1, sizeof swallowed);
    w->offset += hd_record_stride(hd_commit_size(r->commit));
    if (mark == HD_MARK_SEAL) {
      atomic_store(&s->sealed, w->offset);
    } else {
      w->sequence += swallowed;
      w->records += swallowed;
    }
  }
  return HADRON_OK;
}

// ---- Adopting what is there, or starting. ----

static int32_t journal_begin(struct hd_journal *j, uint64_t first_sequence, uint64_t position, struct hd_segment **segment,
                             struct hd_fault *fault) {
  int32_t rc = hd_journal_prepare(j, fault);
  if (rc != HADRON_OK) return rc;
  struct hd_segment *s = atomic_exchange(&j->prepared, NULL);
  hd_segment_state_fill((struct hd_segment_state *)(s->base + HD_SEGMENT_STATE_OFFSET), j->boot, j->durability == HD_JOURNAL_FSYNC);
  hd_segment_activate(s, j->id, first_sequence, position, j->now_ns);
  atomic_store(&j->unnamed, s);
  *segment = s;
  return hd_journal_settle_name(j, fault);
}

static int32_t journal_create(struct hd_journal *j, uint64_t seed, struct hd_fault *fault) {
  if (seed) {
    uint64_t words[2] = {hd_random_mix(seed), hd_random_mix(seed ^ 1)};
    memcpy(j->id, words, sizeof j->id);
  } else if (getrandom(j->id, sizeof j->id, 0) != sizeof j->id) {
    return hd_fault_set(fault, HADRON_ERR_IO, "journal: the system gave no random bytes: %s", strerror(errno));
  }
  struct hd_segment *s;
  int32_t rc = journal_begin(j, 1, 0, &s, fault);
  if (rc != HADRON_OK) return rc;
  hd_segment_chain(s, NULL);
  atomic_store(&j->current, s);
  j->flushing = j->unchained = s;
  return HADRON_OK;
}

// A host that ended between the seal and the new name left the successor under the prepared one's name.
static int32_t prepared_adopt(struct hd_journal *j, uint64_t first_sequence, bool *adopted, struct hd_fault *fault) {
  struct hd_segment_header h;
  struct hd_fault ignored;
  *adopted = false;
  if (hd_segment_read_header(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME, &h, &ignored) != HADRON_OK) return HADRON_OK;
  if (memcmp(h.journal, j->id, sizeof j->id) != 0 || h.first_sequence != first_sequence) return HADRON_OK;
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, first_sequence);
  int error = hd_disk_rename(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME, name);
  if (error)
    return hd_fault_set(fault, HADRON_ERR_IO, "journal: renaming %s/%s failed: %s", j->path, HD_JOURNAL_PREPARED_NAME,
                        strerror(-error));
  *adopted = true;
  return hd_segment_sync_names(j->disk, j->dir, fault);
}

static int32_t segment_adopt(struct hd_journal *j, uint64_t sequence, struct hd_segment_header *h, struct hd_segment **segment,
                             char name[HD_SEGMENT_NAME_SIZE], struct hd_fault *fault) {
  hd_segment_name(name, sequence);
  int32_t rc = hd_segment_read_header(j->disk, j->dir, name, h, fault);
  if (rc != HADRON_OK) return rc;
  if (h->first_sequence != sequence)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s says that its first record is %" PRIu64, j->path, name,
                        h->first_sequence);
  rc = hd_segment_map(j->disk, j->dir, name, h->capacity, segment, fault);
  if (rc != HADRON_OK) return rc;
  struct hd_segment *s = *segment;
  s->first_sequence = h->first_sequence;
  s->position = h->position;
  s->settled = s->flushed = h->header_bytes;
  hd_segment_bounds(s, j->reserve_bytes);
  s->all_next = j->all;
  j->all = s;
  return HADRON_OK;
}

// May a host that wrote this segment have lost what it had not flushed? One whose state is not there has lost that: it is filled in before the header.
static bool state_lossy(const struct hd_journal *j, const struct hd_segment_header *h, const struct hd_segment_state *state) {
  static const uint8_t none[16];
  uint64_t clean;
  if (!h->minor) return false;
  if (state->flags & HD_SEGMENT_FSYNC && hd_offset_mark_read(state->clean, &clean)) return false;
  return state->crc != hd_segment_state_crc(state) || memcmp(state->boot, j->boot, sizeof none) != 0 || memcmp(state->boot, none, sizeof none) == 0;
}

// What its last writer says of a segment.
static void walk_state(struct walk *w) {
  struct hd_segment_state *state = hd_segment_state(w->segment);
  if (!state) { // format 1.0 knows nothing: all damage is damage
    w->lossy = false;
    return;
  }
  uint64_t durable = 0, clean = 0;
  if (!hd_offset_mark_read(state->durable, &durable)) state->durable = 0; // none, or torn
  if (!hd_offset_mark_read(state->clean, &clean)) state->clean = 0;
  if (durable >= w->offset && durable <= w->segment->capacity) w->durable = durable;
  if (!w->lossy && clean >= w->offset && clean <= w->segment->capacity) w->clean = clean; // else it may speak of bytes that are lost
}

// A host that ended badly may have ended because a flush failed. The kernel then takes the pages for clean, and no later flush writes them: they
// are read here as if they were there, and are gone with the power. So what was not flushed for certain is written once more; without fsync it is
// flushed when the segment is full.
static int32_t segment_rewrite(struct hd_journal *j, const struct hd_segment *s, const struct walk *w, struct hd_fault *fault) {
  int error = hd_disk_write(j->disk, s->file, s->base, HD_JOURNAL_HEADER_BYTES, 0);
  if (!error && w->offset > w->durable) error = hd_disk_write(j->disk, s->file, s->base + w->durable, w->offset - w->durable, w->durable);
  if (!error && j->durability == HD_JOURNAL_FSYNC) error = hd_disk_sync(j->disk, s->file);
  if (!error) return HADRON_OK;
  hd_disk_fault(fault, error, "journal", "writing once more what a host left in", w->name);
  return fault->code = HADRON_ERR_IO; // a disk that is full would be lived with: this is none of that
}

// Of a segment that is walked.
struct stand {
  bool newest; // no segment follows
  bool last;   // no later one was ever flushed
  bool lossy;  // the machine went down
};

// Walks one segment and hangs it behind `before`. cut: the journal ends in it, what follows is to go.
static int32_t segment_resume(struct hd_journal *j, uint64_t sequence, struct hd_segment *before, struct stand stand, struct hd_segment **segment,
                              bool *cut, struct hd_fault *fault) {
  struct hd_segment_header h;
  char name[HD_SEGMENT_NAME_SIZE];
  int32_t rc = segment_adopt(j, sequence, &h, segment, name, fault);
  if (rc != HADRON_OK) return rc;
  struct hd_segment *s = *segment;
  if (memcmp(h.journal, j->id, sizeof j->id) != 0)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s belongs to another journal; take it away", j->path, name);
  if (before && h.position != before->position + atomic_load(&before->sealed))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s starts at position %" PRIu64 ", expected %" PRIu64
                        ": a segment is missing or changed", j->path, name, h.position, before->position + atomic_load(&before->sealed));
  struct walk w = {.j = j, .segment = s, .name = name, .offset = h.header_bytes, .sequence = sequence, .durable = h.header_bytes, .lossy = stand.lossy, .last = stand.last};
  walk_state(&w);
  if (h.chained == HD_CHAIN_TORN && !w.lossy)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: the hash of the segment before it does not fit its CRC-32C", j->path, name,
                        offsetof(struct hd_segment_header, previous));
  if (h.chained == HD_CHAIN_TORN) {
    hd_segment_unchain(s);
    if (sequence == 1) hd_segment_chain(s, NULL);
  }
  rc = walk_segment(&w, stand.newest, fault);
  if (rc == HADRON_OK && !w.clean && !w.lossy) rc = segment_rewrite(j, s, &w, fault);
  if (rc != HADRON_OK) return rc;
  *cut = w.cut && !stand.newest;
  atomic_store(&s->reserved, w.records << 32 | w.offset / 8);
  if (before) atomic_store(&before->successor, s);
  return HADRON_OK;
}

// Reads what a segment's file says of itself without mapping it.
static int32_t state_read(struct hd_journal *j, uint64_t sequence, struct hd_segment_header *h, struct hd_segment_state *state, struct hd_fault *fault) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, sequence);
  memset(state, 0, sizeof *state);
  int32_t rc = hd_segment_read_header(j->disk, j->dir, name, h, fault);
  if (rc != HADRON_OK || !h->minor) return rc;
  int file = hd_disk_open(j->disk, j->dir, name, HD_DISK_READ);
  if (file < 0) return hd_disk_fault(fault, file, "journal", "opening", name);
  size_t done;
  int error = hd_disk_read(j->disk, file, state, sizeof *state, HD_SEGMENT_STATE_OFFSET, &done);
  hd_disk_close(j->disk, file);
  return error ? hd_disk_fault(fault, error, "journal", "reading", name) : HADRON_OK;
}

static int32_t segment_drop(struct hd_journal *j, uint64_t sequence, const char *why, struct hd_fault *fault) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, sequence);
  hd_log_warn("JOURNAL_TAIL", "journal %s/%s: %s; removed", j->path, name, why);
  int error = hd_disk_unlink(j->disk, j->dir, name);
  return error ? hd_disk_fault(fault, error, "journal", "removing", name) : HADRON_OK;
}

// Does a file without a header hold a record all the same? Then the header is damaged; without one nothing was ever kept in it: a header is
// flushed with the first record.
static bool headerless_holds(struct hd_journal *j, const char *name, uint64_t sequence) {
  uint64_t head[4096 / sizeof(uint64_t)];
  size_t done = 0;
  int file = hd_disk_open(j->disk, j->dir, name, HD_DISK_READ);
  int error = file < 0 ? file : hd_disk_read(j->disk, file, head, sizeof head, HD_JOURNAL_HEADER_BYTES, &done);
  if (file >= 0) hd_disk_close(j->disk, file);
  if (error) return true; // cannot be told
  const struct hd_record_head *r = (const void *)head;
  return done >= sizeof *r && r->commit && r->sequence == sequence && hd_commit_mark(r->commit) == HD_MARK_RECORD &&
         (hd_record_stride(hd_commit_size(r->commit)) > done || hd_record_valid(r, r->commit, done));
}

// The first segment of all is flushed with its header before anything is written to it: one without, alone, holds nothing.
static int32_t first_headerless(struct hd_journal *j, uint64_t sequence, uint64_t *count, int32_t rc, struct hd_fault *fault) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, sequence);
  if (*count > 1 || headerless_holds(j, name, sequence)) return rc;
  j->cut += sizeof(struct hd_segment_header);
  *count = 0;
  return segment_drop(j, sequence, "its header was never written, it holds no record", fault);
}

struct survey {
  uint64_t first;  // from here on all is walked
  uint64_t last;   // from here on no segment's successor was ever flushed
  uint64_t count;  // that are left
  bool lossy;      // the machine went down since the last host wrote: a host that starts says so in the newest segment
};

static int32_t later_drop(struct hd_journal *j, const uint64_t *list, uint64_t count, uint64_t from, struct hd_fault *fault);

// Looks at the headers, newest first, down to the oldest whose successor lacks its hash: what is older is on the disk and need not be walked.
// Segments whose header never reached the disk go, with all behind them, if the host before them may have lost it and nothing behind was flushed.
static int32_t segments_survey(struct hd_journal *j, const uint64_t *list, uint64_t count, struct survey *out, struct hd_fault *fault) {
  bool flushed = false, seen = false;
  uint64_t broken = count;
  struct hd_fault why = {0};
  *out = (struct survey){.first = count - 1, .last = count - 1, .count = count};
  for (uint64_t i = count; i-- > 0;) {
    struct hd_segment_header h;
    struct hd_segment_state state;
    uint64_t durable;
    int32_t rc = state_read(j, list[i], &h, &state, fault);
    if (rc == HADRON_ERR_CORRUPT && i > 0) {
      broken = i;
      why = *fault;
      continue;
    }
    if (rc == HADRON_ERR_CORRUPT) return first_headerless(j, list[0], &out->count, rc, fault);
    if (rc != HADRON_OK) return rc;
    if (!seen) out->lossy = state_lossy(j, &h, &state);
    seen = true;
    if (broken < out->count) {
      if (flushed || !out->lossy) {
        *fault = why;
        return why.code;
      }
      rc = later_drop(j, list, out->count, broken, fault);
      if (rc != HADRON_OK) return rc;
      out->count = broken;
    }
    memcpy(j->id, h.journal, sizeof j->id);
    out->first = i;
    if (!flushed) out->last = i; // it may have been flushed itself; those behind it were not
    flushed |= !h.minor || (hd_offset_mark_read(state.durable, &durable) && durable > h.header_bytes);
    if (h.chained == 1) break;
  }
  return HADRON_OK;
}

static int32_t later_drop(struct hd_journal *j, const uint64_t *list, uint64_t count, uint64_t from, struct hd_fault *fault) {
  int32_t rc = HADRON_OK;
  for (uint64_t i = count; rc == HADRON_OK && i-- > from;) rc = segment_drop(j, list[i], "what stood before it was lost with the machine, and it had not been flushed", fault);
  return rc == HADRON_OK ? hd_segment_sync_names(j->disk, j->dir, fault) : rc;
}

// The newest is sealed: its successor, made or still to make.
static int32_t successor_resume(struct hd_journal *j, bool lossy, struct hd_segment **newest, struct hd_fault *fault) {
  struct hd_segment *before = *newest;
  bool adopted = false, cut;
  uint64_t next = before->first_sequence + (atomic_load(&before->reserved) >> 32), position = before->position + atomic_load(&before->sealed);
  int32_t rc = prepared_adopt(j, next, &adopted, fault);
  if (rc != HADRON_OK) return rc;
  if (adopted) return segment_resume(j, next, before, (struct stand){.newest = true, .last = true, .lossy = lossy}, newest, &cut, fault);
  rc = journal_begin(j, next, position, newest, fault);
  if (rc == HADRON_OK) atomic_store(&before->successor, *newest);
  return rc;
}

static int32_t journal_resume(struct hd_journal *j, const uint64_t *list, uint64_t count, uint64_t seed, struct hd_fault *fault) {
  struct survey v;
  bool cut = false;
  struct hd_segment *before = NULL, *s = NULL;
  int32_t rc = segments_survey(j, list, count, &v, fault);
  if (rc != HADRON_OK) return rc;
  if (!v.count) return journal_create(j, seed, fault);
  for (uint64_t i = v.first; rc == HADRON_OK && i < v.count && !cut; i++, before = s) {
    const struct stand stand = {.newest = i + 1 == v.count, .last = i >= v.last, .lossy = v.lossy};
    rc = segment_resume(j, list[i], before, stand, &s, &cut, fault);
    if (i == v.first) j->flushing = j->unchained = s;
    if (rc == HADRON_OK && cut) rc = later_drop(j, list, v.count, i + 1, fault);
  }
  while (rc == HADRON_OK && atomic_load(&s->sealed)) rc = successor_resume(j, v.lossy, &s, fault);
  atomic_store(&j->current, s);
  return rc;
}

int32_t hd_journal_recover(struct hd_journal *j, uint64_t seed, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0;
  int32_t rc = hd_segment_list(j->disk, j->dir, &list, &count, fault);
  if (rc == HADRON_OK) rc = count ? journal_resume(j, list, count, seed, fault) : journal_create(j, seed, fault);
  free(list);
  return rc;
}
