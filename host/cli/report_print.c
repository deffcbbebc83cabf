// The report for people: at most 80 columns, no colours, plain ASCII but for the lines of blocks, which need a UTF-8 locale.
#include <ctype.h>
#include <math.h>
#include <stdarg.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/locale.h"
#include "cli/report.h"
#include "cli/spark.h"

#define COLUMNS 80
#define LABEL 14      // columns of the labels at the left, with their indent
#define SPARK 64      // columns of the drawn series
#define TEXT_SIZE 64
#define DAY_NS INT64_C(86400000000000)
#define DATES_FROM_NS (3 * DAY_NS) // longer spans show dates, shorter ones times

// ---- values as text --------------------------------------------------------------------------------------------------------------

static const char *money_text(char to[TEXT_SIZE], int64_t micros) {
  char whole[32];
  uint64_t absolute = micros < 0 ? 0 - (uint64_t)micros : (uint64_t)micros, cents = (absolute + 5000) / 10000;
  hd_count_format(whole, sizeof whole, cents / 100);
  snprintf(to, TEXT_SIZE, "%s%s.%02u", micros < 0 && cents ? "-" : "", whole, (unsigned)(cents % 100));
  return to;
}

// In so many columns: sums that are wider lose their last digits.
static const char *money_within(char to[TEXT_SIZE], int64_t micros, size_t width) {
  if (strlen(money_text(to, micros)) > width) snprintf(to, TEXT_SIZE, "%.4g", (double)micros / (double)HADRON_MONEY_SCALE);
  return to;
}

static const char *number_text(char to[TEXT_SIZE], double v, uint32_t unit) {
  double shown = unit == HD_REPORT_PERCENT ? v * 100 : v;
  bool small = fabs(shown) < 0.1 && fabs(shown) >= 0.00005; // returns of minutes, not of days
  if (!isfinite(v)) snprintf(to, TEXT_SIZE, isnan(v) ? "-" : v > 0 ? "infinite" : "-infinite");
  else snprintf(to, TEXT_SIZE, small ? "%.4f%s" : fabs(shown) < 1e6 ? "%.2f%s" : "%.3g%s", shown, unit == HD_REPORT_PERCENT ? " %" : "");
  return to;
}

static const char *row_text(char to[TEXT_SIZE], const struct hd_report_book *book, const struct hd_report_row *row) {
  const char *at = (const char *)book + row->offset;
  if (row->unit == HD_REPORT_MONEY) return money_text(to, *(const int64_t *)(const void *)at);
  return number_text(to, *(const double *)(const void *)at, row->unit);
}

static const char *count_within(char to[TEXT_SIZE], uint64_t count, size_t width) {
  if (hd_count_format(to, TEXT_SIZE, count) > width) hd_rate_format(to, TEXT_SIZE, (double)count);
  return to;
}

static const char *count_text(char to[TEXT_SIZE], uint64_t count) {
  hd_count_format(to, TEXT_SIZE, count);
  return to;
}

// A date stands for the period that ended: midnight is the end of the day before.
static const char *time_text(const struct hd_report *r, char to[TEXT_SIZE], int64_t ns) {
  bool dates = r->to_ns - r->from_ns >= DATES_FROM_NS;
  hd_time_format(to, TEXT_SIZE, dates ? ns - 1 : ns, 0);
  to[dates ? 10 : 19] = 0;
  if (!dates) to[10] = ' ';
  return to;
}

// ---- lists that wrap -------------------------------------------------------------------------------------------------------------

struct list {
  FILE *to;
  int column;
  bool begun;
};

static struct list list_begin(FILE *to, const char *label) {
  fprintf(to, "  %-*s", LABEL - 2, label);
  return (struct list){to, LABEL, false};
}

__attribute__((format(printf, 2, 3))) static void list_add(struct list *l, const char *format, ...) {
  char item[128];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(item, sizeof item, format, arguments);
  va_end(arguments);
  if (l->begun && l->column + 2 + length > COLUMNS - 1) {
    fprintf(l->to, ",\n%*s", LABEL, "");
    l->column = LABEL;
  } else if (l->begun) {
    fputs(", ", l->to);
    l->column += 2;
  }
  fputs(item, l->to);
  l->column += length;
  l->begun = true;
}

static void list_end(struct list *l) { fputs("\n", l->to); }

// ---- the drawn series ------------------------------------------------------------------------------------------------------------

static double value_at(const struct hd_report_book *b, size_t i) { return (double)(i ? b->samples[i - 1].equity : b->money.cash); }

// Fills one value per column: the last equity in it, and the deepest fall below the highest equity so far.
static int columns_fill(const struct hd_report_book *b, double equity[SPARK], double fall[SPARK]) {
  size_t count = b->count + 1;
  int columns = count < SPARK ? (int)count : SPARK, last = -1;
  double peak = value_at(b, 0);
  for (size_t i = 0; i < count; i++) {
    int c = (int)(i * (size_t)columns / count);
    double v = value_at(b, i);
    peak = fmax(peak, v);
    double depth = peak > 0 ? 1 - v / peak : 0;
    fall[c] = c == last ? fmax(fall[c], depth) : depth;
    equity[c] = v;
    last = c;
  }
  return columns;
}

