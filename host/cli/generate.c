#include "cli/generate.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "hadron/ext/convert.h"
#include "plugin/instance.h"
#include "lua/runtime.h"
#include "runtime/session.h"

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define DAY_NS (1440 * MINUTE_NS)
#define OPEN_NS (870 * MINUTE_NS)   // 14:30 UTC: New York's open in winter
#define CLOSE_NS (1260 * MINUTE_NS) // 21:00 UTC
#define PATH_SIZE 1200
#define PARAMS_MAX (HD_SAMPLE_SETS_MAX + 16)

struct generator {
  const struct hd_sample *sample;
  struct hd_sample_report report;
  struct hadron_instance instance;
  char (*symbols)[HADRON_SYMBOL_SIZE]; // by handle - 1; owned
  uint32_t symbol_count;
  int64_t now_ns;
  FILE *trades, *quotes;               // NULL: not wanted
  char trades_path[PATH_SIZE], quotes_path[PATH_SIZE], folder[PATH_SIZE];
  bool broken;                         // a write failed
};

// What a kind sets of the sim's parameters; a --set wins.
static const struct hd_param_value equity_params[] = {{"asset", "1", NULL}, {"price", "100", NULL}, {"tick_size", "0.01", NULL}, {"lot", "1", NULL},
                                                      {"size", "100", NULL}, {"volatility", "0.3", NULL}, {"rate", "1", NULL}};
static const struct hd_param_value crypto_params[] = {{"asset", "3", NULL}, {"price", "20000", NULL}, {"tick_size", "0.5", NULL}, {"lot", "0.0001", NULL},
                                                      {"size", "0.05", NULL}, {"volatility", "0.8", NULL}, {"rate", "1", NULL}};

void hd_sample_init(struct hd_sample *sample, uint32_t kind) {
  memset(sample, 0, sizeof *sample);
  sample->kind = kind;
  sample->instruments = kind == 3 ? 10 : 20;
  sample->start_ns = INT64_C(1704205800) * SECOND_NS; // 2024-01-02T14:30:00Z, the default of `start`
  sample->duration_ns = DAY_NS;
  sample->seed = 1;
}

// ---- the host's side of the venue ----------------------------------------------------------------------------------------------------

static struct generator *generator_of(struct hadron_instance *instance) { return instance->owner; }

static int32_t on_resolve(struct hadron_instance *instance, const struct hadron_listing *listing, uint32_t *handle) {
  struct generator *g = generator_of(instance);
  char (*grown)[HADRON_SYMBOL_SIZE] = realloc(g->symbols, (g->symbol_count + 1) * sizeof *g->symbols);
  if (!grown) return HADRON_ERR_MEMORY;
  g->symbols = grown;
  hd_text_copy(g->symbols[g->symbol_count], HADRON_SYMBOL_SIZE, listing->symbol);
  *handle = ++g->symbol_count;
  return HADRON_OK;
}

// The exchange runs on through nights and weekends; shares are only seen while New York is open.
static bool is_open(const struct generator *g, int64_t ns) {
  if (g->sample->kind != 1) return true;
  int64_t day = ns / DAY_NS, at = ns % DAY_NS, weekday = (day + 3) % 7; // 1970-01-01 was a Thursday; 0 is Monday
  return weekday < 5 && at >= OPEN_NS && at < CLOSE_NS;
}

static void print_times(const struct hadron_tick *t, const char *symbol, FILE *to) {
  char event[40], recv[40];
  hd_time_format(event, sizeof event, t->event_ns, 9);
  hd_time_format(recv, sizeof recv, t->recv_ns, 9);
  fprintf(to, "%s,%s,%s", event, recv, symbol);
}

static void print_number(int64_t value, int64_t scale, FILE *to) {
  char text[40];
  hd_decimal_format(text, sizeof text, value, scale, 0);
  fprintf(to, ",%s", text);
}

