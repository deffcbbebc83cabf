// The run-to-completion form: venues, pipeline and clock on one thread, from venue callback to venue submit without a hop. Replay,
// backtest and live with one shard thread are this object with another clock; tests drive it directly.
//
//   advance(t)  handles all that is due before t: venue polls, bar closes, timers, samples, each at its own time
//   tick(t)     offers one tick and runs everything it sets off to the end
//
// thread [io] = [shard] = [trade]
#ifndef HD_RUNTIME_RUNNER_H
#define HD_RUNTIME_RUNNER_H

#include "base/limits.h"
#include "runtime/io.h"
#include "runtime/venue.h"

struct hd_runner {
  struct hd_pipeline *pipeline;  // borrowed
  struct hd_venue *venues;       // [0 .. venue_count): numbers 1 ..; borrowed
  uint32_t venue_count;
  struct hd_venue *followers[HD_ARMS_MAX + 1]; // fill against accepted ticks, in this order
  uint32_t follower_count;
  struct hd_venue *shadows;      // [arm]: each shadow arm's own market, all of them under one number; borrowed; NULL: none
  uint32_t shadow_max;           // highest arm
  _Atomic uint16_t shadow_venue; // that number, once the two above are there; 0: none. [io] opens, [trade] looks
  _Atomic(struct hd_venue *) shadow_first; // the first of them: [trade] asks it about all, because they are made alike
  struct hd_venue *polled[HD_VENUES_MAX + HD_ARMS_MAX]; // all that are polled by time
  uint32_t polled_count;
  struct hd_io io;               // what makes venues due besides time; owned
  uint32_t recorded;             // how many venues are RECORDED
  bool inline_ticks;             // a lone recorded source is handled out of its own memory
  int64_t now_ns;                // the clock: virtual in replay, wall time of the event in live
  bool is_virtual;               // the clock moves with the ticks
  uint32_t seen[HD_VENUES_MAX + 2]; // [venue]: the state that the trading side has acted by last; one thread
  struct hd_ring reports;        // of struct hadron_venue_report; owned
  uint64_t ticks;                // offered
  uint64_t polls;
  int64_t first_ns;              // time of the first tick; 0: none yet
  int64_t duration_ns;           // replay: how long from there on; 0: to the end
  int64_t tick_limit_ns;         // replay: ticks from here on are not taken yet (pause, step, seek, speed); INT64_MAX: none
  uint64_t tick_limit;           // replay: nor are ticks beyond this number; UINT64_MAX: none
  bool stop;                     // take no more ticks
  bool touched;                  // a venue was given a command and not polled since, or has reported
  bool held;                     // a tick was not taken, for one of these reasons
  // A venue has resolved listings from this handle on while ticks flow: whatever it says not HADRON_OK, their ticks are not taken. NULL: not yet.
  int32_t (*listed)(void *listed_of, uint32_t first);
  void *listed_of;
  void (*judge)(void *judge_of); // after timers and samples, between two events; NULL: nobody
  void *judge_of;
  // Live with threads: the pipeline's trading side is another thread's. NULL: it is this one's.
  void *other;
  void (*reports_full)(void *other);
  void (*adjust)(void *other, const struct hadron_adjustment *adjustment);
};

int32_t hd_runner_init(struct hd_runner *r, struct hd_pipeline *pipeline, struct hd_venue *venues, uint32_t venue_count);
void hd_runner_fini(struct hd_runner *r);

// What orders to a venue go by: enum hadron_venue_state. [any]
uint32_t hd_runner_state(struct hd_runner *r, uint16_t number);
// Takes a shadow arm's venue in: runner->shadows[arm], which follows.
void hd_runner_shadow(struct hd_runner *r, uint32_t arm);
// A venue that fills against accepted ticks.
void hd_runner_follow(struct hd_runner *r, struct hd_venue *v);
// The instance behind a venue is another one: ticks go to it.
void hd_runner_refollow(struct hd_runner *r);

// The gateway's way to the venues; `self` is the runner.
extern const struct hd_venue_port hd_runner_port;

// Handles everything due at or before t, in the order of its time, and sets the clock to t.
void hd_runner_advance(struct hd_runner *r, int64_t t_ns);
// One tick at its receive time (never before the clock). False: not taken (tick_limit).
bool hd_runner_tick(struct hd_runner *r, const struct hadron_tick *tick);
// A run of ticks of one source, ascending by time: what is due is not asked anew for each of them. Returns how many were taken.
uint32_t hd_runner_ticks(struct hd_runner *r, const struct hadron_tick *ticks, uint32_t count);
// What was reported and queued, until nothing is left to do at this time.
void hd_runner_settle(struct hd_runner *r);
// What a venue said while it was called; handled by the next settle. A corporate action is handled at once: a recorded source says it
// between two ticks.
void hd_runner_reported(struct hd_runner *r, struct hd_venue *v, const struct hadron_venue_report *report);
void hd_runner_adjust(struct hd_runner *r, struct hd_venue *v, const struct hadron_adjustment *adjustment);
// When something is due next, other than ticks of recorded venues; INT64_MAX: nothing.
int64_t hd_runner_due(const struct hd_runner *r);

#endif
