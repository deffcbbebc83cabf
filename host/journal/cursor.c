// Reading. A cursor has its own read-only mapping of one segment, so it works the same beside the writer and in another process;
// the two share nothing but the bytes. It goes to the next segment by the name that the seal tells.
#include <errno.h>
#include <inttypes.h>

#include "base/assert.h"
#include "base/banned.h"
#include "journal/journal.h"
#include "journal/segment.h"

#define CLOCKS_APART_NS INT64_C(1000000000) // that writers' clocks may differ when a time is looked for
#define RELEASE_STEP (UINT64_C(4) << 20) // read pages are given back in steps of this size

struct hd_journal_cursor {
  unsigned char *base; // NULL: no segment open
  uint64_t size;       // mapped bytes: the file's size, at most its capacity
  uint64_t position;   // of the segment
  uint64_t first;      // sequence of its first record
  uint64_t offset, sequence;
  uint64_t released;
  bool looked;         // once a segment: whether those behind it say that it was whole
  const struct hd_disk *disk; // borrowed(until close)
  int dir;
  uint8_t id[16];
  bool known;          // id holds
  char name[HD_SEGMENT_NAME_SIZE];
  char path[HD_PATH_SIZE];
};

struct view { // an opened segment, before the cursor takes it
  unsigned char *base;
  uint64_t size;
  struct hd_segment_header header;
  char name[HD_SEGMENT_NAME_SIZE];
};

static int32_t view_open_as(struct hd_journal_cursor *c, const char *file, uint64_t first_sequence, struct view *v,
                            struct hd_fault *fault) {
  int32_t rc = hd_segment_read_header(c->disk, c->dir, file, &v->header, fault);
  if (rc != HADRON_OK) return rc;
  if (v->header.first_sequence != first_sequence) return HADRON_ERR_NOT_FOUND;
  if (c->known && memcmp(c->id, v->header.journal, sizeof c->id) != 0)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s belongs to another journal; take it away", c->path, file);
  int handle = hd_disk_open(c->disk, c->dir, file, HD_DISK_READ);
  if (handle < 0) return hd_disk_fault(fault, handle, "journal", "opening", file);
  // The name may have passed to another file between the two opens: what counts is the file that is mapped.
  struct hd_segment_header again;
  uint64_t size = 0;
  size_t done = 0;
  void *base = NULL;
  int error = hd_disk_size(c->disk, handle, &size);
  if (!error) error = hd_disk_read(c->disk, handle, &again, sizeof again, 0, &done);
  bool same = !error && done == sizeof again && again.first_sequence == first_sequence;
  v->size = size < v->header.capacity ? size : v->header.capacity;
  if (same) error = hd_disk_map(c->disk, handle, v->size, false, &base);
  hd_disk_close(c->disk, handle);
  if (error) return hd_disk_fault(fault, error, "journal", "reading", file);
  if (!same) return HADRON_ERR_NOT_FOUND;
  v->base = base;
  memcpy(v->name, file, strlen(file) + 1);
  return HADRON_OK;
}

// The segment with this first sequence, under its own name or, for a moment after the turn, under the prepared one's.
static int32_t view_open(struct hd_journal_cursor *c, uint64_t first_sequence, struct view *v, struct hd_fault *fault) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, first_sequence);
  int32_t rc = view_open_as(c, name, first_sequence, v, fault);
  if (rc != HADRON_ERR_NOT_FOUND) return rc;
  struct hd_fault ignored; // a prepared file has no header yet: that is no damage
  if (view_open_as(c, HD_JOURNAL_PREPARED_NAME, first_sequence, v, &ignored) == HADRON_OK) return HADRON_OK;
  return HADRON_ERR_NOT_FOUND;
}

static void cursor_take(struct hd_journal_cursor *c, const struct view *v, uint64_t offset, uint64_t sequence) {
  if (c->base) hd_disk_unmap(c->disk, c->base, c->size);
  c->base = v->base;
  c->size = v->size;
  c->position = v->header.position;
  c->first = v->header.first_sequence;
  c->looked = false;
  c->offset = offset;
  c->sequence = sequence;
  c->released = 0;
  memcpy(c->id, v->header.journal, sizeof c->id);
  c->known = true;
  memcpy(c->name, v->name, sizeof c->name);
}

// A good record at the place that was asked for needs no walk to it: it says its own sequence.
static bool view_there(const struct view *v, uint64_t offset, uint64_t *sequence) {
  if (offset % 8 || offset < v->header.header_bytes || offset + sizeof(struct hd_record_head) > v->size) return false;
  const struct hd_record_head *r = (const void *)(v->base + offset);
  uint64_t commit = hd_commit_load(r);
  if (!commit || hd_commit_mark(commit) == HD_MARK_SEAL || !hd_record_valid(r, commit, v->size - offset)) return false;
  if (r->sequence < v->header.first_sequence || r->sequence - v->header.first_sequence > offset / sizeof *r) return false;
  *sequence = r->sequence;
  return true;
}

