#include "support/recorded_run.h"

#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "lua/runtime.h"
#include "runtime/change.h"
#include "runtime/live.h"

struct course {
  const struct recorded_run *how;
  struct session_run *run;
  struct hd_live *live;              // NULL: on a virtual clock
  const struct hd_plugin *versions[3];
  uint64_t next, ticks;              // of the next change; of the run
  uint32_t made, kills, cuts;        // changes made; still to come
  bool killed, cut;
  _Atomic bool reached;
};

const char *recorded_run_plugin(char path[TEST_PATH_SIZE], const char *name) {
  test_path(path, getenv("HADRON_PLUGIN_DIR"), name);
  return path;
}

// ---- versions

// A copy of a plugin with other bytes: the same behaviour under another digest.
static const struct hd_plugin *version_of(const struct session_run *run, const char *name, int number) {
  char from[TEST_PATH_SIZE], to[TEST_PATH_SIZE], file[32];
  const struct hd_plugin *plugin;
  struct hd_fault fault;
  size_t size;
  unsigned char *bytes = test_file_read(recorded_run_plugin(from, name), &size);
  bytes = realloc(bytes, size + 8);
  memcpy(bytes + size, "\n-- v  \n", 8);
  bytes[size + 5] = (unsigned char)('0' + number);
  snprintf(file, sizeof file, "version%d%s", number, strrchr(name, '.'));
  test_path(to, run->dir, file);
  test_file_write(to, bytes, size + 8);
  free(bytes);
  if (hd_plugin_open(to, &hd_lua_language, &plugin, &fault)) fail_msg("%s", fault.text);
  return plugin;
}

static void arm_of(struct hd_deployment *d, const struct hd_plugin *plugin, uint32_t role, double weight, const char *slow) {
  struct hd_deployment_arm *arm = &d->arms[d->arm_count++];
  arm->role = role;
  arm->weight = weight;
  snprintf(arm->version, sizeof arm->version, "1.0.%u", d->arm_count); // of each deployment its own
  memcpy(arm->digest, plugin->digest, sizeof arm->digest);
  if (!slow) return;
  arm->param_count = 1;
  snprintf(arm->params[0].name, sizeof arm->params[0].name, "slow");
  snprintf(arm->params[0].text, sizeof arm->params[0].text, "%s", slow);
}

// One after the other: a swap, one with another parameter that is kept warm, back, a canary with a part of the instruments, shadows, nobody, again.
static void wanted(struct course *c, struct hd_deployment *d, const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX]) {
  static const struct { int live, canary, shadow; bool warm; } plans[] = {
      {1, -1, -1, false}, {2, -1, -1, true}, {1, -1, -1, true}, {1, 2, -1, false}, {1, 2, 0, false}, {-1, -1, -1, false}, {0, -1, 1, true}};
  size_t at = c->made % (sizeof plans / sizeof *plans);
  *d = (struct hd_deployment){.name = "sma", .plugin = "sma", .kind = HADRON_KIND_STRATEGY, .enabled = plans[at].live >= 0, .split = plans[at].canary >= 0 ? HD_SPLIT_INSTRUMENT : HD_SPLIT_CAPITAL,
                              .arrival = HD_ARRIVAL_NOTHING, .canary_weight = 0.1, .revision = c->made + 2, .warm_ns = plans[at].warm ? INT64_C(3600000000000) : 0,
                              .budget = {.action = HD_BUDGET_WARN}};
  const int who[] = {plans[at].live, plans[at].canary, plans[at].shadow};
  static const uint32_t roles[] = {HD_ROLE_LIVE, HD_ROLE_CANARY, HD_ROLE_SHADOW};
  for (int i = 0; i < 3; i++) {
    if (who[i] < 0) continue;
    plugins[d->arm_count] = c->versions[who[i]];
    arm_of(d, c->versions[who[i]], roles[i], i ? 0.5 : 1, who[i] == 2 ? c->how->slow ? c->how->slow : "5" : NULL);
  }
  if (!d->enabled) arm_of(d, plugins[0] = c->versions[0], HD_ROLE_LIVE, 1, NULL); // what would run
}

static void change(struct course *c) {
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX] = {NULL};
  static struct hd_deployment want;
  struct hd_changed changed;
  struct hd_change *made;
  struct hd_fault fault = {0};
  wanted(c, &want, plugins);
  int32_t code = hd_change_create(&c->run->session, &want, plugins, &made, &fault);
  if (!code) code = hd_change_stage(made, &fault);
  if (!code) code = hd_change_commit(made, &changed, &fault);
  if (code == HADRON_ERR_CLOSED) return hd_change_destroy(made); // the session is stopping
  if (code) fail_msg("change %u: %s", c->made, fault.text);
  hd_change_destroy(made);
  c->made++;
}

