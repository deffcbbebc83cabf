// The real disk: Linux files. O_NOFOLLOW everywhere, close-on-exec everywhere, errors as they come.
#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"

#ifndef MADV_POPULATE_WRITE // Linux 5.14; an older kernel says EINVAL and faults pages one by one
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define NAME_SIZE 256
#define LOCK_TURNS 16 // a lock's file that is removed and made again between our opening and our locking

static int system_dir_open(void *self, const char *path, bool make) {
  (void)self;
  if (make && mkdir(path, 0750) < 0 && errno != EEXIST) return -errno;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static int system_open(void *self, int dir, const char *name, enum hd_disk_mode mode) {
  (void)self;
  static const int flags[] = {
      [HD_DISK_READ] = O_RDONLY | O_NONBLOCK, [HD_DISK_WRITE] = O_RDWR | O_NONBLOCK, [HD_DISK_CREATE] = O_RDWR | O_CREAT | O_EXCL};
  int fd = openat(dir, name, flags[mode] | O_CLOEXEC | O_NOFOLLOW, 0640);
  return fd < 0 ? -errno : fd;
}

static void system_close(void *self, int handle) {
  (void)self;
  close(handle);
}

static int system_size(void *self, int file, uint64_t *bytes) {
  (void)self;
  struct stat st;
  if (fstat(file, &st) < 0) return -errno;
  *bytes = (uint64_t)st.st_size;
  return 0;
}

static int system_data_end(void *self, int file, uint64_t *offset) {
  struct stat st;
  (void)self;
  if (fstat(file, &st) < 0) return -errno;
  off_t at = 0, end = 0;
  while ((at = lseek(file, end, SEEK_DATA)) >= 0) {
    off_t hole = lseek(file, at, SEEK_HOLE);
    if (hole < 0 || hole >= st.st_size) {
      end = st.st_size;
      break;
    }
    end = hole;
  }
  *offset = at >= 0 || errno == ENXIO ? (uint64_t)end : (uint64_t)st.st_size; // EINVAL: a file system that cannot tell
  return 0;
}

static int system_truncate(void *self, int file, uint64_t bytes) {
  (void)self;
  return ftruncate(file, (off_t)bytes) < 0 ? -errno : 0;
}

static int system_allocate(void *self, int file, uint64_t bytes) {
  (void)self;
  return -posix_fallocate(file, 0, (off_t)bytes);
}

static int system_map(void *self, int file, uint64_t bytes, bool writable, void **base) {
  (void)self;
  void *at = mmap(NULL, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, file, 0);
  if (at == MAP_FAILED) return -errno;
  *base = at;
  return 0;
}

static void system_unmap(void *self, void *base, uint64_t bytes) {
  (void)self;
  int failed = munmap(base, bytes);
  HD_ASSERT(!failed);
}

static void system_advise(void *self, void *base, uint64_t bytes, enum hd_disk_advice advice) {
  (void)self;
  static const int words[] = {
      [HD_DISK_AHEAD_READ] = MADV_POPULATE_READ, [HD_DISK_AHEAD_WRITE] = MADV_POPULATE_WRITE, [HD_DISK_DONE] = MADV_DONTNEED};
  madvise(base, bytes, words[advice]); // of a shared map: the page cache keeps the bytes
}

static int system_read(void *self, int file, void *to, size_t bytes, uint64_t offset, size_t *done) {
  (void)self;
  ssize_t n = pread(file, to, bytes, (off_t)offset);
  if (n < 0) return -errno;
  *done = (size_t)n;
  return 0;
}

static int system_write(void *self, int file, const void *from, size_t bytes, uint64_t offset, size_t *done) {
  (void)self;
  ssize_t n = pwrite(file, from, bytes, (off_t)offset);
  if (n < 0) return -errno;
  *done = (size_t)n;
  return 0;
}

static int system_sync(void *self, int file) {
  (void)self;
  return fdatasync(file) < 0 ? -errno : 0;
}

static int system_rename(void *self, int dir, const char *from, const char *to) {
  (void)self;
  return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

static int system_unlink(void *self, int dir, const char *name) {
  (void)self;
  return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

static int system_sync_dir(void *self, int dir) {
  (void)self;
  return fsync(dir) < 0 ? -errno : 0;
}

static int system_list(void *self, int dir, int (*each)(void *context, const char *name), void *context) {
  (void)self;
  int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  DIR *d = fdopendir(fd);
  if (!d) {
    int error = errno;
    close(fd);
    return -error;
  }
  int rc = 0;
  for (struct dirent *e; rc == 0; ) {
    errno = 0;
    if (!(e = readdir(d))) {
      rc = -errno;
      break;
    }
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) rc = each(context, e->d_name);
  }
  closedir(d);
  return rc;
}

// The name may have gone to another file between our opening and our locking: then the lock guards nothing.
static bool lock_holds(int fd, int dir, const char *name) {
  struct stat mine, named;
  return fstat(fd, &mine) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == named.st_ino &&
         mine.st_dev == named.st_dev;
}

static int lock_take(int fd, const char *owner, char other[HD_DISK_OWNER_SIZE]) {
  int rc = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
  if (rc && rc != -EWOULDBLOCK) return rc;
  ssize_t n = pread(fd, other, HD_DISK_OWNER_SIZE - 1, 0);
  other[n > 0 ? n : 0] = 0;
  if (rc) return rc;
  size_t size = strlen(owner);
  if (ftruncate(fd, 0) < 0) return -errno;
  n = pwrite(fd, owner, size, 0);
  return n < 0 ? -errno : (size_t)n < size ? -ENOSPC : 0;
}

static int system_lock(void *self, int dir, const char *name, const char *owner, char other[HD_DISK_OWNER_SIZE]) {
  (void)self;
  int rc = -EWOULDBLOCK;
  char words[HD_DISK_OWNER_SIZE] = {0};
  for (int turn = 0; turn < LOCK_TURNS; turn++) {
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return -errno;
    rc = lock_take(fd, owner, words);
    bool holds = rc == 0 && lock_holds(fd, dir, name);
    if (holds || rc == -EWOULDBLOCK) memcpy(other, words, sizeof words);
    if (holds) return fd;
    close(fd);
    if (rc) return rc;
  }
  return -EWOULDBLOCK;
}

static void system_unlock(void *self, int handle) {
  (void)self;
  if (ftruncate(handle, 0) < 0) errno = 0; // the words only tell; the lock is the kernel's
  close(handle);
}

static int system_space(void *self, int dir, struct hd_disk_space *space) {
  (void)self;
  struct statvfs v;
  if (fstatvfs(dir, &v) < 0) return -errno;
  *space = (struct hd_disk_space){(uint64_t)v.f_bavail * v.f_frsize, (uint64_t)v.f_blocks * v.f_frsize};
  return 0;
}

static pthread_once_t boot_once = PTHREAD_ONCE_INIT;
static uint8_t boot_id[16];

// "d2bf9981-8a48-4593-a230-92557eb9e634"
static void boot_read(void) {
  char text[40] = "", digits[33] = "";
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (!f) return;
  if (!fgets(text, sizeof text, f)) text[0] = 0;
  fclose(f);
  size_t n = 0;
  for (const char *p = text; *p && *p != '\n' && n < 32; p++)
    if (*p != '-') digits[n++] = *p;
  if (n != 32 || !hd_hex_parse(boot_id, digits, sizeof boot_id)) memset(boot_id, 0, sizeof boot_id);
}

static void system_boot(void *self, uint8_t id[16]) {
  (void)self;
  pthread_once(&boot_once, boot_read);
  memcpy(id, boot_id, sizeof boot_id);
}

const struct hd_disk *hd_disk_system(void) {
  static const struct hd_disk_api api = {
      .dir_open = system_dir_open, .open = system_open, .close = system_close, .size = system_size,
      .data_end = system_data_end, .truncate = system_truncate, .allocate = system_allocate, .map = system_map,
      .unmap = system_unmap, .advise = system_advise, .read = system_read, .write = system_write, .sync = system_sync,
      .rename = system_rename, .unlink = system_unlink, .sync_dir = system_sync_dir, .list = system_list,
      .lock = system_lock, .unlock = system_unlock, .space = system_space, .boot = system_boot};
  static const struct hd_disk disk = {NULL, &api};
  return &disk;
}

// ---- over any disk -------------------------------------------------------------------------------------------------------------------

int hd_disk_read(const struct hd_disk *d, int file, void *to, size_t bytes, uint64_t offset, size_t *done) {
  size_t all = 0;
  while (all < bytes) {
    size_t n = 0;
    int rc = d->api->read(d->self, file, (unsigned char *)to + all, bytes - all, offset + all, &n);
    if (rc == -EINTR) continue;
    if (rc) return rc;
    if (!n) break;
    all += n;
  }
  *done = all;
  return 0;
}

int hd_disk_write(const struct hd_disk *d, int file, const void *from, size_t bytes, uint64_t offset) {
  for (size_t all = 0; all < bytes;) {
    size_t n = 0;
    int rc = d->api->write(d->self, file, (const unsigned char *)from + all, bytes - all, offset + all, &n);
    if (rc == -EINTR) continue;
    if (rc) return rc;
    if (!n) return -EIO; // a disk that takes nothing and says no reason
    all += n;
  }
  return 0;
}

int hd_disk_allocate(const struct hd_disk *d, int file, uint64_t bytes) {
  int rc;
  do rc = d->api->allocate(d->self, file, bytes);
  while (rc == -EINTR);
  return rc;
}

int hd_disk_open(const struct hd_disk *d, int dir, const char *name, enum hd_disk_mode mode) {
  int rc;
  do rc = d->api->open(d->self, dir, name, mode);
  while (rc == -EINTR);
  return rc;
}

int hd_disk_replace(const struct hd_disk *d, int dir, const char *name, const void *bytes, size_t size) {
  char fresh[NAME_SIZE];
  if (snprintf(fresh, sizeof fresh, ".%s", name) >= (int)sizeof fresh) return -ENAMETOOLONG;
  int rc = hd_disk_unlink(d, dir, fresh); // left by a process that ended here
  if (rc && rc != -ENOENT) return rc;
  int file = hd_disk_open(d, dir, fresh, HD_DISK_CREATE);
  if (file < 0) return file;
  rc = hd_disk_write(d, file, bytes, size, 0);
  if (!rc) rc = hd_disk_sync(d, file);
  hd_disk_close(d, file);
  if (!rc) rc = hd_disk_rename(d, dir, fresh, name);
  if (rc) (void)hd_disk_unlink(d, dir, fresh);
  return rc ? rc : hd_disk_sync_dir(d, dir);
}

void hd_disk_boot(const struct hd_disk *d, uint8_t id[16]) {
  memset(id, 0, 16);
  if (d->api->boot) d->api->boot(d->self, id);
}

int32_t hd_disk_code(int error) {
  switch (error) {
  case 0: return HADRON_OK;
  case -ENOENT: return HADRON_ERR_NOT_FOUND;
  case -EEXIST: return HADRON_ERR_EXISTS;
  case -ENOSPC:
  case -EDQUOT:
  case -EFBIG: return HADRON_ERR_FULL;
  case -ENOMEM: return HADRON_ERR_MEMORY;
  default: return HADRON_ERR_IO;
  }
}

int32_t hd_disk_fault(struct hd_fault *fault, int error, const char *room, const char *what, const char *where) {
  int32_t code = hd_disk_code(error);
  const char *hint = code == HADRON_ERR_FULL ? "free some space on its disk" : "check the disk and who may use the directory";
  return hd_fault_set(fault, code, "%s: %s %s failed: %s; %s", room, what, where, strerror(-error), hint);
}
