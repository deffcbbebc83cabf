// Market maker: keeps one bid and one ask working around the mid. The quotes lean against the inventory: long moves both down, short
// moves both up; at the position limit the side that would add to it is withdrawn. Prices and sizes are integers on the
// instrument's grid; a quote is moved only when it is off by at least `requote` increments, so that it keeps its place in the queue.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/strategy.h"

enum { SLOT_BID = 1, SLOT_ASK = 2 };

struct market_maker {
  const struct hadron_host *host;
  const struct hadron_strategy_host *engine;
  struct hadron_quantity size, position_max;     // parameters
  int64_t half_spread_bps, skew_bps, requote, post_only;
  uint32_t instrument;
  int64_t price[3], quantity[3];                 // [slot]: what was asked for last
};

static int32_t maker_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct market_maker *m = calloc(1, sizeof *m);
  if (!m) return HADRON_ERR_MEMORY;
  m->host = host;
  m->engine = host->capability(host->instance, "hadron.strategy/1");
  m->instrument = context->instruments[0];
  *self = m;
  return HADRON_OK;
}

static void maker_destroy(void *self) { free(self); }

static int32_t maker_changed(void *self) {
  const struct market_maker *m = self;
  return m->size.e8 > m->position_max.e8 ? HADRON_ERR_ARGUMENT : HADRON_OK;
}

// part of `price` in basis points; price / 10000 first, so that it cannot overflow
static int64_t bps_of(int64_t price, int64_t bps) { return price / 10000 * bps + price % 10000 * bps / 10000; }

static int32_t maker_work(struct market_maker *m, uint16_t slot, int64_t price, int64_t quantity, int64_t increment) {
  int64_t moved = price > m->price[slot] ? price - m->price[slot] : m->price[slot] - price;
  if (quantity == m->quantity[slot] && (quantity == 0 || moved < m->requote * increment)) return HADRON_OK;
  struct hadron_decision d = {.instrument = m->instrument,
                              .kind = HADRON_DECISION_WORK,
                              .slot = slot,
                              .side = slot == SLOT_BID ? HADRON_SIDE_BUY : HADRON_SIDE_SELL,
                              .order_type = HADRON_ORDER_LIMIT,
                              .time_in_force = HADRON_TIF_GTC,
                              .flags = m->post_only ? HADRON_ORDER_POST_ONLY : 0,
                              .limit = {price},
                              .quantity = {quantity},
                              .confidence = 0.5};
  m->price[slot] = price;
  m->quantity[slot] = quantity;
  return m->engine->decide(m->host->instance, &d);
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static int32_t maker_quote(struct market_maker *m, const struct hadron_market *market) {
  int64_t step = market->increment.nanos, lot = market->lot.e8;
  int64_t mid = market->bid.nanos + (market->ask.nanos - market->bid.nanos) / 2;
  // Inventory as a share of its limit, in 1/10000, moves the centre by up to skew_bps.
  int64_t lean = (int64_t)((__int128)market->position.e8 * 10000 / m->position_max.e8);
  int64_t centre = mid - (int64_t)((__int128)bps_of(mid, m->skew_bps) * lean / 10000);
  int64_t half = bps_of(mid, m->half_spread_bps);
  if (half < step) half = step;
  int64_t bid = (centre - half) / step * step, ask = (centre + half + step - 1) / step * step;
  if (m->post_only && bid >= market->ask.nanos) bid = market->ask.nanos - step;
  if (m->post_only && ask <= market->bid.nanos) ask = market->bid.nanos + step;
  if (bid <= 0) return HADRON_OK;
  int64_t room_up = m->position_max.e8 - market->position.e8, room_down = m->position_max.e8 + market->position.e8;
  int64_t buy = smaller(m->size.e8, room_up > 0 ? room_up : 0) / lot * lot;
  int64_t sell = smaller(m->size.e8, room_down > 0 ? room_down : 0) / lot * lot;
  int32_t code = maker_work(m, SLOT_BID, bid, buy, step);
  return code ? code : maker_work(m, SLOT_ASK, ask, sell, step);
}

static int32_t maker_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct market_maker *m = self;
  if (tick->kind == HADRON_TICK_STATUS && market->state != HADRON_MARKET_OPEN) {
    int32_t code = maker_work(m, SLOT_BID, m->price[SLOT_BID], 0, market->increment.nanos);
    return code ? code : maker_work(m, SLOT_ASK, m->price[SLOT_ASK], 0, market->increment.nanos);
  }
  if (market->bid.nanos == 0 || market->ask.nanos == 0 || market->state != HADRON_MARKET_OPEN) return HADRON_OK;
  return maker_quote(m, market);
}

// A quote that is gone (filled, refused, cancelled by somebody else) is asked for again on the next tick.
static int32_t maker_order(void *self, const struct hadron_order_event *event, const struct hadron_market *market) {
  struct market_maker *m = self;
  (void)market;
  if (event->slot != SLOT_BID && event->slot != SLOT_ASK) return HADRON_OK;
  bool gone = event->to == HADRON_STATE_FILLED || event->to == HADRON_STATE_REJECTED || event->to == HADRON_STATE_DENIED ||
              event->to == HADRON_STATE_EXPIRED || event->to == HADRON_STATE_CANCELED;
  if (gone) m->quantity[event->slot] = 0;
  return HADRON_OK;
}

static const struct hadron_param params_table[] = {
    {"size", "quantity of each quote", "units", "100", HADRON_PARAM_QUANTITY, offsetof(struct market_maker, size), 8, 1, 1, INT64_MAX, 0, 0},
    {"position_max", "largest position, long or short", "units", "1000", HADRON_PARAM_QUANTITY, offsetof(struct market_maker, position_max), 8, 1, 1, INT64_MAX, 0, 0},
    {"half_spread_bps", "distance of each quote from the centre", "bps", "5", HADRON_PARAM_INTEGER, offsetof(struct market_maker, half_spread_bps), 8, 1, 0, 5000, 0, 0},
    {"skew_bps", "how far a full inventory moves the centre", "bps", "5", HADRON_PARAM_INTEGER, offsetof(struct market_maker, skew_bps), 8, 1, 0, 5000, 0, 0},
    {"requote", "increments that a quote may be off before it is moved", "increments", "2", HADRON_PARAM_INTEGER, offsetof(struct market_maker, requote), 8, 1, 1, 1000000, 0, 0},
    {"post_only", "never take", "", "true", HADRON_PARAM_BOOL, offsetof(struct market_maker, post_only), 8, 1, 0, 1, 0, 0},
};
static const struct hadron_params params = {sizeof params, sizeof params_table / sizeof *params_table, params_table, maker_changed};

static const void *maker_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_strategy_api api = {
    .struct_size = sizeof api, .triggers = HADRON_ON_QUOTE | HADRON_ON_STATUS | HADRON_ON_ORDER, .scope = HADRON_SCOPE_INSTRUMENT,
    .create = maker_create, .destroy = maker_destroy, .on_tick = maker_tick, .on_order = maker_order};

HADRON_PLUGIN(STRATEGY, "market_maker", "1.0.0", "Quotes both sides around the mid, leaning against its inventory", "hadron.strategy/1",
              &api, maker_capability);
