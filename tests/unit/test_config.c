// Promise: a configuration is read whole or told what is wrong with it: all mistakes at once, each with its line, each value by its
// type and bounds; --set goes over the file; what came from the environment is in no output; and no damage to a file makes it crash.
// How: files in a directory of their own, through hd_config_load; configs/demo.lua with each line deleted, doubled and garbled
// (HADRON_TEST_SEED repeats the garbage).
#include "support/test.h"

#include "runtime/config_read.h"
#include "runtime/session.h"
#include "support/directory.h"

static struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
static char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];

static int setup(void **state) {
  (void)state;
  test_directory_make(dir);
  test_path(path, dir, "config.lua");
  return 0;
}
static int teardown(void **state) {
  (void)state;
  test_directory_remove(dir);
  return 0;
}

static uint32_t load(struct hd_config *c, const char *text, const char *const *sets) {
  uint32_t count = 0;
  while (sets && sets[count]) count++;
  test_file_write(path, text, strlen(text));
  memset(errors, 0, sizeof errors);
  return hd_config_load(c, path, sets, count, errors);
}

struct mistake {
  int line;
  const char *words[3];
};

static bool tells(const struct hd_config_error *e, const struct mistake *m) {
  if (e->line != m->line) return false;
  for (int i = 0; i < 3 && m->words[i]; i++)
    if (!strstr(e->text, m->words[i])) return false;
  return true;
}

// The errors are these and no others.
static void expect(uint32_t found, const struct mistake *mistakes, uint32_t count) {
  for (uint32_t m = 0; m < count; m++) {
    uint32_t times = 0;
    for (uint32_t i = 0; i < found; i++) times += tells(&errors[i], &mistakes[m]);
    if (times == 1) continue;
    for (uint32_t i = 0; i < found; i++) fprintf(stderr, "  line %d: %s\n", errors[i].line, errors[i].text);
    fail_msg("mistake %u (line %d, \"%s\"): expected it once, found it %u times", m, mistakes[m].line, mistakes[m].words[0], times);
  }
  if (found != count)
    for (uint32_t i = 0; i < found; i++) fprintf(stderr, "  line %d: %s\n", errors[i].line, errors[i].text);
  assert_int_equal(found, count);
}

