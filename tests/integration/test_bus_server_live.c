// Promise: what a shard says to a strategy elsewhere reaches it over a socket, whole and in order; what it decides comes back, and its ACK comes when
// the trading side has written it down; asks go out and come back in pieces; who is not expected, speaks for another's session, or has fallen silent
// is refused; and a peer that comes back goes on where it was. How: the bus with real sockets, the shard and the trading side played by the test.
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "bus/bus.h"
#include "bus/rights.h"
#include "support/bus_peer.h"
#include "support/bus_rig.h"
#include "support/test.h"

static const uint8_t token[32] = {1, 2, 3};
#define TOKEN_HEX "0102030000000000000000000000000000000000000000000000000000000000"

static void open_rig(struct bus_rig *g, bool worker, struct hd_bus_options options) {
  bus_rig_open(g, &options, &(struct hd_bus_expected){.version = "1.0.0", .token = worker ? token : NULL, .params = "{\"fast\":\"5\"}"});
}

#define HELLO_EXTERNAL "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"class\":\"trade\"}"
#define HELLO_WORKER "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"class\":\"trade\",\"worker\":\"" TOKEN_HEX "\",\"pid\":1}"

static void ticks_come_whole_and_in_order(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  open_rig(&g, false, (struct hd_bus_options){0});
  bus_peer_open(&p, g.url);
  struct hd_frame f = bus_peer_hello(&p, HELLO_EXTERNAL);
  assert_int_equal(f.head.kind, HADRON_FRAME_WELCOME);
  bus_rig_wait(&g, HADRON_PLACED_JOINED);
  f = bus_peer_until(&p, HADRON_MSG_INSTRUMENT, NULL, 0);
  assert_int_equal(f.head.count, BUS_RIG_INSTRUMENTS);
  bus_rig_say(&g, 10000);
  uint64_t seen = 0;
  while (seen < 10000) {
    f = bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, p.next, NULL, 0);
    do {
      struct hd_frame_messages m;
      if (f.head.kind != HADRON_FRAME_DATA) continue;
      assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
      assert_int_equal(f.head.sequence, p.next);
      assert_int_equal(m.template_id, HADRON_MSG_TICK);
      for (uint32_t i = 0; i < m.count; i++) {
        struct hadron_tick t;
        memcpy(&t, m.blocks + i * sizeof t, sizeof t);
        assert_int_equal(t.sequence, ++seen);
      }
      p.next += m.count;
    } while (bus_peer_more(&p, &f));
  }
  struct hd_bus_figures figures;
  hd_bus_figures(g.bus, g.seat, &figures);
  assert_int_equal(figures.sent, 10000 + BUS_RIG_INSTRUMENTS);
  assert_int_equal(figures.state, HADRON_PLACED_JOINED);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

static void a_late_one_gets_the_state_of_things_first(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  struct hadron_mark mark;
  struct hadron_position position;
  open_rig(&g, false, (struct hd_bus_options){0});
  bus_rig_say(&g, 9);
  const struct hd_channel_note note = {.kind = HADRON_MSG_POSITION, .view = {.position = {-300}, .arm = 5, .instrument = 3}};
  assert_true(hd_channel_note(g.channel, &note));
  hd_channel_ring(g.channel);
  while (hd_ring_size(&g.channel->ticks) || hd_ring_size(&g.channel->notes)) continue; // the bus remembers them
  bus_peer_open(&p, g.url);
  assert_int_equal(bus_peer_hello(&p, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"universe\":[\"SYM2\"]}").head.kind, HADRON_FRAME_WELCOME);
  struct hd_frame f = bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, 1, NULL, 0);
  struct hd_frame_messages m;
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  assert_int_equal(m.template_id, HADRON_MSG_INSTRUMENT);
  assert_int_equal(m.count, 1); // the one that it wants
  assert_true(bus_peer_more(&p, &f));
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  assert_int_equal(m.template_id, HADRON_MSG_MARK);
  assert_int_equal(m.count, 1);
  memcpy(&mark, m.blocks, sizeof mark);
  assert_int_equal(mark.instrument, 3);
  assert_int_equal(mark.sequence, 8);
  assert_int_equal(mark.last.nanos, 8);
  assert_true(bus_peer_more(&p, &f));
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  assert_int_equal(m.template_id, HADRON_MSG_POSITION);
  memcpy(&position, m.blocks, sizeof position);
  assert_int_equal(position.position.e8, -300);
  assert_false(bus_peer_more(&p, &f));
  p.next = 4;
  bus_rig_say(&g, 3); // of them one is for it
  struct hadron_tick t;
  f = bus_peer_until(&p, HADRON_MSG_TICK, &t, sizeof t);
  assert_int_equal(f.head.count, 1);
  assert_int_equal(t.sequence, 11);
  struct hadron_decision d = bus_rig_decision(1); // for one that its seat has, and it has left out
  struct hadron_refusal refusal;
  f = bus_peer_decide(&p, 1, &d, 1);
  assert_int_equal(f.head.kind, HADRON_FRAME_ACK);
  assert_int_equal(f.head.count, 1);
  memcpy(&refusal, f.payload, sizeof refusal);
  assert_int_equal(refusal.code, HADRON_ERR_ARGUMENT);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

