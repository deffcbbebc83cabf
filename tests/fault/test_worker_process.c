// Promise: a strategy in a worker process decides what it decides inline, bit for bit, with shared objects and scripts, over one instrument or many, also
// before the first tick; one that is told to begin anew does; and
// whatever it does to itself - crashes, aborts, exits, overflows its stack, eats its memory, hangs, floods, reaches for what is not its own - ends that process
// alone: the host hears how, starts it again up to five times within 30 s, then gives it up; nothing is left of any of them.
#include "support/worker_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sanitized.h"
#include "support/plugin.h"

static struct worker_rig rig;

static void nothing_is_left(void) {
  errno = 0;
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
  assert_int_equal(errno, ECHILD);
}

// After each case, also one that failed in the middle: the next one finds nothing of it.
static int tear_down(void **state) {
  (void)state;
  worker_rig_close(&rig);
  return 0;
}

static void same(const char *plugin, uint32_t instruments, const char *const *params) {
  struct walk walk;
  struct hadron_tick tick;
  struct hd_channel_note note;
  struct hd_random random = test_random();
  char words[300] = "";
  worker_rig_open(&rig, plugin, instruments, params, NULL);
  inline_rig_start(&rig.in);
  if (worker_rig_make(&rig, words, sizeof words)) fail_msg("%s", words);
  walk_init(&walk, hd_random_next(&random), instruments);
  for (int i = 0; i < 20000; i++) {
    bool is_tick = walk_next(&walk, &tick, &note);
    if (is_tick) inline_rig_tick(&rig.in, &tick);
    else inline_rig_note(&rig.in, &note);
    assert_true(is_tick ? hd_channel_tick(&rig.channel, &tick) : hd_channel_note(&rig.channel, &note));
    if (hd_random_next(&random) % 100 == 0) hd_channel_ring(&rig.channel);
    if (i % 1000 == 999) worker_rig_wait_handled(&rig); // the rings of the channel are not what is tested here
  }
  worker_rig_wait_handled(&rig);
  assert_true(rig.in.decisions.count > 20);
  decision_list_same(&rig.in.decisions, &rig.decisions);
  assert_int_equal(rig.ended, 0);
  worker_rig_close(&rig);
  nothing_is_left();
}

static void a_shared_object(void **state) {
  (void)state;
  same("sma.so", 5, (const char *const[]){"fast", "5", "slow", "20", NULL});
}
static void a_universe(void **state) {
  (void)state;
  same("pairs.so", 2, (const char *const[]){"window", "20", "sample", "1s", "entry", "1.0", "leave", "0.2", NULL});
}
static void a_script(void **state) {
  (void)state;
  same("-- hadron: strategy everything 1.0.0\n-- description: bars, timers, chance\n-- requires: hadron.strategy/1 hadron.timer/1 hadron.features/1\n"
       "return hadron.strategy {\n"
       "  triggers = { 'trade', 'quote' },\n  bars = { { kind = 'time', interval = '5s' } },\n"
       "  on_start = function(self) self.n = 0 end,\n"
       "  on_tick = function(self, tick, market)\n"
       "    self.n = self.n + 1\n    if self.n % 11 == 0 then self:after(hadron.duration('3s'), self.n) end\n"
       "    if math.random() < 0.05 then self:target(market.position + hadron.quantity('1'), { mean = market.volatility }) end\n  end,\n"
       "  on_bar = function(self, bar, market) if bar.close > bar.open then self:buy(hadron.quantity('2')) end end,\n"
       "  on_timer = function(self, id, due, market) self:sell(hadron.quantity('1')) end,\n"
       "  on_execution = function(self, a, market) self:target(0) end,\n"
       "  on_order = function(self, e, market) if market.position > 0 then self:target(hadron.quantity('1')) end end,\n}\n",
       4, NULL);
}

static void has_line(const char *path, const char *line) {
  char text[8192];
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[size] = 0;
  if (!strstr(text, line)) fail_msg("%s: expected \"%s\" in:\n%s", path, line, text);
}

