// hadron.inspect/1 over every format: one reader, every row, bounded memory.
#ifndef REPLAY_INSPECT_H
#define REPLAY_INSPECT_H

#include "hadron/ext/inspect.h"

int32_t inspect_file(const char *path, const char *options, struct hadron_inspect_report *report,
                     void (*bad)(void *user, uint64_t row, const char *text),
                     void (*progress)(void *user, uint64_t done, uint64_t total), void *user, char *fault, size_t fault_size);

#endif
