#include "support/strategy_host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "lua/runtime.h"

static struct strategy_host *host_of(struct hadron_instance *instance) { return instance->owner; }

static int32_t host_decide(struct hadron_instance *instance, const struct hadron_decision *decision) {
  struct strategy_host *h = host_of(instance);
  if (h->decide_error) return h->decide_error;
  if (decision->instrument == 0 || decision->instrument > h->instrument_count) return HADRON_ERR_ARGUMENT;
  if (h->decision_count == STRATEGY_HOST_DECISIONS) return HADRON_ERR_FULL;
  h->decisions[h->decision_count] = *decision;
  h->decisions[h->decision_count].cause = h->sequence;
  h->decisions[h->decision_count++].time_ns = h->now_ns;
  return HADRON_OK;
}

static const struct hadron_market *host_market(struct hadron_instance *instance, uint32_t instrument) {
  struct strategy_host *h = host_of(instance);
  return instrument >= 1 && instrument <= h->instrument_count ? &h->markets[instrument] : NULL;
}

static const char *host_name(struct hadron_instance *instance, uint32_t instrument) {
  static const char *const names[] = {NULL, "TEST1", "TEST2", "TEST3", "TEST4"};
  return instrument <= host_of(instance)->instrument_count && instrument < 5 ? names[instrument] : NULL;
}

static int32_t host_bars(struct hadron_instance *instance, const struct hadron_bar_request *request) {
  struct strategy_host *h = host_of(instance);
  if (h->bar_count == HD_BAR_KINDS_MAX) return HADRON_ERR_FULL;
  h->bars[h->bar_count++] = *request;
  return HADRON_OK;
}

static void host_cancel(struct hadron_instance *instance, uint64_t id) {
  struct strategy_host *h = host_of(instance);
  for (uint32_t i = 0; i < h->timer_count; i++)
    if (h->timers[i].id == id) {
      memmove(&h->timers[i], &h->timers[i + 1], (h->timer_count - i - 1) * sizeof h->timers[0]);
      h->timer_count--;
      return;
    }
}

static int32_t host_at(struct hadron_instance *instance, int64_t due_ns, uint64_t id) {
  struct strategy_host *h = host_of(instance);
  host_cancel(instance, id);
  if (h->timer_count == STRATEGY_HOST_TIMERS) return HADRON_ERR_FULL;
  h->timers[h->timer_count].id = id;
  h->timers[h->timer_count++].due_ns = due_ns;
  return HADRON_OK;
}

static int32_t host_feature(struct hadron_instance *instance, uint32_t instrument, uint32_t feature, double *value) {
  const struct hadron_market *m = host_market(instance, instrument);
  if (!m || feature != HADRON_FEATURE_VOLATILITY) return HADRON_ERR_NOT_FOUND;
  *value = m->volatility;
  return HADRON_OK;
}

static const struct hadron_strategy_host strategy_table = {sizeof strategy_table, 0, host_decide, host_market, host_name, host_bars};
static const struct hadron_timer timer_table = {sizeof timer_table, 0, host_at, host_cancel};
static const struct hadron_features features_table = {sizeof features_table, 0, host_feature};
static const struct hd_capability capabilities[] = {
    {"hadron.strategy/1", &strategy_table}, {HADRON_CAP_TIMER, &timer_table}, {HADRON_CAP_FEATURES, &features_table}, {NULL, NULL}};

static int64_t host_now(void *owner) { return ((struct strategy_host *)owner)->now_ns; }

int32_t strategy_host_create(struct strategy_host *h, const struct hd_plugin *plugin, const char *name, uint32_t instrument_count,
                             const char *const *params, struct hd_fault *fault) {
  struct hd_param_value values[32] = {0};
  uint32_t count = 0;
  memset(h, 0, sizeof *h);
  h->plugin = plugin;
  h->api = plugin->api;
  h->now_ns = INT64_C(1700000000000000000);
  h->instrument_count = instrument_count;
  h->decisions = calloc(STRATEGY_HOST_DECISIONS, sizeof *h->decisions);
  for (uint32_t i = 1; i <= instrument_count; i++) {
    h->instruments[i - 1] = i;
    h->markets[i] = (struct hadron_market){.instrument = i, .increment = {10000000}, .lot = {100000000}, .state = HADRON_MARKET_OPEN};
  }
  for (; params && params[0] && count < 32; params += 2) values[count++] = (struct hd_param_value){params[0], params[1], NULL};
  const struct hd_instance_options options = {.plugin = plugin, .capabilities = capabilities, .owner = h, .now = host_now, .name = name,
                                              .metric_owner = "test.shard0", .seed = 42, .arm = 1};
  const struct hadron_strategy_context context = {sizeof context, 1, h->instruments, instrument_count, 0};
  int32_t err = hd_plugin_expect_kind(plugin, HADRON_KIND_STRATEGY, fault);
  if (!err) err = hd_instance_init(&h->instance, &options, fault);
  if (!err) err = hd_instance_create_strategy(&h->instance, &context, fault);
  if (!err) err = hd_params_apply(&h->instance, values, count, fault);
  if (err) strategy_host_close(h);
  return err;
}

