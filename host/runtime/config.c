#include "runtime/config.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/limits.h"
#include "base/text.h"
#include "bus/bus.h"
#include "runtime/config_read.h"

// ---- the table: every key that is one value ---------------------------------------------------------------------------------------

#define AT(field) offsetof(struct hd_config, field)
#define MODE_NAMES "dry_run paper live backtest"

// path, type, offset, size, min, max, default, choices, live, help
const struct hd_config_key hd_config_keys[] = {
    {"mode", HD_KEY_CHOICE, AT(mode), 0, 0, 0, "paper", MODE_NAMES, false, "what becomes of decisions; live needs `hadron run --live` as well"},
    {"seed", HD_KEY_U64, AT(seed), 0, 0, INT64_MAX, "1", NULL, false, "of every random stream"},
    {"start", HD_KEY_TIME, AT(start_ns), 0, 0, 0, "2024-01-02T14:30:00Z", NULL, false, "where a virtual clock without recorded ticks begins"},
    {"data_dir", HD_KEY_TEXT, AT(data_dir), sizeof((struct hd_config *)0)->data_dir, 0, 0, "data", NULL, false, "journal, database, control socket"},
    {"plugin_path", HD_KEY_TEXT, AT(plugin_path), sizeof((struct hd_config *)0)->plugin_path, 0, 0, "", NULL, false, "directories with plugins, `:` between; empty: those beside the program"},
    {"control", HD_KEY_TEXT, AT(control), sizeof((struct hd_config *)0)->control, 0, 0, "", NULL, false, "control socket; empty: data_dir/hadron.sock"},

    {"engine.shards", HD_KEY_U32, AT(shards), 0, 1, HD_SHARDS_MAX, "1", NULL, false, "engines that the instruments are spread over"},
    {"engine.threads", HD_KEY_BOOL, AT(threads), 0, 0, 0, "false", NULL, false, "live: a thread per shard and one for trading; false: run to completion on one thread"},
    {"engine.lane_ticks", HD_KEY_U32, AT(lane_ticks), 0, 64, 1 << 22, "4096", NULL, false, "ticks per shard and lane; a power of two"},
    {"engine.errors_max", HD_KEY_U32, AT(errors_max), 0, 0, 1000000, "10", NULL, false, "failing callbacks in a row after which an instance is fenced; 0: never"},
    {"engine.measure_every", HD_KEY_U32, AT(measure_every), 0, 0, 1 << 20, "64", NULL, false, "ticks per measured one; a power of two; 0: no latencies"},
    {"engine.volatility_decay", HD_KEY_REAL, AT(volatility_decay), 0, 0, 1, "0.94", NULL, false, "weight of the old variance in the EWMA"},

    {"engine.placements", HD_KEY_CHOICE, AT(placements), 0, 0, 0, "inline", "inline as-configured", false, "backtest and replay: inline: all strategies run in the one thread; as-configured: where their sections say, in lock-step with it"},
    {"engine.hang_after", HD_KEY_DURATION, AT(hang_after_ns), 0, 0, INT64_MAX, "5s", NULL, false, "a strategy in a thread of its own that is through with nothing for so long, while ticks wait, is fenced; a worker process that is not heard for so long is killed and started again; 0s: threads never, processes 2 s"},
    {"engine.handover_max", HD_KEY_DURATION, AT(handover_max_ns), 0, 1000000, INT64_C(60000000000), "50ms", NULL, false, "a swap that holds the ticks of a shard for longer, while its instances save, load and start, is refused"},
    {"engine.worker_restarts", HD_KEY_U32, AT(worker_restarts), 0, 0, 1000, "5", NULL, false, "how often within 30 s a worker process that has ended is started again; then it is fenced"},
    {"engine.worker_memory", HD_KEY_BYTES, AT(worker_memory_max), 0, INT64_C(64) << 20, INT64_MAX, "1GiB", NULL, false, "address space of a worker process, the program's own 300 MiB included; what it asks for beyond this it does not get"},

    {"account.currency", HD_KEY_TEXT, AT(currency), sizeof((struct hd_config *)0)->currency, 0, 0, "USD", NULL, false, "of cash and P&L"},
    {"account.cash", HD_KEY_MONEY, AT(cash), 0, 0, INT64_MAX, "1000000", NULL, false, "at the start, shared out to the strategies"},

    {"universe.open", HD_KEY_BOOL, AT(universe_open), 0, 0, 0, "true", NULL, false, "venues may add instruments that are not listed"},
    {"universe.max", HD_KEY_U32, AT(universe_max), 0, 1, HD_INSTRUMENTS_MAX, "1024", NULL, false, "instruments at most"},

    {"normalize.skew", HD_KEY_DURATION, AT(normalize.skew_ns), 0, 0, INT64_MAX, "5s", NULL, true, "how far event times may run ahead or backward; 0s: not checked"},
    {"normalize.stale", HD_KEY_DURATION, AT(normalize.stale_ns), 0, 0, INT64_MAX, "0s", NULL, true, "older ticks are refused; 0s: not checked"},
    {"normalize.stale_flag", HD_KEY_DURATION, AT(normalize.stale_flag_ns), 0, 0, INT64_MAX, "0s", NULL, true, "older ticks are flagged; 0s: never"},
    {"normalize.outlier_bps", HD_KEY_I64, AT(normalize.outlier_bps), 0, 0, 1000000, "2000", NULL, true, "distance from the last good price that is refused; 0: not checked"},
    {"normalize.outlier_patience", HD_KEY_U32, AT(normalize.outlier_patience), 0, 0, 1000, "5", NULL, true, "refusals in a row after which the market has moved"},
    {"normalize.grid", HD_KEY_BOOL, AT(normalize.grid), 0, 0, 0, "false", NULL, true, "prices must be on the instrument's increment"},
    {"normalize.crossed", HD_KEY_BOOL, AT(normalize.crossed), 0, 0, 0, "false", NULL, true, "crossed quotes are accepted"},
    {"normalize.contiguous", HD_KEY_BOOL, AT(normalize.contiguous), 0, 0, 0, "false", NULL, true, "venue sequences have no natural holes: a jump is a gap"},

    {"router.volatile_above", HD_KEY_REAL, AT(lanes.volatile_above), 0, 0, 10, "0.001", NULL, true, "per-second standard deviation above which an instrument goes FAST; 0: never"},

    {"gateway.orders_max", HD_KEY_U32, AT(gateway.orders_max), 0, 16, 1 << 22, "4096", NULL, false, "orders known at once"},
    {"gateway.ids_max", HD_KEY_U32, AT(gateway.ids_max), 0, 0, 1 << 26, "1048576", NULL, false, "client order ids remembered per UTC day, 0: four times orders_max; when they are used up new orders are denied until midnight, with an alert"},
    {"gateway.resend", HD_KEY_BOOL, AT(gateway.resend), 0, 0, 0, "false", NULL, true, "an order that never arrived is sent once more with the same id; else it is rejected"},
    {"gateway.alert_after", HD_KEY_DURATION, AT(gateway.alert_after_ns), 0, 0, INT64_MAX, "0s", NULL, true, "an outcome unknown for this long alerts a person; 0s: ten times unknown_after"},
    {"gateway.unknown_after", HD_KEY_DURATION, AT(gateway.unknown_after_ns), 0, 1000000, INT64_MAX, "5s", NULL, true, "silence after a submit that makes its outcome unknown"},
    {"gateway.query_every", HD_KEY_DURATION, AT(gateway.query_every_ns), 0, 1000000, INT64_MAX, "2s", NULL, true, "how often a venue is asked about an unknown outcome"},
    {"gateway.query_max", HD_KEY_DURATION, AT(gateway.query_max_ns), 0, 0, INT64_MAX, "30s", NULL, true, "each question in vain doubles the wait for the next one, up to this; 0s: it stays query_every"},
    {"gateway.resend_within", HD_KEY_DURATION, AT(gateway.resend_within_ns), 0, 0, INT64_MAX, "10s", NULL, true, "an order older than this is never sent again; 0s: whatever its age"},
    {"gateway.day_end", HD_KEY_DAYTIME, AT(gateway.day_end_ns), 0, 0, 0, "never", NULL, true, "UTC time of day at which the host lets DAY orders expire: \"21:00\"; never: the venue does"},
    {"gateway.expires", HD_KEY_BOOL, AT(gateway.expires), 0, 0, 0, "false", NULL, true, "the host lets GTD and DAY orders expire"},
    {"gateway.orders_to", HD_KEY_TEXT, AT(orders_to), sizeof((struct hd_config *)0)->orders_to, 0, 0, "", NULL, false, "venue that takes all orders; empty: paper and backtest: the first that can; live: the instrument's own"},

    {"lua.memory_max", HD_KEY_BYTES, AT(lua_memory_max), 0, 65536, INT64_MAX, "32MiB", NULL, false, "memory of one script's state"},
    {"lua.instructions_max", HD_KEY_U64, AT(lua_instructions_max), 0, 1000, INT64_MAX, "200000", NULL, false, "steps of one callback, about one per instruction"},

    {"journal.enabled", HD_KEY_BOOL, AT(journal), 0, 0, 0, "true", NULL, false, "write the journal in data_dir/journal"},
    {"journal.ticks", HD_KEY_BOOL, AT(journal_ticks), 0, 0, 0, "true", NULL, false, "with the ticks as processed"},
    {"journal.rejects", HD_KEY_BOOL, AT(journal_rejects), 0, 0, 0, "true", NULL, false, "with the ticks that were refused"},
    {"journal.fsync", HD_KEY_BOOL, AT(journal_fsync), 0, 0, 0, "false", NULL, false, "an order is on the disk before it is sent"},
    {"journal.segment", HD_KEY_BYTES, AT(journal_segment), 0, 65536, INT64_C(1) << 32, "64MiB", NULL, false, "size of a segment; a multiple of 4096"},
    {"journal.snapshot_every", HD_KEY_U64, AT(snapshot_every), 0, 0, INT64_MAX, "1000000", NULL, false, "records between two snapshots of the state; one is made at a clean end and after a change of version too; 0: none"},
    {"journal.keep", HD_KEY_BYTES, AT(journal_keep), 0, 0, INT64_MAX, "0", NULL, false, "oldest segments beyond this are deleted once readers and snapshots can do without them; 0: kept"},
    {"journal.keep_for", HD_KEY_DURATION, AT(journal_keep_ns), 0, 0, INT64_MAX, "0s", NULL, false, "and those whose newest record is older than this; 0: kept"},

    {"sample.kind", HD_KEY_CHOICE, AT(sample_kind), 0, 0, 0, "equity", "equity crypto", false, "what is generated when a backtest or replay has no files: shares in sessions, or coins around the clock"},
    {"sample.instruments", HD_KEY_U32, AT(sample_instruments), 0, 0, 4096, "0", NULL, false, "how many; 0: 20 shares or 10 coins"},
    {"sample.names", HD_KEY_TEXT, AT(sample_names), sizeof((struct hd_config *)0)->sample_names, 0, 0, "", NULL, false, "theirs instead, with commas between; empty: SIM00, SIM01, ..."},
    {"sample.duration", HD_KEY_DURATION, AT(sample_duration_ns), 0, 1000000000, INT64_MAX, "1d", NULL, false, "of the sample, from `start`"},
    {"sample.seed", HD_KEY_U64, AT(sample_seed), 0, 1, INT64_MAX, "1", NULL, false, "of the sample; the same seed, the same ticks"},

    {"bus.heartbeat", HD_KEY_DURATION, AT(bus.heartbeat_ns), 0, 1000000, INT64_C(10000000000), "100ms", NULL, false, "sign of life of a stream that has nothing new"},
    {"bus.stale_after", HD_KEY_DURATION, AT(bus.stale_after_ns), 0, 1000000, INT64_C(600000000000), "300ms", NULL, false, "a strategy elsewhere that was not heard for so long is silent, and a decision on ticks that have newer ones for so long is refused"},
    {"bus.session_keep", HD_KEY_DURATION, AT(bus.session_keep_ns), 0, 0, INT64_C(86400000000000), "30s", NULL, false, "how long a session whose peer is gone can be gone on with"},
    {"bus.window", HD_KEY_U32, AT(bus.window), 0, 1, 4, "2", NULL, false, "answers that a session may have on their way"},
    {"bus.sessions_max", HD_KEY_U32, AT(bus.sessions_max), 0, 1, 256, "64", NULL, false, "sessions at once"},
    {"bus.decisions_per_second", HD_KEY_U32, AT(bus.decisions_per_second), 0, 1, 1000000, "1000", NULL, false, "of one external strategy; more are refused"},

    {"registry.enabled", HD_KEY_BOOL, AT(registry), 0, 0, 0, "true", NULL, false, "`hadron run` keeps versions and deployments; backtest and replay only if a plugin is named with its version"},
    {"registry.url", HD_KEY_TEXT, AT(registry_url), sizeof((struct hd_config *)0)->registry_url, 0, 0, "", NULL, false, "database of versions and deployments: sqlite:PATH or postgresql://...; empty: sqlite, data_dir/registry.db"},
    {"registry.store", HD_KEY_TEXT, AT(registry_store), sizeof((struct hd_config *)0)->registry_store, 0, 0, "", NULL, false, "directory of the artifacts; empty: data_dir/artifacts"},
    {"recovery.on_difference", HD_KEY_CHOICE, AT(on_difference), 0, 0, 0, "alarm", "adopt alarm stop", false, "a venue's position or open order that is not explained here: the house takes it over, a person is told, or trading stops until `hadron release`"},
    {"registry.policy", HD_KEY_CHOICE, AT(registry_policy), 0, 0, 0, "warn", "off warn require", false, "plugins without a good signature: taken, taken with a warning, refused"},
    {"registry.drop", HD_KEY_TEXT, AT(registry_drop), sizeof((struct hd_config *)0)->registry_drop, 0, 0, "", NULL, false, "drop folder; empty: data_dir/plugins; none: there is none"},
    {"registry.keys", HD_KEY_TEXT, AT(registry_keys), sizeof((struct hd_config *)0)->registry_keys, 0, 0, "", NULL, false, "directory of trusted public keys; empty: data_dir/keys"},

    {"report.equity_every", HD_KEY_DURATION, AT(equity_every_ns), 0, 1000000, INT64_MAX, "1d", NULL, false, "samples of the books, for the statistics"},
    {"report.periods_per_year", HD_KEY_REAL, AT(periods_per_year), 0, 0, 1e9, "0", NULL, false, "of those samples; 0: 252 for days, else by the calendar"},
    {"report.risk_free", HD_KEY_REAL, AT(risk_free), 0, -1, 10, "0", NULL, false, "per year"},
};
const uint32_t hd_config_key_count = sizeof hd_config_keys / sizeof *hd_config_keys;

