// Breaks: what it wants is within the bounds of a decision.
#define TINY_NAME "wild_decide"
#define TINY_IN_TICK struct hadron_decision wild = {.instrument = 4711, .kind = 9, .confidence = 7, .uncertainty = -1}; \
  if (t->strategy->decide(t->host->instance, &wild) == HADRON_OK) return HADRON_ERR_INTERNAL;
#include "tiny.h"
