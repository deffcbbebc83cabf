// Promise: a reader of a numbered stream gives out every message once and in order, whatever a network does to it: what is dropped is asked for
// again, what is too old is declared lost, nothing is declared lost that could be had, another life of the publisher begins with a snapshot, and
// nothing that waits is leaked. Random networks (drop, duplicate, delay up to reordering, cut), publishers that restart and forget, repairs that
// fail; virtual time; the publisher's own account is the truth.
#include "support/test.h"

#include "hadron/error.h"
#include "sdk/client/stream.h"

#define MS INT64_C(1000000)
#define FLIGHTS 4096

struct flight { // on its way
  int64_t at;
  uint64_t epoch, from, to; // from = to: a heartbeat that says so
};

struct world {
  struct hd_random random;
  struct hc_stream stream;
  double drop, twice;
  int64_t now, delay, restart_every;
  uint64_t epoch, next, kept; // the publisher's; how many messages it keeps
  struct flight flights[FLIGHTS];
  uint32_t flight_count;
  enum hc_question question;  // on its way
  uint64_t from, to, asked_epoch;
  int64_t answer_at;          // 0: none
  bool healed;
  // the reader's account
  uint64_t expected, delivered, lost, snapshots, pieces;
};

static uint64_t below(struct world *w, uint64_t n) { return hd_random_below(&w->random, n); }
static bool chance(struct world *w, double p) { return !w->healed && hd_random_unit(&w->random) < p; }

static void let_go(void *self, void *of) {
  struct world *w = self;
  assert_true(w->pieces > 0);
  w->pieces--;
  free(of);
}

static struct world *world(const struct hd_random *random, bool repairs, bool snapshots) {
  struct world *w = calloc(1, sizeof *w);
  w->random = *random;
  const struct hc_stream_limits limits = {.hold_max = 8 + (uint32_t)below(w, 200), .snapshots = snapshots, .repairs = repairs, .settle_ns = (int64_t)below(w, 20) * MS,
                                          .repair_ns = 1 + (int64_t)below(w, 10) * MS, .answer_ns = 100 * MS, .stale_ns = 300 * MS};
  assert_int_equal(hc_stream_init(&w->stream, &limits, below(w, UINT64_MAX), let_go, w), HADRON_OK);
  w->now = 1000 * MS;
  w->epoch = below(w, UINT64_MAX) | 1;
  w->next = 1;
  w->kept = UINT64_MAX;
  return w;
}

static void world_end(struct world *w) {
  hc_stream_fini(&w->stream);
  assert_int_equal(w->pieces, 0);
  free(w);
}

static void send(struct world *w, uint64_t from, uint64_t to) {
  for (int copies = chance(w, w->twice) ? 2 : 1; copies > 0; copies--) {
    if (chance(w, w->drop) || w->flight_count == FLIGHTS) continue;
    w->flights[w->flight_count++] = (struct flight){w->now + MS + (int64_t)below(w, (uint64_t)w->delay + 1), w->epoch, from, to};
  }
}

static void given(struct world *w, const struct hc_piece *piece, uint64_t skip) {
  assert_true(skip < piece->to - piece->from);
  assert_int_equal(piece->from + skip, w->expected);
  w->expected = piece->to;
  w->delivered += piece->to - piece->from - skip;
  w->pieces--;
  free(piece->of);
}

static void listen(struct world *w) {
  uint64_t from, to, skip;
  struct hc_piece piece;
  hc_stream_was_reset(&w->stream);
  if (hc_stream_lost(&w->stream, &from, &to)) {
    assert_int_equal(from, w->expected);
    assert_true(to > from);
    w->lost += to - from;
    w->expected = to;
  }
  while (hc_stream_take(&w->stream, w->now, &piece, &skip)) given(w, &piece, skip);
}

static void offer(struct world *w, uint64_t epoch, uint64_t from, uint64_t to) {
  uint64_t skip;
  bool first = w->stream.epoch == 0 && !w->stream.limits.snapshots;
  if (from == to) {
    hc_stream_heartbeat(&w->stream, epoch, to, w->now);
    if (first) w->expected = to;
    listen(w);
    return;
  }
  struct hc_piece piece = {from, to, malloc(8)};
  w->pieces++;
  enum hc_verdict verdict = hc_stream_offer(&w->stream, epoch, &piece, w->now, &skip);
  if (first) w->expected = from;
  if (verdict == HC_DELIVER)
    given(w, &piece, skip);
  else if (verdict != HC_HELD)
    let_go(w, piece.of);
  listen(w);
}

