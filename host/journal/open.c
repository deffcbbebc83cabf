// Open and close. Opening goes on where the last host ended: segments behind which no hashed one stands are walked, the tail is cut.
// Three things can follow the last good record: nothing; a torn tail (cut); a hole (a writer died between its claim and its
// commit while others went on: the hole becomes a VOID record, so that what they wrote stays). All else is damage.
#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "journal/writer.h"

#define SEGMENT_BYTES_DEFAULT (UINT64_C(64) << 20)
#define SEGMENT_BYTES_MIN (UINT64_C(16) << 10)
#define SEGMENT_BYTES_MAX (UINT64_C(1) << 30) // offsets / 8 and the claims of all writers fit half a word

static int32_t options_apply(struct hd_journal *j, const struct hd_journal_options *o, struct hd_fault *fault) {
  j->segment_bytes = o && o->segment_bytes ? o->segment_bytes : SEGMENT_BYTES_DEFAULT;
  j->durability = o ? o->durability : HD_JOURNAL_PAGE;
  j->now_ns = o && o->now_ns ? o->now_ns : hd_clock_wall_ns();
  if (j->segment_bytes % 4096 || j->segment_bytes < SEGMENT_BYTES_MIN || j->segment_bytes > SEGMENT_BYTES_MAX)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "journal: segment size is %" PRIu64 ", must be a multiple of 4096 in [%" PRIu64
                        ", %" PRIu64 "]", j->segment_bytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
  j->reserve_bytes = o && o->reserve_bytes ? o->reserve_bytes : j->segment_bytes / 64;
  if (j->reserve_bytes > j->segment_bytes / 2)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "journal: reserve is %" PRIu64 ", must be at most half of the segment size, %" PRIu64,
                        j->reserve_bytes, j->segment_bytes / 2);
  if (j->durability > HD_JOURNAL_FSYNC)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "journal: durability is %" PRIu32 ", must be page or fsync", j->durability);
  return HADRON_OK;
}

// Who holds the journal, for the one who is refused. The boot id tells a process of this boot from one of the same number before.
static void owner_words(char words[HD_DISK_OWNER_SIZE]) {
  char host[64] = "", boot[40] = "";
  if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (f) {
    if (!fgets(boot, sizeof boot, f)) boot[0] = 0;
    fclose(f);
    boot[strcspn(boot, "\n")] = 0;
  }
  snprintf(words, HD_DISK_OWNER_SIZE, "process %ld on %s, boot %s\n", (long)getpid(), host[0] ? host : "?", boot[0] ? boot : "?");
}

static int32_t directory_open(struct hd_journal *j, const char *dir, struct hd_fault *fault) {
  if ((size_t)snprintf(j->path, sizeof j->path, "%s", dir) >= sizeof j->path)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "journal: the directory's name is too long: %s", dir);
  j->dir = hd_disk_dir_open(j->disk, dir, true);
  if (j->dir < 0)
    return hd_fault_set(fault, HADRON_ERR_IO, "journal: opening %s failed: %s; create its parent or choose another place", dir,
                        strerror(-j->dir));
  char owner[HD_DISK_OWNER_SIZE], other[HD_DISK_OWNER_SIZE] = {0};
  owner_words(owner);
  j->lock = hd_disk_lock(j->disk, j->dir, HD_JOURNAL_LOCK_NAME, owner, other);
  other[strcspn(other, "\n")] = 0;
  if (j->lock == -EWOULDBLOCK)
    return hd_fault_set(fault, HADRON_ERR_EXISTS, "journal: %s is open in another host: %s; stop that one first, or give this one "
                        "its own data directory", dir, other[0] ? other : "process ?");
  if (j->lock < 0) return hd_disk_fault(fault, j->lock, "journal", "locking", dir);
  if (other[0]) hd_log_info("JOURNAL_OWNER", "journal %s: its last host did not end by itself: %s", dir, other);
  return HADRON_OK;
}

