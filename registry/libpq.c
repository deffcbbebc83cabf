#include "registry/libpq.h"

struct hd_libpq hd_libpq;

static struct hd_library library = HD_LIBRARY(HD_LIBPQ_FUNCTIONS, hd_libpq, "libpq.so.5", "PostgreSQL", "install the package libpq5, version 15 or later");

int32_t hd_libpq_open(struct hd_fault *fault) {
  return hd_library_open(&library, fault);
}
