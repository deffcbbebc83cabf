// Promise: the report says what happened. A scripted session (real books, gateway and pipeline; orders, fills and samples by hand) has
// figures that were worked out by hand; the table is the golden one and fits 80 columns; the JSON object holds every figure, exactly;
// what does not add up is refused.
#include "support/test.h"

#include <jansson.h>
#include <math.h>

#include "cli/report.h"
#include "support/market.h"

#define DAY INT64_C(86400000000000)
#define T0 INT64_C(1709510400000000000) // 2024-03-04T00:00:00Z, a Monday
#define SHADOW_VENUE 2
#define COUNT(a) (sizeof(a) / sizeof *(a))

// ---- A session without plugins ---------------------------------------------------------------------------------------------------

struct desk {
  struct hd_session session;
  struct hd_config config;
  struct hd_report *report;
  struct hadron_order last;
  uint32_t fills;
};

static int32_t sink_write(void *self, uint16_t template_id, const void *block, uint16_t size, const void *tail, uint32_t tail_size,
                          int64_t now_ns, uint32_t flags) {
  struct desk *d = self;
  (void)now_ns, (void)flags;
  bool shadow = hd_record_shadow(template_id, block);
  hd_digest_add(shadow ? &d->session.shadow_digest : &d->session.digest, template_id, block, size, tail, tail_size);
  atomic_fetch_add(shadow ? &d->session.shadow_records[template_id] : &d->session.records[template_id], 1);
  hd_report_observe(d->report, template_id, block, tail, tail_size);
  return HADRON_OK;
}
static int32_t port_submit(void *self, const struct hadron_order *order) { return ((struct desk *)self)->last = *order, HADRON_OK; }
static int32_t port_other(void *self, const struct hadron_order *order) { return (void)self, (void)order, HADRON_OK; }
static uint32_t port_features(void *self, uint16_t venue) { return (void)self, (void)venue, HADRON_VENUE_ORDERS; }
static uint32_t port_state(void *self, uint16_t venue) { return (void)self, (void)venue, HADRON_VENUE_READY; }
static void on_alert(void *self, uint32_t severity, int32_t code, uint32_t arm, uint32_t instrument, uint16_t venue, const char *text) {
  (void)self, (void)severity, (void)code, (void)arm, (void)instrument, (void)venue, (void)text;
}
static void on_fault(void *self, struct hd_engine_instance *instance, int32_t code, bool fenced) {
  (void)self, (void)instance, (void)code, (void)fenced;
}

static void desk_arm(struct desk *d, uint32_t id, uint32_t role, const char *name, double cash) {
  static const uint32_t universe[] = {1};
  static const uint8_t digest[32];
  struct hd_arm arm = {.id = id, .role = role, .weight = 1};
  snprintf(arm.name, sizeof arm.name, "%s", name);
  assert_int_equal(hd_pipeline_arm(&d->session.pipeline, &arm, test_money(cash), universe, 1, digest, "1.0.0"), 0);
}

