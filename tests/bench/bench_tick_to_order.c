// tick_to_order: from the offer of a tick to the venue's submit, for the ticks that made an order: checks, lanes, an inline strategy,
// merge, risk, hashed order id, records in a journal in page mode (ticks as well), one thread. Against the round trip of a 64-byte
// message through two spinning rings (base/ring.h) between two threads. The two take turns; quantiles are medians over the rounds.
// Each thread stays on a core of its own: the session and one side of the ring on the first that the process may use, the other side on
// the last. How far those two are from each other is the machine's affair, and under a virtual one it changes while it runs; so the
// lowest and the highest median of a round are told as well.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/ring.h"
#include "support/bench.h"

#define TICKS 500000u
#define TRIPS 100000u
#define ROUNDS 7

static const char config[] = "mode = \"backtest\", engine = { measure_every = 1 }, report = { equity_every = \"1d\" },\n"
                             "universe = { max = 16 }, risk = { order_quantity_max = \"1000000\", position_max = \"1000000\", order_rate_max = 1000 },\n"
                             "venues = { memory = { params = { count = 500000, instruments = 4 } }, sim = {} },\n"
                             "strategies = { sma = { params = { fast = 10, slow = 50, size = \"100\" } } },\n";

// ---- the baseline

static void stay_on(size_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set)) bench_die("core %zu: the thread cannot stay there", core);
}

static struct {
  size_t first, last;
} cores;

static void cores_find(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) bench_die("the cores of the process are not known");
  for (size_t i = CPU_SETSIZE; i-- > 0;)
    if (CPU_ISSET(i, &set)) cores.first = i;
  for (size_t i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &set)) cores.last = i;
  if (cores.first == cores.last) bench_die("two threads that spin need two cores");
}

struct echo {
  struct hd_ring there, back;
  _Atomic bool stop;
};

static void *echo_run(void *argument) {
  struct echo *e = argument;
  stay_on(cores.last);
  while (!atomic_load_explicit(&e->stop, memory_order_relaxed)) {
    const void *message = hd_ring_peek(&e->there);
    if (!message) continue;
    memcpy(hd_ring_reserve(&e->back), message, 64);
    hd_ring_release(&e->there);
    hd_ring_publish(&e->back);
  }
  return NULL;
}

static void round_trips(struct hd_histogram *h) {
  static struct echo e;
  pthread_t thread;
  unsigned char message[64] = {1};
  atomic_store(&e.stop, false);
  if (hd_ring_init(&e.there, 64, 1024) || hd_ring_init(&e.back, 64, 1024) || pthread_create(&thread, NULL, echo_run, &e)) bench_die("no echo");
  for (uint32_t i = 0; i < TRIPS; i++) {
    uint64_t start = hd_cycles();
    memcpy(hd_ring_reserve(&e.there), message, sizeof message);
    hd_ring_publish(&e.there);
    const void *back;
    while (!(back = hd_ring_peek(&e.back))) continue;
    memcpy(message, back, sizeof message);
    hd_ring_release(&e.back);
    hd_histogram_record(h, (uint64_t)hd_cycles_to_ns(hd_cycles() - start));
  }
  atomic_store(&e.stop, true);
  pthread_join(thread, NULL);
  hd_ring_fini(&e.there);
  hd_ring_fini(&e.back);
}

// ---- the session

// The venue, with a stamp at the entry of its submit.
static struct {
  const struct hadron_venue_api *api;
  struct hadron_venue_api stamped;
  const struct hd_pipeline *pipeline;
  struct hd_histogram *latency;
} venue;

static int32_t stamped_submit(void *self, const struct hadron_order *order) {
  if (venue.pipeline->started) hd_histogram_record(venue.latency, (uint64_t)hd_cycles_to_ns(hd_cycles() - venue.pipeline->started));
  return venue.api->submit(self, order);
}

static void stamp_venue(struct hd_session *s, struct hd_histogram *latency) {
  venue.api = s->orders_to->api;
  venue.stamped = *venue.api;
  venue.stamped.submit = stamped_submit;
  venue.pipeline = &s->pipeline;
  venue.latency = latency;
  s->orders_to->api = &venue.stamped;
}

