#include "cli/report.h"

#include <math.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "hadron/decimal.h"

#define DAY_NS INT64_C(86400000000000)
#define YEAR_NS (365.25 * 86400e9)
#define DAYS_A_YEAR 252
#define CUTOFF 0.05
#define ORDERS_RESERVE 1024

// In the order in which they are shown, left column and right column in turn.
#define FIGURE(name) offsetof(struct hd_report_book, figures.name)
#define MONEY(name) offsetof(struct hd_report_book, money.name)
const struct hd_report_row hd_report_rows[] = {
    {"pnl", "P&L", HD_REPORT_MONEY, MONEY(pnl)},
    {"sharpe", "Sharpe", HD_REPORT_RATIO, FIGURE(sharpe)},
    {"total_return", "Return", HD_REPORT_PERCENT, FIGURE(total_return)},
    {"sortino", "Sortino", HD_REPORT_RATIO, FIGURE(sortino)},
    {"cagr", "CAGR", HD_REPORT_PERCENT, FIGURE(cagr)},
    {"calmar", "Calmar", HD_REPORT_RATIO, FIGURE(calmar)},
    {"volatility", "Volatility", HD_REPORT_PERCENT, FIGURE(volatility)},
    {"omega", "Omega", HD_REPORT_RATIO, FIGURE(omega)},
    {"max_drawdown", "Max drawdown", HD_REPORT_PERCENT, FIGURE(max_drawdown)},
    {"profit_factor", "Profit factor", HD_REPORT_RATIO, FIGURE(profit_factor)},
    {"cvar", "CVaR 5 %", HD_REPORT_PERCENT, FIGURE(cvar)},
    {"win_rate", "Win rate", HD_REPORT_PERCENT, FIGURE(win_rate)},
    {"value_at_risk", "VaR 5 %", HD_REPORT_PERCENT, FIGURE(value_at_risk)},
    {"average_win", "Average win", HD_REPORT_MONEY, MONEY(win_average)},
    {"in_market", "In the market", HD_REPORT_PERCENT, FIGURE(in_market)},
    {"average_loss", "Average loss", HD_REPORT_MONEY, MONEY(loss_average)},
    {"exposure", "Gross / equity", HD_REPORT_PERCENT, FIGURE(exposure)},
    {"fees", "Fees", HD_REPORT_MONEY, MONEY(fees)},
    {"turnover", "Turnover", HD_REPORT_RATIO, FIGURE(turnover)},
    {"dividends", "Dividends", HD_REPORT_MONEY, MONEY(dividends)},
    {"annual_return", NULL, HD_REPORT_PERCENT, FIGURE(annual_return)},
    {"downside_risk", NULL, HD_REPORT_PERCENT, FIGURE(downside_risk)},
    {"stability", NULL, HD_REPORT_RATIO, FIGURE(stability)},
    {"tail_ratio", NULL, HD_REPORT_RATIO, FIGURE(tail_ratio)},
    {"best_sample", NULL, HD_REPORT_PERCENT, FIGURE(best)},
    {"worst_sample", NULL, HD_REPORT_PERCENT, FIGURE(worst)},
    {"cash", NULL, HD_REPORT_MONEY, MONEY(cash)},
    {"equity", NULL, HD_REPORT_MONEY, MONEY(equity)},
    {"equity_low", NULL, HD_REPORT_MONEY, MONEY(equity_low)},
    {"equity_high", NULL, HD_REPORT_MONEY, MONEY(equity_high)},
    {"realized", NULL, HD_REPORT_MONEY, MONEY(realized)},
    {"unrealized", NULL, HD_REPORT_MONEY, MONEY(unrealized)},
    {"traded", NULL, HD_REPORT_MONEY, MONEY(traded)},
    {"gains", NULL, HD_REPORT_MONEY, MONEY(gain)},
    {"losses", NULL, HD_REPORT_MONEY, MONEY(loss)},
    {"max_drawdown_money", NULL, HD_REPORT_MONEY, MONEY(drawdown)},
};
const uint32_t hd_report_row_count = sizeof hd_report_rows / sizeof *hd_report_rows;

