// Pairs: the first two instruments of the universe move together; when the ratio of their prices is far from its rolling mean, sell the
// dear one and buy the cheap one, and close when it is back. Sampled once per `sample` of the first instrument's time, so that the
// window is a span of time and not of ticks. The second leg is sized by the ratio of the prices, in integers, down to the lot.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/strategy.h"

#define WINDOW_MAX 4096

struct pairs {
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  int64_t window, sample;     // parameters
  double entry, leave, stop;
  struct hadron_quantity size;
  uint32_t instruments[2];
  int32_t side;               // 1: long the first, short the second; -1: the reverse; 0: flat
  double *ratios;             // ring of log ratios
  uint32_t at, count;
  int64_t next_ns;
};

static int32_t pairs_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  if (context->instrument_count < 2) return HADRON_ERR_ARGUMENT;
  struct pairs *p = calloc(1, sizeof *p);
  if (!p) return HADRON_ERR_MEMORY;
  p->host = host;
  p->engine = host->capability(host->instance, "hadron.strategy/1");
  p->instruments[0] = context->instruments[0];
  p->instruments[1] = context->instruments[1];
  *self = p;
  return HADRON_OK;
}

static void pairs_destroy(void *self) {
  struct pairs *p = self;
  free(p->ratios);
  free(p);
}

static int32_t pairs_changed(void *self) {
  struct pairs *p = self;
  if (p->leave >= p->entry || p->entry >= p->stop) return HADRON_ERR_ARGUMENT;
  if (p->ratios) return HADRON_OK; // the window does not change while active
  p->ratios = calloc((size_t)p->window, sizeof *p->ratios);
  return p->ratios ? HADRON_OK : HADRON_ERR_MEMORY;
}

static int64_t price_of(const struct hadron_market *m) {
  if (m->bid.nanos > 0 && m->ask.nanos > 0) return m->bid.nanos + (m->ask.nanos - m->bid.nanos) / 2;
  return m->last.nanos;
}

// Decides both legs; a side of 0 closes them.
static int32_t pairs_decide(struct pairs *p, int32_t side, double z, double deviation, const int64_t price[2], int64_t lot) {
  int64_t hedge = (int64_t)((__int128)p->size.e8 * price[0] / price[1]) / lot * lot;
  const int64_t target[2] = {side * p->size.e8, -side * hedge};
  for (int leg = 0; leg < 2; leg++) {
    struct hadron_decision d = {.instrument = p->instruments[leg], .kind = HADRON_DECISION_TARGET, .quantity = {target[leg]},
                                .uncertainty = deviation, .confidence = 0.5};
    d.mean_return = (leg == 0 ? -z : z) * deviation / 2;
    int32_t code = p->engine->decide(p->host->instance, &d);
    if (code) return code;
  }
  p->side = side;
  return HADRON_OK;
}

static int32_t pairs_sample(struct pairs *p, const struct hadron_market *first, const struct hadron_market *second) {
  const int64_t price[2] = {price_of(first), price_of(second)};
  if (price[0] <= 0 || price[1] <= 0) return HADRON_OK;
  double ratio = log((double)price[0] / (double)price[1]);
  p->ratios[p->at] = ratio;
  p->at = p->at + 1 == (uint32_t)p->window ? 0 : p->at + 1;
  if (p->count < p->window && ++p->count < p->window) return HADRON_OK;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < p->window; i++) sum += p->ratios[i];
  double mean = sum / (double)p->window;
  for (int64_t i = 0; i < p->window; i++) squares += (p->ratios[i] - mean) * (p->ratios[i] - mean);
  double deviation = sqrt(squares / (double)(p->window - 1));
  if (!(deviation > 0)) return HADRON_OK;
  double z = (ratio - mean) / deviation, far = fabs(z);
  if (p->side == 0 && far >= p->entry && far < p->stop)
    return pairs_decide(p, z > 0 ? -1 : 1, z, deviation, price, second->lot.e8);
  bool back = p->side != 0 && (far <= p->leave || (z > 0) == (p->side > 0));
  return back || (p->side != 0 && far >= p->stop) ? pairs_decide(p, 0, z, deviation, price, second->lot.e8) : HADRON_OK;
}

static int32_t pairs_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct pairs *p = self;
  (void)market;
  if (tick->event_ns < p->next_ns) return HADRON_OK;
  p->next_ns = tick->event_ns - tick->event_ns % p->sample + p->sample;
  struct hadron_market first = *p->engine->market(p->host->instance, p->instruments[0]);
  return pairs_sample(p, &first, p->engine->market(p->host->instance, p->instruments[1]));
}

static const struct hadron_param params_table[] = {
    {"window", "samples in the rolling mean", "samples", "60", HADRON_PARAM_INTEGER, offsetof(struct pairs, window), 8, 0, 3, WINDOW_MAX, 0, 0},
    {"sample", "time between samples", "duration", "1s", HADRON_PARAM_DURATION, offsetof(struct pairs, sample), 8, 0, 1000, INT64_MAX, 0, 0},
    {"entry", "standard deviations at which to enter", "sigma", "2", HADRON_PARAM_REAL, offsetof(struct pairs, entry), 8, 1, 1, 0, 0.1, 100},
    {"leave", "standard deviations at which to leave", "sigma", "0.5", HADRON_PARAM_REAL, offsetof(struct pairs, leave), 8, 1, 1, 0, 0, 100},
    {"stop", "standard deviations at which to give up", "sigma", "6", HADRON_PARAM_REAL, offsetof(struct pairs, stop), 8, 1, 1, 0, 0.1, 1000},
    {"size", "position of the first leg", "units", "100", HADRON_PARAM_QUANTITY, offsetof(struct pairs, size), 8, 1, 1, INT64_MAX, 0, 0},
};
static const struct hadron_params params = {sizeof params, sizeof params_table / sizeof *params_table, params_table, pairs_changed};

static const void *pairs_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_strategy_api api = {
    .struct_size = sizeof api, .triggers = HADRON_ON_TRADE | HADRON_ON_QUOTE, .scope = HADRON_SCOPE_UNIVERSE, .create = pairs_create,
    .destroy = pairs_destroy, .on_tick = pairs_tick};

HADRON_PLUGIN(STRATEGY, "pairs", "1.0.0", "Trades two instruments against each other when their ratio is far from its mean",
              "hadron.strategy/1", &api, pairs_capability);
