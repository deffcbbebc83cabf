// Moving-average cross: long while the fast average of the last trades is above the slow one; short, or flat with long_only, while it
// is below. Averages are compared as sums of integers (sum_fast x slow against sum_slow x fast): no rounding, the same everywhere.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/ext/state.h"
#include "hadron/strategy.h"

#define SLOW_MAX 4096

struct sma {
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  int64_t fast, slow, long_only, on_bars, bar; // parameters
  struct hadron_quantity size;
  uint32_t instrument;
  int32_t side;         // 1 long, -1 short or flat, 0 not yet
  int64_t *prices;      // ring of the last `slow`
  uint32_t at, count;
  __int128 sum_fast, sum_slow;
};

static int32_t sma_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct sma *s = calloc(1, sizeof *s);
  if (!s) return HADRON_ERR_MEMORY;
  s->host = host;
  s->engine = host->capability(host->instance, "hadron.strategy/1");
  s->instrument = context->instruments[0];
  *self = s;
  return HADRON_OK;
}

static void sma_destroy(void *self) {
  struct sma *s = self;
  free(s->prices);
  free(s);
}

static int32_t sma_changed(void *self) {
  struct sma *s = self;
  if (s->fast >= s->slow) return HADRON_ERR_ARGUMENT;
  if (s->prices) return HADRON_OK; // fast and slow do not change while active
  s->prices = calloc((size_t)s->slow, sizeof *s->prices);
  return s->prices ? HADRON_OK : HADRON_ERR_MEMORY;
}

static int32_t sma_start(void *self) {
  struct sma *s = self;
  const struct hadron_bar_request bars = {HADRON_BAR_TIME, 0, s->bar};
  return s->on_bars ? s->engine->bars(s->host->instance, &bars) : HADRON_OK;
}

// How far apart the averages are tells how sure the view is: the return that would close the gap.
static int32_t sma_decide(struct sma *s, int32_t side) {
  double fast = (double)s->sum_fast / (double)s->fast, slow = (double)s->sum_slow / (double)s->slow;
  double gap = slow > 0 ? (fast - slow) / slow : 0;
  struct hadron_decision d = {.instrument = s->instrument, .kind = HADRON_DECISION_TARGET, .mean_return = gap, .confidence = 0.5};
  d.uncertainty = gap < 0 ? -gap : gap;
  d.quantity.e8 = side > 0 ? s->size.e8 : s->long_only ? 0 : -s->size.e8;
  s->side = side;
  return s->engine->decide(s->host->instance, &d);
}

static int32_t sma_price(struct sma *s, int64_t price) {
  uint32_t slow = (uint32_t)s->slow, fast = (uint32_t)s->fast;
  int64_t out_slow = s->prices[s->at];
  int64_t out_fast = s->prices[s->at >= fast ? s->at - fast : s->at + slow - fast];
  s->prices[s->at] = price;
  s->at = s->at + 1 == slow ? 0 : s->at + 1;
  s->sum_slow += price - out_slow;
  s->sum_fast += price - out_fast;
  if (s->count < slow && ++s->count < slow) return HADRON_OK;
  int32_t side = s->sum_fast * s->slow > s->sum_slow * s->fast ? 1 : -1;
  return side == s->side ? HADRON_OK : sma_decide(s, side);
}

static int32_t sma_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct sma *s = self;
  (void)market;
  if (s->on_bars) return HADRON_OK;
  if (tick->kind == HADRON_TICK_TRADE) return sma_price(s, tick->value.trade.price.nanos);
  // A market that only quotes: its mid.
  if (market->last.nanos != 0 || market->bid.nanos == 0 || market->ask.nanos == 0) return HADRON_OK;
  return sma_price(s, market->bid.nanos + (market->ask.nanos - market->bid.nanos) / 2);
}

static int32_t sma_bar(void *self, const struct hadron_bar *bar, const struct hadron_market *market) {
  (void)market;
  return sma_price(self, bar->close.nanos);
}

// ---- state: what the averages need, oldest price first -----------------------------------------------------------------------------

struct sma_state {
  int64_t fast, slow;
  int32_t side;
  uint32_t count;
};

