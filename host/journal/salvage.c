// Salvage: a damaged journal, copied so that all that is good keeps its place. Per segment: the good records as they are, voids where they
// are not, the seal where the successor says that it was. A segment that is missing is made of voids alone.
#include <errno.h>
#include <inttypes.h>

#include "base/banned.h"
#include "journal/look.h"
#include "journal/verify.h"

#define STEP (UINT64_C(4) << 20)

struct salvage {
  const struct hd_disk *disk;
  int from, to;
  const struct hd_journal_watch *watch;
  void (*told)(void *self, const struct hd_journal_loss *loss);
  void *self;
  struct hd_journal_salvage *out;
  struct hd_fault *fault;
  uint8_t id[16];
  uint8_t previous[32]; // hash of the copy of the segment before
  bool chained;         // `previous` holds
  uint64_t unnamed;     // first sequence of the segment that still has the prepared one's name; 0: none
  uint64_t done, total;
};

// What is known of a segment before it is copied.
struct plan {
  uint64_t first_sequence, position, capacity;
  uint64_t end;           // offset behind its seal; 0: the newest, no seal known
  uint64_t next_sequence; // of the successor, with `end`
  int64_t created_ns;
};

// A copy under way.
struct copy {
  struct hd_segment *to;
  uint64_t offset, sequence;
  int64_t time_ns; // of the last good record
};

static void record_put(struct copy *c, uint32_t size, enum hd_record_mark mark, uint64_t sequence, int64_t time_ns, uint64_t swallowed) {
  struct hd_record_head *r = (void *)(c->to->base + c->offset);
  r->sequence = sequence;
  r->time_ns = time_ns;
  r->message = (struct hadron_message_header){0, 0, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR};
  if (mark == HD_MARK_VOID) {
    r->message.block_length = 8;
    memcpy(r + 1, &swallowed, sizeof swallowed);
  }
  hd_commit_store(r, hd_record_commit(r, size, mark));
  c->offset += size;
}

// Fills [c->offset, to) with voids that stand for `swallowed` sequences. A place too small for one stays: the caller sees where it ended.
static void void_fill(struct copy *c, uint64_t to, uint64_t swallowed) {
  const uint32_t most = HD_JOURNAL_RECORD_MAX & ~7u;
  while (c->offset + HD_VOID_BYTES <= to) {
    uint64_t room = to - c->offset, size = room > most ? most : room;
    if (room - size && room - size < HD_VOID_BYTES) size -= HD_VOID_BYTES;
    record_put(c, (uint32_t)size, HD_MARK_VOID, c->sequence, 0, swallowed);
    c->sequence += swallowed;
    swallowed = 0;
  }
}

static void loss_tell(struct salvage *s, const char *file, uint64_t offset, uint64_t bytes, uint64_t first, uint64_t records, int64_t after_ns, int64_t before_ns,
                      const char *what) {
  struct hd_journal_loss l = {.offset = offset, .bytes = bytes, .first_sequence = first, .records = records, .after_ns = after_ns, .before_ns = before_ns};
  snprintf(l.file, sizeof l.file, "%s", file);
  snprintf(l.what, sizeof l.what, "%s", what);
  s->out->places++;
  s->out->lost += records;
  if (s->told) s->told(s->self, &l);
}

static const char *damage_words(const struct hd_look *l, uint64_t at, uint64_t commit) {
  if (!commit) return "nothing was committed there";
  if (!hd_commit_plausible(commit, l->size - at)) return "the commit word fits no record";
  return hd_record_valid(l->base + at, commit, l->size - at) ? "the sequence is not the expected one" : "the CRC-32C does not fit the bytes";
}

