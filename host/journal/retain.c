// Retention: which segments may go, and the readers' durable places that hold them.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "journal/writer.h"

#define PLACE_SIZE 32 // "<position>\n"
#define FILE_NAME_SIZE 96

static int directory(const char *dir, struct hd_fault *fault) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) hd_fault_set(fault, HADRON_ERR_IO, "journal: opening %s failed: %s", dir, strerror(errno));
  return fd;
}

// Written beside, flushed, renamed: the place is the old one or the new one.
static int32_t place_write(int dir, const char *file, uint64_t position, struct hd_fault *fault) {
  char text[PLACE_SIZE], fresh[FILE_NAME_SIZE];
  int n = snprintf(text, sizeof text, "%" PRIu64 "\n", position);
  snprintf(fresh, sizeof fresh, ".%.90s", file);
  int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  bool done = fd >= 0 && write(fd, text, (size_t)n) == n && fdatasync(fd) == 0;
  int error = errno;
  if (fd >= 0) close(fd);
  if (done && renameat(dir, fresh, dir, file) == 0) return hd_segment_sync_names(dir, fault);
  if (done) error = errno;
  return hd_fault_set(fault, HADRON_ERR_IO, "journal: writing %s failed: %s; check the disk", file, strerror(error));
}

static int32_t place_read(int dir, const char *file, uint64_t *position, struct hd_fault *fault) {
  int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "journal: there is no %s", file);
  char text[PLACE_SIZE] = {0}, *end = text;
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  int error = errno;
  if (fd >= 0) close(fd);
  if (n < 0) return hd_fault_set(fault, HADRON_ERR_IO, "journal: reading %s failed: %s", file, strerror(error));
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (end == text || *end != '\n' || errno)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s holds no position; remove it if its reader is gone", file);
  *position = value;
  return HADRON_OK;
}

int32_t hd_journal_keep(const char *dir, const char *name, uint64_t position, struct hd_fault *fault) {
  if (!hd_name_valid(name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "journal: \"%s\" is no name for a reader", name);
  char file[FILE_NAME_SIZE];
  snprintf(file, sizeof file, HD_JOURNAL_CURSOR_PREFIX "%s", name);
  int fd = directory(dir, fault);
  if (fd < 0) return HADRON_ERR_IO;
  int32_t rc = place_write(fd, file, position, fault);
  close(fd);
  return rc;
}

int32_t hd_journal_kept(const char *dir, const char *name, uint64_t *position, struct hd_fault *fault) {
  if (!hd_name_valid(name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "journal: \"%s\" is no name for a reader", name);
  char file[FILE_NAME_SIZE];
  snprintf(file, sizeof file, HD_JOURNAL_CURSOR_PREFIX "%s", name);
  int fd = directory(dir, fault);
  if (fd < 0) return HADRON_ERR_IO;
  int32_t rc = place_read(fd, file, position, fault);
  close(fd);
  return rc;
}

// The lowest of `keep_from` and all registered places. A place that cannot be read holds everything.
static int32_t places_lowest(int dir, uint64_t *keep_from, struct hd_fault *fault) {
  int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  if (!d) return hd_fault_set(fault, HADRON_ERR_IO, "journal: listing the directory failed: %s", strerror(errno));
  int32_t rc = HADRON_OK;
  for (struct dirent *e; rc == HADRON_OK && (e = readdir(d)) != NULL;) {
    uint64_t position;
    if (strncmp(e->d_name, HD_JOURNAL_CURSOR_PREFIX, sizeof HD_JOURNAL_CURSOR_PREFIX - 1) != 0) continue;
    rc = place_read(dir, e->d_name, &position, fault);
    if (rc == HADRON_OK && position < *keep_from) *keep_from = position;
  }
  closedir(d);
  return rc;
}

int32_t hd_journal_retain(struct hd_journal *j, uint64_t keep_from, uint32_t *deleted, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0;
  uint32_t gone = 0;
  int32_t rc = places_lowest(j->dir, &keep_from, fault);
  if (rc == HADRON_OK) rc = hd_segment_list(j->dir, &list, &count, fault);
  for (uint64_t i = 0; rc == HADRON_OK && i + 1 < count; i++) {
    struct hd_segment_header h;
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[i + 1]);
    rc = hd_segment_read_header(j->dir, name, &h, fault);
    if (rc != HADRON_OK || h.position > keep_from || !h.chained) break; // the successor starts where this one ends
    hd_segment_name(name, list[i]);
    if (unlinkat(j->dir, name, 0) < 0)
      rc = hd_fault_set(fault, HADRON_ERR_IO, "journal: deleting %s/%s failed: %s", j->path, name, strerror(errno));
    else
      gone++;
  }
  free(list);
  if (gone && rc == HADRON_OK) rc = hd_segment_sync_names(j->dir, fault);
  if (deleted) *deleted = gone;
  return rc;
}
