// What a command makes of a deployment. The change is made on a copy: what is wrong with the outcome is told, and nothing is touched.
#include "base/banned.h"
#include "base/text.h"
#include "registry/deployment.h"

// Two arms of one version differ in their parameters: a version alone does not say which is meant.
static int32_t find_one(const struct hd_deployment *d, const char *version, uint32_t *index, struct hd_fault *fault) {
  uint32_t first = hd_deployment_find(d, version);
  for (uint32_t i = first + 1; i < d->arm_count; i++)
    if (strcmp(d->arms[i].version, version) == 0)
      return hd_fault_set(fault, HADRON_ERR_STATE, "deployment %s: several arms run %s with different parameters; say which by `hadron deploy FILE`", d->name, version);
  *index = first;
  return HADRON_OK;
}

static void arm_remove(struct hd_deployment *d, uint32_t index) {
  memmove(&d->arms[index], &d->arms[index + 1], (d->arm_count - index - 1) * sizeof *d->arms);
  memset(&d->arms[--d->arm_count], 0, sizeof *d->arms);
}

static struct hd_deployment_arm arm_of(const char *version, uint32_t role, double weight) {
  struct hd_deployment_arm arm = {.role = role, .weight = weight};
  hd_text_copy(arm.version, sizeof arm.version, version);
  return arm;
}

// The copy becomes the deployment if it is good.
static int32_t finish(struct hd_deployment *d, struct hd_deployment *copy, int32_t code, struct hd_fault *fault) {
  if (!code) code = hd_deployment_good(copy, fault);
  if (!code) *d = *copy;
  free(copy);
  return code;
}

static struct hd_deployment *copy_of(const struct hd_deployment *d, struct hd_fault *fault) {
  struct hd_deployment *copy = malloc(sizeof *copy);
  if (copy) *copy = *d;
  else hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", d->name);
  return copy;
}

int32_t hd_deployment_promote(struct hd_deployment *d, const char *version, struct hd_fault *fault) {
  uint32_t index = 0;
  int32_t code = find_one(d, version, &index, fault);
  struct hd_deployment *copy = code ? NULL : copy_of(d, fault);
  if (!copy) return code ? code : HADRON_ERR_MEMORY;
  // Parameters of its own come along with an arm that is there; a version that is new takes over those of the live one.
  struct hd_deployment_arm live = index < d->arm_count ? d->arms[index] : d->arms[0];
  if (index >= d->arm_count) {
    hd_text_copy(live.version, sizeof live.version, version);
    memset(live.digest, 0, sizeof live.digest);
  }
  live.role = HD_DEPLOYMENT_LIVE;
  live.weight = 0;
  for (uint32_t i = 0; i < d->arm_count; i++)
    if (d->arms[i].role != HD_DEPLOYMENT_SHADOW) live.weight += d->arms[i].weight;
  copy->arm_count = 1;
  copy->arms[0] = live;
  for (uint32_t i = 0; i < d->arm_count; i++)
    if (d->arms[i].role == HD_DEPLOYMENT_SHADOW && i != index) copy->arms[copy->arm_count++] = d->arms[i];
  memset(&copy->arms[copy->arm_count], 0, (HD_DEPLOYMENT_ARMS_MAX - copy->arm_count) * sizeof *copy->arms);
  copy->enabled = true;
  return finish(d, copy, HADRON_OK, fault);
}

int32_t hd_deployment_enable(struct hd_deployment *d, const char *version, struct hd_fault *fault) {
  if (version && strcmp(d->arms[0].version, version) != 0) return hd_deployment_promote(d, version, fault);
  d->enabled = true;
  return HADRON_OK;
}

int32_t hd_deployment_disable(struct hd_deployment *d, const char *version, struct hd_fault *fault) {
  uint32_t index = 0;
  if (!version) {
    d->enabled = false;
    return HADRON_OK;
  }
  int32_t code = find_one(d, version, &index, fault);
  if (code) return code;
  if (index >= d->arm_count) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "deployment %s: no arm runs %s; `hadron status` shows which do", d->name, version);
  if (index == 0)
    return hd_fault_set(fault, HADRON_ERR_STATE, "deployment %s: %s is the live version; promote another first, or disable the whole deployment: hadron disable %s",
                        d->name, version, d->name);
  struct hd_deployment *copy = copy_of(d, fault);
  if (!copy) return HADRON_ERR_MEMORY;
  // What a canary traded goes back to the live arm.
  if (copy->arms[index].role == HD_DEPLOYMENT_CANARY) copy->arms[0].weight += copy->arms[index].weight;
  arm_remove(copy, index);
  return finish(d, copy, HADRON_OK, fault);
}

