#include "registry/libpq.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define LIBRARY "libpq.so.5"

struct hd_libpq hd_libpq;

static struct {
  pthread_mutex_t mutex;
  bool open;
} library = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int32_t resolve(struct hd_fault *fault) {
  void *symbol, *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return hd_fault_set(fault, HADRON_ERR_DEPENDENCY, "PostgreSQL needs " LIBRARY ": %s; install the package libpq5", dlerror());
#define RESOLVE(name)                                                                                             \
  symbol = dlsym(handle, #name);                                                                                  \
  memcpy(&hd_libpq.name, &symbol, sizeof symbol); /* ISO C has no cast from a data to a function pointer */       \
  if (!symbol) return hd_fault_set(fault, HADRON_ERR_DEPENDENCY, LIBRARY ": no function " #name "; install libpq 15 or later");
  HD_LIBPQ_FUNCTIONS(RESOLVE)
#undef RESOLVE
  library.open = true;
  return HADRON_OK;
}

int32_t hd_libpq_open(struct hd_fault *fault) {
  pthread_mutex_lock(&library.mutex);
  int32_t code = library.open ? HADRON_OK : resolve(fault);
  pthread_mutex_unlock(&library.mutex);
  return code;
}
