// Lua strategies: what makes a script look like a shared object. The loader opens scripts by hd_lua_language; from then on the
// engine calls them through the same struct hadron_strategy_api, and params, state and timers work by the same tables.
//
// The instances of one arm on one shard (those with the same metric_owner) share a Lua state: the text is compiled once, and run
// once per instance, so that each has locals, functions and a table of its own. Globals cannot be written, so nothing is shared.
//
// bound  struct hd_lua_limits  full  HADRON_ERR_BUDGET fences the instance, HADRON_ERR_MEMORY all instances of the state; the
//        callbacks of a fenced instance return its code and do nothing. An error that the script raises fences nothing: HADRON_ERR_SCRIPT
// thread create, destroy, start: [control]; callbacks: the shard's; instances of one metric_owner never at the same time
#ifndef HD_LUA_RUNTIME_H
#define HD_LUA_RUNTIME_H

#include "lua/sandbox.h"
#include "plugin/loader.h"

extern const struct hd_plugin_language hd_lua_language;

// Limits of scripts that are opened from now on; NULL: the defaults. [control]
void hd_lua_limits_set(const struct hd_lua_limits *limits);

// The bars that a card (hd_plugin_external) asks for, for whoever comes under its name. borrowed: static.
uint32_t hd_lua_bars(const struct hd_plugin *card, const struct hadron_bar_request **out);

// Lua states that are open, and their bytes. [control]
void hd_lua_usage(uint64_t *states, uint64_t *bytes);

#endif
