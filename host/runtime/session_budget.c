// What the governor says while a session runs, and what the watchdog left behind for the next one.
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/crash.h"
#include "runtime/governor.h"
#include "runtime/last_words.h"
#include "runtime/session_internal.h"
#include "runtime/watchdog.h"

static void format_event(const struct hd_governor_event *e, char *to, size_t size) {
  static const char *const then[] = {"", "", "; it gets no more calls, its positions stay", "; the version is switched off, its positions stay"};
  char found[40], allowed[40];
  switch (e->kind) {
  case HD_BUDGET_TIME:
    hd_duration_format(found, sizeof found, (int64_t)e->found);
    hd_duration_format(allowed, sizeof allowed, (int64_t)e->allowed);
    snprintf(to, size, "%s: budget: %s took %s, allowed are %s", e->instance->name, e->callback, found, allowed);
    break;
  case HD_BUDGET_ALLOCATIONS:
    snprintf(to, size, "%s: budget: %s allocated %llu times, allowed are %llu", e->instance->name, e->callback, (unsigned long long)e->found, (unsigned long long)e->allowed);
    break;
  default:
    snprintf(to, size, "%s: budget: %llu callbacks failed in a row, the last was %s; allowed are %llu", e->instance->name, (unsigned long long)e->found, e->callback,
             (unsigned long long)e->allowed);
  }
  size_t used = strlen(to);
  snprintf(to + used, size - used, " (time %llu over budget)%s", (unsigned long long)e->times, then[e->action & 3]);
}

void hd_session_over_budget(void *self, const struct hd_governor_event *e) {
  struct hd_session *s = self;
  char text[400];
  format_event(e, text, sizeof text);
  if (e->action == 0) { // counted, not acted upon yet
    hd_log(HADRON_LOG_WARN, "OVER_BUDGET", "%s", text);
    return;
  }
  hd_session_alert(s, e->action == HD_BUDGET_WARN ? 2 : 3, HADRON_ERR_BUDGET, e->arm, e->instance->now(e->instance->owner), text);
  if (e->action != HD_BUDGET_WARN) hd_instance_fail(e->instance, text); // the engine is about to ask why
}

static void tell_crash(void *user, const struct hd_crash *c, const char *path) {
  struct hd_session *s = user;
  char text[700], time[40];
  hd_time_format(time, sizeof time, c->time_ns, 3);
  if (*c->plugin)
    snprintf(text, sizeof text, "an earlier run was stopped at %s: %s, plugin %s %s: %.160s (sequence %llu); see %.200s", time, c->instance, c->plugin, c->version, c->reason,
             (unsigned long long)c->sequence, path);
  else snprintf(text, sizeof text, "an earlier run was stopped at %s by the host's own code: %.160s; see %.200s", time, c->reason, path);
  hd_session_alert(s, 3, *c->plugin ? HADRON_ERR_PLUGIN : HADRON_ERR_INTERNAL, 0, s->runner.now_ns, text);
}

int32_t hd_session_watch(struct hd_session *s, struct hd_fault *fault) {
  hd_crash_tell(s->config->data_dir, tell_crash, s);
  hd_last_words_open(s);
  return hd_watchdog_create(s->config->data_dir, &s->watchdog, fault);
}
