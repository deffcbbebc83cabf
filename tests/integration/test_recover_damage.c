// Promise: damage in the middle refuses to trade, and names the place: a segment that is gone from between two others, one that has other bytes, a journal
// of which only the end is left. A snapshot is used when it is whole, this journal's, this build's and of records that are there, and else passed
// over with a reason. How: a session over several small segments and its own snapshot; the same files, each with one thing wrong; the session is opened again.
#include "support/memory_disk.h"
#include "support/session_run.h"

#include <stddef.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "runtime/recover.h"
#include "runtime/snapshot.h"

static const char config_text[] =
    "return { mode = 'paper', universe = { max = 64 }, account = { cash = '10000000' }, journal = { segment = '64KiB' }, registry = { enabled = false },\n"
    "  venues = { sim = { params = { flow = 'random', instruments = 4, rate = 400, size = 100 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 3, band = 0, size = 5 } } } }\n";

static struct session_run run;
static char dir[TEST_PATH_SIZE], file[TEST_PATH_SIZE + HD_SEGMENT_NAME_SIZE];
static uint64_t *list, count;
static struct hd_snapshot snapshot; // of the session's end
static uint8_t journal_id[16];
static uint64_t journal_end;

static int32_t open_again(struct hd_fault *fault) {
  const struct hd_session_options options = {.journal = true, .is_virtual = true, .recover = true};
  return hd_session_open(&run.session, &run.config, &options, fault);
}

static int make(void **state) {
  struct hd_fault fault = {0};
  (void)state;
  session_run_load(&run, config_text, NULL);
  if (open_again(&fault)) fail_msg("%s", fault.text);
  hd_runner_advance(&run.session.runner, INT64_C(1700000000000000000));
  for (int i = 0; i < 100; i++) {
    hd_runner_advance(&run.session.runner, run.session.runner.now_ns + INT64_C(40000000));
    hd_runner_settle(&run.session.runner);
    hd_journal_maintain(run.session.journal, &fault);
  }
  if (hd_snapshot_take(&run.session, &snapshot, &fault)) fail_msg("%s", fault.text);
  journal_end = hd_journal_end(run.session.journal);
  memcpy(journal_id, hd_journal_id(run.session.journal), sizeof journal_id);
  hd_session_close(&run.session);
  test_path(dir, run.dir, "data/journal");
  int handle = hd_disk_dir_open(hd_disk_system(), dir, false);
  assert_int_equal(hd_segment_list(hd_disk_system(), handle, &list, &count, &fault), HADRON_OK);
  hd_disk_close(hd_disk_system(), handle);
  assert_true(count >= 5);
  return 0;
}

static int unmake(void **state) {
  (void)state;
  free(list);
  hd_snapshot_fini(&snapshot);
  session_run_close(&run);
  return 0;
}

static const char *segment(uint64_t i) {
  char name[HD_SEGMENT_NAME_SIZE];
  hd_segment_name(name, list[i]);
  snprintf(file, sizeof file, "%s/%s", dir, name);
  return file;
}

static void refused(const char *words) {
  struct hd_fault fault = {0};
  int32_t code = open_again(&fault);
  hd_session_close(&run.session);
  if (code != HADRON_ERR_CORRUPT || !strstr(fault.text, words)) fail_msg("expected a journal that is damaged, with \"%s\", found code %d: %s", words, code, fault.text);
}

static void a_segment_that_is_gone(void **state) {
  (void)state;
  for (uint64_t i = 1; i + 1 < count; i++) { // the first may have been retained away, the newest may never have been
    char aside[sizeof file + 8];
    snprintf(aside, sizeof aside, "%s.aside", segment(i));
    assert_int_equal(rename(file, aside), 0);
    refused("missing");
    assert_int_equal(rename(aside, file), 0);
  }
}

static void a_segment_with_other_bytes(void **state) {
  (void)state;
  size_t size;
  for (uint64_t i = 0; i < count; i++) {
    unsigned char *bytes = test_file_read(segment(i), &size);
    bytes[HD_JOURNAL_HEADER_BYTES + 40] ^= 4; // in its first record
    test_file_write(file, bytes, size);
    refused(strrchr(file, '/') + 1);
    bytes[HD_JOURNAL_HEADER_BYTES + 40] ^= 4;
    test_file_write(file, bytes, size);
    free(bytes);
  }
}

static void only_the_end_is_left(void **state) {
  (void)state;
  char aside[sizeof file + 8];
  snprintf(aside, sizeof aside, "%s.aside", segment(0));
  assert_int_equal(rename(file, aside), 0);
  refused("no snapshot");
  assert_int_equal(rename(aside, file), 0);
}

// ---- snapshots

static char said[300];
static void told(void *user, const char *text) { (void)user, snprintf(said, sizeof said, "%s", text); }

// The code of looking for one, and why it was passed over.
static int32_t find(const uint8_t id[16], uint64_t end) {
  struct hd_snapshot found = {0};
  struct hd_fault fault = {0};
  said[0] = 0;
  int32_t code = hd_snapshot_find(NULL, dir, id, end, &found, told, NULL, &fault);
  if (!code) assert_int_equal(found.position, snapshot.position);
  hd_snapshot_fini(&found);
  return code;
}

