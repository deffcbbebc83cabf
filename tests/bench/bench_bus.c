// bus: ticks to a strategy in a thread of its own, against a bare NNG inproc hop of one 64-byte message, in the same run. The way of a tick is
// from before the shard's engine is given it to the strategy's on_tick in the other thread, one at a time; the message's from before nng_send
// to after nng_recv. Then as many as go through: ticks in a row, of which none may be lost, against messages in a row. Rounds of the two take
// turns. On one core the two ends wake each other; on two they meet: the report says how many there are. shard_cpu_ns and far_cpu_ns are what a tick of the
// second kind costs either thread, bare_cpu_ns what a message costs all of its threads. Where there is no room the sender sleeps, as nng_send does.
#include <dlfcn.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bell.h"
#include "base/clock.h"
#include "base/random.h"
#include "runtime/placed.h"
#include "support/bench.h"

#define ROUNDS 9
#define HOPS 4000             // per round
#define TICKS 2000000         // per round
#define MESSAGES 60000        // per round
#define INSTRUMENTS 16
#define BEHIND 12000          // ticks that may wait: none is lost

struct probe {
  _Atomic uint64_t *seen;
  uint32_t *latencies;
};

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(double *values, uint32_t count) {
  qsort(values, count, sizeof *values, by_size);
  return values[count / 2];
}

// ---- the bare hop -------------------------------------------------------------------------------------------------------------------------

struct bare {
  nng_socket from, to;
  pthread_t thread;
  _Atomic uint64_t seen;
  struct hd_histogram *latency; // NULL: a run of many
};

static void *bare_main(void *argument) {
  struct bare *b = argument;
  for (;;) {
    struct hadron_tick t;
    size_t size = sizeof t;
    if (nng_recv(b->to, &t, &size, 0) || size != sizeof t) return NULL;
    if (b->latency) hd_histogram_record(b->latency, (uint64_t)(hd_clock_monotonic_ns() - (int64_t)t.value.trade.trade_id));
    atomic_fetch_add_explicit(&b->seen, 1, memory_order_release);
  }
}

static void bare_open(struct bare *b) {
  if (nng_pair0_open(&b->from) || nng_pair0_open(&b->to)) bench_die("NNG has no sockets");
  nng_socket_set_int(b->from, NNG_OPT_SENDBUF, 8192);
  nng_socket_set_int(b->to, NNG_OPT_RECVBUF, 8192);
  if (nng_listen(b->to, "inproc://bench", NULL, 0) || nng_dial(b->from, "inproc://bench", NULL, 0)) bench_die("NNG does not connect to itself");
  if (pthread_create(&b->thread, NULL, bare_main, b)) bench_die("no thread");
}

static void bare_close(struct bare *b) {
  nng_close(b->to);
  pthread_join(b->thread, NULL);
  nng_close(b->from);
}

static void bare_hops(struct bare *b, struct hd_histogram *latency) {
  struct hadron_tick t = {.kind = HADRON_TICK_TRADE};
  uint64_t from = atomic_load(&b->seen);
  b->latency = latency;
  for (uint64_t i = 1; i <= HOPS; i++) {
    t.value.trade.trade_id = (uint64_t)hd_clock_monotonic_ns();
    if (nng_send(b->from, &t, sizeof t, 0)) bench_die("nng_send");
    while (atomic_load_explicit(&b->seen, memory_order_acquire) < from + i) sched_yield();
  }
  b->latency = NULL;
}

static double bare_rate(struct bare *b, double *cpu_ns) {
  double cpu = bench_process_cpu(0);
  struct hadron_tick t = {.kind = HADRON_TICK_TRADE};
  uint64_t from = atomic_load(&b->seen);
  int64_t start = hd_clock_monotonic_ns();
  for (uint64_t i = 0; i < MESSAGES; i++)
    if (nng_send(b->from, &t, sizeof t, 0)) bench_die("nng_send");
  while (atomic_load_explicit(&b->seen, memory_order_acquire) < from + MESSAGES) sched_yield();
  *cpu_ns = (bench_process_cpu(0) - cpu) / MESSAGES;
  return MESSAGES * 1e9 / (double)(hd_clock_monotonic_ns() - start);
}

// ---- ticks --------------------------------------------------------------------------------------------------------------------------------

struct feed {
  struct hd_engine *engine;
  struct hd_placed *placed;
  struct probe probe;
  struct hadron_tick *ticks; // [INSTRUMENTS * 64], again and again
  uint64_t sequence;
};

static void give(struct feed *f, uint64_t stamp) {
  struct hadron_tick t = f->ticks[f->sequence % (INSTRUMENTS * 64)];
  t.sequence = ++f->sequence;
  t.value.trade.trade_id = stamp;
  hd_engine_tick(f->engine, &t);
}

