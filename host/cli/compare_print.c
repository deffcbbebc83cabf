#include "cli/compare_print.h"

#include <ctype.h>
#include <math.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/spark.h"
#include "cli/table.h"
#include "pipeline/portfolio.h"

#define LABEL 14
#define SPARK 60
#define COLUMNS_FILE 200 // where there is no terminal

static const char *const roles[] = {"left", "live", "canary", "shadow"};

const char *hd_compare_arms_name(const void *user, uint32_t instrument) {
  const struct hd_compare_arms *c = user;
  return instrument < c->instrument_count && c->instruments[instrument][0] ? c->instruments[instrument] : "?";
}

// ---- decisions ---------------------------------------------------------------------------------------------------------------------

void hd_compare_print_agreement(const struct hd_compare *c, FILE *to) {
  char count[40];
  uint64_t pairs = hd_compare_pairs(c);
  hd_count_format(count, sizeof count, pairs);
  fprintf(to, "  %-*s", LABEL - 2, "Decisions");
  if (pairs == 0) {
    fprintf(to, "none of either\n");
    return;
  }
  fprintf(to, "%s: %.4g %% the same\n", count, 100 * hd_compare_agreement(c));
  for (int k = HD_COMPARE_SIDE; k < HD_COMPARE_KINDS; k++) {
    if (c->kinds[k] == 0) continue;
    hd_count_format(count, sizeof count, c->kinds[k]);
    fprintf(to, "%*s%s %s\n", LABEL, "", count, hd_compare_texts[k]);
  }
  if (c->late) fprintf(to, "%*s%llu came too late to be matched for certain\n", LABEL, "", (unsigned long long)c->late);
}

// "buy 100 @ 12.50", "target -20", "work 3 sell 5 @ 9.10".
static void decision_text(char *to, size_t size, const struct hadron_decision *d) {
  char quantity[40], limit[40] = "", text[128];
  hd_decimal_format(quantity, sizeof quantity, d->quantity.e8, HADRON_QUANTITY_SCALE, 0);
  if (d->limit.nanos) {
    limit[0] = '@';
    hd_decimal_format(limit + 1, sizeof limit - 1, d->limit.nanos, HADRON_PRICE_SCALE, 2);
  }
  const char *side = d->side == HADRON_SIDE_BUY ? "buy " : d->side == HADRON_SIDE_SELL ? "sell " : "";
  if (d->kind == HADRON_DECISION_TARGET) snprintf(text, sizeof text, "target %s %s", quantity, limit);
  else if (d->kind == HADRON_DECISION_WORK) snprintf(text, sizeof text, "slot %u %s%s %s", d->slot, side, quantity, limit);
  else snprintf(text, sizeof text, "%s%s %s", side, quantity, limit);
  for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--) text[n - 1] = 0;
  hd_text_copy(to, size, text);
}

void hd_compare_print_differences(const struct hd_compare *c, hd_compare_name *name, const void *user, uint32_t rows, FILE *to) {
  static const struct hd_table_column columns[] = {{"  Time", false}, {"Instrument", false}, {"Tick", true}, {"In", false}, {"First", false}, {"Second", false}};
  struct hd_table t;
  if (c->kept == 0 || rows == 0) return;
  hd_table_init(&t, columns, sizeof columns / sizeof *columns);
  for (uint32_t i = 0; i < c->kept && i < rows; i++) {
    const struct hd_compare_difference *d = &c->differences[i];
    const struct hadron_decision *one = d->kind == HD_COMPARE_ONLY_B ? &d->b : &d->a;
    char when[40], a[HD_TABLE_CELL] = "-", b[HD_TABLE_CELL] = "-";
    hd_time_format(when, sizeof when, one->time_ns, 3);
    when[10] = ' ';
    when[23] = 0;
    if (d->kind != HD_COMPARE_ONLY_B) decision_text(a, sizeof a, &d->a);
    if (d->kind != HD_COMPARE_ONLY_A) decision_text(b, sizeof b, &d->b);
    hd_table_row(&t);
    hd_table_cell(&t, "  %s", when + 5);
    hd_table_cell(&t, "%s", name(user, one->instrument));
    hd_table_cell(&t, "%llu", (unsigned long long)one->cause);
    hd_table_cell(&t, "%s", hd_compare_keys[d->kind]);
    hd_table_cell(&t, "%s", a);
    hd_table_cell(&t, "%s", b);
  }
  hd_table_print(&t, to, 200, rows, false, "\n");
  uint64_t all = hd_compare_differing(c);
  if (all > t.row_count) fprintf(to, "  and %llu more\n", (unsigned long long)(all - t.row_count));
  hd_table_fini(&t);
}

