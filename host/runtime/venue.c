#include "runtime/venue.h"

#include "base/assert.h"
#include "base/calling.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/runner.h"

static struct hd_venue *venue_of(struct hadron_instance *instance) { return instance->owner; }

static int32_t venue_resolve(struct hadron_instance *instance, const struct hadron_listing *listing, uint32_t *handle) {
  const struct hd_runner *r = venue_of(instance)->runner;
  struct hd_instruments *t = &r->pipeline->instruments;
  uint32_t before = t->listing_count, found = 0;
  int32_t code = hd_instruments_resolve(t, venue_of(instance)->number, listing, &found);
  if (!code && t->listing_count > before && r->listed) code = r->listed(r->listed_of, before + 1);
  if (!code) *handle = found;
  return code;
}

static bool queue_grow(struct hd_venue *v, uint32_t count) {
  if (v->queue_count + count <= v->queue_room) return true;
  uint32_t room = v->queue_room ? v->queue_room : HD_VENUE_BATCH;
  while (room < v->queue_count + count) room *= 2;
  void *grown = realloc(v->queue, room * sizeof *v->queue);
  if (!grown) return false;
  v->queue = grown;
  v->queue_room = room;
  return true;
}

// A recorded source that is alone is handled at once, out of its own memory. All others wait until the plugin has returned.
static uint32_t venue_ticks(struct hadron_instance *instance, const struct hadron_tick *ticks, uint32_t count) {
  struct hd_venue *v = venue_of(instance);
  uint32_t taken = 0;
  if (v->shadow) return count; // it follows the market, it does not make one
  if (hd_venue_is(v, HADRON_VENUE_RECORDED) && v->runner->recorded == 1 && v->runner->inline_ticks) {
    taken = hd_runner_ticks(v->runner, ticks, count);
  } else if (queue_grow(v, count)) {
    memcpy(v->queue + v->queue_count, ticks, count * sizeof *ticks);
    v->queue_count += count;
    taken = count;
  }
  v->ticks += taken;
  return taken;
}

static void venue_report(struct hadron_instance *instance, const struct hadron_venue_report *report) {
  struct hd_venue *v = venue_of(instance);
  if (report->change < HADRON_CHANGE_LIST_BEGIN) {
    hd_runner_reported(v->runner, v, report);
    return;
  }
  struct hadron_venue_report senseless = *report; // these are the host's own marks
  senseless.change = HADRON_CHANGE_INVALID;
  hd_runner_reported(v->runner, v, &senseless);
}

// ---- lists of what it has

#define OVERLAP_NS INT64_C(60000000000) // of the fills that are asked for again: clocks differ, and executions are known by their ids

static bool has_list(const struct hd_venue *v) { return !v->shadow && hd_venue_is(v, HADRON_VENUE_RECONCILES) && hd_venue_is(v, HADRON_VENUE_ORDERS); }

// Travels with its reports.
static void mark(struct hd_venue *v, uint8_t change) {
  const struct hadron_venue_report report = {.change = change, .cumulative = {-1}};
  hd_runner_reported(v->runner, v, &report);
}

// It says that its list begins (a new connection), or that it is ready: then what it has told is whole, if it was asked or began one.
static void list_follows(struct hd_venue *v, uint32_t before, uint32_t state) {
  if (!has_list(v)) return;
  if (state == HADRON_VENUE_RECONCILING && before != HADRON_VENUE_RECONCILING) {
    atomic_store(&v->listing, true);
    v->lists = true;
    mark(v, HADRON_CHANGE_LIST_BEGIN);
  }
  if (state != HADRON_VENUE_READY) return;
  v->ready_ns = v->runner->now_ns;
  bool silent = !v->lists && !atomic_load(&v->listing) && before != HADRON_VENUE_READY && before != HADRON_VENUE_DEGRADED && v->since_ns > 0;
  if (silent) { // back again and not a word of what has become of the orders
    atomic_store(&v->listing, true);
    v->wants_list = true;
    v->next_ns = v->runner->now_ns;
    return;
  }
  if (v->lists) mark(v, HADRON_CHANGE_LIST_END);
  v->lists = false;
}

void hd_venue_blind(struct hd_venue *v) {
  v->blind = true;
  atomic_store(&v->runner->pipeline->reconcile.blind[v->number], true);
}

int32_t hd_venue_reconcile(struct hd_venue *v, struct hd_fault *fault) {
  if (!has_list(v)) return HADRON_OK;
  int64_t since_ns = v->ready_ns > 0 ? v->ready_ns : v->since_ns;
  atomic_store(&v->listing, true);
  v->wants_list = false;
  v->lists = true;
  if (v->since_ns == 0) v->since_ns = v->runner->now_ns;
  mark(v, HADRON_CHANGE_LIST_BEGIN);
  int32_t code = v->api->reconcile(v->self, since_ns > OVERLAP_NS ? since_ns - OVERLAP_NS : since_ns);
  if (v->next_ns > v->runner->now_ns) v->next_ns = v->runner->now_ns;
  return code ? hd_instance_fault(v->instance, code, "reconcile failed", fault) : HADRON_OK;
}

