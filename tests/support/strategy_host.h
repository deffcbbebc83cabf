// A host for one strategy plugin, shared object or script: the real loader, instances, parameters and state, and a stand-in for the
// engine that keeps every decision, timer and bar request for the test to look at.
#ifndef TEST_SUPPORT_STRATEGY_HOST_H
#define TEST_SUPPORT_STRATEGY_HOST_H

#include "base/limits.h"
#include "hadron/ext/features.h"
#include "hadron/ext/timer.h"
#include "plugin/instance.h"
#include "plugin/params.h"
#include "plugin/state.h"

#define STRATEGY_HOST_DECISIONS 65536
#define STRATEGY_HOST_TIMERS 64
#define STRATEGY_HOST_INSTRUMENTS 16

struct strategy_host {
  struct hadron_instance instance;
  const struct hd_plugin *plugin;
  const struct hadron_strategy_api *api;
  int64_t now_ns;
  uint64_t sequence;
  struct hadron_market markets[STRATEGY_HOST_INSTRUMENTS + 1]; // by instrument
  uint32_t instruments[STRATEGY_HOST_INSTRUMENTS];
  uint32_t instrument_count;
  struct hadron_decision *decisions; // [STRATEGY_HOST_DECISIONS]
  uint32_t decision_count;
  int32_t decide_error; // what decide() says; 0: it takes the decision
  struct {
    uint64_t id;
    int64_t due_ns;
  } timers[STRATEGY_HOST_TIMERS];
  uint32_t timer_count;
  struct hadron_bar_request bars[HD_BAR_KINDS_MAX];
  uint32_t bar_count;
};

// Opens the plugin file and makes one instance for instruments 1..instrument_count, parameters applied, started. `params`: pairs of
// name and value, ended by NULL; NULL: none. On failure nothing is left to close.
int32_t strategy_host_open(struct strategy_host *h, const char *path, uint32_t instrument_count, const char *const *params, struct hd_fault *fault);
// The same, of a plugin that is open, without `start`: to load a state first.
int32_t strategy_host_create(struct strategy_host *h, const struct hd_plugin *plugin, const char *name, uint32_t instrument_count,
                             const char *const *params, struct hd_fault *fault);
void strategy_host_close(struct strategy_host *h);

// Writes `text` to a file of its own in the temporary directory and opens it as a script.
int32_t strategy_host_script(struct strategy_host *h, const char *text, const char *const *params, struct hd_fault *fault);
int32_t strategy_host_load(const char *text, const struct hd_plugin **plugin, struct hd_fault *fault);

// Update the market and call the instance. What the callback returned.
int32_t strategy_host_trade(struct strategy_host *h, uint32_t instrument, int64_t price_nanos, int64_t quantity_e8);
int32_t strategy_host_quote(struct strategy_host *h, uint32_t instrument, int64_t bid, int64_t ask, int64_t bid_size, int64_t ask_size);
int32_t strategy_host_tick(struct strategy_host *h, const struct hadron_tick *tick); // as it is, but for the sequence
int32_t strategy_host_bar(struct strategy_host *h, const struct hadron_bar *bar);
// Fires what is due, in order of time; returns how many, or an error.
int32_t strategy_host_advance(struct strategy_host *h, int64_t now_ns);
void strategy_host_position(struct strategy_host *h, uint32_t instrument, int64_t quantity_e8, int64_t average_nanos);

#endif
