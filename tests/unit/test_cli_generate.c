// Promise: a generated sample is made of its settings alone: the same settings give the same bytes, another seed gives others; shares
// are seen on weekdays from 14:30 to 21:00 UTC only; .hdt holds the trades and quotes of the two CSV files; a failure leaves no file.
// How: samples are written through the real `sim` and `replay` plugins and read back as bytes, lines, and by the replay's inspect.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/generate.h"
#include "hadron/ext/inspect.h"
#include "plugin/loader.h"
#include "support/directory.h"

static struct hd_config config;
static char directory[TEST_PATH_SIZE];

static const char *in_directory(const char *name) {
  static char paths[4][700];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", directory, name);
  return path;
}

static struct hd_sample small(uint64_t seed) {
  struct hd_sample s;
  hd_sample_init(&s, 3);
  s.instruments = 3;
  s.duration_ns = INT64_C(600000000000);
  s.seed = seed;
  return s;
}

static struct hd_sample_report write_sample(const struct hd_sample *sample, const char *name) {
  struct hd_sample_report report;
  struct hd_fault fault = {0};
  if (hd_sample_write(sample, &config, in_directory(name), &report, &fault)) fail_msg("%s", fault.text);
  return report;
}

static bool same_bytes(const char *a, const char *b) {
  size_t a_size, b_size;
  unsigned char *a_bytes = test_file_read(in_directory(a), &a_size), *b_bytes = test_file_read(in_directory(b), &b_size);
  bool same = a_size == b_size && memcmp(a_bytes, b_bytes, a_size) == 0;
  free(a_bytes);
  free(b_bytes);
  return same;
}

static void same_settings_same_bytes(void **state) {
  (void)state;
  struct hd_sample first = small(5), other = small(6);
  static const char *const names[][3] = {{"a.csv", "b.csv", "c.csv"}, {"a.hdt", "b.hdt", "c.hdt"}};
  for (int i = 0; i < 2; i++) {
    struct hd_sample_report report = write_sample(&first, names[i][0]);
    assert_true(report.ticks > 100);
    write_sample(&first, names[i][1]);
    write_sample(&other, names[i][2]);
    assert_true(same_bytes(names[i][0], names[i][1]));
    assert_false(same_bytes(names[i][0], names[i][2]));
  }
}

static void shares_trade_in_sessions(void **state) {
  (void)state;
  struct hd_sample s;
  hd_sample_init(&s, 1);
  s.instruments = 2;
  assert_int_equal(hd_time_parse("2024-01-05T12:00:00Z", &s.start_ns), 0); // a Friday
  s.duration_ns = INT64_C(4) * 86400 * 1000000000;
  struct hd_sample_report report = write_sample(&s, "week.csv");
  size_t size;
  char *bytes = (char *)test_file_read(in_directory("week.csv"), &size);
  uint64_t rows = 0, friday = 0, monday = 0;
  char *line = strchr(bytes, '\n');
  for (assert_non_null(line); line + 1 < bytes + size; line = memchr(line + 1, '\n', (size_t)(bytes + size - line - 1)), rows++) {
    friday += strncmp(line + 1, "2024-01-05T", 11) == 0;
    monday += strncmp(line + 1, "2024-01-08T", 11) == 0;
    assert_true(strncmp(line + 12, "14:30", 5) >= 0 && strncmp(line + 12, "21:00", 5) < 0);
  }
  assert_int_equal(rows, report.ticks);
  assert_int_equal(friday + monday, rows);
  assert_true(friday > 0 && monday > 0);
  free(bytes);
}

static void native_file_has_both_kinds(void **state) {
  (void)state;
  struct hd_sample s = small(9);
  const struct hd_plugin *plugin;
  struct hd_fault fault = {0};
  struct hadron_inspect_report found;
  char path[HD_PLUGIN_PATH_SIZE], words[1024];
  uint64_t trades = write_sample(&s, "t.csv").trades;
  s.quotes = true;
  uint64_t quotes = write_sample(&s, "q.csv").quotes;
  write_sample(&s, "both.hdt");
  snprintf(path, sizeof path, "%.900s/replay.so", config.plugin_path);
  assert_int_equal(hd_plugin_open(path, NULL, &plugin, &fault), 0);
  const struct hadron_inspect *inspect = plugin->capability(HADRON_CAP_INSPECT);
  assert_non_null(inspect);
  const struct { const char *name; uint64_t trades, quotes; } files[] = {{"t.csv", trades, 0}, {"q.csv", 0, quotes}, {"both.hdt", trades, quotes}};
  for (int i = 0; i < 3; i++) {
    if (inspect->inspect(in_directory(files[i].name), NULL, &found, NULL, NULL, NULL, words, sizeof words)) fail_msg("%s", words);
    assert_int_equal(found.trades, files[i].trades);
    assert_int_equal(found.quotes, files[i].quotes);
    assert_int_equal(found.bad_rows, 0);
    assert_int_equal(found.backward, 0);
  }
  assert_true(trades > 0 && quotes > 0);
}

static void failure_leaves_nothing(void **state) {
  (void)state;
  struct hd_sample s = small(1);
  struct hd_sample_report report = {.ticks = 77};
  struct hd_fault fault = {0};
  s.sets[s.set_count++] = (struct hd_param_value){"volatilty", "1", NULL};
  assert_int_equal(hd_sample_write(&s, &config, in_directory("bad.csv"), &report, &fault), HADRON_ERR_NOT_FOUND);
  assert_non_null(strstr(fault.text, "volatility"));
  s = small(1);
  assert_int_equal(hd_sample_write(&s, &config, in_directory("none/bad.csv"), &report, &fault), HADRON_ERR_IO);
  s.seed = 0;
  assert_int_equal(hd_sample_write(&s, &config, in_directory("bad.csv"), &report, &fault), HADRON_ERR_RANGE);
  assert_int_equal(report.ticks, 77);
  DIR *listing = opendir(directory);
  assert_non_null(listing);
  for (struct dirent *entry; (entry = readdir(listing));) {
    assert_null(strstr(entry->d_name, "bad"));
    assert_null(strstr(entry->d_name, ".csv."));
    assert_null(strstr(entry->d_name, ".hdt."));
  }
  closedir(listing);
}

int main(void) {
  const char *plugins = getenv("HADRON_PLUGIN_DIR");
  if (!plugins) {
    fprintf(stderr, "HADRON_PLUGIN_DIR is not set: run this test by ctest\n");
    return 77;
  }
  hd_text_copy(config.plugin_path, sizeof config.plugin_path, plugins);
  test_directory_make(directory);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(same_settings_same_bytes),
      cmocka_unit_test(shares_trade_in_sessions),
      cmocka_unit_test(native_file_has_both_kinds),
      cmocka_unit_test(failure_leaves_nothing),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_directory_remove(directory);
  return failed;
}
