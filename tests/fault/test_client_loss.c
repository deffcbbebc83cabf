// Promise: through a network that drops, repeats, delays, reorders and cuts (0.01 % to 20 % of all messages, both ways) a session gives out every
// message once and in order and has each decision taken once, and a feed gives out every message once and in order or declares it lost, never one that
// could be had; a publisher that is killed and comes back is another life that begins with a snapshot; who comes late, is slow, or was frozen has all of
// it in the end, and was told meanwhile that it was stale. How: a proxy in a process of its own (support/chaos), a host that knows the truth (support/
// fake_host). Seeds are printed. HADRON_TEST_ROUNDS=100 runs as many rounds of each; one is the rule.
#include "support/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "hadron/client.h"
#include "support/chaos.h"
#include "support/fake_host.h"

// Who holds a published message NNG counts by an atomic, which the sanitizer does not see: nothing is instrumented there. To it each free is a race with the
// thread that sent the message before. What these tests are after is on both sides of NNG, in the library and in the host that is played.
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void); // or the sanitizer does not see it
const char *__tsan_default_suppressions(void) { return "race:libnng.so\n"; }

#define MS INT64_C(1000000)

struct rate {
  uint32_t drop, twice, late, cut; // per million
};
static const struct rate rates[] = {{0, 0, 0, 0}, {100, 100, 100, 100}, {1000, 1000, 10000, 1000}, {10000, 10000, 50000, 5000}, {50000, 50000, 100000, 10000}, {200000, 100000, 200000, 20000}};
#define RATES (sizeof rates / sizeof *rates)

static uint32_t rounds(void) { return getenv("HADRON_TEST_ROUNDS") ? (uint32_t)strtoul(getenv("HADRON_TEST_ROUNDS"), NULL, 10) : 1; }

struct net { // a host, and the proxies in front of its two sockets
  struct fake_host host;
  struct fake_options options;
  struct chaos sessions, feeds;
  char url[64], feed[64], to_sessions[64], to_feed[64];
  int64_t until;
};

static void apply(struct chaos *c, const struct rate *r) {
  atomic_store(&c->state->drop, r->drop);
  atomic_store(&c->state->twice, r->twice);
  atomic_store(&c->state->late, r->late);
  atomic_store(&c->state->cut, r->cut);
  atomic_store(&c->state->delay_ms, 30);
}

static struct net *net_open(struct hd_random *random, uint64_t messages, const struct rate *r) {
  struct net *n = calloc(1, sizeof *n);
  uint16_t session_port = chaos_free_port(), feed_port = chaos_free_port();
  snprintf(n->url, sizeof n->url, "tcp://127.0.0.1:%u", session_port);
  snprintf(n->feed, sizeof n->feed, "tcp://127.0.0.1:%u", feed_port);
  chaos_start(&n->sessions, session_port, hd_random_next(random));
  chaos_start(&n->feeds, feed_port, hd_random_next(random));
  snprintf(n->to_sessions, sizeof n->to_sessions, "tcp://127.0.0.1:%u", n->sessions.port);
  snprintf(n->to_feed, sizeof n->to_feed, "tcp://127.0.0.1:%u", n->feeds.port);
  n->options = (struct fake_options){.url = n->url, .feed = n->feed, .seed = hd_random_next(random), .messages = messages, .burst = 100, .publish = 20};
  apply(&n->sessions, r);
  apply(&n->feeds, r);
  n->until = hd_clock_monotonic_ns() + 60000 * MS;
  return n;
}

// The proxies first: the host's connections break, instead of being closed by it while something is on its way.
static void net_close(struct net *n) {
  chaos_stop(&n->sessions);
  chaos_stop(&n->feeds);
  if (n->host.rep) fake_host_stop(&n->host);
  free(n);
}

// ---- sessions --------------------------------------------------------------------------------------------------------------------------------------

