// Promise: a plugin that does not fit is refused before it can do harm, and the refusal names the file, every differing field with
// what was expected and what was found, and what to do; a plugin that fits is loaded from a copy that nobody can change.
#include "support/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/loader.h"
#include "support/plugin.h"

static void assert_refused(const char *name, int32_t code, const char *const *words) {
  const struct hd_plugin *plugin = NULL;
  struct hd_fault fault = {0};
  char path[1024];
  snprintf(path, sizeof path, "%s", test_plugin_path(name));
  int32_t err = hd_plugin_open(path, NULL, &plugin, &fault);
  if (err != code) fail_msg("%s: expected %s, found %s: %s", name, hadron_error_name(code), hadron_error_name(err), fault.text);
  assert_null(plugin);
  assert_non_null(strstr(fault.text, path));
  for (; *words != NULL; words++)
    if (strstr(fault.text, *words) == NULL) fail_msg("%s: expected the words \"%s\" in: %s", name, *words, fault.text);
}

static void refusals(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int32_t code;
    const char *words[10];
  } rows[] = {
      {"bad_magic", HADRON_ERR_ABI, {"magic: expected 0x4e524448, found 0xdeadbeef", "Rebuild"}},
      {"bad_note_magic", HADRON_ERR_ABI, {"magic: expected 0x4e524448, found 0x12345678", "rebuild"}},
      {"short_struct", HADRON_ERR_ABI, {"struct_size: expected at least 56, found 24"}},
      {"abi_major", HADRON_ERR_ABI, {"1 difference)", "ABI major: expected 1, found 2", "Rebuild"}},
      {"abi_minor",
       HADRON_ERR_ABI,
       {"4 differences)", "ABI minor required: expected at most 0, found 9", "kind: expected 1 strategy, 2 venue, 3 allocator or 4 service, found 7",
        "name: expected [a-z0-9_-]{1,63}, found \"ABI Minor\"", "version: expected a semantic version such as 1.2.3, found \"one\""}},
      {"missing_capability", HADRON_ERR_CAPABILITY, {"required \"hadron.telepathy/3\"", "offered to a strategy: hadron.strategy/1", "drop the requirement"}},
      {"foreign_capability", HADRON_ERR_CAPABILITY, {"required \"hadron.journal/1\"", "offered to a strategy"}},
      {"null_callbacks",
       HADRON_ERR_PLUGIN,
       {"create: expected a function (always), found NULL", "on_tick: expected a function (a tick trigger is set), found NULL",
        "on_bar: expected a function (trigger ON_BAR is set), found NULL", "scope: expected 1 INSTRUMENT or 2 UNIVERSE, found 5"}},
      {"short_api", HADRON_ERR_ABI, {"struct_size: expected at least 72, found 24"}},
      {"name_mismatch",
       HADRON_ERR_ABI,
       {"4 differences)", "name: expected \"name_mismatch\" as in the manifest, found \"somebody_else\"", "version: expected \"1.0.0\" as in the manifest, found \"2.0.0\"",
        "kind: expected 1 as in the manifest, found 2", "api: expected the address of the strategy table, found NULL"}},
      {"no_note", HADRON_ERR_NOT_FOUND, {"not a Hadron plugin", "HADRON_PLUGIN"}},
      {"two_notes", HADRON_ERR_DUPLICATE, {"expected one manifest note, found 2"}},
      {"no_entry", HADRON_ERR_ABI, {"expected an exported function hadron_plugin_v1, found none"}},
      {"null_descriptor", HADRON_ERR_ABI, {"expected an address from hadron_plugin_v1(), found NULL"}},
      {"unresolved_symbol", HADRON_ERR_PLUGIN, {"nobody_has_defined_this"}},
      {"bad_params",
       HADRON_ERR_PLUGIN,
       {"expected a name of [a-z0-9_]{1,63}, found \"Period\"", "parameter odd_type: type: expected 1 to 8, found 99", "parameter far: default: expected an integer, 1 to 500, found \"501\"",
        "parameter same: offset: expected a field inside the instance, aligned to 8, found 44", "expected a field of its own, found one that overlaps far",
        "parameter words: size: expected 2 to 65536, found 1"}},
      {"bad_state", HADRON_ERR_PLUGIN, {"expected functions save and load, found NULL", "expected 1 <= schema_min <= schema, found schema_min 2, schema 1"}},
      {"there_is_no_such_file", HADRON_ERR_NOT_FOUND, {"No such file"}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) assert_refused(rows[i].name, rows[i].code, rows[i].words);
}

