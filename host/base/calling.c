#include "base/calling.h"

_Thread_local uintptr_t hd_calling;
