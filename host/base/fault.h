// An error that a person will read: what failed, on which file, plugin or instrument, expected and found, what to do. The
// caller owns the struct; a function that fails fills it once, at the place that knows most, and others pass it up. [any]
#ifndef HD_BASE_FAULT_H
#define HD_BASE_FAULT_H

#include <stdarg.h>
#include <stdint.h>

#include "hadron/error.h"

#define HD_FAULT_SIZE 1024

struct hd_fault {
  int32_t code;
  char text[HD_FAULT_SIZE];
};

// Fills `fault` (may be NULL) and returns `code`, so that a function can `return hd_fault_set(...)`.
__attribute__((format(printf, 3, 4))) int32_t hd_fault_set(struct hd_fault *fault, int32_t code, const char *format, ...);

// Puts words in front: "loading plugins/sma.so: " + text. Returns fault->code.
__attribute__((format(printf, 2, 3))) int32_t hd_fault_prefix(struct hd_fault *fault, const char *format, ...);

#endif
