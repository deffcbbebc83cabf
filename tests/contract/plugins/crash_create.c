// Breaks: does not crash in create.
#define TINY_NAME "crash_create"
#define TINY_IN_CREATE *nowhere = 1;
static int *volatile nowhere;
#include "tiny.h"
