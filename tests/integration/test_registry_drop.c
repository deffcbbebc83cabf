// Promise: the drop folder registers a file once it is whole, and never before: one that grows, is open, or has its signature still coming
// waits. What is not taken lies in rejected/ with its reason: links, FIFOs, devices, directories, huge and sparse files, files of others,
// odd names, bad content. Names in progress are left alone. A file is registered once; a new one in its place again.
// Time is the test's own.
#include "support/test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "registry/drop.h"
#include "support/craft.h"
#include "support/directory.h"
#include "support/plugin.h"

#define SECOND INT64_C(1000000000)

static char root[TEST_PATH_SIZE];

struct rig {
  char directory[TEST_PATH_SIZE], drop[TEST_PATH_SIZE], secret[TEST_PATH_SIZE];
  struct hd_registry *r;
  struct hd_drop *d;
  int64_t now, next;
  uint32_t arrived, rejected;
  char last[256], why[HD_FAULT_SIZE];
};

static void on_arrived(void *user, const char *file, const struct hd_version *v, const struct hd_registry_added *added) {
  struct rig *g = user;
  (void)file;
  assert_true(added->fresh);
  g->arrived++;
  snprintf(g->last, sizeof g->last, "%s@%s", v->name, v->version);
}

static void on_rejected(void *user, const char *file, const struct hd_fault *fault) {
  struct rig *g = user;
  g->rejected++;
  snprintf(g->last, sizeof g->last, "%s", file);
  snprintf(g->why, sizeof g->why, "%s", fault->text);
}

static void rig_make(struct rig *g, uint32_t policy) {
  static int serial;
  struct hd_fault fault = {0};
  char name[32], url[TEST_PATH_SIZE + 16], store[TEST_PATH_SIZE], keys[TEST_PATH_SIZE], public[TEST_PATH_SIZE];
  memset(g, 0, sizeof *g);
  g->now = SECOND;
  snprintf(name, sizeof name, "rig%d", ++serial);
  test_path(g->directory, root, name);
  assert_int_equal(mkdir(g->directory, 0755), 0);
  test_path(g->drop, g->directory, "plugins");
  test_path(store, g->directory, "artifacts");
  test_path(keys, g->directory, "keys");
  test_path(g->secret, g->directory, "alice.key");
  test_path(public, g->directory, "alice.pub");
  snprintf(url, sizeof url, "sqlite:%.480s/registry.db", g->directory);
  if (hd_registry_open(&(struct hd_registry_options){.url = url, .store = store, .keys = keys, .policy = policy}, &g->r, &fault) ||
      hd_key_generate(g->secret, public, NULL, &fault) || hd_registry_trust(g->r, "alice", public, "test", &fault) ||
      hd_drop_open(&(struct hd_drop_options){.registry = g->r, .directory = g->drop, .who = "drop folder", .user = g, .arrived = on_arrived, .rejected = on_rejected}, &g->d, &fault))
    fail_msg("%s", fault.text);
}

static void rig_drop(struct rig *g) {
  hd_drop_close(g->d);
  hd_registry_close(g->r);
}

static void tick(struct rig *g, int64_t later_ns) {
  struct hd_fault fault = {0};
  g->now += later_ns;
  if (hd_drop_tick(g->d, g->now, &g->next, &fault)) fail_msg("%s", fault.text);
}

static void in(const struct rig *g, char to[TEST_PATH_SIZE], const char *name) { test_path(to, g->drop, name); }

static size_t script(char *to, size_t size, const char *name, const char *version) {
  return (size_t)snprintf(to, size, "-- hadron: strategy %s %s\n-- requires: hadron.strategy/1\nreturn hadron.strategy { on_trade = function() end }\n", name, version);
}

static void put_script(const struct rig *g, const char *file, const char *name, const char *version) {
  char path[TEST_PATH_SIZE], text[256];
  in(g, path, file);
  test_file_write(path, text, script(text, sizeof text, name, version));
}

