// The program's malloc family: counts per thread and passes on to the C library's. A plugin's calls come by here too, because the program
// is the first place where the dynamic linker looks. Linked into the program alone. What the C library calls inside of itself under
// other names (strdup calls malloc: seen; the start-up of the loader: not) is not seen. The sanitizers bring a family of their own.
#include <errno.h>
#include <stddef.h>

#include "base/allocation.h"
#include "base/sanitized.h"

#if !HD_SANITIZED

#define SEEN __attribute__((visibility("default"), used))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

SEEN void *malloc(size_t size);
SEEN void *calloc(size_t count, size_t size);
SEEN void *realloc(void *at, size_t size);
SEEN void *memalign(size_t alignment, size_t size);
SEEN void *aligned_alloc(size_t alignment, size_t size);
SEEN int posix_memalign(void **at, size_t alignment, size_t size);

void *malloc(size_t size) {
  hd_allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  hd_allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size) {
  hd_allocations++;
  return __libc_realloc(at, size);
}

void *memalign(size_t alignment, size_t size) {
  hd_allocations++;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  hd_allocations++;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **at, size_t alignment, size_t size) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
  hd_allocations++;
  void *block = __libc_memalign(alignment, size);
  if (block == NULL) return ENOMEM;
  *at = block;
  return 0;
}

__attribute__((constructor)) static void say_so(void) { hd_allocations_counted = true; }

#endif
