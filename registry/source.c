#include "registry/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "plugin/loader.h"

static int32_t io_fault(struct hd_fault *fault, const char *path, const char *what, int error) {
  return hd_fault_set(fault, error == ENOENT ? HADRON_ERR_NOT_FOUND : HADRON_ERR_IO, "%s: %s: %s", path, what, strerror(error));
}

bool hd_source_suffix(const char *path, const char *suffix) {
  size_t n = strlen(path), k = strlen(suffix);
  return n > k && strcmp(path + n - k, suffix) == 0 && path[n - k - 1] != '/';
}

uint64_t hd_source_max(const char *path) { return hd_source_suffix(path, ".lua") ? HD_PLUGIN_SCRIPT_MAX : HD_PLUGIN_FILE_MAX; }

static const char *kind_name(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFDIR: return "a directory";
  case S_IFLNK: return "a symbolic link";
  case S_IFIFO: return "a FIFO";
  case S_IFSOCK: return "a socket";
  case S_IFCHR: case S_IFBLK: return "a device";
  default: return "something else";
  }
}

static int32_t kind_fault(const char *path, mode_t mode, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: expected a regular file, found %s; give the file itself", path, kind_name(mode));
}

// Bytes of the file that were never written. 0 where the file system cannot tell.
static uint64_t holes(int fd, off_t size) {
  uint64_t found = 0;
  for (off_t at = 0; at < size;) {
    off_t hole = lseek(fd, at, SEEK_HOLE);
    if (hole < 0 || hole >= size) break;
    off_t data = lseek(fd, hole, SEEK_DATA);
    if (data < 0) data = size;
    found += (uint64_t)(data - hole);
    at = data;
  }
  lseek(fd, 0, SEEK_SET);
  return found;
}

static int32_t size_check(const char *path, int fd, const struct stat *st, uint64_t max, struct hd_fault *fault) {
  if (!S_ISREG(st->st_mode)) return kind_fault(path, st->st_mode, fault);
  if (st->st_size == 0) return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: the file is empty; fetch or build it again", path);
  if (st->st_size < 0 || (uint64_t)st->st_size > max)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: expected a file of at most %llu bytes, found %lld; strip it or split it", path, (unsigned long long)max, (long long)st->st_size);
  uint64_t empty = holes(fd, st->st_size);
  if (empty > HD_SOURCE_HOLES_MAX)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: a sparse file: %llu of its %lld bytes were never written, expected at most %llu; build it again", path,
                        (unsigned long long)empty, (long long)st->st_size, (unsigned long long)HD_SOURCE_HOLES_MAX);
  return HADRON_OK;
}

static bool same(const struct stat *a, const struct stat *b) {
  return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
         a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int32_t read_whole(const char *path, int fd, const struct stat *st, struct hd_source *out, struct hd_fault *fault) {
  size_t size = (size_t)st->st_size, used = 0;
  struct stat after;
  unsigned char *bytes = malloc(size + 1);
  if (!bytes) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for its %zu bytes", path, size);
  int error = 0;
  for (ssize_t n = 1; used < size && n > 0 && !error;) {
    n = read(fd, bytes + used, size - used);
    if (n < 0 && errno == EINTR) n = 1;
    else if (n < 0) error = errno;
    else used += (size_t)n;
  }
  if (!error && fstat(fd, &after) != 0) error = errno;
  int32_t code = HADRON_OK;
  if (error) code = io_fault(fault, path, "reading the file", error);
  else if (used < size || !same(st, &after))
    code = hd_fault_set(fault, HADRON_ERR_AGAIN, "%s: it changed while it was read: expected %zu bytes, found %lld at the end; try again when it is whole", path, size,
                        (long long)after.st_size);
  if (code) {
    free(bytes);
    return code;
  }
  bytes[size] = 0;
  *out = (struct hd_source){bytes, size};
  return HADRON_OK;
}

int32_t hd_source_read(const char *path, uint64_t max, struct hd_source *out, struct hd_fault *fault) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY); // a FIFO must not hold us up
  if (fd < 0) {
    int error = errno;
    if ((error == ELOOP || error == ENXIO || error == EACCES) && lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) return kind_fault(path, st.st_mode, fault);
    return io_fault(fault, path, "opening the file", error);
  }
  int32_t code = fstat(fd, &st) == 0 ? size_check(path, fd, &st, max, fault) : io_fault(fault, path, "reading the file's size", errno);
  if (!code) code = read_whole(path, fd, &st, out, fault);
  close(fd);
  return code;
}

void hd_source_free(struct hd_source *s) {
  free(s->bytes);
  *s = (struct hd_source){0};
}