static void whole_files(void **state) {
  (void)state;
  struct rig g;
  char path[TEST_PATH_SIZE], text[256];
  rig_make(&g, HD_REGISTRY_OFF);
  tick(&g, 0);
  assert_true(g.next == INT64_MAX && hd_drop_fd(g.d) >= 0);
  put_script(&g, "one.lua", "one", "1.0.0");
  struct pollfd p = {.fd = hd_drop_fd(g.d), .events = POLLIN};
  assert_int_equal(poll(&p, 1, 5000), 1); // it rings
  tick(&g, 1);
  assert_true(g.arrived == 0 && g.next == g.now + HD_DROP_LOOK_NS);
  tick(&g, HD_DROP_LOOK_NS - 1);
  assert_int_equal(g.arrived, 0);
  tick(&g, 1);
  assert_true(g.arrived == 1 && strcmp(g.last, "one@1.0.0") == 0 && g.next == INT64_MAX);
  for (int i = 0; i < 3; i++) tick(&g, SECOND);
  assert_int_equal(g.arrived, 1);
  in(&g, path, "one.lua");
  assert_int_equal(access(path, F_OK), 0); // it stays

  // Another version in its place.
  put_script(&g, "one.lua", "one", "1.1.0");
  tick(&g, 1), tick(&g, HD_DROP_LOOK_NS);
  assert_true(g.arrived == 2 && strcmp(g.last, "one@1.1.0") == 0);

  // Byte by byte, with looks between; the writer stays away longer than a look, and has the file open.
  size_t size = script(text, sizeof text, "slow", "1.0.0");
  in(&g, path, "slow.lua");
  int fd = open(path, O_CREAT | O_WRONLY, 0644);
  for (size_t i = 0; i < size; i++) {
    assert_int_equal(write(fd, text + i, 1), 1);
    tick(&g, 1), tick(&g, HD_DROP_LOOK_NS * 2);
    assert_true(g.arrived == 2 && g.rejected == 0);
  }
  close(fd);
  tick(&g, 1), tick(&g, HD_DROP_LOOK_NS);
  assert_true(g.arrived == 3 && strcmp(g.last, "slow@1.0.0") == 0);

  // Work in progress and other files are left alone.
  static const char *const left[] = {".hidden.lua", "x.lua~", "x.lua.tmp", "x.so.part", "README.txt", "x.so.new", ".so", "lua"};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) put_script(&g, left[i], "left", "1.0.0");
  tick(&g, 1), tick(&g, SECOND * 100);
  assert_true(g.arrived == 3 && g.rejected == 0);
  // A renamed file is whole.
  in(&g, path, "x.lua.tmp");
  char to[TEST_PATH_SIZE];
  in(&g, to, "x.lua");
  assert_int_equal(rename(path, to), 0);
  tick(&g, 1), tick(&g, HD_DROP_LOOK_NS);
  assert_true(g.arrived == 4 && strcmp(g.last, "left@1.0.0") == 0);
  rig_drop(&g);

  // A new drop folder over the same registry knows them all.
  struct rig again;
  rig_make(&again, HD_REGISTRY_OFF);
  put_script(&again, "one.lua", "one", "1.0.0");
  tick(&again, 1), tick(&again, HD_DROP_LOOK_NS);
  hd_drop_close(again.d);
  struct hd_fault fault;
  assert_int_equal(hd_drop_open(&(struct hd_drop_options){.registry = again.r, .directory = again.drop, .who = "drop folder", .user = &again, .arrived = on_arrived}, &again.d, &fault), 0);
  tick(&again, 1), tick(&again, HD_DROP_LOOK_NS);
  assert_int_equal(again.arrived, 1);
  rig_drop(&again);
}

static void signed_files(void **state) {
  (void)state;
  struct rig g;
  char path[TEST_PATH_SIZE], text[4096];
  rig_make(&g, HD_REGISTRY_REQUIRE);
  put_script(&g, "two.lua", "two", "1.0.0");
  tick(&g, 1), tick(&g, HD_DROP_LOOK_NS);
  assert_true(g.arrived == 0 && g.rejected == 0); // its signature may be on the way
  in(&g, path, "two.lua");
  test_craft_sign(path, g.secret);
  tick(&g, 1), tick(&g, HD_DROP_LOOK_NS);
  assert_true(g.arrived == 1 && g.rejected == 0);
  put_script(&g, "three.lua", "three", "1.0.0");
  tick(&g, 1), tick(&g, HD_DROP_SIGNATURE_NS);
  assert_true(g.rejected == 1 && strstr(g.why, "policy require expects a signature"));
  in(&g, path, "rejected/three.lua.reason.txt");
  size_t size;
  char *reason = (char *)test_file_read(path, &size);
  snprintf(text, sizeof text, "%.*s", (int)size, reason);
  assert_true(strstr(text, "three.lua") && strstr(text, "code    PERMISSION") && strstr(text, "found: unsigned") && strstr(text, "to do"));
  free(reason);
  rig_drop(&g);
}

