// Promise: whatever call of the disk fails, and whatever request for memory, the journal says so by a code, forgets nothing that it has called
// durable, never flushes a file again whose flush has failed, and a start without the fault goes on with a prefix of what was appended.
// Behind a failed flush only what must be written is taken. How: a life of the journal (open, append over segments, flush, maintain, readers' places,
// deletion, reading, closing) is run again and again; the Nth call fails, for every N and every kind of call and error, until a life has passed without
// meeting the fault. After each the process is killed, or the machine loses its power, and what is left is judged. A machine that goes at a call is one
// of which this call and all that follow fail.
#include "support/test.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "hadron/message.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/verify.h"
#include "support/failing_alloc.h"
#include "support/memory_disk.h"

enum { SEGMENT = 16384, RECORDS = 340 };
static struct memory_disk disk;
static struct {
  uint64_t count, durable;
  int32_t opened, code; // of the opening; of the first thing that failed
  char words[HD_FAULT_SIZE];
} life;

static void fault_note(int32_t rc, const struct hd_fault *fault) {
  if (rc == HADRON_OK || life.code) return;
  life.code = rc;
  snprintf(life.words, sizeof life.words, "%s", fault ? fault->text : "");
}

static int32_t append(struct hd_journal *j, uint64_t n, uint64_t *position) {
  struct hadron_timer_fired t = {.id = n};
  return hd_journal_append(j, HADRON_MSG_TIMER, &t, sizeof t, NULL, 0, (int64_t)(1000 + n), position);
}

static void read_all(void) {
  struct hd_journal_cursor *c = NULL;
  struct hd_fault fault = {0};
  struct hadron_record r;
  int32_t rc = hd_journal_cursor_open_on(&disk.disk, "journal", &c, &fault);
  while (rc == HADRON_OK) rc = hd_journal_cursor_next(c, &r, &fault);
  if (rc != HADRON_ERR_AGAIN) fault_note(rc, &fault);
  hd_journal_cursor_close(c);
}

// From the record on that comes next.
static void live_on(void) {
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = HD_JOURNAL_FSYNC, .disk = &disk.disk, .seed = 5, .now_ns = 9};
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  life.opened = hd_journal_open("journal", &o, &j, &fault);
  fault_note(life.opened, &fault);
  if (life.opened) return;
  for (uint64_t n = 0; n < RECORDS; n++) {
    uint64_t position = 0;
    int32_t rc = append(j, life.count, &position);
    if (rc) { // refused: it was not written
      fault_note(rc, NULL);
      continue;
    }
    life.count++;
    if (n % 40 == 39) {
      rc = hd_journal_sync(j, position);
      if (rc) fault_note(rc, NULL);
      else life.durable = life.count;
    }
    if (n % 60 == 59 && (rc = hd_journal_maintain(j, &fault))) fault_note(rc, &fault);
    if (n == 200 && (rc = hd_journal_keep(&disk.disk, "journal", "reader", position, &fault))) fault_note(rc, &fault);
  }
  for (int i = 0; i < 4; i++) fault_note(hd_journal_maintain(j, &fault), &fault);
  fault_note(hd_journal_retain(j, hd_journal_end(j), NULL, &fault), &fault);
  read_all();
  struct hd_journal_health health;
  hd_journal_health(j, &health);
  uint64_t failed = disk.failed;
  hd_journal_close(j); // it cannot say what fails in it
  if (!life.code && !health.failed && disk.failed == failed) life.durable = life.count;
}

static void live(void) {
  memset(&life, 0, sizeof life);
  live_on();
}