// ---- versions ----------------------------------------------------------------------------------------------------------------------

static void cell_money(struct hd_table *t, int64_t micros) {
  char text[HD_TABLE_CELL];
  hd_number_format(text, sizeof text, (double)micros / (double)HADRON_MONEY_SCALE, 2, 2);
  hd_table_cell(t, "%s", text);
}

static void cell_number(struct hd_table *t, double v, double scale, const char *unit) {
  if (isnan(v)) hd_table_cell(t, "-");
  else if (!isfinite(v)) hd_table_cell(t, v > 0 ? "infinite" : "-infinite");
  else hd_table_cell(t, "%.*f%s", fabs(v * scale) < 0.1 ? 4 : 2, v * scale, unit);
}

static void cell_duration(struct hd_table *t, int64_t ns) {
  char text[HD_TABLE_CELL];
  hd_duration_format(text, sizeof text, ns);
  hd_table_cell(t, "%s", text);
}

static void print_versions(const struct hd_compare_arms *c, const struct hd_compare_live *live, FILE *to) {
  static const struct hd_table_column results[] = {{"  Version", false}, {"Role", false}, {"Weight", true}, {"P&L", true}, {"Return", true}, {"Sharpe", true},
                                                   {"Drawdown", true}, {"Won", true}, {"Turnover", true}};
  static const struct hd_table_column doings[] = {{"  Version", false}, {"Periods", true}, {"Decisions", true}, {"Trades", true}, {"Fees", true},
                                                  {"p50", true}, {"p99", true}, {"Errors", true}};
  struct hd_table r, d;
  hd_table_init(&r, results, sizeof results / sizeof *results);
  hd_table_init(&d, doings, sizeof doings / sizeof *doings);
  for (uint32_t i = 0; i < c->version_count; i++) {
    const struct hd_compare_version *v = &c->versions[i];
    if (v->idle) continue;
    hd_table_row(&r);
    hd_table_cell(&r, "  %s", v->label);
    hd_table_cell(&r, "%s", roles[v->role & 3]);
    hd_table_cell(&r, "%g", v->weight);
    if (v->period_count) cell_money(&r, v->pnl);
    else hd_table_cell(&r, "-");
    cell_number(&r, v->capital > 0 ? (double)v->pnl / (double)v->capital : NAN, 100, " %");
    cell_number(&r, v->sharpe, 1, "");
    cell_number(&r, v->drawdown, 100, " %");
    cell_number(&r, v->hit_rate, 100, " %");
    cell_number(&r, v->turnover, 1, "");
    hd_table_row(&d);
    hd_table_cell(&d, "  %s", v->label);
    hd_table_cell(&d, "%zu", v->period_count);
    hd_table_cell(&d, "%llu", (unsigned long long)v->decisions);
    hd_table_cell(&d, "%llu", (unsigned long long)(v->wins + v->losses));
    cell_money(&d, v->fees);
    bool known = live && live[i].known;
    if (known) cell_duration(&d, live[i].p50_ns), cell_duration(&d, live[i].p99_ns), hd_table_cell(&d, "%llu", (unsigned long long)live[i].errors);
    else hd_table_cell(&d, "-"), hd_table_cell(&d, "-"), hd_table_cell(&d, "-");
  }
  uint32_t columns = isatty(fileno(to)) ? hd_cli_columns(fileno(to)) : COLUMNS_FILE;
  hd_table_print(&r, to, columns, UINT32_MAX, false, "\n");
  fputc('\n', to);
  hd_table_print(&d, to, columns, UINT32_MAX, false, "\n");
  hd_table_fini(&r);
  hd_table_fini(&d);
}

