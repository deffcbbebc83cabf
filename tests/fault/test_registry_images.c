// Promise: what a crash leaves of a registry is opened again, with the versions of a prefix of what was added, each with its file whole; it goes
// on behind them. A file of the store that was cut, or filled with zeros or noise, is never taken for the artifact, and is whole again after
// the next registration. How: images of the SQLite file with its write-ahead log cut at any byte, and of one artifact cut at every byte.
// HADRON_TEST_IMAGES (script/torture) takes every byte of the log; the normal run takes some.
#include "support/test.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "registry/registry.h"
#include "support/directory.h"

enum { VERSIONS = 6 };
enum filling { FILL_CUT, FILL_ZERO, FILL_NOISE, FILLINGS };
static const char *const fillings[] = {"cut", "zeros", "noise"};
static char root[TEST_PATH_SIZE];
static uint64_t images;

static void noise(unsigned char *to, size_t size, uint64_t seed) {
  struct hd_random r;
  hd_random_init(&r, seed);
  for (size_t i = 0; i < size; i++) to[i] = (unsigned char)hd_random_next(&r);
}

// The image of `bytes` that ends, or is spoilt, at `cut`.
static size_t spoil(unsigned char *to, const unsigned char *bytes, size_t size, size_t cut, enum filling f) {
  memcpy(to, bytes, cut);
  if (f == FILL_ZERO) memset(to + cut, 0, size - cut);
  if (f == FILL_NOISE) noise(to + cut, size - cut, cut);
  return f == FILL_CUT ? cut : size;
}

// ---- the store -------------------------------------------------------------------------------------------------------------------------

static void every_cut_of_an_artifact(void **state) {
  (void)state;
  char dir[TEST_PATH_SIZE], path[HD_STORE_PATH_SIZE];
  unsigned char bytes[700], spoilt[700];
  uint8_t digest[32];
  struct hd_store store;
  struct hd_fault fault = {0};
  test_path(dir, root, "artifacts");
  noise(bytes, sizeof bytes, 1);
  hd_sha256(bytes, sizeof bytes, digest);
  if (hd_store_open(&store, dir, &fault) || hd_store_put(&store, digest, HD_LANGUAGE_LUA, bytes, sizeof bytes, &fault)) fail_msg("%s", fault.text);
  hd_store_path(&store, digest, HD_LANGUAGE_LUA, path);
  for (enum filling f = 0; f < FILLINGS; f++)
    for (size_t cut = 0; cut < sizeof bytes; cut++, images++) {
      size_t size = spoil(spoilt, bytes, sizeof bytes, cut, f);
      if (size == sizeof bytes && memcmp(spoilt, bytes, size) == 0) continue; // a zero that was one
      unlink(path);
      test_file_write(path, spoilt, size);
      int32_t code = hd_store_read(&store, digest, HD_LANGUAGE_LUA, NULL, &fault);
      if (code != HADRON_ERR_CORRUPT) fail_msg("%s at byte %zu: code %d", fillings[f], cut, code);
      if (cut % 16 == 0 && (hd_store_put(&store, digest, HD_LANGUAGE_LUA, bytes, sizeof bytes, &fault) || hd_store_read(&store, digest, HD_LANGUAGE_LUA, NULL, &fault)))
        fail_msg("%s at byte %zu, stored again: %s", fillings[f], cut, fault.text);
    }
}

// ---- the database ------------------------------------------------------------------------------------------------------------------------

static const char script[] = "-- hadron: strategy many %d.0.0\n-- description: a script\n-- requires: hadron.strategy/1\nreturn hadron.strategy { on_trade = function() end }\n";

static struct hd_registry *registry_open(const char *db, const char *store, struct hd_fault *fault) {
  char url[TEST_PATH_SIZE + 16];
  struct hd_registry *r = NULL;
  snprintf(url, sizeof url, "sqlite:%s", db);
  return hd_registry_open(&(struct hd_registry_options){.url = url, .store = store, .policy = HD_REGISTRY_OFF}, &r, fault) ? NULL : r;
}