// What is left after a kill or a cut is a prefix with all that was durable, and goes on.
static void judge(const char *what) {
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = HD_JOURNAL_FSYNC, .disk = &disk.disk, .now_ns = 9};
  struct hd_journal *j = NULL;
  struct hd_journal_cursor *c = NULL;
  struct hd_fault fault = {0};
  struct hadron_record r;
  disk.fail_at = 0;
  if (hd_journal_open("journal", &o, &j, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
  if (hd_journal_cursor_open_on(&disk.disk, "journal", &c, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
  uint64_t next = UINT64_MAX;
  int32_t rc;
  while ((rc = hd_journal_cursor_next(c, &r, &fault)) == HADRON_OK) {
    struct hadron_timer_fired t;
    memcpy(&t, r.bytes, sizeof t);
    if (next != UINT64_MAX && t.id != next) fail_msg("%s: record %" PRIu64 " where %" PRIu64 " belongs", what, t.id, next);
    next = t.id + 1;
  }
  if (rc != HADRON_ERR_AGAIN) fail_msg("%s: %s", what, fault.text);
  uint64_t found = next == UINT64_MAX ? 0 : next;
  if (found < life.durable || found > life.count) fail_msg("%s: ends with %" PRIu64 ", %" PRIu64 " were durable, %" PRIu64 " appended", what, found, life.durable, life.count);
  hd_journal_cursor_close(c);
  assert_int_equal(append(j, found, NULL), HADRON_OK);
  hd_journal_close(j);
  struct hd_journal_verdict v;
  if (hd_journal_verify(&disk.disk, "journal", NULL, &v, &fault) != HADRON_OK) fail_msg("%s: %s", what, fault.text);
}

static bool code_is_clean(int32_t code) {
  return code == HADRON_ERR_IO || code == HADRON_ERR_FULL || code == HADRON_ERR_MEMORY || code == HADRON_ERR_NOT_FOUND || code == HADRON_ERR_EXISTS;
}

static const int errors[] = {EIO, ENOSPC, EDQUOT, ENOMEM, EINTR, 0};

static void each_call_fails(void **state) {
  (void)state;
  struct hd_random random = test_random();
  uint64_t lives = 0, met = 0;
  for (int kind = -1; kind < MEMORY_CALLS; kind++)
    for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
      if (errors[e] == 0 && kind != MEMORY_WRITE) continue; // a short write
      for (uint64_t n = 1;; n++) {
        char what[96];
        memory_disk_fini(&disk);
        memory_disk_init(&disk, SEGMENT);
        disk.fail_kind = kind;
        disk.fail_at = n;
        disk.fail_for = 1 + (n % 3 == 0) * 5; // now and then several in a row
        disk.fail_error = errors[e];
        live();
        lives++;
        uint64_t failed = disk.failed;
        met += failed > 0;
        snprintf(what, sizeof what, "%s number %" PRIu64 " fails with %s", kind < 0 ? "call" : memory_calls[kind], n, errors[e] ? strerror(errors[e]) : "a short write");
        if (life.code && !code_is_clean(life.code)) fail_msg("%s: code %d: %s", what, life.code, life.words);
        if (disk.sync_again) fail_msg("%s: a file was flushed again after its flush had failed", what);
        bool again = errors[e] == EINTR && (kind == MEMORY_WRITE || kind == MEMORY_READ || kind == MEMORY_ALLOCATE || kind == MEMORY_OPEN);
        if ((again || errors[e] == 0) && life.code) fail_msg("%s: it was not tried again: %s", what, life.words);
        if (n & 1) memory_disk_kill(&disk);
        else memory_disk_cut(&disk, &random, n & 2 ? 512 : 4096, (uint32_t)hd_random_below(&random, 257));
        judge(what);
        if (!failed) break;
      }
    }
  print_message("%" PRIu64 " lives, %" PRIu64 " met their fault\n", lives, met);
}

static void each_request_for_memory_fails(void **state) {
  (void)state;
  uint64_t n = 1;
  for (;; n++) {
    char what[64];
    memory_disk_fini(&disk);
    memory_disk_init(&disk, SEGMENT);
    for (int i = 0; i < 12; i++) disk.files[i].now = calloc(2, SEGMENT); // the disk's own memory is not what is tried
    test_alloc_begin(n, 1);
    live();
    test_alloc_end();
    snprintf(what, sizeof what, "request %" PRIu64 " for memory fails", n);
    if (life.code && !code_is_clean(life.code)) fail_msg("%s: code %d: %s", what, life.code, life.words);
    memory_disk_kill(&disk);
    judge(what);
    if (!test_alloc.failed) break;
  }
  print_message("%" PRIu64 " requests\n", n - 1);
  assert_true(n > 5);
}

// A host that was killed when its newest segment had not got its name yet. All of its records are durable.
static void killed_before(void) {
  static struct memory_disk left;
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = HD_JOURNAL_FSYNC, .disk = &disk.disk, .seed = 5, .now_ns = 9};
  struct hd_journal *j = NULL;
  uint64_t position = 0, *size;
  memset(&life, 0, sizeof life);
  assert_int_equal(hd_journal_open("journal", &o, &j, NULL), HADRON_OK);
  for (uint64_t before = hd_journal_end(j); life.count < 150 || hd_journal_end(j) < before + 2 * SEGMENT + HD_JOURNAL_HEADER_BYTES + 200; life.count++) {
    assert_int_equal(append(j, life.count, &position), HADRON_OK);
    if (life.count % 60 == 59 && life.count < 200) hd_journal_maintain(j, NULL);
  }
  assert_int_equal(hd_journal_sync(j, position), HADRON_OK);
  life.durable = life.count;
  memory_disk_init(&left, SEGMENT);
  memory_disk_copy(&left, &disk);
  hd_journal_close(j);
  memory_disk_copy(&disk, &left);
  memory_disk_kill(&disk);
  memory_disk_fini(&left);
  disk.calls = disk.failed = 0;
  assert_non_null(memory_disk_file(&disk, "prepared.hdj", &size));
}

static void the_machine_goes_at_each_call(void **state) {
  (void)state;
  static struct memory_disk left;
  static const struct { uint64_t grain; uint32_t luck; } cuts[] = {{4096, 0}, {512, 64}, {4096, 128}, {512, 192}, {4096, 256}};
  struct hd_random random = test_random();
  uint64_t images = 0, n = 1;
  memory_disk_init(&left, SEGMENT);
  for (bool met = true; met; n++) {
    char what[96];
    memory_disk_fini(&disk);
    memory_disk_init(&disk, SEGMENT);
    killed_before();
    disk.fail_at = n;
    disk.fail_for = UINT64_MAX;
    disk.fail_error = EIO;
    live_on();
    met = disk.failed > 0;
    if (disk.sync_again) fail_msg("call number %" PRIu64 ": a file was flushed again after its flush had failed", n);
    memory_disk_copy(&left, &disk);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++, images++) {
      memory_disk_copy(&disk, &left);
      memory_disk_cut(&disk, &random, cuts[i].grain, cuts[i].luck);
      snprintf(what, sizeof what, "the power goes at call number %" PRIu64 ", grain %" PRIu64 ", names %" PRIu32, n, cuts[i].grain, cuts[i].luck);
      judge(what);
    }
  }
  print_message("%" PRIu64 " calls, %" PRIu64 " cuts\n", n - 2, images);
  assert_true(n > 30);
  memory_disk_fini(&left);
}