// What comes of it when another process of this user, without capabilities, opens the file. 0: it may.
static int looks(const char *path) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) _exit(syscall(SYS_capset, &header, none) != 0 ? 255 : open(path, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

// Only what loaders and sanitizers read is handed on to it.
static void environment_of(const char *path) {
  char text[8192] = "";
  FILE *file = fopen(path, "re");
  if (!file) return; // only root may look
  size_t size = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  for (const char *at = text; at < text + size; at += strlen(at) + 1)
    if (strncmp(at, "LD_LIBRARY_PATH=", 16) != 0 && !strstr(at, "SAN_OPTIONS=")) fail_msg("a worker knows of \"%s\"", at);
}

// The walls of docs/worker.md stand around each of its threads, those of libraries that were there before the plugin among them.
static void around_all_threads(void **state) {
  static const char *const lines[] = {"\nSeccomp:\t2\n", "\nNoNewPrivs:\t1\n", "\nCapEff:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n"};
  static const char *const limits[] = {"\nMax core file size        1                    1 ", "\nMax file size             0                    0 ",
                                       "\nMax locked memory         0                    0 ", "\nMax msgqueue size         0                    0 "};
  char words[300] = "", path[400];
  struct hd_worker_figures figures;
  uint32_t threads = 0;
  (void)state;
  worker_rig_open(&rig, "sma.so", 1, NULL, NULL);
  if (worker_rig_make(&rig, words, sizeof words)) fail_msg("%s", words);
  hd_worker_read(rig.worker, &figures);
  snprintf(path, sizeof path, "/proc/%d/task", figures.pid);
  DIR *tasks = opendir(path);
  assert_non_null(tasks);
  for (const struct dirent *e; (e = readdir(tasks));) {
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/status", figures.pid, e->d_name);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) has_line(path, lines[i]);
    threads++;
  }
  closedir(tasks);
  assert_true(threads > 1);
  snprintf(path, sizeof path, "/proc/%d/limits", figures.pid);
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) has_line(path, limits[i]);
  snprintf(path, sizeof path, "/proc/%d/mem", figures.pid);
  assert_int_equal(looks(path), EACCES);
  snprintf(path, sizeof path, "/proc/%d/environ", figures.pid); // what it was started with stays in its memory, whatever it forgets
  assert_int_equal(looks(path), EACCES);
  environment_of(path);
  worker_rig_close(&rig);
}

static void give_tick(uint64_t sequence, uint32_t instrument, int64_t at_ns) {
  const struct hadron_tick t = {.event_ns = at_ns, .recv_ns = at_ns, .sequence = sequence, .instrument = instrument, .venue = 1, .kind = HADRON_TICK_TRADE,
                                .value.trade = {.price.nanos = INT64_C(100000000000), .quantity.e8 = 100000000}};
  inline_rig_tick(&rig.in, &t);
  assert_true(hd_channel_tick(&rig.channel, &t));
}

static void give_fill(uint32_t instrument, int64_t at_ns) {
  const struct hd_channel_note n = {.kind = HADRON_MSG_ALLOCATION, .view = {.position = {100000000}, .arm = INLINE_ARM, .instrument = instrument},
                                    .of.allocation = {.time_ns = at_ns, .arm = INLINE_ARM, .instrument = instrument, .quantity = {100000000}}};
  inline_rig_note(&rig.in, &n);
  assert_true(hd_channel_note(&rig.channel, &n));
}

// A fill or a timer comes before the first tick of its instrument: no tick is the cause of what is decided then, whatever others have had.
static void before_the_first_tick(void **state) {
  const int64_t at_ns = INT64_C(1704205800000000000);
  char words[300] = "";
  (void)state;
  worker_rig_open(&rig, "-- hadron: strategy early 1.0.0\n-- description: fills and timers\n-- requires: hadron.strategy/1 hadron.timer/1\n"
                        "return hadron.strategy { triggers = { 'trade' }, on_start = function(self) self:after(hadron.duration('3s'), 7) end,\n"
                        "  on_tick = function(self, tick, market) self:buy(hadron.quantity('1')) end,\n"
                        "  on_timer = function(self, id, due, market) self:sell(hadron.quantity('2')) end,\n"
                        "  on_execution = function(self, a, market) self:target(0) end }\n", 3, NULL, NULL);
  inline_rig_start(&rig.in);
  if (worker_rig_make(&rig, words, sizeof words)) fail_msg("%s", words);
  give_fill(1, at_ns);
  worker_rig_wait_handled(&rig); // nobody has had a tick when it is decided
  give_fill(2, at_ns + 1);
  give_tick(1, 1, at_ns + 2); // the timers of all three count from here
  give_fill(3, at_ns + 3);
  give_fill(1, at_ns + 4);
  give_tick(2, 2, at_ns + INT64_C(4000000000)); // and are due before it
  worker_rig_wait_handled(&rig);
  static const struct { uint64_t cause; uint32_t instrument; } expected[] = {{0, 1}, {0, 2}, {1, 1}, {0, 3}, {1, 1}, {1, 1}, {0, 2}, {0, 3}, {2, 2}};
  assert_int_equal(rig.in.decisions.count, sizeof expected / sizeof *expected);
  for (uint32_t i = 0; i < rig.in.decisions.count; i++) {
    assert_int_equal(rig.in.decisions.rows[i].cause, expected[i].cause);
    assert_int_equal(rig.in.decisions.rows[i].instrument, expected[i].instrument);
  }
  decision_list_same(&rig.in.decisions, &rig.decisions);
  worker_rig_close(&rig);
  nothing_is_left();
}

// What was asked of a worker that ended in its first moments reaches the one after it, whose own CREATE comes behind: it begins anew by that.
static void made_twice(void **state) {
  char words[300] = "";
  (void)state;
  worker_rig_open(&rig, "-- hadron: strategy counts 1.0.0\n-- description: how many ticks it has had\n-- requires: hadron.strategy/1\n"
                        "return hadron.strategy { triggers = { 'trade' }, on_start = function(self) self.had = 0 end,\n"
                        "  on_tick = function(self, tick, market) self.had = self.had + 1; self:target(hadron.quantity(tostring(self.had))) end }\n", 1, NULL, NULL);
  inline_rig_start(&rig.in);
  for (uint64_t life = 0; life < 3; life++) {
    if (worker_rig_make(&rig, words, sizeof words)) fail_msg("%s", words);
    for (uint64_t i = 1; i <= 5; i++) give_tick(life * 5 + i, 1, INT64_C(1704205800000000000) + (int64_t)(life * 5 + i));
    worker_rig_wait_handled(&rig);
  }
  assert_int_equal(rig.decisions.count, 15);
  for (uint32_t i = 0; i < 15; i++) assert_int_equal(rig.decisions.rows[i].quantity.e8, (i % 5 + 1) * INT64_C(100000000));
  assert_int_equal(rig.ended, 0);
  worker_rig_close(&rig);
  nothing_is_left();
}

// ---- what it does to itself

static void feed(uint32_t from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct hadron_tick t = {.event_ns = INT64_C(1704205800000000000) + i, .recv_ns = INT64_C(1704205800000000000) + i, .sequence = from + i, .instrument = 1, .venue = 1, .kind = HADRON_TICK_TRADE,
                            .value.trade = {.price.nanos = INT64_C(100000000000), .quantity.e8 = 100000000}};
    hd_channel_tick(&rig.channel, &t);
  }
  hd_channel_ring(&rig.channel);
}

