#include "journal/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"

#define NAME_PREFIX "journal-"
#define NAME_SUFFIX ".hdj"

void hd_segment_name(char name[HD_SEGMENT_NAME_SIZE], uint64_t first_sequence) {
  snprintf(name, HD_SEGMENT_NAME_SIZE, NAME_PREFIX "%016" PRIx64 NAME_SUFFIX, first_sequence);
}

// "journal-", 16 lower-case hex digits, ".hdj": nothing else is a segment.
static bool segment_name_parse(const char *name, uint64_t *first_sequence) {
  size_t prefix = sizeof NAME_PREFIX - 1;
  if (strncmp(name, NAME_PREFIX, prefix) != 0) return false;
  uint64_t value = 0;
  for (size_t i = prefix; i < prefix + 16; i++) {
    char c = name[i];
    if (c >= '0' && c <= '9')
      value = value << 4 | (uint64_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value << 4 | (uint64_t)(c - 'a' + 10);
    else
      return false;
  }
  if (strcmp(name + prefix + 16, NAME_SUFFIX) != 0) return false;
  *first_sequence = value;
  return true;
}

static int sequence_compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

int32_t hd_segment_list(int dir, uint64_t **list, uint64_t *count, struct hd_fault *fault) {
  int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fd < 0 ? NULL : fdopendir(fd);
  if (!d) {
    int32_t rc = hd_fault_set(fault, HADRON_ERR_IO, "journal: listing the directory failed: %s", strerror(errno));
    if (fd >= 0) close(fd);
    return rc;
  }
  uint64_t *found = NULL, n = 0, room = 0, sequence;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    if (!segment_name_parse(e->d_name, &sequence)) continue;
    if (n == room) {
      room = room ? room * 2 : 16;
      uint64_t *more = realloc(found, room * sizeof *more);
      if (!more) {
        free(found);
        closedir(d);
        return hd_fault_set(fault, HADRON_ERR_MEMORY, "journal: no memory for the list of segments");
      }
      found = more;
    }
    found[n++] = sequence;
  }
  closedir(d);
  if (n) qsort(found, n, sizeof *found, sequence_compare);
  *list = found;
  *count = n;
  return HADRON_OK;
}

static int32_t segment_error(int error, const char *what, const char *name, struct hd_fault *fault) {
  bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return hd_fault_set(fault, full ? HADRON_ERR_FULL : HADRON_ERR_IO, "journal: %s %s failed: %s; %s", what, name,
                      strerror(error), full ? "free some space on the journal's disk" : "check the disk");
}

// Zeros written once turn later flushes into plain overwrites: no extent changes its state under them.
static int segment_prewrite(int fd, uint64_t capacity) {
  static const unsigned char zeros[1 << 16];
  for (uint64_t at = 0; at < capacity;) {
    size_t n = capacity - at < sizeof zeros ? (size_t)(capacity - at) : sizeof zeros;
    ssize_t done = pwrite(fd, zeros, n, (off_t)at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    at += (uint64_t)done;
  }
  return fdatasync(fd) < 0 ? errno : 0;
}

static int32_t segment_wrap(int fd, uint64_t capacity, const char *name, struct hd_segment **segment, struct hd_fault *fault) {
  void *base = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return segment_error(errno, "mapping", name, fault);
  struct hd_segment *s = aligned_alloc(64, (sizeof *s + 63) & ~(size_t)63);
  if (!s) {
    munmap(base, capacity);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "journal: no memory for a segment");
  }
  memset(s, 0, sizeof *s);
  s->base = base;
  s->capacity = capacity;
  s->fd = fd;
  *segment = s;
  return HADRON_OK;
}

int32_t hd_segment_create(int dir, const char *name, uint64_t capacity, bool prewrite, struct hd_segment **segment,
                          struct hd_fault *fault) {
  unlinkat(dir, name, 0); // left behind by a host that ended early; it holds no record
  int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd < 0) return segment_error(errno, "creating", name, fault);
  int error = posix_fallocate(fd, 0, (off_t)capacity);
  if (!error && prewrite) error = segment_prewrite(fd, capacity);
  int32_t rc = error ? segment_error(error, "allocating", name, fault) : segment_wrap(fd, capacity, name, segment, fault);
  if (rc != HADRON_OK) {
    unlinkat(dir, name, 0);
    close(fd);
  }
  return rc;
}

int32_t hd_segment_map(int dir, const char *name, uint64_t capacity, struct hd_segment **segment, struct hd_fault *fault) {
  int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return segment_error(errno, "opening", name, fault);
  int error = posix_fallocate(fd, 0, (off_t)capacity);
  int32_t rc = error ? segment_error(error, "allocating", name, fault) : segment_wrap(fd, capacity, name, segment, fault);
  if (rc != HADRON_OK) close(fd);
  return rc;
}

