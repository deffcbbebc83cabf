#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/assert.h"

static size_t whole(size_t bytes) { return (bytes + HD_PAGE_HUGE - 1) & ~(HD_PAGE_HUGE - 1); }

void *hd_pages_alloc(size_t bytes, size_t touched) {
  HD_ASSERT(bytes > 0 && touched <= bytes);
  if (bytes > SIZE_MAX / 2) return NULL;
  size_t size = whole(bytes), room = size + HD_PAGE_HUGE;
  char *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return NULL;
  size_t before = -(uintptr_t)at & (HD_PAGE_HUGE - 1), after = room - before - size; // older kernels align nothing by themselves
  if (before) munmap(at, before);
  if (after) munmap(at + before + size, after);
  at += before;
  madvise(at, size, MADV_HUGEPAGE); // refused where there are none: then it is memory like any other
  for (size_t i = 0; i < touched; i += 4096) *(volatile char *)(at + i) = 0;
  return at;
}

void hd_pages_free(void *at, size_t bytes) {
  if (!at) return;
  int failed = munmap(at, whole(bytes));
  HD_ASSERT(!failed);
}
