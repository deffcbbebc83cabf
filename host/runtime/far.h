// The far engine: the other side of a strategy that does not run on its shard. One engine of the same code as the shards', with the real
// instances of one version, its own table of instruments and its own marks. It is fed what the shard's stand-in heard, in the same order, so
// bars, timers, volatility and what a strategy is shown are worked out here by the same code, and decisions are the same bit for bit.
//
// takes  CREATE's JSON (hd_far_describe) and an opened plugin; then ticks, notes, asks and time, in the order of the channel
// gives  decisions by the listener, with the cause, trace and time that the shard would have given them; ids not set
// bound  HD_TICK_DECISIONS_MAX decisions per call   full   decide() says FULL, counted
// thread [far]: whoever reads the channel: a thread of the host, or the main thread of a worker. One at a time
#ifndef HD_RUNTIME_FAR_H
#define HD_RUNTIME_FAR_H

#include "base/histogram.h"
#include "bus/channel.h"
#include "plugin/instance.h"
#include "plugin/params.h"
#include "registry/deployment.h"

struct hd_far;
struct hd_instruments;

// What a far engine is made of; hd_far_describe makes a text of it, in the host. All borrowed(call).
struct hd_far_description {
  const char *name;                       // of the deployment
  const struct hd_plugin *plugin;         // the real one
  uint32_t arm;
  uint64_t seed;                          // of the configuration
  uint64_t session;                       // seed of trace ids
  double volatility_decay;
  uint32_t errors_max;                    // failing callbacks in a row after which an instance is fenced; 0: never
  bool is_virtual;                        // the clock moves with the ticks: times over budget are not measured
  uint64_t lua_memory_max, lua_instructions_max;
  const struct hd_budget *budget;         // NULL: none
  const struct hd_instruments *instruments;
  const uint32_t *universe;               // ascending
  uint32_t universe_count;
  const struct hd_param_value *params;    // of all that are set, the deployment's on top of the configuration's
  uint32_t param_count;
};
char *hd_far_describe(const struct hd_far_description *d); // to be freed; NULL: out of memory. [any]

struct hd_far_listener {
  void *self;
  // Decisions of one call, in the order in which they were made. [far]
  void (*decided)(void *self, const struct hadron_decision *decisions, uint32_t count);
  // A callback failed; instance: its name, "sma/AAPL". fenced: it gets no more ticks. It is in the log already. May be NULL. [far]
  void (*fault)(void *self, const char *instance, int32_t code, bool fenced, const char *words);
  struct hd_metrics *metrics;             // where the plugin's cells are; NULL: cells of its own, which nobody reads
  struct hd_histogram *latency;           // ns per measured callback; NULL: not measured
};

// json: CREATE's argument, made by another process of the same program, or by this one. plugin: opened; HADRON_ERR_CORRUPT if it is not the
// one that the text names. Makes the instances and gives them their parameters; START starts them. The limits of scripts are set by the
// caller (hd_far_lua). out: untouched on failure.
int32_t hd_far_create(const char *json, size_t size, const struct hd_plugin *plugin, const struct hd_far_listener *listener, struct hd_far **out, struct hd_fault *fault);
void hd_far_destroy(struct hd_far *f); // NULL is fine

// What the text says of the script limits, for a worker: before the plugin is opened.
int32_t hd_far_lua(const char *json, size_t size, uint64_t *memory_max, uint64_t *instructions_max, struct hd_fault *fault);

// Each tick after what was due before it. All instances are started.
void hd_far_ticks(struct hd_far *f, const struct hadron_tick *ticks, uint32_t count);
// POSITION, ALLOCATION, ORDER_EVENT, LOST, INSTRUMENT; MARK says nothing that ROWS does not say better. ASK: hd_far_ask.
void hd_far_note(struct hd_far *f, const struct hd_channel_note *note);
// Timers and bars that are due by now. Only while no tick waits: those before `now_ns` come first.
void hd_far_time(struct hd_far *f, int64_t now_ns);
int64_t hd_far_due(const struct hd_far *f); // INT64_MAX: nothing

// An ASK but CREATE. answer: from malloc, the caller's; on failure words that end with a NUL, or NULL. Verbs and answers:
//   PARAMS  bytes: a JSON object, name = text; instance UINT32_MAX: all of them, or none if one refuses     nothing
//   LOAD    bytes: what SAVE gave (with its header)                                                         nothing
//   SAVE                                                                                                   the state, and behind it struct hd_far_timers
//   START                                                                                                  struct hadron_bar_request[]: what it asked for
//   ROWS    bytes: hd_engine_rows_save of the host's engine, or of the far one that sat there before         nothing
//           no bytes                                                                                       those of this one
//   TIMERS  bytes: struct hd_far_timers                                                                     nothing
//   STEP    instance 1: fires the first thing due by now_ns, if there is one                                struct hd_far_step
//   STOP    nobody is called any more                                                                       nothing
// Decisions that an ask leads to are told before it returns.
struct hd_far_step {       // its next timer, bars apart
  int64_t due_ns;          // INT64_MAX: none
  uint64_t id;
  uint32_t instance, pad;
};
// The timers of one instance: this, and `count` rows of struct hd_engine_timer_row. With LOAD they take the place of those that its start asks for.
#define HD_FAR_TIMERS UINT32_C(0x544d4948) // "HIMT"
struct hd_far_timers {
  uint32_t magic, count;
};
// Where they begin in what SAVE has given; `size`: it has none. rows: how many; at most what there are bytes for.
uint32_t hd_far_saved_timers(const void *bytes, uint32_t size, uint32_t *rows);
int32_t hd_far_ask(struct hd_far *f, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, int64_t now_ns, void **answer, uint32_t *answer_size);

// What the callbacks of a far engine with a latency took since it was asked last, at most once in 100 ms: for the other end's NEXT. Rows of struct hadron_measured.
struct hd_far_measure {
  struct hd_histogram now, told;
  int64_t at_ns; // monotonic
};
struct hadron_measured;
uint32_t hd_far_measured(struct hd_far_measure *m, int64_t mono_ns, struct hadron_measured *rows, uint32_t max);

struct hd_far_figures {
  uint64_t ticks, calls, decisions, refused, faults, lost;
  uint32_t instances, fenced;
};
void hd_far_read(const struct hd_far *f, struct hd_far_figures *out);

// Whose callback the calling thread is in, for last words: fills instance, callback and sequence, if it is one of these. [far, in a signal too]
struct hd_crash;
void hd_far_crash(const struct hd_far *f, struct hd_crash *crash);

#endif