static void a_decision_is_acknowledged_when_it_is_written_down(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  open_rig(&g, false, (struct hd_bus_options){0});
  bus_peer_open(&p, g.url);
  bus_peer_hello(&p, HELLO_EXTERNAL);
  bus_rig_say(&g, 1);
  bus_peer_until(&p, HADRON_MSG_TICK, NULL, 0);
  struct hadron_decision d[2] = {bus_rig_decision(1), bus_rig_decision(2)}, out[HD_CHANNEL_DECISIONS];
  uint64_t number = 0;
  bus_peer_send_decisions(&p, 1, 1, d, 2);
  assert_int_equal(bus_rig_take(&g, out, &number), 2); // one cause, taken whole
  assert_int_equal(out[1].key, 2);
  assert_int_equal(out[0].arm, 5);
  assert_int_equal(out[0].cause, 1);
  struct hd_frame f = bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, p.next, NULL, 0); // a heartbeat: ten rounds of the bus at least
  assert_int_equal(f.head.kind, HADRON_FRAME_HEARTBEAT);
  assert_false(atomic_load(&p.came[1])); // no ACK so far
  hd_channel_took(g.channel, number);
  f = bus_peer_take(&p, 1);
  assert_int_equal(f.head.kind, HADRON_FRAME_ACK);
  assert_int_equal(f.head.sequence, 2);
  assert_int_equal(f.head.count, 0);
  // Once more, as after a lost answer: acknowledged, not taken.
  f = bus_peer_decide(&p, 1, d, 2);
  assert_int_equal(f.head.kind, HADRON_FRAME_ACK);
  assert_int_equal(f.head.sequence, 2);
  assert_int_equal(hd_ring_size(&g.channel->decisions), 0);
  // A gap is told; an instrument outside the universe, another's arm and a cause of the future are refused.
  f = bus_peer_decide(&p, 9, d, 1);
  assert_int_equal(f.head.sequence, 2);
  struct hadron_decision bad[4] = {bus_rig_decision(3), bus_rig_decision(4), bus_rig_decision(5), bus_rig_decision(6)};
  bad[0].instrument = 77;
  bad[1].arm = 6;
  bad[2].confidence = 2;
  bad[3].cause = 2; // it was sent one tick
  struct hadron_refusal refusals[4];
  f = bus_peer_decide(&p, 3, bad, 4);
  assert_int_equal(f.head.sequence, 6);
  assert_int_equal(f.head.count, 4);
  memcpy(refusals, f.payload, sizeof refusals);
  assert_int_equal(refusals[0].code, HADRON_ERR_ARGUMENT);
  assert_int_equal(refusals[1].code, HADRON_ERR_PERMISSION);
  assert_int_equal(refusals[2].code, HADRON_ERR_ARGUMENT);
  assert_int_equal(refusals[3].code, HADRON_ERR_ARGUMENT);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

struct asking {
  struct bus_rig *g;
  uint8_t *bytes;
  uint32_t size;
  struct hd_channel_ask *answer;
};

static void *ask_main(void *argument) {
  struct asking *a = argument;
  a->answer = hd_channel_ask(a->g->channel, HADRON_ASK_LOAD, 3, a->bytes, a->size, 12345, INT64_C(20000000000));
  return NULL;
}

