#include "support/venue_host.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "hadron/decimal.h"
#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"

static struct venue_host *host_of(struct hadron_instance *instance) { return (struct venue_host *)(void *)instance; }

static bool universe_has(const struct venue_host *h, const char *symbol) {
  size_t size = strlen(symbol);
  for (const char *at = h->universe ? h->universe : ""; *at; at += strspn(at, " ")) {
    size_t word = strcspn(at, " ");
    if (word == size && memcmp(at, symbol, size) == 0) return true;
    at += word;
  }
  return false;
}

static int32_t host_resolve(struct hadron_instance *instance, const struct hadron_listing *listing, uint32_t *handle) {
  struct venue_host *h = host_of(instance);
  assert_int_equal(listing->symbol[HADRON_SYMBOL_SIZE - 1], 0);
  for (uint32_t i = 0; i < h->listing_count; i++)
    if (strcmp(h->listings[i].symbol, listing->symbol) == 0) {
      *handle = i + 1;
      return HADRON_OK;
    }
  if (h->closed && !universe_has(h, listing->symbol)) return HADRON_ERR_NOT_FOUND;
  if (h->listing_count == VENUE_HOST_LISTINGS) return HADRON_ERR_FULL;
  h->listings[h->listing_count] = *listing;
  struct hadron_instrument_definition *d = &h->definitions[h->listing_count];
  d->instrument = d->listing = *handle = ++h->listing_count;
  d->venue = 1;
  d->asset = (uint8_t)listing->asset;
  d->increment.nanos = listing->increment.nanos ? listing->increment.nanos : HADRON_PRICE_SCALE / 100;
  d->lot.e8 = listing->lot.e8 ? listing->lot.e8 : HADRON_QUANTITY_SCALE;
  d->multiplier.e8 = listing->multiplier.e8 ? listing->multiplier.e8 : HADRON_QUANTITY_SCALE;
  hd_text_copy(d->name, sizeof d->name, listing->name[0] ? listing->name : listing->symbol);
  hd_text_copy(d->symbol, sizeof d->symbol, listing->symbol);
  hd_text_copy(d->currency, sizeof d->currency, listing->currency);
  return HADRON_OK;
}

static void *grown(void *list, uint64_t count, uint64_t *capacity, size_t size) {
  if (count <= *capacity) return list;
  while (*capacity < count) *capacity = *capacity ? 2 * *capacity : 4096;
  list = realloc(list, *capacity * size);
  assert_non_null(list);
  return list;
}

static uint32_t host_ticks(struct hadron_instance *instance, const struct hadron_tick *ticks, uint32_t count) {
  struct venue_host *h = host_of(instance);
  assert_in_range(count, 1, 256);
  if (h->take_max && count > h->take_max) count = h->take_max;
  if (h->on_ticks) h->on_ticks(h->user, ticks, count);
  h->ticks_taken += count;
  if (h->discard) return count;
  h->ticks = grown(h->ticks, h->tick_count + count, &h->tick_capacity, sizeof *h->ticks);
  memcpy(h->ticks + h->tick_count, ticks, count * sizeof *ticks);
  h->tick_count += count;
  return count;
}

static void host_report(struct hadron_instance *instance, const struct hadron_venue_report *report) {
  struct venue_host *h = host_of(instance);
  if (h->on_report) h->on_report(h->user, report);
  h->reports = grown(h->reports, h->report_count + 1, &h->report_capacity, sizeof *h->reports);
  h->reports[h->report_count++] = *report;
}

static void host_status(struct hadron_instance *instance, uint32_t state, const char *text) {
  struct venue_host *h = host_of(instance);
  assert_in_range(state, HADRON_VENUE_CONNECTING, HADRON_VENUE_FINISHED);
  h->state = state;
  h->states |= 1u << state;
  hd_text_copy(h->words, sizeof h->words, text ? text : "");
}

static void host_adjust(struct hadron_instance *instance, const struct hadron_adjustment *adjustment) {
  struct venue_host *h = host_of(instance);
  assert_true(h->adjustment_count < sizeof h->adjustments / sizeof *h->adjustments);
  h->adjusted_at[h->adjustment_count] = h->ticks_taken;
  h->adjustments[h->adjustment_count++] = *adjustment;
}