static const struct {
  const char *order;
  const char *words; // part of how it ended
  bool sanitized;    // a sanitizer lets it come to that
} ends[] = {
    {"tick:segv", "signal 11", false},      {"tick:null", "on_tick ended in SIGSEGV", false}, {"tick:bus", "signal 7", false}, {"tick:fpe", "signal 8", false}, {"tick:ill", "signal 4", false},
    {"tick:abort", "the world is not", false}, {"tick:stack", "on_tick ended in SIGSEGV", false}, {"tick:exit", "exit code 0", true}, {"tick:memory", "signal 6", false}, {"tick:hang", "it hangs", true},
    {"start:segv", "start ended in SIGSEGV", false}, {"params:null", "create ended in SIGSEGV", false}, {"start:exit", "exit code 0", true}, {"params:hang", "it hangs", true},
};

static void whatever_it_does(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    if (HD_SANITIZED && !ends[i].sanitized) continue;
    bool in_tick = strncmp(ends[i].order, "tick", 4) == 0;
    const struct hd_worker_options with = {.memory_max = UINT64_C(512) << 20, .hang_ns = strstr(ends[i].order, "hang") == NULL ? 60000000000 : HD_SANITIZED ? 2000000000 : 400000000};
    char words[300] = "", path[TEST_PATH_SIZE];
    snprintf(path, sizeof path, "%s", test_plugin_path("misbehave"));
    worker_rig_open(&rig, path, 1, (const char *const[]){"order", in_tick ? ends[i].order : "", NULL}, &with);
    if (!in_tick) { // inline it must not
      char *at = strstr(rig.json, "\"order\",\"text\":\"\""), *old = rig.json;
      assert_non_null(at);
      size_t room = strlen(old) + 64;
      rig.json = malloc(room);
      snprintf(rig.json, room, "%.*s\"order\",\"text\":\"%s\"%s", (int)(at - old), old, ends[i].order, at + strlen("\"order\",\"text\":\"\""));
      free(old);
    }
    int32_t code = worker_rig_make(&rig, words, sizeof words);
    if (in_tick && code) fail_msg("%s: %s", ends[i].order, words);
    feed(1, 40);
    uint32_t next = worker_rig_wait_ended(&rig, 1);
    print_message("%s: %s\n", ends[i].order, rig.words);
    if (!strstr(rig.words, ends[i].words)) fail_msg("%s: expected \"%s\", found \"%s\"", ends[i].order, ends[i].words, rig.words);
    assert_int_equal(next, HD_WORKER_WAITS);
    worker_rig_close(&rig);
    nothing_is_left();
  }
}

