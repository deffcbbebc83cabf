// Promise: what lies beside a journal does not outlive it, and what a journal says is on the disk is. A snapshot is durable only once the records
// that it stands for are, with fsync or without; one that is ahead of its journal is removed before others stand in those records' place. Damage
// before a mark of what was flushed is refused, be it zeros; what is before it is told without a clock. A flush that stopped at a seal goes on behind it, though that segment was given back.
#include "support/test.h"

#include <inttypes.h>

#include "base/log.h"
#include "hadron/message.h"
#include "journal/writer.h"
#include "runtime/snapshot.h"
#include "support/memory_disk.h"

enum { SEGMENT = 16384 };
#define DIR "journal"

static struct memory_disk world, image; // as the host sees it, and what a crash left of it; too large for a stack
static struct hd_random luck;

static int setup(void **state) {
  (void)state;
  luck = test_random();
  memory_disk_init(&world, SEGMENT);
  memory_disk_init(&image, SEGMENT);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  memory_disk_fini(&world);
  memory_disk_fini(&image);
  return 0;
}

static int32_t open_at(struct memory_disk *d, uint32_t durability, struct hd_journal **j, struct hd_fault *fault) {
  const struct hd_journal_options options = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = durability, .disk = &d->disk, .seed = 7, .now_ns = 1};
  return hd_journal_open(DIR, &options, j, fault);
}
static struct hd_journal *open_or_fail(struct memory_disk *d, uint32_t durability) {
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  if (open_at(d, durability, &j, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  return j;
}

static int64_t now_ns = 1; // of the host's clock
static uint64_t append(struct hd_journal *j, uint64_t count) {
  uint64_t position = 0;
  struct hadron_timer_fired t = {.id = 1};
  for (uint64_t i = 0; i < count; i++) assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, now_ns, &position), HADRON_OK);
  return position;
}

static void snapshot_at(struct hd_journal *j, uint64_t position) {
  struct hd_snapshot s = {.position = position};
  struct hd_fault fault = {0};
  if (hd_snapshot_put(j, &s, &fault) != HADRON_OK) fail_msg("%s", fault.text);
}

static void told(void *user, const char *text) { snprintf(user, 256, "%s", text); }

// The position of the one that a start would take; 0: none.
static uint64_t snapshot_found(struct hd_journal *j, char words[256]) {
  struct hd_snapshot s = {0};
  struct hd_fault fault = {0};
  words[0] = 0;
  int32_t rc = hd_snapshot_find(hd_journal_disk(j), DIR, hd_journal_id(j), hd_journal_end(j), &s, told, words, &fault);
  if (rc != HADRON_OK && rc != HADRON_ERR_NOT_FOUND) fail_msg("%s", fault.text);
  uint64_t position = rc == HADRON_OK ? s.position : 0;
  hd_snapshot_fini(&s);
  return position;
}

// ---- snapshots -------------------------------------------------------------------------------------------------------------------------

static void outlived(uint32_t durability) {
  char words[256];
  for (int i = 0; i < 60; i++) {
    memory_disk_fini(&world);
    memory_disk_init(&world, SEGMENT);
    struct hd_journal *j = open_or_fail(&world, durability);
    append(j, 1 + hd_random_below(&luck, 400));
    uint64_t end = hd_journal_end(j);
    snapshot_at(j, end);
    append(j, hd_random_below(&luck, 3));
    memory_disk_copy(&image, &world);
    memory_disk_cut(&image, &luck, i % 2 ? 512 : 4096, (uint32_t)hd_random_below(&luck, 257));
    struct hd_journal *again = open_or_fail(&image, durability);
    if (hd_journal_end(again) < end) fail_msg("the journal ends at %" PRIu64 ", and a snapshot stands for all before %" PRIu64, hd_journal_end(again), end);
    assert_int_equal(snapshot_found(again, words), end);
    hd_journal_close(again);
    hd_journal_close(j);
  }
}
static void no_snapshot_outlives_its_records(void **state) {
  (void)state;
  outlived(HD_JOURNAL_PAGE);
  outlived(HD_JOURNAL_FSYNC);
}

