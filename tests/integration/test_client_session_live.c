// Promise: a session gives out every message once and in order and has every decision taken once, over answers and requests that are lost
// and a host that goes away and comes back; another life of the host begins anew and says so; a worker's ASK comes whole and its ANSWER
// arrives; silence is told. Against a host that knows the truth (support/fake_host); seeds are printed.
#include "support/test.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "hadron/client.h"
#include "support/directory.h"
#include "support/fake_host.h"

#define PATIENCE INT64_C(60000000000)

struct bench {
  char dir[TEST_PATH_SIZE], url[TEST_PATH_SIZE + 8];
  struct fake_host host;
  struct fake_options options;
  struct hadron_client *client;
  uint64_t expected, ticks, positions, joined, resumed, away, stale, live, refused, decided;
  bool closed;
  int64_t until;
};

static struct bench *bench_open(uint64_t messages) {
  struct bench *b = calloc(1, sizeof *b);
  struct hd_random random = test_random();
  test_directory_make(b->dir);
  snprintf(b->url, sizeof b->url, "ipc://%s/s", b->dir);
  b->options = (struct fake_options){.url = b->url, .seed = hd_random_next(&random), .messages = messages, .burst = 100};
  b->expected = 1;
  b->until = hd_clock_monotonic_ns() + PATIENCE;
  return b;
}

static void bench_join(struct bench *b) {
  const struct hadron_client_options o = {.struct_size = sizeof o, .url = b->url, .name = "fake", .version = "1.2.3", .universe = "A* B-*", .params = "{\"x\":\"1\"}"};
  if (hadron_client_open(&o, &b->client) != HADRON_OK) fail_msg("%s", hadron_client_words());
}

static void bench_close(struct bench *b) {
  hadron_client_close(b->client);
  fake_host_stop(&b->host);
  test_directory_remove(b->dir);
  free(b);
}

static void messages(struct bench *b, const struct hadron_event *e) {
  assert_int_equal(e->sequence, b->expected);
  for (uint32_t i = 0; i < e->count; i++) {
    const void *at = (const uint8_t *)e->data + (size_t)i * e->stride;
    struct hadron_tick tick;
    struct hadron_position position;
    if (e->kind == HADRON_EVENT_TICKS) {
      fake_tick(b->expected, &tick);
      assert_int_equal((uintptr_t)at % 8, 0);
      assert_memory_equal(at, &tick, sizeof tick);
      b->ticks++;
    } else {
      assert_int_equal(e->kind, HADRON_EVENT_POSITIONS);
      assert_true(fake_is_position(b->expected));
      fake_position(b->expected, &position);
      assert_memory_equal(at, &position, sizeof position);
      b->positions++;
    }
    b->expected++;
  }
}

static void decide(struct bench *b, uint32_t count, uint8_t regime) {
  struct hadron_decision d[8] = {{.kind = HADRON_DECISION_SIDE}};
  uint64_t number = 0;
  for (uint32_t i = 0; i < count; i++) d[i] = (struct hadron_decision){.key = ++b->decided, .regime = regime, .instrument = 1, .kind = HADRON_DECISION_SIDE, .side = HADRON_SIDE_BUY};
  int32_t code = hadron_client_decide(b->client, d, count, &number);
  if (code == HADRON_ERR_FULL) {
    b->decided -= count;
    return;
  }
  assert_int_equal(code, HADRON_OK);
}

static void turn(struct bench *b) {
  struct hadron_event e;
  assert_true(hd_clock_monotonic_ns() < b->until);
  int32_t code = hadron_client_poll(b->client, 50, &e);
  switch (e.kind) {
  case HADRON_EVENT_NONE: assert_int_equal(code, HADRON_ERR_AGAIN); return;
  case HADRON_EVENT_JOINED:
    b->joined++;
    b->resumed += (e.flags & HADRON_EVENT_RESUMED) != 0;
    if (!(e.flags & HADRON_EVENT_RESUMED)) b->expected = e.sequence;
    return;
  case HADRON_EVENT_AWAY: b->away++; return;
  case HADRON_EVENT_STALE: b->stale++; return;
  case HADRON_EVENT_LIVE: b->live++; return;
  case HADRON_EVENT_REFUSED: b->refused++; return;
  case HADRON_EVENT_CLOSED: b->closed = true; return;
  default: messages(b, &e);
  }
}

