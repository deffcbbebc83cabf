#include "support/failing_alloc.h"

#include <errno.h>
#include <execinfo.h>
#include <stddef.h>
#include <string.h>

struct test_alloc test_alloc;
_Thread_local volatile bool test_alloc_armed;
static _Atomic bool counting;

void test_alloc_begin(uint64_t fail_at, uint64_t fail_for) {
  test_alloc.asked = test_alloc.freed = test_alloc.failed = 0;
  test_alloc.depth = 0;
  test_alloc.fail_at = fail_at;
  test_alloc.fail_for = fail_for ? fail_for : 1;
  counting = true;
}

void test_alloc_end(void) { counting = false; }

static bool counts(void) { return counting && (!test_alloc.by_thread || test_alloc_armed); }

static void trace(void) {
  if (!test_alloc.traces || test_alloc.depth) return;
  counting = false; // backtrace may want memory
  test_alloc.depth = backtrace(test_alloc.frames, TEST_ALLOC_FRAMES);
  counting = true;
}

static bool refused(void) {
  if (!counts()) return false;
  uint64_t number = __atomic_add_fetch(&test_alloc.asked, 1, __ATOMIC_RELAXED);
  if (!test_alloc.fail_at) trace();
  if (!test_alloc.fail_at || number < test_alloc.fail_at || number - test_alloc.fail_at >= test_alloc.fail_for) return false;
  test_alloc.failed++;
  trace();
  errno = ENOMEM;
  return true;
}

static void freed(void) {
  if (!counts()) return;
  test_alloc.freed++;
  if (!test_alloc.fail_at) trace();
}

#if TEST_ALLOC_SEES_ALL
#define NAME(name) name
#define REAL(name) __libc_##name
#else
#define NAME(name) __wrap_##name // the linker sends the host's calls here (--wrap)
#define REAL(name) __real_##name
#endif
#define SEEN __attribute__((visibility("default"), used))

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *at, size_t size);
void REAL(free)(void *at);
SEEN void *NAME(malloc)(size_t size);
SEEN void *NAME(calloc)(size_t count, size_t size);
SEEN void *NAME(realloc)(void *at, size_t size);
SEEN void *NAME(aligned_alloc)(size_t alignment, size_t size);
SEEN void NAME(free)(void *at);

void *NAME(malloc)(size_t size) { return refused() ? NULL : REAL(malloc)(size); }
void *NAME(calloc)(size_t count, size_t size) { return refused() ? NULL : REAL(calloc)(count, size); }
void *NAME(realloc)(void *at, size_t size) { return refused() ? NULL : REAL(realloc)(at, size); }

#if TEST_ALLOC_SEES_ALL
void *__libc_memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size) { return refused() ? NULL : __libc_memalign(alignment, size); }
#else
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__real_strdup(const char *text);
void *__wrap_aligned_alloc(size_t alignment, size_t size) { return refused() ? NULL : __real_aligned_alloc(alignment, size); }
char *__wrap_strdup(const char *text) { return refused() ? NULL : __real_strdup(text); } // asks inside of the C library
#endif

void NAME(free)(void *at) {
  freed();
  REAL(free)(at);
}