static void a_snapshot_ahead_of_its_journal_goes(void **state) {
  (void)state;
  char words[256];
  struct hd_journal *j = open_or_fail(&world, HD_JOURNAL_PAGE);
  append(j, 20);
  uint64_t early = hd_journal_end(j);
  snapshot_at(j, early);
  append(j, 20);
  uint64_t late = hd_journal_end(j);
  snapshot_at(j, late);
  memory_disk_copy(&image, &world);
  memory_disk_kill(&image);
  hd_journal_close(j);
  unsigned char *bytes = memory_disk_file(&image, "journal-0000000000000001.hdj", NULL);
  memset(bytes + HD_SEGMENT_STATE_OFFSET, 0, 16); // somebody has put back an older copy of it, and its marks
  memset(bytes + early + 64, 0, SEGMENT - early - 64);
  struct hd_journal *again = open_or_fail(&image, HD_JOURNAL_PAGE);
  assert_int_equal(hd_journal_end(again), early + 64);
  assert_int_equal(snapshot_found(again, words), early);
  assert_non_null(strstr(words, "records that the journal does not have"));
  append(again, 30); // others stand there now
  assert_true(hd_journal_end(again) > late);
  assert_int_equal(hd_journal_flush(again, hd_journal_end(again) - 1), HADRON_OK);
  memory_disk_copy(&world, &image);
  memory_disk_cut(&world, &luck, 4096, 0); // the removal is durable
  hd_journal_close(again);
  again = open_or_fail(&world, HD_JOURNAL_PAGE);
  assert_int_equal(snapshot_found(again, words), early);
  assert_string_equal(words, "");
  hd_journal_close(again);
}

// ---- marks -----------------------------------------------------------------------------------------------------------------------------

// filling: of the bytes from a flushed record on.
static void damaged(uint32_t durability, int filling, bool cut) {
  memory_disk_fini(&world);
  memory_disk_init(&world, SEGMENT);
  struct hd_journal *j = open_or_fail(&world, durability);
  append(j, 10);
  uint64_t at = append(j, 1);
  append(j, 5);
  assert_int_equal(hd_journal_flush(j, hd_journal_end(j) - 1), HADRON_OK);
  assert_int_equal(hd_journal_flush(j, append(j, 1)), HADRON_OK); // the mark goes to the disk with a later flush
  memory_disk_copy(&image, &world);
  hd_journal_close(j);
  if (cut) memory_disk_cut(&image, &luck, 4096, 0);
  memory_disk_kill(&image);
  memset(memory_disk_file(&image, "journal-0000000000000001.hdj", NULL) + at, filling, SEGMENT - at);
  struct hd_fault fault = {0};
  struct hd_journal *again = NULL;
  assert_int_equal(open_at(&image, durability, &again, &fault), HADRON_ERR_CORRUPT);
  char place[80];
  snprintf(place, sizeof place, "journal-0000000000000001.hdj is damaged at offset %" PRIu64, at);
  if (!strstr(fault.text, place)) fail_msg("the fault does not name the place: %s", fault.text);
}
static void damage_before_a_mark_is_refused(void **state) {
  (void)state;
  for (int i = 0; i < 8; i++) damaged(i & 1 ? HD_JOURNAL_FSYNC : HD_JOURNAL_PAGE, i & 2 ? 0xff : 0, i & 4);
}