static void until_read(struct bench *b, uint64_t last) {
  while (b->expected <= last) turn(b);
}

static void until_acknowledged(struct bench *b) {
  struct hadron_client_figures f;
  for (hadron_client_figures(b->client, &f); f.acknowledged < f.decisions; hadron_client_figures(b->client, &f)) turn(b);
}

static void taken_once(struct bench *b) {
  for (uint64_t key = 1; key <= b->decided; key++)
    if (b->host.taken[key] != 1) fail_msg("decision %llu was taken %llu times", (unsigned long long)key, (unsigned long long)b->host.taken[key]);
}

static void a_quiet_network(void **state) {
  (void)state;
  struct bench *b = bench_open(50000);
  struct hadron_client_figures f;
  struct hadron_client_info info;
  fake_host_start(&b->host, &b->options);
  bench_join(b);
  struct hadron_decision early = {.key = 1};
  assert_int_equal(hadron_client_decide(b->client, &early, 1, NULL), HADRON_ERR_STATE);
  assert_non_null(strstr(hadron_client_words(), "JOINED"));
  until_read(b, 50000);
  for (int i = 0; i < 100; i++) decide(b, 5, i % 10 == 0 ? FAKE_REFUSED : 0);
  until_acknowledged(b);
  while (b->refused < 50) turn(b);
  hadron_client_figures(b->client, &f);
  hadron_client_info(b->client, &info);
  assert_int_equal(f.messages, 50000);
  assert_int_equal(f.damaged + f.lost + b->away, 0);
  assert_int_equal(b->joined, 1);
  assert_int_equal(b->refused, 50);
  assert_int_equal(info.arm, 3);
  assert_string_equal(info.host, "fake");
  assert_non_null(strstr(b->host.hello, "\"universe\":[\"A*\",\"B-*\"]"));
  taken_once(b);
  bench_close(b);
}

static void lossy(double lose, uint64_t count) {
  struct bench *b = bench_open(count);
  b->options.lose = lose;
  fake_host_start(&b->host, &b->options);
  bench_join(b);
  while (b->joined == 0) turn(b);
  for (uint64_t step = count / 200, next = 0; b->expected <= count;) {
    turn(b);
    if (b->expected <= next) continue;
    decide(b, 1 + (uint32_t)(next % 3), 0);
    next += step;
  }
  until_acknowledged(b);
  taken_once(b);
  assert_int_equal(b->joined - 1, b->resumed); // one session all along
  struct hadron_client_figures f;
  hadron_client_figures(b->client, &f);
  assert_int_equal(f.messages, count);
  fprintf(stderr, "  lose %g: lost %llu, joined %llu, rewinds %llu, again %llu, hellos %llu\n", lose, (unsigned long long)b->host.lost, (unsigned long long)b->joined,
          (unsigned long long)f.rewinds, (unsigned long long)f.duplicates, (unsigned long long)b->host.hellos);
  if (lose > 0.01) assert_true(b->host.lost > 0);
  bench_close(b);
}

static void lost_answers(void **state) {
  (void)state;
  lossy(0.0001, 30000);
  lossy(0.05, 10000);
  lossy(0.2, 2000);
}

static void another_life(void **state) {
  (void)state;
  struct bench *b = bench_open(3000);
  fake_host_start(&b->host, &b->options);
  bench_join(b);
  for (int life = 1; life <= 3; life++) {
    until_read(b, 3000);
    assert_int_equal(b->joined, life);
    fake_host_stop(&b->host);
    while (b->away < (uint64_t)life) turn(b);
    if (life == 2) decide(b, 3, 0); // to nobody
    fake_host_start(&b->host, &b->options);
    while (b->joined < (uint64_t)life + 1) turn(b);
    assert_int_equal(b->refused, life >= 2 ? 3 : 0); // given up, and said so
  }
  assert_int_equal(b->resumed, 0);
  until_read(b, 3000);
  assert_int_equal(b->host.decisions, 0);
  bench_close(b);
}

