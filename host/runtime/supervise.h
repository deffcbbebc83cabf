// The supervisor of worker processes (worker.h): starts them, hears what they print, sees how they end, and starts them again.
//
//   ends             started again after 20 ms, 40 ms, 80 ms, ...; after restarts_max of them within HD_WORKER_WINDOW_NS the next end is the last: it is given up, and told
//   hangs            no sign of life for hang_ns: SIGKILL, then as above. A machine that stands still does not count: only looks that came in time do
//   takes memory     its address space is limited (sandbox): allocations fail, and what the plugin makes of that is as above
//   host ends        a worker dies with the thread that has started it, which is this one
//
// What a worker prints is lines: those that look like the log's go into the log under the strategy's name, others too, and the last of those is
// why it ended, as far as it knew: last words (last_words.h), a failed assertion, a sanitizer's report.
//
// thread a thread of its own, [supervisor]: all of `struct hd_worker_care` is called there. The functions here: [any]
#ifndef HD_RUNTIME_SUPERVISE_H
#define HD_RUNTIME_SUPERVISE_H

#include "plugin/loader.h"
#include "runtime/worker_wire.h"

#define HD_WORKER_RESTARTS_MAX 1000 // whose times are remembered
#define HD_WORKER_DELAY_MAX_NS INT64_C(640000000)
#define HD_WORKER_WINDOW_NS INT64_C(30000000000)
#define HD_WORKER_DELAY_NS INT64_C(20000000) // before the first restart; doubled with each within the window
#define HD_WORKER_HANG_NS INT64_C(2000000000) // unless the options say another
#define HD_WORKER_START_NS INT64_C(30000000000) // until it is first heard
#define HD_WORKER_MEMORY_MAX (UINT64_C(1) << 30) // unless the options say another

struct hd_workers;
struct hd_worker;

enum hd_worker_state {
  HD_WORKER_RUNS = 1,
  HD_WORKER_WAITS = 2, // to be started again
  HD_WORKER_GIVEN_UP = 3,
  HD_WORKER_STOPPED = 4,
};

// What the owner of a worker does about it. [supervisor]
struct hd_worker_care {
  void *self;
  // Before every start: from now on the host knows this token, and no earlier one. *url: where the bus is for it; borrowed(until the next call)
  int32_t (*admit)(void *self, const uint8_t token[HD_WORKER_TOKEN_SIZE], const char **url, struct hd_fault *fault);
  // When the host has last heard of the one that runs now; monotonic; 0: not yet.
  int64_t (*heard)(void *self);
  // It has ended: enum hd_worker_state says what is next. words: how. Restarts: so far, this one included.
  void (*ended)(void *self, uint32_t state, uint64_t restarts, const char *words);
  // It is to end: its connection is to go. NULL: nothing.
  void (*farewell)(void *self);
  // May it be started again yet? One that is not in use is not. NULL: yes.
  bool (*wanted)(void *self);
};

struct hd_worker_options {
  const char *name;                // of the strategy; copied
  const struct hd_plugin *plugin;  // static
  uint64_t memory_max;             // bytes of address space; 0: HD_WORKER_MEMORY_MAX
  int64_t hang_ns;                 // 0: HD_WORKER_HANG_NS
  uint32_t restarts_max;           // at most HD_WORKER_RESTARTS_MAX
  int64_t delay_max_ns;            // before a restart; 0: HD_WORKER_DELAY_MAX_NS
  uint32_t log_level;              // enum hadron_log_level; 0: INFO
  int rings;                       // descriptor of hd_channel_memory, which it maps; borrowed(until stopped); 0: none
  struct hd_worker_care care;
};

struct hd_worker_figures {
  uint32_t state;                  // enum hd_worker_state
  int32_t pid;                     // 0: none
  uint64_t restarts;
  char words[256];                 // how it ended last; "": it has not
};

int32_t hd_workers_create(struct hd_workers **out, struct hd_fault *fault);
void hd_workers_destroy(struct hd_workers *w); // all are stopped; NULL is fine

// Starts one: the process runs when this returns.
int32_t hd_worker_start(struct hd_workers *w, const struct hd_worker_options *options, struct hd_worker **out, struct hd_fault *fault);
// Gives it a moment to end by itself (its connection is gone), then kills it; nothing of `care` is called any more when this returns. NULL is fine.
void hd_worker_stop(struct hd_worker *worker);
void hd_worker_kill(struct hd_worker *worker, const char *why); // as a hang
void hd_worker_read(struct hd_worker *worker, struct hd_worker_figures *out);

#endif
