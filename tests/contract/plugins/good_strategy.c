// Keeps every promise.
#define TINY_NAME "good_strategy"
#include "tiny.h"
