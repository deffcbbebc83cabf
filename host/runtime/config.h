// The configuration: one typed struct, filled from a Lua file by one table of keys (name, type, unit, bounds, default, whether it may
// change while running). The same table checks, explains (`hadron run --check`, docs/config.md), takes `--set key=value` and prints
// the effective configuration, which is journaled at the start.
//
// Named sections (venues, strategies, services, instruments) are lists here, in ascending order of their names.
#ifndef HD_RUNTIME_CONFIG_H
#define HD_RUNTIME_CONFIG_H

#include "pipeline/pipeline.h"
#include "plugin/params.h"
#include "registry/deployment.h"

struct hd_config_source; // config.c: the tree that the file was read into, and the text of what was made of it

struct hd_config_error {
  int line;         // 0: not of a line (a --set)
  char text[512];   // "engine.shards: expected an integer from 1 to 64, found "four""
};

// A plugin to load, with its parameters as text; the plugin's own table parses and checks them.
struct hd_config_plugin {
  char name[HADRON_NAME_SIZE];      // of the section: "sim", "sma_fast"
  char plugin[256];                 // name in the plugin path, or a file
  int line;                         // where the section stands
  struct hd_param_value *params;    // as text, with their place; [0 .. param_count)
  uint32_t param_count;
  bool enabled;
};

struct hd_config_strategy {
  struct hd_config_plugin base;
  const char **universe;            // names or globs ("BTC*"), [0 .. universe_count); none: all
  uint32_t universe_count;
  double weight;
  struct hadron_money cash;         // 0: an equal share of account.cash
  struct hadron_quantity size;      // of decisions that leave the size to the allocator
  uint32_t role;                    // 1 live, 2 canary, 3 shadow
  char venue[HADRON_NAME_SIZE];     // where its orders go; "": the instrument's own
  struct hd_limits risk;            // all zero: none of its own
  uint32_t placement;               // enum hd_placement
  uint32_t on_silent;               // enum hd_on_silent
  bool external;                    // no plugin: whoever registers over the bus under its name (card.h)
  const char **bars;                // external: what it gets besides ticks, as they are written ("1m", "tick:100", "volume:10"), [0 .. bar_count)
  struct hadron_bar_request bar_requests[HD_BAR_KINDS_MAX];
  uint32_t bar_count;
  // What its deployment begins with; from then on the registry's revision rules.
  uint32_t split, arrival;          // enum hd_split, enum hd_arrival
  double canary_weight, gate_accept;
  int64_t warm_ns;
  uint32_t gate_sessions;
  struct hd_guard guard;
  struct hd_budget budget;
};

struct hd_config_symbol {
  const char *venue, *symbol;
};

// An address of the bus.
struct hd_config_listen {
  char url[256];
  uint32_t rights;                  // sessions: what peers may do at most: 1 read, 2 trade, 3 admin
  uint32_t publish;                 // feeds: 1 ticks, 2 events
  char tokens[512], certificate[512], key[512], ca[512], crl[512]; // files; "": none
  bool insecure;
  int line;
};

struct hd_config_instrument {
  struct hd_instrument definition;
  struct hd_config_symbol *symbols; // [0 .. symbol_count); none: its name, at every venue
  uint32_t symbol_count;
  struct hd_limits risk;            // all zero: none of its own
  int line;
};

