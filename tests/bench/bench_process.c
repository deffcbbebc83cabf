// process: ticks to a strategy in a worker process, in its sandbox, over the bus, against a bare NNG ipc hop of one 64-byte message between two processes, in
// the same run. There and back, one at a time: a tick in, its decision out of the channel; a message there, the same message back. Then as many as go
// through: ticks in a row, of which none may be lost, until the worker has answered that it is through; messages in a row until the last is
// answered. Rounds of the two take turns. cpu_ns is what a tick costs host and worker together, bare_cpu_ns what a message costs its two processes. Where there is
// no room the sender sleeps, as nng_send does: one that spins takes a core from both ends.
#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/bench.h"
#include "support/worker_rig.h"

#define ROUNDS 9
#define HOPS 2000      // per round
#define TICKS 1000000  // per round
#define MESSAGES 60000 // per round
#define INSTRUMENTS 3
#define BEHIND 12000   // ticks that may wait: none is lost

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(double *values, uint32_t count) {
  qsort(values, count, sizeof *values, by_size);
  return values[count / 2];
}

// ---- the bare hop

struct bare {
  char url[64];
  nng_socket socket;
  pid_t pid;
};

// The child: gives back what has an id.
static _Noreturn void echo(const struct bare *b) {
  nng_socket s;
  struct hadron_tick t;
  prctl(PR_SET_PDEATHSIG, SIGKILL); // it does not outlive a bench that gives up
  if (nng_pair0_open(&s) || nng_socket_set_int(s, NNG_OPT_RECVBUF, 8192) || nng_dial(s, b->url, NULL, NNG_FLAG_NONBLOCK)) _exit(2);
  for (;;) {
    size_t size = sizeof t;
    if (nng_recv(s, &t, &size, 0)) _exit(0);
    if (t.value.trade.trade_id && nng_send(s, &t, size, 0)) _exit(0);
  }
}

static void bare_open(struct bare *b) { // before there is any thread
  snprintf(b->url, sizeof b->url, "ipc:///tmp/hd-bench-%d.ipc", (int)getpid());
  b->pid = fork();
  if (b->pid < 0) bench_die("no process: %s", strerror(errno));
  if (b->pid == 0) echo(b);
  if (nng_pair0_open(&b->socket) || nng_socket_set_int(b->socket, NNG_OPT_SENDBUF, 8192) || nng_listen(b->socket, b->url, NULL, 0)) bench_die("NNG has no sockets");
}

static void bare_close(struct bare *b) {
  kill(b->pid, SIGKILL);
  waitpid(b->pid, NULL, 0);
  nng_close(b->socket);
}

static void there_and_back(struct bare *b, struct hadron_tick *t) {
  size_t size = sizeof *t;
  if (nng_send(b->socket, t, sizeof *t, 0) || nng_recv(b->socket, t, &size, 0)) bench_die("the bare hop broke");
}

static void bare_hops(struct bare *b, struct hd_histogram *latency) {
  for (uint64_t i = 1; i <= HOPS; i++) {
    struct hadron_tick t = {.kind = HADRON_TICK_TRADE, .value.trade.trade_id = i};
    int64_t start = hd_clock_monotonic_ns();
    there_and_back(b, &t);
    hd_histogram_record(latency, (uint64_t)(hd_clock_monotonic_ns() - start));
  }
}

static double bare_rate(struct bare *b, double *cpu_ns) {
  struct hadron_tick t = {.kind = HADRON_TICK_TRADE};
  double cpu = bench_process_cpu(0) + bench_process_cpu(b->pid);
  int64_t start = hd_clock_monotonic_ns();
  for (uint64_t i = 1; i < MESSAGES; i++)
    if (nng_send(b->socket, &t, sizeof t, 0)) bench_die("nng_send");
  t.value.trade.trade_id = 1;
  there_and_back(b, &t);
  *cpu_ns = (bench_process_cpu(0) + bench_process_cpu(b->pid) - cpu) / MESSAGES;
  return MESSAGES * 1e9 / (double)(hd_clock_monotonic_ns() - start);
}

// ---- ticks

static struct worker_rig rig;

static void give(uint64_t id) {
  static uint64_t sequence;
  sequence++;
  const struct hadron_tick t = {.event_ns = INT64_C(1704205800000000000) + (int64_t)sequence, .recv_ns = INT64_C(1704205800000000000) + (int64_t)sequence, .sequence = sequence,
                                .instrument = 1 + (uint32_t)(sequence % INSTRUMENTS), .venue = 1, .kind = HADRON_TICK_TRADE,
                                .value.trade = {.price.nanos = INT64_C(100000000000), .quantity.e8 = 100000000, .trade_id = id}};
  if (!hd_channel_tick(&rig.channel, &t)) bench_die("a tick was lost");
}

