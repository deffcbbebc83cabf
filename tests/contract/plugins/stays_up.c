// Keeps every promise: the version before falls_down.c.
#define TINY_NAME "stays"
#include "tiny.h"
