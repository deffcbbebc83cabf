// Promise: a session's stream reaches its peer whole, in order and once, and its decisions reach the trading side in order and exactly once, with
// a network that loses, repeats, delays and overtakes requests and answers, and with reconnects in between. How: both ends are state machines, the
// network is a bag of messages that a seeded generator draws from; a peer that does what docs/wire.md says is written here in fifty lines.
#include "bus/session.h"
#include "support/test.h"

#define SESSION 7
#define EPOCH 99
#define STEPS 40000

struct letter {
  bool used, to_host;
  uint64_t request; // which request of the peer it is, or answers
  uint8_t *bytes;
  uint32_t size;
};

struct world {
  struct hd_random random;
  struct hd_bus_session session;
  struct letter letters[64];
  // the source: messages are marks whose `sequence` is their number
  uint64_t there, handled;
  // the trading side
  uint64_t taken, settled, refused_seen;
  bool decided[20001];
  // the peer
  uint64_t next, decide_next, decide_acked, request, waits[2], decide_request;
  int64_t asked_at[2], decide_at;
  uint64_t delivered, duplicates, refusals;
  uint32_t loss; // per mille
  int64_t now;
};

static void post(struct world *w, bool to_host, uint64_t request, const void *bytes, uint32_t size) {
  uint32_t copies = hd_random_below(&w->random, 1000) < w->loss ? 0 : hd_random_below(&w->random, 1000) < w->loss ? 2 : 1;
  for (uint32_t i = 0; copies && i < 64; i++) {
    struct letter *l = &w->letters[i];
    if (l->used) continue;
    *l = (struct letter){true, to_host, request, malloc(size), size};
    memcpy(l->bytes, bytes, size);
    copies--;
  }
}

// ---- the host's side -------------------------------------------------------------------------------------------------------------------

static uint32_t port_fill(void *self, struct hd_packet *packet, uint64_t number) {
  struct world *w = self;
  uint32_t count = (uint32_t)(w->there - (number - 1));
  if (count > 5) count = 5;
  if (!count) return 0;
  struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, SESSION, EPOCH, HADRON_FRAME_DATA, 0, number);
  struct hadron_message_header header = hd_frame_header(HADRON_MSG_MARK, sizeof(struct hadron_mark));
  assert_true(hd_frame_begin(packet, &head));
  memcpy(hd_frame_more(packet, sizeof header), &header, sizeof header);
  for (uint32_t i = 0; i < count; i++) {
    struct hadron_mark m = {.sequence = number + i};
    memcpy(hd_frame_more(packet, sizeof m), &m, sizeof m);
  }
  hd_frame_end(packet, (uint16_t)count);
  return count;
}

static int32_t port_decide(void *self, const struct hadron_decision *d, uint32_t count, uint64_t number, int32_t *codes) {
  struct world *w = self;
  if (hd_random_below(&w->random, 4) == 0) return HADRON_ERR_AGAIN;
  for (uint32_t i = 0; i < count; i++) {
    assert_int_equal(number + i, w->taken + 1);
    assert_int_equal(d[i].key, number + i); // the one that was meant
    assert_int_equal(d[i].cause, d[0].cause);
    w->taken++;
    codes[i] = d[i].key % 7 == 0 ? HADRON_ERR_ARGUMENT : HADRON_OK;
  }
  return HADRON_OK;
}

static uint64_t port_settled(void *self, uint64_t handled) {
  struct world *w = self;
  return w->settled < handled ? w->settled : handled;
}

static void port_answer(void *self, uint64_t ticket, const void *packet, uint32_t size) { post(self, false, ticket, packet, size); }
static void port_handled(void *self, uint64_t before) {
  struct world *w = self;
  assert_true(before <= w->next); // what has not come is not handled
  if (before > w->handled) w->handled = before;
}
static void drop(void *self, uint64_t ticket) { (void)self, (void)ticket; }

// ---- the peer's side -------------------------------------------------------------------------------------------------------------------

static void ask(struct world *w, uint64_t request, uint16_t kind, uint16_t count, uint64_t sequence, const void *payload, uint32_t size) {
  uint8_t bytes[4096];
  struct hd_packet p;
  hd_packet_init(&p, bytes, sizeof bytes);
  struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, SESSION, EPOCH, kind, count, sequence);
  assert_true(hd_frame_put(&p, &head, payload, size));
  post(w, true, request, p.bytes, p.size);
}

static void ask_next(struct world *w, uint32_t which, bool rewind) {
  w->waits[which] = ++w->request;
  w->asked_at[which] = w->now;
  ask(w, w->waits[which], HADRON_FRAME_NEXT, rewind ? HD_NEXT_REWIND : 0, w->next, NULL, 0);
}