static void host_progress(struct hadron_instance *instance, uint64_t done, uint64_t total) {
  struct venue_host *h = host_of(instance);
  assert_true(total == 0 || done <= total);
  h->progress_done = done;
  h->progress_total = total;
  h->progress_calls++;
}

static void host_fail(struct hadron_instance *instance, const char *text) {
  struct venue_host *h = host_of(instance);
  hd_text_copy(h->fault, sizeof h->fault, text);
}

static uint32_t host_instrument(struct hadron_instance *instance, uint32_t handle) {
  return handle <= host_of(instance)->listing_count ? handle : 0;
}

static int32_t host_definition(struct hadron_instance *instance, uint32_t instrument, struct hadron_instrument_definition *out) {
  struct venue_host *h = host_of(instance);
  if (instrument == 0 || instrument > h->listing_count) return HADRON_ERR_NOT_FOUND;
  *out = h->definitions[instrument - 1];
  return HADRON_OK;
}

static void host_log(struct hadron_instance *instance, uint32_t level, const char *id, const char *text) {
  struct venue_host *h = host_of(instance);
  assert_in_range(level, HADRON_LOG_DEBUG, HADRON_LOG_ERROR);
  if (h->log_count < sizeof h->log / sizeof *h->log) snprintf(h->log[h->log_count], sizeof h->log[0], "%s %.480s", id, text);
  h->log_count++;
}

static int32_t host_metric(struct hadron_instance *instance, const struct hadron_metric *metric, int64_t **cell) {
  struct venue_host *h = host_of(instance);
  if (h->metric_count == VENUE_HOST_METRICS) return HADRON_ERR_FULL;
  h->metrics[h->metric_count].metric = metric;
  *cell = &h->metrics[h->metric_count++].cell;
  return HADRON_OK;
}

static const void *host_capability(struct hadron_instance *instance, const char *name) {
  static const struct hadron_venue_host venue = {
      sizeof venue, 0, host_resolve, host_ticks, host_report, host_status, host_adjust, host_progress, host_fail, host_instrument, host_definition};
  static const struct hadron_log log = {sizeof log, 0, host_log};
  static const struct hadron_metrics metrics = {sizeof metrics, 0, host_metric};
  (void)instance;
  if (strcmp(name, "hadron.venue/1") == 0) return &venue;
  if (strcmp(name, HADRON_CAP_LOG) == 0) return &log;
  if (strcmp(name, HADRON_CAP_METRICS) == 0) return &metrics;
  return NULL;
}

static int64_t host_now(struct hadron_instance *instance) { return host_of(instance)->now_ns; }

