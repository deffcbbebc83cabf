#include "runtime/simulate/life.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/simulate/audit.h"

#define DATA "/simulated"
#define JOURNAL DATA "/journal"
#define REST_MAX (120 * HD_SECOND) // of world time, after faults have stopped
#define QUIET (3 * HD_SECOND)      // it has to stay at rest for so long
#define STEP (HD_SECOND / 2)       // the clock goes on at least this often
#define STOPPED (HD_LIFE_CRASHED + 1) // exit status: the host has stopped by itself

// ---- what all lives share ------------------------------------------------------------------------------------------------------------

static const char config_text[] =
    "return {\n"
    "  mode = 'live', data_dir = '" DATA "', start = '2025-06-15T15:06:40Z',\n"
    "  universe = { open = true, max = 8 },\n"
    "  venues = { hostile = {}, second = {} },\n"
    "  strategies = { calm = { plugin = 'restless' }, wild = { plugin = 'restless' } },\n"
    "  engine = { lane_ticks = 64, measure_every = 0 },\n"
    "  gateway = { orders_max = 2048, ids_max = 8192 },\n"
    "  normalize = { grid = true },\n"
    "  registry = { enabled = false },\n"
    "  services = { recorder = { params = { url = 'sqlite:' } } },\n"
    "  report = { equity_every = '10s' },\n"
    "}\n";

int32_t hd_life_setup_open(struct hd_life_setup *setup, const char *plugin_path, struct hd_fault *fault) {
  static struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
  char path[] = "/tmp/hadron-simulate-XXXXXX", file[HD_PLUGIN_PATH_SIZE];
  memset(setup, 0, sizeof *setup);
  setup->words = -1;
  int fd = mkstemp(path);
  if (fd < 0 || write(fd, config_text, sizeof config_text - 1) != sizeof config_text - 1) {
    if (fd >= 0) close(fd);
    return hd_fault_set(fault, HADRON_ERR_IO, "simulate: %s: %s; make room in /tmp", path, strerror(errno));
  }
  close(fd);
  uint32_t wrong = hd_config_load(&setup->config, path, NULL, 0, errors);
  unlink(path);
  if (wrong) return hd_fault_set(fault, HADRON_ERR_INTERNAL, "simulate: its own configuration, line %d: %s", errors[0].line, errors[0].text);
  hd_text_copy(setup->config.path, sizeof setup->config.path, "simulate");
  hd_text_copy(setup->config.plugin_path, sizeof setup->config.plugin_path, plugin_path);
  int32_t code = hd_session_plugin_path(&setup->config, setup->config.allocator.plugin, file, sizeof file, fault);
  if (!code) code = hd_plugin_open(file, NULL, &setup->allocator, fault);
  if (!code) code = hd_session_plugin_path(&setup->config, "recorder", file, sizeof file, fault);
  if (!code) code = hd_plugin_open(file, NULL, &setup->recorder, fault);
  return code ? code : hd_sim_database_open(&setup->database, fault);
}

void hd_life_setup_close(struct hd_life_setup *setup) {
  hd_sim_database_close(&setup->database);
  hd_config_fini(&setup->config);
}

static const struct hd_plugin *allocator, *recorder; // [child]

static const struct hd_plugin *builtin(const char *name) {
  if (strcmp(name, "hostile") == 0) return &hd_venue_plugins[0];
  if (strcmp(name, "second") == 0) return &hd_venue_plugins[1];
  if (strcmp(name, "restless") == 0) return &hd_restless_plugins[0];
  if (strcmp(name, "recorder") == 0) return recorder;
  return strcmp(name, "net") == 0 ? allocator : NULL;
}

static void configure(struct hd_config *c, const struct hd_world *w, const char *url) {
  const struct hd_world_setting *s = &w->setting;
  c->seed = w->seed % 1000003 + 1;
  c->start_ns = w->now_ns + w->clock_offset_ns;
  c->strategy_count = s->strategies;
  c->venue_count = s->venues;
  hd_text_copy(c->strategies[s->strategies - 1].venue, sizeof c->strategies[0].venue, s->apart ? "second" : "");
  c->gateway.unknown_after_ns = s->unknown_after_ns;
  c->gateway.query_every_ns = s->query_every_ns;
  c->gateway.resend = s->resend;
  c->limits.order_rate_max = s->order_rate_max;
  c->limits.order_quantity_max.e8 = s->quantity_max_e8;
  c->limits.position_max.e8 = s->position_max_e8;
  c->journal_fsync = s->fsync;
  c->on_difference = w->chance[HD_FAULT_POWER_CUT_LOOSE] > 0 ? HD_DIFFERENCE_ADOPT : HD_DIFFERENCE_ALARM;
  c->journal_segment = s->segment_bytes;
  c->service_count = s->database;
  c->services[0].params[0].text = url;
}

