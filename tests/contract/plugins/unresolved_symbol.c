// Breaks: every symbol that it uses is there.
#define TINY_NAME "unresolved_symbol"
extern int nobody_has_defined_this(void);
#define TINY_IN_TICK if (nobody_has_defined_this()) return HADRON_ERR_INTERNAL;
#include "tiny.h"
