#include "fault.h"

#include <stdio.h>
#include <string.h>

int32_t fault_set(struct fault *f, int32_t code, const char *what, const char *where, const char *expected,
                  const char *found, const char *todo) {
  f->code = code;
  snprintf(f->text, sizeof f->text, "%s: %s: expected %s, found %s; %s", what, where, expected, found, todo);
  for (char *c = f->text; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
  return code;
}

void text_copy(char *to, size_t size, const char *from, size_t from_size) {
  size_t n = from_size < size - 1 ? from_size : size - 1;
  memcpy(to, from, n);
  to[n] = '\0';
}