static void asks_go_out_and_come_back_in_pieces(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  struct asking a = {.g = &g, .size = 300000, .bytes = malloc(300000)};
  uint8_t *got = malloc(a.size);
  pthread_t thread;
  open_rig(&g, true, (struct hd_bus_options){0});
  for (uint32_t i = 0; i < a.size; i++) a.bytes[i] = (uint8_t)(i * 7 + i / 251);
  pthread_create(&thread, NULL, ask_main, &a); // before the worker is there: it waits for it
  bus_peer_open(&p, hd_bus_worker_url(g.bus));
  assert_int_equal(bus_peer_hello(&p, HELLO_WORKER).head.kind, HADRON_FRAME_WELCOME);
  uint32_t have = 0;
  struct hadron_ask ask = {0};
  while (have < a.size) {
    struct hd_frame f = bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, p.next, NULL, 0);
    do {
      struct hd_frame_messages m;
      if (f.head.kind != HADRON_FRAME_DATA) continue;
      assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
      p.next += m.count;
      if (m.template_id != HADRON_MSG_ASK) continue;
      uint32_t piece;
      memcpy(&ask, m.blocks, sizeof ask);
      memcpy(&piece, m.tail, sizeof piece);
      assert_int_equal(piece + sizeof piece, m.tail_size);
      assert_int_equal(ask.offset, have);
      assert_int_equal(ask.total, a.size);
      memcpy(got + have, m.tail + sizeof piece, piece);
      have += piece;
    } while (bus_peer_more(&p, &f));
  }
  assert_int_equal(ask.verb, HADRON_ASK_LOAD);
  assert_int_equal(ask.instance, 3);
  assert_memory_equal(got, a.bytes, a.size);
  for (uint32_t at = 0; at < a.size;) { // back the same way, each piece twice
    uint32_t piece = a.size - at < 100000 ? a.size - at : 100000;
    uint8_t *payload = malloc(sizeof(struct hadron_answer) + piece);
    const struct hadron_answer head = {ask.number, HADRON_OK, at, a.size, 0};
    memcpy(payload, &head, sizeof head);
    memcpy(payload + sizeof head, got + at, piece);
    for (int twice = 0; twice < 2; twice++)
      assert_int_equal(bus_peer_ask(&p, HADRON_FRAME_ANSWER, 0, ask.number, payload, (uint32_t)sizeof head + piece).head.kind, HADRON_FRAME_ACK);
    free(payload);
    at += piece;
  }
  pthread_join(thread, NULL);
  assert_non_null(a.answer);
  assert_int_equal(a.answer->code, HADRON_OK);
  assert_int_equal(a.answer->answer_size, a.size);
  assert_memory_equal(a.answer->answer, a.bytes, a.size);
  hd_channel_let_go(a.answer);
  bus_peer_close(&p);
  bus_rig_close(&g);
  free(a.bytes);
  free(got);
}

static uint32_t verb_of_next_ask(struct bus_peer *p) {
  struct hadron_ask ask;
  bus_peer_until(p, HADRON_MSG_ASK, &ask, sizeof ask);
  return ask.verb;
}