static uint64_t check_messages(const struct hadron_event *e, uint64_t expected) {
  if (e->sequence != expected) fail_msg("number %llu came, %llu was next", (unsigned long long)e->sequence, (unsigned long long)expected);
  for (uint32_t i = 0; i < e->count; i++, expected++) {
    const uint8_t *at = (const uint8_t *)e->data + (size_t)i * e->stride;
    struct hadron_tick tick;
    struct hadron_position position;
    fake_tick(expected, &tick);
    fake_position(expected, &position);
    if (e->kind == HADRON_EVENT_TICKS) assert_memory_equal(at, &tick, sizeof tick);
    else assert_memory_equal(at, &position, sizeof position);
  }
  return expected;
}

static void session_through(struct hd_random *random, const struct rate *r, uint64_t count) {
  struct net *n = net_open(random, count, r);
  struct hadron_client *c;
  struct hadron_event e;
  struct hadron_client_figures f = {0};
  uint64_t expected = 1, joined = 0, resumed = 0, decided = 0;
  fake_host_start(&n->host, &n->options);
  const struct hadron_client_options o = {.struct_size = sizeof o, .url = n->to_sessions, .name = "fake", .version = "1.0.0"};
  assert_int_equal(hadron_client_open(&o, &c), HADRON_OK);
  while (expected <= count || f.acknowledged < decided) {
    assert_true(hd_clock_monotonic_ns() < n->until);
    hadron_client_poll(c, 50, &e);
    hadron_client_figures(c, &f);
    if (e.kind == HADRON_EVENT_JOINED) joined++, resumed += (e.flags & HADRON_EVENT_RESUMED) != 0;
    if (e.kind != HADRON_EVENT_TICKS && e.kind != HADRON_EVENT_POSITIONS) continue;
    expected = check_messages(&e, expected);
    struct hadron_decision d = {.key = decided + 1, .kind = HADRON_DECISION_SIDE, .instrument = 1};
    if (decided < 300 && hadron_client_decide(c, &d, 1, NULL) == HADRON_OK) decided++;
  }
  assert_int_equal(joined - resumed, 1); // one session all along
  assert_int_equal(f.messages, count);
  assert_int_equal(f.lost, 0);
  for (uint64_t key = 1; key <= decided; key++) assert_int_equal(n->host.taken[key], 1);
  fprintf(stderr, "  session, drop %u ppm: %llu messages, dropped %llu, repeated %llu, delayed %llu, cuts %llu; joined %llu, rewinds %llu, came again %llu\n", r->drop,
          (unsigned long long)n->sessions.state->messages, (unsigned long long)n->sessions.state->dropped, (unsigned long long)n->sessions.state->repeated,
          (unsigned long long)n->sessions.state->delayed, (unsigned long long)n->sessions.state->cuts, (unsigned long long)joined, (unsigned long long)f.rewinds,
          (unsigned long long)f.duplicates);
  hadron_client_close(c);
  net_close(n);
}

static void sessions(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (uint32_t round = 0; round < rounds(); round++)
    for (size_t i = 0; i < RATES; i++) session_through(&random, &rates[i], i < 4 ? 20000 : 3000);
}

// ---- feeds -----------------------------------------------------------------------------------------------------------------------------------------

struct reader {
  struct hadron_feed *feed;
  uint64_t epoch, expected, given, lost, resets, snapshots, stale, live;
};

static void reader_open(struct reader *r, struct net *n, bool repairs) {
  const struct hadron_feed_options o = {.struct_size = sizeof o, .url = n->to_feed, .session = {.struct_size = sizeof o.session, .url = repairs ? n->to_sessions : NULL}, .seed = 7};
  *r = (struct reader){0};
  if (hadron_feed_open(&o, &r->feed) != HADRON_OK) fail_msg("%s", hadron_client_words());
}

