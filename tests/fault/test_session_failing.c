// Promise: whatever request for memory fails while a whole session is opened, trades, changes a version, takes a snapshot, closes and is recovered,
// and whatever call of the disk, the host does not crash, loses no memory (under the address sanitizer), ends with a clean error or with the result
// that it would have had, and leaves a journal that is good and that the next start recovers from. How: each life is a process of its own on a
// disk in memory, over ticks that are recorded; the Nth request or call fails, alone or with all after it. There are too many for every run: some are
// drawn (the seed is printed), all are tried with HADRON_FAILING_ALL=1 in the environment.
#include "support/failing_alloc.h"

#include <errno.h>
#include <execinfo.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "journal/verify.h"
#include "lua/runtime.h"
#include "runtime/change.h"
#include "runtime/recover.h"
#include "runtime/snapshot.h"
#include "support/memory_disk.h"
#include "support/session_run.h"

#define ROOM (1u << 20)
#define MET 40 // exit status of a life that met its fault and is fine; 0: it never came to it
#define WRONG 41
#define LIVES 60

static const char text[] = "return { mode = 'paper', universe = { max = 8 }, account = { cash = '10000000' }, report = { equity_every = '10s' }, registry = { enabled = false },\n"
                           "engine = { lane_ticks = 64 }, gateway = { orders_max = 512, ids_max = 4096 }, journal = { segment = '256KiB' },\n"
                           "venues = { memory = { params = { count = 2500, instruments = 3, quotes = true } }, sim = {} },\n"
                           "strategies = { maker = { plugin = 'market_maker', universe = { 'MAA*' } }, sma = { params = { fast = 3, slow = 9, size = '7' } } } }\n";

static struct session_run run;
static struct memory_disk disk;
static const struct hd_plugin *other; // a second version of sma
static char expected[HD_DIGEST_TEXT];

// What a life is about; in its process.
static struct {
  bool swaps, swapped;
  uint64_t told;  // alerts, and records that were refused
  struct hd_fault fault;
} life;

__attribute__((format(printf, 2, 3))) static void wrong(const char *what, const char *format, ...) {
  char words[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  fprintf(stderr, "%s: %s\n", what, words);
  backtrace_symbols_fd(test_alloc.frames, test_alloc.depth, 2); // of the request
  _exit(WRONG);
}

static struct hd_session_options options_of(bool recover) {
  return (struct hd_session_options){.journal = true, .digest = true, .is_virtual = true, .recover = recover, .versions = true, .disk = &disk.disk, .now_ns = 1};
}

static int32_t change_version(struct hd_fault *fault) {
  static struct hd_deployment want;
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX] = {other};
  struct hd_changed changed;
  struct hd_change *change;
  want = (struct hd_deployment){.name = "sma", .plugin = "sma", .kind = HADRON_KIND_STRATEGY, .enabled = true, .split = HD_SPLIT_CAPITAL, .revision = 2, .arm_count = 1,
                                .budget = {.action = HD_BUDGET_WARN}};
  want.arms[0] = (struct hd_deployment_arm){.role = HD_ROLE_LIVE, .weight = 1, .version = "1.0.1"};
  memcpy(want.arms[0].digest, other->digest, sizeof want.arms[0].digest);
  int32_t code = hd_change_create(&run.session, &want, plugins, &change, fault);
  if (code) return code;
  code = hd_change_stage(change, fault);
  if (!code) code = hd_change_commit(change, &changed, fault);
  hd_change_destroy(change);
  return code;
}

static void on_progress(void *user, const struct hd_replay_progress *at) {
  struct hd_fault fault = {0};
  (void)user;
  run.session.runner.tick_limit = UINT64_MAX;
  if (!life.swaps || life.swapped || at->ticks == 0) return;
  life.swapped = true;
  (void)change_version(&fault); // refused, or done: the old version or the new one goes on
}

static int32_t take_snapshot(struct hd_session *s, struct hd_fault *fault) {
  struct hd_snapshot snapshot = {0};
  int32_t code = hd_snapshot_take(s, &snapshot, fault);
  if (!code) code = hd_snapshot_put(s->journal, &snapshot, fault);
  hd_snapshot_fini(&snapshot);
  return code;
}

// Opens, trades, takes a snapshot, closes; then is recovered. The first error.
static int32_t live(char digest[HD_DIGEST_TEXT]) {
  struct hd_session_options options = options_of(false);
  struct hd_fault fault = {0};
  struct hd_replay replay;
  digest[0] = 0;
  life.swapped = false;
  int32_t code = session_run_open(&run, &options, &life.fault);
  if (!code) {
    run.session.runner.tick_limit = 1200;
    code = hd_replay_init(&replay, &run.session, &(struct hd_replay_options){.progress = on_progress});
    if (!code) code = hd_replay_run(&replay, &life.fault);
    if (!code) hd_replay_fini(&replay);
  }
  if (!code && run.session.journal) (void)hd_journal_maintain(run.session.journal, &fault);
  int32_t taken = code ? 0 : take_snapshot(&run.session, &fault); // without it more is read
  (void)taken;
  if (!code) hd_digest_text(&run.session.digest, digest);
  life.told = atomic_load(&run.session.alerts) + atomic_load(&run.session.pipeline.sink_errors);
  hd_session_close(&run.session);
  memory_disk_kill(&disk);
  options = options_of(true);
  int32_t again = session_run_open(&run, &options, code ? &fault : &life.fault);
  hd_session_close(&run.session);
  memory_disk_kill(&disk);
  return code ? code : again;
}

