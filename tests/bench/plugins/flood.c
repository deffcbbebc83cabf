// A venue that is live and never quiet: trades of some instruments, a batch every `period`, for as long as it is polled.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/params.h"
#include "hadron/venue.h"

#define BATCH 256
#define INSTRUMENTS_MAX 64

struct flood {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  int64_t instruments, period; // parameters
  uint16_t number;
  uint64_t made;
  uint32_t handles[INSTRUMENTS_MAX];
};

static int32_t flood_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct flood *f = calloc(1, sizeof *f);
  if (!f) return HADRON_ERR_MEMORY;
  f->host = host;
  f->venue = host->capability(host->instance, "hadron.venue/1");
  f->number = context->venue;
  *self = f;
  return HADRON_OK;
}

static void flood_destroy(void *self) { free(self); }

static int32_t flood_start(void *self) {
  struct flood *f = self;
  for (int64_t i = 0; i < f->instruments; i++) {
    struct hadron_listing listing = {.increment = {10000000}, .lot = {HADRON_QUANTITY_SCALE}, .multiplier = {HADRON_QUANTITY_SCALE}, .asset = 1};
    listing.symbol[0] = listing.name[0] = 'F';
    listing.symbol[1] = listing.name[1] = (char)('A' + i / 16);
    listing.symbol[2] = listing.name[2] = (char)('A' + i % 16);
    int32_t code = f->venue->resolve(f->host->instance, &listing, &f->handles[i]);
    if (code) return code;
  }
  f->venue->status(f->host->instance, HADRON_VENUE_READY, NULL);
  return HADRON_OK;
}

static void flood_stop(void *self) { (void)self; }

static int64_t flood_poll(void *self, int64_t now_ns) {
  struct flood *f = self;
  struct hadron_tick ticks[BATCH];
  memset(ticks, 0, sizeof ticks);
  for (uint32_t i = 0; i < BATCH; i++) {
    struct hadron_tick *t = &ticks[i];
    t->event_ns = t->recv_ns = now_ns;
    t->instrument = f->handles[f->made % (uint64_t)f->instruments];
    t->venue = f->number;
    t->kind = HADRON_TICK_TRADE;
    t->value.trade.price.nanos = 100 * HADRON_PRICE_SCALE + (int64_t)(f->made++ % 7) * 10000000;
    t->value.trade.quantity.e8 = HADRON_QUANTITY_SCALE;
  }
  f->venue->ticks(f->host->instance, ticks, BATCH);
  return now_ns + f->period;
}

static const struct hadron_param table[] = {
    {"instruments", "instruments the trades are spread over", "", "4", HADRON_PARAM_INTEGER, offsetof(struct flood, instruments), 8, 0, 1, INSTRUMENTS_MAX, 0, 0},
    {"period", "time from one batch of 256 to the next", "duration", "100us", HADRON_PARAM_DURATION, offsetof(struct flood, period), 8, 0, 1000, INT64_MAX, 0, 0},
};
static const struct hadron_params params = {sizeof params, sizeof table / sizeof *table, table, NULL};
static const void *flood_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS, .create = flood_create, .destroy = flood_destroy,
                                            .start = flood_start, .stop = flood_stop, .poll = flood_poll};

HADRON_PLUGIN(VENUE, "flood", "1.0.0", "Trades without end, for measuring", "hadron.venue/1", &api, flood_capability);
