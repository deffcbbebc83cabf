// Open and close: options, the lock, the state that the newest segment holds between them. resume.c goes on where the last host ended.
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "journal/writer.h"

#define SEGMENT_BYTES_DEFAULT (UINT64_C(64) << 20)
#define SEGMENT_BYTES_MIN (UINT64_C(16) << 10)

static int32_t options_apply(struct hd_journal *j, const struct hd_journal_options *o, struct hd_fault *fault) {
  j->segment_bytes = o && o->segment_bytes ? o->segment_bytes : SEGMENT_BYTES_DEFAULT;
  j->durability = o ? o->durability : HD_JOURNAL_PAGE;
  j->now_ns = o && o->now_ns ? o->now_ns : hd_clock_wall_ns();
  if (j->segment_bytes % 4096 || j->segment_bytes < SEGMENT_BYTES_MIN || j->segment_bytes > HD_SEGMENT_BYTES_MAX)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "journal: segment size is %" PRIu64 ", must be a multiple of 4096 in [%" PRIu64
                        ", %" PRIu64 "]", j->segment_bytes, SEGMENT_BYTES_MIN, HD_SEGMENT_BYTES_MAX);
  j->reserve_bytes = o && o->reserve_bytes ? o->reserve_bytes : j->segment_bytes / 64;
  if (j->reserve_bytes > j->segment_bytes / 2)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "journal: reserve is %" PRIu64 ", must be at most half of the segment size, %" PRIu64,
                        j->reserve_bytes, j->segment_bytes / 2);
  if (j->durability > HD_JOURNAL_FSYNC)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "journal: durability is %" PRIu32 ", must be page or fsync", j->durability);
  return HADRON_OK;
}

// Who holds the journal, for the one who is refused. The boot id tells a process of this boot from one of the same number before.
static void owner_words(const struct hd_journal *j, char words[HD_DISK_OWNER_SIZE]) {
  char host[64] = "", boot[33];
  if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
  hd_hex_format(boot, j->boot, sizeof j->boot);
  snprintf(words, HD_DISK_OWNER_SIZE, "process %ld on %s, boot %s\n", (long)getpid(), host[0] ? host : "?", boot);
}

static int32_t directory_open(struct hd_journal *j, const char *dir, struct hd_fault *fault) {
  if ((size_t)snprintf(j->path, sizeof j->path, "%s", dir) >= sizeof j->path)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "journal: the directory's name is too long: %s", dir);
  j->dir = hd_disk_dir_open(j->disk, dir, true);
  if (j->dir < 0)
    return hd_fault_set(fault, HADRON_ERR_IO, "journal: opening %s failed: %s; create its parent or choose another place", dir,
                        strerror(-j->dir));
  char owner[HD_DISK_OWNER_SIZE], other[HD_DISK_OWNER_SIZE] = {0};
  owner_words(j, owner);
  j->lock = hd_disk_lock(j->disk, j->dir, HD_JOURNAL_LOCK_NAME, owner, other);
  other[strcspn(other, "\n")] = 0;
  if (j->lock == -EWOULDBLOCK)
    return hd_fault_set(fault, HADRON_ERR_EXISTS, "journal: %s is open in another host: %s; stop that one first, or give this one "
                        "its own data directory", dir, other[0] ? other : "process ?");
  if (j->lock < 0) return hd_disk_fault(fault, j->lock, "journal", "locking", dir);
  if (other[0]) hd_log_info("JOURNAL_OWNER", "journal %s: its last host did not end by itself: %s", dir, other);
  return HADRON_OK;
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

// From here on this host writes: the newest segment says so before the first record does, and what was cut stays cut.
static int32_t state_begin(struct hd_journal *j, struct hd_fault *fault) {
  struct hd_segment *s = atomic_load(&j->current);
  struct hd_segment_state *state = hd_segment_state(s);
  if (state) {
    hd_segment_state_fill(state, j->boot, j->durability == HD_JOURNAL_FSYNC);
    __atomic_store_n(&state->clean, 0, __ATOMIC_RELEASE);
  }
  int error = hd_disk_sync(j->disk, s->file);
  if (!error) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_IO, "journal: flushing the newest segment of %s failed: %s; check the disk", j->path, strerror(-error)); // whatever the reason
}

// The last thing that a host writes: here its records end. With fsync it is written behind what it speaks of.
static void state_end(struct hd_journal *j, bool flushed) {
  struct hd_segment *s = atomic_load(&j->current);
  struct hd_segment_state *state = hd_segment_state(s);
  uint64_t sealed = atomic_load(&s->sealed);
  if (!state || !flushed) return;
  __atomic_store_n(&state->clean, hd_offset_mark_make(sealed ? sealed : (atomic_load(&s->reserved) & 0xffffffffu) * 8), __ATOMIC_RELEASE);
  if (j->durability == HD_JOURNAL_FSYNC) (void)hd_disk_sync(j->disk, s->file); // lost: the next start looks closer, no more
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
  hd_disk_boot(j->disk, j->boot);
  pthread_mutex_init(&j->turn, NULL);
  pthread_mutex_init(&j->work, NULL);
  pthread_mutex_init(&j->gate, NULL);
  pthread_cond_init(&j->landed, NULL);
  int32_t rc = options_apply(j, options, fault);
  if (rc == HADRON_OK) rc = directory_open(j, dir, fault);
  if (rc == HADRON_OK) rc = hd_journal_recover(j, options ? options->seed : 0, fault);
  if (rc == HADRON_OK) rc = state_begin(j, fault);
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
  bool flushed = end <= HD_JOURNAL_HEADER_BYTES || hd_journal_sync(j, end - 1) == HADRON_OK;
  hd_journal_settle_name(j, NULL);
  state_end(j, flushed && !atomic_load(&j->failed));
  if (atomic_load(&j->prepared)) (void)hd_disk_unlink(j->disk, j->dir, HD_JOURNAL_PREPARED_NAME);
  journal_free(j);
}

uint64_t hd_journal_cut(const struct hd_journal *j) { return j->cut; }
const uint8_t *hd_journal_id(const struct hd_journal *j) { return j->id; }
const char *hd_journal_dir(const struct hd_journal *j) { return j->path; }
const struct hd_disk *hd_journal_disk(const struct hd_journal *j) { return j->disk; }