// ---- Walking what is there. ----

struct walk {
  struct hd_journal *j;
  struct hd_segment *segment;
  const char *name;
  uint64_t offset, sequence, records;
  uint64_t data_end; // behind it the file has only zeros
};

// Where the file's data ends: what was allocated and never written need not be read.
static uint64_t segment_data_end(const struct hd_journal *j, const struct hd_segment *s) {
  uint64_t end = 0;
  return hd_disk_data_end(j->disk, s->file, &end) || end > s->capacity ? s->capacity : end;
}

// The next good record behind `from` that can belong to this segment; 0: none.
static uint64_t walk_find(const struct walk *w, uint64_t from) {
  const struct hd_segment *s = w->segment;
  for (uint64_t at = from; at + sizeof(struct hd_record_head) <= w->data_end; at += 8) {
    const struct hd_record_head *r = (const void *)(s->base + at);
    if (!r->commit || !hd_commit_plausible(r->commit, s->capacity - at)) continue;
    bool later = r->sequence > w->sequence && r->sequence - w->sequence <= (at - w->offset) / sizeof *r;
    if (later && hd_record_valid(r, r->commit, s->capacity - at)) return at;
  }
  return 0;
}

static int32_t walk_hole(struct walk *w, uint64_t to) {
  unsigned char *at = w->segment->base + w->offset;
  const struct hd_record_head *next = (const void *)(w->segment->base + to);
  uint32_t size = (uint32_t)(to - w->offset);
  HD_ASSERT(size >= HD_VOID_BYTES && size <= HD_JOURNAL_RECORD_MAX);
  uint64_t swallowed = next->sequence - w->sequence;
  struct hd_record_head head = {0, w->sequence, 0, {8, 0, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR}};
  memset(at, 0, size);
  memcpy(at, &head, sizeof head);
  memcpy(at + sizeof head, &swallowed, sizeof swallowed);
  hd_commit_store(at, hd_record_commit(at, size, HD_MARK_VOID));
  hd_log_warn("JOURNAL_HOLE", "journal %s/%s at offset %" PRIu64 ": %" PRIu64 " records were begun and never committed", w->j->path,
              w->name, w->offset, swallowed);
  return HADRON_OK;
}

// What stands at w->offset is no record. newest: no segment follows.
static int32_t walk_broken(struct walk *w, bool newest, bool *end, struct hd_fault *fault) {
  struct hd_segment *s = w->segment;
  uint64_t commit = hd_commit_load(s->base + w->offset), later = walk_find(w, w->offset + 8);
  if (later && !commit && later - w->offset >= HD_VOID_BYTES && later - w->offset <= HD_JOURNAL_RECORD_MAX) return walk_hole(w, later);
  if (later || !newest)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s is damaged at offset %" PRIu64 ": expected record %" PRIu64
                        ", found commit word %016" PRIx64 "%s; restore the file, or see what is left: `hadron journal salvage %s TO`", w->j->path,
                        w->name, w->offset, w->sequence, commit, later ? ", and good records behind it" : "", w->j->path);
  uint64_t torn = w->data_end > w->offset ? w->data_end - w->offset : 0;
  while (torn && !s->base[w->offset + torn - 1]) torn--;
  if (torn) {
    memset(s->base + w->offset, 0, torn);
    w->j->cut += torn;
    hd_log_warn("JOURNAL_TAIL", "journal %s/%s: cut a torn tail of %" PRIu64 " bytes at offset %" PRIu64 ", after record %" PRIu64,
                w->j->path, w->name, torn, w->offset, w->sequence - 1);
  }
  *end = true;
  return HADRON_OK;
}

