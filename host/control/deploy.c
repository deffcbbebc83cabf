// Changes of what runs, asked for by an operator, by a new version that arrives, by a guard or by another host. Each is a task that goes
// back and forth between the loop and a worker, so that neither the market nor the loop waits for a database or a probe:
//
//   [worker]  plan      what comes of it, which artifacts; they are opened; the registry has the revision as `pending`
//   [io]      create    the change is held against what runs
//   [worker]  stage     who begins to trade passes the gate; new versions are rehearsed in a child and made
//   [io]      commit    at a tick boundary; the journal's SWAP record is the moment
//   [worker]  settle    the revision is `active`, or `failed` with its reason
//   [io]      answer
//
// Where other hosts run the deployment too, they are asked (registry/rollout.h), and between stage and commit comes
//
//   [worker]  report    what was staged, or why not
//   [io]      wait      until the registry says what came of all reports (hosts.c); `active` is the moment, and each host commits
//
// A task that follows another host's revision goes the same way from its plan on. One that follows what is active already asks nobody.
//
// One task per deployment at a time. The registry is one thread's at a time: workers take the lock.
#include <pwd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "base/text.h"
#include "control/deploy.h"

// ---- words ----------------------------------------------------------------------------------------------------------------------------------

static void who_of(uint32_t uid, char *to, size_t size) {
  struct passwd row, *found = NULL;
  char room[1024];
  if (getpwuid_r(uid, &row, room, sizeof room, &found) == 0 && found) snprintf(to, size, "%.40s (uid %u)", found->pw_name, uid);
  else snprintf(to, size, "uid %u", uid);
}

static const char *who_text(const struct hd_task *t) { return t->revision.who; }

struct note {
  struct hd_control *c;
  const char *text;
  uint32_t uid;
  int32_t code;
  struct hd_fault *fault;
};

static void note_now(void *argument) {
  struct note *n = argument;
  n->code = hd_control_journal(n->c, n->uid, n->text, n->fault);
}

// What an operator does is journaled before it is done.
int32_t hd_deploying_note(struct hd_control *c, uint32_t uid, const char *text, struct hd_fault *fault) {
  struct note n = {c, text, uid, HADRON_OK, fault};
  int32_t code = hd_control_trade(c, note_now, &n, fault);
  return code ? code : n.code;
}

// ---- a task's life --------------------------------------------------------------------------------------------------------------------------

static void task_free(struct hd_task *t) {
  hd_deployment_request_fini(&t->request);
  json_decref(t->lines);
  json_decref(t->hosts);
  free(t->base);
  free(t->want);
  free(t);
}

struct hd_task *hd_task_find(const struct hd_deploying *d, const char *name) {
  struct hd_task *t = d->tasks;
  while (t && strcmp(t->request.name, name) != 0) t = t->next;
  return t;
}

static void task_remove(struct hd_task *t) {
  struct hd_task **at = &t->d->tasks;
  while (*at != t) at = &(*at)->next;
  *at = t->next;
}

static json_t *task_answer(const struct hd_task *t) {
  const struct hd_deployment *now = t->unchanged ? t->base : t->want;
  json_t *arms = json_array();
  for (uint32_t i = 0; i < now->arm_count; i++)
    json_array_append_new(arms, json_pack("{s:s, s:s, s:f}", "version", now->arms[i].version, "role", hd_role_name(now->arms[i].role), "weight", now->arms[i].weight));
  json_t *answer = json_pack("{s:s, s:s, s:s, s:I, s:b, s:b, s:O, s:o, s:b}", "deployment", now->name, "plugin", now->plugin, "command",
                             hd_deployment_verb_name(t->request.verb), "revision", (json_int_t)now->revision, "changed", !t->unchanged, "enabled", now->enabled,
                             "changes", t->lines, "arms", arms, "running", 1);
  if (!answer || t->unchanged) return answer;
  json_object_update_new(answer, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "pause_ns", (json_int_t)t->changed.pause_ns, "last_sequence",
                                           (json_int_t)t->changed.last_sequence, "swapped", (json_int_t)t->changed.swapped, "opened", (json_int_t)t->changed.opened,
                                           "closed", (json_int_t)t->changed.closed, "state_bytes", (json_int_t)t->changed.state_size, "took_s",
                                           (double)(hd_clock_monotonic_ns() - t->start_ns) / 1e9));
  if (t->settle_fault.code) json_object_set_new(answer, "registry", json_string(t->settle_fault.text));
  if (t->hosts) json_object_set(answer, "hosts", t->hosts);
  return answer;
}