static struct desk *desk_open(int64_t equity_every_ns) {
  struct desk *d = calloc(1, sizeof *d);
  struct hd_pipeline *p = &d->session.pipeline;
  struct hd_fault fault;
  snprintf(d->config.path, sizeof d->config.path, "configs/scripted.lua");
  snprintf(d->config.currency, sizeof d->config.currency, "USD");
  d->config.equity_every_ns = equity_every_ns;
  d->config.cash = test_money(100000);
  d->session.config = &d->config;
  d->session.options.digest = true;
  hd_digest_init(&d->session.digest);
  assert_int_equal(hd_report_create(&d->config, &d->report), 0);
  const struct hd_pipeline_options options = {
      .mode = HADRON_MODE_BACKTEST, .shards = 1, .lane_ticks = 64, .instruments_max = 4, .arm_max = 4, .cash = d->config.cash, .engine = {.volatility_decay = 0.94},
      .gateway = {.orders_max = 64, .unknown_after_ns = DAY * 30, .query_every_ns = DAY, .day_end_ns = -1}, .equity_every_ns = equity_every_ns};
  const struct hd_record_sink sink = {d, sink_write, NULL};
  const struct hd_venue_port port = {d, port_submit, port_other, port_other, port_other, port_features, port_state};
  const struct hd_pipeline_listener listener = {.self = d, .alert = on_alert, .fault = on_fault};
  assert_int_equal(hd_pipeline_init(p, &options, &sink, &port, &listener, &fault), 0);
  const struct hd_instrument definition = {.asset = 1, .increment = {10000000}, .lot = {100000000}, .multiplier = {100000000}, .name = "ABC", .currency = "USD"};
  uint32_t id, handle;
  assert_int_equal(hd_instruments_add(&p->instruments, &definition, &id), 0);
  assert_int_equal(hd_instruments_list(&p->instruments, id, 1, "ABC", &handle), 0);
  assert_int_equal(handle, 1);
  desk_arm(d, 1, HD_ROLE_LIVE, "trend", 50000);
  desk_arm(d, 2, HD_ROLE_CANARY, "a_name_that_is_rather_long", 50000);
  desk_arm(d, 3, HD_ROLE_SHADOW, "shade", 10000);
  static const struct hadron_allocator_api nobody_asks = {.struct_size = sizeof nobody_asks};
  hd_pipeline_allocator(p, &nobody_asks, d);
  assert_int_equal(hd_instruments_list(&p->instruments, id, SHADOW_VENUE, "ABC", &handle), 0);
  assert_int_equal(hd_pipeline_shadow(p, SHADOW_VENUE), 0);
  return d;
}

static void desk_close(struct desk *d) {
  hd_pipeline_fini(&d->session.pipeline);
  hd_report_destroy(d->report);
  free(d);
}

static void desk_mark(struct desk *d, double price, int64_t now_ns) {
  struct hd_mark *mark = hd_mark_begin(&d->session.pipeline.marks.cells[1]);
  mark->last = mark->bid = mark->ask = test_price(price);
  mark->event_ns = mark->recv_ns = now_ns;
  mark->state = HADRON_MARKET_OPEN;
  hd_mark_end(&d->session.pipeline.marks.cells[1]);
}

static struct hadron_intent intent_of(struct desk *d, uint32_t arm, uint8_t side, double quantity, int64_t now_ns) {
  static uint64_t key;
  (void)d;
  key++;
  return (struct hadron_intent){.trace = {{1}}, .id = key, .key = key, .time_ns = now_ns, .quantity = test_quantity(quantity), .instrument = 1,
                                .arm = arm, .venue = 1, .kind = HADRON_INTENT_NEW, .side = side, .order_type = HADRON_ORDER_MARKET,
                                .time_in_force = HADRON_TIF_IOC};
}

static void desk_report(struct desk *d, uint8_t change, double quantity, double price, double fee, int64_t now_ns) {
  struct hadron_venue_report r = {.venue_ns = now_ns, .client_order_id = d->last.client_order_id, .price = test_price(price),
                                  .quantity = test_quantity(quantity), .cumulative = {-1}, .fee = test_money(fee), .listing = 1, .venue = d->last.venue,
                                  .change = change, .side = d->last.side, .flags = d->last.flags & HADRON_ORDER_SHADOW};
  if (change == HADRON_CHANGE_FILL) snprintf(r.execution_id, sizeof r.execution_id, "x%u", ++d->fills);
  hd_pipeline_report(&d->session.pipeline, &r, now_ns);
  hd_pipeline_settle(&d->session.pipeline, now_ns);
}

// An order of one arm, filled at once in two parts where it can be.
static void desk_trade(struct desk *d, uint32_t arm, uint8_t side, double quantity, double price, double fee, int64_t now_ns) {
  struct hadron_intent intent = intent_of(d, arm, side, quantity, now_ns);
  const struct hd_share share = {.arm = arm, .ordered = intent.quantity};
  const struct hd_verdict passed = {0};
  bool shadow = d->session.pipeline.arms[arm].role == HD_ROLE_SHADOW;
  if (shadow) intent.flags = HADRON_ORDER_SHADOW, intent.venue = SHADOW_VENUE;
  assert_int_equal(hd_gateway_intent(shadow ? d->session.pipeline.shadow.gateway : d->session.pipeline.gateway, &intent, &share, 1, &passed, "x", now_ns), 0);
  desk_report(d, HADRON_CHANGE_ACCEPT, 0, 0, 0, now_ns);
  desk_report(d, HADRON_CHANGE_FILL, quantity, price, fee, now_ns);
}

