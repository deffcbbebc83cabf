// Small recordings of the tests' own making: plain files, gzip and zip (stored, not compressed), native ticks; and inspect.
#ifndef TEST_RECORDING_H
#define TEST_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#include "hadron/ext/convert.h"
#include "hadron/ext/inspect.h"

// A folder of this test program, made on first use and removed at exit. static
const char *recording_folder(void);

// Path of a name in that folder; folders on the way are made. static until the eighth next call
const char *recording_path(const char *name);

// Write a file of these bytes, and return its path.
const char *recording_plain(const char *name, const void *bytes, size_t size);
const char *recording_text(const char *name, const char *text);
const char *recording_gzip(const char *name, const char *text);
const char *recording_zip(const char *name, const char *entry, const char *text);

// Reads a file whole; the caller frees it.
void *recording_read(const char *path, size_t *size);

struct bad_rows {
  uint64_t count, row[64];
  char text[64][160];
};

// inspect and convert of replay.so.
int32_t recording_inspect(const char *path, const char *options, struct hadron_inspect_report *report, struct bad_rows *bad, char fault[1200]);
const struct hadron_convert *recording_convert(void);

#endif