static void silence_is_told(void **state) {
  (void)state;
  struct bench *b = bench_open(1000);
  fake_host_start(&b->host, &b->options);
  bench_join(b);
  until_read(b, 1000);
  atomic_store(&b->host.freeze_until, hd_clock_monotonic_ns() + INT64_C(700000000));
  while (b->stale == 0) turn(b);
  while (b->live == 0) turn(b);
  assert_int_equal(b->away, 0); // a short one: the session goes on
  decide(b, 2, 0);
  until_acknowledged(b);
  taken_once(b);
  atomic_store(&b->host.freeze_until, hd_clock_monotonic_ns() + INT64_C(3500000000));
  while (b->away == 0) turn(b); // a long one: as if the connection were cut
  while (b->resumed == 0) turn(b);
  bench_close(b);
}

static void a_worker_is_asked(void **state) {
  (void)state;
  struct bench *b = bench_open(20);
  struct hadron_event e = {0};
  char *answer = malloc(200000);
  memset(answer, 'x', 200000);
  memcpy(answer, "state:", 6);
  b->options.asks = true;
  b->options.lose = 0.1;
  fake_host_start(&b->host, &b->options);
  bench_join(b);
  while (e.kind != HADRON_EVENT_ASK) {
    assert_true(hd_clock_monotonic_ns() < b->until);
    hadron_client_poll(b->client, 50, &e);
  }
  const struct hadron_ask *ask = e.data;
  assert_int_equal(ask->verb, HADRON_ASK_CREATE);
  assert_int_equal(e.text_size, strlen("{\"hello\":\"worker\"}!"));
  assert_memory_equal(e.text, "{\"hello\":\"worker\"}!", e.text_size);
  decide(b, 3, 0);
  assert_int_equal(hadron_client_answer(b->client, ask->number, HADRON_OK, answer, 200000), HADRON_OK);
  assert_int_equal(hadron_client_admin(b->client, "{\"command\":\"status\"}"), HADRON_OK);
  while (e.kind != HADRON_EVENT_ADMIN) {
    assert_true(hd_clock_monotonic_ns() < b->until);
    hadron_client_poll(b->client, 50, &e);
  }
  assert_string_equal(e.text, "{\"command\":\"status\"}");
  assert_true(b->host.answers >= 1);
  assert_memory_equal(b->host.answer, "state:", 6);
  taken_once(b); // what was decided before the answer was taken before it
  free(answer);
  bench_close(b);
}

// An ASK of a length that no host has takes no memory, and what comes behind it is not lost.
static void an_ask_without_bound_is_passed_over(void **state) {
  (void)state;
  struct bench *b = bench_open(20);
  struct hadron_event e = {0};
  b->options.asks = b->options.asks_too_much = true;
  fake_host_start(&b->host, &b->options);
  bench_join(b);
  for (uint64_t behind = 0; behind < 7;) {
    assert_true(hd_clock_monotonic_ns() < b->until);
    if (hadron_client_poll(b->client, 50, &e)) continue;
    assert_int_not_equal(e.kind, HADRON_EVENT_ASK);
    if (e.kind < HADRON_EVENT_MESSAGE && e.count) behind = e.sequence + e.count - 1;
  }
  bench_close(b);
}

static void options_are_held_to_their_domains(void **state) {
  (void)state;
  const struct hadron_client_options good = {.struct_size = sizeof good, .url = "ipc:///nowhere", .name = "x"};
  struct hadron_client_options rows[7];
  static const char *const words[] = {"struct_size", "url", "rights", "window", "params", "ca", "come together"};
  for (size_t i = 0; i < 7; i++) rows[i] = good;
  rows[0].struct_size = 3;
  rows[1].url = "http://x";
  rows[2].rights = "all";
  rows[3].window = 9;
  rows[4].params = "{";
  rows[5].url = "tls+tcp://127.0.0.1:1";
  rows[6].certificate = "x.crt";
  for (size_t i = 0; i < 7; i++) {
    struct hadron_client *c = NULL;
    assert_true(hadron_client_open(&rows[i], &c) < 0);
    assert_null(c);
    if (!strstr(hadron_client_words(), words[i])) fail_msg("%s: %s", words[i], hadron_client_words());
  }
}