#define COUNT(name) {#name, offsetof(struct hd_report_counts, name)}
const struct hd_report_count_row hd_report_count_rows[] = {
    COUNT(ticks), COUNT(rejected_ticks), COUNT(conflated_ticks), COUNT(dropped_ticks), COUNT(bars), COUNT(decisions), COUNT(opportunities), COUNT(intents),
    COUNT(orders), COUNT(executions), COUNT(allocations), COUNT(filled), COUNT(canceled), COUNT(expired), COUNT(rejected_orders),
    COUNT(denied_orders), COUNT(open_orders), COUNT(cancels), COUNT(replaces), COUNT(alerts), COUNT(samples), COUNT(instruments),
    COUNT(shards),
};
const uint32_t hd_report_count_row_count = sizeof hd_report_count_rows / sizeof *hd_report_count_rows;

// ---- life ------------------------------------------------------------------------------------------------------------------------

// Of samples: what the configuration says, 252 days, else as many as a year of the calendar has. NaN: there is no interval.
static double periods_of(const struct hd_config *config) {
  if (config->periods_per_year > 0) return config->periods_per_year;
  if (config->equity_every_ns == DAY_NS) return DAYS_A_YEAR;
  return config->equity_every_ns > 0 ? YEAR_NS / (double)config->equity_every_ns : NAN;
}

int32_t hd_report_create(const struct hd_config *config, struct hd_report **out) {
  struct hd_report *r = calloc(1, sizeof *r);
  if (!r) return HADRON_ERR_MEMORY;
  hd_text_copy(r->path, sizeof r->path, config->path);
  hd_text_copy(r->currency, sizeof r->currency, config->currency);
  r->equity_every_ns = config->equity_every_ns;
  r->periods = periods_of(config);
  r->risk_free = config->risk_free;
  int32_t code = hd_map_init(&r->open_orders, sizeof(struct hadron_client_order_id), ORDERS_RESERVE);
  if (code) {
    free(r);
    return code;
  }
  *out = r;
  return HADRON_OK;
}

void hd_report_destroy(struct hd_report *r) {
  if (!r) return;
  for (uint32_t i = 0; i < r->book_count; i++) free(r->books[i].samples);
  free(r->books);
  hd_map_fini(&r->open_orders);
  free(r);
}

// ---- observing -------------------------------------------------------------------------------------------------------------------

static struct hd_report_book *book_of(struct hd_report *r, uint32_t arm) {
  if (arm < r->book_count) return &r->books[arm];
  if (arm >= r->book_room) {
    uint32_t room = arm < 8 ? 16 : arm * 2;
    struct hd_report_book *books = realloc(r->books, room * sizeof *books);
    if (!books) {
      r->code = HADRON_ERR_MEMORY;
      return NULL;
    }
    memset(books + r->book_room, 0, (room - r->book_room) * sizeof *books);
    r->books = books;
    r->book_room = room;
  }
  r->book_count = arm + 1;
  return &r->books[arm];
}

static void seen_at(struct hd_report *r, int64_t time_ns) {
  if (r->first_ns == 0) r->first_ns = time_ns;
}

static void on_equity(struct hd_report *r, const struct hadron_equity *e) {
  struct hd_report_book *book = book_of(r, e->arm);
  if (!book) return;
  const struct hd_report_sample sample = {e->time_ns, e->cash.micros + e->cost.micros + e->unrealized.micros, e->gross.micros};
  seen_at(r, e->time_ns);
  if (book->count && book->samples[book->count - 1].time_ns == e->time_ns) { // the later word on the same moment
    book->samples[book->count - 1] = sample;
    return;
  }
  if (book->count == book->room) {
    size_t room = book->room ? book->room * 2 : 256;
    struct hd_report_sample *samples = realloc(book->samples, room * sizeof *samples);
    if (!samples) {
      r->code = HADRON_ERR_MEMORY;
      return;
    }
    book->samples = samples;
    book->room = room;
  }
  book->samples[book->count++] = sample;
}

