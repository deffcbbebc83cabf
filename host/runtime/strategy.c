// The host's side of the strategy capabilities: from an instance to the engine.
#include "hadron/ext/features.h"
#include "hadron/ext/timer.h"
#include "runtime/session_internal.h"

static struct hd_engine_instance *engine_of(struct hadron_instance *instance) { return instance->owner; }

static int32_t strategy_decide(struct hadron_instance *instance, const struct hadron_decision *decision) {
  return hd_engine_decide(engine_of(instance), decision);
}
static const struct hadron_market *strategy_market(struct hadron_instance *instance, uint32_t id) {
  return hd_engine_market(engine_of(instance), id);
}
static const char *strategy_instrument(struct hadron_instance *instance, uint32_t id) {
  return hd_engine_name(engine_of(instance), id);
}
static int32_t strategy_bars(struct hadron_instance *instance, const struct hadron_bar_request *request) {
  return hd_engine_bars(engine_of(instance), request);
}
static int32_t timer_at(struct hadron_instance *instance, int64_t due_ns, uint64_t id) {
  return hd_engine_timer_at(engine_of(instance), due_ns, id);
}
static void timer_cancel(struct hadron_instance *instance, uint64_t id) { hd_engine_timer_cancel(engine_of(instance), id); }
static int32_t features_read(struct hadron_instance *instance, uint32_t id, uint32_t feature, double *value) {
  return hd_engine_feature(engine_of(instance), id, feature, value);
}

static const struct hadron_strategy_host strategy_table = {.struct_size = sizeof strategy_table, .decide = strategy_decide,
                                                           .market = strategy_market, .name = strategy_instrument, .bars = strategy_bars};
static const struct hadron_timer timer_table = {.struct_size = sizeof timer_table, .at = timer_at, .cancel = timer_cancel};
static const struct hadron_features features_table = {.struct_size = sizeof features_table, .read = features_read};

const struct hd_capability hd_strategy_capabilities[] = {{"hadron.strategy/1", &strategy_table},
                                                         {HADRON_CAP_TIMER, &timer_table},
                                                         {HADRON_CAP_FEATURES, &features_table},
                                                         {NULL, NULL}};

int64_t hd_strategy_now(void *owner) { return hd_engine_now(owner); }
