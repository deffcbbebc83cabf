// How often this thread has asked for memory. The program counts, by a malloc family of its own in front of the C library's (host/
// allocation.c); a test program or a build with a sanitizer does not. [any]
#ifndef HD_BASE_ALLOCATION_H
#define HD_BASE_ALLOCATION_H

#include <stdbool.h>
#include <stdint.h>

extern _Thread_local uint64_t hd_allocations; // malloc, calloc, realloc and their aligned relatives; not free
extern bool hd_allocations_counted;           // does this program count? Set before main

// For an allocator of the host that would not be seen where the program does not count.
static inline void hd_allocation_note(void) {
  if (!hd_allocations_counted) hd_allocations++;
}

#endif