// ---- in the child --------------------------------------------------------------------------------------------------------------------

struct life {
  struct hd_world *w;
  struct hd_session *s;
  int64_t rested_ns; // since when it is at rest; 0: it is not
  bool listed_again;
  bool follows_clock; // a bug: it believes the machine's clock while it runs
};

static void observe(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  static const uint16_t sizes[HD_TEMPLATE_COUNT] = {
      [HADRON_MSG_DECISION] = sizeof(struct hadron_decision), [HADRON_MSG_INTENT] = sizeof(struct hadron_intent), [HADRON_MSG_ORDER] = sizeof(struct hadron_order),
      [HADRON_MSG_ORDER_EVENT] = sizeof(struct hadron_order_event), [HADRON_MSG_EXECUTION] = sizeof(struct hadron_execution),
      [HADRON_MSG_ALLOCATION] = sizeof(struct hadron_allocation), [HADRON_MSG_TICK] = sizeof(struct hadron_tick)};
  struct hd_world *w = observer;
  (void)tail, (void)tail_size;
  hd_world_digest(w, &template_id, sizeof template_id);
  hd_world_digest(w, block, sizes[template_id]);
  if (template_id != HADRON_MSG_ORDER_EVENT) return;
  const struct hadron_order_event *e = block;
  hd_world_trace(w, "host: %.24s %s -> %s by %s, filled %lld of %lld %s", e->client_order_id.hex[0] ? e->client_order_id.hex : "-", hd_order_state_name(e->from),
                 hd_order_state_name(e->to), hd_order_change_name(e->change), (long long)e->filled.e8, (long long)e->quantity.e8, e->text);
}

static void operate(struct life *l) {
  struct hd_world *w = l->w;
  struct hd_pipeline *p = &l->s->pipeline;
  int64_t now_ns = l->s->runner.now_ns;
  if (w->killed && w->now_ns >= w->release_ns) {
    w->killed = false;
    hd_world_trace(w, "operator: releases");
    hd_pipeline_release(p, "simulated", 0, now_ns);
  } else if (!w->killed && hd_world_strikes(w, HD_FAULT_KILL_SWITCH)) {
    hd_world_trace(w, "operator: kills");
    hd_pipeline_kill(p, "simulated", 0, now_ns);
    w->killed = true;
    w->release_ns = w->now_ns + hd_world_between(&w->luck, 200, 6000) * HD_MS;
  }
}

// Faults stop: whatever has happened by now must come out right. One more reconnect, because that is how a session heals.
static void become_calm(struct life *l) {
  struct hd_world *w = l->w;
  hd_world_trace(w, "calm");
  w->calm = w->still = true;
  w->crash_event = w->crash_call = w->crash_point = 0;
  unsetenv("HADRON_CRASH_AT");
  for (uint32_t i = 0; i < w->setting.venues; i++) hd_venue_cut(w, &w->venues[i], "the last time");
  if (w->setting.ends_killed) hd_pipeline_kill(&l->s->pipeline, "the end", 0, l->s->runner.now_ns);
}

// True: the seed is over.
static bool over(struct life *l) {
  struct hd_world *w = l->w;
  const char *why;
  if (!w->calm) return false;
  if (!hd_life_rests(w, l->s, &why)) {
    l->rested_ns = 0;
    if (w->now_ns < w->ends_ns + REST_MAX) return false;
    hd_world_finding(w, "liveness: %lld s after the last fault the host is not at rest: %s", (long long)(REST_MAX / HD_SECOND), why);
    return true;
  }
  if (l->rested_ns == 0) l->rested_ns = w->now_ns;
  if (w->now_ns - l->rested_ns < QUIET) return false;
  if (w->memory == 0 || l->listed_again) return true;
  l->listed_again = true; // positions are compared where nothing works: another list, now that nothing moves
  l->rested_ns = 0;
  for (uint32_t i = 0; i < w->setting.venues; i++) {
    hd_venue_cut(w, &w->venues[i], "for a last list");
    l->s->venues[i].next_ns = l->s->runner.now_ns; // it had nothing to do any more
  }
  return false;
}

