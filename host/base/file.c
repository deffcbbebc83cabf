#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
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

// ---- secrets

static int32_t secret_check(const char *path, const struct stat *st, struct hd_fault *fault) {
  if (!S_ISREG(st->st_mode)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: expected a regular file with a secret key", path);
  if (!(st->st_mode & 077) && (st->st_uid == geteuid() || st->st_uid == 0)) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s: expected a secret key that its owner alone may read (mode 0600), found mode %04o of user %u; `chmod 600` it, or make a new key if it may "
                      "have been read", path, st->st_mode & 07777u, st->st_uid);
}

int32_t hd_secret_read(const char *path, char *text, size_t size, struct hd_fault *fault) {
  struct stat st;
  size_t used = 0;
  ssize_t n = 1;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return hd_fault_set(fault, errno == ENOENT ? HADRON_ERR_NOT_FOUND : HADRON_ERR_IO, "%s: opening the secret key: %s", path, strerror(errno));
  int32_t code = fstat(fd, &st) == 0 ? secret_check(path, &st, fault) : hd_fault_set(fault, HADRON_ERR_IO, "%s: reading the secret key: %s", path, strerror(errno));
  while (!code && n > 0 && used < size) {
    n = read(fd, text + used, size - used);
    if (n < 0 && errno == EINTR) n = 1;
    else if (n < 0) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: reading the secret key: %s", path, strerror(errno));
    else used += (size_t)n;
  }
  close(fd);
  if (!code && used == 0) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: reading the secret key: the file is empty", path);
  if (!code && used == size) code = hd_fault_set(fault, HADRON_ERR_RANGE, "%s: expected a secret key of at most %zu bytes, found more", path, size - 1);
  if (code) explicit_bzero(text, size);
  else text[used] = 0;
  return code;
}

int hd_secret_chance(void *context, unsigned char *to, size_t size) {
  (void)context;
  while (size > 0) {
    ssize_t n = getrandom(to, size, 0);
    if (n < 0 && errno != EINTR) return -1;
    if (n > 0) to += n, size -= (size_t)n;
  }
  return 0;
}
