// A good strategy in every trial; in a process whose environment has HADRON_TEST_TROUBLE it breaks the step that is named there: load, start,
// slow (the load takes longer than a hand-over may), save, bars (with a state it asks for a bar that it did not ask for without), crash (after
// some ticks).
#include <string.h>
#include <time.h>

static int trouble(const char *step);
static void dawdle(void);
static void *volatile nowhere;
#define TINY_NAME "late_trouble"
#define TINY_IN_LOAD \
  if (trouble("load")) return HADRON_ERR_CORRUPT; \
  if (trouble("slow")) dawdle(); \
  t->pause_ns = -1;
#define TINY_IN_SAVE \
  if (trouble("save")) return HADRON_ERR_STATE;
#define TINY_IN_TICK \
  if (t->seen > 20 && trouble("crash")) *(volatile int *)nowhere = 1;
#define TINY_IN_START \
  struct tiny *t = self; \
  if (trouble("start") && t->pause_ns == -1) return HADRON_ERR_STATE; \
  if (trouble("bars") && t->pause_ns == -1) { \
    const struct hadron_bar_request bar = {.kind = HADRON_BAR_TICK, .interval = 100}; \
    t->strategy->bars(t->host->instance, &bar); \
  }
#include "tiny.h"

static int trouble(const char *step) {
  const char *asked = getenv("HADRON_TEST_TROUBLE");
  return asked && strcmp(asked, step) == 0;
}

// Longer than engine.handover_max, by the processor's own time, so that a busy machine changes nothing.
static void dawdle(void) {
  struct timespec from, now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  while ((now.tv_sec - from.tv_sec) * 1000000000 + now.tv_nsec - from.tv_nsec < 70000000);
}