// A worker that has ended before it heard what was asked of it leaves it in the channel: the one after it is asked anew, and of that alone.
static void what_was_for_another_worker_is_not_for_it(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  open_rig(&g, true, (struct hd_bus_options){0});
  assert_true(hd_channel_post(g.channel, HADRON_ASK_CREATE, 0, "{}", 2, 0)); // the first of all: it waits for whoever comes
  bus_peer_open(&p, hd_bus_worker_url(g.bus));
  assert_int_equal(bus_peer_hello(&p, HELLO_WORKER).head.kind, HADRON_FRAME_WELCOME);
  assert_int_equal(verb_of_next_ask(&p), HADRON_ASK_CREATE);
  bus_peer_close(&p);
  hd_bus_detach(g.bus, g.seat);
  g.seat = NULL;
  assert_true(hd_channel_post(g.channel, HADRON_ASK_CREATE, 0, "{}", 2, 0)); // of one that is gone already
  bus_rig_say(&g, 3);
  bus_rig_seat(&g, &(struct hd_bus_expected){.version = "1.0.0", .token = token, .again = true});
  for (int64_t start = hd_clock_monotonic_ns(); hd_ring_size(&g.channel->notes) || hd_channel_waiting(g.channel); sched_yield())
    if (hd_clock_monotonic_ns() - start > BUS_RIG_PATIENCE_NS) fail_msg("it is kept");
  bus_peer_open(&p, hd_bus_worker_url(g.bus));
  assert_int_equal(bus_peer_hello(&p, HELLO_WORKER).head.kind, HADRON_FRAME_WELCOME);
  assert_true(hd_channel_post(g.channel, HADRON_ASK_LOAD, 0, "{}", 2, 0));
  hd_channel_ring(g.channel);
  assert_int_equal(verb_of_next_ask(&p), HADRON_ASK_LOAD);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

static void who_is_not_expected_is_refused(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p, q;
  open_rig(&g, true, (struct hd_bus_options){0});
  bus_peer_open(&p, hd_bus_worker_url(g.bus));
  static const char *const wrong[] = {
      HELLO_EXTERNAL, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"class\":\"read\"}", // this address is for workers alone
      "{}", "[]", "{\"protocol\":2,\"name\":\"trend\"}", "{\"protocol\":1,\"name\":\"Trend!\"}",
      "{\"protocol\":1,\"name\":\"trend\",\"worker\":\"0102\"}", "{\"protocol\":1,\"name\":\"trend\",\"worker\":\"0202030000000000000000000000000000000000000000000000000000000000\"}",
      "{\"protocol\":1,\"name\":\"trend\",\"class\":\"god\"}", "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0\\n[31m\",\"worker\":\"" TOKEN_HEX "\"}", "{\"protocol\":1,\"name\":\"trend\",\"universe\":\"SYM1\"}", "\xff\xfe"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct hd_frame f = bus_peer_hello(&p, wrong[i]);
    assert_int_equal(f.head.kind, HADRON_FRAME_REFUSED);
    assert_non_null(memmem(f.payload, f.head.size, "\"code\":\"HADRON_ERR_", 19));
  }
  assert_int_equal(bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, 1, NULL, 0).head.kind, HADRON_FRAME_REFUSED);
  assert_int_equal(bus_peer_hello(&p, HELLO_WORKER).head.kind, HADRON_FRAME_WELCOME);
  assert_int_equal(bus_peer_hello(&p, HELLO_WORKER).head.kind, HADRON_FRAME_WELCOME); // asked again: the same session
  // Its number said on another connection is no key to it.
  bus_peer_open(&q, hd_bus_worker_url(g.bus));
  q.session = p.session;
  q.epoch = p.epoch;
  assert_int_equal(bus_peer_ask(&q, HADRON_FRAME_NEXT, 0, 1, NULL, 0).head.kind, HADRON_FRAME_REFUSED);
  struct hadron_decision d = bus_rig_decision(1);
  assert_int_equal(bus_peer_decide(&q, 1, &d, 1).head.kind, HADRON_FRAME_REFUSED);
  assert_int_equal(bus_peer_hello(&q, HELLO_WORKER).head.kind, HADRON_FRAME_REFUSED); // it is here already
  assert_int_equal(bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, 1, NULL, 0).head.kind, HADRON_FRAME_DATA);
  assert_int_equal(bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, 99, NULL, 0).head.kind, HADRON_FRAME_REFUSED); // never sent
  bus_peer_close(&q);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

static void a_silent_one_is_refused_until_it_is_back(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  open_rig(&g, false, (struct hd_bus_options){.stale_after_ns = 60000000, .heartbeat_ns = 20000000});
  bus_peer_open(&p, g.url);
  bus_peer_hello(&p, HELLO_EXTERNAL);
  bus_rig_wait(&g, HADRON_PLACED_JOINED);
  bus_rig_wait(&g, HADRON_PLACED_SILENT);
  struct hadron_decision d = bus_rig_decision(1);
  struct hadron_refusal refusal;
  struct hd_frame f = bus_peer_decide(&p, 1, &d, 1);
  assert_int_equal(f.head.kind, HADRON_FRAME_ACK);
  assert_int_equal(f.head.count, 1);
  memcpy(&refusal, f.payload, sizeof refusal);
  assert_int_equal(refusal.code, HADRON_ERR_STATE);
  bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, 1, NULL, 0);
  bus_rig_wait(&g, HADRON_PLACED_BACK);
  f = bus_peer_ask(&p, HADRON_FRAME_BYE, 0, 0, NULL, 0);
  assert_int_equal(f.head.kind, HADRON_FRAME_ACK);
  bus_rig_wait(&g, HADRON_PLACED_LEFT);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

