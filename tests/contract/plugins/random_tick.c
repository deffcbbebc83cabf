// Breaks: has random numbers from the host and not from the system.
#define TINY_NAME "random_tick"
#include <stdlib.h>
#define TINY_IN_TICK if (rand() < 0) return HADRON_ERR_INTERNAL;
#include "tiny.h"