static void nobody_there(void **state) {
  (void)state;
  struct hadron_client_options o = {.struct_size = sizeof o, .url = "ipc:///tmp/there-is-no-such-socket", .name = "x", .connect_ms = 50};
  struct hadron_client *c;
  struct hadron_event e;
  assert_int_equal(hadron_client_open(&o, &c), HADRON_OK);
  assert_int_equal(hadron_client_poll(c, 0, &e), HADRON_ERR_AGAIN);
  hadron_client_wake(c);
  assert_int_equal(hadron_client_poll(c, -1, &e), HADRON_ERR_AGAIN); // woken
  assert_int_equal(hadron_client_poll(c, -1, &e), HADRON_ERR_CLOSED);
  assert_int_equal(e.code, HADRON_ERR_TIMEOUT);
  assert_int_equal(hadron_client_poll(c, -1, &e), HADRON_ERR_CLOSED);
  assert_int_equal(e.code, HADRON_ERR_TIMEOUT);
  hadron_client_close(c);
}

// A host that was frozen before it has heard the HELLO: nothing says that it is gone. Its connection is broken, and another one is made.
static void no_answer_to_the_hello(void **state) {
  (void)state;
  struct bench *b = bench_open(1);
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  struct hadron_event e;
  uint8_t bytes[512];
  bool broken = false;
  int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), first;
  memcpy(at.sun_path, b->url + strlen("ipc://"), strlen(b->url + strlen("ipc://")) + 1);
  assert_int_equal(bind(door, (const void *)&at, sizeof at), 0);
  assert_int_equal(listen(door, 4), 0);
  bench_join(b);
  first = accept4(door, NULL, NULL, SOCK_CLOEXEC); // the library's own thread dials
  assert_int_equal(send(first, (const uint8_t[]){0, 'S', 'P', 0, 0, 0x31, 0, 0}, 8, MSG_NOSIGNAL), 8); // REP: that is all it ever says
  while (!broken) {
    assert_true(hd_clock_monotonic_ns() < b->until);
    assert_int_equal(hadron_client_poll(b->client, 20, &e), HADRON_ERR_AGAIN);
    ssize_t n = recv(first, bytes, sizeof bytes, MSG_DONTWAIT); // the greeting, the HELLO, then the end
    broken = n == 0 || (n < 0 && errno == ECONNRESET);
  }
  close(first);
  first = accept4(door, NULL, NULL, SOCK_CLOEXEC); // and it comes again
  assert_true(first >= 0);
  close(first);
  close(door);
  bench_close(b);
}

// As its host holds it: a key that others may read is nobody's.
static void a_key_that_others_may_read(void **state) {
  (void)state;
  struct bench *b = bench_open(1);
  char path[TEST_PATH_SIZE];
  struct hadron_client *c = NULL;
  test_path(path, b->dir, "a.key");
  test_file_write(path, "x", 1);
  const struct hadron_client_options o = {.struct_size = sizeof o, .url = "tls+tcp://127.0.0.1:1", .name = "x", .ca = path, .certificate = path, .key = path};
  for (int open = 0; open < 2; open++) {
    assert_int_equal(chmod(path, open ? 0640 : 0600), 0);
    int32_t code = hadron_client_open(&o, &c);
    assert_int_equal(code == HADRON_ERR_PERMISSION && strstr(hadron_client_words(), "0640") != NULL, open);
    if (code == HADRON_OK) hadron_client_close(c);
  }
  bench_close(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(no_answer_to_the_hello), cmocka_unit_test(a_key_that_others_may_read), cmocka_unit_test(a_quiet_network), cmocka_unit_test(lost_answers), cmocka_unit_test(another_life), cmocka_unit_test(silence_is_told), cmocka_unit_test(a_worker_is_asked),
                                     cmocka_unit_test(an_ask_without_bound_is_passed_over),
                                     cmocka_unit_test(options_are_held_to_their_domains), cmocka_unit_test(nobody_there)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