static void expect_rejected(struct rig *g, const char *name, const char *words) {
  char path[TEST_PATH_SIZE], moved[64];
  uint32_t before = g->rejected;
  tick(g, 1), tick(g, HD_DROP_LOOK_NS);
  if (g->rejected != before + 1) fail_msg("%s: expected to be rejected with \"%s\"; %u rejected, %u arrived", name, words, g->rejected - before, g->arrived);
  if (!strstr(g->why, words)) fail_msg("%s: expected \"%s\", found: %s", name, words, g->why);
  struct stat st;
  test_path(path, g->drop, name);
  if (strlen(name) < 200 && lstat(path, &st) == 0) fail_msg("%s is still there", name);
  snprintf(moved, sizeof moved, "rejected/%.40s.reason.txt", g->last);
  test_path(path, g->drop, moved);
  if (strlen(g->last) < 40 && lstat(path, &st) != 0) fail_msg("%s: no reason at %s", name, path);
}

static void refused_files(void **state) {
  (void)state;
  struct rig g;
  char path[TEST_PATH_SIZE], other[TEST_PATH_SIZE], text[256], name[300];
  rig_make(&g, HD_REGISTRY_OFF);
  put_script(&g, "good.txt", "good", "1.0.0");
  in(&g, other, "good.txt");

  in(&g, path, "link.lua");
  assert_int_equal(symlink(other, path), 0);
  expect_rejected(&g, "link.lua", "found a symbolic link");
  in(&g, path, "away.so");
  assert_int_equal(symlink("/etc/passwd", path), 0);
  expect_rejected(&g, "away.so", "found a symbolic link");
  in(&g, path, "fifo.lua");
  assert_int_equal(mkfifo(path, 0644), 0);
  expect_rejected(&g, "fifo.lua", "found a FIFO");
  in(&g, path, "folder.so");
  assert_int_equal(mkdir(path, 0755), 0);
  expect_rejected(&g, "folder.so", "found a directory");
  in(&g, path, "device.so");
  if (mknod(path, S_IFCHR | 0644, (dev_t)0x103) == 0) expect_rejected(&g, "device.so", "found a device");
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%.80s/s.lua", g.drop);
  if (strlen(g.drop) < 80 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0) expect_rejected(&g, "s.lua", "found a socket");
  close(fd);

  in(&g, path, "huge.so"); // says how long it is, and has nothing
  test_file_write(path, "\177ELF", 4);
  assert_int_equal(truncate(path, INT64_C(1) << 40), 0);
  expect_rejected(&g, "huge.so", "expected a file of at most");
  in(&g, path, "huge.lua");
  test_file_write(path, "--", 2);
  assert_int_equal(truncate(path, 5 << 20), 0);
  expect_rejected(&g, "huge.lua", "expected a file of at most 4194304 bytes");
  in(&g, path, "sparse.so");
  fd = open(path, O_CREAT | O_WRONLY, 0644);
  assert_true(fd >= 0 && write(fd, "\177ELF", 4) == 4 && ftruncate(fd, 100 << 20) == 0);
  close(fd);
  expect_rejected(&g, "sparse.so", "a sparse file");
  put_script(&g, "open.lua", "open", "1.0.0");
  in(&g, path, "open.lua");
  assert_int_equal(chmod(path, 0666), 0);
  expect_rejected(&g, "open.lua", "not everybody may write to");
  if (getuid() == 0) {
    put_script(&g, "foreign.lua", "foreign", "1.0.0");
    in(&g, path, "foreign.lua");
    assert_int_equal(chown(path, 12345, 12345), 0);
    expect_rejected(&g, "foreign.lua", "found user 12345");
  }

  static const char *const odd[] = {"a b.lua", "a\nb.lua", "-rf.so", "\x1b[31m.lua", "caf\xc3\xa9.lua", "a;b.so", "_x.lua", "..%2f.lua", "a'b.lua"};
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    if (odd[i][0] == '.') continue; // a name in progress
    put_script(&g, odd[i], "odd", "1.0.0");
    expect_rejected(&g, odd[i], "expected a name of letters");
    for (const char *c = g.last; *c; c++) assert_true(*c > ' ' && *c < 0x7f);
  }
  memset(name, 'x', sizeof name);
  snprintf(name + 200, 8, ".lua");
  put_script(&g, name, "long", "1.0.0");
  expect_rejected(&g, name, "expected a name of letters");

  const struct { const char *file, *text; size_t size; const char *words; } bad[] = { // size 0: up to the NUL
    {"empty.lua", "", 0, "empty"}, {"bytecode.lua", "\x1bLua\x54", 5, "compiled Lua"}, {"nul.lua", "-- hadron: strategy nul 1.0.0\n\0return 1", 40, "NUL byte"},
    {"latin.lua", "-- hadron: strategy latin 1.0.0\n-- caf\xe9\nreturn 1", 0, "expected UTF-8"}, {"syntax.lua", "-- hadron: strategy syntax 1.0.0\nreturn (", 0, "syntax.lua:2"},
    {"headless.lua", "return {}", 0, "without a manifest"}, {"name.lua", "-- hadron: strategy ../x 1.0.0\nreturn {}", 0, "expected [a-z0-9_-]{1,63}"},
    {"version.lua", "-- hadron: strategy x 1.0\nreturn {}", 0, "expected a semantic version"}, {"text.so", "not an ELF file", 0, "not a plugin"},
    {"cut.so", "\177ELF\2\1\1", 0, "expected an ELF header"},
    {"raises.lua", "-- hadron: strategy raises 1.0.0\n-- requires: hadron.strategy/1\nerror('no')", 0, "no"},
    {"loops.lua", "-- hadron: strategy loops 1.0.0\n-- requires: hadron.strategy/1\nwhile true do end", 0, "budget"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    in(&g, path, bad[i].file);
    test_file_write(path, bad[i].text, bad[i].size ? bad[i].size : strlen(bad[i].text));
    expect_rejected(&g, bad[i].file, bad[i].words);
  }
  // A plugin that crashes while it is loaded ends its child and nothing else.
  static const char *const crashing[] = {"crash_create", "crash_start", "error_create", "unresolved_symbol"};
  for (size_t i = 0; i < sizeof crashing / sizeof *crashing; i++) {
    struct test_file f = test_read_file(test_plugin_path(crashing[i]));
    snprintf(text, sizeof text, "%s.so", crashing[i]);
    in(&g, path, text);
    test_file_write(path, f.bytes, f.size);
    free(f.bytes);
    expect_rejected(&g, text, "probe of");
  }
  assert_int_equal(g.arrived, 0);
  put_script(&g, "empty.lua", "empty", "1.0.0"); // made good
  tick(&g, 1), tick(&g, HD_DROP_LOOK_NS);
  assert_int_equal(g.arrived, 1);
  put_script(&g, "link.lua", "empty", "1.0.0\n-- other"); // bound: the second refusal of a name gets a number
  expect_rejected(&g, "link.lua", "");
  in(&g, path, "rejected/link.lua.1.reason.txt");
  assert_int_equal(access(path, F_OK), 0);
  rig_drop(&g);
  struct hd_fault fault = {0};
  struct hd_drop *d;
  assert_int_equal(chmod(g.drop, 0777), 0);
  assert_int_equal(hd_drop_open(&(struct hd_drop_options){.directory = g.drop, .who = "x"}, &d, &fault), HADRON_ERR_PERMISSION);
}

