// A strategy to copy. It follows the trend: an integer moving average of the trades, long while the price is `band` above it, flat once
// it is back below. It shows a parameter table, state that survives a swap, a log line and a decision.
//
//   gcc -std=c17 -O2 -fPIC -shared -I sdk/include my_strategy.c -o my_strategy.so
//   hadron validate my_strategy.so
#include <stdlib.h>
#include <string.h>

#include <hadron/ext/log.h>
#include <hadron/ext/params.h>
#include <hadron/ext/state.h>
#include <hadron/strategy.h>

// One per instrument. Everything a callback needs is reachable from here: no globals.
struct trend {
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  const struct hadron_log *log; // NULL if the host offers none: it is not required below
  uint32_t instrument;

  int64_t length;              // parameters: the host writes these, see the table
  struct hadron_price band;
  struct hadron_quantity size;

  int64_t average_nanos;       // state
  int64_t seen;
  int64_t is_long;
};

static int32_t trend_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct trend *t = calloc(1, sizeof *t);
  if (t == NULL) return HADRON_ERR_MEMORY;
  t->host = host;
  t->engine = host->capability(host->instance, "hadron.strategy/1");
  t->log = host->capability(host->instance, HADRON_CAP_LOG);
  t->instrument = context->instruments[0];
  *self = t;
  return HADRON_OK;
}

static void trend_destroy(void *self) { free(self); }

// Says what to hold; the host does the difference, checks the risk and sends the order.
static int32_t trend_hold(struct trend *t, struct hadron_quantity quantity) {
  struct hadron_decision decision = {
      .instrument = t->instrument, .kind = HADRON_DECISION_TARGET, .quantity = quantity, .confidence = 0.5};
  t->is_long = quantity.e8 > 0;
  if (t->log != NULL) t->log->write(t->host->instance, HADRON_LOG_INFO, "TREND_TURN", t->is_long ? "long" : "flat");
  return t->engine->decide(t->host->instance, &decision);
}

static int32_t trend_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct trend *t = self;
  int64_t price = tick->value.trade.price.nanos; // ON_TRADE is the only trigger: every tick is a trade
  (void)market;
  if (t->seen == 0) t->average_nanos = price;
  t->average_nanos += (price - t->average_nanos) / t->length; // integers: the same on every machine
  if (t->seen < t->length) {
    t->seen++;
    return HADRON_OK;
  }
  if (!t->is_long && price - t->average_nanos > t->band.nanos) return trend_hold(t, t->size);
  if (t->is_long && price < t->average_nanos) return trend_hold(t, (struct hadron_quantity){0});
  return HADRON_OK;
}

// ---- parameters: name, help, unit, default, type, place, size, live, min, max ---------------------------------------------------------

static const struct hadron_param rows[] = {
    {"length", "trades in the average", "trades", "100", HADRON_PARAM_INTEGER, offsetof(struct trend, length), 8, 1, 2, 1000000, 0, 0},
    {"band", "how far above the average counts as a trend", "price", "0.05", HADRON_PARAM_PRICE, offsetof(struct trend, band), 8, 1, 0, INT64_MAX, 0, 0},
    {"size", "what to hold in a trend", "units", "10", HADRON_PARAM_QUANTITY, offsetof(struct trend, size), 8, 1, 1, INT64_MAX, 0, 0},
};
static const struct hadron_params params = {.struct_size = sizeof params, .count = sizeof rows / sizeof *rows, .params = rows};

// ---- state: what a newer version of this strategy takes over ----------------------------------------------------------------------------

struct trend_state {
  int64_t average_nanos, seen, is_long;
};

static int32_t trend_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct trend *t = self;
  struct trend_state s = {t->average_nanos, t->seen, t->is_long};
  if (capacity < sizeof s) return HADRON_ERR_FULL;
  memcpy(buffer, &s, sizeof s);
  *size = sizeof s;
  return HADRON_OK;
}

static int32_t trend_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct trend *t = self;
  struct trend_state s;
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size != sizeof s) return HADRON_ERR_CORRUPT;
  memcpy(&s, buffer, sizeof s); // the bytes may be hostile: look before taking them
  if (s.average_nanos < 0 || s.seen < 0 || (s.is_long != 0 && s.is_long != 1)) return HADRON_ERR_CORRUPT;
  t->average_nanos = s.average_nanos;
  t->seen = s.seen;
  t->is_long = s.is_long;
  return HADRON_OK;
}

static const struct hadron_state state = {.struct_size = sizeof state, .schema = 1, .schema_min = 1,
                                          .size_max = sizeof(struct trend_state), .save = trend_save, .load = trend_load};

static const void *trend_capability(const char *name) {
  if (strcmp(name, HADRON_CAP_PARAMS) == 0) return &params;
  if (strcmp(name, HADRON_CAP_STATE) == 0) return &state;
  return NULL;
}

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE,
                                               .scope = HADRON_SCOPE_INSTRUMENT, .create = trend_create,
                                               .destroy = trend_destroy, .on_tick = trend_tick};

HADRON_PLUGIN(STRATEGY, "trend", "1.0.0", "Long while the price is above its average", "hadron.strategy/1", &api, trend_capability);
