// Promise: whatever roles, weights and splits arms are given while it runs, whoever inherits from whom, whatever a shadow takes over, whoever
// leaves and comes back: every book keeps its identity, the portfolio is the sum of what trades and of what the house was left with, and no
// change by itself moves what the account holds or is worth. What the journal's allocations say adds up to the books. A split by instrument
// covers every instrument once, by weight two halves trade what one whole would, and where an instrument lies never changes.
#include <stdlib.h>

#include "support/session_run.h"

#include "base/random.h"

#define ARMS 5
#define INSTRUMENTS 6
#define ROUNDING INSTRUMENTS
#define HEAD "return { mode = 'backtest', universe = { max = 64 }, account = { cash = '10000000' }, report = { equity_every = '10s' },\n"
#define COSTS "sim = { params = { taker_bps = '2', maker_bps = '-0.5', participation = '0.3', entry_latency = '30ms', response_latency = '20ms' } }"
#define CROSS "{ plugin = 'zero_cross', cash = '1000000', params = { length = 3, band = 0, size = 10 } }"
#define MAKER "{ plugin = 'market_maker', cash = '1000000' }"
#define SMA "{ plugin = 'sma', cash = '1000000', params = { fast = 3, slow = 9, size = 7 } }"

struct run {
  struct session_run run;
  struct hd_random random;
  struct hd_replay *replay;
  uint64_t roles, mirrors, closes, opens, refused, orphans;
  bool open[ARMS + 1];
  __int128 booked[ARMS + 1][INSTRUMENTS + 1]; // [0]: of the house; by the allocations of the side that the arm is on
  int64_t held[ARMS + 1][INSTRUMENTS + 1];    // what the last allocation says
};

static uint32_t below(struct run *r, uint32_t n) { return (uint32_t)hd_random_below(&r->random, n); }

static void observe(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct run *r = observer;
  (void)tail, (void)tail_size;
  if (template_id != HADRON_MSG_ALLOCATION) return;
  const struct hadron_allocation *a = block;
  int64_t quantity = a->side == HADRON_SIDE_BUY ? a->quantity.e8 : -a->quantity.e8;
  if (a->flags & 1) quantity = -quantity;
  if (!(a->flags & HADRON_ORDER_SHADOW)) r->booked[0][a->instrument] += quantity;
  if (a->arm) r->held[a->arm][a->instrument] = a->position.e8;
}

// What the account holds and is worth, before and after a change.
struct account {
  int64_t equity, position[INSTRUMENTS + 1];
};

static struct account account_of(struct hd_pipeline *p) {
  struct account a = {.equity = 0};
  hd_portfolio_mark_all(&p->portfolio);
  a.equity = hd_book_equity(&p->portfolio.books[0]).micros;
  for (uint32_t i = 1; i <= INSTRUMENTS; i++) a.position[i] = hd_portfolio_position(&p->portfolio, 0, i)->quantity.e8;
  return a;
}

static uint32_t trading_arm(struct run *r, uint32_t but) {
  const struct hd_pipeline *p = &r->run.session.pipeline;
  uint32_t at = below(r, ARMS);
  for (uint32_t i = 0; i < ARMS; i++) {
    uint32_t arm = (at + i) % ARMS + 1;
    if (arm != but && r->open[arm] && p->arms[arm].role != HD_ROLE_SHADOW) return arm;
  }
  return 0;
}

static void change_role(struct run *r, uint32_t arm) {
  struct hd_pipeline *p = &r->run.session.pipeline;
  struct hd_fault fault = {0};
  struct hd_arm_change c = {.role = 1 + below(r, 3), .weight = (1 + below(r, 4)) * 0.5, .heir = below(r, 8) ? trading_arm(r, arm) : 0};
  if (below(r, 3) == 0) c.split_low = below(r, 500000), c.split_high = 500000 + below(r, 500000);
  r->orphans += c.heir == 0;
  int32_t code = hd_pipeline_role(p, arm, &c, r->run.session.runner.now_ns, &fault);
  if (code) fail_msg("arm %u: %s", arm, fault.text);
  assert_int_equal(p->arms[arm].role, c.role);
  assert_int_equal(p->portfolio.books[arm].role, c.role);
  r->roles++;
}

static void reopen(struct run *r, uint32_t arm) {
  struct hd_pipeline *p = &r->run.session.pipeline;
  uint32_t universe[INSTRUMENTS];
  static const uint8_t digest[32];
  struct hd_arm row = p->arms[arm];
  row.role = 1 + below(r, 3);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) universe[i] = i + 1;
  assert_int_equal(hd_pipeline_arm(p, &row, (struct hadron_money){0}, universe, INSTRUMENTS, digest, "2.0.0"), HADRON_OK);
  assert_int_equal(hd_pipeline_arm(p, &row, (struct hadron_money){0}, universe, INSTRUMENTS, digest, "2.0.0"), HADRON_ERR_EXISTS);
  r->open[arm] = true;
  r->opens++;
}

