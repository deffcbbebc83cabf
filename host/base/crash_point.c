#include "base/crash_point.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

const char *const hd_crash_points[HD_CRASH_POINTS] = {
    [HD_CRASH_CHANGE_PENDING] = "change.pending",     [HD_CRASH_CHANGE_STAGED] = "change.staged",       [HD_CRASH_CHANGE_AGREED] = "change.agreed",
    [HD_CRASH_CHANGE_RECORDED] = "change.recorded",   [HD_CRASH_CHANGE_EXCHANGED] = "change.exchanged", [HD_CRASH_CHANGE_SETTLED] = "change.settled",
    [HD_CRASH_CHANGE_ACTIVE] = "change.active",       [HD_CRASH_ROLLOUT_REPORTED] = "rollout.reported", [HD_CRASH_ROLLOUT_DECIDED] = "rollout.decided",
    [HD_CRASH_ORDER_FLUSHED] = "order.flushed",
    [HD_CRASH_ORDER_RECORDED] = "order.recorded",     [HD_CRASH_ORDER_SUBMITTED] = "order.submitted",   [HD_CRASH_EVENT_RECORDED] = "order.event",
    [HD_CRASH_REPORT_RECORDED] = "order.report",      [HD_CRASH_EXECUTION_RECORDED] = "order.execution", [HD_CRASH_ALLOCATION_RECORDED] = "order.allocation",
    [HD_CRASH_RECOVERED] = "recover.recorded",        [HD_CRASH_SNAPSHOT_WRITTEN] = "snapshot.written", [HD_CRASH_SNAPSHOT_RENAMED] = "snapshot.renamed",
};

bool hd_crash_armed;

void hd_crash_arm(void) { hd_crash_armed = getenv("HADRON_CRASH_AT") != NULL; }

void hd_crash_point(enum hd_crash_point point) {
  static _Atomic unsigned long passed[HD_CRASH_POINTS];
  const char *asked = getenv("HADRON_CRASH_AT"), *name = hd_crash_points[point];
  size_t size = strlen(name);
  if (!asked || strncmp(asked, name, size) != 0 || (asked[size] && asked[size] != ':')) return;
  unsigned long time = asked[size] ? strtoul(asked + size + 1, NULL, 10) : 1;
  if (++passed[point] == time) raise(SIGKILL);
}
