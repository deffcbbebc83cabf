// A venue to copy: a small exchange of its own. Prices walk at random from the host's seeded stream, so a run repeats to the byte; orders
// are acknowledged, rest, and fill against the quote. A real venue has a connection where this one has a random walk: it begins what it
// needs in `start`, does what is due in `poll`, and never blocks.
//
//   gcc -std=c17 -O2 -fPIC -shared -I sdk/include my_venue.c -o my_venue.so
//   hadron validate my_venue.so
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hadron/ext/params.h>
#include <hadron/venue.h>

#define SYMBOLS_MAX 16
#define ORDERS_MAX 256  // resting at once; more: submit says FULL and the host takes it as not sent
#define STEPS_MAX 64    // of the walk in one poll: a bounded piece of work
#define INCREMENT_NANOS INT64_C(10000000) // 0.01

struct walk_listing {
  uint32_t handle;
  int64_t mid_nanos;
  uint64_t sequence;
};

enum walk_stage { STAGE_FREE = 0, STAGE_NEW, STAGE_WORKING };

struct walk_order {
  enum walk_stage stage;
  int cancel; // asked for
  uint64_t number;
  struct hadron_order order;
};

struct walk {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  uint16_t venue_number;
  char symbols[512]; // parameters
  int64_t interval_ns, fee_bps;
  struct hadron_price price;

  struct walk_listing listings[SYMBOLS_MAX];
  uint32_t count;
  int64_t next_ns; // of the next step; 0 before the first poll
  struct hadron_tick ticks[2 * SYMBOLS_MAX]; // of the step that is being handed over
  uint32_t tick_count, tick_sent;
  struct walk_order orders[ORDERS_MAX];
  uint64_t order_number, execution_number;
};

static int32_t walk_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct walk *w = calloc(1, sizeof *w);
  if (w == NULL) return HADRON_ERR_MEMORY;
  w->host = host;
  w->venue = host->capability(host->instance, "hadron.venue/1");
  w->venue_number = context->venue;
  *self = w;
  return HADRON_OK;
}

static void walk_destroy(void *self) { free(self); }

// ---- listings ---------------------------------------------------------------------------------------------------------------------------

static int32_t walk_list(struct walk *w, const char *symbol, size_t size) {
  struct hadron_listing listing = {.currency = "USD", .increment = {INCREMENT_NANOS}, .lot = {HADRON_QUANTITY_SCALE},
                                   .multiplier = {HADRON_QUANTITY_SCALE}, .asset = 1};
  struct walk_listing *l = &w->listings[w->count];
  if (w->count == SYMBOLS_MAX || size >= sizeof listing.symbol) {
    w->venue->fail(w->host->instance, "walk: `symbols` holds up to 16 symbols of up to 31 characters; shorten the list");
    return HADRON_ERR_RANGE;
  }
  memcpy(listing.symbol, symbol, size);
  int32_t err = w->venue->resolve(w->host->instance, &listing, &l->handle);
  if (err == HADRON_ERR_NOT_FOUND) return HADRON_OK; // the universe does not want it
  if (err != HADRON_OK) return err;
  l->mid_nanos = w->price.nanos / INCREMENT_NANOS * INCREMENT_NANOS;
  w->count++;
  return HADRON_OK;
}

static int32_t walk_start(void *self) {
  struct walk *w = self;
  w->venue->status(w->host->instance, HADRON_VENUE_CONNECTING, "opening the exchange");
  for (const char *at = w->symbols; *at != '\0';) { // a list of the config comes joined by newlines
    size_t size = strcspn(at, "\n");
    int32_t err = size > 0 ? walk_list(w, at, size) : HADRON_OK;
    if (err != HADRON_OK) return err;
    at += size + (at[size] == '\n');
  }
  w->venue->status(w->host->instance, HADRON_VENUE_READY, "open");
  return HADRON_OK;
}

static void walk_stop(void *self) {
  struct walk *w = self;
  w->count = 0; // nothing left to say; may come twice
  w->tick_count = w->tick_sent = 0;
  memset(w->orders, 0, sizeof w->orders);
}

// ---- orders -----------------------------------------------------------------------------------------------------------------------------

static void walk_report(struct walk *w, const struct walk_order *o, uint8_t change, struct hadron_venue_report *r, int64_t now_ns) {
  r->venue_ns = now_ns;
  r->client_order_id = o->order.client_order_id;
  r->listing = o->order.listing;
  r->venue = w->venue_number;
  r->side = o->order.side;
  r->change = change;
  if (o->number > 0) snprintf(r->venue_order_id, sizeof r->venue_order_id, "W%llu", (unsigned long long)o->number);
  w->venue->report(w->host->instance, r);
}