// ---- people and markets

static void kill_now(void *argument) {
  struct course *c = argument;
  struct hd_pipeline *p = &c->run->session.pipeline;
  int64_t now_ns = c->live && c->live->threads ? hd_clock_wall_ns() : c->run->session.runner.now_ns;
  if (c->killed) hd_pipeline_release(p, "test", 1, now_ns);
  else hd_pipeline_kill(p, "test", 1, now_ns);
  c->killed = !c->killed;
}

static void cut_now(struct course *c) {
  struct hd_session *s = &c->run->session;
  c->cut = !c->cut;
  for (uint32_t i = 0; i < s->venue_count; i++)
    if (strcmp(s->venues[i].name, "sim") == 0) hd_venue_host.status(s->venues[i].instance, c->cut ? HADRON_VENUE_DOWN : HADRON_VENUE_READY, c->cut ? "cut by the test" : "back");
}

// The n-th of `all` comes at its part of the run.
static bool is_time(uint64_t ticks, uint64_t of, uint32_t left, uint32_t all) { return left && ticks > of / (all + 1) * (all + 1 - left); }

static void look(struct course *c, uint64_t ticks) {
  if (is_time(ticks, c->ticks, c->kills, c->how->kills)) {
    c->kills--;
    if (c->live) hd_live_call(c->live, kill_now, c);
    else hd_session_trade(&c->run->session, kill_now, c);
  }
  if (is_time(ticks, c->ticks, c->cuts, c->how->cuts)) {
    c->cuts--;
    cut_now(c);
  }
  if (!c->how->every || ticks < c->next) return;
  change(c);
  c->next += c->how->every;
}

// ---- one run

static void on_progress(void *user, const struct hd_replay_progress *at) {
  struct course *c = user;
  look(c, at->ticks);
  uint64_t step = c->how->every && c->next < at->ticks + c->ticks / 100 ? c->next : at->ticks + c->ticks / 100;
  c->run->session.runner.tick_limit = step;
}

static void on_check(uv_check_t *check) {
  struct course *c = check->data;
  uint64_t ticks = hd_session_count(c->live->session, HADRON_MSG_TICK);
  if (ticks >= c->ticks) atomic_store(&c->reached, true);
  else look(c, ticks);
}

static void *stop_main(void *argument) {
  struct course *c = argument;
  while (!atomic_load(&c->reached)) sched_yield();
  hd_live_stop(c->live);
  return NULL;
}

static void run_live(struct course *c) {
  struct hd_fault fault = {0};
  struct hd_live live;
  uv_loop_t loop;
  uv_check_t check;
  pthread_t thread;
  uv_loop_init(&loop);
  if (hd_live_open(&live, &c->run->session, &loop, 0, &fault)) fail_msg("%s", fault.text);
  c->live = &live;
  uv_check_init(&loop, &check);
  check.data = c;
  uv_check_start(&check, on_check);
  assert_int_equal(pthread_create(&thread, NULL, stop_main, c), 0);
  hd_live_run(&live);
  pthread_join(thread, NULL);
  uv_close((uv_handle_t *)&check, NULL);
  hd_live_close(&live);
  while (uv_run(&loop, UV_RUN_NOWAIT)) continue;
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void run_virtual(struct course *c) {
  struct hd_fault fault = {0};
  struct hd_replay replay;
  hd_replay_init(&replay, &c->run->session, &(struct hd_replay_options){.progress = on_progress, .user = c});
  c->run->session.runner.tick_limit = c->ticks / 100;
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  hd_replay_fini(&replay);
}

void recorded_run(struct session_run *run, const struct recorded_run *how) {
  struct hd_fault fault = {0};
  struct course c = {.how = how, .run = run, .next = how->every, .ticks = how->ticks ? how->ticks : 20000, .kills = how->kills, .cuts = how->cuts};
  session_run_load(run, how->text, how->sets);
  for (int i = 0; i < 3; i++) c.versions[i] = version_of(run, "sma.so", i);
  const struct hd_session_options options = {.journal = true, .digest = !how->live, .is_virtual = !how->live, .versions = how->every > 0};
  if (session_run_open(run, &options, &fault)) fail_msg("%s", fault.text);
  if (how->live) run_live(&c);
  else run_virtual(&c);
  hd_session_close(&run->session);
  run->opened = false;
  if (how->every) assert_true(c.made > 0);
}