static void all_mistakes_at_once(void **state) {
  (void)state;
  static const char text[] = "return {\n"
                             "  mode = 'papper',\n"                                                        // 2
                             "  enginee = {},\n"                                                           // 3
                             "  engine = { shards = 'four',\n"                                             // 4
                             "    lane_tick = 64,\n"                                                       // 5
                             "    errors_max = -1, lane_ticks = 100 },\n"                                  // 6
                             "  account = 5,\n"                                                            // 7
                             "  journal = { segment = { 1 } },\n"                                          // 8
                             "  router = { rules = {\n"                                                    // 9
                             "    { when = 'position', lane = 'fast' },\n"                                 // 10
                             "    { kind = 'qoute', lane = 'fast' },\n"                                    // 11
                             "    { when = 'always' }, { lanes = 'cold', lane = 'cold' } },\n"             // 12
                             "    correlated = { { 'A', 'B' }, { 'C' } } },\n"                             // 13
                             "  universe = { instruments = {\n"                                            // 14
                             "    { name = 'AAA', increment = '0' },\n"                                    // 15
                             "    'BBB',\n"                                                                // 16
                             "    { increment = '0.01' },\n"                                               // 17
                             "    { name = 'DDD', symbols = { sim = 'D', simm = 'D' } } } },\n"            // 18
                             "  venues = { sim = { params = { a = { { 1 } } } }, other = 7 },\n"           // 19
                             "  risk = { gross_max = '-1', grossmax = 1 },\n"                              // 20
                             "  strategies = { sma = { weigth = 1,\n"                                      // 21
                             "    universe = 'AAA', role = 'lives' },\n"                                   // 22
                             "    ['Bad Name'] = {} },\n"                                                  // 23
                             "  services = { 'recorder' },\n"                                              // 24
                             "}\n";
  static const struct mistake mistakes[] = {
      {2, {"mode: expected one of: dry_run paper live backtest", "\"papper\""}},
      {3, {"enginee: there is no such key", "did you mean \"engine\"?"}},
      {4, {"engine.shards: expected an integer, found \"four\""}},
      {5, {"engine.lane_tick: there is no such key", "did you mean \"lane_ticks\"?"}},
      {6, {"engine.errors_max: expected an integer from 0 to 1000000, found -1"}},
      {6, {"engine.lane_ticks: expected a power of two, found 100"}},
      {7, {"account: expected a table, found one value"}},
      {8, {"journal.segment: expected a size like \"64MiB\", found a list"}},
      {11, {"router.rules[2].kind: expected one of: any trade quote book status", "\"qoute\""}},
      {12, {"router.rules[3].lane: expected one of", "\"\""}},
      {12, {"lanes: there is no such key", "did you mean \"lane\"?"}},
      {13, {"router.correlated: expected pairs of names"}},
      {15, {"universe.instruments[1].increment: expected a price like \"12.34\" above zero, found 0"}},
      {16, {"universe.instruments[2]: expected a table"}},
      {17, {"universe.instruments[3].name: expected a text, found nothing"}},
      {18, {"universe.instruments[4].symbols.simm: expected the name of a venue", "\"simm\""}},
      {19, {"venues.sim.params.a: expected a value or a list of values"}},
      {19, {"venues.other: expected a table, found one value"}},
      {20, {"risk.gross_max", "not negative", "-1"}},
      {20, {"risk.grossmax: there is no such key", "did you mean \"gross_max\"?"}},
      {21, {"strategies.sma.weigth: there is no such key", "did you mean \"weight\"?"}},
      {22, {"strategies.sma.universe: expected a list, found one value"}},
      {22, {"strategies.sma.role: expected one of: live canary shadow", "\"lives\""}},
      {23, {"strategies.Bad Name: expected a name"}},
      {24, {"services: expected a table, found a list"}},
  };
  struct hd_config c;
  expect(load(&c, text, NULL), mistakes, sizeof mistakes / sizeof *mistakes);
  hd_config_fini(&c);
}