// Cause 0 is the last tick that was told, unless its HELLO says that it means what it says.
static void no_tick_may_be_the_cause(void **state) {
  static const struct { const char *hello; uint64_t cause; } rows[] = {
      {HELLO_EXTERNAL, 3}, {"{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"cause\":\"exact\"}", 0}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct bus_rig g;
    struct bus_peer p;
    struct hadron_decision d = bus_rig_decision(1), out[HD_CHANNEL_DECISIONS];
    uint64_t number = 0;
    open_rig(&g, false, (struct hd_bus_options){0});
    bus_peer_open(&p, g.url);
    assert_int_equal(bus_peer_hello(&p, "{\"protocol\":1,\"name\":\"trend\",\"cause\":\"guessed\"}").head.kind, HADRON_FRAME_REFUSED);
    assert_int_equal(bus_peer_hello(&p, rows[i].hello).head.kind, HADRON_FRAME_WELCOME);
    bus_rig_say(&g, 3);
    bus_peer_until(&p, HADRON_MSG_TICK, NULL, 0);
    bus_peer_send_decisions(&p, 1, 1, &d, 1);
    bus_rig_take(&g, out, &number);
    assert_int_equal(out[0].cause, rows[i].cause);
    hd_channel_took(g.channel, number);
    assert_int_equal(bus_peer_take(&p, 1).head.kind, HADRON_FRAME_ACK);
    bus_peer_close(&p);
    bus_rig_close(&g);
  }
}

static void a_decision_on_old_ticks_is_refused(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  open_rig(&g, false, (struct hd_bus_options){.stale_after_ns = INT64_C(10000000000)});
  bus_peer_open(&p, g.url);
  bus_peer_hello(&p, HELLO_EXTERNAL);
  bus_rig_say(&g, 1);
  bus_peer_until(&p, HADRON_MSG_TICK, NULL, 0);
  struct hadron_tick old = {.sequence = ++g.ticks, .instrument = 1, .kind = HADRON_TICK_TRADE, .recv_ns = hd_clock_wall_ns() - INT64_C(11000000000), .value.trade.price = {5}};
  hd_channel_tick(g.channel, &old); // the host has had it for eleven seconds
  hd_channel_ring(g.channel);
  bus_peer_until(&p, HADRON_MSG_TICK, NULL, 0);
  struct hadron_decision d = bus_rig_decision(1);
  struct hadron_refusal refusal;
  d.cause = 1;
  struct hd_frame f = bus_peer_decide(&p, 1, &d, 1);
  assert_int_equal(f.head.count, 1);
  memcpy(&refusal, f.payload, sizeof refusal);
  assert_int_equal(refusal.code, HADRON_ERR_STATE);
  d.cause = 2; // the newest one, however old
  uint64_t number;
  struct hadron_decision out[64];
  bus_peer_send_decisions(&p, 1, 2, &d, 1);
  bus_rig_take(&g, out, &number);
  hd_channel_took(g.channel, number);
  f = bus_peer_take(&p, 1);
  assert_int_equal(f.head.count, 0);
  assert_int_equal(f.head.sequence, 2);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

static void who_comes_back_goes_on_where_it_was(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p, q;
  char hello[512];
  struct hadron_tick t;
  open_rig(&g, false, (struct hd_bus_options){0});
  bus_peer_open(&p, g.url);
  bus_peer_hello(&p, HELLO_EXTERNAL);
  bus_rig_say(&g, 5);
  bus_peer_until(&p, HADRON_MSG_TICK, &t, sizeof t);
  assert_int_equal(t.sequence, 1);
  uint64_t next = p.next - 5; // as if the packet with the five had been lost
  bus_rig_say(&g, 5);
  bus_peer_ask(&p, HADRON_FRAME_NEXT, 1, next, NULL, 0); // REWIND: the same again
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"class\":\"trade\",\"resume\":{\"session\":%u,\"epoch\":\"%llu\",\"next\":\"%llu\"}}", p.session,
           (unsigned long long)p.epoch, (unsigned long long)next);
  uint32_t session = p.session;
  bus_peer_close(&p);
  bus_rig_say(&g, 5);
  bus_peer_open(&q, g.url);
  assert_int_equal(bus_peer_hello(&q, hello).head.kind, HADRON_FRAME_WELCOME);
  assert_int_equal(q.session, session);
  assert_int_equal(q.next, next);
  bus_rig_wait(&g, HADRON_PLACED_BACK);
  uint64_t seen = 0;
  while (seen < 15) {
    struct hd_frame f = bus_peer_ask(&q, HADRON_FRAME_NEXT, 0, q.next, NULL, 0);
    do {
      struct hd_frame_messages m;
      if (f.head.kind != HADRON_FRAME_DATA) continue;
      assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
      for (uint32_t i = 0; i < m.count && m.template_id == HADRON_MSG_TICK; i++) {
        memcpy(&t, m.blocks + i * sizeof t, sizeof t);
        assert_int_equal(t.sequence, ++seen);
      }
      q.next = f.head.sequence + m.count;
    } while (bus_peer_more(&q, &f));
  }
  bus_peer_close(&q);
  bus_rig_close(&g);
}