// Somebody sets the machine's clock, there and back. The host has read it once.
static void set_clock(struct life *l) {
  struct hd_world *w = l->w;
  w->machine_offset_ns = hd_world_between(&w->luck, -7200, 7200) * HD_SECOND;
  hd_world_trace(w, "the machine's clock is set %lld s off", (long long)(w->machine_offset_ns / HD_SECOND));
  if (l->follows_clock) w->clock_offset_ns = w->machine_offset_ns;
}

// The recorder has a thread of its own: while its database is slow nobody waits for it.
static void record(struct life *l) {
  struct hd_world *w = l->w;
  if (!w->setting.database || w->now_ns < w->database_ns) return;
  w->database_ns = w->now_ns + 100 * HD_MS;
  if (hd_world_strikes(w, HD_FAULT_DATABASE_SLOW)) w->database_ns = w->now_ns + hd_world_between(&w->luck, 500, 20000) * HD_MS;
  hd_session_services(l->s, l->s->runner.now_ns, false);
}

// All that is in the journal reaches the database once that is well again, however long it has to be asked.
static void record_rest(struct life *l) {
  int64_t now_ns = l->s->runner.now_ns;
  if (l->s->service_count) (void)hd_journal_sync(l->s->journal, hd_journal_end(l->s->journal) - 1);
  for (int i = 0; i < 400 && l->s->service_count; i++) {
    hd_session_services(l->s, now_ns, false);
    int64_t next_ns = l->s->services[0].next_ns;
    if (next_ns == INT64_MAX) return;
    now_ns = next_ns > now_ns ? next_ns : now_ns + HD_MS;
  }
}

static void step(struct life *l) {
  struct hd_world *w = l->w;
  struct hd_runner *r = &l->s->runner;
  struct hd_fault fault;
  if (hd_world_strikes(w, HD_FAULT_CLOCK_FORWARD)) {
    hd_world_trace(w, "the clock steps an hour forward");
    w->clock_offset_ns += 3600 * HD_SECOND;
    w->machine_offset_ns += 3600 * HD_SECOND;
    r->now_ns += 3600 * HD_SECOND; // as on a wall clock: what was due meanwhile is due once
  }
  if (hd_world_strikes(w, HD_FAULT_CLOCK_SET)) set_clock(l);
  if (hd_world_strikes(w, HD_FAULT_CLOCK_VENUE)) {
    struct hd_world_venue *v = &w->venues[w->setting.venues > 1 ? hd_random_below(&w->luck, w->setting.venues) : 0];
    v->clock_offset_ns = hd_world_between(&w->luck, -3600, 3600) * HD_SECOND;
    v->clock_offset_until_ns = w->now_ns + hd_world_between(&w->luck, 100, 4000) * HD_MS;
    hd_world_trace(w, "the venue's clock is %lld s off", (long long)(v->clock_offset_ns / HD_SECOND));
  }
  int64_t now_ns = w->now_ns + w->clock_offset_ns, due = hd_runner_due(r);
  if (now_ns < r->now_ns) now_ns = r->now_ns;
  if (due > now_ns + STEP) due = now_ns + STEP;
  hd_runner_advance(r, due > now_ns ? due : now_ns);
  if (r->now_ns - w->clock_offset_ns > w->now_ns) w->now_ns = r->now_ns - w->clock_offset_ns;
  hd_journal_maintain(l->s->journal, &fault);
  if (hd_journal_broken(l->s->journal)) { // nobody knows what the journal has: stop, exit, recover
    hd_world_trace(w, "the host stops: its journal is not what it was told");
    _exit(STOPPED);
  }
  operate(l);
  hd_world_changes(w, l->s);
  record(l);
  hd_world_event(w);
}

static void plan_point(const struct hd_world *w) {
  char at[64];
  unsetenv("HADRON_CRASH_AT");
  if (w->crash_time == 0) return;
  snprintf(at, sizeof at, "%s:%u", hd_crash_points[w->crash_point], w->crash_time);
  setenv("HADRON_CRASH_AT", at, 1);
}

