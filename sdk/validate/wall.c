#include "sdk/validate/wall.h"

#include <sys/stat.h>

#include "base/banned.h"
#include "plugin/sandbox.h"

#define DESCRIPTORS_MAX 64

// A file may only grow to what a private copy of the artifact takes.
static uint64_t file_size_max(void) {
  struct stat st;
  uint64_t artifact = fstat(HD_PROBE_FD_ARTIFACT, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
  return artifact > HD_PROBE_OUTPUT_MAX ? artifact : HD_PROBE_OUTPUT_MAX;
}

int32_t hd_wall_in(const struct hd_probe_wire *w, struct hd_fault *fault) {
  const struct hd_sandbox sandbox = {.parent = w->parent, .first_unknown = HD_PROBE_FD_END, .memory_max = w->memory_max, .cpu_s = (uint64_t)w->timeout_ns / 1000000000 + 2,
                                     .file_size_max = file_size_max(), .descriptors_max = DESCRIPTORS_MAX, .may_read = true};
  int32_t err = hd_sandbox_enter(&sandbox, fault);
  return err ? err : hd_sandbox_filter(HD_SANDBOX_PROBE, fault);
}
