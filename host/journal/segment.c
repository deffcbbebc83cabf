#include "journal/segment.h"

#include <errno.h>
#include <inttypes.h>

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

struct listing {
  uint64_t *list;
  uint64_t count, room;
};

static int listing_add(void *context, const char *name) {
  struct listing *l = context;
  uint64_t sequence;
  if (!segment_name_parse(name, &sequence)) return 0;
  if (l->count == l->room) {
    uint64_t room = l->room ? l->room * 2 : 16, *more = realloc(l->list, room * sizeof *more);
    if (!more) return -ENOMEM;
    l->list = more;
    l->room = room;
  }
  l->list[l->count++] = sequence;
  return 0;
}

int32_t hd_segment_list(const struct hd_disk *disk, int dir, uint64_t **list, uint64_t *count, struct hd_fault *fault) {
  struct listing l = {0};
  int rc = hd_disk_list(disk, dir, listing_add, &l);
  if (rc) {
    free(l.list);
    return hd_disk_fault(fault, rc, "journal", "listing", "the directory's segments");
  }
  if (l.count) qsort(l.list, l.count, sizeof *l.list, sequence_compare);
  *list = l.list;
  *count = l.count;
  return HADRON_OK;
}

// Zeros written once turn later flushes into plain overwrites: no extent changes its state under them.
static int segment_prewrite(const struct hd_disk *disk, int file, uint64_t capacity) {
  static const unsigned char zeros[1 << 16];
  for (uint64_t at = 0; at < capacity; at += sizeof zeros) {
    size_t n = capacity - at < sizeof zeros ? (size_t)(capacity - at) : sizeof zeros;
    int rc = hd_disk_write(disk, file, zeros, n, at);
    if (rc) return rc;
  }
  return hd_disk_sync(disk, file);
}

static int32_t segment_wrap(const struct hd_disk *disk, int file, uint64_t capacity, const char *name, struct hd_segment **segment,
                            struct hd_fault *fault) {
  struct hd_segment *s = aligned_alloc(64, (sizeof *s + 63) & ~(size_t)63);
  if (!s) return hd_fault_set(fault, HADRON_ERR_MEMORY, "journal: no memory for a segment");
  memset(s, 0, sizeof *s);
  void *base;
  int rc = hd_disk_map(disk, file, capacity, true, &base);
  if (rc) {
    free(s);
    return hd_disk_fault(fault, rc, "journal", "mapping", name);
  }
  s->base = base;
  s->capacity = capacity;
  s->file = file;
  *segment = s;
  return HADRON_OK;
}

int32_t hd_segment_create(const struct hd_disk *disk, int dir, const char *name, uint64_t capacity, bool prewrite, bool *sick,
                          struct hd_segment **segment, struct hd_fault *fault) {
  int rc = hd_disk_unlink(disk, dir, name); // left behind by a host that ended early; it holds no record
  if (rc && rc != -ENOENT) return hd_disk_fault(fault, rc, "journal", "removing", name);
  int file = hd_disk_open(disk, dir, name, HD_DISK_CREATE);
  if (file < 0) return hd_disk_fault(fault, file, "journal", "creating", name);
  rc = hd_disk_allocate(disk, file, capacity);
  if (!rc && prewrite) {
    rc = segment_prewrite(disk, file, capacity);
    *sick = rc && hd_disk_code(rc) != HADRON_ERR_FULL;
  }
  int32_t code = rc ? hd_disk_fault(fault, rc, "journal", "allocating", name) : segment_wrap(disk, file, capacity, name, segment, fault);
  if (code != HADRON_OK) {
    (void)hd_disk_unlink(disk, dir, name);
    hd_disk_close(disk, file);
  }
  return code;
}

int32_t hd_segment_map(const struct hd_disk *disk, int dir, const char *name, uint64_t capacity, struct hd_segment **segment,
                       struct hd_fault *fault) {
  int file = hd_disk_open(disk, dir, name, HD_DISK_WRITE);
  if (file < 0) return hd_disk_fault(fault, file, "journal", "opening", name);
  int rc = hd_disk_allocate(disk, file, capacity);
  int32_t code = rc ? hd_disk_fault(fault, rc, "journal", "allocating", name) : segment_wrap(disk, file, capacity, name, segment, fault);
  if (code != HADRON_OK) hd_disk_close(disk, file);
  return code;
}

void hd_segment_unmap(const struct hd_disk *disk, struct hd_segment *s) {
  if (!s->base) return;
  hd_disk_unmap(disk, s->base, s->capacity);
  hd_disk_close(disk, s->file);
  s->base = NULL;
  s->file = -1;
}

