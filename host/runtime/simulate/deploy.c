// Changes of version in a world: an operator who swaps, compares, goes back, switches off and on, at any moment; and the book that he keeps of
// it, which does for the simulator what the registry does for a host: a revision is pending until the journal has its SWAP record.
#include <string.h>

#include "base/banned.h"
#include "base/crash_point.h"
#include "base/text.h"
#include "pipeline/pipeline.h"
#include "runtime/change.h"
#include "runtime/simulate/world.h"

const char *const hd_world_strategy_names[HD_WORLD_STRATEGIES] = {"calm", "wild"};

static void arm(struct hd_deployment *d, uint8_t version, uint32_t role, double weight, const struct hd_plugin **plugins) {
  const struct hd_plugin *plugin = &hd_restless_plugins[version - 1];
  struct hd_deployment_arm *a = &d->arms[d->arm_count];
  *a = (struct hd_deployment_arm){.role = role, .weight = weight};
  hd_text_copy(a->version, sizeof a->version, plugin->manifest.version);
  memcpy(a->digest, plugin->digest, sizeof a->digest);
  plugins[d->arm_count++] = plugin;
}

static void expand(const struct hd_world_arms *of, const char *name, struct hd_deployment *out, const struct hd_plugin **plugins) {
  hd_deployment_init(out, name, "restless");
  out->revision = of->revision;
  out->enabled = of->enabled;
  out->split = of->by_instrument ? HD_SPLIT_INSTRUMENT : HD_SPLIT_CAPITAL;
  out->warm_ns = 0; // no markets of their own here
  arm(out, of->live, HD_DEPLOYMENT_LIVE, of->canary ? 1 - of->percent / 100.0 : 1, plugins);
  if (of->canary) arm(out, of->canary, HD_DEPLOYMENT_CANARY, of->percent / 100.0, plugins);
}

static uint32_t strategy_of(const char *name) { return strcmp(name, hd_world_strategy_names[0]) == 0 ? 0 : 1; }

int32_t hd_world_deployment(void *of, const char *name, struct hd_deployment *out, const struct hd_plugin **plugins) {
  const struct hd_world *w = of;
  expand(&w->deployments[strategy_of(name)].active, name, out, plugins);
  return HADRON_OK;
}

// ---- a change --------------------------------------------------------------------------------------------------------------------------

static void activate(struct hd_world_deployment *d) {
  d->before = d->active;
  d->active = d->pending;
  d->under_way = false;
}

static uint8_t other_version(struct hd_world *w, uint8_t than) { return (uint8_t)(1 + (than - 1u + 1 + hd_random_below(&w->luck, HD_WORLD_VERSIONS - 1)) % HD_WORLD_VERSIONS); }

// What the operator wants next; false: nothing.
static bool wants(struct hd_world *w, const struct hd_world_deployment *d, struct hd_world_arms *to) {
  *to = d->active;
  if (!d->active.enabled) {
    to->enabled = true;
    return hd_world_strikes(w, HD_FAULT_ENABLE);
  }
  if (hd_world_strikes(w, HD_FAULT_SWAP)) {
    to->live = d->active.canary && hd_random_below(&w->luck, 2) ? d->active.canary : other_version(w, d->active.live); // the canary is promoted, or a third one comes
    to->canary = 0;
    return true;
  }
  if (hd_world_strikes(w, HD_FAULT_AB)) {
    to->canary = other_version(w, d->active.live);
    to->percent = (uint8_t)hd_world_between(&w->luck, 5, 60);
    to->by_instrument = hd_random_below(&w->luck, 2);
    return true;
  }
  if (d->before.live && hd_world_strikes(w, HD_FAULT_ROLLBACK)) {
    *to = d->before;
    return true;
  }
  to->enabled = false;
  return hd_world_strikes(w, HD_FAULT_DISABLE);
}

// As control/deploy.c does it, on one thread.
static void change(struct hd_world *w, struct hd_session *s, uint32_t strategy, const struct hd_world_arms *to) {
  static struct hd_deployment want; // of this process; too large for a stack
  struct hd_world_deployment *d = &w->deployments[strategy];
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX];
  struct hd_change *c = NULL;
  struct hd_changed changed;
  struct hd_fault fault = {0};
  d->pending = *to;
  d->pending.revision = ++d->revision;
  d->under_way = true;
  w->changes++;
  expand(&d->pending, hd_world_strategy_names[strategy], &want, plugins);
  hd_world_trace(w, "operator: %s revision %u: live %u, canary %u of %u %%%s%s", want.name, want.revision, to->live, to->canary, to->percent, to->by_instrument ? " of the instruments" : "",
                 to->enabled ? "" : ", off");
  hd_crash_point(HD_CRASH_CHANGE_PENDING);
  int32_t code = hd_change_create(s, &want, plugins, &c, &fault);
  if (!code) code = hd_change_stage(c, &fault);
  if (!code) code = hd_change_commit(c, &changed, &fault);
  hd_change_destroy(c);
  if (code) {
    w->changes_refused++;
    d->under_way = false;
    hd_world_trace(w, "operator: %s revision %u failed: %.100s", want.name, want.revision, fault.text);
    if (!w->disk_faults) hd_world_finding(w, "deployment: %s revision %u failed: %.250s", want.name, want.revision, fault.text);
  } else {
    activate(d);
    hd_crash_point(HD_CRASH_CHANGE_ACTIVE);
  }
  hd_world_check_deployments(w, s, code ? "after a change that failed" : "after a change");
}

void hd_world_changes(struct hd_world *w, struct hd_session *s) {
  struct hd_world_arms to;
  for (uint32_t i = 0; w->setting.changes && !w->calm && i < w->setting.strategies; i++)
    if (wants(w, &w->deployments[i], &to)) change(w, s, i, &to);
}

void hd_world_resolve(struct hd_world *w, uint32_t strategy, bool recorded) {
  struct hd_world_deployment *d = &w->deployments[strategy];
  if (!d->under_way) return;
  hd_world_trace(w, "operator: %s revision %u was under way: the journal has %s", hd_world_strategy_names[strategy], d->pending.revision, recorded ? "its record" : "no record of it");
  if (recorded) activate(d);
  d->under_way = false;
}

// ---- what sits there -------------------------------------------------------------------------------------------------------------------

// One or the other, never half.
void hd_world_check_deployments(struct hd_world *w, const struct hd_session *s, const char *when) {
  static struct hd_deployment is, want;
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX];
  for (uint32_t i = 0; w->setting.changes && i < w->setting.strategies; i++) {
    expand(&w->deployments[i].active, hd_world_strategy_names[i], &want, plugins);
    if (hd_session_deployment(s, want.name, &is)) {
      hd_world_finding(w, "deployment: %s: %s nothing of this name runs", want.name, when);
      continue;
    }
    bool same = is.enabled == want.enabled && (!want.enabled || is.arm_count == want.arm_count);
    for (uint32_t k = 0; same && want.enabled && k < want.arm_count; k++) same = strcmp(is.arms[k].version, want.arms[k].version) == 0 && is.arms[k].role == want.arms[k].role;
    if (!same)
      hd_world_finding(w, "deployment: %s revision %u: expected %s, %u arms, live %s; found %s %s, %u arms, live %s", want.name, want.revision, want.enabled ? "on" : "off", want.arm_count,
                       want.arms[0].version, when, is.enabled ? "on" : "off", is.arm_count, is.arm_count ? is.arms[0].version : "none");
  }
}
