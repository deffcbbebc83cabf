#include "support/bench.h"

#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "lua/runtime.h"
#include "plugin/params.h"
#include "runtime/replay.h"
#include "runtime/session_deploy.h"
#include "support/machine.h"

_Noreturn void bench_die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(2);
}

// ---- clocks ----------------------------------------------------------------------------------------------------------------------

struct bench_time bench_now(void) {
  struct timespec wall, cpu;
  clock_gettime(CLOCK_MONOTONIC, &wall);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  return (struct bench_time){(double)wall.tv_sec * 1e9 + (double)wall.tv_nsec, (double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec};
}

struct bench_time bench_since(struct bench_time start) {
  struct bench_time now = bench_now();
  return (struct bench_time){now.wall_ns - start.wall_ns, now.cpu_ns - start.cpu_ns};
}

double bench_process_cpu(pid_t pid) {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  struct timespec cpu;
  if ((pid && clock_getcpuclockid(pid, &clock)) || clock_gettime(clock, &cpu)) bench_die("the CPU time of process %d is not known", (int)pid);
  return (double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec;
}

void bench_round(struct bench_rounds *r, struct bench_time took) {
  if (r->count == BENCH_ROUNDS_MAX) bench_die("more than %d rounds", BENCH_ROUNDS_MAX);
  r->of[r->count++] = took;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

struct bench_time bench_median(const struct bench_rounds *r) {
  double wall[BENCH_ROUNDS_MAX], cpu[BENCH_ROUNDS_MAX];
  for (uint32_t i = 0; i < r->count; i++) {
    wall[i] = r->of[i].wall_ns;
    cpu[i] = r->of[i].cpu_ns;
  }
  qsort(wall, r->count, sizeof *wall, compare);
  qsort(cpu, r->count, sizeof *cpu, compare);
  return (struct bench_time){wall[r->count / 2], cpu[r->count / 2]};
}

// ---- sessions --------------------------------------------------------------------------------------------------------------------

// build/<preset>: where the benches lie; tests are told by CTest.
static const char *program_directory(void) {
  static char program[PATH_MAX];
  if (getenv("HADRON_BUILD_DIR")) return getenv("HADRON_BUILD_DIR");
  ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  if (n <= 0) bench_die("cannot tell where the program lies");
  program[n] = 0;
  return dirname(program);
}

// The program lies in build/<preset>; scripts of the benches in tests/bench.
static void plugin_path(char *to, size_t size) {
  const char *at = program_directory();
  snprintf(to, size, "%.300s/plugins:%.300s/bench:%.300s/../../tests/bench", at, at, at);
}

void bench_source_path(char path[TEST_PATH_SIZE], const char *file) {
  snprintf(path, TEST_PATH_SIZE, "%.300s/../../%.200s", program_directory(), file);
}

void bench_session_open(struct bench_session *b, const char *text, const struct hd_session_options *options) {
  static struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
  char file[TEST_PATH_SIZE], plugins[1024];
  struct hd_fault fault;
  memset(b, 0, sizeof *b);
  test_directory_make(b->dir);
  test_path(file, b->dir, "bench.lua");
  plugin_path(plugins, sizeof plugins);
  char *whole;
  int size = asprintf(&whole, "return { data_dir = \"%s\", plugin_path = \"%s\",\n%s }\n", b->dir, plugins, text);
  if (size < 0) bench_die("out of memory");
  test_file_write(file, whole, (size_t)size);
  free(whole);
  if (hd_config_load(&b->config, file, NULL, 0, errors)) bench_die("line %d of the configuration: %s", errors[0].line, errors[0].text);
  struct hd_session_options o = *options;
  if (o.versions && hd_session_registry_open(&b->config, &b->registry, &fault)) bench_die("%s", fault.text);
  o.registry = b->registry;
  if (hd_session_open(&b->session, &b->config, &o, &fault)) bench_die("%s", fault.text);
}

void bench_session_run(struct bench_session *b) {
  struct hd_fault fault;
  struct hd_replay replay;
  const struct hd_replay_options options = {.speed = 0};
  if (hd_replay_init(&replay, &b->session, &options)) bench_die("no replay");
  if (hd_replay_run(&replay, &fault)) bench_die("%s", fault.text);
  hd_replay_fini(&replay);
}

void bench_session_close(struct bench_session *b) {
  hd_session_close(&b->session);
  hd_registry_close(b->registry);
  hd_config_fini(&b->config);
  test_directory_remove(b->dir);
}

const struct hd_plugin *bench_plugin(const char *file) {
  char path[1024];
  struct hd_config config = {0};
  struct hd_fault fault;
  const struct hd_plugin *plugin;
  plugin_path(config.plugin_path, sizeof config.plugin_path);
  if (hd_session_plugin_path(&config, file, path, sizeof path, &fault) || hd_plugin_open(path, &hd_lua_language, &plugin, &fault))
    bench_die("%s", fault.text);
  return plugin;
}

// ---- ticks -----------------------------------------------------------------------------------------------------------------------

struct taker {
  struct hadron_tick *ticks;
  uint64_t count;
  uint32_t listings;
};

static int32_t take_listing(struct hadron_instance *instance, const struct hadron_listing *listing, uint32_t *handle) {
  (void)listing;
  *handle = ++((struct taker *)instance->owner)->listings;
  return HADRON_OK;
}
static uint32_t take_ticks(struct hadron_instance *instance, const struct hadron_tick *ticks, uint32_t count) {
  struct taker *t = instance->owner;
  memcpy(t->ticks + t->count, ticks, count * sizeof *ticks);
  for (uint32_t i = 0; i < count; i++) t->ticks[t->count + i].sequence = t->count + i + 1;
  t->count += count;
  return count;
}
static void take_status(struct hadron_instance *instance, uint32_t state, const char *text) { (void)instance, (void)state, (void)text; }
static void take_progress(struct hadron_instance *instance, uint64_t done, uint64_t total) { (void)instance, (void)done, (void)total; }
static int64_t take_now(void *owner) { return owner ? 0 : 1; }

struct hadron_tick *bench_ticks(uint64_t count, uint32_t instruments) {
  static const struct hadron_venue_host table = {.struct_size = sizeof table, .resolve = take_listing, .ticks = take_ticks,
                                                 .status = take_status, .progress = take_progress};
  static const struct hd_capability capabilities[] = {{"hadron.venue/1", &table}, {NULL, NULL}};
  char counts[2][24];
  struct hd_fault fault;
  struct taker taker = {.ticks = aligned_alloc(64, count * sizeof *taker.ticks)};
  struct hadron_instance *instance = calloc(1, sizeof *instance);
  if (!taker.ticks || !instance) bench_die("out of memory");
  const struct hd_plugin *plugin = bench_plugin("memory.so");
  const struct hd_instance_options options = {.plugin = plugin, .capabilities = capabilities, .owner = &taker, .now = take_now,
                                              .name = "memory", .venue = 1, .seed = 1000003 + 1};
  const struct hadron_venue_context context = {sizeof context, 1, 0, "memory"};
  snprintf(counts[0], sizeof counts[0], "%llu", (unsigned long long)count);
  snprintf(counts[1], sizeof counts[1], "%u", instruments);
  const struct hd_param_value values[] = {{"count", counts[0], NULL}, {"instruments", counts[1], NULL}};
  const struct hadron_venue_api *api = plugin->api;
  if (hd_instance_init(instance, &options, &fault) || hd_instance_create_venue(instance, &context, &fault) ||
      hd_params_apply(instance, values, 2, &fault) || hd_instance_start(instance, &fault))
    bench_die("%s", fault.text);
  while (taker.count < count) api->poll(instance->self, 0);
  hd_instance_fini(instance);
  free(instance);
  return taker.ticks;
}

// ---- results -----------------------------------------------------------------------------------------------------------------------

bool bench_wants_json(int argc, char **argv) { return argc > 1 && strcmp(argv[1], "--json") == 0; }

void bench_print(const struct bench_result *r, const char *conditions, ...) {
  char machine[TEST_MACHINE_SIZE];
  va_list arguments;
  test_machine(machine);
  printf(r->json ? "{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"baseline\": %.6g, \"ratio\": %.4g, \"goal\": %g, \"ok\": %s"
                 : "%s: %.6g %s, baseline %.6g, ratio %.4g (goal %g): %s",
         r->name, r->value, r->unit, r->baseline, r->ratio, r->goal, r->json ? r->ok ? "true" : "false" : r->ok ? "reached" : "missed");
  if (r->latency)
    printf(r->json ? ", \"p50_ns\": %llu, \"p99_ns\": %llu, \"p99_9_ns\": %llu, \"max_ns\": %llu" : "; p50 %llu p99 %llu p99.9 %llu max %llu ns",
           (unsigned long long)hd_histogram_quantile(r->latency, 0.5), (unsigned long long)hd_histogram_quantile(r->latency, 0.99),
           (unsigned long long)hd_histogram_quantile(r->latency, 0.999), (unsigned long long)r->latency->max);
  printf(r->json ? ", " : "\n  ");
  va_start(arguments, conditions);
  vprintf(conditions, arguments);
  va_end(arguments);
  printf(r->json ? ", \"machine\": \"%s\", \"compiler\": \"%s\"}\n" : "\n  %s, %s\n", machine, "gcc " __VERSION__);
}
