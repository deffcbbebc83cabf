// Promise: a host's journal is a recording. Its ticks come back as they were processed, under the names of their instruments, over the
// borders of segments, from a finished journal and from one that is still being written; one session of several can be chosen from either
// end; every
// flipped bit of what is read ends in a clear fault, never in a crash or a wrong tick.
#include "support/test.h"

#include "journal/journal.h"
#include "support/directory.h"
#include "support/recording.h"
#include "support/venue_host.h"

#define SEGMENT 65536
static char root[TEST_PATH_SIZE], dir[TEST_PATH_SIZE];
static uint64_t made; // ticks so far: their number is in them

static int make_root(void **state) {
  (void)state;
  test_directory_make(root);
  test_path(dir, root, "journal");
  made = 0;
  return 0;
}
static int drop_root(void **state) {
  (void)state;
  test_directory_remove(root);
  return 0;
}

// ---- writing -----------------------------------------------------------------------------------------------------------------------

static struct hd_journal *writer(uint64_t segment) {
  struct hd_journal *j = NULL;
  struct hd_fault fault = {0};
  const struct hd_journal_options options = {.segment_bytes = segment, .reserve_bytes = 1024};
  if (hd_journal_open(dir, &options, &j, &fault)) fail_msg("%s", fault.text);
  return j;
}

static void append(struct hd_journal *j, uint32_t kind, const void *block, uint16_t size) {
  assert_int_equal(hd_journal_append(j, kind, block, size, NULL, 0, (int64_t)made, NULL), 0);
}

static void define(struct hd_journal *j, uint32_t instrument, uint16_t venue, const char *name) {
  struct hadron_instrument_definition d = {.instrument = instrument, .listing = instrument, .venue = venue, .asset = 1, .increment = {10000000},
                                           .lot = {100000000}, .multiplier = {100000000}, .currency = "USD"};
  snprintf(d.name, sizeof d.name, "%s", name);
  snprintf(d.symbol, sizeof d.symbol, "%s.X", name);
  append(j, HADRON_MSG_INSTRUMENT, &d, sizeof d);
}

static void session(struct hd_journal *j, bool end) {
  const struct hadron_session s = {.time_ns = 1, .flags = end};
  append(j, HADRON_MSG_SESSION, &s, sizeof s);
}

static struct hadron_tick tick_of(uint64_t n, uint32_t instrument) {
  struct hadron_tick t = {.event_ns = (int64_t)(1000 + n), .recv_ns = (int64_t)(2000 + n), .sequence = n + 1, .instrument = instrument, .venue = 2,
                          .kind = HADRON_TICK_TRADE, .flags = HADRON_TICK_LAST | HADRON_TICK_GAP};
  t.value.trade = (struct hadron_trade){.price = {(int64_t)(n % 1000 + 1) * 10000000}, .quantity = {100000000}, .trade_id = n + 1};
  return t;
}

// Ticks of two instruments in turn, with other records between them.
static void ticks(struct hd_journal *j, uint32_t count, uint32_t first) {
  for (uint32_t i = 0; i < count; i++, made++) {
    const struct hadron_tick t = tick_of(made, first + made % 2);
    const struct hadron_decision d = {.cause = t.sequence, .instrument = t.instrument, .arm = 1};
    append(j, HADRON_MSG_TICK, &t, sizeof t);
    if (i % 7 == 0) append(j, HADRON_MSG_DECISION, &d, sizeof d);
  }
}

// Three sessions; the second numbers its instruments the other way round.
static void three_sessions(void) {
  struct hd_journal *j = writer(SEGMENT);
  for (uint32_t s = 0; s < 3; s++) {
    session(j, false);
    define(j, 1 + s % 2, 1, "AAA");
    define(j, 2 - s % 2, 1, "BBB");
    define(j, 1 + s % 2, 2, "AAA"); // listed twice
    ticks(j, 2000 + 500 * s, 1);
    session(j, true);
  }
  hd_journal_close(j);
}

// ---- reading -----------------------------------------------------------------------------------------------------------------------

static struct venue_host *read_journal(const char *path, const char *wanted) {
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", path);
  venue_host_set(h, "session", wanted);
  if (venue_host_start(h)) fail_msg("%s", h->fault);
  venue_host_run(h);
  return h;
}

// Ticks [first, first + count) of those that were made, as a venue gives them.
static void expect_ticks(const struct venue_host *h, uint64_t first, uint64_t count) {
  assert_int_equal(h->state, HADRON_VENUE_FINISHED);
  assert_int_equal(h->tick_count, count);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t n = first + i;
    bool turned = n >= 2000 && n < 4500; // the second session
    const struct hadron_tick *t = &h->ticks[i];
    struct hadron_tick expected = tick_of(n, t->instrument);
    expected.sequence = 0;
    expected.venue = t->venue;
    expected.flags = HADRON_TICK_LAST;
    assert_memory_equal(t, &expected, sizeof expected);
    assert_string_equal(h->listings[t->instrument - 1].name, (n % 2 == 0) != turned ? "AAA" : "BBB");
  }
}