static void desk_deny(struct desk *d, uint16_t reason, int64_t now_ns) {
  struct hadron_intent intent = intent_of(d, 1, HADRON_SIDE_BUY, 1, now_ns);
  const struct hd_share share = {.arm = 1, .ordered = intent.quantity};
  const struct hd_verdict verdict = {.reason = reason, .actual = 2, .bound = 1};
  assert_int_equal(hd_gateway_intent(d->session.pipeline.gateway, &intent, &share, 1, &verdict, "x", now_ns), HADRON_ERR_RISK);
  hd_pipeline_settle(&d->session.pipeline, now_ns);
}

static void desk_sample(struct desk *d, double price, int64_t now_ns) {
  desk_mark(d, price, now_ns);
  hd_pipeline_sample(&d->session.pipeline, now_ns);
}

// Four days. Equity at their ends: 100,999; 99,499; 100,497.50; 100,347.
//   1  trend buys 100 at 100, fee 1; marked 110        2  marked 95; two denials, one bad tick
//   3  trend sells 100 at 105, fee 1: +500; the canary sells 50 short at 105, fee 0.50; the shadow buys 10 at 105; marked 105
//   4  the canary buys 50 at 108, fee 0.50: -150
static struct desk *scripted(void) {
  struct desk *d = desk_open(DAY);
  struct hadron_tick bad = {.event_ns = T0 + DAY, .recv_ns = T0 + DAY, .instrument = 99, .venue = 1, .kind = HADRON_TICK_TRADE};
  desk_mark(d, 100, T0);
  desk_trade(d, 1, HADRON_SIDE_BUY, 100, 100, 1, T0 + DAY / 2);
  desk_sample(d, 110, T0 + DAY);
  desk_deny(d, HADRON_RISK_POSITION_MAX, T0 + DAY + 1);
  desk_deny(d, HADRON_RISK_COLLAR, T0 + DAY + 2);
  assert_int_equal(hd_pipeline_offer(&d->session.pipeline, &bad, T0 + DAY + 3), HADRON_ERR_RANGE);
  desk_sample(d, 95, T0 + 2 * DAY);
  desk_trade(d, 1, HADRON_SIDE_SELL, 100, 105, 1, T0 + 2 * DAY + 1);
  desk_trade(d, 2, HADRON_SIDE_SELL, 50, 105, 0.5, T0 + 2 * DAY + 2);
  desk_trade(d, 3, HADRON_SIDE_BUY, 10, 105, 0, T0 + 2 * DAY + 3);
  desk_sample(d, 105, T0 + 3 * DAY);
  desk_trade(d, 2, HADRON_SIDE_BUY, 50, 108, 0.5, T0 + 3 * DAY + 1);
  desk_sample(d, 108, T0 + 4 * DAY);
  hd_histogram_record(&d->session.pipeline.latency[HD_STAGE_ENGINE], 31);
  hd_report_finish(d->report, &d->session, 2 * INT64_C(1000000000));
  return d;
}

static void near(double actual, double expected) {
  if (isnan(expected) ? !isnan(actual) : !(fabs(actual - expected) <= 1e-12 * fmax(1, fabs(expected)))) fail_msg("expected %.17g, found %.17g", expected, actual);
}

// ---- figures ---------------------------------------------------------------------------------------------------------------------