#define STRATEGY_AT(field) offsetof(struct hd_config_strategy, field)
const struct hd_config_key hd_config_strategy_keys[] = {
    {"plugin", HD_KEY_TEXT, STRATEGY_AT(base.plugin), sizeof((struct hd_config_plugin *)0)->plugin, 0, 0, "", NULL, false, "name in the plugin path, or a file; empty: the section's name"},
    {"enabled", HD_KEY_BOOL, STRATEGY_AT(base.enabled), 0, 0, 0, "true", NULL, false, "false: as if the section were not there"},
    {"weight", HD_KEY_REAL, STRATEGY_AT(weight), 0, 0, 1000, "1", NULL, false, "in the allocator"},
    {"cash", HD_KEY_MONEY, STRATEGY_AT(cash), 0, 0, INT64_MAX, "0", NULL, false, "of its book; 0: an equal share"},
    {"size", HD_KEY_QUANTITY, STRATEGY_AT(size), 0, 0, INT64_MAX, "0", NULL, false, "of decisions that leave the size to the allocator"},
    {"role", HD_KEY_CHOICE, STRATEGY_AT(role), 0, 0, 0, "live", "live canary shadow", false, "shadow: trades in a simulated market alone"},
    {"venue", HD_KEY_TEXT, STRATEGY_AT(venue), HADRON_NAME_SIZE, 0, 0, "", NULL, false, "where its orders go; empty: the instrument's own"},
    {"placement", HD_KEY_CHOICE, STRATEGY_AT(placement), 0, 0, 0, "inline", "inline thread process remote auto", false, "where it runs live: on its shard, in a thread or a process of its own, on another machine; auto: process for a shared object without a good signature, thread for the rest"},
    {"on_silent", HD_KEY_CHOICE, STRATEGY_AT(on_silent), 0, 0, 0, "hold", "hold cancel flatten", false, "one that runs elsewhere hangs, fails or is gone: its open orders stay, or are cancelled, or its position is closed too"},
    {"external", HD_KEY_BOOL, STRATEGY_AT(external), 0, 0, 0, "false", NULL, false, "no plugin: whoever registers over the bus under the section's name decides (`bus.sessions`)"},
    {"deployment.split", HD_KEY_CHOICE, STRATEGY_AT(split), 0, 0, 0, "capital", "capital instrument", false, "how versions that trade side by side share: each all instruments with its weight, or each its own"},
    {"deployment.arrival", HD_KEY_CHOICE, STRATEGY_AT(arrival), 0, 0, 0, "nothing", "nothing shadow canary live", false, "what a new version does when it arrives, by the drop folder or `hadron registry add`"},
    {"deployment.canary_weight", HD_KEY_REAL, STRATEGY_AT(canary_weight), 0, 0, 1, "0.1", NULL, false, "part of the capital that a version gets which arrives as a canary"},
    {"deployment.warm", HD_KEY_DURATION, STRATEGY_AT(warm_ns), 0, 0, INT64_C(604800000000000), "10m", NULL, false, "how long a replaced version stays on, ready to be rolled back to; 0s: not at all"},
    {"deployment.gate", HD_KEY_U32, STRATEGY_AT(gate_sessions), 0, 0, 1000, "0", NULL, false, "recorded sessions that a version replays before it may trade; 0: none"},
    {"deployment.gate_accept", HD_KEY_REAL, STRATEGY_AT(gate_accept), 0, 0, 1, "0", NULL, false, "largest part of its decisions that may differ there from those of the live version"},
    {"deployment.guard.errors", HD_KEY_U64, STRATEGY_AT(guard.errors_max), 0, 0, INT64_MAX, "0", NULL, false, "failed callbacks after which a version is demoted; 0: not watched"},
    {"deployment.guard.latency_p99", HD_KEY_DURATION, STRATEGY_AT(guard.latency_p99_max_ns), 0, 0, INT64_MAX, "0s", NULL, false, "time of a callback above which it is; 0s: not watched"},
    {"deployment.guard.drawdown", HD_KEY_MONEY, STRATEGY_AT(guard.drawdown_max), 0, 0, INT64_MAX, "0", NULL, false, "loss from its own peak above which it is; 0: not watched"},
    {"deployment.governor.time", HD_KEY_DURATION, STRATEGY_AT(budget.time_max_ns), 0, 0, INT64_MAX, "0s", NULL, false, "budget of a callback: time; 0s: none"},
    {"deployment.governor.allocations", HD_KEY_U64, STRATEGY_AT(budget.allocations_max), 0, 0, INT64_MAX, "0", NULL, false, "budget of a callback: allocations; 0: none"},
    {"deployment.governor.errors", HD_KEY_U64, STRATEGY_AT(budget.errors_max), 0, 0, INT64_MAX, "0", NULL, false, "callbacks that may fail in a row; 0: engine.errors_max alone"},
    {"deployment.governor.watchdog", HD_KEY_DURATION, STRATEGY_AT(budget.watchdog_ns), 0, 0, INT64_MAX, "0s", NULL, false, "a callback that is not back by then stops the host, with its name; 0s: none"},
    {"deployment.governor.over", HD_KEY_U32, STRATEGY_AT(budget.over_max), 0, 0, UINT32_MAX, "0", NULL, false, "callbacks over budget before anything is done"},
    {"deployment.governor.action", HD_KEY_CHOICE, STRATEGY_AT(budget.action), 0, 0, 0, "warn", "warn fence disable", false, "what is done then"},
};
const uint32_t hd_config_strategy_key_count = sizeof hd_config_strategy_keys / sizeof *hd_config_strategy_keys;