// Goes over what stands at w->offset and is no record: to the next good one, to the seal's place, or to the end. False: nothing good follows.
static bool damage_pass(struct salvage *s, const struct hd_look *l, const struct plan *p, struct hd_walk *w, struct copy *c, uint64_t commit) {
  uint64_t start = w->offset, next = hd_look_next_good(l, start + 8, start, w->sequence);
  while (next && next - start < HD_VOID_BYTES) next = hd_look_next_good(l, next + 8, start, w->sequence); // no room for a void: chance bytes
  if (p->end && next + HD_SEAL_BYTES > p->end) next = 0; // behind the segment's end
  const char *what = damage_words(l, start, commit);
  if (next) {
    const struct hd_record_head *r = (const void *)(l->base + next);
    uint64_t lost = r->sequence - w->sequence;
    loss_tell(s, l->name, start, next - start, w->sequence, lost, c->time_ns, r->time_ns, what);
    void_fill(c, next, lost);
    w->offset = next;
    w->sequence = r->sequence;
    return true;
  }
  if (p->end) {
    uint64_t lost = p->next_sequence - w->sequence;
    if (p->end - HD_SEAL_BYTES > start || lost)
      loss_tell(s, l->name, start, p->end - HD_SEAL_BYTES - start, w->sequence, lost, c->time_ns, 0, what);
    if (p->end - HD_SEAL_BYTES > start) void_fill(c, p->end - HD_SEAL_BYTES, lost);
    return false;
  }
  uint64_t data = l->data_end, at = hd_look_nonzero(l, start, data);
  while (data > at && !l->base[data - 1]) data--;
  if (at < data) {
    s->out->cut_bytes += data - start;
    loss_tell(s, l->name, start, data - start, w->sequence, 0, c->time_ns, 0, "a torn tail: no good record follows");
  }
  return false;
}

static void records_copy(struct salvage *s, const struct hd_look *l, const struct plan *p, struct copy *c) {
  struct hd_walk w = {.position = p->position, .offset = HD_JOURNAL_HEADER_BYTES, .sequence = p->first_sequence};
  uint64_t commit, told = 0;
  for (;;) {
    uint64_t at = w.offset;
    if (p->end && at + HD_SEAL_BYTES >= p->end) break;
    if (!hd_walk_next(l, &w, &commit)) {
      if (!damage_pass(s, l, p, &w, c, commit)) break;
      continue;
    }
    if (w.sealed && p->end && w.offset != p->end) { // a seal where none can be: damage that looks good
      w.sealed = false;
      w.offset = at;
      if (!damage_pass(s, l, p, &w, c, commit)) break;
      continue;
    }
    if (w.sealed) break; // written again below, if the segment has an end
    memcpy(c->to->base + at, l->base + at, w.offset - at);
    c->offset = w.offset;
    c->sequence = w.sequence;
    c->time_ns = w.time_ns;
    s->out->records += w.mark == HD_MARK_RECORD;
    if (w.offset - told < STEP) continue;
    told = w.offset;
    if (s->watch && s->watch->progress) s->watch->progress(s->watch->self, s->done + told, s->total, s->out->records);
  }
}

// l NULL: the segment is missing.
static int32_t segment_copy(struct salvage *s, const struct hd_look *l, const struct plan *p) {
  char name[HD_SEGMENT_NAME_SIZE];
  struct copy c = {.offset = HD_JOURNAL_HEADER_BYTES, .sequence = p->first_sequence};
  hd_segment_name(name, p->first_sequence);
  int32_t rc = hd_segment_create(s->disk, s->to, name, p->capacity, false, NULL, &c.to, s->fault);
  if (rc != HADRON_OK) return rc;
  hd_segment_activate(c.to, s->id, p->first_sequence, p->position, p->created_ns);
  if (l) {
    records_copy(s, l, p, &c);
  } else {
    uint64_t lost = p->next_sequence - p->first_sequence;
    loss_tell(s, name, 0, p->end, p->first_sequence, lost, 0, 0, "the segment is missing");
    void_fill(&c, p->end - HD_SEAL_BYTES, lost);
  }
  if (p->end && c.offset + HD_SEAL_BYTES != p->end) {
    hd_segment_destroy(s->disk, c.to);
    return hd_fault_set(s->fault, HADRON_ERR_CORRUPT, "journal: %s at offset %" PRIu64 ": expected its seal at offset %" PRIu64 ", where its successor says", name,
                        c.offset, p->end - HD_SEAL_BYTES);
  }
  if (p->end) {
    record_put(&c, HD_SEAL_BYTES, HD_MARK_SEAL, p->next_sequence, c.time_ns, 0);
  }
  if (s->chained || p->first_sequence == 1) hd_segment_chain(c.to, s->chained ? s->previous : NULL);
  s->chained = true;
  struct hd_sha256 hash;
  hd_segment_hash_begin(&hash, c.to->base, HD_JOURNAL_HEADER_BYTES);
  hd_sha256_update(&hash, c.to->base + HD_JOURNAL_HEADER_BYTES, c.offset - HD_JOURNAL_HEADER_BYTES);
  hd_sha256_final(&hash, s->previous);
  int error = hd_disk_sync(s->disk, c.to->file);
  hd_segment_destroy(s->disk, c.to);
  s->out->segments++;
  s->done += p->capacity;
  return error ? hd_disk_fault(s->fault, error, "journal", "flushing", name) : HADRON_OK;
}

