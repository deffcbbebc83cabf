// Breaks: instances never see each other.
#define TINY_NAME "shared_state"
static double shared_average;
#define TINY_IN_TICK t->average = shared_average = (shared_average + t->average) / 2 + hadron_price_double(market->last) / 1000;
#include "tiny.h"
