// Verification: one pass over all segments, oldest first, each found by the name that the seal before it tells. The hash of a segment is
// made while its records are walked and compared with what its successor's header says.
#include "journal/verify.h"

#include <errno.h>
#include <inttypes.h>

#include "base/banned.h"
#include "base/text.h"
#include "journal/look.h"

#define STEP (UINT64_C(4) << 20)

struct part { // a segment's bytes up to behind its seal, and their hash
  uint64_t first_sequence, end;
  uint8_t hash[32];
};

struct pending { // a header that had no hash yet when it was read
  char name[HD_SEGMENT_NAME_SIZE];
  struct part previous;
};

struct verify {
  const struct hd_disk *disk;
  int dir;
  const char *path;
  const struct hd_journal_watch *watch;
  struct hd_journal_verdict *out;
  struct hd_fault *fault;
  struct pending *pending; // owned
  uint64_t pending_count, pending_room;
  uint64_t done, total;    // bytes, for the watch
  struct part previous;    // the segment before
  bool first;
  uint64_t stop;           // stop before this sequence and hash up to there; 0: at the end
};

static void watch_tell(struct verify *v, uint64_t more) {
  v->done += more;
  if (v->watch && v->watch->progress) v->watch->progress(v->watch->self, v->done, v->total, v->out->records);
}

// ---- the chain -----------------------------------------------------------------------------------------------------------------------

// A host at work may have filled in the header of that segment after we had hashed it: then it is hashed again, which it rarely is.
static void part_again(const struct verify *v, struct part *p) {
  struct hd_look l;
  struct hd_fault ignored;
  if (hd_look_open(v->disk, v->dir, p->first_sequence, &l, &ignored) != HADRON_OK) return;
  if (p->end <= l.size) {
    struct hd_sha256 hash;
    hd_segment_hash_begin(&hash, l.base, l.header.header_bytes);
    hd_sha256_update(&hash, l.base + l.header.header_bytes, p->end - l.header.header_bytes);
    hd_sha256_final(&hash, p->hash);
  }
  hd_look_close(&l);
}

static int32_t chain_compare(struct verify *v, const char *name, const uint8_t found[32], struct part *previous) {
  if (memcmp(found, previous->hash, 32) != 0 && previous->end) part_again(v, previous);
  if (memcmp(found, previous->hash, 32) == 0) {
    v->out->chained++;
    return HADRON_OK;
  }
  char a[65], b[65];
  hd_hex_format(a, previous->hash, 32);
  hd_hex_format(b, found, 32);
  return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: its hash of the segment before it is %s, that segment's bytes give %s: "
                      "one of the two was changed after it was written", v->path, name, offsetof(struct hd_segment_header, previous), b, a);
}

static int32_t chain_torn(struct verify *v, const char *name) {
  return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: the hash of the segment before it does not fit its CRC-32C", v->path, name,
                      offsetof(struct hd_segment_header, previous));
}

// A hash that is there and not said to be: a host at work is just writing it, or the word was changed.
static int32_t chain_unsaid(struct verify *v, const struct hd_look *l) {
  struct hd_segment_header h;
  int32_t rc = hd_segment_read_header(v->disk, v->dir, l->name, &h, v->fault);
  if (rc != HADRON_OK || h.chained || !h.chain_crc) return rc == HADRON_ERR_NOT_FOUND ? HADRON_OK : rc;
  return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: expected 1, for the hash of the segment before it is there, found 0", v->path,
                      l->name, offsetof(struct hd_segment_header, chained));
}

static int32_t chain_check(struct verify *v, const struct hd_look *l) {
  if (l->header.chained == HD_CHAIN_TORN) return chain_torn(v, l->name);
  if (!l->header.chained && l->header.chain_crc) {
    int32_t rc = chain_unsaid(v, l);
    if (rc != HADRON_OK) return rc;
  }
  if (l->header.chained) return chain_compare(v, l->name, l->header.previous, &v->previous);
  if (v->pending_count == v->pending_room) {
    uint64_t room = v->pending_room ? v->pending_room * 2 : 16;
    struct pending *more = realloc(v->pending, room * sizeof *more);
    if (!more) return hd_fault_set(v->fault, HADRON_ERR_MEMORY, "journal: no memory to verify %s", v->path);
    v->pending = more;
    v->pending_room = room;
  }
  struct pending *p = &v->pending[v->pending_count++];
  memcpy(p->name, l->name, sizeof p->name);
  p->previous = v->previous;
  return HADRON_OK;
}

