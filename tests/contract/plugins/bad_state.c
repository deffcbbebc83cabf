// Breaks: a state can be loaded as well as saved, and its schemas are in order.
#define TINY_NAME "bad_state"
#define TINY_STATE {sizeof(struct hadron_state), 1, 2, 16, tiny_save, NULL}
#include "tiny.h"
HADRON_EXPORT int32_t bad_state_load(void *self, const void *buffer);
int32_t bad_state_load(void *self, const void *buffer) { return tiny_load(self, 1, buffer, 16); }
