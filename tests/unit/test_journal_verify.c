// Promise: verification names the place of any changed byte, or the byte is one that nobody reads (a sealed segment's state); it names what is
// missing, exchanged, cut off or rewritten with a right CRC. Salvage leaves the original alone, keeps every good record in its place, counts
// what is lost, and makes a journal that is whole. A journal of format 1.0 is read, verified and gone on with.
#include "support/test.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "hadron/message.h"
#include "journal/fields.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "journal/verify.h"
#include "support/directory.h"
#include "support/memory_disk.h"

enum { SEGMENT = 16384, RECORDS = 320 };
static struct memory_disk whole, disk;
static uint64_t positions[RECORDS], end_of_all;
static const char *const files[] = {"journal-0000000000000001.hdj", "journal-0000000000000081.hdj", "journal-0000000000000101.hdj"};

static void make_whole(void) {
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = HD_JOURNAL_FSYNC, .disk = &whole.disk, .seed = 3, .now_ns = 5};
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  memory_disk_init(&whole, SEGMENT);
  memory_disk_init(&disk, SEGMENT);
  if (hd_journal_open("journal", &o, &j, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  for (uint64_t n = 0; n < RECORDS; n++) {
    struct hadron_timer_fired t = {.id = n};
    unsigned char tail[64];
    memset(tail, (int)n, sizeof tail);
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, tail, (uint32_t)(n * 7 % 57), (int64_t)(1000 + n), &positions[n]), HADRON_OK);
    if (n % 50 == 0) hd_journal_maintain(j, NULL);
  }
  end_of_all = hd_journal_end(j);
  hd_journal_close(j);
}

static int32_t verify(struct hd_journal_verdict *v, struct hd_fault *fault) {
  *fault = (struct hd_fault){0};
  return hd_journal_verify(&disk.disk, "journal", NULL, v, fault);
}

static unsigned char *damaged(int segment) {
  memory_disk_copy(&disk, &whole);
  return memory_disk_file(&disk, files[segment], NULL);
}

static void expect_fault(const char *what, const char *text) {
  struct hd_journal_verdict v;
  struct hd_fault fault;
  assert_int_equal(verify(&v, &fault), HADRON_ERR_CORRUPT);
  if (!strstr(fault.text, text)) fail_msg("%s: expected \"%s\" in: %s", what, text, fault.text);
}

