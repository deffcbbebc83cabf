// Promise: a manifest is read without running the plugin, and whatever bytes a file holds, reading it ends in a manifest or in an
// error that says what is wrong; no cut, no flipped byte and no hostile header makes the reader leave the file.
#include "support/test.h"

#include <elf.h>

#include "plugin/manifest.h"
#include "support/plugin.h"

static struct test_file good;

static int load_good(void **state) {
  (void)state;
  good = test_read_file(test_plugin_path("good_strategy"));
  return 0;
}
static int free_good(void **state) {
  (void)state;
  free(good.bytes);
  return 0;
}

// The bytes are moved to the end of their own allocation, so that a sanitizer sees every read beyond them.
static int32_t read_copy(const char *path, const void *bytes, size_t size, struct hadron_manifest *m, struct hd_fault *fault) {
  unsigned char *exact = malloc(size ? size : 1);
  assert_non_null(exact);
  memcpy(exact, bytes, size);
  int32_t err = hd_manifest_read(path, exact, size, m, NULL, fault);
  free(exact);
  return err;
}

static void assert_refused(const char *path, const void *bytes, size_t size, int32_t code, const char *words) {
  struct hadron_manifest m;
  struct hd_fault fault = {0};
  int32_t err = read_copy(path, bytes, size, &m, &fault);
  if (err != code || strstr(fault.text, words) == NULL)
    fail_msg("expected %s with \"%s\", found %s: %s", hadron_error_name(code), words, hadron_error_name(err), fault.text);
  assert_non_null(strstr(fault.text, path));
}

static void good_one_is_read(void **state) {
  (void)state;
  struct hadron_manifest m;
  enum hd_language language;
  assert_int_equal(hd_manifest_read("good_strategy.so", good.bytes, good.size, &m, &language, NULL), HADRON_OK);
  assert_int_equal(language, HD_LANGUAGE_NATIVE);
  assert_int_equal(m.kind, HADRON_KIND_STRATEGY);
  assert_string_equal(m.name, "good_strategy");
  assert_string_equal(m.version, "1.0.0");
  assert_string_equal(m.requires_, "hadron.strategy/1");
  assert_int_equal(hd_manifest_check("good_strategy.so", &m, NULL), HADRON_OK);
}

static void every_cut_is_refused(void **state) {
  (void)state;
  struct hadron_manifest m;
  struct hd_fault fault;
  size_t step = good.size > 20000 ? 17 : 1;
  for (size_t size = 0; size < good.size; size += size < 5000 ? 1 : step) {
    fault.text[0] = 0;
    if (read_copy("cut.so", good.bytes, size, &m, &fault) == HADRON_OK) fail_msg("%zu of %zu bytes were taken", size, good.size);
    assert_true(fault.text[0] != 0);
  }
  assert_refused("cut.so", good.bytes, good.size - 1, HADRON_ERR_CORRUPT, "truncated");
  assert_refused("cut.so", good.bytes, 0, HADRON_ERR_CORRUPT, "empty");
}

static void patched(size_t at, const void *bytes, size_t size, int32_t code, const char *words) {
  unsigned char *copy = malloc(good.size);
  assert_non_null(copy);
  memcpy(copy, good.bytes, good.size);
  memcpy(copy + at, bytes, size);
  assert_refused("patched.so", copy, good.size, code, words);
  free(copy);
}

static void headers_that_are_not_ours(void **state) {
  (void)state;
  uint8_t bits32 = ELFCLASS32, class9 = 9, big = ELFDATA2MSB;
  uint16_t arm = EM_ARM, executable = ET_EXEC, none = 0, many = 0xffff, odd = 31;
  uint64_t far = UINT64_MAX - 8;
  patched(EI_CLASS, &bits32, 1, HADRON_ERR_UNSUPPORTED, "expected a 64-bit shared object, found a 32-bit one");
  patched(EI_CLASS, &class9, 1, HADRON_ERR_UNSUPPORTED, "found a damaged one");
  patched(EI_DATA, &big, 1, HADRON_ERR_UNSUPPORTED, "little-endian");
  patched(offsetof(Elf64_Ehdr, e_machine), &arm, 2, HADRON_ERR_UNSUPPORTED, "found 40 (ARM, 32 bit)");
  patched(offsetof(Elf64_Ehdr, e_type), &executable, 2, HADRON_ERR_UNSUPPORTED, "-shared");
  patched(offsetof(Elf64_Ehdr, e_phnum), &none, 2, HADRON_ERR_CORRUPT, "0 program headers");
  patched(offsetof(Elf64_Ehdr, e_phnum), &many, 2, HADRON_ERR_CORRUPT, "truncated: the program headers");
  patched(offsetof(Elf64_Ehdr, e_phentsize), &odd, 2, HADRON_ERR_CORRUPT, "31 bytes");
  patched(offsetof(Elf64_Ehdr, e_phoff), &far, 8, HADRON_ERR_CORRUPT, "truncated: the program headers");
  patched(offsetof(Elf64_Ehdr, e_shoff), &far, 8, HADRON_ERR_CORRUPT, "truncated: the section headers");
  assert_refused("text.so", "hello world\n", 12, HADRON_ERR_UNSUPPORTED, "found first bytes 68656c6c");
  assert_refused("a.so", "\x7f" "EL", 3, HADRON_ERR_UNSUPPORTED, "found first bytes 7f454c");
  assert_refused("short.so", "\x7f" "ELF", 4, HADRON_ERR_CORRUPT, "truncated: the ELF header");
}

