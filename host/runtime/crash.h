// Crash records: what ended the host, in a file of data_dir/crash that the next start reads, tells and marks as told. Lines of
// "key: value", for people and scripts alike; nothing is ever deleted.
#ifndef HD_RUNTIME_CRASH_H
#define HD_RUNTIME_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

#define HD_CRASH_FIELD 256

struct hd_crash {
  char reason[HD_CRASH_FIELD];   // "on_tick did not come back within 2 s"
  char strategy[64], instance[96], plugin[64], version[32], digest[65], callback[32];
  uint64_t sequence;             // of what the callback was called with
  int64_t time_ns;               // wall
  int32_t process;
};

#define HD_CRASH_PATH 768

// Written whole or not at all, and durable when it returns. path: where, or what could not be. [any]
int32_t hd_crash_write(const char *data_dir, const struct hd_crash *crash, char path[HD_CRASH_PATH], struct hd_fault *fault);
// The same for a handler of a signal. NULL: done; else what failed, and errno why. [any, in a signal too]
const char *hd_crash_put(const char *data_dir, const struct hd_crash *crash, char path[HD_CRASH_PATH]);
// Calls `tell` for every record that was not told yet, oldest first, and marks it. Returns how many. [control]
uint32_t hd_crash_tell(const char *data_dir, void (*tell)(void *user, const struct hd_crash *crash, const char *path), void *user);
// The newest record, told or not, that is not older than `since_ns`. False: there is none. [control]
bool hd_crash_last(const char *data_dir, int64_t since_ns, struct hd_crash *out);
// How many records, told or not, there are of a version in a strategy. [control]
struct hd_crash_of {
  const char *strategy, *digest;
  int64_t since_ns; // wall
};
uint32_t hd_crash_count(const char *data_dir, const struct hd_crash_of *of);

#endif