// ---- one challenger ----------------------------------------------------------------------------------------------------------------

static void print_curve(const struct hd_compare_pair *p, FILE *to) {
  double *level = calloc(p->count + 1, sizeof *level);
  if (!level || p->count < 2) {
    free(level);
    return;
  }
  for (size_t i = 0; i < p->count; i++) level[i + 1] = level[i] + p->differences[i];
  fprintf(to, "  %-*s", LABEL - 2, "Lead");
  hd_spark_print(to, level, p->count + 1, SPARK);
  fprintf(to, "  %+.4f %%\n", 100 * level[p->count]);
  free(level);
}

static void print_tests(const struct hd_compare_pair *p, const char *currency, double alpha, FILE *to) {
  char money[48];
  if (p->count == 0) {
    fprintf(to, "  %-*sno period has ended yet that both have\n", LABEL - 2, "P&L");
    return;
  }
  hd_number_format(money, sizeof money, (double)p->pnl / (double)HADRON_MONEY_SCALE, 2, 2);
  fprintf(to, "  %-*s%s%s%s more in the %zu periods that both have\n", LABEL - 2, "P&L", money, *currency ? " " : "", currency, p->count);
  fprintf(to, "  %-*s%+.5f %% of the capital", LABEL - 2, "Per period", 100 * p->paired.mean);
  if (isnan(p->paired.p)) fprintf(to, "; %zu periods are too few for an interval\n", p->count);
  else fprintf(to, ", %.4g %% interval %+.5f %% to %+.5f %%, p %.3g\n%*s(block bootstrap: blocks of %u, %u resamples)\n", 100 * (1 - alpha), 100 * p->paired.low,
               100 * p->paired.high, p->paired.p, LABEL, "", p->paired.block, p->paired.resamples);
  const struct hd_sequential *s = &p->sequential;
  if (s->blocks == 0) return;
  fprintf(to, "  %-*sbetter p %.3g, worse p %.3g, proof at %.3g\n", LABEL - 2, "Any time", s->p_better, s->p_worse, alpha);
  fprintf(to, "%*s(%zu periods set the scale, then %u blocks, now of %u)\n", LABEL, "", s->warm, s->blocks, s->block);
}

static void print_pair(const struct hd_compare_arms *c, uint32_t i, const char *currency, double alpha, uint32_t rows, FILE *to) {
  const struct hd_compare_pair *p = &c->pairs[i];
  fprintf(to, "\n%s (%s) against %s (%s)\n", c->versions[i].label, roles[c->versions[i].role & 3], c->versions[c->baseline].label,
          roles[c->versions[c->baseline].role & 3]);
  hd_compare_print_agreement(&p->decisions, to);
  print_curve(p, to);
  print_tests(p, currency, alpha, to);
  char what[16];
  snprintf(what, sizeof what, "%s", hd_recommendation_names[p->advice.what]);
  for (char *at = what; *at; at++) *at = (char)toupper((unsigned char)*at);
  fprintf(to, "  %-*s%s\n", LABEL - 2, what, p->advice.why);
  if (rows && p->decisions.kept) fprintf(to, "\n  The first differences: %s first, %s second\n", c->versions[c->baseline].label, c->versions[i].label);
  hd_compare_print_differences(&p->decisions, hd_compare_arms_name, c, rows, to);
}

