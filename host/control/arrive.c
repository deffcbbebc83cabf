// What happens to deployments by itself: warm versions whose time is over leave, and what arrives in the drop folder is dealt with as its
// deployment says.
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/deploy.h"

// ---- warm seats ---------------------------------------------------------------------------------------------------------------------------

static bool is_home(const struct hd_session *s, const struct hd_session_arm *seat, const char *name) {
  return seat->home > 0 && seat->home <= s->arm_count && strcmp(s->arms[seat->home - 1].config->base.name, name) == 0;
}

// The plugin of an arm that sits somewhere; NULL: it does not.
static const struct hd_plugin *seated(const struct hd_session *s, const char *name, const uint8_t digest[32]) {
  for (uint32_t i = 0; i < s->arm_count; i++) {
    const struct hd_session_arm *seat = &s->arms[i];
    if (seat->occupant && is_home(s, seat, name) && memcmp(seat->occupant->plugin->digest, digest, 32) == 0) return seat->occupant->plugin;
  }
  return NULL;
}

static const struct hd_session_arm *warm_seat(const struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < s->arm_count; i++)
    if (s->arms[i].occupant && s->arms[i].warm_until_ns && is_home(s, &s->arms[i], name)) return &s->arms[i];
  return NULL;
}

// The same deployment once more, without those who are in none of its arms: nothing is staged, no revision is made.
static int32_t retire(struct hd_control *c, const struct hd_session_deployed *row, struct hd_fault *fault) {
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX];
  struct hd_change *change = NULL;
  struct hd_changed changed;
  for (uint32_t i = 0; i < row->now.arm_count; i++)
    if (!(plugins[i] = seated(c->options.session, row->now.name, row->now.arms[i].digest))) return hd_fault_set(fault, HADRON_ERR_STATE, "%s does not sit", row->now.arms[i].version);
  int32_t code = hd_change_create(c->options.session, &row->now, plugins, &change, fault);
  if (!code) code = hd_change_stage(change, fault);
  if (!code) code = hd_change_commit(change, &changed, fault);
  hd_change_destroy(change);
  return code;
}

static void look_at_warm(struct hd_control *c, const struct hd_session_deployed *row) {
  const struct hd_session_arm *seat = warm_seat(c->options.session, row->now.name);
  char words[200];
  struct hd_fault fault = {0};
  if (!seat || hd_clock_wall_ns() < seat->warm_until_ns || hd_task_find(c->deploying, row->now.name)) return;
  snprintf(words, sizeof words, "retire %s@%s: it was kept warm for long enough", row->now.name, seat->occupant->plugin->manifest.version);
  if (!hd_deploying_note(c, c->owner_uid, words, &fault) && !retire(c, row, &fault)) hd_log_info("DEPLOY_RETIRED", "%s", words);
  else hd_log_warn("DEPLOY_RETIRED", "%s: not now: %s", words, fault.text);
}

// ---- now and then ---------------------------------------------------------------------------------------------------------------------------

void hd_deploying_tick(struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  if (!c->deploying || c->ended) return;
  for (uint32_t i = 0; i < s->deployed_count; i++) look_at_warm(c, s->deployed[i]);
  hd_watch_tick(c);
}
