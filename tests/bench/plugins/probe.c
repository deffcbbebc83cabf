// A strategy that does nothing but say when each tick reached it: the clock of the tick's way. The bench that loaded it reads `probe_seen` and
// `probe_latencies` by their names; the sender puts its own clock into the trade's id.
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "hadron/strategy.h"

#define KEPT (1 << 17)

__attribute__((visibility("default"))) _Atomic uint64_t probe_seen;
__attribute__((visibility("default"))) uint32_t probe_latencies[KEPT]; // ns of each tick's way, the last ones

static int32_t probe_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  (void)host, (void)context;
  *self = &probe_seen;
  return HADRON_OK;
}

static void probe_destroy(void *self) { (void)self; }

static int32_t probe_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  uint64_t n = atomic_load_explicit(&probe_seen, memory_order_relaxed);
  (void)self, (void)market;
  if (tick->value.trade.trade_id) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t took = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)tick->value.trade.trade_id;
    probe_latencies[n & (KEPT - 1)] = took < 0 ? 0 : took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
  }
  atomic_store_explicit(&probe_seen, n + 1, memory_order_release);
  return HADRON_OK;
}

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE, .scope = HADRON_SCOPE_INSTRUMENT, .create = probe_create, .destroy = probe_destroy, .on_tick = probe_tick};

static const void *probe_capability(const char *name) {
  (void)name;
  return NULL;
}

HADRON_PLUGIN(STRATEGY, "probe", "1.0.0", "says when each tick reached it", "hadron.strategy/1", &api, probe_capability);
