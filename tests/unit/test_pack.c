// Promise: packed messages are the same messages again, bit for bit, whatever is in them, in any number that a frame may have, and in no more than their bound;
// bytes that are not what a packer makes are refused, and nothing is written or read beyond what was said to be there. What a stream gives out packed is what it
// gives out plain. The example of docs/wire.md is what it says. Random messages by a printed seed; every buffer ends where the sanitizer sees it.
#include <nng/nng.h>

#include "bus/stream.h"
#include "hadron/pack.h"
#include "sdk/client/frame.h"
#include "sdk/client/packet.h"
#include "support/test.h"

#define WORDS_MAX 40u
#define SEVERAL 200u

// How a word differs from the one before it: not at all, in as many low bytes as it takes, in all of them.
static void vary(struct hd_random *random, uint8_t *blocks, size_t count, size_t words) {
  for (size_t i = 0; i < count * words; i++) {
    uint64_t before = i < words ? 0 : hadron_pack_word(blocks, i - words), bits = hd_random_below(random, 65);
    uint64_t word = before ^ (bits ? hd_random_next(random) >> (64 - bits) : 0);
    memcpy(blocks + 8 * i, &word, 8);
  }
}

static size_t packed(const uint8_t *blocks, size_t count, size_t words, uint8_t *to) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    size_t more = hadron_pack(to + size, i ? blocks + 8 * words * (i - 1) : NULL, blocks + 8 * words * i, words);
    assert_true(more >= (words + 1) / 2 && more <= hadron_pack_bound(words));
    size += more;
  }
  return size;
}

// There and back, in memory that ends with its last byte.
static void same_again(const uint8_t *blocks, size_t count, size_t words) {
  uint8_t *room = malloc(count * hadron_pack_bound(words)), *back = malloc(count * words * 8);
  assert_true(room && back);
  size_t size = packed(blocks, count, words, room);
  uint8_t *exact = malloc(size);
  assert_non_null(exact);
  memcpy(exact, room, size);
  assert_true(hadron_packed_valid(exact, size, count, words));
  assert_true(hadron_unpack(exact, size, count, words, back));
  assert_memory_equal(back, blocks, count * words * 8);
  assert_false(hadron_packed_valid(exact, size, count + 1, words));
  assert_false(hadron_packed_valid(exact, size - 1, count, words));
  assert_false(hadron_unpack(exact, size - 1, count, words, back));
  if (count > 1) assert_false(hadron_packed_valid(exact, size, count - 1, words) || hadron_unpack(exact, size, count - 1, words, back));
  free(room), free(exact), free(back);
}

static void any_message_of_any_length(void **state) {
  (void)state;
  struct hd_random random = test_random();
  uint8_t *blocks = malloc(SEVERAL * WORDS_MAX * 8);
  assert_non_null(blocks);
  for (size_t words = 1; words <= WORDS_MAX; words++) {
    for (int i = 0; i < 20; i++) {
      size_t count = i == 0 ? 1 : 1 + hd_random_below(&random, SEVERAL);
      vary(&random, blocks, count, words);
      same_again(blocks, count, words);
    }
    memset(blocks, 0, SEVERAL * words * 8); // nothing differs
    same_again(blocks, SEVERAL, words);
    for (size_t i = 0; i < SEVERAL; i++) memset(blocks + i * words * 8, i % 2 ? 0 : 0xff, words * 8); // everything does
    same_again(blocks, SEVERAL, words);
  }
  free(blocks);
}

// A word of every length, at every place.
static void every_size_of_a_word(void **state) {
  (void)state;
  for (unsigned bits = 0; bits <= 64; bits++) {
    const uint64_t top = bits ? UINT64_C(1) << (bits - 1) : 0;
    for (size_t place = 0; place < 8; place++) {
      uint64_t block[8] = {0};
      uint8_t to[68];
      block[place] = top;
      same_again((const uint8_t *)block, 1, 8);
      assert_int_equal(hadron_pack(to, NULL, block, 8), 4 + (bits + 7) / 8);
      assert_int_equal(to[place / 2], (bits + 7) / 8 << (place % 2 * 4));
    }
  }
}

static void as_many_as_a_frame_has(void **state) {
  (void)state;
  struct hd_random random = test_random();
  const size_t most = HADRON_PACKET_MAX / sizeof(struct hadron_tick);
  uint8_t *blocks = malloc(most * sizeof(struct hadron_tick));
  assert_non_null(blocks);
  vary(&random, blocks, most, 8);
  same_again(blocks, most, 8);
  free(blocks);
}