void hd_segment_destroy(const struct hd_disk *disk, struct hd_segment *s) {
  if (!s) return;
  hd_segment_unmap(disk, s);
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

void hd_segment_unchain(struct hd_segment *s) {
  struct hd_segment_header *h = (struct hd_segment_header *)s->base;
  __atomic_store_n(&h->chained, 0, __ATOMIC_RELEASE);
  memset(h->previous, 0, sizeof h->previous);
  h->chain_crc = 0;
}

void hd_segment_chain(struct hd_segment *s, const uint8_t previous[32]) {
  struct hd_segment_header *h = (struct hd_segment_header *)s->base;
  if (previous) memcpy(h->previous, previous, sizeof h->previous);
  h->chain_crc = hd_crc32c(0, h->previous, sizeof h->previous);
  __atomic_store_n(&h->chained, 1, __ATOMIC_RELEASE);
}

void hd_segment_hash_begin(struct hd_sha256 *hash, const unsigned char *base, uint32_t header_bytes) {
  static const unsigned char zeros[512];
  hd_sha256_init(hash);
  hd_sha256_update(hash, base, sizeof(struct hd_segment_header));
  for (uint32_t left = header_bytes - (uint32_t)sizeof(struct hd_segment_header); left;) {
    uint32_t n = left < sizeof zeros ? left : (uint32_t)sizeof zeros;
    hd_sha256_update(hash, zeros, n);
    left -= n;
  }
}

void hd_segment_state_fill(struct hd_segment_state *state, const uint8_t boot[16], bool fsync) {
  memcpy(state->boot, boot, sizeof state->boot);
  state->flags = fsync ? HD_SEGMENT_FSYNC : 0;
  state->crc = hd_segment_state_crc(state);
}

struct hd_segment_state *hd_segment_state(const struct hd_segment *s) {
  const struct hd_segment_header *h = (const void *)s->base;
  return h->minor >= 1 ? (struct hd_segment_state *)(s->base + HD_SEGMENT_STATE_OFFSET) : NULL;
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
  if (!h->major)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s at offset 8: format 0.%u is none", name, h->minor);
  if (h->major != HD_JOURNAL_MAJOR)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED,
                        "journal: %s has format %u.%u, this host reads %u.x; use the host that wrote it", name, h->major,
                        h->minor, HD_JOURNAL_MAJOR);
  uint32_t crc = hd_segment_header_crc(h);
  if (crc != h->crc)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s at offset 0: the header's CRC is %08" PRIx32 ", found %08" PRIx32,
                        name, crc, h->crc);
  if (h->header_bytes < sizeof *h || h->header_bytes % 8 || h->capacity < h->header_bytes + HD_SEAL_BYTES || h->capacity % 8 || h->capacity > HD_SEGMENT_BYTES_MAX)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s: header of %" PRIu32 " bytes in a segment of %" PRIu64, name,
                        h->header_bytes, h->capacity);
  if (size > h->capacity)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s has %" PRIu64 " bytes, its header says %" PRIu64, name, size,
                        h->capacity);
  return HADRON_OK;
}

int32_t hd_segment_read_header(const struct hd_disk *disk, int dir, const char *name, struct hd_segment_header *h,
                               struct hd_fault *fault) {
  int file = hd_disk_open(disk, dir, name, HD_DISK_READ);
  if (file == -ENOENT) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "journal: there is no %s", name);
  if (file < 0) return hd_disk_fault(fault, file, "journal", "opening", name);
  struct hd_segment_header read_header;
  memset(&read_header, 0, sizeof read_header);
  uint64_t size = 0;
  size_t done;
  int rc = hd_disk_size(disk, file, &size);
  if (!rc) rc = hd_disk_read(disk, file, &read_header, sizeof read_header, 0, &done);
  hd_disk_close(disk, file);
  if (rc) return hd_disk_fault(fault, rc, "journal", "reading", name);
  int32_t code = header_check(&read_header, size, name, fault);
  if (code != HADRON_OK) return code;
  bool good = read_header.chained <= 1 && (!read_header.chained || hd_crc32c(0, read_header.previous, sizeof read_header.previous) == read_header.chain_crc);
  if (!good) read_header.chained = HD_CHAIN_TORN;
  *h = read_header;
  return code;
}

int32_t hd_segment_sync_names(const struct hd_disk *disk, int dir, struct hd_fault *fault) {
  int rc = hd_disk_sync_dir(disk, dir);
  return rc ? hd_disk_fault(fault, rc, "journal", "flushing", "the directory") : HADRON_OK;
}