// What a call left in `fault` counts if it failed, and only then.
static int32_t task_outcome(struct hd_task *t, int32_t code, const struct hd_fault *fault) {
  if (code) t->fault = *fault;
  return code;
}

// All have agreed and the others run it, but it could not be done here: what ran before is asked for again, everywhere.
static void take_back(struct hd_task *t) {
  struct hd_control *c = t->d->c;
  struct hd_deployment_request q = {.verb = HD_VERB_ROLLBACK, .to = t->runs.revision};
  char words[HD_FAULT_SIZE + 200];
  struct hd_fault fault = {0};
  snprintf(words, sizeof words, "%s: revision %u is active and could not be taken over here: %s", t->request.name, t->revision.revision, t->fault.text);
  hd_log_error("DEPLOY_DRIFT", "%s", words);
  hd_session_alarm(c->options.session, words);
  if (!t->runs.revision || t->d->closing) return;
  hd_text_copy(q.name, sizeof q.name, t->request.name);
  snprintf(q.why, sizeof q.why, "revision %u could not be taken over on %s: %.120s", t->revision.revision, t->d->host, t->fault.text);
  if (hd_task_start(c, &q, "rollout", 0, &fault)) hd_log_error("DEPLOY_DRIFT", "%s: %s", t->request.name, fault.text);
}

static void tell_end(const struct hd_task *t) {
  char words[400];
  hd_deployment_request_words(&t->request, words, sizeof words);
  // Where several hosts hear of the same arrival, one of them is first.
  bool late = t->request.verb == HD_VERB_ARRIVE && t->fault.code == HADRON_ERR_STATE;
  if (late) hd_log_info("DEPLOY", "%s (%s): %s", words, who_text(t), t->fault.text);
  else if (t->fault.code) hd_log_warn("DEPLOY_FAILED", "%s (%s): %s", words, who_text(t), t->fault.text);
  else if (t->unchanged) hd_log_info("DEPLOY", "%s (%s): nothing to change", words, who_text(t));
  else hd_log_info("DEPLOY", "%s (%s): revision %u is active; pause %lld ns after tick %llu, %u seats changed, %u opened, %u closed", words, who_text(t),
                   t->want->revision, (long long)t->changed.pause_ns, (unsigned long long)t->changed.last_sequence, t->changed.swapped, t->changed.opened, t->changed.closed);
  if (t->settle_fault.code) hd_log_error("DEPLOY_REGISTRY", "%s: the registry could not be told: %s; it is told as soon as it answers", words, t->settle_fault.text);
}

// The end of a task: everybody hears, nothing is left. [io]
static void task_end(struct hd_task *t) {
  struct hd_control *c = t->d->c;
  hd_change_destroy(t->change);
  if (t->founds && t->fault.code) hd_session_unfound(c->options.session, t->row);
  task_remove(t);
  tell_end(t);
  if (t->agreed && t->fault.code) take_back(t);
  if (t->asker) hd_control_answer(c, t->asker, t->fault.code ? NULL : task_answer(t), &t->fault);
  hd_hosting_poke(t->d);
  task_free(t);
}

// ---- settle [worker] --------------------------------------------------------------------------------------------------------------------------

