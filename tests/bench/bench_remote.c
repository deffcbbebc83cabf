// How fast a strategy on another machine gets its ticks: the host's bus, a session of the client library, tls+tcp with certificates of both sides, on
// loopback. Baseline: bare NNG (PUSH, PULL) over tls+tcp, 64 bytes a tick; both receivers read every tick. They take turns. Goal: 0.9. The client asks for packed
// messages, as it does by itself on such an address: what is measured is that and, as plain_..., a session that has not asked. The bare messages have as
// many ticks as the plain session's packets on average; with as many as the packed ones' they are no faster. Both ends run on this machine, so that wall time is that
// of two threads and of NNG's own; cpu_ns is what a tick costs both of them together, encryption included (one round's median), and cpu_ratio the same goal by that.
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/bell.h"
#include "base/clock.h"
#include "bus/bus.h"
#include "bus/tls.h"
#include "hadron/client.h"
#include "support/bench.h"
#include "support/cert_party.h"
#include "support/chaos.h"

#define TICKS UINT64_C(1500000)
#define ROUNDS 5
#define INSTRUMENTS 4

static struct test_party party;
static struct hadron_tick *made;

static uint64_t check(const struct hadron_tick *ticks, uint32_t count) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i++) sum += ticks[i].sequence + (uint64_t)ticks[i].value.trade.price.nanos;
  return sum;
}

// ---- the session -----------------------------------------------------------------------------------------------------------------------------------

struct rig {
  char url[64];
  struct hd_bus *bus;
  struct hd_channel *channel;
  struct hd_bus_seat *seat;
  struct hadron_client *client;
  uint64_t sum;
  struct hadron_client_figures warm; // after the first run
  struct bench_rounds rounds;
};

static const char *file(const char *name) { return test_party_file(&party, name); }

static void rig_open(struct rig *g, const char *hello) {
  struct hd_fault fault = {0};
  snprintf(g->url, sizeof g->url, "tls+tcp://127.0.0.1:%u", chaos_free_port());
  const struct hd_bus_listen listen = {.url = g->url, .rights = HD_BUS_TRADE, .certificate = file("ours/host.crt"), .key = file("ours/host.key"), .ca = file("ours/ca.crt"), .crl = file("ours/ca.crl")};
  const struct hd_bus_options options = {.listeners = &listen, .listener_count = 1, .host = "bench", .mode = HADRON_MODE_PAPER, .stale_after_ns = INT64_C(60000000000)};
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
  const struct hadron_client_options o = {.struct_size = sizeof o, .url = g->url, .name = "alpha", .version = "1.0.0", .ca = file("ours/ca.crt"), .certificate = file("ours/alpha.crt"),
                                          .key = file("ours/alpha.key"), .hello = hello};
  struct hadron_event e = {0};
  if (hadron_client_open(&o, &g->client)) bench_die("%s", hadron_client_words());
  while (e.kind != HADRON_EVENT_JOINED)
    if (hadron_client_poll(g->client, 10000, &e)) bench_die("did not join: %s", e.text ? e.text : "");
}

static void *publish(void *self) { // [shard]
  struct hd_bell quiet = {0};
  struct rig *g = self;
  for (uint64_t i = 0; i < TICKS;) {
    uint64_t room = HD_CHANNEL_TICKS - hd_ring_size(&g->channel->ticks);
    if (room == 0) {
      hd_bell_wait(&quiet, 200000); // bare NNG waits in its send as well: a publisher that spins takes a core from both ends
      continue;
    }
    for (; room > 0 && i < TICKS; room--, i++)
      if (!hd_channel_tick(g->channel, &made[i])) bench_die("a tick was lost");
    hd_channel_ring(g->channel);
  }
  return NULL;
}

static struct bench_time run_session(struct rig *g) {
  pthread_t thread;
  struct hadron_event e;
  struct bench_time start = bench_now();
  double cpu = bench_process_cpu(0);
  if (pthread_create(&thread, NULL, publish, g)) bench_die("no thread");
  for (uint64_t got = 0; got < TICKS;) {
    if (hadron_client_poll(g->client, 10000, &e) != HADRON_OK) bench_die("nothing came");
    if (e.kind == HADRON_EVENT_LOST) bench_die("ticks were lost");
    if (e.kind != HADRON_EVENT_TICKS) continue;
    g->sum += check(e.data, e.count);
    got += e.count;
  }
  struct bench_time took = bench_since(start);
  pthread_join(thread, NULL);
  took.cpu_ns = bench_process_cpu(0) - cpu;
  return took;
}

// ---- bare NNG ----------------------------------------------------------------------------------------------------------------------------------------

struct bare {
  nng_socket push, pull;
  uint32_t batch;
  uint64_t sum;
};

static void must(int error, const char *what) {
  if (error) bench_die("%s: %s", what, nng_strerror(error));
}

static nng_tls_config *tls(nng_tls_mode mode, const char *crt, const char *key) {
  nng_tls_config *config;
  char *ca = test_party_text(&party, "ours/ca.crt"), *c = test_party_text(&party, crt), *k = test_party_text(&party, key);
  must(nng_tls_config_alloc(&config, mode), "tls");
  must(nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED), "tls");
  must(nng_tls_config_ca_chain(config, ca, NULL), "ca");
  must(nng_tls_config_own_cert(config, c, k, NULL), "certificate");
  if (mode == NNG_TLS_MODE_CLIENT) must(nng_tls_config_server_name(config, "127.0.0.1"), "name");
  free(ca), free(c), free(k);
  return config;
}