static int32_t walk_segment(struct walk *w, bool newest, struct hd_fault *fault) {
  struct hd_segment *s = w->segment;
  bool end = false;
  w->data_end = segment_data_end(w->j, s);
  while (!end && !s->sealed) {
    uint64_t room = s->capacity - w->offset;
    if (room < sizeof(struct hd_record_head)) break;
    const struct hd_record_head *r = (const void *)(s->base + w->offset);
    bool valid = r->commit && hd_record_valid(r, r->commit, room) && r->sequence == w->sequence;
    if (!valid) {
      int32_t rc = walk_broken(w, newest, &end, fault);
      if (rc != HADRON_OK) return rc;
      continue; // a hole has become a record
    }
    uint64_t swallowed = 1, mark = hd_commit_mark(r->commit);
    if (mark == HD_MARK_VOID) memcpy(&swallowed, r + 1, sizeof swallowed);
    w->offset += hd_record_stride(hd_commit_size(r->commit));
    if (mark == HD_MARK_SEAL) {
      atomic_store(&s->sealed, w->offset);
    } else {
      w->sequence += swallowed;
      w->records += swallowed;
    }
  }
  return HADRON_OK;
}

// ---- Adopting what is there, or starting. ----

static int32_t journal_begin(struct hd_journal *j, uint64_t first_sequence, uint64_t position, struct hd_segment **segment,
                             struct hd_fault *fault) {
  int32_t rc = hd_journal_prepare(j, fault);
  if (rc != HADRON_OK) return rc;
  struct hd_segment *s = atomic_exchange(&j->prepared, NULL);
  hd_segment_activate(s, j->id, first_sequence, position, j->now_ns);
  atomic_store(&j->unnamed, s);
  *segment = s;
  return hd_journal_settle_name(j, fault);
}

static int32_t journal_create(struct hd_journal *j, uint64_t seed, struct hd_fault *fault) {
  if (seed) {
    uint64_t words[2] = {hd_random_mix(seed), hd_random_mix(seed ^ 1)};
    memcpy(j->id, words, sizeof j->id);
  } else if (getrandom(j->id, sizeof j->id, 0) != sizeof j->id) {
    return hd_fault_set(fault, HADRON_ERR_IO, "journal: the system gave no random bytes: %s", strerror(errno));
  }
  struct hd_segment *s;
  int32_t rc = journal_begin(j, 1, 0, &s, fault);
  if (rc != HADRON_OK) return rc;
  hd_segment_chain(s, NULL);
  atomic_store(&j->current, s);
  j->flushing = j->unchained = s;
  return HADRON_OK;
}

// A host that ended between the seal and the new name left the successor under the prepared one's name.
static int32_t prepared_adopt(struct hd_journal *j, uint64_t first_sequence, bool *adopted, struct hd_fault *fault) {
  struct hd_segment_header h;
  struct hd_fault ignored;
  *adopted = false;
  if (hd_segment_read_header(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME, &h, &ignored) != HADRON_OK) return HADRON_OK;
  if (memcmp(h.journal, j->id, sizeof j->id) != 0 || h.first_sequence != first_sequence) return HADRON_OK;
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, first_sequence);
  int error = hd_disk_rename(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME, name);
  if (error)
    return hd_fault_set(fault, HADRON_ERR_IO, "journal: renaming %s/%s failed: %s", j->path, HD_JOURNAL_PREPARED_NAME,
                        strerror(-error));
  *adopted = true;
  return hd_segment_sync_names(j->disk, j->dir, fault);
}

static int32_t segment_adopt(struct hd_journal *j, uint64_t sequence, struct hd_segment_header *h, struct hd_segment **segment,
                             char name[HD_SEGMENT_NAME_SIZE], struct hd_fault *fault) {
  hd_segment_name(name, sequence);
  int32_t rc = hd_segment_read_header(j->disk, j->dir, name, h, fault);
  if (rc != HADRON_OK) return rc;
  if (h->first_sequence != sequence)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s says that its first record is %" PRIu64, j->path, name,
                        h->first_sequence);
  rc = hd_segment_map(j->disk, j->dir, name, h->capacity, segment, fault);
  if (rc != HADRON_OK) return rc;
  struct hd_segment *s = *segment;
  s->first_sequence = h->first_sequence;
  s->position = h->position;
  s->settled = s->flushed = h->header_bytes;
  hd_segment_bounds(s, j->reserve_bytes);
  s->all_next = j->all;
  j->all = s;
  return HADRON_OK;
}

