// Hadron SDK: the one table of errors. It makes the enum, the names, the texts, the hints, Lua's `hadron.err` constants and
// docs/errors.md. 0 is success; an error is negative and keeps its number for ever.
#ifndef HADRON_ERROR_H
#define HADRON_ERROR_H

#include <stdint.h>

// X(NAME, code, text, hint)
#define HADRON_ERROR_MAP(X)                                                                                          \
  X(ARGUMENT, -1, "argument out of its domain", "see the function's header comment for the allowed range")           \
  X(MEMORY, -2, "out of memory", "lower the limits in the config or give the process more memory")                   \
  X(OVERFLOW, -3, "integer overflow in a price, quantity or money", "check the units of the input")                  \
  X(RANGE, -4, "value out of range", "the message names the value and the range")                                    \
  X(PARSE, -5, "text could not be parsed", "the message names the place and what was expected there")                \
  X(NOT_FOUND, -6, "not found", "check the name; `hadron status` lists what is loaded")                              \
  X(EXISTS, -7, "already exists", "choose another name or remove the first")                                         \
  X(FULL, -8, "a bounded queue or table is full", "docs/limits.md names each bound and its config key")              \
  X(STATE, -9, "not allowed in this state", "the message names the state and the states that allow it")              \
  X(IO, -10, "input or output failed", "the message names the file and the system's own error")                      \
  X(CORRUPT, -11, "data is damaged", "the message names the file and the offset; restore it or fetch it again")      \
  X(UNSUPPORTED, -12, "not supported", "the message names what is supported")                                        \
  X(ABI, -13, "plugin was built for another ABI", "rebuild the plugin with this host's SDK headers")                 \
  X(CAPABILITY, -14, "a required capability is missing", "use a host that offers it, or drop the requirement")       \
  X(PLUGIN, -15, "plugin reported an error", "the message carries the plugin's own words")                           \
  X(SCRIPT, -16, "Lua script raised an error", "the message names file and line")                                    \
  X(BUDGET, -17, "plugin used up its time, instruction or memory budget", "make the callback cheaper or raise the budget") \
  X(RISK, -18, "risk check denied the order", "the reason code names the check; `hadron status` shows the limits")   \
  X(KILLED, -19, "kill switch is on", "`hadron release` after the cause is understood")                              \
  X(STALE, -20, "data is too old to act on", "check the venue's connection")                                         \
  X(CLOSED, -21, "resource is closed", "open it again")                                                              \
  X(TIMEOUT, -22, "timed out", "the message names what was waited for and how long")                                 \
  X(AGAIN, -23, "nothing to do now", "call again when the doorbell rings")                                           \
  X(END, -24, "end of data", "there is no more")                                                                     \
  X(CONFIG, -25, "configuration is wrong", "`hadron run --check CONFIG` lists all errors at once")                   \
  X(DATABASE, -26, "database refused", "the message carries the server's words")                                     \
  X(PERMISSION, -27, "not permitted", "the message names what is needed")                                            \
  X(DUPLICATE, -28, "seen before", "the first one counts")                                                           \
  X(DEPENDENCY, -29, "a needed program or library is missing", "`hadron doctor` names what to install")              \
  X(INTERNAL, -30, "internal invariant broken", "please report it with the journal")

enum hadron_error {
  HADRON_OK = 0,
#define HADRON_ERROR_ENUM(name, code, text, hint) HADRON_ERR_##name = (code),
  HADRON_ERROR_MAP(HADRON_ERROR_ENUM)
#undef HADRON_ERROR_ENUM
};

// Text, hint or name of an error code; static storage, never NULL. A positive or unknown code gives "unknown error".
static inline const char *hadron_error_text(int32_t code) {
  switch (code) {
  case 0: return "success";
#define HADRON_ERROR_TEXT(name, value, text, hint) \
  case value: return text;
    HADRON_ERROR_MAP(HADRON_ERROR_TEXT)
#undef HADRON_ERROR_TEXT
  default: return "unknown error";
  }
}

static inline const char *hadron_error_hint(int32_t code) {
  switch (code) {
#define HADRON_ERROR_HINT(name, value, text, hint) \
  case value: return hint;
    HADRON_ERROR_MAP(HADRON_ERROR_HINT)
#undef HADRON_ERROR_HINT
  default: return "";
  }
}

static inline const char *hadron_error_name(int32_t code) {
  switch (code) {
  case 0: return "OK";
#define HADRON_ERROR_NAME(name, value, text, hint) \
  case value: return #name;
    HADRON_ERROR_MAP(HADRON_ERROR_NAME)
#undef HADRON_ERROR_NAME
  default: return "UNKNOWN";
  }
}

#endif
