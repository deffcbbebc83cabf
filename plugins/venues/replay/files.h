// The files of an instance: paths and globs, one per line, expanded in order; a pair of FXCM bid and ask files becomes one. [control]
#ifndef REPLAY_FILES_H
#define REPLAY_FILES_H

#include "fault.h"

#define FILES_MAX 100000u

struct file {
  char *path;
  char *pair; // the ask file of a bid file, or NULL
};

struct files {
  struct file *list;
  uint32_t count, capacity;
};

// A glob that matches nothing is a fault, for it is a typing error or a missing disk.
int32_t files_expand(struct files *f, const char *lines, struct fault *fault);
void files_fini(struct files *f);

#endif
