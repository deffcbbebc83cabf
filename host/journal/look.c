#include "journal/look.h"

#include <errno.h>

#include "base/banned.h"

int32_t hd_look_map(const struct hd_disk *disk, int dir, const char *name, struct hd_look *l, struct hd_fault *fault) {
  int file = hd_disk_open(disk, dir, name, HD_DISK_READ);
  if (file < 0) return hd_disk_fault(fault, file, "journal", "opening", name);
  uint64_t size = 0, data_end = 0;
  void *base = NULL;
  int rc = hd_disk_size(disk, file, &size);
  if (!rc) rc = hd_disk_data_end(disk, file, &data_end);
  bool empty = !rc && size < sizeof(uint64_t);
  if (!rc && !empty) rc = hd_disk_map(disk, file, size, false, &base);
  hd_disk_close(disk, file);
  if (rc) return hd_disk_fault(fault, rc, "journal", "reading", name);
  if (empty) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s is empty", name);
  *l = (struct hd_look){.disk = disk, .base = base, .size = size, .data_end = data_end < size ? data_end : size};
  snprintf(l->name, sizeof l->name, "%s", name);
  return HADRON_OK;
}

static int32_t look_as(const struct hd_disk *disk, int dir, const char *name, uint64_t first_sequence, struct hd_look *l, struct hd_fault *fault) {
  struct hd_segment_header h;
  int32_t rc = hd_segment_read_header(disk, dir, name, &h, fault);
  if (rc != HADRON_OK) return rc;
  if (h.first_sequence != first_sequence)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s at offset %zu: expected first record %llu, found %llu", name,
                        offsetof(struct hd_segment_header, first_sequence), (unsigned long long)first_sequence, (unsigned long long)h.first_sequence);
  rc = hd_look_map(disk, dir, name, l, fault);
  if (rc != HADRON_OK) return rc;
  l->header = h;
  if (l->size > h.capacity) l->size = h.capacity;
  if (l->data_end > l->size) l->data_end = l->size;
  return HADRON_OK;
}

int32_t hd_look_open(const struct hd_disk *disk, int dir, uint64_t first_sequence, struct hd_look *l, struct hd_fault *fault) {
  char name[HD_SEGMENT_NAME_SIZE];
  struct hd_fault ignored;
  hd_segment_name(name, first_sequence);
  int32_t rc = look_as(disk, dir, name, first_sequence, l, fault);
  if (rc != HADRON_ERR_NOT_FOUND) return rc;
  // A prepared file that has no header yet, or has passed on, is no damage.
  return look_as(disk, dir, HD_JOURNAL_PREPARED_NAME, first_sequence, l, &ignored) == HADRON_OK ? HADRON_OK : rc;
}

void hd_look_close(struct hd_look *l) {
  if (l->base) hd_disk_unmap(l->disk, l->base, l->size);
  l->base = NULL;
}

uint64_t hd_look_nonzero(const struct hd_look *l, uint64_t from, uint64_t to) {
  uint64_t end = to < l->data_end ? to : l->data_end;
  while (from < end && from % 8) {
    if (l->base[from]) return from;
    from++;
  }
  for (uint64_t word; from + 8 <= end; from += 8) {
    memcpy(&word, l->base + from, sizeof word);
    if (word) break;
  }
  for (; from < end; from++)
    if (l->base[from]) return from;
  return to;
}

uint64_t hd_look_data_end(const struct hd_look *l) { return l->data_end; }

uint64_t hd_look_next_good(const struct hd_look *l, uint64_t from, uint64_t offset, uint64_t sequence) {
  for (uint64_t at = from; at + sizeof(struct hd_record_head) <= l->data_end; at += 8) {
    const struct hd_record_head *r = (const void *)(l->base + at);
    uint64_t commit = hd_commit_load(r);
    if (!commit || !hd_commit_plausible(commit, l->size - at)) continue;
    bool later = r->sequence >= sequence && r->sequence - sequence <= (at - offset) / sizeof *r;
    if (later && hd_record_valid(r, commit, l->size - at)) return at;
  }
  return 0;
}

void hd_look_release(const struct hd_look *l, uint64_t from, uint64_t to) {
  from = (from + 4095) & ~UINT64_C(4095);
  to &= ~UINT64_C(4095);
  if (to > from) hd_disk_advise(l->disk, l->base + from, to - from, HD_DISK_DONE);
}

void hd_walk_init(struct hd_walk *w, const struct hd_look *l) {
  *w = (struct hd_walk){.position = l->header.position, .offset = l->header.header_bytes, .sequence = l->header.first_sequence};
}

bool hd_walk_next(const struct hd_look *l, struct hd_walk *w, uint64_t *commit) {
  uint64_t room = l->size > w->offset ? l->size - w->offset : 0;
  *commit = 0;
  if (room < sizeof(struct hd_record_head)) return false;
  const struct hd_record_head *r = (const void *)(l->base + w->offset);
  *commit = hd_commit_load(r);
  if (!*commit || !hd_record_valid(r, *commit, room) || r->sequence != w->sequence) return false;
  w->mark = hd_commit_mark(*commit);
  w->swallowed = 0;
  w->time_ns = r->time_ns ? r->time_ns : w->time_ns;
  if (w->mark == HD_MARK_VOID) memcpy(&w->swallowed, r + 1, sizeof w->swallowed);
  w->sequence += w->mark == HD_MARK_RECORD ? 1 : w->swallowed;
  w->sealed = w->mark == HD_MARK_SEAL;
  w->offset += hd_record_stride(hd_commit_size(*commit));
  return true;
}