void hd_segment_unmap(struct hd_segment *s) {
  if (!s->base) return;
  munmap(s->base, s->capacity);
  close(s->fd);
  s->base = NULL;
  s->fd = -1;
}

void hd_segment_destroy(struct hd_segment *s) {
  if (!s) return;
  hd_segment_unmap(s);
  free(s);
}

void hd_segment_activate(struct hd_segment *s, const uint8_t journal[16], uint64_t first_sequence, uint64_t position,
                         int64_t created_ns) {
  HD_ASSERT(first_sequence > 0);
  struct hd_segment_header h = {.major = HD_JOURNAL_MAJOR,
                                .minor = HD_JOURNAL_MINOR,
                                .header_bytes = HD_JOURNAL_HEADER_BYTES,
                                .first_sequence = first_sequence,
                                .position = position,
                                .capacity = s->capacity,
                                .created_ns = created_ns,
                                .schema_id = HADRON_SCHEMA_ID,
                                .schema_version = HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR};
  memcpy(h.magic, HD_JOURNAL_MAGIC, sizeof h.magic);
  memcpy(h.journal, journal, sizeof h.journal);
  h.crc = hd_segment_header_crc(&h);
  uint64_t magic;
  memcpy(&magic, h.magic, sizeof magic);
  memcpy(s->base + sizeof magic, (unsigned char *)&h + sizeof magic, sizeof h - sizeof magic);
  hd_commit_store(s->base, magic);
  s->first_sequence = first_sequence;
  s->position = position;
  atomic_store_explicit(&s->reserved, HD_JOURNAL_HEADER_BYTES / 8, memory_order_relaxed);
  s->settled = s->flushed = HD_JOURNAL_HEADER_BYTES;
}

void hd_segment_chain(struct hd_segment *s, const uint8_t previous[32]) {
  struct hd_segment_header *h = (struct hd_segment_header *)s->base;
  if (previous) memcpy(h->previous, previous, sizeof h->previous);
  h->chain_crc = hd_crc32c(0, h->previous, sizeof h->previous);
  __atomic_store_n(&h->chained, 1, __ATOMIC_RELEASE);
}

void hd_segment_bounds(struct hd_segment *s, uint64_t reserve) {
  s->limit = s->capacity - HD_SEAL_BYTES;
  s->soft = s->limit > HD_JOURNAL_HEADER_BYTES + reserve ? s->limit - reserve : HD_JOURNAL_HEADER_BYTES;
}

static int32_t header_check(const struct hd_segment_header *h, uint64_t size, const char *name, struct hd_fault *fault) {
  if (size < sizeof *h)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s has %" PRIu64 " bytes, its header alone has %zu; restore it",
                        name, size, sizeof *h);
  if (memcmp(h->magic, HD_JOURNAL_MAGIC, sizeof h->magic) != 0)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s at offset 0: not a segment, its first bytes are not %s", name,
                        HD_JOURNAL_MAGIC);
  if (h->major != HD_JOURNAL_MAJOR)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED,
                        "journal: %s has format %u.%u, this host reads %u.x; use the host that wrote it", name, h->major,
                        h->minor, HD_JOURNAL_MAJOR);
  uint32_t crc = hd_segment_header_crc(h);
  if (crc != h->crc)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s at offset 0: the header's CRC is %08" PRIx32 ", found %08" PRIx32,
                        name, crc, h->crc);
  if (h->header_bytes < sizeof *h || h->header_bytes % 8 || h->capacity < h->header_bytes + HD_SEAL_BYTES || h->capacity % 8)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s: header of %" PRIu32 " bytes in a segment of %" PRIu64, name,
                        h->header_bytes, h->capacity);
  if (h->chained && hd_crc32c(0, h->previous, sizeof h->previous) != h->chain_crc)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s at offset %zu: the predecessor's hash has a wrong CRC", name,
                        offsetof(struct hd_segment_header, previous));
  if (size > h->capacity)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s has %" PRIu64 " bytes, its header says %" PRIu64, name, size,
                        h->capacity);
  return HADRON_OK;
}

int32_t hd_segment_read_header(int dir, const char *name, struct hd_segment_header *h, struct hd_fault *fault) {
  int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "journal: there is no %s", name);
  if (fd < 0) return segment_error(errno, "opening", name, fault);
  struct stat st;
  struct hd_segment_header read_header;
  memset(&read_header, 0, sizeof read_header);
  ssize_t n = fstat(fd, &st) < 0 ? -1 : pread(fd, &read_header, sizeof read_header, 0);
  int error = errno;
  close(fd);
  if (n < 0) return segment_error(error, "reading", name, fault);
  int32_t rc = header_check(&read_header, (uint64_t)st.st_size, name, fault);
  if (rc == HADRON_OK) *h = read_header;
  return rc;
}

int32_t hd_segment_sync_names(int dir, struct hd_fault *fault) {
  if (fsync(dir) == 0) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_IO, "journal: flushing the directory failed: %s; check the disk", strerror(errno));
}