// Whoever runs the simulator may catch what kills a process; a life dies of it.
static void be_mortal(void) {
  static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};
  for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], SIG_DFL);
}

static _Noreturn void live(struct hd_life_setup *setup, struct hd_world *w) {
  static struct hd_session session;
  struct hd_fault fault = {0};
  const struct hd_life_hooks *hooks = setup->hooks;
  struct life l = {.w = w, .s = &session, .follows_clock = hooks && hooks->follows_clock};
  be_mortal();
  if (setup->words >= 0) dup2(setup->words, STDERR_FILENO);
  hd_log_level(w->verbose ? HADRON_LOG_INFO : HADRON_LOG_ERROR + 1);
  allocator = setup->allocator;
  hd_venue_live(w, hooks ? hooks->hear : NULL, hooks ? hooks->user : NULL);
  recorder = setup->recorder;
  configure(&setup->config, w, setup->database.url);
  if (w->setting.database) hd_sim_database_live(w);
  plan_point(w);
  struct hd_disk disk = {setup->disk, &hd_sim_disk_api};
  if (hooks && hooks->disk) hooks->disk(hooks->user, &disk);
  const struct hd_session_options options = {.journal = true, .services = w->setting.database, .is_virtual = true, .now_ns = setup->config.start_ns, .recover = true, .group = true, .versions = w->setting.changes, .deployment = w->setting.changes ? hd_world_deployment : NULL, .deployments = w,
                                             .observer = w, .observe = observe, .builtin = builtin, .disk = &disk};
  int32_t code = hd_session_open(&session, &setup->config, &options, &fault);
  if (code) {
    hd_world_trace(w, "the host does not start: %.120s", fault.text);
    if (code == HADRON_ERR_CORRUPT || !w->disk_faults) hd_world_finding(w, "start: %.380s", fault.text);
    _exit(STOPPED);
  }
  hd_world_check_deployments(w, &session, "after a start");
  if (hooks && hooks->opened) hooks->opened(hooks->user, &session);
  hd_runner_advance(&session.runner, setup->config.start_ns);
  for (uint32_t i = 0; i < session.venue_count; i++) hd_venue_reconcile(&session.venues[i], &fault); // as live does
  while (!over(&l)) {
    if (!w->calm && w->now_ns >= w->ends_ns) become_calm(&l);
    step(&l);
  }
  hd_life_judge(w, &session);
  hd_world_check_deployments(w, &session, "at the end");
  record_rest(&l);
  hd_session_close(&session);
  _exit(0);
}

// ---- in the parent -------------------------------------------------------------------------------------------------------------------

// Each life but the last may be short.
static void plan(struct hd_world *w) {
  struct hd_random *r = &w->life;
  w->lives++;
  w->life_events = w->life_calls = w->crash_event = w->crash_call = 0;
  w->crash_point = w->crash_time = w->disk_faults = 0;
  if (w->lives >= w->setting.lives_max) return;
  uint64_t sooner = UINT64_C(1) << (2 + hd_random_below(r, 9)); // soon and late are as likely
  if (hd_world_strikes(w, HD_FAULT_CRASH)) {
    if (hd_random_below(r, 2)) w->crash_event = 1 + hd_random_below(r, sooner);
    else w->crash_call = 1 + hd_random_below(r, sooner / 2);
  } else if (hd_world_strikes(w, HD_FAULT_CRASH_POINT)) {
    w->crash_point = (uint32_t)hd_random_below(r, HD_CRASH_POINTS);
    w->crash_time = 1 + (uint32_t)hd_random_below(r, sooner / 4);
  } else if (hd_world_strikes(w, HD_FAULT_CHANGE_CRASH)) {
    w->crash_point = (uint32_t)hd_random_below(r, HD_CRASH_CHANGE_ACTIVE + 1);
    w->crash_time = 1 + (uint32_t)hd_random_below(r, 3);
  }
}

// Nothing was promised for what is not synced: from here on another host goes on with the account, from whatever the disk has.
static void forget(struct hd_world *w) {
  w->memory++;
  w->lost_ns = w->now_ns;
  w->killed = false; // whoever had stopped it will see that it is no longer stopped
}