static void whole_files_that_are_none(void **state) {
  (void)state;
  static const struct { const char *text; struct mistake mistake; } rows[] = {
      {"", {1, {"expected the file to return a table"}}},
      {"return 5", {1, {"expected the file to return a table"}}},
      {"return {\n venues = {\n sim = {} }", {3, {"config.lua"}}},
      {"return {\n venues = { sim = {} },\n x = print }", {3, {"expected data, found a function"}}},
      {"return { mode = 'paper' }", {0, {"venues: expected at least one venue, found none"}}},
      {"return { venues = {} }", {1, {"venues: expected at least one venue, found none"}}},
      {"return {\n venues = { sim = {} },\n services = { r = {} },\n journal = { enabled = false } }", {4, {"journal.enabled: services read the journal: expected true, found false"}}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct hd_config c;
    expect(load(&c, rows[i].text, NULL), &rows[i].mistake, 1);
    hd_config_fini(&c);
  }
  struct hd_config c;
  char absent[TEST_PATH_SIZE];
  test_path(absent, dir, "absent.lua");
  assert_int_equal(hd_config_load(&c, absent, NULL, 0, errors), 1);
  assert_non_null(strstr(errors[0].text, "cannot be opened"));
  hd_config_fini(&c);
}

// More mistakes than are kept: the first ones are.
static void many_mistakes(void **state) {
  (void)state;
  static char text[8192];
  size_t at = (size_t)snprintf(text, sizeof text, "return { venues = { sim = {} },\n");
  for (int i = 0; i < 200; i++) at += (size_t)snprintf(text + at, sizeof text - at, "key_number_%d = 1,\n", i);
  snprintf(text + at, sizeof text - at, "}");
  struct hd_config c;
  assert_int_equal(load(&c, text, NULL), HD_CONFIG_ERRORS_MAX);
  assert_int_equal(errors[0].line, 2);
  assert_int_equal(errors[HD_CONFIG_ERRORS_MAX - 1].line, HD_CONFIG_ERRORS_MAX + 1);
  hd_config_fini(&c);
}

// ---- types ---------------------------------------------------------------------------------------------------------------------------

// Values as --set has them: `good` are written back as `shown`.
static const struct { const char *key, *good, *shown; const char *bad[8]; } values[] = {
    {"engine.threads", "true", "true", {"yes", "1", "", "TRUE", "truee"}},
    {"engine.shards", "64", "64", {"0", "65", "1.5", "", "x", "99999999999999999999", "4 "}},
    {"seed", "9223372036854775807", "9223372036854775807", {"-1", "9223372036854775808", "1e3", "0x"}},
    {"normalize.outlier_bps", "1000000", "1000000", {"1000001", "-1", "2%"}},
    {"engine.volatility_decay", "0.5", "0.5", {"1.5", "-0.1", "nan", "-nan", "inf", "", "0.5x", "1"}},
    {"report.risk_free", "-1", "-1", {"-1.01", "11", "nan"}},
    {"account.currency", "EUR", "EUR", {"TOOLONGX"}},
    {"mode", "backtest", "backtest", {"BACKTEST", "back", "", "dry_run paper"}},
    {"account.cash", "0.000001", "0.000001", {"-1", "1,000", "", "1e400", "99999999999999999999", "nan"}},
    {"normalize.skew", "250ms", "250000000ns", {"5", "5 s", "-1s", "s", "", "300000000000d"}},
    {"start", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z", {"2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "yesterday", ""}},
    {"gateway.day_end", "21:00", "21:00", {"24:00", "21:60", "21", "21:00x", "", "-1:00"}},
    {"gateway.day_end", "never", "never", {"Never"}},
    {"journal.segment", "128KiB", "131072", {"128KB", "1", "5000000", "4GiBx", "-4096", "9000000000GiB", ""}},
    {"strategies.sma.size", "0.00000001", "0.00000001", {"-1", "0.000000001", "x"}},
    {"strategies.sma.weight", "1000", "1000", {"1001", "-1", "nan"}},
    {"strategies.sma.enabled", "false", "false", {"off"}},
    {"risk.order_rate_max", "10", NULL, {"-1", "1.5", "x"}},
    {"universe.instruments[1].increment", "0.000000001", "0.000000001", {"0", "-1", "0.0000000001", "x"}},
};

static const char base[] = "return { venues = { sim = {} }, strategies = { sma = {} }, universe = { instruments = { { name = 'AAA' } } } }";

static void every_type(void **state) {
  (void)state;
  static char printed[65536];
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    struct hd_config c;
    char set[256], line[256];
    snprintf(set, sizeof set, "%s=%s", values[i].key, values[i].good);
    if (load(&c, base, (const char *const[]){set, NULL})) fail_msg("%s: %s", set, errors[0].text);
    printed[0] = '\n';
    assert_true(hd_config_print(&c, printed + 1, sizeof printed - 1) < sizeof printed - 1);
    snprintf(line, sizeof line, "\n%s = %s\n", values[i].key, values[i].shown);
    if (values[i].shown && !strstr(printed, line)) fail_msg("expected \"%s\" in what is printed", line + 1);
    hd_config_fini(&c);
    for (int k = 0; k < 8 && values[i].bad[k]; k++) {
      snprintf(set, sizeof set, "%s=%s", values[i].key, values[i].bad[k]);
      uint32_t count = load(&c, base, (const char *const[]){set, NULL});
      if (count != 1 || errors[0].line != 0 || !strstr(errors[0].text, values[i].key) || !strstr(errors[0].text, "expected"))
        fail_msg("%s: expected one error, found %u: %s", set, count, errors[0].text);
      hd_config_fini(&c);
    }
  }
}

