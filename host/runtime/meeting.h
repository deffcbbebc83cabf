// A meeting: every shard stops between two ticks and does its part on its own thread; what all of them have prepared is then decided
// once, and finished by each. With one thread it is a plain sequence of calls. Ticks wait in their lanes meanwhile; nothing is lost.
//
//   prepare   [shard]  each on its own; may refuse, for everybody
//   decide    [shard]  once, by the last to have prepared, while all others wait
//   finish    [shard]  each on its own; agreed: what was decided
#ifndef HD_RUNTIME_MEETING_H
#define HD_RUNTIME_MEETING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hd_session;

enum hd_verdict_of_meeting { HD_MEETING_OPEN = 0, HD_MEETING_AGREED = 1, HD_MEETING_REFUSED = 2 };

struct hd_meeting {
  void *self;
  void (*prepare)(void *self, uint32_t shard);
  bool (*decide)(void *self);
  void (*finish)(void *self, uint32_t shard, bool agreed);
  // The meeting's own; zero.
  uint32_t shards;
  _Atomic uint32_t arrived, left, verdict;
  _Atomic int64_t pause_ns; // the longest that any shard handled nothing
};

// Holds a meeting and returns when the last shard has gone back to work. HADRON_ERR_CLOSED: the session is stopping; nobody was
// called. [io]
int32_t hd_session_meet(struct hd_session *s, struct hd_meeting *m);

// One shard's part. wait: called again and again until the verdict is there. [shard]
void hd_meeting_attend(struct hd_meeting *m, uint32_t shard, void (*wait)(void *user), void *user);

// Calls `function` where the trading side may be touched, between two of its events. [io]
void hd_session_trade(struct hd_session *s, void (*function)(void *argument), void *argument);

#endif
