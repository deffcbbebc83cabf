// Promise: as long as ticks wait for a strategy elsewhere its session never stands: no request of its client waits for a heartbeat because the host has
// given all that it may before the client could say what it has handled. How: a ring that is never empty, the client library at the other end of a
// socket, and a host whose heartbeat is further away than the test's patience: what stands once fails it. One shard and client in one thread.
#include "base/clock.h"
#include "hadron/client.h"
#include "support/bus_rig.h"
#include "support/test.h"

// NNG 1.5 loses what belongs to a connection that is broken in the middle of something: its own.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void); // or the sanitizer does not see it
const char *__lsan_default_suppressions(void) { return "leak:libnng.so\n"; }

#define TICKS UINT64_C(1500000)
#define FAR_NS INT64_C(60000000000)
#define PATIENCE_NS INT64_C(30000000000)

struct rig {
  struct bus_rig bus;
  struct hadron_client *client;
  uint64_t given, got, sequence, heartbeats;
};

static void open_rig(struct rig *g, uint32_t host_window, uint32_t client_window) {
  struct hadron_event e = {0};
  memset(g, 0, sizeof *g);
  bus_rig_open(&g->bus, &(struct hd_bus_options){.heartbeat_ns = FAR_NS, .stale_after_ns = 2 * FAR_NS, .window = host_window}, NULL);
  const struct hadron_client_options o = {.struct_size = sizeof o, .url = g->bus.url, .name = "trend", .version = "1.0.0", .window = client_window};
  assert_int_equal(hadron_client_open(&o, &g->client), HADRON_OK);
  hadron_client_heartbeats(g->client, 1);
  while (e.kind != HADRON_EVENT_JOINED) assert_int_equal(hadron_client_poll(g->client, 20000, &e), HADRON_OK);
}

static void close_rig(struct rig *g) {
  hadron_client_close(g->client);
  bus_rig_close(&g->bus);
}

static void fill_up(struct rig *g) {
  for (uint64_t room = HD_CHANNEL_TICKS - hd_ring_size(&g->bus.channel->ticks); room > 0 && g->given < TICKS; room--) {
    const struct hadron_tick t = {.sequence = ++g->given, .instrument = 1, .kind = HADRON_TICK_TRADE};
    assert_true(hd_channel_tick(g->bus.channel, &t));
  }
  hd_channel_ring(g->bus.channel);
}

static void flow(uint32_t host_window, uint32_t client_window) {
  struct rig g;
  struct hadron_event e;
  open_rig(&g, host_window, client_window);
  for (int64_t until = hd_clock_monotonic_ns() + PATIENCE_NS; g.got < TICKS && hd_clock_monotonic_ns() < until;) {
    fill_up(&g);
    if (hadron_client_poll(g.client, 100, &e)) continue;
    g.heartbeats += e.kind == HADRON_EVENT_HEARTBEAT;
    if (e.kind != HADRON_EVENT_TICKS) continue;
    const struct hadron_tick *ticks = e.data;
    for (uint32_t i = 0; i < e.count; i++) assert_int_equal(ticks[i].sequence, ++g.sequence);
    g.got += e.count;
  }
  struct hadron_client_figures figures;
  hadron_client_figures(g.client, &figures);
  print_message("windows %u, %u: %llu packets, %llu heartbeats, %llu rewinds\n", host_window, client_window, (unsigned long long)figures.packets, (unsigned long long)g.heartbeats,
                (unsigned long long)figures.rewinds);
  assert_int_equal(g.got, TICKS);
  assert_true(g.heartbeats <= 3); // NEXTs that were sent again because the machine stood still for as long as that
  close_rig(&g);
}

static void it_never_stands(void **state) {
  (void)state;
  flow(2, 0);
  flow(1, 0);
  flow(4, 0);
  flow(2, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(it_never_stands)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
