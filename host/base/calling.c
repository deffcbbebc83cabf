#include "base/calling.h"

_Thread_local uintptr_t hd_calling;
_Thread_local struct hd_making hd_making;
