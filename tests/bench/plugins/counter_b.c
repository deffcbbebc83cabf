// Version 1.0.2 of the counter; see counter.h.
#define VERSION "1.0.2"
#define ROW 1
#define STATE_BYTES 0
#include "counter.h"
