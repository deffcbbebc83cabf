#include "cli/results.h"

#include <sys/stat.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "registry/database.h"
#include "registry/migration.h"

#define VALUES 30 // of hd_sql_backtest_results_insert

// "configs/backtest_sp500.lua" -> "backtest_sp500"
static void run_name(const char *path, char name[HADRON_NAME_SIZE]) {
  const char *slash = strrchr(path, '/');
  hd_text_copy(name, HADRON_NAME_SIZE, slash ? slash + 1 : path);
  char *dot = strrchr(name, '.');
  if (dot && dot != name) *dot = 0;
}

static struct hd_sql_value integer(int64_t v) { return (struct hd_sql_value){HD_SQL_KIND_INTEGER, {.integer = v}}; }
static struct hd_sql_value count(uint64_t v) { return integer((int64_t)v); }
static struct hd_sql_value real(double v) { return (struct hd_sql_value){HD_SQL_KIND_REAL, {.real = v}}; }
static struct hd_sql_value text(const char *v) { return (struct hd_sql_value){HD_SQL_KIND_TEXT, {.text = v}}; }

static int32_t row_insert(struct hd_database *d, const struct hd_report *r, const char *name, const char *config, const char *json,
                          struct hd_fault *fault) {
  const struct hd_report_counts *c = &r->counts;
  const struct hd_report_book *b = &r->books[0];
  const struct hd_report_figures *f = &b->figures;
  const struct hd_sql_value journal = {r->has_journal ? HD_SQL_KIND_UUID : HD_SQL_KIND_NULL, {.uuid = r->journal}};
  const struct hd_sql_value values[VALUES] = {
      integer(hd_clock_wall_ns()), text(name), text(config), text(r->digest), journal, integer(r->from_ns), integer(r->to_ns),
      count(c->ticks), count(c->rejected_ticks), count(c->decisions), count(c->intents), count(c->orders), count(c->executions), count(b->trades),
      integer(b->money.pnl), integer(b->money.fees), integer(b->money.drawdown), real(f->total_return), real(f->sharpe), real(f->sortino),
      real(f->calmar), real(f->cvar), real(f->volatility), real(f->turnover), real(f->win_rate), real(f->profit_factor), real(f->exposure),
      real((double)r->elapsed_ns / 1e9), real(hd_report_ticks_per_second(r)), text(json)};
  return hd_database_run(d, hd_sql_backtest_results_insert, values, VALUES, fault);
}

int32_t hd_results_write(const struct hd_report *r, const struct hd_config *config, const char *url, struct hd_fault *fault) {
  char name[HADRON_NAME_SIZE], usual[sizeof config->data_dir + 32];
  size_t size = hd_config_print(config, NULL, 0) + 1;
  char *effective = malloc(size), *json = hd_report_json(r);
  struct hd_database *d = NULL;
  int32_t code = HADRON_OK;
  if (!url || !*url) {
    mkdir(config->data_dir, 0777); // where it is there already, or cannot be made, opening the file tells
    snprintf(usual, sizeof usual, "sqlite:%s/hadron.sqlite", config->data_dir);
    url = usual;
  }
  if (!effective || !json || r->book_count == 0) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "out of memory");
  if (!code) hd_config_print(config, effective, size);
  if (!code) code = hd_database_open(url, &d, fault);
  run_name(r->path, name);
  if (!code) code = row_insert(d, r, name, effective, json, fault);
  hd_database_close(d);
  free(effective);
  free(json);
  if (code) hd_fault_prefix(fault, "writing backtest_results: ");
  return code;
}
