// Promise: a configuration is data with lines. Every field of ordinary nested constructors, of named tables and of included files knows
// the line it was written on; what came from the environment is marked; what is no data, endless, or outside of the directory is
// refused with file and line.
#include <sys/stat.h>
#include <unistd.h>

#include "lua/config.h"
#include "support/test.h"

static struct hd_value *evaluate(const char *text) {
  struct hd_value *root;
  struct hd_fault fault = {0};
  if (hd_lua_config_evaluate("demo.lua", text, strlen(text), &root, NULL, &fault)) fail_msg("%s", fault.text);
  return root;
}

static const struct hd_value *at(const struct hd_value *v, const char *path) {
  char copy[128], *save;
  snprintf(copy, sizeof copy, "%s", path);
  for (char *key = strtok_r(copy, ".", &save); key && v; key = strtok_r(NULL, ".", &save))
    v = v->kind == HD_VALUE_LIST ? hd_value_item(v, (size_t)atoi(key) - 1) : hd_value_get(v, key);
  if (!v) fail_msg("%s: not there", path);
  return v;
}

static void test_lines(void **state) {
  static const char text[] = "-- a config\n"                             // 1
                             "local shared = {\n"                         // 2
                             "  fast = 3, -- { comment = 1 }\n"           // 3
                             "}\n"                                        // 4
                             "--[[ return {\n }\n]]\n"                    // 5-7
                             "local function f(a, b) return { a } end\n"  // 8
                             "return {\n"                                 // 9
                             "  engine = { shards = 'four',\n"            // 10
                             "    threads = true },\n"                    // 11
                             "  [\"a-b\"] = 1.5; text = \"x } , y\",\n"   // 12
                             "  list = { 'one',\n"                        // 13
                             "    'two', { deep = { 1,\n"                 // 14
                             "      2 } } },\n"                           // 15
                             "  shared = shared,\n"                       // 16
                             "  made = f(1, { 2 }),\n"                    // 17
                             "  last = function_free == nil and 7,\n"     // 18
                             "}\n";
  static const struct {
    const char *path;
    int line;
  } rows[] = {{"engine", 10}, {"engine.shards", 10}, {"engine.threads", 11}, {"a-b", 12}, {"text", 12}, {"list", 13}, {"list.1", 13}, {"list.2", 14},
              {"list.3.deep.1", 14}, {"list.3.deep.2", 15}, {"shared.fast", 3}, {"shared", 16}, {"made", 17}, {"last", 18}};
  struct hd_value *root = evaluate(text);
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (at(root, rows[i].path)->line != rows[i].line) fail_msg("%s: expected line %d, found %d", rows[i].path, rows[i].line, at(root, rows[i].path)->line);
  assert_string_equal(hd_value_key(root, 0), "engine"); // in the order of the text
  assert_string_equal(hd_value_key(root, 6), "last");
  assert_string_equal(at(root, "text")->as.string.bytes, "x } , y");
  assert_true(at(root, "a-b")->as.number == 1.5);
  assert_int_equal(at(root, "last")->as.integer, 7);
  assert_string_equal(at(root, "engine")->file, "demo.lua");
  hd_value_free(root);
}

static void test_built(void **state) {
  struct hd_value *root = evaluate("local c = {}\nc.engine = {\n  shards = 2 }\nc.engine.threads = false\nfor i = 1, 2 do c['x' .. i] = i end\nreturn c");
  (void)state;
  assert_int_equal(at(root, "engine")->line, 2);
  assert_int_equal(at(root, "engine.shards")->line, 3);
  assert_int_equal(at(root, "engine.threads")->line, 4);
  assert_int_equal(at(root, "x2")->as.integer, 2);
  hd_value_free(root);
}

static void test_secrets(void **state) {
  (void)state;
  setenv("HADRON_TEST_SECRET", "s3cr3t-word", 1);
  unsetenv("HADRON_TEST_ABSENT");
  struct hd_value *root = evaluate("return { url = 'postgres://me:' .. env('HADRON_TEST_SECRET') .. '@host', key = env('HADRON_TEST_SECRET'), plain = 'word', d = env('HADRON_TEST_ABSENT', 'x') }");
  assert_true(at(root, "url")->secret && at(root, "key")->secret);
  assert_false(at(root, "plain")->secret || at(root, "d")->secret);
  hd_value_free(root);
}

static void test_refused(void **state) {
  static const struct {
    const char *text, *words;
    int line;
  } rows[] = {{"return {\n a = {\n b = print } }", "demo.lua:3: a.b: expected data, found a function", 3},
              {"return {\n a = }", "demo.lua:2:", 2},
              {"local t = {} t.t = t return t", "levels", 1},
              {"while true do end", "budget", 1},
              {"x = 1\nreturn {}", "demo.lua:1: global 'x'", 1},
              {"return { env('HADRON_TEST_ABSENT') }", "HADRON_TEST_ABSENT", 1},
              {"return { include('/etc/passwd') }", "below the directory", 1},
              {"return { include('../x.lua') }", "below the directory", 1},
              {"return { include('absent.lua') }", "cannot be opened", 1},
              {"return os.getenv('HOME')", "os", 1},
              {"\033Lua", "0x1b", 0},
              {"return { ['a\\0b'] = 1 }", "NUL", 1}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct hd_value *root;
    struct hd_fault fault = {0};
    int line = 0;
    assert_int_not_equal(hd_lua_config_evaluate("demo.lua", rows[i].text, strlen(rows[i].text), &root, &line, &fault), 0);
    if (!strstr(fault.text, rows[i].words) || (line != rows[i].line && i != 3)) fail_msg("row %zu: expected line %d and \"%s\", found line %d in: %s", i, rows[i].line, rows[i].words, line, fault.text);
  }
}

static void write_file(const char *directory, const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void test_include(void **state) {
  char directory[] = "/tmp/hadron_config_XXXXXX", path[256];
  struct hd_value *root;
  struct hd_fault fault = {0};
  (void)state;
  assert_non_null(mkdtemp(directory));
  write_file(directory, "main.lua", "return {\n  venues = include('venues.lua'),\n}");
  write_file(directory, "venues.lua", "\n\nreturn {\n\n  sim = { seed = 4 } }");
  snprintf(path, sizeof path, "%s/main.lua", directory);
  if (hd_lua_config_read(path, &root, NULL, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(at(root, "venues.sim.seed")->line, 5);
  assert_string_equal(at(root, "venues.sim.seed")->file, "venues.lua");
  hd_value_free(root);
  static const char *const names[] = {"main.lua", "venues.lua"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", directory, names[i]);
    unlink(path);
  }
  rmdir(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_built), cmocka_unit_test(test_secrets),
                                     cmocka_unit_test(test_refused), cmocka_unit_test(test_include)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
