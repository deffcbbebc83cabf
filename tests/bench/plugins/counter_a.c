// Version 1.0.0 of the counter; see counter.h.
#define VERSION "1.0.0"
#define ROW 0
#define STATE_BYTES 0
#include "counter.h"
