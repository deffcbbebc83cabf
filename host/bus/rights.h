// Who may do what by a token, and who knocks too often. A file of tokens (mode 0600) has a line for each: the token's SHA-256, a class, and the
// strategies that it may speak for, "*" for all. The tokens themselves are nowhere: `hadron token` says one once.
//
//   2bb80d53… trade trend,pairs     # comment
//
// bound  HD_RIGHTS_MAX tokens; HD_REFUSALS_MAX addresses are remembered, the one that was quiet longest makes room
// thread one at a time
#ifndef HD_BUS_RIGHTS_H
#define HD_BUS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/limits.h"

#define HD_TOKEN_SIZE 65 // 32 random bytes in hexadecimal, with the NUL

struct hd_rights;

// HADRON_ERR_PERMISSION: others may read or write the file; HADRON_ERR_PARSE: with its line; HADRON_ERR_IO, HADRON_ERR_MEMORY.
int32_t hd_rights_open(const char *path, struct hd_rights **out, struct hd_fault *fault);
void hd_rights_close(struct hd_rights *r); // NULL is fine
// Reads the file again if it was changed; what cannot be read leaves the old rights in force, and is an error, told once per change.
int32_t hd_rights_refresh(struct hd_rights *r, struct hd_fault *fault);
// What a token allows in the name of a strategy: an enum hd_bus_class, 0: nothing. Takes as long whichever token it is, and where it differs.
uint32_t hd_rights_of(const struct hd_rights *r, const char *token, const char *name);
uint32_t hd_rights_of_digest(const struct hd_rights *r, const uint8_t digest[32], const char *name); // by the token's SHA-256

// A fresh token, and the line for the file. names: "*", or names with commas. HADRON_ERR_ARGUMENT, HADRON_ERR_IO.
int32_t hd_token_make(const char *class_name, const char *names, char token[HD_TOKEN_SIZE], char *line, size_t line_size, struct hd_fault *fault);

// How often each address was refused.
struct hd_refusals {
  struct { uint64_t key; uint32_t count; int64_t first_ns, last_ns; } rows[HD_REFUSALS_MAX];
  uint32_t count;
  uint64_t total;
};
// Counts one. peer: its address; ports do not count. Returns how often it was refused in the last minute, this one too: 1 is for the log.
uint32_t hd_refusals_add(struct hd_refusals *r, const char *peer, int64_t now_ns);

#endif
