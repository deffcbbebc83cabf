#include "runtime/session.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "bus/bus.h"
#include "lua/runtime.h"
#include "runtime/last_words.h"
#include "runtime/recover.h"
#include "runtime/session_deploy.h"
#include "runtime/session_bus.h"
#include "runtime/session_internal.h"
#include "runtime/setting.h"
#include "runtime/snapshot.h"
#include "runtime/supervise.h"
#include "runtime/watchdog.h"

// ---- the record sink: journal, digest, counts ------------------------------------------------------------------------------------

// What has to survive a power cut before its effect leaves the host: an order, the trigger of a stop that the host has held, an operator's command.
// A shadow's order goes to a market that is in the host.
static bool is_promise(uint16_t template_id, const void *block) {
  if (hd_record_shadow(template_id, block)) return false;
  if (template_id == HADRON_MSG_ORDER_EVENT) return ((const struct hadron_order_event *)block)->change == HADRON_CHANGE_TRIGGER;
  return template_id == HADRON_MSG_ORDER || template_id == HADRON_MSG_OPERATOR;
}

__attribute__((noinline)) static int32_t tell(struct hd_session *s, bool shadow, uint16_t template_id, const void *block, uint16_t block_size,
                                              const void *tail, uint32_t tail_size) {
  if (s->options.digest) hd_digest_add(shadow ? &s->shadow_digest : &s->digest, template_id, block, block_size, tail, tail_size);
  if (s->options.observe) s->options.observe(s->options.observer, template_id, block, tail, tail_size);
  return HADRON_OK;
}

static inline int32_t count(struct hd_session *s, uint16_t template_id, const void *block, uint16_t block_size, const void *tail, uint32_t tail_size) {
  HD_DASSERT(template_id < HD_TEMPLATE_COUNT);
  bool shadow = hd_record_shadow(template_id, block);
  // A locked addition costs more than the rest of this function: only where several threads write.
  _Atomic uint64_t *written = shadow ? &s->shadow_records[template_id] : &s->records[template_id];
  if (s->live) atomic_fetch_add_explicit(written, 1, memory_order_relaxed);
  else atomic_store_explicit(written, atomic_load_explicit(written, memory_order_relaxed) + 1, memory_order_relaxed);
  return s->options.digest || s->options.observe ? tell(s, shadow, template_id, block, block_size, tail, tail_size) : HADRON_OK;
}

// Apart, so that a run without a journal saves no registers for it.
__attribute__((noinline)) static int32_t journal_write(struct hd_session *s, uint16_t template_id, const void *block, uint16_t block_size,
                                                       const void *tail, uint32_t tail_size, int64_t now_ns, uint32_t flags) {
  uint32_t kind = template_id | (flags & HD_RECORD_RESERVED ? HD_JOURNAL_RESERVED : 0);
  uint64_t position;
  int32_t code = hd_journal_append(s->journal, kind, block, block_size, tail, tail_size, now_ns, &position);
  if (template_id == HADRON_MSG_SWAP && s->snapshots) atomic_store(&s->snapshots->wanted, true); // the state that was handed over is in no record
  if (!code && s->settings) hd_settings_see(s->settings, template_id, position, block, block_size, tail, tail_size);
  if (!code && s->config->journal_fsync && is_promise(template_id, block)) {
    if (s->pipeline.holds && template_id != HADRON_MSG_OPERATOR) s->promised = position; // it does not leave before sink_sync
    else code = hd_journal_sync(s->journal, position);
  }
  return code ? code : count(s, template_id, block, block_size, tail, tail_size);
}

static int32_t sink_write(void *self, uint16_t template_id, const void *block, uint16_t block_size, const void *tail,
                          uint32_t tail_size, int64_t now_ns, uint32_t flags) {
  struct hd_session *s = self;
  if (__builtin_expect(s->recovering, 0)) return HADRON_OK;
  return s->journal ? journal_write(s, template_id, block, block_size, tail, tail_size, now_ns, flags)
                    : count(s, template_id, block, block_size, tail, tail_size);
}

static int32_t sink_sync(void *self) {
  struct hd_session *s = self;
  int32_t code = s->promised ? hd_journal_sync(s->journal, s->promised) : HADRON_OK;
  s->promised = 0;
  return code;
}

// ---- what the pipeline tells -----------------------------------------------------------------------------------------------------

