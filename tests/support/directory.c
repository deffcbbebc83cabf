#include "support/directory.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

void test_directory_make(char path[TEST_PATH_SIZE]) {
  const char *root = getenv("TMPDIR");
  snprintf(path, TEST_PATH_SIZE, "%s/hadron-test-XXXXXX", root && *root ? root : "/tmp");
  if (!mkdtemp(path)) fail_msg("cannot make a directory like %s", path);
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *walk) {
  (void)st, (void)type, (void)walk;
  return remove(path);
}

void test_directory_remove(const char *path) { nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS); }

void test_path(char to[TEST_PATH_SIZE], const char *path, const char *name) {
  if (snprintf(to, TEST_PATH_SIZE, "%s/%s", path, name) >= TEST_PATH_SIZE) fail_msg("path too long: %s/%s", path, name);
}

unsigned char *test_file_read(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  struct stat st;
  if (!f || fstat(fileno(f), &st) < 0) fail_msg("cannot read %s", path);
  unsigned char *bytes = malloc((size_t)st.st_size + 1);
  assert_non_null(bytes);
  *size = fread(bytes, 1, (size_t)st.st_size, f);
  assert_int_equal(*size, st.st_size);
  fclose(f);
  return bytes;
}

void test_file_write(const char *path, const void *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(bytes, 1, size, f) != size || fclose(f) != 0) fail_msg("cannot write %s", path);
}