// The registry hears what became of it, and what this host runs now.
static int32_t settle_registry(struct hd_task *t, struct hd_fault *fault) {
  struct hd_deploying *d = t->d;
  struct hd_database *db = hd_registry_database(d->registry);
  bool good = t->fault.code == HADRON_OK;
  int32_t code = HADRON_OK;
  if (!t->asks && !t->follows)
    code = hd_revision_settle(db, t->want->name, t->revision.revision, good ? HD_REVISION_ACTIVE : HD_REVISION_FAILED, good ? NULL : t->fault.text, d->host, hd_clock_wall_ns(), fault);
  if (!code && good) hd_crash_point(HD_CRASH_CHANGE_ACTIVE);
  if (!t->row) return code; // it never came so far
  bool behind = !good && (t->agreed || (t->follows && !t->asks)); // the others run it
  if (!code && (good || behind)) code = hd_host_runs(db, d->host, good ? t->want : &t->runs, good ? NULL : t->fault.text, fault);
  if (!code && t->asks && !t->hosts) t->hosts = hd_rollout_parties(db, t->want->name, t->revision.revision, fault);
  return code;
}

static void settle_work(uv_work_t *work) {
  struct hd_task *t = work->data;
  struct hd_fault fault = {0};
  uv_mutex_lock(&t->d->lock);
  if (settle_registry(t, &fault)) t->settle_fault = fault;
  uv_mutex_unlock(&t->d->lock);
}

static void settle_done(uv_work_t *work, int status) {
  (void)status;
  task_end(work->data);
}

static void settle(struct hd_task *t) { uv_queue_work(t->d->c->options.loop, &t->work, settle_work, settle_done); }

// ---- report [worker], wait [io] -----------------------------------------------------------------------------------------------------------------

// Whoever completes the reports decides, in the same breath.
static void report_work(uv_work_t *work) {
  struct hd_task *t = work->data;
  struct hd_database *db = hd_registry_database(t->d->registry);
  struct hd_rollout out;
  struct hd_deployment *found = malloc(sizeof *found);
  char artifacts[HD_ARTIFACTS_SIZE] = "";
  struct hd_fault fault = {0};
  if (found) { // what was loaded, not what was asked for
    *found = *t->want;
    for (uint32_t i = 0; i < found->arm_count; i++)
      if (t->plugins[i]) memcpy(found->arms[i].digest, t->plugins[i]->digest, 32);
    hd_rollout_artifacts(found, artifacts);
  }
  free(found);
  bool good = t->fault.code == HADRON_OK;
  uv_mutex_lock(&t->d->lock);
  int32_t code = hd_rollout_report(db, t->want->name, t->revision.revision, t->d->host, good ? HD_PARTY_STAGED : HD_PARTY_FAILED, artifacts, good ? NULL : t->fault.text, &fault);
  if (!code && good) hd_crash_point(HD_CRASH_ROLLOUT_REPORTED);
  if (!code) code = hd_rollout_decide(db, t->want->name, t->revision.revision, t->d->host, &out, &fault);
  if (!code && !good) t->hosts = hd_rollout_parties(db, t->want->name, t->revision.revision, &fault);
  uv_mutex_unlock(&t->d->lock);
  if (code) t->settle_fault = fault;
}

static void report_done(uv_work_t *work, int status) {
  struct hd_task *t = work->data;
  (void)status;
  if (t->fault.code) task_end(t);
  else { // also if the registry went away meanwhile: it says what came of it when it is back
    memset(&t->settle_fault, 0, sizeof t->settle_fault);
    t->waits = true;
    hd_hosting_poke(t->d);
  }
}

static void report(struct hd_task *t) { uv_queue_work(t->d->c->options.loop, &t->work, report_work, report_done); }

// ---- stage [worker], commit [io] ----------------------------------------------------------------------------------------------------------------

static void stage_work(uv_work_t *work) {
  struct hd_task *t = work->data;
  struct hd_fault fault = {0};
  if (!t->idle && task_outcome(t, hd_task_gate(t, &fault), &fault) == HADRON_OK) task_outcome(t, hd_change_stage(t->change, &fault), &fault);
}

static bool stopping(struct hd_task *t) {
  struct hd_control *c = t->d->c;
  if (!t->d->closing && !c->ended && !(c->options.live && atomic_load(&c->options.live->stop))) return false;
  hd_fault_set(&t->fault, HADRON_ERR_CLOSED, "the host is stopping");
  return true;
}

