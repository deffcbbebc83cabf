// Promise: the journal's bytes are what docs/journal.md says; every message kind goes in and comes out unchanged, over segment
// borders and over a restart; each cut of the file is either clean or a torn tail that costs only the cut record; each flipped
// bit of a record is noticed by the reader, with the file and the offset.
#include "support/test.h"

#include <unistd.h>

#include "journal/digest.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "support/directory.h"

#define SEGMENT 16384
static const struct hd_journal_options small = {.segment_bytes = SEGMENT, .reserve_bytes = 1024};
static char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE];

static int make_root(void **state) {
  (void)state;
  test_directory_make(root);
  test_path(dir, root, "journal");
  return 0;
}
static int drop_root(void **state) {
  (void)state;
  test_directory_remove(root);
  return 0;
}

static struct hd_journal *open_or_fail(const struct hd_journal_options *options) {
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  if (hd_journal_open(dir, options, &j, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  return j;
}

static struct hd_journal_cursor *cursor_or_fail(void) {
  struct hd_journal_cursor *c = NULL;
  struct hd_fault fault = {0};
  if (hd_journal_cursor_open(dir, &c, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  return c;
}

// Root block sizes by template, and whether a variable part follows.
static const struct {
  uint16_t id, block;
  bool tail;
} kinds[] = {
    {HADRON_MSG_TICK, sizeof(struct hadron_tick), false},
    {HADRON_MSG_BAR, sizeof(struct hadron_bar), false},
    {HADRON_MSG_DECISION, sizeof(struct hadron_decision), false},
    {HADRON_MSG_OPPORTUNITY, sizeof(struct hadron_opportunity), true},
    {HADRON_MSG_INTENT, sizeof(struct hadron_intent), false},
    {HADRON_MSG_ORDER, sizeof(struct hadron_order), false},
    {HADRON_MSG_ORDER_EVENT, sizeof(struct hadron_order_event), false},
    {HADRON_MSG_EXECUTION, sizeof(struct hadron_execution), false},
    {HADRON_MSG_ALLOCATION, sizeof(struct hadron_allocation), false},
    {HADRON_MSG_TICK_REJECT, sizeof(struct hadron_tick_reject), false},
    {HADRON_MSG_INSTRUMENT, sizeof(struct hadron_instrument_definition), false},
    {HADRON_MSG_ARM, sizeof(struct hadron_arm_definition), false},
    {HADRON_MSG_SESSION, sizeof(struct hadron_session), true},
    {HADRON_MSG_OPERATOR, sizeof(struct hadron_operator), true},
    {HADRON_MSG_TIMER, sizeof(struct hadron_timer_fired), false},
    {HADRON_MSG_VENUE_STATUS, sizeof(struct hadron_venue_status), true},
    {HADRON_MSG_ALERT, sizeof(struct hadron_alert), true},
    {HADRON_MSG_ADJUSTMENT, sizeof(struct hadron_adjustment), false},
    {HADRON_MSG_EQUITY, sizeof(struct hadron_equity), false},
    {HADRON_MSG_VENUE_REPORT, sizeof(struct hadron_venue_report), false},
    {HADRON_MSG_SWAP, sizeof(struct hadron_swap), false},
    {HADRON_MSG_RECOVERED, sizeof(struct hadron_recovered), true},
    {HADRON_MSG_SHARE, sizeof(struct hadron_order_share), false},
    {HADRON_MSG_DEPLOYMENT, sizeof(struct hadron_deployment), true},
    {HADRON_MSG_HEARD, sizeof(struct hadron_heard), false},
    {HADRON_MSG_MARK, sizeof(struct hadron_mark), false},
    {HADRON_MSG_POSITION, sizeof(struct hadron_position), false},
    {HADRON_MSG_LOST, sizeof(struct hadron_lost), false},
    {HADRON_MSG_ASK, sizeof(struct hadron_ask), true},
    {HADRON_MSG_PLACED, sizeof(struct hadron_placed), true},
    {HADRON_MSG_COST, sizeof(struct hadron_cost), false},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static void fill(unsigned char *to, size_t size, uint64_t seed) {
  struct hd_random r;
  hd_random_init(&r, seed);
  for (size_t i = 0; i < size; i++) to[i] = (unsigned char)hd_random_next(&r);
}

// The n-th message of a test: kind, block and tail follow from n alone.
static uint32_t message_make(uint64_t n, unsigned char block[512], unsigned char tail[128], uint32_t *tail_size) {
  uint32_t k = (uint32_t)(n % KINDS);
  fill(block, kinds[k].block, n);
  *tail_size = kinds[k].tail ? (uint32_t)(n % 101) : 0;
  fill(tail, *tail_size, n + 1000000);
  return k;
}

static void messages_append(struct hd_journal *j, uint64_t from, uint64_t to) {
  unsigned char block[512], tail[128];
  for (uint64_t n = from; n < to; n++) {
    uint32_t tail_size, k = message_make(n, block, tail, &tail_size);
    assert_int_equal(hd_journal_append(j, kinds[k].id, block, kinds[k].block, tail, tail_size, (int64_t)n, NULL), HADRON_OK);
  }
}

static void message_check(const struct hadron_record *r, uint64_t n) {
  unsigned char block[512], tail[128];
  uint32_t tail_size, k = message_make(n, block, tail, &tail_size);
  assert_int_equal(r->template_id, kinds[k].id);
  assert_int_equal(r->block_length, kinds[k].block);
  assert_int_equal(r->size, kinds[k].block + tail_size);
  assert_int_equal(r->time_ns, n);
  assert_memory_equal(r->bytes, block, kinds[k].block);
  assert_memory_equal((const unsigned char *)r->bytes + kinds[k].block, tail, tail_size);
}

// Reads to the end; returns how many there were.
static uint64_t messages_check(struct hd_journal_cursor *c, uint64_t from) {
  struct hadron_record r;
  struct hd_fault fault = {0};
  int32_t rc;
  uint64_t n = from, next = 0;
  while ((rc = hd_journal_cursor_next(c, &r, &fault)) == HADRON_OK) {
    if (next && r.position != next) assert_true(r.position > next); // the header of a new segment lies between
    next = r.next;
    message_check(&r, n++);
  }
  if (rc != HADRON_ERR_AGAIN) fail_msg("%s", fault.text);
  return n - from;
}

static void every_kind_round_trips_over_borders_and_restarts(void **state) {
  (void)state;
  enum { COUNT = 3000 };
  uint64_t done = 0;
  for (int run = 0; run < 3; run++) {
    struct hd_journal *j = open_or_fail(&small);
    assert_int_equal(hd_journal_cut(j), 0);
    messages_append(j, done, done + COUNT);
    if (run == 1) assert_int_equal(hd_journal_maintain(j, NULL), HADRON_OK);
    done += COUNT;
    struct hd_journal_cursor *c = cursor_or_fail();
    assert_int_equal(messages_check(c, 0), done);
    assert_int_equal(hd_journal_cursor_sequence(c), done + 1);
    assert_int_equal(hd_journal_cursor_position(c), hd_journal_end(j));
    assert_memory_equal(hd_journal_cursor_id(c), hd_journal_id(j), 16);
    hd_journal_cursor_close(c);
    hd_journal_close(j);
  }
}

static void bytes_are_as_documented(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&small);
  uint64_t position = 0;
  struct hadron_timer_fired timer = {.due_ns = 7, .id = 9};
  assert_int_equal(hd_journal_append(j, HADRON_MSG_OPERATOR, &(struct hadron_operator){.time_ns = 5}, 16, "kill", 4, 42, &position), 0);
  assert_int_equal(position, 4096);
  assert_int_equal(hd_journal_append(j, HADRON_MSG_TIMER, &timer, sizeof timer, NULL, 0, 43, &position), 0);
  assert_int_equal(position, 4096 + 56); // 32 + 16 + 4, up to 8
  assert_int_equal(hd_journal_end(j), 4096 + 56 + 64);
  uint8_t id[16];
  memcpy(id, hd_journal_id(j), 16);
  hd_journal_close(j);

  char path[TEST_PATH_SIZE];
  test_path(path, dir, "journal-0000000000000001.hdj");
  size_t size;
  unsigned char *bytes = test_file_read(path, &size);
  assert_int_equal(size, SEGMENT);
  assert_memory_equal(bytes, "HADRONJ1", 8);
  assert_memory_equal(bytes + 8, "\x01\0\x01\0\0\x10\0\0", 8); // format 1.1, header of 4096
  assert_memory_equal(bytes + 16, id, 16);
  assert_memory_equal(bytes + 32, "\x01\0\0\0\0\0\0\0", 8); // first sequence
  assert_memory_equal(bytes + 40, "\0\0\0\0\0\0\0\0", 8);   // position
  assert_memory_equal(bytes + 48, "\0\x40\0\0\0\0\0\0", 8); // capacity
  uint32_t crc = hd_crc32c(0, bytes, 68);
  assert_memory_equal(bytes + 68, &crc, 4);
  uint64_t clean = hd_offset_mark_make(4096 + 56 + 64); // it ended in peace there
  assert_memory_equal(bytes + 120, &clean, 8);
  const unsigned char *r = bytes + 4096;
  assert_memory_equal(r, "\x34\0\0\x52", 4);                // 52 bytes, 'R'
  crc = hd_crc32c(0x52000034u, r + 8, 48);
  assert_memory_equal(r + 4, &crc, 4);
  assert_memory_equal(r + 8, "\x01\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0", 16); // sequence, time
  assert_memory_equal(r + 24, "\x10\0\x0e\0\xea\x12\0\x01", 8);           // SBE: 16, template 14, schema 4842, 1.0
  assert_memory_equal(r + 48, "kill\0\0\0\0", 8);
  free(bytes);
}

static void hashes_chain_from_segment_to_segment(void **state) {
  (void)state;
  struct hd_journal *j = open_or_fail(&small);
  messages_append(j, 0, 400);
  hd_journal_close(j);
  uint64_t first = 1, segments = 0;
  uint8_t expected[32] = {0};
  char path[TEST_PATH_SIZE], name[64];
  while (first) {
    snprintf(name, sizeof name, "journal-%016llx.hdj", (unsigned long long)first);
    test_path(path, dir, name);
    size_t size;
    unsigned char *bytes = test_file_read(path, &size);
    struct hd_segment_header h;
    memcpy(&h, bytes, sizeof h);
    assert_int_equal(h.chained, 1);
    assert_memory_equal(h.previous, expected, 32);
    segments++, first = 0;
    for (size_t at = h.header_bytes; at + 32 <= size && !first;) { // to the seal
      uint64_t commit = hd_commit_load(bytes + at);
      if (!commit) break;
      at += hd_record_stride(hd_commit_size(commit));
      if (hd_commit_mark(commit) != HD_MARK_SEAL) continue;
      memcpy(&first, bytes + at - HD_SEAL_BYTES + 8, 8);
      memset(bytes + 112, 0, sizeof(struct hd_segment_state)); // it counts as zero
      hd_sha256(bytes, at, expected);
    }
    free(bytes);
  }
  assert_true(segments > 3);
}

// A small journal in one segment, as bytes, with the offsets of its records.
enum { FEW = 12 };
static unsigned char *few_records(size_t *size, uint64_t offsets[FEW + 1]) {
  struct hd_journal *j = open_or_fail(&small);
  messages_append(j, 0, FEW);
  struct hd_journal_cursor *c = cursor_or_fail();
  struct hadron_record r;
  for (int i = 0; i < FEW; i++) {
    assert_int_equal(hd_journal_cursor_next(c, &r, NULL), HADRON_OK);
    offsets[i] = r.position, offsets[i + 1] = r.next;
  }
  hd_journal_cursor_close(c);
  hd_journal_close(j);
  char path[TEST_PATH_SIZE];
  test_path(path, dir, "journal-0000000000000001.hdj");
  return test_file_read(path, size);
}

// As a kill leaves it: nobody has said that it ends here.
static void forget_the_end(unsigned char *bytes) { memset(bytes + HD_SEGMENT_STATE_OFFSET + offsetof(struct hd_segment_state, clean), 0, 8); }

static uint64_t whole_before(const uint64_t offsets[FEW + 1], uint64_t cut) {
  uint64_t n = 0;
  while (n < FEW && offsets[n + 1] <= cut) n++;
  return n;
}

// After a cut at `cut`, with the rest filled or not: all whole records are there, and the journal goes on behind them.
static void cut_check(const unsigned char *bytes, size_t size, uint64_t cut, const uint64_t offsets[FEW + 1], int filling) {
  char path[TEST_PATH_SIZE];
  test_path(path, dir, "journal-0000000000000001.hdj");
  unsigned char *copy = calloc(1, size);
  assert_non_null(copy);
  memcpy(copy, bytes, cut);
  if (filling == 2) fill(copy + cut, offsets[FEW] - cut, cut);
  test_file_write(path, copy, filling ? size : cut);
  free(copy);
  struct hd_journal *j = open_or_fail(&small);
  uint64_t kept = whole_before(offsets, cut);
  // A record may be cut within its padding: what was lost is zero, the record is whole.
  struct hd_journal_cursor *c = cursor_or_fail();
  uint64_t found = messages_check(c, 0);
  assert_in_range(found, kept, kept + 1);
  messages_append(j, found, FEW + 5);
  assert_int_equal(messages_check(c, found), FEW + 5 - found);
  hd_journal_cursor_close(c);
  hd_journal_close(j);
}

static void every_cut_keeps_the_whole_records(void **state) {
  (void)state;
  uint64_t offsets[FEW + 1];
  size_t size;
  unsigned char *bytes = few_records(&size, offsets);
  forget_the_end(bytes);
  for (int filling = 0; filling < 3; filling++) // cut; zero-filled; filled with noise
    for (uint64_t cut = filling ? offsets[0] : sizeof(struct hd_segment_header); cut <= offsets[FEW]; cut++)
      cut_check(bytes, size, cut, offsets, filling);
  free(bytes);
}

static void a_cut_within_the_header_starts_anew(void **state) {
  (void)state;
  uint64_t offsets[FEW + 1];
  size_t size;
  unsigned char *bytes = few_records(&size, offsets);
  char path[TEST_PATH_SIZE];
  test_path(path, dir, "journal-0000000000000001.hdj");
  for (size_t cut = 0; cut < sizeof(struct hd_segment_header); cut++) {
    test_file_write(path, bytes, cut);
    struct hd_journal *j = open_or_fail(&small);
    messages_append(j, 0, 3);
    struct hd_journal_cursor *c = cursor_or_fail();
    assert_int_equal(messages_check(c, 0), 3);
    hd_journal_cursor_close(c);
    hd_journal_close(j);
  }
  free(bytes);
}

static void every_flipped_bit_is_noticed(void **state) {
  (void)state;
  uint64_t offsets[FEW + 1];
  size_t size;
  unsigned char *bytes = few_records(&size, offsets);
  char path[TEST_PATH_SIZE];
  test_path(path, dir, "journal-0000000000000001.hdj");
  struct hd_random random = test_random();
  for (uint64_t at = offsets[0]; at < offsets[FEW]; at++) {
    unsigned char mask = (unsigned char)(1u << hd_random_below(&random, 8));
    bytes[at] ^= mask;
    test_file_write(path, bytes, size);
    bytes[at] ^= mask;
    struct hd_journal_cursor *c = cursor_or_fail();
    struct hadron_record r;
    struct hd_fault fault = {0};
    uint64_t n = 0, damaged = whole_before(offsets, at);
    int32_t rc;
    while ((rc = hd_journal_cursor_next(c, &r, &fault)) == HADRON_OK) n++;
    assert_int_equal(rc, HADRON_ERR_CORRUPT);
    assert_int_equal(n, damaged);
    char offset[64];
    snprintf(offset, sizeof offset, "journal-0000000000000001.hdj at offset %llu:", (unsigned long long)offsets[damaged]);
    if (!strstr(fault.text, offset)) fail_msg("the fault does not name the place: %s", fault.text);
    hd_journal_cursor_close(c);
    // The writer refuses to go on over damage that good records follow; at the very end it is a torn tail.
    struct hd_journal *j = NULL;
    rc = hd_journal_open(dir, &small, &j, &fault);
    assert_int_equal(rc, HADRON_ERR_CORRUPT); // a host ended in peace behind it: not even the last record is a torn tail
  }
  free(bytes);
}

static void a_hole_keeps_what_was_committed_behind_it(void **state) {
  (void)state;
  uint64_t offsets[FEW + 1];
  size_t size;
  unsigned char *bytes = few_records(&size, offsets);
  char path[TEST_PATH_SIZE];
  test_path(path, dir, "journal-0000000000000001.hdj");
  forget_the_end(bytes);
  memset(bytes + offsets[4], 0, 8); // record 5 was claimed and copied, record 6 claimed; neither committed
  memset(bytes + offsets[5], 0, offsets[6] - offsets[5]);
  test_file_write(path, bytes, size);
  struct hd_journal *j = open_or_fail(&small);
  messages_append(j, FEW, FEW + 2);
  struct hd_journal_cursor *c = cursor_or_fail();
  struct hadron_record r;
  for (uint64_t n = 0; n < FEW + 2; n++) {
    if (n == 4 || n == 5) continue;
    assert_int_equal(hd_journal_cursor_next(c, &r, NULL), HADRON_OK);
    message_check(&r, n);
  }
  assert_int_equal(hd_journal_cursor_next(c, &r, NULL), HADRON_ERR_AGAIN);
  assert_int_equal(hd_journal_cursor_sequence(c), FEW + 3);
  hd_journal_cursor_close(c);
  hd_journal_close(j);
  free(bytes);
}

static void digest_takes_the_four_kinds_in_order(void **state) {
  (void)state;
  char all[HD_DIGEST_TEXT], again[HD_DIGEST_TEXT], other[HD_DIGEST_TEXT];
  unsigned char block[512];
  struct hd_digest a, b, c;
  hd_digest_init(&a), hd_digest_init(&b), hd_digest_init(&c);
  fill(block, sizeof block, 1);
  for (size_t k = 0; k < KINDS; k++) hd_digest_add(&a, kinds[k].id, block, kinds[k].block, block, 3);
  assert_int_equal(a.records, 4);
  hd_digest_text(&a, all), hd_digest_text(&a, again);
  assert_string_equal(all, again);
  static const uint16_t in[] = {HADRON_MSG_DECISION, HADRON_MSG_INTENT, HADRON_MSG_ORDER_EVENT, HADRON_MSG_EXECUTION};
  for (size_t i = 0; i < 4; i++)
    for (size_t k = 0; k < KINDS; k++)
      if (kinds[k].id == in[i]) hd_digest_add(&b, in[i], block, kinds[k].block, block, 3);
  hd_digest_text(&b, other);
  assert_string_equal(all, other);
  hd_digest_add(&c, HADRON_MSG_INTENT, block, 144, NULL, 0), hd_digest_add(&c, HADRON_MSG_DECISION, block, 128, NULL, 0);
  hd_digest_init(&b);
  hd_digest_add(&b, HADRON_MSG_DECISION, block, 128, NULL, 0), hd_digest_add(&b, HADRON_MSG_INTENT, block, 144, NULL, 0);
  hd_digest_text(&b, all), hd_digest_text(&c, other);
  assert_string_not_equal(all, other);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)
int main(void) {
  if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0); // thousands of openings: no need to wait for a disk
  const struct CMUnitTest tests[] = {
      EACH(bytes_are_as_documented),
      EACH(every_kind_round_trips_over_borders_and_restarts),
      EACH(hashes_chain_from_segment_to_segment),
      EACH(every_cut_keeps_the_whole_records),
      EACH(a_cut_within_the_header_starts_anew),
      EACH(every_flipped_bit_is_noticed),
      EACH(a_hole_keeps_what_was_committed_behind_it),
      cmocka_unit_test(digest_takes_the_four_kinds_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