// Hashes come late: a host at work may have filled them in meanwhile. Once one has come, all before it have.
static int32_t chain_finish(struct verify *v) {
  const char *open = NULL;
  for (uint64_t i = 0; i < v->pending_count; i++) {
    struct hd_segment_header h;
    int32_t rc = hd_segment_read_header(v->disk, v->dir, v->pending[i].name, &h, v->fault);
    if (rc == HADRON_ERR_NOT_FOUND) continue; // renamed or retired meanwhile
    if (rc != HADRON_OK) return rc;
    if (h.chained == HD_CHAIN_TORN) return chain_torn(v, v->pending[i].name);
    if (h.chained && open)
      return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: expected the hash of the segment before it, found none, and %s has its own",
                          v->path, open, offsetof(struct hd_segment_header, chained), v->pending[i].name);
    if (h.chained && (rc = chain_compare(v, v->pending[i].name, h.previous, &v->pending[i].previous)) != HADRON_OK) return rc;
    if (!h.chained && !open) open = v->pending[i].name;
  }
  return HADRON_OK;
}

// ---- one segment ---------------------------------------------------------------------------------------------------------------------

static int32_t zeros_check(struct verify *v, const struct hd_look *l, uint64_t from, uint64_t to, const char *what) {
  uint64_t at = hd_look_nonzero(l, from, to);
  if (at >= to) return HADRON_OK;
  return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": expected a zero byte %s, found %02x", v->path, l->name, at, what,
                      l->base[at]);
}

static int32_t record_fault(struct verify *v, const struct hd_look *l, uint64_t at, uint64_t sequence, uint64_t commit) {
  const struct hd_record_head *r = (const void *)(l->base + at);
  uint64_t room = l->size - at;
  if (!hd_commit_plausible(commit, room))
    return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": expected record %" PRIu64
                        ", found commit word %016" PRIx64 " that fits no record", v->path, l->name, at, sequence, commit);
  uint64_t expected = hd_record_commit(r, hd_commit_size(commit), (enum hd_record_mark)hd_commit_mark(commit));
  if (expected != commit)
    return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": record %" PRIu64
                        " has CRC-32C %08" PRIx32 ", its bytes give %08" PRIx32, v->path, l->name, at, sequence, (uint32_t)(commit >> 32),
                        (uint32_t)(expected >> 32));
  return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": expected record %" PRIu64 ", found %" PRIu64, v->path, l->name,
                      at, sequence, r->sequence);
}

// Behind the last good record of a segment that has no seal.
static int32_t tail_check(struct verify *v, const struct hd_look *l, const struct hd_walk *w, uint64_t commit) {
  uint64_t later = hd_look_next_good(l, w->offset + 8, w->offset, w->sequence);
  if (commit || later) {
    record_fault(v, l, w->offset, w->sequence, commit);
    return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "%s; %s", v->fault->text,
                        later ? "good records follow" : "no good record follows: a torn tail, the next start cuts it");
  }
  uint64_t data = hd_look_data_end(l), last = hd_look_nonzero(l, w->offset, data);
  if (last >= data) return HADRON_OK;
  v->out->begun_offset = last;
  while (data > last && !l->base[data - 1]) data--;
  v->out->begun_bytes = data - last;
  return HADRON_OK;
}

// The newest segment with a record in it makes the head.
static void head_take(struct verify *v, const struct hd_look *l, const struct hd_walk *w, const struct hd_sha256 *hash) {
  if (w->sequence == l->header.first_sequence) return;
  struct hd_sha256 copy = *hash;
  hd_sha256_final(&copy, v->out->head);
  if (!l->header.chained) memset(v->out->head, 0, sizeof v->out->head);
}

// Of the newest segment: of a sealed one nobody asks any more. The marks check themselves.
static int32_t state_check(struct verify *v, const struct hd_look *l) {
  struct hd_segment_state state;
  uint64_t durable = l->header.header_bytes, clean = durable;
  memcpy(&state, l->base + HD_SEGMENT_STATE_OFFSET, sizeof state);
  bool unset = !state.crc && !state.flags && memcmp(state.boot, (const uint8_t[16]){0}, sizeof state.boot) == 0; // of a copy
  const struct { const char *name; size_t offset; bool good; uint64_t found; } fields[] = {
      {"the mark of what is durable", offsetof(struct hd_segment_state, durable), !state.durable || hd_offset_mark_read(state.durable, &durable), state.durable},
      {"the mark of a clean end", offsetof(struct hd_segment_state, clean), !state.clean || hd_offset_mark_read(state.clean, &clean), state.clean},
      {"the CRC of the boot's identity", offsetof(struct hd_segment_state, crc), unset || state.crc == hd_segment_state_crc(&state), state.crc},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (!fields[i].good)
      return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: expected %s, found %016" PRIx64, v->path, l->name,
                          HD_SEGMENT_STATE_OFFSET + fields[i].offset, fields[i].name, fields[i].found);
  return HADRON_OK;
}