// The same by path, as `hadron registry add` takes it.
static void paths(void **state) {
  (void)state;
  struct rig g;
  char path[TEST_PATH_SIZE], other[TEST_PATH_SIZE];
  rig_make(&g, HD_REGISTRY_OFF);
  put_script(&g, "plain.lua", "plain", "1.0.0");
  in(&g, other, "plain.lua"), in(&g, path, "a.lua");
  assert_int_equal(symlink(other, path), 0);
  const struct { const char *path, *words; } bad[] = {{path, "found a symbolic link"}, {"/dev/zero", "found a device"}, {"/dev/null", "found a device"}, {"/", "found a directory"},
                                                      {"/nowhere/at/all.so", "opening the file"}, {"/proc/self/mem", ""}, {"/proc/self/environ", ""}, {"", "opening the file"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct hd_fault fault = {0};
    if (hd_registry_add(g.r, bad[i].path, &(struct hd_registry_add){.who = "test"}, NULL, NULL, &fault) == HADRON_OK || !strstr(fault.text, bad[i].words))
      fail_msg("%s: expected \"%s\", found: %s", bad[i].path, bad[i].words, fault.text);
  }
  rig_drop(&g);
}

static int make(void **state) {
  (void)state;
  test_directory_make(root);
  return 0;
}

static int drop(void **state) {
  (void)state;
  test_directory_remove(root);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(whole_files), cmocka_unit_test(signed_files), cmocka_unit_test(refused_files), cmocka_unit_test(paths)};
  return cmocka_run_group_tests(tests, make, drop);
}
