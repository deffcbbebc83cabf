// The probe's part of registering: the artifact is loaded and driven in a throw-away child, and what it said becomes JSON. [any]
#ifndef HD_REGISTRY_TRIAL_H
#define HD_REGISTRY_TRIAL_H

#include "base/fault.h"
#include "registry/source.h"

// measured, parameters: owned by the caller; untouched on failure. timeout_ns 0: the probe's own.
int32_t hd_trial_run(const char *path, const struct hd_source *file, const uint8_t digest[32], int64_t timeout_ns, char **measured, char **parameters, struct hd_fault *fault);

// A sealed private copy of the bytes; -1 with errno: there is none.
int hd_trial_copy(const struct hd_source *file);

#endif