struct hd_config {
  // mode and clock
  uint32_t mode;                    // enum hadron_mode; LIVE needs `hadron run --live` as well
  uint64_t seed;
  int64_t start_ns;                 // where a virtual clock without recorded ticks begins
  char data_dir[512];               // journal, SQLite, sockets; relative to the working directory
  char plugin_path[1024];           // directories, ':' between; "": the build's and data_dir/plugins
  // engine
  uint32_t shards, lane_ticks, errors_max, measure_every;
  bool threads;                     // live: shard and trade threads; false: one thread, run to completion
  double volatility_decay;
  uint32_t placements;              // on a virtual clock: 1 all run inline, 2 where they are configured, in lock-step
  int64_t hang_after_ns;            // a thread that is through with nothing, a worker that is not heard for so long hangs; 0: not looked at
  int64_t handover_max_ns;          // saving, loading and starting all instances of a shard in a swap
  uint32_t worker_restarts;         // within 30 s; one more end is the last
  uint64_t worker_memory_max;       // bytes of address space of a worker
  // account
  char currency[8];
  struct hadron_money cash;
  // universe
  bool universe_open;
  uint32_t universe_max;
  struct hd_config_instrument *instruments;
  uint32_t instrument_count;
  const char *(*correlated)[2];     // pairs of names, [0 .. correlated_count)
  uint32_t correlated_count;
  // stages
  struct hd_normalize_options normalize;
  struct hd_lane_rules lanes;
  struct hd_limits limits;
  struct hd_gateway_options gateway;
  char orders_to[HADRON_NAME_SIZE]; // name of the venue that takes all orders in paper and backtest; "": each its own
  // plugins
  struct hd_config_plugin *venues, *services;
  struct hd_config_strategy *strategies;
  struct hd_config_plugin allocator;
  struct hd_config_plugin shadow;   // market of the shadow arms; no plugin: the one that paper orders go to, else sim
  uint32_t venue_count, service_count, strategy_count;
  // lua
  uint64_t lua_memory_max, lua_instructions_max;
  // recovery
  uint32_t on_difference; // enum hd_difference
  uint64_t snapshot_every; // records

  // journal
  bool journal, journal_ticks, journal_rejects, journal_fsync;
  uint64_t journal_segment, journal_keep; // bytes
  int64_t journal_keep_ns;
  // report
  int64_t equity_every_ns;          // samples of equity: 1d for daily statistics
  double periods_per_year;          // of those samples; 0: from equity_every (252 days, else by the calendar)
  double risk_free;                 // per year, for Sharpe
  // sample: what is generated for a backtest without files
  uint32_t sample_kind;             // 1 equity, 2 crypto
  uint32_t sample_instruments;      // 0: the kind's usual number
  char sample_names[1024];          // theirs, ',' between; "": SIM00, ...
  int64_t sample_duration_ns;
  uint64_t sample_seed;
  // registry
  char registry_url[512];           // of its database; "": data_dir/registry.db
  char registry_store[512];         // directory of its artifacts; "": data_dir/artifacts
  char registry_drop[512];          // drop folder; "": data_dir/plugins; "none": none
  char registry_keys[512];          // directory of trusted public keys; "": data_dir/keys
  uint32_t registry_policy;         // enum hd_registry_policy
  bool registry;                    // false: versions are not kept
  // bus
  struct {
    int64_t heartbeat_ns, stale_after_ns, session_keep_ns;
    uint32_t window, sessions_max, decisions_per_second;
    struct hd_config_listen *sessions, *feeds;
    uint32_t session_count, feed_count;
  } bus;
  // control
  char control[512];                // path of the control socket; "": data_dir/hadron.sock
  // source
  struct hd_config_source *source;  // owned: what all pointers above point into
  char path[1024];
};

#define HD_CONFIG_ERRORS_MAX 64

// Reads a file and applies `sets` ("engine.shards=4", also below a named section: "strategies.sma.params.fast=5"). All errors are
// found at once; returns how many (0: `config` is good), at most HD_CONFIG_ERRORS_MAX are kept. [control]
uint32_t hd_config_load(struct hd_config *config, const char *path, const char *const *sets, uint32_t set_count,
                        struct hd_config_error *errors);
void hd_config_fini(struct hd_config *config);

// The --set that it was loaded with, for a child that loads it again: "key=value".
uint32_t hd_config_set_count(const struct hd_config *config);
void hd_config_set_text(const struct hd_config *config, uint32_t index, char *to, size_t size);

// The effective configuration as text, one `path = value` a line, secrets redacted. Returns bytes needed, as snprintf. [control]
size_t hd_config_print(const struct hd_config *config, char *to, size_t size);
// Reads such a text again: it gives a configuration that prints the same. name: for errors. [control]
uint32_t hd_config_load_text(struct hd_config *config, const char *name, const char *text, size_t size, const char *const *sets,
                             uint32_t set_count, struct hd_config_error *errors);

#endif