static void book_allocation(struct hd_report_book *book, const struct hadron_allocation *a) {
  bool back = a->flags & 1, moves = a->flags & 2; // from one book to another: nobody's trade
  int64_t moved = a->side == HADRON_SIDE_BUY ? a->quantity.e8 : -a->quantity.e8, before = a->position.e8 - moved;
  book->allocations++;
  book->fees_seen += back ? -a->fee.micros : a->fee.micros;
  if (!back && !moves && ((before > 0 && moved < 0) || (before < 0 && moved > 0))) book->trades++;
}

// The sum has no allocations of its own: those of the arms that trade are its trades.
static void on_allocation(struct hd_report *r, const struct hadron_allocation *a) {
  struct hd_report_book *book = book_of(r, a->arm);
  if (!book) return;
  seen_at(r, a->time_ns);
  if (a->arm) book_allocation(book, a);
  if (!(a->flags & HADRON_ORDER_SHADOW)) book_allocation(&r->books[0], a);
}

// A book begins anew where its arm begins or ends to trade.
static void on_arm(struct hd_report *r, const struct hadron_arm_definition *d) {
  struct hd_report_book *book = book_of(r, d->arm);
  if (!book) return;
  if (book->role && (book->role == HD_ROLE_SHADOW) != (d->role == HD_ROLE_SHADOW)) book->fees_seen = 0;
  book->role = d->role;
}

static void on_order(struct hd_report *r, const struct hadron_order *o) {
  seen_at(r, o->time_ns);
  int32_t code = hd_map_put(&r->open_orders, &o->client_order_id, (uint64_t)o->quantity.e8);
  if (code && code != HADRON_ERR_EXISTS) r->code = code; // sent a second time under the same id: the same order
}

static void overfill(struct hd_report *r, const struct hadron_client_order_id *id) {
  if (r->overfilled++ == 0) snprintf(r->overfilled_id, sizeof r->overfilled_id, "%.24s", id->hex);
}

static void on_execution(struct hd_report *r, const struct hadron_execution *e) {
  uint64_t left;
  r->executions_seen++;
  if ((e->flags & 2) || !hd_map_get(&r->open_orders, &e->client_order_id, &left)) return; // after its end: the order event tells
  int64_t rest = (int64_t)left + (e->flags & 1 ? e->quantity.e8 : -e->quantity.e8);
  if (rest < 0) overfill(r, &e->client_order_id);
  hd_map_remove(&r->open_orders, &e->client_order_id);
  int32_t code = hd_map_put(&r->open_orders, &e->client_order_id, (uint64_t)(rest < 0 ? 0 : rest));
  if (code) r->code = code;
}

static void on_order_event(struct hd_report *r, const struct hadron_order_event *e) {
  if (e->change == HADRON_CHANGE_DENY) {
    r->denied[e->reason < HADRON_RISK_REASON_COUNT ? e->reason : 0]++;
    return;
  }
  if (e->filled.e8 > e->quantity.e8) overfill(r, &e->client_order_id);
  if (hd_order_final(e->to)) hd_map_remove(&r->open_orders, &e->client_order_id);
}

void hd_report_observe(void *report, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct hd_report *r = report;
  (void)tail;
  (void)tail_size;
  // What shadows do is told by their books; all other figures are those of trading.
  if (hd_record_shadow(template_id, block) && template_id != HADRON_MSG_ALLOCATION) return;
  switch (template_id) {
  case HADRON_MSG_ARM: on_arm(r, block); break;
  case HADRON_MSG_EQUITY: on_equity(r, block); break;
  case HADRON_MSG_ALLOCATION: on_allocation(r, block); break;
  case HADRON_MSG_ORDER: on_order(r, block); break;
  case HADRON_MSG_EXECUTION: on_execution(r, block); break;
  case HADRON_MSG_ORDER_EVENT: on_order_event(r, block); break;
  case HADRON_MSG_DECISION: seen_at(r, ((const struct hadron_decision *)block)->time_ns); break;
  default: break;
  }
}

// ---- the end: what the session knows ---------------------------------------------------------------------------------------------

