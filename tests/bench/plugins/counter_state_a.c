// Version 1.0.1 of the counter; see counter.h.
#define VERSION "1.0.1"
#define ROW 0
#define STATE_BYTES 1048576
#include "counter.h"