static void commit(struct hd_task *t) {
  struct hd_fault fault = {0};
  bool good = !t->fault.code && !stopping(t);
  if (good && !t->idle) good = task_outcome(t, hd_change_commit(t->change, &t->changed, &fault), &fault) == HADRON_OK;
  if (good) t->row->now = *t->want;
  settle(t);
}

static void stage_done(uv_work_t *work, int status) {
  struct hd_task *t = work->data;
  (void)status;
  if (!t->asks) commit(t);
  else {
    if (!t->fault.code) stopping(t);
    report(t);
  }
}

void hd_task_decided(struct hd_task *t, uint32_t state, const char *error) {
  HD_ASSERT(t->waits && state != HD_REVISION_PENDING);
  t->waits = false;
  if (state == HD_REVISION_ACTIVE) {
    t->agreed = true;
    hd_crash_point(HD_CRASH_ROLLOUT_DECIDED);
    commit(t);
    return;
  }
  if (state == HD_REVISION_FAILED) hd_fault_set(&t->fault, HADRON_ERR_STATE, "revision %u failed, everything runs as before: %s", t->revision.revision, error);
  else hd_fault_set(&t->fault, HADRON_ERR_STATE, "revision %u was superseded before it was taken over here", t->revision.revision);
  settle(t);
}

// Who waits for an answer that will not be heard any more gives up, and says so. [io]
static void give_up(struct hd_deploying *d) {
  for (struct hd_task *t = d->tasks; t; t = t->next)
    if (t->waits) {
      t->waits = false;
      hd_fault_set(&t->fault, HADRON_ERR_CLOSED, "the host is stopping");
      report(t);
    }
}

// ---- plan [worker], create [io] -------------------------------------------------------------------------------------------------------------------

// The configuration's file may be a version that nobody has told the registry of. A file that is refused is what the operator wants to
// hear of, not that there is nothing new.
static int32_t look_at_file(struct hd_task *t, struct hd_fault *fault) {
  const struct hd_registry_add options = {.who = t->revision.who, .keep_rejection = true};
  if (t->request.verb != HD_VERB_RELOAD || !t->row || !*t->row->file) return HADRON_OK;
  return hd_registry_add(t->d->registry, t->row->file, &options, NULL, NULL, fault);
}

static int32_t open_arms(struct hd_task *t, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < t->want->arm_count && !code; i++) code = hd_session_open_artifact(t->d->registry, t->want, i, &t->plugins[i], fault);
  return code;
}

static int32_t plan_new(struct hd_task *t, struct hd_fault *fault) {
  struct hd_deploying *d = t->d;
  struct hd_database *db = hd_registry_database(d->registry);
  int32_t code = look_at_file(t, fault);
  if (!code) code = hd_rollout_clear(db, t->request.name, d->host, fault);
  if (!code) code = hd_deployment_plan(d->registry, &t->request, &t->runs, t->base, t->want, &t->revision.equals, fault);
  if (code) return code;
  t->lines = hd_deployment_changes(t->base, t->want);
  t->unchanged = *t->base->name && json_array_size(t->lines) == 0;
  if (t->unchanged) return HADRON_OK;
  if ((code = open_arms(t, fault))) return code;
  t->revision.state = HD_REVISION_PENDING;
  t->revision.time_ns = hd_clock_wall_ns();
  t->revision.base = t->base->revision;
  t->revision.planned = true;
  if ((code = hd_revision_add(db, t->want, &t->revision, fault))) return code;
  hd_crash_point(HD_CRASH_CHANGE_PENDING);
  t->want->revision = t->revision.revision;
  t->asks = t->revision.asked > 0;
  return HADRON_OK;
}

// A revision that was made elsewhere, looked at as if it had been asked for here.
static int32_t plan_follow(struct hd_task *t, struct hd_fault *fault) {
  struct hd_deploying *d = t->d;
  struct hd_database *db = hd_registry_database(d->registry);
  int32_t code = hd_revision_get(db, t->request.name, t->request.to, &t->revision, t->want, fault);
  if (code) return code;
  t->asks = t->revision.state == HD_REVISION_PENDING;
  *t->base = t->runs;
  t->unchanged = !t->asks && t->revision.state != HD_REVISION_ACTIVE; // it has failed by now, or another one came after it
  if (t->unchanged) return HADRON_OK;
  t->lines = hd_deployment_changes(t->base, t->want);
  if (t->asks) code = hd_rollout_report(db, t->request.name, t->request.to, d->host, HD_PARTY_WORKING, NULL, NULL, fault);
  if (!code) code = hd_deployment_admit(d->registry, t->base, t->want, fault);
  return code ? code : open_arms(t, fault);
}

