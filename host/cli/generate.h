// Samples of market data: the simulated exchange (plugin `sim`, flow = random) run on a virtual clock with a host of a few functions,
// its ticks written down. The same settings give the same bytes, so that a sample can be named by its settings and made anew anywhere.
//
// takes  settings         gives  CSV of trades or quotes that the replay venue reads by itself, or both kinds in one .hdt file
// thread [control]
#ifndef HD_CLI_GENERATE_H
#define HD_CLI_GENERATE_H

#include "runtime/config.h"

#define HD_SAMPLE_SETS_MAX 32

struct hd_sample {
  uint32_t kind;          // 1 equity: weekdays 14:30-21:00 UTC; 3 crypto: around the clock (the assets of struct hadron_listing)
  uint32_t instruments;   // how many
  const char *names;      // theirs, one per line; NULL: the kind's usual ones
  int64_t start_ns, duration_ns;
  uint64_t seed;          // > 0
  bool quotes;            // .csv: quotes instead of trades; .hdt has both
  struct hd_param_value sets[HD_SAMPLE_SETS_MAX]; // params of the plugin `sim`, on top of the kind's
  uint32_t set_count;
};

struct hd_sample_report {
  uint64_t ticks, trades, quotes, bytes;
  int64_t first_ns, last_ns;
  uint32_t instruments;
};

// Defaults of a kind: 20 equities for a day, 10 coins for a day.
void hd_sample_init(struct hd_sample *sample, uint32_t kind);

// Writes `out`, whole or not at all. `config` says where plugins lie. HADRON_ERR_*, with words.
int32_t hd_sample_write(const struct hd_sample *sample, const struct hd_config *config, const char *out, struct hd_sample_report *report,
                        struct hd_fault *fault);

#endif