static void whole_is_whole(void **state) {
  (void)state;
  struct hd_journal_verdict v;
  struct hd_fault fault;
  damaged(0);
  if (verify(&v, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  assert_int_equal(v.segments, 3);
  assert_int_equal(v.records, RECORDS);
  assert_int_equal(v.chained, 3);
  assert_int_equal(v.next_sequence, RECORDS + 1);
  assert_int_equal(v.position, end_of_all);
  assert_int_equal(v.voids + v.missing + v.begun_bytes, 0);
}

// Offset of the record that a byte of a segment belongs to; 0: behind the last one.
static uint64_t record_start(uint64_t segment_position, uint64_t at) {
  uint64_t found = 0;
  for (int n = 0; n < RECORDS; n++)
    if (positions[n] >= segment_position + 4096 && positions[n] <= segment_position + at) found = positions[n] - segment_position;
  return found;
}

static void flip_check(int segment, uint64_t at, unsigned char mask, uint64_t position) {
  char text[96];
  struct hd_journal_verdict v;
  struct hd_fault fault;
  damaged(segment)[at] ^= mask;
  int32_t rc = verify(&v, &fault);
  bool state = at >= HD_SEGMENT_STATE_OFFSET && at < HD_SEGMENT_STATE_OFFSET + sizeof(struct hd_segment_state);
  if (state && segment < 2) { // nobody reads it any more
    assert_int_equal(rc, HADRON_OK);
    return;
  }
  if (segment == 2 && position + at >= end_of_all && rc == HADRON_OK) { // as a writer leaves it that was killed: told, no damage
    if (v.begun_offset != at || v.begun_bytes != 1) fail_msg("byte %" PRIu64 " behind the end: told at %" PRIu64, at, v.begun_offset);
    return;
  }
  uint64_t start = at < 4096 ? at : record_start(position, at);
  bool behind = segment < 2 && at >= SEGMENT - 200 && rc == HADRON_ERR_CORRUPT && strstr(fault.text, "zero byte behind the seal");
  snprintf(text, sizeof text, "%s at offset %" PRIu64 ":", files[segment], behind ? at : start);
  if (rc == HADRON_OK) fail_msg("%s: a flip of byte %" PRIu64 " was not noticed", files[segment], at);
  if (at >= 4096 ? !strstr(fault.text, text) && !strstr(fault.text, files[segment]) : !strstr(fault.text, "journal-0000000000000")) fail_msg("byte %" PRIu64 ": %s", at, fault.text);
}

static void each_flipped_byte_is_named(void **state) {
  (void)state;
  struct hd_random random = test_random();
  bool all = getenv("HADRON_TEST_IMAGES") != NULL;
  uint64_t position = 0, tried = 0;
  for (int s = 0; s < 3; s++) {
    struct hd_segment_header h;
    memcpy(&h, memory_disk_file(&whole, files[s], NULL), sizeof h);
    position = h.position;
    uint64_t step = 1;
    for (uint64_t at = hd_random_below(&random, 3); at < SEGMENT; at += step, tried++) {
      flip_check(s, at, (unsigned char)(1u << hd_random_below(&random, 8)), position);
      step = all || at < 160 || (at > 4090 && at < 4400) || at > SEGMENT - 300 ? 1 : 1 + hd_random_below(&random, 23);
    }
  }
  print_message("%" PRIu64 " flips\n", tried);
}

static void what_is_missing_or_exchanged_is_named(void **state) {
  (void)state;
  damaged(0);
  hd_disk_unlink(&disk.disk, 1000, files[1]);
  expect_fault("a segment is taken away", "journal-0000000000000081.hdj is missing");

  memory_disk_copy(&disk, &whole);
  unsigned char *a = memory_disk_file(&disk, files[0], NULL), *b = memory_disk_file(&disk, files[1], NULL), swap[SEGMENT];
  memcpy(swap, a, SEGMENT), memcpy(a, b, SEGMENT), memcpy(b, swap, SEGMENT);
  expect_fault("two segments are exchanged", "expected first record 1");

  a = damaged(1); // a record changed by one who knows the CRC
  struct hd_segment_header h;
  memcpy(&h, a, sizeof h);
  uint64_t at = positions[140] - h.position;
  a[at + 40] ^= 1;
  uint64_t commit = hd_commit_load(a + at);
  hd_commit_store(a + at, hd_record_commit(a + at, hd_commit_size(commit), HD_MARK_RECORD));
  expect_fault("a record is rewritten", "journal-0000000000000101.hdj at offset 72");

  a = damaged(2);
  memcpy(&h, a, sizeof h);
  at = positions[RECORDS - 1] - h.position;
  memset(a + at, 0, SEGMENT - at);
  expect_fault("the last record is taken away", "the end was taken away");
}

static void a_kept_head_shows_a_cut_end(void **state) {
  (void)state;
  struct hd_journal_verdict v, later;
  struct hd_fault fault;
  damaged(0);
  assert_int_equal(verify(&v, &fault), HADRON_OK);
  assert_int_equal(hd_journal_verify_head(&disk.disk, "journal", v.next_sequence, v.head, &fault), HADRON_OK);
  // It goes on: the head of before still holds.
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .disk = &disk.disk};
  struct hd_journal *j = NULL;
  assert_int_equal(hd_journal_open("journal", &o, &j, &fault), HADRON_OK);
  for (uint64_t n = 0; n < 200; n++) {
    struct hadron_timer_fired t = {.id = n};
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, 1, NULL), HADRON_OK);
  }
  hd_journal_close(j);
  assert_int_equal(hd_journal_verify_head(&disk.disk, "journal", v.next_sequence, v.head, &fault), HADRON_OK);
  assert_int_equal(verify(&later, &fault), HADRON_OK);
  // The end is cut away, and the mark of the clean end with it.
  unsigned char *bytes = damaged(2);
  struct hd_segment_header h;
  memcpy(&h, bytes, sizeof h);
  uint64_t at = positions[RECORDS - 1] - h.position;
  memset(bytes + at, 0, SEGMENT - at);
  memset(bytes + HD_SEGMENT_STATE_OFFSET + offsetof(struct hd_segment_state, clean), 0, 8);
  assert_int_equal(verify(&later, &fault), HADRON_OK); // by itself nothing shows it
  assert_int_equal(hd_journal_verify_head(&disk.disk, "journal", v.next_sequence, v.head, &fault), HADRON_ERR_CORRUPT);
}

