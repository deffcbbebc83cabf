// The scripted market and the fake host that strategies are validated against: a seeded walk of prices over a few instruments, with
// quotes, halts, bars, timers and fills. The same seed gives the same script, to the byte. [the child]
#ifndef HD_SDK_VALIDATE_MARKET_H
#define HD_SDK_VALIDATE_MARKET_H

#include "base/limits.h"
#include "base/random.h"
#include "sdk/validate/trial.h"

#define MARKET_INSTRUMENTS 3
#define MARKET_TICKS 3000
#define MARKET_TIMERS 64
#define MARKET_START_NS INT64_C(1704207600000000000) // 2024-01-02T15:00:00Z

struct market {
  struct trial *trial;
  struct hadron_instance instance;
  struct hd_random random;   // of the script
  uint32_t instruments[MARKET_INSTRUMENTS];
  uint32_t count;            // how many are in the universe
  struct hadron_market views[MARKET_INSTRUMENTS];
  struct hadron_bar_request bars[HD_BAR_KINDS_MAX];
  uint32_t bar_count;
  struct {
    uint64_t id;
    int64_t due_ns;
    bool set;
  } timers[MARKET_TIMERS];
  struct hadron_decision pending[HD_TICK_DECISIONS_MAX];
  uint32_t pending_count;
  int64_t now_ns, step_ns;
  uint64_t sequence, decisions, refused;
  uint32_t digest;           // CRC-32C over all decisions
  bool measured;             // its callbacks count in the report
  char refusal[160];         // the first refused decision
};

// Makes the host's side and creates the plugin's instance. optional: offer what is not required too.
int32_t market_open(struct market *m, struct trial *t, uint64_t seed, bool optional, struct hd_fault *fault);
// Plays `ticks` more ticks of the script, with all that comes with them.
void market_play(struct market *m, uint32_t ticks);
// The strategy's instance becomes another one; the script goes on where it is.
void market_close(struct market *m);

#endif