static void plan_work(uv_work_t *work) {
  struct hd_task *t = work->data;
  struct hd_fault fault = {0};
  uv_mutex_lock(&t->d->lock);
  task_outcome(t, t->follows ? plan_follow(t, &fault) : plan_new(t, &fault), &fault);
  uv_mutex_unlock(&t->d->lock);
}

// It cannot be done here. Others hear of it, if they were asked; else the registry.
static void fail(struct hd_task *t) {
  if (t->asks) report(t);
  else if (t->follows || t->revision.revision) settle(t);
  else task_end(t); // no revision was made
}

// A strategy that the configuration does not have gets its seat first. What a section would say counts when a seat is founded. [io]
static int32_t found(struct hd_task *t, struct hd_fault *fault) {
  struct hd_session *s = t->d->c->options.session;
  int32_t code = HADRON_OK;
  if (!t->row && t->want->kind != HADRON_KIND_STRATEGY)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "deployment %s: expected a strategy, found a %s; it runs as a section of the configuration, from the next start", t->want->name,
                        hd_kind_name(t->want->kind));
  if (!t->row) {
    if ((code = hd_session_own_row(s, t->want, &t->row, fault))) return code;
    t->row->now.revision = 0; // until it runs
  }
  if (!t->row->own) return HADRON_OK;
  if (hd_session_founded(s, t->want->name)) {
    if (t->want->enabled && !hd_deployment_same_seat(&t->runs, t->want))
      return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "deployment %s: its universe, venue, cash, size and risk are settled when its seat is opened; leave them as they are, or deploy it under another name, or "
                          "while the host is down", t->want->name);
    return HADRON_OK;
  }
  t->idle = !t->want->enabled;
  if (t->idle) return HADRON_OK;
  code = hd_session_own_again(t->row, t->want, s, fault);
  if (!code) code = hd_session_found(s, t->row, t->want, t->plugins[0], fault);
  t->founds = !code;
  return code;
}

static int32_t create(struct hd_task *t, struct hd_fault *fault) {
  int32_t code = found(t, fault);
  return code || t->idle ? code : hd_change_create(t->d->c->options.session, t->want, t->plugins, &t->change, fault);
}

static void plan_done(uv_work_t *work, int status) {
  struct hd_task *t = work->data;
  struct hd_control *c = t->d->c;
  struct hd_fault fault = {0};
  (void)status;
  if (t->unchanged) task_end(t);
  else if (t->fault.code || stopping(t) || task_outcome(t, create(t, &fault), &fault)) fail(t);
  else uv_queue_work(c->options.loop, &t->work, stage_work, stage_done);
}

static void task_begin(struct hd_task *t) {
  t->next = t->d->tasks;
  t->d->tasks = t;
  uv_queue_work(t->d->c->options.loop, &t->work, plan_work, plan_done);
}

static struct hd_task *task_create(struct hd_control *c, struct hd_session_deployed *row, uint64_t asker) {
  struct hd_task *t = calloc(1, sizeof *t);
  if (t) t->base = calloc(1, sizeof *t->base), t->want = calloc(1, sizeof *t->want);
  if (!t || !t->base || !t->want) {
    if (t) task_free(t);
    return NULL;
  }
  t->d = c->deploying;
  t->asker = asker;
  t->start_ns = hd_clock_monotonic_ns();
  t->work.data = t;
  t->row = row;
  if (row && (!row->own || row->now.revision)) t->runs = row->now;
  return t;
}

