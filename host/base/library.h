// A library that few starts need, opened at its first use: what it brings with it costs memory and milliseconds of every start else. Its functions
// are listed once, as a macro F(X) with X(name) for each:
//
//   static struct { HD_LIBRARY_MEMBERS(F) } cairo;
//   static struct hd_library library = HD_LIBRARY(F, cairo, "libcairo.so.2", "pictures", "install the package libcairo2");
//
// [any] once hd_library_open has succeeded, the members may be called.
#ifndef HD_BASE_LIBRARY_H
#define HD_BASE_LIBRARY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

#define HD_LIBRARY_MEMBER(name) __typeof__(name) *name;
#define HD_LIBRARY_NAME(name) #name,
#define HD_LIBRARY_MEMBERS(F) F(HD_LIBRARY_MEMBER)
#define HD_LIBRARY(F, members, file_name, wanted_for, advice) \
  {.mutex = PTHREAD_MUTEX_INITIALIZER, .file = file_name, .purpose = wanted_for, .hint = advice, .names = (const char *const[]){F(HD_LIBRARY_NAME) NULL}, .table = &(members)}

struct hd_library {
  pthread_mutex_t mutex;
  const char *file, *purpose, *hint; // static
  const char *const *names;          // static; NULL ends it
  void *table;                       // a pointer per name, in the order of the names
  bool open;
};

// Any number of times. It stays open. HADRON_ERR_DEPENDENCY: it is not installed, or too old. [any]
int32_t hd_library_open(struct hd_library *l, struct hd_fault *fault);

#endif