// What is left is good, and a start without the fault recovers from it.
static void judge(const char *what, bool exact) {
  struct hd_journal_verdict v;
  struct hd_fault fault = {0};
  disk.fail_at = 0;
  char dir[sizeof run.config.data_dir + 16];
  snprintf(dir, sizeof dir, "%s/journal", run.config.data_dir);
  int32_t code = hd_journal_verify(&disk.disk, dir, NULL, &v, &fault);
  if (code && code != HADRON_ERR_NOT_FOUND) wrong(what, "the journal: %s", fault.text);
  const struct hd_session_options options = options_of(true);
  if (session_run_open(&run, &options, &fault)) wrong(what, "the next start: %s", fault.text);
  if (hd_portfolio_check(&run.session.pipeline.portfolio, &fault)) wrong(what, "books: %s", fault.text);
  const struct hd_recovered *r = hd_session_recovered(&run.session);
  if (exact && r && r->differences) wrong(what, "%" PRIu64 " records of the journal do not agree with each other", r->differences);
  hd_session_close(&run.session);
}

// Errors in words, of a code that means what has failed.
static void clean(const char *what, int32_t code, bool memory) {
  bool is = code == HADRON_ERR_MEMORY || code == HADRON_ERR_PLUGIN /* the system's loader had none */ || (!memory && (code == HADRON_ERR_IO || code == HADRON_ERR_FULL || code == HADRON_ERR_EXISTS || code == HADRON_ERR_NOT_FOUND));
  if (!is) wrong(what, "expected an error of memory or of the disk, found %s: %s", hadron_error_name(code), life.fault.text);
  if (!life.fault.text[0]) wrong(what, "%s without a word", hadron_error_name(code));
}

// ---- lives, each in a process ---------------------------------------------------------------------------------------------------------

struct failure {
  bool memory;
  int kind, error;    // of a call of the disk
  uint64_t at, during; // the Nth; so many in a row
};

static void name_of(const struct failure *f, char what[128]) {
  if (f->memory) snprintf(what, 128, "%s: request %" PRIu64 " for memory fails%s", life.swaps ? "a change of version" : "a session", f->at, f->during > 1 ? ", and all after it" : "");
  else snprintf(what, 128, "%s: %s number %" PRIu64 " fails with %s%s", life.swaps ? "a change of version" : "a session", f->kind < 0 ? "call" : memory_calls[f->kind], f->at, strerror(f->error),
                f->during > 1 ? ", and all after it" : "");
}

static int live_and_judge(const struct failure *f) {
  char what[128], digest[HD_DIGEST_TEXT];
  name_of(f, what);
  memory_disk_init(&disk, ROOM);
  for (int i = 0; i < MEMORY_FILES; i++) disk.files[i].now = calloc(2, ROOM); // the disk's own memory is not what is tried
  disk.fail_kind = f->kind;
  disk.fail_error = f->error;
  disk.fail_at = f->memory ? 0 : f->at;
  disk.fail_for = f->during;
  test_alloc.traces = true;
  if (f->memory) test_alloc_begin(f->at, f->during);
  int32_t code = live(digest);
  test_alloc_end();
  uint64_t met = f->memory ? test_alloc.failed : disk.failed;
  if (code) clean(what, code, f->memory);
  // A change of version that did not come about leaves other numbers behind; what was refused, because there was no next segment for it, was told.
  if (!code && f->memory && !life.swaps && !life.told && strcmp(digest, expected) != 0) wrong(what, "it ended well, with another result");
  judge(what, f->memory);
  memory_disk_fini(&disk);
  return met ? MET : 0;
}

// True: it met its fault.
static bool lives_through(const struct failure *f) {
  char what[128];
  name_of(f, what);
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(120);
#if TEST_ALLOC_SEES_ALL
    const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], SIG_DFL); // the test's own would go on with the next test
#endif
    int status = live_and_judge(f);
    hd_config_fini(&run.config);
    exit(status); // with whatever the sanitizer has to say
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) fail_msg("%s: the process died of signal %d", what, WTERMSIG(status));
  if (WEXITSTATUS(status) != MET && WEXITSTATUS(status) != 0) fail_msg("%s: exit status %d", what, WEXITSTATUS(status));
  return WEXITSTATUS(status) == MET;
}

