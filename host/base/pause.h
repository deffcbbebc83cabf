// What a thread does between two looks at something that another one is about to change. [any]
#ifndef HD_BASE_PAUSE_H
#define HD_BASE_PAUSE_H

static inline void hd_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
