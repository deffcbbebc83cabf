// hadron.convert/1: any recordings to one native tick file.
#ifndef REPLAY_CONVERT_H
#define REPLAY_CONVERT_H

#include "hadron/ext/convert.h"

int32_t convert_files(const char *files, const char *options, const char *out, struct hadron_convert_report *report,
                      void (*bad)(void *user, const char *path, uint64_t row, const char *text),
                      void (*progress)(void *user, uint64_t done, uint64_t total), void *user, char *fault, size_t fault_size);

#endif
