#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/assert.h"

static size_t whole(size_t bytes) { return (bytes + HD_PAGE_HUGE - 1) & ~(HD_PAGE_HUGE - 1); }
static size_t within(const void *at) { return (uintptr_t)at & (HD_PAGE_HUGE - 1); }

void *hd_pages_alloc(size_t bytes, size_t touched) {
  HD_ASSERT(bytes > 0 && touched <= bytes);
  if (bytes > SIZE_MAX / 2) return NULL;
  size_t skipped = -touched & (HD_PAGE_HUGE - 1) & ~(size_t)63; // what is touched ends with a huge page, and takes no more than it has
  size_t size = whole(skipped + bytes), room = size + HD_PAGE_HUGE;
  char *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return NULL;
  size_t before = -(uintptr_t)at & (HD_PAGE_HUGE - 1), after = room - before - size; // older kernels align nothing by themselves
  if (before) munmap(at, before);
  if (after) munmap(at + before + size, after);
  at += before;
  size_t small = skipped ? HD_PAGE_HUGE : 0; // the first page is not whole: a huge one would be memory for nothing
  if (size > small) madvise(at + small, size - small, MADV_HUGEPAGE); // refused where there are none: then it is memory like any other
  at += skipped;
  for (size_t i = 0; i < touched; i += 4096) *(volatile char *)(at + i) = 0;
  return at;
}

void hd_pages_free(void *at, size_t bytes) {
  if (!at) return;
  size_t skipped = within(at);
  int failed = munmap((char *)at - skipped, whole(skipped + bytes));
  HD_ASSERT(!failed);
}