static void take_counts(struct hd_report *r, const struct hd_session *s) {
  const struct hd_pipeline *p = &s->pipeline;
  const struct hd_gateway_counts *g = hd_gateway_count(p->gateway);
  uint64_t rejected = hd_normalize_refused(&p->normalize);
  r->counts = (struct hd_report_counts){
      .ticks = p->normalize.accepted + rejected, .rejected_ticks = rejected, .conflated_ticks = p->router.conflated,
      .dropped_ticks = p->router.routed[HADRON_LANE_DROP] + p->router.lost, .bars = hd_session_count(s, HADRON_MSG_BAR),
      .decisions = hd_session_count(s, HADRON_MSG_DECISION), .opportunities = hd_session_count(s, HADRON_MSG_OPPORTUNITY),
      .intents = hd_session_count(s, HADRON_MSG_INTENT), .orders = g->orders, .executions = hd_session_count(s, HADRON_MSG_EXECUTION),
      .allocations = hd_session_count(s, HADRON_MSG_ALLOCATION), .filled = g->filled, .canceled = g->canceled, .expired = g->expired,
      .rejected_orders = g->rejected, .denied_orders = g->denied, .open_orders = g->open, .cancels = g->cancels,
      .replaces = g->replaces, .alerts = atomic_load(&s->alerts), .samples = r->book_count ? r->books[0].count : 0,
      .instruments = p->instruments.count, .shards = p->options.shards};
  memcpy(r->rejected, p->normalize.refused, sizeof r->rejected);
  for (int i = 0; i < HD_STAGE_COUNT; i++) {
    const struct hd_histogram *h = &p->latency[i];
    r->latency[i] = (struct hd_report_latency){hd_stage_names[i], h->count, hd_histogram_quantile(h, 0.5), hd_histogram_quantile(h, 0.99),
                                               hd_histogram_quantile(h, 0.999), h->max};
  }
  if (s->options.digest) hd_digest_text(&s->digest, r->digest);
  if (s->journal) {
    memcpy(r->journal, hd_journal_id(s->journal), sizeof r->journal);
    r->has_journal = true;
  }
}

static void take_book(struct hd_report *r, const struct hd_session *s, uint32_t arm) {
  const struct hd_book *from = &s->pipeline.portfolio.books[arm];
  struct hd_report_book *book = book_of(r, arm);
  if (!book) return;
  hd_text_copy(book->name, sizeof book->name, arm ? s->pipeline.arms[arm].name : "portfolio");
  book->role = arm ? from->role : HD_ROLE_LIVE;
  int64_t equity = hd_book_equity(from).micros;
  book->wins = from->wins;
  book->losses = from->losses;
  book->money = (struct hd_report_money){
      .cash = from->initial.micros, .equity = equity, .pnl = equity - from->initial.micros, .realized = from->realized.micros,
      .unrealized = from->unrealized.micros, .dividends = from->dividends.micros, .fees = from->fees.micros, .traded = from->turnover.micros,
      .gain = from->gain.micros, .loss = from->loss.micros,
      .win_average = from->wins ? (int64_t)hadron_divide_round(from->gain.micros, (int64_t)from->wins) : 0,
      .loss_average = from->losses ? (int64_t)hadron_divide_round(from->loss.micros, (int64_t)from->losses) : 0};
  if (arm == 0 || arm > s->arm_count) return;
  const struct hd_occupant *o = s->arms[arm - 1].occupant;
  book->errors = o ? atomic_load(&o->faults) : 0;
  book->fenced = o ? atomic_load(&o->fenced) : 0;
}

// ---- the end: figures ------------------------------------------------------------------------------------------------------------

// Arrays that all books share, one after the other: values (cash, then the samples), the returns between them, the same sorted.
struct work {
  double *values, *returns, *sorted; // owned
};

static void work_fini(struct work *w) {
  free(w->values);
  free(w->returns);
  free(w->sorted);
}

static bool work_init(struct work *w, const struct hd_report *r) {
  size_t most = 0;
  for (uint32_t i = 0; i < r->book_count; i++) most = r->books[i].count > most ? r->books[i].count : most;
  *w = (struct work){calloc(most + 1, sizeof(double)), calloc(most + 1, sizeof(double)), calloc(most + 1, sizeof(double))};
  return w->values && w->returns && w->sorted;
}

