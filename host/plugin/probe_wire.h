// What passes between hd_probe and its child: the request as one sealed memory file, the report as one that both have mapped, and the
// places of the descriptors. Both sides are the same program; a stamp refuses another build. [any]
#ifndef HD_PLUGIN_PROBE_WIRE_H
#define HD_PLUGIN_PROBE_WIRE_H

#include <stdatomic.h>

#include "plugin/probe.h"

#define HD_PROBE_WORD "hadron-probe-child" // the hidden command
enum hd_probe_fd { HD_PROBE_FD_ARTIFACT = 3, HD_PROBE_FD_REQUEST = 4, HD_PROBE_FD_REPORT = 5, HD_PROBE_FD_END = 6 };

#define HD_PROBE_MAGIC UINT32_C(0x42505248) // "HRPB"
#define HD_PROBE_PARAM_SIZE HD_PARAM_TEXT_MAX // bytes of a parameter's text; only those that are used take memory
#define HD_PROBE_OUTPUT_MAX 65536           // bytes that the child may print: the last line is part of an error

struct hd_probe_param {
  char name[64], text[HD_PROBE_PARAM_SIZE], place[128];
};

// Parts lie behind the header at multiples of 64 bytes.
struct hd_probe_wire {
  uint32_t magic, size; // size: of this struct
  char build[32];       // HD_VERSION
  int32_t parent;       // process id
  uint32_t param_count, instrument_count, tick_count, state_size, given_ticks; // given_ticks: 0: tick_count is of the script
  uint8_t digest[32];
  char path[1024];
  uint64_t seed, errors_max, memory_max;
  int64_t timeout_ns;
  uint64_t params_at, instruments_at, ticks_at, state_at, total;
};

// Where the child stands.
struct hd_probe_place {
  char step[64];  // "on_tick", "destroy", ...: what is being called
  uint64_t call;  // which call of it, from 1
};

struct hd_probe_report {
  struct hd_probe_place place;
  struct hd_probe_result result;
  struct hd_probe_row rows[HD_PARAMS_MAX]; // result.row_count of them
  struct hd_fault fault;  // code 0: none
  atomic_bool finished;   // the child has come to its end
};

#endif
