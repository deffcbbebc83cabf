// Promise: a start never passes damage over. Whatever byte of what was flushed is another one, whatever word of it zero, whatever segment is gone, another
// journal's or out of its place: opening and reading either refuse, and take nothing away, or give every record as it was; after a kill, and where the
// machine went down since. Only what was not flushed may be missing then, from its end. How: a journal of several segments that was flushed to its last record
// and then killed, in memory, with one thing wrong at a time.
#include "support/test.h"

#include <inttypes.h>
#include <stddef.h>

#include "base/log.h"
#include "hadron/message.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "journal/verify.h"
#include "support/memory_disk.h"

enum { SEGMENT = 16384, RECORDS = 420, SEGMENTS = 4 };
static struct memory_disk whole, disk;
static uint64_t positions[RECORDS], end_of_all, *list;

static struct hd_journal_options options(struct memory_disk *d, uint64_t seed) {
  return (struct hd_journal_options){.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = HD_JOURNAL_FSYNC, .disk = &d->disk, .seed = seed, .now_ns = 5};
}

static void append(struct hd_journal *j, uint64_t n, uint64_t *position) {
  struct hadron_timer_fired t = {.id = n};
  unsigned char tail[64];
  memset(tail, (int)n, sizeof tail);
  assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, tail, (uint32_t)(n * 7 % 57), (int64_t)(1000 + n), position), HADRON_OK);
}

// flushed: the first records, up to which the newest segment says so.
static void make(struct memory_disk *d, uint64_t seed, uint64_t records, uint64_t flushed) {
  const struct hd_journal_options o = options(d, seed);
  static struct memory_disk left;
  struct hd_journal *j = NULL;
  memory_disk_init(d, SEGMENT);
  memory_disk_init(&left, SEGMENT);
  assert_int_equal(hd_journal_open("journal", &o, &j, NULL), HADRON_OK);
  for (uint64_t n = 0; n < records; n++) {
    append(j, n, &positions[n]);
    if (n % 50 == 49) hd_journal_maintain(j, NULL);
    if (n + 1 == flushed) assert_int_equal(hd_journal_sync(j, positions[n]), HADRON_OK);
  }
  end_of_all = hd_journal_end(j);
  memory_disk_copy(&left, d); // and killed
  hd_journal_close(j);
  memory_disk_copy(d, &left);
  memory_disk_kill(d);
  memory_disk_fini(&left);
}

static void set_up_list(void) {
  uint64_t count = 0;
  int handle = hd_disk_dir_open(&whole.disk, "journal", false);
  assert_int_equal(hd_segment_list(&whole.disk, handle, &list, &count, NULL), HADRON_OK);
  assert_int_equal(count, SEGMENTS);
}

static unsigned char *file_of(struct memory_disk *d, uint64_t i) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, list[i]);
  return memory_disk_file(d, name, NULL);
}

static unsigned char *damaged(uint64_t segment) {
  memory_disk_copy(&disk, &whole);
  return file_of(&disk, segment);
}

static uint64_t files_count(struct memory_disk *d) {
  uint64_t *names = NULL, count = 0;
  assert_int_equal(hd_segment_list(&d->disk, hd_disk_dir_open(&d->disk, "journal", false), &names, &count, NULL), HADRON_OK);
  free(names);
  return count;
}

// Opens and reads; the first code that is none of a whole journal, and how many records came, each as it was.
static int32_t start(struct hd_fault *fault, uint64_t *records) {
  const struct hd_journal_options o = options(&disk, 0);
  struct hd_journal *j = NULL;
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  uint64_t end = 0;
  *fault = (struct hd_fault){0};
  *records = 0;
  int32_t rc = hd_journal_open("journal", &o, &j, fault);
  if (!rc) end = hd_journal_end(j);
  if (!rc) rc = hd_journal_cursor_open_on(&disk.disk, "journal", &c, fault);
  while (!rc && (rc = hd_journal_cursor_next(c, &r, fault)) == HADRON_OK) {
    struct hadron_timer_fired t;
    memcpy(&t, r.bytes, sizeof t);
    for (uint32_t i = sizeof t; i < r.size; i++)
      if (t.id != *records || r.size != sizeof t + t.id * 7 % 57 || ((const unsigned char *)r.bytes)[i] != (unsigned char)t.id) fail_msg("record %" PRIu64 " is not as it was", *records);
    ++*records;
  }
  if (rc == HADRON_ERR_AGAIN && hd_journal_cursor_position(c) == end) rc = HADRON_OK;
  hd_journal_cursor_close(c);
  hd_journal_close(j);
  return rc;
}

