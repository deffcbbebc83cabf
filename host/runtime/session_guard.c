// Guards where the clock moves with the ticks: at each sample of the books the arms that trade are held against the guards of their
// deployment (guard.h), between two events, so that the same data demotes the same arm at the same place whatever the speed. Errors and
// drawdown count; latency does not: a replay must not depend on how fast the machine is. Live the same is control's (control/watch.c),
// where a demotion is a revision of the registry; a replay has none, and its journal says it: an ALERT with both numbers, then the
// ARM record of a canary that became a shadow, or the SWAP record of a version that went back to the warm one.
#include "base/banned.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/change.h"
#include "runtime/guard.h"
#include "runtime/session_deploy.h"
#include "runtime/session_internal.h"

// What a seat's occupant had shown when it took its role.
struct guarded {
  const struct hd_plugin *plugin;
  uint32_t role;
  uint64_t faults;
  struct hd_guard_seen seen;
  bool told; // an alert is enough for what cannot be demoted
};

struct hd_session_guards {
  bool due; // the books were sampled
  struct guarded arms[];
};

static const struct hd_guard *guard_of(const struct hd_session *s, const struct hd_session_arm *seat) {
  const struct hd_session_deployed *row = hd_session_deployed(s, seat->config->base.name);
  return row && !row->fixed ? &row->now.guard : &seat->config->guard;
}

static bool is_guarded(const struct hd_guard *g) { return g->errors_max || g->drawdown_max.micros > 0; }

// True: it has held its role since the last sample, and what it has shown is up to date.
static bool look_at(const struct hd_session *s, const struct hd_session_arm *seat, struct guarded *a) {
  uint64_t faults = atomic_load(&seat->occupant->faults);
  bool new = a->role != seat->role || a->plugin != seat->occupant->plugin;
  if (new) *a = (struct guarded){.plugin = seat->occupant->plugin, .role = seat->role, .faults = faults};
  hd_guard_peak(&a->seen, hd_book_equity(&s->pipeline.portfolio.books[seat->id]), new);
  a->seen.errors = faults - a->faults;
  return !new;
}

static const struct hd_session_arm *warm_of(const struct hd_session *s, const struct hd_session_arm *seat) {
  for (uint32_t i = 0; seat->role == HD_ROLE_LIVE && i < s->arm_count; i++)
    if (s->arms[i].occupant && s->arms[i].home == seat->home && s->arms[i].warm_until_ns > s->runner.now_ns) return &s->arms[i];
  return NULL;
}

// A section of its own that is a canary: nobody is there to take over what it holds.
static int32_t to_shadow(struct hd_session *s, struct hd_session_arm *seat, struct hd_fault *fault) {
  const struct hd_arm *row = &s->pipeline.arms[seat->id];
  const struct hd_arm_change change = {.role = HD_ROLE_SHADOW, .weight = row->weight, .revision = seat->revision, .split_low = row->split_low, .split_high = row->split_high};
  int32_t code = hd_session_shadow(s, seat->id, fault);
  if (!code) code = hd_pipeline_role(&s->pipeline, seat->id, &change, s->runner.now_ns, fault);
  if (!code) seat->role = HD_ROLE_SHADOW;
  return code;
}