static void arrive(struct world *w) {
  for (uint32_t i = 0; i < w->flight_count;) {
    struct flight f = w->flights[i];
    if (f.at > w->now) {
      i++;
      continue;
    }
    memmove(w->flights + i, w->flights + i + 1, (--w->flight_count - i) * sizeof f); // without delays nothing is overtaken
    offer(w, f.epoch, f.from, f.to);
  }
}

static uint64_t oldest(const struct world *w) { return w->next > w->kept ? w->next - w->kept : 1; }

static void answer(struct world *w) {
  w->answer_at = 0;
  if (chance(w, w->drop)) return; // lost on the way: the reader gives it up by itself
  if (chance(w, 0.1)) {
    hc_stream_failed(&w->stream, w->now, (int64_t)below(w, 20) * MS);
  } else if (w->question == HC_SNAPSHOT) {
    uint64_t next = w->next;
    bool first = w->stream.next == 0 || w->epoch != w->stream.epoch;
    hc_stream_snapshot(&w->stream, w->epoch, next, w->now);
    w->snapshots++;
    if (first) w->expected = next;
  } else if (w->asked_epoch != w->epoch) { // of a life that the publisher knows nothing of
    hc_stream_failed(&w->stream, w->now, 0);
  } else if (w->from < oldest(w)) {
    hc_stream_too_old(&w->stream, w->now);
  } else {
    uint64_t to = w->from + 1 + below(w, w->to - w->from); // a part of it, as packets have an end
    hc_stream_answered(&w->stream, w->now);
    offer(w, w->epoch, w->from, to);
  }
  listen(w);
}

static void ask(struct world *w) {
  enum hc_question q = hc_stream_ask(&w->stream, w->now, &w->from, &w->to);
  listen(w);
  if (q == HC_NOTHING) return;
  assert_true(q == HC_SNAPSHOT || w->to > w->from);
  hc_stream_asked(&w->stream, w->now);
  w->question = q;
  w->asked_epoch = w->stream.epoch;
  w->answer_at = w->now + MS + (int64_t)below(w, 30) * MS;
}

static void step(struct world *w) {
  w->now += MS;
  if (w->restart_every && !w->healed && below(w, (uint64_t)w->restart_every) == 0) {
    w->epoch = below(w, UINT64_MAX) | 1;
    w->next = 1;
  }
  if (below(w, 3) > 0 && !w->healed) {
    uint64_t count = 1 + below(w, 5);
    send(w, w->next, w->next + count);
    w->next += count;
  }
  if (w->now % (100 * MS) == 0) send(w, w->next, w->next);
  arrive(w);
  if (w->answer_at && w->now >= w->answer_at) answer(w);
  ask(w);
  hc_stream_stale_changed(&w->stream, w->now);
}

static void run(struct world *w, int steps) {
  for (int i = 0; i < steps; i++) step(w);
  w->healed = true;
  for (int i = 0; i < 6000; i++) step(w);
  assert_false(hc_stream_behind(&w->stream));
  assert_int_equal(w->stream.held_count, 0);
  assert_int_equal(w->stream.epoch, w->epoch);
  assert_int_equal(w->stream.next, w->next);
  assert_int_equal(w->expected, w->next);
  assert_false(w->stream.stale);
}

static void any_network(void **state) {
  (void)state;
  struct hd_random random = test_random();
  static const double rates[] = {0, 0.0001, 0.001, 0.01, 0.05, 0.2};
  for (int round = 0; round < 120; round++) {
    hd_random_next(&random);
    struct world *w = world(&random, true, true);
    w->drop = rates[below(w, 6)];
    w->twice = rates[below(w, 6)];
    w->delay = (int64_t)below(w, 3) * (int64_t)below(w, 40) * MS;
    run(w, 3000);
    assert_int_equal(w->lost, 0); // the publisher keeps everything: nothing may be given up
    assert_int_equal(w->snapshots, w->stream.figures.snapshots);
    if (w->drop == 0 && w->delay == 0 && w->twice == 0) assert_int_equal(w->stream.figures.gaps, 0); // no false gap
    world_end(w);
  }
}

static void forgetful_publishers(void **state) {
  (void)state;
  struct hd_random random = test_random();
  uint64_t lost = 0;
  for (int round = 0; round < 120; round++) {
    hd_random_next(&random);
    struct world *w = world(&random, true, true);
    w->drop = 0.2;
    w->delay = 20 * MS;
    w->kept = 1 + below(w, 60);
    w->restart_every = round % 2 ? 500 : 0;
    run(w, 3000);
    lost += w->lost;
    world_end(w);
  }
  assert_true(lost > 0);
}