// Walks one segment and hangs it behind `before`.
static int32_t segment_resume(struct hd_journal *j, uint64_t sequence, struct hd_segment *before, bool newest,
                              struct hd_segment **segment, struct hd_fault *fault) {
  struct hd_segment_header h;
  char name[HD_SEGMENT_NAME_SIZE];
  int32_t rc = segment_adopt(j, sequence, &h, segment, name, fault);
  if (rc != HADRON_OK) return rc;
  struct hd_segment *s = *segment;
  if (memcmp(h.journal, j->id, sizeof j->id) != 0)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s belongs to another journal; take it away", j->path, name);
  if (before && h.position != before->position + atomic_load(&before->sealed))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "journal: %s/%s starts at position %" PRIu64 ", expected %" PRIu64
                        ": a segment is missing or changed", j->path, name, h.position, before->position + atomic_load(&before->sealed));
  struct walk w = {.j = j, .segment = s, .name = name, .offset = h.header_bytes, .sequence = sequence};
  rc = walk_segment(&w, newest, fault);
  if (rc != HADRON_OK) return rc;
  atomic_store(&s->reserved, w.records << 32 | w.offset / 8);
  if (before) atomic_store(&before->successor, s);
  return HADRON_OK;
}

// A header that a power cut left unwritten names no record: such a newest file goes.
static int32_t headerless_drop(struct hd_journal *j, uint64_t *list, uint64_t *count, struct hd_fault *fault) {
  struct hd_segment_header h;
  uint64_t size = 0;
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, list[*count - 1]);
  int32_t rc = hd_segment_read_header(j->disk, j->dir, name, &h, fault);
  if (rc != HADRON_ERR_CORRUPT) return rc;
  int file = hd_disk_open(j->disk, j->dir, name, HD_DISK_READ);
  if (file < 0) return rc;
  int error = hd_disk_size(j->disk, file, &size);
  hd_disk_close(j->disk, file);
  if (error || size >= sizeof h) return rc;
  hd_log_warn("JOURNAL_TAIL", "journal %s/%s: cut within its header, it holds no record; removed", j->path, name);
  j->cut += size;
  error = hd_disk_unlink(j->disk, j->dir, name);
  if (error) return hd_disk_fault(fault, error, "journal", "removing", name);
  --*count;
  return HADRON_OK;
}

// Index of the oldest segment whose successor lacks its hash: from there on all is walked.
static int32_t unchained_find(struct hd_journal *j, const uint64_t *list, uint64_t count, uint64_t *first, struct hd_fault *fault) {
  *first = count - 1;
  for (uint64_t i = count; i-- > 0;) {
    struct hd_segment_header h;
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[i]);
    int32_t rc = hd_segment_read_header(j->disk, j->dir, name, &h, fault);
    if (rc != HADRON_OK) return rc;
    memcpy(j->id, h.journal, sizeof j->id);
    *first = i;
    if (h.chained) break;
  }
  return HADRON_OK;
}

static int32_t journal_resume(struct hd_journal *j, const uint64_t *list, uint64_t count, struct hd_fault *fault) {
  uint64_t first;
  struct hd_segment *before = NULL, *s = NULL;
  int32_t rc = unchained_find(j, list, count, &first, fault);
  for (uint64_t i = first; rc == HADRON_OK && i < count; i++, before = s) {
    rc = segment_resume(j, list[i], before, i + 1 == count, &s, fault);
    if (i == first) j->flushing = j->unchained = s;
  }
  while (rc == HADRON_OK && atomic_load(&s->sealed)) { // the newest is sealed: its successor, made or still to make
    bool adopted = false;
    uint64_t next = s->first_sequence + (atomic_load(&s->reserved) >> 32);
    before = s;
    rc = prepared_adopt(j, next, &adopted, fault);
    if (rc == HADRON_OK && adopted) rc = segment_resume(j, next, before, true, &s, fault);
    if (rc == HADRON_OK && !adopted) {
      rc = journal_begin(j, next, before->position + atomic_load(&before->sealed), &s, fault);
      if (rc == HADRON_OK) atomic_store(&before->successor, s);
    }
  }
  atomic_store(&j->current, s);
  return rc;
}

