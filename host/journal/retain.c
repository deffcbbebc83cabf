// Retention: which segments may go, and the readers' durable places that hold them.
#include <errno.h>
#include <inttypes.h>

#include "base/banned.h"
#include "base/text.h"
#include "journal/writer.h"

#define PLACE_SIZE (32 + HADRON_JOURNAL_NOTE_SIZE) // "<position>\n", and "<note>\n" where there is one
#define FILE_NAME_SIZE 96

// Written beside, flushed, renamed: the place is the old one or the new one.
static int32_t place_write(const struct hd_disk *disk, int dir, const char *file, uint64_t position, const char *note, struct hd_fault *fault) {
  char text[PLACE_SIZE];
  int n = snprintf(text, sizeof text, "%" PRIu64 "\n%s%s", position, note, note[0] ? "\n" : "");
  int rc = hd_disk_replace(disk, dir, file, text, (size_t)n);
  return rc ? hd_disk_fault(fault, rc, "journal", "writing", file) : HADRON_OK;
}

// note: NULL, or HADRON_JOURNAL_NOTE_SIZE bytes.
static int32_t place_read(const struct hd_disk *disk, int dir, const char *name, uint64_t *position, char *note, struct hd_fault *fault) {
  int file = hd_disk_open(disk, dir, name, HD_DISK_READ);
  if (file == -ENOENT) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "journal: there is no %s", name);
  char text[PLACE_SIZE] = {0}, *end = text;
  size_t done;
  int rc = file < 0 ? file : hd_disk_read(disk, file, text, sizeof text - 1, 0, &done);
  if (file >= 0) hd_disk_close(disk, file);
  if (rc) return hd_disk_fault(fault, rc, "journal", "reading", name);
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (end == text || *end != '\n' || errno)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s holds no position; remove it if its reader is gone", name);
  *position = value;
  if (note) snprintf(note, HADRON_JOURNAL_NOTE_SIZE, "%.*s", (int)strcspn(end + 1, "\n"), end + 1);
  return HADRON_OK;
}

// Opens the directory and names the reader's file.
static int32_t place_find(const struct hd_disk *disk, const char *dir, const char *name, char file[FILE_NAME_SIZE], int *handle,
                          struct hd_fault *fault) {
  if (!hd_name_valid(name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "journal: \"%s\" is no name for a reader", name);
  snprintf(file, FILE_NAME_SIZE, HD_JOURNAL_CURSOR_PREFIX "%s", name);
  *handle = hd_disk_dir_open(disk, dir, false);
  return *handle < 0 ? hd_disk_fault(fault, *handle, "journal", "opening", dir) : HADRON_OK;
}

int32_t hd_journal_keep(const struct hd_disk *disk, const char *dir, const char *name, uint64_t position, struct hd_fault *fault) {
  return hd_journal_keep_note(disk, dir, name, position, "", fault);
}

int32_t hd_journal_keep_note(const struct hd_disk *disk, const char *dir, const char *name, uint64_t position, const char *note, struct hd_fault *fault) {
  char file[FILE_NAME_SIZE];
  int handle = -1;
  if (strlen(note) >= HADRON_JOURNAL_NOTE_SIZE || strpbrk(note, "\r\n")) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "journal: the note of reader \"%s\" is no line of less than %d bytes", name, HADRON_JOURNAL_NOTE_SIZE);
  disk = hd_disk_or_system(disk);
  int32_t rc = place_find(disk, dir, name, file, &handle, fault);
  if (rc != HADRON_OK) return rc;
  rc = place_write(disk, handle, file, position, note, fault);
  hd_disk_close(disk, handle);
  return rc;
}

int32_t hd_journal_kept(const struct hd_disk *disk, const char *dir, const char *name, uint64_t *position, struct hd_fault *fault) {
  return hd_journal_kept_note(disk, dir, name, position, NULL, fault);
}

int32_t hd_journal_kept_note(const struct hd_disk *disk, const char *dir, const char *name, uint64_t *position, char *note, struct hd_fault *fault) {
  char file[FILE_NAME_SIZE];
  int handle = -1;
  disk = hd_disk_or_system(disk);
  int32_t rc = place_find(disk, dir, name, file, &handle, fault);
  if (rc != HADRON_OK) return rc;
  rc = place_read(disk, handle, file, position, note, fault);
  hd_disk_close(disk, handle);
  return rc;
}

struct places {
  const struct hd_journal *j;
  uint64_t lowest;
  int32_t code;
  struct hd_fault *fault;
};

static int places_add(void *context, const char *name) {
  struct places *p = context;
  uint64_t position;
  if (strncmp(name, HD_JOURNAL_CURSOR_PREFIX, sizeof HD_JOURNAL_CURSOR_PREFIX - 1) != 0) return 0;
  p->code = place_read(p->j->disk, p->j->dir, name, &position, NULL, p->fault);
  if (p->code == HADRON_ERR_NOT_FOUND) p->code = HADRON_OK; // its reader has just gone
  else if (p->code != HADRON_OK) return 1;
  else if (position < p->lowest) p->lowest = position;
  return 0;
}

