// Live: a session on the wall clock. Two forms of the same objects:
//
//   one thread   [io] = [shard] = [trade]: libuv loop, venues, pipeline; from venue callback to venue submit without a hop
//   threads      [io] the libuv loop with the venues; a thread per shard; one for trading. Ticks go through the lanes of the shards,
//                decisions, feedback, reports and orders through rings; doorbells wake who sleeps
//
// Services have a thread each in both forms; another one looks after the journal. What others want (status, kill, parameters) is
// handed to the thread that owns the thing by hd_live_call.
#ifndef HD_RUNTIME_LIVE_H
#define HD_RUNTIME_LIVE_H

#include <pthread.h>
#include <uv.h>

#include "base/bell.h"
#include "runtime/meeting.h"
#include "runtime/session.h"

struct hd_live;

struct hd_live_shard {
  struct hd_live *live;
  uint32_t index;
  pthread_t thread;
  bool running;
  struct hd_bell bell;
  struct hd_ring decisions;   // of struct hd_live_decision, to the trading thread
  uint64_t waits;             // times that it had to wait for room
  _Atomic bool quiet;         // it takes no more ticks
  uint64_t met;               // number of the last meeting that it attended
  uint32_t engine_at;         // ticks, for measuring
  uint64_t called;            // cycles: it began what it is doing; 0: not measured
  bool ticking;               // that is a tick
  struct hd_histogram engine; // ns of a tick: written down, the strategies, their decisions into the ring
  struct hd_feedback *stash;  // feedback that was taken out of the ring while it waited for room: the trading thread may be waiting too; owned
  uint32_t stash_at, stash_count, stash_room;
  struct hadron_decision batch[HD_TICK_DECISIONS_MAX]; // [trade]: decisions of one cause, until the last has come
  uint32_t batch_count;
  struct hd_stamps batch_at;  // [trade]: of that cause
};

// When [io] had a tick, for the cost of an order that it sets off: [trade] asks for it by the tick's sequence.
struct hd_live_offered {
  _Atomic uint64_t sequence, offered, routed; // cycles
};

// Something that a thread does for another one, between two of its own things. Owned by the one who asks.
struct hd_live_errand {
  void (*function)(void *argument);
  void *argument;
  _Atomic bool done;
};

struct hd_live_service {
  struct hd_live *live;
  struct hd_session_service *service;
  pthread_t thread;
  bool running;
  _Atomic bool hold;
  _Atomic(struct hd_live_errand *) errand; // waits for the service's thread
  struct hd_bell bell;
};

struct hd_live_call; // live.c

struct hd_live {
  struct hd_session *session;   // borrowed
  uv_loop_t *loop;              // borrowed; [io]
  uv_timer_t timer;             // next thing due
  uv_async_t wake;              // doorbell of [io]
  uv_prepare_t prepare;
  uv_poll_t outside;            // the venues' descriptors and their doorbell (io.h)
  bool threads;
  _Atomic bool stop;            // sources and shards take no more ticks
  _Atomic bool trade_stop;      // the trading thread ends once it has nothing left
  _Atomic bool trade_done;      // it has ended
  _Atomic uint32_t hold;        // what the shards are asked to leave alone (live.c)
  _Atomic uint32_t resting;     // shards that do nothing at all
  struct hd_meeting *meeting;   // that the shards are called to; written before its number
  _Atomic uint64_t meetings;    // how many there were
  struct hd_live_shard *shards; // owned
  struct hd_live_service *services;
  pthread_t trade_thread, journal_thread;
  bool trade_running, journal_running;
  struct hd_bell trade_bell, journal_bell;
  struct hd_ring commands;      // orders from [trade] to [io]
  struct hd_ring reports;       // from [io] to [trade]
  _Atomic uint32_t seen[HD_VENUES_MAX + 2]; // [venue number]: the state that [trade] acts by
  struct hd_ring adjustments;   // corporate actions, from [io] to [trade]
  _Atomic(struct hd_live_call *) call; // one at a time, from [io] to [trade]
  uint32_t measure_every;              // threads: how often the stages are measured, each by the thread that it is on; 0: never
  uint32_t normalize_at, trade_at;     // [io], [trade]: since the last measured one
  struct hd_live_offered *offered;     // the newest ticks; owned; NULL: costs of orders are not written down
  struct hd_histogram normalize;       // [io]: ns of a tick from the venue into its lane
  struct hd_histogram engine;          // of the shards that have ended
  struct hd_histogram tick_to_order;   // threads: ns from receipt to the order's way into its ring
  uint64_t command_full;
  int64_t end_ns;               // wall time at which to stop; INT64_MAX: none
  _Atomic int32_t failed;       // why it stopped by itself; 0: it did not
  struct hd_fault failure;      // and the words, written before
};

// Opens the threads and the loop's handles. The session is open already, with its venues started on this thread.
int32_t hd_live_open(struct hd_live *live, struct hd_session *session, uv_loop_t *loop, int64_t duration_ns, struct hd_fault *fault);
// Runs the loop until hd_live_stop or the end of the duration. [io]
void hd_live_run(struct hd_live *live);
void hd_live_stop(struct hd_live *live); // [io, or a signal callback of the loop]
// Stops the threads: sources first, then shards, trading, services; drains what is in the rings. [io]
void hd_live_close(struct hd_live *live);

// Hands a report to the trading thread; waits for room. [io]
void hd_live_report(struct hd_live *live, const struct hadron_venue_report *report);

// Calls `function` where the trading side may be touched, and waits for it. [io]
void hd_live_call(struct hd_live *live, void (*function)(void *argument), void *argument);

// One turn of the loop's work, for one who has to wait inside of a command while the market goes on: what is due is handled. [io]
void hd_live_turn(struct hd_live *live);
// Stops the thread of a service, or lets it go on; between the two the service is the caller's. [io]
void hd_live_service_hold(struct hd_live *live, uint32_t index);
int32_t hd_live_service_go(struct hd_live *live, uint32_t index, struct hd_fault *fault);
// Gives the thread of a service an errand, for between two steps; `done` says when. False: it has one already. [io]
bool hd_live_service_ask(struct hd_live *live, uint32_t index, struct hd_live_errand *errand);
// Takes it back; false: the thread is at it. [io]
bool hd_live_service_withdraw(struct hd_live *live, uint32_t index, struct hd_live_errand *errand);

// Calls the shards to a meeting and waits for its end; trading goes on. [io]
void hd_live_meet(struct hd_live *live, struct hd_meeting *m);

// The same while the shards rest as well: for what strategies or engines read. [io]
void hd_live_quiet(struct hd_live *live, void (*function)(void *argument), void *argument);

#endif