// The file of a segment: a host that ended at the wrong moment left the newest under the prepared one's name.
static void segment_file(const struct salvage *s, uint64_t first_sequence, char name[HD_SEGMENT_NAME_SIZE]) {
  if (first_sequence == s->unnamed) snprintf(name, HD_SEGMENT_NAME_SIZE, "%s", HD_JOURNAL_PREPARED_NAME);
  else hd_segment_name(name, first_sequence);
}

// The segments, the unnamed one with them.
static int32_t segments_list(struct salvage *s, uint64_t **list, uint64_t *count) {
  struct hd_segment_header h;
  struct hd_fault ignored;
  int32_t rc = hd_segment_list(s->disk, s->from, list, count, s->fault);
  if (rc == HADRON_OK && !*count) rc = hd_fault_set(s->fault, HADRON_ERR_NOT_FOUND, "journal: there is no segment to salvage");
  if (rc != HADRON_OK || hd_segment_read_header(s->disk, s->from, HD_JOURNAL_PREPARED_NAME, &h, &ignored) != HADRON_OK) return rc;
  if (h.first_sequence <= (*list)[*count - 1]) return rc;
  uint64_t *more = realloc(*list, (*count + 1) * sizeof *more);
  if (!more) return hd_fault_set(s->fault, HADRON_ERR_MEMORY, "journal: no memory for the list of segments");
  more[*count] = s->unnamed = h.first_sequence;
  *list = more;
  ++*count;
  return rc;
}

// What the file itself says; false: its header is damaged.
static bool plan_read(struct salvage *s, uint64_t first_sequence, struct plan *p) {
  struct hd_segment_header h;
  struct hd_fault ignored;
  char name[HD_SEGMENT_NAME_SIZE];
  segment_file(s, first_sequence, name);
  *p = (struct plan){.first_sequence = first_sequence};
  if (hd_segment_read_header(s->disk, s->from, name, &h, &ignored) != HADRON_OK || h.first_sequence != first_sequence || h.header_bytes != HD_JOURNAL_HEADER_BYTES)
    return false;
  if (memcmp(s->id, (const uint8_t[16]){0}, 16) == 0) memcpy(s->id, h.journal, sizeof s->id);
  p->position = h.position;
  p->capacity = h.capacity;
  p->created_ns = h.created_ns;
  return true;
}

// Offset behind the seal, and what it says, of a segment whose records are all good; 0: none.
static uint64_t sealed_end(const struct hd_look *l, const struct plan *p, uint64_t *next_sequence) {
  struct hd_walk w = {.position = p->position, .offset = HD_JOURNAL_HEADER_BYTES, .sequence = p->first_sequence};
  uint64_t commit;
  while (!w.sealed && hd_walk_next(l, &w, &commit))
    ;
  *next_sequence = w.sequence;
  return w.sealed ? w.offset : 0;
}