#define PLUGIN_AT(field) offsetof(struct hd_config_plugin, field)
const struct hd_config_key hd_config_plugin_keys[] = {
    {"plugin", HD_KEY_TEXT, PLUGIN_AT(plugin), sizeof((struct hd_config_plugin *)0)->plugin, 0, 0, "", NULL, false, "name in the plugin path, or a file; empty: the section's name"},
    {"enabled", HD_KEY_BOOL, PLUGIN_AT(enabled), 0, 0, 0, "true", NULL, false, "false: as if the section were not there"},
};
const uint32_t hd_config_plugin_key_count = sizeof hd_config_plugin_keys / sizeof *hd_config_plugin_keys;

#define INSTRUMENT_AT(field) offsetof(struct hd_config_instrument, definition.field)
const struct hd_config_key hd_config_instrument_keys[] = {
    {"name", HD_KEY_TEXT, INSTRUMENT_AT(name), HADRON_SYMBOL_SIZE, 0, 0, NULL, NULL, false, "canonical name"},
    {"asset", HD_KEY_CHOICE, INSTRUMENT_AT(asset), 0, 0, 0, "equity", "equity forex crypto future event", false, "kind of instrument"},
    {"increment", HD_KEY_PRICE, INSTRUMENT_AT(increment), 0, 1, INT64_MAX, "0.01", NULL, false, "price grid"},
    {"lot", HD_KEY_QUANTITY, INSTRUMENT_AT(lot), 0, 1, INT64_MAX, "1", NULL, false, "size grid"},
    {"multiplier", HD_KEY_QUANTITY, INSTRUMENT_AT(multiplier), 0, 1, INT64_MAX, "1", NULL, false, "contract size"},
    {"price_min", HD_KEY_PRICE, INSTRUMENT_AT(price_min), 0, 0, INT64_MAX, "0", NULL, false, "sane bounds of a tick's price"},
    {"price_max", HD_KEY_PRICE, INSTRUMENT_AT(price_max), 0, 0, INT64_MAX, "0", NULL, false, "0: none"},
    {"size_max", HD_KEY_QUANTITY, INSTRUMENT_AT(size_max), 0, 0, INT64_MAX, "0", NULL, false, "sane bound of a tick's size; 0: none"},
    {"currency", HD_KEY_TEXT, INSTRUMENT_AT(currency), 8, 0, 0, "", NULL, false, "empty: the account's"},
};
const uint32_t hd_config_instrument_key_count = sizeof hd_config_instrument_keys / sizeof *hd_config_instrument_keys;

