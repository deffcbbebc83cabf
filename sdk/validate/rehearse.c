#include "sdk/validate/rehearse.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "plugin/state.h"
#include "sdk/validate/market.h"
#include "sdk/validate/wall.h"

#define EXIT_REPORT 120 // there is no memory to report into

struct rehearsal {
  const struct hd_probe_wire *request;
  struct hd_probe_report *report; // shared with the parent
  const struct hd_plugin_language *lua;
  struct hd_validate_options options;
  struct trial trial;
  struct hd_param_value params[HD_PARAMS_MAX];
};

static const void *part(const struct rehearsal *r, uint64_t at) { return (const unsigned char *)r->request + at; }

// ---- what all kinds go through

static void tell_params(struct rehearsal *r, const struct hadron_params *params) {
  for (uint32_t i = 0; params != NULL && i < params->count && i < HD_PARAMS_MAX; i++) {
    const struct hadron_param *p = &params->params[i];
    struct hd_probe_row *to = &r->report->rows[r->report->result.row_count++];
    hd_text_copy(to->name, sizeof to->name, p->name);
    hd_text_copy(to->initial, sizeof to->initial, p->initial ? p->initial : "");
    hd_text_copy(to->unit, sizeof to->unit, p->unit ? p->unit : "");
    hd_text_copy(to->help, sizeof to->help, p->help ? p->help : "");
    hd_param_range_format(p, to->range, sizeof to->range);
    to->type = p->type;
    to->required = p->initial == NULL;
    to->live = p->live != 0;
  }
}

static int32_t load(struct rehearsal *r, struct hd_fault *fault) {
  struct hd_probe_result *out = &r->report->result;
  trial_step(&r->trial, "load");
  int64_t begun = hd_clock_monotonic_ns();
  int32_t err = hd_plugin_open_digest(HD_PROBE_FD_ARTIFACT, r->request->path, r->request->digest, r->lua, &r->trial.plugin, fault);
  if (err) return err;
  const struct hd_plugin *p = r->trial.plugin;
  out->load_ns = hd_clock_monotonic_ns() - begun;
  out->manifest = p->manifest;
  out->language = p->language;
  if (p->state != NULL) out->state_schema = p->state->schema, out->state_schema_min = p->state->schema_min;
  out->state_size_max = hd_state_size_max(p);
  tell_params(r, p->params);
  return HADRON_OK;
}

// done: false if it cannot be told how it does with its parameters, because none were given and it has no defaults for all.
static int32_t set_params(struct rehearsal *r, struct hadron_instance *instance, bool *done, struct hd_fault *fault) {
  trial_step(&r->trial, "params");
  int32_t err = hd_params_apply(instance, r->params, r->request->param_count, fault);
  *done = err == HADRON_OK;
  return err == HADRON_ERR_CONFIG && r->request->param_count == 0 ? HADRON_OK : err;
}

// ---- strategies

static int32_t begin(struct rehearsal *r, struct market *m, const void *state, uint32_t size, bool *done, struct hd_fault *fault) {
  const struct hd_probe_wire *w = r->request;
  const struct market_setup setup = {.seed = w->seed, .optional = true, .instruments = part(r, w->instruments_at), .instrument_count = w->instrument_count};
  int32_t err = market_open(m, &r->trial, &setup, fault);
  if (!err) err = set_params(r, &m->instance, done, fault);
  if (err || !*done) return err;
  if (state != NULL) {
    trial_step(&r->trial, "load state");
    int64_t begun = hd_clock_monotonic_ns();
    err = hd_state_load(&m->instance, state, size, fault);
    r->report->result.state_load_ns = hd_clock_monotonic_ns() - begun;
  }
  if (err) return err;
  trial_step(&r->trial, "start");
  return hd_instance_start(&m->instance, fault);
}

// Stops at the callback that is one failure too many.
static int32_t play(struct rehearsal *r, struct market *m, struct hd_fault *fault) {
  const struct hd_probe_wire *w = r->request;
  const struct hadron_tick *ticks = part(r, w->ticks_at);
  static const struct hadron_tick none;
  m->measured = true;
  for (uint32_t i = 0; i < w->tick_count; i++) {
    const struct hadron_tick *tick = w->given_ticks ? &ticks[i] : &none;
    hd_instance_hush(&m->instance);
    if (w->given_ticks) market_take(m, tick);
    else market_play(m, 1);
    if (trial_errors(&r->trial) <= w->errors_max) continue;
    r->report->place = r->trial.failed;
    return hd_instance_fault(&m->instance, r->trial.failed_code, "the callback failed", fault);
  }
  return HADRON_OK;
}

static int32_t save(struct rehearsal *r, struct market *m, void **bytes, uint32_t *size, struct hd_fault *fault) {
  uint32_t room = hd_state_size_max(r->trial.plugin);
  trial_step(&r->trial, "save");
  *bytes = aligned_alloc(64, ((size_t)room + 63) / 64 * 64);
  if (*bytes == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "saving state: no memory for %u bytes; lower the plugin's size_max or give the probe more", room);
  int64_t begun = hd_clock_monotonic_ns();
  int32_t err = hd_state_save(&m->instance, *bytes, room, size, fault);
  r->report->result.save_ns = hd_clock_monotonic_ns() - begun;
  r->report->result.state_size = *size;
  return err;
}

// What was saved goes into a second instance, which must start on it.
static int32_t hand_over(struct rehearsal *r, struct market *first, struct market *second, struct hd_fault *fault) {
  void *state = NULL;
  uint32_t size = 0;
  bool done = false;
  int64_t state_load_ns = r->report->result.state_load_ns;
  int32_t err = save(r, first, &state, &size, fault);
  r->trial.prefix = "second ";
  if (!err) err = begin(r, second, state, size, &done, fault);
  if (state_load_ns > 0) r->report->result.state_load_ns = state_load_ns; // of the given state: that is the one a swap waits for
  r->trial.prefix = NULL;
  free(state);
  return err;
}

