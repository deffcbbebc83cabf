// Breaks: a later version of stays_up.c that crashes once its strategy has seen so many ticks, in whatever process that is.
#define TINY_NAME "stays"
#define TINY_VERSION "1.1.0"
#define TINY_IN_TICK \
  if (t->seen > 1500) *nowhere = 1;
static int *volatile nowhere;
#include "tiny.h"
