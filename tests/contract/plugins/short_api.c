// Breaks: its table is shorter than the first version of it.
#define TINY_NAME "short_api"
#define TINY_API {.struct_size = 24, .triggers = HADRON_ON_TRADE, .scope = HADRON_SCOPE_INSTRUMENT, .create = tiny_create}
#include "tiny.h"
