// Promise: whatever a plugin does when it is tried - at every step of its life it exits, crashes, aborts, hangs, overflows its stack, eats
// memory, breeds processes or returns an error - hd_probe comes back with an error that names the step and how it ended, and leaves
// nothing behind: no zombie, no process, no descriptor, and a caller that can try the next one. A good plugin of every kind passes.
#include "support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "plugin/probe.h"
#include "plugin/state.h"
#include "support/plugin.h"

#define MARKER "@@misbehave@@"

struct artifact {
  int fd;
  uint8_t digest[32];
};

static struct artifact seal(const void *bytes, size_t size) {
  struct artifact a = {.fd = memfd_create("artifact", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  assert_true(a.fd >= 0);
  assert_int_equal(write(a.fd, bytes, size), size);
  assert_int_equal(fcntl(a.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL), 0);
  hd_sha256(bytes, size, a.digest);
  return a;
}

// The plugin, told in its own bytes what to do.
static struct artifact misbehave(const char *order) {
  struct test_file f = test_read_file(test_plugin_path("misbehave"));
  unsigned char *at = memmem(f.bytes, f.size, MARKER "\0", sizeof MARKER);
  assert_non_null(at);
  assert_true(strlen(order) < 32);
  memcpy(at + sizeof MARKER - 1, order, strlen(order) + 1);
  struct artifact a = seal(f.bytes, f.size);
  free(f.bytes);
  return a;
}

static struct hd_probe_request request_of(struct artifact a) {
  struct hd_probe_request q = {.fd = a.fd, .path = "some/where/plugin.so", .seed = 7};
  memcpy(q.digest, a.digest, 32);
  return q;
}

static uint32_t open_descriptors(void) {
  uint32_t count = 0;
  DIR *d = opendir("/proc/self/fd");
  assert_non_null(d);
  while (readdir(d) != NULL) count++;
  closedir(d);
  return count;
}

static void nothing_is_left(uint32_t descriptors) {
  errno = 0;
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
  assert_int_equal(errno, ECHILD);
  assert_int_equal(open_descriptors(), descriptors);
}

static struct hd_probe_result probe(const struct hd_probe_request *q) {
  struct hd_probe_result r;
  struct hd_fault fault = {0};
  if (hd_probe(q, &r, &fault)) fail_msg("%s", fault.text);
  return r;
}

static void expect(const char *what, const struct hd_probe_request *q, int32_t code, const char *words) {
  struct hd_probe_result r, untouched;
  struct hd_fault fault = {0};
  memset(&r, 0x5a, sizeof r);
  memset(&untouched, 0x5a, sizeof untouched);
  uint32_t descriptors = open_descriptors();
  int32_t err = hd_probe(q, &r, &fault);
  if (err != code || strstr(fault.text, words) == NULL || strstr(fault.text, "probe of plugin.so: ") != fault.text)
    fail_msg("%s: expected code %d and the words \"%s\", found %d: %s", what, code, words, err, fault.text);
  assert_memory_equal(&r, &untouched, sizeof r);
  nothing_is_left(descriptors);
}

// ---- good plugins

static struct artifact file(const char *path) {
  struct test_file f = test_read_file(path);
  struct artifact a = seal(f.bytes, f.size);
  free(f.bytes);
  return a;
}

static void a_good_strategy_passes(void **state) {
  (void)state;
  struct artifact a = file(test_plugin_path("misbehave"));
  struct hd_probe_request q = request_of(a);
  struct hd_probe_result r = probe(&q), again = probe(&q);
  assert_string_equal(r.manifest.name, "misbehave");
  assert_int_equal(r.manifest.kind, HADRON_KIND_STRATEGY);
  assert_int_equal(r.triggers, HADRON_ON_TRADE | HADRON_ON_QUOTE);
  assert_int_equal(r.scope, HADRON_SCOPE_INSTRUMENT);
  assert_int_equal(r.state_schema, 2);
  assert_int_equal(r.state_schema_min, 1);
  assert_int_equal(r.state_size, 8 + sizeof(struct hadron_state_header));
  assert_int_equal(r.errors, 0);
  assert_true(r.complete);
  // A third of the script's ticks are book changes, which it did not ask for; every tenth of the rest is a decision.
  assert_in_range(r.callbacks, HD_PROBE_TICKS * 2 / 3 - 1, HD_PROBE_TICKS * 2 / 3 + 1);
  assert_int_equal(r.decisions, r.callbacks / 10);
  assert_int_equal(again.decisions, r.decisions);
  assert_true(r.tick_ns_p50 > 0 && r.tick_ns_max >= r.tick_ns_p50 && r.load_ns > 0 && r.save_ns > 0 && r.wall_ns >= r.load_ns);
  assert_string_equal(r.step, "second destroy");
  int64_t best = r.wall_ns;
  for (int i = 0; i < 5; i++) {
    r = probe(&q);
    if (r.wall_ns < best) best = r.wall_ns;
  }
  print_message("a probe with %u ticks: %lld us, of which loading %lld us\n", HD_PROBE_TICKS, (long long)best / 1000, (long long)r.load_ns / 1000);
  close(a.fd);
}

static void every_kind_passes(void **state) {
  (void)state;
  static const char *const names[] = {"good_strategy", "good_venue", "good_allocator", "good_service", "io_venue"};
  uint32_t descriptors = open_descriptors();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct artifact a = file(test_plugin_path(names[i]));
    struct hd_probe_request q = request_of(a);
    struct hd_probe_result r = probe(&q);
    assert_string_equal(r.manifest.name, names[i]);
    assert_string_equal(r.step, i == 0 ? "second destroy" : "destroy");
    close(a.fd);
  }
  nothing_is_left(descriptors);
}

// ---- bad ones

static bool sanitized(void) {
  const char *with = getenv("HADRON_SANITIZE");
  return with != NULL && with[0] != 0;
}

// A state as the first instance of some earlier time would have left it.
struct state {
  struct hadron_state_header header;
  uint64_t seen;
};
static struct state good_state(uint64_t seen) {
  return (struct state){{HD_STATE_MAGIC, 1, sizeof seen, hd_crc32c(0, &seen, sizeof seen)}, seen};
}

static const struct {
  const char *order, *step;
  int32_t code; // of HOW "error"; 0: it cannot fail
} steps[] = {{"load", "load: ", 0},
             {"create", "create: ", HADRON_ERR_DEPENDENCY},
             {"params", "params: ", HADRON_ERR_RANGE},
             {"state", "load state: ", HADRON_ERR_CORRUPT},
             {"start", "start: ", HADRON_ERR_STALE},
             {"tick", "on_tick 17: ", HADRON_ERR_RANGE},
             {"save", "save: ", HADRON_ERR_FULL},
             {"destroy", "destroy: ", 0}};
#define STEPS (sizeof steps / sizeof *steps)

static void run_step(size_t i, const char *how, int32_t code, const char *end) {
  char order[32], words[160];
  struct state given = good_state(0);
  snprintf(order, sizeof order, "%s:%s", steps[i].order, how);
  snprintf(words, sizeof words, "%s%s", steps[i].step, end);
  struct artifact a = misbehave(order);
  struct hd_probe_request q = request_of(a);
  q.state = &given, q.state_size = sizeof given;
  q.memory_max = UINT64_C(256) << 20;
  expect(order, &q, code, words);
  close(a.fd);
}

static void it_ends_the_process(void **state) {
  (void)state;
  for (size_t i = 0; i < STEPS; i++) {
    run_step(i, "exit", HADRON_ERR_PLUGIN, "it ended the process with exit code 0");
    run_step(i, "abort", HADRON_ERR_PLUGIN, "killed by signal 6 (Aborted); its last words: misbehave.c: the world is not as it should be");
    run_step(i, "segv", HADRON_ERR_PLUGIN, sanitized() ? "" : "killed by signal 11 (Segmentation fault)");
    run_step(i, "stack", HADRON_ERR_PLUGIN, sanitized() ? "" : "killed by signal 11 (Segmentation fault)");
    if (!sanitized()) run_step(i, "memory", HADRON_ERR_PLUGIN, "killed by signal 6 (Aborted)"); // a sanitizer has no limit of memory
  }
}

static void it_returns_an_error(void **state) {
  (void)state;
  for (size_t i = 0; i < STEPS; i++)
    if (steps[i].code != 0) run_step(i, "error", steps[i].code, "");
  run_step(1, "error", HADRON_ERR_DEPENDENCY, "strategy misbehave: create failed: a needed program or library is missing: no licence");
  run_step(5, "error", HADRON_ERR_RANGE, "strategy misbehave: the callback failed: value out of range: the tick is bad");
}

// Processes that would leave the group and outlive it: none comes into being, root or not.
static void it_breeds(void **state) {
  (void)state;
  for (size_t i = 0; i < STEPS; i++)
    if (steps[i].code != 0) run_step(i, "fork", steps[i].code, "");
}

// Eight at once: any thread may ask.
static void *hang(void *user) {
  size_t i = *(const size_t *)user;
  char order[32], words[96];
  struct state given = good_state(0);
  snprintf(order, sizeof order, "%s:hang", steps[i].order);
  struct artifact a = misbehave(order);
  struct hd_probe_request q = request_of(a);
  struct hd_probe_result r;
  struct hd_fault fault = {0};
  q.state = &given, q.state_size = sizeof given, q.timeout_ns = INT64_C(6000000000);
  int32_t err = hd_probe(&q, &r, &fault);
  close(a.fd);
  snprintf(words, sizeof words, "%.*s did not come back: the child was killed after 6.00 s", (int)strlen(steps[i].step) - 2, steps[i].step);
  if (err == HADRON_ERR_TIMEOUT && strstr(fault.text, words) != NULL) return NULL;
  fprintf(stderr, "%s: found %d: %s\n", order, err, fault.text);
  return user;
}

static void it_hangs(void **state) {
  (void)state;
  uint32_t descriptors = open_descriptors();
  pthread_t threads[STEPS];
  size_t numbers[STEPS], failed = 0;
  for (size_t i = 0; i < STEPS; i++) {
    numbers[i] = i;
    assert_int_equal(pthread_create(&threads[i], NULL, hang, &numbers[i]), 0);
  }
  for (size_t i = 0; i < STEPS; i++) {
    void *wrong;
    assert_int_equal(pthread_join(threads[i], &wrong), 0);
    failed += wrong != NULL;
  }
  assert_int_equal(failed, 0);
  nothing_is_left(descriptors);
}

// ---- states, digests, requests

static void states(void **state) {
  (void)state;
  struct artifact a = misbehave("");
  struct hd_probe_request q = request_of(a);
  struct state given = good_state(1000000);
  q.state = &given, q.state_size = sizeof given;
  struct hd_probe_result r = probe(&q);
  assert_true(r.state_load_ns > 0);
  given.seen++; // the checksum is of another
  expect("damaged state", &q, HADRON_ERR_CORRUPT, "load state: ");
  given = good_state(UINT64_C(1) << 40); // one that it does not take
  expect("refused state", &q, HADRON_ERR_CORRUPT, "load state: ");
  given = good_state(5);
  given.header.schema = 3;
  expect("state of tomorrow", &q, HADRON_ERR_UNSUPPORTED, "takes schema 1 to 2, found 3");
  q.state_size = sizeof given - 1;
  expect("cut state", &q, HADRON_ERR_CORRUPT, "load state: ");
  // What it saves it must be able to load.
  struct hd_param_value lie = {"order", "save:lie", NULL};
  q.state = NULL, q.state_size = 0, q.params = &lie, q.param_count = 1;
  expect("lie", &q, HADRON_ERR_CORRUPT, "second load state: ");
  close(a.fd);
}

static void requests(void **state) {
  (void)state;
  struct artifact a = misbehave("");
  struct hd_probe_request q = request_of(a);
  q.digest[31] ^= 1;
  expect("digest", &q, HADRON_ERR_CORRUPT, "load: some/where/plugin.so: SHA-256: expected ");
  q = request_of(a);
  struct hd_param_value odd[] = {{"odrer", "x:y", "demo.lua:3"}, {"at", "0", "demo.lua:4"}, {"at", "20", NULL}};
  q.params = odd, q.param_count = 1;
  expect("unknown parameter", &q, HADRON_ERR_NOT_FOUND, "params: demo.lua:3: ");
  q.params = odd + 1;
  expect("parameter out of range", &q, HADRON_ERR_RANGE, "params: demo.lua:4: ");
  // Failing callbacks that are put up with.
  struct hd_param_value sometimes[] = {{"order", "tick:error", NULL}, {"at", "600", NULL}};
  q.params = sometimes, q.param_count = 2, q.errors_max = 1000;
  struct hd_probe_result r = probe(&q);
  assert_true(r.errors > 10 && r.errors < r.callbacks);
  q.errors_max = 3;
  expect("one error too many", &q, HADRON_ERR_RANGE, "on_tick 603: ");
  struct hd_probe_instrument backwards[] = {{.id = 9}, {.id = 8}};
  q = request_of(a);
  q.instruments = backwards, q.instrument_count = 2;
  expect("order of instruments", &q, HADRON_ERR_ARGUMENT, "found 8 in place 1");
  close(a.fd);
}

static void given_ticks(void **state) {
  (void)state;
  struct artifact a = misbehave("");
  struct hd_probe_request q = request_of(a);
  struct hd_probe_instrument own = {.id = 77, .name = "OWN", .increment = {5}, .lot = {HADRON_QUANTITY_SCALE}};
  static struct hadron_tick ticks[500];
  for (uint32_t i = 0; i < 500; i++)
    ticks[i] = (struct hadron_tick){.event_ns = 1000 + i, .recv_ns = 1000 + i, .sequence = 1 + i, .instrument = i % 5 ? 77 : 78, .venue = 1, .kind = HADRON_TICK_TRADE,
                                    .value.trade = {.price = {HADRON_PRICE_SCALE}, .quantity = {HADRON_QUANTITY_SCALE}}};
  q.instruments = &own, q.instrument_count = 1, q.ticks = ticks, q.tick_count = 500;
  struct hd_probe_result r = probe(&q);
  assert_int_equal(r.callbacks, 400); // the others are of an instrument that is not its own
  assert_int_equal(r.decisions, 40);
  close(a.fd);
}

// A file that is not sealed is copied before it is run, and a script is a plugin like any other.
static void files_and_scripts(void **state) {
  (void)state;
  const char *path = test_plugin_path("misbehave");
  struct test_file f = test_read_file(path);
  struct artifact a = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
  hd_sha256(f.bytes, f.size, a.digest);
  free(f.bytes);
  struct hd_probe_request q = request_of(a);
  assert_int_equal(probe(&q).manifest.kind, HADRON_KIND_STRATEGY);
  close(a.fd);
  static const char script[] = "-- hadron: strategy probe_me 2.0.1\n"
                               "-- requires: hadron.strategy/1\n"
                               "return hadron.strategy { on_trade = function(self, price, size, market) end }\n";
  a = seal(script, sizeof script - 1);
  q = request_of(a);
  q.path = "probe_me.lua";
  struct hd_probe_result r;
  struct hd_fault fault = {0};
  if (hd_probe(&q, &r, &fault)) fail_msg("%s", fault.text);
  assert_string_equal(r.manifest.version, "2.0.1");
  close(a.fd);
}

int main(void) {
  // Whoever outlives a child becomes ours, so that waiting finds it.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_good_strategy_passes), cmocka_unit_test(every_kind_passes), cmocka_unit_test(it_ends_the_process), cmocka_unit_test(it_returns_an_error), cmocka_unit_test(it_breeds),
      cmocka_unit_test(it_hangs),               cmocka_unit_test(states),            cmocka_unit_test(requests),            cmocka_unit_test(given_ticks),
      cmocka_unit_test(files_and_scripts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
