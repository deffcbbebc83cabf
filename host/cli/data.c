// hadron data inspect, convert, generate: what a file holds, one native file from many, and samples. Inspect and convert are what the
// replay venue offers; so every format that can be replayed can be inspected and converted.
#include <getopt.h>
#include <jansson.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/generate.h"
#include "cli/setup.h"
#include "hadron/ext/convert.h"
#include "hadron/ext/inspect.h"
#include "lua/runtime.h"
#include "runtime/session.h"

#define BAD_SHOWN 20
#define OPTIONS_SIZE 8192
#define PROGRESS_NS INT64_C(250000000)

#define OPTION_HELP                                                                                                        \
  "  --option KEY=VALUE  how to read the files, as the params of the `replay` venue: format, symbol, columns (its lines\n" \
  "                      parted by ';'), timezone, period, size, from, to, lean, map_files, verify\n"

const char hd_inspect_help[] =
    OPTION_HELP
    "  --json              print one JSON object\n"
    "\nA row that cannot be read is named by its line (or record) number; the first 20 are shown. Rows that step backward in time,\n"
    "gaps in sequences and silences of more than a minute are counted. A file that cannot be read to its end exits with 4.\n";

const char hd_convert_help[] =
    OPTION_HELP
    "  --json              print one JSON object\n"
    "\nOUT should end in .hdt: the native format, which is mapped instead of parsed. Files are merged by receive time; a name may be\n"
    "a glob in quotes. OUT is replaced when the new file is whole.\n";

const char hd_generate_help[] =
    "  --kind KIND         equity (default: 20 shares, weekdays 14:30-21:00 UTC) or crypto (10 coins, around the clock)\n"
    "  --instruments N     how many, or their names: AAA,BBB,CCC\n"
    "  --duration D        1d by default; 90m, 6h30m, 5d, ...\n"
    "  --start TIME        2024-01-02T14:30:00Z by default\n"
    "  --seed N            1 by default; the same settings and seed give the same bytes\n"
    "  --quotes            quotes instead of trades; a file that ends in .hdt has both\n"
    "  --set KEY=VALUE     a parameter of the `sim` venue: price, volatility, rate, spread, ... (docs/sim.md); repeatable\n"
    "  --json              print one JSON object\n"
    "\nOUT is CSV that the replay venue reads by itself, or the native format if it ends in .hdt.\n";

// ---- what the commands share -----------------------------------------------------------------------------------------------------------

struct data_options {
  char lines[OPTIONS_SIZE]; // "key=value" per line
  size_t used;
  bool json;
};

static int options_add(const char *command, struct data_options *o, const char *text) {
  int n = snprintf(o->lines + o->used, sizeof o->lines - o->used, "%s\n", text);
  if (!strchr(text, '=') || strchr(text, '\n')) return hd_cli_usage(command, "--option %s: expected key=value", text);
  if (n < 0 || (size_t)n >= sizeof o->lines - o->used) return hd_cli_usage(command, "more than %d bytes of --option", OPTIONS_SIZE - 1);
  o->used += (size_t)n;
  return HD_EXIT_OK;
}

// The options of inspect and convert; optind is left at the first file.
static int options_parse(const char *command, struct data_options *o, int argc, char **argv) {
  static const struct option options[] = {{"option", required_argument, NULL, 'o'}, {"json", no_argument, NULL, 'j'}, {0}};
  optind = 0;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (c == 'j') o->json = true;
    else if (c != 'o') return hd_cli_usage(command, "unknown or incomplete option \"%s\"", argv[optind - 1]);
    else if (options_add(command, o, optarg)) return HD_EXIT_USAGE;
  }
  return HD_EXIT_OK;
}

static int32_t replay_capability(const char *name, const void **table, struct hd_fault *fault) {
  static struct hd_config config; // only for where plugins lie
  char path[HD_PLUGIN_PATH_SIZE];
  const struct hd_plugin *plugin;
  hd_text_copy(config.data_dir, sizeof config.data_dir, "data");
  hd_setup_plugins(&config);
  int32_t code = hd_session_plugin_path(&config, "replay", path, sizeof path, fault);
  if (!code) code = hd_plugin_open(path, &hd_lua_language, &plugin, fault);
  if (code) return code;
  *table = plugin->capability ? plugin->capability(name) : NULL;
  if (*table) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_CAPABILITY, "%s: does not offer %s; use the plugin that came with this program", path, name);
}

