// Breaks: returns from its callbacks.
#define TINY_NAME "hang_tick"
#define TINY_IN_TICK for (volatile int forever = 1; forever;) {}
#include "tiny.h"
