// Capability "hadron.log/1", host side: structured log lines.
#ifndef HADRON_EXT_LOG_H
#define HADRON_EXT_LOG_H

#include "hadron/plugin.h"

#define HADRON_CAP_LOG "hadron.log/1"

enum hadron_log_level {
  HADRON_LOG_INVALID = 0,
  HADRON_LOG_DEBUG = 1,
  HADRON_LOG_INFO = 2,
  HADRON_LOG_WARN = 3,
  HADRON_LOG_ERROR = 4,
};

struct hadron_log {
  uint32_t struct_size;
  uint32_t pad;

  // Writes one line: a stable id ("SMA_CROSS"), then words. Copied into a bounded queue; dropped and counted when that is
  // full. No secrets: the host cannot know them. [any & created, active] [nonblocking]
  // @param level  enum hadron_log_level
  // @own   id, text  borrowed(call), NUL-terminated; text is cut at 480 bytes
  // @since 1.0
  void (*write)(struct hadron_instance *instance, uint32_t level, const char *id, const char *text);
};

#endif