// Walks an opened segment to `offset` by the records' sizes. NOT_FOUND: no record, and not the end, is there. END: the segment was
// sealed before it; *sequence is the successor's first.
static int32_t view_find(const struct view *v, uint64_t offset, uint64_t *sequence) {
  uint64_t at = v->header.header_bytes, next = v->header.first_sequence;
  while (at < offset) {
    uint64_t commit = at + 8 <= v->size ? hd_commit_load(v->base + at) : 0;
    if (!hd_commit_plausible(commit, v->size - at)) return HADRON_ERR_NOT_FOUND;
    uint64_t swallowed = 1;
    if (hd_commit_mark(commit) == HD_MARK_SEAL) {
      *sequence = next;
      return HADRON_ERR_END;
    }
    if (hd_commit_mark(commit) == HD_MARK_VOID) memcpy(&swallowed, v->base + at + sizeof(struct hd_record_head), sizeof swallowed);
    next += swallowed;
    at += hd_record_stride(hd_commit_size(commit));
  }
  *sequence = next;
  return at == offset ? HADRON_OK : HADRON_ERR_NOT_FOUND;
}

// First sequence of the newest segment that starts at or before `position`; of the oldest for 0.
static int32_t cursor_locate(struct hd_journal_cursor *c, uint64_t position, uint64_t *first_sequence, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0;
  int32_t rc = hd_segment_list(c->disk, c->dir, &list, &count, fault);
  if (rc != HADRON_OK) return rc;
  rc = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "journal: %s holds no segment for position %" PRIu64, c->path, position);
  for (uint64_t i = count; i-- > 0;) {
    uint64_t k = position ? i : 0;
    struct hd_segment_header h;
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[k]);
    int32_t read = hd_segment_read_header(c->disk, c->dir, name, &h, fault);
    if (read == HADRON_ERR_NOT_FOUND) continue; // retention was faster
    rc = read;
    if (read == HADRON_OK && position && h.position > position) {
      rc = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "journal: position %" PRIu64 " of %s is no longer kept; the oldest is %" PRIu64,
                        position, c->path, h.position + h.header_bytes);
      continue;
    }
    if (read == HADRON_OK) *first_sequence = h.first_sequence;
    break;
  }
  free(list);
  return rc;
}

int32_t hd_journal_cursor_seek(struct hd_journal_cursor *c, uint64_t position, struct hd_fault *fault) {
  struct hd_fault own;
  if (!fault) fault = &own;
  uint64_t first = 0, sequence = 0;
  int32_t rc = cursor_locate(c, position, &first, fault);
  if (rc != HADRON_OK) return rc;
  for (;;) {
    struct view v;
    rc = view_open(c, first, &v, fault);
    if (rc == HADRON_ERR_NOT_FOUND)
      return hd_fault_set(fault, rc, "journal: position %" PRIu64 " of %s is not there, or no longer kept", position, c->path);
    if (rc != HADRON_OK) return rc;
    uint64_t offset = position ? position - v.header.position : v.header.header_bytes;
    bool inside = position >= v.header.position || !position;
    rc = !inside ? HADRON_ERR_NOT_FOUND : view_there(&v, offset, &sequence) ? HADRON_OK : view_find(&v, offset, &sequence);
    if (rc == HADRON_OK) {
      cursor_take(c, &v, offset, sequence);
      return rc;
    }
    hd_disk_unmap(c->disk, v.base, v.size);
    if (rc == HADRON_ERR_END) { // the newest segment may not have its own name yet: the list did not show it
      first = sequence;
      continue;
    }
    return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "journal: no record starts at position %" PRIu64 " of %s (%s at offset %" PRIu64 ")",
                        position, c->path, v.name, offset);
  }
}

// Position of a segment's first record; 0: the file is gone.
static uint64_t segment_start(struct hd_journal_cursor *c, uint64_t first_sequence, int64_t *time_ns) {
  struct view v;
  struct hd_fault ignored;
  if (view_open(c, first_sequence, &v, &ignored) != HADRON_OK) return 0;
  uint64_t position = v.header.position + v.header.header_bytes;
  const struct hd_record_head *first = (const void *)(v.base + v.header.header_bytes);
  bool there = v.size >= v.header.header_bytes + sizeof *first && hd_commit_load(first);
  *time_ns = there ? first->time_ns : INT64_MAX;
  hd_disk_unmap(c->disk, v.base, v.size);
  return position;
}

