// Starting a child of this same program, for the probe and for workers: an exec, never a bare fork, because threads, locks and descriptors of the host
// must not be in it. It gets the descriptors that it is to have and no others, a group of its own, no signal blocked or handled, and of the environment
// what says where libraries are and what a sanitizer was told.
//
// thread [any]; a child that wants to die with its parent (PR_SET_PDEATHSIG) dies with the calling thread
#ifndef HD_PLUGIN_CHILD_H
#define HD_PLUGIN_CHILD_H

#include <sys/types.h>

#include "base/fault.h"

#define HD_CHILD_FDS_MAX 8

struct hd_child {
  const char *name;         // of whom it is started for, for messages
  const char *const *words; // arguments behind the program's name, ended by NULL
  int fds[HD_CHILD_FDS_MAX]; // fds[i] is the child's descriptor i; borrowed(call)
  int fd_count;
};

// @err HADRON_ERR_DEPENDENCY  there is no program; HADRON_ERR_IO  it could not be run
int32_t hd_child_start(const struct hd_child *c, pid_t *out, struct hd_fault *fault);

// Which program: `hadron` names /proc/self/exe as it starts. Until this is called it is the environment's HADRON_PROGRAM, else a file `hadron` in the folder
// of the running program or in the one above. static. [control]
void hd_child_program(const char *path);

#endif