#define LISTEN_AT(field) offsetof(struct hd_config_listen, field)
#define LISTEN_FILE(field) LISTEN_AT(field), sizeof((struct hd_config_listen *)0)->field, 0, 0, "", NULL, false
#define LISTEN_URL {"url", HD_KEY_TEXT, LISTEN_AT(url), sizeof((struct hd_config_listen *)0)->url, 0, 0, NULL, NULL, false, "`ipc:///path`, `tcp://127.0.0.1:7007`, `tls+tcp://host:7007`, `ws://127.0.0.1:7008/bus`, `wss://host:7008/bus`"}
#define LISTEN_TLS                                                                                                                          \
  {"certificate", HD_KEY_TEXT, LISTEN_FILE(certificate), "PEM file, of `hadron cert issue`"}, {"key", HD_KEY_TEXT, LISTEN_FILE(key), "PEM file, mode 0600"}, \
      {"ca", HD_KEY_TEXT, LISTEN_FILE(ca), "PEM file: whose certificates are let in"}, {"crl", HD_KEY_TEXT, LISTEN_FILE(crl), "PEM file: which of them were revoked"},   \
      {"insecure", HD_KEY_BOOL, LISTEN_AT(insecure), 0, 0, 0, "false", NULL, false, "plain text beyond this machine is meant"}