// A number of somebody else's is no key: not of another life of the host, not with another secret, version or wish, not from a place that never was.
static void only_its_own_session_is_gone_on_with(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p, q;
  char hello[512];
  static const char form[] = "{\"protocol\":1,\"name\":\"%s\",\"version\":\"%s\",\"class\":\"read\",\"token\":\"%s\"%s,\"resume\":{\"session\":%u,\"epoch\":\"%llu\",\"next\":\"%u\"}}";
  static const struct { const char *name, *version, *secret, *more; uint32_t off, next; bool its_own; } rows[] = {
      {"office", "1.0.0", "a", "", 1, 1, false}, {"office", "1.0.0", "b", "", 0, 1, false}, {"office", "1.0.1", "a", "", 0, 1, false}, {"office", "1.0.0", "a", ",\"packed\":true", 0, 1, false},
      {"attic", "1.0.0", "a", "", 0, 1, false}, {"office", "1.0.0", "a", "", 0, 2, false}, {"office", "1.0.0", "a", "", 0, 0, false}, {"office", "1.0.0", "a", "", 0, 1, true}};
  open_rig(&g, false, (struct hd_bus_options){0});
  bus_peer_open(&p, g.url);
  bus_peer_open(&q, g.url);
  assert_int_equal(bus_peer_hello(&p, "{\"protocol\":1,\"name\":\"office\",\"version\":\"1.0.0\",\"class\":\"read\",\"token\":\"a\"}").head.kind, HADRON_FRAME_WELCOME);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    snprintf(hello, sizeof hello, form, rows[i].name, rows[i].version, rows[i].secret, rows[i].more, p.session, (unsigned long long)(p.epoch + rows[i].off), rows[i].next);
    assert_int_equal(bus_peer_hello(&q, hello).head.kind, HADRON_FRAME_WELCOME);
    if ((q.session == p.session) != rows[i].its_own) fail_msg("row %zu: session %u, it was %u", i, q.session, p.session);
  }
  bus_peer_close(&q);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

// Where nobody needs a token all have the same secret, none: the number of a session of a higher class, begun where that may be, gives no rights elsewhere.
static void a_class_is_not_gone_on_with(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer boss, guest;
  char hello[512], high[TEST_PATH_SIZE + 32];
  open_rig(&g, false, (struct hd_bus_options){0});
  snprintf(high, sizeof high, "ipc://%s/high.ipc", g.directory);
  const struct hd_bus_listen listen[] = {{.url = high, .rights = HD_BUS_ADMIN}, {.url = g.url, .rights = HD_BUS_READ}};
  bus_rig_renew(&g, &(struct hd_bus_options){.listeners = listen, .listener_count = 2}, &(struct hd_bus_expected){0});
  bus_peer_open(&boss, high);
  bus_peer_open(&guest, g.url);
  assert_int_equal(bus_peer_hello(&boss, "{\"protocol\":1,\"name\":\"office\",\"version\":\"1.0.0\",\"class\":\"admin\"}").head.kind, HADRON_FRAME_WELCOME);
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"office\",\"version\":\"1.0.0\",\"class\":\"read\",\"resume\":{\"session\":%u,\"epoch\":\"%llu\",\"next\":\"1\"}}", boss.session,
           (unsigned long long)boss.epoch);
  struct hd_frame f = bus_peer_hello(&guest, hello);
  assert_int_equal(f.head.kind, HADRON_FRAME_WELCOME);
  assert_non_null(memmem(f.payload, f.head.size, "\"class\":\"read\"", 14));
  assert_int_not_equal(guest.session, boss.session);
  f = bus_peer_ask(&guest, HADRON_FRAME_ADMIN, 0, 1, "{}", 2);
  assert_int_equal(f.head.kind, HADRON_FRAME_REFUSED);
  assert_non_null(memmem(f.payload, f.head.size, "HADRON_ERR_PERMISSION", 21));
  assert_int_equal(bus_peer_ask(&boss, HADRON_FRAME_NEXT, 0, 1, NULL, 0).head.kind, HADRON_FRAME_HEARTBEAT); // and its own is still its own
  bus_peer_close(&guest);
  bus_peer_close(&boss);
  bus_rig_close(&g);
}

