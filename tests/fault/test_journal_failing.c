// Promise: whatever call of the disk fails, and whatever request for memory, the journal says so by a code, forgets nothing that it has called
// durable, never flushes a file again whose flush has failed, and a start without the fault goes on with a prefix of what was appended.
// How: a life of the journal (open, append over segments, flush, maintain, readers' places, deletion, reading, closing) is run again and
// again; the Nth call fails, for every N and every kind of call and error, until a life has passed without meeting the fault. After each the
// process is killed, or the machine loses its power, and what is left is judged.
#include "support/test.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "hadron/message.h"
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

static void live(void) {
  const struct hd_journal_options o = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .durability = HD_JOURNAL_FSYNC, .disk = &disk.disk, .seed = 5, .now_ns = 9};
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  memset(&life, 0, sizeof life);
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
  hd_journal_close(j);
  if (!life.code && !health.failed) life.durable = life.count;
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

int main(void) {
  hd_log_level(HADRON_LOG_ERROR + 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_call_fails), cmocka_unit_test(each_request_for_memory_fails)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  memory_disk_fini(&disk);
  return failed;
}
