// Promise: whatever bytes are given for a plugin or its signature, registering ends with an answer: no crash, and nothing is accepted whose
// digest or signature is wrong. Seeded mutations (bits, bytes, blocks, cuts, splices) of a signed shared object, a signed script and their
// signatures go the whole way of hd_registry_add, under `require` and under `off`; one in fifty that the static checks let pass is also
// loaded by the probe. ctest runs 3,000; the long form is
//   tests/test_registry_fuzz --count 100000 [--seed N]
#include "support/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "registry/elf_check.h"
#include "registry/registry.h"
#include "registry/script_check.h"
#include "registry/trial.h"
#include "support/craft.h"
#include "support/directory.h"
#include "support/plugin.h"

static uint64_t count = 3000, seed;
static char root[TEST_PATH_SIZE];

struct original {
  const char *file;
  unsigned char *bytes;
  size_t size, signature_size;
  char *signature;
};

static struct { uint64_t refused_required, refused_off, accepted_off, duplicate_off, signatures, signatures_same, static_passed, probed, probe_refused, by_code[64]; } seen;

static unsigned char *mutate(struct hd_random *r, const unsigned char *from, size_t size, size_t *out) {
  size_t room = size + 4096, n = size;
  unsigned char *to = malloc(room);
  assert_non_null(to);
  memcpy(to, from, size);
  for (uint64_t k = hd_random_below(r, 3) + 1; k > 0 && n > 0; k--) {
    size_t front = n < 4096 ? n : 4096, at = hd_random_below(r, hd_random_below(r, 2) ? front : n), length = hd_random_below(r, 64) + 1;
    if (length > n - at) length = n - at;
    switch (hd_random_below(r, 8)) {
    case 0: to[at] ^= (unsigned char)(1u << hd_random_below(r, 8)); break;
    case 1: to[at] = (unsigned char)hd_random_next(r); break;
    case 2: memset(to + at, hd_random_below(r, 2) ? 0 : 0xff, length); break;
    case 3: for (size_t i = 0; i < length; i++) to[at + i] = (unsigned char)hd_random_next(r); break;
    case 4: n = at; break; // cut
    case 5: memmove(to + at, to + hd_random_below(r, n - length + 1), length); break; // splice
    case 6: // grow
      if (n + length > room) break;
      memmove(to + at + length, to + at, n - at);
      n += length;
      break;
    default: // a number in a header, made extreme
      if (n >= at + 8) {
        const uint64_t extremes[] = {0, 1, UINT64_MAX, INT64_MAX, UINT32_MAX, 0x8000000000000000u, n, n - 1};
        memcpy(to + (at & ~(size_t)7), &extremes[hd_random_below(r, 8)], 8);
      }
    }
  }
  *out = n;
  return to;
}

static void code_count(int32_t code) { seen.by_code[-code & 63]++; }

static int32_t add(struct hd_registry *r, const char *path, bool unprobed) {
  struct hd_fault fault = {0};
  struct hd_version v;
  int32_t code = hd_registry_add(r, path, &(struct hd_registry_add){.who = "fuzz", .unprobed = unprobed}, &v, NULL, &fault);
  assert_true(code <= 0 && code > -64);
  if (code && !fault.text[0]) fail_msg("refused without a word: %d", code);
  if (!code) { // what was accepted is what was given
    size_t size;
    uint8_t digest[32];
    unsigned char *bytes = test_file_read(path, &size);
    hd_sha256(bytes, size, digest);
    assert_true(memcmp(digest, v.digest, 32) == 0 && v.size == size);
    free(bytes);
  }
  return code;
}

// Loads what the static checks let pass, in the child: its answer is of no matter, that there is one is.
static void probe(const char *file, unsigned char *bytes, size_t size) {
  struct hd_fault fault = {0};
  uint8_t digest[32];
  char *measured, *parameters;
  const struct hd_source source = {bytes, size};
  hd_sha256(bytes, size, digest);
  int32_t code = hd_trial_run(file, &source, digest, INT64_C(2000000000), &measured, &parameters, &fault);
  seen.probed++;
  seen.probe_refused += code != 0;
  if (code == 0) free(measured), free(parameters);
}

static void one(struct hd_random *r, const struct original *o, struct hd_registry *require, struct hd_registry *off, const char *path, const char *beside) {
  size_t size, signature_size = o->signature_size;
  unsigned char *bytes = mutate(r, o->bytes, o->size, &size), *signature = NULL;
  bool changed = size != o->size || memcmp(bytes, o->bytes, size) != 0;
  if (hd_random_below(r, 10) == 0) { // the file as it is, its signature not
    signature = mutate(r, (unsigned char *)o->signature, o->signature_size, &signature_size);
    bool same = signature_size == o->signature_size && memcmp(signature, o->signature, signature_size - 8) == 0; // base64 has bits to spare at its end
    test_file_write(path, o->bytes, o->size);
    test_file_write(beside, signature, signature_size);
    int32_t code = add(require, path, true);
    if (code == 0 && !same) fail_msg("accepted with a changed signature: %.*s", (int)signature_size, (char *)signature);
    seen.signatures++, seen.signatures_same += same;
    code_count(code);
    free(signature);
    free(bytes);
    return;
  }
  test_file_write(path, bytes, size);
  test_file_write(beside, o->signature, o->signature_size);
  int32_t code = add(require, path, true);
  if (changed && code == 0) fail_msg("a changed file was accepted under `require`");
  seen.refused_required += code != 0;
  code_count(code);
  code = add(off, path, true);
  code_count(code);
  seen.accepted_off += code == 0;
  seen.duplicate_off += code == HADRON_ERR_DUPLICATE;
  seen.refused_off += code != 0 && code != HADRON_ERR_DUPLICATE;
  bool passed = size > 0 && (size >= 4 && memcmp(bytes, "\177ELF", 4) == 0 ? hd_elf_check(path, bytes, size, NULL) : hd_script_check(path, bytes, size, NULL)) == 0;
  seen.static_passed += passed;
  if (passed && hd_random_below(r, 50) == 0) probe(path, bytes, size);
  free(bytes);
}