static void feed_hops(struct feed *f, struct hd_histogram *latency) {
  uint64_t from = atomic_load(f->probe.seen);
  for (uint64_t i = 1; i <= HOPS; i++) {
    give(f, (uint64_t)hd_clock_monotonic_ns());
    while (atomic_load_explicit(f->probe.seen, memory_order_acquire) < from + i) sched_yield();
    hd_histogram_record(latency, f->probe.latencies[(from + i - 1) & ((1 << 17) - 1)]);
  }
}

static double feed_rate(struct feed *f, double *shard_ns, double *far_ns) {
  struct hd_bell quiet = {0};
  struct bench_time shard = bench_now();
  double all = bench_process_cpu(0);
  uint64_t from = atomic_load(f->probe.seen);
  int64_t start = hd_clock_monotonic_ns();
  for (uint64_t i = 0; i < TICKS; i++) {
    if ((i & 63) == 0)
      while (hd_placed_backlog(f->placed) > BEHIND) hd_bell_wait(&quiet, 100000);
    give(f, 0);
  }
  *shard_ns = bench_since(shard).cpu_ns / TICKS;
  while (atomic_load_explicit(f->probe.seen, memory_order_acquire) < from + TICKS) hd_bell_wait(&quiet, 20000);
  *far_ns = (bench_process_cpu(0) - all) / TICKS - *shard_ns;
  return TICKS * 1e9 / (double)(hd_clock_monotonic_ns() - start);
}

int main(int argc, char **argv) {
  static struct bench_session b;
  static struct bare bare;
  static struct hd_histogram tick_latency, bare_latency;
  double ticks[ROUNDS], messages[ROUNDS], rates[ROUNDS], p50s[ROUNDS], shards[ROUNDS], fars[ROUNDS], bares[ROUNDS];
  bench_session_open(&b, "mode = 'paper', journal = { enabled = false }, universe = { max = 64 },\n"
                         "venues = { memory = { params = { count = 100, instruments = 16 } }, sim = {} },\n"
                         "strategies = { probe = { placement = 'thread' } }", &(struct hd_session_options){.journal = false});
  struct hd_occupant *o = b.session.arms[0].occupant;
  struct feed f = {.engine = b.session.pipeline.engines[0], .placed = o->placed};
  f.probe.seen = dlsym(o->artifact->handle, "probe_seen");
  f.probe.latencies = dlsym(o->artifact->handle, "probe_latencies");
  if (!f.placed || !f.probe.seen || !f.probe.latencies) bench_die("the probe is not where it should be");
  f.ticks = bench_ticks(INSTRUMENTS * 64, INSTRUMENTS);
  bare_open(&bare);
  for (int r = 0; r < ROUNDS; r++) {
    struct hd_histogram t = {0}, m = {0};
    bare_hops(&bare, &m);
    feed_hops(&f, &t);
    p50s[r] = (double)hd_histogram_quantile(&t, 0.5) / (double)hd_histogram_quantile(&m, 0.5);
    hd_histogram_merge(&tick_latency, &t);
    hd_histogram_merge(&bare_latency, &m);
    messages[r] = bare_rate(&bare, &bares[r]);
    ticks[r] = feed_rate(&f, &shards[r], &fars[r]);
    rates[r] = ticks[r] / messages[r];
  }
  if (hd_placed_lost(f.placed)) bench_die("%llu ticks were lost", (unsigned long long)hd_placed_lost(f.placed));
  double p50 = median(p50s, ROUNDS), rate = median(rates, ROUNDS), shard = median(shards, ROUNDS), far = median(fars, ROUNDS), message = median(bares, ROUNDS);
  const struct bench_result result = {.name = "bus", .unit = "ticks/s", .value = median(ticks, ROUNDS), .baseline = median(messages, ROUNDS), .ratio = rate, .goal = 40,
                                      .ok = rate >= 40 && p50 <= 1.5, .json = bench_wants_json(argc, argv), .latency = &tick_latency};
  bench_print(&result, "\"baseline_of\": \"bare NNG inproc, one message of 64 bytes\", \"latency_ratio\": %.3f, \"latency_goal\": 1.5, \"shard_cpu_ns\": %.1f, \"far_cpu_ns\": %.1f, \"bare_cpu_ns\": %.0f, \"cpu_ratio\": %.1f, \"bare_p50_ns\": %llu, \"bare_p99_ns\": %llu, \"bare_p99_9_ns\": %llu, "
                       "\"hops\": %d, \"ticks\": %d, \"rounds\": %d, \"instruments\": %d",
              p50, shard, far, message, message / (shard + far), (unsigned long long)hd_histogram_quantile(&bare_latency, 0.5), (unsigned long long)hd_histogram_quantile(&bare_latency, 0.99),
              (unsigned long long)hd_histogram_quantile(&bare_latency, 0.999), HOPS * ROUNDS, TICKS, ROUNDS, INSTRUMENTS);
  bare_close(&bare);
  free(f.ticks);
  bench_session_close(&b);
  return result.ok ? 0 : 1;
}