static void not_files(void **state) {
  (void)state;
  const struct hd_plugin *plugin = NULL;
  struct hd_fault fault = {0};
  assert_int_equal(hd_plugin_open("/", NULL, &plugin, &fault), HADRON_ERR_ARGUMENT);
  assert_non_null(strstr(fault.text, "expected a regular file, found a directory"));
  char path[64];
  snprintf(path, sizeof path, "test_contract_loader.%d.fifo", (int)getpid());
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(hd_plugin_open(path, NULL, &plugin, &fault), HADRON_ERR_ARGUMENT); // and does not wait for a writer
  unlink(path);
  snprintf(path, sizeof path, "test_contract_loader.%d.lua", (int)getpid());
  test_write_file(path, "-- hadron: strategy a 1.0.0\n", 28);
  assert_int_equal(hd_plugin_open(path, NULL, &plugin, &fault), HADRON_ERR_UNSUPPORTED);
  unlink(path);
  assert_null(plugin);
}

static void same_content_same_object(void **state) {
  (void)state;
  struct test_file f = test_read_file(test_plugin_path("good_strategy"));
  char path[64];
  snprintf(path, sizeof path, "test_contract_loader.%d.so", (int)getpid());
  test_write_file(path, f.bytes, f.size);
  const struct hd_plugin *first = NULL, *second = NULL;
  struct hd_fault fault = {0};
  if (hd_plugin_open(path, NULL, &first, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  assert_int_equal(hd_plugin_open(test_plugin_path("good_strategy"), NULL, &second, &fault), HADRON_OK);
  assert_ptr_equal(first, second);
  assert_string_equal(first->manifest.name, "good_strategy");
  assert_int_equal(strlen(first->digest_text), 64);
  assert_non_null(first->params);
  assert_non_null(first->state);
  assert_null(first->timer);
  assert_int_equal(hd_plugin_expect_kind(first, HADRON_KIND_STRATEGY, &fault), HADRON_OK);
  assert_int_equal(hd_plugin_expect_kind(first, HADRON_KIND_VENUE, &fault), HADRON_ERR_CONFIG);
  assert_non_null(strstr(fault.text, "expected a venue, found a strategy"));
  // Whatever happens to the file, the loaded code stays as it was hashed.
  memset(f.bytes, 0xcc, f.size);
  int fd = open(path, O_WRONLY);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, f.bytes, f.size), f.size);
  close(fd);
  assert_string_equal(((const struct hadron_params *)first->capability(HADRON_CAP_PARAMS))->params[0].name, "period");
  unlink(path);
  free(f.bytes);
}

static void copy_is_sealed(void **state) {
  (void)state;
  const struct hd_plugin *plugin = NULL;
  assert_int_equal(hd_plugin_open(test_plugin_path("good_strategy"), NULL, &plugin, NULL), HADRON_OK);
  assert_int_equal(fcntl(plugin->fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  assert_true(pwrite(plugin->fd, "x", 1, 0) < 0);
  assert_true(ftruncate(plugin->fd, 0) < 0);
  assert_true((fcntl(plugin->fd, F_GETFD) & FD_CLOEXEC) != 0);
}

static void damaged_copies_never_load(void **state) {
  (void)state;
  // Only cuts: a flipped byte can be valid code, and what a valid plugin does is for the probe's child to find out.
  struct test_file f = test_read_file(test_plugin_path("good_strategy"));
  char path[64];
  snprintf(path, sizeof path, "test_contract_loader.%d.cut.so", (int)getpid());
  for (size_t i = 0; i < 64; i++) {
    const struct hd_plugin *plugin = NULL;
    struct hd_fault fault = {0};
    test_write_file(path, f.bytes, f.size * i / 64);
    assert_int_not_equal(hd_plugin_open(path, NULL, &plugin, &fault), HADRON_OK);
    assert_null(plugin);
    assert_non_null(strstr(fault.text, path));
  }
  unlink(path);
  free(f.bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refusals),       cmocka_unit_test(not_files), cmocka_unit_test(same_content_same_object),
      cmocka_unit_test(copy_is_sealed), cmocka_unit_test(damaged_copies_never_load),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
