#include "registry/script_check.h"

#include "base/banned.h"
#include "lua/sandbox.h"
#include "plugin/loader.h"

// Length of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, at most U+10FFFF); 0: it is none.
static size_t sequence(const unsigned char *p, size_t left) {
  static const struct {
    unsigned char first_low, first_high, second_low, second_high;
    size_t length;
  } rows[] = {{0x01, 0x7f, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
              {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (*p < rows[i].first_low || *p > rows[i].first_high) continue;
    if (rows[i].length > left) return 0;
    for (size_t k = 1; k < rows[i].length; k++)
      if (p[k] < (k == 1 ? rows[i].second_low : 0x80) || p[k] > (k == 1 ? rows[i].second_high : 0xbf)) return 0;
    return rows[i].length;
  }
  return 0;
}

int32_t hd_script_check(const char *path, const void *bytes, size_t size, struct hd_fault *fault) {
  const unsigned char *p = bytes;
  if (size > HD_PLUGIN_SCRIPT_MAX)
    return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: expected a script of at most %llu bytes, found %zu; split it", path, (unsigned long long)HD_PLUGIN_SCRIPT_MAX, size);
  if (size > 0 && *p == 0x1b) return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: expected Lua text, found compiled Lua, which is never loaded; use the source", path);
  for (size_t at = 0, n; at < size; at += n)
    if ((n = sequence(p + at, size - at)) == 0)
      return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: expected UTF-8 text, found %s 0x%02x at offset %zu; save it as UTF-8", path, p[at] ? "byte" : "NUL byte", p[at], at);
  struct hd_lua_sandbox box;
  int32_t code = hd_lua_sandbox_open(&box, NULL, fault);
  if (code) return code;
  code = hd_lua_sandbox_load(&box, path, bytes, size, fault); // compiles; nothing is called
  hd_lua_sandbox_close(&box);
  return code;
}
