// This host among those of its registry: it says that it is alive, sees what the others do, and follows. A look is made on a worker, with a
// connection of its own, when the registry's bell rings (arrive.c) and, where there are others, every two seconds. It compares what is there
// with what runs here, so that nothing is missed by a bell that did not ring or a registry that was away:
//
//   pending, and this host is asked     it stages and reports (deploy.c)
//   active, and something else runs     it follows: it was away, or came late
//   a task waits for this revision      it is told what became of it; whoever looks, decides (registry/rollout.h)
//
// A registry that is away changes nothing here: what runs goes on, and an alert says so.
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/deploy.h"

#define ROWS_MAX 512   // revisions seen by one look: pending ones, and one active per deployment
#define TASKS_MAX 32   // under way here
#define FOLLOW_NS INT64_C(5000000000)
#define FOLLOW_MAX_NS INT64_C(300000000000)

// A revision that a task is about.
struct concern {
  char name[HADRON_NAME_SIZE];
  uint32_t revision;
  bool waits;
  struct hd_rollout out;
};

struct hd_hosting {
  struct hd_deploying *d;
  struct hd_database *database;   // the worker's
  struct hd_host self;
  uv_work_t work;
  bool working, again, closed, away, back;
  uint32_t others;                // running hosts besides this one; the worker's while it looks
  uint32_t others_shown;          // as the last look left it [io]
  int64_t next_ns;                // monotonic
  int64_t open_ns;                // monotonic: not before, what has no row here is tried again
  struct concern concerns[TASKS_MAX];
  struct concern untold[TASKS_MAX]; // made here, and the registry has not heard
  uint32_t concern_count, untold_count;
  struct hd_deployment *all;      // [all_count]: what runs, to be told once more; owned
  uint32_t all_count;
  struct hd_rollout_row rows[ROWS_MAX];
  uint32_t row_count;
  json_t *hosts, *fresh;          // for `status`; fresh: the worker's; owned
  struct hd_fault fault;
};

// ---- a look [worker] ----------------------------------------------------------------------------------------------------------------------

static int32_t take_row(void *user, const struct hd_rollout_row *row, struct hd_fault *fault) {
  struct hd_hosting *h = user;
  (void)fault;
  if (h->row_count < ROWS_MAX) h->rows[h->row_count++] = *row;
  return HADRON_OK;
}

static int32_t add_host(void *user, const struct hd_host *host, struct hd_fault *fault) {
  static const char *const states[] = {"?", "running", "stopped", "gone"};
  json_t *row = json_pack("{s:s, s:s, s:f, s:s, s:[]}", "host", host->host, "state", host->stale ? "stale" : states[host->state <= HD_HOST_GONE ? host->state : 0], "silent_s",
                          (double)host->silent_ns / 1e9, "data_dir", host->data_dir, "runs");
  if (!row) return hd_fault_set(fault, HADRON_ERR_MEMORY, "hosts: out of memory");
  json_array_append_new(user, row);
  return HADRON_OK;
}

static int32_t add_report(void *user, const struct hd_host_report *r, struct hd_fault *fault) {
  size_t i;
  json_t *host;
  (void)fault;
  json_array_foreach((json_t *)user, i, host) {
    if (strcmp(json_string_value(json_object_get(host, "host")), r->host) != 0) continue;
    json_t *row = json_pack("{s:s, s:I, s:I, s:b}", "deployment", r->deployment, "revision", (json_int_t)r->revision, "active", (json_int_t)r->active, "drift", r->drift);
    if (row && *r->error) json_object_set_new(row, "error", json_string(r->error));
    json_array_append_new(json_object_get(host, "runs"), row);
  }
  return HADRON_OK;
}

static int32_t look_at_hosts(struct hd_hosting *h) {
  json_decref(h->fresh);
  h->fresh = json_array();
  int32_t code = hd_host_list(h->database, add_host, h->fresh, &h->fault);
  return code ? code : hd_host_reports(h->database, add_report, h->fresh, &h->fault);
}

// A task that is at work is not late; one that waits asks what has become of it.
static int32_t look_at_concerns(struct hd_hosting *h) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < h->concern_count && !code; i++) {
    struct concern *k = &h->concerns[i];
    if (k->waits) code = hd_rollout_decide(h->database, k->name, k->revision, h->self.host, &k->out, &h->fault);
    else code = hd_rollout_report(h->database, k->name, k->revision, h->self.host, HD_PARTY_WORKING, NULL, NULL, &h->fault);
  }
  return code;
}

static int32_t settle_untold(struct hd_hosting *h) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < h->untold_count && !code; i++) {
    code = hd_revision_settle(h->database, h->untold[i].name, h->untold[i].revision, HD_REVISION_ACTIVE, NULL, h->self.host, hd_clock_wall_ns(), &h->fault);
    if (!code) hd_log_info("DEPLOY_REGISTRY", "%s: the registry has been told that revision %u is active", h->untold[i].name, h->untold[i].revision);
    if (code == HADRON_ERR_STATE) code = HADRON_OK; // somebody has settled it
  }
  if (!code) h->untold_count = 0;
  return code;
}

