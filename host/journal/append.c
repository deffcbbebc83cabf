// Append: claim, copy, commit. One fetch_add on the segment's word gives a writer both its offset and its sequence, so the order
// of the sequences is the order of the bytes whatever the threads do. The commit word is stored last.
#include <inttypes.h>
#include <sched.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/pause.h"
#include "journal/writer.h"

#define CLAIM_RECORD (UINT64_C(1) << 32)
#define SPINS 256
#define AHEAD_BYTES 2048u // what an order's decision, intent, order and events take before it leaves
#define SCHEMA_WORD ((uint64_t)HADRON_SCHEMA_ID << 32 | (uint64_t)(HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR) << 48)

static inline uint64_t claim_offset(uint64_t claim) { return (claim & 0xffffffffu) * 8; }

static inline void pause_briefly(unsigned *turns) {
  if (++*turns % SPINS == 0) sched_yield();
  hd_pause();
}

// Is a claim of `size` bytes near the segment's end allowed? Ordinary records need a successor to be there; reserved ones may use
// the last bytes without one. Nobody may run over the end with no successor in sight.
static int32_t journal_room(struct hd_journal *j, struct hd_segment *s, uint64_t used, uint64_t size, bool reserved) {
  if (atomic_load_explicit(&j->prepared, memory_order_acquire)) return HADRON_OK;
  bool fits = used + size <= s->limit;
  if (reserved && fits) return HADRON_OK;
  if (atomic_load_explicit(&j->current, memory_order_acquire) != s) return HADRON_OK; // someone has just moved on
  if (!reserved && atomic_load_explicit(&j->starved, memory_order_relaxed)) return HADRON_ERR_FULL; // until maintain finds room
  struct hd_fault fault;
  return hd_journal_prepare(j, &fault);
}

// Moves the writers from a full segment to its successor, if nobody has yet.
static int32_t journal_turn(struct hd_journal *j, struct hd_segment *full) {
  int32_t rc = HADRON_OK;
  pthread_mutex_lock(&j->turn);
  uint64_t sealed = atomic_load_explicit(&full->sealed, memory_order_acquire);
  if (atomic_load_explicit(&j->current, memory_order_relaxed) == full && sealed) {
    struct hd_fault fault;
    if (!atomic_load_explicit(&j->prepared, memory_order_acquire)) rc = hd_journal_prepare(j, &fault);
    struct hd_segment *next = atomic_load_explicit(&j->prepared, memory_order_acquire);
    if (next) {
      const struct hd_record_head *seal = (const void *)(full->base + sealed - HD_SEAL_BYTES);
      hd_segment_state_fill((struct hd_segment_state *)(next->base + HD_SEGMENT_STATE_OFFSET), j->boot, j->durability == HD_JOURNAL_FSYNC);
      hd_segment_activate(next, j->id, seal->sequence, full->position + sealed, seal->time_ns);
      // In this order: who finds no prepared one, to make the next, must already see that this one still has its file's name.
      atomic_store_explicit(&j->unnamed, next, memory_order_release);
      atomic_store_explicit(&j->prepared, NULL, memory_order_release);
      atomic_store_explicit(&full->successor, next, memory_order_release);
      atomic_store_explicit(&j->current, next, memory_order_release);
      rc = HADRON_OK;
    }
  }
  pthread_mutex_unlock(&j->turn);
  return rc;
}

// Exactly one claim starts inside the segment and ends outside: its owner writes the seal, in the place it got.
static void segment_seal(struct hd_segment *s, uint64_t claim, int64_t time_ns) {
  uint64_t start = claim_offset(claim);
  struct hd_record_head *seal = (void *)(s->base + start);
  seal->sequence = s->first_sequence + (claim >> 32);
  seal->time_ns = time_ns;
  seal->message = (struct hadron_message_header){0, 0, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR};
  hd_commit_store(seal, hd_record_commit(seal, HD_SEAL_BYTES, HD_MARK_SEAL));
  atomic_store_explicit(&s->sealed, start + HD_SEAL_BYTES, memory_order_release);
}

// A claim that does not fit: seal if it is ours to do, then wait for the successor.
__attribute__((noinline)) static int32_t journal_overrun(struct hd_journal *j, struct hd_segment *s, uint64_t claim,
                                                         int64_t time_ns) {
  if (claim_offset(claim) <= s->limit) segment_seal(s, claim, time_ns);
  unsigned turns = 0;
  while (atomic_load_explicit(&j->current, memory_order_acquire) == s) {
    if (atomic_load_explicit(&s->sealed, memory_order_acquire)) {
      int32_t rc = journal_turn(j, s);
      if (rc != HADRON_OK) return rc;
    }
    pause_briefly(&turns);
  }
  return HADRON_OK;
}