static void step(struct run *r) {
  struct hd_session *s = &r->run.session;
  struct hd_pipeline *p = &s->pipeline;
  struct hd_fault fault = {0};
  uint32_t arm = 1 + below(r, ARMS), what = below(r, 10);
  struct account before = account_of(p);
  if (!r->open[arm]) {
    reopen(r, arm);
  } else if (what < 6) {
    change_role(r, arm);
  } else if (what < 9) {
    uint32_t from = 1 + below(r, ARMS);
    struct hd_book to = p->portfolio.books[arm];
    int32_t code = hd_pipeline_mirror(p, from, arm, s->runner.now_ns, &fault);
    if (code) {
      assert_int_equal(code, HADRON_ERR_ARGUMENT);
      r->refused++;
    } else {
      r->mirrors++;
      assert_int_equal(hd_book_equity(&p->portfolio.books[arm]).micros, hd_book_equity(&to).micros);
      for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
        const struct hd_position *a = hd_portfolio_position(&p->portfolio, from, i), *b = hd_portfolio_position(&p->portfolio, arm, i);
        assert_int_equal(a->quantity.e8, b->quantity.e8);
        assert_int_equal(a->cost.micros, b->cost.micros);
        assert_int_equal(a->average_entry.nanos, b->average_entry.nanos);
      }
    }
  } else {
    if (hd_pipeline_close(p, arm, trading_arm(r, arm), s->runner.now_ns, &fault)) fail_msg("arm %u: %s", arm, fault.text);
    assert_int_equal(hd_pipeline_close(p, arm, 0, s->runner.now_ns, &fault), HADRON_ERR_NOT_FOUND);
    r->open[arm] = false;
    r->closes++;
  }
  struct account after = account_of(p);
  assert_memory_equal(after.position, before.position, sizeof after.position);
  // Each book rounds what it holds to a micro: two books that become one round once less.
  assert_in_range(after.equity - before.equity + ROUNDING, 0, 2 * ROUNDING);
  if (hd_portfolio_check(&p->portfolio, &fault)) fail_msg("%s", fault.text);
  hd_runner_settle(&s->runner);
}

static void on_idle(uv_idle_t *idle) {
  struct run *r = idle->data;
  struct hd_replay_progress where;
  hd_replay_where(r->replay, &where);
  if (!where.paused) return;
  step(r);
  hd_replay_step(r->replay, 1 + below(r, 400));
}

static void random_changes_keep_the_books(void **state) {
  (void)state;
  static const char text[] = HEAD "venues = { memory = { params = { count = 60000, instruments = 6, quotes = true } }, " COSTS " },\n"
                                  "strategies = { a = " CROSS ", b = " MAKER ", c = " SMA ", d = " CROSS ", e = " MAKER " } }";
  const char *given = getenv("HADRON_TEST_SEED");
  for (uint64_t turn = 0; turn < 3; turn++) {
    static struct run r;
    struct hd_fault fault = {0};
    struct hd_replay replay;
    uv_loop_t loop;
    uv_idle_t idle;
    memset(&r, 0, sizeof r);
    r.replay = &replay;
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20261121 + turn;
    print_message("seed %llu (HADRON_TEST_SEED)\n", (unsigned long long)seed);
    hd_random_init(&r.random, seed);
    session_run_load(&r.run, text, NULL);
    r.run.opened = true;
    const struct hd_session_options options = {.is_virtual = true, .observer = &r, .observe = observe};
    if (hd_session_open(&r.run.session, &r.run.config, &options, &fault)) fail_msg("%s", fault.text);
    for (uint32_t arm = 1; arm <= ARMS; arm++) {
      r.open[arm] = true;
      if (hd_session_shadow(&r.run.session, arm, &fault)) fail_msg("%s", fault.text);
    }
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_idle_init(&loop, &idle);
    idle.data = &r;
    uv_idle_start(&idle, on_idle);
    assert_int_equal(hd_replay_init(&replay, &r.run.session, &(struct hd_replay_options){.loop = &loop, .paused = true}), HADRON_OK);
    if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
    struct hd_pipeline *p = &r.run.session.pipeline;
    session_run_identity(&r.run);
    for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
      assert_true(r.booked[0][i] == hd_portfolio_position(&p->portfolio, 0, i)->quantity.e8);
      for (uint32_t arm = 1; arm <= ARMS; arm++)
        if (r.open[arm] && p->arms[arm].role != HD_ROLE_SHADOW && hd_portfolio_position(&p->portfolio, arm, i)->quantity.e8)
          assert_int_equal(r.held[arm][i], hd_portfolio_position(&p->portfolio, arm, i)->quantity.e8);
    }
    print_message("%llu roles, %llu mirrors, %llu refused, %llu closed, %llu opened, %llu without an heir; house holds %u rows\n", (unsigned long long)r.roles,
                  (unsigned long long)r.mirrors, (unsigned long long)r.refused, (unsigned long long)r.closes, (unsigned long long)r.opens,
                  (unsigned long long)r.orphans, p->portfolio.books[p->portfolio.arm_max + 1].position_count);
    assert_true(r.roles > 10 && r.mirrors > 0 && r.closes > 0 && r.opens > 0);
    uv_close((uv_handle_t *)&idle, NULL);
    hd_replay_fini(&replay);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    session_run_close(&r.run);
  }
}