static int32_t sma_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct sma *s = self;
  struct sma_state head = {s->fast, s->slow, s->side, s->count};
  uint32_t need = (uint32_t)(sizeof head + (size_t)s->count * sizeof(int64_t));
  if (need > capacity) return HADRON_ERR_FULL;
  memcpy(buffer, &head, sizeof head);
  for (uint32_t i = 0; i < s->count; i++) {
    uint32_t from = (s->at + (uint32_t)s->slow - s->count + i) % (uint32_t)s->slow;
    memcpy((char *)buffer + sizeof head + i * sizeof(int64_t), &s->prices[from], sizeof(int64_t));
  }
  *size = need;
  return HADRON_OK;
}

// Another pair of lengths can still use the newest prices.
static int32_t sma_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct sma *s = self;
  struct sma_state head;
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size < sizeof head) return HADRON_ERR_CORRUPT;
  memcpy(&head, buffer, sizeof head);
  if (head.count > SLOW_MAX || size != sizeof head + head.count * sizeof(int64_t)) return HADRON_ERR_CORRUPT;
  uint32_t take = head.count < s->slow ? head.count : (uint32_t)s->slow;
  for (uint32_t i = head.count - take; i < head.count; i++) {
    int64_t price;
    memcpy(&price, (const char *)buffer + sizeof head + i * sizeof price, sizeof price);
    if (price <= 0) return HADRON_ERR_CORRUPT;
    s->side = head.side; // so that filling the ring does not decide anew
    uint32_t slow = (uint32_t)s->slow, fast = (uint32_t)s->fast;
    s->sum_slow += price - s->prices[s->at];
    s->sum_fast += price - s->prices[s->at >= fast ? s->at - fast : s->at + slow - fast];
    s->prices[s->at] = price;
    s->at = s->at + 1 == slow ? 0 : s->at + 1;
    if (s->count < slow) s->count++;
  }
  s->side = head.side;
  return HADRON_OK;
}

static const struct hadron_param params_table[] = {
    {"fast", "trades (or bars) in the fast average", "ticks", "10", HADRON_PARAM_INTEGER, offsetof(struct sma, fast), 8, 0, 1, SLOW_MAX - 1, 0, 0},
    {"slow", "trades (or bars) in the slow average", "ticks", "50", HADRON_PARAM_INTEGER, offsetof(struct sma, slow), 8, 0, 2, SLOW_MAX, 0, 0},
    {"size", "position to hold", "units", "100", HADRON_PARAM_QUANTITY, offsetof(struct sma, size), 8, 1, 1, INT64_MAX, 0, 0},
    {"long_only", "flat instead of short", "", "false", HADRON_PARAM_BOOL, offsetof(struct sma, long_only), 8, 1, 0, 1, 0, 0},
    {"on_bars", "averages of bar closes instead of trades", "", "false", HADRON_PARAM_BOOL, offsetof(struct sma, on_bars), 8, 0, 0, 1, 0, 0},
    {"bar", "length of those bars", "duration", "1m", HADRON_PARAM_DURATION, offsetof(struct sma, bar), 8, 0, 1, INT64_MAX, 0, 0},
};
static const struct hadron_params params = {sizeof params, sizeof params_table / sizeof *params_table, params_table, sma_changed};
static const struct hadron_state state = {sizeof state, 1, 1, sizeof(struct sma_state) + SLOW_MAX * sizeof(int64_t), sma_save, sma_load};

static const void *sma_capability(const char *name) {
  if (strcmp(name, HADRON_CAP_PARAMS) == 0) return &params;
  return strcmp(name, HADRON_CAP_STATE) == 0 ? &state : NULL;
}

static const struct hadron_strategy_api api = {
    .struct_size = sizeof api, .triggers = HADRON_ON_TRADE | HADRON_ON_QUOTE | HADRON_ON_BAR, .scope = HADRON_SCOPE_INSTRUMENT,
    .create = sma_create, .destroy = sma_destroy, .start = sma_start, .on_tick = sma_tick, .on_bar = sma_bar};

HADRON_PLUGIN(STRATEGY, "sma", "1.0.0", "Moving-average cross of trades, mids or bars", "hadron.strategy/1", &api, sma_capability);