static void ask_decide(struct world *w) {
  uint8_t payload[8 + 3 * sizeof(struct hadron_decision)];
  struct hadron_message_header header = hd_frame_header(HADRON_MSG_DECISION, sizeof(struct hadron_decision));
  memcpy(payload, &header, sizeof header);
  for (uint64_t i = 0; i < 3; i++) {
    struct hadron_decision d = {.key = w->decide_acked + 1 + i, .cause = (w->decide_acked + 1 + i) / 2};
    memcpy(payload + 8 + i * sizeof d, &d, sizeof d);
  }
  if (!w->decide_request) w->decide_request = ++w->request;
  w->decide_at = w->now;
  ask(w, w->decide_request, HADRON_FRAME_DECIDE, 3, w->decide_acked + 1, payload, sizeof payload);
}

static void on_data(struct world *w, const struct hd_frame *f) {
  struct hd_frame_messages m;
  assert_int_equal(hd_frame_messages(f, &m, NULL), HADRON_OK);
  for (uint32_t i = 0; i < m.count; i++) {
    struct hadron_mark mark;
    memcpy(&mark, m.blocks + i * sizeof mark, sizeof mark);
    assert_int_equal(mark.sequence, f->head.sequence + i);
    if (f->head.sequence + i > w->next) return; // a gap: asked for again below
    if (f->head.sequence + i < w->next) w->duplicates++;
    else w->next++, w->delivered++;
  }
}

static void on_answer(struct world *w, const struct letter *l) {
  size_t at = 0;
  struct hd_frame f;
  if (l->request == w->decide_request && w->decide_request) {
    assert_int_equal(hd_frame_next(l->bytes, l->size, &at, &f, NULL), HADRON_OK);
    w->decide_request = 0;
    if (f.head.kind == HADRON_FRAME_BUSY) return;
    assert_int_equal(f.head.kind, HADRON_FRAME_ACK);
    assert_true(f.head.sequence >= w->decide_acked);
    if (f.head.sequence >= w->decide_acked + 3) {
      uint32_t expected = 0;
      for (uint64_t i = 1; i <= 3; i++) expected += (w->decide_acked + i) % 7 == 0;
      assert_int_equal(f.head.count, expected); // the same refusals, however often it was asked
      w->decide_acked += 3;
      w->refusals += f.head.count;
    }
    return;
  }
  for (uint32_t which = 0; which < 2; which++) {
    if (l->request != w->waits[which]) continue;
    uint64_t before = w->next, told = 0;
    for (at = 0; hd_frame_next(l->bytes, l->size, &at, &f, NULL) == HADRON_OK;) {
      if (f.head.kind == HADRON_FRAME_DATA) on_data(w, &f);
      told = f.head.sequence;
    }
    ask_next(w, which, told > w->next && w->next == before);
    return;
  }
}

static void reconnect(struct world *w) {
  for (uint32_t i = 0; i < 64; i++) {
    free(w->letters[i].bytes);
    w->letters[i] = (struct letter){0};
  }
  hd_bus_session_drop(&w->session, drop);
  assert_int_equal(hd_bus_session_resume(&w->session, w->next), HADRON_OK);
  ask_next(w, 0, false);
  ask_next(w, 1, false);
  w->decide_request = 0;
}

static void step(struct world *w) {
  w->now += 1000000;
  w->there += hd_random_below(&w->random, 3);
  if (w->settled < w->taken) w->settled += hd_random_below(&w->random, 3);
  if (w->settled > w->taken) w->settled = w->taken;
  hd_bus_session_work(&w->session, w->now, w->now);
  for (uint32_t which = 0; which < 2; which++)
    if (w->now - w->asked_at[which] > 200000000) ask_next(w, which, true); // nothing came: as if a gap had been seen
  if (!w->decide_request || w->now - w->decide_at > 200000000) ask_decide(w);
  uint32_t i = (uint32_t)hd_random_below(&w->random, 64); // any letter: they overtake each other
  for (uint32_t k = 0; k < 64; k++, i = (i + 1) % 64) {
    struct letter l = w->letters[i];
    if (!l.used) continue;
    struct hd_frame f;
    size_t at = 0;
    w->letters[i] = (struct letter){0};
    if (!l.to_host) on_answer(w, &l);
    else {
      assert_int_equal(hd_frame_next(l.bytes, l.size, &at, &f, NULL), HADRON_OK);
      // A DECIDE that waits points into its request: the server keeps it, here it is handled while it is there or answered BUSY later.
      hd_bus_session_request(&w->session, l.request, &f, w->now, w->now);
      if (f.head.kind == HADRON_FRAME_DECIDE && w->session.decide_count) {
        for (int again = 0; again < 200 && w->session.decide_count; again++) {
          w->settled = w->taken;
          hd_bus_session_work(&w->session, w->now, w->now);
        }
        hd_bus_session_drop(&w->session, drop);
      }
    }
    free(l.bytes);
    return;
  }
}