int32_t hd_task_follow(struct hd_control *c, const struct hd_rollout_row *row, struct hd_fault *fault) {
  struct hd_task *t = task_create(c, hd_session_deployed(c->options.session, row->name), 0);
  char words[400];
  if (!t) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", row->name);
  t->follows = true;
  t->request.verb = HD_VERB_FOLLOW;
  t->request.to = row->revision;
  hd_text_copy(t->request.name, sizeof t->request.name, row->name);
  snprintf(t->request.why, sizeof t->request.why, "%s by %s on %s", row->command, row->who, row->host);
  snprintf(t->revision.who, sizeof t->revision.who, "%.63s", row->host);
  hd_deployment_request_words(&t->request, words, sizeof words);
  int32_t code = hd_deploying_note(c, c->owner_uid, words, fault);
  if (code) task_free(t);
  else task_begin(t);
  return code;
}

// What a strategy begins with whose deployment does not say it: this host, and as much cash as each of those that trade would have if it were
// one of them. The account's money does not grow by it: limits of the account hold for all together.
static void offer_seat(struct hd_task *t) {
  const struct hd_session *s = t->d->c->options.session;
  uint32_t trading = 1;
  for (uint32_t i = 0; i < s->arm_count; i++) trading += s->arms[i].home == s->arms[i].id && s->arms[i].occupant && s->arms[i].role == HD_ROLE_LIVE;
  hd_text_copy(t->request.host, sizeof t->request.host, t->d->host);
  t->request.cash.micros = s->config->cash.micros / trading;
}

// request: moved. Nobody waits for it if asker is 0. [io]
int32_t hd_task_start(struct hd_control *c, struct hd_deployment_request *request, const char *who, uint64_t asker, struct hd_fault *fault) {
  struct hd_task *t = task_create(c, hd_session_deployed(c->options.session, request->name), asker);
  if (!t) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", request->name);
  t->request = *request;
  memset(request, 0, sizeof *request);
  if (!t->row || t->row->own) offer_seat(t);
  hd_text_copy(t->revision.who, sizeof t->revision.who, who);
  hd_text_copy(t->revision.host, sizeof t->revision.host, t->d->host);
  hd_text_copy(t->revision.command, sizeof t->revision.command, hd_deployment_verb_name(t->request.verb));
  hd_text_copy(t->revision.why, sizeof t->revision.why, t->request.why);
  task_begin(t);
  return HADRON_OK;
}

// ---- commands ------------------------------------------------------------------------------------------------------------------------------------

static int32_t check_start(struct hd_control *c, const struct hd_deployment_request *q, struct hd_fault *fault) {
  if (!c->deploying)
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s: this host runs without a registry; start it without --no-registry and with registry.enabled = true", hd_deployment_verb_name(q->verb));
  const struct hd_session_deployed *row = hd_session_deployed(c->options.session, q->name);
  if (row && row->fixed)
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s: strategies.%s has a role in the configuration that is not live: it is no deployment; leave `role` out and deploy it as a shadow or canary",
                        hd_deployment_verb_name(q->verb), q->name);
  bool opens = q->verb == HD_VERB_DEPLOY || q->verb == HD_VERB_ENABLE;
  if (!row && opens && hd_session_is_section(c->options.session->config, q->name))
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s: the configuration has a section \"%s\" that does not run (enabled = false); switch it on there and start again, or deploy under another name",
                        hd_deployment_verb_name(q->verb), q->name);
  if (!row && !opens)
    return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: this host runs no strategy \"%s\", nor a venue, service or allocator of this name; `hadron enable %s` opens a registered strategy, `hadron deploy FILE` "
                        "any deployment", hd_deployment_verb_name(q->verb), q->name, q->name);
  if (hd_task_find(c->deploying, q->name))
    return hd_fault_set(fault, HADRON_ERR_STATE, "%s: another change of %s is under way; ask again when it is done", hd_deployment_verb_name(q->verb), q->name);
  return HADRON_OK;
}

json_t *hd_deploying_ask(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  struct hd_deployment_request q;
  char words[400], who[64];
  if (hd_deployment_request_init(&q, request, fault)) return NULL;
  hd_deployment_request_words(&q, words, sizeof words);
  who_of(uid, who, sizeof who);
  int32_t code = check_start(c, &q, fault);
  if (!code) code = hd_deploying_note(c, uid, words, fault);
  if (!code) code = hd_task_start(c, &q, who, hd_control_defer(c), fault);
  hd_deployment_request_fini(&q);
  if (!code) hd_fault_set(fault, HADRON_ERR_AGAIN, "the answer comes later");
  return NULL;
}

