// How the loader opens Lua plugins: by the Lua room.
#include "runtime/session_internal.h"

const struct hd_plugin_language *const hd_session_lua = NULL;
