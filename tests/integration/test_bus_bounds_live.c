// Promise: the bounds of docs/wire.md, section 10, that no other test reaches, hold, and say so: sessions, connections, decisions of a second, how long a
// session is kept for who has gone, and how much waits for it. How: the bus with real sockets; shard and trading side are played by the test.
#include <nng/nng.h>

#include <nng/protocol/reqrep0/req.h>

#include "base/clock.h"
#include "base/limits.h"
#include "bus/bus.h"
#include "bus/hangup.h"
#include "bus/hello.h"
#include "support/bus_peer.h"
#include "support/bus_rig.h"
#include "support/test.h"

// NNG 1.5 loses what belongs to a connection that is broken in the middle of something: its own.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void); // or the sanitizer does not see it
const char *__lsan_default_suppressions(void) { return "leak:libnng.so\n"; }

#define HELLO_TRADE "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\"}"
#define HELLO_READ "{\"protocol\":1,\"name\":\"office\",\"version\":\"1.0.0\",\"class\":\"read\"}"
#define LONG_NS INT64_C(3600000000000)

static void open_rig(struct bus_rig *g, struct hd_bus_options options) { bus_rig_open(g, &options, NULL); }

static uint32_t state_of(struct bus_rig *g) {
  struct hd_bus_figures figures;
  hd_bus_figures(g->bus, g->seat, &figures);
  return figures.state;
}

static void until_left(struct bus_rig *g) {
  for (int64_t start = hd_clock_monotonic_ns(); state_of(g) != HADRON_PLACED_LEFT;)
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("its session is kept for ever");
}

static void refused_full(const struct hd_frame *f) {
  assert_int_equal(f->head.kind, HADRON_FRAME_REFUSED);
  assert_non_null(memmem(f->payload, f->head.size, "HADRON_ERR_FULL", 15));
}

static void sessions(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer peers[4];
  open_rig(&g, (struct hd_bus_options){.sessions_max = 3});
  for (uint32_t i = 0; i < 4; i++) bus_peer_open(&peers[i], g.url);
  for (uint32_t i = 0; i < 3; i++) assert_int_equal(bus_peer_hello(&peers[i], HELLO_READ).head.kind, HADRON_FRAME_WELCOME);
  struct hd_frame f = bus_peer_hello(&peers[3], HELLO_READ);
  refused_full(&f);
  assert_int_equal(bus_peer_ask(&peers[1], HADRON_FRAME_BYE, 0, 0, NULL, 0).head.kind, HADRON_FRAME_ACK);
  assert_int_equal(bus_peer_hello(&peers[3], HELLO_READ).head.kind, HADRON_FRAME_WELCOME); // there is room again
  for (uint32_t i = 0; i < 4; i++) bus_peer_close(&peers[i]);
  bus_rig_close(&g);
}

static void connections(void **state) {
  (void)state;
  enum { MOST = 2 * 1 + 16 };
  struct bus_rig g;
  struct bus_peer peers[MOST];
  nng_socket extra;
  struct hd_bus_refusals refusals;
  open_rig(&g, (struct hd_bus_options){.sessions_max = 1});
  for (uint32_t i = 0; i < MOST; i++) {
    bus_peer_open(&peers[i], g.url);
    assert_int_equal(bus_peer_ask(&peers[i], HADRON_FRAME_NEXT, 0, 1, NULL, 0).head.kind, HADRON_FRAME_REFUSED); // it is heard: it says that there is no session
  }
  hd_bus_refusals(g.bus, &refusals);
  assert_int_equal(refusals.turned_away, 0);
  assert_int_equal(nng_req0_open(&extra), 0);
  (void)nng_dial(extra, g.url, NULL, NNG_FLAG_NONBLOCK);
  for (int64_t start = hd_clock_monotonic_ns(); refusals.turned_away == 0; hd_bus_refusals(g.bus, &refusals))
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("one more than may be was let in");
  assert_int_equal(bus_peer_hello(&peers[0], HELLO_TRADE).head.kind, HADRON_FRAME_WELCOME); // who is there is served
  hd_nng_close(extra);
  for (uint32_t i = 0; i < MOST; i++) bus_peer_close(&peers[i]);
  bus_rig_close(&g);
}

