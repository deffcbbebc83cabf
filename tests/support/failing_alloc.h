// A malloc family in front of the C library's: counts, and lets the Nth request fail. A test that includes this is linked with it and no other is
// (tests/CMakeLists.txt). Without a sanitizer plugins and libraries come by here as well; under one, whose own family must stay, the host's code
// and the test's alone.
#ifndef TEST_SUPPORT_FAILING_ALLOC_H
#define TEST_SUPPORT_FAILING_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sanitized.h"

#define TEST_ALLOC_FRAMES 16

struct test_alloc {
  volatile uint64_t asked, freed;   // malloc, calloc, realloc and their aligned relatives; free
  uint64_t fail_at;        // the request, from 1, that fails; 0: none
  uint64_t fail_for;       // so many in a row; 0: one
  volatile uint64_t failed;         // how many did
  bool by_thread;          // only what threads ask for that have set test_alloc_armed
  void *frames[TEST_ALLOC_FRAMES]; // with `traces`: of the first that failed; where none is to fail, of the first that was counted
  int depth;
  bool traces;
};
extern struct test_alloc test_alloc;
extern _Thread_local volatile bool test_alloc_armed; // volatile, all of these: for the compiler nobody looks while memory is asked for

void test_alloc_begin(uint64_t fail_at, uint64_t fail_for); // counts from zero
void test_alloc_end(void);

// Does it see what plugins ask for? Not with a sanitizer.
#define TEST_ALLOC_SEES_ALL (!HD_SANITIZED)

#endif