static void take_figures(struct rehearsal *r, const struct market *m) {
  struct hd_probe_result *out = &r->report->result;
  const struct hd_histogram *cost = &r->trial.cost[CALLBACK_TICK];
  out->bar_count = m->bar_count;
  memcpy(out->bars, m->bars, sizeof out->bars);
  for (int i = 0; i < CALLBACK_COUNT; i++) out->callbacks += r->trial.cost[i].count;
  out->decisions = m->decisions;
  out->refused = m->refused;
  out->errors = trial_errors(&r->trial);
  if (cost->count > 0) out->tick_ns_p50 = (int64_t)hd_histogram_quantile(cost, 0.5), out->tick_ns_max = (int64_t)cost->max;
}

static int32_t rehearse_strategy(struct rehearsal *r, struct hd_fault *fault) {
  const struct hd_probe_wire *w = r->request;
  const struct hadron_strategy_api *api = r->trial.plugin->api;
  static struct market first, second;
  bool done = false;
  r->report->result.triggers = api->triggers;
  r->report->result.scope = api->scope;
  int32_t err = begin(r, &first, w->state_size > 0 ? part(r, w->state_at) : NULL, w->state_size, &done, fault);
  if (!err && done) err = play(r, &first, fault);
  if (!err && done) take_figures(r, &first);
  if (!err && done && r->trial.plugin->state != NULL) err = hand_over(r, &first, &second, fault);
  r->report->result.complete = done;
  if (err) return err; // there is nothing more to learn
  market_close(&first);
  r->trial.prefix = "second ";
  if (second.trial != NULL) market_close(&second);
  return HADRON_OK;
}

// ---- the other kinds

typedef struct hadron_instance *(*open_function)(struct trial *t, int32_t *err, struct hd_fault *fault);

static int32_t rehearse_other(struct rehearsal *r, struct hd_fault *fault) {
  static const open_function kinds[] = {[HADRON_KIND_VENUE] = validate_venue_open, [HADRON_KIND_ALLOCATOR] = validate_allocator_open, [HADRON_KIND_SERVICE] = validate_service_open};
  int32_t err = HADRON_OK;
  struct hadron_instance *instance = kinds[r->trial.plugin->manifest.kind](&r->trial, &err, fault);
  if (instance == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "making an instance: out of memory");
  if (!err) err = set_params(r, instance, &r->report->result.complete, fault);
  if (err) return err;
  trial_step(&r->trial, "destroy");
  hd_instance_fini(instance);
  return HADRON_OK;
}

// ---- the child

static bool map_report(struct rehearsal *r) {
  void *at = mmap(NULL, sizeof *r->report, PROT_READ | PROT_WRITE, MAP_SHARED, HD_PROBE_FD_REPORT, 0);
  if (at == MAP_FAILED) return false;
  r->report = at;
  r->trial.at = &r->report->place;
  r->trial.options = &r->options;
  return true;
}

// The request is the parent's; what can be wrong with it is that the parent is another program.
static int32_t map_request(struct rehearsal *r, struct hd_fault *fault) {
  struct stat st;
  void *at = MAP_FAILED;
  if (fstat(HD_PROBE_FD_REQUEST, &st) == 0 && (size_t)st.st_size >= sizeof *r->request)
    at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, HD_PROBE_FD_REQUEST, 0);
  if (at == MAP_FAILED) return hd_fault_set(fault, HADRON_ERR_IO, "the probe's request cannot be read: %s", strerror(errno));
  r->request = at;
  const struct hd_probe_wire *w = r->request;
  if (w->magic != HD_PROBE_MAGIC || w->size != sizeof *w || w->total != (uint64_t)st.st_size || strcmp(w->build, HD_VERSION) != 0)
    return hd_fault_set(fault, HADRON_ERR_ABI, "the probe's request: expected one of Hadron %s with %zu bytes, found %.31s with %u; run both with the same program", HD_VERSION,
                        sizeof *w, w->build, w->size);
  return HADRON_OK;
}

static void take_params(struct rehearsal *r) {
  const struct hd_probe_param *rows = part(r, r->request->params_at);
  for (uint32_t i = 0; i < r->request->param_count && i < HD_PARAMS_MAX; i++)
    r->params[i] = (struct hd_param_value){rows[i].name, rows[i].text, rows[i].place[0] ? rows[i].place : NULL};
  r->options = (struct hd_validate_options){.lua = r->lua, .params = r->params, .param_count = r->request->param_count, .seed = r->request->seed};
}

static int32_t run(struct rehearsal *r, struct hd_fault *fault) {
  trial_step(&r->trial, "begin");
  int32_t err = map_request(r, fault);
  if (!err) err = hd_wall_in(r->request, fault);
  if (err) return err;
  take_params(r);
  err = load(r, fault);
  if (err) return err;
  return r->trial.plugin->manifest.kind == HADRON_KIND_STRATEGY ? rehearse_strategy(r, fault) : rehearse_other(r, fault);
}

_Noreturn void hd_rehearse(const struct hd_plugin_language *lua) {
  static struct rehearsal r; // zero, and too large for a stack
  struct hd_fault fault = {0};
  r.lua = lua;
  hd_log_level(HADRON_LOG_ERROR + 1); // the report is what counts
  if (!map_report(&r)) _exit(EXIT_REPORT);
  if (run(&r, &fault)) r.report->fault = fault;
  r.report->finished = true;
  _exit(0); // no destructors: the plugin's may crash too, and they are not run in the host
}