void hd_session_alarm(struct hd_session *s, const char *text) {
  pthread_mutex_lock(&s->alert_lock);
  hd_text_copy(s->alert, sizeof s->alert, text);
  pthread_mutex_unlock(&s->alert_lock);
  atomic_fetch_add(&s->alerts, 1);
}

void hd_session_alarm_text(struct hd_session *s, char *to, size_t size) {
  pthread_mutex_lock(&s->alert_lock);
  hd_text_copy(to, size, s->alert);
  pthread_mutex_unlock(&s->alert_lock);
}

static void on_alert(void *self, uint32_t severity, int32_t code, uint32_t arm, uint32_t instrument, uint16_t venue, const char *text) {
  struct hd_session *s = self;
  if (s->options.recorded) return;
  const char *name = instrument > 0 && instrument <= s->pipeline.instruments.count ? s->pipeline.instruments.rows[instrument].name : "";
  (void)arm;
  (void)venue;
  hd_session_alarm(s, text);
  hd_log(severity >= 3 ? HADRON_LOG_ERROR : HADRON_LOG_WARN, "ALERT", "%s%s%s%s%s", name, name[0] ? ": " : "", text, code ? ": " : "",
         code ? hadron_error_text(code) : "");
}

void hd_session_alert(struct hd_session *s, uint32_t severity, int32_t code, uint32_t arm, int64_t now_ns, const char *text) {
  if (s->options.recorded) return; // it was told when it happened
  const struct hadron_alert block = {.time_ns = now_ns, .code = code, .arm = arm, .severity = (uint8_t)severity};
  (void)hd_record_text(&s->pipeline.sink, HADRON_MSG_ALERT, &block, sizeof block, text, now_ns);
  hd_session_alarm(s, text);
  hd_log(severity >= 3 ? HADRON_LOG_ERROR : HADRON_LOG_WARN, "ALERT", "%s%s%s", text, code ? ": " : "", code ? hadron_error_text(code) : "");
}

// Who recovers must know who was fenced: a budget of time is broken once and not again.
static void record_fenced(struct hd_session *s, const struct hd_engine_instance *ei, int32_t code, const char *name) {
  const struct hadron_alert block = {hd_engine_now(ei), code, ei->arm, ei->instruments[0], 0, 3, 0};
  struct {
    uint32_t size;
    char bytes[HD_INSTANCE_NAME_SIZE + 8];
  } tail = {0};
  snprintf(tail.bytes, sizeof tail.bytes, "fenced: %s", name);
  tail.size = (uint32_t)strlen(tail.bytes);
  (void)sink_write(s, HADRON_MSG_ALERT, &block, sizeof block, &tail, (uint32_t)sizeof tail.size + tail.size, block.time_ns, HD_RECORD_RESERVED);
}

static void on_fault(void *self, struct hd_engine_instance *ei, int32_t code, bool fenced) {
  struct hd_session *s = self;
  HD_ASSERT(ei->arm > 0 && ei->arm <= s->arm_count);
  struct hd_session_arm *arm = &s->arms[ei->arm - 1];
  struct hadron_instance *instance = &arm->occupant->instances[ei - arm->seats];
  atomic_fetch_add_explicit(&arm->occupant->faults, 1, memory_order_relaxed);
  instance->errors++;
  if (fenced) atomic_fetch_add_explicit(&arm->occupant->fenced, 1, memory_order_relaxed);
  if (s->recovering || s->options.recorded) return;
  if (fenced) record_fenced(s, ei, code, instance->name);
  // One line per kind of trouble is enough: the first errors, then powers of two.
  if (!fenced && (ei->errors & (ei->errors - 1)) != 0) return;
  hd_log(HADRON_LOG_ERROR, fenced ? "STRATEGY_FENCED" : "STRATEGY_ERROR", "%s: %s%s%s (error %llu)%s", instance->name,
         hadron_error_text(code), *hd_instance_words(instance) ? ": " : "", hd_instance_words(instance), (unsigned long long)ei->errors,
         fenced ? "; it gets no more ticks, its positions stay" : "");
}

// One record tells where the new version began, whichever of its instances was first.
static void on_first(void *self, struct hd_engine_instance *ei, uint64_t sequence) {
  struct hd_session *s = self;
  struct hd_session_arm *arm = &s->arms[ei->arm - 1];
  if (s->recovering) { // the first tick of this run is still to come
    ei->fresh = 1;
    return;
  }
  if (atomic_exchange(&arm->swap_told, true) || s->options.recorded) return;
  arm->swap.stage = HADRON_SWAP_FIRST;
  arm->swap.first_sequence = sequence;
  arm->swap.pause_ns = s->options.is_virtual ? 0 : atomic_load(&arm->swap_pause_ns);
  sink_write(s, HADRON_MSG_SWAP, &arm->swap, sizeof arm->swap, NULL, 0, hd_engine_now(ei), HD_RECORD_RESERVED);
}

