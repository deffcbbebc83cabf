#include "base/crash_point.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

const char *const hd_crash_points[HD_CRASH_POINTS] = {
    [HD_CRASH_CHANGE_PENDING] = "change.pending",     [HD_CRASH_CHANGE_STAGED] = "change.staged",       [HD_CRASH_CHANGE_AGREED] = "change.agreed",
    [HD_CRASH_CHANGE_RECORDED] = "change.recorded",   [HD_CRASH_CHANGE_EXCHANGED] = "change.exchanged", [HD_CRASH_CHANGE_SETTLED] = "change.settled",
    [HD_CRASH_CHANGE_ACTIVE] = "change.active",       [HD_CRASH_ROLLOUT_REPORTED] = "rollout.reported", [HD_CRASH_ROLLOUT_DECIDED] = "rollout.decided",
};

void hd_crash_point(enum hd_crash_point point) {
  static _Atomic unsigned long passed[HD_CRASH_POINTS];
  const char *asked = getenv("HADRON_CRASH_AT"), *name = hd_crash_points[point];
  size_t size = strlen(name);
  if (!asked || strncmp(asked, name, size) != 0 || (asked[size] && asked[size] != ':')) return;
  unsigned long time = asked[size] ? strtoul(asked + size + 1, NULL, 10) : 1;
  if (++passed[point] == time) raise(SIGKILL);
}
