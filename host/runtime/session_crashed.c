// What has brought the host down again and again (crash records) is not started a further time: the start goes back to the version before
// it, as a revision of its own, or where there is none the strategy stays without ticks. Counted is what came since the revision in force
// was made, at most an hour back: who puts a version in its place again has three more.
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "registry/deployment_store.h"
#include "registry/registry.h"
#include "runtime/crash.h"
#include "runtime/session_internal.h"

#define CRASHES_MAX 3
#define WINDOW_NS INT64_C(3600000000000)

static bool crashes(const struct hd_session *s, const char *strategy, const uint8_t digest[32], int64_t made_ns, uint32_t *count) {
  char text[65];
  int64_t since_ns = hd_clock_wall_ns() - WINDOW_NS;
  for (int i = 0; i < 32; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
  const struct hd_crash_of of = {strategy, text, since_ns > made_ns ? since_ns : made_ns};
  *count = hd_crash_count(s->config->data_dir, &of);
  return *count >= CRASHES_MAX;
}

struct search {
  const struct hd_session *s;
  const struct hd_deployment *now;
  struct hd_deployment found, look;
  uint32_t revision; // 0: none
};

// Ascending: the last one that fits is the one.
static int32_t take_earlier(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  struct search *x = user;
  uint32_t count;
  if (r->revision >= x->now->revision || hd_deployment_parse(what, &x->look, fault)) return HADRON_OK;
  const uint8_t *digest = x->look.arms[0].digest;
  if (!x->look.enabled || strcmp(x->look.plugin, x->now->plugin) != 0 || memcmp(digest, x->now->arms[0].digest, 32) == 0) return HADRON_OK;
  if (crashes(x->s, x->now->name, digest, 0, &count)) return HADRON_OK;
  x->found = x->look;
  x->revision = r->revision;
  return HADRON_OK;
}

// Arms beside the live one that crash are left out; what they traded goes back to the live one.
static uint32_t leave_out(const struct hd_session *s, struct hd_deployment *d, int64_t made_ns, char *why, size_t size) {
  uint32_t left = 0, count;
  for (uint32_t i = d->arm_count; i-- > 1;) {
    if (!crashes(s, d->name, d->arms[i].digest, made_ns, &count)) continue;
    snprintf(why, size, "%s brought the host down %u times within an hour", d->arms[i].version, count);
    if (d->arms[i].role == HD_DEPLOYMENT_CANARY) d->arms[0].weight += d->arms[i].weight;
    memmove(&d->arms[i], &d->arms[i + 1], (d->arm_count - i - 1) * sizeof *d->arms);
    memset(&d->arms[--d->arm_count], 0, sizeof *d->arms);
    left++;
  }
  return left;
}

int32_t hd_session_spare(struct hd_session *s, struct hd_deployment *d, const char *host, struct hd_fault *fault) {
  struct hd_database *db = hd_registry_database(s->options.registry);
  struct hd_revision r = {0};
  char why[HD_DEPLOYMENT_TEXT] = "";
  uint32_t count;
  if (s->options.is_virtual || !d->enabled) return HADRON_OK;
  int32_t code = hd_revision_get(db, d->name, d->revision, &r, NULL, fault);
  if (code) return code;
  int64_t made_ns = r.state_ns;
  struct search *x = calloc(1, sizeof *x);
  if (!x) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", d->name);
  *x = (struct search){.s = s, .now = d};
  uint32_t left = leave_out(s, d, made_ns, why, sizeof why);
  if (crashes(s, d->name, d->arms[0].digest, made_ns, &count)) {
    code = hd_revision_list(db, d->name, HD_REVISION_SUPERSEDED, take_earlier, x, fault);
    if (!code && x->revision) snprintf(why, sizeof why, "%s brought the host down %u times within an hour; back to revision %u", d->arms[0].version, count, x->revision);
    if (!code && x->revision) *d = x->found;
  }
  r = (struct hd_revision){.state = HD_REVISION_ACTIVE, .time_ns = hd_clock_wall_ns(), .who = "guard", .command = "demote", .equals = x->revision};
  hd_text_copy(r.host, sizeof r.host, host);
  hd_text_copy(r.why, sizeof r.why, why);
  if (!code && (left || x->revision)) {
    code = hd_revision_add(db, d, &r, fault);
    d->revision = r.revision;
    char text[400];
    snprintf(text, sizeof text, "%s: %s", d->name, why);
    if (!code) hd_session_alert(s, 3, HADRON_ERR_PLUGIN, 0, s->runner.now_ns, text);
  }
  free(x);
  return code;
}

void hd_session_fence_crashed(struct hd_session *s, struct hd_session_arm *arm) {
  struct hd_revision r = {0}; // without a registry there is none: made at any time
  struct hd_fault fault;
  uint32_t count;
  if (s->options.is_virtual) return;
  if (s->options.registry && arm->revision && hd_revision_get(hd_registry_database(s->options.registry), arm->config->base.name, arm->revision, &r, NULL, &fault))
    hd_log_warn("CRASHED", "%s: %s", arm->config->base.name, fault.text);
  if (!crashes(s, arm->config->base.name, arm->occupant->plugin->digest, r.state_ns, &count)) return;
  char text[400];
  for (uint32_t i = 0; i < arm->seat_count; i++) arm->seats[i].fenced = 1;
  atomic_store(&arm->occupant->fenced, arm->seat_count);
  snprintf(text, sizeof text, "strategy %s: plugin %s %s brought the host down %u times within an hour: it gets no ticks, its positions stay; put another version in its place", arm->config->base.name,
           arm->occupant->plugin->manifest.name, arm->occupant->plugin->manifest.version, count);
  hd_session_alert(s, 3, HADRON_ERR_PLUGIN, arm->id, s->runner.now_ns, text);
}