// The disk has room for one segment, and it is the first: what is flushed in it lasts as anywhere else.
static void a_first_segment_and_no_second(void **state) {
  (void)state;
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = HD_JOURNAL_FSYNC, .disk = &disk.disk, .seed = 5, .now_ns = 9};
  struct hd_journal *j = NULL;
  struct hd_random random = test_random();
  static struct memory_disk left;
  uint64_t position = 0;
  memory_disk_fini(&disk);
  memory_disk_init(&disk, SEGMENT);
  memory_disk_init(&left, SEGMENT);
  memset(&life, 0, sizeof life);
  disk.full_after = SEGMENT + SEGMENT / 2;
  assert_int_equal(hd_journal_open("journal", &o, &j, NULL), HADRON_OK);
  for (; life.count < 10; life.count++) assert_int_equal(append(j, life.count, &position), HADRON_OK);
  assert_int_equal(hd_journal_sync(j, position), HADRON_OK);
  life.durable = life.count;
  memory_disk_copy(&left, &disk);
  hd_journal_close(j);
  memory_disk_copy(&disk, &left);
  memory_disk_cut(&disk, &random, 4096, 0);
  disk.full_after = 0;
  judge("the power goes with a full disk");
  memory_disk_fini(&left);
}

// In either form: nothing is promised any more that nobody knows how to keep; what has happened is still written down.
static void behind_a_failed_flush(void **state) {
  (void)state;
  for (int fsync = 0; fsync < 2; fsync++) {
    const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = fsync ? HD_JOURNAL_FSYNC : HD_JOURNAL_PAGE, .disk = &disk.disk, .seed = 5, .now_ns = 9};
    struct hd_journal *j = NULL;
    struct hadron_timer_fired t = {.id = 0};
    uint64_t position = 0;
    memory_disk_fini(&disk);
    memory_disk_init(&disk, SEGMENT);
    assert_int_equal(hd_journal_open("journal", &o, &j, NULL), HADRON_OK);
    assert_int_equal(append(j, t.id++, &position), HADRON_OK);
    disk.fail_kind = fsync ? MEMORY_SYNC : MEMORY_SYNC_DIR; // without flushes of records those of names are left
    disk.fail_at = disk.by_kind[disk.fail_kind] + 1;
    disk.fail_error = EIO;
    if (fsync) assert_int_equal(hd_journal_sync(j, position), HADRON_ERR_IO);
    else
      for (int32_t rc = HADRON_OK; !rc; rc = hd_journal_maintain(j, NULL))
        for (int i = 0; i < 100; i++) (void)append(j, t.id++, &position);
    assert_true(hd_journal_broken(j));
    assert_int_equal(append(j, t.id, &position), HADRON_ERR_IO);
    assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER | HD_JOURNAL_RESERVED, &t, sizeof t, NULL, 0, 5, NULL), HADRON_OK);
    hd_journal_close(j);
  }
}

int main(void) {
  hd_log_level(HADRON_LOG_ERROR + 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_call_fails), cmocka_unit_test(each_request_for_memory_fails), cmocka_unit_test(the_machine_goes_at_each_call),
                                     cmocka_unit_test(a_first_segment_and_no_second), cmocka_unit_test(behind_a_failed_flush)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  memory_disk_fini(&disk);
  return failed;
}
