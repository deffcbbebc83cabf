// Promise: a native tick file gives back the very ticks that went in, in the same order, cut by time where asked; and no damage to
// it passes: every cut and every flipped bit that matters is a clear error, never a crash or a wrong tick.
#include "support/recording.h"
#include "support/test.h"
#include "support/venue_host.h"

#define S INT64_C(1000000000)

// Two listings, n trades each, one a second in turn.
static const char *csv_pair(int n, char files[600]) {
  for (int k = 0; k < 2; k++) {
    char *text = malloc((size_t)n * 64 + 1), name[80], entry[80];
    size_t at = 0;
    for (int i = 0; i < n; i++) at += (size_t)snprintf(text + at, 64, "%d,%d,%d,P,0,0\n", 34200000 + 10 * i + 5 * k, 100000 + i % 1000, 100 + i % 7);
    snprintf(name, sizeof name, "equity/usa/tick/s%d/20200102_trade.zip", k);
    snprintf(entry, sizeof entry, "20200102_s%d_Trade_Tick.csv", k);
    recording_zip(name, entry, text);
    free(text);
  }
  snprintf(files, 600, "%s/equity/usa/tick/s*/20200102_trade.zip", recording_folder());
  return files;
}

static struct venue_host *run(const char *files, const char *from, const char *to) {
  struct venue_host *h = venue_host_open("replay");
  venue_host_set(h, "files", files);
  venue_host_set(h, "from", from);
  venue_host_set(h, "to", to);
  if (venue_host_start(h)) fail_msg("%s", h->fault);
  venue_host_run(h);
  return h;
}

static const char *converted(const char *files, const char *options, struct hadron_convert_report *report) {
  static char out[512];
  char fault[1200] = "";
  snprintf(out, sizeof out, "%s", recording_path("out.hdt"));
  if (recording_convert()->convert(files, options, out, report, NULL, NULL, NULL, fault, sizeof fault)) fail_msg("%s", fault);
  return out;
}

static void same_ticks_come_back(void **state) {
  (void)state;
  char files[600];
  struct hadron_convert_report report;
  csv_pair(20000, files);
  const char *out = converted(files, NULL, &report);
  assert_int_equal(report.ticks, 40000);
  assert_int_equal(report.listings, 2);
  assert_int_equal(report.files, 2);
  struct venue_host *a = run(files, "", ""), *b = run(out, "", "");
  assert_int_equal(b->tick_count, 40000);
  assert_memory_equal(a->ticks, b->ticks, 40000 * sizeof *a->ticks);
  assert_int_equal(b->state, HADRON_VENUE_FINISHED);
  assert_string_equal(b->listings[1].symbol, "S1");
  assert_string_equal(b->listings[1].currency, "USD");
  venue_host_close(b);
  // Another venue number than the host's: copied and stamped, the same ticks.
  out = converted(files, "venue=9", &report);
  b = run(out, "", "");
  assert_memory_equal(a->ticks, b->ticks, 40000 * sizeof *a->ticks);
  venue_host_close(a);
  venue_host_close(b);
}

static void time_range_cuts(void **state) {
  (void)state;
  char files[600];
  struct hadron_convert_report report;
  const char *from = "2020-01-02T14:31:00Z", *to = "2020-01-02T14:32:00Z";
  csv_pair(20000, files);
  const char *out = converted(files, NULL, &report);
  struct venue_host *a = run(files, from, to), *b = run(out, from, to);
  assert_int_equal(a->tick_count, 12000);
  assert_int_equal(b->tick_count, 12000);
  assert_memory_equal(a->ticks, b->ticks, 12000 * sizeof *a->ticks);
  venue_host_close(a);
  venue_host_close(b);
}

static void inspect_counts(void **state) {
  (void)state;
  char files[600], fault[1200];
  struct hadron_convert_report report;
  struct hadron_inspect_report r;
  csv_pair(20000, files);
  const char *out = converted(files, NULL, &report);
  if (recording_inspect(out, NULL, &r, NULL, fault)) fail_msg("%s", fault);
  assert_string_equal(r.format, "native ticks");
  assert_string_equal(r.symbol, "2 symbols");
  assert_int_equal(r.ticks, 40000);
  assert_int_equal(r.trades, 40000);
  assert_true(r.first_ns == INT64_C(1577975400) * S);
  assert_int_equal(r.bytes, report.bytes_out);
}

static void no_damage_passes(void **state) {
  (void)state;
  char files[600], fault[1200];
  struct hadron_convert_report report;
  struct hadron_inspect_report r;
  csv_pair(3, files);
  const char *out = converted(files, NULL, &report);
  size_t size;
  uint8_t *bytes = recording_read(out, &size);
  assert_int_equal(size, report.bytes_out);
  const char *damaged = recording_path("damaged.hdt");
  for (size_t cut = 0; cut < size; cut += cut < 1024 ? 1 : 97) {
    recording_plain("damaged.hdt", bytes, cut);
    assert_true(recording_inspect(damaged, NULL, &r, NULL, fault) != HADRON_OK);
    assert_true(strstr(fault, "expected") && strstr(fault, damaged));
  }
  uint64_t listings = 128 + 2 * sizeof(struct hadron_listing), ticks_at;
  memcpy(&ticks_at, bytes + 64, 8); // hdt_header.ticks_offset
  for (size_t at = 0; at < size; at++) {
    if (at >= listings && at < ticks_at) continue; // the unused place between listings and ticks
    bytes[at] ^= 0x10;
    recording_plain("damaged.hdt", bytes, size);
    if (recording_inspect(damaged, NULL, &r, NULL, fault) == HADRON_OK) fail_msg("a flipped bit at byte %zu passed", at);
    bytes[at] ^= 0x10;
  }
  free(bytes);
}

static void convert_is_whole_or_nothing(void **state) {
  (void)state;
  char fault[1200], out[512];
  struct hadron_convert_report report;
  snprintf(out, sizeof out, "%s", recording_path("none.hdt"));
  const char *bad = recording_plain("equity/usa/tick/s9/20200102_trade.zip", "PK\003\004 not a zip at all", 22);
  assert_true(recording_convert()->convert(bad, NULL, out, &report, NULL, NULL, NULL, fault, sizeof fault) != HADRON_OK);
  assert_null(fopen(out, "re"));
  assert_true(recording_convert()->convert(bad, "colour=red", out, &report, NULL, NULL, NULL, fault, sizeof fault) != HADRON_OK);
  assert_non_null(strstr(fault, "colour"));
}

static void real_files_convert(void **state) {
  (void)state;
  char files[600];
  struct hadron_convert_report report;
  snprintf(files, sizeof files, "%s", shared_file("data/lean/equity/usa/tick/ibm/20131007_quote.zip"));
  const char *out = converted(files, NULL, &report);
  struct venue_host *a = run(files, "", ""), *b = run(out, "", "");
  assert_int_equal(b->tick_count, 109067);
  assert_memory_equal(a->ticks, b->ticks, a->tick_count * sizeof *a->ticks);
  venue_host_close(a);
  venue_host_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(same_ticks_come_back), cmocka_unit_test(time_range_cuts),
      cmocka_unit_test(inspect_counts),       cmocka_unit_test(no_damage_passes),
      cmocka_unit_test(convert_is_whole_or_nothing), cmocka_unit_test(real_files_convert),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
