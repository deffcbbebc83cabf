// What happens to deployments by itself: warm versions whose time is over leave, and a version that arrives in the registry, by the drop
// folder, by `hadron registry add` or from another host, does what its deployment says. The registry's bell rings on the loop; what it
// means is read on a worker.
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/deploy.h"
#include "registry/watch.h"

#define ARRIVALS_MAX 64 // versions that have come and not been dealt with; more wait in the registry's changes

struct hd_newcomer {
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE], who[64];
};

struct hd_arriving {
  struct hd_deploying *d;
  struct hd_registry_watch *watch; // the worker's while `reading`
  uv_poll_t bell;
  uv_work_t work;
  bool reading, away, closed, others; // others: hosts or deployments have changed
  struct hd_fault fault;
  uint32_t count, fresh;           // [0 .. count): to be dealt with; [count .. count + fresh): just read
  struct hd_newcomer rows[ARRIVALS_MAX];
};

// ---- warm seats ---------------------------------------------------------------------------------------------------------------------------

static bool is_home(const struct hd_session *s, const struct hd_session_arm *seat, const char *name) {
  return seat->home > 0 && seat->home <= s->arm_count && strcmp(s->arms[seat->home - 1].config->base.name, name) == 0;
}

// The plugin of an arm that sits somewhere; NULL: it does not.
static const struct hd_plugin *seated(const struct hd_session *s, const char *name, const uint8_t digest[32]) {
  for (uint32_t i = 0; i < s->arm_count; i++) {
    const struct hd_session_arm *seat = &s->arms[i];
    if (seat->occupant && is_home(s, seat, name) && memcmp(seat->occupant->plugin->digest, digest, 32) == 0) return seat->occupant->artifact;
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

// ---- versions that arrive -----------------------------------------------------------------------------------------------------------------

static void take_change(void *user, const struct hd_registry_change *change) {
  struct hd_arriving *a = user;
  a->others |= strcmp(change->topic, "deployment") == 0 || strcmp(change->topic, "host") == 0;
  if (strcmp(change->topic, "version") != 0 || a->count + a->fresh == ARRIVALS_MAX) return;
  struct hd_newcomer *row = &a->rows[a->count + a->fresh++];
  hd_text_copy(row->name, sizeof row->name, change->name);
  hd_text_copy(row->version, sizeof row->version, change->detail);
  hd_text_copy(row->who, sizeof row->who, change->who);
}

static void read_work(uv_work_t *work) {
  struct hd_arriving *a = work->data;
  struct hd_fault fault = {0};
  int32_t code = hd_registry_watch_read(a->watch, take_change, a, &fault);
  a->fault.code = HADRON_OK;
  if (code && code != HADRON_ERR_AGAIN) a->fault = fault;
}

static bool uses(const struct hd_session *s, const char *plugin) {
  for (uint32_t i = 0; i < s->deployed_count; i++)
    if (strcmp(s->deployed[i]->now.plugin, plugin) == 0) return true;
  return false;
}

static void bell_watch(struct hd_arriving *a);

static void read_done(uv_work_t *work, int status) {
  struct hd_arriving *a = work->data;
  (void)status;
  a->reading = false;
  if (a->fault.code && !a->away) hd_log_warn("REGISTRY_AWAY", "changes of the registry are not heard of: %s", a->fault.text);
  if (!a->fault.code && a->away) hd_log_info("REGISTRY_BACK", "changes of the registry are heard of again");
  a->away = a->fault.code != 0;
  for (uint32_t i = a->count; i < a->count + a->fresh; i++)
    if (!uses(a->d->c->options.session, a->rows[i].name))
      hd_log_info("REGISTRY_VERSION", "%s@%s has been registered by %s; no deployment of this host uses it; `hadron enable %s` or `hadron deploy FILE` opens it", a->rows[i].name,
                  a->rows[i].version, a->rows[i].who, a->rows[i].name);
  a->count += a->fresh;
  a->fresh = 0;
  if (a->others) hd_hosting_poke(a->d);
  a->others = false;
  if (!a->closed) bell_watch(a);
}

static void on_bell(uv_poll_t *bell, int status, int events) {
  struct hd_arriving *a = bell->data;
  (void)status, (void)events;
  uv_poll_stop(bell); // until it has been read
  a->reading = true;
  uv_queue_work(a->d->c->options.loop, &a->work, read_work, read_done);
}

static void bell_watch(struct hd_arriving *a) { uv_poll_start(&a->bell, UV_READABLE, on_bell); }

// One deployment's answer to a new version. false: it is busy, ask again.
static bool arrive(struct hd_control *c, const struct hd_session_deployed *row, const struct hd_newcomer *arrival) {
  static const char *const does[] = {"", "it waits for `hadron promote`, `ab` or `reload`", "it comes as a shadow", "it comes as a canary", "it goes live"};
  struct hd_deployment_request q = {.verb = HD_VERB_ARRIVE};
  char words[300];
  struct hd_fault fault = {0};
  if (strcmp(row->now.plugin, arrival->name) != 0 || row->fixed || !row->now.revision) return true;
  if (hd_deployment_find(&row->now, arrival->version) < row->now.arm_count) return true; // it has been dealt with
  if (hd_task_find(c->deploying, row->now.name)) return false;
  hd_text_copy(q.name, sizeof q.name, row->now.name);
  hd_text_copy(q.version, sizeof q.version, arrival->version);
  snprintf(q.why, sizeof q.why, "registered by %s; the deployment's arrival says so", arrival->who);
  hd_log_info("ARRIVAL", "%s: %s@%s has arrived; %s", row->now.name, arrival->name, arrival->version, does[row->now.arrival]);
  if (row->now.arrival == HD_ARRIVAL_NOTHING) return true;
  hd_deployment_request_words(&q, words, sizeof words);
  if (hd_deploying_note(c, c->owner_uid, words, &fault) || hd_task_start(c, &q, "arrival", 0, &fault)) hd_log_warn("ARRIVAL", "%s: %s", words, fault.text);
  return true;
}

static void look_at_arrivals(struct hd_control *c, struct hd_arriving *a) {
  const struct hd_session *s = c->options.session;
  uint32_t kept = 0;
  if (a->reading) return;
  for (uint32_t i = 0; i < a->count; i++) {
    bool done = true;
    for (uint32_t k = 0; k < s->deployed_count; k++) done &= arrive(c, s->deployed[k], &a->rows[i]);
    if (!done) a->rows[kept++] = a->rows[i];
  }
  a->count = kept;
}

int32_t hd_arriving_open(struct hd_deploying *d, struct hd_fault *fault) {
  struct hd_registry_paths paths;
  struct hd_arriving *a = calloc(1, sizeof *a);
  if (!a) return hd_fault_set(fault, HADRON_ERR_MEMORY, "control: out of memory");
  a->d = d;
  hd_registry_paths(d->c->options.session->config, &paths);
  int32_t code = hd_registry_watch_open(paths.url, -1, &a->watch, fault);
  if (!code && uv_poll_init(d->c->options.loop, &a->bell, hd_registry_watch_fd(a->watch))) code = hd_fault_set(fault, HADRON_ERR_IO, "registry: its bell cannot be watched");
  if (code) {
    hd_registry_watch_close(a->watch);
    free(a);
    return hd_fault_prefix(fault, "registry: ");
  }
  a->bell.data = a->work.data = a;
  bell_watch(a);
  uv_unref((uv_handle_t *)&a->bell);
  d->arriving = a;
  return HADRON_OK;
}

static void bell_closed(uv_handle_t *bell) {
  struct hd_arriving *a = bell->data;
  hd_registry_watch_close(a->watch);
  free(a);
}

void hd_arriving_close(struct hd_deploying *d) {
  struct hd_arriving *a = d->arriving;
  if (!a) return;
  a->closed = true;
  uv_poll_stop(&a->bell);
  while (a->reading) uv_run(d->c->options.loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&a->bell, bell_closed);
  uv_run(d->c->options.loop, UV_RUN_NOWAIT);
  d->arriving = NULL;
}

// ---- now and then ---------------------------------------------------------------------------------------------------------------------------

void hd_deploying_tick(struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  if (!c->deploying || c->ended) return;
  for (uint32_t i = 0; i < s->deployed_count; i++) look_at_warm(c, s->deployed[i]);
  hd_watch_tick(c);
  look_at_arrivals(c, c->deploying->arriving);
  hd_dropping_tick(c->deploying->dropping);
  hd_hosting_tick(c->deploying);
}
