// Promise: a shadow arm trades in a simulated market of its own what it would have traded alone: the same fills, at the same prices, with the
// same fees, as the same strategy as the only live one. Shadows see nothing of each other. Nothing that trades notices them: the digest of
// what trades, its books and its counts are the same with them and without, with one shard and with several, and no order of theirs
// goes to a venue.
#include "support/session_run.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAD "return { mode = 'backtest', universe = { max = 64 }, account = { cash = '10000000' }, report = { equity_every = '10s' },\n"
#define TICKS "memory = { params = { count = 40000, instruments = 6, quotes = true } }"
#define COSTS "sim = { params = { taker_bps = '2', maker_bps = '-0.5', participation = '0.3', slippage_ticks = 1, entry_latency = '3ms', entry_jitter = '5ms'," \
              " response_latency = '1ms', response_jitter = '2ms', reject_rate = 0.02 } }"
#define VENUES "venues = { " TICKS ", " COSTS " },\n"

#define CROSS(name, more) name " = { plugin = 'zero_cross', " more "cash = '1000000', params = { length = 3, band = 0, size = 10 } },\n"
#define MAKER(name, more) name " = { plugin = 'market_maker', " more "cash = '1000000', universe = { 'MAA*' } },\n"
#define SMA(name, more) name " = { plugin = 'sma', " more "cash = '1000000', params = { fast = 3, slow = 9, size = 7 } },\n"
#define PAIRS(name, more) \
  name " = { plugin = 'pairs', " more "cash = '1000000', universe = { 'MAAA', 'MAAC' }, params = { window = 5, sample = '10ms', entry = 0.5, leave = 0.1, size = 10 } },\n"
#define SHADOW "role = 'shadow', "

// What a run leaves behind: books and positions of its first arms, and what is said of trading.
struct outcome {
  struct hd_book books[8];
  struct hd_position positions[8][16];
  uint32_t arms, instruments;
  uint64_t records[HD_TEMPLATE_COUNT], shadows[HD_TEMPLATE_COUNT];
  struct hd_gateway_counts counts;
  char digest[HD_DIGEST_TEXT], shadow_digest[HD_DIGEST_TEXT];
  uint64_t shadow_venue_orders;
};