// Goes to the newest segment that starts at or before a sequence (time_ns 0) or a time.
static int32_t cursor_seek_segment(struct hd_journal_cursor *c, uint64_t sequence, int64_t time_ns, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0, position = 0;
  int32_t rc = hd_segment_list(c->disk, c->dir, &list, &count, fault);
  if (rc != HADRON_OK) return rc;
  for (uint64_t i = count; i-- > 0 && !position;) {
    int64_t first_ns;
    if (!time_ns && list[i] > sequence) continue;
    uint64_t start = segment_start(c, list[i], &first_ns);
    if (!time_ns || first_ns <= time_ns) position = start;
  }
  free(list);
  return hd_journal_cursor_seek(c, position, fault);
}

int32_t hd_journal_cursor_seek_sequence(struct hd_journal_cursor *c, uint64_t sequence, struct hd_fault *fault) {
  struct hadron_record r;
  int32_t rc = cursor_seek_segment(c, sequence, 0, fault);
  while (rc == HADRON_OK && c->sequence < sequence) rc = hd_journal_cursor_next(c, &r, fault);
  return rc == HADRON_ERR_AGAIN ? HADRON_OK : rc;
}

int32_t hd_journal_cursor_seek_time(struct hd_journal_cursor *c, int64_t time_ns, struct hd_fault *fault) {
  return cursor_seek_segment(c, 0, time_ns > CLOCKS_APART_NS ? time_ns - CLOCKS_APART_NS : 1, fault);
}

int32_t hd_journal_cursor_open(const char *dir, struct hd_journal_cursor **cursor, struct hd_fault *fault) {
  return hd_journal_cursor_open_on(NULL, dir, cursor, fault);
}

int32_t hd_journal_cursor_open_on(const struct hd_disk *disk, const char *dir, struct hd_journal_cursor **cursor, struct hd_fault *fault) {
  struct hd_fault own;
  if (!fault) fault = &own;
  struct hd_journal_cursor *c = calloc(1, sizeof *c);
  if (!c) return hd_fault_set(fault, HADRON_ERR_MEMORY, "journal: no memory for a cursor on %s", dir);
  c->dir = -1;
  c->disk = hd_disk_or_system(disk);
  int32_t rc = HADRON_OK;
  if ((size_t)snprintf(c->path, sizeof c->path, "%s", dir) >= sizeof c->path)
    rc = hd_fault_set(fault, HADRON_ERR_RANGE, "journal: the directory's name is too long: %s", dir);
  if (rc == HADRON_OK && (c->dir = hd_disk_dir_open(c->disk, dir, false)) < 0) rc = hd_disk_fault(fault, c->dir, "journal", "opening", dir);
  if (rc == HADRON_OK) rc = hd_journal_cursor_seek(c, 0, fault);
  if (rc != HADRON_OK) {
    hd_journal_cursor_close(c);
    return rc;
  }
  *cursor = c;
  return HADRON_OK;
}

void hd_journal_cursor_close(struct hd_journal_cursor *c) {
  if (!c) return;
  if (c->base) hd_disk_unmap(c->disk, c->base, c->size);
  if (c->dir >= 0) hd_disk_close(c->disk, c->dir);
  free(c);
}

// Is there a segment behind the one that begins so?
static bool later_there(struct hd_journal_cursor *c, uint64_t first_sequence) {
  uint64_t *list = NULL, count = 0;
  struct hd_fault ignored;
  if (hd_segment_list(c->disk, c->dir, &list, &count, &ignored) != HADRON_OK) return false;
  bool later = count && list[count - 1] > first_sequence;
  free(list);
  return later;
}

// Behind a seal. AGAIN while the successor is not there yet. Segments get their names one after the other: where a later one has its name, and the
// successor, looked for once more, is not there, it will not come.
static int32_t cursor_turn(struct hd_journal_cursor *c, uint64_t sealed, uint64_t first_sequence, struct hd_fault *fault) {
  struct view v;
  int32_t rc = view_open(c, first_sequence, &v, fault);
  if (rc == HADRON_ERR_NOT_FOUND && later_there(c, first_sequence) && (rc = view_open(c, first_sequence, &v, fault)) == HADRON_ERR_NOT_FOUND)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s: the segment that begins with record %" PRIu64 " is missing, and there are later ones; restore it, or, if it was let go while it was being read, read again",
                        c->path, first_sequence);
  if (rc == HADRON_ERR_NOT_FOUND) return HADRON_ERR_AGAIN;
  if (rc != HADRON_OK) return rc;
  if (v.header.position != c->position + sealed) {
    rc = hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s starts at position %" PRIu64 ", expected %" PRIu64
                      ": a segment is missing or changed", c->path, v.name, v.header.position, c->position + sealed);
    hd_disk_unmap(c->disk, v.base, v.size);
    return rc;
  }
  cursor_take(c, &v, v.header.header_bytes, first_sequence);
  return HADRON_OK;
}