// HADRON_FAILING_AT=N: that one alone.
static uint64_t alone(void) {
  const char *wanted = getenv("HADRON_FAILING_AT");
  return wanted ? strtoull(wanted, NULL, 10) : 0;
}

static bool all_of_them(void) { return getenv("HADRON_FAILING_ALL") != NULL; }

// Without a fault: what is to come out, and how many requests and calls there are.
static void measure(bool swaps, uint64_t *requests, uint64_t *calls) {
  int ends[2];
  uint64_t counted[2];
  life.swaps = swaps;
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    char digest[HD_DIGEST_TEXT];
    memory_disk_init(&disk, ROOM);
    disk.fail_kind = -1;
    test_alloc_begin(0, 0);
    int32_t code = live(digest);
    test_alloc_end();
    if (code) wrong("without a fault", "%s", life.fault.text);
    if (swaps && !life.swapped) wrong("without a fault", "no change of version came about");
    counted[0] = test_alloc.asked, counted[1] = disk.calls;
    if (write(ends[1], counted, sizeof counted) != sizeof counted || write(ends[1], digest, sizeof digest) != sizeof digest) _exit(WRONG);
    _exit(0);
  }
  close(ends[1]);
  assert_int_equal(read(ends[0], counted, sizeof counted), sizeof counted);
  assert_int_equal(read(ends[0], expected, sizeof expected), sizeof expected);
  close(ends[0]);
  assert_int_equal(waitpid(child, NULL, 0), child);
  *requests = counted[0], *calls = counted[1];
}

static void requests_fail(bool swaps) {
  struct hd_random random = test_random();
  uint64_t requests, calls, met = 0, lives = 0;
  measure(swaps, &requests, &calls);
  assert_true(requests > 100);
  for (uint64_t n = 1; n <= (alone() ? 4 : all_of_them() ? requests + 1 : LIVES); n++, lives++) {
    struct failure f = {.memory = true, .kind = -1, .at = alone() ? alone() : all_of_them() ? n : 1 + hd_random_below(&random, requests), .during = n % 4 == 0 ? UINT64_MAX : 1};
    met += lives_through(&f);
  }
  print_message("%" PRIu64 " requests for memory, %" PRIu64 " lives, %" PRIu64 " met their fault\n", requests, lives, met);
  assert_true(met >= lives * 8 / 10);
}

static void memory_of_a_session(void **state) {
  (void)state;
  requests_fail(false);
}

static void memory_of_a_change(void **state) {
  (void)state;
  requests_fail(true);
}

static void calls_fail(bool swaps) {
  static const int errors[] = {EIO, ENOSPC, ENOMEM};
  struct hd_random random = test_random();
  uint64_t requests, calls, met = 0, lives = 0;
  measure(swaps, &requests, &calls);
  assert_true(calls > 50);
  for (uint64_t n = 1; n <= (all_of_them() ? 3 * calls : LIVES); n++, lives++) {
    struct failure f = {.kind = -1, .error = errors[n % 3], .at = all_of_them() ? 1 + n / 3 : 1 + hd_random_below(&random, calls), .during = n % 5 == 0 ? UINT64_MAX : 1};
    met += lives_through(&f);
  }
  print_message("%" PRIu64 " calls of the disk, %" PRIu64 " lives, %" PRIu64 " met their fault\n", calls, lives, met);
  assert_true(met >= lives * 6 / 10);
}

static void disk_of_a_session(void **state) {
  (void)state;
  calls_fail(false);
}

static void disk_of_a_change(void **state) {
  (void)state;
  calls_fail(true);
}

// A copy of a plugin with other bytes: the same behaviour under another digest.
static void version_make(void) {
  char from[TEST_PATH_SIZE], to[TEST_PATH_SIZE];
  struct hd_fault fault;
  size_t size;
  test_path(from, getenv("HADRON_PLUGIN_DIR"), "sma.so");
  unsigned char *bytes = test_file_read(from, &size);
  bytes = realloc(bytes, size + 8);
  memcpy(bytes + size, "-- v 1\n\n", 8);
  test_path(to, run.dir, "other.so");
  test_file_write(to, bytes, size + 8);
  free(bytes);
  if (hd_plugin_open(to, &hd_lua_language, &other, &fault)) fail_msg("%s", fault.text);
}

static int open_all(void **state) {
  (void)state;
  session_run_load(&run, text, NULL);
  version_make();
  return 0;
}

static int close_all(void **state) {
  (void)state;
  run.opened = false;
  session_run_close(&run);
  return 0;
}

int main(void) {
  hd_log_level(HADRON_LOG_ERROR + 1);
  const struct CMUnitTest tests[] = {cmocka_unit_test(memory_of_a_session), cmocka_unit_test(memory_of_a_change), cmocka_unit_test(disk_of_a_session),
                                     cmocka_unit_test(disk_of_a_change)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
