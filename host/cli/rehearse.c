// The hidden command behind a probe: see plugin/probe.h. Nobody types it.
#include "base/banned.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "lua/runtime.h"
#include "plugin/probe_wire.h"
#include "sdk/validate/rehearse.h"

bool hd_cli_is_rehearsal(int argc, char **argv) { return argc == 2 && strcmp(argv[1], HD_PROBE_WORD) == 0; }

void hd_cli_rehearse(void) { hd_rehearse(&hd_lua_language); }