int32_t hd_journal_recover(struct hd_journal *j, uint64_t seed, struct hd_fault *fault) {
  uint64_t *list = NULL, count = 0;
  int32_t rc = hd_segment_list(j->disk, j->dir, &list, &count, fault);
  if (rc == HADRON_OK && count) rc = headerless_drop(j, list, &count, fault);
  if (rc == HADRON_OK) rc = count ? journal_resume(j, list, count, fault) : journal_create(j, seed, fault);
  free(list);
  return rc;
}

static void journal_free(struct hd_journal *j) {
  struct hd_segment *next;
  for (struct hd_segment *s = j->all; s; s = next) {
    next = s->all_next;
    hd_segment_destroy(j->disk, s);
  }
  if (j->lock >= 0) hd_disk_unlock(j->disk, j->lock);
  if (j->dir >= 0) hd_disk_close(j->disk, j->dir);
  pthread_mutex_destroy(&j->turn);
  pthread_mutex_destroy(&j->work);
  pthread_mutex_destroy(&j->gate);
  pthread_cond_destroy(&j->landed);
  free(j);
}

int32_t hd_journal_open(const char *dir, const struct hd_journal_options *options, struct hd_journal **journal,
                        struct hd_fault *fault) {
  struct hd_fault own;
  if (!fault) fault = &own;
  struct hd_journal *j = aligned_alloc(64, (sizeof *j + 63) & ~(size_t)63);
  if (!j) return hd_fault_set(fault, HADRON_ERR_MEMORY, "journal: no memory to open %s", dir);
  memset(j, 0, sizeof *j);
  j->dir = j->lock = -1;
  j->disk = hd_disk_or_system(options ? options->disk : NULL);
  pthread_mutex_init(&j->turn, NULL);
  pthread_mutex_init(&j->work, NULL);
  pthread_mutex_init(&j->gate, NULL);
  pthread_cond_init(&j->landed, NULL);
  hd_sha256_init(&j->hash);
  int32_t rc = options_apply(j, options, fault);
  if (rc == HADRON_OK) rc = directory_open(j, dir, fault);
  if (rc == HADRON_OK) rc = hd_journal_recover(j, options ? options->seed : 0, fault);
  if (rc == HADRON_OK) rc = hd_journal_maintain(j, fault);
  if (rc == HADRON_ERR_FULL && atomic_load(&j->current)) rc = HADRON_OK; // readable, and reserved appends have their space
  if (rc != HADRON_OK) {
    journal_free(j);
    return rc;
  }
  *journal = j;
  return HADRON_OK;
}

void hd_journal_close(struct hd_journal *j) {
  if (!j) return;
  hd_journal_chain_rest(j);
  uint64_t end = hd_journal_end(j);
  if (end > HD_JOURNAL_HEADER_BYTES) hd_journal_sync(j, end - 1);
  hd_journal_settle_name(j, NULL);
  if (atomic_load(&j->prepared)) (void)hd_disk_unlink(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME);
  journal_free(j);
}

uint64_t hd_journal_cut(const struct hd_journal *j) { return j->cut; }
const uint8_t *hd_journal_id(const struct hd_journal *j) { return j->id; }
const char *hd_journal_dir(const struct hd_journal *j) { return j->path; }
const struct hd_disk *hd_journal_disk(const struct hd_journal *j) { return j->disk; }