static void print_curve(const struct hd_report *r, FILE *to) {
  const struct hd_report_book *b = &r->books[0];
  double equity[SPARK], fall[SPARK];
  char t[4][TEXT_SIZE];
  bool utf8 = hd_locale_utf8();
  if (b->count == 0) return;
  int columns = columns_fill(b, equity, fall);
  double low = (double)b->money.equity_low, high = (double)b->money.equity_high, deepest = -b->figures.max_drawdown;
  fprintf(to, "  %-*s", LABEL - 2, "Equity");
  for (int c = 0; c < columns; c++) hd_spark_block(to, high > low ? 1 + (int)((equity[c] - low) / (high - low) * 7 + 0.5) : 1, utf8);
  fprintf(to, "\n%*s%s to %s %s", LABEL, "", money_text(t[0], b->money.cash), money_text(t[1], b->money.equity), r->currency);
  fprintf(to, "\n%*slowest %s, highest %s\n", LABEL, "", money_text(t[2], b->money.equity_low), money_text(t[3], b->money.equity_high));
  fprintf(to, "  %-*s", LABEL - 2, "Drawdown");
  if (!b->fell) {
    fprintf(to, "none\n\n");
    return;
  }
  while (columns > 0 && fall[columns - 1] <= 0) columns--; // no blanks at the end of a line
  for (int c = 0; c < columns; c++) hd_spark_block(to, fall[c] > 0 ? 1 + (int)(fall[c] / deepest * 7 + 0.5) : 0, utf8);
  fprintf(to, "\n%*s%s, %s %s", LABEL, "", number_text(t[0], b->figures.max_drawdown, HD_REPORT_PERCENT), money_text(t[1], -b->money.drawdown), r->currency);
  fprintf(to, "\n%*sfrom %s to %s, ", LABEL, "", time_text(r, t[0], b->peak_ns), time_text(r, t[1], b->trough_ns));
  if (b->recovery_ns) fprintf(to, "recovered %s\n\n", time_text(r, t[2], b->recovery_ns));
  else fprintf(to, "not recovered\n\n");
}

// ---- blocks ----------------------------------------------------------------------------------------------------------------------

static void print_head(const struct hd_report *r, FILE *to) {
  char t[5][TEXT_SIZE];
  const char *path = r->path;
  size_t length = strlen(path), room = COLUMNS - 12;
  fprintf(to, "Backtest of %s%s\n", length > room ? "..." : "", length > room ? path + length - (room - 3) : path);
  if (r->to_ns > r->from_ns) {
    hd_duration_format(t[2], TEXT_SIZE, r->to_ns - r->from_ns);
    fprintf(to, "  %s to %s (%s)\n", time_text(r, t[0], r->from_ns + 1), time_text(r, t[1], r->to_ns), t[2]);
  }
  hd_duration_format(t[3], TEXT_SIZE, r->elapsed_ns);
  hd_rate_format(t[4], TEXT_SIZE, hd_report_ticks_per_second(r));
  fprintf(to, "  %s ticks in %s (%s ticks/s)\n\n", count_text(t[0], r->counts.ticks), t[3], t[4]);
}

static void print_figures(const struct hd_report *r, FILE *to) {
  char t[TEXT_SIZE];
  uint32_t shown = 0;
  for (uint32_t i = 0; i < hd_report_row_count; i++) {
    const struct hd_report_row *row = &hd_report_rows[i];
    if (!row->label) continue;
    fprintf(to, shown % 2 ? "    %-14s %19s\n" : "  %-14s %19s", row->label, row_text(t, &r->books[0], row));
    shown++;
  }
  fputs(shown % 2 ? "\n\n" : "\n", to);
  if (*r->why) fprintf(to, "  \"-\": %s\n\n", r->why);
}

// A count with its words, if there is any.
static void list_some(struct list *l, uint64_t count, const char *words) {
  char t[TEXT_SIZE];
  if (count) list_add(l, "%s%s%s", count_text(t, count), *words ? " " : "", words);
}

static void list_count(struct list *l, uint64_t count, const char *words) {
  if (count) list_some(l, count, words);
  else list_add(l, "0%s%s", *words ? " " : "", words);
}

static void list_reasons(struct list *l, const uint64_t *counts, uint32_t count, const char *(*name)(uint32_t)) {
  char t[TEXT_SIZE];
  for (uint32_t i = 0; i < count; i++)
    if (counts[i]) list_add(l, "%s %s", i ? name(i) : "OTHER", count_text(t, counts[i]));
}

