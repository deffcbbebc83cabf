#include "base/assert.h"

#include <unistd.h>

void hd_assert_fail(const char *expression, const char *file, int line) {
  // One write(2) and no stdio: the heap or a stdio lock may be what is broken.
  char text[512];
  int size = snprintf(text, sizeof text, "%s:%d: assertion failed: %s\n", file, line, expression);
  if (size > (int)sizeof text - 1) size = (int)sizeof text - 1;
  if (size > 0 && write(STDERR_FILENO, text, (size_t)size) < 0) abort();
  abort();
}