static void run(uint32_t loss, uint32_t cut) {
  struct world *w = calloc(1, sizeof *w);
  w->random = test_random();
  w->loss = loss;
  w->next = 1;
  const struct hd_session_port port = {w, port_fill, port_decide, port_settled, port_answer, port_handled};
  hd_bus_session_init(&w->session, &port, SESSION, EPOCH, 2, 100000000);
  ask_next(w, 0, false);
  ask_next(w, 1, false);
  for (uint32_t i = 0; i < STEPS; i++) {
    if (cut && hd_random_below(&w->random, cut) == 0) reconnect(w);
    step(w);
  }
  print_message("loss %u per mille: %llu messages, %llu twice, %llu rewinds, %llu decisions acknowledged, %llu refused\n", loss, (unsigned long long)w->delivered,
                (unsigned long long)w->duplicates, (unsigned long long)w->session.counts.rewinds, (unsigned long long)w->decide_acked, (unsigned long long)w->refusals);
  assert_true(w->delivered > STEPS / 40);
  assert_true(w->decide_acked > 100);
  assert_int_equal(w->delivered, w->next - 1);
  assert_true(w->handled > w->next / 2);
  assert_true(w->session.made - w->session.acked <= 4 * 5 + 5); // what is kept is bounded by the window
  for (uint32_t i = 0; i < 64; i++) free(w->letters[i].bytes);
  hd_bus_session_drop(&w->session, drop);
  hd_bus_session_fini(&w->session);
  free(w);
}

static void whole_in_order_once(void **state) {
  (void)state;
  run(0, 0);
}
static void with_loss(void **state) {
  (void)state;
  run(1, 0);
  run(50, 0);
  run(200, 0);
}
static void with_reconnects(void **state) {
  (void)state;
  run(0, 300);
  run(100, 300);
}

// Where nothing happens a NEXT is answered all the same, once it has waited for heartbeat_ns and not before.
static void an_idle_stream_has_a_heartbeat(void **state) {
  (void)state;
  struct world *w = calloc(1, sizeof *w);
  w->random = test_random();
  const struct hd_session_port port = {w, port_fill, port_decide, port_settled, port_answer, port_handled};
  w->next = 1;
  hd_bus_session_init(&w->session, &port, SESSION, EPOCH, 2, 100000000);
  const struct hd_frame next = {.head = hd_frame_head(HADRON_TOPIC_SESSION, SESSION, EPOCH, HADRON_FRAME_NEXT, 0, 1)};
  hd_bus_session_request(&w->session, 1, &next, 1000, 1000);
  assert_int_equal(hd_bus_session_due(&w->session), 100001000);
  hd_bus_session_work(&w->session, 100000999, 5);
  assert_false(w->letters[0].used);
  hd_bus_session_work(&w->session, 100001000, 5);
  assert_true(w->letters[0].used && !w->letters[1].used);
  struct hd_frame f;
  size_t at = 0;
  assert_int_equal(hd_frame_next(w->letters[0].bytes, w->letters[0].size, &at, &f, NULL), HADRON_OK);
  assert_int_equal(f.head.kind, HADRON_FRAME_HEARTBEAT);
  assert_int_equal(f.head.sequence, 1);
  assert_int_equal(hd_bus_session_due(&w->session), INT64_MAX);
  free(w->letters[0].bytes);
  hd_bus_session_fini(&w->session);
  free(w);
}

// A REWIND says what has come, not what was handled: memory that its sender still reads is not given back for it.
static void a_rewind_handles_nothing(void **state) {
  (void)state;
  struct world *w = calloc(1, sizeof *w);
  w->random = test_random();
  w->there = 12;
  w->next = 20;
  const struct hd_session_port port = {w, port_fill, port_decide, port_settled, port_answer, port_handled};
  hd_bus_session_init(&w->session, &port, SESSION, EPOCH, 2, 100000000);
  struct hd_frame next = {.head = hd_frame_head(HADRON_TOPIC_SESSION, SESSION, EPOCH, HADRON_FRAME_NEXT, 0, 1)};
  hd_bus_session_request(&w->session, 1, &next, 0, 0); // messages 1 to 5
  hd_bus_session_request(&w->session, 2, &next, 0, 0); // 6 to 10
  assert_int_equal(w->handled, 1);
  next.head.sequence = 6;
  next.head.count = HD_NEXT_REWIND;
  hd_bus_session_request(&w->session, 3, &next, 0, 0);
  assert_int_equal(w->handled, 1);
  next.head.count = 0;
  hd_bus_session_request(&w->session, 4, &next, 0, 0); // acknowledged before, handled now
  assert_int_equal(w->handled, 6);
  for (uint32_t i = 0; i < 64; i++) free(w->letters[i].bytes);
  hd_bus_session_drop(&w->session, drop);
  hd_bus_session_fini(&w->session);
  free(w);
}

