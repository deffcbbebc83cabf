// The venue `replay`: recordings as ticks. It reads the files it is told, merges them by receive time and hands the host batches;
// what the host does not take comes again. See source.h, reader.h and merge.h for the way a byte goes, format_*.c for the formats.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adjust.h"
#include "book.h"
#include "convert.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"
#include "hadron/ext/params.h"
#include "inspect.h"
#include "merge.h"
#include "options.h"

#define BAD_TOLD 20u       // bad rows that the log names; the rest is counted
#define PROGRESS_EVERY 64u // batches
#define FILES_SIZE 65536u

struct replay_params {
  char files[FILES_SIZE];
  char format[32], symbol[HADRON_SYMBOL_SIZE], columns[2048], lean[96];
  char from[40], to[40], timezone[40];
  char quotes[16], adjust[16], factor_files[SOURCE_PATH_MAX], map_files[SOURCE_PATH_MAX];
  int64_t period_ns;
  struct hadron_quantity size;
  int64_t verify;
  int64_t session, until;
};

struct replay {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  const struct hadron_log *log;         // may be NULL
  struct replay_params params;
  struct reader_setup setup;
  struct symbols symbols;
  struct files files;
  struct merge merge;
  struct books books;
  enum quotes_mode quotes;
  enum adjust_mode adjust;
  int64_t adjust_ns;                    // the next corporate action of any listing
  bool open, finished;
  uint64_t batches, given, bad_told, adjusted;
  int64_t *ticks_cell, *bad_cell, *gaps_cell, *quotes_cell, *crossed_cell, *unknown_cell; // metrics, or &unseen
  int64_t unseen;
  struct fault fault;
};

static const struct hadron_metric metric_ticks = {"replay_ticks", "Ticks given to the host", "ticks", HADRON_METRIC_COUNTER, 0};
static const struct hadron_metric metric_bad = {"replay_bad_rows", "Rows that could not be read", "rows", HADRON_METRIC_COUNTER, 0};
static const struct hadron_metric metric_gaps = {"replay_gaps", "Gaps in the recorded sequences", "gaps", HADRON_METRIC_COUNTER, 0};
static const struct hadron_metric metric_quotes = {"replay_derived_quotes", "Quotes derived from book changes", "quotes", HADRON_METRIC_COUNTER, 0};
static const struct hadron_metric metric_crossed = {"replay_crossed_books", "Messages that left a followed book locked or crossed", "messages",
                                                    HADRON_METRIC_COUNTER, 0};
static const struct hadron_metric metric_unknown = {"replay_unknown_orders", "Changes of orders that a followed book does not have", "changes",
                                                    HADRON_METRIC_COUNTER, 0};

static void replay_log(const struct replay *p, uint32_t level, const char *id, const char *text) {
  if (p->log) p->log->write(p->host->instance, level, id, text);
}

static void replay_bad(void *user, const char *path, uint64_t row, const char *text) {
  struct replay *p = user;
  (*p->bad_cell)++;
  if (p->bad_told == BAD_TOLD) replay_log(p, HADRON_LOG_WARN, "REPLAY_BAD_ROWS", "more bad rows follow; they are counted, not told");
  if (p->bad_told++ >= BAD_TOLD) return;
  char line[480];
  const char *base = strlen(path) > 300 ? path + strlen(path) - 300 : path;
  snprintf(line, sizeof line, "%s line %llu: %s; the row is left out", base, (unsigned long long)row, text);
  replay_log(p, HADRON_LOG_WARN, "REPLAY_BAD_ROW", line);
}

static int32_t replay_resolve(void *user, const struct hadron_listing *listing, uint32_t *handle) {
  struct replay *p = user;
  return p->venue->resolve(p->host->instance, listing, handle);
}

static int64_t *replay_metric(struct replay *p, const struct hadron_metric *metric) {
  const struct hadron_metrics *metrics = p->host->capability(p->host->instance, HADRON_CAP_METRICS);
  int64_t *cell;
  return metrics && metrics->open(p->host->instance, metric, &cell) == HADRON_OK ? cell : &p->unseen;
}