static void decisions_of_a_second(void **state) {
  (void)state;
  enum { RATE = 4, COUNT = 30 };
  struct bus_rig g;
  struct bus_peer p;
  struct hadron_decision d[COUNT], out[HD_TICK_DECISIONS_MAX];
  uint64_t number = 0;
  open_rig(&g, (struct hd_bus_options){.decisions_per_second = RATE});
  bus_peer_open(&p, g.url);
  assert_int_equal(bus_peer_hello(&p, HELLO_TRADE).head.kind, HADRON_FRAME_WELCOME);
  bus_rig_say(&g, 1);
  bus_peer_until(&p, HADRON_MSG_TICK, NULL, 0);
  for (uint32_t i = 0; i < COUNT; i++) d[i] = (struct hadron_decision){.kind = HADRON_DECISION_TARGET, .instrument = 1, .confidence = 1, .quantity = {100000000}};
  bus_peer_send_decisions(&p, 1, 1, d, COUNT);
  uint32_t taken = bus_rig_take(&g, out, &number);
  hd_channel_took(g.channel, number);
  struct hd_frame f = bus_peer_take(&p, 1);
  assert_int_equal(f.head.kind, HADRON_FRAME_ACK);
  assert_int_equal(f.head.sequence, COUNT);
  assert_int_equal(taken, RATE); // all in one round of the bus: what a second allows, at once
  assert_int_equal(f.head.count, COUNT - RATE);
  for (uint32_t i = 0; i < f.head.count; i++) {
    struct hadron_refusal r;
    memcpy(&r, f.payload + i * sizeof r, sizeof r);
    assert_int_equal(r.code, HADRON_ERR_FULL);
    assert_int_equal(r.number, RATE + 1 + i);
  }
  bus_peer_close(&p);
  bus_rig_close(&g);
}

// Who has gone is waited for, and then no more.
static void kept_for_a_while(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p, q;
  char hello[512];
  open_rig(&g, (struct hd_bus_options){.session_keep_ns = 50000000, .stale_after_ns = 20000000, .heartbeat_ns = 10000000});
  bus_peer_open(&p, g.url);
  assert_int_equal(bus_peer_hello(&p, HELLO_TRADE).head.kind, HADRON_FRAME_WELCOME);
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"resume\":{\"session\":%u,\"epoch\":\"%llu\",\"next\":\"1\"}}", p.session, (unsigned long long)p.epoch);
  uint32_t session = p.session;
  bus_peer_close(&p);
  until_left(&g);
  bus_peer_open(&q, g.url);
  assert_int_equal(bus_peer_hello(&q, hello).head.kind, HADRON_FRAME_WELCOME);
  assert_int_not_equal(q.session, session); // a new one
  bus_peer_close(&q);
  bus_rig_close(&g);
}

