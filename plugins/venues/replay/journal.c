#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc.h"

#define PREPARED "prepared.hdj"
#define RELEASE_STEP (UINT64_C(8) << 20) // pages behind the walk are given back in such steps

enum { MARK_RECORD = 0x52, MARK_SEAL = 0x53, MARK_VOID = 0x56 };

static uint32_t commit_size(uint64_t commit) { return (uint32_t)commit & 0xffffffu; }
static uint32_t commit_mark(uint64_t commit) { return (uint32_t)(commit >> 24) & 0xffu; }
static uint32_t stride_of(uint32_t size) { return (size + 7u) & ~7u; }

static int32_t journal_fault(struct journal_walk *w, int32_t code, const char *where, const char *expected, const char *found) {
  return fault_set(w->fault, code, "cannot read the journal", where, expected, found,
                   code == HADRON_ERR_CORRUPT ? "restore the file; `hadron data inspect` says how far it is whole" : "check the path and its permissions");
}

// ---- files -----------------------------------------------------------------------------------------------------------------------------

static bool segment_name(const char *name, uint64_t *first) {
  int used = 0;
  return sscanf(name, "journal-%16" SCNx64 ".hdj%n", first, &used) == 1 && used == 28 && name[28] == '\0';
}

static bool has_segments(const char *path) {
  DIR *dir = opendir(path);
  uint64_t first;
  bool found = false;
  if (!dir) return false;
  for (struct dirent *e; !found && (e = readdir(dir));) found = segment_name(e->d_name, &first) || strcmp(e->d_name, PREPARED) == 0;
  closedir(dir);
  return found;
}

