// Promise: a client takes what a host has sent, and no other bytes: every cut and every changed bit of a packet is refused, and so are packets whose
// numbers have a hole or run past the last one there is, or that are of two streams. What was lost is told apart from what was received by nothing else than this.
#include "support/test.h"

#include <nng/nng.h>

#include "bus/frame.h"
#include "sdk/client/packet.h"

static uint8_t bytes[4096];
_Alignas(8) static uint8_t room[HADRON_PACKET_MAX];

static void frame(struct hd_packet *p, uint32_t stream, uint64_t sequence, uint16_t count) {
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_TICKS, stream, 77, HADRON_FRAME_DATA, 0, sequence);
  const struct hadron_message_header header = hd_frame_header(HADRON_MSG_TICK, sizeof(struct hadron_tick));
  assert_true(hd_frame_begin(p, &head));
  memcpy(hd_frame_more(p, sizeof header), &header, sizeof header);
  for (uint64_t i = 0; i < count; i++) {
    const struct hadron_tick t = {.sequence = sequence + i, .kind = HADRON_TICK_TRADE};
    memcpy(hd_frame_more(p, sizeof t), &t, sizeof t);
  }
  hd_frame_end(p, count);
}

static struct hc_packet *opened(const void *from, size_t size) {
  nng_msg *msg;
  assert_int_equal(nng_msg_alloc(&msg, size), 0);
  memcpy(nng_msg_body(msg), from, size);
  return hc_packet_open(msg, true); // moved
}

static bool taken(const void *from, size_t size) {
  struct hc_packet *p = opened(from, size);
  hc_packet_free(p);
  return p != NULL;
}

static void what_was_sent(void **state) {
  (void)state;
  struct hd_packet packet;
  struct hadron_event e;
  hd_packet_init(&packet, bytes, sizeof bytes);
  frame(&packet, 1, 10, 3);
  frame(&packet, 1, 13, 2);
  struct hc_packet *p = opened(packet.bytes, packet.size);
  assert_non_null(p);
  assert_int_equal(p->from, 10);
  assert_int_equal(p->to, 15);
  assert_true(hc_packet_event(p, 11, room, &e)); // what is known already is passed over
  assert_int_equal(e.sequence, 11);
  assert_int_equal(e.count, 2);
  assert_int_equal(((const struct hadron_tick *)e.data)->sequence, 11);
  assert_true(hc_packet_event(p, 11, room, &e));
  assert_int_equal(e.sequence, 13);
  assert_false(hc_packet_event(p, 11, room, &e));
  hc_packet_free(p);
}

static void nothing_else(void **state) {
  (void)state;
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, sizeof bytes);
  frame(&packet, 1, 10, 3);
  uint32_t first = packet.size;
  frame(&packet, 1, 13, 2);
  for (size_t size = 0; size < packet.size; size++) assert_int_equal(taken(packet.bytes, size), size == first);
  for (size_t bit = 0; bit < 8u * packet.size; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (taken(packet.bytes, packet.size)) fail_msg("bit %zu of byte %zu was changed, and nobody saw it", bit % 8, bit / 8);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  assert_true(taken(packet.bytes, packet.size));
}

static void holes_and_strangers(void **state) {
  (void)state;
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, sizeof bytes);
  frame(&packet, 1, 10, 3);
  frame(&packet, 1, 14, 2);
  assert_false(taken(packet.bytes, packet.size));
  hd_packet_init(&packet, bytes, sizeof bytes);
  frame(&packet, 1, 10, 3);
  frame(&packet, 2, 13, 2);
  assert_false(taken(packet.bytes, packet.size));
  hd_packet_init(&packet, bytes, sizeof bytes);
  frame(&packet, 1, UINT64_MAX - 2, 2);
  assert_true(taken(packet.bytes, packet.size));
  frame(&packet, 1, UINT64_MAX, 1); // past the last number there is
  assert_false(taken(packet.bytes, packet.size));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_sent), cmocka_unit_test(nothing_else), cmocka_unit_test(holes_and_strangers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
