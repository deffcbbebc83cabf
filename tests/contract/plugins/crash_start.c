// Breaks: does not crash in start.
#define TINY_NAME "crash_start"
#define TINY_IN_START *nowhere = 1;
static int *volatile nowhere;
#include "tiny.h"
