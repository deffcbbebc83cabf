// A recorded venue whose ticks are made in memory: trades of a seeded random walk over some instruments. Benches use it so that what
// they measure is the pipeline and not a file format. All ticks are made at the start, or, with `ahead = false`, a batch at a time.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/venue.h"

#define BATCH 256
#define INSTRUMENTS_MAX 4096

struct memory {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  int64_t count, instruments, quotes, ahead, step; // parameters
  uint16_t number;
  struct hadron_tick *ticks; // [made - BATCH .. made), or all
  uint64_t at, made;
  uint32_t handles[INSTRUMENTS_MAX];
  int64_t prices[INSTRUMENTS_MAX];
};

static int32_t memory_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct memory *m = calloc(1, sizeof *m);
  if (!m) return HADRON_ERR_MEMORY;
  m->host = host;
  m->venue = host->capability(host->instance, "hadron.venue/1");
  m->number = context->venue;
  *self = m;
  return HADRON_OK;
}

static void memory_destroy(void *self) {
  struct memory *m = self;
  free(m->ticks);
  free(m);
}

static void memory_tick(struct memory *m, struct hadron_tick *t, int64_t i, uint32_t handle, int64_t price) {
  t->event_ns = t->recv_ns = INT64_C(1704205800000000000) + i * m->step;
  t->sequence = 0;
  t->instrument = handle;
  t->venue = m->number;
  t->flags = HADRON_TICK_LAST;
  if (m->quotes && i % 2) {
    t->kind = HADRON_TICK_QUOTE;
    t->value.quote.bid.nanos = price - 10000000;
    t->value.quote.ask.nanos = price + 10000000;
    t->value.quote.bid_size.e8 = t->value.quote.ask_size.e8 = 100 * HADRON_QUANTITY_SCALE;
    return;
  }
  t->kind = HADRON_TICK_TRADE;
  t->value.trade.price.nanos = price;
  t->value.trade.quantity.e8 = 100 * HADRON_QUANTITY_SCALE;
}

static void memory_make(struct memory *m, struct hadron_tick *to, uint64_t count) {
  memset(to, 0, (size_t)count * sizeof *to);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t r = m->host->random(m->host->instance);
    int64_t k = (int64_t)(r % (uint64_t)m->instruments), step = (int64_t)(r >> 32 & 7) - 3;
    m->prices[k] += (step == 4 ? 0 : step) * 10000000;
    if (m->prices[k] < 10 * HADRON_PRICE_SCALE) m->prices[k] = 10 * HADRON_PRICE_SCALE;
    memory_tick(m, &to[i], (int64_t)(m->made + i), m->handles[k], m->prices[k]);
  }
  m->made += count;
}

static int32_t memory_start(void *self) {
  struct memory *m = self;
  uint64_t room = m->ahead ? (uint64_t)m->count : BATCH;
  m->ticks = aligned_alloc(64, room * sizeof *m->ticks);
  if (!m->ticks) return HADRON_ERR_MEMORY;
  for (int64_t i = 0; i < m->instruments; i++) {
    struct hadron_listing listing = {.increment = {10000000}, .lot = {HADRON_QUANTITY_SCALE}, .multiplier = {HADRON_QUANTITY_SCALE}, .asset = 1};
    listing.symbol[0] = listing.name[0] = 'M';
    listing.symbol[1] = listing.name[1] = (char)('A' + i / 256);
    listing.symbol[2] = listing.name[2] = (char)('A' + i / 16 % 16);
    listing.symbol[3] = listing.name[3] = (char)('A' + i % 16);
    int32_t code = m->venue->resolve(m->host->instance, &listing, &m->handles[i]);
    if (code) return code;
    m->prices[i] = 100 * HADRON_PRICE_SCALE;
  }
  if (m->ahead) memory_make(m, m->ticks, room);
  m->venue->status(m->host->instance, HADRON_VENUE_READY, NULL);
  return HADRON_OK;
}

static void memory_stop(void *self) { (void)self; }

static int64_t memory_poll(void *self, int64_t now_ns) {
  struct memory *m = self;
  uint64_t left = (uint64_t)m->count - m->at, batch = left < BATCH ? left : BATCH;
  if (!m->ahead && m->at == m->made) memory_make(m, m->ticks, batch);
  const struct hadron_tick *from = m->ahead ? m->ticks + m->at : m->ticks + m->at % BATCH;
  if (!m->ahead) batch = m->made - m->at; // of a batch that was taken in part
  m->at += m->venue->ticks(m->host->instance, from, (uint32_t)batch);
  m->venue->progress(m->host->instance, m->at, (uint64_t)m->count);
  if (m->at == (uint64_t)m->count) m->venue->status(m->host->instance, HADRON_VENUE_FINISHED, NULL);
  return now_ns;
}

static const struct hadron_param table[] = {
    {"count", "ticks to make", "ticks", "1000000", HADRON_PARAM_INTEGER, offsetof(struct memory, count), 8, 0, 1, 1 << 30, 0, 0},
    {"instruments", "instruments they are spread over", "", "4", HADRON_PARAM_INTEGER, offsetof(struct memory, instruments), 8, 0, 1, INSTRUMENTS_MAX, 0, 0},
    {"ahead", "all ticks are made at the start", "", "true", HADRON_PARAM_BOOL, offsetof(struct memory, ahead), 8, 0, 0, 1, 0, 0},
    {"step", "time from one tick to the next", "duration", "1ms", HADRON_PARAM_DURATION, offsetof(struct memory, step), 8, 0, 1, INT64_MAX, 0, 0},
    {"quotes", "every other tick is a quote", "", "false", HADRON_PARAM_BOOL, offsetof(struct memory, quotes), 8, 0, 0, 1, 0, 0},
};
static const struct hadron_params params = {sizeof params, sizeof table / sizeof *table, table, NULL};
static const void *memory_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS | HADRON_VENUE_RECORDED,
                                            .create = memory_create, .destroy = memory_destroy, .start = memory_start,
                                            .stop = memory_stop, .poll = memory_poll};

HADRON_PLUGIN(VENUE, "memory", "1.0.0", "Seeded ticks out of memory, for measuring", "hadron.venue/1", &api, memory_capability);
