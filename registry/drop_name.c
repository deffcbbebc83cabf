#include "registry/drop_name.h"

#include "base/banned.h"
#include "registry/drop.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

enum hd_drop_name hd_drop_name(const char *name) {
  static const char *const unfinished[] = {"~", ".tmp", ".part", ".new", ".swp"};
  if (*name == '.') return HD_DROP_IGNORED;
  for (size_t i = 0; i < sizeof unfinished / sizeof *unfinished; i++)
    if (hd_source_suffix(name, unfinished[i])) return HD_DROP_IGNORED;
  if (!hd_source_suffix(name, ".so") && !hd_source_suffix(name, ".lua")) return HD_DROP_IGNORED;
  size_t length = strlen(name);
  return length <= HD_DROP_NAME_MAX && strchr(LETTERS, *name) && strspn(name, LETTERS "._-") == length ? HD_DROP_PLUGIN : HD_DROP_ODD;
}

void hd_drop_name_safe(const char *name, char *to, size_t size) {
  size_t i = 0;
  // The suffix and a number must still fit behind it in a directory.
  for (; name[i] && i + 1 < size && i < 200; i++) to[i] = strchr(LETTERS "._-", name[i]) ? name[i] : '_';
  if (i > 0 && *to == '.') *to = '_';
  to[i] = 0;
}
