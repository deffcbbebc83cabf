#include "support/plugin.h"

#include "support/test.h"

const char *test_plugin_path(const char *name) {
  static _Thread_local char path[1024];
  const char *folder = getenv("HADRON_TEST_PLUGIN_DIR");
  // The program lies in build/<preset>/tests and runs in build/<preset> unless the environment says otherwise.
  snprintf(path, sizeof path, "%s/%s.so", folder ? folder : "tests/plugins", name);
  return path;
}

struct test_file test_read_file(const char *path) {
  struct test_file f = {0};
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("cannot open %s", path);
  fseek(file, 0, SEEK_END);
  f.size = (size_t)ftell(file);
  rewind(file);
  f.bytes = malloc(f.size ? f.size : 1);
  assert_non_null(f.bytes);
  assert_int_equal(fread(f.bytes, 1, f.size, file), f.size);
  fclose(file);
  return f;
}

void test_write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) fail_msg("cannot write %s", path);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}
