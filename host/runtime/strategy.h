// The host's side of the strategy capabilities, for whoever makes instances over an engine: the owner of such an instance is its
// struct hd_engine_instance. [as hadron/strategy.h says]
#ifndef HD_RUNTIME_STRATEGY_H
#define HD_RUNTIME_STRATEGY_H

#include "plugin/capability.h"

extern const struct hd_capability hd_strategy_capabilities[];
int64_t hd_strategy_now(void *owner);

#endif
