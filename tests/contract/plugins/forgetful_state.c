// Breaks: a state that is saved, loaded and saved again is the same.
#define TINY_NAME "forgetful_state"
#define TINY_IN_LOAD t->average = 1; t->seen = 3; return HADRON_OK;
#include "tiny.h"
