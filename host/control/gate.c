// The gate of a deployment (runtime/gate.h), as a step of a change: who comes to trade and did not trade before replays the last sessions
// against the version that is live now. [worker]
#include "base/banned.h"
#include "base/log.h"
#include "base/text.h"
#include "control/deploy.h"
#include "runtime/card.h"
#include "runtime/gate.h"

static bool trades(const struct hd_deployment_arm *a) { return a->role == HD_ROLE_LIVE || a->role == HD_ROLE_CANARY; }

static bool same_arm(const struct hd_deployment_arm *a, const struct hd_deployment_arm *b) {
  if (memcmp(a->digest, b->digest, sizeof a->digest) != 0 || a->param_count != b->param_count) return false;
  for (uint32_t i = 0; i < a->param_count; i++)
    if (strcmp(a->params[i].name, b->params[i].name) != 0 || strcmp(a->params[i].text, b->params[i].text) != 0) return false;
  return true;
}

static bool traded_already(const struct hd_deployment *d, const struct hd_deployment_arm *arm) {
  for (uint32_t i = 0; i < d->arm_count; i++)
    if (trades(&d->arms[i]) && same_arm(&d->arms[i], arm)) return true;
  return false;
}

// Going back is never held up: what is gone back to has traded, and there is a reason to hurry.
static bool is_open(const struct hd_task *t) {
  const struct hd_deployment *runs = &t->runs;
  bool back = t->request.verb == HD_VERB_ROLLBACK || t->request.verb == HD_VERB_DEMOTE || t->request.verb == HD_VERB_DISABLE;
  return back || t->want->gate_sessions == 0 || t->want->kind != HADRON_KIND_STRATEGY || runs->revision == 0 || !runs->enabled || runs->arm_count == 0;
}

static int32_t artifact(struct hd_task *t, const struct hd_deployment_arm *arm, char *path, size_t size, struct hd_compare_side *side, struct hd_fault *fault) {
  uv_mutex_lock(&t->d->lock);
  int32_t code = hd_registry_artifact(t->d->registry, arm->digest, path, size, fault);
  uv_mutex_unlock(&t->d->lock);
  *side = (struct hd_compare_side){path, arm->params, arm->param_count};
  return code;
}

// What was decided elsewhere cannot be decided again.
static bool runs_elsewhere(const struct hd_task *t) {
  for (uint32_t i = 0; i < t->want->arm_count; i++)
    if (hd_plugin_external(t->plugins[i])) return true;
  return false;
}

static int32_t beside(const struct hd_task *t, const struct hd_gate_request *request, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < t->want->arm_count && !code; i++) {
    const struct hd_deployment_arm *arm = &t->want->arms[i];
    struct hd_gate_result result;
    if (!trades(arm) || traded_already(&t->runs, arm)) continue;
    code = hd_gate_beside(request, t->runs.arms[0].version, arm->version, &result, fault);
    if (!code) hd_log_info("GATE", "%s@%s: %s", t->want->name, arm->version, result.words);
    else hd_fault_prefix(fault, "%s@%s: ", t->want->name, arm->version);
  }
  return code;
}

int32_t hd_task_gate(struct hd_task *t, struct hd_fault *fault) {
  char live[HD_STORE_PATH_SIZE], candidate[HD_STORE_PATH_SIZE];
  struct hd_gate_request request = {.config = t->d->c->options.session->config, .strategy = t->want->name, .sessions = t->want->gate_sessions,
                                    .accept = t->request.accept > t->want->gate_accept ? t->request.accept : t->want->gate_accept};
  if (is_open(t)) return HADRON_OK;
  if (runs_elsewhere(t)) return strcmp(t->runs.arms[0].version, HD_CARD_ANY) == 0 ? HADRON_OK : beside(t, &request, fault); // whoever came: there is none to be held against
  int32_t code = artifact(t, &t->runs.arms[0], live, sizeof live, &request.live, fault);
  for (uint32_t i = 0; i < t->want->arm_count && !code; i++) {
    const struct hd_deployment_arm *arm = &t->want->arms[i];
    struct hd_gate_result result;
    if (!trades(arm) || traded_already(&t->runs, arm)) continue;
    code = artifact(t, arm, candidate, sizeof candidate, &request.candidate, fault);
    if (!code) code = hd_gate_check(&request, &result, fault);
    if (!code) hd_log_info("GATE", "%s@%s: %s", t->want->name, arm->version, result.words);
    else hd_fault_prefix(fault, "%s@%s: ", t->want->name, arm->version);
  }
  return code;
}