static void walk_fill(struct walk *w, struct walk_order *o, struct hadron_price price, uint8_t liquidity, int64_t now_ns) {
  struct hadron_venue_report r = {.price = price, .quantity = o->order.quantity, .cumulative = o->order.quantity, .liquidity = liquidity};
  struct hadron_money notional = {0};
  // An overflow leaves the fee at 0; risk has bounded the notional long before.
  if (hadron_notional(price, o->order.quantity, (struct hadron_quantity){HADRON_QUANTITY_SCALE}, &notional) == HADRON_OK)
    (void)hadron_narrow(hadron_divide_round((hadron_int128)notional.micros * w->fee_bps, 10000), &r.fee.micros);
  snprintf(r.execution_id, sizeof r.execution_id, "X%llu", (unsigned long long)++w->execution_number);
  walk_report(w, o, HADRON_CHANGE_FILL, &r, now_ns);
  o->stage = STAGE_FREE;
}

static const struct walk_listing *walk_find(const struct walk *w, uint32_t handle) {
  for (uint32_t i = 0; i < w->count; i++)
    if (w->listings[i].handle == handle) return &w->listings[i];
  return NULL;
}

// One order against the quote of its listing: acknowledged first, then filled whole, kept, or given back.
static void walk_match(struct walk *w, struct walk_order *o, int64_t now_ns) {
  const struct walk_listing *l = walk_find(w, o->order.listing);
  int buy = o->order.side == HADRON_SIDE_BUY, fresh = o->stage == STAGE_NEW;
  struct hadron_venue_report none = {.cumulative = {0}};
  if (fresh && l == NULL) {
    snprintf(none.text, sizeof none.text, "no such listing here");
    walk_report(w, o, HADRON_CHANGE_REJECT, &none, now_ns);
    o->stage = STAGE_FREE;
    return;
  }
  if (fresh) {
    struct hadron_venue_report ack = {.cumulative = {0}};
    o->number = ++w->order_number;
    o->stage = STAGE_WORKING;
    walk_report(w, o, HADRON_CHANGE_ACCEPT, &ack, now_ns);
  }
  struct hadron_price touch = {l->mid_nanos + (buy ? INCREMENT_NANOS : -INCREMENT_NANOS)}, limit = o->order.limit;
  int market = o->order.order_type == HADRON_ORDER_MARKET;
  int crosses = market || (buy ? limit.nanos >= touch.nanos : limit.nanos <= touch.nanos);
  int keeps = o->order.time_in_force != HADRON_TIF_IOC && o->order.time_in_force != HADRON_TIF_FOK;
  if (!o->cancel && crosses) {
    // What comes to the quote takes its price; what has rested is met at its own.
    walk_fill(w, o, fresh || market ? touch : limit, fresh ? HADRON_LIQUIDITY_TAKER : HADRON_LIQUIDITY_MAKER, now_ns);
    return;
  }
  int expired = o->order.time_in_force == HADRON_TIF_GTD && o->order.expire_ns <= now_ns;
  if (!o->cancel && keeps && !expired) return;
  walk_report(w, o, expired && !o->cancel ? HADRON_CHANGE_EXPIRE : HADRON_CHANGE_CANCELED, &none, now_ns);
  o->stage = STAGE_FREE;
}

static int32_t walk_submit(void *self, const struct hadron_order *order) {
  struct walk *w = self;
  for (uint32_t i = 0; i < ORDERS_MAX; i++) {
    if (w->orders[i].stage != STAGE_FREE) continue;
    w->orders[i] = (struct walk_order){.stage = STAGE_NEW, .order = *order};
    return HADRON_OK; // the outcome comes from the next poll
  }
  return HADRON_ERR_FULL;
}

static int32_t walk_cancel(void *self, const struct hadron_order *order) {
  struct walk *w = self;
  for (uint32_t i = 0; i < ORDERS_MAX; i++) {
    struct walk_order *o = &w->orders[i];
    if (o->stage == STAGE_FREE || memcmp(&o->order.client_order_id, &order->client_order_id, sizeof order->client_order_id) != 0) continue;
    o->cancel = 1;
    return HADRON_OK;
  }
  struct hadron_venue_report r = {.cumulative = {-1}, .text = "not working here"}; // filled before the cancel came
  struct walk_order absent = {.order = *order};
  walk_report(w, &absent, HADRON_CHANGE_CANCEL_REJECT, &r, w->host->now_ns(w->host->instance));
  return HADRON_OK;
}

