// The bytes of a recording: a plain, gzip, zstd, bzip2 or xz file, or the entries of a zip or tar, unpacked while they are read.
//
//   source_open(&s, path, &fault)        then, for every entry:
//   source_line(&s, &line, &size)        HADRON_OK, HADRON_ERR_END, HADRON_ERR_RANGE (a line too long: a bad row), or a fault
//   source_bytes(&s, need, &bytes)       the same for binary records; source_peek looks without taking
//   source_next_entry(&s)                HADRON_ERR_END after the last
//   source_close(&s)                     may be called twice, and on one that did not open
//
// Memory: one buffer of 64 KiB that grows to SOURCE_LINE_MAX for a long line, and what the unpacker needs; never the file.
#ifndef REPLAY_SOURCE_H
#define REPLAY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

#define SOURCE_LINE_MAX (1u << 20) // bytes of a line or record; the longest known is a depth snapshot of 5,000 levels, 0.4 MB
#define SOURCE_PATH_MAX 1024

struct archive;

struct source {
  struct archive *archive;
  struct fault *fault; // borrowed(until close)
  char path[SOURCE_PATH_MAX];
  char entry[256]; // name inside the archive; "" for a plain stream
  char *buffer;
  size_t capacity, head, tail;
  bool ended;       // of the entry
  uint64_t size;    // of the file
  uint64_t row;     // lines of this entry so far, skipped ones too
};

int32_t source_open(struct source *s, const char *path, struct fault *fault);
void source_close(struct source *s);
int32_t source_next_entry(struct source *s);

// The next line without its end of line. borrowed(until the next call)
int32_t source_line(struct source *s, const char **line, size_t *size);

// Takes exactly `need` bytes, at most SOURCE_LINE_MAX. HADRON_ERR_END if there are none left; a fault if there are fewer.
int32_t source_bytes(struct source *s, size_t need, const uint8_t **bytes);

// Up to `want` bytes ahead; fewer only at the end.
int32_t source_peek(struct source *s, size_t want, const uint8_t **bytes, size_t *size);

// Bytes of the packed file that were used so far.
uint64_t source_done(const struct source *s);

#endif