static void venue_status(struct hadron_instance *instance, uint32_t state, const char *text) {
  struct hd_venue *v = venue_of(instance);
  uint32_t before = v->state;
  struct hd_pipeline *p = v->runner->pipeline;
  hd_text_copy(v->words, sizeof v->words, text ? text : "");
  hd_text_printable(v->words);
  list_follows(v, before, state);
  v->state = state;
  hd_pipeline_venue_status(p, v->number, state, v->words, v->runner->now_ns);
  hd_log(state == HADRON_VENUE_DOWN ? HADRON_LOG_WARN : HADRON_LOG_INFO, "VENUE_STATE", "%s: %s%s%s", v->name,
         hd_venue_state_name(state), v->words[0] ? ": " : "", v->words);
}

static void venue_adjust(struct hadron_instance *instance, const struct hadron_adjustment *adjustment) {
  struct hd_venue *v = venue_of(instance);
  const struct hd_instruments *t = &v->runner->pipeline->instruments;
  if (v->shadow || adjustment->instrument == 0 || adjustment->instrument > t->listing_count) return;
  struct hadron_adjustment canonical = *adjustment;
  canonical.instrument = t->listings[adjustment->instrument].instrument;
  hd_runner_adjust(v->runner, v, &canonical);
}

static void venue_progress(struct hadron_instance *instance, uint64_t done, uint64_t total) {
  struct hd_venue *v = venue_of(instance);
  v->done = done;
  v->total = total;
}

static void venue_fail(struct hadron_instance *instance, const char *text) {
  hd_instance_fail(instance, text);
}

static uint32_t venue_instrument(struct hadron_instance *instance, uint32_t handle) {
  const struct hd_instruments *t = &venue_of(instance)->runner->pipeline->instruments;
  return handle > 0 && handle <= t->listing_count ? t->listings[handle].instrument : 0;
}

static int32_t venue_definition(struct hadron_instance *instance, uint32_t id, struct hadron_instrument_definition *out) {
  struct hd_venue *v = venue_of(instance);
  const struct hd_instruments *t = &v->runner->pipeline->instruments;
  if (id == 0 || id > t->count) return HADRON_ERR_NOT_FOUND;
  uint32_t handle = hd_instruments_at(t, id, v->number);
  hd_instruments_definition(t, id, handle ? handle : t->rows[id].listing, out);
  return HADRON_OK;
}

const struct hadron_venue_host hd_venue_host = {
    .struct_size = sizeof(struct hadron_venue_host), .resolve = venue_resolve, .ticks = venue_ticks, .report = venue_report,
    .status = venue_status, .adjust = venue_adjust, .progress = venue_progress, .fail = venue_fail,
    .instrument = venue_instrument, .definition = venue_definition};

const char *hd_venue_state_name(uint32_t state) {
  static const char *const names[] = {"invalid", "connecting", "authenticating", "reconciling", "ready", "degraded", "down", "finished"};
  return state < sizeof names / sizeof *names ? names[state] : "invalid";
}

int32_t hd_venue_start(struct hd_venue *v, struct hd_fault *fault) {
  v->state = HADRON_VENUE_CONNECTING;
  v->next_ns = v->runner->now_ns;
  int32_t code = v->api->start(v->self);
  if (code)
    return hd_fault_set(fault, code, "venue %s (plugin %s %s) did not start: %s", v->name, v->instance->plugin->manifest.name,
                        v->instance->plugin->manifest.version, *hd_instance_words(v->instance) ? hd_instance_words(v->instance) : hadron_error_text(code));
  v->started = true;
  return HADRON_OK;
}

void hd_venue_stop(struct hd_venue *v) {
  if (!v->started) return;
  v->started = false;
  v->api->stop(v->self);
}

void hd_venue_poll(struct hd_venue *v, int64_t now_ns) {
  HD_DASSERT(v->started);
  v->runner->polls++;
  hd_calling_begin(v->instance, HD_CALLING_PART);
  struct hd_fault fault;
  if (v->wants_list && hd_venue_reconcile(v, &fault)) hd_log_error("RECONCILE", "%s", fault.text);
  v->next_ns = v->api->poll(v->self, now_ns);
  hd_calling_end();
}

void hd_venue_fini(struct hd_venue *v) {
  free(v->queue);
  v->queue = NULL;
  v->queue_count = v->queue_room = v->queue_at = 0;
}