static void reader_poll(struct reader *r, int32_t timeout_ms) {
  struct hadron_event e;
  hadron_feed_poll(r->feed, timeout_ms, &e);
  switch (e.kind) {
  case HADRON_EVENT_TICKS:
    if (r->epoch == 0) r->epoch = e.epoch;
    assert_int_equal(e.epoch, r->epoch); // another life says so before anything of it is given out
    if (r->expected == 0) r->expected = e.sequence; // nobody to ask: from the first that was seen
    r->expected = check_messages(&e, r->expected);
    r->given += e.count;
    break;
  case HADRON_EVENT_LOST:
    if (r->expected == 0) r->expected = e.sequence; // the first thing that was seen was a heartbeat
    assert_int_equal(e.sequence, r->expected);
    r->lost += e.lost;
    r->expected += e.lost;
    break;
  case HADRON_EVENT_RESET:
    r->resets++;
    if (e.epoch != r->epoch) r->expected = 0;
    r->epoch = e.epoch;
    break;
  case HADRON_EVENT_SNAPSHOT:
    r->snapshots++;
    if (r->expected == 0 || r->epoch != e.epoch) r->expected = e.sequence;
    r->epoch = e.epoch;
    assert_int_equal(e.sequence, r->expected);
    break;
  case HADRON_EVENT_STALE: r->stale++; break;
  case HADRON_EVENT_LIVE: r->live++; break;
  case HADRON_EVENT_MARKS: assert_true((e.flags & HADRON_EVENT_OF_SNAPSHOT) != 0); break;
  default: assert_true(e.kind == HADRON_EVENT_NONE);
  }
}

static void read_up_to(struct reader *r, struct net *n, uint64_t last) {
  while (r->expected <= last) {
    assert_true(hd_clock_monotonic_ns() < n->until);
    reader_poll(r, 50);
  }
  assert_int_equal(r->expected, last + 1);
}

static void feed_through(struct hd_random *random, const struct rate *rate, bool repairs, uint64_t count) {
  struct net *n = net_open(random, count, rate);
  struct reader r;
  struct hadron_feed_figures f;
  reader_open(&r, n, repairs); // before its publisher
  fake_host_start(&n->host, &n->options);
  read_up_to(&r, n, count);
  hadron_feed_figures(r.feed, &f);
  fprintf(stderr, "  feed, drop %u ppm: dropped %llu, cuts %llu; gaps %llu (%llu messages), repairs %llu (%llu messages), lost %llu, came again %llu\n", rate->drop,
          (unsigned long long)n->feeds.state->dropped, (unsigned long long)n->feeds.state->cuts, (unsigned long long)f.gaps, (unsigned long long)f.gap_messages,
          (unsigned long long)f.repairs, (unsigned long long)f.repaired, (unsigned long long)f.lost, (unsigned long long)f.duplicates);
  assert_int_equal(r.resets, 0);
  assert_int_equal(r.given, f.messages - (repairs ? r.snapshots : 0)); // a mark in each snapshot
  if (repairs) assert_int_equal(f.lost, 0);
  assert_int_equal(f.lost, r.lost);
  hadron_feed_close(r.feed);
  net_close(n);
}

static void feeds(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (uint32_t round = 0; round < rounds(); round++)
    for (size_t i = 0; i < RATES; i++) feed_through(&random, &rates[i], true, 10000);
  feed_through(&random, &rates[4], false, 10000); // declared, where nobody can be asked
}

static void late_and_slow(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct net *n = net_open(&random, 30000, &rates[0]);
  struct reader late, slow, dead;
  fake_host_start(&n->host, &n->options);
  reader_open(&slow, n, true);
  reader_open(&dead, n, true); // never polls: nobody waits for it
  while (slow.given < 3000) reader_poll(&slow, 50);
  reader_open(&late, n, true);
  read_up_to(&late, n, 30000);
  assert_true(late.snapshots == 1 && late.given < 30000);
  read_up_to(&slow, n, 30000);
  assert_int_equal(late.lost + slow.lost, 0);
  hadron_feed_close(late.feed), hadron_feed_close(slow.feed), hadron_feed_close(dead.feed);
  net_close(n);
}

// A publisher that keeps little: what was missed for too long is declared lost, and a snapshot takes its place.
static void too_old(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct net *n = net_open(&random, 20000, &rates[0]);
  struct reader r;
  n->options.kept = 200;
  fake_host_start(&n->host, &n->options);
  reader_open(&r, n, true);
  while (r.given < 1000) reader_poll(&r, 50);
  n->feeds.state->down = n->sessions.state->down = true;
  for (uint64_t before = r.stale; r.stale == before;) reader_poll(&r, 50);
  for (int64_t until = hd_clock_monotonic_ns() + 300 * MS; hd_clock_monotonic_ns() < until;) reader_poll(&r, 50);
  n->feeds.state->down = n->sessions.state->down = false;
  read_up_to(&r, n, 20000);
  assert_true(r.lost > 0 && r.resets > 0 && r.snapshots > 1 && r.live > 0);
  assert_true(r.given + r.lost < 20001);
  hadron_feed_close(r.feed);
  net_close(n);
}

