// Named places at which a test lets the host die, as a power cut or a kill would: HADRON_CRASH_AT=NAME or NAME:2 in the environment kills the
// process there, the first or the second time, without a word and without a chance to tidy up. Not for the tick path. The names are in crash_point.c, so that a test can go through
// all of them.
#ifndef HD_BASE_CRASH_POINT_H
#define HD_BASE_CRASH_POINT_H

#include <stdbool.h>
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
  HD_CRASH_ORDER_RECORDED,     // an order is in the journal, nobody knows of it
  HD_CRASH_ORDER_FLUSHED,      // the orders of a round are on the disk, none of them has left
  HD_CRASH_ORDER_SUBMITTED,    // the venue was called, the journal does not say so
  HD_CRASH_EVENT_RECORDED,     // a change of an order is in the journal, the order is as it was
  HD_CRASH_REPORT_RECORDED,    // a venue's words are, and nobody has heard them
  HD_CRASH_EXECUTION_RECORDED, // an execution is, and nobody has it
  HD_CRASH_ALLOCATION_RECORDED, // a share of it is
  HD_CRASH_RECOVERED,          // a start has made its state anew and said so
  HD_CRASH_SNAPSHOT_WRITTEN,   // a snapshot is written under another name
  HD_CRASH_SNAPSHOT_RENAMED,   // it has its name
  HD_CRASH_POINTS
};
extern const char *const hd_crash_points[HD_CRASH_POINTS];

void hd_crash_point(enum hd_crash_point point); // [any]

// The same on the way of an order, where asking the environment costs too much: it was asked when the session was opened.
extern bool hd_crash_armed;
void hd_crash_arm(void); // [control]
static inline void hd_crash_here(enum hd_crash_point point) {
  if (__builtin_expect(hd_crash_armed, 0)) hd_crash_point(point);
}

#endif