void hd_compare_print_arms(const struct hd_compare_arms *c, const char *currency, const struct hd_compare_live *live, double alpha, uint32_t rows, FILE *to) {
  uint32_t pairs = 0;
  print_versions(c, live, to);
  if (c->mixed) fprintf(to, "\n  %llu periods in which a seat changed hands count for nobody\n", (unsigned long long)c->mixed);
  for (uint32_t i = 0; i < c->version_count; i++) pairs += hd_compare_arms_paired(c, i);
  for (uint32_t i = 0; i < c->version_count; i++)
    if (hd_compare_arms_paired(c, i)) print_pair(c, i, currency, alpha / pairs, rows, to);
  if (pairs == 0) fprintf(to, "\n  There is one version only: nothing to compare.\n");
}

// ---- JSON --------------------------------------------------------------------------------------------------------------------------

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }
static json_t *count_json(uint64_t n) { return json_integer((json_int_t)n); }
static json_t *money_json(int64_t micros) { return json_real((double)micros / (double)HADRON_MONEY_SCALE); }

static json_t *decision_json(const struct hadron_decision *d) {
  char quantity[40], limit[40], stop[40];
  hd_decimal_format(quantity, sizeof quantity, d->quantity.e8, HADRON_QUANTITY_SCALE, 0);
  hd_decimal_format(limit, sizeof limit, d->limit.nanos, HADRON_PRICE_SCALE, 0);
  hd_decimal_format(stop, sizeof stop, d->stop.nanos, HADRON_PRICE_SCALE, 0);
  static const char *const kinds[] = {"", "side", "target", "work"};
  return json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:i,s:f,s:f,s:f}", "id", (json_int_t)d->id, "kind", d->kind < 4 ? kinds[d->kind] : "", "side",
                   d->side == HADRON_SIDE_BUY ? "buy" : d->side == HADRON_SIDE_SELL ? "sell" : "", "quantity", quantity, "limit", limit, "stop", stop, "slot",
                   d->slot, "mean_return", d->mean_return, "uncertainty", d->uncertainty, "confidence", d->confidence);
}

json_t *hd_compare_json(const struct hd_compare *c, hd_compare_name *name, const void *user) {
  json_t *kinds = json_object(), *rows = json_array();
  for (int k = 0; k < HD_COMPARE_KINDS; k++) json_object_set_new(kinds, hd_compare_keys[k], count_json(c->kinds[k]));
  for (uint32_t i = 0; i < c->kept; i++) {
    const struct hd_compare_difference *d = &c->differences[i];
    const struct hadron_decision *one = d->kind == HD_COMPARE_ONLY_B ? &d->b : &d->a;
    json_array_append_new(rows, json_pack("{s:s,s:I,s:I,s:s,s:I,s:o,s:o}", "kind", hd_compare_keys[d->kind], "session", (json_int_t)d->session, "cause",
                                          (json_int_t)one->cause, "instrument", name(user, one->instrument), "time_ns", (json_int_t)one->time_ns, "a",
                                          d->kind == HD_COMPARE_ONLY_B ? json_null() : decision_json(&d->a), "b",
                                          d->kind == HD_COMPARE_ONLY_A ? json_null() : decision_json(&d->b)));
  }
  return json_pack("{s:I,s:I,s:I,s:I,s:f,s:I,s:o,s:o}", "a", (json_int_t)c->decisions[0], "b", (json_int_t)c->decisions[1], "pairs",
                   (json_int_t)hd_compare_pairs(c), "differing", (json_int_t)hd_compare_differing(c), "agreement", hd_compare_agreement(c), "late",
                   (json_int_t)c->late, "kinds", kinds, "differences", rows);
}