const struct hd_config_key hd_config_session_keys[] = {
    LISTEN_URL,
    {"class", HD_KEY_CHOICE, LISTEN_AT(rights), 0, 0, 0, "trade", "read trade admin", false, "what peers may do at most"},
    {"tokens", HD_KEY_TEXT, LISTEN_FILE(tokens), "file of `hadron token`: who may come; empty: by certificate, or on this machine anybody who reaches the address"},
    LISTEN_TLS,
};
const uint32_t hd_config_session_key_count = sizeof hd_config_session_keys / sizeof *hd_config_session_keys;
const struct hd_config_key hd_config_feed_keys[] = {
    LISTEN_URL,
    {"publish", HD_KEY_CHOICE, LISTEN_AT(publish), 0, 0, 0, "ticks", "ticks events", false, "ticks, or everything else that the journal tells"},
    LISTEN_TLS,
};
const uint32_t hd_config_feed_key_count = sizeof hd_config_feed_keys / sizeof *hd_config_feed_keys;

// ---- checks that need more than one value -----------------------------------------------------------------------------------------

static bool is_power_of_two(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

static bool has_venue(const struct hd_config *c, const char *name) {
  for (uint32_t i = 0; i < c->venue_count; i++)
    if (strcmp(c->venues[i].name, name) == 0) return true;
  return false;
}

static void check_symbols(struct hd_config *c, struct hd_config_reader *r) {
  for (uint32_t i = 0; i < c->instrument_count; i++)
    for (uint32_t k = 0; k < c->instruments[i].symbol_count; k++) {
      char path[128];
      const char *venue = c->instruments[i].symbols[k].venue;
      snprintf(path, sizeof path, "universe.instruments[%u].symbols.%.64s", i + 1, venue);
      if (!has_venue(c, venue)) hd_config_wrong(r, path, "expected the name of a venue in `venues`, found \"%.64s\"", venue);
    }
}

static void check_listeners(const struct hd_config_listen *rows, uint32_t count, const char *name, struct hd_config_reader *r) {
  if (count > HD_BUS_LISTENERS_MAX) hd_config_wrong(r, name, "expected at most %d addresses, found %u", HD_BUS_LISTENERS_MAX, count);
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_config_listen *l = &rows[i];
    char path[64];
    struct hd_fault fault;
    const struct hd_bus_listen listen = {.url = l->url, .certificate = l->certificate[0] ? l->certificate : NULL, .key = l->key[0] ? l->key : NULL,
                                         .ca = l->ca[0] ? l->ca : NULL, .insecure = l->insecure};
    snprintf(path, sizeof path, "%s[%u]", name, i + 1);
    if (hd_listen_check(&listen, &fault)) hd_config_wrong(r, path, "%s", fault.text);
  }
}

