// Breaks: handles its ticks.
#define TINY_NAME "error_tick"
#define TINY_IN_TICK if (t->seen > 20) return HADRON_ERR_INTERNAL;
#include "tiny.h"
