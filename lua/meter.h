// A text with its meter: counting code is woven into it, so that Lua needs no hook to stop it. Every way to run for ever passes one
// of three places: the beginning of a function, the beginning of a loop's body, a goto to a label behind. There the text takes the
// steps of what follows from a counter; where none are left it asks the box for more (hd_lua_charge and the hook work as ever).
//
// takes  a text that Lua has compiled as it is, so that its words are known to be right
// bound  HD_METER_DEPTH blocks in one another, HD_METER_LABELS labels  full  the text is not metered, and runs under the hook
// thread any
#ifndef HD_LUA_METER_H
#define HD_LUA_METER_H

#include <stdbool.h>
#include <stddef.h>

// The names that the woven code uses. A text that contains one of them is not metered.
#define HD_METER_LEFT "__hd_left"
#define HD_METER_MORE "__hd_more"

#define HD_METER_DEPTH 250 // Lua itself ends at 200
#define HD_METER_LABELS 256

// Gives a text (owned by the caller, NUL at the end) that returns the function that `text` would have been, with the lines where
// they were; NULL: it cannot be metered, or there is no memory.
char *hd_meter_weave(const char *text, size_t size, size_t *woven_size);

#endif
