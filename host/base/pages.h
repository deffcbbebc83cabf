// Memory for big tables that are reached into at random: zeroed, and on huge pages where the system lends them. On pages of 4 KiB a
// table of megabytes has more of them than the processor remembers; finding one again takes a walk that not even a prefetch gets
// around, and under a virtual machine the walk is one of two tables. [any]
#ifndef HD_BASE_PAGES_H
#define HD_BASE_PAGES_H

#include <stddef.h>

#define HD_PAGE_HUGE ((size_t)1 << 21)

// touched: so many of the bytes are there at once, instead of by a fault where they are first used; what is never used of the rest takes
// no memory. The first of them, up to a border of HD_PAGE_HUGE, are on small pages. At a multiple of 64. Owned; NULL: there is none.
void *hd_pages_alloc(size_t bytes, size_t touched);
void hd_pages_free(void *at, size_t bytes); // NULL: nothing

#endif