// A line on standard error that is written over, once something has taken longer than a moment.
struct data_progress {
  const char *what;
  int64_t next_ns;
  bool shown, wanted;
};

static void progress_init(struct data_progress *p, const char *what) {
  *p = (struct data_progress){.what = what, .next_ns = hd_clock_monotonic_ns() + 2 * PROGRESS_NS, .wanted = isatty(STDERR_FILENO)};
}

static void progress_show(struct data_progress *p, uint64_t done, uint64_t total) {
  if (!p->wanted || total == 0) return;
  int64_t now_ns = hd_clock_monotonic_ns();
  if (now_ns < p->next_ns) return;
  p->next_ns = now_ns + PROGRESS_NS;
  p->shown = true;
  fprintf(stderr, "\r\033[K%s: %3.0f %%", p->what, 100.0 * (double)done / (double)total);
}

static void progress_end(struct data_progress *p) {
  if (p->shown) fputs("\r\033[K", stderr);
  p->shown = false;
}

static json_t *json_time(int64_t ns) {
  char text[40];
  if (ns == 0) return json_null();
  hd_time_format(text, sizeof text, ns, 9);
  return json_string(text);
}

static int json_finish(json_t *root, int code) {
  json_dumpf(root, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(root);
  return code;
}

static json_t *json_count(uint64_t n) { return json_integer((json_int_t)n); }

// ---- inspect ---------------------------------------------------------------------------------------------------------------------------

struct bad_row {
  uint64_t row;
  char text[160];
};

struct inspection {
  const char *path;
  struct hadron_inspect_report report;
  struct bad_row bad[BAD_SHOWN];
  uint32_t bad_count;
  struct data_progress progress;
  int32_t code;
  char fault[HD_FAULT_SIZE];
};

static void on_bad(void *user, uint64_t row, const char *text) {
  struct inspection *i = user;
  if (i->bad_count == BAD_SHOWN) return;
  struct bad_row *b = &i->bad[i->bad_count++];
  b->row = row;
  hd_text_copy(b->text, sizeof b->text, text);
  hd_text_printable(b->text);
}

static void on_inspected(void *user, uint64_t done, uint64_t total) { progress_show(&((struct inspection *)user)->progress, done, total); }

static void print_span(const struct hadron_inspect_report *r) {
  char first[40], last[40], span[40];
  if (r->ticks == 0) return;
  hd_time_format(first, sizeof first, r->first_ns, 3);
  hd_time_format(last, sizeof last, r->last_ns, 3);
  hd_duration_format(span, sizeof span, r->last_ns - r->first_ns);
  printf("  span           %s to %s (%s)\n", first, last, span);
}

static void print_count(const char *label, uint64_t count, const char *words) {
  char text[40];
  hd_count_format(text, sizeof text, count);
  printf("  %-14s %s%s\n", label, text, words);
}

static void print_inspection(const struct inspection *i) {
  const struct hadron_inspect_report *r = &i->report;
  char pause[40], at[40];
  printf("%s\n", i->path);
  if (r->format[0]) printf("  format         %s\n", r->format);
  if (r->symbol[0]) printf("  symbol         %s\n", r->symbol);
  print_span(r);
  print_count("bytes", r->bytes, "");
  print_count("rows", r->rows, "");
  print_count("ticks", r->ticks, "");
  if (r->trades) print_count("  trades", r->trades, "");
  if (r->quotes) print_count("  quotes", r->quotes, "");
  if (r->books) print_count("  book changes", r->books, "");
  if (r->statuses) print_count("  statuses", r->statuses, "");
  print_count("gaps", r->gaps, " in the sequence numbers");
  print_count("pauses", r->pauses, " of more than a minute");
  if (r->pause_ns_max > 0) {
    hd_duration_format(pause, sizeof pause, r->pause_ns_max);
    hd_time_format(at, sizeof at, r->pause_at_ns, 3);
    printf("  longest pause  %s, from %s\n", pause, at);
  }
  print_count("backward rows", r->backward, " earlier than the row before");
  print_count("bad rows", r->bad_rows, "");
  for (uint32_t k = 0; k < i->bad_count; k++) printf("    line %llu: %s\n", (unsigned long long)i->bad[k].row, i->bad[k].text);
  if (r->bad_rows > i->bad_count) printf("    and %llu more\n", (unsigned long long)(r->bad_rows - i->bad_count));
}

static json_t *inspection_json(const struct inspection *i) {
  const struct hadron_inspect_report *r = &i->report;
  json_t *o = json_object(), *bad = json_array();
  const struct { const char *name; uint64_t count; } counts[] = {
      {"bytes", r->bytes}, {"rows", r->rows}, {"ticks", r->ticks}, {"trades", r->trades}, {"quotes", r->quotes}, {"books", r->books},
      {"statuses", r->statuses}, {"gaps", r->gaps}, {"pauses", r->pauses}, {"backward", r->backward}, {"bad_rows", r->bad_rows}};
  json_object_set_new(o, "path", json_string(i->path));
  json_object_set_new(o, "format", json_string(r->format));
  json_object_set_new(o, "symbol", json_string(r->symbol));
  json_object_set_new(o, "first", json_time(r->first_ns));
  json_object_set_new(o, "last", json_time(r->last_ns));
  for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) json_object_set_new(o, counts[k].name, json_count(counts[k].count));
  json_object_set_new(o, "pause_ns_max", json_integer(r->pause_ns_max));
  json_object_set_new(o, "pause_at", json_time(r->pause_at_ns));
  for (uint32_t k = 0; k < i->bad_count; k++) json_array_append_new(bad, json_pack("{s:I,s:s}", "row", (json_int_t)i->bad[k].row, "text", i->bad[k].text));
  json_object_set_new(o, "bad", bad);
  json_object_set_new(o, "error", i->code ? json_string(i->fault) : json_null());
  return o;
}