static void a_token_says_who_may_speak_for_whom(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  struct hd_fault fault;
  char file[1024], tokens[TEST_PATH_SIZE], secret[3][HD_TOKEN_SIZE], lines[3][256], hello[512], url[TEST_PATH_SIZE + 32];
  open_rig(&g, false, (struct hd_bus_options){0});
  hd_token_make("trade", "trend", secret[0], lines[0], sizeof lines[0], &fault);
  hd_token_make("trade", "pairs", secret[1], lines[1], sizeof lines[1], &fault);
  hd_token_make("trade", "trend", secret[2], lines[2], sizeof lines[2], &fault);
  snprintf(file, sizeof file, "%s%s%s", lines[0], lines[1], lines[2]);
  test_path(tokens, g.directory, "tokens");
  test_file_write(tokens, file, strlen(file));
  chmod(tokens, 0600);
  snprintf(url, sizeof url, "ipc://%s/tokens.ipc", g.directory);
  const struct hd_bus_listen listen = {.url = url, .rights = HD_BUS_ADMIN, .tokens = tokens};
  const struct hd_bus_options options = {.listeners = &listen, .listener_count = 1};
  bus_rig_renew(&g, &options, &(struct hd_bus_expected){0});
  bus_peer_open(&p, url);
  assert_int_equal(bus_peer_hello(&p, HELLO_EXTERNAL).head.kind, HADRON_FRAME_REFUSED); // none
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"token\":\"%s\"}", secret[1]);
  assert_int_equal(bus_peer_hello(&p, hello).head.kind, HADRON_FRAME_REFUSED); // another's
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"class\":\"admin\",\"token\":\"%s\"}", secret[0]);
  assert_int_equal(bus_peer_hello(&p, hello).head.kind, HADRON_FRAME_REFUSED); // more than it says
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"token\":\"%s\"}", secret[0]);
  assert_int_equal(bus_peer_hello(&p, hello).head.kind, HADRON_FRAME_WELCOME);
  // The token allows less now, then another one goes: within a second or two its session goes too.
  snprintf(file, sizeof file, "%.*s read trend\n%s", (int)strcspn(lines[0], " "), lines[0], lines[2]);
  test_file_write(tokens, file, strlen(file));
  bus_rig_wait(&g, HADRON_PLACED_LEFT);
  bus_peer_close(&p);
  bus_peer_open(&p, url);
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\",\"token\":\"%s\"}", secret[2]);
  assert_int_equal(bus_peer_hello(&p, hello).head.kind, HADRON_FRAME_WELCOME);
  test_file_write(tokens, lines[1], strlen(lines[1]));
  bus_rig_wait(&g, HADRON_PLACED_LEFT);
  struct hd_bus_refusals refusals;
  hd_bus_refusals(g.bus, &refusals);
  assert_in_range(refusals.requests, 3, 6); // what was asked again in a slow moment is counted again
  bus_peer_close(&p);
  bus_rig_close(&g);
}

