// What a host hands to a worker that it starts (supervise.h): a sealed memory file with who it is and where the host is, the plugin's file, and
// the memory that its ticks come in (bus/channel.h), to be read. Both
// sides are the same program; a stamp refuses another build. [any]
#ifndef HD_RUNTIME_WORKER_WIRE_H
#define HD_RUNTIME_WORKER_WIRE_H

#include <stdint.h>

#include "hadron/types.h"

enum hd_worker_fd { HD_WORKER_FD_BOOT = 3, HD_WORKER_FD_PLUGIN = 4, HD_WORKER_FD_RINGS = 5, HD_WORKER_FD_END = 6 };

#define HD_WORKER_MAGIC UINT32_C(0x42575248) // "HRWB"
#define HD_WORKER_TOKEN_SIZE 32

enum hd_worker_exit { // codes of its own; a plugin may end it with any
  HD_WORKER_EXIT_OK = 0,
  HD_WORKER_EXIT_BOOT = 120,   // there is nothing to begin with
  HD_WORKER_EXIT_ORPHAN = 121, // HD_SANDBOX_EXIT_ORPHAN
  HD_WORKER_EXIT_AWAY = 122,   // the connection is gone: a worker makes no second one
  HD_WORKER_EXIT_FAILED = 123, // it said why
};

struct hd_worker_boot {
  uint32_t magic, size;      // size: of this struct
  char build[32];            // HD_VERSION
  int32_t parent;            // process id
  uint32_t log_level;
  uint8_t token[HD_WORKER_TOKEN_SIZE];
  uint8_t digest[32];        // of the plugin
  char url[160];             // of the bus
  char name[HADRON_NAME_SIZE];       // of the strategy
  char version[HADRON_VERSION_SIZE]; // of the plugin
  char path[256];            // the plugin's, for messages; its suffix tells a script
  uint64_t memory_max;       // bytes of address space
};

#endif
