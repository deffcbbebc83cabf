// Breaks: has the time from the host and not from the system.
#define TINY_NAME "clock_tick"
#include <time.h>
#define TINY_IN_TICK if (time(NULL) == 0) return HADRON_ERR_INTERNAL;
#include "tiny.h"