static int32_t replay_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  const struct hadron_venue_host *venue = host->capability(host->instance, "hadron.venue/1");
  if (!venue) return HADRON_ERR_CAPABILITY;
  struct replay *p = calloc(1, sizeof *p);
  if (!p) return HADRON_ERR_MEMORY;
  p->host = host;
  p->venue = venue;
  p->log = host->capability(host->instance, HADRON_CAP_LOG);
  p->ticks_cell = replay_metric(p, &metric_ticks);
  p->bad_cell = replay_metric(p, &metric_bad);
  p->gaps_cell = replay_metric(p, &metric_gaps);
  p->quotes_cell = replay_metric(p, &metric_quotes);
  p->crossed_cell = replay_metric(p, &metric_crossed);
  p->unknown_cell = replay_metric(p, &metric_unknown);
  options_init(&p->setup.options);
  p->setup.symbols = &p->symbols;
  p->setup.venue = context->venue;
  p->setup.user = p;
  p->setup.bad = replay_bad;
  symbols_init(&p->symbols, p, replay_resolve);
  p->params.size.e8 = HADRON_QUANTITY_SCALE;
  p->params.verify = 1;
  *self = p;
  return HADRON_OK;
}

static void replay_shut(struct replay *p) {
  if (p->open) {
    merge_close(&p->merge);
    books_fini(&p->books);
  }
  p->open = false;
  files_fini(&p->files);
}

static void replay_stop(void *self) { replay_shut(self); }

static void replay_destroy(void *self) {
  struct replay *p = self;
  replay_shut(p);
  symbols_fini(&p->symbols);
  free(p);
}

static int32_t replay_failed(struct replay *p) {
  p->venue->fail(p->host->instance, p->fault.text);
  return p->fault.code;
}

// A text that is one of a few; "" is the first.
static int32_t replay_choice(struct replay *p, const char *where, const char *value, const char *const names[3], const char *expected, uint32_t *out) {
  for (uint32_t i = 0; i < 3; i++) {
    if (strcmp(value[0] ? value : names[0], names[i]) != 0) continue;
    *out = i;
    return HADRON_OK;
  }
  return fault_set(&p->fault, HADRON_ERR_CONFIG, "cannot use the parameter", where, expected, value, "correct it");
}

// Texts of the parameters into options; checked together.
static int32_t replay_options(struct replay *p) {
  static const char *const adjust_modes[] = {"none", "split", "full"}, *const quotes_modes[] = {"auto", "recorded", "book"};
  const struct replay_params *q = &p->params;
  const struct {
    const char *name, *value;
  } pairs[] = {{"format", q->format}, {"symbol", q->symbol}, {"columns", q->columns},     {"lean", q->lean},
               {"from", q->from},     {"to", q->to},         {"timezone", q->timezone}, {"map_files", q->map_files}};
  options_init(&p->setup.options);
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    int32_t result = options_set(&p->setup.options, pairs[i].name, pairs[i].value, &p->fault);
    if (result) return result;
  }
  p->setup.options.period_ns = q->period_ns;
  p->setup.options.size = q->size;
  p->setup.options.verify = q->verify != 0;
  p->setup.options.session = q->session;
  p->setup.options.until = (uint64_t)q->until;
  uint32_t adjust = 0, quotes = 0;
  int32_t result = replay_choice(p, "`quotes`", q->quotes, quotes_modes, "auto, recorded or book", &quotes);
  if (!result) result = replay_choice(p, "`adjust`", q->adjust, adjust_modes, "none, split or full", &adjust);
  if (result) return result;
  p->quotes = (enum quotes_mode)quotes;
  p->adjust = (enum adjust_mode)adjust;
  if (adjust > 0 && q->factor_files[0] == '\0')
    return fault_set(&p->fault, HADRON_ERR_CONFIG, "cannot adjust", "parameter `factor_files`", "the folder of the factor files", "nothing",
                     "set `factor_files` or adjust = \"none\"");
  return HADRON_OK;
}

static int32_t replay_changed(void *self) {
  struct replay *p = self;
  return replay_options(p) ? replay_failed(p) : HADRON_OK;
}

static void replay_adjust_next(struct replay *p) {
  p->adjust_ns = INT64_MAX;
  for (uint32_t i = 0; i < p->symbols.count; i++) {
    int64_t due = adjust_next_ns(p->symbols.entries[i]->adjustments);
    if (due < p->adjust_ns) p->adjust_ns = due;
  }
}

// Factor files of the equities; what took effect before the first tick of the run moved nobody's position.
static int32_t replay_adjust_load(struct replay *p) {
  int64_t first = p->merge.heap_count ? p->merge.list[p->merge.heap[0]].key : INT64_MIN;
  for (uint32_t i = 0; i < p->symbols.count && p->adjust != ADJUST_NONE; i++) {
    struct symbol *symbol = p->symbols.entries[i];
    struct adjust *actions = NULL;
    if (symbol->listing.asset != ASSET_EQUITY || symbol->handle == SYMBOL_UNWANTED) continue;
    int32_t result = adjust_load(p->params.factor_files, p->adjust, symbol->listing.symbol, &actions, &p->fault);
    if (result) return result;
    adjust_skip(actions, first);
    symbol->adjustments = actions;
  }
  replay_adjust_next(p);
  return HADRON_OK;
}

