// The sandbox: the walls around a child process that runs somebody's plugin. The probe (probe.h) and `hadron worker` put themselves in it;
// the host never does. It is entered in two steps:
//
//   hd_sandbox_enter    first thing, while there is one thread: no new privileges and none of the old ones, death with the parent, limits,
//                       no descriptor but the known ones, an empty environment, no core, nobody may trace it, and, where the kernel has
//                       Landlock, of the file system nothing but the system's libraries to read, no TCP, no signal to anybody outside
//   hd_sandbox_filter   before the plugin is loaded, for its constructors are code of its own: a filter of system calls over all threads there are.
//                       A worker's one connection stands by then, and no call that makes another is needed any more. LOADED, afterwards,
//                       ends all opening of files on a kernel without Landlock
//
// No wall is ever taken down again. What has no honest reason in a strategy (exec, ptrace, mount, another's memory) ends a worker by SIGSYS; what
// libraries try by themselves (open, socket, fork) fails with EPERM. A plugin cannot handle, block or ignore SIGSYS.
//
// What is left to it: its own memory and processor time, both limited, threads of its own, and the connection, whose other end believes nothing
// (bus/bus.h). [the child]
#ifndef HD_PLUGIN_SANDBOX_H
#define HD_PLUGIN_SANDBOX_H

#include <stdbool.h>

#include "base/fault.h"

#define HD_SANDBOX_EXIT_ORPHAN 121 // exit code: the parent was gone before its death could be heard of

struct hd_sandbox {
  int32_t parent;           // process whose death is the child's
  int first_unknown;        // descriptors from this one on are closed
  uint64_t memory_max;      // bytes of address space; 0: as many as the parent may have
  uint64_t cpu_s;           // seconds of processor time; 0: no limit
  uint64_t file_size_max;   // bytes that a file may grow to
  uint64_t descriptors_max;
  bool may_read;            // any file that its user may read, not the system's libraries alone; writing is never possible
};

enum hd_sandbox_filter { HD_SANDBOX_PROBE = 1, HD_SANDBOX_WORKER = 2, HD_SANDBOX_LOADED = 4 };

// An error: the plugin must not be run. Does not come back if the parent is gone.
int32_t hd_sandbox_enter(const struct hd_sandbox *s, struct hd_fault *fault);
int32_t hd_sandbox_filter(enum hd_sandbox_filter filter, struct hd_fault *fault);

// Version of Landlock that this kernel has; 0: none. [any]
int hd_sandbox_landlock(void);
// Of a call's number in a SIGSYS; NULL: not one that is refused here. static [any, in a signal too]
const char *hd_sandbox_call_name(int number);

#endif
