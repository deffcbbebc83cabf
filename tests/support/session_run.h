// Sessions in tests: a configuration as text, a private directory, real plugins, and everything that was recorded.
#ifndef TEST_SUPPORT_SESSION_RUN_H
#define TEST_SUPPORT_SESSION_RUN_H

#include "runtime/replay.h"
#include "support/directory.h"
#include "support/test.h"

struct session_run {
  char dir[TEST_PATH_SIZE];
  struct hd_config config;
  struct hd_session session;
  bool loaded, opened;
  char digest[HD_DIGEST_TEXT];
  uint64_t counts[HD_TEMPLATE_COUNT]; // by template, one thread
  // Bytes of what one arm decided, in order: a decision's fields that the strategy sets.
  uint64_t decided[8];                // by arm: a hash
  uint64_t decisions[8];
  // Sums over records.
  __int128 executed, allocated;       // signed quantities
  uint64_t overfilled;                // order events with more filled than ordered
  uint64_t off_time;                  // ticks before the one before them, by receive time
  int64_t last_tick_ns;
  uint64_t hole;                      // SWAP records of a strategy's first tick that is not the one behind the last of the old version
  struct hadron_equity equity;        // of the portfolio, the last one
};

// Loads `text` (a Lua table; @DIR@ stands for the run's directory, @SHARED@ for the shared one) with `sets` ("key=value", ended by NULL;
// may be NULL). Fails the test if it has errors.
void session_run_load(struct session_run *run, const char *text, const char *const *sets);
// Opens it; the code of hd_session_open.
int32_t session_run_open(struct session_run *run, const struct hd_session_options *options, struct hd_fault *fault);
void session_run_close(struct session_run *run);

// A whole backtest: load, open, replay to the end, close. Fails the test on any error. What was seen stays in `run`.
void session_run_backtest(struct session_run *run, const char *text, const char *const *sets, bool journal);
// Checks the books of an open session: cash and positions explain equity, shares add up to executions.
void session_run_identity(struct session_run *run);

#endif