// Nobody makes it again: what ends at its start ends each time. Before each start it waits twice as long.
static void given_up(void **state) {
  (void)state;
  int64_t ended_ns = 0, delay_ns = HD_WORKER_DELAY_NS;
  const struct hd_worker_options with = {.hang_ns = INT64_C(60000000000), .restarts_max = 5};
  worker_rig_open(&rig, "sma.so", 1, NULL, &with);
  for (uint64_t i = 1; i <= 6; i++) {
    struct hd_worker_figures f;
    while (hd_worker_read(rig.worker, &f), f.pid == 0) sched_yield();
    if (i > 1 && hd_clock_monotonic_ns() - ended_ns < delay_ns) fail_msg("start %llu: too early", (unsigned long long)i);
    delay_ns *= i > 1 ? 2 : 1;
    ended_ns = hd_clock_monotonic_ns(); // or a little later
    hd_worker_kill(rig.worker, "by a test");
    assert_int_equal(worker_rig_wait_ended(&rig, i), i < 6 ? HD_WORKER_WAITS : HD_WORKER_GIVEN_UP);
    assert_non_null(strstr(rig.words, "by a test; killed"));
  }
  struct hd_worker_figures f;
  hd_worker_read(rig.worker, &f);
  assert_int_equal(f.pid, 0);
  assert_int_equal(f.restarts, 5);
  assert_int_equal(f.state, HD_WORKER_GIVEN_UP);
  worker_rig_close(&rig);
  nothing_is_left();
}

// Ended from outside while it works, again and again: every decision comes once, in order, and each of them is one that an instance which began where
// the last one was made would have decided. The market is fed on and on; what a worker had not got to is lost, never given twice.
static void killed_under_load(void **state) {
  (void)state;
  const struct hd_worker_options with = {.hang_ns = INT64_C(60000000000), .restarts_max = 1000, .delay_max_ns = 40000000};
  struct hd_random random = test_random();
  struct walk walk;
  struct hadron_tick tick;
  struct hd_channel_note note;
  char words[300] = "";
  uint64_t cause = 0;
  worker_rig_open(&rig, "sma.so", 2, (const char *const[]){"fast", "2", "slow", "4", NULL}, &with);
  walk_init(&walk, hd_random_next(&random), 2);
  for (uint64_t i = 1; i <= 30; i++) {
    if (worker_rig_make(&rig, words, sizeof words)) fail_msg("life %llu: %s", (unsigned long long)i, words);
    uint32_t count = 400 + (uint32_t)hd_random_below(&random, 1000), enough = rig.decisions.count + 1 + (uint32_t)hd_random_below(&random, 10);
    for (uint32_t k = 0; k < count; k++) {
      while (!walk_next(&walk, &tick, &note)) continue;
      assert_true(hd_channel_tick(&rig.channel, &tick));
      if (k % 64 == 0) hd_channel_ring(&rig.channel);
    }
    hd_channel_ring(&rig.channel);
    for (int64_t until = hd_clock_monotonic_ns() + INT64_C(60000000000); rig.decisions.count < enough; worker_rig_take(&rig)) assert_true(hd_clock_monotonic_ns() < until);
    struct hd_worker_figures f;
    hd_worker_read(rig.worker, &f);
    assert_true(f.pid > 0);
    kill(f.pid, SIGKILL);
    worker_rig_wait_ended(&rig, i);
    if (strstr(rig.words, "signal 9") == NULL) fail_msg("life %llu: %s", (unsigned long long)i, rig.words);
    worker_rig_take(&rig);
  }
  for (uint32_t i = 0; i < rig.decisions.count; i++) { // an instrument has one decision per tick at most
    assert_true(rig.decisions.rows[i].cause > cause);
    cause = rig.decisions.rows[i].cause;
  }
  print_message("%u decisions of %llu ticks in 30 lives\n", rig.decisions.count, (unsigned long long)walk.sequence);
  assert_true(rig.decisions.count > 100);
  worker_rig_close(&rig);
  nothing_is_left();
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {CASE(a_shared_object), CASE(around_all_threads), CASE(a_universe), CASE(a_script), CASE(before_the_first_tick), CASE(made_twice), CASE(whatever_it_does), CASE(given_up), CASE(killed_under_load)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