static int32_t tell_all(struct hd_hosting *h) {
  int32_t code = settle_untold(h);
  for (uint32_t i = 0; i < h->all_count && !code; i++) code = hd_host_runs(h->database, h->self.host, &h->all[i], NULL, &h->fault);
  return code;
}

// Those that others began and did not end hold nobody up.
static int32_t clear(struct hd_hosting *h) {
  struct hd_rollout out;
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < h->row_count && !code; i++)
    if (h->rows[i].state == HD_REVISION_PENDING && strcmp(h->rows[i].host, h->self.host) != 0)
      code = hd_rollout_decide(h->database, h->rows[i].name, h->rows[i].revision, h->self.host, &out, &h->fault);
  return code;
}

static void look_work(uv_work_t *work) {
  struct hd_hosting *h = work->data;
  h->back = false;
  h->row_count = 0;
  int32_t code = hd_host_sweep(h->database, &h->self, &h->others, &h->fault);
  if (!code) code = tell_all(h);
  // Alone on a file of its own, nobody listens: no writes for nothing.
  if (!code && (h->others || hd_database_shared(h->database))) code = hd_host_beat(h->database, &h->self, &h->back, &h->fault);
  if (!code) code = look_at_concerns(h);
  if (!code) code = hd_rollout_list(h->database, h->self.host, take_row, h, &h->fault);
  if (!code) code = clear(h);
  if (!code) code = look_at_hosts(h);
  h->fault.code = code;
}

// ---- what comes of it [io] ------------------------------------------------------------------------------------------------------------------

static void tell_away(struct hd_hosting *h) {
  struct hd_session *s = h->d->c->options.session;
  bool away = h->fault.code != HADRON_OK;
  if (away && !h->away) {
    hd_log_error("REGISTRY_AWAY", "the registry does not answer: %s; what runs goes on, changes wait", h->fault.text);
    char words[256];
    snprintf(words, sizeof words, "the registry does not answer: %.200s", h->fault.text);
    hd_session_alarm(s, words);
  }
  if (!away && h->away) hd_log_info("REGISTRY_BACK", "the registry answers again");
  h->away = away;
}

// A revision that this host made and could not tell the registry of.
static bool untold(const struct hd_hosting *h, const struct hd_rollout_row *row, const struct hd_session_deployed *here) {
  return row->state == HD_REVISION_PENDING && !row->asked && strcmp(row->host, h->self.host) == 0 && here->now.revision == row->revision;
}

static void follow(struct hd_hosting *h, const struct hd_rollout_row *row, struct hd_session_deployed *here) {
  struct hd_fault fault = {0};
  int64_t now_ns = hd_clock_monotonic_ns();
  if (row->state == HD_REVISION_ACTIVE && here) { // once more, later and later
    if (now_ns < here->follow_ns) return;
    uint32_t times = here->follow_tries < 6 ? here->follow_tries++ : 6;
    here->follow_ns = now_ns + (FOLLOW_NS << times < FOLLOW_MAX_NS ? FOLLOW_NS << times : FOLLOW_MAX_NS);
    hd_log_info("DEPLOY_FOLLOW", "%s: revision %u (%s by %s on %s) is active, and revision %u runs here", row->name, row->revision, row->command, row->who, row->host, here->now.revision);
  }
  if (hd_task_follow(h->d->c, row, &fault)) hd_log_warn("DEPLOY_FOLLOW", "%s, revision %u: %s", row->name, row->revision, fault.text);
}

static void consider(struct hd_hosting *h, const struct hd_rollout_row *row) {
  struct hd_session_deployed *here = hd_session_deployed(h->d->c->options.session, row->name);
  bool ours = here ? hd_session_reports(here) : row->here && !hd_session_is_section(h->d->c->options.session->config, row->name);
  if (!ours || hd_task_find(h->d, row->name)) return;
  if (row->state == HD_REVISION_PENDING && row->asked == HD_PARTY_ASKED) follow(h, row, here);
  else if (!here || (here->own && !here->now.revision)) { // it came about while this host was away
    if (row->state == HD_REVISION_ACTIVE && row->here && (here || hd_clock_monotonic_ns() >= h->open_ns)) follow(h, row, here);
    if (!here) h->open_ns = hd_clock_monotonic_ns() + FOLLOW_NS;
  }
  else if (row->state == HD_REVISION_ACTIVE && here->now.revision && here->now.revision != row->revision) follow(h, row, here);
  else if (row->state == HD_REVISION_ACTIVE && here->follow_tries) { // what it could not follow is not asked for any more
    here->follow_ns = 0, here->follow_tries = 0;
    h->back = h->again = true;
  }
}

static void note_untold(struct hd_hosting *h, const struct hd_rollout_row *row) {
  if (h->untold_count == TASKS_MAX) return;
  struct concern *k = &h->untold[h->untold_count++];
  *k = (struct concern){.revision = row->revision};
  hd_text_copy(k->name, sizeof k->name, row->name);
  h->again = true;
}

