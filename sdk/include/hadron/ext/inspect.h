// Capability "hadron.inspect/1", plugin side, for venues that read recordings: says what a file is. Behind
// `hadron data inspect`.
#ifndef HADRON_EXT_INSPECT_H
#define HADRON_EXT_INSPECT_H

#include "hadron/plugin.h"

#define HADRON_CAP_INSPECT "hadron.inspect/1"

struct hadron_inspect_report {
  char format[48];        // "LEAN equity tick trade", ...
  char symbol[HADRON_SYMBOL_SIZE]; // or "N symbols"
  int64_t first_ns, last_ns; // event times of good rows; 0 if none
  uint64_t rows, ticks, bad_rows;
  uint64_t trades, quotes, books, statuses;
  uint64_t gaps;          // sequence gaps, where the format has sequences
  uint64_t pauses;        // longer than pause_ns between two rows
  int64_t pause_ns_max;   // the longest
  int64_t pause_at_ns;    // where it began
  uint64_t backward;      // rows earlier than the one before
  uint64_t bytes;         // of the file
};

struct hadron_inspect {
  uint32_t struct_size;
  uint32_t pad;

  // Reads a whole file in bounded memory. [control]
  // @own   path, options  borrowed(call), NUL-terminated; options: "key=value" lines as the venue's params, may be NULL
  // @own   report   filled; on failure as far as it got
  // @param bad      called for each bad row: line or record number, text of the fault; may be NULL
  // @param progress called now and then: bytes done, bytes total; may be NULL
  // @own   fault    filled on failure with what, where, expected and found, what to do; `fault_size` bytes
  // @err   HADRON_ERR_UNSUPPORTED  no reader knows this file
  // @err   HADRON_ERR_CORRUPT, HADRON_ERR_IO
  // @since 1.0
  int32_t (*inspect)(const char *path, const char *options, struct hadron_inspect_report *report,
                     void (*bad)(void *user, uint64_t row, const char *text),
                     void (*progress)(void *user, uint64_t done, uint64_t total), void *user, char *fault,
                     size_t fault_size);
};

#endif
