#include "base/allocation.h"

_Thread_local uint64_t hd_allocations;
bool hd_allocations_counted;
