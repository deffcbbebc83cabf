// Breaks: allocates nothing on the tick path.
#define TINY_NAME "alloc_tick"
#include <stdlib.h>
static void *volatile held;
#define TINY_IN_TICK free(held); held = malloc(32);
#include "tiny.h"