static void backtest(struct outcome *out, const char *text, const char *const *sets) {
  struct session_run run;
  struct hd_replay replay;
  struct hd_fault fault = {0};
  session_run_load(&run, text, sets);
  if (session_run_open(&run, &(struct hd_session_options){.digest = true, .is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_replay_init(&replay, &run.session, &(struct hd_replay_options){0}), HADRON_OK);
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  session_run_identity(&run);
  const struct hd_session *s = &run.session;
  const struct hd_portfolio *books = &s->pipeline.portfolio;
  *out = (struct outcome){.arms = s->arm_count, .instruments = s->pipeline.instruments.count, .counts = *hd_gateway_count(s->pipeline.gateway)};
  for (uint32_t arm = 0; arm <= s->arm_count; arm++) {
    out->books[arm] = books->books[arm];
    out->books[arm].index = NULL, out->books[arm].positions = NULL;
    for (uint32_t i = 1; i <= out->instruments; i++) out->positions[arm][i] = *hd_portfolio_position(books, arm, i);
  }
  for (uint16_t t = 0; t < HD_TEMPLATE_COUNT; t++) {
    out->records[t] = hd_session_count(s, t);
    out->shadows[t] = atomic_load(&s->shadow_records[t]);
  }
  hd_digest_text(&s->digest, out->digest);
  hd_digest_text(&s->shadow_digest, out->shadow_digest);
  hd_replay_fini(&replay);
  session_run_close(&run);
}

// Books of two arms, but for who they are.
static void same_book_(const char *file, int line, const struct outcome *a, uint32_t x, const struct outcome *b, uint32_t y) {
  struct hd_book first = a->books[x], second = b->books[y];
  first.arm = second.arm = first.role = second.role = 0;
  if (memcmp(&first, &second, sizeof first)) print_error("%s:%d: books of arms %u and %u differ: realized %lld %lld, fees %lld %lld, turnover %lld %lld\n", file, line, x, y, (long long)first.realized.micros, (long long)second.realized.micros, (long long)first.fees.micros, (long long)second.fees.micros, (long long)first.turnover.micros, (long long)second.turnover.micros);
  assert_memory_equal(&first, &second, sizeof first);
  assert_int_equal(a->instruments, b->instruments);
  for (uint32_t i = 1; i <= a->instruments; i++) assert_memory_equal(&a->positions[x][i], &b->positions[y][i], sizeof a->positions[x][i]);
}

#define same_book(a, x, b, y) same_book_(__FILE__, __LINE__, a, x, b, y)

// ---- as if it were alone -----------------------------------------------------------------------------------------------------------

static void shadow_is_what_live_would_be(void **state) {
  (void)state;
  static const char *const texts[][2] = {
      {HEAD VENUES "strategies = { " CROSS("a", "") " } }", HEAD VENUES "strategies = { " CROSS("a", "") CROSS("b", SHADOW) " } }"},
      {HEAD VENUES "strategies = { " MAKER("a", "") " } }", HEAD VENUES "strategies = { " MAKER("a", "") MAKER("b", SHADOW) " } }"},
      {HEAD VENUES "strategies = { " SMA("a", "") " } }", HEAD VENUES "strategies = { " SMA("a", "") SMA("b", SHADOW) " } }"},
      {HEAD VENUES "strategies = { " PAIRS("a", "") " } }", HEAD VENUES "strategies = { " PAIRS("a", "") PAIRS("b", SHADOW) " } }"},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct outcome alone, both;
    backtest(&alone, texts[i][0], NULL);
    backtest(&both, texts[i][1], NULL);
    assert_true(alone.books[1].turnover.micros > 0 && alone.books[1].fees.micros != 0);
    same_book(&alone, 1, &both, 1);
    same_book(&both, 1, &both, 2);
    assert_string_equal(alone.digest, both.digest);
    for (int t = HADRON_MSG_DECISION; t <= HADRON_MSG_ALLOCATION; t++) { // one for one
      assert_int_equal(both.records[t], alone.records[t]);
      assert_int_equal(both.shadows[t], alone.records[t]);
      assert_int_equal(alone.shadows[t], 0);
    }
    assert_memory_equal(&both.counts, &alone.counts, sizeof both.counts);
  }
}

// Together in one market they would share its size, its queues and its luck.
static void shadows_do_not_meet(void **state) {
  (void)state;
  static const char many[] = HEAD VENUES "strategies = { " CROSS("a", SHADOW) MAKER("b", SHADOW) SMA("c", SHADOW) CROSS("d", SHADOW) " } }";
  static const char *const alone[] = {HEAD VENUES "strategies = { " CROSS("a", "") " } }", HEAD VENUES "strategies = { " MAKER("a", "") " } }",
                                      HEAD VENUES "strategies = { " SMA("a", "") " } }", HEAD VENUES "strategies = { " CROSS("a", "") " } }"};
  struct outcome all, one;
  backtest(&all, many, NULL);
  assert_int_equal(all.records[HADRON_MSG_ORDER], 0);
  assert_int_equal(all.books[0].turnover.micros, 0);
  assert_int_equal(hd_book_equity(&all.books[0]).micros, 10000000 * HADRON_MONEY_SCALE);
  for (uint32_t arm = 1; arm <= 4; arm++) {
    backtest(&one, alone[arm - 1], NULL);
    assert_true(one.books[1].turnover.micros > 0);
    same_book(&one, 1, &all, arm);
  }
}

// ---- unnoticed ---------------------------------------------------------------------------------------------------------------------

#define LIVE CROSS("a", "") MAKER("b", "role = 'canary', weight = 0.5, ") SMA("c", "")
#define LIMITS "risk = { drawdown_max = '20000', gross_max = '60000', position_max = '60', order_rate_max = 200, open_orders_max = 40 },\n"

static void trading_does_not_notice(void **state) {
  (void)state;
  static const char without[] = HEAD LIMITS VENUES "strategies = { " LIVE " } }";
  static const char with[] = HEAD LIMITS VENUES "strategies = { " LIVE PAIRS("d", SHADOW) SMA("e", SHADOW) MAKER("f", SHADOW) " } }";
  static const char *const shards[] = {"engine.shards=1", "engine.shards=4", "engine.shards=7"};
  struct outcome alone, watched, first;
  for (int i = 0; i < 3; i++) {
    backtest(&alone, without, (const char *const[]){shards[i], NULL});
    backtest(&watched, with, (const char *const[]){shards[i], NULL});
    assert_true(alone.records[HADRON_MSG_EXECUTION] > 500 && watched.shadows[HADRON_MSG_EXECUTION] > 500);
    assert_true(alone.counts.denied > 0); // the limits bind, so that a shadow's part in them would show
    assert_string_equal(watched.digest, alone.digest);
    for (uint32_t arm = 0; arm <= 3; arm++) same_book(&alone, arm, &watched, arm);
    for (int t = HADRON_MSG_DECISION; t <= HADRON_MSG_ALLOCATION; t++) assert_int_equal(watched.records[t], alone.records[t]);
    assert_memory_equal(&watched.counts, &alone.counts, sizeof alone.counts);
    if (i == 0) first = watched;
    assert_string_equal(watched.shadow_digest, first.shadow_digest);
    for (uint32_t arm = 0; arm <= 6; arm++) same_book(&first, arm, &watched, arm);
  }
}

// ---- never to a venue --------------------------------------------------------------------------------------------------------------

// In a child: does the host stop itself rather than send this order?
static bool stops_at(struct hd_runner *runner, uint16_t venue, uint8_t flags) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    struct hadron_order order = {.arm = 2, .venue = venue, .flags = flags, .instrument = 1, .listing = 1, .side = HADRON_SIDE_BUY};
    if (!freopen("/dev/null", "w", stderr)) _exit(1);
    signal(SIGABRT, SIG_DFL);
    hd_runner_port.submit(runner, &order);
    _exit(0);
  }
  int status = 0;
  assert_true(child > 0 && waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void no_order_crosses_the_line(void **state) {
  (void)state;
  struct session_run run;
  struct hd_fault fault = {0};
  session_run_load(&run, HEAD VENUES "strategies = { " CROSS("a", "") CROSS("b", SHADOW) " } }", NULL);
  if (session_run_open(&run, &(struct hd_session_options){.is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  struct hd_runner *r = &run.session.runner;
  uint16_t orders = run.session.orders_to->number;
  assert_true(r->shadow_venue != 0 && r->shadow_venue != orders);
  assert_true(stops_at(r, orders, HADRON_ORDER_SHADOW));
  assert_true(stops_at(r, r->shadow_venue, 0));
  assert_false(stops_at(r, orders, 0));
  assert_false(stops_at(r, r->shadow_venue, HADRON_ORDER_SHADOW));
  session_run_close(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(shadow_is_what_live_would_be), cmocka_unit_test(shadows_do_not_meet),
                                     cmocka_unit_test(trading_does_not_notice), cmocka_unit_test(no_order_crosses_the_line)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