// Nobody to ask: each number is given out or declared lost, and none twice.
static void without_repairs(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (int round = 0; round < 60; round++) {
    hd_random_next(&random);
    struct world *w = world(&random, false, false);
    w->drop = 0.1;
    w->twice = 0.1;
    w->delay = 10 * MS;
    run(w, 2000);
    assert_int_equal(w->stream.figures.lost, w->lost);
    assert_true(w->lost > 0 && w->delivered > 0);
    world_end(w);
  }
}

static void one_question_at_a_time(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct world *w = world(&random, true, true);
  w->stream.limits.settle_ns = 0;
  w->stream.limits.repair_ns = 10 * MS;
  hc_stream_begin(&w->stream, 7, 1);
  offer(w, 7, 100, 101);
  uint64_t from = 0, to = 0;
  uint32_t questions = 0;
  for (int ms = 0; ms < 1000; ms++, w->now += MS)
    if (hc_stream_ask(&w->stream, w->now, &from, &to) == HC_REPAIR) {
      questions++;
      hc_stream_asked(&w->stream, w->now);
      assert_int_equal(hc_stream_ask(&w->stream, w->now, &from, &to), HC_NOTHING);
      hc_stream_failed(&w->stream, w->now, 0);
    }
  assert_int_equal(from, 1);
  assert_int_equal(to, 100);
  assert_in_range(questions, 3, 10); // failures double the time between them
  world_end(w);
}

// What has only been overtaken is not asked for.
static void overtaken_is_not_lost(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct world *w = world(&random, true, true);
  uint64_t from, to;
  w->stream.limits.settle_ns = 10 * MS;
  w->expected = 1;
  hc_stream_begin(&w->stream, 7, 1);
  offer(w, 7, 3, 4);
  assert_int_equal(hc_stream_ask(&w->stream, w->now, &from, &to), HC_NOTHING);
  assert_int_equal(hc_stream_ask(&w->stream, w->now + 9 * MS, &from, &to), HC_NOTHING);
  offer(w, 7, 1, 3);
  assert_int_equal(w->expected, 4);
  assert_int_equal(hc_stream_ask(&w->stream, w->now + 20 * MS, &from, &to), HC_NOTHING);
  offer(w, 7, 5, 6);
  assert_int_equal(hc_stream_ask(&w->stream, w->now + 10 * MS, &from, &to), HC_REPAIR);
  world_end(w);
}

static void silence_and_gaps_are_stale(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct world *w = world(&random, true, true);
  w->expected = 1;
  hc_stream_begin(&w->stream, 7, 1);
  w->stream.heard_ns = w->now;
  assert_false(hc_stream_stale_changed(&w->stream, w->now + 300 * MS));
  assert_true(hc_stream_stale_changed(&w->stream, w->now + 301 * MS));
  w->now += 400 * MS;
  offer(w, 7, 1, 2);
  assert_true(hc_stream_stale_changed(&w->stream, w->now));
  assert_false(w->stream.stale);
  for (int i = 0; i < 4; i++) { // it speaks, and what it says has a hole
    w->now += 100 * MS;
    offer(w, 7, (uint64_t)(3 + i), (uint64_t)(4 + i));
    assert_false(hc_stream_stale_changed(&w->stream, w->now));
  }
  assert_true(hc_stream_stale_changed(&w->stream, w->now + MS));
  assert_true(w->stream.stale);
  offer(w, 7, 2, 3);
  assert_int_equal(w->expected, 7);
  assert_true(hc_stream_stale_changed(&w->stream, w->now));
  world_end(w);
}

// What comes late of a life that is over is not given out, and does not bring it back.
static void an_earlier_life_is_over(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct world *w = world(&random, false, false);
  offer(w, 7, 1, 4);
  assert_int_equal(w->expected, 4);
  w->expected = 1;
  offer(w, 8, 1, 3);
  assert_int_equal(w->stream.epoch, 8);
  offer(w, 7, 4, 9);
  hc_stream_heartbeat(&w->stream, 7, 20, w->now);
  assert_int_equal(w->stream.epoch, 8);
  assert_int_equal(w->stream.figures.old_epoch, 2);
  assert_int_equal(w->stream.figures.resets, 1);
  assert_false(hc_stream_behind(&w->stream));
  offer(w, 8, 3, 5);
  assert_int_equal(w->expected, 5);
  world_end(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(any_network), cmocka_unit_test(forgetful_publishers), cmocka_unit_test(without_repairs),
                                     cmocka_unit_test(one_question_at_a_time), cmocka_unit_test(overtaken_is_not_lost), cmocka_unit_test(silence_and_gaps_are_stale), cmocka_unit_test(an_earlier_life_is_over)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