void hd_config_check(struct hd_config *c, struct hd_config_reader *r) {
  check_listeners(c->bus.sessions, c->bus.session_count, "bus.sessions", r);
  check_listeners(c->bus.feeds, c->bus.feed_count, "bus.feeds", r);
  if (c->bus.stale_after_ns < 2 * c->bus.heartbeat_ns) hd_config_wrong(r, "bus.stale_after", "expected at least twice bus.heartbeat, which is all that is heard of an idle peer");
  if (c->bus.feed_count > 0 && !c->journal && c->mode != HADRON_MODE_BACKTEST) hd_config_wrong(r, "journal.enabled", "feeds are read from the journal: expected true, found false");
  if (!is_power_of_two(c->lane_ticks)) hd_config_wrong(r, "engine.lane_ticks", "expected a power of two, found %u", c->lane_ticks);
  if (c->measure_every && !is_power_of_two(c->measure_every))
    hd_config_wrong(r, "engine.measure_every", "expected 0 or a power of two, found %u", c->measure_every);
  if (c->journal_segment % 4096) hd_config_wrong(r, "journal.segment", "expected a multiple of 4096 bytes, found %llu", (unsigned long long)c->journal_segment);
  if (c->volatility_decay <= 0 || c->volatility_decay >= 1) hd_config_wrong(r, "engine.volatility_decay", "expected a number between 0 and 1, found %g", c->volatility_decay);
  if (c->venue_count == 0) hd_config_wrong(r, "venues", "expected at least one venue, found none");
  check_symbols(c, r);
  // A backtest leaves journal and services out unless it is told otherwise.
  if (c->service_count > 0 && !c->journal && c->mode != HADRON_MODE_BACKTEST) hd_config_wrong(r, "journal.enabled", "services read the journal: expected true, found false");
}