// One version of several of a deployment: a change like an operator's, of versions that are all there.
static int32_t by_change(struct hd_session *s, const struct hd_session_arm *seat, const struct hd_session_arm *warm, struct hd_fault *fault) {
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX] = {NULL};
  struct hd_deployment *d = calloc(2, sizeof *d), *runs = d + 1;
  struct hd_change *change = NULL;
  struct hd_changed changed;
  if (!d) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a change of %s: out of memory", seat->config->base.name);
  const struct hd_session_deployed *row = hd_session_deployed(s, seat->config->base.name);
  int32_t code = hd_session_deployment(s, seat->config->base.name, runs);
  hd_deployment_init(d, runs->name, runs->plugin);
  d->revision = runs->revision;
  d->split = runs->split;
  d->budget = runs->budget;
  d->placement = runs->placement;
  d->warm_ns = row ? row->now.warm_ns : seat->config->warm_ns;
  d->arm_count = runs->arm_count;
  memcpy(d->arms, runs->arms, sizeof d->arms);
  if (!code) code = hd_deployment_demote(d, seat->occupant->plugin->manifest.version, warm ? warm->occupant->plugin->manifest.version : NULL, fault);
  for (uint32_t i = 0; i < d->arm_count; i++)
    for (uint32_t k = 0; k < s->arm_count; k++)
      if (s->arms[k].home == seat->home && s->arms[k].occupant && memcmp(s->arms[k].occupant->plugin->digest, d->arms[i].digest, 32) == 0) plugins[i] = s->arms[k].occupant->artifact;
  if (!code) code = hd_change_create(s, d, plugins, &change, fault);
  if (!code) code = hd_change_stage(change, fault);
  if (!code) code = hd_change_commit(change, &changed, fault);
  hd_change_destroy(change);
  free(d);
  return code;
}

static void judge(struct hd_session *s, struct hd_session_arm *seat, struct guarded *a) {
  static const char *const follows[] = {"", "it goes on as a shadow", "the version before it trades again", "there is no version to go back to: it trades on"};
  const struct hd_session_arm *warm = warm_of(s, seat);
  const struct hd_guard *guard = guard_of(s, seat);
  struct hd_guard_verdict v;
  struct hd_fault fault = {0};
  char text[300];
  if (!look_at(s, seat, a) || a->told || !hd_guard_check(guard, &a->seen, seat->role, warm != NULL, &v)) return;
  a->told = true;
  snprintf(text, sizeof text, "%s@%s: %s; %s", seat->config->base.name, seat->occupant->plugin->manifest.version, v.why, follows[v.action]);
  hd_pipeline_alert(&s->pipeline, 3, HADRON_OK, seat->id, 0, 0, text);
  if (v.action == HD_GUARD_ALERT) return;
  if ((seat->home == seat->id && v.action == HD_GUARD_DEMOTE) ? to_shadow(s, seat, &fault) : by_change(s, seat, warm, &fault))
    hd_log_error("GUARD", "%s: it could not be done: %s", text, fault.text);
  hd_runner_settle(&s->runner);
}

// [trade = io] between two events
static void judge_all(void *self) {
  struct hd_session *s = self;
  if (!s->guards->due) return;
  s->guards->due = false;
  for (uint32_t i = 0; i < s->arm_count; i++) {
    struct hd_session_arm *seat = &s->arms[i];
    if (seat->occupant && (seat->role == HD_ROLE_LIVE || seat->role == HD_ROLE_CANARY) && is_guarded(guard_of(s, seat))) judge(s, seat, &s->guards->arms[seat->id]);
  }
}

static void on_equity(void *self, const struct hadron_equity *equity) {
  if (equity->arm == 0) ((struct hd_session *)self)->guards->due = true;
}

int32_t hd_session_guard(struct hd_session *s, struct hd_fault *fault) {
  bool any = false;
  for (uint32_t i = 0; i < s->config->strategy_count; i++) any |= s->config->strategies[i].base.enabled && is_guarded(&s->config->strategies[i].guard);
  for (uint32_t i = 0; i < s->deployed_count; i++) any |= is_guarded(&s->deployed[i]->now.guard);
  if (!any || !s->options.is_virtual) return HADRON_OK;
  s->guards = calloc(1, sizeof *s->guards + (s->arm_max + 1) * sizeof *s->guards->arms);
  if (!s->guards) return hd_fault_set(fault, HADRON_ERR_MEMORY, "guards of %u arms: out of memory", s->arm_max);
  s->pipeline.listener.equity = on_equity;
  s->runner.judge_of = s;
  s->runner.judge = judge_all;
  return HADRON_OK;
}
