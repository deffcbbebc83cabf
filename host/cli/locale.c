#include "cli/locale.h"

#include <stddef.h>

#include "base/banned.h"

bool hd_locale_utf8(void) {
  static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *v = getenv(names[i]);
    if (v && *v) return strcasestr(v, "utf-8") != NULL || strcasestr(v, "utf8") != NULL; // the first that is set decides
  }
  return false;
}
