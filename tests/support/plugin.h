// Where the plugins of tests/contract/plugins are, and files as bytes.
#ifndef TEST_SUPPORT_PLUGIN_H
#define TEST_SUPPORT_PLUGIN_H

#include <stddef.h>

struct test_file {
  unsigned char *bytes; // owned by the caller
  size_t size;
};

// build/<preset>/tests/plugins/NAME.so. static until the next call.
const char *test_plugin_path(const char *name);
// Fails the test if it cannot be read or written.
struct test_file test_read_file(const char *path);
void test_write_file(const char *path, const void *bytes, size_t size);

#endif
