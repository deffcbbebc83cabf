#include "runtime/guard.h"

#include "base/banned.h"
#include "base/text.h"
#include "pipeline/portfolio.h"

static void in_number(char *to, size_t size, int64_t value) { snprintf(to, size, "%lld", (long long)value); }
static void in_duration(char *to, size_t size, int64_t value) { hd_duration_format(to, size, value); }
static void in_money(char *to, size_t size, int64_t value) { hd_decimal_format(to, size, value, HADRON_MONEY_SCALE, 2); }

static int64_t errors_seen(const struct hd_guard_seen *s) { return s->errors > INT64_MAX ? INT64_MAX : (int64_t)s->errors; }
static int64_t latency_seen(const struct hd_guard_seen *s) { return s->callbacks >= HD_GUARD_CALLBACKS_MIN ? s->latency_p99_ns : 0; }
static int64_t drawdown_seen(const struct hd_guard_seen *s) {
  int64_t fall;
  if (__builtin_sub_overflow(s->peak.micros, s->equity.micros, &fall)) return s->peak.micros > 0 ? INT64_MAX : 0;
  return fall > 0 ? fall : 0;
}

static int64_t errors_bound(const struct hd_guard *g) { return g->errors_max > INT64_MAX ? INT64_MAX : (int64_t)g->errors_max; }
static int64_t latency_bound(const struct hd_guard *g) { return g->latency_p99_max_ns; }
static int64_t drawdown_bound(const struct hd_guard *g) { return g->drawdown_max.micros; }

static const struct {
  uint32_t kind;
  const char *name, *what; // "guard NAME: FOUND WHAT, at most ALLOWED allowed"
  int64_t (*bound)(const struct hd_guard *);
  int64_t (*actual)(const struct hd_guard_seen *);
  void (*print)(char *to, size_t size, int64_t value);
} guards[] = {
    {HD_GUARD_ERRORS, "errors", "failed callbacks", errors_bound, errors_seen, in_number},
    {HD_GUARD_LATENCY, "latency", "per callback at the 99th percentile", latency_bound, latency_seen, in_duration},
    {HD_GUARD_DRAWDOWN, "drawdown", "below its own peak", drawdown_bound, drawdown_seen, in_money},
};

static uint32_t action_of(uint32_t role, bool warm) {
  if (role == HD_ROLE_CANARY) return HD_GUARD_DEMOTE;
  return warm ? HD_GUARD_ROLLBACK : HD_GUARD_ALERT;
}

bool hd_guard_check(const struct hd_guard *guard, const struct hd_guard_seen *seen, uint32_t role, bool warm, struct hd_guard_verdict *out) {
  *out = (struct hd_guard_verdict){.kind = HD_GUARD_NONE};
  if (role != HD_ROLE_LIVE && role != HD_ROLE_CANARY) return false;
  for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) {
    int64_t bound = guards[i].bound(guard), actual = guards[i].actual(seen);
    if (bound <= 0 || actual <= bound) continue;
    char found[48], allowed[48];
    guards[i].print(found, sizeof found, actual);
    guards[i].print(allowed, sizeof allowed, bound);
    *out = (struct hd_guard_verdict){.kind = guards[i].kind, .action = action_of(role, warm), .actual = actual, .bound = bound};
    snprintf(out->why, sizeof out->why, "guard %s: %s %s, at most %s allowed", guards[i].name, found, guards[i].what, allowed);
    return true;
  }
  return false;
}

void hd_guard_peak(struct hd_guard_seen *seen, struct hadron_money equity, bool first) {
  seen->equity = equity;
  if (first || equity.micros > seen->peak.micros) seen->peak = equity;
}
