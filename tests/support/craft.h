// Shared objects made while a test runs, each with one thing about it: the complete strategy of tests/contract/plugins/tiny.h plus a piece of
// source and compiler flags. Needs a C compiler (HADRON_CC, else cc).
#ifndef TEST_SUPPORT_CRAFT_H
#define TEST_SUPPORT_CRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "registry/signature.h"

bool test_craft_possible(void); // is there a compiler?
// to: path of the .so. name, version: of the manifest. source: C text in front of the strategy; flags: of the compiler. Both may be "".
void test_craft(const char *to, const char *name, const char *version, const char *source, const char *flags);
// Writes PATH.sig for the plugin at `path`, signed with the key.
void test_craft_sign(const char *path, const char *secret_key);

#endif
