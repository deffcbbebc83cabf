// Breaks: does not crash in load.
#define TINY_NAME "crash_load"
#define TINY_IN_LOAD *nowhere = 1;
static int *volatile nowhere;
#include "tiny.h"