// Changed bytes are made out as something, or refused; either way within their bounds.
static void damage_stays_in_its_bounds(void **state) {
  (void)state;
  struct hd_random random = test_random();
  uint8_t blocks[20 * 64], room[20 * 68];
  uint32_t refused = 0;
  for (int i = 0; i < 20000; i++) {
    size_t words = 1 + hd_random_below(&random, 8), count = 1 + hd_random_below(&random, 20);
    vary(&random, blocks, count, words);
    size_t size = packed(blocks, count, words, room);
    for (uint64_t n = 1 + hd_random_below(&random, 4); n > 0; n--) room[hd_random_below(&random, size)] = (uint8_t)hd_random_next(&random);
    uint8_t *exact = malloc(size), *back = malloc(count * words * 8);
    assert_true(exact && back);
    memcpy(exact, room, size);
    bool valid = hadron_packed_valid(exact, size, count, words);
    assert_int_equal(hadron_unpack(exact, size, count, words, back), valid);
    refused += !valid;
    free(exact), free(back);
  }
  assert_true(refused > 1000 && refused < 20000);
}

// ---- frames ------------------------------------------------------------------------------------------------------------------------------------

static uint8_t bytes[HADRON_PACKET_MAX];
_Alignas(8) static uint8_t made_out[HADRON_PACKET_MAX];

static struct hc_packet *opened(const void *from, size_t size, bool may) {
  nng_msg *msg;
  assert_int_equal(nng_msg_alloc(&msg, size), 0);
  memcpy(nng_msg_body(msg), from, size);
  return hc_packet_open(msg, may); // moved
}

static bool taken(const struct hd_packet *p, bool may) {
  struct hc_packet *packet = opened(p->bytes, p->size, may);
  hc_packet_free(packet);
  return packet != NULL;
}

static void tick_of(uint64_t i, struct hadron_tick *out) {
  *out = (struct hadron_tick){.sequence = i, .event_ns = (int64_t)(i * 1000), .instrument = 1 + (uint32_t)(i % 3), .kind = HADRON_TICK_TRADE, .value.trade.price = {(int64_t)i * 7}};
}

// A frame of ticks from `number` on that says of itself what it is told to.
struct lie {
  uint16_t kind, count, block;
  uint32_t more; // bytes behind
  uint16_t schema;
};

static void frame(struct hd_packet *p, uint64_t number, uint16_t count, const struct lie *lie) {
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, 1, 77, lie->kind ? lie->kind : HADRON_FRAME_PACKED, 0, number);
  struct hadron_message_header header = hd_frame_header(HADRON_MSG_TICK, lie->block ? lie->block : sizeof(struct hadron_tick));
  struct hadron_tick before, tick;
  uint8_t room[68];
  if (lie->schema) header.schema_id = lie->schema;
  assert_true(hd_frame_begin(p, &head));
  memcpy(hd_frame_more(p, sizeof header), &header, sizeof header);
  for (uint16_t i = 0; i < count; i++, before = tick) {
    tick_of(number + i, &tick);
    size_t size = hadron_pack(room, i ? &before : NULL, &tick, 8);
    memcpy(hd_frame_more(p, (uint32_t)size), room, size);
  }
  if (lie->more) memset(hd_frame_more(p, lie->more), 0, lie->more);
  hd_frame_end(p, lie->count ? lie->count : count);
}

