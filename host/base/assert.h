// Assertions for programmer errors. HD_ASSERT stays on in release; HD_DASSERT is for the expensive ones. A failed one prints
// expression, file and line on standard error and aborts: the journal's last record is what recovery starts from. [any]
#ifndef HD_BASE_ASSERT_H
#define HD_BASE_ASSERT_H

#include "base/banned.h"

__attribute__((cold, noinline)) _Noreturn void hd_assert_fail(const char *expression, const char *file, int line);

#define HD_ASSERT(x) (__builtin_expect(!!(x), 1) ? (void)0 : hd_assert_fail(#x, __FILE__, __LINE__))
#ifdef HD_DEBUG
#define HD_DASSERT(x) HD_ASSERT(x)
#else
#define HD_DASSERT(x) ((void)0)
#endif

#endif
