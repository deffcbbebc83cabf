// startup: from the start of a process to a live session that is ready (configuration read, plugins loaded, journal open, venues and
// strategies started, the event loop about to run), against a process that is linked to the same libraries, opens the same plugins
// with dlopen and is ready. Both are this program, started anew each time; the two take turns.
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "runtime/live.h"
#include "support/bench.h"

#define ROUNDS 41
#define GOAL_MS 100.0

extern char **environ;

// The registry is of the whole bench: the first start registers, the others find their versions there, as those of a user do.
static const char config[] = "registry = { url = \"sqlite:%s/registry.db\", store = \"%s/artifacts\", policy = \"off\" },\n"
                             "mode = \"paper\",\n"
                             "venues = { sim = { params = { flow = \"random\", instruments = 10 } } },\n"
                             "strategies = { fast = { plugin = \"sma\", params = { fast = 10, slow = 50 } },\n"
                             "               reverting = { plugin = \"mean_revert\" }, maker = { plugin = \"market_maker\" } },\n";

static void ready(void) {
  if (write(3, "r", 1) != 1) bench_die("nobody waits");
}

static void child_whole(const char *registry) {
  char text[2048];
  static struct bench_session b;
  static struct hd_live live;
  struct hd_fault fault;
  uv_loop_t loop;
  const struct hd_session_options options = {.journal = true, .services = true, .versions = true};
  snprintf(text, sizeof text, config, registry, registry);
  hd_cycles_calibrate();
  bench_session_open(&b, text, &options);
  if (uv_loop_init(&loop) || hd_live_open(&live, &b.session, &loop, 1, &fault)) bench_die("the session did not go live");
  ready();
  hd_live_stop(&live);
  hd_live_run(&live);
  hd_live_close(&live);
  uv_loop_close(&loop);
  bench_session_close(&b);
}

static void child_bare(void) {
  static const char *const plugins[] = {"sim.so", "sma.so", "market_maker.so", "net.so"};
  char path[TEST_PATH_SIZE];
  for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++) {
    char file[64];
    snprintf(file, sizeof file, "build/release/plugins/%s", plugins[i]);
    bench_source_path(path, file);
    if (!dlopen(path, RTLD_NOW | RTLD_LOCAL)) bench_die("%s", dlerror());
  }
  ready();
}

// wall_ns: until it is ready. cpu_ns: of the child's whole life.
static struct bench_time start_child(const char *what, char *registry) {
  char *arguments[] = {program_invocation_name, (char *)(uintptr_t)what, registry, NULL}, byte;
  int ends[2];
  pid_t child;
  int status;
  struct rusage usage;
  posix_spawn_file_actions_t actions;
  if (pipe(ends) || posix_spawn_file_actions_init(&actions) || posix_spawn_file_actions_adddup2(&actions, ends[1], 3)) bench_die("no pipe");
  struct bench_time start = bench_now();
  if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ)) bench_die("cannot start a process");
  close(ends[1]);
  if (read(ends[0], &byte, 1) != 1) bench_die("the process \"%s\" ended before it was ready", what);
  struct bench_time took = bench_since(start);
  close(ends[0]);
  if (wait4(child, &status, 0, &usage) != child || status != 0) bench_die("the process \"%s\" failed", what);
  posix_spawn_file_actions_destroy(&actions);
  took.cpu_ns = ((double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec) * 1e9 + ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) * 1e3;
  return took;
}

int main(int argc, char **argv) {
  struct bench_rounds whole = {.count = 0}, bare = {.count = 0};
  static struct hd_histogram all;
  hd_log_level(HADRON_LOG_ERROR);
  if (hd_cli_is_rehearsal(argc, argv)) hd_cli_rehearse(); // the first start probes what it registers, by this program
  if (argc > 2 && strcmp(argv[1], "--whole") == 0) return child_whole(argv[2]), 0;
  if (argc > 1 && strcmp(argv[1], "--bare") == 0) return child_bare(), 0;
  char registry[TEST_PATH_SIZE];
  test_directory_make(registry);
  for (int i = -1; i < ROUNDS; i++) { // the first fills the page cache and the registry
    struct bench_time w = start_child("--whole", registry), b = start_child("--bare", registry);
    if (i < 0) continue;
    bench_round(&whole, w);
    bench_round(&bare, b);
    hd_histogram_record(&all, (uint64_t)w.wall_ns);
  }
  test_directory_remove(registry);
  struct bench_time w = bench_median(&whole), b = bench_median(&bare);
  const struct bench_result result = {.name = "startup", .unit = "ms", .value = w.wall_ns / 1e6, .baseline = b.wall_ns / 1e6, .ratio = w.wall_ns / b.wall_ns,
                                      .goal = GOAL_MS, .ok = w.wall_ns / 1e6 < GOAL_MS, .json = bench_wants_json(argc, argv), .latency = &all};
  bench_print(&result,
              "\"cpu_ms\": %.2f, \"baseline_cpu_ms\": %.2f, \"rounds\": %d, \"clock\": \"wall time to ready; CPU time of the process to its end\", "
              "\"on\": \"live session in paper mode, sim exchange with 10 instruments, 3 strategies (one in Lua) by the registry, empty journal, new data directory\"",
              w.cpu_ns / 1e6, b.cpu_ns / 1e6, ROUNDS);
  return 0;
}