static int32_t replay_start(void *self) {
  struct replay *p = self;
  char text[160];
  int32_t result = replay_options(p);
  if (!result) result = files_expand(&p->files, p->params.files, &p->fault);
  if (!result) {
    p->open = true;
    books_init(&p->books, p->quotes, &p->fault);
    result = merge_open(&p->merge, &p->files, &p->setup, &p->fault);
  }
  if (!result) result = replay_adjust_load(p);
  if (result) {
    replay_shut(p);
    return replay_failed(p);
  }
  snprintf(text, sizeof text, "%u recordings, %u listings, %.1f MB", p->files.count, p->symbols.count, (double)p->merge.bytes / 1e6);
  p->venue->progress(p->host->instance, 0, p->merge.bytes);
  p->venue->status(p->host->instance, HADRON_VENUE_READY, text);
  return HADRON_OK;
}

// Applies what is due for this tick's listing, before the tick.
static void replay_adjust_tick(struct replay *p, const struct hadron_tick *tick) {
  static const struct zone new_york = {true, 0};
  for (uint32_t i = 0; i < p->symbols.count; i++) {
    struct adjust *a = p->symbols.entries[i]->adjustments;
    if (!a || p->symbols.entries[i]->handle != tick->instrument) continue;
    for (; adjust_next_ns(a) <= tick->recv_ns; a->next++, p->adjusted++) {
      struct hadron_adjustment action = a->actions[a->next].adjustment;
      int64_t local = zone_local(&new_york, tick->recv_ns);
      action.time_ns = zone_utc(&new_york, local / DAY_NS, 0);
      action.instrument = tick->instrument;
      p->venue->adjust(p->host->instance, &action);
    }
  }
  replay_adjust_next(p);
}

// Is an action due for this tick's own listing?
static bool replay_adjust_due(const struct replay *p, const struct hadron_tick *tick) {
  if (tick->recv_ns < p->adjust_ns) return false;
  for (uint32_t i = 0; i < p->symbols.count; i++)
    if (p->symbols.entries[i]->handle == tick->instrument) return adjust_next_ns(p->symbols.entries[i]->adjustments) <= tick->recv_ns;
  return false;
}

// How many of the run can go before the next action; 0 never: what is due for the first tick is applied.
static uint32_t replay_adjust_cut(struct replay *p, const struct hadron_tick *ticks, uint32_t count) {
  if (replay_adjust_due(p, &ticks[0])) replay_adjust_tick(p, &ticks[0]);
  for (uint32_t i = 1; i < count; i++)
    if (ticks[i].recv_ns >= p->adjust_ns && replay_adjust_due(p, &ticks[i])) return i;
  return count;
}

static void replay_progress(struct replay *p) {
  struct reader_counts counts;
  uint64_t done, total;
  merge_progress(&p->merge, &done, &total);
  merge_counts(&p->merge, &counts);
  *p->gaps_cell = (int64_t)counts.gaps;
  *p->quotes_cell = (int64_t)p->books.made;
  *p->crossed_cell = (int64_t)p->books.crossed;
  *p->unknown_cell = (int64_t)p->books.unknown;
  p->venue->progress(p->host->instance, done, total);
}

static int64_t replay_end(struct replay *p, int32_t result) {
  struct reader_counts c;
  char text[256];
  p->finished = true;
  replay_progress(p);
  merge_counts(&p->merge, &c);
  if (result != HADRON_ERR_END) {
    replay_log(p, HADRON_LOG_ERROR, "REPLAY_BROKEN", p->fault.text);
    p->venue->fail(p->host->instance, p->fault.text);
    p->venue->status(p->host->instance, HADRON_VENUE_DOWN, p->fault.text);
  } else {
    snprintf(text, sizeof text, "%llu ticks from %llu rows; %llu bad rows, %llu ticks left out, %llu gaps, %llu corporate actions",
             (unsigned long long)p->given, (unsigned long long)c.rows, (unsigned long long)c.bad, (unsigned long long)(c.ignored + p->books.dropped),
             (unsigned long long)c.gaps, (unsigned long long)p->adjusted);
    p->venue->status(p->host->instance, HADRON_VENUE_FINISHED, text);
  }
  replay_shut(p);
  return INT64_MAX;
}

