// Promise: docs/config.md is what the tables of keys say; every key's default parses by its own row and has words. How: the page is
// written anew from the tables and compared; HADRON_WRITE_DOCS=1 writes it instead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/banned.h"
#include "runtime/config_read.h"

static char expected[131072], found[131072];
static size_t length;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(expected + length, sizeof expected - length, format, arguments);
  va_end(arguments);
  assert_true(n >= 0 && (size_t)n < sizeof expected - length);
  length += (size_t)n;
}

// '|' ends a cell.
static void put_cell(const char *text) {
  for (const char *c = text; *c; c++) {
    if (*c == '|') put("\\");
    put("%c", *c);
  }
}

static void put_type(const struct hd_config_key *key) {
  if (key->type != HD_KEY_CHOICE) {
    put_cell(hd_config_type_words(key->type));
    bool plain = key->type == HD_KEY_U32 || key->type == HD_KEY_U64 || key->type == HD_KEY_I64 || key->type == HD_KEY_REAL;
    if (plain && (key->min || key->max) && key->max != INT64_MAX) put(", %lld to %lld", (long long)key->min, (long long)key->max);
    return;
  }
  for (const char *at = key->choices; *at;) {
    size_t size = strcspn(at, " ");
    put("%s`%.*s`", at == key->choices ? "" : ", ", (int)size, at);
    at += size + (at[size] == ' ');
  }
}

static void put_keys(const struct hd_config_key *keys, uint32_t count, bool live) {
  put("| key | what it takes | default |%s meaning |\n| --- | --- | --- |%s --- |\n", live ? " live |" : "", live ? " --- |" : "");
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_config_key *k = &keys[i];
    put("| `%s` | ", k->path);
    put_type(k);
    put(" | %s%s%s |", k->initial ? k->initial[0] ? "`" : "" : "required", k->initial ? k->initial : "", k->initial && k->initial[0] ? "`" : "");
    if (live) put(" %s |", k->live ? "yes" : "");
    put(" ");
    put_cell(k->help);
    put(" |\n");
  }
}

static void put_limits(void) {
  static const char *const units[] = {[HD_LIMIT_QUANTITY] = "a quantity", [HD_LIMIT_MONEY] = "an amount", [HD_LIMIT_BPS] = "basis points",
                                      [HD_LIMIT_COUNT] = "a count", [HD_LIMIT_DURATION_MS] = "milliseconds"};
  static const struct { uint32_t scope; const char *name; } scopes[] = {
      {HD_SCOPE_ACCOUNT, "account"}, {HD_SCOPE_STRATEGY, "strategy"}, {HD_SCOPE_INSTRUMENT, "instrument"}};
  put("| limit | what it takes | where | meaning |\n| --- | --- | --- | --- |\n");
  for (uint32_t i = 0; i < hd_limit_key_count; i++) {
    const struct hd_limit_key *k = &hd_limit_keys[i];
    put("| `%s` | %s | ", k->key, units[k->unit]);
    for (size_t s = 0, n = 0; s < sizeof scopes / sizeof *scopes; s++)
      if (k->scopes & scopes[s].scope) put("%s%s", n++ ? ", " : "", scopes[s].name);
    put(" | %s |\n", k->help);
  }
}