static int inspect_file(const struct hadron_inspect *table, const struct data_options *o, const char *path, json_t *files) {
  struct inspection i = {.path = path};
  progress_init(&i.progress, path);
  i.code = table->inspect(path, o->lines, &i.report, on_bad, on_inspected, &i, i.fault, sizeof i.fault);
  progress_end(&i.progress);
  hd_text_printable(i.fault);
  if (!i.code && i.report.rows > 0 && i.report.ticks == 0) {
    i.code = HADRON_ERR_CORRUPT;
    snprintf(i.fault, sizeof i.fault, "%s: none of its rows gives a tick; name its columns and format by --option", path);
  }
  if (files) json_array_append_new(files, inspection_json(&i));
  else if (!i.code || i.report.rows > 0) print_inspection(&i);
  if (!i.code) return HD_EXIT_OK;
  fflush(stdout);
  fprintf(stderr, "hadron data inspect: %s\n", i.fault[0] ? i.fault : hadron_error_text(i.code));
  return HD_EXIT_DATA;
}

int hd_inspect_command(int argc, char **argv) {
  struct data_options o = {.used = 0};
  struct hd_fault fault = {0};
  const void *table;
  if (options_parse("data inspect", &o, argc, argv)) return HD_EXIT_USAGE;
  if (optind >= argc) return hd_cli_usage("data inspect", "expected a file");
  if (replay_capability(HADRON_CAP_INSPECT, &table, &fault)) return hd_cli_fail("data inspect", HD_EXIT_FAILED, &fault);
  json_t *files = o.json ? json_array() : NULL;
  int code = HD_EXIT_OK;
  for (int i = optind; i < argc; i++) {
    if (i > optind && !files) putchar('\n');
    int one = inspect_file(table, &o, argv[i], files);
    if (one) code = one;
  }
  return files ? json_finish(json_pack("{s:o}", "files", files), code) : code;
}

// ---- convert ---------------------------------------------------------------------------------------------------------------------------

static void on_bad_convert(void *user, const char *path, uint64_t row, const char *text) {
  struct inspection *i = user;
  if (i->bad_count++ >= BAD_SHOWN) return;
  progress_end(&i->progress);
  fprintf(stderr, "%s line %llu: %s; the row is left out\n", path, (unsigned long long)row, text);
}