// A segment that is sealed and has no successor, because none could be made: try again, claim nothing.
static int32_t journal_stuck(struct hd_journal *j, struct hd_segment *s, bool reserved) {
  if (!reserved && atomic_load_explicit(&j->starved, memory_order_relaxed)) return HADRON_ERR_FULL;
  return journal_turn(j, s);
}

__attribute__((noinline)) static int32_t journal_near_end(struct hd_journal *j, struct hd_segment *s, uint64_t used,
                                                          uint64_t size, bool reserved) {
  if (size > s->limit - HD_JOURNAL_HEADER_BYTES) return HADRON_ERR_RANGE;
  if (used <= s->limit) return journal_room(j, s, used, size, reserved);
  unsigned turns = 0;
  while (atomic_load_explicit(&j->current, memory_order_acquire) == s) {
    if (atomic_load_explicit(&s->sealed, memory_order_acquire)) {
      int32_t rc = journal_stuck(j, s, reserved);
      if (rc != HADRON_OK) return rc;
    }
    pause_briefly(&turns);
  }
  return HADRON_ERR_AGAIN; // another segment: look again
}

static inline void record_write(unsigned char *at, uint32_t size, uint64_t sequence, int64_t time_ns, uint16_t template_id,
                                const void *block, uint16_t block_length, const void *tail, uint32_t tail_size) {
  struct hd_record_head *head = (void *)at;
  head->sequence = sequence;
  head->time_ns = time_ns;
  // One store: the checksum reads these 8 bytes at once, and a load waits long for four small stores to become memory.
  uint64_t message = block_length | (uint64_t)template_id << 16 | SCHEMA_WORD;
  memcpy(&head->message, &message, sizeof message);
  memcpy(at + sizeof *head, block, block_length);
  if (tail_size) memcpy(at + sizeof *head + block_length, tail, tail_size);
  hd_commit_store(head, hd_record_commit(head, size, HD_MARK_RECORD)); // the padding is zero since the file was made
}

int32_t hd_journal_append(struct hd_journal *j, uint32_t kind, const void *block, uint16_t block_length, const void *tail,
                          uint32_t tail_size, int64_t time_ns, uint64_t *position) {
  HD_DASSERT((kind & 0xffff) != HADRON_MSG_INVALID);
  uint64_t whole = sizeof(struct hd_record_head) + (uint64_t)block_length + tail_size;
  if (whole > HD_JOURNAL_RECORD_MAX) return HADRON_ERR_RANGE;
  uint32_t size = (uint32_t)whole, stride = hd_record_stride(size);
  bool reserved = kind & HD_JOURNAL_RESERVED;
  if (atomic_load_explicit(&j->failed, memory_order_relaxed) && !reserved) return HADRON_ERR_IO;
  for (;;) {
    struct hd_segment *s = atomic_load_explicit(&j->current, memory_order_acquire);
    uint64_t used = claim_offset(atomic_load_explicit(&s->reserved, memory_order_relaxed));
    if (__builtin_expect(used + stride > s->soft, 0)) {
      int32_t rc = journal_near_end(j, s, used, stride, reserved);
      if (rc == HADRON_ERR_AGAIN) continue;
      if (rc != HADRON_OK) return rc;
    }
    uint64_t claim = atomic_fetch_add_explicit(&s->reserved, CLAIM_RECORD | stride / 8, memory_order_relaxed);
    uint64_t start = claim_offset(claim);
    if (__builtin_expect(start + stride <= s->limit, 1)) {
      if (position) *position = s->position + start;
      unsigned char *base = s->base; // once the record is there the segment may go
      record_write(base + start, size, s->first_sequence + (claim >> 32), time_ns, (uint16_t)kind, block, block_length, tail,
                   tail_size);
      // A journal is always written where nothing has been yet: these lines are asked for before the records that will need them come.
      const unsigned char *ahead = base + start + stride + AHEAD_BYTES; // may lie beyond the end: a hint, not a read
      for (uint32_t i = 0; i < stride; i += 64) __builtin_prefetch(ahead + i, 1);
      return HADRON_OK;
    }
    int32_t rc = journal_overrun(j, s, claim, time_ns);
    if (rc != HADRON_OK) return rc;
  }
}

uint64_t hd_journal_end(const struct hd_journal *j) {
  unsigned turns = 0;
  for (;;) {
    struct hd_segment *s = atomic_load_explicit(&((struct hd_journal *)(uintptr_t)j)->current, memory_order_acquire);
    uint64_t sealed = atomic_load_explicit(&s->sealed, memory_order_acquire);
    if (sealed) return s->position + sealed + HD_JOURNAL_HEADER_BYTES;
    uint64_t used = claim_offset(atomic_load_explicit(&s->reserved, memory_order_acquire));
    if (used <= s->limit) return s->position + used;
    pause_briefly(&turns); // between a claim that ran over and its seal: a few instructions
  }
}
