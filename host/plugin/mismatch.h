// Collects every field in which a plugin differs from what the host expects, so that a refusal names all of them at once: one
// line for each, "field: expected X, found Y". [any]
#ifndef HD_PLUGIN_MISMATCH_H
#define HD_PLUGIN_MISMATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct hd_mismatch {
  int32_t code; // of the first; 0: none
  uint32_t count;
  char text[640]; // more than fits is counted and not listed
  size_t used;
};

// Notes one difference: "field: " and the words.
__attribute__((format(printf, 4, 5))) void hd_mismatch_add(struct hd_mismatch *m, int32_t code, const char *field, const char *format, ...);

// HADRON_OK if there was none; else fills the fault: "what: N differences ... hint" and returns the first code.
int32_t hd_mismatch_end(const struct hd_mismatch *m, const char *what, const char *hint, struct hd_fault *fault);

#endif