static void figures(void **state) {
  (void)state;
  struct desk *d = scripted();
  const struct hd_report *r = d->report;
  const struct hd_report_book *b = &r->books[0];
  const struct hd_report_figures *f = &b->figures;
  struct hd_fault fault = {0};
  if (hd_report_check(d->report, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(b->money.pnl, 347000000);
  assert_int_equal(b->money.fees, 3000000);
  assert_int_equal(b->money.realized, 350000000);
  assert_int_equal(b->money.traded, INT64_C(31150000000));
  assert_int_equal(b->money.win_average, 499000000);
  assert_int_equal(b->money.loss_average, 150500000);
  assert_int_equal(b->money.drawdown, 1500000000);
  assert_int_equal(b->trades, 2);
  near(f->total_return, 0.00347);
  near(f->win_rate, 0.5);
  near(f->profit_factor, 499 / 150.5);
  near(f->in_market, 0.75);
  near(f->exposure, (11000 / 100999.0 + 9500 / 99499.0 + 5250 / 100497.5) / 4);
  near(f->turnover, 31150 / ((100999 + 99499 + 100497.5 + 100347) / 4));
  near(f->max_drawdown, 99499 / 100999.0 - 1);
  assert_int_equal(b->peak_ns, T0 + DAY);
  assert_int_equal(b->trough_ns, T0 + 2 * DAY);
  assert_int_equal(b->recovery_ns, 0);
  const double v[] = {100000, 100999, 99499, 100497.5, 100347};
  double x[4], mean = 0, square = 0, below = 0;
  for (int i = 0; i < 4; i++) mean += (x[i] = v[i + 1] / v[i] - 1) / 4;
  for (int i = 0; i < 4; i++) square += (x[i] - mean) * (x[i] - mean), below += x[i] < 0 ? x[i] * x[i] : 0;
  near(f->volatility, sqrt(square / 3 * 252));
  near(f->sharpe, mean / sqrt(square / 3) * sqrt(252));
  near(f->sortino, mean * 252 / sqrt(below / 4 * 252));
  near(f->annual_return, pow(1.00347, 252 / 4.0) - 1);
  near(f->calmar, (pow(1.00347, 252 / 4.0) - 1) / (1 - 99499 / 100999.0));
  near(f->cagr, pow(1.00347, 365.25 / 4) - 1);
  near(f->cvar, x[1]);
  near(f->best, x[2]);
  assert_int_equal(r->from_ns, T0);
  assert_int_equal(r->to_ns, T0 + 4 * DAY);
  desk_close(d);
}

static void split(void **state) {
  (void)state;
  struct desk *d = scripted();
  const struct hd_report *r = d->report;
  assert_int_equal(r->book_count, 4);
  assert_int_equal(r->books[1].money.pnl, 498000000);
  assert_int_equal(r->books[1].money.fees, 2000000);
  assert_int_equal(r->books[1].trades, 1);
  near(r->books[1].figures.total_return, 498 / 50000.0);
  near(r->books[1].figures.win_rate, 1);
  assert_int_equal(r->books[2].money.pnl, -151000000);
  near(r->books[2].figures.win_rate, 0);
  near(r->books[2].figures.profit_factor, 0);
  assert_int_equal(r->books[3].money.pnl, 30000000); // the shadow's is nobody's
  near(r->books[3].figures.win_rate, NAN);
  assert_int_equal(r->counts.orders, 4); // nor are its orders
  assert_int_equal(r->counts.executions, 4);
  assert_int_equal(r->counts.denied_orders, 2);
  assert_int_equal(r->denied[HADRON_RISK_POSITION_MAX], 1);
  assert_int_equal(r->denied[HADRON_RISK_COLLAR], 1);
  assert_int_equal(r->counts.rejected_ticks, 1);
  desk_close(d);
}

// ---- when there is little, or nothing -------------------------------------------------------------------------------------------

static void few_samples(void **state) {
  (void)state;
  struct desk *d = desk_open(DAY);
  desk_sample(d, 100, T0 + DAY);
  desk_sample(d, 100, T0 + DAY); // the same moment again is no second sample
  hd_report_finish(d->report, &d->session, 1);
  assert_int_equal(d->report->books[0].count, 1);
  near(d->report->books[0].figures.sharpe, NAN);
  near(d->report->books[0].figures.total_return, 0);
  near(d->report->books[0].figures.max_drawdown, 0);
  assert_non_null(strstr(d->report->why, "1 sample of the books"));
  assert_int_equal(hd_report_check(d->report, NULL), 0);
  desk_close(d);
  d = desk_open(0);
  hd_report_finish(d->report, &d->session, 0);
  assert_non_null(strstr(d->report->why, "0 samples"));
  assert_int_equal(hd_report_check(d->report, NULL), 0);
  char *text = hd_report_json(d->report);
  json_t *o = json_loads(text, 0, NULL);
  assert_true(json_is_null(json_object_get(o, "sharpe")));
  assert_true(json_is_null(json_object_get(o, "max_drawdown")));
  assert_true(json_is_string(json_object_get(o, "ratios_missing")));
  json_decref(o);
  free(text);
  desk_close(d);
}

static void periods(void **state) {
  (void)state;
  static const struct { int64_t every; double given, expected; } rows[] = {
      {DAY, 0, 252}, {DAY, 365, 365}, {DAY / 24, 0, 8766}, {DAY / 1440, 0, 525960}, {7 * DAY, 0, 365.25 / 7}, {0, 0, NAN}, {0, 12, 12}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct hd_config config = {.equity_every_ns = rows[i].every, .periods_per_year = rows[i].given};
    struct hd_report *r;
    assert_int_equal(hd_report_create(&config, &r), 0);
    near(r->periods, rows[i].expected);
    hd_report_destroy(r);
  }
}

// ---- what does not add up --------------------------------------------------------------------------------------------------------

static void expect_refused(struct desk *d, const char *words) {
  struct hd_fault fault = {0};
  hd_report_finish(d->report, &d->session, 1);
  assert_int_equal(hd_report_check(d->report, &fault), HADRON_ERR_INTERNAL);
  if (!strstr(fault.text, words)) fail_msg("\"%s\" does not say \"%s\"", fault.text, words);
  desk_close(d);
}

static struct desk *one_trade(void) {
  struct desk *d = desk_open(DAY);
  desk_mark(d, 100, T0);
  desk_trade(d, 1, HADRON_SIDE_BUY, 10, 100, 1, T0 + 1);
  desk_sample(d, 100, T0 + DAY);
  return d;
}

static void fill_beyond_order(void **state) {
  (void)state;
  struct desk *d = desk_open(DAY);
  struct hadron_order order = {.time_ns = T0, .quantity = test_quantity(10)};
  memset(order.client_order_id.hex, 'a', sizeof order.client_order_id.hex);
  struct hadron_execution e = {.client_order_id = order.client_order_id, .quantity = test_quantity(6)};
  hd_report_observe(d->report, HADRON_MSG_ORDER, &order, NULL, 0);
  hd_report_observe(d->report, HADRON_MSG_EXECUTION, &e, NULL, 0);
  assert_int_equal(d->report->overfilled, 0);
  hd_report_observe(d->report, HADRON_MSG_EXECUTION, &e, NULL, 0);
  expect_refused(d, "the first is of order aaaaaaaaaaaaaaaaaaaaaaaa");
  d = desk_open(DAY); // and a taken-back fill makes room again
  e.flags = 0;
  hd_report_observe(d->report, HADRON_MSG_ORDER, &order, NULL, 0);
  hd_report_observe(d->report, HADRON_MSG_EXECUTION, &e, NULL, 0);
  e.flags = 1;
  hd_report_observe(d->report, HADRON_MSG_EXECUTION, &e, NULL, 0);
  e.flags = 0;
  hd_report_observe(d->report, HADRON_MSG_EXECUTION, &e, NULL, 0);
  assert_int_equal(d->report->overfilled, 0);
  struct hadron_order_event event = {.quantity = test_quantity(10), .filled = test_quantity(11), .change = HADRON_CHANGE_FILL};
  hd_report_observe(d->report, HADRON_MSG_ORDER_EVENT, &event, NULL, 0);
  assert_int_equal(d->report->overfilled, 1);
  desk_close(d);
}

static void lost_execution(void **state) {
  (void)state;
  struct desk *d = one_trade();
  d->report->executions_seen--;
  expect_refused(d, "the gateway counts 1");
}

static void lost_fee(void **state) {
  (void)state;
  struct desk *d = one_trade();
  d->report->books[1].fees_seen--;
  expect_refused(d, "the allocations' fees add up to 999999 micros, the book has 1000000");
}

static void broken_identity(void **state) {
  (void)state;
  struct desk *d = one_trade();
  d->session.pipeline.portfolio.books[1].cash.micros++;
  hd_report_finish(d->report, &d->session, 1);
  assert_int_equal(hd_report_check(d->report, NULL), HADRON_ERR_INTERNAL);
  desk_close(d);
}

static void stale_sample(void **state) {
  (void)state;
  struct desk *d = one_trade();
  desk_trade(d, 1, HADRON_SIDE_SELL, 10, 101, 1, T0 + DAY + 1);
  expect_refused(d, "the last sample says");
}

// ---- forms -----------------------------------------------------------------------------------------------------------------------

static char *printed(const struct hd_report *r, void (*print)(const struct hd_report *, FILE *), const char *locale) {
  char *text = NULL;
  size_t size;
  setenv("LC_ALL", locale, 1);
  FILE *f = open_memstream(&text, &size);
  print(r, f);
  fclose(f);
  return text;
}

static size_t columns_most(const char *text) {
  size_t most = 0, columns = 0;
  for (; *text; text++) {
    if (*text == '\n') columns = 0;
    else columns += ((unsigned char)*text & 0xc0) != 0x80;
    most = columns > most ? columns : most;
  }
  return most;
}

static const char golden[] =
    "Backtest of configs/scripted.lua\n"
    "  2024-03-04 to 2024-03-07 (4d 0h)\n"
    "  1 ticks in 2.00 s (0.50 ticks/s)\n"
    "\n"
    "  Equity      -#_+=\n"
    "              100,000.00 to 100,347.00 USD\n"
    "              lowest 99,499.00, highest 100,999.00\n"
    "  Drawdown      #-:\n"
    "              -1.49 %, -1,500.00 USD\n"
    "              from 2024-03-04 to 2024-03-05, not recovered\n"
    "\n"
    "  P&L                         347.00    Sharpe                        1.23\n"
    "  Return                      0.35 %    Sortino                       1.95\n"
    "  CAGR                       37.20 %    Calmar                       16.42\n"
    "  Volatility                 18.78 %    Omega                         1.22\n"
    "  Max drawdown               -1.49 %    Profit factor                 3.32\n"
    "  CVaR 5 %                   -1.49 %    Win rate                   50.00 %\n"
    "  VaR 5 %                    -1.28 %    Average win                 499.00\n"
    "  In the market              75.00 %    Average loss                150.50\n"
    "  Gross / equity              6.42 %    Fees                          3.00\n"
    "  Turnover                      0.31    Dividends                     0.00\n"
    "\n"
    "  Trades      2 closed, 1 won, 1 lost\n"
    "  Orders      4 sent, 4 executions, 4 filled\n"
    "  Denied      2, COLLAR 1, POSITION_MAX 1\n"
    "  Decisions   0, 0 intents\n"
    "  Ticks       0 accepted, 1 rejected, UNKNOWN_LISTING 1\n"
    "\n"
    "  Strategy           Return            P&L        Fees   Trades      Won  Sharpe\n"
    "  trend              1.00 %         498.00        2.00        1 100.00 %    1.82\n"
    "  a_name_that_is_   -0.30 %        -151.00        1.00        1   0.00 %   -7.97\n"
    "  shade *            0.30 %          30.00        0.00        0        -    7.94\n"
    "  * shadow: trades in a simulated market, no part of the sum\n"
    "\n"
    "  Stage                      p50            p99          p99.9            max\n"
    "  Engine                   31 ns          31 ns          31 ns          31 ns\n"
    "\n";

static void table(void **state) {
  (void)state;
  struct desk *d = scripted();
  char *text = printed(d->report, hd_report_print, "C"), expected[sizeof golden + 80];
  snprintf(expected, sizeof expected, "%s  Digest  %s\n", golden, d->report->digest);
  if (strcmp(text, expected) != 0) { // longer than a message may be
    fprintf(stderr, "the table is not the golden one:\n%s", text);
    fail();
  }
  free(text);
  text = printed(d->report, hd_report_print, "C.UTF-8");
  assert_non_null(strstr(text, "Equity      \xe2\x96\x83\xe2\x96\x88\xe2\x96\x81\xe2\x96\x86\xe2\x96\x85\n")); // 100,000 is a third of the way up
  assert_non_null(strstr(text, "Drawdown      \xe2\x96\x88\xe2\x96\x83\xe2\x96\x84\n"));
  assert_true(columns_most(text) <= 80);
  free(text);
  desk_close(d);
}

// The widest table: long names, large sums, all reasons, many samples.
static void table_fits(void **state) {
  (void)state;
  struct desk *d = scripted();
  struct hd_report *r = d->report;
  for (uint32_t i = 1; i < HADRON_TICK_REASON_COUNT; i++) r->rejected[i] = UINT64_C(1234567890123);
  for (uint32_t i = 0; i < HADRON_RISK_REASON_COUNT; i++) r->denied[i] = UINT64_C(1234567890123);
  r->counts.ticks = r->counts.alerts = r->counts.orders = r->counts.conflated_ticks = UINT64_C(123456789012);
  memset(r->path, 'p', 300);
  for (uint32_t i = 0; i < hd_report_row_count * 2; i++) {
    const struct hd_report_row *row = &hd_report_rows[i / 2];
    void *at = (char *)&r->books[i % 2] + row->offset;
    if (row->unit == HD_REPORT_MONEY) *(int64_t *)at = INT64_C(-123456789012345678);
    else *(double *)at = -1e300;
  }
  r->books[1].trades = r->books[1].errors = UINT64_MAX;
  r->books[1].figures.win_rate = 1;
  char *text = printed(r, hd_report_print, "C.UTF-8");
  size_t most = columns_most(text);
  if (most > 80) fail_msg("%zu columns:\n%s", most, text);
  free(text);
  desk_close(d);
}

static void object(void **state) {
  (void)state;
  static const char *const keys[] = {
      "ticks", "rejected_ticks", "decisions", "intents", "orders", "executions", "pnl", "fees", "sharpe", "sortino", "max_drawdown", "win_rate",
      "trades", "elapsed_s", "ticks_per_s", "digest", "total_return", "cagr", "calmar", "cvar", "volatility", "turnover", "profit_factor",
      "average_win", "average_loss", "exposure", "in_market", "drawdown_peak", "drawdown_trough", "drawdown_recovery", "rejected_by_reason",
      "denied_by_reason", "strategies", "latencies", "pnl_micros", "fees_micros", "currency", "config", "from", "to"};
  struct desk *d = scripted();
  char *text = printed(d->report, hd_report_print_json, "C");
  json_error_t error;
  json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  if (!o) fail_msg("%d: %s", error.line, error.text);
  for (size_t i = 0; i < COUNT(keys); i++)
    if (!json_object_get(o, keys[i])) fail_msg("the object has no \"%s\"", keys[i]);
  near(json_number_value(json_object_get(o, "pnl")), 347);
  assert_int_equal(json_integer_value(json_object_get(o, "pnl_micros")), 347000000);
  near(json_number_value(json_object_get(o, "win_rate")), 0.5);
  near(json_number_value(json_object_get(o, "ticks_per_s")), 0.5);
  assert_string_equal(json_string_value(json_object_get(o, "drawdown_trough")), "2024-03-06T00:00:00.000000000Z");
  assert_true(json_is_null(json_object_get(o, "drawdown_recovery")));
  assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "denied_by_reason"), "POSITION_MAX")), 1);
  json_t *list = json_object_get(o, "strategies");
  assert_int_equal(json_array_size(list), 3);
  assert_string_equal(json_string_value(json_object_get(json_array_get(list, 2), "role")), "shadow");
  assert_true(json_is_null(json_object_get(json_array_get(list, 2), "win_rate")));
  json_decref(o);
  free(text);
  desk_close(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(figures), cmocka_unit_test(split), cmocka_unit_test(few_samples), cmocka_unit_test(periods),
      cmocka_unit_test(fill_beyond_order), cmocka_unit_test(lost_execution), cmocka_unit_test(lost_fee), cmocka_unit_test(broken_identity),
      cmocka_unit_test(stale_sample), cmocka_unit_test(table), cmocka_unit_test(table_fits), cmocka_unit_test(object),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
