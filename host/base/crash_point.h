// Named places at which a test lets the host die, as a power cut or a kill would: HADRON_CRASH_AT=NAME or NAME:2 in the environment kills the
// process there, the first or the second time, without a word and without a chance to tidy up. Not for the tick path. The names are in crash_point.c, so that a test can go through
// all of them.
#ifndef HD_BASE_CRASH_POINT_H
#define HD_BASE_CRASH_POINT_H

#include <stdint.h>

enum hd_crash_point {
  HD_CRASH_CHANGE_PENDING = 0, // the registry has the revision, nothing else has happened
  HD_CRASH_CHANGE_STAGED,      // the new version is made beside the old one
  HD_CRASH_CHANGE_AGREED,      // all shards have handed over; the journal does not know yet
  HD_CRASH_CHANGE_RECORDED,    // the journal has it; nobody has changed seats
  HD_CRASH_CHANGE_EXCHANGED,   // they have
  HD_CRASH_CHANGE_SETTLED,     // books, roles and weights follow
  HD_CRASH_CHANGE_ACTIVE,      // the registry says so
  HD_CRASH_ROLLOUT_REPORTED,   // with several hosts: the others know that it is staged here
  HD_CRASH_ROLLOUT_DECIDED,    // the registry says that all have agreed; nothing has changed here
  HD_CRASH_POINTS
};
extern const char *const hd_crash_points[HD_CRASH_POINTS];

void hd_crash_point(enum hd_crash_point point); // [any]

#endif
