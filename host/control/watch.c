// Guards, once a second: each arm that trades is held against the guard of its deployment (runtime/guard.h). Who breaks it is demoted as by
// an operator: a task that ends in a revision, whose reason says which guard with both numbers; and an alert, which is journaled.
#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/deploy.h"
#include "runtime/guard.h"
#include "runtime/placed.h"

#define LOOK_NS INT64_C(1000000000)
#define RESTARTS_MAX 2 // of a worker whose predecessor is still warm

// What a seat's occupant had shown when it took its role: guards count from there.
struct hd_watched {
  uint8_t digest[32];
  uint32_t role;
  uint64_t faults;
  struct hd_guard_seen seen;
  struct hd_histogram latency; // at that time
  bool told;                   // an alert is enough for what cannot be demoted
};

struct hd_watch {
  int64_t next_ns;             // monotonic
  uint32_t count;
  struct hadron_money *equity; // [arm]; owned
  struct hd_watched arms[];    // [arm]
};

void hd_watch_close(struct hd_deploying *d) {
  if (d->watch) free(d->watch->equity);
  free(d->watch);
  d->watch = NULL;
}

static struct hd_watch *watch_of(struct hd_control *c) {
  struct hd_deploying *d = c->deploying;
  uint32_t count = c->options.session->arm_max + 1;
  if (d->watch) return d->watch;
  struct hd_watch *w = calloc(1, sizeof *w + count * sizeof *w->arms);
  if (w) w->equity = calloc(count, sizeof *w->equity);
  if (!w || !w->equity) {
    free(w);
    return NULL; // asked again in a second
  }
  w->count = count;
  return d->watch = w;
}

// ---- what the arms show ------------------------------------------------------------------------------------------------------------------

struct equity_look {
  const struct hd_session *s;
  struct hd_watch *w;
};

static void equity_take(void *argument) {
  struct equity_look *l = argument;
  for (uint32_t arm = 1; arm < l->w->count && arm <= l->s->pipeline.arm_count; arm++) l->w->equity[arm] = hd_book_equity(&l->s->pipeline.portfolio.books[arm]);
}

static void latency_of(const struct hd_session *s, const struct hd_occupant *o, struct hd_histogram *out) {
  memset(out, 0, sizeof *out);
  for (uint32_t shard = 0; shard < s->pipeline.options.shards; shard++) hd_histogram_merge(out, &o->latency[shard]);
}

// What came since `before`; its largest value is not known, so it is that of all.
static void latency_since(struct hd_histogram *now, const struct hd_histogram *before) {
  for (uint32_t i = 0; i < HD_HISTOGRAM_BUCKETS; i++) now->buckets[i] -= before->buckets[i];
  now->count -= before->count;
  now->sum -= before->sum;
}

static bool is_watched(const struct hd_guard *g) { return g->errors_max || g->latency_p99_max_ns > 0 || g->drawdown_max.micros > 0; }

// True: it has held its role since the last look, and `seen` is up to date.
static bool look_at(const struct hd_session *s, struct hd_watch *w, const struct hd_session_arm *seat) {
  struct hd_watched *a = &w->arms[seat->id];
  const struct hd_occupant *o = seat->occupant;
  bool new = a->role != seat->role || memcmp(a->digest, o->plugin->digest, sizeof a->digest) != 0;
  struct hd_histogram latency;
  latency_of(s, o, &latency);
  if (new) {
    *a = (struct hd_watched){.role = seat->role, .faults = atomic_load(&o->faults), .latency = latency};
    memcpy(a->digest, o->plugin->digest, sizeof a->digest);
  }
  hd_guard_peak(&a->seen, w->equity[seat->id], new);
  latency_since(&latency, &a->latency);
  a->seen.errors = atomic_load(&o->faults) - a->faults;
  a->seen.callbacks = latency.count;
  a->seen.latency_p99_ns = (int64_t)hd_histogram_quantile(&latency, 0.99);
  return !new;
}

// ---- what follows --------------------------------------------------------------------------------------------------------------------------

struct alert_now {
  struct hd_control *c;
  uint32_t arm;
  const char *text;
};

static void alert_write(void *argument) {
  const struct alert_now *a = argument;
  hd_pipeline_alert(&a->c->options.session->pipeline, 3, HADRON_OK, a->arm, 0, 0, a->text);
}

static const struct hd_session_arm *warm_of(const struct hd_session *s, const struct hd_session_arm *seat) {
  for (uint32_t i = 0; i < s->arm_count; i++)
    if (s->arms[i].occupant && s->arms[i].home == seat->home && s->arms[i].warm_until_ns) return &s->arms[i];
  return NULL;
}

static void demote(struct hd_control *c, const struct hd_session_arm *seat, const struct hd_session_arm *warm, const struct hd_guard_verdict *v) {
  struct hd_deployment_request q = {.verb = HD_VERB_DEMOTE};
  struct hd_fault fault = {0};
  char words[400];
  hd_text_copy(q.name, sizeof q.name, seat->config->base.name);
  hd_text_copy(q.version, sizeof q.version, seat->occupant->plugin->manifest.version);
  hd_text_copy(q.why, sizeof q.why, v->why);
  if (v->action == HD_GUARD_ROLLBACK) hd_text_copy(q.shares[q.share_count++].version, sizeof q.shares[0].version, warm->occupant->plugin->manifest.version);
  hd_deployment_request_words(&q, words, sizeof words);
  int32_t code = hd_deploying_note(c, c->owner_uid, words, &fault);
  if (!code) code = hd_task_start(c, &q, "guard", 0, &fault);
  if (code) hd_log_error("GUARD", "%s: %s: it could not be done: %s", words, v->why, fault.text);
}

