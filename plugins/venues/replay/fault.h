// A fault that a person will read, in four parts: what failed, where, expected and found, what to do. [any]
#ifndef REPLAY_FAULT_H
#define REPLAY_FAULT_H

#include <stddef.h>
#include <stdint.h>

#include "hadron/error.h"

struct fault {
  int32_t code;    // 0: none
  char text[1024]; // NUL-terminated, printable
};

// Fills the fault and returns `code`, so that a caller can `return fault_set(...)`. Bytes of `found` that a terminal would act
// upon are replaced.
int32_t fault_set(struct fault *f, int32_t code, const char *what, const char *where, const char *expected,
                  const char *found, const char *todo);

// Copies at most size - 1 bytes; always ends with NUL.
void text_copy(char *to, size_t size, const char *from, size_t from_size);

#endif
