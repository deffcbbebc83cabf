// Breaks: does not crash in tick.
#define TINY_NAME "crash_tick"
#define TINY_IN_TICK *nowhere = 1;
static int *volatile nowhere;
#include "tiny.h"