// Copies the segment number i, and what is missing between it and the next.
static int32_t one_copy(struct salvage *s, const uint64_t *list, uint64_t count, uint64_t i, struct plan *p, bool known, struct plan *next) {
  char name[HD_SEGMENT_NAME_SIZE];
  struct hd_look l;
  segment_file(s, list[i], name);
  int32_t rc = hd_look_map(s->disk, s->from, name, &l, s->fault);
  if (rc != HADRON_OK) return rc;
  if (!known) {
    p->capacity = (l.size + 4095) & ~UINT64_C(4095);
    loss_tell(s, name, 0, HD_JOURNAL_HEADER_BYTES, p->first_sequence, 0, 0, 0, "its header is damaged; made anew from its neighbours");
  }
  uint64_t next_sequence, end = sealed_end(&l, p, &next_sequence);
  bool last = i + 1 == count, next_known = !last && plan_read(s, list[i + 1], next);
  if (next_known && next->position > p->position && next->position - p->position <= p->capacity) end = next->position - p->position, next_sequence = list[i + 1];
  p->end = end;
  p->next_sequence = next_sequence;
  bool apart = !last && !next_known && next_sequence != list[i + 1]; // a segment is missing, and the one behind it does not say where it lies
  if (apart || (!last && !end)) {
    hd_look_close(&l);
    return hd_fault_set(s->fault, HADRON_ERR_CORRUPT, "journal: what lies behind %s cannot be told: %s; take the segments from record %" PRIu64 " on away and salvage what is "
                        "before them", name, apart ? "a segment is missing and the next one's header is damaged" : "its seal and the next one's header are both damaged", list[i + 1]);
  }
  rc = segment_copy(s, &l, p);
  hd_look_close(&l);
  if (rc != HADRON_OK || last) return rc;
  uint64_t position = p->position + end;
  if (next_known && position < next->position) { // segments between them are gone
    uint64_t bytes = next->position - position;
    if (bytes < HD_JOURNAL_HEADER_BYTES + HD_VOID_BYTES + HD_SEAL_BYTES || bytes > HD_SEGMENT_BYTES_MAX || bytes % 8)
      return hd_fault_set(s->fault, HADRON_ERR_CORRUPT, "journal: between record %" PRIu64 " and %" PRIu64 " %" PRIu64 " bytes are missing, and no segment holds so many: take the segments from "
                          "record %" PRIu64 " on to another directory, and salvage both", next_sequence, list[i + 1], bytes, list[i + 1]);
    struct plan gap = {.first_sequence = next_sequence, .position = position, .end = next->position - position, .next_sequence = list[i + 1],
                       .capacity = (next->position - position + 4095) & ~UINT64_C(4095)};
    rc = segment_copy(s, NULL, &gap);
  }
  if (!next_known) *next = (struct plan){.first_sequence = list[i + 1], .position = position};
  return rc;
}

static int32_t all_copy(struct salvage *s) {
  uint64_t *list = NULL, count = 0, kept = 0;
  struct plan p, next;
  int32_t rc = hd_segment_list(s->disk, s->to, &list, &kept, s->fault);
  free(list);
  list = NULL;
  if (rc == HADRON_OK && kept) rc = hd_fault_set(s->fault, HADRON_ERR_EXISTS, "journal: the directory to salvage to holds a journal already; choose an empty one");
  if (rc == HADRON_OK) rc = segments_list(s, &list, &count);
  uint64_t good = count;
  for (uint64_t i = count; rc == HADRON_OK && i-- > 0;) // the identity first: a damaged header gets it from another
    if (plan_read(s, list[i], &p)) good = i, s->total += p.capacity;
  if (rc == HADRON_OK && good == count)
    rc = hd_fault_set(s->fault, HADRON_ERR_CORRUPT, "journal: no segment has a header that can be read; nothing can be told from these files");
  for (uint64_t i = 0; rc == HADRON_OK && i < good; i++) {
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[i]);
    if (list[i] == 1 && i == 0) good = 0; // the very first segment starts at position 0
    else loss_tell(s, name, 0, 0, list[i], list[good] - list[i], 0, 0, "its header, and all before it, are damaged: where it lies cannot be told; left out");
  }
  bool known = rc == HADRON_OK && plan_read(s, list[good], &p);
  for (uint64_t i = good; rc == HADRON_OK && i < count; i++) {
    rc = one_copy(s, list, count, i, &p, known, &next);
    known = i + 1 < count && next.capacity;
    p = next;
  }
  free(list);
  return rc == HADRON_OK ? hd_segment_sync_names(s->disk, s->to, s->fault) : rc;
}

int32_t hd_journal_salvage(const struct hd_disk *disk, const char *from, const char *to, const struct hd_journal_watch *watch,
                           void (*told)(void *self, const struct hd_journal_loss *loss), void *self, struct hd_journal_salvage *out,
                           struct hd_fault *fault) {
  struct hd_fault own;
  struct hd_journal_salvage done = {0};
  struct salvage s = {.disk = hd_disk_or_system(disk), .from = -1, .to = -1, .watch = watch, .told = told, .self = self, .out = &done, .fault = fault ? fault : &own};
  int32_t rc = HADRON_OK;
  if ((s.from = hd_disk_dir_open(s.disk, from, false)) < 0) rc = hd_disk_fault(s.fault, s.from, "journal", "opening", from);
  if (rc == HADRON_OK && (s.to = hd_disk_dir_open(s.disk, to, true)) < 0) rc = hd_disk_fault(s.fault, s.to, "journal", "opening", to);
  if (rc == HADRON_OK) rc = all_copy(&s);
  if (s.from >= 0) hd_disk_close(s.disk, s.from);
  if (s.to >= 0) hd_disk_close(s.disk, s.to);
  *out = done;
  return rc;
}
