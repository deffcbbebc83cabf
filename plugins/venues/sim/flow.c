// The background flow of the exchange: a zero-intelligence order flow around a latent fair value. docs/sim.md says which facts
// about markets it is made to show, and where they are from. Doubles move the fair value and the clock; every price and size
// that leaves here is an integer on its grid.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define YEAR_S 31557600.0
#define LIMIT_SHARE 0.48      // of all events, in equilibrium
#define MARKET_SHARE 0.12     // of which half are answers to other market orders
#define CANCEL_SHARE 0.40
#define RESTING 120.0         // orders of the flow in the book, in equilibrium
#define BRANCHING 0.5         // market orders that one market order brings, on average
#define SIGN_MEMORY 0.6       // chance that a market order repeats the side of the last
#define DISTANCE_SCALE 1.2    // of the power law of distances, in ticks
#define DISTANCE_MAX 60
#define SWEEP_LEVELS 3        // a market order of the flow takes no more levels than this
#define CALM 0.75             // volatility in the calm regime, over its average
#define HECTIC 1.5            // and in the hectic one
#define CALM_S 60.0           // how long they last, on average
#define HECTIC_S 20.0

// --- the order in which instruments come: a heap by (next_ns, index)

static bool sooner(const struct sim *s, uint32_t a, uint32_t b) {
  return s->flows[a].next_ns != s->flows[b].next_ns ? s->flows[a].next_ns < s->flows[b].next_ns : a < b;
}

static void sift_down(struct sim *s, uint32_t place) {
  uint32_t market = s->flow_heap[place];
  for (uint32_t child; (child = place * 2 + 1) < s->market_count; place = child) {
    if (child + 1 < s->market_count && sooner(s, s->flow_heap[child + 1], s->flow_heap[child])) child++;
    if (!sooner(s, s->flow_heap[child], market)) break;
    s->flow_heap[place] = s->flow_heap[child];
  }
  s->flow_heap[place] = market;
}

static void schedule(struct sim_flow *f) {
  double awake = f->hectic ? HECTIC : CALM;
  f->rate_bound = awake * (f->limit_rate + f->market_rate * (1 + f->excitation)) + f->cancel_rate * awake * f->background_count;
  double wait = sim_random_exponential(&f->random) / f->rate_bound * 1e9;
  f->next_ns = f->last_ns + 1 + (wait < 1e18 ? (int64_t)wait : INT64_C(1000000000000000000));
}

// --- instruments

static double unit(uint64_t seed, uint64_t i) {
  struct sim_random r;
  sim_random_seed(&r, seed + i * 2654435761u);
  return sim_random_unit(&r);
}

static int compare_handles(const void *a, const void *b) {
  uint32_t x = ((const struct sim_handle *)a)->handle, y = ((const struct sim_handle *)b)->handle;
  return x < y ? -1 : x > y;
}

static uint32_t count_symbols(const struct sim_params *p) {
  if (p->symbols[0] == '\0') return (uint32_t)p->instruments;
  uint32_t n = 1;
  for (const char *c = p->symbols; *c; c++) n += *c == '\n' && c[1] != '\0';
  return n;
}

// The i-th symbol: from the list, or SIM and a number.
static bool symbol_at(const struct sim_params *p, uint32_t i, char *out) {
  if (p->symbols[0] == '\0') {
    snprintf(out, HADRON_SYMBOL_SIZE, "SIM%02u", i);
    return true;
  }
  const char *at = p->symbols;
  for (; i > 0; i--) at = strchr(at, '\n') + 1;
  size_t size = strcspn(at, "\n");
  if (size == 0 || size >= HADRON_SYMBOL_SIZE) return false;
  memcpy(out, at, size);
  out[size] = '\0';
  return true;
}

static int32_t resolve(struct sim *s, const char *symbol, uint32_t *handle) {
  struct hadron_listing listing;
  memset(&listing, 0, sizeof listing);
  memcpy(listing.symbol, symbol, strlen(symbol));
  memcpy(listing.currency, s->params.currency, sizeof listing.currency - 1);
  listing.increment = s->params.tick_size, listing.lot = s->params.lot;
  listing.multiplier.e8 = HADRON_QUANTITY_SCALE;
  listing.asset = (uint32_t)s->params.asset;
  return s->venue->resolve(s->host->instance, &listing, handle);
}

static void set_up(struct sim *s, uint32_t market, uint64_t seed, double weight) {
  struct sim_market *m = &s->markets[market];
  struct sim_flow *f = &s->flows[market];
  memset(m, 0, sizeof *m);
  m->working[0] = m->working[1] = m->stops = SIM_NONE;
  m->increment = s->params.tick_size.nanos, m->lot = s->params.lot.e8, m->multiplier = HADRON_QUANTITY_SCALE;
  m->asset = (uint8_t)s->params.asset, m->known = 1, m->listing = f->handle;
  sim_random_seed(&f->random, seed ^ (UINT64_C(0xd1342543de82ef95) * (market + 1)));
  double factor = s->params.vary && market > 0 ? 0.25 + 2.5 * unit(seed, market) : 1;
  f->fair = (double)(s->params.price.nanos / m->increment) * factor;
  if (f->fair < 100) f->fair = 100;
  f->noise = 0;
  f->limit_rate = s->params.rate * weight * LIMIT_SHARE;
  f->market_rate = s->params.rate * weight * MARKET_SHARE * (1 - BRANCHING);
  f->cancel_rate = s->params.rate * weight * CANCEL_SHARE / RESTING;
  f->best[0] = f->best[1] = SIM_NONE;
}

