// Promise: what is touched of the memory of hd_pages_alloc ends with a huge page; all of it is zeroed and writable to its last byte, whether it
// was touched at once or not; more than there can be is refused.
#include "base/pages.h"

#include <stdint.h>

#include "support/test.h"

static void try_size(size_t bytes, size_t touched) {
  unsigned char *at = hd_pages_alloc(bytes, touched);
  assert_non_null(at);
  assert_int_equal((uintptr_t)at % 64, 0);
  assert_in_range(-(uintptr_t)(at + touched) & (HD_PAGE_HUGE - 1), 0, 63);
  for (size_t i = 0; i < bytes; i += i + 4096 < bytes ? 4096 : 1) assert_int_equal(at[i], 0);
  memset(at, 0xff, bytes);
  hd_pages_free(at, bytes);
}

static void test_sizes(void **state) {
  (void)state;
  const size_t sizes[] = {1, 4096, HD_PAGE_HUGE - 1, HD_PAGE_HUGE, HD_PAGE_HUGE + 1, 3 * HD_PAGE_HUGE + 77};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    try_size(sizes[i], 0);
    try_size(sizes[i], sizes[i] / 2);
    try_size(sizes[i], sizes[i]);
  }
}

static void test_too_much(void **state) {
  (void)state;
  assert_null(hd_pages_alloc(SIZE_MAX, 0));
  assert_null(hd_pages_alloc(SIZE_MAX / 2, 0));
  hd_pages_free(NULL, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_too_much)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
