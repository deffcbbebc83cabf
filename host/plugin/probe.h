// The probe: everything risky about a plugin is tried in a throw-away child process before the host does it itself. The child is a
// fresh copy of the program (an exec, never a bare fork: threads, locks and descriptors of the host are not in it) that may gain no
// privileges, start no process, signal none but itself, reach no network; it has limits of memory, processor time, descriptors and file
// size, an empty environment, and dies with the thread that asked. It checks the digest, loads, creates, sets parameters, loads state, starts, plays ticks, saves, loads what was saved into a
// second instance, and destroys both. Where it stands is in memory that it shares with the parent, so that a crash has a place.
//
// Strategies go the whole way. Venues, allocators and services are loaded, created, given their parameters and destroyed: their start
// reaches outside.
//
// What a plugin says of itself in the child is data: texts are made printable, counts are cut to their bounds. It is no proof against a
// plugin that lies; that is what signatures are for.
#ifndef HD_PLUGIN_PROBE_H
#define HD_PLUGIN_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/limits.h"
#include "hadron/plugin.h"
#include "hadron/strategy.h"
#include "plugin/params.h"

#define HD_PROBE_TIMEOUT_NS INT64_C(10000000000)  // unless the request says another
#define HD_PROBE_MEMORY_MAX (UINT64_C(1) << 30)   // bytes of address space; likewise
#define HD_PROBE_TICKS 1000                       // of the scripted market; likewise
#define HD_PROBE_TICKS_MAX (UINT32_C(1) << 20)    // given ticks; more is refused
#define HD_PROBE_STATE_MAX (UINT32_C(256) << 20)  // bytes of a given state; more is refused

struct hd_probe_instrument {
  uint32_t id;                      // > 0; ascending
  uint32_t pad;
  char name[HADRON_SYMBOL_SIZE];
  struct hadron_price increment;
  struct hadron_quantity lot;
};

// One row of the plugin's own table of parameters, as text: what fits, made printable.
struct hd_probe_row {
  char name[64], initial[64], unit[24], range[64], help[168]; // initial "": see `required`
  uint32_t type;                          // enum hadron_param_type
  bool required, live;
};

// All pointers borrowed(call).
struct hd_probe_request {
  int fd;                                 // the artifact's bytes: a sealed memfd is loaded as it is, any other file is copied first
  const char *path;                       // its name for messages
  uint8_t digest[32];                     // SHA-256 that the bytes must have; checked in the child before any of them is run
  const struct hd_param_value *params;
  uint32_t param_count;                   // 0: the defaults; a plugin that cannot do with those is created and destroyed, no more
  uint32_t state_size;
  const void *state;                      // as hd_state_save wrote it; NULL: none
  const struct hd_probe_instrument *instruments; // scope INSTRUMENT takes the first
  uint32_t instrument_count;              // 0: made-up ones
  uint32_t tick_count;                    // of the scripted market if ticks is NULL; 0: HD_PROBE_TICKS
  const struct hadron_tick *ticks;        // NULL: a scripted market, the same for the same seed
  uint64_t seed;                          // of the script and of the instance's random numbers
  uint64_t errors_max;                    // failing callbacks that are put up with and counted; one more ends the probe
  int64_t timeout_ns;                     // for the whole child; 0: HD_PROBE_TIMEOUT_NS
  struct hd_probe_row *rows;              // room for HD_PARAMS_MAX, filled with the plugin's table of parameters; NULL: not wanted
  uint64_t memory_max;                    // address space in bytes; 0: HD_PROBE_MEMORY_MAX
};

struct hd_probe_result {
  struct hadron_manifest manifest;
  uint32_t language;                      // enum hd_language
  uint32_t triggers, scope;               // strategies; else 0
  uint32_t state_schema, state_schema_min; // 0: it keeps no state
  uint32_t state_size;                    // bytes that `save` wrote, with the host's header
  uint32_t state_size_max;                // bytes that it may need, with the header
  uint32_t row_count;                     // parameters that the plugin has
  uint32_t bar_count;
  struct hadron_bar_request bars[HD_BAR_KINDS_MAX];
  uint64_t callbacks, decisions, refused, errors; // refused: decisions out of their range
  int64_t tick_ns_p50, tick_ns_max;       // of on_tick
  int64_t load_ns, state_load_ns, save_ns, wall_ns; // wall_ns: the whole probe as the caller saw it
  bool complete;                          // false: parameters without a default were missing; it was created and destroyed alone
  char step[32];                          // the last that was reached
};

// Blocking. out: untouched on failure. The error says the step ("load", "create", "params", "load state", "start", "on_tick 17", "save",
// "destroy", the same with "second " in front for the second instance) and how it ended. [any]
// HADRON_ERR_TIMEOUT: it did not come back; HADRON_ERR_PLUGIN: it crashed or ended the process; HADRON_ERR_CORRUPT: the digest is another;
// the codes of the loader, of the parameters, of the state and of the plugin itself; HADRON_ERR_IO, HADRON_ERR_MEMORY, HADRON_ERR_DEPENDENCY:
// there was no child.
int32_t hd_probe(const struct hd_probe_request *request, struct hd_probe_result *out, struct hd_fault *fault);

// Which program to run as the child: `hadron` names /proc/self/exe as it starts. Until this is called it is the environment's
// HADRON_PROGRAM, else a file `hadron` in the folder of the running program or in the one above. static. [control]
void hd_probe_program(const char *path);

#endif
