// Breaks: does not crash in save.
#define TINY_NAME "crash_save"
#define TINY_IN_SAVE *nowhere = 1;
static int *volatile nowhere;
#include "tiny.h"