// What a NEXT says of callbacks is added up; another size of it is no NEXT.
static void callbacks_times_are_told(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  static struct hd_histogram latency;
  struct hadron_measured rows[HADRON_MEASURED_MAX + 1] = {{1000, 3}, {2000, 1}, {UINT64_MAX, 1}, {5, UINT64_MAX}};
  open_rig(&g, false, (struct hd_bus_options){0});
  bus_rig_seat(&g, &(struct hd_bus_expected){.latency = &latency});
  bus_peer_open(&p, g.url);
  bus_peer_hello(&p, HELLO_EXTERNAL);
  assert_int_equal(bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, 1, rows, 2 * sizeof *rows).head.kind, HADRON_FRAME_DATA);
  uint64_t count = latency.count; // what was asked again in a slow moment is told again
  assert_true(count >= 4 && count % 4 == 0);
  assert_int_equal(latency.max, 2000);
  assert_in_range(hd_histogram_quantile(&latency, 0.5), 1000, 1031);
  assert_int_equal(bus_peer_ask(&p, HADRON_FRAME_NEXT, 1, 1, rows + 2, 2 * sizeof *rows).head.kind, HADRON_FRAME_DATA);
  assert_in_range(latency.count, count + 1, count + 20); // the other row is passed over: nobody calls so often
  count = latency.count;
  assert_int_equal(bus_peer_ask(&p, HADRON_FRAME_NEXT, 0, 1, rows, sizeof rows).head.kind, HADRON_FRAME_REFUSED);
  assert_int_equal(latency.count, count);
  bus_peer_close(&p);
  bus_rig_close(&g);
}

static uint32_t mode_of(const char *url) {
  struct stat is;
  assert_int_equal(stat(url + strlen("ipc://"), &is), 0);
  return is.st_mode & 07777;
}

// Whoever may open a socket may speak: on this machine that is the user alone, and a place for workers that others may write to is none.
static void its_sockets_are_its_users_alone(void **state) {
  (void)state;
  struct bus_rig g;
  struct hd_bus *other;
  struct hd_fault fault = {0};
  char directory[TEST_PATH_SIZE];
  mode_t before = umask(0);
  open_rig(&g, true, (struct hd_bus_options){0});
  assert_int_equal(mode_of(g.url), 0600);
  assert_int_equal(mode_of(hd_bus_worker_url(g.bus)), 0600);
  assert_int_equal(mode_of(hd_bus_seat_url(g.seat)), 0600);
  test_path(directory, g.directory, "open");
  assert_int_equal(mkdir(directory, 0755), 0);
  assert_int_equal(hd_bus_create(&(struct hd_bus_options){.directory = directory, .host = "test"}, &other, &fault), HADRON_ERR_PERMISSION);
  assert_non_null(strstr(fault.text, directory));
  umask(before);
  bus_rig_close(&g);
}

static void an_ended_host_lets_everybody_go(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  open_rig(&g, false, (struct hd_bus_options){0});
  bus_peer_open(&p, g.url);
  bus_peer_hello(&p, HELLO_EXTERNAL);
  bus_peer_send(&p, 1, HADRON_FRAME_NEXT, 0, 1, NULL, 0);
  bus_peer_take(&p, 1);
  bus_peer_send(&p, 1, HADRON_FRAME_NEXT, 0, 4, NULL, 0); // waits
  bus_rig_close(&g);
  bus_peer_close(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ticks_come_whole_and_in_order), cmocka_unit_test(a_late_one_gets_the_state_of_things_first),
                                     cmocka_unit_test(a_decision_is_acknowledged_when_it_is_written_down), cmocka_unit_test(asks_go_out_and_come_back_in_pieces),
                                     cmocka_unit_test(what_was_for_another_worker_is_not_for_it), cmocka_unit_test(who_is_not_expected_is_refused), cmocka_unit_test(a_silent_one_is_refused_until_it_is_back),
                                     cmocka_unit_test(no_tick_may_be_the_cause), cmocka_unit_test(a_decision_on_old_ticks_is_refused), cmocka_unit_test(who_comes_back_goes_on_where_it_was),
                                     cmocka_unit_test(only_its_own_session_is_gone_on_with), cmocka_unit_test(a_class_is_not_gone_on_with),
                                     cmocka_unit_test(a_token_says_who_may_speak_for_whom), cmocka_unit_test(callbacks_times_are_told), cmocka_unit_test(its_sockets_are_its_users_alone),
                                     cmocka_unit_test(an_ended_host_lets_everybody_go)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