static int32_t ab_arm(struct hd_deployment *d, const struct hd_deployment *before, const struct hd_deployment_share *share, uint32_t role, struct hd_fault *fault) {
  if (d->arm_count == HD_DEPLOYMENT_ARMS_MAX)
    return hd_fault_set(fault, HADRON_ERR_FULL, "deployment %s: expected at most %d versions side by side, found more", d->name, HD_DEPLOYMENT_ARMS_MAX);
  uint32_t index = hd_deployment_find(before, share->version);
  struct hd_deployment_arm arm = index < before->arm_count ? before->arms[index] : arm_of(share->version, role, 0);
  if (index >= before->arm_count) { // the parameters that were set for the live one
    memcpy(arm.params, before->arms[0].params, sizeof arm.params);
    arm.param_count = before->arms[0].param_count;
  }
  arm.role = role;
  arm.weight = role == HD_DEPLOYMENT_SHADOW ? 0 : share->weight;
  d->arms[d->arm_count++] = arm;
  return HADRON_OK;
}

int32_t hd_deployment_ab(struct hd_deployment *d, const struct hd_deployment_share *shares, uint32_t count, uint32_t split,
                         const struct hd_deployment_share *shadows, uint32_t shadow_count, struct hd_fault *fault) {
  if (count == 0 || count + shadow_count < 2)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment %s: expected at least two versions to compare, found %u", d->name, count + shadow_count);
  struct hd_deployment *copy = copy_of(d, fault);
  if (!copy) return HADRON_ERR_MEMORY;
  uint32_t live = 0;
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(shares[i].version, d->arms[0].version) == 0) live = i;
  copy->arm_count = 0;
  memset(copy->arms, 0, sizeof copy->arms);
  copy->split = split;
  copy->enabled = true;
  int32_t code = ab_arm(copy, d, &shares[live], HD_DEPLOYMENT_LIVE, fault);
  for (uint32_t i = 0; i < count && !code; i++)
    if (i != live) code = ab_arm(copy, d, &shares[i], HD_DEPLOYMENT_CANARY, fault);
  for (uint32_t i = 0; i < shadow_count && !code; i++) code = ab_arm(copy, d, &shadows[i], HD_DEPLOYMENT_SHADOW, fault);
  return finish(d, copy, code, fault);
}

bool hd_deployment_arrive(struct hd_deployment *d, const char *version) {
  struct hd_fault fault;
  if (d->arrival == HD_ARRIVAL_NOTHING || hd_deployment_find(d, version) < d->arm_count) return false;
  if (d->arrival == HD_ARRIVAL_LIVE) return hd_deployment_promote(d, version, &fault) == HADRON_OK;
  struct hd_deployment *copy = copy_of(d, &fault);
  if (!copy) return false;
  bool canary = d->arrival == HD_ARRIVAL_CANARY;
  uint32_t role = canary ? HD_DEPLOYMENT_CANARY : HD_DEPLOYMENT_SHADOW;
  for (uint32_t i = copy->arm_count; i-- > 1;) // one newcomer at a time: an earlier one makes room
    if (copy->arms[i].role == role) {
      if (canary) copy->arms[0].weight += copy->arms[i].weight;
      arm_remove(copy, i);
    }
  // A part of what trades, whatever the weights add up to.
  double weight = canary ? copy->arms[0].weight * copy->canary_weight : 0;
  copy->arms[0].weight -= weight;
  struct hd_deployment_share share = {.weight = weight};
  hd_text_copy(share.version, sizeof share.version, version);
  return finish(d, copy, ab_arm(copy, d, &share, role, &fault), &fault) == HADRON_OK;
}

int32_t hd_deployment_demote(struct hd_deployment *d, const char *version, const char *heir, struct hd_fault *fault) {
  uint32_t index = hd_deployment_find(d, version);
  if (index >= d->arm_count) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "deployment %s: no arm runs %s", d->name, version);
  if (index > 0) { // it goes on, watched and without trading
    if (d->arms[index].role == HD_DEPLOYMENT_CANARY) d->arms[0].weight += d->arms[index].weight;
    d->arms[index].role = HD_DEPLOYMENT_SHADOW;
    d->arms[index].weight = 0;
    return HADRON_OK;
  }
  if (!heir) return hd_fault_set(fault, HADRON_ERR_STATE, "deployment %s: %s is live and there is no version before it", d->name, version);
  return hd_deployment_promote(d, heir, fault);
}
