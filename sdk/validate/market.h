// The scripted market and the fake host that strategies are validated against: a seeded walk of prices over a few instruments, with
// quotes, halts, bars, timers and fills. The same seed gives the same script, to the byte. [the child]
#ifndef HD_SDK_VALIDATE_MARKET_H
#define HD_SDK_VALIDATE_MARKET_H

#include "base/limits.h"
#include "base/random.h"
#include "plugin/probe.h"
#include "sdk/validate/trial.h"

#define MARKET_INSTRUMENTS 3
#define MARKET_TICKS 3000
#define MARKET_TIMERS 64
#define MARKET_START_NS INT64_C(1704207600000000000) // 2024-01-02T15:00:00Z

struct market_setup {
  uint64_t seed;
  bool optional; // offer what is not required too
  const struct hd_probe_instrument *instruments; // borrowed(until close); NULL: made-up ones
  uint32_t instrument_count;
};

struct market {
  struct trial *trial;
  struct hadron_instance instance;
  struct hd_random random;   // of the script
  const struct hd_probe_instrument *definitions;
  uint32_t *instruments;     // ids, ascending
  struct hadron_market *views;
  uint32_t *turns;           // ticks of each so far
  uint32_t count;            // how many are in the universe
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

// Makes the host's side and creates the plugin's instance. To be closed also if it failed.
int32_t market_open(struct market *m, struct trial *t, const struct market_setup *setup, struct hd_fault *fault);
// Plays `ticks` more ticks of the script, with all that comes with them.
void market_play(struct market *m, uint32_t ticks);
// Plays a given tick instead, at its own time; one of another universe is passed over.
void market_take(struct market *m, const struct hadron_tick *tick);
// Goes on where another market of the same universe stands: its script, positions and timers. The instance stays its own.
void market_follow(struct market *m, const struct market *from);
void market_close(struct market *m);

#endif
