// Misbehaves within its rights: refuses to be made.
#define TINY_NAME "error_create"
#define TINY_IN_CREATE const struct hadron_log *log = host->capability(host->instance, HADRON_CAP_LOG); \
  log->write(host->instance, HADRON_LOG_ERROR, "NO_LICENCE", "licence file is missing"); \
  if (context != NULL) return HADRON_ERR_PERMISSION;
#include "tiny.h"