// Where a host ended in peace its last record is, and nothing behind it.
static int32_t clean_check(struct verify *v, const struct hd_look *l, const struct hd_walk *w) {
  struct hd_segment_state state;
  uint64_t clean;
  memcpy(&state, l->base + HD_SEGMENT_STATE_OFFSET, sizeof state);
  if (!l->header.minor || !hd_offset_mark_read(state.clean, &clean) || clean <= w->offset) return HADRON_OK;
  return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": expected record %" PRIu64 ", found nothing; a host ended in peace at "
                      "offset %" PRIu64 ": the end was taken away", v->path, l->name, w->offset, w->sequence, clean);
}

static int32_t segment_check(struct verify *v, const struct hd_look *l, struct hd_walk *w) {
  struct hd_sha256 hash;
  uint64_t hashed = l->header.header_bytes, told = 0, commit = 0, state = l->header.minor ? sizeof(struct hd_segment_state) : 0;
  hd_segment_hash_begin(&hash, l->base, l->header.header_bytes);
  int32_t rc = zeros_check(v, l, sizeof l->header + state, l->header.header_bytes, "behind the header");
  if (rc != HADRON_OK) return rc;
  for (uint64_t at = w->offset; !w->sealed && (!v->stop || w->sequence < v->stop) && hd_walk_next(l, w, &commit); at = w->offset) {
    if (w->sealed) { // the head is that of the records alone
      hd_sha256_update(&hash, l->base + hashed, at - hashed);
      hashed = at;
      head_take(v, l, w, &hash);
    }
    v->out->records += w->mark == HD_MARK_RECORD;
    v->out->voids += w->mark == HD_MARK_VOID;
    v->out->missing += w->mark == HD_MARK_VOID ? w->swallowed : 0;
    if (w->sealed || w->offset - hashed < STEP) continue;
    hd_sha256_update(&hash, l->base + hashed, w->offset - hashed);
    hd_look_release(l, hashed, w->offset);
    hashed = w->offset;
    watch_tell(v, hashed - told);
    told = hashed;
  }
  hd_sha256_update(&hash, l->base + hashed, w->offset - hashed);
  if (!w->sealed) head_take(v, l, w, &hash);
  v->previous = (struct part){.first_sequence = l->header.first_sequence, .end = w->offset};
  hd_sha256_final(&hash, v->previous.hash);
  v->out->bytes += w->offset;
  watch_tell(v, l->size - told);
  if (v->stop && w->sequence >= v->stop) return HADRON_OK;
  if (!w->sealed && (rc = tail_check(v, l, w, commit)) != HADRON_OK) return rc;
  if (!w->sealed) return state && (rc = state_check(v, l)) != HADRON_OK ? rc : clean_check(v, l, w);
  return zeros_check(v, l, w->offset, l->size, "behind the seal");
}

// Does this segment follow the one before?
static int32_t link_check(struct verify *v, const struct hd_look *l, const struct hd_walk *before) {
  const struct hd_segment_header *h = &l->header;
  if (v->first) {
    memcpy(v->out->id, h->journal, sizeof v->out->id);
    v->out->first_sequence = h->first_sequence;
    if (h->first_sequence == 1 && h->position != 0)
      return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: expected position 0 of the first record's segment, found %" PRIu64, v->path,
                          l->name, offsetof(struct hd_segment_header, position), h->position);
    if (h->chained == HD_CHAIN_TORN) return chain_torn(v, l->name);
    if (!h->chained && h->chain_crc) return chain_unsaid(v, l);
    if (h->first_sequence != 1 || !h->chained) return HADRON_OK; // what stood before it is no longer kept
    v->previous = (struct part){0};
    return chain_compare(v, l->name, h->previous, &v->previous);
  }
  if (memcmp(h->journal, v->out->id, sizeof v->out->id) != 0)
    return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s belongs to another journal", v->path, l->name);
  if (h->position != before->position + before->offset)
    return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %zu: it starts at position %" PRIu64 ", expected %" PRIu64, v->path, l->name,
                        offsetof(struct hd_segment_header, position), h->position, before->position + before->offset);
  return chain_check(v, l);
}

// The next segment's first sequence is known and its file is not there: is it missing, or not made yet?
static int32_t absent(struct verify *v, uint64_t sequence, const char *after) {
  uint64_t *list = NULL, count = 0;
  int32_t rc = hd_segment_list(v->disk, v->dir, &list, &count, v->fault);
  if (rc != HADRON_OK) return rc;
  uint64_t newest = count ? list[count - 1] : 0;
  free(list);
  if (newest <= sequence) return HADRON_OK;
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, sequence);
  return hd_fault_set(v->fault, HADRON_ERR_CORRUPT, "journal: %s/%s is missing: %s ends with record %" PRIu64 ", and segments from record %" PRIu64 " on are there",
                      v->path, name, after, sequence - 1, newest);
}