static void cursor_release(struct hd_journal_cursor *c, uint64_t before) {
  uint64_t to = before & ~UINT64_C(4095);
  hd_disk_advise(c->disk, c->base + c->released, to - c->released, HD_DISK_DONE);
  c->released = to;
}

static int32_t cursor_corrupt(const struct hd_journal_cursor *c, uint64_t commit, struct hd_fault *fault) {
  uint64_t room = c->size - c->offset;
  const struct hd_record_head *r = (const void *)(c->base + c->offset);
  if (!hd_commit_plausible(commit, room))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": expected record %" PRIu64
                        ", found commit word %016" PRIx64 " that fits no record; restore the file", c->path, c->name, c->offset,
                        c->sequence, commit);
  uint64_t expected = hd_record_commit(r, hd_commit_size(commit), (enum hd_record_mark)hd_commit_mark(commit));
  if (expected != commit)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": record %" PRIu64
                        " has CRC-32C %08" PRIx32 ", its bytes give %08" PRIx32 "; restore the file", c->path, c->name, c->offset,
                        c->sequence, (uint32_t)(commit >> 32), (uint32_t)(expected >> 32));
  return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": expected record %" PRIu64 ", found %" PRIu64
                      "; restore the file", c->path, c->name, c->offset, c->sequence, r->sequence);
}

// Nothing is here. That is the end, or a record that a writer has not committed yet; but a segment that was hashed was whole. OK: look again.
static int32_t cursor_wait(struct hd_journal_cursor *c, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0, i = 0;
  struct hd_segment_header h = {.chained = 0};
  struct hd_fault ignored;
  char name[HD_SEGMENT_NAME_SIZE];
  if (c->looked) return HADRON_ERR_AGAIN;
  c->looked = true;
  if (hd_segment_list(c->disk, c->dir, &list, &count, &ignored) != HADRON_OK) return HADRON_ERR_AGAIN;
  while (i < count && list[i] <= c->first) i++;
  if (i < count) hd_segment_name(name, list[i]);
  bool hashed = i < count && hd_segment_read_header(c->disk, c->dir, name, &h, &ignored) == HADRON_OK && h.chained == 1;
  free(list);
  if (!hashed) return HADRON_ERR_AGAIN;
  if (c->offset + sizeof(struct hd_record_head) <= c->size && hd_commit_load(c->base + c->offset)) { // committed while this looked
    c->looked = false;
    return HADRON_OK;
  }
  return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s at offset %" PRIu64 ": expected record %" PRIu64 ", found nothing, and %s has the hash of the whole segment; restore the file", c->path, c->name, c->offset,
                      c->sequence, name);
}

int32_t hd_journal_cursor_next(struct hd_journal_cursor *c, struct hadron_record *record, struct hd_fault *fault) {
  struct hd_fault own;
  if (!fault) fault = &own;
  for (;;) {
    if (c->offset + sizeof(struct hd_record_head) > c->size) return cursor_wait(c, fault); // never OK: there is no place for a record
    const struct hd_record_head *r = (const void *)(c->base + c->offset);
    uint64_t commit = hd_commit_load(r), room = c->size - c->offset;
    if (!commit) {
      int32_t rc = cursor_wait(c, fault);
      if (rc == HADRON_OK) continue;
      return rc;
    }
    if (!hd_record_valid(r, commit, room) || r->sequence != c->sequence) return cursor_corrupt(c, commit, fault);
    uint32_t size = hd_commit_size(commit), stride = hd_record_stride(size), mark = hd_commit_mark(commit);
    if (mark == HD_MARK_SEAL) {
      int32_t rc = cursor_turn(c, c->offset + stride, r->sequence, fault);
      if (rc != HADRON_OK) return rc;
      continue;
    }
    uint64_t at = c->offset;
    c->offset += stride;
    if (mark == HD_MARK_VOID) {
      uint64_t swallowed;
      memcpy(&swallowed, r + 1, sizeof swallowed);
      c->sequence += swallowed;
      continue;
    }
    c->sequence++;
    *record = (struct hadron_record){.position = c->position + at,
                                     .next = c->position + c->offset,
                                     .time_ns = r->time_ns,
                                     .template_id = r->message.template_id,
                                     .block_length = r->message.block_length,
                                     .size = size - (uint32_t)sizeof *r,
                                     .bytes = r + 1,
                                     .message = &r->message,
                                     .sequence = r->sequence};
    if (at - c->released > RELEASE_STEP) cursor_release(c, at);
    return HADRON_OK;
  }
}

uint64_t hd_journal_cursor_position(const struct hd_journal_cursor *c) { return c->position + c->offset; }
uint64_t hd_journal_cursor_sequence(const struct hd_journal_cursor *c) { return c->sequence; }
const uint8_t *hd_journal_cursor_id(const struct hd_journal_cursor *c) { return c->id; }