static bool print_tick(struct generator *g, const struct hadron_tick *t) {
  const char *symbol = g->symbols[t->instrument - 1];
  if (t->kind == HADRON_TICK_TRADE && g->trades) {
    static const char *const sides[] = {"", "buy", "sell"};
    const struct hadron_trade *v = &t->value.trade;
    print_times(t, symbol, g->trades);
    print_number(v->price.nanos, HADRON_PRICE_SCALE, g->trades);
    print_number(v->quantity.e8, HADRON_QUANTITY_SCALE, g->trades);
    fprintf(g->trades, ",%s,%llu\n", v->aggressor < 3 ? sides[v->aggressor] : "", (unsigned long long)v->trade_id);
    g->report.trades++;
    return true;
  }
  if (t->kind != HADRON_TICK_QUOTE || !g->quotes) return false;
  const struct hadron_quote *v = &t->value.quote;
  print_times(t, symbol, g->quotes);
  print_number(v->bid.nanos, HADRON_PRICE_SCALE, g->quotes);
  print_number(v->bid_size.e8, HADRON_QUANTITY_SCALE, g->quotes);
  print_number(v->ask.nanos, HADRON_PRICE_SCALE, g->quotes);
  print_number(v->ask_size.e8, HADRON_QUANTITY_SCALE, g->quotes);
  fputc('\n', g->quotes);
  g->report.quotes++;
  return true;
}

static uint32_t on_ticks(struct hadron_instance *instance, const struct hadron_tick *ticks, uint32_t count) {
  struct generator *g = generator_of(instance);
  for (uint32_t i = 0; i < count; i++) {
    const struct hadron_tick *t = &ticks[i];
    if (t->instrument == 0 || t->instrument > g->symbol_count || !is_open(g, t->recv_ns) || !print_tick(g, t)) continue;
    if (g->report.ticks++ == 0) g->report.first_ns = t->recv_ns;
    g->report.last_ns = t->recv_ns;
  }
  return count;
}

// Nobody trades here: there is nothing to report, and nobody to tell how the venue is.
static void on_report(struct hadron_instance *instance, const struct hadron_venue_report *report) { (void)instance, (void)report; }
static void on_status(struct hadron_instance *instance, uint32_t state, const char *text) { (void)instance, (void)state, (void)text; }
static void on_adjust(struct hadron_instance *instance, const struct hadron_adjustment *adjustment) { (void)instance, (void)adjustment; }
static void on_progress(struct hadron_instance *instance, uint64_t done, uint64_t total) { (void)instance, (void)done, (void)total; }
static uint32_t on_instrument(struct hadron_instance *instance, uint32_t handle) {
  return handle <= generator_of(instance)->symbol_count ? handle : 0;
}
static int32_t on_definition(struct hadron_instance *instance, uint32_t instrument, struct hadron_instrument_definition *out) {
  (void)instance, (void)instrument, (void)out;
  return HADRON_ERR_NOT_FOUND;
}

static const struct hadron_venue_host venue_host = {
    .struct_size = sizeof venue_host, .resolve = on_resolve, .ticks = on_ticks, .report = on_report, .status = on_status, .adjust = on_adjust,
    .progress = on_progress, .fail = hd_instance_fail, .instrument = on_instrument, .definition = on_definition};
static const struct hd_capability capabilities[] = {{"hadron.venue/1", &venue_host}, {NULL, NULL}};

static int64_t generator_now(void *owner) { return ((struct generator *)owner)->now_ns; }

// ---- the exchange ----------------------------------------------------------------------------------------------------------------------

struct params {
  struct hd_param_value values[PARAMS_MAX];
  uint32_t count;
};

static void params_put(struct params *p, const char *name, const char *text) {
  uint32_t i = 0;
  while (i < p->count && strcmp(p->values[i].name, name) != 0) i++;
  if (i == p->count) p->count++;
  p->values[i] = (struct hd_param_value){name, text, NULL};
}