// ---- history [worker] ------------------------------------------------------------------------------------------------------------------------------

struct look {
  uv_work_t work;
  struct hd_deploying *d;
  uint64_t asker;
  char name[HADRON_NAME_SIZE];
  json_t *rows;
  struct hd_fault fault;
};

static void look_work(uv_work_t *work) {
  struct look *l = work->data;
  uv_mutex_lock(&l->d->lock);
  l->rows = hd_deployment_history(hd_registry_database(l->d->registry), *l->name ? l->name : NULL, &l->fault);
  uv_mutex_unlock(&l->d->lock);
}

static void look_done(uv_work_t *work, int status) {
  struct look *l = work->data;
  (void)status;
  l->d->looks--;
  hd_control_answer(l->d->c, l->asker, l->rows ? json_pack("{s:o}", "revisions", l->rows) : NULL, &l->fault);
  free(l);
}

json_t *hd_deploying_history(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  const char *name = hd_request_text(request, "name", "");
  (void)uid;
  struct look *l = c->deploying ? calloc(1, sizeof *l) : NULL;
  if (!c->deploying) hd_fault_set(fault, HADRON_ERR_STATE, "history: this host runs without a registry");
  else if (!l) hd_fault_set(fault, HADRON_ERR_MEMORY, "history: out of memory");
  else if (!hd_text_copy(l->name, sizeof l->name, name)) hd_fault_set(fault, HADRON_ERR_ARGUMENT, "history: name: expected the name of a deployment");
  if (fault->code) {
    free(l);
    return NULL;
  }
  l->d = c->deploying;
  l->work.data = l;
  l->asker = hd_control_defer(c);
  l->d->looks++;
  uv_queue_work(c->options.loop, &l->work, look_work, look_done);
  hd_fault_set(fault, HADRON_ERR_AGAIN, "the answer comes later");
  return NULL;
}

// ---- what status shows -----------------------------------------------------------------------------------------------------------------------------

json_t *hd_deploying_status(struct hd_control *c) {
  if (!c->deploying) return NULL;
  json_t *rows = json_array();
  for (const struct hd_task *t = c->deploying->tasks; t; t = t->next)
    json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:f}", "name", t->request.name, "command", hd_deployment_verb_name(t->request.verb), "who", t->revision.who,
                                          "since_s", (double)(hd_clock_monotonic_ns() - t->start_ns) / 1e9));
  return rows;
}

json_t *hd_deploying_hosts(struct hd_control *c) { return c->deploying ? hd_hosting_status(c->deploying) : NULL; }

// ---- life --------------------------------------------------------------------------------------------------------------------------------------------

int32_t hd_deploying_open(struct hd_control *c, struct hd_fault *fault) {
  struct hd_session *s = c->options.session;
  if (!s->options.registry || !c->options.live) return HADRON_OK;
  struct hd_deploying *d = calloc(1, sizeof *d);
  if (!d || uv_mutex_init(&d->lock)) {
    free(d);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "control: out of memory");
  }
  d->c = c;
  d->registry = s->options.registry;
  hd_session_host(s->config, d->host, sizeof d->host);
  c->deploying = d;
  int32_t code = hd_arriving_open(d, fault);
  if (!code) hd_dropping_open(d);
  return code ? code : hd_hosting_open(d, fault);
}

void hd_deploying_close(struct hd_control *c) {
  struct hd_deploying *d = c->deploying;
  if (!d) return;
  d->closing = true;
  hd_arriving_close(d);
  hd_dropping_close(d);
  hd_hosting_close(d);
  give_up(d);
  while (d->tasks || d->looks) { // what is on a worker comes back first
    uv_run(c->options.loop, UV_RUN_ONCE);
    give_up(d);
  }
  hd_watch_close(d);
  uv_mutex_destroy(&d->lock);
  free(d);
  c->deploying = NULL;
}