static void print_conversion(const char *out, const struct hadron_convert_report *r, bool json) {
  char ticks[40], bytes[40], first[40] = "", last[40] = "";
  if (json) {
    json_finish(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "path", out, "rows", (json_int_t)r->rows, "ticks", (json_int_t)r->ticks,
                          "bad_rows", (json_int_t)r->bad_rows, "gaps", (json_int_t)r->gaps, "files", (json_int_t)r->files, "listings",
                          (json_int_t)r->listings, "bytes_in", (json_int_t)r->bytes_in, "bytes_out", (json_int_t)r->bytes_out, "first",
                          json_time(r->first_ns), "last", json_time(r->last_ns)), HD_EXIT_OK);
    return;
  }
  hd_count_format(ticks, sizeof ticks, r->ticks);
  hd_count_format(bytes, sizeof bytes, r->bytes_out);
  hd_time_format(first, sizeof first, r->first_ns, 0);
  hd_time_format(last, sizeof last, r->last_ns, 0);
  printf("%s: %s ticks of %u instruments from %u files, %s bytes", out, ticks, r->listings, r->files, bytes);
  if (r->ticks) printf(", %s to %s", first, last);
  putchar('\n');
  if (r->bad_rows) printf("  %llu bad rows were left out\n", (unsigned long long)r->bad_rows);
}

static char *join_lines(char **texts, int count) {
  size_t size = 1, at = 0;
  for (int i = 0; i < count; i++) size += strlen(texts[i]) + 1;
  char *joined = calloc(1, size);
  for (int i = 0; joined && i < count; i++) at += (size_t)snprintf(joined + at, size - at, "%s%s", i ? "\n" : "", texts[i]);
  return joined;
}

int hd_convert_command(int argc, char **argv) {
  struct data_options o = {.used = 0};
  struct hd_fault fault = {0};
  const void *table;
  if (options_parse("data convert", &o, argc, argv)) return HD_EXIT_USAGE;
  if (argc - optind < 2) return hd_cli_usage("data convert", "expected OUT and at least one file");
  if (replay_capability(HADRON_CAP_CONVERT, &table, &fault)) return hd_cli_fail("data convert", HD_EXIT_FAILED, &fault);
  const char *out = argv[optind];
  char *files = join_lines(argv + optind + 1, argc - optind - 1);
  if (!files) return hd_cli_fail("data convert", HD_EXIT_FAILED, &(struct hd_fault){HADRON_ERR_MEMORY, "out of memory"});
  struct inspection i = {.path = out};
  struct hadron_convert_report report;
  progress_init(&i.progress, out);
  fault.code = ((const struct hadron_convert *)table)->convert(files, o.lines, out, &report, on_bad_convert, on_inspected, &i, fault.text, sizeof fault.text);
  progress_end(&i.progress);
  free(files);
  if (i.bad_count > BAD_SHOWN) fprintf(stderr, "and %u more bad rows\n", i.bad_count - BAD_SHOWN);
  if (fault.code) return hd_cli_fail("data convert", HD_EXIT_DATA, &fault);
  print_conversion(out, &report, o.json);
  return HD_EXIT_OK;
}

// ---- generate --------------------------------------------------------------------------------------------------------------------------

struct generation {
  struct hd_sample sample;
  char *names; // owned: the list with newlines
  bool json;
};

static int take_instruments(struct generation *g, const char *text) {
  char *end;
  unsigned long n = strtoul(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end) {
    if (n < 1 || n > 4096) return hd_cli_usage("data generate", "--instruments: expected 1 to 4096 or names, found %s", text);
    g->sample.instruments = (uint32_t)n;
    return HD_EXIT_OK;
  }
  free(g->names);
  g->names = strdup(text);
  for (char *c = g->names; c && *c; c++)
    if (*c == ',') *c = '\n';
  return g->names ? HD_EXIT_OK : hd_cli_usage("data generate", "--instruments: out of memory");
}

static int take_set(struct generation *g, char *text) {
  struct hd_sample *s = &g->sample;
  char *equal = strchr(text, '=');
  if (!equal || equal == text) return hd_cli_usage("data generate", "--set %s: expected key=value", text);
  static const char *const ours[] = {"flow", "seed", "instruments", "symbols"};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (strncmp(text, ours[i], (size_t)(equal - text)) == 0 && ours[i][equal - text] == 0)
      return hd_cli_usage("data generate", "--set %s: the options --seed and --instruments say that; flow is always random", text);
  if (s->set_count == HD_SAMPLE_SETS_MAX) return hd_cli_usage("data generate", "more than %d --set", HD_SAMPLE_SETS_MAX);
  *equal = 0;
  s->sets[s->set_count++] = (struct hd_param_value){text, equal + 1, "--set"};
  return HD_EXIT_OK;
}