// Did the changes that were under way take effect?
static void resolve(struct hd_life_setup *setup, struct hd_world *w) {
  for (uint32_t i = 0; w->setting.changes && i < w->setting.strategies; i++)
    if (w->deployments[i].under_way) hd_world_resolve(w, i, hd_audit_swap(w, setup->disk, JOURNAL, hd_world_strategy_names[i], w->deployments[i].pending.revision));
}

// What is active is in the journal, but for what the power took or no room was found for.
static void audit_changes(struct hd_life_setup *setup, struct hd_world *w) {
  bool taken = w->struck[HD_FAULT_POWER_CUT] + w->struck[HD_FAULT_POWER_CUT_LOOSE] + w->struck[HD_FAULT_DISK_FULL] + w->struck[HD_FAULT_DISK_WRITE] > 0;
  for (uint32_t i = 0; w->setting.changes && !taken && i < w->setting.strategies; i++) {
    uint32_t revision = w->deployments[i].active.revision;
    if (revision && !hd_audit_swap(w, setup->disk, JOURNAL, hd_world_strategy_names[i], revision))
      hd_world_finding(w, "deployment: %s revision %u is active, and the journal has no record of it", hd_world_strategy_names[i], revision);
  }
}

// The world goes on without the host: what was under way to it is lost, what it had sent may arrive. It comes back after a while, perhaps
// with another idea of the time.
static void bury(struct hd_life_setup *setup, struct hd_world *w) {
  for (uint32_t i = 0; i < w->setting.venues; i++) {
    struct hd_world_venue *v = &w->venues[i];
    v->down.count = 0;
    v->down.last_ns = 0;
    v->state = HADRON_VENUE_DOWN;
    v->state_ns = INT64_MAX;
  }
  for (uint32_t i = 0; i < w->setting.instruments; i++) w->instruments[i].handle = 0;
  hd_sim_disk_restart(setup->disk);
  hd_audit(w, setup->disk, JOURNAL, false);
  if (hd_world_strikes(w, w->setting.fsync ? HD_FAULT_POWER_CUT : HD_FAULT_POWER_CUT_LOOSE)) {
    hd_sim_disk_power_cut(setup->disk);
    w->power_was_cut = true;
    if (!w->setting.fsync) forget(w);
  }
  resolve(setup, w);
  hd_venue_run_all(w, w->now_ns + hd_world_between(&w->life, 1, 8000) * HD_MS);
  if (hd_world_strikes(w, HD_FAULT_CLOCK_STEP)) {
    w->machine_offset_ns += (hd_random_below(&w->life, 2) ? 3600 : -3600) * HD_SECOND;
    hd_world_trace(w, "the clock is %lld s off", (long long)(w->machine_offset_ns / HD_SECOND));
  }
  w->clock_offset_ns = w->machine_offset_ns;
}

enum hd_life_end hd_life(struct hd_life_setup *setup, struct hd_world *w) {
  plan(w);
  fflush(NULL);
  pid_t self = getpid(), child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self) _exit(1);
    live(setup, w);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    hd_world_finding(w, "the machine gave no process: %s", strerror(errno));
    return HD_LIFE_BROKEN;
  }
  bool ended = WIFEXITED(status), killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && w->crash_time > 0;
  if (ended && WEXITSTATUS(status) == 0) {
    hd_sim_disk_restart(setup->disk);
    hd_audit(w, setup->disk, JOURNAL, true);
    audit_changes(setup, w);
    if (w->setting.database) hd_sim_database_audit(&setup->database, w, setup->disk, JOURNAL);
    return HD_LIFE_AT_REST;
  }
  if (killed) hd_world_trace(w, "the host dies: at %s", hd_crash_points[w->crash_point]);
  if (killed || (ended && (WEXITSTATUS(status) == HD_LIFE_CRASHED || WEXITSTATUS(status) == STOPPED))) {
    bury(setup, w);
    return killed || WEXITSTATUS(status) == HD_LIFE_CRASHED ? HD_LIFE_CRASH : HD_LIFE_STOPPED;
  }
  hd_world_finding(w, "the host died of %s %d", ended ? "exit status" : "signal", ended ? WEXITSTATUS(status) : WTERMSIG(status));
  return HD_LIFE_BROKEN;
}
