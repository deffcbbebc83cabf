// Keeps every promise of a venue: a trade per poll, orders accepted and cancelled.
#include <stdlib.h>
#include <string.h>

#include "hadron/venue.h"

#ifndef GOOD_VENUE_NAME
#define GOOD_VENUE_NAME "good_venue"
#define GOOD_VENUE_HANDLE v->handle
#endif

struct venue {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  uint32_t handle;
  uint32_t pad;
};

static int32_t create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct venue *v = calloc(1, sizeof *v);
  (void)context;
  if (v == NULL) return HADRON_ERR_MEMORY;
  v->host = host;
  v->venue = host->capability(host->instance, "hadron.venue/1");
  *self = v;
  return HADRON_OK;
}
static void destroy(void *self) { free(self); }
static int32_t start(void *self) {
  struct venue *v = self;
  struct hadron_listing l = {.symbol = "X"};
  int32_t err = v->venue->resolve(v->host->instance, &l, &v->handle);
  if (!err) v->venue->status(v->host->instance, HADRON_VENUE_READY, NULL);
  return err;
}
static void stop(void *self) { (void)self; }
static int64_t poll(void *self, int64_t now_ns) {
  struct venue *v = self;
  struct hadron_tick tick = {.event_ns = now_ns, .instrument = GOOD_VENUE_HANDLE, .kind = HADRON_TICK_TRADE,
                             .value.trade = {.price = {HADRON_PRICE_SCALE}, .quantity = {HADRON_QUANTITY_SCALE}}};
  v->venue->ticks(v->host->instance, &tick, 1);
  return now_ns + 1000000;
}
static void answer(struct venue *v, const struct hadron_order *order, uint8_t change) {
  struct hadron_venue_report r = {.client_order_id = order->client_order_id, .listing = order->listing, .change = change};
  v->venue->report(v->host->instance, &r);
}
static int32_t submit(void *self, const struct hadron_order *order) {
  answer(self, order, HADRON_CHANGE_ACCEPT);
  return HADRON_OK;
}
static int32_t cancel(void *self, const struct hadron_order *order) {
  answer(self, order, HADRON_CHANGE_CANCELED);
  return HADRON_OK;
}
static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_TICKS | HADRON_VENUE_ORDERS, .create = create, .destroy = destroy,
                                            .start = start, .stop = stop, .poll = poll, .submit = submit, .cancel = cancel};
HADRON_PLUGIN(VENUE, GOOD_VENUE_NAME, "1.0.0", "a trade per poll", "hadron.venue/1", &api, NULL);