// The same words, written in a file: a text, an integer and a number are what they look like.
static void values_of_a_file(void **state) {
  (void)state;
  struct hd_config c;
  assert_int_equal(load(&c, "return { venues = { sim = {} }, account = { cash = 0.1 }, engine = { shards = '3', threads = true, volatility_decay = 0.25 },\n"
                            " normalize = { skew = '2s' }, sample = { duration = '2d' }, risk = { stale_ms = 1500 },\n"
                            " strategies = { b = { plugin = 'sma', universe = { 'B*', 'A' }, params = { n = 5, x = 0.5, t = 'w', l = { 1, 'two' } } }, a = { enabled = false } } }", NULL), 0);
  assert_int_equal(c.cash.micros, 100000); // a tenth, to the last unit
  assert_int_equal(c.shards, 3);
  assert_true(c.threads && c.volatility_decay == 0.25);
  assert_int_equal(c.normalize.skew_ns, INT64_C(2000000000));
  assert_int_equal(c.limits.stale_ns, INT64_C(1500000000));
  assert_int_equal(c.strategy_count, 2);
  assert_string_equal(c.strategies[0].base.name, "a"); // by name
  assert_false(c.strategies[0].base.enabled);
  assert_string_equal(c.strategies[0].base.plugin, "a");
  assert_string_equal(c.strategies[1].base.plugin, "sma");
  assert_int_equal(c.strategies[1].universe_count, 2);
  assert_string_equal(c.strategies[1].universe[0], "B*");
  static const char *const params[4][2] = {{"n", "5"}, {"x", "0.5"}, {"t", "w"}, {"l", "1\ntwo"}};
  assert_int_equal(c.strategies[1].base.param_count, 4);
  for (int i = 0; i < 4; i++) {
    assert_string_equal(c.strategies[1].base.params[i].name, params[i][0]);
    assert_string_equal(c.strategies[1].base.params[i].text, params[i][1]);
    assert_non_null(strstr(c.strategies[1].base.params[i].place, "config.lua:3"));
  }
  assert_string_equal(c.allocator.plugin, "net");
  hd_config_fini(&c);
  assert_int_equal(load(&c, "return { venues = { sim = {} }, report = { risk_free = 0/0 },\n engine = { shards = 1/0 } }", NULL), 2);
  hd_config_fini(&c);
}

// ---- --set ---------------------------------------------------------------------------------------------------------------------------

static void set_goes_over_the_file(void **state) {
  (void)state;
  struct hd_config c;
  static const char text[] = "return { venues = { sim = { params = { rate = 5 } } }, engine = { shards = 2 }, seed = 7 }";
  assert_int_equal(load(&c, text, (const char *const[]){"engine.shards=3", "engine.shards=4", "venues.sim.params.rate=6", "venues.sim.params.new=a=b", NULL}), 0);
  assert_int_equal(c.shards, 4);
  assert_int_equal(c.seed, 7);
  assert_int_equal(c.venues[0].param_count, 2);
  assert_string_equal(c.venues[0].params[0].text, "6");
  assert_string_equal(c.venues[0].params[0].place, "--set"); // an error of the value is not one of the file
  assert_string_equal(c.venues[0].params[1].text, "a=b");
  hd_config_fini(&c);
  // A wrong value in the file is nobody's problem once it is replaced.
  assert_int_equal(load(&c, "return { venues = { sim = {} }, seed = 'x' }", (const char *const[]){"seed=5", NULL}), 0);
  assert_int_equal(c.seed, 5);
  hd_config_fini(&c);
  // A venue that the file does not have: --data brings its own.
  assert_int_equal(load(&c, base, (const char *const[]){"venues.tape.plugin=replay", "venues.tape.plugin=replay", "venues.tape.params.files=x.csv", NULL}), 0);
  assert_int_equal(c.venue_count, 2);
  assert_string_equal(c.venues[1].name, "tape");
  assert_string_equal(c.venues[1].plugin, "replay");
  assert_string_equal(c.venues[1].params[0].text, "x.csv");
  hd_config_fini(&c);
  static const struct mistake mistakes[] = {{0, {"--set engine.shard: there is no such key"}}, {0, {"--set engine: expected key=value"}},
                                            {0, {"--set =5: expected key=value"}}, {0, {"--set : expected key=value"}},
                                            {0, {"--set strategies.none.params.x: there is no such key"}}, {0, {"--set seed: expected an integer, found \"many\""}}};
  assert_int_equal(load(&c, text, (const char *const[]){"engine.shard=1", "engine", "=5", "", "strategies.none.params.x=1", "seed=many", NULL}), 6);
  expect(6, mistakes, 6);
  hd_config_fini(&c);
}