// least: so many records are there, or it is refused.
static void refused_or_whole(uint64_t least, const char *what, uint64_t segment, uint64_t at) {
  struct hd_fault fault;
  uint64_t records, files = files_count(&disk);
  int32_t rc = start(&fault, &records);
  if (!rc && records < least) fail_msg("%s at %" PRIu64 " of segment %" PRIu64 ": %" PRIu64 " of %" PRIu64 " records, and not a word", what, at, segment, records, least);
  if (rc && rc != HADRON_ERR_CORRUPT && rc != HADRON_ERR_UNSUPPORTED && rc != HADRON_ERR_NOT_FOUND) fail_msg("%s at %" PRIu64 " of segment %" PRIu64 ": code %d: %s", what, at, segment, rc, fault.text);
  if (rc && files_count(&disk) < files) fail_msg("%s at %" PRIu64 " of segment %" PRIu64 ": it was refused, and something was taken away", what, at, segment);
}

static uint64_t end_of(uint64_t segment) {
  struct hd_segment_header h, next;
  memcpy(&h, file_of(&whole, segment), sizeof h);
  if (segment + 1 == SEGMENTS) return end_of_all - h.position;
  memcpy(&next, file_of(&whole, segment + 1), sizeof next);
  return next.position - h.position;
}

static void each_byte(bool machine) {
  struct hd_random random = test_random();
  for (uint64_t s = 0; s < SEGMENTS; s++)
    // A header of the newest that cannot be read may never have been written, where the machine went down.
    for (uint64_t at = machine && s + 1 == SEGMENTS ? HD_JOURNAL_HEADER_BYTES : 0; at < end_of(s); at += at < 160 ? 1 : at < HD_JOURNAL_HEADER_BYTES - 8 ? 97 : 1 + hd_random_below(&random, 6)) {
      damaged(s)[at] ^= (unsigned char)(1u << hd_random_below(&random, 8));
      disk.boot += machine;
      refused_or_whole(RECORDS, "a bit", s, at);
    }
}
static void a_bit_that_is_another_one(void **state) { (void)state, each_byte(false); }
static void the_same_where_the_machine_went_down(void **state) { (void)state, each_byte(true); }

// As a writer leaves it that died in the middle: what was flushed is not taken for that.
static void a_word_that_is_zero(void **state) {
  (void)state;
  for (uint64_t s = 0; s < SEGMENTS; s++)
    for (uint64_t at = 0; at < end_of(s); at += at == 160 ? HD_JOURNAL_HEADER_BYTES - 160 : 8) {
      memset(damaged(s) + at, 0, 8);
      refused_or_whole(RECORDS, "a word", s, at);
    }
}

// What was not flushed: a hole is one and told, the last record a torn tail; all else is refused.
static void behind_what_was_flushed(void **state) {
  (void)state;
  enum { FLUSHED = 40, ALL = 80 };
  static struct memory_disk fresh;
  struct hd_fault fault;
  uint64_t records;
  make(&fresh, 3, ALL, FLUSHED);
  memory_disk_fini(&disk);
  memory_disk_init(&disk, SEGMENT);
  for (uint64_t n = 0; n < ALL; n++) {
    memory_disk_copy(&disk, &fresh);
    memory_disk_file(&disk, "journal-0000000000000001.hdj", NULL)[positions[n] + 40] ^= 1;
    int32_t rc = start(&fault, &records);
    if (n + 1 == ALL ? rc || records != ALL - 1 : rc != HADRON_ERR_CORRUPT) fail_msg("record %" PRIu64 ": code %d, %" PRIu64 " records", n, rc, records);
  }
  for (int machine = 0; machine < 2; machine++) { // a first segment has its header before it has a record
    memory_disk_copy(&disk, &fresh);
    memory_disk_file(&disk, "journal-0000000000000001.hdj", NULL)[20] ^= 1;
    disk.boot += (uint64_t)machine;
    assert_int_equal(start(&fault, &records), HADRON_ERR_CORRUPT);
    assert_non_null(memory_disk_file(&disk, "journal-0000000000000001.hdj", NULL));
  }
  memory_disk_fini(&fresh);
}

