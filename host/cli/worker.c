// hadron worker: strategies that run outside of their host, in a process of their own. `--child` is the host's own way of starting one.
#include "base/banned.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "lua/runtime.h"
#include "runtime/worker.h"

bool hd_cli_is_worker_child(int argc, char **argv) { return argc == 3 && strcmp(argv[1], "worker") == 0 && strcmp(argv[2], "--child") == 0; }

int hd_cli_worker_child(void) { return hd_worker_child(&hd_lua_language); }