static uint64_t round_orders(struct hd_histogram *h) {
  static struct bench_session b;
  const struct hd_session_options options = {.is_virtual = true, .journal = true};
  bench_session_open(&b, config, &options);
  stamp_venue(&b.session, h);
  bench_session_run(&b);
  if (b.session.runner.ticks != TICKS || b.session.pipeline.sink_errors) bench_die("not every tick was handled and recorded");
  if (hd_session_count(&b.session, HADRON_MSG_TICK) != TICKS) bench_die("the ticks were not recorded");
  uint64_t orders = hd_session_count(&b.session, HADRON_MSG_ORDER);
  bench_session_close(&b);
  return orders;
}

// Of the medians of the rounds.
static struct bench_time extremes(const struct bench_rounds *r) { // wall: lowest, cpu: highest
  struct bench_time e = {r->of[0].wall_ns, r->of[0].wall_ns};
  for (uint32_t i = 1; i < r->count; i++) {
    if (r->of[i].wall_ns < e.wall_ns) e.wall_ns = r->of[i].wall_ns;
    if (r->of[i].wall_ns > e.cpu_ns) e.cpu_ns = r->of[i].wall_ns;
  }
  return e;
}

static double quantile(const struct hd_histogram *h, double q) { return (double)hd_histogram_quantile(h, q); }

int main(int argc, char **argv) {
  static struct hd_histogram all, orders, trips, all_trips;
  struct bench_rounds of_orders = {.count = 0}, of_trips = {.count = 0}; // wall: p50, cpu: p99
  uint64_t order_count = 0;
  hd_log_level(HADRON_LOG_ERROR);
  hd_cycles_calibrate();
  cores_find();
  stay_on(cores.first);
  for (int i = -1; i < ROUNDS; i++) { // the first warms up
    hd_histogram_reset(&orders);
    hd_histogram_reset(&trips);
    order_count = round_orders(&orders);
    round_trips(&trips);
    if (orders.count < order_count / 2) bench_die("%llu orders, %llu measured", (unsigned long long)order_count, (unsigned long long)orders.count);
    if (i < 0) continue;
    hd_histogram_merge(&all, &orders);
    hd_histogram_merge(&all_trips, &trips);
    bench_round(&of_orders, (struct bench_time){quantile(&orders, 0.5), quantile(&orders, 0.99)});
    bench_round(&of_trips, (struct bench_time){quantile(&trips, 0.5), quantile(&trips, 0.99)});
  }
  struct bench_time o = bench_median(&of_orders), t = bench_median(&of_trips), low_high = extremes(&of_trips);
  double ratio = o.wall_ns / t.wall_ns, ratio_p99 = o.cpu_ns / t.wall_ns;
  const struct bench_result result = {.name = "tick_to_order", .unit = "ns", .value = o.wall_ns, .baseline = t.wall_ns, .ratio = ratio, .goal = 1.5,
                                      .ok = ratio <= 1.5 && ratio_p99 <= 6, .json = bench_wants_json(argc, argv), .latency = &all};
  bench_print(&result,
              "\"p99_ratio\": %.4g, \"p99_goal\": 6, \"p99_median_ns\": %.0f, \"baseline_p99_ns\": %.0f, \"baseline_max_ns\": %llu, "
              "\"baseline_low_ns\": %.0f, \"baseline_high_ns\": %.0f, \"ticks\": %u, "
              "\"orders\": %llu, \"rounds\": %d, \"clock\": \"cycle counter, wall time\", \"cores\": \"session and one side of the ring on core %zu, the other side on core %zu\", "
              "\"on\": \"inline strategy, one thread, every tick measured, risk limits, hashed order ids, journal in page mode with ticks, sim venue\"",
              ratio_p99, o.cpu_ns, t.cpu_ns, (unsigned long long)all_trips.max, low_high.wall_ns, low_high.cpu_ns, TICKS,
              (unsigned long long)order_count, ROUNDS, cores.first, cores.last);
  return 0;
}