static void a_snapshot_with_one_thing_wrong(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct hd_fault fault = {0};
  uint8_t other[16] = {0};
  size_t size;
  if (hd_snapshot_write(NULL, dir, journal_id, &snapshot, &fault)) fail_msg("%s", fault.text);
  snprintf(file, sizeof file, "%s/" HD_JOURNAL_SNAPSHOT_PREFIX "%016llx" HD_JOURNAL_SNAPSHOT_SUFFIX, dir, (unsigned long long)snapshot.position);
  assert_int_equal(find(journal_id, journal_end), HADRON_OK);
  assert_string_equal(said, "");
  assert_int_equal(find(other, journal_end), HADRON_ERR_NOT_FOUND);
  assert_non_null(strstr(said, "another journal"));
  assert_int_equal(find(journal_id, snapshot.position - 1), HADRON_ERR_NOT_FOUND);
  assert_non_null(strstr(said, "the journal does not have"));
  assert_int_equal(access(file, F_OK), -1); // others will stand in that place
  if (hd_snapshot_write(NULL, dir, journal_id, &snapshot, &fault)) fail_msg("%s", fault.text);
  unsigned char *bytes = test_file_read(file, &size);
  for (size_t at = 0; at < size; at += at < 256 ? 1 : 1 + hd_random_below(&random, size / 500)) {
    unsigned char bit = (unsigned char)(1u << hd_random_below(&random, 8));
    bytes[at] ^= bit;
    test_file_write(file, bytes, size);
    if (find(journal_id, journal_end) != HADRON_ERR_NOT_FOUND || !said[0]) fail_msg("byte %zu of %zu: it is taken, or passed over without a word", at, size);
    bytes[at] ^= bit;
  }
  for (size_t cut = 0; cut < size; cut += 1 + hd_random_below(&random, size / 40)) {
    test_file_write(file, bytes, cut);
    if (find(journal_id, journal_end) != HADRON_ERR_NOT_FOUND || !said[0]) fail_msg("%zu bytes of %zu: it is taken, or passed over without a word", cut, size);
  }
  free(bytes);
  assert_int_equal(unlink(file), 0);
}

// Segments go once two snapshots stand for them: what is said to be there is there when the power comes back.
static void snapshots_outlive_the_power(void **state) {
  (void)state;
  static struct memory_disk disk;
  struct hd_random random = test_random();
  struct hd_snapshot found = {0}, two[2] = {snapshot, snapshot};
  struct hd_fault fault = {0};
  memory_disk_init(&disk, 1 << 20);
  assert_true(hd_disk_dir_open(&disk.disk, "journal", true) >= 0);
  two[0].position -= 8;
  for (int i = 0; i < 2; i++)
    if (hd_snapshot_write(&disk.disk, "journal", journal_id, &two[i], &fault)) fail_msg("%s", fault.text);
  memory_disk_cut(&disk, &random, 4096, 0);
  for (uint64_t end = journal_end; end; end = end == journal_end ? two[0].position : 0) {
    said[0] = 0;
    if (hd_snapshot_find(&disk.disk, "journal", journal_id, end, &found, told, NULL, &fault)) fail_msg("%s", said);
    assert_int_equal(found.position, end == journal_end ? snapshot.position : two[0].position);
    hd_snapshot_fini(&found);
  }
  memory_disk_fini(&disk);
}

// A strategy that cannot say what it knows is fed from the beginning, as long as that is there; one that can goes on from the snapshot.
static void who_cannot_save_is_fed_from_the_beginning(void **state) {
  static const struct { const char *set; bool whole; } rows[] = {{NULL, true}, {"strategies.maker.plugin=market_maker", false}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    static struct session_run one;
    const struct hd_session_options options = {.journal = true, .is_virtual = true, .recover = true};
    struct hd_fault fault = {0};
    struct hd_snapshot taken;
    char at[TEST_PATH_SIZE];
    session_run_load(&one, config_text, (const char *const[]){rows[i].set, NULL});
    test_path(at, one.dir, "data/journal");
    if (hd_session_open(&one.session, &one.config, &options, &fault)) fail_msg("%s", fault.text);
    hd_runner_advance(&one.session.runner, INT64_C(1700000001000000000));
    hd_runner_settle(&one.session.runner);
    if (hd_snapshot_take(&one.session, &taken, &fault) || hd_snapshot_write(NULL, at, hd_journal_id(one.session.journal), &taken, &fault)) fail_msg("%s", fault.text);
    assert_int_equal(taken.whole, rows[i].whole);
    hd_session_close(&one.session);
    one.opened = true;
    if (hd_session_open(&one.session, &one.config, &options, &fault)) fail_msg("%s", fault.text);
    assert_int_equal(hd_session_recovered(&one.session)->snapshot, rows[i].whole ? taken.position : 0);
    hd_snapshot_fini(&taken);
    session_run_close(&one);
  }
}

int main(void) {
  hd_log_level(HADRON_LOG_ERROR + 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_segment_that_is_gone), cmocka_unit_test(a_segment_with_other_bytes), cmocka_unit_test(only_the_end_is_left),
                                     cmocka_unit_test(a_snapshot_with_one_thing_wrong), cmocka_unit_test(snapshots_outlive_the_power),
                                     cmocka_unit_test(who_cannot_save_is_fed_from_the_beginning)};
  return cmocka_run_group_tests(tests, make, unmake);
}