static void all_sessions_and_one(void **state) {
  (void)state;
  three_sessions();
  static const struct { const char *wanted; uint64_t first, count; } rows[] = {
      {"0", 0, 7500}, {"1", 0, 2000}, {"2", 2000, 2500}, {"3", 4500, 3000}, {"-1", 4500, 3000}, {"-2", 2000, 2500}, {"-3", 0, 2000}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct venue_host *h = read_journal(i % 2 ? dir : root, rows[i].wanted); // data_dir does as well
    expect_ticks(h, rows[i].first, rows[i].count);
    assert_int_equal(h->listing_count, 2);
    assert_int_equal(h->listings[0].increment.nanos, 10000000);
    assert_string_equal(h->listings[0].currency, "USD");
    venue_host_close(h);
  }
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", dir);
  venue_host_set(h, "session", "-4");
  assert_int_equal(venue_host_start(h), HADRON_ERR_NOT_FOUND);
  assert_non_null(strstr(h->fault, "fewer sessions"));
  venue_host_close(h);
}

static void while_it_is_written(void **state) {
  (void)state;
  struct hd_journal *j = writer(SEGMENT);
  session(j, false);
  define(j, 1, 1, "AAA");
  define(j, 2, 1, "BBB");
  for (int round = 0; round < 4; round++) {
    ticks(j, 450, 1); // about a segment
    struct venue_host *h = read_journal(dir, "0");
    expect_ticks(h, 0, made);
    venue_host_close(h);
    hd_journal_maintain(j, NULL); // the successor is there already, or not: both are read
  }
  hd_journal_close(j);
}

static void inspect_and_convert(void **state) {
  (void)state;
  three_sessions();
  struct hadron_inspect_report report;
  struct hadron_convert_report conversion;
  char fault[1200] = "", out[TEST_PATH_SIZE];
  assert_int_equal(recording_inspect(dir, NULL, &report, NULL, fault), 0);
  assert_string_equal(report.format, "Hadron journal");
  assert_true(report.ticks == 7500 && report.trades == 7500 && report.bad_rows == 0 && report.gaps == 0 && report.first_ns == 1000);
  assert_int_equal(recording_inspect(dir, "session=2", &report, NULL, fault), 0);
  assert_int_equal(report.ticks, 2500);
  test_path(out, root, "out.hdt");
  if (recording_convert()->convert(dir, "session=2", out, &conversion, NULL, NULL, NULL, fault, sizeof fault)) fail_msg("%s", fault);
  struct venue_host *h = read_journal(out, "0");
  expect_ticks(h, 2000, 2500);
  venue_host_close(h);
}

static void unknown_instruments_are_bad_rows(void **state) {
  (void)state;
  struct hd_journal *j = writer(SEGMENT);
  session(j, false);
  define(j, 1, 1, "AAA");
  ticks(j, 10, 1); // every second one is of instrument 2
  hd_journal_close(j);
  struct venue_host *h = read_journal(dir, "0");
  assert_int_equal(h->tick_count, 5);
  assert_int_equal(venue_host_metric(h, "replay_bad_rows"), 5);
  venue_host_close(h);
}

// ---- damage ------------------------------------------------------------------------------------------------------------------------

static void not_a_journal(void **state) {
  (void)state;
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", root); // a directory with nothing in it
  assert_int_equal(venue_host_start(h), HADRON_ERR_UNSUPPORTED);
  assert_non_null(strstr(h->fault, "a directory with other things"));
  venue_host_close(h);
}

// Flips one bit; what was read before it is right, and then there is a fault, or the bit lies where nobody reads.
static void each_flip_is_noticed(void **state) {
  (void)state;
  struct hd_journal *j = writer(SEGMENT);
  session(j, false);
  define(j, 1, 1, "AAA");
  define(j, 2, 1, "BBB");
  ticks(j, 40, 1);
  uint64_t end = hd_journal_end(j), faults = 0;
  hd_journal_close(j);
  char path[TEST_PATH_SIZE];
  snprintf(path, sizeof path, "%.400s/journal-0000000000000001.hdj", dir);
  size_t size;
  unsigned char *bytes = test_file_read(path, &size);
  struct hd_random r = test_random();
  for (int i = 0; i < 600; i++) {
    size_t at = i < 72 ? (size_t)i : 4096 + (size_t)hd_random_below(&r, end - 4096);
    unsigned char flipped = (unsigned char)(1u << hd_random_below(&r, 8));
    bytes[at] ^= flipped;
    test_file_write(path, bytes, size);
    struct venue_host *h = venue_host_open("replay");
    venue_host_set(h, "files", dir);
    int32_t code = venue_host_start(h);
    if (!code) venue_host_run(h);
    assert_true(code != 0 || h->state == HADRON_VENUE_DOWN);
    assert_true(strlen(h->fault) > 0);
    assert_true(h->tick_count < 40);
    for (uint64_t k = 0; k < h->tick_count; k++) assert_int_equal(h->ticks[k].value.trade.trade_id, k + 1);
    venue_host_close(h);
    bytes[at] ^= flipped;
    faults++;
  }
  free(bytes);
  assert_int_equal(faults, 600);
}

int main(void) {
#define WITH_ROOT(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)
  const struct CMUnitTest tests[] = {WITH_ROOT(all_sessions_and_one), WITH_ROOT(while_it_is_written),      WITH_ROOT(inspect_and_convert),
                                     WITH_ROOT(unknown_instruments_are_bad_rows), WITH_ROOT(not_a_journal), WITH_ROOT(each_flip_is_noticed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