static void a_client_takes_them(void **state) {
  (void)state;
  struct hd_packet p;
  struct hadron_event e;
  hd_packet_init(&p, bytes, sizeof bytes);
  frame(&p, 10, 5, &(struct lie){0});
  uint32_t first = p.size;
  frame(&p, 15, 300, &(struct lie){0});
  struct hc_packet *packet = opened(p.bytes, p.size, true);
  assert_non_null(packet);
  assert_true(packet->from == 10 && packet->to == 315);
  uint64_t next = 12; // what is known already is passed over
  while (hc_packet_event(packet, next, made_out, &e)) {
    assert_true(e.sequence == next && e.kind == HADRON_EVENT_TICKS && e.stride == sizeof(struct hadron_tick));
    for (uint32_t i = 0; i < e.count; i++, next++) {
      struct hadron_tick tick;
      tick_of(next, &tick);
      assert_memory_equal((const struct hadron_tick *)e.data + i, &tick, sizeof tick);
    }
  }
  assert_int_equal(next, 315);
  hc_packet_free(packet);
  assert_false(taken(&p, false)); // who has not asked for such
  p.size = first;
  for (size_t bit = 0; bit < 8u * first; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (taken(&p, true)) fail_msg("bit %zu of byte %zu was changed, and nobody saw it", bit % 8, bit / 8);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (p.size = 0; p.size < first; p.size++) assert_false(taken(&p, true));
}

// With the right CRC: somebody means it.
static void lies_are_refused(void **state) {
  (void)state;
  static const struct { const char *what; uint16_t count; struct lie lie; } rows[] = {
      {"one message more than there are", 5, {.count = 6}},
      {"one less", 5, {.count = 4}},
      {"many more than there is room for", 5, {.count = UINT16_MAX}},
      {"none", 0, {0}},
      {"bytes behind the last one", 5, {.more = 1}},
      {"as many bytes behind the last one as one more has", 5, {.more = 4}},
      {"a block of no whole words", 5, {.block = 63}},
      {"a block of another length", 5, {.block = 40}},
      {"blocks that are more than a packet", 100, {.block = 8192}},
      {"another schema", 5, {.schema = 1}},
      {"that they are plain", 5, {.kind = HADRON_FRAME_DATA}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct hd_packet p;
    hd_packet_init(&p, bytes, sizeof bytes);
    frame(&p, 1, rows[i].count, &rows[i].lie);
    if (taken(&p, true)) fail_msg("a frame that says %s was taken", rows[i].what);
  }
  // Controls of zero: four bytes a message, so that a packet could be made into eight million bytes.
  struct hd_packet p;
  for (uint32_t count = 8192; count <= 8193; count++) {
    hd_packet_init(&p, bytes, sizeof bytes);
    frame(&p, 1, 0, &(struct lie){.count = (uint16_t)count, .more = 4 * count});
    assert_int_equal(taken(&p, true), count * sizeof(struct hadron_tick) <= HADRON_PACKET_MAX);
  }
}

// ---- a stream ------------------------------------------------------------------------------------------------------------------------------------

#define INSTRUMENTS 3u

struct giver {
  struct hd_channel *channel;
  struct hd_stream stream;
  uint64_t number;
};

static void giver_open(struct giver *g, bool is_packed) {
  struct hadron_instrument_definition universe[INSTRUMENTS] = {{.instrument = 1}, {.instrument = 2}, {.instrument = 3}};
  g->channel = aligned_alloc(64, sizeof *g->channel);
  assert_non_null(g->channel);
  assert_int_equal(hd_channel_init(g->channel, 1, 0), HADRON_OK);
  const struct hd_stream_options options = {.channels = &g->channel, .channel_count = 1, .universe = universe, .universe_count = INSTRUMENTS};
  assert_int_equal(hd_stream_init(&g->stream, &options), HADRON_OK);
  g->stream.packed = is_packed;
  g->stream.rows[1].left_out = true; // its peer does not want the second
  g->number = 1;
}

static void giver_close(struct giver *g) {
  hd_stream_fini(&g->stream);
  hd_channel_fini(g->channel);
  free(g->channel);
}

// Fills a packet of so many bytes and lays what a client makes of it behind the others. Returns how many ticks.
static size_t give(struct giver *g, uint32_t room, uint8_t *to) {
  struct hd_packet p;
  struct hadron_event e;
  size_t ticks = 0;
  hd_packet_init(&p, bytes, room);
  uint32_t count = hd_stream_fill(&g->stream, &p, 1, 77, g->number);
  assert_true(p.size <= room);
  if (count == 0) return 0;
  struct hc_packet *packet = opened(p.bytes, p.size, g->stream.packed);
  assert_non_null(packet);
  assert_true(packet->from == g->number && packet->to == g->number + count);
  while (hc_packet_event(packet, g->number, made_out, &e)) {
    if (e.kind != HADRON_EVENT_TICKS) continue;
    memcpy(to + ticks * sizeof(struct hadron_tick), e.data, e.count * sizeof(struct hadron_tick));
    ticks += e.count;
  }
  hc_packet_free(packet);
  g->number += count;
  return ticks;
}

static void a_stream_says_the_same_either_way(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct giver givers[2];
  uint8_t *said[2] = {malloc(4 << 20), malloc(4 << 20)};
  uint64_t given = 0;
  assert_true(said[0] && said[1]);
  for (int k = 0; k < 2; k++) giver_open(&givers[k], k);
  for (int turn = 0; turn < 300; turn++) {
    size_t ticks[2] = {0, 0};
    for (uint64_t n = hd_random_below(&random, turn % 50 == 0 ? 16000 : 300); n > 0; n--) {
      struct hadron_tick t;
      tick_of(++given, &t);
      t.value.trade.quantity.e8 = (int64_t)(hd_random_next(&random) >> hd_random_below(&random, 64));
      for (int k = 0; k < 2; k++) assert_true(hd_channel_tick(givers[k].channel, &t));
    }
    uint32_t room = 1024 + (uint32_t)hd_random_below(&random, turn % 3 ? 4096 : HADRON_PACKET_MAX - 1024);
    for (int k = 0; k < 2; k++)
      for (size_t more; hd_stream_look(&givers[k].stream);) {
        uint64_t before = givers[k].number;
        more = give(&givers[k], room, said[k] + ticks[k] * sizeof(struct hadron_tick));
        if (givers[k].number == before) break; // those that are left nobody wants
        ticks[k] += more;
      }
    assert_int_equal(ticks[0], ticks[1]);
    assert_memory_equal(said[0], said[1], ticks[0] * sizeof(struct hadron_tick));
  }
  assert_int_equal(givers[0].number, givers[1].number);
  assert_true(givers[0].number > given / 2 && givers[0].number < given); // a third is not wanted
  for (int k = 0; k < 2; k++) giver_close(&givers[k]), free(said[k]);
}

// ---- the page ------------------------------------------------------------------------------------------------------------------------------------

static void the_example_of_the_page(void **state) {
  (void)state;
  char path[512], line[1024];
  uint8_t example[256];
  size_t size = 0;
  bool there = false;
  snprintf(path, sizeof path, "%s/docs/wire.md", getenv("HADRON_SOURCE_DIR"));
  FILE *page = fopen(path, "r");
  assert_non_null(page);
  while (fgets(line, sizeof line, page)) {
    if (strncmp(line, "Two ticks, numbers 8 and 9", 26) == 0) there = true;
    if (there && size && line[0] == '\n') break;
    if (!there || strncmp(line, "    ", 4) != 0) continue;
    unsigned byte;
    for (char *at = line + 4; *at >= '0'; at += 2 + (at[2] == ' ')) {
      assert_true(size < sizeof example && sscanf(at, "%2x", &byte) == 1);
      example[size++] = (uint8_t)byte;
    }
  }
  fclose(page);
  struct hadron_event e;
  struct hc_packet *packet = opened(example, size, true);
  assert_non_null(packet);
  assert_true(hc_packet_event(packet, 8, made_out, &e) && e.count == 2 && e.sequence == 8);
  const struct hadron_tick *t = e.data;
  assert_true(t[0].sequence == 42 && t[0].instrument == 2 && t[0].kind == HADRON_TICK_TRADE);
  assert_true(t[0].value.trade.price.nanos == 101250000000 && t[0].value.trade.quantity.e8 == 500000000 && t[0].value.trade.trade_id == 77);
  assert_true(t[1].event_ns == t[0].event_ns + 2000 && t[1].recv_ns == t[0].recv_ns + 2000 && t[1].sequence == 43 && t[1].instrument == 2 && t[1].kind == HADRON_TICK_TRADE);
  assert_true(t[1].value.trade.price.nanos == 101260000000 && t[1].value.trade.quantity.e8 == 1200000000 && t[1].value.trade.trade_id == 78);
  uint8_t again[2 * 68];
  size_t one = hadron_pack(again, NULL, &t[0], 8), two = hadron_pack(again + one, &t[0], &t[1], 8);
  assert_true(one == 44 && two == 18);
  assert_memory_equal(again, example + size - one - two, one + two);
  hc_packet_free(packet);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_message_of_any_length), cmocka_unit_test(every_size_of_a_word), cmocka_unit_test(as_many_as_a_frame_has), cmocka_unit_test(damage_stays_in_its_bounds),
      cmocka_unit_test(a_client_takes_them), cmocka_unit_test(lies_are_refused), cmocka_unit_test(a_stream_says_the_same_either_way), cmocka_unit_test(the_example_of_the_page)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
