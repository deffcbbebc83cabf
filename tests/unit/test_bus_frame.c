// Promise: what is written as frames is read back the same, and no other bytes are taken for frames: every cut, every changed bit, every field out
// of its domain is refused, and nothing beyond the packet is read (the packets end where their memory does).
#include "base/hash.h"
#include "bus/frame.h"
#include "support/test.h"

static uint32_t sample(uint8_t *bytes, uint32_t room) {
  struct hd_packet p;
  hd_packet_init(&p, bytes, room);
  struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, 5, 77, HADRON_FRAME_DATA, 0, 41);
  struct hadron_message_header header = hd_frame_header(HADRON_MSG_TICK, sizeof(struct hadron_tick));
  assert_true(hd_frame_begin(&p, &head));
  memcpy(hd_frame_more(&p, sizeof header), &header, sizeof header);
  for (uint64_t i = 0; i < 3; i++) {
    struct hadron_tick t = {.sequence = 100 + i, .kind = HADRON_TICK_TRADE};
    memcpy(hd_frame_more(&p, sizeof t), &t, sizeof t);
  }
  hd_frame_end(&p, 3);
  int64_t now = 123;
  head = hd_frame_head(HADRON_TOPIC_SESSION, 5, 77, HADRON_FRAME_HEARTBEAT, 0, 44);
  assert_true(hd_frame_put(&p, &head, &now, sizeof now));
  return p.size;
}

static void reads_what_was_written(void **state) {
  (void)state;
  uint8_t bytes[1024];
  uint32_t size = sample(bytes, sizeof bytes);
  size_t at = 0;
  struct hd_frame f;
  struct hd_frame_messages m;
  assert_int_equal(hd_frame_next(bytes, size, &at, &f, NULL), HADRON_OK);
  assert_int_equal(f.head.stream, 5);
  assert_int_equal(f.head.epoch, 77);
  assert_int_equal(f.head.sequence, 41);
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  assert_int_equal(m.template_id, HADRON_MSG_TICK);
  assert_int_equal(m.count, 3);
  assert_int_equal(m.tail_size, 0);
  assert_int_equal(hd_frame_next(bytes, size, &at, &f, NULL), HADRON_OK);
  assert_int_equal(f.head.kind, HADRON_FRAME_HEARTBEAT);
  assert_int_equal(hd_frame_next(bytes, size, &at, &f, NULL), HADRON_ERR_END);
}

// Frames that are read to the end of a packet; -1: something was refused.
static int read_all(const uint8_t *bytes, size_t size) {
  size_t at = 0;
  struct hd_frame f;
  int count = 0;
  int32_t code;
  while ((code = hd_frame_next(bytes, size, &at, &f, NULL)) == HADRON_OK) count++;
  return code == HADRON_ERR_END ? count : -1;
}

static void refuses_every_cut_and_every_changed_bit(void **state) {
  (void)state;
  uint8_t bytes[1024];
  uint32_t size = sample(bytes, sizeof bytes), first = 40 + 8 + 3 * 64;
  for (uint32_t cut = 0; cut < size; cut++) {
    uint8_t *exact = malloc(cut ? cut : 1); // so that a sanitizer sees a step too far
    memcpy(exact, bytes, cut);
    assert_int_equal(read_all(exact, cut), cut == first ? 1 : -1);
    free(exact);
  }
  for (uint32_t bit = 0; bit < size * 8; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_int_equal(read_all(bytes, size), -1);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  assert_int_equal(read_all(bytes, size), 2);
}

// A frame whose CRC is right, with one field that is not.
static int32_t read_one(struct hadron_frame head, const void *payload, uint32_t size) {
  uint8_t bytes[512];
  struct hd_frame f;
  size_t at = 0;
  head.size = size;
  head.crc = 0;
  head.crc = hd_crc32c(hd_crc32c(0, &head, sizeof head), payload, size);
  memcpy(bytes, &head, sizeof head);
  if (size) memcpy(bytes + sizeof head, payload, size);
  return hd_frame_next(bytes, sizeof head + size, &at, &f, NULL);
}

static void refuses_fields_out_of_their_domain(void **state) {
  (void)state;
  uint8_t payload[64] = {0};
  struct hadron_frame good = hd_frame_head(HADRON_TOPIC_SESSION, 1, 1, HADRON_FRAME_NEXT, 0, 1), bad = good;
  assert_int_equal(read_one(good, NULL, 0), HADRON_OK);
  assert_int_equal(read_one(good, payload, 1), HADRON_ERR_ARGUMENT);
  bad.kind = 99;
  assert_int_equal(read_one(bad, NULL, 0), HADRON_ERR_UNSUPPORTED);
  bad = good;
  bad.topic[7] = 'x';
  assert_int_equal(read_one(bad, NULL, 0), HADRON_ERR_ARGUMENT);
  bad = hd_frame_head(HADRON_TOPIC_SESSION, 1, 1, HADRON_FRAME_HEARTBEAT, 0, 1);
  assert_int_equal(read_one(bad, payload, 7), HADRON_ERR_ARGUMENT);
  assert_int_equal(read_one(bad, payload, 8), HADRON_OK);
  bad = hd_frame_head(HADRON_TOPIC_SESSION, 1, 1, HADRON_FRAME_DATA, 0, 1);
  assert_int_equal(read_one(bad, payload, 32), HADRON_ERR_ARGUMENT);
  bad.count = 1;
  assert_int_equal(read_one(bad, payload, 32), HADRON_OK);
  bad.sequence = UINT64_MAX;
  assert_int_equal(read_one(bad, payload, 32), HADRON_ERR_ARGUMENT);
}

static void refuses_messages_whose_lengths_do_not_fit(void **state) {
  (void)state;
  uint8_t payload[8 + 130] = {0};
  struct hd_frame f = {.head = {.kind = HADRON_FRAME_DATA, .count = 2, .size = 8 + 128}, .payload = payload};
  struct hd_frame_messages m;
  struct hadron_message_header h = hd_frame_header(HADRON_MSG_TICK, 64);
  memcpy(payload, &h, sizeof h);
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  f.head.size++; // a tail belongs to one message alone
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_ERR_ARGUMENT);
  f.head.count = 1;
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  assert_int_equal(m.tail_size, 65);
  f.head.count = 3;
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_ERR_ARGUMENT);
  h.version = 2 * 256;
  f.head.count = 1;
  memcpy(payload, &h, sizeof h);
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_ERR_UNSUPPORTED);
}

static void says_when_a_packet_is_full(void **state) {
  (void)state;
  uint8_t bytes[100];
  struct hd_packet p;
  hd_packet_init(&p, bytes, sizeof bytes);
  struct hadron_frame head = hd_frame_head(HADRON_TOPIC_TICKS, 1, 1, HADRON_FRAME_HEARTBEAT, 0, 1);
  int64_t now = 1;
  assert_true(hd_frame_put(&p, &head, &now, sizeof now));
  assert_true(hd_frame_put(&p, &head, &now, sizeof now));
  assert_false(hd_frame_put(&p, &head, &now, sizeof now));
  assert_int_equal(read_all(bytes, p.size), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(reads_what_was_written), cmocka_unit_test(refuses_every_cut_and_every_changed_bit),
                                     cmocka_unit_test(refuses_fields_out_of_their_domain), cmocka_unit_test(refuses_messages_whose_lengths_do_not_fit),
                                     cmocka_unit_test(says_when_a_packet_is_full)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
