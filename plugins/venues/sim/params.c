// Parameters of the simulated venue; docs/sim.md has the same table with more words.
#include <stdarg.h>
#include <stdio.h>

#include "sim.h"

#define AT(field) (uint32_t)offsetof(struct sim, params.field), (uint32_t)sizeof(((struct sim *)0)->params.field)
#define TEXT(name, initial, unit, help) {#name, help, unit, initial, HADRON_PARAM_TEXT, AT(name), 0, 0, 0, 0, 0}
#define WHOLE(name, initial, unit, min, max, help) {#name, help, unit, initial, HADRON_PARAM_INTEGER, AT(name), 0, min, max, 0, 0}
#define FLAG(name, initial, help) {#name, help, "", initial, HADRON_PARAM_BOOL, AT(name), 0, 0, 1, 0, 0}
#define REAL(name, initial, unit, live, min, max, help) {#name, help, unit, initial, HADRON_PARAM_REAL, AT(name), live, 0, 0, min, max}
#define SPAN(name, initial, max, help) {#name, help, "", initial, HADRON_PARAM_DURATION, AT(name), 1, 0, max, 0, 0}
// Exact decimals: basis points and fractions are read like prices, so that no double comes near money.
#define EXACT(name, initial, unit, min, max, help) \
  {#name, help, unit, initial, HADRON_PARAM_PRICE, AT(name), 1, (min) * HADRON_PRICE_SCALE, (max) * HADRON_PRICE_SCALE, 0, 0}
#define CASH(name, initial, help) \
  {#name, help, "", initial, HADRON_PARAM_MONEY, AT(name), 1, -1000000 * HADRON_MONEY_SCALE, 1000000 * HADRON_MONEY_SCALE, 0, 0}
#define SIZE(name, initial, help) {#name, help, "", initial, HADRON_PARAM_QUANTITY, AT(name), 0, 1, INT64_MAX / 1000000, 0, 0}
#define COST(name, initial, max, help) {#name, help, "", initial, HADRON_PARAM_PRICE, AT(name), 0, 1, (max) * HADRON_PRICE_SCALE, 0, 0}
#define HOUR_NS (INT64_C(3600) * 1000000000)

static const struct hadron_param rows[] = {
    TEXT(flow, "none", "", "none: fill orders against other venues' ticks; random: be an exchange with flow of its own"),
    WHOLE(orders_max, "4096", "orders", 16, 1048576, "orders remembered, open and closed; closed ones leave oldest first"),
    WHOLE(seed, "0", "", 0, INT64_MAX, "of latency, refusals and flow; 0: from the host's stream"),
    SPAN(entry_latency, "0ms", HOUR_NS, "from submit to the matching"),
    SPAN(entry_jitter, "0ms", HOUR_NS, "added to it, uniform from 0 to this"),
    SPAN(response_latency, "0ms", HOUR_NS, "from the matching to the report"),
    SPAN(response_jitter, "0ms", HOUR_NS, "added to it, uniform from 0 to this"),
    EXACT(maker_bps, "0", "bps", -10000, 10000, "fee on the notional of resting fills; negative: a rebate"),
    EXACT(taker_bps, "0", "bps", -10000, 10000, "fee on the notional of taking fills; negative: a rebate"),
    CASH(fee_per_share, "0", "fee per unit, but for futures and event contracts"),
    CASH(fee_per_contract, "0", "fee per unit of futures and event contracts"),
    CASH(fee_min, "0", "least fee of an order that trades and owes a fee"),
    CASH(fee_max, "0", "most fee of an order; 0: no bound"),
    REAL(reject_rate, "0", "", 1, 0, 1, "share of orders refused at random"),
    TEXT(session_end, "", "HH:MM UTC", "when DAY orders expire; empty: never"),
    // none
    WHOLE(instruments_max, "4096", "instruments", 1, 1048576, "none: highest canonical instrument"),
    TEXT(queue, "size", "", "none: front: first at our price; size: behind the size shown; conservative: cancels ahead do not help"),
    EXACT(participation, "0", "", 0, 1, "none: share of a tick's size that our orders may have; 0: no bound"),
    EXACT(slippage_bps, "0", "bps", 0, 10000, "none: market orders trade this much worse"),
    WHOLE(slippage_ticks, "0", "ticks", 0, 1000000, "none: and this many increments worse"),
    EXACT(impact_bps, "0", "bps", 0, 10000, "none: and this times the root of quantity over the tick's size"),
    // random
    WHOLE(instruments, "20", "instruments", 1, 4096, "random: how many; SIM00, SIM01, ..."),
    TEXT(symbols, "", "", "random: their symbols instead, a list"),
    TEXT(currency, "USD", "", "random: of all instruments"),
    WHOLE(asset, "1", "", 1, 5, "random: 1 equity, 2 forex, 3 crypto, 4 future, 5 event contract"),
    COST(price, "100", 1000000, "random: first price of the first instrument"),
    COST(tick_size, "0.01", 1000000, "random: price increment"),
    SIZE(lot, "1", "random: size increment"),
    SIZE(size, "100", "random: typical size of an order of the flow"),
    FLAG(vary, "true", "random: prices and rates differ from one instrument to the next"),
    REAL(volatility, "0.5", "per year", 0, 0, 100, "random: standard deviation of the fair value's log return"),
    REAL(rate, "50", "1/s", 0, 0.001, 100000, "random: events per second and instrument, on average"),
    REAL(spread, "2", "ticks", 0, 1, 1000, "random: width the flow leaves around the fair value"),
    REAL(noise, "2", "ticks", 0, 0, 1000, "random: standard deviation of the mean-reverting part"),
    SPAN(noise_time, "10s", HOUR_NS, "random: its time constant"),
    FLAG(depth, "false", "random: publish BOOK ticks, a level at a time"),
    SPAN(feed_latency, "0ms", HOUR_NS, "random: from the event to its tick"),
    SPAN(feed_jitter, "0ms", HOUR_NS, "random: added to it, uniform from 0 to this"),
};

int32_t sim_fail(struct sim *s, int32_t code, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  s->venue->fail(s->host->instance, text);
  return code;
}

static int32_t parse_session_end(struct sim *s) {
  const char *t = s->params.session_end;
  s->session_end_ns = -1;
  if (t[0] == '\0') return HADRON_OK;
  unsigned hour = 99, minute = 99;
  char rest;
  if (strlen(t) != 5 || sscanf(t, "%2u:%2u%c", &hour, &minute, &rest) != 2 || hour > 23 || minute > 59)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: session_end is \"%s\"; expected \"HH:MM\", UTC, or \"\" for no end", t);
  s->session_end_ns = ((int64_t)hour * 3600 + (int64_t)minute * 60) * 1000000000;
  return HADRON_OK;
}

static int32_t changed(void *self) {
  struct sim *s = self;
  static const char *const queues[] = {"front", "size", "conservative"};
  const struct sim_params *p = &s->params;
  bool random = strcmp(p->flow, "random") == 0;
  if (!random && strcmp(p->flow, "none") != 0)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: flow is \"%s\"; expected \"none\" or \"random\"", p->flow);
  uint32_t queue = 0;
  while (queue < 3 && strcmp(p->queue, queues[queue]) != 0) queue++;
  if (queue == 3)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: queue is \"%s\"; expected \"front\", \"size\" or \"conservative\"", p->queue);
  if (p->fee_max.micros > 0 && p->fee_min.micros > p->fee_max.micros)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: fee_min is above fee_max (%lld and %lld micros); lower the one or raise the other",
                    (long long)p->fee_min.micros, (long long)p->fee_max.micros);
  if (p->fee_min.micros < 0 || p->fee_max.micros < 0)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: fee_min and fee_max must not be negative; rebates go into maker_bps");
  if (random && p->price.nanos < p->tick_size.nanos * 100)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: price is %lld and tick_size %lld (1e-9); a price needs at least 100 ticks",
                    (long long)p->price.nanos, (long long)p->tick_size.nanos);
  if (random && p->size.e8 < p->lot.e8)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: size is below lot (%lld and %lld, 1e-8)", (long long)p->size.e8, (long long)p->lot.e8);
  int32_t error = parse_session_end(s);
  if (error) return error;
  s->queue = queue;
  if (!s->active) s->exchange = random;
  return HADRON_OK;
}

const struct hadron_params sim_params_table = {
    .struct_size = sizeof(struct hadron_params),
    .count = sizeof rows / sizeof rows[0],
    .params = rows,
    .changed = changed,
};