// ---- salvage ---------------------------------------------------------------------------------------------------------------------------

static uint64_t told_records, told_places;
static void told(void *self, const struct hd_journal_loss *l) {
  (void)self;
  told_places++;
  told_records += l->records;
}

static uint32_t damage_do(struct hd_random *random, bool *gone) {
  uint32_t kinds = 0;
  for (uint64_t k = 1 + hd_random_below(random, 4); k > 0; k--) {
    int s = (int)hd_random_below(random, 3);
    unsigned char *bytes = memory_disk_file(&disk, files[s], NULL);
    uint64_t at = 4096 + hd_random_below(random, SEGMENT - 4096), n = 1 + hd_random_below(random, 400);
    uint64_t kind = hd_random_below(random, 12);
    if (!bytes) continue;
    kinds |= 1u << kind;
    if (kind < 5) bytes[at] ^= (unsigned char)(1 + hd_random_below(random, 255));
    else if (kind < 8) memset(bytes + at, 0, at + n < SEGMENT ? n : SEGMENT - at);
    else if (kind < 10) for (uint64_t i = at; i < SEGMENT && i < at + n; i++) bytes[i] = (unsigned char)hd_random_next(random);
    else if (kind == 10) memset(bytes, 0x5a, 4096); // its header
    else if (s == 1) hd_disk_unlink(&disk.disk, 1000, files[s]), *gone = true;
  }
  return kinds;
}