int32_t strategy_host_open(struct strategy_host *h, const char *path, uint32_t instrument_count, const char *const *params, struct hd_fault *fault) {
  const struct hd_plugin *plugin;
  int32_t err = hd_plugin_open(path, &hd_lua_language, &plugin, fault);
  if (!err) err = strategy_host_create(h, plugin, "test", instrument_count, params, fault);
  if (err) return err;
  err = hd_instance_start(&h->instance, fault);
  if (err) strategy_host_close(h);
  return err;
}

int32_t strategy_host_load(const char *text, const struct hd_plugin **plugin, struct hd_fault *fault) {
  char path[] = "/tmp/hadron_test_XXXXXX.lua";
  int fd = mkstemps(path, 4);
  size_t size = strlen(text);
  if (fd < 0 || write(fd, text, size) != (ssize_t)size) return hd_fault_set(fault, HADRON_ERR_IO, "%s: cannot be written", path);
  close(fd);
  int32_t err = hd_plugin_open(path, &hd_lua_language, plugin, fault);
  unlink(path);
  return err;
}

int32_t strategy_host_script(struct strategy_host *h, const char *text, const char *const *params, struct hd_fault *fault) {
  const struct hd_plugin *plugin;
  int32_t err = strategy_host_load(text, &plugin, fault);
  if (!err) err = strategy_host_create(h, plugin, "test", 1, params, fault);
  if (err) return err;
  err = hd_instance_start(&h->instance, fault);
  if (err) strategy_host_close(h);
  return err;
}

void strategy_host_close(struct strategy_host *h) {
  hd_instance_fini(&h->instance);
  free(h->decisions);
  h->decisions = NULL;
}

int32_t strategy_host_tick(struct strategy_host *h, const struct hadron_tick *tick) {
  struct hadron_tick t = *tick;
  struct hadron_market *m = &h->markets[t.instrument];
  t.sequence = m->sequence = ++h->sequence;
  m->event_ns = t.event_ns;
  if (t.kind == HADRON_TICK_TRADE) m->last = t.value.trade.price, m->last_size = t.value.trade.quantity;
  if (t.kind == HADRON_TICK_QUOTE) {
    m->bid = t.value.quote.bid, m->ask = t.value.quote.ask;
    m->bid_size = t.value.quote.bid_size, m->ask_size = t.value.quote.ask_size;
  }
  return h->api->on_tick(h->instance.self, &t, m);
}

int32_t strategy_host_trade(struct strategy_host *h, uint32_t instrument, int64_t price_nanos, int64_t quantity_e8) {
  struct hadron_tick t = {.event_ns = h->now_ns, .recv_ns = h->now_ns, .instrument = instrument, .kind = HADRON_TICK_TRADE};
  t.value.trade.price.nanos = price_nanos;
  t.value.trade.quantity.e8 = quantity_e8;
  return strategy_host_tick(h, &t);
}

int32_t strategy_host_quote(struct strategy_host *h, uint32_t instrument, int64_t bid, int64_t ask, int64_t bid_size, int64_t ask_size) {
  struct hadron_tick t = {.event_ns = h->now_ns, .recv_ns = h->now_ns, .instrument = instrument, .kind = HADRON_TICK_QUOTE};
  t.value.quote = (struct hadron_quote){{bid}, {ask}, {bid_size}, {ask_size}};
  return strategy_host_tick(h, &t);
}

int32_t strategy_host_bar(struct strategy_host *h, const struct hadron_bar *bar) {
  return h->api->on_bar(h->instance.self, bar, &h->markets[bar->instrument]);
}

int32_t strategy_host_advance(struct strategy_host *h, int64_t now_ns) {
  int32_t fired = 0;
  for (;;) {
    uint32_t first = h->timer_count;
    for (uint32_t i = 0; i < h->timer_count; i++)
      if (h->timers[i].due_ns <= now_ns && (first == h->timer_count || h->timers[i].due_ns < h->timers[first].due_ns)) first = i;
    if (first == h->timer_count) break;
    uint64_t id = h->timers[first].id;
    int64_t due = h->timers[first].due_ns;
    host_cancel(&h->instance, id);
    if (due > h->now_ns) h->now_ns = due;
    int32_t err = h->plugin->timer->on_timer(h->instance.self, id, due, &h->markets[1]);
    if (err) return err;
    fired++;
  }
  h->now_ns = now_ns;
  return fired;
}

void strategy_host_position(struct strategy_host *h, uint32_t instrument, int64_t quantity_e8, int64_t average_nanos) {
  h->markets[instrument].position.e8 = quantity_e8;
  h->markets[instrument].average_entry.nanos = average_nanos;
}