// ---- secrets -------------------------------------------------------------------------------------------------------------------------

static void secrets_are_not_shown(void **state) {
  (void)state;
  static char printed[65536];
  struct hd_config c;
  setenv("HADRON_TEST_SECRET", "s3cr3t-w0rd", 1);
  assert_int_equal(load(&c, "local s = env('HADRON_TEST_SECRET')\nreturn { venues = { sim = { params = { key = s, url = 'x://me:' .. s .. '@host', list = { 'a', s } } } },\n"
                            " data_dir = s, strategies = { sma = { universe = { 'OPEN', s }, params = { k = s } } }, allocator = { params = { a = s } },\n"
                            " services = { r = { params = { url = s } } }, universe = { instruments = { { name = s } } } }", NULL), 0);
  assert_string_equal(c.venues[0].params[0].text, "s3cr3t-w0rd");
  size_t size = hd_config_print(&c, printed, sizeof printed);
  assert_true(size < sizeof printed && strlen(printed) == size);
  assert_null(strstr(printed, "s3cr3t"));
  static const char *const shown[] = {"venues.sim.params.key = <secret>", "venues.sim.params.url = <secret>", "venues.sim.params.list = <secret>",
                                      "\ndata_dir = <secret>", "strategies.sma.params.k = <secret>", "strategies.sma.universe[1] = OPEN",
                                      "strategies.sma.universe[2] = <secret>", "allocator.params.a = <secret>", "services.r.params.url = <secret>",
                                      "universe.instruments[1].name = <secret>"};
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
    if (!strstr(printed, shown[i])) fail_msg("expected \"%s\" in what is printed", shown[i]);
  // Cut anywhere, it is the same text, shorter.
  char few[100];
  assert_int_equal(hd_config_print(&c, few, sizeof few), size);
  assert_int_equal(strlen(few), sizeof few - 1);
  assert_memory_equal(few, printed, sizeof few - 1);
  hd_config_fini(&c);

  uint32_t count = load(&c, "local s = env('HADRON_TEST_SECRET')\nreturn { venues = { sim = {} },\n seed = s, mode = s,\n account = { cash = s, currency = s },\n"
                            " engine = { volatility_decay = s, threads = s }, risk = { gross_max = s },\n router = { rules = { { lane = s } } },\n"
                            " strategies = { sma = { role = s, universe = { 5 } } } }", NULL);
  assert_int_equal(count, 10);
  for (uint32_t i = 0; i < count; i++) {
    if (strstr(errors[i].text, "s3cr3t")) fail_msg("an error shows it: %s", errors[i].text);
    assert_true(errors[i].line >= 3);
  }
  hd_config_fini(&c);
  setenv("HADRON_TEST_SECRET", "987654", 1); // a value that parses, and is wrong only beside others
  assert_int_equal(load(&c, "return { venues = { sim = {} }, engine = {\n lane_ticks = env('HADRON_TEST_SECRET') } }", NULL), 1);
  assert_int_equal(errors[0].line, 2);
  assert_null(strstr(errors[0].text, "987654"));
  hd_config_fini(&c);
}

static void keep_wrong(void *user, const char *place, const char *text) {
  struct hd_config_error *e = user;
  snprintf(e->text, sizeof e->text, "%s: %.400s", place, text);
}