static struct hd_registry *open_registry(const char *name, uint32_t policy) {
  struct hd_fault fault = {0};
  struct hd_registry *r = NULL;
  char directory[TEST_PATH_SIZE], url[TEST_PATH_SIZE + 16], store[TEST_PATH_SIZE], keys[TEST_PATH_SIZE];
  test_path(directory, root, name);
  assert_int_equal(mkdir(directory, 0755), 0);
  snprintf(url, sizeof url, "sqlite:%.480s/registry.db", directory);
  test_path(store, directory, "artifacts");
  test_path(keys, directory, "keys");
  if (hd_registry_open(&(struct hd_registry_options){.url = url, .store = store, .keys = keys, .policy = policy}, &r, &fault)) fail_msg("%s", fault.text);
  return r;
}

static void good(void *user, const struct hd_version *v, int32_t code, const char *words) {
  (void)user, (void)v;
  if (code) fail_msg("%s", words);
}

static void mutations(void **state) {
  (void)state;
  static const char script[] = "-- hadron: strategy script 1.0.0\n-- description: for mutation\n-- requires: hadron.strategy/1\nlocal function mean(a, b) return (a + b) // 2 end\n"
                               "return hadron.strategy {\n  params = { n = { type = \"integer\", default = 5, min = 1, max = 9 } },\n"
                               "  on_start = function(self) self.last = 0 end,\n  on_trade = function(self, t) self.last = mean(self.last, 7) end,\n}\n";
  struct hd_random random;
  struct hd_fault fault = {0};
  struct original o[2] = {{.file = "strategy.so"}, {.file = "script.lua"}};
  char path[2][TEST_PATH_SIZE], beside[2][TEST_PATH_SIZE + 8], secret[TEST_PATH_SIZE], public[TEST_PATH_SIZE];
  hd_random_init(&random, seed);
  printf("seed %llu, %llu mutations\n", (unsigned long long)seed, (unsigned long long)count);
  test_directory_make(root);
  struct hd_registry *require = open_registry("require", HD_REGISTRY_REQUIRE), *off = open_registry("off", HD_REGISTRY_OFF);
  test_path(secret, root, "alice.key");
  test_path(public, root, "alice.pub");
  if (hd_key_generate(secret, public, NULL, &fault) || hd_registry_trust(require, "alice", public, "fuzz", &fault)) fail_msg("%s", fault.text);
  for (int i = 0; i < 2; i++) {
    test_path(path[i], root, o[i].file);
    snprintf(beside[i], sizeof beside[i], "%.500s.sig", path[i]);
    if (i == 0) {
      struct test_file f = test_read_file(test_plugin_path("good_strategy"));
      o[i].bytes = f.bytes, o[i].size = f.size;
    } else {
      o[i].size = sizeof script - 1, o[i].bytes = malloc(sizeof script);
      memcpy(o[i].bytes, script, sizeof script);
    }
    test_file_write(path[i], o[i].bytes, o[i].size);
    test_craft_sign(path[i], secret);
    o[i].signature = (char *)test_file_read(beside[i], &o[i].signature_size);
    if (add(require, path[i], false)) fail_msg("%s as it was made is refused", o[i].file);
  }
  int64_t begun = hd_clock_monotonic_ns();
  for (uint64_t i = 0; i < count; i++) {
    uint64_t which = hd_random_below(&random, 2);
    one(&random, &o[which], require, off, path[which], beside[which]);
  }
  double elapsed = (double)(hd_clock_monotonic_ns() - begun) / 1e9;
  struct hd_registry_check check;
  if (hd_registry_verify(require, NULL, good, NULL, &check, &fault)) fail_msg("%s", fault.text);
  assert_true(check.artifacts == 2 && check.signed_well == 2 && check.strays == 0);
  if (hd_registry_verify(off, NULL, good, NULL, &check, &fault)) fail_msg("%s", fault.text);
  printf("%.1f s, %.0f/s. require: %llu changed files refused, 0 accepted; %llu changed signatures, 0 accepted. off: %llu accepted as what they are, %llu whose name and version are bound,\n"
         "%llu refused. %llu pass the static checks; of %llu that were loaded in the child %llu were refused there\n", elapsed, (double)count / elapsed, (unsigned long long)seen.refused_required,
         (unsigned long long)(seen.signatures - seen.signatures_same), (unsigned long long)seen.accepted_off, (unsigned long long)seen.duplicate_off, (unsigned long long)seen.refused_off,
         (unsigned long long)seen.static_passed, (unsigned long long)seen.probed, (unsigned long long)seen.probe_refused);
  for (int32_t i = 0; i < 64; i++)
    if (seen.by_code[i]) printf("  %-12s %llu\n", i ? hadron_error_name(-i) : "OK", (unsigned long long)seen.by_code[i]);
  for (int i = 0; i < 2; i++) free(o[i].bytes), free(o[i].signature);
  hd_registry_close(require);
  hd_registry_close(off);
  test_directory_remove(root);
}

int main(int argc, char **argv) {
  struct hd_random random = test_random();
  seed = hd_random_next(&random);
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--count") == 0) count = strtoull(argv[i + 1], NULL, 10);
    if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(mutations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