static void print_orders(const struct hd_report *r, FILE *to) {
  const struct hd_report_counts *c = &r->counts;
  struct list l = list_begin(to, "Orders");
  list_count(&l, c->orders, "sent");
  list_count(&l, c->executions, "executions");
  list_count(&l, c->filled, "filled");
  list_some(&l, c->canceled, "canceled");
  list_some(&l, c->expired, "expired");
  list_some(&l, c->rejected_orders, "rejected by the venue");
  list_some(&l, c->replaces, "replaced");
  list_some(&l, c->open_orders, "still open");
  list_end(&l);
  l = list_begin(to, "Denied");
  list_count(&l, c->denied_orders, "");
  list_reasons(&l, r->denied, HADRON_RISK_REASON_COUNT, hd_risk_reason_name);
  list_end(&l);
}

static void print_trading(const struct hd_report *r, FILE *to) {
  const struct hd_report_counts *c = &r->counts;
  const struct hd_report_book *b = &r->books[0];
  struct list l = list_begin(to, "Trades");
  list_count(&l, b->trades, "closed");
  list_count(&l, b->wins, "won");
  list_count(&l, b->losses, "lost");
  list_end(&l);
  print_orders(r, to);
  l = list_begin(to, "Decisions");
  list_count(&l, c->decisions, "");
  list_count(&l, c->intents, "intents");
  list_end(&l);
  l = list_begin(to, "Ticks");
  list_count(&l, c->ticks - c->rejected_ticks, "accepted");
  list_count(&l, c->rejected_ticks, "rejected");
  list_reasons(&l, r->rejected, HADRON_TICK_REASON_COUNT, hd_tick_reason_name);
  list_some(&l, c->conflated_ticks, "conflated");
  list_some(&l, c->dropped_ticks, "dropped");
  list_end(&l);
  if (c->alerts) {
    l = list_begin(to, "Alerts");
    list_count(&l, c->alerts, "");
    list_end(&l);
  }
  fputs("\n", to);
}

static void print_strategies(const struct hd_report *r, FILE *to) {
  char t[6][TEXT_SIZE];
  bool shadow = false;
  if (r->book_count < 2) return;
  fprintf(to, "  %-15s %9s %14s %11s %8s %8s %7s\n", "Strategy", "Return", "P&L", "Fees", "Trades", "Won", "Sharpe");
  for (uint32_t arm = 1; arm < r->book_count; arm++) {
    const struct hd_report_book *b = &r->books[arm];
    if (!b->role) continue;
    bool aside = b->role == HD_ROLE_SHADOW;
    char name[17];
    snprintf(name, sizeof name, aside ? "%.13s *" : "%.15s", b->name);
    shadow |= aside;
    fprintf(to, "  %-15s %9s %14s %11s %8s %8s %7s\n", name, number_text(t[0], b->figures.total_return, HD_REPORT_PERCENT),
            money_within(t[1], b->money.pnl, 14), money_within(t[2], b->money.fees, 11), count_within(t[3], b->trades, 8),
            number_text(t[4], b->figures.win_rate, HD_REPORT_PERCENT), number_text(t[5], b->figures.sharpe, HD_REPORT_RATIO));
    if (b->errors) fprintf(to, "    %s errors, %llu instances fenced\n", count_text(t[0], b->errors), (unsigned long long)b->fenced);
  }
  if (shadow) fprintf(to, "  * shadow: trades in a simulated market, no part of the sum\n");
  fputs("\n", to);
}

static void print_latencies(const struct hd_report *r, FILE *to) {
  bool any = false;
  for (int i = 0; i < HD_STAGE_COUNT; i++) {
    const struct hd_report_latency *l = &r->latency[i];
    char t[4][TEXT_SIZE], stage[TEXT_SIZE];
    if (!l->count) continue;
    if (!any) fprintf(to, "  %-15s %14s %14s %14s %14s\n", "Stage", "p50", "p99", "p99.9", "max");
    any = true;
    const uint64_t ns[] = {l->p50_ns, l->p99_ns, l->p999_ns, l->max_ns};
    for (int k = 0; k < 4; k++) hd_duration_format(t[k], TEXT_SIZE, (int64_t)ns[k]);
    hd_text_copy(stage, sizeof stage, l->stage);
    for (char *c = stage; *c; c++) *c = *c == '_' ? ' ' : *c;
    stage[0] = (char)toupper((unsigned char)stage[0]);
    fprintf(to, "  %-15s %14s %14s %14s %14s\n", stage, t[0], t[1], t[2], t[3]);
  }
  if (any) fputs("\n", to);
}

void hd_report_print(const struct hd_report *r, FILE *to) {
  if (r->book_count == 0) return;
  print_head(r, to);
  print_curve(r, to);
  print_figures(r, to);
  print_trading(r, to);
  print_strategies(r, to);
  print_latencies(r, to);
  if (*r->digest) fprintf(to, "  Digest  %s\n", r->digest);
}