// A packet's bound follows its peer: full packets that are taken quickly make it larger, up to HADRON_PACKET_MAX; slow ones smaller, not below what an
// ask needs. A small packet, however late its acknowledgement, says nothing.
static uint32_t full_fill(void *self, struct hd_packet *packet, uint64_t number) {
  const struct world *w = self;
  struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, SESSION, EPOCH, HADRON_FRAME_DATA, 0, number);
  assert_true(hd_frame_begin(packet, &head));
  memset(hd_frame_more(packet, w->there ? hd_frame_left(packet) : 100), 0, w->there ? 1 : 100);
  hd_frame_end(packet, 1);
  return 1;
}
static void no_answer(void *self, uint64_t ticket, const void *packet, uint32_t size) { (void)self, (void)ticket, (void)packet, (void)size; }

static void packets_grow_with_a_quick_peer(void **state) {
  (void)state;
  struct world w = {.there = 1};
  const struct hd_session_port port = {&w, full_fill, port_decide, port_settled, no_answer, NULL};
  static const struct { int64_t takes_ns; uint64_t full; uint32_t bound; } rows[] = {
      {1000000, 1, 256 * 1024}, {29000000, 1, 512 * 1024}, {1000000, 1, 512 * 1024}, {100000000, 1, 512 * 1024}, {200000000, 1, 256 * 1024}, {400000000, 0, 256 * 1024},
      {400000000, 0, 256 * 1024}, {200000000, 1, 128 * 1024}, {200000000, 1, 128 * 1024}, {1000000, 1, 256 * 1024}};
  hd_bus_session_init(&w.session, &port, SESSION, EPOCH, 2, 100000000);
  struct hd_frame next = {.head = hd_frame_head(HADRON_TOPIC_SESSION, SESSION, EPOCH, HADRON_FRAME_NEXT, 0, 1)};
  assert_int_equal(w.session.packet_max, 128 * 1024);
  hd_bus_session_request(&w.session, 1, &next, 0, 0);
  for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    next.head.sequence++;
    w.there = i + 1 < sizeof rows / sizeof *rows ? rows[i + 1].full : 0; // the packet that is made now is the next row's
    hd_bus_session_request(&w.session, 1, &next, w.now += rows[i].takes_ns, 0);
    assert_int_equal(w.session.packet_max, rows[i].bound);
    assert_true(w.session.kept[0].size <= w.session.packet_max);
  }
  hd_bus_session_fini(&w.session);
}

// Nothing that was acknowledged is kept, and nothing is there that was not made: from there nobody goes on.
static void resume_only_where_it_was(void **state) {
  (void)state;
  struct world *w = calloc(1, sizeof *w);
  w->random = test_random();
  w->there = 12;
  w->next = 13;
  const struct hd_session_port port = {w, port_fill, port_decide, port_settled, port_answer, port_handled};
  hd_bus_session_init(&w->session, &port, SESSION, EPOCH, 2, 100000000);
  struct hd_frame next = {.head = hd_frame_head(HADRON_TOPIC_SESSION, SESSION, EPOCH, HADRON_FRAME_NEXT, 0, 1)};
  hd_bus_session_request(&w->session, 1, &next, 0, 0); // messages 1 to 5
  next.head.sequence = 6;
  hd_bus_session_request(&w->session, 2, &next, 0, 0); // 6 to 10; those before are acknowledged
  assert_int_equal(w->session.made, 11);
  assert_int_equal(hd_bus_session_resume(&w->session, 5), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_bus_session_resume(&w->session, 12), HADRON_ERR_NOT_FOUND);
  assert_int_equal(hd_bus_session_resume(&w->session, 6), HADRON_OK);
  assert_int_equal(w->session.sent, 6);
  assert_int_equal(hd_bus_session_resume(&w->session, 11), HADRON_OK);
  assert_int_equal(hd_bus_session_resume(&w->session, 6), HADRON_ERR_NOT_FOUND);
  for (uint32_t i = 0; i < 64; i++) free(w->letters[i].bytes);
  hd_bus_session_fini(&w->session);
  free(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(whole_in_order_once), cmocka_unit_test(with_loss), cmocka_unit_test(with_reconnects), cmocka_unit_test(an_idle_stream_has_a_heartbeat), cmocka_unit_test(resume_only_where_it_was), cmocka_unit_test(a_rewind_handles_nothing),
                                     cmocka_unit_test(packets_grow_with_a_quick_peer)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
