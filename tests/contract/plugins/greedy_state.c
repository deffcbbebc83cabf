// Breaks: writes no more state than it is given room for.
#define TINY_NAME "greedy_state"
#define TINY_IN_SAVE if (capacity > 0) { memset(buffer, (int)t->seen, capacity); *size = capacity + 1; return HADRON_OK; }
#include "tiny.h"
