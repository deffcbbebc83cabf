// The walls around a child that runs a plugin for the first time: the sandbox (plugin/sandbox.h) as a probe uses it.
// [the child, before the plugin]
#ifndef HD_SDK_WALL_H
#define HD_SDK_WALL_H

#include "plugin/probe_wire.h"

// Does not come back if the parent is gone. An error: the plugin must not be run.
int32_t hd_wall_in(const struct hd_probe_wire *request, struct hd_fault *fault);

#endif
