// Whose code this thread is running: for whoever has to say who it was that crashed. One store before a callback and one after it; read by
// a handler on the same thread, so plain memory of the thread is enough.
//
// thread [any], each its own
#ifndef HD_BASE_CALLING_H
#define HD_BASE_CALLING_H

#include <stdint.h>

// In the low bits of the address: what is called. PART: the address is a struct hadron_instance (a venue, a service); ALLOCATOR: it says
// nothing; else a struct hd_engine_instance.
enum hd_calling_what {
  HD_CALLING_TICK = 0,
  HD_CALLING_BAR = 1,
  HD_CALLING_EXECUTION = 2,
  HD_CALLING_ORDER = 3,
  HD_CALLING_TIMER = 4,
  HD_CALLING_ALLOCATOR = 6,
  HD_CALLING_PART = 7,
};
#define HD_CALLING_MASK 7u

// 0: the host's own. Two stores per callback are allowed to cost two instructions: it lies where the program's own variables of a thread do.
extern __attribute__((tls_model("initial-exec"))) _Thread_local uintptr_t hd_calling;

static inline void hd_calling_begin(const void *who, enum hd_calling_what what) { hd_calling = (uintptr_t)who | (uintptr_t)what; }
static inline void hd_calling_end(void) { hd_calling = 0; }

// What is being made or taken down, off the tick path: a struct hadron_instance, and the function of its table. NULL: nothing.
struct hd_making {
  const void *instance;
  const char *callback;
};
extern _Thread_local struct hd_making hd_making;

#endif
