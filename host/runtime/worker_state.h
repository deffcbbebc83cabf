// What the strategies of `hadron worker` remember from one life to the next: a file on their own machine, data_dir/worker/NAME.state, written whole when a worker ends
// cleanly and read before its strategy starts. What each instance saved stands under its instrument's name ("" of one that sees them all): numbers are the
// host's, and another life of it may give others.
//
// thread of whoever owns the far engine [far]
#ifndef HD_RUNTIME_WORKER_STATE_H
#define HD_RUNTIME_WORKER_STATE_H

#include "runtime/far.h"

struct hd_worker_memory {
  const char *path;
  const struct hd_plugin *plugin;
  const char *const *keys; // [0 .. count): of the far engine's instances
  uint32_t count;
};

// data_dir/worker/NAME.state; makes the directory.
int32_t hd_worker_state_path(const char *data_dir, const char *name, char *to, size_t size, struct hd_fault *fault);
// HADRON_ERR_UNSUPPORTED: the plugin keeps no state; _STATE: one of its instances is fenced: what it knows is nothing to go on with; what the plugin says; _IO.
int32_t hd_worker_state_save(const struct hd_worker_memory *m, struct hd_far *far, int64_t now_ns, struct hd_fault *fault);
// Into instances that are made and not started. HADRON_ERR_NOT_FOUND: there is no file; all others: it cannot go on with it. time_ns: when it was saved;
// loaded: instances that had something there.
int32_t hd_worker_state_load(const struct hd_worker_memory *m, struct hd_far *far, int64_t *time_ns, uint32_t *loaded, struct hd_fault *fault);

#endif
