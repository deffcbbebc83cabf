// Version 1.0.3 of the counter; see counter.h.
#define VERSION "1.0.3"
#define ROW 1
#define STATE_BYTES 1048576
#include "counter.h"