static void look(struct hd_hosting *h);

static void look_done(uv_work_t *work, int status) {
  struct hd_hosting *h = work->data;
  (void)status;
  h->working = false;
  free(h->all);
  h->all = NULL;
  h->all_count = 0;
  tell_away(h);
  if (!h->fault.code) {
    json_decref(h->hosts);
    h->hosts = h->fresh;
    h->fresh = NULL;
  }
  if (h->closed) return;
  for (uint32_t i = 0; i < h->concern_count && !h->fault.code; i++) {
    struct hd_task *t = hd_task_find(h->d, h->concerns[i].name);
    if (h->concerns[i].waits && h->concerns[i].out.state != HD_REVISION_PENDING && t && t->waits && t->revision.revision == h->concerns[i].revision)
      hd_task_decided(t, h->concerns[i].out.state, h->concerns[i].out.error);
  }
  for (uint32_t i = 0; i < h->row_count && !h->fault.code; i++) {
    const struct hd_session_deployed *here = hd_session_deployed(h->d->c->options.session, h->rows[i].name);
    if (here && !hd_task_find(h->d, h->rows[i].name) && untold(h, &h->rows[i], here)) note_untold(h, &h->rows[i]);
    else consider(h, &h->rows[i]);
  }
  h->others_shown = h->others;
  bool others = h->others || hd_database_shared(h->database);
  h->next_ns = others || h->away ? hd_clock_monotonic_ns() + HD_HOST_BEAT_NS : INT64_MAX;
  if (h->again || h->back) look(h);
}

static void note_tasks(struct hd_hosting *h) {
  h->concern_count = 0;
  for (const struct hd_task *t = h->d->tasks; t && h->concern_count < TASKS_MAX; t = t->next) {
    if (!t->asks || !t->revision.revision) continue;
    struct concern *k = &h->concerns[h->concern_count++];
    *k = (struct concern){.revision = t->revision.revision, .waits = t->waits};
    hd_text_copy(k->name, sizeof k->name, t->request.name);
  }
}

// The registry had taken this host for gone: it hears once more what runs here.
static void note_all(struct hd_hosting *h) {
  const struct hd_session *s = h->d->c->options.session;
  h->all = calloc(s->deployed_count + 1, sizeof *h->all);
  for (uint32_t i = 0; h->all && i < s->deployed_count; i++)
    if (hd_session_reports(s->deployed[i])) h->all[h->all_count++] = s->deployed[i]->now;
}

static void look(struct hd_hosting *h) {
  h->again = h->working;
  if (h->working || h->closed) return;
  note_tasks(h);
  if (h->back) note_all(h);
  h->working = true;
  uv_queue_work(h->d->c->options.loop, &h->work, look_work, look_done);
}

void hd_hosting_tick(struct hd_deploying *d) {
  if (d->hosting && hd_clock_monotonic_ns() >= d->hosting->next_ns) look(d->hosting);
}

void hd_hosting_poke(struct hd_deploying *d) {
  if (d->hosting) look(d->hosting);
}

// ---- what status shows ------------------------------------------------------------------------------------------------------------------------

json_t *hd_hosting_status(const struct hd_deploying *d) {
  const struct hd_hosting *h = d->hosting;
  if (!h) return NULL;
  json_int_t drift = 0;
  size_t i, k;
  json_t *host, *row;
  json_array_foreach(h->hosts, i, host) json_array_foreach(json_object_get(host, "runs"), k, row)
    drift += strcmp(json_string_value(json_object_get(host, "state")), "running") == 0 && json_is_true(json_object_get(row, "drift"));
  return json_pack("{s:s, s:b, s:I, s:O, s:I}", "host", h->self.host, "away", h->away, "others", (json_int_t)h->others_shown, "hosts", h->hosts, "drift", drift);
}

// ---- life ---------------------------------------------------------------------------------------------------------------------------------------

int32_t hd_hosting_open(struct hd_deploying *d, struct hd_fault *fault) {
  struct hd_registry_paths paths;
  const struct hd_session *s = d->c->options.session;
  if (!s->host) return HADRON_OK;
  struct hd_hosting *h = calloc(1, sizeof *h);
  if (!h || !(h->hosts = json_array())) {
    free(h);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "control: out of memory");
  }
  h->d = d;
  h->work.data = h;
  h->self = *s->host;
  hd_registry_paths(s->config, &paths);
  int32_t code = hd_database_open(paths.url, &h->database, fault);
  if (code) {
    json_decref(h->hosts);
    free(h);
    return hd_fault_prefix(fault, "registry: ");
  }
  d->hosting = h;
  look(h);
  return HADRON_OK;
}

void hd_hosting_close(struct hd_deploying *d) {
  struct hd_hosting *h = d->hosting;
  if (!h) return;
  h->closed = true;
  while (h->working) uv_run(d->c->options.loop, UV_RUN_ONCE);
  d->hosting = NULL;
  hd_database_close(h->database);
  json_decref(h->hosts);
  json_decref(h->fresh);
  free(h);
}
