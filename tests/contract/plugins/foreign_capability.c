// Breaks: a strategy that requires what only services get.
#define TINY_NAME "foreign_capability"
#define TINY_NEEDS "hadron.journal/1"
#include "tiny.h"
