// The report as one JSON object. Money is given twice: as a number in whole units, and exactly, as an integer of micros.
#include <jansson.h>
#include <math.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/report.h"

#define DIGITS 15 // of numbers: every double of a report survives to 1e-14; 0.1 stays 0.1

static void add_number(json_t *o, const char *key, double v) {
  json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

static void add_count(json_t *o, const char *key, uint64_t v) { json_object_set_new(o, key, json_integer((json_int_t)v)); }

static void add_money(json_t *o, const char *key, int64_t micros) {
  char exact[64];
  snprintf(exact, sizeof exact, "%s_micros", key);
  json_object_set_new(o, key, json_real((double)micros / (double)HADRON_MONEY_SCALE));
  json_object_set_new(o, exact, json_integer(micros));
}

// ns 0: no such time.
static void add_time(json_t *o, const char *key, int64_t ns) {
  char text[40], exact[64];
  snprintf(exact, sizeof exact, "%s_ns", key);
  if (ns) hd_time_format(text, sizeof text, ns, 9);
  json_object_set_new(o, key, ns ? json_string(text) : json_null());
  json_object_set_new(o, exact, ns ? json_integer(ns) : json_null());
}

static void add_reasons(json_t *o, const char *key, const uint64_t *counts, uint32_t count, const char *(*name)(uint32_t)) {
  json_t *reasons = json_object();
  for (uint32_t i = 0; i < count; i++)
    if (counts[i]) add_count(reasons, i ? name(i) : "OTHER", counts[i]);
  json_object_set_new(o, key, reasons);
}

static void add_book(json_t *o, const struct hd_report_book *b) {
  for (uint32_t i = 0; i < hd_report_row_count; i++) {
    const struct hd_report_row *row = &hd_report_rows[i];
    const void *at = (const char *)b + row->offset;
    if (row->unit == HD_REPORT_MONEY) add_money(o, row->key, *(const int64_t *)at);
    else add_number(o, row->key, *(const double *)at);
  }
  add_count(o, "trades", b->trades);
  add_count(o, "wins", b->wins);
  add_count(o, "losing_trades", b->losses);
  add_time(o, "drawdown_peak", b->fell ? b->peak_ns : 0);
  add_time(o, "drawdown_trough", b->fell ? b->trough_ns : 0);
  add_time(o, "drawdown_recovery", b->fell ? b->recovery_ns : 0);
}

static json_t *strategies(const struct hd_report *r) {
  static const char *const roles[] = {"", "live", "canary", "shadow"};
  json_t *list = json_array();
  for (uint32_t arm = 1; arm < r->book_count; arm++) {
    const struct hd_report_book *b = &r->books[arm];
    if (!b->role) continue;
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(b->name));
    add_count(o, "arm", arm);
    json_object_set_new(o, "role", json_string(roles[b->role & 3]));
    add_book(o, b);
    add_count(o, "allocations", b->allocations);
    add_count(o, "errors", b->errors);
    add_count(o, "fenced", b->fenced);
    json_array_append_new(list, o);
  }
  return list;
}

static json_t *latencies(const struct hd_report *r) {
  json_t *all = json_object();
  for (int i = 0; i < HD_STAGE_COUNT; i++) {
    const struct hd_report_latency *l = &r->latency[i];
    json_t *o = json_object();
    add_count(o, "count", l->count);
    add_count(o, "p50_ns", l->p50_ns);
    add_count(o, "p99_ns", l->p99_ns);
    add_count(o, "p999_ns", l->p999_ns);
    add_count(o, "max_ns", l->max_ns);
    json_object_set_new(all, l->stage ? l->stage : hd_stage_names[i], o);
  }
  return all;
}

static json_t *report_object(const struct hd_report *r) {
  json_t *o = json_object();
  char journal[2 * sizeof r->journal + 1];
  hd_hex_format(journal, r->journal, sizeof r->journal);
  json_object_set_new(o, "config", json_string(r->path));
  json_object_set_new(o, "currency", json_string(r->currency));
  add_time(o, "from", r->from_ns);
  add_time(o, "to", r->to_ns);
  for (uint32_t i = 0; i < hd_report_count_row_count; i++)
    add_count(o, hd_report_count_rows[i].key, *(const uint64_t *)(const void *)((const char *)&r->counts + hd_report_count_rows[i].offset));
  if (r->book_count) add_book(o, &r->books[0]);
  add_number(o, "periods_per_year", r->periods);
  json_object_set_new(o, "ratios_missing", *r->why ? json_string(r->why) : json_null());
  add_number(o, "elapsed_s", (double)r->elapsed_ns / 1e9);
  add_number(o, "ticks_per_s", hd_report_ticks_per_second(r));
  json_object_set_new(o, "digest", *r->digest ? json_string(r->digest) : json_null());
  json_object_set_new(o, "journal", r->has_journal ? json_string(journal) : json_null());
  add_reasons(o, "rejected_by_reason", r->rejected, HADRON_TICK_REASON_COUNT, hd_tick_reason_name);
  add_reasons(o, "denied_by_reason", r->denied, HADRON_RISK_REASON_COUNT, hd_risk_reason_name);
  json_object_set_new(o, "strategies", strategies(r));
  json_object_set_new(o, "latencies", latencies(r));
  return o;
}

char *hd_report_json(const struct hd_report *r) {
  json_t *o = report_object(r);
  char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
  json_decref(o);
  return text;
}

void hd_report_print_json(const struct hd_report *r, FILE *to) {
  json_t *o = report_object(r);
  json_dumpf(o, to, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS));
  json_decref(o);
  fputc('\n', to);
}
