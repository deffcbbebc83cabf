// The child's side of a probe (plugin/probe.h): what the hidden command of the program runs. It shares the scripted market and the fake
// hosts with `hadron validate`. [the child]
#ifndef HD_SDK_REHEARSE_H
#define HD_SDK_REHEARSE_H

#include "plugin/loader.h"

// The whole life of the child; does not come back. The descriptors are those of enum hd_probe_fd.
_Noreturn void hd_rehearse(const struct hd_plugin_language *lua);

#endif