// Rates fall like 1/sqrt(rank), with mean 1: few busy instruments, many quiet ones.
static double weight_of(const struct sim *s, uint32_t market) {
  if (!s->params.vary) return 1;
  double sum = 0;
  for (uint32_t i = 0; i < s->market_count; i++) sum += 1 / sqrt((double)i + 1);
  return (double)s->market_count / sum / sqrt((double)market + 1);
}

static int32_t resolve_all(struct sim *s, uint32_t wanted) {
  for (uint32_t i = 0; i < wanted; i++) {
    struct sim_flow *f = &s->flows[s->market_count];
    if (!symbol_at(&s->params, i, f->symbol))
      return sim_fail(s, HADRON_ERR_CONFIG, "sim: symbol %u of `symbols` is empty or longer than %d letters", i + 1, HADRON_SYMBOL_SIZE - 1);
    int32_t error = resolve(s, f->symbol, &f->handle);
    if (error == HADRON_ERR_NOT_FOUND) continue; // the universe is closed and does not want it
    if (error)
      return sim_fail(s, error, "sim: instrument %s (%u of %u) could not be listed: %s; %s", f->symbol, i + 1, wanted,
                      hadron_error_text(error), hadron_error_hint(error));
    s->handles[s->market_count] = (struct sim_handle){f->handle, s->market_count};
    s->market_count++;
  }
  if (s->market_count == 0)
    return sim_fail(s, HADRON_ERR_CONFIG, "sim: the universe has none of the %u instruments; add them, or open it", wanted);
  qsort(s->handles, s->market_count, sizeof *s->handles, compare_handles);
  return HADRON_OK;
}

int32_t sim_flow_open(struct sim *s) {
  uint32_t wanted = count_symbols(&s->params);
  s->flows = calloc(wanted, sizeof *s->flows);
  s->markets = aligned_alloc(64, wanted * sizeof *s->markets);
  s->handles = calloc(wanted, sizeof *s->handles);
  s->flow_heap = calloc(wanted, sizeof *s->flow_heap);
  if (!s->flows || !s->markets || !s->handles || !s->flow_heap) return HADRON_ERR_MEMORY;
  int32_t error = resolve_all(s, wanted);
  if (error) return error;
  uint64_t seed = sim_random_next(&s->flow_random);
  for (uint32_t i = 0; i < s->market_count; i++) {
    set_up(s, i, seed, weight_of(s, i));
    s->flow_heap[i] = i;
  }
  return HADRON_OK;
}

void sim_flow_close(struct sim *s) {
  free(s->flows), free(s->handles), free(s->flow_heap);
  s->flows = NULL, s->handles = NULL, s->flow_heap = NULL;
}

// --- the latent fair value

static void move_fair(struct sim *s, struct sim_flow *f, double seconds) {
  double keep = sim_decay(seconds * 1e9 / (double)sim_max(s->params.noise_time, 1));
  f->noise = f->noise * keep + s->params.noise * sqrt(1 - keep * keep) * sim_random_normal(&f->random);
  double regime = f->hectic ? HECTIC : CALM;
  f->fair *= 1 + s->params.volatility * regime * sqrt(seconds / YEAR_S) * sim_random_normal(&f->random);
  // A price keeps a hundred ticks under it, and room above for sums of notionals.
  if (f->fair < 100) f->fair = 200 - f->fair;
  if (f->fair > 1e9) f->fair = 1e9;
  f->excitation *= sim_decay(seconds * f->market_rate / 3);
}

static void change_regime(struct sim_flow *f) {
  while (f->last_ns >= f->regime_ns) {
    f->hectic = !f->hectic;
    f->regime_ns += (int64_t)(sim_random_exponential(&f->random) * (f->hectic ? HECTIC_S : CALM_S) * 1e9) + 1;
  }
}

// --- orders of the flow

// Sizes have a power tail, and people like round numbers.
static int64_t draw_size(const struct sim *s, struct sim_flow *f) {
  double u = sim_random_unit(&f->random), typical = (double)(s->params.size.e8 / s->params.lot.e8);
  double lots = typical * 0.5 / sqrt(u);
  if (lots > typical * 50) lots = typical * 50;
  int64_t n = sim_max((int64_t)lots, 1);
  if (n > 20 && sim_random_below(&f->random, 3) != 0) n -= n % 10;
  return n * s->params.lot.e8;
}

static int64_t draw_distance(struct sim_flow *f) {
  double u = sim_random_unit(&f->random), k = DISTANCE_SCALE * (1 / (u * sqrt(u)) - 1);
  return k > DISTANCE_MAX ? (int64_t)sim_random_below(&f->random, DISTANCE_MAX + 1) : (int64_t)k;
}