static void judge(struct hd_control *c, struct hd_watch *w, const struct hd_guard *guard, const struct hd_session_arm *seat) {
  const struct hd_session *s = c->options.session;
  const struct hd_session_arm *warm = seat->role == HD_ROLE_LIVE ? warm_of(s, seat) : NULL;
  struct hd_watched *a = &w->arms[seat->id];
  struct hd_guard_verdict v;
  struct hd_fault fault;
  char text[300];
  if (!look_at(s, w, seat) || !hd_guard_check(guard, &a->seen, seat->role, warm != NULL, &v) || a->told) return;
  static const char *const follows[] = {"", "it goes on as a shadow", "the version before it trades again", "there is no version to go back to: it trades on"};
  snprintf(text, sizeof text, "%s@%s: %s; %s", seat->config->base.name, seat->occupant->plugin->manifest.version, v.why, follows[v.action]);
  a->told = true;
  if (hd_control_trade(c, alert_write, &(struct alert_now){c, seat->id, text}, &fault)) hd_log_error("GUARD", "%s (the alert was not journaled: %s)", text, fault.text);
  if (v.action != HD_GUARD_ALERT) demote(c, seat, warm, &v);
}

// Its worker process has ended more than once, or was given up: one that was put in its place just now is gone back from, before the others feel it.
static uint32_t failed_apart(const struct hd_occupant *o) {
  const struct hd_placed *p = o->placed;
  if (p == NULL || p->placement != HD_PLACEMENT_PROCESS) return 0;
  return atomic_load(&p->counts.restarts) >= RESTARTS_MAX || atomic_load(&p->state) == HADRON_PLACED_FENCED ? o->instance_count : 0;
}

// Without any guard: a version of which an instance failed until it was fenced, or whose process does not stay up, and that has something to go back to.
static void look_at_fenced(struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  for (uint32_t i = 0; i < s->arm_count; i++) {
    const struct hd_session_arm *seat = &s->arms[i];
    uint32_t apart = seat->occupant ? failed_apart(seat->occupant) : 0;
    uint32_t fenced = seat->occupant ? atomic_load(&seat->occupant->fenced) + apart : 0;
    const struct hd_session_arm *warm = fenced && seat->role == HD_ROLE_LIVE ? warm_of(s, seat) : NULL;
    if (!fenced || c->deploying->fenced_tried == seat->occupant || (seat->role != HD_ROLE_CANARY && !warm)) continue;
    const struct hd_session_deployed *row = hd_session_deployed(s, seat->config->base.name);
    if (!row || row->fixed || !row->now.revision || hd_task_find(c->deploying, row->now.name)) continue;
    struct hd_guard_verdict v = {.action = warm ? HD_GUARD_ROLLBACK : HD_GUARD_DEMOTE};
    if (apart) snprintf(v.why, sizeof v.why, "its worker ended %llu times and more: %.100s", (unsigned long long)atomic_load(&seat->occupant->placed->counts.restarts), hd_placed_words(seat->occupant->placed, HADRON_PLACED_LEFT).text);
    else snprintf(v.why, sizeof v.why, "%u of %u instances failed and were fenced", fenced, seat->occupant->instance_count);
    hd_log_error("GUARD", "%s@%s: %s", row->now.name, seat->occupant->plugin->manifest.version, v.why);
    c->deploying->fenced_tried = seat->occupant; // once: what cannot be done is not tried every second
    demote(c, seat, warm, &v);
  }
}

void hd_watch_services(struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  for (uint32_t i = 0; i < s->service_count; i++) {
    struct hd_session_service *service = &s->services[i];
    struct hd_fault fault;
    if (atomic_load_explicit(&service->alerting, memory_order_acquire) == 0) continue;
    if (hd_control_trade(c, alert_write, &(struct alert_now){c, 0, service->alert}, &fault)) hd_log_error("ALERT", "%s (it was not journaled: %s)", service->alert, fault.text);
    atomic_store_explicit(&service->alerting, 0, memory_order_release);
  }
}

void hd_watch_tick(struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  look_at_fenced(c);
  struct hd_fault fault;
  bool some = false;
  for (uint32_t i = 0; i < s->deployed_count; i++) some |= is_watched(&s->deployed[i]->now.guard);
  struct hd_watch *w = some ? watch_of(c) : NULL;
  int64_t now_ns = hd_clock_monotonic_ns();
  if (!w || now_ns < w->next_ns || hd_control_trade(c, equity_take, &(struct equity_look){s, w}, &fault)) return;
  w->next_ns = now_ns + LOOK_NS;
  for (uint32_t i = 0; i < s->arm_count; i++) {
    const struct hd_session_arm *seat = &s->arms[i];
    if (!seat->occupant || seat->id >= w->count || (seat->role != HD_ROLE_LIVE && seat->role != HD_ROLE_CANARY)) continue;
    const struct hd_session_deployed *row = hd_session_deployed(s, seat->config->base.name);
    if (row && is_watched(&row->now.guard) && !hd_task_find(c->deploying, seat->config->base.name)) judge(c, w, &row->now.guard, seat);
  }
}
