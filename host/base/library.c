#include "base/library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "base/banned.h"

static int32_t resolve(struct hd_library *l, struct hd_fault *fault) {
  void *handle = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return hd_fault_set(fault, HADRON_ERR_DEPENDENCY, "%s: %s; %s", l->purpose, dlerror(), l->hint);
  for (size_t i = 0; l->names[i]; i++) {
    void *symbol = dlsym(handle, l->names[i]);
    if (!symbol) return hd_fault_set(fault, HADRON_ERR_DEPENDENCY, "%s: %s has no function %s: it is too old; %s", l->purpose, l->file, l->names[i], l->hint);
    memcpy((char *)l->table + i * sizeof symbol, &symbol, sizeof symbol); // ISO C has no cast from a data to a function pointer
  }
  l->open = true;
  return HADRON_OK;
}

int32_t hd_library_open(struct hd_library *l, struct hd_fault *fault) {
  pthread_mutex_lock(&l->mutex);
  int32_t code = l->open ? HADRON_OK : resolve(l, fault);
  pthread_mutex_unlock(&l->mutex);
  return code;
}