// ---- ticks ------------------------------------------------------------------------------------------------------------------------------

// One step of every listing: the mid moves by -1, 0 or +1 increments, then a quote around it and a trade on one side of it.
static void walk_step(struct walk *w, int64_t at_ns) {
  w->tick_count = w->tick_sent = 0;
  for (uint32_t i = 0; i < w->count; i++) {
    struct walk_listing *l = &w->listings[i];
    uint64_t chance = w->host->random(w->host->instance);
    l->mid_nanos += ((int64_t)(chance % 3) - 1) * INCREMENT_NANOS;
    if (l->mid_nanos < 2 * INCREMENT_NANOS) l->mid_nanos = 2 * INCREMENT_NANOS; // the bid stays above zero
    int64_t size = (int64_t)(1 + (chance >> 8) % 100) * HADRON_QUANTITY_SCALE;
    struct hadron_tick *t = &w->ticks[w->tick_count];
    t[0] = (struct hadron_tick){.event_ns = at_ns, .recv_ns = at_ns, .sequence = ++l->sequence, .instrument = l->handle,
                                .venue = w->venue_number, .kind = HADRON_TICK_QUOTE};
    t[0].value.quote = (struct hadron_quote){{l->mid_nanos - INCREMENT_NANOS}, {l->mid_nanos + INCREMENT_NANOS}, {size}, {size}};
    t[1] = t[0];
    t[1].kind = HADRON_TICK_TRADE;
    t[1].flags = HADRON_TICK_LAST;
    t[1].sequence = ++l->sequence;
    uint8_t aggressor = (chance >> 16) & 1 ? HADRON_SIDE_BUY : HADRON_SIDE_SELL;
    int64_t price = l->mid_nanos + (aggressor == HADRON_SIDE_BUY ? INCREMENT_NANOS : -INCREMENT_NANOS);
    t[1].value.trade = (struct hadron_trade){.price = {price}, .quantity = {size}, .trade_id = l->sequence, .aggressor = aggressor};
    w->tick_count += 2;
  }
}

// True when all ticks of the step were taken; else the host wants us to wait with the rest.
static int walk_hand_over(struct walk *w) {
  if (w->tick_sent < w->tick_count)
    w->tick_sent += w->venue->ticks(w->host->instance, w->ticks + w->tick_sent, w->tick_count - w->tick_sent);
  return w->tick_sent == w->tick_count;
}

static int64_t walk_poll(void *self, int64_t now_ns) {
  struct walk *w = self;
  if (w->next_ns == 0) w->next_ns = now_ns;
  for (int step = 0; step < STEPS_MAX; step++) {
    if (!walk_hand_over(w)) return now_ns;
    if (w->count == 0) return INT64_MAX;
    if (w->next_ns > now_ns) break;
    int64_t at_ns = w->next_ns;
    walk_step(w, at_ns);
    w->next_ns += w->interval_ns;
    for (uint32_t i = 0; i < ORDERS_MAX; i++)
      if (w->orders[i].stage != STAGE_FREE) walk_match(w, &w->orders[i], at_ns);
  }
  return w->next_ns > now_ns ? w->next_ns : now_ns;
}

// ---- parameters and the entry -------------------------------------------------------------------------------------------------------------

static const struct hadron_param rows[] = {
    {"symbols", "what is listed", "", "WALK", HADRON_PARAM_TEXT, offsetof(struct walk, symbols), sizeof((struct walk *)0)->symbols, 0, 0, 0, 0, 0},
    {"interval", "time between two steps", "duration", "10ms", HADRON_PARAM_DURATION, offsetof(struct walk, interval_ns), 8, 0, 1000, INT64_MAX / 4, 0, 0},
    {"price", "where the walk begins", "price", "100", HADRON_PARAM_PRICE, offsetof(struct walk, price), 8, 0, INCREMENT_NANOS * 2, INT64_MAX / 4, 0, 0},
    {"fee_bps", "fee of a fill", "bps", "1", HADRON_PARAM_INTEGER, offsetof(struct walk, fee_bps), 8, 1, 0, 1000, 0, 0},
};
static const struct hadron_params params = {.struct_size = sizeof params, .count = sizeof rows / sizeof *rows, .params = rows};

static const void *walk_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS | HADRON_VENUE_ORDERS,
                                            .create = walk_create, .destroy = walk_destroy, .start = walk_start, .stop = walk_stop,
                                            .poll = walk_poll, .submit = walk_submit, .cancel = walk_cancel};

HADRON_PLUGIN(VENUE, "walk", "1.0.0", "A random walk that fills orders", "hadron.venue/1", &api, walk_capability);