static void on_reconciled(void *self, uint16_t venue) {
  struct hd_session *s = self;
  if (venue > 0 && venue <= s->venue_count) atomic_store(&s->venues[venue - 1].listing, false);
}

// ---- plugins ---------------------------------------------------------------------------------------------------------------------

static bool candidate(char *out, size_t size, const char *dir, size_t dir_size, const char *name, const char *suffix) {
  int n = snprintf(out, size, "%.*s/%s%s", (int)dir_size, dir, name, suffix);
  return n > 0 && (size_t)n < size && access(out, R_OK) == 0;
}

int32_t hd_session_plugin_path(const struct hd_config *config, const char *plugin, char *out, size_t size, struct hd_fault *fault) {
  static const char *const suffixes[] = {"", ".so", ".lua"};
  bool is_file = strchr(plugin, '/') != NULL;
  if (is_file && access(plugin, R_OK) == 0) {
    hd_text_copy(out, size, plugin);
    return HADRON_OK;
  }
  for (const char *dir = config->plugin_path; !is_file && *dir;) {
    size_t length = strcspn(dir, ":");
    for (size_t i = 0; length > 0 && i < sizeof suffixes / sizeof *suffixes; i++) {
      if (i == 0 && !strchr(plugin, '.')) continue; // a bare name never means a file without suffix
      if (candidate(out, size, dir, length, plugin, suffixes[i])) return HADRON_OK;
    }
    dir += length + (dir[length] == ':');
  }
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "plugin \"%s\": no such file%s%s; build it, or name its file: a path with a slash like \"./%s\", or here(\"%s\") for one beside the configuration", plugin,
                      is_file ? "" : ", .so or .lua in ", is_file ? "" : config->plugin_path, is_file ? "plugin.so" : plugin, is_file ? "plugin.so" : plugin);
}

int32_t hd_session_load(struct hd_session *s, const struct hd_config_plugin *c, uint32_t kind, const struct hd_plugin **out,
                        struct hd_fault *fault) {
  if (s->options.recorded) return hd_session_recorded_plugin(s, kind, c->name, out, fault);
  return hd_session_part(s, c, kind, out, fault);
}

// ---- building --------------------------------------------------------------------------------------------------------------------

static int32_t open_journal(struct hd_session *s, struct hd_fault *fault) {
  if (!s->options.journal) return HADRON_OK;
  char dir[sizeof s->config->data_dir + 16];
  snprintf(dir, sizeof dir, "%s/journal", s->config->data_dir);
  const struct hd_journal_options options = {.segment_bytes = s->config->journal_segment,
                                             .durability = s->config->journal_fsync ? HD_JOURNAL_FSYNC : HD_JOURNAL_PAGE, .disk = s->options.disk};
  return hd_journal_open(dir, &options, &s->journal, fault);
}

// One flush for all orders of a round; a recorded session as it was.
static bool session_holds(const struct hd_session *s) {
  if (s->options.recorded) return s->options.recorded->session.flags & 8;
  return s->journal && s->config->journal_fsync && (s->options.group || !s->options.is_virtual);
}

