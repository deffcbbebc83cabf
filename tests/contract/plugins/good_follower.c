// Keeps every promise of a venue that brings no ticks: fills an order with the first tick that it follows.
#include <stdlib.h>
#include <string.h>

#include "hadron/venue.h"

struct venue {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  struct hadron_order order;
  uint64_t open;
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
  v->venue->status(v->host->instance, HADRON_VENUE_READY, NULL);
  return HADRON_OK;
}
static void stop(void *self) { ((struct venue *)self)->open = 0; }
static int64_t poll(void *self, int64_t now_ns) {
  (void)self;
  (void)now_ns;
  return INT64_MAX;
}
static int32_t submit(void *self, const struct hadron_order *order) {
  struct venue *v = self;
  v->order = *order;
  v->open = 1;
  return HADRON_OK;
}
static int32_t cancel(void *self, const struct hadron_order *order) {
  struct venue *v = self;
  struct hadron_venue_report r = {.client_order_id = order->client_order_id, .listing = order->listing, .change = v->open ? HADRON_CHANGE_CANCELED : HADRON_CHANGE_CANCEL_REJECT};
  v->venue->report(v->host->instance, &r);
  v->open = 0;
  return HADRON_OK;
}
static void on_tick(void *self, const struct hadron_tick *tick) {
  struct venue *v = self;
  if (!v->open || v->venue->instrument(v->host->instance, v->order.listing) != tick->instrument) return;
  struct hadron_venue_report r = {.client_order_id = v->order.client_order_id, .listing = v->order.listing, .change = HADRON_CHANGE_FILL, .price = tick->value.trade.price,
                                  .quantity = v->order.quantity, .cumulative = v->order.quantity, .execution_id = "1"};
  v->venue->report(v->host->instance, &r);
  v->open = 0;
}
static const struct hadron_venue_api api = {.struct_size = sizeof api, .features = HADRON_VENUE_ORDERS | HADRON_VENUE_FOLLOWS, .create = create, .destroy = destroy,
                                            .start = start, .stop = stop, .poll = poll, .submit = submit, .cancel = cancel, .on_tick = on_tick};
HADRON_PLUGIN(VENUE, "good_follower", "1.0.0", "fills against what it follows", "hadron.venue/1", &api, NULL);
