// Replay and backtest: a session under a virtual clock that moves with the ticks, on one thread, at any speed. The same input gives
// the same bytes out. Between batches it lets its event loop run, so that a control socket can ask, pause, step, seek and change the
// speed.
//
// thread [control] = [io] = [shard] = [trade]
#ifndef HD_RUNTIME_REPLAY_H
#define HD_RUNTIME_REPLAY_H

#include <uv.h>

#include "runtime/session.h"

struct hd_replay_progress {
  uint64_t ticks;        // handled
  uint64_t done, total;  // of the sources, usually bytes; total 0: not known
  int64_t now_ns;        // virtual clock
  int64_t elapsed_ns;    // wall time since the start
  bool paused;
};

struct hd_replay_options {
  double speed;          // virtual seconds per second; 0: as fast as it goes
  bool paused;           // begin paused
  int64_t seek_ns;       // run to this time before pacing begins; 0: from the start
  int64_t duration_ns;   // of virtual time; needed where no source is recorded; 0: to the end
  uv_loop_t *loop;       // borrowed; NULL: none
  void (*progress)(void *user, const struct hd_replay_progress *progress); // about ten times a second; NULL: none
  void *user;
};

struct hd_replay {
  struct hd_session *session;   // borrowed
  struct hd_replay_options options;
  int64_t wall_start_ns;        // monotonic
  int64_t pace_wall_ns, pace_ns; // where the present pace began: wall and virtual
  int64_t first_ns;             // virtual time of the first tick
  int64_t end_ns;               // virtual time at which to stop; INT64_MAX: none
  uv_timer_t timer;             // for waiting
  bool timer_open, woken;
  bool stopped;                 // asked to stop
};

int32_t hd_replay_init(struct hd_replay *r, struct hd_session *session, const struct hd_replay_options *options);
// Runs to the end of the sources, of the duration, or to hd_replay_stop. The last sample of the books is taken at the end.
int32_t hd_replay_run(struct hd_replay *r, struct hd_fault *fault);
void hd_replay_fini(struct hd_replay *r);

// From callbacks of the loop. [control]
void hd_replay_stop(struct hd_replay *r);
void hd_replay_pause(struct hd_replay *r);
void hd_replay_resume(struct hd_replay *r);
void hd_replay_step(struct hd_replay *r, uint64_t ticks);   // handles so many more, then pauses
void hd_replay_speed(struct hd_replay *r, double speed);
// Runs on, unpaced, to a later time. HADRON_ERR_RANGE for an earlier one: start again with options.seek_ns.
int32_t hd_replay_seek(struct hd_replay *r, int64_t to_ns);
void hd_replay_where(const struct hd_replay *r, struct hd_replay_progress *out);

#endif