// More has happened to its orders than is kept for who is away: its session ends before the rings are full, and nothing that follows is lost.
static void away_for_too_long(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  struct hadron_position position;
  open_rig(&g, (struct hd_bus_options){.session_keep_ns = LONG_NS, .stale_after_ns = 20000000, .heartbeat_ns = 10000000});
  bus_peer_open(&p, g.url);
  assert_int_equal(bus_peer_hello(&p, HELLO_TRADE).head.kind, HADRON_FRAME_WELCOME);
  bus_peer_close(&p);
  struct hd_channel_note note = {.kind = HADRON_MSG_POSITION, .view = {.arm = 5, .instrument = 1}};
  int64_t start = hd_clock_monotonic_ns();
  for (uint32_t i = 1; i <= 3 * HD_CHANNEL_NOTES; i++) {
    while (hd_ring_size(&g.channel->notes) > HD_CHANNEL_NOTES * 3 / 4)
      if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("its session is kept while its ring fills");
    note.view.position.e8 = i;
    assert_true(hd_channel_note(g.channel, &note));
    hd_channel_ring(g.channel);
  }
  until_left(&g);
  while (hd_ring_size(&g.channel->notes)) continue; // the bus remembers them
  assert_false(atomic_load(&g.channel->broken));
  bus_peer_open(&p, g.url);
  assert_int_equal(bus_peer_hello(&p, HELLO_TRADE).head.kind, HADRON_FRAME_WELCOME);
  bus_peer_until(&p, HADRON_MSG_POSITION, &position, sizeof position);
  assert_int_equal(position.position.e8, 3 * HD_CHANNEL_NOTES);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

// Reads answers, each whole, until one has a message of that template; its first one.
static void look_for(struct bus_peer *p, uint16_t template_id, void *block, size_t size) {
  for (bool found = false; !found;) {
    struct hd_frame f = bus_peer_ask(p, HADRON_FRAME_NEXT, 0, p->next, NULL, 0);
    do {
      struct hd_frame_messages m;
      if (f.head.kind != HADRON_FRAME_DATA) continue;
      assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
      assert_int_equal(f.head.sequence, p->next);
      p->next += m.count;
      if (m.template_id != template_id || found) continue;
      memcpy(block, m.blocks, size);
      found = true;
    } while (bus_peer_more(p, &f));
  }
}

// It does not ask, and its ring fills: what finds no room is counted, and told it in its place, with the first and the last one.
static void too_slow(void **state) {
  (void)state;
  enum { MORE = 100 };
  struct bus_rig g;
  struct bus_peer p;
  struct hadron_tick t = {.instrument = 1, .kind = HADRON_TICK_TRADE, .value.trade.price = {1}};
  struct hadron_lost lost;
  uint64_t refused = 0;
  open_rig(&g, (struct hd_bus_options){0});
  bus_peer_open(&p, g.url);
  assert_int_equal(bus_peer_hello(&p, HELLO_TRADE).head.kind, HADRON_FRAME_WELCOME);
  for (uint64_t i = 1; i <= HD_CHANNEL_TICKS + MORE; i++) {
    t.sequence = i;
    t.recv_ns = hd_clock_wall_ns();
    refused += !hd_channel_tick(g.channel, &t);
  }
  assert_int_equal(refused, MORE);
  assert_int_equal(atomic_load(&g.channel->lost), MORE);
  hd_channel_ring(g.channel);
  look_for(&p, HADRON_MSG_TICK, &t, sizeof t); // there is room again
  assert_int_equal(t.sequence, 1);
  t.sequence = HD_CHANNEL_TICKS + MORE + 1;
  assert_true(hd_channel_tick(g.channel, &t));
  hd_channel_ring(g.channel);
  look_for(&p, HADRON_MSG_LOST, &lost, sizeof lost);
  assert_int_equal(lost.first, HD_CHANNEL_TICKS + 1);
  assert_int_equal(lost.last, HD_CHANNEL_TICKS + MORE);
  assert_int_equal(lost.count, MORE);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

// A host that is starting has neither made all its seats nor carried out what was set: who comes too early is told to come again, not that
// nobody expects it, and not with parameters that are other ones a moment later.
static void too_early(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  open_rig(&g, (struct hd_bus_options){.starting = true});
  bus_peer_open(&p, g.url);
  struct hd_frame f = bus_peer_hello(&p, "{\"protocol\":1,\"name\":\"later\",\"version\":\"1.0.0\"}");
  assert_int_equal(f.head.kind, HADRON_FRAME_REFUSED);
  assert_non_null(memmem(f.payload, f.head.size, "HADRON_ERR_AGAIN", 16));
  f = bus_peer_hello(&p, HELLO_TRADE); // its seat is there
  assert_int_equal(f.head.kind, HADRON_FRAME_REFUSED);
  assert_non_null(memmem(f.payload, f.head.size, "HADRON_ERR_AGAIN", 16));
  hd_bus_started(g.bus);
  assert_int_equal(bus_peer_hello(&p, HELLO_TRADE).head.kind, HADRON_FRAME_WELCOME);
  bus_peer_close(&p);
  bus_peer_open(&p, g.url);
  f = bus_peer_hello(&p, "{\"protocol\":1,\"name\":\"later\",\"version\":\"1.0.0\"}");
  assert_int_equal(f.head.kind, HADRON_FRAME_REFUSED);
  assert_non_null(memmem(f.payload, f.head.size, "HADRON_ERR_NOT_FOUND", 20));
  bus_peer_close(&p);
  bus_rig_close(&g);
}

// NNG takes a connection that ends within its greeting for the end of the listener. The host notices, listens anew, and who waits is let in.
static void gone_in_the_middle_of_a_greeting(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  struct hd_frame f = {0};
  open_rig(&g, (struct hd_bus_options){0});
  bus_peer_break_off(g.url, 0x30);
  bus_peer_open(&p, g.url);
  f = bus_peer_hello(&p, HELLO_TRADE);
  assert_int_equal(f.head.kind, HADRON_FRAME_WELCOME);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sessions), cmocka_unit_test(connections), cmocka_unit_test(decisions_of_a_second), cmocka_unit_test(kept_for_a_while),
                                     cmocka_unit_test(away_for_too_long), cmocka_unit_test(too_slow), cmocka_unit_test(too_early), cmocka_unit_test(gone_in_the_middle_of_a_greeting)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