static int32_t walk_all(struct verify *v, uint64_t oldest) {
  struct hd_walk w = {.sequence = oldest};
  char last[HD_SEGMENT_NAME_SIZE] = "";
  for (;;) {
    struct hd_look l;
    int32_t rc = hd_look_open(v->disk, v->dir, w.sequence, &l, v->fault);
    if (rc == HADRON_ERR_NOT_FOUND) {
      if (v->first) return rc;
      rc = absent(v, w.sequence, last);
      return rc != HADRON_OK ? rc : chain_finish(v);
    }
    if (rc != HADRON_OK) return hd_fault_prefix(v->fault, "%s: ", v->path);
    rc = link_check(v, &l, &w);
    hd_walk_init(&w, &l);
    if (rc == HADRON_OK) rc = segment_check(v, &l, &w);
    memcpy(last, l.name, sizeof last);
    hd_look_close(&l);
    if (rc != HADRON_OK) return rc;
    v->first = false;
    v->out->segments++;
    v->out->next_sequence = w.sequence;
    v->out->position = w.position + w.offset;
    memcpy(v->out->file, last, sizeof last);
    if (w.sealed && !(v->stop && w.sequence >= v->stop)) continue;
    return w.sealed || v->stop ? HADRON_OK : (rc = absent(v, w.sequence, last)) != HADRON_OK ? rc : chain_finish(v);
  }
}

static int32_t verify_begin(struct verify *v, uint64_t *oldest) {
  uint64_t *list = NULL, count = 0;
  if ((v->dir = hd_disk_dir_open(v->disk, v->path, false)) < 0) return hd_disk_fault(v->fault, v->dir, "journal", "opening", v->path);
  int32_t rc = hd_segment_list(v->disk, v->dir, &list, &count, v->fault);
  if (rc == HADRON_OK && !count) rc = hd_fault_set(v->fault, HADRON_ERR_NOT_FOUND, "journal: %s holds no segment", v->path);
  for (uint64_t i = 0; rc == HADRON_OK && i < count; i++) {
    struct hd_segment_header h;
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[i]);
    if (hd_segment_read_header(v->disk, v->dir, name, &h, NULL) == HADRON_OK) v->total += h.capacity;
  }
  if (rc == HADRON_OK) *oldest = list[0];
  free(list);
  return rc;
}

static int32_t verify_run(struct verify *v) {
  uint64_t oldest = 0;
  int32_t rc = verify_begin(v, &oldest);
  for (int turn = 0; rc == HADRON_OK; turn++) {
    v->first = true;
    rc = walk_all(v, oldest);
    if (rc != HADRON_ERR_NOT_FOUND || turn == 3) break;
    if (v->dir >= 0) hd_disk_close(v->disk, v->dir); // retention took the oldest from under us: again
    v->total = 0;
    rc = verify_begin(v, &oldest);
  }
  if (v->dir >= 0) hd_disk_close(v->disk, v->dir);
  free(v->pending);
  return rc;
}

int32_t hd_journal_verify(const struct hd_disk *disk, const char *dir, const struct hd_journal_watch *watch, struct hd_journal_verdict *out,
                          struct hd_fault *fault) {
  struct hd_fault own;
  struct hd_journal_verdict verdict = {0};
  struct verify v = {.disk = hd_disk_or_system(disk), .dir = -1, .path = dir, .watch = watch, .out = &verdict, .fault = fault ? fault : &own};
  int32_t rc = verify_run(&v);
  *out = verdict; // also of a damaged one: how far it is good
  return rc;
}

int32_t hd_journal_verify_head(const struct hd_disk *disk, const char *dir, uint64_t next_sequence, const uint8_t head[32], struct hd_fault *fault) {
  struct hd_fault own;
  struct hd_journal_verdict verdict = {0};
  struct verify v = {.disk = hd_disk_or_system(disk), .dir = -1, .path = dir, .out = &verdict, .fault = fault ? fault : &own, .stop = next_sequence};
  int32_t rc = verify_run(&v);
  if (rc != HADRON_OK) return rc;
  if (verdict.next_sequence < next_sequence)
    return hd_fault_set(v.fault, HADRON_ERR_CORRUPT, "journal: %s ends with record %" PRIu64 ", expected %" PRIu64 " at least: its end was taken away", dir,
                        verdict.next_sequence - 1, next_sequence - 1);
  if (memcmp(verdict.head, head, 32) == 0) return HADRON_OK;
  char a[65], b[65];
  hd_hex_format(a, head, 32);
  hd_hex_format(b, verdict.head, 32);
  return hd_fault_set(v.fault, HADRON_ERR_CORRUPT, "journal: %s: its head at record %" PRIu64 " is %s, expected %s: records before it were changed", dir,
                      next_sequence, b, a);
}