json_t *hd_compare_paired_json(const struct hd_paired *p, const struct hd_sequential *s) {
  json_t *bootstrap = json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:I,s:I}", "periods", (json_int_t)p->count, "mean", number(p->mean), "error", number(p->error), "low",
                                number(p->low), "high", number(p->high), "p", number(p->p), "block", (json_int_t)p->block, "resamples",
                                (json_int_t)p->resamples);
  json_t *sequential = json_pack("{s:I,s:I,s:I,s:o,s:o,s:f,s:f,s:I,s:I}", "warm", (json_int_t)s->warm, "block", (json_int_t)s->block, "blocks",
                                 (json_int_t)s->blocks, "e_better", number(s->better_max), "e_worse", number(s->worse_max), "p_better", s->p_better, "p_worse",
                                 s->p_worse, "better_at", (json_int_t)s->better_at, "worse_at", (json_int_t)s->worse_at);
  return json_pack("{s:o,s:o}", "bootstrap", bootstrap, "sequential", sequential);
}

static json_t *version_json(const struct hd_compare_version *v, const struct hd_compare_live *live) {
  char digest[65];
  hd_hex_format(digest, v->digest, sizeof v->digest);
  json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:f}", "label", v->label, "name", v->name, "version", v->version, "digest", digest, "role",
                        roles[v->role & 3], "seat", (json_int_t)v->seat, "revision", (json_int_t)v->revision, "weight", v->weight);
  json_object_update_new(o, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I}", "pnl", money_json(v->pnl), "capital", money_json(v->capital), "fees",
                                      money_json(v->fees), "traded", money_json(v->traded), "return",
                                      number(v->capital > 0 ? (double)v->pnl / (double)v->capital : NAN), "sharpe", number(v->sharpe), "drawdown",
                                      number(v->drawdown), "hit_rate", number(v->hit_rate), "turnover", number(v->turnover), "periods",
                                      (json_int_t)v->period_count, "decisions", (json_int_t)v->decisions, "allocations", (json_int_t)v->allocations, "wins",
                                      (json_int_t)v->wins, "losses", (json_int_t)v->losses));
  json_object_set_new(o, "errors", live && live->known ? count_json(live->errors) : json_null());
  json_object_set_new(o, "latency_p50_ns", live && live->known ? json_integer(live->p50_ns) : json_null());
  json_object_set_new(o, "latency_p99_ns", live && live->known ? json_integer(live->p99_ns) : json_null());
  return o;
}

json_t *hd_compare_arms_json(const struct hd_compare_arms *c, const struct hd_compare_live *live) {
  json_t *versions = json_array(), *pairs = json_array();
  for (uint32_t i = 0; i < c->version_count; i++)
    if (!c->versions[i].idle) json_array_append_new(versions, version_json(&c->versions[i], live ? &live[i] : NULL));
  for (uint32_t i = 0; i < c->version_count; i++) {
    const struct hd_compare_pair *p = &c->pairs[i];
    if (!hd_compare_arms_paired(c, i)) continue;
    json_t *row = json_pack("{s:s,s:s,s:o,s:o}", "version", c->versions[i].label, "baseline", c->versions[c->baseline].label, "decisions",
                            hd_compare_json(&p->decisions, hd_compare_arms_name, c), "pnl", money_json(p->pnl));
    json_object_update_new(row, hd_compare_paired_json(&p->paired, &p->sequential));
    json_object_set_new(row, "recommendation", json_string(hd_recommendation_names[p->advice.what]));
    json_object_set_new(row, "why", json_string(p->advice.why));
    json_array_append_new(pairs, row);
  }
  return json_pack("{s:I,s:I,s:I,s:I,s:o,s:I,s:I,s:o,s:o}", "sessions", (json_int_t)c->sessions, "swaps", (json_int_t)c->swaps, "periods", (json_int_t)c->period_count,
                   "mixed", (json_int_t)c->mixed, "periods_per_year", number(c->periods_per_year), "from_ns", (json_int_t)c->first_ns, "to_ns",
                   (json_int_t)c->last_ns, "versions", versions, "comparisons", pairs);
}