static int32_t exchange_params(struct generator *g, struct hd_fault *fault) {
  const struct hd_sample *s = g->sample;
  const struct hd_param_value *rows = s->kind == 3 ? crypto_params : equity_params;
  size_t row_count = s->kind == 3 ? sizeof crypto_params / sizeof *crypto_params : sizeof equity_params / sizeof *equity_params;
  struct params p = {.count = 0};
  char instruments[16], seed[24];
  snprintf(instruments, sizeof instruments, "%u", s->instruments);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
  for (size_t i = 0; i < row_count; i++) params_put(&p, rows[i].name, rows[i].text);
  for (uint32_t i = 0; i < s->set_count; i++) params_put(&p, s->sets[i].name, s->sets[i].text);
  params_put(&p, "flow", "random");
  params_put(&p, "seed", seed);
  params_put(&p, s->names ? "symbols" : "instruments", s->names ? s->names : instruments);
  return hd_params_apply(&g->instance, p.values, p.count, fault);
}

static int32_t exchange_open(struct generator *g, const struct hd_config *config, struct hd_fault *fault) {
  char path[HD_PLUGIN_PATH_SIZE];
  const struct hd_plugin *plugin;
  int32_t code = hd_session_plugin_path(config, "sim", path, sizeof path, fault);
  if (!code) code = hd_plugin_open(path, &hd_lua_language, &plugin, fault);
  if (!code) code = hd_plugin_expect_kind(plugin, HADRON_KIND_VENUE, fault);
  if (code) return code;
  const struct hd_instance_options options = {.plugin = plugin, .capabilities = capabilities, .owner = g, .now = generator_now,
                                              .name = "sim", .seed = g->sample->seed, .venue = 1};
  const struct hadron_venue_context context = {sizeof context, 1, 0, "sim"};
  code = hd_instance_init(&g->instance, &options, fault);
  if (!code) code = hd_instance_create_venue(&g->instance, &context, fault);
  if (!code) code = exchange_params(g, fault);
  if (!code) code = hd_instance_start(&g->instance, fault);
  return code;
}

static void exchange_run(struct generator *g) {
  const struct hadron_venue_api *api = g->instance.plugin->api;
  int64_t end_ns = g->sample->start_ns + g->sample->duration_ns;
  g->now_ns = g->sample->start_ns;
  while (g->now_ns < end_ns && !g->broken) {
    int64_t next_ns = api->poll(g->instance.self, g->now_ns);
    if (next_ns > g->now_ns) g->now_ns = next_ns;
    FILE *to = g->quotes ? g->quotes : g->trades;
    g->broken = ferror(to) || (g->trades && ferror(g->trades));
  }
}

// ---- files -----------------------------------------------------------------------------------------------------------------------------

static int32_t io_fault(const char *what, const char *path, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_IO, "%s %s: %s; check the directory, its permissions and the free space", what, path, strerror(errno));
}

static int32_t csv_open(const char *path, const char *header, FILE **out, struct hd_fault *fault) {
  *out = fopen(path, "wxe"); // never over something that somebody else is writing
  if (!*out) return io_fault("cannot create", path, fault);
  fputs(header, *out);
  return HADRON_OK;
}

static int32_t csv_close(FILE **file, const char *path, struct hd_fault *fault) {
  if (!*file) return HADRON_OK;
  bool bad = ferror(*file) != 0;
  bad |= fclose(*file) != 0;
  *file = NULL;
  return bad ? io_fault("cannot write", path, fault) : HADRON_OK;
}

static int32_t files_open(struct generator *g, const char *out, bool trades, bool quotes, struct hd_fault *fault) {
  snprintf(g->folder, sizeof g->folder, "%.1100s.XXXXXX", out);
  if (!mkdtemp(g->folder)) {
    g->folder[0] = 0;
    return io_fault("cannot write beside", out, fault);
  }
  int32_t code = HADRON_OK;
  if (trades) {
    snprintf(g->trades_path, sizeof g->trades_path, "%.1180s/trades.csv", g->folder);
    code = csv_open(g->trades_path, "timestamp,recv,symbol,price,size,side,id\n", &g->trades, fault);
  }
  if (quotes && !code) {
    snprintf(g->quotes_path, sizeof g->quotes_path, "%.1180s/quotes.csv", g->folder);
    code = csv_open(g->quotes_path, "timestamp,recv,symbol,bid,bid_size,ask,ask_size\n", &g->quotes, fault);
  }
  return code;
}