static double per(double a, double b) { return b > 0 ? a / b : NAN; }

static int64_t sample_time(const struct hd_report *r, const struct hd_report_book *book, size_t i) {
  return i ? book->samples[i - 1].time_ns : r->from_ns;
}

static void book_drawdown(const struct hd_report *r, struct hd_report_book *book, const double *values) {
  struct hd_drawdown d;
  size_t n = book->count + 1;
  book->fell = hd_drawdown_find(values, n, &d);
  book->figures.max_drawdown = book->count ? d.depth : NAN;
  if (!book->fell) return;
  book->money.drawdown = (int64_t)(values[d.peak] - values[d.trough]);
  book->peak_ns = sample_time(r, book, d.peak);
  book->trough_ns = sample_time(r, book, d.trough);
  book->recovery_ns = d.recovery < n ? sample_time(r, book, d.recovery) : 0;
}

// What the samples say without a year: levels, exposure, trading.
static void book_levels(struct hd_report_book *book, const double *values) {
  double sum = 0, exposure = 0, in_market = 0, low = values[0], high = values[0];
  for (size_t i = 0; i < book->count; i++) {
    double equity = values[i + 1];
    sum += equity;
    exposure += equity > 0 ? (double)book->samples[i].gross / equity : 0;
    in_market += book->samples[i].gross != 0;
    low = fmin(low, equity);
    high = fmax(high, equity);
  }
  double count = (double)book->count;
  book->money.equity_low = (int64_t)low;
  book->money.equity_high = (int64_t)high;
  book->figures.in_market = per(in_market, count);
  book->figures.exposure = per(exposure, count);
  book->figures.turnover = per((double)book->money.traded, per(sum, count));
  book->figures.win_rate = per((double)book->wins, (double)(book->wins + book->losses));
  book->figures.profit_factor = per((double)book->money.gain, (double)book->money.loss);
}

static void book_ratios(const struct hd_report *r, struct hd_report_book *book, struct work *w) {
  struct hd_report_figures *f = &book->figures;
  const double *returns = w->returns, periods = r->periods;
  size_t n = book->count, sorted = hd_series_sort(returns, n, w->sorted);
  f->annual_return = hd_series_annual(returns, n, periods);
  f->volatility = hd_series_volatility(returns, n, periods);
  f->downside_risk = hd_series_downside(returns, n, 0, periods);
  f->sharpe = hd_series_sharpe(returns, n, pow(1 + r->risk_free, 1 / periods) - 1, periods);
  f->sortino = hd_series_sortino(returns, n, 0, periods);
  f->calmar = hd_series_calmar(returns, n, periods);
  f->omega = hd_series_omega(returns, n, 0);
  f->stability = hd_series_stability(returns, n);
  f->tail_ratio = hd_series_tail_ratio(w->sorted, sorted);
  f->value_at_risk = hd_series_var(w->sorted, sorted, CUTOFF);
  f->cvar = hd_series_cvar(w->sorted, sorted, CUTOFF);
  f->worst = hd_series_quantile(w->sorted, sorted, 0);
  f->best = hd_series_quantile(w->sorted, sorted, 1);
}

static void book_figures(const struct hd_report *r, struct hd_report_book *book, struct work *w) {
  struct hd_report_figures *f = &book->figures;
  for (size_t i = 0; i < sizeof *f / sizeof(double); i++) ((double *)f)[i] = NAN;
  w->values[0] = (double)book->money.cash;
  for (size_t i = 0; i < book->count; i++) w->values[i + 1] = (double)book->samples[i].equity;
  hd_series_returns(w->values, book->count + 1, w->returns);
  double growth = per((double)book->money.equity, (double)book->money.cash);
  f->total_return = growth - 1;
  // Less than a day says nothing about a year.
  if (r->to_ns - r->from_ns >= DAY_NS) f->cagr = hd_series_cagr(growth, (double)(r->to_ns - r->from_ns) / YEAR_NS);
  book_drawdown(r, book, w->values);
  book_levels(book, w->values);
  if (!*r->why) book_ratios(r, book, w);
}

