// Zero crossings of a detrended price: the trend is an exponential average of the last trades, in integers; the strategy goes long when
// the price crosses it upwards by more than a band, short (or flat) when it crosses downwards. zero_cross_lua.lua is the same in Lua:
// identical decisions, tested.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/strategy.h"

#define BAND_SCALE 1000000 // the band is in parts per million of the trend

struct zero_cross {
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  int64_t length, band, long_only; // parameters
  struct hadron_quantity size;
  uint32_t instrument;
  int64_t trend, count;
  int32_t side; // 1 above, -1 below, 0 not yet
};

static int32_t zero_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct zero_cross *z = calloc(1, sizeof *z);
  if (!z) return HADRON_ERR_MEMORY;
  z->host = host;
  z->engine = host->capability(host->instance, "hadron.strategy/1");
  z->instrument = context->instruments[0];
  *self = z;
  return HADRON_OK;
}

static void zero_destroy(void *self) { free(self); }

// Rounds towards minus infinity, as Lua's // does.
static int64_t divide_down(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a % b < 0 ? q - 1 : q;
}

static int32_t zero_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct zero_cross *z = self;
  int64_t price = tick->value.trade.price.nanos;
  (void)market;
  if (tick->kind != HADRON_TICK_TRADE) return HADRON_OK;
  z->trend = z->count == 0 ? price : z->trend + divide_down(price - z->trend, z->length);
  if (z->count < z->length && ++z->count < z->length) return HADRON_OK;
  int64_t gap = price - z->trend, band = z->trend / BAND_SCALE * z->band;
  int32_t side = gap > band ? 1 : gap < -band ? -1 : z->side; // within the band the old view holds
  if (side == z->side) return HADRON_OK;
  z->side = side;
  double mean = (double)gap / (double)z->trend;
  struct hadron_decision d = {.instrument = z->instrument, .kind = HADRON_DECISION_TARGET, .mean_return = mean, .uncertainty = mean < 0 ? -mean : mean, .confidence = 0.5};
  d.quantity.e8 = side > 0 ? z->size.e8 : z->long_only ? 0 : -z->size.e8;
  return z->engine->decide(z->host->instance, &d);
}

static const struct hadron_param params_table[] = {
    {"length", "trades in the trend", "ticks", "50", HADRON_PARAM_INTEGER, offsetof(struct zero_cross, length), 8, 0, 2, 100000, 0, 0},
    {"band", "how far beyond the trend a crossing counts", "ppm", "200", HADRON_PARAM_INTEGER, offsetof(struct zero_cross, band), 8, 1, 0, 100000, 0, 0},
    {"size", "position to hold", "units", "100", HADRON_PARAM_QUANTITY, offsetof(struct zero_cross, size), 8, 1, 1, INT64_MAX, 0, 0},
    {"long_only", "flat instead of short", "", "false", HADRON_PARAM_BOOL, offsetof(struct zero_cross, long_only), 8, 1, 0, 1, 0, 0},
};
static const struct hadron_params params = {sizeof params, sizeof params_table / sizeof *params_table, params_table, NULL};

static const void *zero_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE, .scope = HADRON_SCOPE_INSTRUMENT,
                                               .create = zero_create, .destroy = zero_destroy, .on_tick = zero_tick};

HADRON_PLUGIN(STRATEGY, "zero_cross", "1.0.0", "Zero crossings of a detrended price", "hadron.strategy/1", &api, zero_capability);