// The plugin's own table finds it wrong: by then it is a parameter like any other.
static void secret_parameters_are_not_shown(void **state) {
  (void)state;
  struct hd_config c;
  struct hd_config_error e = {0};
  char plugins[1024];
  if (!getenv("HADRON_PLUGIN_DIR")) {
    fprintf(stderr, "HADRON_PLUGIN_DIR is not set: run by ctest\n");
    skip();
  }
  snprintf(plugins, sizeof plugins, "plugin_path=%s", getenv("HADRON_PLUGIN_DIR"));
  setenv("HADRON_TEST_SECRET", "s3cr3t-w0rd", 1);
  assert_int_equal(load(&c, "return { venues = { sim = {} }, strategies = { sma = { params = {\n fast = env('HADRON_TEST_SECRET') } } } }", (const char *const[]){plugins, NULL}), 0);
  assert_int_equal(hd_session_check(&c, NULL, true, keep_wrong, &e), 1);
  if (strstr(e.text, "s3cr3t") || !strstr(e.text, "parameter fast") || !strstr(e.text, "config.lua:2 (from env)") || !strstr(e.text, "\"<secret>\"")) fail_msg("%s", e.text);
  hd_config_fini(&c);
}

// ---- damage --------------------------------------------------------------------------------------------------------------------------

struct line {
  const char *at;
  size_t size;
};

static uint32_t load_bytes(const char *text, size_t size) {
  static char printed[65536];
  struct hd_config c;
  test_file_write(path, text, size);
  uint32_t count = hd_config_load(&c, path, NULL, 0, errors);
  assert_true(count <= HD_CONFIG_ERRORS_MAX);
  for (uint32_t i = 0; i < count; i++) assert_true(errors[i].text[0] && memchr(errors[i].text, 0, sizeof errors[i].text));
  if (count == 0) hd_config_print(&c, printed, sizeof printed);
  hd_config_fini(&c);
  return count;
}

static void damaged_files_are_told(void **state) {
  (void)state;
  struct hd_random random = test_random();
  char demo[TEST_PATH_SIZE];
  static struct line lines[500];
  size_t size, count = 0;
  const char *root = getenv("HADRON_SOURCE_DIR");
  if (!root) {
    fprintf(stderr, "HADRON_SOURCE_DIR is not set: run by ctest\n");
    skip();
  }
  snprintf(demo, sizeof demo, "%s/configs/demo.lua", root);
  char *text = (char *)test_file_read(demo, &size), *changed = malloc(2 * size + 64);
  assert_non_null(changed);
  assert_int_equal(load_bytes(text, size), 0);
  for (size_t at = 0; at < size && count < 500;) {
    const char *end = memchr(text + at, '\n', size - at);
    lines[count] = (struct line){text + at, end ? (size_t)(end - text) - at + 1 : size - at};
    at += lines[count++].size;
  }
  assert_true(count > 50 && count < 500);
  uint32_t refused = 0;
  for (size_t i = 0; i < count; i++) {
    size_t before = (size_t)(lines[i].at - text), after = before + lines[i].size;
    memcpy(changed, text, before); // deleted
    memcpy(changed + before, text + after, size - after);
    refused += load_bytes(changed, size - lines[i].size) > 0;
    memcpy(changed, text, after); // twice
    memcpy(changed + after, lines[i].at, lines[i].size);
    memcpy(changed + after + lines[i].size, text + after, size - after);
    refused += load_bytes(changed, size + lines[i].size) > 0;
    for (int round = 0; round < 3; round++) { // garbled: any bytes, and those that mean something
      static const char marks[] = "{}()[]'\",=.-#%0 9\\\n";
      memcpy(changed, text, size);
      for (int k = 0; k <= round; k++) {
        size_t at = before + hd_random_below(&random, lines[i].size);
        changed[at] = (char)(round ? marks[hd_random_below(&random, sizeof marks - 1)] : (int)hd_random_below(&random, 256));
      }
      refused += load_bytes(changed, size) > 0;
    }
  }
  assert_true(refused > count / 2);
  free(changed);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_mistakes_at_once), cmocka_unit_test(whole_files_that_are_none), cmocka_unit_test(many_mistakes),
      cmocka_unit_test(every_type),           cmocka_unit_test(values_of_a_file),          cmocka_unit_test(set_goes_over_the_file),
      cmocka_unit_test(secrets_are_not_shown), cmocka_unit_test(secret_parameters_are_not_shown), cmocka_unit_test(damaged_files_are_told)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