// Reads what is there; every record must be the one of the original at that position.
static uint64_t salvaged_read(const char *what) {
  struct hd_journal_cursor *c = NULL;
  struct hd_fault fault = {0};
  struct hadron_record r;
  uint64_t found = 0;
  int32_t rc;
  if (hd_journal_cursor_open_on(&disk.disk, "saved", &c, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
  while ((rc = hd_journal_cursor_next(c, &r, &fault)) == HADRON_OK) {
    struct hadron_timer_fired t;
    memcpy(&t, r.bytes, sizeof t);
    assert_true(t.id < RECORDS);
    assert_int_equal(r.position, positions[t.id]);
    assert_int_equal(hd_journal_cursor_sequence(c), t.id + 2);
    found++;
  }
  if (rc != HADRON_ERR_AGAIN) fail_msg("%s: %s", what, fault.text);
  hd_journal_cursor_close(c);
  return found;
}

static uint64_t good_records(void) { // that still have a right CRC where they were, in segments that are there
  uint64_t good = 0;
  for (int s = 0; s < 3; s++) {
    struct hd_segment_header h;
    const unsigned char *bytes = memory_disk_file(&disk, files[s], NULL);
    memcpy(&h, memory_disk_file(&whole, files[s], NULL), sizeof h);
    for (int n = 0; bytes && n < RECORDS; n++) {
      if (positions[n] < h.position || positions[n] >= h.position + SEGMENT) continue;
      const unsigned char *r = bytes + positions[n] - h.position;
      uint64_t sequence, commit = hd_commit_load(r);
      memcpy(&sequence, r + 8, sizeof sequence);
      good += positions[n] >= h.position + 4096 && sequence == (uint64_t)n + 1 && hd_record_valid(r, commit, h.position + SEGMENT - positions[n]);
    }
  }
  return good;
}

static void salvage_keeps_all_that_is_good(void **state) {
  (void)state;
  struct hd_random random = test_random();
  uint64_t refused = 0, lost = 0;
  for (int round = 0; round < 400; round++) {
    char what[64];
    struct hd_journal_salvage s;
    struct hd_journal_verdict v;
    struct hd_fault fault = {0};
    bool gone = false;
    memory_disk_copy(&disk, &whole);
    damage_do(&random, &gone);
    uint64_t good = good_records();
    static unsigned char before[3][SEGMENT];
    for (int i = 0; i < 3; i++)
      if (memory_disk_file(&disk, files[i], NULL)) memcpy(before[i], memory_disk_file(&disk, files[i], NULL), SEGMENT);
    snprintf(what, sizeof what, "round %d", round);
    told_records = told_places = 0;
    int32_t rc = hd_journal_salvage(&disk.disk, "journal", "saved", NULL, told, NULL, &s, &fault);
    for (int i = 0; i < 3; i++)
      if (memory_disk_file(&disk, files[i], NULL)) assert_memory_equal(before[i], memory_disk_file(&disk, files[i], NULL), SEGMENT);
    if (rc != HADRON_OK) { // two neighbours' headers and the seal between them: it says so
      assert_int_equal(rc, HADRON_ERR_CORRUPT);
      refused++;
      continue;
    }
    assert_int_equal(told_records, s.lost);
    assert_int_equal(told_places, s.places);
    if (hd_journal_verify(&disk.disk, "saved", NULL, &v, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
    assert_int_equal(salvaged_read(what), good);
    assert_int_equal(s.records, good);
    assert_int_equal(v.missing, s.lost);
    lost += s.lost;
    const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .disk = &disk.disk};
    struct hd_journal *j = NULL;
    if (hd_journal_open("saved", &o, &j, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
    hd_journal_close(j);
  }
  print_message("400 journals, %" PRIu64 " records lost, %" PRIu64 " could not be told\n", lost, refused);
  assert_true(refused < 80);
}

// ---- the previous format -----------------------------------------------------------------------------------------------------------------

static void format_1_0_is_read_and_gone_on_with(void **state) {
  (void)state;
  char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE], from[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  const char *source = getenv("HADRON_SOURCE_DIR");
  test_directory_make(root);
  test_path(dir, root, "journal-1.0");
  assert_int_equal(hd_disk_dir_open(hd_disk_system(), dir, true) >= 0, 1);
  for (int i = 0; i < 3; i++) {
    size_t size;
    snprintf(from, sizeof from, "%s/tests/data/journal-1.0/%s", source ? source : ".", files[i]);
    unsigned char *bytes = test_file_read(from, &size);
    assert_int_equal(bytes[10], 0); // minor
    test_path(path, dir, files[i]);
    test_file_write(path, bytes, size);
    free(bytes);
  }
  struct hd_journal_verdict v;
  struct hd_fault fault = {0};
  if (hd_journal_verify(NULL, dir, NULL, &v, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  assert_int_equal(v.records, 300);
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024};
  struct hd_journal *j = NULL;
  if (hd_journal_open(dir, &o, &j, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  for (uint64_t n = 300; n < 600; n++) {
    struct hadron_timer_fired t = {.id = n};
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, 1, NULL), HADRON_OK);
  }
  hd_journal_close(j);
  if (hd_journal_verify(NULL, dir, NULL, &v, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  assert_int_equal(v.records, 600);
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  uint64_t n = 0;
  assert_int_equal(hd_journal_cursor_open(dir, &c, &fault), HADRON_OK);
  while (hd_journal_cursor_next(c, &r, &fault) == HADRON_OK) {
    struct hadron_timer_fired t;
    memcpy(&t, r.bytes, sizeof t);
    assert_int_equal(t.id, n++);
  }
  assert_int_equal(n, 600);
  hd_journal_cursor_close(c);
  test_directory_remove(root);
}

static void a_newer_major_is_refused(void **state) {
  (void)state;
  struct hd_journal_verdict v;
  struct hd_fault fault;
  damaged(2)[8] = 2;
  assert_int_equal(verify(&v, &fault), HADRON_ERR_UNSUPPORTED);
  assert_non_null(strstr(fault.text, "format 2.1"));
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .disk = &disk.disk};
  struct hd_journal *j = NULL;
  assert_int_equal(hd_journal_open("journal", &o, &j, &fault), HADRON_ERR_UNSUPPORTED);
}

int main(void) {
  hd_log_level(HADRON_LOG_ERROR + 1);
  make_whole();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whole_is_whole),
      cmocka_unit_test(each_flipped_byte_is_named),
      cmocka_unit_test(what_is_missing_or_exchanged_is_named),
      cmocka_unit_test(a_kept_head_shows_a_cut_end),
      cmocka_unit_test(salvage_keeps_all_that_is_good),
      cmocka_unit_test(format_1_0_is_read_and_gone_on_with),
      cmocka_unit_test(a_newer_major_is_refused),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  memory_disk_fini(&whole);
  memory_disk_fini(&disk);
  return failed;
}
