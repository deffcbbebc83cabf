// What a session's first record says of its configuration can be read again: the text of a configuration gives one that prints the same,
// for every configuration that comes with the project and for one with everything in it that a text could stumble over. Broken lines are
// told with their number.
#include "base/banned.h"
#include "runtime/config.h"
#include "support/directory.h"
#include "support/test.h"

static struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];

static char *print(const struct hd_config *c) {
  size_t size = hd_config_print(c, NULL, 0);
  char *text = malloc(size + 1);
  assert_non_null(text);
  assert_int_equal(hd_config_print(c, text, size + 1), size);
  return text;
}

static void same_again(const char *path) {
  struct hd_config first, second;
  if (hd_config_load(&first, path, NULL, 0, errors)) fail_msg("%s:%d: %s", path, errors[0].line, errors[0].text);
  char *text = print(&first);
  if (hd_config_load_text(&second, path, text, strlen(text), NULL, 0, errors)) fail_msg("%s: line %d of its text: %s\n%s", path, errors[0].line, errors[0].text, text);
  char *again = print(&second);
  assert_string_equal(text, again);
  assert_int_equal(first.strategy_count, second.strategy_count);
  assert_int_equal(first.venue_count, second.venue_count);
  assert_int_equal(first.instrument_count, second.instrument_count);
  assert_memory_equal(&first.limits, &second.limits, sizeof first.limits);
  assert_memory_equal(&first.gateway, &second.gateway, sizeof first.gateway);
  assert_memory_equal(&first.lanes, &second.lanes, sizeof first.lanes);
  for (uint32_t i = 0; i < first.instrument_count; i++) assert_memory_equal(&first.instruments[i].risk, &second.instruments[i].risk, sizeof first.instruments[i].risk);
  free(text);
  free(again);
  hd_config_fini(&first);
  hd_config_fini(&second);
}

static void test_configs(void **state) {
  static const char *const names[] = {"demo", "backtest_equity", "backtest_sp500"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[1024];
    snprintf(path, sizeof path, "%s/configs/%s.lua", getenv("HADRON_SOURCE_DIR"), names[i]);
    same_again(path);
  }
}

static void test_everything(void **state) {
  static const char text[] =
      "return { mode = 'paper', account = { cash = '12345.678901', currency = 'EUR' },\n"
      "  risk = { order_quantity_max = '1.5', stale_ms = 1500, collar_bps = 20, gross_max = '1000000.5' },\n"
      "  router = { rules = { { kind = 'quote', when = 'volatile', lane = 'fast' }, { lane = 'cold' } }, correlated = { { 'A.B', 'C' } } },\n"
      "  universe = { instruments = { { name = 'A.B', lot = '0.001', symbols = { sim = 'a.b', replay = 'A B' }, risk = { position_max = 7 } }, { name = 'C' } } },\n"
      "  venues = { sim = { plugin = 'sim', params = { flow = 'none' } }, replay = { params = { files = { 'one file', 'two \"files\"', '\\\\three' } } } },\n"
      "  strategies = { sma = { weight = 0.1, universe = { 'A*', 'C' }, params = { fast = 3, note = ' = \"x\"' }, risk = { daily_loss_max = 3 },\n"
      "    deployment = { warm = '1h', guard = { errors = 3 } } } },\n"
      "  shadow = { plugin = 'sim', params = { seed = 3 } }, gateway = { day_end = '21:30' } }\n";
  char directory[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  (void)state;
  test_directory_make(directory);
  test_path(path, directory, "config.lua");
  test_file_write(path, text, sizeof text - 1);
  same_again(path);
  test_directory_remove(directory);
}

static void test_broken(void **state) {
  static const struct { const char *text, *words; int line; } rows[] = {
      {"seed = 3\nengine.shards\n", "expected a line", 2},
      {"seed = 3\nseed = 4\n", "expected a line", 2},
      {"universe.instruments[2].name = A\n", "expected a line", 1},
      {"venues.sim.plugin = \"sim\n", "expected a line", 1},
      {"engine.shards = 1\nengine = 3\n", "expected a line", 2},
      {"engine.shard = 1\n", "no such key", 1},
  };
  struct hd_config c;
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_true(hd_config_load_text(&c, "text", rows[i].text, strlen(rows[i].text), NULL, 0, errors) > 0);
    assert_non_null(strstr(errors[0].text, rows[i].words));
    assert_int_equal(errors[0].line, rows[i].line);
    hd_config_fini(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_configs), cmocka_unit_test(test_everything), cmocka_unit_test(test_broken)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
