// Hadron SDK: strategies. A strategy turns ticks into decisions.
//
// One instance per (arm, instrument) with scope INSTRUMENT; one per arm, with its whole universe, with scope UNIVERSE.
// Instances never see each other. All callbacks of an instance run on the one shard that owns its instruments, one at a time,
// and must not block, allocate or call the system; what they want goes out through `decide`.
#ifndef HADRON_STRATEGY_H
#define HADRON_STRATEGY_H

#include "hadron/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

enum hadron_scope {
  HADRON_SCOPE_INVALID = 0,
  HADRON_SCOPE_INSTRUMENT = 1,
  HADRON_SCOPE_UNIVERSE = 2,
};

// Bits of hadron_strategy_api.triggers: which callbacks the engine calls.
enum hadron_trigger {
  HADRON_ON_TRADE = 1,
  HADRON_ON_QUOTE = 2,
  HADRON_ON_BOOK = 4,
  HADRON_ON_STATUS = 8,
  HADRON_ON_BAR = 16,       // needs `bars`
  HADRON_ON_EXECUTION = 32, // executions of this arm's orders
  HADRON_ON_ORDER = 64,     // order events of this arm's orders
};

// The engine's view of one instrument, up to date with the tick being handled. borrowed(call).
struct hadron_market {
  uint64_t sequence;   // of the last tick (host)
  int64_t event_ns;    // of the last tick (venue)
  struct hadron_price last;          // last trade; 0 if none yet
  struct hadron_quantity last_size;
  struct hadron_price bid, ask;      // best quote; 0 if that side is empty or not known
  struct hadron_quantity bid_size, ask_size;
  struct hadron_quantity position;   // this arm's, signed (host)
  struct hadron_quantity working_buy, working_sell; // this arm's open orders (host)
  struct hadron_price average_entry; // of that position; 0 when flat
  struct hadron_price increment;     // price grid
  struct hadron_quantity lot;        // size grid
  double volatility;                 // EWMA standard deviation of the per-second log return; 0 until known
  uint32_t instrument;
  uint8_t state;                     // enum hadron_market_state; OPEN unless the venue says otherwise
  uint8_t pad[3];
};
HADRON_SIZE(hadron_market, 128);

// Bars that a strategy asks for.
struct hadron_bar_request {
  uint32_t kind;     // enum hadron_bar_kind
  uint32_t pad;
  int64_t interval;  // ns, ticks, or 1e-8 units, by kind; > 0
};

// What an instance is made for. borrowed(call) in create; copy what is kept.
struct hadron_strategy_context {
  uint32_t struct_size;
  uint32_t arm;
  const uint32_t *instruments; // its universe: 1 instrument, or all with scope UNIVERSE, ascending
  uint32_t instrument_count;
  uint32_t pad;
};

struct hadron_strategy_api {
  uint32_t struct_size;
  uint32_t triggers; // enum hadron_trigger bits
  uint32_t scope;    // enum hadron_scope
  uint32_t pad;

  // Makes an instance. Parameters are set after this and before `start`. [control & loaded]
  // @param host     static until destroy
  // @own   context  borrowed(call)
  // @own   self     owned by the plugin, given back to destroy; untouched on failure
  // @err   HADRON_ERR_*  any: the instance is not activated, the code is reported
  // @since 1.0
  int32_t (*create)(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self);

  // Frees an instance; accepts one whose start failed. [control & created, stopped]
  // @since 1.0
  void (*destroy)(void *self);

  // Parameters are in; asks for bars, timers and features here. May be NULL. [control & created]
  // @err   HADRON_ERR_*  any: as in create
  // @since 1.0
  int32_t (*start)(void *self);

  // One tick of the universe that `triggers` asks for. May be NULL when no tick trigger is set. [shard & active] [nonblocking]
  // @own   tick, market  borrowed(call)
  // @err   HADRON_ERR_*  counted against the plugin; the tick is not offered again
  // @since 1.0
  int32_t (*on_tick)(void *self, const struct hadron_tick *tick, const struct hadron_market *market);

  // One finished bar. NULL unless ON_BAR. [shard & active] [nonblocking]
  // @own   bar, market  borrowed(call)
  // @since 1.0
  int32_t (*on_bar)(void *self, const struct hadron_bar *bar, const struct hadron_market *market);

  // This arm's share of an execution. NULL unless ON_EXECUTION. [shard & active] [nonblocking]
  // @own   allocation, market  borrowed(call)
  // @since 1.0
  int32_t (*on_execution)(void *self, const struct hadron_allocation *allocation, const struct hadron_market *market);

  // A transition of one of this arm's orders. NULL unless ON_ORDER. [shard & active] [nonblocking]
  // @own   event, market  borrowed(call)
  // @since 1.0
  int32_t (*on_order)(void *self, const struct hadron_order_event *event, const struct hadron_market *market);
};

// Capability "hadron.strategy/1", host side.
struct hadron_strategy_host {
  uint32_t struct_size;
  uint32_t pad;

  // Says what the strategy wants. The host stamps trace, cause, id, time and arm. [shard & active] [nonblocking]
  // @own   decision  borrowed(call)
  // @err   HADRON_ERR_ARGUMENT  a field is out of its range, or the instrument is not in the universe
  // @err   HADRON_ERR_FULL      more decisions for one tick than limits.h allows; counted
  // @since 1.0
  int32_t (*decide)(struct hadron_instance *instance, const struct hadron_decision *decision);

  // The view of any instrument of the universe; NULL if it is not in it. [shard & active] [nonblocking]
  // @own   result  borrowed(call): until the callback returns
  // @since 1.0
  const struct hadron_market *(*market)(struct hadron_instance *instance, uint32_t instrument);

  // Canonical name of an instrument of the universe; NULL if it is not in it. [any & created, active]
  // @own   result  static for the session
  // @since 1.0
  const char *(*name)(struct hadron_instance *instance, uint32_t instrument);

  // Asks for bars of every instrument of the universe. [control & created] (from `start`)
  // @own   request  borrowed(call)
  // @err   HADRON_ERR_ARGUMENT  kind or interval out of range
  // @err   HADRON_ERR_FULL      more kinds of bars than limits.h allows
  // @since 1.0
  int32_t (*bars)(struct hadron_instance *instance, const struct hadron_bar_request *request);
};

#ifdef __cplusplus
}
#endif

#endif