static int32_t open_pipeline(struct hd_session *s, struct hd_fault *fault) {
  const struct hd_config *c = s->config;
  s->arm_max = c->strategy_count ? c->strategy_count : 1;
  if (s->options.versions) s->arm_max = s->arm_max * 3 + 16 < HD_ARMS_MAX ? s->arm_max * 3 + 16 : HD_ARMS_MAX;
  s->arm_max = hd_recover_arms(s, s->arm_max);
  struct hd_pipeline_options o = {
      .mode = c->mode, .shards = c->shards, .lane_ticks = c->lane_ticks, .instruments_max = c->universe_max,
      .arm_max = s->arm_max, .session = s->trace_seed, .open_universe = c->universe_open,
      .record_ticks = c->journal_ticks && s->journal && !s->options.recorded, .record_rejects = c->journal_rejects, .cash = c->cash, .normalize = c->normalize,
      .limits = c->limits, .gateway = c->gateway, .equity_every_ns = c->equity_every_ns,
      .measure_every = c->measure_every, .on_difference = c->on_difference,
      .engine = {.errors_max = c->errors_max, .volatile_above = c->lanes.volatile_above, .volatility_decay = c->volatility_decay,
                 .measure_every = c->measure_every}};
  const struct hd_session_recorded *recorded = s->options.recorded;
  const struct hd_record_sink sink = recorded ? (struct hd_record_sink){recorded->self, recorded->write, NULL} : (struct hd_record_sink){s, sink_write, sink_sync};
  const struct hd_venue_port port = {&s->runner, hd_runner_port.submit, hd_runner_port.cancel, hd_runner_port.replace,
                                     hd_runner_port.query, hd_runner_port.features, hd_runner_port.state};
  const struct hd_pipeline_listener listener = {.self = s, .alert = on_alert, .fault = on_fault, .first = on_first, .reconciled = on_reconciled};
  int32_t code = hd_pipeline_init(&s->pipeline, &o, &sink, &port, &listener, fault);
  s->pipeline.clocked = !s->options.is_virtual;
  if (!code && session_holds(s)) code = hd_pipeline_hold(&s->pipeline);
  if (!code && s->pipeline.clocked && !recorded && c->measure_every) hd_pipeline_cost(&s->pipeline);
  if (!code) code = hd_router_rules(&s->pipeline.router, &c->lanes);
  return code;
}

// The record of the session has the same text; what was set before is held against it.
static int32_t settings_begin(struct hd_session *s, struct hd_fault *fault) {
  if (!s->settings && !(s->settings = hd_settings_create())) return hd_fault_set(fault, HADRON_ERR_MEMORY, "what operators set: out of memory"); // begun from records, without a recovery
  size_t size = hd_config_print(s->config, NULL, 0);
  char *text = malloc(size + 1);
  if (!text) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a configuration of %zu bytes: out of memory", size);
  hd_config_print(s->config, text, size + 1);
  hd_settings_begin(s->settings, text, size);
  free(text);
  return HADRON_OK;
}

static int32_t write_session(struct hd_session *s, bool end, struct hd_fault *fault) {
  if (s->options.recorded) return end ? HADRON_OK : settings_begin(s, fault);
  uint8_t form = s->options.is_virtual ? 4 : s->config->threads ? 2 : 0;
  struct hadron_session record = {.session = {{0}}, .time_ns = s->runner.now_ns, .seed = s->config->seed, .shards = s->config->shards,
                                  .mode = (uint8_t)s->config->mode, .flags = end ? 1 : form | (s->pipeline.holds ? 8 : 0)};
  memcpy(record.session.bytes, &s->trace_seed, sizeof s->trace_seed);
  size_t size = end ? 0 : hd_config_print(s->config, NULL, 0);
  uint32_t *tail = calloc(1, sizeof *tail + size + 1);
  if (!tail) return hd_fault_set(fault, HADRON_ERR_MEMORY, "session record of %zu bytes: out of memory", size);
  if (size) hd_config_print(s->config, (char *)(tail + 1), size + 1);
  *tail = (uint32_t)size;
  int32_t code = sink_write(s, HADRON_MSG_SESSION, &record, sizeof record, tail, (uint32_t)(sizeof *tail + size), s->runner.now_ns, 0);
  free(tail);
  return code ? hd_fault_set(fault, code, "the session's first record was not written: %s", hadron_error_text(code)) : HADRON_OK;
}

// Definitions go to the journal once all are known, so that its readers need no other source for names and grids.
int32_t hd_session_define(struct hd_session *s, uint32_t first) {
  const struct hd_instruments *t = &s->pipeline.instruments;
  s->defined = true;
  if (s->options.recorded) return HADRON_OK;
  for (uint32_t handle = first; handle <= t->listing_count; handle++) {
    struct hadron_instrument_definition d;
    hd_instruments_definition(t, t->listings[handle].instrument, handle, &d);
    int32_t code = sink_write(s, HADRON_MSG_INSTRUMENT, &d, sizeof d, NULL, 0, s->runner.now_ns, 0);
    if (code) return code;
  }
  return HADRON_OK;
}

static int32_t unwritten(int32_t code, const char *what, struct hd_fault *fault) {
  return hd_fault_set(fault, code, "%s were not written to the journal: %s", what, hadron_error_text(code));
}

