// Long-only trend with a volatility target: invested while the fast average of the last closes is above the slow one, flat otherwise.
// How much: the share of equity at which the position's expected volatility is the target, and never more than `invested_max`. It
// decides on closed bars and acts on the first trade after them, at a price that could have been had.
//
// All of it in integers: averages as sums, returns in 1e-9, the root by bits. Equity is followed by the arm's own executions.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/ext/state.h"
#include "hadron/strategy.h"

#define SLOW_MAX 1024
#define UNIT INT64_C(1000000000) // returns, volatilities and shares are in 1e-9
#define BPS INT64_C(10000)

struct trend {
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  int64_t fast, slow, volatility_bars, target_bps, periods, bar, invested_max_bps, band_bps; // parameters
  struct hadron_money capital;
  uint32_t instrument, at, count;
  int64_t closes[SLOW_MAX + 1];  // ring of the last slow + 1
  int64_t share;                 // wanted, of equity
  int64_t spent_micros;          // on the position and fees, less what sales brought
  int64_t pending;               // a bar has closed: act on the next trade
};

static int32_t trend_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct trend *t = calloc(1, sizeof *t);
  if (!t) return HADRON_ERR_MEMORY;
  t->host = host;
  t->engine = host->capability(host->instance, "hadron.strategy/1");
  t->instrument = context->instruments[0];
  *self = t;
  return HADRON_OK;
}

static void trend_destroy(void *self) { free(self); }

static int32_t trend_changed(void *self) {
  const struct trend *t = self;
  return t->fast < t->slow && t->volatility_bars <= t->slow ? HADRON_OK : HADRON_ERR_ARGUMENT;
}

static int32_t trend_start(void *self) {
  struct trend *t = self;
  const struct hadron_bar_request bars = {HADRON_BAR_TIME, 0, t->bar};
  return t->engine->bars(t->host->instance, &bars);
}

// The close `back` bars ago; 0 is the last.
static int64_t close_at(const struct trend *t, int64_t back) {
  uint32_t room = (uint32_t)t->slow + 1;
  return t->closes[(t->at + room - 1 - (uint32_t)back) % room];
}

static hadron_int128 sum_of(const struct trend *t, int64_t bars) {
  hadron_int128 sum = 0;
  for (int64_t i = 0; i < bars; i++) sum += close_at(t, i);
  return sum;
}

static int64_t root(hadron_int128 n) { // floor; n < 2^126
  hadron_int128 r = 0;
  for (hadron_int128 bit = (hadron_int128)1 << 62; bit > 0; bit /= 2)
    if ((r + bit) * (r + bit) <= n) r += bit;
  return r > INT64_MAX ? INT64_MAX : (int64_t)r;
}

// Standard deviation of the returns per year, about zero: a mean of so few returns is noise.
static int64_t volatility_of(const struct trend *t) {
  hadron_int128 squares = 0;
  for (int64_t i = 0; i < t->volatility_bars; i++) {
    int64_t before = close_at(t, i + 1);
    hadron_int128 change = (hadron_int128)(close_at(t, i) - before) * UNIT / before;
    if (change > UNIT) change = UNIT; // doubled in a bar: as volatile as anything can be here
    squares += change * change;
  }
  return root(squares * t->periods / t->volatility_bars);
}

static int64_t share_wanted(const struct trend *t) {
  int64_t most = t->invested_max_bps * (UNIT / BPS);
  if (sum_of(t, t->fast) * t->slow <= sum_of(t, t->slow) * t->fast) return 0;
  int64_t volatility = volatility_of(t);
  hadron_int128 share = volatility > 0 ? (hadron_int128)t->target_bps * (UNIT / BPS) * UNIT / volatility : most;
  return share > most ? most : (int64_t)share;
}

static int32_t trend_bar(void *self, const struct hadron_bar *bar, const struct hadron_market *market) {
  struct trend *t = self;
  uint32_t room = (uint32_t)t->slow + 1;
  (void)market;
  t->closes[t->at] = bar->close.nanos;
  t->at = t->at + 1 == room ? 0 : t->at + 1;
  if (t->count < room && ++t->count < room) return HADRON_OK;
  t->share = share_wanted(t);
  t->pending = 1;
  return HADRON_OK;
}