static int64_t replay_poll(void *self, int64_t now_ns) {
  struct replay *p = self;
  const struct hadron_tick *ticks;
  uint32_t count;
  if (p->finished || !p->open) return INT64_MAX;
  int32_t result = books_next(&p->books, &p->merge, &ticks, &count);
  if (result) return replay_end(p, result);
  if (ticks[count - 1].recv_ns >= p->adjust_ns || ticks[0].recv_ns >= p->adjust_ns) count = replay_adjust_cut(p, ticks, count);
  uint32_t taken = p->venue->ticks(p->host->instance, ticks, count);
  if (taken > count) taken = count;
  books_take(&p->books, &p->merge, taken);
  p->given += taken;
  *p->ticks_cell += taken;
  if (++p->batches % PROGRESS_EVERY == 0) replay_progress(p);
  return now_ns;
}

#define FIELD(member) (uint32_t)(offsetof(struct replay, params) + offsetof(struct replay_params, member))
#define TEXT(name, help, initial, member) \
  {name, help, "", initial, HADRON_PARAM_TEXT, FIELD(member), sizeof(((struct replay_params *)0)->member), 0, 0, -1, 0, 0}

static const struct hadron_param params[] = {
    TEXT("files", "paths or globs of recordings", NULL, files),
    TEXT("format", "auto, hdt, journal, dbn, lean, binance or csv", "auto", format),
    TEXT("columns", "CSV: role=column, a header's name or a number from 0", "", columns),
    TEXT("symbol", "takes the place of the symbol in the files", "", symbol),
    TEXT("from", "leaves out ticks before this time", "", from),
    TEXT("to", "leaves out ticks at or after this time", "", to),
    TEXT("timezone", "CSV: of times without an offset: UTC, +hh:mm, America/New_York", "", timezone),
    TEXT("lean", "LEAN: asset/market/resolution where the path does not say it", "", lean),
    TEXT("quotes", "recorded, book (derived from book changes) or auto (derived where orders are recorded and quotes are not)", "auto", quotes),
    TEXT("adjust", "none, split or full: corporate actions of LEAN factor files", "none", adjust),
    TEXT("factor_files", "LEAN: folder of the factor files", "", factor_files),
    TEXT("map_files", "LEAN: folder of the map files", "", map_files),
    {"period", "CSV: length of a bar; 0: by the file", "ns", "0s", HADRON_PARAM_DURATION, FIELD(period_ns), 8, 0, 0, PERIOD_MAX, 0, 0},
    {"size", "CSV: quantity of trades that come without one", "", "1", HADRON_PARAM_QUANTITY, FIELD(size), 8, 0, 1, SIZE_MAX_E8, 0, 0},
    {"verify", "native files and journals: check the checksums", "", "true", HADRON_PARAM_BOOL, FIELD(verify), 8, 0, 0, 1, 0, 0},
    {"until", "journal: position of the first record that is left out; 0: all that is there", "", "0", HADRON_PARAM_INTEGER, FIELD(until), 8, 0, 0, INT64_MAX, 0, 0},
    {"session", "journal: 0 all, 2 the second that is kept, -1 the last", "", "0", HADRON_PARAM_INTEGER, FIELD(session), 8, 0, -SESSIONS_MAX, SESSIONS_MAX, 0, 0},
};

static const struct hadron_params params_table = {sizeof params_table, sizeof params / sizeof *params, params, replay_changed};
static const struct hadron_inspect inspect_table = {sizeof inspect_table, 0, inspect_file};
static const struct hadron_convert convert_table = {sizeof convert_table, 0, convert_files};

static const void *replay_capability(const char *name) {
  static const struct {
    const char *name;
    const void *table;
  } tables[] = {{HADRON_CAP_PARAMS, &params_table}, {HADRON_CAP_INSPECT, &inspect_table}, {HADRON_CAP_CONVERT, &convert_table}};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    if (strcmp(name, tables[i].name) == 0) return tables[i].table;
  return NULL;
}

static const struct hadron_venue_api api = {
    .struct_size = sizeof api,
    .features = HADRON_VENUE_TICKS | HADRON_VENUE_RECORDED,
    .create = replay_create,
    .destroy = replay_destroy,
    .start = replay_start,
    .stop = replay_stop,
    .poll = replay_poll,
};

HADRON_PLUGIN(VENUE, "replay", "1.0.0", "Recordings as ticks: LEAN, Databento, Binance, FX, Tardis, any CSV, native .hdt", "hadron.venue/1", &api,
              replay_capability);
