#include "registry/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"

#define PATH_SIZE 1024

int hd_directory_make(const char *path, mode_t mode) {
  char part[PATH_SIZE];
  if (!hd_text_copy(part, sizeof part, path)) return ENAMETOOLONG;
  for (char *p = part + (*part != 0); *p; p++)
    if (*p == '/') {
      *p = 0;
      if (mkdir(part, mode) != 0 && errno != EEXIST) return errno;
      *p = '/';
    }
  return mkdir(part, mode) != 0 && errno != EEXIST ? errno : 0;
}

int hd_directory_sync(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error;
}

void hd_directory_of(const char *path, char *to, size_t size) {
  const char *slash = strrchr(path, '/');
  if (!slash) hd_text_copy(to, size, ".");
  else if (slash == path) hd_text_copy(to, size, "/");
  else snprintf(to, size, "%.*s", (int)(slash - path), path);
}

static int file_write(const char *path, const unsigned char *bytes, size_t size, mode_t mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode), error = 0;
  if (fd < 0) return errno;
  while (size > 0 && !error) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno != EINTR) error = errno;
    if (n > 0) bytes += n, size -= (size_t)n;
  }
  if (!error && fchmod(fd, mode) != 0) error = errno;
  if (!error && fsync(fd) != 0) error = errno; // never tried again: what a failed sync lost is not known
  if (close(fd) != 0 && !error) error = errno;
  if (error) unlink(path);
  return error;
}

static int32_t write_fault(struct hd_fault *fault, const char *path, int error) {
  return error == EEXIST ? hd_fault_set(fault, HADRON_ERR_EXISTS, "%s: the file is there already; choose another name", path)
                         : hd_fault_set(fault, HADRON_ERR_IO, "%s: writing the file: %s", path, strerror(error));
}

int32_t hd_file_create(const char *path, const void *bytes, size_t size, mode_t mode, struct hd_fault *fault) {
  char directory[PATH_SIZE];
  hd_directory_of(path, directory, sizeof directory);
  int error = file_write(path, bytes, size, mode);
  if (!error) error = hd_directory_sync(directory);
  return error ? write_fault(fault, path, error) : HADRON_OK;
}

int32_t hd_file_replace(const char *path, const void *bytes, size_t size, mode_t mode, struct hd_fault *fault) {
  char directory[PATH_SIZE], fresh[PATH_SIZE + 32];
  hd_directory_of(path, directory, sizeof directory);
  snprintf(fresh, sizeof fresh, "%.*s.new-%ld", PATH_SIZE - 1, path, (long)getpid());
  unlink(fresh);
  int error = file_write(fresh, bytes, size, mode);
  if (!error && rename(fresh, path) != 0) {
    error = errno;
    unlink(fresh);
  }
  if (!error) error = hd_directory_sync(directory);
  return error ? write_fault(fault, path, error) : HADRON_OK;
}