int32_t hd_session_open(struct hd_session *s, struct hd_config *config, const struct hd_session_options *options,
                        struct hd_fault *fault) {
  hd_crash_arm();
  memset(s, 0, sizeof *s);
  pthread_mutex_init(&s->alert_lock, NULL);
  s->config = config;
  s->options = *options;
  // A backtest is a function of its inputs; a live session must never repeat the ids of another one.
  s->trace_seed = hd_random_mix(config->seed) ^ (options->is_virtual ? 0 : (uint64_t)hd_clock_wall_ns());
  if (options->recorded) memcpy(&s->trace_seed, options->recorded->session.session.bytes, sizeof s->trace_seed);
  hd_digest_init(&s->digest);
  hd_digest_init(&s->shadow_digest);
  if (!(s->metrics = hd_metrics_create(HD_METRICS_MAX)))
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "metrics: no memory for %d cells", HD_METRICS_MAX);
  const struct hd_lua_limits lua = {.memory_max = config->lua_memory_max, .instructions_max = config->lua_instructions_max};
  hd_lua_limits_set(&lua);
  int32_t code = open_journal(s, fault);
  if (code) return code;
  bool recovers = options->recorded ? options->recorded->recovers : s->journal && (options->recover || !options->is_virtual);
  if (recovers && (code = hd_recover_scan(s, fault))) return code;
  if ((code = open_pipeline(s, fault))) return code;
  if (recovers && (code = hd_recover_instruments(s, fault))) return code;
  if ((code = hd_session_host_begin(s, fault))) return code;
  if ((code = hd_session_venues(s, fault))) return code;
  if (s->journal) s->bus_from = hd_journal_end(s->journal);
  if ((code = write_session(s, false, fault))) return code;
  if ((code = hd_session_write_venues(s))) return unwritten(code, "the venues", fault);
  if (!s->options.is_virtual && (code = hd_session_watch(s, fault))) return code;
  if ((code = hd_session_bus_open(s, fault))) return code;
  if ((code = hd_session_start_venues(s, fault))) return code;
  if ((code = hd_session_strategies(s, fault))) return code;
  if ((code = hd_session_subscribe(s, fault))) return code;
  if ((code = hd_session_define(s, 1))) return unwritten(code, "instrument definitions", fault);
  hd_session_hear_listings(s);
  if ((code = hd_session_write_strategies(s))) return unwritten(code, "the strategies", fault);
  if (s->options.recorded) return HADRON_OK; // what follows comes from its records
  if ((code = hd_session_deploy(s, fault))) return code;
  if (recovers && (code = hd_session_recover(s, NULL, fault))) return code;
  if ((code = hd_session_guard(s, fault))) return code;
  if ((code = hd_session_host_reports(s, fault))) return code;
  code = s->options.services ? hd_session_start_services(s, fault) : HADRON_OK;
  if (!code) code = hd_session_feed_open(s, fault);
  s->open = !code;
  if (s->open && s->bus) hd_bus_started(s->bus);
  return code;
}

void hd_session_close(struct hd_session *s) {
  struct hd_fault fault;
  if (!s->config) return;
  hd_session_snapshot_end(s);
  for (uint32_t i = 0; i < s->venue_count; i++) hd_venue_stop(&s->venues[i]);
  for (uint32_t i = 1; s->shadows && i <= s->runner.shadow_max; i++) hd_venue_stop(&s->shadows[i]);
  if (s->pipeline.gateway && s->venue_count) write_session(s, true, &fault);
  hd_session_stop_services(s);
  hd_session_figures(s);
  hd_session_host_end(s);
  hd_session_free_strategies(s);
  hd_workers_destroy(s->workers);
  s->workers = NULL;
  hd_session_bus_close(s);
  hd_watchdog_destroy(s->watchdog);
  hd_last_words_close(s);
  for (uint32_t i = 0; i < s->venue_count; i++) {
    hd_instance_destroy_owned(s->venues[i].instance);
    hd_venue_fini(&s->venues[i]);
  }
  hd_session_free_shadows(s);
  free(s->venues);
  hd_instance_destroy_owned(s->allocator);
  if (s->runner.pipeline) hd_runner_fini(&s->runner);
  hd_pipeline_fini(&s->pipeline);
  if (s->journal) hd_journal_close(s->journal);
  hd_recover_free(s->recover);
  hd_settings_destroy(s->settings);
  hd_metrics_destroy(s->metrics);
  free(s->guards);
  pthread_mutex_destroy(&s->alert_lock);
  memset(s, 0, sizeof *s);
}
