// Breaks: says that it was made and gives no instance.
#define TINY_NAME "null_self"
#define TINY_IN_CREATE if (host != NULL) { *self = NULL; return context == NULL ? HADRON_ERR_ARGUMENT : HADRON_OK; }
#include "tiny.h"