static void bytes_that_flip(void **state) {
  (void)state;
  struct hd_random r = test_random();
  unsigned char *copy = malloc(good.size);
  assert_non_null(copy);
  size_t head = good.size < 4096 ? good.size : 4096;
  for (int i = 0; i < 20000; i++) {
    memcpy(copy, good.bytes, good.size);
    for (uint64_t flips = 1 + hd_random_below(&r, 8); flips > 0; flips--) {
      // Most of what the reader looks at is at the head of the file.
      size_t at = (size_t)hd_random_below(&r, hd_random_below(&r, 8) ? head : good.size);
      uint64_t mask = hd_random_below(&r, 3) ? hd_random_next(&r) : UINT64_C(1) << hd_random_below(&r, 8);
      copy[at] = (unsigned char)((copy[at] ^ mask) & 0xff);
    }
    struct hadron_manifest m;
    struct hd_fault fault = {0};
    size_t size = hd_random_below(&r, 4) ? good.size : (size_t)hd_random_below(&r, good.size + 1);
    if (read_copy("flipped.so", copy, size, &m, &fault) == HADRON_OK) {
      assert_non_null(memchr(m.name, 0, sizeof m.name));
      assert_non_null(memchr(m.requires_, 0, sizeof m.requires_));
      (void)hd_manifest_check("flipped.so", &m, &fault);
    } else {
      assert_true(fault.text[0] != 0);
    }
  }
  free(copy);
}

static void lua_taken(const char *text, const char *name, const char *version, const char *needs) {
  struct hadron_manifest m;
  struct hd_fault fault = {0};
  if (read_copy("a.lua", text, strlen(text), &m, &fault) != HADRON_OK) fail_msg("%s", fault.text);
  assert_string_equal(m.name, name);
  assert_string_equal(m.version, version);
  assert_string_equal(m.requires_, needs);
  assert_int_equal(m.kind, HADRON_KIND_STRATEGY);
  assert_int_equal(m.abi_major, HADRON_ABI_MAJOR);
}

static void lua_refused(const char *text, size_t size, int32_t code, const char *words) { assert_refused("a.lua", text, size, code, words); }

static void lua_heads(void **state) {
  (void)state;
  lua_taken("-- hadron: strategy cross 1.2.3\n-- description: it crosses\n-- requires: hadron.strategy/1  hadron.timer/1\nreturn 1\n", "cross", "1.2.3",
            "hadron.strategy/1  hadron.timer/1");
  lua_taken("#!/usr/bin/lua\n\n-- My words about it.\n--hadron:\tstrategy a 0.0.1-rc.1+b5  \r\n\nlocal x = 1\n-- requires: hadron.telepathy/1\n", "a", "0.0.1-rc.1+b5", "");
  lua_taken("-- hadron: strategy a 1.0.0", "a", "1.0.0", "");
  lua_refused("return 1\n-- hadron: strategy a 1.0.0\n", 38, HADRON_ERR_NOT_FOUND, "without a manifest");
  lua_refused("-- nothing\n", 11, HADRON_ERR_NOT_FOUND, "-- hadron: strategy NAME VERSION");
  lua_refused("-- hadron: strategy a\n", 22, HADRON_ERR_PARSE, "a.lua:1: manifest: expected \"-- hadron: KIND NAME VERSION\", found \"strategy a\"");
  lua_refused("-- hadron: strategy a 1.0.0 b\n", 30, HADRON_ERR_PARSE, "KIND NAME VERSION");
  lua_refused("--\n-- hadron: robot a 1.0.0\n", 28, HADRON_ERR_PARSE, "a.lua:2: manifest: expected kind strategy, venue, allocator or service, found \"robot\"");
  lua_refused("-- hadron: strategy a 1.0.0\n-- hadron: strategy b 1.0.0\n", 56, HADRON_ERR_PARSE, "a.lua:2");
  lua_refused("-- hadron: strategy a 1.0.0\n-- requires: x/1\n-- requires: y/1\n", 62, HADRON_ERR_PARSE, "a.lua:3");
  lua_refused("\x1bLua\x54\x00\x19", 7, HADRON_ERR_UNSUPPORTED, "precompiled Lua");
  lua_refused("-- hadron: strategy a 1.0.0\nx = '\0'\n", 36, HADRON_ERR_CORRUPT, "NUL byte at offset 33");
  char flood[2000];
  memset(flood, 'a', sizeof flood);
  memcpy(flood, "-- hadron: strategy ", 20);
  lua_refused(flood, sizeof flood, HADRON_ERR_PARSE, "KIND NAME VERSION");
}

static void versions(void **state) {
  (void)state;
  static const char *const valid[] = {"0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0+build.007", "1.0.0-x-y.z+a-b"};
  static const char *const invalid[] = {"", "1", "1.2", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "v1.2.3", "1.2.3-", "1.2.3+", "1.2.3-01", "1.2.3-a..b", "1.2.3 ", "1.2.x",
                                        "1.0.0-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
    if (!hd_version_valid(valid[i])) fail_msg("\"%s\" was refused", valid[i]);
  for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
    if (hd_version_valid(invalid[i])) fail_msg("\"%s\" was taken", invalid[i]);
  for (uint32_t kind = 1; kind <= 4; kind++) assert_int_equal(hd_kind_parse(hd_kind_name(kind)), kind);
  assert_int_equal(hd_kind_parse("invalid"), HADRON_KIND_INVALID);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good_one_is_read), cmocka_unit_test(every_cut_is_refused), cmocka_unit_test(headers_that_are_not_ours),
      cmocka_unit_test(bytes_that_flip),  cmocka_unit_test(lua_heads),            cmocka_unit_test(versions),
  };
  return cmocka_run_group_tests(tests, load_good, free_good);
}