static void page(void) {
  put("# Configuration\n\n"
      "Made from the tables in `host/runtime/config.c` and `host/pipeline/risk.c`; a test compares. A configuration is a Lua file that\n"
      "returns one table: `return { engine = { shards = 4 }, venues = { ... } }`. Here a key is written with dots, as in\n"
      "`--set engine.shards=4`, which overrides the file; of several the last one wins. In the file prices, quantities and amounts may\n"
      "be texts: `\"0.1\"` stays exact. `env(\"NAME\")` reads the environment, and what comes from it is never printed; `include(\"FILE\")`\n"
      "takes the table of another file; `here(\"FILE\")` names a file beside the configuration. A key that does not exist is an error with\n"
      "its line. `hadron run CONFIG --check` tells all errors at once. *Live* keys change while it runs: `hadron set normalize.stale=2s`.\n\n"
      "Other relative paths are relative to the directory in which the program is started.\n\n## Keys\n\n");
  put_keys(hd_config_keys, hd_config_key_count, true);
  put("\n## venues.NAME, services.NAME, allocator and shadow\n\n"
      "Each is a table of its own, with the plugin's parameters in `params`. Without an `allocator` it is `net`. `shadow` is the market in\n"
      "which arms of role `shadow` trade, an instance for each of them; without it: the venue that paper orders go to, else `sim`.\n\n");
  put_keys(hd_config_plugin_keys, hd_config_plugin_key_count, false);
  put("\n## strategies.NAME\n\n"
      "Also `params`; `universe`, a list of names or globs (`{ \"BTC*\" }`; without it: all instruments); `risk`, limits of its own; and, where\n"
      "`external = true`, `bars`, what it gets besides ticks (`{ \"1m\", \"tick:100\", \"volume:10\" }`); one version of those is the `plugin` of a section too, by its card\n"
      "([remote](remote.md#versions)).\n"
      "`deployment` is what the first revision of its deployment begins with ([versions](versions.md)).\n\n");
  put_keys(hd_config_strategy_keys, hd_config_strategy_key_count, false);
  put("\n## universe.instruments\n\n"
      "A list of tables. Also `symbols`, what venues call it (`symbols = { binance = \"BTCUSDT\" }`; without it: its name everywhere);\n"
      "and `risk`, limits of its own.\n\n");
  put_keys(hd_config_instrument_keys, hd_config_instrument_key_count, false);
  put("\n## bus.sessions\n\n"
      "A list of tables, one per address where strategies elsewhere and administrators are heard: [the wire](wire.md).\n\n");
  put_keys(hd_config_session_keys, hd_config_session_key_count, false);
  put("\n## bus.feeds\n\n"
      "A list of tables, one per address where is published what the journal tells, for whoever only looks.\n\n");
  put_keys(hd_config_feed_keys, hd_config_feed_key_count, false);
  put("\n## risk\n\n"
      "Limits in `risk` are the account's; those in a strategy's or an instrument's `risk` come on top. 0, or absent: no limit. All\n"
      "change while it runs: `hadron set risk.gross_max=500000`, `strategies.sma.risk.position_max=10` (for every version of it that runs).\n\n");
  put_limits();
  put("\n## router\n\n"
      "`router.rules` is a list, tried in order, the first that fits gives the lane: `{ kind = \"quote\", when = \"position\", lane =\n"
      "\"fast\" }`. `kind`: any (default), trade, quote, book, status. `when`: always (default), position, volatile, peer_fast,\n"
      "unsubscribed. `lane`: fast, warm, cold, drop. `router.correlated` is a list of pairs of instruments: `{ { \"SPY\", \"QQQ\" } }`; while\n"
      "one is FAST, `peer_fast` holds for the other.\n");
}

static void page_is_current(void **state) {
  (void)state;
  const char *root = getenv("HADRON_SOURCE_DIR");
  if (!root) {
    fprintf(stderr, "HADRON_SOURCE_DIR is not set: run by ctest\n");
    skip();
  }
  char path[1024];
  snprintf(path, sizeof path, "%s/docs/config.md", root);
  page();
  bool write = getenv("HADRON_WRITE_DOCS") != NULL;
  FILE *f = fopen(path, write ? "w" : "r");
  if (!f) fail_msg("%s cannot be opened; HADRON_WRITE_DOCS=1 makes it", path);
  if (write) {
    assert_int_equal(fwrite(expected, 1, length, f), length);
  } else {
    size_t have = fread(found, 1, sizeof found, f);
    if (have != length || memcmp(expected, found, length) != 0) fail_msg("%s is not what the tables say; run this test with HADRON_WRITE_DOCS=1", path);
  }
  assert_int_equal(fclose(f), 0);
}

static void defaults_parse(void **state) {
  (void)state;
  static union { struct hd_config config; struct hd_config_strategy strategy; struct hd_config_plugin plugin; struct hd_config_instrument instrument; } into;
  const struct { const struct hd_config_key *keys; uint32_t count; } tables[] = {
      {hd_config_keys, hd_config_key_count}, {hd_config_strategy_keys, hd_config_strategy_key_count},
      {hd_config_plugin_keys, hd_config_plugin_key_count}, {hd_config_instrument_keys, hd_config_instrument_key_count}};
  struct hd_fault fault;
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (uint32_t i = 0; i < tables[t].count; i++) {
      const struct hd_config_key *k = &tables[t].keys[i];
      assert_true(k->help && k->help[0]);
      if (k->initial && hd_config_key_parse(k, k->initial, &into, &fault)) fail_msg("%s: %s", k->path, fault.text);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(defaults_parse), cmocka_unit_test(page_is_current)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