bool journal_found(const char *path, char to[SOURCE_PATH_MAX]) {
  if (snprintf(to, SOURCE_PATH_MAX, "%s", path) >= (int)SOURCE_PATH_MAX) return false;
  if (has_segments(to)) return true;
  return snprintf(to, SOURCE_PATH_MAX, "%s/journal", path) < (int)SOURCE_PATH_MAX && has_segments(to);
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

int32_t journal_segments(const char *path, uint64_t **list, uint32_t *count, uint64_t *bytes, struct fault *fault) {
  DIR *dir = opendir(path);
  uint32_t room = 0;
  uint64_t first;
  struct stat status;
  struct journal_walk w = {.fault = fault};
  *list = NULL;
  *count = 0;
  *bytes = 0;
  if (!dir) return journal_fault(&w, HADRON_ERR_IO, path, "a readable directory", strerror(errno));
  for (struct dirent *e; (e = readdir(dir));) {
    if (!segment_name(e->d_name, &first)) continue;
    if (*count == room) {
      room = room ? 2 * room : 16;
      uint64_t *larger = realloc(*list, room * sizeof *larger);
      if (!larger) {
        closedir(dir);
        free(*list);
        return journal_fault(&w, HADRON_ERR_MEMORY, path, "memory for the list of segments", "none");
      }
      *list = larger;
    }
    (*list)[(*count)++] = first;
    if (fstatat(dirfd(dir), e->d_name, &status, 0) == 0) *bytes += (uint64_t)status.st_size;
  }
  closedir(dir);
  if (*count) qsort(*list, *count, sizeof **list, ascending);
  return HADRON_OK;
}

// ---- segments --------------------------------------------------------------------------------------------------------------------------

static void walk_unmap(struct journal_walk *w) {
  if (w->base) munmap((void *)(uintptr_t)w->base, w->size);
  w->base = NULL;
}

void journal_close(struct journal_walk *w) {
  walk_unmap(w);
  if (w->dir >= 0) close(w->dir);
  w->dir = -1;
}

static int32_t header_check(struct journal_walk *w, const struct journal_header *h, uint64_t size) {
  char where[SOURCE_PATH_MAX + 40], found[64];
  snprintf(where, sizeof where, "%s/%s", w->path, w->name);
  if (size < sizeof *h || memcmp(h->magic, JOURNAL_MAGIC, sizeof h->magic) != 0)
    return journal_fault(w, HADRON_ERR_CORRUPT, where, "the magic " JOURNAL_MAGIC, "other bytes");
  if (crc32c(0, h, offsetof(struct journal_header, crc)) != h->crc) return journal_fault(w, HADRON_ERR_CORRUPT, where, "the header's checksum", "another");
  snprintf(found, sizeof found, "%u", h->major);
  if (h->major != JOURNAL_MAJOR) return journal_fault(w, HADRON_ERR_UNSUPPORTED, where, "format 1", found);
  if (h->header_bytes < sizeof *h || h->header_bytes > size || h->header_bytes % 8) return journal_fault(w, HADRON_ERR_CORRUPT, where, "a header within the file", "another");
  return HADRON_OK;
}

// Maps a file and stands at its first record. NOT_FOUND: it is not there, or not this segment.
static int32_t segment_map(struct journal_walk *w, const char *name, uint64_t first) {
  struct stat status;
  struct journal_header h;
  int fd = openat(w->dir, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? HADRON_ERR_NOT_FOUND : journal_fault(w, HADRON_ERR_IO, w->path, "a readable segment", strerror(errno));
  snprintf(w->name, sizeof w->name, "%s", name);
  if (fstat(fd, &status) != 0 || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h) memset(&h, 0, sizeof h), status.st_size = 0;
  bool prepared = strcmp(name, PREPARED) == 0; // has no header before its turn
  int32_t result = prepared && h.first_sequence != first ? HADRON_ERR_NOT_FOUND : header_check(w, &h, (uint64_t)status.st_size);
  uint64_t size = h.capacity < (uint64_t)status.st_size ? h.capacity : (uint64_t)status.st_size;
  void *base = result ? MAP_FAILED : mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (result) return result;
  if (base == MAP_FAILED) return journal_fault(w, HADRON_ERR_IO, w->path, "a segment that can be mapped", strerror(errno));
  walk_unmap(w);
  w->base = base;
  w->size = size;
  w->offset = h.header_bytes;
  w->released = 0;
  w->position = h.position;
  w->sequence = h.first_sequence;
  return HADRON_OK;
}

static int32_t segment_open(struct journal_walk *w, uint64_t first) {
  char name[40];
  snprintf(name, sizeof name, "journal-%016" PRIx64 ".hdj", first);
  int32_t result = segment_map(w, name, first);
  return result == HADRON_ERR_NOT_FOUND ? segment_map(w, PREPARED, first) : result;
}

int32_t journal_open(struct journal_walk *w, const char *path, uint64_t first_sequence, bool verify, struct fault *fault) {
  *w = (struct journal_walk){.dir = -1, .verify = verify, .fault = fault};
  text_copy(w->path, sizeof w->path, path, strlen(path));
  w->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (w->dir < 0) return journal_fault(w, HADRON_ERR_IO, path, "a readable directory", strerror(errno));
  uint64_t *list, bytes, first = first_sequence;
  uint32_t count;
  int32_t result = journal_segments(path, &list, &count, &bytes, fault);
  if (!result && !first) first = count ? list[0] : 1;
  if (!result) result = segment_open(w, first);
  if (result == HADRON_ERR_NOT_FOUND) result = journal_fault(w, HADRON_ERR_NOT_FOUND, path, "at least one segment", "none");
  free(list);
  if (result) journal_close(w);
  return result;
}

// ---- records ---------------------------------------------------------------------------------------------------------------------------

static int32_t record_damaged(struct journal_walk *w, const char *expected) {
  char where[SOURCE_PATH_MAX + 80];
  snprintf(where, sizeof where, "%s/%s at offset %" PRIu64 ", record %" PRIu64, w->path, w->name, w->offset, w->sequence);
  return journal_fault(w, HADRON_ERR_CORRUPT, where, expected, "other bytes");
}

static int32_t record_check(struct journal_walk *w, const struct journal_record *r, uint64_t commit) {
  uint32_t size = commit_size(commit), mark = commit_mark(commit);
  if ((mark != MARK_RECORD && mark != MARK_SEAL && mark != MARK_VOID) || size < sizeof *r || stride_of(size) > w->size - w->offset)
    return record_damaged(w, "a record that fits the segment");
  if (w->verify && crc32c((uint32_t)commit, (const uint8_t *)r + 8, stride_of(size) - 8) != (uint32_t)(commit >> 32))
    return record_damaged(w, "its checksum");
  if (r->sequence != w->sequence) return record_damaged(w, "the next sequence");
  return HADRON_OK;
}

static void walk_release(struct journal_walk *w) {
  uint64_t to = w->offset & ~UINT64_C(4095);
  madvise((void *)(uintptr_t)(w->base + w->released), to - w->released, MADV_DONTNEED);
  w->released = to;
}

int32_t journal_next(struct journal_walk *w, const struct journal_record **record, uint32_t *size) {
  for (;;) {
    if (w->offset + sizeof **record > w->size) return HADRON_ERR_END;
    const struct journal_record *r = (const void *)(w->base + w->offset);
    uint64_t commit = __atomic_load_n(&r->commit, __ATOMIC_ACQUIRE);
    if (!commit) return HADRON_ERR_END;
    int32_t result = record_check(w, r, commit);
    if (result) return result;
    uint32_t bytes = commit_size(commit), mark = commit_mark(commit);
    if (mark == MARK_SEAL) {
      result = segment_open(w, r->sequence);
      if (result == HADRON_ERR_NOT_FOUND) return HADRON_ERR_END; // the successor is being made
      if (result) return result;
      continue;
    }
    if (w->offset - w->released > RELEASE_STEP) walk_release(w);
    w->offset += stride_of(bytes);
    if (mark == MARK_VOID) {
      uint64_t swallowed;
      memcpy(&swallowed, r + 1, sizeof swallowed);
      w->sequence += swallowed;
      continue;
    }
    w->sequence++;
    *record = r;
    *size = bytes - (uint32_t)sizeof *r;
    return HADRON_OK;
  }
}
