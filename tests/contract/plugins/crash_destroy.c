// Breaks: does not crash in destroy.
#define TINY_NAME "crash_destroy"
#define TINY_IN_DESTROY *nowhere = 1;
static int *volatile nowhere;
#include "tiny.h"
