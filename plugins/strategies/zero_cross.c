// Zero crossings of a detrended price: the trend is an exponential average of the last trades, in integers; the strategy goes long when
// the price crosses it upwards by more than a band, short (or flat) when it crosses downwards. zero_cross_lua.lua is the same in Lua:
// identical decisions, tested.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/ext/state.h"
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

// What is handed over: trend and count in 8 bytes, side in 4, without padding; zero_cross_lua.lua declares the same.
enum { STATE_SIZE = 20 };

static int32_t zero_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct zero_cross *z = self;
  unsigned char *to = buffer;
  if (capacity < STATE_SIZE) return HADRON_ERR_FULL;
  memcpy(to, &z->trend, 8);
  memcpy(to + 8, &z->count, 8);
  memcpy(to + 16, &z->side, 4);
  *size = STATE_SIZE;
  return HADRON_OK;
}

static int32_t zero_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct zero_cross *z = self, from = {0};
  const unsigned char *bytes = buffer;
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size != STATE_SIZE) return HADRON_ERR_CORRUPT;
  memcpy(&from.trend, bytes, 8);
  memcpy(&from.count, bytes + 8, 8);
  memcpy(&from.side, bytes + 16, 4);
  if (from.trend < 0 || from.count < 0 || from.side < -1 || from.side > 1) return HADRON_ERR_CORRUPT;
  z->trend = from.trend;
  z->count = from.count;
  z->side = from.side;
  return HADRON_OK;
}

static const struct hadron_state state = {sizeof state, 1, 1, STATE_SIZE, zero_save, zero_load};

static const void *zero_capability(const char *name) {
  if (strcmp(name, HADRON_CAP_PARAMS) == 0) return &params;
  return strcmp(name, HADRON_CAP_STATE) == 0 ? &state : NULL;
}

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE, .scope = HADRON_SCOPE_INSTRUMENT,
                                               .create = zero_create, .destroy = zero_destroy, .on_tick = zero_tick};

HADRON_PLUGIN(STRATEGY, "zero_cross", "1.0.0", "Zero crossings of a detrended price", "hadron.strategy/1", &api, zero_capability);