static int32_t version_add(struct hd_registry *r, int number, struct hd_fault *fault) {
  char path[TEST_PATH_SIZE], text[512];
  test_path(path, root, "many.lua");
  int n = snprintf(text, sizeof text, script, number);
  test_file_write(path, text, (size_t)n);
  return hd_registry_add(r, path, &(struct hd_registry_add){.who = "tester", .unprobed = true}, NULL, NULL, fault);
}

struct seen {
  uint32_t count;
  bool found[VERSIONS + 2];
  struct hd_registry *r;
};

static int32_t version_see(void *user, const struct hd_version *v, struct hd_fault *fault) {
  struct seen *s = user;
  int number = atoi(v->version);
  assert_in_range(number, 1, VERSIONS);
  s->found[number] = true;
  s->count++;
  char path[HD_STORE_PATH_SIZE];
  return hd_registry_artifact(s->r, v->digest, path, sizeof path, fault); // its file was there before its row
}

static void image_judge(const char *db, const char *store, const char *what) {
  struct hd_fault fault = {0};
  struct hd_registry *r = registry_open(db, store, &fault);
  images++;
  if (!r) fail_msg("%s: %s", what, fault.text);
  struct seen seen = {.r = r};
  if (hd_registry_list(r, NULL, version_see, &seen, &fault)) fail_msg("%s: %s", what, fault.text);
  for (uint32_t i = 1; i <= seen.count; i++)
    if (!seen.found[i]) fail_msg("%s: %" PRIu32 " versions, and number %" PRIu32 " is not among them", what, seen.count, i);
  if (images % 8 == 0 && version_add(r, VERSIONS + 1, &fault)) fail_msg("%s: it does not go on: %s", what, fault.text);
  hd_registry_close(r);
}

static void cuts_of_the_log(void **state) {
  (void)state;
  char db[TEST_PATH_SIZE], wal[TEST_PATH_SIZE], store[TEST_PATH_SIZE], copy[TEST_PATH_SIZE], copy_wal[TEST_PATH_SIZE], copy_shm[TEST_PATH_SIZE];
  struct hd_fault fault = {0};
  struct hd_random random = test_random();
  test_path(db, root, "registry.db"), test_path(wal, root, "registry.db-wal"), test_path(store, root, "store");
  test_path(copy, root, "copy.db"), test_path(copy_wal, root, "copy.db-wal"), test_path(copy_shm, root, "copy.db-shm");
  struct hd_registry *r = registry_open(db, store, &fault);
  if (!r) fail_msg("%s", fault.text);
  hd_registry_close(r); // the tables are in the file; what follows is in the log
  if (!(r = registry_open(db, store, &fault))) fail_msg("%s", fault.text);
  for (int i = 1; i <= VERSIONS; i++)
    if (version_add(r, i, &fault)) fail_msg("%s", fault.text);
  size_t db_size, wal_size;
  unsigned char *bytes = test_file_read(db, &db_size), *log = test_file_read(wal, &wal_size), *spoilt = malloc(wal_size ? wal_size : 1);
  assert_non_null(spoilt);
  assert_true(wal_size > 4096 * VERSIONS);
  bool all = getenv("HADRON_TEST_IMAGES") != NULL;
  for (size_t cut = 0; cut < wal_size; cut += all ? 29 : 1 + hd_random_below(&random, wal_size / 150))
    for (enum filling f = 0; f < FILLINGS; f++) {
      char what[64];
      snprintf(what, sizeof what, "log of %zu bytes, %s from byte %zu", wal_size, fillings[f], cut);
      unlink(copy_shm);
      test_file_write(copy, bytes, db_size);
      test_file_write(copy_wal, spoilt, spoil(spoilt, log, wal_size, cut, f));
      image_judge(copy, store, what);
    }
  hd_registry_close(r);
  free(bytes), free(log), free(spoilt);
}

int main(void) {
  if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0); // thousands of openings: no need to wait for a disk
  test_directory_make(root);
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_cut_of_an_artifact), cmocka_unit_test(cuts_of_the_log)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  print_message("%" PRIu64 " images\n", images);
  test_directory_remove(root);
  return failed;
}
