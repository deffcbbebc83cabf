#include "cli/wrap.h"

#include <stdbool.h>
#include <string.h>

#include "base/banned.h"

uint32_t hd_wrap_width(const char *text, size_t size) {
  uint32_t width = 0;
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\033') { // "\033[31m"
      while (i < size && text[i] != 'm') i++;
      continue;
    }
    width += ((unsigned char)text[i] & 0xc0) != 0x80;
  }
  return width;
}

uint32_t hd_wrap(FILE *to, const char *text, uint32_t at, uint32_t indent, uint32_t columns, const char *end) {
  bool first = true; // of its line: no blank in front
  while (*(text += strspn(text, " "))) {
    size_t size = strcspn(text, " ");
    uint32_t width = hd_wrap_width(text, size);
    if (at + width + !first > columns && at > indent) {
      fprintf(to, "%s%*s", end, (int)indent, "");
      at = indent;
      first = true;
    }
    if (!first) putc(' ', to), at++;
    for (size_t i = 0; i < size; i++) putc(text[i] == HD_WRAP_GLUE ? ' ' : text[i], to);
    at += width;
    text += size;
    first = false;
  }
  return at;
}
