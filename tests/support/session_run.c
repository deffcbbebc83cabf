#include "support/session_run.h"

#include <sys/stat.h>

#include "base/hash.h"
#include "base/random.h"

static void observe(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct session_run *run = observer;
  (void)tail, (void)tail_size;
  run->counts[template_id]++;
  switch (template_id) {
  case HADRON_MSG_DECISION: {
    struct hadron_decision d = *(const struct hadron_decision *)block;
    uint64_t *hash = &run->decided[d.arm & 7];
    d.id = 0; // counts all arms
    d.arm = 0;
    uint64_t words[sizeof d / 8];
    memcpy(words, &d, sizeof d);
    for (size_t i = 0; i < sizeof d / 8; i++) *hash = hd_random_mix(*hash ^ words[i]);
    run->decisions[block ? ((const struct hadron_decision *)block)->arm & 7 : 0]++;
    break;
  }
  case HADRON_MSG_EXECUTION: {
    const struct hadron_execution *e = block;
    run->executed += e->side == HADRON_SIDE_BUY ? e->quantity.e8 : -(__int128)e->quantity.e8;
    break;
  }
  case HADRON_MSG_ALLOCATION: {
    const struct hadron_allocation *a = block;
    run->allocated += a->side == HADRON_SIDE_BUY ? a->quantity.e8 : -(__int128)a->quantity.e8;
    break;
  }
  case HADRON_MSG_ORDER_EVENT: {
    const struct hadron_order_event *e = block;
    run->overfilled += e->filled.e8 > e->quantity.e8;
    break;
  }
  case HADRON_MSG_TICK: {
    const struct hadron_tick *t = block;
    run->off_time += t->recv_ns < run->last_tick_ns;
    run->last_tick_ns = t->recv_ns;
    break;
  }
  case HADRON_MSG_SWAP: {
    const struct hadron_swap *w = block;
    run->hole += w->stage == HADRON_SWAP_FIRST && w->first_sequence != w->last_sequence + 1;
    break;
  }
  case HADRON_MSG_EQUITY:
    if (((const struct hadron_equity *)block)->arm == 0) run->equity = *(const struct hadron_equity *)block;
    break;
  default: break;
  }
}

static void replace(char *text, size_t size, const char *word, const char *with) {
  for (char *at; (at = strstr(text, word));) {
    size_t tail = strlen(at + strlen(word)) + 1, length = strlen(with);
    assert_true((size_t)(at - text) + length + tail <= size);
    memmove(at + length, at + strlen(word), tail);
    memcpy(at, with, length);
  }
}

void session_run_load(struct session_run *run, const char *text, const char *const *sets) {
  static char whole[65536];
  char path[TEST_PATH_SIZE], plugins[1024], data[600];
  struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
  const char *all[32] = {plugins, data};
  uint32_t count = 2;
  memset(run, 0, sizeof *run);
  test_directory_make(run->dir);
  test_path(path, run->dir, "config.lua");
  assert_true(strlen(text) < sizeof whole / 2);
  strcpy(whole, text);
  replace(whole, sizeof whole, "@DIR@", run->dir);
  replace(whole, sizeof whole, "@SHARED@", getenv("HADRON_SHARED_DIR") ? getenv("HADRON_SHARED_DIR") : "");
  test_file_write(path, whole, strlen(whole));
  snprintf(plugins, sizeof plugins, "plugin_path=%s:%s/bench:%s", getenv("HADRON_PLUGIN_DIR"), getenv("HADRON_BUILD_DIR"), run->dir);
  snprintf(data, sizeof data, "data_dir=%s/data", run->dir);
  for (uint32_t i = 0; sets && sets[i]; i++) all[count++] = sets[i];
  uint32_t wrong = hd_config_load(&run->config, path, all, count, errors);
  run->loaded = true;
  if (wrong) fail_msg("the configuration has %u errors; line %d: %s", wrong, errors[0].line, errors[0].text);
  test_path(path, run->dir, "data");
  mkdir(path, 0700);
}

int32_t session_run_open(struct session_run *run, const struct hd_session_options *options, struct hd_fault *fault) {
  struct hd_session_options o = *options;
  if (o.digest) {
    o.observer = run;
    o.observe = observe;
  }
  run->opened = true;
  return hd_session_open(&run->session, &run->config, &o, fault);
}

void session_run_close(struct session_run *run) {
  if (run->opened) {
    if (run->session.options.digest) hd_digest_text(&run->session.digest, run->digest);
    hd_session_close(&run->session);
  }
  if (run->loaded) {
    hd_config_fini(&run->config);
    test_directory_remove(run->dir);
  }
  run->opened = run->loaded = false;
}

void session_run_identity(struct session_run *run) {
  struct hd_fault fault = {0};
  hd_portfolio_mark_all(&run->session.pipeline.portfolio);
  if (hd_portfolio_check(&run->session.pipeline.portfolio, &fault)) fail_msg("%s", fault.text);
}

void session_run_backtest(struct session_run *run, const char *text, const char *const *sets, bool journal) {
  struct hd_fault fault = {0};
  struct hd_replay replay;
  session_run_load(run, text, sets);
  const struct hd_session_options options = {.journal = journal, .digest = true, .is_virtual = true};
  if (session_run_open(run, &options, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_replay_init(&replay, &run->session, &(struct hd_replay_options){0}), HADRON_OK);
  if (hd_replay_run(&replay, &fault)) fail_msg("%s", fault.text);
  session_run_identity(run);
  assert_int_equal(run->overfilled, 0);
  assert_int_equal(run->off_time, 0);
  assert_int_equal(atomic_load(&run->session.pipeline.sink_errors), 0);
  hd_replay_fini(&replay);
  session_run_close(run);
}
