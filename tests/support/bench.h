// What measuring programs share: sessions from a configuration's text, the ticks of tests/bench/plugins/memory.c, two clocks, medians,
// and the result as one JSON object with the keys that script/bench.py checks. Whatever goes wrong ends the program with 2.
#ifndef TEST_BENCH_H
#define TEST_BENCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/histogram.h"
#include "runtime/session.h"
#include "support/directory.h"

// A duration by two clocks: on a machine that others use as well, wall time holds what they took.
struct bench_time {
  double wall_ns, cpu_ns; // cpu: of this thread
};
struct bench_time bench_now(void);
struct bench_time bench_since(struct bench_time start);

#define BENCH_ROUNDS_MAX 64
struct bench_rounds {
  struct bench_time of[BENCH_ROUNDS_MAX];
  uint32_t count;
};
void bench_round(struct bench_rounds *r, struct bench_time took);
struct bench_time bench_median(const struct bench_rounds *r); // of each clock
// CPU time of a whole process with all of its threads, ns; 0: this one. What a machine that others use as well does not change much.
double bench_process_cpu(pid_t pid);

_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A session in a directory of its own. `text` is the inside of the configuration's table; data_dir and plugin_path (the build's plugins,
// those of the benches and tests/bench) are put in front of it.
struct bench_session {
  struct hd_config config;
  struct hd_session session;
  struct hd_registry *registry; // with options->versions: the configuration's
  char dir[TEST_PATH_SIZE];
};
void bench_session_open(struct bench_session *b, const char *text, const struct hd_session_options *options);
void bench_session_run(struct bench_session *b); // replays to the end of the sources
void bench_session_close(struct bench_session *b);

// The ticks that the venue `memory` makes as the first venue of a session with seed 1; instruments 1 .. instruments. Owned by the caller.
struct hadron_tick *bench_ticks(uint64_t count, uint32_t instruments);
// A plugin of build/<preset>/plugins, build/<preset>/bench or tests/bench: "sma.so".
const struct hd_plugin *bench_plugin(const char *file);
// A file of the source tree.
void bench_source_path(char path[TEST_PATH_SIZE], const char *file);

struct bench_result {
  const char *name, *unit;
  double value, baseline, ratio, goal;
  bool ok, json;
  const struct hd_histogram *latency; // adds p50_ns, p99_ns, p99_9_ns, max_ns; NULL: none
};
// Prints the object, or a line for a person. `conditions`: further pairs of the object, `"ticks": 5, "on": "..."`, ready made.
void bench_print(const struct bench_result *r, const char *conditions, ...) __attribute__((format(printf, 2, 3)));
bool bench_wants_json(int argc, char **argv);

#endif