// ---- splits ------------------------------------------------------------------------------------------------------------------------

static void where_an_instrument_lies(void **state) {
  (void)state;
  // Fixed for ever: the first eight bytes of the name's SHA-256, little-endian, modulo a million.
  assert_int_equal(hd_instrument_share("AAPL"), 129054);
  assert_int_equal(hd_instrument_share("BTC-USD"), 327151);
  assert_int_equal(hd_instrument_share(""), 872227);
  uint32_t tenths[10] = {0};
  for (int i = 0; i < 10000; i++) {
    char name[16];
    snprintf(name, sizeof name, "SYM%d", i);
    tenths[hd_instrument_share(name) / 100000]++;
  }
  for (int i = 0; i < 10; i++) assert_in_range(tenths[i], 850, 1150);
}

// Executed quantity per instrument, signed, and how much was traded.
struct traded {
  int64_t position[INSTRUMENTS + 1], bought[ARMS + 1][INSTRUMENTS + 1];
  uint64_t decisions;
};

static void trade(struct traded *out, const char *text, uint32_t (*splits)[2], uint32_t arms) {
  struct session_run run;
  struct hd_replay replay;
  struct hd_fault fault = {0};
  session_run_load(&run, text, NULL);
  run.opened = true;
  if (hd_session_open(&run.session, &run.config, &(struct hd_session_options){.is_virtual = true}, &fault)) fail_msg("%s", fault.text);
  struct hd_pipeline *p = &run.session.pipeline;
  for (uint32_t arm = 1; splits && arm <= arms; arm++) {
    struct hd_arm_change c = {.role = HD_ROLE_LIVE, .weight = 1, .split_low = splits[arm - 1][0], .split_high = splits[arm - 1][1]};
    if (hd_pipeline_role(p, arm, &c, 0, &fault)) fail_msg("%s", fault.text);
  }
  assert_int_equal(hd_replay_init(&replay, &run.session, &(struct hd_replay_options){0}), HADRON_OK);
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  session_run_identity(&run);
  memset(out, 0, sizeof *out);
  for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
    out->position[i] = hd_portfolio_position(&p->portfolio, 0, i)->quantity.e8;
    for (uint32_t arm = 0; arm <= arms; arm++) out->bought[arm][i] = (int64_t)hd_portfolio_position(&p->portfolio, arm, i)->bought_e8;
  }
  out->decisions = hd_session_count(&run.session, HADRON_MSG_DECISION);
  hd_replay_fini(&replay);
  session_run_close(&run);
}

#define PLAIN "venues = { memory = { params = { count = 20000, instruments = 6, quotes = true } }, sim = {} },\n"
#define TEN "{ plugin = 'zero_cross', cash = '1000000', params = { length = 3, band = 0, size = 10 }"

static void a_split_covers_every_instrument_once(void **state) {
  (void)state;
  struct traded whole, split;
  uint32_t ranges[3][2] = {{0, 300000}, {300000, 650000}, {650000, 1000000}};
  trade(&whole, HEAD PLAIN "strategies = { a = " TEN " } } }", NULL, 1);
  trade(&split, HEAD PLAIN "strategies = { a = " TEN " }, b = " TEN " }, c = " TEN " } } }", ranges, 3);
  assert_int_equal(split.decisions, 3 * whole.decisions); // all of them are written down
  for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
    uint32_t traders = 0;
    for (uint32_t arm = 1; arm <= 3; arm++) traders += split.bought[arm][i] > 0;
    assert_int_equal(traders, 1);
    assert_int_equal(split.bought[0][i], whole.bought[0][i]);
    assert_int_equal(split.position[i], whole.position[i]);
  }
}

static void two_halves_trade_what_one_would(void **state) {
  (void)state;
  struct traded whole, halves;
  trade(&whole, HEAD PLAIN "strategies = { a = " TEN ", weight = 1 } } }", NULL, 1);
  trade(&halves, HEAD PLAIN "strategies = { a = " TEN ", weight = 0.3 }, b = " TEN ", weight = 0.7 } } }", NULL, 2);
  for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
    assert_true(whole.bought[0][i] > 0);
    assert_int_equal(halves.bought[0][i], whole.bought[0][i]);
    assert_int_equal(halves.position[i], whole.position[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_changes_keep_the_books), cmocka_unit_test(where_an_instrument_lies),
                                     cmocka_unit_test(a_split_covers_every_instrument_once), cmocka_unit_test(two_halves_trade_what_one_would)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