// The first sample ends a period at whose beginning there was the cash.
static void take_span(struct hd_report *r) {
  const struct hd_report_book *sum = &r->books[0];
  r->from_ns = r->to_ns = r->first_ns;
  if (sum->count == 0) return;
  r->to_ns = sum->samples[sum->count - 1].time_ns;
  if (r->equity_every_ns > 0) r->from_ns = sum->samples[0].time_ns - r->equity_every_ns;
}

static void say_why(struct hd_report *r) {
  size_t samples = r->books[0].count;
  if (samples < 2)
    snprintf(r->why, sizeof r->why, "%zu sample%s of the books: ratios need two; lower report.equity_every or use more data", samples,
             samples == 1 ? "" : "s");
  else if (isnan(r->periods))
    hd_text_copy(r->why, sizeof r->why, "samples a year are not known: set report.equity_every or report.periods_per_year");
}

// ---- the end: does it add up -----------------------------------------------------------------------------------------------------

static int32_t check_book(const struct hd_report *r, const struct hd_report_book *book, struct hd_fault *fault) {
  if (book->fees_seen != book->money.fees)
    return hd_fault_set(fault, HADRON_ERR_INTERNAL, "report: %s: the allocations' fees add up to %lld micros, the book has %lld; the journal holds both",
                        book->name, (long long)book->fees_seen, (long long)book->money.fees);
  if (book->count && r->code == 0 && book->samples[book->count - 1].equity != book->money.equity)
    return hd_fault_set(fault, HADRON_ERR_INTERNAL, "report: %s: the last sample says %lld micros, the book %lld; was the last sample taken?",
                        book->name, (long long)book->samples[book->count - 1].equity, (long long)book->money.equity);
  return HADRON_OK;
}

static int32_t verdict(const struct hd_report *r, const struct hd_session *s, struct hd_fault *fault) {
  const struct hd_gateway_counts *g = hd_gateway_count(s->pipeline.gateway);
  int32_t code = hd_portfolio_check(&s->pipeline.portfolio, fault);
  if (code) return code;
  if (r->overfilled)
    return hd_fault_set(fault, HADRON_ERR_INTERNAL, "report: %llu fills beyond their order, expected none; the first is of order %s",
                        (unsigned long long)r->overfilled, r->overfilled_id);
  if (r->counts.executions != g->executions || r->executions_seen != g->executions)
    return hd_fault_set(fault, HADRON_ERR_INTERNAL, "report: %llu executions were recorded and %llu reported, the gateway counts %llu",
                        (unsigned long long)r->counts.executions, (unsigned long long)r->executions_seen, (unsigned long long)g->executions);
  for (uint32_t i = 0; i < r->book_count; i++)
    if (r->books[i].role && (code = check_book(r, &r->books[i], fault))) return code;
  if (r->code) return hd_fault_set(fault, r->code, "report: samples are missing: %s", hadron_error_text(r->code));
  return HADRON_OK;
}

void hd_report_finish(struct hd_report *r, struct hd_session *session, int64_t elapsed_ns) {
  struct work work;
  r->elapsed_ns = elapsed_ns;
  for (uint32_t arm = 0; arm <= session->pipeline.arm_count; arm++) take_book(r, session, arm);
  if (r->book_count == 0) { // not even the portfolio's book could be made
    hd_fault_set(&r->fault, HADRON_ERR_MEMORY, "report: out of memory");
    return;
  }
  take_counts(r, session);
  take_span(r);
  say_why(r);
  if (work_init(&work, r))
    for (uint32_t i = 0; i < r->book_count; i++) book_figures(r, &r->books[i], &work);
  else
    r->code = HADRON_ERR_MEMORY;
  work_fini(&work);
  verdict(r, session, &r->fault);
}

int32_t hd_report_check(struct hd_report *r, struct hd_fault *fault) {
  if (r->fault.code && fault) *fault = r->fault;
  return r->fault.code;
}
