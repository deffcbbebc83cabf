// The conformance check behind `hadron validate FILE`: what a plugin author runs before anybody else runs the plugin. The file's
// manifest is read first, without running it; everything that runs the plugin happens in a child process, so that a crash or an
// endless loop of the plugin is a line of the report. The host in the child is a fake one with a scripted market. [control]
#ifndef HD_SDK_VALIDATE_H
#define HD_SDK_VALIDATE_H

#include <stdint.h>
#include <stdio.h>

#include "base/fault.h"
#include "hadron/types.h"
#include "plugin/loader.h"
#include "plugin/params.h"

#define HD_CHECKS_MAX 48
#define HD_CALLBACKS_MAX 8

enum hd_check_outcome {
  HD_CHECK_INVALID = 0,
  HD_CHECK_PASS = 1,
  HD_CHECK_FAIL = 2,
  HD_CHECK_SKIP = 3,
};

struct hd_check {
  uint32_t outcome;  // enum hd_check_outcome
  char name[28];     // "load", "determinism", ...
  char words[600];
};

// What one callback cost in the script.
struct hd_callback_cost {
  char name[24];
  uint64_t calls, errors;
  uint64_t allocations; // calls of malloc and its relatives by the plugin itself; shared objects only
  uint64_t p50_ns, p99_ns, max_ns;
};

struct hd_validation {
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE], description[128];
  uint32_t kind, language;
  uint32_t check_count, passed, failed, skipped;
  struct hd_check checks[HD_CHECKS_MAX];
  uint32_t cost_count;
  struct hd_callback_cost costs[HD_CALLBACKS_MAX];
  uint64_t decisions; // strategies: how many the script brought about
};

struct hd_validate_options {
  const struct hd_plugin_language *lua; // NULL: scripts fail the check "load"
  const struct hd_param_value *params;  // on top of the defaults
  uint32_t param_count;
  uint32_t pad;
  int64_t timeout_ns; // of the child; 0: 20 s
  uint64_t seed;      // of the script
};

// Fills `out` whatever the plugin does; a plugin that fails checks is no error of this call.
// HADRON_ERR_NOT_FOUND, HADRON_ERR_IO: the file cannot be read; HADRON_ERR_MEMORY, HADRON_ERR_IO: no child could be made.
int32_t hd_validate(const char *path, const struct hd_validate_options *options, struct hd_validation *out, struct hd_fault *fault);

// The report for people; and as one JSON object in text that the caller frees (NULL: no memory).
void hd_validation_print(const struct hd_validation *v, FILE *to);
char *hd_validation_json(const struct hd_validation *v);

#endif