// The price of a new limit order: behind the fair value, on its own side of it.
static int64_t draw_price(const struct sim *s, uint32_t market, uint32_t side) {
  struct sim_flow *f = &s->flows[market];
  double half = s->params.spread / 2, value = f->fair + f->noise;
  int64_t anchor = side == 0 ? (int64_t)(value - half) : (int64_t)(value + half) + 1, distance = draw_distance(f);
  return sim_max(side == 0 ? anchor - distance : anchor + distance, 1) * s->markets[market].increment;
}

static void place_limit(struct sim *s, uint32_t market) {
  struct sim_flow *f = &s->flows[market];
  uint32_t side = (uint32_t)sim_random_below(&f->random, 2);
  int64_t price = draw_price(s, market, side), quantity = draw_size(s, f);
  quantity = sim_book_sweep(s, market, side, price, quantity); // the fair value has moved: it takes what is stale
  if (quantity > 0) sim_book_add(s, market, side, price, quantity);
}

static void place_market(struct sim *s, uint32_t market) {
  struct sim_flow *f = &s->flows[market];
  const struct hadron_quote *q = &s->markets[market].quote;
  f->excitation += BRANCHING / 3;
  double lean = 0;
  if (q->bid.nanos && q->ask.nanos)
    lean = f->fair + f->noise - (double)(q->bid.nanos + q->ask.nanos) / 2 / (double)s->markets[market].increment;
  double buys = 0.5 + 0.1 * lean;
  if (buys < 0.1) buys = 0.1;
  if (buys > 0.9) buys = 0.9;
  bool repeat = sim_random_unit(&f->random) <= SIGN_MEMORY, sells = sim_random_unit(&f->random) > buys;
  uint32_t side = repeat ? f->sign : sells;
  f->sign = side == 1;
  int64_t quantity = draw_size(s, f) / 2, limit = 0;
  quantity = sim_max(quantity - quantity % s->params.lot.e8, s->params.lot.e8);
  uint32_t level = f->best[!side], next = level;
  for (int i = 0; i < SWEEP_LEVELS && next != SIM_NONE; i++) level = next, next = s->levels[next].next;
  if (level == SIM_NONE) return;
  limit = s->levels[level].price;
  if (next == SIM_NONE) { // it never takes the last level
    if (s->levels[level].prev == SIM_NONE) return;
    limit = s->levels[s->levels[level].prev].price;
  }
  sim_book_sweep(s, market, side, limit, quantity);
}

static void cancel_one(struct sim *s, uint32_t market) {
  struct sim_flow *f = &s->flows[market];
  if (f->background_count == 0) return;
  uint32_t e = f->background[sim_random_below(&f->random, f->background_count)];
  const struct sim_level *level = &s->levels[s->entries[e].level];
  bool alone = level->prev == SIM_NONE && level->next == SIM_NONE && level->head == level->tail;
  if (!alone) sim_book_remove(s, market, e);
}

// --- events

static void open_market(struct sim *s, uint32_t market, int64_t now_ns) {
  struct sim_flow *f = &s->flows[market];
  f->last_ns = now_ns;
  f->regime_ns = now_ns + (int64_t)(sim_random_exponential(&f->random) * CALM_S * 1e9);
  int64_t depth = s->params.depth;
  s->params.depth = 0; // one snapshot at the end, not a tick per order
  sim_event_begin(s);
  for (int i = 0; i < (int)RESTING; i++) {
    uint32_t side = (uint32_t)i % 2;
    int64_t price = draw_price(s, market, side), quantity = draw_size(s, f);
    sim_book_add(s, market, side, price, quantity);
  }
  s->params.depth = depth;
  sim_book_snapshot(s, market);
  sim_event_end(s, market);
  schedule(f);
}

void sim_flow_begin(struct sim *s, int64_t now_ns) {
  s->at_ns = sim_max(s->at_ns, now_ns);
  for (uint32_t i = 0; i < s->market_count; i++) open_market(s, i, now_ns);
  for (uint32_t i = s->market_count; i-- > 0;) sift_down(s, i);
  s->opened = true;
}

void sim_flow_run(struct sim *s) {
  uint32_t market = s->flow_heap[0];
  struct sim_flow *f = &s->flows[market];
  double seconds = (double)(f->next_ns - f->last_ns) / 1e9, bound = f->rate_bound, awake = f->hectic ? HECTIC : CALM;
  f->last_ns = f->next_ns;
  move_fair(s, f, seconds);
  // Which event it is; what the bound allowed for and the decayed excitation no longer gives is none (Ogata's thinning).
  double u = sim_random_unit(&f->random) * bound / awake, cancels = f->cancel_rate * f->background_count;
  sim_event_begin(s);
  if (u <= f->limit_rate) place_limit(s, market);
  else if (u <= f->limit_rate + cancels) cancel_one(s, market);
  else if (u <= f->limit_rate + cancels + f->market_rate * (1 + f->excitation)) place_market(s, market);
  sim_event_end(s, market);
  change_regime(f);
  schedule(f);
  sift_down(s, 0);
}