static void killed_publishers(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct net *n = net_open(&random, 1000000, &rates[2]);
  struct reader r;
  uint64_t seen = 0;
  reader_open(&r, n, true);
  for (uint32_t life = 0; life < 10 * rounds(); life++) {
    n->options.seed = hd_random_next(&random);
    pid_t host = fake_host_spawn(&n->options);
    uint64_t before = r.given, from = r.given, target = 50 + hd_random_below(&random, 2000), earlier = r.epoch;
    n->until = hd_clock_monotonic_ns() + 60000 * MS;
    while (r.epoch == earlier || r.given < from + target) { // what is still on its way is of the life before
      assert_true(hd_clock_monotonic_ns() < n->until);
      reader_poll(&r, 50);
      if (r.epoch == earlier) from = r.given;
    }
    seen += r.given - before;
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
  }
  fprintf(stderr, "  %u lives, %llu messages, resets %llu, snapshots %llu\n", 10 * rounds(), (unsigned long long)seen, (unsigned long long)r.resets, (unsigned long long)r.snapshots);
  assert_true(r.resets >= 10 * rounds() - 1); // what comes late of a life that is over may be taken for a new one, until its snapshot says otherwise
  assert_int_equal(r.lost, 0);
  hadron_feed_close(r.feed);
  net_close(n);
}

// The same with nobody to ask: the new life begins where it is heard first.
static void killed_without_a_session(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct net *n = net_open(&random, 1000000, &rates[0]);
  struct reader r;
  reader_open(&r, n, false);
  for (uint32_t life = 0; life < 3; life++) {
    n->options.seed = hd_random_next(&random);
    pid_t host = fake_host_spawn(&n->options);
    for (uint64_t earlier = r.epoch, from = r.given; r.epoch == earlier || r.given < from + 500;) {
      assert_true(hd_clock_monotonic_ns() < n->until);
      reader_poll(&r, 50);
      if (r.epoch == earlier) from = r.given;
    }
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
  }
  assert_int_equal(r.resets, 2);
  assert_int_equal(r.snapshots, 0);
  hadron_feed_close(r.feed);
  net_close(n);
}

// A frozen host: the connection stays, nothing comes. A frozen way back: what is asked arrives, no answer does.
static void half_open(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct net *n = net_open(&random, 10000000, &rates[0]);
  struct reader r;
  reader_open(&r, n, true);
  pid_t host = fake_host_spawn(&n->options);
  while (r.given < 1000) reader_poll(&r, 50);
  kill(host, SIGSTOP);
  for (uint64_t before = r.stale; r.stale == before;) reader_poll(&r, 50);
  for (int64_t until = hd_clock_monotonic_ns() + 4000 * MS; hd_clock_monotonic_ns() < until;) reader_poll(&r, 50); // long enough for the session to be dialled again
  kill(host, SIGCONT);
  for (uint64_t before = r.live; r.live == before;) reader_poll(&r, 50);
  n->feeds.state->frozen[1] = true;
  for (uint64_t before = r.stale; r.stale == before;) reader_poll(&r, 50);
  n->feeds.state->frozen[1] = false;
  for (uint64_t before = r.live; r.live == before;) reader_poll(&r, 50);
  uint64_t given = r.given;
  while (r.given < given + 2000) reader_poll(&r, 50);
  assert_int_equal(r.lost + r.resets, 0);
  kill(host, SIGKILL);
  waitpid(host, NULL, 0);
  hadron_feed_close(r.feed);
  net_close(n);
}

int main(int argc, char **argv) {
  if (fake_host_main(argc, argv)) return 0;
  const struct CMUnitTest tests[] = {cmocka_unit_test(sessions), cmocka_unit_test(feeds), cmocka_unit_test(late_and_slow), cmocka_unit_test(too_old), cmocka_unit_test(killed_publishers), cmocka_unit_test(killed_without_a_session),
                                     cmocka_unit_test(half_open)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
