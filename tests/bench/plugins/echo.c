// Answers a tick whose trade has an id with a decision; the others it takes in silence.
#include <stdlib.h>

#include "hadron/strategy.h"

struct echo {
  const struct hadron_host *host;
  const struct hadron_strategy_host *strategy;
};

static int32_t echo_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct echo *e = calloc(1, sizeof *e);
  (void)context;
  if (!e) return HADRON_ERR_MEMORY;
  e->host = host;
  e->strategy = host->capability(host->instance, "hadron.strategy/1");
  *self = e;
  return HADRON_OK;
}

static int32_t echo_start(void *self) { return (void)self, HADRON_OK; }

static int32_t echo_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  const struct echo *e = self;
  (void)market;
  if (tick->value.trade.trade_id == 0) return HADRON_OK;
  const struct hadron_decision d = {.instrument = tick->instrument, .kind = HADRON_DECISION_TARGET, .quantity = {HADRON_QUANTITY_SCALE}, .confidence = 0.5};
  return e->strategy->decide(e->host->instance, &d);
}

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE, .scope = HADRON_SCOPE_UNIVERSE, .create = echo_create, .destroy = free, .start = echo_start, .on_tick = echo_tick};
HADRON_PLUGIN(STRATEGY, "echo", "1.0.0", "answers ticks, for measuring", "hadron.strategy/1", &api, NULL);
