// Breaks: requires what no host offers.
#define TINY_NAME "missing_capability"
#define TINY_NEEDS "hadron.strategy/1 hadron.telepathy/3"
#include "tiny.h"