// The position that the share of equity buys at this price, in whole lots.
static int32_t position_wanted(const struct trend *t, const struct hadron_market *m, struct hadron_price price, int64_t *equity, int64_t *wanted) {
  struct hadron_money value;
  const struct hadron_quantity one = {HADRON_QUANTITY_SCALE};
  int32_t code = hadron_notional(price, m->position, one, &value);
  if (code) return code;
  if (__builtin_sub_overflow(t->capital.micros, t->spent_micros, equity) || __builtin_add_overflow(*equity, value.micros, equity))
    return HADRON_ERR_OVERFLOW;
  if (*equity <= 0 || price.nanos <= 0) {
    *wanted = 0;
    return HADRON_OK;
  }
  hadron_int128 money = (hadron_int128)*equity * t->share / UNIT; // micros
  hadron_int128 e8 = money * (HADRON_PRICE_SCALE / HADRON_MONEY_SCALE) * HADRON_QUANTITY_SCALE / price.nanos;
  if (e8 > INT64_MAX) return HADRON_ERR_OVERFLOW;
  *wanted = (int64_t)e8 - (int64_t)e8 % m->lot.e8;
  return HADRON_OK;
}

static int32_t trend_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct trend *t = self;
  int64_t equity, wanted;
  if (tick->kind != HADRON_TICK_TRADE || !t->pending) return HADRON_OK;
  t->pending = 0;
  int32_t code = position_wanted(t, market, tick->value.trade.price, &equity, &wanted);
  if (code) return code;
  int64_t held = market->position.e8, change = wanted > held ? wanted - held : held - wanted;
  // Entering and leaving always; else only what is worth its costs.
  hadron_int128 worth = (hadron_int128)change * tick->value.trade.price.nanos / HADRON_QUANTITY_SCALE / (HADRON_PRICE_SCALE / HADRON_MONEY_SCALE);
  bool small = worth * BPS < (hadron_int128)equity * t->band_bps;
  if (change == 0 || (small && wanted != 0 && held != 0)) return HADRON_OK;
  struct hadron_decision d = {.instrument = t->instrument, .kind = HADRON_DECISION_TARGET, .quantity = {wanted}, .confidence = 0.5};
  d.mean_return = wanted > held ? 0.01 : -0.01;
  d.uncertainty = 0.1;
  return t->engine->decide(t->host->instance, &d);
}

static int32_t trend_execution(void *self, const struct hadron_allocation *a, const struct hadron_market *market) {
  struct trend *t = self;
  struct hadron_money value;
  const struct hadron_quantity one = {HADRON_QUANTITY_SCALE};
  (void)market;
  int32_t code = hadron_notional(a->price, a->quantity, one, &value);
  if (code) return code;
  int64_t sign = (a->side == HADRON_SIDE_BUY ? 1 : -1) * (a->flags & 1 ? -1 : 1), fee = a->flags & 1 ? -a->fee.micros : a->fee.micros;
  if (__builtin_add_overflow(t->spent_micros, sign * value.micros, &t->spent_micros)) return HADRON_ERR_OVERFLOW;
  return __builtin_add_overflow(t->spent_micros, fee, &t->spent_micros) ? HADRON_ERR_OVERFLOW : HADRON_OK;
}

// ---- state: the closes, oldest first, and what was spent ---------------------------------------------------------------------------

struct trend_state {
  int64_t slow, share, spent_micros, pending, count;
};

static int32_t trend_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct trend *t = self;
  const struct trend_state head = {t->slow, t->share, t->spent_micros, t->pending, t->count};
  uint32_t need = (uint32_t)(sizeof head + t->count * sizeof(int64_t));
  if (need > capacity) return HADRON_ERR_FULL;
  memcpy(buffer, &head, sizeof head);
  for (uint32_t i = 0; i < t->count; i++) {
    int64_t price = close_at(t, t->count - 1 - i);
    memcpy((char *)buffer + sizeof head + i * sizeof price, &price, sizeof price);
  }
  *size = need;
  return HADRON_OK;
}

