// Capability "hadron.convert/1", plugin side, for venues that read recordings: writes recordings as one native tick file (.hdt),
// which is mapped instead of parsed. Behind `hadron data convert`.
#ifndef HADRON_EXT_CONVERT_H
#define HADRON_EXT_CONVERT_H

#include "hadron/plugin.h"

#define HADRON_CAP_CONVERT "hadron.convert/1"

struct hadron_convert_report {
  uint64_t rows, ticks, bad_rows, gaps;
  uint64_t bytes_in, bytes_out;
  int64_t first_ns, last_ns; // receive times; 0 if there are no ticks
  uint32_t files, listings;
};

struct hadron_convert {
  uint32_t struct_size;
  uint32_t pad;

  // Reads files, merged by receive time, and writes them to `out`, whole or not at all. [control]
  // @own   files     borrowed(call): paths and globs, one per line, NUL-terminated
  // @own   options   borrowed(call): "key=value" lines as the venue's params ("columns" parted by ';'), and "venue=N", the venue
  //                  number in the ticks, 1 by default; may be NULL
  // @own   out       borrowed(call): path; an older file is replaced when the new one is whole
  // @own   report    filled; on failure as far as it got
  // @param bad       called for each bad row: file, line or record number, text of the fault; may be NULL
  // @param progress  called now and then: bytes done, bytes total; may be NULL
  // @own   fault     filled on failure with what, where, expected and found, what to do; `fault_size` bytes
  // @err   HADRON_ERR_UNSUPPORTED  no reader knows a file
  // @err   HADRON_ERR_CORRUPT, HADRON_ERR_IO
  // @since 1.0
  int32_t (*convert)(const char *files, const char *options, const char *out, struct hadron_convert_report *report,
                     void (*bad)(void *user, const char *path, uint64_t row, const char *text),
                     void (*progress)(void *user, uint64_t done, uint64_t total), void *user, char *fault, size_t fault_size);
};

#endif