static void read_all(const struct hd_journal *j) {
  struct hd_journal_cursor *c = NULL;
  struct hd_fault fault = {0};
  struct hadron_record r;
  if (hd_journal_cursor_open_on(hd_journal_disk(j), DIR, &c, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  int32_t rc;
  while ((rc = hd_journal_cursor_next(c, &r, &fault)) == HADRON_OK) continue;
  if (rc != HADRON_ERR_AGAIN) fail_msg("%s", fault.text);
  assert_int_equal(hd_journal_cursor_position(c), hd_journal_end(j));
  hd_journal_cursor_close(c);
}

// An hour lies between any two records, as the host's clock has it, and nobody waits for the disk.
static void a_clock_has_no_say_in_what_is_there(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++) {
    memory_disk_fini(&world);
    memory_disk_init(&world, SEGMENT);
    struct hd_journal *j = open_or_fail(&world, HD_JOURNAL_PAGE);
    for (uint64_t k = hd_random_below(&luck, 700); k > 0; k--) {
      append(j, 1);
      now_ns += INT64_C(3600000000000);
      if (hd_random_below(&luck, 40) == 0) hd_journal_maintain(j, NULL);
    }
    memory_disk_copy(&image, &world);
    memory_disk_cut(&image, &luck, 512, (uint32_t)hd_random_below(&luck, 257));
    struct hd_journal *again = open_or_fail(&image, HD_JOURNAL_PAGE);
    read_all(again);
    hd_journal_close(again);
    hd_journal_close(j);
  }
}

// Whole by its CRC, and too short for what it must say: what a reader would take for that lies behind it, and may lie behind the file.
static void too_short(enum hd_record_mark mark, uint16_t block_length) {
  memory_disk_fini(&world);
  memory_disk_init(&world, SEGMENT);
  struct hd_journal *j = open_or_fail(&world, HD_JOURNAL_PAGE);
  uint64_t at = append(j, 3);
  unsigned char *bytes = memory_disk_file(&world, "journal-0000000000000001.hdj", NULL);
  struct hd_record_head *last = (void *)(bytes + at);
  last->message.block_length = block_length;
  hd_commit_store(last, hd_record_commit(last, sizeof *last, mark));
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  struct hd_fault fault = {0};
  assert_int_equal(hd_journal_cursor_open_on(&world.disk, DIR, &c, &fault), HADRON_OK);
  for (int i = 0; i < 2; i++) assert_int_equal(hd_journal_cursor_next(c, &r, &fault), HADRON_OK);
  assert_int_equal(hd_journal_cursor_next(c, &r, &fault), HADRON_ERR_CORRUPT);
  hd_journal_cursor_close(c);
  hd_journal_close(j);
}

static void a_record_that_is_too_short_is_damage(void **state) {
  (void)state;
  too_short(HD_MARK_VOID, 0); // how much it swallowed
  too_short(HD_MARK_RECORD, 8); // its root block
}

// Between a seal and the successor's coming another thread may flush: here it is made to.
static void a_flush_at_a_seal_goes_on_behind_it(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&world, HD_JOURNAL_FSYNC);
  struct hd_segment *full = atomic_load(&j->current);
  while (atomic_load(&j->current) == full) append(j, 1);
  struct hd_segment *next = atomic_exchange(&full->successor, NULL);
  assert_int_equal(hd_journal_flush(j, full->position + atomic_load(&full->sealed) - 1), HADRON_OK);
  assert_ptr_equal(atomic_load(&j->flushing), full);
  atomic_store(&full->successor, next);
  for (int i = 0; i < 8; i++) assert_int_equal(hd_journal_maintain(j, NULL), HADRON_OK);
  assert_null(full->base); // its hash is told, its mapping given back
  uint64_t position = append(j, 1);
  assert_int_equal(hd_journal_flush(j, position), HADRON_OK);
  assert_true(hd_journal_durable(j) > position);
  hd_journal_close(j);
}

// The same where no successor can be made: a flush up to the end ends.
static void a_flush_up_to_the_end_ends_at_a_seal(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&world, HD_JOURNAL_FSYNC);
  struct hd_segment *full = atomic_load(&j->current);
  while (atomic_load(&j->current) == full) append(j, 1);
  struct hd_segment *next = atomic_exchange(&full->successor, NULL);
  atomic_store(&j->current, full);
  uint64_t end = hd_journal_end(j);
  assert_int_equal(hd_journal_flush(j, end - 1), HADRON_OK);
  assert_int_equal(hd_journal_durable(j), end);
  atomic_store(&full->successor, next);
  atomic_store(&j->current, next);
  assert_int_equal(hd_journal_flush(j, append(j, 1)), HADRON_OK);
  hd_journal_close(j);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
  hd_log_level(HADRON_LOG_ERROR + 1);
  const struct CMUnitTest tests[] = {
      EACH(no_snapshot_outlives_its_records),
      EACH(a_snapshot_ahead_of_its_journal_goes),
      EACH(damage_before_a_mark_is_refused),
      EACH(a_clock_has_no_say_in_what_is_there),
      EACH(a_record_that_is_too_short_is_damage),
      EACH(a_flush_at_a_seal_goes_on_behind_it),
      EACH(a_flush_up_to_the_end_ends_at_a_seal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
