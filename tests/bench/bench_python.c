// How fast a strategy in Python, in a process of its own, gets its ticks over ipc: the host's bus, a session, numpy batches. Baseline: a C program with
// the client library in the same place, on the same stream. Each reads every tick; a round is over when the host has the acknowledgement of the
// last one. They take turns. Goal: 0.5. Beside it, unjudged: a callback per tick.
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bell.h"
#include "base/clock.h"
#include "base/log.h"
#include "bus/bus.h"
#include "hadron/client.h"
#include "support/bench.h"
#include "support/directory.h"

#define TICKS UINT64_C(2000000)
#define TICKS_CALLBACK UINT64_C(200000) // of a round with a callback per tick
#define ROUNDS 5
#define INSTRUMENTS 4

extern char **environ;

static const struct hadron_tick *made;
static char url[TEST_PATH_SIZE + 16];

// ---- the C end, another process of this program -----------------------------------------------------------------------------------------------

static volatile uint64_t sum; // so that every tick is read

static int reader(const char *at) {
  const struct hadron_client_options o = {.struct_size = sizeof o, .url = at, .name = "alpha", .version = "1.0.0"};
  struct hadron_client *client;
  struct hadron_event e;
  if (hadron_client_open(&o, &client)) bench_die("%s", hadron_client_words());
  while (hadron_client_poll(client, 1000, &e) != HADRON_ERR_CLOSED) {
    if (e.kind != HADRON_EVENT_TICKS) continue;
    const struct hadron_tick *ticks = e.data;
    uint64_t part = 0;
    for (uint32_t i = 0; i < e.count; i++) part += ticks[i].sequence + (uint64_t)ticks[i].value.trade.price.nanos;
    sum = sum + part;
  }
  return 0;
}

// ---- the host's end -------------------------------------------------------------------------------------------------------------------------------

struct rig {
  struct hd_bus *bus;
  struct hd_channel *channel;
  struct hd_bus_seat *seat;
  uint64_t packets, sent;
};

static void rig_open(struct rig *g) {
  struct hd_fault fault = {0};
  const struct hd_bus_listen listen = {.url = url, .rights = HD_BUS_TRADE};
  const struct hd_bus_options options = {.listeners = &listen, .listener_count = 1, .host = "bench", .mode = HADRON_MODE_PAPER, .stale_after_ns = INT64_C(60000000000), .session_keep_ns = 1000000};
  if (hd_bus_create(&options, &g->bus, &fault)) bench_die("%s", fault.text);
  g->channel = aligned_alloc(64, sizeof *g->channel);
  static struct hadron_instrument_definition universe[INSTRUMENTS];
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    universe[i] = (struct hadron_instrument_definition){.instrument = i + 1, .listing = i + 1};
    snprintf(universe[i].name, sizeof universe[i].name, "SYM%u", i);
  }
  if (!g->channel || hd_channel_init(g->channel, 5, 0)) bench_die("no memory");
  const struct hd_bus_expected who = {.name = "alpha", .channels = &g->channel, .channel_count = 1, .arm = 5, .universe = universe, .universe_count = INSTRUMENTS, .role = "live"};
  if (hd_bus_attach(g->bus, &who, &g->seat, &fault)) bench_die("%s", fault.text);
}

static struct hd_bus_figures figures(struct rig *g) {
  struct hd_bus_figures f;
  hd_bus_figures(g->bus, g->seat, &f);
  return f;
}

static void rest(void) {
  static struct hd_bell quiet;
  hd_bell_wait(&quiet, 100000);
}

static pid_t begin(struct rig *g, char *const *arguments) {
  pid_t pid;
  if (posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ)) bench_die("%s does not start", arguments[0]);
  int64_t until = hd_clock_monotonic_ns() + INT64_C(20000000000);
  while (figures(g).state != HADRON_PLACED_JOINED) {
    if (hd_clock_monotonic_ns() > until || waitpid(pid, NULL, WNOHANG) == pid) bench_die("%s %s did not join (Debian: python3-numpy)", arguments[0], arguments[1]);
    rest();
  }
  return pid;
}

static void end(struct rig *g, pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  while (figures(g).state == HADRON_PLACED_JOINED) rest();
}

static double round_of(struct rig *g, uint64_t count) { // ticks/s
  uint64_t before = figures(g).acknowledged;
  int64_t from = hd_clock_monotonic_ns();
  for (uint64_t i = 0; i < count;) {
    uint64_t room = HD_CHANNEL_TICKS - hd_ring_size(&g->channel->ticks);
    if (room == 0) {
      rest();
      continue;
    }
    for (; room > 0 && i < count; room--, i++)
      if (!hd_channel_tick(g->channel, &made[i])) bench_die("a tick was lost");
    hd_channel_ring(g->channel);
  }
  while (figures(g).acknowledged - before < count) rest();
  return (double)count * 1e9 / (double)(hd_clock_monotonic_ns() - from);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values) {
  qsort(values, ROUNDS, sizeof *values, by_value);
  return values[ROUNDS / 2];
}

static double one(struct rig *g, char *const *arguments, uint64_t count) {
  pid_t pid = begin(g, arguments);
  round_of(g, count / 10); // warm
  double rate = round_of(g, count);
  end(g, pid);
  return rate;
}

static void prepare(void) {
  char path[1200], program[1024];
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  program[length > 0 ? length : 0] = 0;
  *strrchr(program, '/') = 0;
  snprintf(path, sizeof path, "%s/../../sdk/python", program);
  setenv("PYTHONPATH", path, 1);
  snprintf(path, sizeof path, "%s/lib/libhadron.so", program);
  setenv("HADRON_LIBRARY", path, 1);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--reader") == 0) return reader(argv[2]);
  hd_log_level(HADRON_LOG_WARN);
  char script[1200];
  struct rig g = {0};
  double c[ROUNDS], batch[ROUNDS], tick[ROUNDS];
  char directory[TEST_PATH_SIZE];
  test_directory_make(directory);
  snprintf(url, sizeof url, "ipc://%s/s", directory);
  made = bench_ticks(TICKS, INSTRUMENTS);
  prepare();
  snprintf(script, sizeof script, "%s/../../tests/bench/python_reader.py", getenv("PYTHONPATH"));
  rig_open(&g);
  char *const in_c[] = {argv[0], "--reader", url, NULL}, *const in_batches[] = {"/usr/bin/python3", script, url, "batch", NULL}, *const in_ticks[] = {"/usr/bin/python3", script, url, "tick", NULL};
  for (int i = 0; i < ROUNDS; i++) {
    c[i] = one(&g, in_c, TICKS);
    batch[i] = one(&g, in_batches, TICKS);
    tick[i] = one(&g, in_ticks, TICKS_CALLBACK);
  }
  double value = median(batch), baseline = median(c);
  struct bench_result r = {.name = "python", .unit = "ticks/s", .value = value, .baseline = baseline, .ratio = value / baseline, .goal = 0.5, .json = bench_wants_json(argc, argv)};
  r.ok = r.ratio >= r.goal;
  bench_print(&r,
              r.json ? "\"ticks\": %llu, \"callback_ticks_per_s\": %.0f, \"transport\": \"ipc\", \"on\": \"acknowledgement, window 2, every tick read\"" : "ticks %llu, a callback per tick %.0f ticks/s",
              (unsigned long long)TICKS, median(tick));
  fflush(stdout);
  test_directory_remove(directory);
  _exit(0); // NNG's sockets go with the process
}