// The lowest of `keep_from` and all registered places. A place that cannot be read holds everything.
static int32_t places_lowest(struct hd_journal *j, uint64_t *keep_from, struct hd_fault *fault) {
  struct places p = {j, *keep_from, HADRON_OK, fault};
  int rc = hd_disk_list(j->disk, j->dir, places_add, &p);
  if (p.code != HADRON_OK) return p.code;
  if (rc) return hd_disk_fault(fault, rc, "journal", "listing", "the readers' places");
  *keep_from = p.lowest;
  return HADRON_OK;
}

// What becomes the oldest segment must be on the disk, its header and its hash with it, before what stands in front of it goes.
static int32_t oldest_flush(struct hd_journal *j, uint64_t first_sequence, struct hd_fault *fault) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, first_sequence);
  int file = hd_disk_open(j->disk, j->dir, name, HD_DISK_WRITE);
  int error = file < 0 ? file : hd_disk_sync(j->disk, file);
  if (file >= 0 && error) atomic_store(&j->failed, HADRON_ERR_IO); // as any flush that fails
  if (file >= 0) hd_disk_close(j->disk, file);
  return error ? hd_disk_fault(fault, error, "journal", "flushing", name) : HADRON_OK;
}

// One by one, oldest first, each durable before the next: a cut between them never leaves a gap.
static int32_t oldest_delete(struct hd_journal *j, uint64_t first_sequence, struct hd_fault *fault) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, first_sequence);
  int error = hd_disk_unlink(j->disk, j->dir, name);
  return error ? hd_disk_fault(fault, error, "journal", "deleting", name) : hd_journal_sync_names(j, fault);
}

int32_t hd_journal_retain(struct hd_journal *j, uint64_t keep_from, uint32_t *deleted, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0, until = 0;
  uint32_t gone = 0;
  int32_t rc = atomic_load(&j->failed) ? hd_fault_set(fault, HADRON_ERR_IO, "journal: a flush has failed; nothing is deleted any more") : places_lowest(j, &keep_from, fault);
  if (rc == HADRON_OK) rc = hd_segment_list(j->disk, j->dir, &list, &count, fault);
  for (; rc == HADRON_OK && until + 1 < count; until++) {
    struct hd_segment_header h;
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[until + 1]);
    rc = hd_segment_read_header(j->disk, j->dir, name, &h, fault);
    if (rc != HADRON_OK || h.position > keep_from || h.chained != 1) break; // the successor starts where this one ends
  }
  if (rc == HADRON_OK && until) rc = oldest_flush(j, list[until], fault);
  for (uint64_t i = 0; rc == HADRON_OK && i < until; i++) {
    rc = oldest_delete(j, list[i], fault);
    gone += rc == HADRON_OK;
  }
  free(list);
  if (deleted) *deleted = gone;
  return rc;
}

// ---- what may go -----------------------------------------------------------------------------------------------------------------------

struct snapshots {
  uint64_t newest, older; // positions; 0: none
};

static int snapshots_add(void *context, const char *name) {
  struct snapshots *s = context;
  size_t prefix = sizeof HD_JOURNAL_SNAPSHOT_PREFIX - 1;
  if (strncmp(name, HD_JOURNAL_SNAPSHOT_PREFIX, prefix) != 0) return 0;
  char *end = NULL;
  uint64_t position = strtoull(name + prefix, &end, 16);
  if (end != name + prefix + 16 || strcmp(end, HD_JOURNAL_SNAPSHOT_SUFFIX) != 0) return 0;
  if (position > s->newest) s->older = s->newest, s->newest = position;
  else if (position > s->older && position < s->newest) s->older = position;
  return 0;
}

// Position up to which segments are older than `than_ns`: a segment's newest record is about as old as its successor.
static int32_t age_position(struct hd_journal *j, int64_t than_ns, uint64_t *position, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0;
  int32_t rc = hd_segment_list(j->disk, j->dir, &list, &count, fault);
  for (uint64_t i = 1; rc == HADRON_OK && i < count; i++) {
    struct hd_segment_header h;
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[i]);
    rc = hd_segment_read_header(j->disk, j->dir, name, &h, fault);
    if (rc != HADRON_OK || h.created_ns >= than_ns) break;
    *position = h.position;
  }
  free(list);
  return rc;
}

int32_t hd_journal_trim(struct hd_journal *j, const struct hd_journal_policy *p, uint32_t *deleted, struct hd_fault *fault) {
  struct hd_fault own;
  if (!fault) fault = &own;
  uint64_t end = hd_journal_end(j), from = p->bytes && end > p->bytes ? end - p->bytes : 0, old = 0;
  int32_t rc = p->age_ns ? age_position(j, p->now_ns - p->age_ns, &old, fault) : HADRON_OK;
  if (rc != HADRON_OK) return rc;
  if (old > from) from = old;
  if (p->for_recovery) {
    struct snapshots s = {0, 0};
    int error = hd_disk_list(j->disk, j->dir, snapshots_add, &s);
    if (error) return hd_disk_fault(fault, error, "journal", "listing", "the snapshots");
    if (s.older < from) from = s.older;
  }
  if (deleted) *deleted = 0;
  return from ? hd_journal_retain(j, from, deleted, fault) : HADRON_OK;
}