static void tick_hops(struct hd_histogram *latency) {
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX];
  uint64_t number;
  for (uint64_t i = 1; i <= HOPS; i++) {
    int64_t start = hd_clock_monotonic_ns();
    give(i);
    hd_channel_ring(&rig.channel);
    while (hd_channel_take(&rig.channel, batch, &number) == 0) sched_yield();
    hd_histogram_record(latency, (uint64_t)(hd_clock_monotonic_ns() - start));
    hd_channel_took(&rig.channel, number);
  }
}

static double tick_rate(double *host_ns, double *worker_ns) {
  struct hd_bell quiet = {0};
  struct hd_worker_figures worker;
  hd_worker_read(rig.worker, &worker);
  double host = bench_process_cpu(0), far = bench_process_cpu(worker.pid);
  int64_t start = hd_clock_monotonic_ns();
  for (uint64_t i = 0; i < TICKS; i++) {
    if ((i & 63) == 0) {
      hd_channel_ring(&rig.channel);
      while (hd_ring_size(&rig.channel.ticks) > BEHIND) hd_bell_wait(&quiet, 100000);
    }
    give(0);
  }
  if (worker_rig_ask(&rig, HADRON_ASK_STEP, 0, NULL, 0, NULL, 0)) bench_die("the worker does not answer");
  *host_ns = (bench_process_cpu(0) - host) / TICKS;
  *worker_ns = (bench_process_cpu(worker.pid) - far) / TICKS;
  return TICKS * 1e9 / (double)(hd_clock_monotonic_ns() - start);
}

static void set_up(void) {
  char program[TEST_PATH_SIZE], plugin[TEST_PATH_SIZE], words[300] = "";
  ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  if (n <= 0) bench_die("where am I?");
  program[n] = 0;
  *strrchr(program, '/') = 0;
  setenv("HADRON_BUILD_DIR", program, 1);
  test_path(plugin, program, "bench/echo.so");
  worker_rig_open(&rig, plugin, INSTRUMENTS, NULL, NULL);
  if (worker_rig_make(&rig, words, sizeof words)) bench_die("%s", words);
}

int main(int argc, char **argv) {
  static struct bare bare;
  static struct hd_histogram tick_latency, bare_latency;
  double ticks[ROUNDS], messages[ROUNDS], rates[ROUNDS], p50s[ROUNDS], hosts[ROUNDS], workers[ROUNDS], bares[ROUNDS];
  bare_open(&bare);
  set_up();
  for (int r = 0; r < ROUNDS; r++) {
    struct hd_histogram t = {0}, m = {0};
    bare_hops(&bare, &m);
    tick_hops(&t);
    p50s[r] = (double)hd_histogram_quantile(&t, 0.5) / (double)hd_histogram_quantile(&m, 0.5);
    hd_histogram_merge(&tick_latency, &t);
    hd_histogram_merge(&bare_latency, &m);
    messages[r] = bare_rate(&bare, &bares[r]);
    ticks[r] = tick_rate(&hosts[r], &workers[r]);
    rates[r] = ticks[r] / messages[r];
  }
  double p50 = median(p50s, ROUNDS), rate = median(rates, ROUNDS), host = median(hosts, ROUNDS), worker = median(workers, ROUNDS), message = median(bares, ROUNDS);
  const struct bench_result result = {.name = "process", .unit = "ticks/s", .value = median(ticks, ROUNDS), .baseline = median(messages, ROUNDS), .ratio = rate, .goal = 40,
                                      .ok = rate >= 40 && p50 <= 1.5, .json = bench_wants_json(argc, argv), .latency = &tick_latency};
  bench_print(&result, "\"baseline_of\": \"bare NNG ipc between two processes, one message of 64 bytes\", \"latency_of\": \"there and back\", \"latency_ratio\": %.3f, \"latency_goal\": 1.5, "
                       "\"host_cpu_ns\": %.1f, \"worker_cpu_ns\": %.1f, \"bare_cpu_ns\": %.0f, \"cpu_ratio\": %.1f, "
                       "\"bare_p50_ns\": %llu, \"bare_p99_ns\": %llu, \"bare_p99_9_ns\": %llu, \"hops\": %d, \"ticks\": %d, \"rounds\": %d, \"instruments\": %d",
              p50, host, worker, message, message / (host + worker), (unsigned long long)hd_histogram_quantile(&bare_latency, 0.5), (unsigned long long)hd_histogram_quantile(&bare_latency, 0.99),
              (unsigned long long)hd_histogram_quantile(&bare_latency, 0.999), HOPS * ROUNDS, TICKS, ROUNDS, INSTRUMENTS);
  worker_rig_close(&rig);
  bare_close(&bare);
  return result.ok ? 0 : 1;
}