static int take_number(struct generation *g, const char *text) {
  char *end;
  unsigned long long n = strtoull(text, &end, 10);
  if (*text < '1' || *text > '9' || *end || n > INT64_MAX) return hd_cli_usage("data generate", "--seed: expected a number above zero, found \"%s\"", text);
  g->sample.seed = n;
  return HD_EXIT_OK;
}

static int take_kind(struct generation *g, const char *text) {
  bool crypto = strcmp(text, "crypto") == 0;
  if (!crypto && strcmp(text, "equity") != 0) return hd_cli_usage("data generate", "--kind: expected equity or crypto, found \"%s\"", text);
  hd_sample_init(&g->sample, crypto ? 3 : 1);
  return HD_EXIT_OK;
}

static int take_option(struct generation *g, int option, char *text) {
  switch (option) {
  case 'k': return HD_EXIT_OK; // was taken first: it sets the defaults of the others
  case 'i': return take_instruments(g, text);
  case 'n': return take_number(g, text);
  case 'p': return take_set(g, text);
  case 'q': g->sample.quotes = true; return HD_EXIT_OK;
  case 'j': g->json = true; return HD_EXIT_OK;
  case 'd':
    if (!hd_duration_parse(text, &g->sample.duration_ns) && g->sample.duration_ns > 0) return HD_EXIT_OK;
    return hd_cli_usage("data generate", "--duration: expected something like 6h30m or 5d, found \"%s\"", text);
  case 's':
    if (!hd_time_parse(text, &g->sample.start_ns)) return HD_EXIT_OK;
    return hd_cli_usage("data generate", "--start: expected a time like 2024-01-02T14:30:00Z, found \"%s\"", text);
  default: return HD_EXIT_USAGE;
  }
}

static int generate_parse(struct generation *g, int argc, char **argv) {
  static const struct option options[] = {{"kind", required_argument, NULL, 'k'}, {"instruments", required_argument, NULL, 'i'},
                                          {"duration", required_argument, NULL, 'd'}, {"start", required_argument, NULL, 's'},
                                          {"seed", required_argument, NULL, 'n'}, {"set", required_argument, NULL, 'p'},
                                          {"quotes", no_argument, NULL, 'q'}, {"json", no_argument, NULL, 'j'}, {0}};
  hd_sample_init(&g->sample, 1);
  for (int pass = 0; pass < 2; pass++) {
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
      if (c == '?') return hd_cli_usage("data generate", "unknown or incomplete option \"%s\"", argv[optind - 1]);
      int code = pass == 0 ? c == 'k' ? take_kind(g, optarg) : HD_EXIT_OK : take_option(g, c, optarg);
      if (code) return code;
    }
  }
  g->sample.names = g->names;
  return argc - optind == 1 ? HD_EXIT_OK : hd_cli_usage("data generate", "expected one file to write");
}

static void print_sample(const char *out, const struct hd_sample_report *r, bool json) {
  char ticks[40], bytes[40], first[40], last[40];
  if (json) {
    json_finish(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "path", out, "instruments", (json_int_t)r->instruments, "ticks", (json_int_t)r->ticks,
                          "trades", (json_int_t)r->trades, "quotes", (json_int_t)r->quotes, "bytes", (json_int_t)r->bytes, "first",
                          json_time(r->first_ns), "last", json_time(r->last_ns)), HD_EXIT_OK);
    return;
  }
  hd_count_format(ticks, sizeof ticks, r->ticks);
  hd_count_format(bytes, sizeof bytes, r->bytes);
  hd_time_format(first, sizeof first, r->first_ns, 0);
  hd_time_format(last, sizeof last, r->last_ns, 0);
  printf("%s: %s ticks of %u instruments, %s bytes", out, ticks, r->instruments, bytes);
  if (r->ticks) printf(", %s to %s", first, last);
  putchar('\n');
}

int hd_generate_command(int argc, char **argv) {
  static struct hd_config config; // only for where plugins lie
  struct generation g = {.names = NULL};
  struct hd_sample_report report;
  struct hd_fault fault = {0};
  int code = generate_parse(&g, argc, argv);
  if (!code) {
    hd_text_copy(config.data_dir, sizeof config.data_dir, "data");
    hd_setup_plugins(&config);
    if (hd_sample_write(&g.sample, &config, argv[optind], &report, &fault)) code = hd_cli_fail("data generate", HD_EXIT_FAILED, &fault);
    else print_sample(argv[optind], &report, g.json);
  }
  free(g.names);
  return code;
}
