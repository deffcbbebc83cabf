// A worker and everything that a host has around it, without a session: a channel, the bus, the supervisor; and the same strategy inline beside it
// (inline_rig.h). A worker that is started again is made again, as the stand-ins of a session do it.
#ifndef TEST_SUPPORT_WORKER_RIG_H
#define TEST_SUPPORT_WORKER_RIG_H

#include <pthread.h>

#include "bus/bus.h"
#include "runtime/supervise.h"
#include "support/directory.h"
#include "support/inline_rig.h"

struct worker_rig {
  struct inline_rig in;
  char directory[TEST_PATH_SIZE];
  bool open;
  struct hd_bus *bus;
  struct hd_channel channel;
  struct hd_channel_memory memory;       // of its ticks
  struct hd_workers *workers;
  struct hd_worker *worker;
  char *json;                            // CREATE's argument; owned
  struct hadron_instrument_definition universe[TEST_INSTRUMENTS];
  struct decision_list decisions;
  uint64_t number;                       // of the last decision that was taken
  // [supervisor] and [bus]
  pthread_mutex_t lock;
  struct hd_bus_seat *seat;
  uint32_t joined, state;                // times; enum hd_worker_state at the last end, 0: none
  uint64_t ended;
  char words[512];
};

// plugin, params: as inline_rig_open takes them. with: NULL: as it is; name, plugin, url and care are the rig's.
void worker_rig_open(struct worker_rig *rig, const char *plugin, uint32_t instruments, const char *const *params, const struct hd_worker_options *with);
void worker_rig_close(struct worker_rig *rig); // also one that was closed, never opened, or opened in part
// CREATE and START of all. HADRON_OK, or what the worker said; words: of a failure.
int32_t worker_rig_make(struct worker_rig *rig, char *words, size_t size);
// The answer's code. 10 s at most.
int32_t worker_rig_ask(struct worker_rig *rig, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, char *words, size_t words_size);
void worker_rig_take(struct worker_rig *rig); // decisions that are there
void worker_rig_wait_handled(struct worker_rig *rig); // until all that was sent is through, decisions too
// Until it has ended so often. Returns its state then.
uint32_t worker_rig_wait_ended(struct worker_rig *rig, uint64_t ended);

#endif
