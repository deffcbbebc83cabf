// Promise: a worker that maps the rings is told of every tick once, in order, where it lies; what it was told of is not written over before it says that it
// has handled it, whatever comes behind it; a session that ends gives everything back; and the worker can read that memory but not write it. How: the
// shard's side, a stream and a mapping of the memory file made by hand, in one thread.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus/stream.h"
#include "support/test.h"

#define CHANNELS 2

struct scene {
  struct hd_channel_memory memory;
  struct hd_channel channels[CHANNELS];
  struct hd_stream stream;
  const struct hadron_tick *rings; // as the worker has them
  uint64_t given[CHANNELS], seen[CHANNELS], number, notes;
};

static struct scene *scene_open(void) {
  struct scene *s = aligned_alloc(64, (sizeof *s + 63) & ~(size_t)63);
  assert_non_null(s);
  memset(s, 0, sizeof *s);
  assert_int_equal(hd_channel_memory_open(&s->memory, CHANNELS), HADRON_OK);
  struct hd_channel *channels[CHANNELS];
  for (uint32_t i = 0; i < CHANNELS; i++) {
    assert_int_equal(hd_channel_init_in(&s->channels[i], 1, i, &s->memory), HADRON_OK);
    channels[i] = &s->channels[i];
  }
  const struct hadron_instrument_definition one = {.instrument = 1};
  const struct hd_stream_options options = {.channels = channels, .channel_count = CHANNELS, .universe = &one, .universe_count = 1, .worker = true, .shares = true};
  assert_int_equal(hd_stream_init(&s->stream, &options), HADRON_OK);
  s->rings = mmap(NULL, s->memory.size, PROT_READ, MAP_SHARED, s->memory.fd, 0);
  assert_ptr_not_equal(s->rings, MAP_FAILED);
  s->number = 1;
  return s;
}

static void scene_close(struct scene *s) {
  munmap((void *)s->rings, s->memory.size);
  hd_stream_fini(&s->stream);
  for (uint32_t i = 0; i < CHANNELS; i++) hd_channel_fini(&s->channels[i]);
  hd_channel_memory_close(&s->memory);
  free(s);
}

static bool give(struct scene *s, uint32_t channel) {
  const struct hadron_tick t = {.sequence = s->given[channel] + 1, .instrument = 1, .kind = HADRON_TICK_TRADE, .value.trade.trade_id = channel};
  if (!hd_channel_tick(&s->channels[channel], &t)) return false;
  s->given[channel]++;
  return true;
}

// A packet, read as a worker reads it. Returns how many ticks it told of.
static uint32_t take(struct scene *s) {
  static uint8_t bytes[HADRON_PACKET_MAX];
  struct hd_packet packet;
  struct hd_frame f;
  uint32_t ticks = 0;
  size_t at = 0;
  hd_packet_init(&packet, bytes, sizeof bytes);
  uint32_t count = hd_stream_fill(&s->stream, &packet, 1, 1, s->number), found = 0;
  while (count && hd_frame_next(bytes, packet.size, &at, &f, NULL) == HADRON_OK) {
    struct hd_frame_messages m;
    struct hd_channel_run run;
    assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
    assert_int_equal(f.head.sequence, s->number + found);
    found += m.count;
    s->notes += m.template_id == HADRON_MSG_POSITION;
    if (m.template_id != HD_CHANNEL_RUN) continue;
    assert_int_equal(m.block_length, sizeof run);
    memcpy(&run, m.blocks, sizeof run);
    assert_true(run.ring < CHANNELS && run.from == s->seen[run.ring] && run.from % HD_CHANNEL_TICKS + run.count <= HD_CHANNEL_TICKS);
    for (uint32_t i = 0; i < run.count; i++) {
      const struct hadron_tick *t = &s->rings[run.ring * HD_CHANNEL_TICKS + run.from % HD_CHANNEL_TICKS + i];
      assert_int_equal(t->sequence, run.from + i + 1);
      assert_int_equal(t->value.trade.trade_id, run.ring);
    }
    s->seen[run.ring] += run.count;
    ticks += run.count;
  }
  assert_int_equal(found, count);
  s->number += count;
  return ticks;
}