static uint64_t host_random(struct hadron_instance *instance) { // SplitMix64
  uint64_t z = (host_of(instance)->seed += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static void host_defaults(struct venue_host *h) {
  const struct hadron_params *table = h->plugin->capability ? h->plugin->capability(HADRON_CAP_PARAMS) : NULL;
  for (uint32_t i = 0; table && i < table->count; i++)
    if (table->params[i].initial) venue_host_set(h, table->params[i].name, table->params[i].initial);
}

struct venue_host *venue_host_open(const char *plugin) {
  char path[4096];
  const char *folder = getenv("HADRON_PLUGIN_DIR");
  assert_non_null(folder);
  snprintf(path, sizeof path, "%s/%s.so", folder, plugin);
  struct venue_host *h = calloc(1, sizeof *h);
  assert_non_null(h);
  h->definitions = calloc(VENUE_HOST_LISTINGS, sizeof *h->definitions);
  assert_non_null(h->definitions);
  h->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!h->library) fail_msg("%s", dlerror());
  hadron_plugin_entry entry;
  void *symbol = dlsym(h->library, "hadron_plugin_v1");
  assert_non_null(symbol);
  memcpy(&entry, &symbol, sizeof entry);
  h->plugin = entry();
  assert_int_equal(h->plugin->magic, HADRON_PLUGIN_MAGIC);
  assert_int_equal(h->plugin->kind, HADRON_KIND_VENUE);
  h->api = h->plugin->api;
  h->host = (struct hadron_host){sizeof h->host, HADRON_ABI_MAJOR, HADRON_ABI_MINOR, (struct hadron_instance *)(void *)h,
                                 host_capability, host_now, host_random};
  h->seed = 1;
  const struct hadron_venue_context context = {sizeof context, 1, 0, "test"};
  assert_int_equal(h->api->create(&h->host, &context, &h->self), HADRON_OK);
  assert_non_null(h->self);
  host_defaults(h);
  return h;
}

void venue_host_close(struct venue_host *h) {
  if (h->started) h->api->stop(h->self);
  h->api->destroy(h->self);
  free(h->ticks);
  free(h->reports);
  free(h->definitions);
  free(h); // the library stays mapped, as in the host
}

static const struct hadron_param *param_named(const struct venue_host *h, const char *name) {
  const struct hadron_params *table = h->plugin->capability ? h->plugin->capability(HADRON_CAP_PARAMS) : NULL;
  for (uint32_t i = 0; table && i < table->count; i++)
    if (strcmp(table->params[i].name, name) == 0) return &table->params[i];
  fail_msg("no parameter %s", name);
  return NULL;
}

static int32_t param_parse(const struct hadron_param *p, const char *value, int64_t *out) {
  switch (p->type) {
  case HADRON_PARAM_BOOL:
    *out = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    return HADRON_OK;
  case HADRON_PARAM_INTEGER: return hadron_decimal_parse(value, strlen(value), 1, out);
  case HADRON_PARAM_PRICE: return hadron_decimal_parse(value, strlen(value), HADRON_PRICE_SCALE, out);
  case HADRON_PARAM_QUANTITY: return hadron_decimal_parse(value, strlen(value), HADRON_QUANTITY_SCALE, out);
  case HADRON_PARAM_MONEY: return hadron_decimal_parse(value, strlen(value), HADRON_MONEY_SCALE, out);
  case HADRON_PARAM_DURATION: return strcmp(value, "0") == 0 ? (*out = 0, HADRON_OK) : hd_duration_parse(value, out);
  default: return HADRON_ERR_UNSUPPORTED;
  }
}

void venue_host_set(struct venue_host *h, const char *name, const char *value) {
  const struct hadron_param *p = param_named(h, name);
  char *field = (char *)h->self + p->offset;
  if (p->type == HADRON_PARAM_TEXT) {
    assert_true(strlen(value) < p->size);
    hd_text_copy(field, p->size, value);
    return;
  }
  if (p->type == HADRON_PARAM_REAL) {
    double real = strtod(value, NULL);
    memcpy(field, &real, sizeof real);
    return;
  }
  int64_t whole;
  assert_int_equal(param_parse(p, value, &whole), HADRON_OK);
  if (p->min <= p->max) assert_true(whole >= p->min && whole <= p->max);
  memcpy(field, &whole, sizeof whole);
}

int32_t venue_host_start(struct venue_host *h) {
  const struct hadron_params *table = h->plugin->capability ? h->plugin->capability(HADRON_CAP_PARAMS) : NULL;
  int32_t result = table && table->changed ? table->changed(h->self) : HADRON_OK;
  if (!result) result = h->api->start(h->self);
  h->started = !result;
  h->next_ns = h->now_ns;
  return result;
}

bool venue_host_poll(struct venue_host *h) {
  if (h->next_ns == INT64_MAX) return false;
  if (h->next_ns > h->now_ns) h->now_ns = h->next_ns;
  h->next_ns = h->api->poll(h->self, h->now_ns);
  return h->next_ns != INT64_MAX;
}

void venue_host_run(struct venue_host *h) {
  while (venue_host_poll(h)) {
  }
}

int64_t venue_host_metric(const struct venue_host *h, const char *name) {
  for (uint32_t i = 0; i < h->metric_count; i++)
    if (strcmp(h->metrics[i].metric->name, name) == 0) return h->metrics[i].cell;
  fail_msg("no metric %s", name);
  return 0;
}

const char *shared_file(const char *path) {
  static char whole[4096];
  const char *folder = getenv("HADRON_SHARED_DIR");
  snprintf(whole, sizeof whole, "%s/%s", folder ? folder : "", path);
  if (!folder || access(whole, R_OK) != 0) {
    print_message("skipped: %s is not there; set HADRON_SHARED_DIR to the folder of recorded data\n", whole);
    skip();
  }
  return whole;
}