static void files_remove(struct generator *g) {
  if (g->trades) fclose(g->trades);
  if (g->quotes) fclose(g->quotes);
  if (g->trades_path[0]) unlink(g->trades_path);
  if (g->quotes_path[0]) unlink(g->quotes_path);
  if (g->folder[0]) rmdir(g->folder);
}

static int32_t files_convert(struct generator *g, const struct hd_config *config, const char *out, struct hd_fault *fault) {
  char path[HD_PLUGIN_PATH_SIZE], files[2 * PATH_SIZE + 2], words[HD_FAULT_SIZE] = "";
  const struct hd_plugin *plugin;
  int32_t code = hd_session_plugin_path(config, "replay", path, sizeof path, fault);
  if (!code) code = hd_plugin_open(path, &hd_lua_language, &plugin, fault);
  if (code) return code;
  const struct hadron_convert *convert = plugin->capability ? plugin->capability(HADRON_CAP_CONVERT) : NULL;
  if (!convert) return hd_fault_set(fault, HADRON_ERR_CAPABILITY, "%s: does not offer %s; use the plugin that came with this program", path, HADRON_CAP_CONVERT);
  struct hadron_convert_report report;
  snprintf(files, sizeof files, "%s\n%s", g->trades_path, g->quotes_path);
  const char *asset = g->sample->kind == 3 ? "format=csv\ncolumns=asset=crypto" : "format=csv\ncolumns=asset=equity";
  code = convert->convert(files, asset, out, &report, NULL, NULL, NULL, words, sizeof words);
  return code ? hd_fault_set(fault, code, "%s", words) : HADRON_OK;
}

static int32_t files_finish(struct generator *g, const struct hd_config *config, const char *out, bool native, struct hd_fault *fault) {
  int32_t code = csv_close(&g->trades, g->trades_path, fault);
  int32_t other = csv_close(&g->quotes, g->quotes_path, fault);
  if (code || other) return code ? code : other;
  if (native) return files_convert(g, config, out, fault);
  char *path = g->trades_path[0] ? g->trades_path : g->quotes_path;
  if (rename(path, out) != 0) return io_fault("cannot create", out, fault);
  path[0] = 0;
  return HADRON_OK;
}

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static void report_bytes(struct generator *g, const char *out) {
  FILE *file = fopen(out, "rbe");
  if (!file) return;
  if (fseek(file, 0, SEEK_END) == 0) g->report.bytes = (uint64_t)ftell(file);
  fclose(file);
}

int32_t hd_sample_write(const struct hd_sample *sample, const struct hd_config *config, const char *out, struct hd_sample_report *report,
                        struct hd_fault *fault) {
  bool native = ends_with(out, ".hdt");
  int64_t end_ns;
  if (sample->seed == 0 || sample->start_ns < 0 || sample->duration_ns <= 0 || __builtin_add_overflow(sample->start_ns, sample->duration_ns, &end_ns))
    return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: a sample needs a seed and a duration above zero, and times from 1970 to 2261", out);
  struct generator *g = calloc(1, sizeof *g);
  if (!g) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: out of memory", out);
  g->sample = sample;
  g->now_ns = sample->start_ns;
  int32_t code = exchange_open(g, config, fault);
  if (!code) code = files_open(g, out, native || !sample->quotes, native || sample->quotes, fault);
  if (!code) exchange_run(g);
  if (!code) code = files_finish(g, config, out, native, fault);
  files_remove(g);
  hd_instance_fini(&g->instance);
  g->report.instruments = g->symbol_count;
  if (!code) {
    report_bytes(g, out);
    *report = g->report;
  }
  free(g->symbols);
  free(g);
  return code;
}