static void each_once_in_order_where_it_lies(void **state) {
  (void)state;
  struct scene *s = scene_open();
  struct hd_random random = test_random();
  for (uint32_t i = 0; i < 3000; i++) {
    for (uint64_t n = hd_random_below(&random, 200); n > 0; n--) (void)give(s, (uint32_t)hd_random_below(&random, CHANNELS));
    if (hd_random_below(&random, 8) == 0) {
      const struct hd_channel_note note = {.kind = HADRON_MSG_POSITION, .view = {.instrument = 1}};
      assert_true(hd_channel_note(&s->channels[hd_random_below(&random, CHANNELS)], &note));
    }
    if (hd_random_below(&random, 2)) (void)take(s);
    if (hd_random_below(&random, 3) == 0) hd_stream_handled(&s->stream, s->number - hd_random_below(&random, s->number > 3 ? 3 : 1));
  }
  while (take(s)) hd_stream_handled(&s->stream, s->number);
  hd_stream_handled(&s->stream, s->number);
  for (uint32_t i = 0; i < CHANNELS; i++) {
    assert_true(s->given[i] > HD_CHANNEL_TICKS); // round and round
    assert_int_equal(s->seen[i], s->given[i]);
    assert_int_equal(hd_ring_size(&s->channels[i].ticks), 0);
  }
  assert_true(s->notes > 100);
  scene_close(s);
}

static void nothing_is_written_over_before_it_is_handled(void **state) {
  (void)state;
  struct scene *s = scene_open();
  while (give(s, 0)) continue;
  assert_int_equal(s->given[0], HD_CHANNEL_TICKS);
  assert_int_equal(take(s), 4096);
  uint64_t first = s->number;
  assert_int_equal(take(s), 4096);
  assert_int_equal(hd_channel_waiting(&s->channels[0]), HD_CHANNEL_TICKS - 8192);
  assert_false(give(s, 0)); // taken, and still there
  hd_stream_handled(&s->stream, first - 1);
  assert_false(give(s, 0));
  hd_stream_handled(&s->stream, first); // the first packet is
  for (uint32_t i = 0; i < 4096; i++) assert_true(give(s, 0));
  assert_false(give(s, 0));
  hd_stream_begin(&s->stream); // its session has ended
  for (uint32_t i = 0; i < 4096; i++) assert_true(give(s, 0));
  assert_false(give(s, 0));
  scene_close(s);
}

// A run for every tick, when a note follows each of them: as many as are remembered, and then it waits.
static void runs_are_bounded(void **state) {
  (void)state;
  struct scene *s = scene_open();
  for (uint32_t i = 0; i < 2000; i++) {
    const struct hd_channel_note note = {.kind = HADRON_MSG_POSITION, .view = {.instrument = 1}};
    assert_true(give(s, 0) && hd_channel_note(&s->channels[0], &note));
  }
  while (take(s)) continue;
  assert_int_equal(s->seen[0], HD_STREAM_RUNS);
  hd_stream_handled(&s->stream, s->number);
  while (take(s)) continue;
  assert_int_equal(s->seen[0], 2000);
  scene_close(s);
}

static void a_worker_only_reads(void **state) {
  (void)state;
  struct scene *s = scene_open();
  assert_ptr_equal(mmap(NULL, s->memory.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->memory.fd, 0), MAP_FAILED);
  assert_true(write(s->memory.fd, "x", 1) < 0 && ftruncate(s->memory.fd, 0) < 0);
  scene_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_once_in_order_where_it_lies), cmocka_unit_test(nothing_is_written_over_before_it_is_handled), cmocka_unit_test(runs_are_bounded),
                                     cmocka_unit_test(a_worker_only_reads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
