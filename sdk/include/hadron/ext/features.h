// Capability "hadron.features/1", host side: derived series that the engine keeps for an instrument once somebody asks, shared
// by all strategies of the shard.
#ifndef HADRON_EXT_FEATURES_H
#define HADRON_EXT_FEATURES_H

#include "hadron/plugin.h"

#define HADRON_CAP_FEATURES "hadron.features/1"

enum hadron_feature {
  HADRON_FEATURE_INVALID = 0,
  HADRON_FEATURE_VOLATILITY = 1, // EWMA standard deviation of the per-second log return
  HADRON_FEATURE_SPREAD = 2,     // ask - bid over mid; 0 without both sides
  HADRON_FEATURE_IMBALANCE = 3,  // (bid size - ask size) / (bid size + ask size), [-1, 1]
  HADRON_FEATURE_MID = 4,        // (bid + ask) / 2 as a double, else the last trade
};

struct hadron_features {
  uint32_t struct_size;
  uint32_t pad;

  // Reads a feature of an instrument of the universe. [shard & active] [nonblocking]
  // @param feature  enum hadron_feature
  // @own   value    filled on success
  // @err   HADRON_ERR_NOT_FOUND  not in the universe, or no such feature
  // @since 1.0
  int32_t (*read)(struct hadron_instance *instance, uint32_t instrument, uint32_t feature, double *value);
};

#endif
