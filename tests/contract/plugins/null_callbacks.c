// Breaks: its triggers ask for callbacks that are not there.
#define TINY_NAME "null_callbacks"
#define TINY_API {.struct_size = sizeof(struct hadron_strategy_api), .triggers = HADRON_ON_TRADE | HADRON_ON_BAR, .scope = 5, .destroy = tiny_destroy}
#include "tiny.h"