static void bare_open(struct bare *b) {
  char url[64];
  nng_listener listener;
  nng_dialer dialer;
  snprintf(url, sizeof url, "tls+tcp://127.0.0.1:%u", chaos_free_port());
  must(nng_push0_open(&b->push), "push");
  must(nng_pull0_open(&b->pull), "pull");
  nng_socket_set_size(b->pull, NNG_OPT_RECVMAXSZ, 1 << 20);
  must(nng_listener_create(&listener, b->push, url), url);
  must(nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls(NNG_TLS_MODE_SERVER, "ours/host.crt", "ours/host.key")), "tls");
  must(nng_listener_start(listener, 0), url);
  must(nng_dialer_create(&dialer, b->pull, url), url);
  must(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls(NNG_TLS_MODE_CLIENT, "ours/alpha.crt", "ours/alpha.key")), "tls");
  must(nng_dialer_start(dialer, 0), url);
}

static void *push(void *self) {
  struct bare *b = self;
  for (uint64_t i = 0; i < TICKS;) {
    nng_msg *msg;
    uint64_t count = TICKS - i < b->batch ? TICKS - i : b->batch;
    must(nng_msg_alloc(&msg, 48 + count * sizeof *made), "message");
    memcpy((uint8_t *)nng_msg_body(msg) + 48, made + i, count * sizeof *made);
    must(nng_sendmsg(b->push, msg, 0), "send");
    i += count;
  }
  return NULL;
}

static struct bench_time run_bare(struct bare *b) {
  pthread_t thread;
  struct bench_time start = bench_now();
  double cpu = bench_process_cpu(0);
  if (pthread_create(&thread, NULL, push, b)) bench_die("no thread");
  for (uint64_t got = 0; got < TICKS;) {
    nng_msg *msg;
    must(nng_recvmsg(b->pull, &msg, 0), "receive");
    uint32_t count = (uint32_t)((nng_msg_len(msg) - 48) / sizeof *made);
    b->sum += check((const void *)((const uint8_t *)nng_msg_body(msg) + 48), count);
    got += count;
    nng_msg_free(msg);
  }
  struct bench_time took = bench_since(start);
  pthread_join(thread, NULL);
  took.cpu_ns = bench_process_cpu(0) - cpu;
  return took;
}

static void rig_warm(struct rig *g) {
  run_session(g);
  g->sum = 0;
  hadron_client_figures(g->client, &g->warm);
}

// What a session has received since then: bytes a tick, ticks a packet.
static double bytes_a_tick(const struct rig *g) {
  struct hadron_client_figures now;
  hadron_client_figures(g->client, &now);
  return (double)(now.bytes - g->warm.bytes) / (double)(now.messages - g->warm.messages);
}

static uint32_t ticks_a_packet(const struct rig *g) {
  struct hadron_client_figures now;
  hadron_client_figures(g->client, &now);
  return (uint32_t)((now.messages - g->warm.messages) / (now.packets - g->warm.packets));
}

int main(int argc, char **argv) {
  struct rig packed = {0}, plain = {0};
  struct bare b = {0};
  struct bench_rounds bare = {0};
  made = bench_ticks(TICKS, INSTRUMENTS);
  test_party_make(&party);
  rig_open(&packed, NULL);
  rig_open(&plain, "{\"packed\":false}");
  bare_open(&b);
  rig_warm(&packed);
  rig_warm(&plain);
  b.batch = (uint32_t)(TICKS / plain.warm.packets);
  for (int i = 0; i < ROUNDS; i++) {
    bench_round(&packed.rounds, run_session(&packed));
    bench_round(&bare, run_bare(&b));
    bench_round(&plain.rounds, run_session(&plain));
  }
  if (packed.sum != b.sum || plain.sum != b.sum) bench_die("they did not read the same ticks");
  struct bench_time one = bench_median(&packed.rounds), other = bench_median(&bare), without = bench_median(&plain.rounds);
  double value = TICKS / one.wall_ns * 1e9, baseline = TICKS / other.wall_ns * 1e9;
  struct bench_result r = {.name = "remote", .unit = "ticks/s", .value = value, .baseline = baseline, .ratio = value / baseline, .goal = 0.9, .json = bench_wants_json(argc, argv)};
  r.ok = r.ratio >= r.goal;
  bench_print(&r,
              r.json ? "\"ticks\": %llu, \"ticks_per_packet\": %u, \"bytes_per_tick\": %.1f, \"cpu_ns\": %.0f, \"bare_cpu_ns\": %.0f, \"cpu_ratio\": %.3f, "
                       "\"plain_ratio\": %.3f, \"plain_cpu_ns\": %.0f, \"plain_cpu_ratio\": %.3f, \"plain_ticks_per_packet\": %u, \"plain_bytes_per_tick\": %.1f, "
                       "\"transport\": \"tls+tcp, certificates of both sides\", \"on\": \"packed, checksums, acknowledgement, window 2\""
                     : "ticks %llu, packed: %u a packet, %.1f bytes a tick, CPU ns %.0f, bare %.0f, ratio %.3f\n  not packed: ratio %.3f, CPU ns %.0f, ratio %.3f, %u a packet, %.1f bytes a tick",
              (unsigned long long)TICKS, ticks_a_packet(&packed), bytes_a_tick(&packed), one.cpu_ns / TICKS, other.cpu_ns / TICKS, other.cpu_ns / one.cpu_ns, other.wall_ns / without.wall_ns,
              without.cpu_ns / TICKS, other.cpu_ns / without.cpu_ns, ticks_a_packet(&plain), bytes_a_tick(&plain));
  fflush(stdout);
  hadron_client_close(packed.client);
  hadron_client_close(plain.client);
  test_party_remove(&party);
  _exit(0); // NNG's sockets go with the process
}