static int32_t trend_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct trend *t = self;
  struct trend_state head;
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size < sizeof head) return HADRON_ERR_CORRUPT;
  memcpy(&head, buffer, sizeof head);
  bool fine = head.count >= 0 && head.count <= SLOW_MAX + 1 && head.share >= 0 && head.share <= UNIT && (head.pending == 0 || head.pending == 1);
  if (!fine || size != sizeof head + (size_t)head.count * sizeof(int64_t)) return HADRON_ERR_CORRUPT;
  int64_t room = t->slow + 1, skip = head.count > room ? head.count - room : 0; // another length can still use the newest
  for (int64_t i = 0; i < head.count; i++) {
    int64_t price;
    memcpy(&price, (const char *)buffer + sizeof head + (size_t)i * sizeof price, sizeof price);
    if (price <= 0) return HADRON_ERR_CORRUPT;
    if (i < skip) continue;
    t->closes[t->at] = price;
    t->at = t->at + 1 == (uint32_t)room ? 0 : t->at + 1;
    t->count++;
  }
  t->share = head.share;
  t->spent_micros = head.spent_micros;
  t->pending = head.pending;
  return HADRON_OK;
}

#define AT(field) offsetof(struct trend, field), 8
static const struct hadron_param params_table[] = {
    {"fast", "bars in the fast average", "bars", "50", HADRON_PARAM_INTEGER, AT(fast), 0, 1, SLOW_MAX - 1, 0, 0},
    {"slow", "bars in the slow average", "bars", "200", HADRON_PARAM_INTEGER, AT(slow), 0, 2, SLOW_MAX, 0, 0},
    {"volatility_bars", "bars in the estimate of volatility", "bars", "20", HADRON_PARAM_INTEGER, AT(volatility_bars), 0, 2, SLOW_MAX, 0, 0},
    {"target_bps", "volatility of equity to aim at while invested", "bps per year", "1500", HADRON_PARAM_INTEGER, AT(target_bps), 1, 1, 100000, 0, 0},
    {"periods", "bars in a year", "bars", "252", HADRON_PARAM_INTEGER, AT(periods), 0, 1, 100000000, 0, 0},
    {"bar", "length of a bar", "duration", "1d", HADRON_PARAM_DURATION, AT(bar), 0, 1, INT64_MAX, 0, 0},
    {"capital", "equity to begin with", "", "1000000", HADRON_PARAM_MONEY, AT(capital), 0, 1, INT64_MAX / 1000, 0, 0},
    {"invested_max_bps", "largest share of equity in the market", "bps", "9800", HADRON_PARAM_INTEGER, AT(invested_max_bps), 1, 0, BPS, 0, 0},
    {"band_bps", "smallest change of a position, of equity; entering and leaving are always done", "bps", "1000", HADRON_PARAM_INTEGER, AT(band_bps), 1, 0, BPS, 0, 0},
};
static const struct hadron_params params = {sizeof params, sizeof params_table / sizeof *params_table, params_table, trend_changed};
static const struct hadron_state state = {sizeof state, 1, 1, sizeof(struct trend_state) + (SLOW_MAX + 1) * sizeof(int64_t), trend_save, trend_load};

static const void *trend_capability(const char *name) {
  if (strcmp(name, HADRON_CAP_PARAMS) == 0) return &params;
  return strcmp(name, HADRON_CAP_STATE) == 0 ? &state : NULL;
}

static const struct hadron_strategy_api api = {
    .struct_size = sizeof api, .triggers = HADRON_ON_TRADE | HADRON_ON_BAR | HADRON_ON_EXECUTION, .scope = HADRON_SCOPE_INSTRUMENT,
    .create = trend_create, .destroy = trend_destroy, .start = trend_start, .on_tick = trend_tick, .on_bar = trend_bar,
    .on_execution = trend_execution};

HADRON_PLUGIN(STRATEGY, "trend", "1.0.0", "Long-only trend of bars with a volatility target", "hadron.strategy/1", &api, trend_capability);