static void a_segment_that_does_not_belong(void **state) {
  (void)state;
  static struct memory_disk other;
  struct hd_fault fault;
  uint64_t records;
  make(&other, 4, RECORDS, RECORDS);
  for (uint64_t s = 0; s < SEGMENTS; s++) { // another journal's, with as many records
    memcpy(damaged(s), file_of(&other, s), SEGMENT);
    assert_int_equal(start(&fault, &records), HADRON_ERR_CORRUPT);
    assert_non_null(strstr(fault.text, "another journal"));
  }
  for (uint64_t s = 1; s < SEGMENTS; s++) { // out of its place, and it knows its CRC
    struct hd_segment_header h;
    unsigned char *bytes = damaged(s);
    memcpy(&h, bytes, sizeof h);
    h.position += 8;
    h.crc = hd_segment_header_crc(&h);
    memcpy(bytes, &h, sizeof h);
    assert_int_equal(start(&fault, &records), HADRON_ERR_CORRUPT);
    assert_non_null(strstr(fault.text, "missing or changed"));
  }
  for (uint64_t s = 1; s + 1 < SEGMENTS; s++) {
    char name[HD_SEGMENT_NAME_SIZE];
    hd_segment_name(name, list[s]);
    memory_disk_copy(&disk, &whole);
    assert_int_equal(hd_disk_unlink(&disk.disk, hd_disk_dir_open(&disk.disk, "journal", false), name), 0);
    assert_int_equal(start(&fault, &records), HADRON_ERR_CORRUPT);
    if (!strstr(fault.text, "missing")) fail_msg("%s", fault.text);
  }
  memory_disk_fini(&other);
}

static void two_records_in_each_others_place(void **state) {
  (void)state;
  struct hd_fault fault;
  uint64_t records, a = positions[10], b = positions[67]; // as long as each other: 57 apart
  unsigned char *bytes = damaged(0), kept[200];
  uint64_t size = positions[11] - a;
  assert_int_equal(size, positions[68] - b);
  assert_true(size <= sizeof kept && b + size <= SEGMENT);
  memcpy(kept, bytes + a, size), memcpy(bytes + a, bytes + b, size), memcpy(bytes + b, kept, size);
  assert_int_equal(start(&fault, &records), HADRON_ERR_CORRUPT);
  assert_int_equal(records, 10);
}

// One that has been taken out of the chain: those behind it have their hashes.
static void a_hash_that_was_wiped(void **state) {
  (void)state;
  struct hd_journal_verdict v;
  struct hd_fault fault = {0};
  uint64_t records;
  damaged(0);
  assert_int_equal(start(&fault, &records), HADRON_OK); // a clean end: all hashes are there
  assert_int_equal(hd_journal_verify(&disk.disk, "journal", NULL, &v, &fault), HADRON_OK);
  memset(file_of(&disk, 1) + offsetof(struct hd_segment_header, previous), 0, sizeof(struct hd_segment_header) - offsetof(struct hd_segment_header, previous));
  assert_int_equal(hd_journal_verify(&disk.disk, "journal", NULL, &v, &fault), HADRON_ERR_CORRUPT);
}

// What may go goes only once those behind it know its hash: else nobody could ever say again that what is left is whole.
static void what_goes_is_hashed_before(void **state) {
  (void)state;
  const struct hd_journal_options o = options(&disk, 3);
  struct hd_journal_verdict v;
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  uint32_t deleted = 1;
  uint64_t position, n = 0;
  static struct memory_disk left;
  memory_disk_fini(&disk);
  memory_disk_init(&disk, SEGMENT);
  memory_disk_init(&left, SEGMENT);
  assert_int_equal(hd_journal_open("journal", &o, &j, NULL), HADRON_OK);
  for (; n < RECORDS; n++) append(j, n, &position);
  assert_int_equal(hd_journal_retain(j, hd_journal_end(j), &deleted, &fault), HADRON_OK); // nobody has hashed anything
  assert_int_equal(deleted, 0);
  memory_disk_copy(&left, &disk);
  hd_journal_close(j);
  memory_disk_copy(&disk, &left);
  memory_disk_kill(&disk);
  assert_int_equal(hd_journal_open("journal", &o, &j, NULL), HADRON_OK);
  for (int i = 0; i < 2 * SEGMENTS; i++) hd_journal_maintain(j, NULL);
  assert_int_equal(hd_journal_retain(j, hd_journal_end(j), &deleted, &fault), HADRON_OK);
  assert_true(deleted >= 2);
  hd_journal_close(j);
  if (hd_journal_verify(&disk.disk, "journal", NULL, &v, &fault)) fail_msg("%s", fault.text);
  memory_disk_fini(&left);
}

static int set_up(void **state) {
  (void)state;
  make(&whole, 3, RECORDS, RECORDS);
  memory_disk_init(&disk, SEGMENT);
  set_up_list();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  free(list);
  memory_disk_fini(&whole);
  memory_disk_fini(&disk);
  return 0;
}

int main(void) {
  hd_log_level(HADRON_LOG_ERROR + 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_bit_that_is_another_one), cmocka_unit_test(the_same_where_the_machine_went_down), cmocka_unit_test(a_word_that_is_zero),
                                     cmocka_unit_test(a_segment_that_does_not_belong), cmocka_unit_test(two_records_in_each_others_place), cmocka_unit_test(a_hash_that_was_wiped),
                                     cmocka_unit_test(behind_what_was_flushed), cmocka_unit_test(what_goes_is_hashed_before)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
